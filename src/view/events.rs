//! What happens in a run, for other programs: JSON lines (`--events`, hooks), and its figures (`--metrics`) as Prometheus' text format 0.0.4, for
//! node-exporter's textfile collector. Folds of the run's events, which decide nothing about the run and write nothing.

use super::status::{Outcomes, RunState, Summary};
use super::tally::{RunDeadline, Tally};
use crate::plan::settings::HookEvent;
use crate::run::{Event, Outcome, PlanPart, StopReason, WaitReason};
use crate::text::safe;
use crate::time::rfc3339;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// One line of an event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLine {
    /// The JSON text, without a line break. Characters that act on a terminal are escaped.
    pub text: String,
    /// The hooks that are told of it.
    pub hook: Option<HookEvent>,
}

/// Which run an event is of: it stands in each line, since a hook sees one line alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunIdentity {
    /// The plan's name.
    pub plan: String,
    /// The run directory.
    pub run_dir: String,
    /// Whether it is a rehearsal: nothing is sent to a provider.
    pub simulated: bool,
    /// Which part of the plan it is, where it is not the whole.
    pub shard: Option<PlanPart>,
}

/// A line of an event stream: what happened in a run. An event is told once what it says is on the disk. Later versions add types and
/// members, and take none away; a change of meaning has another `v`.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "certsweep event")]
pub struct EventRecord<'a> {
    /// The version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    v: u8,
    /// When it happened: RFC 3339, in UTC, with milliseconds.
    #[schemars(with = "Timestamp")]
    at: String,
    #[serde(flatten)]
    run: &'a RunIdentity,
    #[serde(flatten)]
    what: EventBody<'a>,
}

/// What happened.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum EventBody<'a> {
    /// The run, or its resumption, begins.
    Began {
        /// Each configured provider with the number of its actions that are still to be done.
        providers: Vec<ProviderActions<'a>>,
        /// When all must have ended.
        #[schemars(with = "Option<Timestamp>")]
        deadline: Option<String>,
    },
    /// What bounds the pace of a provider has changed.
    Bound {
        /// The configured provider.
        provider: &'a str,
        /// What bounds it now.
        bound: &'a WaitReason,
        /// The same in words.
        message: String,
    },
    /// An attempt did not end its action; another one, or a status query, follows.
    Attempt {
        /// The configured provider.
        provider: &'a str,
        /// The action's id.
        action_id: &'a str,
        /// The attempt's number, from 1.
        attempt: u32,
        /// What happened.
        message: &'a str,
    },
    /// An action ended.
    Outcome {
        /// The configured provider.
        provider: &'a str,
        /// The action's id.
        action_id: &'a str,
        /// How it ended.
        outcome: Outcome,
        /// The last HTTP status.
        http_status: Option<u16>,
        /// The provider's own request or order id.
        provider_ref: Option<&'a str>,
        /// Attempts sent.
        attempts: u32,
        /// The message of its report row.
        message: &'a str,
    },
    /// An action that had ended is taken up again: its answer may have been another request's, or it is pending and is looked at once more. It ends once more.
    Reopened {
        /// The configured provider.
        provider: &'a str,
        /// The action's id.
        action_id: &'a str,
        /// How it had ended.
        outcome: Outcome,
    },
    /// Actions ended in doubt since the last such event: told at most every half minute, and at the end.
    InDoubt {
        /// How many since then.
        new: u64,
        /// How many in this process's part of the run.
        total: u64,
        /// The ids of the new ones, the first hundred of them.
        action_ids: &'a [String],
    },
    /// New certificates stand in the run directory's `certificates`, since the last such event: told at most every five seconds, and at the end. A
    /// process that takes the run up tells of all that are there.
    Issued {
        /// How many since then.
        new: u64,
        /// How many in this process's part of the run.
        total: u64,
        /// The ids of their actions, the first hundred of them. The certificate of `shop/reissue` is `certificates/shop/reissue.pem`; letters that
        /// file names should not have are percent-encoded.
        action_ids: &'a [String],
    },
    /// A provider is held back: it asked for that, or is out of order.
    Held {
        /// The configured provider.
        provider: &'a str,
        /// When it may go on.
        #[schemars(with = "Timestamp")]
        until: String,
        /// Why.
        message: &'a str,
    },
    /// Another wave waits for an answer, or begins.
    Wave {
        /// Which of both.
        state: WaveState,
        /// The wave, from 1.
        wave: u32,
        /// Of so many.
        of: u32,
        /// Its actions.
        actions: u64,
    },
    /// `certsweep pause`: nothing new is sent until `unpaused`.
    Paused {
        /// Who gave the command, where that is known.
        by: Option<&'a str>,
    },
    /// `certsweep unpause`: the run goes on.
    Unpaused,
    /// `certsweep set-rate`: other limits hold from now on.
    Limited {
        /// The configured provider.
        provider: &'a str,
        /// Its limits, as plans write them.
        limits: &'a [String],
    },
    /// Whether the deadline will be met has changed, at the present pace.
    Deadline {
        /// The deadline.
        #[schemars(with = "Timestamp")]
        deadline: String,
        /// Whether it will be missed.
        at_risk: bool,
        /// How much time is left over; below zero, by how much it is missed.
        slack_seconds: f64,
    },
    /// Something that belongs to no single action.
    Warning {
        /// What.
        message: &'a str,
    },
    /// How the run goes on, where nothing is wrong.
    Note {
        /// What.
        message: &'a str,
    },
    /// The run, or one provider of it, sends nothing more in this process.
    Stopped {
        /// The configured provider; null where the whole run stops.
        provider: Option<&'a str>,
        /// What stopped it; null where a provider alone was stopped.
        cause: Option<StopCause>,
        /// Why.
        message: String,
    },
    /// The last line: the process is done with the run, and the report is written.
    Ended {
        /// Whether every action has an outcome.
        state: RunState,
        /// Why it stopped before its end, in a sentence.
        why: Option<&'a str>,
        /// The exit code.
        exit_code: u8,
        /// All actions.
        actions: u64,
        /// How many ended how, in the whole run.
        outcomes: &'a Outcomes,
        /// How many are still without an outcome.
        unsent: u64,
        /// How many of the skipped actions only repeat another one.
        duplicates: u64,
        /// How many of them are on an exception list.
        excepted: u64,
        /// How long this process ran.
        elapsed_seconds: f64,
        /// Where the report is.
        report: Option<&'a str>,
        /// What to do next: sentences with commands, most urgent first.
        next: &'a [String],
    },
}

/// A configured provider, and how many actions of it are to be done.
#[derive(Serialize, JsonSchema)]
struct ProviderActions<'a> {
    /// The configured provider.
    provider: &'a str,
    /// Its actions.
    actions: u64,
}

/// Where the run is between two waves.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum WaveState {
    /// A person is asked whether the wave may go.
    Asking,
    /// The wave may go.
    Began,
}

/// What stops a run.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum StopCause {
    /// A safety rule, a closed window or the deadline.
    Rule,
    /// A signal.
    Signal,
    /// Credentials, disk, or the run directory.
    Environment,
}

/// Makes the lines of a run's events.
#[derive(Debug)]
pub struct EventLog {
    run: RunIdentity,
    tally: Tally,
    /// Whether the deadline was last said to be missed, and when that was said.
    risk: (bool, Option<Duration>),
    /// Actions in doubt.
    doubtful: IdBatch,
    /// Actions that brought certificates.
    issued: IdBatch,
}

/// Actions that are told of together.
#[derive(Debug, Default)]
struct IdBatch {
    /// The ids of those that were not told of yet, the first hundred of them.
    ids: Vec<String>,
    /// How many they are.
    new: u64,
    /// How many there were in all.
    total: u64,
    /// When they were last told of.
    told: Option<Duration>,
}

/// The figures of a run, written anew as a whole.
#[derive(Debug)]
pub struct Metrics {
    tally: Tally,
    /// The labels that every sample has: the collector puts the files of several runs together.
    run: String,
    plan: String,
}

impl EventLog {
    /// Before the first event.
    pub fn new(run: RunIdentity, deadline: Option<RunDeadline>) -> Self {
        let (doubtful, issued) = Default::default();
        Self { run, tally: Tally::new(deadline), risk: (false, None), doubtful, issued }
    }

    /// Folds an event in, and returns the lines that it is worth at this moment; mostly one, or none.
    pub fn take(&mut self, event: &Event, at: Timestamp) -> Vec<EventLine> {
        self.tally.event(event);
        let mut lines = Vec::new();
        match event {
            Event::ActionEnded { outcome: Outcome::InDoubt, id, .. } => self.doubtful.add(id),
            Event::CertificateIssued { id, .. } => self.issued.add(id),
            Event::Tick(_) => {
                lines.extend(self.deadline_line(at));
                lines.extend(self.gathered_lines(at, false));
            }
            Event::RunEnded => lines.extend(self.gathered_lines(at, true)),
            _ => {}
        }
        if let Some((body, hook)) = body_of(event, self.tally.deadline, at) {
            lines.push(self.line(body, hook, at));
        }
        lines
    }

    /// The last line.
    pub fn end(&self, summary: &Summary, at: Timestamp) -> EventLine {
        let body = EventBody::Ended {
            state: summary.state,
            why: summary.why.as_deref(),
            exit_code: summary.exit_code,
            actions: summary.actions,
            outcomes: &summary.outcomes,
            unsent: summary.unsent,
            duplicates: summary.duplicates,
            excepted: summary.excepted,
            elapsed_seconds: summary.elapsed_seconds,
            report: summary.report.as_deref(),
            next: &summary.next,
        };
        self.line(body, Some(HookEvent::Ended), at)
    }

    /// Told where it changes, and not with every breath of the rate.
    fn deadline_line(&mut self, at: Timestamp) -> Option<EventLine> {
        let (deadline, slack) = (self.tally.deadline?, self.tally.slack()?);
        let (at_risk, now) = (slack.is_negative(), self.tally.now);
        let (was, told) = self.risk;
        let is_new = at_risk != was && told.is_none_or(|told| now.saturating_sub(told) >= RISK_AGAIN_AFTER);
        if !is_new || self.tally.done() >= self.tally.total() {
            return None;
        }
        self.risk = (at_risk, Some(now));
        let body = EventBody::Deadline { deadline: rfc3339(deadline.at), at_risk, slack_seconds: slack.as_secs_f64() };
        Some(self.line(body, at_risk.then_some(HookEvent::DeadlineAtRisk), at))
    }

    fn gathered_lines(&mut self, at: Timestamp, is_end: bool) -> Vec<EventLine> {
        let now = self.tally.now;
        let doubtful = self.doubtful.due(now, DOUBT_AGAIN_AFTER, is_end).map(|(action_ids, new)| {
            let body = EventBody::InDoubt { new, total: self.doubtful.total, action_ids: &action_ids };
            self.line(body, Some(HookEvent::InDoubt), at)
        });
        let issued = self.issued.due(now, ISSUED_AGAIN_AFTER, is_end).map(|(action_ids, new)| {
            let body = EventBody::Issued { new, total: self.issued.total, action_ids: &action_ids };
            self.line(body, Some(HookEvent::Issued), at)
        });
        doubtful.into_iter().chain(issued).collect()
    }

    fn line(&self, what: EventBody<'_>, hook: Option<HookEvent>, at: Timestamp) -> EventLine {
        let record = EventRecord { v: VERSION, at: rfc3339(at), run: &self.run, what };
        let text = serde_json::to_string(&record).expect("views serialise to JSON: string keys, no failing type");
        EventLine { text: safe::json(&text).into_owned(), hook }
    }
}

impl IdBatch {
    fn add(&mut self, id: &str) {
        self.new += 1;
        self.total += 1;
        if self.ids.len() < MAX_IDS {
            self.ids.push(id.to_owned());
        }
    }

    /// Those that are to be told of now, and how many they are.
    fn due(&mut self, now: Duration, every: Duration, is_end: bool) -> Option<(Vec<String>, u64)> {
        let is_time = self.told.is_none_or(|told| now.saturating_sub(told) >= every);
        if self.new == 0 || !(is_end || is_time) {
            return None;
        }
        self.told = Some(now);
        Some((std::mem::take(&mut self.ids), std::mem::take(&mut self.new)))
    }
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

/// What an event says, and to which hooks; `None` for what only moves counts.
fn body_of(
    event: &Event,
    deadline: Option<RunDeadline>,
    wall: Timestamp,
) -> Option<(EventBody<'_>, Option<HookEvent>)> {
    let body = match event {
        Event::RunBegan { accounts } => {
            let accounts = accounts.iter();
            let providers = accounts.map(|(provider, actions)| ProviderActions { provider, actions: *actions });
            EventBody::Began { providers: providers.collect(), deadline: deadline.map(|deadline| rfc3339(deadline.at)) }
        }
        Event::AttemptFailed { account, id, attempt, why, .. } => {
            EventBody::Attempt { provider: account, action_id: id, attempt: *attempt, message: why }
        }
        Event::HeldBack { account, until, why } => {
            EventBody::Held { provider: account, until: rfc3339(*until), message: why }
        }
        Event::ActionEnded { account, id, outcome, message, http_status, reference, attempts, .. } => {
            EventBody::Outcome {
                provider: account,
                action_id: id,
                outcome: *outcome,
                http_status: *http_status,
                provider_ref: reference.as_deref(),
                attempts: *attempts,
                message,
            }
        }
        Event::ActionReopened { account, id, outcome, .. } => {
            EventBody::Reopened { provider: account, action_id: id, outcome: *outcome }
        }
        Event::AccountStopped { account, why } => {
            let body = EventBody::Stopped { provider: Some(account), cause: None, message: why.clone() };
            return Some((body, Some(HookEvent::Stopped)));
        }
        Event::Bounded { account, by } => EventBody::Bound { provider: account, bound: by, message: by.describe(wall) },
        Event::Paused { by, .. } => EventBody::Paused { by: by.as_deref() },
        Event::Unpaused => EventBody::Unpaused,
        Event::Asking(question) => {
            let (state, wave, of, actions) = (WaveState::Asking, question.wave, question.of, question.actions);
            return Some((EventBody::Wave { state, wave, of, actions }, Some(HookEvent::Wave)));
        }
        Event::WaveBegan { wave, of, actions } => {
            let body = EventBody::Wave { state: WaveState::Began, wave: *wave, of: *of, actions: *actions };
            return Some((body, Some(HookEvent::Wave)));
        }
        Event::Limited { account, windows } => EventBody::Limited { provider: account, limits: windows },
        Event::Warning(message) => EventBody::Warning { message },
        Event::Note(message) => EventBody::Note { message },
        Event::Stopping(reason) => {
            let cause = match reason {
                StopReason::Rule(_) => StopCause::Rule,
                StopReason::Signal(_) => StopCause::Signal,
                StopReason::Environment(_) => StopCause::Environment,
            };
            let body = EventBody::Stopped { provider: None, cause: Some(cause), message: reason.words() };
            return Some((body, Some(HookEvent::Stopped)));
        }
        // The last line comes once the report is written.
        Event::CertificateIssued { .. }
        | Event::Answered
        | Event::Requested { .. }
        | Event::Tick(_)
        | Event::RunEnded => return None,
    };
    Some((body, None))
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

const VERSION: u8 = 1;
/// A rate that wavers about the deadline is told of once a minute.
const RISK_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// A provider that loses its answers loses many at once: a hook is not called for each.
const DOUBT_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// Servers that load their certificates anew do so for many at once.
const ISSUED_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Ids in one line about many actions; the report has all.
const MAX_IDS: usize = 100;

#[cfg(test)]
pub(crate) mod testing {
    //! A log, and one event of each kind.

    use super::super::tally::testing::{began, ended, held};
    use super::*;
    use crate::run::WaveQuestion;
    use jiff::SignedDuration;

    pub(crate) fn log(deadline: Option<RunDeadline>) -> EventLog {
        let run = RunIdentity { plan: "p".into(), run_dir: "runs/x".into(), simulated: false, shard: None };
        EventLog::new(run, deadline)
    }

    pub(crate) fn in_ten_seconds() -> Option<RunDeadline> {
        Some(RunDeadline { at: Timestamp::from_second(10).unwrap(), ahead: SignedDuration::from_secs(10) })
    }

    /// One of each, in an order in which they may come.
    pub(crate) fn all() -> Vec<Event> {
        let (at, account, id) = (Timestamp::UNIX_EPOCH, || "a".to_owned(), || "x".to_owned());
        vec![
            began(&[("a", 4)]),
            Event::Bounded { account: account(), by: WaitReason::Window { window: "1/1s".into() } },
            Event::AttemptFailed { ordinal: 0, account: account(), id: id(), attempt: 1, why: "HTTP 503".into() },
            held("a"),
            ended("a", "x", Outcome::InDoubt, "\u{1b}[2J\u{202e} lost"),
            Event::ActionReopened { ordinal: 0, account: account(), id: id(), outcome: Outcome::InDoubt },
            Event::CertificateIssued { account: account(), id: id(), pem: String::new() },
            Event::AccountStopped { account: account(), why: "401".into() },
            Event::Paused { at, by: Some("alice".into()) },
            Event::Unpaused,
            Event::Asking(WaveQuestion { wave: 2, of: 2, actions: 3, since: at }),
            Event::Answered,
            Event::WaveBegan { wave: 2, of: 2, actions: 3 },
            Event::Requested { account: account(), requests: 4, throttled: 1 },
            Event::Limited { account: account(), windows: vec!["1/1s".into()] },
            Event::Warning("w".into()),
            Event::Note("n".into()),
            Event::Stopping(StopReason::Signal(2)),
            Event::Tick(Duration::from_secs(11)),
            Event::RunEnded,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::testing::{began, ended};
    use super::testing::log;
    use super::*;
    use crate::run::Shard;
    use jiff::SignedDuration;
    use regex::Regex;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;

    #[test]
    fn actions_in_doubt_are_told_together_and_at_the_end() {
        let mut log = log(None);
        log.take(&began(&[("a", 1000)]), Timestamp::UNIX_EPOCH);
        let mut told = Vec::new();
        for second in 0..40 {
            for _ in 0..10 {
                log.take(&ended("a", "x", Outcome::InDoubt, ""), Timestamp::UNIX_EPOCH);
            }
            told.extend(log.take(&Event::Tick(Duration::from_secs(second)), Timestamp::UNIX_EPOCH));
        }
        told.extend(log.take(&Event::RunEnded, Timestamp::UNIX_EPOCH));
        let counts = told.iter().map(|line| {
            assert_eq!(line.hook, Some(HookEvent::InDoubt));
            let value: Value = serde_json::from_str(&line.text).unwrap();
            (
                value["new"].as_u64().unwrap(),
                value["total"].as_u64().unwrap(),
                value["action_ids"].as_array().unwrap().len(),
            )
        });
        assert_eq!(counts.collect::<Vec<_>>(), [(10, 10, 10), (300, 310, 100), (90, 400, 90)]);
    }

    #[test]
    fn new_certificates_are_told_of_together_and_soon() {
        let mut log = log(None);
        log.take(&began(&[("a", 100)]), Timestamp::UNIX_EPOCH);
        let mut told = Vec::new();
        for second in 0..12 {
            let (account, id) = ("a".to_owned(), format!("row{second}/reissue"));
            log.take(&Event::CertificateIssued { account, id, pem: String::new() }, Timestamp::UNIX_EPOCH);
            told.extend(log.take(&Event::Tick(Duration::from_secs(second)), Timestamp::UNIX_EPOCH));
        }
        told.extend(log.take(&Event::RunEnded, Timestamp::UNIX_EPOCH));
        let counts = told.iter().map(|line| {
            assert_eq!(line.hook, Some(HookEvent::Issued));
            let value: Value = serde_json::from_str(&line.text).unwrap();
            (value["new"].as_u64().unwrap(), value["total"].as_u64().unwrap(), value["action_ids"][0].clone())
        });
        let expected =
            [(1, 1, "row0/reissue"), (5, 6, "row1/reissue"), (5, 11, "row6/reissue"), (1, 12, "row11/reissue")];
        assert_eq!(counts.collect::<Vec<_>>(), expected.map(|(new, total, first)| (new, total, json!(first))));
    }

    #[test]
    fn a_deadline_at_risk_is_told_once_and_again_when_it_is_none_any_more() {
        let deadline = RunDeadline { at: Timestamp::UNIX_EPOCH, ahead: SignedDuration::from_secs(1000) };
        let mut log = log(Some(deadline));
        log.take(&began(&[("a", 3000)]), Timestamp::UNIX_EPOCH);
        let mut told = Vec::new();
        // One a second, which is too slow; then ten.
        for second in 1..=200_u64 {
            for _ in 0..(if second < 100 { 1 } else { 10 }) {
                log.take(&ended("a", "x", Outcome::Succeeded, ""), Timestamp::UNIX_EPOCH);
            }
            told.extend(log.take(&Event::Tick(Duration::from_secs(second)), Timestamp::UNIX_EPOCH));
        }
        let risks = told.iter().map(|line| serde_json::from_str::<Value>(&line.text).unwrap()["at_risk"].clone());
        assert_eq!(risks.collect::<Vec<_>>(), [json!(true), json!(false)]);
        assert_eq!(told.iter().map(|line| line.hook).collect::<Vec<_>>(), [Some(HookEvent::DeadlineAtRisk), None]);
    }

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
