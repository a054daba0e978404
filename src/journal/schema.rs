//! The run database: its tables and their version. The format's only description.
//!
//! Version 1. `run` holds the run's constants as JSON texts, `action` the checked plan in plan order, `record` the journal in
//! the order of writing; `record.ordinal` is the action that a record moves. Everything else is the fold of `record`.

use super::JournalError;
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

/// Marks a file as a certsweep run (`csrn`).
const APPLICATION_ID: i32 = 0x6373_726e;
/// The version that this program writes.
const VERSION: i32 = 1;

const TABLES: &str = "
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE action (
  ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL, account INTEGER NOT NULL, operation TEXT NOT NULL, target TEXT NOT NULL,
  reason TEXT, reason_sent TEXT, parameters TEXT NOT NULL, needs TEXT, not_before TEXT, source TEXT NOT NULL, kept TEXT,
  duplicate_of TEXT);
CREATE TABLE record (seq INTEGER PRIMARY KEY, ordinal INTEGER, body TEXT NOT NULL);
CREATE INDEX record_of_action ON record (ordinal) WHERE ordinal IS NOT NULL;
";

/// Makes the tables in a new file. Nothing is durable before `harden` is called.
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
    let connection = open(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;")
        .map_err(JournalError::database(path))?;
    Ok(connection)
}

/// Opens an existing run for reading; another process may be writing it.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, JournalError> {
    // Reading a write-ahead log needs its shared index, which a read-only connection can only use where it may write it.
    let writable = open(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE);
    let connection = writable.or_else(|_| open(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    connection.execute_batch("PRAGMA query_only = ON;").map_err(JournalError::database(path))?;
    Ok(connection)
}

fn open(path: &Path, flags: rusqlite::OpenFlags) -> Result<Connection, JournalError> {
    let connection = Connection::open_with_flags(path, flags).map_err(JournalError::database(path))?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(JournalError::database(path))?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if pragma("application_id").map_err(JournalError::database(path))? != APPLICATION_ID {
        return Err(JournalError::NotARun { path: path.to_path_buf() });
    }
    let version = pragma("user_version").map_err(JournalError::database(path))?;
    if version > VERSION {
        return Err(JournalError::Newer { path: path.to_path_buf(), version });
    }
    Ok(connection)
}
