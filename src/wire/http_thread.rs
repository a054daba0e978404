//! The thread that speaks HTTP: requests are handed to it, and what came of each comes back. So whoever decides what is sent never
//! waits for a socket, and no socket for whoever decides. It decides what surely did not reach the provider, since whatever is not
//! sure is lost, never "not sent"; and it sends each request once.

use super::Delivery;
use super::content_coding::{codings, decode};
use super::proxy::Proxies;
use super::tls::{self, ClientError};
use crate::provider::Answer;
use crate::text::safe;
use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use reqwest::{Client, Request, Response, Url, Version, header};
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The way to the thread. Cheap to clone; the thread ends, with whatever is in flight, when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct HttpHandle(mpsc::UnboundedSender<Job>);

/// A request, and who waits for its delivery.
#[derive(Debug)]
struct Job {
    client: Client,
    request: Request,
    /// The proxies that it may go through.
    proxies: Option<Arc<Proxies>>,
    delivered: oneshot::Sender<Exchanged>,
}

/// What came of a request, and whether that is told by more than its place: HTTP/2 numbers requests and answers.
type Exchanged = (Delivery, bool);

impl HttpHandle {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread, or none that can wait for sockets.
    pub fn start() -> Result<Self, ClientError> {
        let setup = |error: std::io::Error| ClientError::Setup(format!("starting its thread: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(setup)?;
        let (sender, mut jobs) = mpsc::unbounded_channel();
        let serve = async move {
            let mut in_flight = FuturesUnordered::new();
            let mut finished: Vec<std::thread::Result<(oneshot::Sender<Exchanged>, Exchanged)>> = Vec::new();
            loop {
                tokio::select! {
                    biased;
                    Some(first) = in_flight.next() => {
                        finished.push(first);
                        while let Some(Some(next)) = in_flight.next().now_or_never() {
                            finished.push(next);
                        }
                        // All at once, so that the dispatcher wakes up once for many answers. Who no longer waits gets none.
                        for (delivered, delivery) in finished.drain(..).flatten() {
                            drop(delivered.send(delivery));
                        }
                    }
                    job = jobs.recv() => match job {
                        // A panic ends one exchange: the others are requests that may have taken effect already.
                        Some(Job { client, request, proxies, delivered }) => {
                            let exchange = async move { (delivered, exchange(&client, request, proxies.as_deref()).await) };
                            in_flight.push(AssertUnwindSafe(exchange).catch_unwind());
                        }
                        None => return,
                    },
                }
            }
        };
        let thread = std::thread::Builder::new().name("http".to_owned());
        thread.spawn(move || runtime.block_on(serve)).map_err(setup)?;
        Ok(Self(sender))
    }

    /// Has a request sent, and waits for what comes of it.
    pub(super) async fn send(&self, client: Client, request: Request, proxies: Option<Arc<Proxies>>) -> Exchanged {
        let (delivered, delivery) = oneshot::channel();
        if self.0.send(Job { client, request, proxies, delivered }).is_err() {
            // It ends before its handles only where the system no longer says which sockets are ready: trying again would not help.
            return (
                Delivery::Barred("the thread that sends is gone; `certsweep resume` begins with another".to_owned()),
                false,
            );
        }
        let lost = || Delivery::Lost("an internal error struck while it was under way".to_owned());
        delivery.await.unwrap_or_else(|_| (lost(), false))
    }
}

/// Sends a request, and says what came of it.
async fn exchange(client: &Client, request: Request, proxies: Option<&Proxies>) -> Exchanged {
    let destination = request.url().clone();
    match client.execute(request).await {
        Ok(response) => {
            let numbered = response.version() == Version::HTTP_2;
            (read(response).await, numbered)
        }
        // Before there is a connection, TLS included, no byte of a request has left; after that, one may have.
        Err(error) if error.is_builder() => (Delivery::NotSent(chain(&error.without_url())), false),
        // With TLS 1.3 a server refuses a client after that has spoken, and has read nothing of it (RFC 8446, section 4.4.2.4).
        Err(error) if error.is_connect() || tls::lasting_cause(&error).is_some() => {
            (unconnected(&error.without_url(), &destination, proxies).await, false)
        }
        Err(error) => (Delivery::Lost(chain(&error.without_url())), false),
    }
}

/// Why there is no connection, and whether a person must change something before there can be one.
async fn unconnected(error: &reqwest::Error, destination: &Url, proxies: Option<&Proxies>) -> Delivery {
    let (words, lasts) = no_connection(error, destination, proxies).await;
    if lasts { Delivery::Barred(words) } else { Delivery::NotSent(words) }
}

/// The same, as words.
pub(super) async fn no_connection(
    error: &reqwest::Error,
    destination: &Url,
    proxies: Option<&Proxies>,
) -> (String, bool) {
    let proxy = proxies.and_then(|proxies| proxies.to(destination.as_str()));
    let (words, lasts) = match (tls::lasting_cause(error), proxy) {
        (Some(cause), Some(proxy)) => {
            (format!("{cause}; the way leads through {proxy}, which may show a certificate of its own"), true)
        }
        (Some(cause), None) => (cause, true),
        (None, Some(proxy)) => proxy.explain(&chain(error), destination).await,
        (None, None) => (chain(error), false),
    };
    (safe::terminal(&words).into_owned(), lasts)
}

async fn read(mut response: Response) -> Delivery {
    let status = response.status().as_u16();
    let fields = response.headers();
    // Whoever sends both may mean to deceive one of two readers on the way; where the body ends is not sure then, nor what follows it
    // (RFC 9112, section 6.3).
    if fields.contains_key(header::TRANSFER_ENCODING) && fields.contains_key(header::CONTENT_LENGTH) {
        return Delivery::Lost(format!(
            "HTTP {status} with `Content-Length` and `Transfer-Encoding`: its end is not sure"
        ));
    }
    // A transfer coding is a part of how the message is framed, and no other than `chunked` was asked for (RFC 9112, section 7.4).
    if fields
        .get_all(header::TRANSFER_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Delivery::Lost(format!("HTTP {status} in a transfer coding that is not read here"));
    }
    let codings = codings(fields);
    let headers = fields.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    let headers = headers.collect();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_BODY => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Delivery::Lost(format!("HTTP {status} with a body longer than 1 MiB")),
            Ok(None) => {
                return Delivery::Answered(match decode(&codings, body, MAX_BODY) {
                    Ok(body) => Answer::new(status, headers, body),
                    Err(why) => Answer::unreadable(status, headers, safe::terminal(&why).into_owned()),
                });
            }
            Err(error) => {
                return Delivery::Lost(format!(
                    "HTTP {status}, then the body broke off: {}",
                    chain(&error.without_url())
                ));
            }
        }
    }
}

/// The whole chain of causes as one safe line; a cause that only repeats the one above is left out, and so are the HTTP client's words that say
/// where in it the cause struck.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string();
        next = error.source();
        if text.ends_with(&words) || next.is_some() && WITHOUT_CAUSE.contains(&words.as_str()) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&words);
    }
    safe::terminal(&text).into_owned()
}

/// What the HTTP client says above a cause, of which only the cause is news.
const WITHOUT_CAUSE: [&str; 5] = [
    "error sending request",
    "client error (SendRequest)",
    "client error (Connect)",
    "error decoding response body",
    "request or response body error",
];
/// Answers of CAs have some hundred bytes; what is longer would only fill the memory.
pub(super) const MAX_BODY: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Method;

    #[test]
    fn of_a_chain_of_causes_what_the_client_says_of_itself_is_left_out() {
        #[derive(Debug)]
        struct Link(&'static str, Option<Box<Self>>);
        impl std::fmt::Display for Link {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.0)
            }
        }
        impl Error for Link {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                self.1.as_deref().map(|link| link as _)
            }
        }
        for (words, expected) in [
            (&["error sending request", "operation timed out"][..], "operation timed out"),
            (
                &["error sending request", "client error (Connect)", "tcp connect error", "refused"],
                "tcp connect error: refused",
            ),
            (&["a: b", "b", "c"], "a: b: c"),
            (&["error sending request"], "error sending request"),
        ] {
            let chained = words.iter().rev().fold(None, |below, words| Some(Box::new(Link(words, below))));
            assert_eq!(chain(&*chained.unwrap()), expected);
        }
    }

    #[tokio::test]
    async fn a_request_is_lost_where_the_thread_ended_before_it_answered_and_barred_where_it_had_ended_before() {
        let (sender, mut jobs) = mpsc::unbounded_channel();
        let http = HttpHandle(sender);
        let send = || async {
            let request = Request::new(Method::GET, Url::parse("http://127.0.0.1:1/").unwrap());
            http.send(Client::new(), request, None).await.0
        };
        let (taken, ()) = tokio::join!(send(), async { drop(jobs.recv().await) });
        assert!(matches!(taken, Delivery::Lost(_)));
        let (waiting, ()) = tokio::join!(biased; send(), async { drop(jobs) });
        assert!(matches!(waiting, Delivery::Lost(_)), "it might have been taken");
        assert!(matches!(send().await, Delivery::Barred(_)), "it is not tried again");
    }
}
