//! A run's report: one row an action, in plan order; what a row holds, whatever the format. The formats make its texts safe to show.

pub mod csv;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod rows;
pub mod run_files;

use crate::pki::RevocationReason;
use crate::run::{Outcome, Seen, Shard, StatusSource};
use crate::time::rfc3339;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
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

impl ReportColumns<'_> {
    /// The columns of a run's own cells that there are, with what stands in a row of a run.
    pub(super) fn of_run<'r>(
        &self,
        run: &RunCells<'r>,
    ) -> impl Iterator<Item = (&'static str, Cow<'r, str>)> + use<'r> {
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
    pub(super) fn cells(verified: Option<&Self>) -> [String; 4] {
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

/// The name of the report in a run directory. A rehearsal's says so: a file outlives the directory in which it was found.
pub const fn file_name(simulated: bool) -> &'static str {
    if simulated { "report.rehearsal.csv" } else { "report.csv" }
}

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
