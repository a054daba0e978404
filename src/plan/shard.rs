//! How a plan goes in parts (`--shard K/N`), each carried out by a process that knows nothing of the others: which action is in which part,
//! and what of the limits each part has. Pure: it follows from what an action does, not from where it stands in the plan, so that every
//! process comes to the same parts. Reads and sends nothing.

use super::checked::{Action, CheckedPlan};
use super::settings::{Account, Settings};
use crate::provider::model::Window;
use crate::run::{Ordinal, PlanPart, Shard};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// What of each action decides about its part, in plan order: collected while the plan is checked.
#[derive(Debug, Default)]
pub struct ShardKeys(Vec<ShardKey>);

/// What of one action decides.
#[derive(Debug, Clone, Copy)]
struct ShardKey {
    account: usize,
    target: u64,
}

/// A plan in parts.
#[derive(Debug)]
pub struct Division {
    of: u32,
    /// The part of each action, from 1, by ordinal.
    parts: Vec<u32>,
    /// Among how many parts each account's actions and limits go.
    spreads: Vec<u32>,
}

impl ShardKeys {
    /// Takes the plan's next action.
    pub fn add(&mut self, action: &Action) {
        // Without a target each action is one of its own.
        let of = if action.target.is_empty() { &action.fingerprint.0[..] } else { action.target.as_bytes() };
        self.0.push(ShardKey { account: action.account, target: hash(of) });
    }
}

impl Division {
    /// Divides a plan whose actions were all collected.
    pub fn new(plan: &CheckedPlan, keys: &ShardKeys, of: u32) -> Self {
        let accounts = &plan.settings().accounts;
        let spreads = spreads(accounts, of);
        let providers: Vec<u64> = accounts.iter().map(|account| hash(account.provider.as_bytes())).collect();
        let provider = |account: usize| providers.get(account).copied().unwrap_or_default();
        let keys: Vec<ShardKey> =
            keys.0.iter().map(|key| ShardKey { target: key.target ^ provider(key.account), ..*key }).collect();
        Self { of, parts: parts(&keys, plan.needs(), &spreads), spreads }
    }

    /// Whether an action is in a part.
    pub fn has(&self, shard: Shard, ordinal: Ordinal) -> bool {
        usize::try_from(ordinal).ok().and_then(|index| self.parts.get(index)) == Some(&shard.number())
    }

    /// One part of the plan: its actions counted anew, its share of the limits.
    pub fn select(&self, plan: CheckedPlan, shard: Shard) -> CheckedPlan {
        debug_assert_eq!(shard.of(), self.of);
        let places: Vec<Ordinal> = (0..self.parts.len() as u64).filter(|ordinal| self.has(shard, *ordinal)).collect();
        let anew = |ordinal: &Ordinal| places.binary_search(ordinal).ok().map(|place| place as u64);
        let needs = plan.needs().iter().filter_map(|(ordinal, needed)| {
            // What is needed is in the same part.
            Some((anew(ordinal)?, needed.iter().filter_map(anew).collect()))
        });
        let needs = needs.collect();
        let settings = plan.settings().clone();
        let accounts = settings.accounts.into_iter().zip(&self.spreads).map(|(account, among)| share(account, *among));
        let settings = Settings { accounts: accounts.collect(), ..settings };
        let part = PlanPart { shard, plan_actions: plan.actions() };
        plan.narrowed(part, settings, needs, places)
    }
}

/// An account's limits, shared among so many processes: together they send no more in any window than one would.
fn share(account: Account, among: u32) -> Account {
    let windows = account.windows.iter().map(|window| Window { count: (window.count / among).max(1), ..*window });
    let windows = windows.collect();
    Account { windows, concurrency: (account.concurrency / among).max(1), ..account }
}

/// Among how many parts each account's actions go: all of them, or as many as its smallest limit has requests. Processes that know nothing
/// of each other cannot share one request a second, however long each of them waits: all might send in the same second. So what allows fewer
/// requests than there are parts is left to the first parts. Accounts of one provider may share a credential, and with it their limits,
/// so they go among the same number.
fn spreads(accounts: &[Account], of: u32) -> Vec<u32> {
    let least = |account: &Account| {
        let counts = account.windows.iter().map(|window| window.count);
        counts.chain([account.concurrency]).min().unwrap_or(of).max(1)
    };
    let spread = |account: &Account| {
        let of_provider = accounts.iter().filter(|other| other.provider == account.provider);
        of_provider.map(least).min().unwrap_or(of).min(of)
    };
    accounts.iter().map(spread).collect()
}

/// The part of each action, from 1. Actions on one target are in one part, and so is what needs another: by the smallest key among them,
/// which does not change with their order.
fn parts(keys: &[ShardKey], needs: &[(Ordinal, Vec<Ordinal>)], spreads: &[u32]) -> Vec<u32> {
    let mut groups = Groups((0..keys.len()).collect());
    let mut firsts: HashMap<u64, usize> = HashMap::new();
    for (index, key) in keys.iter().enumerate() {
        groups.join(*firsts.entry(key.target).or_insert(index), index);
    }
    let index_of = |ordinal: Ordinal| usize::try_from(ordinal).ok().filter(|index| *index < keys.len());
    for (ordinal, needed) in needs {
        for needed in needed {
            if let (Some(one), Some(other)) = (index_of(*ordinal), index_of(*needed)) {
                groups.join(one, other);
            }
        }
    }
    let mut found: HashMap<usize, (u64, u32)> = HashMap::new();
    for (index, key) in keys.iter().enumerate() {
        let spread = spreads.get(key.account).copied().unwrap_or(1);
        let group = found.entry(groups.root(index)).or_insert((key.target, spread));
        *group = (group.0.min(key.target), group.1.min(spread));
    }
    let part = |index| {
        let (smallest, spread) = found.get(&groups.root(index)).copied().unwrap_or((0, 1));
        // Below `spread`, which is 32 bits wide. Hashed once more: the smallest of many is no fair draw.
        (hash(&smallest.to_be_bytes()) % u64::from(spread.max(1))) as u32 + 1
    };
    (0..keys.len()).map(part).collect()
}

/// Which elements belong together: a forest of parents.
struct Groups(Vec<usize>);

impl Groups {
    fn root(&self, mut element: usize) -> usize {
        while let Some(parent) = self.0.get(element).copied().filter(|parent| *parent != element) {
            element = parent;
        }
        element
    }

    fn join(&mut self, one: usize, other: usize) {
        let root = self.root(one).min(self.root(other));
        // All on both ways now lead to the root, so that no way becomes long.
        for mut element in [one, other] {
            while let Some(parent) = self.0.get_mut(element) {
                let next = std::mem::replace(parent, root);
                if next == element {
                    break;
                }
                element = next;
            }
        }
    }
}

/// The first 8 bytes of the SHA-256: the same on every machine, and in every version.
fn hash(bytes: &[u8]) -> u64 {
    Sha256::digest(bytes).iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn account(provider: &str, windows: &[u32], concurrency: u32) -> Account {
        let window = |count: &u32| Window { count: *count, length: Duration::from_secs(5) };
        Account {
            name: "a".into(),
            provider: provider.into(),
            base_url: "https://ca.example".into(),
            auth_url: None,
            variables: BTreeMap::new(),
            credentials: BTreeMap::new(),
            windows: windows.iter().map(window).collect(),
            concurrency,
            concurrency_follows: false,
            own_keys: false,
            reasons: BTreeMap::new(),
            challenge_hook: None,
        }
    }

    #[test]
    fn limits_are_shared_by_as_many_parts_as_they_have_requests() {
        for (accounts, of, spread, windows, concurrency) in [
            (vec![account("d", &[100, 1000], 16)], 4, vec![4], vec![25, 250], 4),
            // Rounded down: 4 x 2 of 10.
            (vec![account("d", &[10], 16)], 4, vec![4], vec![2], 4),
            (vec![account("d", &[100], 16)], 1, vec![1], vec![100], 16),
            (vec![account("d", &[], 16)], 4, vec![4], vec![], 4),
            // Fewer requests, or fewer in flight, than parts: the first ones alone.
            (vec![account("d", &[3, 1000], 16)], 4, vec![3], vec![1, 333], 5),
            (vec![account("d", &[1], 16)], 4, vec![1], vec![1], 16),
            (vec![account("d", &[100], 2)], 4, vec![2], vec![50], 1),
            // One credential may stand behind both.
            (vec![account("d", &[100], 16), account("d", &[2], 16)], 4, vec![2, 2], vec![50], 8),
            (vec![account("d", &[100], 16), account("n", &[2], 16)], 4, vec![4, 2], vec![25], 4),
        ] {
            let found = spreads(&accounts, of);
            assert_eq!(found, spread, "{accounts:?}");
            let shared = share(accounts[0].clone(), found[0]);
            let counts: Vec<u32> = shared.windows.iter().map(|window| window.count).collect();
            assert_eq!((counts, shared.concurrency), (windows, concurrency));
            assert!(shared.windows.iter().all(|window| window.length == Duration::from_secs(5)));
        }
    }

    fn keys(targets: &[u64]) -> Vec<ShardKey> {
        targets.iter().map(|target| ShardKey { account: 0, target: hash(&target.to_be_bytes()) }).collect()
    }

    #[test]
    fn what_belongs_together_is_in_one_part() {
        for (targets, needs, together) in [
            (vec![1, 2, 3, 1], vec![], vec![vec![0, 3]]),
            (vec![1, 2, 3, 4], vec![(0, vec![1]), (1, vec![2])], vec![vec![0, 1, 2]]),
            // Through a target that two chains share.
            (vec![1, 2, 3, 2, 4], vec![(0, vec![1]), (4, vec![3])], vec![vec![0, 1, 3, 4]]),
            (vec![5, 6, 7], vec![(2, vec![0, 1])], vec![vec![0, 1, 2]]),
        ] {
            let found = parts(&keys(&targets), &needs, &[1000]);
            for group in together {
                assert!(group.iter().all(|index: &usize| found[*index] == found[group[0]]), "{targets:?} {found:?}");
            }
        }
    }

    #[test]
    fn an_account_of_few_requests_keeps_its_groups_in_the_first_parts() {
        let mut keys = keys(&(0..200).collect::<Vec<_>>());
        keys.iter_mut().skip(100).for_each(|key| key.account = 1);
        let found = parts(&keys, &[(7, vec![150])], &[4, 2]);
        assert!(found[100..].iter().all(|part| (1..=2).contains(part)), "{found:?}");
        assert!((1..=4).all(|part| found[..100].contains(&part)) && found[7] == found[150]);
    }

    #[test]
    fn parts_are_about_equal() {
        let found = parts(&keys(&(0..10_000).collect::<Vec<_>>()), &[], &[4]);
        for part in 1..=4 {
            let count = found.iter().filter(|found| **found == part).count();
            assert!((2_300..2_700).contains(&count), "{part}: {count}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Every action in exactly one part, groups whole, and the same whatever the order of the list.
        #[test]
        fn every_order_of_a_plan_has_the_same_parts(
            actions in prop::collection::vec((0_u64..30, 0_usize..3), 1..40),
            links in prop::collection::vec((0_usize..40, 0_usize..40), 0..15),
            of in 1_u32..6,
            seed in any::<u64>(),
        ) {
            let spreads = [of, of.min(3), 1];
            let links: Vec<(usize, usize)> =
                links.into_iter().map(|(one, other)| (one % actions.len(), other % actions.len())).collect();
            let divide = |order: &[usize]| {
                let place = |action: usize| order.iter().position(|other| *other == action).unwrap() as u64;
                let keys: Vec<ShardKey> = order.iter().map(|index| {
                    let (target, account) = actions[*index];
                    ShardKey { account, target: hash(&target.to_be_bytes()) }
                }).collect();
                let needs: Vec<(u64, Vec<u64>)> =
                    links.iter().map(|(one, other)| (place(*one), vec![place(*other)])).collect();
                let found = parts(&keys, &needs, &spreads);
                (0..actions.len()).map(|action| found[place(action) as usize]).collect::<Vec<u32>>()
            };
            let order: Vec<usize> = (0..actions.len()).collect();
            let found = divide(&order);
            let mut shuffled = order;
            fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
            prop_assert_eq!(&found, &divide(&shuffled));
            for (action, part) in found.iter().enumerate() {
                prop_assert!((1..=spreads[actions[action].1]).contains(part));
            }
            for (one, other) in links {
                prop_assert_eq!(found[one], found[other]);
            }
            for (one, (target, _)) in actions.iter().enumerate() {
                for (other, _) in actions.iter().enumerate().filter(|(_, action)| action.0 == *target) {
                    prop_assert_eq!(found[one], found[other]);
                }
            }
        }
    }
}
