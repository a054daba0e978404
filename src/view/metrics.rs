//! The figures of a run as Prometheus' text format 0.0.4, for node-exporter's textfile collector: a fold of the run's events, written anew as
//! a whole. Writes no file.

use super::events::RunIdentity;
use super::tally::{RunDeadline, Tally};
use crate::run::{Event, Outcome};
use std::fmt::Write as _;
use std::path::Path;

/// The figures of a run.
#[derive(Debug)]
pub struct Metrics {
    tally: Tally,
    /// The labels that every sample has: the collector puts the files of several runs together.
    run: String,
    plan: String,
}

impl Metrics {
    /// Before the first event.
    pub fn new(run: &RunIdentity, deadline: Option<RunDeadline>) -> Self {
        let name =
            Path::new(&run.run_dir).file_name().map_or(run.run_dir.as_str().into(), |name| name.to_string_lossy());
        let plan = format!("plan={},simulated=\"{}\"", label(&run.plan), run.simulated);
        // In each sample: on many machines the parts of a plan have run directories of one name.
        let shard = run.shard.map(|part| format!(",shard=\"{}\"", part.shard)).unwrap_or_default();
        Self { tally: Tally::new(deadline), run: format!("run={}{shard}", label(&name)), plan }
    }

    /// Folds an event in.
    pub fn event(&mut self, event: &Event) {
        self.tally.event(event);
    }

    /// The whole file.
    pub fn text(&self, is_up: bool) -> String {
        let mut text = String::new();
        let run = &self.run;
        let mut family = |name: &str, kind: &str, help: &str, samples: Vec<(String, f64)>| {
            if samples.is_empty() {
                return;
            }
            // Writing into a string cannot fail.
            let _ = writeln!(text, "# HELP certsweep_{name} {help}\n# TYPE certsweep_{name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "certsweep_{name}{{{run}{labels}}} {value}");
            }
        };
        let accounts =
            || self.tally.accounts.iter().map(|account| (format!(",provider={}", label(&account.name)), account));
        let up = f64::from(u8::from(is_up));
        family("up", "gauge", "Whether a process carries the run out.", vec![(format!(",{}", self.plan), up)]);
        let mut actions = Vec::new();
        for (provider, account) in accounts() {
            for outcome in Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Planned) {
                let count = account.outcomes.get(&outcome).copied().unwrap_or(0);
                actions.push((format!("{provider},outcome=\"{outcome}\""), count as f64));
            }
            let left = account.total.saturating_sub(account.done);
            actions.push((format!("{provider},outcome=\"waiting\""), left as f64));
        }
        family("actions", "gauge", "Actions that this process began with, by how they ended.", actions);
        let requests = accounts().map(|(provider, account)| (provider, account.requests as f64)).collect();
        family("requests_total", "counter", "Requests that this process has sent, whatever they were for.", requests);
        let throttled = accounts().map(|(provider, account)| (provider, account.throttled as f64)).collect();
        family("throttled_total", "counter", "Requests that were refused because there were too many.", throttled);
        let seconds = self.tally.left().map(|left| (String::new(), left.as_secs_f64()));
        family("left_seconds", "gauge", "The time left at the present pace.", seconds.into_iter().collect());
        let slack = self.tally.slack().map(|slack| (String::new(), slack.as_secs_f64()));
        let help = "The time left over before the deadline at the present pace; below zero, by how much it is missed.";
        family("deadline_slack_seconds", "gauge", help, slack.into_iter().collect());
        let at = self.tally.deadline.map(|deadline| (String::new(), deadline.at.as_second() as f64));
        family("deadline_timestamp_seconds", "gauge", "The deadline, in Unix time.", at.into_iter().collect());
        text
    }
}

/// A label's value, quoted: backslash, quote and line break are escaped, as the format says; other control characters are left out.
fn label(value: &str) -> String {
    let mut text = String::from('"');
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other if other.is_control() => text.push('\u{fffd}'),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::super::tally::testing::{began, ended};
    use super::*;
    use crate::run::{PlanPart, Shard};
    use jiff::{SignedDuration, Timestamp};
    use regex::Regex;
    use std::collections::BTreeSet;
    use std::time::Duration;

    /// As promtool reads it: each family's HELP and TYPE once and before its samples, every line well formed, no sample twice.
    fn require_strict(text: &str) {
        let sample = Regex::new(r#"^([a-z_]+)\{([a-z_]+="(?:[^"\\\n]|\\[\\n"])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\n"])*")*)\} -?[0-9]+(\.[0-9]+)?$"#).unwrap();
        let (mut families, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut lines = text.lines();
        let mut family = "";
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                family = help.split(' ').next().unwrap();
                assert!(families.insert(family), "{family} twice");
                let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {family} ")[..])).unwrap();
                assert_eq!(kind == "counter", family.ends_with("_total"), "{family} {kind}");
                assert!(["counter", "gauge"].contains(&kind));
            } else {
                let parts = sample.captures(line).unwrap_or_else(|| panic!("`{line}` is no sample"));
                assert_eq!(&parts[1], family, "{line}");
                assert!(seen.insert(line.rsplit_once(' ').unwrap().0), "{line} twice");
            }
        }
        assert!(text.ends_with('\n') && !seen.is_empty(), "{text}");
    }

    #[test]
    fn the_figures_are_what_prometheus_reads() {
        let run =
            RunIdentity { plan: "a\"b\\\n\u{1b}".into(), run_dir: "runs/x-1".into(), simulated: true, shard: None };
        let deadline = RunDeadline { at: Timestamp::from_second(100).unwrap(), ahead: SignedDuration::from_secs(10) };
        let mut metrics = Metrics::new(&run, Some(deadline));
        require_strict(&metrics.text(true));
        metrics.event(&began(&[("digicert", 3), ("네이버", 1)]));
        metrics.event(&ended("digicert", "x", Outcome::Succeeded, ""));
        metrics.event(&ended("네이버", "x", Outcome::InDoubt, ""));
        metrics.event(&Event::Requested { account: "digicert".into(), requests: 7, throttled: 2 });
        metrics.event(&Event::Tick(Duration::from_secs(12)));
        let text = metrics.text(false);
        require_strict(&text);
        for expected in [
            "certsweep_up{run=\"x-1\",plan=\"a\\\"b\\\\\\n\u{fffd}\",simulated=\"true\"} 0",
            "certsweep_actions{run=\"x-1\",provider=\"digicert\",outcome=\"succeeded\"} 1",
            "certsweep_actions{run=\"x-1\",provider=\"digicert\",outcome=\"waiting\"} 2",
            "certsweep_actions{run=\"x-1\",provider=\"네이버\",outcome=\"in-doubt\"} 1",
            "certsweep_requests_total{run=\"x-1\",provider=\"digicert\"} 7",
            "certsweep_throttled_total{run=\"x-1\",provider=\"digicert\"} 2",
            "certsweep_deadline_slack_seconds{run=\"x-1\"} -2",
            "certsweep_deadline_timestamp_seconds{run=\"x-1\"} 100",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} is not in\n{text}");
        }
    }

    #[test]
    fn each_sample_of_a_part_says_which_it_is() {
        let part = PlanPart { shard: Shard::parse("2/4").unwrap(), plan_actions: 9 };
        let run = RunIdentity { plan: "p".into(), run_dir: "run".into(), simulated: false, shard: Some(part) };
        let mut metrics = Metrics::new(&run, None);
        metrics.event(&began(&[("digicert", 3)]));
        let text = metrics.text(true);
        require_strict(&text);
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        assert!(samples.clone().count() > 3, "{text}");
        for sample in samples {
            assert!(sample.contains("{run=\"run\",shard=\"2/4\","), "{sample}");
        }
    }
}
