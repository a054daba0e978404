//! What CAs publish for everybody: lists (CRLs), OCSP answers, certificates of issuers. It is fetched over plain http too, as is
//! usual, since each is signed and believed for its signature alone. Sends no credential, and reads no more than it must.

use super::client::{HttpOptions, configured};
use super::connections::{chain, codings, decode, no_connection};
use super::proxy::{Proxies, is_loopback};
use super::tls::{self, ClientError};
use crate::text::{excerpt, safe};
use reqwest::{Client, ClientBuilder, Request, Response, Url, header, redirect};
use std::future::Future;
use std::sync::Arc;

/// A question to the world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StatusRequest {
    /// Whatever stands at a URL: a list, a certificate.
    Get(String),
    /// An OCSP question, as its bytes, to a responder.
    Ocsp(String, Vec<u8>),
    /// An OCSP question that is the URL itself.
    OcspGet(String),
}

/// What a server gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusBody {
    /// What it calls it.
    pub media_type: Option<String>,
    /// The body.
    pub bytes: Vec<u8>,
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The URL is none that is asked.
    #[error("{0}")]
    Refused(String),
    /// No whole answer came; the text says why.
    #[error("{0}")]
    Silent(String),
    /// An answer came that holds nothing; and what it held in its place, in a few words, where it held something.
    #[error("it was answered with HTTP {status}{came}", status = .0, came = in_brackets(.1))]
    Status(u16, String),
    /// The answer is longer than anything that is read.
    #[error("it is longer than {} MiB", .0 / 1_048_576)]
    TooLong(usize),
}

/// Asks the world. One implementation speaks HTTP; tests have another.
pub trait StatusFetcher {
    /// Asks once, within the time-out that the implementation was made with; reads at most so many bytes.
    fn fetch(&self, ask: StatusRequest, most: usize) -> impl Future<Output = Result<StatusBody, FetchError>>;
}

/// Asks over HTTP.
#[derive(Debug, Clone)]
pub struct HttpStatusFetcher {
    lists: Clients,
    responders: Clients,
    proxies: Arc<Proxies>,
}

/// A client for the world, where proxies from the environment apply, and one for loopback, where they have no business.
#[derive(Debug, Clone)]
struct Clients {
    outward: Client,
    loopback: Client,
}

impl HttpStatusFetcher {
    /// Makes the clients.
    ///
    /// # Errors
    /// The CA file cannot be used, or the platform gives no root certificates.
    pub fn new(options: &HttpOptions) -> Result<Self, ClientError> {
        let trusted = options.ca_file.as_deref().map(tls::read_ca_file).transpose()?.unwrap_or_default();
        let tls = tls::configure(trusted, None)?;
        let clients = |more: &dyn Fn(ClientBuilder) -> ClientBuilder| -> Result<Clients, ClientError> {
            let builder = || {
                more(configured(options.timeout).pool_max_idle_per_host(options.concurrency))
                    .tls_backend_preconfigured(tls.clone())
            };
            let setup = |error| ClientError::Setup(chain(&error));
            let loopback = builder().no_proxy().build().map_err(setup)?;
            Ok(Clients { outward: builder().build().map_err(setup)?, loopback })
        };
        Ok(Self {
            // Lists are moved to other hosts now and then; a responder has no reason to send a question elsewhere.
            lists: clients(&|builder| builder.redirect(redirect::Policy::limited(MAX_REDIRECTS)))?,
            responders: clients(&|builder| builder)?,
            proxies: Arc::new(Proxies::from_env()),
        })
    }
}

impl StatusFetcher for HttpStatusFetcher {
    async fn fetch(&self, ask: StatusRequest, most: usize) -> Result<StatusBody, FetchError> {
        let (clients, request) = match ask {
            StatusRequest::Get(url) => (&self.lists, Request::new(reqwest::Method::GET, askable(&url)?)),
            StatusRequest::Ocsp(url, question) => {
                let mut request = Request::new(reqwest::Method::POST, askable(&url)?);
                let fields = request.headers_mut();
                fields.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/ocsp-request"));
                fields.insert(header::ACCEPT, OCSP_RESPONSE);
                *request.body_mut() = Some(question.into());
                (&self.responders, request)
            }
            StatusRequest::OcspGet(url) => {
                let mut request = Request::new(reqwest::Method::GET, askable(&url)?);
                request.headers_mut().insert(header::ACCEPT, OCSP_RESPONSE);
                (&self.responders, request)
            }
        };
        let client = if is_loopback(request.url()) { &clients.loopback } else { &clients.outward };
        let (line, url) = (format!("{} {}", request.method(), request.url()), request.url().clone());
        let answer = match client.execute(request).await {
            Ok(response) => match read(response, most).await {
                // Over plain http it may be the proxy's own.
                Err(FetchError::Status(status, came)) => Err(match self.proxies.to(url.as_str()) {
                    Some(proxy) if came.is_empty() => FetchError::Status(status, format!("through {proxy}")),
                    Some(proxy) => FetchError::Status(status, format!("{came}, through {proxy}")),
                    None => FetchError::Status(status, came),
                }),
                read => read,
            },
            Err(error) if error.is_connect() => {
                let (words, _) = no_connection(&error.without_url(), &url, Some(&self.proxies)).await;
                Err(FetchError::Silent(words))
            }
            Err(error) => Err(FetchError::Silent(chain(&error.without_url()))),
        };
        match &answer {
            Ok(body) => tracing::debug!("{line} -> {} bytes", body.bytes.len()),
            Err(why) => tracing::debug!("{line} -> {why}"),
        }
        answer
    }
}

/// The URL of a certificate, where it is one to ask.
fn askable(text: &str) -> Result<Url, FetchError> {
    let url = Url::parse(text).map_err(|error| FetchError::Refused(format!("the URL cannot be read: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FetchError::Refused(format!("`{}:` is not asked, only http and https", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchError::Refused("the URL holds a user name or password".to_owned()));
    }
    Ok(url)
}

async fn read(mut response: Response, most: usize) -> Result<StatusBody, FetchError> {
    let media_type = response.headers().get(header::CONTENT_TYPE);
    let media_type = media_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    if response.status() != reqwest::StatusCode::OK {
        let mut begin = Vec::new();
        while let (Ok(Some(chunk)), true) = (response.chunk().await, begin.len() < MAX_EXCERPT) {
            begin.extend_from_slice(&chunk);
        }
        let came = if begin.is_empty() { String::new() } else { excerpt(media_type.as_deref(), &begin) };
        return Err(FetchError::Status(response.status().as_u16(), came));
    }
    let announced = response.content_length().unwrap_or_default();
    if announced > most as u64 {
        return Err(FetchError::TooLong(most));
    }
    let codings = codings(response.headers());
    // Growth would copy a long list again and again.
    let mut bytes = Vec::with_capacity(usize::try_from(announced).unwrap_or_default());
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= most => bytes.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(FetchError::TooLong(most)),
            Ok(None) => {
                let plain = decode(&codings, bytes, most)
                    .map_err(|why| FetchError::Silent(format!("its body cannot be read: {}", safe::terminal(&why))));
                return plain.map(|bytes| StatusBody { media_type, bytes });
            }
            Err(error) => return Err(FetchError::Silent(format!("it broke off: {}", chain(&error.without_url())))),
        }
    }
}

fn in_brackets(came: &str) -> String {
    if came.is_empty() { String::new() } else { format!(" ({came})") }
}

const OCSP_RESPONSE: header::HeaderValue = header::HeaderValue::from_static("application/ocsp-response");
/// So much of an answer that holds nothing is looked at for its words.
const MAX_EXCERPT: usize = 4096;
const MAX_REDIRECTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_asked_is_asked() {
        for (url, right) in [
            ("http://crl.example/a.crl", true),
            ("https://crl.example/a.crl?x=1", true),
            ("ldap://ca.example/cn=CA", false),
            ("file:///etc/passwd", false),
            ("http://user:pw@crl.example/", false),
            ("nonsense", false),
        ] {
            assert_eq!(askable(url).is_ok(), right, "{url}");
        }
        assert_eq!(FetchError::TooLong(32 << 20).to_string(), "it is longer than 32 MiB");
    }
}
