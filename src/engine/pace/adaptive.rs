//! What a provider really allows, measured from what it admitted before it refused. Never slower without a refusal, never faster
//! than declared; keeps no exact promise (that is the exact windows'), and never sleeps.
//!
//! The first refusal measures: of a window of length T the provider holds what it admitted in the last T. Which of several
//! windows was full follows from their fillings: one that held more before without a refusal is not the cause, and where the next
//! request is refused too although a window has emptied, that one is not. From then on a cap bounds the window. After some quiet
//! windows the cap is raised by a little, and by more each time that goes well; a refusal puts it back, and the next try waits
//! twice as long. Requests that are refused together are one event.
//!
//! Where the real limit is only measured, requests go out one after another and not in bursts, so that a refusal strikes few of them:
//! [`Spacing`], by governor.

use crate::engine::timing::{Full, Moment, insert_in_order};
use crate::provider::model::Window;
use governor::clock::{Clock, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

/// What was learnt of one account's real limits.
#[derive(Debug)]
pub(super) struct Adaptive {
    caps: Vec<Cap>,
    /// When requests went out, oldest first, refused ones too.
    taken: VecDeque<Moment>,
    /// How many are in flight.
    flying: usize,
    /// When those went out that the provider admitted, oldest first.
    admitted: VecDeque<Moment>,
    /// When the request went out that was answered last.
    last: Moment,
    /// When the newest of those went out that were answered.
    latest: Moment,
    latency: Duration,
    event: Option<RefusalBurst>,
    /// Refusals in a row, each of them an event, with nothing admitted in between.
    in_a_row: u32,
    /// Events that no window explained, since the last that one did.
    unexplained: u32,
    /// When the provider began to admit requests after the last refusals in a row, and how many it has admitted since.
    epoch: (Moment, u32),
    spacing: Option<Spacing>,
    /// What [`Adaptive::notable`] returned last, and when.
    recorded: (Vec<Window>, Moment),
}

/// What the shortest window allows, whether declared or learnt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowed {
    /// Requests a second.
    pub per_second: f64,
    /// Requests in one window.
    pub count: u32,
}

/// Refusals that belong together: of requests that were all in flight when the first came.
#[derive(Debug)]
struct RefusalBurst {
    /// Requests that were in flight at the first refusal and are not yet answered.
    open: usize,
    /// Whether it is to be measured, once they are, and until when nothing is sent for that.
    measures: Option<Moment>,
}

impl Adaptive {
    pub(super) fn new(windows: &[Window]) -> Self {
        Self {
            caps: windows.iter().map(|window| Cap::new(window.length, Some(window.count))).collect(),
            taken: VecDeque::new(),
            flying: 0,
            admitted: VecDeque::new(),
            last: Moment::ZERO,
            latest: Moment::ZERO,
            latency: Duration::ZERO,
            event: None,
            in_a_row: 0,
            unexplained: 0,
            epoch: (Moment::ZERO, 0),
            spacing: None,
            recorded: (Vec::new(), Moment::ZERO),
        }
    }

    /// Other windows are declared. What was learnt stays, as far as they are not stricter.
    pub(super) fn set(&mut self, windows: &[Window]) {
        let former = std::mem::take(&mut self.caps);
        self.caps = windows.iter().map(|window| Cap::new(window.length, Some(window.count))).collect();
        for learnt in former.into_iter().filter(|cap| cap.count.is_some()) {
            let pace = learnt.pace().unwrap_or(f64::INFINITY);
            if self.is_bounded(learnt.length, pace) {
                continue;
            }
            match self.caps.iter_mut().find(|cap| cap.length == learnt.length) {
                Some(cap) => *cap = learnt.under(cap.declared),
                None => self.caps.push(learnt.under(None)),
            }
        }
        (self.event, self.in_a_row) = (None, 0);
        self.space(self.latest);
    }

    /// What an earlier process sent counts under a learnt pace too.
    pub(super) fn seed(&mut self, sent: impl Iterator<Item = Moment>) {
        self.taken = sent.collect();
    }

    pub(super) fn restore_learnt(&mut self, now: Moment, learnt: &[Window]) {
        for window in learnt {
            self.note_limit(now, *window);
        }
        self.space(now);
        self.recorded = (self.learnt(), now);
    }

    /// What was learnt, where it differs notably from what this returned last.
    pub(super) fn notable(&mut self, now: Moment) -> Option<Vec<Window>> {
        if self.event.is_some() {
            return None;
        }
        let learnt: Vec<Window> = self.caps.iter().filter_map(Cap::known).collect();
        let (recorded, at) = &self.recorded;
        let alike = |one: &Window, other: &Window| {
            one.length == other.length
                && f64::from(one.count.abs_diff(other.count)) <= f64::from(other.count) * (1.0 - LITTLE_LESS) + 0.5
        };
        let same = learnt.len() == recorded.len() && learnt.iter().zip(recorded).all(|(one, other)| alike(one, other));
        let length = learnt.iter().map(|window| window.length).max().unwrap_or_default();
        if same || (!recorded.is_empty() && now < at.saturating_add(length)) {
            return None;
        }
        self.recorded = (learnt.clone(), now);
        Some(learnt)
    }

    /// What was learnt, as windows of whole requests.
    pub(super) fn learnt(&self) -> Vec<Window> {
        self.caps.iter().filter_map(Cap::bound_by).map(|(count, length)| Window { count, length }).collect()
    }

    /// What the shortest window allows.
    pub(super) fn allowed(&self) -> Option<Allowed> {
        let shortest = self.caps.iter().min_by_key(|cap| cap.length)?;
        Some(Allowed { per_second: shortest.pace()?, count: shortest.limit()?.max(1.0) as u32 })
    }

    /// Whether one more may go out; with `only_look`, no place is taken.
    pub(super) fn check(&mut self, now: Moment, only_look: bool) -> Result<(), Full> {
        self.close(now);
        if let Some(deadline) = self.event.as_ref().and_then(|event| event.measures) {
            return Err(Full::Until(deadline));
        }
        if self.in_a_row > 1 && self.flying > 0 {
            return Err(Full::UntilAnswer);
        }
        let mut until = now;
        for cap in &mut self.caps {
            let Some((count, length)) = cap.bound_by() else { continue };
            if let Some(index) = self.taken.len().checked_sub(count as usize) {
                let opens = self.taken.get(index).map_or(now, |at| at.saturating_add(length));
                cap.bound |= opens > now;
                until = until.max(opens);
            }
        }
        if until > now {
            return Err(Full::Until(until));
        }
        match &mut self.spacing {
            Some(spacing) if !only_look => spacing.reserve(now).map_err(Full::Until),
            _ => Ok(()),
        }
    }

    pub(super) fn note_reserved(&mut self, now: Moment) {
        self.forget(now);
        insert_in_order(&mut self.taken, now);
        self.flying += 1;
    }

    pub(super) fn release_unsent(&mut self) {
        self.taken.pop_back();
        self.flying = self.flying.saturating_sub(1);
    }

    pub(super) fn answered(&mut self, sent: Moment, now: Moment) {
        self.flying = self.flying.saturating_sub(1);
        self.last = sent;
        self.latest = self.latest.max(sent);
        let latency = now.saturating_sub(sent);
        self.latency = if self.latency.is_zero() { latency } else { (self.latency * 7 + latency) / 8 };
        if let Some(event) = &mut self.event {
            event.open = event.open.saturating_sub(1);
        }
    }

    pub(super) fn admitted(&mut self, now: Moment) {
        insert_in_order(&mut self.admitted, self.last);
        for cap in &mut self.caps {
            let within = held(&self.admitted, self.latest, cap.length);
            cap.most = cap.most.max(within);
            cap.admitted = cap.admitted.saturating_add(1);
        }
        self.epoch.1 = self.epoch.1.saturating_add(1);
        if self.in_a_row > 0 && self.event.is_none() {
            self.recovered(now);
        }
        self.close(now);
        let latency = self.latency;
        if self.caps.iter_mut().any(|cap| cap.try_more(now, latency)) {
            let declared = self.caps.iter().filter_map(|cap| Some(f64::from(cap.declared?) / cap.length.as_secs_f64()));
            let slowest = declared.fold(f64::INFINITY, f64::min);
            self.caps.retain(|cap| cap.declared.is_some() || cap.pace().is_some_and(|pace| pace < slowest));
            self.space(now);
        }
    }

    /// A request was refused. Returns how long to hold back where the answer has no `Retry-After`.
    pub(super) fn refused(&mut self, now: Moment, limit: Option<Window>) -> Duration {
        if self.event.is_some() {
            self.close(now);
            return Duration::ZERO;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        for cap in self.caps.iter_mut().filter(|cap| cap.count.is_none()) {
            cap.held_at_refusal(held(&self.admitted, self.latest, cap.length));
        }
        let limit = limit.filter(|limit| limit.count > 0 && !limit.length.is_zero());
        let culprit = self.culprit();
        let mut measures = None;
        if let Some(limit) = limit {
            self.note_limit(now, limit);
            self.space(now);
        } else if let Some(index) = culprit {
            if self.caps[index].count.is_none() {
                measures = Some(now.saturating_add(self.latency * 4).saturating_add(MIN_HOLD));
            } else {
                self.lower(index, now);
            }
        }
        self.event = Some(RefusalBurst { open: self.flying, measures });
        self.close(now);
        let explained = limit.is_some() || culprit.is_some();
        self.unexplained = if explained { 0 } else { self.unexplained + u32::from(self.in_a_row == 1) };
        if self.unexplained > 1 {
            // What the windows once held proves nothing any more.
            for cap in &mut self.caps {
                cap.most = held(&self.admitted, self.latest, cap.length);
            }
        }
        match self.in_a_row {
            1 if explained => Duration::ZERO,
            in_a_row if explained => self.backoff(in_a_row - 2),
            in_a_row => self.backoff(in_a_row),
        }
    }

    /// When the last request of an event was answered, what it measures is known.
    fn close(&mut self, now: Moment) {
        let Some(event) = &mut self.event else { return };
        event.open = event.open.min(self.flying);
        if event.open > 0 && event.measures.is_none_or(|deadline| now < deadline) {
            return;
        }
        let measures = event.measures.take().is_some();
        if event.open == 0 {
            self.event = None;
        }
        if measures && let Some(index) = self.culprit() {
            self.lower(index, now);
        }
    }

    /// The window that was full: one that was just allowed more, or else the shortest of those that hold nearly as much as they
    /// ever did, or as they may.
    fn culprit(&self) -> Option<usize> {
        let shortest = self.caps.iter().map(|cap| cap.length).min()?;
        let full = |cap: &Cap| {
            let within = f64::from(held(&self.admitted, self.latest, cap.length));
            // What was refused may count as well, so the window is as full as it was tried to be.
            let tried = f64::from(held(&self.taken, self.latest, cap.length));
            let most = cap.former_limit().unwrap_or(f64::MAX).min(f64::from(cap.most));
            let enough = cap.declared.map_or(1.0, |declared| (f64::from(declared) * MIN_SHARE).max(1.0));
            // A longer window that never refused is suspected only when the shorter ones have emptied in vain, or when it holds
            // the same at each refusal.
            let unsuspected = self.in_a_row < SUSPICIOUS && !cap.returns();
            let passed_over = cap.length > shortest && cap.count.is_none() && unsuspected;
            cap.most > 0 && !passed_over && (within >= enough || cap.count.is_some()) && tried >= most * NEARLY
        };
        let tries = |cap: &Cap| {
            let within = f64::from(held(&self.admitted, self.latest, cap.length));
            cap.count.is_some_and(|count| count > cap.base) && within >= (cap.base * NOTABLY).floor()
        };
        let fitting = self.caps.iter().enumerate().filter(|(_, cap)| full(cap));
        fitting.min_by_key(|(_, cap)| (!tries(cap), !cap.returns(), cap.length)).map(|(index, _)| index)
    }

    fn lower(&mut self, index: usize, now: Moment) {
        if self.in_a_row > 1 {
            if self.caps[index].before.is_some() {
                // It is lowered already, and has not admitted anything since that could be measured.
                return;
            }
            // Nothing was admitted since a window was taken for the cause: it was another.
            for (other, cap) in self.caps.iter_mut().enumerate() {
                if other != index
                    && let Some(before) = cap.before.take()
                {
                    cap.set(before, now);
                }
            }
        }
        let upper = held(&self.admitted, self.latest, self.caps[index].length.saturating_add(self.latency));
        self.caps[index].refused(f64::from(upper), now);
        self.space(now);
    }

    /// The provider admits again after refusals in a row: what it admitted from the time before until now is its real pace,
    /// whatever its windows are.
    fn recovered(&mut self, now: Moment) {
        let without_windows = self.caps.is_empty();
        let long = std::mem::take(&mut self.in_a_row) >= UNEXPLAINED || without_windows;
        let (since, admitted) = self.epoch;
        for cap in &mut self.caps {
            cap.before = None;
        }
        if !long {
            return;
        }
        self.epoch = (now, 0);
        let lasted = now.saturating_sub(since);
        if admitted > 1 && !lasted.is_zero() {
            let pace = f64::from(admitted) / lasted.as_secs_f64();
            let length = lasted.min(MAX_LEARNT);
            let count = (pace * length.as_secs_f64()).round().max(1.0) as u32;
            if pace < self.caps.iter().filter_map(Cap::pace).fold(f64::INFINITY, f64::min) * NOTABLY {
                self.caps.retain(|cap| cap.declared.is_some());
                self.note_limit(now, Window { count, length });
                self.space(now);
            }
        }
    }

    /// A window that the provider declares in an answer, or that an earlier process learnt.
    fn note_limit(&mut self, now: Moment, limit: Window) {
        let count = f64::from(limit.count);
        let same = self.caps.iter_mut().find(|cap| cap.length == limit.length);
        if let Some(cap) = same {
            cap.note_limit(limit.count, now);
            return;
        }
        let pace = count / limit.length.as_secs_f64();
        if !self.is_bounded(limit.length, pace) {
            let mut cap = Cap::new(limit.length, None);
            cap.set(Some(count), now);
            self.caps.push(cap);
        }
    }

    /// Whether a window of this length or a shorter one is as strict as this pace.
    fn is_bounded(&self, length: Duration, pace: f64) -> bool {
        self.caps.iter().any(|cap| cap.length <= length && cap.pace().is_some_and(|other| other <= pace))
    }

    fn space(&mut self, now: Moment) {
        let short = |cap: &&Cap| cap.length <= MAX_SPACED || cap.declared.is_none();
        let paces = self.caps.iter().filter(short).filter_map(|cap| Some(cap.count? / cap.length.as_secs_f64()));
        let slowest = paces.fold(f64::INFINITY, f64::min);
        self.spacing = slowest.is_finite().then(|| Spacing::new(slowest * SPACED_FASTER, now));
    }

    fn backoff(&self, doublings: u32) -> Duration {
        let shortest = self.caps.iter().map(|cap| cap.length).min().unwrap_or(FIRST_HOLD);
        let unit = (shortest / 2).clamp(MIN_HOLD, FIRST_HOLD / 2);
        unit.saturating_mul(1 << doublings.min(20)).min(MAX_OWN_HOLD)
    }

    fn forget(&mut self, now: Moment) {
        let longest = self.caps.iter().map(Cap::reaches).max().unwrap_or_default().max(FIRST_HOLD) + self.latency;
        for log in [&mut self.taken, &mut self.admitted] {
            while log.front().is_some_and(|at| at.saturating_add(longest) < now) || log.len() > MAX_KEPT {
                log.pop_front();
            }
        }
    }
}

/// How many of these moments lie in the window that ends at `end`.
fn held(moments: &VecDeque<Moment>, end: Moment, length: Duration) -> u32 {
    let outside = match end.checked_sub(length) {
        Some(begin) => moments.partition_point(|at| *at <= begin),
        None => 0,
    };
    u32::try_from(moments.len() - outside).unwrap_or(u32::MAX)
}

/// A window that holds this share of what it ever held may be the full one.
const NEARLY: f64 = 0.8;
/// A provider that admits a smaller share of a declared window than this refuses for some other reason.
const MIN_SHARE: f64 = 0.03;
/// Refusals in a row from which on longer windows are suspected.
const SUSPICIOUS: u32 = 3;
/// Refusals in a row that no window explains.
const UNEXPLAINED: u32 = 4;
const MAX_LEARNT: Duration = Duration::from_secs(600);
/// Longer windows may be used up in bursts, as long as the shorter ones allow it.
const MAX_SPACED: Duration = Duration::from_secs(10);
/// Spacing smooths, and leaves it to the cap to bound.
const SPACED_FASTER: f64 = 1.1;
/// Hold-back after refusals in a row without a `Retry-After`; doubles with each.
const FIRST_HOLD: Duration = Duration::from_secs(5);
const MIN_HOLD: Duration = Duration::from_millis(50);
const MAX_OWN_HOLD: Duration = Duration::from_secs(640);
/// Moments that are kept, whatever the windows are.
const MAX_KEPT: usize = 1_000_000;

/// The bound of one window.
#[derive(Debug, Clone)]
struct Cap {
    length: Duration,
    /// The declared count; `None` for a window that was learnt as a whole.
    declared: Option<u32>,
    /// The count that is allowed for now; `None` where nothing was learnt.
    count: Option<f64>,
    /// The count that was known to hold before the present try of a higher one.
    base: f64,
    /// The share by which the next try goes higher.
    step: f64,
    /// Quiet windows before the next try.
    patience: u32,
    since: Moment,
    admitted: u32,
    /// Whether it kept a request back since then: a cap that does not bind proves nothing.
    bound: bool,
    /// The most that the provider admitted in one window.
    most: u32,
    /// The cap before the last event lowered it, for where that proves wrong.
    before: Option<Option<f64>>,
    /// What it held at the last refusal, and how often in a row it held about the same then: while nothing was learnt of it.
    refused_at: (u32, u32),
}

impl Cap {
    fn new(length: Duration, declared: Option<u32>) -> Self {
        Self {
            length,
            declared,
            count: None,
            base: 0.0,
            step: FIRST_STEP,
            patience: FIRST_PATIENCE,
            since: Moment::ZERO,
            admitted: 0,
            bound: false,
            most: 0,
            before: None,
            refused_at: (0, 0),
        }
    }

    /// What was learnt, under another declared count.
    fn under(self, declared: Option<u32>) -> Self {
        Self { declared, before: None, ..self }
    }

    /// The count that holds, whether learnt or declared.
    fn limit(&self) -> Option<f64> {
        self.count.or(self.declared.map(f64::from))
    }

    /// As [`Cap::limit`], before the refusals in a row that are under way.
    fn former_limit(&self) -> Option<f64> {
        self.before.unwrap_or(self.count).or(self.declared.map(f64::from))
    }

    /// [`Cap::limit`] in requests a second.
    fn pace(&self) -> Option<f64> {
        Some(self.limit()? / self.length.as_secs_f64())
    }

    /// The learnt bound in whole requests. What a fraction takes away of a request, a longer time gives back.
    fn bound_by(&self) -> Option<(u32, Duration)> {
        let count = self.count?;
        let whole = count.ceil().max(1.0);
        Some((whole as u32, self.length.mul_f64(whole / count.max(MIN_COUNT))))
    }

    /// What is known to hold, in whole requests: without the present try, and in the window's own length.
    fn known(&self) -> Option<Window> {
        let count = self.count?.min(self.base);
        let short = Window { count: count.max(1.0) as u32, length: self.length };
        // Less than one: a longer time for one.
        let long = Window { count: 1, length: self.length.div_f64(count.clamp(MIN_COUNT, 1.0)) };
        Some(if count >= 1.0 { short } else { long })
    }

    fn reaches(&self) -> Duration {
        self.bound_by().map_or(self.length, |(_, length)| length.max(self.length))
    }

    fn held_at_refusal(&mut self, held: u32) {
        let (last, times) = self.refused_at;
        let same = f64::from(held.abs_diff(last)) <= f64::from(held) * ABOUT;
        let most = f64::from(held) >= f64::from(self.most) * NOTABLY;
        self.refused_at = (held, if same && most { times + 1 } else { 0 });
    }

    /// Whether refusals come each time when it holds about the same.
    fn returns(&self) -> bool {
        self.count.is_none() && self.refused_at.1 >= 2
    }

    fn set(&mut self, count: Option<f64>, now: Moment) {
        self.refused_at = (0, 0);
        self.count = count;
        self.base = count.unwrap_or_default();
        self.again(now);
    }

    /// The provider declared the count. Where a higher one was just tried, the next try waits longer.
    fn note_limit(&mut self, count: u32, now: Moment) {
        if self.count.is_some() {
            self.patience = (self.patience * 2).min(MAX_PATIENCE);
            self.step = FIRST_STEP;
        }
        let lower = self.declared.is_none_or(|declared| count < declared);
        self.set(lower.then_some(f64::from(count)), now);
    }

    fn again(&mut self, now: Moment) {
        (self.since, self.admitted, self.bound) = (now, 0, false);
    }

    /// This window was full; at most `upper` requests were counted in it.
    fn refused(&mut self, upper: f64, now: Moment) {
        self.before.get_or_insert(self.count);
        // A limit that was lowered shows in what is admitted now.
        let lowered = upper >= 1.0 && upper < self.limit().unwrap_or_default().max(f64::from(self.most)) * LOWERED;
        if lowered {
            self.most = self.most.min(upper as u32);
        }
        let most = f64::from(self.most.max(1));
        match self.count {
            // The first measure.
            None => {
                let count = self.declared.map_or(most, |declared| most.min(f64::from(declared) * LITTLE_LESS));
                self.set(Some(count.max(1.0)), now);
            }
            Some(count) if count > self.base && !lowered => {
                self.count = Some(self.base);
                self.step = FIRST_STEP;
                self.patience = (self.patience * 2).min(MAX_PATIENCE);
                self.again(now);
            }
            // It held before: chance on the way, which costs a little.
            Some(count) => {
                let less = count * LITTLE_LESS;
                let count = if lowered { upper.min(less) } else { less.max(most * LOWERED).min(count) };
                self.set(Some(count.max(MIN_COUNT)), now);
            }
        }
    }

    /// After enough quiet time: a little more.
    fn try_more(&mut self, now: Moment, latency: Duration) -> bool {
        let Some(count) = self.count else { return false };
        let trying = count > self.base;
        let (windows, least) = if trying { (1, count.ceil() as u32) } else { (self.patience, MIN_QUIET) };
        let quiet = now.saturating_sub(self.since) >= self.length.saturating_mul(windows).saturating_add(latency);
        if !quiet || !self.bound || self.admitted < least {
            return false;
        }
        if trying {
            self.base = count;
            self.step = (self.step * 2.0).min(MAX_STEP);
        }
        let more = (count * (1.0 + self.step)).max(count.floor() + 1.0);
        self.again(now);
        self.count = match self.declared.map(f64::from) {
            Some(declared) if count >= declared => None,
            Some(declared) => Some(more.min(declared)),
            None => Some(more),
        };
        true
    }
}

/// What a refusal by chance takes away.
const LITTLE_LESS: f64 = 0.96;
/// Chance takes no more away than down to this share; if fewer are admitted, the limit was lowered.
const LOWERED: f64 = 0.7;
const MIN_COUNT: f64 = 0.01;
const FIRST_STEP: f64 = 0.03;
const MAX_STEP: f64 = 0.5;
const FIRST_PATIENCE: u32 = 4;
const MAX_PATIENCE: u32 = 64;
/// Requests between two tries, at least: a try may cost one of them.
const MIN_QUIET: u32 = 60;
/// About the same.
const ABOUT: f64 = 0.1;
/// A pace that is lower than this share of another is notably lower.
const NOTABLY: f64 = 0.9;

/// Requests at even distances.
#[derive(Debug)]
struct Spacing {
    limiter: RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>,
    clock: FakeRelativeClock,
    at: Moment,
}

impl Spacing {
    /// So many requests a second.
    fn new(per_second: f64, now: Moment) -> Self {
        let clock = FakeRelativeClock::default();
        let period = Duration::from_secs_f64(1.0 / per_second.clamp(SLOWEST, FASTEST));
        // Timers wake late by a millisecond or two: what was missed meanwhile may follow at once.
        let burst = NonZeroU32::MIN.saturating_add((per_second.min(FASTEST) * LATE.as_secs_f64()).ceil() as u32);
        // A period above zero makes a quota; the fallback of one a second is never reached.
        let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(burst);
        Self { limiter: RateLimiter::direct_with_clock(quota, clock.clone()), clock, at: now }
    }

    /// Reserves a place, or says when there is one.
    fn reserve(&mut self, now: Moment) -> Result<(), Moment> {
        self.clock.advance(now.saturating_sub(self.at));
        self.at = self.at.max(now);
        self.limiter.check().map_err(|not_until| now + not_until.wait_time_from(self.clock.now()).max(MIN_WAIT))
    }
}

const SLOWEST: f64 = 0.001;
const FASTEST: f64 = 1_000_000.0;
const LATE: Duration = Duration::from_millis(2);
/// A wait of zero would be asked again at the same moment for ever.
const MIN_WAIT: Duration = Duration::from_micros(1);
