//! The provider documents of a run, from outside: it goes on with the copies in its run directory, whatever has become of the documents since.

use super::mock::{Mock, json};
use super::place::{Place, rows};
use std::path::{Path, PathBuf};

#[test]
fn a_run_goes_on_with_its_own_copies_of_the_documents() {
    let former = std::fs::read_to_string(data("v6/providers/in-house.yaml")).unwrap();
    let other = former.replace("operationId: revoke", "operationId: withdraw").replace("for: revoke", "for: withdraw");
    for (changed, told) in [
        (Some(other), "in-house: the provider document has changed since this run began (from its line 29 on)"),
        // Unreadable, and gone: the copy serves all the same.
        (Some("openapi: [".to_owned()), "in-house: the provider document is not there any more"),
        (None, "in-house: the provider document is not there any more"),
    ] {
        let (mut place, mock) = (
            Place::new(),
            Mock::start(|seen, nth| match (seen.method.as_str(), nth) {
                ("POST", 0) => json(401, "{}"),
                ("POST", _) => json(200, r#"{"state":"revoked"}"#),
                _ => json(200, r#"{"serial":"00e5","state":"revoked"}"#),
            }),
        );
        place.set("IN_HOUSE_CA_TOKEN", "a-token-of-the-ca");
        place.file("documents/in-house.yaml", &former);
        let url = mock.url();
        place.file(
            "plan.yaml",
            format!(
                "version: 1\nproviders: {{in-house: {{base_url: \"{url}\"}}}}\n\
                 actions: [{{provider: in-house, action: revoke, serial: 00e5, reason: superseded}}]\n"
            ),
        );
        let with = ["--provider-dir", "documents"];
        place.certsweep(&[&["run", "plan.yaml", "--yes", "--run-dir", "run"][..], &with].concat()).exits(4);
        match changed {
            Some(text) => drop(place.file("documents/in-house.yaml", text)),
            None => std::fs::remove_dir_all(place.path("documents")).unwrap(),
        }
        let resumed = place.certsweep(&["resume", "run", "--yes"]).exits(0).says(&[told]);
        assert_eq!(resumed.err.matches(told).count(), 1, "one line: {}", resumed.err);
        place.certsweep(&["verify", "run"]).exits(0).says(&[told]);
        let plan = place.certsweep(&["report", "run", "--format", "plan"]).exits(0).out;
        assert!(plan.contains("00e5"), "{plan}");
    }
}

#[test]
fn a_damaged_copy_is_none() {
    let place = kept("with-copies");
    let text = place.read("run/providers/digicert.yaml");
    place.file("run/providers/digicert.yaml", text.replace("20/1s", "2000/1s"));
    place.certsweep(&["resume", "run", "--yes"]).exits(2).says(&["no copy of it", "--use-original-inputs"]);
    // The built-in document knows no such operation.
    place
        .certsweep(&["resume", "run", "--yes", "--use-original-inputs"])
        .exits(2)
        .says(&["does not accept the action r", "withdraw"]);
}

/// The kept run was begun with another document of the id `digicert` than the built-in one.
#[test]
fn a_kept_run_goes_on_although_a_built_in_document_has_changed() {
    let place = kept("with-copies");
    place.certsweep(&["resume", "run", "--yes"]).exits(0).says(&["digicert: the provider document has changed"]);
    assert_eq!(succeeded(&place), 6);
}

/// Former versions made no copies.
#[test]
fn a_kept_run_without_copies_goes_on_with_the_present_document_where_the_user_says_so() {
    let place = kept("without-copies");
    // However the built-in document may change: this one is another than the run began with.
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/documents/digicert.yaml");
    place.file("own/digicert.yaml", std::fs::read_to_string(built_in).unwrap() + "# changed\n");
    let resume = ["resume", "run", "--yes", "--provider-dir", "own"];
    place.certsweep(&resume).exits(2).says(&["no copy of it", "--use-original-inputs"]);
    place
        .certsweep(&[&resume[..], &["--use-original-inputs"]].concat())
        .exits(0)
        .says(&["warning: the provider document `digicert` has changed", "the present one is used"]);
    assert_eq!(succeeded(&place), 6);
}

#[test]
fn what_is_wrong_with_documents_is_told_as_json_too() {
    let place = Place::bare();
    let good = std::fs::read_to_string(data("v6/providers/in-house.yaml")).unwrap();
    place.file("good.yaml", &good);
    place.file("bad.yaml", good.replace("idempotent:", "idempotentt:").replace("repeat:", "repeatt:"));
    place.file(
        "samples.yaml",
        good.replace(
            "means: already-done}\n              - {status: 409, body: {code: locked}",
            "means: rejected}\n              - {status: 409, body: {code: locked}",
        ),
    );
    let files = ["providers", "check", "--json", "good.yaml", "bad.yaml", "samples.yaml", "none.yaml"];
    let told = place.certsweep(&files).exits(2).json();
    let ok: Vec<_> = told.as_array().unwrap().iter().map(|one| one["ok"].as_bool().unwrap()).collect();
    assert_eq!(ok, [true, false, false, false], "{told:#}");
    assert_eq!((&told[0]["provider"], &told[0]["actions"][0]), (&"in-house".into(), &"revoke".into()));
    assert_eq!(told[1]["diagnostics"][0]["severity"], "error");
    assert_eq!(told[2]["failures"][0]["operation"], "revoke");
}

fn succeeded(place: &Place) -> usize {
    let report = place.certsweep(&["report", "run"]).exits(0).out;
    rows(&report).iter().filter(|row| row["outcome"] == "succeeded").count()
}

/// A kept run as `run`.
fn kept(name: &str) -> Place {
    let place = Place::new();
    let from = data(&format!("changed-document/{name}/run"));
    let mut directories = vec![from.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(&from).unwrap().to_str().unwrap();
                place.file(&format!("run/{name}"), std::fs::read(&path).unwrap());
            }
        }
    }
    place
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals").join(name)
}
