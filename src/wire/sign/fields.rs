//! What signers share: setting header fields, what a field can carry, credentials that must be there; and the simplest signer, one
//! credential in one field as it is.

use crate::wire::WireRequest;
use crate::wire::credentials::Credentials;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
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
    /// The server's directory has no such member.
    #[error("the ACME server's directory has no `{0}`: it does not offer this")]
    NotOffered(String),
    /// An answer named a URL at another place than the provider's own.
    #[error("the CA's answer leads to {0}, which is not where its directory is; nothing is sent there")]
    Elsewhere(String),
}

/// Puts the credential of a name into a header field, behind these letters.
pub(super) fn put(
    credential: &str,
    (field, before): (&str, &str),
    request: &mut WireRequest,
    credentials: &Credentials,
) -> Result<(), SignError> {
    let value = header_credential(credentials, credential)?;
    set_header(request, field.to_owned(), format!("{before}{value}"));
    Ok(())
}

/// A user and a password for HTTP (RFC 7617, section 2), in UTF-8.
pub(super) fn put_basic(
    (user, password): (&str, &str),
    request: &mut WireRequest,
    credentials: &Credentials,
) -> Result<(), SignError> {
    let pair = format!("{}:{}", credential(credentials, user)?, credential(credentials, password)?);
    set_header(request, "authorization", format!("Basic {}", STANDARD.encode(pair)));
    Ok(())
}

/// Whether a header field can carry a value as it is: visible ASCII, with spaces and tabs only inside.
pub fn fits_header(value: &str) -> bool {
    !value.is_empty()
        && value.trim_matches([' ', '\t']) == value
        && value.bytes().fold(true, |fits, byte| fits & matches!(byte, b' '..=b'~' | b'\t'))
}

pub(in crate::wire) fn credential<'a>(credentials: &'a Credentials, name: &str) -> Result<&'a str, SignError> {
    Ok(credentials.get(name).ok_or_else(|| SignError::Missing(name.to_owned()))?.reveal())
}

/// A credential that goes into a header field as it is.
pub(super) fn header_credential<'a>(credentials: &'a Credentials, name: &str) -> Result<&'a str, SignError> {
    let value = credential(credentials, name)?;
    if fits_header(value) { Ok(value) } else { Err(SignError::Unsendable(name.to_owned())) }
}

pub(super) fn url(request: &WireRequest) -> Result<Url, SignError> {
    Url::parse(&request.url).map_err(|_| SignError::Url)
}

pub(in crate::wire) fn set_header(
    request: &mut WireRequest,
    name: impl Into<Cow<'static, str>>,
    value: impl Into<Cow<'static, str>>,
) {
    let name = name.into();
    request.headers.retain(|(present, _)| *present != name);
    request.headers.push((name, value.into()));
}

pub(super) fn hmac_sha256(key: &[u8], message: &str) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    hmac.update(message.as_bytes());
    hmac.finalize().into_bytes().into()
}

/// The name under which [`Credentials`] keep the token that was fetched with them; none that a document could give.
pub const TOKEN: &str = "(token)";

#[cfg(test)]
pub(in crate::wire) mod tests {
    use super::*;
    use crate::text::Secret;

    pub(in crate::wire) fn credentials(pairs: &[(&str, &str)]) -> Credentials {
        Credentials::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))))
    }

    pub(in crate::wire) fn request(method: &str, url: &str, body: Option<&str>) -> WireRequest {
        WireRequest {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: body.map(|body| body.as_bytes().to_vec()),
        }
    }

    pub(in crate::wire) fn header<'a>(request: &'a WireRequest, name: &str) -> Option<&'a str> {
        request.headers.iter().find(|(field, _)| field == name).map(|(_, value)| &**value)
    }

    #[test]
    fn a_user_and_a_password_are_as_the_rfc_shows_them() {
        // RFC 7617, sections 2 and 2.1.
        for (user, password, expected) in [
            ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("test", "123\u{a3}", "Basic dGVzdDoxMjPCow=="),
        ] {
            let mut signed = request("GET", "https://ca.example/", None);
            let credentials = credentials(&[("username", user), ("password", password)]);
            put_basic(("username", "password"), &mut signed, &credentials).unwrap();
            assert_eq!(header(&signed, "authorization"), Some(expected));
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
            let mut signed = request("GET", "https://ca.example/", None);
            let put = put("api_key", ("x-key", ""), &mut signed, &credentials(&[("api_key", value)]));
            assert_eq!(put.is_ok(), fits, "{value:?}");
        }
    }
}
