//! How far the provider's clock is from ours, by the `Date` field of its answers. Signatures depend on it.

use crate::provider::Answer;
use jiff::{SignedDuration, Timestamp};

/// How far our clock is ahead of the provider's (negative: behind), where that is over a minute; `None` where it is not, or
/// where the answer has no readable `Date`.
pub fn clock_skew(answer: &Answer, now: Timestamp) -> Option<SignedDuration> {
    let date = jiff::fmt::rfc2822::parse(answer.header("date")?).ok()?.timestamp();
    let skew = now.duration_since(date);
    (skew.abs() > TOLERATED).then_some(skew)
}

const TOLERATED: SignedDuration = SignedDuration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_is_told() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (date, expected) in [
            (Some("Sun, 22 Nov 2026 12:00:00 GMT"), None),
            (Some("Sun, 22 Nov 2026 11:59:00 GMT"), None),
            (Some("Sun, 22 Nov 2026 11:58:59 GMT"), Some(61)),
            (Some("Sun, 22 Nov 2026 12:05:00 GMT"), Some(-300)),
            (Some("nonsense"), None),
            (Some(""), None),
            (None, None),
        ] {
            let headers = date.map(|date| ("date".to_owned(), date.to_owned())).into_iter().collect();
            let answer = Answer::new(200, headers, Vec::new());
            assert_eq!(clock_skew(&answer, now), expected.map(SignedDuration::from_secs), "{date:?}");
        }
    }
}
