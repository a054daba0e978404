//! Which keys the plan's certificates and requests have in common, so that nobody is surprised: who tells a CA that the key of one certificate
//! is compromised has all certificates with that key revoked (CA/Browser Forum's Baseline Requirements, section 4.9.1.1). Reports nothing, reads no file.

use super::action_index::hash_of;
use crate::pki::SpkiFingerprint;
use std::collections::HashMap;
use std::hash::DefaultHasher;

/// The keys of certificates and requests so far, as hashes: a plan may have a million of them.
#[derive(Default)]
pub(super) struct SharedKeys {
    /// Of each key, who has it first.
    first: HashMap<u64, KeyBearer>,
    /// Of the keys that several have, what these do.
    shared: HashMap<u64, KeyUse>,
}

/// An action whose certificate or request has a key.
#[derive(Clone, Copy)]
pub(super) struct KeyBearer {
    ordinal: u32,
    /// A hash of the certificate or the request; its lowest bits are [`TELLS`] and [`SIGNS`].
    bearer: u32,
}

/// What the actions with one key do.
#[derive(Default)]
struct KeyUse {
    /// The first that tells the CA that the key is compromised.
    told: Option<KeyBearer>,
    /// The first that does not, and is about something else.
    untold: Option<KeyBearer>,
    /// How many tell of it by their reason.
    tells: u32,
}

impl KeyBearer {
    /// The action with this certificate or request, in DER or as text; whether the CA learns by it that the key is compromised, and whether the
    /// key itself signs, which is counted by itself.
    pub(super) fn new(ordinal: u32, bearer: &[u8], tells: bool, signs: bool) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "half of a hash tells two certificates of one key apart")]
        let hash = hash_of(DefaultHasher::new(), bearer) as u32;
        let flags = if tells { TELLS } else { 0 } | if signs { SIGNS } else { 0 };
        Self { ordinal, bearer: (hash & !(TELLS | SIGNS)) | flags }
    }

    fn has_same(self, other: Self) -> bool {
        (self.bearer | TELLS | SIGNS) == (other.bearer | TELLS | SIGNS)
    }
}

impl KeyUse {
    fn add(&mut self, next: KeyBearer) {
        if next.bearer & TELLS != 0 {
            self.tells += u32::from(next.bearer & SIGNS == 0);
            self.untold = self.untold.filter(|other| !other.has_same(next));
            self.told.get_or_insert(next);
        } else if !self.told.is_some_and(|told| told.has_same(next)) {
            self.untold.get_or_insert(next);
        }
    }
}

impl SharedKeys {
    /// Adds the next one.
    pub(super) fn add(&mut self, key: SpkiFingerprint, next: KeyBearer) {
        let key = hash_of(DefaultHasher::new(), &key);
        let first = *self.first.entry(key).or_insert(next);
        if first.ordinal != next.ordinal {
            let begin = || {
                let mut found = KeyUse::default();
                found.add(first);
                found
            };
            self.shared.entry(key).or_insert_with(begin).add(next);
        }
    }

    /// The actions that tell of a key which an action has that does not; and how many tell by their reason. In plan order.
    pub(super) fn reaching_further(&self) -> Vec<(u32, u32, u32)> {
        let found = self.shared.values();
        let found = found.filter_map(|found| Some((found.told?.ordinal, found.untold?.ordinal, found.tells)));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        found
    }
}

const TELLS: u32 = 1;
const SIGNS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compromise_reaches_those_with_the_same_key_that_do_not_tell_of_it() {
        // Of each action: the key, the certificate, whether the CA is told, whether the key signs. Then: who tells, who does not, how many
        // tell by their reason.
        for (uses, expected) in [
            (&[("k", "a", true, false), ("k", "b", false, false)][..], Some((0, 1, 1))),
            (&[("k", "a", false, false), ("k", "b", true, false)], Some((1, 0, 1))),
            (&[("k", "a", true, true), ("k", "b", false, false)], Some((0, 1, 0))),
            (&[("k", "a", true, false), ("k", "b", true, false), ("k", "c", false, false)], Some((0, 2, 2))),
            // All are told of, or none is.
            (&[("k", "a", true, false), ("k", "b", true, false)], None),
            (&[("k", "a", false, false), ("k", "b", false, false)], None),
            // The same certificate, at another account.
            (&[("k", "a", true, false), ("k", "a", false, false)], None),
            (&[("k", "a", false, false), ("k", "a", true, false)], None),
            (&[("k", "a", true, false), ("l", "b", false, false)], None),
        ] {
            let mut keys = SharedKeys::default();
            for (ordinal, (key, bearer, is_told, signs)) in (0..).zip(uses) {
                let key = SpkiFingerprint::of(key.as_bytes());
                keys.add(key, KeyBearer::new(ordinal, bearer.as_bytes(), *is_told, *signs));
            }
            assert_eq!(keys.reaching_further(), Vec::from_iter(expected), "{uses:?}");
        }
    }
}
