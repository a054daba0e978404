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
pub enum StatusSource {
    /// The provider, by its state call.
    #[serde(rename = "state")]
    Provider,
    /// The issuer's revocation list.
    Crl,
    /// The issuer's OCSP responder.
    Ocsp,
}

/// Some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusSources(u8);

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

impl StatusSource {
    /// All.
    pub const ALL: [Self; 3] = [Self::Provider, Self::Crl, Self::Ocsp];

    /// The word of reports and of the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Provider => "state",
            Self::Crl => "crl",
            Self::Ocsp => "ocsp",
        }
    }

    /// The source of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.word() == word)
    }
}

impl StatusSources {
    /// Adds one.
    pub fn add(&mut self, source: StatusSource) {
        self.0 |= 1 << source as u8;
    }

    /// Whether one is among them.
    pub const fn contains(self, source: StatusSource) -> bool {
        self.0 & (1 << source as u8) != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are among others too.
    pub const fn among(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// They, in the order of [`StatusSource::ALL`].
    pub fn iter(self) -> impl Iterator<Item = StatusSource> {
        StatusSource::ALL.into_iter().filter(move |source| self.contains(*source))
    }
}

impl FromIterator<StatusSource> for StatusSources {
    fn from_iter<I: IntoIterator<Item = StatusSource>>(iter: I) -> Self {
        let mut all = Self::default();
        iter.into_iter().for_each(|source| all.add(source));
        all
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}
