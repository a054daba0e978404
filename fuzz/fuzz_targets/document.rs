//! Any text, read as a provider document, ends in findings or in a provider; never in a panic.
#![no_main]

use certsweep::diag::Diagnostics;
use certsweep::provider::{openapi, samples};
use certsweep::text::SourceMap;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|text: &str| {
    let text: Arc<str> = text.into();
    let mut sources = SourceMap::default();
    let source = sources.add_text("document.yaml", None, Arc::clone(&text));
    let mut findings = Diagnostics::default();
    let provider = openapi::read(&text, source, &mut findings);
    assert_eq!(provider.is_none(), findings.has_errors(), "a provider comes exactly where there is no error");
    if let Some(provider) = provider {
        samples::run(&provider);
    }
});
