//! What came back from a provider, and the words for what it means. The reading itself is in [`super::verdict`].

use std::time::Duration;

/// A whole answer to one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header fields, names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body, whole. (A body that broke off is no answer but a lost one.)
    pub body: Vec<u8>,
}

impl Answer {
    /// The first value of a header field; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// What an answer means for the action that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Done, as the document declares. `succeeded` in a document.
    Succeeded,
    /// It was so before. `already-done`.
    AlreadyDone,
    /// Accepted, waits for a person at the CA. `pending-approval`.
    PendingApproval,
    /// Refused without effect; the same request would be refused again. `rejected`.
    Rejected,
    /// Too many requests; no effect, costs no attempt, holds the provider back. `throttled`.
    Throttled,
    /// Surely no effect, and worth another attempt. `try-later`.
    TryLater,
    /// What the request carried for this once, a nonce, will not do; no effect; asked again at once with another, and costs no
    /// attempt. `refused-token`.
    RefusedToken,
    /// These credentials will not do; no effect; stops the provider. `refused-credentials`.
    RefusedCredentials,
    /// It may have taken effect. `unknown`.
    Unknown,
}

impl Meaning {
    /// All meanings with the words that documents use for them.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Succeeded, "succeeded"),
        (Self::AlreadyDone, "already-done"),
        (Self::PendingApproval, "pending-approval"),
        (Self::Rejected, "rejected"),
        (Self::Throttled, "throttled"),
        (Self::TryLater, "try-later"),
        (Self::RefusedToken, "refused-token"),
        (Self::RefusedCredentials, "refused-credentials"),
        (Self::Unknown, "unknown"),
    ];
}

/// A reading of an answer: what it means, and the provider's own words, verbatim (make them safe before showing them).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it means.
    pub meaning: Meaning,
    /// Whether a rule of the document said so; `false` for the defaults of HTTP.
    pub declared: bool,
    /// The provider's own code.
    pub code: Option<String>,
    /// The provider's own message.
    pub message: Option<String>,
    /// The provider's own request or order id.
    pub reference: Option<String>,
    /// What the document adds for people, such as what to do about it.
    pub explanation: Option<String>,
    /// How long the provider asked to wait, from `Retry-After` or as the document tells to find it.
    pub retry_after: Option<Duration>,
    /// The limit that the provider told, where the document says how to find it.
    pub limit: Option<super::window::Window>,
}

/// What a look-up tells about the state of an action's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is as the action wanted it. `done`.
    Done,
    /// The provider has accepted it and works on it, or a person must approve it. `pending`.
    Pending,
    /// It is surely not so. `not-done`.
    NotDone,
    /// The look-up does not tell. `unknown`.
    Unknown,
}

impl Standing {
    /// All standings with the words that documents use for them.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Done, "done"), (Self::Pending, "pending"), (Self::NotDone, "not-done"), (Self::Unknown, "unknown")];
}
