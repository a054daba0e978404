//! Arguments, wiring, exit codes, signals.

pub mod args;
pub mod completions;
pub mod exit;
mod help;

use std::process::ExitCode;

/// Runs the program.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
