//! One row of a report, whatever its format.

use crate::run::Outcome;
use jiff::Timestamp;
use serde::Serialize;

/// One row of a report. Texts are verbatim; the formats make them safe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The action's id.
    pub action_id: String,
    /// The configured provider's name.
    pub provider: String,
    /// The operation.
    pub operation: String,
    /// What it acted on.
    pub target: String,
    /// The reason asked, in RFC 5280 words.
    pub reason: Option<String>,
    /// The reason sent, in the provider's spelling.
    pub reason_sent: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The last HTTP status.
    pub http_status: Option<u16>,
    /// The provider's code.
    pub provider_code: Option<String>,
    /// The provider's message, or certsweep's own words.
    pub provider_message: Option<String>,
    /// The provider's own request or order id.
    pub provider_ref: Option<String>,
    /// Attempts sent.
    pub attempts: u32,
    /// When the first attempt was decided.
    pub started_at: Option<Timestamp>,
    /// When the action ended.
    pub finished_at: Option<Timestamp>,
    /// From the first to the last.
    pub duration_ms: Option<u64>,
    /// `file:line`.
    pub source: String,
    /// The kept columns' values, in the order of the report's kept columns.
    pub kept: Vec<String>,
}

#[cfg(test)]
pub(crate) mod testing {
    //! A row to vary.

    use super::*;

    /// A row with only what every row has.
    pub(crate) fn row(action_id: &str) -> Row {
        Row {
            action_id: action_id.into(),
            provider: "digicert".into(),
            operation: "revoke".into(),
            target: "112358".into(),
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
            source: "plan.yaml:7".into(),
            kept: Vec::new(),
        }
    }
}
