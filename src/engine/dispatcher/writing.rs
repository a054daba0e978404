//! What the dispatcher writes, and when it is told: an attempt's end is folded and queued at once, so that its slot is free and
//! what follows may be queued behind it; the observer hears of it only once it is durable.

use super::Dispatcher;
use super::departing::Departure;
use crate::engine::control::{Done, Heard};
use crate::journal::{Journal, Record, Written};
use crate::run::{Event, Ordinal, StopReason};
use crate::time::Clock;
use crate::wire::Transport;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Records that are queued and not yet durable, each with what follows once it is.
pub(super) struct Untold<T, C> {
    /// In the order of queueing, which is that of the journal's acknowledgements.
    queued: VecDeque<Queued<T, C>>,
    /// How many of them are intents.
    intents: usize,
    /// Where the journal says of how many of the oldest what became of them.
    pub(super) acknowledged: UnboundedReceiver<(usize, Written)>,
}

/// What follows a record once it is durable.
struct Queued<T, C> {
    /// What is told.
    events: Vec<Event>,
    /// The attempt whose intent it is.
    departure: Option<Box<Departure<T, C>>>,
    /// Who said what it takes down.
    heard: Option<Heard>,
}

impl<T, C> Untold<T, C> {
    pub(super) fn of(journal: &Journal) -> Self {
        let (acknowledge, acknowledged) = unbounded_channel();
        journal.tell(Arc::new(move |count, written| drop(acknowledge.send((count, written)))));
        Self { queued: VecDeque::new(), intents: 0, acknowledged }
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
        for record in records {
            self.fold(&record);
            self.queue(record, None, None);
        }
    }

    /// Queues an attempt's intent; once it is durable the attempt begins.
    pub(super) fn intend(&mut self, departure: Departure<T, C>) {
        self.untold.intents += 1;
        self.queue(departure.intent.clone(), Some(Box::new(departure)), None);
    }

    /// Queues a word from outside; whoever said it hears when it is durable, or cannot be.
    pub(super) fn take_down(&mut self, record: Record, event: Event, heard: Heard) {
        self.queue(record, None, Some(heard));
        self.tell(event);
    }

    fn queue(&mut self, record: Record, departure: Option<Box<Departure<T, C>>>, heard: Option<Heard>) {
        self.untold.queued.push_back(Queued { events: Vec::new(), departure, heard });
        self.run.journal.queue(record, self.run.clock.elapsed());
    }

    /// Tells the observer, after everything that was written before is durable.
    pub(super) fn tell(&mut self, event: Event) {
        match self.untold.queued.back_mut() {
            Some(queued) => queued.events.push(event),
            None => (self.observe)(event),
        }
    }

    /// So many of the oldest records are durable, or cannot be.
    pub(super) fn acknowledged(&mut self, (count, written): (usize, Written)) {
        for _ in 0..count {
            let Some(queued) = self.untold.queued.pop_front() else { return };
            self.untold.intents -= usize::from(queued.departure.is_some());
            self.follows(queued, &written);
        }
    }

    /// What follows a record. Where it is not durable, nothing of it is told, and nothing more is sent.
    fn follows(&mut self, queued: Queued<T, C>, written: &Written) {
        let Queued { events, departure, heard } = queued;
        let written = written.of(departure.is_some());
        heard.into_iter().for_each(|heard| drop(heard.send(written.map(|()| Done::Done).map_err(str::to_owned))));
        match written {
            Ok(()) => {
                events.into_iter().for_each(|event| (self.observe)(event));
                // Whoever leaves at once sends nothing more; `resume` takes it as lost.
                departure.filter(|_| !self.leave).into_iter().for_each(|departure| self.depart(departure));
            }
            Err(cause) => {
                departure.into_iter().for_each(|departure| self.unsent(departure.tools.account));
                self.stop(StopReason::Environment(cause.to_owned()));
            }
        }
    }

    /// Waits until everything that was queued is durable, or cannot be.
    pub(super) async fn all_told(&mut self) {
        while !self.untold.queued.is_empty() {
            self.run.journal.flush();
            let Some(written) = self.untold.acknowledged.recv().await else { return };
            self.acknowledged(written);
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
