//! The operating system's clocks: the one place that reads them.

use super::Clock;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The wall clock, and a steady one: on Linux it counts from the machine's start and over its sleep, elsewhere from this value's
/// making.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: Instant,
    /// How far a rehearsal's clock is ahead of the world, in milliseconds, for all who have this clock.
    ahead: Option<Arc<AtomicU64>>,
}

impl SystemClock {
    /// Starts the steady clock.
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that the lint asks for")]
        Self { start: Instant::now(), ahead: None }
    }

    /// A rehearsal's clock: it can be moved on. It shows this moment, where that is still to come: the rehearsal that it goes on with got so far.
    #[must_use]
    pub fn rehearsal(&self, reached: Option<Timestamp>) -> Self {
        let clock = Self { start: self.start, ahead: Some(Arc::default()) };
        let ahead = reached.and_then(|reached| Duration::try_from(reached.duration_since(self.now())).ok());
        clock.skip(ahead.unwrap_or_default());
        clock
    }

    /// The world's time, which a rehearsal may have left behind.
    #[must_use]
    pub fn actual(&self) -> Self {
        Self { start: self.start, ahead: None }
    }

    fn ahead(&self) -> Duration {
        self.ahead.as_ref().map_or(Duration::ZERO, |ahead| Duration::from_millis(ahead.load(Ordering::Relaxed)))
    }
}

/// A steady clock that begins with the process does not begin at zero, so that requests of an earlier process can be placed before
/// this one's start.
const HEAD_START: Duration = Duration::from_secs(7 * 86_400);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that the lint asks for")]
        Timestamp::now().saturating_add(self.ahead()).unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.ahead() + since_boot().unwrap_or_else(|| HEAD_START + self.start.elapsed())
    }

    fn boot(&self) -> Option<String> {
        // A clock that was moved on no longer counts from there.
        if self.ahead.is_some() {
            return None;
        }
        since_boot()?;
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
    }

    fn skip(&self, wait: Duration) -> bool {
        let Some(ahead) = &self.ahead else { return false };
        // Rounded up: whoever waits for a moment must not be woken before it.
        let wait = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        ahead.fetch_add(wait, Ordering::Relaxed);
        true
    }
}

// CLOCK_MONOTONIC stops while a machine sleeps, but the providers' rate windows do not: CLOCK_BOOTTIME counts on.
#[cfg(target_os = "linux")]
fn since_boot() -> Option<Duration> {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::Boottime)).ok()
}

#[cfg(not(target_os = "linux"))]
const fn since_boot() -> Option<Duration> {
    None
}
