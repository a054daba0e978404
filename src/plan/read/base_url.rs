//! What a base URL of a plan may be: `https`, or `http` to this machine; a host and a path, nothing that could hide a secret
//! or change the request. And what a URL may be at which a CA publishes something. Asks nobody.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Why a URL is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::plan) enum UnusableUrl {
    /// It holds a user name or password; it must not be shown.
    Secret,
    /// What is wrong, and what would be right.
    Wrong(String, Option<String>),
}

/// A URL, split.
struct UrlParts<'a> {
    scheme: String,
    authority: &'a str,
    path: &'a str,
}

/// Checks a base URL and drops its trailing slashes.
pub(super) fn check(url: &str) -> Result<String, UnusableUrl> {
    let UrlParts { scheme, authority, path } = parts(url)?;
    if url.contains(['?', '#']) {
        return wrong("a base URL has no query and no fragment", "end it with the path");
    }
    if url.contains(['{', '}']) {
        return wrong("a base URL is taken as it is, without variables", "write the value in");
    }
    // The HTTP client would resolve them and ask for another path than the plan shows.
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return wrong("a base URL has no `.` and `..` in its path", "write the path out");
    }
    let host = host(authority)?;
    match scheme.as_str() {
        "https" => {}
        // For the simulator and for tunnels that end on this machine.
        "http" if is_loopback(host) => {}
        "http" => {
            let what =
                "plain http would show the credentials to everyone on the way; it is taken for this machine alone";
            return wrong(what, "write `https://`");
        }
        _ => return wrong("a base URL begins with `https://`", ""),
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Checks a URL at which a CA publishes a CRL or answers OCSP questions: over plain http too, since each is believed for its signature
/// alone.
pub(in crate::plan) fn check_published(url: &str) -> Result<(), UnusableUrl> {
    let UrlParts { scheme, authority, .. } = parts(url)?;
    match scheme.as_str() {
        "http" | "https" => host(authority).map(drop),
        _ => wrong("only http and https are asked", "give the CA's `http://` URL"),
    }
}

fn parts(url: &str) -> Result<UrlParts<'_>, UnusableUrl> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return wrong("this is no URL", EXAMPLE);
    };
    // The backslash too: some URL parsers (WHATWG) read it as `/`, and `a\@b` would then hide the host.
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // Before anything else that is wrong with the URL: no other finding may quote it.
    if authority.contains('@') {
        return Err(UnusableUrl::Secret);
    }
    // Other letters would pass through IDNA, and a host that only looks like the CA's would not be noticed.
    if url.chars().any(|letter| letter.is_whitespace() || letter.is_control() || !letter.is_ascii() || letter == '\\') {
        return wrong("a URL has no blanks, no control characters and only ASCII letters", "encode them as `%XX`");
    }
    Ok(UrlParts { scheme: scheme.to_ascii_lowercase(), authority, path })
}

/// The host, where host and port can be used.
fn host(authority: &str) -> Result<&str, UnusableUrl> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port),
        None => authority.find(':').map_or((authority, ""), |colon| authority.split_at(colon)),
    };
    let port_is_good = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|port| port > 0)
        });
    let name = |host: &str| {
        !host.is_empty()
            && host.split('.').all(|label| {
                !label.is_empty()
                    // RFC 1035, section 2.3.4; `_` is for names within companies, which have it although RFC 952 does not.
                    && label.len() <= 63
                    && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            })
    };
    let is_v6 = authority.starts_with('[');
    if !port_is_good || (is_v6 && host.parse::<Ipv6Addr>().is_err()) || (!is_v6 && !name(host)) {
        return wrong("this URL has no usable host and port", EXAMPLE);
    }
    Ok(host)
}

fn wrong<T>(what: &str, help: &str) -> Result<T, UnusableUrl> {
    Err(UnusableUrl::Wrong(what.to_owned(), (!help.is_empty()).then(|| help.to_owned())))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

const EXAMPLE: &str = "write it as `https://host/path`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_ca_publishes_is_asked_over_http_and_https() {
        for (url, expected) in [
            ("http://crl.example/ca.crl", None),
            ("HTTPS://crl.example:8443/a.crl?issuer=1", None),
            ("http://[::1]:80", None),
            ("ldap://ca.example/cn=CA", Some("only http and https")),
            ("file:///etc/passwd", Some("only http and https")),
            ("http://user:pw@crl.example/", Some("secret")),
            ("http://crl.example/a b", Some("blanks")),
            ("http:///a.crl", Some("host")),
            ("crl.example/a.crl", Some("no URL")),
        ] {
            match (check_published(url), expected) {
                (Ok(()), None) | (Err(UnusableUrl::Secret), Some("secret")) => {}
                (Err(UnusableUrl::Wrong(what, _)), Some(words)) => assert!(what.contains(words), "{url}: {what}"),
                (found, expected) => panic!("{url}: {found:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn only_safe_base_urls_are_taken() {
        for (url, expected) in [
            ("https://ca.example.com/api/v2/", Ok("https://ca.example.com/api/v2")),
            ("https://ca.example.com:8443", Ok("https://ca.example.com:8443")),
            ("http://127.0.0.1:8080/x", Ok("http://127.0.0.1:8080/x")),
            ("http://127.9.9.9/", Ok("http://127.9.9.9")),
            ("http://[::1]:80", Ok("http://[::1]:80")),
            ("http://LocalHost:1/", Ok("http://LocalHost:1")),
            ("http://ca.example.com", Err("plain http")),
            ("http://127.0.0.1.example.com", Err("plain http")),
            ("http://localhost.example.com", Err("plain http")),
            ("http://[::2]/", Err("plain http")),
            ("https://user:pw@ca.example.com/", Err("secret")),
            ("http://127.0.0.1@evil.example/", Err("secret")),
            ("https://ca.example.com/?a=1", Err("query")),
            ("https://ca.example.com/#a", Err("fragment")),
            ("https://ca.example.com\\@evil.example", Err("blanks")),
            ("https://ca.example.com/a/../b", Err("..")),
            ("https://", Err("host")),
            ("https://a..b/", Err("host")),
            ("https://a:99999/", Err("host")),
            ("https://a:/", Err("host")),
            ("ftp://a/", Err("https://")),
            ("ca.example.com", Err("no URL")),
            ("https://{region}.example.com", Err("variables")),
        ] {
            match (check(url), expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url, expected),
                (Err(UnusableUrl::Secret), Err("secret")) => {}
                (Err(UnusableUrl::Wrong(what, _)), Err(words)) => assert!(what.contains(words), "{url}: {what}"),
                (found, expected) => panic!("{url}: {found:?} instead of {expected:?}"),
            }
        }
    }
}
