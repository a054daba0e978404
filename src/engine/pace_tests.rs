//! The pace under a virtual clock: against providers with windows of their own, whatever those really allow.

use super::*;
use crate::engine::concurrency::Slots;
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

fn window(count: u32, millis: u64) -> Window {
    Window { count, length: Duration::from_millis(millis) }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_full_window_opens_when_its_oldest_answer_has_left_it() {
    let mut pace = Pace::new(&[window(2, 1000)]);
    assert_eq!(pace.reserve(ms(0)), Ok(()));
    assert_eq!(pace.reserve(ms(0)), Ok(()));
    assert_eq!(pace.reserve(ms(1)), Err(Full::UntilAnswer));
    pace.answered(ms(0), ms(100));
    assert_eq!(pace.reserve(ms(100)), Err(Full::Until(ms(1101))));
    assert!(pace.window_was_full());
    pace.answered(ms(0), ms(300));
    assert_eq!(pace.reserve(ms(1101)), Ok(()));
    assert!(!pace.window_was_full());
    assert_eq!(pace.reserve(ms(1101)), Err(Full::Until(ms(1301))));
}

#[test]
fn a_provider_is_held_back_as_long_as_it_asks() {
    let week = Duration::from_secs(604_800);
    for (asked, held) in [(ms(2000), ms(2000)), (week, week), (MAX_HOLD, MAX_HOLD), (Duration::MAX, HOLD_INSTEAD)] {
        let mut pace = Pace::new(&[]);
        assert_eq!(pace.reserve(ms(0)), Ok(()));
        pace.answered(ms(0), ms(100));
        assert_eq!(pace.throttled(ms(100), Some(asked), None), ms(100) + held);
        assert_eq!(pace.reserve(ms(1999)), Err(Full::Until(ms(100) + held)));
        assert!(!pace.window_was_full());
        assert_eq!(pace.reserve(ms(100) + held), Ok(()));
    }
}

#[test]
fn one_that_says_nothing_is_asked_ever_more_seldom() {
    for windows in [vec![], vec![window(100, 5000), window(1000, 180_000)], vec![window(5, 1000)]] {
        for asked in [None, Some(Duration::ZERO)] {
            let mut pace = Pace::new(&windows);
            let (mut now, mut asks) = (ms(0), 0);
            while now < Duration::from_secs(3600) {
                match pace.reserve(now) {
                    Ok(()) => {
                        asks += 1;
                        now += ms(50);
                        pace.answered(now - ms(50), now);
                        pace.throttled(now, asked, None);
                    }
                    Err(Full::Until(until)) => now = until,
                    Err(Full::UntilAnswer) => panic!("nothing is in flight"),
                }
            }
            assert!((8..=20).contains(&asks), "{windows:?}: {asks}");
        }
    }
}

#[test]
fn requests_of_an_earlier_process_count() {
    let mut pace = Pace::new(&[window(3, 1000)]);
    pace.seed(ms(5000), [ms(100), ms(900), ms(5000)]);
    assert_eq!(pace.reserve(ms(5000)), Ok(()));
    assert_eq!(pace.reserve(ms(5000)), Err(Full::Until(ms(5101))));
}

#[test]
fn new_windows_hold_at_once_over_what_was_sent() {
    let mut pace = Pace::new(&[window(100, 10_000)]);
    for _ in 0..4 {
        assert_eq!(pace.reserve(ms(0)), Ok(()));
        pace.answered(ms(0), ms(0));
    }
    pace.set_windows(&[window(4, 1000)]);
    assert_eq!(pace.reserve(ms(500)), Err(Full::Until(ms(1001))));
    pace.set_windows(&[window(5, 60_000)]);
    assert_eq!(pace.reserve(ms(1001)), Ok(()));
    assert!(pace.reserve(ms(1001)).is_err());
}

/// Whether a thousand requests or more would have to be in flight at once.
fn needs_too_many_places(shape: &[(u32, u64)], latency: u64) -> bool {
    u64::from(shape[0].0) * latency >= 1000 * shape[0].1
}

/// In so many of the longest window's lengths, the shortest comes by often enough.
fn long_enough(shape: &[(u32, u64)]) -> u32 {
    if shape.iter().any(|(_, millis)| *millis > 100_000) { 16 } else { 50 }
}

/// Windows as they are declared.
const SHAPES: [&[(u32, u64)]; 6] = [
    &[(100, 5000), (1000, 180_000)],
    &[(30, 1000)],
    &[(12, 1000), (60, 10_000)],
    &[(50, 5000)],
    &[(300, 60_000)],
    &[(500, 1000)],
];

#[test]
fn under_a_true_limit_nothing_is_refused_and_all_is_used() {
    for shape in SHAPES {
        for (latency, more) in [(20, 1.0), (100, 1.5), (500, 1.0), (2000, 1.0)] {
            if needs_too_many_places(shape, latency) {
                continue;
            }
            let mut model = Model::new(shape, more, latency, 0.3);
            let told = model.run(25);
            assert_eq!(told.refused, 0, "{shape:?} {latency}");
            assert!(model.pace.learnt_windows().is_empty());
            assert!(told.share >= 0.97, "{shape:?} {latency} ms: {}", told.share);
        }
    }
}

#[test]
fn a_lower_limit_is_found_and_kept_to() {
    let mut bad = Vec::new();
    for shape in SHAPES {
        for latency in [20, 100, 500, 2000] {
            for truth in [1.0 / 3.0, 0.5, 0.9] {
                for refusal in [Refusal::Silent, Refusal::Zero, Refusal::Asks, Refusal::Counts] {
                    let (many, spoken) =
                        (shape[0].0 == 500 && truth > 0.4, shape[0].0 == 30 || refusal != Refusal::Zero);
                    if many || !spoken || needs_too_many_places(shape, latency) {
                        continue;
                    }
                    let mut model = Model::new(shape, truth, latency, 0.1);
                    model.refusal = refusal;
                    let told = model.run(long_enough(shape));
                    // Each refusal costs as much time as the provider asks for, or counts in its windows; and in a window of a second, an
                    // answer that takes as long comes too late to keep the next requests back.
                    let gentle = matches!(refusal, Refusal::Silent | Refusal::Zero) && latency <= 100;
                    let (least, most) = match refusal {
                        _ if gentle && shape[0].0 >= 300 && shape[0].1 <= 5000 => (0.9, 0.03),
                        _ if gentle => (0.84, 0.085),
                        _ if latency <= 100 => (0.6, 0.13),
                        _ => (0.45, 0.27),
                    };
                    let refused = f64::from(told.refused) / f64::from(told.admitted + told.refused);
                    if told.share < least || refused > most {
                        let learnt = model.pace.learnt_windows();
                        bad.push(format!("{shape:?} {truth:.2} {latency} ms {refusal:?}: share {:.3} refused {refused:.3} {learnt:?}", told.share));
                    }
                }
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn what_was_learnt_is_told_seldom_and_serves_the_next_process() {
    let mut model = Model::new(&[(100, 5000)], 1.0 / 3.0, 100, 0.1);
    let told = model.run(50);
    assert!((1..=25).contains(&told.notes.len()), "{:?}", told.notes);
    let learnt = told.notes.last().unwrap().clone();
    assert!(learnt.len() == 1 && (58..=72).contains(&learnt[0].count), "{learnt:?}");
    let refused = told.refused;
    let mut next = Model::new(&[(100, 5000)], 1.0 / 3.0, 100, 0.1);
    next.pace.restore_learnt(ms(0), &learnt);
    let again = next.run(50);
    assert!(again.refused < refused && again.share >= 0.85, "{again:?} after {refused}");
}

#[test]
fn a_limit_that_was_lowered_for_a_while_is_found_both_times() {
    let mut model = Model::new(&[(100, 5000)], 1.0, 100, 0.1);
    assert_eq!(model.run(10).refused, 0);
    model.truth[0].count = 30;
    let low = model.run(50);
    assert!(low.share >= 0.85 && low.refused < 75, "{low:?} {:?}", model.pace.learnt_windows());
    model.truth[0].count = 100;
    model.run(80);
    assert!(model.pace.learnt_windows().is_empty(), "{:?}", model.pace.learnt_windows());
    let high = model.run(20);
    assert!(high.refused == 0 && high.share >= 0.97, "{high:?}");
}

#[test]
fn a_limit_that_is_told_is_kept_to_from_then_on() {
    let mut model = Model::new(&[(10, 1000)], 1.0, 100, 0.1);
    model.tells = Some(window(30, 60_000));
    model.truth = vec![window(30, 60_000)];
    let told = model.run(1800);
    assert_eq!(model.pace.learnt_windows().len(), 1);
    assert!(f64::from(told.admitted) >= 900.0 * 0.9, "{told:?}");
    assert!(told.refused * 20 <= told.admitted, "{told:?}");
}

#[test]
fn windows_of_another_shape_than_declared_are_got_along_with() {
    for declared in [&[(10, 1000)][..], &[]] {
        let mut model = Model::new(declared, 1.0, 100, 0.1);
        model.truth = vec![window(300, 60_000)];
        let told = model.run_for(Duration::from_secs(3600));
        assert!(
            f64::from(told.admitted) >= 300.0 * 60.0 * 0.7,
            "{declared:?}: {told:?} {:?}",
            model.pace.learnt_windows()
        );
        assert!(told.refused * 20 <= told.admitted, "{declared:?}: {told:?}");
    }
}

#[test]
fn refusals_by_chance_cost_little() {
    for shape in [&[(2000, 5000)][..], &[(400, 1000)], &[(30, 1000)], &[(100, 5000)]] {
        for (stray, least) in [(500, 0.93), (200, 0.9)] {
            for latency in [5, 40, 200] {
                let mut model = Model::new(shape, 1.0, latency, 0.3);
                model.stray = stray;
                let told = model.run_for(Duration::from_secs(60));
                assert!(told.share >= least, "{shape:?} 1/{stray} {latency} ms: {told:?}");
            }
        }
    }
}

#[test]
fn a_limit_that_is_lifted_is_found_within_a_minute() {
    for shape in [&[(100, 1000), (250, 3000)][..], &[(300, 1000)], &[(2000, 5000)]] {
        for truth in [1.0 / 3.0, 0.5] {
            let mut model = Model::new(shape, truth, 40, 0.1);
            let low = model.run_for(Duration::from_secs(60));
            assert!(low.refused > 0, "{shape:?}");
            model.truth.clone_from(&model.declared);
            model.run_for(Duration::from_secs(60));
            let high = model.run_for(Duration::from_secs(20));
            assert!(high.share >= 0.97 && high.refused == 0, "{shape:?} {truth}: {high:?}");
        }
    }
}

#[test]
fn whoever_sets_other_windows_is_believed() {
    let mut pace = Pace::new(&[window(100, 5000)]);
    pace.restore_learnt(ms(0), &[window(33, 5000)]);
    assert_eq!(pace.learnt_windows().len(), 1);
    pace.set_windows(&[window(80, 5000)]);
    assert_eq!((pace.learnt_windows(), pace.windows()), (vec![], &[window(80, 5000)][..]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whenever a provider counts a request (at its sending, at its answer or between), whatever overtakes what, however long it
    /// takes to write requests down, and however often the process stops and another one goes on: no window holds too many.
    #[test]
    fn no_window_ever_holds_too_many(
        count in 1_u32..20, length in 50_u64..2000, second_count in 1_u32..40, second_length in 500_u64..5000,
        trips in prop::collection::vec((0_u64..400, 0.0_f64..=1.0, 0_u64..30), 60..200),
        stops in prop::collection::btree_set(0_usize..200, 0..4), down in 0_u64..3000,
    ) {
        let windows = [window(count, length), window(second_count, second_length)];
        let mut pace = Pace::new(&windows);
        let mut now = 0_u64;
        let mut counted: Vec<u64> = Vec::new();
        // When each ends, when it was sent, and its place among the counted.
        let mut flying: Vec<(u64, u64, usize)> = Vec::new();
        let mut answers: Vec<u64> = Vec::new();
        let whole = |moment: Moment| moment.as_nanos().div_ceil(1_000_000) as u64;
        for (index, (latency, share, writing)) in trips.into_iter().enumerate() {
            if stops.contains(&index) {
                // What is in flight reaches the provider before the next process begins, which takes it as answered just then; what
                // was only written down never does.
                let stopped = now;
                now += down;
                for (_, sent, place) in flying.drain(..) {
                    counted[place] = if sent > stopped { u64::MAX } else { counted[place].min(now) };
                    answers.push(now);
                }
                pace = Pace::new(&windows);
                pace.seed(ms(now), answers.iter().map(|at| ms(now - at)));
            }
            loop {
                flying.sort_unstable();
                while flying.first().is_some_and(|next| next.0 <= now) {
                    let (answered, sent, _) = flying.remove(0);
                    pace.answered(ms(sent), ms(answered));
                    answers.push(answered);
                }
                match pace.reserve(ms(now)) {
                    Ok(()) => break,
                    Err(full) => {
                        let until = if let Full::Until(until) = full { whole(until) } else { u64::MAX };
                        now = until.min(flying.first().map_or(u64::MAX, |next| next.0)).max(now + 1);
                    }
                }
            }
            let sent = now + writing;
            flying.push((sent + latency, sent, counted.len()));
            counted.push(sent + (latency as f64 * share) as u64);
        }
        counted.retain(|at| *at < u64::MAX);
        counted.sort_unstable();
        for window in &windows {
            let length = window.length.as_millis() as u64;
            for pair in counted.windows(window.count as usize + 1) {
                prop_assert!(pair[pair.len() - 1] - pair[0] > length, "{window}: {pair:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Over a long run nearly all is used that N/T allows, where answers take up to a fiftieth of T.
    #[test]
    fn nearly_all_that_true_windows_allow_is_used(
        count in 1_u32..60, length in 500_u64..5000, second in prop::option::of((0.2_f64..1.5, 2_u64..6)),
        latency in 0.0_f64..0.02, jitter in 0.0_f64..=1.0,
    ) {
        let mut shape = vec![(count, length)];
        if let Some((share, times)) = second {
            shape.push((((f64::from(count) * share * times as f64) as u32).max(1), length * times));
        }
        // With its jitter, the latency is at most the fiftieth.
        let latency = (length as f64 * latency / (1.0 + jitter)) as u64;
        let mut model = Model::new(&shape, 1.0, latency, jitter);
        let time = ms(length * 120);
        let told = model.run_for(time);
        let allowed = shape.iter().map(|(count, length)| f64::from(*count) * time.as_secs_f64() * 1000.0 / *length as f64);
        let used = f64::from(told.admitted) / allowed.fold(f64::INFINITY, f64::min);
        prop_assert!(told.refused == 0 && used >= 0.97, "{shape:?} {latency} ms, {jitter}: {used} {told:?}");
    }
}

/// How the model's provider refuses: one that enforces sliding windows of its own, and is asked as fast as the pace allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
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
struct Model {
    pace: Pace,
    refusal: Refusal,
    /// What it really allows.
    truth: Vec<Window>,
    declared: Vec<Window>,
    latency: u64,
    jitter: f64,
    /// Requests in flight at once.
    slots: Slots,
    /// One request in so many is refused by chance; 0 for none.
    stray: u32,
    /// The limit that its refusals tell.
    tells: Option<Window>,
    counted: Vec<VecDeque<Moment>>,
    now: Moment,
    random: u64,
}

/// What came of it.
#[derive(Debug, Clone)]
struct ModelRun {
    /// What was to be written down about what was learnt.
    notes: Vec<Vec<Window>>,
    admitted: u32,
    refused: u32,
    /// What was admitted after the first fifth, of what is allowed in that time.
    share: f64,
}

impl Model {
    /// A provider that allows this share of the declared counts, and answers after this time, more or less.
    fn new(shape: &[(u32, u64)], share: f64, latency: u64, jitter: f64) -> Self {
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
            stray: 0,
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
        if self.stray > 0 && self.random() * f64::from(self.stray) < 1.0 {
            return Err(Duration::ZERO);
        }
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
    fn run(&mut self, windows: u32) -> ModelRun {
        let longest = self.declared.iter().map(|window| window.length).max().unwrap();
        self.run_for(longest * windows)
    }

    /// Asks for so long, as fast as it may.
    fn run_for(&mut self, time: Duration) -> ModelRun {
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
                    self.pace.note_admitted(at);
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
                let full = self.pace.reserve(self.now).err();
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
        ModelRun { notes, admitted, refused, share: f64::from(late) / allowed }
    }
}
