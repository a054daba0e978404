//! CSV text with quotes: the csv crate splits the records. What it forgives or forgets (unclosed quotes, the column of a cell, the
//! line after blank ones) is read from the record's own bytes, which [`Tee`] keeps until the next record.

use super::{HEAD, unreadable};
use crate::diag::{Diagnostic, Diagnostics};
use crate::text::{SourceId, Span};
use csv::{ErrorKind, ReaderBuilder, StringRecord};
use std::io::{self, Read};

/// A text that is being read by the csv crate.
pub(super) struct Quoted {
    reader: csv::Reader<Tee>,
    record: StringRecord,
    source: SourceId,
    delimiter: u8,
    /// The cells of the present record; none where it is plain.
    places: Vec<Place>,
    /// The line of the present record, where nothing in it is in quotes: its places are then counted when they are asked for.
    plain: Option<u32>,
    /// The bytes of the present record.
    length: u64,
}

/// Where a cell stands, and whether it is in quotes.
#[derive(Debug, Clone, Copy)]
struct Place {
    span: Span,
    quoted: bool,
}

impl Quoted {
    /// Begins where a line does.
    pub(super) fn new(delimiter: u8, bytes: Box<dyn Read>, source: SourceId) -> Self {
        let tee = Tee { inner: bytes, kept: Vec::new(), base: 0 };
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(HEAD)
            .from_reader(tee);
        let record = StringRecord::new();
        Self { reader, record, source, delimiter, places: Vec::new(), plain: None, length: 0 }
    }

    /// How many cells the present record has.
    pub(super) fn len(&self) -> usize {
        self.record.len()
    }

    /// A cell of the present record.
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        self.record.get(index)
    }

    /// The line of the present record, where nothing in it is in quotes.
    pub(super) fn plain(&self) -> Option<u32> {
        self.plain
    }

    /// Where a cell of the present record stands, where something in it is in quotes.
    pub(super) fn place(&self, index: usize) -> Option<Span> {
        self.places.get(index).map(|place| place.span)
    }

    pub(super) fn is_in_quotes(&self, index: usize) -> bool {
        self.places.get(index).is_some_and(|place| place.quoted)
    }

    /// The bytes of the present record.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Reads one record that is text and well quoted, and counts the lines up to the next.
    pub(super) fn read(&mut self, line: &mut u32, is_header: bool, diagnostics: &mut Diagnostics) -> bool {
        loop {
            let begin = self.reader.position().byte();
            self.reader.get_mut().forget(begin);
            let read = self.reader.read_record(&mut self.record);
            let end = self.reader.position().byte();
            self.length = end - begin;
            let raw = self.reader.get_ref().between(begin, end);
            let first_line = *line;
            if matches!(read, Ok(true)) && memchr::memchr2(b'"', b'\0', raw).is_none() {
                let blank = raw.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                let own = line.saturating_add(newlines(&raw[..blank]));
                let end = raw[blank..].iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
                *line = own.saturating_add(newlines(&raw[blank..][end.map_or(0, |end| end + 1)..]));
                self.plain = Some(own);
                self.places.clear();
                return true;
            }
            self.plain = None;
            let defect = scan(raw, self.delimiter, self.source, line, &mut self.places);
            match read {
                Ok(false) => return false,
                Ok(true) => {}
                Err(error) => {
                    let start = Span { source: self.source, line: first_line, column: 1, length: 1 };
                    match error.into_kind() {
                        ErrorKind::Utf8 { err, .. } => {
                            let place = self.places.get(err.field()).map_or(start, |place| place.span);
                            let what = "this cell is not UTF-8 text";
                            diagnostics.push(Diagnostic::error("encoding", place, what).help("save the file as UTF-8"));
                            continue;
                        }
                        ErrorKind::Io(error) => diagnostics.push(unreadable(start, &error)),
                        other => {
                            let what = format!("this row cannot be read: {other:?}");
                            diagnostics.push(Diagnostic::error("csv-syntax", start, what));
                        }
                    }
                    return false;
                }
            }
            if let Some(defect) = defect {
                diagnostics.push(defect);
                continue;
            }
            if let Some(index) = (0..self.record.len()).find(|index| self.record[*index].contains('\0')) {
                let start = Span { source: self.source, line: *line, column: 1, length: 1 };
                let error = Diagnostic::error(
                    "encoding",
                    self.place(index).unwrap_or(start),
                    "this cell holds a NUL character",
                );
                diagnostics.push(error.help("is the file UTF-16? save it as UTF-8"));
                if is_header {
                    return false;
                }
                continue;
            }
            return true;
        }
    }
}

/// Passes bytes on and keeps those of the present record.
struct Tee {
    inner: Box<dyn Read>,
    kept: Vec<u8>,
    /// The offset of the first byte kept.
    base: u64,
}

impl Tee {
    /// Bytes before this offset are not asked for again.
    fn forget(&mut self, before: u64) {
        let gone = usize::try_from(before - self.base).unwrap_or(0).min(self.kept.len());
        // Moving the rest costs; so it is done once for many records.
        if gone > HEAD {
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
