//! From a decision of the scheduler to the request: a step is prepared, its intent written, and it begins once that is durable. An intent
//! is written only for an action that has its slot; once it is durable, the request goes.
//!
//! An attempt's end is folded and queued at once, so that its slot is free and what follows may be queued behind it; the observer hears of
//! it only once it is durable.

use super::state::{Dispatcher, PendingRecord, Step, StepInFlight};
use crate::engine::attempt::{self, PreparedAttempt};
use crate::engine::control::{Done, Heard};
use crate::engine::status_query::{self, StatusQuery};
use crate::engine::step::{JournalFailed, StepContext, append, intent};
use crate::engine::timing::{Moment, RequestTiming};
use crate::journal::{Record, Reply, Written};
use crate::run::{Event, Ordinal, Outcome, StopReason};
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
    /// Starts the next step of an action whose slot and place are taken: an attempt, a status query, or what must be fetched before.
    ///
    /// # Errors
    /// Where the action cannot be read, or its document no longer has its operation; nothing was begun then.
    pub(super) fn start(&mut self, ordinal: Ordinal, account: usize, now: Moment) -> Result<(), JournalFailed> {
        let sender = Rc::clone(&self.run.senders[account]);
        let (journal, clock) = (self.run.journal.clone(), Rc::clone(&self.run.clock));
        let down = self.breakers[account].is_down();
        let timing = Rc::new(RequestTiming::new(now));
        self.breakers[account].note_request();
        let Some(pass) = sender.pass() else {
            self.scheduler.pause(account, true);
            self.scheduler.requeue(ordinal, account, None);
            // Written before it is sent: it counts in the windows of whoever resumes after a crash.
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
        // Folded only now: an intent that did not become durable was never sent, and its action still waits.
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

    /// A step that had its place was not begun: the place and the slot are free again.
    pub(super) fn unsent(&mut self, account: usize) {
        self.scheduler.pace(account).unsent();
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

    /// Queues an attempt's intent; once it is durable the attempt begins.
    pub(super) fn write_intent(&mut self, prepared: PreparedAttempt<T, C>) {
        self.pending.intents += 1;
        self.queue(prepared.intent.clone(), Some(Box::new(prepared)), None);
    }

    /// Queues a word from outside; whoever said it hears when it is durable, or cannot be.
    pub(super) fn record_command(&mut self, record: Record, event: Event, heard: Heard) {
        self.queue(record, None, Some(heard));
        self.notify(event);
    }

    fn queue(&mut self, record: Record, prepared: Option<Box<PreparedAttempt<T, C>>>, heard: Option<Heard>) {
        self.pending.records.push_back(PendingRecord { events: Vec::new(), prepared, heard });
        self.run.journal.queue(record, self.run.clock.elapsed());
    }

    /// Tells the observer, after everything that was written before is durable.
    pub(super) fn notify(&mut self, event: Event) {
        match self.pending.records.back_mut() {
            Some(queued) => queued.events.push(event),
            None => (self.observe)(event),
        }
    }

    /// So many of the oldest records are durable, or cannot be.
    pub(super) fn acknowledged(&mut self, (count, written): (usize, Written)) {
        for _ in 0..count {
            let Some(queued) = self.pending.records.pop_front() else { return };
            self.pending.intents -= usize::from(queued.prepared.is_some());
            self.after_record(queued, &written);
        }
    }

    /// What follows a record. Where it is not durable, nothing of it is told, and nothing more is sent.
    fn after_record(&mut self, queued: PendingRecord<T, C>, written: &Written) {
        let PendingRecord { events, prepared, heard } = queued;
        let written = written.of(prepared.is_some());
        heard.into_iter().for_each(|heard| drop(heard.send(written.map(|()| Done::Done).map_err(str::to_owned))));
        match written {
            Ok(()) => {
                events.into_iter().for_each(|event| (self.observe)(event));
                // Whoever leaves at once sends nothing more; `resume` takes it as lost.
                prepared.filter(|_| !self.leave).into_iter().for_each(|prepared| self.depart(prepared));
            }
            Err(cause) => {
                prepared.into_iter().for_each(|prepared| self.unsent(prepared.context.account));
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

    /// Takes a record of an action into the state that this process holds.
    pub(super) fn fold(&mut self, record: &Record) {
        if let Err(illegal) = self.states.take(record) {
            self.stop(StopReason::Environment(format!("internal error: {illegal}")));
        }
    }

    pub(super) fn end_of(&self, ordinal: Ordinal, outcome: Outcome, answer: Reply) -> Record {
        Record::Ended { ordinal, at: self.run.clock.now(), outcome, answer }
    }
}

/// Status queries that come to nothing before an action in doubt stays so.
pub(super) const MAX_STATUS_QUERIES: u32 = 3;
