//! What makes an operation an action of plans: target, repetition, reason, CSR, wide values, aliases.

use super::reader::{DocumentReader, EXTENSION};
use super::{rules, schema};
use crate::pki::RevocationReason;
use crate::provider::model::{
    ActionRules, CertificateRule, CsrRule, Idempotency, Location, Parameter, ParameterType, ReasonRule, TargetKind,
    TargetRule, WideRule,
};
use crate::provider::pointer::scalar_text;
use crate::tree::node::Node;
use std::borrow::Cow;

/// Reads an operation's extension. `None` for a look-up. Adds aliases, and the parameters that only look-ups use.
pub(super) fn read<'a>(
    reader: &mut DocumentReader<'a>,
    extension: &'a Node,
    parameters: &mut Vec<Parameter>,
) -> Option<ActionRules> {
    let every: Vec<&str> = [rules::KEYS.as_slice(), &["samples"]].concat();
    if !ACTION.iter().any(|key| extension.get(key).is_some()) {
        reader.closed(extension, &[every.as_slice(), &ACTION].concat());
        return None;
    }
    reader.closed(extension, &[ACTION.as_slice(), &every].concat());
    for field in extension.get("lookup_parameters").map(|node| reader.map(node)).unwrap_or_default() {
        let read = schema::parameter(reader, &field.value);
        if parameters.iter().any(|parameter| parameter.name == field.name) {
            reader.error("duplicate-name", field.span, format!("there is a parameter `{}` already", field.name));
        } else {
            parameters.push(read.named(&field.name, Location::StatusQuery, false, String::new()));
        }
    }
    aliases(reader, extension, parameters);
    let certificate = extension.get("certificate").and_then(|node| certificate(reader, node, parameters));
    let parameters = parameters.as_slice();
    let reason = extension.get("reason").and_then(|node| reason(reader, node, parameters));
    reserved(reader, extension, parameters, reason.as_ref());
    let csr = extension.get("csr").and_then(|node| csr(reader, node, parameters));
    let wide = extension.get("wide").map(|node| wide(reader, node, parameters)).unwrap_or_default();
    let target =
        reader.required(extension, "target").and_then(|node| target(reader, node, parameters, certificate.as_ref()));
    let idempotency = idempotent(reader, extension);
    // Where these are missing the document is refused; to go on with them keeps one defect from looking like many.
    let target = target.unwrap_or(TargetRule { kind: TargetKind::Certificate, parameters: Vec::new() });
    Some(ActionRules {
        target,
        idempotency: idempotency.unwrap_or(Idempotency::NotIdempotent),
        reason,
        csr,
        certificate,
        wide,
        status_queries: Vec::new(),
    })
}

/// The parameter of a name that a node says, with a finding where there is none.
pub(super) fn named<'a, 'p>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    parameters: &'p [Parameter],
) -> Option<&'p Parameter> {
    let name = reader.text(node)?;
    let found = parameters.iter().find(|parameter| parameter.name == name);
    if found.is_none() {
        let names = parameters.iter().map(|parameter| parameter.name.as_str());
        reader.no_such(node.span, format!("the operation has no parameter `{name}`"), name, names);
    }
    found
}

/// `idempotent: true` or `false`; documents of before say `repeat: safe` or `unsafe`.
fn idempotent<'a>(reader: &mut DocumentReader<'a>, extension: &'a Node) -> Option<Idempotency> {
    let Some(former) = extension.get("repeat") else {
        reader.required(extension, "idempotent")?;
        let flag = reader.flag(extension, "idempotent")?;
        return Some(if flag { Idempotency::Idempotent } else { Idempotency::NotIdempotent });
    };
    if extension.get("idempotent").is_some() {
        reader.error("duplicate-name", former.span, "`idempotent` says it already; leave `repeat` out");
    }
    reader.word(former, &[(Idempotency::Idempotent, "safe"), (Idempotency::NotIdempotent, "unsafe")])
}

fn aliases<'a>(reader: &mut DocumentReader<'a>, extension: &'a Node, parameters: &mut [Parameter]) {
    for field in extension.get("aliases").map(|node| reader.map(node)).unwrap_or_default() {
        let is_taken = parameters.iter().any(|parameter| parameter.name == field.name);
        if is_taken || RESERVED.contains(&field.name.as_str()) {
            reader.error("duplicate-name", field.span, format!("`{}` has another meaning already", field.name));
            continue;
        }
        let Some(parameter) = named(reader, &field.value, parameters).map(|parameter| parameter.name.clone()) else {
            continue;
        };
        if let Some(parameter) = parameters.iter_mut().find(|other| other.name == parameter) {
            parameter.aliases.push(field.name.clone());
        }
    }
}

/// A plan must be able to say every parameter: its own words hide parameters of the same name.
fn reserved(reader: &mut DocumentReader<'_>, extension: &Node, parameters: &[Parameter], reason: Option<&ReasonRule>) {
    for parameter in parameters {
        let name = parameter.name.as_str();
        let is_reason = name == "reason" && reason.is_some_and(|rule| rule.field == name);
        if RESERVED.contains(&name) && !is_reason && parameter.aliases.is_empty() {
            let what = format!("a plan cannot give the parameter `{name}`: that word is the plan's own");
            reader.push(
                crate::diag::Diagnostic::error("duplicate-name", extension.span, what)
                    .help(format!("give it another name for plans: `aliases: {{certificate_{name}: {name}}}`")),
            );
        }
    }
}

fn target<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    parameters: &[Parameter],
    certificate: Option<&CertificateRule>,
) -> Option<TargetRule> {
    reader.closed(node, &["kind", "parameters"]);
    let kinds = [TargetKind::Certificate, TargetKind::Order, TargetKind::Ca].map(|kind| (kind, kind.word()));
    let kind = reader.required(node, "kind").and_then(|kind| reader.word(kind, &kinds));
    let list = reader.required(node, "parameters")?;
    let mut names = Vec::new();
    for item in reader.one_or_many(list) {
        let Some(parameter) = named(reader, item, parameters) else { continue };
        let is_filled = certificate.is_some_and(|rule| rule.serial.as_ref() == Some(&parameter.name));
        if !parameter.required && !is_filled {
            let what = format!("`{}` names the target and must therefore be required", parameter.name);
            reader.error("wrong-value", item.span, what);
        }
        names.push(parameter.name.clone());
    }
    if list.items().is_empty() && list.text().is_none() {
        reader.error("wrong-value", list.span, "at least one parameter must name the target");
    }
    Some(TargetRule { kind: kind?, parameters: names })
}

fn reason<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, parameters: &[Parameter]) -> Option<ReasonRule> {
    reader.closed(node, &["field", "values"]);
    let field = reader.required(node, "field").and_then(|field| named(reader, field, parameters));
    if field.is_some_and(|field| !matches!(field.kind, ParameterType::String | ParameterType::Integer)) {
        reader.error("wrong-value", node.span, "a reason's field must be a string or a whole number");
    }
    let allowed: Option<Vec<String>> = field.and_then(|field| {
        let list = field.schema.get("enum")?.as_array()?;
        Some(list.iter().filter_map(scalar_text).map(Cow::into_owned).collect())
    });
    let mut values: Vec<(RevocationReason, String)> = Vec::new();
    let list = reader.required(node, "values")?;
    for entry in reader.map(list) {
        let names = RevocationReason::ALL.map(RevocationReason::name);
        let reason = RevocationReason::parse(&entry.name);
        if reason.is_none() {
            let what = format!("`{}` is no revocation reason of RFC 5280", entry.name);
            reader.no_such(entry.span, what, &entry.name, names);
        }
        let Some(spelling) = reader.text(&entry.value) else { continue };
        if let Some(allowed) = allowed.as_ref().filter(|allowed| !allowed.iter().any(|word| word == spelling)) {
            let what = format!("the field's `enum` does not hold `{spelling}`");
            reader.no_such(entry.value.span, what, spelling, allowed.iter().map(String::as_str));
        }
        if values.iter().any(|(_, other)| other == spelling) {
            reader.error("duplicate-name", entry.value.span, format!("two reasons are spelled `{spelling}`"));
        }
        values.extend(reason.map(|reason| (reason, spelling.to_owned())));
    }
    for word in allowed.into_iter().flatten() {
        if !list.fields().iter().any(|entry| entry.value.text() == Some(&word)) {
            let what = format!("`{word}` of the field's `enum` is not given to any reason of RFC 5280");
            reader.error("missing-key", list.span, what);
        }
    }
    Some(ReasonRule { field: field?.name.clone(), values })
}

fn csr<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, parameters: &[Parameter]) -> Option<CsrRule> {
    reader.closed(node, &["field", "common_name", "dns_names"]);
    let mut of = |key: &str, kind: ParameterType| {
        let item = node.get(key)?;
        let parameter = named(reader, item, parameters)?;
        if parameter.kind != kind {
            let word = if kind == ParameterType::String { "a string" } else { "a list of strings" };
            reader.error("wrong-value", item.span, format!("`{}` must be {word}", parameter.name));
        }
        Some(parameter.name.clone())
    };
    let (field, common_name, dns_names) = (
        of("field", ParameterType::String),
        of("common_name", ParameterType::String),
        of("dns_names", ParameterType::Strings),
    );
    reader.required(node, "field")?;
    Some(CsrRule { field: field?, common_name, dns_names })
}

/// Reads `certificate`, and adds the parameters that it brings.
fn certificate<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    parameters: &mut Vec<Parameter>,
) -> Option<CertificateRule> {
    reader.closed(node, &["field", "serial", "key", "expired"]);
    let expired = node.get("expired");
    let refuses_expired = expired.and_then(|node| reader.text(node)).is_some_and(|text| text == REFUSED);
    if let Some(node) = expired.filter(|_| !refuses_expired) {
        reader.error("wrong-value", node.span, format!("write `{REFUSED}`, or leave it out"));
    }
    let field = reader.required(node, "field")?;
    let parameter = named(reader, field, parameters)?;
    if parameter.kind != ParameterType::String || !parameter.required {
        reader.error("wrong-value", field.span, "a certificate's parameter must be a required string");
    }
    let field = parameter.name.clone();
    let mut add = |key: &str, schema: serde_json::Value, location: Location, description: &str| {
        let name = node.get(key)?;
        let text = reader.text(name)?;
        if parameters.iter().any(|parameter| parameter.name == text) {
            reader.error("duplicate-name", name.span, format!("there is a parameter `{text}` already"));
        } else {
            let read = schema::ParameterSchema {
                kind: ParameterType::String,
                fixed: None,
                schema,
                description: String::new(),
            };
            parameters.push(read.named(text, location, false, description.to_owned()));
        }
        Some(text.to_owned())
    };
    let serial = serde_json::json!({"type": "string", "pattern": "^[0-9a-fA-F:]+( .*)?$"});
    let serial = add(
        "serial",
        serial,
        Location::StatusQuery,
        "The serial number; read from the certificate where it is not given",
    );
    let key = serde_json::json!({"type": "string", "pattern": "^file:."});
    let key = add(
        "key",
        key,
        Location::Signer,
        "`file:PATH` of the certificate's private key, to sign with it instead of the account's",
    );
    Some(CertificateRule { field, serial, key, refuses_expired })
}

fn wide<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, parameters: &[Parameter]) -> Vec<WideRule> {
    let mut rules = Vec::new();
    for item in reader.list(node) {
        reader.closed(item, &["parameter", "value", "reaches"]);
        let parameter = reader.required(item, "parameter").and_then(|name| named(reader, name, parameters));
        let value = reader.required_text(item, "value");
        let reaches = reader.required_text(item, "reaches");
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
