//! A canary that ended well is read back before the others go: what is asked, and what follows on it. The rules of that are in
//! [`crate::engine::safety`].

use super::queries::ToldState;
use super::state::{Dispatcher, ReadBack};
use crate::engine::attempt;
use crate::engine::safety::{self, AfterReadBack};
use crate::engine::stages::StageRules;
use crate::engine::status_query::DoubtfulAction;
use crate::provider::Answer;
use crate::run::{Event, Ordinal, Outcome, StopReason};
use crate::time::Clock;
use crate::wire::Transport;

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
        let resolved = attempt::resolved(self.run.reader, &self.run.senders, action);
        let Ok(action) = resolved else { return false };
        let sender = &self.run.senders[account];
        let Some(operation) = sender.find_action(&action.operation) else { return false };
        let Some(stage) = StageRules::of(&sender.provider, operation, 0) else { return false };
        if stage.lookup(&sender.provider, &action.parameters, answer.as_ref()).is_none() {
            return false;
        }
        let doubtful = DoubtfulAction { answer, since: self.run.clock.elapsed(), ..DoubtfulAction::default() };
        self.read_backs.insert(ordinal, ReadBack { id: id.to_owned(), outcome, doubtful, reads: 0 });
        self.scheduler.requeue(ordinal, account, None);
        true
    }

    /// The state of a canary's target was read, or cannot be.
    pub(super) fn read_back(&mut self, account: usize, ordinal: Ordinal, told: ToldState) {
        let now = self.run.clock.elapsed();
        let Some(mut read_back) = self.read_backs.remove(&ordinal) else { return };
        let after = match told {
            Ok((target_state, seen)) => {
                read_back.reads += 1;
                read_back.doubtful.since = now;
                safety::after_read_back(target_state, &self.run.senders[account].mask(&seen), read_back.reads)
            }
            Err(why) => AfterReadBack::GoOnUnproved(why),
        };
        let ReadBack { id, outcome, .. } = &read_back;
        match after {
            AfterReadBack::ReadAgain(pause) => {
                self.scheduler.requeue(ordinal, account, (!pause.is_zero()).then(|| now + pause));
                self.read_backs.insert(ordinal, read_back);
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
}
