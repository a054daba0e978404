//! What a shell offers where TAB is typed: commands, options, and the values that are known here (runs, ids, outcomes, providers). And
//! the manual pages: both are made from the command line's own definition. Reads runs and provider documents, changes none.

use super::args::Cli;
use super::options::{parse_retried, parse_settled};
use super::runs::RUNS;
use crate::journal::dir::runs_in;
use crate::journal::{ActionState, RunDir};
use crate::provider::Catalog;
use crate::run::{Outcome, StatusSource};
use crate::text::safe;
use clap::{Arg, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// The environment variable by which a shell's script asks the program for what it offers.
const ASKED: &str = "COMPLETE";
/// More ids than a person looks through.
const MAX_IDS: usize = 200;
/// Bytes of a value that is offered.
const MAX_OFFERED: usize = 256;

/// Answers a shell that asks what may stand where TAB was typed; false where none asks.
///
/// # Errors
/// The shell is unknown, or standard output is closed.
pub fn answer_shell() -> Result<bool, clap::Error> {
    let here = std::env::current_dir().ok();
    CompleteEnv::with_factory(definition).var(ASKED).try_complete(std::env::args_os(), here.as_deref())
}

/// The script that makes a shell ask this program: it stays right when the program is renewed.
///
/// # Errors
/// None but those of memory.
pub fn script(shell: clap_complete::Shell) -> io::Result<String> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let Some(writer) = shells.completer(&shell.to_string()) else {
        return Err(io::Error::other(format!("there is no script for {shell}")));
    };
    writer.write_registration(ASKED, "certsweep", "certsweep", "certsweep", &mut script)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// Writes a manual page for the program and for each command into a directory.
///
/// # Errors
/// The directory cannot be made, or a page cannot be written.
pub fn write_manual(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Cli::command(), directory)
}

/// The command line's definition, with what is known of its values.
fn definition() -> clap::Command {
    let command = with_known_values(Cli::command());
    let names: Vec<String> = command.get_subcommands().map(|each| each.get_name().to_owned()).collect();
    names.iter().fold(command, |command, name| command.mut_subcommand(name, with_known_values))
}

fn with_known_values(command: clap::Command) -> clap::Command {
    let of_command = command.get_name().to_owned();
    let command = command.mut_args(|arg| known_values(&of_command, arg));
    if of_command != "providers" {
        return command;
    }
    command.mut_subcommand("show", |show| show.mut_args(|arg| known_values("show", arg)))
}

/// Values are known by the name that help gives them: what is called so is the same thing in every command.
fn known_values(command: &str, arg: Arg) -> Arg {
    let name = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
    match (command, name.as_str()) {
        (_, "RUN_DIR") => offer(arg, runs),
        ("resume", "OUTCOMES") => offer(arg, |typed| in_list(typed, &outcomes(|name| parse_retried(name).is_ok()))),
        (_, "OUTCOMES") => offer(arg, |typed| in_list(typed, &outcomes(|_| true))),
        ("settle", "OUTCOME") => offer(arg, |typed| in_list(typed, &outcomes(|name| parse_settled(name).is_ok()))),
        ("settle", "ID") => offer(arg, |typed| starting_with(typed, open_actions().unwrap_or_default())),
        ("set-rate", "PROVIDER=LIMITS") => offer(arg, |typed| starting_with(typed, accounts().unwrap_or_default())),
        (_, "WITNESSES") => offer(arg, |typed| in_list(typed, &StatusSource::ALL.map(StatusSource::as_str))),
        ("show" | "init", "ID") | ("find", "ID[=ISSUER]") => offer(arg, |typed| starting_with(typed, providers())),
        _ => arg,
    }
}

fn offer(arg: Arg, values: impl Fn(&str) -> Vec<String> + Send + Sync + 'static) -> Arg {
    arg.add(ArgValueCompleter::new(move |typed: &OsStr| {
        let found = typed.to_str().map(&values).unwrap_or_default();
        found.into_iter().filter(|value| is_offered(value)).map(CompletionCandidate::new).collect()
    }))
}

/// A shell prints what it is offered as it is: what would act on the terminal, or fills a screen, is left to be typed.
fn is_offered(value: &str) -> bool {
    value.len() <= MAX_OFFERED && safe::terminal(value) == value
}

/// Run directories: below `runs`, or where a path is typed beside each other there.
fn runs(typed: &str) -> Vec<String> {
    let directory = typed.rfind('/').map_or(RUNS, |end| &typed[..=end]);
    let by_path = typed.contains('/');
    let named = runs_in(Path::new(directory)).into_iter().rev().filter_map(|path| {
        let shown = if by_path { path.as_path() } else { Path::new(path.file_name()?) };
        shown.to_str().map(str::to_owned)
    });
    starting_with(typed, named)
}

/// The outcomes that an option takes, by its own parser.
fn outcomes(is_taken: impl Fn(&str) -> bool) -> Vec<&'static str> {
    Outcome::ALL.into_iter().map(Outcome::as_str).filter(|name| is_taken(name)).collect()
}

/// The values of a list with commas, of which the last is still typed.
fn in_list(typed: &str, values: &[&str]) -> Vec<String> {
    let before = typed.rfind(',').map_or("", |comma| &typed[..=comma]);
    let is_there = |value: &&&str| before.split(',').any(|earlier| earlier == **value);
    let left = values.iter().filter(|value| !is_there(value)).map(|value| format!("{before}{value}"));
    starting_with(typed, left)
}

fn starting_with(typed: &str, values: impl IntoIterator<Item = String>) -> Vec<String> {
    values.into_iter().filter(|value| value.starts_with(typed)).collect()
}

fn providers() -> Vec<String> {
    Catalog::built_in().ids().map(str::to_owned).collect()
}

/// The actions of the run on the same line that a person may settle.
fn open_actions() -> Option<Vec<String>> {
    let reader = RunDir::existing(&typed_run()?).and_then(|run| run.read()).ok()?;
    let states = reader.states().ok()?;
    let open = states.whose(ActionState::is_open_to_a_person).into_iter().take(MAX_IDS);
    Some(open.filter_map(|(ordinal, _)| Some(reader.action(ordinal).ok()?.id.to_string())).collect())
}

/// The accounts of the run on the same line, ready for their limits.
fn accounts() -> Option<Vec<String>> {
    let facts = RunDir::existing(&typed_run()?).and_then(|run| run.read()?.facts()).ok()?;
    Some(facts.settings.accounts.iter().map(|account| format!("{}=", account.name)).collect())
}

/// The run of the line that is being typed: the first word after the command.
fn typed_run() -> Option<PathBuf> {
    let line: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let named = line.iter().skip(2).find(|word| !word.to_string_lossy().starts_with('-'))?;
    let path = Path::new(named);
    Some(if path.exists() { path.to_path_buf() } else { Path::new(RUNS).join(path) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_shell_has_a_script_that_asks_the_program() {
        for shell in clap_complete::Shell::value_variants() {
            let script = script(*shell).unwrap();
            assert!(script.contains("certsweep") && script.contains(ASKED), "{shell}: {script}");
        }
    }

    #[test]
    fn of_a_list_the_last_value_is_offered_and_none_twice() {
        for (typed, expected) in [
            ("", vec!["failed", "in-doubt"]),
            ("in", vec!["in-doubt"]),
            ("failed,", vec!["failed,in-doubt"]),
            ("failed,f", vec![]),
            ("lost", vec![]),
        ] {
            assert_eq!(in_list(typed, &["failed", "in-doubt"]), expected, "{typed}");
        }
    }

    #[test]
    fn the_definition_with_its_values_is_consistent() {
        definition().debug_assert();
        assert!(providers().contains(&"digicert".to_owned()));
    }
}
