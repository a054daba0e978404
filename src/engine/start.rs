//! How a process begins a run or goes on with it: the same fold for both. What an earlier process left in flight is in doubt from
//! here on; what `--retry` names is taken up again, with all that was skipped because of it; what it sent counts in the windows.

use super::retry::{self, NextStep};
use super::sender::Sender;
use super::sent::{Present, Sent};
use super::status_query::DoubtfulAction;
use super::step;
use crate::journal::{ActionState, JournalError, Phase, Queue, Reader, Record, Reply, States};
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
    let mut sent = Sent::new(present, longest, settings.timeout);
    let states = reader.states_and(|kept| sent.take(kept))?;
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
        sent: by_account(&queue, settings.accounts.len(), sent),
        queue,
    };
    start.settle_what_was_in_flight(at);
    start.end_duplicates(at);
    start.reopen(reopen, at);
    start.doubt(reader, senders, settings, at)?;
    start.skip_what_can_never_go(at);
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
        // The records made here follow from the state that they are made from, so they are legal.
        if let Ok(next) = self.states.of(ordinal).next(&record) {
            self.states.set(ordinal, next);
            self.records.push(record);
        }
    }

    /// An earlier process may have stopped between the end of an action and the skipping of those that needed it.
    fn skip_what_can_never_go(&mut self, at: Timestamp) {
        let badly = |state: ActionState| matches!(state.phase, Phase::Ended(outcome) if !outcome.is_well());
        loop {
            let waits = |ordinal: Ordinal| self.states.of(ordinal).phase == Phase::Waiting;
            let lost = self
                .queue
                .needing()
                .filter(|(ordinal, needs)| waits(*ordinal) && needs.iter().any(|need| badly(self.states.of(*need))));
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

    fn settle_what_was_in_flight(&mut self, at: Timestamp) {
        let in_flight = |state: &ActionState| state.phase == Phase::InFlight;
        for (ordinal, ActionState { attempts, .. }) in self.states.whose(in_flight) {
            let message = "certsweep was stopped while the request was in flight".to_owned();
            let answer = Reply { message: Some(message), ..Reply::default() };
            let record =
                Record::AttemptEnded { ordinal, attempt: attempts, at, effect: Effect::Unknown, counts: true, answer };
            self.write(ordinal, record);
        }
    }

    fn end_duplicates(&mut self, at: Timestamp) {
        let duplicates: Vec<(Ordinal, String)> =
            self.queue.repeating().map(|(ordinal, of)| (ordinal, of.to_owned())).collect();
        for (ordinal, of) in duplicates {
            if self.states.of(ordinal).phase == Phase::Waiting {
                let answer = Reply { message: Some(format!("duplicate of {of}")), ..Reply::default() };
                self.write(ordinal, Record::Ended { ordinal, at, outcome: Outcome::Skipped, answer });
            }
        }
    }

    fn reopen(&mut self, outcomes: &BTreeSet<Outcome>, at: Timestamp) {
        if outcomes.is_empty() {
            return;
        }
        let mut reopened: BTreeSet<Ordinal> = BTreeSet::new();
        let named = |state: &ActionState| matches!(state.phase, Phase::Ended(outcome) if outcomes.contains(&outcome));
        let first = self.states.whose(named).into_iter().map(|(ordinal, _)| ordinal);
        reopened.extend(first.filter(|ordinal| !self.queue.repeats(*ordinal)));
        // What was skipped because of them may go again too; needs may stand in any order, so until nothing changes.
        loop {
            let before = reopened.len();
            for (ordinal, needs) in self.queue.needing() {
                let skipped = self.states.of(ordinal).phase == Phase::Ended(Outcome::Skipped);
                if skipped && needs.iter().any(|need| reopened.contains(need)) {
                    reopened.insert(ordinal);
                }
            }
            if reopened.len() == before {
                break;
            }
        }
        for ordinal in reopened {
            self.write(ordinal, Record::Reopened { ordinal, at });
        }
    }

    /// Actions that may have taken effect begin with a status query, or end at once, where they must not be sent again.
    fn doubt<T: Transport>(
        &mut self,
        reader: &Reader,
        senders: &[Rc<Sender<T>>],
        settings: &Settings,
        at: Timestamp,
    ) -> Result<(), JournalError> {
        for (ordinal, state) in self.states.whose(|state| state.tainted && state.phase == Phase::Waiting) {
            let action = reader.to_send(ordinal)?;
            let Some(sender) = senders.get(action.account) else { continue };
            let Some(operation) = sender.find_action(&action.operation) else { continue };
            let operation = &sender.provider.operations[operation];
            let rules = step::rules(sender, operation, &action, None, settings.retry.attempts);
            let reply =
                Reply { message: Some("an earlier attempt was left without an answer".to_owned()), ..Reply::default() };
            match retry::first_step(rules, state) {
                NextStep::LookUp(_) => {
                    drop(self.doubts.insert(ordinal, DoubtfulAction { reply, ..DoubtfulAction::default() }))
                }
                NextStep::End(outcome) => {
                    let answer = step::closing_reply(sender, operation, &action, outcome, true, reply);
                    self.write(ordinal, Record::Ended { ordinal, at, outcome, answer });
                }
                NextStep::Again | NextStep::Hold | NextStep::StopAccount => {}
            }
        }
        Ok(())
    }
}

/// How long ago requests of earlier processes were answered, by account.
pub(super) fn by_account(queue: &Queue, accounts: usize, sent: Sent) -> Vec<Vec<Duration>> {
    let mut ages = vec![Vec::new(); accounts];
    let attempts = sent.attempts.into_iter().filter_map(|(ordinal, age)| Some((queue.account(ordinal)?, age)));
    for (account, age) in attempts.chain(sent.asked) {
        ages.get_mut(account).into_iter().for_each(|ages: &mut Vec<Duration>| ages.push(age));
    }
    ages
}
