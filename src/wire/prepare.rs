//! A request as the HTTP library wants it, or a sentence why it must not be sent: plain HTTP outside loopback, credentials in a URL, a
//! path that a reader of URLs would change. Sends nothing.

use super::sign::fits_header;
use super::transport::WireRequest;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use std::borrow::Cow;

/// Where requests go: an account's nearly all go to one place, which is read once.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Scheme, host and port, as they were written.
    text: String,
    url: Url,
    pub(super) loopback: bool,
}

impl Place {
    fn read(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("the URL cannot be read: {error}"))?;
        let loopback = is_loopback(&url);
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err("plain http is refused for anything but loopback; use https".to_owned()),
            _ => return Err("the URL is neither https nor http".to_owned()),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL holds a user name or password".to_owned());
        }
        if (url.path(), url.query(), url.fragment()) != ("/", None, None) {
            return Err(CHANGED.to_owned());
        }
        Ok(Self { text: text.to_owned(), url, loopback })
    }

    /// A URL there. `.` and `..` in a path are resolved by whoever reads a URL: the request would go to another place than was meant.
    fn at(&self, path_and_query: &str) -> Result<Url, String> {
        let mut url = self.url.clone();
        match path_and_query.split_once('?') {
            Some((path, query)) => {
                url.set_path(path);
                url.set_query(Some(query));
            }
            None => url.set_path(path_and_query),
        }
        // The place's own URL has the path `/`.
        let path = self.url.as_str().len() - 1;
        if url.as_str().get(path..) == Some(path_and_query) { Ok(url) } else { Err(CHANGED.to_owned()) }
    }
}

/// The request as the library wants it, and where it goes; `last` is where the one before it went.
pub(super) fn prepare(request: WireRequest, last: Option<Place>) -> Result<(Request, Place), String> {
    let rest = |last: &Place| request.url.strip_prefix(&last.text).filter(|rest| rest.starts_with('/'));
    let (place, path_and_query) = match last.and_then(|last| rest(&last).map(|rest| (last, rest))) {
        Some(same) => same,
        None => {
            let (text, rest) = before_path(&request.url);
            (Place::read(text)?, rest)
        }
    };
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut prepared = Request::new(method, place.at(path_and_query)?);
    for (name, value) in request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header field's name is none".to_owned())?;
        // What is always the same is not copied.
        let value = match value {
            Cow::Borrowed(text) if fits_header(text) => Ok(HeaderValue::from_static(text)),
            text => HeaderValue::try_from(text.into_owned()),
        };
        let mut value =
            value.map_err(|_| format!("the header field `{name}` holds characters that it cannot carry"))?;
        // Kept out of logs, and out of HTTP/2's shared compression table. Which fields are secret only signers know.
        value.set_sensitive(true);
        prepared.headers_mut().append(name, value);
    }
    *prepared.body_mut() = request.body.map(Into::into);
    Ok((prepared, place))
}

/// What stands before a URL's path, and what follows.
fn before_path(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |scheme| scheme + "://".len());
    url.split_at(url[host..].find('/').map_or(url.len(), |slash| host + slash))
}

/// Whether a URL's host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

const CHANGED: &str = "the URL's path would be changed on its way; it holds `.`, `..` or bare special characters";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_known_changes_nothing_of_where_a_request_goes() {
        let known = Place::read("https://ca.example:44").unwrap();
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
            for last in [None, Some(known.clone())] {
                let request =
                    WireRequest { method: "GET".to_owned(), url: url.to_owned(), headers: Vec::new(), body: None };
                let prepared = prepare(request, last).ok();
                assert_eq!(prepared.as_ref().map(|(request, _)| request.url().as_str()), expected, "{url}");
                let loopback = url.contains("127.0.0.1");
                assert!(prepared.is_none_or(|(_, place)| place.loopback == loopback), "{url}");
            }
        }
    }
}
