//! What refers from one operation to another, read with all of them known: how an action's state is read back (its status queries) and what its
//! preview asks, what an operation lists and what is asked about its rows, and samples; with it how a document says which rows an answer has and
//! what they tell. [`crate::provider::samples`] runs the samples.

use super::operation::named;
use super::reader::DocumentReader;
use super::{rules, schema};
use crate::diag::Diagnostic;
use crate::provider::answer::{AnswerClass, AnswerRule, TargetState, scalar_text};
use crate::provider::model::{
    DetailRule, LIST_COLUMNS, LISTED_STATUSES, ListRule, ListedPlace, Operation, Parameter, ParameterSource,
    ReplacedRule, RowMatch, RowRule, RowStep, Sample, SampleAction, SampleAnswer, SerialRule, Stage, StateRule,
    StatusQueryRule, TargetKind, WholeOrderRule,
};
use crate::provider::paging::{ListEnd, PageForm, Pages};
use crate::provider::{params, target_state};
use crate::text::Span;
use crate::tree::{Node, Shape};
use serde_json::{Map, Value};

/// Reads `lookups`, with all operations known.
pub(super) fn status_queries<'a>(
    reader: &mut DocumentReader<'a>,
    extension: &'a Node,
    action: &Operation,
    operations: &[Operation],
) -> Vec<StatusQueryRule> {
    let Some(list) = extension.get("lookups") else { return Vec::new() };
    reader.list(list).iter().filter_map(|node| status_query(reader, node, action, operations)).collect()
}

/// Reads `replaced`, with all operations known.
pub(super) fn replaced<'a>(
    reader: &mut DocumentReader<'a>,
    extension: &'a Node,
    action: &Operation,
    operations: &[Operation],
) -> Option<ReplacedRule> {
    let node = extension.get("replaced")?;
    reader.closed(node, &["operation", "parameters", "rows", "names", "unless"]);
    if !action.action.as_ref().is_some_and(|rules| rules.csr.as_ref().is_some_and(|csr| csr.replaces)) {
        let what = "`replaced` is held against the names of a certificate request, and there is no `csr` that replaces a certificate";
        reader.error("wrong-value", node.span, what);
    }
    let query = query(reader, node, action, operations, Asks::State)?;
    if query.parameters.iter().any(|(_, from)| matches!(from, ParameterSource::Answer(_))) {
        reader.error("wrong-value", node.span, "`replaced` is read before there is an answer");
    }
    let names = reader.required(node, "names")?;
    let names = reader.one_or_many(names).iter().filter_map(|item| reader.pointer(item)).collect();
    let mut unless = Vec::new();
    for item in node.get("unless").map(|node| reader.list(node)).unwrap_or_default() {
        reader.closed(item, &["when", "explanation"]);
        let when = reader.required(item, "when").map(|when| rules::conditions(reader, when)).unwrap_or_default();
        unless.extend(reader.required_text(item, "explanation").map(|why| (when, why.to_owned())));
    }
    Some(ReplacedRule { query, names, unless })
}

/// Reads `preview`, with all operations known: what is asked of the target before anything is sent, where that is more than the status queries tell.
pub(super) fn previews<'a>(
    reader: &mut DocumentReader<'a>,
    extension: &'a Node,
    (action, status_queries): (&Operation, &[StatusQueryRule]),
    operations: &[Operation],
) -> Vec<StatusQueryRule> {
    let mut all = Vec::new();
    if let Some(node) = extension.get("preview") {
        reader.closed(node, &["operation", "parameters", "rows", "pages", "standings", "columns"]);
        reader.required(node, "columns");
        let states = node.get("standings").map(|list| states(reader, list, &TargetState::ALL));
        let asked = query(reader, node, action, operations, Asks::Preview);
        if asked
            .as_ref()
            .is_some_and(|asked| asked.parameters.iter().any(|(_, from)| matches!(from, ParameterSource::Answer(_))))
        {
            reader.error("wrong-value", node.span, "`preview` is asked before there is an answer");
        }
        all.extend(asked.map(|mut asked| {
            asked.rows.states = states.unwrap_or_default();
            asked
        }));
    }
    if target_state::revokes(action) {
        all.extend_from_slice(status_queries);
    }
    all
}

/// What a query is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// Its target's state, or what is there before an action.
    State,
    /// What a preview shows; an action that only reads will do, too.
    Preview,
}

/// Reads `whole_order`, with all operations known.
pub(super) fn whole_order<'a>(
    reader: &mut DocumentReader<'a>,
    extension: &'a Node,
    action: &Operation,
    operations: &[Operation],
) -> Option<WholeOrderRule> {
    let node = extension.get("whole_order")?;
    reader.closed(node, &["operation", "parameter"]);
    let parameter = reader.required(node, "parameter").and_then(|name| named(reader, name, &action.parameters));
    let place = reader.required(node, "operation")?;
    let name = reader.text(place)?;
    let is_of_orders =
        |one: &&Operation| one.action.as_ref().is_some_and(|rules| rules.target.kind == TargetKind::Order);
    let of_orders = operations.iter().filter(is_of_orders).map(|one| one.name.as_str());
    if !of_orders.clone().any(|one| one == name) {
        reader.no_such(place.span, format!("no operation `{name}` acts on an order"), name, of_orders);
        return None;
    }
    Some(WholeOrderRule { operation: name.to_owned(), parameter: parameter?.name.clone() })
}

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

/// Reads `samples`, with all operations known.
pub(super) fn samples<'a>(
    reader: &mut DocumentReader<'a>,
    extension: &'a Node,
    operation: &Operation,
    operations: &[Operation],
) -> Vec<Sample> {
    let Some(list) = extension.get("samples") else {
        let what = format!("`{}` has no `samples`: a document is its own test", operation.name);
        reader.error("missing-key", extension.span, what);
        return Vec::new();
    };
    reader.list(list).iter().filter_map(|node| sample(reader, node, operation, operations)).collect()
}

/// Every status query must be used by an action, and every action must be able to end well.
pub(super) fn check_uses(reader: &mut DocumentReader<'_>, operations: &[Operation], nodes: &[&Node]) {
    use AnswerClass::{AlreadyDone, Pending, PendingApproval, Succeeded};
    let actions = || operations.iter().filter_map(|operation| operation.action.as_ref());
    for (index, (operation, node)) in operations.iter().zip(nodes).enumerate() {
        let place = node.get("operationId").unwrap_or(node).span;
        let good = |rules: &[AnswerRule]| {
            rules.iter().any(|rule| matches!(rule.class, Succeeded | AlreadyDone | PendingApproval | Pending))
        };
        let stages = || actions().flat_map(|action| &action.stages);
        let mut as_stage = stages().filter(|stage| stage.operation == index);
        if !good(&operation.answers) && !as_stage.any(|stage| good(&stage.answers)) {
            let what = format!("no answer of `{}` means success, so it could never end well", operation.name);
            reader.error("missing-key", place, what);
        }
        if let Some(other) = operations[..index].iter().find(|other| !is_told_apart(operation, other)) {
            let what = format!("`{}` and `{}` are one request: nothing tells them apart", operation.name, other.name);
            let help = "a header field in the path (`/#X-Amz-Target=…`), or a member of the body with another `const` in each, would";
            reader.push(Diagnostic::error("duplicate-name", place, what).help(help));
        }
        let asks = |queries: &[StatusQueryRule]| queries.iter().any(|query| query.operation == operation.name);
        let is_used = || {
            operation.list.is_some()
                || is_detail(index, operations)
                || actions().any(|action| asks(&action.status_queries))
                || actions().any(|action| asks(&action.previews))
                || actions().flat_map(|action| &action.replaced).any(|rule| rule.query.operation == operation.name)
                || stages().any(|stage| stage.operation == index || asks(&stage.status_queries))
        };
        if operation.action.is_none() && !is_used() {
            let what = format!(
                "`{}` is neither an action (it has no `target`) nor any action's status query or stage, and lists nothing",
                operation.name
            );
            reader.error("unknown-name", place, what);
        }
    }
}

/// Whether an operation is asked about the rows of some list.
fn is_detail(index: usize, operations: &[Operation]) -> bool {
    let mut details = operations.iter().filter_map(|other| other.list.as_ref()).flat_map(|list| &list.details);
    details.any(|detail| detail.operation == index)
}

/// Whether two operations are different requests.
fn is_told_apart(one: &Operation, other: &Operation) -> bool {
    let fixed = |parameter: &Parameter| {
        let theirs = other.parameters.iter().find(|theirs| theirs.name == parameter.name);
        parameter.fixed.is_some()
            && theirs.is_some_and(|theirs| theirs.fixed.is_some() && theirs.fixed != parameter.fixed)
    };
    (&one.method, &one.path) != (&other.method, &other.path)
        || one.headers != other.headers
        || one.parameters.iter().any(fixed)
}

fn status_query<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    action: &Operation,
    operations: &[Operation],
) -> Option<StatusQueryRule> {
    reader.closed(node, &["operation", "parameters", "rows", "pages", "standings", "absent", "advice", "columns"]);
    let mut asked = query(reader, node, action, operations, Asks::State)?;
    let states = reader.required(node, "standings").map(|list| states(reader, list, &TargetState::ALL));
    asked.rows.states = states.unwrap_or_default();
    let absent = node.get("absent").and_then(|node| {
        let word = reader.word(node, &TargetState::ALL)?;
        // Absence is no proof that a revoke took effect: a list may just hide what the account does not own.
        if asked.rows.steps.is_empty() || matches!(word, TargetState::Done | TargetState::Pending) {
            let what = "`absent` says what it tells that no row was found: `not-done` or `unknown`";
            reader.error("wrong-value", node.span, what);
        }
        Some(word)
    });
    let advice = reader.required_text(node, "advice").unwrap_or_default().to_owned();
    Some(StatusQueryRule { absent: absent.unwrap_or(TargetState::Unknown), advice, ..asked })
}

/// Reads what is asked for, and where in the answer its target stands; what that says of a state is still missing.
fn query<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    action: &Operation,
    operations: &[Operation],
    asks: Asks,
) -> Option<StatusQueryRule> {
    let name = reader.required(node, "operation")?;
    let text = reader.text(name)?;
    let Some(asked) = operations.iter().find(|operation| operation.name == text) else {
        let names = operations.iter().filter(|other| other.action.is_none()).map(|other| other.name.as_str());
        reader.no_such(name.span, format!("there is no operation `{text}`"), text, names);
        return None;
    };
    // Status queries are asked without consent and as often as needed, so none may change anything.
    if asked.action.is_some() && asks == Asks::State || !asked.is_safe {
        reader.error(
            "wrong-value",
            name.span,
            format!(
                "`{text}` is not a status query: a status query is a GET, or says `safe: true`, and has no `target`"
            ),
        );
        return None;
    }
    let mut parameters = Vec::new();
    for field in node.get("parameters").map(|node| reader.map(node)).unwrap_or_default() {
        check_asked(reader, asked, &field.name, field.span);
        let value = source(reader, &field.value, action, asked, &field.name);
        if let Some(ParameterSource::Fixed(value)) = &value {
            check_fixed(reader, asked, &field.name, value, field.value.span);
        }
        parameters.extend(value.map(|value| (field.name.clone(), value)));
    }
    let pages = node.get("pages").and_then(|node| pages(reader, node, asked));
    for parameter in asked.parameters.iter().filter(|parameter| parameter.required && parameter.fixed.is_none()) {
        let is_paging = pages.as_ref().is_some_and(|pages| pages.parameter == parameter.name);
        if !is_paging && !parameters.iter().any(|(name, _)| *name == parameter.name) {
            let what = format!("`{}` needs `{}`, which is not given here", asked.name, parameter.name);
            reader.error("missing-key", node.span, what);
        }
    }
    let steps = node.get("rows").map(|node| row_steps(reader, node, Some(action))).unwrap_or_default();
    let known: Vec<&str> = LIST_COLUMNS.into_iter().chain(target_state::PREVIEW_COLUMNS).collect();
    let none = "is none of what is shown of certificates";
    let columns = reader.key(node, "columns").map(|node| columns(reader, node, &known, none)).unwrap_or_default();
    Some(StatusQueryRule {
        operation: asked.name.clone(),
        parameters,
        rows: RowRule { steps, columns, states: Vec::new() },
        pages,
        absent: TargetState::Unknown,
        advice: String::new(),
    })
}

fn check_asked(reader: &mut DocumentReader<'_>, asked: &Operation, name: &str, span: Span) {
    if !asked.parameters.iter().any(|parameter| parameter.name == name) {
        let names = asked.parameters.iter().map(|parameter| parameter.name.as_str());
        reader.no_such(span, format!("`{}` has no parameter `{name}`", asked.name), name, names);
    }
}

fn check_fixed(reader: &mut DocumentReader<'_>, asked: &Operation, name: &str, value: &Value, span: Span) {
    let Some(parameter) = asked.parameters.iter().find(|parameter| parameter.name == name) else { return };
    let text = scalar_text(value).unwrap_or_default();
    if let Err(wrong) = params::scalar(parameter, &text, None) {
        reader.error("wrong-value", span, wrong.what);
    }
}

/// Where the value of the parameter `name` of a status query comes from.
fn source<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    action: &Operation,
    asked: &Operation,
    name: &str,
) -> Option<ParameterSource> {
    let fields = reader.closed(node, &["parameter", "answer", "fixed"]);
    let [field] = fields else {
        let what = "say where the value comes from by one of `parameter`, `answer` and `fixed`";
        reader.error("wrong-value", node.span, what);
        return None;
    };
    match field.name.as_str() {
        "parameter" => named(reader, &field.value, &action.parameters).map(|parameter| {
            let notation = |serial: Option<SerialRule>| serial.map(SerialRule::notation);
            let asks = asked.parameters.iter().find(|other| other.name == name).and_then(Parameter::serial);
            // Digits that were written as decimal would be read as hexadecimal.
            if asks.is_some() && parameter.serial().is_some() && notation(asks) != notation(parameter.serial()) {
                let what = format!("`{}` and `{name}` of `{}` must be spelled alike", parameter.name, asked.name);
                reader.error("wrong-value", field.value.span, what);
            }
            ParameterSource::Parameter(parameter.name.clone())
        }),
        "answer" => reader.pointer(&field.value).map(ParameterSource::Answer),
        "fixed" => Some(ParameterSource::Fixed(schema::json(&field.value))),
        _ => None,
    }
}

fn pages<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, asked: &Operation) -> Option<Pages> {
    let parameter = reader.required(node, "parameter").and_then(|name| named(reader, name, &asked.parameters));
    let form = if let Some(token) = node.get("token") {
        reader.closed(node, &["parameter", "token"]);
        PageForm::Token(reader.pointer(token)?)
    } else {
        reader.closed(node, &["parameter", "counts", "first", "total", "rows", "size", "token"]);
        let counts = node.get("counts").and_then(|word| reader.word(word, &[(true, "rows"), (false, "pages")]));
        let end = match (node.get("total"), node.get("rows")) {
            (Some(_), Some(rows)) => {
                reader.error(
                    "unknown-key",
                    rows.span,
                    "the last page is known by the `total`, or by `rows` that are not full: leave one out",
                );
                None
            }
            (None, Some(rows)) => reader.pointer(rows).map(ListEnd::NotFull),
            (..) => reader.required(node, "total").and_then(|node| reader.pointer(node)).map(ListEnd::Total),
        };
        let size = reader.required(node, "size").and_then(|node| reader.number(node, 1..=10_000));
        match (counts, node.get("first")) {
            (Some(true), Some(first)) => {
                reader.error("unknown-key", first.span, "rows are counted from 0; leave `first` out");
                return None;
            }
            (Some(true), None) => PageForm::Offset { end: end?, size: size? },
            (_, None) => {
                reader.required(node, "first");
                return None;
            }
            (_, Some(first)) => PageForm::Numbered { first: reader.number(first, 0..=1)?, end: end?, size: size? },
        }
    };
    Some(Pages { parameter: parameter?.name.clone(), form })
}

/// Reads `rows`, `columns` and `status`.
fn row_rule<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, operations: &[Operation]) -> RowRule<&'static str> {
    let steps = node.get("rows").map(|node| row_steps(reader, node, None)).unwrap_or_default();
    let targets =
        operations.iter().filter_map(|other| other.action.as_ref()).flat_map(|action| &action.target.parameters);
    let known: Vec<&str> = targets.map(String::as_str).chain(LIST_COLUMNS).collect();
    let none = "is no column: it names no target, and is none of what is known of certificates";
    let columns = reader.required(node, "columns").map(|node| columns(reader, node, &known, none));
    let states = node.get("status").map(|node| states(reader, node, &LISTED_STATUSES));
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

/// Reads `rows`: one step or several, each a pointer to a list, or `{list, match}`, where an action's parameters tell its row from others.
fn row_steps<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, action: Option<&Operation>) -> Vec<RowStep> {
    reader.one_or_many(node).iter().filter_map(|node| row_step(reader, node, action)).collect()
}

fn row_step<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, action: Option<&Operation>) -> Option<RowStep> {
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
fn columns<'a>(
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
fn states<'a, S: Copy>(
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
    for (hidden, by) in unreachable_states(&read) {
        let finding = Diagnostic::error("unreachable-rule", hidden, "this rule is unreachable");
        reader.push(finding.related(by, "this one always wins"));
    }
    read.into_iter().map(|(rule, _)| rule).collect()
}

/// The rules that are never reached, each with the earlier one that wins.
fn unreachable_states<S>(read: &[(StateRule<S>, Span)]) -> Vec<(Span, Span)> {
    let mut found = Vec::new();
    for (index, (rule, span)) in read.iter().enumerate() {
        let earlier = read[..index].iter().find(|(first, _)| rules::all_implied(&first.when, &rule.when));
        found.extend(earlier.map(|(_, by)| (*span, *by)));
    }
    found
}

fn sample<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    operation: &Operation,
    operations: &[Operation],
) -> Option<Sample> {
    let index = operations.iter().position(|other| other.name == operation.name).unwrap_or(usize::MAX);
    let tells = operation.list.is_some() || is_detail(index, operations);
    // A list is read for itself, unless a sample says for which action.
    let is_action = operation.action.is_some() || tells && node.get("for").is_none();
    let common = ["name", "parameters", "path", "body", "answers"];
    let more: &[&str] = if operation.action.is_some() { &[] } else { &["for", "with", "step"] };
    reader.closed(node, &[common.as_slice(), more].concat());
    let name = reader.required_text(node, "name");
    let parameters = node.get("parameters").map(|node| sample_parameters(reader, node, operation)).unwrap_or_default();
    let path = reader.required_text(node, "path");
    let body = node.get("body").map(schema::json);
    let sample_action = if is_action { None } else { Some(sample_action(reader, node, operation, operations)?) };
    let is_status_query = sample_action.as_ref().is_some_and(|action| action.stage.is_none());
    let list = reader.required(node, "answers")?;
    let answers: Vec<SampleAnswer> =
        reader.list(list).iter().filter_map(|node| answer(reader, node, is_status_query)).collect();
    if list.items().is_empty() {
        reader.error("wrong-value", list.span, "a sample needs at least one answer");
    }
    Some(Sample {
        name: name?.to_owned(),
        parameters,
        path: path?.to_owned(),
        body,
        for_action: sample_action,
        answers,
    })
}

fn sample_action<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    operation: &Operation,
    operations: &[Operation],
) -> Option<SampleAction> {
    let name = reader.required(node, "for")?;
    let text = reader.text(name)?;
    let is_asked = |stage: &&Stage| operations[stage.operation].name == operation.name;
    let asks = |other: &&Operation| {
        let action = other.action.as_ref();
        action.is_some_and(|action| {
            let queries = action.stages.iter().flat_map(|stage| &stage.status_queries).chain(&action.status_queries);
            queries.into_iter().any(|query| query.operation == operation.name)
                || action.stages.iter().any(|stage| is_asked(&stage))
        })
    };
    let Some(action) = operations.iter().filter(asks).find(|other| other.name == text) else {
        let names = operations.iter().filter(asks).map(|other| other.name.as_str());
        let what = format!("no action `{text}` has the status query or stage `{}`", operation.name);
        reader.no_such(name.span, what, text, names);
        return None;
    };
    let stages = || action.action.iter().flat_map(|rules| &rules.stages);
    let step = node.get("step");
    let stage = match step.and_then(|step| Some((reader.text(step)?, step.span))) {
        Some((step, span)) if !stages().any(|stage| stage.name == step && is_asked(&stage)) => {
            let names = stages().filter(is_asked).map(|stage| stage.name.as_str());
            reader.no_such(span, format!("`{text}` has no stage `{step}` that asks `{}`", operation.name), step, names);
            return None;
        }
        found => found.map(|(step, _)| step.to_owned()),
    };
    let parameters = node.get("with").map(|node| sample_parameters(reader, node, action)).unwrap_or_default();
    Some(SampleAction { action: action.name.clone(), stage, parameters })
}

/// Parameters in a sample are raw text as in a plan, and get their types the same way.
fn sample_parameters<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, operation: &Operation) -> Map<String, Value> {
    let mut parameters = Map::new();
    for field in reader.map(node) {
        let Some(parameter) = operation.parameter(&field.name) else {
            let names = operation.parameters.iter().map(|parameter| parameter.name.as_str());
            let what = format!("`{}` has no parameter `{}`", operation.name, field.name);
            reader.no_such(field.span, what, &field.name, names);
            continue;
        };
        match params::value(parameter, &field.value, None) {
            Ok(value) => drop(parameters.insert(parameter.name.clone(), value)),
            Err(wrong) => reader.error("wrong-value", field.value.span, wrong.what),
        }
    }
    parameters
}

fn answer<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, is_status_query: bool) -> Option<SampleAnswer> {
    let key = if is_status_query { "is" } else { "means" };
    let more: &[&str] = if is_status_query { &["columns"] } else { &[] };
    reader.closed(node, &[&["status", "headers", "body", "text", "reference", "outputs", "rows", key], more].concat());
    let status = reader.required(node, "status").and_then(|node| reader.number(node, 100..=599));
    let mut headers = Vec::new();
    for field in node.get("headers").map(|node| reader.map(node)).unwrap_or_default() {
        headers.extend(reader.text(&field.value).map(|value| (field.name.to_ascii_lowercase(), value.to_owned())));
    }
    let means = reader.required(node, key)?;
    let word = if is_status_query {
        reader.word(means, &TargetState::ALL).map(TargetState::word)
    } else {
        rules::answer_class(reader, means).map(AnswerClass::word)
    };
    let text = reader.optional_text(node, "text").map(str::to_owned);
    if let (Some(both), Some(_)) = (node.get("text"), node.get("body")) {
        reader.error("wrong-value", both.span, "an answer has either a `body` or a `text`");
    }
    Some(SampleAnswer {
        status: u16::try_from(status?).ok()?,
        headers,
        body: node.get("body").map(schema::json),
        text,
        expected: word?.to_owned(),
        rows: node.get("rows").map(schema::json),
        columns: reader.key(node, "columns").map(schema::json),
        outputs: node
            .get("outputs")
            .map(|outputs| reader.map(outputs))
            .unwrap_or_default()
            .iter()
            .map(|field| (field.name.clone(), schema::json(&field.value)))
            .collect(),
        reference: reader.optional_text(node, "reference").map(str::to_owned),
    })
}
