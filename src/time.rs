//! Time as values: instants, durations in the plan's notation; and the clock, which comes in from outside. [`SystemClock`] is the one place
//! that reads the operating system's clocks.

use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where the time comes from: [`SystemClock`], or a virtual one in tests.
pub trait Clock {
    /// The wall clock, for signatures, records and reports. It may jump.
    fn now(&self) -> Timestamp;
    /// Time since an arbitrary start, for pacing and delays. It never jumps.
    fn elapsed(&self) -> Duration;
    /// The start of the machine that [`Self::elapsed`] counts from, by a name that no other start has; `None` where it counts
    /// from another moment.
    fn boot(&self) -> Option<String>;
    /// Moves both clocks on, over a wait in which nothing would happen. `false` where they are moved by the world alone: only a rehearsal's
    /// can be.
    fn skip(&self, wait: Duration) -> bool {
        let _ = wait;
        false
    }
}

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

/// Reads a duration such as `30s`, `500ms`, `5m`, `24h` or `7d`, or a bare number of seconds (`180`).
///
/// # Errors
/// A sentence that says what would be right.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected =
        || format!("`{text}` is not a duration; write a number with ms, s, m, h or d, such as `30s` or `24h`");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| expected())?;
    let milliseconds = match &text[digits..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(expected()),
    };
    let total = number.checked_mul(milliseconds).filter(|total| *total <= MAX_MS).ok_or_else(expected)?;
    Ok(Duration::from_millis(total))
}

/// A duration for people: `0.3s`, `42s`, `3m 20s`, `2h 30m`, `3d 4h`.
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.is_zero() => "0s".to_owned(),
        0..10 => format!("{:.1}s", duration.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// The same of a single request, which may last some milliseconds: `20ms`.
pub fn human_latency(latency: Duration) -> String {
    if latency < Duration::from_millis(100) { format!("{}ms", latency.as_millis()) } else { human(latency) }
}

/// An instant as reports show it: RFC 3339 in UTC with milliseconds.
pub fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
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

/// A steady clock that begins with the process does not begin at zero, so that requests of an earlier process can be placed before
/// this one's start.
const HEAD_START: Duration = Duration::from_secs(7 * 86_400);
/// Longer durations than ten years are mistakes.
const MAX_MS: u64 = 10 * 366 * 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("180", Some(180_000)),
            ("500ms", Some(500)),
            ("24h", Some(86_400_000)),
            ("7d", Some(604_800_000)),
            ("", None),
            ("s", None),
            ("-5s", None),
            ("5 s", None),
            ("5w", None),
            ("99999999999999999999s", None),
            ("9999999d", None),
        ] {
            assert_eq!(parse_duration(text).ok().map(|duration| duration.as_millis()), expected, "{text}");
        }
    }

    #[test]
    fn instants_are_shown_with_milliseconds() {
        assert_eq!(rfc3339(Timestamp::from_millisecond(1_700_000_000_000).unwrap()), "2023-11-14T22:13:20.000Z");
        assert_eq!(human(Duration::from_secs(9000)), "2h 30m");
    }
}
