//! What CAs publish for everybody: lists (CRLs), OCSP answers, certificates of issuers. It is fetched over plain http too, as is
//! usual, since each is signed and believed for its signature alone. Sends no credential, and reads no more than it must.

use super::client::{HttpOptions, configured};
use super::content_coding::{codings, decode};
use super::http_thread::{chain, no_connection};
use super::proxy::{Proxies, is_loopback};
use super::tls::{self, ClientError};
use crate::text::safe;
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
    /// An answer came that holds nothing.
    #[error("it was answered with HTTP {0}")]
    Status(u16),
    /// The answer is longer than anything that is read.
    #[error("it is longer than {} MiB", .0 / 1_048_576)]
    TooLong(usize),
}

/// Asks the world. One implementation speaks HTTP; tests have another.
pub trait StatusFetcher {
    /// Asks once, within the time-out that the implementation was made with; reads at most so many bytes.
    fn fetch(&self, ask: StatusRequest, most: usize) -> impl Future<Output = Result<Vec<u8>, FetchError>>;
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
        let tls = tls::configure(trusted)?;
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
    async fn fetch(&self, ask: StatusRequest, most: usize) -> Result<Vec<u8>, FetchError> {
        let (clients, request) = match ask {
            StatusRequest::Get(url) => (&self.lists, Request::new(reqwest::Method::GET, askable(&url)?)),
            StatusRequest::Ocsp(url, question) => {
                let mut request = Request::new(reqwest::Method::POST, askable(&url)?);
                let fields = request.headers_mut();
                fields.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/ocsp-request"));
                fields.insert(header::ACCEPT, header::HeaderValue::from_static("application/ocsp-response"));
                *request.body_mut() = Some(question.into());
                (&self.responders, request)
            }
        };
        let client = if is_loopback(request.url()) { &clients.loopback } else { &clients.outward };
        let (line, url) = (format!("{} {}", request.method(), request.url()), request.url().clone());
        let answer = match client.execute(request).await {
            Ok(response) => read(response, most).await,
            Err(error) if error.is_connect() => {
                let (words, _) = no_connection(&error.without_url(), &url, Some(&self.proxies)).await;
                Err(FetchError::Silent(words))
            }
            Err(error) => Err(FetchError::Silent(chain(&error.without_url()))),
        };
        match &answer {
            Ok(bytes) => tracing::debug!("{line} -> {} bytes", bytes.len()),
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

async fn read(mut response: Response, most: usize) -> Result<Vec<u8>, FetchError> {
    if response.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(FetchError::TooLong(most));
    }
    let codings = codings(response.headers());
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= most => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(FetchError::TooLong(most)),
            Ok(None) => {
                return decode(&codings, body, most).map_err(|why| {
                    FetchError::Silent(format!("it was answered with a body {}", safe::terminal(&why)))
                });
            }
            Err(error) => return Err(FetchError::Silent(format!("it broke off: {}", chain(&error.without_url())))),
        }
    }
}

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
