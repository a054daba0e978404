//! What stops a run: canaries, failures, deadlines, closed schedules, too long plans. Stopped is resumable, and says why.

use super::limits::revokes;
use super::mock::{Act, Mock, Seen, empty, json, naver_done, naver_list};
use super::place::{Place, finish, plan, signal, wait_until_it_says};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn refused() -> Act {
    json(400, r#"{"errors":[{"code":"bad_request_format","message":"no"}]}"#)
}

fn with(mock: &Mock, head: &str, limits: &str, count: usize) -> String {
    revokes(mock, limits, count).replace("defaults:", &format!("{head}\ndefaults:"))
}

#[test]
fn a_canary_that_does_not_end_well_stops_the_run() {
    let in_order = Arc::new(AtomicBool::new(false));
    let (place, mock) = (
        Place::new(),
        Mock::start({
            let in_order = Arc::clone(&in_order);
            move |seen, _| match seen.target.contains("/2/") && !in_order.load(Ordering::SeqCst) {
                true => refused(),
                false => empty(204),
            }
        }),
    );
    let done = place.run(&with(&mock, "safety: {canary: 3}", "rate: [1000/1s], concurrency: 8", 9)).exits(3);
    assert!(done.out.contains("canary"), "{}", done.out);
    assert_eq!(mock.distinct_lines(), [1, 2].map(|id| format!("PUT /services/v2/certificate/{id}/revoke")));
    let outcomes: Vec<String> = place.rows().into_iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(outcomes[..3], ["succeeded", "rejected", "skipped"]);
    assert!(place.rows()[5]["provider_message"].contains("canary"));
    in_order.store(true, Ordering::SeqCst);
    let before = mock.seen().len();
    place.certsweep(&["resume", "run", "--yes", "--retry", "rejected"]).exits(0);
    assert_eq!(mock.seen().len() - before, 8);
}

#[test]
fn canaries_go_one_at_a_time() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204).held()));
    place.file("plan.yaml", with(&mock, "safety: {canary: 2}", "rate: [1000/1s], concurrency: 8", 6));
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    mock.wait_for(1);
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(mock.lines(), ["PUT /services/v2/certificate/1/revoke"]);
    mock.release();
    finish(child).exits(0);
    assert_eq!(mock.lines()[1], "PUT /services/v2/certificate/2/revoke");
}

#[test]
fn too_many_failures_stop_the_run() {
    for (rule, sent) in [("{failures: 3}", 3), ("{failure_rate: 0.5, of_last: 4}", 4)] {
        let (place, mock) = (Place::new(), Mock::start(|_, _| refused()));
        let head = format!("safety: {{stop_when: {rule}}}");
        let done = place.run(&with(&mock, &head, "rate: [1000/1s], concurrency: 1", 12)).exits(3);
        assert_eq!(mock.seen().len(), sent, "{rule}");
        assert!(done.out.contains("stop_when"), "{}", done.out);
        let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
        assert_eq!((&status["state"], &status["waiting"]), (&"stopped".into(), &(12 - sent).into()));
    }
}

#[test]
fn a_plan_longer_than_it_may_be_is_refused() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.run(&with(&mock, "safety: {max_actions: 4}", "rate: [1000/1s]", 5)).exits(2).says(&["max_actions"]);
    assert!(mock.seen().is_empty() && !place.path("run").exists());
    place.run(&with(&mock, "safety: {max_actions: 5}", "rate: [1000/1s]", 5)).exits(0);
}

#[test]
fn a_deadline_that_passes_stops_the_run() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let done = place.run(&with(&mock, "deadline: 1s", "rate: [2/10s], concurrency: 2", 5)).exits(3);
    assert!(done.out.contains("deadline"), "{}", done.out);
    assert_eq!(mock.seen().len(), 2);
    let resumed = place.certsweep(&["resume", "run", "--yes"]).exits(3);
    assert_eq!(mock.seen().len(), 2, "it is over for the resumed run too");
    // What goes on instead is shown, and does.
    let left = ["report", "run", "--format", "plan", "--outcome", "skipped", "-o", "left.yaml"];
    let command = format!("certsweep {}", left.join(" "));
    for text in [&done.out, &resumed.out, &place.certsweep(&["status", "run"]).exits(0).out] {
        assert!(text.contains(&command) && !text.contains("o on: "), "{text}");
    }
    place.certsweep(&left).exits(0);
    let plan = place.read("left.yaml").replace("2/10s", "100/1s");
    place.file("left.yaml", plan);
    place.certsweep(&["run", "left.yaml", "--yes"]).exits(0);
    assert_eq!(mock.seen().len(), 5);
}

#[test]
fn a_closed_schedule_sends_nothing_and_can_be_resumed() {
    let now = jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap();
    let day = |ahead: i64| {
        let at = now + jiff::SignedDuration::from_hours(24 * ahead);
        at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a").to_string().to_lowercase()
    };
    let start = now + jiff::SignedDuration::from_hours(2);
    for schedule in [
        format!("schedule: {{start: {start:.0}}}"),
        // Open all day, two days from now: closed now, whatever the hour.
        format!("schedule: {{window: {{from: \"00:00\", to: \"23:59\", timezone: UTC, days: [{}]}}}}", day(3)),
    ] {
        let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
        place.run(&with(&mock, &schedule, "rate: [1000/1s]", 2)).exits(3);
        assert!(mock.seen().is_empty(), "{schedule}");
        assert!(place.rows().iter().all(|row| row["outcome"] == "skipped"));
        let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
        assert_eq!(status["resume"], "certsweep resume run", "{status}");
        place.certsweep(&["resume", "run", "--yes"]).exits(3);
        assert!(mock.seen().is_empty(), "{schedule}");
    }
}

#[test]
fn an_action_waits_for_its_own_time() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let at = jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap() + jiff::SignedDuration::from_secs(2);
    let actions = format!(
        "  - {{id: late, action: revoke, certificate_id: 1, not_before: {at}}}\n  - {{id: now, action: revoke, certificate_id: 2}}\n"
    );
    place.run(&plan(&mock, &["digicert"], "defaults: {provider: digicert}", &actions)).exits(0);
    let lines: Vec<String> = mock.seen().iter().map(Seen::line).collect();
    assert_eq!(lines, [2, 1].map(|id| format!("PUT /services/v2/certificate/{id}/revoke")));
    let sent: jiff::Timestamp = place.rows()[0]["started_at"].parse().unwrap();
    assert!(sent.duration_since(at) >= jiff::SignedDuration::from_millis(-1), "{sent} {at}");
}

#[test]
fn needs_hold_over_all_providers() {
    let (place, mock) =
        (Place::new(), Mock::start(|seen, _| if seen.target.contains("/api/") { naver_done() } else { empty(204) }));
    let actions = "  - {id: last, provider: digicert, action: revoke, certificate_id: 9, needs: [middle]}\n\
                   \x20 - {id: middle, provider: naver, action: revoke, orderId: \"1\", certificateNo: 1, reason: superseded, needs: [first]}\n\
                   \x20 - {id: first, provider: digicert, action: revoke, certificate_id: 1}\n";
    place.run(&plan(&mock, &["digicert", "naver"], "", actions)).exits(0);
    assert_eq!(
        mock.lines(),
        [
            "PUT /services/v2/certificate/1/revoke",
            "POST /api/v2/certificate/revoke",
            "PUT /services/v2/certificate/9/revoke"
        ]
    );
}

#[test]
fn a_canary_without_effect_stops_the_run_although_it_was_answered_with_success() {
    let (place, mock) = (
        Place::new(),
        Mock::start(|seen, _| if seen.method == "GET" { naver_list("1", 1, "1") } else { naver_done() }),
    );
    let action = |number: u32| {
        format!(
            "  - {{provider: naver, action: revoke, orderId: \"1\", certificateNo: {number}, reason: superseded}}\n"
        )
    };
    let actions: String = (1..=5).map(action).collect();
    let done = place.run(&plan(&mock, &["naver"], "safety: {canary: 1}", &actions)).exits(3);
    assert!(done.out.contains("did not take effect: statusCode 1 (safety.canary)"), "{}", done.out);
    assert!(done.out.contains("not finished: naver 4") && done.out.contains("certsweep resume run"), "{}", done.out);
    assert_eq!((mock.count("/revoke"), mock.count("getPaidCertificates")), (1, 3));
}

#[test]
fn each_wave_waits_for_a_resume_where_nobody_can_be_asked() {
    let (place, mock) =
        (Place::new(), Mock::start(|seen, _| if seen.target.contains("/2/") { refused() } else { empty(204) }));
    let text = with(&mock, "safety: {waves: [2, 50%]}", "rate: [1000/1s], concurrency: 8", 12);
    let done = place.run(&text).exits(3);
    let words = "wave 1 of 3 has ended: 1 succeeded, 1 rejected; the next waits for `resume`";
    assert!(done.out.contains(words) && done.out.contains("go on: certsweep resume run"), "{}", done.out);
    assert_eq!(mock.distinct_lines().len(), 2);
    place.certsweep(&["resume", "run", "--yes"]).exits(3);
    assert_eq!(mock.distinct_lines().len(), 6);
    place.certsweep(&["resume", "run", "--yes"]).exits(1);
    assert_eq!(mock.distinct_lines().len(), 12);
}

#[test]
fn a_pause_lies_between_waves() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let head = "safety: {waves: [1, 50%, 100%], between_waves: 1s}";
    place.run(&with(&mock, head, "rate: [1000/1s], concurrency: 8", 8)).exits(0);
    let seen = mock.seen();
    for (last, first) in [(0, 1), (3, 4)] {
        assert!(seen[first].at - seen[last].at >= Duration::from_millis(950), "{last} {first}");
    }
}

#[test]
fn a_rule_stops_its_provider_alone_and_says_what_is_left() {
    let (place, mock) = (
        Place::new(),
        Mock::start(|seen, _| match seen.target.as_str() {
            target if target.contains("/services/") => refused(),
            _ if seen.method == "GET" => naver_list("1", 1, "-5"),
            _ => naver_done(),
        }),
    );
    let action = |number: u32| {
        format!(
            "  - {{provider: digicert, action: revoke, certificate_id: {number}}}\n  - {{provider: naver, action: revoke, orderId: \"1\", certificateNo: {number}, reason: superseded}}\n"
        )
    };
    let actions: String = (1..=9).map(action).collect();
    let text = plan(&mock, &["digicert", "naver"], "safety: {stop_when: {failures: 2}}", &actions);
    let done = place.run(&text.replace("concurrency: 4", "concurrency: 1")).exits(3);
    for words in
        ["digicert was stopped: 2 actions did not end well", "not finished: digicert 7", "certsweep resume run"]
    {
        assert!(done.out.contains(words), "{words}: {}", done.out);
    }
    assert_eq!((mock.count("/services/"), mock.count("/certificate/revoke")), (2, 9));
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert!(status["why"].as_str().is_some_and(|why| why.starts_with("digicert: 2 actions")), "{status}");
}

#[test]
fn a_provider_that_cannot_be_reached_is_tried_by_one_request_at_a_time() {
    // Nobody listens at this port any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let text = with(&mock, "", "rate: [1000/1s], concurrency: 8", 2000)
        .replace(&mock.authority(), &format!("127.0.0.1:{port}"));
    place.file("plan.yaml", text);
    let mut child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    wait_until_it_says(&mut child, "it cannot be reached, one request at a time tries");
    std::thread::sleep(Duration::from_secs(3));
    signal(&child, "INT");
    finish(child).exits(130);
    let rows = place.rows();
    let attempts: u32 = rows.iter().filter_map(|row| row["attempts"].parse::<u32>().ok()).sum();
    assert!((3..40).contains(&attempts), "{attempts} attempts for 2000 actions");
    assert!(rows.iter().all(|row| row["outcome"] == "skipped"), "none failed for it");
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!(status["waiting"], 2000, "{status}");
}

#[test]
fn a_run_that_waits_begins_at_its_start_and_can_be_interrupted() {
    let now = || jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap();
    let start = now() + jiff::SignedDuration::from_secs(3);
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", with(&mock, &format!("schedule: {{start: {start}}}"), "rate: [1000/1s]", 2));
    let done = place.certsweep(&["run", "plan.yaml", "--yes", "--wait", "--run-dir", "run"]).exits(0);
    assert!(done.err.contains("the plan starts at"), "{}", done.err);
    let sent: jiff::Timestamp = place.rows()[0]["started_at"].parse().unwrap();
    assert!(sent.duration_since(start) >= jiff::SignedDuration::from_millis(-1), "{sent} {start}");

    let late = now() + jiff::SignedDuration::from_hours(5);
    place.file("late.yaml", with(&mock, &format!("schedule: {{start: {late:.0}}}"), "rate: [1000/1s]", 3));
    let mut child = place.spawn(&["run", "late.yaml", "--yes", "--wait", "--run-dir", "late"]);
    wait_until_it_says(&mut child, "the plan starts at");
    signal(&child, "INT");
    let done = finish(child).exits(130);
    assert!(done.out.contains("certsweep resume late"), "{}", done.out);
    let done = place.certsweep(&["resume", "late", "--yes"]).exits(3);
    assert!(done.out.contains("certsweep resume late --wait, which waits until"), "{}", done.out);
    assert_eq!(mock.seen().len(), 2);
}

#[test]
fn a_run_whose_deadline_is_over_before_its_window_opens_is_not_begun() {
    let now = jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
    let from = (now.clone() + jiff::SignedDuration::from_hours(5)).strftime("%H:%M").to_string();
    let to = (now + jiff::SignedDuration::from_hours(6)).strftime("%H:%M").to_string();
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let head = format!("deadline: 1h\nschedule: {{window: {{from: \"{from}\", to: \"{to}\", timezone: UTC}}}}");
    let done = place.run(&with(&mock, &head, "rate: [1000/1s]", 2)).exits(2);
    done.says(&["the schedule does not open before it is over", "begin the run then"]);
    assert!(!place.path("run").exists() && mock.seen().is_empty());
}
