//! The thread that speaks HTTP: requests are handed to it, and what came of each comes back. So whoever decides what is sent never
//! waits for a socket, and no socket for whoever decides. It decides what surely did not reach the provider, since whatever is not
//! sure is lost, never "not sent"; and it sends each request once.

use super::transport::Delivery;
use crate::provider::Answer;
use crate::text::safe;
use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use reqwest::{Client, Request, Response};
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use tokio::sync::{mpsc, oneshot};

/// The way to the thread. Cheap to clone; the thread ends, with whatever is in flight, when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Line(mpsc::UnboundedSender<Job>);

/// A request, and who waits for its delivery.
#[derive(Debug)]
struct Job {
    client: Client,
    request: Request,
    delivered: oneshot::Sender<Delivery>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of additional roots cannot be read.
    #[error("cannot read the CA file `{path}`")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file of additional roots holds no certificates.
    #[error("the CA file `{path}` holds no certificate in PEM")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// TLS cannot be set up, for want of root certificates for example.
    #[error("cannot set up HTTPS: {0}")]
    Setup(String),
}

impl Line {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread, or none that can wait for sockets.
    pub fn open() -> Result<Self, ClientError> {
        let setup = |error: std::io::Error| ClientError::Setup(format!("starting its thread: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(setup)?;
        let (sender, mut jobs) = mpsc::unbounded_channel();
        let serve = async move {
            let mut in_flight = FuturesUnordered::new();
            let mut finished: Vec<std::thread::Result<(oneshot::Sender<Delivery>, Delivery)>> = Vec::new();
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
                        Some(Job { client, request, delivered }) => in_flight.push(
                            AssertUnwindSafe(async move { (delivered, exchange(&client, request).await) }).catch_unwind(),
                        ),
                        None => return,
                    },
                }
            }
        };
        let thread = std::thread::Builder::new().name("http".to_owned());
        thread.spawn(move || runtime.block_on(serve)).map_err(setup)?;
        Ok(Self(sender))
    }

    /// Has a request sent, and waits for its delivery.
    pub(super) async fn send(&self, client: Client, request: Request) -> Delivery {
        let (delivered, delivery) = oneshot::channel();
        if self.0.send(Job { client, request, delivered }).is_err() {
            return Delivery::NotSent("the thread that sends is gone".to_owned());
        }
        delivery.await.unwrap_or_else(|_| Delivery::Lost("an internal error struck while it was under way".to_owned()))
    }
}

/// Sends a request, and says what came of it.
async fn exchange(client: &Client, request: Request) -> Delivery {
    match client.execute(request).await {
        Ok(response) => read(response).await,
        // Before there is a connection, TLS included, no byte of a request has left; after that, one may have.
        Err(error) if error.is_builder() || error.is_connect() => Delivery::NotSent(chain(&error.without_url())),
        Err(error) => Delivery::Lost(chain(&error.without_url())),
    }
}

async fn read(mut response: Response) -> Delivery {
    let status = response.status().as_u16();
    let fields = response.headers().iter();
    let headers = fields.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))).collect();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_BODY => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Delivery::Lost(format!("HTTP {status} with a body longer than 1 MiB")),
            Ok(None) => return Delivery::Answered(Answer::new(status, headers, body)),
            Err(error) => {
                return Delivery::Lost(format!(
                    "HTTP {status}, then the body broke off: {}",
                    chain(&error.without_url())
                ));
            }
        }
    }
}

/// The whole chain of causes as one safe line; a cause that only repeats the one above is left out.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    if text.contains(UNKNOWN_ISSUER) {
        text.push_str("; `--ca-file FILE` trusts the certificates in that file too");
    }
    safe::terminal(&text).into_owned()
}

/// The words of rustls, whose errors are not in reach here.
const UNKNOWN_ISSUER: &str = "invalid peer certificate: UnknownIssuer";
/// Answers of CAs have some hundred bytes; what is longer would only fill the memory.
pub(super) const MAX_BODY: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::{Method, Url};

    #[tokio::test]
    async fn a_request_is_lost_where_the_thread_ended_before_it_answered_and_not_sent_where_it_had_ended_before() {
        let (sender, mut jobs) = mpsc::unbounded_channel();
        let line = Line(sender);
        let send = || line.send(Client::new(), Request::new(Method::GET, Url::parse("http://127.0.0.1:1/").unwrap()));
        let (taken, ()) = tokio::join!(send(), async { drop(jobs.recv().await) });
        assert!(matches!(taken, Delivery::Lost(_)));
        let (waiting, ()) = tokio::join!(biased; send(), async { drop(jobs) });
        assert!(matches!(waiting, Delivery::Lost(_)), "it might have been taken");
        assert!(matches!(send().await, Delivery::NotSent(_)));
    }
}
