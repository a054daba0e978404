//! Results that cannot be written give exit code 4. (Disks that are full in the middle of a run: `tests/faults/disks.rs`.)

use super::limits::revokes;
use super::mock::{Mock, empty};
use super::place::{BINARY, Place, finish};

#[test]
fn results_that_cannot_be_written_are_the_environments_fault() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.run(&revokes(&mock, "rate: [1000/1s]", 3)).exits(0);
    for args in ["report run", "status run", "schema", "providers", "preview plan.yaml", "report run --json"] {
        let done =
            finish(place.command("bash", &["-c", &format!("exec {BINARY} {args} > /dev/full")]).spawn().unwrap());
        assert_eq!(done.code, 4, "{args}: {done:?}");
    }
    let line = format!("exec {BINARY} run plan.yaml --yes --run-dir other > /dev/full");
    let done = finish(place.command("bash", &["-c", &line]).spawn().unwrap());
    assert_eq!(done.code, 4, "{done:?}");
    assert_eq!(super::place::rows(&place.read("other/report.csv")).len(), 3);
}

#[test]
fn a_report_without_a_place_is_refused_before_anything_is_sent() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
    let run = ["run", "plan.yaml", "--yes", "--run-dir", "run", "--report", "no/such/folder/r.csv"];
    place.certsweep(&run).exits(2).says(&["no/such/folder/r.csv"]);
    assert_eq!(mock.seen().len(), 0);
}

/// What is no file is left as it is: the superuser could put a file in the place even of a device.
#[test]
fn a_report_takes_the_place_of_no_pipe_and_no_directory() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    std::fs::create_dir(place.path("folder")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
    let run = ["run", "plan.yaml", "--yes", "--run-dir", "run"];
    place.certsweep(&[&run[..], &["--metrics", "folder"]].concat()).exits(2).says(&["it is a directory; name a file"]);
    assert_eq!(mock.seen().len(), 0);
    place.certsweep(&run).exits(0);
    for (file, why, code) in [("folder", "it is a directory", 2), ("pipe", "it is a pipe that nobody reads", 4)] {
        place.certsweep(&["report", "run", "-o", file]).exits(code).says(&[file, why]);
        place.certsweep(&["run", "plan.yaml", "--simulate", "--report", file]).exits(code).says(&[file, why]);
    }
    let kind = |name: &str| std::fs::metadata(place.path(name)).unwrap();
    assert!(!kind("pipe").is_file() && kind("folder").is_dir());
}
