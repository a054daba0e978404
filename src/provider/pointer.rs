//! JSON pointers (RFC 6901) into answers, and the text of what they point at.

use serde_json::Value;
use std::fmt;

/// A JSON pointer: empty, or segments that each begin with `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    text: String,
    /// The members' names and the items' numbers on the way, unescaped.
    way: Vec<String>,
}

impl Pointer {
    /// Reads a pointer; `None` where the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let way = text.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        (text.is_empty() || text.starts_with('/')).then(|| Self { text: text.to_owned(), way: way.collect() })
    }

    /// What it points at.
    pub fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.way.iter().try_fold(value, |value, step| match value {
            Value::Object(members) => members.get(step),
            // RFC 6901, 4: no sign and no leading zero.
            Value::Array(items) if step == "0" || !step.starts_with(['0', '+']) => {
                items.get(step.parse::<usize>().ok()?)
            }
            _ => None,
        })
    }

    /// The text of the scalar that it points at; `None` for null, lists, objects and nothing. A number and the string of
    /// the same digits give the same text: providers mix them (NAVER's `errorCode` is both).
    pub fn text_of(&self, value: &Value) -> Option<String> {
        self.of(value).and_then(scalar_text)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A scalar as text: strings without quotes, numbers and booleans as written.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
