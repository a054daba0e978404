//! The targets of all actions so far, as hashes: which action was the first of a target, and which groups of targets (an order and its
//! certificates) were asked for in part and as a whole. Says nothing of it.

use super::spans::SpanList;
use super::tables::{BlockList, OrdinalTable};
use crate::plan::checked::Fingerprint;
use crate::text::Span;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What is kept of every action's target.
#[derive(Default)]
pub(super) struct Targets {
    /// By ordinal; all zero where an action has none.
    records: BlockList<TargetRecord>,
    /// Of several actions with the same target, the first.
    by_target: OrdinalTable,
}

/// 64 bits of the target's hash, and 32 of the fingerprint. That two targets of a plan share theirs happens in one of thirty million
/// plans of a million actions, and is then said as a conflict; no action is taken for a repetition of another unless all 96 bits agree.
/// Three words of 32 bits each, so that there is no padding.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct TargetRecord {
    target: [u32; 2],
    parameters: u32,
}

/// What an action's target is to the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duplicate {
    /// It stands here for the first time.
    None,
    /// An earlier action says the same.
    Repeats(u32),
    /// An earlier action says something else about the same target.
    Conflicts(u32),
}

/// What was asked of groups of targets.
#[derive(Default)]
pub(super) struct TargetGroups {
    records: BlockList<GroupRecord>,
    /// Where each was asked for first.
    places: SpanList,
    by_group: OrdinalTable,
}

/// A group by its hash, and what was asked of it.
struct GroupRecord {
    group: [u32; 2],
    asked: GroupAsked,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum GroupAsked {
    Part,
    Whole,
    /// Both, which was told.
    Both,
}

impl Targets {
    /// Takes the target of an action in: its hash, and the fingerprint, which tells actions of one target apart.
    pub(super) fn add(&mut self, ordinal: u32, target: u64, fingerprint: Fingerprint) -> Duplicate {
        let [one, two, three, four, ..] = fingerprint.0;
        let this = TargetRecord { target: halves(target), parameters: u32::from_le_bytes([one, two, three, four]) };
        let Self { records, by_target } = self;
        if let Some(first) = by_target.find(target, |other| records.get(other).target == this.target) {
            let is_same = *records.get(first) == this;
            return if is_same { Duplicate::Repeats(first) } else { Duplicate::Conflicts(first) };
        }
        while records.len() < ordinal as usize {
            records.push(TargetRecord::default());
        }
        records.push(this);
        by_target.insert(target, ordinal, |other| whole(records.get(other).target));
        Duplicate::None
    }
}

impl TargetGroups {
    /// Notes that a group is asked for at this place, as a whole or in part. Where it is now asked for in both ways for the first time,
    /// the places of the part and of the whole.
    pub(super) fn add(&mut self, group: u64, is_whole: bool, place: Span) -> Option<(Span, Span)> {
        let Self { records, places, by_group } = self;
        let asked = if is_whole { GroupAsked::Whole } else { GroupAsked::Part };
        let Some(known) = by_group.find(group, |other| records.get(other).group == halves(group)) else {
            let index = places.len();
            places.push(place);
            records.push(GroupRecord { group: halves(group), asked });
            by_group.insert(group, index, |other| whole(records.get(other).group));
            return None;
        };
        let before = std::mem::replace(&mut records.get_mut(known).asked, GroupAsked::Both);
        match before {
            GroupAsked::Both => None,
            same if same == asked => {
                records.get_mut(known).asked = same;
                None
            }
            GroupAsked::Part => Some((places.get(known), place)),
            GroupAsked::Whole => Some((place, places.get(known))),
        }
    }
}

/// Begins the hash of a target: that of an account and an operation.
pub(super) fn targets_of(account: usize, operation: &str) -> DefaultHasher {
    let mut hasher = DefaultHasher::new();
    (account, operation).hash(&mut hasher);
    hasher
}

/// Ends a hash that was begun.
pub(super) fn hash_of(mut hasher: DefaultHasher, value: &(impl Hash + ?Sized)) -> u64 {
    value.hash(&mut hasher);
    hasher.finish()
}

fn halves(hash: u64) -> [u32; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "words are cut out of a hash")]
    [hash as u32, (hash >> 32) as u32]
}

fn whole([low, high]: [u32; 2]) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::SourceMap;

    #[test]
    fn the_first_of_a_target_is_told_to_those_that_follow() {
        let mut targets = Targets::default();
        let one = Fingerprint([1; 16]);
        let other = Fingerprint([2; 16]);
        for (ordinal, target, fingerprint, expected) in [
            (0, 7, one, Duplicate::None),
            (2, 8, other, Duplicate::None),
            (3, 7, one, Duplicate::Repeats(0)),
            (4, 7, other, Duplicate::Conflicts(0)),
            (5, 8, other, Duplicate::Repeats(2)),
            (9, 9, one, Duplicate::None),
            (10, 9, one, Duplicate::Repeats(9)),
            (11, 7 << 32, one, Duplicate::None),
        ] {
            assert_eq!(targets.add(ordinal, target, fingerprint), expected, "{ordinal}");
        }
    }

    #[test]
    fn a_group_asked_for_in_part_and_as_a_whole_is_told_once() {
        let source = SourceMap::default().add_text("p", None, "".into());
        let at = |line| Span { source, line, column: 1, length: 1 };
        let mut groups = TargetGroups::default();
        for (group, is_whole, line, expected) in [
            (1, false, 1, None),
            (1, false, 2, None),
            (2, true, 3, None),
            (2, true, 4, None),
            (1, true, 5, Some((1, 5))),
            (1, false, 6, None),
            (1, true, 7, None),
            (2, false, 8, Some((8, 3))),
            (3, false, 9, None),
        ] {
            let found = groups.add(group, is_whole, at(line)).map(|(part, whole)| (part.line, whole.line));
            assert_eq!(found, expected, "{line}");
        }
    }
}
