//! What bounds an account now, in a few words: the same on bars, in lines and in `status`. Decides nothing.

use crate::run::Bound;
use crate::time::rfc3339;
use jiff::SignedDuration;

/// The bound in a few words.
pub(crate) fn words(bound: &Bound) -> String {
    match bound {
        Bound::Done => "done".to_owned(),
        Bound::Window { window } => format!("limit {window}"),
        Bound::HeldBack { until } => format!("held back until {}", rfc3339(*until)),
        Bound::Learnt { per_1000_s } => format!("learnt pace {:.1}/s", *per_1000_s as f64 / 1000.0),
        Bound::Concurrency { slots } => format!("{slots} in flight"),
        Bound::Canary => "canary first".to_owned(),
        Bound::Wave { number, of } => format!("wave {number} of {of}"),
        Bound::Closed { until } => format!("window closed until {}", rfc3339(*until)),
        Bound::Paused => "paused".to_owned(),
        Bound::Unreachable { until } => format!("unreachable, tried next at {}", rfc3339(*until)),
        Bound::Others => "waits for other actions".to_owned(),
        Bound::Answers => "waits for the last answers".to_owned(),
        Bound::Stopped => "stopped".to_owned(),
    }
}

/// Whether nothing is sent while it holds: no rate tells then when the rest is done.
pub(crate) const fn stands_still(bound: &Bound) -> bool {
    matches!(
        bound,
        Bound::HeldBack { .. } | Bound::Closed { .. } | Bound::Paused | Bound::Unreachable { .. } | Bound::Stopped
    )
}

/// Whether both are one and the same wait: clocks are read anew each time, so its end is never quite the same.
pub(crate) fn is_same_wait(one: &Bound, other: &Bound) -> bool {
    let until = match (one, other) {
        (Bound::Closed { until }, Bound::Closed { until: other })
        | (Bound::Unreachable { until }, Bound::Unreachable { until: other }) => Some((*until, *other)),
        _ => None,
    };
    until.is_some_and(|(one, other)| one.duration_since(other).abs() < SignedDuration::from_millis(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_its_words() {
        let until = jiff::Timestamp::from_second(1_700_000_000).unwrap();
        for (bound, expected, still) in [
            (Bound::Window { window: "100/5s".into() }, "limit 100/5s", false),
            (Bound::Learnt { per_1000_s: 6660 }, "learnt pace 6.7/s", false),
            (Bound::Concurrency { slots: 16 }, "16 in flight", false),
            (Bound::Wave { number: 2, of: 3 }, "wave 2 of 3", false),
            (Bound::Closed { until }, "window closed until 2023-11-14T22:13:20.000Z", true),
            (Bound::Paused, "paused", true),
        ] {
            assert_eq!((words(&bound).as_str(), stands_still(&bound)), (expected, still));
        }
    }
}
