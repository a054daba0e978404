//! `providers`: the configured accounts, and those that plans use without configuring them; their credentials by reference, never a
//! secret: what looks like one is refused without repeating it. Runs no command and asks nobody.

use super::scalar::{self, SettingsReader, UnusableUrl, field};
use crate::diag::{Diagnostic, Diagnostics};
use crate::pki::RevocationReason;
use crate::plan::load;
use crate::plan::settings::Account;
use crate::provider::challenge::{ChallengeHook, ChallengeSolver, ChallengeType};
use crate::provider::model::{Provider, Window};
use crate::provider::{Catalog, CredentialReference, SecurityRequirement, params, security};
use crate::text::damage::did_you_mean;
use crate::text::nearest;
use crate::text::{SourceMap, safe};
use crate::tree::{Field, Node, Shape};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// The accounts that actions can name.
#[derive(Default)]
pub(in crate::plan) struct Accounts {
    /// All of them; `used` holds indices into this.
    pub(in crate::plan) drafts: Vec<AccountDraft>,
    /// Name → index; `None` for one whose configuration is so wrong that its actions cannot be checked.
    pub(in crate::plan) by_name: HashMap<String, Option<usize>>,
    /// Those that actions use, in order of first use.
    pub(in crate::plan) used: Vec<usize>,
}

/// An account, and what the check needs beside it.
pub(in crate::plan) struct AccountDraft {
    pub(in crate::plan) account: Account,
    pub(in crate::plan) provider: Arc<Provider>,
    /// Its credential references as written: unlike joined paths, they do not depend on the working directory.
    pub(in crate::plan) references: String,
    /// Its place among the accounts that actions use.
    pub(in crate::plan) used_as: Option<usize>,
}

/// Why a name gives no account.
pub(in crate::plan) enum NoAccount {
    /// Its configuration is wrong, which was reported when it was read.
    Misconfigured,
    /// Neither an account nor a provider has the name.
    Unknown,
}

impl Accounts {
    /// The account of a name: a configured one, or a provider of the catalog as its document describes it.
    pub(in crate::plan) fn find(&mut self, name: &str, catalog: &Catalog) -> Result<usize, NoAccount> {
        if let Some(known) = self.by_name.get(name) {
            return known.ok_or(NoAccount::Misconfigured);
        }
        let provider = catalog.get(name).ok_or(NoAccount::Unknown)?;
        let draft = unconfigured(name, provider);
        let index = self.drafts.len();
        self.drafts.push(draft);
        self.by_name.insert(name.to_owned(), Some(index));
        Ok(index)
    }

    /// Notes that an action uses an account; its index in the settings.
    pub(in crate::plan) fn mark_used(&mut self, index: usize) -> usize {
        let next = self.used.len();
        let place = *self.drafts[index].used_as.get_or_insert(next);
        if place == next {
            self.used.push(index);
        }
        place
    }
}

impl SettingsReader<'_> {
    /// Reads `providers`.
    pub(super) fn read_accounts(&mut self, providers: Option<&Field>) -> Accounts {
        let mut accounts = Accounts::default();
        let Some(providers) = providers else { return accounts };
        if providers.value.fields().is_empty() && !matches!(providers.value.shape, Shape::Map(_)) {
            let what = format!("`providers` must be a map, not {}", providers.value.kind());
            self.diagnostics.push(Diagnostic::error("wrong-kind", providers.value.span, what));
            return accounts;
        }
        for entry in providers.value.fields() {
            let draft = self.read_account(entry);
            let index = draft.map(|draft| {
                accounts.drafts.push(draft);
                accounts.drafts.len() - 1
            });
            // A wrong one too: its actions must not be reported as naming a provider that does not exist.
            accounts.by_name.insert(entry.name.clone(), index);
        }
        accounts
    }

    fn read_account(&mut self, entry: &Field) -> Option<AccountDraft> {
        let map = &entry.value;
        let Some(provider) = self.provider_of(entry) else {
            self.check_without_provider(map);
            return None;
        };
        let mut draft = unconfigured(&entry.name, &provider);
        if matches!(map.shape, Shape::Null) {
            return Some(draft);
        }
        if !matches!(map.shape, Shape::Map(_)) {
            let what = format!("the provider `{}` must be a map, not {}", safe::terminal(&entry.name), map.kind());
            // A single text here is likely to be the credential itself.
            let (code, place) = match map.text() {
                Some(_) => ("literal-secret", entry.span),
                None => ("wrong-kind", map.span),
            };
            self.diagnostics.push(Diagnostic::error(code, place, what));
            return Some(draft);
        }
        self.refuse_unknown(map, &provider);
        let variables = field(map, "variables").map(|field| self.read_variables(field)).unwrap_or_default();
        self.fill_variables(map, &provider, &variables, &mut draft.account);
        // After the variables, which the document's base URL has: a base URL in the plan replaces it whole.
        if let Some(url) = field(map, "base_url").and_then(|field| self.read_base_url(field)) {
            draft.account.base_url = url;
        }
        if let Some(url) = field(map, "auth_url") {
            draft.account.auth_url = self.read_auth_url(url, &provider);
        }
        if let Some(credentials) = field(map, "credentials") {
            self.read_credentials(credentials, &provider, &mut draft);
        }
        if let Some(windows) = field(map, "rate").and_then(|rate| self.read_rate(rate)) {
            draft.account.windows = windows;
        }
        if let Some(concurrency) = field(map, "concurrency") {
            draft.account.concurrency = self.read_concurrency(concurrency).unwrap_or(draft.account.concurrency);
            // A number in the plan is meant as it is, whatever rate and latency are.
            draft.account.concurrency_follows = false;
        }
        if let Some(reasons) = field(map, "reasons") {
            self.read_reasons(reasons, &provider, &mut draft.account);
        }
        draft.account.challenge_hook = read_challenge_hook(map, &provider, self.sources, self.diagnostics);
        Some(draft)
    }

    /// Checks what an account says whatever its provider is, where there is no such provider.
    fn check_without_provider(&mut self, map: &Node) {
        for unknown in map.fields().iter().filter(|field| !ACCOUNT_KEYS.contains(&field.name.as_str())) {
            self.diagnostics.push(scalar::unknown_key(unknown, "a provider", &ACCOUNT_KEYS));
        }
        for name in ["base_url", "auth_url"] {
            field(map, name).and_then(|url| self.read_base_url(url));
        }
        for credential in map.get("credentials").into_iter().flat_map(Node::fields) {
            self.read_reference(credential, None);
        }
        field(map, "rate").and_then(|rate| self.read_rate(rate));
        field(map, "concurrency").and_then(|concurrency| self.read_concurrency(concurrency));
    }

    fn provider_of(&mut self, entry: &Field) -> Option<Arc<Provider>> {
        let uses = field(&entry.value, "uses");
        let (id, place) = match uses {
            Some(uses) => (scalar::text(uses, self.diagnostics)?, uses.value.span),
            None => (entry.name.as_str(), entry.span),
        };
        if let Some(provider) = self.catalog.get(id) {
            return Some(provider.clone());
        }
        let what = format!("there is no provider `{}`", safe::terminal(id));
        let have: Vec<&str> = self.catalog.ids().collect();
        // An account may have any name, so the name of one without `uses` may be right and the `uses` missing.
        let mut help = match self.catalog.nearest(id) {
            Some(right) if uses.is_none() => {
                format!("{} an account of its own name says `uses: {right}`", did_you_mean(id, right))
            }
            Some(right) => did_you_mean(id, right),
            None if uses.is_none() => {
                format!("an account of its own name says which provider it `uses`: {}", have.join(", "))
            }
            None => format!("there are {}", have.join(", ")),
        };
        help.push_str(if help.ends_with('?') { " " } else { "; " });
        help.push_str("`--provider-dir` adds documents of your own");
        self.diagnostics.push(Diagnostic::error("unknown-provider", place, what).help(help));
        None
    }

    fn refuse_unknown(&mut self, map: &Node, provider: &Provider) {
        for unknown in map.fields().iter().filter(|field| !ACCOUNT_KEYS.contains(&field.name.as_str())) {
            let names = provider.credential_names();
            if names.contains(&unknown.name.as_str()) {
                let what = format!("`{}` belongs under `credentials`", unknown.name);
                let help = format!("write `credentials: {{{}: \"env:NAME\"}}`", unknown.name);
                // The value may be the credential itself, so its line is not to be shown.
                self.diagnostics.push(Diagnostic::error("literal-secret", unknown.span, what).help(help));
            } else {
                self.diagnostics.push(scalar::unknown_key(unknown, "a provider", &ACCOUNT_KEYS));
            }
        }
    }

    fn read_variables(&mut self, variables: &Field) -> BTreeMap<String, String> {
        let mut given = BTreeMap::new();
        if !matches!(variables.value.shape, Shape::Map(_)) {
            let what = format!("`variables` must be a map, not {}", variables.value.kind());
            self.diagnostics.push(Diagnostic::error("wrong-kind", variables.value.span, what));
        }
        for variable in variables.value.fields() {
            if let Some(text) = scalar::text(variable, self.diagnostics) {
                given.insert(variable.name.clone(), text.to_owned());
            }
        }
        given
    }

    fn fill_variables(
        &mut self,
        map: &Node,
        provider: &Provider,
        given: &BTreeMap<String, String>,
        account: &mut Account,
    ) {
        match (provider.variables_with(given), provider.base_url_with(given)) {
            (Ok(variables), Ok(base_url)) => {
                account.variables = variables;
                account.base_url = base_url;
                self.check_regions(map, provider, account);
            }
            (Err(violations), _) | (_, Err(violations)) => {
                for violation in violations {
                    let variables = map.get("variables").map_or(&[][..], Node::fields);
                    let at_fault = |field: &&Field| Some(&field.name) == violation.parameter.as_ref();
                    let at_fault = variables.iter().find(at_fault);
                    let known = at_fault.is_some_and(|field| provider.variables.contains_key(&field.name));
                    let place = at_fault.map_or(map.span, |field| if known { field.value.span } else { field.span });
                    let mut error = Diagnostic::error("variable", place, violation.what);
                    error.help = violation.help;
                    self.diagnostics.push(error);
                }
            }
        }
    }

    /// A region of AWS is a part of the signature, and of a host that may be there although the region is none.
    fn check_regions(&mut self, map: &Node, provider: &Provider, account: &Account) {
        for requirement in provider.requirements() {
            for (template, region) in
                requirement.regions().into_iter().zip(requirement.clone().filled(&account.variables).regions())
            {
                let Err((what, help)) = security::check_region(region) else { continue };
                let variables = map.get("variables").map_or(&[][..], Node::fields);
                let named = variables.iter().find(|field| template.contains(&format!("{{{}}}", field.name)));
                let place = named.map_or(map.span, |field| field.value.span);
                self.diagnostics.push(Diagnostic::error("variable", place, what).help(help));
            }
        }
    }

    fn read_base_url(&mut self, field: &Field) -> Option<String> {
        let text = scalar::text(field, self.diagnostics)?;
        match scalar::base_url(text) {
            Ok(url) => Some(url),
            Err(UnusableUrl::Secret) => {
                let what = format!("`{}` holds a user name or password", field.name);
                // The place is the key's: the view shows the line of a value's place, and the secret with it.
                let error = Diagnostic::error("literal-secret", field.span, what);
                self.diagnostics.push(error.help("take it out of the URL; `credentials` refers to secrets"));
                None
            }
            Err(UnusableUrl::Wrong(what, help)) => {
                let mut error = Diagnostic::error("base-url", field.value.span, what);
                error.help = help;
                self.diagnostics.push(error);
                None
            }
        }
    }

    fn read_auth_url(&mut self, field: &Field, provider: &Provider) -> Option<String> {
        let url = self.read_base_url(field)?;
        if provider.auth.iter().any(|requirement| requirement.token().is_some()) {
            return Some(url);
        }
        let what = format!("the provider `{}` fetches no token and has no use for `auth_url`", provider.id);
        self.diagnostics.push(Diagnostic::error("auth-url", field.span, what).help("drop it"));
        None
    }

    fn read_rate(&mut self, rate: &Field) -> Option<Vec<Window>> {
        let texts = scalar::texts(&rate.value, self.diagnostics)?;
        let mut windows = Vec::new();
        for (text, place) in &texts {
            match Window::parse(text) {
                Ok(window) => windows.push(window),
                Err(why) => self.diagnostics.push(Diagnostic::error("rate", *place, why)),
            }
        }
        if texts.is_empty() {
            let error = Diagnostic::error("rate", rate.value.span, "`rate` names no limit");
            self.diagnostics.push(error.help("leave it out for the limits of the provider's document"));
        }
        (!texts.is_empty() && windows.len() == texts.len()).then_some(windows)
    }

    fn read_concurrency(&mut self, concurrency: &Field) -> Option<u32> {
        let value = scalar::count(concurrency, 1, MAX_CONCURRENCY, self.diagnostics);
        value.and_then(|value| u32::try_from(value).ok())
    }

    fn read_reasons(&mut self, map: &Field, provider: &Provider, account: &mut Account) {
        if !matches!(map.value.shape, Shape::Map(_)) {
            let what = format!("`reasons` must be a map, not {}", map.value.kind());
            let help = "write it as `{keyCompromise: unspecified}`: the reason, and what to send for it";
            self.diagnostics.push(Diagnostic::error("wrong-kind", map.value.span, what).help(help));
        }
        let rules: Vec<_> = provider.actions().filter_map(|(_, action)| action.reason.as_ref()).collect();
        let mut has: Vec<&str> = Vec::new();
        for (_, spelling) in rules.iter().flat_map(|rule| &rule.values) {
            if !has.contains(&spelling.as_str()) {
                has.push(spelling);
            }
        }
        for entry in map.value.fields() {
            let reason = RevocationReason::parse(&entry.name);
            if reason.is_none() {
                let what = format!("`{}` is no revocation reason", safe::terminal(&entry.name));
                let names = RevocationReason::ALL.map(RevocationReason::name);
                let help = match nearest(&entry.name, names) {
                    Some(right) => did_you_mean(&entry.name, right),
                    None => format!("the reasons of RFC 5280 are {}", names.join(", ")),
                };
                self.diagnostics.push(Diagnostic::error("unknown-reason", entry.span, what).help(help));
            }
            let Some(text) = scalar::text(entry, self.diagnostics) else { continue };
            // One account is for all actions, so a spelling of any of them will be accepted here.
            let Some(spelling) = rules.iter().find_map(|rule| params::spelling_for(rule, text)) else {
                let what = format!("the provider `{}` has no reason `{}`", provider.id, safe::terminal(text));
                let help = match nearest(text, has.iter().copied()) {
                    Some(right) => did_you_mean(text, right),
                    None => format!("it has {}", has.join(", ")),
                };
                self.diagnostics.push(Diagnostic::error("unknown-reason", entry.value.span, what).help(help));
                continue;
            };
            if let Some(reason) = reason {
                account.reasons.insert(reason, spelling.to_owned());
            }
        }
    }
}

/// A provider as its document describes it.
pub(in crate::plan) fn unconfigured(name: &str, provider: &Arc<Provider>) -> AccountDraft {
    let none = BTreeMap::new();
    let environment = provider.environment.iter();
    AccountDraft {
        account: Account {
            name: name.to_owned(),
            provider: provider.id.clone(),
            base_url: provider.base_url_with(&none).unwrap_or_else(|_| provider.base_url.clone()),
            auth_url: None,
            variables: provider.variables_with(&none).unwrap_or_default(),
            credentials: environment
                .map(|(name, variable)| (name.clone(), CredentialReference::Env(variable.clone())))
                .collect(),
            windows: provider.windows.clone(),
            concurrency: provider.concurrency,
            concurrency_follows: true,
            // Until an action comes that names no key; see `check_action`.
            own_keys: true,
            reasons: BTreeMap::new(),
            challenge_hook: None,
        },
        // As if the plan had written them, so that it may write them out without another digest.
        references: provider.environment.iter().map(|(name, variable)| format!("{name}=env:{variable}\n")).collect(),
        provider: provider.clone(),
        used_as: None,
    }
}

impl SettingsReader<'_> {
    /// Reads `credentials`.
    pub(super) fn read_credentials(&mut self, credentials: &Field, provider: &Provider, draft: &mut AccountDraft) {
        if !matches!(credentials.value.shape, Shape::Map(_)) {
            let what = format!("`credentials` must be a map, not {}", credentials.value.kind());
            let names = provider.credential_names().join(", ");
            // A single text here is likely to be the credential itself.
            let error = Diagnostic::error("literal-secret", credentials.span, what);
            self.diagnostics.push(error.help(format!("it has the keys {names}")));
            return;
        }
        let names = provider.credential_names();
        let mut references = BTreeMap::new();
        let mut written = String::new();
        let mut good = true;
        for credential in credentials.value.fields() {
            let known = names.contains(&credential.name.as_str());
            if !known {
                let what =
                    format!("the provider `{}` has no credential `{}`", provider.id, safe::terminal(&credential.name));
                let help = match nearest(&credential.name, names.iter().copied()) {
                    Some(right) => did_you_mean(&credential.name, right),
                    None => format!("it has {}", names.join(", ")),
                };
                self.diagnostics.push(Diagnostic::error("unknown-credential", credential.span, what).help(help));
                good = false;
            }
            match self.read_reference(credential, Some(provider)) {
                Some(reference) => {
                    written.push_str(&credential.name);
                    written.push('=');
                    written.push_str(credential.value.text().unwrap_or_default());
                    written.push('\n');
                    references.insert(credential.name.clone(), reference);
                }
                None => good = false,
            }
        }
        // Any one of the requirements is enough; the others' credentials may be absent.
        let is_complete = provider.auth_for(|name| references.contains_key(name)).is_some();
        if good && !is_complete && !provider.auth.is_empty() {
            let needed = |requirement: &SecurityRequirement| requirement.required().join(" and ");
            let sets: Vec<String> = provider.auth.iter().map(needed).collect();
            let what = format!("these credentials do not suffice for the provider `{}`", provider.id);
            let error = Diagnostic::error("missing-credential", credentials.span, what);
            self.diagnostics.push(error.help(format!("it needs {}", sets.join(", or "))));
        }
        draft.account.credentials = references;
        draft.references = written;
    }

    fn read_reference(&mut self, credential: &Field, provider: Option<&Provider>) -> Option<CredentialReference> {
        let literal = |what: String| {
            let variable = provider.and_then(|provider| provider.environment.get(&credential.name));
            let variable = variable.map_or("NAME", String::as_str);
            let help = format!("write `env:{variable}`, `file:PATH` or `command:CMD ARG…`");
            // Only the key is pointed at: the value may be a secret.
            Some(Diagnostic::error("literal-secret", credential.span, what).help(help))
        };
        let name = safe::terminal(&credential.name);
        let text = credential.value.text();
        let split = text.and_then(|text| text.split_once(':'));
        let error = match split {
            Some(("env", variable)) => {
                // Names as POSIX shells can set them; anything else is likely to be a secret behind a wrong prefix.
                let good = !variable.is_empty()
                    && variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                    && !variable.as_bytes()[0].is_ascii_digit();
                if good {
                    return Some(CredentialReference::Env(variable.to_owned()));
                }
                literal(format!("`{name}` says `env:`, but what follows is no name of an environment variable"))
            }
            Some(("file", path)) if !path.trim().is_empty() && !path.contains('\0') => {
                let path = load::resolve(self.sources, credential.value.span, path.trim());
                return Some(CredentialReference::File(path));
            }
            Some(("command", command)) => match shlex::split(command).filter(|words| !words.is_empty()) {
                Some(words) => return Some(CredentialReference::Command(words)),
                None => literal(format!("`{name}` says `command:`, but what follows cannot be split into words")),
            },
            Some(("file", _)) => literal(format!("`{name}` says `file:` without a path")),
            _ => literal(format!("the credential `{name}` is not a reference; a plan never holds a secret")),
        };
        if let Some(error) = error {
            self.diagnostics.push(error);
        }
        None
    }
}

/// Reads the hook by which an account meets an ACME CA's challenges.
fn read_challenge_hook(
    map: &Node,
    provider: &Provider,
    sources: &SourceMap,
    diagnostics: &mut Diagnostics,
) -> Option<ChallengeHook> {
    let limit = field(map, CHALLENGE_LIMIT).map(|field| scalar::positive_duration(field, diagnostics));
    let kind = field(map, CHALLENGE_TYPE).map(|field| read_challenge_type(field, diagnostics));
    let Some(hook) = field(map, CHALLENGE_HOOK) else {
        for lonely in [CHALLENGE_TYPE, CHALLENGE_LIMIT].into_iter().filter_map(|key| field(map, key)) {
            let what = format!("`{}` says nothing without `{CHALLENGE_HOOK}`", lonely.name);
            diagnostics.push(Diagnostic::error("challenge-hook", lonely.span, what).help(CHALLENGE_EXAMPLE));
        }
        return None;
    };
    let stages = provider.actions().flat_map(|(_, action)| &action.stages);
    if !stages.into_iter().any(|stage| stage.challenge.is_some()) {
        let what = format!("the provider `{}` has no challenges to meet", provider.id);
        diagnostics.push(Diagnostic::error("challenge-hook", hook.span, what).help("drop it"));
        return None;
    }
    let by = read_challenge_solver(hook, sources, diagnostics)?;
    let kind = match (kind, &by) {
        (Some(kind), ChallengeSolver::Command(_)) => kind?,
        // A record is what most can change; a file needs the very host.
        (None, ChallengeSolver::Command(_)) => ChallengeType::Dns01,
        (None | Some(Some(ChallengeType::Http01)), ChallengeSolver::Directory(_)) => ChallengeType::Http01,
        (Some(_), ChallengeSolver::Directory(_)) => {
            let what = format!("a directory meets http-01, and `{CHALLENGE_TYPE}` says another");
            diagnostics.push(Diagnostic::error("challenge-hook", hook.span, what).help(CHALLENGE_EXAMPLE));
            return None;
        }
    };
    let limit = match limit {
        Some(limit) => limit?,
        None => DEFAULT_CHALLENGE_LIMIT,
    };
    Some(ChallengeHook { kind, by, limit })
}

fn read_challenge_type(field: &Field, diagnostics: &mut Diagnostics) -> Option<ChallengeType> {
    let text = scalar::text(field, diagnostics)?;
    let found = ChallengeType::ALL.iter().find(|(_, word)| *word == text);
    if found.is_none() {
        let what = format!("`{}` is no type of challenge that can be met here", safe::terminal(text));
        diagnostics
            .push(Diagnostic::error("challenge-hook", field.value.span, what).help("it is `dns-01` or `http-01`"));
    }
    found.map(|(kind, _)| *kind)
}

fn read_challenge_solver(hook: &Field, sources: &SourceMap, diagnostics: &mut Diagnostics) -> Option<ChallengeSolver> {
    let text = scalar::text(hook, diagnostics)?;
    let found = match text.split_once(':') {
        Some(("command", command)) => shlex::split(command)
            .filter(|words| words.first().is_some_and(|program| !program.is_empty()) && !command.contains('\0'))
            .map(ChallengeSolver::Command),
        Some(("directory", path)) if !path.trim().is_empty() && !path.contains('\0') => {
            // `resume` may run in another directory.
            let path = load::resolve(sources, hook.value.span, path.trim());
            Some(ChallengeSolver::Directory(std::path::absolute(&path).unwrap_or(path)))
        }
        _ => None,
    };
    if found.is_none() {
        let what = "this is neither a program nor a directory";
        diagnostics.push(Diagnostic::error("challenge-hook", hook.value.span, what).help(CHALLENGE_EXAMPLE));
    }
    found
}

const ACCOUNT_KEYS: [&str; 11] = [
    "uses",
    "base_url",
    "auth_url",
    "credentials",
    "rate",
    "concurrency",
    "variables",
    "reasons",
    CHALLENGE_HOOK,
    CHALLENGE_TYPE,
    CHALLENGE_LIMIT,
];
/// More requests in flight at once than this are a mistake.
const MAX_CONCURRENCY: u64 = 1024;
/// The key of the hook itself.
const CHALLENGE_HOOK: &str = "challenge_hook";
/// Which challenges a program meets.
const CHALLENGE_TYPE: &str = "challenge_type";
/// How long it may take.
const CHALLENGE_LIMIT: &str = "challenge_timeout";
const CHALLENGE_EXAMPLE: &str = "write `challenge_hook: \"command:dns-hook.sh\"` or `challenge_hook: \"directory:/var/www/.well-known/acme-challenge\"`";
/// Records take their time until all servers have them.
const DEFAULT_CHALLENGE_LIMIT: Duration = Duration::from_secs(300);
