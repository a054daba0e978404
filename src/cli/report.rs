//! `certsweep report`, and the report that a run writes: the fold of the run's records, whatever process asks for it. A plan of what is left is
//! `report_plan`'s to make.

use super::args::{self, ReportFormat};
use super::context::Context;
use super::exit::Exit;
use super::report_page::{check_page, write_page};
use super::report_plan::write_plan;
use super::status::quoted;
use crate::journal::files::replace;
use crate::journal::reader::Overview;
use crate::journal::{History, JournalError, Phase, Reader, Reply, RunDir, RunFacts, Verified};
use crate::pki::RevocationReason;
use crate::plan::checked::NeverSent;
use crate::plan::{Action, Settings};
use crate::run::Outcome;
use crate::view::report::{ReportColumns, ReportRow, VerifiedCells, csv as csv_report, file_name, json};
use std::collections::{BTreeMap, BTreeSet};
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
    if let Some(path) = copy {
        // Copied, not made a second time: folding a million actions takes longer than reading the file.
        replace(path, |file| io::copy(&mut File::open(&report)?, file).map(drop))?;
    }
    Ok(counts)
}

/// Writes the rows as JSON, else as CSV.
fn write_rows(
    reader: &Reader,
    format: ReportFormat,
    outcomes: &BTreeSet<Outcome>,
    output: &mut dyn Write,
) -> io::Result<Counts> {
    let facts = reader.facts().map_err(io::Error::other)?;
    let run = reader.overview_without_actions().map_err(io::Error::other)?;
    let (unsent, columns) = (unsent(&run), columns(&facts, &run));
    let rows = Rows { reader, settings: &facts.settings, unsent: &unsent, outcomes };
    match format {
        ReportFormat::Json => {
            let mut writer = json::JsonReport::new(output, columns)?;
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

/// The columns of a run's report.
pub(super) fn columns<'a>(facts: &'a RunFacts, run: &Overview) -> ReportColumns<'a> {
    ReportColumns {
        simulated: facts.simulated,
        operator: facts.origin.operator.as_deref(),
        ticket: facts.origin.ticket.as_deref(),
        verified: run.verified_at.is_some(),
        kept: &facts.settings.keep_columns,
    }
}

/// The message of an action that was not sent.
pub(super) fn unsent(run: &Overview) -> String {
    match &run.stopped {
        None => "not sent yet".to_owned(),
        Some((why, _)) => format!("not sent: the run stopped ({why}); `certsweep resume` goes on"),
    }
}

/// The counts of a run's actions, for its summary.
#[derive(Debug, Default)]
pub struct Counts {
    /// Actions that have ended, by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Actions that have not ended.
    pub waiting: u64,
    /// Actions that repeat another, and are never sent.
    pub duplicates: u64,
    /// Actions whose records do not tell how they ended.
    pub unknown: u64,
    /// Actions on an exception list, never sent either.
    pub excepted: u64,
}

/// What the rows of a report are made of.
pub(super) struct Rows<'a> {
    pub(super) reader: &'a Reader,
    pub(super) settings: &'a Settings,
    /// The message of an action that was not sent.
    pub(super) unsent: &'a str,
    /// Rows of these outcomes alone; of all where there are none.
    pub(super) outcomes: &'a BTreeSet<Outcome>,
}

impl Rows<'_> {
    /// Makes the rows one by one, in plan order.
    pub(super) fn each(&self, mut each: impl FnMut(&ReportRow<'_>) -> io::Result<()>) -> io::Result<Counts> {
        let mut counts = Counts::default();
        for found in self.reader.histories_without_parameters() {
            let (action, history) = found.map_err(io::Error::other)?;
            let outcome = history.state.outcome();
            let ended = matches!(history.state.phase, Phase::Ended(_));
            if ended {
                *counts.outcomes.entry(outcome).or_default() += 1;
            } else {
                counts.waiting += 1;
            }
            counts.unknown += u64::from(history.doubt.is_some());
            match &action.never_sent {
                Some(NeverSent::Repeats(_)) => counts.duplicates += 1,
                Some(NeverSent::Excepted(_)) => counts.excepted += 1,
                None => {}
            }
            // Counted all the same: `--outcome` selects rows, not figures.
            if !self.outcomes.is_empty() && !self.outcomes.contains(&outcome) {
                continue;
            }
            let in_doubt = (!ended && outcome == Outcome::InDoubt).then(|| still_in_doubt(&history.reply));
            let message = match history.doubt {
                Some(doubt) => Some(doubt.why()),
                None if ended => None,
                None => Some(in_doubt.as_deref().unwrap_or(self.unsent)),
            };
            each(&row_of(self.settings, &action, &history, outcome, message))?;
        }
        Ok(counts)
    }
}

/// The message of an action that `resume` asks about or asks again: by what came last, where an answer did.
fn still_in_doubt(reply: &Reply) -> String {
    // Words of former versions, which told no more than the status does: a kept run says what it said.
    let former = |status| format!("HTTP {status} is not an answer that the provider documents");
    match (reply.http_status, &reply.message) {
        (Some(status), Some(came)) if *came != former(status) => {
            format!("it may have taken effect: {came}; `certsweep resume` goes on")
        }
        _ => "an attempt was left without an answer; `certsweep resume` goes on".to_owned(),
    }
}

/// The report's cells about a verification.
pub fn verified_cells(verified: Verified, asked: Option<RevocationReason>) -> VerifiedCells {
    let Verified { at, seen, by, revoked_at, reason, reason_differs, why } = verified;
    let differs = reason.zip(asked).filter(|_| reason_differs);
    let note = differs.map(|(published, asked)| format!("published as {published}, and {asked} was asked"));
    VerifiedCells { seen, at, by, revoked_at, reason, note, why }
}

/// The row of an action with its history.
pub fn row_of<'a>(
    settings: &'a Settings,
    action: &'a Action,
    history: &'a History,
    outcome: Outcome,
    message: Option<&'a str>,
) -> ReportRow<'a> {
    let reply = &history.reply;
    let duration = history.started_at.zip(history.finished_at).map(|(began, ended)| ended.duration_since(began));
    ReportRow {
        action_id: &action.id,
        provider: settings.accounts.get(action.account).map_or("", |account| account.name.as_str()),
        operation: &action.operation,
        target: &action.target,
        reason: action.reason.map(RevocationReason::name),
        reason_sent: action.reason_sent.as_deref(),
        outcome,
        http_status: reply.http_status,
        provider_code: reply.code.as_deref(),
        provider_message: message.or(reply.message.as_deref()),
        provider_ref: reply.reference.as_deref(),
        attempts: history.state.attempts,
        started_at: history.started_at,
        finished_at: history.finished_at,
        duration_ms: duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(0)),
        source: &action.source,
        left_out: action.never_sent.is_some(),
        verified: history.verified.clone().map(|verified| verified_cells(verified, action.reason)),
        kept: &action.kept,
    }
}
