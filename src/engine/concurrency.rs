//! How many requests of an account may be in flight at once, where the plan does not say: as many as the pace needs (rate × latency,
//! Little's law) and a fifth more, never more than the provider's document allows. Fewer in flight are fewer in doubt after a crash.
//! Pure; counts nothing that is in flight.

use super::pace::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// The places of one account.
#[derive(Debug, Clone)]
pub struct Slots {
    most: u32,
    now: u32,
    /// `None` where the plan says how many.
    follows: Option<Following>,
}

#[derive(Debug, Clone)]
struct Following {
    /// The newest latencies, oldest first.
    latencies: VecDeque<Duration>,
    growth: Growth,
}

/// The search for the number that is worth its while, where no window tells the rate.
#[derive(Debug, Clone, Default)]
struct Growth {
    began: Option<Moment>,
    answers: u32,
    /// The most answers a second so far, and the number of places that gave them.
    best: Option<(f64, u32)>,
    /// Rounds to wait before more is tried again.
    rest: u32,
}

impl Slots {
    /// As many as the plan says.
    pub fn fixed(slots: u32) -> Self {
        Self { most: slots.max(1), now: slots.max(1), follows: None }
    }

    /// As many as are needed, up to a bound. `per_second` is what the shortest window allows.
    pub fn following(bound: u32, per_second: Option<f64>) -> Self {
        let most = bound.max(1);
        let follows = Following { latencies: VecDeque::new(), growth: Growth::default() };
        let first = per_second.map_or(FIRST, |rate| needed(rate, ASSUMED_LATENCY));
        Self { most, now: first.clamp(LEAST, LEAST.max(most)).min(most), follows: Some(follows) }
    }

    /// How many may be in flight now.
    pub const fn now(&self) -> u32 {
        self.now
    }

    /// An answer came at `at`, so long after its request took its place. `full` says whether all places were taken then.
    pub fn answered(&mut self, at: Moment, latency: Duration, per_second: Option<f64>, full: bool) {
        let Some(follows) = &mut self.follows else { return };
        if follows.latencies.len() == KEPT {
            follows.latencies.pop_front();
        }
        follows.latencies.push_back(latency);
        self.now = match per_second {
            Some(rate) if follows.latencies.len() >= ENOUGH => needed(rate, follows.high_latency()),
            Some(_) => return,
            None => follows.growth.answered(at, self.now, full),
        };
        self.now = self.now.max(LEAST).min(self.most);
    }
}

impl Following {
    /// The latency that nine of ten answers keep to.
    fn high_latency(&self) -> Duration {
        let mut sorted: Vec<Duration> = self.latencies.iter().copied().collect();
        let index = (sorted.len() * 9 / 10).min(sorted.len().saturating_sub(1));
        *sorted.select_nth_unstable(index).1
    }
}

impl Growth {
    /// More places, as long as they bring more answers a second.
    fn answered(&mut self, at: Moment, slots: u32, full: bool) -> u32 {
        // What was measured while places were empty says nothing about how many are needed.
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
        if self.answers < slots.saturating_mul(2).max(LEAST_ROUND) || lasted.is_zero() {
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
            Some((best, fewer)) if rate < best * WORTH_IT && slots > fewer => {
                self.rest = REST;
                fewer
            }
            _ => {
                self.best = Some((rate, slots));
                more
            }
        }
    }
}

/// Little's law, and a fifth more.
fn needed(per_second: f64, latency: Duration) -> u32 {
    (per_second * latency.as_secs_f64() * ROOM).ceil().min(f64::from(u32::MAX)) as u32
}

/// Without windows: the first number.
const FIRST: u32 = 4;
/// One alone would wait for every answer.
const LEAST: u32 = 2;
/// The latency of a provider that has not answered yet.
const ASSUMED_LATENCY: Duration = Duration::from_millis(500);
const ROOM: f64 = 1.2;
/// Latencies that are kept, and those that are enough to go by.
const KEPT: usize = 64;
const ENOUGH: usize = 4;
const LEAST_ROUND: u32 = 16;
/// Half as many places again must bring at least this much more.
const WORTH_IT: f64 = 1.1;
const REST: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn places_follow_from_rate_and_latency() {
        for (bound, per_second, latency, expected) in [
            (64, 20.0, 500, 12),
            (64, 20.0, 50, 2),
            (64, 5.0, 2000, 12),
            (16, 20.0, 2000, 16),
            (1, 20.0, 2000, 1),
            (64, 0.01, 20, 2),
            (64, 1e9, 1, 64),
        ] {
            let mut slots = Slots::following(bound, Some(per_second));
            for number in 0..20 {
                slots.answered(ms(number), ms(latency), Some(per_second), true);
            }
            assert_eq!(slots.now(), expected, "{bound} {per_second} {latency}");
        }
    }

    #[test]
    fn one_slow_answer_changes_little() {
        let mut slots = Slots::following(64, Some(20.0));
        for number in 0..40 {
            slots.answered(ms(number), ms(if number == 20 { 30_000 } else { 500 }), Some(20.0), true);
        }
        assert_eq!(slots.now(), 12);
    }

    #[test]
    fn what_the_plan_says_stays() {
        let mut slots = Slots::fixed(16);
        slots.answered(ms(1), ms(1), Some(1.0), true);
        assert_eq!(slots.now(), 16);
    }

    /// A provider that works on so many requests at once and lets the others wait.
    #[test]
    fn without_windows_places_grow_while_more_is_answered() {
        for (workers, bound, least, most) in [(1_u32, 64, 2, 9), (10, 64, 10, 28), (1000, 64, 64, 64), (1000, 8, 8, 8)]
        {
            let mut slots = Slots::following(bound, None);
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
            assert!((least..=most).contains(&mean), "{workers} {bound}: {mean}");
        }
    }
}
