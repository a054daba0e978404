//! `certsweep settle`: writes down what a person has found about actions that are in doubt or pending. It asks nobody and sends nothing.

use super::args;
use super::context::Context;
use super::control::user;
use super::exit::Exit;
use crate::journal::dir::OpenRun;
use crate::journal::{JournalError, Phase, Reader, Record, RunDir};
use crate::run::{Ordinal, Outcome};
use crate::time::Clock;
use crate::view::report::run_files::write_reports;
use crate::view::terminal::plural;
use std::collections::BTreeSet;

/// Settles actions of a run.
pub fn settle(context: &Context, args: &args::SettleArgs) -> Exit {
    let run = match RunDir::existing(&args.run_dir).and_then(RunDir::open) {
        Ok(run) => run,
        Err(error) => return context.no_run(&error),
    };
    let settled = settle_open_run(context, args, &run);
    // Whatever went wrong: the journal's writer must end before the process does.
    run.close();
    match settled {
        Ok(exit) | Err(exit) => exit,
    }
}

fn settle_open_run(context: &Context, args: &args::SettleArgs, run: &OpenRun) -> Result<Exit, Exit> {
    let failed = |error: &dyn std::fmt::Display| context.failed(error);
    let reader = run.dir.read().map_err(|error| failed(&error))?;
    let (ordinals, waiting) = find_actions(context, args, run)?;
    let (at, steady, by) = (context.clock.now(), context.clock.elapsed(), user());
    let mut records = vec![Record::Settling { at, by: by.clone() }];
    records.extend(ordinals.iter().map(|ordinal| Record::Settled {
        ordinal: *ordinal,
        at,
        outcome: args.outcome,
        by: by.clone(),
        note: args.note.clone(),
    }));
    let freed = match args.outcome {
        Outcome::Succeeded => freed(&reader, &ordinals).map_err(|error| failed(&error))?,
        _ => Vec::new(),
    };
    records.extend(freed.iter().map(|ordinal| Record::Reopened { ordinal: *ordinal, at, follows: false }));
    let is_finished = reader.overview_without_actions().map_err(|error| failed(&error))?.finished_at.is_some();
    let waits = plural(freed.len() as u64, "action");
    if !freed.is_empty() && is_finished {
        let why = format!("{waits} may be sent now that what it needs is settled");
        records.push(Record::Stopped { at, why, code: Exit::Stopped.code() });
    } else if waiting == 0 && freed.is_empty() && !is_finished {
        records.push(Record::Finished { at });
    }
    run.journal.append_and_wait(records, steady).map_err(|why| failed(&why))?;
    write_reports(&reader, run.dir.path(), None).map_err(|error| failed(&error))?;
    let actions = plural(ordinals.len() as u64, "action");
    if context.global.json {
        let (outcome, ids) = (args.outcome, &args.ids);
        context.printer.result_json(&serde_json::json!({"settled": ids, "as": outcome, "by": by, "note": args.note}));
    } else {
        context.printer.result(&format!("settled {actions} as {}; the report says so", args.outcome));
        if !freed.is_empty() {
            let run = run.dir.path().display();
            context.printer.result(&format!("{waits} that needed this can go on: certsweep resume {run}"));
        }
    }
    Ok(Exit::Well)
}

/// Actions that were skipped since one of these had not ended well, and those that were skipped because of them: nothing stands in their way once
/// these have succeeded.
fn freed(reader: &Reader, settled: &[Ordinal]) -> Result<Vec<Ordinal>, JournalError> {
    let (queue, states) = (reader.queue()?, reader.states()?);
    let mut good: BTreeSet<Ordinal> = settled.iter().copied().collect();
    let mut freed = Vec::new();
    loop {
        let before = freed.len();
        for (ordinal, needs) in queue.needing() {
            let is_skipped =
                states.of(ordinal).phase == Phase::Ended(Outcome::Skipped) && !queue.is_never_sent(ordinal);
            let is_met = |need: &Ordinal| good.contains(need) || queue.is_met(ordinal, *need, states.of(*need));
            if is_skipped
                && !good.contains(&ordinal)
                && needs.iter().any(|need| good.contains(need))
                && needs.iter().all(is_met)
            {
                good.insert(ordinal);
                freed.push(ordinal);
            }
        }
        if freed.len() == before {
            return Ok(freed);
        }
    }
}

/// The actions of these ids, and how many others have not ended. All or none: a list of which a part was taken is not what was meant.
fn find_actions(context: &Context, args: &args::SettleArgs, run: &OpenRun) -> Result<(Vec<Ordinal>, u64), Exit> {
    let reader = run.dir.read().map_err(|error| context.failed(&error))?;
    let mut missing: BTreeSet<&str> = args.ids.iter().map(String::as_str).collect();
    let (mut ordinals, mut waiting, mut wrong) = (Vec::new(), 0, false);
    for found in reader.histories_without_parameters() {
        let (action, history) = found.map_err(|error| context.failed(&error))?;
        let outcome = history.state.outcome();
        let has_ended = matches!(history.state.phase, Phase::Ended(_));
        if !missing.remove(action.id.as_str()) {
            waiting += u64::from(!has_ended);
        } else if history.state.is_open_to_a_person() && history.doubt.is_none() {
            ordinals.push(action.ordinal);
        } else {
            wrong = true;
            let is = if has_ended || outcome != Outcome::Skipped { outcome.as_str() } else { "not sent yet" };
            context.printer.error(&format!(
                "{} is {is}: only what is in-doubt, pending or pending-approval can be settled",
                action.id
            ));
        }
    }
    for id in &missing {
        wrong = true;
        context.printer.error(&format!("this run has no action `{id}`"));
    }
    if wrong { Err(Exit::Usage) } else { Ok((ordinals, waiting)) }
}
