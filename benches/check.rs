//! How long it takes to read and check long plans: 1,000,000 rows of CSV beside the csv crate merely reading them, and 100,000 actions
//! of YAML beside the YAML parser merely reading them. Prints a table of medians and ratios.
//!
//!     cargo bench --bench check
//!
//! With `--write CSV 20000 PLAN` it only writes such a plan, with `--once PLAN` it only checks one: `benches/instructions` counts what
//! that takes. With `--read PLAN` it merely reads one, once.
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock and writes its own plans")]
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use certsweep::diag::Diagnostics;
use certsweep::plan::{CsvOptions, Input, Request, check};
use certsweep::provider::Catalog;
use certsweep::text::SourceMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--write", format @ ("CSV" | "YAML"), actions, plan] => {
            write(Path::new(plan), format, actions.parse().unwrap())
        }
        ["--once", plan] => drop(ours(Path::new(plan))),
        ["--read", plan] => {
            let format = if plan.ends_with(".csv") { "CSV" } else { "YAML" };
            merely_read(Path::new(plan), format, None);
        }
        _ => {
            let directory = std::env::temp_dir().join(format!("certsweep-bench-{}", std::process::id()));
            std::fs::create_dir(&directory).unwrap();
            table(&directory);
            std::fs::remove_dir_all(directory).unwrap();
        }
    }
}

fn table(directory: &Path) {
    println!("reading and checking, medians of {ROUNDS} rounds, one after the other in each");
    println!(
        "{:<6} {:>10} {:>6} {:>12} {:>14} {:>20} {:>6}",
        "format", "actions", "MB", "s, checked", "actions/s", "s, merely read", "ratio"
    );
    for (format, actions) in [("CSV", MANY), ("YAML", MANY / 10)] {
        let path = directory.join(format!("plan.{}", format.to_lowercase()));
        write(&path, format, actions);
        let (mut checked, mut read) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            read.push(merely_read(&path, format, Some(actions)));
            let (took, found) = ours(&path);
            assert_eq!(found, u64::from(actions));
            checked.push(took);
        }
        let (checked, read) = (median(checked), median(read));
        let megabytes = std::fs::metadata(&path).unwrap().len() as f64 / 1e6;
        println!(
            "{format:<6} {actions:>10} {megabytes:>6.1} {checked:>12.3} {:>14.0} {read:>20.3} {:>6.2}",
            f64::from(actions) / checked,
            checked / read
        );
    }
}

fn ours(path: &Path) -> (Duration, u64) {
    let mut sources = SourceMap::default();
    let mut findings = Diagnostics::default();
    let catalog = Catalog::built_in(&mut sources, &mut findings);
    let request = Request {
        plan: Input::Path(path.to_owned()),
        settings: None,
        catalog: &catalog,
        columns: CsvOptions::default(),
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    let began = Instant::now();
    let mut actions = 0;
    let (plan, findings) = check(&request, &mut sources, &mut |_| actions += 1);
    let took = began.elapsed();
    assert!(plan.is_some(), "the bench's plan is wrong: {findings:?}");
    (took, actions)
}

/// The least that reading needs: the csv crate with one reused record, or the events of the YAML parser.
fn merely_read(path: &Path, format: &str, expected: Option<u32>) -> Duration {
    let began = Instant::now();
    if format == "CSV" {
        let mut reader = csv::Reader::from_path(path).unwrap();
        let mut record = csv::StringRecord::new();
        let mut rows = 0;
        while reader.read_record(&mut record).unwrap() {
            rows += 1;
        }
        assert!(expected.is_none_or(|expected| rows == expected));
    } else {
        let text = std::fs::read_to_string(path).unwrap();
        let events = serde_yaml::granit_parser::Parser::new_from_str(&text);
        assert!(events.map(Result::unwrap).count() > expected.unwrap_or(0) as usize);
    }
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn write(path: &Path, format: &str, actions: u32) {
    let mut text = match format {
        "CSV" => "provider,action,certificate_id,reason,skip_approval,comments\n".to_owned(),
        _ => "version: 1\nname: bench\nactions:\n".to_owned(),
    };
    for id in FIRST_ID..FIRST_ID + actions {
        let written = match format {
            "CSV" => writeln!(text, "digicert,revoke,{id},keyCompromise,true,INC-42 leaked key"),
            _ => writeln!(
                text,
                "- provider: digicert\n  action: revoke\n  certificate_id: \"{id}\"\n  reason: keyCompromise\n  \
                 skip_approval: true\n  comments: INC-42 leaked key"
            ),
        };
        written.unwrap();
    }
    std::fs::write(path, text).unwrap();
}

const MANY: u32 = 1_000_000;
const ROUNDS: u32 = 5;
const FIRST_ID: u32 = 100_000_000;
