//! Status queries: what is asked for the state of an action's target, what the answers say, and what follows for an action in doubt. A list is
//! read once for all that ask for it, page by page; each page is a step of its own. Sends nothing.

use super::attempt::{Conclusion, asks_for_certificate, closing_reply, rules};
use super::exchange::ExchangeResult;
use super::retry::{self, NextStep};
use super::sender::{Sender, Unsigned};
use super::stages::{Subject, after_stage};
use crate::journal::{ActionState, Record, Reply};
use crate::provider::listing::ListedRow;
use crate::provider::model::StatusQueryRule;
use crate::provider::{Answer, AnswerClass, Idempotency, Provider, TargetState, target_state};
use crate::wire::Transport;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// What is in doubt about an action, and what is known already.
#[derive(Debug, Clone, Default)]
pub struct DoubtfulAction {
    /// Whether a second request would count as another, although its operation is idempotent: the provider no longer knows its key.
    pub never_again: bool,
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
    /// How many of the requests that can ask for the state were answered, and did not tell; the next one is asked.
    pub passed: usize,
    /// What they showed instead, unmasked.
    pub told: String,
}

/// What the answers so far say of a target's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// It is so, by the rules of the provider's document; and what shows it, such as `status revoked`, unmasked.
    TargetState(TargetState, String),
    /// Another page is needed; it takes another place under the limits.
    More,
    /// The query failed, for this reason (unmasked); it may be asked again.
    Failed(String),
}

/// What follows on a status query that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// It is asked again, with so many failures behind it: after a pause of its own, or as soon as its account may send.
    AskAgain {
        /// Failed status queries so far.
        tries: u32,
        /// Whether it pauses.
        pauses: bool,
    },
    /// It was asked often enough, or will be answered so for ever.
    GiveUp,
}

/// What stands in the way of a status query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryFailure {
    /// The provider refused the credentials, and there are others to try, or the account was stopped.
    Unauthorized,
    /// It refused them for good, and that stops no account: whoever may not read may revoke all the same.
    StaysUnauthorized,
    /// It refused because of the limits.
    Throttled,
    /// Nothing came, and the provider was known to be down.
    InVain,
    /// It refused the question.
    Refused,
    /// Anything else.
    Other,
}

/// Decides what follows where a status query failed after so many others. Who waits for a state never gives up: its own time does.
pub const fn after_failure(asker: Asker, failure: QueryFailure, tries: u32) -> AfterFailure {
    let tries = match failure {
        // It says nothing about the target: another token is fetched first, or a hold or the breaker's pause is on.
        QueryFailure::Unauthorized | QueryFailure::Throttled | QueryFailure::InVain => {
            return AfterFailure::AskAgain { tries, pauses: false };
        }
        QueryFailure::StaysUnauthorized => return AfterFailure::GiveUp,
        QueryFailure::Refused if matches!(asker, Asker::Replaced) => return AfterFailure::GiveUp,
        QueryFailure::Refused | QueryFailure::Other => tries + 1,
    };
    if tries < MAX_STATUS_QUERIES { AfterFailure::AskAgain { tries, pauses: true } } else { AfterFailure::GiveUp }
}

/// Failed status queries of one action before it stays in doubt.
const MAX_STATUS_QUERIES: u32 = 3;

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

/// One request of a status query, and everything that it knows of its action.
#[derive(Debug)]
pub struct StatusQuery {
    /// The action, and which of its stages.
    pub subject: Subject,
    /// Its state.
    pub state: ActionState,
    /// What is in doubt.
    pub doubtful: DoubtfulAction,
    /// The plan's `retry.attempts`.
    pub attempts: u32,
    /// What the result is for.
    pub asker: Asker,
    /// The lists that were read for the account.
    lists: Rc<ReadLists>,
    /// What can be asked, where anything can.
    chosen: Option<Chosen>,
    /// Whether something else can be asked where that does not tell.
    has_next: bool,
    /// The body of a status query that is no list.
    body: Option<Value>,
}

/// Who asks for a target's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// An action in doubt.
    Doubt,
    /// A canary that ended well.
    Canary,
    /// `verify`.
    Verification,
    /// A preview, before anything is sent.
    Preview,
    /// A step of the plan that waits for it.
    Wait,
    /// An action that is about to be sent, and drops names of the certificate there is.
    Replaced,
}

impl Asker {
    /// Whether it goes on where the provider refuses the credentials for good: whoever may not read the state back may revoke all the same.
    pub const fn may_be_refused(self) -> bool {
        matches!(self, Self::Canary | Self::Replaced)
    }

    /// What can be asked.
    fn queries<'p>(self, subject: &Subject, provider: &'p Provider) -> Option<&'p [StatusQueryRule]> {
        match self {
            Self::Replaced => {
                let action = provider.operations.get(subject.operation)?.action.as_ref()?;
                action.replaced.as_ref().map(|rule| std::slice::from_ref(&rule.query))
            }
            Self::Preview => Some(&provider.operations.get(subject.operation)?.action.as_ref()?.previews),
            _ => subject.rules(provider).map(|stage| stage.status_queries),
        }
    }
}

/// What can be asked for an action.
#[derive(Debug)]
struct Chosen {
    /// The rules that its answer is read by, in order of preference, by their places among those of the action's operation.
    rules: Vec<usize>,
    /// The operation that is asked, by its place in the provider's document.
    operation: usize,
    /// The parameters of its first request.
    parameters: Map<String, Value>,
    /// What names the list: all its pages have one key.
    key: String,
    /// The page that was asked for.
    page: usize,
}

impl StatusQuery {
    /// The next request about an action's target.
    pub fn new<T>(
        sender: &Sender<T>,
        (subject, state): (Subject, ActionState),
        doubtful: DoubtfulAction,
        attempts: u32,
        asker: Asker,
        lists: Rc<ReadLists>,
    ) -> Self {
        let queries = asker.queries(&subject, &sender.provider).unwrap_or_default();
        let mut requests: Vec<Chosen> = Vec::new();
        for (rule, parameters) in
            target_state::choose(&sender.provider, queries, subject.parameters(), doubtful.answer.as_ref())
        {
            let name = &queries[rule].operation;
            let key = format!("{name} {}", Value::Object(parameters.clone()));
            let operation = sender.provider.operations.iter().position(|operation| operation.name == *name);
            // Two rules may read one answer: of an order, and of its certificate.
            match (requests.iter_mut().find(|request| request.key == key), operation) {
                (Some(same), _) => same.rules.push(rule),
                (None, Some(operation)) => {
                    requests.push(Chosen { rules: vec![rule], operation, parameters, key, page: 0 });
                }
                (None, None) => {}
            }
        }
        let mut left = requests.into_iter().skip(doubtful.passed);
        let (chosen, has_next) = (left.next(), left.next().is_some());
        Self { subject, state, doubtful, attempts, asker, lists, chosen, has_next, body: None }
    }

    /// What is in doubt for the next request, where the answer to this one does not tell and there is another. Each is asked once.
    pub fn next_query(&self, reading: &Reading, exchanged: &ExchangeResult) -> Option<DoubtfulAction> {
        let refused =
            matches!(exchanged, ExchangeResult::Answered(_, verdict) if verdict.class == AnswerClass::Rejected);
        asks_next(reading, refused, self.has_next).then(|| {
            let (Reading::TargetState(_, words) | Reading::Failed(words)) = reading else {
                return self.doubtful.clone();
            };
            // What a reading shows has what was told before in it already.
            let told = if refused { joined(&self.doubtful.told, words) } else { words.clone() };
            DoubtfulAction { passed: self.doubtful.passed + 1, told, ..self.doubtful.clone() }
        })
    }

    fn rule<'a, T>(&self, sender: &'a Sender<T>) -> Option<(&Chosen, &'a StatusQueryRule)> {
        let chosen = self.chosen.as_ref()?;
        Some((chosen, self.asker.queries(&self.subject, &sender.provider)?.get(*chosen.rules.first()?)?))
    }

    /// The state by these pages: that of the first rule that tells one.
    fn read_state<T>(&self, sender: &Sender<T>, pages: &[Value]) -> (TargetState, String) {
        let queries = self.asker.queries(&self.subject, &sender.provider).unwrap_or_default();
        let rules = self.chosen.iter().flat_map(|chosen| &chosen.rules).filter_map(|rule| queries.get(*rule));
        let mut first = None;
        for rule in rules {
            let read = target_state::read_state(rule, self.subject.parameters(), pages);
            if read.0 != TargetState::Unknown {
                return read;
            }
            first.get_or_insert(read);
        }
        first.unwrap_or((TargetState::Unknown, String::new()))
    }

    /// The body of the answer, where it was one with success and no page of a list.
    pub(super) const fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// The lists of its account, where it reads one.
    pub(super) fn shared_list<T>(&self, sender: &Sender<T>) -> Option<Rc<ReadLists>> {
        self.rule(sender).filter(|(_, rule)| target_state::is_list(rule)).map(|_| Rc::clone(&self.lists))
    }

    /// What settles a doubt must not be the answer to another question.
    pub(super) const fn needs_own_connection(&self) -> bool {
        self.state.tainted || self.doubtful.refused
    }

    /// The request to be sent, with its operation; none where nothing can be asked, or a list that was read for others shows the target.
    pub(super) fn next_request<T: Transport>(&mut self, sender: &Sender<T>) -> Option<(usize, Unsigned)> {
        let (chosen, rule) = self.rule(sender)?;
        let operation = &sender.provider.operations[chosen.operation];
        let mut parameters = chosen.parameters.clone();
        let mut page = 0;
        if target_state::is_list(rule) {
            let mut lists = self.lists.lists.borrow_mut();
            let list = lists.entry(chosen.key.clone()).or_default();
            if list.target_state_of(sender, rule, self).is_some() {
                return None;
            }
            if let (Some(paging), Some(next)) = (&rule.pages, target_state::next_page(rule, &list.pages)) {
                page = list.pages.len();
                let asked_by = target_state::typed(operation, &paging.parameter, &next);
                parameters.extend(asked_by.map(|page| (paging.parameter.clone(), page)));
            }
        }
        let (asked, made) = (chosen.operation, sender.make(operation, &parameters));
        if let Some(chosen) = &mut self.chosen {
            chosen.page = page;
        }
        Some((asked, made))
    }

    /// Takes in what was answered with success to what was asked at this moment.
    pub(super) fn take_answer<T>(&mut self, sender: &Sender<T>, asked_at: Duration, body: &Value) {
        match self.rule(sender) {
            Some((chosen, rule)) if target_state::is_list(rule) => {
                let mut lists = self.lists.lists.borrow_mut();
                lists.entry(chosen.key.clone()).or_default().add_page(chosen.page, asked_at, body.clone());
            }
            _ => self.body = Some(body.clone()),
        }
    }

    /// What is known of the target by what came.
    pub fn reading<T: Transport>(&self, sender: &Sender<T>, exchanged: &ExchangeResult) -> Reading {
        let failed = |why: &str| match exchanged {
            ExchangeResult::Answered(..) => Reading::Failed(format!("the status query was answered with {why}")),
            _ => Reading::Failed(format!("the status query failed: {why}")),
        };
        match exchanged {
            ExchangeResult::Nothing => {}
            ExchangeResult::Answered(_, verdict) if verdict.class == AnswerClass::Succeeded => {}
            ExchangeResult::Unsigned(cause)
            | ExchangeResult::NotSent(cause)
            | ExchangeResult::Barred(cause)
            | ExchangeResult::Lost(cause) => {
                return failed(cause);
            }
            ExchangeResult::Answered(..) => return failed(&exchanged.cause()),
        }
        let Some((chosen, rule)) = self.rule(sender) else {
            return Reading::TargetState(TargetState::Unknown, String::new());
        };
        let shown = match (target_state::is_list(rule), &self.body) {
            (true, _) => {
                let lists = self.lists.lists.borrow();
                lists.get(&chosen.key).and_then(|list| list.target_state_of(sender, rule, self))
            }
            (false, Some(body)) => Some(self.read_state(sender, std::slice::from_ref(body))),
            (false, None) => Some((TargetState::Unknown, String::new())),
        };
        match shown {
            Some((TargetState::Unknown, seen)) => {
                Reading::TargetState(TargetState::Unknown, joined(&self.doubtful.told, &seen))
            }
            Some((target_state, seen)) => Reading::TargetState(target_state, seen),
            None => Reading::More,
        }
    }

    /// What the answers so far show of the target beside its state.
    pub fn shown<T: Transport>(&self, sender: &Sender<T>) -> ListedRow {
        let Some((chosen, rule)) = self.rule(sender).filter(|(_, rule)| !rule.rows.columns.is_empty()) else {
            return ListedRow::new();
        };
        let lists = self.lists.lists.borrow();
        let pages = match (target_state::is_list(rule), &self.body) {
            (true, _) => lists.get(&chosen.key).map_or(&[][..], |list| &list.pages),
            (false, body) => body.as_ref().map_or(&[][..], std::slice::from_ref),
        };
        let shown = target_state::read_shown(rule, self.subject.parameters(), pages);
        shown.into_iter().map(|(column, text)| (column, sender.mask(&text))).collect()
    }

    /// What follows from the state of the target of an action in doubt.
    pub fn conclude<T: Transport>(
        self,
        sender: &Sender<T>,
        target_state: TargetState,
        seen: &str,
        at: Timestamp,
    ) -> Option<Conclusion> {
        let stage = self.subject.rules(&sender.provider)?;
        let Self { subject, state, doubtful, attempts, .. } = self;
        let ordinal = subject.action.ordinal;
        let seen = sender.mask(seen);
        let mut rules = rules(&sender.provider, &stage, subject.parameters(), doubtful.answer.as_ref(), attempts);
        if doubtful.never_again {
            rules.idempotency = Idempotency::NotIdempotent;
        }
        let next = match state.following {
            Some(pending) => retry::after_following(target_state, pending),
            None => retry::after_lookup(rules, target_state, doubtful.refused, state),
        };
        let next = after_stage(stage.kind, stage.place, next);
        let mut reply = doubtful.reply;
        let mut records = Vec::new();
        // A query that shows nothing about a clean action changes no state, so it needs no record.
        if state.tainted || target_state != TargetState::Unknown {
            let effect = retry::lookup_effect(target_state);
            records.push(Record::LookedUp { ordinal, at, effect, seen: seen.clone() });
        }
        if next == NextStep::NextStage {
            records.push(Record::StageEnded { ordinal, at, stage: subject.stage, answer: reply.clone() });
        }
        if let NextStep::End(outcome) = next {
            reply.message = match (outcome, reply.message.take()) {
                (outcome, _) if outcome.is_well() && target_state != TargetState::Unknown => {
                    Some(format!("found so by a status query: {seen}"))
                }
                (_, Some(message)) if seen.is_empty() => Some(message),
                (_, Some(message)) => Some(format!("{message} (status query: {seen})")),
                (_, None) => Some(format!("status query: {seen}")),
            };
            let tainted = (state.tainted, state.tainted);
            reply = closing_reply(sender, &stage, &subject.action, outcome, tainted, reply);
            records.push(Record::Ended { ordinal, at, outcome, answer: reply.clone() });
        }
        let certificate = asks_for_certificate(sender, &subject, next);
        Some(Conclusion {
            id: subject.action.id,
            is_attempt: false,
            records,
            next,
            reply,
            answer: None,
            refused: doubtful.refused,
            nonce_refused: None,
            out_of_turn: false,
            turn: None,
            by_order: false,
            lookup: None,
            polled: None,
            captured: None,
            certificate,
        })
    }
}

/// Whether the next status query is asked: where this one was answered and does not tell, or was refused. What was lost is asked again.
const fn asks_next(reading: &Reading, refused: bool, has_next: bool) -> bool {
    has_next
        && match reading {
            Reading::TargetState(TargetState::Unknown, _) => true,
            Reading::Failed(_) => refused,
            Reading::TargetState(..) | Reading::More => false,
        }
}

fn joined(before: &str, words: &str) -> String {
    if before.is_empty() || words.is_empty() { format!("{before}{words}") } else { format!("{before}; {words}") }
}

impl ReadLists {
    /// Waits until nobody reads a list.
    pub(super) async fn wait_until_read(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.reading.lock().await
    }
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
    fn target_state_of<T>(
        &self,
        sender: &Sender<T>,
        rule: &StatusQueryRule,
        query: &StatusQuery,
    ) -> Option<(TargetState, String)> {
        if self.pages.is_empty() || self.asked_at < query.doubtful.since {
            return None;
        }
        let (target_state, seen) = query.read_state(sender, &self.pages);
        let whole = target_state::next_page(rule, &self.pages).is_none();
        (target_state != TargetState::Unknown || whole).then_some((target_state, seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_tells_of_the_target_costs_a_try_and_three_are_enough() {
        use QueryFailure::{InVain, Other, Refused, StaysUnauthorized, Throttled, Unauthorized};
        let at_once = |tries| AfterFailure::AskAgain { tries, pauses: false };
        let later = |tries| AfterFailure::AskAgain { tries, pauses: true };
        for (asker, failure, tries, expected) in [
            (Asker::Doubt, Unauthorized, 2, at_once(2)),
            (Asker::Doubt, Throttled, 2, at_once(2)),
            (Asker::Doubt, InVain, 2, at_once(2)),
            (Asker::Canary, StaysUnauthorized, 0, AfterFailure::GiveUp),
            (Asker::Replaced, StaysUnauthorized, 0, AfterFailure::GiveUp),
            (Asker::Doubt, Other, 0, later(1)),
            (Asker::Doubt, Other, 1, later(2)),
            (Asker::Doubt, Other, 2, AfterFailure::GiveUp),
            // What was done a moment ago may not be found yet.
            (Asker::Doubt, Refused, 0, later(1)),
            (Asker::Canary, Refused, 0, later(1)),
            (Asker::Replaced, Refused, 0, AfterFailure::GiveUp),
        ] {
            assert_eq!(after_failure(asker, failure, tries), expected, "{asker:?} {failure:?} {tries}");
        }
    }

    #[test]
    fn the_next_status_query_is_asked_where_this_one_was_answered_and_does_not_tell() {
        let tells = |state| Reading::TargetState(state, String::new());
        let failed = || Reading::Failed("HTTP 404".to_owned());
        for (reading, refused, expected) in [
            (tells(TargetState::Unknown), false, true),
            (tells(TargetState::Done), false, false),
            (tells(TargetState::Pending), false, false),
            (tells(TargetState::NotDone), false, false),
            (Reading::More, false, false),
            // A query that is refused will be the next time, too; one whose answer is lost is asked again.
            (failed(), true, true),
            (failed(), false, false),
        ] {
            assert_eq!(asks_next(&reading, refused, true), expected, "{reading:?}");
            assert!(!asks_next(&reading, refused, false), "there is no other: {reading:?}");
        }
    }
}
