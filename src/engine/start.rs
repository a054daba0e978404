//! How a process begins a run or goes on with it: the same fold for both. What an earlier process left in flight is in doubt from
//! here on; what `--retry` names is taken up again, with all that was skipped because of it; what it sent counts in the rate windows,
//! for a run and for a verification. Sends nothing.

use super::attempt;
use super::retry::{self, Doubt, NextStep};
use super::sender::Sender;
use super::stages::{StageKind, StageRules, Subject, after_stage};
use super::status_query::DoubtfulAction;
use crate::journal::{ActionState, JournalError, Phase, Queue, Reader, Record, Reply, States, StoredRecord, ToSend};
use crate::plan::Settings;
use crate::provider::model::Window;
use crate::run::{Effect, Ordinal, Outcome};
use crate::wire::Transport;
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

/// What a process begins with.
#[derive(Debug)]
pub(super) struct Start {
    /// The state of every action, after `records`.
    pub(super) states: States,
    /// What is to be written before anything else.
    pub(super) records: Vec<Record>,
    /// Actions that begin with a status query.
    pub(super) doubts: HashMap<Ordinal, DoubtfulAction>,
    /// Every action, in plan order.
    pub(super) queue: Queue,
    /// Actions that are still to be done, by account.
    pub(super) left: Vec<u64>,
    /// How long ago requests of earlier processes were answered at the latest, by account.
    pub(super) sent: Vec<Vec<Duration>>,
    /// What earlier processes have learnt of the real limits, by account.
    pub(super) learnt: HashMap<usize, Vec<Window>>,
    /// The windows that `certsweep set-rate` has set, by account.
    pub(super) limits: HashMap<usize, Vec<Window>>,
    /// When idempotency keys were made by earlier processes, where the steady clock tells.
    pub(super) keyed: HashMap<Ordinal, Duration>,
    /// When the run began.
    pub(super) began_at: Timestamp,
}

/// Folds a run's records into what this process begins with.
pub(super) fn start<T: Transport>(
    reader: &Reader,
    settings: &Settings,
    senders: &[Rc<Sender<T>>],
    reopen: &BTreeSet<Outcome>,
    present: Present,
) -> Result<Start, JournalError> {
    let at = present.wall;
    let began = Record::Began { at, version: env!("CARGO_PKG_VERSION").to_owned(), boot: present.boot.clone() };
    let windows = settings.accounts.iter().flat_map(|account| &account.windows);
    let longest = windows.map(|window| window.length).max().unwrap_or_default();
    let mut sent = SentRequests::new(present, longest, settings.timeout);
    let states = reader.states_and(|stored| sent.fold(stored))?;
    sent.close();
    let queue = reader.queue()?;
    let mut start = Start {
        states,
        records: vec![began],
        doubts: HashMap::new(),
        left: vec![0; settings.accounts.len()],
        limits: std::mem::take(&mut sent.limits),
        began_at: sent.began_at.unwrap_or(at),
        learnt: std::mem::take(&mut sent.learnt),
        keyed: std::mem::take(&mut sent.keyed),
        sent: by_account(&queue, settings.accounts.len(), sent),
        queue,
    };
    start.end_attempts_in_flight(at);
    start.end_never_sent(at);
    start.reopen(reopen, at);
    start.reopen_what_is_needed(at);
    start.begin_with_status_queries(reader, senders, settings, at)?;
    start.skip_dependents_of_failed(at);
    for action in start.queue.iter() {
        if !matches!(start.states.of(action.ordinal).phase, Phase::Ended(_))
            && let Some(left) = start.left.get_mut(action.account)
        {
            *left += 1;
        }
    }
    Ok(start)
}

impl Start {
    fn write(&mut self, ordinal: Ordinal, record: Record) {
        // A record that is made from a state is legal in it, so the error cannot happen.
        if let Ok(next) = self.states.of(ordinal).next(&record) {
            self.states.set(ordinal, next);
            self.records.push(record);
        }
    }

    /// An earlier process may have stopped between the end of an action and the skipping of those that needed it.
    fn skip_dependents_of_failed(&mut self, at: Timestamp) {
        loop {
            let waits = |ordinal: Ordinal| self.states.of(ordinal).phase == Phase::Waiting;
            let lost = self.queue.needing().filter(|(ordinal, needs)| {
                waits(*ordinal) && needs.iter().any(|need| ended_badly(self.states.of(*need)))
            });
            let lost: Vec<Ordinal> = lost.map(|(ordinal, _)| ordinal).collect();
            if lost.is_empty() {
                return;
            }
            for ordinal in lost {
                let message = "never sent: an action that it needs did not end well".to_owned();
                let answer = Reply { message: Some(message), ..Reply::default() };
                self.write(ordinal, Record::Ended { ordinal, at, outcome: Outcome::Skipped, answer });
            }
        }
    }

    fn end_attempts_in_flight(&mut self, at: Timestamp) {
        let in_flight = |state: &ActionState| state.phase == Phase::InFlight;
        for (ordinal, ActionState { attempts, .. }) in self.states.whose(in_flight) {
            let message = "certsweep was stopped while the request was in flight".to_owned();
            let answer = Reply { message: Some(message), ..Reply::default() };
            let record =
                Record::AttemptEnded { ordinal, attempt: attempts, at, effect: Effect::Unknown, counts: true, answer };
            self.write(ordinal, record);
        }
    }

    fn end_never_sent(&mut self, at: Timestamp) {
        let never_sent: Vec<(Ordinal, String)> =
            self.queue.never_sent().map(|(ordinal, why)| (ordinal, why.to_string())).collect();
        for (ordinal, why) in never_sent {
            if self.states.of(ordinal).phase == Phase::Waiting {
                let answer = Reply { message: Some(why), ..Reply::default() };
                self.write(ordinal, Record::Ended { ordinal, at, outcome: Outcome::Skipped, answer });
            }
        }
    }

    fn reopen(&mut self, outcomes: &BTreeSet<Outcome>, at: Timestamp) {
        if outcomes.is_empty() {
            return;
        }
        // `pending` is a person's approval, too.
        let is_named = |outcome: Outcome| {
            outcomes.contains(&outcome) || (outcome.is_pending() && outcomes.contains(&Outcome::Pending))
        };
        let named = |state: &ActionState| matches!(state.phase, Phase::Ended(outcome) if is_named(outcome));
        let first = self.states.whose(named).into_iter().map(|(ordinal, _)| ordinal);
        let mut reopened: BTreeSet<Ordinal> = first.filter(|ordinal| !self.queue.is_never_sent(*ordinal)).collect();
        reopened.extend(freed(&self.queue, &self.states, &reopened));
        for ordinal in reopened {
            let follows = matches!(self.states.of(ordinal).phase, Phase::Ended(outcome) if outcome.is_pending());
            self.write(ordinal, Record::Reopened { ordinal, at, follows });
        }
    }

    /// What others wait for, and the provider has accepted, is looked at again.
    fn reopen_what_is_needed(&mut self, at: Timestamp) {
        let phase = |ordinal: Ordinal| self.states.of(ordinal).phase;
        let waiting = self.queue.needing().filter(|(ordinal, _)| phase(*ordinal) == Phase::Waiting);
        let is_pending = |need: &Ordinal| matches!(phase(*need), Phase::Ended(outcome) if outcome.is_pending());
        let needed: BTreeSet<Ordinal> =
            waiting.flat_map(|(_, needs)| needs.iter().copied()).filter(is_pending).collect();
        for ordinal in needed {
            self.write(ordinal, Record::Reopened { ordinal, at, follows: true });
        }
    }

    /// Actions that may have taken effect begin with a status query, or end at once, where they must not be sent again; so do those that are
    /// followed only.
    fn begin_with_status_queries<T: Transport>(
        &mut self,
        reader: &Reader,
        senders: &[Rc<Sender<T>>],
        settings: &Settings,
        at: Timestamp,
    ) -> Result<(), JournalError> {
        let is_open =
            |state: &ActionState| state.phase == Phase::Waiting && (state.tainted || state.following.is_some());
        for (ordinal, state) in self.states.whose(is_open) {
            let (action, history) = reader.history(ordinal)?;
            // Its request was made of what others brought, so that is there; where it is not, it is in doubt as it stands.
            let action = ToSend::from(action);
            let action = attempt::resolved(reader, senders, action.clone()).unwrap_or(action);
            let Some(sender) = senders.get(action.account) else { continue };
            let provider = &sender.provider;
            let Some(operation) = sender.find_action(&action.operation) else { continue };
            let Some(stage) = StageRules::of(provider, operation, state.stage) else { continue };
            // What only reads is asked again, whatever came of it.
            if stage.kind == StageKind::Safe {
                continue;
            }
            let answer = state.following.and_then(|_| stage.recorded_answer(&history.reply));
            let subject = Subject::at(provider, action, (operation, state.stage), &history.captures);
            let rules =
                attempt::rules(provider, &stage, subject.parameters(), answer.as_ref(), settings.retry.attempts);
            let (next, reply) = match state.following {
                Some(_) if rules.lookup => (NextStep::LookUp(Doubt::Lost), history.reply),
                Some(pending) => (NextStep::End(pending), history.reply),
                None => {
                    let message = Some("an earlier attempt was left without an answer".to_owned());
                    (retry::first_step(rules, state), Reply { message, ..Reply::default() })
                }
            };
            match after_stage(stage.kind, stage.place, next) {
                NextStep::LookUp(_) => {
                    drop(self.doubts.insert(ordinal, DoubtfulAction { reply, answer, ..DoubtfulAction::default() }))
                }
                NextStep::End(outcome) if state.following.is_some() => {
                    self.write(ordinal, Record::Ended { ordinal, at, outcome, answer: reply });
                }
                NextStep::End(outcome) => {
                    let tainted = (true, true);
                    let answer = attempt::closing_reply(sender, &stage, &subject.action, outcome, tainted, reply);
                    self.write(ordinal, Record::Ended { ordinal, at, outcome, answer });
                }
                NextStep::Again | NextStep::Hold | NextStep::NextStage | NextStep::Poll | NextStep::StopAccount => {}
            }
        }
        Ok(())
    }
}

/// Actions that were skipped because of these, or because of others that were: they may go once these are taken up again, or are settled as
/// succeeded. One stays where another need of it ended badly, and so does what is never sent: it was skipped for itself, whatever it needs.
pub fn freed(queue: &Queue, states: &States, taken_up: &BTreeSet<Ordinal>) -> Vec<Ordinal> {
    let mut all = taken_up.clone();
    let mut freed = Vec::new();
    // An action may need a later one, so one pass is not enough.
    loop {
        let before = freed.len();
        for (ordinal, needs) in queue.needing() {
            let is_skipped = states.of(ordinal).phase == Phase::Ended(Outcome::Skipped);
            let is_in_the_way = |need: &Ordinal| !all.contains(need) && ended_badly(states.of(*need));
            if is_skipped
                && !queue.is_never_sent(ordinal)
                && needs.iter().any(|need| all.contains(need))
                && !needs.iter().any(is_in_the_way)
                && all.insert(ordinal)
            {
                freed.push(ordinal);
            }
        }
        if freed.len() == before {
            return freed;
        }
    }
}

/// Whether what needs an action cannot go any more.
fn ended_badly(state: ActionState) -> bool {
    matches!(state.phase, Phase::Ended(outcome) if !outcome.is_well())
}

/// How long ago requests of earlier processes were answered, by account.
pub(super) fn by_account(queue: &Queue, accounts: usize, sent: SentRequests) -> Vec<Vec<Duration>> {
    let mut ages = vec![Vec::new(); accounts];
    let attempts = sent.attempts.into_iter().filter_map(|(ordinal, age)| Some((queue.account(ordinal)?, age)));
    for (account, age) in attempts.chain(sent.other_requests) {
        ages.get_mut(account).into_iter().for_each(|ages: &mut Vec<Duration>| ages.push(age));
    }
    ages
}

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

/// The requests of earlier processes, by how long ago they were answered: the rate windows still count them.
#[derive(Debug)]
pub(super) struct SentRequests {
    present: Present,
    /// No window is longer: older requests count nowhere.
    longest: Duration,
    /// The plan's timeout: the longest time between a status query's record and its answer, which is not recorded.
    timeout: Duration,
    /// The boot that each process's steady clock counted from.
    boots: HashMap<u64, Option<String>>,
    /// When the first process began.
    pub(super) began_at: Option<Timestamp>,
    /// Attempts, each by how long ago it was answered at the latest.
    pub(super) attempts: Vec<(Ordinal, Duration)>,
    /// Status queries and requests for tokens, by account, the same way.
    other_requests: Vec<(usize, Duration)>,
    /// What was learnt last of each account's real limit.
    pub(super) learnt: HashMap<usize, Vec<Window>>,
    /// The windows that `certsweep set-rate` has set, by account: they hold on.
    pub(super) limits: HashMap<usize, Vec<Window>>,
    /// When keys that tell a provider what is one request were made, of actions that have not ended: those of this start of the machine.
    pub(super) keyed: HashMap<Ordinal, Duration>,
    /// The action whose attempt has no end yet.
    open: Option<Ordinal>,
}

impl SentRequests {
    pub(super) fn new(present: Present, longest: Duration, timeout: Duration) -> Self {
        Self {
            present,
            longest,
            timeout,
            boots: HashMap::new(),
            began_at: None,
            attempts: Vec::new(),
            other_requests: Vec::new(),
            learnt: HashMap::new(),
            limits: HashMap::new(),
            keyed: HashMap::new(),
            open: None,
        }
    }

    /// Folds the next record. The reader gives those that belong to no action first, then each action's together.
    pub(super) fn fold(&mut self, stored: &StoredRecord) {
        if self.open.is_some() && stored.record.ordinal() != self.open {
            self.close();
        }
        match &stored.record {
            Record::Keyed { ordinal, .. } if self.is_of_this_boot(stored) => {
                self.keyed.insert(*ordinal, stored.steady);
            }
            Record::Ended { ordinal, .. } => drop(self.keyed.remove(ordinal)),
            _ => {}
        }
        match &stored.record {
            Record::Began { at, boot, .. } => {
                self.began_at = self.began_at.or(Some(*at));
                self.boots.insert(stored.process(), boot.clone());
            }
            Record::Verifying { boot, .. } => drop(self.boots.insert(stored.process(), boot.clone())),
            Record::Intent { ordinal, .. } => self.open = Some(*ordinal),
            Record::AttemptEnded { ordinal, .. }
            | Record::StageEnded { ordinal, .. }
            | Record::Ended { ordinal, .. }
                if self.open.take().is_some() =>
            {
                let age = self.age(stored);
                if age < self.longest {
                    self.attempts.push((*ordinal, age));
                }
            }
            Record::Asked { account, .. } => {
                // Not filtered by age: a later record may set a longer window. The pace drops what is too old.
                self.other_requests.push((*account, self.age(stored).saturating_sub(self.timeout)));
            }
            Record::Limited { account, windows, .. } => {
                // These were written from windows, so they can be read.
                let windows: Vec<Window> = windows.iter().filter_map(|text| Window::parse(text).ok()).collect();
                self.longest = windows.iter().map(|window| window.length).fold(self.longest, Duration::max);
                self.limits.insert(*account, windows);
                // Who sets windows knows better than what was learnt under the former ones.
                self.learnt.remove(account);
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

    /// How long ago a record was written, at the least: an age that is too great would let too many requests into a window. By the steady
    /// clock within one boot; otherwise by the wall clock, which may have been set meanwhile, so by no more than the machine's uptime.
    fn age(&self, stored: &StoredRecord) -> Duration {
        if self.is_of_this_boot(stored) {
            return self.present.steady.saturating_sub(stored.steady);
        }
        let wall = Duration::try_from(self.present.wall.duration_since(stored.record.at())).unwrap_or_default();
        if self.present.boot.is_some() { wall.min(self.present.steady) } else { wall }
    }

    /// Whether the steady clock of a record is ours.
    fn is_of_this_boot(&self, stored: &StoredRecord) -> bool {
        let boot = self.boots.get(&stored.process()).and_then(Option::as_ref);
        boot.is_some() && self.present.boot.as_ref() == boot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::checked::NeverSent;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    /// Began with a boot, an attempt of action 0 that ended at a second of the wall and one of the steady clock, one of action 1
    /// without an end, and a status query.
    fn records(boot: Option<&str>, wall: i64, steady: u64) -> Vec<StoredRecord> {
        let answer = Reply::default();
        let records = [
            (1, Record::Began { at: at(0), version: String::new(), boot: boot.map(str::to_owned) }),
            (2, Record::Asked { account: 1, ordinal: None, at: at(wall) }),
            (3, Record::Intent { ordinal: 0, attempt: 1, at: at(wall) }),
            (5, Record::Ended { ordinal: 0, at: at(wall), outcome: Outcome::Succeeded, answer }),
            (4, Record::Intent { ordinal: 1, attempt: 1, at: at(wall) }),
        ];
        let stored =
            |(seq, record)| StoredRecord { seq: (1_u64 << 40) + seq, steady: Duration::from_secs(steady), record };
        records.into_iter().map(stored).collect()
    }

    #[test]
    fn the_age_of_what_was_sent_is_never_overrated() {
        let now = |boot: Option<&str>| Present {
            wall: at(1000),
            steady: Duration::from_secs(500),
            boot: boot.map(str::to_owned),
        };
        for (present, records, expected) in [
            // The same boot: the steady clock counts, wherever the wall clock was.
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
            let mut sent = SentRequests::new(present.clone(), Duration::from_secs(2000), Duration::from_secs(5));
            records.iter().for_each(|stored| sent.fold(stored));
            sent.close();
            let age = Duration::from_secs(expected);
            assert_eq!(sent.attempts, [(0, age), (1, Duration::ZERO)], "{present:?} {records:?}");
            assert_eq!(sent.other_requests, [(1, age.saturating_sub(Duration::from_secs(5)))]);
            assert_eq!(sent.began_at, Some(at(0)));
        }
    }

    #[test]
    fn what_was_learnt_last_is_what_counts() {
        let present = Present { wall: at(1000), steady: Duration::ZERO, boot: None };
        let mut sent = SentRequests::new(present, Duration::ZERO, Duration::ZERO);
        for (seq, windows) in [(1, vec!["40/5s".to_owned()]), (2, vec!["33/5s".to_owned(), "nonsense".to_owned()])] {
            sent.fold(&StoredRecord {
                seq,
                steady: Duration::ZERO,
                record: Record::Learnt { account: 1, windows, at: at(0) },
            });
        }
        assert_eq!(sent.learnt[&1], [Window::parse("33/5s").unwrap()]);
    }

    /// Each action: how it ended (`-`: it waits, `!`: it is never sent), and what it needs; then what is taken up, and what that frees.
    #[test]
    fn what_was_skipped_because_of_others_goes_with_them_and_what_is_never_sent_stays() {
        let needs_none: &[Ordinal] = &[];
        let (bad, skipped) = ((Some(Outcome::Failed), false), (Some(Outcome::Skipped), false));
        let (never_sent, waiting) = ((Some(Outcome::Skipped), true), (None, false));
        let (well, pending) = ((Some(Outcome::Succeeded), false), (Some(Outcome::PendingApproval), false));
        for (actions, taken_up, expected) in [
            (vec![(bad, needs_none), (skipped, &[0])], 0, vec![1]),
            // What needs what is freed, also where that comes later in the plan.
            (vec![(bad, needs_none), (skipped, &[2]), (skipped, &[0])], 0, vec![2, 1]),
            // It is on the exception list, or repeats another: whatever it needs, it was skipped for itself.
            (vec![(bad, needs_none), (never_sent, &[0]), (skipped, &[1])], 0, vec![]),
            // Another need ended badly, and stays so.
            (vec![(bad, needs_none), (bad, needs_none), (skipped, &[0, 1])], 0, vec![]),
            // Another ended well, is still to be sent, or is looked at by the run.
            (vec![(bad, needs_none), (well, needs_none), (skipped, &[0, 1])], 0, vec![2]),
            (vec![(bad, needs_none), (waiting, needs_none), (skipped, &[0, 1])], 0, vec![2]),
            (vec![(bad, needs_none), (pending, needs_none), (skipped, &[0, 1])], 0, vec![2]),
            // What needs something else.
            (vec![(bad, needs_none), (bad, needs_none), (skipped, &[1])], 0, vec![]),
        ] {
            let (mut queue, mut states) = (Queue::default(), States::new(actions.len() as u64));
            for (ordinal, ((outcome, is_never_sent), needs)) in (0..).zip(&actions) {
                queue.push(0);
                queue.need(ordinal, needs.to_vec());
                if *is_never_sent {
                    queue.never_send(ordinal, NeverSent::Excepted("hold.csv:1".to_owned()));
                }
                if let Some(outcome) = *outcome {
                    let ended = Record::Ended { ordinal, at: at(1), outcome, answer: Reply::default() };
                    states.take(&ended).unwrap();
                }
            }
            assert_eq!(freed(&queue, &states, &BTreeSet::from([taken_up])), expected, "{actions:?}");
        }
    }
}
