//! How a document says which rows an answer has and what they tell: `rows`, columns and the rules of states, the same for lists, status queries and
//! previews. What they are for is others' affair.

use super::operation::named;
use super::reader::DocumentReader;
use super::rules;
use crate::diag::Diagnostic;
use crate::provider::model::{ListedPlace, Operation, RowMatch, RowStep, StateRule};
use crate::text::Span;
use crate::tree::{Node, Shape};

/// Reads `rows`: one step or several, each a pointer to a list, or `{list, match}`, where an action's parameters tell its row from others.
pub(super) fn steps<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, action: Option<&Operation>) -> Vec<RowStep> {
    reader.one_or_many(node).iter().filter_map(|node| step(reader, node, action)).collect()
}

fn step<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, action: Option<&Operation>) -> Option<RowStep> {
    if !matches!(node.shape, Shape::Map(_)) {
        return reader.pointer(node).map(|list| RowStep { list, matches: Vec::new() });
    }
    // A list is of all that there is.
    let Some(action) = action else {
        reader.closed(node, &["list"]);
        let list = reader.required(node, "list").and_then(|node| reader.pointer(node));
        return list.map(|list| RowStep { list, matches: Vec::new() });
    };
    reader.closed(node, &["list", "match"]);
    let list = reader.required(node, "list").and_then(|node| reader.pointer(node));
    let mut matches = Vec::new();
    for field in node.get("match").map(|node| reader.map(node)).unwrap_or_default() {
        let pointer = reader.pointer_text(&field.name, field.span);
        let (parameter, any, at) = if matches!(field.value.shape, Shape::Map(_)) {
            reader.closed(&field.value, &["parameter", "any", "serial_number"]);
            let (any, at) = (reader.optional_text(&field.value, "any"), field.value.get("serial_number"));
            (reader.required(&field.value, "parameter"), any, at)
        } else {
            (Some(&field.value), None, None)
        };
        let serial_pointer = at.and_then(|node| reader.pointer(node));
        let parameter = parameter.and_then(|node| named(reader, node, &action.parameters));
        if let (Some(pointer), Some(parameter)) = (pointer, parameter) {
            let (serial, any) = (parameter.serial(), any.map(str::to_owned));
            if let (None, Some(at)) = (serial, at) {
                let what = format!("`{}` takes no serial number (`format: serial-number`)", parameter.name);
                reader.error("wrong-value", at.span, what);
            }
            let csr = action.action.as_ref().and_then(|rules| rules.csr.as_ref());
            let is_request = csr.is_some_and(|csr| csr.field == parameter.name);
            matches.push(RowMatch {
                pointer,
                serial_pointer,
                parameter: parameter.name.clone(),
                serial,
                is_request,
                any,
            });
        }
    }
    Some(RowStep { list: list?, matches })
}

/// Reads columns: each a known name, and where a row holds it. `none` says of any other name what it is not.
pub(super) fn columns<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    known: &[&str],
    none: &str,
) -> Vec<(String, ListedPlace)> {
    let mut columns = Vec::new();
    for field in reader.map(node) {
        if !known.contains(&field.name.as_str()) {
            let what = format!("`{}` {none}", field.name);
            reader.no_such(field.span, what, &field.name, known.iter().copied());
        }
        columns.extend(place(reader, &field.value).map(|place| (field.name.clone(), place)));
    }
    columns
}

/// A pointer into a row; or `{pointer, behind}` or `{pointer, form}` where what stands there must be read.
fn place<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Option<ListedPlace> {
    if !matches!(node.shape, Shape::Map(_)) {
        return reader.pointer(node).map(|pointer| ListedPlace { pointer, behind: None, is_unix_time: false });
    }
    reader.closed(node, &["pointer", "behind", "form"]);
    let pointer = reader.required(node, "pointer").and_then(|pointer| reader.pointer(pointer));
    let behind = reader.optional_text(node, "behind").map(str::to_owned);
    let form = node.get("form").and_then(|form| reader.word(form, &[(true, "unix-time")]));
    if behind.is_some() == form.is_some() {
        let what = "say by one of `behind` and `form` how the value is read; a pointer alone needs neither";
        reader.error("wrong-value", node.span, what);
    }
    Some(ListedPlace { pointer: pointer?, behind, is_unix_time: form.is_some() })
}

/// Reads rules `{when, is}`; `words` are the states that there are.
pub(super) fn states<'a, S: Copy>(
    reader: &mut DocumentReader<'a>,
    list: &'a Node,
    words: &[(S, &'static str)],
) -> Vec<StateRule<S>> {
    let mut read: Vec<(StateRule<S>, Span)> = Vec::new();
    for node in reader.list(list) {
        reader.closed(node, &["when", "is"]);
        let when = reader.required(node, "when").map(|when| rules::conditions(reader, when));
        let state = reader.required(node, "is").and_then(|node| reader.word(node, words));
        if let (Some(when), Some(state)) = (when, state) {
            read.push((StateRule { when, state }, node.span));
        }
    }
    if list.items().is_empty() {
        reader.error("wrong-value", list.span, "no rule stands here, so nothing is told");
    }
    for (hidden, by) in unreachable(&read) {
        let finding = Diagnostic::error("unreachable-rule", hidden, "this rule is unreachable");
        reader.push(finding.related(by, "this one always wins"));
    }
    read.into_iter().map(|(rule, _)| rule).collect()
}

/// The rules that are never reached, each with the earlier one that wins.
fn unreachable<S>(read: &[(StateRule<S>, Span)]) -> Vec<(Span, Span)> {
    let mut found = Vec::new();
    for (index, (rule, span)) in read.iter().enumerate() {
        let earlier = read[..index].iter().find(|(first, _)| rules::all_implied(&first.when, &rule.when));
        found.extend(earlier.map(|(_, by)| (*span, *by)));
    }
    found
}
