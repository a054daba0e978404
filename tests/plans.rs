//! Good and bad plans as files: `tests/data/plans/{good,bad}`, one defect a bad plan, its name says which. Beside each stands
//! `NAME.expect`, one finding a line: `[warning ][FILE:]LINE:COLUMN WORDS`. All errors must be listed, unless a line says `...`; good
//! plans list their warnings and say `actions N`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use certsweep::diag::{Diagnostics, Severity};
use certsweep::plan::{self, Action, CheckedPlan, CsvOptions, IgnoreColumns, Input, Request};
use certsweep::provider::Catalog;
use certsweep::text::SourceMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let mut diagnostics = Diagnostics::default();
    let catalog = Catalog::built_in(&mut SourceMap::default(), &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{diagnostics:?}");
    catalog
});

const FOLDER: &str = "tests/data/plans";

struct Checked {
    plan: Option<CheckedPlan>,
    actions: Vec<Action>,
    findings: Vec<(Severity, String)>,
    diagnostics: Diagnostics,
}

fn check(input: Input, settings: Option<PathBuf>, columns: CsvOptions) -> Checked {
    let mut sources = SourceMap::default();
    let mut actions = Vec::new();
    let now = "2026-11-22T06:00:00Z".parse().unwrap();
    let request = Request { plan: input, settings, catalog: &CATALOG, columns, now };
    let (plan, diagnostics) = plan::check(&request, &mut sources, &mut |action| actions.push(action));
    let findings = diagnostics.sorted().into_iter().map(|found| {
        let place = found.span.map_or_else(|| "-:-".to_owned(), |span| sources.place(span));
        (found.severity, format!("{place} {}", found.what))
    });
    Checked { plan, actions, findings: findings.collect(), diagnostics: diagnostics.clone() }
}

fn check_file(path: &Path) -> Checked {
    let settings = path.with_file_name("files").join(path.file_name().unwrap()).with_extension("settings.yaml");
    check(Input::Path(path.to_owned()), settings.exists().then_some(settings), CsvOptions::default())
}

fn check_text(text: impl Into<Vec<u8>>) -> Checked {
    check(Input::Stdin(text.into()), None, CsvOptions::default())
}

fn plans(folder: &str) -> Vec<PathBuf> {
    let mut plans: Vec<PathBuf> = std::fs::read_dir(Path::new(FOLDER).join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|ending| ending != "expect"))
        .collect();
    plans.sort();
    plans
}

/// What differs from the file of expectations; empty where nothing does.
fn compare(path: &Path, checked: &Checked) -> String {
    let mut wrong = String::new();
    let expected = std::fs::read_to_string(path.with_extension("expect")).unwrap();
    let mut left: Vec<&(Severity, String)> = checked.findings.iter().collect();
    let mut all = true;
    for line in expected.lines() {
        if line == "..." {
            all = false;
            continue;
        }
        if let Some(count) = line.strip_prefix("actions ") {
            if checked.actions.len().to_string() != count {
                writeln!(wrong, "  {} actions instead of {count}", checked.actions.len()).unwrap();
            }
            continue;
        }
        let (severity, line) = match line.strip_prefix("warning ") {
            Some(line) => (Severity::Warning, line),
            None => (Severity::Error, line),
        };
        let (place, words) = line.split_once(' ').unwrap();
        let own = path.display().to_string();
        let place = match place.split(':').count() {
            _ if place == "-:-" => place.to_owned(),
            2 => format!("{own}:{place}"),
            _ => path.with_file_name(place).display().to_string(),
        };
        let found = left
            .iter()
            .position(|(is, text)| *is == severity && text.starts_with(&format!("{place} ")) && text.contains(words));
        match found {
            Some(index) => {
                left.remove(index);
            }
            None => writeln!(wrong, "  lacks: {line}").unwrap(),
        }
    }
    let is_good = path.parent().unwrap().ends_with("good");
    for (severity, text) in left {
        if (all && *severity == Severity::Error) || is_good {
            writeln!(wrong, "  too much: {severity:?} {text}").unwrap();
        }
    }
    if wrong.is_empty() { wrong } else { format!("{}\n{wrong}", path.display()) }
}

#[test]
fn good_plans_pass() {
    let wrong: String = plans("good")
        .iter()
        .map(|path| {
            let checked = check_file(path);
            assert_eq!(checked.plan.is_some(), !checked.diagnostics.has_errors(), "{}", path.display());
            let wrong = compare(path, &checked);
            if checked.plan.is_none() { format!("{wrong}  is refused: {}\n", path.display()) } else { wrong }
        })
        .collect();
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(plans("good").len() >= 15);
}

#[test]
fn bad_plans_are_refused_with_their_defects() {
    let wrong: String = plans("bad")
        .iter()
        .map(|path| {
            let checked = check_file(path);
            assert!(checked.plan.is_none(), "{} is taken", path.display());
            compare(path, &checked)
        })
        .collect();
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(plans("bad").len() >= 100);
}
