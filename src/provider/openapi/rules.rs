//! What answers mean: rules, conditions, and the places of codes, messages and ids.

use super::reach;
use super::reading::Reading;
use crate::provider::answer::Meaning;
use crate::provider::model::{AnswerRule, Condition, Place, Test, ThrottleForm, ThrottleHint};
use crate::provider::pointer::Pointer;
use crate::text::Span;
use crate::tree::node::{Node, Shape};

/// The keys that both the provider's and an operation's extension may have for reading answers.
pub(super) const KEYS: [&str; 5] = ["answers", "code", "message", "reference", "throttle_hint"];

/// How answers are read, as one extension object says it.
#[derive(Default)]
pub(super) struct AnswerReading {
    pub(super) rules: Vec<(AnswerRule, Span)>,
    pub(super) code: Vec<Pointer>,
    pub(super) message: Vec<Pointer>,
    pub(super) reference: Vec<Place>,
    pub(super) throttle_hint: Option<ThrottleHint>,
}

/// Reads the keys of [`KEYS`].
pub(super) fn read<'a>(reading: &mut Reading<'a>, extension: &'a Node) -> AnswerReading {
    let mut rules = Vec::new();
    if let Some(answers) = extension.get("answers") {
        for node in reading.list(answers) {
            rules.extend(rule(reading, node).map(|rule| (rule, node.span)));
        }
    }
    for (hidden, by) in reach::unreachable(&rules) {
        let finding = crate::diag::Diagnostic::error("unreachable-rule", hidden, "this rule is unreachable");
        reading.push(
            finding.help("rules are tried in order, the first that matches wins").related(by, "this one always wins"),
        );
    }
    AnswerReading {
        rules,
        code: pointers(reading, extension.get("code")),
        message: pointers(reading, extension.get("message")),
        reference: extension.get("reference").map(|node| places(reading, node)).unwrap_or_default(),
        throttle_hint: extension.get("throttle_hint").and_then(|node| throttle_hint(reading, node)),
    }
}

/// Reads `{/pointer: test}`; all must hold.
pub(super) fn conditions<'a>(reading: &mut Reading<'a>, node: &'a Node) -> Vec<Condition> {
    let fields = reading.map(node);
    if fields.is_empty() {
        reading.error(
            "wrong-value",
            node.span,
            "a rule without a condition matches everything; leave `when` out if that is meant",
        );
    }
    let mut conditions = Vec::new();
    for field in fields {
        let Some(pointer) = reading.pointer_text(&field.name, field.span) else { continue };
        let tests = tests(reading, &field.value);
        conditions.extend(tests.into_iter().map(|test| Condition { pointer: pointer.clone(), test }));
    }
    conditions
}

fn tests<'a>(reading: &mut Reading<'a>, node: &'a Node) -> Vec<Test> {
    if !matches!(node.shape, Shape::Map(_)) {
        return vec![Test::OneOf(words(reading, node))];
    }
    let fields = reading.closed(node, &["one_of", "none_of", "prefix", "contains", "present"]);
    let mut tests = Vec::new();
    for field in fields {
        let value = &field.value;
        match field.name.as_str() {
            "one_of" => tests.push(Test::OneOf(words(reading, value))),
            "none_of" => tests.push(Test::NoneOf(words(reading, value))),
            "prefix" => tests.push(Test::Prefix(words(reading, value))),
            "contains" => tests.extend(reading.text(value).map(|text| Test::Contains(text.to_owned()))),
            "present" => tests.extend(reading.flag(node, "present").map(Test::Present)),
            _ => {}
        }
    }
    if fields.is_empty() {
        reading.error("wrong-value", node.span, "a test is missing here, such as `one_of` or `present`");
    }
    tests
}

fn words<'a>(reading: &mut Reading<'a>, node: &'a Node) -> Vec<String> {
    let words = reading.texts(node);
    if words.is_empty() || words.iter().any(String::is_empty) {
        reading.error("wrong-value", node.span, "at least one word is expected here, and none may be empty");
    }
    words
}

fn rule<'a>(reading: &mut Reading<'a>, node: &'a Node) -> Option<AnswerRule> {
    reading.closed(node, &["status", "when", "empty", "means", "explanation"]);
    let mut status = Vec::new();
    if let Some(list) = node.get("status") {
        for item in reading.one_or_many(list) {
            status.extend(reading.number(item, 100..=599).and_then(|number| u16::try_from(number).ok()));
        }
    }
    let when = node.get("when").map(|when| conditions(reading, when)).unwrap_or_default();
    let empty = reading.flag(node, "empty");
    let means = reading.required(node, "means")?;
    let meaning = reading.word(means, &Meaning::ALL)?;
    if status.is_empty() && when.is_empty() && empty.is_none() {
        reading.error(
            "wrong-value",
            node.span,
            "a rule must name a `status`, a condition (`when`), or whether the body is `empty`",
        );
    }
    if empty == Some(true) && !when.is_empty() {
        reading.error("unreachable-rule", node.span, "this rule is unreachable: an empty body meets no condition");
    }
    let good = matches!(meaning, Meaning::Succeeded | Meaning::AlreadyDone | Meaning::PendingApproval);
    if good && status.is_empty() {
        let what = "silence is never success: a rule that means success must name its `status`";
        reading.error("wrong-value", means.span, what);
    }
    let explanation = reading.optional_text(node, "explanation").map(str::to_owned);
    Some(AnswerRule { status, when, empty, means: meaning, explanation })
}

fn pointers<'a>(reading: &mut Reading<'a>, node: Option<&'a Node>) -> Vec<Pointer> {
    let Some(node) = node else { return Vec::new() };
    reading.one_or_many(node).iter().filter_map(|item| reading.pointer(item)).collect()
}

fn places<'a>(reading: &mut Reading<'a>, node: &'a Node) -> Vec<Place> {
    let mut places = Vec::new();
    for item in reading.one_or_many(node) {
        if !matches!(item.shape, Shape::Map(_)) {
            places.extend(reading.pointer(item).map(Place::Body));
            continue;
        }
        reading.closed(item, &["header"]);
        let name = reading.required_text(item, "header").unwrap_or_default();
        if super::security::is_header_name(name) {
            places.push(Place::Header(name.to_ascii_lowercase()));
        } else if !name.is_empty() {
            reading.error("wrong-value", item.span, format!("`{name}` is not a header name"));
        }
    }
    places
}

fn throttle_hint<'a>(reading: &mut Reading<'a>, node: &'a Node) -> Option<ThrottleHint> {
    reading.closed(node, &["pointer", "form"]);
    let pointer = reading.required(node, "pointer")?;
    let pointer = reading.pointer(pointer)?;
    let form = reading.required(node, "form")?;
    let form = reading.word(form, &[(ThrottleForm::LimitTime, "limit-time"), (ThrottleForm::Seconds, "seconds")])?;
    Some(ThrottleHint { pointer, form })
}
