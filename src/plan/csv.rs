//! CSV text to cells with places, one record at a time; a file of any size is never held in memory. Knows no field's meaning.
//!
//! The csv crate splits the records. What it forgives or forgets (unclosed quotes, the column of a cell, the line after
//! blank ones) is read from the record's own bytes, which [`RecordBytes`] stores until the next record.

use crate::diag::{Diagnostic, Diagnostics};
use crate::text::{SourceId, Span};
use csv::{ErrorKind, ReaderBuilder, StringRecord};
use std::io::{self, Read};

/// A CSV text that is being read.
pub(super) struct CsvReader {
    reader: csv::Reader<RecordBytes>,
    /// The present record.
    record: StringRecord,
    /// The places of its cells.
    places: Vec<CellPlace>,
    source: SourceId,
    delimiter: u8,
    /// The line after the present record.
    line: u32,
    header: Vec<(String, Span)>,
    /// Whether nothing follows.
    ended: bool,
}

/// The place of a cell, and whether it is in quotes.
struct CellPlace {
    span: Span,
    quoted: bool,
}

impl CsvReader {
    /// Reads the header. `None` where it cannot be used; the findings tell the user why.
    pub(super) fn open(mut bytes: Box<dyn Read>, source: SourceId, diagnostics: &mut Diagnostics) -> Option<Self> {
        let start = Span { source, line: 1, column: 1, length: 1 };
        let mut head = Vec::with_capacity(HEAD);
        if let Err(error) = bytes.by_ref().take(HEAD as u64).read_to_end(&mut head) {
            diagnostics.push(unreadable(start, &error));
            return None;
        }
        // Excel's "Unicode Text" is UTF-16; as UTF-8 it would only give findings about NUL characters.
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
            diagnostics.push(Diagnostic::error("encoding", start, "this file is UTF-16").help("save it as UTF-8"));
            return None;
        }
        // Excel's "CSV UTF-8" begins with a byte order mark, which would become part of the first field's name.
        if head.starts_with(b"\xef\xbb\xbf") {
            head.drain(..3);
        }
        // The separator must be known before the csv crate starts: it cannot be changed afterwards.
        let delimiter = delimiter(&head);
        let bytes = RecordBytes { inner: Box::new(io::Cursor::new(head).chain(bytes)), buffered: Vec::new(), base: 0 };
        // The header is read as a record like the others, so that its cells have places too.
        // Flexible: rows with too few or too many cells get findings with their place, not the crate's error.
        let reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes);
        let mut this = Self {
            reader,
            record: StringRecord::new(),
            places: Vec::new(),
            source,
            delimiter,
            line: 1,
            header: Vec::new(),
            ended: false,
        };
        let mut is_empty = true;
        loop {
            match this.read_record() {
                Ok(true) => break,
                Ok(false) if is_empty => {
                    let empty = Diagnostic::error("no-actions", start, "this list is empty");
                    diagnostics.push(empty.help("its first line must name the fields: `provider,action,…`"));
                    return None;
                }
                Ok(false) => return None,
                Err(defect) => diagnostics.push(defect),
            }
            is_empty = false;
        }
        this.header = (0..this.record.len())
            .map(|index| {
                let (name, span) = this.cell(index);
                (name.trim().to_owned(), span)
            })
            .collect();
        this.refuse_bad_header(diagnostics).then_some(this)
    }

    /// The names in the header, with their places.
    pub(super) fn header(&self) -> &[(String, Span)] {
        &self.header
    }

    /// Goes on to the next record whose cells can be used; the defects of those before it become findings. `false` at the end.
    pub(super) fn advance(&mut self, diagnostics: &mut Diagnostics) -> bool {
        loop {
            match self.read_record() {
                Ok(true) if self.is_usable(diagnostics) => return true,
                Ok(true) => {}
                Ok(false) => return false,
                Err(defect) => diagnostics.push(defect),
            }
        }
    }

    /// A cell of the present record, with its place. Blanks around a cell count only within quotes.
    pub(super) fn cell(&self, index: usize) -> (&str, Span) {
        let text = self.record.get(index).unwrap_or_default();
        match self.places.get(index) {
            Some(place) if place.quoted => (text, place.span),
            // A no-break space is no blank: it is told of.
            Some(place) => (text.trim_ascii(), place.span),
            None => (text, self.row_span()),
        }
    }

    /// Where the present record begins.
    pub(super) fn row_span(&self) -> Span {
        self.places.first().map_or_else(|| self.begin_of(self.line), |place| Span { column: 1, ..place.span })
    }

    /// Reads the next record, or what is wrong with it. `Ok(false)` at the end.
    fn read_record(&mut self) -> Result<bool, Diagnostic> {
        if self.ended {
            return Ok(false);
        }
        let begin = self.reader.position().byte();
        self.reader.get_mut().drop_before(begin);
        let read = self.reader.read_record(&mut self.record);
        let end = self.reader.position().byte();
        let raw = self.reader.get_ref().between(begin, end);
        let first_line = self.line;
        let defect = scan(raw, self.delimiter, self.source, &mut self.line, &mut self.places);
        let holds_nul = raw.contains(&0);
        match read {
            Ok(false) => {
                self.ended = true;
                Ok(false)
            }
            Ok(true) => match defect.or_else(|| holds_nul.then(|| self.nul_defect(first_line))) {
                Some(defect) => Err(defect),
                None => Ok(true),
            },
            Err(error) => Err(self.crate_error(first_line, error)),
        }
    }

    fn is_usable(&self, diagnostics: &mut Diagnostics) -> bool {
        let (expected, found) = (self.header.len(), self.record.len());
        // Spreadsheets export cleared rows as rows of separators; they are no actions.
        if (0..found).all(|index| self.cell(index).0.is_empty()) {
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

    /// What is wrong with a record that holds a NUL character. With one in the header the reading ends: every row would
    /// have the same defect.
    fn nul_defect(&mut self, line: u32) -> Diagnostic {
        self.ended = self.header.is_empty();
        let index = (0..self.record.len()).find(|index| self.record[*index].contains('\0')).unwrap_or_default();
        let place = self.places.get(index).map_or_else(|| self.begin_of(line), |place| place.span);
        let error = Diagnostic::error("encoding", place, "this cell holds a NUL character");
        error.help("is the file UTF-16? save it as UTF-8")
    }

    /// The csv crate's error as a finding. After any but a wrong encoding the crate cannot go on.
    fn crate_error(&mut self, line: u32, error: csv::Error) -> Diagnostic {
        let start = self.begin_of(line);
        self.ended = !matches!(error.kind(), ErrorKind::Utf8 { .. });
        match error.into_kind() {
            ErrorKind::Utf8 { err, .. } => {
                let place = self.places.get(err.field()).map_or(start, |place| place.span);
                Diagnostic::error("encoding", place, "this cell is not UTF-8 text").help("save the file as UTF-8")
            }
            ErrorKind::Io(error) => unreadable(start, &error),
            other => Diagnostic::error("csv-syntax", start, format!("this row cannot be read: {other:?}")),
        }
    }

    fn begin_of(&self, line: u32) -> Span {
        Span { source: self.source, line, column: 1, length: 1 }
    }
}

/// Passes bytes on to the csv crate and stores those of the present record: the crate gives a cell without its quotes, and so without
/// its column.
struct RecordBytes {
    inner: Box<dyn Read>,
    buffered: Vec<u8>,
    /// The offset of the first byte in `buffered`, from the beginning of the text.
    base: u64,
}

impl RecordBytes {
    /// Drops the bytes before this offset, or some of them.
    fn drop_before(&mut self, before: u64) {
        let gone = usize::try_from(before - self.base).unwrap_or(0).min(self.buffered.len());
        // Draining moves the rest to the front, which for each record would cost as much as reading it.
        if gone > HEAD {
            self.buffered.drain(..gone);
            self.base += gone as u64;
        }
    }

    fn between(&self, begin: u64, end: u64) -> &[u8] {
        let at = |offset: u64| usize::try_from(offset - self.base).unwrap_or(0).min(self.buffered.len());
        &self.buffered[at(begin)..at(end)]
    }
}

impl Read for RecordBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.buffered.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

/// The scan's state within a cell.
enum ScanState {
    Start,
    Plain,
    Quoted,
    AfterQuote,
}

/// Finds the cells of one record's bytes, as the csv crate splits them, and counts the lines up to the next record.
fn scan(
    raw: &[u8],
    delimiter: u8,
    source: SourceId,
    line: &mut u32,
    places: &mut Vec<CellPlace>,
) -> Option<Diagnostic> {
    places.clear();
    // The csv crate skips blank lines; the numbers of the lines after them must count them.
    let blank = raw.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    *line = line.saturating_add(newlines(&raw[..blank]));
    let raw = &raw[blank..];
    if raw.is_empty() {
        return None;
    }
    let point = |line: u32, column: u32| Span { source, line, column, length: 1 };
    let (mut column, mut at, mut defect) = (1, ScanState::Start, None);
    places.push(CellPlace { span: point(*line, 1), quoted: false });
    for (index, byte) in raw.iter().copied().enumerate() {
        let place = places.len() - 1;
        match (&at, byte) {
            (ScanState::Quoted, b'"') => at = ScanState::AfterQuote,
            (ScanState::AfterQuote, b'"') => at = ScanState::Quoted,
            (ScanState::Quoted, _) => {}
            (ScanState::Start, b'"') => {
                at = ScanState::Quoted;
                places[place].quoted = true;
            }
            (_, byte) if byte == delimiter => {
                measure(&mut places[place], *line, column);
                places.push(CellPlace { span: point(*line, column + 1), quoted: false });
                at = ScanState::Start;
            }
            (_, b'\r' | b'\n') => {
                measure(&mut places[place], *line, column);
                *line = line.saturating_add(newlines(&raw[index..]));
                return defect;
            }
            // The csv crate accepts this and joins the texts: `"1"2` would be read as `12`.
            (ScanState::AfterQuote, _) => {
                let error = Diagnostic::error("csv-quote", point(*line, column), "text follows the closing quote");
                defect = defect.or(Some(error.help("a quote within a quoted cell is written twice: `\"\"`")));
                at = ScanState::Plain;
            }
            (ScanState::Start | ScanState::Plain, _) => at = ScanState::Plain,
        }
        if byte == b'\n' {
            *line = line.saturating_add(1);
            column = 1;
        } else if byte & 0xc0 != 0x80 {
            column += 1;
        }
    }
    if matches!(at, ScanState::Quoted) {
        // The csv crate accepts this too, and reads the rest of the file as one cell.
        let open = places.last().map_or(point(*line, column), |place| place.span);
        defect = Some(Diagnostic::error("csv-quote", open, "this quote is never closed").help("close it with `\"`"));
    } else if let Some(place) = places.last_mut() {
        measure(place, *line, column);
    }
    defect
}

fn measure(place: &mut CellPlace, line: u32, column: u32) {
    place.span.length = if place.span.line == line { column.saturating_sub(place.span.column) } else { 1 };
}

fn newlines(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}

/// The finding for a file that cannot be read to its end.
fn unreadable(place: Span, error: &io::Error) -> Diagnostic {
    Diagnostic::error("unreadable-file", place, format!("the file cannot be read further: {error}"))
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

/// The separators that a header may use; the first wins where several are equally frequent.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
/// Bytes in which the separator is searched: enough for any header. And so many are dropped at once.
const HEAD: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::SourceMap;

    fn rows(text: &[u8]) -> (Vec<String>, Vec<String>) {
        let mut sources = SourceMap::default();
        let source = sources.add_file("l.csv", "l.csv".into());
        let mut diagnostics = Diagnostics::default();
        let mut rows = Vec::new();
        if let Some(mut reader) = CsvReader::open(Box::new(io::Cursor::new(text.to_vec())), source, &mut diagnostics) {
            while reader.advance(&mut diagnostics) {
                let cells = (0..reader.header().len()).map(|index| {
                    let (text, span) = reader.cell(index);
                    format!("{}:{}={text}", span.line, span.column)
                });
                rows.push(cells.collect::<Vec<_>>().join("|"));
            }
        }
        let findings = diagnostics.sorted();
        let findings = findings.iter().map(|found| {
            let span = found.span.unwrap();
            format!("{}:{} {}", span.line, span.column, found.what)
        });
        (rows, findings.collect())
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
            let (rows, findings) = rows(text.as_bytes());
            assert_eq!(rows, expected, "{text}");
            assert!(findings.is_empty(), "{findings:?}");
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
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let mut sources = SourceMap::default();
        let source = sources.add_file("l.csv", "l.csv".into());
        // Longer than the bytes in which the separator is searched.
        let rows = (0..20_000).map(|number| format!("{number},x\n"));
        let text: String = std::iter::once("a,b\n".to_owned()).chain(rows).collect();
        let mut diagnostics = Diagnostics::default();
        let bytes = io::Cursor::new(text.into_bytes()).chain(Fails);
        let mut reader = CsvReader::open(Box::new(bytes), source, &mut diagnostics).unwrap();
        let mut count = 0;
        while reader.advance(&mut diagnostics) {
            assert_eq!(reader.cell(0).0, count.to_string());
            assert_eq!(reader.row_span().line, count + 2);
            count += 1;
        }
        assert_eq!(count, 20_000);
        let findings = diagnostics.sorted();
        assert_eq!(findings.iter().map(|found| found.code).collect::<Vec<_>>(), ["unreadable-file"]);
        assert!(!reader.advance(&mut diagnostics), "the end stays the end");
    }
}
