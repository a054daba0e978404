//! Killed at the n-th sync of the journal, for every n in turn; syncs that fail, and calls whose failure the standard library and tokio take
//! for impossible.

use super::authority::{Authority, SLOTS};
use super::invariants::{ends_and_holds, holds, stopped_holds};
use super::place::Place;
use super::traced::{JOURNAL, SYNCS, first_fault, traced};
use crate::support::scale::thinned;
use std::time::Duration;

const RUN: [&str; 5] = ["run", "plan.yaml", "--yes", "--run-dir", "run"];
const RESUME: [&str; 3] = ["resume", "run", "--yes"];

#[test]
fn killed_at_any_sync_of_the_journal_it_loses_nothing_and_doubles_nothing() {
    let (mut killed, mut tried) = (0, 0);
    for sync in thinned(1..=KILLED_SYNCS, 4) {
        let (place, authority) = (Place::new(), Authority::start(Duration::ZERO));
        place.file("plan.yaml", authority.plan(ACTIONS, "1000/1s"));
        let mut crashes = 0;
        for args in [&RUN[..], &RESUME] {
            let done = traced(&place, SYNCS, &format!("signal=KILL:when={sync}"), &JOURNAL, args);
            assert!(matches!(done.code, -1..=1), "sync {sync}: {done:?}");
            crashes += usize::from(done.code == -1);
        }
        ends_and_holds(&place, &authority, ACTIONS, crashes);
        killed += crashes;
        tried += 1;
    }
    assert!(killed >= tried, "only {killed} processes were killed");
}

#[test]
fn a_sync_that_fails_ends_the_sending() {
    for sync in thinned(FAILING_SYNCS, 2) {
        let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(30)));
        place.file("plan.yaml", authority.plan(LONG, "1000/1s"));
        let done = traced(&place, SYNCS, &format!("error=EIO:when={sync}+"), &JOURNAL, &RUN);
        let failed_at = first_fault(&place).expect("a sync failed");
        assert_eq!(done.code, 4, "sync {sync}: {done:?}");
        let (arrived, answered) = authority.counts();
        assert_eq!(arrived, answered, "sync {sync}: what was in flight is awaited");
        let now = (
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64(),
            std::time::Instant::now(),
        );
        let seen = authority.mock.seen();
        let after = seen.iter().filter(|seen| now.0 - (now.1 - seen.at).as_secs_f64() > failed_at).count();
        // What an earlier commit allowed may still be on its way.
        assert!(after <= SLOTS, "sync {sync}: {after} requests came after the journal had failed");
        assert!(sync > 1 || arrived == 0, "nothing is sent by a journal that never worked: {arrived}");
        assert!(arrived < LONG as usize, "sync {sync}: {arrived} requests came");
        stopped_holds(&place, &authority, LONG);
        let done = place.certsweep(&RESUME);
        assert!(matches!(done.code, 0 | 1), "sync {sync}: {done:?}");
        holds(&place, &authority, LONG, 1);
    }
}

#[test]
fn a_call_that_never_fails_and_does_ends_the_run_with_a_word_and_no_trace_of_the_stack() {
    for (call, fault) in
        [("close", "error=EIO:when=60+"), ("epoll_wait", "error=EIO:when=3"), ("epoll_wait", "error=EIO:when=30+")]
    {
        let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(30)));
        place.file("plan.yaml", authority.plan(LONG, "1000/1s"));
        let done = traced(&place, call, fault, &[], &RUN);
        assert_eq!(done.code, 4, "{call}: {done:?}");
        let done = done.says(&["error: ", "resume"]);
        assert!(!done.err.contains("backtrace") && !done.err.contains("panicked"), "{call}: {}", done.err);
        // Where it struck before there was a run, there is nothing to go on with.
        if place.path("run").exists() {
            let done = place.certsweep(&RESUME);
            assert!(matches!(done.code, 0 | 1), "{call}: {done:?}");
            holds(&place, &authority, LONG, 1);
        } else {
            assert_eq!(authority.counts().0, 0, "{call}");
        }
    }
}

/// The journal is killed at its syncs up to this number, once in `run` and once in `resume`.
const KILLED_SYNCS: usize = 12;
/// Actions of a run that is killed at a sync.
const ACTIONS: u64 = 18;
/// From these syncs of the journal on, each fails.
const FAILING_SYNCS: [usize; 5] = [1, 2, 3, 5, 8];
/// Actions of a run whose syncs fail: too many to be sent by then.
const LONG: u64 = 60;
