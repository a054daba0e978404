//! One sender an account: with the credentials that the plan refers to, or for a rehearsal. Everything that can fail before the first
//! request fails here. Prints nothing.

use super::sender::Sender;
use crate::plan::{Account, Settings};
use crate::provider::{Catalog, Provider, SecurityRequirement};
use crate::text::Secret;
use crate::wire::client::{HttpOptions, HttpTransport};
use crate::wire::resolve::{read_identity, resolve};
use crate::wire::signer::Signer;
use crate::wire::{Credentials, HttpHandle, Resolved};
use jiff::Timestamp;
use std::ffi::OsString;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// One sender an account, in the order of the settings' accounts.
pub type Senders = Vec<Rc<Sender<HttpTransport>>>;

/// Where an account is played on this machine, and what is accepted there.
#[derive(Debug)]
pub struct PlayedAccount {
    /// Where its requests go, in the place of the provider's server.
    pub base_url: String,
    /// Where it fetches its tokens.
    pub auth_url: String,
    /// The credential of a provider by its name in the document.
    pub credential: fn(&Provider, &str) -> Secret,
    /// What its TLS needs, where it is played by TLS.
    pub tls: Option<PlayedTls>,
}

/// TLS to where an account is played.
#[derive(Debug, Clone, Copy)]
pub struct PlayedTls {
    /// Who has issued the certificate that is shown there: PEM.
    pub issuers: &'static str,
    /// The time, for the certificate that the account shows.
    pub now: Timestamp,
}

/// For a run against the providers. `environment` is where `env:NAME` is looked up, `ca_file` (PEM) is trusted beside the platform's roots.
/// `warn` gets what is unusual about credentials that can be used.
///
/// # Errors
/// All that is missing: otherwise each missing variable would cost the user one more start.
pub fn real_senders(
    settings: &Settings,
    catalog: &Catalog,
    ca_file: Option<&Path>,
    environment: &dyn Fn(&str) -> Option<OsString>,
    now: Timestamp,
    warn: &mut dyn FnMut(&str),
) -> Result<Senders, Vec<String>> {
    let handle = HttpHandle::start().map_err(|error| vec![error.to_string()])?;
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
        let requirements = requirements(account, provider);
        // Each action of such an account (ACME) brings its own key: there is nothing to resolve for the account.
        let resolved = if account.own_keys {
            Ok(Resolved { requirement: 0, credentials: Credentials::default(), identity: None, warnings: Vec::new() })
        } else {
            let own = provider.operations.iter().filter_map(|operation| operation.security.as_ref()).flatten();
            let own: Vec<SecurityRequirement> = own.cloned().collect();
            resolve(&account.name, &account.credentials, &requirements, &own, environment, now)
        };
        let identity = resolved.as_ref().ok().and_then(|resolved| resolved.identity.clone());
        let ca_file = ca_file.map(Path::to_path_buf);
        let options = HttpOptions { ca_file, identity, ..plain_options(settings, account) };
        match (resolved, HttpTransport::new(&options, &handle)) {
            (Ok(Resolved { requirement, credentials, warnings, .. }), Ok(transport)) => {
                warnings.iter().for_each(|warning| warn(warning));
                let signer = Signer::new(&requirements[requirement], &account.variables, credentials);
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
    if failures.is_empty() { Ok(senders) } else { Err(failures) }
}

/// For a rehearsal: `played` tells of each account where it is played. No credential is read, and nothing but this machine is reached,
/// whatever a plan or a document says.
///
/// # Errors
/// What is missing.
pub fn rehearsal_senders(
    settings: &Settings,
    catalog: &Catalog,
    played: impl Fn(&Account) -> PlayedAccount,
) -> Result<Senders, String> {
    let handle = HttpHandle::start().map_err(|error| error.to_string())?;
    let sender = |account: &Account| {
        let provider = catalog.get(&account.provider);
        let provider = provider.ok_or_else(|| format!("no provider document `{}`", account.provider))?;
        // That which the plan has references for.
        let named = provider.auth_for(|name| account.credentials.contains_key(name));
        let requirement = named.or(provider.auth.first());
        let requirement = requirement.ok_or_else(|| format!("`{}` declares no way to sign", provider.id))?;
        let PlayedAccount { base_url, auth_url, credential, tls } = played(account);
        let own = provider.operations.iter().filter_map(|operation| operation.security.as_ref()).flatten();
        let applied: Vec<&SecurityRequirement> = std::iter::once(requirement).chain(own).collect();
        let shows = applied.iter().any(|one| one.is_mutual_tls());
        let names = applied.into_iter().flat_map(SecurityRequirement::required);
        let credentials = Credentials::new(names.map(|name| (name.to_owned(), credential(provider, name))));
        let identity = match &tls {
            Some(tls) if shows => {
                Some(read_identity(&credentials, tls.now).map_err(|(name, why)| format!("{name}: {why}"))?)
            }
            _ => None,
        };
        let options = HttpOptions { identity, ..plain_options(settings, account) };
        let transport = HttpTransport::loopback_only(&options, tls.map(|tls| tls.issuers), &handle);
        let transport = transport.map_err(|error| error.to_string())?;
        let signer = Signer::new(&requirement.clone().with_token_url(&auth_url), &account.variables, credentials);
        let there = Account { base_url, ..account.clone() };
        Ok(Rc::new(Sender::new(&there, Arc::clone(provider), signer, transport).made_up()))
    };
    settings.accounts.iter().map(sender).collect()
}

fn plain_options(settings: &Settings, account: &Account) -> HttpOptions {
    let concurrency = account.concurrency as usize;
    HttpOptions { timeout: settings.timeout, concurrency, ca_file: None, identity: None }
}

/// The provider's security requirements, with the account's own place to fetch tokens from.
fn requirements(account: &Account, provider: &Provider) -> Vec<SecurityRequirement> {
    let all = provider.auth.iter().cloned();
    match &account.auth_url {
        Some(own) => all.map(|requirement| requirement.with_token_url(own)).collect(),
        None => all.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{CsvOptions, Input, Request, check};
    use crate::text::SourceMap;

    const PLAN: &str = "version: 1
providers: {digicert: {credentials: {api_key: \"env:KEY\"}}, second: {uses: digicert, credentials: {api_key: \"env:OTHER\"}}}
actions:
  - {provider: digicert, action: revoke, certificate_id: 1}
  - {provider: second, action: revoke, certificate_id: 2}
";

    fn settings(catalog: &Catalog) -> Settings {
        let request = Request {
            plan: Input::Stdin(PLAN.into()),
            settings: None,
            catalog,
            columns: CsvOptions::default(),
            now: Timestamp::UNIX_EPOCH,
        };
        let (plan, findings) = check(&request, &mut SourceMap::default(), &mut drop);
        plan.unwrap_or_else(|| panic!("{findings:?}")).settings().clone()
    }

    #[test]
    fn all_that_is_missing_is_told_at_once_and_what_is_there_makes_a_sender_an_account() {
        let catalog = Catalog::built_in();
        let (settings, now) = (settings(&catalog), Timestamp::UNIX_EPOCH);
        let missing = real_senders(&settings, &catalog, None, &|_| None, now, &mut |_| {}).unwrap_err();
        assert_eq!(missing.len(), 2, "{missing:?}");
        assert!(missing[0].contains("KEY") && missing[1].contains("OTHER"), "{missing:?}");
        let there = real_senders(&settings, &catalog, None, &|name| Some(format!("{name}-1").into()), now, &mut |_| {})
            .unwrap();
        assert_eq!(there.iter().map(|sender| sender.name.as_str()).collect::<Vec<_>>(), ["digicert", "second"]);
        // Two credentials, so two that the provider counts.
        assert!(!there[0].limit_owner().shares_limits_with(there[1].limit_owner()));
    }
}
