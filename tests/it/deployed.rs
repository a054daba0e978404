//! Certificate files that a deployment replaces while a run goes on: the run has its copies, and nobody edited its plan.

use super::mock::{Mock, empty, json};
use super::place::{Place, plan};
use super::verify::{Authority, bytes};
use rcgen::KeyPair;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A certificate with its private key in one file, as HAProxy has them.
fn combined(authority: &Authority, serial: u64, list: &str) -> String {
    authority.issue(serial, list, None) + &KeyPair::generate().unwrap().serialize_pem()
}

#[test]
fn a_run_goes_on_by_its_copies_where_its_certificates_were_replaced() {
    let authority = Arc::new(Authority::new());
    let (publisher, is_first) = (Arc::clone(&authority), AtomicBool::new(true));
    let mock = Mock::start(move |seen, _| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", _) if is_first.swap(false, Ordering::SeqCst) => empty(401),
        ("POST", _) => json(201, r#"{"state":"revoked"}"#),
        // The old ones alone are on it.
        ("GET", "/ca.crl") => bytes(publisher.list(&[7, 8], 2100)),
        other => panic!("{other:?}"),
    });
    let url = format!("{}/ca.crl", mock.url());
    let mut place = Place::new();
    place.file("documents/chained.yaml", include_str!("../data/documents/good/chained.yaml"));
    let documents = place.path("documents").display().to_string();
    place.set("CERTSWEEP_PROVIDERS", &documents);
    place.set("CHAINED_TOKEN", "t0ken-t0ken-t0ken");
    place.file("ca.pem", &authority.pem);
    place.file("targets.csv", "number,certificate\n7,file:etc/7.pem\n8,file:etc/8.pem\n");
    place.file("etc/7.pem", combined(&authority, 7, &url));
    place.file("etc/8.pem", authority.issue(8, &url, None));
    let steps = "  - from: targets.csv\n    provider: chained\n    issuer: \"file:ca.pem\"\n    steps:\n      - {action: revoke}\n      - {wait: revoked, by: [crl], within: 1h}\n";
    let text = plan(&mock, &["chained"], "", steps);
    place.run(&text.replace("concurrency: 4", "concurrency: 1")).exits(4);
    place.file("etc/7.pem", combined(&authority, 17, &url));
    place.file("etc/8.pem", authority.issue(18, &url, None));
    let done = place.certsweep(&["run", "plan.yaml", "--run-dir", "run", "--resume", "--yes"]).exits(0);
    let next = "revoked certificates are seen so where steps waited for that; for the others, or once more: certsweep verify run";
    assert!(done.out.contains(next), "{}", done.out);
    let rows = place.rows();
    assert!(rows.iter().all(|row| row["outcome"] == "succeeded"), "{rows:?}");
    assert_eq!(rows[1]["provider_message"], "crl: revoked since 2026-01-02T00:00:00Z");
    for (path, content) in place.bytes_below("run") {
        assert!(!String::from_utf8_lossy(&content).contains("PRIVATE KEY"), "{path:?}");
    }
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
    place.certsweep(&["verify", "run", "--only", "crl"]).exits(0);
    // A plan of what is left is about the certificates that were meant, and not about the new ones.
    place.certsweep(&["report", "run", "--format", "plan", "-o", "left.yaml"]).exits(0);
    let left = place.read("left.yaml");
    assert!(left.contains("-7.pem") && !left.contains("etc/7.pem") && !left.contains("etc/8.pem"), "{left}");
    place.certsweep(&["check", "left.yaml"]).exits(0);
}

#[test]
fn a_restart_takes_replaced_certificates_for_the_same_plan_and_an_edit_for_another() {
    let authority = Authority::new();
    let url = "http://127.0.0.1:9/ca.crl";
    let place = Place::new();
    for serial in [1, 2] {
        place.file(&format!("live/{serial}.pem"), combined(&authority, serial, url));
    }
    let text = "version: 1\ndefaults: {provider: acme, reason: superseded}\nactions:\n  - {action: revoke, certificates: \"file:live\"}\n  - {id: one, action: revoke, certificate: \"file:one.pem\"}\n";
    place.file("one.pem", combined(&authority, 3, url));
    place.file("plan.yaml", text);
    let run = ["run", "plan.yaml", "--simulate", "--run-dir", "run"];
    place.certsweep(&run).exits(0);
    for serial in [1, 2] {
        place.file(&format!("live/{serial}.pem"), combined(&authority, 10 + serial, url));
    }
    place.file("one.pem", combined(&authority, 13, url));
    place.certsweep(&[&run[..], &["--resume"]].concat()).exits(0);
    place.certsweep(&["resume", "run"]).exits(0);
    place.file("plan.yaml", text.replace("superseded", "cessationOfOperation"));
    place.certsweep(&["resume", "run"]).exits(2).says(&["plan.yaml:2", "--use-original-inputs"]);
    let refused = place.certsweep(&[&run[..], &["--resume"]].concat()).exits(2);
    refused.says(&["run holds a run of another plan", "`certsweep resume run` goes on with what was checked then"]);
}
