//! `certsweep check`: reads and validates; sends nothing, needs no credentials.

use super::args;
use super::context::Context;
use super::exit::Exit;

/// Checks a plan; prints its number of actions and its digest.
pub fn check(context: &Context, args: &args::CheckArgs) -> Exit {
    let read = context
        .catalog(&context.provider_directories())
        .and_then(|catalog| context.plan(&args.source, &catalog, &mut |_| {}));
    match read {
        Err(exit) => exit,
        Ok(read) if context.global.json => {
            context.printer.result_json(&serde_json::json!({
                "plan": read.plan.settings().name, "actions": read.plan.actions(), "digest": read.plan.digest(),
                "errors": 0, "warnings": read.warnings, "diagnostics": read.diagnostics,
            }));
            Exit::Well
        }
        Ok(read) => {
            let (actions, warnings) = (read.plan.actions(), read.warnings);
            let warnings = match warnings {
                0 => String::new(),
                1 => ", 1 warning".to_owned(),
                many => format!(", {many} warnings"),
            };
            let plural = if actions == 1 { "" } else { "s" };
            context.printer.result(&format!("ok: {actions} action{plural}{warnings}; digest {}", read.plan.digest()));
            Exit::Well
        }
    }
}
