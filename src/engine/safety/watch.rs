//! `safety.stop_when`: how the actions of each account end, and when they end badly too often. Pure.
//!
//! Each account is watched by itself, so that a hundred good ends at one provider do not hide the bad ones of another. What counts
//! is what ends in this process: whoever resumes a run that was stopped has seen why, and is given the same patience anew.

use crate::plan::settings::{Safety, StopWhen};
use std::collections::VecDeque;

/// Watches how actions end.
#[derive(Debug, Clone)]
pub struct Watch {
    rule: Option<StopWhen>,
    accounts: Vec<Account>,
}

/// What ended at one account.
#[derive(Debug, Clone, Default)]
struct Account {
    failures: u64,
    last: VecDeque<bool>,
    bad_of_last: u64,
}

impl Watch {
    /// A watch over so many accounts, by the plan's rules.
    pub fn new(safety: &Safety, accounts: usize) -> Self {
        Self { rule: safety.stop_when, accounts: vec![Account::default(); accounts] }
    }

    /// An action of an account ended well or not; says why the account must stop, where it must.
    pub fn ended(&mut self, account: usize, well: bool) -> Option<String> {
        let rule = self.rule?;
        let account = self.accounts.get_mut(account)?;
        account.failures += u64::from(!well);
        match rule {
            StopWhen::Failures(most) => (!well && account.failures >= most)
                .then(|| format!("{} actions did not end well (safety.stop_when.failures: {most})", account.failures)),
            StopWhen::FailureRate { rate, of_last } => {
                account.last.push_back(well);
                account.bad_of_last += u64::from(!well);
                if account.last.len() as u64 > of_last {
                    account.bad_of_last -= u64::from(account.last.pop_front() == Some(false));
                }
                let (ended, bad) = (account.last.len() as u64, account.bad_of_last);
                let enough = ended >= of_last || (ended >= LEAST_ENDED && bad >= LEAST_BAD);
                (!well && enough && bad as f64 >= rate * ended as f64).then(|| {
                    format!(
                        "{bad} of the last {ended} actions did not end well (safety.stop_when.failure_rate: {rate})"
                    )
                })
            }
        }
    }
}

/// Before `of_last` actions have ended a rate is judged by those that have, if they are so many.
const LEAST_ENDED: u64 = 20;
/// And if so many of them ended badly: one bad end among twenty is a rate of 5 %, and no pattern.
const LEAST_BAD: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    /// At which ends (`-` badly, `+` well, from 0) an account must stop.
    fn stops(rule: StopWhen, ends: &str) -> Vec<usize> {
        let mut watch = Watch::new(&Safety { stop_when: Some(rule), ..Safety::default() }, 2);
        let mut stops = Vec::new();
        for (index, end) in ends.chars().enumerate() {
            assert_eq!(watch.ended(1, true), None, "the other account ends well, and changes nothing");
            if watch.ended(0, end == '+').is_some() {
                stops.push(index);
            }
        }
        stops
    }

    #[test]
    fn too_many_bad_ends_stop_an_account() {
        let good = |count: usize| "+".repeat(count);
        let rate = |rate, of_last| StopWhen::FailureRate { rate, of_last };
        for (rule, ends, expected, why) in [
            (StopWhen::Failures(2), "+-+-".to_owned(), vec![3], "the second"),
            (StopWhen::Failures(1), "-".to_owned(), vec![0], "the first"),
            (rate(0.5, 4), "-++-++--".to_owned(), vec![3, 6, 7], "two of the last four"),
            (rate(0.5, 4), "---".to_owned(), vec![], "fewer than `of_last`, and than the least"),
            (rate(0.05, 200), format!("{}-", good(19)), vec![], "one bad end in twenty is no pattern"),
            (rate(0.05, 200), format!("{}---", good(19)), vec![21], "three are"),
            (rate(0.05, 200), format!("---{}-", good(16)), vec![19], "judged from the twentieth on, at a bad end"),
            (rate(0.05, 200), "-".repeat(19), vec![], "nineteen are too few to tell"),
            (rate(0.05, 200), format!("{}---", good(100)), vec![], "three of 103 are below the rate"),
            (rate(1.0, 1), "+-".to_owned(), vec![1], "the last one"),
        ] {
            assert_eq!(stops(rule, &ends), expected, "{why}");
        }
        assert_eq!(Watch::new(&Safety::default(), 1).ended(0, false), None, "no rule, no stop");
    }
}
