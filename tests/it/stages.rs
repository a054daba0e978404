//! Actions of several requests from the command line: what waits for a person ends the run at once, is looked up by `--retry pending`, and nothing
//! is sent twice; a certificate that is not what was asked for is no success.

use super::mock::{Act, Mock, empty, json};
use super::place::{Place, csr};
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
    let plan = format!(
        "version: 1\nproviders:\n  staged: {{base_url: \"{}\"}}\nactions:\n  - {{id: one, provider: staged, action: reissue, order_id: 7, csr: \"{}\"}}\n",
        mock.url(),
        csr()
    );
    place.file("plan.yaml", plan);
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
