//! The HTML report in Chromium, driven as people use it, and judged by axe-core (the rules of WCAG): filters, search, paper, a phone, and that
//! nothing is asked of any network.

use super::installed;
use crate::support::mock::{Mock, json};
use crate::support::place::{Place, finish, plan, signal};
use certsweep::journal::state::Overview;
use certsweep::journal::{Record, Reply, RunDir, StoredRecord};
use certsweep::run::Outcome;
use certsweep::view::report::html::{HtmlReport, PageSource, Timeline};
use certsweep::view::report::{ReportColumns, ReportRow, RunCells};
use certsweep::view::status::RunState;
use jiff::Timestamp;
use serde_json::{Value, json as object};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Has `browser.js` open a page: a file, or one that is served.
#[track_caller]
fn opened(page: &str, csv: &Path, search: &str) -> Value {
    let modules = installed::path("prism/node_modules");
    let kind = if page.starts_with("http://") { "url" } else { "page" };
    let asked = object!({kind: page, "csv": csv, "modules": modules, "chromium": "/usr/bin/chromium", "search": search, "quick": search.is_empty()});
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/browser.js");
    let mut child = Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "Chromium (Debian: apt-get install chromium) could not be driven");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A provider that refuses some actions in hostile words, and lets the others wait for a person.
fn hostile() -> Mock {
    Mock::start(|seen, _| match seen.target.len() % 3 {
        0 => json(
            400,
            r#"{"errors":[{"code":"no","message":"<img src=https://ca.example/x> \"no\", <script>alert(1)</script>\u202e"}]}"#,
        ),
        _ => json(201, r#"{"id":9917,"type":"revoke","status":"pending"}"#),
    })
}

/// A plan of 220 actions.
fn many(mock: &Mock) -> String {
    let actions: String = (0..220)
        .map(|index| {
            format!(
                "  - {{id: \"{}a{index}\", action: revoke, certificate_id: {}}}\n",
                if index == 7 { "=" } else { "" },
                10_u64.pow(index % 9) + u64::from(index)
            )
        })
        .collect();
    plan(mock, &["digicert"], "defaults: {provider: digicert}", &actions)
}

/// What holds of every page, whoever brings it.
#[track_caller]
fn works_as_people_use_it(told: &Value) {
    assert_eq!(
        (&told["requests"], &told["errors"]),
        (&object!([]), &object!([])),
        "nothing leaves, and nothing is complained of"
    );
    for view in ["wide", "narrow", "dark"] {
        assert_eq!(told["violations"][view], object!([]), "{view}");
    }
    assert_eq!((&told["rows"], &told["status"]), (&200.into(), &"200 of 220 rows shown".into()));
    for (outcome, chip) in told["chips"].as_object().unwrap() {
        let count: usize = chip["count"].as_str().unwrap().parse().unwrap();
        let expected = format!("{} of {count} rows shown; 220 in all", count.min(200));
        assert_eq!(chip["status"], expected, "{outcome}");
    }
    let filtered = &told["filtered"];
    assert_eq!(filtered["address"], format!("#outcome={}", filtered["outcome"].as_str().unwrap()));
    assert_eq!((&told["recalled"]["rows"], &told["recalled"]["pressed"]), (&filtered["rows"], &"true".into()));
    assert_eq!(told["searched"]["rows"], 1);
    assert!(told["searched"]["text"].as_str().unwrap().contains("a101"));
    assert_eq!(told["sorted"], "descending");
    assert!(
        told["upwards"] != told["downwards"] && told["upwards"][0] == "=a7",
        "without the spreadsheets' quote: {told}"
    );
    assert!(told["unfolded"].as_str().unwrap().contains("sourceplan.yaml:"), "{told}");
    assert_eq!(told["same"], true, "what is saved are the rows of the report");
    assert_eq!(told["skip"], "skip", "the keyboard's first stop");
    assert_eq!(told["paper"], object!({"trouble": true, "all": false, "tools": false}));
    assert!(told["pdf"].as_u64().unwrap() > 10_000);
    assert_eq!(told["phone"]["width"], 390, "nothing is wider than the phone");
    for part in ["outcome", "message"] {
        let (x, width) = (&told["phone"][part]["x"], &told["phone"][part]["width"]);
        let right = x.as_f64().unwrap() + width.as_f64().unwrap();
        assert!(right <= 390.0, "{part} is on the screen: {told}");
    }
    assert_eq!(told["still"], object!({"trouble": true, "tools": false}), "without scripts");
}

#[test]
#[ignore = "asks Chromium and axe-core; `.ci/run` installs them and sets CERTSWEEP_JUDGES"]
fn the_page_works_as_people_use_it() {
    let (place, mock) = (Place::new(), hostile());
    place.file("plan.yaml", many(&mock));
    place.certsweep(&["run", "plan.yaml", "--yes", "--run-dir", "run", "--ticket", "INC-42"]).exits(1);
    place.certsweep(&["report", "run", "--format", "html", "-o", "page.html"]).exits(0);
    let told = opened(place.path("page.html").to_str().unwrap(), &place.path("run/report.csv"), "a101");
    works_as_people_use_it(&told);
    assert_eq!(told["name"], "report.csv");
    installed::log("axe-core", told["axe"].as_str().unwrap(), "a report's page: wide, narrow, dark");
    installed::log(
        "Chromium",
        told["browser"].as_str().unwrap(),
        "a report's page: filters, search, paper, phone, no request",
    );
}

#[test]
#[ignore = "asks Chromium and axe-core; `.ci/run` installs them and sets CERTSWEEP_JUDGES"]
fn the_page_of_several_runs_works_as_people_use_it() {
    let (place, mock) = (Place::new(), hostile());
    place.file("plan.yaml", many(&mock));
    for (shard, run) in [("1/2", "one"), ("2/2", "two <b>")] {
        place.certsweep(&["run", "plan.yaml", "--yes", "--shard", shard, "--run-dir", run]).exits(1);
    }
    place.certsweep(&["report", "one", "two <b>", "--format", "html", "-o", "page.html"]).exits(0);
    place.certsweep(&["report", "one", "two <b>", "-o", "both.csv"]).exits(0);
    let told = opened(place.path("page.html").to_str().unwrap(), &place.path("both.csv"), "a101");
    works_as_people_use_it(&told);
    installed::log("Chromium", told["browser"].as_str().unwrap(), "the page of two runs: the same");
}

#[test]
#[ignore = "asks Chromium and axe-core; `.ci/run` installs them and sets CERTSWEEP_JUDGES"]
fn the_page_that_is_served_works_as_people_use_it() {
    let (place, mock) = (Place::new(), hostile());
    place.file("plan.yaml", many(&mock).replacen("[1000/1s]", "[6/1s]", 1));
    let running = place.spawn(&["run", "plan.yaml", "--yes", "--run-dir", "run"]);
    mock.wait_for(6);
    let served = || {
        let mut child = place.spawn(&["status", "run", "--serve", "127.0.0.1:0"]);
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        (child, url.trim().to_owned())
    };
    let (server, url) = served();
    let told = opened(&url, Path::new(""), "");
    assert_eq!((&told["requests"], &told["errors"]), (&object!([]), &object!([])), "nothing leaves");
    assert!(told["verdict"].as_str().unwrap().contains("The run goes on."), "{told}");
    signal(&server, "INT");
    finish(server).exits(0);
    signal(&running, "INT");
    finish(running).exits(130);
    // Of a run that is over the page stays as it is, and so can be held against all of the above.
    place.certsweep(&["resume", "run", "--yes"]);
    let (server, url) = served();
    let told = opened(&url, &place.path("run/report.csv"), "a101");
    works_as_people_use_it(&told);
    signal(&server, "INT");
    finish(server).exits(0);
    installed::log(
        "Chromium",
        told["browser"].as_str().unwrap(),
        "the page that is served: the same, and while the run goes on",
    );
}

#[test]
#[ignore = "asks Chromium; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn a_page_of_a_hundred_thousand_rows_is_small_and_opens() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| json(204, "")));
    place.run(&plan(&mock, &["digicert"], "", "  - {provider: digicert, action: revoke, certificate_id: 1}\n"));
    let reader = RunDir::existing(&place.path("run")).unwrap().read().unwrap();
    let (facts, run): (_, Overview) = (reader.facts().unwrap(), reader.overview_without_actions().unwrap());
    let mut page = HtmlReport::new(ReportColumns::default()).unwrap();
    let mut timeline = Timeline::new(1);
    let began = run.began_at.unwrap();
    for ordinal in 0..100_000_u64 {
        let moment =
            |millis: u64| Timestamp::from_millisecond(began.as_millisecond() + i64::try_from(millis).unwrap()).unwrap();
        // Distances as a network has them, the same in each run of the test.
        let (start, took) = (ordinal * 3, 40 + ordinal.wrapping_mul(6_364_136_223_846_793_005) % 97);
        let outcome = if ordinal % 50 == 0 { Outcome::Failed } else { Outcome::Succeeded };
        page.write(&ReportRow {
            action_id: &format!("leaked.csv:{}", ordinal + 2),
            provider: "digicert",
            operation: "revoke",
            target: &(112_358 + ordinal * 7).to_string(),
            reason: Some("keyCompromise"),
            reason_sent: Some("key_compromise"),
            outcome,
            http_status: Some(204),
            provider_code: None,
            provider_message: (outcome == Outcome::Failed).then_some("HTTP 503 without a body"),
            provider_ref: None,
            attempts: 1,
            started_at: Some(moment(start)),
            finished_at: Some(moment(start + took)),
            duration_ms: Some(took),
            source: &format!("leaked.csv:{}", ordinal + 2),
            left_out: false,
            run: RunCells::default(),
            issued: None,
            settled: None,
            verified: None,
            kept: &[],
        })
        .unwrap();
        let answer = Reply { http_status: Some(204), ..Reply::default() };
        for (millis, record) in [
            (start, Record::Intent { ordinal, attempt: 1, at: moment(start) }),
            (start + took, Record::Ended { ordinal, at: moment(start + took), outcome, answer }),
        ] {
            let stored = StoredRecord { seq: 1 << 40, steady: Duration::from_millis(millis), record };
            timeline.take(&stored, |_| (0, 0));
        }
    }
    let (timeline, mut text) = (timeline.close(), Vec::new());
    let source = PageSource {
        several: &[],
        facts: &facts,
        run: &run,
        timeline: Some(&timeline),
        state: RunState::Finished,
        run_dir: "run",
        only: &[],
        damage: None,
    };
    page.finish(&source, &mut text).unwrap();
    assert!(text.len() <= 2_000_000, "{} bytes", text.len());
    let written = place.file("page.html", &text);
    let told = opened(written.to_str().unwrap(), &place.path("run/report.csv"), "");
    assert_eq!(told["status"], "200 of 100,000 rows shown");
    // Ten times what docs/performance.md has: a machine has neighbours, and this is no bench.
    assert!(told["drawn"].as_u64().unwrap() < 20_000, "{} ms", told["drawn"]);
    installed::log("Chromium", told["browser"].as_str().unwrap(), &format!("100,000 rows in {} bytes", text.len()));
}
