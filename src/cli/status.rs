//! `certsweep status`: how far a run is, also while another process carries it out; and the live status file by which that process reports
//! its pace. Only the journal is promised: the file goes with the process.

use super::context::{Context, Exit};
use super::options::StatusArgs;
use crate::journal::dir::OpenRun;
use crate::journal::state::Overview;
use crate::journal::{JournalError, Phase, Reader, RunDir, RunFacts, RunWatch, live_control};
use crate::plan::calendar;
use crate::run::{Event, Ordinal, Outcome};
use crate::time::Clock;
use crate::view::RunDeadline;
use crate::view::progress::Observer;
use crate::view::status::{
    ApprovalNow, ApprovalsNow, DeadlineNow, Now, Outcomes, PausedNow, ProviderNow, Recorder, RunState, Status, render,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Shows how far a run is; with `--watch` again and again, until no process carries it out.
pub fn status(context: &Context, args: &StatusArgs) -> Exit {
    // The caller has put the run that is meant where none was named.
    let path = args.run_dir.as_deref().unwrap_or(Path::new("."));
    loop {
        match status_of_run(context, path) {
            Ok(status) => {
                print(context, args, &status);
                if !args.watch || !matches!(status.state, RunState::Running | RunState::Paused | RunState::Waiting) {
                    return Exit::Well;
                }
            }
            Err(error) => return context.no_run(&error),
        }
        std::thread::sleep(WATCH_EVERY);
    }
}

fn print(context: &Context, args: &StatusArgs, status: &Status) {
    if context.global.json {
        // While it is watched, each answer is a line.
        match args.watch {
            true => context.printer.result_json_line(status),
            false => context.printer.result_json(status),
        }
    } else if args.watch {
        context.printer.result_in_place(render(status, context.printer.stdout_colors()).trim_end());
    } else {
        context.printer.result(render(status, context.printer.stdout_colors()).trim_end());
    }
}

/// How far the run in a directory is.
///
/// # Errors
/// Where it cannot be read.
pub fn status_of_run(context: &Context, path: &Path) -> Result<Status, JournalError> {
    let dir = RunDir::existing(path)?;
    let running = dir.is_locked()?;
    let reader = dir.read()?;
    let (facts, overview) = (reader.facts()?, reader.overview()?);
    // A killed process leaves its file; without the lock nobody renews it.
    let now = live_control::read_state(path).filter(|_| running).and_then(|text| serde_json::from_str(&text).ok());
    let approvals = if overview.followed + overview.outcomes.get(&Outcome::PendingApproval).unwrap_or(&0) > 0 {
        approvals(&reader, &facts)?
    } else {
        Vec::new()
    };
    let status = status_of(path, running, &facts, overview, now, context.clock.now());
    Ok(Status { approvals, ..status })
}

/// What waits for approval: by the account whose step approves it, else by a person at the CA.
fn approvals(reader: &Reader, facts: &RunFacts) -> Result<Vec<ApprovalsNow>, JournalError> {
    let (states, queue) = (reader.states()?, reader.queue()?);
    let approvals = queue.accepting().filter_map(|(approval, of)| Some((of, queue.account(approval)?)));
    let approvers: BTreeMap<Ordinal, usize> = approvals.collect();
    let name = |account: usize| facts.settings.accounts.get(account).map(|account| account.name.clone());
    let mut all: BTreeMap<(Option<usize>, usize), ApprovalsNow> = BTreeMap::new();
    for (ordinal, state) in (0..).zip(states.iter()) {
        let is_pending = match state.phase {
            Phase::Ended(outcome) => outcome == Outcome::PendingApproval,
            Phase::Waiting => state.following == Some(Outcome::PendingApproval),
            Phase::InFlight => false,
        };
        let Some(account) = queue.account(ordinal).filter(|_| is_pending) else { continue };
        let approver = approvers.get(&ordinal).copied();
        let of_approver = all.entry((approver, account)).or_insert_with(|| ApprovalsNow {
            approver: approver.and_then(name),
            provider: name(account).unwrap_or_default(),
            actions: 0,
            first: Vec::new(),
        });
        of_approver.add(|| {
            let (action, history) = reader.history(ordinal)?;
            Ok(ApprovalNow {
                action_id: action.id,
                target: action.target,
                reference: history.reply.reference,
                since: history.finished_at.or(history.started_at),
            })
        })?;
    }
    Ok(all.into_values().collect())
}

fn status_of(
    path: &Path,
    running: bool,
    facts: &RunFacts,
    overview: Overview,
    live: Option<Now>,
    now: jiff::Timestamp,
) -> Status {
    let state = state_of(running, &overview, live.as_ref());
    // A verification may hold the lock of a run that has ended.
    let running = running && overview.finished_at.is_none();
    let question = live.as_ref().and_then(|live| live.question.clone()).filter(|_| running);
    let paused = overview.paused.clone().filter(|_| running).map(|(since, by)| PausedNow { since, by });
    // Skipped actions were never sent: they would make the rate look better than it is.
    let ended: u64 =
        overview.outcomes.iter().filter(|(outcome, _)| **outcome != Outcome::Skipped).map(|(_, count)| count).sum();
    let until = if running { Some(now) } else { overview.last_at };
    let seconds = overview.began_at.zip(until).map(|(began, until)| until.duration_since(began).as_secs_f64());
    let rate = seconds.filter(|seconds| *seconds > 0.0 && ended > 0).map(|seconds| ended as f64 / seconds);
    // Of a run that nobody carries out, the average holds the hours that it stood still or waited for a CA: it foretells nothing.
    let average = rate.filter(|_| running && overview.waiting > 0).map(|rate| overview.waiting as f64 / rate);
    // Where a process says how it goes now, that counts: an average over a night of closed windows foretells nothing.
    let (rate, left, providers, live_deadline) = match live {
        Some(live) => {
            let rates: Option<f64> =
                live.providers.iter().filter_map(|provider| provider.rate_per_second).reduce(|a, b| a + b);
            (rates, live.estimated_seconds_left, counted(live.providers, facts, &overview), live.deadline)
        }
        None => (rate, average, Vec::new(), None),
    };
    // A person decides when it goes on.
    let goes_on = !matches!(state, RunState::Paused | RunState::Waiting);
    let (rate, left) = (rate.filter(|_| goes_on), left.filter(|_| goes_on));
    let limits = overview.limits.iter().filter_map(|(account, windows)| {
        facts.settings.accounts.get(*account).map(|account| (account.name.clone(), windows.clone()))
    });
    Status {
        providers,
        deadline: live_deadline.or_else(|| deadline(facts, &overview, now)),
        limits: limits.collect(),
        plan: facts.settings.name.clone(),
        run_dir: path.display().to_string(),
        origin: facts.origin.clone(),
        digest: facts.digest.clone(),
        shard: facts.part,
        simulated: facts.simulated,
        state,
        why: overview.stopped.map(|(why, _)| why),
        unpause: matches!(state, RunState::Paused | RunState::Waiting).then(|| unpause_command(path)),
        paused,
        question,
        now,
        actions: facts.actions,
        outcomes: Outcomes(overview.outcomes),
        approvals: Vec::new(),
        waiting: overview.waiting - overview.in_flight,
        in_flight: overview.in_flight,
        rate_per_second: rate,
        estimated_seconds_left: left,
        started_at: overview.began_at,
        finished_at: if running { None } else { overview.finished_at.or(overview.last_at) },
        resume: resume_command(path, state),
    }
}

/// What a run is doing, by its lock, its records and what its process says, where that is known.
pub fn state_of(is_locked: bool, overview: &Overview, live: Option<&Now>) -> RunState {
    match (overview.finished_at, &overview.stopped) {
        // A verification may hold the lock of a run that has ended.
        (Some(_), _) => RunState::Finished,
        (None, _) if is_locked && overview.paused.is_some() => RunState::Paused,
        (None, _) if is_locked && live.is_some_and(|live| live.question.is_some()) => RunState::Waiting,
        (None, _) if is_locked => RunState::Running,
        (None, Some(_)) => RunState::Stopped,
        (None, None) => RunState::Interrupted,
    }
}

/// The providers with the counts of the journal: the live status is up to a second older, and one answer must not hold two counts.
fn counted(providers: Vec<ProviderNow>, facts: &RunFacts, overview: &Overview) -> Vec<ProviderNow> {
    let names = || facts.settings.accounts.iter().map(|account| account.name.as_str());
    let counted = |provider: ProviderNow| {
        let account = names().position(|name| name == provider.provider);
        match account.and_then(|account| overview.accounts.get(&account)) {
            Some((actions, ended)) => ProviderNow { actions: *actions, done: *ended, ..provider },
            None => provider,
        }
    };
    providers.into_iter().map(counted).collect()
}

/// The deadline as far as the journal knows it, where no process reports its own estimate.
fn deadline(facts: &RunFacts, overview: &Overview, now: jiff::Timestamp) -> Option<DeadlineNow> {
    let settings = &facts.settings;
    let at = calendar::deadline_at(settings.deadline, &settings.schedule, overview.began_at.unwrap_or(now))?;
    let met = match overview.finished_at {
        Some(finished) => Some(finished <= at),
        None => (now > at).then_some(false),
    };
    Some(DeadlineNow { at, met, slack_seconds: None })
}

/// An observer that also reports to other processes: about once a second it replaces the live status file in the run directory.
pub struct LiveStatusWriter<C> {
    shown: Box<dyn Observer>,
    recorder: Recorder,
    run: PathBuf,
    /// Whether the run directory is still there: what stands at its place else is somebody else's.
    watch: Option<RunWatch>,
    clock: C,
}

impl<C: Clock> LiveStatusWriter<C> {
    /// Passes every event on to `shown`.
    pub fn new(shown: Box<dyn Observer>, run: &OpenRun, clock: C, deadline: Option<RunDeadline>) -> Self {
        let (path, watch) = (run.dir.path().to_path_buf(), run.watch.clone());
        Self { shown, recorder: Recorder::new(deadline), run: path, watch, clock }
    }
}

impl<C: Clock + Send> Observer for LiveStatusWriter<C> {
    fn event(&mut self, event: &Event) {
        self.shown.event(event);
        self.recorder.event(event);
        // Not at every event, which may be thousands a second. `Bounded` too: a `status` right after `pause` must already show the pause.
        if matches!(
            event,
            Event::Tick(_) | Event::Bounded { .. } | Event::RunBegan { .. } | Event::Asking(_) | Event::Answered
        ) && self.watch.as_ref().is_none_or(RunWatch::is_in_place)
        {
            let now = self.recorder.now(self.clock.now());
            // A full disk stops the run by way of the journal; this file alone is not worth an error.
            drop(serde_json::to_string(&now).map(|text| live_control::write_state(&self.run, &text)));
        }
    }
}

impl<C> std::fmt::Debug for LiveStatusWriter<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LiveStatusWriter").field("run", &self.run).finish_non_exhaustive()
    }
}

/// The command that continues a run; `None` where it is running or finished.
pub fn resume_command(path: &Path, state: RunState) -> Option<String> {
    let can_resume = matches!(state, RunState::Stopped | RunState::Interrupted);
    can_resume.then(|| format!("certsweep resume {}", quoted(path)))
}

/// The command that makes a plan of what is left of a run.
pub fn left_plan_command(path: &Path) -> String {
    format!("certsweep report {} --format plan --outcome skipped -o left.yaml", quoted(path))
}

/// The command that lets a paused run, or its next wave, go on.
pub fn unpause_command(path: &Path) -> String {
    format!("certsweep unpause {}", quoted(path))
}

/// The command that verifies a run's revocations.
pub fn verify_command(path: &Path) -> String {
    format!("certsweep verify {}", quoted(path))
}

/// A path that can be pasted into a shell; one with a NUL byte, which no shell takes, as it is.
pub fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    shlex::try_quote(&path).map(std::borrow::Cow::into_owned).unwrap_or(path.clone())
}

/// The `--provider-dir` of this command line, for the next one: without them it would not know the providers. What the environment says, it says then,
/// too.
pub fn provider_options(context: &Context) -> String {
    context.global.provider_dirs.iter().map(|directory| format!(" --provider-dir {}", quoted(directory))).collect()
}

/// As often as the process that carries a run out says how it goes.
const WATCH_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
