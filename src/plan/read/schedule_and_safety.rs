//! `schedule` and `deadline`: when a plan may run, and whether it ever can; what can never be met is refused. `safety`: when a run
//! stops, and which keys must not be used.

use super::scalar::{self, SettingsReader, field};
use super::time_zone;
use crate::diag::{Diagnostic, Diagnostics};
use crate::pki::CompromisedKeys;
use crate::plan::calendar::{self, OpenSpan};
use crate::plan::load::{self, ReadFile};
use crate::plan::settings::{BetweenWaves, DailyWindow, Deadline, Safety, Schedule, StopWhen, WaveSize};
use crate::text::{Span, safe};
use crate::time::{human, parse_duration};
use crate::tree::Field;
use jiff::Timestamp;
use jiff::civil::Time;
use std::time::Duration;

/// Reads `schedule`. `timeout` is the time of one attempt: so long before a window closes nothing is begun any more.
pub(super) fn read_schedule(
    schedule: Option<&Field>,
    timeout: Duration,
    now: Timestamp,
    diagnostics: &mut Diagnostics,
) -> Schedule {
    let mut value = Schedule::default();
    let Some(map) = scalar::map(schedule, "`schedule`", &["start", "window"], diagnostics) else { return value };
    if let Some(start) = field(map, "start") {
        value.start = scalar::instant("start", &start.value, diagnostics);
        if value.start.is_some_and(|start| start <= now) {
            let what = "`start` has passed; the run begins at once";
            diagnostics.push(Diagnostic::warning("past", start.value.span, what));
        }
    }
    value.window = field(map, "window").and_then(|field| {
        let window = daily_window(field, diagnostics)?;
        long_enough(field, &window, timeout, now, diagnostics).then_some(window)
    });
    value
}

/// Whether anything can ever be begun in a window.
fn long_enough(
    field: &Field,
    window: &DailyWindow,
    timeout: Duration,
    now: Timestamp,
    diagnostics: &mut Diagnostics,
) -> bool {
    let length = |span: OpenSpan| Duration::try_from(span.closes.duration_since(span.opens)).unwrap_or_default();
    // Not the first span alone: a change of summer time may shorten it.
    let longest = calendar::open_spans(window, now).take(SPANS_LOOKED_AT).map(length).max().unwrap_or_default();
    if longest > timeout {
        return true;
    }
    let what = format!(
        "nothing could ever be sent in this window: it is open for {}, and nothing is begun in its last {}",
        human(longest),
        human(timeout)
    );
    let help =
        "what is begun must be answered before the window closes: make it longer than `timeout`, or `timeout` shorter";
    diagnostics.push(Diagnostic::error("window", field.value.span, what).help(help));
    false
}

/// Reads `deadline`, and reports where the schedule has no time before it.
pub(super) fn read_deadline(
    field: &Field,
    schedule: &Schedule,
    timeout: Duration,
    now: Timestamp,
    diagnostics: &mut Diagnostics,
) -> Option<Deadline> {
    let text = scalar::text(field, diagnostics)?;
    let place = field.value.span;
    let deadline = match parse_duration(text) {
        Ok(length) if length.is_zero() => {
            diagnostics.push(Diagnostic::error("duration", place, "`deadline` must be longer than nothing"));
            return None;
        }
        // It counts from the start of the run, which `schedule.start` may hold back.
        Ok(length) => Deadline::After(length),
        // With two hyphens it is a date, and the finding about instants is of more use.
        Err(_) if text.bytes().filter(|byte| *byte == b'-').count() >= 2 => {
            Deadline::At(scalar::instant("deadline", &field.value, diagnostics)?)
        }
        Err(why) => {
            let error = Diagnostic::error("deadline", place, why);
            diagnostics.push(error.help("or write an instant, such as `2026-12-01T01:00:00+09:00`"));
            return None;
        }
    };
    let end = calendar::deadline_at(Some(deadline), schedule, now).unwrap_or(Timestamp::MAX);
    let opening = calendar::next_start(schedule, now, timeout, None);
    let opens = || opening.map_or_else(|| "never".to_owned(), |at| format!("next at {at}"));
    let (problem, help) = if end <= now {
        ("the deadline has passed".to_owned(), None)
    } else if schedule.start.is_some_and(|start| start >= end) {
        ("`schedule.start` is not before the deadline".to_owned(), None)
    } else if opening.is_none_or(|opening| opening >= end) {
        let what = format!("`schedule.window` does not open before the deadline, {end}");
        (what, Some(format!("something can be sent {}", opens())))
    } else {
        return Some(deadline);
    };
    diagnostics.push(match (has_fixed_deadline(deadline, schedule, now), help) {
        (true, Some(help)) => Diagnostic::error("deadline", place, problem).help(help),
        (true, None) => Diagnostic::error("deadline", place, problem),
        // A warning, for a check today may be for a run tomorrow.
        (false, _) => Diagnostic::warning("deadline", place, problem)
            .help(format!("that holds for a run that begins now: something can be sent {}", opens())),
    });
    Some(deadline)
}

/// Whether a deadline is the same instant whenever the run begins from now on (until `start`): what has no time before it can
/// never be met then.
pub(in crate::plan) fn has_fixed_deadline(deadline: Deadline, schedule: &Schedule, now: Timestamp) -> bool {
    matches!(deadline, Deadline::At(_)) || schedule.start.is_some_and(|start| start > now)
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
    // All of the window's fields are read before any is missed, so that all findings come together.
    let days = field(map, "days").map_or(Some((1..=7).collect()), |days| weekdays(days, diagnostics));
    let from_time = from.and_then(|field| time_of_day(field, diagnostics));
    let to_time = to.and_then(|field| time_of_day(field, diagnostics));
    let zone = zone.and_then(|field| time_zone::read(field, diagnostics));
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

/// The days' names in a plan, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Of so many spans of a window the longest counts: a change of summer time may shorten some.
const SPANS_LOOKED_AT: usize = 14;

/// `safety` as read, with what only the check needs.
#[derive(Default)]
pub(in crate::plan) struct SafetyDraft {
    pub(in crate::plan) value: Safety,
    /// The place of `max_actions`.
    pub(in crate::plan) max_actions_place: Option<Span>,
    pub(in crate::plan) unique_keys: bool,
    pub(in crate::plan) compromised: Option<CompromisedKeys>,
}

impl SettingsReader<'_> {
    /// Reads `safety`.
    pub(super) fn read_safety(&mut self, safety: Option<&Field>) -> SafetyDraft {
        let mut draft = SafetyDraft::default();
        let Some(map) = scalar::map(safety, "`safety`", &SAFETY_KEYS, self.diagnostics) else { return draft };
        let value = &mut draft.value;
        let max_actions = field(map, "max_actions");
        value.max_actions = max_actions.and_then(|field| scalar::count(field, 1, u64::MAX, self.diagnostics));
        value.canary =
            field(map, "canary").and_then(|field| scalar::count(field, 0, u64::MAX, self.diagnostics)).unwrap_or(0);
        value.stop_when = field(map, "stop_when").and_then(|field| self.read_stop_when(field));
        if let Some(waves) = field(map, "waves") {
            value.waves = self.read_waves(waves);
        }
        if let Some(between) = field(map, "between_waves") {
            if field(map, "waves").is_none() {
                let error = Diagnostic::error("waves", between.span, "`between_waves` says nothing without `waves`");
                self.diagnostics.push(error.help(WAVES_EXAMPLE));
            }
            value.between_waves = self.read_between_waves(between).unwrap_or_default();
        }
        draft.max_actions_place = max_actions.map(|field| field.value.span);
        draft.unique_keys =
            field(map, "unique_keys").and_then(|field| scalar::flag(field, self.diagnostics)).unwrap_or(false);
        draft.compromised = field(map, "compromised_keys").and_then(|field| self.read_compromised_keys(field));
        draft
    }

    /// Shares and counts, rising; that the last wave is everything is understood.
    fn read_waves(&mut self, waves: &Field) -> Vec<WaveSize> {
        let Some(texts) = scalar::texts(&waves.value, self.diagnostics) else { return Vec::new() };
        let mut sizes: Vec<WaveSize> = Vec::new();
        if texts.is_empty() {
            let error = Diagnostic::error("waves", waves.value.span, "`waves` names no wave");
            self.diagnostics.push(error.help(WAVES_EXAMPLE));
        }
        for (text, place) in &texts {
            let Some(size) = wave_size(text) else {
                let what = format!("a wave is a share or a number of actions, not `{}`", safe::terminal(text));
                self.diagnostics.push(Diagnostic::error("waves", *place, what).help(WAVES_EXAMPLE));
                continue;
            };
            // A share and a number can be compared only when the actions are counted, and that is after the settings.
            let rises = match (sizes.last(), size) {
                (Some(WaveSize::Share(before)), WaveSize::Share(share)) => share > *before,
                (Some(WaveSize::Count(before)), WaveSize::Count(count)) => count > *before,
                (Some(before), _) => *before != WHOLE,
                (None, _) => true,
            };
            if !rises {
                let what =
                    format!("the waves must rise: `{}` lets no more go than the one before", safe::terminal(text));
                let help = "each says how much of the run is let go by its end, all waves before it included";
                self.diagnostics.push(Diagnostic::error("waves", *place, what).help(help));
            }
            sizes.push(size);
        }
        // Otherwise the rest of the run would never be released.
        if sizes.last().is_some_and(|last| *last != WHOLE) {
            sizes.push(WHOLE);
        }
        sizes
    }

    fn read_between_waves(&mut self, field: &Field) -> Option<BetweenWaves> {
        let text = scalar::text(field, self.diagnostics)?;
        if text == "ask" {
            return Some(BetweenWaves::Ask);
        }
        match parse_duration(text) {
            Ok(pause) => Some(BetweenWaves::Pause(pause)),
            Err(_) => {
                let what = format!("`between_waves` must be `ask` or a pause, not `{}`", safe::terminal(text));
                let help = "write `ask`, or a pause such as `10m`";
                self.diagnostics.push(Diagnostic::error("waves", field.value.span, what).help(help));
                None
            }
        }
    }

    fn read_stop_when(&mut self, stop_when: &Field) -> Option<StopWhen> {
        let keys = ["failures", "failure_rate", "of_last"];
        let map = scalar::map(Some(stop_when), "`stop_when`", &keys, self.diagnostics)?;
        let help = "write `{failures: 20}` or `{failure_rate: 0.05, of_last: 200}`";
        match (field(map, "failures"), field(map, "failure_rate"), field(map, "of_last")) {
            (Some(failures), None, None) => {
                scalar::count(failures, 1, u64::MAX, self.diagnostics).map(StopWhen::Failures)
            }
            (None, Some(rate), Some(of_last)) => {
                let share = scalar::share(rate, self.diagnostics);
                let of_last = scalar::count(of_last, 1, u64::MAX, self.diagnostics);
                Some(StopWhen::FailureRate { rate: share?, of_last: of_last? })
            }
            (None, None, None) => {
                let error = Diagnostic::error("stop-when", map.span, "`stop_when` says no rule");
                self.diagnostics.push(error.help(help));
                None
            }
            (Some(_), ..) => {
                let error = Diagnostic::error("stop-when", map.span, "`stop_when` takes one rule, not two");
                self.diagnostics.push(error.help(help));
                None
            }
            (None, rate, _) => {
                let missing = if rate.is_some() { "of_last" } else { "failure_rate" };
                let what = format!("`stop_when` lacks `{missing}`");
                self.diagnostics.push(Diagnostic::error("stop-when", map.span, what).help(help));
                None
            }
        }
    }

    fn read_compromised_keys(&mut self, field: &Field) -> Option<CompromisedKeys> {
        let mut all: Option<String> = None;
        for (name, place) in scalar::texts(&field.value, self.diagnostics)? {
            // With and without `file:`, since nothing but files makes sense here.
            let named = name.strip_prefix("file:").unwrap_or(&name);
            let path = load::resolve(self.sources, place, named);
            let text = match load::read_small(&path, load::MAX_WHOLE) {
                Ok(text) => text,
                Err(why) => {
                    let what = format!("the file {} cannot be read: {why}", path.display());
                    self.diagnostics.push(Diagnostic::error("unreadable-file", place, what));
                    continue;
                }
            };
            // A list may hold the compromised private keys themselves; those are never copied.
            if !text.contains("PRIVATE KEY") {
                self.files.push(ReadFile {
                    name: named.to_owned(),
                    path: Some(path.clone()),
                    text: None,
                    holds_certificates: false,
                });
            }
            // Each file by itself first, for the line numbers.
            if let Err(wrong) = CompromisedKeys::parse(&text) {
                for (line, why) in wrong {
                    let what = format!("{}:{line}: {why}", path.display());
                    self.diagnostics.push(Diagnostic::error("compromised-keys", place, what));
                }
                continue;
            }
            // The lists together are one table.
            let all = all.get_or_insert_default();
            all.push_str(&text);
            all.push('\n');
        }
        CompromisedKeys::parse(&all?).ok()
    }
}

/// `10%`, `0.5%` or `500`.
fn wave_size(text: &str) -> Option<WaveSize> {
    // `parse` also accepts `inf`, `+5` and `1e2`.
    let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent: f64 = percent.parse().ok().filter(|_| plain(percent))?;
            (percent > 0.0 && percent <= 100.0).then_some(WaveSize::Share(percent / 100.0))
        }
        None => text.parse().ok().filter(|count| *count > 0 && plain(text)).map(WaveSize::Count),
    }
}

/// All of the run's actions.
const WHOLE: WaveSize = WaveSize::Share(1.0);
const WAVES_EXAMPLE: &str =
    "write `waves: [1%, 10%, 100%]`, or `[5, 500, 100%]`, and what lies between: `between_waves: ask` or `10m`";
const SAFETY_KEYS: [&str; 7] =
    ["max_actions", "canary", "waves", "between_waves", "stop_when", "compromised_keys", "unique_keys"];
