//! The connection itself: clocks, time limits and what is no HTTP; and that accounts of one provider are apart.

use super::limits::revokes;
use super::mock::{Act, Mock, empty, naver_done, naver_list};
use super::place::{Place, plan, reissue};

#[test]
fn a_clock_that_is_far_off_is_warned_of_once() {
    for (ahead, warned) in [(0, 0), (30, 0), (3600, 1), (-3600, 1)] {
        let place = Place::new();
        let mock = Mock::start(move |_, _| {
            let at = jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap();
            let at = at + jiff::SignedDuration::from_secs(ahead);
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap();
            empty(204).with("Date", &date)
        });
        let done = place.run(&revokes(&mock, "rate: [1000/1s]", 3)).exits(0);
        assert_eq!(done.err.matches("clock").count(), warned, "{ahead}: {}", done.err);
        let side = if ahead > 0 { "behind that of digicert" } else { "ahead of that of digicert" };
        assert_eq!(done.err.matches(side).count(), warned, "{ahead}: {}", done.err);
    }
}

#[test]
fn an_attempt_that_takes_too_long_is_given_up() {
    let place = Place::new();
    let mock = Mock::start(|seen, nth| match (seen.method.as_str(), nth) {
        ("GET", _) => naver_list("9", 5, "1"),
        (_, 0) => naver_done().held(),
        _ => naver_done(),
    });
    let actions =
        "  - {id: old, provider: naver, action: revoke, orderId: \"1\", certificateNo: 1, reason: superseded}\n";
    let text = plan(&mock, &["naver"], "timeout: 300ms", &(actions.to_owned() + &reissue("new", 5)));
    place.run(&text).exits(1);
    assert_eq!(place.outcomes(), [("old".into(), "succeeded".into()), ("new".into(), "in-doubt".into())]);
    assert_eq!((mock.count("/revoke"), mock.count("/reissue")), (2, 1));
}

#[test]
fn what_is_no_http_is_no_answer() {
    let garbage: [&[u8]; 4] = [
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
        b"\r\n\r\n",
    ];
    for bytes in garbage {
        let place = Place::new();
        let mock = Mock::start(move |seen, nth| match (seen.method.as_str(), nth) {
            ("GET", _) => naver_list("9", 5, "1"),
            (_, 0) => Act::Raw(bytes.to_vec()),
            _ => naver_done(),
        });
        let actions =
            "  - {id: old, provider: naver, action: revoke, orderId: \"1\", certificateNo: 1, reason: superseded}\n";
        place.run(&plan(&mock, &["naver"], "", &(actions.to_owned() + &reissue("new", 5)))).exits(1);
        assert_eq!(
            place.outcomes(),
            [("old".into(), "succeeded".into()), ("new".into(), "in-doubt".into())],
            "{bytes:?}"
        );
        assert_eq!((mock.count("/revoke"), mock.count("/reissue")), (2, 1));
    }
}

#[test]
fn an_endless_body_is_not_read_to_its_end() {
    let place = Place::new();
    let flood = Mock::start(|_, _| Act::Answer { status: 200, headers: Vec::new(), body: vec![b' '; 40 << 20] });
    let actions = "  - {provider: digicert, action: revoke, certificate_id: 1}\n";
    place.run(&plan(&flood, &["digicert"], "", actions)).exits(1);
    assert_eq!(place.row()["outcome"], "in-doubt");
}

#[test]
fn two_accounts_of_one_provider_are_apart() {
    let mut place = Place::new();
    place.set("OTHER_KEY", "other-access-key");
    let mock = Mock::start(|seen, nth| match seen.header("x-ncp-iam-access-key") {
        Some("other-access-key") => naver_done(),
        _ if nth < 1 => empty(429).with("Retry-After", "1"),
        _ => naver_done(),
    });
    let url = mock.url();
    place.run(&format!(
        "version: 1\nproviders:\n\
         \x20 one: {{uses: naver, base_url: \"{url}/one\", rate: [1000/1s], reasons: {{keyCompromise: unspecified}}}}\n\
         \x20 two: {{uses: naver, base_url: \"{url}/two\", rate: [1000/1s], credentials: {{access_key: \"env:OTHER_KEY\", secret_key: \"env:NCP_SECRET_KEY\"}}}}\n\
         actions:\n\
         \x20 - {{id: a, provider: one, action: revoke, orderId: \"1\", certificateNo: 1, reason: keyCompromise}}\n\
         \x20 - {{id: b, provider: two, action: revoke, orderId: \"1\", certificateNo: 1, reason: superseded}}\n\
         \x20 - {{id: c, provider: two, action: revoke, orderId: \"1\", certificateNo: 2, reason: superseded}}\n"
    ))
    .exits(0);
    let order: Vec<String> = mock.seen().iter().map(|seen| seen.target.clone()).collect();
    assert_eq!(
        order.last().map(String::as_str),
        Some("/one/certificate/revoke"),
        "the other account did not wait: {order:?}"
    );
    assert_eq!(order.len(), 4);
    let rows = place.rows();
    assert_eq!((rows[0]["reason"].as_str(), rows[0]["reason_sent"].as_str()), ("keyCompromise", "unspecified"));
    assert_eq!((rows[0]["provider"].as_str(), rows[1]["provider"].as_str()), ("one", "two"));
    let sent = mock.seen();
    let compromised = sent.iter().find(|seen| seen.target.starts_with("/one")).unwrap();
    assert_eq!(compromised.text(), r#"{"orderId":"1","certificateNo":1,"revokeType":"unspecified"}"#);
}
