//! When a provider may be sent its next request: exact windows, what was learnt from refusals, and hold-back. All accounts that
//! share a credential share one pace.
//!
//! A state machine on a given `now`; never sleeps, never reads a clock.

mod adaptive;
mod cap;
mod spacing;
#[cfg(test)]
mod tests;
mod windows;

use super::waits::Why;
use crate::provider::model::Window;
use adaptive::Adaptive;
use std::time::Duration;
use windows::Windows;

/// Time since an arbitrary start that never jumps.
pub type Moment = Duration;

/// The pace of one provider, as far as one credential goes.
#[derive(Debug)]
pub struct Pace {
    windows: Windows,
    adaptive: Adaptive,
    held_until: Moment,
    /// What kept the last request from being sent.
    limit: Option<Limit>,
}

/// Why nothing may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Until this moment.
    Until(Moment),
    /// Until an answer comes.
    UntilAnswer,
}

/// What the shortest window allows, whether declared or learnt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowed {
    /// Requests a second.
    pub per_second: f64,
    /// Requests in one window.
    pub count: u32,
}

/// What keeps a pace from sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// A full window.
    Window(Window),
    /// A slower pace than the windows allow, learnt from refusals.
    Learnt,
    /// The provider is held back until this moment.
    Held(Moment),
}

impl Pace {
    /// A pace under these windows. With none, only hold-back and what is learnt apply.
    pub fn new(windows: &[Window]) -> Self {
        Self {
            windows: Windows::new(windows),
            adaptive: Adaptive::new(windows),
            held_until: Moment::ZERO,
            limit: None,
        }
    }

    /// Other windows hold from now on; what was learnt is kept where these are not stricter anyway.
    pub fn set_windows(&mut self, windows: &[Window]) {
        self.windows.set(windows);
        self.adaptive.set(windows);
    }

    /// Counts requests of an earlier process, each by how long ago it was answered at the latest; in any order.
    pub fn seed(&mut self, now: Moment, ages: impl IntoIterator<Item = Duration>) {
        self.windows.seed(now, ages);
        self.adaptive.seed(self.windows.answers());
    }

    /// Begins with what an earlier process has learnt ([`Pace::learnt_windows`]).
    pub fn recall(&mut self, now: Moment, learnt: &[Window]) {
        self.adaptive.recall(now, learnt);
    }

    /// Takes a place for a request that is sent now, or tells when to ask again.
    ///
    /// # Errors
    /// [`Full`] where nothing may be sent now.
    pub fn take(&mut self, now: Moment) -> Result<(), Full> {
        let (limit, full) = self.look(now);
        self.limit = limit;
        if let Some(full) = full {
            return Err(full);
        }
        self.windows.taken(now);
        self.adaptive.taken(now);
        Ok(())
    }

    fn look(&mut self, now: Moment) -> (Option<Limit>, Option<Full>) {
        if now < self.held_until {
            return (Some(Limit::Held(self.held_until)), Some(Full::Until(self.held_until)));
        }
        let exact = self.windows.room(now).err();
        // Asked even when a window is full already: only a learnt pace that really binds may be put to the test.
        let learnt = self.adaptive.room(now, exact.is_some()).err();
        match (exact, learnt) {
            (None, None) => (None, None),
            (Some((window, full)), None) => (Some(Limit::Window(window)), Some(full)),
            (None, Some(full)) => (Some(Limit::Learnt), Some(full)),
            (Some((window, Full::Until(one))), Some(Full::Until(other))) if one >= other => {
                (Some(Limit::Window(window)), Some(Full::Until(one)))
            }
            (Some((window, Full::UntilAnswer)), Some(_)) => (Some(Limit::Window(window)), Some(Full::UntilAnswer)),
            (Some(_), Some(full)) => (Some(Limit::Learnt), Some(full)),
        }
    }

    /// The request of a taken place, which went out at `sent`, was answered, or given up. Where an answer came, [`Pace::quiet`] or
    /// [`Pace::throttled`] follows.
    pub fn answered(&mut self, sent: Moment, answered: Moment) {
        self.windows.answered(answered);
        self.adaptive.answered(sent, answered);
    }

    /// The place was taken, but nothing was sent.
    pub fn unsent(&mut self) {
        self.windows.unsent();
        self.adaptive.unsent();
    }

    /// An answer came that was no throttling.
    pub fn quiet(&mut self, now: Moment) {
        self.adaptive.admitted(now);
    }

    /// The provider said that there were too many; perhaps how long to wait, perhaps the limit itself. Returns the moment until
    /// which it is held back.
    pub fn throttled(&mut self, now: Moment, retry_after: Option<Duration>, told: Option<Window>) -> Moment {
        let own = self.adaptive.refused(now, told);
        // A provider that asks for no wait has not said when there is room.
        // And a told limit's own length is no wait: its window keeps requests back as long as it must.
        let other = |wait: &Duration| !wait.is_zero() && told.is_none_or(|told| told.length != *wait);
        let asked = retry_after.filter(other).map(|wait| wait.min(LONGEST_HOLD));
        let hold = asked.unwrap_or(own);
        self.held_until = self.held_until.max(now.saturating_add(hold));
        self.held_until
    }

    /// Holds the provider back until a moment, for a reason of our own.
    pub fn hold(&mut self, until: Moment) {
        self.held_until = self.held_until.max(until);
    }

    /// The moment until which the provider is held back, where that lies ahead.
    pub fn held(&self, now: Moment) -> Option<Moment> {
        (self.held_until > now).then_some(self.held_until)
    }

    /// What kept the last request that was to be sent from going out; `None` where it went.
    pub const fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// What was learnt from refusals, as windows that hold beside the declared ones; none where nothing was.
    pub fn learnt_windows(&self) -> Vec<Window> {
        self.adaptive.learnt()
    }

    /// The slowest of them, in requests a second.
    pub fn learnt(&self) -> Option<f64> {
        let paces = self.adaptive.learnt().into_iter();
        paces.map(|window| f64::from(window.count) / window.length.as_secs_f64()).reduce(f64::min)
    }

    /// What fills the pace now, where nothing may be sent; takes no place.
    pub fn full(&self, now: Moment) -> Option<Why> {
        if now < self.held_until {
            return Some(Why::HeldBack);
        }
        let full = self.windows.room(now).err().map(|(window, _)| Why::Window(window));
        full.or_else(|| self.adaptive.has_learnt().then_some(Why::Learnt))
    }

    /// What was learnt, where it is notably other than what this last told; at most once in the longest learnt window.
    pub fn notable(&mut self, now: Moment) -> Option<Vec<Window>> {
        self.adaptive.notable(now)
    }

    /// What the shortest window allows, whether declared or learnt; `None` without any.
    pub fn allowed(&self) -> Option<Allowed> {
        self.adaptive.allowed()
    }

    /// Requests in flight.
    pub const fn in_flight(&self) -> usize {
        self.windows.in_flight()
    }

    /// The declared windows.
    pub fn windows(&self) -> &[Window] {
        self.windows.all()
    }
}

/// Longest hold-back, whatever a provider says.
const LONGEST_HOLD: Duration = Duration::from_secs(3600);
