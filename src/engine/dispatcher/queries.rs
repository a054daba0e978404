//! Status queries of a run: one way to queue them, to begin them and to take their answers, whoever asks. What a state means for who asked is said in
//! `read_back`, `replaced` and `waits`, and for an action in doubt by [`StatusQuery::conclude`]; what follows on one that failed, by [`after_failure`].

use super::state::Dispatcher;
use crate::engine::circuit_breaker::Contact;
use crate::engine::retry;
use crate::engine::sender::{ExchangeResult, LimitSignal};
use crate::engine::stages::{Lookup, Subject};
use crate::engine::status_query::{
    AfterFailure, Asker, DoubtfulAction, QueryFailure, Reading, StatusQuery, after_failure,
};
use crate::engine::step::Purpose;
use crate::engine::timing::RequestTiming;
use crate::provider::{AnswerClass, TargetState};
use crate::run::Ordinal;
use crate::time::Clock;
use crate::wire::{SigningTicket, Transport};
use std::rc::Rc;
use std::time::Duration;

/// What the status queries about a target have told: its state and what shows it, unmasked; or why it cannot be known, fit to be shown.
pub(super) type ToldState = Result<(TargetState, String), String>;

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
