//! Records become rows of the run database; `scan` reads them. Decides nothing.

use super::record::{Record, Reply};
use crate::run::Ordinal;
use rusqlite::{CachedStatement, Connection};
use std::time::Duration;

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
}

/// How many of these records, from the first on, become one row: first attempts of actions one behind the other, decided within one
/// millisecond, which is as exactly as reports tell it. 1 where there is nothing to put together.
pub(super) fn together<'r>(mut records: impl Iterator<Item = &'r Record>) -> usize {
    let Some(Record::Intent { ordinal: first, attempt: 1, at }) = records.next() else { return 1 };
    let follows = |(place, record): &(Ordinal, &Record)| {
        matches!(record, Record::Intent { ordinal, attempt: 1, at: other }
            if *ordinal == *place && other.as_millisecond() == at.as_millisecond())
    };
    1 + (first + 1..first + MOST_TOGETHER).zip(records).take_while(follows).count()
}

/// Appends records. What every action has is prepared once for all of them.
pub(super) struct Inserts<'c> {
    connection: &'c Connection,
    intent: CachedStatement<'c>,
    ended: CachedStatement<'c>,
}

impl<'c> Inserts<'c> {
    pub(super) fn begin(connection: &'c Connection) -> rusqlite::Result<Self> {
        let (intent, ended) = (connection.prepare_cached(INTENT)?, connection.prepare_cached(ENDED)?);
        Ok(Self { connection, intent, ended })
    }

    /// Appends a record, or as many that are [`together`], of which this is the first.
    pub(super) fn insert(&mut self, seq: u64, steady: Duration, record: &Record, count: usize) -> rusqlite::Result<()> {
        let ordinal = record.ordinal().map_or(-1, to_sql);
        let (seq, steady) = (to_sql(seq), micros(steady));
        let at = record.at().as_microsecond();
        match record {
            Record::Intent { ordinal: first, attempt, .. } => {
                let through = (count > 1).then(|| to_sql(first + count as u64 - 1));
                self.intent.execute((ordinal, seq, steady, at, attempt, through))?
            }
            Record::Ended { outcome, answer, .. } => {
                let Reply { http_status, code, message, reference } = answer;
                let outcome = outcome.word();
                self.ended.execute((ordinal, seq, steady, at, outcome, http_status, code, message, reference))?
            }
            Record::AttemptEnded { attempt, effect, counts, answer, .. } => {
                let Reply { http_status, code, message, reference } = answer;
                let effect = effect.word();
                self.connection.prepare_cached(ATTEMPT_ENDED)?.execute((
                    ordinal,
                    seq,
                    steady,
                    at,
                    attempt,
                    effect,
                    counts,
                    http_status,
                    code,
                    message,
                    reference,
                ))?
            }
            rare => {
                let body = serde_json::to_string(rare)
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                self.connection.prepare_cached(RARE)?.execute((ordinal, seq, steady, body))?
            }
        };
        Ok(())
    }
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

const INTENT: &str =
    "INSERT INTO journal (ordinal, seq, steady, at, kind, attempt, through) VALUES (?1, ?2, ?3, ?4, 'intent', ?5, ?6)";
const ENDED: &str = "
    INSERT INTO journal (ordinal, seq, steady, at, kind, outcome, http_status, code, message, reference)
    VALUES (?1, ?2, ?3, ?4, 'ended', ?5, ?6, ?7, ?8, ?9)";
const ATTEMPT_ENDED: &str = "
    INSERT INTO journal (ordinal, seq, steady, at, kind, attempt, effect, counts, http_status, code, message, reference)
    VALUES (?1, ?2, ?3, ?4, 'attempt-ended', ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const RARE: &str = "INSERT INTO journal (ordinal, seq, steady, body) VALUES (?1, ?2, ?3, ?4)";
/// No more first attempts are put together than these: who reads some actions looks no farther back.
pub(super) const MOST_TOGETHER: u64 = 128;
/// The bits of a place in the order of writing that count a process's records; above them, the processes are counted.
const PROCESS: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Effect, Outcome};
    use jiff::Timestamp;

    #[test]
    fn only_first_attempts_of_one_moment_that_stand_one_behind_the_other_are_put_together() {
        let at = |micros: i64| Timestamp::from_microsecond(1_700_000_000_000_000 + micros).unwrap();
        let intent = |ordinal, attempt, micros| Record::Intent { ordinal, attempt, at: at(micros) };
        let ended =
            |ordinal| Record::Ended { ordinal, at: at(0), outcome: Outcome::Succeeded, answer: Reply::default() };
        let lost = |ordinal| Record::AttemptEnded {
            ordinal,
            attempt: 1,
            at: at(0),
            effect: Effect::Unknown,
            counts: true,
            answer: Reply::default(),
        };
        for (records, expected) in [
            (vec![], 1),
            (vec![intent(4, 1, 0)], 1),
            (vec![intent(4, 1, 0), intent(5, 1, 0), intent(6, 1, 999)], 3),
            (vec![intent(4, 1, 0), intent(5, 1, 999), intent(6, 1, 1000)], 2),
            (vec![intent(4, 1, 0), intent(6, 1, 0)], 1),
            (vec![intent(4, 1, 0), intent(3, 1, 0)], 1),
            (vec![intent(4, 1, 0), intent(5, 2, 0)], 1),
            (vec![intent(4, 2, 0), intent(5, 2, 0)], 1),
            (vec![intent(4, 1, 0), ended(3), intent(5, 1, 0)], 1),
            (vec![ended(4), intent(5, 1, 0), intent(6, 1, 0)], 1),
            (vec![lost(4), lost(5)], 1),
            ((0..300).map(|ordinal| intent(ordinal, 1, 0)).collect(), 128),
        ] {
            assert_eq!(together(records.iter()), expected, "{records:?}");
        }
    }
}
