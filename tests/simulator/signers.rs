//! Two readings of the vendors' descriptions check each other: what the signers sign, the simulator accepts, and its answers mean
//! what the documents say.

use super::{Still, options};
use crate::support::client::{Headers, send};
use certsweep::provider::model::{AuthScheme, Operation, Sample, SignerKind};
use certsweep::provider::{Answer, AnswerClass, HeaderFields, Provider, verdict};
use certsweep::simulator::{Simulator, credential, start};
use certsweep::text::Secret;
use certsweep::time::Clock as _;
use certsweep::wire::sign::{AUTH_TOKEN, sign};
use certsweep::wire::{Credentials, request};
use serde_json::json;

#[test]
fn every_sample_signed_in_every_way_is_granted() {
    let mut granted = 0;
    for account in options("").accounts {
        let provider = account.provider;
        for scheme in &provider.auth {
            for operation in &provider.operations {
                for sample in &operation.samples {
                    let simulator = start(options("")).unwrap();
                    let class = ask(&simulator, &provider, scheme, operation, sample);
                    let is_good = matches!(class, AnswerClass::Succeeded | AnswerClass::PendingApproval);
                    let place = format!("{} {} {} {}", provider.id, scheme.name, operation.name, sample.name);
                    assert!(is_good, "{place}: {class:?}");
                    granted += 1;
                }
            }
        }
    }
    assert!(granted > 10, "{granted}");
}

fn ask(
    simulator: &Simulator,
    provider: &Provider,
    scheme: &AuthScheme,
    operation: &Operation,
    sample: &Sample,
) -> AnswerClass {
    let names = scheme.required.iter().chain(&scheme.optional);
    let mut credentials = Credentials::new(names.map(|name| (name.clone(), credential(&provider.id, name))));
    if matches!(scheme.signer, SignerKind::HuaweiIamToken(_)) {
        credentials.set(AUTH_TOKEN, token(simulator, &credentials));
    }
    let mut wire = request::build(&simulator.base_url(&provider.id), operation, &sample.parameters);
    sign(&scheme.signer, &mut wire, &credentials, Still.now()).unwrap();
    let body = wire.body.map(|body| String::from_utf8(body).unwrap());
    let headers = wire.headers.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let answer = send(&wire.method, &wire.url, &headers, body.as_deref()).unwrap();
    let body = if answer.body == json!("") { Vec::new() } else { answer.body.to_string().into_bytes() };
    let answer = Answer::new(answer.status, HeaderFields::default(), body);
    verdict::read(operation, &answer, Still.now()).class
}

fn token(simulator: &Simulator, credentials: &Credentials) -> Secret {
    let key = |name: &str| credentials.get(name).unwrap().reveal().to_owned();
    let user = json!({"name": key("iam_user"), "password": key("iam_password"), "domain": {"name": key("iam_domain")}});
    let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}).to_string();
    let issued = send("POST", &simulator.auth_url("huawei"), &Headers::new(), Some(&body)).unwrap();
    let token = issued.headers.lines().find_map(|line| line.strip_prefix("x-subject-token: "));
    Secret::new(token.unwrap())
}
