//! One account, ready to send: its provider, where it is, how it is signed, and the transport. Holds credentials; prints nothing.

use crate::plan::Account;
use crate::provider::Provider;
use crate::provider::model::{Operation, SignerKind};
use crate::wire::credentials::Credentials;
use crate::wire::{Delivery, Transport, request, sign, token};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// One account, ready to send.
#[derive(Debug)]
pub struct Sender<T> {
    /// The account's name.
    pub name: String,
    /// Its provider.
    pub provider: Arc<Provider>,
    base_url: String,
    signer: SignerKind,
    credentials: RefCell<Credentials>,
    transport: T,
    token: Cell<Token>,
}

impl<T: Transport> Sender<T> {
    /// From an account of the plan, and what was resolved for it. A signer's own URL gets the account's server variables.
    pub fn new(account: &Account, provider: Arc<Provider>, signer: &SignerKind, credentials: Credentials, transport: T) -> Self {
        let signer = match signer {
            SignerKind::HuaweiIamToken(url) => {
                let fill = |url: String, (name, value): (&String, &String)| url.replace(&format!("{{{name}}}"), value);
                SignerKind::HuaweiIamToken(account.variables.iter().fold(url.clone(), fill))
            }
            other => other.clone(),
        };
        Self {
            name: account.name.clone(),
            provider,
            base_url: account.base_url.clone(),
            signer,
            credentials: RefCell::new(credentials),
            transport,
            token: Cell::new(Token::default()),
        }
    }

    /// Builds, signs with the present time, and sends.
    pub async fn send(&self, operation: &Operation, parameters: &Map<String, Value>, at: Timestamp) -> Delivery {
        let mut request = request::build(&self.base_url, operation, parameters);
        if let Err(error) = sign::sign(&self.signer, &mut request, &self.credentials.borrow(), at) {
            return Delivery::NotSent(format!("the request could not be signed: {error}"));
        }
        self.transport.send(request).await
    }

    /// Whether a token must be fetched before anything can be sent.
    pub fn needs_token(&self) -> bool {
        matches!(self.signer, SignerKind::HuaweiIamToken(_)) && !self.token.get().fetched
    }

    /// Fetches a token and keeps it for the run.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub async fn fetch_token(&self) -> Result<(), TokenError> {
        let SignerKind::HuaweiIamToken(url) = &self.signer else { return Ok(()) };
        let request = token::token_request(url, &self.credentials.borrow());
        let request = request.map_err(|error| TokenError { cause: error.to_string(), refused: true })?;
        match self.transport.send(request).await {
            Delivery::NotSent(cause) | Delivery::Lost(cause) => Err(TokenError { cause, refused: false }),
            Delivery::Answered(answer) => match token::read_token(&answer) {
                Ok((secret, _)) => {
                    self.credentials.borrow_mut().set(TOKEN, secret);
                    self.token.set(Token { fetched: true, worked: false });
                    Ok(())
                }
                Err(cause) => {
                    let refused = (400..500).contains(&answer.status) && !matches!(answer.status, 408 | 429);
                    Err(TokenError { cause: self.mask(&cause), refused })
                }
            },
        }
    }

    /// An answer showed that the credentials do.
    pub fn credentials_work(&self) {
        self.token.set(Token { worked: true, ..self.token.get() });
    }

    /// The provider refused the credentials. Whether a fresh token may help: one that has worked may have run out, one that
    /// never worked has not.
    pub fn renew(&self) -> bool {
        let may_help = self.token.get().worked && matches!(self.signer, SignerKind::HuaweiIamToken(_));
        if may_help {
            self.token.set(Token::default());
        }
        may_help
    }

    /// Foreign text with every credential of this account masked.
    pub fn mask(&self, text: &str) -> String {
        self.credentials.borrow().mask(text)
    }
}

/// What is known of the token in use.
#[derive(Debug, Clone, Copy, Default)]
struct Token {
    fetched: bool,
    /// Whether the provider ever accepted it.
    worked: bool,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenError {
    /// The cause, as a sentence.
    pub cause: String,
    /// Whether asking again with the same credentials is pointless.
    pub refused: bool,
}

/// The credential that a fetched token becomes; the signer of tokens reads it.
const TOKEN: &str = "auth_token";
