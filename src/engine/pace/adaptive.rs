//! A pace below the declared windows, learnt from refusals (429 and the like): multiplicative decrease, then an increase that is slow near
//! the pace that was refused and fast beyond it, by the function of CUBIC (RFC 9438, section 4.2). Never faster than declared; keeps no
//! exact promise (that is the exact windows'), and never sleeps.
//!
//! One refusal among many that are admitted is chance (a gateway's own limit, another user of the key), and only its own hold follows.
//! Three signs say that the provider allows less than is sent: it refuses again after each hold, with nothing admitted in between; more than
//! a few of the newest answers are refusals; or a pace that was refused before is refused again. What it admitted before is then its real
//! pace, whatever its windows are.
//!
//! Under a learnt pace requests go out at even distances, so that a refusal strikes few of them: [`Spacing`], by governor.

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

/// What was learnt of one account's real pace.
#[derive(Debug)]
pub(super) struct Adaptive {
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

/// What the shortest window allows, whether declared or learnt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowed {
    /// Requests a second.
    pub per_second: f64,
    /// Requests in one window.
    pub count: u32,
}

impl Adaptive {
    pub(super) fn new(windows: &[Window]) -> Self {
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
    pub(super) fn set(&mut self, windows: &[Window]) {
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
    pub(super) fn restore(&mut self, now: Moment, per_second: f64) {
        self.slow_to(per_second, now);
        self.recorded = (self.known(), now);
    }

    /// The pace in requests a second that is known to hold, without the present growth beyond it.
    pub(super) fn known(&self) -> Option<f64> {
        self.learnt.as_ref().map(|learnt| learnt.per_second.min(learnt.refused))
    }

    /// The learnt pace in requests a second.
    pub(super) fn learnt(&self) -> Option<f64> {
        self.learnt.as_ref().map(|learnt| learnt.per_second)
    }

    /// Whether the pace that is known to hold differs notably from what it was when this last said so; seldom.
    pub(super) fn is_notable(&mut self, now: Moment) -> bool {
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
    pub(super) fn allowed(&self) -> Option<Allowed> {
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
    pub(super) fn check(&mut self, now: Moment, only_look: bool) -> Result<(), Full> {
        // While all are refused, one request at a time finds out when that is over.
        if self.in_a_row > 1 && self.in_flight > 0 {
            return Err(Full::UntilAnswer);
        }
        match &mut self.learnt {
            Some(learnt) if !only_look => learnt.reserve(now).map_err(Full::Until),
            _ => Ok(()),
        }
    }

    pub(super) const fn note_reserved(&mut self) {
        self.in_flight += 1;
    }

    pub(super) const fn release_unsent(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    pub(super) const fn answered(&mut self, sent: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.last_sent = sent;
    }

    pub(super) fn admitted(&mut self, now: Moment) {
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
    pub(super) fn refused(&mut self, now: Moment) -> Duration {
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

pub(super) fn per_second(window: &Window) -> f64 {
    f64::from(window.count) / window.length.as_secs_f64()
}

/// How many of these moments lie in the window that ends at `end`.
fn held(moments: &VecDeque<Moment>, end: Moment, length: Duration) -> u32 {
    let before = |end: Moment| moments.partition_point(|at| *at <= end);
    u32::try_from(before(end) - end.checked_sub(length).map_or(0, before)).unwrap_or(u32::MAX)
}

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

/// Requests at even distances.
#[derive(Debug)]
struct Spacing {
    per_second: f64,
    limiter: RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>,
    clock: FakeRelativeClock,
    at: Moment,
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

const SLOWEST: f64 = 0.001;
const FASTEST: f64 = 1_000_000.0;
const LATE: Duration = Duration::from_millis(2);
/// A wait of zero would be asked again at the same moment for ever.
const MIN_WAIT: Duration = Duration::from_micros(1);
