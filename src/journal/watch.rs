//! Whether the run directory that a process works on, and the files in it that count, are still those that it began with. Only looks.

use super::JournalError;
use super::mark::MARKS;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a process works on, by the identities of the files, so that what is removed, moved or replaced is noticed.
#[derive(Debug, Clone)]
pub struct RunWatch {
    run: PathBuf,
    /// The run directory first.
    files: Vec<(PathBuf, Identity)>,
}

/// A file, whatever its name: its device and its number there, which no other file has while the process holds this one open; and its
/// length, which only grows while a run goes on (a directory's is 0).
#[derive(Debug, Clone, Copy)]
struct Identity {
    device: u64,
    number: u64,
    length: u64,
}

impl RunWatch {
    /// Of a run whose journal is open and whose lock is held.
    pub(super) fn of(run: &Path) -> Self {
        let paths = std::iter::once(run.to_path_buf()).chain(FILES.iter().map(|name| run.join(name)));
        let files = paths.filter_map(|path| identity(&path).ok().map(|identity| (path, identity)));
        Self { run: run.to_path_buf(), files: files.collect() }
    }

    /// Looks again.
    ///
    /// # Errors
    /// [`JournalError::Taken`] where one of them was removed, moved or replaced.
    pub fn look(&self) -> Result<(), JournalError> {
        match self.files.iter().find(|(path, before)| is_gone(path, *before)) {
            None => Ok(()),
            Some((path, _)) => Err(JournalError::Taken { run: self.run.clone(), path: path.clone() }),
        }
    }

    /// Takes the files to be as long as they are now. Called after each commit, so that one that is cut is noticed at the next.
    pub(super) fn note_lengths(&mut self) {
        for (path, known) in &mut self.files {
            if let Ok(now) = identity(path) {
                known.length = known.length.max(now.length);
            }
        }
    }

    /// Whether the run directory itself is still at its place.
    pub fn is_in_place(&self) -> bool {
        self.files.first().is_some_and(|(path, before)| !is_gone(path, *before))
    }

    pub(super) fn is_database_in_place(&self) -> bool {
        let database = self.files.iter().find(|(path, _)| path.ends_with(DATABASE));
        database.is_some_and(|(path, before)| !is_gone(path, *before))
    }
}

fn is_gone(path: &Path, before: Identity) -> bool {
    match identity(path) {
        Ok(now) => (now.device, now.number) != (before.device, before.number) || now.length < before.length,
        // A system that cannot say now has not said that it is another.
        Err(error) => matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    let about = fs::metadata(path)?;
    let length = if about.is_file() { about.len() } else { 0 };
    Ok(Identity { device: about.dev(), number: about.ino(), length })
}

#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    let about = fs::metadata(path)?;
    Ok(Identity { device: 0, number: 0, length: if about.is_file() { about.len() } else { 0 } })
}

/// What is watched in a run directory beside itself. What SQLite has open must be at its place: another process that opened another file
/// there would know nothing of what is written here.
const FILES: [&str; 5] = ["lock", MARKS, DATABASE, "run.sqlite-wal", "run.sqlite-shm"];
const DATABASE: &str = "run.sqlite";

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "these files need not survive a crash")]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_moved_or_replaced_is_noticed() {
        let place = tempfile::tempdir().unwrap();
        let run = place.path().join("run");
        let fresh = || {
            drop(fs::remove_dir_all(&run));
            fs::create_dir(&run).unwrap();
            FILES.iter().for_each(|name| fs::write(run.join(name), "x").unwrap());
            let held: Vec<_> = FILES.iter().map(|name| fs::File::open(run.join(name)).unwrap()).collect();
            (RunWatch::of(&run), fs::File::open(&run).unwrap(), held)
        };
        let ((watch, ..), told) = (fresh(), |watch: &RunWatch| watch.look().err().map(|error| error.to_string()));
        fs::write(run.join("run.sqlite"), "xy").unwrap();
        fs::write(run.join("report.csv"), "").unwrap();
        assert_eq!(told(&watch), None, "what is written in place is no other file");
        let mut watch = watch;
        watch.note_lengths();
        fs::write(run.join("run.sqlite"), "x").unwrap();
        assert!(told(&watch).is_some(), "but one that is cut is not what it was");
        for name in FILES {
            let (watch, _directory, _files) = fresh();
            fs::remove_file(run.join(name)).unwrap();
            assert!(told(&watch).unwrap().contains(name));
            fs::write(place.path().join("other"), "x").unwrap();
            fs::rename(place.path().join("other"), run.join(name)).unwrap();
            assert!(told(&watch).unwrap().contains(name));
            assert!(watch.is_in_place());
        }
        let (watch, _directory, _files) = fresh();
        fs::rename(&run, place.path().join("moved")).unwrap();
        assert!(told(&watch).is_some() && !watch.is_in_place() && !watch.is_database_in_place());
        fs::create_dir(&run).unwrap();
        assert!(told(&watch).is_some() && !watch.is_in_place());
    }
}
