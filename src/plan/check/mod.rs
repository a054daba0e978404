//! The check: settings, then the actions one by one, against the provider documents; all findings of everything in one go.
//!
//! Streams: it lends out each action as soon as it is read and stores only what uniqueness, `needs` and conflicts need. A
//! caller throws the actions away when no [`CheckedPlan`] comes. Sends nothing, resolves no credential.

mod action;
mod action_index;
mod certificate_source;
mod certificates;
mod columns;
mod context;
mod exception_list;
mod exceptions;
mod fields;
mod parameters;
mod pem_files;
mod relations;
mod row_filter;
mod rows;
mod steps;

pub use certificate_source::MAX_BUNDLE;
pub use context::{CsvOptions, IgnoreColumns, Request};
pub use fields::{CERTIFICATE_FIELDS, DESCRIPTIVE_COLUMNS};
pub(super) use fields::{COMMON_FIELDS, UNSHARED_FIELDS};
pub use parameters::needs_as_written;

use super::checked::{Action, CheckedPlan};
use super::load::{self, Input, Opened};
use super::read::SettingsReader;
use super::settings::Settings;
use crate::diag::{Diagnostic, Diagnostics};
use crate::text::SourceMap;
use crate::tree::yaml;
use context::Checker;
use std::collections::BTreeMap;

/// Checks a plan. `each` is given the actions in plan order; they count only if a [`CheckedPlan`] comes in the end.
pub fn check(
    request: &Request<'_>,
    sources: &mut SourceMap,
    each: &mut dyn FnMut(Action),
) -> (Option<CheckedPlan>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let mut files = Vec::new();
    let opened = load::open_plan(&request.plan, sources, &mut files, &mut diagnostics);
    let shared = request.settings.as_ref().and_then(|path| {
        let (source, text) = load::open_yaml(path, sources, &mut files, &mut diagnostics)?;
        yaml::read(&text, source, &mut diagnostics)
    });
    // Only here, so that findings about the plan's file and the settings file come together.
    let Some(opened) = opened else { return (None, diagnostics) };
    let (mut keep, mut mapped) = (Vec::new(), request.columns.columns.clone());
    let root = match &opened {
        Opened::List(_) => {
            keep = deduplicated(&request.columns.keep);
            None
        }
        Opened::Yaml(source, text) => {
            if !request.columns.is_empty() {
                let what = "the options for columns are for a bare CSV list; this plan is YAML";
                let error = Diagnostic::error("columns", None, what);
                let help = "write `columns`, `ignore_columns`, `keep_columns`, `header_row` and `where` beside `from`";
                diagnostics.push(error.help(help));
            }
            match rows::without_actions(text, *source, &mut keep, &mut mapped, &mut diagnostics) {
                Some(root) => Some(root),
                None => return (None, diagnostics),
            }
        }
    };
    let mut reader = SettingsReader {
        catalog: request.catalog,
        now: request.now,
        sources,
        files: &mut files,
        diagnostics: &mut diagnostics,
    };
    let mut draft = reader.read_settings(root.as_ref(), shared.as_ref());
    let defaults = std::mem::take(&mut draft.defaults);
    let mut checker = Checker::new(request, draft, sources, files, diagnostics, keep, each);
    checker.read_plan_exceptions(&request.columns.except, &mapped, root.as_ref());
    // Once, before the rows: a wrong default is one finding, and is not tried for each row.
    let defaults = checker.usable_defaults(&defaults, "`defaults`");
    let name = name_of(&request.plan);
    match opened {
        Opened::List(source) => checker.read_bare_list(source, &request.columns, &name),
        Opened::Yaml(source, text) => checker.read_entries(source, &text, root.as_ref(), &defaults, &name),
    }
    finish(checker, &request.plan)
}

/// Checks what needs all actions (`needs`, how many there are), and makes the plan where there is no error.
fn finish(mut checker: Checker<'_>, plan: &Input) -> (Option<CheckedPlan>, Diagnostics) {
    let needs = checker.check_needs();
    checker.report_timings();
    checker.report_reached_twice();
    let shared_keys = checker.report_shared_compromises();
    checker.report_unmet_exceptions();
    checker.report_unknown_issuers();
    let actions = u64::from(checker.index.count());
    // Where actions could not be read, their absence is no finding of its own.
    if actions == 0 && !checker.diagnostics.has_errors() {
        let error = Diagnostic::error("no-actions", None, "this plan has no actions");
        checker.report(error.help(rows::ACTIONS_EXAMPLE));
    }
    if let Some(most) = checker.draft.safety.value.max_actions.filter(|most| actions > *most) {
        let what = format!("this plan has {actions} actions; `max_actions` allows {most}");
        let error = Diagnostic::error("max-actions", checker.draft.safety.max_actions_place, what);
        checker.report(error.help("split the plan, or raise `max_actions` if so many are meant"));
    }
    // All or nothing: a plan of which some rows were dropped is not what its author meant.
    if checker.diagnostics.has_errors() {
        return (None, checker.diagnostics);
    }
    let mut documents = BTreeMap::new();
    // Only the accounts that actions use: another one in shared settings must not change this plan's digest.
    for index in &checker.draft.accounts.used {
        let account = &checker.draft.accounts.drafts[*index];
        documents.insert(account.provider.id.clone(), hex::encode(account.provider.digest));
        checker.digest.account(account);
    }
    let drafts = &checker.draft.accounts.drafts;
    let settings = Settings {
        name: checker.draft.name.take().unwrap_or_else(|| stem(plan)),
        deadline: checker.draft.deadline,
        accounts: checker.draft.accounts.used.iter().map(|index| drafts[*index].account.clone()).collect(),
        retry: checker.draft.retry,
        timeout: checker.draft.timeout,
        schedule: checker.draft.schedule,
        safety: checker.draft.safety.value,
        keep_columns: checker.keep,
        hooks: checker.draft.hooks,
    };
    let digest = checker.digest.finish(&settings);
    let found = (checker.certificates.into_issuers(), shared_keys);
    let plan = CheckedPlan::new(settings, digest, actions, needs, checker.files, documents, found);
    (Some(plan.leaving_out(checker.left_out).with_last_steps(checker.last_steps)), checker.diagnostics)
}

/// What ids made from positions in the plan itself begin with.
fn name_of(plan: &Input) -> String {
    match plan {
        Input::Stdin(_) => "<stdin>".to_owned(),
        Input::Path(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

/// The name of a plan that has none.
fn stem(plan: &Input) -> String {
    let stem = match plan {
        Input::Stdin(_) => None,
        Input::Path(path) => path.file_stem().map(|stem| stem.to_string_lossy().into_owned()),
    };
    // It becomes part of the run directory's name, which must not be hidden.
    let stem = stem.map(|stem| stem.trim_start_matches('.').chars().filter(|letter| !letter.is_control()).collect());
    stem.filter(|stem: &String| !stem.is_empty()).unwrap_or_else(|| "plan".to_owned())
}

fn deduplicated(names: &[String]) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        if !unique.contains(name) {
            unique.push(name.clone());
        }
    }
    unique
}
