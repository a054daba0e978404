//! Accounts that are only asked, never acted upon: by `verify` for states, and for the lists that providers have of what there is. One scheduler,
//! with the limits, circuit breakers, tokens and retries of a run, and one loop (`Inquiry`): whoever asks says what, and takes the answers.
//!
//! Lists are read here ([`read_lists`]) page by page, with what is asked about single rows. No page is kept, and the next one is asked for once all
//! is known of the last: a list may have a million rows. What a row is worth is its reader's to say. Only reads.

use super::circuit_breaker::{CircuitBreaker, Contact, Transition};
use super::pace::Pace;
use super::retry;
use super::scheduler::{Decision, Scheduler};
use super::sender::{ExchangeResult, LimitSignal, Sender, TokenResult};
use super::step::{self, JournalFailed, PlainRead, Purpose, Step, StepResult};
use super::timing::{Moment, RequestTiming};
use crate::journal::Journal;
use crate::plan::{Retry, Settings};
use crate::provider::answer::scalar_text;
use crate::provider::listing::ListedRow;
use crate::provider::model::{DetailRule, LIST_COLUMNS, ListRule, Operation};
use crate::provider::paging::{self, AfterPage, PageCursor};
use crate::provider::{AnswerClass, listing, target_state};
use crate::run::Ordinal;
use crate::time::{Clock, human};
use crate::wire::{SigningTicket, Transport};
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Lists that are to be read.
pub struct Listing<T, C> {
    /// The settings, with one account a sender.
    pub settings: Settings,
    /// The accounts, ready to send.
    pub senders: Vec<Rc<Sender<T>>>,
    /// The clock.
    pub clock: Rc<C>,
    /// The lists.
    pub wanted: Vec<WantedList>,
    /// The number of a signal here ends it early.
    pub stop: UnboundedReceiver<i32>,
}

/// A list that is to be read.
#[derive(Debug, Clone)]
pub struct WantedList {
    /// The account, by its index.
    pub account: usize,
    /// The operation that lists, by its place in the provider's document.
    pub operation: usize,
    /// What it is asked with beside what its document says.
    pub parameters: Map<String, Value>,
}

/// What is wanted to be known beyond a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowWish {
    /// More of the certificate that the row is about.
    pub detail: bool,
    /// The other certificates that belong to it.
    pub others: bool,
}

/// Reads the rows of lists.
pub trait RowReader {
    /// Takes a row of a list (by its place among those wanted). `is_whole` where no more will come to be known of it.
    fn row(&mut self, list: usize, row: &ListedRow, is_whole: bool) -> RowWish;

    /// Something of a list could not be read; why.
    fn broken(&mut self, list: usize, why: String);
}

/// How the reading of lists ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListingEnd {
    /// Accounts that refused the credentials, gave no token or cannot be reached, and why.
    pub refused: Vec<(String, String)>,
    /// The signal that ended it early.
    pub stopped: Option<i32>,
}

/// The accounts that are asked.
pub(super) struct Inquiry<T, C> {
    /// None where there is no run: what is asked leaves no trace then.
    pub(super) journal: Option<Journal>,
    pub(super) clock: Rc<C>,
    pub(super) retry: Retry,
    /// The questions that wait. Accounts of one credential share a pace.
    pub(super) scheduler: Scheduler,
    /// None for accounts that are not asked.
    pub(super) accounts: Vec<Option<AskedAccount<T>>>,
    /// What was asked and is not answered yet.
    requests: FuturesUnordered<LocalBoxFuture<'static, RequestOver>>,
}

/// An account that is asked.
pub(super) struct AskedAccount<T> {
    pub(super) sender: Rc<Sender<T>>,
    breaker: CircuitBreaker,
    /// Failed requests for a token in a row.
    token_tries: u32,
    /// Requests that came to nothing in this round while it was down.
    tries_while_down: u32,
    /// Why the last of them did.
    last_cause: Option<String>,
    /// Why it is not asked any more.
    pub(super) refused: Option<String>,
}

/// A request that is over: of which question (none for a token) and account.
struct RequestOver {
    question: Option<Ordinal>,
    account: usize,
    timing: Rc<RequestTiming>,
    /// None where it panicked.
    result: Option<Result<StepResult, JournalFailed>>,
}

/// What whoever asks does next.
pub(super) enum NextTurn {
    /// A question has its place: it is asked, by [`Inquiry::ask`].
    Ask(Ordinal, usize),
    /// A request is over. What follows is done, and then the account is settled.
    Answered(Box<Answered>),
    /// No question is left.
    Over,
}

/// A request that is over, as the limits and the circuit breaker know already.
pub(super) struct Answered {
    /// Of which question; none for a token.
    pub(super) question: Option<Ordinal>,
    pub(super) account: usize,
    /// None where an internal error struck.
    pub(super) result: Option<StepResult>,
    /// Why the account is given up, where it is.
    pub(super) given_up: Option<String>,
}

/// How often a question was asked in vain.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tries {
    counted: u32,
    throttles: u32,
}

/// A list that is being read.
#[derive(Debug, Default)]
struct OpenList {
    cursor: PageCursor,
    /// Questions about rows of the last page that are still open.
    open: u64,
    /// What follows once they are answered.
    after: Option<AfterPage>,
}

/// What is asked for a list.
#[derive(Debug)]
struct ListQuestion {
    list: usize,
    about: About,
    tries: Tries,
}

/// What a question is about.
#[derive(Debug)]
enum About {
    /// A page: what it is asked by, where that must be said.
    Page(Option<Value>),
    /// A row: by which of the list's details.
    Row(ListedRow, usize),
}

struct ListsInReading<'r, T, C> {
    inquiry: Inquiry<T, C>,
    wanted: Vec<WantedList>,
    lists: Vec<OpenList>,
    questions: HashMap<Ordinal, ListQuestion>,
    next: Ordinal,
    reader: &'r mut dyn RowReader,
}

/// Reads the lists to their ends. Must be called inside a `LocalSet`.
pub async fn read_lists<T: Transport + 'static, C: Clock + 'static>(
    listing: Listing<T, C>,
    reader: &mut dyn RowReader,
) -> ListingEnd {
    let Listing { settings, senders, clock, wanted, mut stop } = listing;
    let scheduled = settings.accounts.iter().map(|account| (Pace::new(&account.windows), account.concurrency));
    let senders = senders.into_iter().map(Some).collect();
    let inquiry = Inquiry::new(None, clock, settings.retry, scheduled.collect(), senders);
    let lists = wanted.iter().map(|_| OpenList::default()).collect();
    let mut reading = ListsInReading { inquiry, wanted, lists, questions: HashMap::new(), next: 0, reader };
    for list in 0..reading.wanted.len() {
        let first = reading.rule(list).and_then(|(_, rule)| paging::first(rule.pages.as_ref()?));
        reading.ask(list, About::Page(first));
    }
    let mut stopped = None;
    loop {
        let turn = tokio::select! {
            biased;
            Some(signal) = stop.recv() => {
                stopped = Some(signal);
                break;
            }
            turn = reading.inquiry.next() => turn,
        };
        match turn {
            Ok(NextTurn::Ask(ordinal, account)) => reading.start(ordinal, account),
            Ok(NextTurn::Answered(answered)) => reading.take_answer(*answered),
            Ok(NextTurn::Over) => break,
            // Without a journal nothing of it can fail.
            Err(JournalFailed(why)) => {
                (0..reading.lists.len()).for_each(|list| reading.reader.broken(list, why.clone()));
                break;
            }
        }
    }
    ListingEnd { refused: reading.inquiry.refused(), stopped }
}

impl<T> AskedAccount<T> {
    fn new(sender: Rc<Sender<T>>) -> Self {
        Self {
            sender,
            breaker: CircuitBreaker::default(),
            token_tries: 0,
            tries_while_down: 0,
            last_cause: None,
            refused: None,
        }
    }
}

impl<T: Transport, C: Clock> Inquiry<T, C> {
    /// Asks with these senders, one an account; `scheduled` are the accounts' paces, and their requests at once.
    pub(super) fn new(
        journal: Option<Journal>,
        clock: Rc<C>,
        retry: Retry,
        scheduled: Vec<(Pace, u32)>,
        senders: Vec<Option<Rc<Sender<T>>>>,
    ) -> Self {
        let mut scheduler = Scheduler::new(scheduled, 0);
        let owner = |account: usize| senders.get(account)?.as_ref().map(|sender| sender.limit_owner());
        scheduler.share_paces(|first, other| {
            owner(first).zip(owner(other)).is_some_and(|(first, other)| first.shares_limits_with(other))
        });
        (0..senders.len()).for_each(|account| scheduler.set_unproved(account, true));
        let accounts = senders.into_iter().map(|sender| sender.map(AskedAccount::new)).collect();
        Self { journal, clock, retry, scheduler, accounts, requests: FuturesUnordered::new() }
    }
}

impl<T: Transport + 'static, C: Clock + 'static> Inquiry<T, C> {
    /// Waits until there is something to do. Where the wait is dropped nothing is lost.
    ///
    /// # Errors
    /// What was asked has no record.
    pub(super) async fn next(&mut self) -> Result<NextTurn, JournalFailed> {
        loop {
            let now = self.clock.elapsed();
            let wake = match self.scheduler.next(now) {
                Decision::Start { ordinal, account } => return Ok(NextTurn::Ask(ordinal, account)),
                Decision::Wait(moment) => moment,
                Decision::Idle if self.requests.is_empty() => return Ok(NextTurn::Over),
                Decision::WaitForAnswer | Decision::Idle => Moment::MAX,
            };
            tokio::select! {
                biased;
                Some(over) = self.requests.next() => return self.note(over).map(|answered| NextTurn::Answered(Box::new(answered))),
                () = tokio::time::sleep(wake.saturating_sub(now).min(MAX_SLEEP)) => {}
            }
        }
    }

    /// Accounts that refused the credentials, gave no token or cannot be reached, and why.
    pub(super) fn refused(&self) -> Vec<(String, String)> {
        let refused = |account: &AskedAccount<T>| Some((account.sender.name.clone(), account.refused.clone()?));
        self.accounts.iter().flatten().filter_map(refused).collect()
    }

    /// Begins a round: what has come to nothing before counts no more. Accounts that refused are not asked again.
    pub(super) fn begin_round(&mut self) {
        for (account, state) in self.accounts.iter_mut().enumerate() {
            let Some(state) = state else { continue };
            state.tries_while_down = 0;
            if state.refused.is_some() {
                self.scheduler.clear(account);
            }
        }
    }

    /// Uses a place that the scheduler gave to a question: for the question, which `purpose` makes, or for what must be fetched before.
    ///
    /// # Errors
    /// Those of `purpose`.
    pub(super) fn ask<E>(
        &mut self,
        question: Ordinal,
        account: usize,
        purpose: impl FnOnce(&Rc<Sender<T>>, &Self) -> Result<Purpose, E>,
    ) -> Result<(), E> {
        let now = self.clock.elapsed();
        let Some(state) = self.accounts.get_mut(account).and_then(Option::as_mut) else { return Ok(()) };
        state.breaker.begin_request(false);
        let sender = Rc::clone(&state.sender);
        let (asked, ticket, purpose) = match sender.ticket(self.clock.now()) {
            None => {
                self.scheduler.pause(account, true);
                self.scheduler.requeue(question, account, None);
                (None, SigningTicket::default(), Purpose::Authenticate)
            }
            Some(ticket) => (Some(question), ticket, purpose(&sender, self)?),
        };
        let timing = Rc::new(RequestTiming::new(now));
        let (journal, clock) = (self.journal.clone(), Rc::clone(&self.clock));
        let step = Step { account, sender, journal, clock, timing: Rc::clone(&timing), ticket, purpose };
        // A panic leaves its question without an answer.
        let over = AssertUnwindSafe(step::carry_out(step)).catch_unwind();
        let over = async move { RequestOver { question: asked, account, timing, result: over.await.ok() } };
        self.requests.push(over.boxed_local());
        Ok(())
    }

    /// A request is over: the limits and the circuit breaker know.
    fn note(&mut self, over: RequestOver) -> Result<Answered, JournalFailed> {
        let RequestOver { question, account, timing, result } = over;
        self.scheduler.step_ended(account);
        let times = timing.times(self.clock.elapsed());
        let Some(result) = result else {
            self.scheduler.note_request(account, LimitSignal::Lost, times);
            self.scheduler.pause(account, false);
            return Ok(Answered { question, account, result: None, given_up: None });
        };
        let result = result?;
        let StepResult { purpose, exchanged, token_number, .. } = &result;
        let limits = match exchanged.limits() {
            // Whoever waits here can be answered in another way in the meantime: an hour, and it is asked again.
            LimitSignal::Throttled { retry_after, limit } => {
                LimitSignal::Throttled { retry_after: retry_after.map(|wait| wait.min(MAX_HOLD)), limit }
            }
            limits => limits,
        };
        self.scheduler.note_request(account, limits, times);
        let Some(state) = self.accounts[account].as_mut() else {
            return Ok(Answered { question, account, result: None, given_up: None });
        };
        let sender = Rc::clone(&state.sender);
        let mut given_up = None;
        if let Some(contact) = exchanged.contact() {
            let transition = state.breaker.note_contact(contact, question, times.processed, false, EVEN);
            self.scheduler.follow(account, &state.breaker, transition);
            let cause = || sender.excerpt(&exchanged.cause());
            if contact == Contact::Answered {
                self.scheduler.set_unproved(account, false);
                state.tries_while_down = 0;
            } else {
                state.tries_while_down += u32::from(state.breaker.is_down());
                state.last_cause = Some(cause());
            }
            given_up = match transition {
                Transition::Barred => Some(cause()),
                Transition::GivenUp(after) => {
                    Some(format!("it could not be reached for {} ({})", human(after), cause()))
                }
                _ => None,
            };
        }
        if exchanged.is_unauthorized() && !sender.renew(*token_number) {
            given_up = Some(format!("the credentials were refused: {}", sender.excerpt(&exchanged.cause())));
        }
        if matches!(purpose, Purpose::Authenticate) {
            given_up = given_up.or_else(|| self.authenticated(account, &sender, exchanged, times.processed));
        }
        Ok(Answered { question, account, result: Some(result), given_up })
    }

    /// After what follows from an answer: an account that is given up, or that is down for too long, is not asked any more in this round.
    pub(super) fn settle(&mut self, account: usize, given_up: Option<String>) -> bool {
        let Some(state) = self.accounts[account].as_mut() else { return false };
        if let Some(why) = given_up {
            state.refused.get_or_insert(why);
        }
        let is_over = self.is_given_up(account);
        if is_over {
            self.scheduler.clear(account);
        }
        is_over
    }

    /// Whether an account is not asked any more in this round. What only asks must end: what was not answered is told as unknown.
    pub(super) fn is_given_up(&self, account: usize) -> bool {
        let state = self.accounts.get(account).and_then(Option::as_ref);
        state.is_some_and(|state| state.refused.is_some() || state.tries_while_down >= self.retry.attempts)
    }

    /// Why an account is not asked any more.
    pub(super) fn why_not(&self, account: usize) -> String {
        let state = self.accounts.get(account).and_then(Option::as_ref);
        let why = state.and_then(|state| state.refused.as_ref().or(state.last_cause.as_ref())).cloned();
        why.unwrap_or_else(|| "the provider cannot be reached".to_owned())
    }

    /// A question failed: it is asked again, now or after a pause; `false` where it was asked often enough.
    pub(super) fn try_again(
        &mut self,
        question: Ordinal,
        account: usize,
        exchanged: &ExchangeResult,
        tries: &mut Tries,
    ) -> bool {
        // Throttling costs no try, but what only asks must end.
        let throttled = matches!(exchanged.limits(), LimitSignal::Throttled { .. });
        tries.throttles += u32::from(throttled);
        if exchanged.is_unauthorized() || (throttled && tries.throttles < MAX_THROTTLES) {
            self.scheduler.requeue(question, account, None);
            return true;
        }
        tries.counted += 1;
        if tries.counted >= self.retry.attempts {
            return false;
        }
        let pause = retry::pause(tries.counted, self.retry.max_delay, EVEN);
        self.scheduler.requeue(question, account, Some(self.clock.elapsed() + pause));
        true
    }

    /// What is needed before anything else was asked for. Returns why the account is given up, where it is.
    fn authenticated(
        &mut self,
        account: usize,
        sender: &Sender<T>,
        exchanged: &ExchangeResult,
        now: Moment,
    ) -> Option<String> {
        self.scheduler.pause(account, false);
        let state = self.accounts.get_mut(account)?.as_mut()?;
        let (cause, refused) = match sender.take_token(exchanged) {
            TokenResult::Nothing => return None,
            TokenResult::Taken => {
                state.token_tries = 0;
                return None;
            }
            TokenResult::Failed { cause, refused } => (cause, refused),
        };
        state.token_tries += 1;
        if refused || state.token_tries >= self.retry.attempts {
            return Some(cause);
        }
        let pause = retry::pause(state.token_tries, self.retry.max_delay, EVEN);
        self.scheduler.pace(account).hold(now + pause);
        None
    }
}

impl<T: Transport + 'static, C: Clock + 'static> ListsInReading<'_, T, C> {
    fn rule(&self, list: usize) -> Option<(&Operation, &ListRule)> {
        let wanted = self.wanted.get(list)?;
        let sender = &self.inquiry.accounts.get(wanted.account)?.as_ref()?.sender;
        let operation = sender.provider.operations.get(wanted.operation)?;
        Some((operation, operation.list.as_ref()?))
    }

    fn ask(&mut self, list: usize, about: About) {
        let ordinal = self.next;
        self.next += 1;
        let account = self.wanted[list].account;
        self.questions.insert(ordinal, ListQuestion { list, about, tries: Tries::default() });
        self.inquiry.scheduler.add(ordinal, account, &[], None);
    }

    fn start(&mut self, ordinal: Ordinal, account: usize) {
        let Some(question) = self.questions.get(&ordinal) else { return };
        let read = self.request(question);
        let asked = self.inquiry.ask::<Infallible>(ordinal, account, |_, _| Ok(Purpose::Read(Box::new(read))));
        asked.unwrap_or_else(|never| match never {})
    }

    /// The request of a question.
    fn request(&self, question: &ListQuestion) -> PlainRead {
        let wanted = &self.wanted[question.list];
        let nothing = || PlainRead { operation: wanted.operation, parameters: Map::new() };
        let Some((asked, rule)) = self.rule(question.list) else { return nothing() };
        match &question.about {
            About::Page(by) => {
                let mut parameters: Map<String, Value> = rule.parameters.iter().cloned().collect();
                parameters.extend(wanted.parameters.clone());
                if let (Some(by), Some(pages)) = (by, &rule.pages) {
                    let typed = target_state::typed(asked, &pages.parameter, by);
                    parameters.extend(typed.map(|page| (pages.parameter.clone(), page)));
                }
                PlainRead { operation: wanted.operation, parameters }
            }
            About::Row(row, detail) => {
                let Some(detail) = rule.details.get(*detail) else { return nothing() };
                let sender = self.inquiry.accounts[wanted.account].as_ref().map(|account| &account.sender);
                let operation = sender.map(|sender| &sender.provider.operations[detail.operation]);
                let parameter = |(name, column): &(String, String)| {
                    let value = Value::from(row.get(column)?.clone());
                    Some((name.clone(), target_state::typed(operation?, name, &value)?))
                };
                // What the list itself was asked with serves its details, too: a namespace, a pool.
                let has = |name: &str| {
                    operation.is_some_and(|operation| operation.parameters.iter().any(|one| one.name == name))
                };
                let shared = wanted.parameters.iter().filter(|(name, _)| has(name));
                let mut parameters: Map<String, Value> =
                    shared.map(|(name, value)| (name.clone(), value.clone())).collect();
                parameters.extend(detail.parameters.iter().filter_map(parameter));
                PlainRead { operation: detail.operation, parameters }
            }
        }
    }

    /// A request is over, whatever it was for.
    fn take_answer(&mut self, answered: Answered) {
        let Answered { question, account, result, given_up } = answered;
        if let Some(ordinal) = question {
            self.answered(ordinal, account, result.map(|result| result.exchanged).as_ref());
        }
        if self.inquiry.settle(account, given_up) {
            self.give_up(account);
        }
    }

    /// What a question was answered.
    fn answered(&mut self, ordinal: Ordinal, account: usize, exchanged: Option<&ExchangeResult>) {
        let Some(mut question) = self.questions.remove(&ordinal) else { return };
        let cause = match exchanged {
            Some(ExchangeResult::Answered(answer, verdict)) if verdict.class == AnswerClass::Succeeded => {
                let body = answer.json().clone();
                self.inquiry.scheduler.action_ended(ordinal, true);
                return self.take(question, &body);
            }
            None => "an internal error struck".to_owned(),
            Some(exchanged) => {
                let refused = matches!(exchanged, ExchangeResult::Answered(_, verdict)
                    if matches!(verdict.class, AnswerClass::Rejected | AnswerClass::AlreadyDone));
                if !refused && self.inquiry.try_again(ordinal, account, exchanged, &mut question.tries) {
                    self.questions.insert(ordinal, question);
                    return;
                }
                exchanged.cause()
            }
        };
        self.inquiry.scheduler.action_ended(ordinal, true);
        let cause =
            self.inquiry.accounts[account].as_ref().map_or_else(String::new, |asked| asked.sender.excerpt(&cause));
        let ListQuestion { list, about, .. } = question;
        match about {
            About::Page(_) => self.reader.broken(list, format!("the list could not be read further: {cause}")),
            About::Row(row, detail) => {
                let what: Vec<&str> = row
                    .iter()
                    .filter(|(name, _)| !LIST_COLUMNS.contains(&name.as_str()))
                    .map(|(_, value)| value.as_str())
                    .collect();
                let serial = row.get("serial_number").map(String::as_str);
                let what = if what.is_empty() { serial.unwrap_or_default().to_owned() } else { what.join(" ") };
                self.reader.broken(list, format!("more of {what} could not be read: {cause}"));
                self.row_known(list, &row, detail);
                self.row_answered(list);
            }
        }
    }

    /// Takes what was answered.
    fn take(&mut self, question: ListQuestion, body: &Value) {
        let ListQuestion { list, about, .. } = question;
        let Some((_, rule)) = self.rule(list) else { return };
        match about {
            About::Page(_) => {
                let (rule, given) = (rule.clone(), self.given(list));
                let mut rows = listing::rows(&rule.rows, body);
                let outermost = listing::outermost(&rule.rows, body);
                let after = self.lists[list].cursor.take(rule.pages.as_ref(), body, outermost, rows.len());
                self.lists[list].after = Some(after);
                for row in &mut rows {
                    for (name, value) in &given {
                        row.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                }
                rows.into_iter().for_each(|row| self.take_row(list, &rule, row));
                self.follow(list);
            }
            About::Row(row, detail) => {
                let Some(asked) = rule.details.get(detail).cloned() else { return };
                let told = listing::rows(&asked.rows, body);
                if asked.rows.steps.is_empty() {
                    let mut row = row;
                    told.into_iter().for_each(|told| row.extend(told));
                    match self.next_detail(list, detail + 1, &row) {
                        Some(next) => {
                            self.lists[list].open += 1;
                            self.ask(list, About::Row(row, next));
                        }
                        None => drop(self.reader.row(list, &row, true)),
                    }
                } else {
                    let shared = shared(&row, &asked);
                    for told in told {
                        let other: ListedRow = shared.clone().into_iter().chain(told).collect();
                        self.reader.row(list, &other, true);
                    }
                }
                self.row_answered(list);
            }
        }
    }

    /// What the list was asked with that is known of each of its rows, too.
    fn given(&self, list: usize) -> BTreeMap<String, String> {
        let Some((_, rule)) = self.rule(list) else { return BTreeMap::new() };
        let sender = self.inquiry.accounts[self.wanted[list].account].as_ref().map(|account| &account.sender);
        let targets = sender.into_iter().flat_map(|sender| sender.provider.actions());
        let targets: Vec<&String> = targets.flat_map(|(_, action)| &action.target.parameters).collect();
        let all = rule.parameters.iter().map(|(name, value)| (name, value)).chain(&self.wanted[list].parameters);
        let all = all.filter(|(name, _)| targets.contains(name));
        all.filter_map(|(name, value)| Some((name.clone(), scalar_text(value)?.into_owned()))).collect()
    }

    fn take_row(&mut self, list: usize, rule: &ListRule, row: ListedRow) {
        let first = self.next_detail(list, 0, &row);
        let wish = self.reader.row(list, &row, first.is_none());
        if wish.others {
            for (detail, asked) in rule.details.iter().enumerate() {
                if !asked.rows.steps.is_empty() && can_be_asked(asked, &row) {
                    self.lists[list].open += 1;
                    self.ask(list, About::Row(row.clone(), detail));
                }
            }
        }
        if let Some(detail) = first.filter(|_| wish.detail) {
            self.lists[list].open += 1;
            self.ask(list, About::Row(row, detail));
        }
    }

    /// The next detail that tells more of a row.
    fn next_detail(&self, list: usize, from: usize, row: &ListedRow) -> Option<usize> {
        let (_, rule) = self.rule(list)?;
        let mut rest = rule.details.iter().enumerate().skip(from);
        rest.find(|(_, detail)| detail.rows.steps.is_empty() && can_be_asked(detail, row)).map(|(index, _)| index)
    }

    /// Of a row no more will come to be known than this.
    fn row_known(&mut self, list: usize, row: &ListedRow, detail: usize) {
        let is_about_it = self.rule(list).is_some_and(|(_, rule)| rule.details[detail].rows.steps.is_empty());
        if is_about_it {
            self.reader.row(list, row, true);
        }
    }

    fn row_answered(&mut self, list: usize) {
        self.lists[list].open = self.lists[list].open.saturating_sub(1);
        self.follow(list);
    }

    /// Asks for the next page, once all is known of the last.
    fn follow(&mut self, list: usize) {
        if self.lists[list].open > 0 {
            return;
        }
        match self.lists[list].after.take() {
            Some(AfterPage::Next(by)) => self.ask(list, About::Page(Some(by))),
            Some(AfterPage::Broken(why)) => self.reader.broken(list, why),
            Some(AfterPage::End) | None => {}
        }
    }

    /// An account is not asked any more: what was still to be asked of it stays unknown.
    fn give_up(&mut self, account: usize) {
        let why = self.inquiry.why_not(account);
        let is_its = |question: &ListQuestion| self.wanted[question.list].account == account;
        let ordinals: Vec<Ordinal> =
            self.questions.iter().filter(|(_, question)| is_its(question)).map(|(ordinal, _)| *ordinal).collect();
        let mut lists = Vec::new();
        for ordinal in ordinals {
            let Some(ListQuestion { list, about, .. }) = self.questions.remove(&ordinal) else { continue };
            if let About::Row(row, detail) = about {
                self.row_known(list, &row, detail);
            }
            lists.push(list);
        }
        lists.sort_unstable();
        lists.dedup();
        for list in lists {
            self.lists[list].after = None;
            self.reader.broken(list, format!("the list could not be read further: {why}"));
        }
    }
}

fn can_be_asked(detail: &DetailRule, row: &ListedRow) -> bool {
    detail.parameters.iter().all(|(_, column)| row.contains_key(column))
}

/// What another certificate that belongs to a row shares with it: what is named, but not what is known of the certificate itself.
fn shared(row: &ListedRow, detail: &DetailRule) -> ListedRow {
    let is_shared = |name: &String| {
        let own = detail.rows.columns.iter().any(|(column, _)| column == name);
        !own && !LIST_COLUMNS.contains(&name.as_str())
    };
    row.iter().filter(|(name, _)| is_shared(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// In place of a random number: one process that only reads needs no jitter.
const EVEN: f64 = 0.5;
const MAX_THROTTLES: u32 = 20;
const MAX_HOLD: Duration = Duration::from_secs(3600);
/// Longer than any step waits.
const MAX_SLEEP: Duration = Duration::from_secs(24 * 3600);
