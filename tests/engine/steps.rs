//! Chains of steps: each goes once what it needs is settled, takes what earlier ones brought from what is durable, and waits no longer than it
//! may; whatever is lost and whenever the power is cut.

use super::world::{Faults, World, json_answer};
use super::{Bench, Cut, replayable, scaled, seeds, virtual_time};
use certsweep::journal::RunDir;
use certsweep::pki::TlsServer;
use certsweep::plan::Wait;
use certsweep::plan::checked::WaitFor;
use certsweep::provider::Answer;
use certsweep::run::{Outcome, StatusSources, StopReason};
use serde_json::{Value, json};
use std::time::Duration;

/// A CA whose revocations wait until somebody approves the request, whose number is ten times that of the certificate.
pub(crate) const DOCUMENT: &str = include_str!("../data/documents/good/chained.yaml");

/// What the CA does. Certificates from 100 on show their revocation late, or never.
pub(crate) fn answer(world: &World, method: &str, parts: &[&str]) -> Answer {
    match (method, parts) {
        ("POST", [.., "certificates", number, "revoke"]) => {
            world.effect("revoke", number);
            let number: u64 = number.parse().unwrap();
            match number {
                // It does not say which request it is.
                NO_REQUEST => json_answer(201, &json!({"state": "asked"})),
                _ if number >= LATE => json_answer(201, &json!({"state": "revoked", "ticket": "t"})),
                _ => json_answer(201, &json!({"state": "asked", "request": (number * 10).to_string()})),
            }
        }
        ("GET", [.., "certificates", number]) => {
            let number: u64 = number.parse().unwrap();
            let looked =
                *world.looked_at.borrow_mut().entry(number.to_string()).and_modify(|looked| *looked += 1).or_insert(1);
            let approved = world.effects().contains_key(&World::key("approve", &(number * 10).to_string()));
            let state = match number {
                NEVER => "valid",
                _ if number >= LATE && looked < 5 => "valid",
                _ if number >= LATE || approved => "revoked",
                _ => "asked",
            };
            json_answer(200, &json!({"state": state}))
        }
        ("POST", [.., "requests", request, "approve"]) => {
            world.effect("approve", request);
            json_answer(204, &Value::Null)
        }
        _ => panic!("nobody answers {method} {parts:?}"),
    }
}

const NO_REQUEST: u64 = 99;
const LATE: u64 = 100;
const NEVER: u64 = 199;

/// One chain for each certificate: revoke, approve, wait until that is settled, revoke another one.
fn bench(seed: u64, faults: Faults, numbers: std::ops::Range<u64>, within: Option<Duration>) -> Bench {
    let mut listed = Vec::new();
    for number in numbers.clone() {
        listed.push(("chained", "revoke", json!({"number": number})));
        listed.push(("chained", "approve", json!({"request": "$steps.revoke.outputs.reference"})));
        listed.push(("chained", "approve", json!({"request": 0})));
        listed.push(("chained", "revoke", json!({"number": number + 1000, "note": "$steps.revoke.outputs.reference"})));
    }
    let mut bench = Bench::new(seed, faults, &listed);
    for (chain, steps) in numbers.zip(bench.actions.chunks_mut(4)) {
        let [revoke, approve, wait, last] = steps else { panic!("four steps") };
        let id = |step: &str| format!("c{chain}/{step}");
        revoke.id = id("revoke");
        approve.id = id("approve");
        approve.needs_accepted = vec![id("revoke")];
        wait.id = id("approved");
        wait.operation = WaitFor::Approved.operation();
        wait.parameters = Wait {
            until: WaitFor::Approved,
            of: id("revoke"),
            within,
            at: vec![],
            old: None,
            by: StatusSources::default(),
        }
        .parameters();
        wait.needs = vec![id("approve"), id("revoke")];
        last.id = id("last");
        last.needs = vec![id("approved")];
    }
    bench
}

#[test]
fn an_approval_goes_while_its_request_waits_and_a_wait_until_it_is_settled() {
    virtual_time(async {
        for (wait, canary) in [(true, 0), (true, 2), (false, 0)] {
            let mut bench = bench(1, Faults::none(), 1..6, None);
            bench.wait = wait;
            bench.settings.safety.canary = canary;
            bench.make();
            let (ending, _) = bench.process(Cut::Never, &[]).await;
            // What this run has approved is looked at in this run, whoever waits.
            assert!(ending.unwrap().complete);
            assert_eq!(bench.outcomes(), vec![Outcome::Succeeded; 20], "{wait}");
            for number in 1..6_u64 {
                let approved = World::key("approve", &(number * 10).to_string());
                assert_eq!(bench.world.effects().get(&approved), Some(&1));
                if !wait {
                    assert_eq!(bench.world.looked_at.borrow()[&number.to_string()], 1);
                }
            }
        }
    });
}

#[test]
fn what_this_run_does_not_settle_is_looked_at_once_and_then_the_run_stops() {
    virtual_time(async {
        // Nobody approves.
        let mut bench = bench(8, Faults::none(), 1..4, None);
        bench.actions.retain(|action| !action.id.ends_with("/approve"));
        for (ordinal, action) in (0..).zip(&mut bench.actions) {
            action.ordinal = ordinal;
            action.needs.retain(|id| !id.ends_with("/approve"));
        }
        bench.make();
        for process in 1..3 {
            let (ending, _) = bench.process(Cut::Never, &[]).await;
            let ending = ending.unwrap();
            assert!(
                matches!(&ending.stopped, Some(StopReason::Rule(why)) if why.starts_with("6 actions wait for 3")),
                "{ending:?}"
            );
            let looked = bench.world.looked_at.borrow().clone();
            assert!((1..4).all(|number| looked[&number.to_string()] == process), "{looked:?}");
        }
        // Somebody has, elsewhere.
        (1..4_u64).for_each(|number| bench.world.effect("approve", &(number * 10).to_string()));
        assert!(bench.process(Cut::Never, &[]).await.0.unwrap().complete);
        assert_eq!(bench.outcomes(), vec![Outcome::Succeeded; 9]);
    });
}

#[test]
fn the_last_of_several_approvals_settles_too() {
    virtual_time(async {
        let mut bench = bench(9, Faults::none(), 1..2, None);
        // The CA counts the last one alone: the first is that of another request.
        bench.actions[2].id = "c1/second".to_owned();
        bench.actions[2].operation = "approve".to_owned();
        bench.actions[2].parameters = bench.actions[1].parameters.clone();
        bench.actions[1].parameters =
            serde_json::from_value::<serde_json::Map<_, _>>(json!({"request": "77"})).unwrap().into();
        bench.actions[2].needs = vec!["c1/approve".to_owned()];
        bench.actions[3].needs = vec!["c1/second".to_owned(), "c1/approve".to_owned(), "c1/revoke".to_owned()];
        bench.make();
        assert!(bench.process(Cut::Never, &[]).await.0.unwrap().complete);
        assert_eq!(bench.outcomes(), vec![Outcome::Succeeded; 4]);
        assert!(bench.world.looked_at.borrow()["1"] <= 2);
    });
}

#[test]
fn a_reference_that_nobody_brought_ends_its_step_and_nothing_is_sent() {
    virtual_time(async {
        let bench = bench(2, Faults::none(), NO_REQUEST..NO_REQUEST + 1, None);
        bench.make();
        bench.process(Cut::Never, &[]).await;
        assert_eq!(bench.outcomes()[1..], [Outcome::Failed, Outcome::Skipped, Outcome::Skipped]);
        let reader = RunDir::existing(&bench.path()).unwrap().read().unwrap();
        let (_, history) = reader.history(1).unwrap();
        let words = history.reply.message.unwrap();
        assert_eq!(words, "the step `revoke` did not bring `reference`, which `request` takes");
        assert!(!bench.world.effects().keys().any(|key| format!("{key:?}").contains("approve")));
    });
}

#[test]
fn a_wait_whose_time_is_over_fails_and_what_needs_it_is_never_sent() {
    virtual_time(async {
        let mut bench = bench(3, Faults::none(), 7..8, Some(Duration::from_secs(1800)));
        // Nobody approves.
        bench.actions.remove(1);
        for (ordinal, action) in (0..).zip(&mut bench.actions) {
            action.ordinal = ordinal;
            action.needs.retain(|id| !id.ends_with("/approve"));
        }
        bench.wait = true;
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.unwrap().complete);
        assert_eq!(bench.outcomes(), [Outcome::PendingApproval, Outcome::Failed, Outcome::Skipped]);
        let reader = RunDir::existing(&bench.path()).unwrap().read().unwrap();
        let words = reader.history(1).unwrap().1.reply.message.unwrap();
        assert!(words.starts_with("`within` is over after 30m 00s: c7/revoke is still pending-approval"), "{words}");
        let looked = bench.world.looked_at.borrow()["7"];
        assert!((15..40).contains(&looked), "half an hour of looks, a minute apart: {looked}");
    });
}

#[test]
fn a_revocation_is_looked_for_until_it_is_seen_and_no_longer() {
    virtual_time(async {
        for (number, expected) in [(LATE, Outcome::Succeeded), (NEVER, Outcome::Failed)] {
            let listed = [
                ("chained", "revoke", json!({"number": number})),
                ("chained", "revoke", json!({"number": 0})),
                ("chained", "revoke", json!({"number": number + 1000, "note": "$steps.revoke.outputs.ticket"})),
            ];
            let mut bench = Bench::new(4, Faults::none(), &listed);
            bench.actions[0].id = "c/revoke".to_owned();
            bench.actions[1].id = "c/revoked".to_owned();
            bench.actions[1].operation = WaitFor::Revoked.operation();
            let within = Some(Duration::from_secs(600));
            let wait = Wait {
                until: WaitFor::Revoked,
                of: "c/revoke".to_owned(),
                within,
                at: vec![],
                old: None,
                by: StatusSources::default(),
            };
            bench.actions[1].parameters = wait.parameters();
            bench.actions[1].needs = vec!["c/revoke".to_owned()];
            bench.actions[2].id = "c/last".to_owned();
            bench.actions[2].needs = vec!["c/revoked".to_owned()];
            bench.wait = true;
            bench.make();
            bench.process(Cut::Never, &[]).await;
            let last = if expected.is_well() { Outcome::Succeeded } else { Outcome::Skipped };
            assert_eq!(bench.outcomes(), [Outcome::Succeeded, expected, last]);
            let looked = bench.world.looked_at.borrow()[&number.to_string()];
            assert!((5..30).contains(&looked), "{looked}");
            let reader = RunDir::existing(&bench.path()).unwrap().read().unwrap();
            let words = reader.history(1).unwrap().1.reply.message.unwrap();
            let begins = if expected.is_well() {
                "found so by a status query: state revoked"
            } else {
                "`within` is over after 10m 00s: it is not seen revoked"
            };
            assert!(words.starts_with(begins), "{words}");
        }
    });
}

/// What servers show: the first new one only at the fifth look.
pub(crate) fn shown(world: &World, server: &TlsServer) -> Result<Vec<u8>, String> {
    let looked = world.handshakes.borrow()[&server.to_string()];
    let new = include_bytes!("../../src/pki/testdata/world/good.der").to_vec();
    let old = include_bytes!("../../src/pki/testdata/world/revoked.der").to_vec();
    match server.host.as_str() {
        "down.example" => Err("the connection is refused".to_owned()),
        "late.example" if looked < 5 => Ok(old),
        "never.example" => Ok(old),
        _ => Ok(new),
    }
}

/// A reissue, a wait until its certificate is shown there, and what needs that.
fn served(seed: u64, at: &[&str], within: Option<Duration>) -> Bench {
    let listed = [
        ("staged", "reissue", json!({"order_id": 1, "csr": "abc"})),
        ("staged", "reissue", json!({"order_id": 2, "csr": "abc"})),
        ("staged", "reissue", json!({"order_id": 3, "csr": "abc"})),
    ];
    let mut bench = Bench::new(seed, Faults::none(), &listed);
    let at = at.iter().map(|text| TlsServer::parse(text).unwrap()).collect();
    let wait = Wait {
        until: WaitFor::Served,
        of: "c/reissue".to_owned(),
        within,
        at,
        old: None,
        by: StatusSources::default(),
    };
    bench.actions[0].id = "c/reissue".to_owned();
    bench.actions[1].id = "c/served".to_owned();
    bench.actions[1].operation = WaitFor::Served.operation();
    bench.actions[1].parameters = wait.parameters();
    bench.actions[1].needs = vec!["c/reissue".to_owned()];
    bench.actions[2].id = "c/last".to_owned();
    bench.actions[2].needs = vec!["c/served".to_owned()];
    bench.wait = true;
    bench
}

#[test]
fn servers_are_looked_at_until_all_show_the_new_certificate_and_no_longer_than_within() {
    let within = Some(Duration::from_secs(600));
    for (at, expected, words) in [
        (&["new.example"][..], Outcome::Succeeded, "the new certificate is shown by new.example:443"),
        (&["late.example", "new.example"], Outcome::Succeeded, "the new certificate is shown by late.example:443; "),
        (&["new.example", "never.example"], Outcome::Failed, "never.example:443: it shows another certificate"),
        (&["down.example"], Outcome::Failed, "; down.example:443: the connection is refused)"),
    ] {
        virtual_time(async {
            let bench = served(5, at, within);
            bench.make();
            // Cut in the middle: what was looked at is looked at again.
            bench.process(Cut::AfterTime(Duration::from_secs(41)), &[]).await;
            let (ending, _) = bench.process(Cut::Never, &[]).await;
            assert!(ending.is_none_or(|ending| ending.complete));
            let last = if expected.is_well() { Outcome::Succeeded } else { Outcome::Skipped };
            assert_eq!(bench.outcomes(), [Outcome::Succeeded, expected, last]);
            let reader = RunDir::existing(&bench.path()).unwrap().read().unwrap();
            let found = reader.history(1).unwrap().1.reply.message.unwrap();
            assert!(found.contains(words), "{found}");
            let most = *bench.world.handshakes.borrow().values().max().unwrap();
            assert!((1..30).contains(&most), "{most} looks in ten minutes");
        });
    }
}

#[test]
fn nobody_stays_for_a_server_where_nobody_waits() {
    virtual_time(async {
        let mut bench = served(6, &["never.example"], None);
        bench.wait = false;
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        let ending = ending.unwrap();
        assert!(!ending.complete && ending.stopped.is_some(), "{ending:?}");
        assert_eq!(bench.world.handshakes.borrow()["never.example:443"], 15);
    });
}

#[test]
fn chains_survive_faults_and_cuts_and_no_step_goes_before_what_it_needs() {
    for seed in seeds(7000..7000 + scaled(30)) {
        replayable(seed, || virtual_time(survive(seed)));
    }
}

async fn survive(seed: u64) {
    let mut bench = bench(seed, Faults::many(), 1..7, None);
    bench.wait = seed.is_multiple_of(2);
    bench.make();
    for _ in 0..4 {
        let time = Duration::from_millis(1 + bench.world.next_random() % 60_000);
        if bench.process(Cut::AfterTime(time), &[]).await.0.is_some() {
            break;
        }
    }
    for _ in 0..4 {
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        if ending.as_ref().is_some_and(|ending| ending.complete) {
            break;
        }
    }
    bench.world.check_windows(&bench.settings);
    let effects = bench.world.effects();
    let of = |operation: &str, target: u64| {
        effects.get(&World::key(operation, &target.to_string())).copied().unwrap_or_default()
    };
    for (number, steps) in (1..7_u64).zip(bench.outcomes().chunks(4)) {
        let words = format!("seed {seed}: chain {number} ended {steps:?}");
        // What was not approved is not followed by another; what is known to have been refused has nothing behind it.
        if of("revoke", number + 1000) > 0 {
            assert!(of("approve", number * 10) > 0, "{words}");
            assert_eq!(steps[..3], [Outcome::Succeeded; 3], "{words}");
        }
        if steps[0] == Outcome::Rejected || steps[0] == Outcome::Failed {
            assert_eq!(steps[1..], [Outcome::Skipped; 3], "{words}");
        }
        assert!(of("approve", number * 10) <= 8, "{words}");
    }
}
