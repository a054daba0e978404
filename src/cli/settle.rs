//! `certsweep settle`: writes down what a person has found about actions that are in doubt or pending. It asks nobody and sends nothing.

use super::args;
use super::context::Context;
use super::control::user;
use super::exit::Exit;
use crate::journal::dir::OpenRun;
use crate::journal::{Record, RunDir};
use crate::run::{Ordinal, Outcome};
use crate::time::Clock;
use crate::view::report::run_files::write_reports;
use crate::view::table::plural;
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
    let is_finished = reader.overview_without_actions().map_err(|error| failed(&error))?.finished_at.is_some();
    if waiting == 0 && !is_finished {
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
    }
    Ok(Exit::Well)
}

/// The actions of these ids, and how many others have not ended. All or none: a list of which a part was taken is not what was meant.
fn find_actions(context: &Context, args: &args::SettleArgs, run: &OpenRun) -> Result<(Vec<Ordinal>, u64), Exit> {
    let reader = run.dir.read().map_err(|error| context.failed(&error))?;
    let mut missing: BTreeSet<&str> = args.ids.iter().map(String::as_str).collect();
    let (mut ordinals, mut waiting, mut wrong) = (Vec::new(), 0, false);
    for found in reader.histories_without_parameters() {
        let (action, history) = found.map_err(|error| context.failed(&error))?;
        let outcome = history.state.outcome();
        let has_ended = matches!(history.state.phase, crate::journal::Phase::Ended(_));
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
