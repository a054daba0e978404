//! What a run holds while it goes on: what the caller gives, commands from outside, the state that the dispatcher alone owns, what is
//! under way, and what is written and not yet durable. Decides nothing.

use crate::engine::circuit_breaker::CircuitBreaker;
use crate::engine::retry::Jitter;
use crate::engine::safety::Watch;
use crate::engine::scheduler::Scheduler;
use crate::engine::sender::{LimitSignal, Sender};
use crate::engine::status_query::{DoubtfulAction, ReadLists};
use crate::engine::step::{JournalFailed, PreparedStep, StepResult};
use crate::engine::timing::{ClockWatch, Moment, RequestTiming, WaitTimes, WallTime};
use crate::engine::verify::{PublishedLooks, PublishedState};
use crate::journal::{Durability, Journal, Queue, Reader, Reply, States};
use crate::pki::TlsServer;
use crate::plan::Settings;
use crate::provider::model::Window;
use crate::provider::stages::Captures;
use crate::run::{Awaited, Event, Ordinal, Outcome, StatusSources, StopReason, WaitReason};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// Everything that a run needs. The caller has made the run directory and resolved the credentials.
#[derive(Debug)]
pub struct Run<'a, T, C> {
    /// How the plan is to be carried out.
    pub settings: &'a Settings,
    /// The run, open for reading.
    pub reader: &'a Reader,
    /// The run's journal.
    pub journal: Journal,
    /// One sender an account, in the order of the settings' accounts. Steps hold them too; all of them are polled by one thread.
    pub senders: Vec<Rc<Sender<T>>>,
    /// The clock.
    pub clock: Rc<C>,
    /// Outcomes that are taken up again (`resume --retry`).
    pub reopen: BTreeSet<Outcome>,
    /// Commands from outside: signals, and other processes by way of the run directory.
    pub commands: UnboundedReceiver<RunCommand>,
    /// Seed of the jitter between attempts: given, so that a simulated world can be played again.
    pub seed: u64,
    /// Whether a closed window and a start to come are waited for; otherwise the run stops, and `resume` goes on.
    pub wait: bool,
    /// Asks what CAs publish about revocations, for steps that wait for that; nobody is asked without.
    pub published: Option<Rc<dyn PublishedLooks>>,
    /// Where questions between two waves go; without one the run stops there.
    pub questions: Option<UnboundedSender<Question>>,
}

/// A command to a run that is going on. Its sender is answered once the record of it is durable.
#[derive(Debug)]
pub enum RunCommand {
    /// Stop: no new request; those in flight are awaited. The second such command does not wait for them.
    Stop(StopReason),
    /// Nothing new is sent until [`RunCommand::Unpause`]; status queries wait too.
    Pause {
        /// Who gives the command, where that is known.
        by: Option<String>,
        /// Where its answer goes.
        reply: CommandReply,
    },
    /// Go on after a pause, or with the next wave. One command for both: whoever gives it sees a run that waits, not why.
    Unpause(CommandReply),
    /// Other windows hold for an account from now on.
    SetWindows {
        /// Index of the account.
        account: usize,
        /// Its windows.
        windows: Vec<Window>,
        /// Where its answer goes.
        reply: CommandReply,
    },
}

/// Where the answer to a command goes.
pub type CommandReply = oneshot::Sender<Result<CommandDone, String>>;

/// What a command changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandDone {
    /// It holds from now on.
    Done,
    /// Nothing: it was so already.
    Already,
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
    /// Whether every action has ended well (what is never sent counts as well).
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
    pub(super) fn why(&self) -> String {
        let accounts = self.accounts_stopped.iter().map(|(name, reason)| format!("{name}: {}", reason.words()));
        self.stopped.as_ref().map(StopReason::words).into_iter().chain(accounts).collect::<Vec<_>>().join("; ")
    }
}

/// The one owner of a run's state.
pub(super) struct Dispatcher<'a, 'o, T, C> {
    pub(super) run: Run<'a, T, C>,
    pub(super) observe: &'o mut dyn FnMut(Event),
    pub(super) states: States,
    pub(super) pending: PendingAcks<T, C>,
    /// Every action, as far as their order goes.
    pub(super) queue: Queue,
    pub(super) scheduler: Scheduler,
    // The maps below are for the few actions that something unusual has happened to: a field of each of a million states would cost more.
    /// Actions that are in doubt, with what is known of each.
    pub(super) doubts: HashMap<Ordinal, DoubtfulAction>,
    /// Actions whose last requests were refused for their nonces alone, with how often in a row.
    pub(super) nonces_refused: HashMap<Ordinal, u32>,
    /// Actions whose last answers may be those to other requests.
    pub(super) out_of_turn: HashMap<Ordinal, Reply>,
    /// What the stages of actions that are under way have brought. The journal has it too; nothing is read back from there for each stage.
    pub(super) captures: HashMap<Ordinal, Captures>,
    /// What tells providers which requests of an action are one and the same, of actions that are under way.
    pub(super) idempotency_keys: HashMap<Ordinal, MadeKey>,
    /// When keys were made by earlier processes, where the steady clock tells.
    pub(super) keyed_before: HashMap<Ordinal, Moment>,
    /// Stages that are asked for each item of a list.
    pub(super) items: HashMap<Ordinal, Items>,
    /// Stages that only read and are asked again.
    pub(super) polls: HashMap<Ordinal, Poll>,
    /// What waits look for by status queries.
    pub(super) looks: HashMap<Ordinal, Look>,
    /// Waits that this process does not stay for.
    pub(super) left_waiting: BTreeSet<Ordinal>,
    /// Pending actions whose state was asked for since anything of this run may have settled it.
    pub(super) looked_up: HashSet<Ordinal>,
    /// When the time of waits is over.
    pub(super) time_limits: BTreeSet<(Moment, Ordinal)>,
    /// Those whose time runs.
    pub(super) timed: HashSet<Ordinal>,
    /// By ordinal: whether an action's end was told by the order of answers alone, in this process.
    pub(super) ended_by_order: Vec<bool>,
    /// The lists that status queries have read, by account.
    pub(super) lists: Vec<Rc<ReadLists>>,
    /// Looks at servers and at what CAs publish, which hold no slot of an account.
    pub(super) looking: FuturesUnordered<Looking>,
    /// What is to be asked of what CAs publish, and whether that is asked now.
    pub(super) published_due: Vec<PublishedLook>,
    pub(super) is_reading_published: bool,
    /// A place for each handshake at once.
    pub(super) handshake_gate: Rc<Semaphore>,
    pub(super) steps: FuturesUnordered<LocalBoxFuture<'static, EndedStep>>,
    pub(super) watch: Watch,
    pub(super) jitter: Jitter,
    pub(super) deadline: Option<Timestamp>,
    pub(super) stopping: Option<StopReason>,
    /// When this process began.
    pub(super) began: Moment,
    /// Commands to stop; the second aborts.
    pub(super) signals: u32,
    pub(super) abort: bool,
    pub(super) accounts_stopped: Vec<(String, StopReason)>,
    /// Whether each provider is in order, by account.
    pub(super) breakers: Vec<CircuitBreaker>,
    /// Canaries that are read back.
    pub(super) read_backs: HashMap<Ordinal, ReadBack>,
    /// Actions before which is read what they replace, with the tries so far; `None` where it was.
    pub(super) replaced: HashMap<Ordinal, Option<DoubtfulAction>>,
    /// Accounts of which somebody was warned that this cannot be read.
    pub(super) replaced_unread: HashSet<usize>,
    pub(super) wave_break: WaveBreak,
    /// Until when the schedule is closed, where the observer was notified of that.
    pub(super) closed_until: Option<Timestamp>,
    /// Whether the wall clock was set, or nothing went on.
    pub(super) clock_watch: ClockWatch,
    /// How often, and how far, a rehearsal's clock went on for nothing but looks since an action ended.
    pub(super) looked_on: (u32, Duration),
    pub(super) reopens: Option<Timestamp>,
    /// Failed requests for a token in a row, by account: they are no action's attempts, and must not use those up.
    pub(super) token_tries: HashMap<usize, u32>,
    /// Accounts whose clock was warned of: it differs at every answer.
    pub(super) skew_warned: HashSet<usize>,
    /// Until when the observer was notified that an account is held: each refusal asks for a hold of its own.
    pub(super) notified_holds: HashMap<usize, Moment>,
    /// `certsweep pause` holds.
    pub(super) paused: bool,
    /// What each account waits for.
    pub(super) waits: Vec<WaitTimes>,
    /// The same, as the observer was notified last: the same reason is no event each second.
    pub(super) notified_reasons: Vec<Option<WaitReason>>,
    /// What each account has sent.
    pub(super) requests: Vec<RequestCounts>,
}

/// How many requests an account has sent in this process.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RequestCounts {
    pub(super) requests: u64,
    /// Of these, how many were refused because there were too many.
    pub(super) throttled: u64,
    /// Whether there were more since they were told.
    pub(super) changed: bool,
}

impl RequestCounts {
    /// Takes in what came of a step.
    pub(super) fn count(&mut self, signal: LimitSignal) {
        if signal != LimitSignal::Unsent {
            self.requests += 1;
            self.throttled += u64::from(matches!(signal, LimitSignal::Throttled { .. }));
            self.changed = true;
        }
    }
}

/// A step that is under way: of which account, for which action, and its request's moments.
pub(super) struct StepInFlight {
    pub(super) account: usize,
    pub(super) ordinal: Option<Ordinal>,
    pub(super) timing: Rc<RequestTiming>,
}

/// A step that is over, with its result; without one where it panicked.
pub(super) type EndedStep = (StepInFlight, Option<Result<StepResult, JournalFailed>>);

/// A question to the user, and where the answer goes. An asker that is gone is a no.
#[derive(Debug)]
pub struct Question {
    /// The question, as a sentence.
    pub text: String,
    /// Yes or no.
    pub answer: oneshot::Sender<bool>,
}

/// What lies between a wave that has ended and the next.
#[derive(Debug)]
pub(super) enum WaveBreak {
    /// Nothing yet.
    Nothing,
    /// A pause until then.
    Pause(Moment),
    /// Somebody was asked.
    Asked(oneshot::Receiver<bool>),
}

impl WaveBreak {
    /// Whether the next wave waits for an answer or for the end of a pause.
    pub(super) const fn waits(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// Nothing is waited for any more; whether a question was open.
    pub(super) fn end(&mut self) -> bool {
        // Only a question stands on somebody's screen until it is taken away.
        matches!(std::mem::replace(self, Self::Nothing), Self::Asked(_))
    }

    /// The answer to the question; pending for ever where none was asked.
    pub(super) async fn answer(&mut self) -> bool {
        match self {
            Self::Asked(answered) => answered.await.unwrap_or(false),
            Self::Nothing | Self::Pause(_) => std::future::pending().await,
        }
    }
}

/// A canary that was answered with success and is read back.
#[derive(Debug)]
pub(super) struct ReadBack {
    pub(super) id: String,
    pub(super) outcome: Outcome,
    /// What the status query is asked with.
    pub(super) doubtful: DoubtfulAction,
    /// Status queries that were answered with a state.
    pub(super) reads: u32,
}

/// A stage that is asked for each item of a list. After a crash it begins anew, for none of its requests does harm twice.
#[derive(Debug, Clone, Default)]
pub(super) struct Items {
    /// The item that is next, from 0.
    pub(super) next: usize,
    /// What those before have brought.
    pub(super) brought: Map<String, Value>,
}

/// What tells a provider which requests of an action are one and the same, and when it was made.
#[derive(Debug, Clone)]
pub(super) struct MadeKey {
    /// The key.
    pub(super) key: String,
    /// By the wall clock.
    pub(super) at: Timestamp,
    /// By the steady clock, where that is known.
    pub(super) moment: Option<Moment>,
}

impl MadeKey {
    /// How old it is, at the most: the wall clock may have been set back. One that is from times to come tells nothing, and is taken for the worst.
    pub(super) fn age(&self, now: WallTime) -> Duration {
        let wall = Duration::try_from(now.wall.duration_since(self.at)).unwrap_or(Duration::MAX);
        self.moment.map_or(wall, |moment| now.now.saturating_sub(moment).max(wall))
    }
}

/// A stage that only reads: how often it was asked, since nothing of that is in the action's state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Poll {
    /// When it was asked first.
    pub(super) since: Moment,
    /// How often the provider was still at work.
    pub(super) asked: u32,
    /// Requests that came to nothing, since the last that was answered.
    pub(super) tries: u16,
}

/// What a wait looks for: a state that only reading shows, so that nothing of it is in its own state.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// A list that was asked for before shows nothing.
    pub(super) since: Moment,
    /// How often it was asked for.
    pub(super) asked: u32,
    /// What was seen last.
    pub(super) seen: String,
    /// How many of the status queries of this look did not tell.
    pub(super) passed: usize,
    /// The action whose revocation CAs publish, and who is asked, where somebody is.
    pub(super) published: Option<(Ordinal, StatusSources)>,
    /// What it is that is waited for.
    pub(super) on: Awaited,
}

impl Look {
    /// One that nothing was asked for yet.
    pub(super) const fn new(now: Moment, on: Awaited) -> Self {
        Self { since: now, asked: 0, seen: String::new(), passed: 0, published: None, on }
    }
}

/// Which servers of a wait do not show the new certificate yet, and what each does instead; none where all show it.
pub(super) struct ServersSeen {
    pub(super) account: usize,
    pub(super) ordinal: Ordinal,
    pub(super) id: String,
    pub(super) at: Vec<TlsServer>,
    pub(super) others: Vec<String>,
}

/// A look at the world that is under way. It holds no slot of an account.
pub(super) type Looking = LocalBoxFuture<'static, Sight>;

/// What came of it.
pub(super) enum Sight {
    /// Of servers.
    Servers(ServersSeen),
    /// Of what CAs publish: for each that was asked, in order.
    Published(Vec<(PublishedLook, PublishedState)>),
}

/// A wait that asks what a CA publishes about an action, and what other sources have said of it before.
pub(super) struct PublishedLook {
    pub(super) wait: (Ordinal, usize),
    pub(super) id: String,
    pub(super) of: Ordinal,
    pub(super) by: StatusSources,
    pub(super) before: Option<String>,
}

/// Records that are queued and not yet durable, each with what follows once it is.
pub(super) struct PendingAcks<T, C> {
    /// In the order of queueing, which is that of the journal's acknowledgements.
    pub(super) records: VecDeque<PendingRecord<T, C>>,
    /// How many of them are intents.
    pub(super) intents: usize,
    /// The journal's acknowledgements: how many of the oldest records, and whether they are durable.
    pub(super) acknowledged: UnboundedReceiver<(usize, Durability)>,
}

/// What follows a record once it is durable.
pub(super) struct PendingRecord<T, C> {
    /// What the observer is notified of: not before, since a power cut must not take back what was shown as ended.
    pub(super) events: Vec<Event>,
    /// The step whose intent it is.
    pub(super) prepared: Option<Box<PreparedStep<T, C>>>,
    /// Where the answer to the command goes that it records.
    pub(super) reply: Option<CommandReply>,
}

impl<T, C> PendingAcks<T, C> {
    pub(super) fn of(journal: &Journal) -> Self {
        let (acknowledge, acknowledged) = unbounded_channel();
        // Unbounded, for the writer must never wait for the loop that waits for it; slots bound it. A run that is given up is gone before its writer.
        journal.notify(Arc::new(move |count, written| drop(acknowledge.send((count, written)))));
        Self { records: VecDeque::new(), intents: 0, acknowledged }
    }

    /// Whether an intent is among them, so that a request will follow.
    pub(super) const fn will_send(&self) -> bool {
        self.intents > 0
    }
}
