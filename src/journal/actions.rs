//! Actions from rows of the run database. Decides nothing.

use super::rows::Unreadable;
use crate::plan::Action;
use crate::plan::checked::{Fingerprint, Parameters};
use crate::run::Ordinal;
use rusqlite::Row;

/// What sending an action needs of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToSend {
    /// Its place in the plan, from 0.
    pub ordinal: Ordinal,
    /// Its id.
    pub id: String,
    /// Index into the settings' accounts.
    pub account: usize,
    /// The operation's name.
    pub operation: String,
    /// What it acts on, as the report shows it.
    pub target: String,
    /// The parameters under the provider's names.
    pub parameters: Parameters,
}

/// The columns of [`ToSend`].
pub(super) const TO_SEND: &str = "ordinal, id, account, operation, target, parameters";

impl ToSend {
    /// Reads a row of [`TO_SEND`].
    pub(super) fn read(row: &Row<'_>) -> Result<Self, Unreadable> {
        let ordinal = row.get::<_, i64>(0)?.unsigned_abs();
        let wrong =
            |what: &str, error: &dyn std::fmt::Display| Unreadable::Row(format!("action {ordinal}: {what}: {error}"));
        Ok(Self {
            ordinal,
            id: row.get(1)?,
            account: usize::try_from(row.get::<_, i64>(2)?).map_err(|error| wrong("account", &error))?,
            operation: row.get(3)?,
            target: row.get(4)?,
            // Now, not when it is sent: of parameters that cannot be read neither a request nor a look-up may be made.
            parameters: Parameters::parse(row.get_ref(5)?.as_str().map_err(|error| wrong("parameters", &error))?)
                .map_err(|error| wrong("parameters", &error))?,
        })
    }
}

impl From<Action> for ToSend {
    fn from(action: Action) -> Self {
        let Action { ordinal, id, account, operation, target, parameters, .. } = action;
        Self { ordinal, id, account, operation, target, parameters }
    }
}

/// The columns of [`RawAction`].
pub(super) const ACTION: &str = "action.ordinal, action.id, action.account, action.operation, action.target, action.reason, \
     action.reason_sent, action.parameters, action.needs, action.not_before, action.source, action.kept, action.duplicate_of, action.fingerprint, action.certificate";

/// An action's row before its JSON texts are read.
pub(super) struct RawAction {
    ordinal: i64,
    id: String,
    account: i64,
    operation: String,
    target: String,
    reason: Option<String>,
    reason_sent: Option<String>,
    parameters: String,
    needs: Option<String>,
    not_before: Option<String>,
    source: String,
    kept: Option<String>,
    duplicate_of: Option<String>,
    fingerprint: Option<[u8; 16]>,
    certificate: Option<String>,
}

impl RawAction {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            ordinal: row.get(0)?,
            id: row.get(1)?,
            account: row.get(2)?,
            operation: row.get(3)?,
            target: row.get(4)?,
            reason: row.get(5)?,
            reason_sent: row.get(6)?,
            parameters: row.get(7)?,
            needs: row.get(8)?,
            not_before: row.get(9)?,
            source: row.get(10)?,
            kept: row.get(11)?,
            duplicate_of: row.get(12)?,
            fingerprint: row.get(13)?,
            certificate: row.get(14)?,
        })
    }

    pub(super) fn parse(self) -> Result<Action, String> {
        let list = |text: Option<String>| text.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text));
        let ordinal = self.ordinal;
        let wrong = |what: &str, error: &dyn std::fmt::Display| format!("action {ordinal}: {what}: {error}");
        Ok(Action {
            ordinal: ordinal.unsigned_abs(),
            account: usize::try_from(self.account).map_err(|error| wrong("account", &error))?,
            reason: match &self.reason {
                Some(name) => Some(crate::pki::RevocationReason::parse(name).ok_or_else(|| wrong("reason", name))?),
                None => None,
            },
            parameters: Parameters::parse(&self.parameters).map_err(|error| wrong("parameters", &error))?,
            needs: list(self.needs).map_err(|error| wrong("needs", &error))?,
            not_before: match &self.not_before {
                Some(text) => Some(text.parse().map_err(|error| wrong("not_before", &error))?),
                None => None,
            },
            certificate: match &self.certificate {
                Some(text) => Some(serde_json::from_str(text).map_err(|error| wrong("certificate", &error))?),
                None => None,
            },
            kept: list(self.kept).map_err(|error| wrong("kept columns", &error))?,
            id: self.id,
            operation: self.operation,
            target: self.target,
            reason_sent: self.reason_sent,
            // Only a preview tells of it, and that reads the plan itself.
            reaches: None,
            source: self.source,
            duplicate_of: self.duplicate_of,
            fingerprint: Fingerprint(self.fingerprint.unwrap_or_default()),
        })
    }
}
