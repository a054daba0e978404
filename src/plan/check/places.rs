//! Where each action of a plan stands, in eight bytes each.

use crate::text::{SourceId, Span};
use std::collections::HashMap;

/// The places of all actions, by ordinal.
#[derive(Default)]
pub(super) struct Places {
    small: Vec<Small>,
    /// Those that do not fit.
    large: HashMap<u32, Span>,
    /// From which action on the source is this one.
    sources: Vec<(u32, SourceId)>,
}

struct Small {
    line: u32,
    column: u16,
    length: u16,
}

impl Places {
    pub(super) fn len(&self) -> usize {
        self.small.len()
    }

    /// Makes room for so many more.
    pub(super) fn expect(&mut self, actions: usize) {
        self.small.reserve_exact(actions);
    }

    /// Adds the next action's.
    pub(super) fn push(&mut self, span: Span) {
        let ordinal = u32::try_from(self.small.len()).unwrap_or(u32::MAX);
        if self.sources.last().is_none_or(|(_, source)| *source != span.source) {
            self.sources.push((ordinal, span.source));
        }
        let (column, length) = (u16::try_from(span.column), u16::try_from(span.length));
        if column.is_err() || length.is_err() {
            self.large.insert(ordinal, span);
        }
        let (column, length) = (column.unwrap_or_default(), length.unwrap_or_default());
        self.small.push(Small { line: span.line, column, length });
    }

    pub(super) fn line(&self, ordinal: u32) -> u32 {
        self.small[ordinal as usize].line
    }

    pub(super) fn get(&self, ordinal: u32) -> Span {
        if let Some(span) = self.large.get(&ordinal) {
            return *span;
        }
        let Small { line, column, length } = self.small[ordinal as usize];
        let run = self.sources.partition_point(|(first, _)| *first <= ordinal);
        Span { source: self.sources[run - 1].1, line, column: column.into(), length: length.into() }
    }

    /// Among these actions, whose lines do not decrease, those on this line.
    pub(super) fn on_line(&self, first: u32, end: u32, line: u32) -> impl Iterator<Item = u32> + use<> {
        let part = &self.small[first as usize..end as usize];
        let begin = part.partition_point(|small| small.line < line);
        let count = part[begin..].iter().take_while(|small| small.line == line).count();
        (begin..begin + count).map(move |index| first + u32::try_from(index).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::SourceMap;

    #[test]
    fn places_come_back_as_they_went_in() {
        let mut sources = SourceMap::default();
        let (one, two) = (sources.add_text("a", None, "".into()), sources.add_text("b", None, "".into()));
        let mut places = Places::default();
        let spans =
            [(one, 1, 1, 3), (one, 2, 70_000, 4), (two, 2, 9, 80_000), (two, 2, 9, 0), (one, u32::MAX, 65_535, 65_535)]
                .map(|(source, line, column, length)| Span { source, line, column, length });
        spans.iter().for_each(|span| places.push(*span));
        for (ordinal, span) in (0..).zip(spans) {
            assert_eq!(places.get(ordinal), span);
        }
        assert_eq!(places.on_line(0, 5, 2).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(places.on_line(1, 3, 2).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(places.on_line(0, 5, 3).count(), 0);
    }
}
