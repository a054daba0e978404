//! How long it takes to read and check a plan of 100,000 actions, as CSV and as YAML. Prints a table; compares nothing.
//!
//!     cargo bench --bench check
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use certsweep::diag::Diagnostics;
use certsweep::plan::{CsvOptions, Input, Request, check};
use certsweep::provider::Catalog;
use certsweep::text::SourceMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

fn main() {
    println!("reading and checking {ACTIONS} actions, best of {ROUNDS}");
    println!("{:<8} {:>10} {:>10} {:>12}", "format", "MB", "seconds", "actions/s");
    for (name, text) in [("CSV", csv()), ("YAML", yaml())] {
        let best = (0..ROUNDS).map(|_| once(&text)).min().unwrap_or_default();
        let seconds = best.as_secs_f64();
        let megabytes = text.len() as f64 / 1e6;
        println!("{name:<8} {megabytes:>10.1} {seconds:>10.3} {:>12.0}", f64::from(ACTIONS) / seconds);
    }
}

fn once(text: &str) -> Duration {
    let mut sources = SourceMap::default();
    let mut findings = Diagnostics::default();
    let catalog = Catalog::built_in(&mut sources, &mut findings);
    let request = Request {
        plan: Input::Stdin(text.as_bytes().to_vec()),
        settings: None,
        catalog: &catalog,
        columns: CsvOptions::default(),
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    let began = Instant::now();
    let mut actions = 0;
    let (plan, findings) = check(&request, &mut sources, &mut |_| actions += 1);
    let took = began.elapsed();
    assert!(plan.is_some() && actions == ACTIONS, "the bench's plan is wrong: {findings:?}");
    took
}

fn csv() -> String {
    let mut text = "provider,action,certificate_id,reason,comments,skip_approval\n".to_owned();
    for number in 0..ACTIONS {
        let id = FIRST_ID + number;
        writeln!(text, "digicert,revoke,{id},keyCompromise,INC-42,true").expect("a String takes everything");
    }
    text
}

fn yaml() -> String {
    let mut text =
        "version: 1\nname: bench\ndefaults: {provider: digicert, reason: keyCompromise}\nactions:\n".to_owned();
    for number in 0..ACTIONS {
        let id = FIRST_ID + number;
        writeln!(text, "  - {{action: revoke, certificate_id: \"{id}\", comments: INC-42, skip_approval: true}}")
            .expect("a String takes everything");
    }
    text
}

const ACTIONS: u32 = 100_000;
const ROUNDS: u32 = 5;
const FIRST_ID: u32 = 100_000_000;
