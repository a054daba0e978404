//! The actions of a run as far as their order goes: accounts, needs, earliest starts, duplicates. Small: what few actions have is
//! kept for those alone. Decides nothing.

use crate::run::Ordinal;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The actions of a run, in plan order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    accounts: Vec<u32>,
    needs: BTreeMap<Ordinal, Vec<Ordinal>>,
    not_before: BTreeMap<Ordinal, Timestamp>,
    duplicate_of: BTreeMap<Ordinal, String>,
}

/// What the order of sending needs to know of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued<'a> {
    /// The action.
    pub ordinal: Ordinal,
    /// Its account's index.
    pub account: usize,
    /// The actions that must have ended well first; none of them repeats another.
    pub needs: &'a [Ordinal],
    /// Not to be sent before.
    pub not_before: Option<Timestamp>,
    /// The id of the action that it repeats.
    pub duplicate_of: Option<&'a str>,
}

impl Queue {
    /// So many actions of one account, with nothing else to know.
    pub fn of(actions: usize, account: usize) -> Self {
        Self { accounts: vec![u32::try_from(account).unwrap_or(u32::MAX); actions], ..Self::default() }
    }

    /// Adds the next action; its ordinal.
    pub fn push(&mut self, account: usize) -> Ordinal {
        self.accounts.push(u32::try_from(account).unwrap_or(u32::MAX));
        self.accounts.len() as Ordinal - 1
    }

    /// An action needs these.
    pub fn need(&mut self, ordinal: Ordinal, needs: Vec<Ordinal>) {
        if needs.is_empty() {
            self.needs.remove(&ordinal);
        } else {
            self.needs.insert(ordinal, needs);
        }
    }

    /// An action may not be sent before.
    pub fn hold(&mut self, ordinal: Ordinal, until: Timestamp) {
        self.not_before.insert(ordinal, until);
    }

    /// An action repeats the one of this id.
    pub fn repeat(&mut self, ordinal: Ordinal, of: String) {
        self.duplicate_of.insert(ordinal, of);
    }

    /// How many actions there are.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Every action, in plan order.
    pub fn iter(&self) -> impl Iterator<Item = Queued<'_>> {
        (0..).zip(&self.accounts).map(|(ordinal, account)| Queued {
            ordinal,
            account: *account as usize,
            needs: self.needs.get(&ordinal).map(Vec::as_slice).unwrap_or_default(),
            not_before: self.not_before.get(&ordinal).copied(),
            duplicate_of: self.duplicate_of.get(&ordinal).map(String::as_str),
        })
    }

    /// The account of an action.
    pub fn account(&self, ordinal: Ordinal) -> Option<usize> {
        self.accounts.get(usize::try_from(ordinal).ok()?).map(|account| *account as usize)
    }

    /// Those that need others, with what they need, in plan order.
    pub fn needing(&self) -> impl Iterator<Item = (Ordinal, &[Ordinal])> {
        self.needs.iter().map(|(ordinal, needs)| (*ordinal, needs.as_slice()))
    }

    /// Those that repeat others, with the ids of these, in plan order.
    pub fn repeating(&self) -> impl Iterator<Item = (Ordinal, &str)> {
        self.duplicate_of.iter().map(|(ordinal, of)| (*ordinal, of.as_str()))
    }

    /// Whether an action repeats another.
    pub fn repeats(&self, ordinal: Ordinal) -> bool {
        self.duplicate_of.contains_key(&ordinal)
    }
}
