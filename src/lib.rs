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
//!
//! # As a library
//!
//! `examples/library.rs` checks a plan, `examples/run.rs` carries one out and follows its events; `docs/library.md` says what the program does
//! beyond that. Features, both on by default: `cli` is the program (and implies `simulator`), `simulator` plays the providers on loopback.
//! Without them there is neither terminal, signals nor server:
//!
//! ```toml
//! certsweep = { version = "0.1", default-features = false }
//! ```
//!
//! **Stable** are the names that the two examples use, with what is public of them, and [`engine::real_senders`]: what of them changes is told in
//! the changelog, under Changed, and raises the minor version. [`run::Event`] gets new variants without that, so it is matched with `_`. The
//! formats that people and programs read (plans, provider documents, run directories, reports, event lines) have versions of their own.
//! **All else** is public so that the program's own floors and tests reach it, and may change with any version.
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
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod view;
// Floor 7: arguments, wiring, exit codes, signals.
#[cfg(feature = "cli")]
pub mod cli;
