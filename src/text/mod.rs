//! Texts from users and providers: their places in sources, the nearest known name, what is safe to show; the files that they name.

pub mod credential;
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

/// A count for people: `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
