//! When a provider may be sent its next request: exact windows, hold-back after 429, and the slower pace after repeated ones.
//!
//! A state machine on a given `now`; never sleeps, never reads a clock.
//!
//! A provider counts a request at some moment between its sending and its answer. So a request occupies a place in a window of
//! length T from its sending until T after its *answer*: whatever happens on the way, no window of the provider's clock holds
//! more than N.

use super::waits::Why;
use crate::provider::model::Window;
use governor::clock::FakeRelativeClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

/// Time since an arbitrary start that never jumps.
pub type Moment = Duration;

/// The pace of one provider.
#[derive(Debug)]
pub struct Pace {
    windows: Vec<Window>,
    longest: Duration,
    /// When answers came, oldest first; older than the longest window are dropped.
    answered: VecDeque<Moment>,
    in_flight: usize,
    held_until: Moment,
    /// Throttles since the last success.
    throttles: u32,
    slow: Option<Slow>,
}

/// The slower pace that was learnt from repeated throttling.
#[derive(Debug)]
struct Slow {
    per_second: f64,
    limiter: RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>,
    clock: FakeRelativeClock,
    at: Moment,
    since: Moment,
}

/// Why nothing may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Until this moment.
    Until(Moment),
    /// Until an answer comes.
    UntilAnswer,
}

impl Pace {
    /// A pace under these windows. With none, only hold-back applies.
    pub fn new(windows: &[Window]) -> Self {
        Self {
            windows: windows.to_vec(),
            longest: windows.iter().map(|window| window.length).max().unwrap_or_default(),
            answered: VecDeque::new(),
            in_flight: 0,
            held_until: Moment::ZERO,
            throttles: 0,
            slow: None,
        }
    }

    /// Counts requests of an earlier process, each by how long ago it was answered at the latest; in any order.
    pub fn seed(&mut self, now: Moment, ages: impl IntoIterator<Item = Duration>) {
        let mut earlier: Vec<Duration> = ages.into_iter().filter(|age| *age < self.longest).collect();
        earlier.sort_unstable_by(|one, other| other.cmp(one));
        // A moment before the clock's own start cannot be told; such an answer counts as one at the start: never too early.
        self.answered.extend(earlier.into_iter().map(|age| now.saturating_sub(age)));
    }

    /// Takes a place for a request that is sent now, or tells when to ask again.
    ///
    /// # Errors
    /// [`Full`] where nothing may be sent now.
    pub fn take(&mut self, now: Moment) -> Result<(), Full> {
        self.forget(now);
        if now < self.held_until {
            return Err(Full::Until(self.held_until));
        }
        let mut until = now;
        for window in &self.windows {
            let allowed = window.count as usize;
            if self.in_flight >= allowed {
                return Err(Full::UntilAnswer);
            }
            // Of the newest `allowed - in_flight` answers, the oldest must have left the window.
            if let Some(index) = self.answered.len().checked_sub(allowed - self.in_flight) {
                until = until.max(self.answered[index] + window.length + GUARD);
            }
        }
        if until > now {
            return Err(Full::Until(until));
        }
        if let Some(slow) = &mut self.slow {
            slow.take(now)?;
        }
        self.in_flight += 1;
        Ok(())
    }

    /// The request of a taken place was answered, or given up.
    pub fn answered(&mut self, now: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.answered.push_back(now);
    }

    /// The place was taken, but nothing was sent.
    pub fn unsent(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The provider said that there were too many. Returns the moment until which it is held back.
    pub fn throttled(&mut self, now: Moment, retry_after: Option<Duration>) -> Moment {
        let already_held = now < self.held_until;
        if !already_held {
            self.throttles = self.throttles.saturating_add(1);
            if self.throttles > 1 || self.slow.is_some() {
                self.slow_down(now);
            }
        }
        let backoff = FIRST_HOLD.saturating_mul(1 << self.throttles.clamp(1, 8).saturating_sub(1));
        let hold = retry_after.unwrap_or(backoff).min(LONGEST_HOLD);
        self.held_until = self.held_until.max(now + hold);
        self.held_until
    }

    /// Holds the provider back until a moment, for a reason of our own.
    pub fn hold(&mut self, until: Moment) {
        self.held_until = self.held_until.max(until);
    }

    /// An answer came that was no throttling: after some quiet time the pace creeps up again.
    pub fn quiet(&mut self, now: Moment) {
        self.throttles = 0;
        let full = self.full_rate();
        if let Some(slow) = &mut self.slow
            && now.saturating_sub(slow.since) >= CREEP_AFTER
        {
            let per_second = slow.per_second * CREEP_BY;
            self.slow = (per_second < full).then(|| Slow::new(per_second, now));
        }
    }

    /// What fills the pace now, where nothing may be sent; takes no place.
    pub fn full(&self, now: Moment) -> Option<Why> {
        if now < self.held_until {
            return Some(Why::HeldBack);
        }
        // Of several full windows the one that opens last is the one that bounds; one that is full of what is in flight opens last.
        let opens = |window: &Window| {
            let free = (window.count as usize).saturating_sub(self.in_flight);
            if free == 0 {
                return Some(Moment::MAX);
            }
            let index = self.answered.len().checked_sub(free)?;
            let opens = self.answered[index] + window.length + GUARD;
            (opens > now).then_some(opens)
        };
        let full = self.windows.iter().filter_map(|window| Some((opens(window)?, window)));
        let last = full.max_by_key(|(opens, window)| (*opens, window.length)).map(|(_, window)| Why::Window(*window));
        last.or_else(|| self.slow.as_ref().map(|_| Why::Learnt))
    }

    /// Other windows hold from now on; what was sent still counts.
    pub fn set_windows(&mut self, windows: &[Window]) {
        self.windows = windows.to_vec();
        self.longest = self.windows.iter().map(|window| window.length).fold(self.longest, Duration::max);
    }

    /// The slower pace that was learnt, in requests a second.
    pub fn learnt(&self) -> Option<f64> {
        self.slow.as_ref().map(|slow| slow.per_second)
    }

    /// The windows that hold.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The moment until which the provider is held back, where that lies ahead.
    pub fn held(&self, now: Moment) -> Option<Moment> {
        (self.held_until > now).then_some(self.held_until)
    }

    fn slow_down(&mut self, now: Moment) {
        let recent = self.answered.iter().rev().take_while(|at| **at + RECENT >= now).count();
        let observed = recent as f64 / RECENT.as_secs_f64();
        let before = self.slow.as_ref().map_or(observed, |slow| slow.per_second.min(observed.max(SLOWEST)));
        self.slow = Some(Slow::new((before / 2.0).max(SLOWEST), now));
    }

    fn full_rate(&self) -> f64 {
        let rates = self.windows.iter().map(|window| f64::from(window.count) / window.length.as_secs_f64());
        rates.fold(f64::from(NO_LIMIT), f64::max)
    }

    fn forget(&mut self, now: Moment) {
        while self.answered.front().is_some_and(|at| *at + self.longest + GUARD <= now) {
            self.answered.pop_front();
        }
    }
}

impl Slow {
    fn new(per_second: f64, now: Moment) -> Self {
        let clock = FakeRelativeClock::default();
        let spacing = Duration::from_secs_f64(1.0 / per_second.clamp(SLOWEST, f64::from(NO_LIMIT)));
        // A period above zero makes a quota; the fallback of one a second is never reached.
        let quota = Quota::with_period(spacing).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        Self { per_second, limiter: RateLimiter::direct_with_clock(quota, clock.clone()), clock, at: now, since: now }
    }

    fn take(&mut self, now: Moment) -> Result<(), Full> {
        self.clock.advance(now.saturating_sub(self.at));
        self.at = now;
        self.limiter.check().map_err(|not_until| {
            Full::Until(now + not_until.wait_time_from(governor::clock::Clock::now(&self.clock)).max(GUARD))
        })
    }
}

/// Clocks of two machines do not run at quite the same speed.
const GUARD: Duration = Duration::from_millis(2);
/// Hold-back after a throttling that says nothing about time; doubles with each in a row.
const FIRST_HOLD: Duration = Duration::from_secs(5);
/// Longest hold-back, whatever a provider says.
const LONGEST_HOLD: Duration = Duration::from_secs(3600);
/// The time over which the present rate is observed.
const RECENT: Duration = Duration::from_secs(10);
/// Quiet time before the pace creeps up.
const CREEP_AFTER: Duration = Duration::from_secs(10);
/// By how much it creeps up.
const CREEP_BY: f64 = 1.25;
/// Requests a second at the slowest.
const SLOWEST: f64 = 0.1;
/// Requests a second where no window says otherwise.
const NO_LIMIT: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(count: u32, millis: u64) -> Window {
        Window { count, length: Duration::from_millis(millis) }
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_full_window_opens_when_its_oldest_answer_has_left_it() {
        let mut pace = Pace::new(&[window(2, 1000)]);
        assert_eq!(pace.take(ms(0)), Ok(()));
        assert_eq!(pace.take(ms(0)), Ok(()));
        assert_eq!(pace.take(ms(1)), Err(Full::UntilAnswer));
        pace.answered(ms(100));
        assert_eq!(pace.take(ms(100)), Err(Full::Until(ms(1102))));
        pace.answered(ms(300));
        assert_eq!(pace.take(ms(1102)), Ok(()));
        assert_eq!(pace.take(ms(1102)), Err(Full::Until(ms(1302))));
    }

    #[test]
    fn throttling_holds_back_and_slows_down_when_it_happens_again() {
        let mut pace = Pace::new(&[]);
        for request in 0..100 {
            assert_eq!(pace.take(ms(request * 100)), Ok(()));
            pace.answered(ms(request * 100 + 10));
        }
        assert_eq!(pace.throttled(ms(10_000), Some(ms(2000))), ms(12_000));
        assert_eq!(pace.take(ms(11_999)), Err(Full::Until(ms(12_000))));
        assert_eq!(pace.take(ms(12_000)), Ok(()));
        pace.answered(ms(12_001));
        assert_eq!(pace.throttled(ms(12_001), None), ms(22_001));
        assert_eq!(pace.take(ms(22_001)), Ok(()));
        assert!(matches!(pace.take(ms(22_002)), Err(Full::Until(until)) if until > ms(22_050)), "a slower pace now");
    }

    #[test]
    fn an_absurd_retry_after_is_survived() {
        let mut pace = Pace::new(&[]);
        assert_eq!(pace.throttled(ms(0), Some(Duration::MAX)), LONGEST_HOLD);
    }

    #[test]
    fn requests_of_an_earlier_process_count() {
        let mut pace = Pace::new(&[window(3, 1000)]);
        pace.seed(ms(5000), [ms(100), ms(900), ms(5000)]);
        assert_eq!(pace.take(ms(5000)), Ok(()));
        assert_eq!(pace.take(ms(5000)), Err(Full::Until(ms(5102))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// Whenever a provider counts a request (at its sending, at its answer or between), no window holds too many; and the
        /// windows are used.
        #[test]
        fn no_window_ever_holds_too_many(
            count in 1_u32..20, length in 50_u64..2000, second_count in 1_u32..40, second_length in 500_u64..5000,
            latencies in prop::collection::vec(0_u64..400, 60..200), share in 0.0_f64..=1.0,
        ) {
            let windows = [window(count, length), window(second_count, second_length)];
            let mut pace = Pace::new(&windows);
            let mut now = 0_u64;
            let mut counted: Vec<u64> = Vec::new();
            let mut flying: Vec<u64> = Vec::new();
            for latency in latencies {
                loop {
                    flying.sort_unstable();
                    while flying.first().is_some_and(|end| *end <= now) {
                        pace.answered(ms(flying.remove(0)));
                    }
                    match pace.take(ms(now)) {
                        Ok(()) => break,
                        Err(full) => {
                            let until = if let Full::Until(until) = full { until.as_micros().div_ceil(1000) as u64 } else { u64::MAX };
                            now = until.min(flying.first().copied().unwrap_or(u64::MAX)).max(now + 1);
                        }
                    }
                }
                counted.push(now + (latency as f64 * share) as u64);
                flying.push(now + latency);
            }
            counted.sort_unstable();
            for window in &windows {
                let length = window.length.as_millis() as u64;
                for pair in counted.windows(window.count as usize + 1) {
                    prop_assert!(pair[pair.len() - 1] - pair[0] > length, "{window}: {pair:?}");
                }
            }
        }
    }
}
