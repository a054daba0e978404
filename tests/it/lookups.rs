//! Look-ups on the wire: which are asked, with what, over how many pages, and what follows where they fail themselves.

use super::mock::{Act, Mock, empty, json, naver_done, naver_list};
use super::place::{Place, plan};

const REVOKE: &str =
    "  - {id: a, provider: naver, action: revoke, orderId: \"1\", certificateNo: 7, reason: superseded}\n";

fn refused() -> Act {
    json(400, r#"{"returnCode":"2000","returnMessage":"Invalid parameter"}"#)
}

#[test]
fn pages_are_read_until_the_certificate_is_found() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| {
        let Some(page) = seen.target.split_once("page=").map(|(_, rest)| rest.split('&').next().unwrap()) else {
            return refused();
        };
        let order = if page == "3" { "1" } else { "2" };
        json(
            200,
            &format!(
                r#"{{"returnCode":"0","totalCount":250,"orders":[{{"orderID":"{order}","certificates":[{{"certificateNo":7,"statusCode":"-5"}}]}}]}}"#
            ),
        )
    });
    place.run(&plan(&mock, &["naver"], "", REVOKE)).exits(0);
    assert_eq!(place.row()["outcome"], "already-done");
    let pages: Vec<String> = mock.lines()[1..].to_vec();
    let expected =
        [1, 2, 3].map(|page| format!("GET /api/v2/certificate/getPaidCertificates?page={page}&pageSize=100"));
    assert_eq!(pages, expected);
}

#[test]
fn a_lost_revoke_that_is_then_refused_is_known_by_its_state() {
    for (state, code, outcome) in
        [("-5", 0, "succeeded"), ("-7", 0, "pending-approval"), ("1", 1, "rejected"), ("-2", 1, "in-doubt")]
    {
        let place = Place::new();
        let mock = Mock::start(move |seen, nth| match (seen.method.as_str(), nth) {
            ("GET", _) => naver_list("1", 7, state),
            (_, 0) => Act::Close,
            _ => refused(),
        });
        place.run(&plan(&mock, &["naver"], "", REVOKE)).exits(code);
        assert_eq!(place.row()["outcome"], outcome, "{:?}", place.row());
        assert_eq!(mock.count("/certificate/revoke"), 2);
    }
}

#[test]
fn a_look_up_that_fails_leaves_a_refusal_a_refusal_and_a_doubt_a_doubt() {
    for (first, outcome) in [(refused(), "rejected"), (json(202, "{}"), "in-doubt")] {
        let place = Place::new();
        let mock = Mock::start(move |seen, _| if seen.method == "GET" { empty(500) } else { first.clone() });
        place.run(&plan(&mock, &["naver"], "", REVOKE)).exits(1);
        assert_eq!(place.row()["outcome"], outcome);
        assert_eq!(mock.count("/certificate/revoke"), 1);
        assert!(mock.count("getPaid") >= 1);
    }
}

#[test]
fn a_look_up_that_is_throttled_waits() {
    let place = Place::new();
    let mock = Mock::start(|seen, nth| match (seen.method.as_str(), nth) {
        ("GET", 0) => empty(429).with("Retry-After", "1"),
        ("GET", _) => naver_list("1", 7, "-5"),
        _ => refused(),
    });
    place.run(&plan(&mock, &["naver"], "", REVOKE)).exits(0);
    let seen = mock.seen();
    assert_eq!((place.row()["outcome"].as_str(), seen.len()), ("already-done", 3));
    assert!(seen[2].at - seen[1].at >= std::time::Duration::from_millis(990));
}

#[test]
fn a_look_up_whose_credentials_are_refused_stops_the_provider_and_can_be_resumed() {
    let place = Place::new();
    let mock = Mock::start(|seen, nth| match (seen.method.as_str(), nth) {
        ("GET", 0) => json(401, r#"{"error":{"errorCode":"200","message":"Authentication Failed"}}"#),
        ("GET", _) => naver_list("1", 7, "-5"),
        (_, 0) => json(202, "{}"),
        _ => naver_done(),
    });
    place.run(&plan(&mock, &["naver"], "", REVOKE)).exits(4);
    assert_eq!(place.row()["outcome"], "in-doubt", "{:?}", place.row());
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
    assert_eq!(place.row()["outcome"], "succeeded");
}

#[test]
fn digicert_is_asked_about_the_order_and_about_the_request() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match seen.line().as_str() {
        "PUT /services/v2/certificate/1/revoke" => json(400, r#"{"errors":[{"code":"x","message":"no"}]}"#),
        "GET /services/v2/order/certificate/55" => {
            json(200, r#"{"id":55,"status":"issued","certificate":{"id":1,"status":"revoked"}}"#)
        }
        "PUT /services/v2/certificate/2/revoke" => json(201, r#"{"id":99,"type":"revoke","status":"on_hold"}"#),
        "GET /services/v2/request/99" => json(200, r#"{"id":99,"type":"revoke","status":"approved"}"#),
        line => panic!("{line}"),
    });
    let actions = "  - {id: a, provider: digicert, action: revoke, certificate_id: 1, order_id: 55}\n\
                   \x20 - {id: b, provider: digicert, action: revoke, certificate_id: 2}\n";
    place.run(&plan(&mock, &["digicert"], "", actions)).exits(0);
    assert_eq!(place.outcomes(), [("a".into(), "already-done".into()), ("b".into(), "succeeded".into())]);
    assert_eq!(mock.seen().len(), 4);
    let sent: Vec<String> =
        mock.seen().iter().filter(|seen| seen.method == "PUT").map(super::mock::Seen::text).collect();
    assert_eq!(sent, ["{}", "{}"], "the order is for the look-up alone");
    assert!(mock.seen().iter().all(|seen| seen.header("x-dc-devkey").is_some()));
}

#[test]
fn a_list_is_read_once_for_many_and_what_it_does_not_tell_is_asked_for_next() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match (seen.method.as_str(), seen.target.as_str()) {
        ("PUT", _) => json(202, "{}"),
        ("GET", path) if path.starts_with("/services/v2/order/certificate/status-changes?minutes=10080") => {
            let rows: Vec<String> =
                (1..6).map(|order| format!(r#"{{"order_id":{order},"status":"revoked"}}"#)).collect();
            json(200, &format!(r#"{{"orders":[{},{{"order_id":6,"status":"issued"}}]}}"#, rows.join(",")))
        }
        ("GET", "/services/v2/order/certificate/6") => json(200, r#"{"id":6,"status":"revoked"}"#),
        ("GET", "/services/v2/order/certificate/7") => json(200, r#"{"id":7,"status":"issued"}"#),
        other => panic!("{other:?}"),
    });
    let orders: String = (1..8)
        .map(|order| format!("  - {{id: o{order}, provider: digicert, action: revoke-order, order_id: {order}}}\n"))
        .collect();
    place.run(&plan(&mock, &["digicert"], "", &orders)).exits(1);
    let rows = super::place::rows(&place.read("run/report.csv"));
    let outcomes: Vec<&str> = rows.iter().map(|row| row["outcome"].as_str()).collect();
    assert_eq!(outcomes[..6], ["succeeded"; 6], "{:?}", mock.lines());
    assert_eq!(outcomes[6], "in-doubt");
    let message = &rows[6]["provider_message"];
    assert!(message.contains("list-status-changes does not list it; status issued"), "{message}");
    // What comes into doubt after it was asked for needs it anew.
    assert!((1..4).contains(&mock.count("status-changes")), "{:?}", mock.lines());
    // Each is asked once: as many as there are, and no more.
    assert_eq!((mock.count("/order/certificate/6"), mock.count("/order/certificate/7")), (2, 2), "{:?}", mock.lines());
}

#[test]
fn a_status_query_that_is_refused_gives_way_to_the_next() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match (seen.method.as_str(), seen.target.as_str()) {
        ("PUT", _) => json(202, "{}"),
        ("GET", "/services/v2/order/certificate/6") => json(200, r#"{"id":6,"status":"revoked"}"#),
        _ => json(400, r#"{"errors":[{"code":"time_frame_too_long","message":"refused"}]}"#),
    });
    place
        .run(&plan(&mock, &["digicert"], "", "  - {provider: digicert, action: revoke-order, order_id: 6}\n"))
        .exits(0);
    assert_eq!(place.row()["outcome"], "succeeded");
    assert_eq!(mock.count("status-changes"), 1, "{:?}", mock.lines());
}
