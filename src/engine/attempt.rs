//! One attempt of one action: sign, send, read, decide, record. Runs beside others once its intent is durable, talks to the
//! wire, and hands its report to the dispatcher, which alone owns the run's state.

use super::reach::Came;
use super::retry::{self, Attempt, Next, Rules};
use super::sender::{Sender, Unsigned};
use super::trip::Trip;
use crate::journal::{ActionState, Journal, Record, Reply, ToSend};
use crate::provider::model::{ActionRules, Operation, Window};
use crate::provider::{Answer, Meaning, Verdict, lookup, verdict};
use crate::run::{Effect, Ordinal, Outcome};
use crate::time::Clock;
use crate::wire::transport::clock_skew;
use crate::wire::{Delivery, Pass, Transport};
use jiff::{SignedDuration, Timestamp};
use std::rc::Rc;
use std::time::Duration;

/// What a step needs: the account, the journal and the clock.
#[derive(Debug)]
pub struct Tools<T, C> {
    /// The account.
    pub sender: Rc<Sender<T>>,
    /// The account's index.
    pub account: usize,
    /// The journal.
    pub journal: Journal,
    /// The clock.
    pub clock: Rc<C>,
    /// Leave to send one request.
    pub pass: Pass,
    /// Whether the provider could not be reached when the step began.
    pub down: bool,
    /// Where the moments of its request are noted.
    pub trip: Rc<Trip>,
}

/// What a step came to.
#[derive(Debug)]
pub struct Report {
    /// The action's id.
    pub id: String,
    /// Whether it is an attempt's, not a look-up's.
    pub sent: bool,
    /// The records that follow from the step, in order; they are still to be written.
    pub records: Vec<Record>,
    /// What follows.
    pub next: Next,
    /// What was answered.
    pub reply: Reply,
    /// The answer itself, where look-ups may need it.
    pub answer: Option<Answer>,
    /// Whether the provider's last answer was a refusal.
    pub refused: bool,
    /// What the limits must know.
    pub pace: Paced,
    /// Whether the provider was reached, where a request was sent.
    pub came: Option<Came>,
    /// The token that the request was signed with.
    pub token_number: u32,
    /// Whether a look-up would read a list, which then can serve other actions too.
    pub by_list: bool,
    /// How far the provider's clock is from ours, where it is far.
    pub skew: Option<SignedDuration>,
}

/// What the limits must know of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paced {
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

impl Paced {
    /// What an answer that means throttling tells.
    pub(super) fn throttled(verdict: &Verdict) -> Self {
        Self::Throttled { retry_after: verdict.retry_after, limit: verdict.limit }
    }
}

/// The journal failed: nothing more may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFailed(pub String);

/// The operation of an action and its rules; a plan that was checked has them.
pub fn operation<'a, T>(sender: &'a Sender<T>, name: &str) -> Option<(&'a Operation, &'a ActionRules)> {
    sender.provider.actions().find(|(operation, _)| operation.name == name)
}

/// What is known about repeating and looking up an action.
pub fn rules<T>(sender: &Sender<T>, action: &ToSend, answer: Option<&Answer>, attempts: u32) -> Option<Rules> {
    let (_, rules) = operation(sender, &action.operation)?;
    let lookup = !lookup::choose(&sender.provider, rules, &action.parameters, answer).is_empty();
    Some(Rules { repeat: rules.repeat, lookup, attempts })
}

/// Whether the look-up of an action reads a list.
fn reads_a_list<T>(sender: &Sender<T>, action: &ToSend, answer: Option<&Answer>) -> bool {
    let chosen = operation(sender, &action.operation).and_then(|(_, rules)| {
        let (index, _) = lookup::choose(&sender.provider, rules, &action.parameters, answer).into_iter().next()?;
        rules.lookups.get(index)
    });
    chosen.is_some_and(|rule| rule.pages.is_some())
}

/// The intent of an action's next attempt.
pub fn intent(state: ActionState, ordinal: Ordinal, at: Timestamp) -> Record {
    Record::Intent { ordinal, attempt: state.attempts + 1, at }
}

/// An action's request. It is made before the intent is written, so that nothing is begun that cannot be sent.
///
/// # Errors
/// Where the provider document does not know the operation, or the action's parameters cannot be read.
pub fn request<T: Transport>(sender: &Sender<T>, action: &ToSend) -> Result<Unsigned, JournalFailed> {
    let (operation, _) = operation(sender, &action.operation).ok_or_else(|| unknown(action))?;
    let unreadable = |error| JournalFailed(format!("action {}: parameters: {error}", action.ordinal));
    Ok(sender.make(operation, &action.parameters.members().map_err(unreadable)?))
}

fn unknown(action: &ToSend) -> JournalFailed {
    JournalFailed(format!("the provider document has no operation {}", action.operation))
}

/// Carries out one attempt, whose intent is durable; `state` is that before it. How it went is the caller's to write: its slot is
/// free once that is queued, since the journal keeps the order, and no intent that follows is durable before it.
///
/// # Errors
/// Where the provider document does not know the operation; nothing was sent then.
pub async fn attempt<T: Transport, C: Clock>(
    tools: &Tools<T, C>,
    action: &ToSend,
    unsigned: Unsigned,
    state: ActionState,
    attempts: u32,
) -> Result<Report, JournalFailed> {
    let Tools { sender, clock, pass, down, trip, .. } = tools;
    let Some((operation, _)) = operation(sender, &action.operation) else { return Err(unknown(action)) };
    let ordinal = action.ordinal;
    let attempt = state.attempts + 1;

    trip.departs(&**clock).await;
    let token_number = sender.token_number();
    let delivery = sender.send(unsigned, pass, clock.now()).await;
    trip.arrived(&**clock);
    let at = clock.now();
    let signed = !matches!(delivery, Delivery::Unsigned(_));
    let (came, reply, answer, verdict) = match delivery {
        Delivery::Unsigned(cause) => (Attempt::NotSent, said(sender, &cause), None, None),
        Delivery::NotSent(cause) => (Attempt::NotSent, said(sender, &format!("not sent: {cause}")), None, None),
        Delivery::Lost(cause) => (Attempt::Lost, said(sender, &format!("no answer: {cause}")), None, None),
        Delivery::Answered(answer) => {
            let mut verdict = verdict::read(operation, &answer, at);
            if verdict.meaning != Meaning::RefusedToken {
                sender.pass_taken(ordinal);
            } else if sender.pass_refused(ordinal) {
                verdict.meaning = Meaning::TryLater;
            }
            let came =
                Attempt::Answered { meaning: verdict.meaning, status: answer.status, declared: verdict.declared };
            (came, reply(sender, &answer, &verdict), Some(answer), Some(verdict))
        }
    };
    let effect = retry::effect(came);
    let counts = retry::counts(came, *down && signed);
    let mut after = state;
    after.attempts = attempt;
    after.counted += u32::from(counts);
    after.tainted |= effect == Effect::Unknown;
    let rules = match retry::is_clear(came) {
        true => NEVER_AGAIN,
        false => rules(sender, action, answer.as_ref(), attempts).unwrap_or(NEVER_AGAIN),
    };
    let next = retry::after_attempt(rules, came, after);
    let reply = match next {
        Next::End(outcome) => closing(sender, action, outcome, state.tainted, reply),
        _ => reply,
    };
    let record = match next {
        Next::End(outcome) => Record::Ended { ordinal, at, outcome, answer: reply.clone() },
        _ => Record::AttemptEnded { ordinal, attempt, at, effect, counts, answer: reply.clone() },
    };

    let meaning = verdict.as_ref().map(|verdict| verdict.meaning);
    if meaning.is_some_and(|meaning| meaning != Meaning::RefusedCredentials) {
        sender.credentials_work();
    }
    let pace = match (meaning, verdict) {
        (Some(Meaning::Throttled), Some(verdict)) => Paced::throttled(&verdict),
        (None, _) => Paced::Lost,
        _ => Paced::Answered,
    };
    let by_list = matches!(next, Next::LookUp(_)) && reads_a_list(sender, action, answer.as_ref());
    let skew = answer.as_ref().filter(|_| sender.compares_clocks(at)).and_then(|answer| clock_skew(answer, at));
    let refused = meaning == Some(Meaning::Rejected);
    let came = signed.then_some(match came {
        Attempt::NotSent => Came::NotSent,
        Attempt::Lost => Came::Lost,
        Attempt::Answered { .. } => Came::Answered,
    });
    let (id, records) = (action.id.clone(), vec![record]);
    Ok(Report { id, sent: true, records, next, reply, answer, refused, pace, came, token_number, by_list, skew })
}

/// The last words about an action, for its report row.
pub(super) fn closing<T: Transport>(
    sender: &Sender<T>,
    action: &ToSend,
    outcome: Outcome,
    tainted: bool,
    mut reply: Reply,
) -> Reply {
    let message = reply.message.take();
    reply.message = match outcome {
        Outcome::InDoubt => {
            let advice = operation(sender, &action.operation)
                .and_then(|(_, rules)| rules.lookups.last())
                .map(|rule| rule.advice.clone())
                .filter(|advice| !advice.is_empty())
                .unwrap_or_else(|| format!("check the state of {} at {}", action.target, sender.name));
            let cause = message.unwrap_or_else(|| "an earlier attempt was left without an answer".to_owned());
            Some(format!("it may have taken effect: {cause}; {advice}"))
        }
        Outcome::Failed => Some(format!("no effect, and no attempt left: {}", message.unwrap_or_default())),
        Outcome::Succeeded if tainted && message.is_none() => {
            Some("found so on asking again, after an answer was lost".to_owned())
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

fn said<T: Transport>(sender: &Sender<T>, message: &str) -> Reply {
    Reply { message: Some(sender.mask(message)), ..Reply::default() }
}

fn reply<T: Transport>(sender: &Sender<T>, answer: &Answer, verdict: &Verdict) -> Reply {
    let words = match (&verdict.message, &verdict.explanation) {
        (Some(message), Some(explanation)) => Some(format!("{message}; {explanation}")),
        (Some(words), None) | (None, Some(words)) => Some(words.clone()),
        (None, None) if verdict.meaning == Meaning::Unknown => {
            Some(format!("HTTP {} is not an answer that the provider documents", answer.status))
        }
        (None, None) => None,
    };
    // Masked before it is cut: a credential that the cut divides would not be known any more.
    let masked = |text: &Option<String>| text.as_ref().map(|text| cut(sender.mask(text)));
    Reply {
        http_status: Some(answer.status),
        code: masked(&verdict.code),
        message: masked(&words),
        reference: masked(&verdict.reference),
    }
}

/// Longer texts of providers are cut: the journal is no place for a web page.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > LONGEST_TEXT
        && let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT)
    {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The rules of an operation that is not known: nothing is repeated.
pub(super) const NEVER_AGAIN: Rules = Rules { repeat: crate::provider::Repeat::Unsafe, lookup: false, attempts: 1 };
/// Characters of a provider's text that are kept.
const LONGEST_TEXT: usize = 1000;
