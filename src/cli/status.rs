//! `certsweep status`: how far a run is, also while another process carries it out; and the live status file by which that process reports
//! its pace. Only the journal is promised: the file goes with the process.

use super::args;
use super::context::Context;
use super::exit::Exit;
use crate::journal::dir::OpenRun;
use crate::journal::reader::Overview;
use crate::journal::{RunDir, RunFacts, RunWatch, live_control};
use crate::plan::calendar;
use crate::run::{Event, Outcome};
use crate::time::Clock;
use crate::view::RunDeadline;
use crate::view::progress::Observer;
use crate::view::status::{DeadlineNow, Now, Outcomes, Recorder, RunState, Status, render};
use std::path::{Path, PathBuf};

/// Shows how far a run is.
pub fn status(context: &Context, args: &args::StatusArgs) -> Exit {
    let read = RunDir::existing(&args.run_dir).and_then(|dir| {
        let running = dir.is_locked()?;
        let reader = dir.read()?;
        Ok((running, reader.facts()?, reader.overview()?))
    });
    match read {
        Ok((running, facts, overview)) => {
            // A killed process leaves its file; without the lock nobody renews it.
            let now = live_control::read_state(&args.run_dir)
                .filter(|_| running)
                .and_then(|text| serde_json::from_str(&text).ok());
            let status = status_of(&args.run_dir, running, &facts, overview, now, context.clock.now());
            if context.global.json {
                context.printer.result_json(&status);
            } else {
                context.printer.result(render(&status).trim_end());
            }
            Exit::Well
        }
        Err(error) => context.no_run(&error),
    }
}

fn status_of(
    path: &Path,
    running: bool,
    facts: &RunFacts,
    overview: Overview,
    live: Option<Now>,
    now: jiff::Timestamp,
) -> Status {
    let state = state_of(running, &overview);
    let running = state == RunState::Running;
    // Skipped actions were never sent: they would make the rate look better than it is.
    let ended: u64 =
        overview.outcomes.iter().filter(|(outcome, _)| **outcome != Outcome::Skipped).map(|(_, count)| count).sum();
    let until = if running { Some(now) } else { overview.last_at };
    let seconds = overview.began_at.zip(until).map(|(began, until)| until.duration_since(began).as_secs_f64());
    let rate = seconds.filter(|seconds| *seconds > 0.0 && ended > 0).map(|seconds| ended as f64 / seconds);
    let (providers, live_deadline) = live.map(|live| (live.providers, live.deadline)).unwrap_or_default();
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
        simulated: facts.simulated,
        state,
        why: overview.stopped.map(|(why, _)| why),
        actions: facts.actions,
        outcomes: Outcomes(overview.outcomes),
        waiting: overview.waiting - overview.in_flight,
        in_flight: overview.in_flight,
        rate_per_second: rate,
        estimated_seconds_left: rate.filter(|_| overview.waiting > 0).map(|rate| overview.waiting as f64 / rate),
        started_at: overview.began_at,
        finished_at: if running { None } else { overview.finished_at.or(overview.last_at) },
        resume: resume_command(path, state),
    }
}

/// What a run is doing, by its lock and its records.
pub fn state_of(is_locked: bool, overview: &Overview) -> RunState {
    match (overview.finished_at, &overview.stopped) {
        // A verification may hold the lock of a run that has ended.
        (Some(_), _) => RunState::Finished,
        (None, _) if is_locked => RunState::Running,
        (None, Some(_)) => RunState::Stopped,
        (None, None) => RunState::Interrupted,
    }
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
        if matches!(event, Event::Tick(_) | Event::Bounded { .. } | Event::RunBegan { .. })
            && self.watch.as_ref().is_none_or(RunWatch::is_in_place)
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

/// The command that verifies a run's revocations.
pub fn verify_command(path: &Path) -> String {
    format!("certsweep verify {}", quoted(path))
}

/// A path that can be pasted into a shell; one with a NUL byte, which no shell takes, as it is.
pub fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    shlex::try_quote(&path).map(std::borrow::Cow::into_owned).unwrap_or(path.clone())
}
