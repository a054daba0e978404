//! Who began a run, where, and with which command: what an auditor asks of a report first. Decides nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who began a run, where, and with which command. It holds no secret: credentials are never on a command line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RunOrigin {
    /// Who answers for the run, as they named themselves (`--operator`).
    pub operator: Option<String>,
    /// The ticket or incident that it belongs to (`--ticket`).
    pub ticket: Option<String>,
    /// The user of the operating system.
    pub user: String,
    /// The machine's name.
    pub host: String,
    /// The command line, program first.
    pub command_line: Vec<String>,
    /// certsweep's version.
    pub version: String,
}

/// Characters of an operator or a ticket at most: both stand in every row of a report.
pub const MAX_ORIGIN_TEXT: usize = 200;
