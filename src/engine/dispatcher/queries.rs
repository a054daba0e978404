//! How a state is asked for, and what does: one way to queue status queries, to begin them and to take their answers, whoever asks. What a state
//! means for an action in doubt is said by [`StatusQuery::conclude`], and what follows on a query that failed by [`after_failure`]; here is the rest of
//! who asks: a canary that ended well, read back before the others go (by the rules of [`safety`]); what a certificate that is to be replaced
//! names; and what had ended and is taken up again in the same process, as it is pending or its answer may have been another request's. Steps that
//! wait for a state are in `waits`; what a person takes up again (`resume --retry`) is [`crate::engine::start`]'s.

use super::staged::awaited;
use super::state::{Dispatcher, ReadBack};
use crate::engine::attempt::{self, closing_reply};
use crate::engine::circuit_breaker::Contact;
use crate::engine::retry::{self, NextStep};
use crate::engine::safety::{self, AfterReadBack, Gate};
use crate::engine::sender::{ExchangeResult, LimitSignal, Sender};
use crate::engine::stages::{FIRST_POLL, Lookup, StageKind, StageRules, Subject};
use crate::engine::status_query::{
    AfterFailure, Asker, DoubtfulAction, QueryFailure, Reading, StatusQuery, after_failure,
};
use crate::engine::step::Purpose;
use crate::engine::timing::RequestTiming;
use crate::journal::{Phase, Record, Reply};
use crate::provider::stages::Captures;
use crate::provider::{Answer, AnswerClass, TargetState, target_state, verdict};
use crate::run::{Event, Ordinal, Outcome, StopReason};
use crate::time::Clock;
use crate::wire::{SigningTicket, Transport};
use std::rc::Rc;
use std::time::Duration;

/// What the status queries about a target have told: its state and what shows it, unmasked; or why it cannot be known, fit to be shown.
pub(super) type ToldState = Result<(TargetState, String), String>;

/// What comes of the looks before a run stops.
pub(super) enum LastLook {
    /// Some are queued.
    Queued,
    /// They are once all ends are durable: what is asked with is read from there.
    OnceDurable,
    /// There is nothing more to look at.
    Over,
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// Queues a status query. One that reads a list waits for others, so that it is read once for all of them: it may have many pages.
    pub(super) fn queue_query(&mut self, account: usize, ordinal: Ordinal, lookup: Option<Lookup>) {
        match lookup {
            Some(Lookup::List) => self.scheduler.batch(ordinal, account, self.run.clock.elapsed() + BATCH_WAIT),
            _ => self.scheduler.requeue(ordinal, account, None),
        }
    }

    /// Begins a status query that has its slot, its place and leave to be signed.
    pub(super) fn begin_query(
        &mut self,
        account: usize,
        (timing, ticket): (Rc<RequestTiming>, SigningTicket),
        subject: Subject,
        (asker, doubtful): (Asker, DoubtfulAction),
    ) {
        // What only reads may always try a provider that is down.
        self.breakers[account].begin_request(false);
        let (sender, lists) = (Rc::clone(&self.run.senders[account]), Rc::clone(&self.lists[account]));
        let (state, attempts) = (self.states.of(subject.action.ordinal), self.run.settings.retry.attempts);
        let query = StatusQuery::new(&sender, (subject, state), doubtful, attempts, asker, lists);
        let step = self.step(account, timing, ticket, Purpose::Query(Box::new(query)));
        self.begin_step(step);
    }

    /// A status query was answered, or was not: it is asked again, or goes on, or whoever asked is told.
    pub(super) fn queried(
        &mut self,
        account: usize,
        query: StatusQuery,
        exchanged: &ExchangeResult,
        was_down: bool,
        stays_refused: bool,
    ) {
        let sender = Rc::clone(&self.run.senders[account]);
        let (asker, ordinal) = (query.asker, query.subject.action.ordinal);
        let reading = query.reading(&sender, exchanged);
        if let Some(next) = query.next_query(&reading, exchanged) {
            return self.ask_again(account, ordinal, (asker, next), None);
        }
        let told = match reading {
            Reading::More => return self.ask_again(account, ordinal, (asker, query.doubtful), None),
            Reading::TargetState(target_state, seen) => Ok((target_state, seen)),
            Reading::Failed(cause) => {
                let failure = failure(asker, exchanged, was_down, stays_refused);
                match (after_failure(asker, failure, query.doubtful.tries), asker) {
                    // It looks again, later each time.
                    (AfterFailure::AskAgain { pauses: true, .. }, Asker::Wait) => {}
                    (AfterFailure::AskAgain { tries, pauses }, _) => {
                        let pause = retry::pause(tries, self.run.settings.retry.max_delay, self.jitter.draw());
                        let doubtful = DoubtfulAction { tries, ..query.doubtful };
                        return self.ask_again(account, ordinal, (asker, doubtful), pauses.then_some(pause));
                    }
                    (AfterFailure::GiveUp, _) => {}
                }
                Err(sender.excerpt(&cause))
            }
        };
        match asker {
            Asker::Canary => self.read_back(account, ordinal, told),
            Asker::Replaced => self.replaced_read(account, &query, told),
            Asker::Wait => self.looked(account, ordinal, &query.subject.action.id, told),
            Asker::Doubt | Asker::Verification | Asker::Preview => {
                self.doubts.remove(&ordinal);
                let (target_state, seen) = told.unwrap_or_else(|cause| (TargetState::Unknown, cause));
                let conclusion = query.conclude(&sender, target_state, &seen, self.run.clock.now());
                self.apply(account, ordinal, conclusion);
            }
        }
    }

    /// Asks for a state again, with what is known by now.
    fn ask_again(
        &mut self,
        account: usize,
        ordinal: Ordinal,
        (asker, doubtful): (Asker, DoubtfulAction),
        pause: Option<Duration>,
    ) {
        match asker {
            Asker::Canary => {
                let read_back = self.read_backs.get_mut(&ordinal);
                read_back.into_iter().for_each(|read_back| read_back.doubtful = doubtful.clone());
            }
            Asker::Wait => {
                let look = self.looks.get_mut(&ordinal);
                look.into_iter().for_each(|look| look.passed = doubtful.passed);
            }
            Asker::Replaced => drop(self.replaced.insert(ordinal, Some(doubtful))),
            Asker::Doubt | Asker::Verification | Asker::Preview => drop(self.doubts.insert(ordinal, doubtful)),
        }
        let at = pause.map(|pause| self.run.clock.elapsed() + pause);
        self.scheduler.requeue(ordinal, account, at);
    }
}

// A canary that ended well is read back before the others go.
impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// Whether a canary that ended so is read back first; then the others wait for that.
    pub(super) fn begins_read_back(
        &mut self,
        account: usize,
        ordinal: Ordinal,
        id: &str,
        outcome: Outcome,
        answer: Option<Answer>,
    ) -> bool {
        if !self.scheduler.is_canary(ordinal) || !safety::is_read_back(outcome) {
            return false;
        }
        let Ok(action) = self.run.reader.to_send(ordinal) else { return false };
        let resolved = attempt::resolved(self.run.reader, &self.run.senders, action);
        let Ok(action) = resolved else { return false };
        let sender = &self.run.senders[account];
        let Some(operation) = sender.find_action(&action.operation) else { return false };
        let Some(stage) = StageRules::of(&sender.provider, operation, 0) else { return false };
        if stage.lookup(&sender.provider, &action.parameters, answer.as_ref()).is_none() {
            return false;
        }
        let doubtful = DoubtfulAction { answer, since: self.run.clock.elapsed(), ..DoubtfulAction::default() };
        self.read_backs.insert(ordinal, ReadBack { id: id.to_owned(), outcome, doubtful, reads: 0 });
        self.scheduler.requeue(ordinal, account, None);
        true
    }

    /// The state of a canary's target was read, or cannot be.
    pub(super) fn read_back(&mut self, account: usize, ordinal: Ordinal, told: ToldState) {
        let now = self.run.clock.elapsed();
        let Some(mut read_back) = self.read_backs.remove(&ordinal) else { return };
        let after = match told {
            Ok((target_state, seen)) => {
                read_back.reads += 1;
                read_back.doubtful.since = now;
                safety::after_read_back(target_state, &self.run.senders[account].mask(&seen), read_back.reads)
            }
            Err(why) => AfterReadBack::GoOnUnproved(why),
        };
        let ReadBack { id, outcome, .. } = &read_back;
        match after {
            AfterReadBack::ReadAgain(pause) => {
                self.scheduler.requeue(ordinal, account, (!pause.is_zero()).then(|| now + pause));
                self.read_backs.insert(ordinal, read_back);
                return;
            }
            AfterReadBack::GoOn => {}
            AfterReadBack::GoOnUnproved(why) => {
                self.notify(Event::Warning(format!("the canary {id} ended {outcome}, and nothing proves it: {why}")));
            }
            AfterReadBack::Stop(why) => self.stop(StopReason::Rule(format!("the canary {id} {why} (safety.canary)"))),
        }
        self.release_dependents(ordinal, id, *outcome);
    }

    /// Reading a canary back panicked: it ended well, and nothing proves it.
    pub(super) fn read_back_panicked(&mut self, ordinal: Ordinal) {
        if let Some(ReadBack { id, outcome, .. }) = self.read_backs.remove(&ordinal) {
            self.notify(Event::Warning(format!(
                "the canary {id} ended {outcome}, and nothing proves it: internal error"
            )));
            self.release_dependents(ordinal, &id, outcome);
        }
    }
}

// What the provider says of the certificate that an action replaces is read before anything is sent, where the document says where: one that would
// lose names by a reissue is not reissued, unless the plan says so. Where it cannot be read, the action goes on.
impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// Whether what an action replaces is read next: before its first request, and once in a process.
    pub(super) fn reads_replaced(
        &mut self,
        sender: &Sender<T>,
        operation: usize,
        ordinal: Ordinal,
    ) -> Option<(Asker, DoubtfulAction)> {
        let rules = sender.provider.operations[operation].action.as_ref()?;
        let state = self.states.of(ordinal);
        if rules.replaced.is_none() || state.attempts > 0 || state.stage > 0 {
            return None;
        }
        let tried = self.replaced.entry(ordinal).or_insert_with(|| Some(DoubtfulAction::default()));
        tried.clone().map(|tried| (Asker::Replaced, tried))
    }

    /// What is replaced was read, or cannot be: the action is sent, or never is.
    fn replaced_read(&mut self, account: usize, query: &StatusQuery, told: ToldState) {
        let action = &query.subject.action;
        let ordinal = action.ordinal;
        if let Err(cause) = told {
            if self.replaced_unread.insert(account) {
                let name = &self.run.senders[account].name;
                let why = format!(
                    "{name}: it cannot be read whether {} drops a name; it is sent all the same ({cause})",
                    action.id
                );
                self.notify(Event::Warning(why));
            }
        } else if let Some((outcome, why)) = self.unfit(account, query) {
            let id = action.id.clone();
            self.replaced.remove(&ordinal);
            return self.end_without_sending(account, ordinal, &id, outcome, why);
        }
        self.replaced.insert(ordinal, None);
        self.scheduler.requeue(ordinal, account, None);
    }

    /// Why an action must not be sent, and how it ends: what its document says of what is there, or the names that it would drop.
    fn unfit(&self, account: usize, query: &StatusQuery) -> Option<(Outcome, String)> {
        let sender = &self.run.senders[account];
        let operation = sender.provider.operations.get(query.subject.operation)?;
        let rules = operation.action.as_ref()?;
        let (replaced, csr) = (rules.replaced.as_ref()?, rules.csr.as_ref()?);
        let parameters = &query.subject.action.parameters;
        let body = query.body()?;
        if let Some((_, why)) = replaced.unless.iter().find(|(when, _)| verdict::all_hold(when, body)) {
            // It passes: `resume --retry failed` takes it up again.
            return Some((Outcome::Failed, format!("never sent: {why}")));
        }
        let names = target_state::replaced_names(replaced, parameters, body);
        let requested = sender.requested_certificate(operation, parameters);
        let asked = target_state::asked_names(csr, parameters, requested.as_ref());
        let (action, _) = self.run.reader.history(query.subject.action.ordinal).ok()?;
        let meant = action.certificate.map(|facts| facts.drop_names).unwrap_or_default();
        let dropped = target_state::dropped_names(&names, &asked, &meant);
        (!dropped.is_empty()).then(|| {
            let (shown, list) = (dropped.join("`, `"), dropped.join(", "));
            let what =
                format!("never sent: the certificate that is there also names `{shown}`, which the new one would lack");
            let why = format!("{what}; ask for it, too, or write `drop_names: [{list}]` where it is to go");
            (Outcome::Skipped, sender.excerpt(&why))
        })
    }
}

// What the provider has accepted and not finished: with `--wait` it is followed by looks until it is settled; without, it is looked at once after
// anything of this run may have settled it, and once before the run stops for it.
impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// Something in this process waits for an action that has ended, and that the provider has accepted: it is looked at until it is settled, by its
    /// stage or by a status query. Returns whether there is one.
    pub(super) fn follow(&mut self, account: usize, ordinal: Ordinal, answer: Option<Answer>, reply: &Reply) -> bool {
        let on = awaited(self.states.of(ordinal).outcome());
        if self.take_up_pending(account, ordinal, answer, reply).is_none() {
            return false;
        }
        self.scheduler.poll(ordinal, account, self.run.clock.elapsed() + FOLLOW_INTERVAL, on);
        true
    }

    /// An action has ended well. Where it acted on a request that waits at the CA, that may be settled now.
    pub(super) fn look_at_what_it_settles(&mut self, ordinal: Ordinal) {
        let mut step = ordinal;
        // The second of two approvals needs the first one, and that the request.
        for _ in 0..MAX_APPROVALS {
            let needs = self.queue.needs(step);
            if let Some(request) = needs.iter().copied().find(|need| self.queue.accepts(step, *need)) {
                self.looked_up.remove(&request);
                if !self.run.wait && self.scheduler.is_needed(request) {
                    self.look_once(request);
                }
                return;
            }
            match needs.first() {
                Some(before) if before + 1 == step => step = *before,
                _ => return,
            }
        }
    }

    /// Nothing is left but what waits for others: what of these is pending is looked at, each once.
    pub(super) fn look_before_stopping(&mut self) -> LastLook {
        let settings = self.run.settings;
        let gate = safety::gate(&settings.schedule, self.deadline, self.run.clock.now(), settings.timeout);
        if self.run.wait || matches!(gate, Gate::Closed(_)) {
            return LastLook::Over;
        }
        let (_, needed) = self.needed_and_pending();
        let due: Vec<Ordinal> = needed.into_iter().filter(|ordinal| !self.looked_up.contains(ordinal)).collect();
        if !due.is_empty() && !self.pending.records.is_empty() {
            return LastLook::OnceDurable;
        }
        let queued = due.into_iter().filter(|ordinal| self.look_once(*ordinal)).count();
        if queued > 0 { LastLook::Queued } else { LastLook::Over }
    }

    /// Takes a pending action up again for one look. Returns whether there is one.
    fn look_once(&mut self, ordinal: Ordinal) -> bool {
        let Some(account) = self.queue.account(ordinal).filter(|account| !self.scheduler.is_stopped(*account)) else {
            return false;
        };
        let Phase::Ended(outcome) = self.states.of(ordinal).phase else { return false };
        if !outcome.is_pending() {
            return false;
        }
        self.looked_up.insert(ordinal);
        let Ok((action, history)) = self.run.reader.history(ordinal) else { return false };
        self.captures.insert(ordinal, history.captures);
        let Some(lookup) = self.take_up_pending(account, ordinal, None, &history.reply) else {
            self.captures.remove(&ordinal);
            return false;
        };
        self.scheduler.reopen(ordinal);
        let name = self.run.senders[account].name.clone();
        self.notify(Event::ActionReopened { ordinal, account: name, id: action.id, outcome });
        match lookup {
            Some(Lookup::List) => self.queue_query(account, ordinal, lookup),
            // What an approval has set going takes a CA a moment.
            _ => self.scheduler.poll(ordinal, account, self.run.clock.elapsed() + FIRST_POLL, awaited(outcome)),
        }
        true
    }

    /// Takes a pending action up again, to be looked at by its stage (`Some(None)`) or by a status query. `None` where nothing can tell its state.
    fn take_up_pending(
        &mut self,
        account: usize,
        ordinal: Ordinal,
        answer: Option<Answer>,
        reply: &Reply,
    ) -> Option<Option<Lookup>> {
        let action = self.run.reader.to_send(ordinal).ok()?;
        let stage = self.stage_rules(account, ordinal)?;
        let mut lookup = None;
        if stage.kind != StageKind::Safe {
            let answer = answer.or_else(|| stage.recorded_answer(reply));
            let sender = &self.run.senders[account];
            let at = (sender.find_action(&action.operation)?, self.states.of(ordinal).stage);
            let none = Captures::default();
            let captures = self.captures.get(&ordinal).unwrap_or(&none);
            let subject = Subject::at(&sender.provider, action, at, captures);
            lookup = Some(stage.lookup(&sender.provider, subject.parameters(), answer.as_ref())?);
            let since = self.run.clock.elapsed();
            let doubtful = DoubtfulAction { answer, reply: reply.clone(), since, ..DoubtfulAction::default() };
            self.doubts.insert(ordinal, doubtful);
        }
        self.write(vec![Record::Reopened { ordinal, at: self.run.clock.now(), follows: true }]);
        Some(lookup)
    }
}

// Ends that the order of answers alone told, once an answer of their account has turned out to be another request's.
impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// A request that was asked once more was answered otherwise, so that the answer before was another request's. Whatever this account was
    /// answered by the order of answers alone is in doubt from here on.
    pub(super) fn note_disorder(&mut self, account: usize, id: &str) {
        if !self.run.senders[account].note_disorder() {
            return;
        }
        let told = (0..).zip(&self.ended_by_order).filter(|(_, told)| **told).map(|(ordinal, _)| ordinal);
        let told: Vec<Ordinal> = told.filter(|ordinal| self.queue.account(*ordinal) == Some(account)).collect();
        let name = &self.run.senders[account].name;
        let earlier = match told.len() {
            0 => "Nothing before it was answered so".to_owned(),
            1 => "One action that had ended by such an answer is taken up again".to_owned(),
            count => format!("{count} actions that had ended by such answers are taken up again"),
        };
        self.notify(Event::Warning(format!(
            "{name}, or a gateway before it, answers more than it is asked: {id} was first answered by what belongs to another request. \
             Each request has a connection of its own from now on. {earlier}"
        )));
        for ordinal in told {
            self.reopen(account, ordinal);
        }
    }

    /// An action ended: noted where the order of answers alone told so, or taken up again at once where that is worth nothing any more.
    pub(super) fn note_end_by_order(&mut self, account: usize, ordinal: Ordinal, outcome: Outcome, by_order: bool) {
        let Some(index) = usize::try_from(ordinal).ok() else { return };
        if !retry::is_taken_up_again(outcome, by_order) {
            return;
        }
        if self.run.senders[account].is_disordered() {
            return self.reopen(account, ordinal);
        }
        if index >= self.ended_by_order.len() {
            self.ended_by_order.resize(index + 1, false);
        }
        self.ended_by_order[index] = true;
    }

    /// Takes an ended action up again, as one whose answer was lost: its state is asked for, or it is sent once more where that is harmless.
    fn reopen(&mut self, account: usize, ordinal: Ordinal) {
        let Phase::Ended(ended) = self.states.of(ordinal).phase else { return };
        // A canary that is read back is looked up as it is.
        if self.read_backs.contains_key(&ordinal) {
            return;
        }
        let action = match self.run.reader.to_send(ordinal) {
            Ok(action) => action,
            Err(error) => return self.stop(StopReason::Environment(error.to_string())),
        };
        // Its request was made of it, so it is there.
        let Ok(action) = attempt::resolved(self.run.reader, &self.run.senders, action) else { return };
        let sender = Rc::clone(&self.run.senders[account]);
        let Some(operation) = sender.find_action(&action.operation) else { return };
        // An action of several stages has connections of its own.
        let Some(stage) = StageRules::of(&sender.provider, operation, 0) else { return };
        self.write(vec![Record::Reopened { ordinal, at: self.run.clock.now(), follows: false }]);
        self.scheduler.reopen(ordinal);
        self.notify(Event::ActionReopened {
            ordinal,
            account: sender.name.clone(),
            id: action.id.clone(),
            outcome: ended,
        });
        let message = "its answer may have been another request's".to_owned();
        let reply = Reply { message: Some(message), ..Reply::default() };
        let attempts = self.run.settings.retry.attempts;
        let rules = attempt::rules(&sender.provider, &stage, &action.parameters, None, attempts);
        match retry::first_step(rules, self.states.of(ordinal)) {
            NextStep::LookUp(_) => {
                let now = self.run.clock.elapsed();
                self.doubts.insert(ordinal, DoubtfulAction { reply, since: now, ..DoubtfulAction::default() });
                self.queue_query(account, ordinal, stage.lookup(&sender.provider, &action.parameters, None));
            }
            NextStep::End(outcome) => {
                let reply = closing_reply(&sender, &stage, &action, outcome, (true, true), reply);
                self.write(vec![self.end_of(ordinal, outcome, reply.clone())]);
                self.end_action(account, ordinal, &action.id, outcome, &reply);
                self.release_dependents(ordinal, &action.id, outcome);
            }
            NextStep::Again | NextStep::Hold | NextStep::StopAccount | NextStep::NextStage | NextStep::Poll => {
                self.scheduler.requeue(ordinal, account, None);
            }
        }
    }

    /// Whether an action that is about to be sent must wait after all: what it needs was taken up again since it was let go. Where that has
    /// ended badly meanwhile it is never sent.
    pub(super) fn waits_again(&mut self, ordinal: Ordinal, account: usize) -> bool {
        let phase = |need: &Ordinal| self.states.of(*need).phase;
        let is_open = |need: &Ordinal| !self.queue.is_met(ordinal, *need, self.states.of(*need));
        let open: Vec<Ordinal> = self.queue.needs(ordinal).iter().copied().filter(is_open).collect();
        if open.is_empty() || self.states.of(ordinal).attempts > 0 {
            return false;
        }
        let is_lost = open.iter().any(|need| matches!(phase(need), Phase::Ended(outcome) if !outcome.is_pending()));
        self.release_unsent(account);
        if is_lost {
            let mut lost = vec![ordinal];
            lost.extend(self.scheduler.action_ended(ordinal, false));
            self.skip(lost, "never sent: an action that it needs did not end well");
        } else {
            self.scheduler.block(ordinal, account, &open, None);
        }
        true
    }
}

/// What stood in the way of a status query.
fn failure(asker: Asker, exchanged: &ExchangeResult, was_down: bool, stays_refused: bool) -> QueryFailure {
    if exchanged.is_unauthorized() {
        // Else the account was stopped.
        let goes_on = stays_refused && asker.may_be_refused();
        return if goes_on { QueryFailure::StaysUnauthorized } else { QueryFailure::Unauthorized };
    }
    match exchanged {
        _ if matches!(exchanged.limits(), LimitSignal::Throttled { .. }) => QueryFailure::Throttled,
        _ if was_down && exchanged.contact() != Some(Contact::Answered) => QueryFailure::InVain,
        ExchangeResult::Answered(_, verdict) if verdict.class == AnswerClass::Rejected => QueryFailure::Refused,
        _ => QueryFailure::Other,
    }
}

/// How long a status query that reads a list waits for others.
const BATCH_WAIT: Duration = Duration::from_secs(10);
/// Between two looks at what something waits for.
pub(super) const FOLLOW_INTERVAL: Duration = Duration::from_secs(60);
/// Steps in a row that act on one request, at most.
const MAX_APPROVALS: usize = 8;
