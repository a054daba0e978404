//! Ends that are taken up again in the same process: those that the order of answers alone told, once an answer of their account has
//! turned out to be another request's. What a person takes up again (`resume --retry`) is [`crate::engine::start`]'s.

use super::state::Dispatcher;
use crate::engine::attempt::{self, closing_reply};
use crate::engine::retry::{self, NextStep};
use crate::engine::stages::StageRules;
use crate::engine::status_query::DoubtfulAction;
use crate::journal::{Phase, Record, Reply};
use crate::run::{Event, Ordinal, Outcome, StopReason};
use crate::time::Clock;
use crate::wire::Transport;
use std::rc::Rc;

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// A request that was asked once more was answered otherwise, so that the answer before was another request's. Whatever this account was
    /// answered by the order of answers alone is in doubt from here on.
    pub(super) fn note_disorder(&mut self, account: usize, id: &str) {
        if !self.run.senders[account].note_disorder() {
            return;
        }
        let told = (0..).zip(&self.ended_by_order).filter(|(_, told)| **told).map(|(ordinal, _)| ordinal);
        let told: Vec<Ordinal> = told.filter(|ordinal| self.queue.account(*ordinal) == Some(account)).collect();
        let name = &self.run.senders[account].name;
        let earlier = match told.len() {
            0 => "Nothing before it was answered so".to_owned(),
            1 => "One action that had ended by such an answer is taken up again".to_owned(),
            count => format!("{count} actions that had ended by such answers are taken up again"),
        };
        self.notify(Event::Warning(format!(
            "{name}, or a gateway before it, answers more than it is asked: {id} was first answered by what belongs to another request. \
             Each request has a connection of its own from now on. {earlier}"
        )));
        for ordinal in told {
            self.reopen(account, ordinal);
        }
    }

    /// An action ended: noted where the order of answers alone told so, or taken up again at once where that is worth nothing any more.
    pub(super) fn note_end_by_order(&mut self, account: usize, ordinal: Ordinal, outcome: Outcome, by_order: bool) {
        let Some(index) = usize::try_from(ordinal).ok() else { return };
        if !retry::is_taken_up_again(outcome, by_order) {
            return;
        }
        if self.run.senders[account].is_disordered() {
            return self.reopen(account, ordinal);
        }
        if index >= self.ended_by_order.len() {
            self.ended_by_order.resize(index + 1, false);
        }
        self.ended_by_order[index] = true;
    }

    /// Takes an ended action up again, as one whose answer was lost: its state is asked for, or it is sent once more where that is harmless.
    fn reopen(&mut self, account: usize, ordinal: Ordinal) {
        let Phase::Ended(ended) = self.states.of(ordinal).phase else { return };
        // A canary that is read back is looked up as it is.
        if self.read_backs.contains_key(&ordinal) {
            return;
        }
        let action = match self.run.reader.to_send(ordinal) {
            Ok(action) => action,
            Err(error) => return self.stop(StopReason::Environment(error.to_string())),
        };
        // Its request was made of it, so it is there.
        let Ok(action) = attempt::resolved(self.run.reader, &self.run.senders, action) else { return };
        let sender = Rc::clone(&self.run.senders[account]);
        let Some(operation) = sender.find_action(&action.operation) else { return };
        // An action of several stages has connections of its own.
        let Some(stage) = StageRules::of(&sender.provider, operation, 0) else { return };
        self.write(vec![Record::Reopened { ordinal, at: self.run.clock.now(), follows: false }]);
        self.scheduler.reopen(ordinal);
        self.notify(Event::ActionReopened {
            ordinal,
            account: sender.name.clone(),
            id: action.id.clone(),
            outcome: ended,
        });
        let message = "its answer may have been another request's".to_owned();
        let reply = Reply { message: Some(message), ..Reply::default() };
        let attempts = self.run.settings.retry.attempts;
        let rules = attempt::rules(&sender.provider, &stage, &action.parameters, None, attempts);
        match retry::first_step(rules, self.states.of(ordinal)) {
            NextStep::LookUp(_) => {
                let now = self.run.clock.elapsed();
                self.doubts.insert(ordinal, DoubtfulAction { reply, since: now, ..DoubtfulAction::default() });
                self.queue_query(account, ordinal, stage.lookup(&sender.provider, &action.parameters, None));
            }
            NextStep::End(outcome) => {
                let reply = closing_reply(&sender, &stage, &action, outcome, (true, true), reply);
                self.write(vec![self.end_of(ordinal, outcome, reply.clone())]);
                self.end_action(account, ordinal, &action.id, outcome, &reply);
                self.release_dependents(ordinal, &action.id, outcome);
            }
            NextStep::Again | NextStep::Hold | NextStep::StopAccount | NextStep::NextStage | NextStep::Poll => {
                self.scheduler.requeue(ordinal, account, None);
            }
        }
    }

    /// Whether an action that is about to be sent must wait after all: what it needs was taken up again since it was let go. Where that has
    /// ended badly meanwhile it is never sent.
    pub(super) fn waits_again(&mut self, ordinal: Ordinal, account: usize) -> bool {
        let phase = |need: &Ordinal| self.states.of(*need).phase;
        let is_open = |need: &Ordinal| !self.queue.is_met(ordinal, *need, self.states.of(*need));
        let open: Vec<Ordinal> = self.queue.needs(ordinal).iter().copied().filter(is_open).collect();
        if open.is_empty() || self.states.of(ordinal).attempts > 0 {
            return false;
        }
        let is_lost = open.iter().any(|need| matches!(phase(need), Phase::Ended(outcome) if !outcome.is_pending()));
        self.release_unsent(account);
        if is_lost {
            let mut lost = vec![ordinal];
            lost.extend(self.scheduler.action_ended(ordinal, false));
            self.skip(lost, "never sent: an action that it needs did not end well");
        } else {
            self.scheduler.block(ordinal, account, &open, None);
        }
        true
    }
}
