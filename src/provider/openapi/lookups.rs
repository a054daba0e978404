//! How an action's state is read back: the look-ups of its extension, checked against the operations that they ask.

use super::action::named;
use super::reading::DocumentReader;
use super::{rules, schema};
use crate::diag::Diagnostic;
use crate::provider::answer::Standing;
use crate::provider::model::{LookupRule, LookupValue, Operation, Pages, RowMatch, RowStep, StandingRule};
use crate::provider::params;
use crate::provider::pointer::scalar_text;
use crate::text::Span;
use crate::tree::node::{Node, Shape};

/// Reads `lookups`, with all operations known.
pub(super) fn read<'a>(
    reading: &mut DocumentReader<'a>,
    extension: &'a Node,
    action: &Operation,
    operations: &[Operation],
) -> Vec<LookupRule> {
    let Some(list) = extension.get("lookups") else { return Vec::new() };
    reading.list(list).iter().filter_map(|node| lookup(reading, node, action, operations)).collect()
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

fn check_fixed(reading: &mut DocumentReader<'_>, asked: &Operation, name: &str, value: &serde_json::Value, span: Span) {
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
