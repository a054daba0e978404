//! From a decision of the scheduler to the request: a step is prepared, its intent written, and it begins once that is durable. An intent
//! is written only for an action that has its slot; once it is durable, the request goes.

use super::state::{Dispatcher, Step, StepInFlight};
use crate::engine::attempt::{self, PreparedAttempt};
use crate::engine::status_query::{self, StatusQuery};
use crate::engine::step::{JournalFailed, StepContext, append, intent};
use crate::engine::timing::{Moment, RequestTiming};
use crate::journal::Record;
use crate::run::Ordinal;
use crate::time::Clock;
use crate::wire::Transport;
use futures_util::future::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    pub(super) fn start(&mut self, ordinal: Ordinal, account: usize, now: Moment) -> Result<(), JournalFailed> {
        let sender = Rc::clone(&self.run.senders[account]);
        let (journal, clock) = (self.run.journal.clone(), Rc::clone(&self.run.clock));
        let down = self.breakers[account].is_down();
        let timing = Rc::new(RequestTiming::new(now));
        self.breakers[account].note_request();
        let Some(pass) = sender.pass() else {
            self.scheduler.pause(account, true);
            self.scheduler.requeue(ordinal, account, None);
            let asked = Record::Asked { account, ordinal: None, at: self.run.clock.now() };
            let noted = Rc::clone(&timing);
            let token = async move {
                Step::Token(match append(&journal, clock.elapsed(), vec![asked]).await {
                    Ok(()) => {
                        noted.note_sent(&*clock);
                        let token = sender.fetch_token(clock.now()).await;
                        noted.note_answered(&*clock);
                        Ok(token)
                    }
                    Err(failed) => Err(failed),
                })
            };
            self.begin_step(StepInFlight { account, ordinal: None, timing }, token);
            return Ok(());
        };
        let attempts = self.run.settings.retry.attempts;
        let action = self.run.reader.to_send(ordinal).map_err(|error| JournalFailed(error.to_string()))?;
        let unknown = || JournalFailed(format!("the provider document has no operation {}", action.operation));
        let operation = sender.find_action(&action.operation).ok_or_else(unknown)?;
        let context =
            StepContext { sender, account, operation, journal, clock, pass, down, timing: Rc::clone(&timing) };
        let state = self.states.of(ordinal);
        let in_flight = StepInFlight { account, ordinal: Some(ordinal), timing };
        let lists = Rc::clone(&self.lists[account]);
        if let Some(look) = self.read_backs.get(&ordinal) {
            let query = StatusQuery { action, state, doubtful: look.doubtful.clone(), attempts, lists };
            self.begin_step(in_flight, async move { Step::ReadBack(status_query::ask(&context, &query).await) });
        } else if let Some(doubtful) = self.doubts.get(&ordinal).cloned() {
            let query = StatusQuery { action, state, doubtful, attempts, lists };
            self.begin_step(in_flight, async move {
                Step::LookUp(if query.doubtful.tries >= MAX_STATUS_QUERIES {
                    Ok(status_query::give_up(&context, &query))
                } else {
                    status_query::query_and_settle(context, query).await
                })
            });
        } else {
            let unsigned = context.sender.make(context.operation(), &action.parameters);
            let intent = intent(state, ordinal, self.run.clock.now());
            let passes_refused = self.refused_passes.get(&ordinal).copied().unwrap_or_default();
            self.write_intent(PreparedAttempt { context, action, unsigned, state, intent, attempts, passes_refused });
        }
        Ok(())
    }

    /// An attempt's intent is durable, and it has its slot: it begins.
    pub(super) fn depart(&mut self, prepared: Box<PreparedAttempt<T, C>>) {
        self.fold(&prepared.intent);
        let PreparedAttempt { context, action, .. } = &*prepared;
        let timing = Rc::clone(&context.timing);
        let in_flight = StepInFlight { account: context.account, ordinal: Some(action.ordinal), timing };
        self.begin_step(in_flight, async move { Step::Attempt(Box::new(attempt::attempt(*prepared).await)) });
    }

    /// A step begins. A panic ends it alone.
    pub(super) fn begin_step(&mut self, in_flight: StepInFlight, step: impl Future<Output = Step> + 'static) {
        let over = async move { (in_flight, AssertUnwindSafe(step).catch_unwind().await.ok()) };
        self.steps.push(over.boxed_local());
    }

    /// A step that had its place was not begun.
    pub(super) fn unsent(&mut self, account: usize) {
        self.scheduler.pace(account).unsent();
        self.scheduler.step_ended(account);
    }

    pub(super) fn is_something_under_way(&self) -> bool {
        self.pending.will_send() || !self.steps.is_empty()
    }
}

/// Status queries that come to nothing before an action in doubt stays so.
pub(super) const MAX_STATUS_QUERIES: u32 = 3;
