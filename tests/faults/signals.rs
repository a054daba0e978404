//! Signals and closed terminals: what is in flight is awaited, the rest can be resumed.

use super::authority::Authority;
use super::invariants::{ends_and_holds, stopped_holds};
use super::place::{BINARY, Place, finish, signal};
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

#[test]
fn a_hangup_stops_like_an_interrupt() {
    let (place, authority) = hung_up();
    stopped(&place, &authority);
}

/// A run of [`ACTIONS`] that a hangup has stopped on its way.
pub(crate) fn hung_up() -> (Place, Authority) {
    let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(30)));
    place.file("plan.yaml", authority.plan(ACTIONS, "1000/1s"));
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    authority.mock.wait_for(3);
    signal(&child, "HUP");
    finish(child).exits(129);
    (place, authority)
}

#[test]
fn a_limit_of_processor_time_stops_like_an_interrupt() {
    let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(300)));
    place.file("plan.yaml", authority.plan(ACTIONS, "1000/1s"));
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    authority.mock.wait_for(3);
    // The kernel repeats it; what is in flight is awaited all the same.
    signal(&child, "XCPU");
    std::thread::sleep(Duration::from_millis(50));
    signal(&child, "XCPU");
    let done = finish(child).exits(152);
    assert!(done.err.contains("signal"), "{}", done.err);
    let (arrived, answered) = authority.counts();
    assert_eq!(arrived, answered, "what was in flight is awaited");
    stopped_holds(&place, &authority, ACTIONS);
}

#[test]
fn a_terminal_that_is_closed_stops_like_a_hangup() {
    let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(30)));
    place.file("plan.yaml", authority.plan(ACTIONS, "1000/1s"));
    // Without a shell between: the kernel tells the first process of the terminal alone.
    let line = format!("exec {BINARY} run plan.yaml --yes --run-dir run");
    let mut terminal = place.command("script", &["-qec", &line, "/dev/null"]).spawn().unwrap();
    authority.mock.wait_for(3);
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    let began = Instant::now();
    while place.certsweep(&["status", "run", "--json"]).exits(0).json()["state"] == "running" {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not end");
    }
    stopped(&place, &authority);
}

#[track_caller]
fn stopped(place: &Place, authority: &Authority) {
    let (arrived, answered) = authority.counts();
    assert_eq!(arrived, answered, "what was in flight is awaited");
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!((&status["state"], &status["in_flight"]), (&"stopped".into(), &0.into()), "{status}");
    assert!(status["waiting"].as_u64().unwrap() > 0, "{status}");
    let database = rusqlite::Connection::open(place.path("run/run.sqlite")).unwrap();
    let select = "SELECT json_extract(body, '$.code') FROM journal WHERE json_extract(body, '$.kind') = 'stopped'";
    let code: u8 = database.query_row(select, [], |row| row.get(0)).unwrap();
    assert_eq!(code, 129);
    drop(database);
    stopped_holds(place, authority, ACTIONS);
    ends_and_holds(place, authority, ACTIONS, 0);
}

/// Stops a process, and returns once all of its threads stand still: the signal is only on its way when it was sent.
pub(crate) fn stop(child: &Child) {
    signal(child, "STOP");
    let tasks = || fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().map(|task| task.unwrap().path());
    // A thread may end just now. What stands behind its name, which is in brackets, is its state.
    let stands = |stat: String| stat.contains(") T ") || stat.contains(") Z ");
    let runs = |task: PathBuf| fs::read_to_string(task.join("stat")).is_ok_and(|stat| !stands(stat));
    while tasks().any(runs) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Actions of a run.
pub(crate) const ACTIONS: u64 = 60;
