//! What the world sees of an action's effect, and who says so. Words only.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What the world sees of an action's target. Unknown is never taken for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// Somebody who may say so says that it is revoked.
    Revoked,
    /// Whoever has said something says that it is not.
    Good,
    /// Nobody has said anything that counts.
    Unknown,
}

/// Who says what the world sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// The provider, by its state call.
    State,
    /// The issuer's revocation list.
    Crl,
    /// The issuer's OCSP responder.
    Ocsp,
}

impl Seen {
    /// All, with the words of reports.
    pub const ALL: [Self; 3] = [Self::Revoked, Self::Good, Self::Unknown];

    /// The word of reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Good => "good",
            Self::Unknown => "unknown",
        }
    }
}

impl Witness {
    /// All.
    pub const ALL: [Self; 3] = [Self::State, Self::Crl, Self::Ocsp];

    /// The word of reports and of the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Crl => "crl",
            Self::Ocsp => "ocsp",
        }
    }

    /// The witness of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|witness| witness.word() == word)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}
