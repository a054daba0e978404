//! What the limiter costs by itself: a run's queue and pace under a virtual clock, driven as a run drives them, without requests,
//! journal or timers. Every answer comes alone, so that the queue is asked once more for each than a busy run asks it. Prints a table.
//!
//!     cargo bench --bench limiter
//!
//! With `--rounds 5` it only prints the share of a core that it takes at 1,000 a second with 1,024 queued: `benches/compare` reads them.
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use certsweep::engine::pace::Pace;
use certsweep::engine::scheduler::{Decision, Scheduler};
use certsweep::engine::timing::Moment;
use certsweep::provider::model::Window;
use rustix::time::{ClockId, clock_gettime};
use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What came of driving it.
struct Driven {
    released: u32,
    /// How often the queue was asked what is next.
    asked: u32,
    /// What the clock showed when the last was released.
    virtually: Duration,
    cpu: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--rounds", rounds] => {
            for _ in 0..rounds.parse::<u32>()? {
                println!("share {:.6}", share(1_000, &drive(1_000, MAX_QUEUED)));
            }
        }
        _ => table(),
    }
    Ok(())
}

fn table() {
    println!("the limiter alone, answers after {} ms", LATENCY.as_millis());
    println!(
        "{:>9} {:>7} {:>9} {:>12} {:>13} {:>10} {:>10}",
        "limit", "queued", "released", "used of it", "asked/action", "ns/action", "of a core"
    );
    for (limit, queued) in [(50, MAX_QUEUED), (1_000, 64), (1_000, MAX_QUEUED), (20_000, MAX_QUEUED)] {
        let driven = drive(limit, queued);
        let actions = f64::from(driven.released);
        println!(
            "{:>9} {queued:>7} {:>9} {:>12.3} {:>13.2} {:>10.0} {:>9.3}%",
            format!("{limit}/1s"),
            driven.released,
            actions / driven.virtually.as_secs_f64() / f64::from(limit),
            f64::from(driven.asked) / actions,
            driven.cpu.as_secs_f64() * 1e9 / actions,
            share(limit, &driven) * 100.0
        );
    }
}

/// The share of a core that it takes at this rate.
fn share(limit: u32, driven: &Driven) -> f64 {
    driven.cpu.as_secs_f64() / f64::from(driven.released) * f64::from(limit)
}

/// Releases what a limit allows in [`SECONDS`] and the one after, while always so many wait.
fn drive(limit: u32, queued: u32) -> Driven {
    let window = Window { count: limit, length: Duration::from_secs(1) };
    let mut scheduler = Scheduler::new(vec![(Pace::new(&[window]), MAX_QUEUED)], 0);
    let mut next = 0;
    let mut add = |scheduler: &mut Scheduler| {
        scheduler.add(next, 0, &[], None);
        next += 1;
    };
    (0..queued).for_each(|_| add(&mut scheduler));
    let (mut now, mut asked, mut released) = (Moment::ZERO, 0, 0);
    let mut under_way: VecDeque<(Moment, u64, Moment)> = VecDeque::new();
    let before = cpu();
    while released <= limit * SECONDS {
        asked += 1;
        let decision = scheduler.next(now);
        if let Decision::Start { ordinal, .. } = decision {
            under_way.push_back((now + LATENCY, ordinal, now));
            released += 1;
            add(&mut scheduler);
            continue;
        }
        let answered = under_way.front().map(|(answered, ..)| *answered);
        let opens = if let Decision::Wait(moment) = decision { Some(moment) } else { None };
        now = answered.into_iter().chain(opens).min().expect("either an answer or the limit lets it go on");
        if answered == Some(now)
            && let Some((answered, ordinal, sent)) = under_way.pop_front()
        {
            scheduler.pace(0).answered(sent, answered);
            scheduler.pace(0).note_admitted(answered);
            scheduler.step_ended(0);
            scheduler.action_ended(ordinal, true);
        }
    }
    Driven { released: released - 1, asked, virtually: now, cpu: cpu() - before }
}

/// The processor time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

const SECONDS: u32 = 100;
/// The most requests that a plan may have in flight, and here the most that wait.
const MAX_QUEUED: u32 = 1024;
const LATENCY: Duration = Duration::from_millis(20);
