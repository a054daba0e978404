//! The providers on loopback, played from their documents: for tests, for drills, for `run --simulate`.
//!
//! The simulator reads signatures, limits and status queries by itself: it shares no code with what it checks, neither the signers
//! nor the engine's pacing. What takes effect is counted ([`Effects`]), so that a drill can say what a real run would have done.
//! It never leaves loopback and never keeps anything on disk.

mod acme;
mod answers;
mod authentication;
mod authority;
mod handler;
mod message;
mod options;
mod queries;
mod routes;
mod server;
mod targets;
mod tokens;

pub use authority::CERTIFICATE as CA_CERTIFICATE;
pub use options::{Faults, KnownEffect, KnownTarget, SimulatedAccount, SimulatorOptions, credential, credential_of};
pub use server::{Simulator, SimulatorError, is_free, start};
pub use targets::{AccountEffects, Counters, Effects};
