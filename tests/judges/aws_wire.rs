//! AWS's own client and certsweep put the same calls on the same socket; AWS's published service models hold what the documents say; Prism takes what
//! is right and refuses what is wrong; and a server that plays AWS carries out a run.

use super::aws::{ACCESS_KEY, SECRET_KEY};
use super::installed::{self, free_port, python};
use super::prism::{Plain, Prism};
use crate::support::client::{Headers, send};
use crate::support::mock::{Mock, json};
use crate::support::place::Place;
use certsweep::pki::{SentKey, pem};
use certsweep::provider::answer::Answer;
use certsweep::provider::model::{Location, Operation};
use certsweep::provider::security::{SecurityScheme, SignerKind};
use certsweep::provider::{Catalog, HeaderFields, Provider, listing, verdict};
use certsweep::text::Secret;
use certsweep::wire::sign::sign;
use certsweep::wire::{Credentials, WireRequest, request};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

#[test]
#[ignore = "asks boto3; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn requests_on_the_wire_are_those_of_boto3() {
    let mock = Mock::start(|seen, _| match seen.header("x-amz-target").unwrap() {
        "ACMPrivateCA.IssueCertificate" => json(200, &json!({"CertificateArn": ISSUED}).to_string()),
        "CertificateManager.RevokeCertificate" => json(400, r#"{"__type":"ValidationException"}"#),
        "CertificateManager.DescribeCertificate" => json(200, r#"{"Certificate":{"Status":"REVOKED"}}"#),
        "CertificateManager.ImportCertificate" => json(200, &json!({"CertificateArn": ARN}).to_string()),
        _ => json(200, r#"{"Certificate":"none"}"#),
    });
    let imported = Imported::new();
    let calls = json!([
        {"service": "acm-pca", "method": "revoke_certificate",
         "arguments": {"CertificateAuthorityArn": CA, "CertificateSerial": "67:07:44", "RevocationReason": "KEY_COMPROMISE"}},
        {"service": "acm-pca", "method": "issue_certificate",
         "arguments": {"CertificateAuthorityArn": CA, "Csr": CSR, "SigningAlgorithm": "SHA256WITHRSA",
                       "Validity": {"Value": 90, "Type": "DAYS"}, "IdempotencyToken": "one"}},
        {"service": "acm-pca", "method": "get_certificate", "arguments": {"CertificateAuthorityArn": CA, "CertificateArn": ISSUED}},
        {"service": "acm", "method": "revoke_certificate", "arguments": {"CertificateArn": ARN, "RevocationReason": "SUPERSEDED"}},
        {"service": "acm", "method": "describe_certificate", "arguments": {"CertificateArn": ARN}},
        {"service": "acm", "method": "import_certificate",
         "arguments": {"CertificateArn": ARN, "Certificate": imported.certificate, "PrivateKey": imported.key, "CertificateChain": imported.issuer}},
        {"service": "acm", "method": "list_certificates", "arguments": {"Includes": {"keyTypes": KEY_TYPES}, "MaxItems": 1000, "NextToken": "t2"}},
    ]);
    let asked = json!({"endpoint": mock.url(), "calls": calls, "region": "us-east-1", "access_key": ACCESS_KEY, "secret_key": SECRET_KEY});
    let answer = python("aws_boto3.py", &json!({ "send": asked }));
    let theirs = mock.seen();
    assert_eq!(theirs.len(), 7, "{:?}", mock.lines());

    let mut place = Place::bare();
    place.set("AWS_ACCESS_KEY_ID", ACCESS_KEY);
    place.set("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    place.file("shop.csr", CSR);
    imported.write(&place);
    // What comes as the new certificate is none.
    place.run(&plan(&mock.url(), CA)).exits(1);
    let mut ours = mock.seen().split_off(7);
    // Two accounts are asked side by side.
    let name = |target: Option<&str>| target.unwrap_or_default().to_owned();
    let order: Vec<String> = theirs.iter().map(|seen| name(seen.header("x-amz-target"))).collect();
    ours.sort_by_key(|seen| order.iter().position(|target| *target == name(seen.header("x-amz-target"))));
    assert_eq!(ours.len(), 6, "{:?}", mock.lines());
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let (mut signed, mut questions) = (Vec::new(), Vec::new());
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(theirs.line(), ours.line());
        for name in ["host", "content-type", "x-amz-target"] {
            assert!(theirs.header(name).is_some(), "{name}: {theirs:?}");
            assert_eq!(theirs.header(name), ours.header(name), "{name}");
        }
        assert_eq!(value(&theirs.text()), value(&ours.text()), "{:?}", ours.header("x-amz-target"));
        // AWS's signer signs our bytes at our second as we did.
        let authorization = ours.header("authorization").unwrap();
        let headers: Map<String, Value> = ["content-type", "x-amz-target"]
            .into_iter()
            .map(|name| (name.to_owned(), Value::from(ours.header(name).unwrap())))
            .collect();
        let service = if authorization.contains("/acm-pca/") { "acm-pca" } else { "acm" };
        signed.push(authorization.to_owned());
        questions.push(json!({
            "method": ours.method, "url": format!("http://{}{}", ours.header("host").unwrap(), ours.target),
            "at": second(ours.header("x-amz-date").unwrap()), "service": service, "region": "us-east-1", "body": ours.text(),
            "headers": headers, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY,
        }));
    }
    let judged = python("aws_botocore.py", &json!({ "sign": questions }));
    for (ours, theirs) in signed.iter().zip(judged["signed"].as_array().unwrap()) {
        assert_eq!(Some(ours.as_str()), theirs.as_str());
    }
    // A list is asked by no action.
    let acm = provider("aws-acm");
    let list = request::build(
        "https://x",
        acm.operation("list-certificates").unwrap(),
        json!({"NextToken": "t2"}).as_object().unwrap(),
    );
    assert_eq!(serde_json::from_slice::<Value>(&list.body.unwrap()).unwrap(), value(&theirs[6].text()));

    let held = held_by_the_models();
    installed::log(
        "boto3",
        answer["version"].as_str().unwrap(),
        &format!(
            "{} requests, the same as certsweep's; {held} operations, as AWS's service models have them",
            theirs.len()
        ),
    );
}

/// Every operation with its parameters, words, bounds, answers and errors.
fn held_by_the_models() -> usize {
    let (mut asked, mut names) = (Vec::new(), Vec::new());
    for (id, service) in AWS {
        for operation in &provider(id).operations {
            let (_, target) = operation.headers.iter().find(|(name, _)| name == "x-amz-target").unwrap();
            let body = |one: &&certsweep::provider::model::Parameter| one.location == Location::Body;
            let parameters = operation.parameters.iter().filter(body);
            let parameters: Vec<Value> = parameters
                .map(|one| json!({"members": one.members, "schema": one.schema, "required": one.required}))
                .collect();
            let answers = || operation.samples.iter().flat_map(|sample| &sample.answers);
            let bodies = |status: std::ops::Range<u16>| {
                answers().filter(move |answer| status.contains(&answer.status)).filter_map(|answer| answer.body.clone())
            };
            let name = |body: Value| Some(body["__type"].as_str()?.rsplit('#').next()?.to_owned());
            names.push(operation.name.clone());
            asked.push(json!({
                "service": service, "operation": target.rsplit('.').next().unwrap(), "parameters": parameters,
                "answers": bodies(200..300).collect::<Vec<_>>(), "errors": bodies(400..600).filter_map(name).collect::<Vec<_>>(),
                // An older spelling beside the right one.
                "left_out": ["SUPERCEDED"],
            }));
        }
    }
    let answer = python("aws_boto3.py", &json!({ "hold": asked }));
    for (name, wrong) in names.iter().zip(answer["held"].as_array().unwrap()) {
        assert_eq!(wrong, &json!([]), "{name}");
    }
    assert_eq!(names.len(), 7);
    names.len()
}

#[test]
#[ignore = "asks Prism; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn prism_takes_what_is_right_and_refuses_what_is_wrong() {
    let (mut taken, mut refused) = (0, 0);
    for (id, _) in AWS {
        let provider = provider(id);
        // Prism knows one operation of a path, and reads no other JSON than this: a copy says so in its words.
        let text = std::fs::read_to_string(format!("src/provider/documents/{id}.yaml")).unwrap();
        let mut text = text.replace(AMZ, "application/json");
        for service in ["ACMPrivateCA", "CertificateManager"] {
            text = text.replace(&format!("/#X-Amz-Target={service}."), "/");
        }
        let copy = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        std::fs::write(copy.path(), text).unwrap();
        let prism = Prism::start(copy.path());
        for operation in &provider.operations {
            for sample in &operation.samples {
                let good = plain(&signed(&provider, &prism.url(), operation, &sample.parameters), operation);
                prism.accepts(&sample.name, &good);
                taken += 1;
                let mut wrong: Vec<(String, Value)> = Vec::new();
                let body: Value = serde_json::from_str(good.body.as_deref().unwrap()).unwrap();
                for name in operation.parameters.iter().filter(|one| one.required && one.members.len() == 1) {
                    let mut less = body.clone();
                    less.as_object_mut().unwrap().remove(&name.members[0]);
                    wrong.push((format!("without {}", name.name), less));
                }
                let mut more = body.clone();
                more["Force"] = true.into();
                wrong.push(("a field more".to_owned(), more));
                if let Some(reason) = operation.parameters.iter().find(|one| one.name == "RevocationReason") {
                    for word in ["SUPERCEDED", "superseded", ""] {
                        let mut other = body.clone();
                        other[&reason.name] = word.into();
                        wrong.push((format!("reason {word}"), other));
                    }
                }
                for (why, body) in wrong {
                    let judged = prism.judge(&Plain { body: Some(body.to_string()), ..good.clone() });
                    // By the document's own 400, where it has one.
                    let is_refused = matches!(judged.status, 400 | 422) && judged.report.contains("body");
                    assert!(is_refused, "{} {why}: {judged:?}", operation.name);
                    refused += 1;
                }
                let headers = good.headers.iter().filter(|(name, _)| name != "authorization").cloned().collect();
                assert_eq!(prism.judge(&Plain { headers, ..good.clone() }).status, 401);
                refused += 1;
            }
        }
    }
    let judged =
        format!("AWS: {taken} requests as certsweep builds and signs them accepted, {refused} wrong ones refused");
    installed::log("Prism", &super::prism::version(), &judged);
}

#[test]
#[ignore = "asks moto; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn a_run_is_carried_out_by_moto() {
    let port = free_port();
    let mut child = Command::new(installed::path("python/bin/python"))
        .args(["-I", "-B", "tests/judges/aws_moto.py"])
        .env_clear()
        .env("HOME", std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().expect("moto ended").unwrap()).unwrap();
    writeln!(stdin, "{}", json!({"port": port, "region": "us-east-1"})).unwrap();
    let made = next();
    let url = format!("http://127.0.0.1:{port}");
    let ca = made["ca"].as_str().unwrap();

    let mut place = Place::bare();
    place.set("AWS_ACCESS_KEY_ID", ACCESS_KEY);
    place.set("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    place.file("shop.csr", CSR);
    let imported = Imported::new();
    imported.write(&place);
    let head = format!(
        "version: 1\nproviders: {{aws-pca: {{base_url: '{url}'}}, aws-acm: {{base_url: '{url}'}}}}\nactions:\n"
    );
    let arn = made["imported"].as_str().unwrap();
    let steps = format!(
        "  - id: shop
    provider: aws-pca
    CertificateAuthorityArn: '{ca}'
    steps:
      - {{action: reissue, common_name: shop.example.com, csr: 'file:shop.csr', SigningAlgorithm: SHA256WITHRSA, Validity.Value: 90, Validity.Type: DAYS}}
      - {{action: revoke, CertificateSerial: $steps.reissue.outputs.serial_number, reason: keyCompromise}}
  - {{id: old, provider: aws-pca, action: revoke, CertificateAuthorityArn: '{ca}', CertificateSerial: '67:07:44', reason: superseded}}
  - {{id: nowhere, provider: aws-pca, action: revoke, CertificateAuthorityArn: '{CA}', CertificateSerial: '67:07:44', reason: superseded}}
  - {{id: new, provider: aws-acm, action: import, CertificateArn: '{arn}', Certificate: 'file:new.pem', CertificateChain: 'file:new.pem', PrivateKey: 'file:new.key'}}
"
    );
    place.run(&(head + &steps)).exits(1);
    let outcomes = place.outcomes();
    let expected = [
        ("shop/reissue", "succeeded"),
        ("shop/revoke", "succeeded"),
        ("old", "succeeded"),
        ("nowhere", "rejected"),
        ("new", "succeeded"),
    ];
    assert_eq!(outcomes, expected.map(|(id, outcome)| (id.to_owned(), outcome.to_owned())), "{:#?}", place.rows());
    let row = place.rows().remove(0);

    // The list and a state, as moto tells them.
    let acm = provider("aws-acm");
    let ask = |name: &str, parameters: Value| {
        let operation = acm.operation(name).unwrap();
        let wire = signed(&acm, &url, operation, parameters.as_object().unwrap());
        let headers: Headers = wire.headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let body = wire.body.map(|body| String::from_utf8(body).unwrap());
        let came = send(&wire.method, &wire.url, &headers, body.as_deref()).unwrap();
        let fields = HeaderFields::from_iter([("content-type", AMZ)]);
        let answer = Answer::new(came.status, fields, came.body.to_string().into_bytes());
        let read = verdict::read(operation, &answer, Timestamp::UNIX_EPOCH);
        assert_eq!(read.class.word(), "succeeded", "{name}: {came:?}");
        came.body
    };
    let listed = ask("list-certificates", json!({}));
    let rows = listing::rows(&acm.operation("list-certificates").unwrap().list.as_ref().unwrap().rows, &listed);
    let mut arns: Vec<&str> = rows.iter().map(|row| row["CertificateArn"].as_str()).collect();
    let mut requested: Vec<&str> = made["acm"].as_array().unwrap().iter().map(|arn| arn.as_str().unwrap()).collect();
    arns.retain(|found| *found != arn);
    arns.sort_unstable();
    requested.sort_unstable();
    assert_eq!(arns, requested);
    assert!(
        rows.iter().filter(|row| row["CertificateArn"] != arn).all(|row| row["common_name"].starts_with("shop-")),
        "{rows:?}"
    );
    let state = ask("describe-certificate", json!({"CertificateArn": arns[0]}));
    assert!(state["Certificate"]["Status"].is_string(), "{state}");

    writeln!(stdin).unwrap();
    let seen = next();
    let serial = row["new_serial_number"].to_lowercase();
    let digits = |text: &str| text.replace(':', "");
    let revoked: Vec<(String, &str)> = seen["revoked"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(serial, reason)| (digits(serial), reason.as_str().unwrap()))
        .collect();
    assert_eq!(revoked.len(), 2, "{seen}");
    let with_zero = |serial: &str| if serial.len() % 2 == 1 { format!("0{serial}") } else { serial.to_owned() };
    for expected in [(with_zero(&digits(&serial)), "KEY_COMPROMISE"), ("670744".to_owned(), "SUPERSEDED")] {
        assert!(revoked.contains(&expected), "{expected:?}: {revoked:?}");
    }
    let issued = seen["issued"].as_array().unwrap();
    assert_eq!(issued.len(), 1, "{seen}");
    let whole = |text: &str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    let kept = whole(&place.read(&format!("run/{}", row["new_certificate"])));
    let theirs = format!("{}\n{}", issued[0]["certificate"].as_str().unwrap(), issued[0]["chain"].as_str().unwrap());
    assert_eq!(kept, whole(&theirs));
    // Under the ARN of the one before, and the key is nowhere in the run directory.
    assert_eq!(whole(seen["in_the_place"].as_str().unwrap()), whole(&imported.certificate));
    let secret = imported.key.lines().nth(1).unwrap();
    for (path, bytes) in place.bytes_below("run") {
        assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{path:?}");
    }
    drop(child.wait());
    let judged = "a run of 5 actions: a certificate put in the place of an imported one; 2 revocations and 1 certificate in its store, as the report has them; 3 certificates listed, 1 state read";
    installed::log("moto", made["version"].as_str().unwrap(), judged);
}

fn plan(url: &str, ca: &str) -> String {
    format!(
        "version: 1
retry: {{attempts: 1}}
providers: {{aws-pca: {{base_url: '{url}'}}, aws-acm: {{base_url: '{url}'}}}}
actions:
  - {{id: one, provider: aws-pca, action: revoke, CertificateAuthorityArn: '{ca}', CertificateSerial: '67:07:44', reason: keyCompromise}}
  - {{provider: aws-pca, action: reissue, CertificateAuthorityArn: '{ca}', common_name: shop.example.com, csr: 'file:shop.csr',
     SigningAlgorithm: SHA256WITHRSA, Validity.Value: 90, Validity.Type: DAYS, IdempotencyToken: one, needs: [one]}}
  - {{provider: aws-acm, action: revoke, CertificateArn: '{ARN}', reason: superseded}}
  - {{provider: aws-acm, action: import, CertificateArn: '{ARN}', Certificate: 'file:new.pem', CertificateChain: 'file:new.pem', PrivateKey: 'file:new.key'}}
"
    )
}

/// A certificate, its key and an issuer, as they are sent.
struct Imported {
    certificate: String,
    key: String,
    issuer: String,
}

impl Imported {
    fn new() -> Self {
        let [own, other] = ["shop.example.com", "ca.example.com"]
            .map(|name| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap());
        let certificate = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| pem::certificates(&made.cert.pem(), false);
        let key = SentKey::parse(own.signing_key.serialize_pem().as_bytes()).unwrap();
        Self { certificate: certificate(&own), key: key.to_pem().to_owned(), issuer: certificate(&other) }
    }

    fn write(&self, place: &Place) {
        place.file("new.pem", format!("{}{}", self.certificate, self.issuer));
        place.file("new.key", &self.key);
    }
}

fn provider(id: &str) -> Arc<Provider> {
    let catalog = Catalog::built_in();
    Arc::clone(catalog.get(id).unwrap())
}

/// A request as it goes out.
fn signed(provider: &Provider, base: &str, operation: &Operation, parameters: &Map<String, Value>) -> WireRequest {
    let keys = [("access_key", ACCESS_KEY), ("secret_key", SECRET_KEY)];
    let credentials = Credentials::new(keys.map(|(name, value)| (name.to_owned(), Secret::new(value))));
    let mut wire = request::build(base, operation, parameters);
    let (_, service) = AWS.into_iter().find(|(id, _)| *id == provider.id).unwrap();
    let signer = SignerKind::AwsSigV4 { service: service.to_owned(), region: "us-east-1".to_owned() };
    sign(&SecurityScheme::new("aws", signer).into(), &mut wire, &credentials, Timestamp::UNIX_EPOCH).unwrap();
    wire
}

/// The same for the copy that Prism reads.
fn plain(wire: &WireRequest, operation: &Operation) -> Plain {
    let (_, target) = operation.headers.iter().find(|(name, _)| name == "x-amz-target").unwrap();
    let own = |name: &str| name == "content-type" || name == "host";
    let headers = wire.headers.iter().filter(|(name, _)| !own(name));
    let mut headers: Headers = headers.map(|(name, value)| (name.to_string(), value.to_string())).collect();
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    let body = wire.body.as_ref().map(|body| String::from_utf8(body.clone()).unwrap());
    Plain { method: wire.method.clone(), path: format!("/{}", target.rsplit('.').next().unwrap()), headers, body }
}

/// `20231114T221320Z` as RFC 3339.
fn second(date: &str) -> String {
    let part = |range: std::ops::Range<usize>| &date[range];
    format!("{}-{}-{}T{}:{}:{}Z", part(0..4), part(4..6), part(6..8), part(9..11), part(11..13), part(13..15))
}

const AWS: [(&str, &str); 2] = [("aws-pca", "acm-pca"), ("aws-acm", "acm")];
const AMZ: &str = "application/x-amz-json-1.1";
const CSR: &str = include_str!("../../examples/shop.csr");
const CA: &str = "arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/12345678-1234-1234-1234-123456789012";
const ISSUED: &str = "arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/12345678-1234-1234-1234-123456789012/certificate/0a1b";
const ARN: &str = "arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012";
const KEY_TYPES: [&str; 7] =
    ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"];
