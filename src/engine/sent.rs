//! What earlier processes of a run sent, and how long ago: the rate windows still count it. A fold of the journal's records in
//! their order; pure.

use crate::journal::{Kept, Record};
use crate::provider::model::Window;
use crate::run::Ordinal;
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// The present, by all clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Present {
    /// The wall clock.
    pub(super) wall: Timestamp,
    /// The clock that never jumps.
    pub(super) steady: Duration,
    /// The start of the machine that it counts from, where it does.
    pub(super) boot: Option<String>,
}

/// What earlier processes sent.
#[derive(Debug)]
pub(super) struct Sent {
    present: Present,
    /// Longer ago than this is of no account.
    longest: Duration,
    /// The longest time between a status query's record and its answer, which is not recorded.
    timeout: Duration,
    /// The boot that each process's steady clock counted from.
    boots: HashMap<u64, Option<String>>,
    /// When the first process began.
    pub(super) began_at: Option<Timestamp>,
    /// Attempts, each by how long ago it was answered at the latest.
    pub(super) attempts: Vec<(Ordinal, Duration)>,
    /// Status queries and requests for tokens, by account, the same way.
    pub(super) asked: Vec<(usize, Duration)>,
    /// What was learnt last of each account's real limit.
    pub(super) learnt: HashMap<usize, Vec<Window>>,
    /// The windows that `certsweep set-rate` has set, by account: they hold on.
    pub(super) limits: HashMap<usize, Vec<Window>>,
    /// The action whose attempt has no end yet.
    open: Option<Ordinal>,
}

impl Sent {
    pub(super) fn new(present: Present, longest: Duration, timeout: Duration) -> Self {
        Self {
            present,
            longest,
            timeout,
            boots: HashMap::new(),
            began_at: None,
            attempts: Vec::new(),
            asked: Vec::new(),
            learnt: HashMap::new(),
            limits: HashMap::new(),
            open: None,
        }
    }

    /// Takes the next record: those that move no action first, then each action's together.
    pub(super) fn take(&mut self, kept: &Kept) {
        if self.open.is_some() && kept.record.ordinal() != self.open {
            self.close();
        }
        match &kept.record {
            Record::Began { at, boot, .. } => {
                self.began_at = self.began_at.or(Some(*at));
                self.boots.insert(kept.process(), boot.clone());
            }
            Record::Verifying { boot, .. } => drop(self.boots.insert(kept.process(), boot.clone())),
            Record::Intent { ordinal, .. } => self.open = Some(*ordinal),
            Record::AttemptEnded { ordinal, .. } | Record::Ended { ordinal, .. } if self.open.take().is_some() => {
                let age = self.age(kept);
                if age < self.longest {
                    self.attempts.push((*ordinal, age));
                }
            }
            Record::Asked { account, .. } => {
                // A longer window may be set by a later record: who counts them leaves out what is too long ago.
                self.asked.push((*account, self.age(kept).saturating_sub(self.timeout)));
            }
            Record::Limited { account, windows, .. } => {
                // These were written from windows, so they can be read.
                let windows: Vec<Window> = windows.iter().filter_map(|text| Window::parse(text).ok()).collect();
                self.longest = windows.iter().map(|window| window.length).fold(self.longest, Duration::max);
                self.limits.insert(*account, windows);
            }
            Record::Learnt { account, windows, .. } => {
                let windows = windows.iter().filter_map(|window| Window::parse(window).ok()).collect();
                self.learnt.insert(*account, windows);
            }
            _ => {}
        }
    }

    /// There are no more records: an attempt without an end counts as answered now.
    pub(super) fn close(&mut self) {
        if let Some(ordinal) = self.open.take() {
            self.attempts.push((ordinal, Duration::ZERO));
        }
    }

    /// How long ago a record was written, at the least. By the steady clock where it has counted on since; otherwise by the wall
    /// clock, which may have been set meanwhile, but surely not longer ago than the machine runs.
    fn age(&self, kept: &Kept) -> Duration {
        let boot = self.boots.get(&kept.process()).and_then(Option::as_ref);
        if let Some(boot) = boot
            && self.present.boot.as_ref() == Some(boot)
        {
            return self.present.steady.saturating_sub(kept.steady);
        }
        let wall = Duration::try_from(self.present.wall.duration_since(kept.record.at())).unwrap_or_default();
        if self.present.boot.is_some() { wall.min(self.present.steady) } else { wall }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Reply;
    use crate::run::Outcome;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    /// Began with a boot, an attempt of action 0 that ended at a second of the wall and one of the steady clock, one of action 1
    /// without an end, and a status query.
    fn records(boot: Option<&str>, wall: i64, steady: u64) -> Vec<Kept> {
        let answer = Reply::default();
        let records = [
            (1, Record::Began { at: at(0), version: String::new(), boot: boot.map(str::to_owned) }),
            (2, Record::Asked { account: 1, ordinal: None, at: at(wall) }),
            (3, Record::Intent { ordinal: 0, attempt: 1, at: at(wall) }),
            (5, Record::Ended { ordinal: 0, at: at(wall), outcome: Outcome::Succeeded, answer }),
            (4, Record::Intent { ordinal: 1, attempt: 1, at: at(wall) }),
        ];
        let kept = |(seq, record)| Kept { seq: (1_u64 << 40) + seq, steady: Duration::from_secs(steady), record };
        records.into_iter().map(kept).collect()
    }

    #[test]
    fn the_age_of_what_was_sent_is_never_overrated() {
        let now = |boot: Option<&str>| Present {
            wall: at(1000),
            steady: Duration::from_secs(500),
            boot: boot.map(str::to_owned),
        };
        for (present, records, expected) in [
            // The same boot: the steady clock tells, wherever the wall clock was.
            (now(Some("a")), records(Some("a"), 990, 480), 20),
            (now(Some("a")), records(Some("a"), 0, 480), 20),
            (now(Some("a")), records(Some("a"), 5000, 480), 20),
            // Another boot: the wall clock, but not longer ago than this boot.
            (now(Some("b")), records(Some("a"), 900, 480), 100),
            (now(Some("b")), records(Some("a"), 0, 480), 500),
            (now(Some("b")), records(Some("a"), 5000, 480), 0),
            // No boot is known.
            (now(None), records(None, 200, 480), 800),
            (now(Some("a")), records(None, 600, 480), 400),
        ] {
            let mut sent = Sent::new(present.clone(), Duration::from_secs(2000), Duration::from_secs(5));
            records.iter().for_each(|kept| sent.take(kept));
            sent.close();
            let age = Duration::from_secs(expected);
            assert_eq!(sent.attempts, [(0, age), (1, Duration::ZERO)], "{present:?} {records:?}");
            assert_eq!(sent.asked, [(1, age.saturating_sub(Duration::from_secs(5)))]);
            assert_eq!(sent.began_at, Some(at(0)));
        }
    }

    #[test]
    fn what_was_learnt_last_is_what_counts() {
        let present = Present { wall: at(1000), steady: Duration::ZERO, boot: None };
        let mut sent = Sent::new(present, Duration::ZERO, Duration::ZERO);
        for (seq, windows) in [(1, vec!["40/5s".to_owned()]), (2, vec!["33/5s".to_owned(), "nonsense".to_owned()])] {
            sent.take(&Kept { seq, steady: Duration::ZERO, record: Record::Learnt { account: 1, windows, at: at(0) } });
        }
        assert_eq!(sent.learnt[&1], [Window::parse("33/5s").unwrap()]);
    }
}
