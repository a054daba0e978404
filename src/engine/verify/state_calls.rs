//! One round of the providers' state calls, account by account, under their limits. Each request has its record before it is sent, as
//! in a run.

use super::cases::{SourceReport, SourceReports, VerifyTarget};
use super::rounds::SourceAnswer;
use crate::engine::pace::{Full, Pace};
use crate::engine::retry;
use crate::engine::sender::Sender;
use crate::engine::status_query::{self, DoubtfulAction, ReadLists, StatusAnswer, StatusQuery, StatusQueryResult};
use crate::engine::step::{JournalFailed, LimitSignal, StepContext, append};
use crate::engine::timing::RequestTiming;
use crate::journal::{ActionState, Journal, Reader, Record};
use crate::plan::Action;
use crate::provider::{Provider, TargetState, target_state};
use crate::run::{Ordinal, StatusSource};
use crate::time::Clock;
use crate::wire::Transport;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// An account whose state calls are asked.
#[derive(Debug)]
pub(super) struct QueriedAccount<T, C> {
    pub(super) index: usize,
    pub(super) sender: Rc<Sender<T>>,
    pub(super) journal: Journal,
    pub(super) reader: Rc<Reader>,
    pub(super) clock: Rc<C>,
    pub(super) concurrency: usize,
    pub(super) retry: crate::plan::Retry,
    /// Accounts of one credential have one.
    pub(super) pace: Rc<RefCell<Pace>>,
    /// StatusAnswer when a place may have become free there.
    pub(super) answered: Rc<Notify>,
    /// The lists that were read here.
    pub(super) lists: Rc<ReadLists>,
    pub(super) token: tokio::sync::Mutex<()>,
    /// Why it is not asked any more.
    pub(super) refused: RefCell<Option<String>>,
}

/// Whether an action's target can be looked up, by its parameters or by the provider's id that was kept.
pub fn has_state_call(provider: &Provider, action: &Action, reference: Option<&str>) -> bool {
    let Some(operation) = provider.operation(&action.operation) else { return false };
    let Some(rules) = &operation.action else { return false };
    let answer = reference.and_then(|reference| target_state::answer_with_reference(operation, reference));
    !target_state::choose_queries(provider, rules, &action.parameters, answer.as_ref()).is_empty()
}

impl<T: Transport + 'static, C: Clock + 'static> QueriedAccount<T, C> {
    /// Looks up those of the cases that are due.
    pub(super) async fn round(
        self: Rc<Self>,
        cases: Rc<Vec<VerifyTarget>>,
        due: VecDeque<usize>,
        reports: SourceReports,
    ) -> Result<(), JournalFailed> {
        let since = self.clock.elapsed();
        let workers = self.concurrency.clamp(1, due.len().max(1));
        let waiting = Rc::new(RefCell::new(due));
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            let (this, cases) = (Rc::clone(&self), Rc::clone(&cases));
            let (waiting, reports) = (Rc::clone(&waiting), reports.clone());
            tasks.spawn_local(async move {
                loop {
                    let next = waiting.borrow_mut().pop_front();
                    let Some(case) = next else { return Ok(()) };
                    let said = this.ask(cases[case].ordinal, since).await?;
                    let at = this.clock.now();
                    drop(reports.send(SourceReport { case, source: StatusSource::Provider, said, at }).await);
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            // A panic of one worker leaves its case without a word, which is unknown.
            done.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    async fn ask(&self, ordinal: Ordinal, since: Duration) -> Result<SourceAnswer, JournalFailed> {
        let (action, history) = self.reader.history(ordinal).map_err(|error| JournalFailed(error.to_string()))?;
        let unknown = || JournalFailed(format!("the provider document has no operation {}", action.operation));
        let operation = self.sender.find_action(&action.operation).ok_or_else(unknown)?;
        let reference = history.reply.reference;
        let answer = reference.and_then(|reference| {
            target_state::answer_with_reference(&self.sender.provider.operations[operation], &reference)
        });
        let doubtful = DoubtfulAction { answer, since, ..DoubtfulAction::default() };
        let (state, attempts) = (ActionState::default(), self.retry.attempts);
        let lists = Rc::clone(&self.lists);
        let asked = StatusQuery { action: action.into(), state, doubtful, attempts, lists };
        let (mut tries, mut throttles) = (0, 0);
        loop {
            let refused = self.refused.borrow().clone();
            if let Some(why) = refused {
                return Ok(SourceAnswer::Nothing(why.into()));
            }
            let timing = self.place().await;
            let Some(pass) = self.sender.pass() else {
                self.note_limits(LimitSignal::Unsent, &timing);
                self.fetch_token(&mut tries).await?;
                continue;
            };
            let context = StepContext {
                sender: Rc::clone(&self.sender),
                account: self.index,
                operation,
                journal: self.journal.clone(),
                clock: Rc::clone(&self.clock),
                pass,
                down: false,
                timing: Rc::clone(&timing),
            };
            match status_query::ask(&context, &asked).await? {
                StatusAnswer::TargetState { standing, seen, limits } => {
                    self.note_limits(limits, &timing);
                    let seen = self.sender.mask(&seen);
                    return Ok(match standing {
                        TargetState::Done => SourceAnswer::Revoked(None),
                        TargetState::NotDone => SourceAnswer::Good(Some(seen.into())),
                        TargetState::Pending => SourceAnswer::Good(Some(format!("it waits: {seen}").into())),
                        TargetState::Unknown => SourceAnswer::Nothing(seen.into()),
                    });
                }
                StatusAnswer::Nothing(StatusQueryResult::Failed { cause, limits, refused_token, .. }) => {
                    self.note_limits(limits, &timing);
                    if let Some(number) = refused_token {
                        if !self.sender.renew(number) {
                            *self.refused.borrow_mut() = Some(format!("the credentials were refused: {cause}"));
                        }
                        continue;
                    }
                    // Throttling costs no try, but a verification is no run: it may come to nothing.
                    throttles += u32::from(matches!(limits, LimitSignal::Throttled { .. }));
                    if matches!(limits, LimitSignal::Throttled { .. }) && throttles < MAX_THROTTLES {
                        continue;
                    }
                    tries += 1;
                    if tries >= self.retry.attempts {
                        return Ok(SourceAnswer::Nothing(cause.into()));
                    }
                    self.pause(tries).await;
                }
                StatusAnswer::Nothing(StatusQueryResult::More | StatusQueryResult::Settled(_)) => {
                    self.note_limits(LimitSignal::Answered, &timing)
                }
            }
        }
    }

    /// One of those who need a token fetches it; the others wait for that.
    async fn fetch_token(&self, tries: &mut u32) -> Result<(), JournalFailed> {
        let _fetching = self.token.lock().await;
        if !self.sender.needs_token() || self.refused.borrow().is_some() {
            return Ok(());
        }
        let timing = self.place().await;
        let asked = Record::Asked { account: self.index, ordinal: None, at: self.clock.now() };
        append(&self.journal, self.clock.elapsed(), vec![asked]).await?;
        timing.note_sent(&*self.clock);
        let fetched = self.sender.fetch_token(self.clock.now()).await;
        timing.note_answered(&*self.clock);
        self.note_limits(LimitSignal::Answered, &timing);
        if let Err(error) = fetched {
            *tries += 1;
            if error.refused || *tries >= self.retry.attempts {
                *self.refused.borrow_mut() = Some(error.cause);
            } else {
                self.pause(*tries).await;
            }
        }
        Ok(())
    }

    /// Waits for a place under the limits.
    async fn place(&self) -> Rc<RequestTiming> {
        loop {
            let now = self.clock.elapsed();
            let taken = self.pace.borrow_mut().take(now);
            match taken {
                Ok(()) => return Rc::new(RequestTiming::new(now)),
                Err(Full::Until(moment)) => tokio::time::sleep(moment.saturating_sub(now)).await,
                Err(Full::UntilAnswer) => self.answered.notified().await,
            }
        }
    }

    fn note_limits(&self, limits: LimitSignal, timing: &RequestTiming) {
        let now = self.clock.elapsed();
        let times = timing.times(now);
        let mut pace = self.pace.borrow_mut();
        match limits {
            LimitSignal::Unsent => pace.unsent(),
            _ => pace.answered(times.sent, times.answered),
        }
        match limits {
            LimitSignal::Unsent | LimitSignal::Lost => {}
            LimitSignal::Answered => pace.quiet(now),
            LimitSignal::Throttled { retry_after, limit } => drop(pace.throttled(now, retry_after, limit)),
        }
        drop(pace);
        self.answered.notify_waiters();
    }

    async fn pause(&self, tries: u32) {
        tokio::time::sleep(retry::pause(tries, self.retry.max_delay, EVEN)).await;
    }
}

/// The part of the longest pause that is waited; one process that reads needs no jitter.
const EVEN: f64 = 0.5;
const MAX_THROTTLES: u32 = 20;
