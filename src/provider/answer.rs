//! What came back from a provider, and the words for what it means. The reading itself is in [`super::verdict`].

use serde_json::Value;

/// A whole answer to one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderFields,
    /// The body, whole. (A body that broke off is no answer but a lost one.)
    pub body: Vec<u8>,
    /// What the body says as JSON.
    json: Value,
}

impl Answer {
    /// An answer that arrived whole. Its body is parsed here, once for all who read it.
    pub fn new(status: u16, headers: HeaderFields, body: Vec<u8>) -> Self {
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Self { status, headers, body, json }
    }

    /// The body as JSON; null where it is none. Of members that share a name the last counts.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The first value of a header field; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

/// Header fields, names in lower case, in the order in which they arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderFields(Vec<(String, String)>);

impl HeaderFields {
    /// Adds a field.
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for HeaderFields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
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
    /// attempt. `bad-nonce`, as in RFC 8555.
    RefusedToken,
    /// These credentials will not do; no effect; stops the provider. `unauthorized`.
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
        (Self::RefusedToken, "bad-nonce"),
        (Self::RefusedCredentials, "unauthorized"),
        (Self::Unknown, "unknown"),
    ];

    /// The words of before for two of them, which documents may go on using.
    pub const FORMER: [(Self, &'static str); 2] =
        [(Self::RefusedToken, "refused-token"), (Self::RefusedCredentials, "refused-credentials")];

    /// The word that documents use for it.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(meaning, _)| *meaning == self).map_or("", |(_, word)| word)
    }
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

    /// The word that documents use for it.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(standing, _)| *standing == self).map_or("", |(_, word)| word)
    }
}
