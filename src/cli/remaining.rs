//! `certsweep report --format plan`: a run's actions written as a CSV list that is itself a plan, to go on with what is left by other
//! means. Accounts, rates and the like are not in a list: give it the first plan's settings with `--settings`.

use super::context::Context;
use super::exit::Exit;
use crate::journal::{History, Reader, RunFacts};
use crate::plan::checked::NamedFile;
use crate::plan::{Action, OF_CERTIFICATE, Settings};
use crate::provider::Catalog;
use crate::run::Outcome;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Writes the actions that ended so (all where none is named) as a plan.
pub fn write_plan(
    reader: &Reader,
    catalog: &Catalog,
    outcomes: &BTreeSet<Outcome>,
    output: &mut dyn Write,
) -> io::Result<()> {
    let settings = reader.facts().map_err(io::Error::other)?.settings;
    let mut names: Vec<String> = Vec::new();
    let mut facts: Vec<&str> = Vec::new();
    let wanted = |(action, history): (Action, History)| {
        let wanted = outcomes.is_empty() || outcomes.contains(&history.state.outcome());
        wanted.then_some(action)
    };
    let actions = || reader.histories().filter_map(|found| found.map(wanted).map_err(io::Error::other).transpose());
    // The header comes first, and a million actions are not kept: so they are read twice.
    for action in actions() {
        let action = action?;
        for name in OF_CERTIFICATE {
            if !facts.contains(&name) && fact(&action, name).is_some() {
                facts.push(name);
            }
        }
        let own_reason = reason_field(&settings, catalog, &action);
        for name in action.parameters.keys().filter(|name| Some(name.as_str()) != own_reason) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(output);
    facts.sort_unstable();
    // A provider's own field of such a name and the common one share a column.
    facts.retain(|name| !names.iter().any(|known| known == name));
    let header = FIXED.into_iter().chain(names.iter().map(String::as_str)).chain(facts.iter().copied());
    rows.write_record(header).map_err(io::Error::other)?;
    for action in actions() {
        let action = action?;
        let account = settings.accounts.get(action.account).map(|account| account.name.clone()).unwrap_or_default();
        let reason = action.reason.map(|reason| reason.name().to_owned()).unwrap_or_default();
        let not_before = action.not_before.map(|at| at.to_string()).unwrap_or_default();
        let fixed = [action.id.clone(), account, action.operation.clone(), reason, not_before];
        let own_reason = reason_field(&settings, catalog, &action);
        let cells = names.iter().map(|name| match action.parameters.get(name) {
            Some(value) if Some(name.as_str()) != own_reason => cell(value),
            _ => fact(&action, name).unwrap_or_default(),
        });
        let named = facts.iter().map(|name| fact(&action, name).unwrap_or_default());
        rows.write_record(fixed.into_iter().chain(cells).chain(named)).map_err(io::Error::other)?;
    }
    rows.flush()
}

/// The provider documents that a run uses.
///
/// # Errors
/// The exit code; the findings were printed.
pub fn catalog_of(context: &Context, facts: &RunFacts) -> Result<Catalog, Exit> {
    let mut directories = context.provider_directories();
    directories.extend(facts.provider_directories.iter().filter(|path| path.is_dir()).cloned());
    directories.dedup();
    context.catalog(&directories)
}

/// The provider's own field for the reason, where the row says the reason in RFC 5280 words.
fn reason_field<'a>(settings: &Settings, catalog: &'a Catalog, action: &Action) -> Option<&'a str> {
    action.reason?;
    let provider = catalog.get(&settings.accounts.get(action.account)?.provider)?;
    let (_, rules) = provider.actions().find(|(operation, _)| operation.name == action.operation)?;
    rules.reason.as_ref().map(|reason| reason.field.as_str())
}

/// The cell of what the plan said of the action's certificate.
fn fact(action: &Action, name: &str) -> Option<String> {
    let facts = action.certificate.as_deref()?;
    let file = |file: &NamedFile| format!("file:{}", file.path);
    match name {
        "certificate" => facts.certificate.as_ref().map(file),
        "serial_number" => facts.serial_number.as_ref().map(ToString::to_string),
        "issuer" => facts.issuer.as_ref().map(file),
        "crl" => Some(facts.crl.join(" ")).filter(|urls| !urls.is_empty()),
        "ocsp" => facts.ocsp.clone(),
        _ => None,
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// The columns that every list has.
const FIXED: [&str; 5] = ["id", "provider", "action", "reason", "not_before"];
