//! The run directory: the checked actions and the journal of what happened to them, in one SQLite file; and what can go wrong with it.
//!
//! Records are events; the state of a run is the fold of its records ([`state`]), for a running process, `resume`, `status` and
//! `report` alike. Knows no HTTP and no async runtime.

pub mod dir;
pub mod files;
mod integrity;
pub mod live_control;
mod queue;
pub mod reader;
mod record;
mod rows;
pub mod run_index;
mod salvage;
mod schema;
pub mod state;
mod writer;

pub use dir::{RunDir, RunMaker};
pub use integrity::RunWatch;
pub use queue::{Queue, QueueItem};
pub use reader::Reader;
pub use record::{IssuedCertificate, Record, Reply, StoredRecord};
pub use rows::ToSend;
pub use schema::RunFacts;
pub use state::{ActionState, History, Phase, Settlement, States, Verified, WhyInDoubt};
pub use writer::{Durability, Journal};

use crate::text::file;
use rusqlite::ErrorCode;
use state::IllegalRecord;
use std::path::{Path, PathBuf};

/// What can go wrong with a run directory. Each error names the path and keeps its cause.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// SQLite failed.
    #[error("{}: the run's database failed: {source}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
    /// A file or directory could not be made, read or written.
    #[error("{}: {action} failed: {}", path.display(), file::reason(source))]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// There is something at the place already.
    #[error("{}: the run directory exists already; name another with --run-dir, or go on with `certsweep resume {}`", path.display(), path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// A file that the plan names is not what was checked.
    #[error("{}: this file was changed after it was checked; nothing was sent. Run the plan again: it is checked anew", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// There is no run.
    #[error("{}: this is no run directory of certsweep", path.display())]
    NotARun {
        /// The path.
        path: PathBuf,
    },
    /// A later certsweep wrote it.
    #[error("{}: written by a later certsweep (format {version}); use that one", path.display())]
    Newer {
        /// The path.
        path: PathBuf,
        /// Its format version.
        version: i32,
    },
    /// A certsweep from before the first release wrote it, whose format is not read any more.
    #[error("{}: written by a development version of certsweep (format {version}); finish this run with the certsweep that began it", path.display())]
    Older {
        /// The path.
        path: PathBuf,
        /// Its format version.
        version: i32,
    },
    /// Another process has it.
    #[error("{}: another certsweep process is working on this run", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Something of the run was taken away from the process that works on it.
    #[error("{} was removed, moved, replaced or cut while this process works on the run; nothing more is sent. {}", path.display(), remedy(run, path))]
    Taken {
        /// The run directory.
        run: PathBuf,
        /// What was taken away: the directory, or a file in it.
        path: PathBuf,
    },
    /// Not all is there that must be.
    #[error("{}: {what}; nothing is sent. {}", run.display(), whole_copy(run))]
    Incomplete {
        /// The run directory.
        run: PathBuf,
        /// What is not there, or is not what it was.
        what: String,
    },
    /// Files of two runs were put together.
    #[error("{}: its files `run.sqlite` and `marks` are of two runs; nothing is sent. Put back the file that was there before", run.display())]
    OfTwoRuns {
        /// The run directory.
        run: PathBuf,
    },
    /// The records contradict each other.
    #[error("{}: the journal is damaged: {source}. {}", path.display(), salvage(path))]
    Damaged {
        /// The database.
        path: PathBuf,
        /// The contradiction.
        source: IllegalRecord,
    },
    /// A text in the database is not what this program writes.
    #[error("{}: the journal is damaged: {what}. {}", path.display(), salvage(path))]
    Unreadable {
        /// The database.
        path: PathBuf,
        /// Which text, and why.
        what: String,
    },
    /// The journal's thread is gone, after an earlier failure.
    #[error("the journal is closed after an earlier failure")]
    Closed,
}

impl JournalError {
    /// SQLite's failure, which may be that the file is not what SQLite wrote.
    fn database(path: &Path) -> impl Fn(rusqlite::Error) -> Self + '_ {
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Unreadable { path: path.to_path_buf(), what: source.to_string() }
            }
            _ => Self::Database { path: path.to_path_buf(), source },
        }
    }

    fn incomplete(run: &Path, what: impl Into<String>) -> Self {
        Self::Incomplete { run: run.to_path_buf(), what: what.into() }
    }

    fn file<'a>(path: &'a Path, action: &'static str) -> impl Fn(std::io::Error) -> Self + 'a {
        move |source| Self::File { path: path.to_path_buf(), action, source }
    }
}

/// What to do about a database that is damaged.
fn salvage(database: &Path) -> String {
    whole_copy(database.parent().unwrap_or(database))
}

/// What to do about a run that is not whole.
fn whole_copy(run: &Path) -> String {
    format!("If there is a whole copy, put it back; {}", READ_DAMAGED.replace("RUN_DIR", &run.display().to_string()))
}

/// What to do about something that was taken away.
fn remedy(run: &Path, path: &Path) -> String {
    let resume = format!("`certsweep resume {}` goes on", run.display());
    // What says nothing of the run is made anew.
    if path.ends_with("lock") || path.ends_with("run.sqlite-shm") {
        return resume;
    }
    format!("Put it back, and {resume}; {}", READ_DAMAGED.replace("RUN_DIR", &run.display().to_string()))
}

/// How a run is read that is not whole.
const READ_DAMAGED: &str = "`certsweep report RUN_DIR --salvage` shows what can be read, and what cannot be known";
