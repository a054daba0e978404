//! How long a plan will take: the same queue and the same pace as a run's, on a virtual clock. No second model, and no formula.

use super::pace::{Moment, Pace};
use super::ready::{Ready, Turn};
use crate::journal::reader::QueuedAction;
use crate::plan::{Account, Settings};
use crate::run::Ordinal;
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// What a run will take, if every action ends well at its first attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// From the start to the last answer.
    pub takes: Duration,
    /// The same by account, in the settings' order.
    pub accounts: Vec<AccountForecast>,
}

/// What one account will take.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountForecast {
    /// Requests.
    pub requests: u64,
    /// From the start to its last answer.
    pub takes: Duration,
    /// What bounds it, for people.
    pub bound: String,
}

/// Foretells a run of these actions (in plan order, duplicates left out by the caller or marked) that begins at `start`, where
/// each answer takes `latency`.
pub fn forecast(settings: &Settings, queue: &[QueuedAction], start: Timestamp, latency: Duration) -> Forecast {
    let lanes = settings.accounts.iter().map(|account| (Pace::new(&account.windows), account.concurrency));
    let mut ready = Ready::new(lanes.collect(), settings.safety.canary);
    for (index, account) in settings.accounts.iter().enumerate() {
        let shares = |first: &&Account| first.provider == account.provider && first.credentials == account.credentials;
        if let Some(first) = settings.accounts[..index].iter().position(|first| shares(&first)) {
            ready.share(index, first);
        }
        if account.concurrency_follows {
            ready.follow(index, account.concurrency);
        }
    }
    let mut accounts: Vec<AccountForecast> = settings
        .accounts
        .iter()
        .map(|_| AccountForecast { requests: 0, takes: Duration::ZERO, bound: String::new() })
        .collect();
    for action in queue.iter().filter(|action| action.duplicate_of.is_none()) {
        let ahead = action.not_before.and_then(|at| Duration::try_from(at.duration_since(start)).ok());
        ready.add(action.ordinal, action.account, &action.needs, ahead);
    }
    let mut now = Moment::ZERO;
    let mut flying: BinaryHeap<Reverse<(Moment, Ordinal, usize)>> = BinaryHeap::new();
    loop {
        while let Some(Reverse((ends, ordinal, account))) = flying.peek().copied().filter(|flight| flight.0.0 <= now) {
            flying.pop();
            ready.stepped(account);
            ready.answered(account, ends);
            ready.pace(account).answered(ends);
            ready.ended(ordinal, true);
            accounts[account].takes = ends;
        }
        let answer = flying.peek().map(|Reverse((ends, ..))| *ends);
        now = match (ready.next(now), answer) {
            (Turn::Start { ordinal, account }, _) => {
                accounts[account].requests += 1;
                flying.push(Reverse((now + latency, ordinal, account)));
                continue;
            }
            (Turn::Wait(moment), Some(answer)) => moment.min(answer),
            (Turn::Wait(moment), None) => moment,
            (Turn::WaitForAnswer | Turn::Idle, Some(answer)) => answer,
            (Turn::WaitForAnswer | Turn::Idle, None) => break,
        };
    }
    for (forecast, account) in accounts.iter_mut().zip(&settings.accounts) {
        forecast.bound = bound(account, forecast.requests, latency);
    }
    Forecast { takes: accounts.iter().map(|account| account.takes).max().unwrap_or_default(), accounts }
}

/// The limit that bounds so many requests the most.
fn bound(account: &Account, requests: u64, latency: Duration) -> String {
    let concurrency = u64::from(account.concurrency.max(1));
    let by_latency = latency.mul_f64(requests.div_ceil(concurrency) as f64);
    let by_window =
        |count: u32, length: Duration| length.mul_f64((requests.saturating_sub(1) / u64::from(count)) as f64);
    let slowest = account.windows.iter().max_by_key(|window| by_window(window.count, window.length));
    match slowest {
        Some(window) if by_window(window.count, window.length) > by_latency => format!("rate {window}"),
        _ if requests > concurrency => {
            format!("concurrency {concurrency} at {} an answer", crate::time::human(latency))
        }
        _ => format!("{} an answer", crate::time::human(latency)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::settings::{DEFAULT_TIMEOUT, Retry, Safety, Schedule};
    use crate::provider::model::Window;
    use std::collections::BTreeMap;

    fn settings(windows: &[&str], concurrency: u32, canary: u64) -> Settings {
        let account = Account {
            name: "a".to_owned(),
            provider: "p".to_owned(),
            base_url: "https://localhost".to_owned(),
            auth_url: None,
            variables: BTreeMap::new(),
            credentials: BTreeMap::new(),
            windows: windows.iter().map(|text| Window::parse(text).unwrap()).collect(),
            concurrency,
            concurrency_follows: false,
            reasons: BTreeMap::new(),
        };
        Settings {
            name: "plan".to_owned(),
            deadline: None,
            accounts: vec![account],
            retry: Retry::default(),
            timeout: DEFAULT_TIMEOUT,
            schedule: Schedule::default(),
            safety: Safety { canary, ..Safety::default() },
            keep_columns: Vec::new(),
        }
    }

    #[test]
    fn the_slowest_limit_decides() {
        for (windows, concurrency, canary, actions, expected_ms, bound) in [
            (vec![], 1, 0, 10, 2000, "concurrency 1 at 0.2s an answer"),
            (vec![], 10, 0, 10, 200, "0.2s an answer"),
            (vec!["10/1s"], 10, 0, 20, 1402, "rate 10/1s"),
            (vec!["10/1s", "15/60s"], 10, 0, 20, 60_406, "rate 15/60s"),
            (vec![], 10, 5, 10, 1200, "0.2s an answer"),
        ] {
            let queue: Vec<QueuedAction> = (0..actions)
                .map(|ordinal| QueuedAction {
                    ordinal,
                    account: 0,
                    needs: vec![],
                    not_before: None,
                    duplicate_of: None,
                })
                .collect();
            let forecast = forecast(
                &settings(&windows, concurrency, canary),
                &queue,
                Timestamp::UNIX_EPOCH,
                Duration::from_millis(200),
            );
            assert_eq!(forecast.takes.as_millis(), expected_ms, "{windows:?} {concurrency} {canary} {actions}");
            assert_eq!(forecast.accounts[0].bound, bound);
            assert_eq!(forecast.accounts[0].requests, actions);
        }
    }
}
