//! How many requests of an account may be in flight at once, where the plan does not say: as many as the pace needs (rate × latency,
//! Little's law) and half as many again, few at first, never more than the provider's document allows. Fewer in flight are fewer in
//! doubt after a crash. Pure; counts nothing that is in flight.

use super::pace::Allowed;
use super::timing::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// How many requests of one account may be in flight.
#[derive(Debug, Clone)]
pub struct Slots {
    max: u32,
    now: u32,
    /// `None` where the plan sets the number.
    follows: Option<Following>,
}

#[derive(Debug, Clone)]
struct Following {
    /// The newest latencies, oldest first.
    latencies: VecDeque<Duration>,
    /// Their 90th percentile, and how many answers were received since it was computed. Not the mean: one slow answer would raise it.
    high: (Duration, usize),
    /// Slow start: each answer that finds all places taken allows one more, so that they double from round to round.
    earned: u32,
    /// Whether no window has been full yet, and nothing was refused.
    opening: bool,
    growth: Growth,
}

/// The search for the number of slots beyond which throughput no longer grows, where no window declares the rate.
#[derive(Debug, Clone, Default)]
struct Growth {
    began: Option<Moment>,
    answers: u32,
    /// The most answers a second so far, and the number of slots that gave them.
    best: Option<(f64, u32)>,
    /// Rounds to wait before more slots are tried again.
    rest: u32,
}

impl Slots {
    /// As many as the plan sets.
    pub fn fixed(slots: u32) -> Self {
        Self { max: slots.max(1), now: slots.max(1), follows: None }
    }

    /// As many as are needed, up to a bound: few at first.
    pub fn following(bound: u32) -> Self {
        let max = bound.max(1);
        let follows = Following {
            latencies: VecDeque::new(),
            high: (Duration::ZERO, 0),
            earned: FIRST_SLOTS,
            opening: true,
            growth: Growth::default(),
        };
        Self { max, now: FIRST_SLOTS.min(max), follows: Some(follows) }
    }

    /// How many may be in flight now.
    pub const fn now(&self) -> u32 {
        self.now
    }

    /// An answer came at `at`, so long after its request took its place, under what the shortest window allows. `full` says
    /// whether all places were taken then.
    pub fn answered(&mut self, at: Moment, latency: Duration, allowed: Option<Allowed>, full: bool) {
        let Some(follows) = &mut self.follows else { return };
        follows.add_latency(latency);
        follows.earned = follows.earned.saturating_add(u32::from(full)).min(self.max.max(FIRST_SLOTS));
        self.now = match allowed {
            Some(allowed) => follows.slots_needed(allowed),
            None => follows.growth.answered(at, self.now, full),
        };
        self.now = self.now.max(MIN_SLOTS).min(self.max);
    }

    /// A window was full, or the provider refused a request because there were too many, so there is more to do than one window allows:
    /// a burst would bring nothing any more.
    pub fn window_was_full(&mut self) {
        if let Some(follows) = &mut self.follows {
            follows.opening = false;
        }
    }
}

impl Following {
    fn add_latency(&mut self, latency: Duration) {
        if self.latencies.len() == MAX_LATENCIES {
            self.latencies.pop_front();
        }
        self.latencies.push_back(latency);
        self.high.1 += 1;
        if self.high.1 >= PERCENTILE_INTERVAL || self.latencies.len() <= PERCENTILE_INTERVAL {
            let mut sorted: Vec<Duration> = self.latencies.iter().copied().collect();
            let index = (sorted.len() * 9 / 10).min(sorted.len().saturating_sub(1));
            self.high = (*sorted.select_nth_unstable(index).1, 0);
        }
    }

    /// Little's law, with headroom. Until the first window is full, it may be used up faster than that, since a plan that is
    /// smaller than a window needs not be spread over it; but an eighth of it at a time, so that where the windows allow more than
    /// is true no more than that is refused.
    fn slots_needed(&self, allowed: Allowed) -> u32 {
        let needed = needed(allowed.per_second, self.high.0);
        let burst = if self.opening { allowed.count / FIRST_WINDOW_BURSTS } else { 0 };
        needed.max(burst).min(self.earned)
    }
}

impl Growth {
    /// More places, as long as they bring more answers a second.
    fn answered(&mut self, at: Moment, slots: u32, full: bool) -> u32 {
        // What was measured while slots were empty says nothing about how many are needed.
        if !full {
            (self.began, self.answers) = (None, 0);
            return slots;
        }
        let Some(began) = self.began else {
            (self.began, self.answers) = (Some(at), 0);
            return slots;
        };
        self.answers += 1;
        let lasted = at.saturating_sub(began);
        if self.answers < slots.saturating_mul(2).max(MIN_ROUND) || lasted.is_zero() {
            return slots;
        }
        let rate = f64::from(self.answers) / lasted.as_secs_f64();
        (self.began, self.answers) = (None, 0);
        if self.rest > 0 {
            self.rest -= 1;
            return slots;
        }
        let more = slots.saturating_add(slots.div_ceil(2));
        match self.best {
            // More slots that bring nothing would only be more actions in doubt after a crash.
            Some((best, fewer)) if rate < best * MIN_GAIN && slots > fewer => {
                self.rest = REST_ROUNDS;
                fewer
            }
            _ => {
                self.best = Some((rate, slots));
                more
            }
        }
    }
}

/// Little's law, and half as many again.
fn needed(per_second: f64, latency: Duration) -> u32 {
    (per_second * latency.as_secs_f64() * HEADROOM).ceil().min(f64::from(u32::MAX)) as u32
}

/// The first number, before anything was answered.
const FIRST_SLOTS: u32 = 4;
/// One alone would wait for every answer.
const MIN_SLOTS: u32 = 2;
/// Half as many again: a window stays fully used where answers stall for a third of it.
const HEADROOM: f64 = 1.5;
/// So many bursts use up the first window.
const FIRST_WINDOW_BURSTS: u32 = 8;
/// Latencies that are kept, and after how many new ones their percentile is computed again.
const MAX_LATENCIES: usize = 64;
const PERCENTILE_INTERVAL: usize = 8;
const MIN_ROUND: u32 = 16;
/// Half as many places again must bring at least this much more.
const MIN_GAIN: f64 = 1.1;
const REST_ROUNDS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const fn allowed(per_second: f64, count: u32) -> Option<Allowed> {
        Some(Allowed { per_second, count })
    }

    #[test]
    fn places_follow_from_rate_and_latency() {
        for (bound, per_second, latency, expected) in [
            (64, 20.0, 500, 15),
            (64, 20.0, 50, 2),
            (64, 5.0, 2000, 15),
            (16, 20.0, 2000, 16),
            (1, 20.0, 2000, 1),
            (64, 0.01, 20, 2),
            (64, 1e9, 1, 64),
        ] {
            let mut slots = Slots::following(bound);
            slots.window_was_full();
            for number in 0..64 {
                slots.answered(ms(number), ms(latency), allowed(per_second, 100), true);
            }
            assert_eq!(slots.now(), expected, "{bound} {per_second} {latency}");
        }
    }

    #[test]
    fn one_slow_answer_changes_little() {
        let mut slots = Slots::following(64);
        slots.window_was_full();
        for number in 0..40 {
            slots.answered(ms(number), ms(if number == 20 { 30_000 } else { 500 }), allowed(20.0, 100), true);
        }
        assert_eq!(slots.now(), 15);
    }

    #[test]
    fn the_first_window_is_used_up_in_growing_bursts_and_a_refusal_ends_them() {
        // Little's law asks for three places: 100 in five seconds, a tenth of a second each.
        let rounds = |slots: &mut Slots| {
            let round = |_| {
                let in_flight = slots.now();
                (0..in_flight).for_each(|_| slots.answered(ms(1), ms(100), allowed(20.0, 100), true));
                in_flight
            };
            (0..12).map(round).collect::<Vec<_>>()
        };
        let mut slots = Slots::following(64);
        let first = rounds(&mut slots);
        assert_eq!(first[..3], [4, 8, 12]);
        assert!(first[..10].iter().sum::<u32>() >= 100, "in ten times the latency, not in three seconds: {first:?}");
        slots.window_was_full();
        assert_eq!(rounds(&mut slots)[1..], [3; 11]);
        // A slow provider gets as many as it needs, in a few rounds.
        let mut slots = Slots::following(64);
        let grown = [(); 6].map(|()| {
            let in_flight = slots.now();
            (0..in_flight).for_each(|_| slots.answered(ms(1), ms(2000), allowed(20.0, 100), true));
            in_flight
        });
        assert_eq!(grown, [4, 8, 16, 32, 60, 60]);
        // What is never all taken does not grow.
        let mut slots = Slots::following(64);
        (0..100).for_each(|_| slots.answered(ms(1), ms(2000), allowed(20.0, 100), false));
        assert_eq!(slots.now(), 4);
    }

    #[test]
    fn what_the_plan_says_stays() {
        let mut slots = Slots::fixed(16);
        slots.answered(ms(1), ms(1), allowed(1.0, 1), true);
        assert_eq!(slots.now(), 16);
    }

    /// A provider that works on so many requests at once and lets the others wait.
    #[test]
    fn without_windows_places_grow_while_more_is_answered() {
        for (workers, bound, least, max) in [(1_u32, 64, 2, 9), (10, 64, 10, 28), (1000, 64, 64, 64), (1000, 8, 8, 8)] {
            let mut slots = Slots::following(bound);
            let mut now = Duration::ZERO;
            let mut sum = 0_u32;
            for round in 0..2000 {
                let in_flight = slots.now();
                let latency = ms(100).mul_f64(f64::from(in_flight.div_ceil(workers)));
                now += ms(100) / in_flight.min(workers);
                slots.answered(now, latency, None, true);
                sum += if round >= 1000 { slots.now() } else { 0 };
            }
            let mean = sum / 1000;
            assert!((least..=max).contains(&mean), "{workers} {bound}: {mean}");
        }
    }
}
