//! PEM (RFC 7468) taken apart: lines and blocks with their line numbers; and written in its one strict form. Decodes base64, knows nothing
//! of what is inside.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::{UTF_16BE, UTF_16LE};
use std::borrow::Cow;
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

/// The text of a file that may hold PEM: UTF-8, or UTF-16 as PowerShell's `>` writes it. Of any other encoding the ASCII letters stay, which
/// are all that a block has.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => UTF_16LE.decode_without_bom_handling(rest).0,
        [0xfe, 0xff, rest @ ..] => UTF_16BE.decode_without_bom_handling(rest).0,
        // Without the mark: the letters with which such a file begins are ASCII, and no DER begins so.
        [1..=u8::MAX, 0, ..] => UTF_16LE.decode_without_bom_handling(bytes).0,
        [0, 1..=u8::MAX, ..] => UTF_16BE.decode_without_bom_handling(bytes).0,
        _ => String::from_utf8_lossy(bytes),
    }
}

/// Whether a private key stands in a file: HAProxy, among others, wants it beside the certificate, so this is common.
pub fn holds_private_key(bytes: &[u8]) -> bool {
    text(bytes).contains(PRIVATE_KEY)
}

/// Whether a file is DER, or BER, and no text: a SEQUENCE of more than 127 bytes.
pub fn is_der(bytes: &[u8]) -> bool {
    // A text may begin with `0`, which is the same byte; but then a letter follows.
    matches!(bytes, [0x30, 0x80..=u8::MAX, ..])
}

/// The DER in a text that is base64 alone, as portals show it; `None` where it is something else.
pub fn bare(text: &str) -> Option<Vec<u8>> {
    // No DER of more than 255 bytes begins with other letters.
    let letters: String = text.strip_prefix('\u{feff}').unwrap_or(text).split_whitespace().collect();
    let der = STANDARD.decode(letters.strip_prefix("MI").map(|_| &letters)?).ok()?;
    is_der(&der).then_some(der)
}

/// What was read, in the one form that everybody reads: the label, LF, 64 columns (RFC 7468, section 2).
pub fn encode(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = format!("{BEGIN}{label}{DASHES}\n");
    // Base64 is ASCII, so no letter is cut.
    for start in (0..encoded.len()).step_by(COLUMNS) {
        text.push_str(&encoded[start..encoded.len().min(start + COLUMNS)]);
        text.push('\n');
    }
    text + END + label + DASHES + "\n"
}

/// Of a text with certificates the first, or those behind it: as PEM, with nothing else beside.
pub fn certificates(text: &str, issuers: bool) -> String {
    let blocks = pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Block(block) if block.label == "CERTIFICATE" => Some(encode("CERTIFICATE", &block.der)),
        _ => None,
    });
    if issuers { blocks.skip(1).collect() } else { blocks.take(1).collect() }
}

/// Takes a text apart. Never fails: what is broken is a piece too.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut lines = text.lines().zip(1_u32..);
    let mut rest = None;
    while let Some((line, number)) = rest.take().or_else(|| lines.next()) {
        let line: &str = line;
        let line = line.trim_matches(INVISIBLE);
        if line.is_empty() {
            continue;
        }
        match line.strip_prefix(BEGIN).and_then(|begun| begun.split_once(DASHES)) {
            None => pieces.push(Piece::Line(number, line)),
            Some((label, after)) => {
                let (piece, behind) = block(label, after, number, &mut lines);
                pieces.push(piece);
                rest = behind;
            }
        }
    }
    pieces
}

impl std::fmt::Debug for Block<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Block").field("line", &self.line).field("label", &self.label).finish_non_exhaustive()
    }
}

/// Reads a block whose BEGIN line is read up to `after`; also gives what follows in the line of its END. All of it may stand on one line, as in
/// an environment variable, with line ends that became blanks or `\n` in two letters.
fn block<'a>(
    label: &'a str,
    after: &'a str,
    begin: u32,
    lines: &mut impl Iterator<Item = (&'a str, u32)>,
) -> (Piece<'a>, Option<(&'a str, u32)>) {
    let mut encoded = Zeroizing::new(String::new());
    let mut has_headers = false;
    let broken = |why: &str| Piece::Broken(begin, why.to_owned());
    let mut next = Some((after, begin));
    while let Some((line, number)) = next.take().or_else(|| lines.next()) {
        let (content, end) = line.split_once(END).map_or((line, None), |(content, end)| (content, Some(end)));
        if content.contains(':') {
            has_headers = true;
        } else {
            let parts = content.split("\\n").flat_map(|part| part.split("\\r"));
            encoded.extend(
                parts.flat_map(str::chars).filter(|letter| !letter.is_whitespace() && !INVISIBLE.contains(letter)),
            );
        }
        let Some(end) = end else { continue };
        let Some(behind) = end.strip_prefix(label).and_then(|rest| rest.strip_prefix(DASHES)) else {
            return (broken("the PEM block's END line does not name what its BEGIN line names"), None);
        };
        let piece = match STANDARD.decode(encoded.as_bytes()) {
            Ok(der) => Piece::Block(Block { line: begin, label, has_headers, der: Zeroizing::new(der) }),
            Err(_) => broken("the PEM block's content is not valid base64"),
        };
        return (piece, Some((behind, number)));
    }
    (broken("the PEM block has no END line"), None)
}

/// How a private key in PEM begins, whatever its kind.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// RFC 7468, section 2: so many letters stand on a line.
const COLUMNS: usize = 64;
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
        let cases: [(&str, &[&str]); 10] = [
            ("", &[]),
            ("\u{feff}a\r\n\r\n b ", &["1: a", "3: b"]),
            ("x\n-----BEGIN T-----\nAQ\nID\n-----END T-----\ny", &["1: x", "2: T [1, 2, 3]", "6: y"]),
            // All on one line: as it is, with blanks, with `\n` in two letters; and with the line ends of old Macs, several of them.
            ("-----BEGIN T-----AQID-----END T-----", &["1: T [1, 2, 3]"]),
            (" -----BEGIN T----- AQ ID -----END T----- x", &["1: T [1, 2, 3]", "1: x"]),
            ("-----BEGIN T-----\\nAQ\\r\\nID\\n-----END T-----", &["1: T [1, 2, 3]"]),
            (
                "-----BEGIN T-----\rAQID\r-----END T-----\r-----BEGIN U-----\rAQ==\r-----END U-----\r",
                &["1: T [1, 2, 3]", "1: U [1]"],
            ),
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

    #[test]
    fn texts_are_read_in_the_encodings_that_tools_write() {
        let wide = |order: fn(u16) -> [u8; 2], mark: bool| {
            let letters = mark.then_some('\u{feff}').into_iter().chain("-----B".chars());
            letters.flat_map(|letter| order(u16::try_from(u32::from(letter)).unwrap())).collect::<Vec<u8>>()
        };
        for bytes in [
            b"-----B".to_vec(),
            wide(u16::to_le_bytes, true),
            wide(u16::to_be_bytes, true),
            wide(u16::to_le_bytes, false),
            wide(u16::to_be_bytes, false),
        ] {
            assert_eq!(text(&bytes), "-----B", "{bytes:?}");
        }
        assert_eq!(text(b"M\xfcller\n-----B"), "M\u{fffd}ller\n-----B");
        assert_eq!(text(b""), "");
        assert_eq!(bare(" MIIB\r\nAg==\n"), Some(vec![0x30, 0x82, 1, 2]));
        for text in ["", "MI", "MIIB Ag", "MIIBAg==.", "AAAA", "-----BEGIN T-----"] {
            assert_eq!(bare(text), None, "{text}");
        }
        for (bytes, expected) in [(&[0x30, 0x82, 1, 2][..], true), (b"0 s:CN=x", false), (b"\x30", false), (b"", false)]
        {
            assert_eq!(is_der(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 1, 47, 48, 49, 96, 100] {
            let der: Vec<u8> = (0..length).collect();
            let written = encode("T", &der);
            let [Piece::Block(block)] = &pieces(&written)[..] else { panic!("{written}") };
            assert_eq!(block.der.as_slice(), der);
            assert!(
                written.lines().all(|line| line.len() <= 64) && written.ends_with("-----END T-----\n"),
                "{written}"
            );
        }
    }
}
