//! Carries out a run that is on disk, for `run` and `resume` alike: runtime, signals, engine, report, summary, exit code.

use super::context::{Context, Exit};
use super::control;
use super::options::OutletArgs;
use super::outlets::{IssuedFilesWriter, OutletWriter, Outlets, tell_of_earlier_certificates};
use super::process::{listen_for_signals, runtime};
use super::status::{LiveStatusWriter, left_plan_command, resume_command, verify_command};
use super::verify::revokes;
use crate::engine::verify::PublishedLooks;
use crate::engine::{self, Ending, Question, Run, RunCommand, Sender, Senders, stop_when_taken};
use crate::journal::dir::OpenRun;
use crate::journal::state::Overview;
use crate::journal::{JournalError, Reader, RunFacts, RunWatch, live_control};
use crate::plan::calendar;
use crate::plan::checked::WaitFor;
use crate::provider::model::TargetKind;
use crate::run::{Event, Outcome, StopReason};
use crate::time::Clock;
use crate::view::RunDeadline;
use crate::view::events::RunIdentity;
use crate::view::progress::{Observer, fitting};
use crate::view::report::run_files::{write_reports, write_rescued_report};
use crate::view::report::{Counts, file_name};
use crate::view::status::{Outcomes, RunState, Summary, render_summary};
use crate::view::terminal::{grouped, plural};
use crate::wire::client::HttpTransport;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// A run that is ready to start: on disk, locked, with its senders.
#[derive(Debug)]
pub struct Task<'a> {
    /// The run directory, locked by this process.
    pub run: OpenRun,
    /// The run's constants.
    pub facts: &'a RunFacts,
    /// One sender an account.
    pub senders: Senders,
    /// Actions with these outcomes are opened again (`resume --retry`).
    pub reopen: BTreeSet<Outcome>,
    /// What other programs get (`--events`, `--metrics`).
    pub outlets: Outlets,
    /// Where to write a copy of the report (`--report`).
    pub report: Option<&'a Path>,
    /// Whether to wait while the schedule is closed (`--wait`); otherwise the run stops there.
    pub wait: bool,
    /// Whether what is accepted and not finished is not well (`--strict`).
    pub strict: bool,
    /// Asks what CAs publish, where the plan waits for that.
    pub published: Option<Rc<dyn PublishedLooks>>,
    /// Who answers between two waves.
    pub answers: Answers,
}

/// Who answers whether the next wave may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// A person at the terminal.
    Person,
    /// A rehearsal without a person: the question is shown, and answered with yes.
    Rehearsal,
    /// Nobody: the run stops there.
    Nobody,
}

impl Answers {
    /// A person who has not said `--yes`, where there is one. A rehearsal goes on without.
    pub fn of(context: &Context, yes: bool, simulated: bool) -> Self {
        match (context.printer.can_ask() && !yes, simulated) {
            (true, _) => Self::Person,
            (false, true) => Self::Rehearsal,
            (false, false) => Self::Nobody,
        }
    }
}

/// Opens what `--events` and `--metrics` name, and looks at the place of `--report`: before anything is sent. `run_dir` is made by the run.
///
/// # Errors
/// The exit code, where one cannot be opened or written; the failure was printed.
pub fn open_outlets(
    context: &Context,
    args: &OutletArgs,
    report: Option<&Path>,
    run_dir: Option<&Path>,
) -> Result<Outlets, Exit> {
    let stream = args.events.as_deref().filter(|path| *path != Path::new("-"));
    for (option, path) in [("--events", stream), ("--metrics", args.metrics.as_deref()), ("--report", report)] {
        let is_to_be_made = |path: &&Path| run_dir.is_some_and(|made| path.parent().is_some_and(|in_| in_ == made));
        context.check_place(option, path.filter(|path| !is_to_be_made(path)))?;
    }
    Outlets::open(args.events.as_deref(), args.metrics.as_deref()).map_err(|error| context.failed(&error))
}

/// Carries out a run to its end or its stop.
pub fn execute(context: &Context, task: Task<'_>) -> Exit {
    let Task { run, facts, senders, reopen, outlets, report, wait, strict, published, answers } = task;
    let path = run.dir.path().to_path_buf();
    let mut reader = match run.dir.read() {
        Ok(reader) => reader,
        Err(error) => return context.failed(&error),
    };
    let began = context.clock.elapsed();
    let revoking_operations = revoking_operations(&senders);
    if !facts.simulated
        && let Err(error) = warn_of_one_credential(context, &senders, &reader)
    {
        return context.failed(&error);
    }
    let deadline = match deadline(context, facts, &reader) {
        Ok(deadline) => deadline,
        Err(error) => return context.failed(&error),
    };
    // A killed process leaves its live status behind, and `status` would show it as this one's.
    live_control::remove_state(&path);
    let shown = fitting(&context.printer, deadline, context.clock.clone(), TimeZone::system());
    let observer = LiveStatusWriter::new(shown, &run, context.clock.clone(), deadline);
    let observer = IssuedFilesWriter::new(Box::new(observer), &run, context.printer.clone());
    let is_stdout_taken = outlets.take_standard_output();
    let identity = RunIdentity {
        plan: facts.settings.name.clone(),
        run_dir: path.display().to_string(),
        simulated: facts.simulated,
        shard: facts.part,
    };
    let outlets = (Box::new(observer) as Box<dyn Observer>, outlets);
    let mut observer =
        OutletWriter::new(outlets, &facts.settings, identity, deadline, (&context.printer, context.clock.clone()));
    if let Err(error) = tell_of_earlier_certificates(&reader, &mut observer) {
        return context.failed(&error);
    }
    let ended =
        engine_run(context, facts, (&run, &reader), (senders, published), reopen, (wait, answers), &mut observer);
    // The bars must be gone before the summary is printed.
    observer.hide();
    // Commands that still wait are withdrawn: nobody will carry them out.
    let is_in_place = run.watch.as_ref().is_none_or(RunWatch::is_in_place);
    // Before the journal is closed, which cuts the log.
    let taken = run.watch.as_ref().and_then(|watch| watch.look().err());
    if is_in_place {
        live_control::clear(&path);
    }
    run.close();
    let ending = match ended {
        Ok(ending) => ending,
        Err(exit) => {
            observer.end(None, &context.printer);
            return exit;
        }
    };
    let mut exit = exit_of(&ending);
    // However well it ended: what was taken away is not where it must be.
    if let Some(taken) = taken {
        reader.stay();
        exit = context.failed(&taken);
    }
    if !is_in_place {
        // What stands there now is somebody else's. What this process has open still says what was done.
        let exit = rescue(context, &reader, &path, report);
        observer.end(None, &context.printer);
        return exit;
    }
    // Writing the report reads every action anyway, so it counts for the summary: a million rows are folded once.
    let counts = match write_reports(&reader, &path, report) {
        Ok(counts) => counts,
        Err(error) => {
            // The run itself went as it went; only the exit code says that its report is missing.
            exit = context.failed(&error);
            match count_without_report(&reader) {
                Ok(counts) => counts,
                Err(error) => return context.failed(&error),
            }
        }
    };
    if strict && exit == Exit::Well && counts.outcomes.keys().any(|outcome| outcome.is_pending()) {
        exit = Exit::NotAllWell;
    }
    let elapsed = context.clock.elapsed().saturating_sub(began).as_secs_f64();
    let revoked = counts.ended_well.iter().any(|operation| revoking_operations.contains(operation));
    let is_seen = counts.ended_well.iter().any(|(_, operation)| *operation == WaitFor::Revoked.operation());
    let is_over = deadline.is_some_and(|deadline| deadline.at <= context.clock.now());
    let summary = summary(counts, facts, &ending, &path, elapsed, (exit, revoked, is_seen, is_over));
    observer.end(Some(&summary), &context.printer);
    if is_stdout_taken {
        // Its last line holds the same.
        context.printer.note(render_summary(&summary, context.printer.stderr_colors()).trim_end());
    } else if context.global.json {
        context.printer.result_json(&summary);
    } else {
        context.printer.result(render_summary(&summary, context.printer.stdout_colors()).trim_end());
    }
    exit
}

/// Tells what was done in a run whose directory is gone.
fn rescue(context: &Context, reader: &Reader, path: &Path, report: Option<&Path>) -> Exit {
    match write_rescued_report(reader, path, report) {
        Ok(rescued) => {
            let rescued = rescued.display();
            context.printer.always(&format!("what was done until then is in {rescued}"));
            Exit::Environment
        }
        Err(error) => context.failed(&error),
    }
}

/// The counts of a run whose report could not be written.
fn count_without_report(reader: &Reader) -> Result<Counts, JournalError> {
    let Overview { outcomes, waiting, .. } = reader.overview()?;
    let (duplicates, excepted) = reader.never_sent()?;
    Ok(Counts { outcomes, waiting, duplicates, excepted, ..Counts::default() })
}

fn engine_run(
    context: &Context,
    facts: &RunFacts,
    (run, reader): (&OpenRun, &Reader),
    (senders, published): (Senders, Option<Rc<dyn PublishedLooks>>),
    reopen: BTreeSet<Outcome>,
    (wait, answers): (bool, Answers),
    observer: &mut dyn Observer,
) -> Result<Ending, Exit> {
    // One thread: the dispatcher owns the run's state and shares it with nobody.
    let runtime = runtime(context)?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        // One channel for all that comes from outside: signals and `pause`, `unpause`, `set-rate`.
        let (sender, commands) = unbounded_channel();
        listen_for_signals(context, &sender, |number| RunCommand::Stop(StopReason::Signal(number)))?;
        if let Some(watch) = &run.watch {
            tokio::task::spawn_local(stop_when_taken(watch.clone(), sender.clone()));
        }
        let names = facts.settings.accounts.iter().map(|account| account.name.clone()).collect();
        let listener = control::listen(run.dir.path().to_path_buf(), names, context.clock.actual(), sender);
        let listener = tokio::task::spawn_local(listener);
        // Jitter only has to differ between processes; nothing secret depends on it.
        let seed = context.clock.now().as_nanosecond() as u64;
        let run = Run {
            settings: &facts.settings,
            reader,
            journal: run.journal.clone(),
            senders,
            clock: Rc::new(context.clock.clone()),
            reopen,
            commands,
            seed,
            // A rehearsal's clock passes over closed windows.
            wait: wait || facts.simulated,
            published,
            questions: (answers != Answers::Nobody).then(|| asker(context, answers)),
        };
        let mut observe = |event: Event| observer.event(&event);
        let ending = engine::run(run, &mut observe).await.map_err(|error| context.failed(&error));
        // Commands given during the last moments still get their reply.
        drop(tokio::time::timeout(LAST_REPLIES, listener).await);
        ending
    })
}

/// The run's deadline. One that is relative counts from the first process, so that a resumed run does not gain time.
fn deadline(context: &Context, facts: &RunFacts, reader: &Reader) -> Result<Option<RunDeadline>, JournalError> {
    let settings = &facts.settings;
    if settings.deadline.is_none() {
        return Ok(None);
    }
    let now = context.clock.now();
    let began = reader.began_at()?.unwrap_or(now);
    let at = calendar::deadline_at(settings.deadline, &settings.schedule, began);
    Ok(at.map(|at| RunDeadline { at, ahead: at.duration_since(now) }))
}

/// Asks on the terminal, or answers by itself in a rehearsal without a person. A line is read on a thread of its own: that blocks, and the run
/// must react to signals meanwhile. A question that is over before it was answered leaves that thread reading; it then reads the answer to the
/// next question, and a line that came in between answers none.
fn asker(context: &Context, answers: Answers) -> UnboundedSender<Question> {
    let (sender, mut questions) = unbounded_channel::<Question>();
    let (read, reads) = std::sync::mpsc::channel();
    let (answer_read, mut answered) = unbounded_channel();
    let printer = context.printer.clone();
    std::thread::spawn(move || {
        while let Ok(()) = reads.recv() {
            let _ = answer_read.send(printer.read_answer());
        }
    });
    let printer = context.printer.clone();
    tokio::task::spawn_local(async move {
        let mut is_reading = false;
        while let Some(Question { text, mut answer }) = questions.recv().await {
            if answers != Answers::Person {
                printer.note(&format!("{text} The rehearsal goes on by itself; a real run waits for a person here"));
                let _ = answer.send(true);
                continue;
            }
            while answered.try_recv().is_ok() {
                is_reading = false;
            }
            printer.ask(&text);
            if !std::mem::replace(&mut is_reading, true) {
                let _ = read.send(());
            }
            tokio::select! {
                () = answer.closed() => printer.answered(false),
                Some(goes_on) = answered.recv() => {
                    is_reading = false;
                    printer.answered(true);
                    // The run may have stopped meanwhile; then the answer has no receiver.
                    let _ = answer.send(goes_on);
                }
            }
        }
    });
    sender
}

/// The account and name of each operation that revokes: only where one of those ended well is `certsweep verify` worth a hint.
fn revoking_operations(senders: &[Rc<Sender<HttpTransport>>]) -> Vec<(String, String)> {
    let names_of = |sender: &Rc<Sender<HttpTransport>>| {
        let names = sender.provider.actions().map(|(operation, _)| operation.name.clone());
        let names: Vec<String> = names.filter(|name| revokes(&sender.provider, name)).collect();
        let account = sender.name.clone();
        names.into_iter().map(move |name| (account.clone(), name))
    };
    senders.iter().flat_map(names_of).collect()
}

/// Warns where an account approves what another one asks for, and both have one credential. By its value, which never leaves memory: the plan's check
/// sees references alone.
fn warn_of_one_credential(
    context: &Context,
    senders: &[Rc<Sender<HttpTransport>>],
    reader: &Reader,
) -> Result<(), JournalError> {
    let operations = reader.operations()?;
    let accounts = |approving: bool| {
        operations.iter().filter_map(move |(account, name)| {
            let sender = senders.get(*account)?;
            let rules = sender.provider.operation(name)?.action.as_ref()?;
            ((rules.target.kind == TargetKind::Request) == approving).then_some((*account, sender))
        })
    };
    let mut told = BTreeSet::new();
    for (approving, second) in accounts(true) {
        for (asking, first) in accounts(false).filter(|(asking, _)| *asking != approving) {
            if first.limit_owner().shares_limits_with(second.limit_owner()) && told.insert((asking, approving)) {
                let (asking, approving) = (&first.name, &second.name);
                context.printer.warning(&format!(
                    "{approving} approves what {asking} asks for, and both have the same credential"
                ));
            }
        }
    }
    Ok(())
}

fn exit_of(ending: &Ending) -> Exit {
    match ending.reason() {
        // A signal or a rule during the last action stopped nothing: with every action ended, only a failed environment counts.
        Some(reason) if !ending.complete || ending.stopped.as_ref().is_some_and(is_environment) => {
            Exit::of_stop(reason)
        }
        None if !ending.complete => Exit::Environment,
        _ if ending.well => Exit::Well,
        _ => Exit::NotAllWell,
    }
}

const fn is_environment(reason: &StopReason) -> bool {
    matches!(reason, StopReason::Environment(_))
}

fn summary(
    counts: Counts,
    facts: &RunFacts,
    ending: &Ending,
    path: &Path,
    elapsed_seconds: f64,
    (exit, revoked, is_seen, is_over): (Exit, bool, bool, bool),
) -> Summary {
    let state = if ending.complete { RunState::Finished } else { RunState::Stopped };
    let resume = resume_command(path, RunState::Stopped).unwrap_or_default();
    // Most urgent first: what stopped, how to continue, then what single outcomes ask for.
    let mut next = Vec::new();
    for (account, reason) in &ending.accounts_stopped {
        next.push(format!("{account} was stopped: {}", reason.words()));
    }
    if !ending.complete {
        let left = ending.left.iter().map(|(account, left)| format!("{account} {}", grouped(*left)));
        next.push(format!("not finished: {}", left.collect::<Vec<_>>().join(", ")));
        match ending.reopens {
            // `resume` would stop again at once.
            _ if is_over => next.push(format!(
                "the deadline is over: nothing more is sent, by {resume} neither. What is left, as a plan without it: {}",
                left_plan_command(path)
            )),
            Some(at) => {
                next.push(format!("go on: {resume} --wait, which waits until {at}; or {resume}, from then on"));
            }
            None => next.push(format!("go on: {resume}")),
        }
    }
    let actions = |outcome: Outcome| {
        let count = counts.outcomes.get(&outcome).copied().unwrap_or(0);
        (count > 0).then(|| plural(count, "action"))
    };
    next.extend(
        actions(Outcome::InDoubt)
            .map(|actions| format!("{actions} in-doubt: it is unknown whether they took effect. To look them up again: {resume} --retry in-doubt")),
    );
    next.extend(
        actions(Outcome::Failed).map(|actions| {
            format!("{actions} failed, and changed nothing. To try them again: {resume} --retry failed")
        }),
    );
    next.extend(
        actions(Outcome::Rejected)
            .map(|actions| format!("{actions} rejected: the report's column provider_message says why")),
    );
    next.extend(
        actions(Outcome::PendingApproval)
            .map(|actions| format!("{actions} must be approved by a person at the CA. Then: {resume} --retry pending")),
    );
    next.extend(
        actions(Outcome::Pending)
            .map(|actions| format!("{actions} not finished at the CA. To look again: {resume} --retry pending")),
    );
    if ending.complete && revoked {
        let really = if facts.simulated {
            "to see what the simulated CA shows of it"
        } else if is_seen {
            "revoked certificates are seen so where steps waited for that; for the others, or once more"
        } else {
            "to check that the certificates are really revoked"
        };
        next.push(format!("{really}: {}", verify_command(path)));
    }
    let why = match &ending.stopped {
        Some(StopReason::Signal(_)) if ending.complete => None,
        stopped => stopped.as_ref().map(StopReason::words),
    };
    Summary {
        plan: facts.settings.name.clone(),
        run_dir: path.display().to_string(),
        simulated: facts.simulated,
        shard: facts.part,
        state,
        why,
        actions: facts.actions,
        unsent: counts.waiting,
        outcomes: Outcomes(counts.outcomes),
        duplicates: counts.duplicates,
        excepted: counts.excepted,
        elapsed_seconds,
        report: Some(path.join(file_name(facts.simulated)).display().to_string()),
        exit_code: exit.code(),
        next,
    }
}

/// How long the process stays for its listener's last round, which takes one poll of the directory.
const LAST_REPLIES: Duration = Duration::from_secs(1);
