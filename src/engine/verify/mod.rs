//! What the world sees of a run's revocations: the providers' state calls, the issuers' lists and OCSP responders are asked in rounds until all is
//! seen revoked or the time is over. What was seen is durable before anybody is notified of it. Of a million cases it holds little: actions and
//! certificates are read again when they are needed.
//!
//! Here are the whole, and one round of state calls: under the limits and circuit breakers of a run, account by account, each request with its
//! record before it is sent. What is published is asked in `published`; [`rounds`] decides when to ask again, and what the answers mean together.

mod published;
pub mod rounds;

pub use published::{FetchedLooks, FindTarget, NonceUse, PublishedLooks, PublishedState};
pub use rounds::{
    KnownCertificate, NOBODY, Observation, PublicationUrls, ReadCertificate, RequestedReason, SourceAnswer,
    VerifyTarget,
};

use super::inquiry::{Answered, Inquiry, NextTurn, Tries};
use super::pace::Pace;
use super::sender::{ExchangeResult, Sender};
use super::stages::Subject;
use super::start::{Present, SentRequests, by_account};
use super::status_query::{Asker, DoubtfulAction, ReadLists, Reading, StatusQuery};
use super::step::{JournalFailed, Purpose, append};
use super::timing::Moment;
use crate::journal::{ActionState, Journal, JournalError, Reader, Record};
use crate::pki::ocsp::Nonce;
use crate::plan::{Action, Settings};
use crate::provider::listing::ListedRow;
use crate::provider::{Provider, TargetState, target_state};
use crate::run::{Ordinal, Seen, StatusSource};
use crate::time::Clock;
use crate::wire::{StatusFetcher, Transport};
use published::Published;
use rounds::{After, Rounds, SourceReport, SourceReports};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinSet;

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
    /// What is to be seen. Not copied into a slice: there may be a million.
    pub cases: Rc<Vec<VerifyTarget>>,
    /// Reads their certificates.
    pub certificate: ReadCertificate,
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

/// The progress of a verification after a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerificationProgress {
    /// How many are seen revoked, or on hold as was asked.
    pub revoked: usize,
    /// How many there are.
    pub cases: usize,
    /// The rest is asked again after this; `None` at the end.
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
    /// The cases that wait, by their index as the ordinal.
    inquiry: Inquiry<T, C>,
    /// The lists that were read, by account.
    lists: Vec<Rc<ReadLists>>,
    /// Takes what they show beside the state; then they are a preview's.
    shown: Option<TakeShown>,
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
    tries: Tries,
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
    let Verification { journal, clock, cases, wait, mut stop, fetcher, certificate, nonce_use, nonce, .. } =
        verification;
    let began = Record::Verifying { at: clock.now(), boot: clock.boot() };
    append(&journal, clock.elapsed(), vec![began]).await?;
    let published = Rc::new(Published::new(Rc::new(fetcher), Rc::clone(&clock), certificate, (nonce_use, nonce)));
    let mut rounds = Rounds::new(cases.iter().map(|case| (case.sources, case.reason)), clock.elapsed(), wait);
    let mut stopped = None;
    loop {
        // Each round asks only about what is not yet seen revoked.
        let due = rounds.begin();
        let (sender, mut reports) = mpsc::channel(MAX_QUEUED_REPORTS);
        let mut tasks = begin_round(&cases, &due, state_calls.as_ref(), &published, &sender);
        drop(sender);
        loop {
            tokio::select! {
                biased;
                Some(signal) = stop.recv() => {
                    stopped = Some(signal);
                    break;
                }
                report = reports.recv() => match report {
                    Some(SourceReport { case, source, answer, at }) => rounds.record_answer(case, source, answer, at),
                    None => break,
                },
            }
        }
        if stopped.is_some() {
            // What was answered before the stop still counts.
            tasks.abort_all();
            while let Ok(SourceReport { case, source, answer, at }) = reports.try_recv() {
                rounds.record_answer(case, source, answer, at);
            }
        }
        while let Some(done) = tasks.join_next().await {
            // A panic leaves its cases without an answer, which is unknown; so does an early end.
            done.unwrap_or(Ok(()))?;
        }
        let after = rounds.end(&due, clock.elapsed(), clock.now());
        // Written after each round, not at the end: a verification may wait for hours, and what was seen must survive a crash.
        for part in due.chunks(RECORDS_AT_ONCE) {
            let settled = part.iter().filter_map(|index| Some(record(&cases[*index], rounds.take_settled(*index)?)));
            append(&journal, clock.elapsed(), settled.collect()).await?;
        }
        let (revoked, now) = (rounds.settled(), clock.elapsed());
        let next = if let (After::Again(next), None) = (after, stopped) { Some(next) } else { None };
        observe(VerificationProgress { revoked, cases: cases.len(), again: next.map(|next| next.saturating_sub(now)) });
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
    for (part, first) in cases.chunks(RECORDS_AT_ONCE).zip((0..).step_by(RECORDS_AT_ONCE)) {
        let unseen = part.iter().zip(first..).filter_map(|(case, index)| {
            let observation = rounds.unseen(index, clock.now())?;
            Some(record(case, with_note(observation, case)))
        });
        append(&journal, clock.elapsed(), unseen.collect()).await?;
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

    /// Looks up those of the cases that are due.
    async fn round(
        &mut self,
        cases: &[VerifyTarget],
        due: &[usize],
        reports: &SourceReports,
    ) -> Result<(), JournalFailed> {
        let since = self.inquiry.clock.elapsed();
        let mut open = OpenCases { begun: HashMap::new(), answered: vec![false; cases.len()] };
        for index in due {
            let account = cases[*index].account;
            if self.inquiry.accounts.get(account).is_some_and(Option::is_some) {
                self.inquiry.scheduler.add(*index as Ordinal, account, &[], None);
            }
        }
        self.inquiry.begin_round();
        loop {
            match self.inquiry.next().await? {
                NextTurn::Ask(ordinal, account) => self.start(ordinal, account, cases, &mut open, since)?,
                NextTurn::Answered(answered) => {
                    if let Some((case, answer)) = self.take_answer(*answered, &mut open) {
                        self.report(case, answer, &mut open, reports).await;
                    }
                }
                NextTurn::Over => break,
            }
        }
        // Its account was given up before it was asked.
        for case in due {
            let account = cases[*case].account;
            if self.inquiry.accounts.get(account).is_none_or(Option::is_none) || open.answered[*case] {
                continue;
            }
            let why = self.inquiry.why_not(account);
            self.report(*case, SourceAnswer::Nothing(why.into()), &mut open, reports).await;
        }
        Ok(())
    }

    async fn report(&mut self, case: usize, answer: SourceAnswer, open: &mut OpenCases, reports: &SourceReports) {
        open.begun.remove(&case);
        open.answered[case] = true;
        self.inquiry.scheduler.action_ended(case as Ordinal, true);
        let at = self.inquiry.clock.now();
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
    ) -> Result<(), JournalFailed> {
        let index = usize::try_from(ordinal).unwrap_or(usize::MAX);
        let asker = if self.shown.is_some() { Asker::Preview } else { Asker::Verification };
        let (reader, lists) = (Rc::clone(&self.reader), self.lists.get(account).cloned().unwrap_or_default());
        self.inquiry.ask(ordinal, account, |sender, inquiry| {
            let case = match open.begun.entry(index) {
                Entry::Occupied(case) => case.into_mut(),
                Entry::Vacant(place) => place.insert(question(&reader, sender, cases[index].ordinal, since)?),
            };
            let action = case.action.clone().into();
            let subject = Subject { action, operation: case.operation, stage: 0, parameters: None };
            let of = (subject, ActionState::default());
            let (doubtful, attempts) = (case.doubtful.clone(), inquiry.retry.attempts);
            let query = StatusQuery::new(sender, of, doubtful, attempts, asker, lists);
            Ok(Purpose::Query(Box::new(query)))
        })
    }

    /// A request is over, whatever it was for. Returns the answer about its case, where it has one.
    fn take_answer(&mut self, answered: Answered, open: &mut OpenCases) -> Option<(usize, SourceAnswer)> {
        let Answered { question, account, result, given_up } = answered;
        let case = question.map(|ordinal| usize::try_from(ordinal).unwrap_or(usize::MAX));
        let answer = match (result.map(|result| (result.purpose, result.exchanged)), case) {
            (Some((Purpose::Query(query), exchanged)), Some(case)) => {
                self.answer(case, account, &query, &exchanged, open).map(|answer| (case, answer))
            }
            (Some(_), _) => None,
            (None, case) => case.map(|case| (case, SourceAnswer::Nothing("an internal error struck".into()))),
        };
        self.inquiry.settle(account, given_up);
        answer
    }

    /// What a case's question was answered; `None` where it is asked again.
    fn answer(
        &mut self,
        index: usize,
        account: usize,
        query: &StatusQuery,
        exchanged: &ExchangeResult,
        open: &mut OpenCases,
    ) -> Option<SourceAnswer> {
        let sender = Rc::clone(&self.inquiry.accounts.get(account)?.as_ref()?.sender);
        let case = open.begun.get_mut(&index)?;
        let reading = query.reading(&sender, exchanged);
        if let Some(next) = query.next_query(&reading, exchanged) {
            case.doubtful = next;
            self.inquiry.scheduler.requeue(index as Ordinal, account, None);
            return None;
        }
        let cause = match reading {
            Reading::TargetState(target_state, seen) => {
                let seen = sender.mask(&seen);
                if let Some(take) = &mut self.shown {
                    take(case.action.ordinal, query.shown(&sender));
                }
                return Some(match target_state {
                    TargetState::Done => SourceAnswer::Revoked(None, None),
                    TargetState::NotDone => SourceAnswer::Good(Some(seen.into())),
                    TargetState::Pending => SourceAnswer::Good(Some(format!("it waits: {seen}").into())),
                    TargetState::Unknown => SourceAnswer::Nothing(seen.into()),
                });
            }
            Reading::More => {
                self.inquiry.scheduler.requeue(index as Ordinal, account, None);
                return None;
            }
            Reading::Failed(cause) => cause,
        };
        let again = self.inquiry.try_again(index as Ordinal, account, exchanged, &mut case.tries);
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

fn begin_round<W: StatusFetcher + 'static, T: Transport + 'static, C: Clock + 'static>(
    cases: &Rc<Vec<VerifyTarget>>,
    due: &[usize],
    state_calls: Option<&Rc<Mutex<StateCalls<T, C>>>>,
    published: &Rc<Published<W, C>>,
    reports: &SourceReports,
) -> JoinSet<Result<(), JournalFailed>> {
    let (mut looked_up, mut signed) = (Vec::new(), Vec::new());
    for index in due {
        let case = &cases[*index];
        if case.sources.contains(StatusSource::Provider) {
            looked_up.push(*index);
        }
        if case.certificate.is_some() {
            signed.push(*index);
        }
    }
    let mut tasks = JoinSet::new();
    if let Some(calls) = state_calls.filter(|_| !looked_up.is_empty()) {
        let (calls, cases, reports) = (Rc::clone(calls), Rc::clone(cases), reports.clone());
        tasks.spawn_local(async move { calls.lock().await.round(&cases, &looked_up, &reports).await });
    }
    let (published, cases, reports) = (Rc::clone(published), Rc::clone(cases), reports.clone());
    tasks.spawn_local(async move {
        published.round(&cases, &signed, &reports).await;
        Ok(())
    });
    tasks
}

/// What stood in the way of asking others belongs to why something is not seen revoked.
fn with_note(observation: Observation, case: &VerifyTarget) -> Observation {
    let why = match (&case.note, observation.why) {
        (Some(note), Some(_)) if case.sources.is_empty() => Some(Rc::clone(note)),
        (Some(note), Some(why)) => Some(format!("{why}; {note}").into()),
        (_, why) => why,
    };
    Observation { why, ..observation }
}

fn record(case: &VerifyTarget, observation: Observation) -> Record {
    let Observation { seen, at, by, revoked_at, reason, why } = observation;
    let (by, why) = (by.iter().collect(), why.map(|why| why.as_ref().to_owned()));
    // A hold is told of as such; whether its reason is the one asked for shows when it ends.
    let reason_differs = seen == Seen::Revoked && reason.is_some_and(|reason| case.reason.differs(reason));
    Record::Verified { ordinal: case.ordinal, at, seen, by, revoked_at, reason, reason_differs, why }
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
    Ok(OpenCase { action, operation, doubtful, tries: Tries::default() })
}

/// Answers on their way to the rounds.
const MAX_QUEUED_REPORTS: usize = 256;
/// There may be a million records at a round's end.
const RECORDS_AT_ONCE: usize = 1024;
