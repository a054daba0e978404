//! What every command starts from: the printer, the global options, the clock, the provider documents; and, for commands that send, one
//! sender an account.

use super::args::{Global, IgnoredColumns, PlanSource};
use super::exit::Exit;
use crate::diag::{Diagnostics, Severity};
use crate::engine::{PlayedAccount, PlayedTls, Senders, real_senders, rehearsal_senders};
use crate::journal::JournalError;
use crate::journal::files::{check_place, replace_named};
use crate::plan::{
    Account, Action, CheckedPlan, CsvOptions, Division, IgnoreColumns, Input, Request, Settings, ShardKeys, check,
};
use crate::provider::{Catalog, SecurityRequirement};
use crate::run::{Ordinal, Shard};
use crate::simulator::{self, Simulator};
use crate::text::{SourceMap, safe};
use crate::time::{Clock, SystemClock};
use crate::view::diagnostics::{self, FindingsLayout};
use crate::view::printer::Printer;
use crate::view::progress::ReadingProgress;
use jiff::Timestamp;
use std::collections::HashMap;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

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

/// What is printed of a check's findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tell {
    All,
    /// The warnings were printed before.
    Errors,
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
            Err(error) => Err(self.failed(&format!("reading the plan from standard input failed: {error}"))),
        }
    }
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
