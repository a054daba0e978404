//! What follows from a step that is over: its records are folded into the run's state, and what it came to is queued, ended or
//! stopped. Sends nothing.

use super::state::{Dispatcher, EndedStep, Step, StepInFlight};
use crate::engine::circuit_breaker::Contact;
use crate::engine::retry::{self, NextStep};
use crate::engine::sender::TokenError;
use crate::engine::status_query::{DoubtfulAction, StatusQueryResult};
use crate::engine::step::{LimitSignal, StepResult};
use crate::engine::timing::{Moment, RequestTimes};
use crate::journal::{Record, Reply, ToSend};
use crate::run::{Event, Ordinal, Outcome, StopReason};
use crate::time::Clock;
use crate::wire::Transport;
use std::time::Duration;

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// A step is over: its slot is free, its records are folded, and what follows is done.
    pub(super) fn step_ended(&mut self, (in_flight, step): EndedStep) {
        let StepInFlight { account, ordinal, timing } = in_flight;
        let times = timing.times(self.run.clock.elapsed());
        self.scheduler.step_ended(account);
        match (step, ordinal) {
            (Some(Step::Attempt(result)), Some(ordinal)) => self.apply_result(account, ordinal, *result, times),
            (Some(Step::LookUp(Ok(looked_up))), Some(ordinal)) => {
                self.status_query_ended(account, ordinal, looked_up, times)
            }
            (Some(Step::ReadBack(Ok(answer))), Some(ordinal)) => self.read_back_ended(account, ordinal, answer, times),
            (Some(Step::Token(Ok(token))), _) => self.token_fetched(account, token, times),
            (Some(Step::LookUp(Err(failed)) | Step::ReadBack(Err(failed)) | Step::Token(Err(failed))), _) => {
                // A request whose intent is durable may have gone out: it counts.
                self.scheduler.pace(account).answered(times.sent, times.answered);
                self.stop(StopReason::Environment(failed.0));
            }
            (None, Some(ordinal)) => self.panicked(account, ordinal, times),
            (None | Some(_), _) => self.scheduler.pace(account).answered(times.sent, times.answered),
        }
    }

    fn apply_result(&mut self, account: usize, ordinal: Ordinal, result: StepResult, times: RequestTimes) {
        self.note_limits(account, result.limits, times);
        if let Some(contact) = result.contact {
            self.note_contact(account, contact, result.reply.message.as_deref().unwrap_or_default());
        }
        match result.pass_refused {
            Some(true) => *self.refused_passes.entry(ordinal).or_default() += 1,
            Some(false) => drop(self.refused_passes.remove(&ordinal)),
            None => {}
        }
        self.write(result.records);
        if let Some(skew) = result.skew
            && self.skew_warned.insert(account)
        {
            let name = &self.run.senders[account].name;
            let seconds = skew.as_secs();
            self.notify(Event::Warning(format!("the clock of {name} differs from this machine's by {seconds} s")));
        }
        match result.next {
            NextStep::End(outcome) => {
                self.end_action(account, ordinal, &result.id, outcome, &result.reply);
                // What a status query has settled was looked at.
                if !(result.is_attempt && self.begins_read_back(account, ordinal, &result.id, outcome, result.answer)) {
                    self.release_dependents(ordinal, &result.id, outcome);
                }
            }
            // The provider is down: its own pause holds.
            NextStep::Again if result.contact == Some(Contact::NotSent) && self.breakers[account].is_down() => {
                self.scheduler.requeue(ordinal, account, None);
                self.notify_failure(account, ordinal, &result.reply);
            }
            NextStep::Again => {
                let counted = self.states.of(ordinal).counted;
                let pause = retry::pause(counted, self.run.settings.retry.max_delay, self.jitter.draw());
                self.scheduler.requeue(ordinal, account, Some(self.run.clock.elapsed() + pause));
                self.notify_failure(account, ordinal, &result.reply);
            }
            NextStep::Hold => self.scheduler.requeue(ordinal, account, None),
            NextStep::LookUp(_) => {
                let doubtful = DoubtfulAction {
                    refused: result.refused,
                    answer: result.answer,
                    reply: result.reply.clone(),
                    since: self.run.clock.elapsed(),
                    ..DoubtfulAction::default()
                };
                self.doubts.insert(ordinal, doubtful);
                if result.reads_list {
                    self.scheduler.batch(ordinal, account, self.run.clock.elapsed() + BATCH_WAIT);
                } else {
                    self.scheduler.requeue(ordinal, account, None);
                }
            }
            NextStep::StopAccount => {
                self.scheduler.requeue(ordinal, account, None);
                if !self.run.senders[account].renew(result.token_number) {
                    let status = result.reply.http_status.map(|status| format!("HTTP {status}")).unwrap_or_default();
                    let words = result.reply.message.unwrap_or_default();
                    let why = format!("the provider refused the credentials: {status} {words}");
                    self.stop_account(account, StopReason::Environment(why));
                }
            }
        }
    }

    fn status_query_ended(
        &mut self,
        account: usize,
        ordinal: Ordinal,
        looked_up: StatusQueryResult,
        times: RequestTimes,
    ) {
        match looked_up {
            StatusQueryResult::Settled(result) => {
                self.doubts.remove(&ordinal);
                self.apply_result(account, ordinal, *result, times);
            }
            StatusQueryResult::More => {
                self.note_limits(account, LimitSignal::Answered, times);
                self.scheduler.requeue(ordinal, account, None);
            }
            StatusQueryResult::Failed { cause, limits, contact, refused_token } => {
                self.note_limits(account, limits, times);
                let was_down = self.breakers[account].is_down();
                self.note_contact(account, contact, &cause);
                let unsent = was_down && contact == Contact::NotSent;
                let throttled = matches!(limits, LimitSignal::Throttled { .. });
                let mut tries = 0;
                if let Some(doubtful) = self.doubts.get_mut(&ordinal) {
                    doubtful.tries += u32::from(!throttled && !unsent && refused_token.is_none());
                    doubtful.cause = Some(cause.clone());
                    tries = doubtful.tries;
                }
                let pause = retry::pause(tries, self.run.settings.retry.max_delay, self.jitter.draw());
                let due = (!throttled && !unsent).then(|| self.run.clock.elapsed() + pause);
                self.scheduler.requeue(ordinal, account, due);
                if let Some(token_number) = refused_token
                    && !self.run.senders[account].renew(token_number)
                {
                    let why = format!("the provider refused the credentials: {cause}");
                    self.stop_account(account, StopReason::Environment(why));
                }
            }
        }
    }

    fn token_fetched(&mut self, account: usize, token: Result<(), TokenError>, times: RequestTimes) {
        self.scheduler.pause(account, false);
        let (contact, words) = token
            .as_ref()
            .err()
            .map_or((Contact::Answered, String::new()), |error| (error.contact, error.cause.clone()));
        self.note_contact(account, contact, &words);
        if let Err(TokenError { throttled: Some(retry_after), .. }) = &token {
            return self.note_limits(account, LimitSignal::Throttled { retry_after: *retry_after, limit: None }, times);
        }
        self.note_limits(
            account,
            if contact == Contact::Answered { LimitSignal::Answered } else { LimitSignal::Lost },
            times,
        );
        if contact == Contact::NotSent && self.breakers[account].is_down() {
            // Its own pause holds, and its own patience ends it.
            return;
        }
        let Err(error) = token else {
            self.token_tries.remove(&account);
            return;
        };
        let tries = self.token_tries.entry(account).or_default();
        *tries += 1;
        let tries = *tries;
        if error.refused || tries >= self.run.settings.retry.attempts {
            self.stop_account(account, StopReason::Environment(error.cause.clone()));
        } else {
            let pause = retry::pause(tries, self.run.settings.retry.max_delay, self.jitter.draw());
            let now = self.run.clock.elapsed();
            self.scheduler.pace(account).hold(now + pause);
            self.notify_hold(account, now, &error.cause);
        }
    }

    /// A step panicked: its request may have gone out, so its action is treated as one whose answer was lost.
    fn panicked(&mut self, account: usize, ordinal: Ordinal, times: RequestTimes) {
        self.note_limits(account, LimitSignal::Answered, times);
        if self.read_backs.contains_key(&ordinal) {
            return self.read_back_panicked(ordinal);
        }
        let Ok(ToSend { id, .. }) = self.run.reader.to_send(ordinal) else {
            let why = "an internal error struck, and the journal cannot be read";
            return self.stop(StopReason::Environment(why.to_owned()));
        };
        let message = "an internal error struck while it was under way".to_owned();
        let reply = Reply { message: Some(message), ..Reply::default() };
        self.write(vec![self.end_of(ordinal, Outcome::InDoubt, reply.clone())]);
        self.end_action(account, ordinal, &id, Outcome::InDoubt, &reply);
        self.release_dependents(ordinal, &id, Outcome::InDoubt);
    }

    /// An action's end is written: it is told, and the rules look at it.
    fn end_action(&mut self, account: usize, ordinal: Ordinal, id: &str, outcome: Outcome, reply: &Reply) {
        let well = outcome.is_well();
        self.notify_end(account, ordinal, id, outcome, reply);
        if let Some(why) = self.watch.ended(account, well) {
            self.stop_account(account, StopReason::Rule(why));
        }
        if self.scheduler.is_canary(ordinal) && !well {
            self.stop(StopReason::Rule(format!("the canary {id} ended {outcome} (safety.canary)")));
        }
    }

    /// An action is over: those that waited for it may go, or never can.
    pub(super) fn release_dependents(&mut self, ordinal: Ordinal, id: &str, outcome: Outcome) {
        let lost = self.scheduler.action_ended(ordinal, outcome.is_well());
        if !lost.is_empty() {
            let message = format!("never sent: it needs {id}, which ended {outcome}");
            self.skip(lost, &message);
        }
    }

    fn skip(&mut self, ordinals: Vec<Ordinal>, message: &str) {
        let answer = Reply { message: Some(message.to_owned()), ..Reply::default() };
        for ordinal in ordinals {
            self.write(vec![self.end_of(ordinal, Outcome::Skipped, answer.clone())]);
            if let Ok(action) = self.run.reader.to_send(ordinal) {
                self.notify_end(action.account, ordinal, &action.id, Outcome::Skipped, &answer);
            }
        }
    }

    pub(super) fn note_limits(&mut self, account: usize, limits: LimitSignal, times: RequestTimes) {
        let now = times.heard;
        let pace = self.scheduler.pace(account);
        if limits == LimitSignal::Unsent {
            pace.unsent();
        } else {
            pace.answered(times.sent, times.answered);
        }
        match limits {
            LimitSignal::Unsent | LimitSignal::Lost => {}
            LimitSignal::Answered => pace.quiet(now),
            LimitSignal::Throttled { retry_after, limit } => {
                pace.throttled(now, retry_after, limit);
                self.scheduler.note_refusal(account);
                self.notify_holds(now);
            }
        }
        if limits != LimitSignal::Unsent {
            self.scheduler.note_answer(account, times.began, now);
        }
        self.keep_what_was_learnt(account, now);
    }

    /// Writes down what was learnt of an account's real limit, where that has changed by more than a little.
    fn keep_what_was_learnt(&mut self, account: usize, now: Moment) {
        if let Some(windows) = self.scheduler.pace(account).notable(now) {
            let windows = windows.iter().map(ToString::to_string).collect();
            self.write(vec![Record::Learnt { account, windows, at: self.run.clock.now() }]);
        }
    }
}

/// How long actions in doubt wait for others, so that one reading of a list serves them all.
const BATCH_WAIT: Duration = Duration::from_secs(10);
