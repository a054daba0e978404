//! The program's one seam to the world: a request as it will be on the wire, and the few things that can come of sending it.

use crate::provider::Answer;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;

/// A request, as it will be on the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct WireRequest {
    /// Upper case.
    pub method: String,
    /// Absolute, percent-encoded, with its query; no fragment.
    pub url: String,
    /// Header fields beside those that the client adds by itself (`host`, `content-length`, `accept`, `user-agent`); names in
    /// lower case. After signing these hold credentials: never print them unmasked.
    pub headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The exact bytes of the body; signers hash these.
    pub body: Option<Vec<u8>>,
}

/// What came of sending a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It surely did not reach the provider: no name, no connection, no TLS. The text keeps the cause.
    NotSent(String),
    /// It was not sent, since it could not be signed. That says nothing about the provider.
    Unsigned(String),
    /// It may have reached the provider, and no whole answer came: time-out, reset, a body that broke off or was too long.
    Lost(String),
    /// A whole answer.
    Answered(Answer),
}

/// Sends requests. One implementation speaks HTTP; the fault tests have another.
pub trait Transport {
    /// Sends one request once, within the time-out that the implementation was made with.
    fn send(&self, request: WireRequest) -> impl Future<Output = Delivery>;
}

impl fmt::Debug for WireRequest {
    /// Header values and bodies may hold credentials, so only names and lengths are shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| &**name).collect();
        formatter
            .debug_struct("WireRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &names)
            .field("body_length", &self.body.as_ref().map(Vec::len))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_header_value_and_no_body() {
        let request = WireRequest {
            method: "POST".to_owned(),
            url: "https://ca.example/x".to_owned(),
            headers: vec![("x-key".into(), "hunter2".into())],
            body: Some(b"hunter3".to_vec()),
        };
        let shown = format!("{request:?}");
        assert!(shown.contains("x-key") && shown.contains("body_length: Some(7)"), "{shown}");
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
