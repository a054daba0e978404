//! What stops a run: canaries, failures, deadlines, closed schedules, too long plans. Stopped is resumable, and says why.

use super::limits::revokes;
use super::mock::{Act, Mock, Seen, empty, json};
use super::place::{Place, plan};
use std::time::Duration;

fn refused() -> Act {
    json(400, r#"{"errors":[{"code":"bad_request_format","message":"no"}]}"#)
}

fn with(mock: &Mock, head: &str, limits: &str, count: usize) -> String {
    revokes(mock, limits, count).replace("defaults:", &format!("{head}\ndefaults:"))
}

#[test]
fn a_canary_that_does_not_end_well_stops_the_run() {
    let (place, mock) = (
        Place::new(),
        Mock::start(|seen, nth| if seen.target.contains("/2/") && nth == 0 { refused() } else { empty(204) }),
    );
    let done = place.run(&with(&mock, "safety: {canary: 3}", "rate: [1000/1s], concurrency: 8", 9)).exits(3);
    assert!(done.out.contains("canary"), "{}", done.out);
    assert_eq!(mock.lines(), [1, 2].map(|id| format!("PUT /services/v2/certificate/{id}/revoke")));
    let outcomes: Vec<String> = place.rows().into_iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(outcomes[..3], ["succeeded", "rejected", "skipped"]);
    assert!(place.rows()[5]["provider_message"].contains("canary"));
    place.certsweep(&["resume", "run", "--yes", "--retry", "rejected"]).exits(0);
    assert_eq!(mock.seen().len(), 10);
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
    super::place::finish(child).exits(0);
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
    place.certsweep(&["resume", "run", "--yes"]).exits(3);
    assert_eq!(mock.seen().len(), 2, "it is over for the resumed run too");
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
    let (place, mock) = (
        Place::new(),
        Mock::start(|seen, _| if seen.target.contains("/api/") { super::mock::naver_done() } else { empty(204) }),
    );
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
