//! Checked settings and values back into a plan's text: what is left of a run as a plan of its own. Writes only what differs from the provider
//! documents and from the defaults; whether the text is a plan is for the check to say. Opens nothing.

use super::read::unconfigured;
use super::settings::{
    Account, BetweenWaves, DAYS, DEFAULT_TIMEOUT, DailyWindow, Hook, Retry, Safety, Schedule, Settings, StopWhen,
    WaveSize,
};
use crate::provider::challenge::ChallengeSolver;
use crate::provider::{Catalog, CredentialReference};
use crate::text::safe;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The keys of a plan that say how it is to be carried out, but for its name: those alone that differ from what holds without them. Accounts that
/// `is_used` says no to (by index) are left out. `deadline` is the instant that still holds; a start before `now` is over.
pub fn settings_to_plan(
    settings: &Settings,
    catalog: &Catalog,
    is_used: impl Fn(usize) -> bool,
    deadline: Option<Timestamp>,
    now: Timestamp,
) -> Map<String, Value> {
    let mut plan = Map::new();
    plan.extend(deadline.map(|at| ("deadline".to_owned(), at.to_string().into())));
    let used = settings.accounts.iter().enumerate().filter(|(index, _)| is_used(*index));
    let accounts: Map<String, Value> = used
        .filter_map(|(_, account)| {
            let written = account_to_plan(account, catalog);
            (!written.is_empty()).then(|| (account.name.clone(), written.into()))
        })
        .collect();
    let retry = retry_to_plan(settings.retry);
    for (key, map) in [
        ("providers", accounts),
        ("retry", retry),
        ("schedule", schedule_to_plan(&settings.schedule, now)),
        ("safety", safety_to_plan(&settings.safety)),
    ] {
        if !map.is_empty() {
            plan.insert(key.to_owned(), map.into());
        }
    }
    if !settings.hooks.is_empty() {
        let hook = |hook: &Hook| {
            let on: Vec<&str> = hook.on.iter().map(|event| event.as_str()).collect();
            json!({"on": on, "command": shlex::try_join(hook.command.iter().map(String::as_str)).unwrap_or_default()})
        };
        plan.insert("hooks".to_owned(), settings.hooks.iter().map(hook).collect());
    }
    if settings.timeout != DEFAULT_TIMEOUT {
        plan.insert("timeout".to_owned(), duration(settings.timeout).into());
    }
    plan
}

fn account_to_plan(account: &Account, catalog: &Catalog) -> Map<String, Value> {
    let mut plan = Map::new();
    if account.name != account.provider {
        plan.insert("uses".to_owned(), account.provider.clone().into());
    }
    let provider = catalog.get(&account.provider);
    // Without its document everything is written: nothing says what would hold otherwise.
    let usual = provider.map(|provider| unconfigured(&account.name, provider).account);
    let usual = usual.as_ref();
    let variables: Map<String, Value> = account
        .variables
        .iter()
        .filter(|(name, value)| usual.is_none_or(|usual| usual.variables.get(*name) != Some(*value)))
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    if !variables.is_empty() {
        plan.insert("variables".to_owned(), variables.into());
    }
    let filled = provider.and_then(|provider| provider.base_url_with(&account.variables).ok());
    if filled.as_deref() != Some(account.base_url.as_str()) {
        plan.insert("base_url".to_owned(), account.base_url.clone().into());
    }
    if let Some(hook) = &account.challenge_hook {
        let by = match &hook.by {
            ChallengeSolver::Directory(path) => format!("directory:{}", path.display()),
            ChallengeSolver::Command(words) => {
                plan.insert("challenge_type".to_owned(), hook.kind.word().into());
                format!("command:{}", shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default())
            }
        };
        plan.insert("challenge_hook".to_owned(), by.into());
        plan.insert("challenge_timeout".to_owned(), duration(hook.limit).into());
    }
    if let Some(url) = &account.auth_url {
        plan.insert("auth_url".to_owned(), url.clone().into());
    }
    if usual.is_none_or(|usual| usual.credentials != account.credentials) && !account.credentials.is_empty() {
        let credentials = account.credentials.iter().map(|(name, from)| (name.clone(), reference(from).into()));
        plan.insert("credentials".to_owned(), credentials.collect::<Map<_, Value>>().into());
    }
    if usual.is_none_or(|usual| usual.windows != account.windows) {
        let windows: Vec<String> = account.windows.iter().map(ToString::to_string).collect();
        plan.insert("rate".to_owned(), windows.into());
    }
    if !account.concurrency_follows {
        plan.insert("concurrency".to_owned(), account.concurrency.into());
    }
    if !account.reasons.is_empty() {
        let reasons = account.reasons.iter().map(|(reason, sent)| (reason.name().to_owned(), sent.clone().into()));
        plan.insert("reasons".to_owned(), reasons.collect::<Map<_, Value>>().into());
    }
    plan
}

/// A reference as plans write it; never a secret.
fn reference(from: &CredentialReference) -> String {
    match from {
        CredentialReference::Env(name) => format!("env:{name}"),
        CredentialReference::File(path) => format!("file:{}", path.display()),
        CredentialReference::Command(words) => {
            // Words with a NUL alone cannot be joined, and no plan with one is read.
            format!("command:{}", shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default())
        }
    }
}

fn retry_to_plan(retry: Retry) -> Map<String, Value> {
    let (mut plan, usual) = (Map::new(), Retry::default());
    if retry.attempts != usual.attempts {
        plan.insert("attempts".to_owned(), retry.attempts.into());
    }
    if retry.max_delay != usual.max_delay {
        plan.insert("max_delay".to_owned(), duration(retry.max_delay).into());
    }
    plan
}

fn schedule_to_plan(schedule: &Schedule, now: Timestamp) -> Map<String, Value> {
    let mut plan = Map::new();
    let start = schedule.start.filter(|start| *start > now);
    plan.extend(start.map(|start| ("start".to_owned(), start.to_string().into())));
    if let Some(DailyWindow { from, to, timezone, days }) = &schedule.window {
        let days: Vec<&str> = days.iter().filter_map(|day| DAYS.get(usize::try_from(day - 1).ok()?)).copied().collect();
        let mut window = json!({
            "from": from.strftime("%H:%M").to_string(),
            "to": to.strftime("%H:%M").to_string(),
            "timezone": timezone,
        });
        if days.len() < DAYS.len() {
            window["days"] = days.into();
        }
        plan.insert("window".to_owned(), window);
    }
    plan
}

fn safety_to_plan(safety: &Safety) -> Map<String, Value> {
    let mut plan = Map::new();
    plan.extend(safety.max_actions.map(|most| ("max_actions".to_owned(), most.into())));
    if safety.canary > 0 {
        plan.insert("canary".to_owned(), safety.canary.into());
    }
    if let Some(stop) = safety.stop_when {
        let rule = match stop {
            StopWhen::Failures(failures) => json!({"failures": failures}),
            StopWhen::FailureRate { rate, of_last } => json!({"failure_rate": rate, "of_last": of_last}),
        };
        plan.insert("stop_when".to_owned(), rule);
    }
    if !safety.waves.is_empty() {
        let waves = safety.waves.iter().map(|size| match size {
            WaveSize::Count(count) => count.to_string(),
            // A share has no more digits than a person wrote: a double's own would be more.
            WaveSize::Share(share) => {
                let percent = format!("{:.9}", share * 100.0);
                format!("{}%", percent.trim_end_matches('0').trim_end_matches('.'))
            }
        });
        plan.insert("waves".to_owned(), waves.collect::<Vec<_>>().into());
        if let BetweenWaves::Pause(pause) = safety.between_waves {
            plan.insert("between_waves".to_owned(), duration(pause).into());
        }
    }
    plan
}

/// A duration, as plans write it.
pub fn duration(length: Duration) -> String {
    match length.subsec_millis() {
        0 => format!("{}s", length.as_secs()),
        _ => format!("{}ms", length.as_millis()),
    }
}

/// A value in YAML's flow style, on one line. Words stay plain; all other texts are quoted, and what would act on a terminal is escaped.
pub fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        // A JSON string is a YAML one (YAML 1.2, section 5.7), but for DEL and C1, which YAML's readers refuse unescaped.
        Value::String(_) => safe::json(&value.to_string()).into_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => format!("{{{}}}", members(map).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// Each member of a map as `name: value`.
pub fn members(map: &Map<String, Value>) -> impl Iterator<Item = String> + '_ {
    map.iter().map(|(name, value)| format!("{}: {}", flow(&name.as_str().into()), flow(value)))
}

/// Whether every reader takes a text for this text, unquoted.
fn is_plain(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Words that some readers of YAML take for something else than text.
const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{CsvOptions, Input, Request, check};
    use crate::text::SourceMap;

    fn checked(plan: &str) -> (Settings, String) {
        let catalog = Catalog::built_in();
        let (plan, columns) = (Input::Stdin(plan.as_bytes().to_vec()), CsvOptions::default());
        let request = Request { plan, settings: None, catalog: &catalog, columns, now: now() };
        let (plan, findings) = check(&request, &mut SourceMap::default(), &mut |_| ());
        let plan = plan.unwrap_or_else(|| panic!("{findings:?}"));
        (plan.settings().clone(), plan.digest().to_owned())
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    #[test]
    fn settings_are_written_so_that_the_check_reads_the_same() {
        let catalog = Catalog::built_in();
        let rows = "actions:\n- {provider: digicert, action: revoke, certificate_id: 1}\n\
                    - {provider: two, action: revoke-ca, ca_id: 6434f74f-2d13-4e6a-89eb-93ee313f1a43}\n";
        let digicert = "providers:\n  two: {uses: huawei}\n";
        for (settings, expected) in [
            (digicert.to_owned(), "{providers: {two: {uses: huawei}}}"),
            (
                format!(
                    "{digicert}  digicert: {{rate: [10/5s, 7/300ms], concurrency: 3, credentials: {{api_key: \"env:KEY\"}}}}\n\
                     retry: {{attempts: 9, max_delay: 1500ms}}\ntimeout: 1h\n"
                ),
                "{providers: {digicert: {credentials: {api_key: \"env:KEY\"}, rate: [\"10/5s\", \"7/300ms\"], concurrency: 3}, \
                 two: {uses: huawei}}, retry: {attempts: 9, max_delay: \"1500ms\"}, timeout: \"3600s\"}",
            ),
            (
                "providers:\n  two: {uses: huawei, variables: {region: ae-ad-1}, credentials: {access_key: \"file:/run/a b\", \
                 secret_key: \"command:pass show 'a b'\"}, reasons: {keyCompromise: UNSPECIFIED}}\n"
                    .to_owned(),
                "{providers: {two: {uses: huawei, variables: {region: ae-ad-1}, credentials: {access_key: \"file:/run/a b\", \
                 secret_key: \"command:pass show 'a b'\"}, reasons: {keyCompromise: UNSPECIFIED}}}}",
            ),
            (
                format!(
                    "{digicert}safety: {{max_actions: 5, canary: 1, stop_when: {{failure_rate: 0.07, of_last: 9}}, \
                     waves: [1, 7%, 100%], between_waves: 10m}}\n\
                     schedule: {{start: 2030-01-01T00:00:00Z, window: {{from: \"22:00\", to: \"04:30\", timezone: Asia/Seoul, days: [mon, sun]}}}}\n"
                ),
                "{providers: {two: {uses: huawei}}, schedule: {start: \"2030-01-01T00:00:00Z\", window: {from: \"22:00\", \
                 to: \"04:30\", timezone: \"Asia/Seoul\", days: [mon, sun]}}, safety: {max_actions: 5, canary: 1, \
                 stop_when: {failure_rate: 0.07, of_last: 9}, waves: [\"1\", \"7%\", \"100%\"], between_waves: \"600s\"}}",
            ),
        ] {
            let (before, digest) = checked(&format!("version: 1\nname: x\n{settings}{rows}"));
            let written = settings_to_plan(&before, &catalog, |_| true, None, now());
            assert_eq!(sorted(&flow(&written.clone().into())), sorted(expected), "{settings}");
            let text: String = members(&written).map(|line| line + "\n").collect();
            assert_eq!(checked(&format!("version: 1\nname: x\n{text}{rows}")), (before, digest), "{text}");
        }
    }

    /// The order of members is the map's own affair.
    fn sorted(text: &str) -> Vec<char> {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    }

    #[test]
    fn accounts_without_actions_and_what_is_over_are_left_out() {
        let catalog = Catalog::built_in();
        let (settings, _) = checked(
            "version: 1\nproviders: {two: {uses: digicert}}\nschedule: {start: 2020-01-01T00:00:00Z}\n\
             actions: [{provider: two, action: revoke, certificate_id: 1}]\n",
        );
        assert_eq!(settings_to_plan(&settings, &catalog, |_| false, None, now()), Map::new());
        let later = now().checked_add(Duration::from_secs(5)).unwrap();
        let written = settings_to_plan(&settings, &catalog, |_| false, Some(later), now());
        assert_eq!(flow(&written.into()), "{deadline: \"2023-11-14T22:13:25Z\"}");
    }

    #[test]
    fn texts_are_quoted_where_a_reader_would_take_them_otherwise() {
        for (text, expected) in [
            ("shop-1.a_b", "shop-1.a_b"),
            ("0012", "\"0012\""),
            ("No", "\"No\""),
            ("", "\"\""),
            ("a: b", "\"a: b\""),
            ("a\"\n\u{1b}\u{9b}\u{202e}\u{85}\u{7f}", "\"a\\\"\\n\\u001b\\u009b\\u202e\\u0085\\u007f\""),
            ("이름", "\"이름\""),
        ] {
            assert_eq!(flow(&text.into()), expected);
        }
    }
}
