//! What others see of certsweep, in one binary: the program as users start it, the program under faults, the simulator over sockets, and
//! the judges that nobody here wrote. `cargo test --test integration faults::` runs one of these.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests write files and read clocks from outside the program")]
#![allow(clippy::format_push_string, reason = "plans are put together from pieces, and their speed is no matter")]

#[cfg(target_os = "linux")]
mod faults;
mod it;
#[cfg(target_os = "linux")]
mod judges;
mod simulator;
mod support;
