//! Walks over records in the order of actions, and of each action's in the order of writing: column by column, and of each only what
//! its kind has. First attempts that were written down together are told one by one. A million actions have a million ends. Decides
//! nothing.

use super::record::{Record, Reply};
use super::rows::{Kept, MOST_TOGETHER, Unreadable, to_sql};
use crate::run::{Effect, Ordinal, Outcome};
use jiff::Timestamp;
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::types::ValueRef;
use rusqlite::{Row, Rows, Statement};
use std::ops::Range;
use std::time::Duration;

/// All records: those that move no action first. Answers are left out.
pub(super) const MOVES: &str = "SELECT kind, ordinal, seq, steady, at, attempt, through, outcome, effect, counts, body \
     FROM journal ORDER BY ordinal, seq";

/// Records that move no action.
pub(super) const COURSE: &str = "SELECT kind, ordinal, seq, steady, at, attempt, through, outcome, effect, counts, body \
     FROM journal WHERE ordinal = -1 ORDER BY seq";

/// The records of some actions, with the answers.
pub(super) const ANSWERS: &str = "SELECT kind, ordinal, seq, steady, at, attempt, through, outcome, effect, counts, body, \
     http_status, code, message, reference FROM journal WHERE ordinal >= ?1 AND ordinal < ?2 ORDER BY ordinal, seq";

/// A walk over records.
pub(super) struct Walk<'r> {
    rows: Rows<'r>,
    /// Where the row stands that comes next.
    place: Option<(i64, u64)>,
    answers: bool,
    together: Option<Together>,
}

/// First attempts of actions one behind the other that were written down together, as far as they are not told yet.
struct Together {
    next: Ordinal,
    through: Ordinal,
    seq: u64,
    at: Timestamp,
    steady: Option<Duration>,
}

impl<'r> Walk<'r> {
    /// Over what [`MOVES`] or [`COURSE`] selects.
    pub(super) fn all(statement: &'r mut Statement<'_>) -> Result<Self, Unreadable> {
        Self::over(statement.query([])?, false)
    }

    /// Over the records of these actions, by [`ANSWERS`].
    pub(super) fn answers(statement: &'r mut Statement<'_>, actions: &Range<Ordinal>) -> Result<Self, Unreadable> {
        // What was written down together stands with the first action of it.
        let before = actions.start.saturating_sub(MOST_TOGETHER - 1);
        let mut walk = Self::over(statement.query([to_sql(before), to_sql(actions.end)])?, true)?;
        while walk.next_ordinal().is_some_and(|ordinal| ordinal.unsigned_abs() < actions.start) {
            walk.next()?;
        }
        Ok(walk)
    }

    fn over(rows: Rows<'r>, answers: bool) -> Result<Self, Unreadable> {
        let mut walk = Self { rows, place: None, answers, together: None };
        walk.advance()?;
        Ok(walk)
    }

    fn advance(&mut self) -> Result<(), Unreadable> {
        self.rows.advance()?;
        self.place = match self.rows.get() {
            Some(row) => Some((integer(row, 1)?, integer(row, 2)?.unsigned_abs())),
            None => None,
        };
        Ok(())
    }

    /// The action that the next record moves; -1 where it moves none.
    pub(super) fn next_ordinal(&self) -> Option<i64> {
        let places = self.place.into_iter().chain(self.together.as_ref().map(Together::place));
        places.map(|(ordinal, _)| ordinal).min()
    }

    /// The next record.
    pub(super) fn next(&mut self) -> Result<Option<Kept>, Unreadable> {
        if let Some(together) = &mut self.together
            && self.place.is_none_or(|place| together.place() < place)
        {
            let kept = together.tell();
            if together.next > together.through {
                self.together = None;
            }
            return Ok(Some(kept));
        }
        let (Some(row), Some((ordinal, seq))) = (self.rows.get(), self.place) else { return Ok(None) };
        let steady = match row.get_ref(3)? {
            ValueRef::Integer(micros) => Some(Duration::from_micros(micros.unsigned_abs())),
            _ => None,
        };
        let kept = Kept { seq, steady, record: read(row, ordinal, self.answers)? };
        if let Some(together) = Together::of(row, &kept)?
            && self.together.replace(together).is_some()
        {
            return Err(wrong(ordinal, "its first attempt was written down twice"));
        }
        self.advance()?;
        Ok(Some(kept))
    }
}

impl Together {
    /// What is together with a row's record, and comes after it.
    fn of(row: &Row<'_>, first: &Kept) -> Result<Option<Self>, Unreadable> {
        let Record::Intent { ordinal, at, .. } = first.record else { return Ok(None) };
        let ValueRef::Integer(through) = row.get_ref(6)? else { return Ok(None) };
        let (through, next) = (through.unsigned_abs(), ordinal + 1);
        if through < next || through - ordinal >= MOST_TOGETHER {
            return Err(wrong(to_sql(ordinal), "it goes through no action behind it"));
        }
        Ok(Some(Self { next, through, seq: first.seq + 1, at, steady: first.steady }))
    }

    fn place(&self) -> (i64, u64) {
        (to_sql(self.next), self.seq)
    }

    fn tell(&mut self) -> Kept {
        let record = Record::Intent { ordinal: self.next, attempt: 1, at: self.at };
        let kept = Kept { seq: self.seq, steady: self.steady, record };
        self.next += 1;
        self.seq += 1;
        kept
    }
}

fn read(row: &Row<'_>, ordinal: i64, answers: bool) -> Result<Record, Unreadable> {
    let wrong = |what: &str| wrong(ordinal, what);
    let ordinal: Ordinal = ordinal.unsigned_abs();
    let at = || Timestamp::from_microsecond(integer(row, 4)?).map_err(|error| wrong(&error.to_string()));
    let attempt = || u32::try_from(integer(row, 5)?).map_err(|error| wrong(&error.to_string()));
    let answer = || -> rusqlite::Result<Reply> {
        if !answers {
            return Ok(Reply::default());
        }
        Ok(Reply { http_status: row.get(11)?, code: row.get(12)?, message: row.get(13)?, reference: row.get(14)? })
    };
    let ValueRef::Text(kind) = row.get_ref(0)? else {
        let ValueRef::Text(body) = row.get_ref(10)? else { return Err(wrong("neither a kind nor a text")) };
        let text = |error| Unreadable::Row(format!("record {}: {error}", String::from_utf8_lossy(body)));
        return serde_json::from_slice(body).map_err(text);
    };
    Ok(match kind {
        b"intent" => Record::Intent { ordinal, attempt: attempt()?, at: at()? },
        b"ended" => {
            let outcome = word(row, 7)?.and_then(Outcome::parse).ok_or_else(|| wrong("no outcome"))?;
            Record::Ended { ordinal, at: at()?, outcome, answer: answer()? }
        }
        b"attempt-ended" => {
            let effect = word(row, 8)?.and_then(Effect::parse).ok_or_else(|| wrong("no effect"))?;
            let (counts, answer) = (row.get(9)?, answer()?);
            Record::AttemptEnded { ordinal, attempt: attempt()?, at: at()?, effect, counts, answer }
        }
        other => return Err(wrong(&format!("there is no kind `{}`", String::from_utf8_lossy(other)))),
    })
}

fn wrong(ordinal: i64, what: &str) -> Unreadable {
    Unreadable::Row(format!("a record of action {ordinal}: {what}"))
}

fn integer(row: &Row<'_>, column: usize) -> Result<i64, Unreadable> {
    match row.get_ref(column)? {
        ValueRef::Integer(number) => Ok(number),
        other => Err(Unreadable::Row(format!("a record has no number where one belongs: {:?}", other.data_type()))),
    }
}

fn word<'a>(row: &'a Row<'_>, column: usize) -> Result<Option<&'a str>, Unreadable> {
    row.get_ref(column)?.as_str_or_null().map_err(|error| Unreadable::Row(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::rows::{Inserts, together};
    use super::super::schema;
    use super::*;
    use rusqlite::Connection;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    fn intent(ordinal: Ordinal, attempt: u32) -> Record {
        Record::Intent { ordinal, attempt, at: AT }
    }

    fn ended(ordinal: Ordinal) -> Record {
        Record::Ended { ordinal, at: AT, outcome: Outcome::Skipped, answer: Reply::default() }
    }

    /// Written in this order; where it says so, each in a row of its own.
    fn journal(records: &[Record], alone: bool) -> (tempfile::TempDir, Connection) {
        let place = tempfile::tempdir().unwrap();
        let connection = schema::create(&place.path().join("run.sqlite")).unwrap();
        let (mut inserts, mut seq) = (Inserts::begin(&connection).unwrap(), 0);
        while let Some(record) = records.get(seq) {
            let count = if alone { 1 } else { together(records[seq..].iter()) };
            inserts.insert(seq as u64, Duration::ZERO, record, count).unwrap();
            seq += count;
        }
        drop(inserts);
        (place, connection)
    }

    fn walked(mut walk: Walk<'_>, until: Ordinal) -> Vec<(u64, Record)> {
        let mut walked = Vec::new();
        while walk.next_ordinal().is_some_and(|ordinal| ordinal < to_sql(until)) {
            let kept = walk.next().ok().flatten().unwrap();
            walked.push((kept.seq, kept.record));
        }
        walked
    }

    #[test]
    fn what_is_written_together_is_read_as_if_each_had_a_row_of_its_own() {
        let began = Record::Began { at: AT, version: String::new(), boot: None };
        let reopened = |ordinal| Record::Reopened { ordinal, at: AT };
        let mut records = vec![began, ended(3), reopened(3)];
        records.extend((0..8).map(|ordinal| intent(ordinal, 1)));
        records.extend([ended(5), ended(2), ended(0), intent(2, 2), intent(3, 2), reopened(5), intent(5, 2)]);
        records.extend((8..400).map(|ordinal| intent(ordinal, 1)));
        records.extend((8..400).rev().map(ended));
        let (_place, apart) = journal(&records, true);
        let (_other_place, close) = journal(&records, false);
        let rows = |connection: &Connection| -> i64 {
            connection.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap()
        };
        assert_eq!((rows(&apart), rows(&close)), (802, 802 - 399 + 4));

        let all = |connection: &Connection| {
            let mut statement = connection.prepare(MOVES).unwrap();
            walked(Walk::all(&mut statement).ok().unwrap(), Ordinal::MAX)
        };
        assert_eq!(all(&close), all(&apart));
        assert_eq!(all(&close).len(), records.len());
        let some = |connection: &Connection, actions: &Range<Ordinal>| {
            let mut statement = connection.prepare(ANSWERS).unwrap();
            walked(Walk::answers(&mut statement, actions).ok().unwrap(), actions.end)
        };
        for actions in [0..1, 0..9, 3..4, 5..6, 7..8, 7..9, 8..400, 134..135, 135..137, 136..137, 300..400, 399..500] {
            assert_eq!(some(&close, &actions), some(&apart, &actions), "{actions:?}");
            assert!(!some(&close, &actions).is_empty(), "{actions:?}");
        }
        assert!(some(&close, &(400..500)).is_empty());
    }

    #[test]
    fn what_cannot_have_been_written_together_is_told_as_damage() {
        for through in ["3", "2", "131", "-1"] {
            let (_place, connection) = journal(&[intent(3, 1)], false);
            connection.execute(&format!("UPDATE journal SET through = {through}"), []).unwrap();
            let mut statement = connection.prepare(MOVES).unwrap();
            let mut walk = Walk::all(&mut statement).ok().unwrap();
            assert!(matches!(walk.next(), Err(Unreadable::Row(_))), "{through}");
        }
        let (_place, connection) = journal(&[intent(3, 1), intent(4, 1), intent(5, 1)], false);
        connection.execute("INSERT INTO journal SELECT 4, 9, kind, at, steady, attempt, effect, counts, outcome, http_status, code, message, reference, body, 6 FROM journal", []).unwrap();
        let mut statement = connection.prepare(MOVES).unwrap();
        let mut walk = Walk::all(&mut statement).ok().unwrap();
        assert!((0..4).any(|_| walk.next().is_err()), "an action has no two first attempts");
    }
}
