//! From the accounts of a plan to senders: provider documents looked up, credentials resolved, transports made. Everything that can
//! fail before the first request fails here, all of it at once.

use super::context::Context;
use super::exit::Exit;
use crate::engine::Sender;
use crate::plan::{Account, Settings};
use crate::provider::model::{AuthScheme, SignerKind};
use crate::provider::{Catalog, Provider};
use crate::simulator::{self, Simulator};
use crate::wire::client::{HttpOptions, HttpTransport};
use crate::wire::resolve::resolve;
use crate::wire::signer::Signer;
use crate::wire::{Credentials, Line, Resolved};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// One sender an account, for a run against the real providers.
///
/// # Errors
/// The exit code; everything that is missing was printed.
pub fn senders(
    context: &Context,
    settings: &Settings,
    catalog: &Catalog,
    ca_file: Option<&Path>,
) -> Result<Vec<Rc<Sender<HttpTransport>>>, Exit> {
    let line = Line::open().map_err(|error| context.failed(&error))?;
    let mut senders = Vec::new();
    let mut failures: Vec<String> = Vec::new();
    for account in &settings.accounts {
        let Some(provider) = catalog.get(&account.provider) else {
            failures.push(format!(
                "{}: there is no provider document `{}`; name its directory with --provider-dir",
                account.name, account.provider
            ));
            continue;
        };
        let schemes = schemes(account, provider);
        let none = || Resolved { scheme: 0, credentials: Credentials::default(), warnings: Vec::new() };
        let resolved = if account.own_keys {
            Ok(none())
        } else {
            resolve(&account.name, &account.credentials, &schemes, &|name| std::env::var(name).ok())
        };
        let options = HttpOptions {
            timeout: settings.timeout,
            concurrency: account.concurrency as usize,
            ca_file: ca_file.map(Path::to_path_buf),
        };
        match (resolved, HttpTransport::new(&options, &line)) {
            (Ok(Resolved { scheme, credentials, warnings }), Ok(transport)) => {
                for warning in warnings {
                    context.printer.warning(&warning);
                }
                let signer = Signer::new(&schemes[scheme], &account.variables, credentials);
                senders.push(Rc::new(Sender::new(account, Arc::clone(provider), signer, transport)));
            }
            (resolved, transport) => {
                failures.extend(resolved.err().map(|error| error.to_string()));
                failures.extend(transport.err().map(|error| error.to_string()));
            }
        }
    }
    // Accounts of one provider lack the same: once is enough.
    failures.dedup();
    for failure in &failures {
        context.printer.error(failure);
    }
    if failures.is_empty() { Ok(senders) } else { Err(Exit::Environment) }
}

/// One sender an account, for a run against the simulator: its URLs and its credentials instead of the real ones.
///
/// # Errors
/// The exit code; the failure was printed.
pub fn simulated_senders(
    context: &Context,
    settings: &Settings,
    catalog: &Catalog,
    simulator: &Simulator,
) -> Result<Vec<Rc<Sender<HttpTransport>>>, Exit> {
    let line = Line::open().map_err(|error| context.failed(&error))?;
    let sender = |account: &Account| -> Result<Rc<Sender<HttpTransport>>, Exit> {
        let provider = catalog.get(&account.provider);
        let provider =
            provider.ok_or_else(|| context.failed(&format!("no provider document `{}`", account.provider)))?;
        let scheme = provider.auth.first();
        let scheme = scheme.ok_or_else(|| context.failed(&format!("`{}` declares no way to sign", provider.id)))?;
        let names = scheme.required.iter();
        let credentials = Credentials::new(names.map(|name| (name.clone(), simulator::credential_of(provider, name))));
        let options =
            HttpOptions { timeout: settings.timeout, concurrency: account.concurrency as usize, ca_file: None };
        // Whatever a plan or a document says, a rehearsal reaches nothing but this machine.
        let transport = HttpTransport::loopback_only(&options, &line).map_err(|error| context.failed(&error))?;
        let signer = Signer::new(scheme, &account.variables, credentials);
        let there = Account { base_url: simulator.base_url(&account.name), ..account.clone() };
        Ok(Rc::new(Sender::new(&there, Arc::clone(provider), signer, transport).made_up()))
    };
    settings.accounts.iter().map(sender).collect()
}

/// The provider's schemes, with the account's own place to fetch tokens from.
fn schemes(account: &Account, provider: &Provider) -> Vec<AuthScheme> {
    let mut schemes = provider.auth.clone();
    for scheme in &mut schemes {
        if let (SignerKind::HuaweiIamToken(url), Some(own)) = (&mut scheme.signer, &account.auth_url) {
            url.clone_from(own);
        }
    }
    schemes
}
