//! `certsweep check`: whether a plan is right. `certsweep preview` and `run --dry-run`: what a run of it would do, without sending, and without
//! credentials unless providers are to be asked; how long a request takes, as somebody says, as the newest runs at the same provider took, or else
//! assumed. `preview --online`: what the providers say now of its targets; it asks as `verify` does, by status queries and nothing else, under the
//! limits, with the run's credentials, and what it notes stands in a directory that is gone when it ends. Sends nothing that takes effect.

use super::context::{Context, Exit, ReadPlan, build_senders};
use super::options::{CheckArgs, OnlineOptions, PlanSource};
use super::preview_data::{Latency, PreviewData};
use super::process::with_signals;
use super::runs::newest_runs;
use super::status::{provider_options, quoted};
use crate::engine::verify::{
    Cases, FindTarget, NonceUse, OPEN_CASES, Verification, VerificationEnd, VerificationProgress, VerifyTarget,
    has_preview, verify as ask,
};
use crate::find::contents::listed;
use crate::journal::dir::OpenRun;
use crate::journal::files::replace_named;
use crate::journal::{History, JournalError, Reader, RunDir, RunFacts, RunMaker};
use crate::pki::ocsp::Nonce;
use crate::plan::checked::NeverSent;
use crate::plan::checked::WAIT_PREFIX;
use crate::plan::{Action, Settings};
use crate::provider::listing::ListedRow;
use crate::provider::{Catalog, stages};
use crate::run::{Ordinal, Outcome, RunOrigin, Seen, Shard, StatusSource, StatusSources};
use crate::simulator::Faults;
use crate::text::safe;
use crate::time::Clock;
use crate::view::preview::{LatencySource, PresentState, PresentTarget, PresentTargets, Preview, SuggestedRenewal};
use crate::view::preview_text::render;
use crate::view::progress::AskingProgress;
use crate::view::report::ReportColumns;
use crate::view::report::formats::CsvReport;
use crate::view::report::row_of;
use crate::view::terminal::plural;
use crate::wire::{HttpOptions, HttpStatusFetcher, Proxies};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// Checks a plan; prints its number of actions and its digest.
pub fn check(context: &Context, args: &CheckArgs) -> Exit {
    let mut excepted = 0_u64;
    let mut count = |action: Action| excepted += u64::from(matches!(action.never_sent, Some(NeverSent::Excepted(_))));
    let read = context
        .catalog(&context.provider_directories())
        .and_then(|catalog| context.plan(&args.source, &catalog, &mut count));
    match read {
        Err(exit) => exit,
        Ok(read) if context.global.json => {
            context.printer.result_json(&serde_json::json!({
                "plan": read.plan.settings().name, "actions": read.plan.actions(), "digest": read.plan.digest(),
                "excepted": excepted, "left_out": read.plan.left_out(), "errors": 0, "warnings": read.warnings, "diagnostics": read.diagnostics,
            }));
            Exit::Well
        }
        Ok(read) => {
            let (actions, warnings, left_out) = (read.plan.actions(), read.warnings, read.plan.left_out());
            let s = if actions == 1 { "" } else { "s" };
            let facts = [
                Some(format!("{actions} action{s}")),
                (excepted > 0).then(|| format!("{excepted} of them on the exception list")),
                (left_out > 0).then(|| format!("{} left out by `where`", plural(left_out, "row"))),
                (warnings > 0).then(|| plural(warnings, "warning")),
            ];
            let facts: Vec<String> = facts.into_iter().flatten().collect();
            context.printer.result(&format!("ok: {}; digest {}", facts.join(", "), read.plan.digest()));
            if let Some(source) = plan_arguments(context, &args.source) {
                context.printer.hint(&format!("see what it would do: certsweep preview {}", safe::terminal(&source)));
            }
            Exit::Well
        }
    }
}

/// A plan as the next command takes it; `None` where that takes more options than are worth to be repeated.
fn plan_arguments(context: &Context, source: &PlanSource) -> Option<String> {
    let settings: String = source.settings.iter().map(|file| format!(" --settings {}", quoted(file))).collect();
    source.is_file_alone().then(|| format!("{}{settings}{}", quoted(&source.plan), provider_options(context)))
}

/// Previews a plan, or one part of it; writes a `planned` row for every action to `report`, where one is asked for.
/// `online`: with what the providers say now of its targets.
pub fn preview(
    context: &Context,
    plan: (&PlanSource, Option<Shard>),
    report: Option<&Path>,
    latency: Option<Duration>,
    online: &OnlineOptions,
) -> Exit {
    match preview_plan(context, plan, report, latency, online) {
        Ok((preview, exit)) if context.global.json => {
            context.printer.result_json(&preview);
            exit
        }
        Ok((preview, exit)) => {
            context.printer.result(render(&preview, context.printer.stdout_columns()).trim_end());
            if let (Some(source), true) = (plan_arguments(context, plan.0), exit == Exit::Well) {
                let shard = plan.1.map(|shard| format!(" --shard {shard}")).unwrap_or_default();
                let digest = preview.digest.get(..MIN_DIGEST).unwrap_or(&preview.digest);
                context.printer.hint(&format!(
                    "carry out this plan and no other: certsweep run {}{shard} --digest {digest}",
                    safe::terminal(&source)
                ));
            }
            exit
        }
        Err(exit) => exit,
    }
}

/// The latency of each account: what `known` says of it by name, else what earlier runs tell, else half a second.
pub fn latencies(settings: &Settings, known: impl Fn(&str) -> Option<Latency>) -> Vec<Latency> {
    let mut found: Vec<_> = settings.accounts.iter().map(|account| known(&account.name)).collect();
    if found.contains(&None) {
        for run in newest_runs(MAX_RUNS) {
            // A run that cannot be read tells nothing; whoever needs to know of it asks by another way.
            drop(add_latencies(&run, settings, &mut found));
            if !found.contains(&None) {
                break;
            }
        }
    }
    let assumed = Latency { each: ASSUMED_LATENCY, source: LatencySource::Assumed };
    found.into_iter().map(|latency| latency.unwrap_or(assumed)).collect()
}

/// The latency of the simulator with these faults, as the command line has them; one that is wrong is told of when the simulator starts.
pub fn simulated_latency(faults: &[String], account: &str) -> Latency {
    let mut latencies = faults.iter().filter_map(|spec| Faults::parse(spec).ok()).map(|faults| faults.latency(account));
    let waits = latencies.rfind(|latency| !latency.is_zero()).unwrap_or_default();
    Latency { each: waits + BARE_ANSWER, source: LatencySource::Simulator }
}

fn preview_plan(
    context: &Context,
    (source, shard): (&PlanSource, Option<Shard>),
    report: Option<&Path>,
    latency: Option<Duration>,
    online: &OnlineOptions,
) -> Result<(Preview, Exit), Exit> {
    context.check_place("--report", report)?;
    let catalog = context.catalog(&context.provider_directories())?;
    let mut data = PreviewData::new(report.is_some());
    let targets = online.online.then(OnlineTargets::begin).transpose();
    let mut targets = targets.map_err(|error| context.failed(&error))?;
    let read = context.part_of_plan(source, shard, &catalog, &mut |action| {
        data.add(&action);
        targets.iter_mut().for_each(|targets| targets.add(action.clone()));
    })?;
    if let Some(path) = report {
        let settings = read.plan.settings();
        let written = replace_named(path, |file| {
            let mut rows =
                CsvReport::new(file, ReportColumns { kept: &settings.keep_columns, ..ReportColumns::default() })?;
            let nothing = History::default();
            for action in data.actions() {
                // What is on an exception list is planned to stay.
                let excepted = action.never_sent.as_ref().filter(|why| matches!(why, NeverSent::Excepted(_)));
                let outcome = if excepted.is_some() { Outcome::Skipped } else { Outcome::Planned };
                let why = excepted.map(ToString::to_string);
                rows.write(&row_of(settings, action, &nothing, outcome, why.as_deref()))?;
            }
            rows.finish().map(drop)
        });
        written.map_err(|error| context.failed(&error))?;
    }
    let given = latency.map(|each| Latency { each, source: LatencySource::Given });
    let latencies = latencies(read.plan.settings(), |_| given);
    let ca_file = online.ca_file.as_deref();
    let present = targets.map(|targets| targets.ask(context, &read, &catalog, ca_file)).transpose()?;
    let (online, exit) = present.map_or((None, Exit::Well), |(present, exit)| (Some(present), exit));
    let preview = data.preview(&read, &catalog, &latencies, context.clock.now(), &Proxies::from_env());
    Ok((Preview { online, ..preview }, exit))
}

fn add_latencies(run: &Path, settings: &Settings, found: &mut [Option<Latency>]) -> Result<(), JournalError> {
    let reader = RunDir::existing(run)?.read()?;
    let facts = reader.facts()?;
    // The simulator answers at once.
    if facts.simulated {
        return Ok(());
    }
    let took = reader.latencies()?;
    for (account, latency) in settings.accounts.iter().zip(found).filter(|(_, latency)| latency.is_none()) {
        let is_same = |(number, _): &&(usize, Duration)| {
            let then = facts.settings.accounts.get(*number);
            then.is_some_and(|then| then.provider == account.provider && then.base_url == account.base_url)
        };
        let same = took.iter().find(is_same);
        *latency = same.map(|(_, each)| Latency { each: *each, source: LatencySource::EarlierRun });
    }
    Ok(())
}

/// The actions of a plan whose targets are to be looked at, on their way.
struct OnlineTargets {
    maker: Option<RunMaker>,
    failed: Option<JournalError>,
    directory: PathBuf,
    /// Name and end of the certificates that the plan has; a run directory does not keep these.
    names: HashMap<Ordinal, (Option<String>, Timestamp)>,
}

/// What a provider shows of a target beside its state.
#[derive(Debug, Default, PartialEq)]
struct ShownFacts {
    common_name: Option<String>,
    names: Vec<String>,
    serial_number: Option<String>,
    not_after: Option<Timestamp>,
    renewal: Option<SuggestedRenewal>,
    status: Option<String>,
    /// Why its certificate cannot be read.
    damage: Option<String>,
}

impl OnlineTargets {
    /// A place for them.
    ///
    /// # Errors
    /// There is none.
    fn begin() -> Result<Self, JournalError> {
        let directory = std::env::temp_dir().join(format!("certsweep-online-{}", std::process::id()));
        let maker = RunMaker::begin(&directory)?;
        Ok(Self { maker: Some(maker), failed: None, directory, names: HashMap::new() })
    }

    /// Adds the plan's next action.
    fn add(&mut self, action: Action) {
        if let Some(maker) = &mut self.maker
            && self.failed.is_none()
        {
            if let Some(names) = &action.names {
                self.names.insert(action.ordinal, (names.common_name.clone(), names.not_after));
            }
            self.failed = maker.add(action).err();
        }
    }

    /// Asks for the present state of all of them.
    ///
    /// # Errors
    /// The exit code; why was printed.
    fn ask(
        mut self,
        context: &Context,
        read: &ReadPlan,
        catalog: &Catalog,
        ca_file: Option<&Path>,
    ) -> Result<(PresentTargets, Exit), Exit> {
        let failed = |error: &JournalError| context.failed(error);
        if let Some(error) = &self.failed {
            return Err(failed(error));
        }
        let Some(mut maker) = self.maker.take() else { return Err(Exit::Environment) };
        maker.keep_order(&read.plan);
        let facts = RunFacts {
            settings: read.plan.settings().clone(),
            digest: read.plan.digest().to_owned(),
            actions: read.plan.actions(),
            documents: read.plan.documents().clone(),
            made_at: context.clock.now(),
            provider_directories: context.provider_directories(),
            simulated: false,
            simulator_port: None,
            issuers: Vec::new(),
            origin: RunOrigin::default(),
            part: read.plan.part(),
        };
        let dir = maker.finish(&self.directory.join("run"), &facts, &[], &[]).map_err(|error| failed(&error))?;
        let run = RunDir::open(dir).map_err(|error| failed(&error))?;
        let asked = ask_open_run(context, &facts, (&run, &mut self.names), catalog, ca_file);
        run.close();
        asked
    }
}

impl Drop for OnlineTargets {
    fn drop(&mut self) {
        if let Some(maker) = self.maker.take() {
            maker.abandon();
        }
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

fn ask_open_run(
    context: &Context,
    facts: &RunFacts,
    (run, names): (&OpenRun, &mut HashMap<Ordinal, (Option<String>, Timestamp)>),
    catalog: &Catalog,
    ca_file: Option<&Path>,
) -> Result<(PresentTargets, Exit), Exit> {
    let reader = Rc::new(run.dir.read().map_err(|error| context.failed(&error))?);
    let cases = Rc::new(targets_to_ask(&reader, facts, catalog).map_err(|error| context.failed(&error))?);
    let mut ended = VerificationEnd::default();
    let facts_shown: Rc<RefCell<HashMap<Ordinal, ShownFacts>>> = Rc::default();
    let (into, now) = (Rc::clone(&facts_shown), context.clock.now());
    let take = Box::new(move |ordinal, row| drop(into.borrow_mut().insert(ordinal, ShownFacts::read(&row, now))));
    if !cases.is_empty() {
        let senders = build_senders(context, &facts.settings, catalog, ca_file)?;
        let options = HttpOptions {
            timeout: facts.settings.timeout,
            concurrency: 1,
            ca_file: ca_file.map(Path::to_owned),
            identity: None,
        };
        let target: FindTarget = {
            let reader = Rc::clone(&reader);
            Rc::new(move |ordinal, sources| {
                let account = reader.action(ordinal)?.account;
                Ok(VerifyTarget { ordinal, account, sources, ..VerifyTarget::default() })
            })
        };
        ended = with_signals(context, async |stop| {
            let verification = Verification {
                settings: &facts.settings,
                reader: Rc::clone(&reader),
                journal: run.journal.clone(),
                senders: senders.into_iter().map(Some).collect(),
                // Nobody but the providers is asked.
                fetcher: HttpStatusFetcher::new(&options).map_err(|error| context.failed(&error))?,
                clock: Rc::new(context.clock.clone()),
                cases: Rc::clone(&cases),
                target,
                certificate: Rc::new(|_| None),
                open: OPEN_CASES,
                nonce_use: NonceUse::default(),
                nonce: Nonce::random,
                wait: Duration::ZERO,
                shown: Some(take),
                stop,
            };
            let mut progress = AskingProgress::begin(&context.printer, context.clock.elapsed());
            let mut observe = |VerificationProgress { cases, answered, .. }| {
                progress.answered(answered as u64, || plural(cases as u64, "target"), || context.clock.elapsed());
            };
            let ended = ask(verification, &mut observe).await;
            progress.end();
            ended.map_err(|error| context.failed(&error))
        })?;
    }
    for (account, why) in &ended.refused {
        context.printer.error(&format!("{account}: {why}"));
    }
    let exit = if ended.refused.is_empty() && ended.stopped.is_none() { Exit::Well } else { Exit::Environment };
    let mut present = PresentTargets { is_whole: ended.stopped.is_none(), ..PresentTargets::default() };
    for found in reader.histories() {
        let (action, history) = found.map_err(|error| context.failed(&error))?;
        if cases.get(action.ordinal).is_none() {
            // A wait has no target of its own.
            present.not_asked += u64::from(action.never_sent.is_none() && !action.operation.starts_with(WAIT_PREFIX));
            continue;
        }
        let (state, shows) = match history.verified {
            Some(verified) if matches!(verified.seen, Seen::Revoked) => (PresentState::Revoked, None),
            Some(verified) if verified.seen == Seen::Good => (PresentState::NotRevoked, verified.why),
            Some(verified) => (PresentState::Unknown, verified.why),
            None => (PresentState::Unknown, Some("it was not asked any more".to_owned())),
        };
        let account = facts.settings.accounts.get(action.account);
        let (common_name, not_after) = names.remove(&action.ordinal).unzip();
        let told = facts_shown.borrow_mut().remove(&action.ordinal).unwrap_or_default();
        // Nobody but the provider was asked.
        let shows = shows.map(|words| words.trim_start_matches("state: ").to_owned());
        let shows: Vec<String> = shows.into_iter().chain(told.damage).filter(|words| !words.is_empty()).collect();
        present.add(PresentTarget {
            action_id: action.id,
            provider: account.map(|account| account.name.clone()).unwrap_or_default(),
            target: action.target,
            common_name: told.common_name.or(common_name.flatten()),
            names: told.names,
            serial_number: told.serial_number,
            not_after: told.not_after.or(not_after),
            renewal: told.renewal,
            state,
            status: told.status,
            shows: shows.join("; "),
        });
    }
    Ok((present, exit))
}

impl ShownFacts {
    /// Reads what was shown, as lists are read; a certificate tells more than the rest.
    fn read(row: &ListedRow, now: Timestamp) -> Self {
        let mut row = row.clone();
        let time = |text: Option<String>| text.and_then(|text| text.parse::<Timestamp>().ok());
        let window = time(row.remove("renewal_begins")).zip(time(row.remove("renewal_ends")));
        let (told, damage) = match listed(&row, "") {
            Ok(told) => (Some(told), None),
            Err(_) => {
                row.remove("certificate");
                (listed(&row, "").ok(), Some("what the provider shows as its certificate is none".to_owned()))
            }
        };
        let told = told.unwrap_or_default();
        Self {
            common_name: Some(told.common_name).filter(|name| !name.is_empty()),
            names: told.names,
            serial_number: told.serial.map(|serial| serial.to_string()),
            not_after: told.ends,
            renewal: window.map(|(begins, ends)| SuggestedRenewal::at(begins, ends, now)),
            status: row.remove("status").filter(|status| !status.is_empty()),
            damage,
        }
    }
}

/// The actions of whose target something can be asked for by what the plan has.
fn targets_to_ask(reader: &Reader, facts: &RunFacts, catalog: &Catalog) -> Result<Cases, JournalError> {
    let mut cases = Cases::default();
    for found in reader.histories() {
        let (action, _) = found?;
        let account = facts.settings.accounts.get(action.account);
        let Some(provider) = account.and_then(|account| catalog.get(&account.provider)) else { continue };
        // What an earlier step brings is not there yet.
        let is_known = stages::references(&action.parameters).next().is_none();
        if action.never_sent.is_none() && is_known && has_preview(provider, &action) {
            let mut sources = StatusSources::default();
            sources.add(StatusSource::Provider);
            cases.push(action.ordinal, action.account, sources, false);
        }
    }
    Ok(cases)
}

/// What a request is assumed to take where nobody knows: providers answer in 50 ms to 2 s.
const ASSUMED_LATENCY: Duration = Duration::from_millis(500);
/// What an answer of the simulator takes by itself.
const BARE_ANSWER: Duration = Duration::from_millis(1);
/// So many runs are opened.
const MAX_RUNS: usize = 20;
/// Characters of a digest that tell a plan from any other.
pub const MIN_DIGEST: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulators_latency_is_what_its_faults_say() {
        for (faults, account, expected_ms) in [
            (&[][..], "a", 1),
            (&["latency=20ms", "429=1/20"], "a", 21),
            (&["latency=20ms,b:latency=2s"], "b", 2001),
            (&["b:latency=2s", "nonsense"], "a", 1),
        ] {
            let faults: Vec<String> = faults.iter().map(|fault| (*fault).to_owned()).collect();
            assert_eq!(simulated_latency(&faults, account).each.as_millis(), expected_ms, "{faults:?} {account}");
        }
    }

    #[test]
    fn what_a_provider_shows_is_read_as_lists_are() {
        let now = "2026-11-29T00:00:00Z".parse::<Timestamp>().unwrap();
        let row = |cells: &[(&str, &str)]| -> ListedRow {
            cells.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let read = |cells: &[(&str, &str)]| ShownFacts::read(&row(cells), now);
        assert_eq!(read(&[]), ShownFacts::default());
        let told = read(&[("common_name", "a.example"), ("not_after", "2080000000000"), ("status", "ISSUED")]);
        assert_eq!((told.common_name.as_deref(), told.status.as_deref()), (Some("a.example"), Some("ISSUED")));
        assert_eq!(told.not_after, Timestamp::from_second(2_080_000_000).ok());
        // What cannot be read is not told; a certificate that is none is.
        let told = read(&[("not_after", "soon"), ("certificate", "MIIB"), ("serial_number", "0A:1B"), ("status", "")]);
        assert_eq!((told.not_after, told.serial_number.as_deref(), told.status), (None, Some("0a1b"), None));
        assert_eq!(told.damage.as_deref(), Some("what the provider shows as its certificate is none"));
        for (begins, ends, expected) in [
            ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", Some(true)),
            ("2026-11-29T00:00:01Z", "2026-12-21T00:00:00Z", Some(false)),
            ("tomorrow", "2026-12-21T00:00:00Z", None),
        ] {
            let told = read(&[("renewal_begins", begins), ("renewal_ends", ends)]);
            assert_eq!(told.renewal.map(|window| window.is_now), expected, "{begins}");
        }
    }
}
