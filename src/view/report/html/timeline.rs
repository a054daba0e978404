//! What happened when, folded from a run's records: requests, answers that throttled, ends, sessions, pauses, waves and changed limits. Only
//! collects; what a page makes of it is `page`'s.

use crate::journal::{Record, StoredRecord};
use crate::run::{Ordinal, Outcome};
use jiff::Timestamp;
use std::time::Duration;

/// A run's records as moments. Instants are microseconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    pub(super) accounts: Vec<AccountTimes>,
    /// The last end of each action.
    pub(super) ends: Vec<(i64, Outcome)>,
    pub(super) sessions: Vec<ProcessTimes>,
    /// What people and refusals changed, in order.
    pub(super) changes: Vec<Change>,
    /// From when to when nothing new was sent because somebody said so; without an end where it goes on.
    pub(super) pauses: Vec<(i64, Option<i64>)>,
    /// The first request of each wave that has begun.
    pub(super) waves: Vec<Option<i64>>,
    /// The action whose records are being read.
    current: Option<Current>,
}

/// What one account sent, and what came.
#[derive(Debug, Clone, Default)]
pub(super) struct AccountTimes {
    /// Requests of any kind, by when they were decided.
    pub(super) requests: Vec<i64>,
    /// Answers that said `too many requests` (429).
    pub(super) throttled: Vec<i64>,
    /// From the intent to the answer, in microseconds.
    pub(super) latencies: Vec<u64>,
    /// Attempts beyond an action's first.
    pub(super) retries: u64,
}

/// One process that carried the run out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProcessTimes {
    pub(super) began: Timestamp,
    pub(super) version: String,
    /// When it ended, why, and its exit code where it stopped before the end; `None` where there is no record of it.
    pub(super) ended: Option<(Timestamp, String, Option<u8>)>,
}

/// Something that was changed while the run went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: Timestamp,
    /// The account, where it is about one.
    pub(super) account: Option<usize>,
    /// Who did it, where that is known.
    pub(super) by: Option<String>,
    pub(super) what: ChangeKind,
}

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Paused,
    WentOn,
    /// `certsweep set-rate`.
    Limited(Vec<String>),
    /// Learnt from refusals; none: only the declared limits hold again.
    Learnt(Vec<String>),
    Verifying,
    /// `certsweep settle`.
    Settling,
}

#[derive(Debug, Clone)]
struct Current {
    ordinal: Ordinal,
    /// The process and its steady clock at the intent that has no answer yet.
    intent: Option<(u64, Duration)>,
    ended: Option<(i64, Outcome)>,
}

impl Timeline {
    /// Of a run with so many accounts, before any record.
    pub fn new(accounts: usize) -> Self {
        Self { accounts: vec![AccountTimes::default(); accounts], ..Self::default() }
    }

    /// Takes the next record in: those about the run first, then those of each action; both in the order of writing. The account and the wave
    /// (from 0) of the record's action are looked up only where it has one.
    pub fn take(&mut self, stored: &StoredRecord, of: impl Fn(Ordinal) -> (usize, usize)) {
        match stored.record.ordinal() {
            Some(ordinal) => {
                let (account, wave) = of(ordinal);
                self.take_of_action(stored, ordinal, account, wave);
            }
            None => self.take_of_run(&stored.record),
        }
    }

    /// After the last record.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.ends.extend(self.current.take().and_then(|current| current.ended));
        self.ends.sort_unstable_by_key(|(at, _)| *at);
        for account in &mut self.accounts {
            account.requests.sort_unstable();
            account.throttled.sort_unstable();
            account.latencies.sort_unstable();
        }
        self
    }

    /// Several runs' timelines as one, each with the places of its accounts among all. Pauses and waves are each run's own, and left out: while one
    /// is paused, the others go on.
    #[must_use]
    pub(super) fn joined(parts: Vec<(Self, Vec<usize>)>, accounts: usize) -> Self {
        let mut joined = Self::new(accounts);
        for (part, places) in parts {
            for (times, place) in part.accounts.into_iter().zip(&places) {
                let Some(all) = joined.accounts.get_mut(*place) else { continue };
                all.requests.extend(times.requests);
                all.throttled.extend(times.throttled);
                all.latencies.extend(times.latencies);
                all.retries += times.retries;
            }
            let placed = |account: usize| places.get(account).copied().unwrap_or(usize::MAX);
            let changes = part.changes.into_iter();
            joined.changes.extend(changes.map(|change| Change { account: change.account.map(placed), ..change }));
            joined.ends.extend(part.ends);
            joined.sessions.extend(part.sessions);
        }
        joined.changes.sort_by_key(|change| change.at);
        joined.sessions.sort_by_key(|session| session.began);
        joined.close()
    }

    fn take_of_run(&mut self, record: &Record) {
        let change = |at: Timestamp, account, what| Change { at, account, by: None, what };
        match record {
            Record::Began { at, version, .. } => {
                self.sessions.push(ProcessTimes { began: *at, version: version.clone(), ended: None });
            }
            Record::Stopped { at, why, code } => self.end_session(*at, why.clone(), Some(*code)),
            Record::Finished { at } => self.end_session(*at, "every action had ended".to_owned(), None),
            Record::Paused { at, by } => {
                self.changes.push(Change { by: by.clone(), ..change(*at, None, ChangeKind::Paused) });
                if self.pauses.last().is_none_or(|(_, end)| end.is_some()) {
                    self.pauses.push((at.as_microsecond(), None));
                }
            }
            Record::WentOn { at } => {
                self.changes.push(change(*at, None, ChangeKind::WentOn));
                self.end_pause(*at);
            }
            Record::Limited { account, windows, at } => {
                self.changes.push(change(*at, Some(*account), ChangeKind::Limited(windows.clone())));
            }
            Record::Learnt { account, windows, at } => {
                self.changes.push(change(*at, Some(*account), ChangeKind::Learnt(windows.clone())));
            }
            Record::Verifying { at, .. } => self.changes.push(change(*at, None, ChangeKind::Verifying)),
            Record::Settling { at, by } => {
                self.changes.push(Change { by: by.clone(), ..change(*at, None, ChangeKind::Settling) });
            }
            Record::Asked { account, at, .. } => {
                if let Some(account) = self.accounts.get_mut(*account) {
                    account.requests.push(at.as_microsecond());
                }
            }
            _ => {}
        }
    }

    fn end_session(&mut self, at: Timestamp, why: String, code: Option<u8>) {
        self.end_pause(at);
        if let Some(session) = self.sessions.last_mut() {
            session.ended = Some((at, why, code));
        }
    }

    fn end_pause(&mut self, at: Timestamp) {
        if let Some((_, end @ None)) = self.pauses.last_mut() {
            *end = Some(at.as_microsecond());
        }
    }

    fn take_of_action(&mut self, stored: &StoredRecord, ordinal: Ordinal, account: usize, wave: usize) {
        if self.current.as_ref().is_none_or(|current| current.ordinal != ordinal) {
            let before = self.current.replace(Current { ordinal, intent: None, ended: None });
            self.ends.extend(before.and_then(|before| before.ended));
        }
        let (Some(current), Some(times)) = (&mut self.current, self.accounts.get_mut(account)) else { return };
        let at = stored.record.at().as_microsecond();
        match &stored.record {
            Record::Intent { attempt, .. } => {
                times.requests.push(at);
                times.retries += u64::from(*attempt > 1);
                current.intent = Some((stored.process(), stored.steady));
                if self.waves.len() <= wave {
                    self.waves.resize(wave + 1, None);
                }
                self.waves[wave] = Some(self.waves[wave].map_or(at, |first| first.min(at)));
            }
            Record::AttemptEnded { answer, .. } | Record::StageEnded { answer, .. } | Record::Ended { answer, .. } => {
                // The steady clocks of two processes may count from two starts of the machine.
                if let (Some((process, began)), Some(status)) = (current.intent.take(), answer.http_status)
                    && process == stored.process()
                {
                    times.latencies.push(stored.steady.saturating_sub(began).as_micros() as u64);
                    if status == 429 {
                        times.throttled.push(at);
                    }
                }
                if let Record::Ended { outcome, .. } = &stored.record {
                    current.ended = Some((at, *outcome));
                }
            }
            Record::Reopened { .. } => current.ended = None,
            // It says how the action ended, and not when: what a person writes down hours later would press the run against the edge.
            Record::Settled { outcome, .. } => current.ended = current.ended.map(|(at, _)| (at, *outcome)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Reply;
    use crate::run::Effect;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn folded(records: Vec<Record>) -> Timeline {
        let mut timeline = Timeline::new(1);
        for record in records {
            let steady = Duration::from_secs(record.at().as_second().unsigned_abs());
            let stored = StoredRecord { seq: 1 << 40, steady, record };
            timeline.take(&stored, |ordinal| (0, ordinal as usize / 2));
        }
        timeline.close()
    }

    #[test]
    fn records_become_moments() {
        let answered = |status| Reply { http_status: Some(status), ..Reply::default() };
        let intent = |ordinal, attempt, second| Record::Intent { ordinal, attempt, at: at(second) };
        let ended =
            |ordinal, second, outcome| Record::Ended { ordinal, at: at(second), outcome, answer: answered(204) };
        let throttled = Record::AttemptEnded {
            ordinal: 0,
            attempt: 1,
            at: at(12),
            effect: Effect::None,
            counts: false,
            answer: answered(429),
        };
        let timeline = folded(vec![
            Record::Began { at: at(10), version: "1".into(), boot: None },
            Record::Asked { account: 0, ordinal: Some(0), at: at(11) },
            Record::Paused { at: at(20), by: Some("kim".into()) },
            Record::WentOn { at: at(25) },
            Record::Limited { account: 0, windows: vec!["5/1s".into()], at: at(26) },
            Record::Paused { at: at(30), by: None },
            Record::Stopped { at: at(31), why: "signal".into(), code: 130 },
            Record::Began { at: at(40), version: "2".into(), boot: None },
            Record::Settling { at: at(90), by: Some("kim".into()) },
            intent(0, 1, 11),
            throttled,
            intent(0, 2, 14),
            ended(0, 15, Outcome::Failed),
            Record::Reopened { ordinal: 0, at: at(40), follows: false },
            intent(0, 3, 41),
            ended(0, 43, Outcome::Succeeded),
            intent(2, 1, 12),
            ended(2, 13, Outcome::InDoubt),
            Record::Settled { ordinal: 2, at: at(90), outcome: Outcome::Rejected, by: None, note: "n".into() },
        ]);
        let second = 1_000_000;
        assert_eq!(
            timeline.ends,
            [(13 * second, Outcome::Rejected), (43 * second, Outcome::Succeeded)],
            "the last end"
        );
        let account = &timeline.accounts[0];
        assert_eq!(account.requests, [11, 11, 12, 14, 41].map(|at| at * second));
        assert_eq!((account.throttled.as_slice(), account.retries), ([12 * second].as_slice(), 2));
        assert_eq!(account.latencies, [1, 1, 1, 2].map(|length| length * 1_000_000));
        assert_eq!(timeline.pauses, [(20 * second, Some(25 * second)), (30 * second, Some(31 * second))]);
        assert_eq!(timeline.waves, [Some(11 * second), Some(12 * second)]);
        assert_eq!(timeline.changes.len(), 5);
        let by: Vec<Option<&str>> = timeline.changes.iter().map(|change| change.by.as_deref()).collect();
        assert_eq!(by, [Some("kim"), None, None, None, Some("kim")]);
        assert_eq!(timeline.sessions[0].ended, Some((at(31), "signal".into(), Some(130))));
        assert_eq!((timeline.sessions.len(), &timeline.sessions[1].ended), (2, &None));
    }
}
