//! What one account signs with: the scheme that was chosen and its credentials. Sends nothing; holds a fetched token.

use super::credentials::Credentials;
use super::sign::{AUTH_TOKEN, SignError, sign};
use super::token::token_request;
use super::transport::WireRequest;
use crate::provider::model::{AuthScheme, SignerKind};
use crate::text::Secret;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// An account's signer.
#[derive(Debug, Clone)]
pub struct Signer {
    kind: SignerKind,
    credentials: Credentials,
}

impl Signer {
    /// The signer of a scheme. The account's server variables are filled into the URL that a token is fetched from.
    pub fn new(scheme: &AuthScheme, variables: &BTreeMap<String, String>, credentials: Credentials) -> Self {
        let kind = match &scheme.signer {
            SignerKind::HuaweiIamToken(url) => {
                let fill = |url: String, (name, value): (&String, &String)| url.replace(&format!("{{{name}}}"), value);
                SignerKind::HuaweiIamToken(variables.iter().fold(url.clone(), fill))
            }
            other => other.clone(),
        };
        Self { kind, credentials }
    }

    /// Signs a request as of `at`.
    ///
    /// # Errors
    /// The request is not to be sent: a credential is missing or cannot be sent.
    pub fn sign(&self, request: &mut WireRequest, at: Timestamp) -> Result<(), SignError> {
        sign(&self.kind, request, &self.credentials, at)
    }

    /// The request that fetches the token which this signer needs; `None` where it needs none. After a 401 it may be sent
    /// again, for a token may be withdrawn before it expires.
    ///
    /// # Errors
    /// A credential is missing.
    pub fn token_request(&self) -> Option<Result<WireRequest, SignError>> {
        match &self.kind {
            SignerKind::HuaweiIamToken(url) => Some(token_request(url, &self.credentials)),
            _ => None,
        }
    }

    /// Whether a token must be fetched before the first request.
    pub fn lacks_token(&self) -> bool {
        matches!(self.kind, SignerKind::HuaweiIamToken(_)) && self.credentials.get(AUTH_TOKEN).is_none()
    }

    /// Takes a token that [`super::token::read_token`] has read, in the place of the one before.
    pub fn set_token(&mut self, token: Secret) {
        self.credentials.set(AUTH_TOKEN, token);
    }

    /// Whether another signs with the very same credentials: then the provider counts both as one.
    pub fn is_same(&self, other: &Self) -> bool {
        self.credentials == other.credentials
    }

    /// Foreign text with every credential in it masked.
    pub fn mask(&self, text: &str) -> String {
        self.credentials.mask(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(kind: SignerKind, pairs: &[(&str, &str)]) -> Signer {
        let scheme = AuthScheme { name: "s".to_owned(), signer: kind, required: Vec::new(), optional: Vec::new() };
        let variables = BTreeMap::from([("region".to_owned(), "ae-ad-1".to_owned())]);
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
        Signer::new(&scheme, &variables, Credentials::new(pairs))
    }

    fn request() -> WireRequest {
        WireRequest { method: "GET".to_owned(), url: "https://ca.example/x".to_owned(), headers: vec![], body: None }
    }

    #[test]
    fn a_token_is_fetched_then_used_then_renewed() {
        let kind = SignerKind::HuaweiIamToken("https://iam.{region}.example/v3/auth/tokens".to_owned());
        let pairs = [("iam_user", "user"), ("iam_password", "password"), ("iam_domain", "domain")];
        let mut signer = signer(kind, &pairs);
        assert!(signer.lacks_token());
        assert_eq!(signer.sign(&mut request(), Timestamp::UNIX_EPOCH), Err(SignError::Missing(AUTH_TOKEN.to_owned())));
        let fetching = signer.token_request().unwrap().unwrap();
        assert_eq!(fetching.url, "https://iam.ae-ad-1.example/v3/auth/tokens");
        for token in ["token-one", "token-two"] {
            signer.set_token(Secret::new(token));
            let mut signed = request();
            signer.sign(&mut signed, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(signed.headers, [("x-auth-token".to_owned(), token.to_owned())]);
            assert_eq!(signer.mask(&format!("<{token}>")), "<(secret)>");
        }
        assert!(!signer.lacks_token() && signer.token_request().is_some());
    }

    #[test]
    fn other_signers_need_no_token() {
        let signer = signer(SignerKind::Header("x-key".to_owned()), &[("api_key", "k")]);
        assert!(!signer.lacks_token() && signer.token_request().is_none());
        let mut signed = request();
        signer.sign(&mut signed, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(signed.headers, [("x-key".to_owned(), "k".to_owned())]);
    }
}
