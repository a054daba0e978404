//! Keys and signatures: whether a request carries the credentials that the simulator accepts. Pure; the time comes in.
//!
//! Written from the vendors' descriptions, apart from the signers that it checks, so that an error in either shows.

pub(super) mod acme;
pub(super) mod huawei;
mod naver;

use super::message::Received;
use super::options::credential;
use crate::provider::Provider;
use crate::provider::model::{AuthScheme, SignerKind};
use jiff::Timestamp;

/// Verifies a request by the provider's schemes; `issued` tells whether the account has issued a token and it still holds.
///
/// # Errors
/// What is wrong with the credentials, as the provider might say it.
pub(super) fn verify(
    provider: &Provider,
    request: &Received,
    now: Timestamp,
    issued: &dyn Fn(&str) -> bool,
) -> Result<(), String> {
    if provider.auth.is_empty() {
        return Ok(());
    }
    let mut first_error = None;
    for scheme in &provider.auth {
        match verify_scheme(&provider.id, scheme, request, now, issued) {
            None => {}
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| "the request carries no credentials".to_owned()))
}

/// `None` where the request does not use this scheme.
fn verify_scheme(
    provider: &str,
    scheme: &AuthScheme,
    request: &Received,
    now: Timestamp,
    issued: &dyn Fn(&str) -> bool,
) -> Option<Result<(), String>> {
    let expected = |name: &str| credential(provider, name);
    match &scheme.signer {
        SignerKind::Header(name) => {
            let given = request.header(name)?;
            let key = scheme.required.first().map_or("", String::as_str);
            Some(same(given, expected(key).reveal(), name))
        }
        SignerKind::NcpSignatureV2 => {
            request.header(naver::SIGNATURE)?;
            Some(naver::verify(request, expected("access_key").reveal(), expected("secret_key").reveal(), now))
        }
        SignerKind::HuaweiSdkHmacSha256 => {
            request.header("authorization")?;
            let key = huawei::Keys {
                access_key: expected("access_key").reveal().to_owned(),
                secret_key: expected("secret_key").reveal().to_owned(),
                security_token: expected("security_token").reveal().to_owned(),
                domain_id: expected("domain_id").reveal().to_owned(),
            };
            Some(huawei::verify(request, &key, now))
        }
        // A JWS is the whole request's affair: [`acme`].
        SignerKind::AcmeJws => None,
        SignerKind::HuaweiIamToken(_) => {
            let given = request.header("x-auth-token")?;
            Some(if issued(given) { Ok(()) } else { Err("the token is unknown, or it has expired".to_owned()) })
        }
    }
}

fn same(given: &str, expected: &str, name: &str) -> Result<(), String> {
    if given == expected { Ok(()) } else { Err(format!("the key in {name} is wrong")) }
}
