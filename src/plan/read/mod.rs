//! A plan's settings: from the tree to checked values, the plan's own over the shared ones, with every finding. Knows the plan's keys
//! and the providers' documents; reads no action.

mod accounts;
mod base_url;
mod challenges;
mod hooks;
mod scalar;
mod schedule_and_safety;
mod time_zone;

pub(super) use accounts::{AccountDraft, NoAccount, unconfigured};
pub(super) use base_url::{UnusableUrl, check_published};
pub(super) use scalar::{SettingsReader, instant, positive_duration, texts};
pub(super) use schedule_and_safety::has_fixed_deadline;

use crate::diag::Diagnostic;
use crate::plan::settings::{DEFAULT_TIMEOUT, Deadline, Hook, Retry, Schedule};
use crate::tree::{Field, Node, Shape};
use accounts::Accounts;
use scalar::{field, known_keys};
use schedule_and_safety::{SafetyDraft, read_deadline, read_schedule};
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
            hooks: hooks::read_hooks(merged("hooks", 0).as_ref(), self.diagnostics),
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
