//! How an action ended, what it did at the provider, and what the world sees of its effect and by which source: the contract's terms.
//! Decides nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The provider did it, by an answer that its document declares as success.
    Succeeded,
    /// The target was so before, by the provider's answer or by a status query.
    AlreadyDone,
    /// Accepted; waits for a person at the CA.
    PendingApproval,
    /// Accepted; the CA is still at work.
    Pending,
    /// The provider refused it; the same request would be refused again.
    Rejected,
    /// Transient trouble outlasted the retries; it surely did not take effect.
    Failed,
    /// It may have taken effect, and neither another attempt nor a status query resolved it.
    InDoubt,
    /// Never sent; the message says why.
    Skipped,
    /// Dry run.
    Planned,
}

impl Outcome {
    /// All outcomes, in the order in which people care about them.
    pub const ALL: [Self; 9] = [
        Self::Succeeded,
        Self::AlreadyDone,
        Self::PendingApproval,
        Self::Pending,
        Self::Rejected,
        Self::Failed,
        Self::InDoubt,
        Self::Skipped,
        Self::Planned,
    ];

    /// The name in plans, reports and the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::AlreadyDone => "already-done",
            Self::PendingApproval => "pending-approval",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::InDoubt => "in-doubt",
            Self::Skipped => "skipped",
            Self::Planned => "planned",
        }
    }

    /// The outcome of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }

    /// Whether it ended well: the exit code stays 0.
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Succeeded | Self::AlreadyDone | Self::PendingApproval | Self::Pending | Self::Planned)
    }

    /// Whether the provider has accepted it, and it is not settled: what `needs` it waits, and `resume --retry pending` looks.
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::PendingApproval | Self::Pending)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The message of an action that is in doubt: what came of it, and what a person can do. Reports show it whole; a display that shows many
/// such actions says the advice once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoubtMessage<'a> {
    /// What came.
    pub cause: &'a str,
    /// What a person can do.
    pub advice: &'a str,
}

impl<'a> DoubtMessage<'a> {
    /// Takes such a message apart; `None` where it is none.
    pub fn read(message: &'a str) -> Option<Self> {
        let (cause, advice) = message.strip_prefix(IN_DOUBT)?.rsplit_once("; ")?;
        Some(Self { cause, advice })
    }
}

impl fmt::Display for DoubtMessage<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{IN_DOUBT}{}; {}", self.cause, self.advice)
    }
}

const IN_DOUBT: &str = "it may have taken effect: ";

/// What an attempt did at the provider, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Its name in the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Done => "done",
            Self::Unknown => "unknown",
        }
    }

    /// The effect of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::None, Self::Done, Self::Unknown].into_iter().find(|effect| effect.as_str() == name)
    }
}

/// What the world sees of an action's target. Unknown is never taken for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// A source that may say so says that it is revoked, for good.
    Revoked,
    /// Its issuer says that it is on hold (`certificateHold`), which may be lifted: not relied upon now, and not revoked for good.
    OnHold,
    /// Every source that answered says that it is not.
    Good,
    /// No source gave an answer that counts.
    Unknown,
}

/// A source of revocation status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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

/// A set of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusSources(u8);

impl Seen {
    /// All, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Revoked, Self::OnHold, Self::Good, Self::Unknown];

    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::OnHold => "on-hold",
            Self::Good => "good",
            Self::Unknown => "unknown",
        }
    }
}

impl StatusSource {
    /// All.
    pub const ALL: [Self; 3] = [Self::Provider, Self::Crl, Self::Ocsp];

    /// The name in reports and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "state",
            Self::Crl => "crl",
            Self::Ocsp => "ocsp",
        }
    }

    /// The source of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }
}

impl StatusSources {
    /// Adds a source.
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

    /// The sources, in the order of [`StatusSource::ALL`].
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
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_about_doubt_is_read_as_it_was_made() {
        let made = DoubtMessage { cause: "HTTP 400; a page", advice: "open the order" };
        let text = made.to_string();
        assert_eq!(text, "it may have taken effect: HTTP 400; a page; open the order");
        assert_eq!(DoubtMessage::read(&text), Some(made));
        assert_eq!(DoubtMessage::read("no such certificate; try another"), None);
    }
}
