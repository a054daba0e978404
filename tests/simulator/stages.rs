//! Actions of several requests, as the simulator plays them: a certificate that takes a while and is for its request; a person who decides.

use super::options;
use crate::support::client::{Answer, Headers, send};
use certsweep::pki::{Certificate, Csr, SpkiFingerprint};
use certsweep::simulator::{SimulatedAccount, Simulator, start};
use serde_json::{Value, json};

/// DigiCert with a second account of the same provider, whoever signs.
fn simulator() -> Simulator {
    let mut open = options("");
    open.verify = false;
    let second = SimulatedAccount { name: "second".to_owned(), ..open.accounts[0].clone() };
    open.accounts.push(second);
    start(open).unwrap()
}

fn ask(simulator: &Simulator, account: &str, method: &str, below: &str, body: Option<&Value>) -> Answer {
    let url = format!("{}{below}", simulator.base_url(account));
    send(method, &url, &Headers::new(), body.map(Value::to_string).as_deref()).unwrap()
}

#[test]
fn a_reissue_is_worked_on_for_a_while_and_brings_the_certificate_that_was_asked_for() {
    let simulator = simulator();
    let get = |below: &str| ask(&simulator, "digicert", "GET", below, None);
    // Read before anything was asked for: nothing is under way.
    for _ in 0..3 {
        assert_eq!(get("/order/certificate/55").body["status"], json!("issued"));
    }
    let csr = include_str!("../../examples/shop.csr");
    let certificate = json!({"common_name": "shop.example.com", "dns_names": ["www.shop.example.com"], "csr": csr});
    let reissue = || {
        let body = json!({"certificate": certificate});
        let made = ask(&simulator, "digicert", "POST", "/order/certificate/55/reissue", Some(&body));
        assert_eq!(made.status, 201, "{made:?}");
        made.body["requests"][0]["id"].clone()
    };
    let request = reissue();
    assert_eq!(get(&format!("/request/{request}")).body["status"], json!("approved"));
    let states: Vec<Value> = (0..3).map(|_| get("/order/certificate/55").body["status"].clone()).collect();
    assert_eq!(states, [json!("reissue_pending"), json!("issued"), json!("issued")]);
    let chain = get("/certificate/download/order/55/format/pem_all");
    assert_eq!(chain.status, 200, "{chain:?}");
    let found = Certificate::parse_all(chain.body.as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(SpkiFingerprint::of(&found[0].spki), Csr::parse(csr.as_bytes()).unwrap().spki());
    assert_eq!(found[0].host_names().iter().filter(|name| *name == "www.shop.example.com").count(), 1);
    // Each reissue is another one, with a request of its own.
    assert_ne!(reissue(), request);
    assert_eq!(simulator.effects_on("digicert", "reissue", "55"), 2);
}

#[test]
fn whoever_approves_or_rejects_decides_about_what_waits() {
    let simulator = simulator();
    for (certificate, decision, expected) in [(1, "approved", "approved"), (2, "rejected", "rejected")] {
        let body = json!({"comments": "INC-42"});
        let below = format!("/certificate/{certificate}/revoke");
        let made = ask(&simulator, "digicert", "PUT", &below, Some(&body));
        assert_eq!((made.status, &made.body["status"]), (201, &json!("pending")));
        let request = &made.body["id"];
        let state = || ask(&simulator, "digicert", "GET", &format!("/request/{request}"), None).body["status"].clone();
        assert_eq!(state(), json!("pending"));
        // Not the account that has asked.
        let decided = json!({"status": decision});
        let answer = ask(&simulator, "second", "PUT", &format!("/request/{request}/status"), Some(&decided));
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_eq!(state(), json!(expected));
        // What was rejected may be asked for again; what was approved is done.
        let again = ask(&simulator, "digicert", "PUT", &below, Some(&body)).status;
        assert_eq!(again, if decision == "approved" { 400 } else { 201 });
    }
}
