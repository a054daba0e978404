//! Answers: what a provider sent back, how its bytes become JSON, pointers (RFC 6901) into it, what steps keep of it, and the rules, classes and
//! states by which documents say what it means. Says why a body cannot be read, and never guesses what it might have meant. Classifies nothing
//! itself: that is [`super::verdict`]'s.

use crate::text::page;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// A whole answer to one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The HTTP status; any number that the peer sent, also one outside 100..=599.
    pub status: u16,
    /// Header fields; names in lower case.
    pub headers: HeaderFields,
    /// The body, whole. (A body that broke off is no answer but a lost one.)
    pub body: Vec<u8>,
    /// Whether only the order of answers says that it is this request's: others were answered on the same connection before.
    pub by_order: bool,
    /// What the body is.
    content: Content,
}

/// What a body is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Content {
    /// Nothing, or white space.
    #[default]
    Empty,
    /// JSON, whatever it is called.
    Json(Value),
    /// It is called JSON, or looks like it, or is in a coding, and cannot be read; why not.
    Unreadable(String),
    /// Something else.
    Other,
}

impl Answer {
    /// An answer that arrived whole. Its body is parsed here, once for all who read it.
    pub fn new(status: u16, headers: HeaderFields, body: Vec<u8>) -> Self {
        let content_type = headers.get("content-type").unwrap_or_default();
        let media_type = media_type(content_type);
        let content = match read_json(&body, content_type) {
            _ if body.trim_ascii().is_empty() => Content::Empty,
            Ok(value) => Content::Json(value),
            Err(why) if is_json(&media_type) => Content::Unreadable(why),
            Err(why) if media_type.is_empty() && body.trim_ascii_start().starts_with(b"{") => Content::Unreadable(why),
            Err(_) => Content::Other,
        };
        // RFC 9110, section 8.3: it is one field, and to take either of two is how answers are taken for what they are not.
        let content = match contradicting(&headers, content_type) {
            Some(other) if content != Content::Empty => {
                Content::Unreadable(format!("two `Content-Type` fields call it `{content_type}` and `{other}`"))
            }
            _ => content,
        };
        Self { status, headers, body, by_order: false, content }
    }

    /// An answer that arrived whole, with a body that cannot be read; why not, as a sentence about the body.
    pub fn unreadable(status: u16, headers: HeaderFields, why: String) -> Self {
        Self { content: Content::Unreadable(why), ..Self::new(status, headers, Vec::new()) }
    }

    /// What the body is.
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// The body as JSON; null where it is none.
    pub const fn json(&self) -> &Value {
        match &self.content {
            Content::Json(value) => value,
            Content::Empty | Content::Unreadable(_) | Content::Other => &Value::Null,
        }
    }

    /// The body's media type, in lower case, without parameters; `None` where the answer does not tell.
    pub fn media_type(&self) -> Option<String> {
        self.header("content-type").map(media_type).filter(|media_type| !media_type.is_empty())
    }

    /// What came, for people: the status, the media type, where it leads to, the first words of what it holds. Verbatim but for markup:
    /// make it safe before showing it.
    pub fn describe(&self) -> String {
        let mut words = format!("HTTP {}", self.status);
        if let Some(location) = self.header("location").filter(|_| (300..400).contains(&self.status)) {
            words.push_str(" to ");
            words.extend(location.chars().take(MAX_LOCATION));
            return words;
        }
        if self.content == Content::Empty {
            words.push_str(" without a body");
            return words;
        }
        words.push(' ');
        words.push_str(&self.media_type().unwrap_or_else(|| "without a media type".to_owned()));
        if let Content::Unreadable(why) = &self.content {
            words.push_str(", whose body cannot be read: ");
            words.push_str(why);
            return words;
        }
        let content_type = self.header("content-type").unwrap_or_default();
        let first = page::first_words(&self.body, content_type);
        if first.is_empty() { words } else { format!("{words} \"{first}\"") }
    }

    /// The first value of a header field; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

/// Header fields, names in lower case, in the order in which they arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderFields(Vec<(String, String)>);

impl HeaderFields {
    /// Adds a field.
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// The first value of a field; `name` in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for HeaderFields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// The place of something in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerLocation {
    /// In the body.
    Body(Pointer),
    /// In the first header field of this name (lower case).
    Header(String),
}

impl AnswerLocation {
    /// What stands there: a JSON value; of the whole of a body that is no JSON its text (a PEM file). `None` for null and nothing.
    pub fn value_of(&self, answer: &Answer) -> Option<Value> {
        match self {
            Self::Header(name) => answer.header(name).map(Value::from),
            Self::Body(pointer) if pointer.is_whole() && *answer.content() == Content::Other => {
                page::decode(&answer.body, answer.header("content-type").unwrap_or_default())
                    .ok()
                    .map(|text| Value::from(text.into_owned()))
            }
            Self::Body(pointer) => pointer.of(answer.json()).filter(|value| !value.is_null()).cloned(),
        }
    }
}

/// What a step keeps of its answer for those that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Where the answer holds it.
    pub place: AnswerLocation,
}

/// An output of a step, by both their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepOutput {
    /// The step.
    pub step: String,
    /// Its output.
    pub output: String,
}

impl fmt::Display for StepOutput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "$steps.{}.outputs.{}", self.step, self.output)
    }
}

/// What an answer means for the action that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerClass {
    /// Done, as the document declares. `succeeded` in a document.
    Succeeded,
    /// It was so before. `already-done`.
    AlreadyDone,
    /// Accepted, waits for a person at the CA. `pending-approval`.
    PendingApproval,
    /// Accepted, the CA is still at work. `pending`.
    Pending,
    /// Refused without effect; the same request would be refused again. `rejected`.
    Rejected,
    /// Too many requests; no effect, costs no attempt, holds the provider back. `throttled`.
    Throttled,
    /// Surely no effect, and worth another attempt. `try-later`.
    TryLater,
    /// What the request carried for this once, a nonce, will not do; no effect; asked again at once with another, and costs no
    /// attempt. `bad-nonce`, as in RFC 8555.
    BadNonce,
    /// These credentials will not do; no effect; stops the provider. `unauthorized`.
    Unauthorized,
    /// It may have taken effect. `unknown`.
    Unknown,
}

impl AnswerClass {
    /// All classes with the words that documents use for them.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Succeeded, "succeeded"),
        (Self::AlreadyDone, "already-done"),
        (Self::PendingApproval, "pending-approval"),
        (Self::Pending, "pending"),
        (Self::Rejected, "rejected"),
        (Self::Throttled, "throttled"),
        (Self::TryLater, "try-later"),
        (Self::BadNonce, "bad-nonce"),
        (Self::Unauthorized, "unauthorized"),
        (Self::Unknown, "unknown"),
    ];

    /// Former names of two classes. Documents of users still hold them, and a rename must not break those.
    pub const FORMER: [(Self, &'static str); 2] =
        [(Self::BadNonce, "refused-token"), (Self::Unauthorized, "refused-credentials")];

    /// The word that documents use for it.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(class, _)| *class == self).map_or("", |(_, word)| word)
    }

    /// Whether only the provider itself can say it, by a body of a media type that its document declares. What remains may be said by
    /// anything between: a firewall's 429 is a reason to send less, a gateway's 502 one to ask again.
    pub const fn is_the_providers(self) -> bool {
        matches!(
            self,
            Self::Succeeded
                | Self::AlreadyDone
                | Self::PendingApproval
                | Self::Pending
                | Self::Rejected
                | Self::Unauthorized
        )
    }
}

/// The state of an action's target, as a status query reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetState {
    /// It is as the action wanted it. `done`.
    Done,
    /// The provider has accepted it and works on it, or a person must approve it. `pending`.
    Pending,
    /// It is surely not so. `not-done`.
    NotDone,
    /// The status query does not answer it. `unknown`.
    Unknown,
}

impl TargetState {
    /// All states with the words that documents use for them.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Done, "done"), (Self::Pending, "pending"), (Self::NotDone, "not-done"), (Self::Unknown, "unknown")];

    /// The word that documents use for it.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, word)| word)
    }
}

/// What the body of an answer is, as `responses` declare it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseContent {
    /// `404`, `4XX` or `default`.
    pub status: String,
    /// Media types and media ranges (`text/*`), in lower case. None where the answer has no body.
    pub media_types: Vec<String>,
}

/// What an answer means.
#[derive(Debug, Clone)]
pub struct AnswerRule {
    /// The HTTP statuses; empty for any.
    pub status: Vec<u16>,
    /// Conditions on the body; all must hold.
    pub when: Vec<Condition>,
    /// Whether the body must be empty (`Some(true)`) or not (`Some(false)`).
    pub empty: Option<bool>,
    /// The class that the answer then has.
    pub class: AnswerClass,
    /// A sentence for people.
    pub explanation: Option<String>,
    /// What of the body is told behind it, each with a word for it: the record that a person must put somewhere.
    pub shows: Vec<(String, Pointer)>,
}

/// A condition on a JSON value. Scalars are compared as text, so `0` and `"0"` are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Into the value.
    pub pointer: Pointer,
    /// What must hold there.
    pub test: Test,
}

/// The closed list of tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// The scalar's text is one of these.
    OneOf(Vec<String>),
    /// The scalar's text is there and none of these.
    NoneOf(Vec<String>),
    /// The scalar's text begins with one of these.
    Prefix(Vec<String>),
    /// The scalar's text contains one of these.
    Contains(Vec<String>),
    /// There is something but null (`true`), or nothing or null (`false`).
    Present(bool),
}

/// Where a throttling answer holds the time to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrottleHint {
    /// Into the answer's body.
    pub pointer: Pointer,
    /// How the text there is read.
    pub form: ThrottleForm,
}

/// The closed list of forms of a throttling hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleForm {
    /// A limit and its window inside a sentence: `…,limit:30,time:1 minute`; asks to wait for one window. `limit-time`.
    LimitTime,
    /// A number of seconds. `seconds`.
    Seconds,
}

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

    /// Whether it points at the whole.
    pub const fn is_whole(&self) -> bool {
        self.text.is_empty()
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

/// What names a target, as text: a scalar, or the only item of a list (Keyfactor Command revokes lists of ids, and is given one at a time).
pub fn naming_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Array(items) => items.first().filter(|_| items.len() == 1).and_then(scalar_text),
        scalar => scalar_text(scalar),
    }
}

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
fn read_json(body: &[u8], content_type: &str) -> Result<Value, String> {
    let text = page::decode(body, content_type)?;
    let mut reader = serde_json::Deserializer::from_str(&text);
    let value = Once.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// A further `Content-Type` that says something else than the first.
fn contradicting<'a>(headers: &'a HeaderFields, first: &str) -> Option<&'a str> {
    let meant = |text: &str| (media_type(text), page::charset(text).unwrap_or("utf-8").to_ascii_lowercase());
    let mut all = headers.iter().filter(|(name, _)| *name == "content-type").map(|(_, value)| value);
    all.find(|other| meant(other) != meant(first))
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

/// Characters of a `Location` that are shown.
const MAX_LOCATION: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_came_is_said_in_a_few_words() {
        for (status, headers, body, expected) in [
            (
                503,
                &[("content-type", "text/html")][..],
                "<title>Maintenance</title><p>until 5",
                "HTTP 503 text/html \"Maintenance: until 5\"",
            ),
            (
                302,
                &[("location", "/login?next=/x"), ("content-type", "text/html")],
                "<p>moved",
                "HTTP 302 to /login?next=/x",
            ),
            (304, &[], "", "HTTP 304 without a body"),
            (200, &[], "", "HTTP 200 without a body"),
            (200, &[], "OK", "HTTP 200 without a media type \"OK\""),
            (202, &[("content-type", "application/json")], "{\"a\":1}", "HTTP 202 application/json \"{\"a\":1}\""),
            (
                200,
                &[("content-type", "application/json"), ("content-type", "text/html")],
                "{\"a\":1}",
                "HTTP 200 application/json, whose body cannot be read: two `Content-Type` fields call it `application/json` and `text/html`",
            ),
            (
                200,
                &[("content-type", "text/plain"), ("content-type", "text/plain; charset=euc-kr")],
                "ok",
                "HTTP 200 text/plain, whose body cannot be read: two `Content-Type` fields call it `text/plain` and `text/plain; charset=euc-kr`",
            ),
            (
                200,
                &[("content-type", "application/json"), ("content-type", "Application/JSON; charset=UTF-8")],
                "{\"a\":1}",
                "HTTP 200 application/json \"{\"a\":1}\"",
            ),
            (204, &[("content-type", "a/b"), ("content-type", "c/d")], "", "HTTP 204 without a body"),
            (201, &[("location", "/x"), ("content-type", "text/plain")], "made", "HTTP 201 text/plain \"made\""),
            (
                200,
                &[("content-type", "application/json")],
                "{\"a\":1,\"a\":2}",
                "HTTP 200 application/json, whose body cannot be read: the member `a` is given twice at line 1 column 10",
            ),
            (200, &[("content-type", "image/png")], "", "HTTP 200 without a body"),
        ] {
            let answer =
                Answer::new(status, headers.iter().copied().collect::<HeaderFields>(), body.as_bytes().to_vec());
            assert_eq!(answer.describe(), expected);
        }
    }

    #[test]
    fn pointers_lead_to_scalars_and_their_text() {
        let text = r#"{"a":{"b":[1,-2,1.0,12345678901234567890,true,null,"x\n\u00e9",[],{"c":""}]},"a/b":1,"m~n":"2","d":{"e":3},"":false}"#;
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
            match (read_json(&body, content_type), expected) {
                (Err(why), Err(words)) => assert!(why.contains(words), "{why}"),
                (found, expected) => assert_eq!(found, expected.map_err(str::to_owned), "{content_type}"),
            }
        }
    }
}
