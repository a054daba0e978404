//! The machine's own clocks: the one place that reads them.

use crate::time::Clock;
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// The wall clock, and a steady one that counts from this value's making.
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

/// The steady clock does not begin at zero, so that requests of an earlier process can be placed before this one's start.
const HEAD_START: Duration = Duration::from_secs(7 * 86_400);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that the lint asks for")]
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        HEAD_START + self.start.elapsed()
    }
}
