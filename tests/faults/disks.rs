//! Disks that are full, and disks that cannot be written.

use super::authority::Authority;
use super::invariants::{ends_and_holds, holds, stopped_holds};
use super::place::{BINARY, CommandOutput, Place, finish};
use super::traced::traced;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// A file system of its own, taken away at the end.
struct Small(PathBuf);

impl Small {
    /// None where `CERTSWEEP_NO_MOUNT` is set. Where it is not, whoever may not mount fails: a test that did nothing must not look green.
    fn mount(place: &Place, kilobytes: usize) -> Option<Self> {
        if std::env::var_os("CERTSWEEP_NO_MOUNT").is_some() {
            // Not by a macro: of a test that passes, nobody would see what those print.
            std::io::stderr()
                .write_all(b"skipped: a test that mounts a disk, since CERTSWEEP_NO_MOUNT is set\n")
                .unwrap();
            return None;
        }
        let at = place.path("disk");
        std::fs::create_dir(&at).unwrap();
        let size = format!("size={kilobytes}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).output().unwrap();
        assert!(
            mounted.status.success(),
            "a disk cannot be mounted: {}\nrun this test as root, or leave it out by CERTSWEEP_NO_MOUNT=1",
            String::from_utf8_lossy(&mounted.stderr)
        );
        Some(Self(at))
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

fn cramped(place: &Place, blocks: usize, args: &str) -> CommandOutput {
    finish(place.command("sh", &["-c", &format!("ulimit -f {blocks}; exec {BINARY} {args}")]).spawn().unwrap())
}

#[test]
fn where_files_may_not_grow_the_run_stops_and_goes_on_later() {
    let (mut stopped, mut blocks) = (0, LEAST_BLOCKS);
    loop {
        assert!(blocks < MOST_BLOCKS, "no limit is wide enough");
        let (place, authority) = (Place::new(), Authority::start(Duration::ZERO));
        place.file("plan.yaml", authority.plan(MANY, "1000/1s"));
        let done = cramped(&place, blocks, "run plan.yaml --yes --run-dir run");
        // By the signal's default action the process would be killed in the middle of a write.
        assert!(matches!(done.code, 0 | 1 | 4), "{blocks}: {done:?}");
        let words = done.err.contains("error: ") || done.out.contains("test stopped after");
        assert!(done.code != 4 || words, "{blocks}: {done:?}");
        if !place.path("run").exists() {
            assert!(authority.mock.seen().is_empty(), "{blocks}");
            blocks += BLOCKS_TO_BE_MADE;
            continue;
        }
        if matches!(done.code, 0 | 1) {
            holds(&place, &authority, MANY, 0);
            break;
        }
        let sent = authority.counts().0;
        stopped += usize::from(sent > 0);
        stopped_holds(&place, &authority, MANY);
        ends_and_holds(&place, &authority, MANY, 1);
        blocks += if sent == 0 { BLOCKS_TO_BE_MADE } else { BLOCKS_TO_GO_ON };
    }
    assert!(stopped > 0, "no limit was reached in the middle of a run");
}

#[test]
fn a_full_disk_stops_the_run_and_it_goes_on_when_there_is_room() {
    let (mut stopped, mut unmade, mut kilobytes) = (0, 0, LEAST_DISK);
    loop {
        assert!(kilobytes < MOST_DISK, "no disk is large enough");
        let (place, authority) = (Place::new(), Authority::start(Duration::ZERO));
        let Some(disk) = Small::mount(&place, kilobytes) else { return };
        place.file("plan.yaml", authority.plan(ACTIONS, "1000/1s"));
        std::os::unix::fs::symlink("disk/run", place.path("run")).unwrap();
        let run = ["run", "plan.yaml", "--yes", "--run-dir", "disk/run"];
        let done = place.certsweep(&run);
        assert!(matches!(done.code, 0 | 1 | 4), "{kilobytes}: {done:?}");
        disk.remount("size=32m");
        if !place.path("disk/run").exists() {
            assert!(authority.mock.seen().is_empty() && done.code == 4, "{kilobytes}: {done:?}");
            if unmade == 0 {
                let done = place.certsweep(&run);
                assert!(matches!(done.code, 0 | 1), "{kilobytes}: {done:?}");
                holds(&place, &authority, ACTIONS, 0);
                let left = std::fs::read_dir(place.path("disk")).unwrap().count();
                assert_eq!(left, 1, "{kilobytes}: what was half made is gone");
            }
            unmade += 1;
            kilobytes += DISK_TO_BE_MADE;
            continue;
        }
        if done.code != 4 {
            holds(&place, &authority, ACTIONS, 0);
            break;
        }
        let sent = authority.counts().0;
        stopped += usize::from(sent > 0);
        stopped_holds(&place, &authority, ACTIONS);
        if sent > 0 {
            // The reserve took the ends of what was in flight, and the report.
            assert_eq!(authority.counts(), (sent, sent), "{kilobytes}: what was in flight is awaited");
            let status = place.certsweep(&["status", "run", "--json"]).exits(0).json();
            assert_eq!(
                (&status["state"], &status["in_flight"]),
                (&"stopped".into(), &0.into()),
                "{kilobytes}: {status}"
            );
            assert_eq!(place.rows().len() as u64, ACTIONS, "{kilobytes}");
        }
        ends_and_holds(&place, &authority, ACTIONS, 0);
        kilobytes += if sent == 0 { DISK_TO_BE_MADE } else { DISK_TO_GO_ON };
    }
    assert!(stopped > 0 && unmade > 0, "{stopped} disks were full in the middle of a run, {unmade} in its making");
}

#[test]
fn what_others_are_to_get_may_find_no_room_and_the_run_goes_on() {
    let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(20)));
    let Some(disk) = Small::mount(&place, 64) else { return };
    place.file("disk/full", vec![0; 64 * 1024]);
    place.file("plan.yaml", authority.plan(ACTIONS, "1000/1s"));
    let outlets = ["--events", "disk/events.jsonl", "--metrics", "disk/run.prom"];
    let run = [&["run", "plan.yaml", "--yes", "--run-dir", "run"][..], &outlets, &["--report", "disk/report.csv"]];
    let done = place.certsweep(&run.concat()).exits(4);
    // Once for each, however often figures are written; and of the report the exit code tells too.
    for told in
        ["--events disk/events.jsonl: No space left", "--metrics disk/run.prom: No space left", "disk/report.csv"]
    {
        assert_eq!(done.err.matches(told).count(), 1, "{told}: {}", done.err);
    }
    holds(&place, &authority, ACTIONS, 0);
    let left: Vec<_> = std::fs::read_dir(place.path("disk")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "nothing half written: {left:?}");
    // Without the report it is the outcomes alone that say how it ended; and a disk that cannot be written is told before anything is sent.
    let again = ["run", "plan.yaml", "--yes", "--again", "--run-dir", "other"];
    let done = place.certsweep(&[&again[..], &outlets].concat());
    assert!(matches!(done.code, 0 | 1), "{done:?}");
    disk.remount("ro");
    let sent = authority.mock.seen().len();
    let third = ["run", "plan.yaml", "--yes", "--again", "--run-dir", "third"];
    place.certsweep(&[&third[..], &outlets[..2]].concat()).exits(4).says(&["--events disk/events.jsonl: Read-only"]);
    assert_eq!(authority.mock.seen().len(), sent);
    let done = place.certsweep(&[&third[..], &outlets[2..]].concat());
    assert!(matches!(done.code, 0 | 1), "{done:?}");
    assert_eq!(done.err.matches("--metrics disk/run.prom: Read-only file system").count(), 1, "{}", done.err);
}

#[test]
fn a_directory_that_cannot_be_written_is_told_and_nothing_is_sent() {
    let (place, authority) = (Place::new(), Authority::start(Duration::ZERO));
    place.file("plan.yaml", authority.plan(3, "1000/1s"));
    let run = ["run", "plan.yaml", "--yes", "--run-dir", "run"];
    // The superuser may write anywhere, so the system says no.
    let done = traced(&place, "mkdir,mkdirat", "error=EROFS", &[], &run).exits(4);
    done.says(&["Read-only file system"]);
    assert!(authority.mock.seen().is_empty());
    place.certsweep(&run[..2]).exits(2);
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    let sent = authority.mock.seen().len();
    for (file, call) in [("run/lock", "openat"), ("run/run.sqlite", "openat")] {
        let done = traced(&place, call, "error=EROFS", &[file], &["resume", "run", "--yes"]).exits(4);
        done.says(&["run"]);
    }
    assert_eq!(authority.mock.seen().len(), sent);
}

#[test]
fn a_disk_that_turns_read_only_lets_a_run_be_read() {
    let (place, authority) = (Place::new(), Authority::start(Duration::from_millis(20)));
    let Some(disk) = Small::mount(&place, 16_000) else { return };
    place.file("plan.yaml", authority.plan(ACTIONS, "1000/1s"));
    std::os::unix::fs::symlink("disk/run", place.path("run")).unwrap();
    authority.run_killed(
        &place,
        &["run", "plan.yaml", "--yes", "--run-dir", "disk/run"],
        9,
        super::authority::Moment::Between,
    );
    disk.remount("ro");
    let sent = authority.mock.seen().len();
    place.certsweep(&["resume", "run", "--yes"]).exits(4).says(&["Read-only file system"]);
    assert!(place.certsweep(&["status", "run"]).exits(0).out.contains("interrupted"));
    stopped_holds(&place, &authority, ACTIONS);
    assert_eq!(authority.mock.seen().len(), sent);
    disk.remount("rw");
    ends_and_holds(&place, &authority, ACTIONS, 1);
}

/// Actions of a run.
const ACTIONS: u64 = 60;
/// Actions of a run whose files may not grow: their journal grows beyond the reserve.
const MANY: u64 = 240;
/// The narrowest limit of a file's size, in blocks (of 512 or 1024 bytes, as the shell counts).
const LEAST_BLOCKS: usize = 40;
/// How much wider the next limit is, while the run directory cannot be made.
const BLOCKS_TO_BE_MADE: usize = 300;
/// How much wider it is after a run that stopped.
const BLOCKS_TO_GO_ON: usize = 600;
/// No limit is as wide as this.
const MOST_BLOCKS: usize = 65_536;
/// The smallest disk, in kilobytes.
const LEAST_DISK: usize = 24;
/// How much larger the next disk is, while the run directory cannot be made.
const DISK_TO_BE_MADE: usize = 40;
/// How much larger it is after a run that stopped.
const DISK_TO_GO_ON: usize = 150;
/// No disk is as large as this.
const MOST_DISK: usize = 32_000;
