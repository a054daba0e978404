//! The command line, exactly as typed: every command and option of the contract, and the examples and exit codes below each command's
//! help. Reads no file and no environment variable; what an option means for a run is decided by the commands.

use super::list_args::{
    CSR_EXAMPLES, ColumnPairs, CsrArgs, FIND_EXAMPLES, FindArgs, INIT_EXAMPLES, InitArgs, parse_columns,
};
use super::option_values::{
    AccountLimits, Color, LogFormat, OnlineOptions, ReportFormat, SchemaKind, parse_certificate, parse_limits,
    parse_loopback, parse_nonce_use, parse_note, parse_origin_text, parse_outcome, parse_retried, parse_settled,
    parse_status_source,
};
use crate::engine::verify::NonceUse;
use crate::run::{Outcome, Shard, StatusSource};
use crate::time::parse_duration;
use clap::{ArgAction, Args, Parser, Subcommand};
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Revoke and reissue certificates in batches, from one plan.
#[derive(Debug, Parser)]
#[command(name = "certsweep", version, propagate_version = true, after_help = EXAMPLES, subcommand_required = true)]
// Longer lines are hard to read, and a pipe has no width: help is the same there.
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
    /// Standard error as text, or as JSON lines for a program
    #[arg(long, value_name = "HOW", value_enum, default_value_t = LogFormat::Text, global = true, help_heading = GLOBAL)]
    pub log_format: LogFormat,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a plan and show all its errors; sends nothing, needs no credentials
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Show what a run would send, and how long it would take; changes nothing, needs no credentials
    #[command(after_help = PREVIEW_EXAMPLES)]
    Preview(PreviewArgs),
    /// Find certificates by key, serial number, name or issuer; writes a list that a plan takes
    #[command(after_help = FIND_EXAMPLES)]
    Find(FindArgs),
    /// Make a private key and a certificate request for each row of a list
    #[command(after_help = CSR_EXAMPLES)]
    Csr(CsrArgs),
    /// Write a starter plan, with comments and only what is needed
    #[command(after_help = INIT_EXAMPLES)]
    Init(InitArgs),
    /// Carry out a plan
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Go on with an interrupted or stopped run
    #[command(after_help = RESUME_EXAMPLES)]
    Resume(ResumeArgs),
    /// List the runs below `runs`, newest first
    Runs,
    /// Show how far a run is, also while another terminal carries it out
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Pause a run that another terminal carries out: nothing new is sent
    #[command(after_help = CONTROL_EXAMPLES)]
    Pause(PauseArgs),
    /// Let a paused run go on, or its next wave begin
    // The names of earlier drafts stay as aliases: scripts and runbooks hold them.
    #[command(alias = "go", after_help = CONTROL_EXAMPLES)]
    Unpause(UnpauseArgs),
    /// Set the rate limits of a run that another terminal carries out
    #[command(alias = "pace", after_help = CONTROL_EXAMPLES)]
    SetRate(SetRateArgs),
    /// Export a run's results: CSV, JSON, HTML, Markdown, JUnit, or a plan
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Record how actions in doubt or pending really ended, as a person has found out
    #[command(after_help = SETTLE_EXAMPLES)]
    Settle(SettleArgs),
    /// Check that a run's certificates are really revoked: ask the providers, CRLs and OCSP responders
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// List providers and operations, show one, or check a document of your own
    #[command(after_help = PROVIDERS_EXAMPLES)]
    Providers(ProvidersArgs),
    /// Print a JSON Schema: of plans, for editors, or of what certsweep prints
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaArgs),
    /// Play the providers on this machine, to try plans without a CA
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(SimulateArgs),
    /// Print a shell's completion script
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Write the manual pages into a directory, for packages: `certsweep.1` and one for each command
    Man(ManArgs),
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
    /// Which column of a bare CSV list holds a field: `certificate_id=Cert ID`, or by number where it has no header: `certificate_id=1`
    /// (repeatable, or separated by commas)
    #[arg(long, value_name = "FIELD=HEADER", value_parser = parse_columns)]
    columns: Vec<ColumnPairs>,
    /// Columns of a bare CSV list to leave out: names separated by commas, or `true` for all unknown ones
    #[arg(long, value_name = "HEADERS", value_delimiter = ',')]
    ignore_columns: Vec<String>,
    /// Columns of a bare CSV list to carry to the end of each report row, separated by commas
    #[arg(long, value_name = "HEADERS", value_delimiter = ',')]
    pub keep_columns: Vec<String>,
    /// The line of a bare CSV list's header, where titles stand above it; 0 where it has none
    #[arg(long, value_name = "N")]
    pub header_row: Option<u32>,
    /// Which rows of a bare CSV list to take: an expression over its columns, such as `status == "issued"`
    #[arg(long = "where", value_name = "EXPRESSION")]
    pub filter: Option<String>,
    /// A file with ids, serial numbers or names of what must stay; those actions are skipped (repeatable)
    #[arg(long, value_name = "FILE")]
    pub except: Vec<PathBuf>,
}

/// Which unknown columns to leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IgnoredColumns {
    /// All that are unknown.
    All,
    /// These.
    Named(Vec<String>),
}

/// `check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The plan.
    #[command(flatten)]
    pub source: PlanSource,
}

/// `preview`
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// The plan.
    #[command(flatten)]
    pub source: PlanSource,
    /// Show one of N parts of the plan, as `run --shard` carries it out
    #[arg(long, value_name = "K/N", value_parser = Shard::parse)]
    pub shard: Option<Shard>,
    /// Write a row for every action (outcome `planned`) to this CSV file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// How long a request takes, for the estimate [default: as in earlier runs at the provider, else 500ms]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub latency: Option<Duration>,
    /// What the providers say now.
    #[command(flatten)]
    pub online: OnlineOptions,
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The plan.
    #[command(flatten)]
    pub source: PlanSource,
    /// Do not ask; needed without a terminal
    #[arg(short, long)]
    pub yes: bool,
    /// Refuse any other plan than the one with this digest (as `preview` shows it; its first 12 characters will do)
    #[arg(long, value_name = "DIGEST")]
    pub digest: Option<String>,
    /// The run directory [default: below `runs`, named by UTC time and plan]
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// Write the report to this file too
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Carry out one of N parts of the plan, with its share of the limits; N processes do all of it, on one machine or on many (`0+1/4` is `1/4` for whoever counts from 0)
    #[arg(long, value_name = "K/N", value_parser = Shard::parse)]
    pub shard: Option<Shard>,
    /// Only show what would be done, as `preview` does; sends nothing
    #[arg(long, conflicts_with_all = ["simulate", "run_dir"])]
    pub dry_run: bool,
    /// Wait for the plan's start and for its window where it is closed, and go on when it opens; otherwise the run stops there
    #[arg(long)]
    pub wait: bool,
    /// Exit with 1 also where actions are accepted and not finished (`pending`, `pending-approval`)
    #[arg(long)]
    pub strict: bool,
    /// Go on with the run in --run-dir if it is one of this plan; begin a new one if there is none
    #[arg(long, requires = "run_dir", conflicts_with = "again")]
    pub resume: bool,
    /// Begin a new run, even if there is an unfinished one of this plan, or an earlier one did what costs each time
    // `--new` was its name when only the unfinished run was looked for.
    #[arg(long, alias = "new")]
    pub again: bool,
    /// Who answers for the run: kept in it, and in its reports
    #[arg(long, value_name = "NAME", env = "CERTSWEEP_OPERATOR", hide_env_values = true, value_parser = parse_origin_text)]
    pub operator: Option<String>,
    /// The ticket or incident that the run belongs to: kept in it, and in its reports
    #[arg(long, value_name = "ID", env = "CERTSWEEP_TICKET", hide_env_values = true, value_parser = parse_origin_text)]
    pub ticket: Option<String>,
    /// Trust the certificates in this file too (PEM, or one in DER)
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
    /// What other programs get.
    #[command(flatten)]
    pub outlets: OutletArgs,
}

/// `resume`
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The run directory, the beginning of its name, or the plan's name
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// Try the actions again that ended so: `failed`, `in-doubt`, `rejected`; `pending` only asks the CA about what it has accepted, and sends nothing again
    #[arg(long, value_name = "OUTCOMES", value_delimiter = ',', value_parser = parse_retried)]
    pub retry: Vec<Outcome>,
    /// Wait for the plan's start and for its window where it is closed, and go on when it opens; otherwise the run stops there
    #[arg(long)]
    pub wait: bool,
    /// Exit with 1 also where actions are accepted and not finished (`pending`, `pending-approval`)
    #[arg(long)]
    pub strict: bool,
    /// Use the saved copy of the plan, even where the plan's files have changed since; of a provider document without a copy the present one counts
    // `--as-begun` was its name in earlier drafts.
    #[arg(long, alias = "as-begun")]
    pub use_original_inputs: bool,
    /// Do not ask; needed without a terminal
    #[arg(short, long)]
    pub yes: bool,
    /// Trust the certificates in this file too (PEM, or one in DER)
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// What other programs get.
    #[command(flatten)]
    pub outlets: OutletArgs,
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The run directory, the beginning of its name, or the plan's name [default: the newest unfinished run below `runs`]
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: Option<PathBuf>,
    /// Show it again every second, until no process carries the run out any more; with --json a line each time
    #[arg(short, long)]
    pub watch: bool,
    /// Serve the run's page to browsers on this machine until interrupted; prints the address, port 0 takes a free one
    #[arg(long, value_name = "127.0.0.1:PORT", value_parser = parse_loopback, conflicts_with = "watch")]
    pub serve: Option<SocketAddr>,
}

/// `schema`
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Of what: a plan, a line of `--events`, or what `--json` prints
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = SchemaKind::Plan)]
    pub of: SchemaKind,
}

/// What other programs get of a run while it goes on.
#[derive(Debug, Clone, Args)]
pub struct OutletArgs {
    /// Add what happens to this file, as JSON lines; `-` is standard output, which then holds nothing else
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Keep figures for Prometheus in this file, replaced whole every few seconds
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
}

/// `pause`
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// The run directory, the beginning of its name, or the plan's name
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
}

/// `unpause`
#[derive(Debug, Args)]
pub struct UnpauseArgs {
    /// The run directory, the beginning of its name, or the plan's name
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
}

/// `set-rate`
#[derive(Debug, Args)]
pub struct SetRateArgs {
    /// The run directory, the beginning of its name, or the plan's name
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// A configured provider and its limits from now on, such as `digicert=50/5s` or `naver-kr=10/1s,100/60s`
    #[arg(value_name = "PROVIDER=LIMITS", required = true, value_parser = parse_limits)]
    pub limits: Vec<AccountLimits>,
}

/// `report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run directory, the beginning of its name, or the plan's name; of several runs one report is made
    #[arg(value_name = "RUN_DIR", required = true)]
    pub run_dirs: Vec<PathBuf>,
    /// The format [default: csv, or json with --json]
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Only the actions that ended so, separated by commas
    #[arg(long, value_name = "OUTCOMES", value_delimiter = ',', value_parser = parse_outcome)]
    pub outcome: Vec<Outcome>,
    /// Report what can still be read of a damaged run; what cannot be known is `in-doubt`
    #[arg(long)]
    pub salvage: bool,
    /// Write nothing; say whether this HTML page is the run's, byte for byte
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "output", "outcome", "salvage"])]
    pub check: Option<PathBuf>,
}

/// `settle`
#[derive(Debug, Args)]
pub struct SettleArgs {
    /// The run directory, the beginning of its name, or the plan's name
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// The actions' ids
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// How they ended: `succeeded`, `rejected` or `failed` (it surely did not take effect)
    #[arg(long = "as", value_name = "OUTCOME", value_parser = parse_settled)]
    pub outcome: Outcome,
    /// What was found, and where; it stands in the report, with who says so (CERTSWEEP_OPERATOR, or the user)
    #[arg(long, value_name = "TEXT", value_parser = parse_note)]
    pub note: String,
}

/// `verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The run directory, the beginning of its name, or the plan's name
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// Ask again, with growing pauses, until all are seen revoked or this long is over
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "0s")]
    pub wait: Duration,
    /// Ask only these, separated by commas: `state` (the providers), `crl`, `ocsp`
    #[arg(long, value_name = "WITNESSES", value_delimiter = ',', value_parser = parse_status_source)]
    pub only: Vec<StatusSource>,
    /// Send a nonce with OCSP questions: `auto` (unless the responder refuses it), `require` (an answer without it does not
    /// count), `never`
    #[arg(long, value_name = "WHEN", value_parser = parse_nonce_use, default_value = "auto")]
    pub nonce: NonceUse,
    /// The PEM file of an action's certificate, in place of the plan's (repeatable)
    #[arg(long = "certificate", value_name = "ID=FILE", value_parser = parse_certificate)]
    pub certificates: Vec<(String, PathBuf)>,
    /// A PEM file with certificates of issuers (repeatable)
    #[arg(long = "issuer", value_name = "FILE")]
    pub issuers: Vec<PathBuf>,
    /// Write the report to this file too
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Trust the certificates in this file too (PEM, or one in DER)
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// `providers`
#[derive(Debug, Args)]
pub struct ProvidersArgs {
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
    /// Write the draft of an overlay that makes an action of one operation of another's OpenAPI document; what only you can tell says FILL-IN
    New {
        /// The document, of OpenAPI 3.0 or 3.1
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The operation's `operationId`, or its method and path, such as "POST /revoke"
        #[arg(long, value_name = "ID")]
        operation: String,
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
pub struct SimulateArgs {
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
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `man`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The directory; it is made where there is none
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
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

const GLOBAL: &str = "Options of every command";

const EXAMPLES: &str = "\
Examples:
  certsweep check plan.yaml             all errors of the plan at once
  certsweep preview plan.yaml           what would be sent, and how long it takes
  certsweep run plan.yaml               shows the same, asks, and carries it out
  certsweep run plan.yaml --simulate    a rehearsal: nothing leaves this machine
  certsweep resume runs/20261201T0100   goes on after a stop, a crash or Ctrl-C

Exit codes:
  0 all ended well    1 some did not     2 command line or plan wrong, nothing sent
  3 stopped by a rule, a closed window or the deadline    4 the environment failed
  130, 143 interrupted by a signal       After 3, 4, 130, 143: certsweep resume";

const CHECK_EXAMPLES: &str = "\
Examples:
  certsweep check plan.yaml
  certsweep check leaked.csv --columns \"certificate_id=Cert ID\" --ignore-columns true
  certsweep check plan.yaml --json";

const PREVIEW_EXAMPLES: &str = "\
Examples:
  certsweep preview plan.yaml
  certsweep preview plan.yaml --report planned.csv
  certsweep preview plan.yaml --json | jq -r .digest";

const RUN_EXAMPLES: &str = "\
Examples:
  certsweep run plan.yaml
  certsweep run plan.yaml --yes --digest \"$DIGEST\" --report result.csv
  certsweep run plan.yaml --operator \"Kim Min-jun\" --ticket INC-42
  certsweep run plan.yaml --simulate --fault 429=1/20 --fault digicert:lost-answer=1/100 --seed 7";

const RESUME_EXAMPLES: &str = "\
Examples:
  certsweep resume runs/20261201T010000Z-leaked-build-key
  certsweep resume runs/20261201T010000Z-leaked-build-key --retry failed,in-doubt --yes";

const STATUS_EXAMPLES: &str = "\
Examples:
  certsweep status runs/20261201T010000Z-leaked-build-key
  certsweep status runs/20261201T010000Z-leaked-build-key --json | jq .waiting
  certsweep status leaked-build-key --serve 127.0.0.1:0     the page, for a browser";

const CONTROL_EXAMPLES: &str = "\
Examples:
  certsweep pause runs/20261201T010000Z-leaked-build-key
  certsweep set-rate runs/20261201T010000Z-leaked-build-key digicert=50/5s naver-kr=10/1s,100/60s
  certsweep unpause runs/20261201T010000Z-leaked-build-key

Exit codes:
  0 done, or it was so already    2 no such run or provider, or the run has ended\n  4 no process carries the run out";

const REPORT_EXAMPLES: &str = "\
Examples:
  certsweep report runs/20261201T010000Z-leaked-build-key -o report.csv
  certsweep report runs/20261201T010000Z-leaked-build-key --format json --outcome failed,in-doubt
  certsweep report runs/20261201T010000Z-leaked-build-key --format html -o report.html
  certsweep report runs/20261201T010000Z-leaked-build-key --check report.html
  certsweep report runs/20261201T010000Z-leaked-build-key --salvage -o salvaged.csv
  certsweep report shards/*/ --format html -o report.html

Exit codes:
  0 written, or the page is this run's    1 it is not    2 no such run    4 the environment failed";

const SETTLE_EXAMPLES: &str = "\
Example:
  certsweep settle leaked-build-key shop web-2 --as succeeded --note \"revoked, as CertCentral shows\"";

const VERIFY_EXAMPLES: &str = "\
verify asks the provider, if its document has a status query for the action; and the CRL and the
OCSP responder that the plan's `certificate` names, or its `crl` and `ocsp`. One valid answer that
says revoked is enough. A CRL or an answer that is out of date, unsigned or of another CA proves
nothing.
A certificate on hold is not revoked: the CA may lift the hold, so verify asks again.

Examples:
  certsweep verify runs/20261201T010000Z-leaked-build-key --wait 24h
  certsweep verify runs/20261201T010000Z-leaked-build-key --only crl,ocsp --issuer ca.pem --json

Exit codes:
  0 all are seen revoked    1 some are not    2 no such run or file    4 the environment failed
  130, 143 interrupted by a signal";

const PROVIDERS_EXAMPLES: &str = "\
Examples:
  certsweep providers
  certsweep providers show digicert
  certsweep providers check my-ca.yaml";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  certsweep schema > plan.schema.json
  certsweep schema --of events > events.schema.json";

const SIMULATE_EXAMPLES: &str = "\
Faults:
  latency=200ms        every answer takes so long
  429=1/20             one request in 20 is told to wait for a second
  bare-429=1/500       one in 500 is refused with 429, without a word of how long to wait
  5xx=1/50             one in 50 gets a server error
  reset=1/100          one in 100 loses its connection before it took effect
  lost-answer=1/100    one in 100 takes effect, and its answer is lost
  limit=1/3            only a third of the declared rate is allowed
  hang=1/1000          one in 1000 is never answered
  html=1/500           one in 500 is answered with a page that no document declares
  bad-nonce=1/5        one in 5 is told that its good nonce is none (ACME)

Examples:
  certsweep simulate --port 8080
  certsweep simulate --fault latency=200ms --fault naver:5xx=1/50 --seed 7";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  certsweep completions bash > /etc/bash_completion.d/certsweep
  certsweep completions zsh > \"${fpath[1]}/_certsweep\"";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(shlex::split(line).expect("the test's line is well quoted"))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_contracts_command_lines_are_understood() {
        for line in [
            "certsweep check plan.yaml",
            "certsweep check - --settings shared.yaml",
            "certsweep preview plan.yaml --report planned.csv --latency 1s --json",
            "certsweep run plan.yaml -y --digest abc --run-dir d --report r.csv --again --ca-file ca.pem",
            "certsweep run plan.yaml --dry-run",
            "certsweep run plan.yaml --yes --shard 2/4 --run-dir d --resume",
            "certsweep preview plan.yaml --shard 0+1/4",
            "certsweep run plan.yaml --yes --wait",
            "certsweep resume runs/x --wait",
            "certsweep run plan.yaml --simulate --fault 429=1/20 --fault naver:hang=1/1000 --seed 7",
            "certsweep resume runs/x --retry failed,in-doubt,rejected,pending --yes --strict",
            "certsweep status runs/x --json",
            "certsweep pause runs/x",
            "certsweep unpause runs/x --json",
            "certsweep set-rate runs/x digicert=50/5s naver-kr=10/1s,100/60s",
            "certsweep report runs/x --format csv -o out.csv --outcome failed,in-doubt",
            "certsweep report runs/x --format html",
            "certsweep report runs/x --salvage --format plan --outcome skipped",
            "certsweep providers",
            "certsweep providers show digicert --provider-dir a --provider-dir b",
            "certsweep providers check one.yaml two.yaml",
            "certsweep schema",
            "certsweep schema --of events",
            "certsweep runs --json",
            "certsweep settle runs/x a b --as rejected --note seen",
            "certsweep run plan.yaml --yes --run-dir d --resume",
            "certsweep status --watch",
            "certsweep status runs/x --serve 127.0.0.1:0",
            "certsweep status --serve [::1]:8042",
            "certsweep report one two three --format html",
            "certsweep run plan.yaml --yes --events - --metrics certsweep.prom",
            "certsweep resume runs/x --events events.jsonl",
            "certsweep simulate --port 8080 --fault latency=200ms --seed 1",
            "certsweep completions zsh",
            "certsweep check plan.yaml --log-format json -vv",
            "certsweep -vv --color never --no-progress check plan.yaml",
            "certsweep check plan.yaml -q --color always",
            "certsweep check list.csv --where 'status == \"issued\"' --except hold.csv --except more.txt",
        ] {
            if let Err(error) = parse(line) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn the_names_of_earlier_drafts_are_understood_and_not_shown() {
        for (line, name) in [
            ("certsweep go runs/x", "Unpause("),
            ("certsweep pace runs/x digicert=50/5s", "SetRate("),
            ("certsweep resume runs/x --as-begun", "use_original_inputs: true"),
            ("certsweep run plan.yaml --new", "again: true"),
        ] {
            let parsed = format!("{:?}", parse(line).unwrap().command);
            assert!(parsed.contains(name), "{line}: {parsed}");
        }
        let mut command = Cli::command();
        let resume = command.find_subcommand_mut("resume").unwrap().render_long_help().to_string();
        let run = command.find_subcommand_mut("run").unwrap().render_long_help().to_string();
        let help = command.render_long_help().to_string() + &resume + &run;
        for old in ["  go ", "  pace ", "--as-begun", "--new"] {
            assert!(!help.contains(old), "`{old}` is in\n{help}");
        }
    }

    #[test]
    fn wrong_command_lines_end_with_two() {
        for line in [
            "certsweep frobnicate",
            "certsweep check",
            "certsweep run plan.yaml --fault 429=1/20",
            "certsweep resume runs/x --retry succeeded",
            "certsweep report runs/x --outcome lost",
            "certsweep settle runs/x a --as in-doubt --note n",
            "certsweep settle runs/x a --as failed --note ''",
            "certsweep settle runs/x --as failed --note n",
            "certsweep run plan.yaml --resume",
            "certsweep run plan.yaml --shard 0/4",
            "certsweep status --serve 0.0.0.0:8042",
            "certsweep status --serve 192.0.2.1:8042",
            "certsweep status --serve localhost",
            "certsweep report",
            "certsweep check plan.yaml -q -v",
            "certsweep preview plan.yaml --latency soon",
            "certsweep check list.csv --columns nothing",
            "certsweep providers check",
            "certsweep set-rate runs/x",
            "certsweep set-rate runs/x digicert",
            "certsweep set-rate runs/x digicert=50",
            "certsweep set-rate runs/x =50/5s",
        ] {
            assert_eq!(parse(line).err().map(|error| error.exit_code()), Some(2), "{line}");
        }
    }

    #[test]
    fn columns_are_pairs_whose_headers_may_hold_commas() {
        for (line, expected) in [
            ("--columns 'certificate_id=Cert ID'", vec![("certificate_id", "Cert ID")]),
            ("--columns 'a=A, b=B' --columns c=C", vec![("a", "A"), ("b", "B"), ("c", "C")]),
            ("--columns 'a=Name, full,b=B=C'", vec![("a", "Name, full"), ("b", "B=C")]),
            ("--columns certificateNo=번호", vec![("certificateNo", "번호")]),
        ] {
            let Command::Check(check) = parse(&format!("certsweep check list.csv {line}")).unwrap().command else {
                panic!("{line}: another command");
            };
            let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            assert_eq!(check.source.columns(), expected, "{line}");
        }
    }

    #[test]
    fn what_the_environment_adds_is_told_apart() {
        let cli = parse("certsweep --provider-dir own check list.csv --ignore-columns true").unwrap();
        let joined = std::env::join_paths(["a", "", "b"]).unwrap();
        let expected: Vec<PathBuf> = ["own", "a", "b"].iter().map(PathBuf::from).collect();
        assert_eq!(cli.global.provider_dirs(Some(&joined)), expected);
        let Command::Check(check) = cli.command else { panic!("another command") };
        assert_eq!(check.source.ignored_columns(), IgnoredColumns::All);
        assert_eq!(check.source.settings_file(Some(OsStr::new(""))), None);
        assert_eq!(check.source.settings_file(Some(OsStr::new("s.yaml"))), Some("s.yaml".into()));
    }
}
