//! JSON pointers (RFC 6901) into answers, and the text of what they point at.

use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// A JSON pointer: empty, or segments that each begin with `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    text: String,
    /// The members' names and the items' numbers, unescaped.
    path: Vec<String>,
}

impl Pointer {
    /// Reads a pointer; `None` where the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let path = text.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        (text.is_empty() || text.starts_with('/')).then(|| Self { text: text.to_owned(), path: path.collect() })
    }

    /// What it points at.
    pub fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.path.iter().try_fold(value, |value, step| match value {
            Value::Object(members) => members.get(step),
            // RFC 6901, 4: no sign and no leading zero.
            Value::Array(items) if step == "0" || !step.starts_with(['0', '+']) => {
                items.get(step.parse::<usize>().ok()?)
            }
            _ => None,
        })
    }

    /// The text of the scalar that it points at; `None` for null, lists, objects and nothing. A number and the string of
    /// the same digits give the same text: providers mix them (NAVER's `errorCode` is an Integer in the gateway's table and a
    /// String in its example).
    pub fn text_of<'v>(&self, value: &'v Value) -> Option<Cow<'v, str>> {
        self.of(value).and_then(scalar_text)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A scalar as text: strings without quotes, numbers and booleans as written. `None` for null, lists and objects.
pub fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lead_to_scalars_and_their_text() {
        let text = r#"{"a":{"b":[1,-2,1.0,12345678901234567890,true,null,"x\n\u00e9",[],{"c":""}]},"a/b":1,"m~n":"2","d":1,"d":{"e":3},"":false}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        for (pointer, expected) in [
            ("/a/b/0", Some("1")),
            ("/a/b/1", Some("-2")),
            ("/a/b/2", Some("1.0")),
            ("/a/b/3", Some("12345678901234567890")),
            ("/a/b/4", Some("true")),
            ("/a/b/5", None),
            ("/a/b/6", Some("x\né")),
            ("/a/b/7", None),
            ("/a/b/8/c", Some("")),
            ("/a/b/00", None),
            ("/a/b/01", None),
            ("/a/b/+1", None),
            ("/a/b/-", None),
            ("/a/b/9", None),
            ("/a~1b", Some("1")),
            ("/m~0n", Some("2")),
            // The last of two members counts.
            ("/d/e", Some("3")),
            ("/", Some("false")),
            ("", None),
            ("/a", None),
            ("/z", None),
            ("/a/b/0/z", None),
        ] {
            let found = Pointer::parse(pointer).unwrap();
            assert_eq!(found.text_of(&value).as_deref(), expected, "{pointer}");
        }
        assert_eq!(Pointer::parse("a"), None);
    }
}
