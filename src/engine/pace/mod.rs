//! When a provider may be sent its next request: exact windows, what was learnt from refusals, and hold-back. All accounts that
//! share a credential share one pace.
//!
//! A state machine on a given `now`; never sleeps, never reads a clock.

mod adaptive;
#[cfg(test)]
mod tests;

pub use super::timing::Full;
pub use adaptive::Allowed;

use super::timing::{Moment, WallTime, insert_in_order};
use crate::provider::model::Window;
use crate::run::WaitReason;
use adaptive::Adaptive;
use std::collections::VecDeque;
use std::time::Duration;

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

    /// Other windows hold from now on. Whoever sets them knows better than what was learnt or told under the former ones, which is forgotten.
    pub fn set_windows(&mut self, windows: &[Window]) {
        self.windows.set(windows);
        self.adaptive.set(windows);
    }

    /// Counts requests of an earlier process, each by how long ago it was answered at the latest; in any order.
    pub fn seed(&mut self, now: Moment, ages: impl IntoIterator<Item = Duration>) {
        self.windows.seed(now, ages);
    }

    /// Begins with what an earlier process has learnt ([`Pace::learnt_windows`]).
    pub fn restore_learnt(&mut self, now: Moment, learnt: &[Window]) {
        if let Some(slowest) = learnt.iter().map(adaptive::per_second).reduce(f64::min) {
            self.adaptive.restore(now, slowest);
        }
    }

    /// Reserves a place in the windows for a request that is sent now, or says when to ask again.
    ///
    /// # Errors
    /// [`Full`] where nothing may be sent now.
    pub fn reserve(&mut self, now: Moment) -> Result<(), Full> {
        if now < self.held_until {
            self.window_was_full = false;
            return Err(Full::Until(self.held_until));
        }
        let exact = self.windows.check(now).err().map(|(_, full)| full);
        // Asked even when a window is full already: only a learnt pace that really binds may be put to the test.
        let learnt = self.adaptive.check(now, exact.is_some()).err();
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
        self.windows.note_reserved(now);
        self.adaptive.note_reserved();
        Ok(())
    }

    /// The request of a reserved place, which went out at `sent`, was answered, or given up. Where an answer came, [`Pace::note_admitted`] or
    /// [`Pace::throttled`] follows.
    pub fn answered(&mut self, sent: Moment, answered: Moment) {
        self.windows.answered(answered);
        self.adaptive.answered(sent);
    }

    /// The place was taken, but nothing was sent.
    pub fn release_unsent(&mut self) {
        self.windows.release_unsent();
        self.adaptive.release_unsent();
    }

    /// The answer to a request was no throttling.
    pub fn note_admitted(&mut self, now: Moment) {
        self.adaptive.admitted(now);
    }

    /// A request was refused because there were too many; perhaps with how long to wait, perhaps with the limit itself. Returns the
    /// moment until which nothing is sent.
    pub fn throttled(&mut self, now: Moment, retry_after: Option<Duration>, limit: Option<Window>) -> Moment {
        let limit = limit.filter(|limit| limit.count > 0 && !limit.length.is_zero());
        // A limit that the provider names is taken at its word, and nothing is left to be learnt.
        let is_bound = limit.is_some_and(|limit| self.windows.set_told(limit));
        let own = if is_bound { Duration::ZERO } else { self.adaptive.refused(now) };
        // `Retry-After: 0` does not say when there is room. Nor does a wait that is just the declared limit's length:
        // the window itself keeps requests back as long as it must, and for no longer.
        let other = |wait: &Duration| !wait.is_zero() && limit.is_none_or(|limit| limit.length != *wait);
        let asked = retry_after.filter(other).map(believed);
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
        self.told_and(self.adaptive.learnt())
    }

    fn told_and(&self, learnt: Option<f64>) -> Vec<Window> {
        self.windows.told.iter().copied().chain(learnt.map(window_of)).collect()
    }

    /// The slowest of them, in requests a second.
    pub fn learnt(&self) -> Option<f64> {
        self.learnt_windows().iter().map(adaptive::per_second).reduce(f64::min)
    }

    /// Why nothing may be sent now, where nothing may; takes no place.
    pub fn wait_reason(&self, now: Moment, wall: &WallTime) -> Option<WaitReason> {
        if now < self.held_until {
            return Some(WaitReason::HeldBack { until: wall.at(self.held_until) });
        }
        if let Err((window, _)) = self.windows.check(now) {
            return Some(WaitReason::Window { window: window.to_string() });
        }
        let per_1000_s = |per_second: f64| (per_second * 1000.0) as u64;
        self.learnt().map(|per_second| WaitReason::Learnt { per_1000_s: per_1000_s(per_second) })
    }

    /// What is known to hold, as windows, where it differs notably from what this returned last; seldom.
    pub fn notable(&mut self, now: Moment) -> Option<Vec<Window>> {
        let told_anew = std::mem::take(&mut self.windows.told_anew);
        let is_notable = self.adaptive.is_notable(now);
        (told_anew || is_notable).then(|| self.told_and(self.adaptive.known()))
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

/// The exact windows, and the requests that may still be counted in them: whether one more may go out, whatever happens on its way.
///
/// A provider counts a request at some moment that nobody here sees; all that is certain is that it lies between sending and answer. So
/// request k + N may be sent no sooner than T after the answer to request k: a sooner one breaks the window where k was counted late and
/// k + N early, and neither a mean nor a least round trip tells where on the way the counting happened. N requests therefore take T and
/// one latency, not T: of N/T the share T / (T + latency) is used (0.98 for 100/5s at 100 ms, 0.997 for 1000/180s at 500 ms), and all of
/// that is, since the log knows each place that becomes free.
#[derive(Debug)]
struct Windows {
    windows: Vec<Window>,
    /// Those that the provider itself names in its refusals.
    told: Vec<Window>,
    told_anew: bool,
    longest: Duration,
    /// When answers came, oldest first; older than the longest window are dropped.
    answered: VecDeque<Moment>,
    in_flight: usize,
}

impl Windows {
    fn new(windows: &[Window]) -> Self {
        let mut new = Self {
            windows: Vec::new(),
            told: Vec::new(),
            told_anew: false,
            longest: Duration::ZERO,
            answered: VecDeque::new(),
            in_flight: 0,
        };
        new.set(windows);
        new
    }

    /// Other windows hold from now on. What was sent counts in them as far as it was kept for the longest of the former ones.
    fn set(&mut self, windows: &[Window]) {
        self.windows = windows.to_vec();
        self.told.clear();
        // What a shorter limit forgets, a later longer one cannot get back, so the log never becomes shorter.
        self.longest = self.windows.iter().map(|window| window.length).max().unwrap_or_default().max(self.longest);
    }

    /// The provider names a limit. `false` where a declared window is as strict, so that it explains nothing.
    fn set_told(&mut self, told: Window) -> bool {
        if self.windows.iter().any(|window| window.length == told.length && window.count <= told.count) {
            return false;
        }
        if !self.told.contains(&told) {
            self.told.retain(|other| other.length != told.length);
            self.told.push(told);
            self.told_anew = true;
            self.longest = self.longest.max(told.length);
        }
        true
    }

    fn all(&self) -> &[Window] {
        &self.windows
    }

    const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Counts requests of an earlier process, each by how long ago it was answered at the latest; in any order.
    fn seed(&mut self, now: Moment, ages: impl IntoIterator<Item = Duration>) {
        let mut earlier: Vec<Duration> = ages.into_iter().filter(|age| *age < self.longest).collect();
        earlier.sort_unstable_by(|one, other| other.cmp(one));
        // The clock has no moments before its start; such an answer counts as one at the start: never too early.
        self.answered.extend(earlier.into_iter().map(|age| now.saturating_sub(age)));
        self.answered.make_contiguous().sort_unstable();
    }

    /// Whether one more may go out now; where not, the window that is full, and until when.
    fn check(&self, now: Moment) -> Result<(), (Window, Full)> {
        let mut fullest: Option<(Window, Moment)> = None;
        for window in self.windows.iter().chain(&self.told) {
            let allowed = window.count as usize;
            if self.in_flight >= allowed {
                return Err((*window, Full::UntilAnswer));
            }
            // Of the newest `allowed - in_flight` answers, the oldest must have left the window.
            if let Some(index) = self.answered.len().checked_sub(allowed - self.in_flight) {
                let opens = self.answered[index].saturating_add(window.length).saturating_add(guard(window.length));
                if opens > now && fullest.is_none_or(|(_, latest)| opens > latest) {
                    fullest = Some((*window, opens));
                }
            }
        }
        fullest.map_or(Ok(()), |(window, opens)| Err((window, Full::Until(opens))))
    }

    fn note_reserved(&mut self, now: Moment) {
        self.forget(now);
        self.in_flight += 1;
    }

    fn release_unsent(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    fn answered(&mut self, now: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if !self.longest.is_zero() {
            insert_in_order(&mut self.answered, now);
        }
    }

    fn forget(&mut self, now: Moment) {
        let kept = self.longest.saturating_add(guard(self.longest));
        while self.answered.front().is_some_and(|at| at.saturating_add(kept) <= now) {
            self.answered.pop_front();
        }
    }
}

/// A pace as a window of whole requests.
fn window_of(per_second: f64) -> Window {
    let count = (per_second * LEARNT_LENGTH.as_secs_f64()).round();
    if count >= 1.0 {
        Window { count: count as u32, length: LEARNT_LENGTH }
    } else {
        Window { count: 1, length: Duration::from_secs_f64(1.0 / per_second) }
    }
}

/// The length of a window that says what was learnt.
const LEARNT_LENGTH: Duration = Duration::from_secs(10);

/// Clocks of two machines do not run at quite the same speed: 100 ppm is much for a quartz.
fn guard(length: Duration) -> Duration {
    (length / 10_000).max(MIN_GUARD)
}

/// Timers and network cards round.
const MIN_GUARD: Duration = Duration::from_millis(1);

/// How long a provider is held back that asks for this: as long as it asks, where that can be meant.
pub fn believed(asked: Duration) -> Duration {
    if asked <= MAX_HOLD { asked } else { HOLD_INSTEAD }
}

/// No provider means a longer wait: it has another unit in mind, or its clock is wrong.
const MAX_HOLD: Duration = Duration::from_secs(31 * 24 * 3600);
/// It is asked again after this long.
const HOLD_INSTEAD: Duration = Duration::from_secs(3600);
