//! `list`: what an operation lists, and what is asked about its rows. Read with all operations known. Knows no sample.

use super::reader::DocumentReader;
use super::references::{check_asked, check_fixed, pages};
use super::{rows, schema};
use crate::provider::model::{DetailRule, LIST_COLUMNS, LISTED_STATUSES, ListRule, Operation, RowRule};
use crate::tree::Node;

/// Reads `list`: what a row tells is named as the parameters that name targets are.
pub(super) fn list<'a>(
    reader: &mut DocumentReader<'a>,
    extension: &'a Node,
    operation: &Operation,
    operations: &[Operation],
) -> Option<ListRule> {
    let node = extension.get("list")?;
    reader.closed(node, &["rows", "pages", "parameters", "columns", "status", "details"]);
    if operation.action.is_some() || !operation.is_safe {
        let what = format!(
            "`{}` lists nothing: a list is read by a GET, or by what says `safe: true`, without a `target`",
            operation.name
        );
        reader.error("wrong-value", node.span, what);
    }
    reader.required(node, "rows");
    let rows = row_rule(reader, node, operations);
    let pages = node.get("pages").and_then(|node| pages(reader, node, operation));
    let mut parameters = Vec::new();
    for field in node.get("parameters").map(|node| reader.map(node)).unwrap_or_default() {
        let value = schema::json(&field.value);
        check_asked(reader, operation, &field.name, field.span);
        check_fixed(reader, operation, &field.name, &value, field.value.span);
        parameters.push((field.name.clone(), value));
    }
    let mut details = Vec::new();
    for detail in node.get("details").map(|node| reader.list(node)).unwrap_or_default() {
        details.extend(self::detail(reader, detail, (operation, &rows), operations));
    }
    Some(ListRule { rows, pages, parameters, details })
}

/// Reads `rows`, `columns` and `status`.
fn row_rule<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, operations: &[Operation]) -> RowRule<&'static str> {
    let steps = node.get("rows").map(|node| rows::steps(reader, node, None)).unwrap_or_default();
    let targets =
        operations.iter().filter_map(|other| other.action.as_ref()).flat_map(|action| &action.target.parameters);
    let known: Vec<&str> = targets.map(String::as_str).chain(LIST_COLUMNS).collect();
    let none = "is no column: it names no target, and is none of what is known of certificates";
    let columns = reader.required(node, "columns").map(|node| rows::columns(reader, node, &known, none));
    let states = node.get("status").map(|node| rows::states(reader, node, &LISTED_STATUSES));
    RowRule { steps, columns: columns.unwrap_or_default(), states: states.unwrap_or_default() }
}

fn detail<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    (list, of): (&Operation, &RowRule<&'static str>),
    operations: &[Operation],
) -> Option<DetailRule> {
    reader.closed(node, &["operation", "parameters", "rows", "columns", "status"]);
    let name = reader.required(node, "operation")?;
    let text = reader.text(name)?;
    let reads = |operation: &Operation| operation.action.is_none() && operation.is_safe;
    let Some(operation) = operations.iter().position(|operation| operation.name == text && reads(operation)) else {
        let names = operations.iter().filter(|other| reads(other)).map(|other| other.name.as_str());
        let what = format!("there is no operation `{text}` that only reads");
        reader.no_such(name.span, what, text, names);
        return None;
    };
    let asked = &operations[operation];
    let mut parameters = Vec::new();
    for field in reader.required(node, "parameters").map(|node| reader.map(node)).unwrap_or_default() {
        check_asked(reader, asked, &field.name, field.span);
        let Some(column) = reader.text(&field.value) else { continue };
        if !of.columns.iter().any(|(known, _)| known == column) {
            let names = of.columns.iter().map(|(name, _)| name.as_str());
            reader.no_such(field.value.span, format!("the list has no column `{column}`"), column, names);
        }
        parameters.push((field.name.clone(), column.to_owned()));
    }
    for parameter in asked.parameters.iter().filter(|parameter| parameter.required && parameter.fixed.is_none()) {
        // What the list is asked with is asked with here, too.
        let is_shared = list.parameters.iter().any(|one| one.name == parameter.name);
        if !is_shared && !parameters.iter().any(|(name, _)| *name == parameter.name) {
            let what = format!("`{}` needs `{}`, which is not given here", asked.name, parameter.name);
            reader.error("missing-key", node.span, what);
        }
    }
    Some(DetailRule { operation, parameters, rows: row_rule(reader, node, operations) })
}
