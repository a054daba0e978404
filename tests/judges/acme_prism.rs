//! ACME's document before Prism: what the program signs, and what is in it, is accepted; what RFC 8555 and Let's Encrypt do not allow
//! is refused. The payload of a signature is no part of OpenAPI, so it is judged by the document's own schema of it, put in its place.

use super::installed;
use super::prism::{Plain, Prism, version};
use crate::support::mock::{Mock, empty, json};
use crate::support::place::Place;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

const DOCUMENT: &str = "src/provider/documents/acme.yaml";

/// Judges of what is on the wire, and of what is in it, with the file that the latter watches.
fn judges() -> (Prism, Prism, tempfile::NamedTempFile) {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let (wire, payload) =
        ("schema: {$ref: '#/components/schemas/Signed'}", "schema: {$ref: '#/components/schemas/Revocation'}");
    assert_eq!(document.matches(wire).count(), 1, "that of an order stands there in other quotes");
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(document.replace(wire, payload).as_bytes()).unwrap();
    (Prism::start(Path::new(DOCUMENT)), Prism::start(file.path()), file)
}

fn posts(body: &str) -> Plain {
    let headers = vec![("content-type".to_owned(), "application/jose+json".to_owned())];
    Plain { method: "POST".to_owned(), path: "/revokeCert".to_owned(), headers, body: Some(body.to_owned()) }
}

/// The answers of a CA that takes every revocation.
fn ca() -> Mock {
    Mock::start(|seen, nth| {
        let url = |path: &str| format!("http://{}/{path}", seen.header("host").unwrap());
        let act = match seen.target.as_str() {
            "/dir" => json(
                200,
                &json!({"newNonce": url("n"), "newAccount": url("a"), "revokeCert": url("revokeCert")}).to_string(),
            ),
            "/a" => json(200, r#"{"status":"valid"}"#).with("Location", &url("a/7")),
            _ => empty(200),
        };
        let path = seen.target.trim_start_matches('/');
        act.with("Replay-Nonce", &format!("{path}-{nth}"))
    })
}

#[test]
#[ignore = "asks Prism; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn what_certsweep_signs_is_accepted() {
    let (wire, payload, _file) = judges();
    let (place, mock) = (Place::bare(), ca());
    for number in 0..SIGNED {
        let made = rcgen::generate_simple_self_signed([format!("host{number}.example.com")]).unwrap();
        place.file(&format!("{number}.pem"), made.cert.pem());
        place.file(&format!("{number}.der"), made.cert.der());
        place.file(&format!("{number}.key"), made.signing_key.serialize_pem());
    }
    place.file("account.key", include_str!("../../src/pki/testdata/keys/rsa.jwk"));
    let action = |number: usize| {
        let form = ["pem", "der"][number % 2];
        let reason = ["", "unspecified", "keyCompromise", "superseded", "cessationOfOperation"][number % 5];
        let reason = if reason.is_empty() { String::new() } else { format!(", reason: {reason}") };
        let key = if number < 5 { String::new() } else { format!(", certificate_key: \"file:{number}.key\"") };
        format!("  - {{certificate: \"file:{number}.{form}\"{reason}{key}}}\n")
    };
    place
        .run(&format!(
            "version: 1\nproviders:\n  acme: {{base_url: \"{}/dir\", credentials: {{account_key: \"file:account.key\"}}}}\n\
             defaults: {{provider: acme, action: revoke}}\nactions:\n{}",
            mock.url(),
            (0..SIGNED).map(action).collect::<String>()
        ))
        .exits(0);
    let sent: Vec<_> = mock.seen().into_iter().filter(|seen| seen.target == "/revokeCert").collect();
    assert_eq!(sent.len(), SIGNED);
    for seen in sent {
        let body = String::from_utf8(seen.body.clone()).unwrap();
        let kept = |(name, _): &(String, String)| !["host", "content-length"].contains(&name.to_lowercase().as_str());
        let headers = seen.headers.iter().filter(|header| kept(header)).cloned().collect();
        let request = Plain { method: seen.method, path: seen.target, headers, body: Some(body.clone()) };
        wire.accepts("what is signed", &request);
        let body: Value = serde_json::from_str(&body).unwrap();
        let inside = URL_SAFE_NO_PAD.decode(body["payload"].as_str().unwrap()).unwrap();
        payload.accepts("what is in it", &posts(std::str::from_utf8(&inside).unwrap()));
    }
    let judged = format!("{SIGNED} signed revocations of ACME and what is in them, all accepted");
    installed::log("Prism", &version(), &judged);
}

#[test]
#[ignore = "asks Prism; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn what_acme_does_not_allow_is_refused() {
    let (wire, payload, _file) = judges();
    let signed = json!({"protected": "eyJ9", "payload": "eyJ9", "signature": "AQ"});
    wire.accepts("a right one", &posts(&signed.to_string()));
    let right = json!({"certificate": CERTIFICATE, "reason": 4});
    payload.accepts("a right one", &posts(&right.to_string()));
    let mut refused = 0;
    let mut refuses = |judge: &Prism, request: &Plain, status: u16, says: &str| {
        let judged = judge.judge(request);
        assert!(
            judged.status == status && judged.report.contains(says),
            "{request:?}: {judged:?}, not {status} {says}"
        );
        refused += 1;
    };
    for (member, value, says) in WRONG_SIGNED {
        refuses(&wire, &posts(&with(&signed, member, value)), 422, says);
    }
    for (member, value, says) in WRONG_INSIDE {
        refuses(&payload, &posts(&with(&right, member, value)), 422, says);
    }
    let good = posts(&signed.to_string());
    let plain = vec![("content-type".to_owned(), "text/plain".to_owned())];
    for (request, status, says) in [
        (Plain { body: None, ..good.clone() }, 422, "body parameter is required"),
        (Plain { body: Some("[]".to_owned()), ..good.clone() }, 422, "must be object"),
        (Plain { headers: plain, ..good.clone() }, 415, "supported content types"),
        (Plain { method: "GET".to_owned(), body: None, ..good.clone() }, 405, "no method matched"),
        (Plain { method: "PUT".to_owned(), ..good.clone() }, 405, "no method matched"),
        (Plain { path: "/revoke".to_owned(), ..good }, 404, "no path matched"),
    ] {
        refuses(&wire, &request, status, says);
    }
    assert_eq!(refused, wrong());
    let judged = format!("{refused} wrong requests of ACME, all refused, each for its fault");
    installed::log("Prism", &version(), &judged);
}

/// An object with a member changed, or left out where the value is empty.
fn with(object: &Value, member: &str, value: &str) -> String {
    let mut object = object.clone();
    let members = object.as_object_mut().unwrap();
    match value {
        "" => drop(members.remove(member)),
        value => drop(members.insert(member.to_owned(), serde_json::from_str(value).unwrap())),
    }
    object.to_string()
}

/// How many wrong requests there are.
fn wrong() -> usize {
    WRONG_SIGNED.len() + WRONG_INSIDE.len() + 6
}

/// How many revocations the program signs.
const SIGNED: usize = 10;

const CERTIFICATE: &str = "MIIBfjCCASSgAwIBAgIFAMD_7gEwCgYIKoZIzj0EAwIw";

/// A JWS in JSON's flattened form has three members in base64url without padding (RFC 8555, section 6.2; RFC 7515, 7.2.2).
const WRONG_SIGNED: &[(&str, &str, &str)] = &[
    ("protected", "", "must have required property 'protected'"),
    ("payload", "", "must have required property 'payload'"),
    ("signature", "", "must have required property 'signature'"),
    ("protected", "\"eyJ9==\"", "must match pattern"),
    ("payload", "\"ey+9\"", "must match pattern"),
    ("signature", "\"A/Q\"", "must match pattern"),
    ("protected", "{}", "must be string"),
    ("payload", "null", "must be string"),
    ("signature", "\"\"", "must match pattern"),
    ("header", "{}", "must not have additional properties"),
    ("signatures", "[]", "must not have additional properties"),
];

/// RFC 8555, section 7.6; reasons by RFC 5280, section 5.3.1, and those that Let's Encrypt takes.
const WRONG_INSIDE: &[(&str, &str, &str)] = &[
    ("certificate", "", "must have required property 'certificate'"),
    ("certificate", "null", "must be string"),
    ("certificate", "\"-----BEGIN CERTIFICATE-----\"", "must match pattern"),
    ("certificate", "\"MIIBfjCCASSgAwIBAgIFAMD/7gEwCgYIKoZIzj0EAwIw\"", "must match pattern"),
    ("certificate", "\"MII\"", "must not have fewer than 40 characters"),
    ("reason", "2", "allowed values"),
    ("reason", "3", "allowed values"),
    ("reason", "6", "allowed values"),
    ("reason", "7", "allowed values"),
    ("reason", "8", "allowed values"),
    ("reason", "9", "allowed values"),
    ("reason", "10", "allowed values"),
    ("reason", "11", "allowed values"),
    ("reason", "-1", "allowed values"),
    ("reason", "null", "must be integer"),
    ("reason", "\"keyCompromise\"", "must be integer"),
    ("serial", "\"c0ffee\"", "must not have additional properties"),
];
