//! Huawei Cloud's two ways to say who one is: the AK/SK signature, SDK-HMAC-SHA256, one HMAC over a digest of the canonical request,
//! body included; and the IAM token, the request that fetches it and the reading of its answer. Pure; keeps no token and sends nothing.

use super::fields::{SignError, credential, fits_header, header_credential, hmac_sha256, set_header, url};
use crate::provider::Answer;
use crate::provider::answer::scalar_text;
use crate::provider::request::encode;
use crate::text::{Secret, safe};
use crate::wire::credentials::Credentials;
use crate::wire::transport::WireRequest;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(super) const DATE: &str = "x-sdk-date";
pub(super) const DOMAIN_ID: &str = "x-domain-id";
pub(super) const SECURITY_TOKEN: &str = "x-security-token";

/// Sets the header fields of a signature as of `at`. Content type, host, date and the optional fields are signed.
pub(super) fn sign(request: &mut WireRequest, credentials: &Credentials, at: Timestamp) -> Result<(), SignError> {
    let access_key = header_credential(credentials, "access_key")?;
    let secret_key = credential(credentials, "secret_key")?;
    let date = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    for (name, field) in [("domain_id", DOMAIN_ID), ("security_token", SECURITY_TOKEN)] {
        if credentials.get(name).is_some() {
            set_header(request, field, header_credential(credentials, name)?.to_owned());
        }
    }
    if !request.headers.iter().any(|(name, _)| name == "content-type") {
        // The vendor's own client sends and signs it on every request, those without a body included.
        set_header(request, "content-type", "application/json");
    }
    set_header(request, DATE, date.clone());
    let (canonical, signed) = canonical_request(request)?;
    let signature = hex::encode(hmac_sha256(secret_key, &string_to_sign(&date, &canonical)));
    let authorization = format!("{ALGORITHM} Access={access_key}, SignedHeaders={signed}, Signature={signature}");
    set_header(request, "authorization", authorization);
    Ok(())
}

/// The canonical request, and the names of the signed header fields.
fn canonical_request(request: &WireRequest) -> Result<(String, String), SignError> {
    let url = url(request)?;
    let mut headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (&**name, value.trim()))
        .filter(|(name, _)| ["content-type", DATE, DOMAIN_ID, SECURITY_TOKEN].contains(name))
        .collect();
    let host = host(&url);
    headers.push(("host", &host));
    headers.sort_unstable();
    let signed = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let fields: String = headers.iter().flat_map(|(name, value)| [name, ":", value, "\n"]).collect();
    let body_digest = hex::encode(Sha256::digest(request.body.as_deref().unwrap_or_default()));
    let canonical = format!(
        "{}\n{}\n{}\n{fields}\n{signed}\n{body_digest}",
        request.method,
        canonical_path(&url),
        canonical_query(&url)
    );
    Ok((canonical, signed))
}

fn string_to_sign(date: &str, canonical_request: &str) -> String {
    format!("{ALGORITHM}\n{date}\n{}", hex::encode(Sha256::digest(canonical_request)))
}

/// Host and non-default port, as the `host` header field is sent.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Decoded whole, then each segment encoded anew: an encoded `/` separates like any other, as in the vendor's own signers. Always
/// ends with `/`, in the canonical form alone.
fn canonical_path(url: &Url) -> String {
    let mut path = decode(url.path()).split('/').map(encode).collect::<Vec<_>>().join("/");
    if !path.ends_with('/') {
        path.push('/');
    }
    path
}

/// Sorted by name, then by value, as people write them and not as they are encoded; then encoded anew.
fn canonical_query(url: &Url) -> String {
    let pairs = url.query().into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> =
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decode(n), decode(v))).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

fn decode(encoded: &str) -> String {
    percent_decode_str(encoded).decode_utf8_lossy().into_owned()
}

/// The request for a domain-scoped token. Its body holds the password: never show it.
///
/// # Errors
/// A credential is missing.
pub(in crate::wire) fn token_request(url: &str, credentials: &Credentials) -> Result<WireRequest, SignError> {
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
pub(in crate::wire) fn read_token(answer: &Answer) -> Result<(Secret, Option<Timestamp>), String> {
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

const ALGORITHM: &str = "SDK-HMAC-SHA256";
/// Where Huawei's services put their words: IAM, the API gateway, others.
const MESSAGES: [&str; 3] = ["/error/message", "/error_msg", "/message"];

#[cfg(test)]
mod tests {
    use super::super::fields::tests::{credentials, header, request};
    use super::*;

    const HOST: &str = "https://ccm.ae-ad-1.myhuaweicloud.com";
    const CA: &str = "/v1/private-certificate-authorities/6434f74f-2d13-4e6a-89eb-93ee313f1a43";

    fn signed(method: &str, url: &str, body: Option<&str>, extra: &[(&str, &str)]) -> WireRequest {
        let mut request = request(method, url, body);
        let keys =
            [("access_key", "AKEXAMPLE0000000000A"), ("secret_key", "SKEXAMPLE0000000000000000000000000000000B")];
        let keys = credentials(&[&keys, extra].concat());
        sign(&mut request, &keys, "2023-11-14T22:13:20Z".parse().unwrap()).unwrap();
        request
    }

    #[test]
    fn vectors_of_the_vendors_own_signer_come_out_the_same() {
        for (method, path, body, expected) in [
            (
                "POST",
                format!("{CA}/revoke"),
                Some(r#"{"reason":"KEY_COMPROMISE"}"#),
                "7e7cb22b2873a654f9ae79b294ea9e2b5c5f2bb263935c5420cd69aea54d9240",
            ),
            (
                "POST",
                format!("{CA}/revoke"),
                Some("{}"),
                "22d792fc81e4b3874361ce9e0f595030981e93224ccae49296e6ab590ab35b8b",
            ),
            ("GET", CA.to_owned(), None, "9bd18eee5fd22c1d1464e0d20b2ab2fd4840b66d00091c14a1aea1237115c4d3"),
            (
                "GET",
                "/v1/private-certificates?status=ISSUED&offset=0&limit=10".to_owned(),
                None,
                "d2054af6ec591544660dc97c667a01d8c74d6dcbec616a8fc29edc05e60581f2",
            ),
        ] {
            let request = signed(method, &format!("{HOST}{path}"), body, &[]);
            let authorization = format!(
                "SDK-HMAC-SHA256 Access=AKEXAMPLE0000000000A, SignedHeaders=content-type;host;x-sdk-date, Signature={expected}"
            );
            assert_eq!(header(&request, "authorization"), Some(authorization.as_str()), "{path}");
            assert_eq!(header(&request, DATE), Some("20231114T221320Z"));
        }
    }

    #[test]
    fn the_canonical_request_and_the_string_to_sign_are_the_vendors() {
        let request = signed("POST", &format!("{HOST}{CA}/revoke"), Some(r#"{"reason":"KEY_COMPROMISE"}"#), &[]);
        let (canonical, _) = canonical_request(&request).unwrap();
        assert_eq!(
            canonical,
            "POST\n\
             /v1/private-certificate-authorities/6434f74f-2d13-4e6a-89eb-93ee313f1a43/revoke/\n\
             \n\
             content-type:application/json\n\
             host:ccm.ae-ad-1.myhuaweicloud.com\n\
             x-sdk-date:20231114T221320Z\n\
             \n\
             content-type;host;x-sdk-date\n\
             ff2221d1e23c0e91c08e5204d8590c5646da095da30a9fab9dcbcebdf341b40f"
        );
        assert_eq!(
            string_to_sign("20231114T221320Z", &canonical),
            "SDK-HMAC-SHA256\n20231114T221320Z\n797e15bf1099d0d8b867c0ee434ba07df9de85534899ba560719bae48c881e10"
        );
    }

    #[test]
    fn optional_credentials_and_the_port_are_signed() {
        let extra = [("domain_id", "0123"), ("security_token", "token")];
        let request =
            signed("GET", "http://127.0.0.1:18080/v1/a%2Fb/%E2%82%AC?b=2&a=%C3%A9&a=%20x&a=z&c", None, &extra);
        let (canonical, signed) = canonical_request(&request).unwrap();
        assert_eq!(signed, "content-type;host;x-domain-id;x-sdk-date;x-security-token");
        let expected = "GET\n/v1/a/b/%E2%82%AC/\na=%20x&a=z&a=%C3%A9&b=2&c=\ncontent-type:application/json\n\
             host:127.0.0.1:18080\nx-domain-id:0123\nx-sdk-date:20231114T221320Z\nx-security-token:token\n\n";
        assert!(canonical.starts_with(expected), "{canonical}");
        assert_eq!(header(&request, DOMAIN_ID), Some("0123"));
        assert_eq!(header(&request, SECURITY_TOKEN), Some("token"));
    }

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
