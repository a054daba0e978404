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
    /// Ordinals, by the target; of several with the same, the first.
    by_target: HashTable<u32>,
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
        self.targets.reserve_exact(actions);
        self.by_target.reserve(actions, |other| key(&self.targets[*other as usize].target));
    }

    /// Reads where a target's hash is looked for, and nothing more.
    pub(super) fn touch(&self, target: u128) {
        let key = key(&cut(target));
        std::hint::black_box(self.by_target.find(key, |other| std::hint::black_box(*other) == u32::MAX));
    }

    /// Takes the target of the next action in: its hash, and the fingerprint, which tells actions of one target apart.
    pub(super) fn take(&mut self, ordinal: u32, target: u128, fingerprint: Fingerprint) -> Standing {
        let parameters = u128::from_le_bytes(fingerprint.0);
        #[expect(clippy::cast_possible_truncation, reason = "words are cut out of a hash")]
        let parameters = [parameters as u32, (parameters >> 32) as u32];
        let this = Target { target: cut(target), parameters };
        let Self { targets, by_target } = self;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_target_is_told_to_those_that_follow() {
        let mut targets = Targets::default();
        let one = Fingerprint([1; 16]);
        let other = Fingerprint([2; 16]);
        for (ordinal, target, fingerprint, expected) in [
            (0, 7, one, Standing::New),
            (2, 8, other, Standing::New),
            (3, 7, one, Standing::Repeats(0)),
            (4, 7, other, Standing::Conflicts(0)),
            (5, 8, other, Standing::Repeats(2)),
            (9, 9, one, Standing::New),
            (10, 9, one, Standing::Repeats(9)),
        ] {
            targets.touch(target);
            assert_eq!(targets.take(ordinal, target, fingerprint), expected, "{ordinal}");
        }
    }
}
