//! The journal's one writer: a thread that owns the connection and commits, in one transaction, everything that waits.

use super::integrity::{Mark, MarkWriter, RunWatch};
use super::record::SEQ_BITS;
use super::rows::{RecordInserts, RowChecksum, newest_process};
use super::{JournalError, Record, schema};
use rusqlite::Connection;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Called once records are durable, or surely not. Runs on the journal's thread; it must only pass the word on.
type Acknowledge = Box<dyn FnOnce(Result<(), String>) + Send>;

/// Called for records that were handed over together: how many there are, and what became of them. As [`Acknowledge`].
type Notify = Arc<dyn Fn(usize, Durability) + Send + Sync>;

/// What became of records that were handed over together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// They are durable.
    All,
    /// Those are that begin nothing; the others are not, for this reason.
    Ends(String),
    /// None is known to be durable, for this reason.
    Nothing(String),
}

/// The open journal of a run. Cheap to clone; the thread ends when the last clone is dropped and everything is written.
#[derive(Debug, Clone)]
pub struct Journal {
    sink: Sink,
    queued: Rc<RefCell<Unflushed>>,
}

/// What is queued waits here to be handed over together.
#[derive(Default)]
struct Unflushed {
    records: Vec<TimedRecord>,
    notify: Option<Notify>,
}

#[derive(Debug, Clone)]
enum Sink {
    /// To the thread.
    Thread(Sender<Batch>),
    /// On the caller's thread, at once, until the power is cut.
    Here(Arc<Mutex<PoweredDatabase>>),
    /// Nowhere: what a bench compares with.
    Nowhere,
}

/// A journal whose power fails after so many records.
#[derive(Debug)]
struct PoweredDatabase {
    database: Database,
    records_left: u64,
    cut: bool,
    /// Written counts that are reported only on request, in fault tests.
    delayed: Option<DelayedAnswers>,
}

#[derive(Default)]
struct DelayedAnswers(Vec<(OnDurable, Durability)>);

/// The run's database, the mark of what this process has written into it, and the place of the next record in the order of writing.
#[derive(Debug)]
struct Database {
    connection: Connection,
    path: PathBuf,
    marks: MarkWriter,
    seq: u64,
    checksums: RowChecksum,
}

/// A record, and the present by the clock that never jumps.
struct TimedRecord {
    record: Record,
    steady: Duration,
    /// Whether it is the intent of a request that must not be sent twice: its mark is synced before it is said to be durable.
    only_once: bool,
}

/// What is handed over together: all of it becomes durable in one commit.
struct Batch {
    records: Vec<TimedRecord>,
    done: OnDurable,
}

/// Who hears what became of a batch.
type OnDurable = Box<dyn FnOnce(Durability) + Send>;

impl Durability {
    /// What became of one of them.
    pub fn of(&self, begins_something: bool) -> Result<(), &str> {
        match self {
            Self::All => Ok(()),
            Self::Ends(_) if !begins_something => Ok(()),
            Self::Ends(why) | Self::Nothing(why) => Err(why),
        }
    }
}

impl Journal {
    /// Opens the run's database and starts the thread. `reserve` is a file that is given up when the disk is full.
    pub(super) fn open(path: &Path, reserve: PathBuf) -> Result<(Self, JoinHandle<()>, RunWatch), JournalError> {
        let database = Database::open(path, true)?;
        // Only now all of its files are there.
        let watch = RunWatch::of(path.parent().unwrap_or(path));
        let (sender, receiver) = channel();
        let files = (reserve, watch.clone());
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write(database, files, &receiver))
            .map_err(JournalError::file(path, "starting the journal's thread"))?;
        Ok((Self::by(Sink::Thread(sender)), thread, watch))
    }

    fn by(sink: Sink) -> Self {
        Self { sink, queued: Rc::default() }
    }

    /// Opens the run's database to be written by the caller's own thread, and without syncing: for the fault tests, whose virtual
    /// clock must not run while another thread works, and whose power cuts leave the machine on. After `power` records the power
    /// is cut: what is appended then is never written, and never acknowledged.
    pub(super) fn open_here(path: &Path, power: u64) -> Result<Self, JournalError> {
        let database = Database::open(path, false)?;
        database.connection.execute_batch("PRAGMA synchronous = OFF").map_err(JournalError::database(path))?;
        let powered = PoweredDatabase { database, records_left: power, cut: false, delayed: None };
        Ok(Self::by(Sink::Here(Arc::new(Mutex::new(powered)))))
    }

    /// A journal that keeps nothing and acknowledges at once: for the bench that measures what the journal costs.
    pub(super) fn nowhere() -> Self {
        Self::by(Sink::Nowhere)
    }

    /// From now on a fault test's journal reports what is durable only in [`Self::report_durable`], as a slow disk does.
    pub fn delay_reports(&self) {
        if let Sink::Here(powered) = &self.sink
            && let Ok(mut powered) = powered.lock()
        {
            powered.delayed.get_or_insert_default();
        }
    }

    /// Reports what a journal under `delay_reports` has made durable.
    pub fn report_durable(&self) {
        let Sink::Here(powered) = &self.sink else { return };
        let delayed = powered.lock().ok().and_then(|mut powered| powered.delayed.as_mut().map(std::mem::take));
        delayed.into_iter().flat_map(|DelayedAnswers(delayed)| delayed).for_each(|(done, written)| done(written));
    }

    /// Whether a fault test's power was cut.
    pub fn power_was_cut(&self) -> bool {
        match &self.sink {
            Sink::Thread(_) | Sink::Nowhere => false,
            Sink::Here(powered) => powered.lock().map_or(true, |powered| powered.cut),
        }
    }

    /// Who hears from now on what became of queued records.
    pub fn notify(&self, notify: Notify) {
        self.queued.borrow_mut().notify = Some(notify);
    }

    /// Queues a record: it is handed over by the next [`Self::flush`] or [`Self::append`], so that what comes of one turn shares a
    /// commit and a word. `steady` is the present by the clock that never jumps; `only_once` an intent whose request must not be sent
    /// twice, even where the database loses its end afterwards.
    pub fn queue(&self, record: Record, steady: Duration, only_once: bool) {
        self.queued.borrow_mut().records.push(TimedRecord { record, steady, only_once });
    }

    /// Hands over what is queued.
    pub fn flush(&self) {
        let mut queued = self.queued.borrow_mut();
        if queued.records.is_empty() {
            return;
        }
        let room = Vec::with_capacity(queued.records.len());
        let records = std::mem::replace(&mut queued.records, room);
        let (count, notify) = (records.len(), queued.notify.clone());
        drop(queued);
        self.hand_over(Batch {
            records,
            done: Box::new(move |written| notify.into_iter().for_each(|notify| notify(count, written.clone()))),
        });
    }

    /// Appends records, in order and all or none of them, and after all that was queued before; `acknowledge` is called when they
    /// are durable or cannot be.
    pub fn append(&self, records: Vec<Record>, steady: Duration, acknowledge: Acknowledge) {
        self.flush();
        let begins_something = records.iter().any(Record::begins_something);
        self.hand_over(Batch {
            records: records.into_iter().map(|record| TimedRecord { record, steady, only_once: false }).collect(),
            done: Box::new(move |written| acknowledge(written.of(begins_something).map_err(str::to_owned))),
        });
    }

    fn hand_over(&self, batch: Batch) {
        match &self.sink {
            Sink::Thread(sender) => {
                if let Err(unsent) = sender.send(batch) {
                    (unsent.0.done)(Durability::Nothing(JournalError::Closed.to_string()));
                }
            }
            Sink::Nowhere => (batch.done)(Durability::All),
            Sink::Here(powered) => {
                let Ok(mut here) = powered.lock() else {
                    return (batch.done)(Durability::Nothing(JournalError::Closed.to_string()));
                };
                let Some(written) = here.write(&batch.records) else {
                    // Kept unanswered for ever: a process without power says nothing.
                    return std::mem::forget(batch.done);
                };
                if let Some(DelayedAnswers(delayed)) = &mut here.delayed {
                    return delayed.push((batch.done, written));
                }
                drop(here);
                (batch.done)(written);
            }
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
        self.report_durable();
        receiver.recv().unwrap_or_else(|_| Err(JournalError::Closed.to_string()))
    }
}

impl PoweredDatabase {
    /// Writes records, or as many as the power lasts for; nothing comes back where it fails on the way.
    fn write(&mut self, records: &[TimedRecord]) -> Option<Durability> {
        let whole = u64::try_from(records.len()).is_ok_and(|count| count <= self.records_left);
        self.cut |= !whole;
        let written = if whole { records } else { records.get(..self.records_left as usize).unwrap_or_default() };
        self.records_left -= written.len() as u64;
        if let Err(error) = self.database.commit(written.iter()) {
            return Some(Durability::Nothing(error.to_string()));
        }
        whole.then_some(Durability::All)
    }
}

/// What may still be written.
enum Writable {
    /// Everything.
    All,
    /// What begins nothing new, for this reason: the disk is full, and this goes into the room that the reserve left; or something of
    /// the run was taken away, and is perhaps brought back.
    Ends(String),
    /// After a failed commit nothing is known about the file any more: no later record may seem durable.
    Nothing(String),
}

fn write(mut database: Database, mut files: (PathBuf, RunWatch), receiver: &Receiver<Batch>) {
    let mut writable = Writable::All;
    while let Ok(first) = receiver.recv() {
        // Whoever waits by now shares this commit: one sync for all of them. Where processors are scarce, who is about to may come first.
        std::thread::yield_now();
        let mut count = first.records.len();
        let mut batches = vec![first];
        while count < MAX_COMMIT
            && let Ok(more) = receiver.try_recv()
        {
            count += more.records.len();
            batches.push(more);
        }
        let written = writable.write(&mut database, &files, &batches);
        files.1.note_lengths();
        for batch in batches {
            (batch.done)(written.clone());
        }
    }
    // What fails here costs nothing: a mark that is older says less, and a log that is there is read. One that belongs to a database which
    // was taken away may still be brought together with it.
    drop(database.marks.sync());
    if !matches!(writable, Writable::Nothing(_)) && files.1.is_database_in_place() {
        drop(schema::fold_log(&database.connection));
    }
}

impl Writable {
    fn write(
        &mut self,
        database: &mut Database,
        (reserve, watch): &(PathBuf, RunWatch),
        batches: &[Batch],
    ) -> Durability {
        let records = || batches.iter().flat_map(|batch| &batch.records);
        if let (Self::All, Err(taken)) = (&*self, watch.look()) {
            *self = Self::Ends(taken.to_string());
        }
        if let Self::All = self {
            match database.commit(records()) {
                Ok(()) => return Durability::All,
                Err(JournalError::Database { source, .. })
                    if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) =>
                {
                    // The reserve is there for this: how everything in flight ends must find room.
                    drop(std::fs::remove_file(reserve));
                    *self = Self::Ends("the disk is full; nothing more is sent".to_owned());
                }
                Err(error) => *self = Self::Nothing(error.to_string()),
            }
        }
        if let Self::Ends(why) = self {
            match database.commit(records().filter(|timed| !timed.record.begins_something())) {
                Ok(()) => return Durability::Ends(why.clone()),
                Err(error) => *self = Self::Nothing(error.to_string()),
            }
        }
        match self {
            Self::Nothing(cause) => Durability::Nothing(cause.clone()),
            Self::All | Self::Ends(_) => Durability::All,
        }
    }
}

impl Database {
    fn open(path: &Path, syncs: bool) -> Result<Self, JournalError> {
        let connection = schema::open_for_writing(path)?;
        let process = newest_process(&connection).map_err(JournalError::database(path))? + 1;
        let run = schema::run_checksum(&connection).map_err(JournalError::database(path))?;
        let marks = MarkWriter::begin(path.parent().unwrap_or(path), process, run, syncs)?;
        let (seq, checksums) = (process << SEQ_BITS, RowChecksum::default());
        Ok(Self { connection, path: path.to_path_buf(), marks, seq, checksums })
    }

    fn commit<'e>(&mut self, records: impl Iterator<Item = &'e TimedRecord>) -> Result<(), JournalError> {
        let (mut mark, mut only_once) = (self.marks.mark(), false);
        let records = records.inspect(|timed| only_once |= timed.only_once);
        self.transact(records, &mut mark).map_err(JournalError::database(&self.path))?;
        // After the commit: a mark never says more than is durable, or a torn log would be taken for one that was cut.
        self.marks.advance(mark, only_once).map_err(JournalError::file(&self.path, "writing the mark of"))
    }

    fn transact<'e>(
        &mut self,
        records: impl Iterator<Item = &'e TimedRecord>,
        mark: &mut Mark,
    ) -> rusqlite::Result<()> {
        // Prepared once for all commits: there are thousands in a second.
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = self.insert(records, mark).and_then(|()| self.connection.prepare_cached("COMMIT")?.execute([]));
        if done.is_err() && !self.connection.is_autocommit() {
            // The first failure is the one to report: later ones only follow from it.
            drop(self.connection.execute_batch("ROLLBACK"));
        }
        done.map(drop)
    }

    fn insert<'e>(&mut self, records: impl Iterator<Item = &'e TimedRecord>, mark: &mut Mark) -> rusqlite::Result<()> {
        let mut inserts = RecordInserts::begin(&self.connection, &mut self.checksums)?;
        for TimedRecord { record, steady, .. } in records {
            let (ordinal, checksum) = inserts.insert(self.seq, *steady, record)?;
            mark.count(ordinal, self.seq, checksum);
            self.seq += 1;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Unflushed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Unflushed").field(&self.records.len()).finish()
    }
}

impl std::fmt::Debug for DelayedAnswers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("DelayedAnswers").field(&self.0.len()).finish()
    }
}

/// No more records are taken into a transaction that has so many.
const MAX_COMMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_full_disk_what_ends_is_written_and_what_would_begin_is_not() {
        for (written, begins, ends) in [
            (Durability::All, true, true),
            (Durability::Ends("full".to_owned()), false, true),
            (Durability::Nothing("broken".to_owned()), false, false),
        ] {
            assert_eq!((written.of(true).is_ok(), written.of(false).is_ok()), (begins, ends), "{written:?}");
        }
    }

    #[test]
    fn queued_records_share_a_word_and_come_before_those_appended_later() {
        let journal = Journal::nowhere();
        let reports = Arc::new(Mutex::new(Vec::new()));
        let reports_of_thread = Arc::clone(&reports);
        journal.notify(Arc::new(move |count, written| reports_of_thread.lock().unwrap().push((count, written))));
        let record = || Record::Paused { at: jiff::Timestamp::UNIX_EPOCH, by: None };
        journal.flush();
        (0..3).for_each(|_| journal.queue(record(), Duration::ZERO, false));
        let last = Arc::clone(&reports);
        let acknowledge = move |_| last.lock().unwrap().push((0, Durability::All));
        journal.append(vec![record()], Duration::ZERO, Box::new(acknowledge));
        assert_eq!(*reports.lock().unwrap(), [(3, Durability::All), (0, Durability::All)]);
    }
}
