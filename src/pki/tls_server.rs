//! Servers that show a certificate, as people write them: `www.example.com`, `10.0.0.5:8443`, `smtp://mail.example.com`. Connects to none.

use super::dns_name::{self, NameRule};
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

/// A server that shows a certificate in a handshake of TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TlsServer {
    /// Its name, or an IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What is said in plain text before TLS begins, where something is.
    pub start_tls: Option<StartTls>,
}

/// A protocol that turns to TLS on an open connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StartTls {
    /// RFC 3207.
    Smtp,
    /// RFC 9051, section 6.2.1.
    Imap,
    /// PostgreSQL's `SSLRequest`.
    Postgres,
    /// RFC 4511, section 4.14.
    Ldap,
}

/// Why a text names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsServerError {
    /// `http://a.example`
    #[error("`http` shows no certificate")]
    Http,
    /// `ftp://a.example`
    #[error("nobody here knows how TLS begins in `{0}`")]
    Scheme(String),
    /// `https://a.example/x`
    #[error("it has more in it than a host and a port")]
    More,
    /// `a.example:99999`
    #[error("`{0}` is no port")]
    Port(String),
    /// `*.a.example`
    #[error("a wildcard is no host that can be asked")]
    Wildcard,
    /// `a..example`
    #[error("`{0}` is no host: {1}")]
    Host(String, dns_name::NameError),
}

impl TlsServerError {
    /// What would be right.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Http => "write `https://HOST`, or the host alone",
            Self::Wildcard => "name the hosts that have the certificate",
            _ => {
                "write HOST or HOST:PORT; where TLS begins with STARTTLS `smtp://HOST`, `imap://HOST`, `postgres://HOST` or `ldap://HOST`, each also with `:PORT`"
            }
        }
    }
}

impl TlsServer {
    /// Reads `HOST`, `HOST:PORT` (443 without one), or either behind a scheme that says how TLS begins.
    ///
    /// # Errors
    /// What it is instead.
    pub fn parse(text: &str) -> Result<Self, TlsServerError> {
        let (scheme, rest) = text.split_once("://").map_or(("https", text), |(scheme, rest)| (scheme, rest));
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "http" {
            return Err(TlsServerError::Http);
        }
        let known = SCHEMES.iter().find(|(name, ..)| *name == scheme);
        let (_, usual, start_tls) = known.copied().ok_or(TlsServerError::Scheme(scheme))?;
        // A URL from an inventory ends with a slash.
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err(TlsServerError::More);
        }
        let (host, port) = divided(rest);
        let host = host.strip_suffix('.').filter(|host| !host.is_empty()).unwrap_or(host);
        if host.contains('*') {
            return Err(TlsServerError::Wildcard);
        }
        let rule = NameRule { wildcards: false, addresses: true, unicode: false };
        match dns_name::check(host, rule) {
            // Hosts have such names, though CAs issue for none.
            Ok(()) | Err(dns_name::NameError::Underscore) => {}
            // `intranet`: one label is a host.
            Err(_) if is_label(host) => {}
            Err(why) => return Err(TlsServerError::Host(host.to_owned(), why)),
        }
        let port = match port {
            None => usual,
            Some(text) => match text.parse() {
                Ok(port) if port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => port,
                _ => return Err(TlsServerError::Port(text.to_owned())),
            },
        };
        Ok(Self { host: host.to_ascii_lowercase(), port, start_tls })
    }

    /// Whether a text that may be a column's name as well can only be a server's.
    pub fn is_meant(text: &str) -> bool {
        text.contains(['.', ':']) || text.eq_ignore_ascii_case("localhost")
    }
}

impl StartTls {
    /// The scheme that says so.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Postgres => "postgres",
            Self::Ldap => "ldap",
        }
    }
}

impl fmt::Display for TlsServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(start_tls) = self.start_tls {
            write!(formatter, "{}://", start_tls.scheme())?;
        }
        match self.host.parse::<Ipv6Addr>() {
            Ok(_) => write!(formatter, "[{}]:{}", self.host, self.port),
            Err(_) => write!(formatter, "{}:{}", self.host, self.port),
        }
    }
}

/// Host and port.
fn divided(text: &str) -> (&str, Option<&str>) {
    if let Some((host, after)) = text.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        return match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => (text, None),
        };
    }
    if text.parse::<IpAddr>().is_ok() {
        return (text, None);
    }
    text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
}

fn is_label(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&text.len()) && text.bytes().all(inside) && !text.starts_with('-') && !text.ends_with('-')
}

/// How TLS begins by scheme, with the usual port.
const SCHEMES: [(&str, u16, Option<StartTls>); 11] = [
    ("https", 443, None),
    ("tls", 443, None),
    ("smtps", 465, None),
    ("imaps", 993, None),
    ("pop3s", 995, None),
    ("ldaps", 636, None),
    ("smtp", 25, Some(StartTls::Smtp)),
    ("imap", 143, Some(StartTls::Imap)),
    ("postgres", 5432, Some(StartTls::Postgres)),
    ("postgresql", 5432, Some(StartTls::Postgres)),
    ("ldap", 389, Some(StartTls::Ldap)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_people_write_them() {
        for (text, expected) in [
            ("www.example.com", "www.example.com:443"),
            ("WWW.Example.com.", "www.example.com:443"),
            ("www.example.com:8443", "www.example.com:8443"),
            ("https://www.example.com/", "www.example.com:443"),
            ("10.0.0.5", "10.0.0.5:443"),
            ("10.0.0.5:8443", "10.0.0.5:8443"),
            ("2001:db8::1", "[2001:db8::1]:443"),
            ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
            ("intranet:443", "intranet:443"),
            ("db_1.internal", "db_1.internal:443"),
            ("smtp://mail.example.com", "smtp://mail.example.com:25"),
            ("smtp://mail.example.com:587", "smtp://mail.example.com:587"),
            ("SMTPS://mail.example.com", "mail.example.com:465"),
            ("imap://mail.example.com", "imap://mail.example.com:143"),
            ("postgresql://db.example.com", "postgres://db.example.com:5432"),
            ("ldap://[::1]", "ldap://[::1]:389"),
            ("ldaps://ldap.example.com", "ldap.example.com:636"),
        ] {
            let server = TlsServer::parse(text).map(|server| server.to_string());
            assert_eq!(server.as_deref(), Ok(expected), "{text}");
            // What the run directory keeps is read again.
            assert_eq!(TlsServer::parse(expected).map(|server| server.to_string()).as_deref(), Ok(expected));
        }
        for (text, expected) in [
            ("http://a.example", "`http` shows no certificate"),
            ("ftp://a.example", "nobody here knows how TLS begins in `ftp`"),
            ("https://a.example/x", "it has more in it than a host and a port"),
            ("postgres://me:pw@db.example", "it has more in it than a host and a port"),
            ("a.example:99999", "`99999` is no port"),
            ("a.example:+1", "`+1` is no port"),
            ("a.example:0", "`0` is no port"),
            ("*.a.example", "a wildcard is no host that can be asked"),
            ("a..example", "`a..example` is no host: a part between its dots is empty"),
            ("", "`` is no host: it is empty"),
            ("[::1", "`[:` is no host: it has `[:` in front"),
        ] {
            assert_eq!(TlsServer::parse(text).map_err(|why| why.to_string()), Err(expected.to_owned()), "{text}");
        }
    }
}
