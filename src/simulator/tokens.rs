//! Huawei's identity service as far as clients need it: tokens for a name and a password. Verifies nothing else.

use super::credential;
use super::request::{Received, Response};
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
    /// Answers `POST /v3/auth/tokens`.
    pub(super) fn issue(&mut self, provider: &str, request: &Received, now: Timestamp, verify: bool) -> Response {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let at = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
        let (name, password, domain) = (at(NAME), at(PASSWORD), at(DOMAIN));
        if name.is_none() || password.is_none() || domain.is_none() {
            let error = json!({"error": {"code": 400, "title": "Bad Request", "message": "the identity is not whole"}});
            return Response::json(400, Some(&error));
        }
        let same = |given: Option<&str>, key: &str| given == Some(credential(provider, key).reveal());
        let known = same(name, "iam_user") && same(password, "iam_password") && same(domain, "iam_domain");
        if verify && !known {
            let message = "The username or password is wrong.";
            let error = json!({"error": {"code": 401, "title": "Unauthorized", "message": message}});
            return Response::json(401, Some(&error));
        }
        self.issued += 1;
        let token = format!("simulated-{provider}-token-{}", self.issued);
        let until = now.checked_add(LIFETIME).unwrap_or(Timestamp::MAX);
        self.until.insert(token.clone(), until);
        let answer = json!({"token": {
            "methods": ["password"],
            "issued_at": format!("{now:.6}"),
            "expires_at": format!("{until:.6}"),
            "user": {"name": name, "domain": {"name": domain}},
        }});
        Response::json(201, Some(&answer)).with("x-subject-token", token)
    }

    /// Whether a token was issued and has not expired.
    pub(super) fn holds(&self, token: &str, now: Timestamp) -> bool {
        self.until.get(token).is_some_and(|until| now < *until)
    }

    /// How many were issued.
    pub(super) fn issued(&self) -> u64 {
        self.issued
    }
}

const NAME: &str = "/auth/identity/password/user/name";
const PASSWORD: &str = "/auth/identity/password/user/password";
const DOMAIN: &str = "/auth/identity/password/user/domain/name";
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    fn request(password: &str) -> Received {
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
        let mut tokens = Tokens::default();
        for (request, verify, status) in [
            (request("wrong"), true, 401),
            (Received::default(), true, 400),
            (request("wrong"), false, 201),
            (request("simulated-huawei-iam_password"), true, 201),
        ] {
            assert_eq!(tokens.issue("huawei", &request, now, verify).status, status);
        }
        assert_eq!(tokens.issued(), 2);
        let token = "simulated-huawei-token-2";
        assert!(tokens.holds(token, now) && !tokens.holds("simulated-huawei-token-3", now));
        assert!(tokens.holds(token, now + SignedDuration::from_secs(86_399)));
        assert!(!tokens.holds(token, now + SignedDuration::from_secs(86_400)));
    }
}
