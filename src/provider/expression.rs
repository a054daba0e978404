//! Runtime expressions, a named subset of those of OpenAPI's Arazzo (1.0.1, section "Runtime Expressions"), and what steps brought. Reads
//! their text and resolves them; who may refer to what is [`super::openapi`]'s to say.

use super::answer::{Answer, AnswerLocation, Pointer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

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

/// An output of a step, by both their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepOutput {
    /// The step.
    pub step: String,
    /// Its output.
    pub output: String,
}

/// What a step keeps of its answer for those that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Where the answer holds it.
    pub place: AnswerLocation,
}

/// What the steps of one action have brought so far, by step and output.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Captures(BTreeMap<String, Map<String, Value>>);

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

/// Whether a text can be the name of a step or of an output (Arazzo, "Step Object": `[A-Za-z0-9_\-]+`).
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
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

/// What an answer brings of these outputs. What it does not hold is left out: whether that matters, shows where it is needed.
pub fn captured(outputs: &[Output], answer: &Answer) -> Map<String, Value> {
    outputs.iter().filter_map(|output| Some((output.name.clone(), output.place.value_of(answer)?))).collect()
}

impl fmt::Display for StepOutput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "$steps.{}.outputs.{}", self.step, self.output)
    }
}

const FORMS: &str = "`$inputs.NAME`, `$steps.NAME.outputs.NAME`, `$response.body#/POINTER` and `$response.header.NAME`";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::HeaderFields;
    use serde_json::json;

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
}
