//! What the dispatcher tells its observer. Decides nothing about what is sent next, but that a stopped account sends no more.

use super::super::pace::Moment;
use super::Dispatcher;
use crate::journal::Reply;
use crate::run::{Event, Ordinal, Outcome, StopReason};
use crate::time::Clock;
use crate::wire::Transport;
use jiff::Timestamp;

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    pub(super) fn stop_account(&mut self, account: usize, reason: StopReason) {
        self.ready.stop(account);
        let name = self.run.senders[account].name.clone();
        let reason = match reason {
            StopReason::Environment(why) => StopReason::Environment(why.trim_end().to_owned()),
            other => other,
        };
        if !self.accounts_stopped.iter().any(|(stopped, _)| *stopped == name) {
            let why = match &reason {
                StopReason::Rule(why) | StopReason::Environment(why) => why.clone(),
                StopReason::Signal(number) => format!("signal {number}"),
            };
            self.tell(Event::AccountStopped { account: name.clone(), why });
            self.accounts_stopped.push((name, reason));
        }
    }

    pub(super) fn tell_of_end(&mut self, account: usize, ordinal: Ordinal, id: &str, outcome: Outcome, reply: &Reply) {
        self.tell(Event::ActionEnded {
            ordinal,
            account: self.run.senders[account].name.clone(),
            id: id.to_owned(),
            outcome,
            message: reply.message.clone().unwrap_or_default(),
        });
    }

    pub(super) fn tell_of_failure(&mut self, account: usize, ordinal: Ordinal, reply: &Reply) {
        let status = reply.http_status.map(|status| format!("HTTP {status} ")).unwrap_or_default();
        self.tell(Event::AttemptFailed {
            ordinal,
            account: self.run.senders[account].name.clone(),
            attempt: self.states.of(ordinal).attempts,
            why: format!("{status}{}", reply.message.as_deref().unwrap_or_default()),
        });
    }

    pub(super) fn tell_of_holds(&mut self, now: Moment) {
        for account in 0..self.run.senders.len() {
            let Some(until) = self.ready.pace(account).held(now) else { continue };
            if self.hold_told.insert(account, until) != Some(until) {
                let ahead = jiff::SignedDuration::try_from(until.saturating_sub(now)).unwrap_or_default();
                self.tell(Event::HeldBack {
                    account: self.run.senders[account].name.clone(),
                    until: self.run.clock.now().checked_add(ahead).unwrap_or(Timestamp::MAX),
                    why: "the provider said that there were too many requests".to_owned(),
                });
            }
        }
    }
}
