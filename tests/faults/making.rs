//! Killed while the run directory is made: nothing was sent, nothing is in the way of the next run, and what was half made is gone.

use super::authority::Authority;
use super::invariants::{ends_and_holds, holds};
use super::place::Place;
use super::traced::traced;
use crate::support::scale::thinned;
use std::time::Duration;

const RUN: [&str; 5] = ["run", "plan.yaml", "--yes", "--run-dir", "run"];

#[test]
fn a_run_killed_while_its_directory_is_made_has_sent_nothing_and_can_begin_anew() {
    for (call, times) in CALLS {
        let mut killed = 0;
        for nth in thinned(1..=times, 3) {
            let (place, authority) = (Place::new(), Authority::start(Duration::ZERO));
            place.file("plan.yaml", authority.plan(ACTIONS, "1000/1s"));
            let done = traced(&place, call, &format!("signal=KILL:when={nth}"), &[], &RUN);
            if done.code != -1 {
                assert!(matches!(done.code, 0 | 1), "{call} {nth}: {done:?}");
                break;
            }
            killed += 1;
            let whole = place.path("run").exists();
            if whole {
                // It was at its place already: `run` refuses it, and nothing was lost.
                place.certsweep(&RUN).exits(2).says(&["run"]);
                ends_and_holds(&place, &authority, ACTIONS, 1);
            } else {
                assert!(authority.mock.seen().is_empty(), "{call} {nth}: {:?}", authority.mock.lines());
                let done = place.certsweep(&RUN);
                assert!(matches!(done.code, 0 | 1), "{call} {nth}: {done:?}");
                holds(&place, &authority, ACTIONS, 0);
            }
            let left: Vec<String> = place.names().into_iter().filter(|name| name.starts_with(".making-")).collect();
            // Where the parent is made, or whole runs are resumed, nobody tidies up.
            assert!(left.is_empty(), "{call} {nth}: {left:?} is left");
        }
        assert!(killed > 0, "no process was killed at {call}");
    }
}

/// Actions of a run.
pub(crate) const ACTIONS: u64 = 6;
/// The system calls at which a process is killed, and how many times each is tried in turn.
const CALLS: [(&str, usize); 5] =
    [("mkdir,mkdirat", 3), ("flock", 2), ("fsync,fdatasync", 7), ("pwrite64", 4), ("rename,renameat,renameat2", 1)];
