//! OpenAPI 3.1 documents into [`Provider`] values: a named subset, and the extension `x-certsweep`.
//!
//! What is not honoured is refused at its place, never half-read; only what cannot change a request or a reading (titles,
//! descriptions, examples, tags, other people's `x-` extensions) is passed over. Reads text, opens nothing. Here the document is read as a whole:
//! its head, its servers, what its extension says about the provider, and its paths; the modules below read the parts.
//!
//! # The extension `x-certsweep`
//!
//! Of the document:
//!
//! | key | says |
//! |---|---|
//! | `id` | the provider's name in plans |
//! | `server` | which server, where there are several: its `name`, `description` or `url` |
//! | `rate` | `[100/5s, 1000/180s]`: requests in any window, all hold |
//! | `concurrency` | requests in flight at once, at most |
//! | `environment` | credential → environment variable, where a plan configures nothing |
//! | `answers`, `code`, `message`, `reference`, `throttle_hint` | as of an operation, for all of them; its own come first |
//!
//! Of a schema with `format: serial-number`: `spelling`, `id_digits`.
//!
//! Of a security scheme: `signer` (the words of the table in [`super::security`]), `credentials`, `optional`; of those that fetch a token `url`,
//! `lifetime`, `scopes`, `audience`, `client_authentication`, `token`, `expires_in`; of AWS's signature `service`, `region`.
//!
//! Of an operation; one with a `target` is an action, the others are status queries and have only the last three rows:
//!
//! | key | says |
//! |---|---|
//! | `target` | `{kind: certificate, order or ca, parameters: […]}` |
//! | `idempotent` | `true` or `false`: whether it may be sent again when an answer was lost. `repeat: safe` or `unsafe` is read, too |
//! | `aliases` | other name → parameter |
//! | `reason` | `{field, values: {superseded: …}}`: RFC 5280 name → the provider's spelling |
//! | `csr` | `{field, common_name, dns_names}`: the parameters that must agree with the CSR |
//! | `wide` | `[{parameter, value, reaches}]`: values that reach further than the target's kind tells |
//! | `approval` | `{unless, takes}`: a person must approve it, unless this parameter is true; what that takes |
//! | `whole_order` | `{operation, parameter}`: what does the same to a whole order, and the parameter that names the order |
//! | `lookup_parameters` | name → schema: parameters that only status queries use |
//! | `idempotency_key` | `{parameter, form, valid_for}`: `uuid` or `hex`: a value made once for an action, and how long the provider knows it |
//! | `safe` | `true`: of a POST without a target that only reads |
//! | `list` | `{rows, pages, parameters, columns, status, details}`: of an operation that lists what there is |
//! | `lookups` | `[{operation, parameters, rows, pages, standings, absent, advice}]`, in order of preference |
//! | `outputs` | name → expression: what its answer brings for later steps |
//! | `stages` | `[{stepId, operationId, parameters, idempotent, poll, answers, outputs, lookups}]`: the requests that follow on its own |
//! | `certificate` | an expression or several: where the new certificate is read. (A map: which parameter is a certificate) |
//! | `answers` | `[{status, when, empty, means, explanation}]`, the first that matches wins |
//! | `code`, `message`, `reference`, `throttle_hint` | JSON pointers; a reference may be `{header: name}`; `{pointer, form}` |
//! | `unconfirmed` | what it says that nobody has confirmed, in sentences; the document's extension may have it, too |
//! | `samples` | `[{name, parameters, path, body, answers}]`; those of status queries name the action (`for`) and its parameters (`with`) |
//!
//! `when` maps JSON pointers to tests: a word or a list of words, or `one_of`, `none_of`, `prefix`, `contains`, `present`.

mod operation;
mod overlay;
mod parameters;
mod reader;
mod references;
mod rules;
mod schema;
mod security;
mod stages;

use super::model::{Operation, Provider, ServerVariable, Window};
use super::request::{check_variable, host};
use super::security::SecurityRequirement;
use crate::diag::{Diagnostic, Diagnostics};
use crate::text::SourceId;
use crate::tree::{Field, Node, Shape, read_yaml};
use reader::{DocumentReader, EXTENSION, undeclared};
use rules::AnswerReading;
use security::Signing;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads a provider document. `None` where it has an error; the findings say which.
pub fn read(text: &Arc<str>, source: SourceId, diagnostics: &mut Diagnostics) -> Option<Provider> {
    let mut findings = Diagnostics::default();
    let root = read_yaml(text, source, &mut findings);
    from_tree(root, text, findings, diagnostics)
}

/// Whether a text may be meant as a provider document or an overlay: what has none of their keys is something else, such as a plan.
pub fn may_be_document(text: &str) -> bool {
    let keys = ["openapi", "swagger", "overlay", "info", "servers", "paths", "components", "x-certsweep"];
    let begins = |line: &str| {
        let line = line.trim_start_matches(['{', '"', '\'', ' ', '\u{feff}']);
        keys.iter().any(|key| {
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
        })
    };
    text.lines().any(begins)
}

/// The path of the document that a text is an overlay for, relative to the text's own directory; `None` where it is no overlay.
pub fn extends(text: &str, source: SourceId) -> Option<String> {
    // Most texts are documents, and need not be read twice for this.
    let may_be = text.lines().any(|line| line.trim_start_matches(['{', '"', ' ']).starts_with("overlay"));
    let root = may_be.then(|| read_yaml(text, source, &mut Diagnostics::default()))??;
    overlay::extends(&root).and_then(Node::text).map(str::to_owned)
}

/// As [`read`], of a document and an overlay (OpenAPI Overlay 1.0) that makes a provider of it. The provider's text is that of both.
pub fn read_overlaid(
    (document, of_document): (&str, SourceId),
    (overlay, of_overlay): (&str, SourceId),
    diagnostics: &mut Diagnostics,
) -> Option<Provider> {
    let mut findings = Diagnostics::default();
    let trees = (read_yaml(document, of_document, &mut findings), read_yaml(overlay, of_overlay, &mut findings));
    let root = match trees {
        (Some(document), Some(overlay)) => Some(overlay::apply(document, &overlay, &mut findings)),
        _ => None,
    };
    let text = root.as_ref().map(overlay::text).unwrap_or_default();
    from_tree(root, &text.into(), findings, diagnostics)
}

/// The draft of an overlay that makes an action of one operation of another's document; `file` is that document's path as the overlay names it.
///
/// # Errors
/// Why there is none, as a sentence.
pub fn draft(text: &str, source: SourceId, file: &str, operation_id: &str) -> Result<String, String> {
    let root = read_yaml(text, source, &mut Diagnostics::default()).ok_or("it cannot be read as YAML or JSON")?;
    overlay::draft(&root, file, operation_id)
}

fn from_tree(
    root: Option<Node>,
    text: &Arc<str>,
    mut findings: Diagnostics,
    diagnostics: &mut Diagnostics,
) -> Option<Provider> {
    let root = root.map(|root| if is_3_0(&root) { to_3_1(root) } else { root });
    let provider = root.and_then(|root| provider(&mut DocumentReader::new(&root, &mut findings), text));
    let broken = findings.has_errors();
    if provider.is_none() && !broken {
        findings.push(Diagnostic::error("provider-document", None, "the provider document is empty"));
    }
    diagnostics.extend(findings);
    provider.filter(|_| !broken)
}

/// Whether a document says that it is of version 3.0.
fn is_3_0(root: &Node) -> bool {
    root.get("openapi").and_then(Node::text).is_some_and(|text| text == "3.0" || text.starts_with("3.0."))
}

/// A document of version 3.0 in the words of 3.1, where the two say the same in different ones. Schemas alone differ in what is honoured here
/// (OpenAPI 3.1.0, appendix "Revision History"; "Migrating from OpenAPI 3.0 to 3.1.0").
fn to_3_1(mut root: Node) -> Node {
    convert(&mut root);
    if let Shape::Map(fields) = &mut root.shape
        && let Some(version) = fields.iter_mut().find(|field| field.name == "openapi")
    {
        version.value.shape = Shape::Scalar { text: "3.1.0".to_owned(), plain: false };
    }
    root
}

fn convert(node: &mut Node) {
    match &mut node.shape {
        Shape::Null | Shape::Scalar { .. } => {}
        Shape::List(items) => items.iter_mut().for_each(convert),
        Shape::Map(fields) => {
            // "Any sibling elements of a $ref are ignored" (3.0.3, "Schema Object"): in 3.1 they would count.
            if fields.iter().any(|field| field.name == "$ref" && field.value.text().is_some()) {
                fields.retain(|field| field.name == "$ref");
                return;
            }
            // Nothing is never sent, so that it would be allowed changes nothing.
            fields.retain(|field| !(field.name == "nullable" && flag(field).is_some()));
            exclusive(fields, "exclusiveMinimum", "minimum");
            exclusive(fields, "exclusiveMaximum", "maximum");
            for field in fields.iter_mut().filter(|field| !is_data(&field.name)) {
                convert(&mut field.value);
            }
        }
    }
}

/// `{minimum: 0, exclusiveMinimum: true}` is `{exclusiveMinimum: 0}`.
fn exclusive(fields: &mut Vec<Field>, exclusive: &str, bound: &str) {
    let Some(at) = fields.iter().position(|field| field.name == exclusive && flag(field).is_some()) else { return };
    let said = fields.remove(at);
    if flag(&said) == Some(true)
        && let Some(field) = fields.iter_mut().find(|field| field.name == bound)
    {
        field.name = exclusive.to_owned();
    }
}

fn flag(field: &Field) -> Option<bool> {
    match field.value.text()? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// What holds values and no schemas.
fn is_data(name: &str) -> bool {
    matches!(name, "example" | "examples" | "default" | "enum") || name.starts_with("x-")
}

/// Reads a whole document. What cannot be read is left out, with a finding; the caller drops the provider then.
fn provider(reader: &mut DocumentReader<'_>, text: &Arc<str>) -> Option<Provider> {
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
            operations[index].list = references::list(reader, extension, &operations[index], &operations);
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

/// A small provider for the tests of this floor; never part of the program.
#[cfg(test)]
pub(super) mod testing {
    use super::Provider;
    use crate::diag::Diagnostics;
    use crate::text::SourceMap;
    use std::sync::Arc;

    /// The small document of `tests/data`, with other rules for the answers of its `revoke`, and with parameters of every type.
    pub(in crate::provider) fn provider(answers: &str) -> Provider {
        let rule = "          - {status: 200, when: {/state: revoked}, means: succeeded}";
        let text = include_str!("../../../tests/data/documents/good/small.yaml");
        assert!(text.contains(rule));
        let text = text
            .replacen(rule, answers, 1)
            .replacen("4XX: {description: Refused}", "default: {description: Refused}", 1)
            .replacen(
                "        comments: {type: string, maxLength: 10}",
                "        comments: {type: string, minLength: 1, maxLength: 10}
        number: {type: integer, minimum: 0, maximum: 100}
        share: {type: number, exclusiveMinimum: 0}
        force: {type: boolean}
        names: {type: array, minItems: 1, uniqueItems: true, items: {type: string, pattern: '^[a-z.]+$'}}
        numbers: {type: array, maxItems: 3, items: {type: integer}}
        version: {type: string, const: v1}",
                1,
            )
            .replace("{cause: old}", "{cause: old, version: v1}");
        read(&text)
    }

    /// A provider from a document that must be right.
    pub(in crate::provider) fn read(text: &str) -> Provider {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let text: Arc<str> = text.into();
        let source = sources.add_text("small.yaml", None, text.clone());
        let provider = super::read(&text, source, &mut diagnostics);
        provider.unwrap_or_else(|| panic!("{:#?}", diagnostics.sorted()))
    }
}
