//! Names of certificates (RFC 5280, section 4.2.1.6; RFC 1034, section 3.5; RFC 6125 for wildcards): whether a text is one that CAs take, and
//! what it is instead. Asks no resolver.

use core::net::IpAddr;

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

/// Holds a text against what a field may have.
///
/// # Errors
/// What it is instead.
pub fn check(name: &str, rule: NameRule) -> Result<(), NameError> {
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

/// Characters between two dots (RFC 1034, section 3.1).
const MAX_LABEL: usize = 63;
/// Characters of a name: 255 octets on the wire, of which the first length and the root take two.
const MAX_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(check(name, CERTIFICATE), expected, "{name:?}");
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
            assert_eq!(check(name, rule), expected, "{name}");
        }
    }
}
