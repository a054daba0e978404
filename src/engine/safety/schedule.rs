//! `schedule` and `deadline`: whether a request may go out now. Pure; the calendar itself is [`crate::plan::calendar`].

use crate::plan::calendar::{closes_at, open_times};
use crate::plan::settings::Schedule;
use jiff::Timestamp;
use std::time::Duration;

/// Whether requests may go out at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Yes, until this instant, where there is one.
    Open(Option<Timestamp>),
    /// No.
    Closed(Closed),
}

/// Why no request may go out, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Why, in a few words.
    pub why: String,
    /// When they may again; `None` where they never may.
    pub until: Option<Timestamp>,
}

/// Whether requests may go out now. Before a window closes, `margin` (the time of one attempt) is kept for what is in flight.
///
/// The margin is the plan's timeout, not a latency that was seen: one request that hangs would go on past the close otherwise, and
/// half a minute of a window of hours costs little.
pub fn gate(schedule: &Schedule, deadline: Option<Timestamp>, now: Timestamp, margin: Duration) -> Gate {
    if let Some(deadline) = deadline
        && now >= deadline
    {
        return Gate::Closed(Closed { why: format!("the deadline, {deadline}, is over"), until: None });
    }
    let next = open_times(schedule, now, margin).next();
    if let Some(span) = next
        && span.opens <= now
    {
        let closes = schedule.window.as_ref().map(|_| span.closes);
        return Gate::Open(closes.into_iter().chain(deadline).min());
    }
    let until = next.map(|span| span.opens).filter(|opens| deadline.is_none_or(|deadline| *opens < deadline));
    let closing = schedule.window.as_ref().and_then(|window| closes_at(window, now));
    let why = match (schedule.start.filter(|start| now < *start), closing) {
        (Some(start), _) => format!("the plan starts at {start}"),
        (None, Some(closes)) => format!("the window closes at {closes}, and what is begun takes time"),
        (None, None) => "the window is closed".to_owned(),
    };
    let why = match (until, next, deadline) {
        (Some(until), ..) if schedule.start == Some(until) => why,
        (Some(until), ..) => format!("{why}; it opens at {until}"),
        (None, Some(_), Some(deadline)) => format!("{why}, and does not open before the deadline, {deadline}"),
        (None, ..) => format!("{why}, and never opens again"),
    };
    Gate::Closed(Closed { why, until })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::settings::DailyWindow;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(zone: &str, from: &str, to: &str, days: &[i8]) -> DailyWindow {
        let time = |text: &str| text.parse().unwrap();
        DailyWindow { from: time(from), to: time(to), timezone: zone.to_owned(), days: days.to_vec() }
    }

    #[test]
    fn the_gate_is_closed_before_the_start_after_the_deadline_and_near_the_end_of_a_window() {
        let start = Some(at("2026-11-30T16:30:00Z"));
        // Tuesdays from 01:00 to 05:00 in Seoul: Mondays from 16:00 to 20:00 in UTC.
        let schedule = Schedule { start, window: Some(window("Asia/Seoul", "01:00", "05:00", &[2])) };
        let (last, next) = ("2026-11-30T19:59:30Z", "2026-12-07T16:00:00Z");
        for (now, deadline, expected) in [
            ("2026-11-30T16:00:00Z", None, Err(Some("2026-11-30T16:30:00Z"))),
            ("2026-11-30T16:30:00Z", None, Ok(last)),
            ("2026-11-30T19:59:29Z", None, Ok(last)),
            ("2026-11-30T19:59:30Z", None, Err(Some(next))),
            ("2026-11-30T20:00:00Z", None, Err(Some(next))),
            ("2026-11-30T18:00:00Z", Some("2026-11-30T19:00:00Z"), Ok("2026-11-30T19:00:00Z")),
            ("2026-11-30T18:00:00Z", Some("2026-11-30T18:00:00Z"), Err(None)),
            ("2026-12-01T12:00:00Z", None, Err(Some(next))),
            ("2026-12-01T12:00:00Z", Some("2026-12-07T16:00:00Z"), Err(None)),
            ("2026-12-01T12:00:00Z", Some("2026-12-07T16:00:01Z"), Err(Some(next))),
        ] {
            let gate = gate(&schedule, deadline.map(at), at(now), Duration::from_secs(30));
            let found = match gate {
                Gate::Open(until) => Ok(until),
                Gate::Closed(Closed { until, .. }) => Err(until),
            };
            assert_eq!(
                found,
                expected.map(|at_text| Some(at(at_text))).map_err(|until| until.map(at)),
                "{now} {deadline:?}"
            );
        }
    }

    #[test]
    fn a_closed_gate_says_when_it_opens() {
        let night = Some(window("Europe/Berlin", "02:30", "04:00", &[1, 2, 3, 4, 5, 6, 7]));
        for (start, window, now, deadline, words) in [
            (
                Some("2026-12-01T00:00:00Z"),
                None,
                "2026-11-30T00:00:00Z",
                None,
                "the plan starts at 2026-12-01T00:00:00Z",
            ),
            (None, night.clone(), "2026-10-25T00:30:00Z", None, "closed; it opens at 2026-10-25T01:30:00Z"),
            (
                None,
                night.clone(),
                "2026-10-25T02:59:50Z",
                None,
                "closes at 2026-10-25T03:00:00Z, and what is begun takes time; it opens at 2026-10-26T01:30:00Z",
            ),
            (None, night, "2026-10-25T04:00:00Z", Some("2026-10-25T05:00:00Z"), "does not open before the deadline"),
            (
                None,
                None,
                "2026-10-25T05:00:00Z",
                Some("2026-10-25T05:00:00Z"),
                "the deadline, 2026-10-25T05:00:00Z, is over",
            ),
        ] {
            let schedule = Schedule { start: start.map(at), window };
            let Gate::Closed(Closed { why, .. }) = gate(&schedule, deadline.map(at), at(now), Duration::from_secs(30))
            else {
                panic!("it is open at {now}")
            };
            assert!(why.contains(words), "{why}");
        }
    }
}
