//! What a step needs that sends one request, and what it comes to: shared by attempts, status queries and the verification. Sends nothing
//! itself.

use super::circuit_breaker::Contact;
use super::retry::{NextStep, Rules};
use super::sender::Sender;
use super::timing::RequestTiming;
use crate::journal::{ActionState, Journal, Record, Reply, ToSend};
use crate::provider::model::{Operation, Window};
use crate::provider::{Answer, Idempotency, Verdict, target_state};
use crate::run::{Ordinal, Outcome};
use crate::wire::{SigningTicket, Transport};
use jiff::{SignedDuration, Timestamp};
use std::rc::Rc;
use std::time::Duration;

/// What a step needs beside its action: the account, the operation, the journal and the clock.
#[derive(Debug)]
pub struct StepContext<T, C> {
    /// The account.
    pub sender: Rc<Sender<T>>,
    /// The account's index.
    pub account: usize,
    /// The operation that the action asks for, by its place in the provider's document ([`Sender::find_action`]).
    pub operation: usize,
    /// The journal.
    pub journal: Journal,
    /// The clock.
    pub clock: Rc<C>,
    /// Leave to send one request.
    pub pass: SigningTicket,
    /// Whether the provider could not be reached when the step began.
    pub down: bool,
    /// Where the moments of its request are noted.
    pub timing: Rc<RequestTiming>,
}

impl<T, C> StepContext<T, C> {
    /// The operation that the action asks for.
    pub fn operation(&self) -> &Operation {
        &self.sender.provider.operations[self.operation]
    }
}

/// What a step came to.
#[derive(Debug)]
pub struct StepResult {
    /// The action's id.
    pub id: String,
    /// Whether it is an attempt's, not a status query's.
    pub is_attempt: bool,
    /// The records that follow from the step, in order; they are still to be written.
    pub records: Vec<Record>,
    /// What follows.
    pub next: NextStep,
    /// What was answered.
    pub reply: Reply,
    /// The answer itself, where status queries may need it.
    pub answer: Option<Answer>,
    /// Whether the provider's last answer was a refusal.
    pub refused: bool,
    /// What the limits must know.
    pub limits: LimitSignal,
    /// Whether the provider was reached, where a request was sent.
    pub contact: Option<Contact>,
    /// The token that the request was signed with.
    pub token_number: u32,
    /// Whether it was refused for its pass alone (a nonce that is used up); `None` where no attempt was answered.
    pub pass_refused: Option<bool>,
    /// Whether a status query would read a list, which then can serve other actions too.
    pub reads_list: bool,
    /// How far the provider's clock is from ours, where it is far.
    pub skew: Option<SignedDuration>,
}

/// What the limits must know of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSignal {
    /// It was answered, and not with a word about limits.
    Answered,
    /// It was given up; the provider may have counted it.
    Lost,
    /// There were too many.
    Throttled {
        /// How long the provider asks to wait.
        retry_after: Option<Duration>,
        /// The limit that it told.
        limit: Option<Window>,
    },
    /// Nothing was sent.
    Unsent,
}

impl LimitSignal {
    /// Of an answer that means throttling.
    pub(super) fn throttled(verdict: &Verdict) -> Self {
        Self::Throttled { retry_after: verdict.retry_after, limit: verdict.limit }
    }
}

/// The journal failed: nothing more may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFailed(pub String);

/// What is known about repeating and looking up an action of this operation.
pub fn rules<T>(
    sender: &Sender<T>,
    operation: &Operation,
    action: &ToSend,
    answer: Option<&Answer>,
    attempts: u32,
) -> Rules {
    // An operation that is no action's is not repeated, whatever asks for it.
    let Some(rules) = &operation.action else { return NEVER_AGAIN };
    let lookup = !target_state::choose_queries(&sender.provider, rules, &action.parameters, answer).is_empty();
    Rules { idempotency: rules.idempotency, lookup, attempts }
}

/// The intent of an action's next attempt.
pub fn intent(state: ActionState, ordinal: Ordinal, at: Timestamp) -> Record {
    Record::Intent { ordinal, attempt: state.attempts + 1, at }
}

/// The last words about an action, for its report row.
pub(super) fn closing_reply<T: Transport>(
    sender: &Sender<T>,
    operation: &Operation,
    action: &ToSend,
    outcome: Outcome,
    tainted: bool,
    mut reply: Reply,
) -> Reply {
    let message = reply.message.take();
    reply.message = match outcome {
        Outcome::InDoubt => {
            let advice = operation
                .action
                .as_ref()
                .and_then(|rules| rules.status_queries.last())
                .map(|rule| rule.advice.clone())
                .filter(|advice| !advice.is_empty())
                .unwrap_or_else(|| format!("check the state of {} at {}", action.target, sender.name));
            let cause = message.unwrap_or_else(|| "an earlier attempt was left without an answer".to_owned());
            Some(format!("it may have taken effect: {cause}; {advice}"))
        }
        Outcome::Failed => Some(format!("no effect, and no attempt left: {}", message.unwrap_or_default())),
        Outcome::Succeeded if tainted && message.is_none() => {
            Some("reported as done when retried after a lost response".to_owned())
        }
        _ => message,
    };
    reply
}

/// Appends records and waits, without blocking the thread, until they are durable.
///
/// # Errors
/// [`JournalFailed`].
pub async fn append(journal: &Journal, steady: Duration, records: Vec<Record>) -> Result<(), JournalFailed> {
    if records.is_empty() {
        return Ok(());
    }
    let (sender, durable) = tokio::sync::oneshot::channel();
    journal.append(records, steady, Box::new(move |result| drop(sender.send(result))));
    match durable.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(cause)) => Err(JournalFailed(cause)),
        Err(_) => Err(JournalFailed("the journal's thread is gone".to_owned())),
    }
}

/// Nothing is repeated and nothing is looked up.
pub(super) const NEVER_AGAIN: Rules = Rules { idempotency: Idempotency::NotIdempotent, lookup: false, attempts: 1 };
