//! JSON as it is written for people and scripts alike: characters that act on a terminal, or that reorder text, are escaped as `\u009b`,
//! which changes nothing for who parses it. Knows no values.

use crate::text::safe;
use std::io::{self, Write};

/// A writer for what `serde_json` writes. Only strings hold such characters, and control characters below U+0020 it escapes itself.
pub struct JsonOutput<W>(pub W);

impl<W: Write> Write for JsonOutput<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            // serde_json hands over whole letters.
            Ok(text) => self.0.write_all(safe::json(text).as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(text.split('\n').all(|line| safe::terminal(line) == line), "{text:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
    }
}
