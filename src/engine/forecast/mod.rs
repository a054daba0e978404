//! How long a plan will take: the same queue and the same pace as a run's, on a virtual clock. No second model, and no formula:
//! what bounds an account is what it waited for longest.
//!
//! What would make a plan take less time is found the same way: each change is tried by another forecast. A change that does not really
//! help is not suggested.

#[cfg(test)]
mod tests;

use super::pace::Pace;
use super::safety::{self, Closed, Gate, Waves};
use super::scheduler::{Decision, Scheduler};
use super::sender::LimitOwner;
use super::timing::{Moment, WaitTimes, WallTime};
use crate::journal::Queue;
use crate::plan::Settings;
use crate::plan::checked::NeverSent;
use crate::plan::settings::{BetweenWaves, DailyWindow, Schedule};
use crate::run::{Ordinal, WaitReason};
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

/// What a forecast assumes.
#[derive(Debug, Clone, PartialEq)]
pub struct Assumptions {
    /// When the run begins.
    pub start: Timestamp,
    /// How long each answer takes, by account.
    pub latencies: Vec<Duration>,
    /// Accounts that fetch a token before their first request.
    pub tokens: Vec<bool>,
    /// Actions that are read back before they count, where they go as canaries.
    pub read_back: HashSet<Ordinal>,
    /// Actions of several requests: how long after the answer before each further one is sent.
    pub further: HashMap<Ordinal, Rc<[Duration]>>,
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
    /// Requests: actions, status queries and tokens.
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

/// Forecasts a run of these actions (in plan order; duplicates and exceptions are not sent).
pub fn forecast(settings: &Settings, queue: &Queue, assumptions: &Assumptions) -> Forecast {
    let accounts = settings.accounts.iter().map(|account| (Pace::new(&account.windows), account.concurrency));
    let waves = Waves::new(&settings.safety.waves, queue);
    let mut scheduler = Scheduler::new(accounts.collect(), settings.safety.canary).in_waves(waves);
    let owner = |account: usize| LimitOwner::of_account(&settings.accounts[account]);
    scheduler.share_paces(|first, other| owner(first).shares_limits_with(owner(other)));
    for (index, account) in settings.accounts.iter().enumerate() {
        if account.concurrency_follows {
            scheduler.follow_latency(index, account.concurrency);
        }
    }
    let mut actions = vec![0; settings.accounts.len()];
    for action in queue.iter().filter(|action| action.never_sent.is_none()) {
        let ahead = action.not_before.and_then(|at| Duration::try_from(at.duration_since(assumptions.start)).ok());
        scheduler.add(action.ordinal, action.account, action.needs, ahead);
        actions[action.account] += 1;
    }
    let mut simulation = Simulation {
        scheduler,
        assumptions,
        schedule: ScheduleCursor::new(&settings.schedule, settings.timeout, assumptions.start),
        now: Moment::ZERO,
        in_flight: BinaryHeap::new(),
        tokens: assumptions.tokens.clone(),
        read_back: HashSet::new(),
        answered: HashMap::new(),
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
    let mut forecast = simulation.result(ends);
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
    scheduler: Scheduler,
    assumptions: &'a Assumptions,
    schedule: ScheduleCursor<'a>,
    now: Moment,
    in_flight: BinaryHeap<Reverse<(Moment, Ordinal, usize, Flight)>>,
    /// Accounts that still need a token.
    tokens: Vec<bool>,
    /// Canaries whose status query is still to come, or under way.
    read_back: HashSet<Ordinal>,
    /// Of actions of several requests, how many were answered.
    answered: HashMap<Ordinal, usize>,
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
            self.process_answers();
            let answer = self.in_flight.peek().map(|Reverse((ends, ..))| *ends);
            let open = self.schedule.open(self.now);
            let next = match open {
                ScheduleState::Open(_) if self.scheduler.waves().has_ended() => {
                    let from = *self.wave_from.get_or_insert(self.now + self.between_waves);
                    if from <= self.now {
                        self.wave_from = None;
                        self.scheduler.next_wave();
                        continue;
                    }
                    Some(answer.map_or(from, |answer| answer.min(from)))
                }
                ScheduleState::Open(closes) => match self.scheduler.next(self.now) {
                    Decision::Start { ordinal, account } => {
                        self.start(ordinal, account);
                        continue;
                    }
                    Decision::Wait(moment) => Some([answer, closes].into_iter().flatten().fold(moment, Moment::min)),
                    Decision::WaitForAnswer => answer,
                    Decision::Idle if answer.is_none() => return true,
                    Decision::Idle => answer,
                },
                ScheduleState::Closed(_) if answer.is_some() => answer,
                // The last answer may have come while the window was closed.
                ScheduleState::Closed(_) if self.scheduler.is_idle() => return true,
                ScheduleState::Closed(opens) => opens,
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
        self.schedule.used();
        self.accounts[account].requests += 1;
        let flight = if self.tokens[account] {
            self.scheduler.pause(account, true);
            self.scheduler.requeue(ordinal, account, None);
            Flight::Token
        } else {
            if self.further(ordinal).is_none()
                && self.scheduler.is_canary(ordinal)
                && self.assumptions.read_back.contains(&ordinal)
                && !self.read_back.remove(&ordinal)
            {
                self.read_back.insert(ordinal);
            }
            Flight::Action
        };
        self.in_flight.push(Reverse((self.now + self.assumptions.latencies[account], ordinal, account, flight)));
    }

    /// Processes the answers that are due by now.
    fn process_answers(&mut self) {
        while let Some(Reverse((ends, ordinal, account, flight))) =
            self.in_flight.peek().copied().filter(|flight| flight.0.0 <= self.now)
        {
            self.in_flight.pop();
            self.scheduler.step_ended(account);
            let sent = ends.saturating_sub(self.assumptions.latencies[account]);
            self.scheduler.note_answer(account, sent, ends);
            self.scheduler.pace(account).answered(sent, ends);
            self.accounts[account].takes = ends;
            match flight {
                Flight::Token => {
                    self.tokens[account] = false;
                    self.scheduler.pause(account, false);
                }
                Flight::Action => match self.further(ordinal) {
                    Some(after) => {
                        *self.answered.entry(ordinal).or_default() += 1;
                        match after.is_zero() {
                            true => self.scheduler.requeue(ordinal, account, None),
                            false => self.scheduler.poll(ordinal, account, ends + after),
                        }
                    }
                    None if self.read_back.contains(&ordinal) => self.scheduler.requeue(ordinal, account, None),
                    None => {
                        self.answered.remove(&ordinal);
                        self.scheduler.action_ended(ordinal, true);
                    }
                },
            }
        }
    }

    /// How long after an answer to an action its next request is sent, where it has one more.
    fn further(&self, ordinal: Ordinal) -> Option<Duration> {
        let answered = self.answered.get(&ordinal).copied().unwrap_or_default();
        self.assumptions.further.get(&ordinal)?.get(answered).copied()
    }

    /// Notes what each account waits for from now on.
    fn note(&mut self, schedule_state: ScheduleState) {
        let wall = self.schedule.wall;
        for (account, waits) in self.waits.iter_mut().enumerate() {
            let reason = match (self.scheduler.wait_reason(account, self.now, &wall), schedule_state) {
                (reason @ (WaitReason::Done | WaitReason::Answers | WaitReason::Stopped), _) => reason,
                (_, ScheduleState::Closed(until)) => {
                    WaitReason::Closed { until: until.map_or(Timestamp::MAX, |at| wall.at(at)) }
                }
                (reason, ScheduleState::Open(_)) => reason,
            };
            waits.turn_to(reason, self.now);
        }
    }

    fn result(mut self, ended: bool) -> Forecast {
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
            windows: self.schedule.windows,
            accounts: self.accounts,
        }
    }
}

/// The schedule along the virtual clock.
struct ScheduleCursor<'a> {
    schedule: &'a Schedule,
    margin: Duration,
    wall: WallTime,
    /// What holds until this moment (for ever without one).
    known: Option<(ScheduleState, Option<Moment>)>,
    windows: u64,
    /// Whether something went out since it opened.
    used: bool,
    /// How often it has closed since something went out.
    idle: u32,
}

/// Whether requests may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScheduleState {
    /// Until this moment, where there is one.
    Open(Option<Moment>),
    /// Until this moment; for ever without one.
    Closed(Option<Moment>),
}

impl<'a> ScheduleCursor<'a> {
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

    fn open(&mut self, now: Moment) -> ScheduleState {
        if let Some((schedule_state, until)) = self.known
            && until.is_none_or(|until| now < until)
        {
            return schedule_state;
        }
        let at = self.wall.at(now);
        let (schedule_state, until) = match safety::gate(self.schedule, None, at, self.margin) {
            Gate::Open(closes) => {
                let closes = closes.map(|closes| self.wall.moment(closes));
                (ScheduleState::Open(closes), closes)
            }
            Gate::Closed(Closed { until, .. }) => {
                let opens = until.map(|opens| self.wall.moment(opens));
                self.used = false;
                self.idle += 1;
                let opens = opens.filter(|_| self.idle < MAX_IDLE);
                (ScheduleState::Closed(opens), opens)
            }
        };
        self.known = Some((schedule_state, until));
        schedule_state
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

/// What the plan's actions would let change.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Certificate revokes of one order, by account: each of them with the order's first, which could revoke them all.
    pub orders: HashMap<Ordinal, Ordinal>,
    /// The time by which all must have ended, counted from the forecast's start.
    pub deadline: Option<Duration>,
}

/// A change that helps.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// The account.
    pub account: usize,
    /// The change.
    pub change: PlanChange,
    /// How long the run takes then, from its beginning to the last answer.
    pub takes: Duration,
}

/// What could be changed.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanChange {
    /// A second key, as an account of its own: twice the limits, twice the requests in flight.
    SecondKey,
    /// One revoke of an order instead of several of its certificates.
    WholeOrders {
        /// Revokes that would not be sent.
        spared: u64,
        /// Orders.
        orders: u64,
    },
    /// So many requests in flight at once.
    Concurrency(u32),
    /// The schedule's window open for so long each day.
    LongerWindow(Duration),
}

/// The changes that would help a run with this forecast; none where it is short and meets its deadline.
pub fn would_help(
    settings: &Settings,
    queue: &Queue,
    assumptions: &Assumptions,
    wishes: &Wishes,
    foretold: &Forecast,
) -> Vec<Advice> {
    let missed = match (foretold.takes, wishes.deadline) {
        (Some(takes), Some(deadline)) => takes > deadline,
        (None, _) => true,
        (_, None) => false,
    };
    let first = foretold.starts.unwrap_or_default();
    let slow = |takes: Duration| takes >= MIN_ADVISED || missed;
    let mut advisor = Advisor { settings, queue, assumptions, foretold, helps: Vec::new() };
    for (index, account) in foretold.accounts.iter().enumerate() {
        // Only the accounts that the end waits for: the others may be as slow as they like.
        let late = wishes.deadline.is_some_and(|deadline| first + account.takes > deadline);
        let last = foretold.takes.is_none_or(|takes| (first + account.takes).mul_f64(NEAR_END) >= takes);
        if !slow(account.takes) || !(late || last) {
            continue;
        }
        let worst = || account.waits.iter().take(MAX_WAITS_TRIED).map(|(reason, _)| reason);
        if worst().any(|reason| matches!(reason, WaitReason::Window { .. })) {
            advisor.second_key(index);
        }
        if worst().any(|reason| matches!(reason, WaitReason::Window { .. } | WaitReason::Concurrency { .. })) {
            advisor.whole_orders(index, &wishes.orders);
        }
        if worst().any(|reason| matches!(reason, WaitReason::Concurrency { .. })) {
            advisor.concurrency(index);
        }
        if worst().any(|reason| matches!(reason, WaitReason::Closed { .. })) {
            advisor.longer_window(index);
        }
    }
    // The one that helps most comes first.
    advisor.helps.sort_by_key(|help| help.takes);
    advisor.helps
}

struct Advisor<'a> {
    settings: &'a Settings,
    queue: &'a Queue,
    assumptions: &'a Assumptions,
    foretold: &'a Forecast,
    helps: Vec<Advice>,
}

impl Advisor<'_> {
    fn second_key(&mut self, account: usize) {
        let mut settings = self.settings.clone();
        let changed = &mut settings.accounts[account];
        for window in &mut changed.windows {
            window.count = window.count.saturating_mul(2);
        }
        changed.concurrency = changed.concurrency.saturating_mul(2);
        self.attempt(account, PlanChange::SecondKey, &settings, self.queue);
    }

    fn whole_orders(&mut self, account: usize, orders: &HashMap<Ordinal, Ordinal>) {
        let spared: HashSet<Ordinal> = self
            .queue
            .iter()
            .filter(|action| action.account == account && orders.contains_key(&action.ordinal))
            .map(|action| action.ordinal)
            .collect();
        if spared.is_empty() {
            return;
        }
        let firsts: HashSet<Ordinal> = spared.iter().filter_map(|ordinal| orders.get(ordinal).copied()).collect();
        let mut left = self.queue.clone();
        for (ordinal, needs) in self.queue.needing() {
            let needs = needs.iter().map(|need| orders.get(need).copied().unwrap_or(*need));
            // An order's revoke cannot wait for itself.
            left.need(ordinal, needs.filter(|need| *need != ordinal).collect());
        }
        spared.iter().for_each(|ordinal| left.never_send(*ordinal, NeverSent::Repeats(String::new())));
        let change = PlanChange::WholeOrders { spared: spared.len() as u64, orders: firsts.len() as u64 };
        self.attempt(account, change, self.settings, &left);
    }

    fn concurrency(&mut self, account: usize) {
        let slots = self.settings.accounts[account].concurrency.max(1);
        self.doubled(account, |settings, times| {
            let slots = slots.saturating_mul(times);
            settings.accounts[account].concurrency = slots;
            Some(PlanChange::Concurrency(slots))
        });
    }

    fn longer_window(&mut self, account: usize) {
        // The schedule is the whole run's: one suggestion serves all accounts.
        if self.helps.iter().any(|help| matches!(help.change, PlanChange::LongerWindow(_))) {
            return;
        }
        self.doubled(account, |settings, times| {
            let window = settings.schedule.window.as_mut()?;
            let longer = length(window).saturating_mul(times);
            let minutes = i64::try_from(longer.as_secs() / 60).ok().filter(|_| longer <= MAX_WINDOW)?;
            window.to = window.from.wrapping_add(minutes.minutes());
            Some(PlanChange::LongerWindow(longer))
        });
    }

    /// Suggests the smallest doubling after which another one helps no more.
    fn doubled(&mut self, account: usize, change: impl Fn(&mut Settings, u32) -> Option<PlanChange>) {
        let mut best: Option<(PlanChange, Duration)> = None;
        for power in 1..=MAX_DOUBLINGS {
            let mut settings = self.settings.clone();
            let Some(change) = change(&mut settings, 1 << power) else { break };
            let Some(takes) = forecast(&settings, self.queue, self.assumptions).takes else { break };
            let before = best.as_ref().map(|(_, takes)| *takes).or(self.foretold.takes);
            if before.is_some_and(|before| takes.mul_f64(MIN_GAIN) > before) {
                break;
            }
            best = Some((change, takes));
        }
        if let Some((change, takes)) = best {
            self.suggest(account, change, takes);
        }
    }

    fn attempt(&mut self, account: usize, change: PlanChange, settings: &Settings, queue: &Queue) {
        if let Some(takes) = forecast(settings, queue, self.assumptions).takes {
            self.suggest(account, change, takes);
        }
    }

    fn suggest(&mut self, account: usize, change: PlanChange, takes: Duration) {
        if self.foretold.takes.is_none_or(|before| takes.mul_f64(MIN_GAIN) <= before) {
            self.helps.push(Advice { account, change, takes });
        }
    }
}

/// How long a window is open.
fn length(window: &DailyWindow) -> Duration {
    let open = window.from.duration_until(window.to);
    let open = if open.is_positive() { open } else { open + SignedDuration::from_hours(24) };
    Duration::try_from(open).unwrap_or_default()
}

/// Shorter runs need no advice, where their deadline is met.
const MIN_ADVISED: Duration = Duration::from_secs(60);
/// A change helps where so many times the new time is still no more than the old.
const MIN_GAIN: f64 = 1.05;
/// An account whose time times this reaches the whole is one that the end waits for.
const NEAR_END: f64 = 1.02;
/// Of an account's reasons to wait, the longest first, so many are tried to be changed.
const MAX_WAITS_TRIED: usize = 2;
/// How often a concurrency or a window is doubled.
const MAX_DOUBLINGS: u32 = 5;
/// A window is open for no longer: else there is none.
const MAX_WINDOW: Duration = Duration::from_secs(23 * 3600);

/// Windows in a row with nothing sent (ten years of days), after which the run counts as one that never ends.
const MAX_IDLE: u32 = 3660;
