//! Reissues by DigiCert's own document: the order is read, the reissue asked for once, its request and its order looked at, the certificate fetched.
//! Whatever is lost and whenever the power is cut, no order is reissued twice; and what a lost answer would have told is told by the order.

use super::scale::stride;
use super::world::{Faults, World, json_answer};
use super::{Bench, Cut, replayable, scaled, seeds, virtual_time};
use certsweep::journal::RunDir;
use certsweep::provider::{Answer, HeaderFields};
use certsweep::run::Outcome;
use serde_json::{Value, json};
use std::time::Duration;

/// What DigiCert answers about orders and their reissues.
pub(crate) fn answer(world: &World, method: &str, parts: &[&str]) -> Answer {
    match (method, parts) {
        ("POST", ["order", "certificate", order, "reissue"]) => {
            world.effect("reissue", order);
            let order: u64 = order.parse().unwrap();
            json_answer(201, &json!({"id": order, "requests": [{"id": order + FIRST_REQUEST}]}))
        }
        ("GET", ["order", "certificate", order, "reissue"]) => {
            let is_there = world.effects().contains_key(&World::key("reissue", order));
            let row = is_there.then(|| json!({"id": 1, "status": "reissue_pending", "csr": CSR}));
            json_answer(200, &json!({"certificates": Vec::from_iter(row)}))
        }
        // It tells of some; the others are read by themselves.
        ("GET", ["order", "certificate", "status-changes", ..]) => {
            let effects = world.effects();
            let revoked = effects.keys().filter_map(|key| key.strip_prefix("revoke-order ")?.parse::<u64>().ok());
            let told = revoked.filter(|order| order % 4 == 0);
            let rows: Vec<_> = told.map(|order| json!({"order_id": order, "status": "revoked"})).collect();
            json_answer(200, &json!({"orders": rows}))
        }
        ("GET", ["request", request]) => json_answer(200, &json!({"id": request, "status": "approved"})),
        ("GET", ["order", "certificate", order]) => {
            let number: u64 = order.parse().unwrap();
            let is_there = world.effects().contains_key(&World::key("reissue", order));
            let looked = if is_there {
                let mut looked = world.looked_at.borrow_mut();
                let looked = looked.entry((*order).to_owned()).or_default();
                *looked += 1;
                *looked
            } else {
                u32::MAX
            };
            let status = match number % 10 {
                _ if world.effects().contains_key(&World::key("revoke-order", order)) => "revoked",
                REFUSED if is_there => "canceled",
                _ if looked < 3 => "reissue_pending",
                _ => "issued",
            };
            let dropped: &[&str] = if number % 10 == DROPS { &["more.example"] } else { &[] };
            let certificate = json!({"id": 1, "common_name": "shop.example", "dns_names": dropped});
            json_answer(200, &json!({"id": number, "status": status, "certificate": certificate}))
        }
        ("GET", ["certificate", "download", ..]) => {
            let pem =
                certsweep::pki::pem::encode("CERTIFICATE", include_bytes!("../../src/pki/testdata/world/good.der"));
            Answer::new(200, HeaderFields::from_iter([("content-type", "text/plain")]), pem.into_bytes())
        }
        _ => panic!("nobody answers {method} {parts:?}"),
    }
}

const FIRST_REQUEST: u64 = 7000;
const CSR: &str = "abc";
const REFUSED: u64 = 8;
const DROPS: u64 = 9;

fn reissues(orders: std::ops::Range<u64>) -> Vec<(&'static str, &'static str, Value)> {
    let reissue = |order: u64| {
        let parameters = json!({"order_id": order, "certificate.common_name": "shop.example", "certificate.csr": CSR});
        ("digicert", "reissue", parameters)
    };
    orders.map(reissue).collect()
}

/// What every world must have kept; how many reissues succeeded without their request ever being looked at, since the answer was lost.
fn check(bench: &Bench, seed: u64) -> usize {
    bench.world.check_windows(&bench.settings);
    let reader = RunDir::existing(&bench.path()).unwrap().read().unwrap();
    let reached = bench.world.reached.borrow();
    let mut by_order = 0;
    for (action, outcome) in bench.actions.iter().zip(bench.outcomes()) {
        let order: u64 = action.target.parse().unwrap();
        let asked = bench.world.effects().get(&World::key("reissue", &action.target)).copied().unwrap_or_default();
        let (_, history) = reader.history(action.ordinal).unwrap();
        let words = format!("seed {seed}: order {order} ended {outcome} with {asked} effects ({:?})", history.reply);
        assert!(asked <= 1, "{words}");
        match outcome {
            Outcome::Succeeded => assert!(asked == 1 && history.issued.is_some(), "{words}"),
            Outcome::Pending | Outcome::PendingApproval => assert_eq!(asked, 1, "{words}"),
            Outcome::Rejected => assert!(asked == 0 || order % 10 == REFUSED, "{words}"),
            Outcome::Failed => assert_eq!(asked, 0, "{words}"),
            Outcome::Skipped => assert!(asked == 0 && order % 10 == DROPS, "{words}"),
            Outcome::InDoubt => {}
            Outcome::AlreadyDone | Outcome::Planned => panic!("{words}"),
        }
        let request = format!("/request/{}", order + FIRST_REQUEST);
        let is_looked_at = reached.iter().any(|(_, url)| url.ends_with(&request));
        by_order += usize::from(outcome == Outcome::Succeeded && !is_looked_at);
    }
    by_order
}

#[test]
fn a_reissue_is_read_asked_for_and_followed_in_its_line() {
    virtual_time(async {
        let bench = Bench::new(1, Faults::none(), &reissues(5..11));
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.unwrap().complete);
        assert_eq!(check(&bench, 1), 0);
        let [ok, no, drops] = [Outcome::Succeeded, Outcome::Rejected, Outcome::Skipped];
        assert_eq!(bench.outcomes(), [ok, ok, ok, no, drops, ok]);
        let reached = bench.world.reached.borrow();
        let of_first: Vec<&str> = reached
            .iter()
            .filter_map(|(_, url)| url.split_once(".invalid").map(|(_, below)| below))
            .filter(|below| below.contains("/5") || below.ends_with("/7005"))
            .collect();
        let order = "/order/certificate/5";
        let looks = ["/request/7005", order, order, order, "/certificate/download/order/5/format/pem_all"];
        assert_eq!(of_first[..2], [order, "/order/certificate/5/reissue"], "{of_first:?}");
        assert_eq!(of_first[2..], looks, "{of_first:?}");
    });
}

#[test]
fn whatever_is_lost_no_order_is_reissued_twice() {
    let mut by_order = 0;
    for seed in seeds(8000..8000 + scaled(SEEDS)) {
        by_order += replayable(seed, || {
            virtual_time(async {
                let bench = Bench::new(seed, Faults { lost_after: 15, ..Faults::many() }, &reissues(1..11));
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
            })
        });
    }
    assert!(by_order > 0 || seeds(0..2).count() == 1, "no answer was lost, and nothing is proved");
}

#[test]
fn a_reissue_that_is_cut_off_after_any_record_goes_on_from_what_is_durable() {
    for seed in seeds(8500..8500 + scaled(1)) {
        let cut = |records: u64| {
            virtual_time(async move {
                let bench = Bench::new(seed, Faults::many(), &reissues(1..6));
                bench.make();
                let (ending, _) = bench.process(Cut::AfterRecords(records), &[]).await;
                let (last, _) = bench.process(Cut::Never, &[]).await;
                assert!(last.as_ref().is_some_and(|ending| ending.complete), "seed {seed}: {last:?}");
                check(&bench, seed);
                ending.is_none_or(|ending| !ending.complete)
            })
        };
        let mut records = 0;
        while replayable(seed, || cut(records)) {
            records += stride(3);
        }
        assert!(records > 15, "seed {seed}: a run of five reissues has more records than {records}");
    }
}

/// Worlds at the smallest scale.
const SEEDS: u64 = 20;
