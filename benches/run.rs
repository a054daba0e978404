//! How long a run of 20,000 actions takes against the simulator, over loopback, with the journal on disk and limits opened wide.
//! Server and client share the machine. Each
//! run has a twin without a journal beside it: `share` is the journal's throughput as a share of the twin's. Prints a table.
//!
//!     cargo bench --bench run
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use certsweep::cli::clock::SystemClock;
use certsweep::diag::Diagnostics;
use certsweep::engine::{self, Ending, Run, Sender};
use certsweep::journal::{RunFacts, RunMaker};
use certsweep::plan::{Account, CsvOptions, Input, Request, check};
use certsweep::provider::Catalog;
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

fn main() -> Result<(), Box<dyn Error>> {
    println!("a run of {ACTIONS} actions against the simulator");
    println!(
        "{:>8} {:>10} {:>10} {:>12} {:>14} {:>8} {:>11}",
        "slots", "check s", "run s", "actions/s", "no journal", "share", "journal us"
    );
    for slots in [8, 64, 256] {
        let mut shares = Vec::new();
        let (mut best, mut without) = ((Duration::MAX, Duration::MAX, Duration::MAX), Duration::MAX);
        for _ in 0..ROUNDS {
            // Side by side, since a shared machine is faster in one minute than in the next.
            let with = once(slots, true)?;
            let bare = once(slots, false)?.1;
            shares.push(bare.as_secs_f64() / with.1.as_secs_f64());
            best = (best.0.min(with.0), best.1.min(with.1), best.2.min(with.2));
            without = without.min(bare);
        }
        shares.sort_by(f64::total_cmp);
        let rate = |ran: Duration| f64::from(ACTIONS) / ran.as_secs_f64();
        println!(
            "{slots:>8} {:>10.3} {:>10.3} {:>12.0} {:>14.0} {:>8.2} {:>11.1}",
            best.0.as_secs_f64(),
            best.1.as_secs_f64(),
            rate(best.1),
            rate(without),
            shares[shares.len() / 2],
            best.2.as_secs_f64() * 1e6 / f64::from(ACTIONS)
        );
    }
    Ok(())
}

/// How long the check into a run directory took, how long the run, with or without a journal, and how long the journal's thread
/// was at work.
fn once(slots: u32, journal: bool) -> Result<(Duration, Duration, Duration), Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let clock = SystemClock::start();
    let mut sources = SourceMap::default();
    let catalog = Catalog::built_in(&mut sources, &mut Diagnostics::default());

    let began = Instant::now();
    let mut maker = RunMaker::begin(place.path())?;
    let request = Request {
        plan: Input::Stdin(plan(slots).into_bytes()),
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
    let dir = maker.finish(&place.path().join("run"), &facts, plan.files())?;
    let open = if journal { dir.open()? } else { dir.open_unjournaled_for_a_bench()? };
    if let Some(failed) = failed {
        return Err(failed.into());
    }
    let checked = began.elapsed();

    let account = &facts.settings.accounts[0];
    let provider = catalog.get(&account.provider).ok_or("there is no such provider")?;
    let played = SimulatedAccount { name: account.name.clone(), provider: Arc::clone(provider), windows: Vec::new() };
    let simulator = simulator::start(Options {
        port: 0,
        accounts: vec![played],
        faults: Faults::default(),
        seed: 1,
        verify: true,
        known: Vec::new(),
        clock: Arc::new(clock),
    })?;
    let scheme = provider.auth.first().ok_or("the provider declares no way to sign")?;
    let names = scheme.required.iter();
    let credentials = Credentials::new(names.map(|name| (name.clone(), simulator::credential(&provider.id, name))));
    let there = Account { base_url: simulator.base_url(&account.name), ..account.clone() };
    let http = HttpOptions { timeout: facts.settings.timeout, concurrency: slots as usize, ca_file: None };
    let signer = Signer::new(scheme, &account.variables, credentials);
    let sender = Sender::new(&there, Arc::clone(provider), signer, HttpTransport::loopback_only(&http)?);

    let reader = open.dir.read()?;
    // Nobody says anything; the sender is kept so that the channel stays open.
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
    let mut observe = |_: Event| {};
    let ending: Ending = tokio::task::LocalSet::new().block_on(&runtime, engine::run(run, &mut observe))?;
    let ran = began.elapsed();
    let journal = cpu_of("journal");
    open.close();
    assert!(ending.complete && ending.well, "the bench's run did not end well: {ending:?}");
    assert_eq!(simulator.effects().total().effects, u64::from(ACTIONS));
    Ok((checked, ran, journal))
}

/// The processor time that a thread has used, where the system tells (Linux).
fn cpu_of(thread: &str) -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten().map(|task| task.path());
    let named = tasks.filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == thread));
    let nanos = |task: std::path::PathBuf| -> Option<u64> {
        std::fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    Duration::from_nanos(named.filter_map(nanos).sum())
}

fn plan(slots: u32) -> String {
    let mut text = format!(
        "version: 1\nname: bench\nproviders:\n  digicert: {{rate: [1000000/1s], concurrency: {slots}}}\n\
         defaults: {{provider: digicert, action: revoke, reason: keyCompromise, skip_approval: true}}\nactions:\n"
    );
    for number in 0..ACTIONS {
        writeln!(text, "  - {{certificate_id: \"{}\"}}", FIRST_ID + number).expect("a String takes everything");
    }
    text
}

const ACTIONS: u32 = 20_000;
/// Rounds of a run with and one without a journal; the share is the median of their ratios.
const ROUNDS: usize = 5;
const FIRST_ID: u32 = 100_000_000;
