//! One step of one action: an attempt (intent, sign, send, read, decide, record) or a look-up. Runs as a task of its own, talks to
//! the journal and the wire, and hands its report to the dispatcher, which alone owns the run's state.

use super::retry::{self, Attempt, Next, Rules};
use super::sender::Sender;
use crate::journal::{ActionState, Journal, Record, Reply};
use crate::plan::Action;
use crate::provider::model::{ActionRules, Operation};
use crate::provider::{Answer, Meaning, Standing, Verdict, lookup, verdict};
use crate::run::{Effect, Outcome};
use crate::time::Clock;
use crate::wire::clock::clock_skew;
use crate::wire::{Delivery, Transport};
use jiff::SignedDuration;
use serde_json::Value;
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
}

/// What a step came to. Its records are durable.
#[derive(Debug)]
pub struct Report {
    /// The records that it wrote about its action, in order.
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
    /// The token that the request was signed with.
    pub token_number: u32,
    /// How far the provider's clock is from ours, where it is far.
    pub skew: Option<SignedDuration>,
}

/// What the limits must know of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paced {
    /// It was answered, or given up.
    Answered,
    /// There were too many.
    Throttled(Option<Duration>),
    /// Nothing was sent.
    Unsent,
}

/// The journal failed: nothing more may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFailed(pub String);

/// The operation of an action and its rules; a plan that was checked has them.
pub fn operation<'a, T>(sender: &'a Sender<T>, name: &str) -> Option<(&'a Operation, &'a ActionRules)> {
    sender.provider.actions().find(|(operation, _)| operation.name == name)
}

/// What is known about repeating and looking up an action.
pub fn rules<T>(sender: &Sender<T>, action: &Action, answer: Option<&Answer>, attempts: u32) -> Option<Rules> {
    let (_, rules) = operation(sender, &action.operation)?;
    let lookup = !lookup::choose(&sender.provider, rules, &action.parameters, answer).is_empty();
    Some(Rules { repeat: rules.repeat, lookup, attempts })
}

/// Carries out one attempt. The intent is durable before anything is sent; how it went is durable before this returns.
///
/// # Errors
/// [`JournalFailed`]; before the intent was durable, nothing was sent.
pub async fn attempt<T: Transport, C: Clock>(
    tools: Tools<T, C>,
    action: Action,
    state: ActionState,
    attempts: u32,
) -> Result<Report, JournalFailed> {
    let Tools { sender, journal, clock, .. } = tools;
    let Some((operation, _)) = operation(&sender, &action.operation) else {
        return Err(JournalFailed(format!("the provider document has no operation {}", action.operation)));
    };
    let ordinal = action.ordinal;
    let attempt = state.attempts + 1;
    let intent = Record::Intent { ordinal, attempt, at: clock.now() };
    append(&journal, vec![intent.clone()]).await?;

    let token_number = sender.token_number();
    let delivery = sender.send(operation, &action.parameters, clock.now()).await;
    let at = clock.now();
    let (came, reply, answer, verdict) = match delivery {
        Delivery::NotSent(cause) => (Attempt::NotSent, said(&sender, &format!("not sent: {cause}")), None, None),
        Delivery::Lost(cause) => (Attempt::Lost, said(&sender, &format!("no answer: {cause}")), None, None),
        Delivery::Answered(answer) => {
            let verdict = verdict::read(operation, &answer, at);
            let came =
                Attempt::Answered { meaning: verdict.meaning, status: answer.status, declared: verdict.declared };
            (came, reply(&sender, &answer, &verdict), Some(answer), Some(verdict))
        }
    };
    let effect = retry::effect(came);
    let counts = retry::counts(came);
    let mut after = state;
    after.attempts = attempt;
    after.counted += u32::from(counts);
    after.tainted |= effect == Effect::Unknown;
    let rules = rules(&sender, &action, answer.as_ref(), attempts).unwrap_or(NEVER_AGAIN);
    let next = retry::after_attempt(rules, came, after);
    let reply = match next {
        Next::End(outcome) => closing(&sender, &action, outcome, state.tainted, reply),
        _ => reply,
    };
    let record = match next {
        Next::End(outcome) => Record::Ended { ordinal, at, outcome, answer: reply.clone() },
        _ => Record::AttemptEnded { ordinal, attempt, at, effect, counts, answer: reply.clone() },
    };
    append(&journal, vec![record.clone()]).await?;

    let meaning = verdict.as_ref().map(|verdict| verdict.meaning);
    if meaning.is_some_and(|meaning| meaning != Meaning::RefusedCredentials) {
        sender.credentials_work();
    }
    let pace = match (meaning, verdict) {
        (Some(Meaning::Throttled), Some(verdict)) => Paced::Throttled(verdict.retry_after),
        _ => Paced::Answered,
    };
    let skew = answer.as_ref().and_then(|answer| clock_skew(answer, at));
    let refused = meaning == Some(Meaning::Rejected);
    Ok(Report { records: vec![intent, record], next, reply, answer, refused, pace, token_number, skew })
}

/// What is in doubt about an action, and what is known already.
#[derive(Debug, Clone, Default)]
pub struct Doubted {
    /// Whether the provider's last answer was a refusal.
    pub refused: bool,
    /// That answer.
    pub answer: Option<Answer>,
    /// What a report would say about it.
    pub reply: Reply,
    /// Look-ups that came to nothing so far.
    pub tries: u32,
    /// Why the last of them did.
    pub cause: Option<String>,
}

/// One page of a look-up, or its end.
#[derive(Debug)]
pub enum LookedUp {
    /// It is over; the report says what follows.
    Settled(Box<Report>),
    /// Another page is needed; it takes another place under the limits.
    More(Vec<Value>),
    /// It came to nothing, for this cause; it may be asked again.
    Failed {
        /// The cause, as a sentence.
        cause: String,
        /// What the limits must know.
        pace: Paced,
        /// The token that was refused, where the credentials were.
        refused_token: Option<u32>,
    },
}

/// Asks one page of a look-up for an action in doubt. `pages` are those that were read before.
///
/// # Errors
/// [`JournalFailed`].
pub async fn look_up<T: Transport, C: Clock>(
    tools: Tools<T, C>,
    action: Action,
    state: ActionState,
    doubted: Doubted,
    mut pages: Vec<Value>,
    attempts: u32,
) -> Result<LookedUp, JournalFailed> {
    let Tools { sender, account, journal, clock } = tools;
    let chosen = operation(&sender, &action.operation).and_then(|(_, rules)| {
        let (index, first) =
            lookup::choose(&sender.provider, rules, &action.parameters, doubted.answer.as_ref()).into_iter().next()?;
        let rule = rules.lookups.get(index)?;
        Some((rule, sender.provider.operation(&rule.operation)?, first))
    });
    let Some((rule, operation, mut parameters)) = chosen else {
        return settle(
            &sender,
            &journal,
            &*clock,
            &action,
            state,
            &doubted,
            Standing::Unknown,
            String::new(),
            attempts,
        )
        .await;
    };
    if let (Some(number), Some(paging)) = (lookup::next_page(rule, &pages), &rule.pages) {
        parameters.insert(paging.parameter.clone(), page_number(operation, &paging.parameter, number));
    }
    append(&journal, vec![Record::Asked { account, ordinal: Some(action.ordinal), at: clock.now() }]).await?;
    let token_number = sender.token_number();
    let answer = match sender.send(operation, &parameters, clock.now()).await {
        Delivery::Answered(answer) => answer,
        Delivery::NotSent(cause) | Delivery::Lost(cause) => {
            let cause = format!("the look-up came to nothing: {}", sender.mask(&cause));
            return Ok(LookedUp::Failed { cause, pace: Paced::Answered, refused_token: None });
        }
    };
    match lookup::page(operation, &answer, clock.now()) {
        Ok(page) => {
            sender.credentials_work();
            pages.push(page);
            let (standing, seen) = lookup::standing(rule, &action.parameters, &pages);
            if standing == Standing::Unknown && lookup::next_page(rule, &pages).is_some() {
                return Ok(LookedUp::More(pages));
            }
            let seen = sender.mask(&seen);
            settle(&sender, &journal, &*clock, &action, state, &doubted, standing, seen, attempts).await
        }
        Err(verdict) => {
            let pace = match verdict.meaning {
                Meaning::Throttled => Paced::Throttled(verdict.retry_after),
                _ => Paced::Answered,
            };
            let refused_token = (verdict.meaning == Meaning::RefusedCredentials).then_some(token_number);
            let words = verdict.message.or(verdict.explanation).unwrap_or_default();
            let words = cut(&sender.mask(&words));
            let cause = format!("the look-up was answered with HTTP {} {words}", answer.status);
            Ok(LookedUp::Failed { cause: cause.trim_end().to_owned(), pace, refused_token })
        }
    }
}

/// Ends a look-up that came to nothing too often: the standing is unknown.
///
/// # Errors
/// [`JournalFailed`].
pub async fn give_up<T: Transport, C: Clock>(
    tools: Tools<T, C>,
    action: Action,
    state: ActionState,
    doubted: Doubted,
    cause: String,
    attempts: u32,
) -> Result<LookedUp, JournalFailed> {
    let Tools { sender, journal, clock, .. } = tools;
    settle(&sender, &journal, &*clock, &action, state, &doubted, Standing::Unknown, cause, attempts).await
}

#[expect(clippy::too_many_arguments, reason = "the one place where all that a look-up knows comes together")]
async fn settle<T: Transport, C: Clock>(
    sender: &Sender<T>,
    journal: &Journal,
    clock: &C,
    action: &Action,
    state: ActionState,
    doubted: &Doubted,
    standing: Standing,
    seen: String,
    attempts: u32,
) -> Result<LookedUp, JournalFailed> {
    let at = clock.now();
    let ordinal = action.ordinal;
    let rules = rules(sender, action, doubted.answer.as_ref(), attempts).unwrap_or(NEVER_AGAIN);
    let next = retry::after_lookup(rules, standing, doubted.refused, state);
    let mut reply = doubted.reply.clone();
    let mut records = Vec::new();
    if state.tainted || standing != Standing::Unknown {
        records.push(Record::LookedUp { ordinal, at, effect: retry::lookup_effect(standing), seen: seen.clone() });
    }
    if let Next::End(outcome) = next {
        reply.message = match (outcome, reply.message.take()) {
            (Outcome::Succeeded | Outcome::AlreadyDone | Outcome::PendingApproval, _) => {
                Some(format!("found so by a look-up: {seen}"))
            }
            (_, Some(message)) if seen.is_empty() => Some(message),
            (_, Some(message)) => Some(format!("{message} (look-up: {seen})")),
            (_, None) => Some(format!("look-up: {seen}")),
        };
        reply = closing(sender, action, outcome, state.tainted, reply);
        records.push(Record::Ended { ordinal, at, outcome, answer: reply.clone() });
    }
    append(journal, records.clone()).await?;
    Ok(LookedUp::Settled(Box::new(Report {
        records,
        next,
        reply,
        answer: None,
        refused: doubted.refused,
        pace: Paced::Answered,
        token_number: 0,
        skew: None,
    })))
}

/// The last words about an action, for its report row.
pub(super) fn closing<T: Transport>(
    sender: &Sender<T>,
    action: &Action,
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
pub async fn append(journal: &Journal, records: Vec<Record>) -> Result<(), JournalFailed> {
    if records.is_empty() {
        return Ok(());
    }
    let (sender, receiver) = tokio::sync::oneshot::channel();
    journal.append(records, Box::new(move |result| drop(sender.send(result))));
    match receiver.await {
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
    let masked = |text: &Option<String>| text.as_ref().map(|text| cut(&sender.mask(text)));
    Reply {
        http_status: Some(answer.status),
        code: masked(&verdict.code),
        message: masked(&words),
        reference: masked(&verdict.reference),
    }
}

/// Longer texts of providers are cut: the journal is no place for a web page.
fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST_TEXT).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn page_number(operation: &Operation, parameter: &str, number: u32) -> Value {
    let text =
        operation.parameter(parameter).is_some_and(|parameter| parameter.kind == crate::provider::model::Kind::String);
    if text { Value::from(number.to_string()) } else { Value::from(number) }
}

/// The rules of an operation that is not known: nothing is repeated.
const NEVER_AGAIN: Rules = Rules { repeat: crate::provider::Repeat::Unsafe, lookup: false, attempts: 1 };
/// Characters of a provider's text that are kept.
const LONGEST_TEXT: usize = 1000;
