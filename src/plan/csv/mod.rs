//! CSV text to cells with places, one record at a time; a file of any size is never held in memory. Knows no field's meaning.
//!
//! What has no quotes is cut at its separators ([`plain`]); from the first quote on the csv crate splits the records ([`quoted`]).

mod plain;
mod quoted;

use crate::diag::{Diagnostic, Diagnostics};
use crate::text::{SourceId, Span};
use plain::{Next, Plain};
use quoted::Quoted;
use std::io::{self, Read};

/// A CSV text that is being read.
pub(super) struct CsvReader {
    text: Text,
    source: SourceId,
    /// The line after the present record.
    line: u32,
    header: Vec<(String, Span)>,
}

/// How the text is read.
enum Text {
    Plain(Plain),
    /// From its first quote on, or whatever else is not plain.
    Quoted(Quoted),
    /// Only while it changes from the one to the other.
    Neither,
}

impl CsvReader {
    /// Reads the header. `None` where there is none to use; the findings say why.
    pub(super) fn open(bytes: Box<dyn Read>, source: SourceId, diagnostics: &mut Diagnostics) -> Option<Self> {
        Self::open_as(bytes, source, diagnostics, |bytes, delimiter| Text::Plain(Plain::new(bytes, delimiter)))
    }

    fn open_as(
        bytes: Box<dyn Read>,
        source: SourceId,
        diagnostics: &mut Diagnostics,
        begin: impl FnOnce(Box<dyn Read>, u8) -> Text,
    ) -> Option<Self> {
        let start = Span { source, line: 1, column: 1, length: 1 };
        let mut bytes = bytes;
        let mut head = Vec::with_capacity(HEAD);
        if let Err(error) = bytes.by_ref().take(HEAD as u64).read_to_end(&mut head) {
            diagnostics.push(unreadable(start, &error));
            return None;
        }
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
            diagnostics.push(Diagnostic::error("encoding", start, "this file is UTF-16").help("save it as UTF-8"));
            return None;
        }
        if head.starts_with(b"\xef\xbb\xbf") {
            head.drain(..3);
        }
        let delimiter = delimiter(&head);
        let text = begin(Box::new(io::Cursor::new(head).chain(bytes)), delimiter);
        let mut this = Self { text, source, line: 1, header: Vec::new() };
        let before = diagnostics.count(crate::diag::Severity::Error);
        if !this.read(diagnostics) {
            if diagnostics.count(crate::diag::Severity::Error) == before {
                let empty = Diagnostic::error("no-actions", start, "this list is empty");
                diagnostics.push(empty.help("its first line must name the fields: `provider,action,…`"));
            }
            return None;
        }
        for index in 0..this.len() {
            let name = this.raw(index).unwrap_or_default().trim().to_owned();
            this.header.push((name, this.cell(index).1));
        }
        this.refuse_bad_header(diagnostics).then_some(this)
    }

    /// The names in the header, with their places.
    pub(super) fn header(&self) -> &[(String, Span)] {
        &self.header
    }

    /// Goes on to the next record whose cells can be used; what is wrong with those before it is said. `false` at the end.
    pub(super) fn advance(&mut self, diagnostics: &mut Diagnostics) -> bool {
        while self.read(diagnostics) {
            if (0..self.len()).all(|index| self.text(index).is_empty()) {
                continue;
            }
            let (expected, found) = (self.header.len(), self.len());
            if found == expected {
                return true;
            }
            let place = if found > expected { self.cell(expected).1 } else { self.row_span() };
            let what = format!("this row has {}, the header has {expected}", cells(found));
            let help = if found > expected {
                "a cell that holds the separator needs quotes around it"
            } else {
                "an absent field is an empty cell; its separator stays"
            };
            diagnostics.push(Diagnostic::error("csv-cells", place, what).help(help));
        }
        false
    }

    /// A cell of the present record, with its place. Blanks around a cell count only within quotes.
    pub(super) fn cell(&self, index: usize) -> (&str, Span) {
        let span = match self.quoted().map(|quoted| (quoted.plain(), quoted.place(index))) {
            Some((None, Some(place))) => place,
            Some((None, None)) => self.row_span(),
            line => {
                let line = line.and_then(|(line, _)| line).unwrap_or(self.line);
                let length = |cell: &str| u32::try_from(cell.chars().count()).unwrap_or(u32::MAX);
                let before = (0..index).map_while(|index| self.raw(index)).map(|cell| length(cell).saturating_add(1));
                let column = before.fold(1, u32::saturating_add);
                Span { source: self.source, line, column, length: self.raw(index).map_or(0, length) }
            }
        };
        (self.text(index), span)
    }

    /// The text of a cell of the present record.
    pub(super) fn text(&self, index: usize) -> &str {
        let text = self.raw(index).unwrap_or_default();
        if self.quoted().is_some_and(|quoted| quoted.is_in_quotes(index)) { text } else { trimmed(text) }
    }

    /// Where the present record begins.
    pub(super) fn row_span(&self) -> Span {
        match self.quoted().filter(|quoted| quoted.plain().is_none()) {
            None => self.cell(0).1,
            Some(quoted) => {
                let start = Span { source: self.source, line: self.line, column: 1, length: 1 };
                quoted.place(0).map_or(start, |place| Span { column: 1, ..place })
            }
        }
    }

    /// How many records like the present one so many bytes hold.
    pub(super) fn records_in(&self, bytes: u64) -> usize {
        let length = match &self.text {
            Text::Plain(plain) => plain.length(),
            Text::Quoted(quoted) => quoted.length(),
            Text::Neither => 0,
        };
        usize::try_from(bytes / length.max(1)).unwrap_or(usize::MAX)
    }

    /// Reads one record that is text and well quoted.
    fn read(&mut self, diagnostics: &mut Diagnostics) -> bool {
        if let Text::Plain(plain) = &mut self.text {
            match plain.read(&mut self.line) {
                Ok(Next::Record) => return true,
                Ok(Next::End) => return false,
                Ok(Next::NotPlain) => {}
                Err(error) => {
                    let start = Span { source: self.source, line: self.line, column: 1, length: 1 };
                    diagnostics.push(unreadable(start, &error));
                    return false;
                }
            }
        }
        self.text = match std::mem::replace(&mut self.text, Text::Neither) {
            Text::Plain(plain) => Text::Quoted(Quoted::new(plain.delimiter(), plain.into_rest(), self.source)),
            text => text,
        };
        match &mut self.text {
            Text::Quoted(quoted) => quoted.read(&mut self.line, self.header.is_empty(), diagnostics),
            _ => false,
        }
    }

    fn quoted(&self) -> Option<&Quoted> {
        match &self.text {
            Text::Quoted(quoted) => Some(quoted),
            _ => None,
        }
    }

    /// The cells of the present record.
    fn len(&self) -> usize {
        match &self.text {
            Text::Plain(plain) => plain.len(),
            Text::Quoted(quoted) => quoted.len(),
            Text::Neither => 0,
        }
    }

    /// A cell with the blanks around it.
    fn raw(&self, index: usize) -> Option<&str> {
        match &self.text {
            Text::Plain(plain) => plain.get(index),
            Text::Quoted(quoted) => quoted.get(index),
            Text::Neither => None,
        }
    }

    fn refuse_bad_header(&self, diagnostics: &mut Diagnostics) -> bool {
        let mut usable = true;
        for (index, (name, span)) in self.header.iter().enumerate() {
            if name.is_empty() {
                let what = format!("column {} has no name", index + 1);
                diagnostics
                    .push(Diagnostic::error("csv-header", *span, what).help("name the field, or drop the column"));
                usable = false;
            } else if let Some((_, first)) = self.header[..index].iter().find(|(other, _)| other == name) {
                let what = format!("the column `{name}` stands here a second time");
                diagnostics.push(Diagnostic::error("csv-header", *span, what).related(*first, "the first"));
                usable = false;
            }
        }
        usable
    }
}

fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        // Nearly all are without blanks around them, and many blanks are not ASCII.
        [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

/// The separator that the header has most of, outside quotes.
fn delimiter(head: &[u8]) -> u8 {
    let mut counts = [0_u32; DELIMITERS.len()];
    let mut quoted = false;
    let mut begun = false;
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\r' | b'\n' if !quoted && begun => break,
            _ => {
                let known = DELIMITERS.iter().position(|delimiter| delimiter == byte);
                if let (Some(index), false) = (known, quoted) {
                    counts[index] += 1;
                }
            }
        }
        begun |= !matches!(byte, b'\r' | b'\n');
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    let first = counts.iter().position(|count| *count == most).unwrap_or_default();
    DELIMITERS[first]
}

fn cells(count: usize) -> String {
    if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") }
}

fn unreadable(place: Span, error: &io::Error) -> Diagnostic {
    Diagnostic::error("unreadable-file", place, format!("the file cannot be read further: {error}"))
}

/// The separators that a header may use; the first wins where none stands out.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
/// Bytes read ahead: enough for any header.
const HEAD: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::SourceMap;
    use proptest::prelude::*;

    /// The rows of a text, its findings, and how far the places reach; where it is `split`, by the csv crate from its beginning on.
    fn rows(text: &[u8], split: bool) -> (Vec<String>, Vec<String>, Vec<Span>) {
        let mut sources = SourceMap::default();
        let source = sources.add_file("l.csv", "l.csv".into());
        let mut diagnostics = Diagnostics::default();
        let (mut rows, mut spans) = (Vec::new(), Vec::new());
        let text = Box::new(io::Cursor::new(text.to_vec()));
        let reader = CsvReader::open_as(text, source, &mut diagnostics, |bytes, delimiter| {
            let plain = Plain::new(bytes, delimiter);
            if split { Text::Quoted(Quoted::new(delimiter, plain.into_rest(), source)) } else { Text::Plain(plain) }
        });
        if let Some(mut reader) = reader {
            while reader.advance(&mut diagnostics) {
                spans.push(reader.row_span());
                let cells = (0..reader.header().len()).map(|index| {
                    let (text, span) = reader.cell(index);
                    spans.push(span);
                    format!("{}:{}={text}", span.line, span.column)
                });
                rows.push(cells.collect::<Vec<_>>().join("|"));
            }
        }
        let said = diagnostics.sorted();
        let said = said.iter().map(|found| {
            let span = found.span.unwrap();
            format!("{}:{} {}", span.line, span.column, found.what)
        });
        (rows, said.collect(), spans)
    }

    proptest! {
        #[test]
        fn plain_text_is_cut_as_the_csv_crate_splits_it(pieces in proptest::collection::vec(proptest::sample::select(vec![
            &b","[..], b",", b",", b"\n", b"\n", b"\n", b"\r\n", b"\r", b";", b"\t", b" ", b"a", b"b", b"c", b"1", b"23",
            b"0123456789", "é철".as_bytes(), "\u{feff}".as_bytes(), "\u{a0}".as_bytes(), b"\"", b"\"\"", b"\0", b"\xff",
        ]), 0..40), header in proptest::sample::select(vec!["", "a,b\n", "a,b,c\r\n", "a;b\n\n", "a\r"])) {
            let text = [header.as_bytes(), &pieces.concat()].concat();
            assert_eq!(rows(&text, false), rows(&text, true));
        }
    }

    #[test]
    fn cells_keep_their_text_and_place() {
        for (text, expected) in [
            ("a,b\n1,2\n", vec!["2:1=1|2:3=2"]),
            ("\u{feff}a;b\r\n1;2\r\n3;4", vec!["2:1=1|2:3=2", "3:1=3|3:3=4"]),
            ("a\tb\n1\t\n", vec!["2:1=1|2:3="]),
            ("a,b\n\n\r\n 1 ,\" 2 \"\n", vec!["4:1=1|4:5= 2 "]),
            ("a,b\n\"x\ny\",2\n3,4\n", vec!["2:1=x\ny|3:4=2", "4:1=3|4:3=4"]),
            ("\n\na,b\n,\n철,회\n", vec!["5:1=철|5:3=회"]),
            ("\"a\",\"b\"\n\"he said \"\"no\"\"\",2\n", vec!["2:1=he said \"no\"|2:18=2"]),
            ("a\n0012\n", vec!["2:1=0012"]),
        ] {
            let (rows, said, _) = rows(text.as_bytes(), false);
            assert_eq!(rows, expected, "{text}");
            assert!(said.is_empty(), "{said:?}");
        }
    }

    #[test]
    fn defects_are_found_with_their_place() {
        for (text, expected) in [
            (&b""[..], vec!["1:1 this list is empty"]),
            (b"\n\n", vec!["1:1 this list is empty"]),
            (b"\xff\xfea\0", vec!["1:1 this file is UTF-16"]),
            (b"a\0,\0b\0\n", vec!["1:1 this cell holds a NUL character"]),
            (b"a,a\n1,2\n", vec!["1:3 the column `a` stands here a second time"]),
            (b"a,\n1,2\n", vec!["1:3 column 2 has no name"]),
            (
                b"a,b\n1\n1,2,3\n",
                vec!["2:1 this row has 1 cell, the header has 2", "3:5 this row has 3 cells, the header has 2"],
            ),
            (b"a,b\n1,\xff\n2,\0\n", vec!["2:3 this cell is not UTF-8 text", "3:3 this cell holds a NUL character"]),
            (b"a,b\n1,\"2\n3,4\n", vec!["2:3 this quote is never closed"]),
            (b"a,b\n1,\"2\"x\n3,4\n", vec!["2:6 text follows the closing quote"]),
        ] {
            assert_eq!(rows(text, false).1, expected, "{}", String::from_utf8_lossy(text));
        }
    }
}
