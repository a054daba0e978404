//! JSON Schema of one parameter: the subset that a flat field of a plan can have; and YAML as JSON where JSON is meant.

use super::reader::{DocumentReader, EXTENSION};
use crate::pki::{NameRule, SerialSpelling};
use crate::provider::model::{ItemObject, LazyValidator, Location, Parameter, ParameterType, SerialRule, ValueFormat};
use crate::tree::{Node, Shape};
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Number, Value};
use std::sync::LazyLock;

/// A parameter's schema, read.
pub(super) struct ParameterSchema {
    pub(super) kind: ParameterType,
    pub(super) fixed: Option<Value>,
    /// What the schema says of it by `format` and otherwise; `None` where it says nothing.
    pub(super) format: Option<ValueFormat>,
    /// The object that each item of a list is sent in.
    pub(super) item: Option<ItemObject>,
    pub(super) schema: Value,
    pub(super) description: String,
}

impl ParameterSchema {
    /// The parameter of this schema. Its own description goes before the schema's.
    pub(super) fn named(self, name: &str, location: Location, required: bool, description: String) -> Parameter {
        let description = if description.is_empty() { self.description } else { description };
        // What may be left out, goes into the request and has no form is a comment, a ticket, a name for people.
        let is_sent = matches!(location, Location::Body | Location::Query);
        let is_words = !required && is_sent && self.kind == ParameterType::String;
        let other = if is_words { ValueFormat::FreeText } else { ValueFormat::Identifier };
        Parameter {
            name: name.to_owned(),
            aliases: Vec::new(),
            hidden: false,
            location,
            members: Vec::new(),
            required,
            kind: self.kind,
            fixed: self.fixed,
            format: self.format.unwrap_or(other),
            item: self.item,
            description,
            schema: self.schema,
        }
    }
}

/// Reads the schema of one parameter. One that cannot be read becomes one that allows everything: the document is refused then,
/// and what refers to the parameter still finds it.
pub(super) fn parameter<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> ParameterSchema {
    read(reader, node).unwrap_or(ParameterSchema {
        kind: ParameterType::String,
        fixed: None,
        format: None,
        item: None,
        schema: serde_json::json!({}),
        description: String::new(),
    })
}

/// Compiles a schema. Patterns run in linear time, whatever a user's document says: a backtracking engine would let one pattern stop the
/// check of a whole plan.
pub(super) fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(false)
        .offline()
        .build(schema)
        .map_err(|error| crate::text::safe::terminal(&error.to_string()).into_owned())
}

/// The compiled form of what [`object`] makes. Each parameter's schema was compiled when it was read, and nothing else in it is the document's.
pub(super) fn compiled_when_asked_for(schema: Value) -> LazyValidator {
    LazyLock::new(Box::new(move || compile(&schema).expect("its parameters' schemas were compiled one by one")))
}

/// The object schema of all parameters: `(name, schema, required)`; and who needs whom: `(name, names)`.
pub(super) fn object<'s>(
    parameters: impl Iterator<Item = (&'s str, &'s Value, bool)>,
    dependent: &[(String, Vec<String>)],
) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, schema, is_required) in parameters {
        let other = properties.insert(name.to_owned(), schema.clone());
        if is_required && other.is_none() {
            required.push(name);
        }
    }
    let mut schema = serde_json::json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false
    });
    if !dependent.is_empty() {
        let dependent: Map<String, Value> =
            dependent.iter().map(|(name, needed)| (name.clone(), Value::from(needed.clone()))).collect();
        schema["dependentRequired"] = Value::Object(dependent);
    }
    schema
}

fn read<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Option<ParameterSchema> {
    let node = reader.resolve(node)?;
    if let Some(fixed) = node.get("const").filter(|fixed| fixed.text().is_none()) {
        return Some(constant(reader, node, json(fixed)));
    }
    let mut item = None;
    let (kind, format, mut schema) =
        if node.get("items").is_some() || node.get("type").and_then(Node::text) == Some("array") {
            list(reader, node, &mut item)?
        } else {
            scalar(reader, node)?
        };
    let fixed = node.get("const").map(json);
    let value = Value::Object(schema.clone());
    let text = value.to_string();
    if !reader.usable_schemas.contains(&text) {
        match compile(&value) {
            Err(error) => {
                let place = node.get("pattern").unwrap_or(node).span;
                reader.error("wrong-schema", place, format!("this is not a usable schema: {error}"));
                return None;
            }
            Ok(validator) if fixed.as_ref().is_some_and(|value| !validator.is_valid(value)) => {
                reader.error("wrong-schema", node.span, "the `const` is not valid by the schema that it stands in");
            }
            Ok(_) => {
                reader.usable_schemas.insert(text);
            }
        }
    }
    let description = reader.description(node);
    if !description.is_empty() {
        schema.insert("description".to_owned(), Value::String(description.clone()));
    }
    Some(ParameterSchema { kind, fixed, format, item, schema: Value::Object(schema), description })
}

/// A list or an object that the document fixes: it is sent as it stands, and a plan cannot give another.
fn constant<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, fixed: Value) -> ParameterSchema {
    reader.object(node, &["type", "const", "items", "properties", "required", "additionalProperties"], ANNOTATIONS);
    let schema = serde_json::json!({"const": fixed});
    let description = reader.description(node);
    ParameterSchema {
        kind: ParameterType::String,
        fixed: Some(fixed),
        format: Some(ValueFormat::Listed),
        item: None,
        schema,
        description,
    }
}

/// What a schema says: the type, the format and the keywords that values are held against.
type Said = (ParameterType, Option<ValueFormat>, Map<String, Value>);

fn scalar<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Option<Said> {
    let known: Vec<&str> = [&["type", "enum", "const", ENCODING], STRING, NUMBER].concat();
    let is_serial = node.get("format").and_then(Node::text) == Some(SERIAL);
    let extension: &[&str] = if is_serial { &[EXTENSION] } else { &[] };
    reader.object(node, &[known.as_slice(), extension].concat(), ANNOTATIONS);
    let kind = kind(reader, node)?;
    let format = format(reader, node, kind);
    if matches!(format, Some(ValueFormat::PrivateKey { .. })) {
        // What a plan gives is a file, and of what is sent the key itself is checked.
        for keyword in STRING.iter().filter_map(|name| node.get(name)) {
            reader.error(
                "wrong-schema",
                keyword.span,
                "this says nothing about a private key, which is checked as such",
            );
        }
    }
    let others = if kind == ParameterType::String { NUMBER } else { STRING };
    for name in others {
        if let Some(value) = node.get(name).filter(|_| kind != ParameterType::Boolean || !NUMBER.contains(name)) {
            let what = format!("`{name}` says nothing about {}", words(kind));
            reader.error("wrong-schema", value.span, what);
        }
    }
    let honoured: Vec<&str> = known.into_iter().filter(|key| *key != ENCODING).collect();
    Some((kind, format, keywords(node, &honoured)))
}

/// What the values are, by the schema alone. A format that is not known here means nothing, as JSON Schema has it.
fn format<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, kind: ParameterType) -> Option<ValueFormat> {
    if node.get("contentMediaType").and_then(Node::text) == Some(PKCS10) {
        let encoding = node.get(ENCODING);
        if encoding.and_then(Node::text) != Some(BASE64URL) {
            let place = encoding.unwrap_or(node).span;
            reader.error(
                "not-honoured",
                place,
                format!("a request in DER is sent with `contentEncoding: {BASE64URL}` only"),
            );
        }
        return Some(ValueFormat::CertificateRequest);
    }
    if let Some(encoding) = node.get(ENCODING) {
        // A key or a certificate is PEM, and that is what is encoded.
        let pem = node.get("format").and_then(Node::text).and_then(|text| of_pem(text, true));
        return match (encoding.text(), kind) {
            (Some("base64"), ParameterType::String) if pem.is_some() => pem,
            _ => encoded(reader, node, encoding, kind),
        };
    }
    // A number with a fraction measures something, and names nothing.
    let is_measure = matches!(kind, ParameterType::Boolean | ParameterType::Number);
    if is_measure || node.get("enum").is_some() || node.get("const").is_some() {
        return Some(ValueFormat::Listed);
    }
    let Some(named) = node.get("format") else {
        return node.get("pattern").map(|_| ValueFormat::Identifier);
    };
    let text = reader.text(named)?;
    let names = |wildcards, addresses, unicode| ValueFormat::Name(NameRule { wildcards, addresses, unicode });
    let format = match text {
        SERIAL => ValueFormat::Serial(serial_rule(reader, node)),
        "free-text" => ValueFormat::FreeText,
        "hostname" => names(false, false, false),
        "idn-hostname" => names(false, false, true),
        "dns-name" => names(true, false, true),
        "dns-name-or-address" => names(true, true, true),
        other if of_pem(other, false).is_some() => of_pem(other, false)?,
        // A number's format is its width.
        _ => return (kind == ParameterType::String).then_some(ValueFormat::Identifier),
    };
    if kind != ParameterType::String {
        let what = format!("the format `{text}` says nothing about {}", words(kind));
        reader.error("wrong-schema", named.span, what);
    }
    Some(format)
}

/// The formats of what plans give as files of PEM.
fn of_pem(format: &str, base64: bool) -> Option<ValueFormat> {
    match format {
        "private-key" => Some(ValueFormat::PrivateKey { base64 }),
        "certificate" => Some(ValueFormat::Certificate { issuers: false, base64 }),
        "certificate-chain" => Some(ValueFormat::Certificate { issuers: true, base64 }),
        _ => None,
    }
}

/// That texts are sent in another form than plans give them. What else the schema says of the text is held against the plan's, or nobody knows
/// which is meant.
fn encoded<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    encoding: &'a Node,
    kind: ParameterType,
) -> Option<ValueFormat> {
    if kind != ParameterType::String {
        let what = format!("`{ENCODING}` says nothing about {}", words(kind));
        reader.error("wrong-schema", encoding.span, what);
    }
    for key in ["enum", "const", "pattern", "format", "minLength", "maxLength"] {
        if let Some(given) = node.get(key) {
            let what =
                format!("`{key}` is not honoured beside `{ENCODING}`: plans give the text, and it is sent encoded");
            reader.error("not-honoured", given.span, what);
        }
    }
    reader.word(encoding, &[(ValueFormat::Base64, "base64")])
}

/// How serial numbers are sent.
fn serial_rule<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> SerialRule {
    let Some(extension) = node.get(EXTENSION) else { return SerialRule::default() };
    reader.closed(extension, &["spelling", "id_digits"]);
    let spelling = extension.get("spelling").and_then(|word| reader.word(word, &SerialSpelling::ALL));
    let id_digits = extension.get("id_digits").and_then(|digits| reader.number(digits, 1..=MAX_ID_DIGITS));
    SerialRule {
        spelling: spelling.unwrap_or_default(),
        id_digits: id_digits.and_then(|digits| usize::try_from(digits).ok()),
    }
}

fn list<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, object: &mut Option<ItemObject>) -> Option<Said> {
    let known = ["type", "items", "minItems", "maxItems", "uniqueItems"];
    reader.object(node, &known, ANNOTATIONS);
    let items = reader.required(node, "items")?;
    let items = reader.resolve(items)?;
    let items = if items.get("properties").is_some() { item_member(reader, items, object)? } else { items };
    let (kind, format, items_schema) = scalar(reader, items)?;
    if matches!(format, Some(ValueFormat::PrivateKey { .. } | ValueFormat::Certificate { .. })) {
        reader.error("not-honoured", items.span, "one private key or certificate is sent, and no list");
    }
    let kind = match kind {
        ParameterType::String => ParameterType::Strings,
        ParameterType::Integer => ParameterType::Integers,
        _ => {
            reader.error("not-honoured", items.span, "a list of a plan holds strings or whole numbers");
            return None;
        }
    };
    let mut schema = keywords(node, &known);
    schema.insert("type".to_owned(), serde_json::json!("array"));
    schema.insert("items".to_owned(), Value::Object(items_schema));
    Some((kind, format, schema))
}

/// The schema of the one member that a plan gives of each item, where the items are objects whose other members are fixed.
fn item_member<'a>(
    reader: &mut DocumentReader<'a>,
    items: &'a Node,
    object: &mut Option<ItemObject>,
) -> Option<&'a Node> {
    reader.object(items, &["type", "properties", "required", "additionalProperties"], ANNOTATIONS);
    let fields = items.get("properties").map(|node| reader.map(node)).unwrap_or_default();
    let (fixed, open): (Vec<_>, Vec<_>) = fields.iter().partition(|field| field.value.get("const").is_some());
    let [member] = open.as_slice() else {
        let what = "of the objects of a list one member is open, and the others have a `const`";
        reader.error("not-honoured", items.span, what);
        return None;
    };
    let fixed = fixed.iter().filter_map(|field| Some((field.name.clone(), json(field.value.get("const")?))));
    *object = Some(ItemObject { member: member.name.clone(), fixed: fixed.collect() });
    reader.resolve(&member.value)
}

fn kind<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Option<ParameterType> {
    let kinds = [
        (ParameterType::String, "string"),
        (ParameterType::Integer, "integer"),
        (ParameterType::Number, "number"),
        (ParameterType::Boolean, "boolean"),
    ];
    let Some(named) = node.get("type") else {
        if let Some(Value::String(_)) = node.get("const").map(json) {
            return Some(ParameterType::String);
        }
        reader.error("missing-key", node.span, "`type` is missing here");
        return None;
    };
    // `[string, 'null']`: nothing is never sent.
    let (nulls, others): (Vec<&Node>, Vec<&Node>) = named.items().iter().partition(|item| item.text() == Some("null"));
    let named = if let ([_], [only]) = (nulls.as_slice(), others.as_slice()) { only } else { named };
    if named.text() == Some("object") {
        reader.error("not-honoured", named.span, "an object is honoured in bodies only, with its `properties`");
        return None;
    }
    reader.word(named, &kinds)
}

fn keywords(node: &Node, known: &[&str]) -> Map<String, Value> {
    let honoured = node.fields().iter().filter(|field| known.contains(&field.name.as_str()));
    honoured.map(|field| (field.name.clone(), json(&field.value))).collect()
}

const fn words(kind: ParameterType) -> &'static str {
    match kind {
        ParameterType::String | ParameterType::Strings => "a string",
        ParameterType::Boolean => "true and false",
        ParameterType::Integer | ParameterType::Number | ParameterType::Integers => "a number",
    }
}

/// The JSON value of a node by the core schema of YAML 1.2, for where JSON itself is meant (schemas, sample bodies). Quoted scalars are strings; plain ones get the core schema's type, where JSON has it.
pub(super) fn json(node: &Node) -> Value {
    match &node.shape {
        Shape::Null => Value::Null,
        Shape::Scalar { text, plain: false } => Value::String(text.clone()),
        Shape::Scalar { text, plain: true } => plain_scalar(text),
        Shape::List(items) => items.iter().map(json).collect(),
        Shape::Map(fields) => {
            Value::Object(fields.iter().map(|field| (field.name.clone(), json(&field.value))).collect::<Map<_, _>>())
        }
    }
}

fn plain_scalar(text: &str) -> Value {
    match text {
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => plain_number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn plain_number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+')).map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().filter(|_| !digits.starts_with('+')).map(Number::from);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let begins_as_number =
        unsigned.strip_prefix('.').unwrap_or(unsigned).starts_with(|first: char| first.is_ascii_digit());
    if !begins_as_number {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Ok(number) = text.parse::<i64>() {
            return Some(number.into());
        }
        if let Ok(number) = text.parse::<u64>() {
            return Some(number.into());
        }
    }
    let plain = |byte: u8| byte.is_ascii_digit() || b".eE+-".contains(&byte);
    if text.bytes().all(plain) { Number::from_f64(text.parse().ok()?) } else { None }
}

/// How a text is encoded (JSON Schema 2020-12, Validation, section 8.3).
const ENCODING: &str = "contentEncoding";
/// The format of serial numbers.
const SERIAL: &str = "serial-number";
/// The media type of certificate requests (RFC 5967).
const PKCS10: &str = "application/pkcs10";
const BASE64URL: &str = "base64url";
/// More digits than any provider's ids have; with more a text may be a serial number of 16 octets whose zeros were lost.
const MAX_ID_DIGITS: u32 = 29;
const STRING: &[&str] = &["pattern", "minLength", "maxLength"];
const NUMBER: &[&str] = &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
/// Keywords that do not validate; `format` says how texts are read, and is no validation in the dialect of OpenAPI 3.1.
pub(super) const ANNOTATIONS: &[&str] = &[
    "title",
    "description",
    "summary",
    "format",
    "default",
    "example",
    "examples",
    "deprecated",
    "externalDocs",
    "$comment",
    "contentMediaType",
    "readOnly",
    "writeOnly",
    "xml",
    "contentEncoding",
    "contentMediaType",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_get_the_core_type() {
        for (text, expected) in [
            ("12", json!(12)),
            ("-3", json!(-3)),
            ("+3", json!(3)),
            ("18446744073709551615", json!(u64::MAX)),
            ("012", json!(12)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("true", json!(true)),
            ("no", json!("no")),
            ("112358-1", json!("112358-1")),
            ("1.2.3", json!("1.2.3")),
            (".inf", json!(".inf")),
            ("-", json!("-")),
            ("0x+1", json!("0x+1")),
            ("2026-12-01", json!("2026-12-01")),
        ] {
            assert_eq!(plain_scalar(text), expected, "{text}");
        }
    }
}
