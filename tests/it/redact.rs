//! What differs from run to run, and from machine to machine, taken out of what the program prints: the only place that does so.
//! What a reader could not tell from the rest by its form alone (a rate that the plan sets, a forecast) stays as it is.

use super::place::Place;
use regex::Regex;
use std::sync::LazyLock;

/// Pattern and replacement, in the order in which they are applied.
static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let rules = [
        // A whole-digest or a fingerprint: SHA-256 in hexadecimal.
        (r"\b[0-9a-f]{64}\b", "[digest]"),
        // The directory that a run gets where none is named: UTC time and plan.
        (r"\b[0-9]{8}T[0-9]{6,9}Z-", "[started]-"),
        (r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})", "[time]"),
        (r"\b127\.0\.0\.1:[0-9]+", "127.0.0.1:[port]"),
        // Measured times stand behind these words; forecasts stand behind others.
        (r"\b(after|in|about) [0-9][0-9.]*(ms|s|m|h|d)( [0-9]+(s|m|h))?\b", "$1 [duration]"),
        // A measured rate has a fraction; a limit is written as N/DURATION.
        (r"\b[0-9]+\.[0-9]+/s", "[rate]/s"),
    ];
    rules.into_iter().map(|(pattern, with)| (Regex::new(pattern).unwrap(), with)).collect()
});

/// A text without what differs from run to run; `place` is where the program ran.
pub(crate) fn redact(place: &Place, text: &str) -> String {
    let directory = place.path("");
    let directory = directory.to_str().unwrap().trim_end_matches('/');
    let mut text = text.replace(directory, "[dir]");
    for (pattern, with) in RULES.iter() {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    text
}

#[test]
fn only_what_differs_from_run_to_run_is_taken_out() {
    let place = Place::bare();
    let here = place.path("run").display().to_string();
    for (text, expected) in [
        ("ended in 1m 20s, 5.5/s of limit 100/5s", "ended in [duration], [rate]/s of limit 100/5s"),
        ("deadline 2026-11-29T10:30:17.432Z: met", "deadline [time]: met"),
        ("runs/20261122T060710575Z-test/report.csv", "runs/[started]-test/report.csv"),
        ("http://127.0.0.1:40123/api", "http://127.0.0.1:[port]/api"),
        ("takes 14s at 0.5s a request, 24h", "takes 14s at 0.5s a request, 24h"),
        (&here, "[dir]/run"),
    ] {
        assert_eq!(redact(&place, text), expected);
    }
}
