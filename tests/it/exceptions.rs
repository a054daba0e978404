//! What is left out on purpose: rows by `where`, actions by `except`. Both are counted before, and what is excepted is reported after.

use super::mock::{Mock, empty};
use super::place::{Place, plan};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const LIST: &str =
    "certificate_id,status,common_name\n1,issued,a.example\n2,gone,b.example\n3,issued,c.example\n4,issued,d.example\n";
const DEFAULTS: &str = "defaults: {provider: digicert, action: revoke}";
const ENTRY: &str = "  - {from: list.csv, ignore_columns: true, where: 'status == \"issued\"', except: hold.txt}\n";

#[test]
fn what_is_left_out_is_counted_before_and_never_sent() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("list.csv", LIST);
    place.file("hold.txt", "C.example\n00:04\n");
    place.file("plan.yaml", plan(&mock, &["digicert"], DEFAULTS, ENTRY));
    let check = place.certsweep(&["check", "plan.yaml"]).exits(0);
    assert!(
        check.out.starts_with("ok: 3 actions, 2 of them on the exception list, 1 row left out by `where`;"),
        "{}",
        check.out
    );
    let check = place.certsweep(&["check", "plan.yaml", "--json"]).exits(0).json();
    assert_eq!((&check["excepted"], &check["left_out"]), (&2.into(), &1.into()));
    let preview = place.certsweep(&["preview", "plan.yaml"]).exits(0);
    let heading = "3 actions, 2 on the exception list not sent, 1 row left out by `where`";
    assert!(preview.out.contains(heading), "{}", preview.out);
    let json = place.certsweep(&["preview", "plan.yaml", "--json"]).exits(0).json();
    assert_eq!((&json["actions"], &json["excepted"], &json["left_out"]), (&3.into(), &2.into(), &1.into()));
    assert_eq!(json["counts"][0]["actions"], 1);
    let digest = json["digest"].as_str().unwrap().to_owned();
    place.certsweep(&["preview", "plan.yaml", "--report", "planned.csv"]).exits(0);
    let planned: Vec<String> =
        super::place::rows(&place.read("planned.csv")).iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(planned, ["planned", "skipped", "skipped"]);
    let done =
        place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run", "--digest", &digest, "--json"]).exits(0);
    assert_eq!((&done.json()["excepted"], &done.json()["outcomes"]["skipped"]), (&2.into(), &2.into()));
    assert_eq!(mock.seen().len(), 1);
    let rows = place.rows();
    let said: Vec<_> = rows
        .iter()
        .map(|row| (row["target"].as_str(), row["outcome"].as_str(), row["provider_message"].as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("1", "succeeded", ""),
            ("3", "skipped", "on the exception list: hold.txt:1"),
            ("4", "skipped", "on the exception list: hold.txt:2")
        ]
    );
    assert!(place.bytes_below("run/inputs").iter().any(|(_, bytes)| bytes == b"C.example\n00:04\n"));
    // `--retry` takes up what failed, and what was to stay stays.
    place.certsweep(&["resume", "run", "--retry", "failed,rejected,in-doubt", "--yes"]).exits(0);
    assert_eq!(mock.seen().len(), 1);
    // Another list of exceptions is another plan.
    place.file("hold.txt", "C.example\n");
    place
        .certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "other", "--digest", &digest])
        .exits(2)
        .says(&["digest"]);
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "other"]).exits(0);
    assert_eq!(mock.seen().len(), 3);
}

#[test]
fn what_is_excepted_stays_when_what_it_needs_is_taken_up_again() {
    let is_well = Arc::new(AtomicBool::new(false));
    let answers_well = Arc::clone(&is_well);
    let mock = Mock::start(move |_, _| empty(if answers_well.load(Ordering::SeqCst) { 204 } else { 299 }));
    let place = Place::new();
    place.file("hold.txt", "two\n");
    let actions = "  - {id: one, certificate_id: 1}\n  - {id: two, certificate_id: 2, needs: [one]}\n  \
                   - {id: three, certificate_id: 3, needs: [one]}\n";
    place.file("plan.yaml", plan(&mock, &["digicert"], DEFAULTS, actions));
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run", "--except", "hold.txt"]).exits(1);
    is_well.store(true, Ordering::SeqCst);
    place.certsweep(&["resume", "run", "--retry", "in-doubt", "--yes"]);
    let sent = mock.lines();
    assert!(sent.iter().any(|line| line.contains("/3/")) && !sent.iter().any(|line| line.contains("/2/")), "{sent:?}");
    let two = place.rows().into_iter().find(|row| row["action_id"] == "two").unwrap();
    assert_eq!(two["provider_message"], "on the exception list: hold.txt:1");
}

#[test]
fn an_entry_without_an_action_is_warned_of_by_its_name() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("list.csv", LIST);
    place.file("hold.csv", "Name,Until\nc.exampel,Friday\n");
    place.file("plan.yaml", plan(&mock, &["digicert"], DEFAULTS, "  - {from: list.csv, ignore_columns: true}\n"));
    for command in ["check", "preview"] {
        let said = place.certsweep(&[command, "plan.yaml", "--except", "hold.csv"]).exits(0);
        said.says(&["warning", "`c.exampel, Friday` on the exception list is no action", "hold.csv:2:1"]);
    }
    place.file("hold.csv", "");
    place
        .certsweep(&["run", "plan.yaml", "--yes", "--except", "hold.csv"])
        .exits(2)
        .says(&["this exception list is empty"]);
    assert!(mock.seen().is_empty());
}

#[test]
fn what_needs_an_excepted_action_is_not_sent_either() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("hold.txt", "a\n");
    let actions = "  - {id: a, certificate_id: 1}\n  - {id: b, certificate_id: 2, needs: [a]}\n";
    place.file("plan.yaml", plan(&mock, &["digicert"], &format!("{DEFAULTS}\nexcept: hold.txt"), actions));
    place
        .certsweep(&["check", "plan.yaml"])
        .exits(0)
        .says(&["`a` is on the exception list, so what needs it will be skipped"]);
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run"]).exits(1);
    assert!(mock.seen().is_empty());
    assert_eq!(place.outcomes(), [("a".into(), "skipped".into()), ("b".into(), "skipped".into())]);
}
