//! The end of a run, as text and JSON: how the actions ended, where the report is, what to do next. Decides nothing.

use super::status::{Outcomes, RunState};
use super::table::{grouped, plural};
use crate::text::safe;
use crate::time::human;
use serde::Serialize;
use std::time::Duration;

/// The end of a run. Its serialised form is what `run --json` and `resume --json` print.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The plan's name.
    pub plan: String,
    /// The run directory.
    pub run_dir: String,
    /// Whether every action has an outcome.
    pub state: RunState,
    /// Why it stopped before its end, in a sentence.
    pub why: Option<String>,
    /// All actions.
    pub actions: u64,
    /// How many ended how, in the whole run.
    pub outcomes: Outcomes,
    /// How many are still without an outcome.
    pub unsent: u64,
    /// How many of the skipped only repeat another action.
    pub duplicates: u64,
    /// How long this process took.
    pub elapsed_seconds: f64,
    /// Where the report is.
    pub report: Option<String>,
    /// The exit code.
    pub exit_code: u8,
    /// What to do next: sentences with commands, most urgent first.
    pub next: Vec<String>,
}

/// The summary as text.
pub fn render(summary: &Summary) -> String {
    let elapsed = Duration::try_from_secs_f64(summary.elapsed_seconds.max(0.0)).unwrap_or(Duration::MAX);
    let (plan, actions, elapsed) = (safe::terminal(&summary.plan), plural(summary.actions, "action"), human(elapsed));
    let ended = match summary.state {
        RunState::Running => "goes on",
        RunState::Finished => "finished",
        RunState::Stopped => "stopped",
        RunState::Interrupted => "was interrupted",
    };
    let why = summary.why.as_ref().map(|why| format!(": {}", safe::terminal(why))).unwrap_or_default();
    let mut facts = vec![actions];
    if summary.duplicates > 0 {
        facts.push(format!("{} skipped", plural(summary.duplicates, "duplicate")));
    }
    if summary.unsent > 0 {
        facts.push(format!("{} not settled yet", grouped(summary.unsent)));
    }
    let mut lines = vec![format!("{plan} {ended} after {elapsed}{why}"), facts.join(", ")];
    let counts = summary.outcomes.table();
    if !counts.is_empty() {
        lines.push(format!("\n{}", counts.trim_end()));
    }
    lines.extend(summary.report.as_ref().map(|report| format!("\nReport: {}", safe::terminal(report))));
    for (index, next) in summary.next.iter().enumerate() {
        let head = if index == 0 { "Next:  " } else { "       " };
        lines.push(format!("{head} {}", safe::terminal(next)));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Outcome;
    use serde_json::json;

    fn summary() -> Summary {
        Summary {
            plan: "leaked".into(),
            run_dir: "runs/x".into(),
            state: RunState::Stopped,
            why: Some("20 actions failed (stop_when)".into()),
            actions: 2000,
            outcomes: [(Outcome::Succeeded, 1200), (Outcome::Failed, 20), (Outcome::Skipped, 1)].into_iter().collect(),
            unsent: 779,
            duplicates: 1,
            elapsed_seconds: 200.4,
            report: Some("runs/x/report.csv".into()),
            exit_code: 3,
            next: vec!["certsweep resume runs/x".into(), "certsweep resume runs/x --retry failed".into()],
        }
    }

    #[test]
    fn a_summary_ends_with_what_to_do_next() {
        let text = render(&summary());
        let expected = "\
leaked stopped after 3m 20s: 20 actions failed (stop_when)
2,000 actions, 1 duplicate skipped, 779 not settled yet

  actions  outcome
    1,200  succeeded
       20  failed
        1  skipped

Report: runs/x/report.csv
Next:   certsweep resume runs/x
        certsweep resume runs/x --retry failed
";
        assert_eq!(text, expected, "{text}");
    }

    #[test]
    fn the_json_has_the_keys_that_scripts_rely_on() {
        let json = serde_json::to_value(summary()).unwrap();
        assert_eq!(json["outcomes"]["failed"], 20);
        assert_eq!((&json["state"], &json["exit_code"]), (&json!("stopped"), &json!(3)));
        assert_eq!(json["report"], "runs/x/report.csv");
    }
}
