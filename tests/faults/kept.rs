//! A run directory of every version of the journal's format since the first release, kept for ever: what it says must never change. A
//! new version adds a directory beside `v6` and leaves the old ones as they are.

use super::place::Place;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// In `half` a process was killed while requests were in flight; `done` was gone on with until nothing was left.
#[test]
fn a_kept_run_says_what_it_said() {
    for name in ["v5/half", "v5/done", "v6/half", "v6/done"] {
        let place = kept(name);
        let mut status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
        // How fast it went and how long it will take is worked out, and may be worked out better.
        for estimate in ["rate_per_second", "estimated_seconds_left"] {
            status.as_object_mut().unwrap().remove(estimate).expect("it is told");
        }
        let expected: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(fixture(name).join("status.json")).unwrap()).unwrap();
        for (member, value) in expected.as_object().unwrap() {
            assert_eq!(&status[member], value, "{name}: {member} of {status}");
        }
        let report = place.certsweep(&["report", "run"]).exits(0).out;
        assert_eq!(report, std::fs::read_to_string(fixture(name).join("report.csv")).unwrap(), "{name}");
    }
}

#[test]
fn a_kept_run_that_is_half_done_is_gone_on_with() {
    for name in ["v5/half", "v6/half"] {
        goes_on(name);
    }
}

fn goes_on(name: &str) {
    let place = kept(name);
    let done = place.certsweep(&["resume", "run", "--yes", "--provider-dir", "providers"]);
    assert_eq!(done.code, 0, "{done:?}");
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!((&status["state"], &status["waiting"]), (&"finished".into(), &0.into()), "{status}");
    let before: BTreeMap<String, String> =
        super::place::rows(&std::fs::read_to_string(fixture(name).join("report.csv")).unwrap())
            .into_iter()
            .filter(|row| !row["finished_at"].is_empty())
            .map(|row| (row["action_id"].clone(), row["outcome"].clone()))
            .collect();
    assert!(before.len() >= 3, "or this proves little: {before:?}");
    let outcomes: BTreeMap<String, String> = place.outcomes().into_iter().collect();
    assert_eq!(outcomes.len(), 12);
    for (id, outcome) in &outcomes {
        assert_eq!(outcome, before.get(id).map_or("succeeded", String::as_str), "{id}: {done:?}");
    }
}

#[test]
fn what_cannot_be_sent_any_more_is_reported_all_the_same() {
    let place = kept("v6/half");
    let database = rusqlite::Connection::open(place.path("run/run.sqlite")).unwrap();
    database.execute("UPDATE action SET parameters = '{' WHERE ordinal = 11", []).unwrap();
    drop(database);
    let report = place.certsweep(&["report", "run"]).exits(0).out;
    assert_eq!(report, std::fs::read_to_string(fixture("v6/half").join("report.csv")).unwrap());
}

#[test]
fn a_run_of_another_format_is_refused_in_one_line_that_says_what_to_do() {
    for (version, remedy) in [(4, "finish this run with the certsweep that began it"), (7, "use that one")] {
        let place = kept("v6/half");
        let database = rusqlite::Connection::open(place.path("run/run.sqlite")).unwrap();
        database.pragma_update(None, "user_version", version).unwrap();
        drop(database);
        let bytes = || std::fs::read(place.path("run/run.sqlite")).unwrap();
        let before = bytes();
        for command in [&["status", "run"][..], &["report", "run"], &["verify", "run"], &["resume", "run", "--yes"]] {
            let told = place.certsweep(command).exits(4).err;
            assert_eq!(told.lines().count(), 1, "{told}");
            assert!(told.contains(&format!("(format {version}); {remedy}")), "{told}");
        }
        assert!(bytes() == before, "it is left as it is");
    }
}

/// A kept run as `run`, beside the provider document that it uses: a built-in one may change, and a run goes on only with its own.
fn kept(name: &str) -> Place {
    let place = Place::bare();
    for (from, to) in [(fixture(name).join("run"), "run"), (fixture("v6/providers"), "providers")] {
        copy(&from, &place, to);
    }
    place
}

fn copy(from: &Path, place: &Place, to: &str) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = format!("{to}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            copy(&path, place, &to);
        } else {
            place.file(&to, std::fs::read(&path).unwrap());
        }
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals").join(name)
}
