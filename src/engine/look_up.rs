//! One look-up step of one action in doubt: the provider's state call is asked, and what it tells settles the action, or does not.
//! A list is read once for all actions that are in doubt, page by page; each page takes its place under the limits.

use super::attempt::{JournalFailed, NEVER_AGAIN, Paced, Report, Tools, append, closing, cut, operation, rules};
use super::reach::Came;
use super::retry::{self, Next};
use super::sender::Sender;
use crate::journal::{ActionState, Record, Reply, ToSend};
use crate::provider::model::{Kind, LookupRule, Operation};
use crate::provider::{Answer, Meaning, Standing, lookup};
use crate::run::Outcome;
use crate::time::Clock;
use crate::wire::{Delivery, Transport};
use serde_json::{Map, Value};
use std::time::Duration;

/// What is in doubt about an action, and what is known already.
#[derive(Debug, Clone, Default)]
pub struct Doubted {
    /// Whether the provider's last answer was a refusal.
    pub refused: bool,
    /// That answer.
    pub answer: Option<Answer>,
    /// What a report would say about it.
    pub reply: Reply,
    /// When the doubt arose, by the clock that never jumps: a list that was asked for before tells nothing about it.
    pub since: Duration,
    /// Look-ups that came to nothing so far.
    pub tries: u32,
    /// Why the last of them did.
    pub cause: Option<String>,
}

/// What a step of a look-up came to.
#[derive(Debug)]
pub enum LookedUp {
    /// It is over; the report says what follows.
    Settled(Box<Report>),
    /// Another page is needed; it takes another place under the limits.
    More,
    /// It came to nothing, for this cause; it may be asked again.
    Failed {
        /// The cause, as a sentence.
        cause: String,
        /// What the limits must know.
        pace: Paced,
        /// Whether the provider was reached.
        came: Came,
        /// The token that was refused, where the credentials were.
        refused_token: Option<u32>,
    },
}

/// What one request of a look-up told.
#[derive(Debug)]
pub enum Told {
    /// How the target stands, and what was seen.
    Standing {
        /// How it stands.
        standing: Standing,
        /// What was seen, in a few words.
        seen: String,
        /// What the limits must know.
        pace: Paced,
    },
    /// Nothing that settles it.
    Nothing(LookedUp),
}

/// A list that look-ups read page by page.
#[derive(Debug, Default)]
pub struct ReadList {
    /// When its first page was asked for.
    asked_at: Duration,
    pages: Vec<Value>,
}

/// Everything that a look-up knows of its action.
#[derive(Debug)]
pub struct Case {
    /// The action.
    pub action: ToSend,
    /// Its state.
    pub state: ActionState,
    /// What is in doubt.
    pub doubted: Doubted,
    /// The plan's `retry.attempts`.
    pub attempts: u32,
}

/// Looks up an action in doubt: asks one page, or takes from a list that was read for others what it tells.
///
/// # Errors
/// [`JournalFailed`].
pub async fn look_up<T: Transport, C: Clock>(tools: Tools<T, C>, case: Case) -> Result<LookedUp, JournalFailed> {
    Ok(match ask(&tools, &case).await? {
        Told::Standing { standing, seen, pace } => settle(&tools, &case, standing, &seen, pace),
        Told::Nothing(looked_up) => looked_up,
    })
}

/// Asks one page of a look-up, or takes from a list that was read for others what it tells.
///
/// # Errors
/// [`JournalFailed`].
pub async fn ask<T: Transport, C: Clock>(tools: &Tools<T, C>, case: &Case) -> Result<Told, JournalFailed> {
    let unknown = Told::Standing { standing: Standing::Unknown, seen: String::new(), pace: Paced::Unsent };
    let Some((rule, operation, mut parameters)) = chosen(&tools.sender, case) else { return Ok(unknown) };
    let key = format!("{} {}", rule.operation, Value::Object(parameters.clone()));
    let mut page = 0;
    let _reading = match rule.pages {
        Some(_) => Some(tools.sender.reading.lock().await),
        None => None,
    };
    if let Some(paging) = &rule.pages {
        let list = tools.sender.take_list(&key);
        let told = told(rule, case, &list);
        let next = lookup::next_page(rule, &list.pages);
        page = if next.is_some() { list.pages.len() } else { 0 };
        tools.sender.keep_list(key.clone(), list);
        if let Some((standing, seen)) = told {
            return Ok(Told::Standing { standing, seen, pace: Paced::Unsent });
        }
        if let Some(number) = next {
            parameters.insert(paging.parameter.clone(), page_number(operation, &paging.parameter, number));
        }
    }
    let asked = Record::Asked { account: tools.account, ordinal: Some(case.action.ordinal), at: tools.clock.now() };
    append(&tools.journal, tools.clock.elapsed(), vec![asked]).await?;
    tools.timing.note_sent(&*tools.clock);
    let token_number = tools.sender.token_number();
    let asked_at = tools.clock.elapsed();
    let unsigned = tools.sender.make(operation, &parameters);
    let delivery = tools.sender.send(unsigned, &tools.pass, tools.clock.now()).await;
    tools.timing.note_answered(&*tools.clock);
    let answer = match delivery {
        Delivery::Answered(answer) => answer,
        Delivery::NotSent(cause) | Delivery::Unsigned(cause) => {
            return Ok(came_to_nothing(tools, &cause, Came::NotSent));
        }
        Delivery::Lost(cause) => return Ok(came_to_nothing(tools, &cause, Came::Lost)),
    };
    match lookup::page(operation, &answer, tools.clock.now()) {
        Ok(body) => {
            tools.sender.credentials_work();
            let told = if rule.pages.is_some() {
                let mut list = tools.sender.take_list(&key);
                list.take(page, asked_at, body);
                let told = told(rule, case, &list);
                tools.sender.keep_list(key, list);
                told
            } else {
                Some(lookup::standing(rule, &case.action.parameters, &[body]))
            };
            match told {
                Some((standing, seen)) => Ok(Told::Standing { standing, seen, pace: Paced::Answered }),
                None => Ok(Told::Nothing(LookedUp::More)),
            }
        }
        Err(verdict) => {
            let pace = match verdict.meaning {
                Meaning::Throttled => Paced::throttled(&verdict),
                _ => Paced::Answered,
            };
            let refused_token = (verdict.meaning == Meaning::RefusedCredentials).then_some(token_number);
            let words = verdict.message.or(verdict.explanation).unwrap_or_default();
            let words = cut(tools.sender.mask(&words));
            let cause = format!("the status query was answered with HTTP {} {words}", answer.status);
            let cause = cause.trim_end().to_owned();
            Ok(Told::Nothing(LookedUp::Failed { cause, pace, came: Came::Answered, refused_token }))
        }
    }
}

fn came_to_nothing<T: Transport, C: Clock>(tools: &Tools<T, C>, cause: &str, came: Came) -> Told {
    let cause = format!("the status query failed: {}", tools.sender.mask(cause));
    Told::Nothing(LookedUp::Failed { cause, pace: Paced::Answered, came, refused_token: None })
}

/// Ends a look-up that came to nothing too often: what it would have told stays unknown.
pub fn give_up<T: Transport, C: Clock>(tools: &Tools<T, C>, case: &Case) -> LookedUp {
    let cause = case.doubted.cause.clone().unwrap_or_default();
    settle(tools, case, Standing::Unknown, &cause, Paced::Unsent)
}

impl ReadList {
    /// Takes a page where it fits: the first page begins the list anew, another is the next one, or somebody else has read it.
    fn take(&mut self, page: usize, asked_at: Duration, body: Value) {
        if page == 0 {
            *self = Self { asked_at, pages: vec![body] };
        } else if page == self.pages.len() {
            self.pages.push(body);
        }
    }
}

/// What a list tells about an action, where it was asked for after the doubt arose and has come far enough.
fn told(rule: &LookupRule, case: &Case, list: &ReadList) -> Option<(Standing, String)> {
    if list.pages.is_empty() || list.asked_at < case.doubted.since {
        return None;
    }
    let (standing, seen) = lookup::standing(rule, &case.action.parameters, &list.pages);
    let whole = lookup::next_page(rule, &list.pages).is_none();
    (standing != Standing::Unknown || whole).then_some((standing, seen))
}

/// The look-up that can be asked for an action, with the parameters of its first request.
fn chosen<'a, T: Transport>(
    sender: &'a Sender<T>,
    case: &Case,
) -> Option<(&'a LookupRule, &'a Operation, Map<String, Value>)> {
    let (_, rules) = operation(sender, &case.action.operation)?;
    let answer = case.doubted.answer.as_ref();
    let (index, first) = lookup::choose(&sender.provider, rules, &case.action.parameters, answer).into_iter().next()?;
    let rule = rules.lookups.get(index)?;
    Some((rule, sender.provider.operation(&rule.operation)?, first))
}

fn settle<T: Transport, C: Clock>(
    tools: &Tools<T, C>,
    case: &Case,
    standing: Standing,
    seen: &str,
    pace: Paced,
) -> LookedUp {
    let Case { action, state, doubted, attempts } = case;
    let (at, ordinal) = (tools.clock.now(), action.ordinal);
    let seen = tools.sender.mask(seen);
    let rules = rules(&tools.sender, action, doubted.answer.as_ref(), *attempts).unwrap_or(NEVER_AGAIN);
    let next = retry::after_lookup(rules, standing, doubted.refused, *state);
    let mut reply = doubted.reply.clone();
    let mut records = Vec::new();
    if state.tainted || standing != Standing::Unknown {
        records.push(Record::LookedUp { ordinal, at, effect: retry::lookup_effect(standing), seen: seen.clone() });
    }
    if let Next::End(outcome) = next {
        reply.message = match (outcome, reply.message.take()) {
            (Outcome::Succeeded | Outcome::AlreadyDone | Outcome::PendingApproval, _) => {
                Some(format!("found so by a status query: {seen}"))
            }
            (_, Some(message)) if seen.is_empty() => Some(message),
            (_, Some(message)) => Some(format!("{message} (status query: {seen})")),
            (_, None) => Some(format!("status query: {seen}")),
        };
        reply = closing(&tools.sender, action, outcome, state.tainted, reply);
        records.push(Record::Ended { ordinal, at, outcome, answer: reply.clone() });
    }
    let refused = doubted.refused;
    let id = action.id.clone();
    let report = Report {
        id,
        sent: false,
        records,
        next,
        reply,
        answer: None,
        refused,
        pace,
        came: (pace == Paced::Answered).then_some(Came::Answered),
        token_number: 0,
        by_list: false,
        skew: None,
    };
    LookedUp::Settled(Box::new(report))
}

fn page_number(operation: &Operation, parameter: &str, number: u32) -> Value {
    let text = operation.parameter(parameter).is_some_and(|parameter| parameter.kind == Kind::String);
    if text { Value::from(number.to_string()) } else { Value::from(number) }
}
