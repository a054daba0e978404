//! One exchange with a provider, whatever it is for: an attempt of an action, a status query, a canary's read-back, a token, or what `verify`
//! asks. Each is a [`Step`], carried out by [`carry_out`]; the [`StepResult`] says what came of it, for the limits and the circuit breaker in
//! the same words for all. Whoever owns the state decides what follows. Decides nothing, retries nothing.

use super::attempt::Attempt;
use super::sender::{ExchangeResult, Sender, is_good, read_log_in};
use super::status_query::StatusQuery;
use super::timing::RequestTiming;
use crate::journal::{Journal, Record};
use crate::provider::model::Operation;
use crate::provider::{Answer, AnswerClass, Verdict, verdict};
use crate::run::Ordinal;
use crate::time::Clock;
use crate::wire::hook::HookCall;
use crate::wire::{ConnectionUse, Delivery, SigningTicket, Transport, clock_skew};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use std::rc::Rc;
use std::time::Duration;

/// One exchange that is to be made. It has its place under the limits.
#[derive(Debug)]
pub struct Step<T, C> {
    /// The account that it belongs to.
    pub account: usize,
    /// The same, ready to send.
    pub sender: Rc<Sender<T>>,
    /// The journal; none where there is no run, and so nothing may be sent but what only reads.
    pub journal: Option<Journal>,
    /// The clock.
    pub clock: Rc<C>,
    /// Where the moments of its request are noted.
    pub timing: Rc<RequestTiming>,
    /// Permission to sign its request; the log-in itself needs none.
    pub ticket: SigningTicket,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a step is for. What follows from its result depends on that, and nothing else does.
#[derive(Debug)]
pub enum Purpose {
    /// An action's own request, or that of one of its stages. Its intent is durable before the step begins, unless it only reads.
    Act(Box<Attempt>),
    /// The state of a target: of an action in doubt, of a canary that ended well, of a revocation that `verify` looks for.
    Query(Box<StatusQuery>),
    /// What an operation shows that only reads, for nobody's action: a page of a list.
    Read(Box<PlainRead>),
    /// What must be fetched before anything else can be signed: a token, a nonce.
    Authenticate,
}

/// A request of an operation that only reads.
#[derive(Debug)]
pub struct PlainRead {
    /// The operation, by its place in the provider's document.
    pub operation: usize,
    /// What it is asked with.
    pub parameters: Map<String, Value>,
}

/// What came of a step.
#[derive(Debug)]
pub struct StepResult {
    /// What it was for.
    pub purpose: Purpose,
    /// What came.
    pub exchanged: ExchangeResult,
    /// The token that the request was signed with.
    pub token_number: u32,
    /// How far the provider's clock is from ours, where it is far.
    pub skew: Option<SignedDuration>,
}

/// The journal failed: nothing more may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFailed(pub String);

impl Purpose {
    /// The action that it is for, where it is for one.
    pub fn ordinal(&self) -> Option<Ordinal> {
        match self {
            Self::Act(attempt) => Some(attempt.subject.action.ordinal),
            Self::Query(query) => Some(query.subject.action.ordinal),
            Self::Read(_) | Self::Authenticate => None,
        }
    }
}

/// Carries out one step: what it sends has its record before, is signed with the present time, and is sent once.
///
/// # Errors
/// [`JournalFailed`]; nothing was sent then.
pub async fn carry_out<T: Transport, C: Clock>(step: Step<T, C>) -> Result<StepResult, JournalFailed> {
    let Step { account, sender, journal, clock, timing, ticket, mut purpose } = step;
    // Held while a list is read: a query for the same list waits, and then finds it read.
    let lists = if let Purpose::Query(query) = &purpose { query.shared_list(&sender) } else { None };
    let _reading = match &lists {
        Some(lists) => Some(lists.wait_until_read().await),
        None => None,
    };
    let made = match &mut purpose {
        Purpose::Act(attempt) => {
            let fresh = attempt.needs_own_connection(&sender);
            let asked = attempt.asks(&sender);
            attempt.unsigned.take().map(|unsigned| (asked, unsigned, fresh))
        }
        Purpose::Query(query) => {
            let made = query.next_request(&sender);
            made.map(|(operation, unsigned)| (operation, unsigned, query.needs_own_connection()))
        }
        Purpose::Read(read) => {
            let operation = &sender.provider.operations[read.operation];
            // Whatever a caller asks for: this way nothing is changed.
            operation.is_safe.then(|| (read.operation, sender.make(operation, &read.parameters), false))
        }
        Purpose::Authenticate => None,
    };
    if made.is_none() && !matches!(purpose, Purpose::Authenticate) {
        return Ok(StepResult { purpose, exchanged: ExchangeResult::Nothing, token_number: 0, skew: None });
    }
    // Durable before it is sent: it counts in the rate windows of a process that resumes after a crash. An attempt's intent does as well.
    match (&journal, &purpose) {
        (Some(_), Purpose::Act(attempt)) if !attempt.only_reads => {}
        (Some(journal), _) => {
            let asked = Record::Asked { account, ordinal: purpose.ordinal(), at: clock.now() };
            append(journal, clock.elapsed(), vec![asked]).await?;
        }
        (None, Purpose::Act(_)) => return Err(JournalFailed("an action without a journal".to_owned())),
        (None, _) => {}
    }
    if let Some(why) = unmet(&sender, &purpose).await {
        timing.note_sent(&*clock);
        return Ok(StepResult { purpose, exchanged: ExchangeResult::Unsigned(why), token_number: 0, skew: None });
    }
    timing.note_sent(&*clock);
    // Read before the request is signed: another step may renew the token meanwhile, and a refusal is of the old one then.
    let token_number = sender.token_number();
    let asked_at = clock.elapsed();
    let (delivery, operation) = match made {
        Some((operation, unsigned, fresh)) => {
            let operation = &sender.provider.operations[operation];
            let keeps = |answer: &Answer| is_good(read(&sender, &purpose, operation, answer, clock.now()).class);
            let via = ConnectionUse { fresh, keeps: &keeps };
            (sender.send(unsigned, ticket, clock.now(), via).await, Some(operation))
        }
        None => match sender.authenticate(clock.now()).await {
            Some(delivery) => (delivery, None),
            None => return Ok(StepResult { purpose, exchanged: ExchangeResult::Nothing, token_number, skew: None }),
        },
    };
    timing.note_answered(&*clock);
    let at = clock.now();
    let exchanged = match delivery {
        Delivery::Unsigned(cause) => ExchangeResult::Unsigned(cause),
        Delivery::NotSent(cause) => ExchangeResult::NotSent(cause),
        Delivery::Barred(cause) => ExchangeResult::Barred(cause),
        Delivery::Lost(cause) => ExchangeResult::Lost(cause),
        Delivery::Answered(answer) => {
            let verdict = match operation {
                Some(operation) => read(&sender, &purpose, operation, &answer, at),
                None => read_log_in(&answer, at),
            };
            ExchangeResult::Answered(answer, verdict)
        }
    };
    if let (Purpose::Act(attempt), ExchangeResult::Answered(_, verdict)) = (&mut purpose, &exchanged)
        && matches!(verdict.class, AnswerClass::Succeeded | AnswerClass::Rejected)
    {
        for challenge in std::mem::take(&mut attempt.met) {
            let cleaned = sender.call_challenge_hook(&challenge, HookCall::CleanUp).await;
            attempt.left_behind.extend(cleaned.err());
        }
    }
    let mut skew = None;
    if let ExchangeResult::Answered(answer, verdict) = &exchanged {
        if verdict.class != AnswerClass::Unauthorized && operation.is_some() {
            sender.credentials_work();
        }
        if let Purpose::Query(query) = &mut purpose
            && verdict.class == AnswerClass::Succeeded
        {
            query.take_answer(&sender, asked_at, answer.json());
        }
        skew = if sender.compares_clocks(at) { clock_skew(answer, at) } else { None };
    }
    Ok(StepResult { purpose, exchanged, token_number, skew })
}

/// Meets the challenge of an attempt that has one; why it could not, where that is so.
async fn unmet<T: Transport>(sender: &Sender<T>, purpose: &Purpose) -> Option<String> {
    let Purpose::Act(attempt) = purpose else { return None };
    let challenge = attempt.challenge.as_ref()?;
    let why = sender.call_challenge_hook(challenge, HookCall::Deploy).await.err()?;
    // It may have done half of it. What comes of this changes nothing.
    let _cleaned = sender.call_challenge_hook(challenge, HookCall::CleanUp).await;
    Some(why)
}

/// How an answer is read: by the rules of the stage, or of the operation.
fn read<T>(sender: &Sender<T>, purpose: &Purpose, operation: &Operation, answer: &Answer, at: Timestamp) -> Verdict {
    let of_stage = if let Purpose::Act(attempt) = purpose { attempt.read(sender, answer, at) } else { None };
    of_stage.unwrap_or_else(|| verdict::read(operation, answer, at))
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

/// A step whose record, an intent, is still to become durable.
#[derive(Debug)]
pub struct PreparedStep<T, C> {
    /// The step.
    pub step: Step<T, C>,
    /// Its intent.
    pub intent: Record,
    /// Whether its request must not be sent twice.
    pub only_once: bool,
}
