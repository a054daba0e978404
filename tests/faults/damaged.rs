//! A run's files that were changed, cut, lost or put back from an older copy between two processes. `tests/engine/damaged.rs` does so at
//! random, without processes.

use super::authority::{Authority, Moment};
use super::invariants::{ends_and_holds, stopped_holds, tells_the_truth};
use super::place::{Place, rows};
use super::signals::{ACTIONS, hung_up};
use std::fs;
use std::time::Duration;

#[test]
fn what_cannot_be_read_any_more_stops_the_run_before_anything_of_it_is_begun() {
    let (place, authority) = hung_up();
    let last = i64::try_from(ACTIONS - 1).unwrap();
    let set = |parameters: &str| -> String {
        let database = rusqlite::Connection::open(place.path("run/run.sqlite")).unwrap();
        let select = "SELECT parameters FROM action WHERE ordinal = ?1";
        let before = database.query_row(select, [last], |row| row.get(0)).unwrap();
        database.execute("UPDATE action SET parameters = ?1 WHERE ordinal = ?2", (parameters, last)).unwrap();
        before
    };
    let before = set("{\"certificate_id\":");
    let told = place.certsweep(&["resume", "run", "--yes"]).exits(4).err;
    assert!(told.contains(&format!("action {last}: checksum: ")), "{told}");
    let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
    assert_eq!(status["in_flight"], 0, "{status}");
    set(&before);
    stopped_holds(&place, &authority, ACTIONS);
    ends_and_holds(&place, &authority, ACTIONS, 0);
}

#[test]
fn a_run_that_has_lost_its_end_is_refused_and_told_as_far_as_it_can_be() {
    let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(2)));
    place.file("plan.yaml", authority.plan(ACTIONS, "1000/1s"));
    authority.run_killed(&place, &["run", "plan.yaml", "--yes", "--run-dir", "run"], 15, Moment::Between);
    copied(&place, "run", "older");
    authority.run_killed(&place, &["resume", "run", "--yes"], 15, Moment::Between);
    copied(&place, "run", "whole");
    let sent = authority.mock.seen().len();
    for (name, change) in CHANGES {
        copied(&place, "whole", "run");
        change(&place);
        for command in [&["status", "run"][..], &["report", "run"], &["verify", "run"], &["resume", "run", "--yes"]] {
            let told = place.certsweep(command);
            assert_eq!((told.code, told.err.lines().count()), (4, 1), "{name}: {told:?}");
            assert!(told.out.is_empty() && told.err.contains("certsweep report run --salvage"), "{name}: {told:?}");
        }
        assert_eq!(authority.mock.seen().len(), sent, "{name}: nothing is sent");
        let salvaged = place.certsweep(&["report", "run", "--salvage"]).exits(0).says(&["what can be read of the run"]);
        tells_the_truth(&rows(&salvaged.out), &authority, ACTIONS);
        if name == "a bit of the log is flipped" {
            // SQLite sees nothing of the run there. Behind one damaged frame the others are whole, and perhaps nothing is lost at all.
            assert!(rows(&salvaged.out).iter().any(|row| row["outcome"] == "succeeded"), "{salvaged:?}");
        } else {
            salvaged.says(&["cannot be known"]);
        }
        // What is known to be unsent can be carried out by another run.
        let plan =
            ["report", "run", "--salvage", "--format", "plan", "--outcome", "skipped,in-doubt", "-o", "rest.csv"];
        place.certsweep(&plan).exits(0);
        assert!(place.read("rest.csv").lines().count() > 1, "{name}");
    }
    copied(&place, "whole", "run");
    fs::remove_file(place.path("run/run.sqlite")).unwrap();
    for command in [&["status", "run"][..], &["report", "run", "--salvage"], &["resume", "run", "--yes"]] {
        place.certsweep(command).exits(4).says(&["its database `run.sqlite` is not there"]);
    }
    // Nothing of it was lost by all that looking: put back, it goes on.
    copied(&place, "whole", "run");
    fs::remove_file(place.path("run/run.sqlite-wal")).unwrap();
    place.certsweep(&["resume", "run", "--yes"]).exits(4);
    fs::copy(place.path("whole/run.sqlite-wal"), place.path("run/run.sqlite-wal")).unwrap();
    let salvaged = place.certsweep(&["report", "run", "--salvage"]).exits(0);
    assert!(!salvaged.err.contains("cannot be known"), "{}", salvaged.err);
    ends_and_holds(&place, &authority, ACTIONS, 2);
}

#[test]
fn records_of_one_run_are_not_told_of_the_actions_of_another() {
    let place = Place::new();
    let authorities = ["run", "other"].map(|run| {
        let authority = Authority::start(Duration::from_millis(2));
        place.file(&format!("{run}.yaml"), authority.plan(ACTIONS, "1000/1s"));
        authority.run_killed(&place, &["run", &format!("{run}.yaml"), "--yes", "--run-dir", run], 15, Moment::Between);
        authority
    });
    copied(&place, "run", "whole");
    let sent = authorities.each_ref().map(|authority| authority.mock.seen().len());
    for name in ["run.sqlite", "marks"] {
        fs::copy(place.path("other").join(name), place.path("run").join(name)).unwrap();
        for command in
            [&["status", "run"][..], &["report", "run"], &["report", "run", "--salvage"], &["resume", "run", "--yes"]]
        {
            place.certsweep(command).exits(4).says(&["`run.sqlite` and `marks` are of two runs"]);
        }
        copied(&place, "whole", "run");
    }
    assert_eq!(authorities.each_ref().map(|authority| authority.mock.seen().len()), sent, "nothing is sent");
    ends_and_holds(&place, &authorities[0], ACTIONS, 1);
}

/// The kinds of what can befall the files, each as people and disks do it.
type Change = (&'static str, fn(&Place));
const CHANGES: [Change; 11] = [
    ("a bit of the log is flipped", |place| changed(place, "run.sqlite-wal", |bytes| bytes[100] ^= 1)),
    ("the log is cut in half", |place| changed(place, "run.sqlite-wal", |bytes| bytes.truncate(bytes.len() / 2))),
    // Not less: the last commit may be one that the kill has torn, and no mark counts it.
    ("the log lacks its end", |place| changed(place, "run.sqlite-wal", |bytes| bytes.truncate(bytes.len() * 2 / 3))),
    ("the log is zeroed", |place| changed(place, "run.sqlite-wal", |bytes| bytes.fill(0))),
    ("the log is missing", |place| fs::remove_file(place.path("run/run.sqlite-wal")).unwrap()),
    ("the log is older", |place| older(place, &["run.sqlite-wal"])),
    ("the database is older, with its log", |place| older(place, &["run.sqlite", "run.sqlite-wal", "run.sqlite-shm"])),
    ("the database was copied alone", |place| {
        let database = fs::read(place.path("run/run.sqlite")).unwrap();
        fs::remove_dir_all(place.path("run")).unwrap();
        place.file("run/run.sqlite", database);
    }),
    ("the marks are missing", |place| fs::remove_file(place.path("run/marks")).unwrap()),
    ("the marks are cut", |place| changed(place, "marks", |bytes| bytes.truncate(1024))),
    ("the marks are zeroed", |place| changed(place, "marks", |bytes| bytes.fill(0))),
];

fn changed(place: &Place, name: &str, change: fn(&mut Vec<u8>)) {
    let path = place.path("run").join(name);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn older(place: &Place, names: &[&str]) {
    for name in names {
        fs::copy(place.path("older").join(name), place.path("run").join(name)).unwrap();
    }
}

fn copied(place: &Place, from: &str, to: &str) {
    drop(fs::remove_dir_all(place.path(to)));
    assert!(place.command("cp", &["-r", from, to]).status().unwrap().success());
}
