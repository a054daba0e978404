//! Parameters as a request takes them: each by its name, as the JSON text of its value. So what stands in a run's database as a text
//! goes into a body as it stands there, and no tree of values is made of it.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// Parameters that are given to a request.
pub trait Given {
    /// The JSON text of a parameter, without blanks; `None` where it is not given. Null counts as nothing.
    fn json(&self, name: &str) -> Option<Cow<'_, str>>;
}

impl Given for Map<String, Value> {
    fn json(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).filter(|value| !value.is_null()).map(|value| Cow::Owned(value.to_string()))
    }
}

/// The members of a JSON object that is a text without blanks.
#[derive(Debug)]
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Members<'a> {
    /// Finds them.
    ///
    /// # Errors
    /// Where the text is no JSON object.
    pub fn of(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl Given for Members<'_> {
    fn json(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, text) = self.0.iter().find(|(member, _)| member == name)?;
        (*text != "null").then_some(Cow::Borrowed(*text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(Cow<'de, str>, &'de str)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::with_capacity(FEW);
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name, value.get()));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Object).map(Self)
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The text of a scalar, or of what else a JSON text says: a string without its quotes, everything else as written.
pub fn scalar(json: &str) -> Cow<'_, str> {
    match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
        Some(_) => Cow::Owned(serde_json::from_str(json).unwrap_or_default()),
        None => Cow::Borrowed(json),
    }
}

/// Parameters that most operations do not exceed.
const FEW: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_gives_what_the_map_gives_that_it_stands_for() {
        let map = json!({
            "text": "a", "quoted": "\"\\\n\u{1f}é\u{1f600}", "empty": "", "number": 7, "long": 12_345_678_901_234_567_890_u64,
            "part": 1.5, "flag": false, "list": ["a b", 1], "within": {"a": {"b": [null]}}, "nothing": null, "na\"me": 1,
        });
        let map = map.as_object().unwrap();
        let text = serde_json::to_string(map).unwrap();
        let members = Members::of(&text).unwrap();
        for name in map.keys().map(String::as_str).chain(["absent", ""]) {
            assert_eq!(members.json(name), map.json(name), "{name}");
            let plain = map.json(name).filter(|_| !map[name].is_array() && !map[name].is_object());
            let expected = plain.as_ref().and_then(|_| super::super::pointer::scalar_text(&map[name]));
            assert_eq!(plain.as_deref().map(scalar), expected, "{name}");
        }
        assert_eq!((map.json("nothing"), map.json("flag").as_deref()), (None, Some("false")));
        for wrong in ["", "[]", "1", r#"{"a":}"#, r#"{"a":1"#, r#"{"a":1}x"#] {
            assert!(Members::of(wrong).is_err(), "{wrong}");
        }
    }
}
