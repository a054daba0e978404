//! What stands in `deploy`: its command lines are this program's, and its plan is one. That systemd and Kubernetes read the files as they are meant is
//! the judges' to say (tests/judges/deploy.rs).

use super::place::{Place, rows};
use serde_json::Value;
use std::path::Path;

fn deployed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn manifests(name: &str) -> Vec<Value> {
    deployed(name).split("\n---\n").map(|text| serde_yaml::from_str(text).unwrap()).collect()
}

fn of_kind<'m>(manifests: &'m [Value], kind: &str) -> &'m Value {
    manifests.iter().find(|manifest| manifest["kind"] == kind).unwrap()
}

/// The ConfigMap's files, in the directory `plan`; the digest of the plan among them.
fn mounted(place: &Place) -> String {
    let job = manifests("kubernetes/job.yaml");
    for (name, text) in of_kind(&job, "ConfigMap")["data"].as_object().unwrap() {
        place.file(&format!("plan/{name}"), text.as_str().unwrap());
    }
    let preview = place.certsweep(&["preview", "plan/plan.yaml", "--json"]).exits(0).json();
    preview["digest"].as_str().unwrap().to_owned()
}

/// Carries out a command line of a manifest as a rehearsal, with its variables and mounts as they would be there.
fn rehearsed(place: &Place, arguments: &[String], variables: &[(&str, &str)]) -> i32 {
    let filled = arguments.iter().map(|argument| {
        let argument = variables.iter().fold(argument.clone(), |text, (name, value)| text.replace(name, value));
        argument.replace("/plan/", "plan/").replace("/runs/", "runs/")
    });
    let filled: Vec<String> = filled.chain(["--simulate".to_owned()]).collect();
    place.certsweep(&filled.iter().map(String::as_str).collect::<Vec<_>>()).exits(0).code
}

fn arguments(job: &Value) -> Vec<String> {
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let arguments = container["args"].as_array().unwrap();
    arguments.iter().map(|argument| argument.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_jobs_command_lines_do_what_they_say_and_can_be_started_again() {
    let place = Place::bare();
    let digest = mounted(&place);
    let arguments_of_job = arguments(of_kind(&manifests("kubernetes/job.yaml"), "Job"));
    for _ in 0..2 {
        rehearsed(&place, &arguments_of_job, &[("$(DIGEST)", &digest)]);
    }
    assert_eq!(rows(&place.read("runs/run/report.rehearsal.csv")).len(), 1);
    // An edited plan is refused, and not begun.
    let edited = place.read("plan/leaked.csv").replace("112358", "112359");
    place.file("plan/leaked.csv", edited);
    let digest_flag =
        ["run", "plan/plan.yaml", "--yes", "--digest", &digest, "--run-dir", "runs/run", "--resume", "--simulate"];
    place.certsweep(&digest_flag).exits(2).says(&["another plan than the one previewed"]);
}

#[test]
fn the_indexed_jobs_pods_carry_out_the_whole_plan() {
    let place = Place::bare();
    mounted(&place);
    let list: String = (1..=40).map(|id| format!("{id}\n")).collect();
    place.file("plan/leaked.csv", format!("certificate_id\n{list}"));
    let digest = place.certsweep(&["preview", "plan/plan.yaml", "--json"]).exits(0).json()["digest"].clone();
    let found = manifests("kubernetes/indexed-job.yaml");
    let job = of_kind(&found, "Job");
    let (completions, parallelism) = (&job["spec"]["completions"], &job["spec"]["parallelism"]);
    assert_eq!(completions, parallelism);
    let mut ids = Vec::new();
    for index in 0..completions.as_u64().unwrap() {
        let variables = [("$(DIGEST)", digest.as_str().unwrap()), ("$(JOB_COMPLETION_INDEX)", &index.to_string())];
        rehearsed(&place, &arguments(job), &variables);
        let report = rows(&place.read(&format!("runs/shard-{index}/report.rehearsal.csv")));
        ids.extend(report.iter().map(|row| row["target"].parse::<u32>().unwrap()));
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=40).collect::<Vec<_>>());
}

#[test]
fn the_units_command_line_is_one_of_this_program() {
    let place = Place::bare();
    mounted(&place);
    let digest = place.certsweep(&["preview", "plan/plan.yaml", "--json"]).exits(0).json()["digest"].clone();
    let unit = deployed("systemd/certsweep@.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/certsweep ")).unwrap();
    let filled = line
        .replace("/etc/certsweep/%i.yaml", "plan/plan.yaml")
        .replace("${CERTSWEEP_DIGEST}", digest.as_str().unwrap());
    let filled = filled.replace("${STATE_DIRECTORY}/%i", "runs/unit");
    assert!(!filled.contains(['%', '$']), "{filled}");
    place.file("runs/empty", "");
    let arguments: Vec<&str> = filled.split(' ').chain(["--simulate"]).collect();
    place.certsweep(&arguments).exits(0);
    assert!(place.read("runs/unit.prom").contains("certsweep_up"));
}
