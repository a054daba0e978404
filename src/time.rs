//! Time as values: instants, durations in the plan's notation, and the clock that comes in from outside.

mod system_clock;

pub use system_clock::SystemClock;

use jiff::Timestamp;
use std::time::Duration;

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
