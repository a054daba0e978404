//! The runs of a directory as a table and as JSON. Reads none.

use super::status::{Outcomes, RunState, Status};
use super::terminal::{grouped, table_in};
use crate::run::{Outcome, PlanPart};
use crate::text::safe;
use crate::time::rfc3339;
use jiff::Timestamp;
use serde::Serialize;

/// A run, in short. Its serialised form is what `runs --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedRun {
    /// The run directory.
    pub run_dir: String,
    /// The plan's name; null where the run cannot be read.
    pub plan: Option<String>,
    /// When it was made.
    #[serde(serialize_with = "super::status::instant")]
    pub made_at: Option<Timestamp>,
    /// What it is doing.
    pub state: ListedState,
    /// Why it stopped, or cannot be read.
    pub why: Option<String>,
    /// Whether it is a rehearsal.
    pub simulated: bool,
    /// Which part of the plan it is, where it is not the whole.
    pub shard: Option<PlanPart>,
    /// All actions.
    pub actions: u64,
    /// How many have not ended.
    pub left: u64,
    /// How many ended how.
    pub outcomes: Outcomes,
    /// The command that goes on with it.
    pub resume: Option<String>,
}

/// What a run is doing, where that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ListedState {
    /// As `status` says.
    Known(RunState),
    /// It cannot be read.
    Unreadable(Unreadable),
}

/// The word for a run that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unreadable {
    /// It cannot be read.
    Unreadable,
}

impl ListedRun {
    /// A run that was made at this moment, in short.
    pub fn of(made_at: Timestamp, status: Status) -> Self {
        Self {
            run_dir: status.run_dir,
            plan: Some(status.plan),
            made_at: Some(made_at),
            state: ListedState::Known(status.state),
            why: status.why,
            simulated: status.simulated,
            shard: status.shard,
            actions: status.actions,
            left: status.waiting + status.in_flight,
            outcomes: status.outcomes,
            resume: status.resume,
        }
    }

    /// A run that cannot be read.
    pub fn unreadable(run_dir: String, why: String) -> Self {
        Self {
            run_dir,
            plan: None,
            made_at: None,
            state: ListedState::Unreadable(Unreadable::Unreadable),
            why: Some(why),
            simulated: false,
            shard: None,
            actions: 0,
            left: 0,
            outcomes: Outcomes::default(),
            resume: None,
        }
    }
}

/// The runs as a table, for a terminal of so many columns.
pub fn render(runs: &[ListedRun], columns: Option<usize>) -> String {
    let row = |run: &ListedRun| {
        let state = match run.state {
            ListedState::Known(state) => state.as_str(),
            ListedState::Unreadable(_) => "unreadable",
        };
        let simulated = if run.simulated { " (rehearsal)" } else { "" };
        let shard = run.shard.map(|part| format!(" (shard {})", part.shard)).unwrap_or_default();
        let ended = Outcome::ALL.into_iter().map(|outcome| (outcome, run.outcomes.count(outcome)));
        let mut ended: Vec<String> = ended
            .filter(|(_, count)| *count > 0)
            .map(|(outcome, count)| format!("{} {outcome}", grouped(count)))
            .collect();
        if run.left > 0 {
            ended.push(format!("{} left", grouped(run.left)));
        }
        vec![
            run.made_at.map(rfc3339).unwrap_or_default(),
            format!("{}{shard}", safe::terminal(run.plan.as_deref().unwrap_or("?"))),
            format!("{state}{simulated}"),
            grouped(run.actions),
            ended.join(", "),
            safe::terminal(&run.run_dir).into_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
    table_in(columns, &["made", "plan", "state", "actions", "ended", "run directory"], &[3], &rows)
}
