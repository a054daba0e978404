//! How far a run is, and how it ended, as text and JSON: what `status` reads from the run directory, how the run goes now (reported by
//! its process), and the summary that `run` and `resume` print. Decides nothing; what a run promises is in the journal.

use super::tally::{RunDeadline, Tally};
use super::terminal::{Paint, grouped, plural, table};
use crate::run::{Event, Outcome, PlanPart, RunOrigin, WaitReason, WaveQuestion};
use crate::text::safe;
use crate::time::{human, rfc3339};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::time::Duration;

/// How far a run is, folded from its journal. Its serialised form is what `status --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Status {
    /// The plan's name.
    pub plan: String,
    /// The run directory.
    pub run_dir: String,
    /// Who began it, where, and with which command.
    #[serde(flatten)]
    pub origin: RunOrigin,
    /// The plan's digest.
    pub digest: String,
    /// Which part of the plan it is, where it is not the whole.
    pub shard: Option<PlanPart>,
    /// Whether it is a rehearsal: nothing is sent to a provider.
    pub simulated: bool,
    /// Whether it goes on, has ended, or waits to be resumed.
    pub state: RunState,
    /// Why it stopped or waits, in a sentence.
    pub why: Option<String>,
    /// `certsweep pause` holds.
    pub paused: Option<PausedNow>,
    /// Whether the next wave may go: nobody has answered yet.
    pub question: Option<WaveQuestion>,
    /// The command that lets a paused or waiting run go on.
    pub unpause: Option<String>,
    /// All actions.
    pub actions: u64,
    /// How many ended how.
    pub outcomes: Outcomes,
    /// What waits for a person's approval at a CA, by who is to approve it.
    pub approvals: Vec<ApprovalsNow>,
    /// How many wait to be sent.
    pub waiting: u64,
    /// How many have an intent and no end: they are being sent, or were when the process was killed.
    pub in_flight: u64,
    /// Actions ended per second: over the last half minute where a process carries the run out, else on average.
    pub rate_per_second: Option<f64>,
    /// The time left at that rate; none while something is waited for of which nobody knows how long it takes, or nobody carries the run out.
    pub estimated_seconds_left: Option<f64>,
    /// Each configured provider, with what bounds it now; empty where no process carries the run out.
    pub providers: Vec<ProviderNow>,
    /// The deadline, and whether it will be met.
    pub deadline: Option<DeadlineNow>,
    /// Limits that `certsweep set-rate` has set, by provider.
    pub limits: BTreeMap<String, Vec<String>>,
    /// When the run began.
    #[serde(serialize_with = "instant")]
    pub started_at: Option<Timestamp>,
    /// When it ended or stopped.
    #[serde(serialize_with = "instant")]
    pub finished_at: Option<Timestamp>,
    /// The command that goes on with it, where there is something left.
    pub resume: Option<String>,
    /// The moment that all of this is said of.
    #[serde(skip)]
    pub now: Timestamp,
}

/// What one approver is waited for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ApprovalsNow {
    /// The configured provider whose step approves; `None` where a person does, at the CA itself.
    pub approver: Option<String>,
    /// The configured provider where it waits.
    pub provider: String,
    /// How many actions.
    pub actions: u64,
    /// The first of them.
    pub first: Vec<ApprovalNow>,
}

/// An action that waits for an approval.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ApprovalNow {
    /// Its id.
    pub action_id: String,
    /// Its target.
    pub target: String,
    /// The CA's own id of the request, where it told one.
    pub reference: Option<String>,
    /// When it was accepted.
    #[serde(serialize_with = "instant")]
    pub since: Option<Timestamp>,
}

impl ApprovalsNow {
    /// Counts one more; `waits` is called only while few are kept.
    pub fn add<E>(&mut self, waits: impl FnOnce() -> Result<ApprovalNow, E>) -> Result<(), E> {
        self.actions += 1;
        if self.first.len() < MAX_APPROVALS {
            self.first.push(waits()?);
        }
        Ok(())
    }
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// A process carries it out.
    Running,
    /// A process holds it, and sends nothing new until `certsweep unpause`.
    Paused,
    /// A process holds it, and waits for a person's answer: may the next wave go?
    Waiting,
    /// Every action has an outcome.
    Finished,
    /// It stopped in good order, and can be resumed.
    Stopped,
    /// Its process ended without a record of its stop (killed, power cut), and it can be resumed.
    Interrupted,
}

impl RunState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Waiting => "waiting",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Since when a run is paused.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PausedNow {
    /// Since when.
    #[serde(serialize_with = "moment")]
    pub since: Timestamp,
    /// Who gave the command, where that is known.
    pub by: Option<String>,
}

/// The number of actions by outcome. Serialised as an object with every outcome of a run, those of zero actions too: scripts need not test
/// for a key.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
pub struct Outcomes(pub BTreeMap<Outcome, u64>);

impl Outcomes {
    /// How many ended so.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.0.get(&outcome).copied().unwrap_or(0)
    }

    /// How many ended.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Lines of counts, for the outcomes that there are.
    pub(super) fn table(&self, colors: bool) -> String {
        let there: Vec<Outcome> = Outcome::ALL.into_iter().filter(|outcome| self.count(*outcome) > 0).collect();
        let row = |outcome: &Outcome| vec![grouped(self.count(*outcome)), outcome.as_str().to_owned()];
        let rows: Vec<Vec<String>> = there.iter().map(row).collect();
        if rows.is_empty() {
            return String::new();
        }
        let text = table(&["actions", "outcome"], &[0], &rows);
        let mut lines = text.lines().map(str::to_owned).collect::<Vec<_>>();
        if colors {
            for (line, outcome) in lines.iter_mut().skip(1).zip(there) {
                *line = Paint::of(outcome).on(line);
            }
        }
        lines.join("\n") + "\n"
    }
}

impl FromIterator<(Outcome, u64)> for Outcomes {
    fn from_iter<I: IntoIterator<Item = (Outcome, u64)>>(counts: I) -> Self {
        Self(counts.into_iter().collect())
    }
}

impl Serialize for Outcomes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for outcome in Outcome::ALL {
            // Only dry runs have this outcome; in a real run's object it would always be zero.
            if outcome != Outcome::Planned || self.count(outcome) > 0 {
                map.serialize_entry(outcome.as_str(), &self.count(outcome))?;
            }
        }
        map.end()
    }
}

/// The status as text.
pub fn render(status: &Status, colors: bool) -> String {
    let state = match status.state {
        RunState::Paused | RunState::Waiting => Paint::Open.on_if(colors, &halt_text(status)),
        other => other.as_str().to_owned(),
    };
    let why = status.why.as_ref().map(|why| format!(": {}", safe::terminal(why))).unwrap_or_default();
    let (plan, directory) = (safe::terminal(&status.plan), safe::terminal(&status.run_dir));
    let mut lines = vec![format!("plan     {plan}: {}", plural(status.actions, "action"))];
    lines.extend(status.shard.map(|part| format!("shard    {}: {}", part.shard, part_text(status.actions, part))));
    lines.push(format!("run      {directory}"));
    let named = [("operator", &status.origin.operator), ("ticket  ", &status.origin.ticket)];
    lines.extend(
        named.into_iter().filter_map(|(name, text)| Some(format!("{name} {}", safe::terminal(text.as_ref()?)))),
    );
    let simulated = if status.simulated { " (rehearsal, simulated: nothing is sent to a provider)" } else { "" };
    lines.push(format!("state    {state}{simulated}{why}"));
    lines.extend(status.started_at.map(|started| format!("started  {}", rfc3339(started))));
    lines.extend(status.finished_at.map(|finished| format!("ended    {}", rfc3339(finished))));
    let left = status.waiting + status.in_flight;
    if left > 0 && matches!(status.state, RunState::Stopped | RunState::Interrupted) {
        // Nobody sends anything, so there is no pace; and what has no answer yet is no longer in flight.
        let unanswered = match status.in_flight {
            0 => String::new(),
            unanswered => format!("; {} of them sent without an answer: `resume` settles that", grouped(unanswered)),
        };
        lines.push(format!("left     {} not finished{unanswered}", grouped(left)));
    } else if left > 0 {
        let rate = rate_text(status.rate_per_second).map(|rate| format!(", {rate}")).unwrap_or_default();
        let time = status.estimated_seconds_left.map(|seconds| format!(", about {} left", seconds_text(seconds)));
        let (waiting, in_flight) = (grouped(status.waiting), grouped(status.in_flight));
        lines.push(format!("left     {waiting} waiting, {in_flight} in flight{rate}{}", time.unwrap_or_default()));
    }
    lines.extend(status.deadline.as_ref().map(|deadline| {
        let paint = if deadline.met == Some(false) { Paint::Bad } else { Paint::Plain };
        format!("deadline {}", paint.on_if(colors, &deadline_text(deadline, status.now)))
    }));
    lines.extend(status.limits.iter().map(|(provider, windows)| {
        format!("limits   {}: {} (set by `certsweep set-rate`)", safe::terminal(provider), windows.join(", "))
    }));
    if !status.providers.is_empty() {
        lines.push(format!("\n{}", providers_table(&status.providers, status.now).trim_end()));
    }
    let counts = status.outcomes.table(colors);
    if !counts.is_empty() {
        lines.push(format!("\n{}", counts.trim_end()));
    }
    lines.extend(status.approvals.iter().map(|approvals| format!("\n{}", approvals_text(approvals).trim_end())));
    // Where the deadline is over, `resume` would stop again at once.
    let is_over = status.deadline.as_ref().is_some_and(|deadline| deadline.at <= status.now);
    lines.extend(status.resume.as_ref().map(|resume| {
        let resume = safe::terminal(resume);
        if !is_over {
            return format!("\nTo go on: {resume}");
        }
        format!(
            "\nThe deadline is over, and nothing more is sent. What is left, as a plan without it: certsweep report {} \
             --format plan --outcome skipped -o left.yaml",
            resume.trim_start_matches("certsweep resume ")
        )
    }));
    lines.join("\n") + "\n"
}

/// What one approver is waited for.
fn approvals_text(approvals: &ApprovalsNow) -> String {
    let provider = safe::terminal(&approvals.provider);
    let whom = match &approvals.approver {
        Some(approver) => format!("the approval of {} at {provider}", safe::terminal(approver)),
        None => format!("a person's approval at {provider}"),
    };
    let verb = if approvals.actions == 1 { "waits" } else { "wait" };
    let row = |waits: &ApprovalNow| {
        let since = waits.since.map(rfc3339).unwrap_or_default();
        let reference = waits.reference.clone().unwrap_or_else(|| "-".to_owned());
        vec![waits.action_id.clone(), waits.target.clone(), reference, since]
    };
    let rows: Vec<Vec<String>> = approvals.first.iter().take(SHOWN_APPROVALS).map(row).collect();
    let left = approvals.actions - rows.len() as u64;
    let more = if left == 0 { String::new() } else { format!("  … and {} more\n", grouped(left)) };
    let head = format!("{} {verb} for {whom}:\n", plural(approvals.actions, "action"));
    head + &table(&["action", "target", "request", "since"], &[], &rows) + &more
}

/// `250 of the plan's 1,000 actions`.
pub(super) fn part_text(actions: u64, part: PlanPart) -> String {
    format!("{} of the plan's {}", grouped(actions), plural(part.plan_actions, "action"))
}

/// `paused since 2026-11-29T16:30:02.000Z by alice`, and what is to be done.
fn halt_text(status: &Status) -> String {
    let unpause = status.unpause.as_ref().map(|command| safe::terminal(command)).unwrap_or_default();
    if let Some(PausedNow { since, by }) = &status.paused {
        let by = by.as_ref().map(|by| format!(" by {}", safe::terminal(by))).unwrap_or_default();
        return format!("paused since {}{by}: nothing new is sent. To go on: {unpause}", rfc3339(*since));
    }
    let Some(WaveQuestion { wave, of, actions, since }) = &status.question else { return "waiting".to_owned() };
    let (actions, since) = (plural(*actions, "action"), rfc3339(*since));
    format!(
        "waiting since {since} for an answer: may wave {wave} of {of} ({actions}) go? \
         Type `yes` where the run was started, or: {unpause}"
    )
}

/// For `serialize_with`: an instant as reports show it.
pub(super) fn moment<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    rfc3339(*at).serialize(serializer)
}

/// The same, where there may be none.
pub(super) fn instant<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(rfc3339).serialize(serializer)
}

/// The live status of a run, as its process writes it about once a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Now {
    /// When it was written.
    pub at: Timestamp,
    /// Each configured provider.
    pub providers: Vec<ProviderNow>,
    /// The deadline, where there is one.
    pub deadline: Option<DeadlineNow>,
    /// The time left at the present rate; `None` where there is no rate, or a person decides when it goes on.
    pub estimated_seconds_left: Option<f64>,
    /// The question between two waves that nobody has answered yet.
    pub question: Option<WaveQuestion>,
}

/// One configured provider's part of the live status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderNow {
    /// The configured provider.
    pub provider: String,
    /// Its actions; in the live status, those that this process began with.
    pub actions: u64,
    /// Of these, how many have ended.
    pub done: u64,
    /// Actions ended per second, over the last half minute.
    pub rate_per_second: Option<f64>,
    /// The time left at that rate.
    pub estimated_seconds_left: Option<f64>,
    /// The one thing that bounds it.
    pub bound: Option<WaitReason>,
}

/// A deadline, and whether it will be met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadlineNow {
    /// When all must have ended.
    #[serde(serialize_with = "moment")]
    pub at: Timestamp,
    /// Whether it will be met at the present rate, or was; `None` where there is no rate yet.
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
    /// Before the first event.
    pub fn new(deadline: Option<RunDeadline>) -> Self {
        Self { tally: Tally::new(deadline) }
    }

    /// Folds an event in.
    pub fn event(&mut self, event: &Event) {
        self.tally.event(event);
    }

    /// The live status at this instant.
    pub fn now(&self, at: Timestamp) -> Now {
        let providers = self.tally.accounts.iter().map(|account| ProviderNow {
            provider: account.name.clone(),
            actions: account.total,
            done: account.done,
            rate_per_second: account.rate(),
            estimated_seconds_left: account
                .left()
                .filter(|_| !account.bound.as_ref().is_some_and(WaitReason::sends_nothing))
                .map(|left| left.as_secs_f64()),
            bound: account.bound.clone(),
        });
        // The same fold as behind the bars: `status` in a second terminal must not contradict the first.
        let slack = self.tally.slack();
        Now {
            at,
            providers: providers.collect(),
            estimated_seconds_left: self.tally.left().map(|left| left.as_secs_f64()),
            question: self.tally.question.clone(),
            deadline: self.tally.deadline.map(|deadline| DeadlineNow {
                at: deadline.at,
                met: slack.map(|slack| !slack.is_negative()),
                slack_seconds: slack.map(|slack| slack.as_secs_f64()),
            }),
        }
    }
}

fn providers_table(providers: &[ProviderNow], now: Timestamp) -> String {
    let row = |provider: &ProviderNow| {
        let rate = rate_text(provider.rate_per_second).unwrap_or_default();
        let left = provider.estimated_seconds_left.map(seconds_text).unwrap_or_default();
        let bound = provider.bound.as_ref().map(|bound| bound.describe(now)).unwrap_or_default();
        let (done, actions) = (grouped(provider.done), grouped(provider.actions));
        vec![safe::terminal(&provider.provider).into_owned(), format!("{done}/{actions}"), rate, left, bound]
    };
    let rows: Vec<Vec<String>> = providers.iter().map(row).collect();
    table(&["provider", "done", "rate", "left", "limited by"], &[1, 2, 3], &rows)
}

/// A rate, where one digit shows it.
fn rate_text(per_second: Option<f64>) -> Option<String> {
    per_second.filter(|rate| *rate >= SHOWN_RATE).map(|rate| format!("{rate:.1}/s"))
}

fn deadline_text(deadline: &DeadlineNow, now: Timestamp) -> String {
    let met = match (deadline.met, deadline.slack_seconds) {
        (Some(true), Some(slack)) => format!(": will be met, with about {} to spare", seconds_text(slack)),
        (Some(true), None) => ": met".to_owned(),
        (Some(false), Some(slack)) => format!(": will be MISSED by about {}", seconds_text(-slack)),
        (Some(false), None) => ": MISSED".to_owned(),
        (None, _) => {
            format!(": in {}", human(deadline.at.duration_since(now).max(SignedDuration::ZERO).unsigned_abs()))
        }
    };
    format!("{}{met}", rfc3339(deadline.at))
}

/// Seconds for people. An estimate may exceed what a `Duration` holds; it is shown as the longest one.
pub(super) fn seconds_text(seconds: f64) -> String {
    human(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

/// The end of a run. Its serialised form is what `run --json` and `resume --json` print.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Summary {
    /// The plan's name.
    pub plan: String,
    /// The run directory.
    pub run_dir: String,
    /// Whether it was a rehearsal: nothing was sent to a provider.
    pub simulated: bool,
    /// Which part of the plan it was, where it was not the whole.
    pub shard: Option<PlanPart>,
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
    /// How many of the skipped actions only repeat another one.
    pub duplicates: u64,
    /// How many of them are on an exception list.
    pub excepted: u64,
    /// How long this process ran.
    pub elapsed_seconds: f64,
    /// Where the report is.
    pub report: Option<String>,
    /// The exit code.
    pub exit_code: u8,
    /// What to do next: sentences with commands, most urgent first.
    pub next: Vec<String>,
}

/// The summary as text.
pub fn render_summary(summary: &Summary, colors: bool) -> String {
    let (plan, actions) = (safe::terminal(&summary.plan), plural(summary.actions, "action"));
    let elapsed = seconds_text(summary.elapsed_seconds);
    let ended = match summary.state {
        RunState::Running | RunState::Paused | RunState::Waiting => "goes on",
        RunState::Finished => "finished",
        RunState::Stopped => "stopped",
        RunState::Interrupted => "was interrupted",
    };
    let why = summary.why.as_ref().map(|why| format!(": {}", safe::terminal(why))).unwrap_or_default();
    let mut facts = vec![actions];
    if summary.duplicates > 0 {
        facts.push(format!("{} skipped", plural(summary.duplicates, "duplicate")));
    }
    if summary.excepted > 0 {
        facts.push(format!("{} on the exception list", grouped(summary.excepted)));
    }
    if summary.unsent > 0 {
        facts.push(format!("{} not finished", grouped(summary.unsent)));
    }
    let shard = summary.shard.map(|part| format!(" (shard {})", part.shard)).unwrap_or_default();
    let mut lines = vec![format!("{plan}{shard} {ended} after {elapsed}{why}"), facts.join(", ")];
    if summary.simulated {
        lines.insert(0, "REHEARSAL (simulated): nothing was sent to a provider".to_owned());
    }
    let counts = summary.outcomes.table(colors);
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

/// Actions of one approver that `--json` lists, and that people see.
const MAX_APPROVALS: usize = 1000;
/// Actions a second, from which on one digit shows them.
const SHOWN_RATE: f64 = 0.05;
const SHOWN_APPROVALS: usize = 10;

#[cfg(test)]
mod tests {
    use super::super::tally::testing::{began, ended};
    use super::*;
    use serde_json::json;

    fn status() -> Status {
        Status {
            plan: "leaked".into(),
            run_dir: "runs/x".into(),
            origin: RunOrigin::default(),
            digest: "d".into(),
            shard: None,
            simulated: false,
            state: RunState::Running,
            why: None,
            paused: None,
            question: None,
            unpause: None,
            actions: 2000,
            outcomes: [(Outcome::Succeeded, 1200), (Outcome::InDoubt, 3)].into_iter().collect(),
            approvals: Vec::new(),
            waiting: 781,
            in_flight: 16,
            rate_per_second: Some(5.55),
            estimated_seconds_left: Some(144.0),
            providers: vec![ProviderNow {
                provider: "corp\u{1b}".into(),
                actions: 2000,
                done: 1203,
                rate_per_second: Some(5.55),
                estimated_seconds_left: Some(144.0),
                bound: Some(WaitReason::Window { window: "1000/180s".into() }),
            }],
            deadline: Some(DeadlineNow {
                at: Timestamp::from_second(1_700_086_400).unwrap(),
                met: Some(true),
                slack_seconds: Some(80_000.0),
            }),
            limits: [("corp".to_owned(), vec!["50/5s".to_owned()])].into(),
            started_at: Some(Timestamp::from_second(1_700_000_000).unwrap()),
            finished_at: None,
            resume: None,
            now: Timestamp::from_second(1_700_000_000).unwrap(),
        }
    }

    #[test]
    fn a_running_run_shows_its_pace() {
        let text = render(&status(), false);
        let expected = "\
plan     leaked: 2,000 actions
run      runs/x
state    running
started  2023-11-14T22:13:20.000Z
left     781 waiting, 16 in flight, 5.5/s, about 2m 24s left
deadline 2023-11-15T22:13:20.000Z: will be met, with about 22h 13m to spare
limits   corp: 50/5s (set by `certsweep set-rate`)

  provider           done   rate    left  limited by
  corp\\u{1b}  1,203/2,000  5.5/s  2m 24s  limit 1000/180s

  actions  outcome
    1,200  succeeded
        3  in-doubt
";
        assert_eq!(text, expected, "{text}");
    }

    #[test]
    fn a_run_that_a_person_holds_says_since_when_and_what_to_type() {
        let since = Timestamp::from_second(1_700_000_000).unwrap();
        let held =
            Status { unpause: Some("certsweep unpause runs/x".into()), estimated_seconds_left: None, ..status() };
        let paused = Some(PausedNow { since, by: Some("alice\u{1b}".into()) });
        let question = Some(WaveQuestion { wave: 2, of: 3, actions: 1980, since });
        for (state, paused, question, expected) in [
            (
                RunState::Paused,
                paused,
                None,
                "state    paused since 2023-11-14T22:13:20.000Z by alice\\u{1b}: nothing new is sent. \
                 To go on: certsweep unpause runs/x\n",
            ),
            (
                RunState::Waiting,
                None,
                question,
                "state    waiting since 2023-11-14T22:13:20.000Z for an answer: may wave 2 of 3 (1,980 actions) go? \
                 Type `yes` where the run was started, or: certsweep unpause runs/x\n",
            ),
        ] {
            let text = render(&Status { state, paused, question, ..held.clone() }, false);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_stopped_run_shows_why_and_how_to_go_on() {
        let text = render(
            &Status {
                state: RunState::Stopped,
                why: Some("20 failures".into()),
                resume: Some("certsweep resume runs/x".into()),
                ..status()
            },
            false,
        );
        assert!(text.contains("state    stopped: 20 failures\n"), "{text}");
        let left = "\nleft     797 not finished; 16 of them sent without an answer: `resume` settles that\n";
        assert!(text.contains(left), "{text}");
        assert!(text.ends_with("\nTo go on: certsweep resume runs/x\n"), "{text}");
    }

    #[test]
    fn a_rehearsal_says_so() {
        let text = render(&Status { simulated: true, ..status() }, false);
        assert!(text.contains("state    running (rehearsal, simulated: nothing is sent to a provider)\n"), "{text}");
        let text = render_summary(&Summary { simulated: true, ..summary() }, false);
        assert!(text.starts_with("REHEARSAL (simulated): nothing was sent to a provider\nleaked stopped"), "{text}");
    }

    #[test]
    fn the_json_names_every_outcome() {
        let json = serde_json::to_value(status()).unwrap();
        assert_eq!(
            json["outcomes"],
            json!({"succeeded": 1200, "already-done": 0, "pending-approval": 0, "pending": 0, "rejected": 0, "failed": 0, "in-doubt": 3,
                   "skipped": 0})
        );
        assert_eq!(
            (&json["state"], &json["waiting"], &json["in_flight"]),
            (&json!("running"), &json!(781), &json!(16))
        );
        assert_eq!(json["providers"][0]["bound"]["kind"], "window");
        assert_eq!((&json["deadline"]["met"], &json["limits"]["corp"][0]), (&json!(true), &json!("50/5s")));
        assert_eq!(json["started_at"], "2023-11-14T22:13:20.000Z");
    }

    #[test]
    fn what_the_events_tell_is_written_and_read_again() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let mut recorder = Recorder::new(Some(RunDeadline { at, ahead: SignedDuration::from_secs(10) }));
        recorder.event(&began(&[("a", 100), ("b", 0)]));
        recorder.event(&ended("a", "x", Outcome::Succeeded, ""));
        recorder.event(&Event::Bounded { account: "a".into(), by: WaitReason::Window { window: "1/1s".into() } });
        recorder.event(&Event::Tick(Duration::from_secs(1)));
        let now = recorder.now(at);
        let json = serde_json::to_value(&now).unwrap();
        assert_eq!(json["providers"][0]["bound"], serde_json::json!({"kind": "window", "window": "1/1s"}));
        assert_eq!(json["deadline"]["met"], false);
        assert_eq!(serde_json::from_value::<Now>(json).unwrap(), now);
        let text = providers_table(&now.providers, at);
        assert!(text.contains("1/100") && text.contains("limit 1/1s"), "{text}");
        assert_eq!(
            deadline_text(&now.deadline.unwrap(), at),
            "2023-11-14T22:13:20.000Z: will be MISSED by about 1m 30s"
        );
    }

    fn summary() -> Summary {
        Summary {
            plan: "leaked".into(),
            run_dir: "runs/x".into(),
            simulated: false,
            shard: None,
            state: RunState::Stopped,
            why: Some("20 actions failed (stop_when)".into()),
            actions: 2000,
            outcomes: [(Outcome::Succeeded, 1200), (Outcome::Failed, 20), (Outcome::Skipped, 1)].into_iter().collect(),
            unsent: 779,
            duplicates: 1,
            excepted: 0,
            elapsed_seconds: 200.4,
            report: Some("runs/x/report.csv".into()),
            exit_code: 3,
            next: vec!["certsweep resume runs/x".into(), "certsweep resume runs/x --retry failed".into()],
        }
    }

    #[test]
    fn a_summary_ends_with_what_to_do_next() {
        let text = render_summary(&summary(), false);
        let expected = "\
leaked stopped after 3m 20s: 20 actions failed (stop_when)
2,000 actions, 1 duplicate skipped, 779 not finished

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
