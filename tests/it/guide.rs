//! The guide to a CA of one's own (docs/your-own-ca.md), carried out as it is written; and what large documents and others than OpenAPI 3 are told.

use super::place::{BINARY, Place, finish};
use std::fmt::Write as _;
use std::path::Path;

const GUIDE: &str = include_str!("../../docs/your-own-ca.md");
const DOCUMENT: &str = include_str!("../../examples/your-own-ca/openapi.yaml");

#[test]
fn the_guide_works_as_it_is_written() {
    let place = Place::bare();
    place.file("providers/openapi.yaml", DOCUMENT);
    let path = format!("{}:{}", Path::new(BINARY).parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut commands = 0;
    for (info, text) in fences() {
        match info.split_once(' ') {
            Some((_, name)) => {
                if name.ends_with("my-ca.yaml") {
                    of_the_draft(&place, name);
                }
                place.file(name, text);
            }
            None => {
                assert_eq!(info, "sh", "a block is a file with its name, or commands");
                for line in text.lines() {
                    finish(place.command("sh", &["-c", line]).env("PATH", &path).spawn().unwrap()).exits(0);
                    commands += 1;
                }
            }
        }
    }
    assert_eq!(commands, 6);
    let rows = super::place::rows(&place.read("rehearsal/report.rehearsal.csv"));
    let told: Vec<[&str; 3]> =
        rows.iter().map(|row| ["target", "outcome", "reason_sent"].map(|column| &*row[column])).collect();
    assert_eq!(told, [["0a1b2c", "succeeded", "KEY_COMPROMISE"], ["0a1b2d", "succeeded", "KEY_COMPROMISE"]]);
}

/// The draft tells what the document can tell, and the check finds each place that it cannot.
fn of_the_draft(place: &Place, name: &str) {
    let draft = place.read(name);
    for words in [
        "id: FILL-IN",
        "environment: {token: FILL-IN}",
        "idempotent: FILL-IN",
        "keyCompromise: \"KEY_COMPROMISE\"",
        "target: {kind: certificate, parameters: [\"serial\"]}",
        "#   - operation: get-certificate",
    ] {
        assert!(draft.contains(words), "{words}:\n{draft}");
    }
    let checked = place.certsweep(&["providers", "check", name]).exits(2);
    for line in ["my-ca.yaml:10:", "my-ca.yaml:11:", "my-ca.yaml:12:"] {
        assert!(checked.err.contains(line), "{line}: {}", checked.err);
    }
}

/// Code blocks that say what they are: `sh`, or a language and a file's name.
fn fences() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut lines = GUIDE.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            all.push((info.to_owned(), text.join("\n") + "\n"));
        }
    }
    all
}

#[test]
fn a_document_of_a_megabyte_with_one_usable_operation_gets_clear_lines() {
    let place = Place::bare();
    let with = |count| {
        let mut others = String::from("paths:\n");
        for number in 0..count {
            write!(
            others,
            "  /things/{number}:\n    put:\n      responses: {{default: {{$ref: '#/nowhere'}}}}\n    post:\n      operationId: make_{number}\n      \
             requestBody:\n        required: true\n        content:\n          application/json:\n            schema: {{anyOf: [{{type: object}}, {{not: {{}}}}]}}\n      \
             responses: {{'200': {{description: done}}, default: {{$ref: '#/nowhere'}}}}\n"
        )
        .unwrap();
        }
        DOCUMENT.replacen("paths:\n", &others, 1)
    };
    let large = with(4000);
    assert!(large.len() > 1_000_000, "{}", large.len());
    place.file("large.yaml", large);
    // The words are those of a small one, which is read sooner.
    place.file("small.yaml", with(24));
    let new_of =
        |document: &str, operation: &str| place.certsweep(&["providers", "new", document, "--operation", operation]);
    let new = |operation: &str| new_of("small.yaml", operation);
    let draft = new_of("large.yaml", "revokeCertificate").exits(0).out;
    assert!(draft.len() < 4000 && draft.contains("keyCompromise: \"KEY_COMPROMISE\""), "{draft}");
    new("revokeCertificates").exits(2).says(&["no operation `revokeCertificates`; did you mean `revokeCertificate`?"]);
    new("nothing like it").exits(2).says(&["it has make_0, make_1,", "make_19, and 8 more"]);
    // One without an `operationId`, by its place; and one that is not there.
    assert!(new("PUT /things/7").exits(0).out.contains("operationId: FILL-IN"));
    new("DELETE /things/7").exits(2).says(&["no operation `DELETE /things/7`"]);
    // The guide's overlay serves here, too.
    let overlay = fences().into_iter().find(|(info, _)| info.ends_with("my-ca.yaml")).unwrap().1;
    place.file("my-ca.yaml", overlay.replace("openapi.yaml", "large.yaml"));
    let checked = place.certsweep(&["providers", "check", "my-ca.yaml"]).exits(0).out;
    assert_eq!(checked, "my-ca.yaml: ok: my-ca (revoke), 3 samples hold\n");
    // An operation that is not usable: each thing at its place in the document, not thousands of others.
    let unusable = new_of("large.yaml", "make_7").exits(0).out;
    place.file("unusable.yaml", unusable.replace("id: FILL-IN", "id: x"));
    let told = place.certsweep(&["providers", "check", "unusable.yaml"]).exits(2).err;
    assert!(told.contains("anyOf") && told.contains("large.yaml:"), "{told}");
    assert!(told.matches("error[").count() < 12, "{told}");
}

#[test]
fn what_is_no_openapi_3_is_told() {
    let place = Place::bare();
    place.file("swagger.json", r#"{"swagger": "2.0", "info": {"title": "x", "version": "1"}, "paths": {}}"#);
    place.file("bare.yaml", "openapi: 3.0.0\npaths: {/revoke: {post: {}}}\n");
    let new = |file: &str, operation: &str| place.certsweep(&["providers", "new", file, "--operation", operation]);
    new("swagger.json", "revoke")
        .exits(2)
        .says(&["swagger.json: it is of Swagger 2.0, and OpenAPI 3.0 or 3.1 is needed"]);
    new("bare.yaml", "revoke")
        .exits(2)
        .says(&["`operationId`; name it by method and path: `--operation \"POST /revoke\"`"]);
    new("bare.yaml", "post /revoke").exits(0);
}
