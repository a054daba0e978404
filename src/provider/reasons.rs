//! Revocation reasons: from RFC 5280 to a provider's spelling, and back. Nothing is guessed: a reason that a provider does not
//! have goes out as another one only where the plan says so.

use super::model::ReasonRule;
use crate::pki::RevocationReason;
use std::collections::BTreeMap;

/// Why a reason cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReasonError {
    /// The provider does not have it, and the plan does not say what to send instead.
    NotThere {
        /// What it has, with its spellings, in the document's order.
        has: Vec<(RevocationReason, String)>,
    },
    /// The plan says what to send instead, but the provider does not have that either.
    NoSuchSpelling {
        /// What the plan says to send.
        spelling: String,
        /// What the provider has.
        has: Vec<(RevocationReason, String)>,
    },
}

/// The spelling to send for a reason. What the plan says (`overrides`: provider's spelling or RFC 5280 name) goes before the
/// document.
///
/// # Errors
/// What the provider has instead.
pub fn resolve(
    rule: &ReasonRule,
    overrides: &BTreeMap<RevocationReason, String>,
    reason: RevocationReason,
) -> Result<String, ReasonError> {
    if let Some(instead) = overrides.get(&reason) {
        return spelling(rule, instead)
            .map(str::to_owned)
            .ok_or_else(|| ReasonError::NoSuchSpelling { spelling: instead.clone(), has: rule.values.clone() });
    }
    spelling_of(rule, reason).map(str::to_owned).ok_or_else(|| ReasonError::NotThere { has: rule.values.clone() })
}

/// The provider's spelling that a word means: its own, or the one of an RFC 5280 name.
pub fn spelling<'a>(rule: &'a ReasonRule, word: &str) -> Option<&'a str> {
    let own = rule.values.iter().find(|(_, spelling)| spelling == word).map(|(_, spelling)| spelling.as_str());
    own.or_else(|| spelling_of(rule, RevocationReason::parse(word)?))
}

/// The RFC 5280 reason of a provider's spelling.
pub fn read(rule: &ReasonRule, spelling: &str) -> Option<RevocationReason> {
    rule.values.iter().find(|(_, own)| own == spelling).map(|(reason, _)| *reason)
}

fn spelling_of(rule: &ReasonRule, reason: RevocationReason) -> Option<&str> {
    rule.values.iter().find(|(own, _)| *own == reason).map(|(_, spelling)| spelling.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use RevocationReason::{CaCompromise, KeyCompromise, PrivilegeWithdrawn, Superseded, Unspecified};

    #[test]
    fn reasons_are_spelled_as_the_document_or_the_plan_says() {
        let values = vec![(Unspecified, "NONE".to_owned()), (Superseded, "REPLACED".to_owned())];
        let rule = ReasonRule { field: "why".to_owned(), values: values.clone() };
        let overrides = BTreeMap::from([
            (KeyCompromise, "unspecified".to_owned()),
            (CaCompromise, "REPLACED".to_owned()),
            (PrivilegeWithdrawn, "withdrawn".to_owned()),
        ]);
        let none = BTreeMap::new();
        let missing = ReasonError::NotThere { has: values.clone() };
        let wrong = ReasonError::NoSuchSpelling { spelling: "withdrawn".to_owned(), has: values };
        for (overrides, reason, expected) in [
            (&none, Superseded, Ok("REPLACED")),
            (&none, KeyCompromise, Err(&missing)),
            (&overrides, KeyCompromise, Ok("NONE")),
            (&overrides, CaCompromise, Ok("REPLACED")),
            (&overrides, Superseded, Ok("REPLACED")),
            (&overrides, PrivilegeWithdrawn, Err(&wrong)),
        ] {
            let resolved = resolve(&rule, overrides, reason);
            assert_eq!(resolved.as_ref().map(String::as_str), expected, "{reason}");
        }
        assert_eq!(read(&rule, "REPLACED"), Some(Superseded));
        assert_eq!(read(&rule, "superseded"), None);
        assert_eq!(spelling(&rule, "superseded"), Some("REPLACED"));
        assert_eq!(spelling(&rule, "keyCompromise"), None);
    }
}
