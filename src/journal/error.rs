//! What can go wrong with a run directory. Each error names the path and keeps its cause.

use super::state::IllegalRecord;
use std::path::{Path, PathBuf};

/// What can go wrong with a run directory.
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
    #[error("{}: {action} failed: {source}", path.display())]
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
    /// The records contradict each other.
    #[error("{}: the journal is damaged: {source}", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// The contradiction.
        source: IllegalRecord,
    },
    /// A text in the database is not what this program writes.
    #[error("{}: the journal is damaged: {what}", path.display())]
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

/// Why a row of the database cannot be taken for what it stands for.
pub(super) enum RowError {
    /// The database failed.
    Database(rusqlite::Error),
    /// It says this, which this program does not write.
    Content(String),
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl RowError {
    /// The error of the run whose database has the row.
    pub(super) fn at(self, path: &Path) -> JournalError {
        let path = path.to_path_buf();
        match self {
            Self::Database(source) => JournalError::Database { path, source },
            Self::Content(what) => JournalError::Unreadable { path, what },
        }
    }
}

impl JournalError {
    pub(super) fn database(path: &Path) -> impl Fn(rusqlite::Error) -> Self + '_ {
        move |source| Self::Database { path: path.to_path_buf(), source }
    }

    pub(super) fn file<'a>(path: &'a Path, action: &'static str) -> impl Fn(std::io::Error) -> Self + 'a {
        move |source| Self::File { path: path.to_path_buf(), action, source }
    }
}
