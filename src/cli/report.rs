//! `certsweep report`, and the report that a run writes: the fold of the run's records, whatever process asks for it. With `--format plan`,
//! a run's actions as a CSV list that is itself a plan. Accounts and rates are not in a list: give the first plan with `--settings`.

use super::args::{self, ReportFormat};
use super::context::Context;
use super::exit::Exit;
use crate::journal::files::replace;
use crate::journal::{History, JournalError, Phase, Reader, Reply, RunDir, Verified};
use crate::pki::{RevocationReason, SerialNotation};
use crate::plan::checked::{NamedFile, NeverSent};
use crate::plan::{Action, CERTIFICATE_FIELDS, Settings};
use crate::provider::{Catalog, Operation};
use crate::run::Outcome;
use crate::text::safe;
use crate::view::report::{IssuedCells, ReportColumns, ReportRow, VerifiedCells, csv as csv_report, html, json};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a run's report again.
pub fn report(context: &Context, args: &args::ReportArgs) -> Exit {
    let format = args.format.unwrap_or(if context.global.json { ReportFormat::Json } else { ReportFormat::Csv });
    let outcomes: BTreeSet<Outcome> = args.outcome.iter().copied().collect();
    let open = if args.salvage { RunDir::read_damaged } else { RunDir::read };
    let reader = match RunDir::existing(&args.run_dir).and_then(|dir| open(&dir)) {
        Ok(reader) => reader,
        Err(error) => return context.no_run(&error),
    };
    if let Some(damage) = reader.damage() {
        let path = args.run_dir.display();
        context.printer.warning(&format!("{path}: {damage}; the report says what can be read of the run"));
    } else if args.salvage {
        context.printer.note("nothing is damaged: this is the run's usual report");
    }
    let mut unknown = 0;
    let catalog = match format {
        ReportFormat::Plan => {
            match reader.facts().map_err(|error| context.failed(&error)).and_then(|facts| context.catalog_of(&facts)) {
                Ok(catalog) => Some(catalog),
                Err(exit) => return exit,
            }
        }
        ReportFormat::Csv | ReportFormat::Json | ReportFormat::Html => None,
    };
    // A list that is read again must keep every character; one that is only looked at must not act on the terminal.
    let shown = args.output.is_none() && context.printer.shows_results();
    let mut write = |output: &mut dyn Write| match &catalog {
        Some(catalog) => write_plan(&reader, catalog, &outcomes, shown, output),
        None => write(&reader, format, &outcomes, output).map(|counts| unknown = counts.unknown),
    };
    let written = match &args.output {
        Some(path) => replace(path, write),
        None => {
            let mut results = BufWriter::new(context.printer.results());
            let written = write(&mut results).and_then(|()| results.flush());
            written.map_err(|source| JournalError::File { path: "standard output".into(), action: "writing", source })
        }
    };
    if unknown == 0 && reader.damage().is_some() && catalog.is_none() {
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
    name.push(".rescued.csv");
    let path = named.map_or_else(|| run_dir.with_file_name(name), Path::to_path_buf);
    replace(&path, |file| write(reader, ReportFormat::Csv, &BTreeSet::new(), file).map(drop))?;
    Ok(path)
}

/// Writes a run's `report.csv` and, where `copy` parameter_columns one, a copy. Returns the counts of all actions.
///
/// # Errors
/// Where one of them cannot be written.
pub fn write_reports(reader: &Reader, run_dir: &Path, copy: Option<&Path>) -> Result<Counts, JournalError> {
    let (everything, report) = (BTreeSet::new(), run_dir.join("report.csv"));
    let mut counts = Counts::default();
    replace(&report, |file| {
        counts = write(reader, ReportFormat::Csv, &everything, file)?;
        Ok(())
    })?;
    write_certificates(reader, run_dir)?;
    if let Some(path) = copy {
        // Copied, not made a second time: folding a million actions takes longer than reading the file.
        replace(path, |file| io::copy(&mut File::open(&report)?, file).map(drop))?;
    }
    Ok(counts)
}

/// Where an action's new certificate stands, below the run directory. A step's name is behind its entry's, in a folder.
fn certificate_file(id: &str) -> String {
    let segments = id.split('/').map(|segment| match segment {
        "" | "." | ".." => utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string().replace('.', "%2E"),
        other => utf8_percent_encode(other, UNSAFE_IN_NAMES).to_string(),
    });
    format!("certificates/{}.pem", segments.collect::<Vec<_>>().join("/"))
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

fn write(
    reader: &Reader,
    format: ReportFormat,
    outcomes: &BTreeSet<Outcome>,
    output: &mut dyn Write,
) -> io::Result<Counts> {
    let facts = reader.facts().map_err(io::Error::other)?;
    let run = reader.overview_without_actions().map_err(io::Error::other)?;
    let unsent = run.stopped.map_or_else(
        || "not sent yet".to_owned(),
        |(why, _)| format!("not sent: the run stopped ({why}); `certsweep resume` goes on"),
    );
    let columns = ReportColumns {
        issued: reader.has_issued().map_err(io::Error::other)?,
        verified: run.verified_at.is_some(),
        kept: &facts.settings.keep_columns,
    };
    let rows = Rows { reader, settings: &facts.settings, unsent: &unsent, outcomes };
    match format {
        ReportFormat::Csv | ReportFormat::Plan => {
            let mut writer = csv_report::CsvReport::new(output, columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
        ReportFormat::Json => {
            let mut writer = json::JsonReport::new(output, columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
        ReportFormat::Html => {
            let mut writer = html::HtmlReport::new(output, &facts.settings.name, columns)?;
            let counts = rows.each(|row| writer.write(row))?;
            writer.finish().map(|_| counts)
        }
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
    fn each(&self, mut each: impl FnMut(&ReportRow<'_>) -> io::Result<()>) -> io::Result<Counts> {
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
        issued: history.issued.as_ref().map(|issued| IssuedCells {
            serial_number: &issued.serial_number,
            not_after: issued.not_after,
            file: certificate_file(&action.id),
        }),
        verified: history.verified.clone().map(|verified| verified_cells(verified, action.reason)),
        kept: &action.kept,
    }
}

/// Writes the actions with these outcomes (all where none is named) as a CSV list that `certsweep run` accepts.
fn write_plan(
    reader: &Reader,
    catalog: &Catalog,
    outcomes: &BTreeSet<Outcome>,
    shown: bool,
    output: &mut dyn Write,
) -> io::Result<()> {
    let safe = |cell: String| if shown { safe::terminal(&cell).into_owned() } else { cell };
    let settings = reader.facts().map_err(io::Error::other)?.settings;
    let mut parameter_columns: Vec<String> = Vec::new();
    let mut certificate_columns: Vec<&str> = Vec::new();
    let wanted = |(action, history): (Action, History)| {
        let wanted = outcomes.is_empty() || outcomes.contains(&history.state.outcome());
        wanted.then_some(action)
    };
    let actions = || reader.histories().filter_map(|found| found.map(wanted).map_err(io::Error::other).transpose());
    // The header needs every action's parameters, and a million actions do not fit into memory: so they are read twice.
    for action in actions() {
        let action = action?;
        for name in CERTIFICATE_FIELDS {
            if !certificate_columns.contains(&name) && certificate_cell(&action, name).is_some() {
                certificate_columns.push(name);
            }
        }
        let operation = operation_of(&settings, catalog, &action);
        let own_reason = reason_field(operation, &action);
        for name in action.parameters.keys().filter(|name| Some(name.as_str()) != own_reason) {
            if !parameter_columns.contains(name) {
                parameter_columns.push(name.clone());
            }
        }
    }
    let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(output);
    certificate_columns.sort_unstable();
    // A provider's own field of such a name and the common one share a column.
    certificate_columns.retain(|name| !parameter_columns.iter().any(|known| known == name));
    let header = FIXED
        .into_iter()
        .chain(parameter_columns.iter().map(String::as_str))
        .chain(certificate_columns.iter().copied());
    rows.write_record(header.map(|name| safe(name.to_owned()))).map_err(io::Error::other)?;
    for action in actions() {
        let action = action?;
        let account = settings.accounts.get(action.account).map(|account| account.name.clone()).unwrap_or_default();
        let reason = action.reason.map(|reason| reason.name().to_owned()).unwrap_or_default();
        let not_before = action.not_before.map(|at| at.to_string()).unwrap_or_default();
        let fixed = [action.id.clone(), account, action.operation.clone(), reason, not_before];
        let operation = operation_of(&settings, catalog, &action);
        let own_reason = reason_field(operation, &action);
        let cells = parameter_columns.iter().map(|name| match action.parameters.get(name) {
            Some(value) if Some(name.as_str()) != own_reason => parameter_cell(operation, name, value),
            _ => certificate_cell(&action, name).unwrap_or_default(),
        });
        let named = certificate_columns.iter().map(|name| certificate_cell(&action, name).unwrap_or_default());
        rows.write_record(fixed.into_iter().chain(cells).chain(named).map(safe)).map_err(io::Error::other)?;
    }
    rows.flush()
}

/// The provider's own field for the reason, where the column `reason` already holds the reason in RFC 5280's spelling: both would conflict.
fn reason_field<'a>(operation: Option<&'a Operation>, action: &Action) -> Option<&'a str> {
    action.reason?;
    operation?.action.as_ref()?.reason.as_ref().map(|reason| reason.field.as_str())
}

fn operation_of<'a>(settings: &Settings, catalog: &'a Catalog, action: &Action) -> Option<&'a Operation> {
    catalog.get(&settings.accounts.get(action.account)?.provider)?.operation(&action.operation)
}

/// The cell of a certificate field ([`CERTIFICATE_FIELDS`]); `None` where the plan did not set it.
fn certificate_cell(action: &Action, name: &str) -> Option<String> {
    let facts = action.certificate.as_deref()?;
    let file = |file: &NamedFile| format!("file:{}", file.path);
    match name {
        "certificate" => facts.certificate.as_ref().map(file),
        "ca_certificate" => facts.is_ca.then(|| "true".to_owned()),
        "serial_number" => facts.serial_number.as_ref().map(ToString::to_string),
        "issuer" => facts.issuer.as_ref().map(file),
        "crl" => Some(facts.crl.join(" ")).filter(|urls| !urls.is_empty()),
        "ocsp" => facts.ocsp.clone(),
        _ => None,
    }
}

/// The cell of a parameter; a list as words, as plans write it.
fn parameter_cell(operation: Option<&Operation>, name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => {
            let serial = operation.and_then(|operation| operation.parameter(name)?.serial());
            // Beside a certificate that is sent, another's of the same number is told by its issuer; the certificate says it again.
            let text = text.split(" (issuer ").next().filter(|_| serial.is_some()).unwrap_or(text);
            // Digits alone might be decimal, and a list says nothing of its digits.
            let is_plain_hex = serial.is_some_and(|rule| {
                !rule.is_id(text)
                    && rule.notation() == SerialNotation::Hexadecimal
                    && text.bytes().all(|byte| byte.is_ascii_digit())
            });
            if is_plain_hex { format!("0x{text}") } else { text.to_owned() }
        }
        Value::Array(items) => {
            items.iter().map(|item| parameter_cell(operation, name, item)).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// The columns that every list has.
const FIXED: [&str; 5] = ["id", "provider", "action", "reason", "not_before"];

/// What file systems and shells take for something else.
const UNSAFE_IN_NAMES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
