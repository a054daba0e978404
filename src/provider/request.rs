//! What an operation and its parameters look like on the wire below the base URL: path, query and JSON body.
//!
//! Pure. It trusts that the parameters have passed the operation's schema; it neither validates nor sends.

use super::model::{Location, Operation, Parameter};
use super::pointer::scalar_text;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Adds the path below the base URL with its query, percent-encoded, to a URL. Query parameters stand in document order; a list
/// repeats its key; what is not given is left out, unless the document fixes a value for it.
pub fn add_path_and_query(text: &mut String, operation: &Operation, parameters: &Map<String, Value>) {
    let mut rest = operation.path.as_str();
    while let Some((before, name, after)) = next_placeholder(rest) {
        text.push_str(before);
        let parameter = operation.parameters.iter().find(|p| p.location == Location::Path && p.name == name);
        let value = parameter.and_then(|parameter| given(parameter, parameters));
        // A list is one segment, joined with commas (OpenAPI's style `simple`).
        for (index, item) in value.into_iter().flat_map(items).enumerate() {
            text.push_str(if index == 0 { "" } else { "," });
            text.extend(encoded(&item));
        }
        rest = after;
    }
    text.push_str(rest);

    let mut separator = '?';
    for parameter in at(operation, Location::Query) {
        // A list repeats its key (OpenAPI's style `form`).
        for item in given(parameter, parameters).into_iter().flat_map(items) {
            text.push(std::mem::replace(&mut separator, '&'));
            text.extend(encoded(&parameter.name));
            text.push('=');
            text.extend(encoded(&item));
        }
    }
}

/// The JSON body: the given members in document order, without blanks; `{}` where the operation has a body and nothing is given;
/// `None` where it has none.
pub fn body(operation: &Operation, parameters: &Map<String, Value>) -> Option<Vec<u8>> {
    // `{}` and not nothing: Huawei refuses an empty body, though every member is optional
    // (https://support.huaweicloud.com/eu/api-ccm/RevokeCertificate.html).
    if !operation.has_body {
        return None;
    }
    let mut text = Vec::with_capacity(BODY_BYTES);
    for parameter in at(operation, Location::Body) {
        let Some(value) = given(parameter, parameters) else { continue };
        text.push(if text.is_empty() { b'{' } else { b',' });
        // Nothing keeps JSON from being written into memory.
        let _written = serde_json::to_writer(&mut text, &parameter.name);
        text.push(b':');
        let _written = serde_json::to_writer(&mut text, value);
    }
    text.extend_from_slice(if text.is_empty() { b"{}" } else { b"}" });
    Some(text)
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub fn encode(text: &str) -> String {
    encoded(text).to_string()
}

/// The host part of a URL or template.
pub(super) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

fn at(operation: &Operation, location: Location) -> impl Iterator<Item = &Parameter> {
    operation.parameters.iter().filter(move |parameter| parameter.location == location)
}

/// The value to send: the given one, else the fixed one. Null counts as nothing.
fn given<'a>(parameter: &'a Parameter, parameters: &'a Map<String, Value>) -> Option<&'a Value> {
    parameters.get(&parameter.name).filter(|value| !value.is_null()).or(parameter.fixed.as_ref())
}

/// Each item of a list, or the one value, as text.
fn items(value: &Value) -> impl Iterator<Item = Cow<'_, str>> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    items.iter().map(|item| scalar_text(item).unwrap_or_else(|| Cow::Owned(item.to_string())))
}

/// Splits `before{name}after`.
fn next_placeholder(path: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = path.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// Bytes that most bodies do not exceed.
const BODY_BYTES: usize = 256;
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::provider::model::ParameterType;
    use serde_json::json;

    /// An operation of these parameters, for this test and those above.
    pub(crate) fn operation(path: &str, has_body: bool, parameters: &[(&str, Location, Option<Value>)]) -> Operation {
        let parameters = parameters.iter().map(|(name, location, fixed)| Parameter {
            name: (*name).to_owned(),
            aliases: Vec::new(),
            location: *location,
            required: false,
            kind: ParameterType::String,
            fixed: fixed.clone(),
            description: String::new(),
            schema: json!({}),
        });
        Operation {
            name: "test".to_owned(),
            summary: String::new(),
            method: "POST".to_owned(),
            path: path.to_owned(),
            parameters: parameters.collect(),
            has_body,
            headers: Vec::new(),
            action: None,
            answers: Vec::new(),
            code: Vec::new(),
            message: Vec::new(),
            reference: Vec::new(),
            throttle_hint: None,
            schema: json!({}),
            validator: jsonschema::validator_for(&json!({})).unwrap(),
            samples: Vec::new(),
        }
    }

    #[test]
    fn paths_and_queries_are_encoded() {
        use Location::{Body, StatusQuery, Path, Query};
        let revoke = operation("/certificate/{id}/revoke", true, &[("id", Path, None), ("comments", Body, None)]);
        let pair = operation("/a/{x}/b/{y}", false, &[("y", Path, None), ("x", Path, None)]);
        let list = operation(
            "/certs",
            false,
            &[
                ("page", Query, Some(json!(1))),
                ("status", Query, None),
                ("order_id", StatusQuery, None),
                ("a b", Query, None),
            ],
        );
        for (operation, parameters, expected) in [
            (&revoke, json!({"id": 112_358, "comments": "x"}), "/certificate/112358/revoke"),
            (&revoke, json!({"id": "39:dd/..?#%é~-._"}), "/certificate/39%3Add%2F..%3F%23%25%C3%A9~-._/revoke"),
            (&pair, json!({"y": "2", "x": "1"}), "/a/1/b/2"),
            (&pair, json!({"y": ["a b", "c"], "x": "{y}"}), "/a/%7By%7D/b/a%20b,c"),
            (&list, json!({}), "/certs?page=1"),
            (&list, json!({"page": 7, "order_id": 9}), "/certs?page=7"),
            (
                &list,
                json!({"a b": "&=+ '", "status": ["A", "B"]}),
                "/certs?page=1&status=A&status=B&a%20b=%26%3D%2B%20%27",
            ),
            (&list, json!({"status": [], "a b": null}), "/certs?page=1"),
            (&list, json!({"status": true}), "/certs?page=1&status=true"),
        ] {
            let mut text = "https://ca".to_owned();
            add_path_and_query(&mut text, operation, parameters.as_object().unwrap());
            assert_eq!(text.strip_prefix("https://ca"), Some(expected));
        }
    }

    #[test]
    fn bodies_keep_the_document_order() {
        use Location::{Body, StatusQuery, Path};
        let parameters = [
            ("id", Path, None),
            ("b", Body, None),
            ("a", Body, None),
            ("look", StatusQuery, None),
            ("f", Body, Some(json!(true))),
        ];
        let with_body = operation("/{id}", true, &parameters);
        let without = operation("/{id}", false, &parameters);
        let empty = operation("/{id}", true, &parameters[..2]);
        for (operation, given, expected) in [
            (&with_body, json!({"id": 1, "a": [1], "b": "x", "look": 2}), Some(r#"{"b":"x","a":[1],"f":true}"#)),
            (&with_body, json!({"f": false, "a": null}), Some(r#"{"f":false}"#)),
            (&empty, json!({"id": 1}), Some("{}")),
            (&without, json!({"a": 1}), None),
        ] {
            let body = body(operation, given.as_object().unwrap());
            assert_eq!(body.as_deref(), expected.map(str::as_bytes));
        }
    }
}
