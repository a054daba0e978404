//! What makes an operation an action of plans: target, repetition, reason, CSR, wide values, aliases.

use super::reading::{DocumentReader, EXTENSION};
use super::{rules, schema};
use crate::pki::RevocationReason;
use crate::provider::model::{
    ActionRules, CertificateRule, CsrRule, Kind, Location, Parameter, ReasonRule, Repeat, TargetKind, TargetRule,
    WideRule,
};
use crate::provider::pointer::scalar_text;
use crate::tree::node::Node;
use std::borrow::Cow;

/// Reads an operation's extension. `None` for a look-up. Adds aliases, and the parameters that only look-ups use.
pub(super) fn read<'a>(
    reading: &mut DocumentReader<'a>,
    extension: &'a Node,
    parameters: &mut Vec<Parameter>,
) -> Option<ActionRules> {
    let every: Vec<&str> = [rules::KEYS.as_slice(), &["samples"]].concat();
    if !ACTION.iter().any(|key| extension.get(key).is_some()) {
        reading.closed(extension, &[every.as_slice(), &ACTION].concat());
        return None;
    }
    reading.closed(extension, &[ACTION.as_slice(), &every].concat());
    for field in extension.get("lookup_parameters").map(|node| reading.map(node)).unwrap_or_default() {
        let read = schema::parameter(reading, &field.value);
        if parameters.iter().any(|parameter| parameter.name == field.name) {
            reading.error("duplicate-name", field.span, format!("there is a parameter `{}` already", field.name));
        } else {
            parameters.push(read.named(&field.name, Location::Lookup, false, String::new()));
        }
    }
    aliases(reading, extension, parameters);
    let certificate = extension.get("certificate").and_then(|node| certificate(reading, node, parameters));
    let parameters = parameters.as_slice();
    let reason = extension.get("reason").and_then(|node| reason(reading, node, parameters));
    reserved(reading, extension, parameters, reason.as_ref());
    let csr = extension.get("csr").and_then(|node| csr(reading, node, parameters));
    let wide = extension.get("wide").map(|node| wide(reading, node, parameters)).unwrap_or_default();
    let target =
        reading.required(extension, "target").and_then(|node| target(reading, node, parameters, certificate.as_ref()));
    let repeat = idempotent(reading, extension);
    // Where these are missing the document is refused; to go on with them keeps one defect from looking like many.
    let target = target.unwrap_or(TargetRule { kind: TargetKind::Certificate, parameters: Vec::new() });
    Some(ActionRules {
        target,
        repeat: repeat.unwrap_or(Repeat::Unsafe),
        reason,
        csr,
        certificate,
        wide,
        lookups: Vec::new(),
    })
}

/// The parameter of a name that a node says, with a finding where there is none.
pub(super) fn named<'a, 'p>(
    reading: &mut DocumentReader<'a>,
    node: &'a Node,
    parameters: &'p [Parameter],
) -> Option<&'p Parameter> {
    let name = reading.text(node)?;
    let found = parameters.iter().find(|parameter| parameter.name == name);
    if found.is_none() {
        let names = parameters.iter().map(|parameter| parameter.name.as_str());
        reading.no_such(node.span, format!("the operation has no parameter `{name}`"), name, names);
    }
    found
}

/// `idempotent: true` or `false`; documents of before say `repeat: safe` or `unsafe`.
fn idempotent<'a>(reading: &mut DocumentReader<'a>, extension: &'a Node) -> Option<Repeat> {
    let Some(former) = extension.get("repeat") else {
        reading.required(extension, "idempotent")?;
        let flag = reading.flag(extension, "idempotent")?;
        return Some(if flag { Repeat::Safe } else { Repeat::Unsafe });
    };
    if extension.get("idempotent").is_some() {
        reading.error("duplicate-name", former.span, "`idempotent` says it already; leave `repeat` out");
    }
    reading.word(former, &[(Repeat::Safe, "safe"), (Repeat::Unsafe, "unsafe")])
}

fn aliases<'a>(reading: &mut DocumentReader<'a>, extension: &'a Node, parameters: &mut [Parameter]) {
    for field in extension.get("aliases").map(|node| reading.map(node)).unwrap_or_default() {
        let is_taken = parameters.iter().any(|parameter| parameter.name == field.name);
        if is_taken || RESERVED.contains(&field.name.as_str()) {
            reading.error("duplicate-name", field.span, format!("`{}` has another meaning already", field.name));
            continue;
        }
        let Some(parameter) = named(reading, &field.value, parameters).map(|parameter| parameter.name.clone()) else {
            continue;
        };
        if let Some(parameter) = parameters.iter_mut().find(|other| other.name == parameter) {
            parameter.aliases.push(field.name.clone());
        }
    }
}

/// A plan must be able to say every parameter: its own words hide parameters of the same name.
fn reserved(reading: &mut DocumentReader<'_>, extension: &Node, parameters: &[Parameter], reason: Option<&ReasonRule>) {
    for parameter in parameters {
        let name = parameter.name.as_str();
        let is_reason = name == "reason" && reason.is_some_and(|rule| rule.field == name);
        if RESERVED.contains(&name) && !is_reason && parameter.aliases.is_empty() {
            let what = format!("a plan cannot give the parameter `{name}`: that word is the plan's own");
            reading.push(
                crate::diag::Diagnostic::error("duplicate-name", extension.span, what)
                    .help(format!("give it another name for plans: `aliases: {{certificate_{name}: {name}}}`")),
            );
        }
    }
}

fn target<'a>(
    reading: &mut DocumentReader<'a>,
    node: &'a Node,
    parameters: &[Parameter],
    certificate: Option<&CertificateRule>,
) -> Option<TargetRule> {
    reading.closed(node, &["kind", "parameters"]);
    let kinds = [TargetKind::Certificate, TargetKind::Order, TargetKind::Ca].map(|kind| (kind, kind.word()));
    let kind = reading.required(node, "kind").and_then(|kind| reading.word(kind, &kinds));
    let list = reading.required(node, "parameters")?;
    let mut names = Vec::new();
    for item in reading.one_or_many(list) {
        let Some(parameter) = named(reading, item, parameters) else { continue };
        let is_filled = certificate.is_some_and(|rule| rule.serial.as_ref() == Some(&parameter.name));
        if !parameter.required && !is_filled {
            let what = format!("`{}` names the target and must therefore be required", parameter.name);
            reading.error("wrong-value", item.span, what);
        }
        names.push(parameter.name.clone());
    }
    if list.items().is_empty() && list.text().is_none() {
        reading.error("wrong-value", list.span, "at least one parameter must name the target");
    }
    Some(TargetRule { kind: kind?, parameters: names })
}

fn reason<'a>(reading: &mut DocumentReader<'a>, node: &'a Node, parameters: &[Parameter]) -> Option<ReasonRule> {
    reading.closed(node, &["field", "values"]);
    let field = reading.required(node, "field").and_then(|field| named(reading, field, parameters));
    if field.is_some_and(|field| !matches!(field.kind, Kind::String | Kind::Integer)) {
        reading.error("wrong-value", node.span, "a reason's field must be a string or a whole number");
    }
    let allowed: Option<Vec<String>> = field.and_then(|field| {
        let list = field.schema.get("enum")?.as_array()?;
        Some(list.iter().filter_map(scalar_text).map(Cow::into_owned).collect())
    });
    let mut values: Vec<(RevocationReason, String)> = Vec::new();
    let list = reading.required(node, "values")?;
    for entry in reading.map(list) {
        let names = RevocationReason::ALL.map(RevocationReason::name);
        let reason = RevocationReason::parse(&entry.name);
        if reason.is_none() {
            let what = format!("`{}` is no revocation reason of RFC 5280", entry.name);
            reading.no_such(entry.span, what, &entry.name, names);
        }
        let Some(spelling) = reading.text(&entry.value) else { continue };
        if let Some(allowed) = allowed.as_ref().filter(|allowed| !allowed.iter().any(|word| word == spelling)) {
            let what = format!("the field's `enum` does not hold `{spelling}`");
            reading.no_such(entry.value.span, what, spelling, allowed.iter().map(String::as_str));
        }
        if values.iter().any(|(_, other)| other == spelling) {
            reading.error("duplicate-name", entry.value.span, format!("two reasons are spelled `{spelling}`"));
        }
        values.extend(reason.map(|reason| (reason, spelling.to_owned())));
    }
    for word in allowed.into_iter().flatten() {
        if !list.fields().iter().any(|entry| entry.value.text() == Some(&word)) {
            let what = format!("`{word}` of the field's `enum` is not given to any reason of RFC 5280");
            reading.error("missing-key", list.span, what);
        }
    }
    Some(ReasonRule { field: field?.name.clone(), values })
}

fn csr<'a>(reading: &mut DocumentReader<'a>, node: &'a Node, parameters: &[Parameter]) -> Option<CsrRule> {
    reading.closed(node, &["field", "common_name", "dns_names"]);
    let mut of = |key: &str, kind: Kind| {
        let item = node.get(key)?;
        let parameter = named(reading, item, parameters)?;
        if parameter.kind != kind {
            let word = if kind == Kind::String { "a string" } else { "a list of strings" };
            reading.error("wrong-value", item.span, format!("`{}` must be {word}", parameter.name));
        }
        Some(parameter.name.clone())
    };
    let (field, common_name, dns_names) =
        (of("field", Kind::String), of("common_name", Kind::String), of("dns_names", Kind::Strings));
    reading.required(node, "field")?;
    Some(CsrRule { field: field?, common_name, dns_names })
}

/// Reads `certificate`, and adds the parameters that it brings.
fn certificate<'a>(
    reading: &mut DocumentReader<'a>,
    node: &'a Node,
    parameters: &mut Vec<Parameter>,
) -> Option<CertificateRule> {
    reading.closed(node, &["field", "serial", "key", "expired"]);
    let expired = node.get("expired");
    let refuses_expired = expired.and_then(|node| reading.text(node)).is_some_and(|text| text == REFUSED);
    if let Some(node) = expired.filter(|_| !refuses_expired) {
        reading.error("wrong-value", node.span, format!("write `{REFUSED}`, or leave it out"));
    }
    let field = reading.required(node, "field")?;
    let parameter = named(reading, field, parameters)?;
    if parameter.kind != Kind::String || !parameter.required {
        reading.error("wrong-value", field.span, "a certificate's parameter must be a required string");
    }
    let field = parameter.name.clone();
    let mut add = |key: &str, schema: serde_json::Value, location: Location, description: &str| {
        let name = node.get(key)?;
        let text = reading.text(name)?;
        if parameters.iter().any(|parameter| parameter.name == text) {
            reading.error("duplicate-name", name.span, format!("there is a parameter `{text}` already"));
        } else {
            let read = schema::ParameterSchema { kind: Kind::String, fixed: None, schema, description: String::new() };
            parameters.push(read.named(text, location, false, description.to_owned()));
        }
        Some(text.to_owned())
    };
    let serial = serde_json::json!({"type": "string", "pattern": "^[0-9a-fA-F:]+( .*)?$"});
    let serial =
        add("serial", serial, Location::Lookup, "The serial number; read from the certificate where it is not given");
    let key = serde_json::json!({"type": "string", "pattern": "^file:."});
    let key = add(
        "key",
        key,
        Location::Signer,
        "`file:PATH` of the certificate's private key, to sign with it instead of the account's",
    );
    Some(CertificateRule { field, serial, key, refuses_expired })
}

fn wide<'a>(reading: &mut DocumentReader<'a>, node: &'a Node, parameters: &[Parameter]) -> Vec<WideRule> {
    let mut rules = Vec::new();
    for item in reading.list(node) {
        reading.closed(item, &["parameter", "value", "reaches"]);
        let parameter = reading.required(item, "parameter").and_then(|name| named(reading, name, parameters));
        let value = reading.required_text(item, "value");
        let reaches = reading.required_text(item, "reaches");
        if let (Some(parameter), Some(value), Some(reaches)) = (parameter, value, reaches) {
            let (parameter, value, reaches) = (parameter.name.clone(), value.to_owned(), reaches.to_owned());
            rules.push(WideRule { parameter, value, reaches });
        }
    }
    rules
}

/// The keys that make an operation an action.
const ACTION: [&str; 10] = [
    "target",
    "idempotent",
    "repeat",
    "aliases",
    "reason",
    "csr",
    "certificate",
    "wide",
    "lookup_parameters",
    "lookups",
];
/// What is said of expired certificates by providers that refuse them.
const REFUSED: &str = "refused";
/// The words of plans that a parameter's name would be hidden by.
const RESERVED: [&str; 11] = [
    "id",
    "provider",
    "action",
    "reason",
    "needs",
    "not_before",
    "from",
    "columns",
    "ignore_columns",
    "keep_columns",
    EXTENSION,
];
