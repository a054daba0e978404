//! What the dispatcher makes of how things go: canaries are read back, providers that are down are probed, accounts that fail too
//! often are stopped. The rules themselves are in [`crate::engine::safety`] and [`crate::engine::circuit_breaker`].

use super::dispatch::MAX_STATUS_QUERIES;
use super::state::{Dispatcher, ReadBack};
use crate::engine::circuit_breaker::{Contact, Transition};
use crate::engine::retry;
use crate::engine::safety::{self, AfterReadBack};
use crate::engine::status_query::{DoubtfulAction, StatusAnswer, StatusQueryResult};
use crate::engine::step::{self, LimitSignal};
use crate::engine::timing::{RequestTimes, WallTime};
use crate::provider::Answer;
use crate::run::{Event, Ordinal, Outcome, StopReason, WaitReason};
use crate::time::{Clock, human};
use crate::wire::Transport;
use std::time::Duration;

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
        let sender = &self.run.senders[account];
        let Some(operation) = sender.find_action(&action.operation) else { return false };
        let operation = &sender.provider.operations[operation];
        if !step::rules(sender, operation, &action, answer.as_ref(), 1).lookup {
            return false;
        }
        let doubtful = DoubtfulAction { answer, since: self.run.clock.elapsed(), ..DoubtfulAction::default() };
        self.read_backs.insert(ordinal, ReadBack { id: id.to_owned(), outcome, doubtful, looks: 0 });
        self.scheduler.requeue(ordinal, account, None);
        true
    }

    /// A canary's target was looked at.
    pub(super) fn read_back_ended(
        &mut self,
        account: usize,
        ordinal: Ordinal,
        answer: StatusAnswer,
        times: RequestTimes,
    ) {
        let now = self.run.clock.elapsed();
        let Some(mut look) = self.read_backs.remove(&ordinal) else { return };
        let after = match answer {
            StatusAnswer::Standing { standing, seen, limits } => {
                self.note_limits(account, limits, times);
                if limits == LimitSignal::Answered {
                    self.note_contact(account, Contact::Answered, "");
                }
                look.looks += 1;
                look.doubtful.since = now;
                safety::after_read_back(standing, &self.run.senders[account].mask(&seen), look.looks)
            }
            StatusAnswer::Nothing(StatusQueryResult::Failed { cause, limits, contact, refused_token }) => {
                self.note_limits(account, limits, times);
                self.note_contact(account, contact, &cause);
                let throttled = matches!(limits, LimitSignal::Throttled { .. });
                let renewed = refused_token.is_some_and(|token| self.run.senders[account].renew(token));
                look.doubtful.tries += u32::from(!throttled && !renewed);
                if look.doubtful.tries >= MAX_STATUS_QUERIES || (refused_token.is_some() && !renewed) {
                    AfterReadBack::GoOnUnproved(cause)
                } else if throttled || renewed {
                    AfterReadBack::ReadAgain(Duration::ZERO)
                } else {
                    let longest = self.run.settings.retry.max_delay;
                    AfterReadBack::ReadAgain(retry::pause(look.doubtful.tries, longest, self.jitter.draw()))
                }
            }
            StatusAnswer::Nothing(StatusQueryResult::More | StatusQueryResult::Settled(_)) => {
                self.note_limits(account, LimitSignal::Answered, times);
                AfterReadBack::ReadAgain(Duration::ZERO)
            }
        };
        let ReadBack { id, outcome, .. } = &look;
        match after {
            AfterReadBack::ReadAgain(pause) => {
                self.scheduler.requeue(ordinal, account, (!pause.is_zero()).then(|| now + pause));
                self.read_backs.insert(ordinal, look);
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

    /// A request came to this, as far as it tells whether the provider is there; `words` are those for what went wrong.
    pub(super) fn note_contact(&mut self, account: usize, contact: Contact, words: &str) {
        let random = if contact == Contact::Answered { 0.0 } else { self.jitter.draw() };
        let was_down = self.breakers[account].is_down();
        let transition =
            self.breakers[account].note_contact(contact, self.run.clock.elapsed(), self.deadline.is_some(), random);
        if transition == Transition::Same {
            return;
        }
        let name = self.run.senders[account].name.clone();
        match transition {
            Transition::Same => {}
            Transition::Down(next) => {
                self.scheduler.probe(account, Some(next));
                let until = WallTime::read(&*self.run.clock).at(next);
                if !was_down {
                    let why = format!("it cannot be reached, one request at a time tries ({words})");
                    self.notify(Event::HeldBack { account: name.clone(), until, why });
                }
                self.notify_wait_reason(account, WaitReason::Unreachable { until });
            }
            Transition::Up => {
                self.scheduler.probe(account, None);
                self.notify(Event::Warning(format!("{name} can be reached again")));
            }
            Transition::GivenUp(after) => {
                let why = format!("it could not be reached for {} ({words})", human(after));
                self.stop_account(account, StopReason::Environment(why));
            }
        }
    }
}
