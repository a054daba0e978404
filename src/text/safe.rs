//! What may be shown: untrusted text made safe for terminals and spreadsheets, and secrets that cannot be printed, stored or serialised.

use super::spellings::{may_be_escaped, spelled};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use zeroize::Zeroizing;

/// Text for a terminal or a log line: control characters (C0, DEL, C1), line and paragraph separators included, and the characters that
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

/// JSON text for a terminal: the same characters as `\u009b`, which a parser reads as what they were. White space between values stays.
pub fn json(text: &str) -> Cow<'_, str> {
    let acts = |letter: char| !letter.is_ascii_control() && unsafe_for_terminal(letter) || letter == '\u{7f}';
    if text.is_ascii() && !text.contains('\u{7f}') || !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if acts(letter) {
            // None of them lies beyond the first plane.
            let _written = write!(safe, "\\u{:04x}", u32::from(letter));
        } else {
            safe.push(letter);
        }
    }
    Cow::Owned(safe)
}

/// A writer of [`json`], for what `serde_json` writes. Only strings hold such characters, and control characters below U+0020 it escapes itself.
pub struct JsonOutput<W>(pub W);

impl<W: Write> Write for JsonOutput<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            // serde_json hands over whole letters.
            Ok(text) => self.0.write_all(json(text).as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Text for a cell of a CSV report: safe for terminals, and a cell that a spreadsheet would take for a formula (it begins
/// with `=`, `+`, `-`, `@`, also in their full width, with tab, CR or LF, or with white space or invisible characters before one of
/// these) gets a leading `'`.
pub fn spreadsheet(text: &str) -> Cow<'_, str> {
    let safe = terminal(text);
    if is_formula(text) { Cow::Owned(format!("'{safe}")) } else { safe }
}

fn is_formula(text: &str) -> bool {
    // Nearly all cells begin with a letter or a digit, and a report of a million rows asks of each.
    if text.as_bytes().first().is_none_or(u8::is_ascii_alphanumeric) {
        return false;
    }
    text.starts_with(['\t', '\r', '\n'])
        || text.trim_start_matches(|letter: char| letter.is_whitespace() || is_invisible(letter)).starts_with(FORMULAS)
}

fn unsafe_for_terminal(letter: char) -> bool {
    letter.is_control() || is_bidi_control(letter) || matches!(letter, '\u{2028}' | '\u{2029}')
}

fn is_bidi_control(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// Characters that nobody sees and importers drop: a byte order mark, zero-width spaces and joiners, soft hyphens.
fn is_invisible(letter: char) -> bool {
    is_bidi_control(letter)
        || matches!(letter, '\u{feff}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{ad}' | '\u{180e}' | '\0')
}

/// First characters that make Excel, LibreOffice and Google Sheets evaluate a cell (OWASP: CSV injection).
const FORMULAS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

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

    /// Replaces every occurrence of this secret in foreign text (a provider may echo it) by `(secret)`, also where it is escaped as in
    /// JSON, URLs or HTML.
    pub fn mask<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        // An escape is never shorter than what it stands for.
        if !self.is_masked() || text.len() < self.0.len() {
            return text;
        }
        if !may_be_escaped(&text) {
            return if text.contains(self.reveal()) { text.replace(self.reveal(), MASK).into() } else { text };
        }
        let mut masked: Option<String> = None;
        let mut copied = 0;
        let mut place = 0;
        while let Some(letter) = text[place..].chars().next() {
            match spelled(&text[place..], self.reveal()) {
                Some(length) => {
                    let masked = masked.get_or_insert_default();
                    masked.push_str(&text[copied..place]);
                    masked.push_str(MASK);
                    place += length;
                    copied = place;
                }
                None => place += letter.len_utf8(),
            }
        }
        match masked {
            Some(masked) => (masked + &text[copied..]).into(),
            None => text,
        }
    }

    /// Whether it is long enough to be masked in foreign text.
    pub fn is_masked(&self) -> bool {
        self.0.len() >= MIN_MASKED
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

const MASK: &str = "(secret)";
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
            (
                "a\u{2028}b\u{2029}\u{61c}\u{9b}",
                "a\\u{2028}b\\u{2029}\\u{61c}\\u{9b}",
                "a\\u{2028}b\\u{2029}\\u{61c}\\u{9b}",
            ),
            ("＝1", "＝1", "'＝1"),
            ("＋1", "＋1", "'＋1"),
            ("－1", "－1", "'－1"),
            ("＠x", "＠x", "'＠x"),
            ("\u{feff}=1", "\u{feff}=1", "'\u{feff}=1"),
            ("\u{200b}\u{200b}@x", "\u{200b}\u{200b}@x", "'\u{200b}\u{200b}@x"),
            (" \u{a0}=1", " \u{a0}=1", "' \u{a0}=1"),
            ("\u{202e}=1", "\\u{202e}=1", "'\\u{202e}=1"),
            ("\n=1", "\\n=1", "'\\n=1"),
            ("\u{feff}plain", "\u{feff}plain", "\u{feff}plain"),
            (" ", " ", " "),
            ("", "", ""),
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
        let secret = Secret::new("<b>\"1\"");
        for (text, expected) in [
            ("<b>\"1\"", "(secret)"),
            ("no key &lt;b&gt;&quot;1&quot; &amp; &lt;b&gt;&#34;1&#34;", "no key (secret) &amp; (secret)"),
            ("100% of 철&lt;b", "100% of 철&lt;b"),
            ("{\"k\":\"<b>\\\"1\\\"\"}", "{\"k\":\"(secret)\"}"),
        ] {
            assert_eq!(secret.mask(text.into()), expected);
        }
        assert!(!Secret::new("abc").is_masked() && Secret::new("abcd").is_masked());
    }

    #[test]
    fn json_does_nothing_to_a_terminal_and_stays_what_it_is() {
        let value = serde_json::json!({"k\u{9b}": "\u{1b}[2J \u{85} \u{202e}x\u{2066} \u{2028} \u{7f} 철회"});
        for pretty in [false, true] {
            let mut output = JsonOutput(Vec::new());
            let written = match pretty {
                true => serde_json::to_writer_pretty(&mut output, &value),
                false => serde_json::to_writer(&mut output, &value),
            };
            written.unwrap();
            let text = String::from_utf8(output.0).unwrap();
            assert!(text.contains(r"\u009b") && text.contains(r"\u202e") && text.contains("철회"), "{text}");
            assert!(text.split('\n').all(|line| terminal(line) == line), "{text:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
    }
}
