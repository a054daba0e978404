//! Signing in as OpenAPI has it: bearer and basic, several header fields, tokens by OAuth 2.0, a log-in or a service account, a client's
//! certificate, AWS's signature. What goes out is read by a provider that these tests play.

use super::mock::{Act, Mock, Seen, json};
use super::place::{CommandOutput, Place};
use super::requests::contains;
use super::tls::serve;
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use der::asn1::{AnyRef, Null, ObjectIdentifier};
use der::{Encode as _, Tag, TagNumber};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// A place that knows the document with every way to sign in, and has these credentials.
fn place(credentials: &[(&str, &str)]) -> Place {
    let mut place = Place::bare();
    place.set("CERTSWEEP_PROVIDERS", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/documents/good"));
    for (name, value) in credentials {
        place.set(&name.to_uppercase(), value);
    }
    place
}

/// Revokes of so many certificates with these credentials.
fn plan(base: &str, more: &str, credentials: &[(&str, &str)], count: usize) -> String {
    let references: Vec<String> =
        credentials.iter().map(|(name, _)| format!("{name}: \"env:{}\"", name.to_uppercase())).collect();
    let actions: String = (1..=count)
        .map(|serial| format!("  - {{provider: signers, action: revoke, serial: {serial:02x}, cause: old}}\n"))
        .collect();
    format!(
        "version: 1\nretry: {{attempts: 2, max_delay: 10ms}}\nproviders:\n  signers: {{base_url: \"{base}\", rate: [1000/1s], concurrency: 1, {more}credentials: {{{}}}}}\nactions:\n{actions}",
        references.join(", ")
    )
}

fn revoked() -> Act {
    json(200, r#"{"state":"revoked"}"#)
}

fn is_revoke(seen: &Seen) -> bool {
    seen.target.ends_with("/revoke")
}

#[track_caller]
fn shown_nowhere(place: &Place, done: &[&CommandOutput], secrets: &[&str]) {
    for secret in secrets {
        for one in done {
            assert!(!one.out.contains(secret) && !one.err.contains(secret), "{secret}:\n{}\n{}", one.out, one.err);
        }
        for (path, bytes) in place.bytes_below("run") {
            assert!(!contains(&bytes, secret.as_bytes()), "{secret} stands in {}", path.display());
        }
    }
}

#[test]
fn credentials_go_into_the_fields_that_openapi_means() {
    for (credentials, expected) in [
        (&[("token", "bearer-token-value")][..], &[("authorization", "Bearer bearer-token-value")][..]),
        (
            &[("login_name", "operator"), ("login_password", "pass:word-77")],
            &[("authorization", "Basic b3BlcmF0b3I6cGFzczp3b3JkLTc3")],
        ),
        (
            &[("login", "login-value"), ("password", "password-value"), ("customer_uri", "customer-value")],
            &[("login", "login-value"), ("password", "password-value"), ("customerUri", "customer-value")],
        ),
    ] {
        let place = place(credentials);
        let mock = Mock::start(|_, _| revoked());
        let plan = plan(&mock.url(), "", credentials, 1);
        let done = place.run(&plan).exits(0);
        let seen = mock.seen();
        for (name, value) in expected {
            let found = seen[0].headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
            assert_eq!(found.map(|(_, value)| value.as_str()), Some(*value), "{name}");
        }
        let preview = place.certsweep(&["preview", "plan.yaml"]).exits(0);
        for (name, _) in credentials {
            let line = format!("  # {name} from env:{}\n", name.to_uppercase());
            assert!(preview.out.contains(&line), "{line}{}", preview.out);
        }
        let secrets: Vec<&str> =
            credentials.iter().map(|(_, value)| *value).filter(|value| *value != "operator").collect();
        shown_nowhere(&place, &[&done, &preview], &secrets);
        place.certsweep(&["run", "plan.yaml", "--simulate", "--yes", "--run-dir", "drill"]).exits(0);
    }
}

const OAUTH: [(&str, &str); 2] = [("client_id", "client-example"), ("client_secret", "client-secret-0f93")];

#[test]
fn an_oauth_token_is_fetched_once_sent_as_bearer_and_shown_nowhere() {
    let place = place(&OAUTH);
    let token = r#"{"access_token":"oauth-token-0f93a1","token_type":"Bearer","expires_in":3600}"#;
    let mock = Mock::start(move |seen, _| if is_revoke(seen) { revoked() } else { json(200, token) });
    let plan = plan(&mock.url(), &format!("auth_url: \"{}/token\", ", mock.url()), &OAUTH, 3);
    let done = place.run(&plan).exits(0);
    assert_eq!((mock.count("/token"), mock.count("/revoke")), (1, 3));
    let seen = mock.seen();
    assert_eq!(seen[0].text(), "grant_type=client_credentials&scope=revoke%20read");
    let basic = format!("Basic {}", STANDARD.encode("client-example:client-secret-0f93"));
    assert_eq!(seen[0].header("authorization"), Some(basic.as_str()));
    assert!(seen[1..].iter().all(|seen| seen.header("authorization") == Some("Bearer oauth-token-0f93a1")));
    let preview = place.certsweep(&["preview", "plan.yaml"]).exits(0);
    assert!(preview.out.contains("authorization: Bearer (secret)"), "{}", preview.out);
    shown_nowhere(&place, &[&done, &preview], &["oauth-token-0f93a1", "client-secret-0f93"]);
    let drill = place.certsweep(&["run", "plan.yaml", "--simulate", "--yes", "--run-dir", "drill"]).exits(0);
    assert!(!drill.err.contains("client-secret"));
}

#[test]
fn what_a_token_endpoint_must_not_answer_stops_the_account_with_a_clear_line() {
    for (answer, expected) in [
        (
            Act::Answer {
                status: 200,
                headers: vec![("Content-Type".to_owned(), "text/html".to_owned())],
                body: b"<html><title>Sign in to Example</title></html>".to_vec(),
            },
            "HTTP 200 text/html \"Sign in to Example\"; a token endpoint answers in JSON",
        ),
        (json(401, r#"{"error":"invalid_client","error_description":"who?"}"#), "HTTP 401: invalid_client: who?"),
        (json(200, r#"{"access_token":"oauth-token","expires_in":-5}"#), "serves for -5 s, which is over"),
        (json(200, "{}"), "has no usable `access_token`"),
    ] {
        let place = place(&OAUTH);
        let mock = Mock::start(move |_, _| answer.clone());
        let done = place.run(&plan(&mock.url(), &format!("auth_url: \"{}/token\", ", mock.url()), &OAUTH, 2)).exits(4);
        done.says(&["no token was given", expected]);
        assert_eq!(mock.lines(), ["POST /token"], "nothing is sent without a token");
    }
}

#[test]
fn a_token_without_an_expiry_is_used_and_warned_of_once() {
    let place = place(&OAUTH);
    let mock = Mock::start(|seen, nth| match (is_revoke(seen), nth) {
        (false, _) => json(200, r#"{"access_token":"oauth-token"}"#),
        // It ends without a word after the first.
        (true, 0) if seen.target.contains("/02/") => json(401, r#"{"code":"expired"}"#),
        (true, _) => revoked(),
    });
    let done = place.run(&plan(&mock.url(), &format!("auth_url: \"{}/token\", ", mock.url()), &OAUTH, 3)).exits(0);
    assert_eq!(done.err.matches("does not say how long its token serves (`expires_in`)").count(), 1, "{}", done.err);
    assert!(done.err.contains("`lifetime: 10m`"), "{}", done.err);
    assert_eq!((mock.count("/token"), mock.count("/revoke")), (2, 4));
}

#[test]
fn a_log_in_is_asked_at_the_base_urls_host_and_its_token_sent_as_it_is() {
    let credentials = [("role_id", "role-value-1"), ("secret_id", "secret-id-value")];
    let place = place(&credentials);
    let mock = Mock::start(|seen, _| {
        if is_revoke(seen) {
            return revoked();
        }
        json(200, r#"{"auth":{"client_token":"hvs.example","lease_duration":3600,"renewable":true}}"#)
    });
    let done = place.run(&plan(&format!("{}/v1/team/pki", mock.url()), "", &credentials, 2)).exits(0);
    assert_eq!(mock.lines()[0], "POST /v1/auth/approle/login");
    let seen = mock.seen();
    assert_eq!(seen[0].text(), r#"{"role_id":"role-value-1","secret_id":"secret-id-value"}"#);
    assert!(seen[1..].iter().all(|seen| seen.header("x-vault-token") == Some("hvs.example")));
    shown_nowhere(&place, &[&done], &["role-value-1", "secret-id-value", "hvs.example"]);
}

#[test]
fn a_service_account_needs_its_key_file() {
    let key = include_str!("../../src/simulator/service-account-key.pem");
    let file =
        serde_json::json!({"client_email": "a@b.example", "private_key": key, "private_key_id": "k"}).to_string();
    let good = [("service_account", file.as_str())];
    let place = place(&good);
    let mock = Mock::start(|seen, _| {
        if is_revoke(seen) { revoked() } else { json(200, r#"{"access_token":"ya29.example","expires_in":3599}"#) }
    });
    let url = format!("auth_url: \"{}/token\", ", mock.url());
    let done = place.run(&plan(&mock.url(), &url, &good, 1)).exits(0);
    assert_eq!(mock.seen()[1].header("authorization"), Some("Bearer ya29.example"));
    shown_nowhere(&place, &[&done], &["BEGIN PRIVATE KEY", "ya29.example"]);
    let bad = [("service_account", "not a key file")];
    let place = self::place(&bad);
    let done = place.run(&plan(&mock.url(), &url, &bad, 1)).exits(4);
    done.says(&["`service_account` from `env:SERVICE_ACCOUNT`", "no key file of a Google service account"]);
    assert_eq!(mock.seen().len(), 2, "nothing more is sent");
}

const AWS: [(&str, &str); 3] =
    [("access_key", "AKIDEXAMPLE0000"), ("secret_key", "aws-secret-example"), ("session_token", "session-example-1")];

#[test]
fn a_region_that_is_none_is_an_error_of_the_plan() {
    let place = place(&AWS);
    let mock = Mock::start(|_, _| revoked());
    for (region, words) in [
        ("us-esat-1", "`us-esat-1` is no region of AWS"),
        ("us-east-1a", "`us-east-1a` is an availability zone of AWS"),
    ] {
        let plan = plan(&mock.url(), &format!("variables: {{region: {region}}}, "), &AWS, 1);
        let done = place.run(&plan).exits(2);
        done.says(&["plan.yaml:4:", words, "us-east-1"]);
    }
    assert!(mock.seen().is_empty());
    let plan = plan(&mock.url(), "variables: {region: ap-southeast-2}, ", &AWS, 1);
    let done = place.run(&plan).exits(0);
    let signed = mock.seen()[0].header("authorization").unwrap().to_owned();
    assert!(
        signed.contains(
            "/ap-southeast-2/acm-pca/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token,"
        ),
        "{signed}"
    );
    shown_nowhere(&place, &[&done], &["aws-secret-example", "session-example-1"]);
}

/// A CA, and what it issues.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, issuer: rcgen::Issuer::new(parameters, key) }
    }

    fn issue(&self, name: &str, until: i32) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        (parameters.not_before, parameters.not_after) =
            (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(until, 1, 1));
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// A PKCS #12 store with a certificate and its key (RFC 7292): one part with both, encrypted by PBES2 (RFC 8018), and no check value.
fn store(certificate: &rcgen::Certificate, key: &rcgen::KeyPair) -> Vec<u8> {
    let (salt, iv, mut cipher_key) = ([7; 16], [9; 16], [0; 32]);
    let element = |tag, parts: &[&[u8]]| AnyRef::new(tag, &parts.concat()).unwrap().to_der().unwrap();
    let sequence = |parts: &[&[u8]]| element(Tag::Sequence, parts);
    let octets = |bytes: &[u8]| element(Tag::OctetString, &[bytes]);
    let oid = |text| ObjectIdentifier::new_unwrap(text).to_der().unwrap();
    let number = |number: u16| number.to_der().unwrap();
    let tagged =
        |constructed, bytes: &[u8]| element(Tag::ContextSpecific { constructed, number: TagNumber::N0 }, &[bytes]);
    let typed = |kind, value: &[u8]| sequence(&[&oid(kind), &tagged(true, value)]);
    let algorithm = |kind, parameters: &[u8]| sequence(&[&oid(kind), parameters]);

    let certificate = typed("1.2.840.113549.1.9.22.1", &octets(certificate.der()));
    let certificate = typed("1.2.840.113549.1.12.10.1.3", &certificate);
    let bags = sequence(&[&certificate, &typed("1.2.840.113549.1.12.10.1.1", &key.serialize_der())]);
    let iterations = std::num::NonZeroU32::new(2048).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, STORE_PASSWORD.as_bytes(), &mut cipher_key);
    let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(&cipher_key, &iv).unwrap();
    let encrypted = cipher.encrypt_padded_vec::<Pkcs7>(&bags);

    let prf = algorithm("1.2.840.113549.2.9", &Null.to_der().unwrap());
    let derivation = algorithm("1.2.840.113549.1.5.12", &sequence(&[&octets(&salt), &number(2048), &prf]));
    let encryption = algorithm("2.16.840.1.101.3.4.1.42", &octets(&iv));
    let scheme = algorithm("1.2.840.113549.1.5.13", &sequence(&[&derivation, &encryption]));
    let content = sequence(&[&oid("1.2.840.113549.1.7.1"), &scheme, &tagged(false, &encrypted)]);
    let part = typed("1.2.840.113549.1.7.6", &sequence(&[&number(0), &content]));
    sequence(&[&number(3), &typed("1.2.840.113549.1.7.1", &octets(&sequence(&[&part])))])
}

const STORE_PASSWORD: &str = "store-secret-example";

/// A provider at `localhost` that asks for a certificate of this CA's; how many requests it read.
fn asking_provider(authority: &Authority) -> (u16, Arc<AtomicUsize>) {
    let (certificate, key) = authority.issue("localhost", 2100);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.certificate.der().to_vec())).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_client_cert_verifier(verifier);
    let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let body = r#"{"state":"revoked"}"#;
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json";
    serve(config, format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

#[test]
fn a_clients_certificate_is_shown_and_one_that_cannot_work_is_found_before_anything_is_sent() {
    let (authority, stranger) = (Authority::new("in-house"), Authority::new("stranger"));
    let (port, requests) = asking_provider(&authority);
    let (good, key) = authority.issue("operator", 2100);
    let (expired, expired_key) = authority.issue("operator-of-before", 2021);
    let (foreign, foreign_key) = stranger.issue("somebody", 2100);
    let place = place(&[]);
    place.file("ca.pem", authority.certificate.pem());
    for (name, text) in [
        ("good.pem", good.pem()),
        ("good.key", key.serialize_pem()),
        ("both.pem", format!("{}{}", key.serialize_pem(), good.pem())),
        ("expired.pem", expired.pem()),
        ("expired.key", expired_key.serialize_pem()),
        ("foreign.pem", foreign.pem()),
        ("foreign.key", foreign_key.serialize_pem()),
    ] {
        place.file(name, text);
    }
    place.file("good.der", good.der());
    place.file("good.p12", store(&good, &key));
    place.file("expired.p12", store(&expired, &expired_key));
    for (name, text) in [("good.password", STORE_PASSWORD), ("wrong.password", "another")] {
        place.file(name, text);
    }
    let run = |certificate: &str, key: Option<&str>, directory: &str| {
        let named = |file: &str| if file.ends_with(".password") { "client_certificate_password" } else { "client_key" };
        let key = key.map(|key| format!(", {}: \"file:{key}\"", named(key))).unwrap_or_default();
        let account = format!(
            "base_url: \"https://localhost:{port}\", rate: [1000/1s], credentials: {{client_certificate: \"file:{certificate}\"{key}}}"
        );
        place.file("plan.yaml", format!("version: 1\nretry: {{attempts: 2, max_delay: 10ms}}\nproviders:\n  signers: {{{account}}}\nactions:\n  - {{provider: signers, action: revoke, serial: 0a, cause: old}}\n"));
        place.certsweep(&["run", "plan.yaml", "--yes", "--again", "--ca-file", "ca.pem", "--run-dir", directory])
    };
    let read = || requests.load(Ordering::SeqCst);
    for (certificate, key, words) in [
        (
            "expired.pem",
            Some("expired.key"),
            ["`client_certificate` from `file:", "`CN=operator-of-before` expired on 2021-01-01"],
        ),
        (
            "good.pem",
            Some("foreign.key"),
            ["`client_key` from `file:", "it is not the key of the certificate of `CN=operator`"],
        ),
        ("good.pem", None, ["`client_certificate` from `file:", "`client_key` refers to a file of its own"]),
        ("good.der", None, ["`client_certificate` from `file:", "`client_key` refers to a file of its own"]),
        ("good.pem", Some("good.der"), ["`client_key` from `file:", "it is no PEM, but DER"]),
        ("good.p12", None, ["`client_certificate` from `file:", "has a password; write `client_certificate_password"]),
        (
            "good.p12",
            Some("wrong.password"),
            ["`client_certificate_password` from `file:", "it does not open the PKCS#12"],
        ),
        ("good.pem", Some("good.password"), ["`client_certificate_password` from `file:", "no password is needed"]),
        (
            "expired.p12",
            Some("good.password"),
            ["`client_certificate` from `file:", "`CN=operator-of-before` expired on"],
        ),
        ("good.key", Some("good.key"), ["`client_certificate` from `file:", "it holds no PEM block `CERTIFICATE`"]),
    ] {
        run(certificate, key, "refused").exits(4).says(&words);
        assert!(!place.path("refused").exists(), "nothing is begun");
    }
    assert_eq!(read(), 0, "nothing is sent");
    run("foreign.pem", Some("foreign.key"), "foreign")
        .exits(4)
        .says(&["the server does not take the client's certificate"]);
    assert_eq!(read(), 0, "nothing is read of it");
    run("good.pem", Some("good.key"), "one").exits(0);
    run("good.der", Some("good.key"), "two").exits(0);
    let stored = run("good.p12", Some("good.password"), "three").exits(0);
    let done = run("both.pem", None, "run").exits(0);
    assert_eq!(read(), 4);
    shown_nowhere(&place, &[&done, &stored], &["BEGIN PRIVATE KEY", STORE_PASSWORD]);
    place.certsweep(&["run", "plan.yaml", "--simulate", "--yes", "--run-dir", "drill"]).exits(0);
}

#[test]
fn an_operation_signs_in_in_its_own_way() {
    let mut place = place(&[]);
    place.set("OWN_WAYS_TOKEN", "key-of-the-account");
    place.set("OWN_WAYS_ADMIN", "key-of-the-admin");
    let mock = Mock::start(|seen, _| match seen.target.rsplit('/').next() {
        Some("hold") => json(200, r#"{"state":"held"}"#),
        Some("revoke") => json(500, "{}"),
        _ => json(200, r#"{"state":"revoked"}"#),
    });
    let text = |credentials: &str| {
        format!(
            "version: 1\nretry: {{attempts: 1}}\nproviders:\n  own-ways: {{base_url: \"{}\"{credentials}}}\nactions:\n  \
             - {{provider: own-ways, action: hold, serial: 0a}}\n  - {{provider: own-ways, action: revoke, serial: 0b, cause: old}}\n",
            mock.url()
        )
    };
    let done = place.run(&text("")).exits(0);
    let fields = |part: &str| {
        let seen = mock.seen().into_iter().find(|seen| seen.line() == part).unwrap();
        (seen.header("x-key").map(str::to_owned), seen.header("x-admin").map(str::to_owned))
    };
    assert_eq!(fields("POST /certificates/0a/hold"), (Some("key-of-the-account".to_owned()), None));
    assert_eq!(fields("POST /certificates/0b/revoke"), (None, Some("key-of-the-admin".to_owned())));
    assert_eq!(fields("GET /certificates/0b"), (None, None), "its state is for everybody");
    shown_nowhere(&place, &[&done], &["key-of-the-account", "key-of-the-admin"]);

    place.file("plan.yaml", text(", credentials: {token: \"env:OWN_WAYS_TOKEN\"}"));
    let refused = place.certsweep(&["check", "plan.yaml"]).exits(2);
    refused.says(&[
        "plan.yaml:7:",
        "`revoke` signs in by a way of its own, for which `own-ways` has no credentials",
        "give admin_token",
    ]);
    place.file("plan.yaml", text(""));
    let shown = place.certsweep(&["preview", "plan.yaml"]).exits(0).out;
    assert!(shown.contains("x-admin: (secret)") && shown.contains("x-key: (secret)"), "{shown}");
    place.certsweep(&["run", "plan.yaml", "--simulate", "--yes", "--run-dir", "drill"]).exits(0);
    let shown = place.certsweep(&["providers", "show", "own-ways"]).exits(0).out;
    assert!(shown.contains("  security      admin: its own, in the place of the document's"), "{shown}");
    assert!(shown.contains("OWN_WAYS_ADMIN"), "{shown}");
}
