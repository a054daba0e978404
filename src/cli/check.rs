//! `certsweep check`: reads and validates; sends nothing, needs no credentials.

use super::args;
use super::context::Context;
use super::exit::Exit;
use crate::plan::Action;
use crate::plan::checked::NeverSent;
use crate::view::terminal::plural;

/// Checks a plan; prints its number of actions and its digest.
pub fn check(context: &Context, args: &args::CheckArgs) -> Exit {
    let mut excepted = 0_u64;
    let mut count = |action: Action| excepted += u64::from(matches!(action.never_sent, Some(NeverSent::Excepted(_))));
    let read = context
        .catalog(&context.provider_directories())
        .and_then(|catalog| context.plan(&args.source, &catalog, &mut count));
    match read {
        Err(exit) => exit,
        Ok(read) if context.global.json => {
            context.printer.result_json(&serde_json::json!({
                "plan": read.plan.settings().name, "actions": read.plan.actions(), "digest": read.plan.digest(),
                "excepted": excepted, "left_out": read.plan.left_out(), "errors": 0, "warnings": read.warnings, "diagnostics": read.diagnostics,
            }));
            Exit::Well
        }
        Ok(read) => {
            let (actions, warnings, left_out) = (read.plan.actions(), read.warnings, read.plan.left_out());
            let s = if actions == 1 { "" } else { "s" };
            let facts = [
                Some(format!("{actions} action{s}")),
                (excepted > 0).then(|| format!("{excepted} of them on the exception list")),
                (left_out > 0).then(|| format!("{} left out by `where`", plural(left_out, "row"))),
                (warnings > 0).then(|| plural(warnings, "warning")),
            ];
            let facts: Vec<String> = facts.into_iter().flatten().collect();
            context.printer.result(&format!("ok: {}; digest {}", facts.join(", "), read.plan.digest()));
            Exit::Well
        }
    }
}
