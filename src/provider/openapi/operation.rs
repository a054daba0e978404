//! One operation: its method and path, its parameters and body, how its answers are read, and what makes it an action of plans (target,
//! repetition, reason, CSR, wide values, aliases).

use super::reader::{DocumentReader, EXTENSION, is_header_name, is_new_certificate};
use super::rules::{self, AnswerReading};
use super::schema;
use crate::diag::Diagnostic;
use crate::pki::RevocationReason;
use crate::provider::answer::scalar_text;
use crate::provider::model::{
    ActionRules, ApprovalRule, CertificateRule, CsrRule, Idempotency, Location, Operation, Parameter, ParameterType,
    ReasonRule, ResponseContent, SerialRule, ServerVariable, TargetKind, TargetRule, ValueFormat, WideRule,
};
use crate::provider::security::ACME_JWS;
use crate::provider::{body, verdict};
use crate::text::Span;
use crate::tree::{Field, Node};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Reads the operations of one path.
pub(super) fn in_path<'a>(
    reader: &mut DocumentReader<'a>,
    path: &'a Field,
    shared: &AnswerReading,
    read: &mut Vec<(Operation, &'a Node)>,
) {
    let known: Vec<&str> = METHODS.iter().map(|(key, _)| *key).chain(["parameters"]).collect();
    let item = &path.value;
    reader.object(item, &known, &["summary", "description"]);
    for (key, method) in METHODS {
        let Some(node) = item.get(key) else { continue };
        if let Some(operation) = one(reader, path, method, node, shared) {
            read.push((operation, node));
        }
    }
}

/// The names in braces.
pub(super) fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// Reports the placeholders of a URL that are no server variables.
pub(super) fn undeclared(
    reader: &mut DocumentReader<'_>,
    url: &str,
    variables: &BTreeMap<String, ServerVariable>,
    span: Span,
) {
    for name in placeholders(url) {
        if !variables.contains_key(name) {
            let what = format!("`{{{name}}}` in `{url}` is not among the server's variables");
            reader.no_such(span, what, name, variables.keys().map(String::as_str));
        }
    }
}

fn one<'a>(
    reader: &mut DocumentReader<'a>,
    path: &'a Field,
    method: &str,
    node: &'a Node,
    shared: &AnswerReading,
) -> Option<Operation> {
    let known = ["operationId", "parameters", "requestBody", "responses", EXTENSION];
    reader.object(node, &known, &["summary", "description", "tags", "externalDocs", "deprecated"]);
    let name = reader.required(node, "operationId").and_then(|node| reader.name(node));
    let mut declared = Declared::default();
    for list in [path.value.get("parameters"), node.get("parameters")].into_iter().flatten() {
        for item in reader.list(list) {
            declared.add(reader, item);
        }
    }
    check_path(reader, path, &declared.parameters);
    if let Some(body) = node.get("requestBody") {
        // RFC 9110, section 9.3.1: the content of a GET has no meaning.
        if method == "GET" {
            reader.error("not-honoured", body.span, "a GET request has no body");
        }
        body_parameters(reader, body, &mut declared);
    }
    let extension = node.get(EXTENSION);
    let own = extension.map(|extension| rules::read(reader, extension)).unwrap_or_default();
    let responses = node.get("responses").map(|node| responses(reader, node, &own)).unwrap_or_default();
    let action = extension.and_then(|extension| action_rules(reader, extension, &mut declared.parameters));
    let mut parameters = declared.parameters;
    // What a certificate request is held against names something, whether it must be given or not.
    let csr_name = action.as_ref().and_then(|rules| rules.csr.as_ref()?.common_name.as_ref());
    if let Some(named) = parameters.iter_mut().find(|parameter| Some(&parameter.name) == csr_name)
        && named.format == ValueFormat::FreeText
    {
        named.format = ValueFormat::Identifier;
    }
    let properties = parameters
        .iter()
        .map(|parameter| (parameter.name.as_str(), &parameter.schema, parameter.required && parameter.fixed.is_none()));
    let schema = schema::object(properties);
    let validator = match schema::compile(&schema) {
        Ok(validator) => validator,
        Err(error) => {
            reader.error("wrong-schema", node.span, format!("these parameters give no usable schema: {error}"));
            return None;
        }
    };
    let or_shared = |own: Vec<_>, shared: &[_]| if own.is_empty() { shared.to_vec() } else { own };
    Some(Operation {
        name: name?.to_owned(),
        summary: reader.optional_text(node, "summary").unwrap_or_default().to_owned(),
        method: method.to_owned(),
        path: path.name.clone(),
        parameters,
        has_body: node.get("requestBody").is_some(),
        is_safe: method == "GET",
        headers: declared.headers,
        action,
        answers: own.rules.iter().chain(&shared.rules).map(|(rule, _)| rule.clone()).collect(),
        responses,
        code: or_shared(own.code, &shared.code),
        message: or_shared(own.message, &shared.message),
        reference: if own.reference.is_empty() { shared.reference.clone() } else { own.reference },
        throttle_hint: own.throttle_hint.or_else(|| shared.throttle_hint.clone()),
        schema,
        validator,
        samples: Vec::new(),
    })
}

#[derive(Default)]
struct Declared {
    parameters: Vec<Parameter>,
    headers: Vec<(String, String)>,
}

impl Declared {
    fn add<'a>(&mut self, reader: &mut DocumentReader<'a>, item: &'a Node) {
        let Some(node) = reader.resolve(item) else { return };
        let known = ["name", "in", "required", "schema", "style", "explode", "allowReserved", "allowEmptyValue"];
        reader.object(node, &known, &["description", "deprecated", "example", "examples"]);
        let Some(name) = reader.required_text(node, "name") else { return };
        let Some(place) = reader.required(node, "in") else { return };
        let required = reader.flag(node, "required").unwrap_or(false);
        let Some(schema_node) = reader.required(node, "schema") else { return };
        let schema = schema::parameter(reader, schema_node);
        let (location, style) = match reader.text(place) {
            Some("path") => (Location::Path, "simple"),
            Some("query") => (Location::Query, "form"),
            Some("header") => return self.add_header(reader, node, name, schema.fixed.as_ref()),
            other => {
                let other = other.unwrap_or_default();
                reader.error("not-honoured", place.span, format!("parameters in `{other}` are not honoured"));
                (Location::Query, "form")
            }
        };
        check_style(reader, node, style);
        if schema.schema.get("items").is_some() {
            reader.error("not-honoured", schema_node.span, "lists are honoured in bodies only");
        }
        if location == Location::Path && !required {
            reader.error("wrong-value", node.span, format!("the path parameter `{name}` must say `required: true`"));
        }
        let description = reader.description(node);
        self.push(reader, schema.named(name, location, required, description), node.span);
    }

    /// A header is honoured only where the document fixes its value: plans have no headers.
    fn add_header<'a>(&mut self, reader: &mut DocumentReader<'a>, node: &'a Node, name: &str, fixed: Option<&Value>) {
        let Some(value) = fixed.and_then(scalar_text) else {
            let finding = Diagnostic::error("not-honoured", node.span, format!("the header `{name}` is not honoured"));
            reader
                .push(finding.help("a header whose schema has a `const` is sent; credentials are the signers' affair"));
            return;
        };
        let header = name.to_ascii_lowercase();
        let visible = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !is_header_name(&header) || RESERVED_HEADERS.contains(&header.as_str()) || !visible {
            reader.error("not-honoured", node.span, format!("a document cannot set the header `{name}` to this"));
            return;
        }
        self.headers.push((header, value.into_owned()));
    }

    fn push(&mut self, reader: &mut DocumentReader<'_>, parameter: Parameter, span: Span) {
        if self.parameters.iter().any(|other| other.name == parameter.name) {
            let what = format!("a second parameter `{}`; a plan could not tell them apart", parameter.name);
            reader.error("duplicate-name", span, what);
        } else {
            self.parameters.push(parameter);
        }
    }
}

fn check_style<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, style: &str) {
    if let Some(given) = node.get("style").filter(|given| given.text() != Some(style)) {
        reader.error("not-honoured", given.span, format!("the style `{style}` alone is honoured here"));
    }
    let explodes = if style == "form" { "true" } else { "false" };
    for (key, plain) in [("explode", explodes), ("allowReserved", "false"), ("allowEmptyValue", "false")] {
        if let Some(given) = node.get(key).filter(|given| given.text() != Some(plain)) {
            reader.error("not-honoured", given.span, format!("`{key}` is honoured as {plain} only"));
        }
    }
}

fn check_path(reader: &mut DocumentReader<'_>, path: &Field, parameters: &[Parameter]) {
    let in_path = |parameter: &&Parameter| parameter.location == Location::Path;
    let names = || parameters.iter().filter(in_path).map(|parameter| parameter.name.as_str());
    for name in placeholders(&path.name) {
        if !names().any(|known| known == name) {
            let what = format!("`{{{name}}}` in the path is not among the path parameters");
            reader.no_such(path.span, what, name, names());
        }
    }
    for name in names() {
        if !placeholders(&path.name).any(|placeholder| placeholder == name) {
            reader.error("unknown-name", path.span, format!("the path has no `{{{name}}}`"));
        }
    }
    let fixed = placeholders(&path.name).fold(path.name.clone(), |rest, name| rest.replace(&format!("{{{name}}}"), ""));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    if !fixed.bytes().all(plain) || fixed.split('/').any(|segment| segment == "..") {
        reader.error(
            "wrong-value",
            path.span,
            "a path has no query, no fragment, no `..` and no character that must be encoded",
        );
    }
}

fn body_parameters<'a>(reader: &mut DocumentReader<'a>, body: &'a Node, declared: &mut Declared) {
    let Some(body) = reader.resolve(body) else { return };
    reader.object(body, &["required", "content"], &["description"]);
    if reader.flag(body, "required") != Some(true) {
        reader.error("not-honoured", body.span, "a declared body is always sent; say `required: true`");
    }
    let Some(content) = reader.required(body, "content") else { return };
    for field in reader.map(content) {
        let is_signed = field.name == SIGNED && signs_bodies(reader);
        if field.name != "application/json" && !is_signed {
            let what = format!("the media type `{}` is not honoured; `application/json` is", field.name);
            reader.error("not-honoured", field.span, what);
        }
    }
    let schema = match (content.get("application/json"), content.get(SIGNED)) {
        (Some(media), _) => {
            reader.object(media, &["schema"], &["example", "examples"]);
            reader.required(media, "schema")
        }
        (None, Some(media)) if !signs_bodies(reader) => media.get("schema"),
        // On the wire this is a JWS; the parameters of plans are the members of its payload.
        (None, Some(media)) => {
            reader.object(media, &["schema", EXTENSION], &["example", "examples"]);
            let extension = reader.required(media, EXTENSION);
            extension.and_then(|extension| {
                reader.closed(extension, &["payload"]);
                reader.required(extension, "payload")
            })
        }
        (None, None) => None,
    };
    let Some(schema) = schema else { return };
    let Some(object) = reader.resolve(schema) else { return };
    reader.object(object, &["type", "properties", "required", "additionalProperties"], schema::ANNOTATIONS);
    if object.get("type").and_then(Node::text) != Some("object") {
        reader.error("not-honoured", object.span, "a body is honoured as `type: object` only");
    }
    if let Some(more) = object.get("additionalProperties").filter(|more| more.text() != Some("false")) {
        reader.error("not-honoured", more.span, "`additionalProperties` is honoured as false only");
    }
    let required = object.get("required").map(|list| (reader.texts(list), list.span));
    let fields = object.get("properties").map(|node| reader.map(node)).unwrap_or_default();
    for field in fields {
        let read = schema::parameter(reader, &field.value);
        let is_required = required.as_ref().is_some_and(|(names, _)| names.contains(&field.name));
        let parameter = read.named(&field.name, Location::Body, is_required, String::new());
        declared.push(reader, parameter, field.span);
    }
    if let Some((names, span)) = required {
        for name in names.iter().filter(|name| !fields.iter().any(|field| field.name == **name)) {
            let known = fields.iter().map(|field| field.name.as_str());
            reader.no_such(span, format!("`{name}` is required, but is not among the properties"), name, known);
        }
    }
}

/// Whether a security scheme signs bodies.
fn signs_bodies(reader: &DocumentReader<'_>) -> bool {
    let schemes = reader.root().get("components").and_then(|components| components.get("securitySchemes"));
    let signer = |field: &Field| Some(field.value.get(EXTENSION)?.get("signer")?.text()? == ACME_JWS.word);
    schemes.into_iter().flat_map(Node::fields).any(|field| signer(field) == Some(true))
}

/// What the answers' bodies are. Every status that a rule names must be among them: the document has other readers, too.
fn responses<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, own: &AnswerReading) -> Vec<ResponseContent> {
    let mut responses = Vec::new();
    for field in reader.map(node) {
        let content = reader.resolve(&field.value).and_then(|response| response.get("content"));
        let media_types = content.into_iter().flat_map(Node::fields).map(|field| body::media_type(&field.name));
        responses.push(ResponseContent { status: field.name.clone(), media_types: media_types.collect() });
    }
    for (rule, span) in &own.rules {
        for status in rule.status.iter().filter(|status| verdict::response(&responses, **status).is_none()) {
            reader.error("unknown-name", *span, format!("`responses` declares no answer with status {status}"));
        }
    }
    responses
}

const METHODS: [(&str, &str); 5] =
    [("get", "GET"), ("put", "PUT"), ("post", "POST"), ("patch", "PATCH"), ("delete", "DELETE")];
/// The media type of a signed body (RFC 8555, section 6.2).
const SIGNED: &str = "application/jose+json";
/// Set by the client or a signer, or without effect in OpenAPI (3.1, "Parameter Object": `Accept`, `Content-Type` and `Authorization` are to
/// be ignored as parameters).
const RESERVED_HEADERS: [&str; 9] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "transfer-encoding",
    "user-agent",
];

/// Reads an operation's extension. `None` for a status query. Adds aliases, and the parameters that only status queries use.
fn action_rules<'a>(
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
    let certificate = extension.get("certificate").filter(|node| !is_new_certificate(node));
    let certificate = certificate.and_then(|node| self::certificate(reader, node, parameters));
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
        approval: extension.get("approval").and_then(|node| approval(reader, node, parameters)),
        // Read when all operations are known, as are status queries.
        whole_order: None,
        status_queries: Vec::new(),
        outputs: Vec::new(),
        stages: Vec::new(),
        new_certificate: Vec::new(),
    })
}

/// The parameter that a node names, with a finding where there is none.
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

/// `idempotent: true` or `false`; older documents have `repeat: safe` or `unsafe`, and are still read.
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

/// A plan must be able to give every parameter, and the plan's own keys hide parameters of the same name.
fn reserved(reader: &mut DocumentReader<'_>, extension: &Node, parameters: &[Parameter], reason: Option<&ReasonRule>) {
    for parameter in parameters {
        let name = parameter.name.as_str();
        let is_reason = name == "reason" && reason.is_some_and(|rule| rule.field == name);
        if RESERVED.contains(&name) && !is_reason && parameter.aliases.is_empty() {
            let what = format!("a plan cannot give the parameter `{name}`: that word is the plan's own");
            reader.push(
                Diagnostic::error("duplicate-name", extension.span, what)
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
    let kinds = [TargetKind::Certificate, TargetKind::Order, TargetKind::Request, TargetKind::Ca]
        .map(|kind| (kind, kind.word()));
    let kind = reader.required(node, "kind").and_then(|kind| reader.word(kind, &kinds));
    let list = reader.required(node, "parameters")?;
    let mut names = Vec::new();
    for item in reader.one_or_many(list) {
        let Some(parameter) = named(reader, item, parameters) else { continue };
        let is_filled = certificate.is_some_and(|rule| rule.serial.as_ref() == Some(&parameter.name));
        // Without it two different targets would have one name in reports, and one would pass for a duplicate of the other.
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
    let mut add = |key: &str, schema: Value, format: ValueFormat, location: Location, description: &str| {
        let name = node.get(key)?;
        let text = reader.text(name)?;
        if parameters.iter().any(|parameter| parameter.name == text) {
            reader.error("duplicate-name", name.span, format!("there is a parameter `{text}` already"));
        } else {
            let read = schema::ParameterSchema {
                kind: ParameterType::String,
                fixed: None,
                format: Some(format),
                schema,
                description: String::new(),
            };
            parameters.push(read.named(text, location, false, description.to_owned()));
        }
        Some(text.to_owned())
    };
    let serial = add(
        "serial",
        serde_json::json!({"type": "string"}),
        ValueFormat::Serial(SerialRule::default()),
        Location::StatusQuery,
        "The serial number; read from the certificate where it is not given",
    );
    let key = serde_json::json!({"type": "string", "pattern": "^file:."});
    let key = add(
        "key",
        key,
        ValueFormat::Identifier,
        Location::Signer,
        "`file:PATH` of the certificate's private key, to sign with it instead of the account's",
    );
    Some(CertificateRule { field, serial, key, refuses_expired })
}

fn approval<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, parameters: &[Parameter]) -> Option<ApprovalRule> {
    reader.closed(node, &["unless", "takes"]);
    let takes = reader.optional_text(node, "takes").map(str::to_owned);
    let name = reader.required(node, "unless")?;
    let parameter = named(reader, name, parameters)?;
    if parameter.kind != ParameterType::Boolean {
        reader.error("wrong-value", name.span, format!("`{}` must be `true` or `false`", parameter.name));
    }
    Some(ApprovalRule { unless: parameter.name.clone(), takes })
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
const ACTION: [&str; 14] = [
    "target",
    "idempotent",
    "repeat",
    "aliases",
    "reason",
    "csr",
    "certificate",
    "wide",
    "approval",
    "whole_order",
    "lookup_parameters",
    "lookups",
    "outputs",
    "stages",
];
/// The value of `expired` for providers that refuse expired certificates.
const REFUSED: &str = "refused";
/// Keys of a plan's action: a parameter of the same name could not be given there.
const RESERVED: [&str; 13] = [
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
    "as_written",
    "serial_notation",
    EXTENSION,
];
