//! How long a run of 60,000 actions takes against the simulator, over loopback, with the journal on disk and limits opened wide.
//! Server and client share the machine. Each run has a twin without a journal beside it: `share` is the journal's throughput as a
//! share of the twin's. Prints a table.
//!
//!     cargo bench --bench run
//!
//! With `--slots 64 --rounds 5` it only prints the share of each round with 64 requests in flight, with `--limit 400/1s` under that limit:
//! `benches/compare` reads them.
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use certsweep::provider::model::Window;
use certsweep::simulator::Faults;
use shared::{Ran, Setting};
use std::error::Error;
use std::time::Duration;

#[path = "shared/mod.rs"]
mod shared;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--slots", slots, "--rounds", rounds] => shares(slots.parse()?, rounds.parse()?, WIDE, ACTIONS),
        ["--slots", slots, "--rounds", rounds, "--limit", limit] => {
            // Ten windows, of which the first goes at once.
            let actions = 10 * Window::parse(limit)?.count;
            shares(slots.parse()?, rounds.parse()?, limit, actions)
        }
        _ => table(),
    }
}

fn shares(slots: u32, rounds: usize, limit: &str, actions: u32) -> Result<(), Box<dyn Error>> {
    for _ in 0..rounds {
        let (with, bare) = (once(slots, limit, actions, true)?, once(slots, limit, actions, false)?);
        println!("share {:.3}", bare.ran.as_secs_f64() / with.ran.as_secs_f64());
    }
    Ok(())
}

fn table() -> Result<(), Box<dyn Error>> {
    println!("a run of {ACTIONS} actions against the simulator");
    println!(
        "{:>8} {:>10} {:>10} {:>12} {:>14} {:>8} {:>11}",
        "slots", "check s", "run s", "actions/s", "no journal", "share", "journal us"
    );
    for slots in [8, 64, 256] {
        let mut shares = Vec::new();
        let (mut best, mut without) = ((Duration::MAX, Duration::MAX, Duration::MAX), Duration::MAX);
        for _ in 0..ROUNDS {
            // Side by side, since a shared machine is faster in one minute than in the next.
            let with = once(slots, WIDE, ACTIONS, true)?;
            let bare = once(slots, WIDE, ACTIONS, false)?.ran;
            shares.push(bare.as_secs_f64() / with.ran.as_secs_f64());
            best = (best.0.min(with.checked), best.1.min(with.ran), best.2.min(with.journal));
            without = without.min(bare);
        }
        shares.sort_by(f64::total_cmp);
        let rate = |ran: Duration| f64::from(ACTIONS) / ran.as_secs_f64();
        println!(
            "{slots:>8} {:>10.3} {:>10.3} {:>12.0} {:>14.0} {:>8.2} {:>11.1}",
            best.0.as_secs_f64(),
            best.1.as_secs_f64(),
            rate(best.1),
            rate(without),
            shares[shares.len() / 2],
            best.2.as_secs_f64() * 1e6 / f64::from(ACTIONS)
        );
    }
    Ok(())
}

/// One run, with or without a journal.
fn once(slots: u32, limit: &str, actions: u32, journal: bool) -> Result<Ran, Box<dyn Error>> {
    let plan = shared::plan(&format!("rate: [{limit}], concurrency: {slots}"), actions);
    let setting = Setting { plan, faults: Faults::default(), enforced: false, verified: true, journal };
    let ran = shared::run(setting, |_, _| {})?;
    assert_eq!(ran.effects, u64::from(actions));
    Ok(ran)
}

/// A limit that binds nothing.
const WIDE: &str = "1000000/1s";
const ACTIONS: u32 = 60_000;
/// Rounds of a run with and one without a journal; the share is the median of their ratios.
const ROUNDS: usize = 5;
