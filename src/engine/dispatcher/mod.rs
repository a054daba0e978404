//! The one owner of a run's state: it starts steps, folds their records into the state, notifies the observer, and stops the run
//! when a rule, a signal or the environment says so. Every event that it emits is durable already.
//!
//! Here are the loop, what holds the run as a whole (the schedule, the break between two waves, commands from outside) and the events.
//! The state is in `state`; starting a step, and what follows from it, in `steps`; what several stages ask for, in `staged`; how a state is asked
//! for, and what had ended and is taken up again, in `queries`; the steps of a plan that wait, in `waits`.

mod queries;
mod staged;
mod state;
mod steps;
mod waits;

pub use state::{CommandDone, CommandReply, Ending, Question, Run, RunCommand};

use super::circuit_breaker::CircuitBreaker;
use super::pace::Pace;
use super::retry::Jitter;
use super::safety::{self, Closed, Gate, Watch, Waves};
use super::scheduler::{Decision, Scheduler};
use super::start::{self, Present};
use super::step::append;
use super::timing::{ClockWatch, Moment, WaitTimes, WallTime};
use crate::journal::{ActionState, JournalError, Phase, Record, Reply, RunWatch};
use crate::plan::{calendar, settings};
use crate::run::{Event, Ordinal, Outcome, StopReason, WaitReason, WaveQuestion};
use crate::text::{grouped, plural};
use crate::time::{Clock, human};
use crate::wire::Transport;
use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use queries::LastLook;
use state::{Dispatcher, PendingAcks, RequestCounts, WaveBreak};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, oneshot};

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

/// Stops the run once something of its directory is taken away; ends when the run does. The journal looks too, but only when something is
/// written. To be spawned beside [`run`], with a sender of its commands.
pub async fn stop_when_taken(watch: RunWatch, sender: UnboundedSender<RunCommand>) {
    loop {
        if let Err(taken) = watch.look() {
            drop(sender.send(RunCommand::Stop(StopReason::Environment(taken.to_string()))));
            return;
        }
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(DIRECTORY_POLL) => {}
        }
    }
}

impl<'a, 'o, T, C> Dispatcher<'a, 'o, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    fn begin(run: Run<'a, T, C>, observe: &'o mut dyn FnMut(Event)) -> Result<Self, JournalError> {
        let wall_time = WallTime::read(&*run.clock);
        let WallTime { now, wall } = wall_time;
        let present = Present { wall, steady: now, boot: run.clock.boot() };
        let start::Start { states, records, doubts, queue, left, sent, limits, learnt, keyed, began_at } =
            start::start(run.reader, run.settings, &run.senders, &run.reopen, present)?;
        let failed = run.journal.append_and_wait(records, now).err();

        let safety = &run.settings.safety;
        // Canaries that ended well in an earlier process count, so that `resume` does not begin with new ones.
        let is_well = |state: &ActionState| matches!(state.phase, Phase::Ended(outcome) if outcome.is_well());
        let canaries_well = states.iter().filter(is_well).count() as u64;
        let scheduled =
            run.settings.accounts.iter().enumerate().map(|(index, account)| {
                (Pace::new(limits.get(&index).unwrap_or(&account.windows)), account.concurrency)
            });
        let accounts = run.settings.accounts.len();
        let mut waves = Waves::new(&safety.waves, &queue);
        if waves.are_there() {
            states.whose(|state| state.attempts > 0).into_iter().for_each(|(ordinal, _)| waves.begun(ordinal));
        }
        let mut scheduler =
            Scheduler::new(scheduled.collect(), safety.canary).in_waves(waves).after_canaries(canaries_well);
        let owner = |account: usize| run.senders[account].limit_owner();
        scheduler.share_paces(|first, other| owner(first).shares_limits_with(owner(other)));
        for (index, account) in run.settings.accounts.iter().enumerate() {
            if account.concurrency_follows {
                scheduler.follow_latency(index, account.concurrency);
            }
            scheduler.set_unproved(index, true);
        }
        // After the accounts share their paces: the requests of each count in the windows of all that share its credential.
        for (index, sent) in sent.into_iter().enumerate() {
            scheduler.pace(index).seed(now, sent);
        }
        for (account, learnt) in learnt.iter().filter(|(account, _)| **account < accounts) {
            scheduler.pace(*account).restore_learnt(now, learnt);
        }
        for action in queue.iter() {
            if states.of(action.ordinal).phase != Phase::Waiting {
                continue;
            }
            // Needs that are met already would never be met again, and their dependents would wait for ever.
            let open = |need: &Ordinal| !queue.is_met(action.ordinal, *need, states.of(*need));
            let needs: Vec<Ordinal> = action.needs.iter().copied().filter(open).collect();
            let not_before = action.not_before.filter(|at| *at > wall).map(|at| wall_time.moment(at));
            scheduler.add(action.ordinal, action.account, &needs, not_before);
        }
        observe(Event::RunBegan {
            accounts: run.settings.accounts.iter().map(|account| account.name.clone()).zip(left).collect(),
        });
        let mut watch = Watch::new(safety, accounts);
        let mut before = vec![(0_u64, 0_u64); accounts];
        for action in queue.iter() {
            if let (Phase::Ended(outcome), Some((well, refused))) =
                (states.of(action.ordinal).phase, before.get_mut(action.account))
            {
                *well += u64::from(outcome.is_well());
                *refused += u64::from(outcome == Outcome::Rejected);
            }
        }
        for (account, (well, refused)) in before.into_iter().enumerate() {
            watch.resume(account, well, refused);
        }
        let pending = PendingAcks::of(&run.journal);
        let mut dispatcher = Self {
            watch,
            jitter: Jitter::new(run.seed),
            deadline: calendar::deadline_at(run.settings.deadline, &run.settings.schedule, began_at),
            stopping: failed.map(StopReason::Environment),
            doubts,
            nonces_refused: HashMap::new(),
            out_of_turn: HashMap::new(),
            captures: HashMap::new(),
            idempotency_keys: HashMap::new(),
            keyed_before: keyed,
            items: HashMap::new(),
            polls: HashMap::new(),
            looks: HashMap::new(),
            left_waiting: BTreeSet::new(),
            looked_up: states
                .whose(|state| state.following.is_some())
                .into_iter()
                .map(|(ordinal, _)| ordinal)
                .collect(),
            time_limits: BTreeSet::new(),
            timed: HashSet::new(),
            ended_by_order: Vec::new(),
            lists: (0..accounts).map(|_| Rc::default()).collect(),
            run,
            observe,
            states,
            pending,
            queue,
            scheduler,
            looking: FuturesUnordered::new(),
            published_due: Vec::new(),
            is_reading_published: false,
            handshake_gate: Rc::new(Semaphore::new(waits::MAX_HANDSHAKES)),
            steps: FuturesUnordered::new(),
            began: now,
            signals: 0,
            abort: false,
            accounts_stopped: Vec::new(),
            breakers: vec![CircuitBreaker::default(); accounts],
            read_backs: HashMap::new(),
            replaced: HashMap::new(),
            replaced_unread: HashSet::new(),
            wave_break: WaveBreak::Nothing,
            closed_until: None,
            clock_watch: ClockWatch::new(wall_time),
            looked_on: Default::default(),
            reopens: None,
            token_tries: HashMap::new(),
            skew_warned: HashSet::new(),
            notified_holds: HashMap::new(),
            paused: false,
            waits: vec![WaitTimes::default(); accounts],
            notified_reasons: vec![None; accounts],
            requests: vec![RequestCounts::default(); accounts],
        };
        dispatcher.begin_waits()?;
        // `resume` of a run that stopped between two waves is the permission for the next.
        if dispatcher.scheduler.waves().has_ended() {
            dispatcher.next_wave();
        }
        Ok(dispatcher)
    }

    async fn work(&mut self) {
        let mut tick = tokio::time::interval(TICK);
        loop {
            self.look_at_the_clocks();
            let mut wake = self.run.clock.elapsed() + MAX_SLEEP;
            if self.stopping.is_none()
                && let Err(failed) = self.end_overdue_waits()
            {
                self.stop(StopReason::Environment(failed.0));
            }
            if self.stopping.is_none() {
                match self.start_what_may_start() {
                    Decision::Wait(moment) if self.skip_to(moment) => continue,
                    Decision::Wait(moment) => wake = wake.min(moment),
                    Decision::Idle if !self.is_something_under_way() && self.looking.is_empty() => {
                        match self.look_before_stopping() {
                            LastLook::Queued => continue,
                            LastLook::OnceDurable => {}
                            LastLook::Over => return self.stop_for_what_is_pending(),
                        }
                    }
                    _ => {}
                }
                wake = self.next_time_limit().map_or(wake, |over| wake.min(over));
                self.note_waits();
            }
            self.run.journal.flush();
            if self.abort || (self.stopping.is_some() && !self.is_something_under_way()) {
                return;
            }
            let sleep = wake.saturating_sub(self.run.clock.elapsed());
            tokio::select! {
                // In this order: a command to stop must not wait behind a flood of answers, and answers free slots, which
                // acknowledgements fill.
                biased;
                Some(command) = self.run.commands.recv() => self.apply_command(command),
                Some(over) = self.steps.next() => {
                    self.step_ended(over);
                    // `now_or_never` registers no waker. That loses nothing: the next round polls the steps again before it sleeps.
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
                Some(sight) = self.looking.next() => self.sighted(sight),
                goes_on = self.wave_break.answer() => self.wave_answered(goes_on),
                _ = tick.tick() => {
                    self.tick();
                    self.notify_wait_reasons();
                }
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// A rehearsal does not sit through a wait that the calendar sets (a closed window, the pause between two waves, `not_before`): where its
    /// clock can be moved, it goes on to that moment at once. Limits and latency are waited for: a drill shows how long they take.
    fn skip_to(&mut self, moment: Moment) -> bool {
        let is_planned = self.closed_until.is_some()
            || matches!(self.wave_break, WaveBreak::Pause(_))
            || self.scheduler.has_nothing_due();
        let wait = moment.saturating_sub(self.run.clock.elapsed());
        let is_under_way = self.is_something_under_way() || !self.looking.is_empty();
        if self.paused || !is_planned || is_under_way || wait < MIN_SKIP || !self.run.clock.skip(wait) {
            return false;
        }
        self.clock_watch = ClockWatch::new(WallTime::read(&*self.run.clock));
        let at = self.run.clock.now().strftime("%Y-%m-%d %H:%M:%S UTC");
        self.notify(Event::Note(format!("rehearsal: {} of waiting pass at once; it is now {at}", human(wait))));
        let is_planned = self.closed_until.is_some() || matches!(self.wave_break, WaveBreak::Pause(_));
        // What has a time limit of its own ends by that.
        if is_planned || !self.scheduler.has_only_polls() || !self.time_limits.is_empty() {
            self.looked_on = Default::default();
            return true;
        }
        let (looks, passed) = (self.looked_on.0 + 1, self.looked_on.1 + wait);
        self.looked_on = (looks, passed);
        // A real run looks on for as long as somebody waits; here no time passes between two looks, and it would never end.
        if self.run.wait && looks >= REHEARSED_LOOKS && passed >= REHEARSED_PATIENCE {
            self.run.wait = false;
            let why = "what is pending is looked at no longer, as in a real run without `--wait`";
            self.notify(Event::Note(format!("rehearsal: nothing has ended for {}; {why}", human(passed))));
        }
        true
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
                        self.release_unsent(account);
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

    /// Nothing is left but what needs actions that the provider has accepted and not finished: the run stops, and `resume` looks.
    fn stop_for_what_is_pending(&mut self) {
        let (waiting, needed) = self.needed_and_pending();
        let needed = needed.union(&self.left_waiting).count();
        if needed == 0 {
            return;
        }
        let why = format!(
            "{} for {} that the CA has accepted and not finished; `resume` looks again, `resume --wait` stays until it is settled",
            match waiting {
                1 => "1 action waits".to_owned(),
                _ => format!("{waiting} actions wait"),
            },
            if needed == 1 { "one".to_owned() } else { needed.to_string() },
        );
        self.stop(StopReason::Rule(why));
    }

    /// How many actions still wait for others, and which of these the provider has accepted and not finished.
    pub(super) fn needed_and_pending(&self) -> (usize, BTreeSet<Ordinal>) {
        let pending =
            |need: &Ordinal| matches!(self.states.of(*need).phase, Phase::Ended(outcome) if outcome.is_pending());
        let waits = |(ordinal, _): &(Ordinal, &[Ordinal])| self.states.of(*ordinal).phase == Phase::Waiting;
        let waiting: Vec<_> = self.queue.needing().filter(waits).collect();
        let needed = waiting.iter().flat_map(|(_, needs)| needs.iter().copied()).filter(pending).collect();
        (waiting.len(), needed)
    }

    fn stop(&mut self, reason: StopReason) {
        if self.stopping.is_none() {
            self.stopping = Some(reason.clone());
            self.end_wave_break();
            self.notify(Event::Stopping(reason));
        }
    }

    async fn end(mut self) -> Ending {
        // After an abort what is in flight stays without an end record, and `resume` takes it as lost.
        self.steps.clear();
        self.wait_for_acks().await;
        let complete = self.states.iter().all(|state| matches!(state.phase, Phase::Ended(_)));
        let ended_well = |(ordinal, state): (usize, ActionState)| match state.phase {
            Phase::Ended(Outcome::Skipped) => self.queue.is_never_sent(ordinal as Ordinal),
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
        // The codes are the contract's: 3 for a rule, 128 + n for a signal, 4 for the environment.
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
        self.tick();
        (self.observe)(Event::RunEnded);
        ending
    }

    /// Tells the time, and what was sent until then.
    fn tick(&mut self) {
        for (sender, counts) in self.run.senders.iter().zip(&mut self.requests) {
            if std::mem::take(&mut counts.changed) {
                let RequestCounts { requests, throttled, .. } = *counts;
                (self.observe)(Event::Requested { account: sender.name.clone(), requests, throttled });
            }
        }
        (self.observe)(Event::Tick(self.run.clock.elapsed().saturating_sub(self.began)));
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

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    /// What keeps the whole run back now, where something does.
    fn run_gate(&mut self, now: Moment) -> Option<Decision> {
        if !self.is_something_under_way() && self.scheduler.is_idle() {
            return Some(Decision::Idle);
        }
        let settings = self.run.settings;
        let wall = self.run.clock.now();
        let wall_time = WallTime::new(now, wall);
        if let Some(until) = self.closed_until.filter(|until| wall < *until) {
            return Some(Decision::Wait(wall_time.moment(until)));
        }
        if let Gate::Closed(closed) = safety::gate(&settings.schedule, self.deadline, wall, settings.timeout) {
            return Some(self.schedule_closed(closed, wall_time));
        }
        self.closed_until = None;
        self.scheduler.waves().has_ended().then(|| self.between_waves(now)).flatten()
    }

    /// The schedule is closed: it is waited for, or the run stops.
    fn schedule_closed(&mut self, closed: Closed, wall: WallTime) -> Decision {
        let Closed { why, until } = closed;
        let Some(until) = until.filter(|_| self.run.wait) else {
            self.reopens = until;
            self.stop(StopReason::Rule(why));
            return Decision::Idle;
        };
        if self.closed_until.replace(until) != Some(until) {
            self.notify_all(&WaitReason::Closed { until });
            self.notify(Event::Warning(format!("waiting {}: {why}", human(wall.until(until)))));
        }
        Decision::Wait(wall.moment(until))
    }

    /// A wave has ended and another one waits: what is to be waited for, if anything.
    fn between_waves(&mut self, now: Moment) -> Option<Decision> {
        match &self.wave_break {
            WaveBreak::Asked(_) => return Some(Decision::WaitForAnswer),
            WaveBreak::Pause(until) if now < *until => return Some(Decision::Wait(*until)),
            WaveBreak::Pause(_) => {
                self.next_wave();
                return None;
            }
            WaveBreak::Nothing => {}
        }
        let ended = self.wave_ended();
        match (self.run.settings.safety.between_waves, &self.run.questions) {
            (settings::BetweenWaves::Pause(pause), _) if pause.is_zero() => {
                self.next_wave();
                None
            }
            (settings::BetweenWaves::Pause(pause), _) => {
                let until = now + pause;
                self.wave_break = WaveBreak::Pause(until);
                self.notify(Event::Note(format!("{ended}; the next begins in {}", human(pause))));
                self.notify_wave();
                Some(Decision::Wait(until))
            }
            // Asked only once all ends are durable: the question tells of them, and their own lines come before it.
            (settings::BetweenWaves::Ask, Some(_)) if !self.pending.records.is_empty() => Some(Decision::WaitForAnswer),
            // Nobody need be asked about what cannot be sent.
            (settings::BetweenWaves::Ask, Some(_)) if self.is_all_left_stopped() => Some(Decision::Idle),
            (settings::BetweenWaves::Ask, Some(questions)) => {
                let (answer, answered) = oneshot::channel();
                let waves = self.scheduler.waves();
                let next = waves.next().unwrap_or_default();
                let actions = waves.left(next);
                let question = WaveQuestion {
                    wave: next as u32 + 1,
                    of: waves.count() as u32,
                    actions,
                    since: self.run.clock.now(),
                };
                let text = wave_question(&ended, &self.wave_outcomes(), &question);
                if questions.send(Question { text, answer }).is_err() {
                    self.stop(StopReason::Rule(format!("{ended}, and nobody is there to be asked (safety.waves)")));
                    return Some(Decision::Idle);
                }
                self.wave_break = WaveBreak::Asked(answered);
                self.notify(Event::Asking(question));
                self.notify_wave();
                Some(Decision::WaitForAnswer)
            }
            (settings::BetweenWaves::Ask, None) => {
                let words = "the next waits for `resume` (safety.waves; `between_waves: 10m` would go on by itself)";
                self.stop(StopReason::Rule(format!("{ended}; {words}")));
                Some(Decision::Idle)
            }
        }
    }

    /// The user has answered whether the next wave may go.
    fn wave_answered(&mut self, goes_on: bool) {
        if goes_on {
            self.next_wave();
        } else {
            let (ended, next) = (self.wave_ended(), self.scheduler.waves().next().unwrap_or_default() + 1);
            self.stop(StopReason::Rule(format!("{ended}; wave {next} was not confirmed (safety.waves)")));
        }
    }

    /// Lets the next wave go. The permission is a record: without it `status` would still show a run that waits.
    pub(super) fn next_wave(&mut self) {
        self.end_wave_break();
        let waves = self.scheduler.waves();
        let next = waves.next().unwrap_or_default();
        let (wave, of, actions) = (next as u32 + 1, waves.count() as u32, waves.left(next));
        self.scheduler.next_wave();
        self.write(vec![Record::WentOn { at: self.run.clock.now() }]);
        self.notify(Event::WaveBegan { wave, of, actions });
    }

    /// Whether every action that has not ended belongs to an account that was stopped.
    fn is_all_left_stopped(&self) -> bool {
        let is_stopped = |name: &String| self.accounts_stopped.iter().any(|(stopped, _)| stopped == name);
        self.left_by_account().iter().all(|(name, _)| is_stopped(name))
    }

    /// Nothing lies between two waves any more.
    fn end_wave_break(&mut self) {
        if self.wave_break.end() {
            self.notify(Event::Answered);
        }
    }

    /// `wave 1 of 3 has ended: 9 succeeded, 1 rejected`
    fn wave_ended(&self) -> String {
        let waves = self.scheduler.waves();
        let (now, count) = (waves.now(), waves.count());
        let counts = Outcome::ALL.iter().zip(self.wave_outcomes()).filter(|(_, count)| *count > 0);
        let counts: Vec<String> = counts.map(|(outcome, count)| format!("{} {outcome}", grouped(count))).collect();
        format!("wave {} of {count} has ended: {}", now + 1, counts.join(", "))
    }

    /// Of the wave that has ended: how many actions ended how, in the order of `Outcome::ALL`.
    fn wave_outcomes(&self) -> [u64; Outcome::ALL.len()] {
        let waves = self.scheduler.waves();
        let now = waves.now();
        let mut outcomes = [0_u64; Outcome::ALL.len()];
        for (index, state) in self.states.iter().enumerate() {
            let ordinal = index as Ordinal;
            if let Phase::Ended(outcome) = state.phase
                && waves.of(ordinal) == now
                && !self.queue.is_never_sent(ordinal)
                && let Some(place) = Outcome::ALL.iter().position(|known| *known == outcome)
            {
                outcomes[place] += 1;
            }
        }
        outcomes
    }

    fn notify_wave(&mut self) {
        let wave = self.scheduler.next_wave_reason();
        self.notify_all(&wave);
    }

    fn notify_all(&mut self, by: &WaitReason) {
        for account in 0..self.run.senders.len() {
            self.notify_wait_reason(account, by.clone());
        }
    }

    /// Carries out a command from outside.
    fn apply_command(&mut self, command: RunCommand) {
        let at = self.run.clock.now();
        match command {
            RunCommand::Stop(reason) => {
                self.signals += 1;
                self.abort = self.signals > 1;
                self.stop(reason);
            }
            RunCommand::Pause { reply, .. } | RunCommand::Unpause(reply) | RunCommand::SetWindows { reply, .. }
                if self.stopping.is_some() =>
            {
                drop(reply.send(Err("the run is stopping; resume goes on with it".to_owned())));
            }
            RunCommand::Pause { reply, .. } if self.paused => drop(reply.send(Ok(CommandDone::Already))),
            RunCommand::Pause { by, reply } => {
                self.paused = true;
                self.record_command(Record::Paused { at, by: by.clone() }, Event::Paused { at, by }, reply);
            }
            // Answered only once the record is durable: who reads "done" must find it so after a crash.
            RunCommand::Unpause(reply) if !self.paused && self.wave_break.waits() => {
                self.end_wave_break();
                self.scheduler.next_wave();
                self.record_command(Record::WentOn { at }, Event::Unpaused, reply);
            }
            RunCommand::Unpause(reply) if !self.paused => drop(reply.send(Ok(CommandDone::Already))),
            RunCommand::Unpause(reply) => {
                self.paused = false;
                self.record_command(Record::WentOn { at }, Event::Unpaused, reply);
            }
            RunCommand::SetWindows { account, windows, reply } => {
                let Some(sender) = self.run.senders.get(account) else { return };
                let name = sender.name.clone();
                self.scheduler.set_windows(account, &windows);
                let windows: Vec<String> = windows.iter().map(ToString::to_string).collect();
                let event = Event::Limited { account: name, windows: windows.clone() };
                self.record_command(Record::Limited { account, windows, at }, event, reply);
            }
        }
        self.note_waits();
        self.notify_wait_reasons();
    }
}

impl<T, C> Dispatcher<'_, '_, T, C>
where
    T: Transport + 'static,
    C: Clock + 'static,
{
    pub(super) fn stop_account(&mut self, account: usize, reason: StopReason) {
        self.scheduler.stop(account);
        let name = self.run.senders[account].name.clone();
        let reason = match reason {
            StopReason::Environment(why) => StopReason::Environment(why.trim_end().to_owned()),
            other => other,
        };
        if !self.accounts_stopped.iter().any(|(stopped, _)| *stopped == name) {
            self.notify(Event::AccountStopped { account: name.clone(), why: reason.words() });
            self.accounts_stopped.push((name, reason));
        }
    }

    pub(super) fn notify_end(&mut self, account: usize, ordinal: Ordinal, id: &str, outcome: Outcome, reply: &Reply) {
        self.notify(Event::ActionEnded {
            ordinal,
            account: self.run.senders[account].name.clone(),
            id: id.to_owned(),
            outcome,
            message: reply.message.clone().unwrap_or_default(),
            http_status: reply.http_status,
            reference: reply.reference.clone(),
            attempts: self.states.of(ordinal).attempts,
        });
    }

    pub(super) fn notify_failure(&mut self, account: usize, ordinal: Ordinal, id: &str, reply: &Reply) {
        let status = reply.http_status.map(|status| format!("HTTP {status} ")).unwrap_or_default();
        self.notify(Event::AttemptFailed {
            ordinal,
            account: self.run.senders[account].name.clone(),
            id: id.to_owned(),
            attempt: self.states.of(ordinal).attempts,
            why: format!("{status}{}", reply.message.as_deref().unwrap_or_default()),
        });
    }

    /// Notes what each account waits for from now on.
    fn note_waits(&mut self) {
        let now = self.run.clock.elapsed();
        let wall = WallTime::new(now, self.run.clock.now());
        for (account, waits) in self.waits.iter_mut().enumerate() {
            let reason = match (self.scheduler.wait_reason(account, now, &wall), self.closed_until) {
                (reason @ (WaitReason::Done | WaitReason::Stopped), _) => reason,
                _ if self.paused => WaitReason::Paused,
                (_, Some(until)) => WaitReason::Closed { until },
                (reason, None) => reason,
            };
            waits.turn_to(reason, now);
        }
    }

    /// Notifies of what each account waits for, where that has changed.
    fn notify_wait_reasons(&mut self) {
        let now = self.run.clock.elapsed();
        for account in 0..self.run.senders.len() {
            match self.waits[account].bound(now) {
                Some(WaitReason::Nothing) => self.notify_wait_reason(account, WaitReason::Answers),
                Some(by) => self.notify_wait_reason(account, by),
                None => {}
            }
        }
    }

    /// Notifies of what an account waits for, where that has changed.
    pub(super) fn notify_wait_reason(&mut self, account: usize, by: WaitReason) {
        if self.notified_reasons[account].as_ref() != Some(&by) {
            self.notified_reasons[account] = Some(by.clone());
            self.notify(Event::Bounded { account: self.run.senders[account].name.clone(), by });
        }
    }

    pub(super) fn notify_holds(&mut self, now: Moment) {
        for account in 0..self.run.senders.len() {
            self.notify_hold(account, now, safety::TOO_MANY);
        }
    }

    /// Notifies that an account is held back, and why, once for each moment until which it is.
    pub(super) fn notify_hold(&mut self, account: usize, now: Moment, why: &str) {
        let Some(until) = self.scheduler.pace(account).held(now) else { return };
        // Each of several answers asks anew from its own moment on.
        let known = self.notified_holds.get(&account).is_some_and(|known| known.abs_diff(until) < SAME_HOLD);
        if !known {
            self.notified_holds.insert(account, until);
            self.notify(Event::HeldBack {
                account: self.run.senders[account].name.clone(),
                until: WallTime::new(now, self.run.clock.now()).at(until),
                why: why.to_owned(),
            });
        }
    }
}

/// A rehearsal waits as a real run does for less: to be told of each would take longer.
const MIN_SKIP: Duration = Duration::from_secs(5);
/// After so many looks at what is pending, and so long by its clock, a rehearsal in which nothing ends stops: its CA takes minutes.
const REHEARSED_LOOKS: u32 = 20;
const REHEARSED_PATIENCE: Duration = Duration::from_secs(1800);
/// The question after a wave that ended so, with the numbers of its actions in the order of `Outcome::ALL`. Who is asked must see it where
/// not all is well, and not say yes out of habit.
fn wave_question(ended: &str, outcomes: &[u64; Outcome::ALL.len()], question: &WaveQuestion) -> String {
    let all: u64 = outcomes.iter().sum();
    let bad: u64 = Outcome::ALL.iter().zip(outcomes).filter(|(outcome, _)| !outcome.is_well()).map(|(_, n)| n).sum();
    let next = format!("wave {} ({})", question.wave, plural(question.actions, "action"));
    match (bad, grouped(bad), grouped(all)) {
        (0, ..) => format!("{ended}. Go on with {next}?"),
        (_, bad, all) if bad == all => {
            format!("{ended}. NONE of its {all} actions ended well. Send {next} all the same?")
        }
        (_, bad, all) => format!("{ended}. {bad} of its {all} actions did NOT end well. Go on with {next}?"),
    }
}

/// Holds that end so close together are one.
const SAME_HOLD: Duration = Duration::from_secs(1);
/// Between two ticks of the observer.
const TICK: Duration = Duration::from_secs(1);
/// A process stops within a second of what happens to its directory.
const DIRECTORY_POLL: Duration = Duration::from_millis(250);
/// Wake at least so often: the wall clock may be set, and a schedule and a deadline go by it.
const MAX_SLEEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_between_waves_says_where_not_all_is_well() {
        let question = WaveQuestion { wave: 2, of: 3, actions: 2980, since: jiff::Timestamp::UNIX_EPOCH };
        for (outcomes, expected) in [
            ([20, 0, 0, 0, 0, 0, 0, 0, 0], "E. Go on with wave 2 (2,980 actions)?"),
            (
                [18, 0, 0, 0, 1, 0, 1, 0, 0],
                "E. 2 of its 20 actions did NOT end well. Go on with wave 2 (2,980 actions)?",
            ),
            (
                [0, 0, 0, 0, 20, 0, 0, 0, 0],
                "E. NONE of its 20 actions ended well. Send wave 2 (2,980 actions) all the same?",
            ),
        ] {
            assert_eq!(wave_question("E", &outcomes, &question), expected);
        }
    }
}
