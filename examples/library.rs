//! Uses the library: checks a plan, and prints how many actions it has, by account and operation. Sends nothing.
//!
//!     cargo run --example library -- plans/key-compromise.yaml
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use certsweep::diag::Diagnostics;
use certsweep::plan::{CsvOptions, Input, Request, check};
use certsweep::provider::Catalog;
use certsweep::text::SourceMap;
use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: library PLAN");
        return ExitCode::from(2);
    };
    // Every text that is read is kept here, so that findings can say file, line and column.
    let mut sources = SourceMap::default();
    let mut findings = Diagnostics::default();
    let catalog = Catalog::built_in(&mut sources, &mut findings);
    let request = Request {
        plan: Input::Path(path.into()),
        settings: None,
        catalog: &catalog,
        columns: CsvOptions::default(),
        // Time comes in from outside. Only a deadline or a schedule that has passed depends on it.
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    // The actions come one by one while the plan is read; they count only if there is a plan in the end.
    let mut counts: BTreeMap<(usize, String), u64> = BTreeMap::new();
    let (plan, more) = check(&request, &mut sources, &mut |action| {
        *counts.entry((action.account, action.operation)).or_default() += 1;
    });
    findings.extend(more);
    for finding in findings.sorted() {
        let place = finding.span.map(|span| format!("{}: ", sources.place(span))).unwrap_or_default();
        eprintln!("{place}{}", finding.what);
    }
    let Some(plan) = plan else { return ExitCode::from(2) };
    for ((account, operation), count) in counts {
        println!("{count:>8}  {} {operation}", plan.settings().accounts[account].name);
    }
    println!("{:>8}  in all; digest {}", plan.actions(), plan.digest());
    ExitCode::SUCCESS
}
