//! Secrets as a type: it cannot be printed, stored or serialised, and is wiped when it is dropped.

use std::borrow::Cow;
use std::fmt;
use zeroize::Zeroizing;

/// A credential's value. It has no `Display` and no `Serialize`; `Debug` says `(secret)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text into keeping.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for a signer or a header. Never for a message.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Replaces every occurrence of this secret in foreign text (a provider may echo it) by `(secret)`.
    pub fn mask<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        if self.0.len() < MIN_MASKED || !text.contains(self.reveal()) {
            return text;
        }
        text.replace(self.reveal(), "(secret)").into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

/// Below this length a "secret" would mask ordinary words.
const MIN_MASKED: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_and_is_masked_in_foreign_text() {
        let secret = Secret::new("hunter2hunter2");
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert_eq!(secret.mask("bad key hunter2hunter2!".into()), "bad key (secret)!");
        assert_eq!(secret.mask("bad key".into()), "bad key");
    }
}
