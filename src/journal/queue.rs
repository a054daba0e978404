//! The actions of a run as far as their order goes: accounts, needs, earliest starts, what is never sent. Small: what few actions have is
//! kept for those alone. Decides nothing.

use super::state::{ActionState, Phase};
use crate::plan::checked::NeverSent;
use crate::run::Ordinal;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The actions of a run, in plan order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// Accounts, each with where its row of actions ends: lists come with many of one account behind each other.
    accounts: Vec<(u32, u32)>,
    needs: BTreeMap<Ordinal, Vec<Ordinal>>,
    not_before: BTreeMap<Ordinal, Timestamp>,
    never_sent: BTreeMap<Ordinal, NeverSent>,
    /// Actions, each with one that it needs only to be accepted.
    accepted: BTreeSet<(Ordinal, Ordinal)>,
    /// Those that only wait, and how long at most.
    waits: BTreeMap<Ordinal, Option<Duration>>,
}

/// What the order of sending needs to know of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueItem<'a> {
    /// The action.
    pub ordinal: Ordinal,
    /// Its account's index.
    pub account: usize,
    /// The actions that must have ended well first; none of them repeats another.
    pub needs: &'a [Ordinal],
    /// Not to be sent before.
    pub not_before: Option<Timestamp>,
    /// Why it is never sent, where it is not.
    pub never_sent: Option<&'a NeverSent>,
}

impl Queue {
    /// So many actions of one account, with nothing else to know.
    pub fn of(actions: usize, account: usize) -> Self {
        let mut queue = Self::default();
        queue.extend(account, actions);
        queue
    }

    /// Adds the next action; its ordinal.
    pub fn push(&mut self, account: usize) -> Ordinal {
        self.extend(account, 1);
        self.len() as Ordinal - 1
    }

    /// Adds so many actions of one account.
    fn extend(&mut self, account: usize, actions: usize) {
        let account = u32::try_from(account).unwrap_or(u32::MAX);
        // A plan has fewer actions than that: the check counts them so too.
        let end = u32::try_from(self.len() + actions).unwrap_or(u32::MAX);
        match self.accounts.last_mut() {
            _ if actions == 0 => {}
            Some((last, last_end)) if *last == account => *last_end = end,
            _ => self.accounts.push((account, end)),
        }
    }

    /// An action needs these.
    pub fn need(&mut self, ordinal: Ordinal, needs: Vec<Ordinal>) {
        if needs.is_empty() {
            self.needs.remove(&ordinal);
        } else {
            self.needs.insert(ordinal, needs);
        }
    }

    /// Of one of its needs it is enough that the provider has accepted it.
    pub fn accept(&mut self, ordinal: Ordinal, need: Ordinal) {
        self.accepted.insert((ordinal, need));
    }

    /// Whether it is enough for an action that the provider has accepted this need of it.
    pub fn accepts(&self, ordinal: Ordinal, need: Ordinal) -> bool {
        self.accepted.contains(&(ordinal, need))
    }

    /// Actions, each with one that it needs only to be accepted: an approval, and what it approves.
    pub fn accepting(&self) -> impl Iterator<Item = (Ordinal, Ordinal)> {
        self.accepted.iter().copied()
    }

    /// Whether a need of an action is met by a state of it.
    pub fn is_met(&self, ordinal: Ordinal, need: Ordinal, state: ActionState) -> bool {
        match state.phase {
            Phase::Ended(outcome) => outcome.is_well() && (!outcome.is_pending() || self.accepts(ordinal, need)),
            Phase::Waiting => state.following.is_some() && self.accepts(ordinal, need),
            Phase::InFlight => false,
        }
    }

    /// An action only waits, so long at most.
    pub fn set_wait(&mut self, ordinal: Ordinal, within: Option<Duration>) {
        self.waits.insert(ordinal, within);
    }

    /// How long an action waits at most, where it only waits.
    pub fn wait(&self, ordinal: Ordinal) -> Option<Option<Duration>> {
        self.waits.get(&ordinal).copied()
    }

    /// Those that only wait, and how long at most.
    pub fn waits(&self) -> impl Iterator<Item = (Ordinal, Option<Duration>)> {
        self.waits.iter().map(|(ordinal, within)| (*ordinal, *within))
    }

    /// An action may not be sent before.
    pub fn hold(&mut self, ordinal: Ordinal, until: Timestamp) {
        self.not_before.insert(ordinal, until);
    }

    /// Before when an action may not be sent.
    pub fn not_before(&self, ordinal: Ordinal) -> Option<Timestamp> {
        self.not_before.get(&ordinal).copied()
    }

    /// An action is never to be sent.
    pub fn never_send(&mut self, ordinal: Ordinal, why: NeverSent) {
        self.never_sent.insert(ordinal, why);
    }

    /// How many actions there are.
    pub fn len(&self) -> usize {
        self.accounts.last().map_or(0, |(_, end)| *end as usize)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Every action, in plan order.
    pub fn iter(&self) -> impl Iterator<Item = QueueItem<'_>> {
        let begins = std::iter::once(0).chain(self.accounts.iter().map(|(_, end)| *end));
        let rows = begins.zip(&self.accounts).flat_map(|(begin, (account, end))| {
            (begin..*end).map(|ordinal| (Ordinal::from(ordinal), *account as usize))
        });
        rows.map(|(ordinal, account)| QueueItem {
            ordinal,
            account,
            needs: self.needs(ordinal),
            not_before: self.not_before(ordinal),
            never_sent: self.never_sent.get(&ordinal),
        })
    }

    /// The account of an action.
    pub fn account(&self, ordinal: Ordinal) -> Option<usize> {
        let row = self.accounts.partition_point(|(_, end)| Ordinal::from(*end) <= ordinal);
        self.accounts.get(row).map(|(account, _)| *account as usize)
    }

    /// Those that need others, with what they need, in plan order.
    pub fn needing(&self) -> impl Iterator<Item = (Ordinal, &[Ordinal])> {
        self.needs.iter().map(|(ordinal, needs)| (*ordinal, needs.as_slice()))
    }

    /// What an action needs.
    pub fn needs(&self, ordinal: Ordinal) -> &[Ordinal] {
        self.needs.get(&ordinal).map(Vec::as_slice).unwrap_or_default()
    }

    /// Those that are never sent, and why, in plan order.
    pub fn never_sent(&self) -> impl Iterator<Item = (Ordinal, &NeverSent)> {
        self.never_sent.iter().map(|(ordinal, why)| (*ordinal, why))
    }

    /// Whether an action is never sent.
    pub fn is_never_sent(&self, ordinal: Ordinal) -> bool {
        self.never_sent.contains_key(&ordinal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_keep_their_accounts_however_they_come() {
        for accounts in [&[][..], &[0], &[0, 0, 0], &[0, 0, 2, 2, 0], &[1, 0, 1, 0]] {
            let mut one_by_one = Queue::default();
            for (ordinal, account) in accounts.iter().enumerate() {
                assert_eq!(one_by_one.push(*account), ordinal as Ordinal);
            }
            let mut in_rows = Queue::default();
            for row in accounts.chunk_by(|one, other| one == other) {
                in_rows.extend(row[0], row.len());
            }
            assert_eq!(one_by_one, in_rows, "{accounts:?}");
            let walked: Vec<(Ordinal, usize)> =
                one_by_one.iter().map(|queued| (queued.ordinal, queued.account)).collect();
            let expected: Vec<(Ordinal, usize)> = (0..).zip(accounts.iter().copied()).collect();
            assert_eq!(walked, expected);
            let asked: Vec<Option<usize>> =
                (0..=accounts.len() as Ordinal).map(|ordinal| one_by_one.account(ordinal)).collect();
            assert_eq!(asked, accounts.iter().copied().map(Some).chain([None]).collect::<Vec<_>>());
            assert_eq!(one_by_one.len(), accounts.len());
        }
    }
}
