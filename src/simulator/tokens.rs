//! Tokens that the simulator gives out, one endpoint an account: by Huawei's IAM, OAuth 2.0's client credentials (RFC 6749), a service
//! account's JWT (RFC 7523), or a log-in. Pure; the time is an argument.
//!
//! Written from the RFCs and the vendors' pages, apart from what asks for tokens, so that an error in either shows.

use super::answers::put;
use super::message::{Received, Response, decode};
use super::options::{SERVICE_ACCOUNT_EMAIL, SERVICE_ACCOUNT_KEY, credential};
use crate::pki::PrivateKey;
use crate::pki::private_key::PublicNumbers;
use crate::provider::Provider;
use crate::provider::security::{SecurityScheme, TokenGrant};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The tokens of one account.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    until: HashMap<String, Timestamp>,
    issued: u64,
}

impl Tokens {
    /// Answers a request for a token, in the first way of the provider's that grants it.
    pub(super) fn issue(&mut self, provider: &Provider, request: &Received, now: Timestamp, verify: bool) -> Response {
        let mut refused = None;
        for (scheme, rule) in provider.requirements().filter_map(|requirement| requirement.token()) {
            let asked = TokenRequest { provider: &provider.id, scheme, request, now, verify };
            match self.grant(&rule.grant, &asked) {
                granted @ Response { status: 200..300, .. } => return granted,
                refusal => refused = refused.or(Some(refusal)),
            }
        }
        refused.unwrap_or_else(|| Response::json(404, None))
    }

    fn grant(&mut self, grant: &TokenGrant, asked: &TokenRequest<'_>) -> Response {
        match grant {
            TokenGrant::HuaweiIam => self.huawei(asked),
            TokenGrant::ClientCredentials { in_body, .. } => match asked.client_credentials(*in_body) {
                Ok(()) => self.bearer(asked),
                Err(refusal) => refusal,
            },
            TokenGrant::ServiceAccount { audience, .. } => match asked.assertion(audience) {
                Ok(()) => self.bearer(asked),
                Err(why) => Response::json(400, Some(&json!({"error": "invalid_grant", "error_description": why}))),
            },
            TokenGrant::Login { token, lifetime } => {
                if let Err(why) = asked.login() {
                    return Response::json(400, Some(&json!({"errors": [why]})));
                }
                let mut body = Value::Null;
                put(&mut body, token, &self.next(asked, LIFETIME));
                if let Some(place) = lifetime {
                    put(&mut body, place, &LIFETIME.as_secs().to_string());
                }
                Response::json(200, Some(&body))
            }
        }
    }

    /// Whether a token was issued and has not expired.
    pub(super) fn holds(&self, token: &str, now: Timestamp) -> bool {
        self.until.get(token).is_some_and(|until| now < *until)
    }

    /// How many were issued.
    pub(super) fn issued(&self) -> u64 {
        self.issued
    }

    fn next(&mut self, asked: &TokenRequest<'_>, lifetime: SignedDuration) -> String {
        self.issued += 1;
        let token = format!("simulated-{}-token-{}", asked.provider, self.issued);
        self.until.insert(token.clone(), asked.now.checked_add(lifetime).unwrap_or(Timestamp::MAX));
        token
    }

    /// RFC 6749, section 5.1.
    fn bearer(&mut self, asked: &TokenRequest<'_>) -> Response {
        let token = self.next(asked, LIFETIME);
        let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME.as_secs()});
        Response::json(200, Some(&body)).with("cache-control", "no-store")
    }

    /// `POST /v3/auth/tokens`.
    fn huawei(&mut self, asked: &TokenRequest<'_>) -> Response {
        let body = asked.json();
        let at = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
        let (name, password, domain) = (at(TOKEN_USER), at(TOKEN_PASSWORD), at(TOKEN_DOMAIN));
        if name.is_none() || password.is_none() || domain.is_none() {
            let error = json!({"error": {"code": 400, "title": "Bad Request", "message": "the identity is not whole"}});
            return Response::json(400, Some(&error));
        }
        let known = asked.is(name, "iam_user") && asked.is(password, "iam_password") && asked.is(domain, "iam_domain");
        if asked.verify && !known {
            let message = "The username or password is wrong.";
            let error = json!({"error": {"code": 401, "title": "Unauthorized", "message": message}});
            return Response::json(401, Some(&error));
        }
        let now = asked.now;
        let until = now.checked_add(HUAWEI_LIFETIME).unwrap_or(Timestamp::MAX);
        let token = self.next(asked, HUAWEI_LIFETIME);
        let answer = json!({"token": {
            "methods": ["password"],
            "issued_at": format!("{now:.6}"),
            "expires_at": format!("{until:.6}"),
            "user": {"name": name, "domain": {"name": domain}},
        }});
        Response::json(201, Some(&answer)).with("x-subject-token", token)
    }
}

/// A request for a token.
struct TokenRequest<'a> {
    provider: &'a str,
    scheme: &'a SecurityScheme,
    request: &'a Received,
    now: Timestamp,
    verify: bool,
}

impl TokenRequest<'_> {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.request.body).unwrap_or(Value::Null)
    }

    /// Whether this is the credential that is accepted.
    fn is(&self, given: Option<&str>, name: &str) -> bool {
        given == Some(credential(self.provider, name).reveal())
    }

    /// A member of a form. A blank may be a `+` there.
    fn field(&self, name: &str) -> Option<String> {
        let body = String::from_utf8_lossy(&self.request.body);
        let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| decode(&value.replace('+', " ")))
    }

    fn client_credentials(&self, in_body: bool) -> Result<(), Response> {
        let refuse = |status: u16, error: &str| Response::json(status, Some(&json!({"error": error})));
        if self.request.header("content-type") != Some("application/x-www-form-urlencoded") {
            return Err(refuse(400, "invalid_request"));
        }
        if self.field("grant_type").as_deref() != Some("client_credentials") {
            return Err(refuse(400, "unsupported_grant_type"));
        }
        let given = if in_body {
            self.field("client_id").zip(self.field("client_secret"))
        } else {
            let pair = self.request.header("authorization").and_then(|value| value.strip_prefix("Basic "));
            let pair = pair.and_then(|pair| STANDARD.decode(pair).ok()).and_then(|pair| String::from_utf8(pair).ok());
            pair.and_then(|pair| pair.split_once(':').map(|(id, secret)| (decode(id), decode(secret))))
        };
        let [id, secret] = [0, 1].map(|place| self.scheme.required.get(place).map_or("", String::as_str));
        let known = given.is_some_and(|given| self.is(Some(&given.0), id) && self.is(Some(&given.1), secret));
        if self.verify && !known { Err(refuse(401, "invalid_client")) } else { Ok(()) }
    }

    fn login(&self) -> Result<(), String> {
        let body = self.json();
        let given = |name: &String| body.get(name).and_then(Value::as_str);
        let wrong = self.scheme.required.iter().find(|name| !self.is(given(name), name));
        match wrong {
            Some(name) if self.verify => Err(format!("invalid {name}")),
            _ => Ok(()),
        }
    }

    /// Whether the JWT is good (RFC 7523, section 3).
    fn assertion(&self, audience: &str) -> Result<(), String> {
        if self.field("grant_type").as_deref() != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
            return Err("the grant type is not that of a JWT".to_owned());
        }
        let jwt = self.field("assertion").unwrap_or_default();
        let (text, signature) = jwt.rsplit_once('.').ok_or("the assertion is no JWT")?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "the assertion is no JWT".to_owned());
        let part = |part: &str| decoded(part).map(|json| serde_json::from_slice(&json).unwrap_or(Value::Null));
        let (head, claims) = text.split_once('.').ok_or("the assertion is no JWT")?;
        let (head, claims, signature) = (part(head)?, part(claims)?, decoded(signature)?);
        if !self.verify {
            return Ok(());
        }
        let Ok(PublicNumbers::Rsa { n, e }) = PrivateKey::parse(SERVICE_ACCOUNT_KEY).map(|key| key.public()) else {
            return Err("there is no such service account".to_owned());
        };
        let key = RsaPublicKeyComponents { n, e };
        let is_good = key.verify(&RSA_PKCS1_2048_8192_SHA256, text.as_bytes(), &signature).is_ok();
        if head["alg"] != "RS256" || !is_good {
            return Err("Invalid JWT Signature.".to_owned());
        }
        if claims["iss"] != SERVICE_ACCOUNT_EMAIL || claims["aud"] != audience {
            return Err("Invalid issuer or audience.".to_owned());
        }
        let now = self.now.as_second();
        let lives = claims["iat"].as_i64().zip(claims["exp"].as_i64());
        match lives {
            Some((from, until)) if from - 300 <= now && now < until && until - from <= 3600 => Ok(()),
            _ => Err("Invalid JWT: iat and exp must be within an hour, and now between them.".to_owned()),
        }
    }
}

const TOKEN_USER: &str = "/auth/identity/password/user/name";
const TOKEN_PASSWORD: &str = "/auth/identity/password/user/password";
const TOKEN_DOMAIN: &str = "/auth/identity/password/user/domain/name";
/// <https://support.huaweicloud.com/intl/en-us/api-iam/iam_30_0001.html>
const HUAWEI_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// Of all other tokens.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::security::tests::token;

    fn token_request(password: &str) -> Received {
        let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "name": "simulated-huawei-iam_user",
            "password": password,
            "domain": {"name": "simulated-huawei-iam_domain"},
        }}}}});
        Received { body: body.to_string().into_bytes(), ..Received::default() }
    }

    #[test]
    fn a_token_is_issued_for_the_right_password_and_holds_for_a_day() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let scheme = token(TokenGrant::HuaweiIam);
        let mut tokens = Tokens::default();
        for (request, verify, status) in [
            (token_request("wrong"), true, 401),
            (Received::default(), true, 400),
            (token_request("wrong"), false, 201),
            (token_request("simulated-huawei-iam_password"), true, 201),
        ] {
            let asked = TokenRequest { provider: "huawei", scheme: &scheme, request: &request, now, verify };
            assert_eq!(tokens.grant(&TokenGrant::HuaweiIam, &asked).status, status);
        }
        assert_eq!(tokens.issued(), 2);
        let token = "simulated-huawei-token-2";
        assert!(tokens.holds(token, now) && !tokens.holds("simulated-huawei-token-3", now));
        assert!(tokens.holds(token, now + SignedDuration::from_secs(86_399)));
        assert!(!tokens.holds(token, now + SignedDuration::from_secs(86_400)));
    }
}
