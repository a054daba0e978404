//! What every part of the settings is read with: single values and maps, typed, with a finding for each that cannot be used. Among them URLs,
//! which must not hide a secret or another host, and time zones. Asks nobody.

use crate::diag::{Diagnostic, Diagnostics};
use crate::plan::load::ReadFile;
use crate::provider::Catalog;
use crate::text::damage::did_you_mean;
use crate::text::{SourceMap, Span, nearest, safe};
use crate::time::parse_duration;
use crate::tree::{Field, Node, Shape};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// What reading the settings needs.
pub(in crate::plan) struct SettingsReader<'r> {
    pub(in crate::plan) catalog: &'r Catalog,
    pub(in crate::plan) now: Timestamp,
    pub(in crate::plan) sources: &'r SourceMap,
    pub(in crate::plan) files: &'r mut Vec<ReadFile>,
    pub(in crate::plan) diagnostics: &'r mut Diagnostics,
}

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

/// The field of a key that has a value; a key without one counts as absent.
pub(super) fn field<'a>(map: &'a Node, name: &str) -> Option<&'a Field> {
    map.fields().iter().find(|field| field.name == name && !matches!(field.value.shape, Shape::Null))
}

/// Refuses what is no map, and every key that is not among the known ones.
pub(super) fn known_keys(node: &Node, whose: &str, known: &[&str], diagnostics: &mut Diagnostics) -> bool {
    let Shape::Map(fields) = &node.shape else {
        let what = format!("{whose} must be a map, not {}", node.kind());
        let help = format!("it has the keys {}", known.join(", "));
        diagnostics.push(Diagnostic::error("wrong-kind", node.span, what).help(help));
        return false;
    };
    // The YAML reader reports a `<<` that merges nothing.
    for field in fields.iter().filter(|field| !known.contains(&field.name.as_str()) && field.name != "<<") {
        diagnostics.push(unknown_key(field, whose, known));
    }
    true
}

/// The finding for a key that is not known.
pub(super) fn unknown_key(field: &Field, whose: &str, known: &[&str]) -> Diagnostic {
    let what = format!("{whose} has no key `{}`", safe::terminal(&field.name));
    let help = match nearest(&field.name, known.iter().copied()) {
        Some(right) => did_you_mean(&field.name, right),
        None => format!("it has {}", known.join(", ")),
    };
    Diagnostic::error("unknown-key", field.span, what).help(help)
}

/// The map of a field; each key that is not known becomes a finding.
pub(super) fn map<'a>(
    field: Option<&'a Field>,
    whose: &str,
    known: &[&str],
    diagnostics: &mut Diagnostics,
) -> Option<&'a Node> {
    let node = &field?.value;
    known_keys(node, whose, known, diagnostics).then_some(node)
}

/// The text of a field that must have a single value.
pub(super) fn text<'a>(field: &'a Field, diagnostics: &mut Diagnostics) -> Option<&'a str> {
    let text = field.value.text();
    if text.is_none() {
        let what = format!("`{}` must be a single value, not {}", field.name, field.value.kind());
        diagnostics.push(Diagnostic::error("wrong-kind", field.value.span, what));
    }
    text
}

/// One text, or several: a list, or one text with blanks between them. Each with its place.
pub(in crate::plan) fn texts(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<(String, Span)>> {
    match &node.shape {
        Shape::Scalar { text, .. } => Some(text.split_whitespace().map(|word| (word.to_owned(), node.span)).collect()),
        Shape::List(items) => {
            let mut all = Vec::with_capacity(items.len());
            for item in items {
                match item.text() {
                    Some(text) => all.push((text.to_owned(), item.span)),
                    None => {
                        let what = format!("each item must be a single value, not {}", item.kind());
                        diagnostics.push(Diagnostic::error("wrong-kind", item.span, what));
                    }
                }
            }
            Some(all)
        }
        Shape::Null | Shape::Map(_) => {
            let what = format!("a list is expected here, not {}", node.kind());
            diagnostics.push(Diagnostic::error("wrong-kind", node.span, what));
            None
        }
    }
}

/// A whole number within bounds.
pub(super) fn count(field: &Field, least: u64, most: u64, diagnostics: &mut Diagnostics) -> Option<u64> {
    let text = text(field, diagnostics)?;
    // `parse` also accepts a leading `+`.
    let number = text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.filter(|number| (least..=most).contains(number));
    if number.is_none() {
        let bounds = if most == u64::MAX { format!("from {least} up") } else { format!("from {least} to {most}") };
        let what = format!("`{}` must be a whole number {bounds}, not `{}`", field.name, safe::terminal(text));
        diagnostics.push(Diagnostic::error("number", field.value.span, what));
    }
    number
}

/// A share above 0 and at most 1.
pub(super) fn share(field: &Field, diagnostics: &mut Diagnostics) -> Option<f64> {
    let text = text(field, diagnostics)?;
    // `parse` also accepts `inf`, `nan` and `1e-3`.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let share = text.parse::<f64>().ok().filter(|share| plain && *share > 0.0 && *share <= 1.0);
    if share.is_none() {
        let what = format!("`{}` must be a share above 0 and up to 1, not `{}`", field.name, safe::terminal(text));
        diagnostics
            .push(Diagnostic::error("number", field.value.span, what).help("write `0.05` for five in a hundred"));
    }
    share
}

/// `true` or `false`.
pub(super) fn flag(field: &Field, diagnostics: &mut Diagnostics) -> Option<bool> {
    match text(field, diagnostics)? {
        "true" => Some(true),
        "false" => Some(false),
        other => {
            let what = format!("`{}` must be true or false, not `{}`", field.name, safe::terminal(other));
            diagnostics.push(Diagnostic::error("flag", field.value.span, what));
            None
        }
    }
}

/// A duration above zero.
pub(in crate::plan) fn positive_duration(field: &Field, diagnostics: &mut Diagnostics) -> Option<Duration> {
    let text = text(field, diagnostics)?;
    let why = match parse_duration(text) {
        // Zero would mean `never` to some and `at once` to others.
        Ok(duration) if !duration.is_zero() => return Some(duration),
        Ok(_) => format!("`{}` must be longer than nothing", field.name),
        Err(why) => why,
    };
    diagnostics.push(Diagnostic::error("duration", field.value.span, why));
    None
}

/// An instant: RFC 3339 with an offset.
pub(in crate::plan) fn instant(name: &str, node: &Node, diagnostics: &mut Diagnostics) -> Option<Timestamp> {
    let text = node.text();
    let instant = text.and_then(|text| text.parse::<Timestamp>().ok());
    if instant.is_none() {
        let what = match text {
            // The most frequent mistake, and the one that would run a plan hours too early.
            Some(text) if text.parse::<jiff::civil::DateTime>().is_ok() => {
                format!("`{name}` lacks an offset from UTC: `{}` could be meant anywhere", safe::terminal(text))
            }
            Some(text) => format!("`{name}` must be an instant, not `{}`", safe::terminal(text)),
            None => format!("`{name}` must be an instant, not {}", node.kind()),
        };
        let help = "write it as in RFC 3339, such as `2026-12-01T01:00:00+09:00` or `2026-11-30T16:00:00Z`";
        diagnostics.push(Diagnostic::error("instant", node.span, what).help(help));
    }
    instant
}

/// The time zone of a schedule: an IANA name. What is none gets the name that it may stand for, and never a look-alike: one letter of an
/// abbreviation is half the globe.
pub(super) fn time_zone(field: &Field, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = text(field, diagnostics)?;
    // `get` ignores the case; the zone's own spelling is stored.
    if let Ok(zone) = TimeZone::get(text)
        && let Some(name) = zone.iana_name()
    {
        // They are in IANA's list, as what they were before there was summer time.
        if let Some((_, offset, place)) = FIXED_ZONES.iter().find(|(word, ..)| text.eq_ignore_ascii_case(word)) {
            let what = format!("`{}` is {offset} all the year, without summer time", safe::terminal(text));
            let warning = Diagnostic::warning("timezone", field.value.span, what);
            diagnostics.push(warning.help(format!("where there is summer time, name the place: `{place}`")));
        }
        return Some(name.to_owned());
    }
    let what = format!("there is no time zone `{}`", safe::terminal(text));
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let help = zone_advice(text, &names);
    diagnostics.push(Diagnostic::error("timezone", field.value.span, what).help(help));
    None
}

/// A base URL without its trailing slashes: `https`, or `http` to this machine; a host and a path.
pub(super) fn base_url(url: &str) -> Result<String, UnusableUrl> {
    let UrlParts { scheme, authority, path } = url_parts(url)?;
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
    let UrlParts { scheme, authority, .. } = url_parts(url)?;
    match scheme.as_str() {
        "http" | "https" => host(authority).map(drop),
        _ => wrong("only http and https are asked", "give the CA's `http://` URL"),
    }
}

/// What a text that is no zone may stand for, among the names that there are.
fn zone_advice(text: &str, names: &[String]) -> String {
    let known = ZONE_ABBREVIATIONS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
    if let Some((word, places)) = known {
        let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
        return match places.as_slice() {
            [only] => format!("write {only}"),
            several => format!("{word} is several: write {}", several.join(" or ")),
        };
    }
    let city = text.replace(' ', "_");
    // `Etc/GMT+9` is nine hours behind, and `GMT+9` means nine ahead.
    let places = || names.iter().filter(|name| !name.starts_with("Etc/"));
    let in_place = |name: &&String| name.rsplit_once('/').is_some_and(|(_, last)| last.eq_ignore_ascii_case(&city));
    if let Some(name) = places().find(in_place) {
        return format!("write `{name}`");
    }
    let is_place = text.contains('/') && !text.bytes().any(|byte| byte.is_ascii_digit() || byte == b'+');
    match nearest(text, places().map(String::as_str)).filter(|_| is_place) {
        Some(right) => did_you_mean(text, right),
        None => "write the IANA name of a place, such as `Asia/Seoul`, or `UTC`".to_owned(),
    }
}

fn url_parts(url: &str) -> Result<UrlParts<'_>, UnusableUrl> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return wrong("this is no URL", URL_EXAMPLE);
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
        return wrong("this URL has no usable host and port", URL_EXAMPLE);
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

const URL_EXAMPLE: &str = "write it as `https://host/path`";
/// Abbreviations that are IANA names as well, with their offset and the place that is usually meant.
const FIXED_ZONES: [(&str, &str, &str); 3] =
    [("EST", "UTC-5", "America/New_York"), ("MST", "UTC-7", "America/Denver"), ("HST", "UTC-10", "Pacific/Honolulu")];
/// Abbreviations as people use them, with the places where they do.
const ZONE_ABBREVIATIONS: [(&str, &[&str]); 43] = [
    ("ACST", &["Australia/Adelaide", "Australia/Darwin"]),
    ("AEDT", &["Australia/Sydney"]),
    ("AEST", &["Australia/Sydney", "Australia/Brisbane"]),
    ("AKST", &["America/Anchorage"]),
    ("ART", &["America/Argentina/Buenos_Aires"]),
    ("AST", &["America/Halifax", "Asia/Riyadh"]),
    ("AWST", &["Australia/Perth"]),
    ("BRT", &["America/Sao_Paulo"]),
    ("BST", &["Europe/London", "Asia/Dhaka"]),
    ("CAT", &["Africa/Maputo"]),
    ("CDT", &["America/Chicago", "America/Havana"]),
    ("CEST", &["Europe/Berlin", "Europe/Paris"]),
    ("CLT", &["America/Santiago"]),
    ("CST", &["America/Chicago", "Asia/Shanghai", "America/Havana"]),
    ("CT", &["America/Chicago"]),
    ("EAT", &["Africa/Nairobi"]),
    ("EDT", &["America/New_York"]),
    ("EEST", &["Europe/Athens", "Europe/Kyiv"]),
    ("ET", &["America/New_York"]),
    ("GST", &["Asia/Dubai", "Atlantic/South_Georgia"]),
    ("HKT", &["Asia/Hong_Kong"]),
    ("ICT", &["Asia/Bangkok", "Asia/Ho_Chi_Minh"]),
    ("IDT", &["Asia/Jerusalem"]),
    ("IST", &["Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"]),
    ("JST", &["Asia/Tokyo"]),
    ("KST", &["Asia/Seoul"]),
    ("MDT", &["America/Denver"]),
    ("MSK", &["Europe/Moscow"]),
    ("MT", &["America/Denver"]),
    ("NZDT", &["Pacific/Auckland"]),
    ("NZST", &["Pacific/Auckland"]),
    ("PDT", &["America/Los_Angeles"]),
    ("PHT", &["Asia/Manila"]),
    ("PKT", &["Asia/Karachi"]),
    ("PST", &["America/Los_Angeles", "Asia/Manila"]),
    ("PT", &["America/Los_Angeles"]),
    ("SAST", &["Africa/Johannesburg"]),
    ("SGT", &["Asia/Singapore"]),
    ("SST", &["Pacific/Pago_Pago", "Asia/Singapore"]),
    ("TRT", &["Europe/Istanbul"]),
    ("WAT", &["Africa/Lagos"]),
    ("WEST", &["Europe/Lisbon"]),
    ("WIB", &["Asia/Jakarta"]),
];

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
            match (base_url(url), expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url, expected),
                (Err(UnusableUrl::Secret), Err("secret")) => {}
                (Err(UnusableUrl::Wrong(what, _)), Err(words)) => assert!(what.contains(words), "{url}: {what}"),
                (found, expected) => panic!("{url}: {found:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn an_abbreviation_gets_its_places_and_nothing_a_look_alike() {
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        for (text, expected) in [
            ("KST", "write `Asia/Seoul`"),
            ("kst", "write `Asia/Seoul`"),
            ("JST", "write `Asia/Tokyo`"),
            ("CST", "CST is several: write `America/Chicago` or `Asia/Shanghai` or `America/Havana`"),
            ("IST", "IST is several: write `Asia/Kolkata` or `Europe/Dublin` or `Asia/Jerusalem`"),
            ("Seoul", "write `Asia/Seoul`"),
            ("new york", "write `America/New_York`"),
            ("Asia/Seol", "did you mean `Asia/Seoul`?"),
            ("Europe/Belin", "did you mean `Europe/Berlin`?"),
            ("XST", "write the IANA name of a place"),
            ("UTC+9", "write the IANA name of a place"),
            ("GMT+9", "write the IANA name of a place"),
            ("Etc/UTC+9", "write the IANA name of a place"),
            ("+09:00", "write the IANA name of a place"),
        ] {
            let found = zone_advice(text, &names);
            assert!(found.starts_with(expected), "{text}: {found}");
        }
        for (word, places) in ZONE_ABBREVIATIONS {
            for place in places {
                assert!(names.iter().any(|name| name == place), "{word}: {place}");
            }
        }
    }
}
