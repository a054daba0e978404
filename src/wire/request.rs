//! An operation and its parameters become a request: once to be signed and sent, once to be shown. Pure; signs nothing.

use super::WireRequest;
use super::acme;
use crate::provider::model::Operation;
use crate::provider::request::{add_path_and_query, body, header_fields};
use crate::provider::{SecurityRequirement, SecurityScheme};
use serde::Serialize;
use serde_json::{Map, Value};

/// A request as the preview shows it. It never held a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MaskedRequest {
    /// Upper case.
    pub method: String,
    /// Absolute, with its query.
    pub url: String,
    /// Header fields; those of the signer say `(secret)` or `(signed at sending)`.
    pub headers: Vec<(String, String)>,
    /// The body's text.
    pub body: Option<String>,
}

/// The request that an operation makes of its parameters, before it is signed.
pub fn build(base_url: &str, operation: &Operation, parameters: &Map<String, Value>) -> WireRequest {
    // Signers hash these very bytes.
    let body = body(operation, parameters);
    let mut headers = vec![("accept".into(), operation.accept.clone().into())];
    if let Some(body) = &operation.body {
        headers.push(("content-type".into(), body.media_type.clone().into()));
    }
    for (name, value) in operation.headers.iter().cloned().chain(header_fields(operation, parameters)) {
        headers.retain(|(present, _)| *present != name);
        headers.push((name.into(), value.into()));
    }
    let mut url = String::with_capacity(base_url.len() + operation.path.len() + 32);
    url.push_str(base_url.trim_end_matches('/'));
    add_path_and_query(&mut url, operation, parameters);
    WireRequest { method: operation.method.clone(), url, headers, body }
}

/// The request as it would be sent, with words in the place of what its signer will add.
pub fn preview(
    base_url: &str,
    operation: &Operation,
    parameters: &Map<String, Value>,
    requirement: &SecurityRequirement,
) -> MaskedRequest {
    let mut request = build(base_url, operation, parameters);
    if requirement.session_key().is_some() {
        let below = request.url.strip_prefix(base_url.trim_end_matches('/')).unwrap_or(&request.url);
        request.url = match below.trim_start_matches('/').split_once('/') {
            Some((name, rest)) if request.method == "GET" => format!("({name} of the directory {base_url})/{rest}"),
            Some((name, _)) => format!("(the {name} that the CA has told)"),
            None => format!("({} of the directory {base_url})", below.trim_start_matches('/')),
        };
        let is_signed = request.method != "GET";
        let by = if operation.own_key(parameters).is_some() { "jwk" } else { "kid" };
        let payload = request.body.as_deref().map(String::from_utf8_lossy);
        request.body = is_signed.then(|| acme::shown_body(payload.as_deref(), &request.url, by).into_bytes());
        request.headers.retain(|(name, _)| name != "content-type");
    }
    // What is asked by GET of an ACME server is for everybody.
    let schemes =
        if request.body.is_none() && requirement.session_key().is_some() { &[][..] } else { &requirement.schemes };
    let fields = schemes.iter().flat_map(SecurityScheme::fields);
    // Those that are there for optional credentials alone show nothing.
    let fields = fields.filter(|(_, shown)| !shown.is_empty());
    let shown = fields.map(|(name, shown)| (name.to_owned(), shown.to_owned()));
    let plain = request.headers.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned()));
    MaskedRequest {
        method: request.method,
        url: request.url,
        headers: plain.chain(shown).collect(),
        body: request.body.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::model::Location;
    use crate::provider::request::tests::operation;
    use crate::provider::security::{SignerKind, TokenGrant, TokenScheme};
    use serde_json::json;

    fn fields<'a, T: From<&'a str>>(pairs: &[(&'a str, &'a str)]) -> Vec<(T, T)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn requests_are_built_from_operations() {
        let parameters =
            [("id", Location::Path, None), ("comments", Location::Body, None), ("skip", Location::Body, None)];
        let mut revoke = operation("/certificate/{id}/revoke", true, &parameters);
        let given = json!({"id": 7, "skip": true, "comments": "a \"b\" \u{20ac}"});
        let built = build("https://ca.example/v2/", &revoke, given.as_object().unwrap());
        assert_eq!(built.url, "https://ca.example/v2/certificate/7/revoke");
        let body = "{\"comments\":\"a \\\"b\\\" \u{20ac}\",\"skip\":true}";
        assert_eq!(built.body.as_deref(), Some(body.as_bytes()));
        let plain = fields(&[("accept", "application/json"), ("content-type", "application/json")]);
        assert_eq!(built.headers, plain);

        revoke.headers = fields(&[("accept", "text/plain"), ("x-fixed", "1")]);
        revoke.body = None;
        let built = build("https://ca.example/v2", &revoke, given.as_object().unwrap());
        assert_eq!(built.headers, fields(&[("accept", "text/plain"), ("x-fixed", "1")]));
        assert_eq!(built.body, None);
    }

    #[test]
    fn previews_say_what_signers_will_add() {
        let revoke = operation("/revoke", true, &[("reason", Location::Body, None)]);
        let (url, header) = ("https://iam.example".to_owned(), "x-auth-token".to_owned());
        let token = SignerKind::Token(TokenScheme {
            grant: TokenGrant::HuaweiIam,
            url,
            header,
            is_bearer: false,
            lifetime: None,
        });
        for (signer, expected) in [
            (SignerKind::Bearer, fields(&[("authorization", "Bearer (secret)")])),
            (SignerKind::Basic, fields(&[("authorization", "Basic (secret)")])),
            (SignerKind::MutualTls, fields(&[])),
            (SignerKind::Header("x-dc-devkey".to_owned()), fields(&[("x-dc-devkey", "(secret)")])),
            (
                SignerKind::NcpSignatureV2,
                fields(&[
                    ("x-ncp-apigw-signature-v2", "(signed at sending)"),
                    ("x-ncp-apigw-timestamp", "(signed at sending)"),
                    ("x-ncp-iam-access-key", "(secret)"),
                ]),
            ),
            (
                SignerKind::HuaweiSdkHmacSha256,
                fields(&[("authorization", "(signed at sending)"), ("x-sdk-date", "(signed at sending)")]),
            ),
            (token, fields(&[("x-auth-token", "(secret)")])),
        ] {
            let requirement = SecurityScheme::new("s", signer).into();
            let shown = preview("https://ca.example", &revoke, &Map::new(), &requirement);
            assert_eq!(shown.headers[2..], expected);
            assert_eq!((shown.method.as_str(), shown.url.as_str()), ("POST", "https://ca.example/revoke"));
            assert_eq!(shown.body.as_deref(), Some("{}"));
        }
    }
}
