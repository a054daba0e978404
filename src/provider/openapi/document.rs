//! A document as a whole: its head, its servers, what its extension says about the provider, and its paths.

use super::reading::{DocumentReader, EXTENSION};
use super::rules::AnswerReading;
use super::{operation, references, rules, security};
use crate::provider::model::{AuthScheme, Operation, Provider, ServerVariable, Window};
use crate::provider::request::host;
use crate::provider::variables;
use crate::text::Span;
use crate::tree::node::Node;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads a whole document. What cannot be read is left out, with a finding; the caller drops the provider then.
pub(super) fn read(reading: &mut DocumentReader<'_>, text: &Arc<str>) -> Option<Provider> {
    let root = reading.root();
    reading.object(root, &HONOURED, &["tags", "externalDocs"]);
    version(reading);
    let info = reading.required(root, "info");
    let title = info.and_then(|info| {
        reading.object(
            info,
            &["title", "version"],
            &["summary", "description", "termsOfService", "contact", "license"],
        );
        reading.required(info, "version");
        reading.required_text(info, "title")
    });
    let (base_url, variables) = server(reading);
    let auth = security::read(reading);
    if let Some(components) = root.get("components") {
        reading.object(components, &COMPONENTS, &["examples"]);
    }
    let extension = reading.required(root, EXTENSION)?;
    reading.closed(extension, &[&["id", "rate", "concurrency", "environment"], rules::KEYS.as_slice()].concat());
    let id = reading.required(extension, "id").and_then(|node| reading.name(node));
    let windows = extension.get("rate").map(|node| windows(reading, node)).unwrap_or_default();
    let concurrency = extension.get("concurrency").and_then(|node| reading.number(node, 1..=MAX_CONCURRENCY));
    let environment = environment(reading, extension, &auth);
    let shared = rules::read(reading, extension);
    let operations = operations(reading, &shared);
    for scheme in &auth {
        if let crate::provider::model::SignerKind::HuaweiIamToken(url) = &scheme.signer {
            undeclared(reading, url, &variables, extension.span);
        }
    }
    Some(Provider {
        id: id?.to_owned(),
        title: title?.to_owned(),
        base_url: base_url?,
        variables,
        auth,
        operations,
        windows,
        concurrency: concurrency.unwrap_or(DEFAULT_CONCURRENCY),
        environment,
        digest: Sha256::digest(text.as_bytes()).into(),
        text: text.clone(),
    })
}

fn version<'a>(reading: &mut DocumentReader<'a>) {
    let root = reading.root();
    let Some(node) = reading.required(root, "openapi") else { return };
    let Some(text) = reading.text(node) else { return };
    if text != "3.1" && !text.starts_with("3.1.") {
        reading.error("not-honoured", node.span, format!("OpenAPI 3.1 is honoured, not {text}"));
    }
    let dialect = root.get("jsonSchemaDialect");
    if let Some(dialect) = dialect.filter(|dialect| !dialect.text().is_some_and(|text| DIALECTS.contains(&text))) {
        reading.error("not-honoured", dialect.span, "no other dialect than that of OpenAPI 3.1 is honoured");
    }
}

fn server<'a>(reading: &mut DocumentReader<'a>) -> (Option<String>, BTreeMap<String, ServerVariable>) {
    let root = reading.root();
    let mut variables = BTreeMap::new();
    let Some(servers) = reading.required(root, "servers") else { return (None, variables) };
    let [server] = reading.list(servers) else {
        reading.error(
            "not-honoured",
            servers.span,
            "exactly one server is honoured; plans set `base_url` or variables for others",
        );
        return (None, variables);
    };
    reading.object(server, &["url", "variables"], &["description", "name"]);
    let Some(url) = reading.required(server, "url") else { return (None, variables) };
    let Some(text) = reading.text(url) else { return (None, variables) };
    reading.check_url(text, url.span);
    for field in server.get("variables").map(|node| reading.map(node)).unwrap_or_default() {
        reading.object(&field.value, &["default", "enum"], &["description"]);
        let placeholder = format!("{{{}}}", field.name);
        if !text.contains(&placeholder) {
            reading.error("unknown-name", field.span, format!("the URL has no `{placeholder}`"));
        }
        let Some(default) = reading.required_text(&field.value, "default") else { continue };
        let allowed = field.value.get("enum").map(|node| reading.texts(node)).unwrap_or_default();
        let description = reading.description(&field.value);
        let variable = ServerVariable { default: default.to_owned(), allowed, description };
        let in_host = host(text).contains(&placeholder);
        if let Some(wrong) = variables::check(&field.name, &variable, default, in_host) {
            let place = field.value.get("default").unwrap_or(&field.value).span;
            reading.error("wrong-value", place, format!("the default will not do: {}", wrong.what));
        }
        variables.insert(field.name.clone(), variable);
    }
    undeclared(reading, text, &variables, url.span);
    (Some(text.trim_end_matches('/').to_owned()), variables)
}

fn undeclared(reading: &mut DocumentReader<'_>, url: &str, variables: &BTreeMap<String, ServerVariable>, span: Span) {
    for name in operation::placeholders(url) {
        if !variables.contains_key(name) {
            let what = format!("`{{{name}}}` in `{url}` is not among the server's variables");
            reading.no_such(span, what, name, variables.keys().map(String::as_str));
        }
    }
}

fn windows<'a>(reading: &mut DocumentReader<'a>, node: &'a Node) -> Vec<Window> {
    let mut windows = Vec::new();
    for item in reading.one_or_many(node) {
        match reading.text(item).map(Window::parse) {
            Some(Ok(window)) => windows.push(window),
            Some(Err(what)) => reading.error("wrong-value", item.span, what),
            None => {}
        }
    }
    windows
}

fn environment<'a>(
    reading: &mut DocumentReader<'a>,
    extension: &'a Node,
    auth: &[AuthScheme],
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    let credentials =
        || auth.iter().flat_map(|scheme| scheme.required.iter().chain(&scheme.optional)).map(String::as_str);
    for field in extension.get("environment").map(|node| reading.map(node)).unwrap_or_default() {
        if !credentials().any(|name| name == field.name) {
            let what = format!("no way to authenticate takes a credential `{}`", field.name);
            reading.no_such(field.span, what, &field.name, credentials());
        }
        let Some(variable) = reading.text(&field.value) else { continue };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if variable.is_empty()
            || !variable.bytes().all(plain)
            || variable.starts_with(|first: char| first.is_ascii_digit())
        {
            let what = format!("`{variable}` is not the name of an environment variable");
            reading.error("wrong-value", field.value.span, what);
        }
        environment.insert(field.name.clone(), variable.to_owned());
    }
    environment
}

/// Reads all operations; then, with all of them known, what refers from one to another: look-ups and samples.
fn operations<'a>(reading: &mut DocumentReader<'a>, shared: &AnswerReading) -> Vec<Operation> {
    let root = reading.root();
    let Some(paths) = reading.required(root, "paths") else { return Vec::new() };
    let mut read: Vec<(Operation, &'a Node)> = Vec::new();
    for path in reading.map(paths) {
        if path.name.starts_with('/') {
            operation::in_path(reading, path, shared, &mut read);
        } else if !path.name.starts_with("x-") || path.name == EXTENSION {
            reading.error("wrong-value", path.span, format!("the path `{}` does not begin with `/`", path.name));
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for (operation, node) in &read {
        if names.contains(&operation.name.as_str()) {
            let what = format!("there is a second operation `{}`", operation.name);
            reading.error("duplicate-name", node.get("operationId").unwrap_or(node).span, what);
        }
        names.push(&operation.name);
    }
    let (mut operations, nodes): (Vec<Operation>, Vec<&Node>) = read.into_iter().unzip();
    if !operations.iter().any(|operation| operation.action.is_some()) {
        let what = format!("no operation is an action: none has `target` and `idempotent` under `{EXTENSION}`");
        reading.error("missing-key", paths.span, what);
    }
    for (index, node) in nodes.iter().enumerate() {
        let Some(extension) = node.get(EXTENSION) else { continue };
        let lookups = references::lookups(reading, extension, &operations[index], &operations);
        if let Some(action) = &mut operations[index].action {
            action.lookups = lookups;
        }
    }
    for (index, node) in nodes.iter().enumerate() {
        if let Some(extension) = node.get(EXTENSION) {
            operations[index].samples = references::samples(reading, extension, &operations[index], &operations);
        }
    }
    references::check_uses(reading, &operations, &nodes);
    operations
}

const HONOURED: [&str; 8] =
    ["openapi", "info", "servers", "security", "paths", "components", "jsonSchemaDialect", EXTENSION];
const COMPONENTS: [&str; 6] = ["schemas", "parameters", "requestBodies", "responses", "securitySchemes", "headers"];
const DIALECTS: [&str; 2] =
    ["https://spec.openapis.org/oas/3.1/dialect/base", "https://json-schema.org/draft/2020-12/schema"];
const DEFAULT_CONCURRENCY: u32 = 4;
const MAX_CONCURRENCY: u32 = 1024;
