//! When a schedule lets requests go out: the spans in which its window is open, and when it opens next. Pure; knows the calendar,
//! not the run.
//!
//! A window is open while the clock on the wall of its time zone reads a time in it. Where summer time begins, the hour that is left
//! out is not waited for: what would open or close in it does so at the change. Where summer time ends, an hour comes twice: a
//! window opens at the second of two readings and closes at the first, so that it is never open while the clock reads a time
//! outside; one that lies wholly in that hour opens once, at the second.

use super::settings::{DailyWindow, Deadline, Schedule};
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::time::Duration;

/// A time in which a window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenSpan {
    /// It opens.
    pub opens: Timestamp,
    /// It closes; later than it opens.
    pub closes: Timestamp,
}

/// The spans of a window that are not over at `from`, in order, over the years to come.
pub fn open_spans(window: &DailyWindow, from: Timestamp) -> impl Iterator<Item = OpenSpan> + use<'_> {
    let zone = TimeZone::get(&window.timezone).ok().filter(|_| !window.days.is_empty());
    // A window over midnight belongs to the day on which it opens: that of the day before may still be open.
    let first = zone.as_ref().map(|zone| from.to_zoned(zone.clone()).date());
    let mut day = first.map(|date| date.yesterday().unwrap_or(date));
    let dates = std::iter::from_fn(move || {
        let date = day?;
        day = date.tomorrow().ok();
        Some(date)
    })
    // A window may never open (its only hour is left out each time): the search must end.
    .take(MAX_OUTLOOK);
    dates.filter_map(move |date| span(window, zone.as_ref()?, date)).filter(move |span| span.closes > from)
}

/// The times in which a schedule lets requests be begun, from `from` on, in order: each ends so long (`margin`, the time of one
/// attempt) before its window closes that nothing is in flight then. Without a window there is one, which never ends.
pub fn open_times(schedule: &Schedule, from: Timestamp, margin: Duration) -> Box<dyn Iterator<Item = OpenSpan> + '_> {
    let begin = schedule.start.map_or(from, |start| start.max(from));
    let margin = SignedDuration::try_from(margin).unwrap_or(SignedDuration::MAX);
    match &schedule.window {
        Some(window) => Box::new(open_spans(window, begin).filter_map(move |span| {
            let last = span.closes.checked_sub(margin).ok()?;
            let opens = span.opens.max(begin);
            (last > opens).then_some(OpenSpan { opens, closes: last })
        })),
        None => Box::new(std::iter::once(OpenSpan { opens: begin, closes: Timestamp::MAX })),
    }
}

/// The first instant from `now` on at which a schedule is open; `now` itself where it is. `None` where it never is again.
pub fn next_open(schedule: &Schedule, now: Timestamp) -> Option<Timestamp> {
    open_times(schedule, now, Duration::ZERO).next().map(|span| span.opens)
}

/// The first instant from `from` on, before `end`, at which a request may be begun.
pub fn next_start(schedule: &Schedule, from: Timestamp, margin: Duration, end: Option<Timestamp>) -> Option<Timestamp> {
    let next = open_times(schedule, from, margin).next().map(|span| span.opens)?;
    end.is_none_or(|end| next < end).then_some(next)
}

/// The instant of a deadline for a run that began at `began`; where the plan has a later start, the time counts from there.
pub fn deadline_at(deadline: Option<Deadline>, schedule: &Schedule, began: Timestamp) -> Option<Timestamp> {
    match deadline? {
        Deadline::At(at) => Some(at),
        Deadline::After(duration) => schedule.start.map_or(began, |start| start.max(began)).checked_add(duration).ok(),
    }
}

/// When the window that is open at `now` closes; `None` where none is open.
pub fn closes_at(window: &DailyWindow, now: Timestamp) -> Option<Timestamp> {
    open_spans(window, now).next().filter(|span| span.opens <= now).map(|span| span.closes)
}

/// When the window opens next after `now`.
pub fn opens_at(window: &DailyWindow, now: Timestamp) -> Option<Timestamp> {
    open_spans(window, now).map(|span| span.opens).find(|opens| *opens > now)
}

/// The span of a window that belongs to a day; `None` where it does not open on that day.
fn span(window: &DailyWindow, zone: &TimeZone, date: Date) -> Option<OpenSpan> {
    if !window.days.contains(&date.weekday().to_monday_one_offset()) {
        return None;
    }
    // A window that closes at an earlier time than it opens closes on the next day.
    let last = if window.to > window.from { date } else { date.checked_add(1.day()).ok()? };
    let opens = readings(zone, date.to_datetime(window.from))?;
    let closes = readings(zone, last.to_datetime(window.to))?;
    let opens = opens.1;
    // A window within the hour that comes twice would close before it opens; then it closes at the second reading.
    let closes = if closes.0 > opens { closes.0 } else { closes.1 };
    (closes > opens).then_some(OpenSpan { opens, closes })
}

/// The first and the last instant at which the clock on the wall passes a reading: two where it comes twice, the change where it is
/// left out.
fn readings(zone: &TimeZone, wall: DateTime) -> Option<(Timestamp, Timestamp)> {
    let ambiguous = zone.to_ambiguous_timestamp(wall);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => {
            let only = ambiguous.compatible().ok()?;
            Some((only, only))
        }
        AmbiguousOffset::Fold { .. } => Some((ambiguous.earlier().ok()?, ambiguous.later().ok()?)),
        AmbiguousOffset::Gap { .. } => {
            let before = ambiguous.earlier().ok()?;
            // `earlier` is an instant before the change here, so the next transition is the change.
            let change = zone.following(before).next().map(|change| change.timestamp());
            let change = change.or_else(|| ambiguous.later().ok())?;
            Some((change, change))
        }
    }
}

/// Days that are looked at: ten years, the longest that a plan can speak of.
const MAX_OUTLOOK: usize = 3660;

/// Schedules of tests, here and in the engine.
#[cfg(test)]
pub(crate) mod fixtures {
    use super::{DailyWindow, Timestamp};

    pub(crate) fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    pub(crate) fn window(zone: &str, from: &str, to: &str, days: &[i8]) -> DailyWindow {
        let time = |text: &str| text.parse().unwrap();
        DailyWindow { from: time(from), to: time(to), timezone: zone.to_owned(), days: days.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::{at, window};
    use super::*;

    const EVERY_DAY: [i8; 7] = [1, 2, 3, 4, 5, 6, 7];

    #[test]
    fn windows_open_and_close_in_their_time_zone() {
        // 2026-12-01 is a Tuesday; Seoul is nine hours ahead of UTC.
        let seoul = |from, to, days: &[i8]| window("Asia/Seoul", from, to, days);
        for (window, now, closes, opens) in [
            (
                seoul("01:00", "05:00", &[2]),
                "2026-11-30T16:00:00Z",
                Some("2026-11-30T20:00:00Z"),
                "2026-12-07T16:00:00Z",
            ),
            (seoul("01:00", "05:00", &[2]), "2026-11-30T15:59:59Z", None, "2026-11-30T16:00:00Z"),
            (seoul("01:00", "05:00", &[2]), "2026-11-30T20:00:00Z", None, "2026-12-07T16:00:00Z"),
            (seoul("01:00", "05:00", &[3]), "2026-11-30T16:00:00Z", None, "2026-12-01T16:00:00Z"),
            (
                seoul("22:00", "02:00", &[1]),
                "2026-11-30T16:00:00Z",
                Some("2026-11-30T17:00:00Z"),
                "2026-12-07T13:00:00Z",
            ),
            (seoul("22:00", "02:00", &[2]), "2026-11-30T16:00:00Z", None, "2026-12-01T13:00:00Z"),
        ] {
            assert_eq!(closes_at(&window, at(now)), closes.map(at), "{window:?} {now}");
            assert_eq!(opens_at(&window, at(now)), Some(at(opens)), "{window:?} {now}");
        }
    }

    #[test]
    fn windows_keep_to_the_wall_clock_over_changes_of_summer_time() {
        let berlin = "Europe/Berlin";
        let york = "America/New_York";
        for (zone, from, to, day, expected, why) in [
            // Berlin, 2026-03-29: 02:00 becomes 03:00 at 01:00Z. 2026-10-25: 03:00 becomes 02:00 at 01:00Z.
            (berlin, "01:00", "05:00", "2026-03-29", Some(("00:00Z", "03:00Z")), "three hours instead of four"),
            (berlin, "02:30", "05:00", "2026-03-29", Some(("01:00Z", "03:00Z")), "opens in the gap: at the change"),
            (berlin, "01:00", "02:30", "2026-03-29", Some(("00:00Z", "01:00Z")), "closes in the gap: at the change"),
            (berlin, "02:00", "03:00", "2026-03-29", None, "the hour is left out"),
            (berlin, "02:15", "02:45", "2026-03-29", None, "wholly in the gap"),
            (
                berlin,
                "01:00",
                "05:00",
                "2026-10-25",
                Some(("2026-10-24T23:00Z", "04:00Z")),
                "five hours instead of four",
            ),
            (berlin, "02:30", "04:00", "2026-10-25", Some(("01:30Z", "03:00Z")), "opens twice: at the second"),
            (
                berlin,
                "01:00",
                "02:30",
                "2026-10-25",
                Some(("2026-10-24T23:00Z", "00:30Z")),
                "closes twice: at the first",
            ),
            (berlin, "02:15", "02:45", "2026-10-25", Some(("01:15Z", "01:45Z")), "comes twice: the second"),
            (berlin, "02:00", "03:00", "2026-10-25", Some(("01:00Z", "02:00Z")), "three o'clock comes once"),
            // New York, 2026-03-08: 02:00 becomes 03:00 at 07:00Z. 2026-11-01: 02:00 becomes 01:00 at 06:00Z.
            (york, "02:30", "04:00", "2026-03-08", Some(("07:00Z", "08:00Z")), "opens in the gap: at the change"),
            (
                york,
                "22:00",
                "02:30",
                "2026-03-07",
                Some(("2026-03-08T03:00Z", "2026-03-08T07:00Z")),
                "over midnight into the gap",
            ),
            (
                york,
                "22:00",
                "01:30",
                "2026-10-31",
                Some(("2026-11-01T02:00Z", "2026-11-01T05:30Z")),
                "over midnight, closes at the first",
            ),
            (york, "01:30", "03:00", "2026-11-01", Some(("06:30Z", "08:00Z")), "opens at the second"),
        ] {
            let window = window(zone, from, to, &EVERY_DAY);
            let date: Date = day.parse().unwrap();
            let instant = |text: &str| {
                let text = text.strip_suffix('Z').unwrap();
                at(&if text.contains('T') { format!("{text}:00Z") } else { format!("{day}T{text}:00Z") })
            };
            let expected = expected.map(|(opens, closes)| OpenSpan { opens: instant(opens), closes: instant(closes) });
            assert_eq!(span(&window, &TimeZone::get(zone).unwrap(), date), expected, "{zone} {from}-{to} {day}: {why}");
        }
    }

    #[test]
    fn a_day_without_the_window_is_passed_over() {
        // Only Sundays, in the hour that the last Sunday of March leaves out.
        let window = window("Europe/Berlin", "02:00", "03:00", &[7]);
        let opens: Vec<Timestamp> =
            open_spans(&window, at("2026-03-20T00:00:00Z")).take(2).map(|span| span.opens).collect();
        assert_eq!(opens, [at("2026-03-22T01:00:00Z"), at("2026-04-05T00:00:00Z")]);
    }

    #[test]
    fn spans_come_in_order_and_never_overlap() {
        for (from, to) in [("00:00", "23:59"), ("22:00", "21:59"), ("02:30", "02:29"), ("01:59", "02:01")] {
            let window = window("Europe/Berlin", from, to, &EVERY_DAY);
            let spans: Vec<OpenSpan> = open_spans(&window, at("2026-01-01T00:00:00Z")).take(400).collect();
            for pair in spans.windows(2) {
                assert!(pair[0].closes <= pair[1].opens, "{from}-{to}: {pair:?}");
            }
        }
    }

    #[test]
    fn a_schedule_opens_at_its_start_or_in_the_next_window() {
        let night = || Some(window("UTC", "01:00", "02:00", &EVERY_DAY));
        let start = Some(at("2026-12-01T01:30:00Z"));
        for (start, window, now, expected) in [
            (None, None, "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            (start, None, "2026-12-01T00:00:00Z", "2026-12-01T01:30:00Z"),
            (start, night(), "2026-12-01T00:00:00Z", "2026-12-01T01:30:00Z"),
            (None, night(), "2026-12-01T01:10:00Z", "2026-12-01T01:10:00Z"),
            (start, night(), "2026-12-01T02:00:00Z", "2026-12-02T01:00:00Z"),
        ] {
            assert_eq!(next_open(&Schedule { start, window }, at(now)), Some(at(expected)), "{start:?} {now}");
        }
        let nothing = Schedule { start: None, window: Some(window("UTC", "01:00", "02:00", &[])) };
        assert_eq!(next_open(&nothing, at("2026-12-01T00:00:00Z")), None);
    }
}
