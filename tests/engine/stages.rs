//! Actions of several stages: each takes effect once at most, whatever is lost and whenever the power is cut; what a stage brought survives, and
//! what the CA has accepted is followed until it is settled.

use super::scale::stride;
use super::world::{Faults, World, json_answer};
use super::{Bench, Cut, replayable, scaled, seeds, virtual_time};
use certsweep::journal::{Phase, RunDir};
use certsweep::provider::answer::StepOutput;
use certsweep::provider::{Answer, HeaderFields};
use certsweep::run::{Outcome, StopReason};
use serde_json::{Value, json};
use std::time::Duration;

/// A CA whose reissue is asked for, validated, polled and fetched; the first two cost something each time.
pub(crate) const DOCUMENT: &str = include_str!("../data/documents/good/stages.yaml");

/// The same CA where a request for a reissue carries a key, so that it may be sent again.
pub(crate) fn keyed_document() -> String {
    let life = KEY_LIFE.as_secs();
    let keyed = format!(
        "idempotent: true\n        idempotency_key: {{parameter: key, form: uuid, valid_for: {life}s}}\n        csr: {{field: csr}}"
    );
    DOCUMENT
        .replace("id: staged", "id: keyed")
        .replace("STAGED_TOKEN", "KEYED_TOKEN")
        .replace("idempotent: false\n        csr: {field: csr}", &keyed)
        .replace("csr: {type: string}", "csr: {type: string}\n        key: {type: string}")
}

/// How long the CA knows a key.
pub(crate) const KEY_LIFE: Duration = Duration::from_secs(4);

/// The same CA where each name of an order is checked before: a stage for each item of a list, of which one is passed over.
pub(crate) fn listed_document() -> String {
    let stage = r"        stages:
          - stepId: checked
            operationId: check-name
            idempotent: true
            for_each: $steps.reissue.outputs.names
            unless: {value: $item, when: {'': done}}
            parameters:
              - {name: request, value: $steps.reissue.outputs.request}
              - {name: name, value: $item}
";
    let operation = r"paths:
  /requests/{request}/names/{name}:
    post:
      operationId: check-name
      parameters:
        - {name: request, in: path, required: true, schema: {type: string, pattern: '^[a-z0-9-]+$'}}
        - {name: name, in: path, required: true, schema: {type: string, pattern: '^[a-z]+$'}}
      responses:
        '204': {description: Checked}
        4XX: {description: Refused}
      x-certsweep:
        answers: [{status: 204, means: succeeded}]
        samples:
          - name: one
            parameters: {request: r-1, name: a}
            path: /requests/r-1/names/a
            for: reissue
            step: checked
            answers: [{status: 204, means: succeeded}]
";
    DOCUMENT
        .replace("id: staged", "id: listed")
        .replace("STAGED_TOKEN", "LISTED_TOKEN")
        .replace(
            "          request: $response.body#/request\n",
            "          request: $response.body#/request\n          names: $response.body#/names\n",
        )
        .replacen("        stages:\n", stage, 1)
        .replacen("paths:\n", operation, 1)
}

/// What the CA does: of ten orders one is refused by it in the end, one waits for a person, and one takes longer than anybody waits.
pub(crate) fn answer(world: &World, method: &str, parts: &[&str]) -> Answer {
    match (method, parts) {
        ("POST", ["v1", "orders", order, "reissue"] | ["orders", order, "reissue"]) => {
            world.effect("reissue", order);
            json_answer(201, &json!({"request": format!("r-{order}"), "names": NAMES}))
        }
        ("POST", [.., "requests", request, "names", name]) => {
            world.effect("check", &format!("{request} {name}"));
            json_answer(204, &Value::Null)
        }
        ("POST", [.., "requests", request, "validate"]) => {
            world.effect("validate", request);
            json_answer(204, &Value::Null)
        }
        ("GET", [.., "requests", request]) => {
            let order: u64 = request.trim_start_matches("r-").parse().unwrap();
            let state = match world.effects().get(&World::key("validate", request)) {
                None => "new",
                Some(_) => {
                    let looked = *world
                        .looked_at
                        .borrow_mut()
                        .entry((*request).to_owned())
                        .and_modify(|looked| *looked += 1)
                        .or_insert(1);
                    match order % 10 {
                        REFUSED => "refused",
                        ASKS if looked < APPROVED_AT.get() => "asks",
                        SLOW if looked < APPROVED_AT.get() => "validating",
                        _ if looked < 3 => "validating",
                        _ => "issued",
                    }
                }
            };
            json_answer(200, &json!({"state": state, "serial": format!("{order:04x}")}))
        }
        ("GET", [.., "certificates", serial, "pem"]) => {
            let headers = HeaderFields::from_iter([("content-type", "application/x-pem-file")]);
            assert!(!serial.is_empty());
            Answer::new(200, headers, issued().into_bytes())
        }
        _ => panic!("nobody answers {method} {parts:?}"),
    }
}

/// The one certificate that this CA issues.
fn issued() -> String {
    certsweep::pki::pem::encode("CERTIFICATE", include_bytes!("../../src/pki/testdata/world/good.der"))
}

/// The names of each order; one needs no check.
const NAMES: [&str; 3] = ["a", "done", "b"];
const REFUSED: u64 = 8;
const ASKS: u64 = 9;
const SLOW: u64 = 7;

thread_local! {
    /// At which look a person has approved.
    static APPROVED_AT: std::cell::Cell<u32> = const { std::cell::Cell::new(u32::MAX) };
}

fn reissues(orders: std::ops::Range<u64>) -> Vec<(&'static str, &'static str, Value)> {
    orders.map(|order| ("staged", "reissue", json!({"order_id": order, "csr": "abc"}))).collect()
}

/// What every world must have kept.
fn check(bench: &Bench, seed: u64) -> Vec<Outcome> {
    bench.world.check_windows(&bench.settings);
    let effects = bench.world.effects();
    let of = |stage: &str, target: &str| effects.get(&World::key(stage, target)).copied().unwrap_or_default();
    let outcomes = bench.outcomes();
    let reader = RunDir::existing(&bench.path()).unwrap().read().unwrap();
    for (action, outcome) in bench.actions.iter().zip(&outcomes) {
        let order: u64 = action.target.parse().unwrap();
        let (asked, validated) = (of("reissue", &action.target), of("validate", &format!("r-{order}")));
        let (_, history) = reader.history(action.ordinal).unwrap();
        let brought = |step: &str, output: &str| {
            history.captures.get(&StepOutput { step: step.to_owned(), output: output.to_owned() }).is_some()
        };
        let words = format!(
            "seed {seed}: order {order} ended {outcome} with {asked} and {validated} effects ({:?})",
            history.reply.message
        );
        // No stage takes effect twice.
        assert!(asked <= 1 && validated <= asked, "{words}");
        let checked = NAMES.map(|name| of("check", &format!("r-{order} {name}")) > 0);
        let is_listed = bench.settings.accounts[0].name == "listed";
        assert!(!is_listed || validated == 0 || checked == [true, false, true], "{words}: {checked:?}");
        match outcome {
            Outcome::Succeeded => {
                assert_eq!((asked, validated), (1, 1), "{words}");
                assert!(brought("fetched", "pem") && brought("issued", "serial"), "{words}");
            }
            Outcome::Pending | Outcome::PendingApproval => assert_eq!((asked, validated), (1, 1), "{words}"),
            // By the CA's own word about what it had accepted, or before anything was.
            Outcome::Rejected => assert!(asked == 0 || order % 10 == REFUSED, "{words}"),
            Outcome::Failed => assert_eq!(asked, 0, "{words}"),
            Outcome::InDoubt => {}
            Outcome::AlreadyDone | Outcome::Skipped | Outcome::Planned => panic!("{words}"),
        }
    }
    outcomes
}

#[test]
fn a_line_of_stages_goes_to_its_end_and_brings_what_was_asked_for() {
    virtual_time(async {
        let bench = Bench::new(1, Faults::none(), &reissues(1..31));
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.unwrap().complete);
        let expected = |order: u64| match order % 10 {
            REFUSED => Outcome::Rejected,
            ASKS => Outcome::PendingApproval,
            SLOW => Outcome::Pending,
            _ => Outcome::Succeeded,
        };
        let outcomes = check(&bench, 1);
        let wanted: Vec<Outcome> = (1..31).map(expected).collect();
        assert_eq!(outcomes, wanted);
        let reader = RunDir::existing(&bench.path()).unwrap().read().unwrap();
        let (_, history) = reader.history(5).unwrap();
        assert_eq!((history.state.stage, history.state.attempts), (3, 2), "what only reads is no attempt");
        let pem = StepOutput { step: "fetched".to_owned(), output: "pem".to_owned() };
        assert_eq!(history.captures.get(&pem), Some(&json!(issued())));
    });
}

#[test]
fn whatever_is_lost_no_stage_takes_effect_twice() {
    let mut ended = std::collections::BTreeSet::new();
    for seed in seeds(5000..5000 + scaled(SEEDS)) {
        ended.extend(replayable(seed, || virtual_time(survive_cuts_in_time(seed))));
    }
    let one = seeds(0..2).count() == 1;
    for outcome in [Outcome::Succeeded, Outcome::Rejected, Outcome::PendingApproval, Outcome::InDoubt] {
        assert!(one || ended.contains(&outcome), "no action ended {outcome}: {ended:?}");
    }
}

#[test]
fn a_line_of_stages_that_is_cut_off_after_any_record_goes_on_from_what_is_durable() {
    for seed in seeds(6000..6000 + scaled(1)) {
        let mut records = 0;
        while replayable(seed, || virtual_time(survive_a_cut_after(seed, records))) {
            records += stride(3);
        }
        assert!(records > 30, "seed {seed}: a run of ten actions has more records than {records}");
    }
}

/// A world full of faults, cut off again and again until the run has ended.
async fn survive_cuts_in_time(seed: u64) -> Vec<Outcome> {
    let jump = if seed.is_multiple_of(4) { 5 } else { 0 };
    let bench = Bench::new(seed, Faults { jump, ..Faults::many() }, &reissues(1..13));
    bench.make();
    for _ in 0..4 {
        let time = Duration::from_millis(1 + bench.world.next_random() % 60_000);
        if bench.process(Cut::AfterTime(time), &[]).await.0.is_some() {
            break;
        }
    }
    let (ending, _) = bench.process(Cut::Never, &[]).await;
    assert!(ending.as_ref().is_some_and(|ending| ending.complete), "seed {seed}: {ending:?}");
    check(&bench, seed)
}

/// The same world cut off once, after so many records; whether there were more.
async fn survive_a_cut_after(seed: u64, records: u64) -> bool {
    let bench = Bench::new(seed, Faults::many(), &reissues(1..11));
    bench.make();
    let (ending, _) = bench.process(Cut::AfterRecords(records), &[]).await;
    let (last, _) = bench.process(Cut::Never, &[]).await;
    assert!(last.as_ref().is_some_and(|ending| ending.complete), "seed {seed}: {last:?}");
    check(&bench, seed);
    ending.is_none_or(|ending| !ending.complete)
}

#[test]
fn each_item_of_a_list_is_done_before_the_next_stage_whenever_the_power_is_cut() {
    let listed = |orders: std::ops::Range<u64>| -> Vec<(&'static str, &'static str, Value)> {
        orders.map(|order| ("listed", "reissue", json!({"order_id": order, "csr": "abc"}))).collect()
    };
    virtual_time(async {
        let bench = Bench::new(2, Faults::none(), &listed(1..7));
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.unwrap().well);
        assert_eq!(check(&bench, 2), [Outcome::Succeeded; 6]);
        let checks = bench
            .world
            .effects()
            .iter()
            .filter(|(key, _)| key.starts_with("check "))
            .map(|(_, count)| *count)
            .sum::<u32>();
        assert_eq!(checks, 12, "two names an order, each once");
    });
    let mut ended = std::collections::BTreeSet::new();
    for seed in seeds(8000..8000 + scaled(SEEDS / 5)) {
        ended.extend(replayable(seed, || {
            virtual_time(async {
                let bench = Bench::new(seed, Faults::many(), &listed(1..7));
                bench.make();
                for _ in 0..3 {
                    let time = Duration::from_millis(1 + bench.world.next_random() % 20_000);
                    if bench.process(Cut::AfterTime(time), &[]).await.0.is_some() {
                        break;
                    }
                }
                let (ending, _) = bench.process(Cut::Never, &[]).await;
                assert!(ending.as_ref().is_some_and(|ending| ending.complete), "seed {seed}: {ending:?}");
                check(&bench, seed)
            })
        }));
    }
    assert!(ended.contains(&Outcome::Succeeded), "{ended:?}");
}

#[test]
fn a_lost_stage_that_costs_is_looked_up_and_a_lost_poll_is_asked_again() {
    virtual_time(async {
        // Every answer to a request that takes effect is lost: the first stage cannot be looked up, so none is sent twice.
        let bench = Bench::new(3, Faults { lost_after: 100, ..Faults::none() }, &reissues(1..4));
        bench.make();
        bench.process(Cut::Never, &[]).await;
        assert_eq!(check(&bench, 3), [Outcome::InDoubt; 3]);
        assert_eq!(bench.world.effects().values().sum::<u32>(), 3);
    });
}

#[test]
fn what_is_pending_is_looked_up_again_and_settled() {
    virtual_time(async {
        let bench = Bench::new(4, Faults::none(), &reissues(7..10));
        bench.make();
        bench.process(Cut::Never, &[]).await;
        let pending = [Outcome::Pending, Outcome::Rejected, Outcome::PendingApproval];
        assert_eq!(check(&bench, 4), pending);
        let looked = |request: &str| bench.world.looked_at.borrow()[request];
        let (slow, asks) = (looked("r-7"), looked("r-9"));
        assert!((8..40).contains(&slow), "polls are spaced: {slow} in ten minutes");
        assert_eq!(asks, 1, "nobody looks on while a person takes their time");
        // Not approved yet: pending still.
        bench.process(Cut::Never, &[Outcome::Pending]).await;
        assert_eq!(check(&bench, 4), pending);
        assert!(looked("r-7") > slow && looked("r-9") == 2);
        APPROVED_AT.set(0);
        let (ending, _) = bench.process(Cut::Never, &[Outcome::Pending]).await;
        assert!(ending.unwrap().complete);
        assert_eq!(check(&bench, 4), [Outcome::Succeeded, Outcome::Rejected, Outcome::Succeeded]);
        APPROVED_AT.set(u32::MAX);
    });
}

#[test]
fn what_needs_a_pending_action_waits_for_it() {
    virtual_time(async {
        let mut bench = Bench::new(5, Faults::none(), &reissues(9..11));
        bench.actions[1].needs = vec!["a0".to_owned()];
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        let ending = ending.unwrap();
        assert!(matches!(&ending.stopped, Some(StopReason::Rule(why)) if why.starts_with("1 action waits for one")));
        assert_eq!(ending.left, [("staged".to_owned(), 1)]);
        let reader = RunDir::existing(&bench.path()).unwrap().read().unwrap();
        assert_eq!(reader.states().unwrap().of(0).phase, Phase::Ended(Outcome::PendingApproval));
        assert_eq!(reader.states().unwrap().of(1).phase, Phase::Waiting);
        // `resume` looks by itself, and stops again where nothing has changed.
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.unwrap().stopped.is_some());
        APPROVED_AT.set(0);
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.unwrap().well);
        assert_eq!(check(&bench, 5), [Outcome::Succeeded; 2]);
        APPROVED_AT.set(u32::MAX);
        // With `--wait` it stays until a person has approved.
        let mut bench = Bench::new(5, Faults::none(), &reissues(9..11));
        bench.actions[1].needs = vec!["a0".to_owned()];
        bench.wait = true;
        bench.make();
        APPROVED_AT.set(30);
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.unwrap().well);
        assert_eq!(check(&bench, 5), [Outcome::Succeeded; 2]);
        APPROVED_AT.set(u32::MAX);
    });
}

#[test]
fn a_certificate_that_is_not_what_was_asked_for_leaves_its_action_in_doubt_and_what_needs_it_unsent() {
    virtual_time(async {
        let csr = include_str!("../../src/pki/testdata/rsa.csr");
        let reissue = |order: u64| ("staged", "reissue", json!({"order_id": order, "csr": csr}));
        let mut bench = Bench::new(7, Faults::none(), &[reissue(1), reissue(2)]);
        bench.actions[1].needs = vec!["a0".to_owned()];
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.is_some_and(|ending| ending.complete && !ending.well));
        assert_eq!(bench.outcomes(), [Outcome::InDoubt, Outcome::Skipped]);
        let reader = RunDir::existing(&bench.path()).unwrap().read().unwrap();
        let (_, history) = reader.history(0).unwrap();
        let message = history.reply.message.unwrap();
        assert!(message.ends_with("the new certificate is for another key than the request's"), "{message}");
        assert_eq!(bench.world.effects().get("reissue 2"), None);
    });
}

#[test]
fn all_requests_of_an_action_carry_the_one_key_that_was_made_for_it() {
    let (mut again, mut forgotten) = (0, 0);
    for seed in seeds(7000..7000 + scaled(5)) {
        let (more, doubtful) = replayable(seed, || {
            virtual_time(async {
                let faults = Faults { lost_before: 20, lost_after: 20, error_after: 10, ..Faults::none() };
                let reissue = |order: u64| ("keyed", "reissue", json!({"order_id": order, "csr": "abc"}));
                let bench = Bench::new(seed, faults, &(1..8).map(reissue).collect::<Vec<_>>());
                bench.make();
                let processes = async {
                    for _ in 0..3 {
                        let time = Duration::from_millis(1 + bench.world.next_random() % 3000);
                        bench.process(Cut::AfterTime(time), &[]).await;
                    }
                    bench.process(Cut::Never, &[]).await;
                };
                // A key is as old as it is, also where the wall clock is set back meanwhile.
                if seed.is_multiple_of(2) {
                    processes.await;
                } else {
                    tokio::select! { () = processes => {}, () = bench.world.slow_wall_clock() => {} }
                }
                check(&bench, seed);
                let keys = bench.world.keys.borrow();
                let all: std::collections::BTreeSet<&String> = keys.values().flatten().collect();
                assert_eq!(
                    all.len(),
                    keys.len(),
                    "seed {seed}: each action has one key, and no two the same: {keys:?}"
                );
                let reader = RunDir::existing(&bench.path()).unwrap().read().unwrap();
                let why = |ordinal| reader.history(ordinal).unwrap().1.reply.message.unwrap_or_default();
                let doubtful = (0..7).filter(|ordinal| why(*ordinal).contains("no longer tells by the key")).count();
                (keys.values().flatten().count() - keys.len(), doubtful)
            })
        });
        again += more;
        forgotten += doubtful;
    }
    assert!(again > 0, "none was sent again, and nothing is proved");
    let one = seeds(0..2).count() == 1;
    assert!(one || forgotten > 0, "no key was too old to be sent again, and nothing is proved");
}

#[test]
fn polls_leave_the_limits_to_the_actions() {
    virtual_time(async {
        let mut bench = Bench::new(6, Faults::none(), &reissues(100..260));
        bench.settings.accounts[0].windows = vec![certsweep::provider::model::Window::parse("2/1s").unwrap()];
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.unwrap().complete);
        check(&bench, 6);
        let reached = bench.world.reached.borrow();
        let last_action = reached.iter().rposition(|(_, url)| url.ends_with("/validate")).unwrap();
        let polls = reached[..last_action].iter().filter(|(_, url)| url.contains("/requests/r-")).count();
        let validations = reached[..last_action].iter().filter(|(_, url)| url.ends_with("/validate")).count();
        let polls = polls - validations;
        assert!(polls * 8 < last_action, "{polls} polls among {last_action} requests");
    });
}

/// Worlds at the smallest scale.
const SEEDS: u64 = 50;
