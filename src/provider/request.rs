//! Requests: the base URL with its server variables filled in (a plan can choose a region, but never another host), and below it the
//! path, query and body that an operation and its parameters give; the value of an idempotency key; which of a provider's ways to sign in is
//! taken.
//!
//! Pure. It trusts that the parameters have passed the operation's schema, and checks only server variables; it never sends, signs nothing, and
//! makes no randomness.

use super::answer::scalar_text;
use super::model::{
    BodyForm, IdempotencyKey, KeyForm, Location, Operation, Parameter, Provider, ServerVariable, ValueFormat,
};
use super::params::Violation;
use super::security::SecurityRequirement;
use crate::pki::{csr, pem};
use crate::text::damage::did_you_mean;
use crate::text::nearest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

impl Provider {
    /// The value of every server variable: what is given, else the document's default.
    ///
    /// # Errors
    /// Every given name or value that will not do.
    pub fn variables_with(&self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Vec<Violation>> {
        let mut wrong = Vec::new();
        for (name, value) in given {
            match self.variables.get(name) {
                None => wrong.push(self.no_such_variable(name)),
                Some(variable) => wrong.extend(check_variable(name, variable, value, self.is_in_host(name))),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let value = |(name, variable): (&String, &ServerVariable)| {
            (name.clone(), given.get(name).unwrap_or(&variable.default).clone())
        };
        Ok(self.variables.iter().map(value).collect())
    }

    /// The base URL with its variables filled in; no trailing `/`.
    ///
    /// # Errors
    /// As [`Self::variables_with`].
    pub fn base_url_with(&self, given: &BTreeMap<String, String>) -> Result<String, Vec<Violation>> {
        Ok(fill(&self.base_url, &self.variables_with(given)?))
    }

    /// All ways to authenticate: the document's, and those of single operations.
    pub fn requirements(&self) -> impl Iterator<Item = &SecurityRequirement> {
        self.auth.iter().chain(self.operations.iter().filter_map(|operation| operation.security.as_ref()).flatten())
    }

    /// How requests of an operation are likely to be signed: by the first way whose required credentials are all there, else by the first.
    pub fn auth_of<'p>(
        &'p self,
        operation: &'p Operation,
        is_there: impl Fn(&str) -> bool,
    ) -> Option<&'p SecurityRequirement> {
        let all = operation.security.as_ref().unwrap_or(&self.auth);
        all.iter().find(|requirement| requirement.required().into_iter().all(&is_there)).or(all.first())
    }

    /// The first way to authenticate, in the document's order, whose required credentials are all there.
    pub fn auth_for(&self, is_there: impl Fn(&str) -> bool) -> Option<&SecurityRequirement> {
        self.auth.iter().find(|requirement| requirement.required().into_iter().all(&is_there))
    }

    /// The names of all credentials that the provider knows, in the document's order, each once.
    pub fn credential_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in
            self.requirements().flat_map(|requirement| [requirement.required(), requirement.optional()].concat())
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn is_in_host(&self, variable: &str) -> bool {
        host(&self.base_url).contains(&format!("{{{variable}}}"))
    }

    fn no_such_variable(&self, name: &str) -> Violation {
        let names = || self.variables.keys().map(String::as_str);
        let help = match (nearest(name, names()), self.variables.is_empty()) {
            (Some(right), _) => did_you_mean(name, right),
            (None, true) => "it has none; `base_url` replaces the whole URL".to_owned(),
            (None, false) => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
        };
        let what = format!("the provider `{}` has no variable `{name}`", self.id);
        Violation { parameter: Some(name.to_owned()), what, help: Some(help) }
    }
}

impl IdempotencyKey {
    /// Whether the provider still knows a key of this age, and will when a request that is sent now arrives: the last tenth of the time does not count.
    pub fn is_known(&self, age: Duration) -> bool {
        self.valid_for.is_none_or(|valid| age < valid - valid / 10)
    }

    /// A key of 16 random octets.
    pub fn of(&self, random: [u8; 16]) -> String {
        match self.form {
            KeyForm::Hex => hex::encode(random),
            KeyForm::Uuid => {
                let mut octets = random;
                // RFC 9562, sections 4.1 and 4.2: the bits of the variant and of the version.
                octets[6] = octets[6] & 0x0f | 0x40;
                octets[8] = octets[8] & 0x3f | 0x80;
                let digits = hex::encode(octets);
                [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
            }
        }
    }
}

/// Adds the path below the base URL with its query, percent-encoded, to a URL. Query parameters come in document order; a list
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

/// The header fields that parameters give, names in lower case.
pub fn header_fields(operation: &Operation, parameters: &Map<String, Value>) -> Vec<(String, String)> {
    let text = |parameter: &Parameter| given(parameter, parameters).and_then(scalar_text).map(Cow::into_owned);
    let fields = at(operation, Location::Header);
    fields.filter_map(|parameter| Some((parameter.name.to_ascii_lowercase(), text(parameter)?))).collect()
}

/// The body in the form that the operation declares: the given members in document order; `None` where it has none.
pub fn body(operation: &Operation, parameters: &Map<String, Value>) -> Option<Vec<u8>> {
    match operation.body.as_ref()?.form {
        BodyForm::Json => Some(json_body(operation, parameters)),
        BodyForm::Urlencoded => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for parameter in at(operation, Location::Body) {
                // A list repeats its key, as in a query.
                for item in given(parameter, parameters)
                    .map(|value| on_the_wire(parameter, value))
                    .iter()
                    .flat_map(|value| items(value))
                {
                    form.append_pair(&parameter.name, &item);
                }
            }
            Some(form.finish().into_bytes())
        }
    }
}

/// A JSON object without blanks, `{}` where nothing is given.
fn json_body(operation: &Operation, parameters: &Map<String, Value>) -> Vec<u8> {
    // `{}` and not nothing: Huawei refuses an empty body, though every member is optional
    // (https://support.huaweicloud.com/eu/api-ccm/RevokeCertificate.html).
    let mut text = Vec::with_capacity(BODY_BYTES);
    text.push(b'{');
    // The objects that are open: those that lead to the last member written. Members of one object stand together in a document.
    let mut open: &[String] = &[];
    for parameter in at(operation, Location::Body) {
        let Some(value) = sent(operation, parameter, parameters) else { continue };
        let (name, path) =
            parameter.members.split_last().map_or((&parameter.name, &[][..]), |(name, path)| (name, path));
        let shared = open.iter().zip(path).take_while(|(one, other)| one == other).count();
        text.extend(std::iter::repeat_n(b'}', open.len() - shared));
        for object in &path[shared..] {
            member(&mut text, object);
            text.push(b'{');
        }
        open = path;
        member(&mut text, name);
        // Nothing keeps JSON from being written into memory.
        let _written = serde_json::to_writer(&mut text, &*on_the_wire(parameter, value));
    }
    text.extend(std::iter::repeat_n(b'}', open.len() + 1));
    text
}

/// A value in the form that the provider takes.
fn on_the_wire<'v>(parameter: &Parameter, value: &'v Value) -> Cow<'v, Value> {
    match (value, &parameter.item, parameter.format) {
        (Value::Array(items), Some(object), _) => Cow::Owned(
            items
                .iter()
                .map(|item| {
                    let mut whole = object.fixed.clone();
                    whole.insert(object.member.clone(), item.clone());
                    Value::Object(whole)
                })
                .collect(),
        ),
        (Value::String(text), _, ValueFormat::Base64) => Cow::Owned(Value::String(STANDARD.encode(text))),
        // In a preview there is the file's name in its place.
        (Value::String(text), _, ValueFormat::PrivateKey { base64: true }) if !text.starts_with("file:") => {
            Cow::Owned(Value::String(STANDARD.encode(text)))
        }
        (Value::String(text), _, ValueFormat::Certificate { issuers, base64 }) => {
            let part = pem::certificates(text, issuers);
            Cow::Owned(Value::String(if base64 { STANDARD.encode(part) } else { part }))
        }
        (Value::String(text), _, ValueFormat::CertificateRequest) => match csr::der_of_pem(text) {
            Some(der) => Cow::Owned(Value::String(URL_SAFE_NO_PAD.encode(der))),
            None => Cow::Borrowed(value),
        },
        _ => Cow::Borrowed(value),
    }
}

/// Begins a member of the object that is open.
fn member(text: &mut Vec<u8>, name: &str) {
    if text.last() != Some(&b'{') {
        text.push(b',');
    }
    let _written = serde_json::to_writer(&mut *text, name);
    text.push(b':');
}

/// What of a body's parameter is sent. A fixed member of an optional object is there where the object is.
fn sent<'a>(operation: &Operation, parameter: &'a Parameter, parameters: &'a Map<String, Value>) -> Option<&'a Value> {
    let value = given(parameter, parameters)?;
    let path = parameter.members.split_last().map_or(&[][..], |(_, path)| path);
    let is_own = |other: &Parameter| {
        other.members.starts_with(path) && parameters.get(&other.name).is_some_and(|value| !value.is_null())
    };
    let is_there = parameter.required || path.is_empty() || at(operation, Location::Body).any(is_own);
    // Issuers that there are not are not sent: an empty text is no chain.
    let is_chain = matches!(parameter.format, ValueFormat::Certificate { issuers: true, .. });
    let lacks = is_chain && value.as_str().is_some_and(|text| pem::certificates(text, true).is_empty());
    (is_there && !lacks).then_some(value)
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

/// Puts variables into a template such as `https://ccm.{region}.example.com`. Names that are not there stay as they are.
pub fn fill(template: &str, variables: &BTreeMap<String, String>) -> String {
    let filled =
        variables.iter().fold(template.to_owned(), |url, (name, value)| url.replace(&format!("{{{name}}}"), value));
    filled.trim_end_matches('/').to_owned()
}

/// What is wrong with a variable's value, if anything. Free text must be one host label, or one path segment, so that it
/// cannot lead to another host.
pub(super) fn check_variable(name: &str, variable: &ServerVariable, value: &str, in_host: bool) -> Option<Violation> {
    let (what, help) = if !variable.allowed.is_empty() {
        if variable.allowed.iter().any(|allowed| allowed == value) {
            return None;
        }
        let right = nearest(value, variable.allowed.iter().map(String::as_str));
        let what = format!("`{name}` must be one of {}", variable.allowed.join(", "));
        (what, right.map(|right| did_you_mean(value, right)))
    } else if in_host {
        if is_host_label(value) {
            return None;
        }
        (format!("`{name}` becomes a part of the host name and must be letters, digits and inner `-`"), None)
    } else {
        if is_path_segment(value) {
            return None;
        }
        (format!("`{name}` becomes a part of the path and must be letters, digits, `.`, `_`, `~` and `-`"), None)
    };
    Some(Violation { parameter: Some(name.to_owned()), what, help })
}

fn is_host_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_path_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    !text.is_empty() && text.bytes().all(plain) && text != "." && text != ".."
}

/// Bytes that most bodies do not exceed.
const BODY_BYTES: usize = 256;
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::provider::Catalog;
    use crate::provider::model::{ParameterType, RequestBody};
    use crate::provider::openapi::testing;
    use serde_json::json;
    use std::sync::LazyLock;

    /// An operation of these parameters, for this test and those above.
    pub(crate) fn operation(path: &str, has_body: bool, parameters: &[(&str, Location, Option<Value>)]) -> Operation {
        let parameters = parameters.iter().map(|(name, location, fixed)| Parameter {
            name: (*name).to_owned(),
            aliases: Vec::new(),
            hidden: false,
            location: *location,
            members: Vec::new(),
            required: false,
            kind: ParameterType::String,
            fixed: fixed.clone(),
            format: ValueFormat::default(),
            item: None,
            description: String::new(),
            schema: json!({}),
        });
        Operation {
            name: "test".to_owned(),
            summary: String::new(),
            unconfirmed: Vec::new(),
            method: "POST".to_owned(),
            path: path.to_owned(),
            parameters: parameters.collect(),
            body: has_body.then(|| RequestBody { media_type: "application/json".to_owned(), form: BodyForm::Json }),
            accept: "application/json".to_owned(),
            is_safe: false,
            security: None,
            headers: Vec::new(),
            action: None,
            list: None,
            answers: Vec::new(),
            responses: Vec::new(),
            code: Vec::new(),
            message: Vec::new(),
            reference: Vec::new(),
            throttle_hint: None,
            schema: json!({}),
            validator: LazyLock::new(Box::new(|| jsonschema::validator_for(&json!({})).unwrap())),
            samples: Vec::new(),
        }
    }

    #[test]
    fn paths_and_queries_are_encoded() {
        use Location::{Body, Path, Query, StatusQuery};
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
        use Location::{Body, Path, StatusQuery};
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

    #[test]
    fn members_of_objects_go_to_their_places() {
        let provider = testing::read(include_str!("../../tests/data/documents/good/bodies.yaml"));
        let reissue = provider.operation("reissue").unwrap();
        let fixed = r#""certificate":{"csr":"c","validity":{"unit":"days","value":90}}"#;
        let tags = r#""tags":[{"name":"by","value":"certsweep"}]"#;
        for (given, expected) in [
            (json!({"order.id": 7, "certificate.csr": "c"}), format!(r#"{{"order":{{"id":7}},{fixed},{tags}}}"#)),
            (
                json!({"certificate.csr": "c", "platform.kind": "server"}),
                format!(r#"{{{fixed},"platform":{{"kind":"server"}},{tags}}}"#),
            ),
            (
                json!({"certificate.csr": "c", "platform.comment": "x"}),
                format!(r#"{{{fixed},"platform":{{"kind":"server","comment":"x"}},{tags}}}"#),
            ),
            (
                json!({"certificate.csr": "c", "certificate.names.dns": ["a"], "Token": "t"}),
                format!(
                    r#"{{"certificate":{{"csr":"c","names":{{"dns":["a"]}},"validity":{{"unit":"days","value":90}}}},{tags},"Token":"t"}}"#
                ),
            ),
        ] {
            let body = body(reissue, given.as_object().unwrap()).unwrap();
            assert_eq!(String::from_utf8(body).unwrap(), expected);
        }
        // What an optional object needs is needed where a part of it is given.
        let wrong = |given: Value| -> Vec<String> {
            let violations = crate::provider::params::check(reissue, given.as_object().unwrap());
            violations.into_iter().map(|violation| violation.what).collect()
        };
        let whole = json!({"order.id": 7, "certificate.csr": "c"});
        assert!(wrong(whole).is_empty());
        let partly = json!({"order.id": 7, "certificate.csr": "c", "platform.comment": "x"});
        assert_eq!(wrong(partly), ["`platform.id` is missing"]);
        // Two objects ask for the same here: the one inside, and the optional one that must have it.
        let partly = json!({"order.id": 7, "certificate.csr": "c", "site.room.floor": 2});
        assert_eq!(wrong(partly), ["`site.room.number` is missing"]);
        let broken = json!({"order.id": 7, "certificate.csr": "c", "X-Namespace": "a\r\nX-Other: b"});
        assert!(wrong(broken)[0].contains("`X-Namespace` does not have the right form"));
        let fields = header_fields(reissue, json!({"X-Namespace": "team/a"}).as_object().unwrap());
        assert_eq!(fields, [("x-namespace".to_owned(), "team/a".to_owned())]);
        assert_eq!(reissue.headers, [("x-amz-target".to_owned(), "Ca.Reissue".to_owned())]);
        assert_eq!((reissue.accept.as_str(), reissue.path.as_str()), ("application/json", "/"));
        let revoke = provider.operation("revoke").unwrap();
        let form = body(revoke, json!({"serial": "0a&=", "reason_code": 1}).as_object().unwrap()).unwrap();
        assert_eq!(form, b"serial=0a%26%3D&reason_code=1&test=N");
        let key = reissue.action.as_ref().unwrap().idempotency_key.as_ref().unwrap();
        assert_eq!(key.of([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn variables_choose_a_region_and_no_other_host() {
        let provider = testing::read(
            &include_str!("../../tests/data/documents/good/small.yaml")
                .replace("https://ca-{site}.example.com/v1", "https://ca-{site}.example.com/{part}/{zone}/")
                .replace(
                    "{site: {default: main}}",
                    "{site: {default: main}, part: {default: v1}, zone: {default: a, enum: [a, b]}}",
                ),
        );
        for (given, expected) in [
            (&[][..], Ok("https://ca-main.example.com/v1/a")),
            (&[("site", "ae-ad-1"), ("zone", "b")], Ok("https://ca-ae-ad-1.example.com/v1/b")),
            (&[("part", "v1.2_x~")], Ok("https://ca-main.example.com/v1.2_x~/a")),
            (&[("site", "evil.example.org/")], Err("`site` becomes a part of the host name")),
            (&[("site", "a@b")], Err("`site` becomes a part of the host name")),
            (&[("site", "")], Err("`site` becomes a part of the host name")),
            (&[("site", "-a")], Err("`site` becomes a part of the host name")),
            (&[("site", "{part}")], Err("`site` becomes a part of the host name")),
            (&[("part", "..")], Err("`part` becomes a part of the path")),
            (&[("part", "a/b")], Err("`part` becomes a part of the path")),
            (&[("zone", "c")], Err("`zone` must be one of a, b")),
            (&[("sight", "main")], Err("has no variable `sight`")),
        ] {
            let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            match (provider.base_url_with(&given), expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url, expected),
                (Err(wrong), Err(expected)) => assert!(wrong[0].what.contains(expected), "{wrong:?}"),
                (found, expected) => panic!("{given:?}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_key_is_known_until_a_tenth_of_its_time_is_left() {
        let key = |valid_for: Option<u64>| IdempotencyKey {
            parameter: "token".to_owned(),
            form: KeyForm::Hex,
            valid_for: valid_for.map(Duration::from_secs),
        };
        for (valid_for, age, expected) in [
            (None, u64::MAX, true),
            (Some(300), 0, true),
            (Some(300), 269, true),
            (Some(300), 270, false),
            (Some(300), 301, false),
            (Some(300), u64::MAX, false),
        ] {
            assert_eq!(key(valid_for).is_known(Duration::from_secs(age)), expected, "{valid_for:?} {age}");
        }
    }

    #[test]
    fn the_first_complete_way_to_authenticate_is_taken() {
        let catalog = Catalog::built_in();
        let huawei = catalog.get("huawei").unwrap();
        for (there, expected) in [
            (&["auth_token", "access_key", "secret_key"][..], Some("token")),
            (&["iam_user", "iam_password", "iam_domain", "access_key", "secret_key"], Some("aksk")),
            (&["iam_user", "iam_password", "iam_domain", "access_key"], Some("iam")),
            (&["access_key", "security_token"], None),
            (&[], None),
        ] {
            let scheme = huawei.auth_for(|name| there.contains(&name));
            assert_eq!(scheme.map(SecurityRequirement::name).as_deref(), expected, "{there:?}");
        }
        assert_eq!(huawei.credential_names().len(), 8);
        assert!(huawei.credential_names().iter().all(|name| huawei.environment.contains_key(*name)));
    }
}
