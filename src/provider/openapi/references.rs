//! What refers from one operation to another, read with all of them known: how an action's state is read back (its look-ups), and samples.
//! [`crate::provider::samples`] runs those.

use super::action::named;
use super::reading::DocumentReader;
use super::{rules, schema};
use crate::diag::Diagnostic;
use crate::provider::answer::{Meaning, Standing};
use crate::provider::model::{
    LookupRule, LookupValue, Operation, Pages, RowMatch, RowStep, Sample, SampleAnswer, SampleReading, StandingRule,
};
use crate::provider::params;
use crate::provider::pointer::scalar_text;
use crate::text::Span;
use crate::tree::node::{Node, Shape};
use serde_json::{Map, Value};

/// Reads `lookups`, with all operations known.
pub(super) fn lookups<'a>(
    reading: &mut DocumentReader<'a>,
    extension: &'a Node,
    action: &Operation,
    operations: &[Operation],
) -> Vec<LookupRule> {
    let Some(list) = extension.get("lookups") else { return Vec::new() };
    reading.list(list).iter().filter_map(|node| lookup(reading, node, action, operations)).collect()
}

/// Reads `samples`, with all operations known.
pub(super) fn samples<'a>(
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

/// Every look-up must be used by an action, and every action must be able to end well.
pub(super) fn check_uses(reading: &mut DocumentReader<'_>, operations: &[Operation], nodes: &[&Node]) {
    use Meaning::{AlreadyDone, PendingApproval, Succeeded};
    for (operation, node) in operations.iter().zip(nodes) {
        let place = node.get("operationId").unwrap_or(node).span;
        let good = |means| matches!(means, Succeeded | AlreadyDone | PendingApproval);
        if !operation.answers.iter().any(|rule| good(rule.means)) {
            let what = format!("no answer of `{}` means success, so it could never end well", operation.name);
            reading.error("missing-key", place, what);
        }
        let is_used = || {
            let mut rules = operations.iter().filter_map(|other| other.action.as_ref());
            rules.any(|action| action.lookups.iter().any(|lookup| lookup.operation == operation.name))
        };
        if operation.action.is_none() && !is_used() {
            let what =
                format!("`{}` is neither an action (it has no `target`) nor any action's look-up", operation.name);
            reading.error("unknown-name", place, what);
        }
    }
}

fn lookup<'a>(
    reading: &mut DocumentReader<'a>,
    node: &'a Node,
    action: &Operation,
    operations: &[Operation],
) -> Option<LookupRule> {
    reading.closed(node, &["operation", "parameters", "rows", "pages", "standings", "absent", "advice"]);
    let name = reading.required(node, "operation")?;
    let text = reading.text(name)?;
    let Some(asked) = operations.iter().find(|operation| operation.name == text) else {
        let names = operations.iter().filter(|other| other.action.is_none()).map(|other| other.name.as_str());
        reading.no_such(name.span, format!("there is no operation `{text}`"), text, names);
        return None;
    };
    if asked.action.is_some() || asked.method != "GET" {
        reading.error(
            "wrong-value",
            name.span,
            format!("`{text}` is not a look-up: a look-up is a GET without a `target`"),
        );
        return None;
    }
    let mut parameters = Vec::new();
    for field in node.get("parameters").map(|node| reading.map(node)).unwrap_or_default() {
        check_asked(reading, asked, &field.name, field.span);
        let value = source(reading, &field.value, action);
        if let Some(LookupValue::Fixed(value)) = &value {
            check_fixed(reading, asked, &field.name, value, field.value.span);
        }
        parameters.extend(value.map(|value| (field.name.clone(), value)));
    }
    let pages = node.get("pages").and_then(|node| pages(reading, node, asked));
    for parameter in asked.parameters.iter().filter(|parameter| parameter.required) {
        let is_paging = pages.as_ref().is_some_and(|pages| pages.parameter == parameter.name);
        if !is_paging && !parameters.iter().any(|(name, _)| *name == parameter.name) {
            let what = format!("`{}` needs `{}`, which is not given here", asked.name, parameter.name);
            reading.error("missing-key", node.span, what);
        }
    }
    let mut rows = Vec::new();
    for step in node.get("rows").map(|node| reading.list(node)).unwrap_or_default() {
        rows.extend(row_step(reading, step, action));
    }
    let standings = reading.required(node, "standings").map(|list| standings(reading, list)).unwrap_or_default();
    let absent = node.get("absent").and_then(|node| {
        let word = reading.word(node, &Standing::ALL)?;
        if rows.is_empty() || matches!(word, Standing::Done | Standing::Pending) {
            let what = "`absent` says what it tells that no row was found: `not-done` or `unknown`";
            reading.error("wrong-value", node.span, what);
        }
        Some(word)
    });
    let advice = reading.required_text(node, "advice").unwrap_or_default().to_owned();
    Some(LookupRule {
        operation: asked.name.clone(),
        parameters,
        rows,
        pages,
        standings,
        absent: absent.unwrap_or(Standing::Unknown),
        advice,
    })
}

fn check_asked(reading: &mut DocumentReader<'_>, asked: &Operation, name: &str, span: Span) {
    if !asked.parameters.iter().any(|parameter| parameter.name == name) {
        let names = asked.parameters.iter().map(|parameter| parameter.name.as_str());
        reading.no_such(span, format!("`{}` has no parameter `{name}`", asked.name), name, names);
    }
}

fn check_fixed(reading: &mut DocumentReader<'_>, asked: &Operation, name: &str, value: &Value, span: Span) {
    let Some(parameter) = asked.parameters.iter().find(|parameter| parameter.name == name) else { return };
    let text = scalar_text(value).unwrap_or_default();
    if let Err(what) = params::scalar(parameter, &text) {
        reading.error("wrong-value", span, what);
    }
}

fn source<'a>(reading: &mut DocumentReader<'a>, node: &'a Node, action: &Operation) -> Option<LookupValue> {
    let fields = reading.closed(node, &["parameter", "answer", "fixed"]);
    let [field] = fields else {
        let what = "say where the value comes from by one of `parameter`, `answer` and `fixed`";
        reading.error("wrong-value", node.span, what);
        return None;
    };
    match field.name.as_str() {
        "parameter" => named(reading, &field.value, &action.parameters)
            .map(|parameter| LookupValue::Parameter(parameter.name.clone())),
        "answer" => reading.pointer(&field.value).map(LookupValue::Answer),
        "fixed" => Some(LookupValue::Fixed(schema::json(&field.value))),
        _ => None,
    }
}

fn pages<'a>(reading: &mut DocumentReader<'a>, node: &'a Node, asked: &Operation) -> Option<Pages> {
    reading.closed(node, &["parameter", "first", "total", "size"]);
    let parameter = reading.required(node, "parameter").and_then(|name| named(reading, name, &asked.parameters));
    let first = reading.required(node, "first").and_then(|node| reading.number(node, 0..=1));
    let total = reading.required(node, "total").and_then(|node| reading.pointer(node));
    let size = reading.required(node, "size").and_then(|node| reading.number(node, 1..=10_000));
    Some(Pages { parameter: parameter?.name.clone(), first: first?, total: total?, size: size? })
}

fn row_step<'a>(reading: &mut DocumentReader<'a>, node: &'a Node, action: &Operation) -> Option<RowStep> {
    reading.closed(node, &["list", "match"]);
    let list = reading.required(node, "list").and_then(|node| reading.pointer(node));
    let mut matches = Vec::new();
    for field in node.get("match").map(|node| reading.map(node)).unwrap_or_default() {
        let pointer = reading.pointer_text(&field.name, field.span);
        let (parameter, any) = if matches!(field.value.shape, Shape::Map(_)) {
            reading.closed(&field.value, &["parameter", "any"]);
            (reading.required(&field.value, "parameter"), reading.optional_text(&field.value, "any"))
        } else {
            (Some(&field.value), None)
        };
        let parameter = parameter.and_then(|node| named(reading, node, &action.parameters));
        if let (Some(pointer), Some(parameter)) = (pointer, parameter) {
            let (parameter, any) = (parameter.name.clone(), any.map(str::to_owned));
            matches.push(RowMatch { pointer, parameter, any });
        }
    }
    Some(RowStep { list: list?, matches })
}

fn standings<'a>(reading: &mut DocumentReader<'a>, list: &'a Node) -> Vec<StandingRule> {
    let mut read: Vec<(StandingRule, Span)> = Vec::new();
    for node in reading.list(list) {
        reading.closed(node, &["when", "tells"]);
        let when = reading.required(node, "when").map(|when| rules::conditions(reading, when));
        let tells = reading.required(node, "tells").and_then(|node| reading.word(node, &Standing::ALL));
        if let (Some(when), Some(tells)) = (when, tells) {
            read.push((StandingRule { when, tells }, node.span));
        }
    }
    if list.items().is_empty() {
        reading.error("wrong-value", list.span, "a look-up without `standings` tells nothing");
    }
    for (hidden, by) in rules::unreachable_standings(&read) {
        let finding = Diagnostic::error("unreachable-rule", hidden, "this rule is unreachable");
        reading.push(finding.related(by, "this one always wins"));
    }
    read.into_iter().map(|(rule, _)| rule).collect()
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
    let parameters = node.get("parameters").map(|node| sample_parameters(reading, node, operation)).unwrap_or_default();
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
    let parameters = node.get("with").map(|node| sample_parameters(reading, node, action)).unwrap_or_default();
    Some(SampleReading { action: action.name.clone(), parameters })
}

/// Parameters in a sample are raw text as in a plan, and get their types the same way.
fn sample_parameters<'a>(
    reading: &mut DocumentReader<'a>,
    node: &'a Node,
    operation: &Operation,
) -> Map<String, Value> {
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
