//! Answers to the stages of actions, made of the document's samples: at first that the CA is still at work, where a sample shows that, then that it
//! is done. Keeps nothing: how often was asked, and what was issued, comes from outside.

use super::answers::{put_certificate, response};
use super::message::Response;
use crate::provider::answer::scalar_text;
use crate::provider::model::{ActionRules, Sample, SampleAnswer, Stage, StageValue};
use crate::provider::{Operation, Provider};
use serde_json::{Map, Value};

/// A stage that an operation is asked as, with its action.
pub(super) struct AskedStage<'p> {
    /// The action's index.
    pub(super) action: usize,
    rules: &'p ActionRules,
    stage: &'p Stage,
}

/// The stages that an operation is asked as.
pub(super) fn asked(provider: &Provider, operation: usize) -> impl Iterator<Item = AskedStage<'_>> {
    let actions = provider.operations.iter().enumerate();
    let actions = actions.filter_map(|(action, declared)| Some((action, declared.action.as_ref()?)));
    actions.flat_map(move |(action, rules)| {
        let stages = rules.stages.iter().filter(move |stage| stage.operation == operation);
        stages.map(move |stage| AskedStage { action, rules, stage })
    })
}

impl AskedStage<'_> {
    /// The name of the action's target, where the stage's own parameters tell it.
    pub(super) fn target(&self, parameters: &Map<String, Value>) -> Option<String> {
        let value = |wanted: &String| {
            let is_it = |(_, from): &&(String, StageValue)| matches!(from, StageValue::Input(name) if name == wanted);
            let (name, _) = self.stage.parameters.iter().find(is_it)?;
            parameters.get(name).and_then(scalar_text)
        };
        Some(self.rules.target.parameters.iter().map(value).collect::<Option<Vec<_>>>()?.join("/"))
    }

    /// Its action's operation, by its index, and how the action names its target.
    pub(super) fn of_action(&self, parameters: &Map<String, Value>) -> Option<(usize, String)> {
        Some((self.action, self.target(parameters)?))
    }

    /// The values by which an earlier answer named what is asked for.
    pub(super) fn names<'a>(&'a self, parameters: &'a Map<String, Value>) -> impl Iterator<Item = &'a str> {
        let outputs = self.stage.parameters.iter().filter(|(_, from)| matches!(from, StageValue::Output(_)));
        outputs.filter_map(|(name, _)| parameters.get(name)?.as_str())
    }

    /// The answer when it was asked `times` before with these parameters; `issued` is the certificate that was made for its action.
    pub(super) fn answer(
        &self,
        operation: &Operation,
        parameters: &Map<String, Value>,
        times: u64,
        issued: Option<&str>,
    ) -> Option<Response> {
        let samples = operation
            .samples
            .iter()
            .filter(|sample| sample.for_action.as_ref().is_some_and(|of| of.stage.as_ref() == Some(&self.stage.name)));
        let all: Vec<(&Sample, &SampleAnswer)> =
            samples.flat_map(|sample| sample.answers.iter().map(move |answer| (sample, answer))).collect();
        let of = |word: &str| all.iter().find(|(_, answer)| answer.expected == word);
        let first = if times == 0 && self.stage.poll.is_some() { of("pending") } else { None };
        let (sample, sampled) = first.or_else(|| of("succeeded"))?;
        let mut body = match (&sampled.body, &sampled.text) {
            (Some(body), _) => body.clone(),
            (None, text) => text.clone().map_or(Value::Null, Value::from),
        };
        for member in body.as_object_mut().into_iter().flat_map(Map::values_mut) {
            let own = sample.parameters.iter().find(|(_, own)| *own == member).map(|(name, _)| name);
            if let Some(value) = own.and_then(|name| parameters.get(name)) {
                *member = value.clone();
            }
        }
        if let Some(chain) = issued {
            put_certificate(&mut body, chain);
        }
        let mut response = response(sampled);
        response.body = match (&sampled.body, body) {
            (None, Value::String(text)) => text.into_bytes(),
            (None, _) => Vec::new(),
            (Some(_), body) => body.to_string().into_bytes(),
        };
        Some(response)
    }
}
