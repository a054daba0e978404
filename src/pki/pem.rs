//! PEM (RFC 7468) taken apart: lines and blocks with their line numbers. Decodes base64, knows nothing of what is inside.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// One piece of a text that may hold PEM blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A line outside of all blocks, trimmed, not blank.
    Line(u32, &'a str),
    /// A block.
    Block(Block<'a>),
    /// A block that cannot be read: the line where it begins, and a sentence.
    Broken(u32, String),
}

/// A PEM block.
#[derive(Clone, PartialEq, Eq)]
pub struct Block<'a> {
    /// The line where it begins, from 1.
    pub line: u32,
    /// What the block says it is: `CERTIFICATE REQUEST`.
    pub label: &'a str,
    /// Whether it has header lines (RFC 1421), as encrypted keys do.
    pub has_headers: bool,
    /// What it holds; wiped when dropped, since it may be a private key.
    pub der: Zeroizing<Vec<u8>>,
}

/// Takes a text apart. Never fails: what is broken is a piece too.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut lines = text.lines().zip(1_u32..).map(|(line, number)| (line.trim_matches(INVISIBLE), number));
    while let Some((line, number)) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
            pieces.push(Piece::Line(number, line));
            continue;
        };
        pieces.push(block(label, number, &mut lines));
    }
    pieces
}

impl std::fmt::Debug for Block<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Block").field("line", &self.line).field("label", &self.label).finish_non_exhaustive()
    }
}

fn block<'a>(label: &'a str, begin: u32, lines: &mut impl Iterator<Item = (&'a str, u32)>) -> Piece<'a> {
    let mut encoded = Zeroizing::new(String::new());
    let mut has_headers = false;
    for (line, _) in lines {
        if let Some(rest) = line.strip_prefix("-----END ") {
            if rest.strip_suffix("-----") != Some(label) {
                return Piece::Broken(
                    begin,
                    "the PEM block's END line does not name what its BEGIN line names".to_owned(),
                );
            }
            return match STANDARD.decode(encoded.as_bytes()) {
                Ok(der) => Piece::Block(Block { line: begin, label, has_headers, der: Zeroizing::new(der) }),
                Err(_) => Piece::Broken(begin, "the PEM block's content is not valid base64".to_owned()),
            };
        }
        if line.contains(':') {
            has_headers = true;
        } else {
            encoded.push_str(line);
        }
    }
    Piece::Broken(begin, "the PEM block has no END line".to_owned())
}

/// White space, and the byte order mark that some editors leave.
const INVISIBLE: [char; 5] = [' ', '\t', '\r', '\n', '\u{feff}'];

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(text: &str) -> Vec<String> {
        let describe = |piece| match piece {
            Piece::Line(number, line) => format!("{number}: {line}"),
            Piece::Block(block) => format!("{}: {} {:?}", block.line, block.label, &*block.der),
            Piece::Broken(number, why) => format!("{number}: ! {why}"),
        };
        pieces(text).into_iter().map(describe).collect()
    }

    #[test]
    fn texts_are_taken_apart() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("\u{feff}a\r\n\r\n b ", &["1: a", "3: b"]),
            ("x\n-----BEGIN T-----\nAQ\nID\n-----END T-----\ny", &["1: x", "2: T [1, 2, 3]", "6: y"]),
            ("-----BEGIN T-----\nAQID", &["1: ! the PEM block has no END line"]),
            ("-----BEGIN T-----\n*\n-----END T-----", &["1: ! the PEM block's content is not valid base64"]),
            (
                "-----BEGIN T-----\n-----END U-----",
                &["1: ! the PEM block's END line does not name what its BEGIN line names"],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(describe(text), expected, "{text:?}");
        }
    }
}
