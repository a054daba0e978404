//! One step from its decision to what follows. It is prepared, its intent written, and it begins once that is durable; when it is over,
//! its records are folded into the run's state, and its action ends, is queued again or stops its account. An intent is written only for
//! an action that has its slot.
//!
//! An attempt's end is folded and queued at once, so that its slot is free and what follows may be queued behind it; the observer is
//! notified only once it is durable. A canary is read back, and a provider that is down is probed; the rules of that are in
//! [`crate::engine::safety`] and [`crate::engine::circuit_breaker`].

use super::staged::{Keyed, StageRequest};
use super::state::{CommandDone, CommandReply, Dispatcher, EndedStep, PendingRecord, Poll, StepInFlight};
use crate::engine::attempt::{Attempt, Conclusion, intent};
use crate::engine::circuit_breaker::{Contact, Transition};
use crate::engine::retry::{self, NextStep, Turn};
use crate::engine::safety::{self, Hold};
use crate::engine::sender::{ExchangeResult, LimitSignal, TokenResult};
use crate::engine::stages::{StageKind, StageRules, Subject};
use crate::engine::status_query::{Asker, DoubtfulAction};
use crate::engine::step::{self, JournalFailed, PreparedStep, Purpose, Step, StepResult};
use crate::engine::timing::{Moment, RequestTimes, RequestTiming, WallTime};
use crate::journal::{ActionState, Durability, Record, Reply, ToSend};
use crate::run::{Event, Ordinal, Outcome, StopReason, WaitReason};
use crate::time::{Clock, human};
use crate::wire::{SigningTicket, Transport};
use futures_util::future::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// Starts the next step of an action whose slot and place are taken: an attempt, a status query, or what must be fetched before.
    ///
    /// # Errors
    /// Where the action cannot be read, or its document no longer has its operation; nothing was begun then.
    pub(super) fn start(&mut self, ordinal: Ordinal, account: usize, now: Moment) -> Result<(), JournalFailed> {
        if self.waits_again(ordinal, account) {
            return Ok(());
        }
        if self.queue.wait(ordinal).is_some() {
            return self.start_wait(ordinal, account, now);
        }
        // Before leave to sign: a nonce is not spent on what is not sent.
        if self.passes_over(account, ordinal)? {
            self.release_unsent(account);
            return Ok(());
        }
        let sender = Rc::clone(&self.run.senders[account]);
        let timing = Rc::new(RequestTiming::new(now));
        let Some(ticket) = self.ticket(ordinal, account, &timing) else { return Ok(()) };
        // Read for each step, not kept: of a million actions only those in flight are in memory.
        let action = self.run.reader.to_send(ordinal).map_err(|error| JournalFailed(error.to_string()))?;
        let Some(action) = self.resolve(account, action, now)? else { return Ok(()) };
        let unknown = || JournalFailed(format!("the provider document has no operation {}", action.operation));
        let operation = sender.find_action(&action.operation).ok_or_else(unknown)?;
        let state = self.states.of(ordinal);
        let query = match (self.read_backs.get(&ordinal), self.doubts.get(&ordinal)) {
            (Some(read_back), _) => Some((Asker::Canary, read_back.doubtful.clone())),
            (None, Some(doubtful)) => Some((Asker::Doubt, doubtful.clone())),
            (None, None) => self.reads_replaced(&sender, operation, ordinal),
        };
        // A canary is read back by what its operation says, however many stages it took.
        let index = if matches!(query, Some((Asker::Canary, _))) { 0 } else { state.stage };
        let stage = StageRules::of(&sender.provider, operation, index).ok_or_else(unknown)?;
        let mut challenge = None;
        let parameters = match stage.declared {
            None => match self.keyed_parameters(&sender, operation, &action, state, query.is_none())? {
                Keyed::AsTheyAre => None,
                Keyed::With(parameters) => Some(parameters),
                Keyed::Forgotten => {
                    let subject = Subject { action, operation, stage: index, parameters: None };
                    self.doubt_forgotten(account, &sender, &subject, state);
                    return Ok(());
                }
            },
            Some(declared) => match self.stage_request(&sender, declared, &action)? {
                StageRequest::Make(parameters, met) => {
                    challenge = met;
                    Some(parameters)
                }
                StageRequest::PassOver => return Err(JournalFailed(format!("{} has nothing to ask", stage.name))),
                StageRequest::Cannot(why) => {
                    self.release_unsent(account);
                    let outcome = if stage.place.spent { Outcome::InDoubt } else { Outcome::Failed };
                    self.end_without_sending(account, ordinal, &action.id, outcome, why);
                    return Ok(());
                }
            },
        };
        let subject = Subject { action, operation, stage: index, parameters };
        if let Some(query) = query {
            self.begin_query(account, (timing, ticket), subject, query);
            return Ok(());
        }
        let only_once = stage.kind == StageKind::NotIdempotent;
        if !self.breakers[account].begin_request(only_once) {
            self.scheduler.requeue(ordinal, account, None);
            self.release_unsent(account);
            let why = "it is still out of order, and what is next must not be sent twice, so that it cannot be used to try it";
            self.stop_account(account, StopReason::Environment(why.to_owned()));
            return Ok(());
        }
        let attempts = self.run.settings.retry.attempts;
        // Made before the intent: what cannot be made must leave no intent behind. Signed only when it is sent, with the time of that.
        let unsigned = Some(sender.make(stage.operation, subject.parameters()));
        let nonces_refused = self.nonces_refused.get(&ordinal).copied().unwrap_or_default();
        let out_of_turn = self.out_of_turn.get(&ordinal).cloned();
        let only_reads = stage.kind == StageKind::Safe;
        let state = match only_reads {
            // Of requests that only read nothing is in the journal but that they were sent.
            true => {
                let poll = self.polls.entry(ordinal).or_insert(Poll { since: now, asked: 0, tries: 0 });
                ActionState { counted: poll.tries, ..state }
            }
            false => state,
        };
        let met = self.met_before(&sender, operation, index, &subject.action)?;
        let left_behind = Vec::new();
        let attempt = Attempt {
            subject,
            only_reads,
            unsigned,
            state,
            attempts,
            nonces_refused,
            out_of_turn,
            challenge,
            met,
            left_behind,
        };
        let step = self.step(account, timing, ticket, Purpose::Act(Box::new(attempt)));
        self.replaced.remove(&ordinal);
        if only_reads {
            self.begin_step(step);
        } else {
            self.write_intent(PreparedStep { step, intent: intent(state, ordinal, self.run.clock.now()), only_once });
        }
        Ok(())
    }

    /// Leave to sign the request of an action whose slot and place are taken. Without it what must be fetched before is asked for, and nothing of
    /// this account can be signed until it is there, so that the action goes back into the queue.
    pub(super) fn ticket(
        &mut self,
        ordinal: Ordinal,
        account: usize,
        timing: &Rc<RequestTiming>,
    ) -> Option<SigningTicket> {
        let ticket = self.run.senders[account].ticket(self.run.clock.now());
        if ticket.is_none() {
            self.breakers[account].begin_request(false);
            self.scheduler.pause(account, true);
            self.scheduler.requeue(ordinal, account, None);
            let step = self.step(account, Rc::clone(timing), SigningTicket::default(), Purpose::Authenticate);
            self.begin_step(step);
        }
        ticket
    }

    pub(super) fn step(
        &self,
        account: usize,
        timing: Rc<RequestTiming>,
        ticket: SigningTicket,
        purpose: Purpose,
    ) -> Step<T, C> {
        let sender = Rc::clone(&self.run.senders[account]);
        let (journal, clock) = (Some(self.run.journal.clone()), Rc::clone(&self.run.clock));
        Step { account, sender, journal, clock, timing, ticket, purpose }
    }

    /// A step's intent is durable, and it has its slot: it begins.
    fn begin_prepared(&mut self, prepared: PreparedStep<T, C>) {
        // Folded only now: an intent that did not become durable was never sent, and its action still waits.
        self.fold(&prepared.intent);
        self.begin_step(prepared.step);
    }

    /// A step begins. A panic ends it alone.
    pub(super) fn begin_step(&mut self, step: Step<T, C>) {
        let (account, ordinal) = (step.account, step.purpose.ordinal());
        let in_flight = StepInFlight { account, ordinal, timing: Rc::clone(&step.timing) };
        let over = async move { (in_flight, AssertUnwindSafe(step::carry_out(step)).catch_unwind().await.ok()) };
        self.steps.push(over.boxed_local());
    }

    /// A step that had its place was not begun: the place and the slot are free again.
    pub(super) fn release_unsent(&mut self, account: usize) {
        self.scheduler.pace(account).release_unsent();
        self.scheduler.step_ended(account);
    }

    pub(super) fn is_something_under_way(&self) -> bool {
        self.pending.will_send() || !self.steps.is_empty()
    }

    /// Folds records about an action and queues them. No later record is durable before they are.
    pub(super) fn write(&mut self, records: Vec<Record>) {
        for record in records {
            self.fold(&record);
            self.queue(record, None, None);
        }
    }

    /// Queues a step's intent; once it is durable the step begins.
    fn write_intent(&mut self, prepared: PreparedStep<T, C>) {
        self.pending.intents += 1;
        self.queue(prepared.intent.clone(), Some(Box::new(prepared)), None);
    }

    /// Queues the record of a command from outside; its sender is answered when that is durable, or cannot be.
    pub(super) fn record_command(&mut self, record: Record, event: Event, reply: CommandReply) {
        self.queue(record, None, Some(reply));
        self.notify(event);
    }

    fn queue(&mut self, record: Record, prepared: Option<Box<PreparedStep<T, C>>>, reply: Option<CommandReply>) {
        let only_once = prepared.as_ref().is_some_and(|prepared| prepared.only_once);
        self.pending.records.push_back(PendingRecord { events: Vec::new(), prepared, reply });
        self.run.journal.queue(record, self.run.clock.elapsed(), only_once);
    }

    /// Notifies the observer, after everything that was written before is durable.
    pub(super) fn notify(&mut self, event: Event) {
        match self.pending.records.back_mut() {
            Some(queued) => queued.events.push(event),
            None => (self.observe)(event),
        }
    }

    /// So many of the oldest records are durable, or cannot be.
    pub(super) fn acknowledged(&mut self, (count, written): (usize, Durability)) {
        for _ in 0..count {
            let Some(queued) = self.pending.records.pop_front() else { return };
            self.pending.intents -= usize::from(queued.prepared.is_some());
            self.after_record(queued, &written);
        }
    }

    /// What follows a record. Where it is not durable, its events are dropped, and nothing more is sent.
    fn after_record(&mut self, queued: PendingRecord<T, C>, written: &Durability) {
        let PendingRecord { events, prepared, reply } = queued;
        let written = written.of(prepared.is_some());
        reply
            .into_iter()
            .for_each(|reply| drop(reply.send(written.map(|()| CommandDone::Done).map_err(str::to_owned))));
        match written {
            Ok(()) => {
                events.into_iter().for_each(|event| (self.observe)(event));
                // After an abort nothing more is sent. The intent is durable, so `resume` takes the attempt as lost.
                prepared.filter(|_| !self.abort).into_iter().for_each(|prepared| self.begin_prepared(*prepared));
            }
            Err(cause) => {
                prepared.into_iter().for_each(|prepared| self.release_unsent(prepared.step.account));
                self.stop(StopReason::Environment(cause.to_owned()));
            }
        }
    }

    /// Waits until everything that was queued is durable, or cannot be.
    pub(super) async fn wait_for_acks(&mut self) {
        while !self.pending.records.is_empty() {
            self.run.journal.flush();
            let Some(written) = self.pending.acknowledged.recv().await else { return };
            self.acknowledged(written);
        }
    }

    /// Folds a record of an action into the state that this process holds.
    pub(super) fn fold(&mut self, record: &Record) {
        if let Err(illegal) = self.states.take(record) {
            self.stop(StopReason::Environment(format!("internal error: {illegal}")));
        }
    }

    pub(super) fn end_of(&self, ordinal: Ordinal, outcome: Outcome, answer: Reply) -> Record {
        Record::Ended { ordinal, at: self.run.clock.now(), outcome, answer }
    }
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// A step is over, whatever it was for: its slot is free, the limits and the circuit breaker know what came of it, and what follows is done.
    pub(super) fn step_ended(&mut self, (in_flight, result): EndedStep) {
        let StepInFlight { account, ordinal, timing } = in_flight;
        let times = timing.times(self.run.clock.elapsed());
        self.scheduler.step_ended(account);
        let StepResult { purpose, exchanged, token_number, skew } = match result {
            Some(Ok(result)) => result,
            Some(Err(failed)) => {
                // A request whose intent is durable may have gone out: it counts.
                self.scheduler.pace(account).answered(times.sent, times.answered);
                return self.stop(StopReason::Environment(failed.0));
            }
            None => return self.panicked(account, ordinal, times),
        };
        let was_down = self.breakers[account].is_down();
        self.note_limits(account, exchanged.limits(), times);
        self.requests[account].count(exchanged.limits());
        self.note_exchange(account, ordinal, &exchanged);
        // Once for each account: signatures with a time stamp are refused where the clocks differ too much.
        if let Some(skew) = skew
            && self.skew_warned.insert(account)
        {
            let name = &self.run.senders[account].name;
            let (by, side) = (human(skew.unsigned_abs()), if skew.is_negative() { "behind" } else { "ahead of" });
            self.notify(Event::Warning(format!(
                "this machine's clock is {by} {side} that of {name} (its `Date` header); signed requests may be refused until it is right"
            )));
        }
        // Another token may help, or the account stops.
        let stays_refused = exchanged.is_unauthorized() && !self.run.senders[account].renew(token_number);
        let may_be_refused = matches!(&purpose, Purpose::Query(query) if query.asker.may_be_refused());
        if stays_refused && !may_be_refused {
            let why = format!("the provider refused the credentials: {}", self.masked(account, &exchanged));
            self.stop_account(account, StopReason::Environment(why));
        }
        match purpose {
            Purpose::Act(mut attempt) => {
                for why in std::mem::take(&mut attempt.left_behind) {
                    self.notify(Event::Warning(format!("{}: {why}; take it away by hand", attempt.subject.action.id)));
                }
                let sender = Rc::clone(&self.run.senders[account]);
                let ordinal = attempt.subject.action.ordinal;
                let conclusion = attempt.conclude(&sender, exchanged, was_down, self.run.clock.now());
                self.apply(account, ordinal, conclusion);
            }
            Purpose::Query(query) => self.queried(account, *query, &exchanged, was_down, stays_refused),
            Purpose::Authenticate => self.authenticated(account, &exchanged),
            // A run asks for no lists.
            Purpose::Read(_) => {}
        }
    }

    /// Notes for the circuit breaker what came of a request.
    fn note_exchange(&mut self, account: usize, ordinal: Option<Ordinal>, exchanged: &ExchangeResult) {
        match exchanged.contact() {
            None => {}
            // Nine of ten, and their words are of no use.
            Some(Contact::Answered) => self.note_contact(account, Contact::Answered, ordinal, ""),
            Some(contact) => {
                let cause = self.masked(account, exchanged);
                self.note_contact(account, contact, ordinal, &cause);
            }
        }
    }

    fn masked(&self, account: usize, exchanged: &ExchangeResult) -> String {
        self.run.senders[account].excerpt(&exchanged.cause())
    }

    pub(super) fn apply(&mut self, account: usize, ordinal: Ordinal, conclusion: Option<Conclusion>) {
        let Some(result) = conclusion else {
            return self.stop(StopReason::Environment("the provider document has no such stage".to_owned()));
        };
        match result.nonce_refused {
            Some(true) => *self.nonces_refused.entry(ordinal).or_default() += 1,
            Some(false) => drop(self.nonces_refused.remove(&ordinal)),
            None => {}
        }
        if result.next == NextStep::NextStage && self.is_for_each(account, ordinal) {
            return self.next_item(account, ordinal, result);
        }
        if result.out_of_turn {
            self.out_of_turn.insert(ordinal, result.reply.clone());
        } else if result.turn.is_some() {
            self.out_of_turn.remove(&ordinal);
        }
        if result.turn == Some(Turn::Wrong) {
            self.note_disorder(account, &result.id);
        }
        if let Some(why) = result.nonce_refused.and_then(|refused| self.watch.nonce(account, refused)) {
            self.stop_account(account, StopReason::Environment(why));
        }
        let mut result = self.not_before_it_is_new(account, ordinal, result);
        if let (NextStep::Poll, Some(outcome)) = (result.next, result.polled) {
            if self.polls_again(account, ordinal, outcome) {
                self.tell_of_wait(account, ordinal, &result);
                return;
            }
            // It goes on at the provider, and `resume` looks again.
            self.looked_up.insert(ordinal);
            let words = result.reply.message.take().unwrap_or_default();
            let answer = Reply { message: Some(format!("accepted, and not finished: {words}")), ..result.reply };
            result = Conclusion {
                records: vec![self.end_of(ordinal, outcome, answer.clone())],
                next: NextStep::End(outcome),
                reply: answer,
                ..result
            };
        }
        if let Some(wanted) = result.certificate.take() {
            let last = result.records.pop();
            match self.issued(account, ordinal, wanted.as_ref(), result.captured.as_ref()) {
                Ok(certificate) => {
                    let at = self.run.clock.now();
                    result.records.push(Record::Issued { ordinal, at, certificate });
                    result.records.extend(last);
                }
                Err(why) => {
                    let outcome = Outcome::InDoubt;
                    let message = format!("it took effect, and what came of it is not what was asked for: {why}");
                    let answer = Reply { message: Some(message), ..result.reply };
                    result.records.push(self.end_of(ordinal, outcome, answer.clone()));
                    result = Conclusion { next: NextStep::End(outcome), reply: answer, ..result };
                }
            }
        }
        self.write_conclusion(account, &result.id, result.records);
        if let NextStep::End(outcome) = result.next
            && outcome.is_pending()
            && self.run.wait
            && self.scheduler.is_needed(ordinal)
            && self.follow(account, ordinal, result.answer.clone(), &result.reply)
        {
            // A canary is over with that: what settles it could not go before.
            if self.note_accepted(ordinal) {
                self.scheduler.action_accepted(ordinal);
                self.scheduler.reopen(ordinal);
            }
            return;
        }
        match result.next {
            NextStep::End(outcome) => {
                self.captures.remove(&ordinal);
                self.idempotency_keys.remove(&ordinal);
                self.polls.remove(&ordinal);
                self.items.remove(&ordinal);
                self.end_action(account, ordinal, &result.id, outcome, &result.reply);
                // A canary whose doubt a status query has resolved was read back with that.
                if !(result.is_attempt && self.begins_read_back(account, ordinal, &result.id, outcome, result.answer)) {
                    self.release_dependents(ordinal, &result.id, outcome);
                }
                self.note_end_by_order(account, ordinal, outcome, result.by_order);
            }
            // The provider is down: the breaker's pause holds, and a backoff on top of it would delay the recovery.
            NextStep::Again if self.breakers[account].is_down() => {
                self.scheduler.requeue(ordinal, account, None);
                self.notify_failure(account, ordinal, &result.id, &result.reply);
            }
            NextStep::Again => {
                let counted = match self.polls.get_mut(&ordinal) {
                    Some(poll) => {
                        poll.tries += 1;
                        poll.tries
                    }
                    None => self.states.of(ordinal).counted,
                };
                let pause = retry::pause(counted.into(), self.run.settings.retry.max_delay, self.jitter.draw());
                self.scheduler.requeue(ordinal, account, Some(self.run.clock.elapsed() + pause));
                self.notify_failure(account, ordinal, &result.id, &result.reply);
            }
            NextStep::Hold | NextStep::Poll => self.scheduler.requeue(ordinal, account, None),
            NextStep::NextStage => self.begin_stage(account, ordinal, result.captured),
            NextStep::LookUp(_) => {
                let doubtful = DoubtfulAction {
                    refused: result.refused,
                    answer: result.answer,
                    reply: result.reply.clone(),
                    since: self.run.clock.elapsed(),
                    ..DoubtfulAction::default()
                };
                self.doubts.insert(ordinal, doubtful);
                self.queue_query(account, ordinal, result.lookup);
            }
            // The account was stopped, or another token is fetched first.
            NextStep::StopAccount => self.scheduler.requeue(ordinal, account, None),
        }
    }

    /// An action ends without another request.
    pub(super) fn end_without_sending(
        &mut self,
        account: usize,
        ordinal: Ordinal,
        id: &str,
        outcome: Outcome,
        why: String,
    ) {
        let reply = Reply { message: Some(why), ..Reply::default() };
        self.captures.remove(&ordinal);
        self.polls.remove(&ordinal);
        self.write(vec![self.end_of(ordinal, outcome, reply.clone())]);
        self.end_action(account, ordinal, id, outcome, &reply);
        self.release_dependents(ordinal, id, outcome);
    }

    /// What is needed before anything else was asked for.
    fn authenticated(&mut self, account: usize, exchanged: &ExchangeResult) {
        self.scheduler.pause(account, false);
        match exchanged {
            // The breaker has stopped the account; or its pause holds, and its patience will.
            ExchangeResult::Barred(_) => return,
            ExchangeResult::NotSent(_) if self.breakers[account].is_down() => return,
            _ => {}
        }
        let sender = &self.run.senders[account];
        let (cause, refused) = match sender.take_token(exchanged) {
            TokenResult::Nothing => return,
            TokenResult::Taken => {
                self.token_tries.remove(&account);
                if let Some(notice) = sender.take_notice() {
                    self.notify(Event::Warning(format!("{}: {notice}", sender.name)));
                }
                return;
            }
            TokenResult::Failed { cause, refused } => (cause, refused),
        };
        let tries = self.token_tries.entry(account).or_default();
        *tries += 1;
        let tries = *tries;
        if refused || tries >= self.run.settings.retry.attempts {
            self.stop_account(account, StopReason::Environment(cause));
        } else {
            let pause = retry::pause(tries, self.run.settings.retry.max_delay, self.jitter.draw());
            let now = self.run.clock.elapsed();
            self.scheduler.pace(account).hold(now + pause);
            self.notify_hold(account, now, &cause);
        }
    }

    /// A step panicked: its request may have gone out, so its action is treated as one whose answer was lost.
    fn panicked(&mut self, account: usize, ordinal: Option<Ordinal>, times: RequestTimes) {
        self.note_limits(account, LimitSignal::Answered, times);
        let Some(ordinal) = ordinal else { return self.scheduler.pause(account, false) };
        if self.read_backs.contains_key(&ordinal) {
            return self.read_back_panicked(ordinal);
        }
        let Ok(ToSend { id, .. }) = self.run.reader.to_send(ordinal) else {
            let why = "an internal error struck, and the journal cannot be read";
            return self.stop(StopReason::Environment(why.to_owned()));
        };
        let why = "an internal error struck while it was under way".to_owned();
        self.end_without_sending(account, ordinal, &id, Outcome::InDoubt, why);
    }

    /// An action's end is written: the observer is notified, and the safety rules are checked.
    pub(super) fn end_action(&mut self, account: usize, ordinal: Ordinal, id: &str, outcome: Outcome, reply: &Reply) {
        let well = outcome.is_well();
        self.looked_on = Default::default();
        self.notify_end(account, ordinal, id, outcome, reply);
        let why = self.watch.ended(account, well);
        if let Some(why) = why.or_else(|| self.watch.refused_alike(account, outcome, reply)) {
            self.stop_account(account, StopReason::Rule(why));
        }
        if self.scheduler.is_canary(ordinal) && !well {
            self.stop(StopReason::Rule(format!("the canary {id} ended {outcome} (safety.canary)")));
        }
    }

    /// An action is over: those that waited for it may go, or never can.
    pub(super) fn release_dependents(&mut self, ordinal: Ordinal, id: &str, outcome: Outcome) {
        if outcome.is_pending() {
            self.scheduler.action_accepted(ordinal);
            self.note_accepted(ordinal);
            return;
        }
        if outcome.is_well() {
            self.begin_wait_behind(ordinal);
        }
        let lost = self.scheduler.action_ended(ordinal, outcome.is_well());
        if !lost.is_empty() {
            let message = format!("never sent: it needs {id}, which ended {outcome}");
            self.skip(lost, &message);
        }
        if outcome.is_well() {
            self.look_at_what_it_settles(ordinal);
        }
    }

    pub(super) fn skip(&mut self, ordinals: Vec<Ordinal>, message: &str) {
        let answer = Reply { message: Some(message.to_owned()), ..Reply::default() };
        for ordinal in ordinals {
            self.write(vec![self.end_of(ordinal, Outcome::Skipped, answer.clone())]);
            if let Ok(action) = self.run.reader.to_send(ordinal) {
                self.notify_end(action.account, ordinal, &action.id, Outcome::Skipped, &answer);
            }
        }
    }

    fn note_limits(&mut self, account: usize, limits: LimitSignal, times: RequestTimes) {
        let now = times.processed;
        let held = self.scheduler.note_request(account, limits, times);
        if let (Some(until), LimitSignal::Throttled { retry_after, .. }) = (held, limits) {
            self.held_back(account, now, until, retry_after);
        }
        self.record_learnt_windows(account, now);
    }

    /// A provider is held back: said, with what follows from it.
    fn held_back(&mut self, account: usize, now: Moment, until: Moment, asked: Option<Duration>) {
        let wall = self.run.clock.now();
        let until = WallTime::new(now, wall).at(until);
        let schedule = &self.run.settings.schedule;
        let Hold { why, stop } = safety::hold(asked, until, wall, schedule, self.deadline, self.run.wait);
        self.notify_hold(account, now, &why);
        self.notify_holds(now);
        if let Some(why) = stop {
            self.stop_account(account, StopReason::Rule(why));
        }
    }

    /// Records the learnt windows of an account where they have changed by more than a little: `resume` begins with them instead of a new
    /// row of refusals.
    fn record_learnt_windows(&mut self, account: usize, now: Moment) {
        if let Some(windows) = self.scheduler.pace(account).notable(now) {
            let windows = windows.iter().map(ToString::to_string).collect();
            self.write(vec![Record::Learnt { account, windows, at: self.run.clock.now() }]);
        }
    }
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// Notes whether the provider was reached, by a request of an action or of none; `cause` says what went wrong.
    pub(super) fn note_contact(&mut self, account: usize, contact: Contact, action: Option<Ordinal>, cause: &str) {
        let random = if contact == Contact::Answered { 0.0 } else { self.jitter.draw() };
        let breaker = &mut self.breakers[account];
        let was_down = breaker.is_down();
        let now = self.run.clock.elapsed();
        let transition = breaker.note_contact(contact, action, now, self.deadline.is_some(), random);
        self.scheduler.follow(account, breaker, transition);
        if contact == Contact::Answered && action.is_some() {
            self.scheduler.set_unproved(account, false);
        }
        let name = self.run.senders[account].name.clone();
        let answers = matches!(contact, Contact::OutOfOrder | Contact::Elsewhere);
        match transition {
            Transition::Same => {}
            Transition::Down(next) => {
                let until = WallTime::read(&*self.run.clock).at(next);
                if !was_down {
                    let what = if answers { "it is out of order" } else { "it cannot be reached" };
                    let why = format!("{what}, one request at a time tries ({cause})");
                    self.notify(Event::HeldBack { account: name, until, why });
                }
                self.notify_wait_reason(account, WaitReason::Unreachable { until });
            }
            Transition::Up => self.notify(Event::Note(format!("{name} is there again"))),
            Transition::Barred => self.stop_account(account, StopReason::Environment(cause.to_owned())),
            Transition::GivenUp(after) => {
                let what = if answers { "it was out of order" } else { "it could not be reached" };
                let why = format!("{what} for {} ({cause})", human(after));
                self.stop_account(account, StopReason::Environment(why));
            }
        }
    }
}
