//! Actions of several requests from the command line: what waits for a person ends the run at once, is looked up by `--retry pending`, and nothing
//! is sent twice; a certificate that is not what was asked for is no success.

use super::mock::{Act, Mock, empty, json};
use super::place::{Place, csr, plan};
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
    let mock = Mock::start(|seen, _| match (seen.method.as_str(), seen.target.as_str()) {
        ("PUT", target) if target.contains("/order/certificate/") => {
            let order = target.split('/').nth(5).unwrap_or_default().to_owned();
            json(201, &format!(r#"{{"id":{order},"status":"pending"}}"#))
        }
        ("PUT", _) => empty(204),
        (_, target) => {
            let state = match target.rsplit('/').next() {
                Some("1") => "approved",
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
