//! Smooth spacing for a learnt pace, by governor: where the provider's real limit is only measured, requests go out one after
//! another and not in bursts, so that a refusal strikes few of them. Decides nothing about how fast.

use crate::engine::timing::Moment;
use governor::clock::{Clock, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;

/// Requests at even distances.
#[derive(Debug)]
pub(super) struct Spacing {
    limiter: RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>,
    clock: FakeRelativeClock,
    at: Moment,
}

impl Spacing {
    /// So many requests a second.
    pub(super) fn new(per_second: f64, now: Moment) -> Self {
        let clock = FakeRelativeClock::default();
        let period = Duration::from_secs_f64(1.0 / per_second.clamp(SLOWEST, FASTEST));
        // Timers wake late by a millisecond or two: what was missed meanwhile may follow at once.
        let burst = NonZeroU32::MIN.saturating_add((per_second.min(FASTEST) * LATE.as_secs_f64()).ceil() as u32);
        // A period above zero makes a quota; the fallback of one a second is never reached.
        let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(burst);
        Self { limiter: RateLimiter::direct_with_clock(quota, clock.clone()), clock, at: now }
    }

    /// Takes a place, or tells when there is one.
    pub(super) fn take(&mut self, now: Moment) -> Result<(), Moment> {
        self.clock.advance(now.saturating_sub(self.at));
        self.at = self.at.max(now);
        self.limiter.check().map_err(|not_until| now + not_until.wait_time_from(self.clock.now()).max(LEAST_WAIT))
    }
}

const SLOWEST: f64 = 0.001;
const FASTEST: f64 = 1_000_000.0;
const LATE: Duration = Duration::from_millis(2);
/// So that whoever waits comes on.
const LEAST_WAIT: Duration = Duration::from_micros(1);
