//! The rows of a run's report, whatever writes them: each action with the fold of its records, and the counts of all. Writes nothing.

use crate::journal::reader::Overview;
use crate::journal::{History, Phase, Reader, Reply, RunFacts, Settlement, Verified};
use crate::pki::RevocationReason;
use crate::plan::checked::NeverSent;
use crate::plan::{Action, Settings};
use crate::run::Outcome;
use crate::view::report::{IssuedCells, ReportColumns, ReportRow, RunCells, SettledCells, VerifiedCells};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// What every row of a run has in common.
pub(super) fn run_cells<'a>(facts: &'a RunFacts, run_dir: &'a str) -> RunCells<'a> {
    RunCells {
        simulated: facts.simulated,
        operator: facts.origin.operator.as_deref(),
        ticket: facts.origin.ticket.as_deref(),
        shard: facts.part.map(|part| part.shard),
        run_dir,
    }
}

/// The columns of a run's report.
///
/// # Errors
/// Where the run cannot be read.
pub(super) fn columns<'a>(reader: &Reader, facts: &'a RunFacts, run: &Overview) -> io::Result<ReportColumns<'a>> {
    Ok(ReportColumns {
        simulated: facts.simulated,
        issued: reader.has_issued().map_err(io::Error::other)?,
        operator: facts.origin.operator.is_some(),
        ticket: facts.origin.ticket.is_some(),
        shard: facts.part.is_some(),
        run: false,
        settled: run.settled,
        verified: run.verified_at.is_some(),
        kept: &facts.settings.keep_columns,
    })
}

/// Where an action's new certificate stands, below the run directory. A step's name is behind its entry's, in a folder.
pub(super) fn certificate_file(id: &str) -> String {
    let segments = id.split('/').map(|segment| match segment {
        "" | "." | ".." => utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string().replace('.', "%2E"),
        other => utf8_percent_encode(other, UNSAFE_IN_NAMES).to_string(),
    });
    format!("certificates/{}.pem", segments.collect::<Vec<_>>().join("/"))
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
    /// What every row has in common.
    pub(super) run: RunCells<'a>,
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
            let settled = history.settled.as_ref().map(|settled| settled_message(settled, &history.reply));
            let in_doubt = (!ended && outcome == Outcome::InDoubt).then(|| still_in_doubt(&history.reply));
            let message = match history.doubt {
                Some(doubt) => Some(doubt.why()),
                None if settled.is_some() => settled.as_deref(),
                None if ended => None,
                None => Some(in_doubt.as_deref().unwrap_or(self.unsent)),
            };
            each(&ReportRow { run: self.run, ..row_of(self.settings, &action, &history, outcome, message) })?;
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

/// The message of an action that a person has settled, with what came last before.
fn settled_message(settled: &Settlement, reply: &Reply) -> String {
    let by = settled.by.as_deref().unwrap_or("somebody");
    let before = reply.message.as_deref().map(|before| format!(" (before: {before})")).unwrap_or_default();
    format!("settled by {by}: {}{before}", settled.note)
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
        run: RunCells::default(),
        issued: history.issued.as_ref().map(|issued| IssuedCells {
            serial_number: &issued.serial_number,
            not_after: issued.not_after,
            file: certificate_file(&action.id),
        }),
        settled: history.settled.as_ref().map(|settled| SettledCells {
            by: settled.by.as_deref().unwrap_or_default(),
            at: settled.at,
            note: &settled.note,
        }),
        verified: history.verified.clone().map(|verified| verified_cells(verified, action.reason)),
        kept: &action.kept,
    }
}

/// What file systems and shells take for something else.
const UNSAFE_IN_NAMES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
