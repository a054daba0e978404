//! What a simulated run did: counters by account and operation, as plain values for tests and for the summary of a drill.

use serde::Serialize;
use std::collections::BTreeMap;

/// What was asked of the simulator, and what took effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// By account.
    pub accounts: BTreeMap<String, AccountEffects>,
}

/// What was asked of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AccountEffects {
    /// By operation, look-ups among them; those that were never asked are absent.
    pub operations: BTreeMap<String, Counters>,
    /// Tokens issued.
    pub tokens: u64,
    /// Requests for what the provider does not have.
    pub not_found: u64,
}

/// What was asked of one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Requests received, whatever was answered.
    pub requests: u64,
    /// Requests that were granted, whether or not their answers got through.
    pub accepted: u64,
    /// Times that something took effect.
    pub effects: u64,
    /// Requests refused because a window was full. Injected ones are among `faults`.
    pub limited: u64,
    /// Requests whose key or signature was wrong.
    pub bad_signatures: u64,
    /// Requests refused for what they say, or because it was so before.
    pub refused: u64,
    /// Targets upon which something took effect.
    pub targets: u64,
    /// The most times that something took effect upon one target.
    pub max_effects_per_target: u64,
    /// Requests that each kind of fault has struck.
    pub faults: BTreeMap<String, u64>,
}

impl Effects {
    /// The counters of one operation; zeros where it was never asked.
    pub fn of(&self, account: &str, operation: &str) -> Counters {
        let account = self.accounts.get(account);
        account.and_then(|account| account.operations.get(operation)).cloned().unwrap_or_default()
    }

    /// The counters of all operations of all accounts together.
    pub fn total(&self) -> Counters {
        let mut total = Counters::default();
        for counters in self.accounts.values().flat_map(|account| account.operations.values()) {
            total.add(counters);
        }
        total
    }
}

impl Counters {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.accepted += other.accepted;
        self.effects += other.effects;
        self.limited += other.limited;
        self.bad_signatures += other.bad_signatures;
        self.refused += other.refused;
        self.targets += other.targets;
        self.max_effects_per_target = self.max_effects_per_target.max(other.max_effects_per_target);
        for (fault, times) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += times;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed() {
        let one = Counters {
            requests: 3,
            max_effects_per_target: 2,
            faults: [("html".to_owned(), 1)].into(),
            ..Counters::default()
        };
        let account = AccountEffects {
            operations: [("a".to_owned(), one.clone()), ("b".to_owned(), one)].into(),
            ..AccountEffects::default()
        };
        let effects = Effects { accounts: [("x".to_owned(), account)].into() };
        let total = effects.total();
        assert_eq!((total.requests, total.max_effects_per_target, total.faults["html"]), (6, 2, 2));
        assert_eq!(effects.of("x", "a").requests, 3);
        assert_eq!(effects.of("x", "c"), Counters::default());
    }
}
