//! Uses the library: checks a plan, and prints how many actions it has, by account and operation. Sends nothing.
//!
//!     cargo run --example library -- plans/key-compromise.yaml
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use certsweep::plan::{CsvOptions, Input, Request, check};
use certsweep::provider::Catalog;
use certsweep::text::SourceMap;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: library PLAN");
        return ExitCode::from(2);
    };
    match count(path.into()) {
        Ok(counts) => {
            println!("{counts}");
            ExitCode::SUCCESS
        }
        Err(findings) => {
            eprintln!("{findings}");
            ExitCode::from(2)
        }
    }
}

/// The counts of a plan, or all that is wrong with it.
pub(crate) fn count(path: PathBuf) -> Result<String, String> {
    // Every text that is read is kept here, so that findings can say file, line and column.
    let mut sources = SourceMap::default();
    let catalog = Catalog::built_in();
    let request = Request {
        plan: Input::Path(path),
        settings: None,
        catalog: &catalog,
        columns: CsvOptions::default(),
        // Time comes in from outside. Only a deadline or a schedule that has passed depends on it.
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    // The actions come one by one while the plan is read; they count only if there is a plan in the end.
    let mut counts: BTreeMap<(usize, String), u64> = BTreeMap::new();
    let (plan, findings) = check(&request, &mut sources, &mut |action| {
        *counts.entry((action.account, action.operation.clone())).or_default() += 1;
    });
    let place = |span| sources.place(span);
    let Some(plan) = plan else {
        let sorted = findings.sorted();
        let lines =
            sorted.iter().map(|finding| [finding.span.map(place).unwrap_or_default(), finding.what.clone()].join(": "));
        return Err(lines.collect::<Vec<_>>().join("\n"));
    };
    let accounts = &plan.settings().accounts;
    let lines = counts
        .iter()
        .map(|((account, operation), count)| format!("{count:>8}  {} {operation}", accounts[*account].name));
    let last = format!("{:>8}  in all; digest {}", plan.actions(), plan.digest());
    Ok(lines.chain([last]).collect::<Vec<_>>().join("\n"))
}
