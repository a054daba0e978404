//! The requests of all five endpoints on the wire, byte for byte as the providers document them, their signatures computed once more.

use super::mock::{Mock, Seen, empty, json, naver_done};
use super::place::{CA, CREDENTIALS, Place, csr, plan, reissue};
use base64::Engine as _;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[test]
fn a_naver_revoke_is_sent_as_documented_and_signed() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| naver_done().with("x-ncp-apigw-request-id", "req-77")));
    let actions = "  - {id: a, provider: naver, action: revoke, orderId: 0012, certificateNo: 7, reason: superseded}\n\
                   \x20 - {id: b, provider: naver, action: revoke, orderId: \"0012\", certificateNo: 8, revokeType: unspecified}\n";
    place.run(&plan(&mock, &["naver"], "", actions)).exits(0);
    let mut seen = mock.seen();
    seen.sort_by_key(Seen::text);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].text(), r#"{"orderId":"0012","certificateNo":7,"revokeType":"superseded"}"#);
    assert_eq!(seen[1].text(), r#"{"orderId":"0012","certificateNo":8,"revokeType":"unspecified"}"#);
    for request in &seen {
        assert_eq!(request.line(), "POST /api/v2/certificate/revoke");
        naver_signed(request);
    }
    let rows = place.rows();
    assert_eq!(rows[0]["target"], "0012/7", "{rows:?}");
    assert_eq!((rows[0]["provider_ref"].as_str(), rows[0]["provider_code"].as_str()), ("req-77", "0"));
    assert_eq!((rows[0]["reason"].as_str(), rows[0]["reason_sent"].as_str()), ("superseded", "superseded"));
}

#[test]
fn a_naver_reissue_is_sent_as_documented_and_signed() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| naver_done()));
    place.run(&plan(&mock, &["naver"], "", &reissue("new", 55882))).exits(0);
    let seen = mock.seen();
    assert_eq!(mock.lines(), ["POST /api/v2/certificate/55882/reissue"]);
    let pem = std::fs::read_to_string(csr().strip_prefix("file:").unwrap()).unwrap();
    let expected = format!(
        r#"{{"csr":{},"certificateName":"shop","commonName":"shop.example.com","dnsName":["shop.example.com"],"validationMethod":"D"}}"#,
        serde_json::Value::from(pem)
    );
    assert_eq!(seen[0].text(), expected);
    naver_signed(&seen[0]);
}

#[test]
fn digicert_revokes_are_sent_as_documented() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let actions = "  - {id: a, action: revoke, certificate_id: 112358, comments: \"INC-42\"}\n\
                   \x20 - {id: b, action: revoke, certificate_id: \"0A:1B\", reason: superseded, skip_approval: true}\n\
                   \x20 - {id: c, action: revoke-order, order_id: 55, comment: \"Revoked \\u00e9 \\\"now\\\"\"}\n\
                   \x20 - {id: d, action: revoke, certificate_id: 00e5}\n";
    place.run(&plan(&mock, &["digicert"], "defaults: {provider: digicert}", actions)).exits(0);
    let mut sent: Vec<(String, String)> = mock.seen().iter().map(|seen| (seen.line(), seen.text())).collect();
    sent.sort();
    let expected = [
        // Serial numbers in the one spelling of the document, ids as they are.
        ("PUT /services/v2/certificate/0A1B/revoke", r#"{"revocation_reason":"superseded","skip_approval":true}"#),
        ("PUT /services/v2/certificate/112358/revoke", r#"{"comments":"INC-42"}"#),
        ("PUT /services/v2/certificate/E5/revoke", "{}"),
        ("PUT /services/v2/order/certificate/55/revoke", "{\"comments\":\"Revoked é \\\"now\\\"\"}"),
    ];
    assert_eq!(sent, expected.map(|(line, body)| (line.to_owned(), body.to_owned())));
    for request in mock.seen() {
        assert_eq!(request.header("x-dc-devkey"), Some(CREDENTIALS[0].1));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("host"), Some(mock.authority().as_str()));
        assert_eq!(request.header("authorization"), None);
    }
}

#[test]
fn a_huawei_revoke_signed_with_ak_and_sk_has_a_body_always() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let other = "7434f74f-2d13-4e6a-89eb-93ee313f1a43";
    let actions = format!(
        "  - {{id: a, provider: huawei, action: revoke-ca, ca_id: {CA}, reason: keyCompromise}}\n\
         \x20 - {{id: b, provider: huawei, action: revoke-ca, ca_id: {other}}}\n"
    );
    place.run(&plan(&mock, &["huawei"], "", &actions)).exits(0);
    let mut seen = mock.seen();
    seen.sort_by_key(Seen::line);
    assert_eq!(seen[0].line(), format!("POST /v1/private-certificate-authorities/{CA}/revoke"));
    assert_eq!(seen[0].text(), r#"{"reason":"KEY_COMPROMISE"}"#);
    assert_eq!(seen[1].line(), format!("POST /v1/private-certificate-authorities/{other}/revoke"));
    assert_eq!(seen[1].text(), "{}");
    for request in &seen {
        assert_eq!(request.header("content-type"), Some("application/json"));
        huawei_signed(request, CREDENTIALS[3].1, CREDENTIALS[4].1);
    }
    let rows = place.rows();
    assert_eq!((rows[0]["reason"].as_str(), rows[0]["reason_sent"].as_str()), ("keyCompromise", "KEY_COMPROMISE"));
    assert_eq!((rows[1]["reason"].as_str(), rows[1]["reason_sent"].as_str()), ("", ""));
}

#[test]
fn a_huawei_revoke_with_a_token_carries_the_token() {
    let mut place = Place::bare();
    place.set("HUAWEICLOUD_AUTH_TOKEN", "MIIExampleToken77");
    let mock = Mock::start(|_, _| empty(204));
    let actions = format!("  - {{provider: huawei, action: revoke-ca, ca_id: {CA}}}\n");
    place.run(&plan(&mock, &["huawei"], "", &actions)).exits(0);
    let seen = &mock.seen()[0];
    assert_eq!((seen.header("x-auth-token"), seen.header("authorization")), (Some("MIIExampleToken77"), None));
    assert_eq!(seen.text(), "{}");
}

#[test]
fn an_iam_token_is_fetched_once_and_renewed_once_where_it_is_refused() {
    let mut place = Place::bare();
    for (name, value) in [("USER", "operator"), ("PASSWORD", "Pa55word-example"), ("DOMAIN", "example-domain")] {
        place.set(&format!("HUAWEICLOUD_IAM_{name}"), value);
    }
    let third = "8434f74f-2d13-4e6a-89eb-93ee313f1a43";
    let other = "7434f74f-2d13-4e6a-89eb-93ee313f1a43";
    // The first token works for one request, then it is withdrawn.
    let mock = Mock::start(move |seen, nth| match (seen.target.as_str(), seen.header("x-auth-token")) {
        ("/v3/auth/tokens", _) => json(201, r#"{"token":{"expires_at":"2099-01-01T00:00:00.000000Z"}}"#)
            .with("X-Subject-Token", &format!("token-number-{nth}")),
        (target, Some("token-number-0")) if target.contains(CA) => empty(204),
        (_, Some("token-number-1")) => empty(204),
        _ => json(401, r#"{"error_code":"APIGW.0301","error_msg":"Incorrect IAM authentication information"}"#),
    });
    let actions: String =
        [CA, other, third].map(|ca| format!("  - {{provider: huawei, action: revoke-ca, ca_id: {ca}}}\n")).concat();
    let url = mock.url();
    let text = plan(&mock, &[], "", &actions).replace(
        "providers:\n",
        &format!(
            "providers:\n  huawei: {{base_url: \"{url}\", auth_url: \"{url}/v3/auth/tokens\", rate: [1000/1s], concurrency: 1}}\n"
        ),
    );
    place.run(&text).exits(0);
    assert_eq!(mock.count("/v3/auth/tokens"), 2, "{:?}", mock.lines());
    assert_eq!(mock.seen().len(), 6, "one revoke was refused and sent again: {:?}", mock.lines());
    let token: serde_json::Value = serde_json::from_slice(&mock.seen()[0].body).unwrap();
    assert_eq!(token["auth"]["identity"]["password"]["user"]["password"], "Pa55word-example");
    assert_eq!(token["auth"]["scope"]["domain"]["name"], "example-domain");
    for (path, bytes) in place.bytes_below("run") {
        for secret in ["Pa55word-example", "token-number-0", "token-number-1"] {
            assert!(!contains(&bytes, secret.as_bytes()), "{} holds {secret}", path.display());
        }
    }
}

#[test]
fn each_attempt_is_signed_anew() {
    let (place, mock) = (Place::new(), Mock::start(|_, nth| if nth == 0 { empty(500) } else { naver_done() }));
    let actions = "  - {provider: naver, action: revoke, orderId: \"1\", certificateNo: 1, reason: superseded}\n";
    place.run(&plan(&mock, &["naver"], "", actions)).exits(0);
    let seen = mock.seen();
    assert_eq!(seen.len(), 2);
    seen.iter().for_each(naver_signed);
    assert_eq!(place.row()["attempts"], "2");
}

/// NAVER's headers: the signature over method, path with query, timestamp and access key.
fn naver_signed(request: &Seen) {
    let (access, secret) = (CREDENTIALS[1].1, CREDENTIALS[2].1);
    let timestamp = request.header("x-ncp-apigw-timestamp").unwrap();
    let sent = Duration::from_millis(timestamp.parse().unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(now.abs_diff(sent) < Duration::from_secs(300), "{timestamp}");
    let message = format!("{} {}\n{timestamp}\n{access}", request.method, request.target);
    let signature = base64::engine::general_purpose::STANDARD.encode(hmac(secret.as_bytes(), message.as_bytes()));
    assert_eq!(request.header("x-ncp-apigw-signature-v2"), Some(signature.as_str()));
    assert_eq!(request.header("x-ncp-iam-access-key"), Some(access));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("accept"), Some("application/json"));
}

/// Huawei's SDK-HMAC-SHA256 over the bytes that came.
fn huawei_signed(request: &Seen, access: &str, secret: &str) {
    let date = request.header("x-sdk-date").unwrap();
    assert!(date.len() == 16 && date.ends_with('Z') && date.as_bytes()[8] == b'T', "{date}");
    let authorization = request.header("authorization").unwrap();
    let rest = authorization.strip_prefix(&format!("SDK-HMAC-SHA256 Access={access}, SignedHeaders=")).unwrap();
    let (names, signature) = rest.split_once(", Signature=").unwrap();
    assert!(["host", "x-sdk-date"].iter().all(|name| names.split(';').any(|signed| signed == *name)), "{names}");
    let mut canonical = format!("{}\n{}/\n\n", request.method, request.target);
    for name in names.split(';') {
        canonical.push_str(&format!("{name}:{}\n", request.header(name).unwrap()));
    }
    canonical.push_str(&format!("\n{names}\n{}", hex::encode(Sha256::digest(&request.body))));
    let hash = hex::encode(Sha256::digest(canonical.as_bytes()));
    let expected = hmac(secret.as_bytes(), format!("SDK-HMAC-SHA256\n{date}\n{hash}").as_bytes());
    assert_eq!(signature, hex::encode(expected));
}

/// HMAC-SHA256 by its definition (RFC 2104), for keys up to one block.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::digest([block.map(|byte| byte ^ 0x36).as_slice(), message].concat());
    Sha256::digest([block.map(|byte| byte ^ 0x5c).as_slice(), &inner].concat()).to_vec()
}

/// Whether some bytes are part of others.
pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn the_hmac_of_these_tests_is_that_of_the_published_vector() {
    let message = "GET /vserver/v2/getServerInstanceList?responseFormatType=json\n1234567890123\nTestAccessKey";
    let signature = base64::engine::general_purpose::STANDARD.encode(hmac(b"TestSecretKey", message.as_bytes()));
    assert_eq!(signature, "FPsYYX8fuMAgi+cue3eACOW0dNtIwu1LYWfg/megA2M=");
}
