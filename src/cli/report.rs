//! `certsweep report`: the fold of a run's records, in any format. The page is `report_page`'s to make, a plan of what is left `report_plan`'s.

use super::args;
use super::context::Context;
use super::exit::Exit;
use super::option_values::ReportFormat;
use super::report_page::{check_page, write_page};
use super::report_plan::write_plan;
use super::status::quoted;
use crate::journal::{Reader, RunDir};
use crate::run::Outcome;
use crate::view::report::formats::{JsonReport, JunitReport, MarkdownReport};
use crate::view::report::run_files::write_csv;
use crate::view::report::{Counts, ReportedRun, Rows, title};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a run's report again, or one of several runs.
pub fn report(context: &Context, args: &args::ReportArgs) -> Exit {
    match report_runs(context, args) {
        Ok(exit) | Err(exit) => exit,
    }
}

/// `Err` only tells where the command ended early; both are the exit code.
fn report_runs(context: &Context, args: &args::ReportArgs) -> Result<Exit, Exit> {
    context.check_place("-o", args.output.as_deref())?;
    let format = args.format.unwrap_or(if context.global.json { ReportFormat::Json } else { ReportFormat::Csv });
    let outcomes: BTreeSet<Outcome> = args.outcome.iter().copied().collect();
    let open = if args.salvage { RunDir::read_damaged } else { RunDir::read };
    let mut dirs: Vec<(RunDir, Reader)> = Vec::new();
    for path in &args.run_dirs {
        let found = RunDir::existing(path).and_then(|dir| open(&dir).map(|reader| (dir, reader)));
        let (dir, reader) = found.map_err(|error| context.no_run(&error))?;
        if dirs.iter().any(|(known, _)| is_same(known.path(), dir.path())) {
            context.printer.error(&format!("{} is named twice", path.display()));
            return Err(Exit::Usage);
        }
        if let Some(damage) = reader.damage() {
            let path = path.display();
            context.printer.warning(&format!("{path}: {damage}; the report says what can be read of the run"));
        } else if args.salvage {
            context.printer.note("nothing is damaged: this is the run's usual report");
        }
        dirs.push((dir, reader));
    }
    let runs = dirs.iter().zip(&args.run_dirs).map(|((_, reader), path)| {
        ReportedRun::of(reader, path.display().to_string()).map_err(|error| context.failed(&error))
    });
    let runs = runs.collect::<Result<Vec<_>, Exit>>()?;
    if let Some(page) = &args.check {
        return Ok(check_page(context, &dirs, runs, page));
    }
    if format == ReportFormat::Plan {
        let [(dir, reader)] = dirs.as_slice() else {
            context.printer.error("`--format plan` is made of one run: name one");
            return Err(Exit::Usage);
        };
        return Ok(write_plan(context, args, dir, reader, &outcomes));
    }
    let mut counts = Counts::default();
    let mut write = |output: &mut dyn Write| {
        let written = match format {
            ReportFormat::Html => write_page(&dirs, &runs, &shell_words(&args.run_dirs), &outcomes, output),
            format => write_rows(&runs, format, &outcomes, output),
        };
        written.map(|written| counts = written)
    };
    let written = context.write_to(args.output.as_deref(), &mut write);
    if counts.unknown == 0 && dirs.iter().any(|(_, reader)| reader.damage().is_some()) {
        context.printer.note("how each action ended was found all the same");
    }
    if counts.unknown > 0 {
        let which = if counts.unknown == 1 { "1 action" } else { &format!("{} actions", counts.unknown) };
        context.printer.warning(&format!("how {which} ended cannot be known; `provider_message` says why"));
    }
    if let (repeated, Some(first)) = &counts.in_two_runs {
        context.printer.warning(&format!(
            "{} in more than one of the runs, the first on {first}: the column `run` says which",
            if *repeated == 1 {
                "1 action is on a target that is".to_owned()
            } else {
                format!("{repeated} actions are on targets that are")
            }
        ));
    }
    written.map(|()| Exit::Well).map_err(|error| context.failed(&error))
}

/// Paths as words of a command.
fn shell_words(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| quoted(path)).collect::<Vec<_>>().join(" ")
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// Writes the rows in any format but the page and the plan, which are not made here: as CSV instead.
fn write_rows(
    runs: &[ReportedRun<'_>],
    format: ReportFormat,
    outcomes: &BTreeSet<Outcome>,
    output: &mut dyn Write,
) -> io::Result<Counts> {
    let rows = Rows::of(runs, outcomes);
    let columns = rows.columns()?;
    match format {
        ReportFormat::Json => {
            let mut writer = JsonReport::new(output, columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
        ReportFormat::Markdown => {
            let mut writer = MarkdownReport::new(output, &title(runs), columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
        ReportFormat::Junit => {
            let mut writer = JunitReport::new(output, &title(runs), columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
        ReportFormat::Csv | ReportFormat::Plan | ReportFormat::Html => write_csv(runs, outcomes, output),
    }
}
