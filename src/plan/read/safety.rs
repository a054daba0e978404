//! `safety`: what a plan says about when to stop, and which keys must not be used.

use super::scalar::{self, SettingsReader, field};
use crate::diag::Diagnostic;
use crate::pki::CompromisedKeys;
use crate::plan::checked::ReadFile;
use crate::plan::load;
use crate::plan::settings::{BetweenWaves, Safety, StopWhen, WaveSize};
use crate::text::{Span, safe};
use crate::time::parse_duration;
use crate::tree::Field;

/// `safety` as read, with what only the check needs.
#[derive(Default)]
pub(in crate::plan) struct SafetyDraft {
    pub(in crate::plan) value: Safety,
    /// Where `max_actions` stands.
    pub(in crate::plan) max_actions_place: Option<Span>,
    pub(in crate::plan) unique_keys: bool,
    pub(in crate::plan) compromised: Option<CompromisedKeys>,
}

impl SettingsReader<'_> {
    /// Reads `safety`.
    pub(super) fn safety(&mut self, safety: Option<&Field>) -> SafetyDraft {
        let mut draft = SafetyDraft::default();
        let Some(map) = scalar::map(safety, "`safety`", &SAFETY_KEYS, self.diagnostics) else { return draft };
        let value = &mut draft.value;
        let max_actions = field(map, "max_actions");
        value.max_actions = max_actions.and_then(|field| scalar::count(field, 1, u64::MAX, self.diagnostics));
        value.canary =
            field(map, "canary").and_then(|field| scalar::count(field, 0, u64::MAX, self.diagnostics)).unwrap_or(0);
        value.stop_when = field(map, "stop_when").and_then(|field| self.stop_when(field));
        if let Some(waves) = field(map, "waves") {
            value.waves = self.waves(waves);
        }
        if let Some(between) = field(map, "between_waves") {
            if field(map, "waves").is_none() {
                let error = Diagnostic::error("waves", between.span, "`between_waves` says nothing without `waves`");
                self.diagnostics.push(error.help(WAVES_EXAMPLE));
            }
            value.between_waves = self.between_waves(between).unwrap_or_default();
        }
        draft.max_actions_place = max_actions.map(|field| field.value.span);
        draft.unique_keys =
            field(map, "unique_keys").and_then(|field| scalar::flag(field, self.diagnostics)).unwrap_or(false);
        draft.compromised = field(map, "compromised_keys").and_then(|field| self.compromised_keys(field));
        draft
    }

    /// Shares and counts, rising; that the last wave is everything is understood.
    fn waves(&mut self, waves: &Field) -> Vec<WaveSize> {
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
            // A share and a number can be held against each other only when the actions are counted.
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
        if sizes.last().is_some_and(|last| *last != WHOLE) {
            sizes.push(WHOLE);
        }
        sizes
    }

    fn between_waves(&mut self, field: &Field) -> Option<BetweenWaves> {
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

    fn stop_when(&mut self, stop_when: &Field) -> Option<StopWhen> {
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

    fn compromised_keys(&mut self, field: &Field) -> Option<CompromisedKeys> {
        let mut all: Option<String> = None;
        for (name, place) in scalar::texts(&field.value, self.diagnostics)? {
            let named = name.strip_prefix("file:").unwrap_or(&name);
            let path = load::resolve(self.sources, place, named);
            let text = match load::read_small(&path, u64::MAX) {
                Ok(text) => text,
                Err(why) => {
                    let what = format!("the file {} cannot be read: {why}", path.display());
                    self.diagnostics.push(Diagnostic::error("unreadable-file", place, what));
                    continue;
                }
            };
            // A list may hold the compromised private keys themselves; those are never copied.
            if !text.contains("PRIVATE KEY") {
                self.files.push(ReadFile { name: named.to_owned(), path: Some(path.clone()), text: None });
            }
            if let Err(wrong) = CompromisedKeys::parse(&text) {
                for (line, why) in wrong {
                    let what = format!("{}:{line}: {why}", path.display());
                    self.diagnostics.push(Diagnostic::error("compromised-keys", place, what));
                }
                continue;
            }
            let all = all.get_or_insert_default();
            all.push_str(&text);
            all.push('\n');
        }
        CompromisedKeys::parse(&all?).ok()
    }
}

/// `10%`, `0.5%` or `500`.
fn wave_size(text: &str) -> Option<WaveSize> {
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
