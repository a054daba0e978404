//! The built binary from outside, held to the contract: started as users start it, in its own directory, against a provider that
//! these tests play themselves on loopback (not the built-in simulator, so that every request is read twice). One file a theme.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests write files and read clocks from outside the program")]
#![allow(clippy::format_push_string, reason = "plans are put together from pieces, and their speed is no matter")]

mod acme;
mod command_line;
mod control;
mod credentials;
mod disk;
mod iam;
mod interruption;
mod issuers;
mod limits;
mod lists;
mod lookups;
mod mock;
mod outcomes;
mod place;
mod plans;
mod preview;
mod redact;
mod reports;
mod requests;
mod safety;
mod sending;
mod serial_numbers;
mod snapshots;
mod terminal;
mod tools;
mod verify;
