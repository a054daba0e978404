//! Provider documents: the built-in ones and the example hold what they promise; each bad one is refused in the right words.

use certsweep::diag::Diagnostics;
use certsweep::provider::{Catalog, Idempotency, Provider, openapi, samples};
use certsweep::text::SourceMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn read(name: &str, text: &str) -> (Option<Provider>, Vec<String>) {
    let mut sources = SourceMap::default();
    let text: Arc<str> = text.into();
    let source = sources.add_text(name, None, text.clone());
    let mut diagnostics = Diagnostics::default();
    let provider = openapi::read(&text, source, &mut diagnostics);
    let messages = |finding: &&certsweep::diag::Diagnostic| {
        let place = finding.span.map(|span| sources.place(span)).unwrap_or_default();
        format!("{place}: {} [{}]", finding.what, finding.help.as_deref().unwrap_or_default())
    };
    let messages = diagnostics.sorted().iter().map(messages).collect();
    (provider, messages)
}

fn built_in() -> Vec<Arc<Provider>> {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let catalog = Catalog::load(&[], &mut sources, &mut diagnostics);
    let messages: Vec<String> = diagnostics
        .sorted()
        .iter()
        .map(|finding| format!("{:?}: {}", finding.span.map(|span| sources.place(span)), finding.what))
        .collect();
    assert!(messages.is_empty(), "{messages:#?}");
    catalog.iter().cloned().collect()
}

#[test]
fn the_built_in_documents_hold_what_their_samples_say() {
    let providers = built_in();
    let ids: Vec<&str> = providers.iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["acme", "digicert", "huawei", "naver"]);
    for provider in &providers {
        assert_eq!(samples::run(provider), [], "{}", provider.id);
        for operation in &provider.operations {
            assert!(!operation.samples.is_empty(), "{} {} has no samples", provider.id, operation.name);
        }
    }
}

#[test]
fn documents_of_ones_own_hold_what_their_samples_say() {
    let good = std::fs::read_dir("tests/data/documents/good").unwrap().map(|entry| entry.unwrap().path());
    for path in good.chain([PathBuf::from("examples/in-house-ca.yaml")]) {
        let (provider, messages) = read("own.yaml", &std::fs::read_to_string(&path).unwrap());
        assert!(messages.is_empty(), "{}: {messages:#?}", path.display());
        assert_eq!(samples::run(&provider.unwrap()), [], "{}", path.display());
    }
}

#[test]
fn the_words_of_before_are_read_as_those_of_today() {
    let today = std::fs::read_to_string("tests/data/documents/good/small.yaml").unwrap();
    for (word, former) in [
        ("idempotent: true", "repeat: safe"),
        ("idempotent: true", "repeat: unsafe"),
        ("means: unauthorized", "means: refused-credentials"),
    ] {
        assert!(today.contains(word), "{word}");
        let (provider, messages) = read("own.yaml", &today.replace(word, former));
        let provider = provider.unwrap_or_else(|| panic!("{former}: {messages:#?}"));
        assert_eq!(samples::run(&provider), [], "{former}");
        let idempotency =
            provider.operation("revoke").and_then(|operation| operation.action.as_ref()).unwrap().idempotency;
        assert_eq!(idempotency == Idempotency::NotIdempotent, former == "repeat: unsafe");
    }
}

#[test]
fn each_defect_is_refused_at_its_place() {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir("tests/data/documents/bad").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 20);
    let mut wrong = Vec::new();
    for path in &paths {
        let text = std::fs::read_to_string(path).unwrap();
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# expect: ")).unwrap();
        let (provider, messages) = read("bad.yaml", &text);
        let placed = messages.iter().all(|line| line.starts_with("bad.yaml:"));
        if provider.is_some()
            || !placed
            || messages.len() > MAX_FINDINGS
            || !messages.iter().any(|line| line.contains(expected))
        {
            wrong.push(format!("{}: expected {expected}, reported {messages:#?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_sample_must_hold() {
    let good = std::fs::read_to_string("tests/data/documents/good/small.yaml").unwrap();
    for (right, wrong, expected) in [
        ("path: /certificates/0a/revoke", "path: /certificates/0b/revoke", "asks for /certificates/0a/revoke"),
        ("            body: {cause: old}\n", "            body: {cause: none}\n", "sends the body {\"cause\":\"old\"}"),
        (
            "parameters: {serial: 0a, cause: old}",
            "parameters: {serial: 0A, cause: old}",
            "`serial` does not have the right form",
        ),
        ("means: succeeded}]\n  /cert", "means: rejected}]\n  /cert", "answer 1 (200) means succeeded, not rejected"),
        (
            "means: succeeded}]\n  /cert",
            "means: succeeded}, {status: 404, text: gone, means: rejected}]\n  /cert",
            "answer 2 (404) means unknown, not rejected; `responses` declare no such body for this status",
        ),
        ("tells: done}]", "tells: pending}]", "answer 1 (200) tells done, not pending"),
        ("tells: done}]", "reference: x, tells: done}]", "gives the reference none, not x"),
    ] {
        assert!(good.contains(right), "{right}");
        let (provider, messages) = read("own.yaml", &good.replacen(right, wrong, 1));
        let failures = samples::run(&provider.unwrap_or_else(|| panic!("{messages:#?}")));
        assert!(failures.iter().any(|failure| failure.what.contains(expected)), "{expected}: {failures:#?}");
    }
}

#[test]
fn no_bytes_make_the_reading_panic() {
    let mut documents: Vec<String> = built_in().iter().map(|provider| provider.text.to_string()).collect();
    documents.push(std::fs::read_to_string("examples/in-house-ca.yaml").unwrap());
    for document in &documents {
        // Cut short: what is left is YAML often enough, and a provider never but at the very end.
        for end in (0..document.len()).step_by(document.len() / CUTS).filter(|end| document.is_char_boundary(*end)) {
            read("cut.yaml", &document[..end]);
        }
        let lines: Vec<&str> = document.lines().collect();
        for index in (0..lines.len()).step_by(lines.len().div_ceil(CUTS)) {
            for other in ["", "x: [", "x-certsweep: 1", "  - {}", "$ref: '#/components'", "\t- é\u{0}", "- null"] {
                let mut changed = lines.clone();
                let indented =
                    format!("{}{other}", &lines[index][..lines[index].len() - lines[index].trim_start().len()]);
                changed[index] = &indented;
                read("changed.yaml", &changed.join("\n"));
            }
        }
    }
}

#[test]
fn the_users_documents_join_the_built_in_ones() {
    let directory = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: &str| std::fs::copy(from, directory.path().join(to)).unwrap();
    copy(Path::new("examples/in-house-ca.yaml"), "a.yaml");
    copy(Path::new("src/provider/documents/naver.yaml"), "b.yml");
    copy(Path::new("tests/data/documents/bad/bad-id.yaml"), "c.yaml");
    copy(Path::new("tests/data/documents/bad/bad-id.yaml"), "notes.txt");
    copy(Path::new("examples/in-house-ca.yaml"), "d.yaml");
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let missing = directory.path().join("missing");
    let catalog = Catalog::load(&[directory.path().to_owned(), missing], &mut sources, &mut diagnostics);
    let ids: Vec<&str> = catalog.iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["acme", "digicert", "huawei", "in-house", "naver"]);
    assert_eq!(catalog.nearest("digcert"), Some("digicert"));
    assert!(catalog.get("in-house").is_some() && catalog.get("nobody").is_none());
    let codes: Vec<&str> = diagnostics.sorted().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["provider-replaced", "provider-twice", "provider-directory", "wrong-value"]);
}

/// A defect may show itself in a second place, but not all over the document.
const MAX_FINDINGS: usize = 4;
/// Places at which each document is cut, and lines that are replaced.
const CUTS: usize = 30;
