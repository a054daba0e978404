//! The promise under faults, with real processes: killed at chosen requests, at chosen syncs and in the making of the run directory,
//! with syncs that fail, full and read-only disks, a changed database, signals and closed terminals. The provider counts what takes
//! effect. How often each fault is tried stands at the end of each file. Needs Debian's `strace`, and fails
//! without it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests write files and read clocks from outside the program")]
#![allow(clippy::format_push_string, reason = "plans are put together from pieces, and their speed is no matter")]
#![cfg(target_os = "linux")]

mod authority;
mod damaged;
mod disks;
mod invariants;
mod kept;
mod kills;
mod making;
#[allow(dead_code, reason = "the other tests from outside use the rest")]
#[path = "../it/mock.rs"]
mod mock;
#[allow(dead_code, reason = "the other tests from outside use the rest")]
#[path = "../it/place.rs"]
mod place;
mod processes;
mod signals;
mod syncs;
mod traced;
