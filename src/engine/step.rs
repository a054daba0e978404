//! One step that sends one request: what it needs, what comes of it, and the attempt itself (sign, send, read, decide). The first two are
//! shared with status queries and the verification. An attempt runs beside others once its intent is durable, and hands its result to the
//! dispatcher, which alone owns the run's state.

use super::circuit_breaker::Contact;
use super::retry::{self, AttemptResult, NextStep, Rules};
use super::sender::{Sender, Unsigned};
use super::timing::RequestTiming;
use crate::journal::{ActionState, Journal, Record, Reply, ToSend};
use crate::provider::model::{Operation, Window};
use crate::provider::{Answer, AnswerClass, Idempotency, Verdict, target_state, verdict};
use crate::run::{DoubtMessage, Effect, Ordinal, Outcome};
use crate::time::Clock;
use crate::wire::transport::clock_skew;
use crate::wire::{ConnectionUse, Delivery, SigningTicket, Transport};
use jiff::{SignedDuration, Timestamp};
use std::cell::Cell;
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
    /// Permission to sign one request.
    pub ticket: SigningTicket,
    /// Whether the provider is down by what is known at the moment; others' answers tell, too.
    pub down: Rc<Cell<bool>>,
    /// Where the moments of its request are noted.
    pub timing: Rc<RequestTiming>,
}

impl<T, C> StepContext<T, C> {
    /// The operation that the action asks for.
    pub fn operation(&self) -> &Operation {
        &self.sender.provider.operations[self.operation]
    }
}

/// The result of a step.
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
    /// The answer, as the report row shows it.
    pub reply: Reply,
    /// The answer itself, where status queries may need it.
    pub answer: Option<Answer>,
    /// Whether the provider's last answer was a refusal.
    pub refused: bool,
    /// What the limits must know.
    pub limits: LimitSignal,
    /// Whether the provider was reached, where a request was sent.
    pub contact: Option<Contact>,
    /// What came, where it was not in order.
    pub cause: String,
    /// The token that the request was signed with.
    pub token_number: u32,
    /// Whether it was refused for its nonce alone (RFC 8555, section 6.5: `badNonce`); `None` where no attempt was answered.
    pub nonce_refused: Option<bool>,
    /// Whether the answer may be another request's, and is asked for once more.
    pub out_of_turn: bool,
    /// Whether a status query would read a list, which then can serve other actions too.
    pub reads_list: bool,
    /// How far the provider's clock is from ours, where it is far.
    pub skew: Option<SignedDuration>,
}

/// What the limits must know of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSignal {
    /// It was answered, and not because of limits.
    Answered,
    /// It was given up; the provider may have counted it.
    Lost,
    /// There were too many.
    Throttled {
        /// How long the provider asks to wait.
        retry_after: Option<Duration>,
        /// The limit that the answer declares.
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
    Rules { idempotency: rules.idempotency, lookup, attempts, down: false }
}

/// The intent of an action's next attempt.
pub fn intent(state: ActionState, ordinal: Ordinal, at: Timestamp) -> Record {
    Record::Intent { ordinal, attempt: state.attempts + 1, at }
}

/// The answer as the action's report row shows it, with what the user can do about it.
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
            Some(DoubtMessage { cause: &cause, advice: &advice }.to_string())
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

/// An attempt that begins once its intent is durable.
#[derive(Debug)]
pub struct PreparedAttempt<T, C> {
    /// What the step needs.
    pub context: StepContext<T, C>,
    /// The action.
    pub action: ToSend,
    /// Its request: made before the intent is written, so that nothing is begun that cannot be sent.
    pub unsigned: Unsigned,
    /// The action's state before the intent.
    pub state: ActionState,
    /// The intent.
    pub intent: Record,
    /// The plan's `retry.attempts`.
    pub attempts: u32,
    /// How often in a row the action's requests were refused for their nonces alone.
    pub nonces_refused: u32,
    /// What the request before was answered, where that may have been another request's answer.
    pub out_of_turn: Option<Reply>,
}

impl<T, C> PreparedAttempt<T, C> {
    /// Whether its request must not be sent twice.
    pub fn is_sent_only_once(&self) -> bool {
        let rules = self.context.operation().action.as_ref();
        rules.is_none_or(|rules| rules.idempotency == Idempotency::NotIdempotent)
    }
}

/// Whether the status query of an action reads a list.
fn reads_list<T>(sender: &Sender<T>, operation: &Operation, action: &ToSend, answer: Option<&Answer>) -> bool {
    let chosen = operation.action.as_ref().and_then(|rules| {
        let (index, _) =
            target_state::choose_queries(&sender.provider, rules, &action.parameters, answer).into_iter().next()?;
        rules.status_queries.get(index)
    });
    chosen.is_some_and(|rule| rule.pages.is_some())
}

/// Carries out one attempt, whose intent is durable. How it went is the caller's to write: its slot is free once that is queued, since
/// the journal keeps the order, and no intent that follows is durable before it.
pub async fn attempt<T: Transport, C: Clock>(prepared: PreparedAttempt<T, C>) -> StepResult {
    let PreparedAttempt { context, action, unsigned, state, attempts, nonces_refused, out_of_turn, .. } = prepared;
    let operation = context.operation();
    let StepContext { sender, clock, ticket, down, timing, .. } = &context;
    let ordinal = action.ordinal;
    let attempt = state.attempts + 1;

    timing.note_sent(&**clock);
    let token_number = sender.token_number();
    let idempotency = operation.action.as_ref().map(|rules| rules.idempotency);
    let good = [AnswerClass::Succeeded, AnswerClass::PendingApproval];
    let keeps = |answer: &Answer| good.contains(&verdict::read(operation, answer, clock.now()).class);
    let via = ConnectionUse { fresh: retry::needs_own_connection(idempotency, state.attempts), keeps: &keeps };
    let delivery = sender.send(unsigned, ticket, clock.now(), via).await;
    timing.note_answered(&**clock);
    let at = clock.now();
    // A request that could not be signed says nothing about whether the provider can be reached.
    let signed = !matches!(delivery, Delivery::Unsigned(_));
    let (mut nonce_refused, mut barred) = (None, false);
    let (result, reply, answer, verdict) = match delivery {
        Delivery::Unsigned(cause) => (AttemptResult::NotSent, failure_reply(sender, &cause), None, None),
        Delivery::Barred(cause) => {
            barred = true;
            (AttemptResult::NotSent, failure_reply(sender, &format!("not sent: {cause}")), None, None)
        }
        Delivery::NotSent(cause) => {
            (AttemptResult::NotSent, failure_reply(sender, &format!("not sent: {cause}")), None, None)
        }
        Delivery::Lost(cause) => {
            (AttemptResult::Lost, failure_reply(sender, &format!("no answer: {cause}")), None, None)
        }
        Delivery::Answered(answer) => {
            let mut verdict = verdict::read(operation, &answer, at);
            let refused = verdict.class == AnswerClass::BadNonce;
            nonce_refused = Some(refused);
            // A refused nonce costs no attempt, since the answer brings the next one; one that is refused each time would go on for ever.
            if refused && nonces_refused >= MAX_REFUSED_NONCES {
                verdict.class = AnswerClass::TryLater;
            }
            let said = reply(sender, &answer, &verdict);
            // The request before may have taken effect, and this refusal may be that it has.
            if verdict.class == AnswerClass::Rejected && out_of_turn.is_some_and(|before| !is_same(&before, &said)) {
                verdict = Verdict { class: AnswerClass::Unknown, declared: false, ..verdict };
            }
            // A page with a 2xx or 3xx is no sign of a fault that passes: a login portal answers so for ever.
            let foreign = !verdict.is_the_providers && answer.status >= 400;
            let transient = verdict.declared || foreign || answer.status >= 500 || answer.status == 408;
            let result = match retry::is_out_of_turn(verdict.class, answer.by_order) {
                true => AttemptResult::OutOfTurn,
                false => AttemptResult::Answered { meaning: verdict.class, transient },
            };
            (result, said, Some(answer), Some(verdict))
        }
    };
    let effect = retry::effect(result);
    let down = down.get() && signed;
    let counts = retry::counts(result, down || barred);
    let mut after = state;
    after.attempts = attempt;
    after.counted += u32::from(counts);
    after.tainted |= effect == Effect::Unknown;
    // Finding out whether there is a status query costs more than the decision, which nine of ten answers do not need it for.
    let rules = match retry::is_clear(result) {
        true => NEVER_AGAIN,
        false => Rules { down, ..rules(sender, operation, &action, answer.as_ref(), attempts) },
    };
    let next = retry::after_attempt(rules, result, after);
    let cause = match (reply.http_status, &reply.message) {
        (Some(status), Some(message)) if !message.starts_with("HTTP ") => format!("HTTP {status} {message}"),
        (Some(status), None) => format!("HTTP {status}"),
        (_, message) => message.clone().unwrap_or_default(),
    };
    let reply = match next {
        NextStep::End(outcome) => closing_reply(sender, operation, &action, outcome, state.tainted, reply),
        _ => reply,
    };
    let record = match next {
        NextStep::End(outcome) => Record::Ended { ordinal, at, outcome, answer: reply.clone() },
        _ => Record::AttemptEnded { ordinal, attempt, at, effect, counts, answer: reply.clone() },
    };

    let meaning = verdict.as_ref().map(|verdict| verdict.class);
    if meaning.is_some_and(|meaning| meaning != AnswerClass::Unauthorized) {
        sender.credentials_work();
    }
    let limits = match (meaning, verdict) {
        (Some(AnswerClass::Throttled), Some(verdict)) => LimitSignal::throttled(&verdict),
        (None, _) => LimitSignal::Lost,
        _ => LimitSignal::Answered,
    };
    let reads_list = matches!(next, NextStep::LookUp(_)) && reads_list(sender, operation, &action, answer.as_ref());
    let skew = answer.as_ref().filter(|_| sender.compares_clocks(at)).and_then(|answer| clock_skew(answer, at));
    let refused = meaning == Some(AnswerClass::Rejected);
    let contact = signed.then_some(match (result, &answer) {
        (AttemptResult::Answered { meaning, .. }, Some(answer)) => Contact::of_answer(meaning, answer.status),
        (AttemptResult::OutOfTurn, _) => Contact::Answered,
        (AttemptResult::NotSent, _) if barred => Contact::Barred,
        (AttemptResult::NotSent, _) => Contact::NotSent,
        (AttemptResult::Lost | AttemptResult::Answered { .. }, _) => Contact::Lost,
    });
    StepResult {
        id: action.id,
        is_attempt: true,
        records: vec![record],
        next,
        reply,
        answer,
        refused,
        limits,
        contact,
        cause,
        token_number,
        nonce_refused,
        out_of_turn: result == AttemptResult::OutOfTurn,
        reads_list,
        skew,
    }
}

/// Whether two refusals are one and the same: a provider words them with times and numbers of requests.
fn is_same(before: &Reply, now: &Reply) -> bool {
    (before.http_status, &before.code) == (now.http_status, &now.code)
}

fn failure_reply<T: Transport>(sender: &Sender<T>, message: &str) -> Reply {
    Reply { message: Some(sender.mask(message)), ..Reply::default() }
}

fn reply<T: Transport>(sender: &Sender<T>, answer: &Answer, verdict: &Verdict) -> Reply {
    let message = match (&verdict.message, &verdict.explanation) {
        (Some(message), Some(explanation)) => Some(format!("{message}; {explanation}")),
        (Some(text), None) => Some(text.clone()),
        (None, Some(explanation)) if verdict.class == AnswerClass::Unknown => {
            Some(format!("{}; {explanation}", not_understood(answer)))
        }
        (None, None) if verdict.class == AnswerClass::Unknown => Some(not_understood(answer)),
        (None, explanation) => explanation.clone(),
    };
    let excerpt = |text: &Option<String>| text.as_ref().map(|text| sender.excerpt(text));
    Reply {
        http_status: Some(answer.status),
        code: excerpt(&verdict.code),
        message: excerpt(&message),
        reference: excerpt(&verdict.reference),
    }
}

/// What came that is no answer of the provider's, and what it may be.
pub(super) fn not_understood(answer: &Answer) -> String {
    let what = format!("{} is not an answer that the provider documents", answer.describe());
    if answer.status == 404 || (answer.header("location").is_some() && (300..400).contains(&answer.status)) {
        return format!("{what}; is `base_url` right?");
    }
    what
}

/// Nonces of one action that are refused in a row before that counts as a failed attempt.
const MAX_REFUSED_NONCES: u32 = 10;
/// Nothing is repeated and nothing is looked up.
const NEVER_AGAIN: Rules = Rules { idempotency: Idempotency::NotIdempotent, lookup: false, attempts: 1, down: false };
