//! The index of the user's runs: where every run directory is, `--run-dir` or not, so that a later `run` finds what an earlier one did.
//! One file, a JSON text a line, in the user's state directory; entries are added and never changed. Opens no run.

use super::JournalError;
use super::files::{private_parents, sync};
use crate::text::file;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Where the index of runs is; nothing need be there yet.
#[derive(Debug, Clone)]
pub struct RunIndex {
    path: PathBuf,
}

/// The index, held by this process alone: between the look at earlier runs and the entry of a new one no other process adds one.
#[derive(Debug)]
pub struct LockedIndex {
    path: PathBuf,
    file: File,
}

/// A run as the index has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedRun {
    /// Its run directory, absolute.
    pub path: PathBuf,
    /// Its plan's digest: of a run directory that is gone this alone tells whose it was.
    pub digest: String,
    /// When it was entered.
    pub at: Timestamp,
}

impl RunIndex {
    /// The index in a state directory.
    pub fn below(state_directory: &Path) -> Self {
        Self { path: state_directory.join("certsweep").join("runs.jsonl") }
    }

    /// The runs that were entered, oldest first.
    ///
    /// # Errors
    /// Where the file is there and cannot be read.
    pub fn runs(&self) -> Result<Vec<IndexedRun>, JournalError> {
        match file::read_text(&self.path, MAX_BYTES) {
            Ok(text) => Ok(parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(JournalError::file(&self.path, "reading the index of runs")(error)),
        }
    }

    /// Takes the index for this process alone, making it where it is missing.
    ///
    /// # Errors
    /// Where it cannot be made or written, or another process holds it for long.
    pub fn lock(&self) -> Result<LockedIndex, JournalError> {
        let path = self.path.clone();
        let failed = JournalError::file(&path, "opening the index of runs");
        let directory = path.parent().unwrap_or(Path::new("."));
        private_parents(directory)?;
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            let source = io::Error::other("it is no regular file");
            return Err(JournalError::File { path, action: "opening the index of runs", source });
        }
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(LockedIndex { path, file }),
                // Another `run` enters its run just now, which takes as long as a sync.
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(source)) => return Err(JournalError::File { path, action: "locking", source }),
            }
        }
        let source = io::Error::new(io::ErrorKind::WouldBlock, "another process holds it");
        Err(JournalError::File { path, action: "locking", source })
    }
}

impl LockedIndex {
    /// The runs that were entered, oldest first.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn runs(&mut self) -> Result<Vec<IndexedRun>, JournalError> {
        self.text().map(|text| parse(&text)).map_err(JournalError::file(&self.path, "reading the index of runs"))
    }

    /// Enters a run, and has that on the disk before it returns. One that is there with the same digest is not entered twice.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn add(&mut self, run: &IndexedRun) -> Result<(), JournalError> {
        let mut write = || -> io::Result<()> {
            let text = self.text()?;
            if parse(&text).iter().any(|known| known.path == run.path && known.digest == run.digest) {
                return Ok(());
            }
            // A path that is no UTF-8 text has no JSON.
            let mut line = serde_json::to_string(run).map_err(io::Error::other)?;
            line.push('\n');
            // What a power cut tore must not spoil the line behind it.
            if !text.is_empty() && !text.ends_with('\n') {
                line.insert(0, '\n');
            }
            self.file.write_all(line.as_bytes())?;
            self.file.sync_all()
        };
        write().map_err(JournalError::file(&self.path, "writing the index of runs"))?;
        sync(self.path.parent().unwrap_or(Path::new(".")))
    }

    fn text(&mut self) -> io::Result<String> {
        self.file.seek(SeekFrom::Start(0))?;
        String::from_utf8(file::read_to_bound(&self.file, MAX_BYTES)?).map_err(io::Error::other)
    }
}

/// The directory for state that belongs to the user and to this machine: `$XDG_STATE_HOME` (XDG Base Directory Specification 0.8), or the
/// system's own place. `None` where the environment names none: then nothing must be written in a place that only looks like it.
pub fn state_directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // A relative path is to be ignored, as that specification says; an empty one is one.
    let directory = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let of_system = || {
        if cfg!(windows) {
            directory("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            directory("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            directory("HOME").map(|home| home.join(".local/state"))
        }
    };
    directory("XDG_STATE_HOME").or_else(of_system)
}

/// Lines that are no entry are passed over: a torn one is of a run that had sent nothing.
fn parse(text: &str) -> Vec<IndexedRun> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// How often the index is asked for.
const MAX_BYTES: u64 = 64 << 20;
const LOCK_TRIES: u32 = 500;
/// The pause between.
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn run(path: &str, digest: &str) -> IndexedRun {
        IndexedRun { path: path.into(), digest: digest.to_owned(), at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn runs_are_entered_once_and_found_again_behind_a_torn_line() {
        let place = tempfile::tempdir().unwrap();
        let index = RunIndex::below(&place.path().join("state"));
        assert_eq!(index.runs().unwrap(), []);
        index.lock().unwrap().add(&run("/a", "1")).unwrap();
        let mut torn = OpenOptions::new().append(true).open(&index.path).unwrap();
        torn.write_all(b"{\"path\":\"/to").unwrap();
        let mut locked = index.lock().unwrap();
        for (path, digest) in [("/a", "1"), ("/b\n\"", "1"), ("/a", "2"), ("/a", "2")] {
            locked.add(&run(path, digest)).unwrap();
        }
        let expected = [run("/a", "1"), run("/b\n\"", "1"), run("/a", "2")];
        assert_eq!(locked.runs().unwrap(), expected);
        assert_eq!(index.runs().unwrap(), expected);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(index.path.parent().unwrap()), mode(&index.path)), (0o700, 0o600));
        }
    }

    #[test]
    #[cfg(all(unix, not(target_os = "macos")))]
    fn the_state_directory_is_the_users_or_none() {
        for (xdg, home, expected) in [
            (None, Some("/home/kim"), Some("/home/kim/.local/state")),
            (Some("/var/state"), Some("/home/kim"), Some("/var/state")),
            (Some("relative"), Some("/home/kim"), Some("/home/kim/.local/state")),
            (Some(""), None, None),
            (None, Some(""), None),
            (None, Some("home"), None),
            (None, None, None),
        ] {
            let variable = |name: &str| match name {
                "XDG_STATE_HOME" => xdg.map(OsString::from),
                "HOME" => home.map(OsString::from),
                _ => None,
            };
            assert_eq!(state_directory(variable), expected.map(PathBuf::from), "{xdg:?} {home:?}");
        }
    }
}
