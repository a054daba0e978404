//! A document as a whole: its head, its servers, what its extension says about the provider, and its paths.

use super::reader::{DocumentReader, EXTENSION, undeclared};
use super::rules::AnswerReading;
use super::security::Signing;
use super::{lists, operation, references, rules, security, stages};
use crate::diag::Diagnostic;
use crate::provider::model::{Operation, Provider, ServerVariable, Window};
use crate::provider::request::{check_variable, host};
use crate::provider::security::SecurityRequirement;
use crate::tree::Node;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads a whole document. What cannot be read is left out, with a finding; the caller drops the provider then.
pub(super) fn read(reader: &mut DocumentReader<'_>, text: &Arc<str>) -> Option<Provider> {
    let root = reader.root();
    reader.object(root, &HONOURED, &["tags", "externalDocs", "webhooks"]);
    version(reader);
    let info = reader.required(root, "info");
    let title = info.and_then(|info| {
        reader.object(info, &["title", "version"], &["summary", "description", "termsOfService", "contact", "license"]);
        reader.required(info, "version");
        reader.required_text(info, "title")
    });
    let (base_url, variables) = server(reader);
    let auth = security::read(reader, &variables);
    if let Some(components) = root.get("components") {
        // What is not referred to is not read.
        reader.object(components, &COMPONENTS, &["examples", "links", "callbacks", "pathItems"]);
    }
    let extension = reader.required(root, EXTENSION)?;
    reader.closed(
        extension,
        &[&["id", "rate", "concurrency", "environment", "server", "unconfirmed"], rules::KEYS.as_slice()].concat(),
    );
    let id = reader.required(extension, "id").and_then(|node| reader.name(node));
    let windows = extension.get("rate").map(|node| windows(reader, node)).unwrap_or_default();
    let concurrency = extension.get("concurrency").and_then(|node| reader.number(node, 1..=MAX_CONCURRENCY));
    let shared = rules::read(reader, extension);
    let operations = operations(reader, &shared, &Signing { variables: &variables, auth: &auth });
    let auth = ways_to_sign(reader, auth, &operations);
    let of_operations = operations.iter().filter_map(|operation| operation.security.as_ref()).flatten();
    let environment = environment(reader, extension, &auth.iter().chain(of_operations).collect::<Vec<_>>());
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
        unconfirmed: reader.unconfirmed(extension),
        digest: Sha256::digest(text.as_bytes()).into(),
        text: text.clone(),
    })
}

fn version<'a>(reader: &mut DocumentReader<'a>) {
    let root = reader.root();
    let Some(node) = reader.required(root, "openapi") else { return };
    let Some(text) = reader.text(node) else { return };
    if text != "3.1" && !text.starts_with("3.1.") {
        reader.error("not-honoured", node.span, format!("OpenAPI 3.1 and 3.0 are honoured, not {text}"));
    }
    let dialect = root.get("jsonSchemaDialect");
    if let Some(dialect) = dialect.filter(|dialect| !dialect.text().is_some_and(|text| DIALECTS.contains(&text))) {
        reader.error("not-honoured", dialect.span, "no other dialect than that of OpenAPI 3.1 is honoured");
    }
}

fn server<'a>(reader: &mut DocumentReader<'a>) -> (Option<String>, BTreeMap<String, ServerVariable>) {
    let root = reader.root();
    let mut variables = BTreeMap::new();
    let Some(servers) = reader.required(root, "servers") else { return (None, variables) };
    let Some(server) = chosen_server(reader, servers) else { return (None, variables) };
    reader.object(server, &["url", "variables"], &["description", "name"]);
    let Some(url) = reader.required(server, "url") else { return (None, variables) };
    let Some(text) = reader.text(url) else { return (None, variables) };
    reader.check_url(text, url.span);
    for field in server.get("variables").map(|node| reader.map(node)).unwrap_or_default() {
        reader.object(&field.value, &["default", "enum"], &["description"]);
        let placeholder = format!("{{{}}}", field.name);
        if !text.contains(&placeholder) {
            reader.error("unknown-name", field.span, format!("the URL has no `{placeholder}`"));
        }
        let Some(default) = reader.required_text(&field.value, "default") else { continue };
        let allowed = field.value.get("enum").map(|node| reader.texts(node)).unwrap_or_default();
        let description = reader.description(&field.value);
        let variable = ServerVariable { default: default.to_owned(), allowed, description };
        let in_host = host(text).contains(&placeholder);
        if let Some(wrong) = check_variable(&field.name, &variable, default, in_host) {
            let place = field.value.get("default").unwrap_or(&field.value).span;
            reader.error("wrong-value", place, format!("the default will not do: {}", wrong.what));
        }
        variables.insert(field.name.clone(), variable);
    }
    undeclared(reader, text, &variables, url.span);
    (Some(text.trim_end_matches('/').to_owned()), variables)
}

/// The one server, or the one that the extension names: among several the document would leave open which one a revoke is sent to.
fn chosen_server<'a>(reader: &mut DocumentReader<'a>, servers: &'a Node) -> Option<&'a Node> {
    let list = reader.list(servers);
    let called = |server: &'a Node| ["name", "description", "url"].into_iter().find_map(|key| server.get(key)?.text());
    let names: Vec<&str> = list.iter().filter_map(called).collect();
    let said = reader.root().get(EXTENSION).and_then(|extension| extension.get("server"));
    let Some(said) = said else {
        if let [server] = list {
            return Some(server);
        }
        let what = format!("there are {} servers, and requests go to one", list.len());
        let help = format!("say which by `server` under `{EXTENSION}`: {}", names.join(", "));
        reader.push(Diagnostic::error("not-honoured", servers.span, what).help(help));
        return None;
    };
    let text = reader.text(said)?;
    let found = list.iter().find(|server| called(server) == Some(text));
    if found.is_none() {
        reader.no_such(said.span, format!("there is no server `{text}`"), text, names);
    }
    found
}

fn windows<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Vec<Window> {
    let mut windows = Vec::new();
    for item in reader.one_or_many(node) {
        match reader.text(item).map(Window::parse) {
            Some(Ok(window)) => windows.push(window),
            Some(Err(what)) => reader.error("wrong-value", item.span, what),
            None => {}
        }
    }
    windows
}

/// The document's own ways to sign in; where it leaves them to its operations, all of those, each once.
fn ways_to_sign<'a>(
    reader: &mut DocumentReader<'a>,
    own: Vec<SecurityRequirement>,
    operations: &[Operation],
) -> Vec<SecurityRequirement> {
    if reader.root().get("security").is_some() {
        return own;
    }
    let mut all: Vec<SecurityRequirement> = Vec::new();
    for requirement in operations.iter().filter_map(|operation| operation.security.as_ref()).flatten() {
        if !requirement.schemes.is_empty() && !all.contains(requirement) {
            all.push(requirement.clone());
        }
    }
    if all.is_empty() || operations.iter().any(|operation| operation.security.is_none()) {
        let root = reader.root();
        reader.required(root, "security");
    }
    all
}

fn environment<'a>(
    reader: &mut DocumentReader<'a>,
    extension: &'a Node,
    auth: &[&SecurityRequirement],
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    let credentials = || auth.iter().flat_map(|requirement| [requirement.required(), requirement.optional()].concat());
    for field in extension.get("environment").map(|node| reader.map(node)).unwrap_or_default() {
        if !credentials().any(|name| name == field.name) {
            let what = format!("no way to authenticate takes a credential `{}`", field.name);
            reader.no_such(field.span, what, &field.name, credentials());
        }
        let Some(variable) = reader.text(&field.value) else { continue };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if variable.is_empty()
            || !variable.bytes().all(plain)
            || variable.starts_with(|first: char| first.is_ascii_digit())
        {
            let what = format!("`{variable}` is not the name of an environment variable");
            reader.error("wrong-value", field.value.span, what);
        }
        environment.insert(field.name.clone(), variable.to_owned());
    }
    environment
}

/// Reads all operations; then, with all of them known, what refers from one to another: status queries and samples.
fn operations<'a>(reader: &mut DocumentReader<'a>, shared: &AnswerReading, signing: &Signing<'_>) -> Vec<Operation> {
    let root = reader.root();
    let Some(paths) = reader.required(root, "paths") else { return Vec::new() };
    let mut read: Vec<(Operation, &'a Node)> = Vec::new();
    for path in reader.map(paths) {
        if path.name.starts_with('/') {
            operation::in_path(reader, path, shared, signing, &mut read);
        } else if !path.name.starts_with("x-") || path.name == EXTENSION {
            reader.error("wrong-value", path.span, format!("the path `{}` does not begin with `/`", path.name));
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for (operation, node) in &read {
        if names.contains(&operation.name.as_str()) {
            let what = format!("there is a second operation `{}`", operation.name);
            reader.error("duplicate-name", node.get("operationId").unwrap_or(node).span, what);
        }
        names.push(&operation.name);
    }
    let (mut operations, nodes): (Vec<Operation>, Vec<&Node>) = read.into_iter().unzip();
    if !operations.iter().any(|operation| operation.action.is_some()) {
        let what = format!("no operation is an action: none has `target` and `idempotent` under `{EXTENSION}`");
        reader.error("missing-key", paths.span, what);
    }
    for (index, node) in nodes.iter().enumerate() {
        let Some(extension) = node.get(EXTENSION) else { continue };
        let status_queries = references::status_queries(reader, extension, &operations[index], &operations);
        let previews = references::previews(reader, extension, (&operations[index], &status_queries), &operations);
        let whole_order = references::whole_order(reader, extension, &operations[index], &operations);
        let replaced = references::replaced(reader, extension, &operations[index], &operations);
        let steps = match &operations[index].action {
            Some(_) => stages::read(reader, extension, &operations[index], &operations),
            None => stages::Steps::default(),
        };
        if let Some(action) = &mut operations[index].action {
            action.status_queries = status_queries;
            action.whole_order = whole_order;
            action.replaced = replaced;
            action.previews = previews;
            action.outputs = steps.outputs;
            action.stages = steps.stages;
            action.new_certificate = steps.new_certificate;
            action.poll = steps.poll;
        }
    }
    for (index, node) in nodes.iter().enumerate() {
        if let Some(extension) = node.get(EXTENSION) {
            operations[index].list = lists::list(reader, extension, &operations[index], &operations);
        }
    }
    // After all status queries and stages: a sample of one names the action that asks by it.
    for (index, node) in nodes.iter().enumerate() {
        if let Some(extension) = node.get(EXTENSION) {
            operations[index].samples = references::samples(reader, extension, &operations[index], &operations);
        }
    }
    references::check_uses(reader, &operations, &nodes);
    operations
}

const HONOURED: [&str; 8] =
    ["openapi", "info", "servers", "security", "paths", "components", "jsonSchemaDialect", EXTENSION];
const COMPONENTS: [&str; 6] = ["schemas", "parameters", "requestBodies", "responses", "securitySchemes", "headers"];
const DIALECTS: [&str; 2] =
    ["https://spec.openapis.org/oas/3.1/dialect/base", "https://json-schema.org/draft/2020-12/schema"];
/// Requests in flight at once, where the document declares no `concurrency`.
const DEFAULT_CONCURRENCY: u32 = 4;
const MAX_CONCURRENCY: u32 = 1024;
