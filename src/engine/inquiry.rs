//! Accounts that are only asked, never acted upon: `verify`'s state calls, and lists. One scheduler, with the limits, circuit breakers, tokens and
//! retries of a run, and one loop: whoever asks says what, and takes the answers. Decides nothing about them.

use super::circuit_breaker::{CircuitBreaker, Contact, Transition};
use super::pace::Pace;
use super::retry;
use super::scheduler::{Decision, Scheduler};
use super::sender::{ExchangeResult, LimitSignal, Sender, TokenResult};
use super::step::{self, JournalFailed, Purpose, Step, StepResult};
use super::timing::{Moment, RequestTiming};
use crate::journal::Journal;
use crate::plan::Retry;
use crate::run::Ordinal;
use crate::time::{Clock, human};
use crate::wire::{SigningTicket, Transport};
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

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
    pub(super) tries_while_down: u32,
    /// Why the last of them did.
    pub(super) last_cause: Option<String>,
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
        // What only asks must end: what was not answered is told as unknown.
        let is_over = state.refused.is_some() || state.tries_while_down >= self.retry.attempts;
        if is_over {
            self.scheduler.clear(account);
        }
        is_over
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

/// How often a question was asked in vain.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tries {
    counted: u32,
    throttles: u32,
}

/// In place of a random number: one process that only reads needs no jitter.
const EVEN: f64 = 0.5;
const MAX_THROTTLES: u32 = 20;
const MAX_HOLD: Duration = Duration::from_secs(3600);
/// Longer than any step waits.
const MAX_SLEEP: Duration = Duration::from_secs(24 * 3600);
