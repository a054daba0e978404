//! Runs a document's samples: the parameters must give the request, each answer its reading. The document is its own test.

use super::answer::{Answer, AnswerClass, HeaderFields, TargetState};
use super::listing::ListedRow;
use super::model::{Operation, Provider, Sample, SampleAction, SampleAnswer, Stage};
use super::stages::captured;
use super::{listing, params, request, target_state, verdict};
use jiff::Timestamp;
use serde_json::Value;

/// A sample whose request or answer differs from what the document declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleFailure {
    /// The operation's name.
    pub operation: String,
    /// The sample's name.
    pub sample: String,
    /// What the sample gives, and what it should give.
    pub what: String,
}

/// Runs all samples of a provider. Empty where all is well.
pub fn run(provider: &Provider) -> Vec<SampleFailure> {
    let mut failures = Vec::new();
    for operation in &provider.operations {
        for sample in &operation.samples {
            let mut messages = request_failures(operation, sample);
            for (index, answer) in sample.answers.iter().enumerate() {
                let wrong = answer_failures(provider, operation, sample, answer);
                messages
                    .extend(wrong.into_iter().map(|what| format!("answer {} ({}) {what}", index + 1, answer.status)));
            }
            failures.extend(messages.into_iter().map(|what| SampleFailure {
                operation: operation.name.clone(),
                sample: sample.name.clone(),
                what,
            }));
        }
    }
    failures
}

impl SampleAnswer {
    /// The answer as the provider would send it.
    pub fn answer(&self) -> Answer {
        let mut headers: HeaderFields = self.headers.iter().map(|(name, value)| (name, value)).collect();
        if self.body.is_some() && !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push("content-type", "application/json");
        }
        let body = match (&self.text, &self.body) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(body)) => body.to_string().into_bytes(),
            (None, None) => Vec::new(),
        };
        Answer::new(self.status, headers, body)
    }
}

fn request_failures(operation: &Operation, sample: &Sample) -> Vec<String> {
    let violations = params::check(operation, &sample.parameters);
    let mut messages: Vec<String> = violations.into_iter().map(|violation| violation.what).collect();
    let mut path = String::new();
    request::add_path_and_query(&mut path, operation, &sample.parameters);
    if path != sample.path {
        messages.push(format!("asks for {path}, not {}", sample.path));
    }
    // A form is shown as its text.
    let read = |body: Vec<u8>| {
        serde_json::from_slice(&body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&body).into_owned()))
    };
    let body = request::body(operation, &sample.parameters).map(read);
    if body != sample.body {
        messages.push(format!("sends the body {}, not {}", shown(body.as_ref()), shown(sample.body.as_ref())));
    }
    messages
}

fn answer_failures(provider: &Provider, operation: &Operation, sample: &Sample, sampled: &SampleAnswer) -> Vec<String> {
    let answer = sampled.answer();
    let stage = sample.for_action.as_ref().and_then(|reading| stage(provider, reading));
    let rules = stage.map_or(&operation.answers, |stage| &stage.answers);
    let verdict = verdict::read_by(operation, rules, &answer, Timestamp::UNIX_EPOCH);
    let mut messages = Vec::new();
    let declared = match (stage, &operation.action) {
        (Some(stage), _) => &stage.outputs,
        (None, Some(action)) => &action.outputs,
        (None, None) => &Vec::new(),
    };
    let brought = captured(declared, &answer);
    for (name, expected) in sampled.outputs.iter().filter(|(name, expected)| brought.get(*name) != Some(expected)) {
        messages.push(format!("brings the output {name} {}, not {expected}", shown(brought.get(name))));
    }
    if sampled.reference.is_some() && verdict.reference != sampled.reference {
        let found = verdict.reference.as_deref().unwrap_or("none");
        messages.push(format!("gives the reference {found}, not {}", sampled.reference.as_deref().unwrap_or_default()));
    }
    if let (Some(expected), Some(list)) = (&sampled.rows, &operation.list) {
        let found = listing::rows(&list.rows, answer.json()).into_iter().map(Value::from_iter).collect::<Value>();
        if found != *expected {
            messages.push(format!("lists {found}, not {expected}"));
        }
    }
    if let (Some(expected), Some(reading)) = (&sampled.columns, &sample.for_action) {
        let shown = Value::from_iter(shown_by(provider, operation, reading, answer.json()));
        if shown != *expected {
            messages.push(format!("shows {shown}, not {expected}"));
        }
    }
    let word = match &sample.for_action {
        None => verdict.class.word(),
        Some(_) if stage.is_some() => verdict.class.word(),
        Some(reading) => {
            let standing = match target_state::read_page(operation, &answer, Timestamp::UNIX_EPOCH) {
                Ok(page) => best(provider, operation, reading, &page),
                Err(_) => TargetState::Unknown,
            };
            standing.word()
        }
    };
    if word != sampled.expected {
        let verb = if sample.for_action.is_some() && stage.is_none() { "tells" } else { "means" };
        // The one reason that does not stand in the rules.
        let foreign = verdict.class == AnswerClass::Unknown && !verdict.is_the_providers;
        let why = if foreign { "; `responses` declare no such body for this status" } else { "" };
        messages.push(format!("{verb} {word}, not {}{why}", sampled.expected));
    }
    messages
}

/// The first known state among those that the action's status queries by this operation read. An action may declare several
/// queries by one operation, each for other rows; a sample shows one of them.
fn best(provider: &Provider, operation: &Operation, reading: &SampleAction, page: &Value) -> TargetState {
    let action = provider.operation(&reading.action).and_then(|action| action.action.as_ref());
    let rules =
        action.into_iter().flat_map(|action| &action.status_queries).filter(|rule| rule.operation == operation.name);
    let states = rules.map(|rule| target_state::read_state(rule, &reading.parameters, std::slice::from_ref(page)).0);
    states.into_iter().find(|standing| *standing != TargetState::Unknown).unwrap_or(TargetState::Unknown)
}

/// What the first of the action's previews by this operation shows that shows anything.
fn shown_by(provider: &Provider, operation: &Operation, reading: &SampleAction, page: &Value) -> ListedRow {
    let action = provider.operation(&reading.action).and_then(|action| action.action.as_ref());
    let rules = action.into_iter().flat_map(|action| &action.previews).filter(|rule| rule.operation == operation.name);
    let mut shown = rules.map(|rule| target_state::read_shown(rule, &reading.parameters, std::slice::from_ref(page)));
    shown.find(|row| !row.is_empty()).unwrap_or_default()
}

/// The stage by whose rules a sample's answers are read.
fn stage<'p>(provider: &'p Provider, reading: &SampleAction) -> Option<&'p Stage> {
    let named = reading.stage.as_ref()?;
    let action = provider.operation(&reading.action)?.action.as_ref()?;
    action.stages.iter().find(|stage| stage.name == *named)
}

fn shown(body: Option<&Value>) -> String {
    body.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
