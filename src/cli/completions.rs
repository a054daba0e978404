//! Shell completions, made from the arguments themselves. Returns text; prints nothing.

use super::args::Cli;
use clap::CommandFactory;

/// The completion script of a shell.
pub fn script(shell: clap_complete::Shell) -> String {
    // Into memory first: the generator panics where its writer fails, and standard output may be a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "certsweep", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_knows_every_command() {
        for shell in clap_complete::Shell::value_variants() {
            let script = script(*shell);
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
