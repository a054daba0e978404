//! What comes is not always the provider's answer: pages of firewalls, log-ins and maintenance, bodies that cannot be read or say two
//! things; and a provider that is out of order, or refuses everything alike, is left alone before the whole list is used up on it.

use super::mock::{Act, Mock, Seen, empty, json};
use super::place::{Place, plan, signal, wait_until_it_says};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const PENDING: &str = r#"{"id": 9001, "type": "revoke", "status": "pending"}"#;
const MAINTENANCE: &str =
    "<html><head><title>Scheduled maintenance</title></head><body><p>Back at 05:00 UTC</p></body></html>";

fn page(status: u16, media_type: &str, body: &[u8]) -> Act {
    Act::Answer { status, headers: vec![("Content-Type".to_owned(), media_type.to_owned())], body: body.to_vec() }
}

fn revokes(count: usize) -> String {
    let one = |number: usize| {
        format!("  - {{id: a{number}, provider: digicert, action: revoke, certificate_id: {number}}}\n")
    };
    (1..=count).map(one).collect()
}

/// A plan with so many revokes at a DigiCert that this plays, with so many requests in flight.
fn digicert(mock: &Mock, head: &str, concurrency: usize, count: usize) -> String {
    plan(mock, &["digicert"], head, &revokes(count)).replace("concurrency: 4", &format!("concurrency: {concurrency}"))
}

#[test]
fn what_is_not_the_providers_is_in_doubt_and_its_row_says_what_came() {
    for (answer, words) in [
        (
            page(403, "text/html", b"<title>Access Denied</title><p>Reference #18"),
            "HTTP 403 text/html \"Access Denied: Reference #18\"",
        ),
        (page(404, "text/html", b"<h1>404 Not Found</h1>nginx"), "HTTP 404 text/html \"404 Not Found nginx\""),
        (
            page(401, "text/html; charset=utf-8", b"<form>Please sign in</form>"),
            "HTTP 401 text/html \"Please sign in\"",
        ),
        (page(400, "text/plain", b"Bad \x1b[31mRequest"), "HTTP 400 text/plain \"Bad [31mRequest\""),
        (
            page(400, "text/plain", br#"{"errors":[{"code":"a","message":"no"}]}"#),
            "HTTP 400 text/plain \"{\"errors\":[{\"code\":\"a\",\"message\":\"no\"}]}\" is not an answer",
        ),
        (page(400, "application/json", b"{\"errors\": ["), "HTTP 400 application/json, whose body cannot be read: EOF"),
        (
            page(400, "application/json", br#"{"errors":[{"code":"a","code":"b"}]}"#),
            "whose body cannot be read: the member `code` is given twice",
        ),
        (
            page(201, "application/json", br#"{"id":1,"status":"pending","status":"approved"}"#),
            "the member `status` is given twice",
        ),
        (page(200, "text/html", b"<title>Sign in</title>"), "HTTP 200 text/html \"Sign in\""),
        (
            empty(302).with("Location", "/login?next=/x"),
            "HTTP 302 to /login?next=/x is not an answer that the provider documents; is `base_url` right?",
        ),
        (
            page(407, "text/html", b"<html>Proxy authentication required"),
            "HTTP 407 text/html \"Proxy authentication required\"",
        ),
        (empty(404), "HTTP 404 without a body"),
        (
            page(503, "text/html", MAINTENANCE.as_bytes()),
            "HTTP 503 text/html \"Scheduled maintenance: Back at 05:00 UTC\"",
        ),
    ] {
        let (place, mock) = (Place::new(), Mock::start(move |_, _| answer.clone()));
        place.run(&digicert(&mock, "", 1, 1)).exits(1);
        let row = place.row();
        assert_eq!(row["outcome"], "in-doubt", "{row:?}");
        assert!(row["provider_message"].contains(words), "{words}: {row:?}");
    }
}

#[test]
fn bodies_are_read_in_the_charset_that_they_name() {
    let latin1 = "{\"errors\": [{\"code\": \"invalid_state\", \"message\": \"déjà traitée\"}]}";
    let latin1: Vec<u8> = latin1.chars().map(|letter| letter as u8).collect();
    let utf16: Vec<u8> = PENDING.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (answer, exit, outcome, words) in [
        (page(201, "application/json", &[b"\xef\xbb\xbf", PENDING.as_bytes()].concat()), 0, "pending-approval", ""),
        (page(201, "application/json; charset=utf-16", &utf16), 0, "pending-approval", ""),
        (page(201, "application/hal+json", PENDING.as_bytes()), 0, "pending-approval", ""),
        (Act::Answer { status: 201, headers: Vec::new(), body: PENDING.into() }, 0, "pending-approval", ""),
        (page(400, "application/json; charset=ISO-8859-1", &latin1), 1, "rejected", "déjà traitée"),
    ] {
        let (place, mock) = (Place::new(), Mock::start(move |_, _| answer.clone()));
        place.run(&digicert(&mock, "", 1, 1)).exits(exit);
        let row = place.row();
        assert_eq!(row["outcome"], outcome, "{row:?}");
        assert!(row["provider_message"].contains(words), "{row:?}");
    }
}

#[test]
fn a_401_without_a_body_stops_the_account() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(401)));
    place.run(&digicert(&mock, "", 1, 30)).exits(4).says(&["refused the credentials: HTTP 401"]);
    assert_eq!(mock.seen().len(), 1);
}

#[test]
fn a_page_that_is_not_there_for_everything_is_a_wrong_address_and_said_so_at_once() {
    let place = Place::new();
    let words = b"<html><title>404 Not Found</title><h1>nginx</h1></html>";
    let mock = Mock::start(move |_, _| page(404, "text/html", words));
    let run = place.run(&digicert(&mock, "", 4, 60)).exits(4);
    run.says(&["digicert is stopped: HTTP 404 text/html \"404 Not Found", "is `base_url` right?"]);
    assert!(mock.seen().len() < 20, "{} requests", mock.seen().len());
    assert!(place.rows().iter().all(|row| row["outcome"] == "in-doubt" || row["outcome"] == "skipped"));
}

#[test]
fn maintenance_pages_leave_nothing_in_doubt_and_the_list_is_done_when_they_end() {
    for concurrency in [8, 16] {
        let began = Instant::now();
        let mock = Mock::start(move |_, _| {
            let over = began.elapsed() > Duration::from_secs(3);
            if over { json(201, PENDING) } else { page(503, "text/html", MAINTENANCE.as_bytes()) }
        });
        let place = Place::new();
        // Pauses as people's plans have them: were each action asked again at once, the first four could use up their attempts before a fifth
        // action was answered like them, and only five say that it is the provider.
        let plan =
            digicert(&mock, "", concurrency, 30).replace("attempts: 3, max_delay: 20ms", "attempts: 5, max_delay: 2s");
        let done = place.run(&plan).exits(0);
        done.says(&[
            "it is out of order, one request at a time tries (HTTP 503 text/html \"Scheduled maintenance",
            "digicert is there again",
        ]);
        assert!(place.outcomes().iter().all(|(_, outcome)| outcome == "pending-approval"), "{:?}", place.outcomes());
        let asked = mock.seen().len();
        assert!(asked < 30 + concurrency + 20, "{asked} requests for 30 actions");
    }
}

#[test]
fn a_login_portal_leaves_a_handful_in_doubt_and_each_reissue_is_sent_once() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(302).with("Location", "/login")));
    place.file("plan.yaml", digicert(&mock, "", 8, 200));
    let mut child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    wait_until_it_says(&mut child, "it is out of order, one request at a time tries (HTTP 302 to /login is not");
    std::thread::sleep(Duration::from_secs(1));
    signal(&child, "INT");
    super::place::finish(child).exits(130);
    let ended = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert!(ended["outcomes"]["in-doubt"].as_u64().unwrap_or_default() <= 6, "{ended}");
    assert!(mock.seen().len() < 25, "{} requests", mock.seen().len());

    // Without a status query nothing resolves them; what must not be sent twice is no way to try a provider for long.
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/in-house-ca.yaml")).unwrap();
    let begin = document.find("        lookups:").unwrap();
    let end = begin + document[begin..].find("        samples:").unwrap();
    let mut document = document[..begin].to_owned() + &document[end..];
    document = document.replacen("idempotent: true ", "idempotent: false ", 1);
    let read = document.find("  /certificates/{serial}:\n").unwrap();
    let components = document.find("components:\n").unwrap();
    document.replace_range(read..components, "");
    let (mut place, mock) = (Place::new(), Mock::start(|_, _| page(503, "text/html", MAINTENANCE.as_bytes())));
    place.set("TOKEN", "a-token-of-the-ca");
    std::fs::create_dir(place.path("documents")).unwrap();
    place.file("documents/in-house-ca.yaml", document);
    let actions: String = (16..66)
        .map(|serial| {
            format!("  - {{provider: in-house, action: revoke, serial: \"00{serial:x}\", reason: superseded}}\n")
        })
        .collect();
    let text = format!(
        "version: 1\nproviders: {{in-house: {{base_url: {}, credentials: {{token: \"env:TOKEN\"}}, concurrency: 4}}}}\nactions:\n{actions}",
        mock.url()
    );
    place.file("plan.yaml", text);
    let done =
        place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run", "--provider-dir", "documents"]).exits(4);
    assert!(done.out.contains("what is next must not be sent twice"), "{}", done.out);
    let mut targets: Vec<String> = mock.lines();
    let all = targets.len();
    targets.sort();
    targets.dedup();
    assert_eq!(targets.len(), all, "each was sent once");
    assert!(all <= 12, "{all} of 50 in doubt");
}

#[test]
fn refusals_alike_stop_an_account_and_resume_takes_them_for_right() {
    let refused =
        |_: &Seen, _| json(403, r#"{"errors":[{"code":"contract_expired","message":"the contract has expired"}]}"#);
    let (place, mock) = (Place::new(), Mock::start(refused));
    let done = place.run(&digicert(&mock, "", 1, 60)).exits(3);
    for words in [
        "20 actions in a row were refused alike: HTTP 403 contract_expired the contract has expired",
        "resume --retry rejected",
    ] {
        assert!(done.out.contains(words) || done.err.contains(words), "{words}: {} {}", done.out, done.err);
    }
    assert_eq!(mock.seen().len(), 20);
    place.certsweep(&["resume", "run", "--yes", "--retry", "rejected"]).exits(3);
    assert_eq!(mock.seen().len(), 40, "once they are taken up again the row begins anew");
    place.certsweep(&["resume", "run", "--yes"]).exits(1);
    assert_eq!(mock.seen().len(), 80, "who goes on takes the refusals for right");
    assert!(place.rows().iter().all(|row| row["outcome"] == "rejected"));
}

#[test]
fn a_wait_beyond_the_deadline_stops_the_run_and_says_when_to_come_back() {
    let busy = |_: &Seen, _| {
        json(429, r#"{"errors":[{"code":"request_limit_exceeded","message":"slow down"}]}"#)
            .with("Retry-After", "604800")
    };
    let (place, mock) = (Place::new(), Mock::start(busy));
    let done = place.run(&digicert(&mock, "deadline: 30m", 1, 30)).exits(3);
    let now = jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap();
    let day = (now + jiff::SignedDuration::from_hours(168)).strftime("%Y-%m-%d").to_string();
    assert!(done.out.contains(&format!("the provider asks to wait until {day} ")), "{}", done.out);
    assert!(done.out.contains("after the deadline") && done.out.contains("come back then"), "{}", done.out);
    assert_eq!(mock.seen().len(), 1);

    // Without an end it is held back as long as it asks, and a date that cannot be meant is said and cut.
    for (asks, words) in [
        ("604800".to_owned(), format!("the provider asks to wait until {day} ")),
        (
            "Fri, 31 Dec 9999 23:59:59 GMT".to_owned(),
            "the provider asks to wait until 9999-12-30 22:00 UTC, longer than can be meant".to_owned(),
        ),
        ("99999999999".to_owned(), "longer than can be meant; it is asked again at ".to_owned()),
    ] {
        let mock = Mock::start(move |_, _| empty(503).with("Retry-After", &asks));
        let place = Place::new();
        place.file("plan.yaml", digicert(&mock, "", 1, 30));
        let mut child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
        wait_until_it_says(&mut child, &words);
        signal(&child, "INT");
        super::place::finish(child).exits(130);
        assert_eq!(mock.seen().len(), 1);
    }
}

/// What an error of one action alone leaves of the others: nothing is held back for it.
#[test]
fn one_action_that_the_provider_stumbles_over_holds_nobody_back() {
    let stumbles = Mutex::new(0);
    let mock = Mock::start(move |seen, _| {
        if !seen.target.contains("/certificate/7/") {
            return json(201, PENDING);
        }
        *stumbles.lock().unwrap() += 1;
        page(500, "text/html", b"<h1>Internal Server Error</h1>")
    });
    let place = Place::new();
    place.run(&digicert(&mock, "", 1, 30)).exits(1);
    let bad: Vec<_> = place.outcomes().into_iter().filter(|(_, outcome)| outcome != "pending-approval").collect();
    assert_eq!(bad, [("a7".to_owned(), "in-doubt".to_owned())]);
    assert_eq!(mock.count("/certificate/7/"), 3);
}
