//! Which proxy a request goes through, and from which variable of the environment that is, by the rules that the client goes by too
//! (curl's); and in words what a proxy refused. Shows no password of a proxy's.

use crate::text::file;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::Url;
use reqwest::header::HeaderValue;
use std::fmt;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The proxies that the environment names, and the hosts to which none leads.
#[derive(Debug, Default)]
pub struct Proxies {
    /// In the order in which they are asked: each for what is left by those before it.
    named: Vec<(String, Matcher)>,
}

/// A proxy that a request goes through.
#[derive(Clone)]
pub struct Proxy {
    /// Where it is, without a user name or password: `proxy.example:3128`.
    pub address: String,
    /// The variable that names it: `HTTPS_PROXY`.
    pub variable: String,
    intercept: Intercept,
}

impl Proxies {
    /// Those of this process's environment.
    pub fn from_env() -> Self {
        Self::of(&|name| std::env::var(name).ok())
    }

    /// Those of an environment.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        // A web server's program takes none: whoever sends it a header `Proxy` would set the variable (httpoxy).
        if variable("REQUEST_METHOD").is_some() {
            return Self::default();
        }
        let first = |names: [&str; 2]| names.into_iter().find_map(|name| Some((name.to_owned(), variable(name)?)));
        let none = first(["NO_PROXY", "no_proxy"]).map(|(_, value)| value).unwrap_or_default();
        let mut named = Vec::new();
        if let Some((name, value)) = first(["HTTPS_PROXY", "https_proxy"]) {
            named.push((name, Matcher::builder().https(value).no(none.clone()).build()));
        }
        if let Some((name, value)) = first(["HTTP_PROXY", "http_proxy"]) {
            named.push((name, Matcher::builder().http(value).no(none.clone()).build()));
        }
        if let Some((name, value)) = first(["ALL_PROXY", "all_proxy"]) {
            named.push((name, Matcher::builder().all(value).no(none).build()));
        }
        Self { named }
    }

    /// The proxy that requests to a URL go through.
    pub fn to(&self, url: &str) -> Option<Proxy> {
        if Url::parse(url).is_ok_and(|url| is_loopback(&url)) {
            return None;
        }
        let uri = url.parse().ok()?;
        self.named.iter().find_map(|(variable, matcher)| {
            let intercept = matcher.intercept(&uri)?;
            let address = intercept.uri().authority()?.to_string();
            Some(Proxy { address, variable: variable.clone(), intercept })
        })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the proxy {} ({})", self.address, self.variable)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Proxy {
    /// What a connection through it came to, by the client's words for it; and whether a person must change something first.
    pub(super) async fn explain(&self, words: &str, destination: &Url) -> (String, bool) {
        let host = destination.host_str().unwrap_or_default();
        let target = format!("{host}:{}", destination.port_or_known_default().unwrap_or_default());
        if words.contains(WANTS_CREDENTIALS) {
            let variable = &self.variable;
            let help = match self.intercept.basic_auth() {
                Some(_) => format!("it does not take the user and password that {variable} has"),
                None => format!("it wants a user and password, as {variable}=http://USER:PASSWORD@HOST:PORT"),
            };
            return (format!("{self} answered 407 Proxy Authentication Required: {help}"), true);
        }
        if words.contains(SOCKS_CREDENTIALS) {
            let variable = &self.variable;
            return (format!("{self} does not take the user and password that {variable} has"), true);
        }
        if words.contains(REFUSED) {
            let status = self.status_of(&target).await;
            let answered = status.map_or_else(|| "did not connect".to_owned(), |status| format!("answered {status}"));
            return (
                format!("{self} {answered} when asked to connect to {target}; that is not the provider's answer"),
                false,
            );
        }
        match words.split_once(UNREACHABLE) {
            Some((_, cause)) => (format!("{self} cannot be reached{cause}"), false),
            None => (format!("through {self}: {words}"), false),
        }
    }

    /// The status line that the proxy answers a CONNECT with: the client keeps none. Asked once more, and nothing is sent beyond that.
    async fn status_of(&self, target: &str) -> Option<String> {
        let asked = tokio::time::timeout(PATIENCE, self.ask_for(target)).await.ok()?;
        asked.ok().map(|(_, status)| status).filter(|status| !status.starts_with("200"))
    }

    /// A connection through it to a target, `HOST:PORT`.
    ///
    /// # Errors
    /// In words: it cannot be reached, or does not connect.
    pub(super) async fn connect(&self, target: &str) -> Result<TcpStream, String> {
        let (stream, status) = self.ask_for(target).await?;
        match status.starts_with("200") {
            true => Ok(stream),
            false => Err(format!("{self} answered {status} when asked to connect")),
        }
    }

    /// Asks it to connect to a target; the connection, and the status that it answers with.
    async fn ask_for(&self, target: &str) -> Result<(TcpStream, String), String> {
        let uri = self.intercept.uri();
        // One that is spoken to in TLS, or in SOCKS, is left to the client of HTTP.
        let host = uri.host().filter(|_| uri.scheme_str() == Some("http"));
        let Some(host) = host else {
            return Err(format!("{self} is no plain HTTP proxy, and nothing else is gone through here"));
        };
        let unreachable = |error: std::io::Error| format!("{self} cannot be reached: {}", file::reason(&error));
        let credentials = self.intercept.basic_auth().and_then(|value: &HeaderValue| value.to_str().ok());
        let credentials = credentials.map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default();
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n");
        let address = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
        let mut stream = TcpStream::connect(address).await.map_err(unreachable)?;
        stream.write_all(request.as_bytes()).await.map_err(unreachable)?;
        // Byte by byte: what follows the blank line is the target's.
        let (mut head, mut byte) = (Vec::new(), [0]);
        while head.len() < MAX_HEAD && !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).await.is_ok() {
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.lines().next().and_then(|line| line.split_once(' '));
        let status = status.filter(|(version, _)| version.starts_with("HTTP/"));
        let (_, status) = status.ok_or_else(|| format!("{self} does not answer as a proxy does"))?;
        let status = crate::text::safe::terminal(status.trim()).chars().take(MAX_STATUS).collect();
        Ok((stream, status))
    }
}

/// Whether a URL's host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The words of hyper-util, whose errors of tunnels are not public.
const WANTS_CREDENTIALS: &str = "tunnel error: proxy authorization required";
const REFUSED: &str = "tunnel error: unsuccessful";
const UNREACHABLE: &str = "tunnel error: failed to create underlying connection";
/// The same of a SOCKS proxy.
const SOCKS_CREDENTIALS: &str = "credentials not accepted";
/// What is read of a proxy's answer, and what is shown of its status.
const MAX_HEAD: usize = 8192;
const MAX_STATUS: usize = 200;
/// For a status that is only told.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_and_its_variable_are_those_that_curl_would_take() {
        for (environment, url, expected) in [
            (&[][..], "https://ca.example/v2", None),
            (
                &[("HTTPS_PROXY", "http://proxy.example:3128")],
                "https://ca.example/v2",
                Some("the proxy proxy.example:3128 (HTTPS_PROXY)"),
            ),
            (
                &[("https_proxy", "proxy.example:3128")],
                "https://ca.example/v2",
                Some("the proxy proxy.example:3128 (https_proxy)"),
            ),
            (
                &[("HTTPS_PROXY", "http://user:p%40ss@proxy.example:3128/x")],
                "https://ca.example/",
                Some("the proxy proxy.example:3128 (HTTPS_PROXY)"),
            ),
            (
                &[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://b:2"), ("ALL_PROXY", "http://c:3")],
                "https://ca.example/",
                Some("the proxy a:1 (HTTPS_PROXY)"),
            ),
            (
                &[("HTTPS_PROXY", ""), ("https_proxy", "http://b:2"), ("ALL_PROXY", "http://c:3")],
                "https://ca.example/",
                Some("the proxy c:3 (ALL_PROXY)"),
            ),
            (&[("HTTP_PROXY", "http://a:1")], "https://ca.example/", None),
            (&[("HTTP_PROXY", "http://a:1")], "http://crl.example/a.crl", Some("the proxy a:1 (HTTP_PROXY)")),
            (&[("all_proxy", "http://c:3")], "https://ca.example/", Some("the proxy c:3 (all_proxy)")),
            (&[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "ca.example")], "https://ca.example/", None),
            (&[("HTTPS_PROXY", "http://a:1"), ("no_proxy", ".example")], "https://ca.example/", None),
            (
                &[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "other.example")],
                "https://ca.example/",
                Some("the proxy a:1 (HTTPS_PROXY)"),
            ),
            (&[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "*")], "https://ca.example/", None),
            (&[("HTTPS_PROXY", "http://a:1"), ("REQUEST_METHOD", "GET")], "https://ca.example/", None),
            (&[("ALL_PROXY", "socks5h://user:pw@s:1080")], "https://ca.example/", Some("the proxy s:1080 (ALL_PROXY)")),
            (&[("all_proxy", "socks5://s:1080")], "https://ca.example/", Some("the proxy s:1080 (all_proxy)")),
            (&[("HTTPS_PROXY", "http://a:1")], "https://127.0.0.1:8443/", None),
            (&[("HTTPS_PROXY", "http://a:1")], "https://localhost:8443/", None),
        ] {
            let variable =
                |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let found = Proxies::of(&variable).to(url).map(|proxy| format!("{proxy} {proxy:?}"));
            assert_eq!(found, expected.map(|expected| format!("{expected} {expected}")), "{environment:?} {url}");
        }
    }
}
