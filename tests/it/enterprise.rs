//! Sectigo, EJBCA and Keyfactor Command from outside: their plans in rehearsals, with answers that are lost; and what waits for a person, which is
//! not taken for refused.

use super::mock::{Mock, json};
use super::place::Place;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_rehearsal_plays_every_action_of_them() {
    let place = Place::bare();
    let csr = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/shop.csr");
    place.file("shop.csr", std::fs::read(csr).unwrap());
    place.file("plan.yaml", PLAN);
    place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "run"]).exits(0);
    let rows = place.rows();
    let told: Vec<[&str; 4]> =
        rows.iter().map(|row| ["target", "reason", "reason_sent", "outcome"].map(|column| &*row[column])).collect();
    assert_eq!(
        told,
        [
            ["CN=Sub CA,O=A/B/0A0B", "privilegeWithdrawn", "PRIVILEGES_WITHDRAWN", "succeeded"],
            ["ExampleCA/shop", "", "", "succeeded"],
            ["42", "superseded", "4", "succeeded"],
            ["123", "keyCompromise", "1", "succeeded"],
            ["0A0B0C", "superseded", "4", "succeeded"],
            ["124", "", "", "succeeded"],
        ]
    );
    // What was issued was fetched, and fits its request.
    for new in [&rows[1], &rows[5]] {
        assert!(place.read(&format!("run/{}", new["new_certificate"])).starts_with("-----BEGIN CERTIFICATE-----"));
    }
    let seen = place.certsweep(&["verify", "run", "--json"]).exits(0).json();
    assert_eq!((&seen["revoked"], &seen["actions"]), (&4.into(), &4.into()), "{seen:#}");
}

const PLAN: &str = r#"version: 1
actions:
  - {provider: ejbca, action: revoke, issuer: "CN=Sub CA,O=A/B", serial_number: "0a:0b", reason: privilegeWithdrawn}
  - {provider: ejbca, action: reissue, csr: "file:shop.csr", certificate_profile_name: SERVER, end_entity_profile_name: WebServers,
     certificate_authority_name: ExampleCA, username: shop, password: used-once}
  - {provider: keyfactor, action: revoke, certificate_id: 42, reason: superseded, comments: INC-42}
  - {provider: sectigo, action: revoke, ssl_id: 123, reason: keyCompromise, comments: INC-42}
  - {provider: sectigo, action: revoke-by-serial, serial_number: "0a:0b:0c", reason: superseded, comments: INC-42}
  - {provider: sectigo, action: reissue, ssl_id: 124, csr: "file:shop.csr", common_name: shop.example.com,
     dns_names: [www.shop.example.com], comments: INC-42}
"#;

#[test]
fn a_revocation_whose_answer_was_lost_is_settled_by_asking_again_or_by_its_state() {
    let place = Place::bare();
    let mut plan = "version: 1\nproviders: {sectigo: {rate: [1000/1s]}}\nretry: {attempts: 8, max_delay: 10ms}\n\
                    defaults: {action: revoke, reason: superseded, comments: INC-42}\nactions:\n"
        .to_owned();
    for number in 100..130 {
        for target in [
            format!("provider: ejbca, issuer: CN=Sub CA, serial_number: \"0a{number}\""),
            format!("provider: keyfactor, certificate_id: {number}"),
            format!("provider: sectigo, ssl_id: {number}"),
            format!("provider: sectigo, action: revoke-by-serial, serial_number: \"0a{number}\""),
        ] {
            writeln!(plan, "  - {{{target}}}").unwrap();
        }
    }
    place.file("plan.yaml", plan);
    let faults = ["--fault", "lost-answer=1/5", "--seed", "7"];
    let done = place.certsweep(&[&["run", "plan.yaml", "--simulate", "--run-dir", "run"][..], &faults].concat());
    // Answers to status queries are lost too, and they are asked a few times only.
    let settled = |row: &super::place::Row| {
        row["outcome"] == "succeeded" || row["provider_message"].contains("the status query failed")
    };
    let rows = place.rows();
    assert_eq!(rows.len(), 120);
    assert!(rows.iter().all(settled), "{:#?} {done:?}", rows.iter().find(|row| !settled(row)));
}

/// EJBCA tells of what waits for an approval that it is not revoked, and Keyfactor Command of what a workflow holds back that it is active.
#[test]
fn what_waits_for_a_person_stays_pending_until_it_is_done() {
    let granted = Arc::new(AtomicBool::new(false));
    let mock = Mock::start({
        let granted = Arc::clone(&granted);
        move |seen, _| {
            let granted = granted.load(Ordering::SeqCst);
            match (seen.method.as_str(), seen.target.as_str()) {
                ("PUT", _) => {
                    json(202, r#"{"status_code": 202, "info_message": "sent for approval", "request_id": 7}"#)
                }
                ("POST", _) => {
                    json(200, r#"{"RevokedIds": [], "SuspendedCerts": [{"CertId": 42, "WorkflowId": "w-1"}]}"#)
                }
                (_, target) if target.contains("/Certificates/") => json(
                    200,
                    if granted {
                        r#"{"Id": 42, "CertState": 2, "CertStateString": "Revoked"}"#
                    } else {
                        r#"{"Id": 42, "CertState": 1, "CertStateString": "Active"}"#
                    },
                ),
                _ => json(
                    200,
                    &format!(r#"{{"issuer_dn": "CN=Sub CA", "serial_number": "0A0B", "revoked": {granted}}}"#),
                ),
            }
        }
    });
    let mut place = Place::bare();
    let operator = rcgen::generate_simple_self_signed(vec!["operator".to_owned()]).unwrap();
    place.set("EJBCA_CLIENT_CERTIFICATE", &format!("{}{}", operator.cert.pem(), operator.signing_key.serialize_pem()));
    place.set("KEYFACTOR_TOKEN", "EXAMPLE-token");
    let url = mock.url();
    let plan = format!(
        "version: 1\nproviders:\n  ejbca: {{base_url: \"{url}\"}}\n  keyfactor: {{base_url: \"{url}\"}}\nactions:\n  \
         - {{provider: ejbca, action: revoke, issuer: CN=Sub CA, serial_number: 0a0b, reason: superseded}}\n  \
         - {{provider: keyfactor, action: revoke, certificate_id: 42, reason: superseded, comments: INC-42}}\n"
    );
    place.run(&plan).exits(0);
    let outcomes =
        || place.rows().iter().map(|row| (row["outcome"].clone(), row["provider_ref"].clone())).collect::<Vec<_>>();
    let both = |outcome: &str| ["7", "w-1"].map(|reference| (outcome.to_owned(), reference.to_owned()));
    assert_eq!(outcomes(), both("pending-approval"));
    place.certsweep(&["resume", "run", "--yes", "--retry", "pending"]).exits(0);
    assert_eq!(outcomes(), both("pending-approval"), "{:?}", mock.lines());
    granted.store(true, Ordering::SeqCst);
    place.certsweep(&["resume", "run", "--yes", "--retry", "pending"]).exits(0);
    assert_eq!(outcomes(), both("succeeded"), "{:?}", mock.lines());
}

#[test]
fn the_simulator_takes_the_certificate_of_a_client_and_no_other() {
    let place = Place::bare();
    let mut command = place.command(super::place::BINARY, &["simulate", "--json"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let started: serde_json::Value =
        serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter().next().unwrap().unwrap();
    let ejbca = started["providers"].as_array().unwrap().iter().find(|one| one["provider"] == "ejbca").unwrap();
    let variable = "EJBCA_CLIENT_CERTIFICATE";
    let own = ejbca["environment"][variable].as_str().unwrap();
    let (plain, secure) = (ejbca["base_url"].as_str().unwrap(), ejbca["secure_base_url"].as_str().unwrap());
    assert!(plain.starts_with("http://127.0.0.1:") && secure.starts_with("https://127.0.0.1:"), "{plain} {secure}");
    let other = rcgen::generate_simple_self_signed(vec!["operator".to_owned()]).unwrap();
    let other = format!("{}{}", other.cert.pem(), other.signing_key.serialize_pem());
    for (base, certificate, trusted, is_taken) in [
        (secure, own, true, true),
        (secure, own, false, false),
        (secure, other.as_str(), true, false),
        (plain, own, true, false),
    ] {
        let mut place = Place::bare();
        place.set(variable, certificate);
        place.file("ca.pem", started["ca_certificate"].as_str().unwrap());
        let plan = format!(
            "version: 1\nretry: {{attempts: 1}}\nproviders: {{ejbca: {{base_url: \"{base}\"}}}}\nactions:\n  \
             - {{provider: ejbca, action: revoke, issuer: \"CN=Sub CA\", serial_number: \"0a:0b\", reason: superseded}}\n"
        );
        place.file("plan.yaml", plan);
        let mut arguments = vec!["run", "plan.yaml", "--yes", "--run-dir", "run"];
        if trusted {
            arguments.extend(["--ca-file", "ca.pem"]);
        }
        let done = place.certsweep(&arguments);
        let outcome = place.row()["outcome"].clone();
        assert_eq!((done.code == 0, outcome == "succeeded"), (is_taken, is_taken), "{base}: {outcome}\n{}", done.err);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
