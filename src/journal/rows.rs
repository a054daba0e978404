//! Records as rows of the run database, both ways. Decides nothing.

use super::record::{Record, Reply};
use crate::run::{Effect, Ordinal, Outcome};
use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::time::Duration;

/// The columns that [`Kept::read`] takes, in its order.
pub(super) const COLUMNS: &str =
    "ordinal, seq, kind, at, attempt, effect, counts, outcome, http_status, code, message, reference, body, steady";

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Its place in the order of writing.
    pub seq: u64,
    /// The steady clock when it was appended, counted from the machine's start; unknown in version 1.
    pub steady: Option<Duration>,
    /// The record.
    pub record: Record,
}

/// Why a row is no record.
pub(super) enum Unreadable {
    /// The database failed.
    Database(rusqlite::Error),
    /// The row says this, which is no record.
    Row(String),
}

impl From<rusqlite::Error> for Unreadable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl Kept {
    /// The process that wrote it: the run's first is 1; 0 where version 1 does not tell.
    pub fn process(&self) -> u64 {
        self.seq >> PROCESS
    }

    /// Reads a row of [`COLUMNS`].
    pub(super) fn read(row: &Row<'_>) -> Result<Self, Unreadable> {
        let seq = row.get::<_, i64>(1)?.unsigned_abs();
        let steady = row.get::<_, Option<i64>>(13)?.map(|micros| Duration::from_micros(micros.unsigned_abs()));
        let record = match row.get_ref(12)? {
            ValueRef::Text(body) => serde_json::from_slice(body)
                .map_err(|error| Unreadable::Row(format!("record {}: {error}", String::from_utf8_lossy(body))))?,
            _ => columns(row, seq)?,
        };
        Ok(Self { seq, steady, record })
    }
}

/// Appends a record.
pub(super) fn insert(connection: &Connection, seq: u64, steady: Duration, record: &Record) -> rusqlite::Result<()> {
    let ordinal = record.ordinal().map_or(-1, to_sql);
    let (seq, steady) = (to_sql(seq), micros(steady));
    let at = record.at().as_microsecond();
    match record {
        Record::Intent { attempt, .. } => connection
            .prepare_cached(
                "INSERT INTO journal (ordinal, seq, steady, at, kind, attempt) VALUES (?1, ?2, ?3, ?4, 'intent', ?5)",
            )?
            .execute((ordinal, seq, steady, at, attempt))?,
        Record::Ended { outcome, answer, .. } => {
            let Reply { http_status, code, message, reference } = answer;
            connection
                .prepare_cached(
                    "INSERT INTO journal (ordinal, seq, steady, at, kind, outcome, http_status, code, message, reference)
                     VALUES (?1, ?2, ?3, ?4, 'ended', ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute((ordinal, seq, steady, at, outcome.word(), http_status, code, message, reference))?
        }
        Record::AttemptEnded { attempt, effect, counts, answer, .. } => {
            let Reply { http_status, code, message, reference } = answer;
            connection
                .prepare_cached(
                    "INSERT INTO journal (ordinal, seq, steady, at, kind, attempt, effect, counts, http_status, code, message,
                     reference) VALUES (?1, ?2, ?3, ?4, 'attempt-ended', ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute((
                    ordinal,
                    seq,
                    steady,
                    at,
                    attempt,
                    effect.word(),
                    counts,
                    http_status,
                    code,
                    message,
                    reference,
                ))?
        }
        rare => {
            let body =
                serde_json::to_string(rare).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            connection
                .prepare_cached("INSERT INTO journal (ordinal, seq, steady, body) VALUES (?1, ?2, ?3, ?4)")?
                .execute((ordinal, seq, steady, body))?
        }
    };
    Ok(())
}

fn columns(row: &Row<'_>, seq: u64) -> Result<Record, Unreadable> {
    let wrong = |what: &str| Unreadable::Row(format!("record {seq}: {what}"));
    let ordinal: Ordinal = row.get::<_, i64>(0)?.unsigned_abs();
    let at = Timestamp::from_microsecond(row.get(3)?).map_err(|error| wrong(&error.to_string()))?;
    let answer = || -> rusqlite::Result<Reply> {
        Ok(Reply { http_status: row.get(8)?, code: row.get(9)?, message: row.get(10)?, reference: row.get(11)? })
    };
    Ok(match word(row, 2)? {
        "intent" => Record::Intent { ordinal, attempt: row.get(4)?, at },
        "ended" => {
            let outcome = Outcome::parse(word(row, 7)?).ok_or_else(|| wrong("no outcome"))?;
            Record::Ended { ordinal, at, outcome, answer: answer()? }
        }
        "attempt-ended" => {
            let effect = Effect::parse(word(row, 5)?).ok_or_else(|| wrong("no effect"))?;
            Record::AttemptEnded { ordinal, attempt: row.get(4)?, at, effect, counts: row.get(6)?, answer: answer()? }
        }
        other => return Err(wrong(&format!("there is no kind `{other}`"))),
    })
}

fn word<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, Unreadable> {
    row.get_ref(column)?
        .as_str_or_null()
        .map_err(|error| Unreadable::Row(error.to_string()))
        .map(Option::unwrap_or_default)
}

/// The first place in the order of writing of the process after the one that wrote the run's newest record without an action:
/// every process begins with such a record.
pub(super) fn first_seq(connection: &Connection) -> rusqlite::Result<u64> {
    let newest = "SELECT max(seq) FROM journal WHERE ordinal = -1";
    let newest: Option<i64> = connection.query_row(newest, [], |row| row.get(0))?;
    Ok(newest.map_or(1, |seq| (seq.unsigned_abs() >> PROCESS) + 1) << PROCESS)
}

pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The bits of a place in the order of writing that count a process's records; above them, the processes are counted.
const PROCESS: u32 = 40;
