//! What the provider has accepted and not finished: with `--wait` it is followed by looks until it is settled; without, it is looked at once after
//! anything of this run may have settled it, and once before the run stops for it. How a state is asked for is in `queries`.

use super::state::Dispatcher;
use crate::engine::safety::{self, Gate};
use crate::engine::stages::{FIRST_POLL, Lookup, StageKind, Subject};
use crate::engine::status_query::DoubtfulAction;
use crate::journal::{Phase, Record, Reply};
use crate::provider::Answer;
use crate::provider::stages::Captures;
use crate::run::{Event, Ordinal};
use crate::time::Clock;
use crate::wire::Transport;
use std::time::Duration;

/// What comes of the looks before a run stops.
pub(super) enum LastLook {
    /// Some are queued.
    Queued,
    /// They are once all ends are durable: what is asked with is read from there.
    OnceDurable,
    /// There is nothing more to look at.
    Over,
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// Something in this process waits for an action that has ended, and that the provider has accepted: it is looked at until it is settled, by its
    /// stage or by a status query. Returns whether there is one.
    pub(super) fn follow(&mut self, account: usize, ordinal: Ordinal, answer: Option<Answer>, reply: &Reply) -> bool {
        if self.take_up_pending(account, ordinal, answer, reply).is_none() {
            return false;
        }
        self.scheduler.poll(ordinal, account, self.run.clock.elapsed() + FOLLOW_INTERVAL);
        true
    }

    /// An action has ended well. Where it acted on a request that waits at the CA, that may be settled now.
    pub(super) fn look_at_what_it_settles(&mut self, ordinal: Ordinal) {
        let mut step = ordinal;
        // The second of two approvals needs the first one, and that the request.
        for _ in 0..MAX_APPROVALS {
            let needs = self.queue.needs(step);
            if let Some(request) = needs.iter().copied().find(|need| self.queue.accepts(step, *need)) {
                self.looked_up.remove(&request);
                if !self.run.wait && self.scheduler.is_needed(request) {
                    self.look_once(request);
                }
                return;
            }
            match needs.first() {
                Some(before) if before + 1 == step => step = *before,
                _ => return,
            }
        }
    }

    /// Nothing is left but what waits for others: what of these is pending is looked at, each once.
    pub(super) fn look_before_stopping(&mut self) -> LastLook {
        let settings = self.run.settings;
        let gate = safety::gate(&settings.schedule, self.deadline, self.run.clock.now(), settings.timeout);
        if self.run.wait || matches!(gate, Gate::Closed(_)) {
            return LastLook::Over;
        }
        let (_, needed) = self.needed_and_pending();
        let due: Vec<Ordinal> = needed.into_iter().filter(|ordinal| !self.looked_up.contains(ordinal)).collect();
        if !due.is_empty() && !self.pending.records.is_empty() {
            return LastLook::OnceDurable;
        }
        let queued = due.into_iter().filter(|ordinal| self.look_once(*ordinal)).count();
        if queued > 0 { LastLook::Queued } else { LastLook::Over }
    }

    /// Takes a pending action up again for one look. Returns whether there is one.
    fn look_once(&mut self, ordinal: Ordinal) -> bool {
        let Some(account) = self.queue.account(ordinal).filter(|account| !self.scheduler.is_stopped(*account)) else {
            return false;
        };
        let Phase::Ended(outcome) = self.states.of(ordinal).phase else { return false };
        if !outcome.is_pending() {
            return false;
        }
        self.looked_up.insert(ordinal);
        let Ok((action, history)) = self.run.reader.history(ordinal) else { return false };
        self.captures.insert(ordinal, history.captures);
        let Some(lookup) = self.take_up_pending(account, ordinal, None, &history.reply) else {
            self.captures.remove(&ordinal);
            return false;
        };
        self.scheduler.reopen(ordinal);
        let name = self.run.senders[account].name.clone();
        self.notify(Event::ActionReopened { ordinal, account: name, id: action.id, outcome });
        match lookup {
            Some(Lookup::List) => self.queue_query(account, ordinal, lookup),
            // What an approval has set going takes a CA a moment.
            _ => self.scheduler.poll(ordinal, account, self.run.clock.elapsed() + FIRST_POLL),
        }
        true
    }

    /// Takes a pending action up again, to be looked at by its stage (`Some(None)`) or by a status query. `None` where nothing can tell its state.
    fn take_up_pending(
        &mut self,
        account: usize,
        ordinal: Ordinal,
        answer: Option<Answer>,
        reply: &Reply,
    ) -> Option<Option<Lookup>> {
        let action = self.run.reader.to_send(ordinal).ok()?;
        let stage = self.stage_rules(account, ordinal)?;
        let mut lookup = None;
        if stage.kind != StageKind::Safe {
            let answer = answer.or_else(|| stage.recorded_answer(reply));
            let sender = &self.run.senders[account];
            let at = (sender.find_action(&action.operation)?, self.states.of(ordinal).stage);
            let none = Captures::default();
            let captures = self.captures.get(&ordinal).unwrap_or(&none);
            let subject = Subject::at(&sender.provider, action, at, captures);
            lookup = Some(stage.lookup(&sender.provider, subject.parameters(), answer.as_ref())?);
            let since = self.run.clock.elapsed();
            let doubtful = DoubtfulAction { answer, reply: reply.clone(), since, ..DoubtfulAction::default() };
            self.doubts.insert(ordinal, doubtful);
        }
        self.write(vec![Record::Reopened { ordinal, at: self.run.clock.now(), follows: true }]);
        Some(lookup)
    }
}

/// Between two looks at what something waits for.
pub(super) const FOLLOW_INTERVAL: Duration = Duration::from_secs(60);
/// Steps in a row that act on one request, at most.
const MAX_APPROVALS: usize = 8;
