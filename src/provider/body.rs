//! Bodies of answers: how bytes become JSON or text by their charset, and what of a page is shown to people. Says why a body cannot be
//! read, and never guesses what it might have meant.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// The media type of a `Content-Type` field (RFC 9110, section 8.3.1), in lower case, without parameters.
pub(super) fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a media type, in lower case, is JSON (RFC 6839, section 3.1 for those that end in `+json`).
pub(super) fn is_json(media_type: &str) -> bool {
    matches!(media_type, "application/json" | "text/json") || media_type.ends_with("+json")
}

/// Reads a body as JSON, by the charset that its `Content-Type` names.
///
/// # Errors
/// Why it cannot be read, as a sentence. An object that gives a member twice says two things, and which of them was meant nobody
/// knows: RFC 8259, section 4, calls the behaviour of readers unpredictable.
pub(super) fn json(body: &[u8], content_type: &str) -> Result<Value, String> {
    let text = text(body, content_type)?;
    let mut reader = serde_json::Deserializer::from_str(&text);
    let value = Once.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// The text of a body, by its byte order mark, or else by the charset that its `Content-Type` names, or else UTF-8.
fn text<'b>(body: &'b [u8], content_type: &str) -> Result<Cow<'b, str>, String> {
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

fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

/// The beginning of a page or a text, for people: its title, then its first words, without markup, as one line.
pub(super) fn first_words(body: &[u8], content_type: &str) -> String {
    let body = body.get(..MAX_READ).unwrap_or(body);
    let text = text(body, content_type).unwrap_or_else(|_| String::from_utf8_lossy(body));
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

/// Reads any JSON value in which no object gives a member twice.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member `{name}` is given twice")));
            }
            let value = members.next_value_seed(Self)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
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
    use serde_json::json;

    #[test]
    fn json_is_read_by_its_charset_and_never_where_it_says_two_things() {
        let utf16 = |text: &str, big: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        let plain = "application/json";
        for (body, content_type, expected) in [
            (br#"{"a":[1,-2,1.0,true,null,"x"]}"#.to_vec(), plain, Ok(json!({"a": [1, -2, 1.0, true, null, "x"]}))),
            (b"\xef\xbb\xbf{\"a\":1}".to_vec(), plain, Ok(json!({"a": 1}))),
            (b"{\"a\":\"d\xe9j\xe0\"}".to_vec(), "application/json; charset=ISO-8859-1", Ok(json!({"a": "déjà"}))),
            (b"{\"a\":\"d\xe9j\xe0\"}".to_vec(), "application/json;Charset=\"iso-8859-1\"", Ok(json!({"a": "déjà"}))),
            (b"{\"a\":\"\x83e\"}".to_vec(), "application/json; charset=Shift_JIS", Ok(json!({"a": "テ"}))),
            (b"{\"a\":\"d\xe9j\xe0\"}".to_vec(), plain, Err("it is not UTF-8")),
            (b"{}".to_vec(), "application/json; charset=klingon", Err("its charset klingon is not known")),
            (utf16("{\"a\":\"é\"}", true), "application/json; charset=UTF-16", Ok(json!({"a": "é"}))),
            (utf16("{\"a\":\"é\"}", false), "application/json; charset=UTF-16", Ok(json!({"a": "é"}))),
            (utf16("\u{feff}{\"a\":1}", true), "application/json; charset=utf-8", Ok(json!({"a": 1}))),
            (utf16("\u{feff}{\"a\":1}", false), plain, Ok(json!({"a": 1}))),
            (utf16("[1]", true), plain, Ok(json!([1]))),
            (b"{\"a\":1,\"b\":2,\"a\":3}".to_vec(), plain, Err("the member `a` is given twice")),
            (b"[{\"a\":{\"c\":1,\"c\":1}}]".to_vec(), plain, Err("the member `c` is given twice")),
            (b"{\"a\":1,\"\\u0061\":2}".to_vec(), plain, Err("the member `a` is given twice")),
            (b"{\"a\":{\"b\":1},\"b\":1}".to_vec(), plain, Ok(json!({"a": {"b": 1}, "b": 1}))),
            (b"{} {}".to_vec(), plain, Err("trailing characters")),
            (b"{\"a\":1".to_vec(), plain, Err("EOF")),
            (vec![0x1f, 0x8b, 8, 0], plain, Err("it is not UTF-8")),
            ([b"[".repeat(200), b"]".repeat(200)].concat(), plain, Err("recursion limit")),
        ] {
            match (json(&body, content_type), expected) {
                (Err(why), Err(words)) => assert!(why.contains(words), "{why}"),
                (found, expected) => assert_eq!(found, expected.map_err(str::to_owned), "{content_type}"),
            }
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
