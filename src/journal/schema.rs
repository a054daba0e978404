//! The run database: its tables and their version. The format's only description.
//!
//! `run` holds the run's constants as JSON texts (and what [`super::shape`] has to say), `action` the checked plan in plan order, each with its fingerprint and where its certificate is, for which its
//! ordinal stands everywhere else; `journal` the records. A record's key is the action that it moves (-1 where it moves none) and
//! its place in the order of writing; what every action has is in columns, any other record is a JSON text in `body`. Everything
//! else is the fold of `journal`.
//!
//! Version 3. Version 2 had a row for each intent. Version 1 had all records as JSON texts, without the steady clock, in a table
//! `record`, no fingerprints and no certificates. Earlier versions are read through views, and made this one when they are first
//! written again.

use super::JournalError;
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

/// Marks a file as a certsweep run (`csrn`).
const APPLICATION_ID: i32 = 0x6373_726e;
/// The version that this program writes.
const VERSION: i32 = 3;

const TABLES: &str = "
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE action (
  ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL, account INTEGER NOT NULL, operation TEXT NOT NULL, target TEXT NOT NULL,
  reason TEXT, reason_sent TEXT, parameters TEXT NOT NULL, needs TEXT, not_before TEXT, source TEXT NOT NULL, kept TEXT,
  duplicate_of TEXT, fingerprint BLOB, certificate TEXT);
";

/// Instants in microseconds since 1970; `steady` in microseconds of the clock that never jumps. An intent goes for the first attempts
/// of all actions from its own `through` another, at its own moment and in places of the order of writing that follow its own; for its own
/// action alone without one.
const JOURNAL: &str = "
CREATE TABLE journal (
  ordinal INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT, at INTEGER, steady INTEGER, attempt INTEGER, effect TEXT,
  counts INTEGER, outcome TEXT, http_status INTEGER, code TEXT, message TEXT, reference TEXT, body TEXT,
  through INTEGER, PRIMARY KEY (ordinal, seq)) WITHOUT ROWID;
";

const FROM_VERSION_1: &str = "
SELECT coalesce(ordinal, -1) AS ordinal, seq, NULL AS kind, NULL AS at, NULL AS steady, NULL AS attempt, NULL AS effect,
  NULL AS counts, NULL AS outcome, NULL AS http_status, NULL AS code, NULL AS message, NULL AS reference, body,
  NULL AS through FROM main.record
";

/// Makes the tables in a new file.
pub(super) fn create(path: &Path) -> Result<Connection, JournalError> {
    let connection = Connection::open(path).map_err(JournalError::database(path))?;
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA application_id = {APPLICATION_ID};
             PRAGMA user_version = {VERSION}; {TABLES} {JOURNAL}"
        ))
        .map_err(JournalError::database(path))?;
    Ok(connection)
}

/// Opens an existing run for writing: write-ahead log, every commit synced.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, JournalError> {
    let (connection, version) = open(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;")
        .map_err(JournalError::database(path))?;
    let renewed = match version {
        1 => format!(
            "{JOURNAL} INSERT INTO journal {FROM_VERSION_1}; DROP TABLE record;
             ALTER TABLE action ADD COLUMN fingerprint BLOB; ALTER TABLE action ADD COLUMN certificate TEXT;"
        ),
        2 => "ALTER TABLE journal ADD COLUMN through INTEGER;".to_owned(),
        _ => return Ok(connection),
    };
    let renew = format!("BEGIN IMMEDIATE; {renewed} PRAGMA user_version = {VERSION}; COMMIT;");
    connection.execute_batch(&renew).map_err(JournalError::database(path))?;
    Ok(connection)
}

/// Opens an existing run for reading; another process may be writing it.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, JournalError> {
    // Reading a write-ahead log needs its shared index, which a read-only connection can only use where it may write it.
    let writable = open(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE);
    let (connection, version) = writable.or_else(|_| open(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    // Views of this connection alone; the file stays as it is.
    let views = match version {
        1 => format!(
            "CREATE TEMP VIEW journal AS {FROM_VERSION_1};
             CREATE TEMP VIEW action AS SELECT *, NULL AS fingerprint, NULL AS certificate FROM main.action;"
        ),
        2 => "CREATE TEMP VIEW journal AS SELECT *, NULL AS through FROM main.journal;".to_owned(),
        _ => String::new(),
    };
    connection.execute_batch(&format!("{views} PRAGMA query_only = ON;")).map_err(JournalError::database(path))?;
    Ok(connection)
}

fn open(path: &Path, flags: rusqlite::OpenFlags) -> Result<(Connection, i32), JournalError> {
    // A connection stays with one thread; SQLite's own mutex would be taken for every column of every row.
    let flags = flags | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(JournalError::database(path))?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(JournalError::database(path))?;
    // Runs are read and written from one end to the other: few pages are ever met again.
    connection.pragma_update(None, "cache_size", -512).map_err(JournalError::database(path))?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if pragma("application_id").map_err(JournalError::database(path))? != APPLICATION_ID {
        return Err(JournalError::NotARun { path: path.to_path_buf() });
    }
    let version = pragma("user_version").map_err(JournalError::database(path))?;
    if version > VERSION {
        return Err(JournalError::Newer { path: path.to_path_buf(), version });
    }
    Ok((connection, version))
}
