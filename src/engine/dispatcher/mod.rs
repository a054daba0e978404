//! The one owner of a run's state: it starts steps, folds their records into the state, notifies the observer, and stops the run
//! when a rule, a signal or the environment says so. Every event that it emits tells of something that is durable already.
//!
//! The loop is here, its state in [`state`]. Starting a step and writing records is [`dispatch`]'s, what follows from a step
//! [`step_results`]', what holds the whole run [`run_control`]'s, what a canary or a provider that is down changes
//! [`safety_rules`]', and what the observer hears [`events`]'.

mod dispatch;
mod events;
mod run_control;
mod safety_rules;
mod state;
mod step_results;

pub use state::{Ending, Question, Run};

use super::circuit_breaker::CircuitBreaker;
use super::pace::Pace;
use super::retry::Jitter;
use super::safety::Watch;
use super::scheduler::{Decision, Scheduler};
use super::sent::Present;
use super::start;
use super::step::append;
use super::timing::{WaitTimes, WallTime};
use super::waves::Waves;
use crate::journal::{ActionState, JournalError, Phase, Record};
use crate::plan::calendar;
use crate::run::{Event, Ordinal, Outcome, StopReason};
use crate::time::Clock;
use crate::wire::Transport;
use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use state::{Dispatcher, PendingAcks, WaveBreak};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

/// Carries out a run, or goes on with it.
///
/// # Errors
/// Where the run cannot be read, or its records contradict each other; nothing was sent then.
pub async fn run<T, C>(run: Run<'_, T, C>, observe: &mut dyn FnMut(Event)) -> Result<Ending, JournalError>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    let mut dispatcher = Dispatcher::begin(run, observe)?;
    if dispatcher.stopping.is_none() {
        dispatcher.work().await;
    }
    Ok(dispatcher.end().await)
}

impl<'a, 'o, T, C> Dispatcher<'a, 'o, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    fn begin(run: Run<'a, T, C>, observe: &'o mut dyn FnMut(Event)) -> Result<Self, JournalError> {
        let now = run.clock.elapsed();
        let wall = run.clock.now();
        let wall_time = WallTime::new(now, wall);
        let present = Present { wall, steady: now, boot: run.clock.boot() };
        let start::Start { states, records, doubts, queue, left, sent, limits, learnt, began_at } =
            start::start(run.reader, run.settings, &run.senders, &run.reopen, present)?;
        let failed = run.journal.append_and_wait(records, now).err();

        let safety = &run.settings.safety;
        let canaries_well =
            states.iter().filter(|state| matches!(state.phase, Phase::Ended(outcome) if outcome.is_well()));
        let canaries = safety.canary.saturating_sub(canaries_well.count() as u64);
        let scheduled =
            run.settings.accounts.iter().enumerate().map(|(index, account)| {
                (Pace::new(limits.get(&index).unwrap_or(&account.windows)), account.concurrency)
            });
        let accounts = run.settings.accounts.len();
        let mut waves = Waves::new(&safety.waves, &queue);
        if waves.are_there() {
            states.whose(|state| state.attempts > 0).into_iter().for_each(|(ordinal, _)| waves.begun(ordinal));
        }
        let mut scheduler = Scheduler::new(scheduled.collect(), canaries).in_waves(waves);
        for (index, account) in run.settings.accounts.iter().enumerate() {
            let owner = run.senders[index].limit_owner();
            if let Some(first) = (0..index).find(|first| owner.shares_limits_with(run.senders[*first].limit_owner())) {
                scheduler.share_pace(index, first);
            }
            if account.concurrency_follows {
                scheduler.follow_latency(index, account.concurrency);
            }
        }
        for (index, sent) in sent.into_iter().enumerate() {
            scheduler.pace(index).seed(now, sent);
        }
        for (account, learnt) in learnt.iter().filter(|(account, _)| **account < accounts) {
            scheduler.pace(*account).recall(now, learnt);
        }
        for action in queue.iter() {
            if states.of(action.ordinal).phase != Phase::Waiting {
                continue;
            }
            let open = |need: &Ordinal| !matches!(states.of(*need).phase, Phase::Ended(outcome) if outcome.is_well());
            let needs: Vec<Ordinal> = action.needs.iter().copied().filter(open).collect();
            let not_before = action.not_before.filter(|at| *at > wall).map(|at| wall_time.moment(at));
            scheduler.add(action.ordinal, action.account, &needs, not_before);
        }
        observe(Event::RunBegan {
            accounts: run.settings.accounts.iter().map(|account| account.name.clone()).zip(left).collect(),
        });
        let pending = PendingAcks::of(&run.journal);
        let mut dispatcher = Self {
            watch: Watch::new(safety, accounts),
            jitter: Jitter::new(run.seed),
            deadline: calendar::deadline_at(run.settings.deadline, &run.settings.schedule, began_at),
            stopping: failed.map(StopReason::Environment),
            doubts,
            refused_passes: HashMap::new(),
            lists: (0..accounts).map(|_| Rc::default()).collect(),
            run,
            observe,
            states,
            pending,
            queue,
            scheduler,
            steps: FuturesUnordered::new(),
            began: now,
            signals: 0,
            leave: false,
            accounts_stopped: Vec::new(),
            breakers: vec![CircuitBreaker::default(); accounts],
            read_backs: HashMap::new(),
            wave_break: WaveBreak::Nothing,
            closed_until: None,
            reopens: None,
            token_tries: HashMap::new(),
            skew_warned: HashSet::new(),
            notified_holds: HashMap::new(),
            paused: false,
            waits: vec![WaitTimes::default(); accounts],
            notified_reasons: vec![None; accounts],
        };
        // Whoever resumes a run that stopped between two waves says with that that the next may go.
        if dispatcher.scheduler.waves().has_ended() {
            dispatcher.next_wave();
        }
        Ok(dispatcher)
    }

    async fn work(&mut self) {
        let mut tick = tokio::time::interval(TICK);
        loop {
            let mut wake = self.run.clock.elapsed() + MAX_SLEEP;
            if self.stopping.is_none() {
                match self.start_what_may_start() {
                    Decision::Wait(moment) => wake = wake.min(moment),
                    Decision::Idle if !self.is_something_under_way() => return,
                    _ => {}
                }
                self.note_waits();
            }
            self.run.journal.flush();
            if self.leave || (self.stopping.is_some() && !self.is_something_under_way()) {
                return;
            }
            let sleep = wake.saturating_sub(self.run.clock.elapsed());
            tokio::select! {
                // In this order: a command to stop must not wait behind a flood of answers, and answers free slots, which
                // acknowledgements fill.
                biased;
                Some(word) = self.run.words.recv() => self.obey(word),
                Some(over) = self.steps.next() => {
                    self.step_ended(over);
                    // Who looks without waiting is not woken: the next turn looks again before it sleeps.
                    while let Some(Some(over)) = self.steps.next().now_or_never() {
                        self.step_ended(over);
                    }
                }
                Some(written) = self.pending.acknowledged.recv() => {
                    self.acknowledged(written);
                    while let Ok(written) = self.pending.acknowledged.try_recv() {
                        self.acknowledged(written);
                    }
                }
                goes_on = self.wave_break.answer() => self.wave_answered(goes_on),
                // While somebody reads a question nothing is drawn over it.
                _ = tick.tick(), if !self.wave_break.is_asked() => {
                    (self.observe)(Event::Tick(self.run.clock.elapsed().saturating_sub(self.began)));
                    self.notify_wait_reasons();
                }
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Starts every step that has a slot and a place now.
    fn start_what_may_start(&mut self) -> Decision {
        loop {
            let now = self.run.clock.elapsed();
            if let Some(decision) = self.run_gate(now) {
                return decision;
            }
            if self.paused {
                return Decision::WaitForAnswer;
            }
            match self.scheduler.next(now) {
                Decision::Start { ordinal, account } => {
                    if let Err(error) = self.start(ordinal, account, now) {
                        self.unsent(account);
                        self.stop(StopReason::Environment(error.0));
                        return Decision::Idle;
                    }
                }
                Decision::Wait(moment) => {
                    self.notify_holds(now);
                    return Decision::Wait(moment);
                }
                decision => return decision,
            }
        }
    }

    fn stop(&mut self, reason: StopReason) {
        if self.stopping.is_none() {
            self.stopping = Some(reason.clone());
            self.notify(Event::Stopping(reason));
        }
    }

    async fn end(mut self) -> Ending {
        // Leaving at once: what is in flight stays without an end, and resume takes it as lost.
        self.steps.clear();
        self.wait_for_acks().await;
        let complete = self.states.iter().all(|state| matches!(state.phase, Phase::Ended(_)));
        let ended_well = |(ordinal, state): (usize, ActionState)| match state.phase {
            Phase::Ended(Outcome::Skipped) => self.queue.repeats(ordinal as Ordinal),
            Phase::Ended(outcome) => outcome.is_well(),
            Phase::Waiting | Phase::InFlight => false,
        };
        let well = self.states.iter().enumerate().all(ended_well);
        let left = if complete { Vec::new() } else { self.left_by_account() };
        let mut ending = Ending {
            stopped: self.stopping.take(),
            accounts_stopped: std::mem::take(&mut self.accounts_stopped),
            complete,
            well,
            left,
            reopens: self.reopens,
        };
        let at = self.run.clock.now();
        let record = match ending.reason() {
            _ if complete => Record::Finished { at },
            Some(StopReason::Rule(_)) => Record::Stopped { at, why: ending.why(), code: 3 },
            Some(StopReason::Signal(number)) => {
                let code = u8::try_from(128 + number).unwrap_or(u8::MAX);
                Record::Stopped { at, why: ending.why(), code }
            }
            Some(StopReason::Environment(_)) | None => Record::Stopped { at, why: ending.why(), code: 4 },
        };
        if let Err(failed) = append(&self.run.journal, self.run.clock.elapsed(), vec![record]).await {
            let failed = StopReason::Environment(failed.0);
            (self.observe)(Event::Stopping(failed.clone()));
            ending.stopped.get_or_insert(failed);
        }
        (self.observe)(Event::Tick(self.run.clock.elapsed().saturating_sub(self.began)));
        (self.observe)(Event::RunEnded);
        ending
    }

    /// How many actions of each account have not ended.
    fn left_by_account(&self) -> Vec<(String, u64)> {
        let mut left = vec![0_u64; self.run.senders.len()];
        for action in self.queue.iter() {
            if !matches!(self.states.of(action.ordinal).phase, Phase::Ended(_))
                && let Some(left) = left.get_mut(action.account)
            {
                *left += 1;
            }
        }
        let names = self.run.senders.iter().map(|sender| sender.name.clone());
        names.zip(left).filter(|(_, left)| *left > 0).collect()
    }
}

/// How often the observer hears of the time.
const TICK: Duration = Duration::from_secs(1);
/// Wake at least so often, to see a window close or a deadline pass.
const MAX_SLEEP: Duration = Duration::from_secs(1);
