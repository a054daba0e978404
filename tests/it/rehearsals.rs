//! Rehearsals from outside: everything that is left of one says so; waves, questions, windows and dates are rehearsed without waiting for
//! them; and `verify` and `resume` in another process go on with what the simulator had done.

use super::mock::{Mock, empty};
use super::place::{Place, finish, rows, signal, wait_until_it_says};
use super::verify::Authority;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// Revocations at NAVER, `certificateNo` 1 to `count`, with this head.
fn revokes(head: &str, count: u32) -> String {
    let actions: String =
        (1..=count).map(|number| format!("  - {{id: a{number}, orderId: \"1\", certificateNo: {number}}}\n")).collect();
    format!(
        "version: 1\nname: drill\n{head}defaults: {{provider: naver, action: revoke, reason: superseded}}\nactions:\n{actions}"
    )
}

/// A whole hour of the wall clock in UTC, so many days from now.
fn days_ahead(days: i64) -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the program under test goes by the machine's clock")]
    let at = Timestamp::now() + SignedDuration::from_hours(24 * days);
    Timestamp::from_second(at.as_second() / 3600 * 3600).unwrap()
}

#[test]
fn everything_that_is_left_of_a_rehearsal_says_so() {
    let place = Place::bare();
    place.file("plan.yaml", revokes("", 2));
    let summary = place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "run", "--json"]).exits(0).json();
    assert_eq!((&summary["simulated"], &summary["report"]), (&true.into(), &"run/report.rehearsal.csv".into()));
    assert!(!place.path("run/report.csv").exists());
    for row in rows(&place.read("run/report.rehearsal.csv")) {
        assert_eq!((row["simulated"].as_str(), row["outcome"].as_str()), ("true", "succeeded"));
    }
    assert!(place.certsweep(&["status", "run"]).exits(0).out.contains("rehearsal, simulated"));
    assert_eq!(place.certsweep(&["status", "run", "--json"]).exits(0).json()["simulated"], true);
    let report = place.certsweep(&["report", "run", "--format", "json"]).exits(0).json();
    assert!(report.as_array().unwrap().iter().all(|row| row["simulated"] == true), "{report}");
    assert!(
        place.certsweep(&["report", "run", "--format", "html"]).exits(0).out.contains("<strong>REHEARSAL</strong>")
    );
    let told = place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "two"]).exits(0).out;
    assert!(told.starts_with("REHEARSAL (simulated)") && told.contains("two/report.rehearsal.csv"), "{told}");

    // And nothing that is left of a real run does.
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.run(&super::limits::revokes(&mock, "rate: [1000/1s]", 2)).exits(0);
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!(status["simulated"], false);
    let html = place.certsweep(&["report", "run", "--format", "html"]).exits(0).out;
    assert!(!html.contains("REHEARSAL") && !place.read("run/report.csv").contains("simulated"));
    assert!(!place.path("run/report.rehearsal.csv").exists());
}

#[test]
fn a_rehearsal_goes_through_windows_waves_and_dates_without_waiting_for_them() {
    let place = Place::bare();
    let (start, later) = (days_ahead(2), days_ahead(4));
    let head = format!(
        "deadline: 7d\nschedule: {{start: {start}, window: {{from: \"00:00\", to: \"23:59\", timezone: UTC}}}}\n\
         safety: {{canary: 1, waves: [2, 100%], between_waves: 3h}}\n"
    );
    let plan = revokes(&head, 4).replace("certificateNo: 4}", &format!("certificateNo: 4, not_before: {later}}}"));
    place.file("plan.yaml", plan);
    let began = Instant::now();
    let done = place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "run"]).exits(0);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    done.says(&["the plan starts at", "wave 1 of 2 has ended", "rehearsal: 1d", "rehearsal: 2h 59m", "pass at once"]);
    let at: Vec<Timestamp> = place.rows().iter().map(|row| row["started_at"].parse().unwrap()).collect();
    assert!(at[0] >= start && at[1] < start + SignedDuration::from_mins(5), "{at:?}");
    assert!(at[2] >= at[1] + SignedDuration::from_hours(3) - SignedDuration::from_secs(1), "{at:?}");
    assert!(at[3] >= later, "{at:?}");
    // Another process goes on at that time, not at the machine's.
    place.certsweep(&["verify", "run"]).exits(0);
    let seen: Timestamp = place.rows()[3]["verified_at"].parse().unwrap();
    assert!(seen >= later, "{seen}");
}

#[test]
fn a_question_between_waves_is_shown_and_a_rehearsal_without_a_terminal_goes_on() {
    let place = Place::bare();
    place.file("plan.yaml", revokes("safety: {waves: [1, 100%]}\n", 3));
    place
        .certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "run"])
        .exits(0)
        .says(&["wave 1 of 2 has ended: 1 succeeded. Go on with wave 2 (2 actions)?", "a real run waits for a person"]);
}

#[test]
fn a_rehearsal_begins_when_its_deadline_can_be_met() {
    let place = Place::bare();
    // A window that opens in five hours or so, and a deadline that counts from now.
    let start = days_ahead(0) + SignedDuration::from_hours(5);
    let window = format!("{{from: \"{0}:00\", to: \"{0}:59\", timezone: UTC}}", start.strftime("%H"));
    place.file("plan.yaml", revokes(&format!("deadline: 1h\nschedule: {{window: {window}}}\n"), 1));
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "real"]).exits(2).says(&["counts from now"]);
    place
        .certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "run"])
        .exits(0)
        .says(&["a run that begins now is refused. The rehearsal begins at"]);
    let at: Timestamp = place.rows()[0]["started_at"].parse().unwrap();
    assert!(at >= start, "{at}");
}

#[test]
fn a_rehearsal_is_verified_by_state_list_and_responder_of_the_simulated_ca() {
    let (place, authority) = (Place::bare(), Authority::new());
    // What these name is never asked: a rehearsal reaches nothing but its own simulator.
    let away = "http://crl.example.invalid/ca.crl";
    place.file("ca.pem", &authority.pem);
    place.file("one.pem", authority.issue(0x0a1b, away, Some("http://ocsp.example.invalid")));
    place.file("two.pem", authority.issue(0x0a1c, away, None));
    let plan = "version: 1\ndefaults: {provider: digicert, action: revoke, reason: keyCompromise}\nactions:\n  \
                - {id: one, certificate_id: 1, certificate: \"file:one.pem\", issuer: \"file:ca.pem\", skip_approval: true}\n  \
                - {id: two, certificate_id: 2, certificate: \"file:two.pem\", skip_approval: true}\n  \
                - {id: order, action: revoke-order, order_id: 7}\n";
    place.file("plan.yaml", plan);
    place.certsweep(&["run", "plan.yaml", "--simulate", "--run-dir", "run"]).exits(0);
    // The order waits for a person, who approves it a minute later by the rehearsal's clock.
    let seen = place.certsweep(&["verify", "run", "--json"]).exits(1).json();
    assert_eq!((&seen["simulated"], &seen["revoked"], &seen["actions"]), (&true.into(), &2.into(), &3.into()));
    let row = |id: &str| place.rows().into_iter().find(|row| row["action_id"] == id).unwrap();
    assert_eq!(
        (row("one")["verified_by"].as_str(), row("one")["verified_reason"].as_str()),
        ("crl ocsp", "keyCompromise")
    );
    assert_eq!(row("two")["verified_by"], "crl");
    assert_eq!((row("order")["outcome"].as_str(), row("order")["verified"].as_str()), ("pending-approval", "good"));
    let began = Instant::now();
    let done = place.certsweep(&["verify", "run", "--wait", "24h"]).exits(0);
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(
        done.out.starts_with("REHEARSAL (simulated)") && done.out.contains("3 of 3 revocations seen revoked"),
        "{done:?}"
    );
    assert_eq!(row("order")["verified_by"], "state");
}

#[test]
fn an_order_tells_of_each_of_its_certificates_and_nothing_stays_in_doubt_that_can_be_asked_again() {
    let place = Place::bare();
    let rows: String = (0..120).map(|number| format!("{},{}\n", 500_000 + number, 70_000 + number / 3)).collect();
    place.file("list.csv", format!("certificate_id,order_id\n{rows}"));
    place.file(
        "plan.yaml",
        "version: 1\nproviders: {digicert: {rate: [1000/1s]}}\nretry: {attempts: 8, max_delay: 100ms}\n\
         defaults: {provider: digicert, action: revoke, reason: keyCompromise, skip_approval: true}\n\
         actions: [{from: list.csv}]\n",
    );
    let faults = ["--fault", "lost-answer=1/5", "--seed", "7"];
    let done = place.certsweep(&[&["run", "plan.yaml", "--simulate", "--run-dir", "run"][..], &faults].concat());
    // Answers to status queries are lost too, and they are asked a few times only.
    let unanswered = |row: &super::place::Row| row["provider_message"].contains("the status query failed");
    assert!(place.rows().iter().all(|row| row["outcome"] == "succeeded" || unanswered(row)), "{done:?}");
    let found = place.rows().into_iter().filter(|row| row["provider_message"].contains("found so by a status query"));
    assert!(found.count() > 5, "no status query was needed");

    // A page in the place of an answer is no answer, and the state does not tell: a person takes it up again.
    let faults = ["--fault", "html=1/6", "--seed", "7"];
    place.certsweep(&[&["run", "plan.yaml", "--simulate", "--run-dir", "pages"][..], &faults].concat()).exits(1);
    place.certsweep(&["resume", "pages", "--retry", "in-doubt"]).exits(0);
}

#[test]
fn an_order_that_was_stopped_in_the_middle_goes_on_with_the_same_ca() {
    // Wherever the signal meets it: before the order, and at each of its stages.
    let stops = [300, 900, 1500, 2100, 2700];
    let goes_on = |pause: u64| {
        let place = orders_stopped_when(|_| std::thread::sleep(Duration::from_millis(pause)));
        place.certsweep(&["resume", "run", "--yes"]).exits(0);
        let ended: Vec<String> = place.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
        assert_eq!(ended, ["succeeded"; 4], "{pause}");
    };
    std::thread::scope(|scope| {
        for pause in stops {
            scope.spawn(move || goes_on(pause));
        }
    });
}

#[test]
fn a_rehearsal_that_can_never_end_stops() {
    // Once both orders are being finalized: the journal knows their URLs, and their certificates have not come.
    let is_finalizing = |place: &Place| {
        let known = rows(&place.certsweep(&["report", "run"]).exits(0).out);
        known.iter().filter(|row| row["attempts"] == "2").count() == 2
    };
    let place = orders_stopped_when(|place| {
        let began = Instant::now();
        while !is_finalizing(place) && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let reference = place.rows()[0]["provider_ref"].clone();
    let address = reference.strip_prefix("http://").unwrap().split('/').next().unwrap();
    // That port is somebody else's now, and the simulator has another: what it answers does not lead to the orders.
    let taken = std::net::TcpListener::bind(address).unwrap();
    place
        .certsweep(&["resume", "run", "--yes"])
        .exits(3)
        .says(&["rehearsal: nothing has ended for 3", "as in a real run without `--wait`"]);
    drop(taken);
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
}

/// A rehearsal of two orders and what they replace, interrupted once this has returned.
fn orders_stopped_when(is_there: impl Fn(&Place)) -> Place {
    let place = Place::bare();
    let file = |name: &str| format!("file:{}/examples/{name}", env!("CARGO_MANIFEST_DIR"));
    let rows =
        format!("shop,{},{}\nmail,{},{}\n", file("shop.pem"), file("shop.csr"), file("mail.pem"), file("rsa.csr"));
    place.file("list.csv", format!("id,certificate,csr\n{rows}"));
    place.file(
        "plan.yaml",
        "version: 1\nretry: {attempts: 1}\nproviders: {acme: {rate: [1000/1s]}}\nactions:\n  \
         - {from: list.csv, provider: acme, steps: [{action: reissue}, {action: revoke, reason: superseded}]}\n",
    );
    let mut run = place.spawn(&["run", "plan.yaml", "--simulate", "--fault", "latency=500ms", "--run-dir", "run"]);
    wait_until_it_says(&mut run, "run directory:");
    is_there(&place);
    signal(&run, "INT");
    finish(run).exits(130);
    place
}
