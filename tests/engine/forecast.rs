//! What is foretold against what the engine then takes, both in virtual time: within a tenth.

use super::world::Faults;
use super::{Bench, Cut, mixed, virtual_time};
use certsweep::engine::forecast::{Assumptions, forecast};
use certsweep::journal::Queue;
use certsweep::plan::Action;
use certsweep::plan::settings::Safety;
use certsweep::provider::model::Window;
use certsweep::provider::target_state;
use certsweep::run::Event;
use jiff::Timestamp;
use std::time::Duration;

/// Windows of both accounts, requests in flight, canaries, actions.
type Setting<'a> = ([&'a [&'a str]; 2], u32, u64, usize);

#[test]
fn the_estimate_is_within_a_tenth_of_the_run() {
    let settings: [Setting<'_>; 8] = [
        ([&["5/1s", "20/10s"], &["4/1s"]], 4, 0, 160),
        ([&["50/5s", "100/60s"], &["10/1s"]], 16, 0, 400),
        ([&["40/2s"], &["40/2s"]], 16, 0, 600),
        ([&["1000/1s"], &["1000/1s"]], 1, 0, 120),
        ([&["1000/1s"], &["1000/1s"]], 8, 0, 800),
        ([&["3/1s"], &["7/2s", "30/30s"]], 4, 5, 200),
        ([&["1/1s"], &["1000/1s"]], 4, 0, 60),
        ([&["10/1s"], &["10/1s"]], 2, 40, 200),
    ];
    for setting in settings {
        let (ran, foretold) = virtual_time(compare(setting));
        let ratio = foretold.as_secs_f64() / ran.as_secs_f64();
        assert!((0.9..1.1).contains(&ratio), "{setting:?}: foretold {foretold:?}, took {ran:?}");
    }
}

async fn compare((windows, concurrency, canary, count): Setting<'_>) -> (Duration, Duration) {
    let mut bench = Bench::new(11, Faults::none(), &mixed(count));
    bench.settings.safety = Safety { canary, ..Safety::default() };
    for (account, windows) in bench.settings.accounts.iter_mut().zip(windows) {
        account.windows = windows.iter().map(|text| Window::parse(text).unwrap()).collect();
        account.concurrency = concurrency;
    }
    let mut queue = Queue::default();
    for action in &bench.actions {
        queue.push(action.account);
    }
    let read_back = |action: &&Action| {
        let provider = bench.catalog.get(&bench.settings.accounts[action.account].provider).unwrap();
        let rules = provider.operation(&action.operation).unwrap().action.as_ref().unwrap();
        !target_state::choose_queries(provider, rules, &action.parameters, None).is_empty()
    };
    let assumptions = Assumptions {
        start: Timestamp::UNIX_EPOCH,
        latencies: vec![LATENCY; 2],
        tokens: vec![false; 2],
        read_back: bench.actions.iter().filter(read_back).map(|action| action.ordinal).collect(),
        further: std::collections::HashMap::new(),
    };
    let foretold = forecast(&bench.settings, &queue, &assumptions).takes.unwrap();
    bench.make();
    let (ending, events) = bench.process(Cut::Never, &[]).await;
    assert!(ending.is_some_and(|ending| ending.well));
    let ran = events.iter().rev().find_map(|event| match event {
        Event::Tick(time) => Some(*time),
        _ => None,
    });
    (ran.unwrap(), foretold)
}

/// The world answers after two times up to 150 ms, each as often as any other.
const LATENCY: Duration = Duration::from_millis(150);
