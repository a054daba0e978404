//! What the dispatcher tells its observer. Decides nothing about what is sent next, but that a stopped account sends no more.

use super::super::timing::{Moment, WallTime};
use super::Dispatcher;
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

    /// Notes what each account waits for from now on.
    pub(super) fn note_waits(&mut self) {
        let now = self.run.clock.elapsed();
        let wall = WallTime::new(now, self.run.clock.now());
        for (account, waits) in self.waits.iter_mut().enumerate() {
            let reason = match (self.ready.wait_reason(account, now, &wall), self.closed_told) {
                (reason @ (WaitReason::Done | WaitReason::Stopped), _) => reason,
                _ if self.paused => WaitReason::Paused,
                (_, Some(until)) => WaitReason::Closed { until },
                (reason, None) => reason,
            };
            waits.turn_to(reason, now);
        }
    }

    /// Tells what bounds each account, where that has changed.
    pub(super) fn tell_of_bounds(&mut self) {
        let now = self.run.clock.elapsed();
        for account in 0..self.run.senders.len() {
            match self.waits[account].bound(now) {
                Some(WaitReason::Nothing) => self.tell_bound(account, WaitReason::Answers),
                Some(by) => self.tell_bound(account, by),
                None => {}
            }
        }
    }

    /// Tells what bounds an account, where that has changed.
    pub(super) fn tell_bound(&mut self, account: usize, by: WaitReason) {
        if self.bounds[account].as_ref() != Some(&by) {
            self.bounds[account] = Some(by.clone());
            self.tell(Event::Bounded { account: self.run.senders[account].name.clone(), by });
        }
    }

    pub(super) fn tell_of_holds(&mut self, now: Moment) {
        for account in 0..self.run.senders.len() {
            self.tell_of_hold(account, now, "the provider said that there were too many requests");
        }
    }

    /// Tells that an account is held back, and why, where that is news.
    pub(super) fn tell_of_hold(&mut self, account: usize, now: Moment, why: &str) {
        let Some(until) = self.ready.pace(account).held(now) else { return };
        if self.hold_told.insert(account, until) != Some(until) {
            self.tell(Event::HeldBack {
                account: self.run.senders[account].name.clone(),
                until: WallTime::new(now, self.run.clock.now()).at(until),
                why: why.to_owned(),
            });
        }
    }
}
