//! Signers put credentials on a request at the moment of sending. Pure: the time comes in, nothing is read or sent. What is known of each
//! beside its signature stands in the table of `provider::security`.

mod aws_sigv4;
pub(super) mod fields;
mod huawei;
mod ncp_v2;

use super::credentials::Credentials;
use super::token::ServiceAccount;
use super::transport::WireRequest;
use crate::pki::PrivateKey;
use crate::provider::security::{CredentialUse, SecurityRequirement, SecurityScheme, SignerKind};
use jiff::Timestamp;

pub use fields::{SignError, TOKEN, fits_header};

/// Signs a request as of `at`, by all schemes of a requirement. Header fields that an earlier signing set are replaced, so each attempt is
/// signed anew.
///
/// # Errors
/// A credential is missing or cannot be sent, or the URL cannot be read; the request is then not to be sent.
pub fn sign(
    requirement: &SecurityRequirement,
    request: &mut WireRequest,
    credentials: &Credentials,
    at: Timestamp,
) -> Result<(), SignError> {
    requirement.schemes.iter().try_for_each(|scheme| sign_by(scheme, request, credentials, at))
}

fn sign_by(
    scheme: &SecurityScheme,
    request: &mut WireRequest,
    credentials: &Credentials,
    at: Timestamp,
) -> Result<(), SignError> {
    let name = |place: usize| scheme.required.get(place).map_or("", String::as_str);
    match &scheme.signer {
        SignerKind::Header(field) => fields::put(name(0), (field, ""), request, credentials),
        SignerKind::Bearer => fields::put(name(0), ("authorization", BEARER), request, credentials),
        SignerKind::Basic => fields::put_basic((name(0), name(1)), request, credentials),
        // The connection shows it: `super::identity`.
        SignerKind::MutualTls => Ok(()),
        SignerKind::AwsSigV4 { service, region } => aws_sigv4::sign((service, region), request, credentials, at),
        SignerKind::NcpSignatureV2 => ncp_v2::sign(request, credentials, at),
        SignerKind::HuaweiSdkHmacSha256 => huawei::sign(request, credentials, at),
        SignerKind::Token(token) => {
            let before = if token.is_bearer { BEARER } else { "" };
            fields::put(TOKEN, (&token.header, before), request, credentials)
        }
        // Signed within a session: `super::acme`.
        SignerKind::AcmeJws => Err(SignError::NoNonce),
    }
}

/// What stands in the way of a credential's use, as a sentence that does not repeat it.
pub fn unusable(usage: CredentialUse, value: &str) -> Option<String> {
    match usage {
        CredentialUse::Field if fits_header(value) => None,
        CredentialUse::Field => Some(UNFIT.to_owned()),
        CredentialUse::BearerToken if value.contains(' ') && fits_header(value) => Some(WITH_BEARER.to_owned()),
        CredentialUse::BearerToken => unusable(CredentialUse::Field, value),
        CredentialUse::BasicUser if value.contains(':') => {
            Some("it holds a colon, which ends a user's name".to_owned())
        }
        CredentialUse::JwsKey => PrivateKey::parse(value).err(),
        CredentialUse::ServiceAccount => ServiceAccount::parse(value).err(),
        // The certificate and its key are held against each other: `super::identity`.
        CredentialUse::BasicUser
        | CredentialUse::ClientCertificate
        | CredentialUse::ClientCertificatePassword
        | CredentialUse::ClientKey
        | CredentialUse::Text => None,
    }
}

const BEARER: &str = "Bearer ";
const WITH_BEARER: &str =
    "it holds a blank, as no bearer token does; `Bearer ` is put before it in any case, so give the token alone";

const UNFIT: &str =
    "it holds characters that a header field cannot carry (line breaks, white space at an end, or other than ASCII)";

#[cfg(test)]
mod tests {
    use super::fields::tests::{credentials, request};
    use super::*;
    use crate::provider::security::TokenGrant;
    use crate::provider::security::tests::token;

    #[test]
    fn credentials_that_will_not_do_are_told_apart() {
        for (usage, value, expected) in [
            (CredentialUse::Field, "a b", None),
            (CredentialUse::Field, "a\n", Some("cannot carry")),
            (CredentialUse::BearerToken, "eyJh.b-c_d~+/=", None),
            (CredentialUse::BearerToken, "Bearer eyJh", Some("give the token alone")),
            (CredentialUse::BearerToken, "eyJh\n", Some("cannot carry")),
            (CredentialUse::BasicUser, "user", None),
            (CredentialUse::BasicUser, "us:er", Some("a colon")),
            (CredentialUse::Text, "\u{e9}\n", None),
            (CredentialUse::JwsKey, "x", Some("no private key in it")),
            (CredentialUse::ServiceAccount, "{}", Some("no key file of a Google service account")),
        ] {
            let why = unusable(usage, value);
            assert_eq!(why.is_some(), expected.is_some(), "{value}: {why:?}");
            assert!(why.unwrap_or_default().contains(expected.unwrap_or_default()), "{value}");
        }
    }

    #[test]
    fn every_signer_sets_the_headers_of_the_table_once_and_reports_what_is_missing() {
        let all = credentials(&[
            ("access_key", "AK"),
            ("secret_key", "SK"),
            ("security_token", "ST"),
            ("domain_id", "D"),
            ("api_key", "K"),
            ("token", "B"),
            ("username", "U"),
            ("password", "P"),
            ("session_token", "ST"),
            (TOKEN, "T"),
        ]);
        let sig_v4 =
            |(service, region): (&str, &str)| SignerKind::AwsSigV4 { service: service.into(), region: region.into() };
        for signer in [
            SignerKind::Header("x-dc-devkey".to_owned()),
            SignerKind::Bearer,
            SignerKind::Basic,
            SignerKind::NcpSignatureV2,
            SignerKind::HuaweiSdkHmacSha256,
            sig_v4(("acm-pca", "us-east-1")),
            token(TokenGrant::HuaweiIam).signer,
        ] {
            let mut scheme = SecurityScheme::new("s", signer);
            if scheme.required == [""] {
                scheme = scheme.with_credentials(vec!["api_key".to_owned()], Vec::new());
            }
            let requirement: SecurityRequirement = scheme.into();
            let mut signed = request("POST", "https://ca.example/v1/x", Some("{}"));
            signed.headers.push(("content-type".into(), "application/json".into()));
            let before = signed.headers.len();
            sign(&requirement, &mut signed, &all, Timestamp::UNIX_EPOCH).unwrap();
            let mut names: Vec<&str> = signed.headers[before..].iter().map(|(name, _)| &**name).collect();
            let mut expected: Vec<&str> = requirement.schemes[0].fields().map(|(name, _)| name).collect();
            expected.sort_unstable();
            names.sort_unstable();
            assert_eq!(names, expected);

            let once = signed.clone();
            sign(&requirement, &mut signed, &all, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(signed, once, "signing again replaces");

            let mut unsigned = request("GET", "https://ca.example/", None);
            let missing = sign(&requirement, &mut unsigned, &credentials(&[]), Timestamp::UNIX_EPOCH);
            assert!(matches!(missing, Err(SignError::Missing(_))), "{requirement:?}");
        }
    }
}
