//! What a page is made of beside its rows: a run's constants, its state, and what happened when, folded from its records; of several runs, mostly
//! the parts of a plan that went over many machines, all of these as one. Only collects; what a page makes of it is `page`'s. Decides nothing of a run.

use crate::journal::state::Overview;
use crate::journal::{Record, RunFacts, StoredRecord};
use crate::plan::Account;
use crate::run::{Ordinal, Outcome, RunOrigin, Shard};
use crate::view::status::RunState;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a page is made of beside its rows.
#[derive(Debug)]
pub struct PageSource<'a> {
    /// The run's constants.
    pub facts: &'a RunFacts,
    /// The run as a whole; its actions need not be counted.
    pub run: &'a Overview,
    /// What happened when; `None` where the records cannot be read.
    pub timeline: Option<&'a Timeline>,
    /// Whether it goes on, has ended, or waits to be resumed.
    pub state: RunState,
    /// Where the page is of several runs: each of them; the rest says what they are together.
    pub several: &'a [PageRun<'a>],
    /// The run directory as a shell takes it; of several runs, one after the other.
    pub run_dir: &'a str,
    /// Rows of these outcomes alone, where there are some.
    pub only: &'a [Outcome],
    /// What is wrong with a damaged run.
    pub damage: Option<&'a str>,
}

/// One of the runs that a page is of.
#[derive(Debug)]
pub struct PageRun<'a> {
    /// Its constants.
    pub facts: &'a RunFacts,
    /// It as a whole; its actions need not be counted.
    pub run: &'a Overview,
    /// Whether it goes on, has ended, or waits to be resumed.
    pub state: RunState,
    /// Its directory, as it was named.
    pub run_dir: &'a str,
}

/// Several runs as one.
#[derive(Debug)]
pub struct JoinedRuns {
    /// Their constants: what all have in common, and the accounts of all.
    pub facts: RunFacts,
    /// How far they are.
    pub run: Overview,
    /// The state that a person should know of first.
    pub state: RunState,
    /// What happened when; `None` where the records of one cannot be read.
    pub timeline: Option<Timeline>,
}

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

/// What is allowed to all parts of one division of a plan together, of one account in one window.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct AllowedOf<'a> {
    account: &'a str,
    length: Duration,
    plan: &'a str,
    parts: u32,
}

impl PageSource<'_> {
    /// The last thing that is known of the run.
    pub(super) fn last_moment(&self) -> Option<Timestamp> {
        let last_end = self.timeline.and_then(|timeline| timeline.ends.last());
        let last_end = last_end.and_then(|(at, _)| Timestamp::from_microsecond(*at).ok());
        last_end.max(self.run.last_at)
    }
}

impl JoinedRuns {
    /// Joins runs, each with its timeline; `None` where there is none.
    pub fn of(runs: &[PageRun<'_>], timelines: Vec<Option<Timeline>>) -> Option<Self> {
        let first = runs.first()?;
        let accounts = joined_accounts(runs);
        let place = |account: &Account| accounts.iter().position(|known| known.name == account.name);
        let parts = runs.iter().zip(timelines).map(|(run, timeline)| {
            let places = run.facts.settings.accounts.iter().map(|account| place(account).unwrap_or(usize::MAX));
            Some((timeline?, places.collect()))
        });
        let timeline = parts.collect::<Option<Vec<_>>>().map(|parts| Timeline::joined(parts, accounts.len()));
        let mut facts = RunFacts { part: None, ..first.facts.clone() };
        facts.settings.accounts = accounts;
        facts.settings.name = distinct(runs.iter().map(|run| run.facts.settings.name.as_str())).join(", ");
        facts.digest = distinct(runs.iter().map(|run| run.facts.digest.as_str())).join(", ");
        facts.actions = runs.iter().map(|run| run.facts.actions).sum();
        facts.made_at = runs.iter().map(|run| run.facts.made_at).min().unwrap_or(facts.made_at);
        facts.simulated = runs.iter().any(|run| run.facts.simulated);
        facts.documents = runs.iter().flat_map(|run| run.facts.documents.clone()).collect();
        // Another plan's deadline is not theirs.
        if runs.iter().any(|run| run.facts.digest != first.facts.digest) {
            facts.settings.deadline = None;
        }
        facts.origin = joined_origin(runs);
        let run = joined_overview(runs);
        let states = [
            RunState::Waiting,
            RunState::Paused,
            RunState::Running,
            RunState::Interrupted,
            RunState::Stopped,
            RunState::Finished,
        ];
        let state = states.into_iter().find(|state| runs.iter().any(|run| run.state == *state));
        Some(Self { facts, run, state: state.unwrap_or(RunState::Finished), timeline })
    }
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
    fn joined(parts: Vec<(Self, Vec<usize>)>, accounts: usize) -> Self {
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

/// The accounts of all runs, by name. Of parts of one plan the limits add up to what the plan allows; otherwise the widest counts.
fn joined_accounts(runs: &[PageRun<'_>]) -> Vec<Account> {
    let mut accounts: Vec<Account> = Vec::new();
    // Of each account and window, by plan and division: how much each part was allowed.
    let mut allowed: BTreeMap<AllowedOf<'_>, BTreeMap<u32, u32>> = BTreeMap::new();
    for run in runs {
        let shard = run.facts.part.map(|part| part.shard);
        for account in &run.facts.settings.accounts {
            if !accounts.iter().any(|known| known.name == account.name) {
                accounts.push(account.clone());
            }
            for window in &account.windows {
                let of = AllowedOf {
                    account: &account.name,
                    length: window.length,
                    plan: &run.facts.digest,
                    parts: shard.map_or(1, Shard::of),
                };
                let part = allowed.entry(of).or_default().entry(shard.map_or(1, Shard::number)).or_default();
                *part = window.count.max(*part);
            }
        }
    }
    for account in &mut accounts {
        for window in &mut account.windows {
            let of_window = allowed.iter().filter(|(of, _)| of.account == account.name && of.length == window.length);
            let sums = of_window.map(|(_, parts)| parts.values().fold(0_u32, |sum, count| sum.saturating_add(*count)));
            window.count = sums.max().unwrap_or(window.count);
        }
    }
    accounts
}

/// What all have in common of who began them; the table of the runs has the rest.
fn joined_origin(runs: &[PageRun<'_>]) -> RunOrigin {
    let all = |of: fn(&RunOrigin) -> &str| distinct(runs.iter().map(|run| of(&run.facts.origin))).join(", ");
    let named = |of: fn(&RunOrigin) -> Option<&str>| {
        let named = distinct(runs.iter().filter_map(|run| of(&run.facts.origin)));
        (!named.is_empty()).then(|| named.join(", "))
    };
    RunOrigin {
        operator: named(|origin| origin.operator.as_deref()),
        ticket: named(|origin| origin.ticket.as_deref()),
        user: all(|origin| &origin.user),
        host: all(|origin| &origin.host),
        command_line: Vec::new(),
        version: all(|origin| &origin.version),
    }
}

fn joined_overview(runs: &[PageRun<'_>]) -> Overview {
    let all = || runs.iter().map(|run| run.run);
    let finished = all().map(|run| run.finished_at).collect::<Option<Vec<_>>>();
    Overview {
        began_at: all().filter_map(|run| run.began_at).min(),
        last_at: all().filter_map(|run| run.last_at).max(),
        finished_at: finished.and_then(|finished| finished.into_iter().max()),
        stopped: runs.iter().find_map(|run| run.run.stopped.clone().filter(|_| run.state == RunState::Stopped)),
        verified_at: all().filter_map(|run| run.verified_at).max(),
        settled: all().any(|run| run.settled),
        ..Overview::default()
    }
}

fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for text in texts {
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found
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
