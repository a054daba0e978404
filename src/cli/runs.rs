//! `certsweep runs`: the runs below `runs/`, newest first; and which run is meant where a command names one by its plan or by the beginning
//! of its directory's name. Reads runs, changes none.

use super::args::Command;
use super::context::{Context, Exit};
use super::previous_runs::RUNS;
use super::status::{quoted, status_of_run};
use crate::journal::dir::runs_in;
use crate::journal::{JournalError, RunDir};
use crate::text::safe;
use crate::view::runs::{ListedRun, render};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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
        context.printer.result(render(&listed).trim_end());
    }
    Exit::Well
}

fn listed_run(context: &Context, path: &Path) -> ListedRun {
    let read = RunDir::existing(path).and_then(|dir| Ok((dir.read()?.facts()?.made_at, status_of_run(context, path)?)));
    match read {
        Ok((made_at, status)) => ListedRun::of(made_at, status),
        Err(error) => ListedRun::unreadable(path.display().to_string(), error.to_string()),
    }
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
    match choose(name, &begin_so, || runs_of_plans(&candidates)) {
        NamedRun::One(path) => {
            // Whoever typed a part must see which run it was.
            context.printer.note(&format!("run directory: {}", path.display()));
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

/// A plan's name means its newest run; the beginning of a directory's name must be that of one run alone, and that of a plan's name of one plan.
/// `runs` are read only where the names of directories do not tell.
fn choose(name: &str, begin_so: &[&PathBuf], runs: impl FnOnce() -> Vec<RunOfPlan>) -> NamedRun {
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

const MAX_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(choose(name, &begin_so.collect::<Vec<_>>(), || runs), expected, "{name}");
        }
    }
}
