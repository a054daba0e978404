//! `certsweep verify`: what the world sees of a run's revocations.

use super::args;
use super::build_senders::senders;
use super::context::Context;
use super::exit::Exit;
use super::export_plan::catalog_of;
use super::process::listen_for_signals;
use super::report::{cells_of, write_reports};
use super::resume::same_documents;
use super::verify_targets::{ToSee, gather};
use crate::engine::verify::{Verification, VerificationEnd, VerificationProgress, VerifyTarget, verify as ask};
use crate::engine::{RunCommand, Sender};
use crate::journal::dir::OpenRun;
use crate::journal::{Reader, RunDir, RunFacts};
use crate::provider::Catalog;
use crate::run::{StatusSource, StopReason};
use crate::time::human;
use crate::view::verification::{EachVerified, VerificationJson, VerificationSummary, VerifiedAction, render};
use crate::wire::{HttpOptions, HttpStatusFetcher, HttpTransport};
use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::mpsc::unbounded_channel;

/// Asks what the world sees of a run's revocations.
pub fn verify(context: &Context, args: &args::VerifyArgs) -> Exit {
    match verify_run(context, args) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn verify_run(context: &Context, args: &args::VerifyArgs) -> Result<Exit, Exit> {
    let run = RunDir::existing(&args.run_dir).and_then(RunDir::open).map_err(|error| context.no_run(&error))?;
    let exit = verify_open_run(context, args, &run);
    run.close();
    exit
}

fn verify_open_run(context: &Context, args: &args::VerifyArgs, run: &OpenRun) -> Result<Exit, Exit> {
    let reader = Rc::new(run.dir.read().map_err(|error| context.failed(&error))?);
    let facts = reader.facts().map_err(|error| context.failed(&error))?;
    if facts.simulated {
        context.printer.error("this run was a rehearsal: there is nothing that the world could see of it");
        return Err(Exit::Usage);
    }
    let catalog = catalog_of(context, &facts)?;
    same_documents(context, &facts, &catalog)?;
    let to_see = gather(context, args, (&run.dir, &reader), &facts, &catalog)?;
    let senders = state_senders(context, args, &facts, &catalog, &to_see)?;
    // No document declares a limit for lists and responders: a few at a time.
    let options = HttpOptions { timeout: facts.settings.timeout, concurrency: 8, ca_file: args.ca_file.clone() };
    let world = HttpStatusFetcher::new(&options).map_err(|error| context.failed(&error))?;
    let (ended, signal) = in_rounds(context, args, &facts, (run, &reader), senders, world, &to_see)?;
    let refused = !ended.refused.is_empty();
    for (account, why) in &ended.refused {
        context.printer.error(&format!("{account}: {why}"));
    }
    write_reports(&reader, run.dir.path(), args.output.as_deref()).map_err(|error| context.failed(&error))?;
    let asked: EachVerified<'_> = &|each| walk(&reader, &facts, &to_see.cases, each);
    let path = run.dir.path().display().to_string();
    let mut shown = VerificationSummary::new(facts.settings.name.clone(), path, to_see.seen_before, to_see.not_well);
    asked(&mut |action| shown.take(action)).map_err(|error| context.failed(&error))?;
    let exit = match signal {
        Some(number) => Exit::Signal(number),
        None if refused => Exit::Environment,
        None if shown.revoked == shown.actions => Exit::Well,
        None => Exit::NotAllWell,
    };
    shown.exit_code = exit.code();
    if context.global.json {
        context
            .printer
            .result_pieces(&VerificationJson { verification: &shown, asked })
            .map_err(|error| context.failed(&error))?;
    } else {
        context.printer.result(render(&shown).trim_end());
    }
    Ok(exit)
}

/// Senders for the accounts whose state calls are asked: only these need credentials.
fn state_senders(
    context: &Context,
    args: &args::VerifyArgs,
    facts: &RunFacts,
    catalog: &Catalog,
    to_see: &ToSee,
) -> Result<Vec<Option<Rc<Sender<HttpTransport>>>>, Exit> {
    let asked = |index: usize| {
        to_see.cases.iter().any(|case| case.account == index && case.sources.contains(StatusSource::Provider))
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
    args: &args::VerifyArgs,
    facts: &RunFacts,
    (run, reader): (&OpenRun, &Rc<Reader>),
    senders: Vec<Option<Rc<Sender<HttpTransport>>>>,
    world: HttpStatusFetcher,
    to_see: &ToSee,
) -> Result<(VerificationEnd, Option<i32>), Exit> {
    if to_see.cases.is_empty() {
        return Ok((VerificationEnd::default(), None));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| context.failed(&format!("the runtime could not be made: {error}")))?;
    let signal: Rc<Cell<Option<i32>>> = Rc::default();
    let local = tokio::task::LocalSet::new();
    let ended = local.block_on(&runtime, async {
        let (say, mut said) = unbounded_channel();
        listen_for_signals(&say).map_err(|error| context.failed(&format!("signals cannot be heard: {error}")))?;
        let (stop, stopped) = unbounded_channel();
        let number = Rc::clone(&signal);
        tokio::task::spawn_local(async move {
            while let Some(word) = said.recv().await {
                if let RunCommand::Stop(StopReason::Signal(heard)) = word {
                    number.set(Some(heard));
                    let _ = stop.send(());
                }
            }
        });
        let verification = Verification {
            settings: &facts.settings,
            reader: Rc::clone(reader),
            journal: run.journal.clone(),
            senders,
            fetcher: world,
            clock: Rc::new(context.clock),
            cases: Rc::clone(&to_see.cases),
            certificate: Rc::clone(&to_see.certificate),
            wait: args.wait,
            stop: stopped,
        };
        let mut observe = |VerificationProgress { revoked, cases, again }| {
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

/// What was seen of each case, as it is kept.
fn walk(
    reader: &Reader,
    facts: &RunFacts,
    cases: &[VerifyTarget],
    each: &mut dyn FnMut(VerifiedAction),
) -> Result<(), String> {
    let mut cases = cases.iter().peekable();
    for found in reader.histories() {
        let (action, history) = found.map_err(|error| error.to_string())?;
        let Some(case) = cases.next_if(|case| case.ordinal == action.ordinal) else { continue };
        let Some(verified) = history.verified else { continue };
        let cells = cells_of(verified);
        let account = facts.settings.accounts.get(action.account);
        each(VerifiedAction {
            action_id: action.id,
            provider: account.map(|account| account.name.clone()).unwrap_or_default(),
            target: action.target,
            seconds_to_revoke: cells.after(history.finished_at).map(|after| after.as_secs_f64()),
            cells,
            was_asked: !case.sources.is_empty(),
        });
    }
    Ok(())
}
