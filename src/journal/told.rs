//! Walks over a run's actions with the fold of what is recorded of each, in plan order, and holds one of them at a time. Decides nothing.

use super::actions::{ACTION, RawAction};
use super::reader::Reader;
use super::rows::{Unreadable, to_sql};
use super::state::History;
use super::{JournalError, scan};
use crate::plan::Action;
use crate::run::Ordinal;
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::{Row, Rows, Statement};
use std::ops::Range;

/// What a report tells of an action beside its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<'a> {
    /// Its place in the plan.
    pub ordinal: Ordinal,
    /// Its id.
    pub id: &'a str,
    /// Its account's index.
    pub account: usize,
    /// The operation.
    pub operation: &'a str,
    /// What it acts on.
    pub target: &'a str,
    /// The reason, in RFC 5280 words.
    pub reason: Option<&'a str>,
    /// The reason as it is sent.
    pub reason_sent: Option<&'a str>,
    /// `file:line`.
    pub source: &'a str,
    /// The kept columns' values.
    pub kept: Vec<String>,
    /// Whether it repeats another action, and is never sent.
    pub repeats: bool,
}

/// What is told of actions only where there is any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct More {
    /// The kept columns' values.
    pub kept: bool,
    /// Whether they repeat others.
    pub repeats: bool,
}

impl<'a> From<&'a Action> for Told<'a> {
    fn from(action: &'a Action) -> Self {
        Self {
            ordinal: action.ordinal,
            id: &action.id,
            account: action.account,
            operation: &action.operation,
            target: &action.target,
            reason: action.reason.map(|reason| reason.name()),
            reason_sent: action.reason_sent.as_deref(),
            source: &action.source,
            kept: action.kept.clone(),
            repeats: action.duplicate_of.is_some(),
        }
    }
}

impl Reader {
    /// Every action with its history, in plan order, one by one. `each` ends the walk with an error of its own.
    ///
    /// # Errors
    /// Where the database cannot be read, or the records contradict each other, or `each` says so.
    pub fn histories<E: From<JournalError>>(
        &self,
        mut each: impl FnMut(Action, History) -> Result<(), E>,
    ) -> Result<(), E> {
        self.walk(ACTION, &(0..Ordinal::MAX), |row, records| {
            let raw = RawAction::read(row).map_err(self.database())?;
            let action = raw.parse().map_err(|what| self.unreadable(what))?;
            let history = records.of(action.ordinal)?;
            each(action, history)
        })
    }

    /// What a report tells of these actions, with their histories, in plan order, one by one; `more` is what the run has beside. `each`
    /// ends the walk with an error of its own.
    ///
    /// # Errors
    /// Where the database cannot be read, or the records contradict each other, or `each` says so.
    pub fn told<E: From<JournalError>>(
        &self,
        ordinals: &Range<Ordinal>,
        more: More,
        mut each: impl FnMut(Told<'_>, &History) -> Result<(), E>,
    ) -> Result<(), E> {
        let columns = format!("{TOLD}{}{}", if more.kept { KEPT } else { "" }, if more.repeats { REPEATS } else { "" });
        self.walk(&columns, ordinals, |row, records| {
            let told = told(row, more).map_err(|error| self.error(error))?;
            let history = records.of(told.ordinal)?;
            each(told, &history)
        })
    }

    fn walk<E: From<JournalError>>(
        &self,
        columns: &str,
        ordinals: &Range<Ordinal>,
        mut each: impl FnMut(&Row<'_>, &mut Records<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let range = [to_sql(ordinals.start), to_sql(ordinals.end)];
        let select =
            format!("SELECT {} FROM journal WHERE ordinal >= ?1 AND ordinal < ?2 ORDER BY ordinal, seq", scan::ANSWERS);
        let mut statement = self.connection.prepare_cached(&select).map_err(self.database())?;
        let mut records = Records::begin(self, &mut statement, range)?;
        let select = format!("SELECT {columns} FROM action WHERE ordinal >= ?1 AND ordinal < ?2 ORDER BY ordinal");
        let mut statement = self.connection.prepare_cached(&select).map_err(self.database())?;
        let mut rows = statement.query(range).map_err(self.database())?;
        while let Some(row) = rows.next().map_err(self.database())? {
            each(row, &mut records)?;
        }
        Ok(())
    }
}

/// The records of actions, walked beside the actions themselves.
struct Records<'r> {
    reader: &'r Reader,
    rows: Rows<'r>,
}

impl<'r> Records<'r> {
    fn begin(reader: &'r Reader, statement: &'r mut Statement<'_>, range: [i64; 2]) -> Result<Self, JournalError> {
        let mut rows = statement.query(range).map_err(reader.database())?;
        rows.advance().map_err(reader.database())?;
        Ok(Self { reader, rows })
    }

    /// The history of an action; they are asked for in plan order.
    fn of(&mut self, action: Ordinal) -> Result<History, JournalError> {
        let mut history = History::default();
        while let Some(row) = self.rows.get() {
            let ordinal = scan::ordinal(row).map_err(|error| self.reader.error(error))?;
            if ordinal.unsigned_abs() > action {
                break;
            }
            if ordinal.unsigned_abs() < action {
                return Err(self.reader.unreadable(format!("there is no action {ordinal}")));
            }
            let record = scan::record(row, ordinal).map_err(|error| self.reader.error(error))?;
            history.take(record).map_err(|source| self.reader.damaged(source))?;
            self.rows.advance().map_err(self.reader.database())?;
        }
        Ok(history)
    }
}

fn told<'a>(row: &'a Row<'_>, more: More) -> Result<Told<'a>, Unreadable> {
    let text = |column: usize| -> Result<Option<&'a str>, Unreadable> {
        row.get_ref(column)?.as_str_or_null().map_err(|error| Unreadable::Row(error.to_string()))
    };
    let kept = match if more.kept { text(KEPT_AT)? } else { None } {
        Some(kept) => serde_json::from_str(kept).map_err(|error| Unreadable::Row(format!("kept columns: {error}")))?,
        None => Vec::new(),
    };
    Ok(Told {
        ordinal: row.get::<_, i64>(0)?.unsigned_abs(),
        id: text(1)?.unwrap_or_default(),
        account: usize::try_from(row.get::<_, i64>(2)?).unwrap_or(usize::MAX),
        operation: text(3)?.unwrap_or_default(),
        target: text(4)?.unwrap_or_default(),
        reason: text(5)?,
        reason_sent: text(6)?,
        source: text(7)?.unwrap_or_default(),
        kept,
        repeats: more.repeats && row.get(KEPT_AT + usize::from(more.kept))?,
    })
}

/// The columns of [`Told`], and those of [`More`] behind them.
const TOLD: &str = "ordinal, id, account, operation, target, reason, reason_sent, source";
const KEPT: &str = ", kept";
const KEPT_AT: usize = 8;
const REPEATS: &str = ", duplicate_of IS NOT NULL";
