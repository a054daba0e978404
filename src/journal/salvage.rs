//! A damaged run, as far as it can be read: each action that can be read, each record whose checksum holds. How an action ended whose
//! records may be lost is not known, and so it is in doubt. Writes nothing.

use super::JournalError;
use super::checksum::RowChecksum;
use super::record::StoredRecord;
use super::record_rows::{ACTION_RECORDS, to_sql};
use super::state::{ActionState, History, Phase, WhyInDoubt};
use crate::run::{Ordinal, Outcome};
use rusqlite::Connection;

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

#[cfg(test)]
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
}
