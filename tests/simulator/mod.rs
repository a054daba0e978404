//! The simulator over real sockets, with the built-in documents: what it grants, what it refuses, what it withholds.

mod signers;
mod stages;
mod status_queries;

use crate::support::client::{Answer, Headers, header, host_and_path, request, send};
use base64::Engine as _;
use certsweep::provider::Catalog;
use certsweep::provider::model::Window;
use certsweep::simulator::{
    Faults, KnownTarget, SimulatedAccount, Simulator, SimulatorError, SimulatorOptions, credential, start,
};
use certsweep::time::Clock;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::json;
use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::time::Duration;

/// Time that stands still: limits then never slide, and every signature is of this moment.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(NOW_MS).unwrap()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn boot(&self) -> Option<String> {
        None
    }
}

fn options(faults: &str) -> SimulatorOptions {
    let catalog = Catalog::built_in();
    let account = |name: &str| SimulatedAccount {
        name: name.to_owned(),
        provider: catalog.get(name).unwrap().clone(),
        windows: Vec::new(),
    };
    SimulatorOptions {
        port: 0,
        accounts: ["digicert", "naver", "huawei"].map(account).into(),
        faults: if faults.is_empty() { Faults::default() } else { Faults::parse(faults).unwrap() },
        seed: 1,
        verify: true,
        known: Vec::new(),
        clock: Arc::new(Still),
    }
}

fn simulator(faults: &str) -> Simulator {
    start(options(faults)).unwrap()
}

/// DigiCert's revocation of a certificate, with the right key.
fn revoke(simulator: &Simulator, certificate: &str) -> Option<Answer> {
    let key = header("x-dc-devkey", credential("digicert", "api_key").reveal());
    let url = format!("{}/certificate/{certificate}/revoke", simulator.base_url("digicert"));
    send("PUT", &url, &key, Some(r#"{"comments":"INC-42","skip_approval":true}"#))
}

/// A request to NAVER, signed with this secret.
fn naver(simulator: &Simulator, method: &str, below: &str, body: Option<&str>, secret: &str) -> Answer {
    let url = format!("{}{below}", simulator.base_url("naver"));
    let key = credential("naver", "access_key");
    let message = format!("{method} {}\n{NOW_MS}\n{}", host_and_path(&url).1, key.reveal());
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    let headers = [
        ("x-ncp-apigw-timestamp", NOW_MS.to_string()),
        ("x-ncp-iam-access-key", key.reveal().to_owned()),
        ("x-ncp-apigw-signature-v2", signature),
    ];
    send(method, &url, &headers.map(|(name, value)| (name.to_owned(), value)).into(), body).unwrap()
}

#[test]
fn a_revoke_takes_effect_once() {
    let simulator = simulator("");
    assert_eq!(revoke(&simulator, "112358").unwrap().status, 204);
    let second = revoke(&simulator, "112358").unwrap();
    assert_eq!(second.status, 400);
    assert!(second.body.pointer("/errors/0/code").is_some(), "{second:?}");
    let effects = simulator.effects().of("digicert", "revoke");
    assert_eq!((effects.requests, effects.accepted, effects.effects, effects.refused), (2, 1, 1, 1));
    assert_eq!(simulator.effects_on("digicert", "revoke", "112358"), 1);
}

#[test]
fn wrong_keys_and_signatures_are_refused() {
    let simulator = simulator("");
    let url = format!("{}/certificate/1/revoke", simulator.base_url("digicert"));
    for headers in [header("x-dc-devkey", "another"), Headers::new()] {
        assert_eq!(send("PUT", &url, &headers, Some("{}")).unwrap().status, 401);
    }
    let body = r#"{"orderId":"1","certificateNo":1,"revokeType":"superseded"}"#;
    let secret = credential("naver", "secret_key");
    assert_eq!(naver(&simulator, "POST", "/certificate/revoke", Some(body), "another").status, 401);
    assert_eq!(naver(&simulator, "POST", "/certificate/revoke", Some(body), secret.reveal()).status, 200);
    assert_eq!(simulator.effects().of("digicert", "revoke").bad_signatures, 2);
    assert_eq!(simulator.effects().of("naver", "revoke").bad_signatures, 1);
    assert_eq!(simulator.effects().total().effects, 1);
}

#[test]
fn what_the_schema_does_not_take_is_refused() {
    let simulator = simulator("");
    let key = header("x-dc-devkey", credential("digicert", "api_key").reveal());
    let base = simulator.base_url("digicert");
    for (path, body) in [
        ("/certificate/not-hex/revoke", "{}"),
        ("/certificate/1/revoke", r#"{"comment":"x"}"#),
        ("/certificate/1/revoke", r#"{"revocation_reason":"banana"}"#),
        ("/certificate/1/revoke", "[]"),
        ("/certificate/1/revoke", ""),
        ("/certificate/1/revoke?force=true", "{}"),
    ] {
        let answer = send("PUT", &format!("{base}{path}"), &key, Some(body)).unwrap();
        assert_eq!(answer.status, 400, "{path} {body}: {answer:?}");
    }
    assert_eq!(send("PUT", &format!("{base}/nothing"), &key, None).unwrap().status, 404);
    let effects = simulator.effects();
    assert_eq!((effects.of("digicert", "revoke").refused, effects.of("digicert", "revoke").effects), (6, 0));
    assert_eq!(effects.accounts["digicert"].not_found, 1);
}

#[test]
fn a_list_shows_every_known_target_as_it_stands() {
    let simulator = simulator("");
    let secret = credential("naver", "secret_key");
    for number in 1..=3 {
        let parameters = json!({"orderId": "77", "certificateNo": number, "revokeType": "superseded"});
        let parameters = parameters.as_object().unwrap().clone();
        assert!(simulator.learn(&KnownTarget {
            account: "naver".into(),
            operation: "revoke".into(),
            parameters,
            ..KnownTarget::default()
        }));
    }
    let body = r#"{"orderId":"77","certificateNo":2,"revokeType":"superseded"}"#;
    let revoked = naver(&simulator, "POST", "/certificate/revoke", Some(body), secret.reveal());
    assert_eq!((revoked.status, &revoked.body["returnCode"]), (200, &json!("0")));
    let listed =
        naver(&simulator, "GET", "/certificate/getPaidCertificates?page=1&pageSize=100", None, secret.reveal());
    assert_eq!(listed.status, 200);
    let orders = listed.body["orders"].as_array().unwrap();
    let shown = orders.iter().map(|order| {
        let row = &order["certificates"][0];
        (order["orderID"].to_string().contains("77"), row["certificateNo"].clone(), row["statusCode"].clone())
    });
    let shown: Vec<_> = shown.collect();
    assert_eq!(shown.len(), 3, "{listed:?}");
    for (order, number, status) in shown {
        let is_revoked = status == json!("-5") || status == json!("-7");
        assert!(order && is_revoked == (number == json!(2)), "{number} {status}");
    }
}

#[test]
fn windows_are_enforced() {
    let mut options = options("");
    options.accounts[0].windows = vec![Window::parse("2/5s").unwrap()];
    let simulator = start(options).unwrap();
    let statuses: Vec<u16> =
        ["1", "2", "3"].iter().map(|certificate| revoke(&simulator, certificate).unwrap().status).collect();
    assert_eq!(statuses, [204, 204, 429]);
    let effects = simulator.effects().of("digicert", "revoke");
    assert_eq!((effects.effects, effects.limited), (2, 1));
}

#[test]
fn faults_strike_and_are_counted() {
    for (fault, status, effects) in
        [("reset", None, 0), ("lost-answer", None, 1), ("429", Some(429), 0), ("html", Some(200), 0)]
    {
        let simulator = simulator(&format!("digicert:{fault}=1/1,latency=1ms"));
        let answer = revoke(&simulator, "5");
        assert_eq!(answer.as_ref().map(|answer| answer.status), status, "{fault}");
        if fault == "429" {
            assert!(answer.unwrap().headers.contains("retry-after: 1"));
        }
        assert_eq!(simulator.effects_on("digicert", "revoke", "5"), effects, "{fault}");
        assert_eq!(simulator.effects().of("digicert", "revoke").faults[fault], 1);
    }
}

#[test]
fn a_server_error_is_one_of_four() {
    let simulator = simulator("5xx=1/1");
    for certificate in 0..20 {
        let status = revoke(&simulator, &certificate.to_string()).unwrap().status;
        assert!([500, 502, 503, 504].contains(&status), "{status}");
    }
}

#[test]
fn a_hanging_request_gets_no_answer_and_does_not_hinder_the_end() {
    let simulator = simulator("hang=1/1");
    let url = format!("{}/certificate/1/revoke", simulator.base_url("digicert"));
    let key = header("x-dc-devkey", credential("digicert", "api_key").reveal());
    let mut stream = request("PUT", &url, &key, Some("{}"));
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let error = stream.read(&mut [0; 1]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    drop(simulator);
    stream.set_read_timeout(None).unwrap();
    // The end of the simulator is the end of the connection.
    assert!(!matches!(stream.read(&mut [0; 1]), Ok(1..)));
}

#[test]
fn tokens_are_issued_and_accepted() {
    let simulator = simulator("");
    let key = |name: &str| credential("huawei", name).reveal().to_owned();
    let user = json!({"name": key("iam_user"), "password": key("iam_password"), "domain": {"name": key("iam_domain")}});
    let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}).to_string();
    let issued = send("POST", &simulator.auth_url("huawei"), &Headers::new(), Some(&body)).unwrap();
    assert_eq!(issued.status, 201);
    assert_eq!(issued.body["token"]["expires_at"], json!("2023-11-15T22:13:20.000000Z"));
    let token = issued.headers.lines().find_map(|line| line.strip_prefix("x-subject-token: ")).unwrap();
    let id = "6434f74f-2d13-4e6a-89eb-93ee313f1a43";
    let url = format!("{}/v1/private-certificate-authorities/{id}", simulator.base_url("huawei"));
    for (token, status) in [("another", 401), (token, 204)] {
        let headers = header("x-auth-token", token);
        assert_eq!(send("POST", &format!("{url}/revoke"), &headers, Some("{}")).unwrap().status, status);
    }
    let state = send("GET", &url, &header("x-auth-token", token), None).unwrap();
    assert_eq!((state.status, &state.body["status"]), (200, &json!("REVOKED")));
    assert_eq!(simulator.effects().accounts["huawei"].tokens, 1);
}

#[test]
fn a_taken_port_and_an_unknown_account_are_errors() {
    let simulator = simulator("");
    let mut again = options("");
    again.port = simulator.address().port();
    assert!(matches!(start(again), Err(SimulatorError::Listen { .. })));
    assert!(matches!(start(options("nobody:html=1/2")), Err(SimulatorError::UnknownAccount(name)) if name == "nobody"));
}

const NOW_MS: i64 = 1_700_000_000_000;
