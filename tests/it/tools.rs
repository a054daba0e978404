//! What there is beside runs: provider documents, the schema, completions, the simulator on its own, and runs against it.

use super::mock::{Mock, json};
use super::place::{BINARY, CA, Place, finish, reissue, signal};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn providers_are_listed_and_shown_as_json() {
    let place = Place::bare();
    for args in [&["providers"][..], &["providers", "list"], &["providers", "show", "naver"]] {
        place.certsweep(&[args, &["--json"]].concat()).exits(0).json();
    }
    let list = |args: &[&str]| place.certsweep(args).exits(0).out;
    assert_eq!(list(&["providers"]), list(&["providers", "list"]));
    place.certsweep(&["providers", "show", "digicerd"]).exits(2).says(&["digicert"]);
}

#[test]
fn a_directory_of_documents_may_hold_plans_and_other_files_too() {
    let place = Place::bare();
    place.file("mine.yaml", std::fs::read_to_string(repository("examples/in-house-ca.yaml")).unwrap());
    place.file("compose.yml", "services:\n  web: {image: nginx}\n");
    place.file("settings.yaml", "providers:\n  in-house: {rate: [5/1s]}\n");
    let action = "  - {provider: in-house, action: revoke, serial: e5, reason: keyCompromise}\n";
    place.file("plan.yaml", format!("version: 1\nactions:\n{action}"));
    place.certsweep(&["check", "plan.yaml", "--settings", "settings.yaml", "--provider-dir", "."]).exits(0);
    // What may be meant as a document is told of.
    place.file("other.yaml", "openapi: 3.1.0\ninfo: {}\n");
    place.certsweep(&["check", "plan.yaml", "--provider-dir", "."]).exits(2).says(&["other.yaml:"]);
}

#[test]
fn a_sample_may_call_a_parameter_as_plans_do() {
    let place = Place::bare();
    let example = std::fs::read_to_string(repository("examples/in-house-ca.yaml")).unwrap();
    let named = example
        .replace("        idempotent: true", "        aliases: {certificate_id: serial}\n        idempotent: true");
    let named = named.replace("parameters: {serial: e5, cause", "parameters: {certificate_id: e5, cause");
    assert!(named.contains("{certificate_id: e5"));
    place.file("mine.yaml", named);
    place.certsweep(&["providers", "check", "mine.yaml"]).exits(0);
}

#[test]
fn documents_are_checked_with_their_samples() {
    let place = Place::bare();
    for name in ["naver", "digicert", "huawei"] {
        let path = repository(&format!("src/provider/documents/{name}.yaml"));
        place.certsweep(&["providers", "check", path.to_str().unwrap()]).exits(0);
    }
    let example = std::fs::read_to_string(repository("examples/in-house-ca.yaml")).unwrap();
    place.file("mine.yaml", &example);
    place.certsweep(&["providers", "check", "mine.yaml"]).exits(0);
    for (from, to, words) in [
        ("openapi: 3.1.0", "openapi: 2.0.0", "mine.yaml:5"),
        ("idempotent: true", "idempotent: sometimes", "mine.yaml:"),
        ("means: succeeded", "means: suceeded", "succeeded"),
    ] {
        assert!(example.contains(from));
        place.file("mine.yaml", example.replacen(from, to, 1));
        place.certsweep(&["providers", "check", "mine.yaml"]).exits(2).says(&[words]);
    }
}

#[test]
fn a_provider_of_ones_own_is_one_file_away() {
    for by_environment in [false, true] {
        let mut place = Place::bare();
        place.set("IN_HOUSE_CA_TOKEN", "in-house-token-1");
        std::fs::create_dir(place.path("documents")).unwrap();
        std::fs::copy(repository("examples/in-house-ca.yaml"), place.path("documents/in-house-ca.yaml")).unwrap();
        let mock = Mock::start(|seen, nth| match (seen.target.contains("/0a/"), nth) {
            (true, 0) => json(503, r#"{"code":"maintenance","detail":"back soon"}"#).with("Retry-After", "1"),
            (true, _) => json(200, r#"{"state":"revoked"}"#),
            _ => json(409, r#"{"code":"already_revoked","detail":"was so"}"#),
        });
        place.file(
            "plan.yaml",
            format!(
                "version: 1\nretry: {{attempts: 1}}\nproviders: {{in-house: {{base_url: \"{}/api/v1\"}}}}\ndefaults: {{provider: in-house, reason: keyCompromise}}\nactions:\n  - {{action: revoke, serial: 0a}}\n  - {{action: revoke, serial: 0b}}\n",
                mock.url()
            ),
        );
        place.certsweep(&["check", "plan.yaml"]).exits(2).says(&["in-house"]);
        let dir: &[&str] = if by_environment { &[] } else { &["--provider-dir", "documents"] };
        if by_environment {
            place.set("CERTSWEEP_PROVIDERS", "documents");
        }
        assert!(place.certsweep(&[&["providers"][..], dir].concat()).exits(0).out.contains("in-house"));
        place.certsweep(&[&["run", "plan.yaml", "--yes", "--run-dir", "run"][..], dir].concat()).exits(0);
        assert_eq!(
            place.outcomes().iter().map(|(_, outcome)| outcome.as_str()).collect::<Vec<_>>(),
            ["succeeded", "already-done"]
        );
        let seen = mock.seen();
        assert_eq!(seen[0].text(), r#"{"cause":"key"}"#);
        assert_eq!(mock.count("/0a/revoke"), 2, "a 503 with Retry-After costs no attempt");
    }
}

#[test]
fn the_schema_is_json_and_knows_the_operations() {
    let schema = Place::bare().certsweep(&["schema"]).exits(0);
    assert!(schema.json()["$schema"].as_str().is_some_and(|dialect| dialect.contains("json-schema.org")));
    for word in ["revoke-order", "certificateNo", "max_actions", "keyCompromise", "not_before"] {
        assert!(schema.out.contains(word), "{word}");
    }
}

/// What bash is offered at the end of a line, by the script that `completions bash` prints.
fn offered(place: &Place, words: &[&str]) -> Vec<String> {
    let line: Vec<&str> = ["--", "certsweep"].into_iter().chain(words.iter().copied()).collect();
    let mut command = place.command(BINARY, &line);
    command.env("COMPLETE", "bash").env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    let output = finish(command.spawn().unwrap()).exits(0).out;
    output.lines().map(str::trim_end).filter(|word| !word.starts_with('-')).map(str::to_owned).collect()
}

#[test]
fn shells_are_offered_runs_outcomes_accounts_and_open_actions() {
    let place = Place::bare();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.certsweep(&["completions", shell]).exits(0).out;
        assert!(script.contains("certsweep") && script.contains("COMPLETE"), "{shell}: {script}");
    }
    place.file("plan.yaml", everything());
    place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "runs/drill"]).exits(0);
    let expected: [(&[&str], &[&str]); 8] = [
        (&["set-"], &["set-rate"]),
        (&["resume", ""], &["drill"]),
        (&["resume", "runs/"], &["runs/drill"]),
        (&["resume", "drill", "--retry", "failed,i"], &["failed,in-doubt"]),
        (&["settle", "drill", "--as", "r"], &["rejected"]),
        (&["settle", "drill", "o"], &["one", "order"]),
        (&["set-rate", "drill", "d"], &["digicert="]),
        (&["providers", "show", "hu"], &["huawei", "huawei-scm"]),
    ];
    for (words, offers) in expected {
        assert_eq!(offered(&place, words), offers, "{words:?}");
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let place = Place::bare();
    place.certsweep(&["man", "share/man1"]).exits(0);
    let page = place.read("share/man1/certsweep-set-rate.1");
    assert!(page.starts_with(".ie") || page.contains(".TH certsweep-set-rate 1"), "{page}");
    assert!(place.read("share/man1/certsweep.1").contains("certsweep\\-resume(1)"));
    place.file("taken", "");
    let refused = place.certsweep(&["man", "taken"]).exits(4).err;
    assert!(refused.contains("taken"), "{refused}");
}

/// A plan for all five endpoints.
fn everything() -> String {
    "version: 1\nname: drill\nretry: {attempts: 12, max_delay: 50ms}\nproviders:\n  naver: {rate: [1000/1s]}\n  digicert: {rate: [1000/1s]}\n  huawei: {rate: [1000/1s]}\nactions:\n\
     \x20 - {id: one, provider: digicert, action: revoke, certificate_id: 1, reason: superseded}\n\
     \x20 - {id: order, provider: digicert, action: revoke-order, order_id: 55}\n\
     \x20 - {id: old, provider: naver, action: revoke, orderId: \"1\", certificateNo: 1, reason: superseded}\n"
        .to_owned()
        + &reissue("new", 55882)
        + &format!("  - {{id: ca, provider: huawei, action: revoke-ca, ca_id: {CA}, reason: keyCompromise, needs: [old]}}\n")
}

#[test]
fn a_simulated_run_needs_no_credentials_and_no_network() {
    let place = Place::bare();
    place.file("plan.yaml", everything());
    place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "run"]).exits(0);
    let outcomes: Vec<(String, String)> = place.outcomes();
    let expected = [
        ("one", "pending-approval"),
        ("order", "pending-approval"),
        ("old", "succeeded"),
        ("new", "succeeded"),
        ("ca", "succeeded"),
    ];
    assert_eq!(outcomes, expected.map(|(id, outcome)| (id.into(), outcome.into())));
    let json = place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "two", "--json"]).exits(0).json();
    assert_eq!(json["actions"], 5);
}

#[test]
fn a_simulated_run_comes_through_faults() {
    let place = Place::bare();
    let many: String =
        (1..=40).map(|id| format!("  - {{provider: digicert, action: revoke, certificate_id: {id}}}\n")).collect();
    place.file(
        "plan.yaml",
        everything().replace(", needs: [one, old]", "") + &many.replace("certificate_id: 1}", "certificate_id: 1000}"),
    );
    let faults = ["--fault", "digicert:reset=1/6", "--fault", "5xx=1/8,lost-answer=1/9", "--seed", "7"];
    let done = place.certsweep(&[&["run", "plan.yaml", "--simulate", "--run-dir", "run"][..], &faults].concat());
    assert!(matches!(done.code, 0 | 1), "{done:?}");
    let rows = place.rows();
    assert_eq!(rows.len(), 45);
    assert!(rows.iter().any(|row| row["attempts"] != "1"), "no fault struck");
    for row in rows.iter().filter(|row| row["operation"] != "reissue") {
        // DigiCert refuses what waits already, and without an order there is no state to read: only then a doubt remains.
        let outcomes = ["succeeded", "pending-approval", "already-done"];
        let doubt = row["outcome"] == "in-doubt" && row["provider"] == "digicert" && row["attempts"] != "1";
        assert!(doubt || outcomes.contains(&row["outcome"].as_str()), "{row:?}");
    }
    for args in [&["--fault", "nonsense=1"][..], &["--fault", "nobody:reset=1/2"]] {
        place.certsweep(&[&["run", "plan.yaml", "--simulate", "--run-dir", "bad"][..], args].concat()).exits(2);
        assert!(!place.path("bad").exists());
    }
    place.certsweep(&["run", "plan.yaml", "--yes", "--fault", "reset=1/2"]).exits(2);
}

#[test]
fn the_simulator_answers_on_its_own() {
    let mut place = Place::bare();
    let mut child = place.spawn(&["simulate", "--json"]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    let address = loop {
        assert!(out.read_line(&mut text).unwrap() > 0, "{text}");
        if let Ok(address) = serde_json::from_str::<serde_json::Value>(&text) {
            break address;
        }
    };
    let authority = address["address"].as_str().unwrap();
    assert!(authority.starts_with("127.0.0.1:"));
    let mut plan = "version: 1\nproviders:\n".to_owned();
    for provider in address["providers"].as_array().unwrap() {
        plan.push_str(&format!(
            "  {}: {{base_url: {}}}\n",
            provider["provider"].as_str().unwrap(),
            provider["base_url"]
        ));
        for (name, value) in provider["environment"].as_object().unwrap() {
            place.set(name, value.as_str().unwrap());
        }
    }
    let actions = everything();
    let actions = &actions[actions.find("actions:").unwrap()..];
    place.run(&(plan.clone() + actions)).exits(0);
    // Without a signature nothing is done.
    let base =
        address["providers"].as_array().unwrap().iter().find(|provider| provider["provider"] == "naver").unwrap();
    let path = base["base_url"].as_str().unwrap().split_once(authority).unwrap().1;
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(
        stream,
        "GET {path}/certificate/getPaidCertificates HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    signal(&child, "INT");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    finish(child).exits(0);
    serde_json::from_str::<serde_json::Value>(&rest).unwrap();
}

#[test]
fn a_run_goes_on_under_the_documents_that_it_began_with_alone() {
    let mut place = Place::bare();
    place.set("IN_HOUSE_CA_TOKEN", "in-house-token-1");
    let document = std::fs::read_to_string(repository("examples/in-house-ca.yaml")).unwrap();
    place.file("documents/in-house-ca.yaml", &document);
    let mock = Mock::start(|_, nth| if nth == 0 { json(401, "{}") } else { json(200, r#"{"state":"revoked"}"#) });
    place.file(
        "plan.yaml",
        format!(
            "version: 1\nproviders: {{in-house: {{base_url: \"{}\"}}}}\nactions: [{{provider: in-house, action: revoke, serial: 0a, reason: superseded}}]\n",
            mock.url()
        ),
    );
    let dir = ["--provider-dir", "documents"];
    let digest =
        || place.certsweep(&[&["preview", "plan.yaml", "--json"][..], &dir].concat()).exits(0).json()["digest"].clone();
    let before = digest();
    place.certsweep(&[&["run", "plan.yaml", "--yes", "--run-dir", "run"][..], &dir].concat()).exits(4);
    let changed = document.replace("replaced", "replaced_by_another");
    place.file("documents/in-house-ca.yaml", changed);
    assert_ne!(digest(), before, "what would be sent is another thing");
    place.certsweep(&["resume", "run", "--yes"]).exits(0).says(&["the run goes on with its own copy"]);
    assert_eq!(mock.seen().len(), 2);
}

#[test]
fn a_simulated_run_can_be_resumed_and_is_no_real_one() {
    let place = Place::bare();
    place
        .file("plan.yaml", everything().replace("actions:", "safety: {canary: 1, stop_when: {failures: 1}}\nactions:"));
    let done = place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "run", "--fault", "html=1/1"]);
    done.exits(3);
    place.certsweep(&["resume", "run", "--retry", "in-doubt,failed,rejected"]);
    let rows = place.rows();
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().filter(|row| row["outcome"] == "succeeded").count() >= 1, "{rows:?}");
}

#[test]
fn a_port_that_is_taken_is_the_environments_fault() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    Place::bare().certsweep(&["simulate", "--port", &port]).exits(4).says(&[&port]);
}

#[test]
fn an_operation_of_anothers_document_becomes_an_action_by_a_drafted_overlay() {
    let place = Place::new();
    let document = std::fs::read_to_string("tests/data/documents/overlay/openapi.yaml").unwrap();
    place.file("documents/openapi.yaml", &document);
    let new = ["providers", "new", "documents/openapi.yaml", "--operation"];
    place
        .certsweep(&[&new[..], &["revokeCertificates"]].concat())
        .exits(2)
        .says(&["did you mean `revokeCertificate`?"]);
    let draft = place.certsweep(&[&new[..], &["revokeCertificate"]].concat()).exits(0).out;
    place.file("documents/vendor.yaml", &draft);
    // Nothing that must be filled in passes, and each place is told.
    let check = ["providers", "check", "documents/vendor.yaml"];
    place.certsweep(&check).exits(2).says(&["documents/vendor.yaml:", "`idempotent` must be true or false", "FILL-IN"]);
    place.file("documents/vendor.yaml", std::fs::read("tests/data/documents/overlay/vendor.yaml").unwrap());
    assert!(place.certsweep(&check).exits(0).out.contains("ok: vendor (revoke), 1 samples hold"));
    place.file(
        "plan.yaml",
        "version: 1\nactions: [{provider: vendor, action: revoke, certificateId: c-1, reason: superseded}]",
    );
    let run = ["run", "plan.yaml", "--yes", "--simulate", "--provider-dir", "documents", "--run-dir", "run"];
    place.certsweep(&run).exits(0);
}
