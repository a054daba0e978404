//! Huawei's IAM tokens from outside: trouble on the way to one, refusals, and several requests that hold an old one.

use super::limits::never_more_than;
use super::mock::{Act, Mock, Seen, empty, json};
use super::place::{Place, plan};
use super::requests::contains;
use std::time::Duration;

const PASSWORD: &str = "Pa55word-example-77";

fn place() -> Place {
    let mut place = Place::bare();
    for (name, value) in [("USER", "operator-example"), ("PASSWORD", PASSWORD), ("DOMAIN", "domain-example")] {
        place.set(&format!("HUAWEICLOUD_IAM_{name}"), value);
    }
    place
}

/// Revokes of so many CAs with tokens that are fetched at the mock.
fn revokes(mock: &Mock, count: usize, concurrency: u32) -> String {
    let actions: String = (1..=count)
        .map(|id| {
            // The others follow the first, so that a token has worked before it is refused.
            let needs = if id > 1 { ", needs: [c1]" } else { "" };
            format!("  - {{id: c{id}, provider: huawei, action: revoke-ca, ca_id: {}{needs}}}\n", ca(id))
        })
        .collect();
    let url = mock.url();
    let account = format!(
        "providers:\n  huawei: {{base_url: \"{url}\", auth_url: \"{url}/v3/auth/tokens\", rate: [1000/1s], concurrency: {concurrency}}}\n"
    );
    plan(mock, &[], "", &actions).replace("providers:\n", &account)
}

fn ca(id: usize) -> String {
    format!("0000000{id}-2d13-4e6a-89eb-93ee313f1a43")
}

fn token(nth: usize) -> Act {
    json(201, r#"{"token":{"expires_at":"2099-01-01T00:00:00.000000Z"}}"#)
        .with("X-Subject-Token", &format!("token-{nth}"))
}

fn fetches(seen: &Seen) -> bool {
    seen.target == "/v3/auth/tokens"
}

#[test]
fn a_token_that_was_lost_on_its_way_is_fetched_again() {
    let place = place();
    let mock = Mock::start(|seen, nth| match (fetches(seen), nth) {
        (true, 0) => Act::Close,
        (true, 1) => empty(503),
        (true, _) => token(nth),
        _ => empty(204),
    });
    place.run(&revokes(&mock, 2, 2)).exits(0);
    assert_eq!((mock.count("/v3/auth/tokens"), mock.count("/revoke")), (3, 2));
}

#[test]
fn a_password_that_is_refused_stops_the_provider_and_is_shown_nowhere() {
    let place = place();
    let mock = Mock::start(|seen, _| match fetches(seen) {
        true => json(
            401,
            &format!(r#"{{"error":{{"message":"wrong password {PASSWORD} of operator-example","code":401}}}}"#),
        ),
        false => empty(204),
    });
    let done = place.run(&revokes(&mock, 2, 2)).exits(4);
    assert_eq!((mock.count("/v3/auth/tokens"), mock.count("/revoke")), (1, 0), "{:?}", mock.lines());
    assert!(!done.out.contains(PASSWORD) && !done.err.contains(PASSWORD), "{done:?}");
    for (path, bytes) in place.bytes_below("run") {
        assert!(!contains(&bytes, PASSWORD.as_bytes()), "{}", path.display());
    }
    assert!(place.rows().iter().all(|row| row["outcome"] == "skipped" && row["attempts"] == "0"));
}

#[test]
fn a_late_refusal_of_an_old_token_does_not_stop_the_new_one() {
    let place = place();
    // Token 0 works for the first CA; then two requests that carry it are refused, the second long after token 1 was fetched.
    let mock = Mock::start(|seen, nth| match (fetches(seen), seen.header("x-auth-token")) {
        (true, _) => token(nth),
        (_, Some("token-1")) => empty(204),
        _ if seen.target.contains(&ca(1)) => empty(204),
        _ if seen.target.contains(&ca(3)) => json(401, "{}").held(),
        _ => json(401, "{}"),
    });
    place.file("plan.yaml", revokes(&mock, 4, 2));
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    // Two tokens, the first CA, two refusals, and the second and fourth CA with the new token.
    mock.wait_for(7);
    mock.release();
    super::place::finish(child).exits(0);
    assert_eq!(mock.count("/v3/auth/tokens"), 2, "{:?}", mock.lines());
    assert!(place.rows().iter().all(|row| row["outcome"] == "succeeded"));
}

#[test]
fn requests_for_tokens_count_in_the_windows() {
    let place = place();
    // Each token serves three requests, so that several are fetched.
    let served = std::sync::Mutex::new(std::collections::HashMap::<String, usize>::new());
    let mock = Mock::start(move |seen, nth| {
        if fetches(seen) {
            return token(nth);
        }
        let token = seen.header("x-auth-token").unwrap_or_default().to_owned();
        let mut served = served.lock().unwrap();
        let count = served.entry(token).or_default();
        *count += 1;
        if *count > 3 { json(401, r#"{"error_code":"PCA.00030001","error_msg":"token expired"}"#) } else { empty(204) }
    });
    let text = revokes(&mock, 9, 2).replace("1000/1s", "2/300ms, 5/900ms");
    place.run(&text).exits(0);
    assert!(mock.count("/v3/auth/tokens") >= 3, "{:?}", mock.lines());
    never_more_than(2, Duration::from_millis(300), &mock.seen());
    never_more_than(5, Duration::from_millis(900), &mock.seen());
}
