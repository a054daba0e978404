//! The run directory: made whole or not at all, locked by one process, files in it replaced whole; the copies in it of a plan's files and of its
//! provider documents, and whether the files have changed since. Mode 0700; never holds a credential, nor a private key.
//!
//! ```text
//! runs/20261122T045210Z-leaked-build-key/
//!   run.sqlite     the checked actions and the journal
//!   inputs/        copies of the plan and of every file that it names
//!   providers/     copies of the provider documents that it uses
//!   marks          how many records each process has written (see [`super::integrity`])
//!   lock           held by the process that works on the run, as is the directory itself
//!   reserve        room on the disk for the ends of what is in flight; there while a process works on the run
//!   live.json      how the run goes; there while a process works on the run (see [`super::live_control`])
//!   commands/      commands to the live run
//!   report.csv     written when the run ends or stops; of a rehearsal, report.rehearsal.csv
//! ```

use super::files::{is_gone, parent_of, private_dir, private_file, remove_abandoned_parts, sync};
use super::integrity::{MARKS, Marks, RunWatch};
use super::reader::Reader;
use super::rows::{Inserter, RowChecksum, name_last_steps};
use super::schema::{BRINGS, DATABASE, FACTS, OPERATIONS, PLACES, RunFacts};
use super::{Journal, JournalError, schema};
use crate::pki::{Certificate, pem};
use crate::plan::checked::WAIT_PREFIX;
use crate::plan::checked::{CheckedPlan, Fingerprint};
use crate::plan::{Action, MAX_BUNDLE, ReadFile};
use crate::provider::Provider;
use crate::provider::catalog::MAX_DOCUMENT_BYTES;
use crate::run::Ordinal;
use crate::text::file::{self, FileStamp, open_regular, read_text};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use zeroize::Zeroizing;

/// A run directory.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
}

/// A run directory in the making: it takes the actions, and appears at its place only when [`RunMaker::finish`] is called.
#[derive(Debug)]
pub struct RunMaker {
    making: PathBuf,
    made_parent: bool,
    /// In one transaction until the end.
    actions: Inserter,
    needs_seen: bool,
    /// Accounts, each with an operation that actions of it ask for: whoever begins the run need not look for them in all rows.
    operations: Vec<(usize, String)>,
    /// Of a part of a plan: by how many actions of the whole each of its actions is apart from the one before.
    gaps: Vec<Ordinal>,
    /// Entries with steps that actions before them need, each with its last step.
    last_steps: BTreeMap<String, String>,
    lock: Lock,
}

/// Held while it is there: the directory, which cannot be taken away without taking the run away; the file `lock`, for systems where a
/// directory cannot be locked; and the marks, without which no run is opened, for where the files are moved into another directory.
#[derive(Debug)]
struct Lock(#[expect(dead_code, reason = "an open file holds its lock")] Vec<File>);

/// A run directory that this process may write: the lock is held until this is dropped.
#[derive(Debug)]
pub struct OpenRun {
    /// The directory.
    pub dir: RunDir,
    /// The journal.
    pub journal: Journal,
    /// Whether the run is still there; of a run that is worked on for a test or a bench nobody asks.
    pub watch: Option<RunWatch>,
    thread: Option<JoinHandle<()>>,
    lock: Lock,
}

/// The copies of a run's files, to be looked for by where they were.
#[derive(Debug)]
pub struct Inputs {
    directory: PathBuf,
    /// By path; read when it is first needed, which is seldom.
    copies: OnceCell<HashMap<PathBuf, String>>,
}

/// A file that a run began with and that is another one now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The file.
    pub path: PathBuf,
    /// The first line that differs.
    pub line: u64,
}

/// What the index of the copies says about one.
#[derive(Debug, Serialize, Deserialize)]
struct Copied {
    /// The copy's file name.
    copy: String,
    /// As the user or the plan named the file.
    name: String,
    /// Where it was, absolute; `None` for standard input.
    path: Option<PathBuf>,
    /// Whether it holds certificates; the index of former versions does not say so.
    #[serde(default)]
    certificates: bool,
}

impl RunMaker {
    /// Begins a run directory somewhere below `parent` (the working directory where it is empty), which is made where it is
    /// missing. What killed processes left there half made is removed: they had sent nothing.
    ///
    /// # Errors
    /// Where nothing can be written there.
    pub fn begin(parent: &Path) -> Result<Self, JournalError> {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let made_parent = !parent.exists();
        fs::create_dir_all(parent).map_err(JournalError::file(parent, "making the directory"))?;
        remove_abandoned(parent);
        let mut number = 0;
        let making = loop {
            let making = parent.join(format!("{MAKING}{}-{number}", std::process::id()));
            match private_dir(&making) {
                Ok(()) => break making,
                Err(JournalError::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        // Held while the directory is made, so that another process does not take it for one that was abandoned.
        let lock = lock(&making)?;
        private_dir(&making.join(INPUTS))?;
        private_dir(&making.join(PROVIDERS))?;
        let connection = schema::create(&making.join(DATABASE))?;
        connection.execute_batch("BEGIN").map_err(JournalError::database(&making))?;
        let actions = Inserter::start(connection);
        let (operations, gaps, last_steps) = Default::default();
        Ok(Self { making, made_parent, actions, needs_seen: false, operations, gaps, last_steps, lock })
    }

    /// Takes the next action.
    ///
    /// # Errors
    /// Where an earlier one could not be written.
    pub fn add(&mut self, action: Action) -> Result<(), JournalError> {
        self.needs_seen |= !action.needs.is_empty() || !action.needs_accepted.is_empty();
        let same =
            |(account, operation): &(usize, String)| *account == action.account && *operation == action.operation;
        if !action.operation.starts_with(WAIT_PREFIX) && !self.operations.iter().any(same) {
            self.operations.push((action.account, action.operation.clone()));
        }
        self.actions.add(action).map_err(JournalError::database(&self.making))
    }

    /// Keeps what only the whole plan tells of its actions: where those of a part stand in it, and what some of them need that comes later.
    pub fn keep_order(&mut self, plan: &CheckedPlan) {
        let places = plan.places();
        let next = std::iter::once(0).chain(places.iter().map(|place| place + 1));
        self.gaps = places.iter().zip(next).map(|(place, next)| place.saturating_sub(next)).collect();
        self.last_steps = plan.last_steps().clone();
    }

    /// Accounts, each with an operation that the actions so far ask for; every pair once.
    pub fn operations(&self) -> &[(usize, String)] {
        &self.operations
    }

    /// What every action so far that is to be sent does, with its id, in plan order.
    ///
    /// # Errors
    /// Where an action could not be written, or the database cannot be read. No action can be added after this.
    pub fn fingerprints(&mut self, mut each: impl FnMut(Fingerprint, &str)) -> Result<(), JournalError> {
        let database = JournalError::database(&self.making);
        let select = "SELECT fingerprint, id FROM action
             WHERE duplicate_of IS NULL AND operation NOT GLOB 'wait *' ORDER BY ordinal";
        let connection = self.actions.inserted().map_err(&database)?;
        let mut statement = connection.prepare(select).map_err(&database)?;
        let mut rows = statement.query([]).map_err(&database)?;
        while let Some(row) = rows.next().map_err(&database)? {
            let id: String = row.get(1).map_err(&database)?;
            each(Fingerprint(row.get(0).map_err(&database)?), &id);
        }
        Ok(())
    }

    /// Writes the run's constants and the copies, syncs everything, and puts the directory at its place, whole. Where that fails,
    /// nothing is left.
    ///
    /// # Errors
    /// Where it cannot be written, or there is something at `target`.
    pub fn finish(
        self,
        target: &Path,
        facts: &RunFacts,
        files: &[ReadFile],
        providers: &[Arc<Provider>],
    ) -> Result<RunDir, JournalError> {
        let making = self.making.clone();
        let put = self.put(target, facts, files, providers);
        if put.is_err() {
            drop(fs::remove_dir_all(making));
        }
        put
    }

    fn put(
        self,
        target: &Path,
        facts: &RunFacts,
        files: &[ReadFile],
        providers: &[Arc<Provider>],
    ) -> Result<RunDir, JournalError> {
        let database = self.making.join(DATABASE);
        let unwritable =
            |error: serde_json::Error| JournalError::Unreadable { path: database.clone(), what: error.to_string() };
        let text = serde_json::to_string(facts).map_err(unwritable)?;
        let operations = serde_json::to_string(&self.operations).map_err(unwritable)?;
        let places = serde_json::to_string(&self.gaps).map_err(unwritable)?;
        // Whether a report has the columns of new certificates must not hang on how the run went.
        let brings = self.operations.iter().any(|(account, name)| {
            let account = facts.settings.accounts.get(*account);
            let provider =
                account.and_then(|account| providers.iter().find(|provider| provider.id == account.provider));
            let rules = provider.and_then(|provider| provider.operation(name)?.action.as_ref());
            rules.is_some_and(|rules| !rules.new_certificate.is_empty())
        });
        let brings = brings.to_string();
        let connection = self.actions.finish().map_err(JournalError::database(&database))?;
        name_last_steps(&connection, &self.last_steps).map_err(|error| error.at(&database))?;
        let write = || -> rusqlite::Result<()> {
            let constants = [(FACTS, text.as_str()), (OPERATIONS, &operations), (BRINGS, &brings)];
            let places = facts.part.map(|_| (PLACES, places.as_str()));
            for (key, value) in constants.into_iter().chain(places) {
                let checksum = RowChecksum::default().of([key.into(), value.into()]);
                connection.execute("INSERT INTO run VALUES (?1, ?2, ?3)", (key, value, checksum))?;
            }
            // Only `needs` names actions by their ids; an index of a million would cost time and room for nothing.
            if self.needs_seen {
                connection.execute_batch("CREATE INDEX action_by_id ON action (id);")?;
            }
            // The mode is kept in the file: whoever reads it first need not be allowed to write it.
            connection.execute_batch("COMMIT; PRAGMA journal_mode = WAL;")
        };
        write().map_err(JournalError::database(&database))?;
        connection.close().map_err(|(_, source)| JournalError::Database { path: database.clone(), source })?;
        Marks::make(&self.making)?;
        copy_inputs(&self.making.join(INPUTS), files)?;
        copy_documents(&self.making.join(PROVIDERS), providers)?;
        make_reserve(&self.making.join(RESERVE), facts.actions)?;
        // A rename may come to the disk before what it names: after a power cut there must be no run directory with an empty database.
        sync(&database)?;
        sync(&self.making.join(INPUTS))?;
        sync(&self.making.join(PROVIDERS))?;
        sync(&self.making)?;
        // An empty directory is replaced, anything else is not: rename would say so too late and in other words.
        if fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) || target.is_file() {
            return Err(JournalError::Exists { path: target.to_path_buf() });
        }
        #[expect(clippy::disallowed_methods, reason = "this is the wrapper that the lint asks for")]
        let renamed = fs::rename(&self.making, target);
        renamed.map_err(JournalError::file(target, "putting the run directory at its place"))?;
        drop(self.lock);
        // And the rename is on the disk only once the directory above is.
        sync(parent_of(target))?;
        Ok(RunDir { path: target.to_path_buf() })
    }

    /// Gives up: nothing is left.
    pub fn abandon(self) {
        let Self { making, made_parent, actions, lock, .. } = self;
        // Some systems remove no file that is open.
        drop((actions.finish(), lock));
        // What cannot be removed now is removed by the next run; a `runs/` that was made for nothing goes too.
        drop(fs::remove_dir_all(&making));
        if made_parent {
            drop(making.parent().map(fs::remove_dir));
        }
    }
}

impl RunDir {
    /// An existing run directory.
    ///
    /// # Errors
    /// Where there is none.
    pub fn existing(path: &Path) -> Result<Self, JournalError> {
        if path.join(DATABASE).is_file() {
            Ok(Self { path: path.to_path_buf() })
        } else if path.join(MARKS).is_file() {
            Err(JournalError::incomplete(path, "its database `run.sqlite` is not there"))
        } else {
            Err(JournalError::NotARun { path: path.to_path_buf() })
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the run for reading; another process may be working on it.
    ///
    /// # Errors
    /// Where the database cannot be opened, or has lost its end.
    pub fn read(&self) -> Result<Reader, JournalError> {
        Reader::open(&self.path.join(DATABASE))
    }

    /// Opens a run for reading that may be damaged: what can be read is read, and what cannot be known is in doubt.
    ///
    /// # Errors
    /// Where nothing of it can be read.
    pub fn read_damaged(&self) -> Result<Reader, JournalError> {
        Reader::open_damaged(&self.path.join(DATABASE))
    }

    /// Locks the run for this process and opens its journal.
    ///
    /// # Errors
    /// Where another process has it, or the database cannot be opened, or has lost its end.
    pub fn open(self) -> Result<OpenRun, JournalError> {
        let lock = lock(&self.path)?;
        remove_abandoned_parts(&self.path, None);
        remove_abandoned(parent_of(&self.path));
        let reader = self.read()?;
        let reserve = self.path.join(RESERVE);
        if !reserve.exists() {
            make_reserve(&reserve, reader.actions()?)?;
        }
        let (journal, thread, watch) = Journal::open(&self.path.join(DATABASE), reserve)?;
        Ok(OpenRun { dir: self, journal, watch: Some(watch), thread: Some(thread), lock })
    }

    /// The same with a journal on the caller's thread that never syncs, and whose power is cut after so many records: for the
    /// fault tests alone.
    ///
    /// # Errors
    /// As [`RunDir::open`].
    pub fn open_for_fault_tests(self, power: u64) -> Result<OpenRun, JournalError> {
        let lock = lock(&self.path)?;
        drop(self.read()?);
        let journal = Journal::open_here(&self.path.join(DATABASE), power)?;
        Ok(OpenRun { dir: self, journal, watch: None, thread: None, lock })
    }

    /// The same with a journal that keeps nothing: for the bench that measures what the journal costs, and for nothing else.
    ///
    /// # Errors
    /// As [`RunDir::open`].
    pub fn open_unjournaled_for_a_bench(self) -> Result<OpenRun, JournalError> {
        let lock = lock(&self.path)?;
        Ok(OpenRun { dir: self, journal: Journal::nowhere(), watch: None, thread: None, lock })
    }

    /// The plan's files that have changed since the run began: that are there, and no longer what was copied. A file that is gone, or no file
    /// any more, has not changed: the copies are all that a run needs. Nor has one with certificates: to replace these where they are served is
    /// what a campaign is for, and nobody edits a plan by it.
    ///
    /// # Errors
    /// Where the system cannot say.
    pub fn changed_inputs(&self) -> Result<Vec<Changed>, JournalError> {
        let directory = self.path.join(INPUTS);
        let mut changed = Vec::new();
        for Copied { copy, path, .. } in copied_inputs(&directory)?.into_iter().filter(|copied| !copied.certificates) {
            let Some(path) = path else { continue };
            let Some(line) = difference(&path, &directory.join(copy)) else { continue };
            if let Some(line) = line.map_err(JournalError::file(&path, "comparing with its copy"))? {
                changed.push(Changed { path, line });
            }
        }
        Ok(changed)
    }

    /// The copies of the files that its plan named.
    pub fn inputs(&self) -> Inputs {
        Inputs { directory: self.path.join(INPUTS), copies: OnceCell::new() }
    }

    /// The text of a provider document that the run began with, told by its id and its SHA-256, in lower-case hexadecimal. `None` where the run
    /// directory has no such copy (runs of former versions have none), or another text.
    pub fn document(&self, id: &str, digest: &str) -> Option<Arc<str>> {
        let text = read_text(&document_path(&self.path.join(PROVIDERS), id), MAX_DOCUMENT_BYTES).ok()?;
        (hex::encode(Sha256::digest(&text)) == digest).then(|| text.into())
    }

    /// Whether a process works on the run now.
    ///
    /// # Errors
    /// Where the system cannot say.
    pub fn is_locked(&self) -> Result<bool, JournalError> {
        if let Some(directory) = open_directory(&self.path)
            && matches!(directory.try_lock_shared(), Err(TryLockError::WouldBlock))
        {
            return Ok(true);
        }
        let path = self.path.join(LOCK);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(JournalError::file(&path, "opening the lock")(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(JournalError::File { path, action: "locking", source }),
        }
    }
}

impl OpenRun {
    /// Waits until everything is written, and gives the lock back.
    pub fn close(self) {
        drop(self.journal);
        if let Some(thread) = self.thread {
            // A panic there was reported to whoever waited for an acknowledgement.
            drop(thread.join());
        }
        // Its room is now the report's. What stands there in place of a run that was taken away is somebody else's.
        if self.watch.is_none_or(|watch| watch.is_in_place()) {
            drop(fs::remove_file(self.dir.path.join(RESERVE)));
        }
        drop(self.lock);
    }
}

impl Inputs {
    /// The files with certificates, by where they were, each with its copy.
    pub fn certificates(&self) -> HashMap<PathBuf, PathBuf> {
        let index = copied_inputs(&self.directory).unwrap_or_default().into_iter().filter(|copied| copied.certificates);
        index.filter_map(|Copied { copy, path, .. }| Some((path?, self.directory.join(copy)))).collect()
    }

    /// Where a file is found as the run began with it: there where it was, or its copy once it is another one.
    pub fn as_begun(&self, path: &Path) -> PathBuf {
        let Some(copy) = self.copy_of(path) else { return path.to_owned() };
        let is_same = difference(path, &copy).is_some_and(|line| matches!(line, Ok(None)));
        if is_same { path.to_owned() } else { std::path::absolute(&copy).unwrap_or(copy) }
    }

    /// The copy of the file that was there, where one was made.
    pub fn copy_of(&self, path: &Path) -> Option<PathBuf> {
        let copies = self.copies.get_or_init(|| {
            let index = copied_inputs(&self.directory).unwrap_or_default();
            index.into_iter().filter_map(|Copied { copy, path, .. }| Some((path?, copy))).collect()
        });
        Some(self.directory.join(copies.get(path)?))
    }
}

/// The place of a new run below `runs/`: UTC time, then the plan's name with everything but letters, digits, `-`, `_` and `.`
/// made `-`.
pub fn default_path(plan_name: &str, at: Timestamp) -> PathBuf {
    let name: String = plan_name
        .chars()
        .map(|letter| if letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.') { letter } else { '-' })
        .take(MAX_NAME)
        .collect();
    Path::new("runs").join(format!("{}-{name}", at.strftime("%Y%m%dT%H%M%S%3fZ")))
}

/// The run directories in a directory, in the order of their names; none where it cannot be read.
pub fn runs_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut runs: Vec<PathBuf> = entries.filter(|path| path.join(DATABASE).is_file() && !is_making(path)).collect();
    runs.sort();
    runs
}

fn is_making(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(MAKING))
}

/// Removes half-made run directories whose makers are gone: nobody holds their lock. One that has no lock yet was made just now, or its
/// maker is no more.
fn remove_abandoned(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in entries.filter(|path| is_making(path)) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let maker = name.strip_prefix(MAKING).and_then(|name| name.split('-').next()).unwrap_or_default();
        if (path.join(LOCK).exists() || is_gone(maker)) && lock(&path).is_ok() {
            drop(fs::remove_dir_all(&path));
        }
    }
}

/// Locks a run directory for this process.
fn lock(directory: &Path) -> Result<Lock, JournalError> {
    let mut held = Vec::new();
    let mut hold = |path: &Path, file: File, must: bool| match try_lock(&file) {
        Ok(()) => {
            held.push(file);
            Ok(())
        }
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path: directory.to_path_buf() }),
        Err(TryLockError::Error(source)) if must => {
            Err(JournalError::File { path: path.to_path_buf(), action: "locking", source })
        }
        // Not every file system locks directories (NFS).
        Err(TryLockError::Error(_)) => Ok(()),
    };
    if let Some(file) = open_directory(directory) {
        hold(directory, file, false)?;
    }
    let path = directory.join(LOCK);
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(&path);
    hold(&path, file.map_err(JournalError::file(&path, "opening the lock"))?, true)?;
    // A run in the making has none yet; of another, the reader says what is wrong.
    let marks = directory.join(MARKS);
    if let Ok(file) = OpenOptions::new().write(true).open(&marks) {
        hold(&marks, file, true)?;
    }
    Ok(Lock(held))
}

fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 1..LOCK_TRIES {
        match file.try_lock() {
            // Somebody who only asks whether it is locked holds it for a moment.
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            locked => return locked,
        }
    }
    file.try_lock()
}

/// The directory as something that can be locked, where the system has that.
fn open_directory(path: &Path) -> Option<File> {
    if cfg!(unix) { File::open(path).ok() } else { None }
}

/// Takes up room on the disk, so that the ends of what is in flight and the report find some when the disk is full.
fn make_reserve(path: &Path, actions: u64) -> Result<(), JournalError> {
    let size = MIN_RESERVE.saturating_add(actions.saturating_mul(RESERVE_PER_ACTION)).min(MAX_RESERVE);
    let fill = || -> io::Result<()> {
        let mut file = private_file(path)?;
        if !allocate(&file, size)? {
            io::copy(&mut io::repeat(0).take(size), &mut file)?;
        }
        file.sync_all()
    };
    fill().map_err(JournalError::file(path, "reserving room on the disk"))
}

/// Has the file system set room aside without anything being written; `false` where it cannot.
#[cfg(target_os = "linux")]
fn allocate(file: &File, size: u64) -> io::Result<bool> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(_: &File, _: u64) -> io::Result<bool> {
    Ok(false)
}

/// Copies the files into `directory`, with an index of them. All is synced but the directory itself.
fn copy_inputs(directory: &Path, files: &[ReadFile]) -> Result<(), JournalError> {
    let mut index = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let base = file.path.as_deref().and_then(Path::file_name).map_or("stdin".into(), |name| name.to_string_lossy());
        let copy = format!("{number}-{base}");
        write_copy(&directory.join(&copy), |to| match (&file.text, &file.path) {
            (Some(text), _) => to.write_all(text.as_bytes()),
            (None, Some(from)) if file.holds_certificates => to.write_all(&without_private_keys(from)?),
            (None, Some(from)) => {
                let mut from = open_regular(from)?.ok_or_else(|| io::Error::other("it is no file any more"))?;
                io::copy(&mut from, to).map(drop)
            }
            (None, None) => Ok(()),
        })?;
        // After the copy, so that a change while it was copied is seen as well.
        if let Some(from) =
            file.path.as_deref().filter(|from| file.stamp.is_some() && FileStamp::at(from) != file.stamp)
        {
            return Err(JournalError::Changed { path: from.to_path_buf() });
        }
        let path = file.path.as_deref().and_then(|path| std::path::absolute(path).ok());
        index.push(Copied { copy, name: file.name.clone(), path, certificates: file.holds_certificates });
    }
    write_copy(&directory.join(INDEX), |to| serde_json::to_writer_pretty(to, &index).map_err(io::Error::from))
}

/// A file with certificates as it may be copied: where a private key stands beside them, they alone.
fn without_private_keys(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = Zeroizing::new(file::read(path, MAX_BUNDLE)?);
    if !pem::holds_private_key(&bytes) {
        return Ok(bytes.to_vec());
    }
    let all = Certificate::parse_all(&bytes).map_err(|why| io::Error::other(why.to_string()))?;
    Ok(all.iter().map(|certificate| pem::encode("CERTIFICATE", &certificate.der)).collect::<String>().into_bytes())
}

/// Copies provider documents into `directory`, each by its id. All is synced but the directory itself.
fn copy_documents(directory: &Path, providers: &[Arc<Provider>]) -> Result<(), JournalError> {
    providers.iter().try_for_each(|provider| {
        write_copy(&document_path(directory, &provider.id), |to| to.write_all(provider.text.as_bytes()))
    })
}

fn document_path(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}.yaml"))
}

/// The index of the copies.
fn copied_inputs(directory: &Path) -> Result<Vec<Copied>, JournalError> {
    let path = directory.join(INDEX);
    let file = File::open(&path).map_err(JournalError::file(&path, "reading"))?;
    serde_json::from_reader(BufReader::new(file))
        .map_err(|error| JournalError::Unreadable { path, what: error.to_string() })
}

/// The first line in which a file differs from its copy, from 1. `None` where either is gone, or no file any more.
fn difference(path: &Path, copy: &Path) -> Option<io::Result<Option<u64>>> {
    let (Ok(Some(now)), Ok(then)) = (open_regular(path), File::open(copy)) else { return None };
    Some(first_difference(BufReader::with_capacity(BLOCK, then), BufReader::with_capacity(BLOCK, now)))
}

/// The first line in which two texts differ, from 1.
fn first_difference(mut one: impl BufRead, mut other: impl BufRead) -> io::Result<Option<u64>> {
    let mut line = 1;
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        if length == 0 {
            return Ok((left.len() != right.len()).then_some(line));
        }
        let (left, right) = (&left[..length], &right[..length]);
        // Lines are looked at only where a block differs: a plan may have a million of them.
        let same = if left == right { length } else { left.iter().zip(right).take_while(|(a, b)| a == b).count() };
        line += left[..same].iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        if same < length {
            return Ok(Some(line));
        }
        one.consume(length);
        other.consume(length);
    }
}

fn write_copy(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), JournalError> {
    let attempt = || -> io::Result<()> {
        let mut file = private_file(path)?;
        fill(&mut file)?;
        file.sync_all()
    };
    attempt().map_err(JournalError::file(path, "copying an input"))
}

const INPUTS: &str = "inputs";
const PROVIDERS: &str = "providers";
const LOCK: &str = "lock";
const RESERVE: &str = "reserve";
/// How often a lock is asked for.
const LOCK_TRIES: u32 = 5;
/// The pause between.
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
/// Bytes that are reserved in any case: for a thousand ends.
const MIN_RESERVE: u64 = 512 * 1024;
/// Bytes that are reserved for an action's row in the report.
const RESERVE_PER_ACTION: u64 = 300;
/// Bytes that are reserved at most.
const MAX_RESERVE: u64 = 64 * 1024 * 1024;
/// What the names of half-made run directories begin with.
const MAKING: &str = ".making-";
/// Characters of a plan's name that go into a run directory's.
const MAX_NAME: usize = 60;
/// Files are compared by so many bytes.
const BLOCK: usize = 128 * 1024;
const INDEX: &str = "index.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_told() {
        for (one, other, expected) in [
            ("", "", None),
            ("a\nb\n", "a\nb\n", None),
            ("a\nb\n", "a\nc\n", Some(2)),
            ("a\nb\n", "a\nb\nc\n", Some(3)),
            ("a\n", "a", Some(1)),
            ("a\n", "", Some(1)),
        ] {
            assert_eq!(first_difference(one.as_bytes(), other.as_bytes()).unwrap(), expected, "{one:?} {other:?}");
        }
    }
}
