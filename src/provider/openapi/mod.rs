//! OpenAPI 3.1 documents into [`Provider`] values: a named subset, and the extension `x-certsweep`.
//!
//! What is not honoured is refused at its place, never half-read; only what cannot change a request or a reading (titles,
//! descriptions, examples, tags, other people's `x-` extensions) is passed over. Reads text, opens nothing.

mod action;
mod core_schema;
mod document;
mod lookups;
mod operation;
mod reach;
mod reading;
mod rules;
mod samples;
mod schema;
mod security;

use super::model::Provider;
use crate::diag::Diagnostics;
use crate::text::SourceId;
use crate::tree::yaml;
use reading::Reading;
use std::sync::Arc;

/// Reads a provider document. `None` where it has an error; the findings say which.
pub fn read(text: &Arc<str>, source: SourceId, diagnostics: &mut Diagnostics) -> Option<Provider> {
    let mut findings = Diagnostics::default();
    let root = yaml::read(text, source, &mut findings);
    let provider = root.and_then(|root| document::read(&mut Reading::new(&root, &mut findings), text));
    let broken = findings.has_errors();
    if provider.is_none() && !broken {
        findings.push(crate::diag::Diagnostic::error("provider-document", None, "the provider document is empty"));
    }
    diagnostics.extend(findings);
    provider.filter(|_| !broken)
}
