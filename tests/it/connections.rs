//! Which answer belongs to which request: servers and gateways that send more than they were asked for. Whatever comes when, no action ends
//! with another one's answer.

use super::limits::revokes;
use super::mock::{Act, Mock, Seen, empty, json, naver_done};
use super::place::{Place, plan, reissue};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// When the second answer comes: in the segment of the first, in the next one, while the next request is under way.
const LATER: [Option<Duration>; 4] =
    [None, Some(Duration::ZERO), Some(Duration::from_millis(1)), Some(Duration::from_millis(20))];

fn twice(first: Act, later: Option<Duration>, second: Act) -> Act {
    Act::Twice(Box::new(first), later, Box::new(second))
}

fn refused(code: &str) -> Act {
    json(400, &format!(r#"{{"errors":[{{"code":"{code}","message":"no"}}]}}"#))
}

/// The certificate that a request is about.
fn certificate(seen: &Seen) -> u64 {
    seen.target.trim_end_matches("/revoke").rsplit('/').next().unwrap().parse().unwrap()
}

/// Revokes of twelve certificates at DigiCert, one at a time.
fn dozen(mock: &Mock) -> String {
    revokes(mock, "rate: [1000/1s], concurrency: 1", 12)
}

#[test]
fn no_revoke_ends_with_an_answer_that_nobody_asked_for() {
    let act = |word: &str| match word {
        "done" => empty(204),
        "timed out" => empty(408),
        word => refused(word),
    };
    // What requests for certificates of odd and of even numbers are really answered, and what comes after each answer.
    for (truth, unasked) in [
        (["no", "no"], ["done", "done"]),
        (["done", "done"], ["no", "no"]),
        (["no", "done"], ["done", "no"]),
        (["no", "done"], ["no", "done"]),
        (["no", "done"], ["timed out", "timed out"]),
    ] {
        for later in LATER {
            let place = Place::new();
            let mock = Mock::start(move |seen, _| {
                let even = usize::from(certificate(seen).is_multiple_of(2));
                twice(act(truth[even]), later, act(unasked[even]))
            });
            place.file("plan.yaml", dozen(&mock));
            place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
            for row in place.rows() {
                let even = row["target"].parse::<u64>().unwrap().is_multiple_of(2);
                let expected = if truth[usize::from(even)] == "done" { "succeeded" } else { "rejected" };
                assert_eq!(row["outcome"], expected, "{truth:?}, {unasked:?} {later:?}: {row:?}");
            }
        }
    }
}

#[test]
fn a_refusal_that_belonged_to_another_request_is_told() {
    let place = Place::new();
    let mock = Mock::start(|_, _| twice(empty(204), Some(Duration::from_millis(100)), refused("a")));
    let run = place.run(&dozen(&mock)).exits(0);
    // On a quick machine most are asked for twice; on a slow one the connection is seen to be out of step before it serves again.
    assert_eq!(mock.seen().len() > 12, run.err.contains("answers more than it is asked"), "{}", run.err);
}

#[test]
fn a_second_refusal_in_other_words_leaves_a_doubt() {
    let place = Place::new();
    let mock = Mock::start(|_, nth| match nth {
        0 => twice(empty(204), Some(Duration::from_millis(100)), refused("a")),
        _ => refused("it is revoked already"),
    });
    place.file("plan.yaml", dozen(&mock));
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    for row in place.rows() {
        let asked = mock.count(&format!("/certificate/{}/revoke", row["target"]));
        let expected = if asked == 1 { "succeeded" } else { "in-doubt" };
        assert_eq!(row["outcome"], expected, "{row:?}");
    }
}

#[test]
fn what_must_not_be_sent_twice_goes_out_on_a_connection_of_its_own() {
    for later in LATER {
        let place = Place::new();
        let mock = Mock::start(move |seen, _| match seen.target.ends_with("/reissue") {
            true => twice(json(400, r#"{"returnCode":"2000","returnMessage":"no"}"#), later, naver_done()),
            false => twice(naver_done(), later, naver_done()),
        });
        let revoke = |nth: u64| {
            format!(
                "  - {{id: r{nth}, provider: naver, action: revoke, orderId: \"1\", certificateNo: {nth}, reason: superseded}}\n"
            )
        };
        let actions: String = (1..8).map(|nth| revoke(nth) + &reissue(&format!("n{nth}"), 100 + nth)).collect();
        place.file("plan.yaml", plan(&mock, &["naver"], "", &actions).replace("concurrency: 4", "concurrency: 1"));
        place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
        for row in place.rows().iter().filter(|row| row["operation"] == "reissue") {
            assert_eq!(row["outcome"], "rejected", "{later:?}: {row:?}");
        }
        let reissues: Vec<_> = mock.seen().into_iter().filter(|seen| seen.target.ends_with("/reissue")).collect();
        assert_eq!(reissues.len(), 7);
        assert!(reissues.iter().all(|seen| seen.connection.1 == 0), "{later:?}");
    }
}

#[test]
fn connections_are_kept_while_answers_are_good() {
    let place = Place::new();
    let mock = Mock::start(|_, _| empty(204));
    place.run(&revokes(&mock, "rate: [1000/1s], concurrency: 2", 60)).exits(0);
    assert!(mock.connections() <= 12, "{} connections for 60 requests", mock.connections());
    // A refusal is asked for once more where others were answered before on its connection, and closes it.
    let place = Place::new();
    let mock = Mock::start(|seen, _| if certificate(seen).is_multiple_of(10) { refused("a") } else { empty(204) });
    place.run(&revokes(&mock, "rate: [1000/1s], concurrency: 2", 60)).exits(1);
    assert!((60..=66).contains(&mock.seen().len()), "{} requests for 60 actions", mock.seen().len());
    assert_eq!(place.rows().iter().filter(|row| row["outcome"] == "rejected").count(), 6);
}

#[test]
fn an_answer_whose_end_is_not_sure_is_none() {
    for body in ["2\r\n{}\r\n0\r\n\r\n", "0\r\n\r\n"] {
        let place = Place::new();
        let both = format!(
            "HTTP/1.1 200 x\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
        );
        let mock = Mock::start(move |_, _| Act::Raw(both.clone().into_bytes()));
        place.run(&plan(&mock, &["naver"], "", &reissue("new", 5))).exits(1);
        assert_eq!((place.row()["outcome"].as_str(), mock.count("/reissue")), ("in-doubt", 1));
        assert!(place.row()["provider_message"].contains("its end is not sure"), "{:?}", place.row());
    }
}

/// A gateway that is one answer behind on each connection but for its first request: what it should have said before it says now. `nay` of the
/// requests that come on a connection that others had used are really refused, as long as nobody has noticed: on a busy machine a connection may
/// rest too long to be used once more, and then that refusal never comes.
fn one_behind(
    nay: usize,
    number: fn(&Seen) -> u64,
    says: fn(&[u64], &Seen, u64) -> Act,
) -> (Mock, Arc<Mutex<Vec<u64>>>) {
    let refused: Arc<Mutex<Vec<u64>>> = Arc::default();
    let behind: Mutex<HashMap<usize, Act>> = Mutex::default();
    let known = Arc::clone(&refused);
    let mock = Mock::start(move |seen, _| {
        let mut refused = known.lock().unwrap();
        if seen.method == "GET" {
            return says(&refused, seen, 0);
        }
        let number = number(seen);
        if seen.connection.1 > 0 && refused.len() < nay && refused.iter().all(|other| other + 10 < number) {
            refused.push(number);
        }
        let truth = says(&refused, seen, number);
        behind.lock().unwrap().insert(seen.connection.0, truth.clone()).unwrap_or(truth)
    });
    (mock, refused)
}

/// Holds a run of 60 revokes to what really became of them. One that was refused ends with this outcome; or as rejected, where its own refusal
/// came twice.
fn all_is_taken_up_again(place: &Place, words: &str, refused: &Mutex<Vec<u64>>, outcome: &str) {
    let run = place.run(words).exits(1);
    let refused = refused.lock().unwrap().clone();
    assert!(!refused.is_empty() && run.err.contains("answers more than it is asked"), "{refused:?} {}", run.err);
    let yea = 60 - refused.len() as u64;
    assert!(run.err.contains("ended: 60 of 60 actions"), "{}", run.err);
    assert!(run.err.contains(&format!(": {yea} succeeded, ")), "{}", run.err);
    for row in place.rows() {
        let number: u64 = row["target"].rsplit([':', '/', ' ']).next().unwrap().parse().unwrap();
        let is_right = match refused.contains(&number) {
            true => [outcome, "rejected"].contains(&row["outcome"].as_str()),
            false => row["outcome"] == "succeeded",
        };
        assert!(is_right, "{refused:?}: {row:?}");
    }
    let status = place.certsweep(&["status", "run", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(status["outcomes"]["succeeded"], yea, "{status}");
}

#[test]
fn what_was_told_by_another_requests_answer_is_looked_up() {
    let number = |seen: &Seen| {
        let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        body["certificateNo"].as_u64().unwrap()
    };
    let says = |refused: &[u64], seen: &Seen, number: u64| {
        if seen.method == "GET" {
            let row = |number: u64| {
                let status = if refused.contains(&number) { "1" } else { "-5" };
                format!(r#"{{"certificateNo":{number},"statusCode":"{status}"}}"#)
            };
            let rows: Vec<String> = (1..=60).map(row).collect();
            let order = format!(r#"{{"orderID":"1","certificates":[{}]}}"#, rows.join(","));
            return json(200, &format!(r#"{{"returnCode":"0","totalCount":1,"orders":[{order}]}}"#));
        }
        match refused.contains(&number) {
            true => json(400, r#"{"returnCode":"2000","returnMessage":"no"}"#),
            false => naver_done(),
        }
    };
    let (place, (mock, refused)) = (Place::new(), one_behind(5, number, says));
    let action =
        |number: u64| format!("  - {{action: revoke, orderId: \"1\", certificateNo: {number}, reason: superseded}}\n");
    let actions: String = (1..=60).map(action).collect();
    let words = plan(&mock, &["naver"], "defaults: {provider: naver}", &actions);
    all_is_taken_up_again(&place, &words.replace("concurrency: 4", "concurrency: 1"), &refused, "rejected");
    assert!(mock.count("getPaid") >= 1);
}

#[test]
fn what_was_told_by_another_requests_answer_is_asked_again_where_it_cannot_be_looked_up() {
    let says = |refused: &[u64], _: &Seen, number: u64| match refused.contains(&number) {
        true => json(400, r#"{"errors":[{"code":"a","message":"no"}]}"#),
        false => empty(204),
    };
    for concurrency in [1, 4] {
        let (place, (mock, refused)) = (Place::new(), one_behind(5, certificate, says));
        let words = revokes(&mock, &format!("rate: [1000/1s], concurrency: {concurrency}"), 60);
        // It may have been done, or not: only a person can tell.
        all_is_taken_up_again(&place, &words, &refused, "in-doubt");
    }
}
