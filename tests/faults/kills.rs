//! Processes killed at chosen requests, before and after these take effect, again and again.

use super::authority::{Authority, Moment};
use super::invariants::{ends_and_holds, windows_hold};
use super::place::Place;
use crate::support::scale::scaled;
use std::time::Duration;

#[test]
fn killed_at_any_request_it_loses_nothing_and_doubles_nothing() {
    let (mut killed, runs) = (0, scaled(RUNS));
    for seed in 0..runs {
        let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(2)));
        place.file("plan.yaml", authority.plan(ACTIONS, "12/200ms"));
        let mut random = Random(seed);
        let mut crashes = 0;
        for round in 0..ROUNDS {
            let args: &[&str] = match place.path("run").exists() {
                true => &["resume", "run", "--yes"],
                false => &["run", "plan.yaml", "--yes", "--run-dir", "run"],
            };
            let moment = [Moment::Before, Moment::Between, Moment::After][random.below(3)];
            let at = 1 + random.below(REQUESTS);
            let done = authority.run_killed(&place, args, at, moment);
            match done.code {
                -1 => crashes += 1,
                0 | 1 => break,
                _ => panic!("seed {seed}, round {round}: {done:?}"),
            }
        }
        ends_and_holds(&place, &authority, ACTIONS, crashes);
        windows_hold(&authority, 12, Duration::from_millis(200));
        killed += crashes;
    }
    assert!(killed as u64 >= runs * ROUNDS / 2, "only {killed} processes were killed");
}

/// SplitMix64: the same points for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % limit
    }
}

/// Runs, at the smallest scale.
const RUNS: u64 = 1;
/// Processes of one run that are killed at most.
const ROUNDS: u64 = 15;
/// Actions of a run.
const ACTIONS: u64 = 60;
/// A process is killed at its request of a number up to this.
const REQUESTS: usize = 10;
