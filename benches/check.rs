//! How long it takes to read and check long plans, and how much memory: 1,000,000 rows of CSV of each mix of providers, beside the csv
//! crate merely reading them, and 100,000 actions of YAML beside the YAML parser merely reading them. Prints a table.
//!
//!     cargo bench --bench check
//!
//! With `--write MIX 20000 PLAN` it only writes such a plan. With `--once PLAN` it only checks one, and prints the seconds and the peak
//! memory in MB. With `--bound` it fails where a tenth of that takes too long. With `--read PLAN` it merely reads one, once.
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock and writes its own plans")]
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use certsweep::plan::{CsvOptions, Input, Request, check};
use certsweep::provider::Catalog;
use certsweep::text::SourceMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--write", mix, actions, plan] => {
            let mix = MIXES.into_iter().find(|known| known.name() == mix).unwrap();
            mix.write(Path::new(plan), actions.parse().unwrap());
        }
        ["--once", plan] => {
            let took = ours(Path::new(plan));
            println!("{} {}", took.as_secs_f64(), peak_megabytes());
        }
        ["--bound"] => in_a_directory(bound),
        ["--read", plan] => drop(merely_read(Path::new(plan))),
        _ => in_a_directory(table),
    }
}

fn in_a_directory(measure: fn(&Path)) {
    let directory = std::env::temp_dir().join(format!("certsweep-bench-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    measure(&directory);
    std::fs::remove_dir_all(directory).unwrap();
}

/// 100,000 rows of each mix are checked in less than a second, and in 64 MB: coarse, so that it holds on any machine.
fn bound(directory: &Path) {
    for mix in MIXES.into_iter().filter(|mix| mix.ending() == "csv") {
        let path = directory.join(mix.name()).with_extension(mix.ending());
        mix.write(&path, MANY / 10);
        let [took, megabytes] = in_a_process_of_its_own(&path);
        println!("{:<12} {took:.3} s, {megabytes:.1} MB", mix.name());
        assert!(took < 1.0 && megabytes < 64.0, "{} takes too long or too much", mix.name());
    }
}

/// What a plan is made of.
#[derive(Clone, Copy)]
enum Mix {
    /// Lists of one provider and action.
    Digicert,
    /// Two parameters name the target, and one of them may reach a whole order.
    Naver,
    /// Rows that alternate between three providers.
    Alternating,
    /// Rows that alternate, with ids of their own and a column that is kept for the report.
    WithIds,
    Yaml,
}

const MIXES: [Mix; 5] = [Mix::Digicert, Mix::Naver, Mix::Alternating, Mix::WithIds, Mix::Yaml];

fn table(directory: &Path) {
    println!("reading and checking, medians of {ROUNDS} rounds, one after the other in each; the highest peak");
    println!(
        "{:<12} {:>10} {:>8} {:>12} {:>11} {:>18} {:>6} {:>9}",
        "plan", "actions", "MB", "s, checked", "actions/s", "s, merely read", "ratio", "peak MB"
    );
    for mix in MIXES {
        let actions = if matches!(mix, Mix::Yaml) { MANY / 10 } else { MANY };
        let path = directory.join(mix.name()).with_extension(mix.ending());
        mix.write(&path, actions);
        let (mut checked, mut read, mut peak) = (Vec::new(), Vec::new(), 0_f64);
        for _ in 0..ROUNDS {
            read.push(merely_read(&path).as_secs_f64());
            let [took, megabytes] = in_a_process_of_its_own(&path);
            checked.push(took);
            peak = peak.max(megabytes);
        }
        let (checked, read) = (median(checked), median(read));
        let megabytes = std::fs::metadata(&path).unwrap().len() as f64 / 1e6;
        println!(
            "{:<12} {actions:>10} {megabytes:>8.1} {checked:>12.3} {:>11.0} {read:>18.3} {:>6.2} {peak:>9.1}",
            mix.name(),
            f64::from(actions) / checked,
            checked / read
        );
    }
}

/// Checks a plan; the seconds and the peak memory in MB, which only a process of its own can tell.
fn in_a_process_of_its_own(path: &Path) -> [f64; 2] {
    let output = Command::new(std::env::current_exe().unwrap()).arg("--once").arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn ours(path: &Path) -> Duration {
    let mut sources = SourceMap::default();
    let catalog = Catalog::built_in();
    let header = std::fs::File::open(path).unwrap();
    let header = BufReader::new(header).lines().next().unwrap().unwrap();
    let keep = if header.ends_with(",ticket") { vec!["ticket".to_owned()] } else { Vec::new() };
    let request = Request {
        plan: Input::Path(path.to_owned()),
        settings: None,
        catalog: &catalog,
        columns: CsvOptions { keep, ..CsvOptions::default() },
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    let began = Instant::now();
    let (plan, findings) = check(&request, &mut sources, &mut |_| {});
    let took = began.elapsed();
    assert!(plan.is_some(), "the bench's plan is wrong: {:?}", findings.sorted().first());
    took
}

/// The least that reading needs: the csv crate with one reused record, or the events of the YAML parser.
fn merely_read(path: &Path) -> Duration {
    let began = Instant::now();
    if path.extension().is_some_and(|ending| ending == "csv") {
        let mut reader = csv::Reader::from_path(path).unwrap();
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).unwrap() {}
    } else {
        let text = std::fs::read_to_string(path).unwrap();
        let events = granit_parser::Parser::new_from_str(&text);
        assert!(events.map(Result::unwrap).count() > 0);
    }
    began.elapsed()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

impl Mix {
    fn name(self) -> &'static str {
        match self {
            Self::Digicert => "digicert",
            Self::Naver => "naver",
            Self::Alternating => "alternating",
            Self::WithIds => "with-ids",
            Self::Yaml => "yaml",
        }
    }

    fn ending(self) -> &'static str {
        if matches!(self, Self::Yaml) { "yaml" } else { "csv" }
    }

    fn header(self) -> &'static str {
        match self {
            Self::Digicert => "provider,action,certificate_id,reason,skip_approval,comments",
            Self::Naver => "provider,action,orderId,certificateNo,reason",
            Self::Alternating => "provider,action,certificate_id,orderId,certificateNo,ca_id,reason,comments",
            Self::WithIds => "id,provider,action,certificate_id,orderId,certificateNo,ca_id,reason,comments,ticket",
            Self::Yaml => "version: 1\nname: bench\nactions:",
        }
    }

    fn row(self, number: u32) -> String {
        let id = FIRST_ID + number;
        match self {
            Self::Digicert => format!("digicert,revoke,{id},keyCompromise,true,INC-42 leaked key"),
            Self::Naver => format!("naver,revoke,{id},1,superseded"),
            Self::Alternating => match number % 3 {
                0 => format!("digicert,revoke,{id},,,,keyCompromise,INC-42 leaked key"),
                1 => format!("naver,revoke,,{id},1,,superseded,"),
                _ => format!("huawei,revoke-ca,,,,6434f74f-2d13-4e6a-89eb-{id:012x},keyCompromise,"),
            },
            Self::WithIds => format!("leak-{id},{},INC-{number}", Self::Alternating.row(number)),
            Self::Yaml => format!(
                "- provider: digicert\n  action: revoke\n  certificate_id: \"{id}\"\n  reason: keyCompromise\n  \
                 skip_approval: true\n  comments: INC-42 leaked key"
            ),
        }
    }

    fn write(self, path: &Path, actions: u32) {
        let mut text = self.header().to_owned();
        for number in 0..actions {
            write!(text, "\n{}", self.row(number)).unwrap();
        }
        text.push('\n');
        std::fs::write(path, text).unwrap();
    }
}

const MANY: u32 = 1_000_000;
const ROUNDS: u32 = 5;
const FIRST_ID: u32 = 100_000_000;
