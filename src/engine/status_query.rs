//! One step of the status query of one action in doubt: the provider's state call is asked, and its answer resolves the doubt, or does
//! not. A list is read once for all actions that are in doubt, page by page; each page takes its place under the limits.

use super::circuit_breaker::Contact;
use super::retry::{self, NextStep};
use super::sender::Sender;
use super::step::{JournalFailed, LimitSignal, StepContext, StepResult, append, closing_reply, rules};
use crate::journal::{ActionState, Record, Reply, ToSend};
use crate::provider::model::{Operation, StatusQueryRule};
use crate::provider::{Answer, AnswerClass, TargetState, target_state};
use crate::run::Outcome;
use crate::time::Clock;
use crate::wire::{ConnectionUse, Delivery, Transport};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// What is in doubt about an action, and what is known already.
#[derive(Debug, Clone, Default)]
pub struct DoubtfulAction {
    /// Whether the provider's last answer was a refusal.
    pub refused: bool,
    /// That answer.
    pub answer: Option<Answer>,
    /// That answer, as the action's report row would show it.
    pub reply: Reply,
    /// When the doubt arose, by the clock that never jumps: a list that was requested before may not show the effect.
    pub since: Duration,
    /// Failed status queries so far.
    pub tries: u32,
    /// Why the last of them failed.
    pub cause: Option<String>,
}

/// The result of one step of a status query.
#[derive(Debug)]
pub enum StatusQueryResult {
    /// It is over; the step's result says what follows.
    Resolved(Box<StepResult>),
    /// Another page is needed; it takes another place under the limits.
    More,
    /// It failed; it may be asked again.
    Failed {
        /// The cause, as a sentence.
        cause: String,
        /// What the limits must know.
        limits: LimitSignal,
        /// Whether the provider was reached.
        contact: Contact,
        /// The token that was refused, where the credentials were.
        refused_token: Option<u32>,
    },
}

/// The answer to one request of a status query.
#[derive(Debug)]
pub enum StatusAnswer {
    /// The state of the target, and what of the answer shows it.
    TargetState {
        /// The state, by the rules of the provider's document.
        target_state: TargetState,
        /// What shows it, such as `status revoked`; unmasked.
        seen: String,
        /// What the limits must know.
        limits: LimitSignal,
    },
    /// No state yet.
    Nothing(StatusQueryResult),
}

/// Lists that status queries of one account have read, by what was asked.
#[derive(Debug, Default)]
pub struct ReadLists {
    lists: RefCell<HashMap<String, ReadList>>,
    /// Held while a list is read: a query for the same list waits, and then finds it read.
    reading: tokio::sync::Mutex<()>,
}

/// A list that is read page by page.
#[derive(Debug, Default)]
struct ReadList {
    /// When its first page was asked for.
    asked_at: Duration,
    pages: Vec<Value>,
}

/// Everything that a status query knows of its action.
#[derive(Debug)]
pub struct StatusQuery {
    /// The action.
    pub action: ToSend,
    /// Its state.
    pub state: ActionState,
    /// What is in doubt.
    pub doubtful: DoubtfulAction,
    /// The plan's `retry.attempts`.
    pub attempts: u32,
    /// The lists that were read for the account.
    pub lists: Rc<ReadLists>,
}

/// Asks one page of the status query of an action in doubt, and decides what follows where that shows its state.
///
/// # Errors
/// [`JournalFailed`].
pub async fn query_and_resolve<T: Transport, C: Clock>(
    context: StepContext<T, C>,
    query: StatusQuery,
) -> Result<StatusQueryResult, JournalFailed> {
    Ok(match ask(&context, &query).await? {
        StatusAnswer::TargetState { target_state, seen, limits } => {
            resolve(&context, &query, target_state, &seen, limits)
        }
        StatusAnswer::Nothing(looked_up) => looked_up,
    })
}

/// Asks one page of a status query, or finds the target in a list that was read for others.
///
/// # Errors
/// [`JournalFailed`].
pub async fn ask<T: Transport, C: Clock>(
    context: &StepContext<T, C>,
    query: &StatusQuery,
) -> Result<StatusAnswer, JournalFailed> {
    let unknown = StatusAnswer::TargetState {
        target_state: TargetState::Unknown,
        seen: String::new(),
        limits: LimitSignal::Unsent,
    };
    let Some((rule, operation, mut parameters)) = chosen(context, query) else { return Ok(unknown) };
    // Before the page is set: all pages of one list have one key.
    let key = format!("{} {}", rule.operation, Value::Object(parameters.clone()));
    let mut page = 0;
    let _reading = match rule.pages {
        Some(_) => Some(query.lists.reading.lock().await),
        None => None,
    };
    if let Some(paging) = &rule.pages {
        let mut lists = query.lists.lists.borrow_mut();
        let list = lists.entry(key.clone()).or_default();
        let next = target_state::next_page(rule, &list.pages);
        page = if next.is_some() { list.pages.len() } else { 0 };
        if let Some((target_state, seen)) = list.target_state_of(rule, query) {
            return Ok(StatusAnswer::TargetState { target_state, seen, limits: LimitSignal::Unsent });
        }
        let asked_by = next.and_then(|next| target_state::typed(operation, &paging.parameter, &next));
        parameters.extend(asked_by.map(|page| (paging.parameter.clone(), page)));
    }
    let asked =
        Record::Asked { account: context.account, ordinal: Some(query.action.ordinal), at: context.clock.now() };
    append(&context.journal, context.clock.elapsed(), vec![asked]).await?;
    context.timing.note_sent(&*context.clock);
    // Read before the request is signed: another step may renew the token meanwhile, and a refusal is of the old one then.
    let token_number = context.sender.token_number();
    let asked_at = context.clock.elapsed();
    let unsigned = context.sender.make(operation, &parameters);
    // What settles a doubt must not be the answer to another question.
    let fresh = query.state.tainted || query.doubtful.refused;
    let via = ConnectionUse { fresh, ..ConnectionUse::default() };
    let delivery = context.sender.send(unsigned, &context.ticket, context.clock.now(), via).await;
    context.timing.note_answered(&*context.clock);
    let answer = match delivery {
        Delivery::Answered(answer) => answer,
        Delivery::Barred(cause) => return Ok(failed(context, &cause, Contact::Barred)),
        Delivery::NotSent(cause) | Delivery::Unsigned(cause) => {
            return Ok(failed(context, &cause, Contact::NotSent));
        }
        Delivery::Lost(cause) => return Ok(failed(context, &cause, Contact::Lost)),
    };
    match target_state::read_page(operation, &answer, context.clock.now()) {
        Ok(body) => {
            context.sender.credentials_work();
            let target_state = if rule.pages.is_some() {
                let mut lists = query.lists.lists.borrow_mut();
                let list = lists.entry(key).or_default();
                list.add_page(page, asked_at, body);
                list.target_state_of(rule, query)
            } else {
                Some(target_state::read_state(rule, &query.action.parameters, &[body]))
            };
            match target_state {
                Some((target_state, seen)) => {
                    Ok(StatusAnswer::TargetState { target_state, seen, limits: LimitSignal::Answered })
                }
                None => Ok(StatusAnswer::Nothing(StatusQueryResult::More)),
            }
        }
        Err(verdict) => {
            let limits = match verdict.class {
                AnswerClass::Throttled => LimitSignal::throttled(&verdict),
                _ => LimitSignal::Answered,
            };
            let refused_token = (verdict.class == AnswerClass::Unauthorized).then_some(token_number);
            let contact = Contact::of_answer(verdict.class, answer.status);
            let cause = match verdict.message.or(verdict.explanation) {
                Some(message) => format!("the status query was answered with HTTP {} {message}", answer.status),
                None => format!("the status query was answered with {}", answer.describe()),
            };
            let cause = context.sender.excerpt(&cause);
            Ok(StatusAnswer::Nothing(StatusQueryResult::Failed { cause, limits, contact, refused_token }))
        }
    }
}

fn failed<T: Transport, C: Clock>(context: &StepContext<T, C>, cause: &str, contact: Contact) -> StatusAnswer {
    let cause = format!("the status query failed: {}", context.sender.mask(cause));
    StatusAnswer::Nothing(StatusQueryResult::Failed {
        cause,
        limits: LimitSignal::Answered,
        contact,
        refused_token: None,
    })
}

/// Ends a status query that failed too often: the target's state stays unknown.
pub fn give_up<T: Transport, C: Clock>(context: &StepContext<T, C>, query: &StatusQuery) -> StatusQueryResult {
    let cause = query.doubtful.cause.clone().unwrap_or_default();
    resolve(context, query, TargetState::Unknown, &cause, LimitSignal::Unsent)
}

impl ReadList {
    /// Adds a page where it fits: the first page begins the list anew, another is the next one, or somebody else has read it.
    fn add_page(&mut self, page: usize, asked_at: Duration, body: Value) {
        if page == 0 {
            *self = Self { asked_at, pages: vec![body] };
        } else if page == self.pages.len() {
            self.pages.push(body);
        }
    }

    /// What it shows of an action's target, where it was requested after the doubt arose. While pages are missing, absence shows nothing.
    fn target_state_of(&self, rule: &StatusQueryRule, query: &StatusQuery) -> Option<(TargetState, String)> {
        if self.pages.is_empty() || self.asked_at < query.doubtful.since {
            return None;
        }
        let (target_state, seen) = target_state::read_state(rule, &query.action.parameters, &self.pages);
        let whole = target_state::next_page(rule, &self.pages).is_none();
        (target_state != TargetState::Unknown || whole).then_some((target_state, seen))
    }
}

/// The status query that can be asked for an action, with the parameters of its first request.
fn chosen<'a, T, C>(
    context: &'a StepContext<T, C>,
    query: &StatusQuery,
) -> Option<(&'a StatusQueryRule, &'a Operation, Map<String, Value>)> {
    let rules = context.operation().action.as_ref()?;
    let sender: &Sender<T> = &context.sender;
    let answer = query.doubtful.answer.as_ref();
    let (index, first) =
        target_state::choose_queries(&sender.provider, rules, &query.action.parameters, answer).into_iter().next()?;
    let rule = rules.status_queries.get(index)?;
    Some((rule, sender.provider.operation(&rule.operation)?, first))
}

fn resolve<T: Transport, C: Clock>(
    context: &StepContext<T, C>,
    query: &StatusQuery,
    target_state: TargetState,
    seen: &str,
    limits: LimitSignal,
) -> StatusQueryResult {
    let StatusQuery { action, state, doubtful, attempts, .. } = query;
    let operation = context.operation();
    let (at, ordinal) = (context.clock.now(), action.ordinal);
    let seen = context.sender.mask(seen);
    let rules = rules(&context.sender, operation, action, doubtful.answer.as_ref(), *attempts);
    let next = retry::after_lookup(rules, target_state, doubtful.refused, *state);
    let mut reply = doubtful.reply.clone();
    let mut records = Vec::new();
    // A query that shows nothing about a clean action changes no state, so it needs no record.
    if state.tainted || target_state != TargetState::Unknown {
        records.push(Record::LookedUp { ordinal, at, effect: retry::lookup_effect(target_state), seen: seen.clone() });
    }
    if let NextStep::End(outcome) = next {
        reply.message = match (outcome, reply.message.take()) {
            (Outcome::Succeeded | Outcome::AlreadyDone | Outcome::PendingApproval, _) => {
                Some(format!("found so by a status query: {seen}"))
            }
            (_, Some(message)) if seen.is_empty() => Some(message),
            (_, Some(message)) => Some(format!("{message} (status query: {seen})")),
            (_, None) => Some(format!("status query: {seen}")),
        };
        reply = closing_reply(&context.sender, operation, action, outcome, state.tainted, reply);
        records.push(Record::Ended { ordinal, at, outcome, answer: reply.clone() });
    }
    let refused = doubtful.refused;
    let id = action.id.clone();
    let report = StepResult {
        id,
        is_attempt: false,
        records,
        next,
        reply,
        answer: None,
        refused,
        limits,
        contact: (limits == LimitSignal::Answered).then_some(Contact::Answered),
        cause: String::new(),
        token_number: 0,
        nonce_refused: None,
        out_of_turn: false,
        reads_list: false,
        skew: None,
    };
    StatusQueryResult::Resolved(Box::new(report))
}
