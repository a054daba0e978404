//! One row to one checked action: its provider and operation, its parameters, and what it is to the actions before it.

use super::index::{self, Standing};
use super::list::LIST_FIELDS;
use super::reason::{Asked, Reason};
use super::{Checker, Layers};
use crate::diag::Diagnostic;
use crate::pki::SpkiFingerprint;
use crate::plan::checked::Action;
use crate::plan::read::{instant, texts};
use crate::plan::row::Row;
use crate::plan::settings::Deadline;
use crate::provider::model::{ActionRules, Operation, Provider};
use crate::provider::params;
use crate::provider::pointer::scalar_text;
use crate::run::Ordinal;
use crate::text::nearest::nearest;
use crate::text::{Span, safe};
use crate::tree::{Field, Shape};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The parameters of an action, and where each was given.
struct Parameters<'a> {
    map: Map<String, Value>,
    /// For each parameter of the operation the field that gave it.
    given: Vec<Option<&'a Field>>,
    reason: Option<Reason<'a>>,
    key: Option<(SpkiFingerprint, Span)>,
}

impl Checker<'_> {
    /// Checks one row and hands the action out, if it is one. `name` begins the ids that are made.
    pub(super) fn action(&mut self, row: &Row<'_>, name: &str, layers: Layers<'_>) {
        let errors_before = self.errors;
        let (ordinal, id) = self.id(row, name);
        for field in row.present().filter(|field| matches!(field.value.shape, Shape::Null)) {
            self.say(no_value(field));
        }
        let needs = self.needs(row, layers, ordinal);
        let not_before = self.not_before(row, layers);
        let account = self.account(row, layers);
        let Some(action) = self.operation_name(row, layers, account.as_ref().ok().copied()) else { return };
        let Ok(account) = account else { return };
        let provider = self.draft.accounts.drafts[account].provider.clone();
        let Some((operation, rules)) = self.operation(action, &provider) else { return };
        let account_in_settings = self.draft.accounts.used(account);
        let Some(parameters) = self.parameters(row, layers, account, operation, rules) else { return };
        let Some((target, duplicate_of)) = self.stand(row, ordinal, account, operation, rules, &parameters) else {
            return;
        };
        if self.errors > errors_before {
            return;
        }
        let asked = parameters.reason.as_ref().and_then(|reason| reason.asked);
        self.digest.action(
            account_in_settings,
            &operation.name,
            asked.map(crate::pki::RevocationReason::name),
            not_before,
            duplicate_of.is_some(),
            &self.canonical,
        );
        let reaches = rules.reaches(&parameters.map);
        (self.each)(Action {
            ordinal: Ordinal::from(ordinal),
            id,
            account: account_in_settings,
            operation: operation.name.clone(),
            target,
            reason: asked,
            reason_sent: parameters.reason.map(|reason| reason.spelling),
            parameters: parameters.map,
            reaches,
            needs,
            not_before,
            source: self.sources.line_place(row.span),
            kept: if row.kept.is_empty() { vec![String::new(); self.keep.len()] } else { row.kept.to_vec() },
            duplicate_of,
        });
    }

    /// The text of a field that takes a single value.
    pub(super) fn single<'a>(&mut self, field: &'a Field) -> Option<&'a str> {
        let text = field.value.text();
        if text.is_none() {
            self.say(no_single_value(field));
        }
        text
    }

    fn id(&mut self, row: &Row<'_>, name: &str) -> (u32, String) {
        let mut id = None;
        if let Some(field) = row.field("id").filter(|field| !matches!(field.value.shape, Shape::Null))
            && let Some(text) = self.single(field)
        {
            let usable = (1..=LONGEST_ID).contains(&text.chars().count())
                && !text.chars().any(char::is_control)
                && text.trim() == text;
            if !usable {
                let what = "this cannot be an id";
                let help =
                    format!("an id has 1 to {LONGEST_ID} characters, no control characters, no blanks around it");
                self.say(Diagnostic::error("id", field.value.span, what).help(help));
            }
            id = Some((text, field.value.span));
        }
        if let Some((text, place)) = id {
            return match self.index.add(text, row.span) {
                Ok(ordinal) => (ordinal, text.to_owned()),
                Err(first) => {
                    let what = format!("the id `{}` stands here a second time", safe::terminal(text));
                    let error = Diagnostic::error("duplicate-id", place, what);
                    self.say(error.related(self.index.span(first), "the first").help("give one of them another id"));
                    (self.index.last(), text.to_owned())
                }
            };
        }
        let mut made = format!("{name}:{}", row.span.line);
        // Actions can share a line, and two entries a list.
        let mut count = 2;
        while self.index.has_id(&made) {
            made = format!("{name}:{}#{count}", row.span.line);
            count += 1;
        }
        let ordinal = self.index.add(&made, row.span).unwrap_or_else(|_| self.index.last());
        (ordinal, made)
    }

    fn needs(&mut self, row: &Row<'_>, layers: Layers<'_>, ordinal: u32) -> Vec<String> {
        let Some(field) = common(row, layers, "needs") else { return Vec::new() };
        if matches!(field.value.shape, Shape::Null) {
            return Vec::new();
        }
        let mut said = crate::diag::Diagnostics::default();
        let mut needs = texts(&field.value, &mut said).unwrap_or_default();
        for diagnostic in said.sorted() {
            self.say(diagnostic.clone());
        }
        let mut ids: Vec<String> = Vec::with_capacity(needs.len());
        needs.retain(|(id, _)| {
            let is_new = !ids.contains(id);
            if is_new {
                ids.push(id.clone());
            }
            is_new
        });
        if !needs.is_empty() {
            self.index.needs(ordinal, needs);
        }
        ids
    }

    fn not_before(&mut self, row: &Row<'_>, layers: Layers<'_>) -> Option<Timestamp> {
        let field = common(row, layers, "not_before").filter(|field| !matches!(field.value.shape, Shape::Null))?;
        let mut said = crate::diag::Diagnostics::default();
        let at = instant("not_before", &field.value, &mut said);
        for diagnostic in said.sorted() {
            self.say(diagnostic.clone());
        }
        let at = at?;
        let end = match self.draft.deadline {
            Some(Deadline::At(end)) => Some(end),
            Some(Deadline::After(length)) => self.now.checked_add(length).ok(),
            None => None,
        };
        if end.is_some_and(|end| at >= end) {
            let what = "`not_before` is not before the plan's deadline";
            self.say(Diagnostic::error("not-before", field.value.span, what).help("the action could never be sent"));
        } else if at <= self.now {
            self.say(Diagnostic::warning("past", field.value.span, "`not_before` has passed and changes nothing"));
        }
        Some(at)
    }

    /// The account that the row names. `Err` where there is none, which was said.
    fn account(&mut self, row: &Row<'_>, layers: Layers<'_>) -> Result<usize, ()> {
        let Some(field) = common(row, layers, "provider") else {
            let place = row.place_of_missing(&["provider"]);
            let error = Diagnostic::error("missing-provider", place, "`provider` is missing");
            let help = format!("name one of {}, here or in `defaults`", self.provider_names().join(", "));
            self.say(error.help(help));
            return Err(());
        };
        let text = self.single(field).ok_or(())?;
        match self.draft.accounts.find(text, self.catalog) {
            Ok(index) => Ok(index),
            // What is wrong with its configuration was said there.
            Err(true) => Err(()),
            Err(false) => {
                let names = self.provider_names();
                let what = format!("there is no provider `{}`", safe::terminal(text));
                let help = match nearest(text, names.iter().map(String::as_str)) {
                    Some(right) => format!("did you mean `{right}`?"),
                    None => format!("there are {}", names.join(", ")),
                };
                self.say(Diagnostic::error("unknown-provider", field.value.span, what).help(help));
                Err(())
            }
        }
    }

    fn provider_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.draft.accounts.by_name.keys().cloned().collect();
        names.extend(self.catalog.iter().map(|provider| provider.id.clone()));
        names.sort_unstable();
        names.dedup();
        names
    }

    fn operation_name<'a>(&mut self, row: &Row<'a>, layers: Layers<'a>, account: Option<usize>) -> Option<&'a Field> {
        let field = common(row, layers, "action");
        if field.is_none() {
            let place = row.place_of_missing(&["action"]);
            let mut error = Diagnostic::error("missing-action", place, "`action` is missing");
            if let Some(account) = account {
                let draft = &self.draft.accounts.drafts[account];
                let names: Vec<&str> = draft.provider.actions().map(|(operation, _)| operation.name.as_str()).collect();
                error = error.help(format!("the provider `{}` has {}", draft.account.name, names.join(", ")));
            }
            self.say(error);
        }
        field
    }

    fn operation<'p>(&mut self, field: &Field, provider: &'p Provider) -> Option<(&'p Operation, &'p ActionRules)> {
        let text = self.single(field)?;
        if let Some(found) = provider.actions().find(|(operation, _)| operation.name == text) {
            return Some(found);
        }
        let names = || provider.actions().map(|(operation, _)| operation.name.as_str());
        let what = match provider.operation(text) {
            Some(_) => format!("`{text}` is a look-up of the provider `{}`, not an action", provider.id),
            None => format!("the provider `{}` has no action `{}`", provider.id, safe::terminal(text)),
        };
        let all = names().collect::<Vec<_>>().join(", ");
        let help = match nearest(text, names()) {
            Some(right) => format!("did you mean `{right}`? it has {all}"),
            None => format!("it has {all}"),
        };
        self.say(Diagnostic::error("unknown-action", field.value.span, what).help(help));
        None
    }

    fn parameters<'a>(
        &mut self,
        row: &Row<'a>,
        layers: Layers<'a>,
        account: usize,
        operation: &Operation,
        rules: &ActionRules,
    ) -> Option<Parameters<'a>> {
        let mut given = self.given(row, layers, operation, rules);
        let mut wrong: Vec<&str> = Vec::new();
        let mut reason = None;
        if let Some(rule) = &rules.reason {
            match self.reason(row, layers, account, operation, rule) {
                Asked::Nothing => {}
                Asked::Wrong => wrong.push(&rule.field),
                Asked::This(found) => reason = Some(found),
            }
        }
        let mut map = Map::new();
        let mut csr = None;
        for (index, parameter) in operation.parameters.iter().enumerate() {
            let is_reason = rules.reason.as_ref().is_some_and(|rule| rule.field == parameter.name);
            let value = if is_reason {
                given[index] = reason.as_ref().map(|reason| reason.field);
                let Some(reason) = &reason else { continue };
                params::scalar(parameter, &reason.spelling)
            } else {
                let Some(field) = given[index].filter(|field| !matches!(field.value.shape, Shape::Null)) else {
                    continue;
                };
                if rules.csr.as_ref().is_some_and(|rule| rule.field == parameter.name) {
                    let Some(read) = self.read_csr(field) else {
                        wrong.push(&parameter.name);
                        continue;
                    };
                    let text = read.as_ref().as_ref().map(|read| read.text.clone()).unwrap_or_default();
                    csr = Some((read, field.value.span));
                    Ok(Value::String(text))
                } else {
                    params::value(parameter, &field.value)
                }
            };
            match value {
                Ok(value) => {
                    map.insert(parameter.name.clone(), value);
                }
                Err(why) => {
                    wrong.push(&parameter.name);
                    let place = given[index].map_or(row.span, |field| field.value.span);
                    self.say(Diagnostic::error("wrong-type", place, why));
                }
            }
        }
        for violation in params::check(operation, &map) {
            if violation.parameter.as_deref().is_some_and(|name| wrong.contains(&name)) {
                continue;
            }
            let name = violation.parameter.as_deref().unwrap_or_default();
            let index = operation.parameters.iter().position(|parameter| parameter.name == name);
            let field = index.and_then(|index| given[index]);
            let is_reason = rules.reason.as_ref().is_some_and(|rule| rule.field == name);
            let mut error = match (field, index) {
                (Some(field), _) => Diagnostic::error("invalid-value", field.value.span, violation.what),
                (None, Some(_)) if is_reason => {
                    let place = row.place_of_missing(&[name, "reason"]);
                    Diagnostic::error("missing-field", place, format!("`reason` is missing ({})", violation.what))
                }
                (None, Some(index)) => {
                    let mut names = vec![name];
                    names.extend(operation.parameters[index].aliases.iter().map(String::as_str));
                    let what = format!("{} for the action `{}`", violation.what, operation.name);
                    Diagnostic::error("missing-field", row.place_of_missing(&names), what)
                }
                (None, None) => Diagnostic::error("invalid-value", row.span, violation.what),
            };
            error.help = violation.help;
            wrong.push(index.map_or("", |index| operation.parameters[index].name.as_str()));
            self.say(error);
        }
        let mut key = None;
        if let (Some(rule), Some((read, place))) = (&rules.csr, &csr)
            && let Ok(read) = &**read
        {
            let place_of = |name: &str| {
                let index = operation.parameters.iter().position(|parameter| parameter.name == name)?;
                given[index].map(|field| field.value.span)
            };
            key = Some((self.compare_csr(read, rule, &map, &place_of, *place), *place));
        }
        wrong.is_empty().then_some(Parameters { map, given, reason, key })
    }

    /// For each parameter of the operation the field that gives it: the row's, else the nearest default.
    fn given<'a>(
        &mut self,
        row: &Row<'a>,
        layers: Layers<'a>,
        operation: &Operation,
        rules: &ActionRules,
    ) -> Vec<Option<&'a Field>> {
        let mut given: Vec<Option<&Field>> = vec![None; operation.parameters.len()];
        for field in row.present() {
            let name = field.name.as_str();
            if name == "reason" && rules.reason.is_none() && operation.parameter(name).is_none() {
                let what = format!("the action `{}` takes no reason", operation.name);
                self.say(Diagnostic::error("unknown-field", field.span, what).help("drop it"));
            } else if COMMON.contains(&name) && (name != "reason" || rules.reason.is_some()) {
            } else if let Some(index) = index_of(operation, name) {
                if let Some(first) = given[index] {
                    let what = format!("`{}` and `{name}` are the same field", first.name);
                    let error = Diagnostic::error("field-twice", field.span, what);
                    self.say(error.related(first.span, "the other").help("keep one of them"));
                } else {
                    given[index] = Some(field);
                }
            } else {
                self.unknown_field(field, operation);
            }
        }
        for field in layers.entry.iter().chain(layers.plan) {
            let is_common = COMMON.contains(&field.name.as_str()) && (field.name != "reason" || rules.reason.is_some());
            if !is_common && let Some(index) = index_of(operation, &field.name) {
                given[index].get_or_insert(field);
            }
        }
        given
    }

    fn unknown_field(&mut self, field: &Field, operation: &Operation) {
        let name = field.name.as_str();
        let what = format!("the action `{}` has no field `{}`", operation.name, safe::terminal(name));
        let error = Diagnostic::error("unknown-field", field.span, what);
        if LIST_FIELDS.contains(&name) {
            self.say(error.help("it stands beside `from`, in an entry whose rows come from a CSV list"));
            return;
        }
        let help = match nearest(name, names_of(operation).chain(COMMON)) {
            Some(right) => format!("did you mean `{right}`?"),
            None => {
                let mut others = self.catalog.iter().flat_map(|provider| provider.actions()).map(|(other, _)| other);
                let has = names_of(operation).collect::<Vec<_>>().join(", ");
                match others.find(|other| other.parameter(name).is_some()) {
                    Some(other) => format!("`{}` has it; `{}` has {has}", other.name, operation.name),
                    None => format!("it has {has}"),
                }
            }
        };
        self.say(error.help(help));
    }

    /// What the action is to those before it: its target as shown, and the id of the one that it repeats.
    fn stand(
        &mut self,
        row: &Row<'_>,
        ordinal: u32,
        account: usize,
        operation: &Operation,
        rules: &ActionRules,
        parameters: &Parameters<'_>,
    ) -> Option<(String, Option<String>)> {
        let mut target = String::new();
        for text in rules.target.parameters.iter().filter_map(|name| parameters.map.get(name)).filter_map(scalar_text) {
            if !target.is_empty() {
                target.push('/');
            }
            target.push_str(&text);
        }
        self.canonical.clear();
        serde_json::to_writer(&mut self.canonical, &parameters.map).ok()?;
        let key = index::hash(&(account, operation.name.as_str(), target.as_str()));
        self.reach(account, operation, rules, parameters);
        let id_of = |this: &Self, ordinal| this.index.id(ordinal).to_owned();
        match self.index.target(ordinal, key, &self.canonical) {
            Standing::New => {
                self.key_once(ordinal, parameters);
                Some((target, None))
            }
            Standing::Repeats(first) => {
                let first_id = id_of(self, first);
                let what = format!("this repeats the action `{}` and will be skipped", safe::terminal(&first_id));
                self.say(Diagnostic::warning("duplicate", row.span, what).related(self.index.span(first), "the first"));
                Some((target, Some(first_id)))
            }
            Standing::Conflicts(first) => {
                let what = format!(
                    "the action `{}` asks for a `{}` of the same target ({}) with other parameters",
                    safe::terminal(&id_of(self, first)),
                    operation.name,
                    safe::terminal(&target)
                );
                let error = Diagnostic::error("conflict", row.span, what);
                self.say(error.related(self.index.span(first), "the other").help("keep the one that is meant"));
                None
            }
        }
    }

    fn key_once(&mut self, ordinal: u32, parameters: &Parameters<'_>) {
        let Some((key, place)) = parameters.key else { return };
        let Some(first) = self.index.key(key, ordinal) else { return };
        let first_id = self.index.id(first).to_owned();
        let what = format!("this certificate request has the same key as that of `{}`", safe::terminal(&first_id));
        let finding = if self.draft.unique_keys {
            Diagnostic::error("shared-key", place, what)
        } else {
            Diagnostic::warning("shared-key", place, what)
        };
        let help = "certificates that share a key fall together; make a key for each";
        self.say(finding.related(self.index.span(first), "the other").help(help));
    }

    /// Warns of parameters that reach further than one target, and of parts that are asked for beside their whole.
    fn reach(&mut self, account: usize, operation: &Operation, rules: &ActionRules, parameters: &Parameters<'_>) {
        for wide in &rules.wide {
            let Some(index) = index_of(operation, &wide.parameter) else { continue };
            let Some(field) = parameters.given[index] else { continue };
            let Some(text) = parameters.map.get(&wide.parameter).and_then(scalar_text) else { continue };
            let is_wide = text == wide.value;
            let place = field.value.span;
            if is_wide {
                let what = format!("`{}: {}` reaches {}", wide.parameter, wide.value, wide.reaches);
                self.say(Diagnostic::warning("wide", place, what));
            }
            let others = rules.target.parameters.iter().filter(|name| **name != wide.parameter);
            let group: Vec<String> =
                others.filter_map(|name| parameters.map.get(name)).filter_map(scalar_text).collect();
            if group.is_empty() {
                continue;
            }
            let reach = self.index.reach(index::hash(&(account, operation.name.as_str(), group)));
            let slot = if is_wide { &mut reach.whole } else { &mut reach.part };
            slot.get_or_insert(place);
            if let (Some(whole), Some(part), false) = (reach.whole, reach.part, reach.said) {
                reach.said = true;
                let what = format!("another action reaches {}, this one among them", wide.reaches);
                self.say(Diagnostic::warning("reached-twice", part, what).related(whole, "it"));
            }
        }
    }
}

/// The names of an operation's fields, aliases included.
pub(super) fn names_of(operation: &Operation) -> impl Iterator<Item = &str> {
    let names =
        operation.parameters.iter().flat_map(|parameter| std::iter::once(&parameter.name).chain(&parameter.aliases));
    names.map(String::as_str)
}

/// The finding for a field without a value.
pub(super) fn no_value(field: &Field) -> Diagnostic {
    let what = format!("`{}` has no value", safe::terminal(&field.name));
    Diagnostic::error("no-value", field.span, what).help("leave the field out, or write `\"\"` for an empty text")
}

/// The finding for a field that takes a single value and has something else.
pub(super) fn no_single_value(field: &Field) -> Diagnostic {
    let what = format!("`{}` must be a single value, not {}", safe::terminal(&field.name), field.value.kind());
    Diagnostic::error("wrong-kind", field.value.span, what)
}

fn common<'a>(row: &Row<'a>, layers: Layers<'a>, name: &str) -> Option<&'a Field> {
    row.field(name).or_else(|| layers.entry.iter().chain(layers.plan).find(|field| field.name == name))
}

fn index_of(operation: &Operation, name: &str) -> Option<usize> {
    let by_name = operation.parameters.iter().position(|parameter| parameter.name == name);
    by_name.or_else(|| {
        operation.parameters.iter().position(|parameter| parameter.aliases.iter().any(|alias| alias == name))
    })
}

/// The fields that every action can have.
pub(in crate::plan) const COMMON: [&str; 6] = ["id", "provider", "action", "reason", "needs", "not_before"];
/// Ids are for people.
const LONGEST_ID: usize = 200;
