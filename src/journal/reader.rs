//! Reads a run: its constants, its actions, and the fold of its records. Also while another process writes it.

use super::integrity::{Marks, RecordCount};
use super::queue::Queue;
use super::record::StoredRecord;
use super::rows::{
    self, ACTION_COLUMNS, ACTION_RECORDS, ALL_RECORDS, NO_PARAMETERS, PARAMETERS, RECORDS_WITH_STATUS, RUN_RECORDS,
    RowChecksum, ToSend, newest_process, to_sql,
};
use super::salvage::{Rebuilt, Salvage};
use super::schema::{BRINGS, FACTS, OPERATIONS, PLACES, RunFacts};
use super::state::{History, IllegalRecord, Overview, Phase, States, WhyInDoubt};
use super::{JournalError, schema};
use crate::plan::checked::{Fingerprint, Parameters};
use crate::plan::{Action, Wait};
use crate::run::Ordinal;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Statement};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A run, open for reading.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    /// What must be there at the least.
    marks: Marks,
    /// How a damaged run is read, where this is one.
    salvage: Option<Salvage>,
    /// Whether only what is open is read.
    stays: bool,
    /// The copy that is read in its place. After the connection, which must be closed before.
    rebuilt: Option<Rebuilt>,
}

/// A run's actions, each with the fold of its records, in plan order. A thread reads a few hundred of them at a time and a little ahead of
/// whoever formats them: a million take no more memory, and a process that carries the run out meanwhile is never held up by a long
/// transaction.
#[derive(Debug)]
pub struct Histories<'r> {
    source: HistorySource<'r>,
    chunk: std::vec::IntoIter<(Action, History)>,
}

/// Where the next actions come from.
#[derive(Debug)]
enum HistorySource<'r> {
    /// From the thread.
    Ahead(Receiver<Result<Vec<(Action, History)>, JournalError>>, Option<JoinHandle<()>>),
    /// From the reader's own connection, as they are asked for.
    Here(HistoryWalk<'r>),
}

/// Reads actions with their records, from the first one on.
#[derive(Debug)]
struct HistoryWalk<'r> {
    reader: &'r Reader,
    /// The column of the actions' parameters.
    parameters: &'static str,
    /// The action after those that were read.
    next: Ordinal,
    /// The records that were read.
    count: RecordCount<'r>,
}

impl Reader {
    /// Opens a run's database.
    ///
    /// # Errors
    /// Where it cannot be opened, or the last records of it are not there.
    pub(super) fn open(path: &Path) -> Result<Self, JournalError> {
        let run = path.parent().unwrap_or(path);
        let connection = schema::open_for_reading(path)?;
        let mut reader = Self {
            connection,
            path: path.to_path_buf(),
            marks: Marks::default(),
            salvage: None,
            stays: false,
            rebuilt: None,
        };
        for tries_left in (0..MARK_TRIES).rev() {
            // Before the records: another process may be writing, and its mark never says more than is there.
            let ended = Marks::read(run).and_then(|marks| {
                reader.marks = marks;
                reader.require_ends()
            });
            match ended {
                Ok(()) => return Ok(reader),
                Err(error) if tries_left == 0 => return Err(error),
                // A mark that is just being written, or the first one of a process that has just begun.
                Err(_) => std::thread::sleep(MARK_PAUSE),
            }
        }
        Ok(reader)
    }

    /// Requires that the marks are of the run whose actions these are.
    fn require_one_run(&self) -> Result<(), JournalError> {
        let read = self.constant(FACTS).and_then(|_| schema::run_checksum(&self.connection).map_err(self.database()));
        // Constants that cannot be read are damaged, and whoever needs them says so.
        let Ok(checksum) = read else { return Ok(()) };
        if self.marks.0.iter().filter_map(|mark| mark.run).all(|run| run == checksum) {
            return Ok(());
        }
        Err(JournalError::OfTwoRuns { run: self.path.parent().unwrap_or(&self.path).to_path_buf() })
    }

    /// Requires the last record of each process that the marks know, and that they know each.
    fn require_ends(&self) -> Result<(), JournalError> {
        self.require_one_run()?;
        let run = self.path.parent().unwrap_or(&self.path);
        let known = self.marks.0.len() as u64;
        let process = newest_process(&self.connection).map_err(self.database())?;
        if process > known {
            let what = format!("its file `marks` knows {known} processes, and {process} have worked on the run");
            return Err(JournalError::incomplete(run, what));
        }
        let select = "SELECT count(*) FROM journal WHERE ordinal = ?1 AND seq = ?2";
        let mut statement = self.connection.prepare(select).map_err(self.database())?;
        for mark in self.marks.0.iter().filter(|mark| mark.records > 0) {
            let found: i64 =
                statement.query_row([mark.ordinal, to_sql(mark.seq)], |row| row.get(0)).map_err(self.database())?;
            if found == 0 {
                let what = format!(
                    "the journal has lost its end: process {} has written {} records, and the last of them is not there. \
                     `run.sqlite-wal`, which belongs to `run.sqlite`, is missing, cut, damaged or older, or both are older",
                    mark.process, mark.records
                );
                return Err(JournalError::incomplete(run, what));
            }
        }
        Ok(())
    }

    fn require_all(&self, tally: &RecordCount<'_>) -> Result<(), JournalError> {
        match tally.missing() {
            Some(what) => Err(JournalError::incomplete(self.path.parent().unwrap_or(&self.path), what)),
            None => Ok(()),
        }
    }

    /// Requires every record that was written, as it was written; whether they contradict each other is another matter.
    fn require_records(&self) -> Result<(), JournalError> {
        self.require_ends()?;
        let mut tally = RecordCount::new(&self.marks);
        let mut statement = self.connection.prepare(ALL_RECORDS).map_err(self.database())?;
        self.each_record(&mut statement, [], |stored, checksum| {
            tally.take(stored.process(), stored.seq, checksum);
            Ok(())
        })?;
        self.require_all(&tally)
    }

    /// Opens a run that may be damaged; one that is not is read as usual.
    ///
    /// # Errors
    /// Where nothing of it can be read.
    pub(super) fn open_damaged(path: &Path) -> Result<Self, JournalError> {
        let connection = schema::open_for_reading(path)?;
        let run = path.parent().unwrap_or(path);
        let (marks, unmarked) = match Marks::read(run) {
            Ok(marks) => (marks, None),
            Err(error) => (Marks::default(), Some(error)),
        };
        let known = unmarked.is_none().then_some(marks.0.len() as u64);
        let mut reader =
            Self { connection, path: path.to_path_buf(), marks, salvage: None, stays: false, rebuilt: None };
        // Not even a part of it is true: it tells of the records of one run as if they were of the actions of another.
        reader.require_one_run()?;
        let whole = |reader: &Self| reader.require_records().and_then(|()| reader.require_rows());
        let Some(error) = unmarked.or_else(|| whole(&reader).err()) else {
            return Ok(reader);
        };
        // What cannot be rebuilt is read as it is.
        let directory = std::env::temp_dir().join(format!("certsweep-salvage-{}", std::process::id()));
        let rebuilt = Rebuilt::of(path, directory).ok().flatten();
        let opened = rebuilt.as_ref().and_then(|rebuilt| schema::open_for_reading(&rebuilt.database()).ok());
        let mut is_whole = false;
        if let Some(connection) = opened {
            (reader.connection, reader.rebuilt) = (connection, rebuilt);
            is_whole = known.is_some() && whole(&reader).is_ok();
        }
        let found = newest_process(&reader.connection).unwrap_or_default();
        let salvage = reader.salvage.insert(Salvage::of(error, known, found)).clone();
        let actions = reader.facts()?.actions;
        reader.salvage = Some(Salvage { actions, is_whole, ..salvage });
        Ok(reader)
    }

    /// What is wrong with a damaged run that is read as far as it can be.
    pub fn damage(&self) -> Option<&str> {
        self.salvage.as_ref().map(|salvage| salvage.damage.as_str())
    }

    /// Requires the constants and every action, but for the parameters: reports are made without them.
    fn require_rows(&self) -> Result<(), JournalError> {
        self.histories_without_parameters().try_for_each(|found| found.map(drop))
    }

    /// An action of a damaged run with the fold of its records.
    fn salvaged(&self, salvage: &Salvage, parameters: &str, ordinal: Ordinal) -> (Action, History) {
        let read =
            self.actions_where(parameters, "ordinal = ?1", [to_sql(ordinal)]).ok().and_then(|mut found| found.pop());
        let never_sent = read.as_ref().is_some_and(|action| action.never_sent.is_some());
        let mut history = salvage.history(&self.connection, ordinal, never_sent);
        let action = read.unwrap_or_else(|| {
            history.fall_into(WhyInDoubt::Lost);
            Action { ordinal, id: format!("(action {})", ordinal + 1), account: usize::MAX, ..Action::default() }
        });
        (action, history)
    }

    /// The run's constants.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn facts(&self) -> Result<RunFacts, JournalError> {
        let text = self.constant(FACTS)?;
        serde_json::from_str(&text).map_err(|error| self.unreadable(format!("run facts: {error}")))
    }

    /// One action.
    ///
    /// # Errors
    /// Where the database cannot be read, or has no such action.
    pub fn action(&self, ordinal: Ordinal) -> Result<Action, JournalError> {
        let found = self.actions_where(PARAMETERS, "ordinal = ?1", [to_sql(ordinal)])?.pop();
        found.ok_or_else(|| self.unreadable(format!("there is no action {ordinal}")))
    }

    /// What sending an action needs of it.
    ///
    /// # Errors
    /// Where the database cannot be read, or has no such action.
    pub fn to_send(&self, ordinal: Ordinal) -> Result<ToSend, JournalError> {
        self.action(ordinal).map(ToSend::from)
    }

    fn actions_where(&self, parameters: &str, which: &str, by: impl Params) -> Result<Vec<Action>, JournalError> {
        let select = format!("SELECT {ACTION_COLUMNS}, {parameters} FROM action WHERE {which}");
        let mut statement = self.connection.prepare_cached(&select).map_err(self.database())?;
        let mut rows = statement.query(by).map_err(self.database())?;
        let mut found = Vec::new();
        let mut checksums = RowChecksum::default();
        while let Some(row) = rows.next().map_err(self.database())? {
            found.push(rows::read_action(row, &mut checksums).map_err(|error| error.at(&self.path))?);
        }
        Ok(found)
    }

    /// One action with the fold of its records.
    ///
    /// # Errors
    /// Where the database cannot be read, or has no such action, or its records contradict each other.
    pub fn history(&self, ordinal: Ordinal) -> Result<(Action, History), JournalError> {
        let found = self.histories_of(PARAMETERS, ordinal, ordinal + 1, |_, _| ())?.pop();
        found.ok_or_else(|| self.unreadable(format!("there is no action {ordinal}")))
    }

    /// Whether any action was issued a new certificate.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn has_issued(&self) -> Result<bool, JournalError> {
        rows::has_issued(&self.connection).map_err(self.database())
    }

    /// Whether any action may bring a new certificate, or has. Runs of former versions tell only the second.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn may_issue(&self) -> Result<bool, JournalError> {
        Ok(self.constant(BRINGS).is_ok_and(|brings| brings == "true") || self.has_issued()?)
    }

    /// Every action with the fold of its records, in plan order. After the last one comes an error where records are not there that must be.
    pub fn histories(&self) -> Histories<'_> {
        self.read_histories(PARAMETERS)
    }

    /// The same, the parameters left out: a report shows none, and those of one action that cannot be read must not keep all others from
    /// being reported.
    pub fn histories_without_parameters(&self) -> Histories<'_> {
        self.read_histories(NO_PARAMETERS)
    }

    fn read_histories(&self, parameters: &'static str) -> Histories<'_> {
        let chunk = Vec::new().into_iter();
        if self.stays || self.salvage.is_some() {
            return Histories { source: HistorySource::Here(HistoryWalk::new(self, parameters)), chunk };
        }
        let (sender, chunks) = sync_channel(MAX_CHUNKS);
        let path = self.path.clone();
        // A connection belongs to one thread, so the thread opens its own.
        let read_all = move || {
            let reader = match Self::open(&path) {
                Ok(reader) => reader,
                Err(error) => return drop(sender.send(Err(error))),
            };
            let mut walk = HistoryWalk::new(&reader, parameters);
            loop {
                let chunk = walk.chunk();
                let is_last = chunk.as_ref().map_or(true, Vec::is_empty);
                // Nobody receives any more where the caller stopped half-way.
                if sender.send(chunk).is_err() || is_last {
                    return;
                }
            }
        };
        Histories { source: HistorySource::Ahead(chunks, Some(std::thread::spawn(read_all))), chunk }
    }

    /// From now on nothing is opened anew: what stands at the run's place may be another.
    pub const fn stay(&mut self) {
        self.stays = true;
    }

    /// Those of them from one ordinal to before another.
    fn histories_of(
        &self,
        parameters: &str,
        first: Ordinal,
        end: Ordinal,
        mut each: impl FnMut(&StoredRecord, u32),
    ) -> Result<Vec<(Action, History)>, JournalError> {
        let between = [to_sql(first), to_sql(end)];
        let actions = self.actions_where(parameters, "ordinal >= ?1 AND ordinal < ?2 ORDER BY ordinal", between)?;
        let mut found: Vec<_> = actions.into_iter().map(|action| (action, History::default())).collect();
        // Their ordinals follow one another, so that a record's tells the place.
        for (ordinal, (action, _)) in (first..).zip(&found) {
            if action.ordinal != ordinal {
                return Err(self.unreadable(format!("there is no action {ordinal}")));
            }
        }
        let mut statement = self.connection.prepare_cached(ACTION_RECORDS).map_err(self.database())?;
        self.each_record(&mut statement, between, |stored, checksum| {
            each(&stored, checksum);
            let ordinal = stored.record.ordinal().unwrap_or_default();
            let place = ordinal.checked_sub(first).and_then(|place| usize::try_from(place).ok());
            let Some((_, history)) = place.and_then(|place| found.get_mut(place)) else {
                return Err(self.unreadable(format!("there is no action {ordinal}")));
            };
            history.take(stored.record);
            Ok(())
        })?;
        Ok(found)
    }

    /// Hands out records with their checksums.
    fn each_record(
        &self,
        statement: &mut Statement<'_>,
        by: impl Params,
        mut each: impl FnMut(StoredRecord, u32) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        let mut rows = statement.query(by).map_err(self.database())?;
        let mut checksums = RowChecksum::default();
        while let Some(row) = rows.next().map_err(self.database())? {
            let (stored, checksum) = StoredRecord::read(row, &mut checksums).map_err(|error| error.at(&self.path))?;
            each(stored, checksum)?;
        }
        Ok(())
    }

    /// The action of an id.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn ordinal_of(&self, id: &str) -> Result<Option<Ordinal>, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT ordinal FROM action WHERE id = ?1 ORDER BY ordinal LIMIT 1")
            .map_err(JournalError::database(&self.path))?;
        let found = statement.query_row([id], |row| row.get::<_, i64>(0)).optional();
        Ok(found.map_err(JournalError::database(&self.path))?.map(i64::unsigned_abs))
    }

    /// The state of every action, by ordinal.
    ///
    /// # Errors
    /// Where the database cannot be read, records are missing, or they contradict each other.
    pub fn states(&self) -> Result<States, JournalError> {
        self.states_and(|_| ())
    }

    /// The same, while `each` is shown every record, its answer left out: those about the run as a whole first, then those of each
    /// action in plan order; both in the order of writing. A long journal is read once.
    ///
    /// # Errors
    /// As [`Self::states`].
    pub fn states_and(&self, mut each: impl FnMut(&StoredRecord)) -> Result<States, JournalError> {
        let mut states = States::new(self.actions()?);
        let mut tally = RecordCount::new(&self.marks);
        let mut statement = self.connection.prepare(ALL_RECORDS).map_err(self.database())?;
        self.each_record(&mut statement, [], |stored, checksum| {
            tally.take(stored.process(), stored.seq, checksum);
            each(&stored);
            states.take(&stored.record).map_err(|source| self.damaged(source))
        })?;
        self.require_all(&tally)?;
        Ok(states)
    }

    /// Every record, of answers the HTTP status alone, in the order of [`Self::states_and`]. What they mean together is not asked.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn records(&self, mut each: impl FnMut(&StoredRecord)) -> Result<(), JournalError> {
        let mut statement = self.connection.prepare(RECORDS_WITH_STATUS).map_err(self.database())?;
        self.each_record(&mut statement, [], |stored, _| {
            each(&stored);
            Ok(())
        })
    }

    /// The actions, as far as the order of sending goes.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn queue(&self) -> Result<Queue, JournalError> {
        let database = JournalError::database(&self.path);
        let mut statement = self
            .connection
            .prepare("SELECT ordinal, account, needs, not_before, duplicate_of,
                   CASE WHEN operation GLOB 'wait *' THEN operation END, CASE WHEN operation GLOB 'wait *' THEN parameters END
                 FROM action ORDER BY ordinal")
            .map_err(&database)?;
        let mut rows = statement.query([]).map_err(&database)?;
        let mut queue = Queue::default();
        // Ordinals are places: every other table and every state is by ordinal, so a row that is missing would shift them all.
        while let Some(row) = rows.next().map_err(&database)? {
            let account = usize::try_from(row.get::<_, i64>(1).map_err(&database)?).unwrap_or(usize::MAX);
            let ordinal = queue.push(account);
            if row.get::<_, i64>(0).map_err(&database)?.unsigned_abs() != ordinal {
                return Err(self.unreadable(format!("there is no action {ordinal}")));
            }
            if let Some(needs) = row.get::<_, Option<String>>(2).map_err(&database)? {
                let ids: Vec<String> =
                    serde_json::from_str(&needs).map_err(|error| self.unreadable(format!("needs: {error}")))?;
                let needed = |id: &String| {
                    self.ordinal_of(id)?.ok_or_else(|| self.unreadable(format!("no action has the id {id}")))
                };
                let (ids, accepted) = rows::split_needs(ids);
                let mut needs = ids.iter().map(needed).collect::<Result<Vec<_>, _>>()?;
                for id in &accepted {
                    let need = needed(id)?;
                    queue.accept(ordinal, need);
                    needs.push(need);
                }
                queue.need(ordinal, needs);
            }
            if let Some(until) = row.get::<_, Option<String>>(3).map_err(&database)? {
                // An instant that cannot be read must not let the action go at once.
                let until = until.parse().map_err(|error| self.unreadable(format!("not_before: {error}")))?;
                queue.hold(ordinal, until);
            }
            if let Some(operation) = row.get::<_, Option<String>>(5).map_err(&database)? {
                let parameters: String = row.get(6).map_err(&database)?;
                let parameters = Parameters::parse(&parameters);
                let wait = parameters.ok().and_then(|parameters| Wait::of_action(&operation, &parameters));
                let wait = wait.ok_or_else(|| self.unreadable(format!("what the action {ordinal} waits for")))?;
                queue.set_wait(ordinal, wait.within);
            }
            if let Some(why) = row.get(4).map_err(&database)? {
                queue.never_send(ordinal, rows::never_sent_from_sql(why));
                // It is never sent, and so nobody would read it whole.
                self.action(ordinal)?;
            }
        }
        Ok(queue)
    }

    /// What every action that is to be sent does, with its account and operation, in plan order.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn fingerprints(&self, mut each: impl FnMut(Ordinal, usize, &str, Fingerprint)) -> Result<(), JournalError> {
        let database = JournalError::database(&self.path);
        let select = "SELECT ordinal, account, operation, fingerprint FROM action
             WHERE duplicate_of IS NULL AND operation NOT GLOB 'wait *' ORDER BY ordinal";
        let mut statement = self.connection.prepare(select).map_err(&database)?;
        let mut rows = statement.query([]).map_err(&database)?;
        while let Some(row) = rows.next().map_err(&database)? {
            let ordinal = row.get::<_, i64>(0).map_err(&database)?.unsigned_abs();
            let account = usize::try_from(row.get::<_, i64>(1).map_err(&database)?).unwrap_or(usize::MAX);
            let operation: String = row.get(2).map_err(&database)?;
            each(ordinal, account, &operation, Fingerprint(row.get(3).map_err(&database)?));
        }
        Ok(())
    }

    /// The run as a whole.
    ///
    /// # Errors
    /// Where the database cannot be read, or the records contradict each other.
    pub fn overview(&self) -> Result<Overview, JournalError> {
        let mut overview = Overview::default();
        let states = self.states_and(|stored| overview.take(&stored.record))?;
        let mut statement =
            self.connection.prepare("SELECT account FROM action ORDER BY ordinal").map_err(self.database())?;
        let mut accounts = statement.query([]).map_err(self.database())?;
        for state in states.iter() {
            overview.count(state.phase);
            overview.followed += u64::from(state.phase == Phase::Waiting && state.following.is_some());
            if let Some(row) = accounts.next().map_err(self.database())? {
                let account: i64 = row.get(0).map_err(self.database())?;
                let (actions, ended) = overview.accounts.entry(account.unsigned_abs() as usize).or_default();
                *actions += 1;
                *ended += u64::from(matches!(state.phase, Phase::Ended(_)));
            }
        }
        Ok(overview)
    }

    /// The run as a whole, but for its actions: none is counted, and `last_at` is that of the other records. Cheap however many actions
    /// there are.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn overview_without_actions(&self) -> Result<Overview, JournalError> {
        let mut overview = Overview::default();
        let mut statement = self.connection.prepare(RUN_RECORDS).map_err(self.database())?;
        let read = self.each_record(&mut statement, [], |stored, _| {
            overview.take(&stored.record);
            Ok(())
        });
        match read {
            Err(_) if self.salvage.is_some() => Ok(overview),
            read => read.map(|()| overview),
        }
    }

    /// When the first process began.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn began_at(&self) -> Result<Option<Timestamp>, JournalError> {
        Ok(self.overview_without_actions()?.began_at)
    }

    /// How many actions repeat another, and how many are on an exception list; none of them is ever sent.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn never_sent(&self) -> Result<(u64, u64), JournalError> {
        let all = self.count("SELECT count(*) FROM action WHERE duplicate_of IS NOT NULL")?;
        let marked = u32::from(rows::EXCEPTED);
        let excepted = format!("SELECT count(*) FROM action WHERE unicode(duplicate_of) = {marked}");
        let excepted = self.count(&excepted)?;
        Ok((all - excepted, excepted))
    }

    /// How many actions there are.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn actions(&self) -> Result<u64, JournalError> {
        // They are counted from 0 on, and none is missing.
        let (there, written) = (self.count("SELECT coalesce(max(ordinal) + 1, 0) FROM action")?, self.facts()?.actions);
        if there == written {
            return Ok(there);
        }
        Err(self.unreadable(format!("{written} actions were written, and {there} are there")))
    }

    /// Whether an action may ever have ended in doubt, be it settled since or not.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn was_in_doubt(&self) -> Result<bool, JournalError> {
        let select =
            "SELECT count(*) FROM (SELECT 1 FROM journal WHERE outcome = 'in-doubt' OR body LIKE '%in-doubt%' LIMIT 1)";
        Ok(self.count(select)? > 0)
    }

    /// How long a request of each account took, from the intent to the answer: the mean over actions that one answered request settled,
    /// some hundred of them evenly over the plan. An account of which none is among them is absent.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn latencies(&self) -> Result<Vec<(usize, Duration)>, JournalError> {
        let select = "SELECT account, max(journal.steady) - min(journal.steady) FROM journal JOIN action USING (ordinal) \
             WHERE ordinal = ?1 GROUP BY ordinal \
             HAVING count(*) = 2 AND sum(kind IS 'intent') = 1 AND sum(kind IS 'ended') = 1 AND count(http_status) = 1";
        let mut select = self.connection.prepare(select).map_err(self.database())?;
        let mut sums: BTreeMap<usize, (Duration, u32)> = BTreeMap::new();
        let actions = self.count("SELECT coalesce(max(ordinal) + 1, 0) FROM action")?;
        for ordinal in (0..actions).step_by(usize::try_from(actions / LATENCY_SAMPLES).unwrap_or(usize::MAX).max(1)) {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?));
            if let Some((account, took)) =
                select.query_row([to_sql(ordinal)], read).optional().map_err(self.database())?
            {
                let (sum, count) = sums.entry(account as usize).or_default();
                *sum += Duration::from_micros(took.unsigned_abs());
                *count += 1;
            }
        }
        Ok(sums.into_iter().map(|(account, (sum, count))| (account, sum / count)).collect())
    }

    /// Accounts, each with an operation that actions of it ask for; every pair once.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn operations(&self) -> Result<Vec<(usize, String)>, JournalError> {
        let text = self.constant(OPERATIONS)?;
        serde_json::from_str(&text).map_err(|error| self.unreadable(format!("operations: {error}")))
    }

    /// Where each action stands in the whole plan, where the run is a part of it.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn places(&self) -> Result<Option<Vec<Ordinal>>, JournalError> {
        if self.facts()?.part.is_none() {
            return Ok(None);
        }
        let gaps: Vec<Ordinal> = serde_json::from_str(&self.constant(PLACES)?)
            .map_err(|error| self.unreadable(format!("places: {error}")))?;
        let places = gaps.into_iter().scan(0, |next: &mut Ordinal, gap| {
            let place = next.checked_add(gap)?;
            *next = place.checked_add(1)?;
            Some(place)
        });
        Ok(Some(places.collect()))
    }

    fn constant(&self, key: &str) -> Result<String, JournalError> {
        let select = "SELECT value, checksum FROM run WHERE key = ?1";
        let found = self.connection.query_row(select, [key], |row| Ok((row.get(0)?, row.get(1)?)));
        let (value, checksum): (String, i64) = found.map_err(self.database())?;
        let is_whole = checksum == i64::from(RowChecksum::default().of([key.into(), value.as_str().into()]));
        if is_whole || self.salvage.is_some() {
            Ok(value)
        } else {
            Err(self.unreadable(format!("{key}: it is another text")))
        }
    }

    fn count(&self, select: &str) -> Result<u64, JournalError> {
        let count = self.connection.query_row(select, [], |row| row.get::<_, i64>(0));
        Ok(count.map_err(JournalError::database(&self.path))?.unsigned_abs())
    }

    fn database(&self) -> impl FnOnce(rusqlite::Error) -> JournalError {
        JournalError::database(&self.path)
    }

    fn damaged(&self, source: IllegalRecord) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), source }
    }

    fn unreadable(&self, what: String) -> JournalError {
        JournalError::Unreadable { path: self.path.clone(), what }
    }
}

impl Iterator for Histories<'_> {
    type Item = Result<(Action, History), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.len() == 0 {
            let chunk = match &mut self.source {
                HistorySource::Here(walk) => walk.chunk(),
                HistorySource::Ahead(chunks, thread) => match chunks.recv() {
                    Ok(chunk) => chunk,
                    // The thread has ended: after the last chunk or an error, or else a panic, which must not leave a report that looks whole.
                    Err(_) => {
                        let ended = thread.take().map(JoinHandle::join).transpose();
                        return ended.map_or_else(|panic| resume_unwind(panic), |_| None);
                    }
                },
            };
            match chunk {
                Ok(chunk) => self.chunk = chunk.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        self.chunk.next().map(Ok)
    }
}

impl<'r> HistoryWalk<'r> {
    fn new(reader: &'r Reader, parameters: &'static str) -> Self {
        Self { reader, parameters, next: 0, count: RecordCount::new(&reader.marks) }
    }

    /// The next actions; none after the last.
    fn chunk(&mut self) -> Result<Vec<(Action, History)>, JournalError> {
        let (reader, first) = (self.reader, self.next);
        self.next += CHUNK;
        if let Some(salvage) = &reader.salvage {
            let ordinals = first..self.next.min(salvage.actions);
            return Ok(ordinals.map(|ordinal| reader.salvaged(salvage, self.parameters, ordinal)).collect());
        }
        let mut count = |stored: &StoredRecord, checksum| self.count.take(stored.process(), stored.seq, checksum);
        if first == 0 {
            reader.actions()?;
            let mut statement = reader.connection.prepare(RUN_RECORDS).map_err(reader.database())?;
            reader.each_record(&mut statement, [], |stored, checksum| {
                count(&stored, checksum);
                Ok(())
            })?;
        }
        let chunk = reader.histories_of(self.parameters, first, self.next, count)?;
        if chunk.is_empty() {
            reader.require_all(&self.count)?;
        }
        Ok(chunk)
    }
}

/// Actions that are read at a time with their records.
const CHUNK: u64 = 256;
/// Chunks that are read ahead at most.
const MAX_CHUNKS: usize = 4;
/// Actions whose times are read to tell how long a request takes.
const LATENCY_SAMPLES: u64 = 400;
/// How often the marks are read: they may just be being written.
const MARK_TRIES: u32 = 3;
/// The pause between.
const MARK_PAUSE: Duration = Duration::from_millis(5);
