//! Actions as rows of the table `action`: one list of columns, by which they are written and read; and the thread that inserts them.
//! Decides nothing.

use super::checksum::RowChecksum;
use super::error::RowError;
use super::record_rows::to_sql;
use crate::pki::RevocationReason;
use crate::plan::Action;
use crate::plan::checked::{Fingerprint, NeverSent, Parameters};
use crate::run::Ordinal;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};
use std::collections::{BTreeMap, HashSet};
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// The columns of an action, in the table's order; [`PARAMETERS`] or [`NO_PARAMETERS`] are the last ones.
pub(super) const COLUMNS: &str = "ordinal, account, needs, not_before, duplicate_of, operation, fingerprint, id, target, reason, reason_sent, \
     source, kept, certificate";
pub(super) const PARAMETERS: &str = "parameters, checksum";
/// Parameters of which there is nothing to read. Without them the checksum cannot be tried either.
pub(super) const NO_PARAMETERS: &str = "'{}', NULL";

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

impl From<Action> for ToSend {
    fn from(action: Action) -> Self {
        let Action { ordinal, id, account, operation, target, parameters, .. } = action;
        Self { ordinal, id, account, operation, target, parameters }
    }
}

/// Inserts actions on a thread of its own: SQLite takes about as long for a row as the check that makes it, and the first request waits
/// for both.
#[derive(Debug)]
pub(super) struct Inserter {
    batch: Vec<Action>,
    state: InserterState,
}

#[derive(Debug)]
enum InserterState {
    Inserting(SyncSender<Vec<Action>>, JoinHandle<rusqlite::Result<Connection>>),
    Inserted(Connection),
    /// Its error was returned.
    Failed,
}

impl Inserter {
    /// Starts the thread. The connection is its own until [`Self::inserted`].
    pub(super) fn start(connection: Connection) -> Self {
        let (batches, received) = sync_channel::<Vec<Action>>(MAX_BATCHES);
        let insert_all = move || {
            let mut checksums = RowChecksum::default();
            for batch in received {
                batch.iter().try_for_each(|action| insert(&connection, &mut checksums, action))?;
            }
            Ok(connection)
        };
        let state = InserterState::Inserting(batches, std::thread::spawn(insert_all));
        Self { batch: Vec::with_capacity(BATCH), state }
    }

    /// Takes the next action. An error is that of an earlier one.
    pub(super) fn add(&mut self, action: Action) -> rusqlite::Result<()> {
        self.batch.push(action);
        if self.batch.len() < BATCH { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> rusqlite::Result<()> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        match &self.state {
            InserterState::Inserting(batches, _) if batches.send(batch).is_ok() => Ok(()),
            // The thread ends before its time only with an error.
            _ => self.join().map(drop),
        }
    }

    /// Waits until all are inserted; the connection may be used from then on, and no action be added.
    pub(super) fn inserted(&mut self) -> rusqlite::Result<&Connection> {
        if let InserterState::Inserting(..) = self.state {
            self.send()?;
        }
        self.join()
    }

    fn join(&mut self) -> rusqlite::Result<&Connection> {
        self.state = match std::mem::replace(&mut self.state, InserterState::Failed) {
            InserterState::Inserting(batches, thread) => {
                drop(batches);
                InserterState::Inserted(thread.join().unwrap_or_else(|panic| resume_unwind(panic))?)
            }
            state => state,
        };
        match &self.state {
            InserterState::Inserted(connection) => Ok(connection),
            // Whoever goes on after an error gets one again.
            _ => Err(rusqlite::Error::InvalidQuery),
        }
    }

    /// The connection, once all are inserted.
    pub(super) fn finish(mut self) -> rusqlite::Result<Connection> {
        self.inserted()?;
        match self.state {
            InserterState::Inserted(connection) => Ok(connection),
            _ => Err(rusqlite::Error::InvalidQuery),
        }
    }
}

/// Writes an action.
pub(super) fn insert(connection: &Connection, checksums: &mut RowChecksum, action: &Action) -> rusqlite::Result<()> {
    let list = |items: &[String]| (!items.is_empty()).then(|| serde_json::json!(items).to_string());
    let certificate = action.certificate.as_ref().map(serde_json::to_string).transpose();
    let certificate = certificate.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let accepted = action.needs_accepted.iter().map(|id| format!("{ACCEPTED}{id}"));
    let needs: Vec<String> = action.needs.iter().cloned().chain(accepted).collect();
    let (needs, kept) = (list(&needs), list(&action.kept));
    let not_before = action.not_before.map(|at| at.to_string());
    let never_sent = action.never_sent.as_ref().map(never_sent_to_sql);
    let parameters = action.parameters.to_string();
    let values = [
        ValueRef::Integer(to_sql(action.ordinal)),
        ValueRef::Integer(to_sql(action.account as u64)),
        needs.as_deref().into(),
        not_before.as_deref().into(),
        never_sent.as_deref().into(),
        action.operation.as_str().into(),
        ValueRef::Blob(&action.fingerprint.0),
        action.id.as_str().into(),
        action.target.as_str().into(),
        action.reason.map(RevocationReason::name).into(),
        action.reason_sent.as_deref().into(),
        action.source.as_str().into(),
        kept.as_deref().into(),
        certificate.as_deref().into(),
        parameters.as_str().into(),
    ];
    let checksum = ValueRef::Integer(checksums.of(values).into());
    let values = values.into_iter().chain([checksum]).map(ToSqlOutput::Borrowed);
    connection.prepare_cached(INSERT)?.execute(params_from_iter(values)).map(drop)
}

/// Names, in what actions need, the last steps of these entries in the place of the entries: they were not known yet when the actions were written.
pub(super) fn name_last_steps(connection: &Connection, last_steps: &BTreeMap<String, String>) -> Result<(), RowError> {
    if last_steps.is_empty() {
        return Ok(());
    }
    let select = format!("SELECT {COLUMNS}, {PARAMETERS} FROM action WHERE needs IS NOT NULL ORDER BY ordinal");
    let (mut checksums, mut named) = (RowChecksum::default(), Vec::new());
    let mut statement = connection.prepare(&select)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let action = read(row, &mut checksums)?;
        if action.needs.iter().any(|id| last_steps.contains_key(id)) {
            named.push(action);
        }
    }
    for mut action in named {
        for id in &mut action.needs {
            if let Some(last) = last_steps.get(id) {
                id.clone_from(last);
            }
        }
        // An id that the plan writes in both ways is one need.
        let mut known = HashSet::new();
        action.needs.retain(|id| known.insert(id.clone()));
        connection.execute("DELETE FROM action WHERE ordinal = ?1", [to_sql(action.ordinal)])?;
        insert(connection, &mut checksums, &action)?;
    }
    Ok(())
}

/// Reads a row of [`COLUMNS`] and the parameters.
pub(super) fn read(row: &Row<'_>, checksums: &mut RowChecksum) -> Result<Action, RowError> {
    let ordinal = row.get::<_, i64>(0)?.unsigned_abs();
    let wrong =
        |what: &str, error: &dyn std::fmt::Display| RowError::Content(format!("action {ordinal}: {what}: {error}"));
    if let Some(checksum) = row.get::<_, Option<i64>>(CHECKSUM)? {
        let values = (0..CHECKSUM).map(|column| row.get_ref(column)).collect::<Result<Vec<_>, _>>()?;
        if i64::from(checksums.of(values)) != checksum {
            return Err(wrong("checksum", &"it is not the action that was written"));
        }
    }
    let list = |column: usize, what: &str| match row.get_ref(column)?.as_str_or_null() {
        Ok(None) => Ok(Vec::new()),
        Ok(Some(text)) => serde_json::from_str(text).map_err(|error| wrong(what, &error)),
        Err(error) => Err(wrong(what, &error)),
    };
    let reason = row.get_ref(9)?.as_str_or_null().map_err(|error| wrong("reason", &error))?;
    let reason = reason.map(|name| RevocationReason::parse(name).ok_or_else(|| wrong("reason", &name)));
    let not_before: Option<String> = row.get(3)?;
    let not_before = not_before.map(|text| text.parse().map_err(|error| wrong("not_before", &error)));
    let certificate: Option<String> = row.get(13)?;
    let certificate = certificate.map(|text| serde_json::from_str(&text).map_err(|error| wrong("certificate", &error)));
    let (needs, needs_accepted) = split_needs(list(2, "needs")?);
    Ok(Action {
        ordinal,
        account: usize::try_from(row.get::<_, i64>(1)?).map_err(|error| wrong("account", &error))?,
        needs,
        needs_accepted,
        not_before: not_before.transpose()?,
        never_sent: row.get::<_, Option<String>>(4)?.map(never_sent_from_sql),
        operation: row.get(5)?,
        fingerprint: Fingerprint(row.get(6)?),
        id: row.get(7)?,
        target: row.get(8)?,
        reason: reason.transpose()?,
        reason_sent: row.get(10)?,
        source: row.get(11)?,
        kept: list(12, "kept columns")?,
        certificate: certificate.transpose()?,
        parameters: Parameters::parse(row.get_ref(14)?.as_str().map_err(|error| wrong("parameters", &error))?)
            .map_err(|error| wrong("parameters", &error))?,
        // Only a preview tells of them, and that reads the plan itself.
        reaches: None,
        order: None,
        waits_for_approval: false,
        names: None,
    })
}

/// What stands in the column `duplicate_of`.
fn never_sent_to_sql(why: &NeverSent) -> String {
    match why {
        NeverSent::Repeats(first) => first.clone(),
        NeverSent::Excepted(place) => format!("{EXCEPTED}{place}"),
    }
}

/// Of what [`never_sent_to_sql`] has written.
pub(super) fn never_sent_from_sql(text: String) -> NeverSent {
    match text.strip_prefix(EXCEPTED) {
        Some(place) => NeverSent::Excepted(place.to_owned()),
        None => NeverSent::Repeats(text),
    }
}

/// The needs that stand in one list: those that must have ended well, and those that need only have been accepted.
pub(super) fn split_needs(all: Vec<String>) -> (Vec<String>, Vec<String>) {
    let (accepted, needs): (Vec<String>, Vec<String>) = all.into_iter().partition(|id| id.starts_with(ACCEPTED));
    (needs, accepted.into_iter().map(|id| id.trim_start_matches(ACCEPTED).to_owned()).collect())
}

/// What distinguishes a need that need only have been accepted from an id, which has no control characters.
const ACCEPTED: char = '\u{1}';
/// What distinguishes the place of an exception from an id, which has no control characters.
pub(super) const EXCEPTED: char = '\u{1}';
/// Actions that are handed over together: one at a time, waking the other thread would cost more than the insert.
const BATCH: usize = 128;
/// Batches that wait for the thread at most, so that a million actions are never in memory.
const MAX_BATCHES: usize = 4;
const INSERT: &str =
    "INSERT INTO action VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
/// The column of the checksum, after all others.
const CHECKSUM: usize = 15;

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;
    use crate::plan::checked::CertificateFacts;

    #[test]
    fn an_action_is_read_as_it_was_written() {
        let plain = Action { id: "a".to_owned(), parameters: Parameters::parse("{}").unwrap(), ..Action::default() };
        let facts = CertificateFacts { ocsp: Some("http://ocsp.example".to_owned()), ..CertificateFacts::default() };
        let full = Action {
            ordinal: 1,
            id: "b".to_owned(),
            account: 2,
            operation: "revoke".to_owned(),
            target: "112358".to_owned(),
            reason: Some(RevocationReason::Superseded),
            reason_sent: Some("SUPERSEDED".to_owned()),
            parameters: Parameters::parse(r#"{"certificate_id":"112358"}"#).unwrap(),
            reaches: None,
            order: None,
            waits_for_approval: false,
            names: None,
            needs: vec!["a".to_owned(), "\"".to_owned()],
            needs_accepted: vec!["c".to_owned()],
            not_before: Some(jiff::Timestamp::UNIX_EPOCH),
            source: "plan.yaml:3".to_owned(),
            kept: vec!["Kim".to_owned(), String::new()],
            never_sent: Some(NeverSent::Repeats("a".to_owned())),
            fingerprint: Fingerprint([7; 16]),
            certificate: Some(Box::new(facts)),
        };
        let place = tempfile::tempdir().unwrap();
        let connection = schema::create(&place.path().join("run.sqlite")).unwrap();
        let excepted =
            Action { ordinal: 2, never_sent: Some(NeverSent::Excepted("hold.csv:3".to_owned())), ..plain.clone() };
        let mut checksums = RowChecksum::default();
        for action in [&plain, &full, &excepted] {
            insert(&connection, &mut checksums, action).unwrap();
        }
        let mut read_all = |parameters: &str| -> Vec<Option<Action>> {
            let select = format!("SELECT {COLUMNS}, {parameters} FROM action ORDER BY ordinal");
            let mut statement = connection.prepare(&select).unwrap();
            let mut rows = statement.query([]).unwrap();
            std::iter::from_fn(|| rows.next().unwrap().map(|row| read(row, &mut checksums).ok())).collect()
        };
        assert_eq!(read_all(PARAMETERS), [Some(plain.clone()), Some(full.clone()), Some(excepted.clone())]);
        // An action of which anything is another one is none.
        for change in ["account = 3", "duplicate_of = NULL", "parameters = '{\"certificate_id\":\"112359\"}'"] {
            let before = "CREATE TABLE before AS SELECT * FROM action";
            connection.execute_batch(&format!("{before}; UPDATE action SET {change} WHERE ordinal = 1")).unwrap();
            assert_eq!(read_all(PARAMETERS), [Some(plain.clone()), None, Some(excepted.clone())], "{change}");
            assert!(read_all(NO_PARAMETERS)[1].is_some(), "a report tells of it all the same");
            let back = "DELETE FROM action; INSERT INTO action SELECT * FROM before; DROP TABLE before";
            connection.execute_batch(back).unwrap();
        }
    }
}
