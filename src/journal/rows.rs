//! The rows of a run's database. Actions are written and read by one list of columns, and inserted on a thread; records, with statements that
//! are prepared once, column by column, and of each only what its kind has. Each row carries a checksum: SQLite checks no content, and one bit
//! that is flipped in a row would make it another row, and a certificate might be bought twice for it. Decides nothing.

use super::JournalError;
use super::record::{Record, Reply, SEQ_BITS, StoredRecord};
use crate::pki::RevocationReason;
use crate::plan::Action;
use crate::plan::checked::{Fingerprint, NeverSent, Parameters};
use crate::run::{Effect, Ordinal, Outcome};
use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Row, params_from_iter};
use std::collections::{BTreeMap, HashSet};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

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

/// Appends records, by a statement that is prepared once.
pub(super) struct RecordInserts<'c> {
    insert: CachedStatement<'c>,
    checksums: &'c mut RowChecksum,
}

/// Makes checksums of rows: CRC-32 (ISO-HDLC, that of gzip) of the values, each by its type, length and bytes.
#[derive(Debug, Default)]
pub(super) struct RowChecksum {
    /// One room for all rows: a run has millions.
    bytes: Vec<u8>,
}

/// Why a row of the database cannot be taken for what it stands for.
pub(super) enum RowError {
    /// The database failed.
    Database(rusqlite::Error),
    /// It says this, which this program does not write.
    Content(String),
}

impl From<Action> for ToSend {
    fn from(action: Action) -> Self {
        let Action { ordinal, id, account, operation, target, parameters, .. } = action;
        Self { ordinal, id, account, operation, target, parameters }
    }
}

impl Inserter {
    /// Starts the thread. The connection is its own until [`Self::inserted`].
    pub(super) fn start(connection: Connection) -> Self {
        let (batches, received) = sync_channel::<Vec<Action>>(MAX_BATCHES);
        let insert_all = move || {
            let mut checksums = RowChecksum::default();
            for batch in received {
                batch.iter().try_for_each(|action| insert_action(&connection, &mut checksums, action))?;
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
pub(super) fn insert_action(
    connection: &Connection,
    checksums: &mut RowChecksum,
    action: &Action,
) -> rusqlite::Result<()> {
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
    connection.prepare_cached(INSERT_ACTION)?.execute(params_from_iter(values)).map(drop)
}

/// Names, in what actions need, the last steps of these entries in the place of the entries: they were not known yet when the actions were written.
pub(super) fn name_last_steps(connection: &Connection, last_steps: &BTreeMap<String, String>) -> Result<(), RowError> {
    if last_steps.is_empty() {
        return Ok(());
    }
    let select = format!("SELECT {ACTION_COLUMNS}, {PARAMETERS} FROM action WHERE needs IS NOT NULL ORDER BY ordinal");
    let (mut checksums, mut named) = (RowChecksum::default(), Vec::new());
    let mut statement = connection.prepare(&select)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let action = read_action(row, &mut checksums)?;
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
        insert_action(connection, &mut checksums, &action)?;
    }
    Ok(())
}

/// Reads a row of [`ACTION_COLUMNS`] and the parameters.
pub(super) fn read_action(row: &Row<'_>, checksums: &mut RowChecksum) -> Result<Action, RowError> {
    let ordinal = row.get::<_, i64>(0)?.unsigned_abs();
    let wrong =
        |what: &str, error: &dyn std::fmt::Display| RowError::Content(format!("action {ordinal}: {what}: {error}"));
    if let Some(checksum) = row.get::<_, Option<i64>>(ACTION_CHECKSUM)? {
        let values = (0..ACTION_CHECKSUM).map(|column| row.get_ref(column)).collect::<Result<Vec<_>, _>>()?;
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

impl StoredRecord {
    /// Reads a row of one of the selections of records, with its checksum.
    pub(super) fn read(row: &Row<'_>, checksums: &mut RowChecksum) -> Result<(Self, u32), RowError> {
        let mut values = [ValueRef::Null; RECORD_CHECKSUM];
        for (column, value) in values.iter_mut().enumerate() {
            *value = row.get_ref(column)?;
        }
        let checksum = checksums.of(values);
        if integer(row, RECORD_CHECKSUM)? != i64::from(checksum) {
            let what = format!("a record of action {}: it is not the record that was written", integer(row, 0)?);
            return Err(RowError::Content(what));
        }
        let steady = Duration::from_micros(integer(row, 4)?.unsigned_abs());
        Ok((Self { seq: integer(row, 1)?.unsigned_abs(), steady, record: read_record(row)? }, checksum))
    }
}

impl<'c> RecordInserts<'c> {
    pub(super) fn begin(connection: &'c Connection, checksums: &'c mut RowChecksum) -> rusqlite::Result<Self> {
        Ok(Self { insert: connection.prepare_cached(INSERT_RECORD)?, checksums })
    }

    /// Appends one; its key's action and its checksum.
    pub(super) fn insert(&mut self, seq: u64, steady: Duration, record: &Record) -> rusqlite::Result<(i64, u32)> {
        let ordinal = record.ordinal().map_or(-1, to_sql);
        let (mut kind, mut attempted, mut ended, mut effected, mut counted) = (None, None, None, None, None);
        let (mut at, mut body, mut reply) = (Some(record.at().as_microsecond()), None, None);
        match record {
            Record::Intent { attempt, .. } => {
                (kind, attempted) = (Some("intent"), Some(*attempt));
            }
            Record::Ended { outcome, answer, .. } => {
                (kind, ended, reply) = (Some("ended"), Some(outcome.as_str()), Some(answer));
            }
            Record::AttemptEnded { attempt, effect, counts, answer, .. } => {
                (kind, attempted, reply) = (Some("attempt-ended"), Some(*attempt), Some(answer));
                (effected, counted) = (Some(effect.as_str()), Some(i64::from(*counts)));
            }
            rare => {
                let text = serde_json::to_string(rare);
                body = Some(text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?);
                at = None;
            }
        }
        let number = |number: Option<i64>| number.map_or(ValueRef::Null, ValueRef::Integer);
        let deciding: [ValueRef<'_>; RECORD_CHECKSUM] = [
            ValueRef::Integer(ordinal),
            ValueRef::Integer(to_sql(seq)),
            kind.into(),
            number(at),
            ValueRef::Integer(i64::try_from(steady.as_micros()).unwrap_or(i64::MAX)),
            number(attempted.map(i64::from)),
            ended.into(),
            effected.into(),
            number(counted),
            body.as_deref().into(),
        ];
        let checksum = self.checksums.of(deciding);
        let told = |of: fn(&Reply) -> Option<&str>| ValueRef::from(reply.and_then(of));
        let rest = [
            ValueRef::Integer(checksum.into()),
            number(reply.and_then(|reply| reply.http_status).map(i64::from)),
            told(|reply| reply.code.as_deref()),
            told(|reply| reply.message.as_deref()),
            told(|reply| reply.reference.as_deref()),
        ];
        let values = deciding.into_iter().chain(rest).map(ToSqlOutput::Borrowed);
        self.insert.execute(params_from_iter(values))?;
        Ok((ordinal, checksum))
    }
}

fn read_record(row: &Row<'_>) -> Result<Record, RowError> {
    let number = integer(row, 0)?;
    let wrong = |what: &str| RowError::Content(format!("a record of action {number}: {what}"));
    let ordinal: Ordinal = number.unsigned_abs();
    let at = || Timestamp::from_microsecond(integer(row, 3)?).map_err(|error| wrong(&error.to_string()));
    let attempt = || u32::try_from(integer(row, 5)?).map_err(|error| wrong(&error.to_string()));
    let answer = || -> rusqlite::Result<Reply> {
        Ok(Reply { http_status: row.get(11)?, code: row.get(12)?, message: row.get(13)?, reference: row.get(14)? })
    };
    let ValueRef::Text(kind) = row.get_ref(2)? else {
        let ValueRef::Text(body) = row.get_ref(9)? else { return Err(wrong("neither a kind nor a text")) };
        let text = |error| RowError::Content(format!("record {}: {error}", String::from_utf8_lossy(body)));
        return serde_json::from_slice(body).map_err(text);
    };
    Ok(match kind {
        b"intent" => Record::Intent { ordinal, attempt: attempt()?, at: at()? },
        b"ended" => {
            let outcome = word(row, 6)?.and_then(Outcome::parse).ok_or_else(|| wrong("no outcome"))?;
            Record::Ended { ordinal, at: at()?, outcome, answer: answer()? }
        }
        b"attempt-ended" => {
            let effect = word(row, 7)?.and_then(Effect::parse).ok_or_else(|| wrong("no effect"))?;
            let (counts, answer) = (row.get(8)?, answer()?);
            Record::AttemptEnded { ordinal, attempt: attempt()?, at: at()?, effect, counts, answer }
        }
        other => return Err(wrong(&format!("there is no kind `{}`", String::from_utf8_lossy(other)))),
    })
}

fn integer(row: &Row<'_>, column: usize) -> Result<i64, RowError> {
    match row.get_ref(column)? {
        ValueRef::Integer(number) => Ok(number),
        other => Err(RowError::Content(format!("a record has no number where one belongs: {:?}", other.data_type()))),
    }
}

fn word<'a>(row: &'a Row<'_>, column: usize) -> Result<Option<&'a str>, RowError> {
    row.get_ref(column)?.as_str_or_null().map_err(|error| RowError::Content(error.to_string()))
}

/// Whether any action was issued a new certificate.
pub(super) fn has_issued(connection: &Connection) -> rusqlite::Result<bool> {
    let issued = r#"SELECT EXISTS (SELECT 1 FROM journal WHERE kind IS NULL AND body GLOB '{"kind":"issued"*')"#;
    connection.query_row(issued, [], |row| row.get(0))
}

/// The newest process that has written anything; the run's first is 1. Every process begins with a record that is about no action.
pub(super) fn newest_process(connection: &Connection) -> rusqlite::Result<u64> {
    let newest = "SELECT max(seq) FROM journal WHERE ordinal = -1";
    let newest: Option<i64> = connection.query_row(newest, [], |row| row.get(0))?;
    Ok(newest.map_or(0, |seq| seq.unsigned_abs() >> SEQ_BITS))
}

/// SQLite's integers have a sign; no run has so many of anything that one would not fit.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl RowChecksum {
    /// The checksum of a row's values, in the table's order.
    pub(super) fn of<'v>(&mut self, values: impl IntoIterator<Item = ValueRef<'v>>) -> u32 {
        self.bytes.clear();
        for value in values {
            match value {
                ValueRef::Null => self.bytes.push(b'n'),
                ValueRef::Integer(number) => self.put(b'i', &number.to_le_bytes()),
                ValueRef::Real(number) => self.put(b'r', &number.to_le_bytes()),
                ValueRef::Text(text) => self.put_sized(b't', text),
                ValueRef::Blob(blob) => self.put_sized(b'b', blob),
            }
        }
        crc32fast::hash(&self.bytes)
    }

    fn put(&mut self, kind: u8, bytes: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(bytes);
    }

    /// With its length, so that no two lists of texts are one sequence of bytes.
    fn put_sized(&mut self, kind: u8, bytes: &[u8]) {
        self.put(kind, &(bytes.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl RowError {
    /// The error of the run whose database has the row.
    pub(super) fn at(self, path: &Path) -> JournalError {
        let path = path.to_path_buf();
        match self {
            Self::Database(source) => JournalError::database(&path)(source),
            Self::Content(what) => JournalError::Unreadable { path, what },
        }
    }
}

/// The columns of an action, in the table's order; [`PARAMETERS`] or [`NO_PARAMETERS`] are the last ones.
pub(super) const ACTION_COLUMNS: &str = "ordinal, account, needs, not_before, duplicate_of, operation, fingerprint, id, target, reason, reason_sent, \
     source, kept, certificate";
pub(super) const PARAMETERS: &str = "parameters, checksum";
/// Parameters of which there is nothing to read. Without them the checksum cannot be tried either.
pub(super) const NO_PARAMETERS: &str = "'{}', NULL";
/// What distinguishes a need that need only have been accepted from an id, which has no control characters.
const ACCEPTED: char = '\u{1}';
/// What distinguishes the place of an exception from an id, which has no control characters.
pub(super) const EXCEPTED: char = '\u{1}';
/// Actions that are handed over together: one at a time, waking the other thread would cost more than the insert.
const BATCH: usize = 128;
/// Batches that wait for the thread at most, so that a million actions are never in memory.
const MAX_BATCHES: usize = 4;
const INSERT_ACTION: &str =
    "INSERT INTO action VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
/// The column of an action's checksum, after all others.
const ACTION_CHECKSUM: usize = 15;
/// All records, answers left out: those about the run as a whole first (their ordinal is -1), then those of each action in plan order;
/// both in the order of writing. This is the order of the table's key, so that nothing is sorted.
pub(super) const ALL_RECORDS: &str = "SELECT ordinal, seq, kind, at, steady, attempt, outcome, effect, counts, body, checksum, \
     NULL, NULL, NULL, NULL FROM journal ORDER BY ordinal, seq";
/// The same with the HTTP status of what was answered, which tells a request that was throttled and how long answers took.
pub(super) const RECORDS_WITH_STATUS: &str = "SELECT ordinal, seq, kind, at, steady, attempt, outcome, effect, counts, body, checksum, \
     http_status, NULL, NULL, NULL FROM journal ORDER BY ordinal, seq";
/// The records about the run as a whole.
pub(super) const RUN_RECORDS: &str = "SELECT ordinal, seq, kind, at, steady, attempt, outcome, effect, counts, body, checksum, \
     NULL, NULL, NULL, NULL FROM journal WHERE ordinal = -1 ORDER BY seq";
/// The records of some actions, with the answers.
pub(super) const ACTION_RECORDS: &str = "SELECT ordinal, seq, kind, at, steady, attempt, outcome, effect, counts, body, checksum, \
     http_status, code, message, reference FROM journal WHERE ordinal >= ?1 AND ordinal < ?2 ORDER BY ordinal, seq";
/// The columns of a record that decide, and the place of their checksum behind them. The answers are for people.
const RECORD_CHECKSUM: usize = 10;
const INSERT_RECORD: &str =
    "INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

#[cfg(test)]
mod tests {
    use super::super::record::IssuedCertificate;
    use super::super::schema;
    use super::*;
    use crate::plan::checked::CertificateFacts;
    use crate::run::{Seen, StatusSource};

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
            not_before: Some(Timestamp::UNIX_EPOCH),
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
            insert_action(&connection, &mut checksums, action).unwrap();
        }
        let mut read_all = |parameters: &str| -> Vec<Option<Action>> {
            let select = format!("SELECT {ACTION_COLUMNS}, {parameters} FROM action ORDER BY ordinal");
            let mut statement = connection.prepare(&select).unwrap();
            let mut rows = statement.query([]).unwrap();
            std::iter::from_fn(|| rows.next().unwrap().map(|row| read_action(row, &mut checksums).ok())).collect()
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

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_microsecond(1_700_000_000_000_000 + micros).unwrap()
    }

    #[test]
    fn every_kind_of_record_is_read_as_it_was_written_and_in_the_order_of_actions() {
        let answer = Reply {
            http_status: Some(503),
            code: Some("busy".to_owned()),
            message: Some("인증서".to_owned()),
            reference: None,
        };
        let (by, why) = (vec![StatusSource::Crl], Some("it is not on the list".to_owned()));
        let captured = serde_json::Map::from_iter([("id".to_owned(), serde_json::json!(7))]);
        let certificate =
            IssuedCertificate { serial_number: "0a".to_owned(), not_after: at(99), pem: "-----BEGIN".to_owned() };
        let answer_of_a_stage = answer.clone();
        // In the order in which they are read.
        let records = [
            Record::Began { at: at(0), version: "1".to_owned(), boot: Some("b".to_owned()) },
            Record::Asked { account: 1, ordinal: Some(3), at: at(1) },
            Record::Learnt { account: 1, windows: vec!["33/5s".to_owned()], at: at(2) },
            Record::Limited { account: 1, windows: vec!["40/5s".to_owned()], at: at(3) },
            Record::Paused { at: at(4), by: Some("alice".into()) },
            Record::WentOn { at: at(5) },
            Record::Stopped { at: at(6), why: "a signal".to_owned(), code: 130 },
            Record::Finished { at: at(7) },
            Record::Verifying { at: at(8), boot: None },
            Record::Settling { at: at(8), by: None },
            Record::Ended { ordinal: 0, at: at(9), outcome: Outcome::Skipped, answer: answer.clone() },
            Record::Intent { ordinal: 3, attempt: 1, at: at(10) },
            Record::AttemptEnded { ordinal: 3, attempt: 1, at: at(11), effect: Effect::None, counts: false, answer },
            Record::LookedUp { ordinal: 3, at: at(12), effect: Effect::Unknown, seen: "issued".to_owned() },
            Record::Keyed { ordinal: 3, at: at(12), key: "k".to_owned() },
            Record::Captured { ordinal: 3, at: at(12), step: "issued".to_owned(), outputs: captured },
            Record::Issued { ordinal: 3, at: at(12), certificate },
            Record::StageEnded { ordinal: 3, at: at(12), stage: 0, answer: answer_of_a_stage },
            Record::Reopened { ordinal: 4, at: at(13), follows: true },
            Record::Verified {
                ordinal: 5,
                at: at(14),
                seen: Seen::OnHold,
                by,
                revoked_at: Some(at(15)),
                reason: Some(RevocationReason::CertificateHold),
                reason_differs: true,
                why,
            },
            Record::Settled {
                ordinal: 5,
                at: at(16),
                outcome: Outcome::Failed,
                by: Some("kim".into()),
                note: "인증서".into(),
            },
        ];
        let place = tempfile::tempdir().unwrap();
        let connection = schema::create(&place.path().join("run.sqlite")).unwrap();
        let seq = |index: usize| (1 << SEQ_BITS) + index as u64;
        let mut checksums = RowChecksum::default();
        let mut inserts = RecordInserts::begin(&connection, &mut checksums).unwrap();
        for (index, record) in records.iter().enumerate().rev() {
            inserts.insert(seq(index), Duration::from_secs(index as u64), record).unwrap();
        }
        let read = |select: &str, range: &[i64]| -> Vec<StoredRecord> {
            let mut statement = connection.prepare(select).unwrap();
            let mut rows = statement.query(params_from_iter(range)).unwrap();
            let mut checksums = RowChecksum::default();
            let mut one = |row: &Row<'_>| StoredRecord::read(row, &mut checksums).ok().unwrap().0;
            std::iter::from_fn(|| rows.next().unwrap().map(&mut one)).collect()
        };
        let all = read(ALL_RECORDS, &[]);
        let (of_run, of_actions) = (read(RUN_RECORDS, &[]), read(ACTION_RECORDS, &[0, 6]));
        let places = |all: &[StoredRecord]| all.iter().map(|stored| (stored.seq, stored.steady)).collect::<Vec<_>>();
        let written: Vec<_> = (0..records.len()).map(|index| (seq(index), Duration::from_secs(index as u64))).collect();
        assert_eq!(places(&all), written);
        let both: Vec<Record> = of_run.into_iter().chain(of_actions).map(|stored| stored.record).collect();
        assert_eq!(both, records);
        let without_answers = all.iter().filter(|stored| records.contains(&stored.record)).count();
        assert_eq!(without_answers, records.len() - 2, "an end and an attempt's end are read without their answers");
        assert_eq!(newest_process(&connection).unwrap(), 1);
        assert!(has_issued(&connection).unwrap());
        // A record of which anything that decides is another one is none.
        for change in ["ordinal = 1", "attempt = 2", "kind = 'ended'", "seq = seq + 1"] {
            connection.execute_batch("SAVEPOINT before").unwrap();
            connection.execute(&format!("UPDATE journal SET {change} WHERE kind = 'intent'"), []).unwrap();
            let mut statement =
                connection.prepare("SELECT * FROM journal WHERE ordinal IN (1, 3) AND attempt > 0").unwrap();
            let mut rows = statement.query([]).unwrap();
            let row = rows.next().unwrap().unwrap();
            assert!(StoredRecord::read(row, &mut RowChecksum::default()).is_err(), "{change}");
            drop(rows);
            connection.execute_batch("ROLLBACK TO before; RELEASE before").unwrap();
        }
    }

    #[test]
    fn rows_that_differ_have_other_checksums() {
        let text = |text: &'static str| ValueRef::from(text);
        let rows = [
            vec![],
            vec![ValueRef::Null],
            vec![ValueRef::Null, ValueRef::Null],
            vec![text("")],
            vec![text("ab"), text("c")],
            vec![text("a"), text("bc")],
            vec![ValueRef::Blob(b"ab"), text("c")],
            vec![ValueRef::Integer(1)],
            vec![ValueRef::Integer(256)],
            vec![ValueRef::Real(1.0)],
        ];
        let mut checksums = RowChecksum::default();
        let mut all: Vec<u32> = rows.iter().map(|row| checksums.of(row.iter().copied())).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), rows.len());
        // What is kept in files must be the same in every version.
        assert_eq!(checksums.of([ValueRef::Integer(1)]), crc32fast::hash(b"i\x01\0\0\0\0\0\0\0"));
    }
}
