//! `certsweep init`: a starter plan, with comments and only what is needed. Sends nothing, and overwrites nothing.

use super::context::{Context, Exit};
use super::options::InitArgs;
use super::status::{provider_options, quoted};
use crate::find::contents::column_of;
use crate::find::target_list::TargetList;
use crate::pki::{Certificate, RevocationReason};
use crate::plan::export::members;
use crate::plan::{CERTIFICATE_FIELDS, DESCRIPTIVE_COLUMNS};
use crate::provider::model::{ActionRules, Operation, Parameter, Provider, TargetKind, ValueFormat};
use crate::provider::{Catalog, target_state};
use crate::text::{file, safe};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A list that a plan is to take.
struct FromList<'a> {
    /// As the plan names it.
    shown: String,
    /// Where the files are that it names.
    directory: PathBuf,
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
            if let Err(exit) = context.check_place("-o", args.output.as_deref()) {
                return exit;
            }
            if let Some(path) = args.output.as_ref().filter(|path| path.exists()) {
                context.printer.error(&format!("{}: there is such a file; it is not overwritten", path.display()));
                return Exit::Usage;
            }
            match context.write_to(args.output.as_deref(), |output| output.write_all(text.as_bytes())) {
                Ok(()) => {
                    if let Some(path) = &args.output {
                        let plan = quoted(path) + &provider_options(context);
                        context.printer.hint(&format!("read it, then: certsweep check {}", safe::terminal(&plan)));
                    }
                    Exit::Well
                }
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
            let all: Vec<&str> = catalog.ids().collect();
            return Err(format!("say at which provider: `--provider ID`, one of {}", all.join(", ")));
        }
    };
    let provider = catalog.get(id).ok_or_else(|| catalog.no_provider(id))?;
    let has = |name: &str| provider.actions().find(|(operation, _)| operation.name == name);
    let (operation, rules) = match &args.action {
        Some(name) => has(name),
        None => has("revoke").or_else(|| provider.actions().next()),
    }
    .ok_or_else(|| {
        let all: Vec<&str> = provider.actions().map(|(operation, _)| operation.name.as_str()).collect();
        format!("`{id}` has no such action; it has {}", all.join(", "))
    })?;
    let from = args.from.as_ref().zip(list.as_ref()).map(|(path, list)| FromList {
        shown: path_in_plan(path, args.output.as_deref()),
        directory: path.parent().map(Path::to_owned).unwrap_or_default(),
        list,
    });
    // Where every row says its provider, the plan need not.
    let is_told = told.iter().all(Option::is_some) && !told.is_empty();
    let several = told.iter().flatten().count() > 1;
    let starter = Starter { catalog, provider, rules, is_told, several };
    // Accounts have names of their own; nothing but another provider's contradicts.
    let is_other = |told: &&String| args.provider.as_ref().is_some_and(|id| *told != id) && catalog.get(told).is_some();
    let others = told.iter().flatten().filter(is_other);
    let others: Vec<String> = others.map(|told| format!("`{}`", safe::terminal(told))).collect();
    let contradicts = (!others.is_empty()).then(|| {
        format!(
            "rows of the list are of {}, and a row's `provider` counts before `--provider {id}`; to act at `{id}`, take the column out of the list",
            others.join(", ")
        )
    });
    let (text, notes) = match from {
        // Who has made requests for a list wants new certificates for it first.
        Some(from) if args.action.is_none() && from.list.column("csr").is_some() => starter.campaign(&from)?,
        Some(from) => {
            let (entry, notes) = from.entry(operation, rules);
            (starter.plan(&[format!("  - {}", flow_map(&entry))], ""), notes)
        }
        None => {
            let entry = from_sample(provider, operation, rules)?;
            (starter.plan(&[AN_EXAMPLE.to_owned(), format!("  - {}", flow_map(&entry))], ""), Vec::new())
        }
    };
    Ok((text, contradicts.into_iter().chain(notes).collect()))
}

fn flow_map(map: &Map<String, Value>) -> String {
    format!("{{{}}}", members(map).collect::<Vec<_>>().join(", "))
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

/// What all starter plans begin with.
struct Starter<'a> {
    catalog: &'a Catalog,
    provider: &'a Provider,
    rules: &'a ActionRules,
    /// Whether every row of the list says its provider.
    is_told: bool,
    /// Whether they name several.
    several: bool,
}

impl Starter<'_> {
    /// A plan with these lines of actions.
    fn plan(&self, actions: &[String], hooks: &str) -> String {
        let Self { provider, rules, is_told, .. } = self;
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
        if !hooks.is_empty() {
            line(hooks);
        }
        line("safety:");
        line(
            "  canary: 1                     # so many go first, one at a time; one that does not end well stops the run",
        );
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
        actions.iter().for_each(|action| line(action));
        text
    }

    /// The rows with a request are replaced, seen on their servers and revoked; the others are revoked.
    fn campaign(&self, from: &FromList<'_>) -> Result<(String, Vec<String>), String> {
        let host = HOST_COLUMNS.into_iter().find_map(|name| column_of(&from.list.header, name));
        let (mut lines, mut notes): (Vec<String>, Vec<String>) = Default::default();
        let groups = self.groups(from, host);
        let some_lack_requests = groups.iter().any(|group| !group.has_request);
        let mut asks_for_new = false;
        for group in &groups {
            let provider =
                self.catalog.get(&group.provider).ok_or_else(|| self.catalog.no_provider(&group.provider))?;
            let filter = (groups.len() > 1).then(|| group.filter(self.several, some_lack_requests, host));
            let takes_request = |rules: &ActionRules| rules.csr.as_ref().is_some_and(|csr| csr.replaces);
            let reissue =
                provider.actions().find(|(operation, rules)| operation.name == "reissue" && takes_request(rules));
            let new_notes = if let Some((reissue, rules)) = reissue.filter(|_| group.has_request) {
                asks_for_new = true;
                ReplacementSteps::new(provider, reissue, rules).entry(from, group, filter, host, &mut lines)
            } else {
                let named = provider.actions().find(|(operation, _)| operation.name == "revoke");
                let (revoke, rules) = named
                    .or_else(|| provider.actions().next())
                    .ok_or_else(|| format!("`{}` has no action", provider.id))?;
                let (mut entry, mut new_notes) = from.entry(revoke, rules);
                from.ignore_others(&mut entry, &[revoke], None);
                entry.extend(filter.map(|filter| ("where".to_owned(), filter.into())));
                lines.push(format!("  - {}", flow_map(&entry)));
                if group.has_request {
                    new_notes.push(format!(
                        "`{}` has no action that takes a request: the plan revokes, and replaces nothing",
                        provider.id
                    ));
                }
                new_notes
            };
            let is_new: Vec<String> = new_notes.into_iter().filter(|note| !notes.contains(note)).collect();
            notes.extend(is_new);
        }
        if asks_for_new && notes.iter().any(|note| note.starts_with(NO_COLUMN)) {
            notes.push("`check` asks for these before anything is sent; `certsweep init --from LIST --action revoke` only revokes".to_owned());
        }
        let hooks = if asks_for_new { ISSUED_HOOK } else { "" };
        Ok((self.plan(&lines, hooks), notes))
    }

    /// The rows that are one entry, in the order of their first ones.
    fn groups(&self, from: &FromList<'_>, host: Option<&str>) -> Vec<RowGroup> {
        let mut groups: Vec<RowGroup> = Vec::new();
        for row in 0..from.list.rows.len() {
            let has = |column: &str| !from.list.cell(row, column).trim().is_empty();
            let told = Some(from.list.cell(row, "provider")).filter(|id| self.several && !id.is_empty());
            let provider = told.unwrap_or(&self.provider.id).to_owned();
            let has_request = has("csr");
            // What is only revoked is looked at by nobody.
            let has_host = has_request && host.is_some_and(has);
            let group = groups.iter_mut().find(|group| {
                (&group.provider, group.has_request, group.has_host) == (&provider, has_request, has_host)
            });
            match group {
                Some(group) => group.rows.push(row),
                None => groups.push(RowGroup { provider, has_request, has_host, rows: vec![row] }),
            }
        }
        groups
    }
}

/// What a provider does to replace a certificate and revoke the old one.
struct ReplacementSteps<'p> {
    provider: &'p Provider,
    reissue: (&'p Operation, &'p ActionRules),
    /// What fetches the new certificate, where `reissue` does not.
    fetch: Option<(&'p Operation, &'p ActionRules)>,
    /// What revokes the old one, and not the new one in its place.
    revoke: Option<(&'p Operation, &'p ActionRules)>,
}

impl<'p> ReplacementSteps<'p> {
    fn new(provider: &'p Provider, reissue: &'p Operation, rules: &'p ActionRules) -> Self {
        let fetches = |of: &ActionRules| {
            of.csr.as_ref().is_some_and(|csr| !csr.replaces)
                && !of.new_certificate.is_empty()
                && of.target.parameters == rules.target.parameters
        };
        let fetch = provider.actions().find(|(_, of)| rules.new_certificate.is_empty() && fetches(of));
        let is_meant = |operation: &Operation, of: &ActionRules| {
            of.target.kind == TargetKind::Certificate
                && target_state::revokes(operation)
                && !target_state::meets_the_new(reissue, operation)
        };
        let revokes = || provider.actions().filter(|(operation, of)| is_meant(operation, of));
        let revoke = revokes().find(|(operation, _)| operation.name == "revoke").or_else(|| revokes().next());
        Self { provider, reissue: (reissue, rules), fetch, revoke }
    }

    /// Adds the lines of an entry with steps, and hands out what a person must know.
    fn entry(
        &self,
        from: &FromList<'_>,
        group: &RowGroup,
        filter: Option<String>,
        host: Option<&str>,
        lines: &mut Vec<String>,
    ) -> Vec<String> {
        let mut notes = Vec::new();
        let acting: Vec<(&Operation, &ActionRules)> =
            [Some(self.reissue), self.fetch, self.revoke].into_iter().flatten().collect();
        let is_seen = acting.iter().any(|(_, rules)| !rules.new_certificate.is_empty());
        let host = host.filter(|_| group.has_host && is_seen);
        let mut columns = Map::new();
        for (operation, rules) in &acting {
            from.map_columns(operation, rules, &mut columns);
        }
        let mut entry = Map::new();
        if !columns.is_empty() {
            entry.insert("columns".to_owned(), columns.into());
        }
        let operations: Vec<&Operation> = acting.iter().map(|(operation, _)| *operation).collect();
        from.ignore_others(&mut entry, &operations, host);
        entry.extend(filter.map(|filter| ("where".to_owned(), filter.into())));
        let list: Map<String, Value> = [("from".to_owned(), from.shown.as_str().into())].into_iter().collect();
        lines.extend(members(&list).map(|field| format!("  - {field}")));
        lines.extend(members(&entry).map(|field| format!("    {field}")));
        let mut asked: Vec<&str> = Vec::new();
        for (operation, rules) in &acting {
            for parameter in from.missing(operation, rules, entry.get("columns")) {
                let name = parameter.name_in_plans();
                let is_filled = rules.csr.as_ref().is_some_and(|csr| {
                    csr.fills_names && [&csr.common_name, &csr.dns_names].contains(&&Some(parameter.name.clone()))
                });
                if !asked.contains(&name) && !is_filled {
                    asked.push(name);
                    lines.push(to_fill_in(operation, parameter));
                    notes.push(missing_note(operation, rules, parameter));
                }
            }
        }
        lines.push("    steps:".to_owned());
        lines.push("      - {action: reissue}".to_owned());
        lines.extend(self.fetch.map(|(fetch, _)| format!("      - {{action: {}}}", fetch.name)));
        lines.push("      - {wait: issued, within: 24h}".to_owned());
        if let Some(host) = host {
            lines.extend(self.revoke.map(|_| SERVED_FIRST.to_owned()));
            let at = Value::from(host);
            let at =
                if host.bytes().all(|byte| byte.is_ascii_alphanumeric()) { host.to_owned() } else { at.to_string() };
            lines.push(format!("      - {{wait: served, at: {at}, within: 72h}}"));
        }
        let Some((revoke, rules)) = self.revoke else {
            lines.push(NO_REVOKE.to_owned());
            notes.push(format!(
                "the plan of `{}` revokes nothing: after a reissue its `revoke` would meet the new certificate, which has the old one's id",
                self.provider.id
            ));
            return notes;
        };
        // What nobody has seen served may be in use still: a person takes the # away.
        let mark = if host.is_some() { "" } else { "# " };
        if host.is_none() {
            lines.push(NOT_SEEN.to_owned());
            lines.push(NOT_SEEN_HELP.to_owned());
            if is_seen {
                lines.push("      # - {wait: served, at: host, within: 72h}".to_owned());
            }
            let why = if is_seen {
                "the list has no column `host` with HOST[:PORT] for each row, so that nothing tells whether the servers show the new certificate"
            } else {
                "the provider hands out no new certificate that could be compared with what the servers show"
            };
            notes.push(format!("the plan does not revoke by itself: {why}. Its last lines say how"));
        }
        lines.push(format!("      {mark}- {{action: {}}}", revoke.name));
        if !rules.status_queries.is_empty() || from.is_published(&group.rows) {
            lines.push(format!("      {mark}- {{wait: revoked, within: 24h}}"));
        } else {
            lines.push(VERIFY_AFTER.to_owned());
        }
        notes
    }
}

/// Rows of a list that one entry takes.
struct RowGroup {
    provider: String,
    has_request: bool,
    has_host: bool,
    rows: Vec<usize>,
}

impl RowGroup {
    /// The expression that takes these rows alone.
    fn filter(&self, several: bool, some_lack_requests: bool, host: Option<&str>) -> String {
        let is = |column: &str, there: bool| format!("{column} {} \"\"", if there { "!=" } else { "==" });
        let mut parts: Vec<String> = Vec::new();
        parts.extend(several.then(|| format!("provider == {}", Value::from(self.provider.as_str()))));
        parts.extend(some_lack_requests.then(|| is("csr", self.has_request)));
        parts.extend(host.filter(|_| self.has_request).map(|host| is(host, self.has_host)));
        parts.join(" && ")
    }
}

/// What an action of the operation must say; its reason is a plan's default.
fn needed<'o>(operation: &'o Operation, rules: &ActionRules) -> impl Iterator<Item = &'o Parameter> {
    let reason = rules.reason.as_ref().map(|rule| rule.field.clone());
    let all = operation.parameters.iter().filter(|parameter| parameter.required && parameter.fixed.is_none());
    all.filter(move |parameter| reason.as_ref() != Some(&parameter.name))
}

/// A line for a value that nobody but the person knows. It is a comment, so that `check` asks for it: what the document gives as its example
/// is of somebody else's account.
fn to_fill_in(operation: &Operation, parameter: &Parameter) -> String {
    let name = parameter.name_in_plans();
    let sample = operation.samples.iter().find(|sample| sample.for_action.is_none());
    let example = sample.and_then(|sample| sample.parameters.get(&parameter.name)).cloned();
    let line: Map<String, Value> = [(name.to_owned(), example.unwrap_or_else(|| "…".into()))].into_iter().collect();
    let line: String = members(&line).collect();
    format!("    # {line:<27} # put your own, and take the first # away: `{}` needs it", operation.name)
}

fn missing_note(operation: &Operation, rules: &ActionRules, parameter: &Parameter) -> String {
    let help = match &rules.csr {
        Some(csr) if csr.field == parameter.name => "; `certsweep csr --from LIST --out keys/` adds it",
        _ => "; give it beside `from`, or as a column",
    };
    format!("{NO_COLUMN} `{}`, which `{}` needs{help}", parameter.name_in_plans(), operation.name)
}

fn others(reasons: &[&str], reason: &str) -> String {
    let others: Vec<&str> = reasons.iter().copied().filter(|other| *other != reason).collect();
    if others.is_empty() { "nothing else: the provider has no other".to_owned() } else { others.join(", ") }
}

impl FromList<'_> {
    /// An entry that takes the list for one action, and what a person must know of it.
    fn entry(&self, operation: &Operation, rules: &ActionRules) -> (Map<String, Value>, Vec<String>) {
        let mut columns = Map::new();
        self.map_columns(operation, rules, &mut columns);
        let mut entry = Map::new();
        entry.insert("from".to_owned(), self.shown.as_str().into());
        entry.insert("action".to_owned(), operation.name.as_str().into());
        if !columns.is_empty() {
            entry.insert("columns".to_owned(), columns.into());
        }
        // A list of find's is taken as it is; of others only what is known.
        if !self.is_of_find() {
            entry.insert("ignore_columns".to_owned(), true.into());
        }
        let missing = self.missing(operation, rules, entry.get("columns"));
        let notes = missing.into_iter().map(|parameter| missing_note(operation, rules, parameter)).collect();
        (entry, notes)
    }

    fn has(&self, column: &str) -> bool {
        self.list.column(column).is_some()
    }

    fn is_of_find(&self) -> bool {
        DESCRIPTIVE_COLUMNS.iter().all(|column| self.has(column))
    }

    /// Adds the columns that the operation calls otherwise.
    fn map_columns(&self, operation: &Operation, rules: &ActionRules, columns: &mut Map<String, Value>) {
        let mut maps = |field: &str, told: &str| {
            if !self.has(field)
                && !columns.contains_key(field)
                && let Some(column) = column_of(&self.list.header, told)
            {
                columns.insert(field.to_owned(), column.into());
            }
        };
        // What the list calls otherwise than the plan: `Certificate ID`.
        for parameter in needed(operation, rules).filter(|parameter| !self.names_any(parameter)) {
            maps(parameter.name_in_plans(), parameter.name_in_plans());
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
    }

    /// Whether a column has the parameter's name.
    fn names_any(&self, parameter: &Parameter) -> bool {
        std::iter::once(&parameter.name).chain(&parameter.aliases).any(|name| self.has(name))
    }

    /// What the operation needs and no column gives.
    fn missing<'o>(
        &self,
        operation: &'o Operation,
        rules: &ActionRules,
        columns: Option<&Value>,
    ) -> Vec<&'o Parameter> {
        let is_mapped = |name: &str| columns.is_some_and(|columns| columns.get(name).is_some());
        let is_given = |parameter: &Parameter| {
            self.names_any(parameter) || is_mapped(parameter.name_in_plans()) || is_mapped(&parameter.name)
        };
        needed(operation, rules).filter(|parameter| !is_given(parameter)).collect()
    }

    /// Leaves out the columns that nobody takes.
    fn ignore_others(&self, entry: &mut Map<String, Value>, operations: &[&Operation], host: Option<&str>) {
        if !self.is_of_find() {
            entry.insert("ignore_columns".to_owned(), true.into());
            return;
        }
        let mapped: Vec<&str> = entry
            .get("columns")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::values)
            .filter_map(Value::as_str)
            .collect();
        let is_taken = |column: &&String| {
            let name = column.as_str();
            let parameters = operations.iter().flat_map(|operation| &operation.parameters);
            let mut names = parameters.flat_map(|parameter| std::iter::once(&parameter.name).chain(&parameter.aliases));
            DESCRIPTIVE_COLUMNS.contains(&name)
                || CERTIFICATE_FIELDS.contains(&name)
                || TAKEN_COLUMNS.contains(&name)
                || Some(name) == host
                || mapped.contains(&name)
                || names.any(|known| known == name)
        };
        let others: Vec<Value> =
            self.list.header.iter().filter(|column| !is_taken(column)).map(|column| column.as_str().into()).collect();
        if !others.is_empty() {
            entry.insert("ignore_columns".to_owned(), others.into());
        }
    }

    /// Whether the certificates of these rows say where to ask whether they are revoked, and who has issued them: then a CRL or an OCSP answer
    /// can be waited for.
    fn is_published(&self, rows: &[usize]) -> bool {
        rows.iter().take(MAX_READ).all(|row| {
            let named =
                self.list.cell(*row, "certificate").strip_prefix("file:").map(|path| self.directory.join(path.trim()));
            let bytes = named.and_then(|path| file::read(&path, MAX_CERTIFICATE).ok());
            let all = bytes.and_then(|bytes| Certificate::parse_all(&bytes).ok()).unwrap_or_default();
            all.first().is_some_and(|one| {
                let has_issuer = !one.issuer_urls.is_empty() || all.iter().any(|other| one.is_issued_by(other));
                has_issuer && (!one.crl_urls.is_empty() || !one.ocsp_urls.is_empty())
            })
        })
    }
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

/// The columns with the servers of a certificate.
const HOST_COLUMNS: [&str; 4] = ["host", "hosts", "server", "servers"];
/// Columns that every entry takes, or passes over in a list of find's.
const TAKEN_COLUMNS: [&str; 7] = ["id", "provider", "reason", "needs", "not_before", "csr", "weakness"];
/// So many certificates are read: the others of a list are like them.
const MAX_READ: usize = 1000;
/// Bytes of a file with a certificate.
const MAX_CERTIFICATE: u64 = 1 << 20;
const AN_EXAMPLE: &str =
    "  # An example, as the provider's document has it: put your own in its place, one action a line.";
const ISSUED_HOOK: &str =
    "# hooks: {on: issued, command: \"sh deploy.sh\"}   # brings RUN_DIR/certificates/… to the servers, as they come";
const NO_COLUMN: &str = "the list has no column";
const SERVED_FIRST: &str =
    "      # A server that still shows the old certificate keeps it: nothing is revoked that is in use.";
const NOT_SEEN: &str = "      # Nothing here tells whether the servers show the new certificates. Bring them there, then take the # away from these lines.";
const NOT_SEEN_HELP: &str = "      # A run that has begun keeps the plan it began with; the old ones are then revoked by: certsweep init --from LIST --action revoke";
const NO_REVOKE: &str =
    "      # No `revoke` here: it takes the same id as the reissue, and that may stand for the new certificate now.";
const VERIFY_AFTER: &str = "      # `certsweep verify RUN_DIR --wait 24h` asks the world whether it sees that, where the list names certificates.";
const HEAD: &str = "\
# yaml-language-server: $schema=plan.schema.json
# Editors complete and check this file once that one is there: certsweep schema > plan.schema.json
#
#   certsweep check PLAN               all errors at once; sends nothing
#   certsweep preview PLAN             what would be sent, and how long it takes
#   certsweep run PLAN --simulate      a rehearsal: nothing leaves this machine
#   certsweep run PLAN                 shows the same, asks, and carries it out
";
