//! Huawei's own signer signs the same requests as ours, at the same moments: the `Authorization` is the same, byte for byte.

use super::accepted::documents;
use super::installed::{self, python};
use certsweep::provider::security::{SecurityScheme, SignerKind};
use certsweep::text::Secret;
use certsweep::wire::sign::sign;
use certsweep::wire::{Credentials, WireRequest, request};
use jiff::Timestamp;
use serde_json::{Value, json};

#[test]
#[ignore = "asks Huawei's SDK; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn signatures_are_those_of_huaweis_sdk() {
    let requests = requests();
    let (mut ours, mut asked) = (Vec::new(), Vec::new());
    for request in &requests {
        for optional in OPTIONAL {
            for at in MOMENTS {
                let signed = signed(request.clone(), optional, at);
                asked.push(question(&signed, optional));
                ours.push((format!("{} {}", signed.method, signed.url), header(&signed, "authorization").to_owned()));
            }
        }
    }
    let answer = python("huawei_sdk.py", &json!({ "sign": asked }));
    let theirs = answer["signed"].as_array().unwrap();
    assert_eq!(theirs.len(), ours.len());
    for ((line, ours), theirs) in ours.iter().zip(theirs) {
        assert_eq!(Some(ours.as_str()), theirs["Authorization"].as_str(), "{line}");
    }
    let judged = format!("{} signatures of {} requests, the same byte for byte", ours.len(), requests.len());
    installed::log("huaweicloudsdkcore", answer["core"].as_str().unwrap(), &judged);
}

/// Our request, signed with the example keys.
pub(crate) fn signed(mut request: WireRequest, optional: &[(&str, &str)], at: &str) -> WireRequest {
    let keys = [("access_key", ACCESS_KEY), ("secret_key", SECRET_KEY)];
    let pairs = keys.iter().chain(optional).map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
    let at: Timestamp = at.parse().unwrap();
    let requirement = SecurityScheme::new("huawei", SignerKind::HuaweiSdkHmacSha256).into();
    sign(&requirement, &mut request, &Credentials::new(pairs), at).unwrap();
    request
}

/// What Huawei's signer is asked: to sign the same method, path, query, content type, date and body.
pub(crate) fn question(signed: &WireRequest, optional: &[(&str, &str)]) -> Value {
    let (host, below) = signed.url.split_once("://").unwrap().1.split_once('/').unwrap();
    let (path, query) = below.split_once('?').unwrap_or((below, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut asked = json!({
        "method": signed.method, "host": host, "path": format!("/{path}"), "query": pairs.collect::<Vec<_>>(),
        "headers": {"Content-Type": header(signed, "content-type"), "X-Sdk-Date": header(signed, "x-sdk-date")},
        "body": signed.body.as_ref().map(|body| std::str::from_utf8(body).unwrap()),
        "access_key": ACCESS_KEY, "secret_key": SECRET_KEY,
    });
    for (name, value) in optional {
        asked[name] = json!(value);
    }
    asked
}

/// Every sample of the document, and requests that Huawei's other pages show or whose characters must be encoded.
pub(crate) fn requests() -> Vec<WireRequest> {
    let (huawei, _) = documents().into_iter().find(|(provider, _)| provider.id == "huawei").unwrap();
    let mut all = Vec::new();
    for operation in &huawei.operations {
        for sample in &operation.samples {
            all.push(request::build(BASE, operation, &sample.parameters));
        }
    }
    for (method, below, body) in [
        ("GET", "/v1/private-certificates?status=ISSUED&offset=0&limit=10", None),
        ("GET", "/v1/private-certificates?name=%EA%B0%80%EA%B2%8C&limit=10&a=%20~-_.%21%27%28%29%2A%2B%26%3D", None),
        ("GET", "/v1/private-certificates?name=z&name=%C3%A9&name=%7E&%C3%A9=1&z=2", None),
        ("GET", "/v1/%EA%B0%80%EA%B2%8C/a%20b%2Fc/~x/", None),
        ("GET", "/", None),
        ("POST", "/v1/private-certificates?z=&a=1", Some(r#"{"name":"가게 · Söhne","tags":["a b","\"c\""]}"#)),
        ("DELETE", "/v1/private-certificates/6434f74f-2d13-4e6a-89eb-93ee313f1a43", None),
    ] {
        for base in [BASE, "http://127.0.0.1:18080"] {
            all.push(WireRequest {
                method: method.to_owned(),
                url: format!("{base}{below}"),
                headers: vec![("accept".into(), "application/json".into())],
                body: body.map(|body: &str| body.as_bytes().to_vec()),
            });
        }
    }
    all
}

fn header<'a>(request: &'a WireRequest, name: &str) -> &'a str {
    &request.headers.iter().find(|(field, _)| field == name).unwrap().1
}

pub(crate) const ACCESS_KEY: &str = "HWAKEXAMPLE00000000A";
pub(crate) const SECRET_KEY: &str = "HWSKEXAMPLE0000000000000000000000000000B";
const BASE: &str = "https://ccm.ae-ad-1.myhuaweicloud.com";
const MOMENTS: [&str; 2] = ["2023-11-14T22:13:20Z", "2026-02-28T23:59:59.999Z"];
const OPTIONAL: [&[(&str, &str)]; 3] = [
    &[],
    &[("domain_id", "0123456789abcdef0123456789abcdef")],
    &[("domain_id", "0123456789abcdef0123456789abcdef"), ("security_token", "gQpjbi1ub3J0aC00 token+/=")],
];
