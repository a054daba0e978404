//! Command lines as people type them.

use super::*;
use clap::CommandFactory;

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
        "certsweep run plan.yaml -y --digest abc --run-dir d --report r.csv --new --ca-file ca.pem",
        "certsweep run plan.yaml --dry-run",
        "certsweep run plan.yaml --yes --wait",
        "certsweep resume runs/x --wait",
        "certsweep run plan.yaml --simulate --fault 429=1/20 --fault naver:hang=1/1000 --seed 7",
        "certsweep resume runs/x --retry failed,in-doubt,rejected --yes",
        "certsweep status runs/x --json",
        "certsweep pause runs/x",
        "certsweep unpause runs/x --json",
        "certsweep set-rate runs/x digicert=50/5s naver-kr=10/1s,100/60s",
        "certsweep report runs/x --format csv -o out.csv --outcome failed,in-doubt",
        "certsweep report runs/x --format html",
        "certsweep providers",
        "certsweep providers show digicert --provider-dir a --provider-dir b",
        "certsweep providers check one.yaml two.yaml",
        "certsweep schema",
        "certsweep simulate --port 8080 --fault latency=200ms --seed 1",
        "certsweep completions zsh",
        "certsweep -vv --color never --no-progress check plan.yaml",
        "certsweep check plan.yaml -q --color always",
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
    ] {
        let parsed = format!("{:?}", parse(line).unwrap().command);
        assert!(parsed.contains(name), "{line}: {parsed}");
    }
    let mut command = Cli::command();
    let resume = command.find_subcommand_mut("resume").unwrap().render_long_help().to_string();
    let help = command.render_long_help().to_string() + &resume;
    for old in ["  go ", "  pace ", "--as-begun"] {
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
