//! The parameters of one action: which field gives which, defaults included; what a value cannot be, as it is written (damaged on its way here,
//! never filled in, no name of a certificate, a list that is one text); typed, and checked against the operation's schema. Guesses nothing, and
//! changes nothing of a value.

use super::action::{ReadReason, ReasonFound};
use super::context::Checker;
use super::fields::{COMMON_FIELDS, FieldUse, LIST_FIELDS, Layers, Row, has_value, names_of, right_name};
use super::pem_files::{CsrResult, NamedKey, SentCertificate};
use crate::diag::{Diagnostic, Diagnostics};
use crate::pki::{Certificate, SerialNotation, SerialNumber, SerialNumberError, SpkiFingerprint, names};
use crate::plan::load;
use crate::plan::read::texts;
use crate::provider::model::{
    ActionRules, CsrRule, Location, Operation, Parameter, ParameterType, SerialRule, ValueFormat,
};
use crate::provider::params::{self, Violation};
use crate::text::damage::{Damage, did_you_mean, shown, visible};
use crate::text::nearest;
use crate::text::{Span, safe};
use crate::tree::{Field, Node, Shape};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// The parameters of an action as read, and where each was given.
pub(super) struct ReadParameters<'a> {
    pub(super) map: Map<String, Value>,
    /// For each parameter of the operation the field that gave it.
    pub(super) given: Vec<Option<&'a Field>>,
    pub(super) reason: Option<ReadReason<'a>>,
    /// That of the certificate request.
    pub(super) key: Option<(SpkiFingerprint, Span)>,
    /// The certificate that is sent. In a box, as few actions send one and all are moved.
    pub(super) certificate: Option<Box<SentCertificate>>,
    /// What stands for the certificate request in the run directory, where that must not keep it.
    pub(super) withheld_csr: Option<String>,
    /// The private keys that are sent.
    pub(super) sent_keys: Vec<NamedKey>,
    /// The certificate that is sent as such, with its key beside it.
    pub(super) sent_first: Option<Box<Certificate>>,
    /// Parameters whose values earlier steps bring: their indices.
    pub(super) references: Vec<usize>,
    /// Whether the row says that its certificate is a CA's on purpose.
    ca_asked: bool,
    pub(super) csr: Option<(CsrResult, Span)>,
    /// For each parameter of the operation whether its value is unusable, which was reported.
    wrong: Vec<bool>,
}

impl ReadParameters<'_> {
    /// The certificate request, as it is sent.
    pub(super) fn csr_text(&self, rules: &ActionRules) -> Option<String> {
        self.map.get(&rules.csr.as_ref()?.field)?.as_str().map(str::to_owned)
    }
}

impl Checker<'_> {
    /// The parameters of a row. `None` where some are unusable, which is reported.
    pub(super) fn read_parameters<'a>(
        &mut self,
        row: &Row<'a>,
        layers: Layers<'a>,
        account: usize,
        operation: &Operation,
        rules: &ActionRules,
    ) -> Option<ReadParameters<'a>> {
        let mut read = ReadParameters {
            map: Map::new(),
            given: self.assign_fields(row, layers, account, operation, rules),
            reason: None,
            key: None,
            certificate: None,
            withheld_csr: None,
            sent_keys: Vec::new(),
            sent_first: None,
            references: Vec::new(),
            ca_asked: rules.certificate.is_some() && self.asks_for_ca(row, layers, operation),
            csr: None,
            wrong: vec![false; operation.parameters.len()],
        };
        // Before the other values, for it decides which field gives the reason's parameter.
        let mut is_good = self.read_reason_into(row, layers, account, operation, rules, &mut read);
        for (index, parameter) in operation.parameters.iter().enumerate() {
            if !self.read_value_into(row, layers, parameter, index, rules, &mut read) {
                read.wrong[index] = true;
            }
        }
        fill_from_csr(operation, rules, &mut read);
        if let (Some(name), Some(sent)) =
            (rules.certificate.as_ref().and_then(|rule| rule.renewal_id.as_ref()), &read.certificate)
            && let Some(id) = sent.certificate.renewal_id()
        {
            read.map.entry(name.clone()).or_insert_with(|| id.into());
        }
        is_good &= self.follows_schema(row, operation, rules, &mut read) && !read.wrong.contains(&true);
        if let (Some(rule), Some(certificate)) = (&rules.certificate, &read.certificate) {
            is_good &= self.apply_certificate(certificate, rule, operation, &read.given, &mut read.map);
        }
        // A name that was found wrong is not missed a second time.
        let is_wrong = |name: &Option<String>| {
            let place = operation.parameters.iter().position(|parameter| Some(&parameter.name) == name.as_ref());
            place.is_some_and(|index| read.wrong[index])
        };
        if let (Some(rule), Some((csr, place))) = (&rules.csr, &read.csr)
            && let Ok(csr) = &**csr
            && !is_wrong(&rule.common_name)
            && !is_wrong(&rule.dns_names)
        {
            let place_of = |name: &str| {
                let index = operation.parameters.iter().position(|parameter| parameter.name == name)?;
                read.given[index].map(|field| field.value.span)
            };
            // What the request itself has filled in is not held against it.
            let common_name = rule.common_name.clone().filter(|name| !rule.fills_names || place_of(name).is_some());
            let rule = &CsrRule { common_name, ..rule.clone() };
            read.key = Some((self.compare_csr(csr, rule, &read.map, &place_of, *place), *place));
        }
        is_good.then_some(read)
    }

    /// The reason, in the place of its parameter. `false` where it is unusable, which is reported.
    fn read_reason_into<'a>(
        &mut self,
        row: &Row<'a>,
        layers: Layers<'a>,
        account: usize,
        operation: &Operation,
        rules: &ActionRules,
        read: &mut ReadParameters<'a>,
    ) -> bool {
        let Some(rule) = &rules.reason else { return true };
        let index = operation.parameters.iter().position(|parameter| parameter.name == rule.field);
        let found = self.find_reason(row, layers, account, operation, rule);
        let is_good = !matches!(found, ReasonFound::Unusable);
        if let ReasonFound::Usable(reason) = found {
            read.reason = Some(reason);
        }
        if let Some(index) = index {
            read.given[index] = read.reason.as_ref().map(|reason| reason.field);
            read.wrong[index] = !is_good;
        }
        is_good
    }

    /// A parameter's value, as its type and the rules require. `false` where it is unusable, which is reported.
    fn read_value_into(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        parameter: &Parameter,
        index: usize,
        rules: &ActionRules,
        read: &mut ReadParameters<'_>,
    ) -> bool {
        let Some(field) = read.given[index] else { return !read.wrong[index] };
        let name = Some(&parameter.name);
        let value = if name == rules.reason.as_ref().map(|rule| &rule.field) {
            let Some(reason) = &read.reason else { return false };
            // By the parameter's type: ACME sends the numbers of RFC 5280.
            params::scalar(parameter, &reason.spelling, None)
        } else if !has_value(field) || is_file(parameter, rules) && !self.check_reference(row, layers, parameter, field)
        {
            return false;
        } else if name == rules.csr.as_ref().map(|rule| &rule.field) {
            let Some(csr) = self.read_csr(field) else { return false };
            let text = csr.as_ref().as_ref().map(|csr| csr.text.clone()).unwrap_or_default();
            if let Ok(csr) = &*csr {
                let Ok(withheld) = self.withhold_csr(field, &csr.csr) else { return false };
                read.withheld_csr = withheld;
            }
            read.csr = Some((csr, field.value.span));
            Ok(Value::String(text))
        } else if parameter.location == Location::Signer {
            let Some(reference) = self.read_key_reference(field) else { return false };
            Ok(reference)
        } else if matches!(parameter.format, ValueFormat::PrivateKey { .. }) {
            let Some((key, reference)) = self.read_sent_key(field) else { return false };
            if let Some(first) = &read.sent_first {
                self.compare_keys(std::slice::from_ref(&key), first);
            }
            read.sent_keys.push(key);
            Ok(Value::String(reference))
        } else if name == rules.certificate.as_ref().map(|rule| &rule.field) {
            let Some(certificate) = self.read_sent_certificate(field, read.ca_asked) else { return false };
            let value = certificate.value();
            read.certificate = Some(Box::new(certificate));
            Ok(value)
        } else if let Some(is_good) = self.read_step_reference(field) {
            // Its value is known only once that step has ended.
            if is_good {
                read.references.push(index);
            }
            read.map.insert(parameter.name.clone(), Value::String(field.value.text().unwrap_or_default().to_owned()));
            return is_good;
        } else if let ValueFormat::Certificate { issuers, .. } = parameter.format {
            let Some((text, first)) = self.read_certificates_sent(field, issuers) else { return false };
            if !issuers {
                self.compare_keys(&read.sent_keys, &first);
                read.sent_first = Some(Box::new(first));
            }
            Ok(Value::String(text))
        } else if !self.check_texts(row, layers, parameter, field) {
            return false;
        } else {
            let is_id = |rule: &SerialRule| field.value.text().is_some_and(|text| rule.is_id(text));
            let serial = parameter.serial().filter(|rule| !is_id(rule));
            let notation = serial.and_then(|_| self.serial_notation(row, layers));
            params::value(parameter, &field.value, notation)
        };
        match value {
            Ok(value) => {
                read.map.insert(parameter.name.clone(), value);
                true
            }
            Err(wrong) => {
                self.report_wrong_value(row, parameter, field, wrong);
                false
            }
        }
    }

    /// Checks all values against the operation's schema. `false` where one breaks a rule that belongs to no single parameter.
    fn follows_schema(
        &mut self,
        row: &Row<'_>,
        operation: &Operation,
        rules: &ActionRules,
        read: &mut ReadParameters<'_>,
    ) -> bool {
        // Of a million rows nearly all are valid: `is_valid` needs no copy of the map, the search for violations does.
        let instance = Value::Object(std::mem::take(&mut read.map));
        let is_valid = operation.validator.is_valid(&instance);
        if let Value::Object(map) = instance {
            read.map = map;
        }
        if is_valid {
            return true;
        }
        // A value of the wrong type breaks most rules of its schema; the finding about its type is enough.
        let untyped = read.wrong.clone();
        let mut is_good = true;
        for violation in params::check(operation, &read.map) {
            let name = violation.parameter.as_deref();
            let index = operation.parameters.iter().position(|parameter| Some(parameter.name.as_str()) == name);
            // One violation for each value is enough; but each item of a list is a value of its own.
            if index.is_some_and(|index| read.references.contains(&index)) {
                continue;
            }
            if index.is_some_and(|index| untyped[index] || read.wrong[index] && !violation.what.starts_with("item ")) {
                continue;
            }
            match index {
                Some(index) => read.wrong[index] = true,
                None => is_good = false,
            }
            let field = index.and_then(|index| read.given[index]);
            let parameter = index.map(|index| &operation.parameters[index]);
            self.report(violation_found(violation, row, operation, rules, parameter, field));
        }
        is_good
    }

    /// For each parameter of the operation the field that gives it: the row's, else the nearest default.
    fn assign_fields<'a>(
        &mut self,
        row: &Row<'a>,
        layers: Layers<'a>,
        account: usize,
        operation: &Operation,
        rules: &ActionRules,
    ) -> Vec<Option<&'a Field>> {
        let mut given: Vec<Option<&Field>> = vec![None; operation.parameters.len()];
        let mut uses = std::mem::take(&mut self.shared_by(account, &operation.name).uses);
        // What describes the certificates of find's lists is for those actions alone that have such a field.
        let is_of_find = row.header.is_some_and(|header| header.is_of_find);
        for (place, field) in row.present() {
            let name = field.name.as_str();
            match uses.find(place, name, operation, rules) {
                FieldUse::Common | FieldUse::Merge => {}
                FieldUse::Descriptive if is_of_find => {}
                FieldUse::Reason => {
                    let what = format!("the action `{}` takes no reason", operation.name);
                    self.report(Diagnostic::error("unknown-field", field.span, what).help("drop it"));
                }
                FieldUse::Parameter(index) => {
                    if let Some(first) = given[index] {
                        let what = format!("`{}` and `{name}` are the same field", first.name);
                        let error = Diagnostic::error("field-twice", field.span, what);
                        self.report(error.related(first.span, "the other").help("keep one of them"));
                    } else {
                        given[index] = Some(field);
                    }
                }
                FieldUse::Descriptive | FieldUse::Unknown => self.report_unknown_field(field, operation),
            }
        }
        // Defaults are for many operations: one that this operation does not know is no error.
        for (place, field) in (row.fields.len()..).zip(layers.iter()) {
            if let FieldUse::Parameter(index) = uses.find(place, &field.name, operation, rules) {
                given[index].get_or_insert(field);
            }
        }
        self.shared_by(account, &operation.name).uses = uses;
        given
    }

    fn report_unknown_field(&mut self, field: &Field, operation: &Operation) {
        let name = field.name.as_str();
        let what = format!("the action `{}` has no field `{}`", operation.name, safe::terminal(name));
        let error = Diagnostic::error("unknown-field", field.span, what);
        if LIST_FIELDS.contains(&name) {
            self.report(error.help("it stands beside `from`, in an entry whose rows come from a CSV list"));
            return;
        }
        let help = match right_name(name, names_of(operation).chain(COMMON_FIELDS)) {
            Some(right) => did_you_mean(name, right),
            None => {
                let mut others = self.catalog.iter().flat_map(|provider| provider.actions()).map(|(other, _)| other);
                let has = names_of(operation).collect::<Vec<_>>().join(", ");
                match others.find(|other| other.parameter(name).is_some()) {
                    Some(other) => format!("`{}` has it; `{}` has {has}", other.name, operation.name),
                    None => format!("it has {has}"),
                }
            }
        };
        self.report(error.help(help));
    }
}

impl Checker<'_> {
    /// Whether the texts of a parameter's field can be what was meant. `false` where one cannot, which is reported.
    fn check_texts(&mut self, row: &Row<'_>, layers: Layers<'_>, parameter: &Parameter, field: &Field) -> bool {
        match &field.value.shape {
            _ if parameter.format == ValueFormat::Listed => true,
            Shape::Scalar { text, .. } if !is_list(parameter) => {
                self.check_text(row, layers, parameter, text, field.value.span)
            }
            Shape::Scalar { text, .. } => {
                if text.contains([',', ';']) && !self.is_as_written(row, layers, text) {
                    self.report(list_as_text(row, field, text));
                    return false;
                }
                // All of them, so that all their findings come together.
                let wrong = text
                    .split_whitespace()
                    .filter(|item| !self.check_text(row, layers, parameter, item, field.value.span))
                    .count();
                wrong == 0
            }
            Shape::List(items) => {
                let is_wrong = |item: &&Node| {
                    item.text().is_some_and(|text| !self.check_text(row, layers, parameter, text, item.span))
                };
                items.iter().filter(is_wrong).count() == 0
            }
            _ => true,
        }
    }

    fn check_text(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        parameter: &Parameter,
        text: &str,
        place: Span,
    ) -> bool {
        let Some(finding) = finding(parameter, text, Some(place)) else { return true };
        if self.is_as_written(row, layers, text) {
            return true;
        }
        self.report(finding);
        false
    }

    /// Whether a field that names a file can be meant. What it holds in the place of a name is for its reader to say, and may be secret.
    fn check_reference(&mut self, row: &Row<'_>, layers: Layers<'_>, parameter: &Parameter, field: &Field) -> bool {
        let text = field.value.text().unwrap_or_default();
        let Some(named) = text.strip_prefix("file:").map(str::trim) else {
            let is_word = !parameter.names_key() && text.len() <= MAX_REPEATED;
            let damage =
                Damage::of(text).filter(|damage| is_word && matches!(damage, Damage::Placeholder | Damage::Filler));
            if let Some(damage) = damage {
                self.report(damaged(&field.name, text, damage, field.value.span).help(damage.remedy()));
            }
            return damage.is_none();
        };
        let is_path = |damage: &Damage| {
            use Damage::{Control, Filler, Invisible, Placeholder, Quote};
            matches!(damage, Placeholder | Filler | Invisible(_) | Control(_) | Quote(_))
        };
        let Some(damage) = Damage::of(named).filter(is_path) else { return true };
        // File names may hold anything.
        if self.is_as_written(row, layers, named) || load::resolve(self.sources, field.value.span, named).exists() {
            return true;
        }
        let what = format!("`{}`: the path `{}` {}", field.name, shown(named), damage.what());
        self.report(Diagnostic::error("damaged-value", field.value.span, what).help(damage.remedy()));
        false
    }

    /// As [`Self::check_texts`], for a serial number that is no parameter.
    pub(super) fn read_serial_number(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        field: &Field,
    ) -> Option<SerialNumber> {
        let text = self.single_value(field)?;
        if let Some(damage) = Damage::of(text).filter(|damage| !is_blank(*damage))
            && !self.is_as_written(row, layers, text)
        {
            self.report(damaged(&field.name, text, damage, field.value.span));
            return None;
        }
        let read = match self.serial_notation(row, layers) {
            Some(notation) => SerialNumber::parse_in(text, notation),
            None => SerialNumber::parse(text),
        };
        read.map_err(|why| {
            let what = format!("`{}` is no serial number: {why}", shown(text));
            let error = Diagnostic::error("serial-number", field.value.span, what);
            self.report_serial_number(row, text, error.help(params::remedy(&why)));
        })
        .ok()
    }

    /// Reports that a parameter's text is not what its type asks for.
    fn report_wrong_value(&mut self, row: &Row<'_>, parameter: &Parameter, field: &Field, wrong: Violation) {
        let code = if parameter.serial().is_some() { "serial-number" } else { "wrong-type" };
        let mut error = Diagnostic::error(code, field.value.span, wrong.what);
        error.help = wrong.help;
        match field.value.text().filter(|_| parameter.serial().is_some()) {
            Some(text) => self.report_serial_number(row, text, error),
            None => self.report(error),
        }
    }

    /// Reports a text that is no serial number. That those of a list may be decimal is told once for all its rows.
    fn report_serial_number(&mut self, row: &Row<'_>, text: &str, mut error: Diagnostic) {
        let is_of_all = matches!(SerialNumber::parse(text), Err(SerialNumberError::DigitsAlone(_)));
        if let Some(header) = row.header.filter(|_| is_of_all) {
            if !self.maybe_decimal.insert(header.span.source) {
                self.errors += 1;
                return;
            }
            let more = |help: String| {
                format!("{help}. This is told once for the whole list, which may have a column `serial_notation`")
            };
            error.help = error.help.map(more);
        }
        self.report(error);
    }

    /// What the plan says of the digits of its serial numbers.
    fn serial_notation(&mut self, row: &Row<'_>, layers: Layers<'_>) -> Option<SerialNotation> {
        let field = row.field_or_default(layers, "serial_notation").filter(|field| has_value(field))?;
        let text = self.single_value(field)?;
        let found = NOTATIONS.iter().find(|(word, _)| *word == text).map(|(_, notation)| *notation);
        if found.is_none() {
            let what = format!("`serial_notation` must be hexadecimal or decimal, not `{}`", shown(text));
            let mut error = Diagnostic::error("serial-number", field.value.span, what);
            let right = nearest(text, NOTATIONS.iter().map(|(word, _)| *word));
            error.help = right.map(|right| did_you_mean(text, right));
            self.report(error);
        }
        found
    }

    /// Whether the plan says that this text is meant as it stands.
    fn is_as_written(&mut self, row: &Row<'_>, layers: Layers<'_>, text: &str) -> bool {
        let Some(field) = row.field_or_default(layers, "as_written").filter(|field| has_value(field)) else {
            return false;
        };
        let mut wrong = Diagnostics::default();
        let meant = texts(&field.value, &mut wrong).unwrap_or_default();
        self.report_all(&wrong);
        meant.iter().any(|(meant, _)| meant == text)
    }
}

/// Whether a plan must say of a parameter's text that it is meant as it stands.
pub fn needs_as_written(parameter: &Parameter, text: &str) -> bool {
    finding(parameter, text, None).is_some()
}

/// Fills in the names that the provider must be told and the plan leaves out, since the certificate request has them.
fn fill_from_csr(operation: &Operation, rules: &ActionRules, read: &mut ReadParameters<'_>) {
    let (Some(rule), Some((csr, _))) = (rules.csr.as_ref().filter(|rule| rule.fills_names), &read.csr) else { return };
    let Ok(csr) = &**csr else { return };
    for (index, parameter) in operation.parameters.iter().enumerate() {
        let name = Some(&parameter.name);
        let is_list = name == rule.dns_names.as_ref();
        let is_named = is_list || name == rule.common_name.as_ref();
        if is_named && read.given[index].is_none() {
            let names = Checker::names_of_csr(csr, is_list);
            read.map.extend(names.map(|value| (parameter.name.clone(), value)));
        }
    }
}

/// Whether a parameter's field may name a file.
fn is_file(parameter: &Parameter, rules: &ActionRules) -> bool {
    let name = Some(&parameter.name);
    parameter.names_key()
        || name == rules.csr.as_ref().map(|rule| &rule.field)
        || name == rules.certificate.as_ref().map(|rule| &rule.field)
}

/// The finding for a rule of the schema that is broken.
fn violation_found(
    violation: Violation,
    row: &Row<'_>,
    operation: &Operation,
    rules: &ActionRules,
    parameter: Option<&Parameter>,
    field: Option<&Field>,
) -> Diagnostic {
    let Violation { what, help, .. } = violation;
    let mut error = match (field, parameter) {
        (Some(field), _) => Diagnostic::error("invalid-value", field.value.span, what),
        (None, Some(parameter)) if rules.reason.as_ref().is_some_and(|rule| rule.field == parameter.name) => {
            let place = row.place_of_missing(&[&parameter.name, "reason"]);
            Diagnostic::error("missing-field", place, format!("`reason` is missing ({what})"))
        }
        (None, Some(parameter)) => {
            let names: Vec<&str> =
                std::iter::once(&parameter.name).chain(&parameter.aliases).map(String::as_str).collect();
            // By a name that plans can write: its own may mean something else there (`reason`).
            let what = what.replace(&format!("`{}`", parameter.name), &format!("`{}`", parameter.name_in_plans()));
            let what = format!("{what} for the action `{}`", operation.name);
            // The schema's words are what the field is for; beside them people need its name.
            let is_usable = |name: &&String| !parameter.hidden && !name.contains('.');
            let name = Some(&parameter.name).filter(is_usable).or(parameter.aliases.first());
            let add = format!("add `{}`", name.unwrap_or(&parameter.name));
            let error = Diagnostic::error("missing-field", row.place_of_missing(&names), what);
            return error.help(help.map_or_else(|| add.clone(), |words| format!("{add}: {words}")));
        }
        (None, None) => Diagnostic::error("invalid-value", row.span, what),
    };
    error.help = help;
    error
}

/// Why a text of a parameter cannot be meant.
fn finding(parameter: &Parameter, text: &str, place: Option<Span>) -> Option<Diagnostic> {
    let name = &parameter.name;
    let damage = match parameter.format {
        // A request is read whole, by who knows what is in it.
        ValueFormat::Listed
        | ValueFormat::PrivateKey { .. }
        | ValueFormat::Certificate { .. }
        | ValueFormat::CertificateRequest
        | ValueFormat::Base64 => return None,
        ValueFormat::FreeText => Damage::of_words(text).filter(|damage| *damage != Damage::Control('\0')),
        // A NUL was reported by who read the plan.
        ValueFormat::Identifier => Damage::of(text).filter(|damage| *damage != Damage::Control('\0')),
        // People copy them with blanks and line ends around.
        ValueFormat::Serial(_) => Damage::of(text).filter(|damage| !is_blank(*damage)),
        // A `*` alone is better told as what a wildcard is not, and a comma as what a name has not.
        ValueFormat::Name(_) => {
            let is_the_names = |damage: Damage| is_blank(damage) || matches!(damage, Damage::Separator(_));
            Damage::of(text).filter(|damage| !is_the_names(*damage) && !text.contains('*'))
        }
    };
    if let Some(damage) = damage {
        let error = damaged(name, text, damage, place);
        return Some(match (parameter.format, parameter.kind) {
            // One number of a hundred thousand ends so.
            _ if damage == Damage::RoundedDigits => error,
            // What else is damaged is no number, and cannot be sent even if it is meant.
            (ValueFormat::Serial(_), _) | (_, ParameterType::Integer | ParameterType::Integers) => {
                error.help(damage.remedy())
            }
            _ => error,
        });
    }
    match parameter.format {
        ValueFormat::Name(rule) => {
            let why = names::check_name(text, rule).err()?;
            let what = format!("`{name}`: `{}` is no DNS name: {why}", shown(text));
            let error = Diagnostic::error("no-dns-name", place, what);
            let remedy = why.remedy().map(|remedy| format!("{remedy}; ")).unwrap_or_default();
            Some(error.help(format!("{remedy}{}", insisted(text))))
        }
        // Lists that were put together have a header in their middle.
        ValueFormat::Identifier | ValueFormat::Serial(_) if text.eq_ignore_ascii_case(name) => {
            let what = format!("`{name}`: the value is the field's own name");
            let help = format!("is this the header of another list? {}", insisted(text));
            Some(Diagnostic::error("damaged-value", place, what).help(help))
        }
        _ => None,
    }
}

fn damaged(name: &str, text: &str, damage: Damage, place: impl Into<Option<Span>>) -> Diagnostic {
    let what = format!("`{name}`: `{}` {}", shown(text), damage.what());
    Diagnostic::error("damaged-value", place, what).help(format!("{}; {}", damage.remedy(), insisted(text)))
}

/// A list that is written as one text.
fn list_as_text(row: &Row<'_>, field: &Field, text: &str) -> Diagnostic {
    let items: Vec<&str> = text
        .split([',', ';'])
        .flat_map(str::split_whitespace)
        // `openssl x509 -ext subjectAltName` writes them so.
        .map(|item| item.strip_prefix("DNS:").unwrap_or(item))
        .collect();
    let separator = if text.contains(',') { ',' } else { ';' };
    let name = &field.name;
    let what = format!("`{name}` is a list, and this is one text with a `{separator}` in it");
    let is_cell = row.header.is_some_and(|header| header.span.source == field.span.source);
    let shown = |with: &str| shown(&items.join(with));
    let help = if is_cell {
        format!("in a cell the items of a list are separated by blanks: `{}`", shown(" "))
    } else {
        format!("write a list: `{name}: [{}]`", shown(", "))
    };
    Diagnostic::error("list-as-text", field.value.span, what).help(help)
}

fn is_list(parameter: &Parameter) -> bool {
    matches!(parameter.kind, ParameterType::Strings | ParameterType::Integers)
}

fn is_blank(damage: Damage) -> bool {
    matches!(damage, Damage::Blank | Damage::Control('\n' | '\r' | '\t'))
}

/// The plan's words that send a text all the same.
fn insisted(text: &str) -> String {
    if text.chars().count() > MAX_REPEATED {
        return "if it is meant as it stands, put it into `as_written`".to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    for letter in text.chars() {
        let mut bytes = [0; 4];
        let own: &str = letter.encode_utf8(&mut bytes);
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            // YAML's own escapes, for what could not be typed.
            _ if visible(own) != own && u32::from(letter) <= 0xffff => {
                let _written = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            _ if visible(own) != own => {
                let _written = write!(quoted, "\\U{:08X}", u32::from(letter));
            }
            _ => quoted.push(letter),
        }
    }
    format!("if it is meant as it stands: `as_written: [\"{}\"]`", safe::terminal(&quoted))
}

const NOTATIONS: [(&str, SerialNotation); 2] =
    [("hexadecimal", SerialNotation::Hexadecimal), ("decimal", SerialNotation::Decimal)];
/// Characters of a value that a message repeats as a line of the plan.
const MAX_REPEATED: usize = 60;
