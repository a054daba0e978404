//! Signers put credentials on a request at the moment of sending. Pure: the time comes in, nothing is read or sent.

mod header;
mod huawei;
pub(super) mod jws;
mod ncp_v2;

use super::credentials::Credentials;
use super::transport::WireRequest;
use crate::provider::model::{AuthScheme, SignerKind};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::Url;
use sha2::Sha256;
use std::borrow::Cow;

/// Why a request could not be signed. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A credential is not there.
    #[error("the credential `{0}` is missing")]
    Missing(String),
    /// A credential holds what a header field cannot carry.
    #[error("the credential `{0}` holds characters that a header field cannot carry")]
    Unsendable(String),
    /// A key cannot be used; a sentence.
    #[error("{0}")]
    Key(String),
    /// There is no nonce for the request.
    #[error("there is no nonce for it")]
    NoNonce,
    /// The request's URL is none.
    #[error("the URL of the request cannot be read")]
    Url,
}

/// Signs a request as of `at`. Header fields that an earlier signing set are replaced, so each attempt is signed anew.
///
/// # Errors
/// A credential is missing or cannot be sent, or the URL cannot be read; the request is then not to be sent.
pub fn sign(
    signer: &SignerKind,
    request: &mut WireRequest,
    credentials: &Credentials,
    at: Timestamp,
) -> Result<(), SignError> {
    match signer {
        SignerKind::Header(name) => header::sign(name, request, credentials),
        SignerKind::NcpSignatureV2 => ncp_v2::sign(request, credentials, at),
        SignerKind::HuaweiSdkHmacSha256 => huawei::sign(request, credentials, at),
        // Signed within a session: `super::acme`.
        SignerKind::AcmeJws => Err(SignError::NoNonce),
        SignerKind::HuaweiIamToken(_) => header::sign_with(AUTH_TOKEN, "x-auth-token", request, credentials),
    }
}

/// What stands in the way of a credential's use by a signer, as a sentence.
pub fn unusable(signer: &SignerKind, value: &str) -> Option<String> {
    match signer {
        SignerKind::AcmeJws => crate::pki::PrivateKey::parse(value).err(),
        _ => None,
    }
}

/// The names of the header fields that a signer sets, those included that it sets only for optional credentials.
pub fn signer_headers(signer: &SignerKind) -> Vec<&str> {
    match signer {
        SignerKind::Header(name) => vec![name],
        SignerKind::NcpSignatureV2 => vec![ncp_v2::TIMESTAMP, ncp_v2::ACCESS_KEY, ncp_v2::SIGNATURE],
        SignerKind::HuaweiSdkHmacSha256 => {
            vec![huawei::DATE, huawei::DOMAIN_ID, huawei::SECURITY_TOKEN, "authorization"]
        }
        SignerKind::HuaweiIamToken(_) => vec!["x-auth-token"],
        SignerKind::AcmeJws => vec!["content-type"],
    }
}

/// What a preview shows in the place of the header fields that a signer sets for its required credentials.
pub fn shown_headers(signer: &SignerKind) -> Vec<(&str, &'static str)> {
    let show = |name| {
        if *signer == SignerKind::AcmeJws {
            return (name, jws::MEDIA_TYPE);
        }
        let made_at_sending = [ncp_v2::TIMESTAMP, ncp_v2::SIGNATURE, huawei::DATE, "authorization"].contains(&name)
            && !matches!(signer, SignerKind::Header(_));
        (name, if made_at_sending { "(signed at sending)" } else { "(secret)" })
    };
    let optional = [huawei::DOMAIN_ID, huawei::SECURITY_TOKEN];
    let is_optional = |name: &&str| *signer == SignerKind::HuaweiSdkHmacSha256 && optional.contains(name);
    signer_headers(signer).into_iter().filter(|name| !is_optional(name)).map(show).collect()
}

/// Whether a credential of a scheme is put into a header field as it is, so that it must be able to stand there.
pub fn goes_into_header(scheme: &AuthScheme, credential: &str) -> bool {
    match &scheme.signer {
        SignerKind::Header(_) => scheme.required.first().is_some_and(|first| first == credential),
        SignerKind::NcpSignatureV2 => credential == "access_key",
        SignerKind::HuaweiSdkHmacSha256 => ["access_key", "security_token", "domain_id"].contains(&credential),
        SignerKind::HuaweiIamToken(_) => credential == AUTH_TOKEN,
        SignerKind::AcmeJws => false,
    }
}

/// Whether a header field can carry a value as it is: visible ASCII, with spaces and tabs only inside.
pub fn fits_header(value: &str) -> bool {
    !value.is_empty()
        && value.trim_matches([' ', '\t']) == value
        && value.bytes().fold(true, |fits, byte| fits & matches!(byte, b' '..=b'~' | b'\t'))
}

/// The name under which [`Credentials`] keep the token that was fetched with them.
pub const AUTH_TOKEN: &str = "auth_token";

fn credential<'a>(credentials: &'a Credentials, name: &str) -> Result<&'a str, SignError> {
    Ok(credentials.get(name).ok_or_else(|| SignError::Missing(name.to_owned()))?.reveal())
}

/// A credential that goes into a header field as it is.
fn header_credential<'a>(credentials: &'a Credentials, name: &str) -> Result<&'a str, SignError> {
    let value = credential(credentials, name)?;
    if fits_header(value) { Ok(value) } else { Err(SignError::Unsendable(name.to_owned())) }
}

fn url(request: &WireRequest) -> Result<Url, SignError> {
    Url::parse(&request.url).map_err(|_| SignError::Url)
}

fn set_header(request: &mut WireRequest, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) {
    let name = name.into();
    request.headers.retain(|(present, _)| *present != name);
    request.headers.push((name, value.into()));
}

fn hmac_sha256(key: &str, message: &str) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of every length");
    hmac.update(message.as_bytes());
    hmac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Secret;

    pub(super) fn credentials(pairs: &[(&str, &str)]) -> Credentials {
        Credentials::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))))
    }

    pub(super) fn request(method: &str, url: &str, body: Option<&str>) -> WireRequest {
        WireRequest {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: body.map(|body| body.as_bytes().to_vec()),
        }
    }

    pub(super) fn header<'a>(request: &'a WireRequest, name: &str) -> Option<&'a str> {
        request.headers.iter().find(|(field, _)| field == name).map(|(_, value)| &**value)
    }

    #[test]
    fn every_signer_sets_its_headers_once_and_reports_what_is_missing() {
        let all = credentials(&[
            ("access_key", "AK"),
            ("secret_key", "SK"),
            ("security_token", "ST"),
            ("domain_id", "D"),
            (AUTH_TOKEN, "T"),
        ]);
        for signer in [
            SignerKind::Header("x-dc-devkey".to_owned()),
            SignerKind::NcpSignatureV2,
            SignerKind::HuaweiSdkHmacSha256,
            SignerKind::HuaweiIamToken("https://iam.example/v3/auth/tokens".to_owned()),
        ] {
            let mut signed = request("POST", "https://ca.example/v1/x", Some("{}"));
            signed.headers.push(("content-type".into(), "application/json".into()));
            let before = signed.headers.len();
            sign(&signer, &mut signed, &all, Timestamp::UNIX_EPOCH).unwrap();
            let names: Vec<&str> = signed.headers[before..].iter().map(|(name, _)| &**name).collect();
            let mut expected = signer_headers(&signer);
            expected.sort_unstable();
            let mut sorted = names.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, expected);

            let once = signed.clone();
            sign(&signer, &mut signed, &all, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(signed, once, "signing again replaces");

            let mut unsigned = request("GET", "https://ca.example/", None);
            let missing = sign(&signer, &mut unsigned, &credentials(&[]), Timestamp::UNIX_EPOCH);
            assert!(matches!(missing, Err(SignError::Missing(_))), "{signer:?}");
        }
    }

    #[test]
    fn what_a_header_cannot_carry_is_refused() {
        for (value, fits) in [
            ("abc", true),
            ("a b", true),
            ("", false),
            ("a\nb", false),
            ("a\r\nx: y", false),
            ("é", false),
            (" a", false),
        ] {
            assert_eq!(fits_header(value), fits, "{value:?}");
            let signer = SignerKind::Header("x-key".to_owned());
            let mut signed = request("GET", "https://ca.example/", None);
            let result = sign(&signer, &mut signed, &credentials(&[("api_key", value)]), Timestamp::UNIX_EPOCH);
            assert_eq!(result.is_ok(), fits, "{value:?}");
        }
    }
}
