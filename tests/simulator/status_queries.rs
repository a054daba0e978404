//! What status queries tell about the simulator's state, read by the documents' own rules: never "done" before it was done.

use super::options;
use crate::support::client::{Headers, send};
use certsweep::provider::model::{ActionRules, Operation};
use certsweep::provider::{Answer, HeaderFields, Provider, TargetState, target_state};
use certsweep::simulator::{KnownTarget, Simulator, start};
use certsweep::time::Clock as _;
use certsweep::wire::request;
use serde_json::{Map, Value, json};

#[test]
fn status_queries_follow_the_state() {
    for account in options("").accounts {
        let provider = account.provider;
        for (operation, action) in provider.actions().filter(|(_, action)| !action.status_queries.is_empty()) {
            // What may be left out, such as a namespace, is left out of the status query, too.
            let is_bare = |name: &String| {
                let is_required = operation.parameter(name).is_some_and(|parameter| parameter.required);
                is_required || action.target.parameters.contains(name)
            };
            let bare = |parameters: &Map<String, Value>| -> Map<String, Value> {
                parameters.clone().into_iter().filter(|(name, _)| is_bare(name)).collect()
            };
            let each = operation.samples.iter().flat_map(|sample| {
                [(&sample.name, sample.parameters.clone()), (&sample.name, bare(&sample.parameters))]
            });
            for (name, parameters) in each {
                let place = format!("{} {} {name} {parameters:?}", provider.id, operation.name);
                let mut open = options("");
                open.verify = false;
                let simulator = start(open).unwrap();
                let known = KnownTarget {
                    account: provider.id.clone(),
                    operation: operation.name.clone(),
                    parameters: parameters.clone(),
                    ..KnownTarget::default()
                };
                assert!(simulator.learn(&known), "{place}");
                let before = standings(&simulator, &provider, action, &parameters, None);
                assert!(
                    before.iter().all(|standing| matches!(standing, TargetState::NotDone | TargetState::Unknown)),
                    "{place} before: {before:?}"
                );
                let answer = ask(&simulator, &provider, operation, &parameters);
                assert!(answer.status < 300, "{place}: {answer:?}");
                let after = standings(&simulator, &provider, action, &parameters, Some(&answer));
                assert!(
                    after.is_empty()
                        || after.iter().any(|standing| matches!(standing, TargetState::Done | TargetState::Pending)),
                    "{place} after: {after:?}"
                );
            }
        }
    }
}

#[test]
fn an_order_does_not_tell_of_one_certificate_what_was_done_to_another() {
    let mut open = options("");
    open.verify = false;
    let provider = open.accounts[0].provider.clone();
    let simulator = start(open).unwrap();
    let actions = [
        ("revoke", json!({"certificate_id": "1", "order_id": 55, "skip_approval": true})),
        ("revoke", json!({"certificate_id": "2", "order_id": 55, "skip_approval": true})),
        ("revoke-order", json!({"order_id": 55, "skip_approval": true})),
    ];
    let actions = actions.map(|(operation, parameters)| (operation, parameters.as_object().unwrap().clone()));
    let states = |known: &[(&str, Map<String, Value>)]| {
        let done = known.iter().map(|(operation, parameters)| {
            let action = provider.operation(operation).unwrap().action.as_ref().unwrap();
            standings(&simulator, &provider, action, parameters, None).contains(&TargetState::Done)
        });
        done.collect::<Vec<bool>>()
    };
    assert_eq!(states(&actions), [false, false, false]);
    for (operation, parameters) in &actions[..2] {
        let (account, operation, parameters) = ("digicert".into(), (*operation).into(), parameters.clone());
        assert!(simulator.learn(&KnownTarget { account, operation, parameters, ..KnownTarget::default() }));
    }
    assert_eq!(states(&actions), [false, false, false]);
    // Each certificate of an order is told of, not only the latest.
    for (index, expected) in [(0, [true, false, false]), (1, [true, true, false]), (2, [true, true, true])] {
        let (operation, parameters) = &actions[index];
        let answer = ask(&simulator, &provider, provider.operation(operation).unwrap(), parameters);
        assert_eq!(answer.status, 204);
        assert_eq!(states(&actions), expected, "{operation}");
    }
}

fn standings(
    simulator: &Simulator,
    provider: &Provider,
    action: &ActionRules,
    parameters: &Map<String, Value>,
    answer: Option<&Answer>,
) -> Vec<TargetState> {
    let chosen = target_state::choose_queries(provider, action, parameters, answer);
    let states = chosen.into_iter().map(|(index, asked)| {
        let rule = &action.status_queries[index];
        let operation = provider.operation(&rule.operation).unwrap();
        let answer = ask(simulator, provider, operation, &asked);
        let page = target_state::read_page(operation, &answer, super::Still.now()).unwrap();
        assert_eq!(target_state::next_page(rule, std::slice::from_ref(&page)), None);
        target_state::read_state(rule, parameters, &[page]).0
    });
    states.collect()
}

fn ask(simulator: &Simulator, provider: &Provider, operation: &Operation, parameters: &Map<String, Value>) -> Answer {
    let wire = request::build(&simulator.base_url(&provider.id), operation, parameters);
    let body = wire.body.map(|body| String::from_utf8(body).unwrap());
    let answer = send(&wire.method, &wire.url, &Headers::new(), body.as_deref()).unwrap();
    let empty = answer.body == "";
    let body = if empty { Vec::new() } else { answer.body.to_string().into_bytes() };
    Answer::new(answer.status, HeaderFields::default(), body)
}
