//! What earlier steps of an entry brought, put into the parameters of a later one: from the journal alone, so that a crash changes nothing. Sends
//! nothing.

use super::sender::Sender;
use crate::journal::{History, JournalError, Phase, Reader, ToSend};
use crate::plan::Action;
use crate::plan::checked::{NeverSent, Parameters};
use crate::provider::answer::StepOutput;
use crate::provider::stages;
use std::rc::Rc;
use std::time::Duration;

/// Why an action cannot be made yet, or not at all.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// The end of an earlier step is not durable yet.
    NotYet,
    /// An earlier step did not bring what it takes.
    Missing(String),
    /// The journal cannot be read.
    Journal(JournalError),
}

/// An action as it is sent: what earlier steps of its entry bring stands in its parameters.
///
/// # Errors
/// [`Unresolved`]; nothing may be sent then.
pub(super) fn resolved<T>(reader: &Reader, senders: &[Rc<Sender<T>>], action: ToSend) -> Result<ToSend, Unresolved> {
    if stages::references(&action.parameters).next().is_none() {
        return Ok(action);
    }
    let provider = senders.get(action.account).map(|sender| &sender.provider);
    let Some(operation) = provider.and_then(|provider| provider.operation(&action.operation)) else {
        return Err(Unresolved::Missing(format!("the provider document has no operation {}", action.operation)));
    };
    let mut failed = None;
    let filled = stages::with_brought(operation, &action.parameters, |wanted| {
        let (step, history) = match step_of(reader, &action.id, wanted) {
            Ok(found) => found?,
            Err(error) => {
                failed.get_or_insert(Unresolved::Journal(error));
                return None;
            }
        };
        let state = history.state;
        let is_there = match state.phase {
            Phase::Ended(outcome) => outcome.is_well(),
            Phase::Waiting => state.following.is_some(),
            Phase::InFlight => false,
        };
        if !is_there && !matches!(state.phase, Phase::Ended(_)) {
            failed.get_or_insert(Unresolved::NotYet);
            return None;
        }
        let sender = senders.get(step.account).filter(|_| is_there)?;
        let operation = sender.provider.operation(&step.operation)?;
        stages::brought(operation, &history.captures, history.reply.reference.as_deref(), &wanted.output)
    });
    match (failed, filled) {
        (Some(failed), _) => Err(failed),
        (None, Ok(filled)) => Ok(ToSend { parameters: Parameters::from(filled), ..action }),
        (None, Err(why)) => Err(Unresolved::Missing(why)),
    }
}

/// An earlier step of the entry that an action belongs to; where that repeats another action, the one that was sent.
fn step_of(reader: &Reader, id: &str, wanted: &StepOutput) -> Result<Option<(Action, History)>, JournalError> {
    // The names of steps have no `/`.
    let Some((entry, _)) = id.rsplit_once('/') else { return Ok(None) };
    let Some(ordinal) = reader.ordinal_of(&format!("{entry}/{}", wanted.step))? else { return Ok(None) };
    let found = reader.history(ordinal)?;
    if let Some(NeverSent::Repeats(first)) = &found.0.never_sent
        && let Some(ordinal) = reader.ordinal_of(first)?
    {
        return reader.history(ordinal).map(Some);
    }
    Ok(Some(found))
}

/// What an earlier step brought is on disk after a moment.
pub(super) const UNTIL_DURABLE: Duration = Duration::from_millis(20);
