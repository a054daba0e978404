//! Walks over a run's actions with the fold of what is recorded of each, in plan order, and holds one of them at a time. Decides nothing.

use super::JournalError;
use super::actions::{ACTION, RawAction};
use super::reader::Reader;
use super::rows::{Unreadable, to_sql};
use super::scan::{self, Walk};
use super::shape::Alike;
use super::state::History;
use crate::plan::Action;
use crate::run::Ordinal;
use rusqlite::Row;
use std::cmp::Ordering;
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
    /// One action with its history.
    ///
    /// # Errors
    /// Where the database cannot be read, or has no such action, or its records contradict each other.
    pub fn history(&self, ordinal: Ordinal) -> Result<(Action, History), JournalError> {
        let mut found = None;
        self.walk(ACTION, &(ordinal..ordinal + 1), |row, records| -> Result<(), JournalError> {
            let raw = RawAction::read(row).map_err(self.database())?;
            let action = raw.parse().map_err(|what| self.unreadable(what))?;
            found = Some((action, records.of(ordinal)?));
            Ok(())
        })?;
        found.ok_or_else(|| self.unreadable(format!("there is no action {ordinal}")))
    }

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

    /// What a report tells of these actions, with their histories, in plan order, one by one: what is alike in all of the run's actions is
    /// not read of each, nor are the values of kept columns where there are none. `each` ends the walk with an error of its own.
    ///
    /// # Errors
    /// Where the database cannot be read, or the records contradict each other, or `each` says so.
    pub fn told<E: From<JournalError>>(
        &self,
        ordinals: &Range<Ordinal>,
        alike: &Alike,
        kept: bool,
        mut each: impl FnMut(Told<'_>, &History) -> Result<(), E>,
    ) -> Result<(), E> {
        let columns = Columns::but_for(alike, kept);
        self.walk(&columns.names, ordinals, |row, records| {
            let told = columns.told(row, alike).map_err(|error| self.error(error))?;
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
        let mut statement = self.connection.prepare_cached(scan::ANSWERS).map_err(self.database())?;
        let walk = Walk::answers(&mut statement, ordinals).map_err(|error| self.error(error))?;
        let mut records = Records { reader: self, walk };
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
    walk: Walk<'r>,
}

impl Records<'_> {
    /// The history of an action; they are asked for in plan order.
    fn of(&mut self, action: Ordinal) -> Result<History, JournalError> {
        let mut history = History::default();
        let unreadable = |error| self.reader.error(error);
        while let Some(ordinal) = self.walk.next_ordinal() {
            match ordinal.unsigned_abs().cmp(&action) {
                Ordering::Greater => break,
                Ordering::Less => return Err(self.reader.unreadable(format!("there is no action {ordinal}"))),
                Ordering::Equal => {}
            }
            if let Some(kept) = self.walk.next().map_err(unreadable)? {
                history.take(kept.record).map_err(|source| self.reader.damaged(source))?;
            }
        }
        Ok(history)
    }
}

/// The columns that are read for [`Told`]: where each of those stands that may be left out.
struct Columns {
    names: String,
    source: Option<usize>,
    operation: Option<usize>,
    reason: Option<usize>,
    kept: Option<usize>,
    repeats: Option<usize>,
}

impl Columns {
    /// All but for what is alike in all actions.
    fn but_for(alike: &Alike, kept: bool) -> Self {
        let mut names = "ordinal, id, target".to_owned();
        let mut next = 3;
        let mut add = |wanted: bool, columns: &str, count: usize| {
            let place = wanted.then_some(next)?;
            names.push_str(columns);
            next += count;
            Some(place)
        };
        let source = add(!alike.named_by_place, ", source", 1);
        let operation = add(alike.operation.is_none(), ", account, operation", 2);
        let reason = add(alike.reason.is_none(), ", reason, reason_sent", 2);
        let kept = add(kept, ", kept", 1);
        let repeats = add(!alike.none_repeats, ", duplicate_of IS NOT NULL", 1);
        Self { names, source, operation, reason, kept, repeats }
    }

    fn told<'a>(&self, row: &'a Row<'_>, alike: &'a Alike) -> Result<Told<'a>, Unreadable> {
        let text = |column: usize| -> Result<Option<&'a str>, Unreadable> {
            row.get_ref(column)?.as_str_or_null().map_err(|error| Unreadable::Row(error.to_string()))
        };
        let kept = match self.kept.map(text).transpose()?.flatten() {
            Some(kept) => {
                serde_json::from_str(kept).map_err(|error| Unreadable::Row(format!("kept columns: {error}")))?
            }
            None => Vec::new(),
        };
        let (account, operation) = match (self.operation, &alike.operation) {
            (Some(column), _) => {
                let account = usize::try_from(row.get::<_, i64>(column)?).unwrap_or(usize::MAX);
                (account, text(column + 1)?.unwrap_or_default())
            }
            (None, Some((account, operation))) => (*account, operation.as_str()),
            (None, None) => (usize::MAX, ""),
        };
        let (reason, reason_sent) = match (self.reason, &alike.reason) {
            (Some(column), _) => (text(column)?, text(column + 1)?),
            (None, Some((asked, sent))) => (asked.as_deref(), sent.as_deref()),
            (None, None) => (None, None),
        };
        let id = text(1)?.unwrap_or_default();
        Ok(Told {
            ordinal: row.get::<_, i64>(0)?.unsigned_abs(),
            id,
            account,
            operation,
            target: text(2)?.unwrap_or_default(),
            reason,
            reason_sent,
            source: self.source.map_or(Ok(Some(id)), text)?.unwrap_or_default(),
            kept,
            repeats: self.repeats.map_or(Ok(false), |column| row.get(column))?,
        })
    }
}
