//! The bound of one window: what a refusal takes from it, and how it is raised again. Knows nothing of the other windows.

use crate::engine::timing::Moment;
use crate::provider::model::Window;
use std::time::Duration;

/// The bound of one window.
#[derive(Debug, Clone)]
pub(super) struct Cap {
    pub(super) length: Duration,
    /// The declared count; `None` for a window that was learnt as a whole.
    pub(super) declared: Option<u32>,
    /// The count that is allowed for now; `None` where nothing was learnt.
    pub(super) count: Option<f64>,
    /// The count that was known to hold before the present try of a higher one.
    pub(super) base: f64,
    /// The share by which the next try goes higher.
    step: f64,
    /// Quiet windows before the next try.
    patience: u32,
    since: Moment,
    pub(super) admitted: u32,
    /// Whether it kept a request back since then: a cap that does not bind proves nothing.
    pub(super) bound: bool,
    /// The most that the provider admitted in one window.
    pub(super) most: u32,
    /// The cap before the last event lowered it, for where that proves wrong.
    pub(super) before: Option<Option<f64>>,
    /// What it held at the last refusal, and how often in a row it held about the same then: while nothing was learnt of it.
    refused_at: (u32, u32),
}

impl Cap {
    pub(super) fn new(length: Duration, declared: Option<u32>) -> Self {
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
    pub(super) fn under(self, declared: Option<u32>) -> Self {
        Self { declared, before: None, ..self }
    }

    /// The count that holds, whether learnt or declared.
    pub(super) fn limit(&self) -> Option<f64> {
        self.count.or(self.declared.map(f64::from))
    }

    /// As [`Cap::limit`], before the refusals in a row that are under way.
    pub(super) fn former_limit(&self) -> Option<f64> {
        self.before.unwrap_or(self.count).or(self.declared.map(f64::from))
    }

    /// [`Cap::limit`] in requests a second.
    pub(super) fn pace(&self) -> Option<f64> {
        Some(self.limit()? / self.length.as_secs_f64())
    }

    /// The learnt bound in whole requests. What a fraction takes away of a request, a longer time gives back.
    pub(super) fn bound_by(&self) -> Option<(u32, Duration)> {
        let count = self.count?;
        let whole = count.ceil().max(1.0);
        Some((whole as u32, self.length.mul_f64(whole / count.max(LEAST_COUNT))))
    }

    /// What is known to hold, in whole requests: without the present try, and in the window's own length.
    pub(super) fn known(&self) -> Option<Window> {
        let count = self.count?.min(self.base);
        let short = Window { count: count.max(1.0) as u32, length: self.length };
        // Less than one: a longer time for one.
        let long = Window { count: 1, length: self.length.div_f64(count.clamp(LEAST_COUNT, 1.0)) };
        Some(if count >= 1.0 { short } else { long })
    }

    pub(super) fn reaches(&self) -> Duration {
        self.bound_by().map_or(self.length, |(_, length)| length.max(self.length))
    }

    pub(super) fn held_at_refusal(&mut self, held: u32) {
        let (last, times) = self.refused_at;
        let same = f64::from(held.abs_diff(last)) <= f64::from(held) * ABOUT;
        let most = f64::from(held) >= f64::from(self.most) * NOTABLY;
        self.refused_at = (held, if same && most { times + 1 } else { 0 });
    }

    /// Whether refusals come each time when it holds about the same.
    pub(super) fn returns(&self) -> bool {
        self.count.is_none() && self.refused_at.1 >= 2
    }

    pub(super) fn set(&mut self, count: Option<f64>, now: Moment) {
        self.refused_at = (0, 0);
        self.count = count;
        self.base = count.unwrap_or_default();
        self.again(now);
    }

    /// The provider told the count. Where it was tried to do better, the next try waits longer.
    pub(super) fn told(&mut self, count: u32, now: Moment) {
        if self.count.is_some() {
            self.patience = (self.patience * 2).min(MOST_PATIENCE);
            self.step = FIRST_STEP;
        }
        let lower = self.declared.is_none_or(|declared| count < declared);
        self.set(lower.then_some(f64::from(count)), now);
    }

    fn again(&mut self, now: Moment) {
        (self.since, self.admitted, self.bound) = (now, 0, false);
    }

    /// This window was full; at most `upper` requests were counted in it.
    pub(super) fn refused(&mut self, upper: f64, now: Moment) {
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
                self.patience = (self.patience * 2).min(MOST_PATIENCE);
                self.again(now);
            }
            // It held before: chance on the way, which costs a little.
            Some(count) => {
                let less = count * LITTLE_LESS;
                let count = if lowered { upper.min(less) } else { less.max(most * LOWERED).min(count) };
                self.set(Some(count.max(LEAST_COUNT)), now);
            }
        }
    }

    /// After enough quiet time: a little more.
    pub(super) fn try_more(&mut self, now: Moment, latency: Duration) -> bool {
        let Some(count) = self.count else { return false };
        let trying = count > self.base;
        let (windows, least) = if trying { (1, count.ceil() as u32) } else { (self.patience, LEAST_QUIET) };
        let quiet = now.saturating_sub(self.since) >= self.length.saturating_mul(windows).saturating_add(latency);
        if !quiet || !self.bound || self.admitted < least {
            return false;
        }
        if trying {
            self.base = count;
            self.step = (self.step * 2.0).min(MOST_STEP);
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
pub(super) const LITTLE_LESS: f64 = 0.96;
/// Chance takes no more away than down to this share; if fewer are admitted, the limit was lowered.
const LOWERED: f64 = 0.7;
const LEAST_COUNT: f64 = 0.01;
const FIRST_STEP: f64 = 0.03;
const MOST_STEP: f64 = 0.5;
const FIRST_PATIENCE: u32 = 4;
const MOST_PATIENCE: u32 = 64;
/// Requests between two tries, at least: a try may cost one of them.
const LEAST_QUIET: u32 = 60;
/// About the same.
const ABOUT: f64 = 0.1;
/// A pace that is lower than this share of another is notably lower.
pub(super) const NOTABLY: f64 = 0.9;
