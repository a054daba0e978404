//! OpenAPI Overlays (Overlay Specification 1.0.0), applied and drafted. Another's document and the changes that make a provider of it are merged
//! into one tree that keeps the places of both. A target that matches nothing is refused: the change that it was for would be missing. A draft
//! holds what somebody must add so that one operation becomes an action of plans: what the document tells is filled in; what it cannot tell
//! says `FILL-IN`, which no check lets pass.

use super::operation::RESERVED;
use super::reader::{DocumentReader, placeholders};
use super::schema;
use crate::diag::{Diagnostic, Diagnostics};
use crate::text::damage::did_you_mean;
use crate::text::nearest;
use crate::tree::{Field, Node, Shape};
use serde_json_path::{JsonPath, PathElement};
use std::fmt::Write as _;

/// A step into a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum TreeStep {
    Name(String),
    Index(usize),
}

/// The document that an overlay says it is for: a path, relative to the overlay's own directory. `None` where this is no overlay.
pub(super) fn extends(root: &Node) -> Option<&Node> {
    root.get("overlay")?;
    root.get("extends")
}

/// Applies an overlay to a document, one action after the other.
pub(super) fn apply(mut document: Node, overlay: &Node, findings: &mut Diagnostics) -> Node {
    let mut reader = DocumentReader::new(overlay, findings);
    let root = reader.root();
    reader.object(root, &["overlay", "info", "extends", "actions"], &[]);
    if let Some(version) = reader.required(root, "overlay")
        && !version.text().is_some_and(|text| text == "1.0" || text.starts_with("1.0."))
    {
        reader.error("not-honoured", version.span, "overlays of version 1.0 are honoured");
    }
    let Some(actions) = reader.required(root, "actions") else { return document };
    for action in reader.list(actions) {
        reader.object(action, &["target", "update", "remove"], &["description"]);
        let Some(target) = reader.required(action, "target") else { continue };
        let Some(text) = reader.text(target) else { continue };
        let path = match JsonPath::parse(text) {
            Ok(path) => path,
            Err(error) => {
                let what = format!("`{text}` is no JSONPath (RFC 9535): {error}");
                reader
                    .push(Diagnostic::error("wrong-value", target.span, what).help("write `$.paths['/revoke'].post`"));
                continue;
            }
        };
        let value = schema::json(&document);
        let mut places: Vec<Vec<TreeStep>> =
            path.query_located(&value).locations().map(|at| at.iter().map(step).collect()).collect();
        if places.is_empty() {
            let what = format!("`{text}` is not in the document, so nothing would be changed");
            reader.error("unknown-name", target.span, what);
        }
        // From behind, since what is removed moves what comes after it.
        places.sort();
        places.reverse();
        let removes = reader.flag(action, "remove") == Some(true);
        if action.get("update").is_none() && !removes {
            reader.error("missing-key", action.span, "an action changes (`update`) or removes (`remove: true`)");
        }
        for place in &places {
            match action.get("update") {
                _ if removes => remove(&mut document, place),
                Some(update) => {
                    if let Some(node) = at(&mut document, place) {
                        merge(node, update);
                    }
                }
                None => {}
            }
        }
    }
    document
}

/// A tree as text, so that one document holds what two said: JSON, but that plain scalars stay plain.
pub(super) fn text(node: &Node) -> String {
    let mut text = String::new();
    write(node, &mut text);
    text.push('\n');
    text
}

/// Writes the overlay for the operation of this `operationId`, or of a method and path (`POST /revoke`) where it has none. `file` is the document's path as the overlay shall name it.
///
/// # Errors
/// Why there is none, as a sentence with what would be right.
pub(super) fn draft(root: &Node, file: &str, operation_id: &str) -> Result<String, String> {
    if root.get("swagger").is_some() {
        return Err("it is of Swagger 2.0, and OpenAPI 3.0 or 3.1 is needed; converter.swagger.io and `swagger2openapi` (npm) make one of the other".to_owned());
    }
    let (path, method, operation) = find(root, operation_id)?;
    let title = root.get("info").and_then(|info| info.get("title")).and_then(Node::text).unwrap_or("the CA");
    let mut text = format!(
        "# What certsweep needs to know beyond the document; replace each FILL-IN, then: certsweep providers check THIS-FILE\n\
         # (docs/provider-documents.md has the keys.)\n\
         overlay: 1.0.0\ninfo: {{title: {}, version: 1.0.0}}\nextends: {}\nactions:\n",
        quoted(&format!("{title}, for certsweep")),
        quoted(file),
    );
    draft_document(root, &mut text);
    draft_schemes(root, &mut text);
    let target = format!("$.paths[{}].{method}", single(path));
    if let Some(body) = operation.get("requestBody").filter(|body| body.get("required").is_none()) {
        let place = match body.get("$ref").and_then(Node::text).and_then(|reference| reference.strip_prefix("#/")) {
            Some(reference) => {
                format!("${}", reference.split('/').map(|name| format!("[{}]", single(name))).collect::<String>())
            }
            None => format!("{target}.requestBody"),
        };
        let _written =
            write!(text, "  - target: {}\n    update: {{required: true}}  # a body is always sent\n", quoted(&place));
    }
    let _written = write!(text, "  - target: {}\n    update:\n", quoted(&target));
    let named = operation.get("operationId").and_then(Node::text);
    let name = named.map_or_else(|| "FILL-IN".to_owned(), kebab);
    if named != Some(&name) {
        let _written =
            writeln!(text, "      operationId: {name}  # as plans call it; lower-case letters, digits and `-`");
    }
    draft_action(root, path, operation, &mut text);
    Ok(text)
}

fn step(element: &PathElement<'_>) -> TreeStep {
    match element {
        PathElement::Name(name) => TreeStep::Name((*name).to_owned()),
        PathElement::Index(index) => TreeStep::Index(*index),
    }
}

fn at<'n>(node: &'n mut Node, place: &[TreeStep]) -> Option<&'n mut Node> {
    place.iter().try_fold(node, |node, step| match (&mut node.shape, step) {
        (Shape::Map(fields), TreeStep::Name(name)) => {
            fields.iter_mut().find(|field| field.name == *name).map(|field| &mut field.value)
        }
        (Shape::List(items), TreeStep::Index(index)) => items.get_mut(*index),
        _ => None,
    })
}

fn remove(document: &mut Node, place: &[TreeStep]) {
    let Some((last, parent)) = place.split_last() else { return };
    match (at(document, parent).map(|node| &mut node.shape), last) {
        (Some(Shape::Map(fields)), TreeStep::Name(name)) => fields.retain(|field| field.name != *name),
        (Some(Shape::List(items)), TreeStep::Index(index)) if *index < items.len() => drop(items.remove(*index)),
        _ => {}
    }
}

/// Objects are merged member by member, lists get the new items behind their own, anything else is replaced.
fn merge(node: &mut Node, update: &Node) {
    match (&mut node.shape, &update.shape) {
        (Shape::Map(fields), Shape::Map(new)) => {
            for Field { name, span, value } in new {
                match fields.iter_mut().find(|field| field.name == *name) {
                    Some(field) => merge(&mut field.value, value),
                    None => fields.push(Field { name: name.clone(), span: *span, value: value.clone() }),
                }
            }
        }
        (Shape::List(items), Shape::List(new)) => items.extend(new.iter().cloned()),
        (Shape::List(items), _) => items.push(update.clone()),
        _ => node.clone_from(update),
    }
}

fn write(node: &Node, text: &mut String) {
    match &node.shape {
        Shape::Null => text.push_str("null"),
        Shape::Scalar { text: scalar, plain } => {
            let is_word = scalar.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.+".contains(&byte));
            if *plain && is_word { text.push_str(scalar) } else { text.push_str(&quoted(scalar)) }
        }
        Shape::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write(item, text);
            }
            text.push(']');
        }
        Shape::Map(fields) => {
            text.push('{');
            for (index, field) in fields.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ",\n" });
                text.push_str(&quoted(&field.name));
                text.push_str(": ");
                write(&field.value, text);
            }
            text.push('}');
        }
    }
}

/// A text in quotes, as JSON and YAML have them.
fn quoted(scalar: &str) -> String {
    serde_json::Value::from(scalar).to_string()
}

/// The GET that shows the target of an operation, as far as its path tells: what it is asked by stands in the operation's path, too.
fn shows<'a>(root: &'a Node, path: &str) -> Option<(&'a str, &'a str)> {
    let own: Vec<&str> = placeholders(path).collect();
    let paths = root.get("paths").map(Node::fields).unwrap_or_default().iter();
    let asked = paths.filter_map(|other| {
        let mut needed = placeholders(&other.name).peekable();
        let is_asked_so =
            needed.peek().is_some() && needed.all(|name| own.contains(&name)) && path.starts_with(other.name.as_str());
        let id = other.value.get("get")?.get("operationId")?.text()?;
        is_asked_so.then_some((other.name.as_str(), id))
    });
    asked.max_by_key(|(path, _)| path.len())
}

fn find<'a>(root: &'a Node, operation_id: &str) -> Result<(&'a str, &'a str, &'a Node), String> {
    let paths = root.get("paths").map(Node::fields).unwrap_or_default();
    let all = || {
        paths
            .iter()
            .flat_map(|path| path.value.fields().iter().map(move |field| (path.name.as_str(), field)))
            .filter_map(|(path, field)| {
                Some((path, field.name.as_str(), &field.value, field.value.get("operationId")?.text()?))
            })
    };
    let by_place = operation_id.split_once(' ').and_then(|(method, path)| {
        let method = method.to_ascii_lowercase();
        let at = paths.iter().find(|at| at.name == path.trim())?;
        let field = at.value.fields().iter().find(|field| field.name == method)?;
        Some((at.name.as_str(), field.name.as_str(), &field.value, ""))
    });
    let found = by_place.or_else(|| all().find(|(.., id)| *id == operation_id));
    found.map(|(path, method, node, _)| (path, method, node)).ok_or_else(|| {
        let names: Vec<&str> = all().map(|(.., id)| id).collect();
        match nearest(operation_id, names.iter().copied()) {
            Some(right) => format!("the document has no operation `{operation_id}`; {}", did_you_mean(operation_id, right)),
            None if names.is_empty() => {
                "no operation of the document has an `operationId`; name it by method and path: `--operation \"POST /revoke\"`".to_owned()
            }
            None => {
                let shown = names.iter().take(MAX_SHOWN).copied().collect::<Vec<_>>().join(", ");
                let more = match names.len().saturating_sub(MAX_SHOWN) {
                    0 => String::new(),
                    more => format!(", and {more} more"),
                };
                format!("the document has no operation `{operation_id}`; it has {shown}{more}")
            }
        }
    })
}

/// What is said once for the whole document.
fn draft_document(root: &Node, text: &mut String) {
    text.push_str("  - target: $\n    update:\n");
    let names = credential_schemes(root);
    // What each operation says of itself needs none of the document's.
    let says = |path: &Node| path.fields().iter().any(|operation| operation.value.get("security").is_some());
    let of_operations = root.get("paths").is_some_and(|paths| paths.fields().iter().any(|path| says(&path.value)));
    if root.get("security").is_none() && !of_operations {
        let first = names.first().map_or("FILL-IN", |(name, _)| name);
        let _written = writeln!(text, "      security: [{{{}: []}}]", quoted(first));
    }
    text.push_str("      x-certsweep:\n        id: FILL-IN  # as plans call the provider\n");
    let servers = root.get("servers").map(Node::items).unwrap_or_default();
    if servers.len() > 1 {
        let names = servers
            .iter()
            .filter_map(|server| ["name", "description", "url"].into_iter().find_map(|key| server.get(key)?.text()));
        let names: Vec<String> = names.map(quoted).collect();
        let _written = writeln!(text, "        server: FILL-IN  # one of {}", names.join(", "));
    }
    text.push_str("        rate: [FILL-IN]  # as the CA's pages say, such as 100/60s; or leave it out\n");
    let credentials: Vec<String> = names
        .iter()
        .flat_map(|(name, scheme)| credentials(name, scheme, names.len()))
        .map(|name| format!("{name}: FILL-IN"))
        .collect();
    if !credentials.is_empty() {
        let _written = writeln!(
            text,
            "        environment: {{{}}}  # the variable that holds it, such as MY_CA_KEY",
            credentials.join(", ")
        );
    }
    text.push_str("        # code: [/error/code]      where its errors hold a code and a message\n        # message: [/error/message]\n");
    if servers.is_empty() {
        text.push_str("      servers: [{url: FILL-IN}]  # https://…\n");
    }
}

/// The credentials of a scheme, by the names that plans give them under.
fn credentials(name: &str, scheme: &Node, schemes: usize) -> Vec<String> {
    let said = |key: &str| scheme.get(key).and_then(Node::text).unwrap_or_default().to_ascii_lowercase();
    let all: &[&str] = match (said("type").as_str(), said("scheme").as_str()) {
        ("apikey", _) if said("in") == "header" => return vec![key(name, schemes)],
        ("http", "bearer") => &["token"],
        ("http", "basic") => &["username", "password"],
        ("oauth2", _) => &["client_id", "client_secret"],
        ("mutualtls", _) => &["client_certificate"],
        _ => &[],
    };
    all.iter().map(|name| (*name).to_owned()).collect()
}

/// What an `apiKey` is called: where there is one way to sign in, it is the credential.
fn key(name: &str, schemes: usize) -> String {
    if schemes == 1 { "credential".to_owned() } else { kebab(name).replace('-', "_") }
}

/// The security schemes that are used.
fn credential_schemes(root: &Node) -> Vec<(&str, &Node)> {
    let schemes = root.get("components").and_then(|components| components.get("securitySchemes"));
    let fields = schemes.map(Node::fields).unwrap_or_default().iter();
    let used = |name: &str| match root.get("security") {
        Some(list) => list.items().iter().any(|requirement| requirement.get(name).is_some()),
        None => true,
    };
    fields.map(|field| (field.name.as_str(), &field.value)).filter(|(name, _)| used(name)).collect()
}

fn draft_schemes(root: &Node, text: &mut String) {
    let all = credential_schemes(root);
    for (name, scheme) in &all {
        let said = |key: &str| scheme.get(key).and_then(Node::text).unwrap_or_default();
        if said("type") == "apiKey" && said("in") == "header" && scheme.get("x-certsweep").is_none() {
            let target = format!("$.components.securitySchemes[{}]", single(name));
            let _written = write!(
                text,
                "  - target: {}\n    update: {{x-certsweep: {{signer: header, credentials: [{}]}}}}\n",
                quoted(&target),
                key(name, all.len())
            );
        }
    }
}

fn draft_action(root: &Node, path: &str, operation: &Node, text: &mut String) {
    let names: Vec<String> = placeholders(path).map(quoted).collect();
    let target = if names.is_empty() { "FILL-IN".to_owned() } else { names.join(", ") };
    let _written = write!(
        text,
        "      x-certsweep:\n        target: {{kind: certificate, parameters: [{target}]}}  # certificate, order, request or ca; what names it\n        \
         idempotent: FILL-IN  # true: twice has the effect of once (a revoke). false: it may cost twice (a reissue)\n"
    );
    // A plan's own words, such as `id`, cannot be given as parameters.
    for name in placeholders(path).filter(|name| RESERVED.contains(name)) {
        let _written =
            writeln!(text, "        aliases: {{certificate_{name}: {name}}}  # `{name}` is the plan's own word");
    }
    if let Some((name, words)) = reasons(root, operation) {
        let _written = write!(
            text,
            "        reason:\n          field: {}\n          values:  # reason of RFC 5280: the CA's word; each once\n",
            quoted(&name)
        );
        for word in words {
            let _written = writeln!(text, "            {}: {}", rfc_5280(&word), quoted(&word));
        }
    }
    text.push_str("        answers:  # silence is never success: only what is named here is\n");
    let responses = operation.get("responses").map(Node::fields).unwrap_or_default();
    for status in responses.iter().map(|field| field.name.as_str()).filter(|status| status.starts_with('2')) {
        let means = if status == "202" { "pending-approval" } else { "succeeded" };
        let _written = writeln!(
            text,
            "          - {{status: {status}, means: {means}}}  # add `when: {{/state: revoked}}` where 2{} alone does not tell",
            &status[1..]
        );
    }
    if let Some((shown, id)) = shows(root, path) {
        let parameters: Vec<String> =
            placeholders(shown).map(|name| format!("{0}: {{parameter: {0}}}", quoted(name))).collect();
        let _written = write!(
            text,
            "        # lookups:  # how its state is read back where an answer was lost; {id} needs `x-certsweep` (answers, samples) then, too\n        \
             #   - operation: {}\n        #     parameters: {{{}}}\n        \
             #     standings: [{{when: {{/state: revoked}}, is: done}}]\n        #     advice: where a person looks\n",
            kebab(id),
            parameters.join(", ")
        );
    }
    text.push_str(
        "        samples:  # what the CA's pages show: a request, and what its answers mean\n          - name: as the pages show it\n            \
         parameters: {FILL-IN: FILL-IN}\n            path: FILL-IN  # the check says what is sent\n            answers: [{status: 200, body: {}, means: succeeded}]\n",
    );
}

/// The field of the body that lists reasons, if one does.
fn reasons(root: &Node, operation: &Node) -> Option<(String, Vec<String>)> {
    let body = resolve(root, operation.get("requestBody")?)?;
    let media = &body.get("content")?.fields().first()?.value;
    let schema = resolve(root, media.get("schema")?)?;
    schema.get("properties")?.fields().iter().find_map(|field| {
        let words = resolve(root, &field.value)?.get("enum")?;
        let is_reason = field.name.to_ascii_lowercase().contains("reason");
        let words = words.items().iter().filter_map(Node::text).map(str::to_owned).collect();
        is_reason.then(|| (field.name.clone(), words))
    })
}

fn resolve<'a>(root: &'a Node, node: &'a Node) -> Option<&'a Node> {
    let Some(reference) = node.get("$ref") else { return Some(node) };
    reference.text()?.strip_prefix("#/")?.split('/').try_fold(root, |node, name| node.get(name))
}

/// The reason of RFC 5280 that is spelled so but for case and separators; no other is guessed.
fn rfc_5280(word: &str) -> &'static str {
    let letters =
        |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let same = crate::pki::RevocationReason::ALL.into_iter().find(|reason| letters(reason.name()) == letters(word));
    same.map_or("FILL-IN", crate::pki::RevocationReason::name)
}

/// `revokeCertificate` as `revoke-certificate`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase()
            && text.ends_with(|last: char| last.is_ascii_lowercase() || last.is_ascii_digit())
        {
            text.push('-');
        }
        text.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' });
    }
    text.trim_start_matches(|first: char| !first.is_ascii_lowercase()).trim_end_matches('-').to_owned()
}

/// A name in a JSONPath (RFC 9535, section 2.3.1.1).
fn single(name: &str) -> String {
    format!("'{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Operations that a message lists.
const MAX_SHOWN: usize = 20;
