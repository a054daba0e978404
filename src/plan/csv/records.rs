//! Records as they follow one another in a CSV text, many at a time: their cells one behind the other in one text, their places, and
//! in their order the defects of those that cannot be used. Reads nothing; knows no field's meaning.

use crate::diag::Diagnostic;
use crate::text::{SourceId, Span};
use csv::StringRecord;
use std::ops::Range;

/// Some records.
#[derive(Default)]
pub(super) struct Records {
    texts: String,
    /// Where each cell ends, of all records.
    ends: Vec<usize>,
    /// Of the cells of those records that are not plain.
    places: Vec<Place>,
    entries: Vec<Entry>,
    /// Whether the text ends behind them.
    pub(super) last: bool,
}

/// What came next.
enum Entry {
    Record(Record),
    Defect(Box<Diagnostic>),
}

/// One record of [`Records`]: where what is told of it stands there.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    cells: Range<usize>,
    /// None where it is plain: nothing in it is in quotes, and its places are counted when they are asked for.
    places: Option<Range<usize>>,
    /// Where it begins.
    line: u32,
    /// Its bytes, line ends included.
    pub(super) length: u64,
    /// For each of the first [`TOLD`] cells a bit: whether its text is not that of the record before.
    changed: u64,
}

/// Where a cell stands, and whether it is in quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) span: Span,
    pub(super) quoted: bool,
}

impl Records {
    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.ends.clear();
        self.places.clear();
        self.entries.clear();
        self.last = false;
    }

    /// The room that they take, about.
    pub(super) fn size(&self) -> usize {
        self.texts.len() + self.ends.len() * size_of::<usize>() + self.entries.len() * size_of::<Entry>()
    }

    /// Adds a record; `places` where it is not plain.
    pub(super) fn add(&mut self, record: &StringRecord, line: u32, length: u64, places: Option<&[Place]>) {
        let (begin, base) = (self.ends.len(), self.texts.len());
        let fields = record.as_slice();
        self.texts.push_str(fields);
        self.ends.extend((0..record.len()).map(|index| base + record.range(index).map_or(0, |range| range.end)));
        let places = places.map(|places| {
            let begin = self.places.len();
            self.places.extend_from_slice(places);
            begin..self.places.len()
        });
        let mut new = Record { cells: begin..self.ends.len(), places, line, length, changed: u64::MAX };
        // Texts in quotes and others are not read alike, so that only plain ones are compared.
        if let (None, Some(Entry::Record(before))) = (&new.places, self.entries.last())
            && before.places.is_none()
            && before.cells.len() == new.cells.len()
        {
            let same = |index: &usize| self.bytes(&new.cells, *index) == self.bytes(&before.cells, *index);
            let same = (0..new.cells.len().min(TOLD)).filter(same);
            new.changed = same.fold(u64::MAX, |changed, index| changed & !(1 << index));
        }
        self.entries.push(Entry::Record(new));
    }

    /// Adds what is wrong with a record that cannot be used.
    pub(super) fn refuse(&mut self, defect: Diagnostic) {
        self.entries.push(Entry::Defect(Box::new(defect)));
    }

    /// What came at this place among them: a record, or the defect of one. `None` behind the last.
    pub(super) fn get(&self, index: usize) -> Option<Result<&Record, &Diagnostic>> {
        match self.entries.get(index)? {
            Entry::Record(record) => Some(Ok(record)),
            Entry::Defect(defect) => Some(Err(defect)),
        }
    }

    /// The text of a cell, without the blanks around it where it is not in quotes.
    pub(super) fn text(&self, record: &Record, index: usize) -> &str {
        let text = self.raw(record, index);
        let place = record.places.as_ref().and_then(|places| self.places[places.clone()].get(index));
        if place.is_some_and(|place| place.quoted) { text } else { trimmed(text) }
    }

    /// Where a cell stands.
    pub(super) fn span(&self, record: &Record, index: usize, source: SourceId) -> Span {
        match &record.places {
            Some(places) => self.places[places.clone()].get(index).map_or(record.begin(source), |place| place.span),
            None => {
                let length = |index| u32::try_from(self.raw(record, index).chars().count()).unwrap_or(u32::MAX);
                let before = (0..index).map(|index| length(index).saturating_add(1));
                let column = before.fold(1, u32::saturating_add);
                Span { source, line: record.line, column, length: length(index) }
            }
        }
    }

    /// Where a record begins: its first cell where it is plain, its first column else.
    pub(super) fn row_span(&self, record: &Record, source: SourceId) -> Span {
        let span = self.span(record, 0, source);
        if record.places.is_some() { Span { column: 1, ..span } } else { span }
    }

    fn raw(&self, record: &Record, index: usize) -> &str {
        if index < record.cells.len() { &self.texts[self.range(&record.cells, index)] } else { "" }
    }

    fn bytes(&self, cells: &Range<usize>, index: usize) -> &[u8] {
        &self.texts.as_bytes()[self.range(cells, index)]
    }

    fn range(&self, cells: &Range<usize>, index: usize) -> Range<usize> {
        let cell = cells.start + index;
        let begin = cell.checked_sub(1).map_or(0, |before| self.ends[before]);
        begin..self.ends[cell]
    }
}

impl Record {
    /// How many cells it has.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether a cell's text may be another than in the record before, of which the caller must know.
    pub(super) fn changed(&self, index: usize) -> bool {
        index >= TOLD || self.changed >> index & 1 == 1
    }

    fn begin(&self, source: SourceId) -> Span {
        Span { source, line: self.line, column: 1, length: 1 }
    }
}

fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        // Nearly all are without blanks around them, and many blanks are not ASCII.
        [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

/// Of so many cells of a record it is told whether they changed.
const TOLD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_which_cells_are_others_than_before() {
        let mut records = Records::default();
        let rows = [&["a", "b", ""][..], &["a", "c", ""], &["a", "c"], &["a", "c"], &["", ""]];
        rows.iter().for_each(|cells| records.add(&StringRecord::from(cells.to_vec()), 1, 0, None));
        let changed: Vec<Vec<bool>> = (0..rows.len())
            .map(|index| records.get(index).unwrap().unwrap())
            .map(|record| (0..record.len()).map(|index| record.changed(index)).collect())
            .collect();
        let expected: [&[bool]; 5] =
            [&[true, true, true], &[false, true, false], &[true, true], &[false, false], &[true, true]];
        assert_eq!(changed, expected);
    }
}
