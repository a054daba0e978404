//! The parameters of one action: which field gives which, defaults included; typed, and checked against the operation's schema. The
//! revocation reason is one of them: given in RFC 5280's names or the provider's, sent in the provider's. Guesses nothing.

use super::context::Checker;
use super::fields::{COMMON_FIELDS, FieldUse, LIST_FIELDS, Layers, Row, has_value, names_of};
use super::pem_files::{CsrResult, NamedKey, SentCertificate};
use crate::diag::Diagnostic;
use crate::pki::{Certificate, RevocationReason, SpkiFingerprint};
use crate::provider::model::{
    ActionRules, CsrRule, Location, Operation, Parameter, ReasonRule, SerialRule, ValueFormat,
};
use crate::provider::params::{self, ReasonError, Violation};
use crate::text::damage::did_you_mean;
use crate::text::{Span, nearest, safe};
use crate::tree::Field;
use serde_json::{Map, Value};

/// The parameters of an action as read, and where each was given.
pub(super) struct ReadParameters<'a> {
    pub(super) map: Map<String, Value>,
    /// For each parameter of the operation the field that gave it.
    pub(super) given: Vec<Option<&'a Field>>,
    pub(super) reason: Option<ReadReason<'a>>,
    /// That of the certificate request.
    pub(super) key: Option<(SpkiFingerprint, Span)>,
    /// The certificate that is sent.
    pub(super) certificate: Option<SentCertificate>,
    /// What stands for the certificate request in the run directory, where that must not keep it.
    pub(super) withheld_csr: Option<String>,
    /// The private keys that are sent.
    pub(super) sent_keys: Vec<NamedKey>,
    /// The certificate that is sent as such, with its key beside it.
    pub(super) sent_first: Option<Certificate>,
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
            read.certificate = Some(certificate);
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
                read.sent_first = Some(first);
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
        let help = match nearest(name, names_of(operation).chain(COMMON_FIELDS)) {
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

/// A reason that can be sent.
pub(super) struct ReadReason<'a> {
    /// The reason of RFC 5280, where the provider's spelling has one.
    pub(super) asked: Option<RevocationReason>,
    /// What is sent.
    pub(super) spelling: String,
    /// Whether the CA learns by it that the key is compromised.
    pub(super) tells_compromise: bool,
    /// The field that gives it.
    pub(super) field: &'a Field,
}

/// The reason of an action.
pub(super) enum ReasonFound<'a> {
    /// The action has none.
    Absent,
    /// One that cannot be sent, which was reported.
    Unusable,
    /// One that can be sent.
    Usable(ReadReason<'a>),
}

impl Checker<'_> {
    /// The reason of an action: the nearest layer that names one, under `reason` or the provider's own field.
    fn find_reason<'a>(
        &mut self,
        row: &Row<'a>,
        layers: Layers<'a>,
        account: usize,
        operation: &Operation,
        rule: &ReasonRule,
    ) -> ReasonFound<'a> {
        let parameter = operation.parameters.iter().find(|parameter| parameter.name == rule.field);
        let own = || {
            let names = parameter.into_iter().flat_map(|own| std::iter::once(&own.name).chain(&own.aliases));
            names.map(String::as_str).filter(|name| *name != "reason")
        };
        let of_row = || (row.field("reason"), own().find_map(|name| row.field(name)));
        let of_layer = |fields: &'a [Field]| {
            let find = |name: &str| fields.iter().find(|field| field.name == name && has_value(field));
            (find("reason"), own().find_map(find))
        };
        let is_there = |(portable, own): &(Option<&Field>, Option<&Field>)| portable.is_some() || own.is_some();
        // `reason` and the provider's own field mean the same: a layer that has either of them hides both of the layers behind
        // it.
        let nearest = Some(of_row()).filter(is_there);
        let nearest = nearest.or_else(|| Some(of_layer(layers.row)).filter(is_there));
        let nearest = nearest.or_else(|| Some(of_layer(layers.entry)).filter(is_there));
        let Some((portable, own)) = nearest.or_else(|| Some(of_layer(layers.plan)).filter(is_there)) else {
            return ReasonFound::Absent;
        };
        // Both are read even where one is wrong, so that findings about both come together.
        let portable = portable.map(|field| self.read_reason(field, account, rule));
        let own = own.map(|field| self.read_own_reason(field, rule));
        match (portable, own) {
            (Some(Some(portable)), Some(Some(own))) if portable.spelling != own.spelling => {
                let what =
                    format!("`reason` asks for {}, and `{}` for {}", portable.spelling, own.field.name, own.spelling);
                let error = Diagnostic::error("reason-conflict", own.field.value.span, what);
                self.report(error.related(portable.field.value.span, "`reason` is here").help("keep one of them"));
                ReasonFound::Unusable
            }
            (Some(Some(reason)), None | Some(Some(_))) | (None, Some(Some(reason))) => ReasonFound::Usable(reason),
            _ => ReasonFound::Unusable,
        }
    }

    /// Reads `reason`: a name of RFC 5280, or the provider's spelling.
    fn read_reason<'a>(&mut self, field: &'a Field, account: usize, rule: &ReasonRule) -> Option<ReadReason<'a>> {
        let text = self.single_value(field)?;
        let Some(asked) = RevocationReason::parse(text) else {
            if let Some(spelling) = rule.values.iter().map(|(_, spelling)| spelling).find(|spelling| *spelling == text)
            {
                return Some(own_reason(rule, spelling, field));
            }
            let has = names(rule);
            let what = format!("`{}` is no revocation reason", safe::terminal(text));
            let all = RevocationReason::ALL.iter().map(|reason| reason.name());
            let help = match nearest(text, all.chain(rule.values.iter().map(|(_, spelling)| spelling.as_str()))) {
                Some(right) => format!("{} this operation has {has}", did_you_mean(text, right)),
                None => format!("this operation has {has}"),
            };
            self.report(Diagnostic::error("unknown-reason", field.value.span, what).help(help));
            return None;
        };
        let draft = &self.draft.accounts.drafts[account];
        match params::spelling_to_send(rule, &draft.account.reasons, asked) {
            Ok(spelling) => {
                let sent = params::reason_of(rule, &spelling);
                // Once for each account: a list of a million such rows has one cause. It matters, because CAs block compromised
                // keys.
                if asked == RevocationReason::KeyCompromise && sent != Some(asked) && self.mapped_away.insert(account) {
                    let name = &draft.account.name;
                    let what = format!("reason keyCompromise will be sent to `{name}` as `{spelling}`");
                    let warning = Diagnostic::warning("compromise-not-told", field.value.span, what);
                    self.report(warning.help(REPORT_BY_OTHER_MEANS));
                }
                let tells_compromise = sent == Some(RevocationReason::KeyCompromise);
                Some(ReadReason { asked: Some(asked), spelling, tells_compromise, field })
            }
            Err(error) => {
                let name = draft.account.name.clone();
                let (ReasonError::NotThere { has } | ReasonError::NoSuchSpelling { has, .. }) = &error;
                let instead = has.iter().map(|(reason, _)| *reason);
                let example = instead.clone().find(|reason| *reason == RevocationReason::Unspecified);
                let example = example.or_else(|| instead.clone().next()).map_or("unspecified", RevocationReason::name);
                let what = format!("the provider `{name}` does not have the reason `{asked}`; it has {}", names(rule));
                let mut help =
                    format!("to send another on purpose: `providers: {{{name}: {{reasons: {{{asked}: {example}}}}}}}`");
                // The CA blocks a key that it knows to be compromised (CA/Browser Forum BR, section 6.1.1.3); with another reason
                // it does not.
                if asked == RevocationReason::KeyCompromise {
                    help.push_str("; ");
                    help.push_str(REPORT_BY_OTHER_MEANS);
                }
                self.report(Diagnostic::error("no-such-reason", field.value.span, what).help(help));
                None
            }
        }
    }

    /// Reads the provider's own field: the provider's spelling, or a name of RFC 5280 that the provider has.
    fn read_own_reason<'a>(&mut self, field: &'a Field, rule: &ReasonRule) -> Option<ReadReason<'a>> {
        let text = self.single_value(field)?;
        if let Some(spelling) = params::spelling_for(rule, text) {
            return Some(own_reason(rule, spelling, field));
        }
        let what = format!("`{}` must be one of {}, not `{}`", field.name, spellings(rule), safe::terminal(text));
        let mut error = Diagnostic::error("no-such-reason", field.value.span, what);
        if let Some(right) = nearest(text, rule.values.iter().map(|(_, spelling)| spelling.as_str())) {
            error = error.help(did_you_mean(text, right));
        }
        self.report(error);
        None
    }
}

/// A reason in the provider's spelling.
fn own_reason<'a>(rule: &ReasonRule, spelling: &str, field: &'a Field) -> ReadReason<'a> {
    let asked = params::reason_of(rule, spelling);
    let tells_compromise = asked == Some(RevocationReason::KeyCompromise);
    ReadReason { asked, spelling: spelling.to_owned(), tells_compromise, field }
}

/// A rule's reasons by their names in RFC 5280, with the provider's spelling where it differs.
fn names(rule: &ReasonRule) -> String {
    let one = |(reason, spelling): &(RevocationReason, String)| {
        if reason.name() == spelling { spelling.clone() } else { format!("{reason} ({spelling})") }
    };
    rule.values.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn spellings(rule: &ReasonRule) -> String {
    rule.values.iter().map(|(_, spelling)| spelling.as_str()).collect::<Vec<_>>().join(", ")
}

const REPORT_BY_OTHER_MEANS: &str =
    "this request does not tell the CA that the key leaked: report it to the CA by other means";
