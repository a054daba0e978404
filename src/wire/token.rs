//! Tokens that are fetched with credentials: the request that asks for one, and the reading of its answer. Pure; keeps no token and sends
//! nothing.

use super::credentials::Credentials;
use super::sign::fields::{SignError, credential, fits_header};
use super::transport::WireRequest;
use crate::provider::Answer;
use crate::provider::answer::scalar_text;
use crate::text::{Secret, safe};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The request for a domain-scoped token. Its body holds the password: never show it.
///
/// # Errors
/// A credential is missing.
pub(super) fn token_request(url: &str, credentials: &Credentials) -> Result<WireRequest, SignError> {
    let credential = |name| credential(credentials, name);
    let domain = json!({"name": credential("iam_domain")?});
    let user = json!({"name": credential("iam_user")?, "password": credential("iam_password")?, "domain": domain});
    let body = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"domain": domain},
    }});
    let field = |name: &'static str| (name.into(), "application/json".into());
    Ok(WireRequest {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: vec![field("accept"), field("content-type")],
        body: Some(body.to_string().into_bytes()),
    })
}

/// The token, and when it expires where the answer tells.
///
/// # Errors
/// A sentence with the status and the provider's own words, made safe to show. The caller masks credentials in it.
pub(super) fn read_token(answer: &Answer) -> Result<(Secret, Option<Timestamp>), String> {
    let body = answer.json();
    if answer.status != 201 {
        let said = MESSAGES.iter().find_map(|place| body.pointer(place).and_then(scalar_text)).unwrap_or_default();
        let separator = if said.is_empty() { "" } else { ": " };
        return Err(format!("no token was given: HTTP {}{separator}{}", answer.status, safe::terminal(&said)));
    }
    let token = answer.header("x-subject-token").filter(|token| fits_header(token));
    let token = token.ok_or("no token was given: the answer has no usable header field `x-subject-token`")?;
    let expires = body.pointer("/token/expires_at").and_then(Value::as_str).and_then(|text| text.parse().ok());
    Ok((Secret::new(token), expires))
}

/// Where Huawei's services put their words: IAM, the API gateway, others.
const MESSAGES: [&str; 3] = ["/error/message", "/error_msg", "/message"];

#[cfg(test)]
mod tests {
    use super::super::sign::fields::tests::credentials;
    use super::*;

    #[test]
    fn the_request_for_a_token_is_as_the_vendor_documents_it() {
        let pairs = [("iam_user", "IAMUser"), ("iam_password", "p\"w"), ("iam_domain", "IAMDomain")];
        let credentials = credentials(&pairs);
        let request = token_request("https://iam.example/v3/auth/tokens", &credentials).unwrap();
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://iam.example/v3/auth/tokens"));
        // The vendor's example has the members of `user` in another order, which means nothing (RFC 8259, 4).
        assert_eq!(
            String::from_utf8(request.body.unwrap()).unwrap(),
            r#"{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"name":"IAMDomain"},"name":"IAMUser","password":"p\"w"}}},"scope":{"domain":{"name":"IAMDomain"}}}}"#
        );
        assert_eq!(token_request("x", &Credentials::default()), Err(SignError::Missing("iam_domain".to_owned())));
    }

    #[test]
    fn tokens_are_read_and_refusals_told() {
        let read = |status, token: Option<&str>, body: &str| {
            let headers = token.map(|token| ("x-subject-token".to_owned(), token.to_owned())).into_iter().collect();
            read_token(&Answer::new(status, headers, body.as_bytes().to_vec()))
                .map(|(token, expires)| (token.reveal().to_owned(), expires.map(|at| at.to_string())))
        };
        let body = r#"{"token":{"expires_at":"2026-11-23T05:00:00.000000Z"}}"#;
        for (result, expected) in [
            (read(201, Some("MII"), body), Ok(("MII".to_owned(), Some("2026-11-23T05:00:00Z".to_owned())))),
            (read(201, Some("MII"), "?"), Ok(("MII".to_owned(), None))),
            (
                read(201, None, body),
                Err("no token was given: the answer has no usable header field `x-subject-token`".to_owned()),
            ),
            (
                read(201, Some(""), body),
                Err("no token was given: the answer has no usable header field `x-subject-token`".to_owned()),
            ),
            (
                read(401, Some("MII"), "{\"error\":{\"code\":401,\"message\":\"wrong\\u001b\"}}"),
                Err("no token was given: HTTP 401: wrong\\u{1b}".to_owned()),
            ),
            (read(503, None, ""), Err("no token was given: HTTP 503".to_owned())),
        ] {
            assert_eq!(result, expected);
        }
    }
}
