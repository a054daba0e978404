//! One round of the providers' state calls: the same steps as a run's, under the same scheduler, limits and circuit breakers, account by account.
//! Each request has its record before it is sent. What it asks for is told to the rounds; it decides nothing about them.

use super::rounds::{SourceAnswer, SourceReport, SourceReports, VerifyTarget};
use crate::engine::circuit_breaker::{CircuitBreaker, Contact, Transition};
use crate::engine::exchange::{ExchangeResult, LimitSignal};
use crate::engine::retry;
use crate::engine::scheduler::{Decision, Scheduler};
use crate::engine::sender::Sender;
use crate::engine::stages::Subject;
use crate::engine::status_query::{Asker, DoubtfulAction, ReadLists, Reading, StatusQuery};
use crate::engine::step::{self, JournalFailed, Purpose, Step, StepResult};
use crate::engine::timing::{Moment, RequestTiming};
use crate::journal::{ActionState, Journal, Reader};
use crate::plan::{Action, Retry};
use crate::provider::{Provider, TargetState, target_state};
use crate::run::{Ordinal, StatusSource};
use crate::time::{Clock, human};
use crate::wire::{SigningTicket, Transport};
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

/// The accounts whose state calls are asked, over all rounds.
pub(super) struct StateCalls<T, C> {
    pub(super) journal: Journal,
    pub(super) reader: Rc<Reader>,
    pub(super) clock: Rc<C>,
    pub(super) retry: Retry,
    /// The cases that wait, by their index as the ordinal. Accounts of one credential share a pace.
    pub(super) scheduler: Scheduler,
    /// By the settings' order; none for accounts that are not asked.
    pub(super) accounts: Vec<Option<QueriedAccount<T>>>,
}

/// An account whose state calls are asked.
pub(super) struct QueriedAccount<T> {
    sender: Rc<Sender<T>>,
    breaker: CircuitBreaker,
    /// The lists that were read here.
    lists: Rc<ReadLists>,
    /// Failed requests for a token in a row.
    token_tries: u32,
    /// Requests that came to nothing in this round while it was down.
    tries_while_down: u32,
    /// Why the last of them did.
    last_cause: Option<String>,
    /// Why it is not asked any more.
    refused: Option<String>,
}

/// The cases of a round that are being asked about, and which are answered. Of those that wait nothing is held: there may be a million.
struct OpenCases {
    begun: HashMap<usize, OpenCase>,
    answered: Vec<bool>,
}

/// A case that is being asked about.
struct OpenCase {
    action: Action,
    operation: usize,
    doubtful: DoubtfulAction,
    tries: u32,
    throttles: u32,
}

/// A step that is over: of which case (none for a token) and account, and its request's moments.
type EndedRequest = (Option<usize>, usize, Rc<RequestTiming>, Option<Result<StepResult, JournalFailed>>);

/// Whether an action's target can be looked up, by its parameters or by the provider's id in its recorded answer.
pub fn has_state_call(provider: &Provider, action: &Action, reference: Option<&str>) -> bool {
    let Some(operation) = provider.operation(&action.operation) else { return false };
    let Some(rules) = &operation.action else { return false };
    let answer = reference.and_then(|reference| target_state::answer_with_reference(operation, reference));
    !target_state::choose_queries(provider, rules, &action.parameters, answer.as_ref()).is_empty()
}

impl<T> QueriedAccount<T> {
    pub(super) fn new(sender: Rc<Sender<T>>) -> Self {
        Self {
            sender,
            breaker: CircuitBreaker::default(),
            lists: Rc::default(),
            token_tries: 0,
            tries_while_down: 0,
            last_cause: None,
            refused: None,
        }
    }
}

impl<T: Transport + 'static, C: Clock + 'static> StateCalls<T, C> {
    /// Accounts that refused the credentials, gave no token or cannot be reached, and why.
    pub(super) fn refused(&self) -> Vec<(String, String)> {
        let refused = |account: &QueriedAccount<T>| Some((account.sender.name.clone(), account.refused.clone()?));
        self.accounts.iter().flatten().filter_map(refused).collect()
    }

    /// Looks up those of the cases that are due.
    pub(super) async fn round(
        &mut self,
        cases: &[VerifyTarget],
        due: &[usize],
        reports: &SourceReports,
    ) -> Result<(), JournalFailed> {
        let since = self.clock.elapsed();
        let mut open = OpenCases { begun: HashMap::new(), answered: vec![false; cases.len()] };
        for index in due {
            let account = cases[*index].account;
            if self.accounts.get(account).is_some_and(Option::is_some) {
                self.scheduler.add(*index as Ordinal, account, &[], None);
            }
        }
        for (account, state) in self.accounts.iter_mut().enumerate() {
            let Some(state) = state else { continue };
            state.tries_while_down = 0;
            if state.refused.is_some() {
                self.scheduler.clear(account);
            }
        }
        let mut steps: FuturesUnordered<LocalBoxFuture<'static, EndedRequest>> = FuturesUnordered::new();
        loop {
            let now = self.clock.elapsed();
            let wake = match self.scheduler.next(now) {
                Decision::Start { ordinal, account } => {
                    if let Some(step) = self.start(ordinal, account, cases, &mut open, since, now)? {
                        steps.push(step);
                    }
                    continue;
                }
                Decision::Wait(moment) => moment,
                Decision::WaitForAnswer => Moment::MAX,
                Decision::Idle if steps.is_empty() => break,
                Decision::Idle => Moment::MAX,
            };
            tokio::select! {
                biased;
                Some(over) = steps.next() => {
                    if let Some((case, answer)) = self.step_ended(over, &mut open)? {
                        self.report(case, answer, &mut open, reports).await;
                    }
                }
                () = tokio::time::sleep(wake.saturating_sub(now).min(MAX_SLEEP)) => {}
            }
        }
        // Its account was given up before it was asked.
        for case in due {
            let Some(Some(account)) = self.accounts.get(cases[*case].account) else { continue };
            if open.answered[*case] {
                continue;
            }
            let why = account.refused.as_ref().or(account.last_cause.as_ref()).cloned();
            let why = why.unwrap_or_else(|| "the provider cannot be reached".to_owned());
            self.report(*case, SourceAnswer::Nothing(why.into()), &mut open, reports).await;
        }
        Ok(())
    }

    async fn report(&mut self, case: usize, answer: SourceAnswer, open: &mut OpenCases, reports: &SourceReports) {
        open.begun.remove(&case);
        open.answered[case] = true;
        self.scheduler.action_ended(case as Ordinal, true);
        let at = self.clock.now();
        // The receiver is gone where the verification was stopped.
        drop(reports.send(SourceReport { case, source: StatusSource::Provider, answer, at }).await);
    }

    /// Starts the next step of a case whose place is taken: its question, or what must be fetched before.
    fn start(
        &mut self,
        ordinal: Ordinal,
        account: usize,
        cases: &[VerifyTarget],
        open: &mut OpenCases,
        since: Moment,
        now: Moment,
    ) -> Result<Option<LocalBoxFuture<'static, EndedRequest>>, JournalFailed> {
        let index = usize::try_from(ordinal).unwrap_or(usize::MAX);
        let Some(state) = self.accounts[account].as_mut() else { return Ok(None) };
        state.breaker.begin_request(false);
        let sender = Rc::clone(&state.sender);
        let (case, ticket, purpose) = match sender.ticket(self.clock.now()) {
            None => {
                self.scheduler.pause(account, true);
                self.scheduler.requeue(ordinal, account, None);
                (None, SigningTicket::default(), Purpose::Authenticate)
            }
            Some(ticket) => {
                let case = match open.begun.entry(index) {
                    Entry::Occupied(case) => case.into_mut(),
                    Entry::Vacant(place) => place.insert(question(&self.reader, &sender, cases[index].ordinal, since)?),
                };
                let action = case.action.clone().into();
                let subject = Subject { action, operation: case.operation, stage: 0, parameters: None };
                let of = (subject, ActionState::default());
                let (doubtful, lists) = (case.doubtful.clone(), Rc::clone(&state.lists));
                let query = StatusQuery::new(&sender, of, doubtful, self.retry.attempts, Asker::Verification, lists);
                (Some(index), ticket, Purpose::Query(Box::new(query)))
            }
        };
        let timing = Rc::new(RequestTiming::new(now));
        let (journal, clock) = (self.journal.clone(), Rc::clone(&self.clock));
        let step = Step { account, sender, journal, clock, timing: Rc::clone(&timing), ticket, purpose };
        // A panic leaves its case without an answer, which is unknown.
        let over = AssertUnwindSafe(step::carry_out(step)).catch_unwind();
        Ok(Some(async move { (case, account, timing, over.await.ok()) }.boxed_local()))
    }

    /// A step is over: the limits and the circuit breaker know, and what follows is done. Returns the answer about its case, where it has one.
    fn step_ended(
        &mut self,
        (case, account, timing, result): EndedRequest,
        open: &mut OpenCases,
    ) -> Result<Option<(usize, SourceAnswer)>, JournalFailed> {
        self.scheduler.step_ended(account);
        let times = timing.times(self.clock.elapsed());
        let Some(result) = result else {
            self.scheduler.note_request(account, LimitSignal::Lost, times);
            self.scheduler.pause(account, false);
            return Ok(case.map(|case| (case, SourceAnswer::Nothing("an internal error struck".into()))));
        };
        let StepResult { purpose, exchanged, token_number, .. } = result?;
        let limits = match exchanged.limits() {
            // Whoever waits here can be answered by a list in the meantime: an hour, and it is asked again.
            LimitSignal::Throttled { retry_after, limit } => {
                LimitSignal::Throttled { retry_after: retry_after.map(|wait| wait.min(MAX_HOLD)), limit }
            }
            limits => limits,
        };
        self.scheduler.note_request(account, limits, times);
        let Some(state) = self.accounts[account].as_mut() else { return Ok(None) };
        let sender = Rc::clone(&state.sender);
        let mut given_up = None;
        if let Some(contact) = exchanged.contact() {
            let ordinal = case.map(|case| case as Ordinal);
            let transition = state.breaker.note_contact(contact, ordinal, times.processed, false, EVEN);
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
        if exchanged.is_unauthorized() && !sender.renew(token_number) {
            given_up = Some(format!("the credentials were refused: {}", sender.excerpt(&exchanged.cause())));
        }
        let answer = match purpose {
            Purpose::Query(query) => {
                let reading = query.reading(&sender, &exchanged);
                case.and_then(|case| Some((case, self.answer(case, account, reading, &exchanged, open)?)))
            }
            Purpose::Authenticate => {
                given_up = given_up.or_else(|| self.authenticated(account, &sender, &exchanged, times.processed));
                None
            }
            Purpose::Act(_) => None,
        };
        let Some(state) = self.accounts[account].as_mut() else { return Ok(answer) };
        if let Some(why) = given_up {
            state.refused.get_or_insert(why);
        }
        // A verification must end: what is not seen is reported as unknown, and the next round asks again.
        if state.refused.is_some() || state.tries_while_down >= self.retry.attempts {
            self.scheduler.clear(account);
        }
        Ok(answer)
    }

    /// What a case's question was answered; `None` where it is asked again.
    fn answer(
        &mut self,
        index: usize,
        account: usize,
        reading: Reading,
        exchanged: &ExchangeResult,
        open: &mut OpenCases,
    ) -> Option<SourceAnswer> {
        let sender = Rc::clone(&self.accounts.get(account)?.as_ref()?.sender);
        let case = open.begun.get_mut(&index)?;
        let ordinal = index as Ordinal;
        let cause = match reading {
            Reading::TargetState(target_state, seen) => {
                let seen = sender.mask(&seen);
                return Some(match target_state {
                    TargetState::Done => SourceAnswer::Revoked(None, None),
                    TargetState::NotDone => SourceAnswer::Good(Some(seen.into())),
                    TargetState::Pending => SourceAnswer::Good(Some(format!("it waits: {seen}").into())),
                    TargetState::Unknown => SourceAnswer::Nothing(seen.into()),
                });
            }
            Reading::More => {
                self.scheduler.requeue(ordinal, account, None);
                return None;
            }
            Reading::Failed(cause) => cause,
        };
        // Throttling costs no try, but a verification must end.
        let throttled = matches!(exchanged.limits(), LimitSignal::Throttled { .. });
        case.throttles += u32::from(throttled);
        if exchanged.is_unauthorized() || (throttled && case.throttles < MAX_THROTTLES) {
            self.scheduler.requeue(ordinal, account, None);
            return None;
        }
        case.tries += 1;
        if case.tries >= self.retry.attempts {
            return Some(SourceAnswer::Nothing(sender.excerpt(&cause).into()));
        }
        let pause = retry::pause(case.tries, self.retry.max_delay, EVEN);
        self.scheduler.requeue(ordinal, account, Some(self.clock.elapsed() + pause));
        None
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
        let (cause, refused) = match exchanged {
            ExchangeResult::Nothing => return None,
            ExchangeResult::Answered(answer, _) => match sender.accept_token(answer) {
                Ok(()) => {
                    state.token_tries = 0;
                    return None;
                }
                Err(cause) => (cause, !matches!(answer.status, 408 | 429 | 500..)),
            },
            unsigned @ ExchangeResult::Unsigned(_) => (sender.excerpt(&unsigned.cause()), true),
            silent => (sender.excerpt(&silent.cause()), false),
        };
        if matches!(exchanged.limits(), LimitSignal::Throttled { .. }) {
            return None;
        }
        state.token_tries += 1;
        if refused || state.token_tries >= self.retry.attempts {
            return Some(cause);
        }
        let pause = retry::pause(state.token_tries, self.retry.max_delay, EVEN);
        self.scheduler.pace(account).hold(now + pause);
        None
    }
}

/// What is asked about an action, with its operation; what only the recorded answer tells (the provider's own id) included.
fn question<T: Transport>(
    reader: &Reader,
    sender: &Sender<T>,
    ordinal: Ordinal,
    since: Moment,
) -> Result<OpenCase, JournalFailed> {
    let (action, history) = reader.history(ordinal).map_err(|error| JournalFailed(error.to_string()))?;
    let unknown = || JournalFailed(format!("the provider document has no operation {}", action.operation));
    let operation = sender.find_action(&action.operation).ok_or_else(unknown)?;
    let answer = history
        .reply
        .reference
        .and_then(|reference| target_state::answer_with_reference(&sender.provider.operations[operation], &reference));
    let doubtful = DoubtfulAction { answer, since, ..DoubtfulAction::default() };
    Ok(OpenCase { action, operation, doubtful, tries: 0, throttles: 0 })
}

/// In place of a random number: one process that only reads needs no jitter.
const EVEN: f64 = 0.5;
const MAX_THROTTLES: u32 = 20;
const MAX_HOLD: Duration = Duration::from_secs(3600);
/// Longer than any step waits.
const MAX_SLEEP: Duration = Duration::from_secs(24 * 3600);
