//! AWS's own signer signs the same requests as ours, at the same moments: the `Authorization` is the same, byte for byte.

use super::installed::{self, python};
use certsweep::provider::security::{SecurityScheme, SignerKind};
use certsweep::text::Secret;
use certsweep::wire::sign::sign;
use certsweep::wire::{Credentials, WireRequest};
use jiff::Timestamp;
use serde_json::{Value, json};

#[test]
#[ignore = "asks botocore; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn signatures_are_those_of_botocore() {
    let requests = requests();
    let (mut ours, mut asked) = (Vec::new(), Vec::new());
    for request in &requests {
        for token in [None, Some("FwoGZXIvYXdzEXAMPLE//token+/=")] {
            for (service, region) in [("acm-pca", "us-east-1"), ("acm", "ap-northeast-2")] {
                for at in ["2026-11-29T08:00:00Z", "2028-02-29T23:59:59Z"] {
                    let signed = signed(request.clone(), token, (service, region), at);
                    let authorization = field(&signed, "authorization").unwrap().to_owned();
                    ours.push((format!("{} {}", signed.method, signed.url), authorization));
                    let mut question = json!({
                        "method": signed.method, "url": signed.url, "at": at, "service": service, "region": region,
                        "body": signed.body.as_ref().map(|body| std::str::from_utf8(body).unwrap()),
                        "headers": headers(request), "access_key": ACCESS_KEY, "secret_key": SECRET_KEY,
                    });
                    if let Some(token) = token {
                        question["session_token"] = json!(token);
                    }
                    asked.push(question);
                }
            }
        }
    }
    let answer = python("aws_botocore.py", &json!({ "sign": asked }));
    let theirs = answer["signed"].as_array().unwrap();
    assert_eq!(theirs.len(), ours.len());
    for ((line, ours), theirs) in ours.iter().zip(theirs) {
        assert_eq!(Some(ours.as_str()), theirs.as_str(), "{line}");
    }
    let judged = format!("{} signatures of {} requests, the same byte for byte", ours.len(), requests.len());
    installed::log("botocore", answer["version"].as_str().unwrap(), &judged);
}

fn signed(mut request: WireRequest, token: Option<&str>, (service, region): (&str, &str), at: &str) -> WireRequest {
    let keys = [("access_key", ACCESS_KEY), ("secret_key", SECRET_KEY)];
    let keys = keys.into_iter().chain(token.map(|token| ("session_token", token)));
    let credentials = Credentials::new(keys.map(|(name, value)| (name.to_owned(), Secret::new(value))));
    let signer = SignerKind::AwsSigV4 { service: service.to_owned(), region: region.to_owned() };
    let at: Timestamp = at.parse().unwrap();
    sign(&SecurityScheme::new("aws", signer).into(), &mut request, &credentials, at).unwrap();
    request
}

/// Method, URL, body and header fields.
type Asked<'a> = (&'a str, &'a str, Option<&'a str>, &'a [(&'a str, &'a str)]);

/// As AWS's services take them, and with what must be encoded: queries, paths, bodies that are not ASCII, blanks in a header field.
fn requests() -> Vec<WireRequest> {
    let revoke = r#"{"CertificateAuthorityArn":"arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/12345678-1234-1234-1234-123456789012","CertificateSerial":"67:07:44","RevocationReason":"KEY_COMPROMISE"}"#;
    let target = ("x-amz-target", "ACMPrivateCA.RevokeCertificate");
    let json = ("content-type", "application/x-amz-json-1.1");
    let all: [Asked<'_>; 9] = [
        ("POST", "https://acm-pca.us-east-1.amazonaws.com/", Some(revoke), &[json, target]),
        ("POST", "https://acm-pca.us-east-1.amazonaws.com/", Some(r#"{"Name":"가게 · Söhne"}"#), &[json, target]),
        ("POST", "http://127.0.0.1:18080/", Some("{}"), &[json, ("x-amz-target", "  two   blanks ")]),
        ("GET", "https://acm.us-east-1.amazonaws.com/", None, &[]),
        ("GET", "https://acm.us-east-1.amazonaws.com/?Version=2010-05-08&Action=ListUsers", None, &[]),
        ("GET", "https://acm.us-east-1.amazonaws.com/?b=2&a=%C3%A9&a=%20x&a=z&empty=", None, &[]),
        ("GET", "https://acm.us-east-1.amazonaws.com/a%20b/%EA%B0%80/~x", None, &[]),
        ("DELETE", "https://acm.us-east-1.amazonaws.com/v1/certificates/1/", None, &[]),
        ("PUT", "https://acm.us-east-1.amazonaws.com/v1//certificates", Some("\u{1f510}"), &[json]),
    ];
    all.into_iter()
        .map(|(method, url, body, headers)| WireRequest {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned().into(), (*value).to_owned().into()))
                .collect(),
            body: body.map(|body| body.as_bytes().to_vec()),
        })
        .collect()
}

fn headers(request: &WireRequest) -> Value {
    request.headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn field<'r>(request: &'r WireRequest, name: &str) -> Option<&'r str> {
    request.headers.iter().find(|(field, _)| field == name).map(|(_, value)| &**value)
}

pub(super) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(super) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
