//! A plan's settings: from the tree to checked values, the plan's own over the shared ones, with every finding; when it may run and whether
//! it ever can, when it stops, whom it tells. Knows the plan's keys and the providers' documents; reads no action, starts no program.

mod accounts;
mod scalar;

pub(super) use accounts::{AccountDraft, NoAccount, unconfigured};
pub(super) use scalar::{SettingsReader, UnusableUrl, check_published, instant, positive_duration, texts};

use super::calendar::{self, OpenSpan};
use super::load::{self, ReadFile};
use super::settings::{
    Account, BetweenWaves, DAYS, DEFAULT_TIMEOUT, DailyWindow, Deadline, Hook, HookEvent, Retry, Safety, Schedule,
    Settings, StopWhen, WaveSize,
};
use crate::diag::{Diagnostic, Diagnostics};
use crate::pki::CompromisedKeys;
use crate::provider::Catalog;
use crate::text::damage::did_you_mean;
use crate::text::nearest;
use crate::text::{SourceMap, Span, safe};
use crate::time::{human, parse_duration};
use crate::tree::{Field, Node, Shape, read_yaml};
use accounts::Accounts;
use jiff::Timestamp;
use jiff::civil::Time;
use scalar::{field, known_keys};
use std::path::Path;
use std::time::Duration;

/// A plan's settings as read, with what only the check needs.
pub(super) struct Draft {
    pub(super) name: Option<String>,
    pub(super) deadline: Option<Deadline>,
    pub(super) accounts: Accounts,
    pub(super) retry: Retry,
    pub(super) timeout: Duration,
    pub(super) schedule: Schedule,
    pub(super) safety: SafetyDraft,
    pub(super) hooks: Vec<Hook>,
    /// The fields of `defaults`.
    pub(super) defaults: Vec<Field>,
}

/// `safety` as read, with what only the check needs.
#[derive(Default)]
pub(super) struct SafetyDraft {
    pub(super) value: Safety,
    /// The place of `max_actions`.
    pub(super) max_actions_place: Option<Span>,
    pub(super) unique_keys: bool,
    pub(super) compromised: Option<CompromisedKeys>,
}

/// Settings without a plan: those of a settings file, or of a plan, with the accounts of these names alone, in this order: a configured
/// one's, or a provider's. A provider that one account uses means that account. `None` where a finding is an error.
pub fn settings_of(
    names: &[String],
    settings: Option<&Path>,
    catalog: &Catalog,
    now: Timestamp,
    sources: &mut SourceMap,
) -> (Option<Settings>, Diagnostics) {
    let (mut diagnostics, mut files) = (Diagnostics::default(), Vec::new());
    let root = settings.and_then(|path| {
        let (source, text) = load::open_yaml(path, sources, &mut files, &mut diagnostics)?;
        read_yaml(&text, source, &mut diagnostics)
    });
    let is_plan = root.as_ref().is_some_and(|root| root.get("actions").is_some());
    let mut reader = SettingsReader { catalog, now, sources, files: &mut files, diagnostics: &mut diagnostics };
    let mut draft = match &root {
        Some(plan) if is_plan => reader.read_settings(Some(plan), None),
        shared => reader.read_settings(None, shared.as_ref()),
    };
    let mut found = Vec::new();
    for name in names {
        let shown = safe::terminal(name);
        let users: Vec<&str> = draft
            .accounts
            .drafts
            .iter()
            .map(|known| &known.account)
            .filter(|account| account.provider == *name && account.name != *name)
            .map(|account| account.name.as_str())
            .collect();
        let is_account = draft.accounts.by_name.contains_key(name);
        let meant = match &users[..] {
            [one] if !is_account => (*one).to_owned(),
            [_, _, ..] if !is_account => {
                let what = format!("`{shown}` could mean several accounts: {}", users.join(", "));
                diagnostics.push(Diagnostic::error("unknown-account", None, what).help("name the one that is meant"));
                continue;
            }
            _ => name.clone(),
        };
        match draft.accounts.find(&meant, catalog) {
            // No action brings a key of its own here.
            Ok(index) => found.push(Account { own_keys: false, ..draft.accounts.drafts[index].account.clone() }),
            // Which was reported.
            Err(NoAccount::Misconfigured) => {}
            Err(NoAccount::Unknown) => {
                let accounts = draft.accounts.drafts.iter().map(|known| known.account.name.as_str());
                let all: Vec<&str> = accounts.chain(catalog.ids()).collect();
                let what = format!("there is neither an account nor a provider `{shown}`");
                let help = nearest(&meant, all.iter().copied()).map_or_else(
                    || {
                        format!(
                            "there are {}; `--settings FILE` names a file with accounts of your own",
                            all.join(", ")
                        )
                    },
                    |right| did_you_mean(&meant, right),
                );
                diagnostics.push(Diagnostic::error("unknown-account", None, what).help(help));
            }
        }
    }
    if diagnostics.has_errors() {
        return (None, diagnostics);
    }
    let settings = Settings {
        name: draft.name.take().unwrap_or_default(),
        deadline: None,
        accounts: found,
        retry: draft.retry,
        timeout: draft.timeout,
        schedule: draft.schedule,
        safety: draft.safety.value,
        keep_columns: Vec::new(),
        hooks: Vec::new(),
    };
    (Some(settings), diagnostics)
}

impl SettingsReader<'_> {
    /// Reads the settings: the plan's tree, over that of the shared settings file where there is one.
    pub(super) fn read_settings(&mut self, plan: Option<&Node>, shared: Option<&Node>) -> Draft {
        if let Some(shared) = shared {
            known_keys(shared, "a settings file", &SHARED_KEYS, self.diagnostics);
            if let Some(version) = field(shared, "version") {
                self.check_version(version);
            }
        }
        if let Some(plan) = plan {
            let is_map = known_keys(plan, "a plan", &PLAN_KEYS, self.diagnostics);
            match plan.fields().iter().find(|field| field.name == "version") {
                Some(version) => self.check_version(version),
                // What is no map has a finding already.
                None if is_map => self.diagnostics.push(
                    Diagnostic::error("missing-version", plan.span, "`version` is missing")
                        .help("begin the plan with `version: 1`"),
                ),
                None => {}
            }
        }
        // The depth: `providers` are merged by account and then by key, other maps by key.
        let merged = |name: &str, depth: usize| {
            let (plan, shared) =
                (plan.and_then(|plan| field(plan, name)), shared.and_then(|shared| field(shared, name)));
            match (plan, shared) {
                (Some(plan), Some(shared)) => Some(merge(shared, plan, depth)),
                (plan, shared) => plan.or(shared).cloned(),
            }
        };
        // The timeout before the schedule, whose window must be longer than an attempt, and both before the deadline.
        let safety = self.read_safety(merged("safety", 1).as_ref());
        let timeout = merged("timeout", 0).and_then(|field| positive_duration(&field, self.diagnostics));
        let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
        let schedule = read_schedule(merged("schedule", 1).as_ref(), timeout, self.now, self.diagnostics);
        let deadline = plan.and_then(|plan| field(plan, "deadline"));
        let deadline = deadline.and_then(|field| read_deadline(field, &schedule, timeout, self.now, self.diagnostics));
        Draft {
            name: plan.and_then(|plan| field(plan, "name")).and_then(|field| self.read_name(field)),
            deadline,
            accounts: self.read_accounts(merged("providers", 2).as_ref()),
            retry: self.read_retry(merged("retry", 1).as_ref()),
            timeout,
            schedule,
            safety,
            hooks: read_hooks(merged("hooks", 0).as_ref(), self.diagnostics),
            defaults: plan
                .and_then(|plan| field(plan, "defaults"))
                .map_or_else(Vec::new, |field| self.read_defaults(field)),
        }
    }

    fn check_version(&mut self, version: &Field) {
        if version.value.text() != Some("1") {
            let what = match version.value.text() {
                Some(text) => format!("version `{text}` is not known; this certsweep reads version 1"),
                None => "`version` must be 1".to_owned(),
            };
            self.diagnostics.push(Diagnostic::error("version", version.value.span, what).help("write `version: 1`"));
        }
    }

    fn read_name(&mut self, field: &Field) -> Option<String> {
        let name = scalar::text(field, self.diagnostics)?;
        // It becomes part of the run directory's name, and of paths in reports.
        let usable = (1..=MAX_NAME).contains(&name.chars().count())
            && !name.chars().any(|letter| letter.is_control() || matches!(letter, '/' | '\\'))
            && !name.starts_with('.');
        if usable {
            return Some(name.to_owned());
        }
        let what = "this name cannot be part of a directory's name";
        let help = format!("use 1 to {MAX_NAME} characters without `/`, `\\` and a leading `.`");
        self.diagnostics.push(Diagnostic::error("name", field.value.span, what).help(help));
        None
    }

    fn read_retry(&mut self, retry: Option<&Field>) -> Retry {
        let mut value = Retry::default();
        let Some(map) = scalar::map(retry, "`retry`", &["attempts", "max_delay"], self.diagnostics) else {
            return value;
        };
        if let Some(field) = field(map, "attempts") {
            let attempts = scalar::count(field, 1, MAX_ATTEMPTS, self.diagnostics);
            value.attempts = attempts.and_then(|attempts| u32::try_from(attempts).ok()).unwrap_or(value.attempts);
        }
        if let Some(field) = field(map, "max_delay") {
            value.max_delay = positive_duration(field, self.diagnostics).unwrap_or(value.max_delay);
        }
        value
    }

    fn read_defaults(&mut self, field: &Field) -> Vec<Field> {
        if let Shape::Map(fields) = &field.value.shape {
            return fields.clone();
        }
        let what = format!("`defaults` must be a map, not {}", field.value.kind());
        self.diagnostics.push(Diagnostic::error("wrong-kind", field.value.span, what));
        Vec::new()
    }
}

impl SettingsReader<'_> {
    /// Reads `safety`.
    fn read_safety(&mut self, safety: Option<&Field>) -> SafetyDraft {
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
        let Some(texts) = texts(&waves.value, self.diagnostics) else { return Vec::new() };
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
        for (name, place) in texts(&field.value, self.diagnostics)? {
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
                self.files.push(ReadFile::on_disk(named.to_owned(), &path, false));
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

/// The plan's field over the shared one: maps are merged down to a depth, everything else is replaced.
fn merge(shared: &Field, plan: &Field, depth: usize) -> Field {
    let (Shape::Map(below), Shape::Map(above), 1..) = (&shared.value.shape, &plan.value.shape, depth) else {
        return plan.clone();
    };
    let mut fields: Vec<Field> = Vec::with_capacity(below.len() + above.len());
    for lower in below {
        // A key without a value replaces nothing.
        match above.iter().find(|upper| upper.name == lower.name && !matches!(upper.value.shape, Shape::Null)) {
            Some(upper) => fields.push(merge(lower, upper, depth - 1)),
            None => fields.push(lower.clone()),
        }
    }
    let is_new = |upper: &&Field| !below.iter().any(|lower| lower.name == upper.name);
    fields.extend(above.iter().filter(is_new).cloned());
    Field { value: Node { span: plan.value.span, shape: Shape::Map(fields) }, ..plan.clone() }
}

/// Reads `schedule`. `timeout` is the time of one attempt: so long before a window closes nothing is begun any more.
fn read_schedule(
    schedule: Option<&Field>,
    timeout: Duration,
    now: Timestamp,
    diagnostics: &mut Diagnostics,
) -> Schedule {
    let mut value = Schedule::default();
    let Some(map) = scalar::map(schedule, "`schedule`", &["start", "window"], diagnostics) else { return value };
    if let Some(start) = field(map, "start") {
        value.start = instant("start", &start.value, diagnostics);
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
fn read_deadline(
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
            Deadline::At(instant("deadline", &field.value, diagnostics)?)
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
pub(super) fn has_fixed_deadline(deadline: Deadline, schedule: &Schedule, now: Timestamp) -> bool {
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
    let zone = zone.and_then(|field| scalar::time_zone(field, diagnostics));
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
    let words = texts(&field.value, diagnostics)?;
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

/// Reads `hooks`: one, or a list of them.
fn read_hooks(hooks: Option<&Field>, diagnostics: &mut Diagnostics) -> Vec<Hook> {
    match hooks.map(|field| &field.value) {
        None => Vec::new(),
        Some(node) => match &node.shape {
            Shape::List(items) => items.iter().filter_map(|item| read_hook(item, diagnostics)).collect(),
            _ => read_hook(node, diagnostics).into_iter().collect(),
        },
    }
}

fn read_hook(node: &Node, diagnostics: &mut Diagnostics) -> Option<Hook> {
    if !known_keys(node, "a hook", &["on", "command"], diagnostics) {
        return None;
    }
    let (on, command) = (field(node, "on"), field(node, "command"));
    for (name, is_there) in [("on", on.is_some()), ("command", command.is_some())] {
        if !is_there {
            let error = Diagnostic::error("hook", node.span, format!("this hook has no `{name}`"));
            diagnostics.push(error.help(HOOK_EXAMPLE));
        }
    }
    let (on, command) = (on?, command?);
    Some(Hook { on: read_hook_events(on, diagnostics)?, command: read_hook_command(command, diagnostics)? })
}

fn read_hook_events(on: &Field, diagnostics: &mut Diagnostics) -> Option<Vec<HookEvent>> {
    let words = texts(&on.value, diagnostics)?;
    if words.is_empty() {
        diagnostics.push(Diagnostic::error("hook", on.value.span, "`on` names nothing").help(HOOK_EXAMPLE));
    }
    let mut events = Vec::new();
    for (word, span) in words {
        match HookEvent::ALL.into_iter().find(|event| event.as_str() == word) {
            Some(event) if events.contains(&event) => {}
            Some(event) => events.push(event),
            None => {
                let names = HookEvent::ALL.map(HookEvent::as_str);
                let what = format!("a hook cannot be told of `{}`", safe::terminal(&word));
                let help = match nearest(&word, names) {
                    Some(right) => did_you_mean(&word, right),
                    None => format!("`on` is one or more of {}", names.join(", ")),
                };
                diagnostics.push(Diagnostic::error("hook", span, what).help(help));
            }
        }
    }
    (!events.is_empty()).then_some(events)
}

/// Split into words as a shell does; no shell is started, so that nothing in it is expanded.
fn read_hook_command(command: &Field, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let text = scalar::text(command, diagnostics)?;
    let words = shlex::split(text).filter(|words| !words.iter().all(String::is_empty));
    let usable = words.filter(|words| !words[0].is_empty() && !text.contains('\0'));
    if usable.is_none() {
        let what = "this command cannot be split into a program and its arguments";
        diagnostics.push(Diagnostic::error("hook", command.value.span, what).help(HOOK_EXAMPLE));
    }
    usable
}

/// The keys of a plan.
pub(super) const PLAN_KEYS: [&str; 12] = [
    "version",
    "name",
    "deadline",
    "providers",
    "retry",
    "timeout",
    "schedule",
    "safety",
    "hooks",
    "defaults",
    "except",
    "actions",
];
const SHARED_KEYS: [&str; 7] = ["version", "providers", "retry", "timeout", "schedule", "safety", "hooks"];
/// A run directory's name holds the plan's.
const MAX_NAME: usize = 100;
/// More attempts than this are a mistake.
const MAX_ATTEMPTS: u64 = 100;
const SAFETY_KEYS: [&str; 7] =
    ["max_actions", "canary", "waves", "between_waves", "stop_when", "compromised_keys", "unique_keys"];
/// Of so many spans of a window the longest counts: a change of summer time may shorten some.
const SPANS_LOOKED_AT: usize = 14;
/// All of the run's actions.
const WHOLE: WaveSize = WaveSize::Share(1.0);
const WAVES_EXAMPLE: &str =
    "write `waves: [1%, 10%, 100%]`, or `[5, 500, 100%]`, and what lies between: `between_waves: ask` or `10m`";
const HOOK_EXAMPLE: &str = "write `{on: [stopped, in-doubt], command: \"notify --channel pki\"}`";
