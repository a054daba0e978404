//! A run's report, or that of several runs: one row an action, in plan order. What a row holds, whatever the format, and how rows and counts come
//! of the fold of an action's records. The formats make its texts safe to show. Writes nothing.

pub mod formats;
pub mod html;
pub mod run_files;

use crate::journal::reader::Histories;
use crate::journal::state::Overview;
use crate::journal::{History, Phase, Reader, Reply, RunFacts, Settlement, Verified};
use crate::pki::RevocationReason;
use crate::plan::checked::NeverSent;
use crate::plan::{Action, Settings};
use crate::run::{Ordinal, Outcome, Seen, Shard, StatusSource};
use crate::time::rfc3339;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::io;
use std::time::Duration;

/// One row of a report. Texts are verbatim, and where they were read; the formats make them safe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReportRow<'a> {
    /// The action's id.
    pub action_id: &'a str,
    /// The configured provider's name.
    pub provider: &'a str,
    /// The operation.
    pub operation: &'a str,
    /// What it acted on.
    pub target: &'a str,
    /// The plan's reason, in RFC 5280's spelling.
    pub reason: Option<&'a str>,
    /// The reason sent, in the provider's spelling.
    pub reason_sent: Option<&'a str>,
    /// How it ended.
    pub outcome: Outcome,
    /// The last HTTP status.
    pub http_status: Option<u16>,
    /// The provider's code.
    pub provider_code: Option<&'a str>,
    /// The provider's message, or certsweep's own where no answer has one.
    pub provider_message: Option<&'a str>,
    /// The provider's own request or order id.
    pub provider_ref: Option<&'a str>,
    /// Attempts sent.
    pub attempts: u32,
    /// When the first attempt was decided.
    pub started_at: Option<Timestamp>,
    /// When the action ended.
    pub finished_at: Option<Timestamp>,
    /// From the first to the last.
    pub duration_ms: Option<u64>,
    /// `file:line`.
    pub source: &'a str,
    /// Whether it is never sent on purpose: it repeats another, or an exception list names it.
    #[schemars(skip)]
    pub left_out: bool,
    /// The run that it is of.
    #[schemars(skip)]
    pub run: RunCells<'a>,
    /// The new certificate that it brought.
    #[schemars(skip)]
    pub issued: Option<IssuedCells<'a>>,
    /// Its revocation status, where `certsweep verify` asked for it.
    #[schemars(skip)]
    pub verified: Option<VerifiedCells>,
    /// Who has settled it, where a person has.
    #[schemars(skip)]
    pub settled: Option<SettledCells<'a>>,
    /// The kept columns' values, in the order of the report's kept columns.
    #[schemars(skip)]
    pub kept: &'a [String],
}

/// What every row of a run has in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RunCells<'a> {
    /// Whether it was a rehearsal.
    pub simulated: bool,
    /// Who answers for it.
    pub operator: Option<&'a str>,
    /// Its ticket.
    pub ticket: Option<&'a str>,
    /// Which part of its plan it is.
    pub shard: Option<Shard>,
    /// Its directory, as it was named.
    pub run_dir: &'a str,
}

/// A new certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IssuedCells<'a> {
    /// Its serial number.
    pub serial_number: &'a str,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// Its file, below the run directory.
    pub file: String,
}

/// What a person has written down of an action (`certsweep settle`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SettledCells<'a> {
    /// Who; empty where that is not known.
    pub by: &'a str,
    /// When.
    pub at: Timestamp,
    /// What was found.
    pub note: &'a str,
}

/// The revocation status of an action's target, as `certsweep verify` recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct VerifiedCells {
    /// Revoked, on hold, good or unknown.
    pub seen: Seen,
    /// When it was seen.
    pub at: Timestamp,
    /// The sources that say so.
    pub by: Vec<StatusSource>,
    /// The revocation date of the CRL entry or OCSP response.
    pub revoked_at: Option<Timestamp>,
    /// The reason that its issuer publishes.
    pub reason: Option<RevocationReason>,
    /// What is to be said of that reason, where it is not the one asked.
    pub note: Option<String>,
    /// Why it is not seen revoked.
    pub why: Option<String>,
}

/// The columns of a report beyond the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportColumns<'a> {
    /// Whether the run was a rehearsal: then [`SIMULATED`] follows the contract's columns, and no row can be taken for a real one.
    pub simulated: bool,
    /// Whether actions bring new certificates, however they ended: then [`ISSUED`] follow the contract's columns.
    pub issued: bool,
    /// Whether somebody is named who answers for a run, and a ticket: [`ORIGIN`], a column of each.
    pub operator: bool,
    /// The ticket.
    pub ticket: bool,
    /// Whether a run is a part of its plan: then [`SHARD`] follows, as `2 of 4`, which no spreadsheet takes for a date.
    pub shard: bool,
    /// Whether the report is of several runs: then [`RUN`] follows, with the run directory of each row.
    pub run: bool,
    /// Whether the run was verified: then [`VERIFIED`] follow.
    pub verified: bool,
    /// Whether a person has settled actions: then [`SETTLED`] follow.
    pub settled: bool,
    /// The names of the columns that the plan's lists carry through.
    pub kept: &'a [String],
}

/// A run of which a report is made.
#[derive(Debug)]
pub struct ReportedRun<'r> {
    /// The run, open for reading.
    pub reader: &'r Reader,
    /// Its constants.
    pub facts: RunFacts,
    /// The run as a whole; its actions are not counted.
    pub overview: Overview,
    /// Its directory, as it was named.
    pub run_dir: String,
}

/// What the rows of a report are made of.
#[derive(Debug)]
pub struct Rows<'a> {
    runs: &'a [ReportedRun<'a>],
    /// Rows of these outcomes alone; of all where there are none.
    outcomes: &'a BTreeSet<Outcome>,
    /// The kept columns of all runs.
    kept: Vec<String>,
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
    /// Accounts, each with an operation of which an action ended well and is settled.
    pub ended_well: Vec<(String, String)>,
    /// Of a report of several runs: actions on a target that an earlier row of another run has too, and the first such target.
    pub in_two_runs: (u64, Option<String>),
}

/// One run's actions on their way into the report.
struct RunRows<'a> {
    run: &'a ReportedRun<'a>,
    /// The message of an action that was not sent.
    unsent: String,
    histories: Histories<'a>,
    /// The places of its actions in the whole plan, where it is a part.
    places: Option<std::vec::IntoIter<Ordinal>>,
    /// Where each kept column of the report stands in this run; `None` where all stand at their places.
    kept: Option<Vec<Option<usize>>>,
    /// Runs of one plan are read side by side: the number of the first of them, and the place in the plan.
    next: Option<((usize, Ordinal), Action, History)>,
}

/// Which targets were met in which run: a hash of each, since there may be a million.
#[derive(Default)]
struct MetTargets {
    hashes: std::hash::RandomState,
    runs: HashMap<u64, usize>,
}

impl ReportColumns<'_> {
    /// The columns of a run's own cells that there are, with what stands in a row of a run.
    fn of_run<'r>(&self, run: &RunCells<'r>) -> impl Iterator<Item = (&'static str, Cow<'r, str>)> + use<'r> {
        let shard = run.shard.map(|shard| format!("{} of {}", shard.number(), shard.of()));
        let text = |text: Option<&'r str>| Cow::from(text.unwrap_or_default());
        let [operator, ticket] = ORIGIN;
        [
            (self.operator, operator, text(run.operator)),
            (self.ticket, ticket, text(run.ticket)),
            (self.shard, SHARD, shard.unwrap_or_default().into()),
            (self.run, RUN, run.run_dir.into()),
        ]
        .into_iter()
        .filter_map(|(is_there, name, text)| is_there.then_some((name, text)))
    }
}

impl VerifiedCells {
    /// The cells of the columns [`VERIFIED`].
    fn cells(verified: Option<&Self>) -> [String; 4] {
        let Some(Self { seen, at, by, reason, .. }) = verified else { return Default::default() };
        let by: Vec<&str> = by.iter().map(|source| source.as_str()).collect();
        let reason = reason.map(RevocationReason::name).unwrap_or_default();
        [seen.as_str().to_owned(), rfc3339(*at), by.join(" "), reason.to_owned()]
    }

    /// From an action's end until it was seen revoked.
    pub fn after(&self, finished_at: Option<Timestamp>) -> Option<Duration> {
        let after = self.at.duration_since(finished_at.filter(|_| self.seen == Seen::Revoked)?);
        Some(Duration::try_from(after).unwrap_or_default())
    }
}

impl<'r> ReportedRun<'r> {
    /// Reads what is true of all of the run.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn of(reader: &'r Reader, run_dir: String) -> io::Result<Self> {
        let facts = reader.facts().map_err(io::Error::other)?;
        let overview = reader.overview_without_actions().map_err(io::Error::other)?;
        Ok(Self { reader, facts, overview, run_dir })
    }

    /// What every row of it has in common.
    fn cells(&self) -> RunCells<'_> {
        RunCells {
            simulated: self.facts.simulated,
            operator: self.facts.origin.operator.as_deref(),
            ticket: self.facts.origin.ticket.as_deref(),
            shard: self.facts.part.map(|part| part.shard),
            run_dir: &self.run_dir,
        }
    }
}

impl<'a> Rows<'a> {
    /// Of these runs, and only of actions with these outcomes where there are some.
    pub fn of(runs: &'a [ReportedRun<'a>], outcomes: &'a BTreeSet<Outcome>) -> Self {
        let mut kept: Vec<String> = Vec::new();
        for name in runs.iter().flat_map(|run| &run.facts.settings.keep_columns) {
            if !kept.contains(name) {
                kept.push(name.clone());
            }
        }
        Self { runs, outcomes, kept }
    }

    /// The columns of the report: all that one of its runs has.
    ///
    /// # Errors
    /// Where a run cannot be read.
    pub fn columns(&self) -> io::Result<ReportColumns<'_>> {
        let mut columns = ReportColumns { run: self.runs.len() > 1, kept: &self.kept, ..ReportColumns::default() };
        for ReportedRun { reader, facts, overview, .. } in self.runs {
            columns.simulated |= facts.simulated;
            columns.issued |= reader.may_issue().map_err(io::Error::other)?;
            columns.operator |= facts.origin.operator.is_some();
            columns.ticket |= facts.origin.ticket.is_some();
            columns.shard |= facts.part.is_some();
            columns.settled |= overview.settled;
            columns.verified |= overview.verified_at.is_some();
        }
        Ok(columns)
    }

    /// Makes the rows one by one, in plan order; those of another plan's runs after them.
    ///
    /// # Errors
    /// Where a run cannot be read, or `each` fails.
    pub fn each(&self, mut each: impl FnMut(&ReportRow<'_>) -> io::Result<()>) -> io::Result<Counts> {
        let mut counts = Counts::default();
        let rows = (0..self.runs.len()).map(|number| RunRows::begin(number, self.runs, &self.kept));
        let mut rows = rows.collect::<io::Result<Vec<RunRows<'_>>>>()?;
        let mut targets = MetTargets::default();
        loop {
            let first =
                rows.iter().enumerate().filter_map(|(number, rows)| Some((rows.next.as_ref()?.0, number))).min();
            let Some(((plan, _), number)) = first else { break };
            let rows = &mut rows[number];
            let Some((_, action, history)) = rows.next.take() else { break };
            rows.advance(plan)?;
            if self.runs.len() > 1 && action.never_sent.is_none() {
                targets.take(number, rows.run, &action, &mut counts);
            }
            self.row(rows, &action, &history, &mut counts, &mut each)?;
        }
        Ok(counts)
    }

    fn row(
        &self,
        rows: &RunRows<'_>,
        action: &Action,
        history: &History,
        counts: &mut Counts,
        each: &mut impl FnMut(&ReportRow<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
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
        // What is pending has done nothing yet that could be verified.
        if ended && outcome.is_well() && !outcome.is_pending() {
            let account = rows.run.facts.settings.accounts.get(action.account).map_or("", |account| &account.name);
            let is_known = |(of, operation): &(String, String)| *operation == action.operation && of == account;
            if !counts.ended_well.iter().any(is_known) {
                counts.ended_well.push((account.to_owned(), action.operation.clone()));
            }
        }
        // Counted all the same: `--outcome` selects rows, not figures.
        if !self.outcomes.is_empty() && !self.outcomes.contains(&outcome) {
            return Ok(());
        }
        let settled = history.settled.as_ref().map(|settled| settled_message(settled, &history.reply));
        let in_doubt = (!ended && outcome == Outcome::InDoubt).then(|| still_in_doubt(&history.reply));
        let message = match history.doubt {
            Some(doubt) => Some(doubt.why()),
            None if settled.is_some() => settled.as_deref(),
            None if ended => None,
            None => Some(in_doubt.as_deref().unwrap_or(&rows.unsent)),
        };
        let kept: Option<Vec<String>> = rows.kept.as_ref().map(|places| {
            let cell = |place: &Option<usize>| place.and_then(|place| action.kept.get(place)).cloned();
            places.iter().map(|place| cell(place).unwrap_or_default()).collect()
        });
        let row = row_of(&rows.run.facts.settings, action, history, outcome, message);
        let kept = kept.as_deref().unwrap_or(row.kept);
        each(&ReportRow { run: rows.run.cells(), kept, ..row })
    }
}

impl<'a> RunRows<'a> {
    fn begin(number: usize, runs: &'a [ReportedRun<'a>], kept: &[String]) -> io::Result<Self> {
        let run = &runs[number];
        let plan = runs.iter().position(|other| other.facts.digest == run.facts.digest).unwrap_or(number);
        let own = &run.facts.settings.keep_columns;
        let place = |name: &String| own.iter().position(|known| known == name);
        let mut rows = Self {
            run,
            unsent: unsent(&run.overview),
            histories: run.reader.histories_without_parameters(),
            // One that cannot be read any more stands where it stands in its run.
            places: run.reader.places().ok().flatten().filter(|_| runs.len() > 1).map(Vec::into_iter),
            kept: (own.as_slice() != kept).then(|| kept.iter().map(place).collect()),
            next: None,
        };
        rows.advance(plan)?;
        Ok(rows)
    }

    fn advance(&mut self, plan: usize) -> io::Result<()> {
        self.next = match self.histories.next() {
            None => None,
            Some(found) => {
                let (action, history) = found.map_err(io::Error::other)?;
                let place = self.places.as_mut().and_then(Iterator::next).unwrap_or(action.ordinal);
                Some(((plan, place), action, history))
            }
        };
        Ok(())
    }
}

impl MetTargets {
    fn take(&mut self, number: usize, run: &ReportedRun<'_>, action: &Action, counts: &mut Counts) {
        let Some(account) = run.facts.settings.accounts.get(action.account).filter(|_| !action.target.is_empty())
        else {
            return;
        };
        let target = self.hashes.hash_one((&account.provider, &account.base_url, &action.target));
        if *self.runs.entry(target).or_insert(number) != number {
            counts.in_two_runs.0 += 1;
            counts.in_two_runs.1.get_or_insert_with(|| format!("{} of {}", action.target, account.name));
        }
    }
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

/// The report's cells about a verification.
pub fn verified_cells(verified: Verified, asked: Option<RevocationReason>) -> VerifiedCells {
    let Verified { at, seen, by, revoked_at, reason, reason_differs, why } = verified;
    let differs = reason.zip(asked).filter(|_| reason_differs);
    let note = differs.map(|(published, asked)| format!("published as {published}, and {asked} was asked"));
    VerifiedCells { seen, at, by, revoked_at, reason, note, why }
}

/// What a report calls itself: the plan, or the plans; of one part of a plan, which it is.
pub fn title(runs: &[ReportedRun<'_>]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.facts.settings.name.as_str()) {
            names.push(&run.facts.settings.name);
        }
    }
    match runs {
        [ReportedRun { facts: RunFacts { part: Some(part), .. }, .. }] => {
            format!("{} (shard {})", names.join(", "), part.shard)
        }
        _ => names.join(", "),
    }
}

/// The name of the report in a run directory. A rehearsal's says so: a file outlives the directory in which it was found.
pub const fn file_name(simulated: bool) -> &'static str {
    if simulated { "report.rehearsal.csv" } else { "report.csv" }
}

/// Where an action's new certificate stands, below the run directory. A step's name is behind its entry's, in a folder.
pub fn certificate_file(id: &str) -> String {
    let segments = id.split('/').map(|segment| match segment {
        "" | "." | ".." => utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string().replace('.', "%2E"),
        other => utf8_percent_encode(other, UNSAFE_IN_NAMES).to_string(),
    });
    format!("certificates/{}.pem", segments.collect::<Vec<_>>().join("/"))
}

/// The message of an action that was not sent.
fn unsent(run: &Overview) -> String {
    match &run.stopped {
        None => "not sent yet".to_owned(),
        Some((why, _)) => format!("not sent: the run stopped ({why}); `certsweep resume` goes on"),
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

/// The contract's columns, in their order.
pub const HEADER: [&str; 16] = [
    "action_id",
    "provider",
    "operation",
    "target",
    "reason",
    "reason_sent",
    "outcome",
    "http_status",
    "provider_code",
    "provider_message",
    "provider_ref",
    "attempts",
    "started_at",
    "finished_at",
    "duration_ms",
    "source",
];
/// The column of a rehearsal's report.
pub const SIMULATED: &str = "simulated";
/// The columns of who answers for a run, and of its ticket.
pub const ORIGIN: [&str; 2] = ["operator", "ticket"];
/// The column of the part of its plan that a run is.
pub const SHARD: &str = "shard";
/// The column of the run that a row is of, in a report of several.
pub const RUN: &str = "run";
/// The columns of new certificates.
pub const ISSUED: [&str; 3] = ["new_serial_number", "new_not_after", "new_certificate"];
/// The columns that `certsweep settle` adds.
pub const SETTLED: [&str; 3] = ["settled_by", "settled_at", "settled_note"];
/// The columns that verification adds.
pub const VERIFIED: [&str; 4] = ["verified", "verified_at", "verified_by", "verified_reason"];
/// What file systems and shells take for something else.
const UNSAFE_IN_NAMES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

#[cfg(test)]
pub(crate) mod testing {
    //! A row to vary.

    use super::*;

    /// A row with only what every row has.
    pub(crate) fn row(action_id: &str) -> ReportRow<'_> {
        ReportRow {
            action_id,
            provider: "digicert",
            operation: "revoke",
            target: "112358",
            reason: None,
            reason_sent: None,
            outcome: Outcome::Skipped,
            http_status: None,
            provider_code: None,
            provider_message: None,
            provider_ref: None,
            attempts: 0,
            started_at: None,
            finished_at: None,
            duration_ms: None,
            source: "plan.yaml:7",
            left_out: false,
            run: RunCells::default(),
            issued: None,
            settled: None,
            verified: None,
            kept: &[],
        }
    }
}
