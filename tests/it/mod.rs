//! The built binary from outside, held to the contract: started as users start it, in its own directory, against a provider that
//! these tests play themselves on loopback (not the built-in simulator, so that every request is read twice). One file a theme.

mod acme;
mod again;
mod answers;
mod certificates;
mod command_line;
mod connections;
mod control;
mod credentials;
mod disk;
mod documents;
mod exceptions;
mod field_cases;
mod find;
mod iam;
mod interruption;
mod issuers;
mod json_reference;
mod left_plans;
mod limits;
mod lists;
mod lookups;
mod new_requests;
mod outcomes;
mod outlets;
mod plans;
mod preview;
mod proxies;
mod redact;
mod rehearsals;
mod reports;
mod requests;
mod responders;
mod runs;
mod safety;
mod sending;
mod serial_numbers;
mod signin;
mod snapshots;
mod stages;
mod terminal;
mod tls;
mod tools;
mod verify;

use crate::support::{mock, place};
