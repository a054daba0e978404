//! The rows of a report of one run or of several, whatever writes them: each action with the fold of its records, and the counts of all. Writes nothing.

use super::{IssuedCells, ReportColumns, ReportRow, RunCells, SettledCells, VerifiedCells};
use crate::journal::reader::Histories;
use crate::journal::state::Overview;
use crate::journal::{History, Phase, Reader, Reply, RunFacts, Settlement, Verified};
use crate::pki::RevocationReason;
use crate::plan::checked::NeverSent;
use crate::plan::{Action, Settings};
use crate::run::{Ordinal, Outcome};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::io;

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

/// Where an action's new certificate stands, below the run directory. A step's name is behind its entry's, in a folder.
pub fn certificate_file(id: &str) -> String {
    let segments = id.split('/').map(|segment| match segment {
        "" | "." | ".." => utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string().replace('.', "%2E"),
        other => utf8_percent_encode(other, UNSAFE_IN_NAMES).to_string(),
    });
    format!("certificates/{}.pem", segments.collect::<Vec<_>>().join("/"))
}

/// The message of an action that was not sent.
pub fn unsent(run: &Overview) -> String {
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
    /// Accounts, each with an operation of which an action ended well.
    pub ended_well: Vec<(String, String)>,
    /// Of a report of several runs: actions on a target that an earlier row of another run has too, and the first such target.
    pub in_two_runs: (u64, Option<String>),
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
        if ended && outcome.is_well() {
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

/// Which targets were met in which run: a hash of each, since there may be a million.
#[derive(Default)]
struct MetTargets {
    hashes: std::hash::RandomState,
    runs: HashMap<u64, usize>,
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
