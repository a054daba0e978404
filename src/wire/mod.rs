//! One HTTP exchange: an operation and its parameters become a request, as it will be on the wire; it is signed at the moment of sending; what
//! came of it is a [`Delivery`], which also tells how far the provider's clock is from ours. [`Transport`] is the program's one seam to the
//! providers. Knows no plan and no journal.

mod acme;
pub mod client;
mod connections;
pub mod credentials;
mod handshake;
pub mod hook;
pub mod proxy;
pub mod request;
pub mod resolve;
pub mod revocation_status;
pub mod sign;
pub mod signer;
mod tls;
mod token;

pub use client::{HttpOptions, HttpTransport};
pub use connections::HttpHandle;
pub use credentials::{Credentials, SignError};
pub use proxy::{Proxies, Proxy};
pub use request::MaskedRequest;
pub use resolve::{CredentialError, Resolved};
pub use revocation_status::{FetchError, HttpStatusFetcher, StatusBody, StatusFetcher, StatusRequest};
pub use signer::{Signer, SigningTicket};
pub use tls::ClientIdentity;

use crate::pki::TlsServer;
use crate::provider::Answer;
use jiff::{SignedDuration, Timestamp};
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

/// Which connection a request goes out on, and whether that serves others afterwards.
#[derive(Clone, Copy)]
pub struct ConnectionUse<'a> {
    /// No other request has used the connection: no answer to another one can be taken for this one's.
    pub fresh: bool,
    /// Which answers leave the connection to others. After bad news something may follow that nobody asked for: gateways that give up, or
    /// answer before they have read, do so.
    pub keeps: &'a dyn Fn(&Answer) -> bool,
}

/// What came of sending a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It surely did not reach the provider: no name, no connection, no TLS. The text keeps the cause.
    NotSent(String),
    /// The same, and nothing will reach it before a person has changed something: it is not who it should be, or a proxy wants
    /// other credentials.
    Barred(String),
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
    fn send(&self, request: WireRequest, via: ConnectionUse<'_>) -> impl Future<Output = Delivery>;

    /// The certificate that a server shows in a handshake of TLS, in DER, within the same time-out; nothing else is said to it. An error is a sentence
    /// that is safe to show.
    fn shown_certificate(&self, server: &TlsServer) -> impl Future<Output = Result<Vec<u8>, String>>;
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

impl Default for ConnectionUse<'_> {
    /// Any connection, and what HTTP calls a success.
    fn default() -> Self {
        Self { fresh: false, keeps: &|answer| (200..300).contains(&answer.status) }
    }
}

impl fmt::Debug for ConnectionUse<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ConnectionUse").field("fresh", &self.fresh).finish_non_exhaustive()
    }
}

/// How far our clock is ahead of the provider's (negative: behind), where that is over a minute; `None` where it is not, or
/// where the answer has no readable `Date`.
pub fn clock_skew(answer: &Answer, now: Timestamp) -> Option<SignedDuration> {
    let date = jiff::fmt::rfc2822::parse(answer.header("date")?).ok()?.timestamp();
    let skew = now.duration_since(date);
    (skew.abs() > TOLERATED_SKEW).then_some(skew)
}

/// Providers refuse signatures that are some minutes off; `Date` has whole seconds, and answers take their time.
const TOLERATED_SKEW: SignedDuration = SignedDuration::from_secs(60);

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

    #[test]
    fn a_clock_skew_counts_above_a_minute() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (date, expected) in [
            (Some("Sun, 22 Nov 2026 12:00:00 GMT"), None),
            (Some("Sun, 22 Nov 2026 11:59:00 GMT"), None),
            (Some("Sun, 22 Nov 2026 11:58:59 GMT"), Some(61)),
            (Some("Sun, 22 Nov 2026 12:05:00 GMT"), Some(-300)),
            (Some("nonsense"), None),
            (Some(""), None),
            (None, None),
        ] {
            let headers = date.map(|date| ("date".to_owned(), date.to_owned())).into_iter().collect();
            let answer = Answer::new(200, headers, Vec::new());
            assert_eq!(clock_skew(&answer, now), expected.map(SignedDuration::from_secs), "{date:?}");
        }
    }
}
