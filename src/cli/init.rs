//! `certsweep init`: a starter plan, with comments and only what is needed. Sends nothing, and overwrites nothing.

use super::context::Context;
use super::exit::Exit;
use super::list_args::InitArgs;
use crate::find::exports::column_of;
use crate::find::target_list::TargetList;
use crate::pki::RevocationReason;
use crate::plan::DESCRIPTIVE_COLUMNS;
use crate::plan::export::members;
use crate::provider::Catalog;
use crate::provider::model::{ActionRules, Operation, Provider, ValueFormat};
use crate::text::damage::did_you_mean;
use crate::text::safe;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::Path;

/// A list that a plan is to take.
struct FromList<'a> {
    /// As the plan names it.
    shown: String,
    list: &'a TargetList,
}

/// Writes a starter plan.
pub fn init(context: &Context, args: &InitArgs) -> Exit {
    let catalog = match context.catalog(&context.provider_directories()) {
        Ok(catalog) => catalog,
        Err(exit) => return exit,
    };
    match make(args, &catalog) {
        Err(why) => {
            context.printer.error(&why);
            Exit::Usage
        }
        Ok((text, notes)) => {
            for note in notes {
                context.printer.warning(&note);
            }
            if let Some(path) = args.output.as_ref().filter(|path| path.exists()) {
                context.printer.error(&format!("{}: there is such a file; it is not overwritten", path.display()));
                return Exit::Usage;
            }
            if let Err(exit) = context.check_place("-o", args.output.as_deref()) {
                return exit;
            }
            match context.write_to(args.output.as_deref(), |output| output.write_all(text.as_bytes())) {
                Ok(()) => Exit::Well,
                Err(error) => context.failed(&error),
            }
        }
    }
}

/// The plan's text, and what a person must know of it.
fn make(args: &InitArgs, catalog: &Catalog) -> Result<(String, Vec<String>), String> {
    let list = args.from.as_ref().map(|path| TargetList::read(path)).transpose()?;
    let told = list.as_ref().map(providers_of).unwrap_or_default();
    let id = match (&args.provider, &told[..]) {
        (Some(id), _) => id,
        (None, [Some(first), ..]) => first,
        _ => {
            let all: Vec<&str> = catalog.iter().map(|provider| provider.id.as_str()).collect();
            return Err(format!("say at which provider: `--provider ID`, one of {}", all.join(", ")));
        }
    };
    let provider = catalog.get(id).ok_or_else(|| {
        let nearest = catalog.nearest(id).map(|right| format!("; {}", did_you_mean(id, right))).unwrap_or_default();
        format!("there is no provider `{}`{nearest}", safe::terminal(id))
    })?;
    let has = |name: &str| provider.actions().find(|(operation, _)| operation.name == name);
    let (operation, rules) = match &args.action {
        Some(name) => has(name),
        None => has("revoke").or_else(|| provider.actions().next()),
    }
    .ok_or_else(|| {
        let all: Vec<&str> = provider.actions().map(|(operation, _)| operation.name.as_str()).collect();
        format!("`{id}` has no such action; it has {}", all.join(", "))
    })?;
    let from = args
        .from
        .as_ref()
        .zip(list.as_ref())
        .map(|(path, list)| FromList { shown: path_in_plan(path, args.output.as_deref()), list });
    // Where every row says its provider, the plan need not.
    let is_told = told.iter().all(Option::is_some) && !told.is_empty();
    starter(provider, operation, rules, from.as_ref(), is_told)
}

/// The providers that a list's rows name, each once; `None` where a row names none.
fn providers_of(list: &TargetList) -> Vec<Option<String>> {
    let mut all = Vec::new();
    for row in 0..list.rows.len() {
        let id = Some(list.cell(row, "provider")).filter(|id| !id.is_empty()).map(str::to_owned);
        if !all.contains(&id) {
            all.push(id);
        }
    }
    all
}

/// A list's path as a plan names it that stands there, or in the working directory.
fn path_in_plan(list: &Path, plan: Option<&Path>) -> String {
    let directory = |path: &Path| std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
    let (Ok(list), Some(base)) = (std::path::absolute(list), directory(plan.unwrap_or(Path::new("plan.yaml")))) else {
        return list.display().to_string();
    };
    list.strip_prefix(base).unwrap_or(&list).display().to_string()
}

fn starter(
    provider: &Provider,
    operation: &Operation,
    rules: &ActionRules,
    from: Option<&FromList<'_>>,
    is_told: bool,
) -> Result<(String, Vec<String>), String> {
    let (action, notes) = match from {
        Some(from) => from_list(from, operation, rules),
        None => (from_sample(provider, operation, rules)?, Vec::new()),
    };
    let mut text = HEAD.to_owned();
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    line("version: 1");
    line("# deadline: 24h                 # after the start of the run, or an RFC 3339 instant");
    if !provider.environment.is_empty() {
        let mut credentials = String::new();
        for (name, variable) in &provider.environment {
            let comma = if credentials.is_empty() { "" } else { ", " };
            let _ = write!(credentials, "{comma}{name}: \"env:{variable}\"");
        }
        line("# providers:                    # only what differs; these are taken by themselves:");
        line(&format!("#   {}: {{credentials: {{{credentials}}}}}", provider.id));
    }
    line("safety:");
    line("  canary: 1                     # so many go first, one at a time; one that does not end well stops the run");
    let reasons: Vec<&str> =
        rules.reason.iter().flat_map(|rule| &rule.values).map(|(reason, _)| reason.name()).collect();
    let compromised = RevocationReason::KeyCompromise.name();
    let reason = if reasons.contains(&compromised) { Some(&compromised) } else { reasons.first() };
    if !is_told || reason.is_some() {
        line("defaults:");
        if !is_told {
            line(&format!("  provider: {}", provider.id));
        }
        if let Some(reason) = reason {
            line(&format!("  reason: {reason:<21} # or {}", others(&reasons, reason)));
        }
    }
    line("actions:");
    if from.is_none() {
        line("  # An example, as the provider's document has it: put your own in its place, one action a line.");
    }
    line(&format!("  - {{{}}}", members(&action).collect::<Vec<_>>().join(", ")));
    Ok((text, notes))
}

fn others(reasons: &[&str], reason: &str) -> String {
    let others: Vec<&str> = reasons.iter().copied().filter(|other| *other != reason).collect();
    if others.is_empty() { "nothing else: the provider has no other".to_owned() } else { others.join(", ") }
}

/// An entry that takes a list.
fn from_list(from: &FromList<'_>, operation: &Operation, rules: &ActionRules) -> (Map<String, Value>, Vec<String>) {
    let mut notes = Vec::new();
    let has = |column: &str| from.list.column(column).is_some();
    let mut columns = Map::new();
    let mut maps = |field: &str, told: &str| {
        if !has(field)
            && !columns.contains_key(field)
            && let Some(column) = column_of(&from.list.header, told)
        {
            columns.insert(field.to_owned(), column.into());
        }
    };
    // What the list calls otherwise than the plan: `Certificate ID`.
    let is_reason = |name: &str| rules.reason.as_ref().is_some_and(|rule| rule.field == name);
    for parameter in operation.parameters.iter().filter(|parameter| parameter.required && parameter.fixed.is_none()) {
        let mut names = std::iter::once(&parameter.name).chain(&parameter.aliases);
        if !is_reason(&parameter.name) && !names.any(|name| has(name)) {
            maps(parameter.name_in_plans(), parameter.name_in_plans());
        }
    }
    for name in &rules.target.parameters {
        let is_serial =
            operation.parameter(name).is_some_and(|parameter| matches!(parameter.format, ValueFormat::Serial(_)));
        // Where the certificate itself goes, it brings its number.
        if is_serial && rules.certificate.is_none() {
            maps(name, "serial_number");
        }
    }
    if let Some(csr) = &rules.csr {
        maps(&csr.field, "csr");
        for (field, column) in [(&csr.common_name, "common_name"), (&csr.dns_names, "dns_names")] {
            if let Some(field) = field {
                maps(field, column);
            }
        }
    }
    let needed = operation.parameters.iter().filter(|parameter| parameter.required && parameter.fixed.is_none());
    for parameter in needed.filter(|parameter| !is_reason(&parameter.name)) {
        let names = std::iter::once(&parameter.name).chain(&parameter.aliases);
        let is_given = names.into_iter().any(|name| has(name))
            || columns.contains_key(parameter.name_in_plans())
            || columns.contains_key(&parameter.name);
        if !is_given {
            let help = match &rules.csr {
                Some(csr) if csr.field == parameter.name => "; `certsweep csr --from LIST --out keys/` adds it",
                _ => "; give it beside `from`, or as a column",
            };
            notes.push(format!("the list has no column `{}`, which `{}` needs{help}", parameter.name, operation.name));
        }
    }
    let mut entry = Map::new();
    entry.insert("from".to_owned(), from.shown.as_str().into());
    entry.insert("action".to_owned(), operation.name.as_str().into());
    if !columns.is_empty() {
        entry.insert("columns".to_owned(), columns.into());
    }
    // A list of find's is taken as it is; of others only what is known.
    if !DESCRIPTIVE_COLUMNS.iter().all(|column| has(column)) {
        entry.insert("ignore_columns".to_owned(), true.into());
    }
    (entry, notes)
}

/// An entry as the document's samples show one.
fn from_sample(provider: &Provider, operation: &Operation, rules: &ActionRules) -> Result<Map<String, Value>, String> {
    if rules.certificate.is_some() || rules.csr.is_some() {
        let what = if rules.certificate.is_some() { "certificates" } else { "certificate requests" };
        return Err(format!(
            "`{}` of `{}` takes {what}, so it needs a list: `certsweep find … -o targets.csv`, then `init --from targets.csv`",
            operation.name, provider.id
        ));
    }
    let sample = operation.samples.iter().find(|sample| sample.for_action.is_none());
    let mut entry = Map::new();
    entry.insert("action".to_owned(), operation.name.as_str().into());
    let reason = rules.reason.as_ref().map(|rule| rule.field.as_str());
    let parameters = sample.into_iter().flat_map(|sample| &sample.parameters);
    for (name, value) in parameters.filter(|(name, _)| Some(name.as_str()) != reason && *name != "reason") {
        let named = operation.parameter(name);
        let value = match named.map(|parameter| parameter.format) {
            Some(ValueFormat::PrivateKey { .. }) => "file:shop.key".into(),
            Some(ValueFormat::Certificate { .. }) => "file:shop.pem".into(),
            _ => value.clone(),
        };
        entry.insert(name.clone(), value);
    }
    Ok(entry)
}

const HEAD: &str = "\
# yaml-language-server: $schema=plan.schema.json
# Editors complete and check this file once that one is there: certsweep schema > plan.schema.json
#
#   certsweep check PLAN               all errors at once; sends nothing
#   certsweep preview PLAN             what would be sent, and how long it takes
#   certsweep run PLAN --simulate      a rehearsal: nothing leaves this machine
#   certsweep run PLAN                 shows the same, asks, and carries it out
";
