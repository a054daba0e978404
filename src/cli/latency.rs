//! How long a request takes, for estimates: as somebody says, as the newest runs at the same provider took, or else assumed. Reads the
//! journals of earlier runs, and changes none.

use super::runs::newest_runs;
use crate::journal::{JournalError, RunDir};
use crate::plan::Settings;
use crate::simulator::Faults;
use crate::view::preview::LatencySource;
use std::path::Path;
use std::time::Duration;

/// How long a request of an account takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// One request.
    pub each: Duration,
    /// Who says so.
    pub source: LatencySource,
}

/// The latency of each account: what `known` says of it by name, else what earlier runs tell, else half a second.
pub fn latencies(settings: &Settings, known: impl Fn(&str) -> Option<Latency>) -> Vec<Latency> {
    let mut found: Vec<_> = settings.accounts.iter().map(|account| known(&account.name)).collect();
    if found.contains(&None) {
        for run in newest_runs(MAX_RUNS) {
            // A run that cannot be read tells nothing; whoever needs to know of it asks by another way.
            drop(add_from(&run, settings, &mut found));
            if !found.contains(&None) {
                break;
            }
        }
    }
    let assumed = Latency { each: ASSUMED, source: LatencySource::Assumed };
    found.into_iter().map(|latency| latency.unwrap_or(assumed)).collect()
}

/// The latency of the simulator with these faults, as the command line has them; one that is wrong is told of when the simulator starts.
pub fn simulated_latency(faults: &[String], account: &str) -> Latency {
    let mut latencies = faults.iter().filter_map(|spec| Faults::parse(spec).ok()).map(|faults| faults.latency(account));
    let waits = latencies.rfind(|latency| !latency.is_zero()).unwrap_or_default();
    Latency { each: waits + BARE_ANSWER, source: LatencySource::Simulator }
}

fn add_from(run: &Path, settings: &Settings, found: &mut [Option<Latency>]) -> Result<(), JournalError> {
    let reader = RunDir::existing(run)?.read()?;
    let facts = reader.facts()?;
    // The simulator answers at once.
    if facts.simulated {
        return Ok(());
    }
    let took = reader.latencies()?;
    for (account, latency) in settings.accounts.iter().zip(found).filter(|(_, latency)| latency.is_none()) {
        let is_same = |(number, _): &&(usize, Duration)| {
            let then = facts.settings.accounts.get(*number);
            then.is_some_and(|then| then.provider == account.provider && then.base_url == account.base_url)
        };
        let same = took.iter().find(is_same);
        *latency = same.map(|(_, each)| Latency { each: *each, source: LatencySource::EarlierRun });
    }
    Ok(())
}

/// What a request is assumed to take where nobody knows: providers answer in 50 ms to 2 s.
const ASSUMED: Duration = Duration::from_millis(500);
/// What an answer of the simulator takes by itself.
const BARE_ANSWER: Duration = Duration::from_millis(1);
/// So many runs are opened.
const MAX_RUNS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulators_latency_is_what_its_faults_say() {
        for (faults, account, expected_ms) in [
            (&[][..], "a", 1),
            (&["latency=20ms", "429=1/20"], "a", 21),
            (&["latency=20ms,b:latency=2s"], "b", 2001),
            (&["b:latency=2s", "nonsense"], "a", 1),
        ] {
            let faults: Vec<String> = faults.iter().map(|fault| (*fault).to_owned()).collect();
            assert_eq!(simulated_latency(&faults, account).each.as_millis(), expected_ms, "{faults:?} {account}");
        }
    }
}
