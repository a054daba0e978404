//! How much of what windows allow a run uses, and how much is refused, against the simulator with enforced sliding windows: real
//! time, over loopback. `truth` is the share of the declared limits that the simulator really allows. Prints a table.
//!
//! Measured is a steady stretch between two requests that stand at the same place of their windows, so that neither the burst at the
//! beginning nor the last, half empty window counts: m windows' worth of requests, and the time from the first to the one after
//! them. Where less is true than declared, the stretch begins after a third of the run; refusals count over the whole of it.
//!
//!     cargo bench --bench limits
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use certsweep::provider::model::Window;
use certsweep::run::Event;
use certsweep::simulator::Faults;
use shared::{Ran, Setting};
use std::error::Error;
use std::time::Duration;

#[path = "shared/mod.rs"]
mod shared;

/// A row of the table.
struct Row {
    declared: &'static str,
    truth: (u32, u32),
    latency: &'static str,
    /// One request in so many is refused by chance; 0 for none. Then the first minute is measured.
    stray: u32,
    actions: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "{:<16} {:>5} {:>8} {:>6} {:>9} {:>10} {:>11} {:>6} {:>8}",
        "declared", "truth", "latency", "stray", "requests", "allowed/s", "achieved/s", "share", "refused"
    );
    for row in ROWS {
        let (ran, ends) = once(row)?;
        let (allowed, at_once) = allowed(row);
        let achieved = steady(row, &ends, at_once).ok_or("the run is too short to be measured")?;
        println!(
            "{:<16} {:>5} {:>8} {:>6} {:>9} {:>10.1} {:>11.1} {:>6.3} {:>7.1}%",
            row.declared,
            if row.truth.0 == row.truth.1 { "1".to_owned() } else { format!("{}/{}", row.truth.0, row.truth.1) },
            row.latency,
            if row.stray == 0 { "-".to_owned() } else { format!("1/{}", row.stray) },
            ran.requests,
            allowed,
            achieved,
            achieved / allowed,
            ran.limited as f64 * 100.0 / ran.requests as f64
        );
    }
    Ok(())
}

/// What the true windows allow: requests a second, and how many at once, of the window that allows the least.
fn allowed(row: &Row) -> (f64, usize) {
    let windows = row.declared.split(", ").map(|text| Window::parse(text).expect("a window"));
    let truth = windows.map(|window| {
        let count = (window.count * row.truth.0 / row.truth.1).max(1);
        (f64::from(count) / window.length.as_secs_f64(), count as usize)
    });
    truth.fold((f64::INFINITY, 1), |least, one| if one.0 < least.0 { one } else { least })
}

/// Requests a second of the steady stretch.
fn steady(row: &Row, ends: &[Duration], at_once: usize) -> Option<f64> {
    if row.stray > 0 {
        let count = ends.partition_point(|end| *end <= MINUTE);
        return Some(count as f64 / ends.last()?.min(&MINUTE).as_secs_f64());
    }
    let last = ends.len().checked_sub(1)?;
    let (first, last) = if row.truth.0 == row.truth.1 {
        (0, last / at_once * at_once)
    } else {
        let settled = *ends.last()? / 3;
        (ends.partition_point(|end| *end < settled), last)
    };
    let lasted = ends.get(last)?.checked_sub(*ends.get(first)?)?;
    (last > first).then(|| (last - first) as f64 / lasted.as_secs_f64())
}

/// Runs a row's plan, and tells when each action had ended, since the run's beginning.
fn once(row: &Row) -> Result<(Ran, Vec<Duration>), Box<dyn Error>> {
    let stray = if row.stray == 0 { String::new() } else { format!(",bare-429=1/{}", row.stray) };
    let setting = Setting {
        plan: shared::plan(&format!("rate: [{}]", row.declared), row.actions),
        faults: Faults::parse(&format!("limit={}/{},latency={}{stray}", row.truth.0, row.truth.1, row.latency))?,
        enforced: true,
        verified: false,
        journal: true,
    };
    let mut ends = Vec::new();
    let ran = shared::run(setting, |since, event| {
        if let Event::ActionEnded { .. } = event {
            ends.push(since);
        }
    })?;
    Ok((ran, ends))
}

const ROWS: &[Row] = &[
    Row { declared: "100/1s, 250/3s", truth: (1, 1), latency: "5ms", stray: 0, actions: 1251 },
    Row { declared: "50/1s", truth: (1, 1), latency: "1ms", stray: 0, actions: 501 },
    Row { declared: "1000/1s", truth: (1, 1), latency: "1ms", stray: 0, actions: 10_001 },
    Row { declared: "100/1s, 250/3s", truth: (1, 3), latency: "5ms", stray: 0, actions: 560 },
    Row { declared: "300/1s", truth: (1, 2), latency: "5ms", stray: 0, actions: 1800 },
    Row { declared: "2000/5s", truth: (1, 1), latency: "40ms", stray: 500, actions: 24_000 },
    Row { declared: "2000/5s", truth: (1, 1), latency: "40ms", stray: 200, actions: 24_000 },
    Row { declared: "100/1s", truth: (1, 1), latency: "40ms", stray: 200, actions: 6000 },
];

/// What a deadline loses by stray refusals shows in the first minute, before anything is learnt.
const MINUTE: Duration = Duration::from_secs(60);
