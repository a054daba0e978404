//! When a step took its place, when its request went out, and when it was answered: the real moments, for the limits. Whoever sends
//! notes them; the dispatcher reads them even where the step has panicked. Counts nothing.

use super::pace::Moment;
use crate::time::Clock;
use std::cell::Cell;
use std::time::Duration;

/// The way of one request.
#[derive(Debug)]
pub struct Trip {
    began: Moment,
    goes_at: Moment,
    /// When it was written down.
    kept: Cell<Option<Moment>>,
    sent: Cell<Option<Moment>>,
    answered: Cell<Option<Moment>>,
}

/// The moments of a trip that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When it took its place.
    pub began: Moment,
    /// When its request went out, or at the earliest may have.
    pub sent: Moment,
    /// When it was answered or given up, at the latest.
    pub answered: Moment,
    /// When that was heard.
    pub heard: Moment,
    /// How long it took to write it down, where it came to that.
    pub writing: Option<Duration>,
}

impl Trip {
    /// A step that takes its place now, and whose request may not go out before `goes_at`.
    pub const fn new(began: Moment, goes_at: Moment) -> Self {
        Self { began, goes_at, kept: Cell::new(None), sent: Cell::new(None), answered: Cell::new(None) }
    }

    /// The request is written down.
    pub fn written<C: Clock>(&self, clock: &C) {
        self.kept.set(Some(clock.elapsed()));
    }

    /// Waits until the request, which is written down, may go out, and notes when it does.
    pub async fn departs<C: Clock>(&self, clock: &C) {
        if self.kept.get().is_none() {
            self.written(clock);
        }
        loop {
            let now = clock.elapsed();
            if now >= self.goes_at {
                return self.sent.set(Some(now));
            }
            tokio::time::sleep(self.goes_at - now).await;
        }
    }

    /// The request was answered, or given up.
    pub fn arrived<C: Clock>(&self, clock: &C) {
        self.answered.set(Some(clock.elapsed()));
    }

    /// Its moments, when the step is over.
    pub fn times(&self, now: Moment) -> Times {
        Times {
            began: self.began,
            sent: self.sent.get().unwrap_or(self.goes_at),
            answered: self.answered.get().unwrap_or(now),
            heard: now,
            writing: self.kept.get().map(|kept| kept.saturating_sub(self.began)),
        }
    }
}
