//! JSON pointers (RFC 6901) into answers, and the text of what they point at.

use serde_json::Value;
use serde_json_borrow::Value as Borrowed;
use std::borrow::Cow;
use std::fmt;

/// A JSON value that pointers go into: a tree of its own, or one that borrows its words from an answer.
pub trait Json {
    /// The member of an object; the last of those that share a name.
    fn member(&self, name: &str) -> Option<&Self>;

    /// The item of a list.
    fn item(&self, index: usize) -> Option<&Self>;

    /// A scalar as text: strings without quotes, numbers and booleans as written. `None` for null, lists and objects.
    fn scalar(&self) -> Option<Cow<'_, str>>;

    /// Whether it is null.
    fn is_null(&self) -> bool;
}

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
    pub fn of<'a, J: Json>(&self, value: &'a J) -> Option<&'a J> {
        self.way.iter().try_fold(value, |value, step| {
            // RFC 6901, 4: no sign and no leading zero.
            let index = || (step == "0" || !step.starts_with(['0', '+'])).then(|| step.parse().ok()).flatten();
            value.member(step).or_else(|| value.item(index()?))
        })
    }

    /// The text of the scalar that it points at; `None` for null, lists, objects and nothing. A number and the string of
    /// the same digits give the same text: providers mix them (NAVER's `errorCode` is both).
    pub fn text_of<'v, J: Json>(&self, value: &'v J) -> Option<Cow<'v, str>> {
        self.of(value).and_then(Json::scalar)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A scalar as text, as [`Json::scalar`].
pub fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    value.scalar()
}

impl Json for Value {
    fn member(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }

    fn item(&self, index: usize) -> Option<&Self> {
        self.as_array()?.get(index)
    }

    fn scalar(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::String(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Bool(flag) => Some(Cow::Borrowed(word(*flag))),
            Self::Null | Self::Array(_) | Self::Object(_) => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl Json for Borrowed<'_> {
    fn member(&self, name: &str) -> Option<&Self> {
        let mut members = self.as_object()?.as_vec().iter().rev();
        members.find(|(member, _)| *member == name).map(|(_, value)| value)
    }

    fn item(&self, index: usize) -> Option<&Self> {
        self.as_array()?.get(index)
    }

    fn scalar(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Str(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(serde_json::Number::from(*number).to_string())),
            Self::Bool(flag) => Some(Cow::Borrowed(word(*flag))),
            Self::Null | Self::Array(_) | Self::Object(_) => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

const fn word(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_borrows_gives_what_a_tree_of_its_own_gives() {
        let text = r#"{"a":{"b":[1,-2,1.0,1e40,12345678901234567890,0.1,true,null,"x\n\u00e9",[],{"c":""}]},"a/b":1,"m~n":"2","d":1,"d":{"e":3},"":false}"#;
        let tree: Value = serde_json::from_str(text).unwrap();
        let borrowed: Borrowed<'_> = serde_json::from_str(text).unwrap();
        let items = (0..12).map(|index| format!("/a/b/{index}"));
        let others = [
            "",
            "/",
            "/a",
            "/a~1b",
            "/m~0n",
            "/d",
            "/d/e",
            "/a/b/01",
            "/a/b/+1",
            "/a/b/-",
            "/a/b/10/c",
            "/z",
            "/a/b/0/z",
        ];
        for pointer in items.chain(others.map(str::to_owned)).map(|text| Pointer::parse(&text).unwrap()) {
            assert_eq!(pointer.text_of(&borrowed), pointer.text_of(&tree), "{pointer}");
            let null = [pointer.of(&borrowed).map(Json::is_null), pointer.of(&tree).map(Json::is_null)];
            assert_eq!(null[0], null[1], "{pointer}");
        }
        let text_of = |pointer: &str| Pointer::parse(pointer).unwrap().text_of(&borrowed).map(Cow::into_owned);
        assert_eq!(text_of("/d/e").as_deref(), Some("3"), "the last of two members counts");
        assert_eq!((text_of("/a/b/8").as_deref(), text_of("/a/b/01")), (Some("x\né"), None));
    }
}
