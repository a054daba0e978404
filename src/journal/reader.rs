//! Reads a run: its constants, its actions, and the fold of its records. Also while another process writes it.

use super::actions::{ACTION, RawAction};
use super::queue::Queue;
use super::record::Record;
use super::rows::{COLUMNS, Kept, Unreadable, to_sql};
use super::state::{ActionState, History, IllegalRecord, Phase, States};
use super::{JournalError, schema};
use crate::plan::checked::Fingerprint;
use crate::plan::{Action, Settings};
use crate::run::{Ordinal, Outcome};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
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
    connection: Connection,
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
    /// The windows that `certsweep pace` has set, by account's index.
    pub limits: BTreeMap<usize, Vec<String>>,
}

impl Reader {
    /// Opens a run's database.
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        Ok(Self { connection: schema::open_for_reading(path)?, path: path.to_path_buf() })
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

    /// An action and those of the same account that come soon after it, in plan order.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn actions_from(&self, ordinal: Ordinal, account: usize) -> Result<Vec<Action>, JournalError> {
        let database = JournalError::database(&self.path);
        // Among the actions of other accounts an account's own may be rare: the rows that are looked through are bounded, too.
        let select = format!(
            "SELECT {ACTION} FROM action WHERE ordinal BETWEEN ?1 AND ?1 + {LOOKED_THROUGH} AND account = ?2 LIMIT {READ_AHEAD}"
        );
        let mut statement = self.connection.prepare_cached(&select).map_err(&database)?;
        let rows =
            statement.query_map((to_sql(ordinal), to_sql(account as u64)), RawAction::read).map_err(&database)?;
        rows.map(|raw| raw.map_err(&database)?.parse().map_err(|what| self.unreadable(what))).collect()
    }

    /// Whether an account has an action of an operation.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn has_action(&self, account: usize, operation: &str) -> Result<bool, JournalError> {
        let found = self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM action WHERE account = ?1 AND operation = ?2)",
            (to_sql(account as u64), operation),
            |row| row.get(0),
        );
        found.map_err(JournalError::database(&self.path))
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

    /// Every action with its history, in plan order, one by one. `each` ends the walk with an error of its own.
    ///
    /// # Errors
    /// Where the database cannot be read, or the records contradict each other, or `each` says so.
    pub fn histories<E: From<JournalError>>(
        &self,
        mut each: impl FnMut(Action, History) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = JournalError::database(&self.path);
        let select = format!("SELECT {COLUMNS} FROM journal WHERE ordinal >= 0 ORDER BY ordinal, seq");
        let mut statement = self.connection.prepare(&select).map_err(&database)?;
        let mut records = statement.query([]).map_err(&database)?;
        let mut next = records.next().map_err(&database)?.map(|row| self.kept(row)).transpose()?;
        let select = format!("SELECT {ACTION} FROM action ORDER BY ordinal");
        let mut statement = self.connection.prepare(&select).map_err(&database)?;
        let mut rows = statement.query([]).map_err(&database)?;
        while let Some(row) = rows.next().map_err(&database)? {
            let raw = RawAction::read(row).map_err(&database)?;
            let action = raw.parse().map_err(|what| self.unreadable(what))?;
            let mut history = History::default();
            while let Some(kept) = next.take_if(|kept| kept.record.ordinal() == Some(action.ordinal)) {
                history = history.next(&kept.record).map_err(|source| self.damaged(source))?;
                next = records.next().map_err(&database)?.map(|row| self.kept(row)).transpose()?;
            }
            each(action, history)?;
        }
        Ok(())
    }

    /// The state of every action, by ordinal.
    ///
    /// # Errors
    /// Where the database cannot be read, or the records contradict each other.
    pub fn states(&self) -> Result<States, JournalError> {
        self.states_and(|_| ())
    }

    /// The same, while `each` is shown every record in the order of [`Self::records`]: a long journal is read once.
    ///
    /// # Errors
    /// As [`Self::states`].
    pub fn states_and(&self, mut each: impl FnMut(&Kept)) -> Result<States, JournalError> {
        let mut states = States::new(self.actions()?);
        self.records(|kept| {
            each(&kept);
            states.take(&kept.record).map_err(|source| self.damaged(source))
        })?;
        Ok(states)
    }

    /// The state of one action.
    ///
    /// # Errors
    /// Where the database cannot be read, or the records contradict each other.
    pub fn state_of(&self, ordinal: Ordinal) -> Result<ActionState, JournalError> {
        let database = JournalError::database(&self.path);
        let select = format!("SELECT {COLUMNS} FROM journal WHERE ordinal = ?1 ORDER BY seq");
        let mut statement = self.connection.prepare_cached(&select).map_err(&database)?;
        let mut rows = statement.query([to_sql(ordinal)]).map_err(&database)?;
        let mut state = ActionState::default();
        while let Some(row) = rows.next().map_err(&database)? {
            state = state.next(&self.kept(row)?.record).map_err(|source| self.damaged(source))?;
        }
        Ok(state)
    }

    /// The actions, as far as the order of sending goes.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn queue(&self) -> Result<Queue, JournalError> {
        let database = JournalError::database(&self.path);
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

    /// Every record: those that move no action first, then those of each action in plan order; both in the order of writing.
    ///
    /// # Errors
    /// Where the database cannot be read, or `each` says so.
    pub fn records(&self, mut each: impl FnMut(Kept) -> Result<(), JournalError>) -> Result<(), JournalError> {
        let database = JournalError::database(&self.path);
        let select = format!("SELECT {COLUMNS} FROM journal ORDER BY ordinal, seq");
        let mut statement = self.connection.prepare(&select).map_err(&database)?;
        let mut rows = statement.query([]).map_err(&database)?;
        while let Some(row) = rows.next().map_err(&database)? {
            each(self.kept(row)?)?;
        }
        Ok(())
    }

    /// The run as a whole.
    ///
    /// # Errors
    /// Where the database cannot be read, or the records contradict each other.
    pub fn overview(&self) -> Result<Overview, JournalError> {
        let mut overview = Overview::default();
        let states = self.states_and(|kept| {
            if !matches!(kept.record, Record::Verifying { .. } | Record::Verified { .. }) {
                overview.last_at = overview.last_at.max(Some(kept.record.at()));
            }
            match &kept.record {
                Record::Began { at, .. } => {
                    overview.began_at = overview.began_at.or(Some(*at));
                    overview.stopped = None;
                    overview.finished_at = None;
                }
                Record::Stopped { why, code, .. } => overview.stopped = Some((why.clone(), *code)),
                Record::Limited { account, windows, .. } => {
                    overview.limits.insert(*account, windows.clone());
                }
                Record::Verifying { at, .. } => overview.verified_at = Some(*at),
                Record::Finished { at } => overview.finished_at = Some(*at),
                _ => {}
            }
        })?;
        for state in states.0 {
            match state.phase {
                Phase::Ended(outcome) => *overview.outcomes.entry(outcome).or_default() += 1,
                Phase::Waiting => overview.waiting += 1,
                Phase::InFlight => {
                    overview.waiting += 1;
                    overview.in_flight += 1;
                }
            }
        }
        Ok(overview)
    }

    /// When the first process began.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn began_at(&self) -> Result<Option<Timestamp>, JournalError> {
        let database = JournalError::database(&self.path);
        let select = format!("SELECT {COLUMNS} FROM journal WHERE ordinal = -1 ORDER BY seq");
        let mut statement = self.connection.prepare(&select).map_err(&database)?;
        let mut rows = statement.query([]).map_err(&database)?;
        while let Some(row) = rows.next().map_err(&database)? {
            if let Record::Began { at, .. } = self.kept(row)?.record {
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
        self.count("SELECT count(*) FROM action WHERE duplicate_of IS NOT NULL")
    }

    /// How many actions there are.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn actions(&self) -> Result<u64, JournalError> {
        self.count("SELECT count(*) FROM action")
    }

    fn count(&self, select: &str) -> Result<u64, JournalError> {
        let count = self.connection.query_row(select, [], |row| row.get::<_, i64>(0));
        Ok(count.map_err(JournalError::database(&self.path))?.unsigned_abs())
    }

    fn kept(&self, row: &Row<'_>) -> Result<Kept, JournalError> {
        Kept::read(row).map_err(|unreadable| match unreadable {
            Unreadable::Database(source) => JournalError::Database { path: self.path.clone(), source },
            Unreadable::Row(what) => self.unreadable(what),
        })
    }

    fn damaged(&self, source: IllegalRecord) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), source }
    }

    fn unreadable(&self, what: String) -> JournalError {
        JournalError::Unreadable { path: self.path.clone(), what }
    }
}

/// Rows that are looked through to read actions ahead, and actions that are read.
const LOOKED_THROUGH: u32 = 255;
const READ_AHEAD: u32 = 64;
