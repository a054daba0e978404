//! Tokens that are fetched with credentials: the request that asks for one, and the reading of its answer. OAuth 2.0 by client credentials
//! (RFC 6749, section 4.4), Google's service accounts (RFC 7523), log-ins that answer a token (Vault's AppRole), Huawei's IAM. Pure; keeps
//! no token and sends nothing.

use super::WireRequest;
use super::credentials::{Credentials, SignError, credential, fits_header};
use crate::pki::PrivateKey;
use crate::provider::Answer;
use crate::provider::answer::{Content, scalar_text};
use crate::provider::request::encode;
use crate::provider::security::{SecurityScheme, SignerKind, TokenGrant, TokenScheme};
use crate::text::{Secret, safe};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// A token that was fetched.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FetchedToken {
    pub(super) token: Secret,
    /// How long it serves, where that is known.
    pub(super) lifetime: Option<SignedDuration>,
    /// What a person should know about it.
    pub(super) notice: Option<String>,
}

/// The request for a token at a moment. It holds credentials: never show it. Nothing where the scheme fetches none.
///
/// # Errors
/// A credential is missing, or its key cannot sign.
pub(super) fn token_request(
    scheme: &SecurityScheme,
    credentials: &Credentials,
    at: Timestamp,
) -> Option<Result<WireRequest, SignError>> {
    let SignerKind::Token(token) = &scheme.signer else { return None };
    let name = |place: usize| scheme.required.get(place).map_or("", String::as_str);
    let of = |name: &str| credential(credentials, name);
    Some(match &token.grant {
        TokenGrant::HuaweiIam => huawei_identity(&of).map(|body| asking(token, JSON, body.to_string())),
        TokenGrant::ClientCredentials { scopes, audience, in_body } => {
            let client = of(name(0)).and_then(|id| Ok((id, of(name(1))?)));
            client.map(|client| client_credentials(token, client, scopes, audience.as_deref(), *in_body))
        }
        TokenGrant::ServiceAccount { scopes, audience } => of(name(0))
            .and_then(|file| ServiceAccount::parse(file).map_err(SignError::Key)?.assertion(scopes, audience, at))
            .map(|assertion| {
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                asking(token, FORM, form(&[("grant_type", grant), ("assertion", &assertion)]))
            }),
        TokenGrant::Login { .. } => login(scheme, credentials).map(|body| asking(token, JSON, body.to_string())),
    })
}

fn asking(token: &TokenScheme, media_type: &'static str, body: String) -> WireRequest {
    WireRequest {
        method: "POST".to_owned(),
        url: token.url.clone(),
        headers: vec![("accept".into(), JSON.into()), ("content-type".into(), media_type.into())],
        body: Some(body.into_bytes()),
    }
}

/// The body that asks IAM for a domain-scoped token.
fn huawei_identity<'c>(of: &impl Fn(&str) -> Result<&'c str, SignError>) -> Result<Value, SignError> {
    let domain = json!({"name": of("iam_domain")?});
    let user = json!({"name": of("iam_user")?, "password": of("iam_password")?, "domain": domain});
    Ok(json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"domain": domain},
    }}))
}

fn client_credentials(
    token: &TokenScheme,
    (id, secret): (&str, &str),
    scopes: &[String],
    audience: Option<&str>,
    in_body: bool,
) -> WireRequest {
    let scope = scopes.join(" ");
    let mut fields = vec![("grant_type", "client_credentials")];
    if in_body {
        fields.extend([("client_id", id), ("client_secret", secret)]);
    }
    if !scopes.is_empty() {
        fields.push(("scope", &scope));
    }
    fields.extend(audience.map(|audience| ("audience", audience)));
    let mut request = asking(token, FORM, form(&fields));
    if !in_body {
        // RFC 6749, section 2.3.1: both are encoded as in a form before they become a user and a password.
        let pair = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
        request.headers.push(("authorization".into(), format!("Basic {pair}").into()));
    }
    request
}

fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

/// The credentials that there are, under their own names.
fn login(scheme: &SecurityScheme, credentials: &Credentials) -> Result<Value, SignError> {
    let mut members = Map::new();
    for name in &scheme.required {
        members.insert(name.clone(), credential(credentials, name)?.into());
    }
    for name in &scheme.optional {
        members.extend(credentials.get(name).map(|secret| (name.clone(), secret.reveal().into())));
    }
    Ok(Value::Object(members))
}

/// A service account's key file, as Google gives it out. Borrowed where it can be: a copy would stay in memory.
#[derive(Deserialize)]
struct ServiceAccountFile<'a> {
    #[serde(borrow)]
    client_email: Cow<'a, str>,
    #[serde(borrow)]
    private_key: Cow<'a, str>,
    #[serde(borrow)]
    private_key_id: Option<Cow<'a, str>>,
}

/// A service account that can sign.
pub(super) struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    key: PrivateKey,
}

impl ServiceAccount {
    /// Reads a key file.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right. It never repeats the text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let none = "this is no key file of a Google service account: JSON with `client_email` and `private_key`, which \
                    `gcloud iam service-accounts keys create FILE` writes";
        let file: ServiceAccountFile<'_> = serde_json::from_str(text).map_err(|_| none.to_owned())?;
        // Its line breaks are escaped in the file, so that it is a copy.
        let pem = Zeroizing::new(file.private_key.into_owned());
        let key = PrivateKey::parse(&pem).map_err(|why| format!("its `private_key`: {why}"))?;
        if key.algorithm() != RS256 {
            return Err("its `private_key` is no RSA key, which a service account signs with".to_owned());
        }
        let key_id = file.private_key_id.map(Cow::into_owned);
        Ok(Self { email: file.client_email.into_owned(), key_id, key })
    }

    /// The JWT that a token is asked for with (RFC 7523, section 2.1).
    fn assertion(&self, scopes: &[String], audience: &str, at: Timestamp) -> Result<String, SignError> {
        let mut head = json!({"alg": RS256, "typ": "JWT"});
        if let Some(key_id) = &self.key_id {
            head["kid"] = key_id.as_str().into();
        }
        let issued = at.as_second();
        let claims = json!({
            "iss": self.email, "scope": scopes.join(" "), "aud": audience, "iat": issued, "exp": issued + ASSERTION_SECONDS,
        });
        let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let text = format!("{head}.{claims}");
        let signature = self.key.sign(text.as_bytes()).map_err(|error| SignError::Key(error.to_string()))?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Reads the answer to a request for a token.
///
/// # Errors
/// A sentence with the status and the provider's own words, made safe to show. The caller masks credentials in it.
pub(super) fn read_token(token: &TokenScheme, answer: &Answer) -> Result<FetchedToken, String> {
    let refused = |why: String| format!("no token was given: {why}");
    let body = answer.json();
    if !(200..300).contains(&answer.status) || (answer.json().is_null() && token.grant != TokenGrant::HuaweiIam) {
        return Err(refused(words(token, answer)));
    }
    let (found, place) = match &token.grant {
        TokenGrant::HuaweiIam => {
            (answer.header("x-subject-token").map(Cow::Borrowed), "header field `x-subject-token`".to_owned())
        }
        TokenGrant::ClientCredentials { .. } | TokenGrant::ServiceAccount { .. } => {
            // RFC 6749, section 7.1: a token of a kind that is not understood must not be used.
            if let Some(kind) = body.get("token_type").and_then(Value::as_str)
                && !kind.eq_ignore_ascii_case("bearer")
            {
                let kind = safe::terminal(kind);
                return Err(refused(format!("it is of the type `{kind}`, and `Bearer` alone is known here")));
            }
            (body.get("access_token").and_then(scalar_text), "`access_token`".to_owned())
        }
        TokenGrant::Login { token, .. } => (token.text_of(body), format!("token at `{token}`")),
    };
    let found = found.filter(|text| fits_header(text));
    let found = found.ok_or_else(|| refused(format!("the answer (HTTP {}) has no usable {place}", answer.status)))?;
    let told = told_lifetime(token, answer);
    if let Some(seconds) = told.as_ref().ok().and_then(|told| told.filter(|told| !told.is_positive())) {
        return Err(refused(format!("the one that came serves for {} s, which is over", seconds.as_secs())));
    }
    let lifetime = told.as_ref().ok().copied().flatten().or(token.lifetime);
    let notice = told.err().filter(|_| token.lifetime.is_none()).map(|place| {
        format!(
            "the answer of {} does not say how long its token serves ({place}): it is used until it is refused, and fetched anew then; \
             `lifetime: 10m` beside it in the provider document says it",
            token.url
        )
    });
    Ok(FetchedToken { token: Secret::new(found), lifetime, notice })
}

/// How long a token serves by its answer: so long, or for ever; or where that was looked for in vain.
fn told_lifetime(token: &TokenScheme, answer: &Answer) -> Result<Option<SignedDuration>, String> {
    let body = answer.json();
    let seconds = |value: Option<Cow<'_, str>>| value?.parse::<f64>().ok().filter(|seconds| seconds.abs() < FOR_EVER);
    match &token.grant {
        // By the provider's own clock, whatever ours is.
        TokenGrant::HuaweiIam => {
            let at = |place: &str| body.pointer(place).and_then(Value::as_str)?.parse::<Timestamp>().ok();
            let ends = at("/token/expires_at").ok_or("`/token/expires_at`")?;
            Ok(at("/token/issued_at").or_else(|| date(answer)).map(|issued| ends.duration_since(issued)))
        }
        TokenGrant::ClientCredentials { .. } | TokenGrant::ServiceAccount { .. } => {
            let told = seconds(body.get("expires_in").and_then(scalar_text)).ok_or("`expires_in`")?;
            Ok(Some(SignedDuration::from_secs_f64(told)))
        }
        TokenGrant::Login { lifetime: None, .. } => Err("the document names no place for it".to_owned()),
        TokenGrant::Login { lifetime: Some(place), .. } => {
            let told = seconds(place.text_of(body)).ok_or_else(|| format!("`{place}`"))?;
            // Vault: a lease of 0 does not end.
            Ok((told != 0.0).then(|| SignedDuration::from_secs_f64(told)))
        }
    }
}

fn date(answer: &Answer) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(answer.header("date")?).ok().map(|at| at.timestamp())
}

/// The status, and the provider's own words or what came in their place.
fn words(token: &TokenScheme, answer: &Answer) -> String {
    let body = answer.json();
    let said: Vec<Cow<'_, str>> =
        MESSAGES.iter().filter_map(|place| body.pointer(place).and_then(scalar_text)).take(2).collect();
    let said = said.join(": ");
    let words = match answer.content() {
        Content::Json(_) if said.is_empty() => format!("HTTP {} without a word of why", answer.status),
        Content::Json(_) => format!("HTTP {}: {said}", answer.status),
        Content::Empty if !(200..400).contains(&answer.status) => format!("HTTP {}", answer.status),
        Content::Empty | Content::Other | Content::Unreadable(_) => format!(
            "{}; a token endpoint answers in JSON: is {} the right URL? `auth_url` of the account names another",
            answer.describe(),
            token.url
        ),
    };
    safe::terminal(&words).into_owned()
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const RS256: &str = "RS256";
/// Google takes no assertion that is good for longer.
const ASSERTION_SECONDS: i64 = 3600;
/// A lifetime beyond this is no number of seconds.
const FOR_EVER: f64 = 1e10;
/// Where services put their words: OAuth (RFC 6749, section 5.2), Huawei's IAM and Google, Huawei's API gateway, Vault, others.
const MESSAGES: [&str; 7] =
    ["/error", "/error_description", "/error/message", "/error_msg", "/errors/0", "/message", "/description"];

#[cfg(test)]
mod tests {
    use super::super::credentials::tests::credentials;
    use super::*;
    use crate::provider::HeaderFields;
    use crate::provider::answer::Pointer;
    use crate::provider::security::tests::token;

    fn request(scheme: &SecurityScheme, pairs: &[(&str, &str)]) -> WireRequest {
        token_request(scheme, &credentials(pairs), Timestamp::from_second(1_700_000_000).unwrap()).unwrap().unwrap()
    }

    fn body(request: &WireRequest) -> &str {
        std::str::from_utf8(request.body.as_deref().unwrap()).unwrap()
    }

    fn field<'r>(request: &'r WireRequest, name: &str) -> Option<&'r str> {
        request.headers.iter().find(|(field, _)| field == name).map(|(_, value)| &**value)
    }

    fn oauth(in_body: bool) -> SecurityScheme {
        let scopes = vec!["read".to_owned(), "revoke".to_owned()];
        token(TokenGrant::ClientCredentials { scopes, audience: Some("https://ca.example/".to_owned()), in_body })
    }

    fn approle() -> SecurityScheme {
        let pointer = |text: &str| Pointer::parse(text).unwrap();
        let lifetime = Some(pointer("/auth/lease_duration"));
        token(TokenGrant::Login { token: pointer("/auth/client_token"), lifetime })
            .with_credentials(vec!["role_id".to_owned()], vec!["secret_id".to_owned()])
    }

    #[test]
    fn the_request_for_huaweis_token_is_as_the_vendor_documents_it() {
        let pairs = [("iam_user", "IAMUser"), ("iam_password", "p\"w"), ("iam_domain", "IAMDomain")];
        let request = request(&token(TokenGrant::HuaweiIam), &pairs);
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://auth.example/token"));
        // The vendor's example has the members of `user` in another order, which means nothing (RFC 8259, 4).
        assert_eq!(
            body(&request),
            r#"{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"name":"IAMDomain"},"name":"IAMUser","password":"p\"w"}}},"scope":{"domain":{"name":"IAMDomain"}}}}"#
        );
        let none = token_request(&token(TokenGrant::HuaweiIam), &Credentials::default(), Timestamp::UNIX_EPOCH);
        assert_eq!(none, Some(Err(SignError::Missing("iam_domain".to_owned()))));
    }

    #[test]
    fn clients_authenticate_by_basic_or_in_the_body() {
        let pairs = [("client_id", "me:1"), ("client_secret", "p w%")];
        let by_basic = request(&oauth(false), &pairs);
        let asked = "grant_type=client_credentials&scope=read%20revoke&audience=https%3A%2F%2Fca.example%2F";
        assert_eq!(body(&by_basic), asked);
        // `me%3A1:p%20w%25`
        assert_eq!(field(&by_basic, "authorization"), Some("Basic bWUlM0ExOnAlMjB3JTI1"));
        assert_eq!(field(&by_basic, "content-type"), Some("application/x-www-form-urlencoded"));
        let in_body = request(&oauth(true), &pairs);
        let with = asked.replace("&scope", "&client_id=me%3A1&client_secret=p%20w%25&scope");
        assert_eq!((body(&in_body), field(&in_body, "authorization")), (with.as_str(), None));
    }

    #[test]
    fn a_log_in_sends_its_credentials_under_their_own_names() {
        assert_eq!(
            body(&request(&approle(), &[("role_id", "r"), ("secret_id", "s")])),
            r#"{"role_id":"r","secret_id":"s"}"#
        );
        assert_eq!(body(&request(&approle(), &[("role_id", "r")])), r#"{"role_id":"r"}"#);
    }

    #[test]
    fn a_service_account_signs_what_it_asks_with() {
        let pem = include_str!("../pki/testdata/keys/rsa.pem");
        let file = json!({"type": "service_account", "client_email": "a@b.example", "private_key_id": "k1", "private_key": pem});
        let scopes = vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()];
        let grant = TokenGrant::ServiceAccount { scopes, audience: "https://oauth2.googleapis.com/token".to_owned() };
        let asked = request(&token(grant), &[("service_account", &file.to_string())]);
        let assertion = body(&asked)
            .strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
            .unwrap();
        let part = |place: usize| URL_SAFE_NO_PAD.decode(assertion.split('.').nth(place).unwrap()).unwrap();
        let read = |place: usize| serde_json::from_slice::<Value>(&part(place)).unwrap();
        assert_eq!(read(0), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
        assert_eq!(
            read(1),
            json!({"iss": "a@b.example", "scope": "https://www.googleapis.com/auth/cloud-platform",
                   "aud": "https://oauth2.googleapis.com/token", "iat": 1_700_000_000, "exp": 1_700_003_600})
        );
        for (text, expected) in [
            ("secret words", "no key file of a Google service account"),
            (
                r#"{"client_email":"a","private_key":"secret words"}"#,
                "its `private_key`: there is no private key in it",
            ),
        ] {
            let said = ServiceAccount::parse(text).err().unwrap();
            assert!(said.contains(expected) && !said.contains("secret words"), "{said}");
        }
        let ec = json!({"client_email": "a", "private_key": include_str!("../pki/testdata/keys/p256.pem")}).to_string();
        assert!(ServiceAccount::parse(&ec).err().unwrap().contains("is no RSA key"));
    }

    fn read(
        scheme: &SecurityScheme,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<FetchedToken, String> {
        let SignerKind::Token(token) = &scheme.signer else { panic!("a token's scheme") };
        let headers: HeaderFields = headers.iter().copied().collect();
        read_token(token, &Answer::new(status, headers, body.as_bytes().to_vec()))
    }

    /// The token and the seconds that it serves.
    fn told(read: Result<FetchedToken, String>) -> Result<(String, Option<i64>, bool), String> {
        read.map(|read| {
            (read.token.reveal().to_owned(), read.lifetime.map(|life| life.as_secs()), read.notice.is_some())
        })
    }

    #[test]
    fn tokens_are_read_and_refusals_told() {
        let iam = token(TokenGrant::HuaweiIam);
        let body =
            r#"{"token":{"issued_at":"2026-11-22T05:00:00.000000Z","expires_at":"2026-11-23T05:00:00.000000Z"}}"#;
        let without =
            Err("no token was given: the answer (HTTP 201) has no usable header field `x-subject-token`".to_owned());
        for (result, expected) in [
            (read(&iam, 201, &[("x-subject-token", "MII")], body), Ok(("MII".to_owned(), Some(86_400), false))),
            (
                read(&iam, 201, &[("x-subject-token", "MII")], r#"{"token":{"expires_at":"2026-11-23T05:00:00Z"}}"#),
                Ok(("MII".to_owned(), None, false)),
            ),
            (read(&iam, 201, &[("x-subject-token", "MII")], "?"), Ok(("MII".to_owned(), None, true))),
            (read(&iam, 201, &[], body), without.clone()),
            (read(&iam, 201, &[("x-subject-token", "")], body), without),
            (
                read(
                    &iam,
                    401,
                    &[("x-subject-token", "MII")],
                    "{\"error\":{\"code\":401,\"message\":\"wrong\\u001b\"}}",
                ),
                Err("no token was given: HTTP 401: wrong\\u{1b}".to_owned()),
            ),
            (read(&iam, 503, &[], ""), Err("no token was given: HTTP 503".to_owned())),
        ] {
            assert_eq!(told(result), expected);
        }
    }

    #[test]
    fn what_a_token_endpoint_must_not_answer_is_a_clear_line() {
        let json = [("content-type", "application/json")];
        let html = [("content-type", "text/html")];
        for (scheme, status, headers, body, expected) in [
            (
                oauth(true),
                200,
                json,
                r#"{"access_token":"AT","token_type":"bearer","expires_in":300}"#,
                Ok(("AT", Some(300), false)),
            ),
            (oauth(true), 200, json, r#"{"access_token":"AT","expires_in":"299.9"}"#, Ok(("AT", Some(299), false))),
            (oauth(true), 200, json, r#"{"access_token":"AT"}"#, Ok(("AT", None, true))),
            (oauth(true), 200, json, r#"{"access_token":"AT","expires_in":0}"#, Err("serves for 0 s, which is over")),
            (
                oauth(true),
                200,
                json,
                r#"{"access_token":"AT","token_type":"mac","expires_in":9}"#,
                Err("of the type `mac`"),
            ),
            (oauth(true), 200, json, r#"{"access_token":"A T\n"}"#, Err("has no usable `access_token`")),
            (oauth(true), 200, json, "{}", Err("the answer (HTTP 200) has no usable `access_token`")),
            (
                oauth(true),
                400,
                json,
                r#"{"error":"invalid_client","error_description":"unknown client"}"#,
                Err("no token was given: HTTP 400: invalid_client: unknown client"),
            ),
            (
                oauth(true),
                200,
                html,
                "<html><title>Sign in</title></html>",
                Err(
                    "HTTP 200 text/html \"Sign in\"; a token endpoint answers in JSON: is https://auth.example/token the right URL?",
                ),
            ),
            (oauth(true), 302, [("location", "https://login.example/")], "", Err("HTTP 302 to https://login.example/")),
            (oauth(true), 200, json, "", Err("HTTP 200 without a body")),
            (
                approle(),
                200,
                json,
                r#"{"auth":{"client_token":"hvs.x","lease_duration":2764800}}"#,
                Ok(("hvs.x", Some(2_764_800), false)),
            ),
            (
                approle(),
                200,
                json,
                r#"{"auth":{"client_token":"hvs.x","lease_duration":0}}"#,
                Ok(("hvs.x", None, false)),
            ),
            (approle(), 200, json, r#"{"auth":{"client_token":"hvs.x"}}"#, Ok(("hvs.x", None, true))),
            (approle(), 200, json, r#"{"auth":null}"#, Err("has no usable token at `/auth/client_token`")),
            (
                approle(),
                400,
                json,
                r#"{"errors":["invalid role or secret ID"]}"#,
                Err("HTTP 400: invalid role or secret ID"),
            ),
        ] {
            let read = told(read(&scheme, status, &headers, body));
            match (&read, expected) {
                (Ok((token, lifetime, is_noticed)), Ok(expected)) => {
                    assert_eq!((token.as_str(), *lifetime, *is_noticed), expected, "{body}");
                }
                (Err(said), Err(expected)) => assert!(said.contains(expected), "{body}: {said}"),
                _ => panic!("{body}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_document_may_say_how_long_a_token_serves() {
        let mut scheme = oauth(true);
        let SignerKind::Token(token) = &mut scheme.signer else { panic!("a token's scheme") };
        token.lifetime = Some(SignedDuration::from_mins(10));
        let read = read(&scheme, 200, &[("content-type", "application/json")], r#"{"access_token":"AT"}"#);
        assert_eq!(told(read), Ok(("AT".to_owned(), Some(600), false)));
    }
}
