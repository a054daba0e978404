//! The actions that come next, read from the run a few at a time. Holds no more than a few for each account; knows nothing of
//! what is due.

use crate::journal::{JournalError, Reader, ToSend};
use crate::run::Ordinal;
use std::collections::VecDeque;

/// Actions that were read before their turn, by account.
#[derive(Debug)]
pub(super) struct Ahead(Vec<VecDeque<ToSend>>);

impl Ahead {
    /// For so many accounts.
    pub(super) fn new(accounts: usize) -> Self {
        Self(vec![VecDeque::new(); accounts])
    }

    /// An action. Those of an account are asked for in plan order, nearly.
    ///
    /// # Errors
    /// Where the run cannot be read.
    pub(super) fn take(&mut self, reader: &Reader, ordinal: Ordinal, account: usize) -> Result<ToSend, JournalError> {
        let Some(ahead) = self.0.get_mut(account) else { return reader.to_send(ordinal) };
        while ahead.front().is_some_and(|action| action.ordinal < ordinal) {
            ahead.pop_front();
        }
        if ahead.is_empty() {
            ahead.extend(reader.to_send_from(ordinal, account)?);
        }
        match ahead.pop_front() {
            Some(action) if action.ordinal == ordinal => Ok(action),
            // It waited for others, and comes after its turn.
            other => {
                other.into_iter().for_each(|action| ahead.push_front(action));
                reader.to_send(ordinal)
            }
        }
    }
}
