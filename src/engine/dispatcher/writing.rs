//! What the dispatcher writes, and when it is told: an attempt's end is folded and queued at once, so that its slot is free and
//! what follows may be queued behind it; the observer hears of it only once it is durable.

use super::Dispatcher;
use super::departing::Departure;
use crate::journal::Record;
use crate::run::{Event, Ordinal, StopReason};
use crate::time::Clock;
use crate::wire::Transport;
use std::collections::VecDeque;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Records that are queued and not yet durable, each with what follows once it is.
pub(super) struct Untold<T, C> {
    /// In the order of queueing, which is that of the journal's acknowledgements.
    queued: VecDeque<Queued<T, C>>,
    /// How many of them are intents.
    intents: usize,
    acknowledge: UnboundedSender<Result<(), String>>,
    /// Where the journal says that the oldest is durable, or cannot be.
    pub(super) acknowledged: UnboundedReceiver<Result<(), String>>,
}

/// What follows records once they are durable.
struct Queued<T, C> {
    /// What is told.
    events: Vec<Event>,
    /// The attempt whose intent they are.
    departure: Option<Box<Departure<T, C>>>,
}

impl<T, C> Untold<T, C> {
    pub(super) fn new() -> Self {
        let (acknowledge, acknowledged) = unbounded_channel();
        Self { queued: VecDeque::new(), intents: 0, acknowledge, acknowledged }
    }

    /// Whether an intent is among them, so that a request will follow.
    pub(super) const fn departs(&self) -> bool {
        self.intents > 0
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

    /// Queues an attempt's intent; once it is durable the attempt begins.
    pub(super) fn intend(&mut self, departure: Departure<T, C>) {
        self.queue(vec![departure.intent.clone()], |_| ());
        if let Some(queued) = self.untold.queued.back_mut() {
            queued.departure = Some(Box::new(departure));
            self.untold.intents += 1;
        }
    }

    /// Queues records. `then` is called on the journal's thread when they are durable, or cannot be.
    pub(super) fn queue(&mut self, records: Vec<Record>, then: impl FnOnce(&Result<(), String>) + Send + 'static) {
        let acknowledge = self.untold.acknowledge.clone();
        self.untold.queued.push_back(Queued { events: Vec::new(), departure: None });
        let steady = self.run.clock.elapsed();
        let done = move |result| {
            then(&result);
            drop(acknowledge.send(result));
        };
        self.run.journal.queue(records, steady, Box::new(done));
    }

    /// Tells the observer, after everything that was written before is durable.
    pub(super) fn tell(&mut self, event: Event) {
        match self.untold.queued.back_mut() {
            Some(queued) => queued.events.push(event),
            None => (self.observe)(event),
        }
    }

    /// The oldest records are durable, or cannot be: then nothing of them is told, and nothing more is sent.
    pub(super) fn acknowledged(&mut self, result: Result<(), String>) {
        let Some(Queued { events, departure }) = self.untold.queued.pop_front() else { return };
        self.untold.intents -= usize::from(departure.is_some());
        match (result, departure) {
            (Ok(()), departure) => {
                events.into_iter().for_each(|event| (self.observe)(event));
                // Whoever leaves at once sends nothing more; `resume` takes it as lost.
                departure.filter(|_| !self.leave).into_iter().for_each(|departure| self.written_down(*departure));
            }
            (Err(cause), departure) => {
                departure.into_iter().for_each(|departure| self.unsent(departure.tools.account));
                self.stop(StopReason::Environment(cause));
            }
        }
    }

    /// Waits until everything that was queued is durable, or cannot be.
    pub(super) async fn all_told(&mut self) {
        self.run.journal.flush();
        while !self.untold.queued.is_empty() {
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
