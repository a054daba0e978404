//! Reads a run: its constants, its actions, and the fold of its records. Also while another process writes it.

use super::actions::{ACTION, RawAction, TO_SEND, ToSend};
use super::queue::Queue;
use super::record::Record;
use super::rows::{Kept, Unreadable, to_sql};
use super::scan::{self, Walk};
use super::shape::{self, Alike, Shape};
use super::state::{IllegalRecord, Phase, States};
use super::{JournalError, schema};
use crate::plan::checked::Fingerprint;
use crate::plan::{Action, Settings};
use crate::run::{Ordinal, Outcome};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is true of a run from its first moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// How the plan is to be carried out.
    pub settings: Settings,
    /// The plan's digest.
    pub digest: String,
    /// Actions, duplicates included.
    pub actions: u64,
    /// Provider id → SHA-256 of its document.
    pub documents: BTreeMap<String, String>,
    /// When the run was made.
    pub made_at: Timestamp,
    /// The directories of the user's own provider documents.
    pub provider_directories: Vec<PathBuf>,
    /// Whether it runs against the built-in simulator.
    pub simulated: bool,
    /// Certificates of issuers that the plan's files gave beside those that it sends: DER in base64url. Runs of earlier versions
    /// have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<String>,
}

/// A run, open for reading.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
    path: PathBuf,
}

/// A run as a whole, folded from its records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overview {
    /// Actions by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Actions that have not ended.
    pub waiting: u64,
    /// Of these, how many had an intent without an end.
    pub in_flight: u64,
    /// When the first process began.
    pub began_at: Option<Timestamp>,
    /// When the newest record was written.
    pub last_at: Option<Timestamp>,
    /// Why the last process stopped, and its exit code, where it stopped before the last action.
    pub stopped: Option<(String, u8)>,
    /// When every action had ended.
    pub finished_at: Option<Timestamp>,
    /// When the world was last asked about the run's effects.
    pub verified_at: Option<Timestamp>,
    /// The windows that `certsweep set-rate` has set, by account's index.
    pub limits: BTreeMap<usize, Vec<String>>,
}

impl Overview {
    /// Takes the next record of the run in.
    fn take(&mut self, record: &Record) {
        if !matches!(record, Record::Verifying { .. } | Record::Verified { .. }) {
            self.last_at = self.last_at.max(Some(record.at()));
        }
        match record {
            Record::Began { at, .. } => {
                self.began_at = self.began_at.or(Some(*at));
                self.stopped = None;
                self.finished_at = None;
            }
            Record::Stopped { why, code, .. } => self.stopped = Some((why.clone(), *code)),
            Record::Limited { account, windows, .. } => {
                self.limits.insert(*account, windows.clone());
            }
            Record::Verifying { at, .. } => self.verified_at = Some(*at),
            Record::Finished { at } => self.finished_at = Some(*at),
            _ => {}
        }
    }

    /// Counts an action by what it is doing.
    pub fn count(&mut self, phase: Phase) {
        match phase {
            Phase::Ended(outcome) => *self.outcomes.entry(outcome).or_default() += 1,
            Phase::Waiting => self.waiting += 1,
            Phase::InFlight => {
                self.waiting += 1;
                self.in_flight += 1;
            }
        }
    }
}

impl Reader {
    /// Opens a run's database.
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        Ok(Self { connection: schema::open_for_reading(path)?, path: path.to_path_buf() })
    }

    /// The same run, opened once more: for another thread.
    ///
    /// # Errors
    /// Where the database cannot be opened.
    pub fn again(&self) -> Result<Self, JournalError> {
        Self::open(&self.path)
    }

    /// The run's constants.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn facts(&self) -> Result<RunFacts, JournalError> {
        let text: String = self
            .connection
            .query_row("SELECT value FROM run WHERE key = 'facts'", [], |row| row.get(0))
            .map_err(JournalError::database(&self.path))?;
        serde_json::from_str(&text).map_err(|error| self.unreadable(format!("run facts: {error}")))
    }

    /// One action.
    ///
    /// # Errors
    /// Where the database cannot be read, or has no such action.
    pub fn action(&self, ordinal: Ordinal) -> Result<Action, JournalError> {
        let select = format!("SELECT {ACTION} FROM action WHERE ordinal = ?1");
        let mut statement = self.connection.prepare_cached(&select).map_err(JournalError::database(&self.path))?;
        let raw =
            statement.query_row([to_sql(ordinal)], RawAction::read).map_err(JournalError::database(&self.path))?;
        raw.parse().map_err(|what| self.unreadable(what))
    }

    /// What sending an action needs of it.
    ///
    /// # Errors
    /// Where the database cannot be read, or has no such action.
    pub fn to_send(&self, ordinal: Ordinal) -> Result<ToSend, JournalError> {
        let found = self.sendable("ordinal = ?1", [to_sql(ordinal)])?.pop();
        found.ok_or_else(|| self.unreadable(format!("there is no action {ordinal}")))
    }

    /// The same of an action and of those of its account that come soon after it, in plan order.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn to_send_from(&self, ordinal: Ordinal, account: usize) -> Result<Vec<ToSend>, JournalError> {
        // Among the actions of other accounts an account's own may be rare: the rows that are looked through are bounded, too.
        let which = format!("ordinal BETWEEN ?1 AND ?1 + {LOOKED_THROUGH} AND account = ?2 LIMIT {READ_AHEAD}");
        self.sendable(&which, (to_sql(ordinal), to_sql(account as u64)))
    }

    fn sendable(&self, which: &str, by: impl Params) -> Result<Vec<ToSend>, JournalError> {
        let select = format!("SELECT {TO_SEND} FROM action WHERE {which}");
        let mut statement = self.connection.prepare_cached(&select).map_err(self.database())?;
        let mut rows = statement.query(by).map_err(self.database())?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(self.database())? {
            found.push(ToSend::read(row).map_err(|error| self.error(error))?);
        }
        Ok(found)
    }

    /// The action of an id.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn ordinal_of(&self, id: &str) -> Result<Option<Ordinal>, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT ordinal FROM action WHERE id = ?1 ORDER BY ordinal LIMIT 1")
            .map_err(JournalError::database(&self.path))?;
        let found = statement.query_row([id], |row| row.get::<_, i64>(0)).optional();
        Ok(found.map_err(JournalError::database(&self.path))?.map(i64::unsigned_abs))
    }

    /// The state of every action, by ordinal.
    ///
    /// # Errors
    /// Where the database cannot be read, or the records contradict each other.
    pub fn states(&self) -> Result<States, JournalError> {
        self.states_and(|_| ())
    }

    /// The same, while `each` is shown every record, its answer left out: those that move no action first, then those of each action
    /// in plan order; both in the order of writing. A long journal is read once.
    ///
    /// # Errors
    /// As [`Self::states`].
    pub fn states_and(&self, mut each: impl FnMut(&Kept)) -> Result<States, JournalError> {
        let mut states = States::new(self.actions()?);
        let mut statement = self.connection.prepare(scan::MOVES).map_err(self.database())?;
        let mut walk = Walk::all(&mut statement).map_err(|error| self.error(error))?;
        while let Some(kept) = walk.next().map_err(|error| self.error(error))? {
            each(&kept);
            states.take(&kept.record).map_err(|source| self.damaged(source))?;
        }
        Ok(states)
    }

    /// The actions, as far as the order of sending goes.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn queue(&self) -> Result<Queue, JournalError> {
        let database = JournalError::database(&self.path);
        if let Some(shape) = self.shape()?
            && let Some(queue) = shape.queue(self.actions()?)
        {
            return Ok(queue);
        }
        let mut statement = self
            .connection
            .prepare("SELECT ordinal, account, needs, not_before, duplicate_of FROM action ORDER BY ordinal")
            .map_err(&database)?;
        let mut rows = statement.query([]).map_err(&database)?;
        let mut queue = Queue::default();
        while let Some(row) = rows.next().map_err(&database)? {
            let account = usize::try_from(row.get::<_, i64>(1).map_err(&database)?).unwrap_or(usize::MAX);
            let ordinal = queue.push(account);
            if row.get::<_, i64>(0).map_err(&database)?.unsigned_abs() != ordinal {
                return Err(self.unreadable(format!("there is no action {ordinal}")));
            }
            if let Some(needs) = row.get::<_, Option<String>>(2).map_err(&database)? {
                let ids: Vec<String> =
                    serde_json::from_str(&needs).map_err(|error| self.unreadable(format!("needs: {error}")))?;
                let needed = |id: &String| {
                    self.ordinal_of(id)?.ok_or_else(|| self.unreadable(format!("no action has the id {id}")))
                };
                queue.need(ordinal, ids.iter().map(needed).collect::<Result<_, _>>()?);
            }
            let not_before: Option<String> = row.get(3).map_err(&database)?;
            if let Some(until) = not_before.and_then(|text| text.parse().ok()) {
                queue.hold(ordinal, until);
            }
            if let Some(of) = row.get(4).map_err(&database)? {
                queue.repeat(ordinal, of);
            }
        }
        Ok(queue)
    }

    /// What every action does, with its account and operation, in plan order; nothing where version 1 does not tell.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn fingerprints(&self, mut each: impl FnMut(Ordinal, usize, &str, Fingerprint)) -> Result<(), JournalError> {
        let database = JournalError::database(&self.path);
        let select = "SELECT ordinal, account, operation, fingerprint FROM action
             WHERE fingerprint IS NOT NULL AND duplicate_of IS NULL ORDER BY ordinal";
        let mut statement = self.connection.prepare(select).map_err(&database)?;
        let mut rows = statement.query([]).map_err(&database)?;
        while let Some(row) = rows.next().map_err(&database)? {
            let ordinal = row.get::<_, i64>(0).map_err(&database)?.unsigned_abs();
            let account = usize::try_from(row.get::<_, i64>(1).map_err(&database)?).unwrap_or(usize::MAX);
            let operation: String = row.get(2).map_err(&database)?;
            each(ordinal, account, &operation, Fingerprint(row.get(3).map_err(&database)?));
        }
        Ok(())
    }

    /// The run as a whole.
    ///
    /// # Errors
    /// Where the database cannot be read, or the records contradict each other.
    pub fn overview(&self) -> Result<Overview, JournalError> {
        let mut overview = Overview::default();
        let states = self.states_and(|kept| overview.take(&kept.record))?;
        states.iter().for_each(|state| overview.count(state.phase));
        Ok(overview)
    }

    /// The run as a whole, but for what is told of each action: none is counted, and `last_at` is that of the other records. Cheap
    /// however many actions there are.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn course(&self) -> Result<Overview, JournalError> {
        let mut overview = Overview::default();
        let mut statement = self.connection.prepare(scan::COURSE).map_err(self.database())?;
        let mut walk = Walk::all(&mut statement).map_err(|error| self.error(error))?;
        while let Some(kept) = walk.next().map_err(|error| self.error(error))? {
            overview.take(&kept.record);
        }
        Ok(overview)
    }

    /// When the first process began.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn began_at(&self) -> Result<Option<Timestamp>, JournalError> {
        let mut statement = self.connection.prepare(scan::COURSE).map_err(self.database())?;
        let mut walk = Walk::all(&mut statement).map_err(|error| self.error(error))?;
        while let Some(kept) = walk.next().map_err(|error| self.error(error))? {
            if let Record::Began { at, .. } = kept.record {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// How many actions repeat another, and are never sent.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn duplicates(&self) -> Result<u64, JournalError> {
        if self.alike()?.none_repeats {
            return Ok(0);
        }
        self.count("SELECT count(*) FROM action WHERE duplicate_of IS NOT NULL")
    }

    /// What is told of all actions at once.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn alike(&self) -> Result<Alike, JournalError> {
        let Some(shape) = self.shape()? else { return Ok(Alike::default()) };
        Ok(shape.alike(self.actions()?))
    }

    /// How many actions there are.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn actions(&self) -> Result<u64, JournalError> {
        // They are counted from 0 on, and none is missing.
        self.count("SELECT coalesce(max(ordinal) + 1, 0) FROM action")
    }

    /// Whether an action may ever have ended in doubt, be it settled since or not.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn was_in_doubt(&self) -> Result<bool, JournalError> {
        let select =
            "SELECT count(*) FROM (SELECT 1 FROM journal WHERE outcome = 'in-doubt' OR body LIKE '%in-doubt%' LIMIT 1)";
        Ok(self.count(select)? > 0)
    }

    /// Accounts, each with an operation that actions of it ask for; every pair once.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn operations(&self) -> Result<Vec<(usize, String)>, JournalError> {
        if let Some(shape) = self.shape()? {
            return Ok(shape.operations());
        }
        let mut statement =
            self.connection.prepare("SELECT DISTINCT account, operation FROM action").map_err(self.database())?;
        let mut rows = statement.query([]).map_err(self.database())?;
        let mut operations = Vec::new();
        while let Some(row) = rows.next().map_err(self.database())? {
            let account = usize::try_from(row.get::<_, i64>(0).map_err(self.database())?).unwrap_or(usize::MAX);
            operations.push((account, row.get(1).map_err(self.database())?));
        }
        Ok(operations)
    }

    fn shape(&self) -> Result<Option<Shape>, JournalError> {
        let select = "SELECT value FROM run WHERE key = ?1";
        let text = self.connection.query_row(select, [shape::KEY], |row| row.get::<_, String>(0)).optional();
        let Some(text) = text.map_err(self.database())? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| self.unreadable(format!("shape: {error}")))
    }

    fn count(&self, select: &str) -> Result<u64, JournalError> {
        let count = self.connection.query_row(select, [], |row| row.get::<_, i64>(0));
        Ok(count.map_err(JournalError::database(&self.path))?.unsigned_abs())
    }

    pub(super) fn database(&self) -> impl FnOnce(rusqlite::Error) -> JournalError {
        JournalError::database(&self.path)
    }

    pub(super) fn error(&self, unreadable: Unreadable) -> JournalError {
        match unreadable {
            Unreadable::Database(source) => JournalError::Database { path: self.path.clone(), source },
            Unreadable::Row(what) => self.unreadable(what),
        }
    }

    pub(super) fn damaged(&self, source: IllegalRecord) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), source }
    }

    pub(super) fn unreadable(&self, what: String) -> JournalError {
        JournalError::Unreadable { path: self.path.clone(), what }
    }
}

/// Rows that are looked through to read actions ahead, and actions that are read.
const LOOKED_THROUGH: u32 = 255;
const READ_AHEAD: u32 = 64;
