//! A plan in parts, each carried out by a process of its own: each target once, no window exceeded in sum.

use super::mock::{Mock, empty};
use super::place::{Place, finish, plan, rows, signal};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Child;

/// `certsweep simulate` as a server, with this document alone changed.
struct Server {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    told: Value,
}

impl Server {
    fn start(place: &Place, args: &[&str]) -> Self {
        let mut child = place.spawn(&[&["simulate", "--json"], args].concat());
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        let told = loop {
            assert!(out.read_line(&mut text).unwrap() > 0, "{text}");
            if let Ok(told) = serde_json::from_str(&text) {
                break told;
            }
        };
        Self { child, out, told }
    }

    fn of(&self, provider: &str) -> &Value {
        self.told["providers"].as_array().unwrap().iter().find(|known| known["provider"] == provider).unwrap()
    }

    /// Ends it, and returns what it has counted.
    fn end(mut self) -> Value {
        signal(&self.child, "INT");
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        finish(self.child).exits(0);
        serde_json::from_str(&rest).unwrap()
    }
}

#[test]
fn four_processes_share_one_limit_and_do_each_target_once() {
    let mut place = Place::bare();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/in-house-ca.yaml");
    let document = std::fs::read_to_string(document).unwrap();
    assert!(document.contains("rate: [20/1s]"), "the example's limit");
    place.file("documents/in-house.yaml", document.replace("rate: [20/1s]", "rate: [40/1s]"));
    let server = Server::start(&place, &["--provider-dir", "documents"]);
    let url = server.of("in-house")["base_url"].as_str().unwrap().to_owned();
    for (name, value) in server.of("in-house")["environment"].as_object().unwrap() {
        place.set(name, value.as_str().unwrap());
    }
    let mut text = format!(
        "version: 1\nname: sweep\nproviders: {{in-house: {{base_url: \"{url}\", concurrency: 8}}}}\n\
         defaults: {{provider: in-house, action: revoke, reason: superseded}}\nactions:\n"
    );
    for number in 0..120 {
        // Each tenth waits for the one before it, which need not be near.
        let needs = if number % 10 == 9 { format!(", needs: [a{}]", number - 9) } else { String::new() };
        writeln!(text, "  - {{id: a{number}, serial: \"{:04x}\"{needs}}}", number + 1).unwrap();
    }
    place.file("plan.yaml", text);
    let dir = ["--provider-dir", "documents"];
    let digest = place.certsweep(&[&["preview", "plan.yaml", "--json"][..], &dir].concat()).exits(0).json();
    let digest = digest["digest"].as_str().unwrap();

    let shards = ["1/4", "2/4", "3/4", "4/4"];
    let args = |shard| {
        // What somebody has approved of the whole holds for each part.
        [&["run", "plan.yaml", "--yes", "--digest", digest, "--shard", shard][..], &dir].concat()
    };
    let running: Vec<Child> = shards.iter().map(|shard| place.spawn(&args(shard))).collect();
    for child in running {
        finish(child).exits(0);
    }
    let counted = server.end();
    let revoked = &counted["accounts"]["in-house"]["operations"]["revoke"];
    assert_eq!((&revoked["effects"], &revoked["limited"]), (&120.into(), &0.into()), "{counted}");

    // Every action is in one run alone, and with it what it needs.
    let runs: Vec<String> = std::fs::read_dir(place.path("runs"))
        .unwrap()
        .map(|entry| format!("runs/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    assert_eq!(runs.len(), 4);
    let mut run_of: BTreeMap<String, String> = BTreeMap::new();
    for run in &runs {
        let status = place.certsweep(&["status", run, "--json"]).exits(0).json();
        let (number, actions) = (&status["shard"]["number"], &status["actions"]);
        assert_eq!((&status["shard"]["of"], &status["shard"]["plan_actions"]), (&4.into(), &120.into()), "{status}");
        assert!(run.ends_with(&format!("-sweep-{number}of4")), "{run}");
        let told = format!("shard    {number}/4: {actions} of the plan's 120 actions");
        assert!(place.certsweep(&["status", run]).exits(0).out.contains(&told));
        for row in rows(&place.read(&format!("{run}/report.csv"))) {
            assert_eq!((row["outcome"].as_str(), row["shard"].as_str()), ("succeeded", &*format!("{number} of 4")));
            assert_eq!(run_of.insert(row["action_id"].clone(), run.clone()), None);
        }
        let page = place.certsweep(&["report", run, "--format", "html"]).exits(0).out;
        assert!(page.contains(&format!("shard {number}/4: {actions} of the plan")), "{run}");
    }
    assert_eq!(run_of.len(), 120);
    let named: Vec<&str> = runs.iter().map(String::as_str).collect();
    let whole = place.certsweep(&[&["report"], &named[..]].concat()).exits(0);
    assert!(!whole.err.contains("more than one"), "{}", whole.err);
    let whole = rows(&whole.out);
    let ids: Vec<String> = (0..120).map(|number| format!("a{number}")).collect();
    assert_eq!(whole.iter().map(|row| row["action_id"].clone()).collect::<Vec<_>>(), ids, "in plan order");
    assert!(whole.iter().all(|row| row["run"] == run_of[&row["action_id"]]));
    for number in (9..120).step_by(10) {
        assert_eq!(run_of[&format!("a{number}")], run_of[&format!("a{}", number - 9)]);
    }
}

#[test]
fn whoever_looks_at_a_part_sees_which_it_is() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", super::limits::revokes(&mock, "rate: [1000/1s], concurrency: 8", 20));
    let outlets = ["--events", "events.jsonl", "--metrics", "run.prom", "--run-dir", "runs/part"];
    let told = place.certsweep(&[&["run", "plan.yaml", "--yes", "--shard", "1/2"][..], &outlets].concat()).exits(0);
    assert!(told.out.contains("test (shard 1/2) finished after"), "{}", told.out);
    let part = serde_json::json!({"number": 1, "of": 2, "plan_actions": 20});
    for line in place.read("events.jsonl").lines() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["shard"], part, "{line}");
    }
    let figures = place.read("run.prom");
    let mut samples = figures.lines().filter(|line| !line.starts_with('#'));
    assert!(samples.all(|sample| sample.contains("{run=\"part\",shard=\"1/2\"")), "{figures}");
    assert_eq!(place.certsweep(&["runs", "--json"]).exits(0).json()[0]["shard"], part);
    assert!(place.certsweep(&["runs"]).exits(0).out.contains("test (shard 1/2)"));
    for (format, expected) in [
        ("html", "<dt>Shard</dt><dd>1/2: "),
        ("markdown", "test \\(shard 1/2\\)"),
        ("junit", "name=\"test (shard 1/2)\""),
    ] {
        let report = place.certsweep(&["report", "part", "--format", format]).exits(0).out;
        assert!(report.contains(expected), "{expected}");
    }
}

#[test]
fn a_preview_of_a_part_has_its_share() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let text = super::limits::revokes(&mock, "rate: [8/1s, 100/60s], concurrency: 8", 200);
    place.file("plan.yaml", &text);
    let preview =
        |args: &[&str]| place.certsweep(&[&["preview", "plan.yaml", "--json"], args].concat()).exits(0).json();
    let whole = preview(&[]);
    assert_eq!(whole["shard"], Value::Null);
    let mut ids = BTreeSet::new();
    let mut actions = 0;
    for shard in ["1/3", "2/3", "3/3"] {
        let part = preview(&["--shard", shard, "--report", "planned.csv"]);
        assert_eq!(part["digest"], whole["digest"]);
        assert_eq!(part["shard"]["plan_actions"], 200);
        let provider = &part["providers"][0];
        assert_eq!((&provider["rate"][0], &provider["rate"][1]), (&"2/1s".into(), &"33/60s".into()), "{provider}");
        assert_eq!(provider["concurrency"], 2);
        actions += part["actions"].as_u64().unwrap();
        for row in rows(&place.read("planned.csv")) {
            assert!(ids.insert(row["action_id"].clone()), "{} is in two parts", row["action_id"]);
        }
    }
    assert_eq!((actions, ids.len()), (200, 200));
    let text = place.certsweep(&["preview", "plan.yaml", "--shard", "2/3"]).exits(0).out;
    assert!(text.contains("shard   2/3: ") && text.contains(" of the plan's 200 actions"), "{text}");
    // From standard input, which is read once.
    let piped =
        place.certsweep_reading(&["preview", "-", "--shard", "1/3", "--json"], place.read("plan.yaml").as_bytes());
    assert_eq!(piped.exits(0).json()["shard"]["number"], 1);
}

#[test]
fn a_limit_below_the_number_of_parts_is_left_to_the_first_ones() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.file("plan.yaml", super::limits::revokes(&mock, "rate: [2/100ms], concurrency: 8", 40));
    let mut sent = 0;
    for (shard, is_empty) in [("1/4", false), ("2/4", false), ("3/4", true), ("4/4", true)] {
        let (run, number) = (format!("run-{}", &shard[..1]), &shard[..1]);
        place.certsweep(&["run", "plan.yaml", "--yes", "--shard", shard, "--run-dir", &run]).exits(0);
        let status = place.certsweep(&["status", &run, "--json"]).exits(0).json();
        assert_eq!((status["actions"] == 0, &status["state"]), (is_empty, &"finished".into()), "{number}: {status}");
        sent += status["actions"].as_u64().unwrap();
    }
    assert_eq!((sent, mock.seen().len()), (40, 40));
}

#[test]
fn a_part_is_taken_up_as_itself_alone() {
    let (place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    let text = super::limits::revokes(&mock, "rate: [1000/1s], concurrency: 8", 20);
    place.file("plan.yaml", &text);
    for (shard, told) in [
        ("0/4", "numbered from 1: 1/4 to 4/4"),
        ("5/4", "numbered from 1: 1/4 to 4/4"),
        ("1/0", "not 0"),
        ("half", "such as `2/4`"),
    ] {
        place.certsweep(&["run", "plan.yaml", "--yes", "--shard", shard]).exits(2).says(&[told]);
    }
    let args = |shard| ["run", "plan.yaml", "--yes", "--run-dir", "run", "--resume", "--shard", shard];
    place.certsweep(&args("1/2")).exits(0);
    let sent = mock.seen().len();
    assert!((1..20).contains(&sent));
    place.certsweep(&args("1/2")).exits(0);
    place.certsweep(&args("2/2")).exits(2).says(&["holds a run of shard 1/2, and this is shard 2/2", "--run-dir"]);
    place.certsweep(&args("1/2")[..6]).exits(2).says(&["holds a run of shard 1/2, and this is the whole plan"]);
    assert_eq!(mock.seen().len(), sent);
    // A rehearsal of a part is one too.
    place.certsweep(&["run", "plan.yaml", "--simulate", "--shard", "2/2", "--run-dir", "drill"]).exits(0);
    let drilled = rows(&place.read("drill/report.rehearsal.csv"));
    assert_eq!(drilled.len(), 20 - sent);
    // An error of the plan is told once.
    place.file("plan.yaml", text.replacen("certificate_id: 1", "certificat_id: 1", 1));
    let told = place.certsweep(&["preview", "plan.yaml", "--shard", "1/2"]).exits(2);
    assert_eq!(
        told.err.matches("error").count(),
        place.certsweep(&["preview", "plan.yaml"]).exits(2).err.matches("error").count()
    );
    // And a warning.
    place.file(
        "plan.yaml",
        plan(
            &mock,
            &["digicert"],
            "defaults: {provider: digicert, action: revoke, certificate_id: 7}",
            "  - {id: a}\n  - {id: b}\n",
        ),
    );
    let told = place.certsweep(&["preview", "plan.yaml", "--shard", "1/1"]).exits(0);
    assert_eq!(told.err, place.certsweep(&["preview", "plan.yaml"]).exits(0).err);
}
