//! `schedule` and `deadline`: when a plan may run, and whether it ever can.

use super::{field, scalar};
use crate::diag::{Diagnostic, Diagnostics};
use crate::plan::settings::{DailyWindow, Deadline, Schedule};
use crate::text::nearest::nearest;
use crate::text::safe;
use crate::time::parse_duration;
use crate::tree::Field;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Reads `schedule`.
pub(super) fn schedule(schedule: Option<&Field>, now: Timestamp, diagnostics: &mut Diagnostics) -> Schedule {
    let mut value = Schedule::default();
    let Some(map) = scalar::map(schedule, "`schedule`", &["start", "window"], diagnostics) else { return value };
    if let Some(start) = field(map, "start") {
        value.start = scalar::instant("start", &start.value, diagnostics);
        if value.start.is_some_and(|start| start <= now) {
            let what = "`start` has passed; the run begins at once";
            diagnostics.push(Diagnostic::warning("past", start.value.span, what));
        }
    }
    value.window = field(map, "window").and_then(|window| daily_window(window, diagnostics));
    value
}

/// Reads `deadline`, and tells where the schedule leaves no time before it.
pub(super) fn deadline(
    field: &Field,
    schedule: &Schedule,
    now: Timestamp,
    diagnostics: &mut Diagnostics,
) -> Option<Deadline> {
    let text = scalar::text(field, diagnostics)?;
    let place = field.value.span;
    let begin = schedule.start.map_or(now, |start| start.max(now));
    let (deadline, end) = match parse_duration(text) {
        Ok(length) if length.is_zero() => {
            diagnostics.push(Diagnostic::error("duration", place, "`deadline` must be longer than nothing"));
            return None;
        }
        // It counts from the start of the run, which `schedule.start` may hold back.
        Ok(length) => (Deadline::After(length), begin.checked_add(length).unwrap_or(Timestamp::MAX)),
        Err(_) if text.bytes().filter(|byte| *byte == b'-').count() >= 2 => {
            let at = scalar::instant("deadline", &field.value, diagnostics)?;
            (Deadline::At(at), at)
        }
        Err(why) => {
            let error = Diagnostic::error("deadline", place, why);
            diagnostics.push(error.help("or write an instant, such as `2026-12-01T01:00:00+09:00`"));
            return None;
        }
    };
    let problem = if end <= now {
        Some("the deadline has passed")
    } else if schedule.start.is_some_and(|start| start >= end) {
        Some("`schedule.start` is not before the deadline")
    } else if schedule.window.as_ref().is_some_and(|window| !opens(window, begin, end)) {
        Some("`schedule.window` does not open before the deadline")
    } else {
        None
    };
    if let Some(problem) = problem {
        diagnostics.push(match deadline {
            Deadline::At(_) => Diagnostic::error("deadline", place, problem),
            Deadline::After(_) => Diagnostic::warning("deadline", place, problem)
                .help("nothing will be sent, unless the run begins later"),
        });
    }
    Some(deadline)
}

fn daily_window(window: &Field, diagnostics: &mut Diagnostics) -> Option<DailyWindow> {
    let map = scalar::map(Some(window), "`window`", &["from", "to", "timezone", "days"], diagnostics)?;
    let mut required = |name: &str| {
        let found = field(map, name);
        if found.is_none() {
            let what = format!("`window` lacks `{name}`");
            let help = "write it as `{from: \"01:00\", to: \"05:00\", timezone: Asia/Seoul}`";
            diagnostics.push(Diagnostic::error("window", map.span, what).help(help));
        }
        found
    };
    let (from, to, zone) = (required("from"), required("to"), required("timezone"));
    let days = field(map, "days").map_or(Some((1..=7).collect()), |days| weekdays(days, diagnostics));
    let from_time = from.and_then(|field| time_of_day(field, diagnostics));
    let to_time = to.and_then(|field| time_of_day(field, diagnostics));
    let zone = zone.and_then(|field| timezone(field, diagnostics));
    if let (Some(from_time), Some(to_time), Some(to)) = (from_time, to_time, to)
        && from_time == to_time
    {
        let what = "this window is never open: it closes when it opens";
        let help =
            "for the whole day leave `window` out; a window over midnight closes at an earlier time than it opens";
        diagnostics.push(Diagnostic::error("window", to.value.span, what).help(help));
        return None;
    }
    Some(DailyWindow { from: from_time?, to: to_time?, timezone: zone?, days: days? })
}

fn time_of_day(field: &Field, diagnostics: &mut Diagnostics) -> Option<Time> {
    let text = scalar::text(field, diagnostics)?;
    let parts = text.split_once(':').filter(|(hour, minute)| {
        (1..=2).contains(&hour.len())
            && minute.len() == 2
            && hour.bytes().chain(minute.bytes()).all(|byte| byte.is_ascii_digit())
    });
    let time = parts.and_then(|(hour, minute)| Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok());
    if time.is_none() {
        let what = format!("`{}` must be a time of day, not `{}`", field.name, safe::terminal(text));
        let help =
            if text == "24:00" { "midnight is `\"00:00\"`" } else { "write it as `\"HH:MM\"`, such as `\"01:00\"`" };
        diagnostics.push(Diagnostic::error("time", field.value.span, what).help(help));
    }
    time
}

fn timezone(field: &Field, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = scalar::text(field, diagnostics)?;
    if let Ok(zone) = TimeZone::get(text)
        && let Some(name) = zone.iana_name()
    {
        return Some(name.to_owned());
    }
    let what = format!("there is no time zone `{}`", safe::terminal(text));
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let help = match nearest(text, names.iter().map(String::as_str)) {
        Some(right) => format!("did you mean `{right}`?"),
        None => "write an IANA name, such as `Asia/Seoul` or `UTC`".to_owned(),
    };
    diagnostics.push(Diagnostic::error("timezone", field.value.span, what).help(help));
    None
}

fn weekdays(field: &Field, diagnostics: &mut Diagnostics) -> Option<Vec<i8>> {
    let words = scalar::texts(&field.value, diagnostics)?;
    let mut days: Vec<i8> = Vec::new();
    let mut good = true;
    for (word, place) in &words {
        match (1_i8..).zip(DAYS).find(|(_, day)| day == word) {
            Some((number, _)) if !days.contains(&number) => days.push(number),
            Some(_) => {}
            None => {
                let what = format!("`{}` is no day of the week", safe::terminal(word));
                let help = match DAYS.iter().find(|day| word.to_lowercase().starts_with(*day)) {
                    Some(day) => format!("write `{day}`"),
                    None => format!("the days are {}", DAYS.join(", ")),
                };
                diagnostics.push(Diagnostic::error("day", *place, what).help(help));
                good = false;
            }
        }
    }
    if words.is_empty() {
        let what = "this window is never open: `days` names no day";
        diagnostics.push(Diagnostic::error("window", field.value.span, what).help("leave `days` out for every day"));
    }
    days.sort_unstable();
    (good && !days.is_empty()).then_some(days)
}

/// Whether the window is open at some time from `begin` until `end`.
fn opens(window: &DailyWindow, begin: Timestamp, end: Timestamp) -> bool {
    let Ok(zone) = TimeZone::get(&window.timezone) else { return true };
    let first = begin.to_zoned(zone.clone()).date();
    // From the day before (its window may span midnight) to a week on, after which all repeats.
    (-1..=8_i64).any(|day| {
        let Ok(date) = first.checked_add(day.days()) else { return true };
        if !window.days.contains(&date.weekday().to_monday_one_offset()) {
            return false;
        }
        let closing_day = if window.to <= window.from { date.checked_add(1.days()) } else { Ok(date) };
        let Ok(closing_day) = closing_day else { return true };
        let opening = date.to_datetime(window.from).to_zoned(zone.clone());
        let closing = closing_day.to_datetime(window.to).to_zoned(zone.clone());
        let (Ok(opening), Ok(closing)) = (opening, closing) else { return true };
        opening.timestamp() < end && closing.timestamp() > begin
    })
}

/// The words for days, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
