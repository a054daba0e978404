//! The targets of all actions so far, as hashes, and what an action's is to those before it. Says nothing of it.

use crate::plan::checked::Fingerprint;
use hashbrown::HashTable;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is kept of every action's target.
#[derive(Default)]
pub(super) struct Targets {
    /// By ordinal; all zero where an action has none.
    targets: Vec<Target>,
    /// Ordinals, by the target; of several with the same, the first. In parts of a size that tables fill well: each has a power of
    /// two of places.
    by_target: Vec<HashTable<u32>>,
}

/// 96 bits of the target's hash, which do not meet by chance in any plan, and 64 of the fingerprint. Should two targets ever share
/// theirs, that is said as a conflict; no action is taken for a repetition of another unless all 160 bits agree.
#[derive(Clone, Copy, Default)]
struct Target {
    target: [u32; 3],
    parameters: [u32; 2],
}

/// What an action's target is to the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Standing {
    /// It stands here for the first time.
    #[default]
    New,
    /// An earlier action says the same.
    Repeats(u32),
    /// An earlier action says something else about the same target.
    Conflicts(u32),
}

impl Targets {
    /// Makes room for so many actions more.
    pub(super) fn expect(&mut self, actions: usize) {
        if self.targets.is_empty() {
            self.by_target.resize_with(actions.div_ceil(ACTIONS_OF_A_PART), HashTable::new);
        }
        self.targets.reserve_exact(actions);
        let each = actions.div_ceil(self.by_target.len().max(1));
        // No part gets quite as many as another.
        let each = each + each / 16;
        for part in &mut self.by_target {
            part.reserve(each, |other| key(&self.targets[*other as usize].target));
        }
    }

    /// Reads where a target's hash is looked for, and nothing more.
    pub(super) fn touch(&self, target: u128) {
        let target = cut(target);
        let Some(part) = self.by_target.get(part(&target, self.by_target.len())) else { return };
        std::hint::black_box(part.find(key(&target), |other| std::hint::black_box(*other) == u32::MAX));
    }

    /// Takes the target of the next action in: its hash, and the fingerprint, which tells actions of one target apart.
    pub(super) fn take(&mut self, ordinal: u32, target: u128, fingerprint: Fingerprint) -> Standing {
        let parameters = u128::from_le_bytes(fingerprint.0);
        #[expect(clippy::cast_possible_truncation, reason = "words are cut out of a hash")]
        let parameters = [parameters as u32, (parameters >> 32) as u32];
        let this = Target { target: cut(target), parameters };
        let Self { targets, by_target } = self;
        if by_target.is_empty() {
            by_target.push(HashTable::new());
        }
        let part = part(&this.target, by_target.len());
        let by_target = &mut by_target[part];
        let same = |other: &u32| targets[*other as usize].target == this.target;
        if let Some(first) = by_target.find(key(&this.target), same).copied() {
            let is_same = targets[first as usize].parameters == this.parameters;
            return if is_same { Standing::Repeats(first) } else { Standing::Conflicts(first) };
        }
        targets.resize(ordinal as usize, Target::default());
        targets.push(this);
        by_target.insert_unique(key(&this.target), ordinal, |other| key(&targets[*other as usize].target));
        Standing::New
    }
}

/// Takes the targets for oneself.
pub(super) fn lock(targets: &Mutex<Targets>) -> MutexGuard<'_, Targets> {
    // Whoever panicked with them has ended the check.
    targets.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The part of a target's hash that is kept.
#[expect(clippy::cast_possible_truncation, reason = "words are cut out of a hash")]
fn cut(target: u128) -> [u32; 3] {
    [target as u32, (target >> 32) as u32, (target >> 64) as u32]
}

/// The part that a target belongs to: by the word that is not looked for in it.
fn part(target: &[u32; 3], parts: usize) -> usize {
    usize::try_from((u64::from(target[2]) * parts as u64) >> 32).unwrap_or_default()
}

/// What a target is looked for by.
fn key(target: &[u32; 3]) -> u64 {
    u64::from(target[0]) | u64::from(target[1]) << 32
}

/// Begins the hash of a target: that of an account and an operation.
pub(super) fn targets_of(account: usize, operation: &str) -> DefaultHasher {
    let mut hasher = DefaultHasher::new();
    (account, operation).hash(&mut hasher);
    hasher
}

/// Ends a 128-bit hash; two texts that share one do not occur.
pub(super) fn end_hash(mut hasher: DefaultHasher, value: &(impl Hash + ?Sized)) -> u128 {
    value.hash(&mut hasher);
    let first = u128::from(hasher.finish());
    // What went in before is still told apart by the whole of the hasher's state.
    hasher.write_u8(1);
    first << 64 | u128::from(hasher.finish())
}

/// A table of 2^17 places takes 114,688 before it grows. Few in tests, so that they meet several parts.
const ACTIONS_OF_A_PART: usize = if cfg!(test) { 4 } else { 100_000 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_target_is_told_to_those_that_follow() {
        let mut targets = Targets::default();
        targets.expect(10);
        assert_eq!(targets.by_target.len(), 3);
        let one = Fingerprint([1; 16]);
        let other = Fingerprint([2; 16]);
        // Of the words of a target's hash the third tells its part.
        let target = |number: u128| number | (number << 93);
        for (ordinal, number, fingerprint, expected) in [
            (0, 7, one, Standing::New),
            (2, 8, other, Standing::New),
            (3, 7, one, Standing::Repeats(0)),
            (4, 7, other, Standing::Conflicts(0)),
            (5, 8, other, Standing::Repeats(2)),
            (9, 9, one, Standing::New),
            (10, 9, one, Standing::Repeats(9)),
        ] {
            targets.touch(target(number));
            assert_eq!(targets.take(ordinal, target(number), fingerprint), expected, "{ordinal}");
        }
    }
}
