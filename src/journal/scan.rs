//! Records as a walk over many rows reads them: column by column, and of each only what its kind has. A million actions have two
//! million records. Decides nothing.

use super::record::{Record, Reply};
use super::rows::{Kept, Unreadable};
use crate::run::{Effect, Ordinal, Outcome};
use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use std::time::Duration;

/// The columns of a walk that needs to know how actions stand: [`kept`] reads them. Answers are left out.
pub(super) const MOVES: &str = "kind, ordinal, attempt, at, outcome, effect, counts, body, seq, steady";

/// The columns of a walk that needs the answers too: [`record`] reads them.
pub(super) const ANSWERS: &str =
    "kind, ordinal, attempt, at, outcome, effect, counts, body, http_status, code, message, reference";

/// Reads a row of [`MOVES`].
pub(super) fn kept(row: &Row<'_>) -> Result<Kept, Unreadable> {
    let steady = match row.get_ref(9)? {
        ValueRef::Integer(micros) => Some(Duration::from_micros(micros.unsigned_abs())),
        _ => None,
    };
    let seq = integer(row, 8)?.unsigned_abs();
    Ok(Kept { seq, steady, record: read(row, ordinal(row)?, |_| Ok(Reply::default()))? })
}

/// Reads a row of [`ANSWERS`], which moves this action.
pub(super) fn record(row: &Row<'_>, ordinal: i64) -> Result<Record, Unreadable> {
    read(row, ordinal, |row| {
        Ok(Reply { http_status: row.get(8)?, code: row.get(9)?, message: row.get(10)?, reference: row.get(11)? })
    })
}

/// The action that a row of either moves; -1 where it moves none.
pub(super) fn ordinal(row: &Row<'_>) -> Result<i64, Unreadable> {
    integer(row, 1)
}

fn read(
    row: &Row<'_>,
    ordinal: i64,
    answer: impl Fn(&Row<'_>) -> rusqlite::Result<Reply>,
) -> Result<Record, Unreadable> {
    let wrong = |what: &str| Unreadable::Row(format!("a record of action {ordinal}: {what}"));
    let ordinal: Ordinal = ordinal.unsigned_abs();
    let at = || Timestamp::from_microsecond(integer(row, 3)?).map_err(|error| wrong(&error.to_string()));
    let attempt = || u32::try_from(integer(row, 2)?).map_err(|error| wrong(&error.to_string()));
    let ValueRef::Text(kind) = row.get_ref(0)? else {
        let ValueRef::Text(body) = row.get_ref(7)? else { return Err(wrong("neither a kind nor a text")) };
        let text = |error| Unreadable::Row(format!("record {}: {error}", String::from_utf8_lossy(body)));
        return serde_json::from_slice(body).map_err(text);
    };
    Ok(match kind {
        b"intent" => Record::Intent { ordinal, attempt: attempt()?, at: at()? },
        b"ended" => {
            let outcome = word(row, 4)?.and_then(Outcome::parse).ok_or_else(|| wrong("no outcome"))?;
            Record::Ended { ordinal, at: at()?, outcome, answer: answer(row)? }
        }
        b"attempt-ended" => {
            let effect = word(row, 5)?.and_then(Effect::parse).ok_or_else(|| wrong("no effect"))?;
            let (counts, answer) = (row.get(6)?, answer(row)?);
            Record::AttemptEnded { ordinal, attempt: attempt()?, at: at()?, effect, counts, answer }
        }
        other => return Err(wrong(&format!("there is no kind `{}`", String::from_utf8_lossy(other)))),
    })
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
