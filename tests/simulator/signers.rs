//! Two readings of the vendors' descriptions check each other: what the signers sign, the simulator accepts, and its answers mean
//! what the documents say.

use super::{Still, options};
use crate::support::client::send;
use certsweep::diag::Diagnostics;
use certsweep::provider::model::{Operation, Sample};
use certsweep::provider::{Answer, AnswerClass, Catalog, HeaderFields, Provider, SecurityRequirement, verdict};
use certsweep::simulator::{SimulatedAccount, Simulator, SimulatorOptions, credential_of, start};
use certsweep::text::SourceMap;
use certsweep::time::Clock as _;
use certsweep::wire::{Credentials, Signer, SigningTicket, WireRequest, request};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

#[test]
fn every_sample_signed_in_every_way_is_granted() {
    let mut granted = 0;
    for provider in providers() {
        // Plain http shows no certificate; `it::enterprise` does.
        for requirement in provider.auth.iter().filter(|one| !one.is_mutual_tls()) {
            for operation in &provider.operations {
                // Of these documents' certificates none is there to be looked up.
                let is_asked =
                    !["signers", "small", "own-ways"].contains(&provider.id.as_str()) || operation.action.is_some();
                for sample in operation.samples.iter().filter(|_| is_asked) {
                    let simulator = playing(&provider);
                    let class = ask(&simulator, &provider, requirement, operation, sample);
                    // A stage's first answer may be that the CA is still at work, which only the stage's own rules tell from a refusal.
                    let is_stage = sample.for_action.as_ref().is_some_and(|of| of.stage.is_some());
                    let is_good =
                        matches!(class, AnswerClass::Succeeded | AnswerClass::PendingApproval | AnswerClass::Pending)
                            || is_stage && class == AnswerClass::TryLater;
                    let place = format!("{} {} {} {}", provider.id, requirement.name(), operation.name, sample.name);
                    assert!(is_good, "{place}: {class:?}");
                    granted += 1;
                }
            }
        }
    }
    assert!(granted > 10, "{granted}");
}

/// The built-in ones, and one that has every way to sign in.
fn providers() -> Vec<Arc<Provider>> {
    let mut diagnostics = Diagnostics::default();
    let own = [PathBuf::from("tests/data/documents/good")];
    let catalog = Catalog::load(&own, &mut SourceMap::default(), &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{diagnostics:?}");
    let all = catalog.iter().filter(|provider| provider.id != "acme").cloned().collect::<Vec<_>>();
    assert!(all.iter().any(|provider| provider.id == "signers" && provider.auth.len() > 10));
    all
}

fn playing(provider: &Arc<Provider>) -> Simulator {
    let account = SimulatedAccount { name: provider.id.clone(), provider: Arc::clone(provider), windows: Vec::new() };
    start(SimulatorOptions { accounts: vec![account], ..options("") }).unwrap()
}

fn ask(
    simulator: &Simulator,
    provider: &Provider,
    requirement: &SecurityRequirement,
    operation: &Operation,
    sample: &Sample,
) -> AnswerClass {
    // Its own ways to sign in, where it has some, and the provider's.
    let ways = operation.security.iter().flatten().chain([requirement]);
    let names = ways.flat_map(|way| [way.required(), way.optional()].concat());
    let credentials = Credentials::new(names.map(|name| (name.to_owned(), credential_of(provider, name))));
    let requirement = requirement.clone().with_token_url(&simulator.auth_url(&provider.id));
    let variables = provider.variables.iter().map(|(name, variable)| (name.clone(), variable.default.clone()));
    let mut signer = Signer::new(&requirement, &variables.collect(), credentials);
    if let Some(fetching) = signer.token_request(Still.now()) {
        signer.accept_token(&sent(fetching.unwrap()), Still.now()).unwrap();
    }
    let mut wire = request::build(&simulator.base_url(&provider.id), operation, &sample.parameters);
    signer.sign(&mut wire, &SigningTicket::default(), None, operation.security.as_deref(), Still.now()).unwrap();
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
