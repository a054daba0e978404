//! Disks that are full: what is sent was on disk before, and what could not be written is told by exit code 4.

use super::limits::revokes;
use super::mock::{Mock, empty, naver_done, naver_list};
use super::place::{BINARY, Place, finish, plan, reissue};

/// Runs certsweep where no file may grow beyond so many kilobytes, as on a disk that is full.
fn cramped(place: &Place, kilobytes: usize, args: &str) -> super::place::Done {
    let line = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec {BINARY} {args}");
    finish(place.command("bash", &["-c", &line]).spawn().unwrap())
}

#[test]
fn a_full_disk_stops_a_run_that_loses_nothing() {
    let mut stopped = 0;
    for kilobytes in [48, 96, 160, 260] {
        let place = Place::new();
        let mock = Mock::start(|seen, _| if seen.method == "GET" { naver_list("9", 5, "1") } else { naver_done() });
        let mut actions: String = (1..=60)
            .map(|number| format!("  - {{id: r{number}, provider: naver, action: revoke, orderId: \"1\", certificateNo: {number}, reason: superseded}}\n"))
            .collect();
        actions.extend((100..=109).map(|number| reissue(&format!("n{number}"), number)));
        place.file("plan.yaml", plan(&mock, &["naver"], "", &actions));
        let done = cramped(&place, kilobytes, "run plan.yaml --yes --run-dir run");
        assert!(matches!(done.code, 0 | 4), "{kilobytes}: {done:?}");
        if done.code == 0 {
            continue;
        }
        if !place.path("run").exists() {
            assert!(mock.seen().is_empty(), "{kilobytes}");
            continue;
        }
        stopped += 1;
        let sent = mock.seen().len();
        let known: usize = super::place::rows(&place.certsweep(&["report", "run"]).exits(0).out)
            .iter()
            .map(|row| row["attempts"].parse::<usize>().unwrap())
            .sum();
        assert!(known >= sent, "{kilobytes}: {sent} requests were sent, and {known} are on disk");
        let resumed = place.certsweep(&["resume", "run", "--yes"]);
        assert!(matches!(resumed.code, 0 | 1), "{kilobytes}: {resumed:?}");
        for row in place.rows() {
            let doubt = row["operation"] == "reissue" && row["outcome"] == "in-doubt";
            assert!(doubt || row["outcome"] == "succeeded", "{kilobytes}: {row:?}");
        }
        for number in 100..=109 {
            assert!(mock.count(&format!("/{number}/reissue")) == 1, "{kilobytes}: {number}");
        }
    }
    assert!(stopped > 0, "none of these disks was full in the middle of a run");
}

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
fn a_report_that_cannot_be_written_does_not_undo_the_run() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
    let done = place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run", "--report", "no/such/folder/r.csv"]);
    assert_eq!(done.code, 4, "{done:?}");
    assert!(matches!(mock.seen().len(), 0 | 2));
}
