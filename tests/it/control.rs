//! Commands to a run that another process carries out: pause, unpause, other limits; and what `status` shows of it meanwhile.

use super::limits::{never_more_than, revokes};
use super::mock::{Mock, empty, json};
use super::place::{CommandOutput, Place, finish, signal, wait_until_it_says};
use std::process::Child;
use std::time::{Duration, Instant};

fn start(place: &Place, plan: &str) -> Child {
    place.file("plan.yaml", plan);
    place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"])
}

fn control(place: &Place, words: &[&str]) -> CommandOutput {
    place.certsweep(words)
}

/// Asks for the status until what bounds the one provider is of this kind.
fn wait_until_bound(place: &Place, kind: &str) -> serde_json::Value {
    let began = Instant::now();
    loop {
        let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
        if status["providers"][0]["bound"]["kind"] == kind {
            return status;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "never bounded by {kind}: {status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_paused_run_sends_nothing_until_unpause() {
    let (mut place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.set("CERTSWEEP_OPERATOR", "alice");
    let child = start(&place, &revokes(&mock, "rate: [2/400ms], concurrency: 2", 60));
    mock.wait_for(3);
    let paused = control(&place, &["pause", "run"]).exits(0);
    assert!(paused.out.contains("paused") && paused.out.contains("certsweep unpause run"), "{}", paused.out);
    let sent = mock.seen().len();
    let status = wait_until_bound(&place, "paused");
    assert_eq!((&status["state"], &status["in_flight"]), (&"paused".into(), &0.into()), "{status}");
    assert!(status["paused"]["since"].is_string() && status["estimated_seconds_left"].is_null(), "{status}");
    assert_eq!(status["paused"]["by"], "alice");
    let ended: u64 = status["outcomes"].as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(status["providers"][0]["done"], ended, "the counts of one answer agree: {status}");
    let text = place.certsweep(&["status", "run"]).exits(0).out;
    assert!(
        text.contains("state    paused since") && text.contains("by alice") && text.contains("certsweep unpause run"),
        "{text}"
    );
    let again = control(&place, &["pause", "run", "--json"]).exits(0).json();
    assert_eq!(again["already"], true, "{again}");
    control(&place, &["set-rate", "run", "digicert=1000/1s"]).exits(0);
    std::thread::sleep(Duration::from_millis(900));
    assert_eq!(mock.seen().len(), sent, "nothing was sent meanwhile");
    control(&place, &["unpause", "run"]).exits(0);
    let done = finish(child).exits(0).says(&["paused by alice", "going on", "limits  digicert: 1000/1s from now on"]);
    assert!(done.out.contains("60"), "{}", done.out);
    assert_eq!(mock.seen().len(), 60);
    assert!(
        !place.path("run/live.json").exists() && !place.path("run/commands").exists(),
        "they belong to the live run"
    );
    for words in [&["pause", "run"][..], &["unpause", "run"], &["set-rate", "run", "digicert=1/1s"]] {
        let late = control(&place, words).exits(2);
        assert!(late.err.contains("has ended"), "{}", late.err);
    }
}

#[test]
fn other_limits_hold_from_then_on_and_over_a_resumption() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match seen.target.as_str() {
        "/services/v2/certificate/1/revoke" => empty(204).held(),
        _ => empty(204),
    });
    let mut child = start(&place, &revokes(&mock, "rate: [1000/1s], concurrency: 1", 9));
    mock.wait_for(1);
    control(&place, &["set-rate", "run", "digicert=2/600ms,100/60s"]).exits(0);
    assert!(control(&place, &["unpause", "run"]).exits(0).out.contains("not paused"));
    mock.release();
    mock.wait_for(3);
    control(&place, &["pause", "run"]).exits(0);
    signal(&child, "INT");
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(130), "a paused run can be interrupted");
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!(
        (&status["limits"]["digicert"][0], &status["state"]),
        (&"2/600ms".into(), &"stopped".into()),
        "{status}"
    );
    assert_eq!(status["providers"], serde_json::json!([]));
    for words in [&["pause", "run"][..], &["unpause", "run"]] {
        control(&place, words).exits(4).says(&["nobody is carrying out run", "certsweep resume run"]);
    }
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
    assert_eq!(mock.seen().len(), 9);
    never_more_than(2, Duration::from_millis(600), &mock.seen());
}

#[test]
fn a_word_lets_the_next_wave_go_before_its_pause_is_over() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let plan = revokes(&mock, "rate: [1000/1s], concurrency: 4", 4)
        .replace("defaults:", "safety: {waves: [50%, 100%], between_waves: 10m}\ndefaults:");
    let child = start(&place, &plan);
    mock.wait_for(2);
    let status = wait_until_bound(&place, "wave");
    assert_eq!((&status["providers"][0]["bound"]["number"], mock.seen().len()), (&2.into(), 2), "{status}");
    control(&place, &["unpause", "run"]).exits(0);
    finish(child).exits(0);
    assert_eq!(mock.seen().len(), 4);
}

#[test]
fn a_closed_window_is_what_bounds_a_run_that_waits_for_it() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let start_at =
        jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap() + jiff::SignedDuration::from_hours(2);
    let plan = revokes(&mock, "rate: [1000/1s], concurrency: 4", 2)
        .replace("defaults:", &format!("schedule: {{start: {start_at:.0}}}\ndefaults:"));
    place.file("plan.yaml", plan);
    let mut child = place.spawn(&["run", "plan.yaml", "--yes", "--wait", "--run-dir", "run"]);
    wait_until_it_says(&mut child, "run directory: run\n");
    let status = wait_until_bound(&place, "closed");
    let until: jiff::Timestamp = status["providers"][0]["bound"]["until"].as_str().unwrap().parse().unwrap();
    assert!(until.duration_since(start_at).abs() < jiff::SignedDuration::from_secs(2), "{status}");
    control(&place, &["pause", "run"]).exits(0);
    signal(&child, "INT");
    child.wait().unwrap();
    assert!(mock.seen().is_empty());
}

#[test]
fn control_commands_with_wrong_arguments_are_refused() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204).held()));
    let child = start(&place, &revokes(&mock, "rate: [1000/1s], concurrency: 1", 2));
    mock.wait_for(1);
    for (words, expected) in [
        (&["set-rate", "run", "digicrt=50/5s"][..], "did you mean `digicert`?"),
        (&["set-rate", "run", "digicert=fast"], "`fast` is not a rate"),
        (&["set-rate", "run", "digicert"], "PROVIDER=LIMITS"),
        (&["set-rate", "run"], "PROVIDER=LIMITS"),
        (&["pause", "nowhere"], "nowhere"),
        (&["unpause", "."], "run directory"),
    ] {
        let refused = control(&place, words).exits(2);
        assert!(refused.err.contains(expected), "{words:?}: {}", refused.err);
    }
    mock.release();
    finish(child).exits(0);
}

#[test]
fn the_status_tells_what_bounds_each_provider_and_whether_the_deadline_will_be_met() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let plan = revokes(&mock, "rate: [3/1s], concurrency: 3", 60).replace("defaults:", "deadline: 15s\ndefaults:");
    let mut child = start(&place, &plan);
    mock.wait_for(1);
    let began = Instant::now();
    let status = loop {
        let status = wait_until_bound(&place, "window");
        if !status["deadline"]["met"].is_null() {
            break status;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{status}");
    };
    assert_eq!(status["providers"][0]["bound"]["window"], "3/1s");
    assert_eq!(
        (&status["providers"][0]["provider"], &status["providers"][0]["actions"]),
        (&"digicert".into(), &60.into())
    );
    assert_eq!(status["deadline"]["met"], false, "{status}");
    let text = place.certsweep(&["status", "run"]).exits(0).out;
    assert!(text.contains("limit 3/1s") && text.contains("MISSED"), "{text}");
    signal(&child, "INT");
    child.wait().unwrap();
}

#[test]
fn a_deadline_that_will_be_missed_is_warned_of_before_anything_is_sent() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| json(204, "")));
    for (deadline, warned) in [("2s", true), ("1h", false)] {
        let plan = revokes(&mock, "rate: [1/1s], concurrency: 1", 3);
        place.file("plan.yaml", plan.replace("defaults:", &format!("deadline: {deadline}\ndefaults:")));
        let done = place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", deadline]);
        assert_eq!(done.err.contains("the deadline will be MISSED by about"), warned, "{}", done.err);
    }
}
