//! What all parts of the reading share: the document's root for references, the findings, and the small questions that are
//! asked of nodes, each with its finding where the answer is no.

use crate::diag::{Diagnostic, Diagnostics};
use crate::provider::answer::Pointer;
use crate::provider::model::ServerVariable;
use crate::provider::request::host;
use crate::text::damage::did_you_mean;
use crate::text::{Span, nearest};
use crate::tree::{Field, Node, Shape};
use std::collections::{BTreeMap, BTreeSet};

/// One reading of one document.
pub(super) struct DocumentReader<'a> {
    root: &'a Node,
    findings: &'a mut Diagnostics,
    /// The schemas, as JSON, that were compiled already: most fields of a document say one of a few things.
    pub(super) usable_schemas: BTreeSet<String>,
}

impl<'a> DocumentReader<'a> {
    pub(super) fn new(root: &'a Node, findings: &'a mut Diagnostics) -> Self {
        Self { root, findings, usable_schemas: BTreeSet::new() }
    }

    pub(super) fn root(&self) -> &'a Node {
        self.root
    }

    pub(super) fn push(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }

    pub(super) fn error(&mut self, code: &'static str, span: Span, what: impl Into<String>) {
        self.push(Diagnostic::error(code, span, what));
    }

    /// An error for a name that is not among those that there are, with the nearest of them.
    pub(super) fn no_such<'n>(
        &mut self,
        span: Span,
        what: String,
        name: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) {
        let names: Vec<&str> = names.into_iter().collect();
        let mut finding = Diagnostic::error("unknown-name", span, what);
        if let Some(right) = nearest(name, names.iter().copied()) {
            finding = finding.help(did_you_mean(name, right));
        } else if !names.is_empty() && names.len() <= MAX_LISTED {
            finding = finding.help(format!("there are {}", names.join(", ")));
        }
        self.push(finding);
    }

    /// The fields of an OpenAPI object: each must be honoured (`known`) or change nothing (`ignored`, other people's `x-`).
    pub(super) fn object(&mut self, node: &'a Node, known: &[&str], ignored: &[&str]) -> &'a [Field] {
        // A misspelled `x-certsweep` must not pass for another's extension.
        let is_anothers = |name: &str| name.starts_with("x-") && nearest(name, [EXTENSION]).is_none();
        self.fields(node, known, |name| ignored.contains(&name) || is_anothers(name))
    }

    /// The fields of a part of the extension: its vocabulary is closed.
    pub(super) fn closed(&mut self, node: &'a Node, known: &[&str]) -> &'a [Field] {
        self.fields(node, known, |_| false)
    }

    fn fields(&mut self, node: &'a Node, known: &[&str], ignored: impl Fn(&str) -> bool) -> &'a [Field] {
        let fields = self.map(node);
        for field in fields {
            if let Some((present, _)) = FORMER_KEYS.iter().find(|(_, former)| *former == field.name)
                && known.contains(present)
                && !known.contains(&field.name.as_str())
            {
                if node.get(present).is_some() {
                    let what = format!("`{}` is the former word for `{present}`, which stands here, too", field.name);
                    self.error("unknown-key", field.span, what);
                }
                continue;
            }
            if !known.contains(&field.name.as_str()) && !ignored(&field.name) {
                let what = format!("`{}` is not honoured here", field.name);
                let mut finding = Diagnostic::error("unknown-key", field.span, what);
                finding = match nearest(&field.name, known.iter().copied()) {
                    Some(right) => finding.help(did_you_mean(&field.name, right)),
                    None => finding.help(format!("what is honoured here: {}", known.join(", "))),
                };
                self.push(finding);
            }
        }
        fields
    }

    /// The fields of a map with names of the author's own.
    pub(super) fn map(&mut self, node: &'a Node) -> &'a [Field] {
        if !matches!(node.shape, Shape::Map(_)) {
            self.error("wrong-shape", node.span, format!("a map is expected here, not {}", node.kind()));
        }
        node.fields()
    }

    pub(super) fn list(&mut self, node: &'a Node) -> &'a [Node] {
        if !matches!(node.shape, Shape::List(_)) {
            self.error("wrong-shape", node.span, format!("a list is expected here, not {}", node.kind()));
        }
        node.items()
    }

    /// A list, or one item that stands for a list of one.
    pub(super) fn one_or_many(&mut self, node: &'a Node) -> &'a [Node] {
        match node.shape {
            Shape::List(_) => node.items(),
            _ => std::slice::from_ref(node),
        }
    }

    pub(super) fn text(&mut self, node: &'a Node) -> Option<&'a str> {
        if node.text().is_none() {
            self.error("wrong-shape", node.span, format!("a single value is expected here, not {}", node.kind()));
        }
        node.text()
    }

    /// The texts of a list, or of one item.
    pub(super) fn texts(&mut self, node: &'a Node) -> Vec<String> {
        self.one_or_many(node).iter().filter_map(|item| self.text(item)).map(str::to_owned).collect()
    }

    /// What an extension says of itself that nobody has confirmed.
    pub(super) fn unconfirmed(&mut self, extension: &'a Node) -> Vec<String> {
        extension.get("unconfirmed").map(|node| self.texts(node)).unwrap_or_default()
    }

    /// What stands under a key, or under its former word.
    pub(super) fn key(&self, node: &'a Node, name: &str) -> Option<&'a Node> {
        let former = || FORMER_KEYS.iter().find(|(present, _)| *present == name);
        node.get(name).or_else(|| node.get(former()?.1))
    }

    pub(super) fn required(&mut self, node: &'a Node, name: &str) -> Option<&'a Node> {
        let found = self.key(node, name);
        if found.is_none() {
            self.error("missing-key", node.span, format!("`{name}` is missing here"));
        }
        found
    }

    pub(super) fn required_text(&mut self, node: &'a Node, name: &str) -> Option<&'a str> {
        self.required(node, name).and_then(|node| self.text(node))
    }

    pub(super) fn optional_text(&mut self, node: &'a Node, name: &str) -> Option<&'a str> {
        node.get(name).and_then(|node| self.text(node))
    }

    /// `description`, or nothing; line breaks of folded texts become spaces.
    pub(super) fn description(&mut self, node: &'a Node) -> String {
        let text = self.optional_text(node, "description").unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn flag(&mut self, node: &'a Node, name: &str) -> Option<bool> {
        let value = node.get(name)?;
        match self.text(value)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.error("wrong-value", value.span, format!("`{name}` must be true or false"));
                None
            }
        }
    }

    pub(super) fn number(&mut self, node: &'a Node, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let number = self.text(node)?.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let what = format!("a whole number from {} to {} is expected here", range.start(), range.end());
            self.error("wrong-value", node.span, what);
        }
        number
    }

    /// One of a closed list of words.
    pub(super) fn word<T: Copy>(&mut self, node: &'a Node, words: &[(T, &'static str)]) -> Option<T> {
        let text = self.text(node)?;
        let found = words.iter().find(|(_, word)| *word == text).map(|(value, _)| *value);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
            let mut finding =
                Diagnostic::error("unknown-name", node.span, format!("`{text}` is none of {}", names.join(", ")));
            if let Some(right) = nearest(text, names) {
                finding = finding.help(did_you_mean(text, right));
            }
            self.push(finding);
        }
        found
    }

    pub(super) fn pointer(&mut self, node: &'a Node) -> Option<Pointer> {
        let text = self.text(node)?;
        self.pointer_text(text, node.span)
    }

    pub(super) fn pointer_text(&mut self, text: &str, span: Span) -> Option<Pointer> {
        let pointer = Pointer::parse(text);
        if pointer.is_none() {
            let what = format!("`{text}` is not a JSON pointer");
            self.push(Diagnostic::error("wrong-value", span, what).help(format!("write `/{text}`")));
        }
        pointer
    }

    /// Follows `$ref` to a component of this document.
    pub(super) fn resolve(&mut self, node: &'a Node) -> Option<&'a Node> {
        let mut here = node;
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = here.get("$ref") else { return Some(here) };
            for field in here.fields() {
                if !["$ref", "summary", "description"].contains(&field.name.as_str()) {
                    let what = format!("`{}` beside `$ref` is not honoured", field.name);
                    self.error("unknown-key", field.span, what);
                }
            }
            let text = self.text(reference)?;
            let Some(path) = text.strip_prefix("#/components/") else {
                let what = format!("the reference `{text}` does not lead to `#/components/` of this document");
                self.error("reference", reference.span, what);
                return None;
            };
            let component = self.root.get("components");
            let unescape = |name: &str| name.replace("~1", "/").replace("~0", "~");
            let found = path.split('/').fold(component, |node, name| node?.get(&unescape(name)));
            let Some(found) = found else {
                self.error("reference", reference.span, format!("there is nothing at `{text}`"));
                return None;
            };
            here = found;
        }
        self.error("reference", node.span, "this reference leads round in a circle");
        None
    }

    /// A URL must be whole, and `https` but for loopback; credentials have no place in it.
    pub(super) fn check_url(&mut self, url: &str, span: Span) {
        let host = host(url);
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        // Credentials travel with every request; unencrypted they may not leave the machine.
        let is_loopback = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
        if !(url.starts_with("https://") || (url.starts_with("http://") && is_loopback)) || name.is_empty() {
            self.error("wrong-url", span, format!("`{url}` is not an https:// URL"));
        } else if url.contains(['?', '#', '@', ' ', '\\']) || !url.is_ascii() {
            self.error("wrong-url", span, "this URL may have neither a query nor a fragment nor a user in it");
        }
    }

    /// A name of a provider or an operation, as plans write it. It becomes part of paths and of reports' columns, so it holds nothing that
    /// would need quoting there.
    pub(super) fn name(&mut self, node: &'a Node) -> Option<&'a str> {
        let text = self.text(node)?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.bytes().all(plain) && text.starts_with(|first: char| first.is_ascii_lowercase()) && text.len() <= 64 {
            return Some(text);
        }
        let what = format!("`{text}` is not a name: lower-case letters, digits and `-` are");
        self.error("wrong-value", node.span, what);
        None
    }
}

/// Keys that had another name before, which documents may still write: run directories keep documents as they were.
const FORMER_KEYS: [(&str, &str); 2] = [("columns", "shows"), ("is", "tells")];

/// The name of our extension.
pub(super) const EXTENSION: &str = "x-certsweep";

/// `$ref` after `$ref`. More is taken for a circle, which would never end.
const MAX_REFERENCES: usize = 16;
/// Names that a message lists as help; more would hide the message.
const MAX_LISTED: usize = 20;

/// Whether a text is a field name of HTTP.
pub(super) fn is_header_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Whether `certificate` says where the new certificate is read, and not which parameter holds a certificate that is sent.
pub(super) fn is_new_certificate(node: &Node) -> bool {
    !matches!(node.shape, Shape::Map(_))
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
