//! The options of each command and their values, exactly as typed: from text to what a command takes. Reads no file and no environment variable.

use crate::engine::verify::NonceUse;
use crate::pki::csr::KeyAlgorithm;
use crate::provider::model::Window;
use crate::run::MAX_ORIGIN_TEXT;
use crate::run::{Outcome, Shard, StatusSource};
use crate::time::parse_duration;
use clap::{Args, Subcommand, ValueEnum};
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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
    /// A file that lists what must not be touched: ids, serial numbers or names; those actions are skipped (repeatable)
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

/// `find`
#[derive(Debug, Args)]
pub struct FindArgs {
    /// A file or a directory tree: certificates (PEM, DER, PKCS#7, PKCS#12), lists (CSV, JSON), Kubernetes secrets (repeatable)
    #[arg(long = "in", value_name = "PATH", required_unless_present = "accounts", help_heading = WHERE)]
    pub places: Vec<PathBuf>,
    /// An account of --settings, or a provider: read its own list of certificates, under its limits, with the credentials of a run. What the
    /// provider wants to be told for its list follows: `--at naver-pca,caTag=12` (repeatable)
    #[arg(long = "at", value_name = "ACCOUNT[,FIELD=VALUE]", help_heading = WHERE)]
    pub accounts: Vec<String>,
    /// Where the accounts of `--at` are configured: a settings file, or a plan [env: CERTSWEEP_SETTINGS]
    #[arg(long, value_name = "FILE", help_heading = WHERE)]
    pub settings: Option<PathBuf>,
    /// A CA's certificate to trust beside those of the system
    #[arg(long, value_name = "FILE", help_heading = WHERE)]
    pub ca_file: Option<PathBuf>,
    /// A password of PKCS#12 stores, by reference: `env:NAME` or `file:PATH` (repeatable)
    #[arg(long = "password", value_name = "REFERENCE", help_heading = WHERE)]
    pub passwords: Vec<String>,
    /// What a list's column tells, where its header does not: `serial_number=Cert SN` (repeatable, or separated by commas)
    #[arg(long, value_name = "FIELD=HEADER", value_parser = parse_columns, help_heading = WHERE)]
    columns: Vec<ColumnPairs>,
    /// Those with this key: a file with a private key, public key, request, certificate or JSON Web Key, or the SHA-256 of the
    /// SubjectPublicKeyInfo (repeatable)
    #[arg(long = "key", value_name = "FILE", help_heading = WHAT)]
    pub keys: Vec<String>,
    /// Those with a serial number of this file: one a line, in any spelling
    #[arg(long, value_name = "FILE", help_heading = WHAT)]
    pub serials: Option<PathBuf>,
    /// Those with a name of this file (one a line), or with a name that fits this pattern, such as `*.example.com`
    #[arg(long, value_name = "FILE|GLOB", help_heading = WHAT)]
    pub names: Option<String>,
    /// Those that the CA with this certificate signed, or whose issuer's name holds this text
    #[arg(long, value_name = "FILE|TEXT", help_heading = WHAT)]
    pub issuer: Option<String>,
    /// Those whose validity begins in this time: `2026-01-01..2026-06-30`; one end may be left out
    #[arg(long, value_name = "A..B", help_heading = WHAT)]
    pub issued_between: Option<String>,
    /// Those that end before a date, an instant, or a time from now such as `30d`
    #[arg(long, value_name = "T", help_heading = WHAT)]
    pub expires_before: Option<String>,
    /// Weak ones: RSA below 2048 bits, keys of the ROCA generator, SHA-1 and older digests; Debian's weak keys with `--debian-keys`
    #[arg(long, help_heading = WHAT)]
    pub weak: bool,
    /// A list of Debian's weak RSA keys, as the package openssl-blacklist has them (repeatable)
    #[arg(long, value_name = "FILE", requires = "weak", help_heading = WHAT)]
    pub debian_keys: Vec<PathBuf>,
    /// Expired and revoked ones and those of CAs, too; otherwise they are left out and counted
    #[arg(long, help_heading = WHAT)]
    pub all: bool,
    /// At which provider they are, where no list says so; `acme=Let's Encrypt`: those with this in their issuer's name (repeatable)
    #[arg(long = "provider", value_name = "ID[=ISSUER]", help_heading = LIST)]
    pub providers: Vec<String>,
    /// The action that the list is for: its parameters name the certificates
    #[arg(long, value_name = "NAME", default_value = "revoke", help_heading = LIST)]
    pub action: String,
    /// Write the certificates to this directory, each with its issuers where they stood beside it
    #[arg(long, value_name = "DIR", help_heading = LIST)]
    pub out: Option<PathBuf>,
    /// Write the list to this file instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = LIST)]
    pub output: Option<PathBuf>,
}

/// `csr`
#[derive(Debug, Args)]
pub struct CsrArgs {
    /// The list (CSV), as `find` writes it
    #[arg(long, value_name = "LIST")]
    pub from: PathBuf,
    /// The directory for the keys and requests; it is created, private to you, if it does not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The kind of new keys: `p256`, `p384`, `rsa2048`, `rsa3072` or `rsa4096`
    #[arg(long, value_name = "NAME", value_parser = parse_algorithm, default_value = "p256")]
    pub algorithm: KeyAlgorithm,
    /// Write the list with its column `csr` to this file, instead of in its place
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The provider [default: the list's, where its rows name one]
    #[arg(long, value_name = "ID")]
    pub provider: Option<String>,
    /// The action [default: revoke, or the provider's first]
    #[arg(long, value_name = "NAME")]
    pub action: Option<String>,
    /// The list whose rows are the plan's actions, as `find` and `csr` write it
    #[arg(long, value_name = "LIST")]
    pub from: Option<PathBuf>,
    /// Write the plan to this file, which must not be there yet, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
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
    /// Carry out one of N parts of the plan, with its share of the limits; N processes do all of it, on one machine or on many (a scheduler that counts from 0 writes `0+1/4` for `1/4`)
    #[arg(long, value_name = "K/N", value_parser = Shard::parse)]
    pub shard: Option<Shard>,
    /// Only show what would be done, as `preview` does; sends nothing
    #[arg(long, conflicts_with_all = ["simulate", "run_dir"])]
    pub dry_run: bool,
    /// Wait until the plan's start, while its window is closed, and for what the CA has accepted and other actions need; without it the run stops there (exit code 3)
    #[arg(long)]
    pub wait: bool,
    /// Exit with 1 also where actions are accepted and not finished (`pending`, `pending-approval`)
    #[arg(long)]
    pub strict: bool,
    /// Go on with the run in --run-dir if it is one of this plan; begin a new one if there is none
    #[arg(long, requires = "run_dir", conflicts_with = "again")]
    pub resume: bool,
    /// Begin a new run, even if this plan has an unfinished one, or an earlier run already did what costs each time, such as a reissue
    // `--new` was its name when only the unfinished run was looked for.
    #[arg(long, alias = "new")]
    pub again: bool,
    /// Who is responsible for the run: kept in it, and in its reports
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
    /// Wait until the plan's start, while its window is closed, and for what the CA has accepted and other actions need; without it the run stops there (exit code 3)
    #[arg(long)]
    pub wait: bool,
    /// Exit with 1 also where actions are accepted and not finished (`pending`, `pending-approval`)
    #[arg(long)]
    pub strict: bool,
    /// Use the saved copy of the plan, even where the plan's files have changed since; where a provider document has no copy, the present one is used
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
    /// Show it again every second, until the process that carries the run out has ended; with --json a line each time
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
    /// Draft an overlay that makes one operation of a vendor's OpenAPI document an action; replace each FILL-IN in it
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
    /// The port on 127.0.0.1; 0 takes a free one, which is printed
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
    /// The directory; it is created if it does not exist
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// One value of `--columns`: pairs of field and header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPairs(pub Vec<(String, String)>);

/// One value of `set-rate`: a configured provider, and the windows that hold for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLimits {
    /// The configured provider.
    pub account: String,
    /// Its windows.
    pub windows: Vec<Window>,
}

/// Whether providers are asked before anything is sent, and whom HTTPS trusts then.
#[derive(Debug, Clone, Default, Args)]
pub struct OnlineOptions {
    /// Ask the providers for the present state of each target: reads only, under the limits, with the run's credentials
    #[arg(long)]
    pub online: bool,
    /// Trust the certificates in this file too (PEM, or one in DER)
    #[arg(long, value_name = "FILE", requires = "online")]
    pub ca_file: Option<PathBuf>,
}

/// What a schema is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// A plan.
    #[value(help = None)]
    Plan,
    /// A line of `--events`.
    #[value(help = None)]
    Events,
    /// `report --format json`.
    #[value(help = None)]
    Report,
    /// `status --json`.
    #[value(help = None)]
    Status,
    /// `preview --json`.
    #[value(help = None)]
    Preview,
}

/// A report's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// RFC 4180.
    #[value(help = None)]
    Csv,
    /// One array with an object for each action.
    #[value(help = None)]
    Json,
    /// One page for a browser, which loads nothing.
    #[value(help = None)]
    Html,
    /// Counts, and what did not end well: for a ticket.
    #[value(help = None)]
    Markdown,
    /// JUnit XML, for CI servers.
    #[value(help = None)]
    Junit,
    /// A plan of these actions: YAML with the settings that it needs, or a CSV list where it needs none.
    #[value(help = None)]
    Plan,
}

impl PlanSource {
    /// Whether a file, with settings at most, is all of it: it can be read again by that alone.
    pub fn is_file_alone(&self) -> bool {
        self.plan != std::path::Path::new("-")
            && self.columns.is_empty()
            && self.ignore_columns.is_empty()
            && self.keep_columns.is_empty()
            && self.header_row.is_none()
            && self.filter.is_none()
            && self.except.is_empty()
    }

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

impl FindArgs {
    /// Pairs of a field and the header of the column that tells it, as typed.
    pub fn columns(&self) -> Vec<(String, String)> {
        self.columns.iter().flat_map(|columns| columns.0.iter().cloned()).collect()
    }
}

/// Pairs are separated by commas; a piece without `=` belongs to the header before it, which holds a comma itself.
fn parse_columns(text: &str) -> Result<ColumnPairs, String> {
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
    Ok(ColumnPairs(pairs))
}

fn parse_algorithm(text: &str) -> Result<KeyAlgorithm, String> {
    let names = || KeyAlgorithm::ALL.map(|(_, word)| word).join(", ");
    KeyAlgorithm::parse(text).ok_or_else(|| format!("it is one of {}", names()))
}

/// Who is not on this machine has no business with the page: its token goes over the wire in clear.
fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let wrong = "an address of this machine alone, with a port, such as `127.0.0.1:0` or `[::1]:8042`";
    let address: SocketAddr = text.parse().map_err(|_| wrong.to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err(format!("{} is not loopback: {wrong}", address.ip())) }
}

pub(super) fn parse_retried(text: &str) -> Result<Outcome, String> {
    match Outcome::parse(text.trim()) {
        Some(outcome @ (Outcome::Failed | Outcome::InDoubt | Outcome::Rejected | Outcome::Pending)) => Ok(outcome),
        // A success must never be sent again, whatever the user types.
        _ => Err("only `failed`, `in-doubt`, `rejected` and `pending` can be taken up again".to_owned()),
    }
}

fn parse_outcome(text: &str) -> Result<Outcome, String> {
    Outcome::parse(text.trim()).ok_or_else(|| {
        let names: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
        format!("an outcome is one of {}", names.join(", "))
    })
}

/// An empty text is none: a variable may be set and empty.
fn parse_origin_text(text: &str) -> Result<String, String> {
    let text = text.trim();
    let letters = text.chars().count();
    if letters > MAX_ORIGIN_TEXT {
        return Err(format!("at most {MAX_ORIGIN_TEXT} characters, not {letters}"));
    }
    Ok(text.to_owned())
}

/// The last `=` divides: a provider's name may hold one, a limit does not.
fn parse_limits(text: &str) -> Result<AccountLimits, String> {
    let (account, windows) = text
        .rsplit_once('=')
        .filter(|(account, _)| !account.trim().is_empty())
        .ok_or_else(|| "write PROVIDER=LIMITS, such as `digicert=50/5s`".to_owned())?;
    let windows: Result<Vec<Window>, String> = windows.split(',').map(Window::parse).collect();
    Ok(AccountLimits { account: account.trim().to_owned(), windows: windows? })
}

fn parse_status_source(text: &str) -> Result<StatusSource, String> {
    StatusSource::parse(text.trim()).ok_or_else(|| "write `state`, `crl` or `ocsp`".to_owned())
}

fn parse_nonce_use(text: &str) -> Result<NonceUse, String> {
    NonceUse::parse(text.trim()).ok_or_else(|| "write `auto`, `require` or `never`".to_owned())
}

/// The last `=` divides: ids may hold some, and files seldom do.
fn parse_certificate(text: &str) -> Result<(String, PathBuf), String> {
    match text.rsplit_once('=') {
        Some((id, file)) if !id.is_empty() && !file.is_empty() => Ok((id.to_owned(), PathBuf::from(file))),
        _ => Err("write ID=FILE, such as `shop=shop.pem`".to_owned()),
    }
}

pub(super) fn parse_settled(text: &str) -> Result<Outcome, String> {
    match Outcome::parse(text.trim()) {
        Some(outcome @ (Outcome::Succeeded | Outcome::Rejected | Outcome::Failed)) => Ok(outcome),
        _ => Err("write `succeeded`, `rejected` or `failed`".to_owned()),
    }
}

fn parse_note(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say what was found, and where".to_owned()),
        note if note.len() > MAX_NOTE => Err(format!("it has more than {MAX_NOTE} bytes")),
        note => Ok(note.to_owned()),
    }
}

const COLUMNS_EXPECTED: &str = "write FIELD=HEADER, such as `certificate_id=Cert ID`";
const WHERE: &str = "Where to look";
const WHAT: &str = "What to look for (all that are given must hold; without any: everything)";
const LIST: &str = "The list";
/// It stands in each row of the report.
const MAX_NOTE: usize = 4096;
