//! JSON Schema of one parameter: the subset that a flat field of a plan can have.

use super::core_schema;
use super::reading::Reading;
use crate::provider::model::Kind;
use crate::tree::node::Node;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value, json};

/// A parameter's schema, read.
pub(super) struct ParameterSchema {
    pub(super) kind: Kind,
    pub(super) fixed: Option<Value>,
    pub(super) schema: Value,
    pub(super) description: String,
}

/// Reads the schema of one parameter. One that cannot be read becomes one that says nothing: the document is refused then,
/// and what refers to the parameter still finds it.
pub(super) fn parameter<'a>(reading: &mut Reading<'a>, node: &'a Node) -> ParameterSchema {
    read(reading, node).unwrap_or(ParameterSchema {
        kind: Kind::String,
        fixed: None,
        schema: json!({}),
        description: String::new(),
    })
}

/// Compiles a schema. Patterns run in linear time, whatever a user's document says.
pub(in crate::provider) fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(false)
        .offline()
        .build(schema)
        .map_err(|error| crate::text::safe::terminal(&error.to_string()).into_owned())
}

/// The object schema of all parameters: `(name, schema, required)`.
pub(super) fn object<'s>(parameters: impl Iterator<Item = (&'s str, &'s Value, bool)>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, schema, is_required) in parameters {
        properties.insert(name.to_owned(), schema.clone());
        if is_required {
            required.push(name);
        }
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn read<'a>(reading: &mut Reading<'a>, node: &'a Node) -> Option<ParameterSchema> {
    let node = reading.resolve(node)?;
    let (kind, mut schema) = if node.get("items").is_some() || node.get("type").and_then(Node::text) == Some("array") {
        list(reading, node)?
    } else {
        scalar(reading, node)?
    };
    let fixed = node.get("const").map(core_schema::value);
    match compile(&Value::Object(schema.clone())) {
        Err(error) => {
            let place = node.get("pattern").unwrap_or(node).span;
            reading.error("wrong-schema", place, format!("this is not a usable schema: {error}"));
            return None;
        }
        Ok(validator) if fixed.as_ref().is_some_and(|value| !validator.is_valid(value)) => {
            reading.error("wrong-schema", node.span, "the `const` is not valid by the schema that it stands in");
        }
        Ok(_) => {}
    }
    let description = reading.description(node);
    if !description.is_empty() {
        schema.insert("description".to_owned(), Value::String(description.clone()));
    }
    Some(ParameterSchema { kind, fixed, schema: Value::Object(schema), description })
}

fn scalar<'a>(reading: &mut Reading<'a>, node: &'a Node) -> Option<(Kind, Map<String, Value>)> {
    let known: Vec<&str> = [&["type", "enum", "const"], STRING, NUMBER].concat();
    reading.object(node, &known, ANNOTATIONS);
    let kind = kind(reading, node)?;
    let others = if kind == Kind::String { NUMBER } else { STRING };
    for name in others {
        if let Some(value) = node.get(name).filter(|_| kind != Kind::Boolean || !NUMBER.contains(name)) {
            let what = format!("`{name}` says nothing about {}", words(kind));
            reading.error("wrong-schema", value.span, what);
        }
    }
    Some((kind, keywords(node, &known)))
}

fn list<'a>(reading: &mut Reading<'a>, node: &'a Node) -> Option<(Kind, Map<String, Value>)> {
    let known = ["type", "items", "minItems", "maxItems", "uniqueItems"];
    reading.object(node, &known, ANNOTATIONS);
    let items = reading.required(node, "items")?;
    let items = reading.resolve(items)?;
    let (kind, items_schema) = scalar(reading, items)?;
    let kind = match kind {
        Kind::String => Kind::Strings,
        Kind::Integer => Kind::Integers,
        _ => {
            reading.error("not-honoured", items.span, "a list of a plan holds strings or whole numbers");
            return None;
        }
    };
    let mut schema = keywords(node, &known);
    schema.insert("type".to_owned(), json!("array"));
    schema.insert("items".to_owned(), Value::Object(items_schema));
    Some((kind, schema))
}

fn kind<'a>(reading: &mut Reading<'a>, node: &'a Node) -> Option<Kind> {
    let kinds =
        [(Kind::String, "string"), (Kind::Integer, "integer"), (Kind::Number, "number"), (Kind::Boolean, "boolean")];
    let Some(named) = node.get("type") else {
        if let Some(Value::String(_)) = node.get("const").map(core_schema::value) {
            return Some(Kind::String);
        }
        reading.error("missing-key", node.span, "`type` is missing here");
        return None;
    };
    if named.text() == Some("object") {
        reading.error("not-honoured", named.span, "nested objects are not honoured: a plan's fields are flat");
        return None;
    }
    reading.word(named, &kinds)
}

fn keywords(node: &Node, known: &[&str]) -> Map<String, Value> {
    let honoured = node.fields().iter().filter(|field| known.contains(&field.name.as_str()));
    honoured.map(|field| (field.name.clone(), core_schema::value(&field.value))).collect()
}

const fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::String | Kind::Strings => "a string",
        Kind::Boolean => "true and false",
        Kind::Integer | Kind::Number | Kind::Integers => "a number",
    }
}

const STRING: &[&str] = &["pattern", "minLength", "maxLength"];
const NUMBER: &[&str] = &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
/// Keywords that change neither a request nor its validation. `format` is one in the dialect of OpenAPI 3.1.
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
];
