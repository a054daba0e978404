//! What every command starts from and ends with: the printer, the global options, the clock; the provider documents, and those that a run goes on
//! with; one sender an account, for commands that send; and the exit codes, a closed list that scripts rely on. Never exits the process.

use super::args::Global;
use super::options::{IgnoredColumns, PlanSource};
use crate::diag::{Diagnostics, Severity};
use crate::engine::{PlayedAccount, PlayedTls, Senders, real_senders, rehearsal_senders};
use crate::journal::files::{check_place, replace_named};
use crate::journal::{JournalError, Phase, RunDir, RunFacts};
use crate::plan::{
    Account, Action, CheckedPlan, CsvOptions, Division, IgnoreColumns, Input, Request, Settings, ShardKeys, Wait, check,
};
use crate::provider::{Catalog, Provider, SecurityRequirement, params, stages};
use crate::run::{Ordinal, Outcome, Shard, StopReason};
use crate::simulator::{self, Simulator};
use crate::text::{SourceMap, file, safe};
use crate::time::{Clock, SystemClock};
use crate::view::diagnostics::{self, FindingsLayout};
use crate::view::printer::Printer;
use crate::view::progress::ReadingProgress;
use jiff::Timestamp;
use std::collections::HashMap;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What every command starts from.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where everything is printed.
    pub printer: Printer,
    /// The global options.
    pub global: Global,
    /// The clock.
    pub clock: SystemClock,
    /// Files of a plan, by absolute path, in whose place copies are read.
    copies: HashMap<PathBuf, PathBuf>,
}

/// A plan that was read: proof that it is right, and how many warnings there were.
#[derive(Debug)]
pub struct ReadPlan {
    /// The proof.
    pub plan: CheckedPlan,
    /// How many warnings there were.
    pub warnings: u64,
    /// The warnings, for `--json`.
    pub diagnostics: serde_json::Value,
}

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every action ended well, or the command did what it was asked.
    Well,
    /// The run ended, and some actions did not end well.
    NotAllWell,
    /// The command line or the plan is wrong; nothing was sent.
    Usage,
    /// Stopped by a safety rule, a closed window or the deadline; resumable.
    Stopped,
    /// The environment failed: credentials, disk, a locked run directory; resumable where a run had begun.
    Environment,
    /// Interrupted by the signal of this number; resumable.
    Signal(i32),
}

/// What follows where a run directory has no copy of a document, and the present one is another: former versions made no copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutCopy {
    /// The command ends: another document may read the same answer otherwise, and what the journal holds would get another meaning.
    Refuse,
    /// The present document is taken, with a warning, where every action that is left fits it.
    TakeWhatFits,
    /// The present document is taken, with a warning: nothing that takes effect is sent.
    TakePresent,
}

/// What is printed of a check's findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tell {
    All,
    /// The warnings were printed before.
    Errors,
}

/// Which document a run goes on with.
#[derive(Debug, PartialEq, Eq)]
enum DocumentChoice {
    /// The present one, which is the one that the run began with.
    Present,
    /// The copy; the line from which on the present one differs, `None` where there is no present one.
    Copy(Option<usize>),
    /// There is no copy, and the present one is another.
    Changed,
    /// There is neither.
    Missing,
}

impl Context {
    /// From the printer and the global options.
    pub fn new(printer: Printer, global: Global) -> Self {
        Self { printer, global, clock: SystemClock::start(), copies: HashMap::new() }
    }

    /// The same with a rehearsal's clock ([`SystemClock::rehearsal`]).
    pub fn rehearsal(&self, reached: Option<Timestamp>) -> Self {
        Self { clock: self.clock.rehearsal(reached), ..self.clone() }
    }

    /// The same, for a plan of which these files are read in copies.
    pub fn with_copies(&self, copies: HashMap<PathBuf, PathBuf>) -> Self {
        Self { copies, ..self.clone() }
    }

    /// The directories of the user's own provider documents, absolute, so that a run can be resumed from anywhere.
    pub fn provider_directories(&self) -> Vec<PathBuf> {
        let directories = self.global.provider_dirs(std::env::var_os("CERTSWEEP_PROVIDERS").as_deref());
        directories.into_iter().map(|path| std::path::absolute(&path).unwrap_or(path)).collect()
    }

    /// The provider documents, those of these directories among them.
    ///
    /// # Errors
    /// The exit code, where a document is wrong; the findings are printed.
    pub fn catalog(&self, directories: &[PathBuf]) -> Result<Catalog, Exit> {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let catalog = Catalog::load(directories, &mut sources, &mut diagnostics);
        self.findings(&diagnostics, &sources);
        if diagnostics.has_errors() { Err(Exit::Usage) } else { Ok(catalog) }
    }

    /// Reads and checks a plan, hands its actions to `each`, and prints the findings.
    ///
    /// # Errors
    /// The exit code, where the plan is wrong.
    pub fn plan(&self, source: &PlanSource, catalog: &Catalog, each: &mut dyn FnMut(Action)) -> Result<ReadPlan, Exit> {
        self.checked(&self.request(source, catalog)?, Tell::All, each)
    }

    /// The same of one part of the plan, where one is named. What needs what is known only after the check, so that a plan is checked twice
    /// then: first for its division, and once more to hand out the actions of the part.
    ///
    /// # Errors
    /// As [`Self::plan`]; or the plan has changed meanwhile.
    pub fn part_of_plan(
        &self,
        source: &PlanSource,
        shard: Option<Shard>,
        catalog: &Catalog,
        each: &mut dyn FnMut(Action),
    ) -> Result<ReadPlan, Exit> {
        let Some(shard) = shard else { return self.plan(source, catalog, each) };
        let request = self.request(source, catalog)?;
        let mut keys = ShardKeys::default();
        let whole = self.checked(&request, Tell::All, &mut |action| keys.add(&action))?;
        let division = Division::new(&whole.plan, &keys, shard.of());
        let mut next: Ordinal = 0;
        let again = self.checked(&request, Tell::Errors, &mut |action| {
            if division.has(shard, action.ordinal) {
                each(Action { ordinal: next, ..action });
                next += 1;
            }
        })?;
        if again.plan.digest() != whole.plan.digest() {
            let plan = source.plan.display();
            return Err(
                self.failed(&format!("{plan}, or a file that it names, changed while it was read; nothing was sent"))
            );
        }
        Ok(ReadPlan { plan: division.select(again.plan, shard), ..whole })
    }

    fn request<'c>(&self, source: &PlanSource, catalog: &'c Catalog) -> Result<Request<'c>, Exit> {
        Ok(Request {
            plan: self.input(&source.plan)?,
            settings: source.settings_file(std::env::var_os("CERTSWEEP_SETTINGS").as_deref()),
            catalog,
            columns: CsvOptions {
                columns: source.columns(),
                ignore: match source.ignored_columns() {
                    IgnoredColumns::All => IgnoreColumns::All,
                    IgnoredColumns::Named(names) if names.is_empty() => IgnoreColumns::None,
                    IgnoredColumns::Named(names) => IgnoreColumns::Named(names),
                },
                keep: source.keep_columns.clone(),
                header_row: source.header_row,
                filter: source.filter.clone(),
                except: source.except.clone(),
            },
            now: self.clock.now(),
        })
    }

    fn checked(&self, request: &Request<'_>, tell: Tell, each: &mut dyn FnMut(Action)) -> Result<ReadPlan, Exit> {
        let mut sources = SourceMap::of_copies(self.copies.clone());
        let now = || self.clock.elapsed();
        let mut reading = ReadingProgress::begin(&self.printer, now());
        let mut one = |action: Action| {
            reading.action(now);
            each(action);
        };
        let (plan, findings) = check(request, &mut sources, &mut one);
        reading.end();
        if tell == Tell::All || findings.has_errors() {
            self.findings(&findings, &sources);
        }
        match plan {
            // A plan may be readable and still have errors; nothing of it may be sent then.
            Some(plan) if !findings.has_errors() => {
                let warnings = findings.count(Severity::Warning) as u64;
                Ok(ReadPlan { plan, warnings, diagnostics: diagnostics::to_json(&findings, &sources) })
            }
            _ => Err(Exit::Usage),
        }
    }

    /// Prints findings: as text on standard error, or as JSON on standard output where a command has nothing else to say there.
    pub fn findings(&self, findings: &Diagnostics, sources: &SourceMap) {
        if findings.is_empty() {
            return;
        }
        // With `--json` standard output holds one document: with errors these findings, else the command's own result.
        if self.global.json && findings.has_errors() {
            self.printer.result_json(&serde_json::json!({
                "errors": findings.count(Severity::Error),
                "warnings": findings.count(Severity::Warning),
                "diagnostics": diagnostics::to_json(findings, sources),
            }));
            return;
        }
        let layout = FindingsLayout {
            color: self.printer.stderr_colors(),
            columns: self.printer.stderr_columns(),
            all: self.global.verbose > 0,
        };
        let text = diagnostics::render(findings, sources, layout);
        if findings.has_errors() {
            self.printer.always(text.trim_end());
        } else {
            self.printer.note(text.trim_end());
        }
    }

    /// Writes a result to a file, whole or not at all, or to standard output.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_to(
        &self,
        output: Option<&Path>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        let Some(path) = output else {
            let mut results = BufWriter::new(self.printer.results());
            let written = write(&mut results).and_then(|()| results.flush());
            let failed = |source| JournalError::File { path: "standard output".into(), action: "writing", source };
            return written.map_err(failed);
        };
        replace_named(path, write)
    }

    /// Refuses what an option names to be written where it surely cannot be: before anything is sent, and not when all is done.
    ///
    /// # Errors
    /// The exit code; why was printed.
    pub fn check_place(&self, option: &str, path: Option<&Path>) -> Result<(), Exit> {
        let Some(path) = path else { return Ok(()) };
        check_place(path).map_err(|why| {
            self.printer.error(&format!("{option} {}: {why}", safe::terminal(&path.display().to_string())));
            Exit::Usage
        })
    }

    /// Prints a failure of the environment.
    pub fn failed(&self, error: &dyn std::fmt::Display) -> Exit {
        self.printer.error(&error.to_string());
        Exit::Environment
    }

    /// Prints why a run directory cannot be used.
    pub fn no_run(&self, error: &JournalError) -> Exit {
        self.printer.error(&error.to_string());
        Exit::of_journal(error)
    }

    fn input(&self, path: &Path) -> Result<Input, Exit> {
        if path != Path::new("-") {
            return Ok(Input::Path(path.to_path_buf()));
        }
        let mut bytes = Vec::new();
        if io::stdin().is_terminal() {
            self.printer.note("reading the plan from the terminal; Ctrl-D ends it");
        }
        // A byte more than the check takes, which then says so.
        match io::stdin().lock().take(Input::MAX_STDIN + 1).read_to_end(&mut bytes) {
            Ok(_) => Ok(Input::Stdin(bytes)),
            Err(error) => {
                Err(self.failed(&format!("reading the plan from standard input failed: {}", file::reason(&error))))
            }
        }
    }
}

impl Exit {
    /// The code of a run directory that cannot be used: a path that is none is a mistake of the command line.
    pub const fn of_journal(error: &JournalError) -> Self {
        match error {
            JournalError::NotARun { .. } => Self::Usage,
            _ => Self::Environment,
        }
    }

    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::NotAllWell => 1,
            Self::Usage => 2,
            Self::Stopped => 3,
            Self::Environment => 4,
            // Signals are 1 to 64; a number outside would be no signal, and still must not look like success.
            Self::Signal(number @ 1..=127) => 128 + number as u8,
            Self::Signal(_) => 255,
        }
    }

    /// The end of a run that stopped before its last action.
    pub const fn of_stop(reason: &StopReason) -> Self {
        match reason {
            StopReason::Rule(_) => Self::Stopped,
            StopReason::Signal(number) => Self::Signal(*number),
            StopReason::Environment(_) => Self::Environment,
        }
    }

    /// The end of a run whose actions ended like this; `duplicate` tells a skipped action that only repeats another, which is well.
    pub fn of_outcomes(ended: impl IntoIterator<Item = (Outcome, bool)>) -> Self {
        let well =
            |(outcome, duplicate): (Outcome, bool)| outcome.is_well() || (outcome == Outcome::Skipped && duplicate);
        if ended.into_iter().all(well) { Self::Well } else { Self::NotAllWell }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The provider documents of a run.
///
/// # Errors
/// The exit code; why was printed.
pub fn run_catalog(context: &Context, dir: &RunDir, facts: &RunFacts, without: WithoutCopy) -> Result<Catalog, Exit> {
    let mut directories = context.provider_directories();
    directories.extend(facts.provider_directories.iter().filter(|path| path.is_dir()).cloned());
    directories.dedup();
    let mut sources = SourceMap::default();
    // What is wrong with a present document is of no matter where a copy is taken; where it is needed, it is missing.
    let mut present_findings = Diagnostics::default();
    let mut catalog = Catalog::load(&directories, &mut sources, &mut present_findings);
    let mut findings = Diagnostics::default();
    let (mut changed, mut refused, mut missing) = (Vec::new(), false, false);
    for (id, digest) in &facts.documents {
        let copy = dir.document(id, digest);
        match choose_document(copy.as_deref(), catalog.get(id).map(AsRef::as_ref), digest) {
            DocumentChoice::Present => {}
            DocumentChoice::Copy(line) => {
                let differs = line.map_or_else(
                    || "is not there any more".to_owned(),
                    |line| format!("has changed since this run began (from its line {line} on)"),
                );
                context.printer.note(&format!(
                    "{id}: the provider document {differs}; the run goes on with its own copy, providers/{id}.yaml"
                ));
                let name = dir.path().join(format!("providers/{id}.yaml")).display().to_string();
                if let Some(text) = copy {
                    catalog.put(name, &text, &mut sources, &mut findings);
                }
            }
            DocumentChoice::Changed if without == WithoutCopy::Refuse => {
                refused = true;
                context.printer.error(&format!(
                    "the provider document `{id}` has changed since this run began, and the run directory has no copy of it; \
                     `--use-original-inputs` goes on with the present one"
                ));
            }
            DocumentChoice::Changed => {
                context.printer.warning(&format!(
                    "the provider document `{id}` has changed since this run began, and the run directory has no copy of it: \
                     the present one is used"
                ));
                changed.push(id.as_str());
            }
            DocumentChoice::Missing => {
                missing = true;
                context.printer.error(&format!(
                    "the provider document `{id}` is not there, and the run directory has no copy of it; name its directory \
                     with --provider-dir"
                ));
            }
        }
    }
    if missing {
        context.findings(&present_findings, &sources);
    }
    context.findings(&findings, &sources);
    if refused || missing || findings.has_errors() {
        return Err(Exit::Usage);
    }
    if without == WithoutCopy::TakeWhatFits && !changed.is_empty() {
        require_fit(context, dir, facts, &catalog, &changed)?;
    }
    Ok(catalog)
}

/// One sender an account, for a run against the real providers.
///
/// # Errors
/// The exit code; everything that is missing was printed.
pub fn build_senders(
    context: &Context,
    settings: &Settings,
    catalog: &Catalog,
    ca_file: Option<&Path>,
) -> Result<Senders, Exit> {
    let environment = |name: &str| std::env::var_os(name);
    let mut warn = |warning: &str| context.printer.warning(warning);
    let built = real_senders(settings, catalog, ca_file, &environment, context.clock.now(), &mut warn);
    built.map_err(|failures| {
        failures.iter().for_each(|failure| context.printer.error(failure));
        Exit::Environment
    })
}

/// One sender an account, for a run against the simulator: its URLs and its credentials instead of the real ones.
///
/// # Errors
/// The exit code; the failure was printed.
pub fn build_simulated_senders(
    context: &Context,
    settings: &Settings,
    catalog: &Catalog,
    simulator: &Simulator,
) -> Result<Senders, Exit> {
    let now = context.clock.now();
    let played = |account: &Account| {
        // Where the account signs in by a certificate, that is shown in TLS; else nobody would look at it.
        let provider = catalog.get(&account.provider);
        let shows = provider.is_some_and(|provider| {
            let given = |name: &str| account.credentials.contains_key(name);
            let of_account = provider.auth_for(given).or(provider.auth.first()).into_iter();
            let of_operations =
                provider.operations.iter().filter_map(|operation| operation.security.as_ref()).flatten();
            of_account.chain(of_operations).any(SecurityRequirement::is_mutual_tls)
        });
        let secure = simulator.secure_base_url(&account.name).filter(|_| shows);
        PlayedAccount {
            tls: secure.is_some().then_some(PlayedTls { issuers: simulator::CA_CERTIFICATE, now }),
            base_url: secure.unwrap_or_else(|| simulator.base_url(&account.name)),
            auth_url: simulator.auth_url(&account.name),
            credential: simulator::credential_of,
        }
    };
    rehearsal_senders(settings, catalog, played).map_err(|error| context.failed(&error))
}

fn choose_document(copy: Option<&str>, present: Option<&Provider>, digest: &str) -> DocumentChoice {
    match (copy, present) {
        (_, Some(present)) if hex::encode(present.digest) == digest => DocumentChoice::Present,
        (Some(copy), present) => DocumentChoice::Copy(present.map(|present| first_difference(copy, &present.text))),
        (None, Some(_)) => DocumentChoice::Changed,
        (None, None) => DocumentChoice::Missing,
    }
}

/// The first line in which two texts differ, from 1.
fn first_difference(one: &str, other: &str) -> usize {
    one.lines().zip(other.lines()).take_while(|(one, other)| one == other).count() + 1
}

/// Refuses actions that are left and that the changed documents would not accept.
fn require_fit(
    context: &Context,
    dir: &RunDir,
    facts: &RunFacts,
    catalog: &Catalog,
    changed: &[&str],
) -> Result<(), Exit> {
    let reader = dir.read().map_err(|error| context.failed(&error))?;
    for found in reader.histories() {
        let (action, history) = found.map_err(|error| context.failed(&error))?;
        let provider = facts.settings.accounts.get(action.account).map(|account| account.provider.as_str());
        let Some(provider) = provider.filter(|id| changed.contains(id)).and_then(|id| catalog.get(id)) else {
            continue;
        };
        if matches!(history.state.phase, Phase::Ended(_)) || fits(&action, provider) {
            continue;
        }
        context.printer.error(&format!(
            "the present provider document `{}` does not accept the action {} ({}); finish this run with the certsweep that \
             began it, or begin a new one",
            provider.id, action.id, action.operation
        ));
        return Err(Exit::Usage);
    }
    Ok(())
}

fn fits(action: &Action, provider: &Provider) -> bool {
    if Wait::of_action(&action.operation, &action.parameters).is_some() {
        return true;
    }
    let operation = provider.operation(&action.operation).filter(|operation| operation.action.is_some());
    // What earlier steps bring is held against the document when it is there.
    let is_brought = |name: &String| stages::references(&action.parameters).any(|(brought, _)| brought == name);
    operation.is_some_and(|known| {
        let wrong = params::check(known, &action.parameters);
        wrong.iter().all(|wrong| wrong.parameter.as_ref().is_some_and(is_brought))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_contract() {
        for (exit, code) in [
            (Exit::Well, 0),
            (Exit::NotAllWell, 1),
            (Exit::Usage, 2),
            (Exit::Stopped, 3),
            (Exit::Environment, 4),
            (Exit::Signal(2), 130),
            (Exit::Signal(15), 143),
            (Exit::Signal(-1), 255),
            (Exit::Signal(1000), 255),
        ] {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }

    #[test]
    fn a_stop_has_its_code() {
        for (reason, code) in [
            (StopReason::Rule("deadline".into()), 3),
            (StopReason::Signal(15), 143),
            (StopReason::Environment("disk full".into()), 4),
        ] {
            assert_eq!(Exit::of_stop(&reason).code(), code, "{reason:?}");
        }
    }

    #[test]
    fn only_a_duplicate_may_be_skipped_and_be_well() {
        for (outcome, duplicate, code) in [
            (Outcome::Succeeded, false, 0),
            (Outcome::AlreadyDone, false, 0),
            (Outcome::PendingApproval, false, 0),
            (Outcome::Pending, false, 0),
            (Outcome::Skipped, true, 0),
            (Outcome::Skipped, false, 1),
            (Outcome::Rejected, false, 1),
            (Outcome::Failed, false, 1),
            (Outcome::InDoubt, false, 1),
        ] {
            assert_eq!(
                Exit::of_outcomes([(Outcome::Succeeded, false), (outcome, duplicate)]).code(),
                code,
                "{outcome}"
            );
        }
    }

    #[test]
    fn a_copy_is_taken_where_the_present_document_is_another() {
        let catalog = Catalog::built_in();
        let present = catalog.get("naver").unwrap();
        let (same, other) = (hex::encode(present.digest), "0".repeat(64));
        let copy = format!("{}# more\n", present.text);
        let after = present.text.lines().count() + 1;
        for (copy, present, digest, expected) in [
            (None, Some(present), &same, DocumentChoice::Present),
            (Some(copy.as_str()), Some(present), &same, DocumentChoice::Present),
            (Some(copy.as_str()), Some(present), &other, DocumentChoice::Copy(Some(after))),
            (Some("openapi: 3.1.1\n"), Some(present), &other, DocumentChoice::Copy(Some(1))),
            (Some(copy.as_str()), None, &other, DocumentChoice::Copy(None)),
            (None, Some(present), &other, DocumentChoice::Changed),
            (None, None, &other, DocumentChoice::Missing),
        ] {
            assert_eq!(choose_document(copy, present.map(AsRef::as_ref), digest), expected);
        }
    }
}
