//! Run directories written by earlier versions, kept for ever: what they say must never change. A new journal version adds a
//! directory beside `v1` and leaves the old ones as they are.

use super::place::Place;
use certsweep::journal::{JournalError, RunDir};
use std::path::{Path, PathBuf};

/// In `v1` one action is in flight and one is in doubt; in `v3` first attempts share a row; in all of them most kinds of record are
/// there, and resumes.
#[test]
fn runs_of_every_version_say_what_they_said() {
    for version in ["v1", "v2", "v3"] {
        let place = Place::bare();
        let kept = kept(version);
        for name in ["run.sqlite", "inputs/0-plan.yaml", "inputs/1-list.csv", "inputs/2-shop.csr"] {
            place.file(&format!("run/{name}"), std::fs::read(kept.join("run").join(name)).unwrap());
        }
        let mut status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
        // How fast it went and how long it will take is worked out, and may be worked out better.
        for estimate in ["rate_per_second", "estimated_seconds_left"] {
            status.as_object_mut().unwrap().remove(estimate).expect("it is told");
        }
        let expected: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(kept.join("status.json")).unwrap()).unwrap();
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&status[name], value, "{version}: {name} of {status}");
        }
        let report = place.certsweep(&["report", "run"]).exits(0).out;
        assert_eq!(report, std::fs::read_to_string(kept.join("report.csv")).unwrap(), "{version}");
    }
}

/// Writing begins with making it a run of this version; what it says stays the same.
#[test]
fn a_run_of_an_earlier_version_is_made_one_of_this_version_when_it_goes_on() {
    for (version, number) in [("v1", 1), ("v2", 2)] {
        let place = Place::bare();
        place.file("run/run.sqlite", std::fs::read(kept(version).join("run/run.sqlite")).unwrap());
        let path = place.path("run");
        let now = || -> i64 {
            let database = rusqlite::Connection::open(path.join("run.sqlite")).unwrap();
            database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
        };
        let told = || {
            let reader = RunDir::existing(&path).unwrap().read().unwrap();
            let mut histories = Vec::new();
            let take = |action, history| -> Result<(), JournalError> {
                histories.push((action, history));
                Ok(())
            };
            reader.histories(take).unwrap();
            (histories, reader.overview().unwrap(), reader.states().unwrap())
        };
        let (before, read) = (now(), told());
        RunDir::existing(&path).unwrap().open().unwrap().close();
        assert_eq!((before, now()), (number, 3));
        assert_eq!(told(), read, "{version}");
        RunDir::existing(&path).unwrap().open().unwrap().close();
        assert_eq!(told(), read, "{version}: a second time changes nothing");
    }
}

fn kept(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals").join(version)
}
