//! Two processes on one run directory, and copies of a run directory that is at work.

use super::authority::Authority;
use super::invariants::holds;
use super::mock::{Mock, empty};
use super::place::{Place, finish, plan, rows, signal};
use super::signals::stop;
use std::time::Duration;

#[test]
fn a_second_process_leaves_at_once_and_sends_nothing() {
    let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(40)));
    place.file("plan.yaml", authority.plan(ACTIONS, "1000/1s"));
    let first = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    authority.mock.wait_for(1);
    // However slow the others are, they find it at work.
    stop(&first);
    for _ in 0..SECONDS {
        place.certsweep(&["resume", "run", "--yes"]).exits(4).says(&["run"]);
    }
    signal(&first, "CONT");
    let done = finish(first);
    assert!(matches!(done.code, 0 | 1), "{done:?}");
    // Had one of them sent anything, it would have come twice, or not be known on disk.
    holds(&place, &authority, ACTIONS, 0);
}

#[test]
fn a_copy_of_a_run_that_is_at_work_is_read_and_resumed_or_refused() {
    let (place, mock) = (
        Place::new(),
        Mock::start(|_, _| {
            std::thread::sleep(Duration::from_millis(10));
            empty(204)
        }),
    );
    let actions: String =
        (1..=COPIED).map(|number| format!("  - {{action: revoke, certificate_id: {number}}}\n")).collect();
    place.file("plan.yaml", plan(&mock, &["digicert"], "defaults: {provider: digicert}", &actions));
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    for copy in 1..=COPIES {
        mock.wait_for(copy * 12);
        let name = format!("copy{copy}");
        assert!(place.command("cp", &["-r", "run", &name]).status().unwrap().success());
    }
    finish(child).exits(0);
    for copy in 1..=COPIES {
        let name = format!("copy{copy}");
        // `cp` copies one file after the other. Where the journal was copied before the marks, it lacks what was written between.
        let status = place.certsweep(&["status", &name, "--json"]);
        if status.code == 4 {
            status.says(&["--salvage"]);
            let rows = rows(&place.certsweep(&["report", &name, "--salvage"]).exits(0).out);
            assert!(rows.iter().all(|row| matches!(row["outcome"].as_str(), "succeeded" | "in-doubt")), "{rows:?}");
            continue;
        }
        let status = status.exits(0).json();
        assert_eq!(status["state"], "interrupted", "{status}");
        assert_eq!(rows(&place.certsweep(&["report", &name]).exits(0).out).len(), COPIED);
        place.certsweep(&["resume", &name, "--yes"]).exits(0);
        assert!(rows(&place.read(&format!("{name}/report.csv"))).iter().all(|row| row["outcome"] == "succeeded"));
    }
}

/// Actions of a run that two processes want.
pub(crate) const ACTIONS: u64 = 30;
/// Second processes.
const SECONDS: usize = 3;
/// Copies that are made of one run.
const COPIES: usize = 5;
/// Actions of a run that is copied.
const COPIED: usize = 150;
