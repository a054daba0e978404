//! HTTP messages (RFC 9110) as plain values: a request as it arrived, what the simulator does in return, and percent-encoding. Decides
//! nothing.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

/// A request, exactly as it arrived: signatures are over these very bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    /// Upper case.
    pub(super) method: String,
    /// Path and query, still percent-encoded.
    pub(super) target: String,
    /// Names in lower case, in the order in which they arrived.
    pub(super) headers: Vec<(String, String)>,
    /// The body, whole.
    pub(super) body: Vec<u8>,
    /// Whether its connection showed a client's certificate, which TLS has verified.
    pub(super) shows_certificate: bool,
}

/// What is done in return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reaction {
    /// It waits so long first.
    pub(super) delay: Duration,
    /// What comes then.
    pub(super) kind: ReactionKind,
}

/// An answer, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReactionKind {
    /// A whole answer.
    Answer(Response),
    /// The connection is closed without a word.
    Close,
    /// Nothing, until the client gives up.
    Hang,
}

/// An answer to send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Response {
    /// The HTTP status.
    pub(super) status: u16,
    /// Header fields beside those that every answer has.
    pub(super) headers: Vec<(String, String)>,
    /// The media type, where there is a body.
    pub(super) media_type: Cow<'static, str>,
    /// The body.
    pub(super) body: Vec<u8>,
}

impl Received {
    /// The first value of a header field; `name` in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The path, still percent-encoded.
    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The query, still percent-encoded; empty for none.
    pub(super) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

impl Response {
    /// An answer with a JSON body, or with none.
    pub(super) fn json(status: u16, body: Option<&Value>) -> Self {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        Self { status, headers: Vec::new(), media_type: "application/json".into(), body }
    }

    /// Adds a header field.
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// Percent-encoded text, decoded; what is not UTF-8 then is replaced.
pub(super) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A path segment or a query word, encoded as RFC 3986 has it: all but the unreserved characters.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
