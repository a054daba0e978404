//! The pace under a virtual clock: against providers with windows of their own, whatever those really allow.

mod model;

use super::*;
use model::{Model, Refusal};
use proptest::prelude::*;

fn window(count: u32, millis: u64) -> Window {
    Window { count, length: Duration::from_millis(millis) }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_full_window_opens_when_its_oldest_answer_has_left_it() {
    let mut pace = Pace::new(&[window(2, 1000)]);
    assert_eq!(pace.take(ms(0)), Ok(()));
    assert_eq!(pace.take(ms(0)), Ok(()));
    assert_eq!(pace.take(ms(1)), Err(Full::UntilAnswer));
    pace.answered(ms(100));
    assert_eq!(pace.take(ms(100)), Err(Full::Until(ms(1102))));
    assert_eq!(pace.limit(), Some(Limit::Window(window(2, 1000))));
    pace.answered(ms(300));
    assert_eq!(pace.take(ms(1102)), Ok(()));
    assert_eq!(pace.limit(), None);
    assert_eq!(pace.take(ms(1102)), Err(Full::Until(ms(1302))));
}

#[test]
fn a_provider_is_held_back_as_long_as_it_asks() {
    for (asked, held) in [(ms(2000), ms(2000)), (Duration::MAX, LONGEST_HOLD)] {
        let mut pace = Pace::new(&[]);
        assert_eq!(pace.take(ms(0)), Ok(()));
        pace.answered(ms(100));
        assert_eq!(pace.throttled(ms(100), Some(asked), None), ms(100) + held);
        assert_eq!(pace.take(ms(1999)), Err(Full::Until(ms(100) + held)));
        assert_eq!(pace.limit(), Some(Limit::Held(ms(100) + held)));
        assert_eq!(pace.take(ms(100) + held), Ok(()));
    }
}

#[test]
fn one_that_says_nothing_is_asked_ever_more_seldom() {
    for windows in [vec![], vec![window(100, 5000), window(1000, 180_000)], vec![window(5, 1000)]] {
        for asked in [None, Some(Duration::ZERO)] {
            let mut pace = Pace::new(&windows);
            let (mut now, mut asks) = (ms(0), 0);
            while now < Duration::from_secs(3600) {
                match pace.take(now) {
                    Ok(()) => {
                        asks += 1;
                        now += ms(50);
                        pace.answered(now);
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
    assert_eq!(pace.take(ms(5000)), Ok(()));
    assert_eq!(pace.take(ms(5000)), Err(Full::Until(ms(5102))));
}

#[test]
fn new_windows_hold_at_once_over_what_was_sent() {
    let mut pace = Pace::new(&[window(100, 10_000)]);
    for _ in 0..4 {
        assert_eq!(pace.take(ms(0)), Ok(()));
        pace.answered(ms(0));
    }
    pace.set_windows(&[window(4, 1000)]);
    assert_eq!(pace.take(ms(500)), Err(Full::Until(ms(1002))));
    pace.set_windows(&[window(5, 60_000)]);
    assert_eq!(pace.take(ms(1002)), Ok(()));
    assert!(pace.take(ms(1002)).is_err());
}

/// Windows as they are declared, and the latency of each request.
const SHAPES: [&[(u32, u64)]; 6] = [
    &[(100, 5000), (1000, 180_000)],
    &[(30, 1000)],
    &[(12, 1000), (60, 10_000)],
    &[(50, 5000)],
    &[(300, 60_000)],
    &[(1000, 1000)],
];

#[test]
fn under_a_true_limit_nothing_is_refused_and_all_is_used() {
    for shape in SHAPES {
        for latency in [20, 100, 500, 2000] {
            for more in [1.0, 1.5] {
                let mut model = Model::new(shape, more, latency, 0.3);
                let told = model.run(25);
                assert_eq!(told.refused, 0, "{shape:?} {latency}");
                assert!(model.pace.learnt_windows().is_empty());
                assert!(told.share >= 0.97, "{shape:?} {latency} ms: {}", told.share);
            }
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
                        (shape[0].0 == 1000 && truth > 0.4, shape[0].0 == 30 || refusal != Refusal::Zero);
                    if many || !spoken {
                        continue;
                    }
                    let mut model = Model::new(shape, truth, latency, 0.1);
                    model.refusal = refusal;
                    let told = model.run(50);
                    // A wait in whole seconds, and answers that come after the window is over, cost short windows more.
                    let shortest = shape.iter().map(|(_, millis)| *millis).min().unwrap();
                    let hard = shortest == 1000 && latency >= 500 && (latency > 1000 || refusal == Refusal::Asks);
                    let counts = refusal == Refusal::Counts;
                    let least = if hard {
                        0.7
                    } else if counts {
                        0.75
                    } else {
                        0.9
                    };
                    // The first answer comes when everything is sent already.
                    let late = latency * 2 >= shortest;
                    let most = if counts || latency > 1000 {
                        0.13
                    } else if late {
                        0.07
                    } else {
                        0.05
                    };
                    let refused = f64::from(told.refused) / f64::from(told.admitted + told.refused);
                    if told.share < least || refused > most {
                        let learnt = model.pace.learnt_windows();
                        bad.push(format!("{shape:?} {truth:.2} {latency} ms {refusal:?}: {told:?} {learnt:?}"));
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
    assert!(learnt.len() == 1 && (30..=36).contains(&learnt[0].count), "{learnt:?}");
    let refused = told.refused;
    let mut next = Model::new(&[(100, 5000)], 1.0 / 3.0, 100, 0.1);
    next.pace.recall(ms(0), &learnt);
    let again = next.run(50);
    assert!(again.refused < refused && again.share >= 0.9, "{again:?} after {refused}");
}

#[test]
fn a_limit_that_was_lowered_for_a_while_is_found_both_times() {
    let mut model = Model::new(&[(100, 5000)], 1.0, 100, 0.1);
    assert_eq!(model.run(10).refused, 0);
    model.truth[0].count = 30;
    let low = model.run(50);
    assert!(low.share >= 0.9 && low.refused < 75, "{low:?} {:?}", model.pace.learnt_windows());
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whenever a provider counts a request (at its sending, at its answer or between), no window holds too many.
    #[test]
    fn no_window_ever_holds_too_many(
        count in 1_u32..20, length in 50_u64..2000, second_count in 1_u32..40, second_length in 500_u64..5000,
        latencies in prop::collection::vec(0_u64..400, 60..200), share in 0.0_f64..=1.0,
    ) {
        let windows = [window(count, length), window(second_count, second_length)];
        let mut pace = Pace::new(&windows);
        let mut now = 0_u64;
        let mut counted: Vec<u64> = Vec::new();
        let mut flying: Vec<u64> = Vec::new();
        for latency in latencies {
            loop {
                flying.sort_unstable();
                while flying.first().is_some_and(|end| *end <= now) {
                    pace.answered(ms(flying.remove(0)));
                }
                match pace.take(ms(now)) {
                    Ok(()) => break,
                    Err(full) => {
                        let until = if let Full::Until(until) = full { until.as_micros().div_ceil(1000) as u64 } else { u64::MAX };
                        now = until.min(flying.first().copied().unwrap_or(u64::MAX)).max(now + 1);
                    }
                }
            }
            counted.push(now + (latency as f64 * share) as u64);
            flying.push(now + latency);
        }
        counted.sort_unstable();
        for window in &windows {
            let length = window.length.as_millis() as u64;
            for pair in counted.windows(window.count as usize + 1) {
                prop_assert!(pair[pair.len() - 1] - pair[0] > length, "{window}: {pair:?}");
            }
        }
    }
}
