//! Texts from users and providers: their places in sources, the nearest known name, what is safe to show.

pub mod damage;
pub mod decode;
pub mod excerpt;
pub mod nearest;
pub mod safe;
pub mod source;
mod spellings;

pub use excerpt::excerpt;
pub use safe::Secret;
pub use source::{SourceId, SourceMap, Span, line_place};
