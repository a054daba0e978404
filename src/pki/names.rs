//! Names of hosts: the alternative names of certificates and requests by their kinds (RFC 5280, section 4.2.1.6) and the letters of a
//! distinguished name's values; when two names are the same; whether a text is one that CAs take (RFC 1034, section 3.5; RFC 6125 for
//! wildcards), and what it is instead; and servers as people write them: `10.0.0.5:8443`, `smtp://mail.example.com`. Compares none with a
//! plan, asks no resolver and connects to none.

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Alternative names, each as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeneralNames {
    /// DNS names.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ip: Vec<IpAddr>,
    /// The others, as kind and value: `e-mail a@b.example`.
    pub others: Vec<String>,
}

/// What a field of names may hold beside plain DNS names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameRule {
    /// `*.example.com`
    pub wildcards: bool,
    /// IP addresses.
    pub addresses: bool,
    /// Labels that are not ASCII (U-labels, RFC 5890).
    pub unicode: bool,
}

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing.
    #[error("it is empty")]
    Empty,
    /// `a.example,b.example`
    #[error("it has a `{0}` in it")]
    SeveralNames(char),
    /// `https://a.example/`
    #[error("it is a URL")]
    Url,
    /// `DNS:a.example`
    #[error("it has `{0}` in front")]
    Prefix(String),
    /// `a.example/x`
    #[error("it has a path in it")]
    Path,
    /// `a.example:443`
    #[error("it has a port in it")]
    Port,
    /// `me@a.example`
    #[error("it is an e-mail address")]
    Email,
    /// A blank in it.
    #[error("it has a blank in it")]
    Blank,
    /// `a..example`, `.example`
    #[error("a part between its dots is empty")]
    EmptyLabel,
    /// `a.example.`
    #[error("it ends with a dot")]
    FinalDot,
    /// `a_b.example`
    #[error("it has a `_` in it, which CAs refuse")]
    Underscore,
    /// Another character.
    #[error("it has a `{0}` in it")]
    Character(char),
    /// `-a.example`
    #[error("the part `{0}` begins or ends with `-`")]
    Hyphen(String),
    /// More than 63 characters between two dots.
    #[error("a part of it has {0} characters, and none may have more than 63")]
    LongLabel(usize),
    /// More than 253 characters.
    #[error("it has {0} characters, and none may have more than 253")]
    Long(usize),
    /// A `*` elsewhere than alone in the first place.
    #[error("a `*` may only be its first part, by itself")]
    Wildcard,
    /// A wildcard where none is taken.
    #[error("it is a wildcard, which is not taken here")]
    NoWildcards,
    /// An address where none is taken.
    #[error("it is an IP address, and no name")]
    Address,
    /// `xn--a.example`
    #[error("the part `{0}` is no A-label")]
    WrongALabel(String),
    /// `bücher.example`, with the A-labels that it has, if it has any.
    #[error("it is not in ASCII")]
    Unicode(Option<String>),
}

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
    Host(String, NameError),
}

impl GeneralNames {
    /// Reads the extension's value; `None` where it cannot be read.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut reader = SliceReader::new(value).ok()?;
        let names: AnyRef<'_> = reader.decode().ok().filter(|names: &AnyRef<'_>| names.tag() == Tag::Sequence)?;
        let mut reader = SliceReader::new(names.value()).ok()?;
        while !reader.is_finished() {
            let name = AnyRef::decode(&mut reader).ok()?;
            found.add(name.tag(), name.value())?;
        }
        Some(found)
    }

    fn add(&mut self, tag: Tag, value: &[u8]) -> Option<()> {
        let Tag::ContextSpecific { number, .. } = tag else { return None };
        let text = || String::from_utf8_lossy(value).into_owned();
        match number {
            // Not checked to be ASCII: a name that a tool wrote with its own letters must be told of, not lost.
            TagNumber::N2 => self.dns.push(std::str::from_utf8(value).ok()?.to_owned()),
            TagNumber::N7 => self.ip.push(ip_address(value)?),
            TagNumber::N1 => self.others.push(format!("e-mail {}", text())),
            TagNumber::N6 => self.others.push(format!("URI {}", text())),
            TagNumber::N0 => self.others.push("a name of its own kind (otherName)".to_owned()),
            TagNumber::N4 => self.others.push("a directory name".to_owned()),
            _ => self.others.push("a name of a rare kind".to_owned()),
        }
        Some(())
    }
}

impl NameError {
    /// What would be right.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Unicode(Some(ascii)) => format!("write its A-labels: `{ascii}`"),
            Self::Url | Self::Path | Self::Port => "write the host's name alone: `a.example`".to_owned(),
            Self::SeveralNames(_) | Self::Blank => {
                "write each name by itself, several as a list: `[a.example, b.example]`".to_owned()
            }
            Self::Prefix(_) => "write the name alone".to_owned(),
            Self::FinalDot => "leave the dot out".to_owned(),
            Self::Wildcard => "write it as `*.a.example`".to_owned(),
            _ => return None,
        })
    }
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
        match check_name(host, rule) {
            // Hosts have such names, though CAs issue for none.
            Ok(()) | Err(NameError::Underscore) => {}
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

/// Holds a text against what a field may have.
///
/// # Errors
/// What it is instead.
pub fn check_name(name: &str, rule: NameRule) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') || name.contains(':') {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return if rule.addresses && bare == name { Ok(()) } else { Err(NameError::Address) };
        }
    }
    // The most telling first: a URL has a colon, slashes and dots as well.
    if name.contains("://") {
        return Err(NameError::Url);
    }
    if let Some(letter) = name.chars().find(|letter| matches!(letter, ',' | ';' | '|')) {
        return Err(NameError::SeveralNames(letter));
    }
    if name.chars().any(char::is_whitespace) {
        return Err(NameError::Blank);
    }
    if name.contains('@') {
        return Err(NameError::Email);
    }
    if let Some((before, after)) = name.split_once(':') {
        let is_port = !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit());
        return Err(if is_port { NameError::Port } else { NameError::Prefix(format!("{before}:")) });
    }
    if name.contains(['/', '\\']) {
        return Err(NameError::Path);
    }
    let (wildcard, base) = match name.strip_prefix("*.") {
        Some(base) => (true, base),
        None => (false, name),
    };
    if base.contains('*') {
        return Err(NameError::Wildcard);
    }
    if wildcard && !rule.wildcards {
        return Err(NameError::NoWildcards);
    }
    let ascii;
    let name = if base.is_ascii() {
        base
    } else {
        let converted = idna::domain_to_ascii(base).ok();
        let full = converted.as_ref().map(|ascii| if wildcard { format!("*.{ascii}") } else { ascii.clone() });
        if !rule.unicode {
            return Err(NameError::Unicode(full));
        }
        ascii = converted.ok_or(NameError::Unicode(None))?;
        &ascii
    };
    check_ascii(name, wildcard)
}

/// Whether a common name can be a host's.
pub fn is_host(name: &str) -> bool {
    name.contains('.') && !name.contains([' ', '@', '/'])
}

/// A host's name as it is compared: a DNS name in lower case and A-labels (RFC 5890, section 2.3.2.1), an IP address in its one form
/// (RFC 5952).
pub fn comparable(name: &str) -> String {
    // In URLs such addresses stand in brackets.
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        // What IDNA refuses is a name of its own, and the same only to itself.
        Err(_) => idna::domain_to_ascii(name).unwrap_or_else(|_| name.to_lowercase()),
    }
}

/// The text of a value in a distinguished name (RFC 5280, section 4.1.2.4); `None` where it is none.
pub(super) fn letters(tag: Tag, value: &[u8]) -> Option<String> {
    match tag {
        // The letters are not looked at: `*` is none of a PrintableString's, and tools write it there.
        Tag::NumericString | Tag::PrintableString | Tag::Utf8String | Tag::Ia5String | Tag::VisibleString => {
            std::str::from_utf8(value).ok().map(str::to_owned)
        }
        // In the field it is Latin-1.
        Tag::TeletexString => Some(value.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let units = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

/// Holds the labels of a name in ASCII against their form.
fn check_ascii(name: &str, is_wildcard: bool) -> Result<(), NameError> {
    let length = name.len() + if is_wildcard { 2 } else { 0 };
    if name.ends_with('.') && name.len() > 1 && !name.ends_with("..") && !name.starts_with('.') {
        return Err(NameError::FinalDot);
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(NameError::EmptyLabel);
        }
        // Since 2019 no CA issues for such names (CA/Browser Forum, ballot SC12).
        if label.contains('_') {
            return Err(NameError::Underscore);
        }
        if let Some(letter) = label.chars().find(|letter| !letter.is_ascii_alphanumeric() && *letter != '-') {
            return Err(NameError::Character(letter));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(NameError::Hyphen(label.to_owned()));
        }
        let is_a_label = label.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case("xn--"));
        if is_a_label && idna::domain_to_unicode(label).1.is_err() {
            return Err(NameError::WrongALabel(label.to_owned()));
        }
        if label.len() > MAX_LABEL {
            return Err(NameError::LongLabel(label.len()));
        }
    }
    // A last label of digits alone is an address that is none: `10.0.0.256`, `10.0.0`.
    if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) && name.contains('.')
    {
        return Err(NameError::Address);
    }
    if length > MAX_NAME { Err(NameError::Long(length)) } else { Ok(()) }
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

/// Characters between two dots (RFC 1034, section 3.1).
const MAX_LABEL: usize = 63;
/// Characters of a name: 255 octets on the wire, of which the first length and the root take two.
const MAX_NAME: usize = 253;
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
    fn names_are_compared_as_the_field_means_them() {
        for (one, other, same) in [
            ("Shop.Example", "shop.example", true),
            ("b\u{fc}cher.example", "xn--bcher-kva.example", true),
            ("B\u{dc}CHER.example", "XN--BCHER-KVA.example", true),
            ("bu\u{308}cher.example", "b\u{fc}cher.example", true),
            ("*.shop.example", "*.SHOP.example", true),
            ("_acme.shop.example", "_ACME.shop.example", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("2001:DB8:0:0::1", "2001:db8::1", true),
            ("[2001:db8::1]", "2001:db8::1", true),
            ("xn--zz--invalid-.example", "XN--zz--invalid-.example", true),
            ("shop.example", "shop.example.", false),
            ("shop.example", "shop-example", false),
            ("192.0.2.1", "192.0.2.10", false),
        ] {
            assert_eq!(comparable(one) == comparable(other), same, "{one} {other}: {}", comparable(one));
        }
    }

    #[test]
    fn alternative_names_are_told_apart_by_kind() {
        // [2] a.example, [7] 192.0.2.1, [1] a@b, [6] u:x, [4] {}
        let value = b"\x30\x1b\x82\x09a.example\x87\x04\xc0\x00\x02\x01\x81\x03a@b\x86\x03u:x";
        let mut value = value.to_vec();
        value[1] = u8::try_from(value.len() - 2).unwrap();
        let names = GeneralNames::parse(&value).unwrap();
        assert_eq!(names.dns, ["a.example"]);
        assert_eq!(names.ip, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(names.others, ["e-mail a@b", "URI u:x"]);
        for end in 0..value.len() {
            assert_eq!(GeneralNames::parse(&value[..end]), None, "{end}");
        }
        assert_eq!(GeneralNames::parse(b"\x30\x05\x87\x03\x01\x02\x03"), None);
    }

    const CERTIFICATE: NameRule = NameRule { wildcards: true, addresses: false, unicode: false };

    #[test]
    fn names_are_told_from_what_is_none() {
        use NameError::{
            Address, Blank, Character, Email, Empty, EmptyLabel, FinalDot, Hyphen, Long, LongLabel, Path, Port, Prefix,
            SeveralNames, Underscore, Unicode, Url, Wildcard, WrongALabel,
        };
        let label = |count: usize| "a".repeat(count);
        let long = |last: usize| format!("{0}.{0}.{0}.{1}", label(63), label(last));
        for (name, expected) in [
            ("shop.example.com", Ok(())),
            ("SHOP.Example.com", Ok(())),
            ("*.shop.example.com", Ok(())),
            ("xn--bcher-kva.example", Ok(())),
            ("shop", Ok(())),
            ("1.example", Ok(())),
            ("a-b--c.example", Ok(())),
            (&format!("{}.example", label(63)), Ok(())),
            (&long(61), Ok(())),
            ("", Err(Empty)),
            ("a.example,", Err(SeveralNames(','))),
            ("a.example;b.example", Err(SeveralNames(';'))),
            ("https://a.example/", Err(Url)),
            ("DNS:a.example", Err(Prefix("DNS:".to_owned()))),
            ("a.example:443", Err(Port)),
            ("a.example/x", Err(Path)),
            ("me@a.example", Err(Email)),
            ("a.example b.example", Err(Blank)),
            ("a\tb.example", Err(Blank)),
            ("a..example", Err(EmptyLabel)),
            (".example", Err(EmptyLabel)),
            (".", Err(EmptyLabel)),
            ("*..example", Err(EmptyLabel)),
            ("a.example.", Err(FinalDot)),
            ("a_b.example", Err(Underscore)),
            ("_acme-challenge.a.example", Err(Underscore)),
            ("a!.example", Err(Character('!'))),
            ("-a.example", Err(Hyphen("-a".to_owned()))),
            ("a-.example", Err(Hyphen("a-".to_owned()))),
            (&format!("{}.example", label(64)), Err(LongLabel(64))),
            (&long(62), Err(Long(254))),
            (&format!("*.{}", long(60)), Err(Long(254))),
            ("*", Err(Wildcard)),
            ("a.*.example", Err(Wildcard)),
            ("*a.example", Err(Wildcard)),
            ("*.*.example", Err(Wildcard)),
            ("**.example", Err(Wildcard)),
            ("xn--a.example", Err(WrongALabel("xn--a".to_owned()))),
            ("10.0.0.1", Err(Address)),
            ("10.0.0.256", Err(Address)),
            ("2001:db8::1", Err(Address)),
            ("[2001:db8::1]", Err(Address)),
            ("b\u{fc}cher.example", Err(Unicode(Some("xn--bcher-kva.example".to_owned())))),
            ("*.b\u{fc}cher.example", Err(Unicode(Some("*.xn--bcher-kva.example".to_owned())))),
            ("한국.kr", Err(Unicode(Some("xn--3e0b707e.kr".to_owned())))),
        ] {
            assert_eq!(check_name(name, CERTIFICATE), expected, "{name:?}");
        }
    }

    #[test]
    fn fields_differ_in_what_they_take() {
        let rule = |wildcards, addresses, unicode| NameRule { wildcards, addresses, unicode };
        for (name, rule, expected) in [
            ("*.a.example", rule(false, false, false), Err(NameError::NoWildcards)),
            ("10.0.0.1", rule(false, true, false), Ok(())),
            ("2001:db8::1", rule(false, true, false), Ok(())),
            ("[2001:db8::1]", rule(false, true, false), Err(NameError::Address)),
            ("b\u{fc}cher.example", rule(false, false, true), Ok(())),
            ("*.b\u{fc}cher.example", rule(true, false, true), Ok(())),
            ("b\u{fc}..example", rule(false, false, true), Err(NameError::EmptyLabel)),
        ] {
            assert_eq!(check_name(name, rule), expected, "{name}");
        }
    }

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
