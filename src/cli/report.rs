//! `certsweep report`, and the report that a run writes: the fold of the run's records, whatever process asks for it.

use super::args::{self, Format};
use super::context::Context;
use super::exit::Exit;
use super::remaining::{catalog_of, write_plan};
use crate::journal::dir::replace;
use crate::journal::{History, JournalError, Phase, Reader, RunDir, Verified};
use crate::plan::{Action, Settings};
use crate::run::Outcome;
use crate::view::report::{Columns, Row, VerifiedCells, csv, html, json};
use std::collections::BTreeSet;
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
        None => write(&reader, format, &outcomes, output),
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

/// Writes a run's `report.csv` and, where one is asked for, a copy elsewhere.
///
/// # Errors
/// Where one of them cannot be written.
pub fn write_reports(reader: &Reader, run_dir: &Path, copy: Option<&Path>) -> Result<(), JournalError> {
    let everything = BTreeSet::new();
    replace(&run_dir.join("report.csv"), |file| write(reader, Format::Csv, &everything, file))?;
    copy.map_or(Ok(()), |path| replace(path, |file| write(reader, Format::Csv, &everything, file)))
}

fn write(reader: &Reader, format: Format, outcomes: &BTreeSet<Outcome>, output: &mut dyn Write) -> io::Result<()> {
    let facts = reader.facts().map_err(io::Error::other)?;
    let overview = reader.overview().map_err(io::Error::other)?;
    let unsent = overview.stopped.map_or_else(
        || "not sent yet".to_owned(),
        |(why, _)| format!("not sent: the run stopped ({why}); `certsweep resume` goes on"),
    );
    let columns = Columns { verified: overview.verified_at.is_some(), kept: &facts.settings.keep_columns };
    match format {
        Format::Csv | Format::Plan => {
            let mut rows = csv::Writer::new(output, columns)?;
            each_row(reader, &facts.settings, &unsent, outcomes, &mut |row| rows.write(row))?;
            rows.finish().map(drop)
        }
        Format::Json => {
            let mut rows = json::Writer::new(output, columns)?;
            each_row(reader, &facts.settings, &unsent, outcomes, &mut |row| rows.write(row))?;
            rows.finish().map(drop)
        }
        Format::Html => {
            let mut rows = html::Writer::new(output, &facts.settings.name, columns)?;
            each_row(reader, &facts.settings, &unsent, outcomes, &mut |row| rows.write(row))?;
            rows.finish().map(drop)
        }
    }
}

fn each_row(
    reader: &Reader,
    settings: &Settings,
    unsent: &str,
    outcomes: &BTreeSet<Outcome>,
    each: &mut dyn FnMut(&Row) -> io::Result<()>,
) -> io::Result<()> {
    each_action(reader, outcomes, &mut |action, history, outcome| {
        let message = match history.state.phase {
            Phase::Ended(_) => None,
            _ if outcome == Outcome::InDoubt => {
                Some("an attempt was left without an answer; `certsweep resume` goes on".to_owned())
            }
            _ => Some(unsent.to_owned()),
        };
        each(&row_of(settings, action, history, outcome, message))
    })
}

/// What is done with an action, its history, and the outcome that a report gives it.
pub type EachAction<'a> = dyn FnMut(&Action, &History, Outcome) -> io::Result<()> + 'a;

/// Walks a run's actions in plan order: those that ended (or stand) so, or all where no outcome is named.
///
/// # Errors
/// Where the run cannot be read, or `each` says so.
pub fn each_action(reader: &Reader, outcomes: &BTreeSet<Outcome>, each: &mut EachAction<'_>) -> io::Result<()> {
    let walked = reader.histories(|action, history| {
        let outcome = match history.state.phase {
            Phase::Ended(outcome) => outcome,
            // What is not known to be without effect is never called unsent.
            _ if history.state.tainted || history.state.phase == Phase::InFlight => Outcome::InDoubt,
            _ => Outcome::Skipped,
        };
        if outcomes.is_empty() || outcomes.contains(&outcome) {
            each(&action, &history, outcome).map_err(Stop::Output)?;
        }
        Ok(())
    });
    walked.map_err(|stop| match stop {
        Stop::Journal(error) => io::Error::other(error),
        Stop::Output(error) => error,
    })
}

enum Stop {
    Journal(JournalError),
    Output(io::Error),
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// What a report says of what the world sees.
pub fn cells_of(verified: Verified) -> VerifiedCells {
    let Verified { at, seen, by, revoked_at, why } = verified;
    VerifiedCells { seen, at, by, revoked_at, why }
}

/// The row of an action with its history.
pub fn row_of(
    settings: &Settings,
    action: &Action,
    history: &History,
    outcome: Outcome,
    message: Option<String>,
) -> Row {
    let reply = &history.reply;
    let duration = history.started_at.zip(history.finished_at).map(|(began, ended)| ended.duration_since(began));
    Row {
        action_id: action.id.clone(),
        provider: settings.accounts.get(action.account).map(|account| account.name.clone()).unwrap_or_default(),
        operation: action.operation.clone(),
        target: action.target.clone(),
        reason: action.reason.map(|reason| reason.name().to_owned()),
        reason_sent: action.reason_sent.clone(),
        outcome,
        http_status: reply.http_status,
        provider_code: reply.code.clone(),
        provider_message: message.or_else(|| reply.message.clone()),
        provider_ref: reply.reference.clone(),
        attempts: history.state.attempts,
        started_at: history.started_at,
        finished_at: history.finished_at,
        duration_ms: duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(0)),
        source: action.source.clone(),
        verified: history.verified.clone().map(cells_of),
        kept: action.kept.clone(),
    }
}
