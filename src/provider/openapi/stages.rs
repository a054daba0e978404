//! The stages of an action and what its steps bring, read with all operations known: a line of requests without branches, in the form of
//! OpenAPI's Arazzo as far as that says what is needed. What a step refers to must be there when it is asked: that is checked here.

use super::reader::{DocumentReader, is_new_certificate};
use super::{references, rules, schema};
use crate::diag::Diagnostic;
use crate::provider::answer::{AnswerClass, AnswerRule, Output, StepOutput, scalar_text};
use crate::provider::model::{Idempotency, Location, Operation, Stage, StageValue, Unless};
use crate::provider::stages::{Expression, is_name};
use crate::provider::{params, verdict};
use crate::text::Span;
use crate::tree::Node;
use std::time::Duration;

/// What an action's extension says of its steps.
#[derive(Default)]
pub(super) struct Steps {
    /// What its own answer brings.
    pub(super) outputs: Vec<Output>,
    /// What follows on its own request.
    pub(super) stages: Vec<Stage>,
    /// Where the new certificate is read.
    pub(super) new_certificate: Vec<StepOutput>,
    /// How far apart its own request is asked again, where that only reads.
    pub(super) poll: Option<Duration>,
}

/// Reads `outputs`, `stages` and, where it says where the new certificate is, `certificate`.
pub(super) fn read<'a>(
    reader: &mut DocumentReader<'a>,
    extension: &'a Node,
    action: &Operation,
    operations: &[Operation],
) -> Steps {
    let outputs = extension.get("outputs").map(|node| outputs(reader, node)).unwrap_or_default();
    let mut stages: Vec<Stage> = Vec::new();
    for node in extension.get("stages").map(|node| reader.list(node)).unwrap_or_default() {
        let known = Known { action, own: &outputs, stages: &stages, has_items: false };
        stages.extend(stage(reader, node, &known, operations));
    }
    if let (Some(last), Some(node)) = (stages.last().filter(|last| last.for_each.is_some()), extension.get("stages")) {
        let what = format!("`{}` is asked for each item of a list, and so cannot be the last step", last.name);
        reader.error("wrong-value", node.span, what);
    }
    let is_polled = extension.get("poll").is_some();
    let poll = if is_polled { poll(reader, extension, action.is_safe, &action.answers) } else { None };
    let mut steps = Steps { outputs, stages, new_certificate: Vec::new(), poll };
    // Where it says which certificate is sent, the new one stands beside that.
    let declared = extension
        .get("certificate")
        .and_then(|node| if is_new_certificate(node) { Some(node) } else { node.get("new") });
    if let Some(node) = declared {
        for item in reader.one_or_many(node) {
            let brought = new_certificate(reader, item, action, &mut steps);
            steps.new_certificate.extend(brought);
        }
    }
    let (last, has_csr) = (steps.stages.last(), action.action.as_ref().is_some_and(|rules| rules.csr.is_some()));
    let brings = |name: &str| steps.new_certificate.iter().any(|output| output.step == name);
    for stage in steps.stages.iter().filter(|stage| stage.until_new) {
        if stage.poll.is_none() || !has_csr || last.map(|last| &last.name) != Some(&stage.name) || !brings(&stage.name)
        {
            let what = format!("`{}` cannot be asked again until its certificate is the new one", stage.name);
            let help =
                "`until_new` is for the last step, with `poll`, whose answer brings the `certificate` of a `csr`";
            reader.push(Diagnostic::error("wrong-value", extension.span, what).help(help));
        }
    }
    steps
}

/// What is there when a stage begins.
struct Known<'k> {
    action: &'k Operation,
    own: &'k [Output],
    stages: &'k [Stage],
    /// Whether it is asked for each item of a list.
    has_items: bool,
}

impl Known<'_> {
    /// The outputs of a step that comes before.
    fn outputs_of(&self, step: &str) -> Option<&[Output]> {
        let own = (self.action.name == step).then_some(self.own);
        own.or_else(|| self.stages.iter().find(|stage| stage.name == step).map(|stage| stage.outputs.as_slice()))
    }

    fn steps(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.action.name.as_str()).chain(self.stages.iter().map(|stage| stage.name.as_str()))
    }

    fn check_output(&self, reader: &mut DocumentReader<'_>, wanted: &StepOutput, span: Span) {
        let Some(outputs) = self.outputs_of(&wanted.step) else {
            let what = format!("no step `{}` comes before this", wanted.step);
            reader.no_such(span, what, &wanted.step, self.steps());
            return;
        };
        if !outputs.iter().any(|output| output.name == wanted.output) {
            let what = format!("the step `{}` has no output `{}`", wanted.step, wanted.output);
            reader.no_such(span, what, &wanted.output, outputs.iter().map(|output| output.name.as_str()));
        }
    }
}

fn outputs<'a>(reader: &mut DocumentReader<'a>, node: &'a Node) -> Vec<Output> {
    let mut outputs = Vec::new();
    for field in reader.map(node) {
        if !is_name(&field.name) {
            let what = format!("`{}` is not the name of an output: letters, digits, `-` and `_` are", field.name);
            reader.error("wrong-value", field.span, what);
        }
        match reader.text(&field.value).map(Expression::parse) {
            Some(Ok(Expression::Response(place))) => outputs.push(Output { name: field.name.clone(), place }),
            Some(Ok(_)) => reader.push(
                Diagnostic::error("wrong-value", field.value.span, "an output is a part of the step's own answer")
                    .help("write `$response.body#/POINTER` or `$response.header.NAME`"),
            ),
            Some(Err(what)) => reader.error("wrong-value", field.value.span, what),
            None => {}
        }
    }
    outputs
}

fn stage<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    known: &Known<'_>,
    operations: &[Operation],
) -> Option<Stage> {
    reader.closed(node, &KEYS);
    let name = reader.required(node, "stepId").and_then(|id| step_id(reader, id, known));
    let operation_id = reader.required(node, "operationId")?;
    let text = reader.text(operation_id)?;
    let Some(index) = operations.iter().position(|operation| operation.name == text) else {
        let names = operations.iter().filter(|other| other.action.is_none()).map(|other| other.name.as_str());
        reader.no_such(operation_id.span, format!("there is no operation `{text}`"), text, names);
        return None;
    };
    let asked = &operations[index];
    if asked.action.is_some() {
        let what = format!("`{text}` is an action of plans, and no stage of another: it has a `target`");
        let help = "a plan puts actions one after the other by `steps` or `needs`";
        reader.push(Diagnostic::error("wrong-value", operation_id.span, what).help(help));
        return None;
    }
    let for_each = node.get("for_each").and_then(|list| each(reader, node, list, known));
    let challenge = node.get("challenge").and_then(|name| super::operation::named(reader, name, &asked.parameters));
    let challenge = challenge.map(|parameter| parameter.name.clone());
    let known = &Known { has_items: for_each.is_some(), ..*known };
    let parameters = parameters(reader, node, asked, known, challenge.as_deref());
    let unless = node.get("unless").map(|node| unless(reader, node, known)).unwrap_or_default();
    let idempotency = idempotency(reader, node, asked);
    let answers = answers(reader, node, asked);
    let poll = poll(reader, node, asked.is_safe, &answers);
    let status_queries = references::status_queries(reader, node, asked, operations);
    let outputs = node.get("outputs").map(|node| outputs(reader, node)).unwrap_or_default();
    let until_new = reader.flag(node, "until_new") == Some(true);
    // An answer that was lost takes what it would have brought with it.
    let missing = |unless: &&Unless| {
        matches!(unless.value, StageValue::Output(_)) && verdict::all_hold(&unless.when, &serde_json::Value::Null)
    };
    if let Some(word) = node.get("unless").filter(|_| unless.iter().any(|one| missing(&one)))
        && (!asked.is_safe || !outputs.is_empty())
    {
        let what = "only a step that reads, and brings nothing, can be passed over because something did not come";
        reader.error("wrong-value", word.span, what);
    }
    Some(Stage {
        name: name?,
        for_each,
        unless,
        challenge,
        operation: index,
        parameters,
        answers,
        idempotency,
        poll,
        until_new,
        status_queries,
        outputs,
    })
}

/// Reads `for_each`: the list that an earlier step brought.
fn each<'a>(reader: &mut DocumentReader<'a>, node: &Node, list: &'a Node, known: &Known<'_>) -> Option<StepOutput> {
    for key in ["poll", "lookups"] {
        if let Some(other) = node.get(key) {
            let what = format!("a step for each item of a list has no `{key}`");
            reader.push(
                Diagnostic::error("wrong-value", other.span, what).help("let a step follow that looks at all of them"),
            );
        }
    }
    match Expression::parse(reader.text(list)?) {
        Ok(Expression::Output(output)) => {
            known.check_output(reader, &output, list.span);
            Some(output)
        }
        Ok(_) => {
            let what = "a list is brought by an earlier step";
            reader.push(Diagnostic::error("wrong-value", list.span, what).help("write `$steps.NAME.outputs.NAME`"));
            None
        }
        Err(what) => {
            reader.error("wrong-value", list.span, what);
            None
        }
    }
}

/// Reads `unless`, one or a list of `{value, when}`.
fn unless<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, known: &Known<'_>) -> Vec<Unless> {
    let mut all = Vec::new();
    for item in reader.one_or_many(node) {
        reader.closed(item, &["value", "when"]);
        let value = reader.required(item, "value").and_then(|value| self::value(reader, value, known));
        let when = reader.required(item, "when").map(|when| rules::conditions(reader, when));
        all.extend(value.zip(when).map(|(value, when)| Unless { value, when }));
    }
    all
}

fn step_id<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, known: &Known<'_>) -> Option<String> {
    let text = reader.text(node)?;
    if !is_name(text) {
        let what = format!("`{text}` is not the name of a step: letters, digits, `-` and `_` are");
        reader.error("wrong-value", node.span, what);
        return None;
    }
    if known.steps().any(|step| step == text) {
        let what = format!(
            "there is a step `{text}` already; the operation's own request is the step `{}`",
            known.action.name
        );
        reader.error("duplicate-name", node.span, what);
    }
    Some(text.to_owned())
}

/// Reads `parameters`, a list as in Arazzo: `{name, value}`, and `in`, which must be true where it is said.
fn parameters<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    asked: &Operation,
    known: &Known<'_>,
    challenge: Option<&str>,
) -> Vec<(String, StageValue)> {
    let mut parameters: Vec<(String, StageValue)> = Vec::new();
    for item in node.get("parameters").map(|node| reader.list(node)).unwrap_or_default() {
        reader.closed(item, &["name", "in", "value"]);
        let Some(name) = reader.required(item, "name") else { continue };
        let Some(parameter) = super::operation::named(reader, name, &asked.parameters) else { continue };
        let places = [(Location::Path, "path"), (Location::Query, "query"), (Location::Body, "body")];
        if let Some(place) = item.get("in").and_then(|place| Some((reader.word(place, &places)?, place.span)))
            && place.0 != parameter.location
        {
            reader.error("wrong-value", place.1, format!("`{}` of `{}` is not there", parameter.name, asked.name));
        }
        if parameters.iter().any(|(given, _)| *given == parameter.name) {
            reader.error("duplicate-name", name.span, format!("`{}` is given twice", parameter.name));
            continue;
        }
        let Some(value) = reader.required(item, "value").and_then(|value| self::value(reader, value, known)) else {
            continue;
        };
        if let (StageValue::Fixed(value), Some(node)) = (&value, item.get("value")) {
            let text = scalar_text(value).unwrap_or_default();
            if let Err(wrong) = params::scalar(parameter, &text, None) {
                reader.error("wrong-value", node.span, wrong.what);
            }
        }
        if let (StageValue::Input(input), true, Some(node)) = (&value, parameter.required, item.get("value")) {
            let given = known.action.parameters.iter().find(|known| known.name == *input);
            if given.is_some_and(|given| !given.required && given.fixed.is_none()) {
                let what = format!("`{}` must be given, but plans may leave `{input}` out", parameter.name);
                reader.error("wrong-value", node.span, what);
            }
        }
        parameters.push((parameter.name.clone(), value));
    }
    for parameter in asked.parameters.iter().filter(|parameter| parameter.required && parameter.fixed.is_none()) {
        if !parameters.iter().any(|(name, _)| *name == parameter.name) && challenge != Some(&parameter.name) {
            let what = format!("`{}` needs `{}`, which is not given here", asked.name, parameter.name);
            reader.push(Diagnostic::error("missing-key", node.span, what).help(format!(
                "`parameters: [{{name: {}, value: $steps.{}.outputs.…}}]`",
                parameter.name, known.action.name
            )));
        }
    }
    parameters
}

fn value<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, known: &Known<'_>) -> Option<StageValue> {
    let Some(text) = node.text().filter(|text| text.starts_with('$')) else {
        return Some(StageValue::Fixed(schema::json(node)));
    };
    if text == "$item" {
        if !known.has_items {
            let what = "there is no item: this step is asked once";
            reader.push(Diagnostic::error("wrong-value", node.span, what).help("`for_each` says of which list"));
        }
        return Some(StageValue::Item);
    }
    match Expression::parse(text) {
        Ok(Expression::Input(name)) => {
            let names = || known.action.parameters.iter().map(|parameter| parameter.name.as_str());
            if !names().any(|known| known == name) {
                let what = format!("`{}` has no parameter `{name}`", known.action.name);
                reader.no_such(node.span, what, &name, names());
            }
            Some(StageValue::Input(name))
        }
        Ok(Expression::Output(output)) => {
            known.check_output(reader, &output, node.span);
            Some(StageValue::Output(output))
        }
        Ok(Expression::Response(_)) => {
            let what = "there is no answer yet when a step is asked";
            let help = "declare it under `outputs` of the step before, and write `$steps.NAME.outputs.NAME` here";
            reader.push(Diagnostic::error("wrong-value", node.span, what).help(help));
            None
        }
        Err(what) => {
            reader.error("wrong-value", node.span, what);
            None
        }
    }
}

/// Whether a lost request of this stage may be sent again. What only reads always may (RFC 9110, section 9.2.2).
fn idempotency<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, asked: &Operation) -> Idempotency {
    let said = reader.flag(node, "idempotent");
    match (asked.is_safe, said, node.get("idempotent")) {
        (true, Some(false), Some(word)) => {
            let what = format!("`{}` only reads, and may always be asked again; leave `idempotent` out", asked.name);
            reader.error("wrong-value", word.span, what);
            Idempotency::Idempotent
        }
        (true, ..) | (false, Some(true), _) => Idempotency::Idempotent,
        (false, None, None) => {
            let what = format!("say whether `{}` may be sent again when its answer was lost", asked.name);
            let help = "`idempotent: true` where twice has the effect of once, else `idempotent: false`";
            reader.push(Diagnostic::error("missing-key", node.span, what).help(help));
            Idempotency::NotIdempotent
        }
        _ => Idempotency::NotIdempotent,
    }
}

/// The stage's own rules, then those of its operation; but of these none that means success where its own say what does.
fn answers<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, asked: &Operation) -> Vec<AnswerRule> {
    let own = rules::read(reader, node);
    for (rule, span) in &own.rules {
        for status in rule.status.iter().filter(|status| verdict::response(&asked.responses, **status).is_none()) {
            let what = format!("`responses` of `{}` declares no answer with status {status}", asked.name);
            reader.error("unknown-name", *span, what);
        }
    }
    let own: Vec<AnswerRule> = own.rules.into_iter().map(|(rule, _)| rule).collect();
    let is_good = |rule: &AnswerRule| {
        use AnswerClass::{AlreadyDone, Pending, PendingApproval, Succeeded};
        matches!(rule.class, Succeeded | AlreadyDone | Pending | PendingApproval)
    };
    // Where a stage says what success is, nothing else is: that an order could be read does not mean that it was issued.
    let says = own.iter().any(is_good);
    let others = asked.answers.iter().filter(|rule| !says || !is_good(rule)).cloned().collect::<Vec<_>>();
    own.into_iter().chain(others).collect()
}

fn poll<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, reads: bool, answers: &[AnswerRule]) -> Option<Duration> {
    let waits = answers.iter().any(|rule| matches!(rule.class, AnswerClass::Pending | AnswerClass::PendingApproval));
    let Some(poll) = node.get("poll") else {
        // Behind what takes effect the next stage is what looks.
        if waits && reads {
            let what = "an answer of this step means that it is not there yet, and nothing says when to ask again";
            reader.push(Diagnostic::error("missing-key", node.span, what).help("write `poll: 10s`"));
        }
        return None;
    };
    if !reads {
        let what = "what takes effect is not asked again and again";
        let help = "leave `poll` out, and let a stage follow that reads how far it is";
        reader.push(Diagnostic::error("wrong-value", poll.span, what).help(help));
        return None;
    }
    let text = reader.text(poll)?;
    let range = MIN_POLL..=MAX_POLL;
    let Some(every) = crate::time::parse_duration(text).ok().filter(|every| range.contains(every)) else {
        reader.error("wrong-value", poll.span, format!("`{text}` is not a time from 1s to 1h, such as `10s`"));
        return None;
    };
    if !waits {
        let what = "no answer of this step means `pending`, so it would never be asked again";
        let help = "leave `poll` out, or add such a rule under `answers`: `{status: 200, when: {/status: processing}, means: pending}`";
        reader.push(Diagnostic::error("wrong-value", poll.span, what).help(help));
    }
    Some(every)
}

/// One part of the new certificate: what a step brings. A part of the operation's own answer becomes an output of it, so that there is one
/// way for all.
fn new_certificate<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    action: &Operation,
    steps: &mut Steps,
) -> Option<StepOutput> {
    match Expression::parse(reader.text(node)?) {
        Ok(Expression::Output(output)) => {
            Known { action, own: &steps.outputs, stages: &steps.stages, has_items: false }
                .check_output(reader, &output, node.span);
            Some(output)
        }
        Ok(Expression::Response(place)) => {
            let known = steps.outputs.iter().find(|output| output.place == place).map(|output| output.name.clone());
            let output = known.unwrap_or_else(|| {
                let name = format!("certificate-{}", steps.outputs.len());
                steps.outputs.push(Output { name: name.clone(), place });
                name
            });
            Some(StepOutput { step: action.name.clone(), output })
        }
        Ok(Expression::Input(_)) => {
            let what = "a new certificate is brought by an answer, and not by the plan";
            let help = "write `$response.body#/POINTER`, or `$steps.NAME.outputs.NAME` of a stage that fetches it";
            reader.push(Diagnostic::error("wrong-value", node.span, what).help(help));
            None
        }
        Err(what) => {
            reader.error("wrong-value", node.span, what);
            None
        }
    }
}

const KEYS: [&str; 13] = [
    "stepId",
    "operationId",
    "description",
    "parameters",
    "idempotent",
    "poll",
    "until_new",
    "answers",
    "outputs",
    "lookups",
    "for_each",
    "unless",
    "challenge",
];
/// A state that is asked for more often says nothing new, and takes the place of actions under the limits.
const MIN_POLL: Duration = Duration::from_secs(1);
const MAX_POLL: Duration = Duration::from_secs(3600);
