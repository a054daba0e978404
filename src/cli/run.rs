//! `certsweep run`: checks the plan into a run directory, asks, and carries it out. `certsweep resume`: goes on with one from its directory alone;
//! what is left to send follows from the journal, not from this file.
//!
//! A good place to begin reading. In the order of the code: `run_plan` begins a run directory under a temporary name; `prepare` streams the
//! checked actions into it (`plan::check` → `journal::RunMaker`), compares them with earlier runs, builds one `engine::Sender` an account,
//! shows the preview and asks; `PreviousRuns::begin` has `RunMaker::finish` move the directory to its final path, whole, and enters it into
//! the user's index of runs; `execute`, for both commands, starts `engine::run`, then writes the report and the summary. Nothing is sent
//! before `execute`.

use super::context::{Context, Exit, ReadPlan, WithoutCopy, build_senders, build_simulated_senders, run_catalog};
use super::execute::{Answers, Task, execute, open_outlets};
use super::options::{OnlineOptions, ResumeArgs, RunArgs};
use super::preview::{MIN_DIGEST, latencies, preview, simulated_latency};
use super::preview_data::{ActionKinds, PreviewData, misses_the_deadline};
use super::process::origin;
use super::runs::{PreviousRuns, ThisPlan, costs, remember};
use super::simulate::{register_targets, rehearsal_of, simulator_for};
use super::verify::published_looks;
use crate::engine::Senders;
use crate::journal::dir::default_path;
use crate::journal::{JournalError, Reader, RunDir, RunFacts, RunMaker};
use crate::plan::ReadFile;
use crate::plan::settings::Deadline;
use crate::plan::{Action, Settings, calendar};
use crate::provider::Catalog;
use crate::run::{Outcome, PlanPart};
use crate::simulator::Simulator;
use crate::text::{file, safe};
use crate::time::Clock;
use crate::view::preview_text::render_to_confirm;
use crate::view::terminal::plural;
use crate::wire::Proxies;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Runs a plan.
pub fn run(context: &Context, args: &RunArgs) -> Exit {
    if args.dry_run {
        return preview(context, (&args.source, args.shard), args.report.as_deref(), None, &OnlineOptions::default());
    }
    match run_plan(context, args) {
        Ok(exit) | Err(exit) => exit,
    }
}

/// Continues a run; `report` names a copy of the report.
pub fn resume(context: &Context, args: &ResumeArgs, report: Option<&Path>) -> Exit {
    match resume_run(context, args, report) {
        Ok(exit) | Err(exit) => exit,
    }
}

/// `Err` only tells where the command ended early; both are the exit code.
fn run_plan(context: &Context, args: &RunArgs) -> Result<Exit, Exit> {
    let rehearsal = args.simulate.then(|| context.rehearsal(None));
    let context = rehearsal.as_ref().unwrap_or(context);
    // A rehearsal sends nothing, so nobody has to confirm it.
    let asks = !args.yes && !args.simulate;
    if asks && !context.printer.can_ask() {
        context.printer.error("not a terminal: pass `--yes` to run without confirmation");
        return Err(Exit::Usage);
    }
    if let Some(dir) = args.run_dir.as_deref().filter(|_| args.resume)
        && let Ok(dir) = RunDir::existing(dir)
    {
        return go_on(context, args, &dir);
    }
    // The plan's name, and with it the default path, is known only once the plan is read: until then only the parent directory counts.
    let path = args.run_dir.clone().unwrap_or_else(|| default_path("plan", context.clock.now()));
    // A taken directory is refused at once: checking a million rows first would waste a minute of the user's.
    if args.run_dir.is_some() && path.exists() {
        let refused = match std::fs::read_dir(&path).map(|mut entries| entries.next().is_some()) {
            Ok(false) => None,
            Ok(true) => Some(JournalError::Exists { path: path.clone() }.to_string()),
            Err(error) => {
                Some(format!("--run-dir {}: {}; name another", path.display(), file::directory_reason(&error)))
            }
        };
        if let Some(refused) = refused {
            context.printer.error(&refused);
            return Err(Exit::Usage);
        }
    }
    let outlets = open_outlets(context, &args.outlets, args.report.as_deref(), args.run_dir.as_deref())?;
    let catalog = context.catalog(&context.provider_directories())?;
    // On the same file system as its final path, so that `finish` is one atomic rename.
    let mut maker = RunMaker::begin(path.parent().unwrap_or(Path::new(""))).map_err(|error| context.failed(&error))?;
    let Prepared { facts, files, simulator, senders, previous, kinds } =
        match prepare(context, args, &catalog, asks, &mut maker) {
            Ok(prepared) => prepared,
            Err(exit) => {
                // A plan with errors, or a `no`, leaves nothing on the disk.
                maker.abandon();
                return Err(exit);
            }
        };
    let path = args.run_dir.clone().unwrap_or_else(|| {
        let mut path = default_path(&facts.settings.name, context.clock.now());
        // Several of them begin in the same moment.
        if let Some(shard) = args.shard {
            path.as_mut_os_string().push(format!("-{}of{}", shard.number(), shard.of()));
        }
        path
    });
    let providers: Vec<_> = facts.documents.keys().filter_map(|id| catalog.get(id)).cloned().collect();
    let put = |maker: RunMaker| maker.finish(&path, &facts, &files, &providers);
    let dir = match previous {
        Some(previous) => {
            let costs = costs(&catalog, &facts.settings.accounts, maker.operations());
            let plan = ThisPlan { digest: &facts.digest, shard: args.shard, costs, again: args.again };
            previous.begin(context, plan, maker, put)?
        }
        None => put(maker).map_err(|error| context.failed(&error))?,
    };
    context.printer.note(&format!("run directory: {}", safe::terminal(&dir.path().display().to_string())));
    if let Some(simulator) = &simulator {
        // The simulator started before the plan was on disk; it must know every target before the first request asks for one.
        dir.read()
            .and_then(|reader| register_targets(simulator, &reader, &facts))
            .map_err(|error| context.failed(&error))?;
    }
    // With a question, the preview has already shown the deadline.
    if !asks && !args.simulate {
        warn_of_the_deadline(context, &catalog, &facts, &dir, &kinds).map_err(|error| context.failed(&error))?;
    }
    // Takes the lock: from here on this process alone may send, and `resume` of another one is refused.
    let run = dir.open().map_err(|error| context.failed(&error))?;
    let published = published_looks(context, &run, &facts, &catalog, args.ca_file.as_deref())?;
    let exit = execute(
        context,
        Task {
            run,
            facts: &facts,
            senders,
            // Only `resume --retry` opens actions again that have an outcome.
            reopen: BTreeSet::new(),
            outlets,
            report: args.report.as_deref(),
            wait: args.wait,
            strict: args.strict,
            published,
            answers: Answers::of(context, args.yes, facts.simulated),
        },
    );
    // Counted by the simulator, not by the engine: a second opinion on the report.
    if let Some(simulator) = simulator {
        let total = simulator.effects().total();
        let requests = if total.requests == 1 { "request" } else { "requests" };
        context.printer.note(&format!(
            "simulated: {} {requests}, {} took effect, {} refused by the limits; nothing left this machine",
            total.requests, total.effects, total.limited
        ));
    }
    Ok(exit)
}

/// What `prepare` hands to `run_plan`: everything that `execute` needs beside the run directory itself.
struct Prepared<'c> {
    facts: RunFacts,
    files: Vec<ReadFile>,
    simulator: Option<Simulator>,
    senders: Senders,
    /// `None` for a rehearsal: it sends nothing twice, and no later run needs to know of it.
    previous: Option<PreviousRuns<'c>>,
    /// What the forecast needs of the actions.
    kinds: ActionKinds,
}

/// Checks the plan into the maker, asks, and makes the senders: everything that can fail before the first request fails before the run
/// directory is there.
fn prepare<'c>(
    context: &Context,
    args: &RunArgs,
    catalog: &'c Catalog,
    asks: bool,
    maker: &mut RunMaker,
) -> Result<Prepared<'c>, Exit> {
    let mut previous = (!args.simulate).then(|| PreviousRuns::look(args.run_dir.as_deref(), catalog));
    // The preview's figures are collected in the same pass: actions are streamed and never all in memory.
    let mut preview_data = asks.then(PreviewData::default);
    let mut kinds = ActionKinds::default();
    let read = check_into(context, args, catalog, maker, &mut |action| {
        kinds.add(action);
        if let (Some(previous), None) = (&mut previous, &action.never_sent) {
            previous.compare(action.fingerprint, &action.id);
        }
        if let Some(data) = &mut preview_data {
            data.add(action);
        }
    })?;
    // From here on the plan is free of errors. First what needs no question: a plan other than the approved one, a deadline that cannot
    // be met, a run that would repeat another.
    require_digest(context, args, &read)?;
    let mut warned = false;
    require_open_schedule(context, read.plan.settings(), args.simulate)?;
    if let Some(previous) = &previous {
        let costs = costs(catalog, &read.plan.settings().accounts, maker.operations());
        warned = previous
            .judge(context, ThisPlan { digest: read.plan.digest(), shard: args.shard, costs, again: args.again })?;
    }
    let origin = origin(args.operator.as_deref(), args.ticket.as_deref());
    let mut facts = RunFacts {
        provider_directories: context.provider_directories(),
        simulated: args.simulate,
        ..RunFacts::of(&read.plan, context.clock.now(), origin)
    };
    // Before anybody is asked: who has read a preview and typed `yes` must not hear then that a variable is missing.
    let (simulator, senders) = if args.simulate {
        let simulator = simulator_for(context, &facts.settings, catalog, &args.faults, args.seed, None)?;
        facts.simulator_port = Some(simulator.address().port());
        let senders = build_simulated_senders(context, &facts.settings, catalog, &simulator)?;
        (Some(simulator), senders)
    } else {
        (None, build_senders(context, &facts.settings, catalog, args.ca_file.as_deref())?)
    };
    if let Some(data) = preview_data {
        confirm(context, args, data, &read, catalog, warned)?;
    }
    Ok(Prepared { facts, files: read.plan.files().to_vec(), simulator, senders, previous, kinds })
}

/// Checks the plan. Each action is lent to `each` and goes to the maker, while the check is still reading.
fn check_into(
    context: &Context,
    args: &RunArgs,
    catalog: &Catalog,
    maker: &mut RunMaker,
    each: &mut dyn FnMut(&Action),
) -> Result<ReadPlan, Exit> {
    let mut failure: Option<JournalError> = None;
    let mut add = |action: Action| {
        each(&action);
        // After a full disk the check still runs to its end: the user gets all findings about the plan as well.
        if failure.is_none() {
            failure = maker.add(action).err();
        }
    };
    let read = context.part_of_plan(&args.source, args.shard, catalog, &mut add)?;
    match failure {
        Some(error) => Err(context.failed(&error)),
        None => {
            maker.keep_order(&read.plan);
            Ok(read)
        }
    }
}

/// Refuses any other plan than the one that `--digest` names: who approved a preview approved this digest.
fn require_digest(context: &Context, args: &RunArgs, read: &ReadPlan) -> Result<(), Exit> {
    let ours = read.plan.digest();
    let is_ours = |digest: &str| digest == ours || digest.len() >= MIN_DIGEST && ours.starts_with(digest);
    match args.digest.as_deref().filter(|digest| !is_ours(digest)) {
        None => Ok(()),
        Some(digest) if ours.starts_with(digest) => {
            context
                .printer
                .error(&format!("--digest: give at least {MIN_DIGEST} characters of the digest, not {digest}"));
            Err(Exit::Usage)
        }
        Some(digest) => {
            context
                .printer
                .error(&format!("this is another plan than the one previewed: its digest is {ours}, not {digest}"));
            Err(Exit::Usage)
        }
    }
}

/// Shows the preview and asks whether to send; after a warning about an earlier run (`warned`) the question says `once more`.
fn confirm(
    context: &Context,
    args: &RunArgs,
    data: PreviewData,
    read: &ReadPlan,
    catalog: &Catalog,
    warned: bool,
) -> Result<(), Exit> {
    let simulated = |account: &str| args.simulate.then(|| simulated_latency(&args.faults, account));
    let preview = data.preview(
        read,
        catalog,
        &latencies(read.plan.settings(), simulated),
        context.clock.now(),
        &Proxies::from_env(),
    );
    // Also with `-q`: nobody should confirm what they have not seen.
    let (colors, columns) = (context.printer.stderr_colors(), context.printer.stderr_columns());
    context.printer.always(render_to_confirm(&preview, colors, columns).trim_end());
    let again = if warned { " once more" } else { "" };
    let late = preview.deadline.as_ref().filter(|deadline| !deadline.met);
    let late = late.map_or("", |_| " The deadline will be MISSED.");
    let actions = plural(preview.actions.saturating_sub(preview.duplicates + preview.excepted), "action");
    let question = format!("Carry out these {actions}{again}? They cannot be undone.{late}");
    if context.printer.confirm(&question) {
        return Ok(());
    }
    context.printer.error("not confirmed; nothing was sent");
    Err(Exit::Usage)
}

/// With `--yes` nobody sees the preview, so a deadline that will be missed is at least warned of.
fn warn_of_the_deadline(
    context: &Context,
    catalog: &Catalog,
    facts: &RunFacts,
    dir: &RunDir,
    kinds: &ActionKinds,
) -> Result<(), JournalError> {
    if facts.settings.deadline.is_none() {
        return Ok(());
    }
    let queue = dir.read()?.queue()?;
    let latencies = latencies(&facts.settings, |_| None);
    let now = context.clock.now();
    if let Some(late) = misses_the_deadline(&facts.settings, catalog, (&queue, kinds), &latencies, now) {
        context.printer.warning(&format!("{late}; `certsweep preview` says what would help"));
    }
    Ok(())
}

/// Refuses to begin a run whose deadline counts from now and is over before anything could be sent: it could never be resumed. A rehearsal
/// begins at the time at which the run should.
fn require_open_schedule(context: &Context, settings: &Settings, simulate: bool) -> Result<(), Exit> {
    let now = context.clock.now();
    let Settings { deadline: deadline @ Some(Deadline::After(_)), schedule, timeout, .. } = settings else {
        return Ok(());
    };
    let end = calendar::deadline_at(*deadline, schedule, now);
    if calendar::next_start(schedule, now, *timeout, end).is_some() {
        return Ok(());
    }
    let opens = calendar::next_start(schedule, now, *timeout, None);
    if let Some(at) = opens.filter(|_| simulate) {
        context.clock.skip(Duration::try_from(at.duration_since(now)).unwrap_or_default());
        context.printer.warning(&format!(
            "the deadline counts from the start, and the schedule does not open before it is over: a run that begins now \
             is refused. The rehearsal begins at {at}"
        ));
        return Ok(());
    }
    let opens = opens.map_or_else(|| "never".to_owned(), |at| format!("next at {at}"));
    context.printer.error(&format!(
        "the deadline counts from now, and the schedule does not open before it is over; something can be sent {opens}: \
         begin the run then, or say `schedule.start`"
    ));
    Err(Exit::Usage)
}

/// Goes on with a run that was begun with the same plan, as a container or a unit does that was started again.
fn go_on(context: &Context, args: &RunArgs, dir: &RunDir) -> Result<Exit, Exit> {
    let facts = dir.read().and_then(|reader| reader.facts()).map_err(|error| context.no_run(&error))?;
    let catalog = context.catalog(&context.provider_directories())?;
    // Certificates that were replaced meanwhile where they are served are no other plan.
    let as_begun = context.with_copies(dir.inputs().certificates());
    let read = as_begun.part_of_plan(&args.source, args.shard, &catalog, &mut drop)?;
    require_digest(context, args, &read)?;
    let path = dir.path().display();
    let (ours, theirs) = (read.plan.digest(), &facts.digest);
    let refused = if ours != theirs {
        Some(format!("{path} holds a run of another plan: its digest is {theirs}, and this plan's is {ours}"))
    } else if facts.part != read.plan.part() {
        let told = |part: Option<PlanPart>| {
            part.map_or_else(|| "the whole plan".to_owned(), |part| format!("shard {}", part.shard))
        };
        Some(format!("{path} holds a run of {}, and this is {}", told(facts.part), told(read.plan.part())))
    } else if facts.simulated != args.simulate {
        let is = if facts.simulated { "a rehearsal" } else { "no rehearsal" };
        Some(format!("{path} holds a run that is {is}"))
    } else {
        None
    };
    if let Some(refused) = refused {
        context.printer.error(&format!(
            "{refused}; `certsweep resume {path}` goes on with what was checked then, another `--run-dir` begins a new run"
        ));
        return Err(Exit::Usage);
    }
    let resumed = ResumeArgs {
        run_dir: dir.path().to_path_buf(),
        retry: Vec::new(),
        wait: args.wait,
        strict: args.strict,
        // It is the same plan, whatever has changed in its files' layout.
        use_original_inputs: true,
        yes: args.yes,
        ca_file: args.ca_file.clone(),
        outlets: args.outlets.clone(),
    };
    Ok(resume(context, &resumed, args.report.as_deref()))
}

fn resume_run(context: &Context, args: &ResumeArgs, report: Option<&Path>) -> Result<Exit, Exit> {
    let outlets = open_outlets(context, &args.outlets, report, None)?;
    let run = RunDir::existing(&args.run_dir).and_then(RunDir::open).map_err(|error| context.no_run(&error))?;
    let reader = run.dir.read().map_err(|error| context.failed(&error))?;
    let facts = reader.facts().map_err(|error| context.failed(&error))?;
    let rehearsal = rehearsal_of(context, &reader, &facts)?;
    let context = rehearsal.as_ref().unwrap_or(context);
    let without = if args.use_original_inputs { WithoutCopy::TakeWhatFits } else { WithoutCopy::Refuse };
    let catalog = run_catalog(context, &run.dir, &facts, without)?;
    if !args.use_original_inputs {
        require_same_inputs(context, &run.dir)?;
    }
    // The count is for the question alone, and folds every record: without a question the engine does that once, as it starts.
    let actions_left = if args.yes || facts.simulated { 0 } else { actions_left(context, args, &reader)? };
    drop(reader);
    if actions_left > 0 && !context.printer.can_ask() {
        context.printer.error("not a terminal: pass `--yes` to resume without confirmation");
        return Err(Exit::Usage);
    }
    // Faults are not recorded in the run directory: a resumed rehearsal meets a simulator without any.
    let simulator = match facts.simulated {
        true => Some(simulator_for(context, &facts.settings, &catalog, &[], None, facts.simulator_port)?),
        false => None,
    };
    let senders = match &simulator {
        Some(simulator) => {
            register_targets(simulator, &run.dir.read().map_err(|error| context.failed(&error))?, &facts)
                .map_err(|error| context.failed(&error))?;
            build_simulated_senders(context, &facts.settings, &catalog, simulator)?
        }
        None => build_senders(context, &facts.settings, &catalog, args.ca_file.as_deref())?,
    };
    // After the credentials: who has typed `yes` must not hear then that a variable is missing.
    if actions_left > 0 {
        let question = format!("Go on with the {actions_left} actions that are left of {}?", facts.actions);
        if !context.printer.confirm(&question) {
            context.printer.error("not confirmed; nothing was sent");
            return Err(Exit::Usage);
        }
    }
    if !facts.simulated {
        let operations =
            run.dir.read().and_then(|reader| reader.operations()).map_err(|error| context.failed(&error))?;
        remember(context, &run.dir, &facts.digest, costs(&catalog, &facts.settings.accounts, &operations));
    }
    let reopen = args.retry.iter().copied().collect();
    let published = published_looks(context, &run, &facts, &catalog, args.ca_file.as_deref())?;
    Ok(execute(
        context,
        Task {
            run,
            facts: &facts,
            senders,
            reopen,
            outlets,
            report,
            wait: args.wait,
            strict: args.strict,
            published,
            answers: Answers::of(context, args.yes, facts.simulated),
        },
    ))
}

/// How many actions would be sent: those without an outcome, and those that `--retry` opens again.
fn actions_left(context: &Context, args: &ResumeArgs, reader: &Reader) -> Result<u64, Exit> {
    let overview = reader.overview().map_err(|error| context.failed(&error))?;
    let count = |outcome| overview.outcomes.get(&outcome).copied().unwrap_or(0);
    let mut retried: u64 = args.retry.iter().map(|outcome| count(*outcome)).sum();
    if args.retry.contains(&Outcome::Pending) {
        retried += count(Outcome::PendingApproval);
    }
    Ok(overview.waiting + retried)
}

/// Refuses to continue after an edit of the plan: the user would expect the edit to count, and the run has its actions from the first check.
fn require_same_inputs(context: &Context, dir: &RunDir) -> Result<(), Exit> {
    let changed = dir.changed_inputs().map_err(|error| context.failed(&error))?;
    for file in &changed {
        context.printer.error(&format!(
            "{}:{}: this file has changed since the run began, and a run goes on with what was checked then; \
             `--use-original-inputs` does that, a new run takes the change",
            file.path.display(),
            file.line
        ));
    }
    if changed.is_empty() { Ok(()) } else { Err(Exit::Usage) }
}
