//! `certsweep resume`: continues a run from its directory alone. Differs from `run` only by what is checked before; what is left to send
//! follows from the journal, not from this file.

use super::args;
use super::context::{Context, Exit, WithoutCopy, build_senders, build_simulated_senders, run_catalog};
use super::execute::{Answers, Task, execute, open_outlets};
use super::previous_runs::{costs, remember};
use super::simulate::{register_targets, rehearsal_of, simulator_for};
use super::verify::published_looks;
use crate::journal::{Reader, RunDir};
use crate::run::Outcome;
use std::path::Path;

/// Continues a run; `report` names a copy of the report.
pub fn resume(context: &Context, args: &args::ResumeArgs, report: Option<&Path>) -> Exit {
    match resume_run(context, args, report) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn resume_run(context: &Context, args: &args::ResumeArgs, report: Option<&Path>) -> Result<Exit, Exit> {
    let outlets = open_outlets(context, &args.outlets, report, None)?;
    let run = RunDir::existing(&args.run_dir).and_then(RunDir::open).map_err(|error| context.no_run(&error))?;
    let reader = run.dir.read().map_err(|error| context.failed(&error))?;
    let facts = reader.facts().map_err(|error| context.failed(&error))?;
    let rehearsal = rehearsal_of(context, &reader, &facts)?;
    let context = rehearsal.as_ref().unwrap_or(context);
    let without = if args.use_original_inputs { WithoutCopy::TakeWhatFits } else { WithoutCopy::Refuse };
    let catalog = run_catalog(context, &run.dir, &facts, without)?;
    if !args.use_original_inputs {
        require_same_inputs(context, &run.dir)?;
    }
    // The count is for the question alone, and folds every record: without a question the engine does that once, as it starts.
    let actions_left = if args.yes || facts.simulated { 0 } else { actions_left(context, args, &reader)? };
    drop(reader);
    if actions_left > 0 && !context.printer.can_ask() {
        context.printer.error("not a terminal: pass `--yes` to resume without confirmation");
        return Err(Exit::Usage);
    }
    // Faults are not recorded in the run directory: a resumed rehearsal meets a simulator without any.
    let simulator = match facts.simulated {
        true => Some(simulator_for(context, &facts.settings, &catalog, &[], None, facts.simulator_port)?),
        false => None,
    };
    let senders = match &simulator {
        Some(simulator) => {
            register_targets(simulator, &run.dir.read().map_err(|error| context.failed(&error))?, &facts)
                .map_err(|error| context.failed(&error))?;
            build_simulated_senders(context, &facts.settings, &catalog, simulator)?
        }
        None => build_senders(context, &facts.settings, &catalog, args.ca_file.as_deref())?,
    };
    // After the credentials: who has typed `yes` must not hear then that a variable is missing.
    if actions_left > 0 {
        let question = format!("Go on with the {actions_left} actions that are left of {}?", facts.actions);
        if !context.printer.confirm(&question) {
            context.printer.error("not confirmed; nothing was sent");
            return Err(Exit::Usage);
        }
    }
    if !facts.simulated {
        let operations =
            run.dir.read().and_then(|reader| reader.operations()).map_err(|error| context.failed(&error))?;
        remember(context, &run.dir, &facts.digest, costs(&catalog, &facts.settings.accounts, &operations));
    }
    let reopen = args.retry.iter().copied().collect();
    let published = published_looks(context, &run, &facts, &catalog, args.ca_file.as_deref())?;
    Ok(execute(
        context,
        Task {
            run,
            facts: &facts,
            senders,
            reopen,
            outlets,
            report,
            wait: args.wait,
            strict: args.strict,
            published,
            answers: Answers::of(context, args.yes, facts.simulated),
        },
    ))
}

/// How many actions would be sent: those without an outcome, and those that `--retry` opens again.
fn actions_left(context: &Context, args: &args::ResumeArgs, reader: &Reader) -> Result<u64, Exit> {
    let overview = reader.overview().map_err(|error| context.failed(&error))?;
    let count = |outcome| overview.outcomes.get(&outcome).copied().unwrap_or(0);
    let mut retried: u64 = args.retry.iter().map(|outcome| count(*outcome)).sum();
    if args.retry.contains(&Outcome::Pending) {
        retried += count(Outcome::PendingApproval);
    }
    Ok(overview.waiting + retried)
}

/// Refuses to continue after an edit of the plan: the user would expect the edit to count, and the run has its actions from the first check.
fn require_same_inputs(context: &Context, dir: &RunDir) -> Result<(), Exit> {
    let changed = dir.changed_inputs().map_err(|error| context.failed(&error))?;
    for file in &changed {
        context.printer.error(&format!(
            "{}:{}: this file has changed since the run began, and a run goes on with what was checked then; \
             `--use-original-inputs` does that, a new run takes the change",
            file.path.display(),
            file.line
        ));
    }
    if changed.is_empty() { Ok(()) } else { Err(Exit::Usage) }
}
