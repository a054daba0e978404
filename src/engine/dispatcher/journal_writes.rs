//! What the dispatcher writes, and when the observer is notified: an attempt's end is folded and queued at once, so that its slot is free
//! and what follows may be queued behind it; the observer hears of it only once it is durable.

use super::state::{Dispatcher, PendingRecord};
use crate::engine::attempt::PreparedAttempt;
use crate::engine::control::{Done, Heard};
use crate::journal::{Record, Written};
use crate::run::{Event, Ordinal, StopReason};
use crate::time::Clock;
use crate::wire::Transport;

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

    pub(super) fn end_of(
        &self,
        ordinal: Ordinal,
        outcome: crate::run::Outcome,
        answer: crate::journal::Reply,
    ) -> Record {
        Record::Ended { ordinal, at: self.run.clock.now(), outcome, answer }
    }
}
