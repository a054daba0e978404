//! A document as a whole: its head, its servers, its security schemes (which signer puts which credentials on a request), what its
//! extension says about the provider, and its paths.

use super::reader::{DocumentReader, EXTENSION, is_header_name, placeholders};
use super::rules::AnswerReading;
use super::{operation, references, rules, stages};
use crate::diag::Diagnostic;
use crate::provider::model::{AuthScheme, Operation, Provider, ServerVariable, SignerKind, Window};
use crate::provider::request::{check_variable, host};
use crate::text::Span;
use crate::tree::{Field, Node};
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
    let auth = auth_schemes(reader);
    if let Some(components) = root.get("components") {
        // What is not referred to is not read.
        reader.object(components, &COMPONENTS, &["examples", "links", "callbacks", "pathItems"]);
    }
    let extension = reader.required(root, EXTENSION)?;
    reader
        .closed(extension, &[&["id", "rate", "concurrency", "environment", "server"], rules::KEYS.as_slice()].concat());
    let id = reader.required(extension, "id").and_then(|node| reader.name(node));
    let windows = extension.get("rate").map(|node| windows(reader, node)).unwrap_or_default();
    let concurrency = extension.get("concurrency").and_then(|node| reader.number(node, 1..=MAX_CONCURRENCY));
    let environment = environment(reader, extension, &auth);
    let shared = rules::read(reader, extension);
    let operations = operations(reader, &shared);
    for scheme in &auth {
        if let SignerKind::HuaweiIamToken(url) = &scheme.signer {
            undeclared(reader, url, &variables, extension.span);
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

fn undeclared(reader: &mut DocumentReader<'_>, url: &str, variables: &BTreeMap<String, ServerVariable>, span: Span) {
    for name in placeholders(url) {
        if !variables.contains_key(name) {
            let what = format!("`{{{name}}}` in `{url}` is not among the server's variables");
            reader.no_such(span, what, name, variables.keys().map(String::as_str));
        }
    }
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

fn environment<'a>(
    reader: &mut DocumentReader<'a>,
    extension: &'a Node,
    auth: &[AuthScheme],
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    let credentials =
        || auth.iter().flat_map(|scheme| scheme.required.iter().chain(&scheme.optional)).map(String::as_str);
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
fn operations<'a>(reader: &mut DocumentReader<'a>, shared: &AnswerReading) -> Vec<Operation> {
    let root = reader.root();
    let Some(paths) = reader.required(root, "paths") else { return Vec::new() };
    let mut read: Vec<(Operation, &'a Node)> = Vec::new();
    for path in reader.map(paths) {
        if path.name.starts_with('/') {
            operation::in_path(reader, path, shared, &mut read);
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
        let steps = match &operations[index].action {
            Some(_) => stages::read(reader, extension, &operations[index], &operations),
            None => stages::Steps::default(),
        };
        if let Some(action) = &mut operations[index].action {
            action.status_queries = status_queries;
            action.outputs = steps.outputs;
            action.stages = steps.stages;
            action.new_certificate = steps.new_certificate;
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

/// Reads `security`: each requirement becomes one way to authenticate, in the order of preference.
fn auth_schemes<'a>(reader: &mut DocumentReader<'a>) -> Vec<AuthScheme> {
    let root = reader.root();
    let Some(requirements) = reader.required(root, "security") else { return Vec::new() };
    let list = reader.list(requirements);
    if list.is_empty() {
        reader.error("security", requirements.span, "there must be at least one way to authenticate");
    }
    list.iter().filter_map(|requirement| alternative(reader, requirement)).collect()
}

fn alternative<'a>(reader: &mut DocumentReader<'a>, requirement: &'a Node) -> Option<AuthScheme> {
    let mut signed: Option<(AuthScheme, &'static [&'static str])> = None;
    let mut is_whole = true;
    let mut companions: Vec<(&Field, &Node)> = Vec::new();
    for field in reader.map(requirement) {
        if !reader.list(&field.value).is_empty() {
            reader.error("not-honoured", field.value.span, "scopes are not honoured; write `[]`");
        }
        let schemes = reader.root().get("components").and_then(|components| components.get("securitySchemes"));
        let Some(scheme) = schemes.and_then(|schemes| schemes.get(&field.name)) else {
            is_whole = false;
            let names = schemes.into_iter().flat_map(Node::fields).map(|field| field.name.as_str());
            let what = format!("there is no security scheme `{}`", field.name);
            reader.no_such(field.span, what, &field.name, names);
            continue;
        };
        let scheme = reader.resolve(scheme)?;
        if scheme.get(EXTENSION).is_none() {
            companions.push((field, scheme));
        } else if signed.is_some() {
            reader.error("security", field.span, "one requirement can have one signer only");
        } else {
            signed = Some(self::scheme(reader, &field.name, scheme)?);
        }
    }
    let Some((scheme, sets)) = signed else {
        if !is_whole {
            return None;
        }
        let what = format!("no scheme of this requirement says by `{EXTENSION}` which signer it needs");
        reader.error("security", requirement.span, what);
        return None;
    };
    for (field, companion) in companions {
        let header = header_name(reader, companion).unwrap_or_default();
        if !sets.contains(&header.as_str()) {
            let what = format!("the signer of `{}` does not set what `{}` asks for", scheme.name, field.name);
            reader.error("security", field.span, what);
        }
    }
    Some(scheme)
}

fn scheme<'a>(
    reader: &mut DocumentReader<'a>,
    name: &str,
    node: &'a Node,
) -> Option<(AuthScheme, &'static [&'static str])> {
    let header = header_name(reader, node)?;
    let extension = node.get(EXTENSION)?;
    reader.closed(extension, &["signer", "credentials", "optional", "url"]);
    let signer = reader.required(extension, "signer")?;
    let known = SIGNERS.iter().map(|signer| (signer, signer.word)).collect::<Vec<_>>();
    let signer_kind = reader.word(signer, &known)?;
    let required = reader.required(extension, "credentials").map(|node| reader.texts(node)).unwrap_or_default();
    let optional = extension.get("optional").map(|node| reader.texts(node)).unwrap_or_default();
    let place = extension.get("credentials").unwrap_or(extension).span;
    let own_name = signer_kind.required.is_empty();
    if own_name && required.len() != 1 {
        reader.error("security", place, "this signer takes exactly one credential, under a name of your own");
    } else if !own_name
        && (required != signer_kind.required
            || optional.iter().any(|name| !signer_kind.optional.contains(&name.as_str())))
    {
        let optional = match signer_kind.optional {
            [] => String::new(),
            names => format!(", and optional {}", names.join(", ")),
        };
        let what = format!("this signer takes the credentials {}{optional}", signer_kind.required.join(", "));
        reader.error("security", place, what);
    }
    if own_name && !optional.is_empty() {
        reader.error("security", place, "this signer takes no optional credential");
    }
    if !signer_kind.header.is_empty() && signer_kind.header != header {
        let what = format!("this signer sets the header `{}`, not `{header}`", signer_kind.header);
        reader.error("security", node.get("name").unwrap_or(node).span, what);
    }
    let url = extension.get("url").and_then(|url| Some((reader.text(url)?, url.span)));
    let signer = match (signer_kind.word, url) {
        ("huawei-iam-token", Some((url, span))) => {
            reader.check_url(url, span);
            SignerKind::HuaweiIamToken(url.to_owned())
        }
        ("huawei-iam-token", None) => {
            reader.error("missing-key", extension.span, "`url` is missing here: where the token is fetched");
            return None;
        }
        (_, Some((_, span))) => {
            reader.error("unknown-key", span, "this signer has no `url`");
            return None;
        }
        ("ncp-signature-v2", None) => SignerKind::NcpSignatureV2,
        ("acme-jws", None) => SignerKind::AcmeJws,
        ("huawei-sdk-hmac-sha256", None) => SignerKind::HuaweiSdkHmacSha256,
        _ => SignerKind::Header(header),
    };
    Some((AuthScheme { name: name.to_owned(), signer, required, optional }, signer_kind.sets))
}

/// The header that a scheme fills, in lower case.
fn header_name<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Option<String> {
    let kind = reader.required(node, "type")?;
    if reader.text(kind)? != "apiKey" {
        let what = format!("security schemes of type `{}` are not honoured", kind.text().unwrap_or_default());
        let help =
            "declare an `apiKey` in a header; a bearer token is one in `Authorization`, given with its `Bearer `";
        reader.push(Diagnostic::error("not-honoured", kind.span, what).help(help));
        return None;
    }
    reader.object(node, &["type", "in", "name", EXTENSION], &["description"]);
    let place = reader.required(node, "in")?;
    if reader.text(place)? != "header" {
        reader.error("not-honoured", place.span, "API keys are honoured in headers only");
        return None;
    }
    let name = reader.required(node, "name")?;
    let text = reader.text(name)?;
    if !is_header_name(text) {
        reader.error("wrong-value", name.span, format!("`{text}` is not a header name"));
        return None;
    }
    Some(text.to_ascii_lowercase())
}

struct SignerForm {
    word: &'static str,
    /// Empty where the one credential has a name of the document's own.
    required: &'static [&'static str],
    optional: &'static [&'static str],
    /// The header that its scheme must name; empty for any.
    header: &'static str,
    /// The other headers that it sets.
    sets: &'static [&'static str],
}

const SIGNERS: [SignerForm; 5] = [
    SignerForm { word: "header", required: &[], optional: &[], header: "", sets: &[] },
    SignerForm {
        word: "ncp-signature-v2",
        required: &["access_key", "secret_key"],
        optional: &[],
        header: "x-ncp-apigw-signature-v2",
        sets: &["x-ncp-apigw-timestamp", "x-ncp-iam-access-key"],
    },
    SignerForm {
        word: "huawei-sdk-hmac-sha256",
        required: &["access_key", "secret_key"],
        optional: &["security_token", "domain_id"],
        header: "authorization",
        sets: &["x-sdk-date", "x-security-token", "x-domain-id"],
    },
    SignerForm {
        word: "huawei-iam-token",
        required: &["iam_user", "iam_password", "iam_domain"],
        optional: &[],
        header: "x-auth-token",
        sets: &[],
    },
    // The signature is in the body; its media type is what a header shows of it.
    SignerForm { word: "acme-jws", required: &["account_key"], optional: &[], header: "content-type", sets: &[] },
];
