//! What a server sent, as text for people: by its charset, and of a page its title and its first words. Nothing is decided by it. The text is
//! not yet safe to show.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use std::borrow::Cow;

/// `text/html: “Down for maintenance”`, `an empty body`, `application/octet-stream, 512 bytes`.
pub fn excerpt(media_type: Option<&str>, body: &[u8]) -> String {
    if body.is_empty() {
        return "an empty body".to_owned();
    }
    let kind = media_type.map(|kind| kind.split(';').next().unwrap_or_default().trim()).filter(|kind| !kind.is_empty());
    let kind = kind.unwrap_or("without a media type");
    let words = first_words(body, media_type.unwrap_or_default());
    if words.is_empty() || words.contains(char::REPLACEMENT_CHARACTER) {
        return format!("{kind}, {} bytes", body.len());
    }
    format!("{kind}: “{words}”")
}

/// The text of a body, by its byte order mark, or else by the charset that its `Content-Type` names, or else UTF-8.
///
/// # Errors
/// Why it is no text, as a sentence.
pub fn decode<'b>(body: &'b [u8], content_type: &str) -> Result<Cow<'b, str>, String> {
    let (named, body) = match Encoding::for_bom(body) {
        Some((encoding, mark)) => (encoding, body.get(mark..).unwrap_or_default()),
        None => match charset(content_type) {
            Some(label) => {
                let known = Encoding::for_label(label.as_bytes());
                (known.ok_or_else(|| format!("its charset {label} is not known"))?, body)
            }
            None => (UTF_8, body),
        },
    };
    // The first two characters of JSON are ASCII, so a zero tells the byte order (RFC 4627, section 3): UTF-16 without a mark is often
    // sent in the order that its name does not stand for.
    let encoding = match body {
        [0, second, ..] if *second != 0 => UTF_16BE,
        [first, 0, ..] if *first != 0 => UTF_16LE,
        _ => named,
    };
    encoding
        .decode_without_bom_handling_and_without_replacement(body)
        .ok_or_else(|| format!("it is not {}", encoding.name()))
}

pub(crate) fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

/// The beginning of a page or a text, for people: its title, then its first words, without markup, as one line.
pub fn first_words(body: &[u8], content_type: &str) -> String {
    let body = body.get(..MAX_READ).unwrap_or(body);
    let text = decode(body, content_type).unwrap_or_else(|_| String::from_utf8_lossy(body));
    let words = |text: &str| {
        let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
        text.chars().map(printable).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let title = element(&text, "title").map(|title| words(&unescape(title))).filter(|title| !title.is_empty());
    // The head of a page holds nothing else for people.
    let page = after(&text, "</head>").or_else(|| after(&text, "</title>")).unwrap_or(&text);
    let page = if text.trim_start().starts_with('<') { words(&unescape(&without_markup(page))) } else { words(page) };
    let all = match title {
        Some(title) if page.is_empty() || page == title => title,
        Some(title) => format!("{title}: {}", page.strip_prefix(&title).unwrap_or(&page).trim_start()),
        None => page,
    };
    match all.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}…", &all[..end]),
        None => all,
    }
}

/// The content of the first element of this name.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let inside = after(text, &format!("<{name}"))?;
    let (_, inside) = inside.split_once('>')?;
    let end = find(inside, &format!("</{name}"))?;
    inside.get(..end)
}

/// What stands behind the first place of this word, in any case.
fn after<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    text.get(find(text, word)? + word.len()..)
}

fn find(text: &str, word: &str) -> Option<usize> {
    text.as_bytes().windows(word.len()).position(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// The text between tags; that of scripts, styles and comments is for no reader.
fn without_markup(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        out.push_str(before);
        out.push(' ');
        let begins = |name: &str| tag.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        let end = HIDDEN.iter().find(|(name, _)| begins(name)).map_or(">", |(_, end)| *end);
        rest = after(tag, end).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Text without the entities that pages use most.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, entity)) = rest.split_once('&') {
        out.push_str(before);
        let known = entity.split_once(';').filter(|(name, _)| name.len() <= 8).and_then(|(name, behind)| {
            let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
            let letter = match name {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                "nbsp" => Some(' '),
                _ => match name.strip_prefix("#x").or_else(|| name.strip_prefix("#X")) {
                    Some(digits) => number(digits, 16),
                    None => name.strip_prefix('#').and_then(|digits| number(digits, 10)),
                },
            };
            letter.map(|letter| (letter, behind))
        });
        rest = match known {
            Some((letter, behind)) => {
                out.push(letter);
                behind
            }
            None => {
                out.push('&');
                entity
            }
        };
    }
    out.push_str(rest);
    out
}

/// Elements without text for readers, and what ends them.
const HIDDEN: [(&str, &str); 3] = [("script", "</script>"), ("style", "</style>"), ("!--", "-->")];
/// Bytes of a page in which its words are looked for.
const MAX_READ: usize = 64 * 1024;
/// Characters of a page that are shown.
const MAX_WORDS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_told_in_a_few_words() {
        for (kind, body, expected) in [
            (None, b"".as_slice(), "an empty body"),
            (Some("text/html"), b"", "an empty body"),
            (
                Some("text/html; charset=utf-8"),
                b"<!doctype html><html><head><TITLE lang=en>\n Down for\tmaintenance </title><body>",
                "text/html: “Down for maintenance”",
            ),
            (
                Some("text/html"),
                b"<style>p{color:red}</style><script>if (1<2) x()</script><h1>403</h1><p>Forbidden",
                "text/html: “403 Forbidden”",
            ),
            (None, b"no such CRL\r\n", "without a media type: “no such CRL”"),
            (None, "\u{feff}<html>철회".as_bytes(), "without a media type: “철회”"),
            (Some("application/pkix-crl"), &[0x30, 0x82, 0xFF, 0x00], "application/pkix-crl, 4 bytes"),
        ] {
            assert_eq!(excerpt(kind, body), expected);
        }
    }

    #[test]
    fn of_a_page_its_title_and_its_first_words_are_shown() {
        for (page, expected) in [
            (
                "<!DOCTYPE html><html><head><title>Scheduled\n maintenance</title><style>p{}</style></head><body><h1>We&#39;ll be back \
                 soon</h1><p>Until 05:00&nbsp;UTC &amp; not before.</p></body></html>",
                "Scheduled maintenance: We'll be back soon Until 05:00 UTC & not before.",
            ),
            ("<html><head><TITLE lang=en>Access Denied</TITLE></head><body></body></html>", "Access Denied"),
            ("<html><title>A</title><body>A B</body></html>", "A: B"),
            ("<script>if (a < b) alert(1)</script><!-- <b>no</b> --><p>yes", "yes"),
            ("<html><body>open <b", "open"),
            ("<script>never closed", ""),
            ("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
            ("upstream connect error: a < b", "upstream connect error: a < b"),
            ("a\u{1b}[31m\r\nb", "a [31m b"),
            ("<p>&lt;b&gt; &#x41;&#66;&bogus; & &#xffffffff;", "<b> AB&bogus; & &#xffffffff;"),
            ("", ""),
        ] {
            assert_eq!(first_words(page.as_bytes(), "text/html"), expected, "{page}");
        }
        assert_eq!(first_words(b"d\xe9j\xe0", "text/plain; charset=latin1"), "déjà");
        assert_eq!(first_words(b"d\xe9j", "text/plain"), "d\u{fffd}j");
        let long = first_words("é".repeat(100_000).as_bytes(), "text/plain");
        assert_eq!(long.chars().count(), MAX_WORDS + 1);
        assert!(long.ends_with("é…"));
    }
}
