//! Huawei Cloud's ways to authenticate: SDK-HMAC-SHA256, recomputed over what arrived, and the identity service's tokens for a name and a
//! password. Signs nothing.

use crate::simulator::message::{Received, Response, decode, encode};
use crate::simulator::options::credential;
use hmac::{Hmac, KeyInit, Mac};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// The keys that are accepted.
pub(super) struct Keys {
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) security_token: String,
    pub(super) domain_id: String,
}

/// Verifies the access key, the clock and the signature over method, path, query, the signed header fields and the body.
pub(super) fn verify(request: &Received, keys: &Keys, now: Timestamp) -> Result<(), String> {
    let given = request.header("authorization").unwrap_or_default();
    let authorization = Authorization::read(given).ok_or("the Authorization header is not understood")?;
    if authorization.access != keys.access_key {
        return Err("the access key is unknown".to_owned());
    }
    let date = request.header(DATE).ok_or("the header X-Sdk-Date is missing")?;
    let sent = instant(date).ok_or("X-Sdk-Date is not a time such as 20231114T221320Z")?;
    if now.as_second().abs_diff(sent.as_second()) > TOLERANCE_SECONDS {
        return Err("X-Sdk-Date is more than fifteen minutes off".to_owned());
    }
    let signed: Vec<&str> = authorization.signed.split(';').collect();
    if !signed.is_sorted() || !signed.contains(&"host") || !signed.contains(&DATE) {
        return Err("SignedHeaders must be sorted, and host and x-sdk-date among them".to_owned());
    }
    for (name, expected) in [("x-security-token", &keys.security_token), ("x-domain-id", &keys.domain_id)] {
        if let Some(value) = request.header(name) {
            if value != expected {
                return Err(format!("the value of {name} is unknown"));
            }
            if !signed.contains(&name) {
                return Err(format!("{name} is not signed"));
            }
        }
    }
    let canonical = canonical(request, &signed)?;
    let to_sign = format!("{ALGORITHM}\n{date}\n{}", sha256(canonical.as_bytes()));
    let mut mac =
        Hmac::<Sha256>::new_from_slice(keys.secret_key.as_bytes()).expect("an HMAC takes a key of any length");
    mac.update(to_sign.as_bytes());
    let expected = hex::encode(mac.finalize().into_bytes());
    if authorization.signature == expected { Ok(()) } else { Err("verify aksk signature fail".to_owned()) }
}

struct Authorization<'a> {
    access: &'a str,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let fields = text.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let field = |wanted: &str| {
            fields.split(',').filter_map(|field| field.trim().split_once('=')).find(|(name, _)| *name == wanted)
        };
        Some(Self { access: field("Access")?.1, signed: field("SignedHeaders")?.1, signature: field("Signature")?.1 })
    }
}

fn canonical(request: &Received, signed: &[&str]) -> Result<String, String> {
    // As the vendor's own signers have it (`huaweicloudsdkcore`, the API Request Signing Guide): they decode before
    // they split and sort, and the canonical path ends with `/`, which the path on the wire need not.
    let path = decode(request.path());
    let mut path: String = path.split('/').map(encode).collect::<Vec<_>>().join("/");
    if !path.ends_with('/') {
        path.push('/');
    }
    let mut query: Vec<(String, String)> = request
        .query()
        .split('&')
        .filter(|word| !word.is_empty())
        .map(|word| word.split_once('=').unwrap_or((word, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    query.sort();
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let mut lines = vec![request.method.clone(), path, query.join("&")];
    for name in signed {
        let value = request.header(name).ok_or_else(|| format!("the signed header {name} is missing"))?;
        lines.push(format!("{name}:{}", value.trim()));
    }
    lines.extend([String::new(), signed.join(";"), sha256(&request.body)]);
    Ok(lines.join("\n"))
}

fn instant(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

const ALGORITHM: &str = "SDK-HMAC-SHA256";
const DATE: &str = "x-sdk-date";
const TOLERANCE_SECONDS: u64 = 15 * 60;

/// The tokens of one account.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Tokens {
    until: HashMap<String, Timestamp>,
    issued: u64,
}

impl Tokens {
    /// Answers `POST /v3/auth/tokens`.
    pub(in crate::simulator) fn issue(
        &mut self,
        provider: &str,
        request: &Received,
        now: Timestamp,
        verify: bool,
    ) -> Response {
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
    pub(in crate::simulator) fn holds(&self, token: &str, now: Timestamp) -> bool {
        self.until.get(token).is_some_and(|until| now < *until)
    }

    /// How many were issued.
    pub(in crate::simulator) fn issued(&self) -> u64 {
        self.issued
    }
}

const NAME: &str = "/auth/identity/password/user/name";
const PASSWORD: &str = "/auth/identity/password/user/password";
const DOMAIN: &str = "/auth/identity/password/user/domain/name";
/// https://support.huaweicloud.com/intl/en-us/api-iam/iam_30_0001.html
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &str = "/v1/private-certificate-authorities/6434f74f-2d13-4e6a-89eb-93ee313f1a43";

    fn keys() -> Keys {
        Keys {
            access_key: "AKEXAMPLE0000000000A".into(),
            secret_key: "SKEXAMPLE0000000000000000000000000000000B".into(),
            security_token: "token".into(),
            domain_id: "domain".into(),
        }
    }

    fn request(method: &str, target: &str, body: &str, signature: &str) -> Received {
        let authorization = format!(
            "SDK-HMAC-SHA256 Access=AKEXAMPLE0000000000A, SignedHeaders=content-type;host;x-sdk-date, Signature={signature}"
        );
        let headers = [
            ("content-type", "application/json"),
            ("host", "ccm.ae-ad-1.myhuaweicloud.com"),
            (DATE, "20231114T221320Z"),
            ("authorization", &authorization),
        ];
        Received {
            method: method.into(),
            target: target.into(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: body.into(),
        }
    }

    fn now(off: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + off).unwrap()
    }

    #[test]
    fn signatures_of_the_vendors_own_signer_are_accepted() {
        let revoke = format!("{CA}/revoke");
        for (method, target, body, signature) in [
            (
                "POST",
                revoke.as_str(),
                r#"{"reason":"KEY_COMPROMISE"}"#,
                "7e7cb22b2873a654f9ae79b294ea9e2b5c5f2bb263935c5420cd69aea54d9240",
            ),
            ("POST", &revoke, "{}", "22d792fc81e4b3874361ce9e0f595030981e93224ccae49296e6ab590ab35b8b"),
            ("GET", CA, "", "9bd18eee5fd22c1d1464e0d20b2ab2fd4840b66d00091c14a1aea1237115c4d3"),
            (
                "GET",
                "/v1/private-certificates?status=ISSUED&limit=10&offset=0",
                "",
                "d2054af6ec591544660dc97c667a01d8c74d6dcbec616a8fc29edc05e60581f2",
            ),
        ] {
            let good = request(method, target, body, signature);
            assert_eq!(verify(&good, &keys(), now(0)), Ok(()), "{target}");
            for (off, accepted) in [(900, true), (-900, true), (901, false), (-901, false)] {
                assert_eq!(verify(&good, &keys(), now(off)).is_ok(), accepted, "{off}");
            }
            let mut other_body = good.clone();
            other_body.body.push(b' ');
            assert!(verify(&other_body, &keys(), now(0)).is_err(), "{target}");
            let mut unsigned = good.clone();
            unsigned.headers.push(("x-domain-id".into(), "domain".into()));
            assert!(verify(&unsigned, &keys(), now(0)).is_err(), "{target}");
        }
    }

    #[test]
    fn no_text_is_taken_for_an_authorization() {
        for text in
            ["", "SDK-HMAC-SHA256", "SDK-HMAC-SHA256 Access", "Bearer x", "SDK-HMAC-SHA256 Access=a, Signature=b"]
        {
            assert!(Authorization::read(text).is_none(), "{text}");
        }
    }

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
        let mut tokens = Tokens::default();
        for (request, verify, status) in [
            (token_request("wrong"), true, 401),
            (Received::default(), true, 400),
            (token_request("wrong"), false, 201),
            (token_request("simulated-huawei-iam_password"), true, 201),
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
