//! When a run must not go on: failures, canary, deadline, closed windows. Pure.

use crate::plan::settings::{DailyWindow, Deadline, Safety, Schedule, StopWhen};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use std::collections::VecDeque;
use std::time::Duration;

/// Watches how actions end.
#[derive(Debug, Clone)]
pub struct Watch {
    rule: Option<StopWhen>,
    failures: u64,
    last: VecDeque<bool>,
}

impl Watch {
    /// A watch by the plan's rules.
    pub fn new(safety: &Safety) -> Self {
        Self { rule: safety.stop_when, failures: 0, last: VecDeque::new() }
    }

    /// An action ended well or not; says why the run must stop, where it must.
    pub fn ended(&mut self, well: bool) -> Option<String> {
        self.failures += u64::from(!well);
        match self.rule? {
            StopWhen::Failures(most) => (!well && self.failures >= most)
                .then(|| format!("{} actions did not end well (safety.stop_when.failures: {most})", self.failures)),
            StopWhen::FailureRate { rate, of_last } => {
                self.last.push_back(well);
                if self.last.len() as u64 > of_last {
                    self.last.pop_front();
                }
                let bad = self.last.iter().filter(|well| !**well).count();
                let enough = self.last.len() as u64 >= of_last;
                (!well && enough && bad as f64 >= rate * self.last.len() as f64).then(|| {
                    format!(
                        "{bad} of the last {of_last} actions did not end well (safety.stop_when.failure_rate: {rate})"
                    )
                })
            }
        }
    }
}

/// Whether requests may go out at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Yes, until this instant, where there is one.
    Open(Option<Timestamp>),
    /// No, for this reason.
    Closed(String),
}

/// The instant of a deadline for a run that began at `began`; where the plan has a later start, the time counts from there.
pub fn deadline(deadline: Option<Deadline>, schedule: &Schedule, began: Timestamp) -> Option<Timestamp> {
    match deadline? {
        Deadline::At(at) => Some(at),
        Deadline::After(duration) => schedule.start.map_or(began, |start| start.max(began)).checked_add(duration).ok(),
    }
}

/// Whether requests may go out now. Before a window closes, `margin` (the time of one attempt) is kept for what is in flight.
pub fn gate(schedule: &Schedule, deadline: Option<Timestamp>, now: Timestamp, margin: Duration) -> Gate {
    if let Some(start) = schedule.start
        && now < start
    {
        return Gate::Closed(format!("the plan starts at {start}"));
    }
    if let Some(deadline) = deadline
        && now >= deadline
    {
        return Gate::Closed(format!("the deadline, {deadline}, is over"));
    }
    let Some(window) = &schedule.window else { return Gate::Open(deadline) };
    match closes_at(window, now) {
        Some(closes) => {
            let margin = SignedDuration::try_from(margin).unwrap_or(SignedDuration::ZERO);
            // A window shorter than one attempt would never open otherwise.
            let last_start = closes.checked_sub(margin).unwrap_or(closes);
            if now >= last_start {
                return Gate::Closed(format!("the window closes at {closes}"));
            }
            Gate::Open(Some(deadline.map_or(last_start, |deadline| deadline.min(last_start))))
        }
        None => Gate::Closed(format!("the window is closed; {}", next_opening(window, now))),
    }
}

/// When the window that is open at `now` closes; `None` where none is open.
pub fn closes_at(window: &DailyWindow, now: Timestamp) -> Option<Timestamp> {
    let zone = TimeZone::get(&window.timezone).ok()?;
    let local = now.to_zoned(zone);
    // A window over midnight belongs to the day on which it opens: yesterday's may still be open.
    [local.yesterday().ok(), Some(local.clone())].into_iter().flatten().find_map(|day| {
        let (opens, closes) = bounds(window, &day)?;
        (opens <= now && now < closes).then_some(closes)
    })
}

/// When the window opens next after `now`, within the next eight days.
pub fn opens_at(window: &DailyWindow, now: Timestamp) -> Option<Timestamp> {
    let zone = TimeZone::get(&window.timezone).ok()?;
    let mut day = now.to_zoned(zone);
    for _ in 0..=8 {
        if let Some((opens, _)) = bounds(window, &day)
            && opens > now
        {
            return Some(opens);
        }
        day = day.tomorrow().ok()?;
    }
    None
}

fn bounds(window: &DailyWindow, day: &Zoned) -> Option<(Timestamp, Timestamp)> {
    if !window.days.contains(&Weekday::to_monday_one_offset(day.weekday())) {
        return None;
    }
    let zone = day.time_zone();
    let opens = day.date().to_datetime(window.from).to_zoned(zone.clone()).ok()?;
    let last_day = if window.to > window.from { day.date() } else { day.date().tomorrow().ok()? };
    let closes = last_day.to_datetime(window.to).to_zoned(zone.clone()).ok()?;
    Some((opens.timestamp(), closes.timestamp()))
}

fn next_opening(window: &DailyWindow, now: Timestamp) -> String {
    opens_at(window, now).map_or_else(|| "it never opens again".to_owned(), |at| format!("it opens at {at}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(from: &str, to: &str, days: &[i8]) -> DailyWindow {
        let time = |text: &str| text.parse().unwrap();
        DailyWindow { from: time(from), to: time(to), timezone: "Asia/Seoul".to_owned(), days: days.to_vec() }
    }

    #[test]
    fn windows_open_and_close_in_their_time_zone() {
        // 2026-12-01 is a Tuesday; Seoul is nine hours ahead of UTC.
        for (window, now, expected) in [
            (window("01:00", "05:00", &[2]), "2026-11-30T16:00:00Z", Some("2026-11-30T20:00:00Z")),
            (window("01:00", "05:00", &[2]), "2026-11-30T15:59:59Z", None),
            (window("01:00", "05:00", &[2]), "2026-11-30T20:00:00Z", None),
            (window("01:00", "05:00", &[3]), "2026-11-30T16:00:00Z", None),
            (window("22:00", "02:00", &[1]), "2026-11-30T16:00:00Z", Some("2026-11-30T17:00:00Z")),
            (window("22:00", "02:00", &[2]), "2026-11-30T16:00:00Z", None),
        ] {
            assert_eq!(closes_at(&window, at(now)), expected.map(at), "{window:?} {now}");
        }
        assert_eq!(
            opens_at(&window("01:00", "05:00", &[2]), at("2026-11-30T20:00:00Z")),
            Some(at("2026-12-07T16:00:00Z"))
        );
    }

    #[test]
    fn the_gate_is_closed_before_the_start_after_the_deadline_and_near_the_end_of_a_window() {
        let schedule =
            Schedule { start: Some(at("2026-11-30T16:30:00Z")), window: Some(window("01:00", "05:00", &[2])) };
        let margin = Duration::from_secs(30);
        let open = |now: &str, deadline: Option<&str>| {
            matches!(gate(&schedule, deadline.map(at), at(now), margin), Gate::Open(_))
        };
        for (now, deadline, expected) in [
            ("2026-11-30T16:00:00Z", None, false),
            ("2026-11-30T16:30:00Z", None, true),
            ("2026-11-30T19:59:29Z", None, true),
            ("2026-11-30T19:59:30Z", None, false),
            ("2026-11-30T18:00:00Z", Some("2026-11-30T18:00:00Z"), false),
            ("2026-12-01T12:00:00Z", None, false),
        ] {
            assert_eq!(open(now, deadline), expected, "{now}");
        }
    }

    #[test]
    fn failures_stop_a_run_when_there_are_too_many() {
        let watch = |rule| Watch::new(&Safety { stop_when: Some(rule), ..Safety::default() });
        let mut failures = watch(StopWhen::Failures(2));
        assert_eq!([true, false, true, false].map(|well| failures.ended(well).is_some()), [false, false, false, true]);
        let mut rate = watch(StopWhen::FailureRate { rate: 0.5, of_last: 4 });
        let ends = [false, true, true, false, true, true, false, false];
        assert_eq!(ends.map(|well| rate.ended(well).is_some()), [false, false, false, true, false, false, true, true]);
    }
}
