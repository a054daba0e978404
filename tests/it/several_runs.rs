//! One report of several runs: rows by plan order, which run each is of, and what is in two of them.

use super::limits::revokes;
use super::mock::{Mock, empty};
use super::place::{Place, plan, rows};
use serde_json::Value;

/// A plan of 30 actions in two parts, carried out in `one` and `two`; action 3 is rejected.
fn two_parts() -> (Place, Mock) {
    let place = Place::new();
    let mock = Mock::start(|seen, _| if seen.target.contains("/3/") { empty(404) } else { empty(204) });
    place.file("plan.yaml", revokes(&mock, "rate: [1000/1s], concurrency: 8", 30));
    for (shard, run, ticket) in [("1/2", "one", "INC-1"), ("2/2", "two <b>", "INC-2")] {
        let args = ["run", "plan.yaml", "--yes", "--shard", shard, "--run-dir", run, "--ticket", ticket];
        let code = place.certsweep(&args).code;
        assert!(code <= 1, "{code}");
    }
    (place, mock)
}

#[test]
fn several_runs_make_one_report_in_every_format() {
    let (place, _mock) = two_parts();
    let report = |args: &[&str]| place.certsweep(&[&["report", "one", "two <b>"], args].concat()).exits(0).out;
    let csv = rows(&report(&[]));
    let sources: Vec<u32> = csv.iter().map(|row| row["source"].rsplit(':').next().unwrap().parse().unwrap()).collect();
    assert!(sources.is_sorted() && csv.len() == 30, "{sources:?}");
    for row in &csv {
        let (run, shard, ticket) = (row["run"].as_str(), row["shard"].as_str(), row["ticket"].as_str());
        assert!(
            [("one", "1 of 2", "INC-1"), ("two <b>", "2 of 2", "INC-2")].contains(&(run, shard, ticket)),
            "{row:?}"
        );
    }
    // As the runs' own reports have them.
    let own: usize = ["one", "two <b>"].iter().map(|run| rows(&place.read(&format!("{run}/report.csv"))).len()).sum();
    assert_eq!(own, 30);
    let json: Value = serde_json::from_str(&report(&["--format", "json"])).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 30);
    assert!(json.as_array().unwrap().iter().all(|row| row["run"].is_string() && row["shard"].is_string()));
    let markdown = report(&["--format", "markdown"]);
    assert!(markdown.contains("| run | action |") && markdown.contains("| all | 30 |"), "{markdown}");
    assert!(!markdown.contains("<b>"), "{markdown}");
    let junit = report(&["--format", "junit"]);
    assert!(junit.matches("<testcase ").count() == 30 && junit.contains("classname=\"two &lt;b&gt;."), "{junit}");
    assert_eq!(
        rows(&report(&["--outcome", "rejected"])).len(),
        csv.iter().filter(|row| row["outcome"] == "rejected").count()
    );
    place.certsweep(&["report", "one", "two <b>", "--format", "plan"]).exits(2).says(&["made of one run"]);
    place.certsweep(&["report", "one", "./one"]).exits(2).says(&["is named twice"]);
    place.certsweep(&["report", "one", "three"]).exits(2);
}

#[test]
fn a_page_of_several_runs_names_each_and_is_held_against_them() {
    let (place, _mock) = two_parts();
    let write = || place.certsweep(&["report", "one", "two <b>", "--format", "html", "-o", "page.html"]).exits(0);
    write();
    let page = place.read("page.html");
    for expected in ["two &#60;b&#62;", "1/2: ", "2/2: ", "INC-1, INC-2", "29 of 30 revocations done"] {
        assert!(page.contains(expected), "{expected}");
    }
    assert!(page.contains("for run in one &#39;two &#60;b&#62;&#39;; do certsweep re") && !page.contains("two <b>"));
    // The limits of the parts add up to the plan's.
    assert!(page.contains("1000/1s") && !page.contains("500/1s, "), "limits");
    place.certsweep(&["report", "one", "two <b>", "--check", "page.html"]).exits(0);
    place.certsweep(&["report", "./one", "two <b>", "--check", "page.html"]).exits(0);
    place.certsweep(&["report", "two <b>", "one", "--check", "page.html"]).exits(1);
    place.certsweep(&["report", "one", "--check", "page.html"]).exits(1).says(&["a page of 2 runs", "name as many"]);
    place.file("page.html", page.replace("29 of 30", "30 of 30"));
    place.certsweep(&["report", "one", "two <b>", "--check", "page.html"]).exits(1).says(&["was changed after"]);
}

#[test]
fn runs_of_different_plans_follow_one_another_and_what_is_in_two_is_told() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let list = |name: &str, column: &str, ids: &[u32]| {
        let rows: String = ids.iter().map(|id| format!("{id},{column}{id}\n")).collect();
        place.file(&format!("{name}.csv"), format!("certificate_id,{column}\n{rows}"));
        let entry = format!(
            "  - {{from: {name}.csv, keep_columns: [{column}], provider: digicert, action: revoke, skip_approval: true}}\n"
        );
        place.file(
            &format!("{name}.yaml"),
            plan(&mock, &["digicert"], "", &entry).replace("name: test", &format!("name: {name}")),
        );
        place.certsweep(&["run", &format!("{name}.yaml"), "--yes", "--run-dir", &format!("run-{name}")]).exits(0);
    };
    list("first", "Owner", &[1, 2, 3]);
    list("second", "Team", &[3, 4]);
    let told = place.certsweep(&["report", "run-first", "run-second"]).exits(0);
    let told = told.says(&["1 action is on a target that is in more than one of the runs, the first on 3 of digicert"]);
    let found: Vec<[String; 3]> =
        rows(&told.out).iter().map(|row| ["run", "Owner", "Team"].map(|name| row[name].clone())).collect();
    let expected = [
        ("first", "Owner1", ""),
        ("first", "Owner2", ""),
        ("first", "Owner3", ""),
        ("second", "", "Team3"),
        ("second", "", "Team4"),
    ];
    assert_eq!(found, expected.map(|(run, owner, team)| [format!("run-{run}"), owner.to_owned(), team.to_owned()]));
}
