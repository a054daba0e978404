//! When a step took its place, when its request went out, and when it was answered: the real moments, for the limits. Whoever sends
//! notes them; the dispatcher reads them even where the step has panicked. Counts nothing.

use super::pace::Moment;
use crate::time::Clock;
use std::cell::Cell;

/// The moments of one request that is under way.
#[derive(Debug)]
pub struct Trip {
    began: Moment,
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
}

impl Trip {
    /// A step that takes its place now.
    pub const fn new(began: Moment) -> Self {
        Self { began, sent: Cell::new(None), answered: Cell::new(None) }
    }

    /// The request goes out now.
    pub fn departs<C: Clock>(&self, clock: &C) {
        self.sent.set(Some(clock.elapsed()));
    }

    /// The request was answered, or given up.
    pub fn arrived<C: Clock>(&self, clock: &C) {
        self.answered.set(Some(clock.elapsed()));
    }

    /// Its moments, when the step is over.
    pub fn times(&self, now: Moment) -> Times {
        Times {
            began: self.began,
            sent: self.sent.get().unwrap_or(self.began),
            answered: self.answered.get().unwrap_or(now),
            heard: now,
        }
    }
}
