//! Untrusted text made safe to show: the only place that knows the terminal's and the spreadsheet's rules.

use std::borrow::Cow;

/// Text for a terminal or a log line: control characters (C0, DEL, C1), line breaks included, and the characters that
/// reorder text (bidirectional controls) are shown as `\u{…}`; nothing in it can move the cursor or colour the screen.
pub fn terminal(text: &str) -> Cow<'_, str> {
    // Most texts are printable ASCII, which is told at a glance: many bytes at once, where none ends the look.
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

/// What a cell begins with that a spreadsheet would take for a formula.
const FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

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
}
