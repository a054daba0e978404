//! Limits as the provider sees them: never more than N requests in any window, one provider's hold-back is its own, and a throttled
//! request costs no attempt. Only arrival times at the provider are compared, never how long a command takes.
//!
//! The `attempts` column counts requests that were sent, throttled ones too; `retry.attempts` does not count those.

use super::mock::{Act, Mock, Seen, empty, json, naver_done};
use super::place::{Place, plan};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// Fails where more than `most` requests came within any time of this length.
#[track_caller]
pub(crate) fn never_more_than(most: usize, length: Duration, seen: &[Seen]) {
    for (index, first) in seen.iter().enumerate() {
        let inside = seen[index..].iter().filter(|other| other.at.duration_since(first.at) < length).count();
        assert!(inside <= most, "{inside} requests within {length:?}, and {most} are allowed");
    }
}

/// A plan of DigiCert revokes under these limits.
pub(crate) fn revokes(mock: &Mock, limits: &str, count: usize) -> String {
    let actions: String = (1..=count).map(|id| format!("  - {{action: revoke, certificate_id: {id}}}\n")).collect();
    plan(mock, &["digicert"], "defaults: {provider: digicert}", &actions)
        .replace("rate: [1000/1s], concurrency: 4", limits)
}

#[test]
fn no_window_ever_holds_more_than_its_number() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.run(&revokes(&mock, "rate: [4/300ms, 9/900ms], concurrency: 8", 24)).exits(0);
    assert_eq!(mock.seen().len(), 24);
    never_more_than(4, Duration::from_millis(300), &mock.seen());
    never_more_than(9, Duration::from_millis(900), &mock.seen());
}

#[test]
fn look_ups_count_too() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match seen.method.as_str() {
        "GET" => json(200, r#"{"id":1,"status":"issued"}"#),
        _ => json(400, r#"{"errors":[{"code":"bad_request_format","message":"no"}]}"#),
    });
    let action = |number: u32| format!("  - {{provider: digicert, action: revoke-order, order_id: {number}}}\n");
    let actions: String = (1..=6).map(action).collect();
    place.run(&plan(&mock, &["digicert"], "", &actions).replace("1000/1s", "3/300ms")).exits(1);
    assert!(mock.seen().len() >= 12, "{:?}", mock.lines());
    never_more_than(3, Duration::from_millis(300), &mock.seen());
}

#[test]
fn no_more_requests_are_in_flight_than_may_be() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204).held()));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s], concurrency: 3", 9));
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    mock.wait_for(3);
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(mock.seen().len(), 3);
    mock.release();
    super::place::finish(child).exits(0);
    assert_eq!(mock.seen().len(), 9);
}

#[test]
fn a_throttled_provider_waits_alone_and_loses_no_attempt() {
    fn date(ahead: u64) -> String {
        let at = SystemTime::now() + Duration::from_secs(ahead);
        let at = jiff::Timestamp::try_from(at).unwrap();
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap()
    }
    for (status, header, least) in [
        (429, "1", Duration::from_millis(990)),
        // A date has whole seconds: three seconds ahead are more than two.
        (429, "date", Duration::from_millis(500)),
        (503, "1", Duration::from_millis(990)),
    ] {
        let place = Place::new();
        let mock = Mock::start(move |seen, nth| match seen.target.as_str() {
            "/services/v2/certificate/1/revoke" if nth == 0 => {
                json(status, r#"{"errors":[{"code":"request_limit_exceeded","message":"limit"}]}"#)
                    .with("Retry-After", &if header == "date" { date(3) } else { header.to_owned() })
            }
            target if target.contains("digicert") || target.contains("/services/") => empty(204),
            _ => naver_done(),
        });
        let actions = "  - {id: held, provider: digicert, action: revoke, certificate_id: 1}\n\
                       \x20 - {id: behind, provider: digicert, action: revoke, certificate_id: 2, needs: [held]}\n\
                       \x20 - {id: free, provider: naver, action: revoke, orderId: \"1\", certificateNo: 1, reason: superseded}\n";
        let text = plan(&mock, &["digicert", "naver"], "", actions).replace("attempts: 3", "attempts: 1");
        place.run(&text).exits(0);
        let seen = mock.seen();
        let of =
            |part: &str| seen.iter().filter(|seen| seen.target.contains(part)).map(|seen| seen.at).collect::<Vec<_>>();
        let (held, free) = (of("/certificate/1/"), of("/api/v2"));
        assert_eq!((held.len(), free.len()), (2, 1), "{status} {header}");
        assert!(held[1] - held[0] >= least, "{status} {header}: {:?}", held[1] - held[0]);
        assert!(free[0] < held[1], "the other provider did not wait");
        assert!(of("/certificate/2/")[0] >= held[1]);
        let rows = place.rows();
        assert_eq!((rows[0]["outcome"].as_str(), rows[0]["attempts"].as_str()), ("succeeded", "2"));
        assert_eq!((rows[1]["attempts"].as_str(), rows[2]["attempts"].as_str()), ("1", "1"));
    }
}

#[test]
fn while_a_provider_is_held_nothing_of_it_is_sent() {
    let place = Place::new();
    let mock = Mock::start(|seen, nth| match seen.target.as_str() {
        "/services/v2/certificate/1/revoke" if nth == 0 => empty(429).with("Retry-After", "1"),
        _ => empty(204),
    });
    place.run(&revokes(&mock, "rate: [1000/1s], concurrency: 1", 6)).exits(0);
    let seen = mock.seen();
    assert_eq!(seen.len(), 7);
    assert!(seen[1].at - seen[0].at >= Duration::from_millis(990));
}

#[test]
fn limits_hold_over_an_interruption() {
    let place = Place::new();
    let mock = Mock::start(|_, _| empty(204).held());
    let window = Duration::from_secs(2);
    place.file("plan.yaml", revokes(&mock, "rate: [3/2s], concurrency: 3", 5));
    let mut child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    mock.wait_for(3);
    child.kill().unwrap();
    child.wait().unwrap();
    mock.release();
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
    assert_eq!(mock.seen().len(), 8, "three were asked again: {:?}", mock.lines());
    never_more_than(3, window, &mock.seen());
}

/// Answers like a provider that counts in sliding windows of its own, and refuses what is too much.
fn enforced(
    windows: &'static [(usize, u64)],
    refused: &Arc<AtomicUsize>,
) -> impl Fn(&Seen, usize) -> Act + Send + Sync + 'static {
    let refused = Arc::clone(refused);
    let admitted: Mutex<Vec<Instant>> = Mutex::default();
    move |seen, _| {
        let mut admitted = admitted.lock().unwrap();
        let within = |millis: u64| {
            let length = Duration::from_millis(millis);
            admitted.iter().filter(|at| seen.at.saturating_duration_since(**at) < length).count()
        };
        if windows.iter().any(|(count, millis)| within(*millis) >= *count) {
            refused.fetch_add(1, Ordering::Relaxed);
            return json(429, r#"{"errors":[{"code":"request_limit_exceeded","message":"limit"}]}"#);
        }
        admitted.push(seen.at);
        empty(204)
    }
}

#[test]
fn under_a_true_limit_nothing_is_refused() {
    let refused = Arc::default();
    let (place, mock) = (Place::new(), Mock::start(enforced(&[(10, 150), (30, 600)], &refused)));
    place.run(&revokes(&mock, "rate: [10/150ms, 30/600ms]", 70)).exits(0);
    assert_eq!((mock.seen().len(), refused.load(Ordering::Relaxed)), (70, 0));
}

#[test]
fn a_limit_that_is_declared_too_high_is_found_out() {
    let refused = Arc::default();
    let (place, mock) = (Place::new(), Mock::start(enforced(&[(10, 250)], &refused)));
    place.run(&revokes(&mock, "rate: [30/250ms]", 150)).exits(0);
    let refused = refused.load(Ordering::Relaxed);
    // Who keeps to what was declared is refused twice for each that is let in: three hundred times.
    assert!((1..=75).contains(&refused), "{refused}");
    assert!(place.rows().iter().all(|row| row["outcome"] == "succeeded"));
}

#[test]
fn a_run_adapts_to_a_simulated_provider_that_allows_a_third_of_its_rate() {
    let place = Place::new();
    let mut text = "version: 1\nproviders: {digicert: {rate: [30/200ms]}}\ndefaults: {provider: digicert, action: revoke}\nactions:\n".to_owned();
    text.extend((1..=120).map(|id| format!("  - {{certificate_id: {id}}}\n")));
    place.file("plan.yaml", text);
    let command = ["run", "plan.yaml", "--simulate", "--fault", "limit=1/3,latency=5ms", "--run-dir", "run"];
    let done = place.certsweep(&command).exits(0);
    assert!(done.err.contains("120 took effect"), "{}", done.err);
    assert!(place.rows().iter().all(|row| row["outcome"] == "pending-approval"), "{:?}", place.outcomes());
}

#[test]
fn two_names_for_one_credential_share_the_limits() {
    for (second, shared) in [("DIGICERT_API_KEY", true), ("OTHER_NAME", true), ("OTHER_KEY", false)] {
        let mut place = Place::new();
        place.set("OTHER_NAME", super::place::CREDENTIALS[0].1);
        place.set("OTHER_KEY", "DIGIKEYEXAMPLE1111111111");
        let mock = Mock::start(|_, _| empty(204));
        let url = format!("{}/services/v2", mock.url());
        let account = |name: &str, key: &str| {
            format!(
                "  {name}: {{uses: digicert, base_url: \"{url}\", credentials: {{api_key: \"env:{key}\"}}, rate: [4/400ms], concurrency: 8}}\n"
            )
        };
        let mut text =
            format!("version: 1\nproviders:\n{}{}", account("one", "DIGICERT_API_KEY"), account("two", second));
        text.push_str("actions:\n");
        for id in 1..=12 {
            let name = if id % 2 == 0 { "one" } else { "two" };
            text.push_str(&format!("  - {{provider: {name}, action: revoke, certificate_id: {id}}}\n"));
        }
        place.run(&text).exits(0);
        let seen = mock.seen();
        assert_eq!(seen.len(), 12);
        if shared {
            never_more_than(4, Duration::from_millis(400), &seen);
        } else {
            assert!(seen[7].at - seen[0].at < Duration::from_millis(400), "each has limits of its own");
        }
    }
}

#[test]
fn a_limit_that_the_provider_declares_is_respected() {
    let place = Place::new();
    let count = AtomicUsize::new(0);
    let mock = Mock::start(move |_, _| match count.fetch_add(1, Ordering::Relaxed) {
        3 => json(
            429,
            r#"{"error_code":"APIGW.0308","error_msg":"The throttling threshold has been reached: policy user over ratelimit,limit:2,time:1 second"}"#,
        ),
        _ => empty(204),
    });
    let action = |number: u32| {
        let uuid = format!("{number:08}-2d13-4e6a-89eb-93ee313f1a43");
        format!("  - {{provider: huawei, action: revoke-ca, ca_id: {uuid}, reason: keyCompromise}}\n")
    };
    let actions: String = (1..=7).map(action).collect();
    place.run(&plan(&mock, &["huawei"], "", &actions).replace("concurrency: 4", "concurrency: 1")).exits(0);
    let seen = mock.seen();
    assert_eq!(seen.len(), 8);
    never_more_than(2, Duration::from_millis(900), &seen[4..]);
}

#[test]
fn requests_in_flight_follow_from_rate_and_latency() {
    let place = Place::new();
    let mock = Mock::start(|_, _| empty(204).held());
    place.file("plan.yaml", revokes(&mock, "rate: [10/1s]", 20));
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    // Few, as long as nothing was answered.
    mock.wait_for(4);
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(mock.seen().len(), 4);
    mock.release();
    super::place::finish(child).exits(0);
}
