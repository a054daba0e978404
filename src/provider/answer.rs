//! Answers: what a provider sent back, JSON pointers (RFC 6901) into it, and the classes and states that documents give them. Classifies
//! nothing itself: that is [`super::verdict`]'s.

use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// A whole answer to one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The HTTP status; any number that the peer sent, also one outside 100..=599.
    pub status: u16,
    /// Header fields; names in lower case.
    pub headers: HeaderFields,
    /// The body, whole. (A body that broke off is no answer but a lost one.)
    pub body: Vec<u8>,
    /// Whether only the order of answers says that it is this request's: others were answered on the same connection before.
    pub by_order: bool,
    /// Why the body cannot be read, where it cannot.
    pub unreadable: Option<String>,
    /// The body parsed as JSON; null where it is none.
    json: Value,
}

impl Answer {
    /// An answer that arrived whole. Its body is parsed here, once for all who read it.
    pub fn new(status: u16, headers: HeaderFields, body: Vec<u8>) -> Self {
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Self { status, headers, body, by_order: false, unreadable: None, json }
    }

    /// An answer that arrived whole, with a body that cannot be read; why not, as the end of a sentence that begins with "a body".
    pub fn unreadable(status: u16, headers: HeaderFields, why: String) -> Self {
        Self { unreadable: Some(why), ..Self::new(status, headers, Vec::new()) }
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
pub enum AnswerClass {
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
    BadNonce,
    /// These credentials will not do; no effect; stops the provider. `unauthorized`.
    Unauthorized,
    /// It may have taken effect. `unknown`.
    Unknown,
}

impl AnswerClass {
    /// All classes with the words that documents use for them.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Succeeded, "succeeded"),
        (Self::AlreadyDone, "already-done"),
        (Self::PendingApproval, "pending-approval"),
        (Self::Rejected, "rejected"),
        (Self::Throttled, "throttled"),
        (Self::TryLater, "try-later"),
        (Self::BadNonce, "bad-nonce"),
        (Self::Unauthorized, "unauthorized"),
        (Self::Unknown, "unknown"),
    ];

    /// Former names of two classes. Documents of users still hold them, and a rename must not break those.
    pub const FORMER: [(Self, &'static str); 2] =
        [(Self::BadNonce, "refused-token"), (Self::Unauthorized, "refused-credentials")];

    /// The word that documents use for it.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(class, _)| *class == self).map_or("", |(_, word)| word)
    }
}

/// The state of an action's target, as a status query reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetState {
    /// It is as the action wanted it. `done`.
    Done,
    /// The provider has accepted it and works on it, or a person must approve it. `pending`.
    Pending,
    /// It is surely not so. `not-done`.
    NotDone,
    /// The status query does not answer it. `unknown`.
    Unknown,
}

impl TargetState {
    /// All states with the words that documents use for them.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Done, "done"), (Self::Pending, "pending"), (Self::NotDone, "not-done"), (Self::Unknown, "unknown")];

    /// The word that documents use for it.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, word)| word)
    }
}

/// A JSON pointer: empty, or segments that each begin with `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    text: String,
    /// The members' names and the items' numbers, unescaped.
    path: Vec<String>,
}

impl Pointer {
    /// Reads a pointer; `None` where the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let path = text.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        (text.is_empty() || text.starts_with('/')).then(|| Self { text: text.to_owned(), path: path.collect() })
    }

    /// What it points at.
    pub fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.path.iter().try_fold(value, |value, step| match value {
            Value::Object(members) => members.get(step),
            // RFC 6901, 4: no sign and no leading zero.
            Value::Array(items) if step == "0" || !step.starts_with(['0', '+']) => {
                items.get(step.parse::<usize>().ok()?)
            }
            _ => None,
        })
    }

    /// The text of the scalar that it points at; `None` for null, lists, objects and nothing. A number and the string of
    /// the same digits give the same text: providers mix them (NAVER's `errorCode` is an Integer in the gateway's table and a
    /// String in its example).
    pub fn text_of<'v>(&self, value: &'v Value) -> Option<Cow<'v, str>> {
        self.of(value).and_then(scalar_text)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A scalar as text: strings without quotes, numbers and booleans as written. `None` for null, lists and objects.
pub fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lead_to_scalars_and_their_text() {
        let text = r#"{"a":{"b":[1,-2,1.0,12345678901234567890,true,null,"x\n\u00e9",[],{"c":""}]},"a/b":1,"m~n":"2","d":1,"d":{"e":3},"":false}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        for (pointer, expected) in [
            ("/a/b/0", Some("1")),
            ("/a/b/1", Some("-2")),
            ("/a/b/2", Some("1.0")),
            ("/a/b/3", Some("12345678901234567890")),
            ("/a/b/4", Some("true")),
            ("/a/b/5", None),
            ("/a/b/6", Some("x\né")),
            ("/a/b/7", None),
            ("/a/b/8/c", Some("")),
            ("/a/b/00", None),
            ("/a/b/01", None),
            ("/a/b/+1", None),
            ("/a/b/-", None),
            ("/a/b/9", None),
            ("/a~1b", Some("1")),
            ("/m~0n", Some("2")),
            // The last of two members counts.
            ("/d/e", Some("3")),
            ("/", Some("false")),
            ("", None),
            ("/a", None),
            ("/z", None),
            ("/a/b/0/z", None),
        ] {
            let found = Pointer::parse(pointer).unwrap();
            assert_eq!(found.text_of(&value).as_deref(), expected, "{pointer}");
        }
        assert_eq!(Pointer::parse("a"), None);
    }
}
