//! The journal's one writer: a thread that owns the connection and commits, in one transaction, everything that waits.

use super::{JournalError, Record, rows, schema};
use rusqlite::Connection;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Called once the records are durable, or surely not. Runs on the journal's thread; it must only pass the word on.
pub type Acknowledge = Box<dyn FnOnce(Result<(), String>) + Send>;

/// The open journal of a run. Cheap to clone; the thread ends when the last clone is dropped and everything is written.
#[derive(Debug, Clone)]
pub struct Journal {
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    /// To the thread; what is queued waits here to be handed over together.
    Thread(Sender<Vec<Entry>>, Rc<RefCell<Vec<Entry>>>),
    /// On the caller's thread, at once, until the power is cut.
    Here(Arc<Mutex<Powered>>),
    /// Nowhere: what a bench compares with.
    Nowhere,
}

/// A journal whose power fails after so many records.
#[derive(Debug)]
struct Powered {
    file: File,
    records_left: u64,
    cut: bool,
    /// What is written, and said to be so only when it is asked for.
    late: Option<Late>,
}

#[derive(Default)]
struct Late(Vec<(Acknowledge, Result<(), String>)>);

impl std::fmt::Debug for Late {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Late").field(&self.0.len()).finish()
    }
}

/// The run's database, and the place of the next record in the order of writing.
#[derive(Debug)]
struct File {
    connection: Connection,
    seq: u64,
}

struct Entry {
    records: Vec<Record>,
    steady: Duration,
    acknowledge: Acknowledge,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Entry").field(&self.records).finish()
    }
}

impl Journal {
    /// Opens the run's database and starts the thread. `reserve` is a file that is given up when the disk is full.
    pub(super) fn open(database: &Path, reserve: PathBuf) -> Result<(Self, JoinHandle<()>), JournalError> {
        let file = File::open(database)?;
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write(file, &reserve, &receiver))
            .map_err(JournalError::file(database, "starting the journal's thread"))?;
        Ok((Self { way: Way::Thread(sender, Rc::default()) }, thread))
    }

    /// Opens the run's database to be written by the caller's own thread, and without syncing: for the fault tests, whose virtual
    /// clock must not run while another thread works, and whose power cuts leave the machine on. After `power` records the power
    /// is cut: what is appended then is never written, and never acknowledged.
    pub(super) fn open_here(database: &Path, power: u64) -> Result<Self, JournalError> {
        let file = File::open(database)?;
        file.connection.execute_batch("PRAGMA synchronous = OFF").map_err(JournalError::database(database))?;
        Ok(Self { way: Way::Here(Arc::new(Mutex::new(Powered { file, records_left: power, cut: false, late: None }))) })
    }

    /// A journal that keeps nothing and acknowledges at once: for the bench that measures what the journal costs.
    pub(super) const fn nowhere() -> Self {
        Self { way: Way::Nowhere }
    }

    /// From now on a fault test's journal says only in [`Self::settle`] what is written, as a slow disk does.
    pub fn be_late(&self) {
        if let Way::Here(powered) = &self.way
            && let Ok(mut powered) = powered.lock()
        {
            powered.late.get_or_insert_default();
        }
    }

    /// Says what a late journal has written.
    pub fn settle(&self) {
        let Way::Here(powered) = &self.way else { return };
        let late = powered.lock().ok().and_then(|mut powered| powered.late.as_mut().map(std::mem::take));
        late.into_iter().flat_map(|Late(late)| late).for_each(|(acknowledge, done)| acknowledge(done));
    }

    /// Whether a fault test's power was cut.
    pub fn power_was_cut(&self) -> bool {
        match &self.way {
            Way::Thread(..) | Way::Nowhere => false,
            Way::Here(powered) => powered.lock().map_or(true, |powered| powered.cut),
        }
    }

    /// Appends records, in order and all or none of them, and after all that was appended before; `acknowledge` is called when they
    /// are durable or cannot be. `steady` is the present by the clock that never jumps.
    pub fn append(&self, records: Vec<Record>, steady: Duration, acknowledge: Acknowledge) {
        self.queue(records, steady, acknowledge);
        self.flush();
    }

    /// The same, but they are not handed over before the next [`Self::flush`]: what comes of one turn shares a commit.
    pub fn queue(&self, records: Vec<Record>, steady: Duration, acknowledge: Acknowledge) {
        match &self.way {
            Way::Thread(_, queued) => queued.borrow_mut().push(Entry { records, steady, acknowledge }),
            Way::Nowhere => acknowledge(Ok(())),
            Way::Here(powered) => {
                let Ok(mut powered) = powered.lock() else { return acknowledge(Err(JournalError::Closed.to_string())) };
                let count = records.len() as u64;
                if powered.cut || count > powered.records_left {
                    powered.cut = true;
                    // Kept unanswered for ever: a process without power says nothing.
                    std::mem::forget(acknowledge);
                    return;
                }
                powered.records_left -= count;
                let done = powered
                    .file
                    .commit([Entry { records, steady, acknowledge: Box::new(drop) }].iter())
                    .map_err(|error| error.to_string());
                if let Some(Late(late)) = &mut powered.late {
                    return late.push((acknowledge, done));
                }
                drop(powered);
                acknowledge(done);
            }
        }
    }

    /// Hands over what is queued.
    pub fn flush(&self) {
        let Way::Thread(sender, queued) = &self.way else { return };
        let entries = queued.take();
        if entries.is_empty() {
            return;
        }
        if let Err(unsent) = sender.send(entries) {
            answer(unsent.0, Err(&JournalError::Closed.to_string()));
        }
    }

    /// Appends records and waits until they are durable.
    ///
    /// # Errors
    /// The journal's failure, as a sentence.
    pub fn append_and_wait(&self, records: Vec<Record>, steady: Duration) -> Result<(), String> {
        let (sender, receiver) = channel();
        self.append(records, steady, Box::new(move |result| drop(sender.send(result))));
        if self.power_was_cut() {
            return Err(JournalError::Closed.to_string());
        }
        self.settle();
        receiver.recv().unwrap_or_else(|_| Err(JournalError::Closed.to_string()))
    }
}

/// What the file can still take.
enum Room {
    /// Everything.
    Enough,
    /// The disk is full: what begins nothing new goes into the room that the reserve left.
    Ends,
    /// After a failed commit nothing can be said about the file any more: no later record may seem durable.
    None(String),
}

fn write(mut file: File, reserve: &Path, receiver: &Receiver<Vec<Entry>>) {
    let mut room = Room::Enough;
    while let Ok(first) = receiver.recv() {
        // Whoever waits by now shares this commit: one sync for all of them. Where processors are scarce, who is about to may come first.
        std::thread::yield_now();
        let mut entries = first;
        while entries.len() < LARGEST_COMMIT
            && let Ok(more) = receiver.try_recv()
        {
            entries.extend(more);
        }
        if let Room::Enough = room {
            match file.commit(entries.iter()) {
                Ok(()) => {
                    answer(entries, Ok(()));
                    continue;
                }
                Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                    // The reserve is there for this: how everything in flight ends must find room.
                    drop(std::fs::remove_file(reserve));
                    room = Room::Ends;
                }
                Err(error) => room = Room::None(error.to_string()),
            }
        }
        if let Room::Ends = room {
            match file.commit(entries.iter().filter(|entry| !entry.begins_something())) {
                Ok(()) => {
                    answer_ends(entries);
                    continue;
                }
                Err(error) => room = Room::None(error.to_string()),
            }
        }
        if let Room::None(cause) = &room {
            answer(entries, Err(cause));
        }
    }
}

fn answer(entries: Vec<Entry>, result: Result<(), &str>) {
    for entry in entries {
        (entry.acknowledge)(result.map_err(str::to_owned));
    }
}

/// What ends is written, what would begin is not: each is told so, in the order of queueing, by which callers tell whose answer it is.
fn answer_ends(entries: Vec<Entry>) {
    for entry in entries {
        let begins = entry.begins_something();
        (entry.acknowledge)(if begins { Err("the disk is full; nothing more is sent".to_owned()) } else { Ok(()) });
    }
}

impl Entry {
    /// Whether a request will follow these records.
    fn begins_something(&self) -> bool {
        self.records.iter().any(|record| matches!(record, Record::Intent { .. } | Record::Asked { .. }))
    }
}

impl File {
    fn open(database: &Path) -> Result<Self, JournalError> {
        let connection = schema::open_for_writing(database)?;
        let seq = rows::first_seq(&connection).map_err(JournalError::database(database))?;
        Ok(Self { connection, seq })
    }

    fn commit<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>) -> rusqlite::Result<()> {
        // Prepared once for all commits: there are thousands in a second.
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = self.insert(entries).and_then(|()| self.connection.prepare_cached("COMMIT")?.execute([]));
        if done.is_err() && !self.connection.is_autocommit() {
            // The first failure is the one to tell.
            drop(self.connection.execute_batch("ROLLBACK"));
        }
        done.map(drop)
    }

    fn insert<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>) -> rusqlite::Result<()> {
        for entry in entries {
            for record in &entry.records {
                rows::insert(&self.connection, self.seq, entry.steady, record)?;
                self.seq += 1;
            }
        }
        Ok(())
    }
}

/// No more entries are taken into a transaction that has so many.
const LARGEST_COMMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::super::Reply;
    use super::*;
    use crate::run::Outcome;
    use jiff::Timestamp;

    #[test]
    fn on_a_full_disk_each_hears_of_its_own_records_in_the_order_of_queueing() {
        let at = Timestamp::UNIX_EPOCH;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let entry = |ordinal: u64, begins: bool| {
            let (outcome, answer) = (Outcome::Succeeded, Reply::default());
            let record = match begins {
                true => Record::Intent { ordinal, attempt: 1, at },
                false => Record::Ended { ordinal, at, outcome, answer },
            };
            let heard = Arc::clone(&heard);
            let acknowledge = move |result: Result<(), String>| heard.lock().unwrap().push((ordinal, result.is_ok()));
            Entry { records: vec![record], steady: Duration::ZERO, acknowledge: Box::new(acknowledge) }
        };
        answer_ends(vec![entry(0, false), entry(1, true), entry(2, false), entry(3, true)]);
        assert_eq!(*heard.lock().unwrap(), [(0, true), (1, false), (2, true), (3, false)]);
    }
}
