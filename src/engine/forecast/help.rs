//! What would make a plan take less time: each change is tried by foretelling the run anew. What does not really help is not said.

use super::{Assumptions, Forecast, forecast};
use crate::journal::Queue;
use crate::plan::Settings;
use crate::plan::settings::DailyWindow;
use crate::run::{Ordinal, WaitReason};
use jiff::{SignedDuration, ToSpan};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

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
pub struct Help {
    /// The account.
    pub account: usize,
    /// The change.
    pub change: Change,
    /// How long the run takes then, from its beginning to the last answer.
    pub takes: Duration,
}

/// What could be changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
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

/// What would help a run that this was foretold of. Nothing where it is short and meets its deadline.
pub fn would_help(
    settings: &Settings,
    queue: &Queue,
    assumptions: &Assumptions,
    wishes: &Wishes,
    foretold: &Forecast,
) -> Vec<Help> {
    let missed = match (foretold.takes, wishes.deadline) {
        (Some(takes), Some(deadline)) => takes > deadline,
        (None, _) => true,
        (_, None) => false,
    };
    let first = foretold.starts.unwrap_or_default();
    let slow = |takes: Duration| takes >= WORTH_A_WORD || missed;
    let mut tries = Tries { settings, queue, assumptions, foretold, helps: Vec::new() };
    for (index, account) in foretold.accounts.iter().enumerate() {
        // Only the accounts that the end waits for: the others may be as slow as they like.
        let late = wishes.deadline.is_some_and(|deadline| first + account.takes > deadline);
        let last = foretold.takes.is_none_or(|takes| (first + account.takes).mul_f64(CLOSE) >= takes);
        if !slow(account.takes) || !(late || last) {
            continue;
        }
        let worst = || account.waits.iter().take(TRIED).map(|(reason, _)| reason);
        if worst().any(|reason| matches!(reason, WaitReason::Window { .. })) {
            tries.second_key(index);
        }
        if worst().any(|reason| matches!(reason, WaitReason::Window { .. } | WaitReason::Concurrency { .. })) {
            tries.whole_orders(index, &wishes.orders);
        }
        if worst().any(|reason| matches!(reason, WaitReason::Concurrency { .. })) {
            tries.concurrency(index);
        }
        if worst().any(|reason| matches!(reason, WaitReason::Closed { .. })) {
            tries.longer_window(index);
        }
    }
    // The one that helps most comes first.
    tries.helps.sort_by_key(|help| help.takes);
    tries.helps
}

struct Tries<'a> {
    settings: &'a Settings,
    queue: &'a Queue,
    assumptions: &'a Assumptions,
    foretold: &'a Forecast,
    helps: Vec<Help>,
}

impl Tries<'_> {
    fn second_key(&mut self, account: usize) {
        let mut settings = self.settings.clone();
        let changed = &mut settings.accounts[account];
        for window in &mut changed.windows {
            window.count = window.count.saturating_mul(2);
        }
        changed.concurrency = changed.concurrency.saturating_mul(2);
        self.attempt(account, Change::SecondKey, &settings, self.queue);
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
        spared.iter().for_each(|ordinal| left.repeat(*ordinal, String::new()));
        let change = Change::WholeOrders { spared: spared.len() as u64, orders: firsts.len() as u64 };
        self.attempt(account, change, self.settings, &left);
    }

    fn concurrency(&mut self, account: usize) {
        let slots = self.settings.accounts[account].concurrency.max(1);
        self.doubled(account, |settings, times| {
            let slots = slots.saturating_mul(times);
            settings.accounts[account].concurrency = slots;
            Some(Change::Concurrency(slots))
        });
    }

    fn longer_window(&mut self, account: usize) {
        // The schedule is the whole run's: one account says it for all.
        if self.helps.iter().any(|help| matches!(help.change, Change::LongerWindow(_))) {
            return;
        }
        self.doubled(account, |settings, times| {
            let window = settings.schedule.window.as_mut()?;
            let longer = length(window).saturating_mul(times);
            let minutes = i64::try_from(longer.as_secs() / 60).ok().filter(|_| longer <= LONGEST_WINDOW)?;
            window.to = window.from.wrapping_add(minutes.minutes());
            Some(Change::LongerWindow(longer))
        });
    }

    /// Says the smallest doubling after which another doubling helps no more.
    fn doubled(&mut self, account: usize, change: impl Fn(&mut Settings, u32) -> Option<Change>) {
        let mut best: Option<(Change, Duration)> = None;
        for power in 1..=DOUBLINGS {
            let mut settings = self.settings.clone();
            let Some(change) = change(&mut settings, 1 << power) else { break };
            let Some(takes) = forecast(&settings, self.queue, self.assumptions).takes else { break };
            let before = best.as_ref().map(|(_, takes)| *takes).or(self.foretold.takes);
            if before.is_some_and(|before| takes.mul_f64(HELPS) > before) {
                break;
            }
            best = Some((change, takes));
        }
        if let Some((change, takes)) = best {
            self.say(account, change, takes);
        }
    }

    fn attempt(&mut self, account: usize, change: Change, settings: &Settings, queue: &Queue) {
        if let Some(takes) = forecast(settings, queue, self.assumptions).takes {
            self.say(account, change, takes);
        }
    }

    fn say(&mut self, account: usize, change: Change, takes: Duration) {
        if self.foretold.takes.is_none_or(|before| takes.mul_f64(HELPS) <= before) {
            self.helps.push(Help { account, change, takes });
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
const WORTH_A_WORD: Duration = Duration::from_secs(60);
/// A change helps where so many times the new time is still no more than the old.
const HELPS: f64 = 1.05;
/// An account whose time times this reaches the whole is one that the end waits for.
const CLOSE: f64 = 1.02;
/// Of what an account waits for, so many are tried to be changed.
const TRIED: usize = 2;
/// How often a concurrency or a window is doubled.
const DOUBLINGS: u32 = 5;
/// A window is open for no longer: else there is none.
const LONGEST_WINDOW: Duration = Duration::from_secs(23 * 3600);
