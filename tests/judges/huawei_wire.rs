//! Huawei's own client and certsweep's program put the same calls on the same socket: the requests are the same.

use super::huawei::{ACCESS_KEY, SECRET_KEY, question, signed};
use super::installed::{self, python};
use crate::support::mock::{Mock, Seen, empty, json};
use crate::support::place::Place;
use certsweep::wire::WireRequest;
use serde_json::json;

#[test]
#[ignore = "asks Huawei's SDK; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn requests_on_the_wire_are_those_of_huaweis_sdk() {
    let mock = Mock::start(|seen, _| match seen.method.as_str() {
        "GET" => json(200, &format!(r#"{{"ca_id":"{LOST}","status":"REVOKED"}}"#)),
        // certsweep reads the state of a CA whose revocation was not answered well; the SDK does not ask for this one.
        _ if seen.target.contains(LOST) => json(500, r#"{"error_code":"PCA.00010001","error_msg":"x"}"#),
        _ => empty(204),
    });
    let calls = json!([
        {"operation": "revoke-ca", "ca_id": WITH_REASON, "reason": "KEY_COMPROMISE"},
        {"operation": "revoke-ca", "ca_id": WITHOUT_REASON},
        {"operation": "show-ca", "ca_id": LOST},
    ]);
    let send = json!({
        "endpoint": mock.url(), "calls": calls, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "domain_id": DOMAIN,
    });
    let answer = python("huawei_sdk.py", &json!({ "send": [send] }));
    let theirs = mock.seen();
    assert_eq!(theirs.len(), 3, "{:?}", mock.lines());

    let place = program();
    place.run(&plan(&mock)).exits(0);
    let ours: Vec<Seen> = mock.seen().split_off(3);
    let ours: Vec<Seen> = ours.into_iter().filter(|seen| seen.method == "GET" || !seen.target.contains(LOST)).collect();
    assert_eq!(ours.len(), 3, "{:?}", mock.lines());
    for (theirs, ours) in theirs.iter().zip(&ours) {
        the_same(theirs, ours);
    }

    // The signatures of what was sent: Huawei's signer signs our bytes at our second as we did, and ours signs Huawei's bytes as
    // Huawei's does. (Huawei's client signs its `user-agent` too, which a proxy may change; ours leaves it out.)
    let wire: Vec<WireRequest> = ours.iter().chain(&theirs).map(unsigned).collect();
    let again: Vec<WireRequest> = ours
        .iter()
        .chain(&theirs)
        .zip(&wire)
        .map(|(seen, wire)| signed(wire.clone(), &[("domain_id", DOMAIN)], &second(seen.header("x-sdk-date").unwrap())))
        .collect();
    let asked: Vec<_> = again.iter().map(|request| question(request, &[("domain_id", DOMAIN)])).collect();
    let judged = python("huawei_sdk.py", &json!({ "sign": asked }));
    for ((seen, again), judged) in ours.iter().chain(&theirs).zip(&again).zip(judged["signed"].as_array().unwrap()) {
        let made = again.headers.iter().find(|(name, _)| name == "authorization").unwrap();
        assert_eq!(judged["Authorization"].as_str(), Some(&*made.1), "{}", seen.line());
    }
    for (seen, judged) in ours.iter().zip(judged["signed"].as_array().unwrap()) {
        assert_eq!(seen.header("authorization"), judged["Authorization"].as_str(), "{}", seen.line());
    }
    let judged = format!("{} requests on a socket, the same as certsweep's", theirs.len());
    installed::log("huaweicloudsdkccm", answer["version"].as_str().unwrap(), &judged);
}

/// Fails where two requests for the same call differ in more than is each client's own.
#[track_caller]
fn the_same(theirs: &Seen, ours: &Seen) {
    assert_eq!(theirs.line(), ours.line());
    for name in ["host", "content-type", "x-domain-id"] {
        assert!(theirs.header(name).is_some(), "{name}: {theirs:?}");
        assert_eq!(theirs.header(name), ours.header(name), "{name} of {}", ours.line());
    }
    let names = |seen: &Seen| {
        let names = seen.headers.iter().map(|(name, _)| name.to_lowercase());
        let mut names: Vec<String> = names.filter(|name| !OWN.contains(&name.as_str())).collect();
        names.sort();
        names
    };
    assert_eq!(names(theirs), names(ours), "{}", ours.line());
    // Python's JSON has a space after a colon; no text in these bodies has one.
    assert_eq!(theirs.text().replace(": ", ":"), ours.text(), "{}", ours.line());
    let form = |seen: &Seen| {
        let all = seen.header("authorization").unwrap().to_owned();
        let (head, signature) = all.split_once("Signature=").unwrap();
        let head = head.replace("host;user-agent;", "host;");
        (head, signature.len(), seen.header("x-sdk-date").unwrap().len())
    };
    assert_eq!(form(theirs), form(ours), "{}", ours.line());
}

/// A request as it was seen, without what a signer adds.
fn unsigned(seen: &Seen) -> WireRequest {
    let content_type = seen.header("content-type").unwrap().to_owned();
    WireRequest {
        method: seen.method.clone(),
        url: format!("http://{}{}", seen.header("host").unwrap(), seen.target),
        headers: vec![("content-type".into(), content_type.into())],
        body: (!seen.body.is_empty()).then(|| seen.body.clone()),
    }
}

/// `20231114T221320Z` as RFC 3339.
fn second(date: &str) -> String {
    let part = |range: std::ops::Range<usize>| &date[range];
    format!("{}-{}-{}T{}:{}:{}Z", part(0..4), part(4..6), part(6..8), part(9..11), part(11..13), part(13..15))
}

fn program() -> Place {
    let mut place = Place::bare();
    place.set("HUAWEICLOUD_SDK_AK", ACCESS_KEY);
    place.set("HUAWEICLOUD_SDK_SK", SECRET_KEY);
    place.set("HUAWEICLOUD_SDK_DOMAIN_ID", DOMAIN);
    place
}

fn plan(mock: &Mock) -> String {
    format!(
        "version: 1\nproviders: {{huawei: {{base_url: \"{}\", rate: [1000/1s], concurrency: 1}}}}\nretry: {{attempts: 1}}\nactions:\n\
         - {{provider: huawei, action: revoke-ca, ca_id: {WITH_REASON}, reason: keyCompromise}}\n\
         - {{provider: huawei, action: revoke-ca, ca_id: {WITHOUT_REASON}}}\n\
         - {{provider: huawei, action: revoke-ca, ca_id: {LOST}}}\n",
        mock.url()
    )
}

/// Header fields in which each client is its own, or which the signatures cover.
const OWN: [&str; 5] = ["user-agent", "accept", "accept-encoding", "connection", "content-length"];
const DOMAIN: &str = "0123456789abcdef0123456789abcdef";
const WITH_REASON: &str = "6434f74f-2d13-4e6a-89eb-93ee313f1a43";
const WITHOUT_REASON: &str = "7434f74f-2d13-4e6a-89eb-93ee313f1a43";
const LOST: &str = "8434f74f-2d13-4e6a-89eb-93ee313f1a43";
