//! CSV text to cells with places, one record at a time; a file of any size is never held in memory. Knows no field's meaning.
//!
//! The csv crate splits the records. What it forgives or forgets (unclosed quotes, the column of a cell, the line after
//! blank ones) is read from the record's own bytes, which [`RecordBytes`] stores until the next record.

use super::load::AS_UTF8;
use crate::diag::{Diagnostic, Diagnostics};
use crate::text::{SourceId, Span, file};
use csv::{ByteRecord, ErrorKind, ReaderBuilder, StringRecord};
use std::io::{self, Read};

/// Where a list's header is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListLayout {
    /// The line of the header, from 1; 0 says that there is none.
    pub header_row: Option<u32>,
    /// Whether columns go by their numbers. Then a header is passed over, where `header_row` says that there is one.
    pub by_number: bool,
}

impl ListLayout {
    /// Whether the first record is a row like the others.
    fn is_headless(self) -> bool {
        self.header_row == Some(0) || self.by_number
    }
}

/// A CSV text that is being read.
pub struct CsvReader {
    reader: csv::Reader<RecordBytes>,
    /// The present record.
    record: StringRecord,
    /// The places of its cells.
    places: Vec<CellPlace>,
    source: SourceId,
    form: Form,
    /// The place after the present record.
    position: Position,
    header: Vec<(String, Span)>,
    /// The first lines as they are, each split by itself, with their numbers.
    first_lines: Vec<(u32, Vec<String>)>,
    /// Whether the columns have only numbers.
    is_headless: bool,
    /// Whether the present record is the first row, read where a header would be.
    is_pending: bool,
    /// Whether nothing follows.
    ended: bool,
    /// Whether it was reported that the text is in another encoding.
    is_misencoded: bool,
    tail: Tail,
}

/// How records are split into cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    delimiter: u8,
    /// Lines of words, of which only the first ones are columns: `serial HEX ACCOUNT …`, as Let's Encrypt lists the certificates of an
    /// incident.
    is_words: bool,
}

/// The place of a cell, and whether it is in quotes.
struct CellPlace {
    span: Span,
    quoted: bool,
}

/// The lengths of the rows' last cells: whether the list's end was cut off.
#[derive(Default)]
struct Tail {
    /// Of all rows but the last, where it is the same.
    usual: Option<usize>,
    last: usize,
    rows: u32,
    /// Whether the last row has a line end.
    has_line_end: bool,
}

impl CsvReader {
    /// Reads the header. `None` where there is none to read; the findings tell the user why.
    pub(super) fn open(
        mut bytes: Box<dyn Read>,
        source: SourceId,
        layout: ListLayout,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let start = Span { source, line: 1, column: 1, length: 1 };
        let mut head = Vec::with_capacity(HEAD);
        if let Err(error) = bytes.by_ref().take(HEAD as u64).read_to_end(&mut head) {
            diagnostics.push(unreadable(start, &error));
            return None;
        }
        let first_lines = first_lines(&head);
        let mut line = 1;
        // What Excel writes, and reads, to say the separator.
        let told = told_delimiter(&head);
        if told.is_some() {
            line += 1;
            drop_line(&mut head);
        }
        let row = layout.header_row.filter(|row| *row > 0);
        if row.is_some_and(|row| row < line) {
            let error = Diagnostic::error("header-row", start, "this line says the separator, and is no header");
            diagnostics.push(error.help("`header_row` counts the lines of the file; the header is below"));
            return None;
        }
        // By number a header is only passed over: there may be a title in its place, with other cells than the rows.
        let wanted = row.map_or(line, |row| row.saturating_add(u32::from(layout.by_number)));
        while line < wanted && drop_line(&mut head) {
            line += 1;
        }
        if line < wanted || row.is_some() && !layout.by_number && matches!(head.first(), None | Some(b'\r' | b'\n')) {
            let what = format!("there is no header in line {}", row.unwrap_or(line));
            let error = Diagnostic::error("header-row", Span { line, ..start }, what);
            diagnostics.push(error.help("`header_row` counts the lines of the file from 1, empty ones too"));
            return None;
        }
        // The separator must be known before the csv crate starts: it cannot be changed afterwards.
        let form = match told {
            Some(delimiter) => Form { delimiter, is_words: false },
            None if layout.is_headless() && is_incident_line(&head) => Form { delimiter: b' ', is_words: true },
            None => Form { delimiter: delimiter(&head), is_words: false },
        };
        let bytes = RecordBytes::new(Box::new(io::Cursor::new(head).chain(bytes)));
        // The header is read as a record like the others, so that its cells have places too.
        // Flexible: rows with too few or too many cells get findings with their place, not the crate's error.
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(form.delimiter).quoting(!form.is_words);
        let mut this = Self {
            reader: builder.from_reader(bytes),
            record: StringRecord::new(),
            places: Vec::new(),
            source,
            form,
            position: Position { line, column: 1, is_after_cr: false },
            header: Vec::new(),
            first_lines,
            is_headless: layout.is_headless(),
            is_pending: false,
            ended: false,
            is_misencoded: false,
            tail: Tail::default(),
        };
        match this.read_record() {
            Ok(true) => {}
            Ok(false) => {
                let empty = Diagnostic::error("no-actions", start, "this list is empty");
                diagnostics.push(empty.help("its first line must name the fields: `provider,action,…`"));
                return None;
            }
            Err(defect) => {
                defect.into_iter().for_each(|defect| diagnostics.push(defect));
                return None;
            }
        }
        let columns = if form.is_words { this.record.len().min(INCIDENT_COLUMNS) } else { this.record.len() };
        if columns > MAX_COLUMNS {
            let what = format!("this list has {columns} columns; {MAX_COLUMNS} are the most");
            let error = Diagnostic::error("csv-header", this.row_span(), what);
            diagnostics.push(error.help("is this a list, with one action a row?"));
            return None;
        }
        let name = |index: usize| {
            let (name, span) = this.cell(index);
            // Numbers are the names of columns that go by number.
            (if layout.by_number { (index + 1).to_string() } else { name.trim().to_owned() }, span)
        };
        this.header = (0..columns).map(name).collect();
        this.is_pending = layout.is_headless();
        Some(this)
    }

    /// The names in the header, with their places.
    pub(super) fn header(&self) -> &[(String, Span)] {
        &self.header
    }

    /// The first lines of the file, each split by the separator that it has most of, with their numbers: what tells a header from a title and
    /// from a row.
    pub(super) fn first_lines(&self) -> &[(u32, Vec<String>)] {
        &self.first_lines
    }

    /// Goes on to the next record whose cells can be used; the defects of those before it become findings. `false` at the end.
    pub(super) fn advance(&mut self, diagnostics: &mut Diagnostics) -> bool {
        loop {
            let read = if std::mem::take(&mut self.is_pending) { Ok(true) } else { self.read_record() };
            match read {
                Ok(true) if self.is_usable(diagnostics) => {
                    self.tail.add(self.record.iter().next_back().map_or(0, str::len));
                    return true;
                }
                Ok(true) => {}
                Ok(false) => {
                    if self.tail.looks_cut() {
                        let what = "this list ends within a line, and its last cell is shorter than all others";
                        let warning = Diagnostic::warning("cut-list", self.begin_of(self.position.line), what);
                        diagnostics
                            .push(warning.help("was the file cut off? compare its number of lines with the source's"));
                        self.tail = Tail::default();
                    }
                    return false;
                }
                Err(defect) => defect.into_iter().for_each(|defect| diagnostics.push(defect)),
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
        self.places.first().map_or_else(|| self.begin_of(self.position.line), |place| Span { column: 1, ..place.span })
    }

    /// Reads the next record, or what is wrong with it, where that was not said before. `Ok(false)` at the end.
    fn read_record(&mut self) -> Result<bool, Option<Diagnostic>> {
        if self.ended {
            return Ok(false);
        }
        let begin = self.reader.position().byte();
        self.reader.get_mut().begin_at(begin);
        let read = self.reader.read_record(&mut self.record);
        let bytes = self.reader.get_ref();
        // Where the reading was given up, the crate's position is still the record's beginning.
        let end = if bytes.is_too_long { u64::MAX } else { self.reader.position().byte() };
        let raw = bytes.between(begin, end);
        let first_line = self.position.line;
        let mut defect = scan(raw, self.form, self.source, &mut self.position, &mut self.places);
        let holds_nul = raw.contains(&0);
        if bytes.is_too_long {
            self.ended = true;
            let error = Diagnostic::error("csv-row-length", self.begin_of(first_line), "this row is longer than 1 MiB");
            return Err(Some(defect.unwrap_or_else(|| error.help("is this a list, with one action a row?"))));
        }
        match read {
            Ok(false) => {
                self.ended = true;
                Ok(false)
            }
            Ok(true) => {
                self.tail.has_line_end = matches!(raw.last(), Some(b'\n' | b'\r'));
                if holds_nul && defect.is_none() {
                    defect = Some(self.nul_defect(first_line));
                }
                defect.map_or(Ok(true), |defect| Err(Some(defect)))
            }
            Err(error) => Err(self.crate_error(first_line, error)),
        }
    }

    fn is_usable(&self, diagnostics: &mut Diagnostics) -> bool {
        let (expected, found) = (self.header.len(), self.record.len());
        // Spreadsheets export cleared rows as rows of separators; they are no actions.
        if (0..found).all(|index| self.cell(index).0.is_empty()) {
            return false;
        }
        // Where there is another cell, it may be a value that begins so.
        let is_alone = || (1..found).all(|index| self.cell(index).0.is_empty()) || self.cell(0).0.starts_with("# ");
        if self.cell(0).0.starts_with('#') && self.places.first().is_some_and(|place| !place.quoted) && is_alone() {
            let error = Diagnostic::error("list-comment", self.row_span(), "a list has no comments");
            diagnostics.push(error.help("drop the line; in quotes it would be a value"));
            return false;
        }
        let is_header = |index: usize| self.header.get(index).is_some_and(|(name, _)| name == self.cell(index).0);
        if !self.is_headless && found == expected && (0..found).all(is_header) {
            let error = Diagnostic::error("csv-header", self.row_span(), "the header stands here a second time");
            diagnostics.push(error.help("delete this line; were two lists put together?"));
            return false;
        }
        if found == expected || self.form.is_words && found > expected {
            return true;
        }
        let place = if found > expected { self.cell(expected).1 } else { self.row_span() };
        let first = if self.is_headless { "the first row" } else { "the header" };
        let what = format!("this row has {}, {first} has {expected}", cells(found));
        let help = if found > expected {
            "a cell that holds the separator needs quotes around it"
        } else if !self.tail.has_line_end {
            "the file ends within this row: was it cut off?"
        } else {
            "an absent field is an empty cell; its separator stays"
        };
        diagnostics.push(Diagnostic::error("csv-cells", place, what).help(help));
        false
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
    fn crate_error(&mut self, line: u32, error: csv::Error) -> Option<Diagnostic> {
        let start = self.begin_of(line);
        self.ended = !matches!(error.kind(), ErrorKind::Utf8 { .. });
        match error.into_kind() {
            // Once: the whole file is in that encoding.
            ErrorKind::Utf8 { .. } if std::mem::replace(&mut self.is_misencoded, true) => None,
            ErrorKind::Utf8 { err, .. } => {
                let place = self.places.get(err.field()).map_or(start, |place| place.span);
                let error =
                    Diagnostic::error("encoding", place, "this file is not UTF-8 text; here is its first other byte");
                Some(error.help(AS_UTF8))
            }
            ErrorKind::Io(error) => Some(unreadable(start, &error)),
            other => Some(Diagnostic::error("csv-syntax", start, format!("this row cannot be read: {other:?}"))),
        }
    }

    fn begin_of(&self, line: u32) -> Span {
        Span { source: self.source, line, column: 1, length: 1 }
    }
}

impl Tail {
    fn add(&mut self, length: usize) {
        if self.rows == 1 {
            self.usual = Some(self.last);
        } else if self.usual != Some(self.last) {
            self.usual = None;
        }
        self.last = length;
        self.rows = self.rows.saturating_add(1);
    }

    fn looks_cut(&self) -> bool {
        let is_shorter = self.usual.is_some_and(|usual| usual >= FIXED_LENGTH && self.last < usual);
        !self.has_line_end && self.rows > 3 && is_shorter
    }
}

/// Passes bytes on to the csv crate and stores those of the present record: the crate gives a cell without its quotes, and so without
/// its column.
struct RecordBytes {
    inner: Box<dyn Read>,
    buffered: Vec<u8>,
    /// The offset of the first byte in `buffered`, from the beginning of the text.
    base: u64,
    /// The offset of the present record.
    begin: u64,
    /// Whether the present record did not end in time. Nothing more is read then.
    is_too_long: bool,
}

impl RecordBytes {
    fn new(inner: Box<dyn Read>) -> Self {
        Self { inner, buffered: Vec::new(), base: 0, begin: 0, is_too_long: false }
    }

    /// Begins a record at this offset, and drops the bytes before it, or some of them.
    fn begin_at(&mut self, begin: u64) {
        self.begin = begin;
        let gone = usize::try_from(begin - self.base).unwrap_or(0).min(self.buffered.len());
        // Draining moves the rest to the front, which for each record would cost as much as reading it.
        if gone > HEAD {
            self.buffered.drain(..gone);
            self.base += gone as u64;
        }
    }

    fn between(&self, begin: u64, end: u64) -> &[u8] {
        let at = |offset: u64| usize::try_from(offset - self.base).unwrap_or(usize::MAX).min(self.buffered.len());
        &self.buffered[at(begin)..at(end)]
    }
}

impl Read for RecordBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.base + self.buffered.len() as u64 > self.begin + MAX_ROW {
            self.is_too_long = true;
            return Err(io::Error::other("the row is too long"));
        }
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

/// Where the scan is in the text.
struct Position {
    line: u32,
    column: u32,
    /// Whether the byte before was a CR, with which a LF is one line end: the csv crate ends a record between the two.
    is_after_cr: bool,
}

impl Position {
    fn pass(&mut self, byte: u8) {
        let is_lf_of_crlf = byte == b'\n' && self.is_after_cr;
        self.is_after_cr = byte == b'\r';
        if matches!(byte, b'\r' | b'\n') {
            self.line = self.line.saturating_add(u32::from(!is_lf_of_crlf));
            self.column = 1;
        } else if byte & 0xc0 != 0x80 {
            self.column += 1;
        }
    }

    /// Passes bytes among which is no line end.
    fn pass_within_line(&mut self, bytes: &[u8]) {
        let letters = bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        self.column = self.column.saturating_add(u32::try_from(letters).unwrap_or(u32::MAX));
        self.is_after_cr = false;
    }

    fn point(&self, source: SourceId) -> Span {
        Span { source, line: self.line, column: self.column, length: 1 }
    }
}

/// Finds the cells of one record's bytes, as the csv crate splits them, and moves the position to the next record.
fn scan(
    raw: &[u8],
    form: Form,
    source: SourceId,
    position: &mut Position,
    places: &mut Vec<CellPlace>,
) -> Option<Diagnostic> {
    places.clear();
    // The csv crate skips blank lines; the numbers of the lines after them must count them.
    let blank = raw.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    raw[..blank].iter().for_each(|byte| position.pass(*byte));
    let raw = &raw[blank..];
    if raw.is_empty() {
        return None;
    }
    let (mut at, mut defect) = (ScanState::Start, None);
    places.push(CellPlace { span: position.point(source), quoted: false });
    let is_mark = |byte: &u8| matches!(byte, b'"' | b'\r' | b'\n') || *byte == form.delimiter;
    let mut index = 0;
    while let Some(byte) = raw.get(index).copied() {
        // Nearly all bytes mean nothing to the form, and are passed together.
        let may_pass = matches!(at, ScanState::Start | ScanState::Plain);
        let plain = raw[index..].iter().take_while(|byte| may_pass && !is_mark(byte)).count();
        if plain > 0 {
            position.pass_within_line(&raw[index..index + plain]);
            at = ScanState::Plain;
            index += plain;
            continue;
        }
        let place = places.len() - 1;
        match (&at, byte) {
            (ScanState::Quoted, b'"') => at = ScanState::AfterQuote,
            (ScanState::AfterQuote, b'"') => at = ScanState::Quoted,
            (ScanState::Quoted, _) => {}
            (ScanState::Start, b'"') if !form.is_words => {
                at = ScanState::Quoted;
                places[place].quoted = true;
            }
            (_, byte) if byte == form.delimiter => {
                measure(&mut places[place], position);
                let next = Span { column: position.column + 1, ..position.point(source) };
                places.push(CellPlace { span: next, quoted: false });
                at = ScanState::Start;
            }
            (_, b'\r' | b'\n') => {
                measure(&mut places[place], position);
                raw[index..].iter().for_each(|byte| position.pass(*byte));
                return defect;
            }
            // The csv crate accepts this and joins the texts: `"1"2` would be read as `12`.
            (ScanState::AfterQuote, _) => {
                let error = Diagnostic::error("csv-quote", position.point(source), "text follows the closing quote");
                defect = defect.or(Some(error.help("a quote within a quoted cell is written twice: `\"\"`")));
                at = ScanState::Plain;
            }
            (ScanState::Start | ScanState::Plain, _) => at = ScanState::Plain,
        }
        position.pass(byte);
        index += 1;
    }
    if matches!(at, ScanState::Quoted) {
        // The csv crate accepts this too, and reads the rest of the file as one cell.
        let open = places.last().map_or(position.point(source), |place| place.span);
        defect = Some(Diagnostic::error("csv-quote", open, "this quote is never closed").help("close it with `\"`"));
    } else if let Some(place) = places.last_mut() {
        measure(place, position);
    }
    defect
}

fn measure(place: &mut CellPlace, end: &Position) {
    let is_on_one_line = place.span.line == end.line;
    place.span.length = if is_on_one_line { end.column.saturating_sub(place.span.column) } else { 1 };
}

/// The finding for a file that cannot be read to its end.
pub(super) fn unreadable(place: Span, error: &io::Error) -> Diagnostic {
    Diagnostic::error("unreadable-file", place, format!("the file cannot be read further: {}", file::reason(error)))
}

/// The first lines, each split by the separator that it has most of.
fn first_lines(head: &[u8]) -> Vec<(u32, Vec<String>)> {
    let told = told_delimiter(head);
    let lines = lines_of(head).zip(1..).skip(usize::from(told.is_some())).take(FIRST_LINES);
    let split = |(line, number): (&[u8], u32)| {
        let delimiter = told.unwrap_or_else(|| delimiter(line));
        let mut reader = ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(line);
        let mut record = ByteRecord::new();
        // A record of bytes has no defects that stop it.
        let cells = reader.read_byte_record(&mut record).is_ok_and(|is_there| is_there).then_some(&record)?;
        let cell = |cell: &[u8]| String::from_utf8_lossy(cell).trim().to_owned();
        Some((number, cells.iter().take(MAX_COLUMNS).map(cell).collect::<Vec<String>>()))
    };
    lines.filter_map(split).filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty())).collect()
}

/// The separator that a first line says: `sep=;`.
pub(super) fn told_delimiter(head: &[u8]) -> Option<u8> {
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let line = line.strip_prefix(b"\"").map_or(line, |line| line.strip_suffix(b"\"").unwrap_or(line));
    let (key, value) = line.split_at_checked(4)?;
    match value {
        [delimiter]
            if key.eq_ignore_ascii_case(b"sep=") && (delimiter.is_ascii_punctuation() || *delimiter == b'\t') =>
        {
            Some(*delimiter).filter(|delimiter| *delimiter != b'"')
        }
        _ => None,
    }
}

/// Drops the first line. `false` where nothing follows it.
fn drop_line(head: &mut Vec<u8>) -> bool {
    let end = line_end(head);
    head.drain(..end.map_or(head.len(), |(_, next)| next));
    end.is_some()
}

/// The lines of a text, without their ends.
fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = line_end(text);
        rest = end.map(|(_, next)| &text[next..]);
        Some(end.map_or(text, |(end, _)| &text[..end]))
    })
}

/// Where the first line ends, and where the next begins: LF, CRLF, or CR as old Macs, and Excel on new ones, write it.
fn line_end(text: &[u8]) -> Option<(usize, usize)> {
    let end = text.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    Some((end, end + if text[end..].starts_with(b"\r\n") { 2 } else { 1 }))
}

/// Whether a text begins as `serial HEX ACCOUNT …`.
fn is_incident_line(head: &[u8]) -> bool {
    let mut words = head.split(|byte| byte.is_ascii_whitespace());
    words.next() == Some(b"serial")
        && words.next().is_some_and(|word| word.len() > 7 && word.iter().all(u8::is_ascii_hexdigit))
}

/// The separator that the first line has most of, outside quotes.
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
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Bytes in which the header and its separator are searched. And so many are dropped at once.
const HEAD: usize = 1 << 16;
/// Lines among which a header below a title is searched.
const FIRST_LINES: usize = 30;
/// Bytes of a row: a cell may hold a certificate request or a whole chain.
const MAX_ROW: u64 = 1 << 20;
/// More columns are no list: somebody's wide sheet, or rows without line ends.
pub(super) const MAX_COLUMNS: usize = 4096;
/// `serial`, the number, the account, a hash; names and times in varying number follow.
const INCIDENT_COLUMNS: usize = 4;
/// Bytes of a cell from which on equal lengths are no chance.
const FIXED_LENGTH: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::SourceMap;

    fn rows(text: &[u8]) -> (Vec<String>, Vec<String>) {
        rows_by(text, ListLayout::default())
    }

    fn rows_by(text: &[u8], layout: ListLayout) -> (Vec<String>, Vec<String>) {
        let mut sources = SourceMap::default();
        let source = sources.add_file("l.csv", "l.csv".into());
        let mut diagnostics = Diagnostics::default();
        let mut rows = Vec::new();
        let bytes = Box::new(io::Cursor::new(text.to_vec()));
        if let Some(mut reader) = CsvReader::open(bytes, source, layout, &mut diagnostics) {
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
            ("a|b\n1|2\n", vec!["2:1=1|2:3=2"]),
            ("sep=;\r\na;b,c\r\n1;2\r\n", vec!["3:1=1|3:3=2"]),
            ("\"sep=,\"\na\n1\n", vec!["3:1=1"]),
            ("a,b\r1,2\r\r3,\"x\ry\"\r4,5", vec!["2:1=1|2:3=2", "4:1=3|4:3=x\ry", "6:1=4|6:3=5"]),
            ("a;b\r\n1;2\r\n3;4", vec!["2:1=1|2:3=2", "3:1=3|3:3=4"]),
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
            (b"a\0,\0b\0\n", vec!["1:1 this cell holds a NUL character"]),
            (
                b"a,b\n1\n1,2,3\n",
                vec!["2:1 this row has 1 cell, the header has 2", "3:5 this row has 3 cells, the header has 2"],
            ),
            // One finding for the file: all of it is in that encoding.
            (
                b"a,b\n1,\xff\n\xfc,2\n2,\0\n",
                vec![
                    "2:3 this file is not UTF-8 text; here is its first other byte",
                    "4:3 this cell holds a NUL character",
                ],
            ),
            (b"\xfc,b\n1,2\n", vec!["1:1 this file is not UTF-8 text; here is its first other byte"]),
            (b"sep=;", vec!["1:1 this list is empty"]),
            (
                b"a,b\n1,123456\n2,123457\n3,123458\n4,1234",
                vec!["5:1 this list ends within a line, and its last cell is shorter than all others"],
            ),
            (b"a,b\n1,123456\n2,123457\n3,123458\n4,1234\n", vec![]),
            (b"a,b\n1,123456\n2,23457\n3,123458\n4,1234", vec![]),
            (b"a,b\n# x\n#,\n\"#1\",\n#1,2\n", vec!["2:1 a list has no comments", "3:1 a list has no comments"]),
            (b"a,b\n1,\"2\n3,4\n", vec!["2:3 this quote is never closed"]),
            (b"a,b\n1,\"2\"x\n3,4\n", vec!["2:6 text follows the closing quote"]),
        ] {
            assert_eq!(rows(text).1, expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn the_header_is_where_the_layout_says() {
        let rows = [None, Some(0), Some(1), Some(3)];
        let named = rows.map(|header_row| ListLayout { header_row, by_number: false });
        let numbered = rows.map(|header_row| ListLayout { header_row, by_number: true });
        let incident = "serial 0362aa10 131 b8dc names: [a b] at x\nserial 03f1aa10 131 b8dc names: [\"] at x\n";
        for (text, layout, expected) in [
            ("Title\n\na;b\n1;2\n", named[3], vec!["4:1=1|4:3=2"]),
            ("\"Title\n,\na;b\n1;2\n", named[3], vec!["4:1=1|4:3=2"]),
            ("Title\r\ra;b\r1;2\r", named[3], vec!["4:1=1|4:3=2"]),
            ("sep=;\nTitle\na;b\n1;2\n", named[3], vec!["4:1=1|4:3=2"]),
            ("0a\n0b\n", numbered[0], vec!["1:1=0a", "2:1=0b"]),
            ("0a\r\n\r\n0b", numbered[1], vec!["1:1=0a", "3:1=0b"]),
            ("a,a\n1,2\n", numbered[2], vec!["2:1=1|2:3=2"]),
            ("Title\n\n1;2\n", numbered[2], vec!["3:1=1|3:3=2"]),
            (
                incident,
                numbered[0],
                vec!["1:1=serial|1:8=0362aa10|1:17=131|1:21=b8dc", "2:1=serial|2:8=03f1aa10|2:17=131|2:21=b8dc"],
            ),
        ] {
            assert_eq!(
                rows_by(text.as_bytes(), layout),
                (expected.into_iter().map(str::to_owned).collect(), vec![]),
                "{text}"
            );
        }
        for (text, layout, expected) in [
            ("a\n1\n", named[3], "3:1 there is no header in line 3"),
            ("a\n1\n\n2\n", named[3], "3:1 there is no header in line 3"),
            ("sep=;\na\n1\n", named[2], "1:1 this line says the separator, and is no header"),
        ] {
            assert_eq!(rows_by(text.as_bytes(), layout).1, [expected], "{text}");
        }
    }

    #[test]
    fn what_has_no_end_is_given_up() {
        let header = b"a,b\n1,2\n".to_vec();
        for (byte, expected) in [
            (b'x', "3:1 this row is longer than 1 MiB"),
            (b'\n', "3:1 this row is longer than 1 MiB"),
            (b',', "3:1 this row is longer than 1 MiB"),
            (b'"', "3:1 this quote is never closed"),
        ] {
            let mut diagnostics = Diagnostics::default();
            let mut sources = SourceMap::default();
            let source = sources.add_file("l.csv", "l.csv".into());
            // A quote, and then no further one.
            let rest: Box<dyn Read> = if byte == b'"' {
                Box::new(io::Cursor::new("\"").chain(io::repeat(b'x')))
            } else {
                Box::new(io::repeat(byte))
            };
            let bytes = Box::new(io::Cursor::new(header.clone()).chain(rest));
            let mut reader = CsvReader::open(bytes, source, ListLayout::default(), &mut diagnostics).unwrap();
            assert!(reader.advance(&mut diagnostics) && !reader.advance(&mut diagnostics));
            let found = diagnostics.sorted()[0].clone();
            let span = found.span.unwrap();
            assert_eq!(format!("{}:{} {}", span.line, span.column, found.what), expected);
            assert!(reader.reader.get_ref().buffered.len() < 3 << 20);
        }
        let wide = format!("{}\n", "a,".repeat(5000));
        assert_eq!(rows(wide.as_bytes()).1, ["1:1 this list has 5001 columns; 4096 are the most"]);
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
        let mut reader = CsvReader::open(Box::new(bytes), source, ListLayout::default(), &mut diagnostics).unwrap();
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
