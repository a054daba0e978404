//! Moments by the clock that never jumps: those of one request, for the limits; how long an account waited for what; and what the wall
//! clock shows at a moment. Counts no requests, decides nothing.

use crate::run::WaitReason;
use crate::time::Clock;
use jiff::{SignedDuration, Timestamp};
use std::cell::Cell;
use std::time::Duration;

/// Time since an arbitrary start that never jumps.
pub type Moment = Duration;

/// The moments of one request that is under way: when its step took its place, when it went out, and when it was answered. Whoever
/// sends notes them; the dispatcher reads them even where the step has panicked.
#[derive(Debug)]
pub struct RequestTiming {
    began: Moment,
    sent: Cell<Option<Moment>>,
    answered: Cell<Option<Moment>>,
}

/// The moments of a request that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTimes {
    /// When its step took its place.
    pub began: Moment,
    /// When it went out, or at the earliest may have.
    pub sent: Moment,
    /// When it was answered or given up, at the latest.
    pub answered: Moment,
    /// When the dispatcher processed the answer: it may have been busy, which is no latency of the provider.
    pub processed: Moment,
}

impl RequestTiming {
    /// Of a step that takes its place now.
    pub const fn new(began: Moment) -> Self {
        Self { began, sent: Cell::new(None), answered: Cell::new(None) }
    }

    /// The request goes out now.
    pub fn note_sent<C: Clock>(&self, clock: &C) {
        self.sent.set(Some(clock.elapsed()));
    }

    /// The request was answered, or given up.
    pub fn note_answered<C: Clock>(&self, clock: &C) {
        self.answered.set(Some(clock.elapsed()));
    }

    /// Its moments, when the step is over.
    pub fn times(&self, now: Moment) -> RequestTimes {
        RequestTimes {
            began: self.began,
            sent: self.sent.get().unwrap_or(self.began),
            answered: self.answered.get().unwrap_or(now),
            processed: now,
        }
    }
}

/// What the wall clock shows at moments. Both clocks are read once, since the wall clock may be set between two readings of them.
#[derive(Debug, Clone, Copy)]
pub struct WallTime {
    now: Moment,
    wall: Timestamp,
}

impl WallTime {
    /// By the wall clock that shows this at that moment.
    pub const fn new(now: Moment, wall: Timestamp) -> Self {
        Self { now, wall }
    }

    /// By the clock's present readings.
    pub fn read<C: Clock>(clock: &C) -> Self {
        Self::new(clock.elapsed(), clock.now())
    }

    /// What it shows at a moment to come; now, where the moment is past.
    pub fn at(&self, moment: Moment) -> Timestamp {
        let ahead = SignedDuration::try_from(moment.saturating_sub(self.now)).unwrap_or(SignedDuration::MAX);
        self.wall.checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// The moment at which it will show this; now, where it is past.
    pub fn moment(&self, at: Timestamp) -> Moment {
        self.now.saturating_add(self.until(at))
    }

    /// How long until it shows this; no time, where it is past.
    pub fn until(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.wall)).unwrap_or_default()
    }
}

/// How long one account waited for what.
#[derive(Debug, Clone, Default)]
pub struct WaitTimes {
    current: Option<WaitReason>,
    since: Moment,
    spent: Vec<(WaitReason, Duration)>,
}

impl WaitTimes {
    /// From now on this is the reason. What went by since the last is counted under the last.
    pub fn turn_to(&mut self, reason: WaitReason, now: Moment) {
        self.count(now);
        self.current = Some(reason);
    }

    /// Counts the time until now under the present reason.
    pub fn count(&mut self, now: Moment) {
        let went_by = now.saturating_sub(self.since);
        self.since = now;
        let Some(reason) = self.current.as_ref().filter(|_| !went_by.is_zero()) else { return };
        match self.spent.iter_mut().find(|(known, _)| known.is_same_kind(reason)) {
            Some((known, spent)) => {
                known.clone_from(reason);
                *spent += went_by;
            }
            None => self.spent.push((reason.clone(), went_by)),
        }
    }

    /// What was waited for, the longest first.
    pub fn spent(&self) -> Vec<(WaitReason, Duration)> {
        let mut spent = self.spent.clone();
        spent.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
        spent
    }

    /// The one thing that bounds the account now. A lasting reason counts at once; of reasons that alternate (a burst, then a full window)
    /// the one that took most of the last seconds, since bars that flicker between two cannot be read. Called about once a second.
    pub fn bound(&mut self, now: Moment) -> Option<WaitReason> {
        self.count(now);
        let longest = self.spent.iter().max_by_key(|(_, time)| *time).map(|(reason, _)| reason.clone());
        // What was long ago counts for less each time.
        for (_, time) in &mut self.spent {
            *time /= 2;
        }
        self.spent.retain(|(_, time)| !time.is_zero());
        let current = self.current.clone();
        match &current {
            // A learnt pace spaces requests evenly: it does not alternate, though a burst may hide it.
            Some(reason) if reason.alternates() && !matches!(reason, WaitReason::Learnt { .. }) => {
                longest.filter(WaitReason::alternates).or(current)
            }
            _ => current,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const CONCURRENCY: WaitReason = WaitReason::Concurrency { slots: 4 };

    #[test]
    fn time_is_counted_under_what_was_waited_for() {
        let mut waits = WaitTimes::default();
        for (reason, at) in [
            (CONCURRENCY, 100),
            (WaitReason::Answers, 300),
            (WaitReason::Concurrency { slots: 5 }, 350),
            (WaitReason::Done, 450),
        ] {
            waits.turn_to(reason, ms(at));
        }
        waits.count(ms(460));
        let expected = [
            (WaitReason::Concurrency { slots: 5 }, ms(300)),
            (WaitReason::Answers, ms(50)),
            (WaitReason::Done, ms(10)),
        ];
        assert_eq!(waits.spent(), expected);
    }

    #[test]
    fn a_burst_does_not_hide_the_window_and_a_pause_counts_at_once() {
        use WaitReason::{Done, Paused};
        let window = || WaitReason::Window { window: "100/5s".to_owned() };
        let mut waits = WaitTimes::default();
        let mut now = 0;
        let mut bounds = Vec::new();
        for (reason, lasts) in [
            (CONCURRENCY, 400),
            (window(), 600),
            (window(), 1000),
            (CONCURRENCY, 500),
            (window(), 500),
            (Paused, 10),
            (CONCURRENCY, 1000),
            (Done, 10),
        ] {
            waits.turn_to(reason, ms(now));
            now += lasts;
            bounds.push(waits.bound(ms(now)).unwrap());
        }
        assert_eq!(bounds, [CONCURRENCY, window(), window(), window(), window(), Paused, CONCURRENCY, Done]);
    }
}
