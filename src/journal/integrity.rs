//! What tells that something of a run is lost: the marks say how much there must be, and a watch whether the run directory that a process works
//! on, and the files in it that count, are still those that it began with. Repairs nothing.
//!
//! The file `marks` says how many records each process has written. SQLite takes a write-ahead log to end at the first frame that does not
//! fit, be it torn, damaged, cut or an older copy, and goes on from there as if no more had been written. Beside the marks that is seen.
//! A process's mark is written after each commit, and so never says more than is durable. Before an intent leaves whose request must not
//! be sent twice, the mark is synced too. Each process has an entry of two slots, written in turn: one that is torn by a power cut leaves
//! the one before. A slot is a line that people can read.

use super::JournalError;
use super::files::private_file;
use super::schema::DATABASE;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What one process has written, at the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The process; the run's first is 1.
    pub(super) process: u64,
    /// The checksum of what is constant in the run ([`super::schema::run_checksum`]): records of one run mean nothing beside the actions of another.
    /// Runs of former versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<i64>,
    /// Its records.
    pub(super) records: u64,
    /// The sum of their checksums.
    pub(super) sum: u64,
    /// The key of the last one: its action (-1 where it has none), and its place in the order of writing.
    pub(super) ordinal: i64,
    /// See `ordinal`.
    pub(super) seq: u64,
}

/// The marks of a run, in the order of its processes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Marks(pub(super) Vec<Mark>);

/// The records that were read, by the processes that wrote them, as far as the marks go.
#[derive(Debug, Clone)]
pub(super) struct RecordCount<'m> {
    marks: &'m Marks,
    /// Records, and the sum of their checksums.
    found: Vec<(u64, u64)>,
}

/// The mark of this process.
#[derive(Debug)]
pub(super) struct MarkWriter {
    file: File,
    mark: Mark,
    /// The slot that is written next: 0 or 1.
    slot: u64,
    syncs: bool,
}

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

impl Mark {
    const fn begin(process: u64, run: i64) -> Self {
        Self { process, run: Some(run), records: 0, sum: 0, ordinal: -1, seq: 0 }
    }

    /// Counts a record.
    pub(super) fn count(&mut self, ordinal: i64, seq: u64, checksum: u32) {
        self.records += 1;
        self.sum = self.sum.wrapping_add(u64::from(checksum));
        (self.ordinal, self.seq) = (ordinal, seq);
    }

    fn line(&self) -> io::Result<Vec<u8>> {
        let text = serde_json::to_string(self)?;
        Ok(format!("{:08x} {text:<width$}\n", crc32fast::hash(text.as_bytes()), width = SLOT - 10).into_bytes())
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let mark: Self = serde_json::from_str(text.split_once(' ')?.1).ok()?;
        // Every byte counts, also the blanks.
        (mark.line().ok()? == line).then_some(mark)
    }
}

impl Marks {
    /// Makes the file of a run that no process has worked on.
    pub(super) fn make(run: &Path) -> Result<(), JournalError> {
        let path = run.join(MARKS);
        private_file(&path).and_then(|file| file.sync_all()).map_err(JournalError::file(&path, "making"))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// Where it is not there, or is not what this program writes. It may just be being written: whoever is not sure asks again.
    pub(super) fn read(run: &Path) -> Result<Self, JournalError> {
        let path = run.join(MARKS);
        let damaged = |what: &str| JournalError::incomplete(run, format!("its file `{MARKS}` {what}"));
        match path.metadata() {
            Ok(about) if about.is_file() && about.len() <= MAX_BYTES => {}
            Ok(_) => return Err(damaged("is not what certsweep writes")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged("is not there, which says how many records there must be"));
            }
            Err(source) => return Err(JournalError::File { path, action: "reading", source }),
        }
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
        read.map_err(JournalError::file(&path, "reading"))?;
        Self::parse(&bytes).ok_or_else(|| damaged("is damaged"))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let entries = bytes.chunks(ENTRY).zip(1..).map(|(entry, process)| {
            // Of a last entry that is shorter nothing is taken for one.
            let slots = entry.chunks_exact(SLOT).filter_map(Mark::parse).filter(|mark| mark.process == process);
            slots.max_by_key(|mark| mark.records).filter(|_| entry.len() == ENTRY)
        });
        entries.collect::<Option<Vec<Mark>>>().map(Self)
    }
}

impl<'m> RecordCount<'m> {
    /// Nothing was read yet.
    pub(super) fn new(marks: &'m Marks) -> Self {
        Self { marks, found: vec![(0, 0); marks.0.len()] }
    }

    /// Takes in what was read. What came after the marks is not known to them.
    pub(super) fn take(&mut self, process: u64, seq: u64, checksum: u32) {
        let index = usize::try_from(process).ok().and_then(|process| process.checked_sub(1));
        let Some(index) = index.filter(|index| self.marks.0.get(*index).is_some_and(|mark| seq <= mark.seq)) else {
            return;
        };
        let (records, sum) = &mut self.found[index];
        *records += 1;
        *sum = sum.wrapping_add(u64::from(checksum));
    }

    /// What is not as the marks say, where something is not, after every record was taken in.
    pub(super) fn missing(&self) -> Option<String> {
        let with_marks = || self.found.iter().zip(&self.marks.0);
        let (found, known) =
            with_marks().fold((0, 0), |(found, known), ((records, _), mark)| (found + records, known + mark.records));
        if found != known {
            return Some(format!("{known} records were written, and {found} of them are there"));
        }
        with_marks()
            .any(|((_, sum), mark)| *sum != mark.sum)
            .then(|| "its records are not those that were written".to_owned())
    }
}

impl MarkWriter {
    /// Makes the entry of a process that works on the run with this checksum, and syncs it: without it no record of the process is taken for one.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn begin(run: &Path, process: u64, checksum: i64, syncs: bool) -> Result<Self, JournalError> {
        let path = run.join(MARKS);
        let begin = || {
            let file = OpenOptions::new().write(true).open(&path)?;
            let mut writer = Self { file, mark: Mark::begin(process, checksum), slot: 0, syncs };
            let line = writer.mark.line()?;
            writer.put(&[line.as_slice(), &line].concat())?;
            if syncs {
                writer.file.sync_all()?;
            }
            Ok(writer)
        };
        begin().map_err(JournalError::file(&path, "writing"))
    }

    /// What is written so far.
    pub(super) const fn mark(&self) -> Mark {
        self.mark
    }

    /// Writes how much there is now, which is durable already; `sync` has this made durable too.
    ///
    /// # Errors
    /// Where that fails.
    pub(super) fn advance(&mut self, mark: Mark, sync: bool) -> io::Result<()> {
        self.put(&mark.line()?)?;
        self.mark = mark;
        self.slot = 1 - self.slot;
        if sync { self.sync() } else { Ok(()) }
    }

    /// Has what is written made durable.
    ///
    /// # Errors
    /// Where that fails.
    pub(super) fn sync(&self) -> io::Result<()> {
        // The file keeps its length: there is nothing but the content to be synced.
        if self.syncs { self.file.sync_data() } else { Ok(()) }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start((self.mark.process - 1) * ENTRY as u64 + self.slot * SLOT as u64))?;
        self.file.write_all(bytes)
    }
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

/// The file of the marks.
pub(super) const MARKS: &str = "marks";
/// Bytes of a slot: a sector, which is written whole or not at all on most disks.
const SLOT: usize = 512;
/// Bytes of a process's entry.
const ENTRY: usize = 2 * SLOT;
/// Nobody resumes a run more often than that.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// What is watched in a run directory beside itself. What SQLite has open must be at its place: another process that opened another file
/// there would know nothing of what is written here.
const FILES: [&str; 5] = ["lock", MARKS, DATABASE, "run.sqlite-wal", "run.sqlite-shm"];

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "these files need not survive a crash")]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_its_slots_are_written_in_turn() {
        let place = tempfile::tempdir().unwrap();
        Marks::make(place.path()).unwrap();
        assert_eq!(Marks::read(place.path()).unwrap(), Marks::default());
        let mut first = MarkWriter::begin(place.path(), 1, -7, true).unwrap();
        let mut written = Vec::new();
        for seq in 1..=3 {
            let mut mark = first.mark();
            mark.count(-1, seq, 7);
            first.advance(mark, seq == 3).unwrap();
            assert_eq!(Marks::read(place.path()).unwrap().0, [mark]);
            written.push(mark);
        }
        let second = MarkWriter::begin(place.path(), 2, -7, true).unwrap();
        let both = Marks(vec![written[2], second.mark()]);
        assert_eq!(Marks::read(place.path()).unwrap(), both);
        // A slot that is torn leaves the one before.
        let bytes = fs::read(place.path().join(MARKS)).unwrap();
        let torn = |at: usize| {
            let mut torn = bytes.clone();
            torn[at] ^= 1;
            Marks::parse(&torn).map(|marks| marks.0[0])
        };
        assert_eq!((torn(20), torn(SLOT - 2), torn(SLOT + 20)), (Some(written[1]), Some(written[1]), Some(written[2])));
        for damaged in [&bytes[..ENTRY + 5], &bytes[..ENTRY + SLOT], &[0; ENTRY], &bytes[ENTRY..], b"x"] {
            assert_eq!(Marks::parse(damaged), None);
        }
        fs::remove_file(place.path().join(MARKS)).unwrap();
        assert!(Marks::read(place.path()).is_err());
    }

    #[test]
    fn what_is_missing_or_another_is_told() {
        let mark = |process, records, sum, seq| Mark { process, run: None, records, sum, ordinal: 0, seq };
        let marks = Marks(vec![mark(1, 2, 30, 11), mark(2, 1, 5, 20)]);
        let missing = |records: &[(u64, u64, u32)]| {
            let mut tally = RecordCount::new(&marks);
            records.iter().for_each(|(process, seq, checksum)| tally.take(*process, *seq, *checksum));
            tally.missing()
        };
        let whole = [(1, 10, 10), (1, 11, 20), (2, 20, 5)];
        assert_eq!(missing(&whole), None);
        // What came after the marks is there too.
        assert_eq!(missing(&[&whole[..], &[(1, 12, 9), (3, 1, 9)]].concat()), None);
        assert_eq!(missing(&whole[1..]).as_deref(), Some("3 records were written, and 2 of them are there"));
        let altered = [(1, 10, 10), (1, 11, 21), (2, 20, 5)];
        assert_eq!(missing(&altered).as_deref(), Some("its records are not those that were written"));
    }

    #[test]
    fn what_is_removed_moved_or_replaced_is_noticed() {
        let place = tempfile::tempdir().unwrap();
        let run = place.path().join("run");
        let fresh = || {
            drop(fs::remove_dir_all(&run));
            fs::create_dir(&run).unwrap();
            FILES.iter().for_each(|name| fs::write(run.join(name), "x").unwrap());
            let held: Vec<_> = FILES.iter().map(|name| File::open(run.join(name)).unwrap()).collect();
            (RunWatch::of(&run), File::open(&run).unwrap(), held)
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
