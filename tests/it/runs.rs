//! `certsweep runs`, and which run a name means.

use super::limits::revokes;
use super::mock::{Mock, empty};
use super::place::{Place, finish, signal};

#[test]
fn runs_are_listed_newest_first_and_found_by_name_and_beginning() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    assert_eq!(place.certsweep(&["runs", "--json"]).exits(0).json(), serde_json::json!([]));
    place.certsweep(&["runs"]).exits(0).says(&["there are no runs below `runs`"]);
    place.certsweep(&["status"]).exits(2).says(&["there are no runs below `runs`"]);
    let plan =
        |name: &str, rate: &str, count| revokes(&mock, rate, count).replace("name: test", &format!("name: {name}"));
    place.file("first.yaml", plan("first", "rate: [1000/1s]", 2));
    place.certsweep(&["run", "first.yaml", "--yes"]).exits(0);
    place.file("slow.yaml", plan("slow", "rate: [1/300ms], concurrency: 1", 50));
    let child = place.spawn(&["run", "slow.yaml", "--yes", "--again"]);
    mock.wait_for(4);
    signal(&child, "INT");
    finish(child).exits(130);
    place.certsweep(&["run", "first.yaml", "--simulate"]).exits(0);
    place.file("runs/20200101T000000Z-broken/run.sqlite", "no database");

    let listed = place.certsweep(&["runs", "--json"]).exits(0).json();
    let row = |index: usize| {
        (listed[index]["plan"].as_str(), listed[index]["state"].as_str().unwrap(), listed[index]["simulated"] == true)
    };
    assert_eq!(row(0), (Some("first"), "finished", true));
    assert_eq!(row(1), (Some("slow"), "stopped", false));
    assert_eq!(row(2), (Some("first"), "finished", false));
    assert_eq!(row(3), (None, "unreadable", false));
    assert!(listed[1]["left"].as_u64() > Some(40) && listed[1]["resume"].is_string(), "{listed}");
    let text = place.certsweep(&["runs"]).exits(0).out;
    assert!(text.contains("rehearsal") && text.lines().count() == 5, "{text}");

    // Nothing means the newest unfinished one; a plan's name its newest run; a beginning the one that begins so.
    let status = |args: &[&str]| place.certsweep(&[&["status", "--json"], args].concat()).exits(0).json();
    let slow = listed[1]["run_dir"].as_str().unwrap();
    assert_eq!(status(&[])["run_dir"], slow);
    assert_eq!(status(&["slow"])["run_dir"], slow);
    assert_eq!(status(&["first"])["run_dir"], listed[0]["run_dir"]);
    assert_eq!(status(&[&slow[..slow.len() - 2]])["run_dir"], slow);
    assert_eq!(status(&[slow.strip_prefix("runs/").unwrap()])["run_dir"], slow);
    place.certsweep(&["status", "runs/2"]).exits(2).says(&["is the beginning of 4 runs", "give more of it"]);
    assert_eq!(status(&["fir"])["run_dir"], listed[0]["run_dir"], "the beginning of a plan's name");
    place
        .certsweep(&["status", "nothing"])
        .exits(2)
        .says(&["there is no run directory nothing", "`certsweep runs` lists"]);
    let report = place.certsweep(&["report", "slow"]).exits(0);
    assert_eq!(report.out.lines().count(), 51);
    place.certsweep(&["resume", "slow", "--yes"]).exits(0).says(&["run directory: runs/"]);
    assert_eq!(status(&[])["run_dir"], listed[0]["run_dir"], "all are finished: the newest");
}

#[test]
fn a_run_that_is_watched_is_shown_until_it_is_over() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", revokes(&mock, "rate: [4/400ms], concurrency: 4", 30));
    let child = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    mock.wait_for(1);
    let watched = place.certsweep(&["status", "run", "--watch", "--json"]).exits(0).out;
    let states: Vec<String> = watched
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((states.first().unwrap().as_str(), states.last().unwrap().as_str()), ("running", "finished"));
    finish(child).exits(0);
}

#[test]
fn what_needs_an_action_that_a_person_settles_as_done_goes_on() {
    let (mut place, mock) =
        (Place::new(), Mock::start(|seen, _| if seen.target.contains("/1/") { empty(299) } else { empty(204) }));
    place.set("CERTSWEEP_OPERATOR", "");
    place.set("USER", "");
    place.set("LOGNAME", "");
    let plan = revokes(&mock, "rate: [1000/1s]", 1);
    let first = "action: revoke, certificate_id";
    assert!(plan.contains(first), "{plan}");
    let plan = plan.replace(&format!("{{{first}"), &format!("{{id: one, {first}"));
    let more = "  - {id: two, action: revoke, certificate_id: 2, needs: [one]}\n  - {action: revoke, certificate_id: 3, needs: [two]}\n  \
                - {id: four, action: revoke, certificate_id: 4}\n";
    place.file("plan.yaml", format!("{}\n{more}", plan.trim_end()));
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run"]).exits(1);
    let sent = mock.seen().len();
    let settled = place.certsweep(&["settle", "run", "one", "--as", "succeeded", "--note", "seen"]).exits(0);
    assert!(settled.out.contains("2 actions that needed this can go on: certsweep resume run"), "{}", settled.out);
    let row = place.rows().into_iter().find(|row| row["action_id"] == "one").unwrap();
    assert!(!row["settled_by"].is_empty(), "the system knows the user where no variable does: {row:?}");
    assert_eq!(place.certsweep(&["status", "run", "--json"]).exits(0).json()["state"], "stopped");
    place.certsweep(&["resume", "run", "--yes"]).exits(0);
    assert_eq!(mock.seen().len(), sent + 2, "and each of them once");
    assert!(place.outcomes().iter().all(|(_, outcome)| outcome == "succeeded"), "{:?}", place.outcomes());
}

#[test]
fn a_person_settles_what_is_in_doubt_and_the_report_says_who() {
    let (mut place, mock) =
        (Place::new(), Mock::start(|seen, _| if seen.target.contains("/1/") { empty(299) } else { empty(204) }));
    place.set("CERTSWEEP_OPERATOR", "kim");
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s]", 2));
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run"]).exits(1);
    let ended = place.outcomes();
    let (doubtful, well) = match ended.iter().find(|(_, outcome)| outcome == "in-doubt") {
        Some((id, _)) => (id.clone(), ended.iter().find(|(other, _)| other != id).unwrap().0.clone()),
        None => panic!("{ended:?}"),
    };
    let settle = |ids: &[&str], note: &str| {
        place.certsweep(&[&["settle", "run"], ids, &["--as", "rejected", "--note", note]].concat())
    };
    settle(&[&doubtful, &well], "n").exits(2).says(&["is succeeded: only what is in-doubt, pending"]);
    settle(&[&doubtful, "nobody"], "n").exits(2).says(&["this run has no action `nobody`"]);
    assert_eq!(place.outcomes(), ended, "all or none");
    settle(&[&doubtful], "=seen in \u{1b}the portal").exits(0);
    settle(&[&doubtful], "again").exits(2).says(&["is rejected"]);
    let row = place.rows().into_iter().find(|row| row["action_id"] == doubtful).unwrap();
    assert_eq!((row["outcome"].as_str(), row["settled_by"].as_str()), ("rejected", "kim"));
    assert!(row["provider_message"].starts_with("settled by kim: =seen in \\u{1b}the portal (before: "), "{row:?}");
    assert!(row["settled_note"].starts_with("'=seen"), "{row:?}");
    let report = place.certsweep(&["report", "run", "--format", "json"]).exits(0).json();
    assert!(report.as_array().unwrap().iter().any(|row| row["settled_by"] == "kim"), "{report}");
    assert_eq!(place.certsweep(&["status", "run", "--json"]).exits(0).json()["outcomes"]["rejected"], 1);
    let sent = mock.seen().len();
    place.certsweep(&["resume", "run", "--yes", "--retry", "in-doubt"]).exits(1);
    assert_eq!(mock.seen().len(), sent, "nothing is in doubt any more");
    let markdown = place.certsweep(&["report", "run", "--format", "markdown"]).exits(0).out;
    assert!(markdown.contains("| rejected | 1 |") && markdown.contains("settled by kim"), "{markdown}");
    let junit = place.certsweep(&["report", "run", "--format", "junit"]).exits(0).out;
    assert!(junit.contains("<failure type=\"rejected\"") && junit.matches("<testcase ").count() == 2, "{junit}");
}

#[test]
fn run_with_resume_begins_or_goes_on_and_ends_as_the_run_did() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let plan = revokes(&mock, "rate: [2/200ms], concurrency: 1", 20);
    place.file("plan.yaml", &plan);
    let args = ["run", "plan.yaml", "--yes", "--run-dir", "run", "--resume"];
    let child = place.spawn(&args);
    mock.wait_for(3);
    signal(&child, "TERM");
    finish(child).exits(143);
    // A comment is no other plan.
    place.file("plan.yaml", format!("# once more\n{plan}"));
    place.certsweep(&[&args[..], &["--report", "copy.csv"]].concat()).exits(0);
    assert_eq!((mock.seen().len(), place.rows().len()), (20, 20));
    assert_eq!(place.read("copy.csv"), place.read("run/report.csv"));
    place.certsweep(&args).exits(0);
    assert_eq!(mock.seen().len(), 20, "a run that is over is not begun again");
    place.certsweep(&[&args[..], &["--simulate"]].concat()).exits(2).says(&["no rehearsal"]);
    place.file("plan.yaml", revokes(&mock, "rate: [2/200ms], concurrency: 1", 21));
    place.certsweep(&args).exits(2).says(&["holds a run of another plan", "another `--run-dir` begins a new run"]);
    assert_eq!(mock.seen().len(), 20);
}
