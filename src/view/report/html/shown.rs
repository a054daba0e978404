//! Text from outside as a page may hold it: no letter that reorders or hides others, and never more than a reader would read. The template
//! escapes what is markup. Decides nothing.

use crate::text::safe;
use std::fmt;

/// Text from outside, made safe to show. The whole of a long one is in the rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Shown(String);

impl Shown {
    pub(super) fn new(text: &str) -> Self {
        let short: String = text.chars().take(MAX_SHOWN).collect();
        let rest = text[short.len()..].chars().count();
        let short = safe::terminal(&short);
        Self(if rest > 0 { format!("{short}… (and {rest} more characters)") } else { short.into_owned() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Letters of one text at most.
const MAX_SHOWN: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_still() {
        assert_eq!(Shown::new("a\u{202e}b\u{1b}[31m").to_string(), "a\\u{202e}b\\u{1b}[31m");
        let long = Shown::new(&"김".repeat(65_536)).to_string();
        assert!(long.ends_with("… (and 65136 more characters)") && long.chars().count() < 500, "{long}");
    }
}
