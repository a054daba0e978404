//! Killed, interrupted, and two at once: every action is accounted for once, a revoke is asked again, a reissue is not.

use super::limits::{never_more_than, revokes};
use super::mock::{Act, Mock, Seen, empty, naver_done, naver_list};
use super::place::{Place, finish, plan, reissue, signal, wait_until_it_says};
use std::process::Child;
use std::time::Duration;

const RUN: [&str; 5] = ["run", "plan.yaml", "--yes", "--run-dir", "run"];

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// NAVER revokes of one order, with these numbers.
fn naver_revokes(numbers: std::ops::RangeInclusive<u32>) -> String {
    numbers
        .map(|number| format!("  - {{id: r{number}, provider: naver, action: revoke, orderId: \"1\", certificateNo: {number}, reason: superseded}}\n"))
        .collect()
}

#[test]
fn after_a_kill_a_revoke_is_asked_again_and_a_reissue_is_not() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match seen.method.as_str() {
        "GET" => naver_list("9", 5, "1"),
        _ => naver_done().held(),
    });
    place.file("plan.yaml", plan(&mock, &["naver"], "", &(naver_revokes(1..=1) + &reissue("new", 5))));
    let child = place.spawn(&RUN);
    mock.wait_for(2);
    let report = super::place::rows(&place.certsweep(&["report", "run"]).exits(0).out);
    assert!(
        report.iter().all(|row| row["outcome"] == "in-doubt"),
        "what is in flight is not called unsent: {report:?}"
    );
    kill(child);
    assert!(!place.path("run/report.csv").exists());
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!((&status["state"], &status["in_flight"]), (&"interrupted".into(), &2.into()), "{status}");
    mock.release();
    place.certsweep(&["resume", "run", "--yes"]).exits(1);
    assert_eq!(place.outcomes(), [("r1".into(), "succeeded".into()), ("new".into(), "in-doubt".into())]);
    let rows = place.rows();
    assert_eq!((rows[0]["attempts"].as_str(), rows[1]["attempts"].as_str()), ("2", "1"));
    assert_eq!((mock.count("/certificate/revoke"), mock.count("/5/reissue")), (2, 1), "{:?}", mock.lines());
}

#[test]
fn killed_again_and_again_it_loses_nothing_and_reissues_nothing_twice() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| {
        std::thread::sleep(Duration::from_millis(5));
        if seen.method == "GET" { naver_list("9", 5, "1") } else { naver_done() }
    });
    let reissues: String = (100..=107).map(|number| reissue(&format!("n{number}"), number)).collect();
    place.file("plan.yaml", plan(&mock, &["naver"], "", &(naver_revokes(1..=20) + &reissues)));
    let mut child = place.spawn(&RUN);
    for requests in [3, 9, 16, 24] {
        mock.wait_for(requests);
        kill(child);
        child = place.spawn(&["resume", "run", "--yes"]);
    }
    let done = finish(child);
    assert!(matches!(done.code, 0 | 1), "{done:?}");
    let rows = place.rows();
    let ids: Vec<&str> = rows.iter().map(|row| row["action_id"].as_str()).collect();
    let expected: Vec<String> =
        (1..=20).map(|id| format!("r{id}")).chain((100..=107).map(|id| format!("n{id}"))).collect();
    assert_eq!(ids, expected);
    for row in &rows {
        let (revoke, outcome) = (row["operation"] == "revoke", row["outcome"].as_str());
        assert!(outcome == "succeeded" || (!revoke && outcome == "in-doubt"), "{row:?}");
    }
    for number in 100..=107 {
        assert_eq!(mock.count(&format!("/{number}/reissue")), 1);
    }
    for number in 1..=20 {
        let part = format!("\"certificateNo\":{number},");
        assert!(mock.seen().iter().any(|seen| seen.text().contains(&part)), "{number} was never sent");
    }
}

#[test]
fn a_signal_lets_what_is_in_flight_end_and_the_rest_wait() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let place = Place::new();
        let mock = Mock::start(|seen, _| if seen.target.contains("/1/") { empty(204).held() } else { empty(204) });
        place.file("plan.yaml", revokes(&mock, "rate: [1000/1s], concurrency: 1", 4));
        let mut child = place.spawn(&RUN);
        mock.wait_for(1);
        signal(&child, name);
        wait_until_it_says(&mut child, "stopping: interrupted by");
        mock.release();
        let done = finish(child).exits(code);
        assert!(done.out.contains("certsweep resume run"), "{}", done.out);
        let rows = place.rows();
        assert_eq!(rows[0]["outcome"], "succeeded");
        assert!(rows[1..].iter().all(|row| row["outcome"] == "skipped" && row["attempts"] == "0"), "{rows:?}");
        assert_eq!(mock.seen().len(), 1);
        let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
        assert_eq!((&status["state"], &status["waiting"]), (&"stopped".into(), &3.into()));
        place.certsweep(&["resume", "run", "--yes"]).exits(0);
        assert!(place.rows().iter().all(|row| row["outcome"] == "succeeded"));
        assert_eq!(mock.seen().len(), 4);
    }
}

#[test]
fn a_second_signal_leaves_at_once() {
    let place = Place::new();
    let mock = Mock::start(|_, nth| if nth == 0 { empty(204).held() } else { empty(204) });
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s], concurrency: 1", 2));
    let mut child = place.spawn(&RUN);
    mock.wait_for(1);
    signal(&child, "INT");
    wait_until_it_says(&mut child, "stopping: interrupted by");
    signal(&child, "INT");
    finish(child).exits(130);
    assert_eq!(place.outcomes()[0].1, "in-doubt", "it may have taken effect");
    mock.release();
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
    assert_eq!(mock.count("/1/"), 2);
}

#[test]
fn a_signal_ends_a_run_that_is_held_back() {
    let place = Place::new();
    let mock = Mock::start(|_, nth| if nth == 0 { empty(429).with("Retry-After", "3600") } else { empty(204) });
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s], concurrency: 1", 1));
    let mut child = place.spawn(&RUN);
    wait_until_it_says(&mut child, "is paused for");
    signal(&child, "TERM");
    finish(child).exits(143);
    assert_eq!(place.row()["outcome"], "skipped");
    assert_eq!(mock.seen().len(), 1);
}

#[test]
fn two_processes_cannot_run_one_run_directory() {
    let place = Place::new();
    let mock = Mock::start(|_, _| empty(204).held());
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s], concurrency: 2", 5));
    let child = place.spawn(&RUN);
    mock.wait_for(2);
    place.certsweep(&["resume", "run", "--yes"]).exits(4).says(&["run"]);
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!(
        (&status["state"], &status["in_flight"], &status["waiting"]),
        (&"running".into(), &2.into(), &3.into()),
        "{status}"
    );
    assert!(place.certsweep(&["status", "run"]).exits(0).out.contains("running"));
    assert_eq!(super::place::rows(&place.certsweep(&["report", "run"]).exits(0).out).len(), 5);
    assert_eq!(mock.seen().len(), 2);
    mock.release();
    finish(child).exits(0);
    assert_eq!(mock.seen().len(), 5);
}

#[test]
fn windows_count_what_a_killed_process_sent() {
    let place = Place::new();
    let mock = Mock::start(|seen, _: usize| {
        let last = seen.target.contains("/6/");
        if last { Act::Hold(Box::new(empty(204))) } else { empty(204) }
    });
    place.file("plan.yaml", revokes(&mock, "rate: [6/1500ms], concurrency: 1", 10));
    let child = place.spawn(&RUN);
    mock.wait_for(6);
    kill(child);
    mock.release();
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
    let seen: Vec<Seen> = mock.seen();
    assert_eq!(mock.count("/6/"), 2);
    // Where the disk is slow beside the mock, intents are written down ahead, and more than one request is asked again.
    assert!(seen.len() >= 11, "{}", seen.len());
    never_more_than(6, Duration::from_millis(1500), &seen);
}

#[test]
fn a_place_that_cannot_be_written_is_the_environments_fault() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 1));
    place.file("runs", "a file where the folder should be");
    place.certsweep(&["run", "plan.yaml", "--yes"]).exits(4);
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "runs/x"]).exits(4);
    assert!(mock.seen().is_empty());
}

#[test]
fn a_run_is_resumed_from_its_own_copy_of_the_plan() {
    let place = Place::new();
    let mock = Mock::start(|_, nth| if nth == 0 { empty(401) } else { empty(204) });
    place.file("list.csv", "certificate_id\n1\n2\n");
    let text = plan(&mock, &["digicert"], "defaults: {provider: digicert}", "  - {from: list.csv, action: revoke}\n");
    place.run(&text.replace("concurrency: 4", "concurrency: 1")).exits(4);
    std::fs::remove_file(place.path("plan.yaml")).unwrap();
    std::fs::remove_file(place.path("list.csv")).unwrap();
    std::fs::rename(place.path("run"), place.path("moved")).unwrap();
    // The first is refused once more by this mock only where it is asked for the first time.
    let code = place.certsweep(&["resume", "moved", "--yes"]).code;
    assert_eq!(code, 4);
    place.certsweep(&["resume", "moved", "--yes"]).exits(0);
    assert_eq!((mock.count("/1/"), mock.count("/2/")), (2, 2));
}

#[test]
fn of_two_runs_in_one_new_directory_one_goes() {
    for _ in 0..3 {
        let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
        place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 6));
        let children = [(); 3].map(|()| place.spawn(&RUN));
        let mut codes = children.map(|child| finish(child).code);
        codes.sort_unstable();
        assert!(codes[0] == 0 && codes[1..].iter().all(|code| matches!(code, 2 | 4)), "{codes:?}");
        assert_eq!(mock.seen().len(), 6);
    }
}

#[test]
fn what_was_skipped_for_a_need_goes_when_the_need_is_taken_up_again() {
    let place = Place::new();
    let mock = Mock::start(|seen, nth| match seen.target.contains("/1/") && nth == 0 {
        true => super::mock::json(400, r#"{"errors":[{"code":"bad_request_format","message":"no"}]}"#),
        false => empty(204),
    });
    let actions = "  - {id: two, action: revoke, certificate_id: 2, needs: [one]}\n  - {id: one, action: revoke, certificate_id: 1}\n";
    place.run(&plan(&mock, &["digicert"], "defaults: {provider: digicert}", actions)).exits(1);
    assert_eq!(place.outcomes(), [("two".into(), "skipped".into()), ("one".into(), "rejected".into())]);
    place.certsweep(&["resume", "run", "--yes", "--retry", "failed"]).exits(1);
    assert_eq!(mock.seen().len(), 1);
    place.certsweep(&["resume", "run", "--yes", "--retry", "rejected"]).exits(0);
    assert_eq!(place.outcomes(), [("two".into(), "succeeded".into()), ("one".into(), "succeeded".into())]);
    assert_eq!(mock.seen().len(), 3);
}

#[test]
fn a_plan_that_was_changed_since_is_not_resumed_silently() {
    let place = Place::new();
    let mock = Mock::start(|_, nth| if nth == 0 { empty(401) } else { empty(204) });
    let actions = "  - {provider: digicert, action: revoke, certificate_id: 1, comments: before}\n";
    let text = plan(&mock, &["digicert"], "", actions);
    place.file("plan.yaml", &text);
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run"]).exits(4);
    place.file("plan.yaml", text.replace("before", "after"));
    let line = text.lines().count();
    place.certsweep(&["resume", "run", "--yes"]).exits(2).says(&[
        &format!("plan.yaml:{line}"),
        "changed since",
        "--use-original-inputs",
    ]);
    assert_eq!(mock.seen().len(), 1, "nothing was sent");
    place.certsweep(&["resume", "run", "--yes", "--use-original-inputs"]).exits(0);
    assert_eq!(mock.seen()[1].text(), r#"{"comments":"before"}"#);
    std::fs::remove_file(place.path("plan.yaml")).unwrap();
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
}
