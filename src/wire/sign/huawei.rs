//! Huawei Cloud's AK/SK signature, SDK-HMAC-SHA256: one HMAC over a digest of the canonical request, body included.

use super::fields::{SignError, credential, header_credential, hmac_sha256, set_header, url};
use crate::provider::request::encode;
use crate::wire::WireRequest;
use crate::wire::credentials::Credentials;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use sha2::{Digest, Sha256};

const DATE: &str = "x-sdk-date";
const DOMAIN_ID: &str = "x-domain-id";
const SECURITY_TOKEN: &str = "x-security-token";

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
    let signature = hex::encode(hmac_sha256(secret_key.as_bytes(), &string_to_sign(&date, &canonical)));
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

const ALGORITHM: &str = "SDK-HMAC-SHA256";

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
}
