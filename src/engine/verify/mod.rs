//! What the world sees of a run's revocations: the providers' state calls, the issuers' lists and OCSP responders are asked in rounds
//! ([`rounds`] says when) until all is seen revoked or the time is over. What was seen is durable before anybody is notified of it. Of a
//! million cases it holds little: actions and certificates are read again when they are needed.

mod looks;
mod responder;
pub mod rounds;
mod sources;
mod state_calls;

pub use looks::{FetchedLooks, FindTarget, PublishedLooks, PublishedState};
pub use responder::NonceUse;
pub use rounds::{
    KnownCertificate, NOBODY, Observation, PublicationUrls, ReadCertificate, RequestedReason, SourceAnswer,
    VerifyTarget,
};
pub use state_calls::{TakeShown, has_preview, has_state_call};

use super::inquiry::Inquiry;
use super::pace::Pace;
use super::sender::Sender;
use super::start::{Present, SentRequests, by_account};
use super::step::{JournalFailed, append};
use crate::journal::{Journal, JournalError, Reader, Record};
use crate::pki::ocsp::Nonce;
use crate::plan::Settings;
use crate::run::{Seen, StatusSource};
use crate::time::Clock;
use crate::wire::{StatusFetcher, Transport};
use rounds::{After, Rounds, SourceReport, SourceReports};
use sources::Published;
use state_calls::StateCalls;
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

/// Answers on their way to the rounds.
const MAX_QUEUED_REPORTS: usize = 256;
/// There may be a million records at a round's end.
const RECORDS_AT_ONCE: usize = 1024;
