//! CSV text to cells with places, one record at a time; a long text is taken apart by a thread beside, a few records ahead. Knows no
//! field's meaning.

mod ahead;
mod records;
mod split;

use crate::diag::{Diagnostic, Diagnostics};
use crate::text::{SourceId, Span};
use ahead::Ahead;
use records::{Record, Records};
use split::{Splitter, unreadable};
use std::io::Read;

/// A CSV text that is being read.
pub(super) struct CsvReader {
    ahead: Ahead,
    records: Records,
    /// Which of the records comes next.
    next: usize,
    present: Record,
    /// Whether a record was passed over since the one that was gone on to before.
    passed_over: bool,
    source: SourceId,
    header: Vec<(String, Span)>,
}

impl CsvReader {
    /// Reads the header. `None` where there is none to use; the findings say why.
    pub(super) fn open(bytes: Box<dyn Read + Send>, source: SourceId, diagnostics: &mut Diagnostics) -> Option<Self> {
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
        let (delimiter, is_long) = (delimiter(&head), head.len() >= LONG);
        let mut splitter = Splitter::new(head, bytes, delimiter, source);
        let mut records = Records::default();
        let mut defects = 0;
        let header = loop {
            let goes_on = splitter.next(&mut records);
            match records.get(defects) {
                Some(Ok(header)) => break header.clone(),
                Some(Err(defect)) => diagnostics.push(defect.clone()),
                None => {}
            }
            if !goes_on {
                if records.get(0).is_none() {
                    let empty = Diagnostic::error("no-actions", start, "this list is empty");
                    diagnostics.push(empty.help("its first line must name the fields: `provider,action,…`"));
                }
                return None;
            }
            defects += 1;
        };
        let name = |index| (records.text(&header, index).trim().to_owned(), records.span(&header, index, source));
        let header: Vec<(String, Span)> = (0..header.len()).map(name).collect();
        records.clear();
        let ahead = if is_long { Ahead::begin(splitter) } else { Ahead::Here(splitter) };
        let present = Record::default();
        let this = Self { ahead, records, next: 0, present, passed_over: false, source, header };
        this.refuse_bad_header(diagnostics).then_some(this)
    }

    /// The names in the header, with their places.
    pub(super) fn header(&self) -> &[(String, Span)] {
        &self.header
    }

    /// Goes on to the next record whose cells can be used; what is wrong with those before it is said. `false` at the end.
    pub(super) fn advance(&mut self, diagnostics: &mut Diagnostics) -> bool {
        self.passed_over = false;
        loop {
            match self.records.get(self.next) {
                Some(Ok(record)) => {
                    self.present.clone_from(record);
                    self.next += 1;
                    if self.is_usable(diagnostics) {
                        return true;
                    }
                }
                Some(Err(defect)) => {
                    diagnostics.push(defect.clone());
                    self.next += 1;
                }
                None if self.records.last => return false,
                None => {
                    self.ahead.swap(&mut self.records);
                    self.next = 0;
                    continue;
                }
            }
            self.passed_over = true;
        }
    }

    fn is_usable(&self, diagnostics: &mut Diagnostics) -> bool {
        let (expected, found) = (self.header.len(), self.present.len());
        if (0..found).all(|index| self.text(index).is_empty()) {
            return false;
        }
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
        false
    }

    /// A cell of the present record, with its place. Blanks around a cell count only within quotes.
    pub(super) fn cell(&self, index: usize) -> (&str, Span) {
        (self.text(index), self.records.span(&self.present, index, self.source))
    }

    /// The text of a cell of the present record.
    pub(super) fn text(&self, index: usize) -> &str {
        self.records.text(&self.present, index)
    }

    /// Whether the text of a cell may be another than in the record that was gone on to before.
    pub(super) fn changed(&self, index: usize) -> bool {
        self.passed_over || self.present.changed(index)
    }

    /// Where the present record begins.
    pub(super) fn row_span(&self) -> Span {
        self.records.row_span(&self.present, self.source)
    }

    /// How many records like the present one so many bytes hold.
    pub(super) fn records_in(&self, bytes: u64) -> usize {
        usize::try_from(bytes / self.present.length.max(1)).unwrap_or(usize::MAX)
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

/// The separators that a header may use; the first wins where none stands out.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
/// Bytes read ahead: enough for any header.
const HEAD: usize = 1 << 16;
/// A text that begins with so many bytes is taken apart beside; in tests nearly every one is.
const LONG: usize = if cfg!(test) { 8 } else { HEAD };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::SourceMap;

    fn rows(text: &[u8]) -> (Vec<String>, Vec<String>) {
        let mut sources = SourceMap::default();
        let source = sources.add_file("l.csv", "l.csv".into());
        let mut diagnostics = Diagnostics::default();
        let mut rows = Vec::new();
        if let Some(mut reader) =
            CsvReader::open(Box::new(std::io::Cursor::new(text.to_vec())), source, &mut diagnostics)
        {
            while reader.advance(&mut diagnostics) {
                let cells = (0..reader.header().len()).map(|index| {
                    let (text, span) = reader.cell(index);
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
        (rows, said.collect())
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
            let (rows, said) = rows(text.as_bytes());
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
            assert_eq!(rows(text).1, expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_long_list_comes_whole_up_to_what_stops_it() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("the disk is gone"))
            }
        }
        let mut sources = SourceMap::default();
        let source = sources.add_file("l.csv", "l.csv".into());
        // Longer than what is read ahead, so that only the thread meets the end.
        let rows = (0..20_000).map(|number| format!("{number},x\n"));
        let text: String = std::iter::once("a,b\n".to_owned()).chain(rows).collect();
        let mut diagnostics = Diagnostics::default();
        let bytes = std::io::Cursor::new(text.into_bytes()).chain(Fails);
        let mut reader = CsvReader::open(Box::new(bytes), source, &mut diagnostics).unwrap();
        let mut count = 0;
        while reader.advance(&mut diagnostics) {
            assert_eq!(reader.text(0), count.to_string());
            assert_eq!((reader.row_span().line, reader.changed(0)), (count + 2, true));
            count += 1;
        }
        assert_eq!(count, 20_000);
        let said = diagnostics.sorted();
        assert_eq!(said.iter().map(|found| found.code).collect::<Vec<_>>(), ["unreadable-file"]);
        assert!(!reader.advance(&mut diagnostics), "the end stays the end");
    }
}
