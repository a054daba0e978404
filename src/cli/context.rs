//! What every command starts from: the printer, the global options, the environment, the clock, the provider documents.

use super::args::{Global, IgnoredColumns, PlanSource};
use super::exit::Exit;
use super::process::SystemClock;
use crate::diag::{Diagnostics, Severity};
use crate::journal::JournalError;
use crate::plan::{Action, CheckedPlan};
use crate::plan::{CsvOptions, IgnoreColumns, Input, Request, check};
use crate::provider::Catalog;
use crate::text::SourceMap;
use crate::time::Clock;
use crate::view::diagnostics;
use crate::view::printer::Printer;
use crate::view::progress::ReadingProgress;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What every command starts from.
#[derive(Debug)]
pub struct Context {
    /// Where everything is printed.
    pub printer: Printer,
    /// The global options.
    pub global: Global,
    /// The clock.
    pub clock: SystemClock,
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

impl Context {
    /// From the printer and the global options.
    pub fn new(printer: Printer, global: Global) -> Self {
        Self { printer, global, clock: SystemClock::start() }
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
    pub fn plan(
        &self,
        source: &PlanSource,
        catalog: &Catalog,
        each: &mut dyn FnMut(&Action),
    ) -> Result<ReadPlan, Exit> {
        let mut sources = SourceMap::default();
        let request = Request {
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
            },
            now: self.clock.now(),
        };
        let now = || self.clock.elapsed();
        let mut reading = ReadingProgress::begin(self.printer.shows_bars(), self.printer.stderr_colors(), now());
        let mut one = |action: &Action| {
            reading.action(now);
            each(action);
        };
        let (plan, findings) = check(&request, &mut sources, &mut one);
        reading.end();
        self.findings(&findings, &sources);
        match plan {
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
        if self.global.json && findings.has_errors() {
            self.printer.result_json(&serde_json::json!({
                "errors": findings.count(Severity::Error),
                "warnings": findings.count(Severity::Warning),
                "diagnostics": diagnostics::to_json(findings, sources),
            }));
            return;
        }
        let text = diagnostics::render(findings, sources, self.printer.stderr_colors());
        if findings.has_errors() {
            self.printer.always(text.trim_end());
        } else {
            self.printer.note(text.trim_end());
        }
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
        match std::io::stdin().lock().read_to_end(&mut bytes) {
            Ok(_) => Ok(Input::Stdin(bytes)),
            Err(error) => Err(self.failed(&format!("reading the plan from standard input failed: {error}"))),
        }
    }
}
