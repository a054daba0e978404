//! Signers put credentials on a request at the moment of sending. Pure: the time comes in, nothing is read or sent.

pub(super) mod fields;
pub(super) mod huawei;
mod ncp_v2;

use super::acme;
use super::credentials::Credentials;
use super::transport::WireRequest;
use crate::provider::model::{AuthScheme, SignerKind};
use jiff::Timestamp;

pub use fields::{AUTH_TOKEN, SignError, fits_header};

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
        SignerKind::Header(name) => fields::sign(name, request, credentials),
        SignerKind::NcpSignatureV2 => ncp_v2::sign(request, credentials, at),
        SignerKind::HuaweiSdkHmacSha256 => huawei::sign(request, credentials, at),
        // Signed within a session: `super::acme`.
        SignerKind::AcmeJws => Err(SignError::NoNonce),
        SignerKind::HuaweiIamToken(_) => fields::sign_with(AUTH_TOKEN, "x-auth-token", request, credentials),
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
            return (name, acme::MEDIA_TYPE);
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

#[cfg(test)]
mod tests {
    use super::fields::tests::{credentials, request};
    use super::*;

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
}
