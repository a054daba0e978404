//! Accounts without a plan: those of a settings file, or of a plan, that a command names. Reads settings; no action, no credential.

use super::load;
use super::read::{NoAccount, SettingsReader};
use super::settings::{Account, Settings};
use crate::diag::{Diagnostic, Diagnostics};
use crate::provider::Catalog;
use crate::text::damage::did_you_mean;
use crate::text::nearest::nearest;
use crate::text::{SourceMap, safe};
use crate::tree::yaml;
use jiff::Timestamp;
use std::path::Path;

/// The settings with the accounts of these names alone, in this order: a configured one's, or a provider's. A provider that one account uses
/// means that account. `None` where a finding is an error.
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
        yaml::read(&text, source, &mut diagnostics)
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
