//! The ready plans: each is read, previewed and carried out against the simulator, by the program as people use it.

use crate::support::side_by_side;
use certsweep::diag::{Diagnostics, Severity};
use certsweep::plan::{Action, CsvOptions, Input, Request, check};
use certsweep::provider::Catalog;
use certsweep::run::Event;
use certsweep::text::SourceMap;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "../../examples/library.rs"]
#[allow(dead_code, reason = "its `main` is the example's own")]
mod library;
#[path = "../../examples/run.rs"]
#[allow(dead_code, reason = "its `main` is the example's own")]
mod run;

/// A ready plan, and what a rehearsal of it comes to.
struct Ready {
    file: &'static str,
    warnings: usize,
    outcomes: &'static [(&'static str, usize)],
}

const READY: [Ready; 14] = [
    Ready { file: "acme-replacement.yaml", warnings: 0, outcomes: &[("succeeded", 4)] },
    Ready { file: "digicert-reissue-campaign.yaml", warnings: 0, outcomes: &[("succeeded", 18)] },
    Ready { file: "drill.yaml", warnings: 1, outcomes: &[("succeeded", 302)] },
    Ready { file: "in-house.yaml", warnings: 0, outcomes: &[("succeeded", 3)] },
    Ready { file: "inventory.yaml", warnings: 0, outcomes: &[("succeeded", 3)] },
    Ready { file: "key-compromise.yaml", warnings: 1, outcomes: &[("pending-approval", 2), ("succeeded", 28)] },
    Ready { file: "leaked-key.yaml", warnings: 0, outcomes: &[("succeeded", 30)] },
    Ready { file: "leave-private-ca.yaml", warnings: 0, outcomes: &[("succeeded", 24)] },
    Ready { file: "lets-encrypt.yaml", warnings: 0, outcomes: &[("succeeded", 2)] },
    Ready { file: "mass-revocation.yaml", warnings: 0, outcomes: &[("succeeded", 14)] },
    Ready { file: "order-clean-up.yaml", warnings: 0, outcomes: &[("pending-approval", 6)] },
    Ready { file: "renewal-season.yaml", warnings: 0, outcomes: &[("succeeded", 8)] },
    Ready { file: "scheduled-reissue.yaml", warnings: 0, outcomes: &[("succeeded", 1)] },
    Ready { file: "vault-renewal.yaml", warnings: 0, outcomes: &[("succeeded", 2)] },
];

#[test]
fn every_ready_plan_is_in_the_table() {
    let mut found: Vec<String> = std::fs::read_dir(root().join("plans"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    found.sort();
    assert_eq!(found, READY.map(|ready| ready.file));
}

#[test]
fn ready_plans_are_without_errors() {
    for ready in &READY {
        let (actions, warnings) = checked(ready.file);
        assert_eq!(actions.len(), ready.outcomes.iter().map(|(_, count)| count).sum::<usize>(), "{}", ready.file);
        assert_eq!(warnings, ready.warnings, "{}", ready.file);
    }
}

/// Editors find the schema beside the plans. It knows the document of `examples`, too; `CERTSWEEP_WRITE_DOCS=1` writes it anew.
#[test]
fn editors_complete_ready_plans_by_the_schema_beside_them() {
    let (mut sources, mut findings) = (SourceMap::default(), Diagnostics::default());
    let catalog = Catalog::load(&[root().join("examples")], &mut sources, &mut findings);
    let schema = certsweep::plan::schema(&catalog);
    let (path, text) = (root().join("plans/plan.schema.json"), serde_json::to_string(&schema).unwrap() + "\n");
    if std::env::var_os("CERTSWEEP_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "plans/plan.schema.json is not the schema; CERTSWEEP_WRITE_DOCS=1 writes it anew");
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for ready in &READY {
        let text = std::fs::read_to_string(root().join("plans").join(ready.file)).unwrap();
        assert_eq!(text.lines().next(), Some("# yaml-language-server: $schema=plan.schema.json"), "{}", ready.file);
        let plan: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        if let Some(error) = validator.iter_errors(&plan).next() {
            panic!("{}: {} at {}", ready.file, error, error.instance_path());
        }
    }
}

#[test]
fn the_key_compromise_uses_every_operation_that_changes_something() {
    let (actions, _) = checked("key-compromise.yaml");
    let mut operations: Vec<&str> = actions.iter().map(|action| action.operation.as_str()).collect();
    operations.sort_unstable();
    operations.dedup();
    assert_eq!(operations, ["reissue", "revoke", "revoke-ca", "revoke-order"]);
    // `revoke` is both DigiCert's and NAVER's.
    assert!(
        actions.iter().any(|action| action.operation == "revoke" && action.parameters.contains_key("certificateNo"))
    );
    assert!(
        actions.iter().any(|action| action.operation == "revoke" && action.parameters.contains_key("certificate_id"))
    );
}

#[test]
fn ready_plans_preview_and_simulate() {
    let place = tempfile::tempdir().unwrap();
    for folder in ["plans", "examples"] {
        std::fs::create_dir(place.path().join(folder)).unwrap();
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let from = entry.unwrap().path();
            // No ready plan names what the guide to an own provider has in a directory of its own.
            if from.is_dir() {
                continue;
            }
            let to = place.path().join(folder).join(from.file_name().unwrap());
            let text = std::fs::read_to_string(from).unwrap();
            // The plans' own rates are for people who share an account; a test does not wait for them.
            let lines =
                text.lines().map(|line| if line.starts_with("    rate: ") { "    rate: [1000/1s]" } else { line });
            std::fs::write(to, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        }
    }
    side_by_side(&READY, |ready| rehearse(place.path(), ready));
    let kept = std::fs::read_to_string(place.path().join("run-of-key-compromise.yaml.csv")).unwrap();
    assert!(kept.starts_with("action_id,provider,operation,target,reason,"), "{kept}");
}

/// Previews a ready plan, carries it out against the simulator, and previews what its run directory tells of it.
fn rehearse(place: &Path, ready: &Ready) {
    let plan = format!("plans/{}", ready.file);
    let dir = format!("run-of-{}", ready.file);
    let (planned, report) = (format!("{dir}.planned.csv"), format!("{dir}.csv"));
    let lefts = [format!("{dir}.left"), format!("{dir}.left.yaml")];
    let preview = certsweep(place, &["preview", &plan, "--json", "--report", &planned]);
    assert_eq!(preview.status.code(), Some(0), "{plan}: {preview:?}");
    let preview: serde_json::Value = serde_json::from_slice(&preview.stdout).unwrap();
    assert_eq!(preview["digest"].as_str().map(str::len), Some(64), "{plan}: {preview}");
    let actions = ready.outcomes.iter().map(|(_, count)| count).sum();
    assert_eq!(outcomes(&place.join(&planned)), [("planned".to_owned(), actions)], "{plan}");

    let run = certsweep(place, &["run", &plan, "--simulate", "--report", &report, "--run-dir", &dir]);
    assert_eq!(run.status.code(), Some(0), "{plan}: {run:?}");
    // All of it, once more, from the run directory alone: where a name says what it is, and where only the text does.
    let written = certsweep(place, &["report", &dir, "--format", "plan"]);
    std::fs::write(place.join(&lefts[0]), &written.stdout).unwrap();
    certsweep(place, &["report", &dir, "--format", "plan", "-o", &lefts[1]]);
    for left in &lefts {
        let again = certsweep(place, &["preview", left, "--json"]);
        assert_eq!(again.status.code(), Some(0), "{plan}: {again:?}");
        let again: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
        for what in ["plan", "actions", "counts", "wide_effects"] {
            let of = |preview: &serde_json::Value| match what {
                // Of what has no reach of its own the source is another.
                "wide_effects" => preview[what]["count"].clone(),
                "plan" if *left == lefts[0] => serde_json::Value::Null,
                _ => preview[what].clone(),
            };
            assert_eq!(of(&again), of(&preview), "{plan}: {what} of {left}");
        }
    }
    let expected: Vec<(String, usize)> =
        ready.outcomes.iter().map(|(outcome, count)| ((*outcome).to_owned(), *count)).collect();
    assert_eq!(outcomes(&place.join(&report)), expected, "{plan}");
}

#[test]
fn the_campaign_brings_new_certificates_and_the_old_ones_are_seen_revoked() {
    let place = tempfile::tempdir().unwrap();
    let copy = |folder: &str| {
        std::fs::create_dir(place.path().join(folder)).unwrap();
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let from = entry.unwrap().path();
            if from.is_dir() {
                continue;
            }
            std::fs::copy(&from, place.path().join(folder).join(from.file_name().unwrap())).unwrap();
        }
    };
    copy("plans");
    copy("examples");
    // As it stands, and with an approver's account in the place of an administrator's key.
    let text = std::fs::read_to_string(place.path().join("plans/digicert-reissue-campaign.yaml")).unwrap();
    let (alone, approve) = (
        ", skip_approval: true}",
        "{action: approve, provider: digicert-approver, request_id: $steps.revoke.outputs.reference}",
    );
    assert!(text.contains(alone) && text.contains(approve));
    let approved = text.replace(alone, &format!("}}\n      - {approve}\n      - {{wait: approved, within: 1h}}"));
    let approved = format!("providers: {{digicert-approver: {{uses: digicert}}}}\n{approved}");
    std::fs::write(place.path().join("plans/approved.yaml"), approved).unwrap();
    side_by_side([("digicert-reissue-campaign", 18), ("approved", 30)], |(plan, actions)| {
        let file = format!("plans/{plan}.yaml");
        let report = format!("{plan}.csv");
        let run = certsweep(place.path(), &["run", &file, "--simulate", "--report", &report, "--run-dir", plan]);
        assert_eq!(run.status.code(), Some(0), "{plan}: {run:?}");
        assert_eq!(outcomes(&place.path().join(report)), [("succeeded".to_owned(), actions)], "{plan}");
        let certificates = std::fs::read_dir(place.path().join(plan).join("certificates")).unwrap().count();
        assert_eq!(certificates, 6, "{plan}");
        let verified = certsweep(place.path(), &["verify", plan]);
        assert_eq!(verified.status.code(), Some(0), "{plan}: {verified:?}");
    });
}

#[test]
fn the_example_of_the_library_counts_and_finds() {
    let counted = library::count(root().join("plans/key-compromise.yaml")).unwrap();
    assert!(counted.contains("1  huawei revoke-ca") && counted.contains("30  in all; digest "), "{counted}");
    let found = library::count(root().join("tests/data/plans/bad/conflict.yaml")).unwrap_err();
    assert!(found.contains("conflict.yaml:"), "{found}");
}

#[test]
fn the_example_of_the_library_carries_a_plan_out_and_follows_it() {
    let place = tempfile::tempdir().unwrap();
    let (plan, run_dir) = (place.path().join("plan.yaml"), place.path().join("run"));
    let text = "version: 1\nsafety: {canary: 1}\nactions:\n  \
        - {provider: digicert, action: revoke, certificate_id: 11, reason: keyCompromise, skip_approval: true}\n  \
        - {provider: digicert, action: revoke-order, order_id: 12, comments: INC-42}\n  \
        - {provider: naver, action: revoke, orderId: \"13\", certificateNo: 14, reason: superseded}\n";
    std::fs::write(&plan, text).unwrap();
    let mut ended = BTreeMap::new();
    let counts = run::carry_out(plan, &run_dir, &mut |event| {
        if let Event::ActionEnded { outcome, .. } = event {
            *ended.entry(outcome).or_default() += 1_u64;
        }
    });
    assert_eq!(counts.unwrap().outcomes, ended);
    let expected = [("pending-approval".to_owned(), 1), ("succeeded".to_owned(), 2)];
    assert_eq!(outcomes(&run_dir.join("report.rehearsal.csv")), expected);
    // The program takes it for any other run.
    let status = certsweep(place.path(), &["status", run_dir.to_str().unwrap(), "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["state"], &status["actions"]), (&"finished".into(), &3.into()), "{status}");

    let found =
        run::carry_out(root().join("tests/data/plans/bad/conflict.yaml"), &place.path().join("none"), &mut drop);
    assert!(found.unwrap_err().to_string().contains("conflict.yaml:"));
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2, "a plan with errors leaves nothing");
}

#[test]
fn an_inventory_keeps_its_columns() {
    let (actions, _) = checked("inventory.yaml");
    let kept: Vec<&[String]> = actions.iter().map(|action| action.kept.as_slice()).collect();
    assert_eq!(kept, [["Web team", "INC-42"], ["Mail team", "INC-42"], ["Build team", "INC-42"]]);
}

/// Reads a ready plan by the library; its actions, and how many warnings there were.
fn checked(file: &str) -> (Vec<Action>, usize) {
    let mut sources = SourceMap::default();
    let mut findings = Diagnostics::default();
    let catalog = Catalog::load(&[root().join("examples")], &mut sources, &mut findings);
    let request = Request {
        plan: Input::Path(root().join("plans").join(file)),
        settings: None,
        catalog: &catalog,
        columns: CsvOptions::default(),
        now: Timestamp::UNIX_EPOCH,
    };
    let mut actions = Vec::new();
    let (plan, more) = check(&request, &mut sources, &mut |action| actions.push(action.clone()));
    findings.extend(more);
    assert!(plan.is_some(), "{file}: {findings:#?}");
    (actions, findings.count(Severity::Warning))
}

fn certsweep(place: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_certsweep"))
        .args(arguments)
        .args(["--provider-dir", "examples", "--quiet"])
        .current_dir(place)
        .env_clear()
        .output()
        .unwrap()
}

/// How many rows of a report have which outcome, by outcome.
fn outcomes(report: &Path) -> Vec<(String, usize)> {
    let mut reader = csv::Reader::from_path(report).unwrap();
    let column = reader.headers().unwrap().iter().position(|name| name == "outcome").unwrap();
    let mut counts = BTreeMap::new();
    for row in reader.records() {
        *counts.entry(row.unwrap()[column].to_owned()).or_default() += 1;
    }
    counts.into_iter().collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}
