//! The transport that speaks HTTP: the clients, set up so that each request is sent once (no redirects, no repeats, no cookies), and
//! requests as they want them, or a sentence why one must not be sent: plain HTTP outside loopback, credentials in a URL, a path that
//! a reader of URLs would change.

use super::connections::{Connections, MAX_REST};
use super::handshake;
use super::http_thread::{HttpHandle, chain};
use super::identity::ClientIdentity;
use super::proxy::{Proxies, is_loopback};
use super::tls::{self, ClientError};
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
#[path = "client_tests.rs"]
mod tests;
