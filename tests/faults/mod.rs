//! The promise under faults, with real processes: killed at chosen requests, at chosen syncs and in the making of the run directory,
//! with syncs that fail, full and read-only disks, files that are changed or taken away, signals and closed terminals. The provider
//! counts what takes effect. How often each fault is tried stands at the end of each file. Needs Debian's `strace`, and fails
//! without it.

mod authority;
mod damaged;
mod disks;
mod invariants;
mod kept;
mod kills;
mod making;
mod processes;
mod signals;
mod syncs;
mod taken;
mod traced;

use crate::support::{mock, place};
