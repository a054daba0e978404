//! One account, ready to send: its provider, where it is, how it is signed, and the transport. Holds credentials; knows nothing of single
//! actions, prints nothing.

use super::exchange::{ExchangeResult, LimitSignal};
use crate::pki::{Csr, RequestedCertificate, TlsServer};
use crate::plan::Account;
use crate::provider::challenge::{Challenge, ChallengeHook};
use crate::provider::model::Operation;
use crate::provider::{Answer, CredentialReference, Provider, SecurityRequirement};
use crate::text::{Secret, safe};
use crate::wire::hook::{HookCall, call_challenge_hook};
use crate::wire::{ConnectionUse, Delivery, Signer, SigningTicket, Transport, WireRequest, request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// Tokens in a row that may end before one is used.
const MAX_UNUSED: u32 = 3;
/// A clock that runs away does so slowly.
const CLOCK_COMPARISON_INTERVAL: SignedDuration = SignedDuration::from_secs(1);
/// Characters of a provider's text that are kept.
const MAX_EXCERPT: usize = 1000;
