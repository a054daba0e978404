//! The credentials of one account: values by name that are never shown, and that are taken out of foreign text. Fetches none.

use crate::text::Secret;
use std::borrow::Cow;

/// The credentials of one account, for one scheme: in the scheme's order, the required ones first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pairs: Vec<(String, Secret)>,
    /// What of them may be met in foreign text, the longest first: a credential may begin with another.
    forms: Vec<Secret>,
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

    /// Foreign text with every credential in it replaced by `(secret)`, also where it is escaped as JSON or in a URL.
    pub fn mask(&self, text: &str) -> String {
        self.forms.iter().fold(text.into(), |text: Cow<'_, str>, secret| secret.mask(text)).into_owned()
    }
}

/// A secret as it is, and as it stands in JSON strings and URLs where that differs.
fn forms(secret: &Secret) -> Vec<Secret> {
    let text = secret.reveal();
    let quoted = serde_json::Value::from(text).to_string();
    let escaped = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned();
    let mut forms = vec![secret.clone()];
    for form in [escaped, crate::provider::request::encode(text)] {
        if form != text {
            forms.push(Secret::new(form));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

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
