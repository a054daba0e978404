//! What the simulator is asked to play, and the credentials that it accepts. Plays nothing.

use super::faults::Faults;
use crate::provider::Provider;
use crate::provider::model::{AuthScheme, SignerKind, Window};
use crate::text::Secret;
use crate::time::Clock;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// What to play, and how badly.
pub struct Options {
    /// The port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// The accounts, each with its own state and limits.
    pub accounts: Vec<SimulatedAccount>,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// Decides, with a request's number, which faults strike: the same seed gives the same faults.
    pub seed: u64,
    /// Whether keys and signatures are verified.
    pub verify: bool,
    /// What the accounts hold before the first request. A target is learned too when a request names it.
    pub known: Vec<KnownTarget>,
    /// The time, for signatures and limits.
    pub clock: Arc<dyn Clock + Send + Sync>,
}

/// One account at one provider.
#[derive(Debug, Clone)]
pub struct SimulatedAccount {
    /// Its name in plans, and the first part of its paths here.
    pub name: String,
    /// What it is an account of.
    pub provider: Arc<Provider>,
    /// The limits that are enforced; none for no limits.
    pub windows: Vec<Window>,
}

/// A target that exists, and upon which nothing has been done yet.
#[derive(Debug, Clone)]
pub struct KnownTarget {
    /// The account's name.
    pub account: String,
    /// The operation that may be asked for it.
    pub operation: String,
    /// The action's parameters, with those that only look-ups use.
    pub parameters: Map<String, Value>,
}

/// The credential that the simulator accepts: dummy text that is the same in every run, such as `simulated-digicert-api_key`.
pub fn credential(provider: &str, name: &str) -> Secret {
    Secret::new(format!("simulated-{provider}-{name}"))
}

/// As [`credential()`], for a provider whose signers may want more than any text: a key.
pub fn credential_of(provider: &Provider, name: &str) -> Secret {
    let is_key =
        |scheme: &AuthScheme| scheme.signer == SignerKind::AcmeJws && scheme.required.iter().any(|key| key == name);
    if provider.auth.iter().any(is_key) { Secret::new(ACCOUNT_KEY) } else { credential(&provider.id, name) }
}

/// The private key of the one ACME account: it is the same in every run, and protects nothing.
pub(super) const ACCOUNT_KEY: &str = include_str!("account-key.pem");

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("port", &self.port)
            .field("accounts", &self.accounts.iter().map(|account| &account.name).collect::<Vec<_>>())
            .field("faults", &self.faults)
            .field("seed", &self.seed)
            .field("verify", &self.verify)
            .finish_non_exhaustive()
    }
}
