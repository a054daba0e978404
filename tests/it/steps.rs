//! Entries with steps, end to end: a revocation that a second person approves, from the plan to what is left of it.

use super::mock::{Mock, empty, json};
use super::place::{Place, plan};
use super::verify::{Authority, bytes};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const STEPS: &str = "  - from: targets.csv\n\
                     \x20   provider: chained\n\
                     \x20   steps:\n\
                     \x20     - {action: revoke}\n\
                     \x20     - {action: approve, request: $steps.revoke.outputs.reference}\n\
                     \x20     - {wait: approved, within: 24h}\n\
                     \x20     - {wait: revoked, within: 1h}\n\
                     \x20 - {id: after, provider: chained, action: revoke, number: 9, needs: [\"targets.csv:2\"]}\n";

#[test]
fn what_needs_an_entry_that_comes_later_waits_for_its_last_step() {
    let mock = authority(&Arc::new(AtomicBool::new(true)));
    let place = place();
    let (rows, after) = STEPS.split_once("  - {id: after").unwrap();
    place.file("plan.yaml", plan(&mock, &["chained"], "", &format!("  - {{id: after{after}{rows}")));
    let preview = place.certsweep(&["preview", "plan.yaml", "--json"]).exits(0).json();
    assert_eq!(preview["order"]["first"][0]["needs"], serde_json::json!(["targets.csv:2/revoked"]));
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run"]).exits(0);
    let asked: Vec<String> = mock.seen().iter().map(|seen| seen.target.clone()).collect();
    assert_eq!(asked.last().map(String::as_str), Some("/certificates/9/revoke"), "{asked:?}");
    place.certsweep(&["report", "run", "--format", "plan", "-o", "left.yaml"]).exits(0);
    assert!(place.read("left.yaml").contains("needs: [\"targets.csv:2/revoked\"]"), "{}", place.read("left.yaml"));
}

#[test]
fn to_verify_is_advised_only_where_a_revocation_has_ended_well() {
    let mock = Mock::start(|seen, _| match seen.target.as_str() {
        "/requests/70/approve" => empty(204),
        "/certificates/7/revoke" => json(403, r#"{"code":"closed"}"#),
        _ => json(201, r#"{"state":"revoked"}"#),
    });
    for (number, exit) in [(7, 1), (9, 0)] {
        let place = place();
        let actions = format!(
            "  - {{provider: chained, action: revoke, number: {number}}}\n  - {{provider: chained, action: approve, request: \"70\"}}\n"
        );
        let done = place.run(&plan(&mock, &["chained"], "", &actions)).exits(exit);
        assert_eq!(done.out.contains("certsweep verify"), exit == 0, "{done:?}");
    }
}

/// A CA whose revocations wait for an approval, which it takes only where `is_open`.
fn authority(is_open: &Arc<AtomicBool>) -> Mock {
    let (approved, is_open) = (AtomicBool::new(false), Arc::clone(is_open));
    Mock::start(move |seen, _| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", "/requests/70/approve") if is_open.load(Ordering::SeqCst) => {
            approved.store(true, Ordering::SeqCst);
            empty(204)
        }
        ("POST", "/requests/70/approve") => json(403, r#"{"code":"closed"}"#),
        ("POST", "/certificates/7/revoke") => json(201, r#"{"state":"asked","request":"70"}"#),
        ("POST", "/certificates/9/revoke") => json(201, r#"{"state":"revoked"}"#),
        ("GET", "/certificates/7") if approved.load(Ordering::SeqCst) => json(200, r#"{"state":"revoked"}"#),
        ("GET", "/certificates/7") => json(200, r#"{"state":"asked"}"#),
        other => panic!("{other:?}"),
    })
}

fn place() -> Place {
    let mut place = Place::new();
    place.file("documents/chained.yaml", include_str!("../data/documents/good/chained.yaml"));
    place.file("targets.csv", "number\n7\n");
    let documents = place.path("documents").display().to_string();
    place.set("CERTSWEEP_PROVIDERS", &documents);
    place.set("CHAINED_TOKEN", "t0ken-t0ken-t0ken");
    place
}

#[test]
fn a_second_person_approves_and_what_waits_for_that_goes_on() {
    let mock = authority(&Arc::new(AtomicBool::new(true)));
    let place = place();
    let text = plan(&mock, &["chained"], "", STEPS);
    place.file("plan.yaml", &text);
    let preview = place.certsweep(&["preview", "plan.yaml"]).exits(0).out;
    for words in
        ["How long its waits take", "revoke → approve → wait approved → wait revoked", "A stop in the middle of a row"]
    {
        assert!(preview.contains(words), "{preview}");
    }
    // What the run itself approves it looks at once more, without `--wait` too.
    place.run(&text).exits(0);
    let outcomes = place.outcomes();
    assert!(outcomes.iter().all(|(_, outcome)| outcome == "succeeded"), "{outcomes:?}");
    let ids: Vec<&str> = outcomes.iter().map(|(id, _)| id.as_str()).collect();
    let of_row = ["revoke", "approve", "approved", "revoked"].map(|step| format!("targets.csv:2/{step}"));
    assert_eq!(ids[..4], of_row);
    assert_eq!(place.rows()[0]["provider_ref"], "70");
    // The whole run is a plan again, and does the same.
    place.certsweep(&["report", "run", "--format", "plan", "-o", "left.yaml"]).exits(0);
    let left = place.read("left.yaml");
    for line in [
        "  - id: \"targets.csv:2\"\n    steps:\n      - {name: revoke, provider: chained, action: revoke, number: 7}\n",
        "      - {name: approve, provider: chained, action: approve, request: \"$steps.revoke.outputs.reference\"}\n",
        "      - {name: approved, wait: approved, within: \"86400s\"}\n",
        "  - {id: after, provider: chained, action: revoke, needs: [\"targets.csv:2/revoked\"], number: 9}\n",
    ] {
        assert!(left.contains(line), "{left}");
    }
    place.certsweep(&["check", "left.yaml"]).exits(0);
    place.certsweep(&["report", "run", "--format", "plan", "-o", "left.csv"]).exits(2).says(&["left.yaml"]);
}

#[test]
fn what_is_left_of_a_row_has_what_its_earlier_steps_brought() {
    let is_open = Arc::new(AtomicBool::new(false));
    let mock = authority(&is_open);
    let place = place();
    place.run(&plan(&mock, &["chained"], "", STEPS)).exits(1);
    let outcomes: Vec<String> = place.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, ["pending-approval", "rejected", "skipped", "skipped", "skipped"]);
    let left = ["report", "run", "--format", "plan", "--outcome", "rejected,skipped", "-o", "left.yaml"];
    place.certsweep(&left).exits(0);
    let text = place.read("left.yaml");
    assert!(text.contains("{name: approve, provider: chained, action: approve, request: \"70\"}"), "{text}");
    assert!(text.contains("# targets.csv:2/approved (wait approved) is left out"), "{text}");
    assert!(!place.read("run/report.csv").contains("new_serial_number"));
    place.certsweep(&["check", "left.yaml"]).exits(0);
    is_open.store(true, Ordering::SeqCst);
    // The request may be looked at before it is approved, and then this process has nothing else to do.
    let resumed = place.certsweep(&["resume", "run", "--yes", "--retry", "rejected"]);
    assert!([0, 3].contains(&resumed.code), "{resumed:?}");
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
}

#[test]
fn a_revocation_is_waited_for_until_the_list_has_it_and_one_look_serves_all() {
    let authority = Arc::new(Authority::new());
    let (publisher, looks) = (Arc::clone(&authority), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&looks);
    let mock = Mock::start(move |seen, _| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", _) => json(201, r#"{"state":"revoked"}"#),
        ("GET", "/ca.crl") => {
            // The next list has them.
            let listed: &[u64] = if counted.fetch_add(1, Ordering::SeqCst) < 2 { &[] } else { &[7, 8, 9] };
            bytes(publisher.list(listed, 2100))
        }
        other => panic!("{other:?}"),
    });
    let place = place();
    place.file("ca.pem", &authority.pem);
    let mut list = "number,certificate\n".to_owned();
    for number in [7_u64, 8, 9] {
        place.file(&format!("{number}.pem"), authority.issue(number, &format!("{}/ca.crl", mock.url()), None));
        list.push_str(&format!("{number},file:{number}.pem\n"));
    }
    place.file("targets.csv", list);
    let steps = "  - from: targets.csv\n    provider: chained\n    issuer: \"file:ca.pem\"\n    steps:\n      - {action: revoke}\n      - {wait: revoked, by: [crl, ocsp], within: 1h}\n";
    let text = plan(&mock, &["chained"], "", steps);
    place.run(&text).exits(0);
    let rows = place.rows();
    assert!(rows.iter().all(|row| row["outcome"] == "succeeded"), "{rows:?}");
    assert_eq!(rows[1]["provider_message"], "crl: revoked since 2026-01-02T00:00:00Z");
    assert!((3..7).contains(&looks.load(Ordering::SeqCst)), "{looks:?}");
    // The first time at which it was seen counts, whoever asks later.
    place.certsweep(&["verify", "run", "--only", "crl"]).exits(0);
    let verified = place.rows();
    let told: Vec<_> = verified.iter().map(|row| (row["verified"].as_str(), row["verified_at"].as_str())).collect();
    for pair in 0..3 {
        assert_eq!(told[2 * pair], ("revoked", verified[2 * pair + 1]["finished_at"].as_str()), "{verified:?}");
    }
    place.certsweep(&["report", "run", "--format", "plan", "-o", "left.yaml"]).exits(0);
    assert!(place.read("left.yaml").contains("{name: revoked, wait: revoked, within: \"3600s\", by: [crl, ocsp]}"));
    // A rehearsal asks nobody.
    place.certsweep(&["run", "plan.yaml", "--simulate", "--yes", "--run-dir", "drill"]).exits(0);
    let drill = super::place::rows(&place.read("drill/report.rehearsal.csv"));
    let words = &drill[1]["provider_message"];
    assert_eq!(words, "rehearsal: taken as published 10m 00s later; nobody was asked");
}

/// The plan names a CA of the same name that has another key: only its signature tells.
#[test]
fn a_wait_that_nobody_could_end_says_so_at_once() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mock = Mock::start(move |seen, _| match seen.method.as_str() {
        "POST" => json(201, r#"{"state":"revoked"}"#),
        _ => panic!("{:?}", seen.target),
    });
    let place = place();
    place.file("7.pem", authority.issue(7, &format!("{}/ca.crl", mock.url()), None) + &other.pem);
    let steps = "  - provider: chained\n    number: 7\n    certificate: \"file:7.pem\"\n    steps:\n      - {action: revoke}\n      - {wait: revoked, by: crl, within: 9h}\n";
    place.run(&plan(&mock, &["chained"], "", steps)).exits(1);
    let rows = place.rows();
    assert_eq!((rows[0]["outcome"].as_str(), rows[1]["outcome"].as_str()), ("succeeded", "failed"));
    let words = "nobody can be asked whether it is revoked: its issuer's certificate is not known";
    assert!(rows[1]["provider_message"].starts_with(words), "{rows:?}");
}

#[test]
fn one_credential_for_both_persons_is_warned_of_and_what_waits_is_told_by_approver() {
    // A CA that takes its time, whoever has approved.
    let settled = Arc::new(AtomicBool::new(false));
    let is_settled = Arc::clone(&settled);
    let mock = Mock::start(move |seen, _| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", "/requests/70/approve") => empty(204),
        ("POST", _) => json(201, r#"{"state":"asked","request":"70"}"#),
        _ if is_settled.load(Ordering::SeqCst) => json(200, r#"{"state":"revoked"}"#),
        _ => json(200, r#"{"state":"asked"}"#),
    });
    let mut place = place();
    place.set("SECOND_TOKEN", "s3cond-s3cond-s3cond");
    let steps = |provider: &str| {
        format!(
            "  - id: row\n    provider: chained\n    number: 7\n    steps:\n      - {{action: revoke}}\n      - {{action: approve, provider: {provider}, request: $steps.revoke.outputs.reference}}\n      - {{wait: approved, within: 24h}}\n"
        )
    };
    let second = |reference: &str| {
        format!(
            "  second: {{uses: chained, base_url: \"{}\", rate: [1000/1s], credentials: {{token: \"env:{reference}\"}}}}\n",
            mock.url()
        )
    };
    let text = |provider: &str, reference: &str| {
        plan(&mock, &["chained"], "", &steps(provider))
            .replace("actions:\n", &format!("{}actions:\n", second(reference)))
    };
    let warning = "go with the same credential";
    for (provider, reference, is_warned) in
        [("chained", "SECOND_TOKEN", true), ("second", "CHAINED_TOKEN", true), ("second", "SECOND_TOKEN", false)]
    {
        place.file("plan.yaml", text(provider, reference));
        let checked = place.certsweep(&["check", "plan.yaml"]).exits(0);
        assert_eq!(checked.err.contains(warning), is_warned, "{provider} {reference}: {}", checked.err);
    }
    // Two references to one value are found where the run begins.
    place.set("SECOND_TOKEN", "t0ken-t0ken-t0ken");
    place
        .run(&text("second", "SECOND_TOKEN"))
        .exits(3)
        .says(&["second approves what chained asks for, and both have the same credential"]);
    let status = place.certsweep(&["status", "run"]).exits(0).out;
    assert!(status.contains("1 action waits for the approval of second at chained:"), "{status}");
    assert!(status.contains("row/revoke  7       70 "), "{status}");
    let json = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    let waits = &json["approvals"][0];
    assert_eq!(
        (&waits["approver"], &waits["provider"], &waits["actions"]),
        (&"second".into(), &"chained".into(), &1.into())
    );
    assert_eq!(waits["first"][0]["reference"], "70");
    settled.store(true, Ordering::SeqCst);
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
    let json = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!(json["approvals"].as_array().map(Vec::len), Some(0));
}
