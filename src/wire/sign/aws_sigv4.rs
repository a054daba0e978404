//! AWS's Signature Version 4 in a header field: an HMAC by a key that is made for the day, the region and the service, over a digest of the
//! canonical request, body included (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>).

use super::fields::{SignError, credential, header_credential, hmac_sha256, set_header, url};
use crate::provider::request::encode;
use crate::wire::WireRequest;
use crate::wire::credentials::Credentials;
use jiff::Timestamp;
use reqwest::Url;
use sha2::{Digest, Sha256};

/// Sets the header fields of a signature as of `at`. Host, content type and all that begins with `x-amz-` are signed.
pub(super) fn sign(
    (service, region): (&str, &str),
    request: &mut WireRequest,
    credentials: &Credentials,
    at: Timestamp,
) -> Result<(), SignError> {
    let access_key = header_credential(credentials, "access_key")?;
    let secret_key = credential(credentials, "secret_key")?;
    let moment = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &moment[..8];
    if credentials.get("session_token").is_some() {
        set_header(request, TOKEN, header_credential(credentials, "session_token")?.to_owned());
    }
    set_header(request, DATE, moment.clone());
    let (canonical, signed) = canonical_request(request)?;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let digest = hex::encode(Sha256::digest(canonical));
    let to_sign = format!("{ALGORITHM}\n{moment}\n{scope}\n{digest}");
    let key = hmac_sha256(format!("AWS4{secret_key}").as_bytes(), day);
    let key = [region, service, "aws4_request"].iter().fold(key, |key, part| hmac_sha256(&key, part));
    let signature = hex::encode(hmac_sha256(&key, &to_sign));
    let authorization =
        format!("{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}");
    set_header(request, "authorization", authorization);
    Ok(())
}

/// The canonical request, and the names of the signed header fields.
fn canonical_request(request: &WireRequest) -> Result<(String, String), SignError> {
    let url = url(request)?;
    let is_signed = |name: &str| name == "content-type" || name.starts_with("x-amz-");
    let fields = request.headers.iter().filter(|(name, _)| is_signed(name));
    // Blanks in a row count as one.
    let one_blank = |value: &str| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let mut fields: Vec<(&str, String)> = fields.map(|(name, value)| (&**name, one_blank(value))).collect();
    let host = url.host_str().unwrap_or_default();
    fields.push(("host", url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))));
    fields.sort_unstable();
    let signed = fields.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let fields: String = fields.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let body = hex::encode(Sha256::digest(request.body.as_deref().unwrap_or_default()));
    let (path, query) = (canonical_path(&url), canonical_query(&url));
    Ok((format!("{}\n{path}\n{query}\n{fields}\n{signed}\n{body}", request.method), signed))
}

/// The path as sent, each segment encoded once more, as all services but S3 want it; empty segments go, as in AWS's own clients.
fn canonical_path(url: &Url) -> String {
    let segments = url.path().split('/').filter(|segment| !segment.is_empty());
    let path: String = segments.map(|segment| format!("/{}", encode(segment))).collect();
    if path.is_empty() || url.path().ends_with('/') { path + "/" } else { path }
}

/// As sent, sorted by name, then by value.
fn canonical_query(url: &Url) -> String {
    let pairs = url.query().into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(&str, &str)> = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";

#[cfg(test)]
mod tests {
    use super::super::fields::tests::{credentials, header, request};
    use super::*;

    const KEYS: [(&str, &str); 2] =
        [("access_key", "AKIDEXAMPLE"), ("secret_key", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")];

    #[test]
    fn requests_that_botocore_signed_come_out_the_same() {
        let body = r#"{"CertificateAuthorityArn":"arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/12345678-1234-1234-1234-123456789012","CertificateSerial":"67:07:44","RevocationReason":"KEY_COMPROMISE"}"#;
        for (token, fields, signature) in [
            (
                None,
                "content-type;host;x-amz-date;x-amz-target",
                "3e99ee9654024fb2a3ba90bacd9af9db16798e8f303d863eacd97ecfa81e93ea",
            ),
            (
                Some(("session_token", "TOKENEXAMPLE")),
                "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
                "7c38786945f59e342d59fddb8036ddbc9fe3068da74c5b59055d909a5a01de9c",
            ),
        ] {
            let mut signed = request("POST", "https://acm-pca.us-east-1.amazonaws.com/", Some(body));
            for (name, value) in [
                ("accept", "application/json"),
                ("content-type", "application/x-amz-json-1.1"),
                ("x-amz-target", "ACMPrivateCA.RevokeCertificate"),
            ] {
                signed.headers.push((name.into(), value.into()));
            }
            let keys: Vec<(&str, &str)> = KEYS.into_iter().chain(token).collect();
            let at = "2026-11-29T08:00:00Z".parse().unwrap();
            sign(("acm-pca", "us-east-1"), &mut signed, &credentials(&keys), at).unwrap();
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261129/us-east-1/acm-pca/aws4_request, SignedHeaders={fields}, Signature={signature}"
            );
            assert_eq!(header(&signed, "authorization"), Some(expected.as_str()));
            assert_eq!(header(&signed, TOKEN), token.map(|(_, token)| token));
        }
    }

    #[test]
    fn the_published_example_comes_out_the_same() {
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and the older pages before it.
        let mut signed = request("GET", "https://iam.amazonaws.com/?Version=2010-05-08&Action=ListUsers", None);
        signed.headers.push(("content-type".into(), "application/x-www-form-urlencoded; charset=utf-8".into()));
        sign(("iam", "us-east-1"), &mut signed, &credentials(&KEYS), "2015-08-30T12:36:00Z".parse().unwrap()).unwrap();
        let authorization = header(&signed, "authorization").unwrap();
        assert!(
            authorization.ends_with("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
            "{authorization}"
        );
    }

    #[test]
    fn paths_are_encoded_twice_and_queries_sorted_as_sent() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("/a%20b/", "/a%2520b/"),
            ("/a//b", "/a/b"),
            ("/%EA%B0%80/~x", "/%25EA%25B0%2580/~x"),
        ] {
            assert_eq!(canonical_path(&url(&format!("https://x.example{path}"))), expected, "{path}");
        }
        assert_eq!(canonical_query(&url("https://x.example/?b=2&a=%C3%A9&a=%20x&c")), "a=%20x&a=%C3%A9&b=2&c=");
    }
}
