//! `certsweep report`, and the report that a run writes: the fold of the run's records, whatever process asks for it. The page is
//! `report_page`'s to make, a plan of what is left `report_plan`'s.

use super::args;
use super::context::Context;
use super::exit::Exit;
use super::option_values::ReportFormat;
use super::report_page::{check_page, write_page};
use super::report_plan::write_plan;
use super::report_rows::{Counts, Rows, certificate_file, columns, run_cells, unsent};
use super::status::quoted;
use crate::journal::files::replace;
use crate::journal::{JournalError, Reader, RunDir};
use crate::run::Outcome;
use crate::view::report::{csv as csv_report, file_name, json, junit, markdown};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a run's report again.
pub fn report(context: &Context, args: &args::ReportArgs) -> Exit {
    let format = args.format.unwrap_or(if context.global.json { ReportFormat::Json } else { ReportFormat::Csv });
    let outcomes: BTreeSet<Outcome> = args.outcome.iter().copied().collect();
    let open = if args.salvage { RunDir::read_damaged } else { RunDir::read };
    let found = RunDir::existing(&args.run_dir).and_then(|dir| open(&dir).map(|reader| (dir, reader)));
    let (dir, reader) = match found {
        Ok(found) => found,
        Err(error) => return context.no_run(&error),
    };
    if let Some(damage) = reader.damage() {
        let path = args.run_dir.display();
        context.printer.warning(&format!("{path}: {damage}; the report says what can be read of the run"));
    } else if args.salvage {
        context.printer.note("nothing is damaged: this is the run's usual report");
    }
    if let Some(page) = &args.check {
        return check_page(context, &dir, &reader, &args.run_dir, page);
    }
    if format == ReportFormat::Plan {
        return write_plan(context, args, &dir, &reader, &outcomes);
    }
    let mut unknown = 0;
    let mut write = |output: &mut dyn Write| {
        let written = match format {
            ReportFormat::Html => write_page(&dir, &reader, &quoted(&args.run_dir), &outcomes, output),
            format => write_rows(&reader, format, &outcomes, output),
        };
        written.map(|counts| unknown = counts.unknown)
    };
    let written = context.write_to(args.output.as_deref(), &mut write);
    if unknown == 0 && reader.damage().is_some() {
        context.printer.note("how each action ended was found all the same");
    }
    if unknown > 0 {
        let which = if unknown == 1 { "1 action" } else { &format!("{unknown} actions") };
        context.printer.warning(&format!("how {which} ended cannot be known; `provider_message` says why"));
    }
    match written {
        Ok(()) => Exit::Well,
        Err(error) => context.failed(&error),
    }
}

/// Writes the report of a run whose directory was taken away while it went on: beside the place where that was, unless the user has named
/// another.
///
/// # Errors
/// Where it cannot be written.
pub fn write_rescued_report(reader: &Reader, run_dir: &Path, named: Option<&Path>) -> Result<PathBuf, JournalError> {
    let mut name = run_dir.file_name().unwrap_or_default().to_owned();
    // Where not even this can be read, nothing was read that could be taken for a real report.
    let simulated = reader.facts().is_ok_and(|facts| facts.simulated);
    name.push(if simulated { ".rescued.rehearsal.csv" } else { ".rescued.csv" });
    let path = named.map_or_else(|| run_dir.with_file_name(name), Path::to_path_buf);
    replace(&path, |file| write_rows(reader, ReportFormat::Csv, &BTreeSet::new(), file).map(drop))?;
    Ok(path)
}

/// Writes a run's report to its own file ([`file_name`]) and, where `copy` names one, a copy. Returns the counts of all actions.
///
/// # Errors
/// Where one of them cannot be written.
pub fn write_reports(reader: &Reader, run_dir: &Path, copy: Option<&Path>) -> Result<Counts, JournalError> {
    let (everything, report) = (BTreeSet::new(), run_dir.join(file_name(reader.facts()?.simulated)));
    let mut counts = Counts::default();
    replace(&report, |file| {
        counts = write_rows(reader, ReportFormat::Csv, &everything, file)?;
        Ok(())
    })?;
    write_certificates(reader, run_dir)?;
    if let Some(path) = copy {
        // Copied, not made a second time: folding a million actions takes longer than reading the file.
        replace(path, |file| io::copy(&mut File::open(&report)?, file).map(drop))?;
    }
    Ok(counts)
}

/// Writes the new certificates of a run into its directory, where it brought some.
///
/// # Errors
/// Where one cannot be written.
fn write_certificates(reader: &Reader, run_dir: &Path) -> Result<(), JournalError> {
    if !reader.has_issued()? {
        return Ok(());
    }
    for found in reader.histories_without_parameters() {
        let (action, history) = found?;
        let Some(issued) = history.issued else { continue };
        let path = run_dir.join(certificate_file(&action.id));
        let folder = path.parent().unwrap_or(run_dir);
        let failed = |source| JournalError::File { path: folder.to_path_buf(), action: "making", source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        replace(&path, |file| file.write_all(issued.pem.as_bytes()))?;
    }
    Ok(())
}

/// Writes the rows in any format but the page and the plan, which are not made here: as CSV instead.
fn write_rows(
    reader: &Reader,
    format: ReportFormat,
    outcomes: &BTreeSet<Outcome>,
    output: &mut dyn Write,
) -> io::Result<Counts> {
    let facts = reader.facts().map_err(io::Error::other)?;
    let run = reader.overview_without_actions().map_err(io::Error::other)?;
    let (unsent, columns) = (unsent(&run), columns(reader, &facts, &run)?);
    let run = run_cells(&facts, "");
    let rows = Rows { reader, settings: &facts.settings, run, unsent: &unsent, outcomes };
    match format {
        ReportFormat::Json => {
            let mut writer = json::JsonReport::new(output, columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
        ReportFormat::Markdown => {
            let mut writer = markdown::MarkdownReport::new(output, &facts.settings.name, columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
        ReportFormat::Junit => {
            let mut writer = junit::JunitReport::new(output, &facts.settings.name, columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
        ReportFormat::Csv | ReportFormat::Plan | ReportFormat::Html => {
            let mut writer = csv_report::CsvReport::new(output, columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
    }
}
