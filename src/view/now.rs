//! How a run goes now, for `status` in another process: plain data, made from a run's events as they come, shown as text and JSON.
//! It is no part of what a run promises: the journal is.

use super::bounds;
use super::table::{grouped, table};
use super::tally::{Deadline, Tally};
use crate::run::{Bound, Event};
use crate::text::safe;
use crate::time::{human, rfc3339};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;

/// How a run goes now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Now {
    /// When this was so.
    pub at: Timestamp,
    /// Each configured provider.
    pub providers: Vec<ProviderNow>,
    /// The deadline, where there is one.
    pub deadline: Option<DeadlineNow>,
}

/// How one provider's actions go now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderNow {
    /// The configured provider.
    pub provider: String,
    /// Its actions that this process began with.
    pub actions: u64,
    /// Of these, how many have ended.
    pub done: u64,
    /// Actions that end in a second, over the last while.
    pub rate_per_second: Option<f64>,
    /// How long the rest takes at that rate.
    pub estimated_seconds_left: Option<f64>,
    /// The one thing that bounds it.
    pub bound: Option<Bound>,
}

/// A deadline, and whether it will be met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadlineNow {
    /// When all must have ended.
    #[serde(serialize_with = "instant")]
    pub at: Timestamp,
    /// Whether it will be met at the present rate, or was; `None` where that cannot be told yet.
    pub met: Option<bool>,
    /// How much time is left over; below zero, by how much it is missed.
    pub slack_seconds: Option<f64>,
}

/// Makes [`Now`] from a run's events.
#[derive(Debug)]
pub struct Recorder {
    tally: Tally,
}

impl Recorder {
    /// Nothing yet.
    pub fn new(deadline: Option<Deadline>) -> Self {
        Self { tally: Tally { deadline, ..Tally::default() } }
    }

    /// Takes an event in.
    pub fn event(&mut self, event: &Event) {
        self.tally.event(event);
    }

    /// How it goes.
    pub fn now(&self, at: Timestamp) -> Now {
        let providers = self.tally.accounts.iter().map(|account| ProviderNow {
            provider: account.name.clone(),
            actions: account.total,
            done: account.done,
            rate_per_second: account.rate(),
            estimated_seconds_left: account.left().map(|left| left.as_secs_f64()),
            bound: account.bound.clone(),
        });
        let slack = self.tally.slack();
        Now {
            at,
            providers: providers.collect(),
            deadline: self.tally.deadline.map(|deadline| DeadlineNow {
                at: deadline.at,
                met: slack.map(|slack| !slack.is_negative()),
                slack_seconds: slack.map(|slack| slack.as_secs_f64()),
            }),
        }
    }
}

/// Lines of providers.
pub(super) fn providers_table(providers: &[ProviderNow]) -> String {
    let row = |provider: &ProviderNow| {
        let rate = provider.rate_per_second.map(|rate| format!("{rate:.1}/s")).unwrap_or_default();
        let left = provider.estimated_seconds_left.map(seconds).unwrap_or_default();
        let bound = provider.bound.as_ref().map(bounds::words).unwrap_or_default();
        let (done, actions) = (grouped(provider.done), grouped(provider.actions));
        vec![safe::terminal(&provider.provider).into_owned(), format!("{done}/{actions}"), rate, left, bound]
    };
    let rows: Vec<Vec<String>> = providers.iter().map(row).collect();
    table(&["provider", "done", "rate", "left", "bounded by"], &[1, 2, 3], &rows)
}

/// The deadline in a line.
pub(super) fn deadline_text(deadline: &DeadlineNow) -> String {
    let met = match (deadline.met, deadline.slack_seconds) {
        (Some(true), Some(slack)) => format!(": will be met, with about {} to spare", seconds(slack)),
        (Some(true), None) => ": met".to_owned(),
        (Some(false), Some(slack)) => format!(": will be MISSED by about {}", seconds(-slack)),
        (Some(false), None) => ": MISSED".to_owned(),
        (None, _) => String::new(),
    };
    format!("{}{met}", rfc3339(deadline.at))
}

fn instant<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    rfc3339(*at).serialize(serializer)
}

fn seconds(seconds: f64) -> String {
    human(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::tally::testing::{began, ended};
    use super::*;
    use crate::run::Outcome;
    use jiff::SignedDuration;

    #[test]
    fn what_the_events_tell_is_written_and_read_again() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let mut recorder = Recorder::new(Some(Deadline { at, ahead: SignedDuration::from_secs(10) }));
        recorder.event(&began(&[("a", 100), ("b", 0)]));
        recorder.event(&ended("a", "x", Outcome::Succeeded, ""));
        recorder.event(&Event::Bounded { account: "a".into(), by: Bound::Window { window: "1/1s".into() } });
        recorder.event(&Event::Tick(Duration::from_secs(1)));
        let now = recorder.now(at);
        let json = serde_json::to_value(&now).unwrap();
        assert_eq!(json["providers"][0]["bound"], serde_json::json!({"kind": "window", "window": "1/1s"}));
        assert_eq!(json["deadline"]["met"], false);
        assert_eq!(serde_json::from_value::<Now>(json).unwrap(), now);
        let text = providers_table(&now.providers);
        assert!(text.contains("1/100") && text.contains("limit 1/1s"), "{text}");
        assert_eq!(deadline_text(&now.deadline.unwrap()), "2023-11-14T22:13:20.000Z: will be MISSED by about 1m 30s");
    }
}
