//! A disk that is slow beside the provider: the promises are kept, no more is written down than has a slot, and commits that are shared
//! cost a run next to nothing.

use super::scale::scaled;
use super::world::Faults;
use super::{Bench, Cut, mixed, replayable, seeds, virtual_time};
use certsweep::provider::model::Window;
use std::time::Duration;
use tokio::time::Instant;

/// A bench whose disk takes so long to write, with these limits and slots for both accounts.
fn bench(seed: u64, faults: Faults, actions: usize, window: &str, slots: u32, disk: Option<u64>) -> Bench {
    let mut bench = Bench::new(seed, faults, &mixed(actions));
    for account in &mut bench.settings.accounts {
        account.windows = vec![Window::parse(window).unwrap()];
        account.concurrency = slots;
    }
    bench.disk = disk.map(Duration::from_millis);
    bench
}

/// Each process is checked for what it leaves in flight (`Bench::check_in_flight`).
#[test]
fn with_a_slow_disk_the_promises_hold_and_no_more_is_in_flight_than_there_are_slots() {
    for seed in seeds(0..scaled(SEEDS)) {
        replayable(seed, || {
            virtual_time(async {
                let faults = Faults { hang: 0, ..Faults::many() };
                let bench = bench(seed, faults, 160, "900/1s", SLOTS, Some(20));
                bench.make();
                for _ in 0..3 {
                    let time = Duration::from_millis(150 + bench.world.next_random() % 700);
                    if bench.process(Cut::AfterTime(time), &[]).await.0.is_some() {
                        break;
                    }
                }
                bench.check_promises(seed).await;
                let most = bench.world.most_under_way.borrow().clone();
                assert!(most.values().all(|most| *most <= SLOTS), "{most:?} requests at once");
            });
        });
    }
}

/// 400 requests a second are allowed, 200 of each account; a commit takes 5 ms, and an intent waits for the next one.
#[test]
fn a_disk_of_five_milliseconds_a_sync_costs_a_run_less_than_a_hundredth() {
    let takes = |disk: Option<u64>| {
        virtual_time(async {
            let bench = bench(1, Faults::none(), 4_800, "1000/5s", 128, disk);
            bench.make();
            let began = Instant::now();
            let (ending, _) = bench.process(Cut::Never, &[]).await;
            assert!(ending.is_some_and(|ending| ending.well));
            began.elapsed().as_secs_f64()
        })
    };
    let share = takes(None) / takes(Some(5));
    assert!(share >= 0.99, "{share}");
}

/// Requests of one account at once.
const SLOTS: u32 = 32;
/// Worlds with a slow disk, at the smallest scale.
const SEEDS: u64 = 5;
