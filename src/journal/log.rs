//! SQLite's write-ahead log, read past the frames that are damaged. SQLite itself ends at the first one; what was written behind it is
//! whole, since each frame has its own checksum. Format: <https://sqlite.org/fileformat2.html#the_write_ahead_log>. Writes only copies.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

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
        super::files::private_dir(&directory).map_err(io::Error::other)?;
        let rebuilt = Self { directory };
        let mut copy = super::files::private_file(&rebuilt.database())?;
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
        self.directory.join("run.sqlite")
    }
}

impl Drop for Rebuilt {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.directory));
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
    use rusqlite::Connection;

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
