//! Certificates by what they are, from outside: bundles in any order, the trees of certbot, lego and acme.sh, keys that stand beside, and
//! requests in every form.

use super::acme::{ca_with, opened, plan};
use super::mock::{Mock, empty, json, naver_done};
use super::place::{self, Place};
use super::requests::contains;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::path::Path;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/plans/files-of-certificates");

/// The certificate of a file that holds no other, as it is sent.
fn sent_as(file: &str) -> String {
    let text = std::fs::read_to_string(Path::new(FILES).join(file)).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    URL_SAFE_NO_PAD.encode(STANDARD.decode(body).unwrap())
}

/// Runs the entries at a CA that takes everything, with an account's key; what it was sent, sorted.
fn revoked(entries: &str) -> (Place, Vec<String>) {
    let (place, mock) = (super::acme::place(0), ca_with(|_| empty(200), |_| None));
    place.run(&plan(&mock, "", entries)).exits(0);
    let revocations = mock.seen().into_iter().filter(|seen| seen.line() == "POST /r");
    let mut sent: Vec<String> =
        revocations.map(|seen| opened(&seen).1["certificate"].as_str().unwrap().to_owned()).collect();
    sent.sort();
    (place, sent)
}

fn of(files: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = files.iter().map(|file| sent_as(file)).collect();
    all.sort();
    all
}

#[test]
fn the_end_entity_is_revoked_wherever_it_stands() {
    for file in ["root-first.pem", "issuer-first.pem", "chain.p7b", "shop-utf16.pem", "haproxy.pem"] {
        let (_, sent) = revoked(&format!("  - {{certificate: \"file:{FILES}/{file}\"}}\n"));
        assert_eq!(sent, of(&["shop.pem"]), "{file}");
    }
}

#[test]
fn every_tree_gives_each_certificate_once() {
    for (pattern, expected) in [
        ("all.pem", &["letsencrypt/archive/mail.example.com/cert1.pem", "shop.pem"][..]),
        ("letsencrypt/live/*/cert.pem", &["letsencrypt/archive/mail.example.com/cert1.pem", "shop.pem"]),
        ("letsencrypt", &["letsencrypt/archive/mail.example.com/cert1.pem", "shop.pem"]),
        ("lego/certificates/*.crt", &["shop.pem"]),
        ("acme.sh", &["letsencrypt/archive/mail.example.com/cert1.pem", "shop.pem"]),
        ("acme.sh/*/fullchain.cer", &["letsencrypt/archive/mail.example.com/cert1.pem", "shop.pem"]),
    ] {
        let (place, sent) = revoked(&format!("  - {{certificates: \"file:{FILES}/{pattern}\"}}\n"));
        // The certificate of `www` stands in no file alone.
        let with_www = pattern.starts_with("all") || pattern.starts_with("lego");
        assert_eq!(sent.len(), expected.len() + usize::from(with_www), "{pattern}");
        assert!(of(expected).iter().all(|certificate| sent.contains(certificate)), "{pattern}");
        let key = std::fs::read(Path::new(FILES).join("shop.key")).unwrap();
        let line = key.split(|byte| *byte == b'\n').nth(1).unwrap();
        assert!(place.bytes_below("run").iter().all(|(_, bytes)| !contains(bytes, line)), "{pattern}");
    }
}

#[test]
fn where_a_number_is_sent_it_comes_from_the_certificate() {
    let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/in-house-ca.yaml")).unwrap();
    let (place, mock) = (Place::bare(), Mock::start(|_, _| json(200, r#"{"state":"revoked"}"#)));
    place.file("own/in-house-ca.yaml", example);
    place.file("token", "t");
    let text = format!(
        "version: 1\nproviders:\n  in-house: {{base_url: \"{}\", credentials: {{token: \"file:token\"}}}}\n\
         defaults: {{provider: in-house, action: revoke, reason: superseded}}\n\
         actions:\n  - {{certificates: [\"file:{FILES}/all.pem\", \"file:{FILES}/own.pem\"]}}\n",
        mock.url()
    );
    place.file("plan.yaml", text);
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run", "--provider-dir", "own"]).exits(0);
    let mut lines = mock.lines();
    lines.sort();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(
        lines.iter().zip(["b1", "b2", "b3", "b5"]).all(|(line, serial)| line.ends_with(&format!("{serial}/revoke")))
    );
}

#[test]
fn what_is_passed_over_and_what_is_meant_is_said() {
    let place = Place::bare();
    let entry = format!("  - {{certificates: \"file:{FILES}/acme.sh\"}}\n");
    place.file("plan.yaml", format!("version: 1\ndefaults: {{provider: acme, action: revoke}}\nactions:\n{entry}"));
    place.certsweep(&["check", "plan.yaml"]).exits(0).says(&["1 certificate of a CA", "4 files without a certificate"]);
    let preview = place.certsweep(&["preview", "plan.yaml"]).exits(0);
    for words in ["2 certificates by name", "mail.example.com", "CN=Example Issuing CA 1", "2026-01-01 to 2046-01-01"] {
        assert!(preview.out.contains(words), "{words}: {}", preview.out);
    }
    let named = place.certsweep(&["preview", "plan.yaml", "--json"]).exits(0).json();
    let first = &named["certificates"]["first"][0];
    assert_eq!((&first["common_name"], &first["serial_number"]), (&"mail.example.com".into(), &"b3".into()));
    assert_eq!(first["not_after"], "2046-01-01T00:00:00.000Z");
    assert_eq!(first["issuer"], "CN=Example Issuing CA 1");
}

#[test]
fn a_key_beside_the_certificate_is_never_kept() {
    let (place, _) = revoked(&format!("  - {{certificate: \"file:{FILES}/haproxy.pem\"}}\n"));
    let text = std::fs::read_to_string(Path::new(FILES).join("haproxy.pem")).unwrap();
    let key: Vec<&str> = text.lines().skip(1).take_while(|line| !line.starts_with('-')).collect();
    assert_eq!(key.len(), 3);
    for (path, bytes) in place.bytes_below("run") {
        assert!(key.iter().all(|line| !contains(&bytes, line.as_bytes())), "{path:?}");
    }
}

#[test]
fn a_request_is_sent_in_one_form_and_its_password_is_not_kept() {
    let expected = std::fs::read_to_string(Path::new(FILES).join("password.csr")).unwrap();
    let place = Place::new();
    place
        .file("password.csr", expected.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST").replace('\n', "\r\n"));
    let mock = Mock::start(|_, _| naver_done());
    let entry = "  - {id: new, provider: naver, action: reissue, certificateNo: \"5\", certificateName: shop, \
                 commonName: xn--bcher-kva.example, dnsName: [xn--bcher-kva.example, 192.0.2.1, \"2001:db8::1\"], \
                 validationMethod: D, csr: \"file:password.csr\"}\n";
    let text = place::plan(&mock, &["naver"], "", entry);
    place.run(&text).exits(0).says(&["challengePassword"]);
    let sent: serde_json::Value = serde_json::from_slice(&mock.seen().last().unwrap().body).unwrap();
    assert_eq!(sent["csr"], expected);
    // The password stands in these lines of the request.
    let body: Vec<&str> = expected.lines().filter(|line| !line.starts_with('-')).collect();
    let password = b"hunter2secret";
    assert!(contains(&STANDARD.decode(body.concat()).unwrap(), password));
    for (path, bytes) in place.bytes_below("run") {
        assert!(!contains(&bytes, password), "{path:?}");
        assert!(body.iter().all(|line| !contains(&bytes, line.as_bytes())), "{path:?}");
    }
    // What is left is a plan again.
    place.certsweep(&["report", "run", "--format", "plan", "-o", "left.csv"]).exits(0);
    place.certsweep(&["check", "left.csv"]).exits(0);
    // Another request in its place is not the one that was checked.
    place.file("password.csr", std::fs::read(Path::new(FILES).join("shop-text.csr")).unwrap());
    place.certsweep(&["check", "left.csv"]).exits(2).says(&["is another one"]);
}
