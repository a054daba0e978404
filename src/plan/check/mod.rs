//! The check: settings, then the actions one by one, against the provider documents; all findings of everything in one go.
//!
//! Streams: it hands out each action as soon as it is read and keeps only what uniqueness, `needs` and conflicts need. A
//! caller throws the actions away when no [`CheckedPlan`] comes. Sends nothing, resolves no credential.

mod action;
mod beside;
mod certificate;
mod columns;
mod csr;
mod digest;
mod ids;
mod index;
mod items;
mod list;
mod parameters;
mod pending;
mod places;
mod reason;
mod routes;
mod sent_certificate;
mod stand;
mod targets;
#[cfg(test)]
mod tests;

pub use action::OF_CERTIFICATE;
pub(super) use action::{COMMON, OWN};

use super::checked::{Action, CheckedPlan, ReadFile};
use super::load::{self, Input, Opened};
use super::read::{Draft, Reading};
use super::settings::Settings;
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::provider::Catalog;
use crate::text::SourceMap;
use crate::tree::{Field, yaml};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// What is to be checked.
#[derive(Debug, Clone)]
pub struct Request<'r> {
    /// The plan.
    pub plan: Input,
    /// A file with settings that many plans share.
    pub settings: Option<PathBuf>,
    /// The providers that there are.
    pub catalog: &'r Catalog,
    /// How to read the columns of a bare CSV list.
    pub columns: CsvOptions,
    /// The present time, for what has passed.
    pub now: Timestamp,
}

/// How to read the columns of a CSV list whose header is not made for plans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// Field name → column name.
    pub columns: Vec<(String, String)>,
    /// Columns that are left out.
    pub ignore: IgnoreColumns,
    /// Columns whose values are carried through to the report.
    pub keep: Vec<String>,
}

impl CsvOptions {
    /// Whether they say nothing.
    pub fn is_empty(&self) -> bool {
        let ignores = match &self.ignore {
            IgnoreColumns::None => false,
            IgnoreColumns::All => true,
            IgnoreColumns::Named(names) => !names.is_empty(),
        };
        self.columns.is_empty() && self.keep.is_empty() && !ignores
    }
}

/// Columns that are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IgnoreColumns {
    /// None: an unknown column is an error.
    #[default]
    None,
    /// All that are unknown.
    All,
    /// Those of these names.
    Named(Vec<String>),
}

/// Checks a plan. `each` is lent the actions in plan order; they count only if a [`CheckedPlan`] comes in the end.
pub fn check(
    request: &Request<'_>,
    sources: &mut SourceMap,
    each: &mut dyn FnMut(&Action),
) -> (Option<CheckedPlan>, Diagnostics) {
    let before = sources.clone();
    attempt(request, sources, each, Ways::default()).unwrap_or_else(|| {
        // Only a text with errors comes here, and no plan comes of it: it does not matter that actions are lent a second time.
        *sources = before;
        attempt(request, sources, each, Ways { ahead: false, ..Ways::default() }).unwrap_or_default()
    })
}

/// The ways that may be taken. They lead to the same, but for time.
#[derive(Clone, Copy)]
struct Ways {
    /// Settings are read ahead of the actions, where they stand before them, instead of in a pass of their own over everything.
    ahead: bool,
    /// Rows like one before go the short way.
    short: bool,
}

impl Default for Ways {
    fn default() -> Self {
        Self { ahead: true, short: true }
    }
}

/// Checks a plan. `None` where reading ahead did not do.
fn attempt(
    request: &Request<'_>,
    sources: &mut SourceMap,
    each: &mut dyn FnMut(&Action),
    ways: Ways,
) -> Option<(Option<CheckedPlan>, Diagnostics)> {
    let mut diagnostics = Diagnostics::default();
    let mut files = Vec::new();
    let opened = load::open_plan(&request.plan, sources, &mut files, &mut diagnostics);
    let shared = request.settings.as_ref().and_then(|path| {
        let (source, text) = load::open_yaml(path, sources, &mut files, &mut diagnostics)?;
        yaml::read(&text, source, &mut diagnostics)
    });
    let Some(opened) = opened else { return Some((None, diagnostics)) };
    let mut keep = Vec::new();
    let mut ahead = None;
    let root = match &opened {
        Opened::Csv(..) => {
            keep = deduplicated(&request.columns.keep);
            None
        }
        Opened::Yaml(source, text) => {
            if !request.columns.is_empty() {
                let what = "the options for columns are for a bare CSV list; this plan is YAML";
                let error = Diagnostic::error("columns", None, what);
                diagnostics.push(error.help("write `columns`, `ignore_columns` and `keep_columns` beside `from`"));
            }
            ahead = items::settings_ahead(text, *source).filter(|_| ways.ahead);
            match &ahead {
                Some(settings) => Some(settings.clone()),
                None => match items::first_pass(text, *source, &mut keep, &mut diagnostics) {
                    Some(root) => Some(root),
                    None => return Some((None, diagnostics)),
                },
            }
        }
    };
    let mut reading = Reading {
        catalog: request.catalog,
        now: request.now,
        sources,
        files: &mut files,
        diagnostics: &mut diagnostics,
    };
    let mut draft = reading.draft(root.as_ref(), shared.as_ref());
    let defaults = std::mem::take(&mut draft.defaults);
    let mut checker = Checker::new(request, draft, sources, files, diagnostics, keep, each);
    checker.takes_short_ways = ways.short;
    let defaults = checker.usable_defaults(&defaults, "`defaults`");
    match (opened, &ahead, &root) {
        (Opened::Csv(source, bytes), ..) => checker.bare_list(source, bytes, &request.columns),
        (Opened::Yaml(source, text), Some(settings), _) => {
            if !checker.items_behind(source, &text, settings, &defaults) {
                return None;
            }
        }
        (Opened::Yaml(source, text), None, root) => checker.items(source, &text, root.as_ref(), &defaults),
    }
    Some(checker.finish(&request.plan))
}

/// A check that is going on.
struct Checker<'r> {
    catalog: &'r Catalog,
    now: Timestamp,
    draft: Draft,
    sources: &'r mut SourceMap,
    files: Vec<ReadFile>,
    diagnostics: Diagnostics,
    /// What was said already: a default that will not do is said once, not for every row.
    said: HashSet<u64>,
    /// How many errors there were, those that were said already included.
    errors: u64,
    each: &'r mut dyn FnMut(&Action),
    index: index::Index,
    digest: digest::Digest,
    csrs: csr::CsrFiles,
    certificates: sent_certificate::Certificates,
    issuers: certificate::IssuerFiles,
    lists: list::Lists,
    keep: Vec<String>,
    /// Accounts for which the mapping away of `keyCompromise` was warned of.
    mapped_away: HashSet<usize>,
    takes_short_ways: bool,
    routes: routes::Routes,
    pending: pending::Pending,
    rules: routes::Rules,
    /// What ids made from positions in the plan itself begin with.
    plan_name: String,
}

/// Fields for what a row leaves out, nearest first.
#[derive(Clone, Copy)]
struct Layers<'a> {
    /// The entry's, where the row comes from a list.
    entry: &'a [Field],
    /// The plan's `defaults`.
    plan: &'a [Field],
}

impl<'r> Checker<'r> {
    fn new(
        request: &'r Request<'r>,
        draft: Draft,
        sources: &'r mut SourceMap,
        files: Vec<ReadFile>,
        diagnostics: Diagnostics,
        keep: Vec<String>,
        each: &'r mut dyn FnMut(&Action),
    ) -> Self {
        Self {
            catalog: request.catalog,
            now: request.now,
            draft,
            sources,
            files,
            diagnostics,
            said: HashSet::new(),
            errors: 0,
            each,
            index: index::Index::default(),
            digest: digest::Digest::default(),
            csrs: csr::CsrFiles::default(),
            certificates: sent_certificate::Certificates::default(),
            issuers: certificate::IssuerFiles::default(),
            lists: list::Lists::default(),
            keep,
            mapped_away: HashSet::new(),
            takes_short_ways: true,
            routes: routes::Routes::default(),
            pending: pending::Pending::default(),
            rules: routes::Rules::default(),
            plan_name: match &request.plan {
                Input::Stdin(_) => "<stdin>".to_owned(),
                Input::Path(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            },
        }
    }

    /// Adds a finding, once.
    fn say(&mut self, diagnostic: Diagnostic) {
        self.errors += u64::from(diagnostic.severity == Severity::Error);
        let mut hasher = DefaultHasher::new();
        diagnostic.span.hash(&mut hasher);
        diagnostic.code.hash(&mut hasher);
        diagnostic.what.hash(&mut hasher);
        if self.said.insert(hasher.finish()) {
            self.diagnostics.push(diagnostic);
        }
    }

    fn finish(mut self, plan: &Input) -> (Option<CheckedPlan>, Diagnostics) {
        self.settle();
        // The thread beside shares the targets: freed here, where they were made, their room can be used again at once.
        drop(std::mem::take(&mut self.pending));
        let needs = self.check_needs();
        let actions = self.index.count();
        if actions == 0 && !self.diagnostics.has_errors() {
            let error = Diagnostic::error("no-actions", None, "this plan has no actions");
            self.say(error.help(ACTIONS_EXAMPLE));
        }
        if let Some(most) = self.draft.safety.value.max_actions.filter(|most| actions > *most) {
            let what = format!("this plan has {actions} actions; `max_actions` allows {most}");
            let error = Diagnostic::error("max-actions", self.draft.safety.max_actions_place, what);
            self.say(error.help("split the plan, or raise `max_actions` if so many are meant"));
        }
        if self.diagnostics.has_errors() {
            return (None, self.diagnostics);
        }
        let mut documents = BTreeMap::new();
        for index in &self.draft.accounts.used {
            let account = &self.draft.accounts.drafts[*index];
            documents.insert(account.provider.id.clone(), hex::encode(account.provider.digest));
            self.digest.account(account);
        }
        let drafts = &self.draft.accounts.drafts;
        let settings = Settings {
            name: self.draft.name.take().unwrap_or_else(|| stem(plan)),
            deadline: self.draft.deadline,
            accounts: self.draft.accounts.used.iter().map(|index| drafts[*index].account.clone()).collect(),
            retry: self.draft.retry,
            timeout: self.draft.timeout,
            schedule: self.draft.schedule,
            safety: self.draft.safety.value,
            keep_columns: self.keep,
        };
        let digest = self.digest.finish(&settings);
        let issuers = self.certificates.into_issuers();
        (Some(CheckedPlan::new(settings, digest, actions, needs, self.files, documents, issuers)), self.diagnostics)
    }
}

/// The name of a plan that has none.
fn stem(plan: &Input) -> String {
    let stem = match plan {
        Input::Stdin(_) => None,
        Input::Path(path) => path.file_stem().map(|stem| stem.to_string_lossy().into_owned()),
    };
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

const ACTIONS_EXAMPLE: &str = "write `actions:` and below it, for each, `- {provider: …, action: …, …}`";
