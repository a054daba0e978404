//! Words about text: where it stands, what it must not reveal, how it is made safe to show.

pub mod nearest;
pub mod safe;
pub mod source;

pub use safe::Secret;
pub use source::{SourceId, SourceMap, Span, push_number};
