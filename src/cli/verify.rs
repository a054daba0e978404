//! `certsweep verify`: what the world sees of a run's revocations.

use super::args;
use super::context::Context;
use super::exit::Exit;
use super::prepare::senders;
use super::remaining::catalog_of;
use super::report::{cells_of, write_reports};
use super::resume::same_documents;
use super::signals;
use super::witnesses::{ToSee, gather};
use crate::engine::verify::{Case, Ended, Progress, Sight, Verification, verify as ask};
use crate::engine::{Sender, Word};
use crate::journal::dir::OpenRun;
use crate::journal::{Reader, RunDir, RunFacts, Verified};
use crate::provider::Catalog;
use crate::run::{StopReason, Witness};
use crate::time::human;
use crate::view::verification::{Verification as Shown, VerifiedAction, render};
use crate::wire::{HttpOptions, HttpTransport, HttpWorld};
use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::mpsc::unbounded_channel;

/// Asks what the world sees of a run's revocations.
pub fn verify(context: &Context, args: &args::Verify) -> Exit {
    match verify_run(context, args) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn verify_run(context: &Context, args: &args::Verify) -> Result<Exit, Exit> {
    let run = RunDir::existing(&args.run_dir).and_then(RunDir::open).map_err(|error| context.no_run(&error))?;
    let exit = verify_open_run(context, args, &run);
    run.close();
    exit
}

fn verify_open_run(context: &Context, args: &args::Verify, run: &OpenRun) -> Result<Exit, Exit> {
    let reader = run.dir.read().map_err(|error| context.failed(&error))?;
    let facts = reader.facts().map_err(|error| context.failed(&error))?;
    if facts.simulated {
        context.printer.error("this run was a rehearsal: there is nothing that the world could see of it");
        return Err(Exit::Usage);
    }
    let catalog = catalog_of(context, &facts)?;
    same_documents(context, &facts, &catalog)?;
    let to_see = gather(context, args, &reader, &facts, &catalog)?;
    let senders = state_senders(context, args, &facts, &catalog, &to_see)?;
    let options = HttpOptions { timeout: facts.settings.timeout, concurrency: 8, ca_file: args.ca_file.clone() };
    let world = HttpWorld::new(&options).map_err(|error| context.failed(&error))?;
    let (ended, signal) = in_rounds(context, args, &facts, (run, &reader), senders, world, &to_see)?;
    let refused = !ended.refused.is_empty();
    for (account, why) in &ended.refused {
        context.printer.error(&format!("{account}: {why}"));
    }
    write_reports(&reader, run.dir.path(), args.output.as_deref()).map_err(|error| context.failed(&error))?;
    let mut shown = shown(run, &facts, &to_see, ended);
    let exit = match signal {
        Some(number) => Exit::Signal(number),
        None if refused => Exit::Environment,
        None if shown.revoked == shown.actions => Exit::Well,
        None => Exit::NotAllWell,
    };
    shown.exit_code = exit.code();
    if context.global.json {
        context.printer.result_json(&shown);
    } else {
        context.printer.result(render(&shown).trim_end());
    }
    Ok(exit)
}

/// Senders for the accounts whose state calls are asked: only these need credentials.
fn state_senders(
    context: &Context,
    args: &args::Verify,
    facts: &RunFacts,
    catalog: &Catalog,
    to_see: &ToSee,
) -> Result<Vec<Option<Rc<Sender<HttpTransport>>>>, Exit> {
    let asked = |index: usize| {
        let state = |case: &Case| case.action.account == index && case.witnesses.contains(&Witness::State);
        to_see.cases.iter().any(|(case, _)| state(case))
    };
    let mut settings = facts.settings.clone();
    let mut index = 0;
    settings.accounts.retain(|_| {
        index += 1;
        asked(index - 1)
    });
    let mut made = senders(context, &settings, catalog, args.ca_file.as_deref())?.into_iter();
    let sender = |index: usize| if asked(index) { made.next() } else { None };
    Ok((0..facts.settings.accounts.len()).map(sender).collect())
}

fn in_rounds(
    context: &Context,
    args: &args::Verify,
    facts: &RunFacts,
    (run, reader): (&OpenRun, &Reader),
    senders: Vec<Option<Rc<Sender<HttpTransport>>>>,
    world: HttpWorld,
    to_see: &ToSee,
) -> Result<(Ended, Option<i32>), Exit> {
    if to_see.cases.is_empty() {
        return Ok((Ended::default(), None));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| context.failed(&format!("the runtime could not be made: {error}")))?;
    let signal: Rc<Cell<Option<i32>>> = Rc::default();
    let local = tokio::task::LocalSet::new();
    let ended = local.block_on(&runtime, async {
        let (say, mut said) = unbounded_channel();
        signals::listen(&say).map_err(|error| context.failed(&format!("signals cannot be heard: {error}")))?;
        let (stop, stopped) = unbounded_channel();
        let number = Rc::clone(&signal);
        tokio::task::spawn_local(async move {
            while let Some(word) = said.recv().await {
                if let Word::Stop(StopReason::Signal(heard)) = word {
                    number.set(Some(heard));
                    let _ = stop.send(());
                }
            }
        });
        let verification = Verification {
            settings: &facts.settings,
            reader,
            journal: run.journal.clone(),
            senders,
            world,
            clock: Rc::new(context.clock),
            cases: to_see.cases.iter().map(|(case, _)| case.clone()).collect(),
            wait: args.wait,
            stop: stopped,
        };
        let mut observe = |Progress { revoked, cases, again }| {
            if let Some(again) = again {
                let again = human(again);
                let (revoked, cases) = (revoked as u64 + to_see.seen_before, cases as u64 + to_see.seen_before);
                context.printer.note(&format!("{revoked} of {cases} seen revoked; asking again in {again}"));
            }
        };
        ask(verification, &mut observe).await.map_err(|error| context.failed(&error))
    })?;
    // A second thread may still read a list.
    runtime.shutdown_background();
    let signal = signal.get().filter(|_| ended.stopped);
    Ok((ended, signal))
}

fn shown(run: &OpenRun, facts: &RunFacts, to_see: &ToSee, ended: Ended) -> Shown {
    let action = |((case, finished_at), sight): (&(Case, Option<jiff::Timestamp>), Sight)| {
        let Sight { seen, at, by, revoked_at, why } = sight;
        let cells = cells_of(Verified { at, seen, by, revoked_at, why });
        let account = facts.settings.accounts.get(case.action.account);
        VerifiedAction {
            action_id: case.action.id.clone(),
            provider: account.map(|account| account.name.clone()).unwrap_or_default(),
            target: case.action.target.clone(),
            seconds_to_revoke: cells.after(*finished_at).map(|after| after.as_secs_f64()),
            cells,
            was_asked: !case.witnesses.is_empty(),
        }
    };
    let asked = to_see.cases.iter().zip(ended.sights).map(action).collect();
    Shown::new(
        facts.settings.name.clone(),
        run.dir.path().display().to_string(),
        asked,
        to_see.seen_before,
        to_see.not_well,
    )
}
