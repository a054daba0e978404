//! The transport that speaks HTTP: the clients, set up so that each request is sent once (no redirects, no repeats, no cookies), and
//! requests as they want them, or a sentence why one must not be sent: plain HTTP outside loopback, credentials in a URL, a path that
//! a reader of URLs would change.

use super::connections::{Connections, HttpHandle, MAX_REST, chain};
use super::handshake;
use super::proxy::{Proxies, is_loopback};
use super::tls::{self, ClientError, ClientIdentity};
use super::{ConnectionUse, Delivery, Transport, WireRequest};
use crate::pki::TlsServer;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, Method, Request, Url, redirect, retry};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a client is made with.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// One attempt, from the connection to the last byte.
    pub timeout: Duration,
    /// Connections that are kept open to one host.
    pub concurrency: usize,
    /// A file whose certificates are trusted beside the platform's roots: PEM, or one in DER.
    pub ca_file: Option<PathBuf>,
    /// What the client shows of itself in TLS, where servers ask.
    pub identity: Option<ClientIdentity>,
}

/// Sends requests over HTTP.
#[derive(Debug)]
pub struct HttpTransport {
    /// To the world; proxies from the environment apply.
    outward: Option<Connections>,
    /// To loopback, where no proxy has any business.
    loopback: Connections,
    proxies: Arc<Proxies>,
    http: HttpHandle,
    timeout: Duration,
}

impl HttpTransport {
    /// Makes a transport, whose requests go out on this line.
    ///
    /// # Errors
    /// The CA file cannot be used, or the platform gives no root certificates.
    pub fn new(options: &HttpOptions, http: &HttpHandle) -> Result<Self, ClientError> {
        let trusted = options.ca_file.as_deref().map(tls::read_ca_file).transpose()?.unwrap_or_default();
        // Made once: its parts are shared by all connections, the memory of earlier TLS sessions among them.
        let tls = tls::configure(trusted, options.identity.as_ref())?;
        let (timeout, most) = (options.timeout, options.concurrency);
        let (inward, proxies) = (tls.clone(), Arc::new(Proxies::from_env()));
        let outward = move || build(configured(timeout).tls_backend_preconfigured(tls.clone()));
        let loopback = move || build(configured(timeout).tls_backend_preconfigured(inward.clone()).no_proxy());
        let (outward, loopback) = (Connections::new(most, outward), Connections::new(most, loopback));
        Ok(Self { outward: Some(outward), loopback, proxies, http: http.clone(), timeout })
    }

    /// A transport for loopback alone, such as for the simulator: it refuses all other hosts. By TLS it trusts certificates of `issuers` (PEM), and of nobody
    /// else.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn loopback_only(options: &HttpOptions, issuers: Option<&str>, http: &HttpHandle) -> Result<Self, ClientError> {
        let timeout = options.timeout;
        let tls = issuers.map(|issuers| tls::configure_alone(issuers, options.identity.as_ref())).transpose()?;
        let loopback = move || {
            let client = configured(timeout).no_proxy();
            build(match tls.clone() {
                Some(tls) => client.tls_backend_preconfigured(tls),
                None => client.tls_certs_only([]),
            })
        };
        // Found out here, not at the first request.
        loopback()?;
        let loopback = Connections::new(options.concurrency, loopback);
        Ok(Self { outward: None, loopback, proxies: Arc::default(), http: http.clone(), timeout })
    }
}

impl Transport for HttpTransport {
    async fn send(&self, request: WireRequest, via: ConnectionUse<'_>) -> Delivery {
        let request = match prepare(request) {
            Ok(prepared) => prepared,
            Err(why) => return Delivery::NotSent(why),
        };
        let (connections, proxies) = if is_loopback(request.url()) {
            (Some(&self.loopback), None)
        } else {
            (self.outward.as_ref(), Some(&self.proxies))
        };
        let Some(connections) = connections else {
            return Delivery::NotSent("only loopback is spoken to here".to_owned());
        };
        let connection = match connections.take(via.fresh) {
            Ok(connection) => connection,
            Err(error) => return Delivery::NotSent(error.to_string()),
        };
        let exchanged = self.http.send(connection.client.clone(), request, proxies.map(Arc::clone)).await;
        match exchanged {
            // Its answers carry the numbers of their requests (RFC 9113, section 5.1.1).
            (Delivery::Answered(answer), true) => {
                connections.give_back(connection, true);
                Delivery::Answered(answer)
            }
            (Delivery::Answered(mut answer), false) => {
                answer.by_order = connection.used;
                connections.give_back(connection, (via.keeps)(&answer));
                Delivery::Answered(answer)
            }
            (delivery, _) => {
                connections.give_back(connection, false);
                delivery
            }
        }
    }

    async fn shown_certificate(&self, server: &TlsServer) -> Result<Vec<u8>, String> {
        if self.outward.is_none() {
            return Err("only loopback is spoken to here".to_owned());
        }
        // Boxed: only those who look need the room.
        Box::pin(handshake::shown_certificate(server, &self.proxies, self.timeout)).await
    }
}

/// The request as the library wants it.
fn prepare(request: WireRequest) -> Result<Request, String> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut prepared = Request::new(method, sendable(&request.url)?);
    for (name, value) in request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header field's name is none".to_owned())?;
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| format!("the header field `{name}` holds characters that it cannot carry"))?;
        // Kept out of logs, and out of HTTP/2's shared compression table (RFC 7541, section 7.1.3). Which fields are secret only
        // signers know.
        value.set_sensitive(true);
        prepared.headers_mut().append(name, value);
    }
    *prepared.body_mut() = request.body.map(Into::into);
    Ok(prepared)
}

/// A URL that requests may go to, and that leads where its text says.
fn sendable(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("the URL cannot be read: {error}"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err("plain http is refused for anything but loopback; use https".to_owned()),
        _ => return Err("the URL is neither https nor http".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL holds a user name or password".to_owned());
    }
    // `.` and `..` in a path are resolved by whoever reads a URL (RFC 3986, section 5.2.4): the request would go to another place
    // than was meant. And what signers hash must be what is sent.
    let unchanged = url.fragment().is_none() && path_and_query(url.as_str()) == path_and_query(text);
    if unchanged { Ok(url) } else { Err(CHANGED.to_owned()) }
}

/// What follows the host in a URL's text.
fn path_and_query(url: &str) -> &str {
    let host = url.find("://").map_or(0, |scheme| scheme + "://".len());
    url[host..].find('/').map_or("", |slash| &url[host + slash..])
}

/// A client that sends what it is given once, and keeps one connection.
pub(super) fn configured(timeout: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("certsweep/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        // The library would repeat what HTTP/2 refused: that is for whoever keeps the journal to decide.
        .retry(retry::never())
        .referer(false)
        .timeout(timeout)
        // Shorter than the whole, so that a connection that never came about is known for what it is.
        .connect_timeout((timeout / 2).min(MAX_CONNECT))
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(MAX_REST)
        .tcp_nodelay(true)
}

fn build(builder: ClientBuilder) -> Result<Client, ClientError> {
    builder.build().map_err(|error| ClientError::Setup(chain(&error)))
}

const CHANGED: &str = "the URL's path would be changed on its way; it holds `.`, `..` or bare special characters";
/// Whoever does not answer for so long is not there.
const MAX_CONNECT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::answer::Content;
    use crate::wire::connections::MAX_BODY;
    use std::path::Path;
    use std::sync::Mutex;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio_rustls::rustls::server::WebPkiClientVerifier;
    use tokio_rustls::rustls::{RootCertStore, ServerConfig};

    // What comes of sending, against servers on loopback that misbehave byte by byte.
    /// What the server does once it has read a whole request.
    enum ScriptedReply {
        /// Writes these bytes and keeps the connection.
        Keep(Vec<u8>),
        /// Writes these bytes and closes the connection.
        Close(Vec<u8>),
        /// Writes these bytes and then nothing, for ever.
        Hang(Vec<u8>),
    }

    /// A server that gives its replies one after the other, over all connections, and keeps every request that it read.
    struct ScriptedServer {
        base: String,
        requests: Arc<Mutex<Vec<String>>>,
    }

    impl ScriptedServer {
        async fn start(replies: Vec<ScriptedReply>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            let requests = Arc::new(Mutex::new(Vec::new()));
            let replies = Arc::new(Mutex::new(replies.into_iter()));
            let kept = Arc::clone(&requests);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(converse(stream, Arc::clone(&replies), Arc::clone(&kept)));
                }
            });
            Self { base, requests }
        }

        fn requests(&self) -> Vec<String> {
            self.requests.lock().unwrap().clone()
        }
    }

    async fn converse(
        mut stream: TcpStream,
        replies: Arc<Mutex<std::vec::IntoIter<ScriptedReply>>>,
        requests: Arc<Mutex<Vec<String>>>,
    ) {
        while let Some(request) = read_request(&mut stream).await {
            requests.lock().unwrap().push(request);
            let reply = replies.lock().unwrap().next();
            match reply {
                Some(ScriptedReply::Keep(bytes)) => stream.write_all(&bytes).await.unwrap(),
                Some(ScriptedReply::Close(bytes)) => return stream.write_all(&bytes).await.unwrap(),
                Some(ScriptedReply::Hang(bytes)) => {
                    stream.write_all(&bytes).await.unwrap();
                    std::future::pending().await
                }
                None => return,
            }
        }
    }

    async fn read_request(stream: &mut TcpStream) -> Option<String> {
        let mut text = String::new();
        loop {
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.parse::<usize>().unwrap());
                if body.len() >= length {
                    return Some(text);
                }
            }
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(length) => text.push_str(std::str::from_utf8(&buffer[..length]).unwrap()),
            }
        }
    }

    fn transport(timeout: Duration) -> HttpTransport {
        HttpTransport::loopback_only(
            &HttpOptions { timeout, concurrency: 2, ca_file: None, identity: None },
            None,
            &HttpHandle::start().unwrap(),
        )
        .unwrap()
    }

    fn patient() -> HttpTransport {
        transport(Duration::from_secs(20))
    }

    fn post(base: &str, path: &str) -> WireRequest {
        WireRequest {
            method: "POST".to_owned(),
            url: format!("{base}{path}"),
            headers: vec![("content-type".into(), "application/json".into()), ("x-key".into(), "k".into())],
            body: Some(b"{\"a\":1}".to_vec()),
        }
    }

    /// Sends one request to a server that gives one reply, and counts how often it arrived.
    async fn deliver(reply: ScriptedReply, timeout: Duration) -> (Delivery, usize) {
        let server = ScriptedServer::start(vec![reply]).await;
        let delivery = transport(timeout).send(post(&server.base, "/x"), ConnectionUse::default()).await;
        (delivery, server.requests().len())
    }

    fn describe(delivery: &Delivery) -> String {
        match delivery {
            Delivery::NotSent(why) | Delivery::Unsigned(why) => format!("not sent: {why}"),
            Delivery::Barred(why) => format!("barred: {why}"),
            Delivery::Lost(why) => format!("lost: {why}"),
            Delivery::Answered(answer) => format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
        }
    }

    #[tokio::test]
    async fn a_good_answer_is_whole_and_the_request_is_as_it_was_given() {
        let bytes =
            b"HTTP/1.1 201 Created\r\nX-Request-Id: 7\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nhi".to_vec();
        let server = ScriptedServer::start(vec![ScriptedReply::Keep(bytes.clone()), ScriptedReply::Keep(bytes)]).await;
        let transport = patient();
        for _ in 0..2 {
            let Delivery::Answered(answer) =
                transport.send(post(&server.base, "/a%2Fb?q=%20"), ConnectionUse::default()).await
            else {
                panic!("an answer")
            };
            assert_eq!((answer.status, answer.body.as_slice()), (201, b"hi".as_slice()));
            assert_eq!(answer.header("x-request-id"), Some("7"));
        }
        for request in server.requests() {
            let lower = request.to_lowercase();
            assert!(request.starts_with("POST /a%2Fb?q=%20 HTTP/1.1\r\n"), "{request}");
            assert!(request.ends_with("\r\n\r\n{\"a\":1}"), "{request}");
            assert!(lower.contains("x-key: k\r\n") && lower.contains("user-agent: certsweep/"), "{request}");
            assert!(lower.contains("content-length: 7\r\n"), "{request}");
            assert!(!lower.contains("cookie") && !lower.contains("accept-encoding"), "{request}");
        }
    }

    #[tokio::test]
    async fn what_is_not_a_whole_answer_is_lost() {
        let long = Duration::from_secs(20);
        let short = Duration::from_millis(200);
        let mut too_long = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        too_long.resize(too_long.len() + MAX_BODY + 1, b'x');
        for (name, reply, timeout, expected) in [
            ("closed", ScriptedReply::Close(Vec::new()), long, "lost: "),
            ("half a head", ScriptedReply::Close(b"HTTP/1.1 200 OK\r\nConte".to_vec()), long, "lost: "),
            (
                "half a body",
                ScriptedReply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()),
                long,
                "lost: HTTP 200",
            ),
            (
                "half a chunked body",
                ScriptedReply::Close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec()),
                long,
                "lost: HTTP 200",
            ),
            ("no status line", ScriptedReply::Close(b"garbage\r\n\r\n".to_vec()), long, "lost: "),
            ("too long", ScriptedReply::Close(too_long), long, "lost: HTTP 200 with a body longer than 1 MiB"),
            (
                "an end that is not sure",
                ScriptedReply::Keep(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
                        .to_vec(),
                ),
                long,
                "lost: HTTP 200 with `Content-Length` and `Transfer-Encoding`",
            ),
            (
                "another transfer coding",
                ScriptedReply::Close(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_vec(),
                ),
                long,
                "lost: HTTP 200 in a transfer coding that is not read here",
            ),
            ("silence", ScriptedReply::Hang(Vec::new()), short, "lost: "),
            (
                "a stalled body",
                ScriptedReply::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nh".to_vec()),
                short,
                "lost: HTTP 200",
            ),
            ("a stalled head", ScriptedReply::Hang(b"HTTP/1.1 200 OK\r\n".to_vec()), short, "lost: "),
        ] {
            let (delivery, arrived) = deliver(reply, timeout).await;
            let described = describe(&delivery);
            assert!(described.starts_with(expected), "{name}: {described}");
            assert_eq!(arrived, 1, "{name}");
        }
    }

    #[tokio::test]
    async fn redirects_and_retryable_statuses_are_answers() {
        for (head, expected) in [
            ("302 Found\r\nLocation: /elsewhere", "302 "),
            ("307 Temporary Redirect\r\nLocation: /elsewhere", "307 "),
            ("408 Request Timeout", "408 "),
            ("429 Too Many Requests\r\nRetry-After: 1", "429 "),
            ("503 Service Unavailable\r\nRetry-After: 0", "503 "),
        ] {
            let reply = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").into_bytes();
            let (delivery, arrived) = deliver(ScriptedReply::Keep(reply), Duration::from_secs(20)).await;
            assert_eq!((describe(&delivery).as_str(), arrived), (expected, 1));
        }
    }

    #[tokio::test]
    async fn a_body_in_a_coding_that_nobody_asked_for_is_read_or_said_not_to_be() {
        use std::io::Write;
        let gzip = |plain: &[u8]| {
            let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            coder.write_all(plain).unwrap();
            coder.finish().unwrap()
        };
        for (coding, body, expected) in [
            ("gzip", gzip(br#"{"id":7}"#), Ok(r#"{"id":7}"#)),
            ("identity", br#"{"id":7}"#.to_vec(), Ok(r#"{"id":7}"#)),
            ("br", vec![1, 2], Err("it is in the content coding `br`, which is not read here")),
            ("gzip", gzip(&vec![b' '; 100 * MAX_BODY]), Err("it is longer than 1 MiB once")),
        ] {
            let head =
                format!("HTTP/1.1 201 x\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
            let server = ScriptedServer::start(vec![ScriptedReply::Keep([head.as_bytes(), &body].concat())]).await;
            let Delivery::Answered(answer) = patient().send(post(&server.base, "/x"), ConnectionUse::default()).await
            else {
                panic!("an answer")
            };
            match expected {
                Ok(plain) => assert_eq!(
                    (answer.body.as_slice(), answer.content()),
                    (plain.as_bytes(), &Content::Json(serde_json::json!({"id": 7})))
                ),
                Err(why) => {
                    let found = matches!(answer.content(), Content::Unreadable(found) if found.starts_with(why));
                    assert!(found, "{answer:?}");
                    assert!(answer.body.is_empty(), "{answer:?}");
                }
            }
            assert_eq!(answer.status, 201);
        }
    }

    #[tokio::test]
    async fn kept_connections_serve_one_after_the_other_while_answers_are_good() {
        let answer = |status: &str| {
            ScriptedReply::Keep(format!("HTTP/1.1 {status} x\r\nContent-Length: 2\r\n\r\nok").into_bytes())
        };
        let server = ScriptedServer::start(["200", "200", "200", "400", "200"].map(answer).into()).await;
        let transport = patient();
        let send = async |path: &str, fresh: bool, keep: bool| {
            let via = ConnectionUse { fresh, keeps: &|_| keep };
            let Delivery::Answered(answer) = transport.send(post(&server.base, path), via).await else {
                panic!("an answer")
            };
            answer.by_order
        };
        assert!(!send("/1", false, true).await, "the first on its connection");
        tokio::time::sleep(Duration::from_millis(80)).await;
        assert!(send("/2", false, true).await, "the next goes where the first went");
        assert!(!send("/3", true, false).await, "one of its own");
        tokio::time::sleep(Duration::from_millis(80)).await;
        assert!(send("/4", false, false).await, "the refused one, which the connection does not outlive");
        tokio::time::sleep(Duration::from_millis(80)).await;
        assert!(!send("/5", false, true).await, "none is left");
    }

    #[tokio::test]
    async fn what_surely_did_not_leave_is_not_sent() {
        let refused = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            format!("http://{}", listener.local_addr().unwrap())
        };
        for (base, path, expected) in [
            (refused.as_str(), "/x", "refused"),
            ("http://ca.example", "/x", "plain http is refused"),
            ("http://10.0.0.1", "/x", "plain http is refused"),
            ("http://127.0.0.1.example", "/x", "plain http is refused"),
            ("ftp://127.0.0.1", "/x", "neither https nor http"),
            ("https://user:password@127.0.0.1", "/x", "user name or password"),
            (refused.as_str(), "/v1/../x", "would be changed"),
            (refused.as_str(), "/v1/%2e%2E/x", "would be changed"),
            (refused.as_str(), "/v1/{id}", "would be changed"),
            (refused.as_str(), "", "would be changed"),
            ("https://ca.example", "/x", "only loopback"),
            ("not a url", "", "cannot be read"),
        ] {
            let described = describe(&patient().send(post(base, path), ConnectionUse::default()).await);
            assert!(described.starts_with("not sent: ") && described.contains(expected), "{base}{path}: {described}");
        }
        let mut request = post(&refused, "/x");
        request.headers.push(("x-key".into(), "a\r\nb".into()));
        let described = describe(&patient().send(request, ConnectionUse::default()).await);
        assert!(described.contains("characters that it cannot carry") && !described.contains("a\r\nb"), "{described}");
    }

    #[tokio::test]
    async fn a_failed_tls_handshake_is_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut first = [0; 1];
            stream.read_exact(&mut first).await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            first[0]
        });
        let described = describe(&patient().send(post(&base, "/x"), ConnectionUse::default()).await);
        assert!(described.starts_with("not sent: "), "{described}");
        assert_eq!(server.await.unwrap(), 0x16, "a TLS handshake record, and no request");
    }

    #[tokio::test]
    async fn a_connection_that_never_answers_its_handshake_is_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap());
        let described =
            describe(&transport(Duration::from_secs(4)).send(post(&base, "/x"), ConnectionUse::default()).await);
        assert!(described.starts_with("not sent: "), "{described}");
    }

    #[tokio::test]
    async fn nothing_is_ever_sent_twice_over_a_connection_that_went_stale() {
        const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        // Kept alive, then closed in silence, at the moment of the next request or some time before it.
        for wait in [0, 1, 50] {
            let server =
                ScriptedServer::start(vec![ScriptedReply::Close(GOOD.to_vec()), ScriptedReply::Close(GOOD.to_vec())])
                    .await;
            let transport = patient();
            let first = transport.send(post(&server.base, "/1"), ConnectionUse::default()).await;
            assert_eq!(describe(&first), "200 ok");
            for _ in 0..wait {
                tokio::task::yield_now().await;
            }
            let second = describe(&transport.send(post(&server.base, "/2"), ConnectionUse::default()).await);
            let arrived = server.requests().iter().filter(|request| request.starts_with("POST /2 ")).count();
            // The request may go over a new connection where it was surely not written to the old one.
            assert!(
                second == "200 ok" && arrived == 1 || second.starts_with("lost: ") && arrived <= 1,
                "{second} {arrived}"
            );
        }
        // Kept alive, and closed after the next request was read: that request is lost, and stays alone.
        let server = ScriptedServer::start(vec![
            ScriptedReply::Keep(GOOD.to_vec()),
            ScriptedReply::Close(Vec::new()),
            ScriptedReply::Close(GOOD.to_vec()),
        ])
        .await;
        let transport = patient();
        assert_eq!(describe(&transport.send(post(&server.base, "/1"), ConnectionUse::default()).await), "200 ok");
        let second = describe(&transport.send(post(&server.base, "/2"), ConnectionUse::default()).await);
        assert!(second.starts_with("lost: "), "{second}");
        assert_eq!(server.requests().len(), 2);
    }

    #[test]
    fn unusable_ca_files_are_told() {
        let options = |path: &Path| HttpOptions {
            timeout: Duration::from_secs(1),
            concurrency: 1,
            ca_file: Some(path.to_owned()),
            identity: None,
        };
        let http = HttpHandle::start().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = HttpTransport::new(&options(file.path()), &http).unwrap_err().to_string();
        assert!(empty.contains("holds no certificate"), "{empty}");
        let missing = HttpTransport::new(&options(Path::new("/nowhere/ca.pem")), &http).unwrap_err();
        assert!(matches!(missing, ClientError::CaFile { .. }));
    }

    /// A TLS server on loopback that answers each connection's first request; with a client's roots it wants a certificate of its client.
    async fn tls_server(
        chain: Vec<CertificateDer<'static>>,
        key: &rcgen::KeyPair,
        clients: Option<RootCertStore>,
    ) -> String {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder();
        let config = match clients {
            Some(roots) => {
                config.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap())
            }
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntls").await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        format!("https://localhost:{port}")
    }

    /// What comes of a request to a server, where this file is trusted beside the platform's roots.
    async fn trusting(ca_file: &[u8], base: &str) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, ca_file).unwrap();
        let options = HttpOptions {
            timeout: Duration::from_secs(20),
            concurrency: 1,
            ca_file: Some(file.path().to_owned()),
            identity: None,
        };
        let transport = HttpTransport::new(&options, &HttpHandle::start().unwrap()).unwrap();
        describe(&transport.send(post(base, "/x"), ConnectionUse::default()).await)
    }

    #[tokio::test]
    async fn servers_are_verified_and_what_is_wrong_with_one_is_told() {
        let key = || rcgen::KeyPair::generate().unwrap();
        let parameters = |name: &str, years: (i32, i32)| {
            let names = if name.is_empty() { Vec::new() } else { vec![name.to_owned()] };
            let mut parameters = rcgen::CertificateParams::new(names).unwrap();
            parameters.distinguished_name.push(rcgen::DnType::CommonName, "the server");
            let [begins, ends] = [years.0, years.1].map(|year| rcgen::date_time_ymd(year, 1, 1));
            (parameters.not_before, parameters.not_after) = (begins, ends);
            parameters
        };
        let self_signed = |name: &str, years: (i32, i32), is_ca: bool| {
            let (key, mut parameters) = (key(), parameters(name, years));
            if is_ca {
                parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            }
            (parameters.self_signed(&key).unwrap(), key)
        };
        let now = (2020, 2100);
        let (like, other) = {
            let mut elsewhere = parameters("localhost", now);
            elsewhere.distinguished_name = rcgen::DistinguishedName::new();
            (self_signed("localhost", now, false).0, elsewhere.self_signed(&key()).unwrap())
        };
        let root = {
            let (key, mut parameters) = (key(), parameters("root.example", now));
            parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            parameters.distinguished_name.push(rcgen::DnType::CommonName, "Company Root");
            rcgen::CertifiedIssuer::self_signed(parameters, key).unwrap()
        };
        let issued = |name: &str, years: (i32, i32)| {
            let key = key();
            (parameters(name, years).signed_by(&key, &root).unwrap(), key)
        };
        let own = "it is issued by itself, and not known here (issued by `CN=the server`, valid from ";
        let as_pem = |certificate: &rcgen::Certificate| certificate.pem().into_bytes();
        let in_der = |certificate: &rcgen::Certificate| certificate.der().to_vec();
        for (name, (server, key), ca_file, expected) in [
            ("its own issuer", self_signed("localhost", now, false), None, own),
            (
                "its own issuer, and a CA",
                self_signed("localhost", now, true),
                None,
                "it is a CA's, not a server's (issued by",
            ),
            (
                "an issuer that nobody knows",
                issued("localhost", now),
                None,
                "its issuer is not known here (issued by `CN=Company Root`",
            ),
            (
                "an issuer of a known name",
                self_signed("localhost", now, false),
                Some(as_pem(&like)),
                "the issuer of that name",
            ),
            ("an issuer that is known", issued("localhost", now), Some(as_pem(root.as_ref())), ""),
            ("the same in DER", issued("localhost", now), Some(in_der(root.as_ref())), ""),
            (
                "another name",
                issued("elsewhere.example", now),
                Some(as_pem(root.as_ref())),
                "it is for elsewhere.example (issued by",
            ),
            ("no name", issued("", now), Some(as_pem(root.as_ref())), "it holds no name"),
            ("expired", issued("localhost", (2020, 2021)), Some(as_pem(root.as_ref())), "it has expired (issued by"),
            (
                "not yet valid",
                issued("localhost", (2090, 2100)),
                Some(as_pem(root.as_ref())),
                "it is not valid yet (issued by",
            ),
        ] {
            let base = tls_server(vec![server.der().clone()], &key, None).await;
            let described = trusting(&ca_file.unwrap_or_else(|| as_pem(&other)), &base).await;
            match expected {
                "" => assert_eq!(described, "200 tls", "{name}"),
                words => {
                    let begins = format!("barred: the certificate of localhost is not trusted: {words}");
                    assert!(described.starts_with(&begins), "{name}: {described}");
                    let by_file = ["not known", "of that name", "a CA's"].iter().any(|known| words.contains(known));
                    assert_eq!(described.contains("--ca-file"), by_file, "{name}: {described}");
                }
            }
            // The very certificate of the server, whoever issued it: name and validity count all the same.
            let own = [trusting(&as_pem(&server), &base).await, trusting(&in_der(&server), &base).await];
            for described in own {
                match expected {
                    words
                        if ["not known", "of that name", "a CA's"].iter().any(|known| words.contains(known))
                            || words.is_empty() =>
                    {
                        assert_eq!(described, "200 tls", "{name}")
                    }
                    words => assert!(described.contains(words), "{name}: {described}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn a_server_that_wants_a_clients_certificate_says_so_for_good() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let base = tls_server(vec![certificate.der().clone()], &key, Some(roots)).await;
        let described = trusting(certificate.pem().as_bytes(), &base).await;
        assert!(described.starts_with("barred: the server wants a client's certificate"), "{described}");
    }

    #[test]
    fn a_request_goes_where_its_text_says_or_nowhere() {
        for (url, expected) in [
            ("https://ca.example:44/a/b", Some("https://ca.example:44/a/b")),
            ("https://ca.example:44/a%2Fb?c=%2F&d", Some("https://ca.example:44/a%2Fb?c=%2F&d")),
            ("https://ca.example:443/a", Some("https://ca.example/a")),
            ("https://ca.example/a", Some("https://ca.example/a")),
            ("HTTPS://CA.Example:44/a", Some("https://ca.example:44/a")),
            ("http://127.0.0.1:44/a", Some("http://127.0.0.1:44/a")),
            ("https://ca.example:44/a/../b", None),
            ("https://ca.example:44/a b", None),
            ("https://ca.example:44/a\\b", None),
            ("https://ca.example:44/a#b", None),
            ("https://ca.example:44/a?b#c", None),
            ("https://ca.example:44/a?b c", None),
            ("https://ca.example:44", None),
            ("https://ca.example:44?a=/", None),
            ("https://ca.example:44#/", None),
            ("https://ca.example:44\\@other.example/a", None),
            ("https://ca.example:44@other.example/a", None),
            ("http://ca.example:44/a", None),
            ("ftp://ca.example:44/a", None),
        ] {
            let request =
                WireRequest { method: "GET".to_owned(), url: url.to_owned(), headers: Vec::new(), body: None };
            let prepared = prepare(request).ok();
            assert_eq!(prepared.as_ref().map(|request| request.url().as_str()), expected, "{url}");
        }
    }
}
