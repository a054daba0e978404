//! Provider documents: the built-in ones and the example hold what they promise; each bad one is refused in the right words.

use certsweep::diag::Diagnostics;
use certsweep::provider::{Catalog, Provider, openapi, samples};
use certsweep::text::SourceMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn read(name: &str, text: &str) -> (Option<Provider>, Vec<String>) {
    let mut sources = SourceMap::default();
    let text: Arc<str> = text.into();
    let source = sources.add_text(name, None, text.clone());
    let mut diagnostics = Diagnostics::default();
    let provider = openapi::read(&text, source, &mut diagnostics);
    let said = |finding: &&certsweep::diag::Diagnostic| {
        let place = finding.span.map(|span| sources.place(span)).unwrap_or_default();
        format!("{place}: {} [{}]", finding.what, finding.help.as_deref().unwrap_or_default())
    };
    let said = diagnostics.sorted().iter().map(said).collect();
    (provider, said)
}

fn built_in() -> Vec<Arc<Provider>> {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let catalog = Catalog::load(&[], &mut sources, &mut diagnostics);
    let said: Vec<String> = diagnostics
        .sorted()
        .iter()
        .map(|finding| format!("{:?}: {}", finding.span.map(|span| sources.place(span)), finding.what))
        .collect();
    assert!(said.is_empty(), "{said:#?}");
    catalog.iter().cloned().collect()
}

#[test]
fn the_built_in_documents_hold_what_their_samples_say() {
    let providers = built_in();
    let ids: Vec<&str> = providers.iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["digicert", "huawei", "naver"]);
    for provider in &providers {
        assert_eq!(samples::run(provider), [], "{}", provider.id);
        for operation in &provider.operations {
            assert!(!operation.samples.is_empty(), "{} {} has no samples", provider.id, operation.name);
        }
    }
}
