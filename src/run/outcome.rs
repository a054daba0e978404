//! How an action ended, in the contract's words, and what it did at the provider.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The provider did it, by an answer that its document declares as success.
    Succeeded,
    /// The target was so before; told by the provider's answer or by a look-up of its state.
    AlreadyDone,
    /// Accepted; waits for a person at the CA.
    PendingApproval,
    /// The provider refused it; the same request would be refused again.
    Rejected,
    /// Transient trouble outlasted the retries; it surely did not take effect.
    Failed,
    /// It may have taken effect, and neither asking again nor a look-up settled it.
    InDoubt,
    /// Never sent; the message says why.
    Skipped,
    /// Dry run.
    Planned,
}

impl Outcome {
    /// All outcomes, in the order in which people care about them.
    pub const ALL: [Self; 8] = [
        Self::Succeeded,
        Self::AlreadyDone,
        Self::PendingApproval,
        Self::Rejected,
        Self::Failed,
        Self::InDoubt,
        Self::Skipped,
        Self::Planned,
    ];

    /// The contract's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::AlreadyDone => "already-done",
            Self::PendingApproval => "pending-approval",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::InDoubt => "in-doubt",
            Self::Skipped => "skipped",
            Self::Planned => "planned",
        }
    }

    /// The outcome that a word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }

    /// Whether it ended well: what `needs` it may go on, and the exit code stays 0.
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Succeeded | Self::AlreadyDone | Self::PendingApproval | Self::Planned)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.word())
    }
}

/// What an attempt did at the provider, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Surely nothing.
    None,
    /// What was asked.
    Done,
    /// It may have taken effect.
    Unknown,
}

impl Effect {
    /// Its word in the journal.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Done => "done",
            Self::Unknown => "unknown",
        }
    }

    /// The effect that a word names.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::None, Self::Done, Self::Unknown].into_iter().find(|effect| effect.word() == word)
    }
}
