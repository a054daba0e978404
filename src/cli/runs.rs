//! The runs of this user. `certsweep runs` lists those below `runs/`, newest first; a command may name one by its plan or by the beginning of its
//! directory's name. A plan that is about to be carried out is compared with all: the same plan, begun or done before; and in any run the same
//! actions (by their fingerprints), which a new run would send a second time. Earlier runs are those in `runs/`, those beside `--run-dir`, and those
//! that the user's index knows (`journal::run_index`), into which each new run goes. Changes none.

use super::args::Command;
use super::context::{Context, Exit};
use super::status::{quoted, status_of_run};
use crate::journal::dir::runs_in;
use crate::journal::run_index::{IndexedRun, LockedIndex, RunIndex, state_directory};
use crate::journal::{ActionState, JournalError, Phase, RunDir, RunMaker};
use crate::plan::Account;
use crate::plan::checked::Fingerprint;
use crate::provider::{Catalog, Idempotency};
use crate::run::{Outcome, Shard};
use crate::text::safe;
use crate::time::Clock;
use crate::view::runs::{ListedRun, render};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

/// The earlier runs, and what the plan has in common with them.
#[derive(Debug)]
pub struct PreviousRuns<'c> {
    catalog: &'c Catalog,
    /// Or why there is none.
    index: Result<RunIndex, String>,
    /// Directories with run directories in them.
    places: Vec<PathBuf>,
    /// The runs that were looked at, by their canonical paths.
    looked_at: HashSet<PathBuf>,
    runs: Vec<PreviousRun>,
    /// Actions that a new run should not send without a word, sorted by fingerprint; of several with one fingerprint the last, from the
    /// newest run, counts.
    known: Vec<(Fingerprint, usize, Overlap)>,
    /// Those of them that the plan has, by run (its index) and overlap: how many, and the first one's id.
    overlaps: BTreeMap<(usize, Overlap), (u64, String)>,
}

/// What of the plan counts here.
#[derive(Debug, Clone, Copy)]
pub struct ThisPlan<'a> {
    /// Its digest.
    pub digest: &'a str,
    /// Which part of it is to be carried out, where it is not the whole.
    pub shard: Option<Shard>,
    /// Whether it has an action that is not idempotent, so that a second run of it can cost.
    pub costs: bool,
    /// Whether the user insists (`--again`).
    pub again: bool,
}

#[derive(Debug)]
struct PreviousRun {
    path: PathBuf,
    /// Whether it is in `runs/`, where a user expects to be told of it.
    here: bool,
    /// Its plan's, where it could be read.
    digest: Option<String>,
    /// Which part of its plan it is.
    shard: Option<Shard>,
    made_at: Timestamp,
    state: PreviousState,
}

/// What was found of an earlier run.
#[derive(Debug)]
enum PreviousState {
    /// Every action has ended.
    Finished,
    /// Some have not.
    Unfinished,
    /// It cannot be read, for this reason.
    Unreadable(String),
    /// The index knows it, and there is nothing at its place.
    Gone,
}

/// What an earlier run did with an action, and whether a second time does harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Overlap {
    /// It ended in doubt there; not idempotent, so a second one may be a second certificate or charge.
    InDoubt,
    /// It has not ended there: that run would send it, or is sending it; not idempotent.
    Unfinished,
    /// It was accepted there, and waits for a person or for the CA; not idempotent.
    Pending,
    /// It took effect there; not idempotent.
    Done,
    /// It waits there, or may have taken effect; idempotent, so only the requests are wasted.
    Idempotent,
}

/// Which run a name means.
#[derive(Debug, PartialEq, Eq)]
enum NamedRun {
    One(PathBuf),
    Several(Vec<PathBuf>),
    SeveralPlans(BTreeSet<String>),
    None,
}

/// A run, and of which plan it is.
struct RunOfPlan {
    plan: String,
    made_at: Timestamp,
    path: PathBuf,
}

/// Lists the runs.
pub fn runs(context: &Context) -> Exit {
    let mut listed: Vec<ListedRun> = runs_in(Path::new(RUNS)).iter().map(|path| listed_run(context, path)).collect();
    // Those that cannot be read have no time; the names of their directories begin with one.
    listed.sort_by(|one, other| (other.made_at, &other.run_dir).cmp(&(one.made_at, &one.run_dir)));
    if context.global.json {
        context.printer.result_json(&listed);
    } else if listed.is_empty() {
        context.printer.note(&format!("there are no runs below `{RUNS}`"));
    } else {
        context.printer.result(render(&listed, context.printer.stdout_columns()).trim_end());
    }
    Exit::Well
}

/// Puts the path of the run that is meant in the place of a plan's name, of the beginning of a run directory's name, or of nothing.
///
/// # Errors
/// The exit code, where no run or more than one is meant; that was printed.
pub fn find_named_run(context: &Context, command: &mut Command) -> Result<(), Exit> {
    let named = match command {
        Command::Status(args) => {
            let path = match &args.run_dir {
                Some(named) => find_run(context, named)?,
                None => newest_unfinished(context)?,
            };
            args.run_dir = Some(path);
            return Ok(());
        }
        Command::Resume(args) => &mut args.run_dir,
        Command::Pause(args) => &mut args.run_dir,
        Command::Unpause(args) => &mut args.run_dir,
        Command::SetRate(args) => &mut args.run_dir,
        Command::Settle(args) => &mut args.run_dir,
        Command::Report(args) => {
            for named in &mut args.run_dirs {
                *named = find_run(context, named)?;
            }
            return Ok(());
        }
        Command::Verify(args) => &mut args.run_dir,
        _ => return Ok(()),
    };
    *named = find_run(context, named)?;
    Ok(())
}

/// At most so many run directories, the newest first: those of the user's index, and then those in `runs/`.
pub(super) fn newest_runs(most: usize) -> Vec<PathBuf> {
    let mut indexed = user_index().ok().and_then(|index| index.runs().ok()).unwrap_or_default();
    indexed.sort_by_key(|run| std::cmp::Reverse(run.at));
    let here = runs_in(Path::new(RUNS)).into_iter().rev();
    indexed.into_iter().map(|run| run.path).filter(|path| path.is_dir()).chain(here).take(most).collect()
}

impl<'c> PreviousRuns<'c> {
    /// Looks at the earlier runs. One that cannot be read is kept as such: a damaged old run must not block another plan's.
    pub fn look(run_dir: Option<&Path>, catalog: &'c Catalog) -> Self {
        let mut places = vec![PathBuf::from(RUNS)];
        let beside = run_dir.and_then(Path::parent).map(|parent| match parent.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => parent.to_path_buf(),
        });
        places.extend(beside);
        let (index, indexed) = match user_index() {
            Ok(index) => match index.runs() {
                Ok(indexed) => (Ok(index), indexed),
                Err(error) => (Err(error.to_string()), Vec::new()),
            },
            Err(why) => (Err(why), Vec::new()),
        };
        let (runs, known) = (Vec::new(), Vec::new());
        let mut this =
            Self { catalog, index, places, looked_at: HashSet::new(), runs, known, overlaps: BTreeMap::new() };
        this.look_further(&indexed);
        this
    }

    /// Looks at those runs that were not looked at yet.
    fn look_further(&mut self, indexed: &[IndexedRun]) {
        for (number, place) in self.places.clone().iter().enumerate() {
            for path in runs_in(place) {
                if self.looked_at.insert(canonical(&path)) {
                    let path = path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path);
                    self.read(path, number == 0, None);
                }
            }
        }
        for run in indexed {
            if self.looked_at.insert(canonical(&run.path)) {
                self.read(from_here(&run.path), false, Some(run));
            }
        }
        // Of several runs with one action the newest tells what to do about it.
        let Self { runs, known, .. } = self;
        known.sort_by_key(|(fingerprint, run, _)| (fingerprint.0, runs[*run].made_at));
    }

    fn read(&mut self, path: PathBuf, here: bool, indexed: Option<&IndexedRun>) {
        let digest = indexed.map(|run| run.digest.clone());
        let made_at = indexed.map_or(Timestamp::MIN, |run| run.at);
        let mut run = PreviousRun { path, here, digest, shard: None, made_at, state: PreviousState::Finished };
        let number = self.runs.len();
        match self.read_actions(&mut run, number) {
            // A rehearsal sent nothing.
            Ok(false) => return,
            Ok(true) => {}
            Err(JournalError::NotARun { .. }) if !run.path.exists() => run.state = PreviousState::Gone,
            // What was found before it failed still counts.
            Err(error) => run.state = PreviousState::Unreadable(error.to_string()),
        }
        self.runs.push(run);
    }

    /// Whether the run counts.
    fn read_actions(&mut self, run: &mut PreviousRun, number: usize) -> Result<bool, JournalError> {
        let reader = RunDir::existing(&run.path)?.read()?;
        let facts = reader.facts()?;
        if facts.simulated {
            return Ok(false);
        }
        run.digest = Some(facts.digest.clone());
        run.shard = facts.part.map(|part| part.shard);
        run.made_at = facts.made_at;
        let accounts = &facts.settings.accounts;
        // Folding a million records takes a second. A finished run of idempotent actions with none in doubt has nothing to warn of.
        if reader.overview_without_actions()?.finished_at.is_some()
            && !costs(self.catalog, accounts, &reader.operations()?)
            && !reader.was_in_doubt()?
        {
            return Ok(true);
        }
        let states = reader.states()?;
        if !states.iter().all(|state| matches!(state.phase, Phase::Ended(_))) {
            run.state = PreviousState::Unfinished;
        }
        reader.fingerprints(|ordinal, account, operation, fingerprint| {
            if let Some(overlap) =
                overlap(states.of(ordinal), || idempotency(self.catalog, accounts, account, operation))
            {
                self.known.push((fingerprint, number, overlap));
            }
        })?;
        Ok(true)
    }

    /// Compares the plan's next action, which repeats no other of it, with the earlier runs' actions.
    pub fn compare(&mut self, fingerprint: Fingerprint, id: &str) {
        let end = self.known.partition_point(|(known, ..)| known.0 <= fingerprint.0);
        let last = end.checked_sub(1).map(|index| self.known[index]);
        if let Some((known, run, overlap)) = last
            && known == fingerprint
        {
            self.overlaps.entry((run, overlap)).or_insert_with(|| (0, id.to_owned())).0 += 1;
        }
    }

    /// Prints what the plan has in common with the earlier runs; returns whether there was anything.
    ///
    /// # Errors
    /// The exit code, where the plan must not be carried out; why was printed. `--again` overrides that.
    pub fn judge(&self, context: &Context, plan: ThisPlan<'_>) -> Result<bool, Exit> {
        if let (Err(why), true) = (&self.index, plan.costs) {
            let places: Vec<String> = self.places.iter().map(|place| place.display().to_string()).collect();
            context.printer.warning(&format!(
                "of earlier runs only those in {} are known, and later runs elsewhere will not know of this one: {why}",
                places.join(" and ")
            ));
        }
        self.judge_runs(context, plan)
    }

    fn judge_runs(&self, context: &Context, plan: ThisPlan<'_>) -> Result<bool, Exit> {
        let mut warned = false;
        let mut refused = false;
        let mut done_before: Vec<&PreviousRun> = Vec::new();
        for (index, run) in self.runs.iter().enumerate() {
            let path = quoted(&run.path);
            // Another part of the plan is another run, also where a machine has several.
            let is_same = run.digest.as_deref() == Some(plan.digest) && Shard::overlap(run.shard, plan.shard);
            match &run.state {
                PreviousState::Unfinished if is_same && run.here && !plan.again => {
                    context.printer.error(&format!(
                        "an unfinished run of this plan is there; go on with `certsweep resume {path}`, or begin anew with --again"
                    ));
                    return Err(Exit::Usage);
                }
                PreviousState::Unfinished if is_same && !run.here => {
                    warned = true;
                    context.printer.warning(&format!(
                        "an unfinished run of this plan is at {path}; `certsweep resume {path}` goes on with it"
                    ));
                }
                PreviousState::Finished if is_same => done_before.push(run),
                PreviousState::Gone if is_same && plan.costs => {
                    warned = true;
                    context
                        .printer
                        .warning(&format!("an earlier run of this plan, {path}, is gone, so what it did is not known"));
                }
                PreviousState::Unreadable(why) if is_same && plan.costs && !plan.again => {
                    refused = true;
                    context.printer.error(&format!(
                        "an earlier run of this plan cannot be read, so what it bought is not known: {why}; --again insists"
                    ));
                }
                PreviousState::Unreadable(why) if plan.costs => {
                    warned = true;
                    context
                        .printer
                        .warning(&format!("an earlier run cannot be read, so what it did is not known: {why}"));
                }
                _ => {}
            }
            for ((_, overlap), (count, first)) in
                self.overlaps.range((index, Overlap::InDoubt)..=(index, Overlap::Idempotent))
            {
                if *overlap == Overlap::Idempotent && is_same {
                    continue;
                }
                let said = sentence(*overlap, *count, first, &path);
                if *overlap == Overlap::Idempotent || plan.again {
                    warned = true;
                    context.printer.warning(&said);
                } else {
                    refused = true;
                    context.printer.error(&format!("{said}; {}, or insist with --again", remedy(*overlap, &path)));
                }
            }
        }
        done_before.sort_by_key(|run| run.made_at);
        if let Some((last, others)) = done_before.split_last() {
            warned = true;
            let last = quoted(&last.path);
            let more = match others.len() {
                0 => String::new(),
                1 => ", and once more".to_owned(),
                more => format!(", and {more} times more"),
            };
            context.printer.warning(&format!("this plan was carried out before: {last}{more}"));
        }
        if refused { Err(Exit::Usage) } else { Ok(warned) }
    }

    /// Puts the new run at its place and enters it into the index, while no other `run` of this user does. A run that has come meanwhile,
    /// from another terminal, is looked at first.
    ///
    /// # Errors
    /// The exit code; why was printed, and nothing is left of the new run.
    pub fn begin(
        self,
        context: &Context,
        plan: ThisPlan<'_>,
        mut maker: RunMaker,
        put: impl FnOnce(RunMaker) -> Result<RunDir, JournalError>,
    ) -> Result<RunDir, Exit> {
        let mut index = match &self.index {
            Ok(index) => locked(context, plan, index),
            Err(_) => None,
        };
        let indexed = index.as_mut().and_then(|index| index.runs().ok()).unwrap_or_default();
        let mut newer = Self { runs: Vec::new(), known: Vec::new(), overlaps: BTreeMap::new(), ..self };
        newer.look_further(&indexed);
        // Nearly always there is none, and nothing is read twice.
        if !newer.runs.is_empty() {
            let compared = maker.fingerprints(|fingerprint, id| newer.compare(fingerprint, id));
            let judged =
                compared.map_err(|error| context.failed(&error)).and_then(|()| newer.judge_runs(context, plan));
            if let Err(exit) = judged {
                maker.abandon();
                return Err(exit);
            }
        }
        let dir = put(maker).map_err(|error| context.failed(&error))?;
        if let Some(index) = &mut index {
            enter(context, plan, index, dir.path());
        }
        Ok(dir)
    }
}

/// Enters a run that is about to be gone on with, where the index does not know it: it may come from another machine, or from another place.
pub fn remember(context: &Context, dir: &RunDir, digest: &str, costs: bool) {
    let plan = ThisPlan { digest, shard: None, costs, again: false };
    match user_index() {
        Ok(index) => {
            if let Some(mut index) = locked(context, plan, &index) {
                enter(context, plan, &mut index, dir.path());
            }
        }
        Err(why) => not_entered(context, plan, &why),
    }
}

/// Whether one of these operations, each with its account, is not idempotent.
pub fn costs(catalog: &Catalog, accounts: &[Account], operations: &[(usize, String)]) -> bool {
    let is_costly = |(account, operation): &(usize, String)| {
        idempotency(catalog, accounts, *account, operation) == Idempotency::NotIdempotent
    };
    operations.iter().any(is_costly)
}

/// An operation that its document no longer declares is treated as not idempotent, the safe side.
fn idempotency(catalog: &Catalog, accounts: &[Account], account: usize, operation: &str) -> Idempotency {
    let provider = accounts.get(account).and_then(|account| catalog.get(&account.provider));
    let rules = provider.and_then(|provider| provider.actions().find(|(known, _)| known.name == operation));
    rules.map_or(Idempotency::NotIdempotent, |(_, rules)| rules.idempotency_of_all())
}

/// The index of this user's runs, or why there is none.
fn user_index() -> Result<RunIndex, String> {
    let directory = state_directory(|name| std::env::var_os(name));
    directory
        .map(|directory| RunIndex::below(&directory))
        .ok_or_else(|| "there is no HOME and no XDG_STATE_HOME for the index of runs".to_owned())
}

fn locked(context: &Context, plan: ThisPlan<'_>, index: &RunIndex) -> Option<LockedIndex> {
    index.lock().map_err(|error| not_entered(context, plan, &error.to_string())).ok()
}

fn enter(context: &Context, plan: ThisPlan<'_>, index: &mut LockedIndex, path: &Path) {
    let run = IndexedRun { path: canonical(path), digest: plan.digest.to_owned(), at: context.clock.now() };
    if let Err(error) = index.add(&run) {
        not_entered(context, plan, &error.to_string());
    }
}

/// A run that cannot be entered is carried out all the same; of one that costs nothing a second time nobody needs to know.
fn not_entered(context: &Context, plan: ThisPlan<'_>, why: &str) {
    if plan.costs {
        context.printer.warning(&format!("later runs elsewhere will not know of this one: {why}"));
    }
}

/// One path for one directory, by whatever way it is named.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_path_buf())
}

/// The path as it is shortest from the working directory.
fn from_here(path: &Path) -> PathBuf {
    let here = std::env::current_dir().map(|here| canonical(&here)).unwrap_or_default();
    path.strip_prefix(&here).ok().filter(|rest| !rest.as_os_str().is_empty()).unwrap_or(path).to_path_buf()
}

/// What an earlier run did with actions of this plan.
fn sentence(overlap: Overlap, count: u64, first: &str, path: &str) -> String {
    let (which, one) = match count {
        1 => (format!("the action `{first}`"), true),
        more => (format!("{more} actions, `{first}` the first of them,"), false),
    };
    let costs = if one { "costs" } else { "cost" };
    let said = |one_does: &str, more_do: &str| if one { one_does.to_owned() } else { more_do.to_owned() };
    let what = match overlap {
        Overlap::InDoubt => said("may have taken effect", "may have taken effect"),
        Overlap::Unfinished => said("is not settled", "are not settled"),
        Overlap::Pending => said("was accepted and is pending", "were accepted and are pending"),
        Overlap::Done => said("took effect", "took effect"),
        Overlap::Idempotent => {
            let waits = said("waits", "wait");
            return format!("{which} {waits} in an earlier run too, or may have taken effect there: {path}");
        }
    };
    format!("{which} {what} in an earlier run, {path}, and {costs} each time")
}

fn remedy(overlap: Overlap, path: &str) -> String {
    match overlap {
        Overlap::InDoubt => format!("settle it with `certsweep resume {path} --retry in-doubt`"),
        Overlap::Unfinished => format!("go on with `certsweep resume {path}`"),
        Overlap::Pending | Overlap::Done | Overlap::Idempotent => format!("`certsweep report {path}` has it"),
    }
}

/// The overlap of an action in this state; `None` where a new run may send it: it had no effect, or repeating a done one does no harm.
fn overlap(state: ActionState, idempotency: impl Fn() -> Idempotency) -> Option<Overlap> {
    let (costly, idempotent) = match state.phase {
        Phase::Waiting | Phase::InFlight => (Overlap::Unfinished, Some(Overlap::Idempotent)),
        Phase::Ended(Outcome::InDoubt) => (Overlap::InDoubt, Some(Overlap::Idempotent)),
        Phase::Ended(outcome) if outcome.is_pending() => (Overlap::Pending, None),
        Phase::Ended(outcome) if outcome.is_well() => (Overlap::Done, None),
        Phase::Ended(_) => return None,
    };
    if idempotency() == Idempotency::NotIdempotent { Some(costly) } else { idempotent }
}

fn listed_run(context: &Context, path: &Path) -> ListedRun {
    let read = RunDir::existing(path).and_then(|dir| Ok((dir.read()?.facts()?.made_at, status_of_run(context, path)?)));
    match read {
        Ok((made_at, status)) => ListedRun::of(made_at, status),
        Err(error) => ListedRun::unreadable(path.display().to_string(), error.to_string()),
    }
}

fn find_run(context: &Context, named: &Path) -> Result<PathBuf, Exit> {
    // What is there is meant, whatever else there is; and where it is no run, the command says so.
    if named.exists() {
        return Ok(named.to_path_buf());
    }
    let directory = named.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(RUNS));
    let Some(name) = named.file_name().and_then(|name| name.to_str()) else { return Ok(named.to_path_buf()) };
    let candidates = runs_in(directory);
    let begins = |path: &&PathBuf| path.file_name().is_some_and(|whole| whole.to_string_lossy().starts_with(name));
    let begin_so: Vec<&PathBuf> = candidates.iter().filter(begins).collect();
    match choose_run(name, &begin_so, || runs_of_plans(&candidates)) {
        NamedRun::One(path) => {
            // Whoever typed a part must see which run it was.
            context.printer.note(&format!("run directory: {}", safe::terminal(&path.display().to_string())));
            Ok(path)
        }
        NamedRun::None => {
            context.printer.error(&format!(
                "there is no run directory {}, and no run below {} whose name or plan begins so; `certsweep runs` lists those below `{RUNS}`",
                quoted(named),
                quoted(directory)
            ));
            Err(Exit::Usage)
        }
        NamedRun::SeveralPlans(plans) => {
            let plans: Vec<String> =
                plans.iter().take(MAX_SHOWN).map(|plan| safe::terminal(plan).into_owned()).collect();
            context.printer.error(&format!(
                "`{name}` is the beginning of several plans' names: {}; give more of it",
                plans.join(", ")
            ));
            Err(Exit::Usage)
        }
        NamedRun::Several(paths) => {
            let first: Vec<String> = paths.iter().take(MAX_SHOWN).map(|path| quoted(path)).collect();
            let more = if paths.len() > MAX_SHOWN { ", …" } else { "" };
            context.printer.error(&format!(
                "`{name}` is the beginning of {} runs: {}{more}; give more of it",
                paths.len(),
                first.join(", ")
            ));
            Err(Exit::Usage)
        }
    }
}

/// A plan's name means its newest run; the beginning of a directory's name must be that of one run alone, and that of a plan's name of one plan.
/// `runs` are read only where the names of directories do not tell.
fn choose_run(name: &str, begin_so: &[&PathBuf], runs: impl FnOnce() -> Vec<RunOfPlan>) -> NamedRun {
    if let Some(exact) = begin_so.iter().find(|path| path.file_name().is_some_and(|whole| whole == name)) {
        return NamedRun::One((*exact).clone());
    }
    let runs = runs();
    let newest = |plan: &str| {
        let of_plan = runs.iter().filter(|run| run.plan == plan);
        of_plan.max_by_key(|run| run.made_at).map(|run| NamedRun::One(run.path.clone()))
    };
    if let Some(of_plan) = newest(name) {
        return of_plan;
    }
    match begin_so {
        [] => {
            let plans = runs.iter().map(|run| &run.plan).filter(|plan| plan.starts_with(name)).cloned();
            let plans: BTreeSet<String> = plans.collect();
            match plans.first() {
                Some(_) if plans.len() > 1 => NamedRun::SeveralPlans(plans),
                plan => plan.and_then(|plan| newest(plan)).unwrap_or(NamedRun::None),
            }
        }
        [one] => NamedRun::One((*one).clone()),
        several => NamedRun::Several(several.iter().map(|path| (*path).clone()).collect()),
    }
}

/// Those that can be read.
fn runs_of_plans(candidates: &[PathBuf]) -> Vec<RunOfPlan> {
    let facts = |path: &PathBuf| RunDir::existing(path).and_then(|dir| dir.read()?.facts()).ok();
    let of_plan = |path: &PathBuf| {
        let facts = facts(path)?;
        Some(RunOfPlan { plan: facts.settings.name, made_at: facts.made_at, path: path.clone() })
    };
    candidates.iter().filter_map(of_plan).collect()
}

/// The newest run that is not finished; where all are, the newest.
fn newest_unfinished(context: &Context) -> Result<PathBuf, Exit> {
    let mut newest: [Option<(Timestamp, PathBuf)>; 2] = [None, None];
    for path in runs_in(Path::new(RUNS)) {
        let read = RunDir::existing(&path).and_then(|dir| {
            let reader = dir.read()?;
            Ok::<_, JournalError>((reader.facts()?.made_at, reader.overview_without_actions()?.finished_at.is_some()))
        });
        let Ok((made_at, is_finished)) = read else { continue };
        let place = &mut newest[usize::from(is_finished)];
        if place.as_ref().is_none_or(|(newest, _)| *newest <= made_at) {
            *place = Some((made_at, path));
        }
    }
    match newest {
        [Some((_, path)), _] => Ok(path),
        [None, Some((_, path))] => {
            context.printer.note(&format!("no run below `{RUNS}` is unfinished; this is the newest"));
            Ok(path)
        }
        [None, None] => {
            context.printer.error(&format!("there are no runs below `{RUNS}`; name a run directory"));
            Err(Exit::Usage)
        }
    }
}

/// Where runs are that no `--run-dir` puts elsewhere.
pub(super) const RUNS: &str = "runs";
const MAX_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_what_a_new_run_would_send_a_second_time() {
        use Idempotency::{Idempotent, NotIdempotent};
        for (phase, idempotency, expected) in [
            (Phase::Waiting, Idempotent, Some(Overlap::Idempotent)),
            (Phase::Waiting, NotIdempotent, Some(Overlap::Unfinished)),
            (Phase::InFlight, Idempotent, Some(Overlap::Idempotent)),
            (Phase::InFlight, NotIdempotent, Some(Overlap::Unfinished)),
            (Phase::Ended(Outcome::InDoubt), NotIdempotent, Some(Overlap::InDoubt)),
            (Phase::Ended(Outcome::InDoubt), Idempotent, Some(Overlap::Idempotent)),
            (Phase::Ended(Outcome::Succeeded), NotIdempotent, Some(Overlap::Done)),
            (Phase::Ended(Outcome::AlreadyDone), NotIdempotent, Some(Overlap::Done)),
            (Phase::Ended(Outcome::PendingApproval), NotIdempotent, Some(Overlap::Pending)),
            (Phase::Ended(Outcome::PendingApproval), Idempotent, None),
            (Phase::Ended(Outcome::Pending), NotIdempotent, Some(Overlap::Pending)),
            (Phase::Ended(Outcome::Succeeded), Idempotent, None),
            (Phase::Ended(Outcome::Failed), NotIdempotent, None),
            (Phase::Ended(Outcome::Rejected), NotIdempotent, None),
            (Phase::Ended(Outcome::Skipped), NotIdempotent, None),
        ] {
            let state = ActionState { phase, ..ActionState::default() };
            assert_eq!(overlap(state, || idempotency), expected, "{phase:?} {idempotency:?}");
        }
    }

    #[test]
    fn what_is_said_names_how_many_the_first_the_run_and_what_to_do() {
        for (overlap, count, said, todo) in [
            (
                Overlap::InDoubt,
                1,
                "the action `a` may have taken effect in an earlier run, runs/x, and costs each time",
                "settle it with `certsweep resume runs/x --retry in-doubt`",
            ),
            (
                Overlap::Done,
                3,
                "3 actions, `a` the first of them, took effect in an earlier run, runs/x, and cost each time",
                "`certsweep report runs/x` has it",
            ),
            (
                Overlap::Unfinished,
                2,
                "2 actions, `a` the first of them, are not settled in an earlier run, runs/x, and cost each time",
                "go on with `certsweep resume runs/x`",
            ),
        ] {
            assert_eq!(sentence(overlap, count, "a", "runs/x"), said);
            assert_eq!(remedy(overlap, "runs/x"), todo);
        }
    }

    #[test]
    fn a_name_means_one_run_or_none() {
        let paths: Vec<PathBuf> = ["runs/20261201-a", "runs/20261202-b", "runs/20261202-bc"].map(PathBuf::from).into();
        let made = |plan: &str, second: i64| RunOfPlan {
            plan: plan.to_owned(),
            made_at: Timestamp::from_second(second).unwrap(),
            path: PathBuf::from(format!("runs/{second}-{plan}")),
        };
        let run = |index: usize| NamedRun::One(paths[index].clone());
        let of_plan = |run: &str| NamedRun::One(PathBuf::from(run));
        let plans = |names: [&str; 2]| NamedRun::SeveralPlans(names.map(str::to_owned).into());
        for (name, runs, expected) in [
            ("20261201", vec![], run(0)),
            ("20261202-b", vec![], run(1)),
            ("20261202", vec![], NamedRun::Several(paths[1..].to_vec())),
            ("2027", vec![], NamedRun::None),
            ("shop", vec![made("shop", 2), made("shop", 1), made("shop-2", 3)], of_plan("runs/2-shop")),
            ("2026120", vec![made("2026120", 1)], of_plan("runs/1-2026120")),
            ("20261201-a", vec![made("20261201-a", 1)], run(0)),
            ("sh", vec![made("shop", 1), made("shop", 2), made("mail", 3)], of_plan("runs/2-shop")),
            ("sh", vec![made("shop", 1), made("shell", 2)], plans(["shell", "shop"])),
            ("20261202", vec![made("20261202x", 1)], NamedRun::Several(paths[1..].to_vec())),
        ] {
            let begin_so = paths.iter().filter(|path| path.to_string_lossy().starts_with(&format!("runs/{name}")));
            assert_eq!(choose_run(name, &begin_so.collect::<Vec<_>>(), || runs), expected, "{name}");
        }
    }
}
