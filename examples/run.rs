//! Uses the library: carries a plan out and follows what happens, until the report is written. Against the simulator, so that nothing leaves
//! this machine; two lines say what a run against the providers does instead.
//!
//!     cargo run --example run -- plans/order-clean-up.yaml /tmp/a-run
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its user")]

use certsweep::engine::{self, PlayedAccount, Run, rehearsal_senders, stop_when_taken};
use certsweep::journal::{RunFacts, RunMaker};
use certsweep::plan::{CsvOptions, Input, Request, check};
use certsweep::provider::Catalog;
use certsweep::run::{Event, RunOrigin};
use certsweep::simulator::{self, Faults, KnownTarget, SimulatedAccount, SimulatorOptions};
use certsweep::text::SourceMap;
use certsweep::time::{Clock, SystemClock};
use certsweep::view::report::Counts;
use certsweep::view::report::run_files::write_reports;
use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::mpsc::unbounded_channel;

fn main() -> ExitCode {
    let [plan, run_dir] = &std::env::args_os().skip(1).map(PathBuf::from).collect::<Vec<_>>()[..] else {
        eprintln!("usage: run PLAN RUN_DIR");
        return ExitCode::from(2);
    };
    let mut follow = |event: Event| {
        if let Event::ActionEnded { account, id, outcome, .. } = event {
            println!("{account} {id}: {outcome}");
        }
    };
    match carry_out(plan.clone(), run_dir, &mut follow) {
        Ok(counts) => {
            println!("{:?}; the report is in {}", counts.outcomes, run_dir.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Carries a plan out in a new run directory, and hands out each event once what it tells of is on the disk.
pub(crate) fn carry_out(
    plan: PathBuf,
    run_dir: &Path,
    follow: &mut dyn FnMut(Event),
) -> Result<Counts, Box<dyn Error>> {
    // A rehearsal passes over closed windows at once; a real run's clock is `SystemClock::start()` as it is.
    let clock = SystemClock::start().rehearsal(None);
    let mut sources = SourceMap::default();
    let catalog = Catalog::built_in();

    // The actions go into a run directory in the making while the plan is read; it is one only if the plan has no errors.
    let mut maker = RunMaker::begin(run_dir.parent().unwrap_or(Path::new("")))?;
    let mut failed = None;
    let request = Request {
        plan: Input::Path(plan),
        settings: None,
        catalog: &catalog,
        columns: CsvOptions::default(),
        now: clock.now(),
    };
    let (plan, findings) =
        check(&request, &mut sources, &mut |action| failed = maker.add(action).err().or(failed.take()));
    let Some(plan) = plan else {
        maker.abandon();
        let lines = findings.sorted().into_iter().map(|finding| {
            let place = finding.span.map(|span| sources.place(span)).unwrap_or_default();
            format!("{place}: {}", finding.what)
        });
        return Err(lines.collect::<Vec<_>>().join("\n").into());
    };
    if let Some(failed) = failed {
        maker.abandon();
        return Err(failed.into());
    }
    // Who answers for it stands in every report.
    let origin = RunOrigin { operator: Some("an example of the library".to_owned()), ..RunOrigin::default() };
    let facts = RunFacts { simulated: true, ..RunFacts::of(&plan, clock.now(), origin) };
    let documents: Vec<_> = facts.documents.keys().filter_map(|id| catalog.get(id)).cloned().collect();
    maker.keep_order(&plan);
    // From here on the directory is there, whole, and this process alone may send for it.
    let run = maker.finish(run_dir, &facts, plan.files(), &documents)?.open()?;
    let reader = run.dir.read()?;

    // A run against the providers has `real_senders(…)` in the place of all this: it reads the credentials that the plan refers to.
    let accounts = facts.settings.accounts.iter().filter_map(|account| {
        let provider = Arc::clone(catalog.get(&account.provider)?);
        Some(SimulatedAccount { name: account.name.clone(), provider, windows: account.windows.clone() })
    });
    let mut known = Vec::new();
    for found in reader.histories() {
        let (action, _) = found?;
        known.push(KnownTarget {
            account: facts.settings.accounts[action.account].name.clone(),
            operation: action.operation,
            parameters: (*action.parameters).clone(),
            serial_number: action.certificate.as_deref().and_then(|certificate| certificate.serial_number.clone()),
            ..KnownTarget::default()
        });
    }
    let simulator = simulator::start(SimulatorOptions {
        port: 0,
        accounts: accounts.collect(),
        faults: Faults::default(),
        seed: 1,
        verify: true,
        known,
        clock: Arc::new(clock.clone()),
    })?;
    let senders = rehearsal_senders(&facts.settings, &catalog, |account| PlayedAccount {
        base_url: simulator.base_url(&account.name),
        auth_url: simulator.auth_url(&account.name),
        credential: simulator::credential_of,
        tls: None,
    })?;

    // `say` takes commands while the run goes on, such as `RunCommand::Stop`: from a thread, from a signal's handler.
    let (say, commands) = unbounded_channel();
    // One thread: the engine shares a run's state with nobody.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ending = tokio::task::LocalSet::new().block_on(&runtime, async {
        if let Some(watch) = run.watch.clone() {
            tokio::task::spawn_local(stop_when_taken(watch, say.clone()));
        }
        let run = Run {
            settings: &facts.settings,
            reader: &reader,
            journal: run.journal.clone(),
            senders,
            clock: Rc::new(clock.clone()),
            reopen: BTreeSet::new(),
            commands,
            seed: clock.now().as_nanosecond() as u64,
            wait: true,
            published: None,
            questions: None,
        };
        engine::run(run, follow).await
    });
    // Writes what is left and gives the directory free, however the run ended. `certsweep resume` goes on with one that stopped.
    run.close();
    let ending = ending?;
    let counts = write_reports(&reader, run_dir, None)?;
    match ending.reason() {
        Some(why) if !ending.complete => Err(format!("the run stopped: {why:?}").into()),
        _ => Ok(counts),
    }
}
