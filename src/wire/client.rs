//! The transport that speaks HTTP. It sends each request once: no redirects, no repeats, no cookies. It decides what surely
//! did not reach the provider; whatever is not sure is lost, never "not sent".

use super::line::Line;
use super::prepare::{Place, prepare};
use super::transport::{Delivery, Transport, WireRequest};
use crate::provider::Answer;
use crate::text::safe;
use reqwest::{Certificate, Client, ClientBuilder, Request, Response, redirect, retry};
use std::cell::RefCell;
use std::error::Error;
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
    /// Where the last request went.
    place: RefCell<Option<Place>>,
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
        Ok(Self {
            outward: Some(builder().build().map_err(setup)?),
            loopback,
            line: line.clone(),
            place: RefCell::default(),
        })
    }

    /// A client for loopback alone, such as for the simulator: it needs no root certificates and refuses all other hosts.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn loopback_only(options: &HttpOptions, line: &Line) -> Result<Self, ClientError> {
        let loopback = configured(options).tls_certs_only([]).no_proxy().build();
        let loopback = loopback.map_err(|error| ClientError::Setup(chain(&error)))?;
        Ok(Self { outward: None, loopback, line: line.clone(), place: RefCell::default() })
    }
}

impl Transport for HttpTransport {
    async fn send(&self, request: WireRequest) -> Delivery {
        let (request, place) = match prepare(request, self.place.take()) {
            Ok(prepared) => prepared,
            Err(why) => return Delivery::NotSent(why),
        };
        let loopback = place.loopback;
        self.place.replace(Some(place));
        let client = if loopback { Some(&self.loopback) } else { self.outward.as_ref() };
        let Some(client) = client else {
            return Delivery::NotSent("only loopback is spoken to here".to_owned());
        };
        self.line.send(client.clone(), request).await
    }
}

/// Sends a request, and says what came of it.
pub(super) async fn exchange(client: &Client, request: Request) -> Delivery {
    match client.execute(request).await {
        Ok(response) => read(response).await,
        // Before there is a connection, TLS included, no byte of a request has left; after that, one may have.
        Err(error) if error.is_builder() || error.is_connect() => Delivery::NotSent(chain(&error.without_url())),
        Err(error) => Delivery::Lost(chain(&error.without_url())),
    }
}

pub(super) fn configured(options: &HttpOptions) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("certsweep/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .timeout(options.timeout)
        // Shorter than the whole, so that a connection that never came about is known for what it is.
        .connect_timeout((options.timeout / 2).min(LONGEST_CONNECT))
        .pool_max_idle_per_host(options.concurrency)
        .pool_idle_timeout(LONGEST_IDLE)
        .tcp_nodelay(true)
}

pub(super) fn read_roots(path: &Path) -> Result<Vec<Certificate>, ClientError> {
    let pem = std::fs::read(path).map_err(|source| ClientError::CaFile { path: path.to_owned(), source })?;
    Certificate::from_pem_bundle(&pem)
        .ok()
        .filter(|roots| !roots.is_empty())
        .ok_or_else(|| ClientError::NoCertificate { path: path.to_owned() })
}

async fn read(mut response: Response) -> Delivery {
    let status = response.status().as_u16();
    let fields = response.headers().iter();
    let headers = fields.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))).collect();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= LONGEST_BODY => body.extend_from_slice(&chunk),
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
    // The words of rustls, whose errors are not in reach here.
    if text.contains(UNKNOWN_ISSUER) {
        text.push_str("; `--ca-file FILE` trusts the certificates in that file too");
    }
    safe::terminal(&text).into_owned()
}

const UNKNOWN_ISSUER: &str = "invalid peer certificate: UnknownIssuer";
const LONGEST_CONNECT: Duration = Duration::from_secs(10);
/// Providers close idle connections after about a minute; ours are gone before that.
const LONGEST_IDLE: Duration = Duration::from_secs(20);
const LONGEST_BODY: usize = 1024 * 1024;

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
