//! How actions end, by what the provider answers: every outcome of the contract, and that nothing is sent more often than it may be.

use super::mock::{Act, Mock, Seen, empty, json, naver_done, naver_list};
use super::place::{CA, Place, Row, plan, reissue};

const REVOKE: &str =
    "  - {id: a, provider: naver, action: revoke, orderId: \"1\", certificateNo: 7, reason: superseded}\n";
const DIGICERT: &str = "  - {id: a, provider: digicert, action: revoke, certificate_id: 112358, comments: INC-42}\n";
const LIST: &str = "getPaidCertificates";

/// Runs one NAVER action against a provider that answers it by `act` and look-ups by `list`.
fn naver(
    actions: &str,
    code: i32,
    act: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static,
    list: Act,
) -> (Mock, Row) {
    let place = Place::new();
    let mock = Mock::start(move |seen, nth| if seen.target.contains(LIST) { list.clone() } else { act(seen, nth) });
    place.run(&plan(&mock, &["naver"], "", actions)).exits(code);
    (mock, place.row())
}

/// Runs one DigiCert revoke.
fn digicert(code: i32, act: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> (Mock, Row) {
    let (place, mock) = (Place::new(), Mock::start(act));
    place.run(&plan(&mock, &["digicert"], "", DIGICERT)).exits(code);
    (mock, place.row())
}

#[track_caller]
fn check(row: &Row, outcome: &str, attempts: &str, status: &str) {
    let found = (row["outcome"].as_str(), row["attempts"].as_str(), row["http_status"].as_str());
    assert_eq!(found, (outcome, attempts, status), "{row:?}");
}

#[test]
fn what_is_refused_and_found_done_was_done_before() {
    let refused = json(400, r#"{"returnCode":"2000","returnMessage":"Invalid parameter"}"#);
    let (mock, row) = naver(REVOKE, 0, move |_, _| refused.clone(), naver_list("1", 7, "-5"));
    check(&row, "already-done", "1", "400");
    assert_eq!(row["provider_code"], "2000");
    assert_eq!(mock.lines()[1], "GET /api/v2/certificate/getPaidCertificates?page=1&pageSize=100");
    assert_eq!(mock.seen().len(), 2);
}

#[test]
fn what_is_refused_and_found_undone_is_rejected() {
    let refused = json(400, r#"{"returnCode":"2000","returnMessage":"Invalid parameter"}"#);
    let (mock, row) = naver(REVOKE, 1, move |_, _| refused.clone(), naver_list("1", 7, "1"));
    check(&row, "rejected", "1", "400");
    assert!(row["provider_message"].contains("Invalid parameter"), "{row:?}");
    assert_eq!(mock.count("/revoke"), 1);
}

#[test]
fn an_error_inside_a_200_is_no_success() {
    let inside = json(200, r#"{"returnCode":"1000","returnMessage":"Invalid request"}"#);
    let (mock, row) = naver(REVOKE, 1, move |_, _| inside.clone(), naver_list("1", 7, "1"));
    check(&row, "rejected", "1", "200");
    assert_eq!((row["provider_code"].as_str(), mock.count("/revoke")), ("1000", 1));
}

#[test]
fn a_request_that_waits_for_a_person_is_pending() {
    let answer =
        r#"{"id":9917,"date":"2026-11-22T00:00:00+00:00","type":"revoke","status":"pending","comments":"INC-42"}"#;
    let (_, row) = digicert(0, move |_, _| json(201, answer));
    check(&row, "pending-approval", "1", "201");
    assert_eq!(row["provider_ref"], "9917");
    let (_, row) = digicert(0, |_, _| json(201, r#"{"id":3,"type":"revoke","status":"approved"}"#));
    check(&row, "succeeded", "1", "201");
    let (_, row) = digicert(1, |_, _| json(201, r#"{"id":4,"type":"revoke","status":"rejected"}"#));
    check(&row, "rejected", "1", "201");
}

#[test]
fn connections_that_are_refused_each_time_are_a_failure() {
    let place = Place::new();
    let mock = Mock::start(|_, _| Act::Close);
    let text = plan(&mock, &["digicert"], "", DIGICERT);
    // A port that was just free and is no more listened on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.run(&text.replace(&mock.authority(), &port.to_string())).exits(1);
    check(&place.row(), "failed", "3", "");
    assert!(mock.seen().is_empty());
    // The same in another process: what surely had no effect may be tried again, when somebody asks for it.
    place.certsweep(&["resume", "run", "--yes", "--retry", "failed"]).exits(1);
    check(&place.row(), "failed", "6", "");
}

#[test]
fn a_lost_revoke_is_asked_again() {
    let (mock, row) =
        naver(REVOKE, 0, |_, nth| if nth == 0 { Act::Close } else { naver_done() }, naver_list("1", 7, "1"));
    check(&row, "succeeded", "2", "200");
    assert_eq!(mock.lines(), ["POST /api/v2/certificate/revoke"; 2]);
}

#[test]
fn a_revoke_that_is_always_lost_is_looked_up() {
    for (found, code, outcome) in
        [("-5", 0, "succeeded"), ("-7", 0, "pending-approval"), ("1", 1, "failed"), ("-2", 1, "in-doubt")]
    {
        let (mock, row) = naver(REVOKE, code, |_, _| Act::Close, naver_list("1", 7, found));
        check(&row, outcome, "3", "");
        assert_eq!(mock.count("/revoke"), 3);
    }
}

#[test]
fn a_lost_reissue_is_never_sent_again() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| if seen.target.contains(LIST) { naver_list("9", 55882, "1") } else { Act::Close });
    place.run(&plan(&mock, &["naver"], "", &reissue("new", 55882))).exits(1);
    let row = place.row();
    check(&row, "in-doubt", "1", "");
    assert!(row["provider_message"].contains("it may have taken effect"), "{row:?}");
    for retry in ["in-doubt", "failed,in-doubt,rejected"] {
        place.certsweep(&["resume", "run", "--yes", "--retry", retry]).exits(1);
        check(&place.row(), "in-doubt", "1", "");
    }
    place.certsweep(&["resume", "run", "--yes"]).exits(1);
    assert_eq!(mock.count("/reissue"), 1, "{:?}", mock.lines());
}

#[test]
fn a_lost_reissue_that_a_status_query_finds_under_way_is_resolved() {
    let (mock, row) = naver(&reissue("new", 55882), 0, |_, _| Act::Close, naver_list("9", 55882, "0"));
    assert_eq!(row["outcome"], "pending-approval", "{row:?}");
    assert_eq!(mock.count("/reissue"), 1);
}

#[test]
fn a_reissue_is_not_sent_again_on_a_connection_that_the_provider_closes() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match seen.target.as_str() {
        target if target.contains(LIST) => empty(500),
        target if target.contains("/1/") => naver_done(),
        _ => Act::Close,
    });
    let actions = reissue("one", 1) + &reissue("two", 2);
    let text = plan(&mock, &["naver"], "safety: {canary: 1}", &actions);
    place.run(&text).exits(1);
    assert_eq!(place.outcomes(), [("one".into(), "succeeded".into()), ("two".into(), "in-doubt".into())]);
    assert_eq!((mock.count("/1/reissue"), mock.count("/2/reissue")), (1, 1));
}

#[test]
fn a_2xx_that_nobody_declares_is_looked_up_or_stays_in_doubt() {
    for answer in [
        json(202, r#"{"returnCode":"0"}"#),
        json(200, r#"{"totalRows":1}"#),
        json(200, "<html>Welcome</html>").with("X-Kind", "html"),
        empty(204),
    ] {
        let (first, second) = (answer.clone(), answer);
        let (mock, row) = naver(REVOKE, 0, move |_, _| first.clone(), naver_list("1", 7, "-5"));
        assert_eq!((row["outcome"].as_str(), mock.count("/revoke")), ("succeeded", 1), "{row:?}");
        let (mock, row) = naver(REVOKE, 1, move |_, _| second.clone(), naver_list("1", 7, "-2"));
        assert_eq!((row["outcome"].as_str(), mock.count("/revoke")), ("in-doubt", 1), "{row:?}");
    }
    let (mock, row) = digicert(1, |_, _| json(200, "{}"));
    check(&row, "in-doubt", "1", "200");
    assert_eq!(mock.seen().len(), 1, "nothing to look up with: {:?}", mock.lines());
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Mock::start(|_, _| empty(204));
    for status in [301, 302, 303, 307, 308] {
        let target = format!("{}/taken", elsewhere.url());
        let (mock, row) = digicert(1, move |_, _| empty(status).with("Location", &target));
        assert_eq!(mock.seen().len(), 1, "{status}");
        assert_eq!((row["outcome"].as_str(), row["http_status"].as_str()), ("in-doubt", status.to_string().as_str()));
    }
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn an_answer_that_breaks_off_is_no_answer() {
    let (mock, row) = naver(
        REVOKE,
        0,
        |_, nth| {
            if nth == 0 { Act::Truncate { status: 200, body: br#"{"returnCode":"0""#.to_vec() } } else { naver_done() }
        },
        naver_list("1", 7, "1"),
    );
    check(&row, "succeeded", "2", "200");
    assert_eq!(mock.count("/revoke"), 2);
    let cut = || Act::Truncate { status: 200, body: br#"{"returnCode":"0"}"#.to_vec() };
    let (mock, row) = naver(&reissue("new", 5), 1, move |_, _| cut(), naver_list("9", 5, "1"));
    assert_eq!((row["outcome"].as_str(), mock.count("/reissue")), ("in-doubt", 1), "{row:?}");
}

#[test]
fn a_gateway_that_breaks_down_is_asked_again_only_where_that_is_harmless() {
    for status in [500, 502, 503, 504] {
        let broken = move |_: &Seen, nth: usize| if nth < 2 { json(status, "<html/>") } else { naver_done() };
        let (mock, row) = naver(REVOKE, 0, broken, naver_list("1", 7, "1"));
        assert_eq!((row["outcome"].as_str(), mock.count("/revoke")), ("succeeded", 3), "{status}");
        let (mock, row) = naver(&reissue("new", 5), 1, broken, naver_list("9", 5, "1"));
        assert_eq!((row["outcome"].as_str(), mock.count("/reissue")), ("in-doubt", 1), "{status}");
    }
}

#[test]
fn a_huawei_ca_is_looked_up_where_its_revocation_is_refused() {
    for (status, code, outcome) in
        [("REVOKED", 0, "already-done"), ("ACTIVED", 1, "rejected"), ("DELETED", 1, "rejected")]
    {
        let place = Place::new();
        let mock = Mock::start(move |seen, _| match seen.method.as_str() {
            "GET" => {
                json(200, &format!(r#"{{"ca_id":"{CA}","type":"SUBORDINATE","status":"{status}","freeze_flag":0}}"#))
            }
            _ => json(400, r#"{"error_code":"PCA.10010002","error_msg":"The object does not exist."}"#),
        });
        place
            .run(&plan(&mock, &["huawei"], "", &format!("  - {{provider: huawei, action: revoke-ca, ca_id: {CA}}}\n")))
            .exits(code);
        assert_eq!(place.row()["outcome"], outcome);
        assert_eq!(mock.lines()[1], format!("GET /v1/private-certificate-authorities/{CA}"));
    }
}

#[test]
fn what_needs_a_failure_is_skipped_and_a_duplicate_is_well() {
    let (place, mock) = (
        Place::new(),
        Mock::start(|seen, _| {
            if seen.target.contains("/1/") {
                json(404, r#"{"errors":[{"code":"not_found","message":"no such"}]}"#)
            } else {
                empty(204)
            }
        }),
    );
    let actions = "  - {id: third, action: revoke, certificate_id: 3, needs: [second]}\n\
                   \x20 - {id: second, action: revoke, certificate_id: 2, needs: [first]}\n\
                   \x20 - {id: first, action: revoke, certificate_id: 1}\n\
                   \x20 - {id: other, action: revoke, certificate_id: 4}\n\
                   \x20 - {id: after, action: revoke, certificate_id: 5, needs: [other]}\n";
    place.run(&plan(&mock, &["digicert"], "defaults: {provider: digicert}", actions)).exits(1);
    let expected = [
        ("third", "skipped"),
        ("second", "skipped"),
        ("first", "rejected"),
        ("other", "succeeded"),
        ("after", "succeeded"),
    ];
    assert_eq!(place.outcomes(), expected.map(|(id, outcome)| (id.into(), outcome.into())));
    assert_eq!((mock.count("/2/"), mock.count("/3/")), (0, 0));
    let rows = place.rows();
    assert!(rows[1]["provider_message"].contains("first"), "{rows:?}");
    assert_eq!((rows[0]["attempts"].as_str(), rows[0]["started_at"].as_str()), ("0", ""));

    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let actions =
        "  - {id: a, action: revoke, certificate_id: 1}\n  - {id: b, action: revoke, certificate_id: \"1\"}\n";
    let done = place.run(&plan(&mock, &["digicert"], "defaults: {provider: digicert}", actions)).exits(0);
    assert!(done.err.contains("warning"), "{}", done.err);
    assert_eq!(place.outcomes(), [("a".into(), "succeeded".into()), ("b".into(), "skipped".into())]);
    assert!(place.rows()[1]["provider_message"].contains("duplicate"));
    assert_eq!(mock.seen().len(), 1);
}

#[test]
fn a_plan_with_all_ends_has_them_in_its_report_in_plan_order() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match seen.target.as_str() {
        target if target.contains("/1/") => empty(204),
        target if target.contains("/2/") => json(201, r#"{"id":2,"type":"revoke","status":"submitted"}"#),
        target if target.contains("/3/") => json(400, r#"{"errors":[{"code":"bad_request_format","message":"no"}]}"#),
        target if target.contains("/4/") => json(200, "{}"),
        target if target.contains("getPaid") => naver_list("1", 7, "-5"),
        _ => json(400, r#"{"returnCode":"2000","returnMessage":"no"}"#),
    });
    let mut actions: String = (1..=4)
        .map(|id| format!("  - {{id: d{id}, provider: digicert, action: revoke, certificate_id: {id}}}\n"))
        .collect();
    actions.push_str(REVOKE);
    let done = place.run(&plan(&mock, &["digicert", "naver"], "", &actions)).exits(1);
    let expected = [
        ("d1", "succeeded"),
        ("d2", "pending-approval"),
        ("d3", "rejected"),
        ("d4", "in-doubt"),
        ("a", "already-done"),
    ];
    assert_eq!(place.outcomes(), expected.map(|(id, outcome)| (id.into(), outcome.into())));
    assert!(done.out.contains("resume run --retry in-doubt"), "{}", done.out);
}
