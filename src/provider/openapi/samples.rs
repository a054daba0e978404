//! Samples of a document, read and checked by shape. [`crate::provider::samples`] runs them.

use super::reading::DocumentReader;
use super::{rules, schema};
use crate::provider::answer::{Meaning, Standing};
use crate::provider::model::{Operation, Sample, SampleAnswer, SampleReading};
use crate::provider::params;
use crate::tree::node::Node;
use serde_json::{Map, Value};

/// Reads `samples`, with all operations known.
pub(super) fn read<'a>(
    reading: &mut DocumentReader<'a>,
    extension: &'a Node,
    operation: &Operation,
    operations: &[Operation],
) -> Vec<Sample> {
    let Some(list) = extension.get("samples") else {
        let what = format!("`{}` has no `samples`: a document is its own test", operation.name);
        reading.error("missing-key", extension.span, what);
        return Vec::new();
    };
    reading.list(list).iter().filter_map(|node| sample(reading, node, operation, operations)).collect()
}

fn sample<'a>(
    reading: &mut DocumentReader<'a>,
    node: &'a Node,
    operation: &Operation,
    operations: &[Operation],
) -> Option<Sample> {
    let is_lookup = operation.action.is_none();
    let common = ["name", "parameters", "path", "body", "answers"];
    let more: &[&str] = if is_lookup { &["for", "with"] } else { &[] };
    reading.closed(node, &[common.as_slice(), more].concat());
    let name = reading.required_text(node, "name");
    let parameters = node.get("parameters").map(|node| parameters(reading, node, operation)).unwrap_or_default();
    let path = reading.required_text(node, "path");
    let body = node.get("body").map(schema::json);
    let sample_reading = if is_lookup { Some(sample_reading(reading, node, operation, operations)?) } else { None };
    let list = reading.required(node, "answers")?;
    let answers: Vec<SampleAnswer> =
        reading.list(list).iter().filter_map(|node| answer(reading, node, is_lookup)).collect();
    if list.items().is_empty() {
        reading.error("wrong-value", list.span, "a sample needs at least one answer");
    }
    Some(Sample { name: name?.to_owned(), parameters, path: path?.to_owned(), body, reading: sample_reading, answers })
}

fn sample_reading<'a>(
    reading: &mut DocumentReader<'a>,
    node: &'a Node,
    operation: &Operation,
    operations: &[Operation],
) -> Option<SampleReading> {
    let name = reading.required(node, "for")?;
    let text = reading.text(name)?;
    let asks = |other: &&Operation| {
        let action = other.action.as_ref();
        action.is_some_and(|action| action.lookups.iter().any(|lookup| lookup.operation == operation.name))
    };
    let Some(action) = operations.iter().filter(asks).find(|other| other.name == text) else {
        let names = operations.iter().filter(asks).map(|other| other.name.as_str());
        reading.no_such(name.span, format!("no action `{text}` looks up `{}`", operation.name), text, names);
        return None;
    };
    let parameters = node.get("with").map(|node| parameters(reading, node, action)).unwrap_or_default();
    Some(SampleReading { action: action.name.clone(), parameters })
}

/// Parameters in a sample are raw text as in a plan, and get their types the same way.
fn parameters<'a>(reading: &mut DocumentReader<'a>, node: &'a Node, operation: &Operation) -> Map<String, Value> {
    let mut parameters = Map::new();
    for field in reading.map(node) {
        let Some(parameter) = operation.parameters.iter().find(|parameter| parameter.name == field.name) else {
            let names = operation.parameters.iter().map(|parameter| parameter.name.as_str());
            let what = format!("`{}` has no parameter `{}`", operation.name, field.name);
            reading.no_such(field.span, what, &field.name, names);
            continue;
        };
        match params::value(parameter, &field.value) {
            Ok(value) => drop(parameters.insert(field.name.clone(), value)),
            Err(what) => reading.error("wrong-value", field.value.span, what),
        }
    }
    parameters
}

fn answer<'a>(reading: &mut DocumentReader<'a>, node: &'a Node, is_lookup: bool) -> Option<SampleAnswer> {
    let key = if is_lookup { "tells" } else { "means" };
    reading.closed(node, &["status", "headers", "body", "text", "reference", key]);
    let status = reading.required(node, "status").and_then(|node| reading.number(node, 100..=599));
    let mut headers = Vec::new();
    for field in node.get("headers").map(|node| reading.map(node)).unwrap_or_default() {
        headers.extend(reading.text(&field.value).map(|value| (field.name.to_ascii_lowercase(), value.to_owned())));
    }
    let means = reading.required(node, key)?;
    let word = if is_lookup {
        reading.word(means, &Standing::ALL).map(Standing::word)
    } else {
        rules::meaning(reading, means).map(Meaning::word)
    };
    let text = reading.optional_text(node, "text").map(str::to_owned);
    if let (Some(both), Some(_)) = (node.get("text"), node.get("body")) {
        reading.error("wrong-value", both.span, "an answer has either a `body` or a `text`");
    }
    Some(SampleAnswer {
        status: u16::try_from(status?).ok()?,
        headers,
        body: node.get("body").map(schema::json),
        text,
        means: word?.to_owned(),
        reference: reading.optional_text(node, "reference").map(str::to_owned),
    })
}
