//! HTTP connections: which request goes out on which, the thread that speaks on them, and what came of each.
//!
//! HTTP/1.1 tells by their order alone whose answer an answer is (RFC 9112, section 9.3.2): a server, or a gateway before it, that sends more
//! than was asked puts every later answer in the place of another one. So each kept connection is a client of its own, with one request at a
//! time. It is kept only as long as all its answers were good news, and the one that has rested longest serves next: what comes unasked
//! meanwhile is read by the client under it, which closes it for that.
//!
//! Requests are handed to the thread, and what came of each comes back. So whoever decides what is sent never waits for a socket, and no socket
//! for whoever decides. The thread sends each request once, and decides what surely did not reach the provider, since whatever is not sure is
//! lost, never "not sent". Bodies may come in a coding (RFC 9110, section 8.4), which nobody asked for: gateways compress all the same. What
//! a coding hides is bounded like any other body.

use super::Delivery;
use super::proxy::Proxies;
use super::tls::{self, ClientError};
use crate::provider::Answer;
use crate::text::{file, safe};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use reqwest::{Client, Request, Response, Url, Version};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::io::Read;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// The way to the thread. Cheap to clone; the thread ends, with whatever is in flight, when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct HttpHandle(mpsc::UnboundedSender<Job>);

/// The connections of one account to one side of the world.
pub(super) struct Connections {
    connect: Box<dyn Fn() -> Result<Client, ClientError>>,
    /// That rest, the one that has rested longest first.
    resting: RefCell<VecDeque<Connection>>,
    in_use: Cell<usize>,
    /// While there are fewer, another is opened rather than one taken that was in use just now.
    most: usize,
}

/// A connection that one request goes out on.
#[derive(Debug)]
pub(super) struct Connection {
    /// Keeps this one connection alone.
    pub(super) client: Client,
    /// Whether other requests were answered on it.
    pub(super) used: bool,
    rests_since: Instant,
}

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
        let setup =
            |error: std::io::Error| ClientError::Setup(format!("starting its thread: {}", file::reason(&error)));
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

impl Connections {
    /// For so many requests at once, by clients that this function makes, each of which keeps one connection.
    pub(super) fn new(concurrency: usize, connect: impl Fn() -> Result<Client, ClientError> + 'static) -> Self {
        let most = concurrency + SPARE;
        Self { connect: Box::new(connect), resting: RefCell::default(), in_use: Cell::new(0), most }
    }

    /// A connection for one request; with `fresh`, one that no other has used. Nothing is opened before something is sent.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(super) fn take(&self, fresh: bool) -> Result<Connection, ClientError> {
        let now = Instant::now();
        let mut resting = self.resting.borrow_mut();
        while resting.front().is_some_and(|first| now - first.rests_since >= MAX_REST) {
            resting.pop_front();
        }
        let full = self.in_use.get() + resting.len() >= self.most;
        let serves = |first: &Connection| full || now - first.rests_since >= MIN_REST;
        let connection = match resting.front() {
            Some(first) if !fresh && serves(first) => resting.pop_front(),
            _ => None,
        };
        let connection = match connection {
            Some(connection) => connection,
            None => Connection { client: (self.connect)()?, used: false, rests_since: now },
        };
        self.in_use.set(self.in_use.get() + 1);
        Ok(connection)
    }

    /// The request is over. A connection that is not kept is closed with its client.
    pub(super) fn give_back(&self, connection: Connection, kept: bool) {
        self.in_use.set(self.in_use.get().saturating_sub(1));
        if kept {
            let rested = Connection { used: true, rests_since: Instant::now(), ..connection };
            self.resting.borrow_mut().push_back(rested);
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connections").field("resting", &self.resting).finish_non_exhaustive()
    }
}

/// Why there is no connection, as words, and whether a person must change something before there can be one.
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

/// The whole chain of causes as one safe line; a cause that only repeats the one above is left out, and so are the HTTP client's words that say
/// where in it the cause struck.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = file::without_numbers(&error.to_string());
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

/// The codings of a body, in the order in which they were put on it.
pub(super) fn codings(fields: &HeaderMap) -> String {
    let values = fields.get_all(CONTENT_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(",")
}

/// Takes the codings of a body away, those of its `Content-Encoding` field, the last one first.
///
/// # Errors
/// Why it cannot be read, as a sentence about the body.
pub(super) fn decode(codings: &str, mut body: Vec<u8>, most: usize) -> Result<Vec<u8>, String> {
    // An empty body, such as that of a 204, is in no coding, whatever a gateway says of it.
    if body.is_empty() {
        return Ok(body);
    }
    for coding in codings.rsplit(',').map(str::trim).filter(|coding| !coding.is_empty()) {
        let read = match coding.to_ascii_lowercase().as_str() {
            "identity" => Some(body),
            "gzip" | "x-gzip" => inflate(MultiGzDecoder::new(&*body), most),
            // Named after RFC 1950, and sent by some as RFC 1951 alone.
            "deflate" => inflate(ZlibDecoder::new(&*body), most).or_else(|| inflate(DeflateDecoder::new(&*body), most)),
            _ => return Err(format!("it is in the content coding `{coding}`, which is not read here")),
        };
        body = read.ok_or_else(|| format!("it is not what its content coding `{coding}` says"))?;
        if body.len() > most {
            return Err(format!(
                "it is longer than {} MiB once its content coding `{coding}` is taken away",
                most >> 20
            ));
        }
    }
    Ok(body)
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

async fn unconnected(error: &reqwest::Error, destination: &Url, proxies: Option<&Proxies>) -> Delivery {
    let (words, lasts) = no_connection(error, destination, proxies).await;
    if lasts { Delivery::Barred(words) } else { Delivery::NotSent(words) }
}

async fn read(mut response: Response) -> Delivery {
    let status = response.status().as_u16();
    let fields = response.headers();
    // Whoever sends both may mean to deceive one of two readers on the way; where the body ends is not sure then, nor what follows it
    // (RFC 9112, section 6.3).
    if fields.contains_key(TRANSFER_ENCODING) && fields.contains_key(CONTENT_LENGTH) {
        return Delivery::Lost(format!(
            "HTTP {status} with `Content-Length` and `Transfer-Encoding`: its end is not sure"
        ));
    }
    // A transfer coding is a part of how the message is framed, and no other than `chunked` was asked for (RFC 9112, section 7.4).
    if fields.get_all(TRANSFER_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
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

/// The whole, or one byte more than is read at most.
fn inflate(coded: impl Read, most: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    coded.take(most as u64 + 1).read_to_end(&mut plain).ok().map(|_| plain)
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
/// Longer than a connection needs to bring what a gateway sends at the heels of an answer; short beside the time that providers' limits
/// leave between two requests.
const MIN_REST: Duration = Duration::from_millis(50);
/// So many connections more than requests at once, so that each can rest.
const SPARE: usize = 8;
/// Providers close idle connections after about a minute; ours are gone before that.
pub(super) const MAX_REST: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use reqwest::Method;
    use std::io::Write;

    #[test]
    fn of_a_chain_of_causes_what_the_client_says_of_itself_is_left_out() {
        #[derive(Debug)]
        struct Link(&'static str, Option<Box<Self>>);
        impl fmt::Display for Link {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
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

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut coder = GzEncoder::new(Vec::new(), Compression::default());
        coder.write_all(plain).unwrap();
        coder.finish().unwrap()
    }

    #[test]
    fn codings_are_taken_away_or_named() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(b"plain").unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(b"plain").unwrap();
        let cut = gzip(b"plain")[..12].to_vec();
        for (codings, body, expected) in [
            ("gzip", gzip(b"plain"), Ok("plain")),
            ("X-GZIP", gzip(b"plain"), Ok("plain")),
            ("gzip", [gzip(b"pl"), gzip(b"ain")].concat(), Ok("plain")),
            ("gzip, gzip", gzip(&gzip(b"plain")), Ok("plain")),
            ("identity, gzip", gzip(b"plain"), Ok("plain")),
            ("deflate", zlib.finish().unwrap(), Ok("plain")),
            ("deflate", raw.finish().unwrap(), Ok("plain")),
            ("identity", b"plain".to_vec(), Ok("plain")),
            ("", b"plain".to_vec(), Ok("plain")),
            ("gzip", Vec::new(), Ok("")),
            ("br", Vec::new(), Ok("")),
            ("br", b"?".to_vec(), Err("it is in the content coding `br`, which")),
            ("zstd, gzip", gzip(b"?"), Err("it is in the content coding `zstd`, which")),
            ("gzip", b"plain".to_vec(), Err("it is not what its content coding `gzip` says")),
            ("gzip", cut, Err("it is not what its content coding `gzip` says")),
            ("deflate", b"plain".to_vec(), Err("it is not what its content coding `deflate` says")),
            ("gzip", gzip(&vec![b'x'; MOST]), Ok("")),
            ("gzip", gzip(&vec![b'x'; 40 * MOST]), Err("it is longer than 1 MiB")),
            ("gzip, gzip", gzip(&gzip(&vec![0; 200 * MOST])), Err("it is longer than 1 MiB")),
        ] {
            match (decode(codings, body, MOST), expected) {
                (Ok(plain), Ok("")) => assert!(plain.is_empty() || plain.len() == MOST, "{codings}"),
                (Ok(plain), expected) => assert_eq!(Ok(std::str::from_utf8(&plain).unwrap()), expected, "{codings}"),
                (Err(why), Err(expected)) => assert!(why.starts_with(expected), "{codings}: {why}"),
                (Err(why), Ok(_)) => panic!("{codings}: {why}"),
            }
        }
    }

    const MOST: usize = 1 << 20;
}
