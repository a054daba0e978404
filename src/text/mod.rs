//! Texts from users and providers: their places in sources, the nearest known name, what is safe to show; the files that they name.

pub mod damage;
pub mod decode;
pub mod file;
pub mod nearest;
pub mod page;
pub mod safe;
pub mod source;
mod spellings;

pub use page::excerpt;
pub use safe::Secret;
pub use source::{SourceId, SourceMap, Span, line_place};
