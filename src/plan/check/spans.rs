//! Places in four bytes each: where every action of a plan stands.

use super::tables::BlockList;
use crate::text::{SourceId, Span};
use std::collections::HashMap;
use std::ops::Range;

/// Places, by the order in which they came.
#[derive(Default)]
pub(super) struct SpanList {
    packed: BlockList<PackedSpan>,
    runs: Vec<SpanRun>,
    /// Those that do not fit.
    large: HashMap<u32, Span>,
}

/// A place, but for what its run says. Column 0 stands for one that does not fit.
struct PackedSpan {
    line: u16,
    column: u8,
    length: u8,
}

/// Places one behind the other in one source, on lines not too far apart.
struct SpanRun {
    first: u32,
    source: SourceId,
    /// Lines count from this one.
    line: u32,
}

impl SpanList {
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.packed.len()).unwrap_or(u32::MAX)
    }

    /// Adds the next place.
    pub(super) fn push(&mut self, span: Span) {
        let index = self.len();
        let offset = |run: &SpanRun| u16::try_from(span.line.checked_sub(run.line)?).ok();
        let known = self.runs.last().filter(|run| run.source == span.source).and_then(offset);
        let line = known.unwrap_or_else(|| {
            self.runs.push(SpanRun { first: index, source: span.source, line: span.line });
            0
        });
        match (u8::try_from(span.column), u8::try_from(span.length)) {
            (Ok(column @ 1..), Ok(length)) => self.packed.push(PackedSpan { line, column, length }),
            _ => {
                self.large.insert(index, span);
                self.packed.push(PackedSpan { line, column: 0, length: 0 });
            }
        }
    }

    pub(super) fn get(&self, index: u32) -> Span {
        let PackedSpan { line, column, length } = *self.packed.get(index);
        if column == 0
            && let Some(span) = self.large.get(&index)
        {
            return *span;
        }
        let run = self.run_of(index);
        Span { source: run.source, line: run.line + u32::from(line), column: column.into(), length: length.into() }
    }

    pub(super) fn line(&self, index: u32) -> u32 {
        self.run_of(index).line + u32::from(self.packed.get(index).line)
    }

    /// Among these places, whose lines do not decrease, those on this line.
    pub(super) fn on_line(&self, among: Range<u32>, line: u32) -> Range<u32> {
        let begin = first_where(among.clone(), |index| self.line(index) >= line);
        begin..first_where(begin..among.end, |index| self.line(index) > line)
    }

    fn run_of(&self, index: u32) -> &SpanRun {
        // The one asked for is nearly always of the last run.
        match self.runs.last() {
            Some(last) if last.first <= index => last,
            _ => &self.runs[self.runs.partition_point(|run| run.first <= index) - 1],
        }
    }
}

/// The first of these numbers for which something holds that then holds for all that follow; their end where there is none.
fn first_where(mut among: Range<u32>, holds: impl Fn(u32) -> bool) -> u32 {
    while among.start < among.end {
        let middle = among.start + (among.end - among.start) / 2;
        if holds(middle) { among.end = middle } else { among.start = middle + 1 }
    }
    among.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::SourceMap;

    #[test]
    fn places_come_back_as_they_went_in() {
        let mut sources = SourceMap::default();
        let (one, two) = (sources.add_text("a", None, "".into()), sources.add_text("b", None, "".into()));
        let mut places = SpanList::default();
        let spans = [
            (one, 1, 1, 3),
            (one, 2, 70_000, 4),
            (two, 2, 9, 80_000),
            (two, 2, 9, 0),
            (two, 65_537, 255, 255),
            (two, 65_538, 255, 256),
            (one, u32::MAX, 256, 1),
            (one, 1, 1, 1),
        ]
        .map(|(source, line, column, length)| Span { source, line, column, length });
        spans.iter().for_each(|span| places.push(*span));
        for (index, span) in (0..).zip(spans) {
            assert_eq!((places.get(index), places.line(index)), (span, span.line));
        }
        assert_eq!(places.on_line(0..7, 2), 1..4);
        assert_eq!(places.on_line(1..3, 2), 1..3);
        assert_eq!(places.on_line(0..7, 3), 4..4);
        assert_eq!(places.on_line(0..7, u32::MAX), 6..7);
    }
}
