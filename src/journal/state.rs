//! What the records say, as folds of them: where an action stands ([`ActionState::next`] is the only transition function, and refuses illegal
//! moves), what a report tells of its way, and the run as a whole. Pure.

use super::record::{IssuedCertificate, Record, Reply};
use crate::pki::RevocationReason;
use crate::provider::expression::Captures;
use crate::run::{Effect, Ordinal, Outcome, Seen, StatusSource};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Where one action stands. Small, so that a running process can hold one for each of a million actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActionState {
    /// Attempts whose intent is durable.
    pub attempts: u32,
    /// Of these, the ones that count against the plan's `retry.attempts`.
    pub counted: u16,
    /// Whether an attempt may have taken effect, and no status query has cleared that.
    pub tainted: bool,
    /// Whether it was taken up again after it had ended: by `resume --retry`, or since its answer may have been another request's.
    pub reopened: bool,
    /// How it had ended, where `resume` took it up again to follow what the provider has accepted: it is looked up, and not sent.
    pub following: Option<Outcome>,
    /// The stage that is to be carried out, from 0: as many have ended before it.
    pub stage: u8,
    /// What it is doing.
    pub phase: Phase,
}

/// What an action is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing of it is in flight.
    #[default]
    Waiting,
    /// Its intent is durable; how the attempt went is not.
    InFlight,
    /// It ended.
    Ended(Outcome),
}

/// A record that does not fit what was recorded before: the journal is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {record:?} does not follow {state:?}")]
pub struct IllegalRecord {
    /// The state before.
    pub state: ActionState,
    /// The record.
    pub record: Box<Record>,
}

impl ActionState {
    /// The outcome that a report gives: how it ended, or would end if nobody went on with the run.
    pub const fn outcome(&self) -> Outcome {
        match self.phase {
            Phase::Ended(outcome) => outcome,
            // What is not known to be without effect is never called unsent.
            Phase::InFlight => Outcome::InDoubt,
            Phase::Waiting if self.tainted => Outcome::InDoubt,
            Phase::Waiting => match self.following {
                Some(outcome) => outcome,
                // A stage of it was accepted.
                None if self.stage > 0 => Outcome::Pending,
                None => Outcome::Skipped,
            },
        }
    }

    /// Whether a person may say how it ended: nobody else knows, or the provider is not done with it.
    pub const fn is_open_to_a_person(&self) -> bool {
        matches!(self.outcome(), Outcome::InDoubt | Outcome::Pending | Outcome::PendingApproval)
    }

    /// The state after a record about this action. Records about no action change nothing.
    ///
    /// # Errors
    /// [`IllegalRecord`] where the record cannot follow.
    pub fn next(self, record: &Record) -> Result<Self, IllegalRecord> {
        let next = match (self.phase, record) {
            (Phase::Waiting, Record::Intent { attempt, .. }) if *attempt == self.attempts + 1 => {
                Self { attempts: *attempt, phase: Phase::InFlight, ..self }
            }
            (Phase::InFlight, Record::AttemptEnded { attempt, effect, counts, .. }) if *attempt == self.attempts => {
                Self {
                    counted: self.counted.saturating_add(u16::from(*counts)),
                    tainted: self.tainted || *effect == Effect::Unknown,
                    phase: Phase::Waiting,
                    ..self
                }
            }
            (Phase::Waiting, Record::LookedUp { effect, .. }) => match effect {
                Effect::None => Self { tainted: false, ..self },
                Effect::Done | Effect::Unknown => self,
            },
            (Phase::Waiting | Phase::InFlight, Record::Captured { .. } | Record::Issued { .. }) => self,
            (Phase::Waiting, Record::Keyed { .. }) => self,
            (Phase::Waiting | Phase::InFlight, Record::StageEnded { stage, .. })
                if *stage == self.stage && self.stage < u8::MAX =>
            {
                // The next one has its own attempts, and its own taint.
                Self { stage: stage + 1, counted: 0, tainted: false, following: None, phase: Phase::Waiting, ..self }
            }
            (Phase::Waiting | Phase::InFlight, Record::Ended { outcome, .. }) => {
                let counted = self.counted.saturating_add(u16::from(self.phase == Phase::InFlight));
                let tainted = self.tainted || *outcome == Outcome::InDoubt;
                Self { counted, tainted, following: None, phase: Phase::Ended(*outcome), ..self }
            }
            (Phase::Ended(outcome), Record::Reopened { follows, .. }) => {
                let following = follows.then_some(outcome).filter(|outcome| outcome.is_pending());
                // What was taken for done may well be; what is followed is, and is not sent again.
                let was_done = outcome == Outcome::Succeeded || outcome.is_pending();
                let tainted = self.tainted || (was_done && following.is_none());
                Self { counted: 0, tainted, reopened: true, following, phase: Phase::Waiting, ..self }
            }
            (Phase::Ended(_), Record::Verified { .. }) => self,
            (_, Record::Settled { outcome, .. }) if self.is_open_to_a_person() => {
                // What did not take effect may be sent again by `resume --retry`.
                let tainted = *outcome == Outcome::Succeeded && self.tainted;
                Self { tainted, following: None, phase: Phase::Ended(*outcome), ..self }
            }
            (_, record) if record.ordinal().is_none() => self,
            _ => return Err(IllegalRecord { state: self, record: Box::new(record.clone()) }),
        };
        Ok(next)
    }
}

/// The state of every action, by ordinal: the fold of a run's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct States {
    actions: usize,
    /// Up to the last action about which there is a record: those after it wait.
    met: Vec<ActionState>,
}

impl States {
    /// Before any record.
    pub fn new(actions: u64) -> Self {
        let actions = usize::try_from(actions).unwrap_or(usize::MAX);
        // Room is taken once, and lived in as the run goes on.
        Self { actions, met: Vec::with_capacity(actions) }
    }

    /// Every action's, by ordinal.
    pub fn iter(&self) -> impl Iterator<Item = ActionState> {
        let unmet = std::iter::repeat_n(ActionState::default(), self.actions - self.met.len());
        self.met.iter().copied().chain(unmet)
    }

    /// The actions whose state is so, in plan order; no action about which there is no record.
    pub fn whose(&self, is_so: impl Fn(&ActionState) -> bool) -> Vec<(Ordinal, ActionState)> {
        let all = (0..).zip(self.met.iter().copied());
        all.filter(|(_, state)| is_so(state)).collect()
    }

    /// The state of an action; every ordinal of a run has one.
    pub fn of(&self, ordinal: Ordinal) -> ActionState {
        usize::try_from(ordinal).ok().and_then(|index| self.met.get(index)).copied().unwrap_or_default()
    }

    /// Sets the state of an action.
    pub fn set(&mut self, ordinal: Ordinal, new: ActionState) {
        let Some(index) = usize::try_from(ordinal).ok().filter(|index| *index < self.actions) else { return };
        if index >= self.met.len() {
            self.met.resize(index + 1, ActionState::default());
        }
        self.met[index] = new;
    }

    /// Takes a record in; one that moves no action changes nothing.
    ///
    /// # Errors
    /// [`IllegalRecord`] where it cannot follow.
    pub fn take(&mut self, record: &Record) -> Result<(), IllegalRecord> {
        if let Some(ordinal) = record.ordinal() {
            self.set(ordinal, self.of(ordinal).next(record)?);
        }
        Ok(())
    }
}

/// Everything that a report says about one action's way: the state, and the texts and times beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// Where it stands.
    pub state: ActionState,
    /// When its first attempt was decided.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The last answer.
    pub reply: Reply,
    /// What the world was last seen to see of it.
    pub verified: Option<Verified>,
    /// Who has found out how it ended, and what they say.
    pub settled: Option<Settlement>,
    /// What its stages brought.
    pub captures: Captures,
    /// What tells the provider which of its requests are one and the same.
    pub idempotency_key: Option<(String, Timestamp)>,
    /// Its new certificate, where it was issued one.
    pub issued: Option<IssuedCertificate>,
    /// Why its records do not tell how it ended, where they do not: then it is in doubt, whatever they say.
    pub doubt: Option<WhyInDoubt>,
}

/// Why records do not tell how an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyInDoubt {
    /// They contradict each other: two processes have written about it.
    Contradiction,
    /// The run is damaged, and records of it may be lost.
    Lost,
}

impl WhyInDoubt {
    /// The same for the report's row.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Contradiction => {
                "two processes carried this action out, and it may have been sent twice; look it up at the provider"
            }
            Self::Lost => {
                "this cannot be known any more: the run's journal is damaged; look it up at the provider before it is sent again"
            }
        }
    }
}

/// What a person has written down of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// When.
    pub at: Timestamp,
    /// Who, where that is known.
    pub by: Option<String>,
    /// What was found, and where.
    pub note: String,
}

/// What the world was seen to see of an ended action's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// When.
    pub at: Timestamp,
    /// What.
    pub seen: Seen,
    /// The sources of this status.
    pub by: Vec<StatusSource>,
    /// Since when the target is revoked, as its issuer says.
    pub revoked_at: Option<Timestamp>,
    /// The reason that its issuer publishes.
    pub reason: Option<RevocationReason>,
    /// Whether that is neither the reason that was asked nor the one that was sent.
    pub reason_differs: bool,
    /// Why it is not seen revoked.
    pub why: Option<String>,
}

/// A run as a whole, folded from its records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overview {
    /// Actions by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Actions that have not ended.
    pub waiting: u64,
    /// Of these, how many had an intent without an end.
    pub in_flight: u64,
    /// Of these, how many the provider has accepted: they are followed until that is settled.
    pub followed: u64,
    /// When the first process began.
    pub began_at: Option<Timestamp>,
    /// When the newest record was written.
    pub last_at: Option<Timestamp>,
    /// Why the last process stopped, and its exit code, where it stopped before the last action.
    pub stopped: Option<(String, u8)>,
    /// When every action had ended.
    pub finished_at: Option<Timestamp>,
    /// When the world was last asked about the run's effects.
    pub verified_at: Option<Timestamp>,
    /// Whether a person has written down how actions ended.
    pub settled: bool,
    /// The windows that `certsweep set-rate` has set, by account's index.
    pub limits: BTreeMap<usize, Vec<String>>,
    /// Since when `certsweep pause` holds, where a process has not gone on since, and who gave it.
    pub paused: Option<(Timestamp, Option<String>)>,
    /// How many actions each account has, by its index, and how many of them have ended.
    pub accounts: BTreeMap<usize, (u64, u64)>,
}

impl History {
    /// Takes a record about this action in. One that cannot follow leaves the action in doubt, for a report tells of each action.
    pub fn take(&mut self, record: Record) {
        let ended = self.state.phase;
        let followed = self.state.following.is_some();
        // What the first stage was given names the action at the provider, whatever the later ones are.
        let is_later = self.state.stage > 0;
        match self.state.next(&record) {
            Ok(next) if self.doubt.is_none() => self.state = next,
            _ => {
                self.state.attempts += u32::from(matches!(record, Record::Intent { .. }));
                self.fall_into(WhyInDoubt::Contradiction);
            }
        }
        match record {
            Record::Intent { at, .. } => self.started_at = self.started_at.or(Some(at)),
            Record::AttemptEnded { answer, .. } | Record::StageEnded { answer, .. } => {
                let known = self.reply.reference.take().filter(|_| is_later);
                self.reply = Reply { reference: known.or(answer.reference), ..answer };
            }
            Record::Captured { step, outputs, .. } => self.captures.keep(&step, outputs),
            Record::Keyed { key, at, .. } => self.idempotency_key = Some((key, at)),
            Record::Issued { certificate, .. } => self.issued = Some(certificate),
            Record::Ended { at, answer, .. } => {
                self.finished_at = Some(at);
                // A status query that settles what was accepted has no reference of its own.
                let known = self.reply.reference.take();
                let first = known.as_ref().filter(|_| is_later).cloned();
                let reference = first.or(answer.reference).or(known.filter(|_| followed));
                self.reply = Reply { reference, ..answer };
            }
            Record::Reopened { .. } => {
                // What surely had no effect is asked anew: the provider may answer for ever by what it said to the same key.
                if matches!(ended, Phase::Ended(Outcome::Rejected | Outcome::Failed)) {
                    self.idempotency_key = None;
                }
                self.finished_at = None;
                self.verified = None;
                self.settled = None;
            }
            Record::Settled { at, by, note, .. } => {
                self.finished_at = Some(at);
                self.settled = Some(Settlement { at, by, note });
            }
            Record::Verified { at, seen, by, revoked_at, reason, reason_differs, why, .. } => {
                self.verified = Some(Verified { at, seen, by, revoked_at, reason, reason_differs, why });
            }
            _ => {}
        }
    }

    /// From now on the action is in doubt, whatever its records say.
    pub(super) fn fall_into(&mut self, doubt: WhyInDoubt) {
        self.doubt = self.doubt.or(Some(doubt));
        self.state = ActionState { tainted: true, phase: Phase::Ended(Outcome::InDoubt), ..self.state };
    }
}

impl Overview {
    /// Takes the next record of the run in.
    pub(super) fn take(&mut self, record: &Record) {
        if !matches!(
            record,
            Record::Verifying { .. } | Record::Verified { .. } | Record::Settling { .. } | Record::Settled { .. }
        ) {
            self.last_at = self.last_at.max(Some(record.at()));
        }
        match record {
            Record::Began { at, .. } => {
                self.began_at = self.began_at.or(Some(*at));
                self.stopped = None;
                self.finished_at = None;
                self.paused = None;
            }
            Record::Paused { at, by } => self.paused = Some((*at, by.clone())),
            Record::WentOn { .. } => self.paused = None,
            // A person who settles what was in doubt leaves what needs it to be sent.
            Record::Stopped { why, code, .. } => (self.stopped, self.finished_at) = (Some((why.clone(), *code)), None),
            Record::Limited { account, windows, .. } => {
                self.limits.insert(*account, windows.clone());
            }
            Record::Verifying { at, .. } => self.verified_at = Some(*at),
            Record::Settling { .. } => self.settled = true,
            Record::Finished { at } => self.finished_at = Some(*at),
            _ => {}
        }
    }

    /// Counts an action by what it is doing.
    pub fn count(&mut self, phase: Phase) {
        match phase {
            Phase::Ended(outcome) => *self.outcomes.entry(outcome).or_default() += 1,
            Phase::Waiting => self.waiting += 1,
            Phase::InFlight => {
                self.waiting += 1;
                self.in_flight += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn intent(attempt: u32) -> Record {
        Record::Intent { ordinal: 0, attempt, at: at() }
    }

    fn attempt_ended(attempt: u32, effect: Effect, counts: bool) -> Record {
        Record::AttemptEnded { ordinal: 0, attempt, at: at(), effect, counts, answer: Reply::default() }
    }

    fn ended(outcome: Outcome) -> Record {
        Record::Ended { ordinal: 0, at: at(), outcome, answer: Reply::default() }
    }

    fn fold(records: &[Record]) -> Option<ActionState> {
        records.iter().try_fold(ActionState::default(), ActionState::next).ok()
    }

    #[test]
    fn a_state_is_small() {
        assert!(size_of::<ActionState>() <= 12, "a running process holds one for each of a million actions");
    }

    #[test]
    fn what_waits_is_told_as_what_it_would_be_if_nobody_went_on() {
        let waiting = ActionState::default();
        for (state, expected) in [
            (waiting, Outcome::Skipped),
            (ActionState { tainted: true, ..waiting }, Outcome::InDoubt),
            (ActionState { stage: 1, ..waiting }, Outcome::Pending),
            (ActionState { stage: 1, tainted: true, ..waiting }, Outcome::InDoubt),
            (ActionState { following: Some(Outcome::PendingApproval), ..waiting }, Outcome::PendingApproval),
        ] {
            assert_eq!(state.outcome(), expected, "{state:?}");
        }
    }

    #[test]
    fn legal_ways_are_folded_and_illegal_ones_refused() {
        let reopened = Record::Reopened { ordinal: 0, at: at(), follows: false };
        let followed = Record::Reopened { ordinal: 0, at: at(), follows: true };
        let captured =
            Record::Captured { ordinal: 0, at: at(), step: "reissue".to_owned(), outputs: serde_json::Map::new() };
        let stage_ended = |stage| Record::StageEnded { ordinal: 0, at: at(), stage, answer: Reply::default() };
        let cleared = Record::LookedUp { ordinal: 0, at: at(), effect: Effect::None, seen: String::new() };
        let verified = Record::Verified {
            ordinal: 0,
            at: at(),
            seen: Seen::Good,
            by: vec![StatusSource::Crl],
            revoked_at: None,
            reason: None,
            reason_differs: false,
            why: None,
        };
        let lost = attempt_ended(1, Effect::Unknown, true);
        let settled = |outcome| Record::Settled { ordinal: 0, at: at(), outcome, by: None, note: "n".to_owned() };
        let state = |attempts, counted, tainted, phase| ActionState {
            attempts,
            counted,
            tainted,
            phase,
            ..ActionState::default()
        };
        for (records, expected) in [
            (vec![], Some(state(0, 0, false, Phase::Waiting))),
            (vec![intent(1)], Some(state(1, 0, false, Phase::InFlight))),
            (vec![intent(1), lost.clone()], Some(state(1, 1, true, Phase::Waiting))),
            (vec![intent(1), attempt_ended(1, Effect::None, false)], Some(state(1, 0, false, Phase::Waiting))),
            (vec![intent(1), lost.clone(), cleared.clone()], Some(state(1, 1, false, Phase::Waiting))),
            (
                vec![intent(1), lost.clone(), intent(2), ended(Outcome::Succeeded)],
                Some(state(2, 2, true, Phase::Ended(Outcome::Succeeded))),
            ),
            (vec![ended(Outcome::Skipped)], Some(state(0, 0, false, Phase::Ended(Outcome::Skipped)))),
            (
                vec![intent(1), ended(Outcome::Rejected), reopened.clone()],
                Some(ActionState { reopened: true, ..state(1, 0, false, Phase::Waiting) }),
            ),
            (
                vec![intent(1), captured.clone(), stage_ended(0), intent(2)],
                Some(ActionState { stage: 1, ..state(2, 0, false, Phase::InFlight) }),
            ),
            (
                vec![intent(1), stage_ended(0), intent(2), attempt_ended(2, Effect::Unknown, true), stage_ended(1)],
                Some(ActionState { stage: 2, ..state(2, 0, false, Phase::Waiting) }),
            ),
            (
                vec![intent(1), stage_ended(0), captured.clone(), ended(Outcome::Pending), followed.clone()],
                Some(ActionState {
                    stage: 1,
                    reopened: true,
                    following: Some(Outcome::Pending),
                    ..state(1, 0, false, Phase::Waiting)
                }),
            ),
            (vec![intent(1), stage_ended(1)], None),
            (vec![intent(1), ended(Outcome::Succeeded), captured], None),
            (
                vec![intent(1), ended(Outcome::Succeeded), reopened.clone()],
                Some(ActionState { reopened: true, ..state(1, 0, true, Phase::Waiting) }),
            ),
            (vec![intent(2)], None),
            (vec![intent(1), intent(2)], None),
            (vec![lost.clone()], None),
            (vec![intent(1), attempt_ended(2, Effect::None, true)], None),
            (vec![intent(1), ended(Outcome::Succeeded), ended(Outcome::Succeeded)], None),
            (vec![intent(1), ended(Outcome::Succeeded), intent(2)], None),
            (
                vec![intent(1), ended(Outcome::Succeeded), verified.clone(), verified.clone()],
                Some(state(1, 1, false, Phase::Ended(Outcome::Succeeded))),
            ),
            (
                vec![intent(1), lost.clone(), settled(Outcome::Failed)],
                Some(state(1, 1, false, Phase::Ended(Outcome::Failed))),
            ),
            (
                vec![intent(1), ended(Outcome::InDoubt), settled(Outcome::Succeeded), verified.clone()],
                Some(state(1, 1, true, Phase::Ended(Outcome::Succeeded))),
            ),
            (
                vec![intent(1), ended(Outcome::Pending), followed.clone(), settled(Outcome::Rejected)],
                Some(ActionState { reopened: true, ..state(1, 0, false, Phase::Ended(Outcome::Rejected)) }),
            ),
            (vec![settled(Outcome::Succeeded)], None),
            (vec![intent(1), ended(Outcome::Succeeded), settled(Outcome::Failed)], None),
            (vec![intent(1), ended(Outcome::InDoubt), settled(Outcome::Failed), settled(Outcome::Succeeded)], None),
            (vec![verified], None),
            (vec![reopened], None),
            (vec![intent(1), cleared], None),
        ] {
            assert_eq!(fold(&records), expected, "{records:?}");
        }
    }

    #[test]
    fn actions_about_which_there_is_no_record_wait() {
        let mut states = States::new(4);
        let done = ActionState { phase: Phase::Ended(Outcome::Succeeded), ..ActionState::default() };
        states.set(2, done);
        states.set(4, done);
        let waiting = ActionState::default();
        assert_eq!(states.iter().collect::<Vec<_>>(), [waiting, waiting, done, waiting]);
        assert_eq!((states.of(2), states.of(3), states.of(4)), (done, waiting, waiting));
        assert_eq!(states.whose(|state| matches!(state.phase, Phase::Ended(_))), [(2, done)]);
    }

    #[test]
    fn an_action_about_which_two_processes_wrote_is_in_doubt() {
        let mut history = History::default();
        for record in [intent(1), ended(Outcome::Succeeded), intent(1), ended(Outcome::Succeeded)] {
            history.take(record);
        }
        assert_eq!((history.state.outcome(), history.state.attempts), (Outcome::InDoubt, 2));
        assert_eq!(history.doubt, Some(WhyInDoubt::Contradiction));
    }
}
