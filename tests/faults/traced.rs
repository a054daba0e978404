//! certsweep under Debian's `strace`, which makes chosen system calls fail or kill the process.

use super::place::{BINARY, CommandOutput, Place, finish};

/// Runs certsweep with a fault injected into system calls, as `strace` writes it (`fsync:error=EIO:when=3+`); where files are named,
/// only calls about them are counted. The calls are logged in `trace.txt`.
pub(crate) fn traced(place: &Place, calls: &str, fault: &str, files: &[&str], args: &[&str]) -> CommandOutput {
    let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:{fault}"));
    let mut all: Vec<String> =
        ["-f", "-qq", "-ttt", "-o", "trace.txt", "-e", &trace, "-e", &inject].map(str::to_owned).into();
    // Quicker by far, but strace 6.1 loses the signals that it injects then.
    if !fault.contains("signal=") {
        all.push("--seccomp-bpf".to_owned());
    }
    for file in files {
        // As it is named, and as an open file is known by.
        all.extend(["-P".to_owned(), (*file).to_owned(), "-P".to_owned(), place.path(file).display().to_string()]);
    }
    all.push(BINARY.to_owned());
    all.extend(args.iter().map(|arg| (*arg).to_owned()));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let child = place.command("strace", &all).spawn();
    let done = finish(child.expect("these tests need `strace` (Debian: apt-get install strace)"));
    assert!(
        !done.err.contains("ptrace(") && !done.err.contains("strace: invalid"),
        "strace cannot be used here: {}",
        done.err
    );
    done
}

/// When, in seconds since 1970, the first call failed by injection.
pub(crate) fn first_fault(place: &Place) -> Option<f64> {
    let trace = place.read("trace.txt");
    let line = trace.lines().find(|line| line.contains("INJECTED"))?;
    line.split_whitespace().find_map(|word| word.parse::<f64>().ok().filter(|_| word.contains('.')))
}

/// The calls that make a file's content durable.
pub(crate) const SYNCS: &str = "fsync,fdatasync";
/// The files of a run's journal.
pub(crate) const JOURNAL: [&str; 3] = ["run/run.sqlite", "run/run.sqlite-wal", "run/marks"];
