//! The transport that speaks HTTP: the clients, set up so that each request is sent once (no redirects, no repeats, no cookies), and
//! requests as they want them, or a sentence why one must not be sent: plain HTTP outside loopback, credentials in a URL, a path that
//! a reader of URLs would change.

use super::http_thread::{ClientError, Line, chain};
use super::transport::{Delivery, Transport, WireRequest};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Method, Request, Url, redirect, retry};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a client is made with.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// One attempt, from the connection to the last byte.
    pub timeout: Duration,
    /// Connections that are kept open to one host.
    pub concurrency: usize,
    /// A PEM file whose certificates are trusted beside the platform's roots.
    pub ca_file: Option<PathBuf>,
}

/// Sends requests over HTTP.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    /// For the world; proxies from the environment apply.
    outward: Option<Client>,
    /// For loopback, where no proxy has any business.
    loopback: Client,
    line: Line,
}

impl HttpTransport {
    /// Makes a client, whose requests go out on this line.
    ///
    /// # Errors
    /// The CA file cannot be used, or the platform gives no root certificates.
    pub fn new(options: &HttpOptions, line: &Line) -> Result<Self, ClientError> {
        let roots = options.ca_file.as_deref().map(read_roots).transpose()?.unwrap_or_default();
        let builder = || configured(options).tls_certs_merge(roots.clone());
        let setup = |error| ClientError::Setup(chain(&error));
        let loopback = builder().no_proxy().build().map_err(setup)?;
        Ok(Self { outward: Some(builder().build().map_err(setup)?), loopback, line: line.clone() })
    }

    /// A client for loopback alone, such as for the simulator: it needs no root certificates and refuses all other hosts.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn loopback_only(options: &HttpOptions, line: &Line) -> Result<Self, ClientError> {
        let loopback = configured(options).tls_certs_only([]).no_proxy().build();
        let loopback = loopback.map_err(|error| ClientError::Setup(chain(&error)))?;
        Ok(Self { outward: None, loopback, line: line.clone() })
    }
}

impl Transport for HttpTransport {
    async fn send(&self, request: WireRequest) -> Delivery {
        let request = match prepare(request) {
            Ok(prepared) => prepared,
            Err(why) => return Delivery::NotSent(why),
        };
        let client = if is_loopback(request.url()) { Some(&self.loopback) } else { self.outward.as_ref() };
        let Some(client) = client else {
            return Delivery::NotSent("only loopback is spoken to here".to_owned());
        };
        self.line.send(client.clone(), request).await
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

pub(super) fn configured(options: &HttpOptions) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("certsweep/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        // The library would repeat what HTTP/2 refused: that is for whoever keeps the journal to decide.
        .retry(retry::never())
        .referer(false)
        .timeout(options.timeout)
        // Shorter than the whole, so that a connection that never came about is known for what it is.
        .connect_timeout((options.timeout / 2).min(MAX_CONNECT))
        .pool_max_idle_per_host(options.concurrency)
        .pool_idle_timeout(MAX_IDLE)
        .tcp_nodelay(true)
}

pub(super) fn read_roots(path: &Path) -> Result<Vec<Certificate>, ClientError> {
    let pem = std::fs::read(path).map_err(|source| ClientError::CaFile { path: path.to_owned(), source })?;
    Certificate::from_pem_bundle(&pem)
        .ok()
        .filter(|roots| !roots.is_empty())
        .ok_or_else(|| ClientError::NoCertificate { path: path.to_owned() })
}

/// Whether a URL's host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

const CHANGED: &str = "the URL's path would be changed on its way; it holds `.`, `..` or bare special characters";
/// Whoever does not answer for so long is not there.
const MAX_CONNECT: Duration = Duration::from_secs(10);
/// Providers close idle connections after about a minute; ours are gone before that.
const MAX_IDLE: Duration = Duration::from_secs(20);

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
