//! What must hold of a run that has ended, whatever befell the processes that worked on it.

use super::authority::{Authority, Kind, SLOTS, id, targets};
use super::place::{CommandOutput, Place, Row, rows};
use std::time::{Duration, Instant};

/// Goes on until the run has ended by itself, and checks it.
#[track_caller]
pub(crate) fn ends_and_holds(place: &Place, authority: &Authority, actions: u64, crashes: usize) {
    let done = place.certsweep(&["resume", "run", "--yes"]);
    assert!(matches!(done.code, 0 | 1), "{done:?}");
    holds(place, authority, actions, crashes);
}

/// Checks a run that has ended after so many crashes.
#[track_caller]
pub(crate) fn holds(place: &Place, authority: &Authority, actions: u64, crashes: usize) {
    let rows = place.rows();
    sent_was_on_disk(&rows, authority, actions);
    let mut doubts = 0;
    for (row, target) in rows.iter().zip(targets(actions)) {
        let effects = authority.effects(target);
        assert!(effects <= 1 || target.0 != Kind::Reissue, "reissued {effects} times: {row:?}");
        match row["outcome"].as_str() {
            "succeeded" | "already-done" | "pending-approval" => assert_eq!(effects, 1, "{row:?}"),
            "failed" | "rejected" => assert_eq!(effects, 0, "{row:?}"),
            "in-doubt" => doubts += 1,
            other => panic!("{other}: {row:?}"),
        }
        // What is in doubt may have been about to be sent, and no more.
        assert!(authority.writes(target) > 0 || row["outcome"] == "in-doubt", "never sent: {row:?}");
    }
    assert!(doubts <= crashes * SLOTS, "{doubts} actions are in doubt after {crashes} crashes");
    each_ended_once(place, actions);
}

/// Checks that a report has one row an action, and that no request came that was not on disk before.
#[track_caller]
fn sent_was_on_disk(rows: &[Row], authority: &Authority, actions: u64) {
    let ids: Vec<&str> = rows.iter().map(|row| row["action_id"].as_str()).collect();
    let expected: Vec<String> = targets(actions).into_iter().map(id).collect();
    assert_eq!(ids, expected, "one row an action, in plan order");
    for (row, target) in rows.iter().zip(targets(actions)) {
        let known: usize = row["attempts"].parse().unwrap();
        let sent = authority.writes(target);
        assert!(sent <= known, "{sent} requests came, and {known} are on disk: {row:?}");
    }
}

/// The same of a run that has stopped, and that nothing is said to have succeeded which has not.
#[track_caller]
pub(crate) fn stopped_holds(place: &Place, authority: &Authority, actions: u64) -> CommandOutput {
    let report = place.certsweep(&["report", "run"]).exits(0);
    let rows = rows(&report.out);
    sent_was_on_disk(&rows, authority, actions);
    tells_the_truth(&rows, authority, actions);
    report
}

/// Checks that a report has one row an action, and that nothing is said to have succeeded, or to have had no effect, which is not so.
#[track_caller]
pub(crate) fn tells_the_truth(rows: &[Row], authority: &Authority, actions: u64) {
    assert_eq!(rows.len() as u64, actions, "one row an action");
    for (row, target) in rows.iter().zip(targets(actions)) {
        let effects = authority.effects(target);
        match row["outcome"].as_str() {
            "succeeded" | "already-done" | "pending-approval" => assert_eq!(effects, 1, "{row:?}"),
            "failed" | "rejected" | "skipped" => assert_eq!(effects, 0, "{row:?}"),
            _ => {}
        }
    }
}

/// Fails where more than `most` requests came within any time of this length, over all processes, by provider.
#[track_caller]
pub(crate) fn windows_hold(authority: &Authority, most: usize, length: Duration) {
    for path in ["/services/", "/api/"] {
        let seen = authority.mock.seen();
        let mut times: Vec<Instant> =
            seen.iter().filter(|seen| seen.target.starts_with(path)).map(|seen| seen.at).collect();
        times.sort();
        for window in times.windows(most + 1) {
            let took = window[most] - window[0];
            assert!(took >= length, "{path}: {} requests within {took:?}, and {most} are allowed", most + 1);
        }
    }
}

#[track_caller]
fn each_ended_once(place: &Place, actions: u64) {
    let database = rusqlite::Connection::open(place.path("run/run.sqlite")).unwrap();
    let count = "SELECT count(*), count(DISTINCT ordinal) FROM journal WHERE kind = 'ended'";
    let ended: (i64, i64) = database.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let actions = i64::try_from(actions).unwrap();
    assert_eq!(ended, (actions, actions), "every action ends, and ends once");
}
