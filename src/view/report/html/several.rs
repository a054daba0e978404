//! Several runs as one, for a page that tells of all of them: the parts of a plan that went over many machines, mostly. Adds up and joins;
//! decides nothing of a run.

use super::timeline::Timeline;
use crate::journal::RunFacts;
use crate::journal::state::Overview;
use crate::plan::Account;
use crate::run::{RunOrigin, Shard};
use crate::view::status::RunState;
use std::collections::BTreeMap;
use std::time::Duration;

/// One of the runs that a page is of.
#[derive(Debug)]
pub struct PageRun<'a> {
    /// Its constants.
    pub facts: &'a RunFacts,
    /// It as a whole; its actions need not be counted.
    pub run: &'a Overview,
    /// Whether it goes on, has ended, or waits to be resumed.
    pub state: RunState,
    /// Its directory, as it was named.
    pub run_dir: &'a str,
}

/// What is allowed to all parts of one division of a plan together, of one account in one window.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct AllowedOf<'a> {
    account: &'a str,
    length: Duration,
    plan: &'a str,
    parts: u32,
}

/// Several runs as one.
#[derive(Debug)]
pub struct JoinedRuns {
    /// Their constants: what all have in common, and the accounts of all.
    pub facts: RunFacts,
    /// How far they are.
    pub run: Overview,
    /// The state that a person should know of first.
    pub state: RunState,
    /// What happened when; `None` where the records of one cannot be read.
    pub timeline: Option<Timeline>,
}

impl JoinedRuns {
    /// Joins runs, each with its timeline; `None` where there is none.
    pub fn of(runs: &[PageRun<'_>], timelines: Vec<Option<Timeline>>) -> Option<Self> {
        let first = runs.first()?;
        let accounts = joined_accounts(runs);
        let place = |account: &Account| accounts.iter().position(|known| known.name == account.name);
        let parts = runs.iter().zip(timelines).map(|(run, timeline)| {
            let places = run.facts.settings.accounts.iter().map(|account| place(account).unwrap_or(usize::MAX));
            Some((timeline?, places.collect()))
        });
        let timeline = parts.collect::<Option<Vec<_>>>().map(|parts| Timeline::joined(parts, accounts.len()));
        let mut facts = RunFacts { part: None, ..first.facts.clone() };
        facts.settings.accounts = accounts;
        facts.settings.name = distinct(runs.iter().map(|run| run.facts.settings.name.as_str())).join(", ");
        facts.digest = distinct(runs.iter().map(|run| run.facts.digest.as_str())).join(", ");
        facts.actions = runs.iter().map(|run| run.facts.actions).sum();
        facts.made_at = runs.iter().map(|run| run.facts.made_at).min().unwrap_or(facts.made_at);
        facts.simulated = runs.iter().any(|run| run.facts.simulated);
        facts.documents = runs.iter().flat_map(|run| run.facts.documents.clone()).collect();
        // Another plan's deadline is not theirs.
        if runs.iter().any(|run| run.facts.digest != first.facts.digest) {
            facts.settings.deadline = None;
        }
        facts.origin = joined_origin(runs);
        let run = joined_overview(runs);
        let states = [
            RunState::Waiting,
            RunState::Paused,
            RunState::Running,
            RunState::Interrupted,
            RunState::Stopped,
            RunState::Finished,
        ];
        let state = states.into_iter().find(|state| runs.iter().any(|run| run.state == *state));
        Some(Self { facts, run, state: state.unwrap_or(RunState::Finished), timeline })
    }
}

fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for text in texts {
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

/// The accounts of all runs, by name. Of parts of one plan the limits add up to what the plan allows; otherwise the widest counts.
fn joined_accounts(runs: &[PageRun<'_>]) -> Vec<Account> {
    let mut accounts: Vec<Account> = Vec::new();
    // Of each account and window, by plan and division: how much each part was allowed.
    let mut allowed: BTreeMap<AllowedOf<'_>, BTreeMap<u32, u32>> = BTreeMap::new();
    for run in runs {
        let shard = run.facts.part.map(|part| part.shard);
        for account in &run.facts.settings.accounts {
            if !accounts.iter().any(|known| known.name == account.name) {
                accounts.push(account.clone());
            }
            for window in &account.windows {
                let of = AllowedOf {
                    account: &account.name,
                    length: window.length,
                    plan: &run.facts.digest,
                    parts: shard.map_or(1, Shard::of),
                };
                let part = allowed.entry(of).or_default().entry(shard.map_or(1, Shard::number)).or_default();
                *part = window.count.max(*part);
            }
        }
    }
    for account in &mut accounts {
        for window in &mut account.windows {
            let of_window = allowed.iter().filter(|(of, _)| of.account == account.name && of.length == window.length);
            let sums = of_window.map(|(_, parts)| parts.values().fold(0_u32, |sum, count| sum.saturating_add(*count)));
            window.count = sums.max().unwrap_or(window.count);
        }
    }
    accounts
}

/// What all have in common of who began them; the table of the runs has the rest.
fn joined_origin(runs: &[PageRun<'_>]) -> RunOrigin {
    let all = |of: fn(&RunOrigin) -> &str| distinct(runs.iter().map(|run| of(&run.facts.origin))).join(", ");
    let named = |of: fn(&RunOrigin) -> Option<&str>| {
        let named = distinct(runs.iter().filter_map(|run| of(&run.facts.origin)));
        (!named.is_empty()).then(|| named.join(", "))
    };
    RunOrigin {
        operator: named(|origin| origin.operator.as_deref()),
        ticket: named(|origin| origin.ticket.as_deref()),
        user: all(|origin| &origin.user),
        host: all(|origin| &origin.host),
        command_line: Vec::new(),
        version: all(|origin| &origin.version),
    }
}

fn joined_overview(runs: &[PageRun<'_>]) -> Overview {
    let all = || runs.iter().map(|run| run.run);
    let finished = all().map(|run| run.finished_at).collect::<Option<Vec<_>>>();
    Overview {
        began_at: all().filter_map(|run| run.began_at).min(),
        last_at: all().filter_map(|run| run.last_at).max(),
        finished_at: finished.and_then(|finished| finished.into_iter().max()),
        stopped: runs.iter().find_map(|run| run.run.stopped.clone().filter(|_| run.state == RunState::Stopped)),
        verified_at: all().filter_map(|run| run.verified_at).max(),
        settled: all().any(|run| run.settled),
        ..Overview::default()
    }
}
