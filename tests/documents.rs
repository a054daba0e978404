//! Provider documents: the built-in ones and the example hold what they promise; each bad one is refused in the right words.

#[path = "support/scale.rs"]
mod scale;

use certsweep::diag::Diagnostics;
use certsweep::provider::{Catalog, Idempotency, Provider, openapi, samples};
use certsweep::text::SourceMap;
use scale::scaled;
use serde_json::json;
use std::fmt::Write as _;
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
    Catalog::built_in().iter().cloned().collect()
}

#[test]
fn nothing_is_wrong_with_the_built_in_documents_and_each_is_in_the_catalog() {
    let catalog = Catalog::built_in();
    let files = std::fs::read_dir("src/provider/documents").unwrap().map(|entry| entry.unwrap().path());
    let mut ids = Vec::new();
    for path in files {
        let (provider, messages) = read(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap());
        assert!(messages.is_empty(), "{messages:#?}");
        ids.push(provider.unwrap().id);
    }
    ids.sort();
    assert!(catalog.iter().map(|provider| &provider.id).eq(&ids), "{ids:?}");
}

#[test]
fn the_built_in_documents_hold_what_their_samples_say() {
    let providers = built_in();
    let ids: Vec<&str> = providers.iter().map(|provider| provider.id.as_str()).collect();
    for id in ["acme", "digicert", "huawei", "huawei-scm", "naver", "naver-pca", "vault"] {
        assert!(ids.contains(&id), "{id}");
    }
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
fn a_document_of_a_vendor_becomes_a_provider_by_an_overlay() {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let directory = PathBuf::from("tests/data/documents/overlay");
    let catalog = Catalog::load(&[directory], &mut sources, &mut diagnostics);
    assert!(diagnostics.sorted().is_empty(), "{:#?}", diagnostics.sorted());
    let provider = catalog.get("vendor").unwrap();
    assert_eq!(samples::run(provider), []);
    assert_eq!(provider.base_url, "https://sandbox.example.com/v2");
    assert_eq!(provider.operations.len(), 1);
    let revoke = provider.operation("revoke").unwrap();
    let names: Vec<&str> = revoke.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    // What is only read in answers is not sent.
    assert_eq!(names, ["certificateId", "reason", "note", "days"]);
    assert!(!revoke.validator.is_valid(&json!({"certificateId": "c", "reason": "SUPERSEDED", "days": 0})));
    // The text of both says the same again: a run directory keeps it.
    let (again, messages) = read("merged.yaml", &provider.text);
    let again = again.unwrap_or_else(|| panic!("{messages:#?}"));
    assert_eq!(samples::run(&again), []);
    assert_eq!(again.digest, provider.digest);
}

#[test]
fn an_overlay_that_changes_nothing_is_refused_at_its_place() {
    let document = std::fs::read_to_string("tests/data/documents/overlay/openapi.yaml").unwrap();
    let overlay = std::fs::read_to_string("tests/data/documents/overlay/vendor.yaml").unwrap();
    for (right, wrong, expected) in [
        (
            "schemas.Reason.enum[2]",
            "schemas.Reasons.enum[2]",
            "overlay.yaml:16:13: `$.components.schemas.Reasons.enum[2]` is not in the document",
        ),
        ("$.components.schemas.Reason.enum[2]", "components/schemas", "`components/schemas` is no JSONPath"),
        ("overlay: 1.0.0", "overlay: 2.0.0", "overlays of version 1.0 are honoured"),
        ("    remove: true", "    description: x", "an action changes (`update`) or removes (`remove: true`)"),
        ("server: sandbox", "server: test", "overlay.yaml:10:17: there is no server `test`"),
        ("idempotent: true", "idempotent: FILL-IN", "`idempotent` must be true or false"),
    ] {
        assert!(overlay.contains(right), "{right}");
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let changed = overlay.replacen(right, wrong, 1);
        let of_document = sources.add_text("openapi.yaml", None, document.as_str().into());
        let of_overlay = sources.add_text("overlay.yaml", None, changed.as_str().into());
        let provider = openapi::read_overlaid((&document, of_document), (&changed, of_overlay), &mut diagnostics);
        let messages: Vec<String> = diagnostics
            .sorted()
            .iter()
            .map(|finding| {
                format!("{}: {}", finding.span.map(|span| sources.place(span)).unwrap_or_default(), finding.what)
            })
            .collect();
        assert!(provider.is_none() && messages.iter().any(|line| line.contains(expected)), "{expected}: {messages:#?}");
    }
}

#[test]
fn a_megabyte_with_one_usable_operation_is_taken() {
    let small = std::fs::read_to_string("tests/data/documents/good/small.yaml").unwrap();
    let mut text = small.replace("components:\n", "COMPONENTS");
    let (paths, components) = text.split_once("COMPONENTS").unwrap();
    let mut others = String::new();
    for number in 0..4000 {
        write!(
            others,
            "  /things/{number}:\n    trace: {{}}\n    servers: [{{url: x}}]\n    post:\n      operationId: Make_{number}\n      security: [{{}}]\n      requestBody: {{content: {{multipart/mixed: {{schema: {{anyOf: [{{type: object}}, {{not: {{}}}}]}}}}}}}}\n      responses: {{default: {{$ref: '#/nowhere'}}}}\n"
        )
        .unwrap();
    }
    text = format!("{paths}{others}components:\n  pathItems: {{}}\n{components}");
    assert!(text.len() > 1_000_000, "{}", text.len());
    let (provider, messages) = read("large.yaml", &text);
    assert_eq!(messages, [] as [String; 0]);
    assert_eq!(provider.unwrap().operations.len(), 2);
}

#[test]
fn the_draft_of_an_overlay_leaves_what_nobody_can_tell_to_be_filled_in() {
    let document = std::fs::read_to_string("tests/data/documents/overlay/openapi.yaml").unwrap();
    let mut sources = SourceMap::default();
    let source = sources.add_text("openapi.yaml", None, document.as_str().into());
    let draft = openapi::draft(&document, source, "openapi.yaml", "revokeCertificate").unwrap();
    // The check finds each place; filled in, it passes.
    let of_draft = sources.add_text("draft.yaml", None, draft.as_str().into());
    assert_eq!(openapi::extends(&draft, of_draft).as_deref(), Some("openapi.yaml"));
    let mut diagnostics = Diagnostics::default();
    assert!(openapi::read_overlaid((&document, source), (&draft, of_draft), &mut diagnostics).is_none());
    let filled = draft
        .replacen("id: FILL-IN", "id: vendor", 1)
        .replacen("server: FILL-IN", "server: production", 1)
        .replacen("rate: [FILL-IN]", "rate: [10/1s]", 1)
        .replacen("{credential: FILL-IN}", "{credential: VENDOR_KEY}", 1)
        .replacen("idempotent: FILL-IN", "idempotent: true", 1)
        .replacen("FILL-IN: \"OTHER\"", "unspecified: \"OTHER\"", 1)
        .replacen("{FILL-IN: FILL-IN}", "{certificateId: c-1, reason: OTHER}", 1)
        .replacen(
            "path: FILL-IN  # the check says what is sent",
            "path: /certificates/c-1/revoke\n            body: {reason: OTHER}",
            1,
        );
    let of_filled = sources.add_text("filled.yaml", None, filled.as_str().into());
    let mut diagnostics = Diagnostics::default();
    let provider = openapi::read_overlaid((&document, source), (&filled, of_filled), &mut diagnostics);
    let provider = provider.unwrap_or_else(|| panic!("{:#?}\n{filled}", diagnostics.sorted()));
    assert_eq!(samples::run(&provider), []);
    assert!(provider.operation("revoke-certificate").is_some());
    let wrong = openapi::draft(&document, source, "openapi.yaml", "revokeCertificat").unwrap_err();
    assert_eq!(wrong, "the document has no operation `revokeCertificat`; did you mean `revokeCertificate`?");
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
        ("is: done}]", "is: pending}]", "answer 1 (200) tells done, not pending"),
        ("is: done}]", "reference: x, is: done}]", "gives the reference none, not x"),
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
    let cuts = usize::try_from(scaled(LEAST_CUTS)).unwrap().min(MOST_CUTS);
    let spoil = |document: &String| {
        // Cut short: what is left is YAML often enough, and a provider never but at the very end.
        for end in (0..document.len()).step_by(document.len() / cuts).filter(|end| document.is_char_boundary(*end)) {
            read("cut.yaml", &document[..end]);
        }
        let lines: Vec<&str> = document.lines().collect();
        for index in (0..lines.len()).step_by(lines.len().div_ceil(cuts)) {
            for other in ["", "x: [", "x-certsweep: 1", "  - {}", "$ref: '#/components'", "\t- é\u{0}", "- null"] {
                let mut changed = lines.clone();
                let indented =
                    format!("{}{other}", &lines[index][..lines[index].len() - lines[index].trim_start().len()]);
                changed[index] = &indented;
                read("changed.yaml", &changed.join("\n"));
            }
        }
    };
    std::thread::scope(|scope| {
        for document in &documents {
            scope.spawn(|| spoil(document));
        }
    });
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
    let mut expected: Vec<String> = built_in().iter().map(|provider| provider.id.clone()).collect();
    expected.push("in-house".to_owned());
    expected.sort();
    assert_eq!(ids, expected);
    assert_eq!(catalog.nearest("digcert"), Some("digicert"));
    assert!(catalog.get("in-house").is_some() && catalog.get("nobody").is_none());
    let codes: Vec<&str> = diagnostics.sorted().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["provider-replaced", "provider-twice", "provider-directory", "wrong-value"]);
}

/// A defect may show itself in a second place, but not all over the document.
const MAX_FINDINGS: usize = 4;
/// Places at which each document is cut, and lines that are replaced, at the smallest scale.
const LEAST_CUTS: u64 = 8;
/// So many are enough.
const MOST_CUTS: usize = 30;
