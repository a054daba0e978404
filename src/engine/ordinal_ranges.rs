//! Ordinals in the order in which they were put in, as ranges. Knows nothing of accounts.

use crate::run::Ordinal;
use std::collections::VecDeque;
use std::ops::Range;

/// New actions of one account that may go, in the order in which they were let go: as ranges of ordinals, since a plan has a million of
/// them one behind the other.
#[derive(Debug, Default)]
pub(super) struct OrdinalRanges(VecDeque<Range<Ordinal>>);

impl OrdinalRanges {
    pub(super) fn push_back(&mut self, ordinal: Ordinal) {
        match self.0.back_mut() {
            Some(last) if last.end == ordinal => last.end += 1,
            _ => self.0.push_back(ordinal..ordinal + 1),
        }
    }

    pub(super) fn front(&self) -> Option<Ordinal> {
        self.0.front().map(|first| first.start)
    }

    pub(super) fn pop_front(&mut self) -> Option<Ordinal> {
        let first = self.0.front_mut()?;
        let ordinal = first.next();
        if first.is_empty() {
            self.0.pop_front();
        }
        ordinal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order() {
        for (ordinals, runs) in [(&[][..], 0), (&[7], 1), (&[0, 1, 2, 3], 1), (&[0, 2, 4], 3), (&[5, 6, 2, 3, 4, 4], 3)]
        {
            let mut ranges = OrdinalRanges::default();
            ordinals.iter().for_each(|ordinal| ranges.push_back(*ordinal));
            assert_eq!(ranges.0.len(), runs);
            let mut out = Vec::new();
            while let Some(front) = ranges.front() {
                assert_eq!(ranges.pop_front(), Some(front));
                out.push(front);
            }
            assert_eq!(out, ordinals);
            assert_eq!(ranges.pop_front(), None);
        }
    }
}
