//! A list's rows, whatever it is written in: CSV or JSON, as its first bytes tell. What is neither is named. Knows no field's meaning.

use super::csv::{CsvReader, ListLayout};
use super::json_list::JsonReader;
use crate::diag::{Diagnostic, Diagnostics};
use crate::text::{SourceId, SourceMap, Span};
use std::io::{self, Read};

/// A list that is being read.
pub enum ListReader {
    /// Lines of cells.
    Csv(Box<CsvReader>),
    /// An array of objects.
    Json(Box<JsonReader>),
}

impl ListReader {
    /// Reads the names of the columns. `None` where the list cannot be used; the findings tell the user why.
    pub fn open(
        sources: &SourceMap,
        source: SourceId,
        layout: ListLayout,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let start = Span { source, line: 1, column: 1, length: 1 };
        let mut head = Vec::new();
        let opened = sources.open(source).and_then(|bytes| bytes.take(HEAD).read_to_end(&mut head));
        // The whole is opened once more: what was read ahead cannot be put back.
        let bytes = match opened.and_then(|_| sources.open(source)) {
            Ok(bytes) => bytes,
            Err(error) => {
                diagnostics.push(unreadable(start, &error));
                return None;
            }
        };
        if let Some((what, help)) = no_list(&head) {
            diagnostics.push(Diagnostic::error("not-a-list", start, format!("this is {what}, and no list")).help(help));
            return None;
        }
        if is_json(&head) {
            if layout != ListLayout::default() {
                let error =
                    Diagnostic::error("header-row", start, "a JSON list has neither a header nor numbered columns");
                diagnostics.push(error.help("name its members in `columns`, and drop `header_row`"));
                return None;
            }
            let open = || sources.open(source);
            return JsonReader::open(&open, source, diagnostics).map(|reader| Self::Json(Box::new(reader)));
        }
        CsvReader::open(bytes, source, layout, diagnostics).map(|reader| Self::Csv(Box::new(reader)))
    }

    /// The names of the columns, with their places.
    pub fn header(&self) -> &[(String, Span)] {
        match self {
            Self::Csv(reader) => reader.header(),
            Self::Json(reader) => reader.header(),
        }
    }

    /// The first lines, each split by itself, with their numbers; none where the list has no lines of cells.
    pub fn first_lines(&self) -> &[(u32, Vec<String>)] {
        match self {
            Self::Csv(reader) => reader.first_lines(),
            Self::Json(_) => &[],
        }
    }

    /// Says that a column is taken.
    pub fn take(&mut self, column: usize) {
        if let Self::Json(reader) = self {
            reader.take(column);
        }
    }

    /// Goes on to the next row that can be used; the defects of those before it become findings. `false` at the end.
    pub fn advance(&mut self, diagnostics: &mut Diagnostics) -> bool {
        match self {
            Self::Csv(reader) => reader.advance(diagnostics),
            Self::Json(reader) => reader.advance(diagnostics),
        }
    }

    /// A cell of the present row, with its place.
    pub fn cell(&self, index: usize) -> (&str, Span) {
        match self {
            Self::Csv(reader) => reader.cell(index),
            Self::Json(reader) => reader.cell(index),
        }
    }

    /// Where the present row begins.
    pub fn row_span(&self) -> Span {
        match self {
            Self::Csv(reader) => reader.row_span(),
            Self::Json(reader) => reader.row_span(),
        }
    }
}

/// Whether a text is a JSON array of objects, or an object. No CSV header begins so.
pub(super) fn is_json(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    let inner = text.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    text.starts_with(b"{") || inner.is_some_and(|inner| matches!(inner.first(), None | Some(b'{' | b']')))
}

/// What a file is that people take for a list, and how it becomes one.
fn no_list(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = head.trim_ascii_start();
    let found =
        MARKS.iter().find(|(mark, ..)| text.len() >= mark.len() && text[..mark.len()].eq_ignore_ascii_case(mark));
    if let Some((_, what, help)) = found {
        return Some((what, help));
    }
    // ASCII in UTF-16 has a NUL beside each letter.
    let pairs = || head.chunks_exact(2).take(32);
    let is_little = pairs().len() > 1 && pairs().all(|pair| pair[0] != 0 && pair[1] == 0);
    let is_big = pairs().len() > 1 && pairs().all(|pair| pair[0] == 0 && pair[1] != 0);
    match (is_little, is_big) {
        (true, _) => {
            Some(("UTF-16 without a byte order mark", "`iconv -f utf-16le -t utf-8 LIST >NEW`, or save it as UTF-8"))
        }
        (_, true) => {
            Some(("UTF-16 without a byte order mark", "`iconv -f utf-16be -t utf-8 LIST >NEW`, or save it as UTF-8"))
        }
        _ if head.contains(&0) && std::str::from_utf8(head).is_err_and(|error| error.error_len().is_some()) => {
            Some(("binary data", "is it the right file?"))
        }
        _ => None,
    }
}

fn unreadable(place: Span, error: &io::Error) -> Diagnostic {
    Diagnostic::error("unreadable-file", place, format!("the file cannot be read: {error}"))
}

/// What other files begin with, what they are, and what to do.
const MARKS: [(&[u8], &str, &str); 14] = [
    (b"\x1f\x8b", "compressed twice (gzip)", "`gunzip` it once"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook (XLSX)", AS_CSV),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (XLS)", AS_CSV),
    (b"%PDF", "a PDF", AS_CSV),
    (b"\xff\xfe\0\0", "UTF-32", "save it as UTF-8"),
    (b"\0\0\xfe\xff", "UTF-32", "save it as UTF-8"),
    (b"BZh", "compressed (bzip2)", "`bunzip2` it; gzip is read as it is"),
    (b"\xfd7zXZ", "compressed (xz)", "`unxz` it; gzip is read as it is"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd)", "`unzstd` it; gzip is read as it is"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", AS_CSV),
    (
        b"-----BEGIN ",
        "a PEM file",
        "a list has a row for each action; a certificate's file goes into a cell, or into `certificate`",
    ),
    (b"<!doctype", "a web page", "was it a log-in or an error page that was saved? download the list again"),
    (b"<html", "a web page", "was it a log-in or an error page that was saved? download the list again"),
    (b"<?xml", "XML", AS_CSV),
];
const AS_CSV: &str = "save the table in it as \"CSV UTF-8\"";
/// Bytes that tell what a file is.
const HEAD: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_is_named() {
        for (head, expected) in [
            (&b"PK\x03\x04\x14\0"[..], "Excel workbook"),
            (b"<!DOCTYPE html><title>Sign in", "web page"),
            (b"\n<HTML>", "web page"),
            (b"-----BEGIN CERTIFICATE-----\n", "PEM"),
            (b"a\0,\0b\0\n\0", "UTF-16 without"),
            (b"\0a\0,\0b", "UTF-16 without"),
            (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
            (b"\x7fELF\x02\x01\0\0\xf8\xf9", "binary"),
        ] {
            assert!(no_list(head).is_some_and(|(what, _)| what.contains(expected)), "{expected}");
        }
        for head in [&b"a,b\n1,2"[..], b"0362aa\n", b"sep=;\n", b"a,b\n1,\0\n", b"", b"a"] {
            assert_eq!(no_list(head), None, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn json_is_told_from_a_header() {
        for (head, expected) in [
            ("[{\"a\"", true),
            (" [\n {", true),
            ("[]", true),
            ("{\"a\": 1}", true),
            ("[id],b", false),
            ("a,{b", false),
        ] {
            assert_eq!(is_json(head.as_bytes()), expected, "{head}");
        }
    }
}
