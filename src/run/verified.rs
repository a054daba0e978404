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

/// Some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Witnesses(u8);

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

impl Witnesses {
    /// Adds one.
    pub fn add(&mut self, witness: Witness) {
        self.0 |= 1 << witness as u8;
    }

    /// Whether one is among them.
    pub const fn contains(self, witness: Witness) -> bool {
        self.0 & (1 << witness as u8) != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are among others too.
    pub const fn among(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// They, in the order of [`Witness::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Witness> {
        Witness::ALL.into_iter().filter(move |witness| self.contains(*witness))
    }
}

impl FromIterator<Witness> for Witnesses {
    fn from_iter<I: IntoIterator<Item = Witness>>(iter: I) -> Self {
        let mut all = Self::default();
        iter.into_iter().for_each(|witness| all.add(witness));
        all
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}
