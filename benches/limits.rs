//! How much of what windows allow a run uses, and how much is refused, against the simulator with enforced sliding windows: real
//! time, over loopback. `truth` is the share of the declared limits that the simulator really allows. Prints a table.
//!
//! Measured is a steady stretch between two requests that stand at the same place of their windows, so that neither the burst at the
//! beginning nor the last, half empty window counts: m windows' worth of requests, and the time from the first to the one after
//! them. Where less is true than declared, the stretch begins after a third of the run; refusals count over the whole of it.
//!
//!     cargo bench --bench limits
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use certsweep::cli::clock::SystemClock;
use certsweep::diag::Diagnostics;
use certsweep::engine::{self, Ending, Run, Sender};
use certsweep::journal::{RunFacts, RunMaker};
use certsweep::plan::{Account, CsvOptions, Input, Request, check};
use certsweep::provider::Catalog;
use certsweep::provider::model::Window;
use certsweep::run::Event;
use certsweep::simulator::{self, Faults, Options, SimulatedAccount};
use certsweep::text::SourceMap;
use certsweep::time::Clock;
use certsweep::wire::client::{HttpOptions, HttpTransport};
use certsweep::wire::credentials::Credentials;
use certsweep::wire::signer::Signer;
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A row of the table.
struct Row {
    declared: &'static str,
    truth: (u32, u32),
    latency: &'static str,
    actions: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "{:<16} {:>5} {:>8} {:>9} {:>10} {:>11} {:>6} {:>8}",
        "declared", "truth", "latency", "requests", "allowed/s", "achieved/s", "share", "refused"
    );
    for row in ROWS {
        let ran = once(row)?;
        let (allowed, at_once) = allowed(row);
        let achieved = steady(row, &ran.ends, at_once).ok_or("the run is too short to be measured")?;
        println!(
            "{:<16} {:>5} {:>8} {:>9} {:>10.1} {:>11.1} {:>6.3} {:>7.1}%",
            row.declared,
            if row.truth.0 == row.truth.1 { "1".to_owned() } else { format!("{}/{}", row.truth.0, row.truth.1) },
            row.latency,
            ran.requests,
            allowed,
            achieved,
            achieved / allowed,
            ran.refused as f64 * 100.0 / ran.requests as f64
        );
    }
    Ok(())
}

/// What the true windows allow: requests a second, and how many at once, of the window that allows the least.
fn allowed(row: &Row) -> (f64, usize) {
    let windows = row.declared.split(", ").map(|text| Window::parse(text).expect("a window"));
    let truth = windows.map(|window| {
        let count = (window.count * row.truth.0 / row.truth.1).max(1);
        (f64::from(count) / window.length.as_secs_f64(), count as usize)
    });
    truth.fold((f64::INFINITY, 1), |least, one| if one.0 < least.0 { one } else { least })
}

/// Requests a second of the steady stretch.
fn steady(row: &Row, ends: &[Duration], at_once: usize) -> Option<f64> {
    let last = ends.len().checked_sub(1)?;
    let (first, last) = if row.truth.0 == row.truth.1 {
        (0, last / at_once * at_once)
    } else {
        let settled = *ends.last()? / 3;
        (ends.partition_point(|end| *end < settled), last)
    };
    let lasted = ends.get(last)?.checked_sub(*ends.get(first)?)?;
    (last > first).then(|| (last - first) as f64 / lasted.as_secs_f64())
}

/// What came of a run.
struct Ran {
    /// When each action had ended, since the run's beginning.
    ends: Vec<Duration>,
    /// Requests that came to the simulator.
    requests: u64,
    /// Those that it refused.
    refused: u64,
}

/// Runs a row's plan.
fn once(row: &Row) -> Result<Ran, Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let clock = SystemClock::start();
    let mut sources = SourceMap::default();
    let catalog = Catalog::built_in(&mut sources, &mut Diagnostics::default());
    let mut maker = RunMaker::begin(place.path())?;
    let request = Request {
        plan: Input::Stdin(plan(row).into_bytes()),
        settings: None,
        catalog: &catalog,
        columns: CsvOptions::default(),
        now: clock.now(),
    };
    let mut failed = None;
    let (plan, findings) =
        check(&request, &mut sources, &mut |action| failed = maker.add(action).err().or(failed.take()));
    let plan = plan.ok_or_else(|| format!("the bench's plan is wrong: {findings:?}"))?;
    let facts = RunFacts {
        settings: plan.settings().clone(),
        digest: plan.digest().to_owned(),
        actions: plan.actions(),
        documents: plan.documents().clone(),
        made_at: clock.now(),
        provider_directories: Vec::new(),
        simulated: true,
        issuers: Vec::new(),
    };
    let open = maker.finish(&place.path().join("run"), &facts, plan.files())?.open()?;
    if let Some(failed) = failed {
        return Err(failed.into());
    }
    let account = &facts.settings.accounts[0];
    let provider = catalog.get(&account.provider).ok_or("there is no such provider")?;
    let windows = account.windows.clone();
    let played = SimulatedAccount { name: account.name.clone(), provider: Arc::clone(provider), windows };
    let simulator = simulator::start(Options {
        port: 0,
        accounts: vec![played],
        faults: Faults::parse(&format!("limit={}/{},latency={}", row.truth.0, row.truth.1, row.latency))?,
        seed: 1,
        verify: false,
        known: Vec::new(),
        clock: Arc::new(clock),
    })?;
    let scheme = provider.auth.first().ok_or("the provider declares no way to sign")?;
    let names = scheme.required.iter();
    let credentials = Credentials::new(names.map(|name| (name.clone(), simulator::credential(&provider.id, name))));
    let there = Account { base_url: simulator.base_url(&account.name), ..account.clone() };
    let slots = account.concurrency as usize;
    let http = HttpOptions { timeout: facts.settings.timeout, concurrency: slots, ca_file: None };
    let signer = Signer::new(scheme, &account.variables, credentials);
    let sender = Sender::new(&there, Arc::clone(provider), signer, HttpTransport::loopback_only(&http)?);
    let reader = open.dir.read()?;
    // Nobody says stop; the sender is kept so that the channel stays open.
    let (_say, words) = tokio::sync::mpsc::unbounded_channel();
    let run = Run {
        settings: &facts.settings,
        reader: &reader,
        journal: open.journal.clone(),
        senders: vec![Rc::new(sender)],
        clock: Rc::new(clock),
        reopen: BTreeSet::new(),
        words,
        seed: 1,
        wait: false,
        questions: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let began = Instant::now();
    let mut ends = Vec::new();
    let mut observe = |event: Event| {
        if let Event::ActionEnded { .. } = event {
            ends.push(began.elapsed());
        }
    };
    let ending: Ending = tokio::task::LocalSet::new().block_on(&runtime, engine::run(run, &mut observe))?;
    open.close();
    assert!(ending.complete && ending.well, "the bench's run did not end well: {ending:?}");
    let total = simulator.effects().total();
    Ok(Ran { ends, requests: total.requests, refused: total.limited })
}

fn plan(row: &Row) -> String {
    let mut text = format!(
        "version: 1\nname: bench\nproviders:\n  digicert: {{rate: [{}]}}\n\
         defaults: {{provider: digicert, action: revoke, reason: keyCompromise, skip_approval: true}}\nactions:\n",
        row.declared
    );
    for number in 0..row.actions {
        writeln!(text, "  - {{certificate_id: \"{}\"}}", FIRST_ID + number).expect("a String takes everything");
    }
    text
}

const ROWS: &[Row] = &[
    Row { declared: "100/1s, 250/3s", truth: (1, 1), latency: "5ms", actions: 1251 },
    Row { declared: "50/1s", truth: (1, 1), latency: "1ms", actions: 501 },
    Row { declared: "1000/1s", truth: (1, 1), latency: "1ms", actions: 10_001 },
    Row { declared: "100/1s, 250/3s", truth: (1, 3), latency: "5ms", actions: 560 },
    Row { declared: "300/1s", truth: (1, 2), latency: "5ms", actions: 1800 },
];
const FIRST_ID: u32 = 100_000_000;
