//! What people met elsewhere (docs/field-cases.md), where no other file has it: plans of editors, jobs without streams or a locale, long
//! chains. And that the page names only fixtures and tests that are there.

use super::limits::revokes;
use super::mock::{Mock, empty};
use super::place::{BINARY, Place, finish};
use std::fmt::Write as _;
use std::path::Path;

const PLAN: &str = "version: 1\nactions:\n  - {provider: digicert, action: revoke, certificate_id: \"1\"}\n";

#[test]
fn a_plan_is_read_as_editors_and_programs_write_it() {
    for (name, text) in [
        ("with a byte order mark", format!("\u{feff}{PLAN}")),
        ("with line ends of Windows", PLAN.replace('\n', "\r\n")),
        ("with the marks of a document", format!("---\n{PLAN}...\n")),
        ("with a comment before it", format!("# INC-42\n%YAML 1.2\n---\n{PLAN}")),
        (
            "as JSON",
            r#"{"version": 1, "actions": [{"provider": "digicert", "action": "revoke", "certificate_id": "1"}]}"#
                .to_owned(),
        ),
    ] {
        let place = Place::new();
        place.file("plan.yaml", text);
        let done = place.certsweep(&["check", "plan.yaml"]).exits(0);
        assert!(done.out.starts_with("ok: 1 action"), "{name}: {}", done.out);
    }
}

#[test]
fn words_and_numbers_that_yaml_once_turned_into_others_stay_what_they_are() {
    let place = Place::new();
    for (number, word) in ["no", "on", "y", "0x1F", "0012", "12:30:45", "1_000", "null-1"].into_iter().enumerate() {
        let action = format!(
            "{{id: {word}, provider: naver, action: revoke, orderId: {word}, certificateNo: {number}, reason: superseded}}"
        );
        place.file("plan.yaml", format!("version: 1\nactions:\n  - {action}\n"));
        let done = place.certsweep(&["preview", "plan.yaml", "--report", "planned.csv"]).exits(0);
        let row = super::place::rows(&place.read("planned.csv"))[0].clone();
        assert_eq!((row["action_id"].as_str(), row["target"].as_str()), (word, format!("{word}/{number}").as_str()));
        assert!(done.out.contains(word), "{}", done.out);
    }
}

#[test]
fn a_job_without_streams_locale_or_home_does_what_it_should() {
    let (mut place, mock) = (Place::new(), Mock::start(|_, _| empty(204)));
    place.set("LC_ALL", "C");
    for (number, streams) in ["<&-", ">&- 2>&-", "<&- >&- 2>&-", "</dev/null >/dev/full 2>&1"].into_iter().enumerate() {
        let plan = format!("Pläne für Müller {number}.yaml");
        place.file(&plan, revokes(&mock, "rate: [1000/1s]", 3));
        let line = format!("unset HOME; exec {BINARY} run '{plan}' --yes --run-dir 'run {number}' {streams}");
        let done = finish(place.command("sh", &["-c", &line]).spawn().unwrap());
        // Nobody can be told: that is the environment's fault, and the run is whole all the same.
        assert!([0, 4].contains(&done.code), "{streams}: {done:?}");
        let rows = super::place::rows(&place.read(&format!("run {number}/report.csv")));
        assert_eq!(rows.iter().filter(|row| row["outcome"] == "succeeded").count(), 3, "{streams}: {rows:?}");
    }
}

#[test]
fn a_long_chain_of_needs_is_checked_and_a_long_circle_is_told_in_a_line_that_can_be_read() {
    let place = Place::new();
    for (first, code) in [("", 0), (", needs: [a1999]", 2)] {
        let mut text = format!(
            "version: 1\ndefaults: {{provider: digicert, action: revoke}}\nactions:\n  - {{id: a0, certificate_id: 1{first}}}\n"
        );
        for number in 1..2000 {
            writeln!(text, "  - {{id: a{number}, certificate_id: {}, needs: [a{}]}}", number + 1, number - 1).unwrap();
        }
        place.file("plan.yaml", text);
        let done = place.certsweep(&["check", "plan.yaml"]).exits(code);
        let longest = done.err.lines().map(|line| line.chars().count()).max().unwrap_or_default();
        assert!(longest < 200, "{longest}");
        assert_eq!(done.err.contains("dependency cycle of 2000 actions: `a0` needs `a1999` needs `a1998`"), code == 2);
    }
}

/// Every row of the page's tables that claims something names what keeps it, and that is there.
#[test]
fn what_the_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/field-cases.md")).unwrap();
    let mut code = String::new();
    for directory in ["tests", "src"] {
        read_below(&root.join(directory), &mut code);
    }
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| case"));
    let mut kept = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        let names: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{row}");
        for name in names {
            let is_there = match name.split_once('/') {
                Some(("good" | "bad", _)) => ["yaml", "csv"]
                    .iter()
                    .any(|ending| root.join("tests/data/plans").join(format!("{name}.{ending}")).exists()),
                _ => code.contains(&format!("fn {name}(")),
            };
            assert!(is_there, "there is no {name}, which docs/field-cases.md names");
            kept += 1;
        }
    }
    assert!(kept > 30, "{kept}");
}

fn read_below(directory: &Path, code: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_below(&path, code);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            code.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}
