//! One operation: its method and path, its parameters and body, and how its answers are read.

use super::reader::{DocumentReader, EXTENSION};
use super::rules::{self, AnswerReading};
use super::{action, schema};
use crate::diag::Diagnostic;
use crate::provider::model::{Location, Operation, Parameter};
use crate::provider::pointer::scalar_text;
use crate::text::Span;
use crate::tree::node::{Field, Node};
use serde_json::Value;

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
        if method == "GET" {
            reader.error("not-honoured", body.span, "a GET request has no body");
        }
        body_parameters(reader, body, &mut declared);
    }
    let extension = node.get(EXTENSION);
    let own = extension.map(|extension| rules::read(reader, extension)).unwrap_or_default();
    if let Some(responses) = node.get("responses") {
        check_responses(reader, responses, &own);
    }
    let action = extension.and_then(|extension| action::read(reader, extension, &mut declared.parameters));
    let parameters = declared.parameters;
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
        headers: declared.headers,
        action,
        answers: own.rules.iter().chain(&shared.rules).map(|(rule, _)| rule.clone()).collect(),
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
        if !super::security::is_header_name(&header) || RESERVED_HEADERS.contains(&header.as_str()) || !visible {
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
        // What is on the wire is a JWS, as the schema says; plans know what is in it.
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
    let signer = |field: &Field| Some(field.value.get(EXTENSION)?.get("signer")?.text()? == "acme-jws");
    schemes.into_iter().flat_map(Node::fields).any(|field| signer(field) == Some(true))
}

/// Every status that a rule names must be among the declared responses: the document has other readers, too.
fn check_responses<'a>(reader: &mut DocumentReader<'a>, responses: &'a Node, own: &AnswerReading) {
    let fields = reader.map(responses);
    for field in fields {
        reader.resolve(&field.value);
    }
    let declares = |status: u16| {
        fields.iter().any(|field| {
            field.name == "default" || field.name == status.to_string() || field.name == format!("{}XX", status / 100)
        })
    };
    for (rule, span) in &own.rules {
        for status in rule.status.iter().filter(|status| !declares(**status)) {
            reader.error("unknown-name", *span, format!("`responses` declares no answer with status {status}"));
        }
    }
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
