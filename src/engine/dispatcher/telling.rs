//! What the dispatcher tells its observer. Decides nothing about what is sent next, but that a stopped account sends no more.

use super::super::pace::Moment;
use super::super::waits::Why;
use super::Dispatcher;
use crate::journal::Reply;
use crate::run::{Bound, Event, Ordinal, Outcome, StopReason};
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

    /// Notes what each account waits for from now on.
    pub(super) fn note_waits(&mut self) {
        let now = self.run.clock.elapsed();
        for (account, waits) in self.waits.iter_mut().enumerate() {
            let why = match self.ready.why(account, now) {
                why @ (Why::Done | Why::Stopped) => why,
                _ if self.paused => Why::Paused,
                _ if self.closed_told.is_some() => Why::Closed,
                why => why,
            };
            waits.turn_to(why, now);
        }
    }

    /// Tells what bounds each account, where that has changed.
    pub(super) fn tell_of_bounds(&mut self) {
        let now = self.run.clock.elapsed();
        for account in 0..self.run.senders.len() {
            let Some(why) = self.waits[account].bound(now) else { continue };
            let by = self.bound(account, why, now);
            self.tell_bound(account, by);
        }
    }

    /// Tells what bounds an account, where that has changed.
    pub(super) fn tell_bound(&mut self, account: usize, by: Bound) {
        if self.bounds[account].as_ref() != Some(&by) {
            self.bounds[account] = Some(by.clone());
            self.tell(Event::Bounded { account: self.run.senders[account].name.clone(), by });
        }
    }

    fn bound(&mut self, account: usize, why: Why, now: Moment) -> Bound {
        let wall = self.run.clock.now();
        let at = |moment: Moment| {
            let ahead = jiff::SignedDuration::try_from(moment.saturating_sub(now)).unwrap_or_default();
            wall.checked_add(ahead).unwrap_or(Timestamp::MAX)
        };
        match why {
            Why::Done => Bound::Done,
            Why::Window(window) => Bound::Window { window: window.to_string() },
            Why::HeldBack => Bound::HeldBack { until: at(self.ready.pace(account).held(now).unwrap_or(now)) },
            Why::Learnt => {
                let per_second = self.ready.pace(account).learnt().unwrap_or_default();
                Bound::Learnt { per_1000_s: (per_second * 1000.0) as u64 }
            }
            Why::Concurrency => Bound::Concurrency { slots: self.ready.slots(account) },
            Why::Canary => Bound::Canary,
            Why::Wave => self.wave(),
            Why::Closed => Bound::Closed { until: self.closed_told.unwrap_or(wall) },
            Why::Paused => Bound::Paused,
            Why::Unreachable => Bound::Unreachable { until: self.reaches[account].next_try().map_or(wall, at) },
            Why::Others => Bound::Others,
            Why::Answers | Why::Nothing => Bound::Answers,
            Why::Stopped => Bound::Stopped,
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
            let ahead = jiff::SignedDuration::try_from(until.saturating_sub(now)).unwrap_or_default();
            self.tell(Event::HeldBack {
                account: self.run.senders[account].name.clone(),
                until: self.run.clock.now().checked_add(ahead).unwrap_or(Timestamp::MAX),
                why: why.to_owned(),
            });
        }
    }
}
