//! The one owner of a run's state: it starts steps, folds their records into the state, tells the observer, and stops the run
//! when a rule, a signal or the environment says so. Every event that it emits tells of something that is durable already.

mod departing;
mod folding;
mod telling;
mod waiting;
mod watching;
mod words;
mod writing;

pub use waiting::Question;

use super::attempt::{self, JournalFailed, Report, Tools};
use super::control::Word;
use super::look_up::{self, Case, Doubted, LookedUp, Told};
use super::pace::Pace;
use super::reach::Reach;
use super::ready::{Ready, Turn};
use super::retry::Jitter;
use super::safety::Watch;
use super::sender::{Sender, TokenError};
use super::sent::Present;
use super::start;
use super::timing::{Moment, RequestTiming, WaitTimes, WallTime};
use super::waves::Waves;
use crate::journal::{ActionState, Journal, JournalError, Phase, Queue, Reader, Record, States};
use crate::plan::{Settings, calendar};
use crate::run::{Event, Ordinal, Outcome, StopReason, WaitReason};
use crate::time::Clock;
use crate::wire::Transport;
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Everything that a run needs. The caller has made the run directory and resolved the credentials.
#[derive(Debug)]
pub struct Run<'a, T, C> {
    /// How the plan is to be carried out.
    pub settings: &'a Settings,
    /// The run, open for reading.
    pub reader: &'a Reader,
    /// The run's journal.
    pub journal: Journal,
    /// One sender an account, in the order of the settings' accounts.
    pub senders: Vec<Rc<Sender<T>>>,
    /// The clock.
    pub clock: Rc<C>,
    /// Outcomes that are taken up again (`resume --retry`).
    pub reopen: BTreeSet<Outcome>,
    /// What the run is told from outside: by signals, and by other processes.
    pub words: mpsc::UnboundedReceiver<Word>,
    /// Seed of the jitter between attempts.
    pub seed: u64,
    /// Whether a closed window and a start to come are waited for; otherwise the run stops, and `resume` goes on.
    pub wait: bool,
    /// Who is asked between two waves; where nobody is, the run stops there.
    pub questions: Option<mpsc::UnboundedSender<Question>>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Why it stopped before the last action, where it did.
    pub stopped: Option<StopReason>,
    /// Accounts that were stopped, with the reason.
    pub accounts_stopped: Vec<(String, StopReason)>,
    /// Whether every action has ended.
    pub complete: bool,
    /// Whether every action has ended well (duplicates count as well).
    pub well: bool,
    /// How many actions of which account have not ended, where some have not.
    pub left: Vec<(String, u64)>,
    /// When the schedule opens again, where it was closed.
    pub reopens: Option<Timestamp>,
}

impl Ending {
    /// The one reason that decides how a run ends that is not complete, and so its exit code. What has to be repaired first (an account
    /// whose credentials were refused, or that cannot be reached) goes before a rule, but not before a signal.
    pub fn reason(&self) -> Option<&StopReason> {
        let environment = |reason: &&StopReason| matches!(reason, StopReason::Environment(_));
        let accounts = || self.accounts_stopped.iter().map(|(_, reason)| reason);
        match &self.stopped {
            Some(reason @ (StopReason::Signal(_) | StopReason::Environment(_))) => Some(reason),
            stopped => accounts().find(environment).or(stopped.as_ref()).or_else(|| accounts().next()),
        }
    }

    /// Why it stopped, account by account where it is theirs.
    fn why(&self) -> String {
        let words = |reason: &StopReason| match reason {
            StopReason::Rule(why) | StopReason::Environment(why) => why.clone(),
            StopReason::Signal(number) => format!("interrupted by signal {number}"),
        };
        let accounts = self.accounts_stopped.iter().map(|(name, reason)| format!("{name}: {}", words(reason)));
        self.stopped.as_ref().map(words).into_iter().chain(accounts).collect::<Vec<_>>().join("; ")
    }
}

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
        dispatcher.go().await;
    }
    Ok(dispatcher.end().await)
}

struct Dispatcher<'a, 'o, T, C> {
    run: Run<'a, T, C>,
    observe: &'o mut dyn FnMut(Event),
    states: States,
    untold: writing::Untold<T, C>,
    /// Every action, as far as their order goes.
    queue: Queue,
    ready: Ready,
    doubts: HashMap<Ordinal, Doubted>,
    steps: FuturesUnordered<LocalBoxFuture<'static, Over>>,
    watch: Watch,
    jitter: Jitter,
    deadline: Option<Timestamp>,
    stopping: Option<StopReason>,
    /// When this process began, by the clock that never jumps.
    began: Moment,
    /// Words from outside to stop; the second leaves at once.
    signals: u32,
    leave: bool,
    accounts_stopped: Vec<(String, StopReason)>,
    /// Whether each provider can be reached, by account.
    reaches: Vec<Reach>,
    /// Canaries that are read back.
    looks: HashMap<Ordinal, watching::Look>,
    between: waiting::Between,
    /// Until when the schedule is closed, where the observer was told.
    closed_told: Option<Timestamp>,
    reopens: Option<Timestamp>,
    /// Requests for a token in a row that came to nothing, by account.
    token_tries: HashMap<usize, u32>,
    skew_told: HashSet<usize>,
    hold_told: HashMap<usize, Moment>,
    /// `certsweep pause` holds.
    paused: bool,
    /// What each account waits for.
    waits: Vec<WaitTimes>,
    /// What bounds each account, as it was told last.
    bounds: Vec<Option<WaitReason>>,
}

/// A step that is under way: of which account, for which action, and its request's moments.
struct UnderWay {
    account: usize,
    ordinal: Option<Ordinal>,
    timing: Rc<RequestTiming>,
}

/// A step that is over: what it came to, or nothing where it panicked.
type Over = (UnderWay, Option<Step>);

/// What a step came to.
enum Step {
    Attempt(Result<Box<Report>, JournalFailed>),
    LookUp(Result<LookedUp, JournalFailed>),
    ReadBack(Result<Told, JournalFailed>),
    Token(Result<Result<(), TokenError>, JournalFailed>),
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
        let lanes =
            run.settings.accounts.iter().enumerate().map(|(index, account)| {
                (Pace::new(limits.get(&index).unwrap_or(&account.windows)), account.concurrency)
            });
        let accounts = run.settings.accounts.len();
        let mut waves = Waves::new(&safety.waves, &queue);
        if waves.are_there() {
            states.whose(|state| state.attempts > 0).into_iter().for_each(|(ordinal, _)| waves.begun(ordinal));
        }
        let mut ready = Ready::new(lanes.collect(), canaries).in_waves(waves);
        for (index, account) in run.settings.accounts.iter().enumerate() {
            if let Some(first) = (0..index).find(|first| run.senders[index].shares_limits_with(&run.senders[*first])) {
                ready.share(index, first);
            }
            if account.concurrency_follows {
                ready.follow(index, account.concurrency);
            }
        }
        for (index, sent) in sent.into_iter().enumerate() {
            ready.pace(index).seed(now, sent);
        }
        for (account, learnt) in learnt.iter().filter(|(account, _)| **account < accounts) {
            ready.pace(*account).recall(now, learnt);
        }
        for action in queue.iter() {
            if states.of(action.ordinal).phase != Phase::Waiting {
                continue;
            }
            let open = |need: &Ordinal| !matches!(states.of(*need).phase, Phase::Ended(outcome) if outcome.is_well());
            let needs: Vec<Ordinal> = action.needs.iter().copied().filter(open).collect();
            let not_before = action.not_before.filter(|at| *at > wall).map(|at| wall_time.moment(at));
            ready.add(action.ordinal, action.account, &needs, not_before);
        }
        observe(Event::RunBegan {
            accounts: run.settings.accounts.iter().map(|account| account.name.clone()).zip(left).collect(),
        });
        let untold = writing::Untold::of(&run.journal);
        let mut dispatcher = Self {
            watch: Watch::new(safety, accounts),
            jitter: Jitter::new(run.seed),
            deadline: calendar::deadline_at(run.settings.deadline, &run.settings.schedule, began_at),
            stopping: failed.map(StopReason::Environment),
            doubts,
            run,
            observe,
            states,
            untold,
            queue,
            ready,
            steps: FuturesUnordered::new(),
            began: now,
            signals: 0,
            leave: false,
            accounts_stopped: Vec::new(),
            reaches: vec![Reach::default(); accounts],
            looks: HashMap::new(),
            between: waiting::Between::Nothing,
            closed_told: None,
            reopens: None,
            token_tries: HashMap::new(),
            skew_told: HashSet::new(),
            hold_told: HashMap::new(),
            paused: false,
            waits: vec![WaitTimes::default(); accounts],
            bounds: vec![None; accounts],
        };
        // Whoever resumes a run that stopped between two waves says with that that the next may go.
        if dispatcher.ready.waves().has_ended() {
            dispatcher.next_wave();
        }
        Ok(dispatcher)
    }

    async fn go(&mut self) {
        let mut tick = tokio::time::interval(TICK);
        loop {
            let mut wake = self.run.clock.elapsed() + LONGEST_SLEEP;
            if self.stopping.is_none() {
                match self.start_what_may_start() {
                    Turn::Wait(moment) => wake = wake.min(moment),
                    Turn::Idle if !self.is_something_under_way() => return,
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
                biased;
                Some(word) = self.run.words.recv() => self.told(word),
                Some(over) = self.steps.next() => {
                    self.stepped(over);
                    // Who looks without waiting is not woken: the next turn looks again before it sleeps.
                    while let Some(Some(over)) = self.steps.next().now_or_never() {
                        self.stepped(over);
                    }
                }
                Some(written) = self.untold.acknowledged.recv() => {
                    self.acknowledged(written);
                    while let Ok(written) = self.untold.acknowledged.try_recv() {
                        self.acknowledged(written);
                    }
                }
                goes_on = waiting::word(&mut self.between) => self.worded(goes_on),
                // While somebody reads a question nothing is drawn over it.
                _ = tick.tick(), if !self.between.is_asked() => {
                    (self.observe)(Event::Tick(self.run.clock.elapsed().saturating_sub(self.began)));
                    self.tell_of_bounds();
                }
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Starts every step that has a slot and a place now.
    fn start_what_may_start(&mut self) -> Turn {
        loop {
            let now = self.run.clock.elapsed();
            if let Some(turn) = self.kept_back(now) {
                return turn;
            }
            if self.paused {
                return Turn::WaitForAnswer;
            }
            match self.ready.next(now) {
                Turn::Start { ordinal, account } => {
                    if let Err(error) = self.start(ordinal, account, now) {
                        self.unsent(account);
                        self.stop(StopReason::Environment(error.0));
                        return Turn::Idle;
                    }
                }
                Turn::Wait(moment) => {
                    self.tell_of_holds(now);
                    return Turn::Wait(moment);
                }
                turn => return turn,
            }
        }
    }

    fn start(&mut self, ordinal: Ordinal, account: usize, now: Moment) -> Result<(), JournalFailed> {
        let sender = Rc::clone(&self.run.senders[account]);
        let (journal, clock) = (self.run.journal.clone(), Rc::clone(&self.run.clock));
        let down = self.reaches[account].is_down();
        let timing = Rc::new(RequestTiming::new(now));
        self.reaches[account].began();
        let Some(pass) = sender.pass() else {
            self.ready.pause(account, true);
            self.ready.again(ordinal, account, None);
            let asked = Record::Asked { account, ordinal: None, at: self.run.clock.now() };
            let noted = Rc::clone(&timing);
            let token = async move {
                Step::Token(match attempt::append(&journal, clock.elapsed(), vec![asked]).await {
                    Ok(()) => {
                        noted.note_sent(&*clock);
                        let token = sender.fetch_token(clock.now()).await;
                        noted.note_answered(&*clock);
                        Ok(token)
                    }
                    Err(failed) => Err(failed),
                })
            };
            self.begin_step(UnderWay { account, ordinal: None, timing }, token);
            return Ok(());
        };
        let attempts = self.run.settings.retry.attempts;
        let tools = Tools { sender, account, journal, clock, pass, down, timing: Rc::clone(&timing) };
        let state = self.states.of(ordinal);
        let action = self.run.reader.to_send(ordinal).map_err(|error| JournalFailed(error.to_string()))?;
        let look = self.looks.get(&ordinal).map(|look| look.doubted.clone());
        let way = UnderWay { account, ordinal: Some(ordinal), timing };
        match self.doubts.get(&ordinal).cloned() {
            _ if look.is_some() => {
                let case = Case { action, state, doubted: look.unwrap_or_default(), attempts };
                self.begin_step(way, async move { Step::ReadBack(look_up::ask(&tools, &case).await) });
            }
            Some(doubted) => {
                let case = Case { action, state, doubted, attempts };
                let look_up = async move {
                    Step::LookUp(if case.doubted.tries >= LOOKUP_TRIES {
                        Ok(look_up::give_up(&tools, &case))
                    } else {
                        look_up::look_up(tools, case).await
                    })
                };
                self.begin_step(way, look_up);
            }
            None => {
                let unsigned = attempt::request(&tools.sender, &action)?;
                let intent = attempt::intent(state, ordinal, self.run.clock.now());
                self.intend(departing::Departure { tools, action, unsigned, state, intent });
            }
        }
        Ok(())
    }

    fn stop(&mut self, reason: StopReason) {
        if self.stopping.is_none() {
            self.stopping = Some(reason.clone());
            self.tell(Event::Stopping(reason));
        }
    }

    async fn end(mut self) -> Ending {
        // Leaving at once: what is in flight stays without an end, and resume takes it as lost.
        self.steps.clear();
        self.all_told().await;
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
        if let Err(failed) = attempt::append(&self.run.journal, self.run.clock.elapsed(), vec![record]).await {
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

/// Look-ups that come to nothing before an action in doubt stays so.
const LOOKUP_TRIES: u32 = 3;
/// How often the observer hears of the time.
const TICK: Duration = Duration::from_secs(1);
/// Wake at least so often, to see a window close or a deadline pass.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
