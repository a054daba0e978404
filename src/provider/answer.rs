//! What came back from a provider, and the words for what it means. The reading itself is in [`super::verdict`].

use serde_json::Value;
use std::time::Duration;

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
    /// An answer that came whole. Its body is parsed here, once for all who read it.
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

/// Header fields, names in lower case, in the order in which they came. All in one text: every answer is made by one thread and dropped by
/// another, and two pieces of memory cost less on that way than two for each field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderFields {
    /// Names and values, one behind the other.
    text: String,
    /// Where each name ends, and its value.
    ends: Vec<(usize, usize)>,
}

impl HeaderFields {
    /// Adds a field.
    pub fn push(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        let name_ends = self.text.len();
        self.text.push_str(value);
        self.ends.push((name_ends, self.text.len()));
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut begins = 0;
        self.ends.iter().map(move |(name_ends, ends)| {
            let name = &self.text[begins..*name_ends];
            begins = *ends;
            (name, &self.text[*name_ends..*ends])
        })
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for HeaderFields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let fields = fields.into_iter();
        let few = fields.size_hint().0;
        let mut headers = Self { text: String::with_capacity(few * MOST_FIELDS), ends: Vec::with_capacity(few) };
        fields.for_each(|(name, value)| headers.push(name.as_ref(), value.as_ref()));
        headers
    }
}

/// Bytes that most header fields do not exceed.
const MOST_FIELDS: usize = 48;

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
