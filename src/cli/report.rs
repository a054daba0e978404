//! `certsweep report`, and the report that a run writes: the fold of the run's records, whatever process asks for it.

use super::args::{self, Format};
use super::context::Context;
use super::exit::Exit;
use super::remaining::{catalog_of, write_plan};
use crate::journal::files::replace;
use crate::journal::{History, JournalError, Phase, Reader, RunDir, Verified};
use crate::pki::RevocationReason;
use crate::plan::{Action, Settings};
use crate::run::Outcome;
use crate::view::report::{Columns, Row, VerifiedCells, csv, html, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes a run's report again.
pub fn report(context: &Context, args: &args::Report) -> Exit {
    let format = args.format.unwrap_or(if context.global.json { Format::Json } else { Format::Csv });
    let outcomes: BTreeSet<Outcome> = args.outcome.iter().copied().collect();
    let reader = match RunDir::existing(&args.run_dir).and_then(|dir| dir.read()) {
        Ok(reader) => reader,
        Err(error) => return context.no_run(&error),
    };
    let catalog = match format {
        Format::Plan => {
            match reader.facts().map_err(|error| context.failed(&error)).and_then(|facts| catalog_of(context, &facts)) {
                Ok(catalog) => Some(catalog),
                Err(exit) => return exit,
            }
        }
        Format::Csv | Format::Json | Format::Html => None,
    };
    let write = |output: &mut dyn Write| match &catalog {
        Some(catalog) => write_plan(&reader, catalog, &outcomes, output),
        None => write(&reader, format, &outcomes, output).map(drop),
    };
    let written = match &args.output {
        Some(path) => replace(path, write),
        None => {
            let mut results = BufWriter::new(context.printer.results());
            let written = write(&mut results).and_then(|()| results.flush());
            written.map_err(|source| JournalError::File { path: "standard output".into(), action: "writing", source })
        }
    };
    match written {
        Ok(()) => Exit::Well,
        Err(error) => context.failed(&error),
    }
}

/// Writes a run's `report.csv` and, where one is asked for, a copy elsewhere. What it counted on the way.
///
/// # Errors
/// Where one of them cannot be written.
pub fn write_reports(reader: &Reader, run_dir: &Path, copy: Option<&Path>) -> Result<Counts, JournalError> {
    let (everything, report) = (BTreeSet::new(), run_dir.join("report.csv"));
    let mut counts = Counts::default();
    replace(&report, |file| {
        counts = write(reader, Format::Csv, &everything, file)?;
        Ok(())
    })?;
    if let Some(path) = copy {
        replace(path, |file| io::copy(&mut File::open(&report)?, file).map(drop))?;
    }
    Ok(counts)
}

fn write(reader: &Reader, format: Format, outcomes: &BTreeSet<Outcome>, output: &mut dyn Write) -> io::Result<Counts> {
    let facts = reader.facts().map_err(io::Error::other)?;
    let run = reader.overview_without_actions().map_err(io::Error::other)?;
    let unsent = run.stopped.map_or_else(
        || "not sent yet".to_owned(),
        |(why, _)| format!("not sent: the run stopped ({why}); `certsweep resume` goes on"),
    );
    let columns = Columns { verified: run.verified_at.is_some(), kept: &facts.settings.keep_columns };
    let rows = Rows { reader, settings: &facts.settings, unsent: &unsent, outcomes };
    match format {
        Format::Csv | Format::Plan => {
            let mut writer = csv::Writer::new(output, columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
        Format::Json => {
            let mut writer = json::Writer::new(output, columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
        Format::Html => {
            let mut writer = html::Writer::new(output, &facts.settings.name, columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
    }
}

/// How many actions there are of which kind.
#[derive(Debug, Default)]
pub struct Counts {
    /// Actions that have ended, by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Actions that have not ended.
    pub waiting: u64,
    /// Actions that repeat another, and are never sent.
    pub duplicates: u64,
}

/// What the rows of a report are made of.
struct Rows<'a> {
    reader: &'a Reader,
    settings: &'a Settings,
    /// The message of an action that was not sent.
    unsent: &'a str,
    /// Rows of these outcomes alone; of all where there are none.
    outcomes: &'a BTreeSet<Outcome>,
}

impl Rows<'_> {
    /// Makes the rows one by one, in plan order.
    fn each(&self, mut each: impl FnMut(&Row<'_>) -> io::Result<()>) -> io::Result<Counts> {
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
            counts.duplicates += u64::from(action.duplicate_of.is_some());
            if !self.outcomes.is_empty() && !self.outcomes.contains(&outcome) {
                continue;
            }
            let message = match outcome {
                _ if ended => None,
                Outcome::InDoubt => Some("an attempt was left without an answer; `certsweep resume` goes on"),
                _ => Some(self.unsent),
            };
            each(&row_of(self.settings, &action, &history, outcome, message))?;
        }
        Ok(counts)
    }
}

/// What a report says of what the world sees.
pub fn cells_of(verified: Verified) -> VerifiedCells {
    let Verified { at, seen, by, revoked_at, why } = verified;
    VerifiedCells { seen, at, by, revoked_at, why }
}

/// The row of an action with its history.
pub fn row_of<'a>(
    settings: &'a Settings,
    action: &'a Action,
    history: &'a History,
    outcome: Outcome,
    message: Option<&'a str>,
) -> Row<'a> {
    let reply = &history.reply;
    let duration = history.started_at.zip(history.finished_at).map(|(began, ended)| ended.duration_since(began));
    Row {
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
        verified: history.verified.clone().map(cells_of),
        kept: &action.kept,
    }
}
