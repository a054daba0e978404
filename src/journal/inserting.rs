//! Actions on their way into a new run's database: gathered in chunks and, where there are many, written by a thread of their own, so
//! that a long plan is checked and written at the same time. Decides nothing.

use super::rows::to_sql;
use crate::pki::RevocationReason;
use crate::plan::Action;
use rusqlite::{Connection, Statement, ffi};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Takes actions, and has the connection.
#[derive(Debug)]
pub(super) struct Inserter {
    next: Chunk,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// On the caller's thread: so far there is less than a chunk.
    Here(Connection),
    There {
        sender: SyncSender<Chunk>,
        emptied: Receiver<Chunk>,
        thread: JoinHandle<rusqlite::Result<Connection>>,
    },
    /// An error was told.
    Gone,
}

/// Actions as one text and a few numbers each: they cross to the thread without an allocation of their own.
#[derive(Debug, Default)]
struct Chunk {
    texts: String,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    ordinal: u64,
    account: usize,
    reason: Option<RevocationReason>,
    fingerprint: [u8; 16],
    /// Where the texts that are there begin and end. What the row before says too stands where it stands for that one.
    places: [Option<(usize, usize)>; TEXTS],
}

impl Inserter {
    pub(super) fn new(connection: Connection) -> Self {
        Self { next: Chunk::default(), place: Place::Here(connection) }
    }

    /// Takes the next action. An error may be that of an earlier one.
    pub(super) fn add(&mut self, action: &Action) -> rusqlite::Result<()> {
        self.next.add(action);
        if self.next.rows.len() < CHUNK {
            return Ok(());
        }
        let chunk = std::mem::take(&mut self.next);
        self.place = match std::mem::replace(&mut self.place, Place::Gone) {
            Place::Here(connection) => begin(connection)?,
            there => there,
        };
        let Place::There { sender, emptied, .. } = &self.place else { return Err(gone()) };
        if sender.send(chunk).is_err() {
            return self.end().and_then(|_| Err(gone()));
        }
        self.next = emptied.try_recv().unwrap_or_default();
        Ok(())
    }

    /// Waits until all are written, and gives the connection back.
    pub(super) fn finish(mut self) -> rusqlite::Result<Connection> {
        let chunk = std::mem::take(&mut self.next);
        let connection = self.end()?;
        insert(&mut connection.prepare(INSERT)?, &chunk)?;
        Ok(connection)
    }

    fn end(&mut self) -> rusqlite::Result<Connection> {
        match std::mem::replace(&mut self.place, Place::Gone) {
            Place::Here(connection) => Ok(connection),
            Place::There { sender, thread, .. } => {
                drop(sender);
                thread.join().unwrap_or_else(|_| Err(gone()))
            }
            Place::Gone => Err(gone()),
        }
    }
}

fn begin(connection: Connection) -> rusqlite::Result<Place> {
    let (sender, chunks) = sync_channel(WAITING);
    let (back, emptied) = sync_channel(WAITING);
    let write = move || {
        let mut statement = connection.prepare(INSERT)?;
        for chunk in chunks {
            insert(&mut statement, &chunk)?;
            // Where nobody wants it back there are enough.
            drop(back.try_send(chunk.emptied()));
        }
        drop(statement);
        Ok(connection)
    };
    let thread = std::thread::Builder::new().name("inserting".to_owned()).spawn(write).map_err(|error| {
        rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(format!("no thread: {error}")))
    })?;
    Ok(Place::There { sender, emptied, thread })
}

fn gone() -> rusqlite::Error {
    let what = "writing the actions ended after an earlier failure".to_owned();
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ABORT), Some(what))
}

impl Chunk {
    fn add(&mut self, action: &Action) {
        let list = |items: &[String]| (!items.is_empty()).then(|| serde_json::json!(items).to_string());
        let parameters = action.parameters.to_string();
        let (needs, kept) = (list(&action.needs), list(&action.kept));
        let not_before = action.not_before.map(|at| at.to_string());
        let certificate = action.certificate.as_ref().and_then(|files| serde_json::to_string(files).ok());
        let texts: [Option<&str>; TEXTS] = [
            Some(&action.id),
            Some(&action.operation),
            Some(&action.target),
            action.reason_sent.as_deref(),
            Some(&parameters),
            needs.as_deref(),
            not_before.as_deref(),
            Some(&action.source),
            kept.as_deref(),
            action.duplicate_of.as_deref(),
            certificate.as_deref(),
        ];
        let mut places = self.rows.last().map_or([None; TEXTS], |row| row.places);
        for (place, text) in places.iter_mut().zip(texts) {
            let before = place.map(|(begin, end)| &self.texts[begin..end]);
            if before != text {
                let begin = self.texts.len();
                self.texts.push_str(text.unwrap_or_default());
                *place = text.map(|_| (begin, self.texts.len()));
            }
        }
        self.rows.push(Row {
            ordinal: action.ordinal,
            account: action.account,
            reason: action.reason,
            fingerprint: action.fingerprint.0,
            places,
        });
    }

    fn emptied(mut self) -> Self {
        self.texts.clear();
        self.rows.clear();
        self
    }
}

/// Writes the actions of a chunk. What a row shares with the one before stays bound.
fn insert(statement: &mut Statement<'_>, chunk: &Chunk) -> rusqlite::Result<()> {
    let mut before: Option<&Row> = None;
    for row in &chunk.rows {
        statement.raw_bind_parameter(1, to_sql(row.ordinal))?;
        statement.raw_bind_parameter(2, i64::try_from(row.account).unwrap_or(i64::MAX))?;
        if before.is_none_or(|before| before.reason != row.reason) {
            statement.raw_bind_parameter(3, row.reason.map(RevocationReason::name))?;
        }
        statement.raw_bind_parameter(4, row.fingerprint)?;
        for (index, place) in row.places.iter().enumerate() {
            if before.is_none_or(|before| before.places[index] != *place) {
                statement.raw_bind_parameter(5 + index, place.map(|(begin, end)| &chunk.texts[begin..end]))?;
            }
        }
        statement.raw_execute()?;
        before = Some(row);
    }
    Ok(())
}

const INSERT: &str = "INSERT INTO action (ordinal, account, reason, fingerprint, id, operation, target, reason_sent, parameters, \
     needs, not_before, source, kept, duplicate_of, certificate) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
/// Texts of an action.
const TEXTS: usize = 11;
/// Actions of a chunk. Fewer are written without a thread.
const CHUNK: usize = 512;
/// Chunks that may wait.
const WAITING: usize = 4;
