//! The program: hands its arguments to the library and returns the exit code. Nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    certsweep::cli::main()
}
