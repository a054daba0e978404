//! NAVER's own client signs the same requests as ours, at the same moments: the signatures are the same, byte for byte. The client
//! knows nothing of Certificate Manager and calls its header field `-v1`; the formula is what is judged.

use super::accepted::documents;
use super::installed::{self, python};
use certsweep::provider::model::Operation;
use certsweep::provider::security::{SecurityScheme, SignerKind};
use certsweep::text::Secret;
use certsweep::wire::sign::sign;
use certsweep::wire::{Credentials, WireRequest, request};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

#[test]
#[ignore = "asks NAVER's SDK; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn signatures_are_those_of_navers_sdk() {
    let requests = requests();
    let (mut ours, mut asked) = (Vec::new(), Vec::new());
    for request in &requests {
        for (access_key, secret_key) in KEYS {
            for milliseconds in MOMENTS {
                ours.push(signed(request, access_key, secret_key, milliseconds));
                asked.push(question(request, access_key, secret_key, milliseconds));
            }
        }
    }
    let answer = python("naver_sdk.py", &Value::from(asked));
    let theirs: Vec<[String; 3]> = answer["signed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|headers| {
            let names = ["x-ncp-apigw-timestamp", "x-ncp-iam-access-key", "x-ncp-apigw-signature-v1"];
            names.map(|name| headers[name].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(ours, theirs);
    let lines: Vec<String> = requests.iter().map(|request| format!("{} {}", request.method, request.url)).collect();
    assert!(lines.iter().any(|line| line.starts_with("GET ") && line.contains("%EA%B0%80")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("POST ") && line.ends_with("/reissue")), "{lines:#?}");
    let judged = format!("{} signatures of {} requests, the same byte for byte", ours.len(), requests.len());
    installed::log("ncloud-server", answer["version"].as_str().unwrap(), &judged);
}

/// Every sample of the document, and a query with characters that must be encoded.
pub(crate) fn requests() -> Vec<WireRequest> {
    let (naver, _) = documents().into_iter().find(|(provider, _)| provider.id == "naver").unwrap();
    let mut all = Vec::new();
    for operation in &naver.operations {
        for sample in &operation.samples {
            all.push(request::build(BASE, operation, &sample.parameters));
        }
    }
    let list = naver.operation("get-paid-certificates").unwrap();
    for name in ["가게", "Söhne & Töchter", "a+b=c%2F/?#~'()*"] {
        all.push(request::build(BASE, list, &parameters(list, name)));
    }
    all
}

fn parameters(list: &Operation, name: &str) -> Map<String, Value> {
    assert!(list.parameters.iter().any(|parameter| parameter.name == "certificateName"));
    json!({"page": 1, "certificateName": name}).as_object().unwrap().clone()
}

fn signed(request: &WireRequest, access_key: &str, secret_key: &str, milliseconds: i64) -> [String; 3] {
    let pairs = [("access_key", access_key), ("secret_key", secret_key)];
    let credentials = Credentials::new(pairs.map(|(name, value)| (name.to_owned(), Secret::new(value))));
    let mut signed = request.clone();
    let at = Timestamp::from_millisecond(milliseconds).unwrap();
    sign(&SecurityScheme::new("naver", SignerKind::NcpSignatureV2).into(), &mut signed, &credentials, at).unwrap();
    ["x-ncp-apigw-timestamp", "x-ncp-iam-access-key", "x-ncp-apigw-signature-v2"]
        .map(|name| signed.headers.iter().find(|(field, _)| field == name).unwrap().1.clone().into_owned())
}

fn question(request: &WireRequest, access_key: &str, secret_key: &str, milliseconds: i64) -> Value {
    let below = request.url.strip_prefix(BASE).unwrap();
    let (path, query) = below.split_once('?').unwrap_or((below, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    json!({
        "base": BASE, "method": request.method, "path": path, "query": pairs.collect::<Vec<_>>(),
        "milliseconds": milliseconds, "access_key": access_key, "secret_key": secret_key,
    })
}

const BASE: &str = "https://certificatemanager.apigw.ntruss.com/api/v2";
const MOMENTS: [i64; 3] = [1_700_000_000_000, 1_795_340_400_001, 999_999_999_999];
const KEYS: [(&str, &str); 2] =
    [("AKEXAMPLE0000000000A", "SKEXAMPLE000000000000000000000000000000B"), ("k", "비밀 =&\u{0}")];
