//! When a provider may be sent its next request: exact windows, what was learnt from refusals, and hold-back. All accounts that
//! share a credential share one pace.
//!
//! A state machine on a given `now`; never sleeps, never reads a clock.

mod adaptive;
#[cfg(test)]
mod tests;
mod windows;

pub use adaptive::Allowed;
pub use windows::Full;

use super::timing::{Moment, WallTime};
use crate::provider::model::Window;
use crate::run::WaitReason;
use adaptive::Adaptive;
use std::time::Duration;
use windows::Windows;

/// The pace of one provider, as far as one credential goes.
#[derive(Debug)]
pub struct Pace {
    windows: Windows,
    adaptive: Adaptive,
    held_until: Moment,
    /// Whether a full window kept the last request from being sent.
    window_was_full: bool,
}

impl Pace {
    /// A pace under these windows. With none, only hold-back and what is learnt apply.
    pub fn new(windows: &[Window]) -> Self {
        Self {
            windows: Windows::new(windows),
            adaptive: Adaptive::new(windows),
            held_until: Moment::ZERO,
            window_was_full: false,
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
        if now < self.held_until {
            self.window_was_full = false;
            return Err(Full::Until(self.held_until));
        }
        let exact = self.windows.room(now).err().map(|(_, full)| full);
        // Asked even when a window is full already: only a learnt pace that really binds may be put to the test.
        let learnt = self.adaptive.room(now, exact.is_some()).err();
        let full = match (exact, learnt) {
            (None, learnt) => learnt,
            (Some(Full::Until(one)), Some(Full::Until(other))) => Some(Full::Until(one.max(other))),
            (Some(full), None) => Some(full),
            (Some(_), Some(_)) => Some(Full::UntilAnswer),
        };
        // Where both keep it back, it is the one that does so longer.
        self.window_was_full = exact.is_some() && exact == full;
        if let Some(full) = full {
            return Err(full);
        }
        self.windows.taken(now);
        self.adaptive.taken(now);
        Ok(())
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
        let asked = retry_after.filter(other).map(|wait| wait.min(MAX_HOLD));
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

    /// Whether it was a full window that kept the last request from being sent.
    pub const fn window_was_full(&self) -> bool {
        self.window_was_full
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

    /// Why nothing may be sent now, where nothing may; takes no place.
    pub fn wait_reason(&self, now: Moment, wall: &WallTime) -> Option<WaitReason> {
        if now < self.held_until {
            return Some(WaitReason::HeldBack { until: wall.at(self.held_until) });
        }
        if let Err((window, _)) = self.windows.room(now) {
            return Some(WaitReason::Window { window: window.to_string() });
        }
        let per_1000_s = |per_second: f64| (per_second * 1000.0) as u64;
        self.learnt().map(|per_second| WaitReason::Learnt { per_1000_s: per_1000_s(per_second) })
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
const MAX_HOLD: Duration = Duration::from_secs(3600);
