//! The exact windows: whether one more request may go out now, whatever happens on its way. Learns nothing, never sleeps.
//!
//! A provider counts a request at some moment that nobody here sees; all that is certain is that it lies between sending and
//! answer. So request k + N may be sent no sooner than T after the answer to request k: a sooner one breaks the window where k was
//! counted late and k + N early, and neither a mean nor a least round trip tells where on the way the counting happened. N requests
//! therefore take T and one latency, not T: of N/T the share T / (T + latency) is used (0.98 for 100/5s at 100 ms, 0.997 for
//! 1000/180s at 500 ms), and all of that is, since the log knows each place that becomes free.

use crate::engine::timing::Moment;
use crate::provider::model::Window;
use std::collections::VecDeque;
use std::time::Duration;

/// Why nothing may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Until this moment.
    Until(Moment),
    /// Until an answer comes.
    UntilAnswer,
}

/// Windows, and the requests that may still be counted in them.
#[derive(Debug)]
pub(super) struct Windows {
    windows: Vec<Window>,
    longest: Duration,
    /// When answers came, oldest first; older than the longest window are dropped.
    answered: VecDeque<Moment>,
    in_flight: usize,
}

impl Windows {
    pub(super) fn new(windows: &[Window]) -> Self {
        let mut new = Self { windows: Vec::new(), longest: Duration::ZERO, answered: VecDeque::new(), in_flight: 0 };
        new.set(windows);
        new
    }

    /// Other windows hold from now on. What was sent counts in them as far as it was kept for the longest of the former ones.
    pub(super) fn set(&mut self, windows: &[Window]) {
        self.windows = windows.to_vec();
        // What a shorter limit forgets, a later longer one cannot get back, so the log never becomes shorter.
        self.longest = self.windows.iter().map(|window| window.length).max().unwrap_or_default().max(self.longest);
    }

    pub(super) fn all(&self) -> &[Window] {
        &self.windows
    }

    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Counts requests of an earlier process, each by how long ago it was answered at the latest; in any order.
    pub(super) fn seed(&mut self, now: Moment, ages: impl IntoIterator<Item = Duration>) {
        let mut earlier: Vec<Duration> = ages.into_iter().filter(|age| *age < self.longest).collect();
        earlier.sort_unstable_by(|one, other| other.cmp(one));
        // A moment before the clock's own start cannot be told; such an answer counts as one at the start: never too early.
        self.answered.extend(earlier.into_iter().map(|age| now.saturating_sub(age)));
        self.answered.make_contiguous().sort_unstable();
    }

    /// Whether one more may go out now; where not, the window that is full, and until when.
    pub(super) fn room(&self, now: Moment) -> Result<(), (Window, Full)> {
        let mut fullest: Option<(Window, Moment)> = None;
        for window in &self.windows {
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

    /// When answers came, oldest first.
    pub(super) fn answers(&self) -> impl Iterator<Item = Moment> {
        self.answered.iter().copied()
    }

    pub(super) fn taken(&mut self, now: Moment) {
        self.forget(now);
        self.in_flight += 1;
    }

    pub(super) fn unsent(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    pub(super) fn answered(&mut self, now: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if !self.longest.is_zero() {
            insert(&mut self.answered, now);
        }
    }

    fn forget(&mut self, now: Moment) {
        let kept = self.longest.saturating_add(guard(self.longest));
        while self.answered.front().is_some_and(|at| at.saturating_add(kept) <= now) {
            self.answered.pop_front();
        }
    }
}

/// Puts a moment into its place; most are the newest.
pub(super) fn insert(log: &mut VecDeque<Moment>, at: Moment) {
    let later = log.iter().rev().take_while(|other| **other > at).count();
    log.insert(log.len() - later, at);
}

/// Clocks of two machines do not run at quite the same speed: 100 ppm is much for a quartz.
fn guard(length: Duration) -> Duration {
    (length / 10_000).max(MIN_GUARD)
}

/// Timers and network cards round.
const MIN_GUARD: Duration = Duration::from_millis(1);
