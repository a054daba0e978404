//! What answers mean: rules, conditions, and the places of codes, messages and ids. A rule that can never match, since an earlier one
//! matches whenever it would, is a mistake in a document, always.

use super::reader::{DocumentReader, is_header_name};
use crate::provider::answer::{
    AnswerClass, AnswerLocation, AnswerRule, Condition, Pointer, Test, ThrottleForm, ThrottleHint,
};
use crate::text::Span;
use crate::tree::{Node, Shape};

/// The keys that both the provider's and an operation's extension may have for reading answers.
pub(super) const KEYS: [&str; 5] = ["answers", "code", "message", "reference", "throttle_hint"];

/// How answers are read, as one extension object declares it.
#[derive(Default)]
pub(super) struct AnswerReading {
    pub(super) rules: Vec<(AnswerRule, Span)>,
    pub(super) code: Vec<Pointer>,
    pub(super) message: Vec<Pointer>,
    pub(super) reference: Vec<AnswerLocation>,
    pub(super) throttle_hint: Option<ThrottleHint>,
}

/// Reads the keys of [`KEYS`].
pub(super) fn read<'a>(reader: &mut DocumentReader<'a>, extension: &'a Node) -> AnswerReading {
    let mut rules = Vec::new();
    if let Some(answers) = extension.get("answers") {
        for node in reader.list(answers) {
            rules.extend(rule(reader, node).map(|rule| (rule, node.span)));
        }
    }
    for (hidden, by) in unreachable(&rules) {
        let finding = crate::diag::Diagnostic::error("unreachable-rule", hidden, "this rule is unreachable");
        reader.push(
            finding.help("rules are tried in order, the first that matches wins").related(by, "this one always wins"),
        );
    }
    AnswerReading {
        rules,
        code: pointers(reader, extension.get("code")),
        message: pointers(reader, extension.get("message")),
        reference: extension.get("reference").map(|node| places(reader, node)).unwrap_or_default(),
        throttle_hint: extension.get("throttle_hint").and_then(|node| throttle_hint(reader, node)),
    }
}

/// Reads `{/pointer: test}`; all must hold.
pub(super) fn conditions<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Vec<Condition> {
    let fields = reader.map(node);
    if fields.is_empty() {
        reader.error(
            "wrong-value",
            node.span,
            "a rule without a condition matches everything; leave `when` out if that is meant",
        );
    }
    let mut conditions = Vec::new();
    for field in fields {
        let Some(pointer) = reader.pointer_text(&field.name, field.span) else { continue };
        let tests = tests(reader, &field.value);
        conditions.extend(tests.into_iter().map(|test| Condition { pointer: pointer.clone(), test }));
    }
    conditions
}

fn tests<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Vec<Test> {
    if !matches!(node.shape, Shape::Map(_)) {
        return vec![Test::OneOf(words(reader, node))];
    }
    let fields = reader.closed(node, &["one_of", "none_of", "prefix", "contains", "present"]);
    let mut tests = Vec::new();
    for field in fields {
        let value = &field.value;
        match field.name.as_str() {
            "one_of" => tests.push(Test::OneOf(words(reader, value))),
            "none_of" => tests.push(Test::NoneOf(words(reader, value))),
            "prefix" => tests.push(Test::Prefix(words(reader, value))),
            "contains" => tests.push(Test::Contains(words(reader, value))),
            "present" => tests.extend(reader.flag(node, "present").map(Test::Present)),
            _ => {}
        }
    }
    if fields.is_empty() {
        reader.error("wrong-value", node.span, "a test is missing here, such as `one_of` or `present`");
    }
    tests
}

fn words<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Vec<String> {
    let words = reader.texts(node);
    if words.is_empty() || words.iter().any(String::is_empty) {
        reader.error("wrong-value", node.span, "at least one word is expected here, and none may be empty");
    }
    words
}

fn rule<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Option<AnswerRule> {
    reader.closed(node, &["status", "when", "empty", "means", "explanation", "shows"]);
    let mut status = Vec::new();
    if let Some(list) = node.get("status") {
        for item in reader.one_or_many(list) {
            status.extend(reader.number(item, 100..=599).and_then(|number| u16::try_from(number).ok()));
        }
    }
    let when = node.get("when").map(|when| conditions(reader, when)).unwrap_or_default();
    let empty = reader.flag(node, "empty");
    let means = reader.required(node, "means")?;
    let class = answer_class(reader, means)?;
    if status.is_empty() && when.is_empty() && empty.is_none() {
        reader.error(
            "wrong-value",
            node.span,
            "a rule must name a `status`, a condition (`when`), or whether the body is `empty`",
        );
    }
    if empty == Some(true) && !when.is_empty() {
        reader.error("unreachable-rule", node.span, "this rule is unreachable: an empty body meets no condition");
    }
    let good = matches!(
        class,
        AnswerClass::Succeeded | AnswerClass::AlreadyDone | AnswerClass::PendingApproval | AnswerClass::Pending
    );
    // Without a status the rule would also match a proxy's page or a 500 with a body of the same form.
    if good && status.is_empty() {
        let what = "silence is never success: a rule that means success must name its `status`";
        reader.error("wrong-value", means.span, what);
    }
    let explanation = reader.optional_text(node, "explanation").map(str::to_owned);
    let mut shows = Vec::new();
    for field in node.get("shows").map(|node| reader.map(node)).unwrap_or_default() {
        shows.extend(reader.pointer(&field.value).map(|pointer| (field.name.clone(), pointer)));
    }
    Some(AnswerRule { status, when, empty, class, explanation, shows })
}

/// The class that a document gives an answer, by its present or its former name.
pub(super) fn answer_class<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Option<AnswerClass> {
    let former = AnswerClass::FORMER.iter().find(|(_, word)| node.text() == Some(*word));
    former.map(|(class, _)| *class).or_else(|| reader.word(node, &AnswerClass::ALL))
}

fn pointers<'a>(reader: &mut DocumentReader<'a>, node: Option<&'a Node>) -> Vec<Pointer> {
    let Some(node) = node else { return Vec::new() };
    reader.one_or_many(node).iter().filter_map(|item| reader.pointer(item)).collect()
}

fn places<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Vec<AnswerLocation> {
    let mut places = Vec::new();
    for item in reader.one_or_many(node) {
        if !matches!(item.shape, Shape::Map(_)) {
            places.extend(reader.pointer(item).map(AnswerLocation::Body));
            continue;
        }
        reader.closed(item, &["header"]);
        let name = reader.required_text(item, "header").unwrap_or_default();
        if is_header_name(name) {
            places.push(AnswerLocation::Header(name.to_ascii_lowercase()));
        } else if !name.is_empty() {
            reader.error("wrong-value", item.span, format!("`{name}` is not a header name"));
        }
    }
    places
}

fn throttle_hint<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Option<ThrottleHint> {
    reader.closed(node, &["pointer", "form"]);
    let pointer = reader.required(node, "pointer")?;
    let pointer = reader.pointer(pointer)?;
    let form = reader.required(node, "form")?;
    let form = reader.word(form, &[(ThrottleForm::LimitTime, "limit-time"), (ThrottleForm::Seconds, "seconds")])?;
    Some(ThrottleHint { pointer, form })
}

/// The rules that are never reached, each with the earlier rule that wins.
pub(super) fn unreachable(rules: &[(AnswerRule, Span)]) -> Vec<(Span, Span)> {
    let mut found = Vec::new();
    for (index, (rule, span)) in rules.iter().enumerate() {
        let earlier = &rules[..index];
        let winner =
            |status: Option<u16>| earlier.iter().find(|(first, _)| wins(first, rule, status)).map(|(_, span)| *span);
        let winners: Option<Vec<Span>> = if rule.status.is_empty() {
            winner(None).map(|span| vec![span])
        } else {
            rule.status.iter().map(|status| winner(Some(*status))).collect()
        };
        if let Some(by) = winners.and_then(|spans| spans.first().copied()) {
            found.push((*span, by));
        }
    }
    found
}

/// Whether `first` matches every answer of this status that `rule` matches.
fn wins(first: &AnswerRule, rule: &AnswerRule, status: Option<u16>) -> bool {
    let by_status = first.status.is_empty() || status.is_some_and(|status| first.status.contains(&status));
    // A condition that looks for something holds for no empty body.
    let not_empty =
        rule.empty == Some(false) || rule.when.iter().any(|condition| condition.test != Test::Present(false));
    let by_emptiness = match first.empty {
        // Such a rule passes over an empty body, which the later one may be for.
        None if first.class.is_the_providers() => rule.empty != Some(true),
        None => true,
        Some(true) => rule.empty == Some(true),
        Some(false) => not_empty,
    };
    // And over what is not of the declared media type, which one without conditions may be for; conditions are for the provider's own.
    let by_media_type = !first.class.is_the_providers() || rule.class.is_the_providers() || !rule.when.is_empty();
    by_status && by_emptiness && by_media_type && all_implied(&first.when, &rule.when)
}

pub(super) fn all_implied(wanted: &[Condition], given: &[Condition]) -> bool {
    wanted
        .iter()
        .all(|wanted| given.iter().any(|given| given.pointer == wanted.pointer && implies(&given.test, &wanted.test)))
}

/// Whether a value that meets `given` surely meets `wanted`.
fn implies(given: &Test, wanted: &Test) -> bool {
    if given == wanted {
        return true;
    }
    match (given, wanted) {
        (Test::OneOf(words), wanted) => words.iter().all(|word| meets(word, wanted)),
        (Test::Present(false), _) => false,
        (_, Test::Present(true)) => true,
        (Test::NoneOf(more), Test::NoneOf(fewer)) => fewer.iter().all(|word| more.contains(word)),
        (Test::Prefix(longer), Test::Prefix(shorter)) => {
            longer.iter().all(|word| shorter.iter().any(|prefix| word.starts_with(prefix.as_str())))
        }
        (Test::Prefix(longer) | Test::Contains(longer), Test::Contains(shorter)) => {
            longer.iter().all(|word| shorter.iter().any(|part| word.contains(part.as_str())))
        }
        _ => false,
    }
}

fn meets(word: &String, test: &Test) -> bool {
    match test {
        Test::OneOf(words) => words.contains(word),
        Test::NoneOf(words) => !words.contains(word),
        Test::Prefix(words) => words.iter().any(|prefix| word.starts_with(prefix.as_str())),
        Test::Contains(parts) => parts.iter().any(|part| word.contains(part.as_str())),
        Test::Present(present) => *present,
    }
}
