//! Bodies of answers: how bytes become JSON. Says why a body cannot be read, and never guesses what it might have meant.

use crate::text::page::decode;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The media type of a `Content-Type` field (RFC 9110, section 8.3.1), in lower case, without parameters.
pub(super) fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a media type, in lower case, is JSON (RFC 6839, section 3.1 for those that end in `+json`; AWS has names of its own).
pub(super) fn is_json(media_type: &str) -> bool {
    matches!(media_type, "application/json" | "text/json")
        || media_type.ends_with("+json")
        || media_type.starts_with("application/x-amz-json-")
}

/// Reads a body as JSON, by the charset that its `Content-Type` names.
///
/// # Errors
/// Why it cannot be read, as a sentence. An object that gives a member twice says two things, and which of them was meant nobody
/// knows: RFC 8259, section 4, calls the behaviour of readers unpredictable.
pub(super) fn json(body: &[u8], content_type: &str) -> Result<Value, String> {
    let text = decode(body, content_type)?;
    let mut reader = serde_json::Deserializer::from_str(&text);
    let value = Once.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
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
}
