//! A damaged run, as far as it can be read: each action that can be read, each record whose checksum holds. How an action ended whose
//! records may be lost is not known, and so it is in doubt. Of the run itself nothing is changed; a copy of its database may be made.
//!
//! The copy has what stands in SQLite's write-ahead log behind frames that are damaged. SQLite itself ends at the first one; what was written
//! behind it is whole, since each frame has its own checksum. Format: <https://sqlite.org/fileformat2.html#the_write_ahead_log>.

use super::JournalError;
use super::files::{private_dir, private_file};
use super::record::StoredRecord;
use super::rows::{ACTION_RECORDS, RowChecksum, to_sql};
use super::schema::DATABASE;
use super::state::{ActionState, History, Phase, WhyInDoubt};
use crate::run::{Ordinal, Outcome};
use rusqlite::Connection;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How a damaged run is read.
#[derive(Debug, Clone)]
pub(super) struct Salvage {
    /// What is wrong, without what to do about it.
    pub(super) damage: String,
    /// How many actions there are.
    pub(super) actions: u64,
    /// The newest process that is known to have worked on the run; where that is not known, anything may be lost of a later one.
    pub(super) newest: u64,
    /// Whether every record was found all the same, behind the damage.
    pub(super) is_whole: bool,
}

/// A database with all that its log holds, but for the frames that are damaged, in a directory of its own, which goes with this value.
#[derive(Debug)]
pub(super) struct Rebuilt {
    directory: PathBuf,
}

/// A frame whose checksum holds.
struct Frame {
    /// Where its page begins in the log.
    at: u64,
    /// The page's number in the database, from 1.
    page: u64,
    /// Pages of the database after the transaction that ends here; 0 where none does.
    commits: u64,
}

impl Salvage {
    /// Because of an error. `known` processes are in the marks, where these can be read, and `found` ones in the records.
    pub(super) fn of(error: JournalError, known: Option<u64>, found: u64) -> Self {
        let damage = match error {
            JournalError::Incomplete { what, .. } | JournalError::Unreadable { what, .. } => what,
            JournalError::Database { source, .. } => source.to_string(),
            other => other.to_string(),
        };
        Self { damage, actions: 0, newest: known.map_or(u64::MAX, |known| known.max(found)), is_whole: false }
    }

    /// The fold of the records of an action, as far as they can be read. One that is `never_sent` has none that would matter.
    pub(super) fn history(&self, connection: &Connection, ordinal: Ordinal, never_sent: bool) -> History {
        let (mut history, mut process) = (History::default(), 0);
        let is_whole = each_record(connection, ordinal, |stored| {
            process = stored.process();
            history.take(stored.record);
        });
        let is_known = self.is_whole || never_sent || survives(history.state, process == self.newest);
        if !(is_whole && is_known) {
            history.fall_into(WhyInDoubt::Lost);
        }
        history
    }
}

impl Rebuilt {
    /// Makes one in `directory`, which must not be there. `None` where no frame is damaged, or none is whole.
    ///
    /// # Errors
    /// Where the files cannot be read or written.
    pub(super) fn of(database: &Path, directory: PathBuf) -> io::Result<Option<Self>> {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let mut log = File::open(log)?;
        let mut head = [0; 100];
        File::open(database)?.read_exact(&mut head)?;
        // 1 stands for 65,536, which does not fit.
        let size = match u16::from_be_bytes([head[16], head[17]]) {
            1 => 65_536,
            size => u64::from(size).max(512),
        };
        let (mut frames, damaged) = frames(&mut log, size)?;
        let committed = frames.iter().rposition(|frame| frame.commits > 0).map_or(0, |last| last + 1);
        frames.truncate(committed);
        let Some(pages) = frames.last().map(|frame| frame.commits).filter(|_| damaged) else { return Ok(None) };
        private_dir(&directory).map_err(io::Error::other)?;
        let rebuilt = Self { directory };
        let mut copy = private_file(&rebuilt.database())?;
        io::copy(&mut File::open(database)?, &mut copy)?;
        let mut page = vec![0; usize::try_from(size).unwrap_or_default()];
        for frame in &frames {
            log.seek(SeekFrom::Start(frame.at))?;
            log.read_exact(&mut page)?;
            copy.seek(SeekFrom::Start((frame.page - 1) * size))?;
            copy.write_all(&page)?;
        }
        copy.set_len(pages * size)?;
        // From now on it is a database without a log.
        copy.seek(SeekFrom::Start(18))?;
        copy.write_all(&[1, 1])?;
        Ok(Some(rebuilt))
    }

    /// Where it is.
    pub(super) fn database(&self) -> PathBuf {
        self.directory.join(DATABASE)
    }
}

impl Drop for Rebuilt {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// Hands out an action's records that can be read; whether these are all that are there.
fn each_record(connection: &Connection, ordinal: Ordinal, mut each: impl FnMut(StoredRecord)) -> bool {
    let Ok(mut statement) = connection.prepare_cached(ACTION_RECORDS) else { return false };
    let Ok(mut rows) = statement.query([to_sql(ordinal), to_sql(ordinal + 1)]) else { return false };
    let (mut checksums, mut all) = (RowChecksum::default(), true);
    loop {
        match rows.next() {
            Ok(Some(row)) => match StoredRecord::read(row, &mut checksums) {
                Ok((stored, _)) if stored.record.ordinal() == Some(ordinal) => each(stored),
                _ => all = false,
            },
            Ok(None) => return all,
            Err(_) => return false,
        }
    }
}

/// Whether what the found records say of an action holds although others may be lost; `newest` where no process has worked on the run
/// after the one that wrote the last of them.
const fn survives(state: ActionState, newest: bool) -> bool {
    match state.phase {
        // Nothing is sent after these, whoever resumes.
        Phase::Ended(Outcome::Succeeded | Outcome::AlreadyDone | Outcome::PendingApproval) => true,
        // A later process may have taken it up again (`resume --retry`).
        Phase::Ended(_) => newest,
        Phase::Waiting | Phase::InFlight => false,
    }
}

/// The frames that are whole, in order, and whether others are not.
fn frames(log: &mut File, size: u64) -> io::Result<(Vec<Frame>, bool)> {
    let length = log.metadata()?.len();
    let mut head = [0; 32];
    log.seek(SeekFrom::Start(0))?;
    log.read_exact(&mut head)?;
    let big_endian = word(&head, 0) == 0x377f_0683;
    let mut salts = (word(&head, 16), word(&head, 20));
    let mut before = (word(&head, 24), word(&head, 28));
    let (mut frames, mut damaged) = (Vec::new(), false);
    let mut frame = vec![0; usize::try_from(24 + size).unwrap_or_default()];
    for number in 0..length.saturating_sub(32) / (24 + size) {
        log.read_exact(&mut frame)?;
        let found = (word(&frame, 8), word(&frame, 12));
        let after = (word(&frame, 16), word(&frame, 20));
        if number == 0 && found != salts {
            // The log's head is damaged, or the frame's: whichever, the others say whose they are.
            damaged = true;
            salts = found;
        }
        let is_whole = checksum(big_endian, &[&frame[..8], &frame[24..]], before) == after;
        // Each frame's checksum goes on from the one before, as it is written there: so damage ends with its frame.
        before = after;
        let page = u64::from(word(&frame, 0));
        // Behind the end stand frames of an earlier round, with other salts.
        if found != salts || !is_whole || page == 0 {
            damaged |= found == salts;
            continue;
        }
        frames.push(Frame { at: 32 + number * (24 + size) + 24, page, commits: u64::from(word(&frame, 4)) });
    }
    Ok((frames, damaged))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn checksum(big_endian: bool, parts: &[&[u8]], before: (u32, u32)) -> (u32, u32) {
    let words = parts.iter().flat_map(|part| part.chunks_exact(8));
    words.fold(before, |(one, other), words| {
        let number = |at| if big_endian { word(words, at) } else { word(words, at).swap_bytes() };
        let one = one.wrapping_add(number(0)).wrapping_add(other);
        (one, other.wrapping_add(number(4)).wrapping_add(one))
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "these files need not survive a crash")]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_sent_since_is_not_known() {
        for (phase, newest, expected) in [
            (Phase::Waiting, true, false),
            (Phase::InFlight, true, false),
            (Phase::Ended(Outcome::Succeeded), false, true),
            (Phase::Ended(Outcome::AlreadyDone), false, true),
            (Phase::Ended(Outcome::PendingApproval), false, true),
            (Phase::Ended(Outcome::Failed), true, true),
            (Phase::Ended(Outcome::Failed), false, false),
            (Phase::Ended(Outcome::Rejected), false, false),
            (Phase::Ended(Outcome::Skipped), false, false),
            (Phase::Ended(Outcome::InDoubt), false, false),
        ] {
            let state = ActionState { phase, ..ActionState::default() };
            assert_eq!(survives(state, newest), expected, "{phase:?} {newest}");
        }
    }

    #[test]
    fn what_stands_behind_a_damaged_frame_is_read() {
        let place = tempfile::tempdir().unwrap();
        let (source, database) = (place.path().join("source"), place.path().join("db"));
        let connection = Connection::open(&source).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)")
            .unwrap();
        for number in 0..40 {
            connection.execute("INSERT INTO t VALUES (?1, ?2)", (number, "x".repeat(300))).unwrap();
        }
        let log = |name: &str| place.path().join(format!("{name}-wal"));
        fs::copy(&source, &database).unwrap();
        let bytes = fs::read(log("source")).unwrap();
        let count = |damage: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = bytes.clone();
            damage(&mut bytes);
            fs::write(log("db"), bytes).unwrap();
            let rebuilt = Rebuilt::of(&database, place.path().join("rebuilt")).unwrap()?;
            let copy = Connection::open(rebuilt.database()).unwrap();
            let count: i64 = copy.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
            Some(count)
        };
        let frame = 24 + 4096;
        assert_eq!(count(&|_| ()), None, "nothing is damaged");
        assert_eq!(count(&|bytes| bytes[100] ^= 1), Some(40), "of the first frame's page there is a later one");
        assert_eq!(count(&|bytes| bytes[32 + frame * 8 + 50] ^= 1), Some(40));
        assert_eq!(count(&|bytes| bytes[18] ^= 1), Some(40), "the log's head");
        assert_eq!(count(&|bytes| bytes[32 + frame * 8 + 20] ^= 1), Some(40), "a checksum");
        assert_eq!(count(&|bytes| bytes.fill(0)), None, "nothing is whole");
        assert!(!place.path().join("rebuilt").exists());
        let last = bytes.len() - 10;
        assert!(count(&|bytes| bytes[last] ^= 1) < Some(40), "what is lost is lost");
    }
}
