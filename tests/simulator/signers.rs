//! Two readings of the vendors' descriptions check each other: what the signers sign, the simulator accepts, and its answers mean
//! what the documents say.

use super::{Still, options};
use crate::support::client::send;
use certsweep::provider::model::{Operation, Sample};
use certsweep::provider::{Answer, AnswerClass, HeaderFields, Provider, SecurityRequirement, verdict};
use certsweep::simulator::{Simulator, credential_of, start};
use certsweep::time::Clock as _;
use certsweep::wire::{Credentials, Signer, SigningTicket, WireRequest, request};
use serde_json::json;
use std::collections::BTreeMap;

#[test]
fn every_sample_signed_in_every_way_is_granted() {
    let mut granted = 0;
    for account in options("").accounts {
        let provider = account.provider;
        for requirement in &provider.auth {
            for operation in &provider.operations {
                for sample in &operation.samples {
                    let simulator = start(options("")).unwrap();
                    let class = ask(&simulator, &provider, requirement, operation, sample);
                    let is_good = matches!(class, AnswerClass::Succeeded | AnswerClass::PendingApproval);
                    let place = format!("{} {} {} {}", provider.id, requirement.name(), operation.name, sample.name);
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
    requirement: &SecurityRequirement,
    operation: &Operation,
    sample: &Sample,
) -> AnswerClass {
    let names = [requirement.required(), requirement.optional()].concat().into_iter();
    let credentials = Credentials::new(names.map(|name| (name.to_owned(), credential_of(provider, name))));
    let requirement = requirement.clone().with_token_url(&simulator.auth_url(&provider.id));
    let mut signer = Signer::new(&requirement, &BTreeMap::new(), credentials);
    if let Some(fetching) = signer.token_request() {
        signer.accept_token(&sent(fetching.unwrap())).unwrap();
    }
    let mut wire = request::build(&simulator.base_url(&provider.id), operation, &sample.parameters);
    signer.sign(&mut wire, &SigningTicket::default(), None, Still.now()).unwrap();
    verdict::read(operation, &sent(wire), Still.now()).class
}

fn sent(wire: WireRequest) -> Answer {
    let body = wire.body.map(|body| String::from_utf8(body).unwrap());
    let headers = wire.headers.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let answer = send(&wire.method, &wire.url, &headers, body.as_deref()).unwrap();
    let body = if answer.body == json!("") { Vec::new() } else { answer.body.to_string().into_bytes() };
    let fields = answer.headers.lines().filter_map(|line| line.split_once(": "));
    Answer::new(answer.status, fields.collect::<HeaderFields>(), body)
}
