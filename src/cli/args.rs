//! The command line, exactly as typed: every command and option of the contract. Reads no file and no environment variable;
//! what an option means for a run is decided by the commands.

mod control;
#[cfg(test)]
mod tests;
mod verify;

pub use control::{Limit, Pause, SetRate, Unpause};
pub use verify::Verify;

use super::help::{
    CHECK_EXAMPLES, COMPLETIONS_EXAMPLES, CONTROL_EXAMPLES, EXAMPLES, PREVIEW_EXAMPLES, PROVIDERS_EXAMPLES,
    REPORT_EXAMPLES, RESUME_EXAMPLES, RUN_EXAMPLES, SCHEMA_EXAMPLES, SIMULATE_EXAMPLES, STATUS_EXAMPLES,
    VERIFY_EXAMPLES,
};
use crate::run::Outcome;
use crate::time::parse_duration;
use crate::view::printer::ColorChoice;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

/// Declarative batch runner for certificate revocation and reissue.
#[derive(Debug, Parser)]
#[command(name = "certsweep", version, propagate_version = true, after_help = EXAMPLES, subcommand_required = true)]
#[command(arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Directory with provider documents of your own (repeatable) [env: CERTSWEEP_PROVIDERS, a list like PATH]
    #[arg(long = "provider-dir", value_name = "DIR", global = true, help_heading = GLOBAL)]
    pub provider_dirs: Vec<PathBuf>,
    /// Say more on standard error; twice for every request
    #[arg(short, long, action = ArgAction::Count, global = true, conflicts_with = "quiet", help_heading = GLOBAL)]
    pub verbose: u8,
    /// Say nothing on standard error but errors
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
    /// Colour the output; `auto` on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto, global = true, help_heading = GLOBAL)]
    pub color: Color,
    /// No progress bars: plain lines instead
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub no_progress: bool,
    /// Results as JSON on standard output
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read and validate a plan; sends nothing, needs no credentials
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Show what a run would do, and how long it would take; sends nothing, needs no credentials
    #[command(after_help = PREVIEW_EXAMPLES)]
    Preview(Preview),
    /// Carry a plan out
    #[command(after_help = RUN_EXAMPLES)]
    Run(Run),
    /// Go on with an interrupted or stopped run
    #[command(after_help = RESUME_EXAMPLES)]
    Resume(Resume),
    /// Show how far a run is, also while it goes on in another terminal
    #[command(after_help = STATUS_EXAMPLES)]
    Status(Status),
    /// Have a run that goes on in another terminal send nothing new
    #[command(after_help = CONTROL_EXAMPLES)]
    Pause(Pause),
    /// Have a paused run go on, or let its next wave go
    // The names of earlier drafts stay as aliases: scripts and runbooks hold them.
    #[command(alias = "go", after_help = CONTROL_EXAMPLES)]
    Unpause(Unpause),
    /// Set the rate limits of a run that goes on in another terminal
    #[command(alias = "pace", after_help = CONTROL_EXAMPLES)]
    SetRate(SetRate),
    /// Write a run's report again
    #[command(after_help = REPORT_EXAMPLES)]
    Report(Report),
    /// Ask what the world sees of a run's revocations: the providers, CRLs and OCSP responders
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Verify),
    /// List providers and operations, show one, or check a document of your own
    #[command(after_help = PROVIDERS_EXAMPLES)]
    Providers(Providers),
    /// Print the plan's JSON Schema, for editors
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema,
    /// Play the providers on loopback, to try plans without a CA
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(Simulate),
    /// Print a shell's completion script
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(Completions),
}

/// A plan, and how to read it.
#[derive(Debug, Clone, Args)]
pub struct PlanSource {
    /// The plan: a YAML file, a CSV list, or `-` for standard input
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Settings that many plans share (YAML); the plan's own win [env: CERTSWEEP_SETTINGS]
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Which column of a bare CSV list holds a field: `certificate_id=Cert ID` (repeatable, or separated by commas)
    #[arg(long, value_name = "FIELD=HEADER", value_parser = parse_columns)]
    columns: Vec<Columns>,
    /// Columns of a bare CSV list to leave out: names separated by commas, or `true` for all unknown ones
    #[arg(long, value_name = "HEADERS", value_delimiter = ',')]
    ignore_columns: Vec<String>,
    /// Columns of a bare CSV list to carry to the end of each report row, separated by commas
    #[arg(long, value_name = "HEADERS", value_delimiter = ',')]
    pub keep_columns: Vec<String>,
}

/// Which unknown columns to leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IgnoredColumns {
    /// All that are unknown.
    All,
    /// These.
    Named(Vec<String>),
}

/// One value of `--columns`: pairs of field and header.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Columns(Vec<(String, String)>);

/// `check`
#[derive(Debug, Args)]
pub struct Check {
    /// The plan.
    #[command(flatten)]
    pub source: PlanSource,
}

/// `preview`
#[derive(Debug, Args)]
pub struct Preview {
    /// The plan.
    #[command(flatten)]
    pub source: PlanSource,
    /// Write a row for every action (outcome `planned`) to this CSV file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// How long a request is assumed to take, for the estimate
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "500ms")]
    pub latency: Duration,
}

/// `run`
#[derive(Debug, Args)]
pub struct Run {
    /// The plan.
    #[command(flatten)]
    pub source: PlanSource,
    /// Do not ask; needed where no terminal is there to ask on
    #[arg(short, long)]
    pub yes: bool,
    /// Refuse any other plan than the one with this digest (as `preview` shows it)
    #[arg(long, value_name = "DIGEST")]
    pub digest: Option<String>,
    /// The run directory [default: below `runs`, named by UTC time and plan]
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// Write the report to this file too
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Only show what would be done, as `preview` does; sends nothing
    #[arg(long, conflicts_with_all = ["simulate", "run_dir"])]
    pub dry_run: bool,
    /// Wait for the plan's start and for its window where it is closed, and go on when it opens; otherwise the run stops there
    #[arg(long)]
    pub wait: bool,
    /// Begin a new run, even where an unfinished run of the same plan is there to resume
    #[arg(long)]
    pub new: bool,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Run against the built-in simulator; nothing leaves this machine, no credentials are needed
    #[arg(long)]
    pub simulate: bool,
    /// A fault that the simulator injects, such as `429=1/20` (see `certsweep simulate --help`)
    #[arg(long = "fault", value_name = "[PROVIDER:]FAULT", requires = "simulate")]
    pub faults: Vec<String>,
    /// The seed of the simulator's faults: the same seed gives the same faults
    #[arg(long, value_name = "N", requires = "simulate")]
    pub seed: Option<u64>,
}

/// `resume`
#[derive(Debug, Args)]
pub struct Resume {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// Take up actions again that ended so: `failed`, `in-doubt`, `rejected`, separated by commas
    #[arg(long, value_name = "OUTCOMES", value_delimiter = ',', value_parser = parse_retried)]
    pub retry: Vec<Outcome>,
    /// Wait for the plan's start and for its window where it is closed, and go on when it opens; otherwise the run stops there
    #[arg(long)]
    pub wait: bool,
    /// Go on as the run began, even where the plan's files have changed since
    // `--as-begun` was its name in earlier drafts.
    #[arg(long, alias = "as-begun")]
    pub use_original_inputs: bool,
    /// Do not ask; needed where no terminal is there to ask on
    #[arg(short, long)]
    pub yes: bool,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// `status`
#[derive(Debug, Args)]
pub struct Status {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
}

/// `report`
#[derive(Debug, Args)]
pub struct Report {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// The format [default: csv, or json with --json]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Only the actions that ended so, separated by commas
    #[arg(long, value_name = "OUTCOMES", value_delimiter = ',', value_parser = parse_outcome)]
    pub outcome: Vec<Outcome>,
}

/// `providers`
#[derive(Debug, Args)]
pub struct Providers {
    /// What to do with them; lists them where nothing is said.
    #[command(subcommand)]
    pub command: Option<ProvidersCommand>,
}

/// The commands of `providers`.
#[derive(Debug, Subcommand)]
pub enum ProvidersCommand {
    /// List providers and their operations (the default)
    List,
    /// Show one provider: parameters, reasons, limits, environment variables
    Show {
        /// The provider's id, such as `digicert`
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Validate provider documents of your own, and run their samples
    Check {
        /// The documents
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

/// `simulate`
#[derive(Debug, Args)]
pub struct Simulate {
    /// The loopback port; 0 takes a free one, which is printed
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// A fault to inject (repeatable), for one provider or all
    #[arg(long = "fault", value_name = "[PROVIDER:]FAULT")]
    pub faults: Vec<String>,
    /// The seed of the faults: the same seed gives the same faults
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// `completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// When to colour. (Values with a help of their own would spread every command's help over twice the lines.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless the environment says otherwise.
    #[value(help = None)]
    Auto,
    /// Always.
    #[value(help = None)]
    Always,
    /// Never.
    #[value(help = None)]
    Never,
}

/// A report's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// RFC 4180.
    #[value(help = None)]
    Csv,
    /// One array with an object for each action.
    #[value(help = None)]
    Json,
    /// One page for a browser, without scripts.
    #[value(help = None)]
    Html,
    /// A CSV list that is itself a plan.
    #[value(help = None)]
    Plan,
}

impl Global {
    /// The directories with provider documents: those of the command line, then those of `CERTSWEEP_PROVIDERS`.
    pub fn provider_dirs(&self, environment: Option<&OsStr>) -> Vec<PathBuf> {
        let from_environment = environment.map(std::env::split_paths).into_iter().flatten();
        let from_environment = from_environment.filter(|path| !path.as_os_str().is_empty());
        self.provider_dirs.iter().cloned().chain(from_environment).collect()
    }
}

impl PlanSource {
    /// The settings file: the command line's, or the one that `CERTSWEEP_SETTINGS` names; an empty name is none.
    pub fn settings_file(&self, environment: Option<&OsStr>) -> Option<PathBuf> {
        let from_environment = || environment.filter(|name| !name.is_empty()).map(PathBuf::from);
        self.settings.clone().or_else(from_environment)
    }

    /// Pairs of a field and the header of the column that holds it, as typed.
    pub fn columns(&self) -> Vec<(String, String)> {
        self.columns.iter().flat_map(|columns| columns.0.iter().cloned()).collect()
    }

    /// The columns to leave out.
    pub fn ignored_columns(&self) -> IgnoredColumns {
        match self.ignore_columns.as_slice() {
            [only] if only == "true" || only == "all" => IgnoredColumns::All,
            names => IgnoredColumns::Named(names.to_vec()),
        }
    }
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// Pairs are separated by commas; a piece without `=` belongs to the header before it, which holds a comma itself.
fn parse_columns(text: &str) -> Result<Columns, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for piece in text.split(',') {
        match (piece.split_once('='), pairs.last_mut()) {
            (Some((field, header)), _) => pairs.push((field.trim().to_owned(), header.to_owned())),
            (None, Some((_, header))) => {
                header.push(',');
                header.push_str(piece);
            }
            (None, None) => return Err(COLUMNS_EXPECTED.to_owned()),
        }
    }
    for (field, header) in &mut pairs {
        *header = header.trim().to_owned();
        if field.is_empty() || header.is_empty() {
            return Err(COLUMNS_EXPECTED.to_owned());
        }
    }
    Ok(Columns(pairs))
}

fn parse_retried(word: &str) -> Result<Outcome, String> {
    match Outcome::parse(word.trim()) {
        Some(outcome @ (Outcome::Failed | Outcome::InDoubt | Outcome::Rejected)) => Ok(outcome),
        _ => Err("only `failed`, `in-doubt` and `rejected` can be taken up again".to_owned()),
    }
}

fn parse_outcome(word: &str) -> Result<Outcome, String> {
    Outcome::parse(word.trim()).ok_or_else(|| {
        let words: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.word()).collect();
        format!("an outcome is one of {}", words.join(", "))
    })
}

const GLOBAL: &str = "Options of every command";

const COLUMNS_EXPECTED: &str = "write FIELD=HEADER, such as `certificate_id=Cert ID`";
