//! `certsweep report --format plan`: a run's actions as a plan of their own, in YAML with the settings that they need, or as a bare list where they
//! need none. Chooses the form and writes the rows; the words of settings are `plan::export`'s.

use super::args::ReportArgs;
use super::context::Context;
use super::exit::Exit;
use super::run_documents::{WithoutCopy, run_catalog};
use crate::journal::dir::Inputs;
use crate::journal::{History, Reader, RunDir, RunFacts};
use crate::pki::{RevocationReason, SerialNotation};
use crate::plan::checked::NamedFile;
use crate::plan::export::{duration, flow, members, settings_to_plan};
use crate::plan::wait::{Wait, entry_and_step};
use crate::plan::{Action, CERTIFICATE_FIELDS, Settings, calendar, check};
use crate::provider::expression::StepOutput;
use crate::provider::model::Parameter;
use crate::provider::stages::{self, Brought};
use crate::provider::{Catalog, Operation};
use crate::run::Outcome;
use crate::text::safe;
use crate::time::Clock;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

/// Writes the actions with these outcomes (all where none is named) as a plan that `certsweep run` accepts.
pub fn write_plan(
    context: &Context,
    args: &ReportArgs,
    dir: &RunDir,
    reader: &Reader,
    outcomes: &BTreeSet<Outcome>,
) -> Exit {
    match write(context, args, dir, reader, outcomes) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn write(
    context: &Context,
    args: &ReportArgs,
    dir: &RunDir,
    reader: &Reader,
    outcomes: &BTreeSet<Outcome>,
) -> Result<Exit, Exit> {
    let facts = reader.facts().map_err(|error| context.failed(&error))?;
    let catalog = run_catalog(context, dir, &facts, WithoutCopy::TakePresent)?;
    let left = Left { reader, catalog: &catalog, settings: &facts.settings, outcomes, inputs: dir.inputs() };
    let survey = left.survey().map_err(|error| context.failed(&error))?;
    if survey.actions == 0 {
        let which = if outcomes.is_empty() { "" } else { " that ended so" };
        context.printer.always(&format!("nothing is left: the run has no action{which}, and no plan was written"));
        return Ok(Exit::Well);
    }
    let began = reader.began_at().map_err(|error| context.failed(&error))?.unwrap_or(facts.made_at);
    let now = context.clock.now();
    let deadline = deadline(&facts.settings, began, now);
    let settings =
        settings_to_plan(&facts.settings, &catalog, |account| survey.accounts.contains(&account), deadline.left, now);
    let needs_more = !settings.is_empty() || survey.needs_yaml;
    let extension = args.output.as_deref().and_then(|path| path.extension()).and_then(OsStr::to_str);
    let is_list = match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("csv" | "tsv" | "txt") if survey.has_steps => {
            context.printer.error("what is left has steps that wait or take what others bring, and a list cannot say that; write `-o left.yaml`");
            return Err(Exit::Usage);
        }
        Some("csv" | "tsv" | "txt") => true,
        Some("yaml" | "yml") => false,
        _ => !needs_more,
    };
    // A list that is read again must keep every character; one that is only looked at must not act on the terminal.
    let shown = args.output.is_none() && context.printer.shows_results();
    let written = context.write_to(args.output.as_deref(), |output| match is_list {
        true => left.write_list(&survey, shown, output),
        false => {
            let heading = Heading { dir, facts: &facts, over: deadline.over, actions: survey.actions };
            left.write_yaml(&survey, &heading, &settings, output)
        }
    });
    written.map_err(|error| context.failed(&error))?;
    if is_list && needs_more {
        let keys: Vec<String> = settings.keys().map(|key| format!("`{key}`")).collect();
        let keys = if keys.is_empty() { String::new() } else { format!(" ({})", keys.join(", ")) };
        context.printer.warning(&format!(
            "a list does not hold the settings of this run{keys}: give the first plan's with `--settings`, or write a whole \
             plan with `-o left.yaml`"
        ));
    }
    Ok(Exit::Well)
}

/// A run's deadline, for a plan that goes on with it.
#[derive(Debug, PartialEq, Eq)]
struct DeadlineLeft {
    /// The instant, where something can still be sent before it.
    left: Option<Timestamp>,
    /// The instant, where it is over.
    over: Option<Timestamp>,
}

/// The deadline counts from when the first run began: what is left has no more time than that.
fn deadline(settings: &Settings, began: Timestamp, now: Timestamp) -> DeadlineLeft {
    let Settings { deadline, schedule, timeout, .. } = settings;
    // Whole seconds: a part of one says nothing to people.
    let at = calendar::deadline_at(*deadline, schedule, began);
    let at = at.map(|at| Timestamp::from_second(at.as_second()).unwrap_or(at));
    let is_open = |at: &Timestamp| *at > now && calendar::next_start(schedule, now, *timeout, Some(*at)).is_some();
    let left = at.filter(is_open);
    DeadlineLeft { left, over: at.filter(|_| left.is_none()) }
}

/// What a plan says of itself in its first lines.
struct Heading<'a> {
    dir: &'a RunDir,
    facts: &'a RunFacts,
    over: Option<Timestamp>,
    actions: u64,
}

/// The actions that a plan is made of.
struct Left<'a> {
    reader: &'a Reader,
    catalog: &'a Catalog,
    settings: &'a Settings,
    outcomes: &'a BTreeSet<Outcome>,
    /// The files that its plan named.
    inputs: Inputs,
}

/// What must be known of all of them before the first can be written: a million actions do not fit into memory, and so they are read twice.
#[derive(Default)]
struct LeftOverview<'a> {
    actions: u64,
    /// The indices of their accounts.
    accounts: HashSet<usize>,
    parameters: Vec<String>,
    /// The certificate fields that they have.
    certificate: Vec<&'a str>,
    /// Those of them that others of them need: a need that was met is none any more.
    needed: HashSet<String>,
    /// Waits for what is not left, with what they need: what needs one of them needs these.
    dropped: HashMap<String, Vec<String>>,
    /// Whether an action has what a bare list cannot say.
    needs_yaml: bool,
    /// Whether one waits, or takes what another brings: no list at all can say that.
    has_steps: bool,
}

impl LeftOverview<'_> {
    /// What needs of an action are still to be met, each once.
    fn open_needs<'n>(&'n self, needs: &'n [String], open: &mut Vec<&'n str>) {
        for id in needs {
            match self.dropped.get(id) {
                Some(behind) => self.open_needs(behind, open),
                None if self.needed.contains(id) && !open.contains(&id.as_str()) => open.push(id),
                None => {}
            }
        }
    }
}

impl Left<'_> {
    fn actions(&self) -> impl Iterator<Item = io::Result<Action>> + '_ {
        // What is never sent is no part of what is left: a duplicate is in it already, and an exception must stay one.
        let wanted = |(action, history): (Action, History)| {
            let is_wanted = self.outcomes.is_empty() || self.outcomes.contains(&history.state.outcome());
            (is_wanted && action.never_sent.is_none()).then_some(action)
        };
        self.reader.histories().filter_map(move |found| found.map(wanted).map_err(io::Error::other).transpose())
    }

    fn survey(&self) -> io::Result<LeftOverview<'static>> {
        let mut survey = LeftOverview::default();
        let (mut needed, mut waits) = (HashSet::new(), Vec::new());
        for action in self.actions() {
            let action = action?;
            survey.actions += 1;
            survey.accounts.insert(action.account);
            for name in CERTIFICATE_FIELDS {
                if !survey.certificate.contains(&name) && certificate_cell(&action, name, &self.inputs).is_some() {
                    survey.certificate.push(name);
                }
            }
            let operation = self.operation(&action);
            let own_reason = reason_field(operation, &action);
            for name in action.parameters.keys().filter(|name| Some(name.as_str()) != own_reason) {
                let name = name_in_plans(operation, name);
                if !survey.parameters.iter().any(|known| known == name) {
                    survey.parameters.push(name.to_owned());
                }
            }
            survey.needs_yaml |= !as_written(operation, &action).is_empty() || is_of_chain(&action);
            survey.has_steps |= is_of_chain(&action);
            if let Some(wait) = Wait::of_action(&action.operation, &action.parameters) {
                needed.insert(wait.of.clone());
                waits.push((action.id, wait.of, action.needs.clone()));
            }
            needed.extend(action.needs.into_iter().chain(action.needs_accepted));
        }
        if !needed.is_empty() {
            for action in self.actions() {
                let id = action?.id;
                if needed.contains(&id) {
                    // In a cell blanks separate the ids.
                    survey.needs_yaml |= id.contains(char::is_whitespace);
                    survey.needed.insert(id);
                }
            }
        }
        for (id, of, needs) in waits {
            if !survey.needed.contains(&of) {
                survey.dropped.insert(id, needs);
            }
        }
        survey.certificate.sort_unstable();
        Ok(survey)
    }

    fn operation(&self, action: &Action) -> Option<&Operation> {
        self.catalog.get(&self.settings.accounts.get(action.account)?.provider)?.operation(&action.operation)
    }

    fn account(&self, action: &Action) -> String {
        self.settings.accounts.get(action.account).map(|account| account.name.clone()).unwrap_or_default()
    }

    fn write_yaml(
        &self,
        survey: &LeftOverview<'_>,
        heading: &Heading<'_>,
        settings: &Map<String, Value>,
        output: &mut dyn Write,
    ) -> io::Result<()> {
        let Heading { dir, facts, over, actions } = heading;
        let run = dir.path().display().to_string();
        writeln!(output, "# {actions} of the {} actions of the run {}.", facts.actions, safe::terminal(&run))?;
        if let Some(over) = over {
            writeln!(output, "# Its deadline, {over}, is left out: nothing can be sent before it any more.")?;
        }
        writeln!(output, "version: 1\nname: {}", flow(&self.settings.name.as_str().into()))?;
        for (key, value) in settings {
            match value {
                // An account a line: they are what people change.
                Value::Object(map) if key == "providers" => {
                    writeln!(output, "providers:")?;
                    members(map).try_for_each(|account| writeln!(output, "  {account}"))?;
                }
                _ => writeln!(output, "{key}: {}", flow(value))?,
            }
        }
        writeln!(output, "actions:")?;
        let mut actions = self.actions().peekable();
        while let Some(first) = actions.next() {
            let mut steps = vec![first?];
            while let Some(next) = actions.next_if(|next| match (next, steps.last()) {
                (Ok(next), Some(last)) => is_same_entry(last, next),
                _ => false,
            }) {
                steps.push(next?);
            }
            self.write_steps(survey, &steps, output)?;
        }
        Ok(())
    }

    /// Writes the actions of one entry: an action by itself, or the steps that are left.
    fn write_steps(&self, survey: &LeftOverview<'_>, steps: &[Action], output: &mut dyn Write) -> io::Result<()> {
        let entry = steps.first().and_then(|first| entry_and_step(&first.id)).map(|(entry, _)| entry);
        let Some(entry) = entry.filter(|_| steps.iter().any(|step| steps.len() > 1 || is_of_chain(step))) else {
            return steps
                .iter()
                .try_for_each(|action| writeln!(output, "  - {{{}}}", self.entry(survey, action, None)?.join(", ")));
        };
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        let is_left = |step: &&Action| !survey.dropped.contains_key(&step.id);
        let (left, without): (Vec<&Action>, Vec<&Action>) = steps.iter().partition(is_left);
        for wait in without {
            let (id, operation) = (safe::terminal(&wait.id), &wait.operation);
            writeln!(output, "  # {id} ({operation}) is left out: what it waits for is no part of this plan")?;
        }
        if left.is_empty() {
            return Ok(());
        }
        writeln!(output, "  - id: {}\n    steps:", flow(&entry.into()))?;
        left.iter()
            .try_for_each(|step| writeln!(output, "      - {{{}}}", self.entry(survey, step, Some(&ids))?.join(", ")))
    }

    /// What a value that an earlier step brings is in a plan without that step: what it brought in the run, where it did.
    fn brought(&self, id: &str, wanted: &StepOutput) -> io::Result<Option<Value>> {
        let Some((entry, _)) = entry_and_step(id) else { return Ok(None) };
        let step = self.reader.ordinal_of(&format!("{entry}/{}", wanted.step)).map_err(io::Error::other)?;
        let Some(step) = step else { return Ok(None) };
        let (action, history) = self.reader.history(step).map_err(io::Error::other)?;
        let Some(operation) = self.operation(&action) else { return Ok(None) };
        let reference = history.reply.reference.as_deref();
        Ok(match stages::brought(operation, &history.captures, reference, &wanted.output) {
            Some(Brought::Value(value)) => Some(value),
            Some(Brought::SerialNumber(text)) => Some(text.into()),
            None => None,
        })
    }

    /// The fields of an action, in the order in which people write them.
    /// `steps` are the ids of all that are left of its entry, where it is a step.
    fn entry(&self, survey: &LeftOverview<'_>, action: &Action, steps: Option<&[&str]>) -> io::Result<Vec<String>> {
        let operation = self.operation(action);
        let mut fields: Vec<(&str, Value)> = match (steps, entry_and_step(&action.id)) {
            (Some(_), Some((_, name))) => vec![("name", name.into())],
            _ => vec![("id", action.id.as_str().into())],
        };
        let wait = Wait::of_action(&action.operation, &action.parameters);
        if let Some(wait) = &wait {
            fields.push(("wait", wait.until.word().into()));
            fields.extend(wait.within.map(|within| ("within", duration(within).into())));
            let at: Vec<Value> = wait.at.iter().map(|server| server.to_string().into()).collect();
            fields.extend((!at.is_empty()).then_some(("at", at.into())));
            let by: Vec<Value> = wait.by.iter().map(|source| source.as_str().into()).collect();
            fields.extend((!by.is_empty()).then_some(("by", by.into())));
        } else {
            fields.push(("provider", self.account(action).into()));
            fields.push(("action", action.operation.as_str().into()));
        }
        fields.extend(action.reason.map(|reason| ("reason", reason.name().into())));
        fields.extend(action.not_before.map(|at| ("not_before", at.to_string().into())));
        let mut needs = Vec::new();
        survey.open_needs(&action.needs, &mut needs);
        needs.retain(|id| !steps.is_some_and(|steps| steps.contains(id)));
        if !needs.is_empty() {
            fields.push(("needs", needs.into_iter().collect()));
        }
        let own_reason = reason_field(operation, action);
        let mut parameters = if wait.is_some() { Map::new() } else { (*action.parameters).clone() };
        for (name, wanted) in stages::references(&action.parameters) {
            let step = entry_and_step(&action.id).map(|(entry, _)| format!("{entry}/{}", wanted.step));
            let is_left = step.is_some_and(|id| steps.is_some_and(|steps| steps.contains(&id.as_str())));
            if !is_left && let Some(value) = self.brought(&action.id, &wanted)? {
                parameters.insert(name.clone(), value);
            }
        }
        for (name, value) in parameters.iter().filter(|(name, _)| Some(name.as_str()) != own_reason) {
            let text = |text: &Value| match text {
                Value::String(_) => parameter_cell(operation, name, text).into(),
                other => other.clone(),
            };
            let value = match value {
                Value::Array(items) => items.iter().map(text).collect(),
                one => text(one),
            };
            fields.push((name_in_plans(operation, name), value));
        }
        for name in CERTIFICATE_FIELDS {
            // A provider's own field of such a name and the common one are one.
            if let Some(cell) =
                certificate_cell(action, name, &self.inputs).filter(|_| !action.parameters.contains_key(name))
            {
                let words = || cell.split(' ').map(Value::from).collect();
                fields.push((name, if matches!(name, "crl" | "drop_names") { words() } else { cell.into() }));
            }
        }
        let meant = as_written(operation, action);
        if !meant.is_empty() {
            fields.push(("as_written", meant.into()));
        }
        Ok(fields.into_iter().map(|(name, value)| format!("{}: {}", flow(&name.into()), flow(&value))).collect())
    }

    fn write_list(&self, survey: &LeftOverview<'_>, shown: bool, output: &mut dyn Write) -> io::Result<()> {
        let safe = |cell: String| if shown { safe::terminal(&cell).into_owned() } else { cell };
        // A provider's own field of such a name and the common one share a column.
        let is_own = |name: &&&str| !survey.parameters.iter().any(|known| known == **name);
        let certificate: Vec<&str> = survey.certificate.iter().filter(is_own).copied().collect();
        let needs = (!survey.needed.is_empty()).then_some("needs");
        let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(output);
        let names = FIXED.into_iter().chain(needs).chain(survey.parameters.iter().map(String::as_str));
        rows.write_record(names.chain(certificate.iter().copied()).map(|name| safe(name.to_owned())))
            .map_err(io::Error::other)?;
        for action in self.actions() {
            let action = action?;
            let reason = action.reason.map(RevocationReason::name).unwrap_or_default().to_owned();
            let not_before = action.not_before.map(|at| at.to_string()).unwrap_or_default();
            let fixed = [action.id.clone(), self.account(&action), action.operation.clone(), reason, not_before];
            let open = action.needs.iter().filter(|id| survey.needed.contains(*id));
            let needs = needs.map(|_| open.cloned().collect::<Vec<_>>().join(" "));
            let operation = self.operation(&action);
            let own_reason = reason_field(operation, &action);
            let given = |column: &str| {
                let own = |name: &str| Some(name) != own_reason && name_in_plans(operation, name) == column;
                action.parameters.iter().find(|(name, _)| own(name))
            };
            let cells = survey.parameters.iter().map(|name| match given(name) {
                Some((name, value)) => parameter_cell(operation, name, value),
                None => certificate_cell(&action, name, &self.inputs).unwrap_or_default(),
            });
            let named =
                certificate.iter().map(|name| certificate_cell(&action, name, &self.inputs).unwrap_or_default());
            rows.write_record(fixed.into_iter().chain(needs).chain(cells).chain(named).map(safe))
                .map_err(io::Error::other)?;
        }
        rows.flush()
    }
}

/// Whether an action is one that only `steps` can say: it waits, or takes what another brings, or acts on what is pending.
fn is_of_chain(action: &Action) -> bool {
    let waits = Wait::of_action(&action.operation, &action.parameters).is_some();
    waits || !action.needs_accepted.is_empty() || stages::references(&action.parameters).next().is_some()
}

/// Whether two actions that follow each other are steps of one entry.
fn is_same_entry(one: &Action, next: &Action) -> bool {
    let entry = |id| entry_and_step(id).map(|(entry, _)| entry);
    let own = entry(next.id.as_str());
    let mut needs = next.needs.iter().chain(&next.needs_accepted);
    own.is_some() && own == entry(one.id.as_str()) && needs.any(|id| entry(id.as_str()) == own)
}

/// How plans write a parameter's name.
fn name_in_plans<'a>(operation: Option<&'a Operation>, name: &'a str) -> &'a str {
    let named = operation.and_then(|operation| operation.parameters.iter().find(|parameter| parameter.name == name));
    named.map_or(name, Parameter::name_in_plans)
}

/// The texts of an action that a plan must say are meant as they stand.
fn as_written(operation: Option<&Operation>, action: &Action) -> Vec<String> {
    let mut meant = Vec::new();
    for (name, value) in action.parameters.iter() {
        let Some(parameter) = operation.and_then(|operation| operation.parameter(name)) else { continue };
        let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for item in items.iter().filter(|item| item.is_string()) {
            let cell = parameter_cell(operation, name, item);
            if check::needs_as_written(parameter, &cell) && !stages::is_reference(&cell) {
                meant.push(cell);
            }
        }
    }
    meant
}

/// The provider's own field for the reason, where the column `reason` already holds the reason in RFC 5280's spelling: both would conflict.
fn reason_field<'a>(operation: Option<&'a Operation>, action: &Action) -> Option<&'a str> {
    action.reason?;
    operation?.action.as_ref()?.reason.as_ref().map(|reason| reason.field.as_str())
}

/// The cell of a certificate field ([`CERTIFICATE_FIELDS`]); `None` where the plan did not set it.
/// Its files are as the run began with them: one that was replaced meanwhile has another certificate.
fn certificate_cell(action: &Action, name: &str, inputs: &Inputs) -> Option<String> {
    let facts = action.certificate.as_deref()?;
    let file = |file: &NamedFile| format!("file:{}", inputs.as_begun(Path::new(&file.path)).display());
    match name {
        "certificate" => facts.certificate.as_ref().map(file),
        "ca_certificate" => facts.is_ca.then(|| "true".to_owned()),
        "serial_number" => facts.serial_number.as_ref().map(ToString::to_string),
        "issuer" => facts.issuer.as_ref().map(file),
        "crl" => Some(facts.crl.join(" ")).filter(|urls| !urls.is_empty()),
        "ocsp" => facts.ocsp.clone(),
        "drop_names" => Some(facts.drop_names.join(" ")).filter(|names| !names.is_empty()),
        _ => None,
    }
}

/// The cell of a parameter; a list as words, as plans write it.
fn parameter_cell(operation: Option<&Operation>, name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => {
            let serial = operation.and_then(|operation| operation.parameter(name)?.serial());
            // Beside a certificate that is sent, another's of the same number is told by its issuer; the certificate says it again.
            let text = text.split(" (issuer ").next().filter(|_| serial.is_some()).unwrap_or(text);
            // Digits alone might be decimal, and a list says nothing of its digits.
            let is_plain_hex = serial.is_some_and(|rule| {
                !rule.is_id(text)
                    && rule.notation() == SerialNotation::Hexadecimal
                    && text.bytes().all(|byte| byte.is_ascii_digit())
            });
            if is_plain_hex { format!("0x{text}") } else { text.to_owned() }
        }
        Value::Array(items) => {
            items.iter().map(|item| parameter_cell(operation, name, item)).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// The columns that every list has.
const FIXED: [&str; 5] = ["id", "provider", "action", "reason", "not_before"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Retry;
    use crate::plan::settings::{DailyWindow, Deadline, Safety, Schedule};
    use std::time::Duration;

    #[test]
    fn a_deadline_counts_from_when_the_run_began() {
        let at = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).unwrap();
        // It opens eight hours after `at(0)`, 22:13 in UTC.
        let time = |hour| jiff::civil::Time::new(hour, 0, 0, 0).unwrap();
        let window = DailyWindow { from: time(6), to: time(7), timezone: "UTC".to_owned(), days: (1..=7).collect() };
        let day = Some(Deadline::After(Duration::from_secs(86_400)));
        for (deadline, window, now, left, over) in [
            (None, None, 50, None, None),
            (day, None, 50, Some(86_400), None),
            (Some(Deadline::At(at(60))), None, 50, Some(60), None),
            (day, None, 86_400, None, Some(86_400)),
            (day, Some(window.clone()), 50, Some(86_400), None),
            // Nothing can be sent any more before it.
            (day, Some(window), 80_000, None, Some(86_400)),
        ] {
            let settings = Settings {
                name: String::new(),
                deadline,
                accounts: Vec::new(),
                retry: Retry::default(),
                timeout: Duration::from_secs(30),
                schedule: Schedule { start: None, window },
                safety: Safety::default(),
                keep_columns: Vec::new(),
                hooks: Vec::new(),
            };
            let expected = DeadlineLeft { left: left.map(at), over: over.map(at) };
            assert_eq!(super::deadline(&settings, at(0), at(now)), expected);
        }
    }
}
