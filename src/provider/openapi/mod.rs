//! OpenAPI 3.1 documents into [`Provider`] values: a named subset, and the extension `x-certsweep`.
//!
//! What is not honoured is refused at its place, never half-read; only what cannot change a request or a reading (titles,
//! descriptions, examples, tags, other people's `x-` extensions) is passed over. Reads text, opens nothing.
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

mod conversion;
mod document;
mod draft;
mod lists;
mod operation;
mod overlay;
mod parameters;
mod reader;
mod references;
mod rows;
mod rules;
mod schema;
mod security;
mod stages;

use super::model::Provider;
use crate::diag::Diagnostics;
use crate::text::SourceId;
use crate::tree::{Node, read_yaml};
use reader::DocumentReader;
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
    draft::overlay(&root, file, operation_id)
}

fn from_tree(
    root: Option<Node>,
    text: &Arc<str>,
    mut findings: Diagnostics,
    diagnostics: &mut Diagnostics,
) -> Option<Provider> {
    let root = root.map(|root| if conversion::is_3_0(&root) { conversion::to_3_1(root) } else { root });
    let provider = root.and_then(|root| document::read(&mut DocumentReader::new(&root, &mut findings), text));
    let broken = findings.has_errors();
    if provider.is_none() && !broken {
        findings.push(crate::diag::Diagnostic::error("provider-document", None, "the provider document is empty"));
    }
    diagnostics.extend(findings);
    provider.filter(|_| !broken)
}

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
