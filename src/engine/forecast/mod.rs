//! How long a plan will take: the same queue and the same pace as a run's, on a virtual clock. No second model, and no formula:
//! what bounds an account is what it waited for longest.

mod help;
#[cfg(test)]
mod tests;

pub use help::{Change, Help, Wishes, would_help};

use super::pace::Pace;
use super::ready::{Ready, Turn};
use super::safety::{self, Closed, Gate};
use super::timing::{Moment, WaitTimes, WallTime};
use super::waves::Waves;
use crate::journal::Queue;
use crate::plan::settings::{BetweenWaves, Schedule};
use crate::plan::{Account, Settings};
use crate::run::{Ordinal, WaitReason};
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::time::Duration;

/// What a forecast assumes.
#[derive(Debug, Clone, PartialEq)]
pub struct Assumptions {
    /// When the run begins.
    pub start: Timestamp,
    /// How long each answer takes.
    pub latency: Duration,
    /// Accounts that fetch a token before their first request.
    pub tokens: Vec<bool>,
    /// Actions that are read back before they count, where they go as canaries.
    pub read_back: HashSet<Ordinal>,
}

/// What a run will take, if every action ends well at its first attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// From the beginning to the first request; `None` where the schedule never opens.
    pub starts: Option<Duration>,
    /// From the beginning to the last answer; `None` where it never ends inside the schedule.
    pub takes: Option<Duration>,
    /// In how many of the schedule's windows requests go out; 0 where the schedule has none.
    pub windows: u64,
    /// By account, in the settings' order.
    pub accounts: Vec<AccountForecast>,
}

/// What one account will take.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountForecast {
    /// Its actions that are sent.
    pub actions: u64,
    /// Requests: actions, look-ups and tokens.
    pub requests: u64,
    /// From the run's first request to this account's last answer.
    pub takes: Duration,
    /// What it waited for since the run's first request, and how long: the longest first.
    pub waits: Vec<(WaitReason, Duration)>,
}

impl AccountForecast {
    /// What it waited for longest.
    pub fn bottleneck(&self) -> Option<&WaitReason> {
        self.waits.first().map(|(reason, _)| reason)
    }
}

/// Foretells a run of these actions (in plan order; duplicates are not sent).
pub fn forecast(settings: &Settings, queue: &Queue, assumptions: &Assumptions) -> Forecast {
    let lanes = settings.accounts.iter().map(|account| (Pace::new(&account.windows), account.concurrency));
    let waves = Waves::new(&settings.safety.waves, queue);
    let mut ready = Ready::new(lanes.collect(), settings.safety.canary).in_waves(waves);
    for (index, account) in settings.accounts.iter().enumerate() {
        let shares = |first: &Account| {
            let same = first.provider == account.provider && first.credentials == account.credentials;
            same && !account.credentials.is_empty()
        };
        if let Some(first) = settings.accounts[..index].iter().position(shares) {
            ready.share(index, first);
        }
        if account.concurrency_follows {
            ready.follow(index, account.concurrency);
        }
    }
    let mut actions = vec![0; settings.accounts.len()];
    for action in queue.iter().filter(|action| action.duplicate_of.is_none()) {
        let ahead = action.not_before.and_then(|at| Duration::try_from(at.duration_since(assumptions.start)).ok());
        ready.add(action.ordinal, action.account, action.needs, ahead);
        actions[action.account] += 1;
    }
    let mut simulation = Simulation {
        ready,
        assumptions,
        doors: Doors::new(&settings.schedule, settings.timeout, assumptions.start),
        now: Moment::ZERO,
        flying: BinaryHeap::new(),
        tokens: assumptions.tokens.clone(),
        read_back: HashSet::new(),
        between_waves: match settings.safety.between_waves {
            BetweenWaves::Ask => Duration::ZERO,
            BetweenWaves::Pause(pause) => pause,
        },
        wave_from: None,
        first: None,
        waits: vec![WaitTimes::default(); settings.accounts.len()],
        accounts: actions
            .into_iter()
            .map(|actions| AccountForecast { actions, requests: 0, takes: Duration::ZERO, waits: Vec::new() })
            .collect(),
    };
    let ends = simulation.run();
    let mut forecast = simulation.told(ends);
    for (account, configured) in forecast.accounts.iter_mut().zip(&settings.accounts) {
        for (reason, _) in &mut account.waits {
            // What the plan says, not how many there were at the end.
            if let WaitReason::Concurrency { slots } = reason {
                *slots = configured.concurrency;
            }
        }
    }
    forecast
}

struct Simulation<'a> {
    ready: Ready,
    assumptions: &'a Assumptions,
    doors: Doors<'a>,
    now: Moment,
    flying: BinaryHeap<Reverse<(Moment, Ordinal, usize, Flight)>>,
    /// Accounts that still need a token.
    tokens: Vec<bool>,
    /// Canaries whose look-up is still to come, or under way.
    read_back: HashSet<Ordinal>,
    /// What lies between two waves. How long an answer takes that a person gives is not known, and counts as nothing.
    between_waves: Duration,
    /// When the next wave may go, where this one has ended.
    wave_from: Option<Moment>,
    first: Option<Moment>,
    waits: Vec<WaitTimes>,
    accounts: Vec<AccountForecast>,
}

/// What is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Flight {
    Token,
    Action,
}

impl Simulation<'_> {
    /// Runs to the end; whether there was one.
    fn run(&mut self) -> bool {
        loop {
            self.land();
            let answer = self.flying.peek().map(|Reverse((ends, ..))| *ends);
            let open = self.doors.open(self.now);
            let next = match open {
                Door::Open(_) if self.ready.waves().has_ended() => {
                    let from = *self.wave_from.get_or_insert(self.now + self.between_waves);
                    if from <= self.now {
                        self.wave_from = None;
                        self.ready.next_wave();
                        continue;
                    }
                    Some(answer.map_or(from, |answer| answer.min(from)))
                }
                Door::Open(closes) => match self.ready.next(self.now) {
                    Turn::Start { ordinal, account } => {
                        self.start(ordinal, account);
                        continue;
                    }
                    Turn::Wait(moment) => Some([answer, closes].into_iter().flatten().fold(moment, Moment::min)),
                    Turn::WaitForAnswer => answer,
                    Turn::Idle if answer.is_none() => return true,
                    Turn::Idle => answer,
                },
                Door::Closed(_) if answer.is_some() => answer,
                // The last answer may have come while the window was closed.
                Door::Closed(_) if self.ready.is_idle() => return true,
                Door::Closed(opens) => opens,
            };
            self.note(open);
            match next {
                // Time goes on in any case: nothing may turn without it.
                Some(next) => self.now = next.max(self.now + Duration::from_nanos(1)),
                None => return false,
            }
        }
    }

    fn start(&mut self, ordinal: Ordinal, account: usize) {
        if self.first.is_none() {
            self.first = Some(self.now);
            self.waits = vec![WaitTimes::default(); self.accounts.len()];
        }
        self.doors.used();
        self.accounts[account].requests += 1;
        let flight = if self.tokens[account] {
            self.ready.pause(account, true);
            self.ready.again(ordinal, account, None);
            Flight::Token
        } else {
            if self.ready.is_canary(ordinal)
                && self.assumptions.read_back.contains(&ordinal)
                && !self.read_back.remove(&ordinal)
            {
                self.read_back.insert(ordinal);
            }
            Flight::Action
        };
        self.flying.push(Reverse((self.now + self.assumptions.latency, ordinal, account, flight)));
    }

    /// Takes in the answers that have come.
    fn land(&mut self) {
        while let Some(Reverse((ends, ordinal, account, flight))) =
            self.flying.peek().copied().filter(|flight| flight.0.0 <= self.now)
        {
            self.flying.pop();
            self.ready.stepped(account);
            let sent = ends.saturating_sub(self.assumptions.latency);
            self.ready.answered(account, sent, ends);
            self.ready.pace(account).answered(sent, ends);
            self.accounts[account].takes = ends;
            match flight {
                Flight::Token => {
                    self.tokens[account] = false;
                    self.ready.pause(account, false);
                }
                Flight::Action if self.read_back.contains(&ordinal) => self.ready.again(ordinal, account, None),
                Flight::Action => drop(self.ready.ended(ordinal, true)),
            }
        }
    }

    /// Notes what each account waits for from now on.
    fn note(&mut self, door: Door) {
        let wall = self.doors.wall;
        for (account, waits) in self.waits.iter_mut().enumerate() {
            let reason = match (self.ready.wait_reason(account, self.now, &wall), door) {
                (reason @ (WaitReason::Done | WaitReason::Answers | WaitReason::Stopped), _) => reason,
                (_, Door::Closed(until)) => {
                    WaitReason::Closed { until: until.map_or(Timestamp::MAX, |at| wall.at(at)) }
                }
                (reason, Door::Open(_)) => reason,
            };
            waits.turn_to(reason, self.now);
        }
    }

    fn told(mut self, ended: bool) -> Forecast {
        let first = self.first.unwrap_or_default();
        for (account, waits) in self.accounts.iter_mut().zip(&mut self.waits) {
            waits.count(self.now);
            account.takes = account.takes.saturating_sub(first);
            account.waits = waits.spent();
            account.waits.retain(|(reason, _)| *reason != WaitReason::Done);
        }
        let last = self.accounts.iter().map(|account| account.takes).max().unwrap_or_default();
        Forecast {
            starts: self.first.or(ended.then_some(Moment::ZERO)),
            takes: ended.then(|| first + last),
            windows: self.doors.windows,
            accounts: self.accounts,
        }
    }
}

/// The schedule along the virtual clock.
struct Doors<'a> {
    schedule: &'a Schedule,
    margin: Duration,
    wall: WallTime,
    /// What holds until this moment (for ever without one).
    known: Option<(Door, Option<Moment>)>,
    windows: u64,
    /// Whether something went out since it opened.
    used: bool,
    /// How often it has closed since something went out.
    idle: u32,
}

/// Whether requests may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Until this moment, where there is one.
    Open(Option<Moment>),
    /// Until this moment; for ever without one.
    Closed(Option<Moment>),
}

impl<'a> Doors<'a> {
    fn new(schedule: &'a Schedule, margin: Duration, start: Timestamp) -> Self {
        Self {
            schedule,
            margin,
            wall: WallTime::new(Moment::ZERO, start),
            known: None,
            windows: 0,
            used: false,
            idle: 0,
        }
    }

    fn open(&mut self, now: Moment) -> Door {
        if let Some((door, until)) = self.known
            && until.is_none_or(|until| now < until)
        {
            return door;
        }
        let at = self.wall.at(now);
        let (door, until) = match safety::gate(self.schedule, None, at, self.margin) {
            Gate::Open(closes) => {
                let closes = closes.map(|closes| self.wall.moment(closes));
                (Door::Open(closes), closes)
            }
            Gate::Closed(Closed { until, .. }) => {
                let opens = until.map(|opens| self.wall.moment(opens));
                self.used = false;
                self.idle += 1;
                let opens = opens.filter(|_| self.idle < MOST_IDLE);
                (Door::Closed(opens), opens)
            }
        };
        self.known = Some((door, until));
        door
    }

    /// Something went out.
    fn used(&mut self) {
        if !self.used && self.schedule.window.is_some() {
            self.windows += 1;
        }
        self.used = true;
        self.idle = 0;
    }
}

/// Windows that go by in a row with nothing sent: after ten years it never ends.
const MOST_IDLE: u32 = 3660;
