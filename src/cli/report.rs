//! `certsweep report`, and the report that a run writes: the fold of the run's records, whatever process asks for it.

use super::args::{self, Format};
use super::context::Context;
use super::exit::Exit;
use super::remaining::{catalog_of, write_plan};
use crate::journal::dir::replace;
use crate::journal::{Alike, History, JournalError, Phase, Reader, RunDir, Told, Verified};
use crate::plan::{Action, Settings};
use crate::run::{Ordinal, Outcome};
use crate::view::report::{Columns, Row, VerifiedCells, csv, html, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::sync_channel;

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
    let course = reader.course().map_err(io::Error::other)?;
    let unsent = course.stopped.map_or_else(
        || "not sent yet".to_owned(),
        |(why, _)| format!("not sent: the run stopped ({why}); `certsweep resume` goes on"),
    );
    let columns = Columns { verified: course.verified_at.is_some(), kept: &facts.settings.keep_columns };
    let alike = &reader.alike().map_err(io::Error::other)?;
    let telling = Telling { settings: &facts.settings, unsent: &unsent, outcomes, columns, alike };
    let all = 0..Ordinal::MAX;
    match format {
        Format::Csv | Format::Plan => in_parts(reader, &telling, output),
        Format::Json => {
            let mut rows = json::Writer::new(output, columns)?;
            let counts = telling.rows(reader, &all, |row| rows.write(row))?;
            rows.finish().map(|_| counts)
        }
        Format::Html => {
            let mut rows = html::Writer::new(output, &facts.settings.name, columns)?;
            let counts = telling.rows(reader, &all, |row| rows.write(row))?;
            rows.finish().map(|_| counts)
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

impl Counts {
    fn add(&mut self, other: Self) {
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self.waiting += other.waiting;
        self.duplicates += other.duplicates;
    }
}

/// What a report is made of, beside the actions.
#[derive(Debug, Clone, Copy)]
struct Telling<'a> {
    settings: &'a Settings,
    /// What is said of an action that was not sent.
    unsent: &'a str,
    outcomes: &'a BTreeSet<Outcome>,
    columns: Columns<'a>,
    alike: &'a Alike,
}

impl Telling<'_> {
    /// Makes the rows of these actions.
    fn rows(
        &self,
        reader: &Reader,
        ordinals: &Range<Ordinal>,
        mut each: impl FnMut(&Row<'_>) -> io::Result<()>,
    ) -> io::Result<Counts> {
        let mut counts = Counts::default();
        let walked: Result<(), Stop> =
            reader.told(ordinals, self.alike, !self.columns.kept.is_empty(), |told, history| {
                match history.state.phase {
                    Phase::Ended(outcome) => *counts.outcomes.entry(outcome).or_default() += 1,
                    Phase::Waiting | Phase::InFlight => counts.waiting += 1,
                }
                counts.duplicates += u64::from(told.repeats);
                let outcome = outcome_of(history);
                if !self.outcomes.is_empty() && !self.outcomes.contains(&outcome) {
                    return Ok(());
                }
                let message = match history.state.phase {
                    Phase::Ended(_) => None,
                    _ if outcome == Outcome::InDoubt => {
                        Some("an attempt was left without an answer; `certsweep resume` goes on")
                    }
                    _ => Some(self.unsent),
                };
                each(&row_of(self.settings, told, history, outcome, message)).map_err(Stop::Output)
            });
        walked.map(|()| counts).map_err(io::Error::from)
    }

    /// The CSV rows of these actions, without a header.
    fn part(&self, reader: &Reader, ordinals: &Range<Ordinal>) -> io::Result<(Vec<u8>, Counts)> {
        let mut rows = csv::Writer::further(Vec::with_capacity(BYTES_OF_A_PART), self.columns);
        let counts = self.rows(reader, ordinals, |row| rows.write(row))?;
        Ok((rows.finish()?, counts))
    }
}

/// Writes a report as CSV; a long one is made in parts, by as many threads as the machine has processors. A few parts are held at a
/// time.
fn in_parts(reader: &Reader, telling: &Telling<'_>, output: &mut dyn Write) -> io::Result<Counts> {
    csv::Writer::new(&mut *output, telling.columns)?.finish()?;
    let parts = reader.actions().map_err(io::Error::other)?.div_ceil(ROWS_OF_A_PART);
    let range = |part: u64| part * ROWS_OF_A_PART..(part + 1) * ROWS_OF_A_PART;
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let threads = processors.min(MOST_THREADS).min(parts);
    let mut total = Counts::default();
    if threads < 2 {
        for part in 0..parts {
            let (rows, counts) = telling.part(reader, &range(part))?;
            output.write_all(&rows)?;
            total.add(counts);
        }
        return Ok(total);
    }
    std::thread::scope(|scope| {
        let mut made = Vec::new();
        for first in 0..threads {
            let (sender, receiver) = sync_channel(PARTS_AHEAD);
            let reader = reader.again().map_err(io::Error::other)?;
            scope.spawn(move || {
                for part in (first..parts).step_by(usize::try_from(threads).unwrap_or(1)) {
                    let made = telling.part(&reader, &range(part));
                    let failed = made.is_err();
                    // Nobody takes it where the output has failed.
                    if sender.send(made).is_err() || failed {
                        return;
                    }
                }
            });
            made.push(receiver);
        }
        for receiver in made.iter().cycle().zip(0..parts).map(|(receiver, _)| receiver) {
            let part = receiver.recv().map_err(|_| io::Error::other("a part of the report could not be made"))?;
            let (rows, counts) = part?;
            output.write_all(&rows)?;
            total.add(counts);
        }
        Ok(total)
    })
}

/// The outcome that a report gives an action.
fn outcome_of(history: &History) -> Outcome {
    match history.state.phase {
        Phase::Ended(outcome) => outcome,
        // What is not known to be without effect is never called unsent.
        _ if history.state.tainted || history.state.phase == Phase::InFlight => Outcome::InDoubt,
        _ => Outcome::Skipped,
    }
}

/// What is done with an action, its history, and the outcome that a report gives it.
pub type EachAction<'a> = dyn FnMut(&Action, &History, Outcome) -> io::Result<()> + 'a;

/// Walks a run's actions in plan order: those that ended (or stand) so, or all where no outcome is named.
///
/// # Errors
/// Where the run cannot be read, or `each` says so.
pub fn each_action(reader: &Reader, outcomes: &BTreeSet<Outcome>, each: &mut EachAction<'_>) -> io::Result<()> {
    let walked: Result<(), Stop> = reader.histories(|action, history| {
        let outcome = outcome_of(&history);
        if outcomes.is_empty() || outcomes.contains(&outcome) {
            each(&action, &history, outcome).map_err(Stop::Output)?;
        }
        Ok(())
    });
    walked.map_err(io::Error::from)
}

enum Stop {
    Journal(JournalError),
    Output(io::Error),
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Journal(error) => Self::other(error),
            Stop::Output(error) => error,
        }
    }
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
pub fn row_of<'a>(
    settings: &'a Settings,
    told: Told<'a>,
    history: &'a History,
    outcome: Outcome,
    message: Option<&'a str>,
) -> Row<'a> {
    let reply = &history.reply;
    let duration = history.started_at.zip(history.finished_at).map(|(began, ended)| ended.duration_since(began));
    Row {
        action_id: told.id,
        provider: settings.accounts.get(told.account).map_or("", |account| account.name.as_str()),
        operation: told.operation,
        target: told.target,
        reason: told.reason,
        reason_sent: told.reason_sent,
        outcome,
        http_status: reply.http_status,
        provider_code: reply.code.as_deref(),
        provider_message: message.or(reply.message.as_deref()),
        provider_ref: reply.reference.as_deref(),
        attempts: history.state.attempts,
        started_at: history.started_at,
        finished_at: history.finished_at,
        duration_ms: duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(0)),
        source: told.source,
        verified: history.verified.clone().map(cells_of),
        kept: told.kept,
    }
}

/// Rows that a thread makes at once.
const ROWS_OF_A_PART: u64 = 2048;
/// Room for them, at a guess.
const BYTES_OF_A_PART: usize = 200 * 2048;
/// Parts that a thread may be ahead.
const PARTS_AHEAD: usize = 1;
/// More threads would only wait for the disk.
const MOST_THREADS: u64 = 4;
