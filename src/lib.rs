//! certsweep: a declarative batch runner for certificate revocation and reissue.
//!
//! The way of the data, floor by floor (a module uses only modules below it; `tests/floors` holds it to that):
//!
//! 1. [`plan`] reads a YAML plan or a CSV list into rows of raw text with positions, and checks every row against
//!    the operation that its [`provider`] document declares. All errors of the whole plan come back as [`diag`]
//!    values; only a plan without errors becomes a [`plan::CheckedPlan`].
//! 2. [`journal`] makes the run directory: the checked actions and everything that will happen to them, in SQLite.
//! 3. [`engine`] decides which action goes next, waits for its place under the provider's limits, makes the intent
//!    durable, has [`wire`] sign and send, reads the answer by the document's rules, and makes the end durable.
//! 4. [`view`] shows events, previews and reports; [`simulator`] plays the providers on loopback; [`cli`] wires it all.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

// Floor 0: pure words.
pub mod pki;
pub mod text;
pub mod time;
// Floor 1: the words of errors, and of a run.
pub mod diag;
pub mod run;
pub mod tree;
// Floor 2: provider documents.
pub mod provider;
// Floor 3: text to checked plan.
pub mod plan;
// Floor 4: which certificates are meant; one HTTP exchange; the run directory.
pub mod find;
pub mod journal;
pub mod wire;
// Floor 5: what is sent when, and what it meant.
pub mod engine;
// Floor 6: what people see; a CA on loopback.
pub mod simulator;
pub mod view;
// Floor 7: arguments, wiring, exit codes, signals.
pub mod cli;
