//! The program: hands its arguments to the library and returns the exit code. Nothing else.

use std::process::ExitCode;

// Half of what a request costs beside the system's calls is memory taken and given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    certsweep::cli::main()
}
