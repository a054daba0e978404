//! What the dispatcher writes, and when it is told: an attempt's end is folded and queued at once, so that its slot is free and
//! what follows may be queued behind it; the observer hears of it only once it is durable.

use super::Dispatcher;
use crate::journal::Record;
use crate::run::{Event, Ordinal, StopReason};
use crate::time::Clock;
use crate::wire::Transport;
use std::collections::VecDeque;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Records that are queued and not yet durable, each with what is told after it.
pub(super) struct Untold {
    /// In the order of queueing, which is that of the journal's acknowledgements.
    events: VecDeque<Vec<Event>>,
    acknowledge: UnboundedSender<Result<(), String>>,
    /// Where the journal says that the oldest is durable, or cannot be.
    pub(super) acknowledged: UnboundedReceiver<Result<(), String>>,
}

impl Untold {
    pub(super) fn new() -> Self {
        let (acknowledge, acknowledged) = unbounded_channel();
        Self { events: VecDeque::new(), acknowledge, acknowledged }
    }
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// Folds records about an action and queues them. No later record is durable before they are.
    pub(super) fn write(&mut self, records: Vec<Record>) {
        for record in &records {
            self.fold(record);
        }
        if !records.is_empty() {
            self.queue(records, |_| ());
        }
    }

    /// Queues records. `then` is called on the journal's thread when they are durable, or cannot be.
    pub(super) fn queue(&mut self, records: Vec<Record>, then: impl FnOnce(&Result<(), String>) + Send + 'static) {
        let acknowledge = self.untold.acknowledge.clone();
        self.untold.events.push_back(Vec::new());
        let steady = self.run.clock.elapsed();
        let done = move |result| {
            then(&result);
            drop(acknowledge.send(result));
        };
        self.run.journal.queue(records, steady, Box::new(done));
    }

    /// Tells the observer, after everything that was written before is durable.
    pub(super) fn tell(&mut self, event: Event) {
        match self.untold.events.back_mut() {
            Some(events) => events.push(event),
            None => (self.observe)(event),
        }
    }

    /// The oldest records are durable, or cannot be: then nothing of them is told, and nothing more is sent.
    pub(super) fn acknowledged(&mut self, result: Result<(), String>) {
        let events = self.untold.events.pop_front().unwrap_or_default();
        match result {
            Ok(()) => events.into_iter().for_each(|event| (self.observe)(event)),
            Err(cause) => self.stop(StopReason::Environment(cause)),
        }
    }

    /// Waits until everything that was queued is durable, or cannot be.
    pub(super) async fn all_told(&mut self) {
        self.run.journal.flush();
        while !self.untold.events.is_empty() {
            let Some(result) = self.untold.acknowledged.recv().await else { return };
            self.acknowledged(result);
        }
    }

    /// Takes a record of an action into the state that this process holds.
    pub(super) fn fold(&mut self, record: &Record) {
        if let Err(illegal) = self.states.take(record) {
            self.stop(StopReason::Environment(format!("internal error: {illegal}")));
        }
    }

    pub(super) fn end_of(
        &self,
        ordinal: Ordinal,
        outcome: crate::run::Outcome,
        answer: crate::journal::Reply,
    ) -> Record {
        Record::Ended { ordinal, at: self.run.clock.now(), outcome, answer }
    }
}
