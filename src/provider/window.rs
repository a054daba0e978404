//! A limit of a rate: so many requests in any stretch of a length, and how people write it. Plain data; who keeps to it is the engine.

use std::fmt;
use std::time::Duration;

/// At most `count` requests in any window of `length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// Requests, at least 1.
    pub count: u32,
    /// The window's length, above zero.
    pub length: Duration,
}

impl Window {
    /// Reads `100/5s`, `1000/3m`.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("`{text}` is not a rate; write requests/window, such as `100/5s` or `1000/3m`");
        let (count, length) = text.trim().split_once('/').ok_or_else(expected)?;
        let count: u32 = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(expected)?;
        let length = crate::time::parse_duration(length.trim()).map_err(|_| expected())?;
        if length.is_zero() { Err(expected()) } else { Ok(Self { count, length }) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length.subsec_millis() == 0 {
            write!(formatter, "{}/{}s", self.count, self.length.as_secs())
        } else {
            write!(formatter, "{}/{}ms", self.count, self.length.as_millis())
        }
    }
}
