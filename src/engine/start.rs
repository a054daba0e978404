//! How a process begins a run or goes on with it: the same fold for both. What an earlier process left in flight is in doubt from
//! here on; what `--retry` names is taken up again, with all that was skipped because of it; what it sent counts in the windows.

use super::attempt;
use super::look_up::Doubted;
use super::retry::{self, Next};
use super::sender::Sender;
use crate::journal::reader::QueuedAction;
use crate::journal::{ActionState, JournalError, Phase, Reader, Record, Reply};
use crate::plan::Settings;
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
    pub(super) states: Vec<ActionState>,
    /// What is to be written before anything else.
    pub(super) records: Vec<Record>,
    /// Actions that begin with a look-up.
    pub(super) doubts: HashMap<Ordinal, Doubted>,
    /// Every action, in plan order.
    pub(super) queue: Vec<QueuedAction>,
    /// Actions that are still to be done, by account.
    pub(super) left: Vec<u64>,
    /// How long ago requests of earlier processes were answered at the latest, by account.
    pub(super) sent: Vec<Vec<Duration>>,
}

/// Folds a run's records into what this process begins with.
pub(super) fn start<T: Transport>(
    reader: &Reader,
    settings: &Settings,
    senders: &[Rc<Sender<T>>],
    reopen: &BTreeSet<Outcome>,
    at: Timestamp,
) -> Result<Start, JournalError> {
    let mut start = Start {
        states: reader.states()?,
        records: vec![Record::Began { at, version: env!("CARGO_PKG_VERSION").to_owned() }],
        doubts: HashMap::new(),
        queue: Vec::new(),
        left: vec![0; settings.accounts.len()],
        sent: sent(reader, settings, at)?,
    };
    reader.queue(|action| start.queue.push(action))?;
    start.needs_of_duplicates_are_needs_of_their_originals(reader)?;
    start.settle_what_was_in_flight(at);
    start.end_duplicates(at);
    start.reopen(reopen, at);
    start.doubt(reader, senders, settings, at)?;
    start.skip_what_can_never_go(at);
    for action in &start.queue {
        if !matches!(state(&start.states, action.ordinal).phase, Phase::Ended(_))
            && let Some(left) = start.left.get_mut(action.account)
        {
            *left += 1;
        }
    }
    Ok(start)
}

/// The state of an action; every ordinal of a run has one.
pub(super) fn state(states: &[ActionState], ordinal: Ordinal) -> ActionState {
    usize::try_from(ordinal).ok().and_then(|index| states.get(index)).copied().unwrap_or_default()
}

/// Sets the state of an action.
pub(super) fn set(states: &mut [ActionState], ordinal: Ordinal, new: ActionState) {
    if let Some(state) = usize::try_from(ordinal).ok().and_then(|index| states.get_mut(index)) {
        *state = new;
    }
}

impl Start {
    fn write(&mut self, ordinal: Ordinal, record: Record) {
        // The records made here follow from the state that they are made from, so they are legal.
        if let Ok(next) = state(&self.states, ordinal).next(&record) {
            set(&mut self.states, ordinal, next);
            self.records.push(record);
        }
    }

    fn needs_of_duplicates_are_needs_of_their_originals(&mut self, reader: &Reader) -> Result<(), JournalError> {
        let mut originals: HashMap<Ordinal, Ordinal> = HashMap::new();
        for action in &self.queue {
            if let Some(original) = &action.duplicate_of
                && let Some(ordinal) = reader.ordinal_of(original)?
            {
                originals.insert(action.ordinal, ordinal);
            }
        }
        for need in self.queue.iter_mut().flat_map(|action| &mut action.needs) {
            *need = originals.get(need).copied().unwrap_or(*need);
        }
        Ok(())
    }

    /// An earlier process may have stopped between the end of an action and the skipping of those that needed it.
    fn skip_what_can_never_go(&mut self, at: Timestamp) {
        let badly = |state: ActionState| matches!(state.phase, Phase::Ended(outcome) if !outcome.is_well());
        loop {
            let waiting = |action: &&QueuedAction| state(&self.states, action.ordinal).phase == Phase::Waiting;
            let lost = |action: &QueuedAction| action.needs.iter().any(|need| badly(state(&self.states, *need)));
            let lost: Vec<Ordinal> =
                self.queue.iter().filter(waiting).filter(|action| lost(action)).map(|action| action.ordinal).collect();
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
        for index in 0..self.states.len() {
            let ActionState { attempts, phase: Phase::InFlight, .. } = self.states[index] else { continue };
            let message = "certsweep was stopped while the request was in flight".to_owned();
            let answer = Reply { message: Some(message), ..Reply::default() };
            let ordinal = index as Ordinal;
            let record =
                Record::AttemptEnded { ordinal, attempt: attempts, at, effect: Effect::Unknown, counts: true, answer };
            self.write(ordinal, record);
        }
    }

    fn end_duplicates(&mut self, at: Timestamp) {
        let duplicates: Vec<(Ordinal, String)> =
            self.queue.iter().filter_map(|action| Some((action.ordinal, action.duplicate_of.clone()?))).collect();
        for (ordinal, of) in duplicates {
            if state(&self.states, ordinal).phase == Phase::Waiting {
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
        let duplicates: BTreeSet<Ordinal> =
            self.queue.iter().filter(|action| action.duplicate_of.is_some()).map(|action| action.ordinal).collect();
        let named = |state: &ActionState| matches!(state.phase, Phase::Ended(outcome) if outcomes.contains(&outcome));
        let first = self.states.iter().enumerate().filter(|(_, state)| named(state)).map(|(index, _)| index as Ordinal);
        reopened.extend(first.filter(|ordinal| !duplicates.contains(ordinal)));
        // What was skipped because of them may go again too; needs may stand in any order, so until nothing changes.
        loop {
            let before = reopened.len();
            for action in &self.queue {
                let skipped = state(&self.states, action.ordinal).phase == Phase::Ended(Outcome::Skipped);
                if skipped && action.needs.iter().any(|need| reopened.contains(need)) {
                    reopened.insert(action.ordinal);
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

    /// Actions that may have taken effect begin with a look-up, or end at once, where they must not be sent again.
    fn doubt<T: Transport>(
        &mut self,
        reader: &Reader,
        senders: &[Rc<Sender<T>>],
        settings: &Settings,
        at: Timestamp,
    ) -> Result<(), JournalError> {
        for index in 0..self.states.len() {
            let state = self.states[index];
            if !state.tainted || state.phase != Phase::Waiting {
                continue;
            }
            let ordinal = index as Ordinal;
            let action = reader.action(ordinal)?;
            let Some(sender) = senders.get(action.account) else { continue };
            let Some(rules) = attempt::rules(sender, &action, None, settings.retry.attempts) else { continue };
            let reply =
                Reply { message: Some("an earlier attempt was left without an answer".to_owned()), ..Reply::default() };
            match retry::first_step(rules, state) {
                Next::LookUp(_) => drop(self.doubts.insert(ordinal, Doubted { reply, ..Doubted::default() })),
                Next::End(outcome) => {
                    let answer = attempt::closing(sender, &action, outcome, true, reply);
                    self.write(ordinal, Record::Ended { ordinal, at, outcome, answer });
                }
                Next::Again | Next::Hold | Next::StopAccount => {}
            }
        }
        Ok(())
    }
}

/// What earlier processes sent and the windows still count. An attempt without an end counts as answered now.
fn sent(reader: &Reader, settings: &Settings, now: Timestamp) -> Result<Vec<Vec<Duration>>, JournalError> {
    let longest = settings.accounts.iter().flat_map(|account| &account.windows).map(|window| window.length).max();
    let longest = longest.unwrap_or_default();
    let age = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
    let mut sent = vec![Vec::new(); settings.accounts.len()];
    let mut open: HashMap<Ordinal, ()> = HashMap::new();
    let mut ends: Vec<(Ordinal, Duration)> = Vec::new();
    reader.records(|record| {
        match record {
            Record::Intent { ordinal, .. } => drop(open.insert(ordinal, ())),
            Record::AttemptEnded { ordinal, at, .. } | Record::Ended { ordinal, at, .. }
                if open.remove(&ordinal).is_some() && age(at) < longest =>
            {
                ends.push((ordinal, age(at)));
            }
            Record::Asked { account, at, .. } if age(at) < longest => {
                // A look-up's answer is not recorded; it came within one attempt's time.
                if let Some(sent) = sent.get_mut(account) {
                    sent.push(age(at).saturating_sub(settings.timeout));
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    ends.extend(open.into_keys().map(|ordinal| (ordinal, Duration::ZERO)));
    for (ordinal, age) in ends {
        let account = reader.action(ordinal)?.account;
        if let Some(sent) = sent.get_mut(account) {
            sent.push(age);
        }
    }
    Ok(sent)
}
