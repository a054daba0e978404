//! A run directory, or a file in it, that is removed, moved or replaced while a process works on the run.

use super::authority::{Authority, SLOTS};
use super::invariants::{ends_and_holds, tells_the_truth};
use super::place::{Place, finish, rows, signal};
use super::signals::stop;
use std::fs;
use std::time::{Duration, Instant};

const RUN: [&str; 5] = ["run", "plan.yaml", "--yes", "--run-dir", "run"];

/// What is taken away, how, and what can be done afterwards.
struct Taken {
    name: &'static str,
    take: fn(&Place),
    after: After,
}

enum After {
    /// It is brought back like this, and the run goes on and keeps everything.
    GoesOn(fn(&Place)),
    /// It is refused; this report tells what was done.
    Refused(&'static str),
    /// The one or the other, as it comes.
    Either(&'static str),
    /// There is nothing any more but the report that was rescued.
    Gone,
}

#[test]
fn what_is_taken_away_from_a_run_stops_it_within_a_second() {
    // Side by side: most of the time they wait.
    std::thread::scope(|scope| {
        for taken in TAKEN {
            scope.spawn(move || taken.stops_the_run());
        }
    });
}

impl Taken {
    fn stops_the_run(self) {
        let Self { name, take, after } = self;
        let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(20)));
        place.file("plan.yaml", authority.plan(ACTIONS, "30/1s"));
        let child = place.spawn(&RUN);
        authority.mock.wait_for(15);
        let at = Instant::now();
        take(&place);
        let done = finish(child).exits(4);
        // What is cut in place may fail to be read before anybody looks how long it is.
        let told = done.err.contains("was removed, moved, replaced or cut") || name.ends_with("cut");
        assert!(told, "{name}: {done:?}");
        let late = authority.mock.seen().iter().filter(|seen| seen.at > at + Duration::from_secs(1)).count();
        assert_eq!(late, 0, "{name}: nothing is sent after a second: {done:?}");
        let (arrived, answered) = authority.counts();
        assert!(arrived < ACTIONS as usize && arrived == answered, "{name}: what is in flight is awaited");
        match after {
            After::GoesOn(back) => {
                back(&place);
                ends_and_holds(&place, &authority, ACTIONS, 0);
            }
            After::Refused(report) => {
                place.certsweep(&["resume", "run", "--yes"]).exits(4);
                tells_the_truth(&rows(&place.read(report)), &authority, ACTIONS);
                assert_eq!(authority.counts().0, arrived, "{name}");
            }
            After::Either(report) => match place.certsweep(&["resume", "run", "--yes"]).code {
                4 => tells_the_truth(&rows(&place.read(report)), &authority, ACTIONS),
                _ => ends_and_holds(&place, &authority, ACTIONS, 0),
            },
            After::Gone => tells_the_truth(&rows(&place.read("run.rescued.csv")), &authority, ACTIONS),
        }
    }
}

#[test]
fn a_run_that_waits_and_writes_nothing_notices_it_too() {
    let (place, authority) = (Place::new(), Authority::start(Duration::ZERO));
    place.file("plan.yaml", authority.plan(6, "1/600s"));
    let child = place.spawn(&RUN);
    authority.mock.wait_for(2);
    std::thread::sleep(Duration::from_millis(200));
    let at = Instant::now();
    remove(&place, "lock");
    finish(child).exits(4).says(&["lock was removed"]);
    assert!(at.elapsed() < Duration::from_secs(2), "{:?}", at.elapsed());
}

#[test]
fn a_lock_that_is_removed_lets_no_second_process_in() {
    let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(20)));
    place.file("plan.yaml", authority.plan(ACTIONS, "30/1s"));
    let first = place.spawn(&RUN);
    authority.mock.wait_for(10);
    // However slow the other is, it finds the first one at work.
    stop(&first);
    remove(&place, "lock");
    assert_eq!(place.certsweep(&["status", "run", "--json"]).exits(0).json()["state"], "running");
    place.certsweep(&["resume", "run", "--yes"]).exits(4).says(&["another certsweep process"]);
    // The same files at another place are the same run.
    place.command("sh", &["-c", "mkdir other && mv run/* other/"]).status().unwrap();
    place.certsweep(&["resume", "other", "--yes"]).exits(4);
    place.command("sh", &["-c", "mv other/* run/ && rmdir other"]).status().unwrap();
    signal(&first, "CONT");
    finish(first).exits(4);
    ends_and_holds(&place, &authority, ACTIONS, 0);
}

#[test]
fn what_two_processes_wrote_about_is_in_doubt_in_the_report() {
    let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(20)));
    place.file("plan.yaml", authority.plan(ACTIONS, "300/1s"));
    let first = place.spawn(&RUN);
    authority.mock.wait_for(20);
    stop(&first);
    // Not while it commits: SQLite's own lock would keep the other out.
    let commits = || {
        let database = rusqlite::Connection::open(place.path("run/run.sqlite")).unwrap();
        database.busy_timeout(Duration::ZERO).unwrap();
        database.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err()
    };
    while commits() {
        signal(&first, "CONT");
        std::thread::sleep(Duration::from_millis(2));
        stop(&first);
    }
    // All locks are gone round, as on a file system that has none.
    let moved = "mkdir other && mv run/* other/ && rm other/lock && cp other/marks copy && mv copy other/marks";
    assert!(place.command("sh", &["-c", moved]).status().unwrap().success());
    let second = place.certsweep(&["resume", "other", "--yes"]);
    assert!(matches!(second.code, 0 | 1), "{second:?}");
    signal(&first, "CONT");
    finish(first).exits(4);
    for report in [&["report", "other"][..], &["report", "other", "--salvage"]] {
        let rows = rows(&place.certsweep(report).exits(0).out);
        tells_the_truth(&rows, &authority, ACTIONS);
        let doubled = rows.iter().filter(|row| row["provider_message"].contains("two processes")).count();
        assert!((1..=SLOTS).contains(&doubled), "{doubled} of {report:?}");
    }
    place.certsweep(&["resume", "other", "--yes"]).exits(4).says(&["the journal is damaged", "--salvage"]);
}

const TAKEN: [Taken; 11] = [
    Taken { name: "the lock is removed", take: |place| remove(place, "lock"), after: After::GoesOn(|_| ()) },
    Taken { name: "the lock is replaced", take: |place| replace(place, "lock"), after: After::GoesOn(|_| ()) },
    Taken {
        name: "the directory is moved",
        take: |place| rename(place, "run", "moved"),
        after: After::GoesOn(|place| rename(place, "moved", "run")),
    },
    Taken {
        name: "the directory is replaced by an empty one",
        take: |place| {
            rename(place, "run", "moved");
            fs::create_dir(place.path("run")).unwrap();
        },
        after: After::GoesOn(|place| {
            // Fails where anything was written into what is not the run.
            fs::remove_dir(place.path("run")).unwrap();
            rename(place, "moved", "run");
        }),
    },
    Taken {
        name: "the directory is removed",
        take: |place| {
            // The process may just be writing into it.
            while place.path("run").exists() {
                drop(fs::remove_dir_all(place.path("run")));
            }
        },
        after: After::Gone,
    },
    Taken {
        name: "the database is removed",
        take: |place| remove(place, "run.sqlite"),
        after: After::Refused("run/report.csv"),
    },
    Taken {
        name: "the database is replaced by its copy",
        take: |place| replace(place, "run.sqlite"),
        // The log is still there, and was not taken into what nobody reads.
        after: After::GoesOn(|_| ()),
    },
    Taken { name: "the log is removed", take: |place| remove(place, "run.sqlite-wal"), after: After::GoesOn(|_| ()) },
    Taken {
        name: "the log is cut",
        take: |place| {
            fs::OpenOptions::new().write(true).open(place.path("run/run.sqlite-wal")).unwrap().set_len(0).unwrap()
        },
        // What was cut off may have been written again since.
        after: After::Either("run/report.csv"),
    },
    Taken {
        name: "the log is replaced by its copy",
        take: |place| replace(place, "run.sqlite-wal"),
        // The copy is older than the database now, and SQLite would believe it.
        after: After::Refused("run/report.csv"),
    },
    Taken {
        name: "the marks are removed",
        take: |place| remove(place, "marks"),
        after: After::Refused("run/report.csv"),
    },
];

fn remove(place: &Place, name: &str) {
    fs::remove_file(place.path("run").join(name)).unwrap();
}

/// As an editor saves a file, and as a backup is put back.
fn replace(place: &Place, name: &str) {
    let path = place.path("run").join(name);
    fs::copy(&path, place.path("copy")).unwrap();
    fs::rename(place.path("copy"), path).unwrap();
}

fn rename(place: &Place, from: &str, to: &str) {
    fs::rename(place.path(from), place.path(to)).unwrap();
}

/// Actions of a run: more than are sent until it stops.
const ACTIONS: u64 = 120;
