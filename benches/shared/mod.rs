//! One run against the simulator, over loopback, as the command line puts it together: checked into a run directory, sent, journalled.
//! The benches say what plan and which faults, and what of it they measure; here is nothing measured but how long each part took.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![allow(dead_code, reason = "each bench reads its part of what came of a run")]

use certsweep::engine::{self, Ending, PlayedAccount, Run, rehearsal_senders};
use certsweep::journal::{RunFacts, RunMaker};
use certsweep::plan::{CsvOptions, Input, Request, check};
use certsweep::provider::Catalog;
use certsweep::run::{Event, RunOrigin};
use certsweep::simulator::{self, Faults, SimulatedAccount, SimulatorOptions};
use certsweep::text::SourceMap;
use certsweep::time::{Clock, SystemClock};
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is to be run.
pub(crate) struct Setting {
    /// A plan in YAML with one account.
    pub(crate) plan: String,
    /// What the simulator does wrong.
    pub(crate) faults: Faults,
    /// Whether the simulator holds the account to the windows that the plan declares.
    pub(crate) enforced: bool,
    /// Whether the simulator verifies signatures.
    pub(crate) verified: bool,
    /// Whether there is a journal on disk.
    pub(crate) journal: bool,
}

/// What came of it.
pub(crate) struct Ran {
    /// How long the check into a run directory took.
    pub(crate) checked: Duration,
    /// How long the run took.
    pub(crate) ran: Duration,
    /// How long the journal's thread was at work.
    pub(crate) journal: Duration,
    /// Requests that came to the simulator.
    pub(crate) requests: u64,
    /// Those that took effect.
    pub(crate) effects: u64,
    /// Those that its limits refused.
    pub(crate) limited: u64,
}

/// Runs it, and tells each event with the time since the run's beginning.
pub(crate) fn run(setting: Setting, mut observe: impl FnMut(Duration, Event)) -> Result<Ran, Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let clock = SystemClock::start();
    let mut sources = SourceMap::default();
    let catalog = Catalog::built_in();

    let began = Instant::now();
    let mut maker = RunMaker::begin(place.path())?;
    let request = Request {
        plan: Input::Stdin(setting.plan.into_bytes()),
        settings: None,
        catalog: &catalog,
        columns: CsvOptions::default(),
        now: clock.now(),
    };
    let mut failed = None;
    let (plan, findings) =
        check(&request, &mut sources, &mut |action| failed = maker.add(action).err().or(failed.take()));
    let plan = plan.ok_or_else(|| format!("the bench's plan is wrong: {findings:?}"))?;
    let facts = RunFacts { simulated: true, ..RunFacts::of(&plan, clock.now(), RunOrigin::default()) };
    maker.keep_order(&plan);
    let dir = maker.finish(&place.path().join("run"), &facts, plan.files(), &[])?;
    let open = if setting.journal { dir.open()? } else { dir.open_unjournaled_for_a_bench()? };
    if let Some(failed) = failed {
        return Err(failed.into());
    }
    let checked = began.elapsed();

    let account = &facts.settings.accounts[0];
    let provider = catalog.get(&account.provider).ok_or("there is no such provider")?;
    let windows = if setting.enforced { account.windows.clone() } else { Vec::new() };
    let played = SimulatedAccount { name: account.name.clone(), provider: Arc::clone(provider), windows };
    let simulator = simulator::start(SimulatorOptions {
        port: 0,
        accounts: vec![played],
        faults: setting.faults,
        seed: 1,
        verify: setting.verified,
        known: Vec::new(),
        clock: Arc::new(clock.clone()),
    })?;
    let senders = rehearsal_senders(&facts.settings, &catalog, |account| PlayedAccount {
        base_url: simulator.base_url(&account.name),
        auth_url: simulator.auth_url(&account.name),
        credential: simulator::credential_of,
        tls: None,
    })?;

    let reader = open.dir.read()?;
    // Nobody says anything; the sender is kept so that the channel stays open.
    let (_say, commands) = tokio::sync::mpsc::unbounded_channel();
    let run = Run {
        settings: &facts.settings,
        reader: &reader,
        journal: open.journal.clone(),
        senders,
        clock: Rc::new(clock),
        reopen: BTreeSet::new(),
        commands,
        seed: 1,
        wait: false,
        published: None,
        questions: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let began = Instant::now();
    let mut observe = |event: Event| observe(began.elapsed(), event);
    let ending: Ending = tokio::task::LocalSet::new().block_on(&runtime, engine::run(run, &mut observe))?;
    let ran = began.elapsed();
    let journal = cpu_of("journal");
    open.close();
    assert!(ending.complete && ending.well, "the bench's run did not end well: {ending:?}");
    let total = simulator.effects().total();
    Ok(Ran { checked, ran, journal, requests: total.requests, effects: total.effects, limited: total.limited })
}

/// A plan of so many revocations at DigiCert, whose account has these settings.
pub(crate) fn plan(account: &str, actions: u32) -> String {
    let mut text = format!(
        "version: 1\nname: bench\nproviders:\n  digicert: {{{account}}}\n\
         defaults: {{provider: digicert, action: revoke, reason: keyCompromise, skip_approval: true}}\nactions:\n"
    );
    for number in 0..actions {
        writeln!(text, "  - {{certificate_id: \"{}\"}}", FIRST_ID + number).expect("a String takes everything");
    }
    text
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

const FIRST_ID: u32 = 100_000_000;
