//! A CSV text taken apart into [`Records`], one by one; a file of any size is never held in memory.
//!
//! The csv crate splits the records. What it forgives or forgets (unclosed quotes, the column of a cell, the line after
//! blank ones) is read from the record's own bytes, which [`Tee`] keeps until the next record. Knows no field's meaning.

use super::records::{Place, Records};
use crate::diag::Diagnostic;
use crate::text::{SourceId, Span};
use csv::{ErrorKind, ReaderBuilder, StringRecord};
use std::io::{self, Read};

/// A CSV text that is being taken apart.
pub(super) struct Splitter {
    reader: csv::Reader<Tee>,
    record: StringRecord,
    source: SourceId,
    delimiter: u8,
    /// The line after the present record.
    line: u32,
    /// The cells of the present record, where it was scanned for them.
    places: Vec<Place>,
    /// Whether the header was read.
    begun: bool,
    /// Whether nothing follows.
    ended: bool,
}

impl Splitter {
    /// Takes apart what begins with these bytes and goes on with those.
    pub(super) fn new(head: Vec<u8>, bytes: Box<dyn Read + Send>, delimiter: u8, source: SourceId) -> Self {
        let tee = Tee { inner: Box::new(io::Cursor::new(head).chain(bytes)), kept: Vec::new(), base: 0 };
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(BUFFER)
            .from_reader(tee);
        Self {
            reader,
            record: StringRecord::new(),
            source,
            delimiter,
            line: 1,
            places: Vec::new(),
            begun: false,
            ended: false,
        }
    }

    /// Adds the records that come next, about so many bytes of them.
    pub(super) fn fill(&mut self, records: &mut Records, bytes: usize) {
        records.clear();
        while self.next(records) && records.size() < bytes {}
        records.last = self.ended;
    }

    /// Adds the next record, or what is wrong with it. `false` at the end.
    pub(super) fn next(&mut self, records: &mut Records) -> bool {
        if self.ended {
            return false;
        }
        let begin = self.reader.position().byte();
        self.reader.get_mut().forget(begin);
        let read = self.reader.read_record(&mut self.record);
        let end = self.reader.position().byte();
        let raw = self.reader.get_ref().between(begin, end);
        let first_line = self.line;
        if matches!(read, Ok(true)) && memchr::memchr2(b'"', b'\0', raw).is_none() {
            let blank = raw.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let line = self.line.saturating_add(newlines(&raw[..blank]));
            let behind = raw[blank..].iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
            self.line = line.saturating_add(newlines(&raw[blank..][behind.map_or(0, |end| end + 1)..]));
            self.begun = true;
            records.add(&self.record, line, end - begin, None);
            return true;
        }
        let defect = scan(raw, self.delimiter, self.source, &mut self.line, &mut self.places);
        let begins = self.places.first().map_or(first_line, |place| place.span.line);
        match read {
            Ok(false) => self.ended = true,
            Ok(true) => match defect.or_else(|| self.nul(begins)) {
                Some(defect) => records.refuse(defect),
                None => {
                    self.begun = true;
                    records.add(&self.record, begins, end - begin, Some(&self.places));
                }
            },
            Err(error) => records.refuse(self.unreadable(first_line, error)),
        }
        !self.ended
    }

    /// What is wrong with a record that holds a NUL character. A header with one ends it all: every row would say the same.
    fn nul(&mut self, line: u32) -> Option<Diagnostic> {
        let index = (0..self.record.len()).find(|index| self.record[*index].contains('\0'))?;
        self.ended = !self.begun;
        let place = self.places.get(index).map_or_else(|| begin_of(self.source, line), |place| place.span);
        let error = Diagnostic::error("encoding", place, "this cell holds a NUL character");
        Some(error.help("is the file UTF-16? save it as UTF-8"))
    }

    /// What the csv crate has to say. After anything but a wrong encoding it cannot go on.
    fn unreadable(&mut self, line: u32, error: csv::Error) -> Diagnostic {
        let start = begin_of(self.source, line);
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
}

/// What is said where a file cannot be read.
pub(super) fn unreadable(place: Span, error: &io::Error) -> Diagnostic {
    Diagnostic::error("unreadable-file", place, format!("the file cannot be read further: {error}"))
}

fn begin_of(source: SourceId, line: u32) -> Span {
    Span { source, line, column: 1, length: 1 }
}

/// Passes bytes on and keeps those of the present record.
struct Tee {
    inner: Box<dyn Read + Send>,
    kept: Vec<u8>,
    /// The offset of the first byte kept.
    base: u64,
}

impl Tee {
    /// Bytes before this offset are not asked for again.
    fn forget(&mut self, before: u64) {
        let gone = usize::try_from(before - self.base).unwrap_or(0).min(self.kept.len());
        // Moving the rest costs; so it is done once for many records.
        if gone > BUFFER {
            self.kept.drain(..gone);
            self.base += gone as u64;
        }
    }

    fn between(&self, begin: u64, end: u64) -> &[u8] {
        let at = |offset: u64| usize::try_from(offset - self.base).unwrap_or(0).min(self.kept.len());
        &self.kept[at(begin)..at(end)]
    }
}

impl Read for Tee {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.kept.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

/// Finds the cells of one record's bytes, as the csv crate splits them, and counts the lines up to the next record.
fn scan(raw: &[u8], delimiter: u8, source: SourceId, line: &mut u32, places: &mut Vec<Place>) -> Option<Diagnostic> {
    enum At {
        Start,
        Plain,
        Quoted,
        AfterQuote,
    }
    places.clear();
    let blank = raw.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    *line = line.saturating_add(newlines(&raw[..blank]));
    let raw = &raw[blank..];
    if raw.is_empty() {
        return None;
    }
    let point = |line: u32, column: u32| Span { source, line, column, length: 1 };
    let (mut column, mut at, mut defect) = (1, At::Start, None);
    places.push(Place { span: point(*line, 1), quoted: false });
    for (index, byte) in raw.iter().copied().enumerate() {
        let place = places.len() - 1;
        match (&at, byte) {
            (At::Quoted, b'"') => at = At::AfterQuote,
            (At::AfterQuote, b'"') => at = At::Quoted,
            (At::Quoted, _) => {}
            (At::Start, b'"') => {
                at = At::Quoted;
                places[place].quoted = true;
            }
            (_, byte) if byte == delimiter => {
                measure(&mut places[place], *line, column);
                places.push(Place { span: point(*line, column + 1), quoted: false });
                at = At::Start;
            }
            (_, b'\r' | b'\n') => {
                measure(&mut places[place], *line, column);
                *line = line.saturating_add(newlines(&raw[index..]));
                return defect;
            }
            (At::AfterQuote, _) => {
                let error = Diagnostic::error("csv-quote", point(*line, column), "text follows the closing quote");
                defect = defect.or(Some(error.help("a quote within a quoted cell is written twice: `\"\"`")));
                at = At::Plain;
            }
            (At::Start | At::Plain, _) => at = At::Plain,
        }
        if byte == b'\n' {
            *line = line.saturating_add(1);
            column = 1;
        } else if byte & 0xc0 != 0x80 {
            column += 1;
        }
    }
    if matches!(at, At::Quoted) {
        let open = places.last().map_or(point(*line, column), |place| place.span);
        defect = Some(Diagnostic::error("csv-quote", open, "this quote is never closed").help("close it with `\"`"));
    } else if let Some(place) = places.last_mut() {
        measure(place, *line, column);
    }
    defect
}

fn measure(place: &mut Place, line: u32, column: u32) {
    place.span.length = if place.span.line == line { column.saturating_sub(place.span.column) } else { 1 };
}

fn newlines(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}

/// Bytes that the csv crate is given at once.
const BUFFER: usize = 1 << 16;
