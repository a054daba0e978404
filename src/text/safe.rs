//! Untrusted text made safe to show: the only place that knows the terminal's and the spreadsheet's rules.

use std::borrow::Cow;

/// Text for a terminal or a log line: control characters (C0, DEL, C1), line breaks included, and the characters that
/// reorder text (bidirectional controls) are shown as `\u{…}`; nothing in it can move the cursor or colour the screen.
pub fn terminal(text: &str) -> Cow<'_, str> {
    // Most texts are printable ASCII, which is told at a glance.
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
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
    if is_formula(text) { Cow::Owned(format!("'{safe}")) } else { safe }
}

/// Whether a spreadsheet would take a cell of this text for a formula.
pub fn is_formula(text: &str) -> bool {
    text.starts_with(FORMULAS)
}

/// Whether cells that are no formulas, each with a comma behind it, are safe in a CSV report as they stand and need no quotes there.
/// Told of all at once, since most rows of most reports are so.
pub fn are_plain(cells: &[u8], count: usize) -> bool {
    let plain = |plain: bool, byte: &u8| plain & (b' '..=b'~').contains(byte) & (*byte != b'"');
    cells.iter().fold(true, plain) && cells.iter().filter(|byte| **byte == b',').count() == count
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
            let is_plain = !is_formula(text) && are_plain(format!("{text},").as_bytes(), 1);
            assert_eq!(is_plain, text == for_spreadsheet && text.is_ascii(), "{text}");
        }
    }
}
