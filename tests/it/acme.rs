//! ACME from outside: what is asked before the first request, nonces, problems by their types, keys that will not do, and where keys
//! may never be found.

use super::mock::{Act, Mock, Seen, empty, json};
use super::place::{Place, rows};
use super::requests::contains;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/plans/acme");

/// A directory with certificates of their own keys, `0.pem` and `0.key` and so on, and an account's key.
pub(crate) fn place(certificates: usize) -> Place {
    let place = Place::bare();
    for number in 0..certificates {
        let made = rcgen::generate_simple_self_signed([format!("host{number}.example.com")]).unwrap();
        place.file(&format!("{number}.pem"), made.cert.pem());
        place.file(&format!("{number}.key"), made.signing_key.serialize_pem());
    }
    place.file("account.key", std::fs::read(format!("{KEYS}/shop.key")).unwrap());
    place
}

/// A CA whose answers to revocations are a script's, by how many came for the same certificate before.
fn ca(revoke: impl Fn(usize) -> Act + Send + Sync + 'static) -> Mock {
    ca_with(revoke, |_| None)
}

/// A CA that answers some requests otherwise.
pub(crate) fn ca_with(
    revoke: impl Fn(usize) -> Act + Send + Sync + 'static,
    other: impl Fn(&Seen) -> Option<Act> + Send + Sync + 'static,
) -> Mock {
    let nonces = AtomicUsize::new(0);
    let asked = std::sync::Mutex::new(std::collections::HashMap::<String, usize>::new());
    Mock::start(move |seen, _| {
        let url = |path: &str| format!("http://{}/{path}", seen.header("host").unwrap());
        if let Some(act) = other(seen) {
            return act;
        }
        let act = match seen.line().as_str() {
            "GET /dir" => {
                json(200, &json!({"newNonce": url("n"), "newAccount": url("a"), "revokeCert": url("r")}).to_string())
            }
            "HEAD /n" => empty(200),
            "POST /a" => json(200, r#"{"status":"valid"}"#).with("Location", &url("a/7")),
            "POST /r" => {
                let certificate = opened(seen).1["certificate"].as_str().unwrap().to_owned();
                let times = { *asked.lock().unwrap().entry(certificate).and_modify(|times| *times += 1).or_insert(0) };
                revoke(times)
            }
            _ => empty(404),
        };
        match seen.line().as_str() {
            "GET /dir" => act,
            _ => act.with("Replay-Nonce", &format!("n{}", nonces.fetch_add(1, Ordering::SeqCst))),
        }
    })
}

/// The protected header and the payload of a request's JWS.
pub(crate) fn opened(seen: &Seen) -> (Value, Value) {
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    let part = |name: &str| URL_SAFE_NO_PAD.decode(body[name].as_str().unwrap()).unwrap();
    let json = |name: &str| serde_json::from_slice(&part(name)).unwrap();
    assert!(!part("signature").is_empty());
    (json("protected"), json("payload"))
}

fn problem(status: u16, kind: &str) -> Act {
    json(
        status,
        &json!({"type": format!("urn:ietf:params:acme:error:{kind}"), "detail": format!("about {kind}")}).to_string(),
    )
}

pub(crate) fn plan(mock: &Mock, head: &str, actions: &str) -> String {
    format!(
        "version: 1\ntimeout: 20s\n{head}\nproviders:\n  acme: {{base_url: \"{}/dir\", rate: [1000/1s], concurrency: 8, \
         credentials: {{account_key: \"file:account.key\"}}}}\ndefaults: {{provider: acme, action: revoke, reason: keyCompromise}}\n\
         actions:\n{actions}",
        mock.url()
    )
}

fn revokes(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| format!("  - {{id: c{number}, certificate: \"file:{number}.pem\"}}\n")).collect()
}

/// How many requests of this method and path came.
fn count(mock: &Mock, line: &str) -> usize {
    mock.lines().iter().filter(|seen| *seen == line).count()
}

#[test]
fn directory_and_account_are_asked_for_once_and_every_nonce_serves_once() {
    let (place, mock) = (place(12), ca(|_| empty(200)));
    let own = "  - {id: own, certificate: \"file:0.pem\", certificate_key: \"file:0.key\", reason: superseded}\n";
    place.run(&plan(&mock, "", &(own.to_owned() + &revokes(1..12)))).exits(0);
    let seen = mock.seen();
    assert_eq!(seen[..3].iter().map(Seen::line).collect::<Vec<_>>(), ["GET /dir", "HEAD /n", "POST /a"]);
    assert_eq!((count(&mock, "GET /dir"), count(&mock, "POST /a")), (1, 1));
    let (head, payload) = opened(&seen[2]);
    assert!(head["jwk"]["kty"] == "EC" && payload == json!({"onlyReturnExisting": true}), "{head} {payload}");
    let mut nonces = HashSet::new();
    for request in seen.iter().filter(|request| request.method == "POST") {
        assert_eq!(request.header("content-type"), Some("application/jose+json"));
        let (head, payload) = opened(request);
        assert!(nonces.insert(head["nonce"].as_str().unwrap().to_owned()), "{head}");
        assert_eq!(head["url"], format!("{}{}", mock.url(), request.target));
        if request.target == "/r" && payload["reason"] == 4 {
            assert!(head.get("kid").is_none() && head["jwk"]["crv"] == "P-256", "{head}");
        } else if request.target == "/r" {
            assert_eq!(
                (&head["kid"], head.get("jwk"), &payload["reason"]),
                (&json!(format!("{}/a/7", mock.url())), None, &json!(1))
            );
        }
    }
    assert!(place.rows().iter().all(|row| row["outcome"] == "succeeded" && row["attempts"] == "1"));
}

#[test]
fn the_report_holds_all_of_a_problem_document() {
    let document = json!({
        "type": "urn:ietf:params:acme:error:malformed", "detail": "refused", "instance": "https://ca.example/7",
        "subproblems": [{"type": "urn:x:caa", "detail": "not \u{1b}[31mhere", "identifier": {"type": "dns", "value": "shop.example.com"}}]
    });
    let media_type = "application/problem+json";
    let mock = ca(move |_| {
        let body = document.to_string().into_bytes();
        Act::Answer { status: 400, headers: vec![("Content-Type".to_owned(), media_type.to_owned())], body }
    });
    let place = place(1);
    place.run(&plan(&mock, "", &revokes(0..1))).exits(1);
    let row = place.row();
    assert_eq!(row["provider_code"], "urn:ietf:params:acme:error:malformed");
    let words = "refused; instance: https://ca.example/7; shop.example.com: not \\u{1b}[31mhere (urn:x:caa)";
    assert!(row["provider_message"].contains(words), "{row:?}");
}

#[test]
fn a_closed_account_and_nonces_that_are_refused_for_ever_stop_the_account() {
    let detail = |detail: &'static str| {
        move |_: usize| {
            json(403, &json!({"type": "urn:ietf:params:acme:error:unauthorized", "detail": detail}).to_string())
        }
    };
    for words in ["account is deactivated", "Account is not valid, has status \"deactivated\""] {
        let (place, mock) = (place(5), ca(detail(words)));
        place.run(&plan(&mock, "", &revokes(0..5))).exits(4);
        assert!(count(&mock, "POST /r") <= 5, "those in flight: {:?}", mock.lines());
        assert!(place.rows().iter().all(|row| row["outcome"] == "skipped"));
    }
    let (place, mock) = (place(24), ca(|_| problem(400, "badNonce")));
    let done = place.run(&plan(&mock, "retry: {attempts: 5, max_delay: 10ms}", &revokes(0..24))).exits(4);
    assert!(done.out.contains("the provider refused 50 nonces in a row"), "{}", done.out);
    assert!(count(&mock, "POST /r") < 60, "{}", count(&mock, "POST /r"));
    assert!(place.rows().iter().all(|row| row["outcome"] == "skipped"));
}

#[test]
fn problems_are_distinguished_by_their_types() {
    let mut tested = 0;
    for (act, outcome, exit) in [
        (problem(400, "alreadyRevoked"), "already-done", 0),
        (problem(400, "malformed"), "rejected", 1),
        (problem(400, "badRevocationReason"), "rejected", 1),
        (problem(403, "unauthorized"), "rejected", 1),
        (problem(500, "serverInternal"), "in-doubt", 1),
        (json(200, "{}"), "in-doubt", 1),
    ] {
        let place = place(1);
        let mock = ca(move |_| act.clone());
        place.run(&plan(&mock, "retry: {attempts: 2, max_delay: 10ms}", &revokes(0..1))).exits(exit);
        let row = place.row();
        assert_eq!(row["outcome"], outcome, "{row:?}");
        if let Some(kind) = row["provider_code"].strip_prefix("urn:ietf:params:acme:error:") {
            assert!(row["provider_message"].contains(&format!("about {kind}")), "{row:?}");
            tested += 1;
        }
    }
    assert_eq!(tested, 5);
}

#[test]
fn a_refused_nonce_costs_no_attempt_but_not_for_ever() {
    for (refused, outcome, requests) in [(10, "succeeded", 11), (11, "failed", 11)] {
        let place = place(1);
        let mock = ca(move |times| if times < refused { problem(400, "badNonce") } else { empty(200) });
        let exit = i32::from(outcome != "succeeded");
        place.run(&plan(&mock, "retry: {attempts: 1}", &revokes(0..1))).exits(exit);
        let row = place.row();
        assert_eq!((row["outcome"].as_str(), count(&mock, "POST /r")), (outcome, requests), "{row:?}");
        // The refusal's own nonce is used: none is fetched again.
        assert_eq!(count(&mock, "HEAD /n"), 1, "{:?}", mock.lines());
    }
}

#[test]
fn too_many_requests_are_waited_for_and_a_lost_answer_is_asked_for_again() {
    let (place, mock) = (
        place(1),
        ca(|times| match times {
            0 => problem(429, "rateLimited").with("Retry-After", "1"),
            1 => Act::Close,
            _ => problem(400, "alreadyRevoked"),
        }),
    );
    place.run(&plan(&mock, "retry: {attempts: 2, max_delay: 10ms}", &revokes(0..1))).exits(0);
    let row = place.row();
    assert_eq!((row["outcome"].as_str(), row["attempts"].as_str()), ("succeeded", "3"), "{row:?}");
    let asked = mock.seen();
    let at = |nth: usize| asked.iter().filter(|seen| seen.target == "/r").nth(nth).unwrap().at;
    assert!((at(1) - at(0)).as_millis() >= 1000);
}

#[test]
fn what_is_asked_beforehand_counts_in_the_windows() {
    let (place, mock) = (place(5), ca(|_| empty(200)));
    place.run(&plan(&mock, "", &revokes(0..5)).replace("1000/1s", "3/1s")).exits(0);
    let seen = mock.seen();
    assert!(seen.len() >= 8, "{:?}", mock.lines());
    for window in seen.windows(4) {
        let took = window[3].at - window[0].at;
        assert!(took.as_millis() >= 990, "four requests within {took:?}: {:?}", mock.lines());
    }
}

#[test]
fn where_there_is_no_directory_or_no_account_nothing_is_revoked() {
    for (path, act, words) in [
        ("/dir", json(200, "<html>Sign in</html>"), "there is no ACME directory at"),
        ("/dir", json(200, r#"{"newNonce":"http://127.0.0.1:1/n"}"#), "it has no URL for `newAccount`"),
        ("/dir", empty(404), "there is no ACME directory at"),
        ("/n", empty(404), "the CA gave no nonce"),
        ("/a", problem(400, "accountDoesNotExist"), "knows no account with this key"),
        ("/a", json(200, r#"{"status":"deactivated"}"#).with("Location", "http://127.0.0.1/a/7"), "is deactivated"),
        ("/a", problem(403, "userActionRequired"), "about userActionRequired"),
        ("/r", problem(400, "accountDoesNotExist"), "the CA knows no account with this key"),
        ("/r", problem(401, "unauthorized"), "refused the credentials"),
    ] {
        let place = place(3);
        let act = if path == "/n" { act } else { act.with("Replay-Nonce", "x") };
        let mock = ca_with(|_| empty(200), move |seen| (seen.target == path).then(|| act.clone()));
        let head = "retry: {attempts: 1}\nsafety: {canary: 1}";
        place.run(&plan(&mock, head, &revokes(0..3))).exits(4).says(&[words]);
        let revocations = usize::from(path == "/r");
        assert_eq!(count(&mock, "POST /r"), revocations, "{path}: {:?}", mock.lines());
        let rows = rows(&place.certsweep(&["report", "run"]).exits(0).out);
        assert!(rows.iter().all(|row| row["outcome"] == "skipped"), "{path}: {rows:?}");
    }
}

#[test]
fn an_unsuitable_key_is_an_error_before_anything_is_sent() {
    for (key, words) in [
        ("encrypted.key", "has a passphrase"),
        ("public.key", "this is a public key"),
        ("shop.pem", "this is a certificate"),
        ("shop.der", "UTF-8"),
        ("nowhere.key", "no such file"),
    ] {
        let (place, mock) = (place(1), ca(|_| empty(200)));
        let plan = plan(&mock, "", &revokes(0..1)).replace("file:account.key", &format!("file:{KEYS}/{key}"));
        place.run(&plan).exits(4).says(&["`account_key` from `file:", words]);
        assert!(mock.seen().is_empty(), "{:?}", mock.lines());
    }
}

#[test]
fn a_key_that_is_gone_is_its_actions_trouble_alone() {
    let place = place(6);
    let first = AtomicUsize::new(0);
    let mock = ca_with(
        |_| empty(200),
        move |seen| {
            let is_first = seen.target == "/r" && first.fetch_add(1, Ordering::SeqCst) == 0;
            is_first.then(|| empty(200).with("Replay-Nonce", "late").held())
        },
    );
    let own = |number: usize| {
        let key = format!("certificate_key: \"file:{number}.key\"");
        format!("  - {{id: k{number}, certificate: \"file:{number}.pem\", {key}, needs: [first]}}\n")
    };
    let first = "  - {id: first, certificate: \"file:0.pem\"}\n";
    let last = "  - {id: last, certificate: \"file:5.pem\", needs: [first]}\n";
    let actions = [first.to_owned(), (1..5).map(own).collect(), last.to_owned()].concat();
    place.file("plan.yaml", plan(&mock, "retry: {attempts: 2, max_delay: 10ms}", &actions));
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    mock.wait_for(4);
    (1..5).for_each(|number| std::fs::remove_file(place.path(&format!("{number}.key"))).unwrap());
    mock.release();
    // The provider is not taken for one that cannot be reached.
    super::place::finish(child).exits(1);
    for row in place.rows() {
        let outcome = if row["action_id"].starts_with('k') { "failed" } else { "succeeded" };
        assert_eq!(row["outcome"], outcome, "{row:?}");
        assert_eq!(row["provider_message"].contains("could not be signed: the key /"), outcome == "failed", "{row:?}");
    }
}

#[test]
fn certificates_own_keys_need_no_account() {
    let (place, mock) = (place(1), ca(|_| empty(200)));
    let entry = "  - {id: own, certificate: \"file:0.pem\", certificate_key: \"file:0.key\"}\n";
    let text = plan(&mock, "", entry).replace(", credentials: {account_key: \"file:account.key\"}", "");
    place.run(&text).exits(0);
    assert_eq!((count(&mock, "POST /a"), count(&mock, "POST /r")), (0, 1));
    let with_another = text + "  - {id: other, certificate: \"file:0.pem\", reason: superseded}\n";
    let bare = with_another.replace(entry, "");
    place.file("bare.yaml", bare);
    place.certsweep(&["run", "bare.yaml", "--yes", "--new", "--run-dir", "bare"]).exits(4).says(&["ACME_ACCOUNT_KEY"]);
}

#[test]
fn no_key_gets_into_the_run_directory_or_a_preview() {
    let (place, mock) = (place(2), ca(|_| problem(403, "unauthorized")));
    let entry = "  - {id: own, certificate: \"file:0.pem\", certificate_key: \"file:0.key\"}\n";
    let text = plan(&mock, "", &(entry.to_owned() + &revokes(1..2)));
    let done = place.run(&text).exits(1);
    let previewed = place.certsweep(&["preview", "plan.yaml", "--json"]).exits(0);
    let secrets: Vec<String> = ["0.key", "account.key"]
        .iter()
        .flat_map(|name| {
            place.read(name).lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|line| line.len() > 20)
        .collect();
    assert!(secrets.len() >= 4);
    let files = place.bytes_below("run");
    assert!(files.iter().any(|(path, _)| path.ends_with("1-0.pem")), "{files:?}");
    for secret in &secrets {
        assert!(files.iter().all(|(_, bytes)| !contains(bytes, secret.as_bytes())));
        assert!(![&done.out, &done.err, &previewed.out].iter().any(|text| text.contains(secret)));
    }
    let requests = previewed.json()["first_requests"].to_string();
    for words in
        ["revokeCert of the directory", "(signed at sending)", "\\\"certificate\\\":\\\"MII", "\\\"reason\\\":1", "jwk"]
    {
        assert!(requests.contains(words), "{words}: {requests}");
    }
}

#[test]
fn a_drill_with_faults_ends_well_and_its_report_is_a_plan() {
    let place = place(12);
    let text = format!("version: 1\ndefaults: {{provider: acme, action: revoke}}\nactions:\n{}", revokes(0..12));
    place.file(
        "plan.yaml",
        text.replace("    \n", "")
            + "  - {id: own, certificate: \"file:0.pem\", provider: keys, certificate_key: \"file:0.key\"}\n",
    );
    let plan = place.read("plan.yaml").replace(
        "defaults:",
        "providers: {acme: {rate: [1000/1s]}, keys: {uses: acme}}\nretry: {attempts: 9, max_delay: 20ms}\ndefaults:",
    );
    place.file("plan.yaml", plan);
    let faults = ["--fault", "bad-nonce=1/4,lost-answer=1/10,html=1/10,5xx=1/10,reset=1/10", "--seed", "5"];
    place.certsweep(&[&["run", "plan.yaml", "--simulate", "--run-dir", "run"][..], &faults].concat()).exits(0);
    assert!(place.rows().iter().all(|row| row["outcome"] == "succeeded"), "{:?}", place.rows());
    let left = place.certsweep(&["report", "run", "--format", "plan", "--outcome", "succeeded", "-o", "left.csv"]);
    left.exits(0);
    place.file("settings.yaml", "providers: {acme: {rate: [1000/1s]}, keys: {uses: acme}}\n");
    place.certsweep(&["check", "left.csv", "--settings", "settings.yaml"]).exits(0);
}
