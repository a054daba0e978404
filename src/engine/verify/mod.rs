//! What the world sees of a run's revocations: the providers' state calls, the issuers' lists and OCSP responders are asked in rounds until all is
//! seen revoked or the time is over. What was seen is durable before anybody is notified of it. Memory stays flat, however many cases there are: a few
//! thousand are open at once, and what is asked about each is read again when its turn comes ([`cases`]).
//!
//! Here are the whole, and one round of state calls: under the limits and circuit breakers of a run, account by account, each request with its
//! record before it is sent. What is published is asked in `published`; [`rounds`] decides when to ask again, and what the answers mean together.

pub mod cases;
mod published;
pub mod rounds;

pub use cases::{Cases, FindTarget, KnownCertificate, PublicationUrls, ReadCertificate, RequestedReason, VerifyTarget};
pub use published::{FetchedLooks, NonceUse, PublishedLooks, PublishedState};
pub use rounds::{NOBODY, Observation, SourceAnswer};

use super::inquiry::{Answered, Inquiry, NextTurn, Tries};
use super::pace::Pace;
use super::sender::{ExchangeResult, Sender};
use super::stages::Subject;
use super::start::{Present, SentRequests, by_account};
use super::status_query::{Asker, DoubtfulAction, ReadLists, Reading, StatusQuery};
use super::step::{JournalFailed, Purpose, append};
use super::timing::Moment;
use crate::journal::{ActionState, Journal, JournalError, Reader, Record, Verified};
use crate::pki::ocsp::Nonce;
use crate::plan::{Action, Settings};
use crate::provider::listing::ListedRow;
use crate::provider::{Provider, TargetState, target_state};
use crate::run::{Ordinal, Seen, StatusSource};
use crate::time::Clock;
use crate::wire::{StatusFetcher, Transport};
use cases::Feed;
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use published::{Published, PublishedRound};
use rounds::{After, AnsweredCase, CaseSight, OpenCase, Rounds};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::{JoinSet, yield_now};

/// What a verification needs.
pub struct Verification<'r, W, T, C> {
    /// The run's settings.
    pub settings: &'r Settings,
    /// The run.
    pub reader: Rc<Reader>,
    /// Its journal.
    pub journal: Journal,
    /// One sender an account; none for accounts whose state calls are not asked.
    pub senders: Vec<Option<Rc<Sender<T>>>>,
    /// Fetches what CAs publish.
    pub fetcher: W,
    /// The clock.
    pub clock: Rc<C>,
    /// What is to be seen.
    pub cases: Rc<Cases>,
    /// Tells what to ask about each, when its turn comes.
    pub target: FindTarget,
    /// Reads its certificate.
    pub certificate: ReadCertificate,
    /// How many cases are open at once, such as [`OPEN_CASES`].
    pub open: usize,
    /// Whether OCSP questions hold a nonce.
    pub nonce_use: NonceUse,
    /// Makes one, where it can.
    pub nonce: fn() -> Option<Nonce>,
    /// How long to ask again.
    pub wait: Duration,
    /// Takes what the state calls show of their targets beside the state, by the case; then they are asked as a preview asks.
    pub shown: Option<TakeShown>,
    /// The number of a signal here ends it early; what was answered by then counts.
    pub stop: UnboundedReceiver<i32>,
}

/// The progress of a verification, after each answer and after each round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerificationProgress {
    /// How many are seen revoked, or on hold as was asked.
    pub revoked: usize,
    /// How many there are.
    pub cases: usize,
    /// How many of them were asked about in this round, whatever was answered.
    pub answered: usize,
    /// The rest is asked again after this; `None` within a round, and at the end.
    pub again: Option<Duration>,
}

/// How a verification ended. What was seen is in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerificationEnd {
    /// Accounts that refused the credentials, or gave no token, and why.
    pub refused: Vec<(String, String)>,
    /// The signal that ended it early.
    pub stopped: Option<i32>,
}

/// Why a verification failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// The run cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What is seen cannot be stored.
    #[error("the journal failed: {0}")]
    NotStored(String),
}

/// Takes what a state call shows of the target of an action, under the names of a list's columns.
pub type TakeShown = Box<dyn FnMut(Ordinal, ListedRow)>;

/// The accounts whose state calls are asked, over all rounds.
struct StateCalls<T, C> {
    reader: Rc<Reader>,
    inquiry: Inquiry<T, C>,
    /// The lists that were read, by account.
    lists: Vec<Rc<ReadLists>>,
    /// Takes what they show beside the state; then they are a preview's.
    shown: Option<TakeShown>,
}

/// The cases that wait for an answer of their providers.
type AskedCases = HashMap<Ordinal, AskedCase>;

/// A case whose provider is asked.
struct AskedCase {
    case: Rc<OpenCase>,
    /// What is asked; none before its first turn.
    question: Option<StateQuestion>,
    /// Whether a request is under way.
    under_way: bool,
}

/// What is asked about a case.
struct StateQuestion {
    action: Action,
    operation: usize,
    doubtful: DoubtfulAction,
    tries: Tries,
}

/// What was seen, on its way into the journal.
struct Sights<'r> {
    reader: &'r Reader,
    journal: &'r Journal,
    gathered: Vec<Record>,
    writes: FuturesUnordered<LocalBoxFuture<'r, Result<(), JournalFailed>>>,
}

impl From<JournalFailed> for VerificationError {
    fn from(failed: JournalFailed) -> Self {
        Self::NotStored(failed.0)
    }
}

/// Asks in rounds until everything is seen revoked or the time is over. Must be called inside a `LocalSet`.
///
/// # Errors
/// The run cannot be read, or what is seen cannot be stored.
pub async fn verify<W, T, C>(
    mut verification: Verification<'_, W, T, C>,
    observe: &mut dyn FnMut(VerificationProgress),
) -> Result<VerificationEnd, VerificationError>
where
    W: StatusFetcher + 'static,
    T: Transport + 'static,
    C: Clock + 'static,
{
    // Locked by one round at a time.
    let shown = verification.shown.take();
    let state_calls = state_calls(&verification, shown)?.map(|calls| Rc::new(Mutex::new(calls)));
    let Verification { reader, journal, clock, cases, target, open, wait, mut stop, .. } = verification;
    let Verification { fetcher, certificate, nonce_use, nonce, .. } = verification;
    let began = Record::Verifying { at: clock.now(), boot: clock.boot() };
    append(&journal, clock.elapsed(), vec![began]).await?;
    let published = Rc::new(Published::new(Rc::new(fetcher), Rc::clone(&clock), certificate, (nonce_use, nonce)));
    let mut sights =
        Sights { reader: &reader, journal: &journal, gathered: Vec::new(), writes: FuturesUnordered::new() };
    let mut rounds = Rounds::new(&cases, clock.elapsed(), wait);
    let mut stopped = None;
    loop {
        // Each round asks only about what is not yet seen revoked.
        rounds.begin();
        let mut feed = Feed::new(&cases, open);
        let (over, mut answered) = mpsc::unbounded_channel();
        let (ask_state, questions) = mpsc::unbounded_channel();
        let mut ask_state = Some(ask_state);
        let published_round = Rc::new(PublishedRound::default());
        let mut tasks: JoinSet<Result<(), JournalFailed>> = JoinSet::new();
        let mut answered_now = 0;
        if let Some(calls) = state_calls.clone() {
            tasks.spawn_local(async move { calls.lock().await.round(questions).await });
        }
        while !feed.is_over() {
            let mut fed = 0;
            // Records that are not written yet take memory, too.
            while fed < FED_AT_ONCE && sights.writes.len() < WRITES_AT_ONCE {
                let Some((ordinal, case)) = feed.next(&cases, |ordinal, case| rounds.is_due(ordinal, case)) else {
                    break;
                };
                let open_case = Rc::new(OpenCase::new(target(ordinal, case.sources)?, Some(over.clone())));
                fed += 1;
                if stopped.is_some() {
                    continue;
                }
                if let Some(ask_state) = ask_state.as_ref().filter(|_| case.sources.contains(StatusSource::Provider)) {
                    drop(ask_state.send(Rc::clone(&open_case)));
                }
                if open_case.target.certificate.is_some() {
                    let (published, round) = (Rc::clone(&published), Rc::clone(&published_round));
                    tasks.spawn_local(async move {
                        published.ask(&round, &open_case).await;
                        Ok(())
                    });
                }
            }
            if feed.is_empty() {
                ask_state = None;
            }
            tokio::select! {
                biased;
                Some(signal) = stop.recv(), if stopped.is_none() => {
                    // What was answered before the stop still counts. Of the others something is told if nothing was told before.
                    stopped = Some(signal);
                    tasks.abort_all();
                    ask_state = None;
                    if !rounds.is_first() {
                        feed.stop();
                    }
                }
                Some(written) = sights.writes.next() => written?,
                Some(AnsweredCase { target, answers }) = answered.recv() => {
                    feed.close(cases.get(target.ordinal));
                    let sight = rounds.close(&target, &answers, clock.elapsed(), clock.now());
                    sights.take(&target, sight, clock.elapsed())?;
                    answered_now += 1;
                    observe(VerificationProgress {
                        revoked: rounds.settled(),
                        cases: cases.len(),
                        answered: answered_now,
                        again: None,
                    });
                }
                // A panic leaves its case without an answer, which is unknown; so does an early end.
                Some(done) = tasks.join_next() => done.unwrap_or(Ok(()))?,
                // More can be asked about, and nobody need wait until it is read.
                () = yield_now(), if fed == FED_AT_ONCE => {}
            }
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap_or(Ok(()))?;
        }
        // Written in each round, not at the end: a verification may wait for hours, and what was seen must survive a crash.
        sights.write_all(clock.elapsed()).await?;
        let after = rounds.end(clock.elapsed());
        let (revoked, now) = (rounds.settled(), clock.elapsed());
        let next = if let (After::Again(next), None) = (after, stopped) { Some(next) } else { None };
        let again = next.map(|next| next.saturating_sub(now));
        observe(VerificationProgress { revoked, cases: cases.len(), answered: answered_now, again });
        let Some(next) = next else { break };
        if clock.skip(next.saturating_sub(now)) {
            continue;
        }
        tokio::select! {
            biased;
            Some(signal) = stop.recv() => {
                stopped = Some(signal);
                break;
            }
            () = tokio::time::sleep(next.saturating_sub(now)) => {}
        }
    }
    let refused = match &state_calls {
        Some(calls) => calls.lock().await.refused(),
        None => Vec::new(),
    };
    Ok(VerificationEnd { refused, stopped })
}

/// Whether an action's target can be looked up, by its parameters or by the provider's id in its recorded answer.
pub fn has_state_call(provider: &Provider, action: &Action, reference: Option<&str>) -> bool {
    let Some(operation) = provider.operation(&action.operation) else { return false };
    let Some(rules) = &operation.action else { return false };
    let answer = reference.and_then(|reference| target_state::answer_with_reference(operation, reference));
    !target_state::choose_queries(provider, rules, &action.parameters, answer.as_ref()).is_empty()
}

/// Whether what a preview shows of an action's target can be asked for.
pub fn has_preview(provider: &Provider, action: &Action) -> bool {
    let rules = provider.operation(&action.operation).and_then(|operation| operation.action.as_ref());
    rules.is_some_and(|rules| !target_state::choose(provider, &rules.previews, &action.parameters, None).is_empty())
}

impl<T: Transport + 'static, C: Clock + 'static> StateCalls<T, C> {
    /// Accounts that refused the credentials, gave no token or cannot be reached, and why.
    fn refused(&self) -> Vec<(String, String)> {
        self.inquiry.refused()
    }

    /// Looks up the targets of the cases that come, until no more come.
    async fn round(&mut self, mut cases: UnboundedReceiver<Rc<OpenCase>>) -> Result<(), JournalFailed> {
        let since = self.inquiry.clock.elapsed();
        let mut asked = AskedCases::new();
        let mut are_more = true;
        self.inquiry.begin_round();
        loop {
            let turn = tokio::select! {
                biased;
                case = cases.recv(), if are_more => {
                    match case {
                        Some(case) => self.add(case, &mut asked),
                        None => are_more = false,
                    }
                    continue;
                }
                turn = self.inquiry.next(), if !asked.is_empty() || !are_more => turn?,
            };
            match turn {
                NextTurn::Ask(ordinal, account) => self.start(ordinal, account, &mut asked, since)?,
                NextTurn::Answered(answered) => self.take_answer(*answered, &mut asked),
                NextTurn::Over => {
                    self.give_up(None, &mut asked);
                    if !are_more {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Queues a case, where its account is still asked.
    fn add(&mut self, case: Rc<OpenCase>, asked: &mut AskedCases) {
        let VerifyTarget { ordinal, account, .. } = case.target;
        if self.inquiry.accounts.get(account).is_none_or(Option::is_none) {
            return;
        }
        if self.inquiry.is_given_up(account) {
            let why = self.inquiry.why_not(account);
            case.take(StatusSource::Provider, SourceAnswer::Nothing(why.into()), self.inquiry.clock.now());
            return;
        }
        self.inquiry.scheduler.add(ordinal, account, &[], None);
        asked.insert(ordinal, AskedCase { case, question: None, under_way: false });
    }

    /// Nobody is asked any more about the cases of an account that wait, or of all.
    fn give_up(&mut self, account: Option<usize>, asked: &mut AskedCases) {
        let is_given_up =
            |one: &AskedCase| !one.under_way && account.is_none_or(|account| one.case.target.account == account);
        let given_up: Vec<Ordinal> =
            asked.iter().filter(|(_, one)| is_given_up(one)).map(|(ordinal, _)| *ordinal).collect();
        for ordinal in given_up {
            let Some(account) = asked.get(&ordinal).map(|one| one.case.target.account) else { continue };
            let why = self.inquiry.why_not(account);
            self.report(ordinal, SourceAnswer::Nothing(why.into()), asked);
        }
    }

    fn report(&mut self, ordinal: Ordinal, answer: SourceAnswer, asked: &mut AskedCases) {
        self.inquiry.scheduler.action_ended(ordinal, true);
        if let Some(AskedCase { case, .. }) = asked.remove(&ordinal) {
            case.take(StatusSource::Provider, answer, self.inquiry.clock.now());
        }
    }

    /// Starts the next step of a case whose place is taken: its question, or what must be fetched before.
    fn start(
        &mut self,
        ordinal: Ordinal,
        account: usize,
        asked: &mut AskedCases,
        since: Moment,
    ) -> Result<(), JournalFailed> {
        let asker = if self.shown.is_some() { Asker::Preview } else { Asker::Verification };
        let (reader, lists) = (Rc::clone(&self.reader), self.lists.get(account).cloned().unwrap_or_default());
        self.inquiry.ask(ordinal, account, |sender, inquiry| {
            let unknown = || JournalFailed(format!("action {ordinal} is not being asked about"));
            let AskedCase { question: asks, under_way, .. } = asked.get_mut(&ordinal).ok_or_else(unknown)?;
            if asks.is_none() {
                *asks = Some(question(&reader, sender, ordinal, since)?);
            }
            let StateQuestion { action, operation, doubtful, .. } = asks.as_ref().ok_or_else(unknown)?;
            *under_way = true;
            let subject = Subject { action: action.clone().into(), operation: *operation, stage: 0, parameters: None };
            let of = (subject, ActionState::default());
            let query = StatusQuery::new(sender, of, doubtful.clone(), inquiry.retry.attempts, asker, lists);
            Ok(Purpose::Query(Box::new(query)))
        })
    }

    /// A request is over, whatever it was for.
    fn take_answer(&mut self, answered: Answered, asked: &mut AskedCases) {
        let Answered { question, account, result, given_up } = answered;
        if let Some(ordinal) = question {
            if let Some(one) = asked.get_mut(&ordinal) {
                one.under_way = false;
            }
            let answer = match result.map(|result| (result.purpose, result.exchanged)) {
                Some((Purpose::Query(query), exchanged)) => self.answer(ordinal, account, &query, &exchanged, asked),
                Some(_) => None,
                None => Some(SourceAnswer::Nothing("an internal error struck".into())),
            };
            if let Some(answer) = answer {
                self.report(ordinal, answer, asked);
            }
        }
        if self.inquiry.settle(account, given_up) {
            self.give_up(Some(account), asked);
        }
    }

    /// What a case's question was answered; `None` where it is asked again.
    fn answer(
        &mut self,
        ordinal: Ordinal,
        account: usize,
        query: &StatusQuery,
        exchanged: &ExchangeResult,
        asked: &mut AskedCases,
    ) -> Option<SourceAnswer> {
        let sender = Rc::clone(&self.inquiry.accounts.get(account)?.as_ref()?.sender);
        let question = asked.get_mut(&ordinal)?.question.as_mut()?;
        let reading = query.reading(&sender, exchanged);
        if let Some(next) = query.next_query(&reading, exchanged) {
            question.doubtful = next;
            self.inquiry.scheduler.requeue(ordinal, account, None);
            return None;
        }
        let cause = match reading {
            Reading::TargetState(target_state, seen) => {
                let seen = sender.mask(&seen);
                if let Some(take) = &mut self.shown {
                    take(ordinal, query.shown(&sender));
                }
                return Some(match target_state {
                    TargetState::Done => SourceAnswer::Revoked(None, None),
                    TargetState::NotDone => SourceAnswer::Good(Some(seen.into())),
                    TargetState::Pending => SourceAnswer::Good(Some(format!("it waits: {seen}").into())),
                    TargetState::Unknown => SourceAnswer::Nothing(seen.into()),
                });
            }
            Reading::More => {
                self.inquiry.scheduler.requeue(ordinal, account, None);
                return None;
            }
            Reading::Failed(cause) => cause,
        };
        let again = self.inquiry.try_again(ordinal, account, exchanged, &mut question.tries);
        (!again).then(|| SourceAnswer::Nothing(sender.excerpt(&cause).into()))
    }
}

/// The accounts whose state calls are asked; what the run sent just before counts under their limits.
fn state_calls<W, T: Transport, C: Clock>(
    verification: &Verification<'_, W, T, C>,
    shown: Option<TakeShown>,
) -> Result<Option<StateCalls<T, C>>, JournalError> {
    let Verification { settings, reader, journal, senders, clock, .. } = verification;
    if senders.iter().all(Option::is_none) {
        return Ok(None);
    }
    let present = Present { wall: clock.now(), steady: clock.elapsed(), boot: clock.boot() };
    let windows = settings.accounts.iter().flat_map(|account| &account.windows);
    let longest = windows.map(|window| window.length).max().unwrap_or_default();
    let mut sent = SentRequests::new(present, longest, settings.timeout);
    reader.states_and(|stored| sent.fold(stored))?;
    sent.close();
    let limits = std::mem::take(&mut sent.limits);
    let learnt = std::mem::take(&mut sent.learnt);
    let ages = by_account(&reader.queue()?, settings.accounts.len(), sent);
    let now = clock.elapsed();
    let scheduled = settings
        .accounts
        .iter()
        .enumerate()
        .map(|(index, account)| (Pace::new(limits.get(&index).unwrap_or(&account.windows)), account.concurrency));
    let mut inquiry =
        Inquiry::new(Some(journal.clone()), Rc::clone(clock), settings.retry, scheduled.collect(), senders.clone());
    // What the run sent a moment ago still counts in the provider's windows.
    for (index, ages) in ages.into_iter().enumerate().filter(|(index, _)| senders[*index].is_some()) {
        inquiry.scheduler.pace(index).seed(now, ages);
        if let Some(learnt) = learnt.get(&index) {
            inquiry.scheduler.pace(index).restore_learnt(now, learnt);
        }
    }
    let lists = senders.iter().map(|_| Rc::default()).collect();
    Ok(Some(StateCalls { reader: Rc::clone(reader), inquiry, lists, shown }))
}

impl<'r> Sights<'r> {
    /// Takes what was seen of a case, where there is anything to write.
    fn take(&mut self, target: &VerifyTarget, sight: Option<CaseSight>, now: Moment) -> Result<(), JournalError> {
        let Some(CaseSight { observation, if_new }) = sight else { return Ok(()) };
        let Observation { seen, at, by, revoked_at, reason, why } = observation;
        // A hold is told of as such; whether its reason is the one asked for shows when it ends.
        let reason_differs = seen == Seen::Revoked && reason.is_some_and(|reason| target.reason.differs(reason));
        // The first time counts: what is asked later would make a revocation seem slower than it was.
        let at = if seen == Seen::Revoked { target.seen_at.map_or(at, |first| first.min(at)) } else { at };
        let (by, why) = (by.iter().collect(), why.map(|why| why.as_ref().to_owned()));
        let verified = Verified { at, seen, by, revoked_at, reason, reason_differs, why };
        if if_new {
            let (_, history) = self.reader.history(target.ordinal)?;
            if history.verified.is_some_and(|last| Verified { at, ..last } == verified) {
                return Ok(());
            }
        }
        let Verified { at, seen, by, revoked_at, reason, reason_differs, why } = verified;
        let ordinal = target.ordinal;
        self.gathered.push(Record::Verified { ordinal, at, seen, by, revoked_at, reason, reason_differs, why });
        if self.gathered.len() >= RECORDS_AT_ONCE {
            self.write(now);
        }
        Ok(())
    }

    fn write(&mut self, now: Moment) {
        let records = std::mem::take(&mut self.gathered);
        self.writes.push(append(self.journal, now, records).boxed_local());
    }

    /// Waits until everything is durable.
    async fn write_all(&mut self, now: Moment) -> Result<(), JournalFailed> {
        self.write(now);
        while let Some(written) = self.writes.next().await {
            written?;
        }
        Ok(())
    }
}

/// What is asked about an action, with its operation; what only the recorded answer tells (the provider's own id) included.
fn question<T: Transport>(
    reader: &Reader,
    sender: &Sender<T>,
    ordinal: Ordinal,
    since: Moment,
) -> Result<StateQuestion, JournalFailed> {
    let (action, history) = reader.history(ordinal).map_err(|error| JournalFailed(error.to_string()))?;
    let unknown = || JournalFailed(format!("the provider document has no operation {}", action.operation));
    let operation = sender.find_action(&action.operation).ok_or_else(unknown)?;
    let answer = history
        .reply
        .reference
        .and_then(|reference| target_state::answer_with_reference(&sender.provider.operations[operation], &reference));
    let doubtful = DoubtfulAction { answer, since, ..DoubtfulAction::default() };
    Ok(StateQuestion { action, operation, doubtful, tries: Tries::default() })
}

/// Cases that are open at once: enough for every account, list and responder to have something to do, and some kB each.
pub const OPEN_CASES: usize = 4096;
/// Cases whose targets are read before anybody else has a turn: reading one takes a fraction of a millisecond.
const FED_AT_ONCE: usize = 16;
/// There may be a million records in a round.
const RECORDS_AT_ONCE: usize = 1024;
/// Of so many records each.
const WRITES_AT_ONCE: usize = 4;
