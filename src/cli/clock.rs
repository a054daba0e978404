//! The machine's own clocks: the one place that reads them.

use crate::time::Clock;
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// The wall clock, and a steady one: on Linux it counts from the machine's start and over its sleep, elsewhere from this value's
/// making.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts the steady clock.
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that the lint asks for")]
        Self { start: Instant::now() }
    }
}

/// A steady clock that begins with the process does not begin at zero, so that requests of an earlier process can be placed before
/// this one's start.
const HEAD_START: Duration = Duration::from_secs(7 * 86_400);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that the lint asks for")]
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        since_boot().unwrap_or_else(|| HEAD_START + self.start.elapsed())
    }

    fn boot(&self) -> Option<String> {
        since_boot()?;
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
    }
}

#[cfg(target_os = "linux")]
fn since_boot() -> Option<Duration> {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::Boottime)).ok()
}

#[cfg(not(target_os = "linux"))]
const fn since_boot() -> Option<Duration> {
    None
}
