//! What may be shown: untrusted text made safe for terminals and spreadsheets, and secrets that cannot be printed, stored or serialised.

use std::borrow::Cow;
use std::fmt;
use zeroize::Zeroizing;

/// Text for a terminal or a log line: control characters (C0, DEL, C1), line breaks included, and the characters that
/// reorder text (bidirectional controls) are shown as `\u{…}`; nothing in it can move the cursor or colour the screen.
pub fn terminal(text: &str) -> Cow<'_, str> {
    // Most texts are printable ASCII. A fold without an early exit compares many bytes at once (SIMD); a report of a million rows calls
    // this for each cell.
    let plain = text.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte));
    if plain || !text.chars().any(unsafe_for_terminal) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if unsafe_for_terminal(letter) {
            safe.extend(letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    Cow::Owned(safe)
}

/// Text for a cell of a CSV report: safe for terminals, and a cell that a spreadsheet would take for a formula (it begins
/// with `=`, `+`, `-`, `@`, tab or CR) gets a leading `'`.
pub fn spreadsheet(text: &str) -> Cow<'_, str> {
    let safe = terminal(text);
    if text.starts_with(FORMULAS) { Cow::Owned(format!("'{safe}")) } else { safe }
}

fn unsafe_for_terminal(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// First characters that make Excel, LibreOffice and Google Sheets evaluate a cell (OWASP: CSV injection).
const FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A credential's value. It has no `Display` and no `Serialize`; `Debug` says `(secret)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text, whose buffer is wiped when the last owner drops it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for a signer or a header. Never for a message.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Replaces every occurrence of this secret in foreign text (a provider may echo it) by `(secret)`.
    pub fn mask<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        if self.0.len() < MIN_MASKED || !text.contains(self.reveal()) {
            return text;
        }
        text.replace(self.reveal(), "(secret)").into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

/// Bytes. A shorter secret would occur in ordinary text, and masking that would make errors unreadable.
const MIN_MASKED: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_made_safe() {
        for (text, for_terminal, for_spreadsheet) in [
            ("plain", "plain", "plain"),
            ("\u{1b}[31mred", "\\u{1b}[31mred", "\\u{1b}[31mred"),
            ("=cmd()", "=cmd()", "'=cmd()"),
            ("-1", "-1", "'-1"),
            ("\t=x", "\\t=x", "'\\t=x"),
            ("a\r\nb", "a\\r\\nb", "a\\r\\nb"),
            ("\u{202e}evil", "\\u{202e}evil", "\\u{202e}evil"),
            ("철회", "철회", "철회"),
        ] {
            assert_eq!(terminal(text), for_terminal);
            assert_eq!(spreadsheet(text), for_spreadsheet);
        }
    }

    #[test]
    fn a_secret_does_not_print_and_is_masked_in_foreign_text() {
        let secret = Secret::new("hunter2hunter2");
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert_eq!(secret.mask("bad key hunter2hunter2!".into()), "bad key (secret)!");
        assert_eq!(secret.mask("bad key".into()), "bad key");
    }
}
