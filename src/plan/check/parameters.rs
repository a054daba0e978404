//! The parameters of one action: which field gives which, defaults included; typed, and held against the operation's schema.

use super::action::{COMMON, OF_CERTIFICATE};
use super::list::LIST_FIELDS;
use super::reason::{Asked, Reason};
use super::sent_certificate::ReadCertificate;
use super::{Checker, Layers};
use crate::diag::Diagnostic;
use crate::pki::SpkiFingerprint;
use crate::plan::row::Row;
use crate::provider::model::{ActionRules, Location, Operation};
use crate::provider::params;
use crate::text::nearest::nearest;
use crate::text::{Span, safe};
use crate::tree::{Field, Shape};
use serde_json::{Map, Value};

/// The parameters of an action, and where each was given.
pub(super) struct Parameters<'a> {
    pub(super) map: Map<String, Value>,
    /// For each parameter of the operation the field that gave it.
    pub(super) given: Vec<Option<&'a Field>>,
    pub(super) reason: Option<Reason<'a>>,
    pub(super) key: Option<(SpkiFingerprint, Span)>,
    /// The certificate that is sent.
    pub(super) certificate: Option<ReadCertificate>,
}

impl Checker<'_> {
    /// The parameters of a row. `None` where they will not do, which was said.
    pub(super) fn parameters<'a>(
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
        let mut certificate = None;
        for (index, parameter) in operation.parameters.iter().enumerate() {
            let is_reason = rules.reason.as_ref().is_some_and(|rule| rule.field == parameter.name);
            let value = if is_reason {
                given[index] = reason.as_ref().map(|reason| reason.field);
                let Some(reason) = &reason else { continue };
                params::scalar(parameter, &reason.spelling)
            } else {
                let Some(field) = given[index] else { continue };
                if matches!(field.value.shape, Shape::Null) {
                    wrong.push(&parameter.name);
                    continue;
                }
                if rules.csr.as_ref().is_some_and(|rule| rule.field == parameter.name) {
                    let Some(read) = self.read_csr(field) else {
                        wrong.push(&parameter.name);
                        continue;
                    };
                    let text = read.as_ref().as_ref().map(|read| read.text.clone()).unwrap_or_default();
                    csr = Some((read, field.value.span));
                    Ok(Value::String(text))
                } else if parameter.location == Location::Signer {
                    let Some(reference) = self.key_reference(field) else {
                        wrong.push(&parameter.name);
                        continue;
                    };
                    Ok(reference)
                } else if rules.certificate.as_ref().is_some_and(|rule| rule.field == parameter.name) {
                    let Some(read) = self.read_certificate(field) else {
                        wrong.push(&parameter.name);
                        continue;
                    };
                    let value = read.value();
                    certificate = Some(read);
                    Ok(value)
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
        let untyped = wrong.len();
        for violation in params::check(operation, &map) {
            let name = violation.parameter.as_deref();
            let said = name.and_then(|name| wrong.iter().position(|wrong| *wrong == name));
            // One rule that a value breaks is enough to say; but each item of a list is a value of its own.
            if said.is_some_and(|index| index < untyped || !violation.what.starts_with("item ")) {
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
        let mut named = true;
        if let (Some(rule), Some(read)) = (&rules.certificate, &certificate) {
            named = self.name_by_certificate(read, rule, operation, &given, &mut map);
            let names = operation.parameters.iter().map(|parameter| &parameter.name);
            map = names.filter_map(|name| map.remove_entry(name)).collect();
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
        (wrong.is_empty() && named).then_some(Parameters { map, given, reason, key, certificate })
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
        // What stands where `<<` was meant, the reading has said.
        for field in row.present().filter(|field| field.name != "<<") {
            let name = field.name.as_str();
            if name == "reason" && rules.reason.is_none() && operation.parameter(name).is_none() {
                let what = format!("the action `{}` takes no reason", operation.name);
                self.say(Diagnostic::error("unknown-field", field.span, what).help("drop it"));
            } else if is_common(name, operation, rules) {
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
            if !is_common(&field.name, operation, rules)
                && let Some(index) = index_of(operation, &field.name)
            {
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
}

/// Whether a field means the same for every action. An operation's own field of such a name wins where it can.
fn is_common(name: &str, operation: &Operation, rules: &ActionRules) -> bool {
    COMMON.contains(&name)
        && match name {
            "reason" => rules.reason.is_some(),
            _ if OF_CERTIFICATE.contains(&name) => operation.parameter(name).is_none(),
            _ => true,
        }
}

/// The names of an operation's fields, aliases included.
pub(super) fn names_of(operation: &Operation) -> impl Iterator<Item = &str> {
    let names =
        operation.parameters.iter().flat_map(|parameter| std::iter::once(&parameter.name).chain(&parameter.aliases));
    names.map(String::as_str)
}

/// The place of a parameter that a field name means.
pub(super) fn index_of(operation: &Operation, name: &str) -> Option<usize> {
    let by_name = operation.parameters.iter().position(|parameter| parameter.name == name);
    by_name.or_else(|| {
        operation.parameters.iter().position(|parameter| parameter.aliases.iter().any(|alias| alias == name))
    })
}
