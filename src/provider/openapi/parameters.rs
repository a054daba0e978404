//! The parameters that an operation declares: in its path, its query, its header fields and its body, and the path itself. What a request
//! cannot carry as declared is refused here; what an action makes of them is [`super::operation`]'s.

use super::reader::{DocumentReader, EXTENSION, is_header_name, placeholders};
use super::schema;
use crate::diag::Diagnostic;
use crate::provider::answer::{is_json, media_type, scalar_text};
use crate::provider::model::{BodyForm, Location, Parameter, ParameterType, RequestBody, ValueFormat};
use crate::provider::security::ACME_JWS;
use crate::text::Span;
use crate::tree::{Field, Node};
use serde_json::{Value, json};

/// What was declared so far.
#[derive(Default)]
pub(super) struct DeclaredParameters {
    pub(super) parameters: Vec<Parameter>,
    /// Header fields with one value for every request.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<RequestBody>,
    /// Parameters that need others: the members that an optional object of the body must have where it has any.
    pub(super) dependent: Vec<(String, Vec<String>)>,
}

impl DeclaredParameters {
    pub(super) fn add<'a>(&mut self, reader: &mut DocumentReader<'a>, item: &'a Node) {
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
            Some("header") => return self.add_header(reader, node, name, required, schema),
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
        if schema.format.is_some_and(ValueFormat::is_encoded) {
            reader.error("not-honoured", schema_node.span, "`contentEncoding` is honoured in bodies only");
        }
        if location == Location::Path && !required {
            reader.error("wrong-value", node.span, format!("the path parameter `{name}` must say `required: true`"));
        }
        let description = reader.description(node);
        self.push(reader, schema.named(name, location, required, description), node.span);
    }

    /// A header field: with one value that the document fixes, or a parameter of plans.
    fn add_header<'a>(
        &mut self,
        reader: &mut DocumentReader<'a>,
        node: &'a Node,
        name: &str,
        required: bool,
        mut read: schema::ParameterSchema,
    ) {
        let header = name.to_ascii_lowercase();
        if !is_header_name(&header) || RESERVED_HEADERS.contains(&header.as_str()) {
            let finding =
                Diagnostic::error("not-honoured", node.span, format!("a document cannot set the header `{name}`"));
            reader.push(finding.help("it is the client's or the signer's; credentials go by `securitySchemes`"));
            return;
        }
        // One value that is allowed is a value that is fixed: documents of AWS say so of `X-Amz-Target`.
        let only = read.schema.get("enum").and_then(Value::as_array).filter(|words| words.len() == 1);
        let fixed = read.fixed.clone().or_else(|| only.map(|words| words[0].clone()));
        if let Some(value) = fixed.as_ref().and_then(scalar_text) {
            if value.bytes().all(is_visible) {
                self.headers.push((header, value.into_owned()));
            } else {
                reader.error("not-honoured", node.span, format!("the header `{name}` cannot have this value"));
            }
            return;
        }
        check_style(reader, node, "simple");
        if read.format.is_some_and(ValueFormat::is_encoded) {
            reader.error("not-honoured", node.span, "`contentEncoding` is honoured in bodies only");
        }
        if matches!(read.kind, ParameterType::Strings | ParameterType::Integers) {
            reader.error("not-honoured", node.span, "lists are honoured in bodies only");
        }
        // A line break would begin a header field of the plan's own.
        if let Value::Object(schema) = &mut read.schema {
            schema.insert("allOf".to_owned(), json!([{"pattern": VISIBLE}]));
        }
        let description = reader.description(node);
        self.push(reader, read.named(name, Location::Header, required, description), node.span);
    }

    /// The header field by which operations of one path are told apart. It may be declared as a parameter, too.
    pub(super) fn told_apart_by(&mut self, reader: &mut DocumentReader<'_>, span: Span, header: &str, value: &str) {
        let header = header.to_ascii_lowercase();
        self.parameters.retain(|parameter| {
            !(parameter.location == Location::Header && parameter.name.eq_ignore_ascii_case(&header))
        });
        match self.headers.iter().find(|(name, _)| *name == header) {
            None if !is_header_name(&header)
                || RESERVED_HEADERS.contains(&header.as_str())
                || !value.bytes().all(is_visible) =>
            {
                reader.error("wrong-value", span, format!("a document cannot set the header `{header}` to `{value}`"));
            }
            None => self.headers.push((header, value.to_owned())),
            Some((_, declared)) if declared != value => {
                reader.error(
                    "wrong-value",
                    span,
                    format!("the path says `{header}={value}`, its parameter says `{declared}`"),
                );
            }
            Some(_) => {}
        }
    }

    /// Reads the body that requests carry.
    pub(super) fn add_body<'a>(&mut self, reader: &mut DocumentReader<'a>, body: &'a Node) {
        let Some(body) = reader.resolve(body) else { return };
        reader.object(body, &["required", "content"], &["description"]);
        if reader.flag(body, "required") != Some(true) {
            reader.error("not-honoured", body.span, "a declared body is always sent; say `required: true`");
        }
        let Some(content) = reader.required(body, "content") else { return };
        let fields = reader.map(content);
        let signs = signs_bodies(reader);
        let honoured = |media_type: &str| body_form(media_type).is_some() && (media_type != SIGNED || signs);
        // Others are alternatives: one is sent, and the first that can be.
        let Some(media) = fields.iter().find(|field| honoured(&media_type(&field.name))) else {
            for field in fields {
                let what = format!("the media type `{}` is not honoured", field.name);
                let help = "`application/json`, any other JSON (`application/*+json`) and `application/x-www-form-urlencoded` are";
                reader.push(Diagnostic::error("not-honoured", field.span, what).help(help));
            }
            return;
        };
        let media_type = media_type(&media.name);
        let Some(form) = body_form(&media_type) else { return };
        let schema = if media_type == SIGNED {
            // On the wire this is a JWS; the parameters of plans are the members of its payload.
            reader.object(&media.value, &["schema", EXTENSION], &["example", "examples"]);
            // Nothing is signed but the request itself: it reads (RFC 8555, section 6.3: "POST-as-GET").
            let Some(extension) = media.value.get(EXTENSION) else { return };
            Some(extension).and_then(|extension| {
                reader.closed(extension, &["payload"]);
                reader.required(extension, "payload")
            })
        } else {
            reader.object(&media.value, &["schema"], &["example", "examples"]);
            reader.required(&media.value, "schema")
        };
        if let Some(object) = schema.and_then(|schema| reader.resolve(schema)) {
            self.add_members(reader, object, &Within { members: &[], is_required: true, form });
        }
        let media_type = if media_type == SIGNED { "application/json".to_owned() } else { media_type };
        self.body = Some(RequestBody { media_type, form });
    }

    /// Adds the members of an object of the body; gives back the names of the parameters that they became, and whether each must be there
    /// where the object is.
    fn add_members<'a>(
        &mut self,
        reader: &mut DocumentReader<'a>,
        object: &'a Node,
        within: &Within<'_>,
    ) -> Vec<(String, bool)> {
        reader.object(object, &["type", "properties", "required", "additionalProperties"], schema::ANNOTATIONS);
        if object.get("type").and_then(Node::text) != Some("object") {
            reader.error("not-honoured", object.span, "a body is honoured as `type: object` only");
        } else if object.get("properties").is_none() && !within.members.is_empty() {
            // It may hold anything, and a plan has no place for that.
            reader.error("not-honoured", object.span, "an object of a body is honoured with its `properties` only");
        }
        if let Some(more) = object.get("additionalProperties").filter(|more| more.text() != Some("false")) {
            reader.error("not-honoured", more.span, "`additionalProperties` is honoured as false only");
        }
        let required = object.get("required").map(|list| (reader.texts(list), list.span));
        let fields = object.get("properties").map(|node| reader.map(node)).unwrap_or_default();
        let mut added = Vec::new();
        // What is only read in answers is not sent (OpenAPI 3.1, "Schema Object": `readOnly`).
        for field in fields.iter().filter(|field| field.value.get("readOnly").and_then(Node::text) != Some("true")) {
            let is_needed = required.as_ref().is_some_and(|(names, _)| names.contains(&field.name));
            let is_required = within.is_required && is_needed;
            let members = [within.members, std::slice::from_ref(&field.name)].concat();
            let inside = reader
                .resolve(&field.value)
                .filter(|node| node.get("const").is_none() && node.get("type").and_then(Node::text) == Some("object"));
            match inside {
                Some(_) if members.len() >= MAX_DEPTH => {
                    reader.error("not-honoured", field.span, "objects lie too deep in each other here");
                }
                Some(_) if within.form == BodyForm::Urlencoded => {
                    reader.error("not-honoured", field.span, "a form has no objects in it");
                }
                Some(inside) => {
                    let inner =
                        self.add_members(reader, inside, &Within { members: &members, is_required, form: within.form });
                    if !is_required {
                        self.tie(&inner);
                    }
                    added.extend(inner.into_iter().map(|(name, must)| (name, must && is_needed)));
                }
                None => {
                    let read = schema::parameter(reader, &field.value);
                    let name = members.join(".");
                    let parameter = read.named(&name, Location::Body, is_required, String::new());
                    added.push((name, is_needed && parameter.fixed.is_none()));
                    self.push(reader, Parameter { members, ..parameter }, field.span);
                }
            }
        }
        if let Some((names, span)) = required {
            for name in names.iter().filter(|name| !fields.iter().any(|field| field.name == **name)) {
                let known = fields.iter().map(|field| field.name.as_str());
                reader.no_such(span, format!("`{name}` is required, but is not among the properties"), name, known);
            }
        }
        added
    }

    /// Where a part of an optional object is given, what that object must have is needed, too.
    fn tie(&mut self, members: &[(String, bool)]) {
        for (name, _) in members {
            let needed = members.iter().filter(|(other, must)| *must && other != name).map(|(other, _)| other.clone());
            let needed: Vec<String> = needed.collect();
            match self.dependent.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => {
                    for other in needed {
                        if !known.contains(&other) {
                            known.push(other);
                        }
                    }
                }
                None if needed.is_empty() => {}
                None => self.dependent.push((name.clone(), needed)),
            }
        }
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

/// A path's template, and the header fields behind a `#`, by which the operations of one path are told apart: `/#X-Amz-Target=…`. (The form of
/// the documents that others wrote for AWS; OpenAPI has none.)
pub(super) fn split_path(path: &Field) -> (&str, Vec<(&str, &str)>) {
    let Some((template, fragment)) = path.name.split_once('#') else { return (&path.name, Vec::new()) };
    // A word without `=` is for people: a member of the body tells the operations apart then.
    (template, fragment.split('&').filter_map(|part| part.split_once('=')).collect())
}

/// Checks a path's template against the path parameters.
pub(super) fn check_path(reader: &mut DocumentReader<'_>, path: &Field, template: &str, parameters: &[Parameter]) {
    let in_path = |parameter: &&Parameter| parameter.location == Location::Path;
    let names = || parameters.iter().filter(in_path).map(|parameter| parameter.name.as_str());
    for name in placeholders(template) {
        if !names().any(|known| known == name) {
            let what = format!("`{{{name}}}` in the path is not among the path parameters");
            reader.no_such(path.span, what, name, names());
        }
    }
    for name in names() {
        if !placeholders(template).any(|placeholder| placeholder == name) {
            reader.error("unknown-name", path.span, format!("the path has no `{{{name}}}`"));
        }
    }
    let fixed = placeholders(template).fold(template.to_owned(), |rest, name| rest.replace(&format!("{{{name}}}"), ""));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    if !fixed.bytes().all(plain) || fixed.split('/').any(|segment| segment == "..") {
        reader.error(
            "wrong-value",
            path.span,
            "a path has no query, no fragment, no `..` and no character that must be encoded",
        );
    }
}

/// Where members of a body lie.
struct Within<'w> {
    members: &'w [String],
    is_required: bool,
    form: BodyForm,
}

/// How bodies of a media type are written; `None` where they are not.
fn body_form(media_type: &str) -> Option<BodyForm> {
    match media_type {
        "application/x-www-form-urlencoded" => Some(BodyForm::Urlencoded),
        json if is_json(json) => Some(BodyForm::Json),
        _ => None,
    }
}

fn is_visible(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

/// Whether a security scheme signs bodies.
fn signs_bodies(reader: &DocumentReader<'_>) -> bool {
    let schemes = reader.root().get("components").and_then(|components| components.get("securitySchemes"));
    let signer = |field: &Field| Some(field.value.get(EXTENSION)?.get("signer")?.text()? == ACME_JWS.word);
    schemes.into_iter().flat_map(Node::fields).any(|field| signer(field) == Some(true))
}

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
/// What a plan may put into a header field.
const VISIBLE: &str = "^[!-~]([ -~]*[!-~])?$";
/// Objects in objects of a body.
const MAX_DEPTH: usize = 8;
