//! A small provider for the tests of this floor; never part of the program.

use super::Provider;
use super::openapi;
use crate::diag::Diagnostics;
use crate::text::SourceMap;
use std::sync::Arc;

/// The small document of `tests/data`, with other rules for the answers of its `revoke`, and with parameters of every type.
pub(super) fn provider(answers: &str) -> Provider {
    let rule = "          - {status: 200, when: {/state: revoked}, means: succeeded}";
    let text = include_str!("../../tests/data/documents/good/small.yaml");
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
pub(super) fn read(text: &str) -> Provider {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let text: Arc<str> = text.into();
    let source = sources.add_text("small.yaml", None, text.clone());
    let provider = openapi::read(&text, source, &mut diagnostics);
    provider.unwrap_or_else(|| panic!("{:#?}", diagnostics.sorted()))
}
