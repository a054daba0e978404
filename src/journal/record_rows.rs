//! Records as rows of the table `journal`: written with statements that are prepared once, read column by column, and of each record
//! only what its kind has. Decides nothing.

use super::checksum::RowChecksum;
use super::error::RowError;
use super::record::{Record, Reply, SEQ_BITS, StoredRecord};
use crate::run::{Effect, Ordinal, Outcome};
use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Row, params_from_iter};
use std::time::Duration;

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

impl StoredRecord {
    /// Reads a row of one of the selections above, with its checksum.
    pub(super) fn read(row: &Row<'_>, checksums: &mut RowChecksum) -> Result<(Self, u32), RowError> {
        let mut values = [ValueRef::Null; CHECKSUM];
        for (column, value) in values.iter_mut().enumerate() {
            *value = row.get_ref(column)?;
        }
        let checksum = checksums.of(values);
        if integer(row, CHECKSUM)? != i64::from(checksum) {
            let what = format!("a record of action {}: it is not the record that was written", integer(row, 0)?);
            return Err(RowError::Content(what));
        }
        let steady = Duration::from_micros(integer(row, 4)?.unsigned_abs());
        Ok((Self { seq: integer(row, 1)?.unsigned_abs(), steady, record: read_record(row)? }, checksum))
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

/// Appends records, by a statement that is prepared once.
pub(super) struct RecordInserts<'c> {
    insert: CachedStatement<'c>,
    checksums: &'c mut RowChecksum,
}

impl<'c> RecordInserts<'c> {
    pub(super) fn begin(connection: &'c Connection, checksums: &'c mut RowChecksum) -> rusqlite::Result<Self> {
        Ok(Self { insert: connection.prepare_cached(INSERT)?, checksums })
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
        let deciding: [ValueRef<'_>; CHECKSUM] = [
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

/// The columns that decide, and the place of their checksum behind them. The answers are for people.
const CHECKSUM: usize = 10;
const INSERT: &str = "INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

#[cfg(test)]
mod tests {
    use super::super::record::IssuedCertificate;
    use super::super::schema;
    use super::*;
    use crate::pki::RevocationReason;
    use crate::run::{Seen, StatusSource};

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
}
