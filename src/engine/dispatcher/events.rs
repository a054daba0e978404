//! What the observer is notified of. Decides nothing about what is sent next, but that a stopped account sends no more.

use super::state::Dispatcher;
use crate::engine::timing::{Moment, WallTime};
use crate::journal::Reply;
use crate::run::{Event, Ordinal, Outcome, StopReason, WaitReason};
use crate::time::Clock;
use crate::wire::Transport;

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    pub(super) fn stop_account(&mut self, account: usize, reason: StopReason) {
        self.scheduler.stop(account);
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
            self.notify(Event::AccountStopped { account: name.clone(), why });
            self.accounts_stopped.push((name, reason));
        }
    }

    pub(super) fn notify_end(&mut self, account: usize, ordinal: Ordinal, id: &str, outcome: Outcome, reply: &Reply) {
        self.notify(Event::ActionEnded {
            ordinal,
            account: self.run.senders[account].name.clone(),
            id: id.to_owned(),
            outcome,
            message: reply.message.clone().unwrap_or_default(),
        });
    }

    pub(super) fn notify_failure(&mut self, account: usize, ordinal: Ordinal, reply: &Reply) {
        let status = reply.http_status.map(|status| format!("HTTP {status} ")).unwrap_or_default();
        self.notify(Event::AttemptFailed {
            ordinal,
            account: self.run.senders[account].name.clone(),
            attempt: self.states.of(ordinal).attempts,
            why: format!("{status}{}", reply.message.as_deref().unwrap_or_default()),
        });
    }

    /// Notes what each account waits for from now on.
    pub(super) fn note_waits(&mut self) {
        let now = self.run.clock.elapsed();
        let wall = WallTime::new(now, self.run.clock.now());
        for (account, waits) in self.waits.iter_mut().enumerate() {
            let reason = match (self.scheduler.wait_reason(account, now, &wall), self.closed_until) {
                (reason @ (WaitReason::Done | WaitReason::Stopped), _) => reason,
                _ if self.paused => WaitReason::Paused,
                (_, Some(until)) => WaitReason::Closed { until },
                (reason, None) => reason,
            };
            waits.turn_to(reason, now);
        }
    }

    /// Tells what each account waits for, where that has changed.
    pub(super) fn notify_wait_reasons(&mut self) {
        let now = self.run.clock.elapsed();
        for account in 0..self.run.senders.len() {
            match self.waits[account].bound(now) {
                Some(WaitReason::Nothing) => self.notify_wait_reason(account, WaitReason::Answers),
                Some(by) => self.notify_wait_reason(account, by),
                None => {}
            }
        }
    }

    /// Tells what an account waits for, where that has changed.
    pub(super) fn notify_wait_reason(&mut self, account: usize, by: WaitReason) {
        if self.notified_reasons[account].as_ref() != Some(&by) {
            self.notified_reasons[account] = Some(by.clone());
            self.notify(Event::Bounded { account: self.run.senders[account].name.clone(), by });
        }
    }

    pub(super) fn notify_holds(&mut self, now: Moment) {
        for account in 0..self.run.senders.len() {
            self.notify_hold(account, now, "the provider said that there were too many requests");
        }
    }

    /// Tells that an account is held back, and why, where that is news.
    pub(super) fn notify_hold(&mut self, account: usize, now: Moment, why: &str) {
        let Some(until) = self.scheduler.pace(account).held(now) else { return };
        if self.notified_holds.insert(account, until) != Some(until) {
            self.notify(Event::HeldBack {
                account: self.run.senders[account].name.clone(),
                until: WallTime::new(now, self.run.clock.now()).at(until),
                why: why.to_owned(),
            });
        }
    }
}
