//! The run database: its tables and their version, and what is true of a run from its first moment. The format's only description.
//!
//! `run` holds the run's constants as JSON texts ([`RunFacts`], and what stands beside them); `action` the checked plan in plan order, each action with its fingerprint and where its
//! certificate is, for which its ordinal stands everywhere else; `journal` the records. A record's key is the action that it is about
//! (-1 where it is about the run as a whole) and its place in the order of writing; what every action has is in columns, any other
//! record is a JSON text in `body`. Everything else is the fold of `journal`. What decides of a row is followed by its checksum
//! ([`super::rows::RowChecksum`]), which is over all values before that column.
//!
//! Version 6 has more kinds of records than 5 and nothing else, so a run of version 5 is read as it is, and becomes one of 6 once it is
//! gone on with. Versions 1 to 4 were those of development versions; none of them was released, and they are refused.

use super::JournalError;
use crate::plan::{CheckedPlan, Settings};
use crate::run::{PlanPart, RunOrigin};
use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// Where that simulator listened: the URLs that it gave out lead there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulator_port: Option<u16>,
    /// Certificates of issuers that the plan's files gave beside those that it sends: DER in base64url.
    pub issuers: Vec<String>,
    /// Which part of the plan it is, where it is not the whole; its limits are those of the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PlanPart>,
    /// Who began it, where, and with which command; empty in runs of earlier versions.
    #[serde(default)]
    pub origin: RunOrigin,
}

impl RunFacts {
    /// Of a checked plan whose run is made at this moment, by this version, against the providers themselves.
    pub fn of(plan: &CheckedPlan, made_at: Timestamp, origin: RunOrigin) -> Self {
        Self {
            settings: plan.settings().clone(),
            digest: plan.digest().to_owned(),
            actions: plan.actions(),
            documents: plan.documents().clone(),
            made_at,
            provider_directories: Vec::new(),
            simulated: false,
            simulator_port: None,
            issuers: plan.issuers().to_vec(),
            part: plan.part(),
            origin: RunOrigin { version: env!("CARGO_PKG_VERSION").to_owned(), ..origin },
        }
    }
}

/// Makes the tables in a new file. Nothing is synced: a run directory that is not finished is made again.
pub(super) fn create(path: &Path) -> Result<Connection, JournalError> {
    let connection = Connection::open(path).map_err(JournalError::database(path))?;
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA application_id = {APPLICATION_ID};
             PRAGMA user_version = {VERSION}; {TABLES}"
        ))
        .map_err(JournalError::database(path))?;
    Ok(connection)
}

/// Opens an existing run for writing: write-ahead log, every commit synced.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, JournalError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;")
        .map_err(JournalError::database(path))?;
    Ok(connection)
}

/// Takes the write-ahead log into the database, as far as no reader is in the way.
pub(super) fn fold_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Opens an existing run for reading; another process may be writing it.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, JournalError> {
    // Reading a write-ahead log needs its shared index, which a read-only connection can only use where it may write it.
    let writable = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let connection = writable.or_else(|_| open(path, OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    connection.execute_batch("PRAGMA query_only = ON;").map_err(JournalError::database(path))?;
    Ok(connection)
}

/// The checksum of what is constant in the run: no two runs have the same, for it holds when each was made, and from what.
pub(super) fn run_checksum(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT checksum FROM run WHERE key = ?1", [FACTS], |row| row.get(0))
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, JournalError> {
    // A connection stays with one thread; SQLite's own mutex would be taken for every column of every row.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(JournalError::database(path))?;
    // The last connection's end would take the write-ahead log into the database, as far as SQLite believes it, and remove it. Of a run
    // that is damaged nothing may be lost by looking; a process that worked on it calls `fold_log`.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(JournalError::database(path))?;
    // A reader of a write-ahead log waits only while it is opened or closed by another process.
    connection.busy_timeout(Duration::from_secs(5)).map_err(JournalError::database(path))?;
    // Runs are read and written from one end to the other: few pages are ever met again.
    connection.pragma_update(None, "cache_size", -512).map_err(JournalError::database(path))?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if pragma("application_id").map_err(JournalError::database(path))? != APPLICATION_ID {
        return Err(JournalError::NotARun { path: path.to_path_buf() });
    }
    let path_of = || path.to_path_buf();
    match pragma("user_version").map_err(JournalError::database(path))? {
        OLDEST..=VERSION => Ok(connection),
        version if version < OLDEST => Err(JournalError::Older { path: path_of(), version }),
        version => Err(JournalError::Newer { path: path_of(), version }),
    }
}

/// The database's file name in a run directory.
pub(super) const DATABASE: &str = "run.sqlite";
/// Keys of the table `run`: the constants, and the operations with their accounts.
pub(super) const FACTS: &str = "facts";
pub(super) const OPERATIONS: &str = "operations";
/// Of a part of a plan: how many actions of the whole stand between one of its actions and the one before it.
pub(super) const PLACES: &str = "places";
/// The key of whether an operation of the run brings a new certificate.
pub(super) const BRINGS: &str = "brings";
/// Marks a file as a certsweep run (`csrn`).
const APPLICATION_ID: i32 = 0x6373_726e;
/// The version that this program writes. Whoever changes a table raises it, and keeps a run directory of the version before
/// in `tests/data/journals`.
const VERSION: i32 = 6;
/// The oldest version that it reads.
const OLDEST: i32 = 5;

/// Instants of `journal` in microseconds since 1970, its `steady` in microseconds of the clock that never jumps.
///
/// `duplicate_of` says why an action is never sent: the id of the one that it repeats; or, behind U+0001, which no id has, the place of the
/// exception list that names it.
///
/// SQLite decodes a row only as far as the last column that is asked for. So what is read of a million rows before anything is sent stands
/// first: what the queue needs of an action, what the fold needs of a record.
const TABLES: &str = "
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE action (
  ordinal INTEGER PRIMARY KEY, account INTEGER NOT NULL, needs TEXT, not_before TEXT, duplicate_of TEXT, operation TEXT NOT NULL,
  fingerprint BLOB NOT NULL, id TEXT NOT NULL, target TEXT NOT NULL, reason TEXT, reason_sent TEXT, source TEXT NOT NULL, kept TEXT,
  certificate TEXT, parameters TEXT NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE journal (
  ordinal INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT, at INTEGER, steady INTEGER NOT NULL, attempt INTEGER, outcome TEXT,
  effect TEXT, counts INTEGER, body TEXT, checksum INTEGER NOT NULL, http_status INTEGER, code TEXT, message TEXT, reference TEXT,
  PRIMARY KEY (ordinal, seq)) WITHOUT ROWID;
";
