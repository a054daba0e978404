//! How long a plan will take: the same queue and the same pace as a run's, on a virtual clock. No second model, and no formula:
//! what bounds an account is what it waited for longest.
//!
//! What would make a plan take less time is found the same way: each change is tried by another forecast. A change that does not really
//! help is not suggested.

use super::pace::Pace;
use super::safety::{self, Closed, Gate, Waves};
use super::scheduler::{Decision, Scheduler};
use super::sender::LimitOwner;
use super::timing::{Moment, WaitTimes, WallTime};
use crate::journal::Queue;
use crate::plan::Settings;
use crate::plan::checked::NeverSent;
use crate::plan::settings::{BetweenWaves, DailyWindow, Schedule};
use crate::run::{Awaited, Ordinal, WaitReason};
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

/// What a forecast assumes.
#[derive(Debug, Clone, PartialEq, Default)]
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
#[derive(Debug, Clone, PartialEq, Default)]
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
        accounts: actions.into_iter().map(|actions| AccountForecast { actions, ..Default::default() }).collect(),
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
                            false => self.scheduler.poll(ordinal, account, ends + after, Awaited::Ca),
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
        let wall = WallTime::new(Moment::ZERO, start);
        Self { schedule, margin, wall, known: None, windows: 0, used: false, idle: 0 }
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
    let missed = foretold.takes.is_none_or(|takes| wishes.deadline.is_some_and(|deadline| takes > deadline));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::settings::{DEFAULT_TIMEOUT, Retry, Safety, WaveSize};
    use crate::plan::{Account, calendar};
    use crate::provider::model::Window;
    use std::collections::BTreeMap;
    use std::iter::repeat_n;

    fn account(name: &str, windows: &[&str], concurrency: u32) -> Account {
        Account {
            name: name.to_owned(),
            provider: "p".to_owned(),
            base_url: "https://localhost".to_owned(),
            auth_url: None,
            variables: BTreeMap::new(),
            credentials: BTreeMap::new(),
            windows: windows.iter().map(|text| Window::parse(text).unwrap()).collect(),
            concurrency,
            concurrency_follows: false,
            own_keys: false,
            reasons: BTreeMap::new(),
            challenge_hook: None,
        }
    }

    fn settings(accounts: Vec<Account>, canary: u64) -> Settings {
        Settings {
            name: "plan".to_owned(),
            deadline: None,
            accounts,
            retry: Retry::default(),
            timeout: DEFAULT_TIMEOUT,
            schedule: Schedule::default(),
            safety: Safety { canary, ..Safety::default() },
            keep_columns: Vec::new(),
            hooks: Vec::new(),
        }
    }

    fn queue(actions: u64) -> Queue {
        Queue::of(usize::try_from(actions).unwrap(), 0)
    }

    /// An action of each of these accounts.
    fn queue_of(accounts: impl IntoIterator<Item = usize>) -> Queue {
        let mut queue = Queue::default();
        for account in accounts {
            queue.push(account);
        }
        queue
    }

    fn assuming(settings: &Settings, start: &str) -> Assumptions {
        Assumptions {
            start: start.parse().unwrap(),
            latencies: vec![Duration::from_millis(200); settings.accounts.len()],
            tokens: vec![false; settings.accounts.len()],
            ..Assumptions::default()
        }
    }

    #[test]
    fn requests_of_one_action_are_counted_and_take_their_time() {
        let settings = settings(vec![account("a", &["2/1s"], 10)], 1);
        let of_five: Rc<[Duration]> = [0, 2, 2, 30, 0].map(Duration::from_secs).into();
        let mut assumptions = assuming(&settings, SOME_DAY);
        let single = forecast(&settings, &queue(3), &assumptions);
        assumptions.further = (0..3).map(|ordinal| (ordinal, Rc::clone(&of_five))).collect();
        let staged = forecast(&settings, &queue(3), &assumptions);
        assert_eq!((single.accounts[0].requests, staged.accounts[0].requests), (3, 18));
        // The canary alone takes its pauses, and then the two others side by side.
        let takes = staged.takes.unwrap();
        assert!(takes > Duration::from_secs(2 * 34) && takes < Duration::from_secs(2 * 34 + 12), "{takes:?}");
        assumptions.read_back = HashSet::from([0]);
        assert_eq!(forecast(&settings, &queue(3), &assumptions).accounts[0].requests, 19);
    }

    /// Seoul at night on Tuesdays and Wednesdays, from 01:00 to 01:02; the last start is half a minute before it closes.
    fn nights() -> Schedule {
        Schedule { start: None, window: Some(calendar::fixtures::window("Asia/Seoul", "01:00", "01:02", &[2, 3])) }
    }

    /// As far as the kind of what is waited for goes: its numbers and times are others' business.
    fn assert_waits_for(account: &AccountForecast, expected: &WaitReason, described: &str) {
        let bottleneck = account.bottleneck();
        assert!(bottleneck.is_some_and(|reason| reason.is_same_kind(expected)), "{described}: {bottleneck:?}");
    }

    fn full(window: &str) -> WaitReason {
        WaitReason::Window { window: window.to_owned() }
    }

    const CLOSED: WaitReason = WaitReason::Closed { until: Timestamp::UNIX_EPOCH };
    const SOME_DAY: &str = "2026-11-30T16:00:00Z";

    #[test]
    fn what_was_waited_for_longest_is_the_bottleneck() {
        for (windows, concurrency, canary, actions, expected_ms, bound) in [
            (vec![], 1, 0, 10, 2000, WaitReason::Concurrency { slots: 1 }),
            (vec![], 10, 0, 10, 200, WaitReason::Answers),
            (vec!["10/1s"], 10, 0, 20, 1400, full("10/1s")),
            (vec!["10/1s", "15/60s"], 10, 0, 20, 60_400, full("15/60s")),
            (vec!["10/1s", "15/3s"], 10, 0, 150, 9 * 3200 + 1200 + 200, full("15/3s")),
            (vec![], 10, 5, 10, 1200, WaitReason::Canary { number: 5, of: 5 }),
            (vec![], 2, 1, 10, 1200, WaitReason::Concurrency { slots: 2 }),
        ] {
            let settings = settings(vec![account("a", &windows, concurrency)], canary);
            let forecast = forecast(&settings, &queue(actions), &assuming(&settings, SOME_DAY));
            let described = format!("{windows:?} {concurrency} {canary} {actions}");
            let takes = forecast.takes.unwrap().as_millis();
            assert!(takes.abs_diff(expected_ms) <= GUARDS, "{described}: {takes}");
            assert_eq!(forecast.accounts[0].bottleneck(), Some(&bound), "{described}");
            assert_eq!((forecast.accounts[0].requests, forecast.windows), (actions, 0));
        }
    }

    /// Each window is full again one answer later than its length: 40/2s and answers of 500 ms allow 16 a second, of 20 ms 19.8.
    #[test]
    fn each_account_is_forecast_by_its_own_latency() {
        for (latency_ms, expected_ms) in [(20, 14_160), (500, 18_000)] {
            let mut settings = settings(vec![account("a", &["40/2s"], 64), account("b", &[], 1)], 0);
            settings.accounts[0].concurrency_follows = true;
            let actions = queue_of(repeat_n(0, 300).chain([1; 3]));
            let mut assumptions = assuming(&settings, SOME_DAY);
            assumptions.latencies[0] = Duration::from_millis(latency_ms);
            let foretold = forecast(&settings, &actions, &assumptions);
            let takes: Vec<_> = foretold.accounts.iter().map(|account| account.takes.as_millis()).collect();
            assert!(takes[0].abs_diff(expected_ms) * 10 <= expected_ms, "{latency_ms} ms: {takes:?}");
            assert_eq!(takes[1], 600, "three answers of 200 ms");
        }
    }

    #[test]
    fn tokens_and_the_read_backs_of_canaries_are_requests() {
        let settings = settings(vec![account("a", &["4/1s"], 4), account("b", &[], 1)], 2);
        let mut assumptions = assuming(&settings, SOME_DAY);
        assumptions.tokens[0] = true;
        assumptions.read_back = [0, 1, 2, 3].into();
        let actions = queue_of([0, 0, 0, 0, 1]);
        let foretold = forecast(&settings, &actions, &assumptions);
        // One for a token, two canaries with a status query each, two more: the seventh waits for the third's answer, at 600 ms, to leave the window.
        let counts = foretold.accounts.iter().map(|account| (account.actions, account.requests)).collect::<Vec<_>>();
        assert_eq!(counts, [(4, 7), (1, 1)]);
        assert!(foretold.takes.unwrap().as_millis().abs_diff(1800) <= GUARDS);
    }

    #[test]
    fn needs_hold_over_accounts_and_not_before_holds_alone() {
        let settings = settings(vec![account("a", &[], 4), account("b", &[], 4)], 0);
        let mut actions = queue_of([0, 1, 0, 1]);
        actions.need(0, vec![1]);
        actions.need(2, vec![0]);
        actions.hold(3, "2026-11-30T16:01:00Z".parse().unwrap());
        let foretold = forecast(&settings, &actions, &assuming(&settings, SOME_DAY));
        let takes = foretold.accounts.iter().map(|account| account.takes.as_millis()).collect::<Vec<_>>();
        assert_eq!(takes, [600, 60_200]);
        assert_waits_for(&foretold.accounts[0], &WaitReason::Answers, "a");
        assert_waits_for(&foretold.accounts[1], &WaitReason::Others, "b");
    }

    #[test]
    fn waves_go_one_after_the_other_with_their_pause() {
        for (between, expected_ms) in
            [(BetweenWaves::Ask, 600), (BetweenWaves::Pause(Duration::from_secs(60)), 120_600)]
        {
            let mut settings = settings(vec![account("a", &[], 10), account("b", &[], 10)], 0);
            settings.safety.waves = vec![WaveSize::Count(2), WaveSize::Share(0.5), WaveSize::Share(1.0)];
            settings.safety.between_waves = between;
            let queue = queue_of((0..10).map(|ordinal| usize::from(ordinal % 2 == 0)));
            let foretold = forecast(&settings, &queue, &assuming(&settings, SOME_DAY));
            assert_eq!(foretold.takes.unwrap().as_millis(), expected_ms, "{between:?}");
            let wave = WaitReason::Wave { number: 3, of: 3 };
            let bound = if expected_ms > 1000 { wave } else { WaitReason::Answers };
            assert_waits_for(&foretold.accounts[0], &bound, &format!("{between:?}"));
        }
    }

    #[test]
    fn several_windows_of_the_schedule_are_walked_through() {
        let mut settings = settings(vec![account("a", &["10/10s"], 10)], 0);
        settings.schedule = nights();
        // 01:00 in Seoul is 16:00 UTC: the day before begins half a day early.
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
        for (start, actions, starts, takes, windows, bound) in [
            // In a minute and a half nine times ten go out.
            ("2026-11-30T04:00:00Z", 90, 43_200, 43_200 + 81, 1, full("10/10s")),
            ("2026-11-30T16:00:00Z", 91, 0, 86_400, 2, CLOSED),
            ("2026-11-30T16:00:00Z", 200, 0, 7 * 86_400 + 10, 3, CLOSED),
            ("2026-11-30T16:01:31Z", 10, 86_400 - 91, 86_400 - 91, 1, WaitReason::Answers),
        ] {
            let foretold = forecast(&settings, &queue(actions), &assuming(&settings, start));
            let described = format!("{start} {actions}");
            let found = (seconds(foretold.starts), seconds(foretold.takes), foretold.windows);
            assert_eq!(found, (Some(starts), Some(takes), windows), "{described}");
            assert_waits_for(&foretold.accounts[0], &bound, &described);
        }
    }

    #[test]
    fn a_later_start_is_waited_for_and_a_window_without_room_never_ends() {
        let mut settings = settings(vec![account("a", &[], 1)], 0);
        settings.schedule = Schedule { start: Some("2026-11-30T18:00:00Z".parse().unwrap()), window: None };
        let foretold = forecast(&settings, &queue(2), &assuming(&settings, SOME_DAY));
        assert_eq!((foretold.starts.unwrap().as_secs(), foretold.takes.unwrap().as_millis()), (7200, 7_200_400));
        assert_eq!(foretold.accounts[0].takes.as_millis(), 400);
        settings.schedule = nights();
        settings.timeout = Duration::from_secs(200);
        let foretold = forecast(&settings, &queue(2), &assuming(&settings, SOME_DAY));
        assert_eq!((foretold.starts, foretold.takes), (None, None));
    }

    #[test]
    fn what_helps_is_tried_and_what_does_not_is_not_said() {
        let orders: HashMap<Ordinal, Ordinal> =
            (0..300).filter(|one| one % 3 != 0).map(|one| (one, one - one % 3)).collect();
        let by = |seconds| Wishes { orders: orders.clone(), deadline: Some(Duration::from_secs(seconds)) };
        let none = Wishes { deadline: Some(Duration::from_secs(3600)), ..Wishes::default() };
        for (windows, concurrency, wishes, expected) in [
            (
                vec!["10/10s"],
                10,
                by(30),
                vec![(PlanChange::WholeOrders { spared: 200, orders: 100 }, 92), (PlanChange::SecondKey, 143)],
            ),
            (vec!["10/10s"], 10, none.clone(), vec![(PlanChange::SecondKey, 143)]),
            (vec![], 1, none.clone(), vec![(PlanChange::Concurrency(32), 2)]),
            (vec!["100/1s"], 10, none, vec![]),
        ] {
            let settings = settings(vec![account("a", &windows, concurrency), account("b", &[], 1)], 0);
            let mut actions = queue_of(repeat_n(0, 300).chain([1]));
            actions.need(299, vec![298]);
            let assumptions = assuming(&settings, SOME_DAY);
            let foretold = forecast(&settings, &actions, &assumptions);
            let helps = would_help(&settings, &actions, &assumptions, &wishes, &foretold);
            let helps: Vec<(PlanChange, u64)> =
                helps.into_iter().map(|help| (help.change, help.takes.as_secs())).collect();
            assert_eq!(helps, expected, "{windows:?} {concurrency} {:?}", foretold.takes);
        }
    }

    #[test]
    fn a_longer_window_helps_where_several_are_needed() {
        let mut settings = settings(vec![account("a", &["10/10s"], 10)], 0);
        settings.schedule = nights();
        let assumptions = assuming(&settings, SOME_DAY);
        let foretold = forecast(&settings, &queue(100), &assumptions);
        let helps = would_help(&settings, &queue(100), &assumptions, &Wishes::default(), &foretold);
        let longer =
            helps.iter().find(|help| help.change == PlanChange::LongerWindow(Duration::from_secs(240))).unwrap();
        assert!(longer.takes.as_millis().abs_diff(9 * 10_200 + 200) <= GUARDS, "{helps:?}");
    }

    /// The pace keeps a few milliseconds' distance from each window's end; ten of these add up.
    const GUARDS: u128 = 60;
}
