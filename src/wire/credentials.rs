//! The credentials of one account: values by name that are never shown, and that are taken out of foreign text; and what header fields can
//! carry of them. Fetches none, and knows no signer.

use super::WireRequest;
use crate::text::Secret;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// The credentials of one account, for one scheme: in the scheme's order, the required ones first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pairs: Vec<(String, Secret)>,
    /// What of them may be met in foreign text, the longest first: a credential may begin with another.
    forms: Vec<Secret>,
}

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

impl Credentials {
    /// Credentials by name, the required ones first.
    pub fn new(pairs: impl IntoIterator<Item = (String, Secret)>) -> Self {
        let pairs: Vec<(String, Secret)> = pairs.into_iter().collect();
        let mut forms: Vec<Secret> = pairs.iter().flat_map(|(_, secret)| forms(secret)).collect();
        forms.sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
        Self { pairs, forms }
    }

    /// The credential of a name.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.pairs.iter().find(|(present, _)| present == name).map(|(_, secret)| secret)
    }

    /// The names, the required ones first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    /// Adds a credential, such as a token that was fetched with the others, or replaces it.
    pub fn set(&mut self, name: &str, secret: Secret) {
        let others = std::mem::take(&mut self.pairs).into_iter().filter(|(present, _)| present != name);
        *self = Self::new(others.chain([(name.to_owned(), secret)]));
    }

    /// Foreign text with every credential in it replaced by `(secret)`, also where it is escaped as JSON, in a URL or in HTML, or written
    /// in base64 or hexadecimal digits, alone or within a longer text (a `Basic` credential).
    pub fn mask(&self, text: &str) -> String {
        // Most answers hold no word as long as a credential in base64.
        let longest = text.split_ascii_whitespace().map(str::len).max().unwrap_or_default();
        let forms = self
            .forms
            .iter()
            .filter(|form| form.reveal().contains(char::is_whitespace) || form.reveal().len() <= longest);
        forms.fold(text.into(), |text: Cow<'_, str>, secret| secret.mask(text)).into_owned()
    }
}

/// Whether a header field can carry a value as it is: visible ASCII, with spaces and tabs only inside.
pub fn fits_header(value: &str) -> bool {
    !value.is_empty()
        && value.trim_matches([' ', '\t']) == value
        && value.bytes().fold(true, |fits, byte| fits & matches!(byte, b' '..=b'~' | b'\t'))
}

pub(super) fn credential<'a>(credentials: &'a Credentials, name: &str) -> Result<&'a str, SignError> {
    Ok(credentials.get(name).ok_or_else(|| SignError::Missing(name.to_owned()))?.reveal())
}

/// A credential that goes into a header field as it is.
pub(super) fn header_credential<'a>(credentials: &'a Credentials, name: &str) -> Result<&'a str, SignError> {
    let value = credential(credentials, name)?;
    if fits_header(value) { Ok(value) } else { Err(SignError::Unsendable(name.to_owned())) }
}

pub(super) fn set_header(
    request: &mut WireRequest,
    name: impl Into<Cow<'static, str>>,
    value: impl Into<Cow<'static, str>>,
) {
    let name = name.into();
    request.headers.retain(|(present, _)| *present != name);
    request.headers.push((name, value.into()));
}

/// A secret as it is, in hexadecimal digits, and in base64: whole, and as it stands within a longer text, at each of the three places
/// that it can have there.
fn forms(secret: &Secret) -> Vec<Secret> {
    let text = secret.reveal().as_bytes();
    let mut forms = vec![secret.clone()];
    if !secret.is_masked() {
        return forms;
    }
    forms.extend([Secret::new(hex::encode(text)), Secret::new(hex::encode_upper(text))]);
    forms.extend([STANDARD, URL_SAFE].map(|base64| Secret::new(base64.encode(text))));
    for before in 0..3 {
        let mut octets = Zeroizing::new(vec![0; before]);
        octets.extend_from_slice(text);
        // The letters that hold nothing but bits of the secret.
        let (from, to) = ((before * 8).div_ceil(6), octets.len() * 8 / 6);
        for base64 in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let whole = Zeroizing::new(base64.encode(&*octets));
            forms.push(Secret::new(&whole[from..to]));
        }
    }
    let mut distinct: Vec<Secret> = Vec::new();
    for form in forms {
        if !distinct.contains(&form) {
            distinct.push(form);
        }
    }
    distinct
}

/// The name under which [`Credentials`] keep the token that was fetched with them; none that a document could give.
pub const TOKEN: &str = "(token)";

#[cfg(test)]
pub(super) mod tests {
    use super::*;

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
    fn every_form_of_a_credential_is_masked() {
        let pairs = [("a", "topsecret"), ("b", "topsecret\"and more"), ("c", "tiny"), ("d", "ab")];
        let credentials = Credentials::new(pairs.map(|(name, value)| (name.to_owned(), Secret::new(value))));
        for (text, expected) in [
            ("key topsecret!", "key (secret)!"),
            ("{\"k\":\"topsecret\\\"and more\"}", "{\"k\":\"(secret)\"}"),
            ("?k=topsecret%22and%20more", "?k=(secret)"),
            ("topsecret\"and more", "(secret)"),
            ("destiny ab", "des(secret) ab"),
            ("topsecret&quot;and more &#116;opsecret", "(secret) (secret)"),
            // Alone, and as a Basic credential whose user has one, two or three letters.
            ("dG9wc2VjcmV0", "(secret)"),
            ("Basic dTp0b3BzZWNyZXQ=", "Basic dTp(secret)Q="),
            ("Basic dXU6dG9wc2VjcmV0", "Basic dXU6(secret)"),
            ("Basic dXV1OnRvcHNlY3JldA==", "Basic dXV1On(secret)A=="),
            ("746f70736563726574 746F70736563726574", "(secret) (secret)"),
        ] {
            assert_eq!(credentials.mask(text), expected);
        }
        assert!(!format!("{credentials:?}").contains("topsecret"));
    }

    #[test]
    fn a_token_is_added_and_replaced() {
        let mut credentials = Credentials::default();
        for token in ["one", "two"] {
            credentials.set("auth_token", Secret::new(token));
            assert_eq!(credentials.get("auth_token").map(Secret::reveal), Some(token));
        }
        assert_eq!(credentials.names().count(), 1);
    }
}
