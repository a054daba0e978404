//! Accounts, ready to send, one [`Sender`] each: its provider, where it is, how it is signed, and the transport. How they are made, for the
//! providers or for a rehearsal, so that everything that can fail before the first request fails here; and what came of one exchange, whatever
//! it was for, in the same words for the limits, the circuit breaker and those who read it. Holds credentials; knows nothing of single actions,
//! prints nothing.

use super::circuit_breaker::Contact;
use crate::pki::{Csr, RequestedCertificate, TlsServer};
use crate::plan::{Account, Settings};
use crate::provider::challenge::{Challenge, ChallengeHook};
use crate::provider::model::{Operation, Window};
use crate::provider::{
    Answer, AnswerClass, Catalog, CredentialReference, Provider, SecurityRequirement, Verdict, verdict,
};
use crate::text::{Secret, safe};
use crate::wire::client::{HttpOptions, HttpTransport};
use crate::wire::hook::{HookCall, call_challenge_hook};
use crate::wire::resolve::{read_identity, resolve};
use crate::wire::{
    ConnectionUse, Credentials, Delivery, HttpHandle, Resolved, Signer, SigningTicket, Transport, WireRequest, request,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// One account, ready to send.
#[derive(Debug)]
pub struct Sender<T> {
    /// The account's name.
    pub name: String,
    /// Its provider.
    pub provider: Arc<Provider>,
    base_url: String,
    /// Where its credentials come from.
    references: BTreeMap<String, CredentialReference>,
    /// How it meets challenges, where it can.
    challenge_hook: Option<ChallengeHook>,
    /// Whether its credentials are made up, for a simulator.
    made_up: bool,
    signer: RefCell<Signer>,
    transport: T,
    token: Cell<Token>,
    /// How many tokens were fetched so far.
    tokens: Cell<u32>,
    /// When the last one was asked for.
    asked: Cell<Timestamp>,
    /// How many of them in a row ended before any request was signed with one that worked.
    unused: Cell<u32>,
    /// What people should know of the token, once.
    notice: RefCell<Option<String>>,
    /// When the provider's clock was compared with ours last.
    compared: Cell<Option<Timestamp>>,
    /// Whether an answer came that belonged to another request: from then on each has a connection of its own.
    disordered: Cell<bool>,
}

/// Whose requests a provider counts those of an account as.
#[derive(Debug, Clone, Copy)]
pub struct LimitOwner<'a> {
    provider: &'a str,
    references: &'a BTreeMap<String, CredentialReference>,
    signer: Option<&'a RefCell<Signer>>,
}

/// A request as it will be sent, but for its signature.
#[derive(Debug)]
pub struct Unsigned {
    request: WireRequest,
    /// The reference to the key that signs it in the place of the account's.
    own_key: Option<String>,
    /// What the document says of signing it, where that is for its operation alone.
    security: Option<Vec<SecurityRequirement>>,
    /// Why a part of it could not be read.
    lacking: Option<String>,
    /// What is in it of private keys.
    secrets: Vec<Secret>,
}

/// What is known of the token in use, where the signer needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// It must be fetched before anything else is sent.
    Missing,
    /// It was fetched, and the provider has not yet accepted it.
    Fresh,
    /// The provider has accepted it.
    Worked,
}

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

/// What came of asking for what is needed before any other request: a token, a nonce.
#[derive(Debug)]
pub enum TokenResult {
    /// Nothing was asked, or the account is held back, which costs no try.
    Nothing,
    /// It is there.
    Taken,
    /// It is not.
    Failed {
        /// Why, masked.
        cause: String,
        /// Whether it would be refused again.
        refused: bool,
    },
}

/// What came of an exchange.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nine of ten are the large one, and few are there at once")]
pub enum ExchangeResult {
    /// Nothing was sent: there was nothing to ask, or what others were answered says it.
    Nothing,
    /// It was not sent, since it could not be signed. That says nothing about the provider.
    Unsigned(String),
    /// It surely did not reach the provider.
    NotSent(String),
    /// The same, and none will before a person has changed something.
    Barred(String),
    /// It may have, and no whole answer was received.
    Lost(String),
    /// A whole answer, and how it is read.
    Answered(Answer, Verdict),
}

/// What the limits must know of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSignal {
    /// It was answered, and not because of limits.
    Answered,
    /// It was given up; the provider may have counted it.
    Lost,
    /// There were too many.
    Throttled {
        /// How long the provider asks to wait.
        retry_after: Option<Duration>,
        /// The limit that the answer declares.
        limit: Option<Window>,
    },
    /// Nothing was sent.
    Unsent,
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

impl<T: Transport> Sender<T> {
    /// From an account of the plan and its signer.
    pub fn new(account: &Account, provider: Arc<Provider>, mut signer: Signer, transport: T) -> Self {
        signer.set_base_url(&account.base_url);
        // Credentials that need no token are like one that was just fetched: a refusal is not cured by another.
        let token = if signer.lacks_token() { Token::Missing } else { Token::Fresh };
        Self {
            name: account.name.clone(),
            provider,
            base_url: account.base_url.clone(),
            references: account.credentials.clone(),
            challenge_hook: account.challenge_hook.clone(),
            made_up: false,
            signer: RefCell::new(signer),
            transport,
            token: Cell::new(token),
            tokens: Cell::new(0),
            asked: Cell::new(Timestamp::UNIX_EPOCH),
            unused: Cell::new(0),
            notice: RefCell::default(),
            compared: Cell::new(None),
            disordered: Cell::new(false),
        }
    }

    /// The same with credentials that are made up, for a simulator.
    #[must_use]
    pub fn made_up(self) -> Self {
        Self { made_up: true, ..self }
    }

    /// Whose requests the provider counts these as.
    pub fn limit_owner(&self) -> LimitOwner<'_> {
        let signer = (!self.made_up).then_some(&self.signer);
        LimitOwner { provider: &self.provider.id, references: &self.references, signer }
    }

    /// The place in the provider's document of the operation that actions ask for by this name; a plan that was checked names no other.
    pub fn find_action(&self, name: &str) -> Option<usize> {
        let is_named = |operation: &Operation| operation.action.is_some() && operation.name == name;
        self.provider.operations.iter().position(is_named)
    }

    /// The request that an operation makes of its parameters.
    pub fn make(&self, operation: &Operation, parameters: &Map<String, Value>) -> Unsigned {
        let (filled, secrets, lacking) = match request::fill(operation, parameters) {
            Ok(filled) => (filled.parameters, filled.secrets, None),
            Err(why) => (Cow::Borrowed(parameters), Vec::new(), Some(why)),
        };
        let request = request::build(&self.base_url, operation, &filled);
        let (own_key, security) = (operation.own_key(parameters), operation.security.clone());
        Unsigned { request, own_key, security, lacking, secrets }
    }

    /// What the certificate must be that an action asks for, where it sends a request for one.
    pub fn requested_certificate(
        &self,
        operation: &Operation,
        parameters: &Map<String, Value>,
    ) -> Option<RequestedCertificate> {
        let field = &operation.action.as_ref()?.csr.as_ref()?.field;
        let filled = request::fill(operation, parameters).ok()?.parameters;
        let request = Csr::parse(filled.get(field)?.as_str()?.as_bytes()).ok()?;
        Some(RequestedCertificate::of(&request))
    }

    /// Signs with the present time, and sends.
    pub async fn send(
        &self,
        unsigned: Unsigned,
        ticket: SigningTicket,
        at: Timestamp,
        via: ConnectionUse<'_>,
    ) -> Delivery {
        let Unsigned { mut request, own_key, security, lacking, secrets } = unsigned;
        if let Some(why) = lacking {
            return Delivery::Unsigned(why);
        }
        let signed = self.signer.borrow().sign(&mut request, &ticket, own_key.as_deref(), security.as_deref(), at);
        if request.method == "GET" {
            self.signer.borrow_mut().take_back(ticket);
        }
        if let Err(error) = signed {
            return Delivery::Unsigned(format!("the request could not be signed: {error}"));
        }
        let fresh = via.fresh || self.disordered.get();
        let delivery = self.deliver(request, ConnectionUse { fresh, ..via }).await;
        if secrets.is_empty() { delivery } else { masked(delivery, &secrets) }
    }

    /// The challenge of an authorization that this account can meet.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub fn challenge(&self, authorization: &Value) -> Result<Challenge, String> {
        match &self.challenge_hook {
            Some(hook) => Challenge::of(authorization, hook.kind),
            None => {
                let domain = authorization.pointer("/identifier/value").and_then(Value::as_str).unwrap_or_default();
                let domain = safe::terminal(domain);
                Err(format!(
                    "the CA has not validated {domain} for this account, and `{}` has no `challenge_hook`, which would do so",
                    self.name
                ))
            }
        }
    }

    /// Meets a challenge, or takes away what was put there for it.
    ///
    /// # Errors
    /// Why that failed, as a sentence.
    pub async fn call_challenge_hook(&self, challenge: &Challenge, call: HookCall) -> Result<(), String> {
        // Real DNS and web servers are not to be changed for a rehearsal.
        let Some(hook) = self.challenge_hook.clone().filter(|_| !self.made_up) else { return Ok(()) };
        let thumbprint = self.signer.borrow().thumbprint().ok_or("there is no account key to meet challenges with")?;
        let withheld = self.references.values().filter_map(|reference| match reference {
            CredentialReference::Env(name) => Some(name.clone()),
            CredentialReference::File(_) | CredentialReference::Command(_) => None,
        });
        call_challenge_hook(hook, challenge.clone(), thumbprint, withheld.collect(), call).await
    }

    /// The certificate that a server shows, in DER; the error is safe to show.
    pub async fn shown_certificate(&self, server: &TlsServer) -> Result<Vec<u8>, String> {
        let shown = self.transport.shown_certificate(server).await;
        match &shown {
            Ok(der) => tracing::debug!("handshake with {server} -> a certificate of {} bytes", der.len()),
            Err(why) => tracing::debug!("handshake with {server} -> {why}"),
        }
        shown
    }

    /// Whether its credentials are made up, for a simulator.
    pub const fn is_made_up(&self) -> bool {
        self.made_up
    }

    /// An answer belonged to another request. Returns whether that is news.
    pub fn note_disorder(&self) -> bool {
        !self.disordered.replace(true)
    }

    /// Whether an answer belonged to another request, so that none is told by its place any more.
    pub fn is_disordered(&self) -> bool {
        self.disordered.get()
    }

    /// Permission to sign one request now; `None` where a token must be fetched before anything can be sent.
    pub fn ticket(&self, at: Timestamp) -> Option<SigningTicket> {
        if self.lacks_token(at) { None } else { self.signer.borrow_mut().ticket() }
    }

    /// Whether the token that serves every request must be fetched first: there was none yet, it was withdrawn, or it is about to end.
    fn lacks_token(&self, at: Timestamp) -> bool {
        let signer = self.signer.borrow();
        match self.token.get() {
            Token::Missing => true,
            Token::Worked => signer.is_token_due(at),
            // One that serves for less than the limits keep requests apart would be fetched again and again, and nothing else be sent. So
            // after some in vain it is used all the same, and the provider's refusal tells.
            Token::Fresh => signer.is_token_over(at) && self.unused.get() < MAX_UNUSED,
        }
    }

    /// What people should know of the token that was fetched; told once.
    pub fn take_notice(&self) -> Option<String> {
        self.notice.take()
    }

    /// Asks for what is needed before anything can be sent (a token; an ACME directory, account or nonce). `None` where nothing is.
    pub async fn authenticate(&self, at: Timestamp) -> Option<Delivery> {
        let request = self.signer.borrow_mut().token_request(at)?;
        self.asked.set(at);
        let request = match request {
            Ok(request) => request,
            Err(why) => return Some(Delivery::Unsigned(why.to_string())),
        };
        let what = format!("{} {}", request.method, request.url);
        let told = |cause: String| format!("{what}: {cause}");
        Some(match self.deliver(request, ConnectionUse::default()).await {
            Delivery::Lost(cause) => Delivery::Lost(told(cause)),
            Delivery::Barred(cause) => Delivery::Barred(told(cause)),
            Delivery::NotSent(cause) | Delivery::Unsigned(cause) => Delivery::NotSent(told(cause)),
            answered @ Delivery::Answered(_) => answered,
        })
    }

    /// Keeps what came of [`Self::authenticate`], while it serves.
    pub fn take_token(&self, exchanged: &ExchangeResult) -> TokenResult {
        let (cause, refused) = match exchanged {
            ExchangeResult::Nothing => return TokenResult::Nothing,
            ExchangeResult::Answered(answer, _) => match self.accept_token(answer) {
                Ok(()) => return TokenResult::Taken,
                // Asked again with the same credentials, all but these would be refused again.
                Err(cause) => (cause, !matches!(answer.status, 408 | 429 | 500..)),
            },
            unsigned @ ExchangeResult::Unsigned(_) => (self.excerpt(&unsigned.cause()), true),
            silent => (self.excerpt(&silent.cause()), false),
        };
        match exchanged.limits() {
            LimitSignal::Throttled { .. } => TokenResult::Nothing,
            _ => TokenResult::Failed { cause, refused },
        }
    }

    /// # Errors
    /// Why there is nothing in the answer, as a sentence.
    fn accept_token(&self, answer: &Answer) -> Result<(), String> {
        let taken = self.signer.borrow_mut().accept_token(answer, self.asked.get());
        let notice = taken.map_err(|cause| self.excerpt(&cause))?;
        if self.tokens.get() == 0 {
            self.notice.replace(notice.map(|text| safe::terminal(&text).into_owned()));
        }
        let unused = self.unused.get();
        self.unused.set(if self.token.replace(Token::Fresh) == Token::Fresh { unused + 1 } else { 0 });
        self.tokens.set(self.tokens.get().saturating_add(1));
        Ok(())
    }

    /// An answer showed that the credentials are valid, so a later refusal means that the token has expired.
    pub fn credentials_work(&self) {
        if self.token.get() == Token::Fresh {
            self.token.set(Token::Worked);
        }
    }

    /// Which token is in use; 0 before the first.
    pub fn token_number(&self) -> u32 {
        self.tokens.get()
    }

    /// The provider refused a request that was signed with this token. Whether another one may help: a token that has worked may
    /// have run out, and must be fetched anew; one that never worked has not.
    pub fn renew(&self, token_number: u32) -> bool {
        if !self.signer.borrow().renews() {
            return false;
        }
        // Another step has fetched a newer token since this request was signed.
        if token_number != self.tokens.get() {
            return true;
        }
        let may_help = self.token.get() != Token::Fresh;
        if may_help {
            self.token.set(Token::Missing);
        }
        may_help
    }

    /// Whether it is time to compare the provider's clock with ours again: a date is not read in every one of a thousand answers a second.
    pub fn compares_clocks(&self, at: Timestamp) -> bool {
        let due = self.compared.get().is_none_or(|last| at.duration_since(last).abs() >= CLOCK_COMPARISON_INTERVAL);
        if due {
            self.compared.set(Some(at));
        }
        due
    }

    async fn deliver(&self, request: WireRequest, via: ConnectionUse<'_>) -> Delivery {
        // The line is made only where it is logged: there may be a thousand requests a second.
        let followed = tracing::enabled!(tracing::Level::DEBUG);
        let line = followed.then(|| format!("{}: {} {}", safe::terminal(&self.name), request.method, request.url));
        let delivery = self.transport.send(request, via).await;
        if let Some(line) = line {
            self.trace(&line, &delivery);
        }
        if let Delivery::Answered(answer) = &delivery {
            self.signer.borrow_mut().observe_response(answer);
        }
        delivery
    }

    /// For debug logs. Bodies are not logged: what matters of them is in the actions' report rows, masked and made safe.
    fn trace(&self, line: &str, delivery: &Delivery) {
        match delivery {
            Delivery::Answered(answer) => tracing::debug!("{line} -> HTTP {}", answer.status),
            Delivery::Lost(cause) => tracing::debug!("{line} -> no answer: {}", self.mask(cause)),
            Delivery::NotSent(cause) | Delivery::Unsigned(cause) | Delivery::Barred(cause) => {
                tracing::debug!("{line} -> not sent: {}", self.mask(cause))
            }
        }
    }

    /// Foreign text with every credential of this account masked.
    pub fn mask(&self, text: &str) -> String {
        self.signer.borrow().mask(text)
    }

    /// As much of a provider's text as is kept, masked: the journal is no place for a web page. Masked before it is cut, since a
    /// credential that the cut divides would not be known any more.
    pub fn excerpt(&self, text: &str) -> String {
        let mut text = self.mask(text);
        if text.len() > MAX_EXCERPT
            && let Some((end, _)) = text.char_indices().nth(MAX_EXCERPT)
        {
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

impl<'a> LimitOwner<'a> {
    /// Of an account whose credentials are not resolved.
    pub fn of_account(account: &'a Account) -> Self {
        LimitOwner { provider: &account.provider, references: &account.credentials, signer: None }
    }

    /// Whether the provider counts the requests of both as one's: they use the same credentials. Where these are not at hand (in a
    /// forecast, with a simulator), the references to them are compared.
    pub fn shares_limits_with(self, other: Self) -> bool {
        let same = match (self.signer, other.signer) {
            (Some(one), Some(other)) => one.borrow().is_same(&other.borrow()),
            _ => self.references == other.references && !self.references.is_empty(),
        };
        same && self.provider == other.provider
    }
}

impl ExchangeResult {
    /// What the limits must know.
    pub fn limits(&self) -> LimitSignal {
        match self {
            Self::Nothing => LimitSignal::Unsent,
            Self::Unsigned(_) | Self::NotSent(_) | Self::Barred(_) | Self::Lost(_) => LimitSignal::Lost,
            Self::Answered(_, verdict) if verdict.class == AnswerClass::Throttled => {
                LimitSignal::Throttled { retry_after: verdict.retry_after, limit: verdict.limit }
            }
            Self::Answered(..) => LimitSignal::Answered,
        }
    }

    /// Whether the provider was reached, where a request was sent.
    pub fn contact(&self) -> Option<Contact> {
        match self {
            Self::Nothing | Self::Unsigned(_) => None,
            Self::NotSent(_) => Some(Contact::NotSent),
            Self::Barred(_) => Some(Contact::Barred),
            Self::Lost(_) => Some(Contact::Lost),
            Self::Answered(answer, verdict) => {
                Some(Contact::of_answer(verdict.class, answer.status, verdict.is_the_providers))
            }
        }
    }

    /// Whether it was answered with a word about the credentials.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Answered(_, verdict) if verdict.class == AnswerClass::Unauthorized)
    }

    /// What came, in a few words; the caller masks credentials in it.
    pub fn cause(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Unsigned(cause) => cause.clone(),
            Self::NotSent(cause) | Self::Barred(cause) => format!("not sent: {cause}"),
            Self::Lost(cause) => format!("no answer: {cause}"),
            Self::Answered(answer, verdict) => match words(answer, verdict) {
                Some(words) if words.starts_with("HTTP ") => words,
                Some(words) => format!("HTTP {} {words}", answer.status),
                None => format!("HTTP {}", answer.status),
            },
        }
    }
}

/// What an answer says, in the provider's words and those of its document; what came, where it is not understood.
pub fn words(answer: &Answer, verdict: &Verdict) -> Option<String> {
    // What is not the provider's answer is described, and not quoted as if it were.
    let is_foreign = verdict.class == AnswerClass::Unknown && !verdict.is_the_providers;
    match (verdict.message.as_ref().filter(|_| !is_foreign), &verdict.explanation) {
        (Some(message), Some(explanation)) => Some(format!("{message}; {explanation}")),
        (Some(text), None) => Some(text.clone()),
        (None, Some(explanation)) if verdict.class == AnswerClass::Unknown => {
            Some(format!("{}; {explanation}", not_understood(answer)))
        }
        (None, None) if verdict.class == AnswerClass::Unknown => Some(not_understood(answer)),
        (None, explanation) => explanation.clone(),
    }
}

/// How the answer to a log-in is read, as far as the limits and the circuit breaker go: what it brought is the signer's to say.
pub fn read_log_in(answer: &Answer, at: Timestamp) -> Verdict {
    let retry_after = answer.header("retry-after").and_then(|text| verdict::retry_after(text, answer, at));
    let class = match answer.status {
        429 => AnswerClass::Throttled,
        503 if retry_after.is_some() => AnswerClass::Throttled,
        408 | 500.. => AnswerClass::TryLater,
        400.. => AnswerClass::Rejected,
        _ => AnswerClass::Succeeded,
    };
    Verdict {
        class,
        declared: false,
        is_the_providers: true,
        code: None,
        message: None,
        reference: None,
        explanation: None,
        retry_after,
        limit: None,
    }
}

/// Whether an answer leaves its connection to other requests: after bad news something may follow that nobody asked for.
pub const fn is_good(class: AnswerClass) -> bool {
    matches!(class, AnswerClass::Succeeded | AnswerClass::PendingApproval | AnswerClass::Pending)
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

/// What came of a request with private keys in it, without them: a provider may repeat what it did not like, and nothing that is kept of its
/// answers must hold a key.
fn masked(delivery: Delivery, secrets: &[Secret]) -> Delivery {
    let Delivery::Answered(answer) = delivery else { return delivery };
    let mask = |text: &str| secrets.iter().fold(text.to_owned(), |text, secret| secret.mask(text.into()).into_owned());
    let body = String::from_utf8_lossy(&answer.body);
    let masked = mask(&body);
    let headers = answer.headers.iter().map(|(name, value)| (name, mask(value))).collect();
    // Else it stays as it came: a body may be in any charset.
    let (body, headers) = match masked == body && headers == answer.headers {
        true => return Delivery::Answered(answer),
        false => (masked.into_bytes(), headers),
    };
    let mut shown = Answer::new(answer.status, headers, body);
    shown.by_order = answer.by_order;
    Delivery::Answered(shown)
}

/// What came that is no answer of the provider's, and what it may be.
fn not_understood(answer: &Answer) -> String {
    let what = format!("{} is not an answer that the provider documents", answer.describe());
    if answer.status == 404 || (answer.header("location").is_some() && (300..400).contains(&answer.status)) {
        return format!("{what}; is `base_url` right?");
    }
    what
}

/// Tokens in a row that may end before one is used.
const MAX_UNUSED: u32 = 3;
/// A clock that runs away does so slowly.
const CLOCK_COMPARISON_INTERVAL: SignedDuration = SignedDuration::from_secs(1);
/// Characters of a provider's text that are kept.
const MAX_EXCERPT: usize = 1000;

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
