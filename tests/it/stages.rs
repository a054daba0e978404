//! Actions of several requests from the command line: what waits for a person ends the run at once, is looked up by `--retry pending`, and nothing
//! is sent twice; a certificate that is not what was asked for is no success.

use super::mock::{Act, Mock, empty, json};
use super::place::{CommandOutput, Place, csr, plan};
use crate::support::side_by_side;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const DOCUMENT: &str = include_str!("../data/documents/good/stages.yaml");

#[test]
fn what_waits_for_a_person_is_settled_by_a_look_and_nothing_is_sent_twice() {
    let approved = Arc::new(AtomicBool::new(false));
    let is_approved = Arc::clone(&approved);
    let mock = Mock::start(move |seen, _| match (seen.method.as_str(), seen.target.rsplit('/').next()) {
        ("POST", Some("reissue")) => json(201, r#"{"request":"r-1"}"#),
        ("POST", Some("validate")) => empty(204),
        (_, Some("r-1")) if is_approved.load(Ordering::SeqCst) => json(200, r#"{"state":"issued","serial":"0a"}"#),
        (_, Some("r-1")) => json(200, r#"{"state":"asks"}"#),
        _ => {
            let headers = vec![("Content-Type".to_owned(), "application/x-pem-file".to_owned())];
            Act::Answer { status: 200, headers, body: b"no certificate".to_vec() }
        }
    });
    let mut place = Place::bare();
    place.set("STAGED_TOKEN", "a-token-of-some-length");
    place.file("own/staged.yaml", DOCUMENT);
    let text = format!(
        "version: 1\nproviders:\n  staged: {{base_url: \"{}\"}}\nactions:\n  - {{id: one, provider: staged, action: reissue, order_id: 7, csr: \"{}\"}}\n",
        mock.url(),
        csr()
    );
    place.file("plan.yaml", text);
    let with = |arguments: &[&'static str]| [arguments, &["--yes", "--provider-dir", "own"]].concat();
    place.certsweep(&with(&["run", "plan.yaml", "--run-dir", "run"])).exits(0).says(&["1 pending-approval"]);
    // The columns of a new certificate hang on the plan, not on how the run went.
    assert!(
        place
            .read("run/report.csv")
            .lines()
            .next()
            .unwrap()
            .contains(",source,new_serial_number,new_not_after,new_certificate")
    );
    assert!(place.row()["provider_message"].contains("a person at the CA must approve it"));
    // Looked at again, it waits still.
    place.certsweep(&with(&["resume", "run", "--retry", "pending"])).exits(0);
    place.certsweep(&with(&["resume", "run", "--retry", "pending", "--strict"])).exits(1);
    assert_eq!(place.row()["outcome"], "pending-approval");
    approved.store(true, Ordering::SeqCst);
    place.certsweep(&with(&["resume", "run", "--retry", "pending"])).exits(1);
    let row = place.row();
    assert_eq!(row["outcome"], "in-doubt");
    assert!(row["provider_message"].contains("what came as the new certificate is none"), "{row:?}");
    assert_eq!((mock.count("/reissue"), mock.count("/validate")), (1, 1));
    assert_eq!(mock.lines().iter().filter(|line| line.ends_with("/requests/r-1")).count(), 4);
}

#[test]
fn what_needs_an_approval_waits_for_it_and_each_pending_request_is_settled_by_its_own() {
    let settled = Arc::new(AtomicBool::new(false));
    let is_settled = Arc::clone(&settled);
    let mock = Mock::start(move |seen, _| match (seen.method.as_str(), seen.target.as_str()) {
        ("PUT", target) if target.contains("/order/certificate/") => {
            let order = target.split('/').nth(5).unwrap_or_default().to_owned();
            json(201, &format!(r#"{{"id":{order},"status":"pending"}}"#))
        }
        ("PUT", _) => empty(204),
        (_, target) => {
            let state = match target.rsplit('/').next() {
                Some("1") if is_settled.load(Ordering::SeqCst) => "approved",
                Some("2") => "rejected",
                _ => "pending",
            };
            json(200, &format!(r#"{{"id":{},"status":"{state}"}}"#, target.rsplit('/').next().unwrap_or_default()))
        }
    });
    let place = Place::new();
    let orders = (1..4).map(|order| format!("  - {{id: o{order}, action: revoke-order, order_id: {order}}}\n"));
    let actions = orders.collect::<String>()
        + "  - {id: after, action: revoke, certificate_id: 9, skip_approval: true, needs: [o1]}\n";
    let text = plan(&mock, &["digicert"], "defaults: {provider: digicert}", &actions);
    place.run(&text).exits(3).says(&["1 action waits for one that the CA has accepted and not finished"]);
    assert_eq!(mock.lines().iter().filter(|line| line.starts_with("GET ")).count(), 1);
    settled.store(true, Ordering::SeqCst);
    let outcomes = |place: &Place| place.outcomes().into_iter().map(|(_, outcome)| outcome).collect::<Vec<_>>();
    assert_eq!(outcomes(&place), ["pending-approval", "pending-approval", "pending-approval", "skipped"]);
    // What something waits for is looked at by itself.
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
    assert_eq!(outcomes(&place), ["succeeded", "pending-approval", "pending-approval", "succeeded"]);
    place.certsweep(&["resume", "run", "--yes", "--retry", "pending"]).exits(1);
    assert_eq!(outcomes(&place), ["succeeded", "rejected", "pending-approval", "succeeded"]);
    // Nothing was sent a second time.
    assert_eq!(mock.seen().iter().filter(|seen| seen.method == "PUT").count(), 4);
}

/// DigiCert as far as reissues go: orders whose certificate names `shop.example.com` and `www.shop.example.com`.
fn reissues(
    place: &Place,
    answer: impl Fn(&str, &str) -> Option<Act> + Send + Sync + 'static,
    fields: &str,
) -> (Mock, CommandOutput) {
    let mock = Mock::start(move |seen, _| {
        let below = seen.target.trim_start_matches("/services/v2");
        if let Some(act) = answer(&seen.method, below) {
            return act;
        }
        match (seen.method.as_str(), below.split('/').nth(4)) {
            ("POST", _) => json(201, r#"{"id":55,"requests":[{"id":7}]}"#),
            ("GET", Some("reissue")) => json(200, r#"{"certificates":[]}"#),
            ("GET", None) if below.starts_with("/request/") => json(200, r#"{"id":7,"status":"approved"}"#),
            ("GET", None) => json(200, ORDER),
            _ => Act::Answer {
                status: 200,
                headers: vec![("Content-Type".into(), "text/plain".into())],
                body: PEM.into(),
            },
        }
    });
    let action =
        format!("  - {{action: reissue, order_id: 55, common_name: shop.example.com, csr: \"{}\"{fields}}}\n", csr());
    let output = place.run(&plan(&mock, &["digicert"], "defaults: {provider: digicert}", &action));
    (mock, output)
}

const ORDER: &str = r#"{"id":55,"status":"issued","certificate":{"id":1,"common_name":"shop.example.com","dns_names":["shop.example.com","www.shop.example.com"]}}"#;
/// One that is for another key than any request of these tests.
const PEM: &str = include_str!("../data/plans/replaced.pem");

#[test]
fn a_reissue_that_would_drop_a_name_is_not_sent_unless_the_plan_says_so() {
    let place = Place::new();
    let (mock, output) = reissues(&place, |_, _| None, "");
    output.exits(1);
    let row = place.row();
    assert_eq!((row["outcome"].as_str(), row["attempts"].as_str()), ("skipped", "0"));
    assert!(row["provider_message"].contains("also names `www.shop.example.com`"), "{row:?}");
    assert!(row["provider_message"].contains("`drop_names: [www.shop.example.com]`"), "{row:?}");
    assert_eq!(mock.lines(), ["GET /services/v2/order/certificate/55"]);

    let place = Place::new();
    let (mock, _) = reissues(&place, |_, _| None, ", drop_names: [WWW.shop.example.com]");
    // What came is another's, and the request's id is known all the same.
    let row = place.row();
    assert_eq!((row["outcome"].as_str(), row["provider_ref"].as_str()), ("in-doubt", "7"), "{row:?}");
    assert!(row["provider_message"].contains("for another key"), "{row:?}");
    assert_eq!(mock.count("/reissue"), 1);
}

#[test]
fn a_record_that_cannot_be_read_is_told_of_and_no_reason_to_wait() {
    let cases = [
        (403, r#"{"errors":[{"code":"access_denied","message":"no"}]}"#, 1),
        (404, r#"{"errors":[{"code":"not_found|order","message":"no such order"}]}"#, 1),
        (500, "", 3),
    ];
    side_by_side(cases, |(status, body, tries)| {
        let place = Place::new();
        let order = |method: &str, below: &str| method == "GET" && below == "/order/certificate/55";
        let is_first = AtomicBool::new(true);
        let sent = move |method: &str, below: &str| {
            is_first.fetch_and(method == "GET", Ordering::SeqCst);
            (is_first.load(Ordering::SeqCst) && order(method, below)).then(|| json(status, body))
        };
        let (mock, output) = reissues(&place, sent, "");
        output.says(&["it cannot be read whether", "drops a name; it is sent all the same"]);
        let before = mock.lines().iter().position(|line| line.starts_with("POST")).unwrap();
        assert_eq!(before, tries, "{status}: {:?}", mock.lines());
    });
}

#[test]
fn a_reissue_whose_answer_is_lost_is_settled_by_its_order_and_not_asked_for_again() {
    // The list of reissues shows it: the request's id is not known, so the order tells the rest.
    let listed = format!(
        r#"{{"certificates":[{{"id":2,"status":"STATUS","csr":{}}}]}}"#,
        serde_json::json!(std::fs::read_to_string("tests/data/plans/shop.csr").unwrap())
    );
    let cases = [
        ("issued", "in-doubt", "for another key"),
        ("reissue_pending", "in-doubt", "for another key"),
        // It may be an earlier one.
        ("rejected", "in-doubt", "look at its history for a reissue with this request"),
        ("unheard of", "in-doubt", "look at its history for a reissue with this request"),
    ];
    side_by_side(cases, |(status, outcome, words)| {
        let place = Place::new();
        let list = listed.replace("STATUS", status);
        let lost = move |method: &str, below: &str| match (method, below) {
            ("POST", _) => Some(Act::Close),
            ("GET", "/order/certificate/55/reissue") => Some(json(200, &list)),
            _ => None,
        };
        let (mock, output) = reissues(&place, lost, ", drop_names: [www.shop.example.com]");
        output.exits(1);
        let row = place.row();
        assert_eq!(row["outcome"], outcome, "{status}: {row:?}");
        assert!(row["provider_message"].contains(words), "{status}: {row:?}");
        let posts = mock.lines().iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(posts, 1, "{status}: {:?}", mock.lines());
        assert!(!mock.lines().iter().any(|line| line.contains("/request/")), "{status}: {:?}", mock.lines());
        let followed = mock.lines().iter().any(|line| line.contains("/certificate/download/"));
        assert_eq!(followed, words == "for another key", "{status}: {:?}", mock.lines());
    });
}

#[test]
fn each_thing_that_goes_wrong_with_a_reissue_is_told_and_none_is_asked_for_twice() {
    let file = |pem: &'static str| Act::Answer {
        status: 200,
        headers: vec![("Content-Type".into(), "text/plain".into())],
        body: pem.into(),
    };
    let fits = file(include_str!("../data/plans/reissued.pem"));
    let lacks = file(include_str!("../data/plans/reissued-other-name.pem"));
    let gone = json(404, r#"{"errors":[{"code":"not_found","message":"no such request"}]}"#);
    let refused =
        json(400, r#"{"errors":[{"code":"a_code_of_its_own","message":"This order has a pending reissue."}]}"#);
    let order = |status: &str| json(200, &ORDER.replace("issued", status));
    let (request, download) = ("GET /request/7", "GET /certificate/download/order/55/format/pem_all");
    let (before, after) = ("before GET /order/certificate/55", "after GET /order/certificate/55");
    let cases = [
        (vec![(download, fits.clone())], "succeeded", "", 1),
        // The CA has changed what was asked for.
        (vec![(download, lacks)], "in-doubt", "lacks shop.example.com, which the request asks for", 1),
        (vec![(after, order("canceled"))], "rejected", "step `issued`: the provider reports that it was refused", 1),
        (vec![(after, order("revoked"))], "rejected", "step `issued`: the provider reports that it was refused", 1),
        (
            vec![(request, json(200, r#"{"id":7,"status":"rejected"}"#))],
            "rejected",
            "step `approved`: the provider reports that it was refused",
            1,
        ),
        (
            vec![(request, json(200, r#"{"id":7,"status":"pending"}"#))],
            "pending-approval",
            "a person at the CA must approve it",
            1,
        ),
        (
            vec![(request, gone.clone())],
            "in-doubt",
            "accepted, and what became of it cannot be read: step `approved`: no such request",
            1,
        ),
        (
            vec![(after, gone)],
            "in-doubt",
            "accepted, and what became of it cannot be read: step `issued`: no such request",
            1,
        ),
        (
            vec![(before, order("reissue_pending"))],
            "failed",
            "never sent: a reissue of this order is pending already; wait for it, or end it with cancel-order-request",
            0,
        ),
        (vec![("POST /order/certificate/55/reissue", refused)], "rejected", "This order has a pending reissue.", 1),
    ];
    side_by_side(cases, |(answers, outcome, words, sent)| {
        let place = Place::new();
        let is_asked = AtomicBool::new(false);
        let scripted = answers.clone();
        let answer = move |method: &str, below: &str| {
            let when = if is_asked.load(Ordering::SeqCst) { "after" } else { "before" };
            is_asked.fetch_or(method == "POST", Ordering::SeqCst);
            let line = format!("{method} {below}");
            let is_it = |told: &str| told == line || told == format!("{when} {line}");
            scripted.iter().find(|(told, _)| is_it(told)).map(|(_, act)| act.clone())
        };
        let (mock, _) = reissues(&place, answer, ", drop_names: [www.shop.example.com]");
        let row = place.row();
        assert_eq!(row["outcome"], outcome, "{row:?}");
        assert!(row["provider_message"].contains(words), "{words}: {row:?}");
        let posts = mock.lines().iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(posts, sent, "{words}: {:?}", mock.lines());
        let reference = if outcome == "failed" || words.starts_with("This order") { "" } else { "7" };
        assert_eq!(row["provider_ref"], reference, "{row:?}");
        // Nor by a second process that takes it up again, where it was asked for.
        if sent == 1 && outcome != "rejected" {
            place.certsweep(&["resume", "run", "--yes", "--retry", "pending,in-doubt"]);
            assert_eq!(
                mock.lines().iter().filter(|line| line.starts_with("POST")).count(),
                1,
                "{words}: {:?}",
                mock.lines()
            );
        }
    });
}
