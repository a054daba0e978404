//! The command line: its commands, the options of all of them, and the examples and exit codes below each command's help. Reads no file and no
//! environment variable; what an option means for a run is decided by the commands.

use super::options::{
    CheckArgs, CompletionsArgs, CsrArgs, FindArgs, InitArgs, ManArgs, PauseArgs, PreviewArgs, ProvidersArgs,
    ReportArgs, ResumeArgs, RunArgs, SchemaArgs, SetRateArgs, SettleArgs, SimulateArgs, StatusArgs, UnpauseArgs,
    VerifyArgs,
};
use crate::view::printer::ColorChoice;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsStr;
use std::path::PathBuf;

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
    /// Say more on standard error; -vv: a line for every request
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
    /// Print results as JSON on standard output
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
    #[command(after_help = RUNS_EXIT_CODES)]
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
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
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

/// How standard error is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[value(help = None)]
    Text,
    /// A JSON object a line.
    #[value(help = None)]
    Json,
}

impl Global {
    /// The directories with provider documents: those of the command line, then those of `CERTSWEEP_PROVIDERS`.
    pub fn provider_dirs(&self, environment: Option<&OsStr>) -> Vec<PathBuf> {
        let from_environment = environment.map(std::env::split_paths).into_iter().flatten();
        let from_environment = from_environment.filter(|path| !path.as_os_str().is_empty());
        self.provider_dirs.iter().cloned().chain(from_environment).collect()
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

const GLOBAL: &str = "Options of every command";

/// How a run ends, for every help that tells it: one list, of all codes.
macro_rules! run_exit_codes {
    () => {
        "Exit codes:
  0  every action ended well
  1  the run ended, and some actions did not end well
  2  the command line or the plan is wrong; nothing was sent
  3  stopped by a safety rule, a closed window or the deadline
  4  the environment failed: credentials, disk, a locked run directory
  129 (SIGHUP), 130 (SIGINT: Ctrl-C), 143 (SIGTERM), 152 (SIGXCPU)
     interrupted by a signal: 128 and the signal's number
After 3, 4 or a signal, `certsweep resume RUN_DIR` goes on."
    };
}

const EXAMPLES: &str = concat!(
    "\
Examples:
  certsweep check plan.yaml            all errors of the plan at once
  certsweep preview plan.yaml          what would be sent, and how long it takes
  certsweep run plan.yaml              shows the same, asks, and carries it out
  certsweep run plan.yaml --simulate   a rehearsal: nothing leaves this machine
  certsweep resume runs/20261201T0100  goes on after a stop, a crash or Ctrl-C

",
    run_exit_codes!()
);

const CHECK_EXAMPLES: &str = "\
Examples:
  certsweep check plan.yaml
  certsweep check leaked.csv --columns \"certificate_id=Cert ID\" \\
      --ignore-columns true
  certsweep check plan.yaml --json

Exit codes:
  0  the plan has no errors; it may have warnings
  2  the command line or the plan is wrong
  4  the environment failed";

const PREVIEW_EXAMPLES: &str = "\
Examples:
  certsweep preview plan.yaml
  certsweep preview plan.yaml --report planned.csv
  certsweep preview plan.yaml --json | jq -r .digest

Exit codes:
  0  the plan has no errors; it may have warnings
  2  the command line or the plan is wrong
  4  the environment failed; with --online, a provider refused, or you
     interrupted the questions";

const FIND_EXAMPLES: &str = "\
A certificate that is seen in several places is one row. The list goes into a
plan as it is: `actions: [{from: targets.csv, action: revoke}]`.

Examples:
  certsweep find --key leaked.key --in /etc/ssl --in orders.csv \\
      --provider digicert -o targets.csv
  certsweep find --names '*.example.com' --in secrets.yaml --in a.p12 \\
      --password env:PASSWORD
  certsweep find --weak --in /etc/letsencrypt --provider acme \\
      --out found/ -o targets.csv
  certsweep find --key leaked.key --in /etc/ssl --at digicert --at naver-kr \\
      --settings accounts.yaml -o targets.csv

Exit codes:
  0  some were found, and all lists of providers were read
  1  none were found, or a list could not be read whole
  2  the command line is wrong
  4  the environment failed, or a provider refused
  129, 130, 143, 152  interrupted by a signal, and nothing was written";

const CSR_EXAMPLES: &str = "\
A request asks for the names of the row's certificate (`certificate`), or, where
the row has none, for those of its columns `dns_names` and `common_name`. Keys
and requests that exist are never overwritten: run it again, and it makes only
what is missing.

Examples:
  certsweep csr --from targets.csv --out keys/
  certsweep csr --from names.csv --out keys/ --algorithm rsa3072 -o targets.csv

Exit codes:
  0  each row has its request
  1  some rows have none
  2  the command line or the list is wrong
  4  the environment failed";

const INIT_EXAMPLES: &str = "\
Examples:
  certsweep init --provider digicert -o plan.yaml
  certsweep init --from targets.csv -o plan.yaml
  certsweep init --from targets.csv --provider naver --action reissue \\
      -o reissue.yaml

Exit codes:
  0  the plan is written
  2  the command line or the list is wrong, or the file exists already
  4  the environment failed";

const RUN_EXAMPLES: &str = concat!(
    "\
Examples:
  certsweep run plan.yaml
  certsweep run plan.yaml --yes --digest \"$DIGEST\" --report result.csv
  certsweep run plan.yaml --operator \"Kim Min-jun\" --ticket INC-42
  certsweep run plan.yaml --simulate --fault 429=1/20 \\
      --fault digicert:lost-answer=1/100 --seed 7

",
    run_exit_codes!()
);

const RESUME_EXAMPLES: &str = concat!(
    "\
Examples:
  certsweep resume runs/20261201T010000Z-leaked-build-key
  certsweep resume leaked-build-key --retry failed,in-doubt --yes

",
    run_exit_codes!()
);

const RUNS_EXIT_CODES: &str = "\
Exit codes:
  0  listed, also where there are none
  2  the command line is wrong
  4  the environment failed";

const STATUS_EXAMPLES: &str = "\
Examples:
  certsweep status runs/20261201T010000Z-leaked-build-key
  certsweep status leaked-build-key --json | jq .waiting
  certsweep status leaked-build-key --serve 127.0.0.1:0  the page, for a browser

Exit codes:
  0  shown, however the run goes; `state` and `outcomes` of --json tell that
  2  the command line is wrong, or there is no such run
  4  the environment failed, or the run is damaged";

const CONTROL_EXAMPLES: &str = "\
Examples:
  certsweep pause leaked-build-key
  certsweep set-rate leaked-build-key digicert=50/5s naver-kr=10/1s,100/60s
  certsweep unpause leaked-build-key

Exit codes:
  0  done, or it was so already
  2  there is no such run or provider, or the run has ended
  4  no process carries the run out";

const REPORT_EXAMPLES: &str = "\
Examples:
  certsweep report runs/20261201T010000Z-leaked-build-key -o report.csv
  certsweep report leaked-build-key --format json --outcome failed,in-doubt
  certsweep report leaked-build-key --format html -o report.html
  certsweep report leaked-build-key --check report.html
  certsweep report leaked-build-key --salvage -o salvaged.csv
  certsweep report shards/*/ --format html -o report.html

Exit codes:
  0  written; with --check, the page is this run's
  1  with --check, the page is not this run's
  2  the command line is wrong, or there is no such run
  4  the environment failed, or the run is damaged";

const SETTLE_EXAMPLES: &str = "\
Example:
  certsweep settle leaked-build-key shop web-2 --as succeeded \\
      --note \"revoked, as CertCentral shows\"

Exit codes:
  0  recorded
  2  there is no such run or action, or one of them is not in doubt or pending;
     nothing was recorded
  4  the environment failed, or another process works on the run";

const VERIFY_EXAMPLES: &str = "\
verify asks the provider, if its document has a status query for the action; and
the CRL and the OCSP responder that the plan's `certificate` names, or its `crl`
and `ocsp`. One valid answer that says revoked is enough. A CRL or an answer
that is out of date, unsigned or of another CA proves nothing.
A certificate on hold is not revoked: the CA may lift the hold, so verify asks
again.

Examples:
  certsweep verify runs/20261201T010000Z-leaked-build-key --wait 24h
  certsweep verify leaked-build-key --only crl,ocsp --issuer ca.pem --json

Exit codes:
  0  all are seen revoked
  1  some are not
  2  the command line is wrong, or there is no such run or certificate
  4  the environment failed
  129, 130, 143, 152  interrupted by a signal";

const PROVIDERS_EXAMPLES: &str = "\
Examples:
  certsweep providers
  certsweep providers show digicert
  certsweep providers check my-ca.yaml

Exit codes:
  0  shown, written, or right
  2  there is no such provider or file, or a document is wrong
  4  the environment failed";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  certsweep schema > plan.schema.json
  certsweep schema --of events > events.schema.json

Exit codes:
  0  printed    2  the command line is wrong    4  the environment failed";

const SIMULATE_EXAMPLES: &str = "\
Faults:
  latency=200ms      every answer takes so long
  429=1/20           one request in 20 is told to wait for a second
  bare-429=1/500     one in 500 is refused with 429, which says no time to wait
  5xx=1/50           one in 50 gets a server error
  reset=1/100        one in 100 loses its connection before it took effect
  lost-answer=1/100  one in 100 takes effect, and its answer is lost
  limit=1/3          only a third of the declared rate is allowed
  hang=1/1000        one in 1000 is never answered
  html=1/500         one in 500 is answered with a page that nobody declares
  bad-nonce=1/5      one in 5 is told that its good nonce is none (ACME)

Examples:
  certsweep simulate --port 8080
  certsweep simulate --fault latency=200ms --fault naver:5xx=1/50 --seed 7

Exit codes:
  0  you ended it (Ctrl-C)
  2  the command line is wrong, or the port is taken
  4  the environment failed";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  certsweep completions bash > /etc/bash_completion.d/certsweep
  certsweep completions zsh > \"${fpath[1]}/_certsweep\"

Exit codes:
  0  printed    2  the command line is wrong    4  the environment failed";

const MAN_EXAMPLES: &str = "\
Example:
  certsweep man /usr/local/share/man/man1

Exit codes:
  0  written    2  the command line is wrong    4  the environment failed";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::IgnoredColumns;
    use clap::CommandFactory as _;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(shlex::split(line).expect("the test's line is well quoted"))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    /// A wrapped example is one that cannot be copied, and who asks for a code wants a list.
    #[test]
    fn every_help_ends_with_its_exit_codes_and_fits_a_terminal_of_80_columns() {
        for command in [Cli::command()].iter().chain(Cli::command().get_subcommands()) {
            let (name, below) = (command.get_name(), command.get_after_help().unwrap().to_string());
            assert!(below.contains("Exit codes:\n  0  "), "{name}");
            for line in below.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
        }
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
