//! What one account signs with: the security requirement that was chosen, its credentials, and what was fetched with them: a token for every
//! request, or a session with nonces for one request each. Sends nothing.

use super::WireRequest;
use super::acme::{self, Session};
use super::credentials::{Credentials, SignError, TOKEN};
use super::resolve::{Fetched, fetch};
use super::sign::sign;
use super::token::{FetchedToken, read_token, token_request};
use crate::pki::PrivateKey;
use crate::provider::{Answer, CredentialReference, SecurityRequirement};
use crate::text::safe;
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use std::collections::BTreeMap;

/// An account's signer.
#[derive(Debug, Clone)]
pub struct Signer {
    requirement: SecurityRequirement,
    /// The account's server variables, for what single operations are signed with.
    variables: BTreeMap<String, String>,
    credentials: Credentials,
    session: Option<Session>,
    /// How long the token in use serves, where that is known.
    token: Option<TokenLife>,
}

/// How long a token serves.
#[derive(Debug, Clone, Copy)]
struct TokenLife {
    /// From then on another one is fetched.
    renewed: Timestamp,
    ends: Timestamp,
}

/// Leave to sign one request: it holds what serves for that one alone, where the signer needs such a thing.
#[derive(Debug, Default)]
pub struct SigningTicket(Option<String>);

impl Signer {
    /// The signer of a requirement. The account's server variables are filled in where its schemes name them.
    pub fn new(
        requirement: &SecurityRequirement,
        variables: &BTreeMap<String, String>,
        credentials: Credentials,
    ) -> Self {
        let requirement = requirement.clone().filled(variables);
        let session = requirement.session_key().map(|name| {
            // A key that will not do was refused when the credentials were resolved.
            Session::new(credentials.get(name).and_then(|key| PrivateKey::parse(key.reveal()).ok()))
        });
        Self { requirement, variables: variables.clone(), credentials, session, token: None }
    }

    /// Where the provider is, for signers that have something to ask there first.
    pub fn set_base_url(&mut self, base_url: &str) {
        if let Some(session) = &mut self.session {
            session.set_directory(base_url);
        }
        if let Some((_, token)) = self.requirement.token()
            && !token.url.contains("://")
            && let Some(url) = Url::parse(base_url).ok().and_then(|base| base.join(&token.url).ok())
        {
            self.requirement = self.requirement.clone().with_token_url(url.as_str());
        }
    }

    /// Leave to sign one request; `None` where something must be fetched first.
    pub fn ticket(&mut self) -> Option<SigningTicket> {
        if let Some(session) = &mut self.session {
            return session.nonce().map(|nonce| SigningTicket(Some(nonce)));
        }
        (!self.lacks_token()).then(SigningTicket::default)
    }

    /// Signs a request as of `at`; `own_key` refers to the key that signs in the place of the account's, and `security` is what the document says of
    /// the operation alone.
    ///
    /// # Errors
    /// The request is not to be sent: a credential is missing or cannot be sent.
    pub fn sign(
        &self,
        request: &mut WireRequest,
        ticket: &SigningTicket,
        own_key: Option<&str>,
        security: Option<&[SecurityRequirement]>,
        at: Timestamp,
    ) -> Result<(), SignError> {
        let own = security.map(|own| self.own_requirement(own)).transpose()?;
        let requirement = own.as_ref().unwrap_or(&self.requirement);
        let session = self.session.as_ref().filter(|_| requirement.session_key().is_some());
        let Some(session) = session else { return sign(requirement, request, &self.credentials, at) };
        let nonce = ticket.0.as_deref().ok_or(SignError::NoNonce)?;
        let own_key = own_key.map(read_key).transpose()?;
        session.sign(request, nonce, own_key.as_ref())?;
        if request.body.is_some() {
            acme::set_media_type(request);
        }
        Ok(())
    }

    /// The first of an operation's own requirements for which the account has all that it takes.
    fn own_requirement(&self, all: &[SecurityRequirement]) -> Result<SecurityRequirement, SignError> {
        let token = self.requirement.token().map(|(scheme, _)| &scheme.name);
        let lacks = |one: &SecurityRequirement| {
            one.required().into_iter().find(|name| self.credentials.get(name).is_none()).map(str::to_owned)
        };
        // A token is the account's, and fetched by the way in which the account signs in.
        let has_token = |one: &SecurityRequirement| one.token().is_none_or(|(scheme, _)| Some(&scheme.name) == token);
        let found = all.iter().find(|one| lacks(one).is_none() && has_token(one));
        let missing = || all.iter().find_map(lacks).unwrap_or_else(|| TOKEN.to_owned());
        found.map(|one| one.clone().filled(&self.variables)).ok_or_else(|| SignError::Missing(missing()))
    }

    /// The request that fetches what this signer needs next, as of `at`; `None` where it needs nothing. A token may be fetched again after a
    /// 401, for it may be withdrawn before it expires.
    ///
    /// # Errors
    /// A credential is missing.
    pub fn token_request(&mut self, at: Timestamp) -> Option<Result<WireRequest, SignError>> {
        match (self.requirement.token(), &mut self.session) {
            (Some((scheme, _)), _) => token_request(scheme, &self.credentials, at),
            (None, Some(session)) => session.request(),
            (None, None) => None,
        }
    }

    /// Takes what the answer to [`Self::token_request`] brought, in the place of what was before; it was asked for at `at`. Tells what a
    /// person should know of it.
    ///
    /// # Errors
    /// A sentence; the caller masks credentials in it.
    pub fn accept_token(&mut self, answer: &Answer, at: Timestamp) -> Result<Option<String>, String> {
        if let Some(session) = &mut self.session {
            return session.accept(answer).map(|()| None);
        }
        let Some((_, token)) = self.requirement.token() else { return Ok(None) };
        let FetchedToken { token, lifetime, notice } = read_token(token, answer)?;
        self.token = lifetime.map(|lifetime| {
            let early = (lifetime / RENEWED_EARLY).min(MAX_EARLY);
            let after = |length: SignedDuration| at.checked_add(length).unwrap_or(Timestamp::MAX);
            TokenLife { renewed: after(lifetime.saturating_sub(early)), ends: after(lifetime) }
        });
        self.credentials.set(TOKEN, token);
        Ok(notice)
    }

    /// Whether the token in use is about to end, so that another should be fetched.
    pub fn is_token_due(&self, at: Timestamp) -> bool {
        self.token.is_some_and(|token| token.renewed <= at)
    }

    /// Whether the token in use has ended.
    pub fn is_token_over(&self, at: Timestamp) -> bool {
        self.token.is_some_and(|token| token.ends <= at)
    }

    /// Hears every answer: it may bring what the next request needs.
    pub fn observe_response(&mut self, answer: &Answer) {
        if let Some(session) = &mut self.session {
            session.observe_response(answer);
        }
    }

    /// A request was not signed: what would have served it serves another.
    pub fn take_back(&mut self, ticket: SigningTicket) {
        if let (Some(session), Some(nonce)) = (&mut self.session, ticket.0) {
            session.take_back(nonce);
        }
    }

    /// The thumbprint of the account's key, where it is an ACME account's.
    pub fn thumbprint(&self) -> Option<String> {
        self.session.as_ref()?.thumbprint()
    }

    /// Whether credentials that are refused may be others after a fetch.
    pub fn renews(&self) -> bool {
        self.requirement.token().is_some()
    }

    /// Whether a token must be fetched before the first request.
    pub fn lacks_token(&self) -> bool {
        self.requirement.token().is_some() && self.credentials.get(TOKEN).is_none()
    }

    /// Whether another signs with the very same credentials at the same place: then the provider counts both as one.
    pub fn is_same(&self, other: &Self) -> bool {
        let same_session = match (&self.session, &other.session) {
            (Some(one), Some(another)) => one.is_same(another),
            _ => true,
        };
        self.credentials == other.credentials && same_session
    }

    /// Foreign text with every credential in it masked.
    pub fn mask(&self, text: &str) -> String {
        self.credentials.mask(text)
    }
}

/// A token is renewed when a tenth of its time is left,
const RENEWED_EARLY: i32 = 10;
/// but no earlier than that: longer than a request takes on its way.
const MAX_EARLY: SignedDuration = SignedDuration::from_secs(60);

/// Reads the key that an action refers to. It is held no longer than for one signature.
fn read_key(reference: &str) -> Result<PrivateKey, SignError> {
    let path = reference.strip_prefix("file:").unwrap_or(reference);
    let fetched = fetch(&CredentialReference::File(path.into()), &|_| None);
    let key = fetched.and_then(Fetched::text).and_then(|fetched| PrivateKey::parse(fetched.secret.reveal()));
    key.map_err(|why| SignError::Key(format!("the key {}: {why}", safe::terminal(path))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::HeaderFields;
    use crate::provider::security::tests::token;
    use crate::provider::security::{SecurityScheme, SignerKind, TokenGrant, TokenScheme};
    use crate::text::Secret;

    fn signer(kind: SignerKind, pairs: &[(&str, &str)]) -> Signer {
        let required = pairs.iter().map(|(name, _)| (*name).to_owned()).collect();
        let scheme = SecurityScheme::new("s", kind).with_credentials(required, Vec::new());
        let variables = BTreeMap::from([("region".to_owned(), "ae-ad-1".to_owned())]);
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
        Signer::new(&scheme.into(), &variables, Credentials::new(pairs))
    }

    fn request() -> WireRequest {
        WireRequest { method: "GET".to_owned(), url: "https://ca.example/x".to_owned(), headers: vec![], body: None }
    }

    #[test]
    fn a_token_is_fetched_then_used_then_renewed() {
        let url = "https://iam.{region}.example/v3/auth/tokens".to_owned();
        let header = "x-auth-token".to_owned();
        let (is_bearer, lifetime) = (false, None);
        let kind = SignerKind::Token(TokenScheme { grant: TokenGrant::HuaweiIam, url, header, is_bearer, lifetime });
        let pairs = [("iam_user", "user"), ("iam_password", "password"), ("iam_domain", "domain")];
        let mut signer = signer(kind, &pairs);
        assert!(signer.lacks_token() && signer.ticket().is_none());
        assert_eq!(
            signer.sign(&mut request(), &SigningTicket(None), None, None, Timestamp::UNIX_EPOCH),
            Err(SignError::Missing(TOKEN.to_owned()))
        );
        let fetching = signer.token_request(Timestamp::UNIX_EPOCH).unwrap().unwrap();
        assert_eq!(fetching.url, "https://iam.ae-ad-1.example/v3/auth/tokens");
        for token in ["token-one", "token-two"] {
            let headers = HeaderFields::from_iter([("x-subject-token", token)]);
            signer.accept_token(&Answer::new(201, headers, Vec::new()), Timestamp::UNIX_EPOCH).unwrap();
            assert!(signer.ticket().is_some());
            let mut signed = request();
            signer.sign(&mut signed, &SigningTicket(None), None, None, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(signed.headers, [("x-auth-token".into(), token.into())]);
            assert_eq!(signer.mask(&format!("<{token}>")), "<(secret)>");
        }
        assert!(!signer.lacks_token() && signer.token_request(Timestamp::UNIX_EPOCH).is_some());
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        for (lifetime, due, over) in [(3600, 3540, 3600), (100, 90, 100), (1, 1, 1)] {
            let scheme = token(TokenGrant::ClientCredentials { scopes: vec![], audience: None, in_body: true });
            let mut signer = Signer::new(&scheme.into(), &BTreeMap::new(), Credentials::default());
            let body = format!(r#"{{"access_token":"AT","expires_in":{lifetime}}}"#).into_bytes();
            assert_eq!(signer.accept_token(&Answer::new(200, HeaderFields::default(), body), at(0)), Ok(None));
            for (test, second) in
                [(Signer::is_token_due as fn(&Signer, Timestamp) -> bool, due), (Signer::is_token_over, over)]
            {
                assert_eq!((test(&signer, at(second - 1)), test(&signer, at(second))), (false, true), "{lifetime}");
            }
        }
    }

    #[test]
    fn a_token_may_be_fetched_beside_the_base_url() {
        let mut scheme = token(TokenGrant::ClientCredentials { scopes: vec![], audience: None, in_body: true });
        let SignerKind::Token(rule) = &mut scheme.signer else { panic!("a token's scheme") };
        rule.url = "/v1/auth/approle/login".to_owned();
        let pairs = ["client_id", "client_secret"].map(|name| (name.to_owned(), Secret::new("x")));
        let mut signer = Signer::new(&scheme.into(), &BTreeMap::new(), Credentials::new(pairs));
        signer.set_base_url("https://vault.example:8200/v1/team/pki");
        let asked = signer.token_request(Timestamp::UNIX_EPOCH).unwrap().unwrap();
        assert_eq!(asked.url, "https://vault.example:8200/v1/auth/approle/login");
    }

    #[test]
    fn an_operation_may_be_signed_in_a_way_of_its_own() {
        let header = |name: &str, credential: &str| -> SecurityRequirement {
            let scheme = SecurityScheme::new(name, SignerKind::Header(name.to_owned()));
            scheme.with_credentials(vec![credential.to_owned()], Vec::new()).into()
        };
        let signer = signer(SignerKind::Header("x-key".to_owned()), &[("api_key", "k"), ("admin_key", "a")]);
        let none = SecurityRequirement { schemes: Vec::new() };
        let signed = |security: Option<&[SecurityRequirement]>| {
            let mut signed = request();
            signer
                .sign(&mut signed, &SigningTicket(None), None, security, Timestamp::UNIX_EPOCH)
                .map(|()| signed.headers)
        };
        assert_eq!(signed(None), Ok(vec![("x-key".into(), "k".into())]));
        assert_eq!(signed(Some(&[none])), Ok(vec![]));
        let both = [header("x-other", "other_key"), header("x-admin", "admin_key")];
        assert_eq!(signed(Some(&both)), Ok(vec![("x-admin".into(), "a".into())]));
        assert_eq!(signed(Some(&both[..1])), Err(SignError::Missing("other_key".to_owned())));
    }

    #[test]
    fn other_signers_need_no_token() {
        let mut signer = signer(SignerKind::Header("x-key".to_owned()), &[("api_key", "k")]);
        assert!(!signer.lacks_token() && signer.token_request(Timestamp::UNIX_EPOCH).is_none());
        let mut signed = request();
        signer.sign(&mut signed, &SigningTicket(None), None, None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(signed.headers, [("x-key".into(), "k".into())]);
    }
}
