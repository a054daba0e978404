//! When a provider may be sent its next request: exact windows, what was learnt from refusals, and hold-back. All accounts that share a
//! credential share one pace. A state machine on a given `now`; never sleeps, never reads a clock.
//!
//! `Windows` keep the exact promise; `Adaptive` is a pace below them, learnt from refusals (429 and the like): multiplicative decrease, then
//! an increase that is slow near the pace that was refused and fast beyond it, by the function of CUBIC (RFC 9438, section 4.2). Never faster
//! than declared.
//!
//! One refusal among many that are admitted is chance (a gateway's own limit, another user of the key), and only its own hold follows.
//! Three signs say that the provider allows less than is sent: it refuses again after each hold, with nothing admitted in between; more than
//! a few of the newest answers are refusals; or a pace that was refused before is refused again. What it admitted before is then its real
//! pace, whatever its windows are.
//!
//! Under a learnt pace requests go out at even distances, so that a refusal strikes few of them: `Spacing`, by governor.

use super::timing::{Moment, WallTime};
use crate::provider::model::Window;
use crate::run::WaitReason;
use governor::clock::{Clock, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

/// The pace of one provider, as far as one credential goes.
#[derive(Debug)]
pub struct Pace {
    windows: Windows,
    adaptive: Adaptive,
    held_until: Moment,
    /// Whether a full window kept the last request from being sent.
    window_was_full: bool,
}

/// Why nothing may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Until this moment.
    Until(Moment),
    /// Until an answer comes.
    UntilAnswer,
}

/// What the shortest window allows, whether declared or learnt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowed {
    /// Requests a second.
    pub per_second: f64,
    /// Requests in one window.
    pub count: u32,
}

/// The exact windows, and the requests that may still be counted in them: whether one more may go out, whatever happens on its way.
///
/// A provider counts a request at some moment that nobody here sees; all that is certain is that it lies between sending and answer. So
/// request k + N may be sent no sooner than T after the answer to request k: a sooner one breaks the window where k was counted late and
/// k + N early, and neither a mean nor a least round trip tells where on the way the counting happened. N requests therefore take T and
/// one latency, not T: of N/T the share T / (T + latency) is used (0.98 for 100/5s at 100 ms, 0.997 for 1000/180s at 500 ms), and all of
/// that is, since the log knows each place that becomes free.
#[derive(Debug)]
struct Windows {
    windows: Vec<Window>,
    /// Those that the provider itself names in its refusals.
    told: Vec<Window>,
    told_anew: bool,
    longest: Duration,
    /// When answers came, oldest first; older than the longest window are dropped.
    answered: VecDeque<Moment>,
    in_flight: usize,
}

/// What was learnt of one account's real pace.
#[derive(Debug)]
struct Adaptive {
    declared: Vec<Window>,
    /// `None` where nothing was learnt, or what was learnt has grown to what is declared.
    learnt: Option<LearntPace>,
    /// When requests went out that the provider admitted, oldest first; and when the first of them did since it last admitted none.
    admitted: VecDeque<Moment>,
    admitting_since: Option<Moment>,
    /// Whether each of the newest answers was a refusal, and how many were.
    newest: VecDeque<bool>,
    newest_refused: usize,
    /// Refusals with nothing admitted in between.
    in_a_row: u32,
    /// The same, but those that were in flight together count once.
    rounds: u32,
    /// When the first of the refusals in a row came, and the first of the present round.
    row_began: Moment,
    round_began: Moment,
    /// When the first of the refusals in a row was sent: the provider's window was full then.
    full_at: Moment,
    in_flight: usize,
    /// When the request went out that was answered last.
    last_sent: Moment,
    /// The longest time in which everything was refused: the provider has a window of about that length.
    refused_longest: Duration,
    /// What was admitted in a second when the pace was lowered last.
    measured: Option<f64>,
    /// When the pace was lowered last: what was in flight then says nothing about the new one.
    slowed: Moment,
    /// The known pace when [`Adaptive::is_notable`] last said so, and when that was.
    recorded: (Option<f64>, Moment),
}

/// A pace below one that was refused, which grows with the time.
#[derive(Debug)]
struct LearntPace {
    /// Requests a second now.
    per_second: f64,
    /// The pace that was refused.
    refused: f64,
    /// When it was; the time in which the pace kept nothing back does not count, for it proves nothing.
    since: Moment,
    /// When it last kept a request back.
    bound: Moment,
    /// For how long a hold may last so that what was missed follows at once.
    burst: Duration,
    /// Answers since the pace came near the refused one, and how many of them were refusals.
    near: (u32, u32),
    /// How long it takes from the refused pace to the declared one.
    regained: Duration,
    spacing: Spacing,
}

/// Requests at even distances.
#[derive(Debug)]
struct Spacing {
    per_second: f64,
    limiter: RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>,
    clock: FakeRelativeClock,
    at: Moment,
}

impl Pace {
    /// A pace under these windows. With none, only hold-back and what is learnt apply.
    pub fn new(windows: &[Window]) -> Self {
        Self {
            windows: Windows::new(windows),
            adaptive: Adaptive::new(windows),
            held_until: Moment::ZERO,
            window_was_full: false,
        }
    }

    /// Other windows hold from now on. Whoever sets them knows better than what was learnt or told under the former ones, which is forgotten.
    pub fn set_windows(&mut self, windows: &[Window]) {
        self.windows.set(windows);
        self.adaptive.set(windows);
    }

    /// Counts requests of an earlier process, each by how long ago it was answered at the latest; in any order.
    pub fn seed(&mut self, now: Moment, ages: impl IntoIterator<Item = Duration>) {
        self.windows.seed(now, ages);
    }

    /// Begins with what an earlier process has learnt ([`Pace::learnt_windows`]).
    pub fn restore_learnt(&mut self, now: Moment, learnt: &[Window]) {
        if let Some(slowest) = learnt.iter().map(per_second).reduce(f64::min) {
            self.adaptive.restore(now, slowest);
        }
    }

    /// Reserves a place in the windows for a request that is sent now, or says when to ask again.
    ///
    /// # Errors
    /// [`Full`] where nothing may be sent now.
    pub fn reserve(&mut self, now: Moment) -> Result<(), Full> {
        if now < self.held_until {
            self.window_was_full = false;
            return Err(Full::Until(self.held_until));
        }
        let exact = self.windows.check(now).err().map(|(_, full)| full);
        // Asked even when a window is full already: only a learnt pace that really binds may be put to the test.
        let learnt = self.adaptive.check(now, exact.is_some()).err();
        let full = match (exact, learnt) {
            (None, learnt) => learnt,
            (Some(Full::Until(one)), Some(Full::Until(other))) => Some(Full::Until(one.max(other))),
            (Some(full), None) => Some(full),
            (Some(_), Some(_)) => Some(Full::UntilAnswer),
        };
        // Where both keep it back, it is the one that does so longer.
        self.window_was_full = exact.is_some() && exact == full;
        if let Some(full) = full {
            return Err(full);
        }
        self.windows.note_reserved(now);
        self.adaptive.note_reserved();
        Ok(())
    }

    /// The request of a reserved place, which went out at `sent`, was answered, or given up. Where an answer came, [`Pace::note_admitted`] or
    /// [`Pace::throttled`] follows.
    pub fn answered(&mut self, sent: Moment, answered: Moment) {
        self.windows.answered(answered);
        self.adaptive.answered(sent);
    }

    /// The place was taken, but nothing was sent.
    pub fn release_unsent(&mut self) {
        self.windows.release_unsent();
        self.adaptive.release_unsent();
    }

    /// The answer to a request was no throttling.
    pub fn note_admitted(&mut self, now: Moment) {
        self.adaptive.admitted(now);
    }

    /// A request was refused because there were too many; perhaps with how long to wait, perhaps with the limit itself. Returns the
    /// moment until which nothing is sent.
    pub fn throttled(&mut self, now: Moment, retry_after: Option<Duration>, limit: Option<Window>) -> Moment {
        let limit = limit.filter(|limit| limit.count > 0 && !limit.length.is_zero());
        // A limit that the provider names is taken at its word, and nothing is left to be learnt.
        let is_bound = limit.is_some_and(|limit| self.windows.set_told(limit));
        let own = if is_bound { Duration::ZERO } else { self.adaptive.refused(now) };
        // `Retry-After: 0` does not say when there is room. Nor does a wait that is just the declared limit's length:
        // the window itself keeps requests back as long as it must, and for no longer.
        let other = |wait: &Duration| !wait.is_zero() && limit.is_none_or(|limit| limit.length != *wait);
        let asked = retry_after.filter(other).map(believed);
        let hold = asked.unwrap_or(own);
        self.held_until = self.held_until.max(now.saturating_add(hold));
        self.held_until
    }

    /// Holds the provider back until a moment, for a reason of our own.
    pub fn hold(&mut self, until: Moment) {
        self.held_until = self.held_until.max(until);
    }

    /// The moment until which the provider is held back, where that lies ahead.
    pub fn held(&self, now: Moment) -> Option<Moment> {
        (self.held_until > now).then_some(self.held_until)
    }

    /// Whether it was a full window that kept the last request from being sent.
    pub const fn window_was_full(&self) -> bool {
        self.window_was_full
    }

    /// What was learnt from refusals, as windows that hold beside the declared ones; none where nothing was.
    pub fn learnt_windows(&self) -> Vec<Window> {
        self.told_and(self.adaptive.learnt())
    }

    fn told_and(&self, learnt: Option<f64>) -> Vec<Window> {
        self.windows.told.iter().copied().chain(learnt.map(window_of)).collect()
    }

    /// The slowest of them, in requests a second.
    pub fn learnt(&self) -> Option<f64> {
        self.learnt_windows().iter().map(per_second).reduce(f64::min)
    }

    /// Why nothing may be sent now, where nothing may; takes no place.
    pub fn wait_reason(&self, now: Moment, wall: &WallTime) -> Option<WaitReason> {
        if now < self.held_until {
            return Some(WaitReason::HeldBack { until: wall.at(self.held_until) });
        }
        if let Err((window, _)) = self.windows.check(now) {
            return Some(WaitReason::Window { window: window.to_string() });
        }
        let per_1000_s = |per_second: f64| (per_second * 1000.0) as u64;
        self.learnt().map(|per_second| WaitReason::Learnt { per_1000_s: per_1000_s(per_second) })
    }

    /// What is known to hold, as windows, where it differs notably from what this returned last; seldom.
    pub fn notable(&mut self, now: Moment) -> Option<Vec<Window>> {
        let told_anew = std::mem::take(&mut self.windows.told_anew);
        let is_notable = self.adaptive.is_notable(now);
        (told_anew || is_notable).then(|| self.told_and(self.adaptive.known()))
    }

    /// What the shortest window allows, whether declared or learnt; `None` without any.
    pub fn allowed(&self) -> Option<Allowed> {
        self.adaptive.allowed()
    }

    /// Requests in flight.
    pub const fn in_flight(&self) -> usize {
        self.windows.in_flight()
    }

    /// The declared windows.
    pub fn windows(&self) -> &[Window] {
        self.windows.all()
    }
}

impl Windows {
    fn new(windows: &[Window]) -> Self {
        let mut new = Self {
            windows: Vec::new(),
            told: Vec::new(),
            told_anew: false,
            longest: Duration::ZERO,
            answered: VecDeque::new(),
            in_flight: 0,
        };
        new.set(windows);
        new
    }

    /// Other windows hold from now on. What was sent counts in them as far as it was kept for the longest of the former ones.
    fn set(&mut self, windows: &[Window]) {
        self.windows = windows.to_vec();
        self.told.clear();
        // What a shorter limit forgets, a later longer one cannot get back, so the log never becomes shorter.
        self.longest = self.windows.iter().map(|window| window.length).max().unwrap_or_default().max(self.longest);
    }

    /// The provider names a limit. `false` where a declared window is as strict, so that it explains nothing.
    fn set_told(&mut self, told: Window) -> bool {
        if self.windows.iter().any(|window| window.length == told.length && window.count <= told.count) {
            return false;
        }
        if !self.told.contains(&told) {
            self.told.retain(|other| other.length != told.length);
            self.told.push(told);
            self.told_anew = true;
            self.longest = self.longest.max(told.length);
        }
        true
    }

    fn all(&self) -> &[Window] {
        &self.windows
    }

    const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Counts requests of an earlier process, each by how long ago it was answered at the latest; in any order.
    fn seed(&mut self, now: Moment, ages: impl IntoIterator<Item = Duration>) {
        let mut earlier: Vec<Duration> = ages.into_iter().filter(|age| *age < self.longest).collect();
        earlier.sort_unstable_by(|one, other| other.cmp(one));
        // The clock has no moments before its start; such an answer counts as one at the start: never too early.
        self.answered.extend(earlier.into_iter().map(|age| now.saturating_sub(age)));
        self.answered.make_contiguous().sort_unstable();
    }

    /// Whether one more may go out now; where not, the window that is full, and until when.
    fn check(&self, now: Moment) -> Result<(), (Window, Full)> {
        let mut fullest: Option<(Window, Moment)> = None;
        for window in self.windows.iter().chain(&self.told) {
            let allowed = window.count as usize;
            if self.in_flight >= allowed {
                return Err((*window, Full::UntilAnswer));
            }
            // Of the newest `allowed - in_flight` answers, the oldest must have left the window.
            if let Some(index) = self.answered.len().checked_sub(allowed - self.in_flight) {
                let opens = self.answered[index].saturating_add(window.length).saturating_add(guard(window.length));
                if opens > now && fullest.is_none_or(|(_, latest)| opens > latest) {
                    fullest = Some((*window, opens));
                }
            }
        }
        fullest.map_or(Ok(()), |(window, opens)| Err((window, Full::Until(opens))))
    }

    fn note_reserved(&mut self, now: Moment) {
        self.forget(now);
        self.in_flight += 1;
    }

    fn release_unsent(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    fn answered(&mut self, now: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if !self.longest.is_zero() {
            insert_in_order(&mut self.answered, now);
        }
    }

    fn forget(&mut self, now: Moment) {
        let kept = self.longest.saturating_add(guard(self.longest));
        while self.answered.front().is_some_and(|at| at.saturating_add(kept) <= now) {
            self.answered.pop_front();
        }
    }
}

impl Adaptive {
    fn new(windows: &[Window]) -> Self {
        Self {
            declared: windows.to_vec(),
            learnt: None,
            admitted: VecDeque::new(),
            admitting_since: None,
            newest: VecDeque::new(),
            newest_refused: 0,
            in_a_row: 0,
            rounds: 0,
            row_began: Moment::ZERO,
            round_began: Moment::ZERO,
            full_at: Moment::ZERO,
            in_flight: 0,
            last_sent: Moment::ZERO,
            refused_longest: Duration::ZERO,
            measured: None,
            slowed: Moment::ZERO,
            recorded: (None, Moment::ZERO),
        }
    }

    /// Other windows are declared, by somebody who knows: what was learnt under the former ones is forgotten.
    fn set(&mut self, windows: &[Window]) {
        self.declared = windows.to_vec();
        self.learnt = None;
        self.refused_longest = Duration::ZERO;
        self.forget_newest();
    }

    fn forget_newest(&mut self) {
        self.newest.clear();
        self.newest_refused = 0;
    }

    /// Begins with the pace that an earlier process learnt.
    fn restore(&mut self, now: Moment, per_second: f64) {
        self.slow_to(per_second, now);
        self.recorded = (self.known(), now);
    }

    /// The pace in requests a second that is known to hold, without the present growth beyond it.
    fn known(&self) -> Option<f64> {
        self.learnt.as_ref().map(|learnt| learnt.per_second.min(learnt.refused))
    }

    /// The learnt pace in requests a second.
    fn learnt(&self) -> Option<f64> {
        self.learnt.as_ref().map(|learnt| learnt.per_second)
    }

    /// Whether the pace that is known to hold differs notably from what it was when this last said so; seldom.
    fn is_notable(&mut self, now: Moment) -> bool {
        let known = self.known();
        let (recorded, at) = self.recorded;
        let same = match (known, recorded) {
            (Some(now), Some(then)) => (now / then - 1.0).abs() < NOTABLE,
            (now, then) => now.is_none() && then.is_none(),
        };
        if same || recorded.is_some() && now < at + RECORDED_EVERY {
            return false;
        }
        self.recorded = (known, now);
        true
    }

    /// What the shortest window allows.
    fn allowed(&self) -> Option<Allowed> {
        let shortest = self.declared.iter().min_by_key(|window| window.length);
        match (shortest, self.learnt()) {
            (Some(window), learnt) => {
                let share = learnt.map_or(1.0, |learnt| (learnt / per_second(window)).min(1.0));
                let count = (f64::from(window.count) * share).max(1.0) as u32;
                Some(Allowed { per_second: per_second(window) * share, count })
            }
            (None, Some(learnt)) => Some(Allowed { per_second: learnt, count: (learnt as u32).max(1) }),
            (None, None) => None,
        }
    }

    /// Whether one more may go out; with `only_look`, no place is taken.
    fn check(&mut self, now: Moment, only_look: bool) -> Result<(), Full> {
        // While all are refused, one request at a time finds out when that is over.
        if self.in_a_row > 1 && self.in_flight > 0 {
            return Err(Full::UntilAnswer);
        }
        match &mut self.learnt {
            Some(learnt) if !only_look => learnt.reserve(now).map_err(Full::Until),
            _ => Ok(()),
        }
    }

    const fn note_reserved(&mut self) {
        self.in_flight += 1;
    }

    const fn release_unsent(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    const fn answered(&mut self, sent: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.last_sent = sent;
    }

    fn admitted(&mut self, now: Moment) {
        insert_in_order(&mut self.admitted, self.last_sent);
        while self.admitted.len() > MAX_KEPT || self.admitted.front().is_some_and(|at| *at + MAX_MEASURED < now) {
            self.admitted.pop_front();
        }
        self.note_answer(false);
        self.admitting_since.get_or_insert(self.last_sent);
        self.in_a_row = 0;
        if std::mem::take(&mut self.rounds) >= MANY_ROUNDS {
            // All was refused until now, so the provider's window held what it had admitted before.
            self.slow(now.saturating_sub(self.row_began), now);
            self.admitting_since = Some(self.last_sent);
        } else if self.many_refused() {
            self.slow(Duration::ZERO, now);
        }
        let declared = self.slowest_declared();
        if let Some(learnt) = &mut self.learnt {
            learnt.grow(declared, now);
            if declared.is_some_and(|declared| learnt.per_second >= declared) {
                self.learnt = None;
            }
        }
    }

    /// A request was refused. Returns how long to hold back where the answer has no `Retry-After`.
    fn refused(&mut self, now: Moment) -> Duration {
        if self.last_sent < self.slowed {
            return Duration::ZERO;
        }
        self.note_answer(true);
        self.in_a_row += 1;
        if self.in_a_row == 1 {
            (self.row_began, self.full_at) = (now, self.last_sent);
        }
        if self.rounds == 0 || self.last_sent >= self.round_began {
            self.rounds += 1;
            self.round_began = now;
        }
        if self.many_refused() {
            self.slow(Duration::ZERO, now);
        }
        MIN_HOLD.saturating_mul(1 << (self.rounds - 1).min(20)).min(MAX_OWN_HOLD)
    }

    fn many_refused(&self) -> bool {
        self.learnt.as_ref().is_some_and(LearntPace::is_refused_again) || self.newest_refused >= MANY_OF_NEWEST
    }

    fn note_answer(&mut self, refused: bool) {
        if let Some(learnt) = &mut self.learnt {
            learnt.note_answer(refused);
        }
        self.newest.push_back(refused);
        self.newest_refused += usize::from(refused);
        if self.newest.len() > NEWEST {
            self.newest_refused -= usize::from(self.newest.pop_front() == Some(true));
        }
    }

    /// The provider allows less than is sent: the pace becomes that of what it admitted in one window before it refused; or, where it
    /// refused everything for longer than that, over twice that time.
    fn slow(&mut self, refused_for: Duration, now: Moment) {
        let shortest = self.declared.iter().map(|window| window.length).min().unwrap_or(DEFAULT_MEASURED);
        if refused_for > shortest * 2 {
            self.refused_longest = self.refused_longest.max(refused_for);
        }
        let (end, measured) = if refused_for <= shortest * 2 {
            (self.full_at, shortest.max(self.refused_longest.min(self.full_at)))
        } else {
            let admitting = self.admitting_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
            (now, (refused_for * 2).min(admitting).min(MAX_MEASURED))
        };
        let count = held(&self.admitted, end, measured);
        self.forget_newest();
        self.slowed = now;
        if count > 0 && !measured.is_zero() {
            let admitted = f64::from(count) / measured.as_secs_f64();
            // A few refusals may be chance after all, and the measure one of a moment at which little was sent: it is believed at once where
            // everything was refused, and where the measure before said about the same.
            let is_sure =
                !refused_for.is_zero() || self.measured.is_some_and(|before| (admitted / before - 1.0).abs() < SURE);
            let present = self.learnt().or(self.slowest_declared()).filter(|_| !is_sure).unwrap_or_default();
            self.measured = Some(admitted);
            self.slow_to(admitted.max(present * LEAST), now);
        }
    }

    /// A pace that was refused, or that is known to be the provider's.
    fn slow_to(&mut self, per_second: f64, now: Moment) {
        let refused = match (&self.learnt, self.slowest_declared()) {
            (Some(learnt), _) => per_second.min(learnt.per_second),
            (None, Some(declared)) => per_second.min(declared),
            (None, None) => per_second,
        };
        let burst = self.declared.iter().map(|window| window.length).min().unwrap_or_default().mul_f64(BURST);
        self.learnt = Some(LearntPace::below(
            refused.max(SLOWEST),
            burst,
            REGAINED.max(self.refused_longest * REGAINED_TIMES),
            now,
        ));
    }

    fn slowest_declared(&self) -> Option<f64> {
        self.declared.iter().map(per_second).reduce(f64::min)
    }
}

impl LearntPace {
    fn below(refused: f64, burst: Duration, regained: Duration, now: Moment) -> Self {
        let per_second = refused * DECREASE;
        Self {
            per_second,
            refused,
            since: now,
            bound: now,
            burst,
            near: (0, 0),
            regained,
            spacing: Spacing::new(per_second, burst, now),
        }
    }

    fn note_answer(&mut self, refused: bool) {
        if self.per_second >= self.refused * NEAR {
            self.near.0 += 1;
            self.near.1 += u32::from(refused);
        }
    }

    /// Whether the provider refuses about the same pace again: that is told from chance sooner than where nothing was known.
    const fn is_refused_again(&self) -> bool {
        let (answers, refusals) = self.near;
        refusals >= AGAIN + answers / ONE_IN
    }

    fn reserve(&mut self, now: Moment) -> Result<(), Moment> {
        let reserved = self.spacing.reserve(now);
        let idle = now.saturating_sub(self.bound);
        if idle > MAX_IDLE.max(Duration::from_secs_f64(4.0 / self.per_second)) {
            self.since += idle;
            self.bound = now;
        }
        if reserved.is_err() {
            self.bound = now;
        }
        reserved
    }

    /// The function of CUBIC: `refused + C (t - K)³`. The constant is such that the declared pace is reached [`REGAINED`] after the
    /// refused one, however far apart they are.
    fn grow(&mut self, declared: Option<f64>, now: Moment) {
        let goal = declared.map_or(self.refused * 2.0, |declared| declared.max(self.refused * LEAST_GOAL));
        let constant = (goal - self.refused) / self.regained.as_secs_f64().powi(3);
        let plateau = ((1.0 - DECREASE) * self.refused / constant).cbrt();
        let time = now.saturating_sub(self.since).as_secs_f64();
        let grown = self.refused + constant * (time - plateau).powi(3);
        self.per_second = self.per_second.max(grown);
        if self.per_second > self.spacing.per_second * RESPACED {
            self.spacing = Spacing::new(self.per_second, self.burst, now);
        }
    }
}

impl Spacing {
    /// So many requests a second.
    fn new(per_second: f64, burst: Duration, now: Moment) -> Self {
        let clock = FakeRelativeClock::default();
        let period = Duration::from_secs_f64(1.0 / per_second.clamp(SLOWEST, FASTEST));
        // Timers wake late by a millisecond or two: what was missed meanwhile may follow at once.
        let burst = burst.max(LATE).as_secs_f64();
        let burst = NonZeroU32::MIN.saturating_add((per_second.min(FASTEST) * burst).ceil() as u32);
        // A period above zero makes a quota; the fallback of one a second is never reached.
        let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(burst);
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        // It begins empty: the provider's window was just full.
        let _ = limiter.check_n(burst);
        Self { per_second, limiter, clock, at: now }
    }

    /// Reserves a place, or says when there is one.
    fn reserve(&mut self, now: Moment) -> Result<(), Moment> {
        self.clock.advance(now.saturating_sub(self.at));
        self.at = self.at.max(now);
        self.limiter.check().map_err(|not_until| now + not_until.wait_time_from(self.clock.now()).max(MIN_WAIT))
    }
}

/// How long a provider is held back that asks for this: as long as it asks, where that can be meant.
pub fn believed(asked: Duration) -> Duration {
    if asked <= MAX_HOLD { asked } else { HOLD_INSTEAD }
}

fn per_second(window: &Window) -> f64 {
    f64::from(window.count) / window.length.as_secs_f64()
}

/// How many of these moments lie in the window that ends at `end`.
fn held(moments: &VecDeque<Moment>, end: Moment, length: Duration) -> u32 {
    let before = |end: Moment| moments.partition_point(|at| *at <= end);
    u32::try_from(before(end) - end.checked_sub(length).map_or(0, before)).unwrap_or(u32::MAX)
}

/// A pace as a window of whole requests.
fn window_of(per_second: f64) -> Window {
    let count = (per_second * LEARNT_LENGTH.as_secs_f64()).round();
    if count >= 1.0 {
        Window { count: count as u32, length: LEARNT_LENGTH }
    } else {
        Window { count: 1, length: Duration::from_secs_f64(1.0 / per_second) }
    }
}

/// Clocks of two machines do not run at quite the same speed: 100 ppm is much for a quartz.
fn guard(length: Duration) -> Duration {
    (length / 10_000).max(MIN_GUARD)
}

/// Puts a moment into its place; most are the newest.
fn insert_in_order(log: &mut VecDeque<Moment>, at: Moment) {
    let later = log.iter().rev().take_while(|other| **other > at).count();
    log.insert(log.len() - later, at);
}

/// No provider means a longer wait: it has another unit in mind, or its clock is wrong.
const MAX_HOLD: Duration = Duration::from_secs(31 * 24 * 3600);
/// It is asked again after this long.
const HOLD_INSTEAD: Duration = Duration::from_secs(3600);
/// The length of a window that says what was learnt.
const LEARNT_LENGTH: Duration = Duration::from_secs(10);
/// Timers and network cards round.
const MIN_GUARD: Duration = Duration::from_millis(1);
/// Answers that are looked back at, and how many refusals among them are no chance: with one stray refusal in 200, six or more among 150
/// are there in one case of ten thousand.
const NEWEST: usize = 150;
const MANY_OF_NEWEST: usize = 6;
/// So many rounds of refusals in a row are no chance either.
const MANY_ROUNDS: u32 = 3;
/// Over how long it is measured what a provider admits, where no window says; and at most.
const DEFAULT_MEASURED: Duration = Duration::from_secs(10);
const MAX_MEASURED: Duration = Duration::from_secs(600);
/// Moments that are kept, whatever the windows are.
const MAX_KEPT: usize = 100_000;
/// Hold-back after a refusal without a `Retry-After`; it doubles with each round in which nothing was admitted.
const MIN_HOLD: Duration = Duration::from_millis(50);
const MAX_OWN_HOLD: Duration = Duration::from_secs(640);
/// A pace that differs by less than this share from another is about the same.
const NOTABLE: f64 = 0.1;
/// A learnt pace is recorded at most so often.
const RECORDED_EVERY: Duration = Duration::from_secs(10);
/// From this share of the refused pace on, refusals say that it holds still.
const NEAR: f64 = 0.97;
/// So many refusals, and one more in so many answers.
const AGAIN: u32 = 2;
const ONE_IN: u32 = 66;
/// After a hold, the provider's window has room for what was not sent meanwhile, up to its length; so much of that follows at once.
const BURST: f64 = 0.5;
/// The share of a refused pace with which it goes on.
const DECREASE: f64 = 0.93;
/// Few refusals make the pace at most so much slower at once.
const LEAST: f64 = 0.8;
/// Two measures that differ by less than this share say the same.
const SURE: f64 = 0.1;
/// The time in which a pace grows from what was refused to what is declared.
const REGAINED: Duration = Duration::from_secs(40);
/// But so many times as long as everything was refused: the provider's window is as long.
const REGAINED_TIMES: u32 = 5;
/// A pace that was refused near the declared one grows as if there were so much more.
const LEAST_GOAL: f64 = 1.1;
/// After so long without a request that waited, the pace does not bound what is sent.
const MAX_IDLE: Duration = Duration::from_secs(1);
/// Requests are spaced anew once the pace has grown by so much.
const RESPACED: f64 = 1.005;
const SLOWEST: f64 = 0.001;
const FASTEST: f64 = 1_000_000.0;
const LATE: Duration = Duration::from_millis(2);
/// A wait of zero would be asked again at the same moment for ever.
const MIN_WAIT: Duration = Duration::from_micros(1);

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
