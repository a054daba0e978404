//! A client of DigiCert's that others wrote (certmesh) and certsweep's program put the same calls on the same socket: the requests are the same.
//! And both take the answers for the same. What certmesh does not do stands in docs/proofs.md.

use super::accepted::documents;
use super::installed::{self, python};
use crate::support::mock::{Mock, Seen, empty, json};
use crate::support::place::Place;
use certsweep::provider::{Answer, AnswerClass, HeaderFields, Provider, stages, verdict};
use jiff::Timestamp;
use serde_json::{Value, json};

#[test]
#[ignore = "asks certmesh; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn requests_on_the_wire_are_those_of_certmesh_and_answers_are_taken_for_the_same() {
    let mock = Mock::start(|seen, _| match (seen.method.as_str(), seen.target.as_str()) {
        ("PUT", _) => empty(204),
        ("POST", target) => {
            let order = target.split('/').nth(3).unwrap_or_default();
            json(201, &format!(r#"{{"id":{order},"requests":[{{"id":7}}]}}"#))
        }
        ("GET", "/request/7") => json(200, r#"{"id":7,"type":"reissue","status":"approved"}"#),
        ("GET", target) => {
            let order = target.rsplit('/').next().unwrap_or_default();
            let body = match order.parse().ok().and_then(|order: usize| ORDERS.get(order)) {
                Some((status, certificate)) => order_of(status, *certificate),
                None => order_of("canceled", None),
            };
            json(200, &body.to_string())
        }
        _ => empty(500),
    });
    let csr = std::fs::read_to_string(format!("{}/examples/shop.csr", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut send: Vec<Value> = REASONS
        .iter()
        .enumerate()
        .map(|(place, (_, theirs))| {
            let certificate = FIRST_CERTIFICATE + place;
            json!({"function": "revoke_certificate", "certificate_id": certificate, "reason": theirs, "comments": "INC-42 · 철회"})
        })
        .collect();
    send.push(json!({
        "function": "duplicate_certificate", "order_id": 55, "csr_pem": csr, "common_name": "shop.example.com",
        "san_dns_names": ["www.shop.example.com"], "signature_hash": "sha384", "comments": "INC-42",
    }));
    let follow: Vec<usize> = (0..ORDERS.len()).collect();
    let refused: Vec<Value> = REFUSALS.iter().map(|(status, code, ..)| json!([status, refusal(code)])).collect();
    let asked = json!({"endpoint": mock.url(), "api_key": API_KEY, "send": send, "follow": follow, "refused": refused});
    let answer = python("digicert_certmesh.py", &asked);
    let theirs = mock.seen();
    assert_eq!(theirs.len(), send.len() + ORDERS.len(), "{:?}", mock.lines());

    // The words of the reasons are the same, and there are no others.
    let mut words: Vec<&str> = REASONS.iter().map(|(_, word)| *word).collect();
    words.sort_unstable();
    assert_eq!(answer["reasons"], json!(words));

    let mut place = Place::bare();
    place.set("DIGICERT_API_KEY", API_KEY);
    place.file("shop.csr", &csr);
    // The reissue's order is none that is issued, and says so when it is followed.
    place.run(&plan(&mock)).exits(1);
    let ours: Vec<Seen> = mock.seen().split_off(theirs.len());
    let (theirs_sent, theirs_polled) = theirs.split_at(send.len());
    let of_line = |line: &str| {
        let found: Vec<&Seen> = ours.iter().filter(|seen| seen.line() == line).collect();
        assert!(!found.is_empty(), "{line}: {:?}", mock.lines());
        found[0]
    };
    for theirs in theirs_sent {
        the_same(theirs, of_line(&theirs.line()));
    }
    // A reissue has the body of a duplicate, by DigiCert's pages; certmesh has no reissue.
    the_same(&theirs_sent[send.len() - 1], of_line("POST /order/certificate/56/reissue"));
    assert_eq!(theirs_polled[0].line(), "GET /order/certificate/0");
    the_same(&theirs_polled[0], of_line("GET /order/certificate/56"));

    let (digicert, _) = documents().into_iter().find(|(provider, _)| provider.id == "digicert").unwrap();
    for ((status, certificate), theirs) in ORDERS.iter().zip(answer["followed"].as_array().unwrap()) {
        let ours = followed(&digicert, &order_of(status, *certificate));
        match theirs {
            Value::Number(_) => assert_eq!(ours, AnswerClass::Succeeded, "{status}"),
            _ if *theirs == json!("rejected") => assert_eq!(ours, AnswerClass::Rejected, "{status}"),
            // It waits for whatever it does not know; a status that ours does not know either is no success.
            _ => assert!(matches!(ours, AnswerClass::Pending | AnswerClass::Unknown), "{status}: {ours:?}"),
        }
    }
    for ((status, code, theirs, class), found) in REFUSALS.iter().zip(answer["refused"].as_array().unwrap()) {
        assert_eq!(found, theirs, "{status} {code}");
        assert_eq!(read(&digicert, "revoke", *status, &refusal(code)), *class, "{status} {code}");
    }
    let judged = format!(
        "{} requests on a socket, the same as certsweep's; {} answers taken for the same",
        theirs.len(),
        ORDERS.len() + REFUSALS.len()
    );
    installed::log("certmesh", answer["version"].as_str().unwrap(), &judged);
}

/// Fails where two requests for the same call differ in more than is each client's own.
#[track_caller]
fn the_same(theirs: &Seen, ours: &Seen) {
    for name in ["host", "accept", "x-dc-devkey"] {
        assert!(theirs.header(name).is_some(), "{name}: {theirs:?}");
        assert_eq!(theirs.header(name), ours.header(name), "{name} of {}", ours.line());
    }
    let names = |seen: &Seen| {
        let names = seen.headers.iter().map(|(name, _)| name.to_lowercase());
        // It says of what type a body is that a GET does not have.
        let is_own = |name: &String| OWN.contains(&name.as_str()) || (seen.body.is_empty() && name == "content-type");
        let mut names: Vec<String> = names.filter(|name| !is_own(name)).collect();
        names.sort();
        names
    };
    assert_eq!(names(theirs), names(ours), "{}", ours.line());
    assert_eq!(theirs.body.is_empty(), ours.body.is_empty(), "{}", ours.line());
    if !theirs.body.is_empty() {
        let body = |seen: &Seen| serde_json::from_slice::<Value>(&seen.body).unwrap();
        assert_eq!(theirs.header("content-type"), ours.header("content-type"), "{}", ours.line());
        assert_eq!(body(theirs), body(ours), "{}", ours.line());
    }
}

/// What the step of a reissue that polls the order makes of it.
fn followed(provider: &Provider, order: &Value) -> AnswerClass {
    let rules = provider.operation("reissue").unwrap().action.as_ref().unwrap();
    let stage = rules.stages.iter().find(|stage| stage.name == "issued").unwrap();
    stages::read(provider, stage, &answer_of(200, order), Timestamp::UNIX_EPOCH).class
}

fn read(provider: &Provider, operation: &str, status: u16, body: &Value) -> AnswerClass {
    verdict::read(provider.operation(operation).unwrap(), &answer_of(status, body), Timestamp::UNIX_EPOCH).class
}

fn answer_of(status: u16, body: &Value) -> Answer {
    let headers = HeaderFields::from_iter([("content-type", "application/json")]);
    Answer::new(status, headers, body.to_string().into_bytes())
}

fn order_of(status: &str, certificate: Option<u64>) -> Value {
    let certificate = certificate.map_or_else(|| json!({}), |id| json!({"id": id}));
    json!({"id": 1, "status": status, "certificate": certificate})
}

fn refusal(code: &str) -> Value {
    json!({"errors": [{"code": code, "message": "no"}]})
}

fn plan(mock: &Mock) -> String {
    let revokes = REASONS.iter().enumerate().map(|(place, (reason, _))| {
        format!(
            "  - {{action: revoke, certificate_id: {}, reason: {reason}, skip_approval: true, comments: \"INC-42 · 철회\"}}\n",
            FIRST_CERTIFICATE + place
        )
    });
    let request = |action: &str, order: u64| {
        format!(
            "  - {{action: {action}, order_id: {order}, csr: \"file:shop.csr\", common_name: shop.example.com, \
             dns_names: [www.shop.example.com], signature_hash: sha384, comments: INC-42}}\n"
        )
    };
    format!(
        "version: 1\nproviders:\n  digicert: {{base_url: \"{}\", rate: [1000/1s], concurrency: 1}}\nretry: {{attempts: 1}}\n\
         defaults: {{provider: digicert}}\nactions:\n{}{}{}",
        mock.url(),
        revokes.collect::<String>(),
        request("duplicate", 55),
        request("reissue", 56),
    )
}

/// Header fields in which each client is its own.
const OWN: [&str; 5] = ["user-agent", "accept-encoding", "connection", "content-length", "x-request-id"];
const FIRST_CERTIFICATE: usize = 112_358;
const API_KEY: &str = "EXAMPLE-API-KEY-OF-CERTCENTRAL";
/// The reasons of RFC 5280 that DigiCert has, and its words for them.
const REASONS: [(&str, &str); 5] = [
    ("unspecified", "unspecified"),
    ("keyCompromise", "key_compromise"),
    ("affiliationChanged", "affiliation_change"),
    ("superseded", "superseded"),
    ("cessationOfOperation", "cessation_of_operation"),
];
/// Statuses of orders, and the certificate that is there.
const ORDERS: [(&str, Option<u64>); 9] = [
    ("issued", Some(112_360)),
    ("issued", None),
    ("pending", None),
    ("processing", None),
    ("needs_approval", None),
    ("reissue_pending", Some(112_358)),
    ("rejected", None),
    ("revoked", Some(112_358)),
    ("canceled", None),
];
/// Refusals; what certmesh takes them for, and what ours does.
const REFUSALS: [(u16, &str, &str, AnswerClass); 6] = [
    (401, "access_denied", "DigiCertAuthenticationError", AnswerClass::Unauthorized),
    (403, "access_denied|missing_permission", "DigiCertAuthenticationError", AnswerClass::Unauthorized),
    (404, "not_found|order", "DigiCertOrderNotFoundError", AnswerClass::Rejected),
    (429, "request_limit_exceeded", "DigiCertRateLimitError", AnswerClass::Throttled),
    (400, "bad_request_format", "DigiCertAPIError", AnswerClass::Rejected),
    // What it takes for an error may have taken effect.
    (500, "internal_server_error", "DigiCertAPIError", AnswerClass::Unknown),
];
