//! Stages of an action: the runtime expressions by which they refer to each other, a named subset of those of OpenAPI's Arazzo (1.0.1, section
//! "Runtime Expressions"); the parameters of each one's request, how its answer is read, what it brings, and the new certificate. Pure: what is
//! sent when, and what a lost answer taints, is the engine's; who may refer to what is [`super::openapi`]'s to say.

use super::answer::{AnswerLocation, Output, Pointer, StepOutput};
use super::model::{ActionRules, Idempotency, Operation, Provider, Stage, StageValue};
use super::target_state::typed;
use super::{Answer, Verdict, params, verdict};
use crate::pki::{Certificate, SerialNotation};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A runtime expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// `$inputs.NAME`: a parameter of the action.
    Input(String),
    /// `$steps.NAME.outputs.NAME`: what an earlier step brought.
    Output(StepOutput),
    /// `$response.body`, `$response.body#/POINTER`, `$response.header.NAME`: a part of a step's own answer.
    Response(AnswerLocation),
}

/// What the steps of one action have brought so far, by step and output.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Captures(BTreeMap<String, Map<String, Value>>);

/// One item of the list that a stage is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// What the earlier step brought.
    pub value: &'a Value,
    /// The URL of the challenge that was chosen of it, where it is an authorization.
    pub challenge_url: Option<&'a str>,
}

/// What an action brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// As the provider sent it.
    Value(Value),
    /// A serial number, in hexadecimal.
    SerialNumber(String),
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong, as a sentence, with what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("`{text}` is no expression; there are {FORMS}");
        let rest = text.strip_prefix('$').ok_or_else(expected)?;
        if let Some(name) = rest.strip_prefix("inputs.").filter(|name| !name.is_empty()) {
            return Ok(Self::Input(name.to_owned()));
        }
        if let Some(rest) = rest.strip_prefix("steps.") {
            let (step, output) = rest.split_once(".outputs.").ok_or_else(expected)?;
            if !is_name(step) || !is_name(output) {
                return Err(expected());
            }
            return Ok(Self::Output(StepOutput { step: step.to_owned(), output: output.to_owned() }));
        }
        if let Some(name) = rest.strip_prefix("response.header.") {
            // RFC 9110, section 5.1: field names are case-insensitive.
            let plain =
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            let header = || Self::Response(AnswerLocation::Header(name.to_ascii_lowercase()));
            return plain.then(header).ok_or_else(expected);
        }
        let pointer = rest.strip_prefix("response.body").ok_or_else(expected)?;
        let pointer = if pointer.is_empty() { Some("") } else { pointer.strip_prefix('#') };
        let pointer = pointer.and_then(Pointer::parse).ok_or_else(expected)?;
        Ok(Self::Response(AnswerLocation::Body(pointer)))
    }
}

impl Captures {
    /// Keeps what a step brought. What it brought before (an earlier answer to the same poll) is replaced.
    pub fn keep(&mut self, step: &str, outputs: Map<String, Value>) {
        self.0.insert(step.to_owned(), outputs);
    }

    /// What a step brought, where it did.
    pub fn get(&self, wanted: &StepOutput) -> Option<&Value> {
        self.0.get(&wanted.step)?.get(&wanted.output)
    }

    /// Whether no step has brought anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ActionRules {
    /// Whether asking twice for the action as a whole costs once: not where one of its stages costs each time.
    pub fn idempotency_of_all(&self) -> Idempotency {
        let costs = |stage: &Stage| stage.idempotency == Idempotency::NotIdempotent;
        if self.stages.iter().any(costs) { Idempotency::NotIdempotent } else { self.idempotency }
    }
}

/// The parameters of a stage's request. `inputs` are the action's parameters, `captures` what its earlier steps brought.
///
/// # Errors
/// What is missing or will not do, as a sentence. An answer is foreign data and goes into a new request: what the schema refuses (`../admin`) is
/// not asked.
pub fn parameters(
    provider: &Provider,
    stage: &Stage,
    inputs: &Map<String, Value>,
    captures: &Captures,
    item: Option<Item<'_>>,
) -> Result<Map<String, Value>, String> {
    let operation = &provider.operations[stage.operation];
    let mut filled = Map::new();
    if let (Some(name), Some(url)) = (&stage.challenge, item.and_then(|item| item.challenge_url)) {
        filled.insert(name.clone(), url.into());
    }
    for (name, from) in &stage.parameters {
        let value = match from {
            // What the plan does not give, the stage does not send, as the action itself would not.
            StageValue::Input(input) => match inputs.get(input) {
                Some(value) => value,
                None => continue,
            },
            StageValue::Output(output) => captures.get(output).ok_or_else(|| {
                format!(
                    "the answer to the step `{}` did not bring `{}`, which `{}` needs",
                    output.step, output.output, stage.name
                )
            })?,
            StageValue::Fixed(value) => value,
            StageValue::Item => item.ok_or_else(|| format!("there is no item for `{}`", stage.name))?.value,
        };
        let value = typed(operation, name, value).ok_or_else(|| {
            format!("`{name}` of the step `{}` cannot be made of what was brought for it", stage.name)
        })?;
        filled.insert(name.clone(), value);
    }
    match params::check(operation, &filled).into_iter().next() {
        Some(wrong) => Err(format!("the step `{}` cannot be asked: {}", stage.name, wrong.what)),
        None => Ok(filled),
    }
}

/// Whether there is nothing to do for a stage: as a whole where there is no item, else for the item. What did not come is nothing, as null is.
pub fn is_passed_over(stage: &Stage, inputs: &Map<String, Value>, captures: &Captures, item: Option<&Value>) -> bool {
    stage.unless.iter().any(|unless| {
        let value = match &unless.value {
            StageValue::Input(name) => inputs.get(name),
            StageValue::Output(output) => captures.get(output),
            StageValue::Fixed(value) => Some(value),
            StageValue::Item => item,
        };
        // Of the whole only what is no item's tells.
        item.is_some() == (unless.value == StageValue::Item)
            && verdict::all_hold(&unless.when, value.unwrap_or(&Value::Null))
    })
}

/// Reads the answer to a stage: by the stage's own rules, then by its operation's.
pub fn read(provider: &Provider, stage: &Stage, answer: &Answer, now: Timestamp) -> Verdict {
    verdict::read_by(&provider.operations[stage.operation], &stage.answers, answer, now)
}

/// What the answer to the action's own request, or to a stage of it, brings.
pub fn outputs(action: &ActionRules, stage: Option<&Stage>, answer: &Answer) -> Map<String, Value> {
    captured(stage.map_or(&action.outputs, |stage| &stage.outputs), answer)
}

/// What an answer brings of these outputs. What it does not hold is left out: whether that matters, shows where it is needed.
pub fn captured(outputs: &[Output], answer: &Answer) -> Map<String, Value> {
    outputs.iter().filter_map(|output| Some((output.name.clone(), output.place.value_of(answer)?))).collect()
}

/// The texts of the new certificate that the steps brought, PEM or DER in base64, the leaf first. Empty where they brought none.
pub fn new_certificate(action: &ActionRules, captures: &Captures) -> Vec<String> {
    let values = action.new_certificate.iter().filter_map(|output| captures.get(output));
    let items = values.flat_map(|value| match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    });
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether a text can be the name of a step or of an output (Arazzo, "Step Object": `[A-Za-z0-9_\-]+`).
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Whether a value is what an earlier step of the plan brings (`$steps.NAME.outputs.FIELD`). The check lets nothing else through that begins so.
pub fn is_reference(text: &str) -> bool {
    text.starts_with("$steps.")
}

/// The values among an action's parameters that earlier steps of its entry bring.
pub fn references(parameters: &Map<String, Value>) -> impl Iterator<Item = (&String, StepOutput)> {
    let texts =
        parameters.iter().filter_map(|(name, value)| Some((name, value.as_str().filter(|text| is_reference(text))?)));
    texts.filter_map(|(name, text)| match Expression::parse(text) {
        Ok(Expression::Output(output)) => Some((name, output)),
        _ => None,
    })
}

/// What an action can bring to the steps behind it, by name.
pub fn brings<'p>(provider: &'p Provider, operation: &'p Operation) -> Vec<&'p str> {
    let Some(action) = &operation.action else { return Vec::new() };
    let declared = action.outputs.iter().chain(action.stages.iter().flat_map(|stage| &stage.outputs));
    let mut all: Vec<&str> = declared.map(|output| output.name.as_str()).collect();
    let asked = action.stages.iter().map(|stage| &provider.operations[stage.operation]);
    if std::iter::once(operation).chain(asked).any(|asked| !asked.reference.is_empty()) {
        all.push(REFERENCE);
    }
    if !action.new_certificate.is_empty() {
        all.extend([SERIAL_NUMBER, CERTIFICATE]);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// What an action that has ended brought of this name. `reference` is that of its last answer.
pub fn brought(own: &Operation, captures: &Captures, reference: Option<&str>, output: &str) -> Option<Brought> {
    let action = own.action.as_ref()?;
    // The last step that declares it: what a later answer says is newer.
    let steps = action.stages.iter().rev().map(|stage| (stage.name.as_str(), &stage.outputs));
    let declared = steps.chain([(own.name.as_str(), &action.outputs)]);
    for (step, outputs) in declared.filter(|(_, outputs)| outputs.iter().any(|known| known.name == output)) {
        let wanted = StepOutput { step: step.to_owned(), output: output.to_owned() };
        if outputs.iter().any(|known| known.name == output)
            && let Some(value) = captures.get(&wanted)
        {
            return Some(Brought::Value(value.clone()));
        }
    }
    match output {
        REFERENCE => Some(Brought::Value(reference?.into())),
        CERTIFICATE => {
            let texts = new_certificate(action, captures);
            (!texts.is_empty()).then(|| Brought::Value(texts.join("\n").into()))
        }
        SERIAL_NUMBER => {
            let leaf = new_certificate(action, captures).into_iter().next()?;
            let leaf = Certificate::parse(leaf.as_bytes()).ok()?;
            Some(Brought::SerialNumber(leaf.serial.to_string()))
        }
        _ => None,
    }
}

/// The parameters of an action with what earlier steps brought in the places that name it.
///
/// # Errors
/// What is missing or will not do, as a sentence. An answer is foreign data and goes into a new request: what the schema refuses is not sent.
pub fn with_brought(
    operation: &Operation,
    parameters: &Map<String, Value>,
    mut brought: impl FnMut(&StepOutput) -> Option<Brought>,
) -> Result<Map<String, Value>, String> {
    let mut filled = parameters.clone();
    for (name, wanted) in references(parameters) {
        let value = brought(&wanted).ok_or_else(|| {
            format!("the step `{}` did not bring `{}`, which `{name}` takes", wanted.step, wanted.output)
        })?;
        let value = match &value {
            Brought::Value(value) => typed(operation, name, value),
            Brought::SerialNumber(text) => operation.parameter(name).and_then(|parameter| {
                let notation = parameter.serial().map(|_| SerialNotation::Hexadecimal);
                params::scalar(parameter, text, notation).ok()
            }),
        };
        let value = value.ok_or_else(|| format!("`{name}` cannot be made of what `{wanted}` brought"))?;
        filled.insert(name.clone(), value);
    }
    match params::check(operation, &filled).into_iter().next() {
        Some(wrong) => Err(format!("what earlier steps brought cannot be sent: {}", wrong.what)),
        None => Ok(filled),
    }
}

/// The operation that a step of an action asks: that of a stage, or the action's own.
pub fn operation<'p>(provider: &'p Provider, own: &'p Operation, stage: Option<&Stage>) -> &'p Operation {
    stage.map_or(own, |stage| &provider.operations[stage.operation])
}

/// The provider's own request or order id.
const REFERENCE: &str = "reference";
/// That of the new certificate.
const SERIAL_NUMBER: &str = "serial_number";
/// The new certificate, the leaf first.
const CERTIFICATE: &str = "certificate";

const FORMS: &str = "`$inputs.NAME`, `$steps.NAME.outputs.NAME`, `$response.body#/POINTER` and `$response.header.NAME`";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::openapi::testing;
    use crate::provider::{AnswerClass, HeaderFields};
    use serde_json::json;
    use std::time::Duration;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn answer(status: u16, kind: &str, body: &str) -> Answer {
        Answer::new(status, [("content-type", kind)].into_iter().collect::<HeaderFields>(), body.as_bytes().to_vec())
    }

    #[test]
    fn expressions_are_read_and_bring_what_answers_hold() {
        let answer = |body: &str, kind: &str| {
            let headers: HeaderFields = [("location", "/orders/7"), ("content-type", kind)].into_iter().collect();
            Answer::new(201, headers, body.as_bytes().to_vec())
        };
        let json_answer = answer(r#"{"id":7,"none":null,"chain":["a","b"]}"#, "application/json");
        let pem = answer("-----BEGIN", "application/x-pem-file");
        for (text, answer, expected) in [
            ("$response.body#/id", &json_answer, Some(json!(7))),
            ("$response.body#/chain", &json_answer, Some(json!(["a", "b"]))),
            ("$response.body#/none", &json_answer, None),
            ("$response.body", &json_answer, Some(json!({"id": 7, "none": null, "chain": ["a", "b"]}))),
            ("$response.body", &pem, Some(json!("-----BEGIN"))),
            ("$response.body#/id", &pem, None),
            ("$response.header.Location", &pem, Some(json!("/orders/7"))),
            ("$response.header.Retry-After", &pem, None),
        ] {
            let Ok(Expression::Response(place)) = Expression::parse(text) else { panic!("{text}") };
            assert_eq!(place.value_of(answer), expected, "{text}");
        }
        let output = StepOutput { step: "issued".to_owned(), output: "id".to_owned() };
        assert_eq!(Expression::parse("$steps.issued.outputs.id"), Ok(Expression::Output(output.clone())));
        assert_eq!(output.to_string(), "$steps.issued.outputs.id");
        assert_eq!(Expression::parse("$inputs.a.b"), Ok(Expression::Input("a.b".to_owned())));
        for wrong in [
            "",
            "x",
            "$",
            "$inputs.",
            "$steps.a.outputs.",
            "$steps.a.b",
            "$steps..outputs.b",
            "$response",
            "$response.body/id",
            "$response.body#id",
            "$response.header.",
            "$response.header.a b",
            "$statusCode",
            "$steps.a b.outputs.c",
        ] {
            assert!(Expression::parse(wrong).is_err(), "{wrong}");
        }
        let mut captures = Captures::default();
        captures.keep("issued", captured(&[], &pem));
        assert_eq!(captures.get(&output), None);
        captures.keep("issued", json!({"id": 7}).as_object().unwrap().clone());
        assert_eq!(captures.get(&output), Some(&json!(7)));
        let text = serde_json::to_string(&captures).unwrap();
        assert_eq!(text, r#"{"issued":{"id":7}}"#);
        assert_eq!(serde_json::from_str::<Captures>(&text).unwrap(), captures);
    }

    #[test]
    fn a_line_of_stages_carries_what_each_brought_to_the_next() {
        let provider = testing::read(include_str!("../../tests/data/documents/good/stages.yaml"));
        let own = provider.operation("reissue").unwrap();
        let action = own.action.as_ref().unwrap();
        let [validated, issued, fetched] = action.stages.as_slice() else { panic!("{:?}", action.stages) };
        assert_eq!(
            [validated, issued, fetched].map(|stage| (stage.idempotency, stage.poll)),
            [
                (Idempotency::NotIdempotent, None),
                (Idempotency::Idempotent, Some(Duration::from_secs(10))),
                (Idempotency::Idempotent, None)
            ]
        );
        assert_eq!(validated.status_queries.len(), 1);
        let inputs = map(&json!({"order_id": 7, "csr": "abc"}));
        let mut captures = Captures::default();
        let missing = parameters(&provider, validated, &inputs, &captures, None).unwrap_err();
        assert!(missing.contains("`reissue` did not bring `request`, which `validated` needs"), "{missing}");

        let taken = answer(201, "application/json", r#"{"request":"r-1"}"#);
        captures.keep("reissue", outputs(action, None, &taken));
        assert_eq!(parameters(&provider, validated, &inputs, &captures, None), Ok(map(&json!({"request": "r-1"}))));
        let noted = map(&json!({"note": "INC-42"}));
        let with_note = map(&json!({"request": "r-1", "note": "INC-42"}));
        assert_eq!(parameters(&provider, validated, &noted, &captures, None), Ok(with_note));

        let now = Timestamp::UNIX_EPOCH;
        for (body, expected) in [
            (r#"{"state":"validating"}"#, AnswerClass::Pending),
            (r#"{"state":"asks"}"#, AnswerClass::PendingApproval),
            (r#"{"state":"refused"}"#, AnswerClass::Rejected),
            // No rule of the stage's own: the operation's says that it could be read, and a word that nobody knows is no end.
            (r#"{"serial":"0a"}"#, AnswerClass::Unknown),
            (r#"{"state":"issued"}"#, AnswerClass::Succeeded),
        ] {
            assert_eq!(read(&provider, issued, &answer(200, "application/json", body), now).class, expected, "{body}");
        }
        let shown = answer(200, "application/json", r#"{"state":"issued","serial":"0A:1B"}"#);
        captures.keep("issued", outputs(action, Some(issued), &shown));
        let asked = map(&json!({"serial": "0a1b", "format": "pem"}));
        assert_eq!(parameters(&provider, fetched, &inputs, &captures, None), Ok(asked));
        assert!(new_certificate(action, &captures).is_empty());
        captures.keep("fetched", outputs(action, Some(fetched), &answer(200, "application/x-pem-file", "-----BEGIN")));
        assert_eq!(new_certificate(action, &captures), ["-----BEGIN"]);
        assert_eq!(operation(&provider, own, Some(fetched)).name, "download");
        assert_eq!(operation(&provider, own, None).name, "reissue");
    }

    #[test]
    fn what_an_answer_brings_must_pass_the_schema_of_the_next_request() {
        let provider = testing::read(include_str!("../../tests/data/documents/good/stages.yaml"));
        let stage = &provider.operation("reissue").unwrap().action.as_ref().unwrap().stages[0];
        for (brought, expected) in [
            (json!("../admin"), "the step `validated` cannot be asked: `request` does not have the right form"),
            (json!({"id": 1}), "`request` of the step `validated` cannot be made of what was brought for it"),
        ] {
            let mut captures = Captures::default();
            captures.keep("reissue", map(&json!({"request": brought})));
            let wrong = parameters(&provider, stage, &Map::new(), &captures, None).unwrap_err();
            assert!(wrong.contains(expected), "{wrong}");
        }
    }
}
