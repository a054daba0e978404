//! A provider that enforces sliding windows of its own, asked as fast as the pace allows, under a virtual clock.

use super::super::{Full, Moment, Pace};
use super::{ms, window};
use crate::engine::concurrency::Slots;
use crate::provider::model::Window;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// How the provider refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Without a word about time.
    Silent,
    /// `Retry-After: 0`.
    Zero,
    /// `Retry-After` with the whole seconds until there is room.
    Asks,
    /// Without a word, and refused requests count in its windows too.
    Counts,
}

/// The provider, and what asks it.
pub(super) struct Model {
    pub(super) pace: Pace,
    pub(super) refusal: Refusal,
    /// What it really allows.
    pub(super) truth: Vec<Window>,
    declared: Vec<Window>,
    latency: u64,
    jitter: f64,
    /// Requests in flight at once.
    slots: Slots,
    /// The limit that its refusals tell.
    pub(super) tells: Option<Window>,
    counted: Vec<VecDeque<Moment>>,
    pub(super) now: Moment,
    random: u64,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// What was to be written down about what was learnt.
    pub(super) notes: Vec<Vec<Window>>,
    pub(super) admitted: u32,
    pub(super) refused: u32,
    /// What was admitted after the first fifth, of what is allowed in that time.
    pub(super) share: f64,
}

impl Model {
    /// A provider that allows this share of the declared counts, and answers after this time, more or less.
    pub(super) fn new(shape: &[(u32, u64)], share: f64, latency: u64, jitter: f64) -> Self {
        let declared: Vec<Window> = shape.iter().map(|(count, millis)| window(*count, *millis)).collect();
        let truth = declared.iter().map(|window| Window {
            count: ((f64::from(window.count) * share).round() as u32).max(1),
            length: window.length,
        });
        let truth: Vec<Window> = truth.collect();
        let pace = Pace::new(&declared);
        let slots = Slots::following(100_000);
        Self {
            pace,
            refusal: Refusal::Silent,
            counted: vec![VecDeque::new(); truth.len()],
            tells: None,
            truth,
            declared,
            latency,
            jitter,
            slots,
            now: Moment::ZERO,
            random: 7,
        }
    }

    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as f64 / f64::from(1_u32 << 31)
    }

    /// Whether a request that arrives now is admitted, and how long until one will be.
    fn arrives(&mut self, at: Moment) -> Result<(), Duration> {
        let mut wait: Option<Duration> = None;
        self.counted.resize(self.truth.len(), VecDeque::new());
        for (window, counted) in self.truth.iter().zip(&mut self.counted) {
            while counted.front().is_some_and(|first| at.saturating_sub(*first) >= window.length) {
                counted.pop_front();
            }
            if counted.len() >= window.count as usize {
                let first = counted[counted.len() - window.count as usize];
                wait = wait.max(Some(first + window.length - at));
            }
        }
        if wait.is_none() || self.refusal == Refusal::Counts {
            for counted in &mut self.counted {
                counted.push_back(at);
            }
        }
        wait.map_or(Ok(()), Err)
    }

    /// Asks for so many of the longest window's lengths, as fast as it may.
    pub(super) fn run(&mut self, windows: u32) -> Told {
        let longest = self.declared.iter().map(|window| window.length).max().unwrap();
        self.run_for(longest * windows)
    }

    /// Asks for so long, as fast as it may.
    pub(super) fn run_for(&mut self, time: Duration) -> Told {
        let (began, end) = (self.now, self.now + time);
        let settled = began + time / 5;
        let mut notes = Vec::new();
        let mut arriving: BinaryHeap<Reverse<(Moment, Moment, Moment)>> = BinaryHeap::new();
        let mut answers: BinaryHeap<Reverse<(Moment, Moment, bool, Duration)>> = BinaryHeap::new();
        let (mut admitted, mut late, mut refused) = (0_u32, 0_u32, 0_u32);
        while self.now < end {
            let arrives = arriving.peek().map(|next| next.0.0);
            let answered = answers.peek().map(|next| next.0.0);
            if arrives.is_some_and(|at| at <= self.now) && answered.is_none_or(|at| arrives.unwrap() <= at) {
                let Reverse((at, answer, sent)) = arriving.pop().unwrap();
                let came = self.arrives(at);
                answers.push(Reverse((answer, sent, came.is_ok(), came.err().unwrap_or_default())));
                continue;
            }
            if answered.is_some_and(|at| at <= self.now) {
                let full = arriving.len() + answers.len() >= self.slots.now() as usize;
                let Reverse((at, sent, well, wait)) = answers.pop().unwrap();
                self.pace.answered(sent, at);
                if well {
                    self.pace.quiet(at);
                    admitted += 1;
                    late += u32::from(at > settled);
                } else {
                    refused += 1;
                    let asked = match self.refusal {
                        Refusal::Silent | Refusal::Counts => None,
                        Refusal::Zero => Some(Duration::ZERO),
                        Refusal::Asks => Some(Duration::from_secs(wait.as_secs() + 1)),
                    };
                    self.slots.window_was_full();
                    self.pace.throttled(at, asked.or(self.tells.map(|told| told.length)), self.tells);
                }
                self.slots.answered(at, at - sent, self.pace.allowed(), full);
                notes.extend(self.pace.notable(at));
                continue;
            }
            let flying = arriving.len() + answers.len();
            let full = if flying >= self.slots.now() as usize {
                Some(Full::UntilAnswer)
            } else {
                let full = self.pace.take(self.now).err();
                if self.pace.window_was_full() {
                    self.slots.window_was_full();
                }
                full
            };
            let next = match full {
                None => {
                    let latency = self.latency as f64 * (1.0 + self.jitter * (self.random() * 2.0 - 1.0));
                    let arrival = latency * 0.5 * (1.0 + 0.2 * self.jitter * (self.random() - 0.5));
                    let whole = |millis: f64| Duration::from_micros((millis * 1000.0) as u64);
                    arriving.push(Reverse((self.now + whole(arrival), self.now + whole(latency), self.now)));
                    continue;
                }
                // Timers wake at whole milliseconds.
                Some(Full::Until(until)) => ms(until.as_nanos().div_ceil(1_000_000) as u64),
                Some(Full::UntilAnswer) => Moment::MAX,
            };
            self.now = next.min(arrives.unwrap_or(Moment::MAX)).min(answered.unwrap_or(Moment::MAX));
        }
        // What is still under way is answered before anybody goes on.
        let arriving = arriving.into_iter().map(|Reverse((_, answer, sent))| (answer, sent));
        let answers = answers.into_iter().map(|Reverse((answer, sent, ..))| (answer, sent));
        let mut late_answers: Vec<(Moment, Moment)> = arriving.chain(answers).collect();
        late_answers.sort_unstable();
        for (at, sent) in late_answers {
            self.pace.answered(sent, at);
            self.now = self.now.max(ms(at.as_millis() as u64 + 1));
        }
        let over = end - settled;
        let trip = ms(self.latency);
        let allowed =
            |window: &Window, length: Duration| f64::from(window.count) * over.as_secs_f64() / length.as_secs_f64();
        let truly = self.truth.iter().map(|window| allowed(window, window.length));
        let declared = self.declared.iter().map(|window| allowed(window, window.length + trip));
        let allowed = truly.chain(declared).fold(f64::INFINITY, f64::min);
        Told { notes, admitted, refused, share: f64::from(late) / allowed }
    }
}
