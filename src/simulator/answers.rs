//! From a document's samples to answers, to actions and to their stages. A sample of the provider's own is used where there is one; else an answer
//! is made of the places that the document declares for codes and messages. Keeps and decides nothing: how often a stage was asked, and what was
//! issued, comes from outside.

use super::message::Response;
use crate::provider::answer::{AnswerLocation, Pointer, scalar_text};
use crate::provider::model::{ActionRules, ParameterType, Sample, SampleAnswer, Stage, StageValue};
use crate::provider::{Operation, Provider, verdict};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// An answer that grants something, the word of its class, and its body.
pub(super) struct Granted {
    pub(super) response: Response,
    pub(super) class: String,
    pub(super) body: Value,
}

impl Granted {
    /// The same with the certificate that was issued in the place of the sample's.
    pub(super) fn with_certificate(mut self, chain: &str) -> Self {
        put_certificate(&mut self.body, chain);
        if !self.response.body.is_empty() {
            self.response.body = self.body.to_string().into_bytes();
        }
        self
    }
}

/// The provider's own id of what it grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    /// Made unique by a number.
    Fresh(u64),
    /// As an earlier answer gave it.
    Given(&'a str),
}

impl Reference<'_> {
    fn in_body(self) -> String {
        match self {
            Self::Fresh(number) => (FIRST_REFERENCE + number).to_string(),
            Self::Given(reference) => reference.to_owned(),
        }
    }

    fn in_header(self) -> String {
        match self {
            Self::Fresh(_) => format!("{SIMULATED}{}", self.in_body()),
            Self::Given(reference) => reference.to_owned(),
        }
    }

    /// The number that made it unique; `None` where no simulator made it.
    pub(super) fn number(self) -> Option<u64> {
        match self {
            Self::Fresh(number) => Some(number),
            Self::Given(reference) => {
                let number = reference.strip_prefix(SIMULATED).unwrap_or(reference);
                number.parse::<u64>().ok()?.checked_sub(FIRST_REFERENCE)
            }
        }
    }
}

/// A stage that an operation is asked as, with its action.
pub(super) struct AskedStage<'p> {
    /// The action's index.
    pub(super) action: usize,
    rules: &'p ActionRules,
    stage: &'p Stage,
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

    /// The answer when it was asked `times` before with these parameters: at first that the CA is still at work, where a sample shows that, then that it
    /// is done. `issued` is the certificate that was made for its action.
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

/// Gives what a grant is named by to its stages (`…/certificate/0a1b`) a last part of its own; the names, as the stages will ask by them.
pub(super) fn with_own_names(mut granted: Granted, action: &ActionRules, number: u64) -> (Granted, Vec<String>) {
    let mut names = Vec::new();
    for output in &action.outputs {
        let asks = |value: &StageValue| matches!(value, StageValue::Output(from) if from.output == output.name);
        let is_asked_by = action.stages.iter().any(|stage| stage.parameters.iter().any(|(_, value)| asks(value)));
        let AnswerLocation::Body(pointer) = &output.place else { continue };
        let Some(text) = pointer.text_of(&granted.body).filter(|text| is_asked_by && text.contains('/')) else {
            continue;
        };
        let (before, _) = text.rsplit_once('/').unwrap_or((&text, ""));
        let own = format!("{before}/{}", FIRST_REFERENCE + number);
        put(&mut granted.body, pointer, &own);
        names.push(own);
    }
    if !names.is_empty() {
        granted.response.body = granted.body.to_string().into_bytes();
    }
    (granted, names)
}

/// The first granting answer of the sample that fits the parameters best, with this reference.
pub(super) fn granted(operation: &Operation, parameters: &Map<String, Value>, reference: Reference<'_>) -> Granted {
    let Some(answer) = best(operation, parameters) else {
        return Granted { response: Response::json(200, None), class: String::new(), body: Value::Null };
    };
    let mut body = answer.body.clone().unwrap_or(Value::Null);
    let mut fresh_header = None;
    for place in &operation.reference {
        match place {
            AnswerLocation::Body(pointer) if pointer.text_of(&body).is_some() => {
                put(&mut body, pointer, &reference.in_body());
                break;
            }
            AnswerLocation::Header(name) => fresh_header = fresh_header.or(Some(name)),
            AnswerLocation::Body(_) => {}
        }
    }
    let mut response = response(answer);
    if answer.body.is_some() {
        response.body = body.to_string().into_bytes();
    }
    if let Some(name) = fresh_header {
        response.headers.retain(|(given, _)| given != name);
        response = response.with(name, reference.in_header());
    }
    Granted { response, class: answer.expected.clone(), body }
}

/// The stages that an operation is asked as.
pub(super) fn asked_stages(provider: &Provider, operation: usize) -> impl Iterator<Item = AskedStage<'_>> {
    let actions = provider.operations.iter().enumerate();
    let actions = actions.filter_map(|(action, declared)| Some((action, declared.action.as_ref()?)));
    actions.flat_map(move |(action, rules)| {
        let stages = rules.stages.iter().filter(move |stage| stage.operation == operation);
        stages.map(move |stage| AskedStage { action, rules, stage })
    })
}

/// A refusal of the request's content, with the reason in the provider's place for messages.
pub(super) fn rejected(provider: &Provider, operation: &Operation, why: &str) -> Response {
    let sample = plainest(provider, operation, |answer| answer.expected == "rejected" && answer.status == 400);
    refusal(operation, sample, 400, "invalid_request", why)
}

/// The answer where it was done before: the provider's own sample where it has one, else a refusal.
pub(super) fn already(provider: &Provider, operation: &Operation, why: &str) -> Response {
    match find(provider, operation, |answer| answer.expected == "already-done") {
        Some(answer) => response(answer),
        None => rejected(provider, operation, why),
    }
}

/// A refusal of the credentials.
pub(super) fn refused_credentials(provider: &Provider, operation: &Operation, why: &str) -> Response {
    let sample = find(provider, operation, |answer| answer.expected == "unauthorized" && answer.status == 401);
    refusal(operation, sample, 401, "unauthorized", why)
}

/// The provider's own word for too many requests.
pub(super) fn throttled(provider: &Provider, operation: &Operation) -> Response {
    match plainest(provider, operation, |answer| answer.expected == "throttled" && answer.status == 429) {
        Some(answer) => response(answer),
        None => refusal(operation, None, 429, "too_many_requests", "too many requests"),
    }
}

/// Trouble at the provider, with one of the statuses 500, 502, 503 and 504 by chance.
pub(super) fn server_error(provider: &Provider, operation: &Operation, chance: u64) -> Response {
    let status = SERVER_ERRORS[usize::try_from(chance % 4).unwrap_or_default()];
    match find(provider, operation, |answer| answer.status == status) {
        Some(answer) => response(answer),
        None => Response {
            status,
            media_type: "text/plain".into(),
            body: b"upstream trouble (simulated)".to_vec(),
            ..Response::default()
        },
    }
}

/// A page that some proxy puts into the way.
pub(super) fn proxy_page() -> Response {
    let body = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to the network</body></html>";
    Response { status: 200, media_type: "text/html".into(), body: body.to_vec(), ..Response::default() }
}

/// Nothing is there.
pub(super) fn not_found(operation: &Operation, why: &str) -> Response {
    refusal(operation, None, 404, "not_found", why)
}

/// A sample's answer as it is sent.
fn response(answer: &SampleAnswer) -> Response {
    let whole = answer.answer();
    let media_type = whole.header("content-type").unwrap_or("text/html").to_owned().into();
    let headers = whole.headers.iter().filter(|(name, _)| !HOPS.contains(name));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Response { status: whole.status, headers, media_type, body: whole.body }
}

/// Puts a text where a pointer points, and makes what is missing on the way. A number stays a number where it can.
pub(super) fn put(value: &mut Value, pointer: &Pointer, text: &str) {
    let path = pointer.to_string();
    let mut place = value;
    for step in path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")) {
        let index = step.parse::<usize>().ok().filter(|index| *index < MAX_ITEMS);
        place = match (index, place) {
            (Some(index), Value::Array(list)) => {
                if list.len() <= index {
                    list.resize(index + 1, Value::Null);
                }
                &mut list[index]
            }
            (None, Value::Object(map)) => map.entry(step).or_insert(Value::Null),
            (Some(index), other) => {
                *other = Value::Array(vec![Value::Null; index + 1]);
                &mut other[index]
            }
            (None, other) => {
                *other = Value::Object(Map::new());
                &mut other[step]
            }
        };
    }
    let number = if place.is_number() { text.parse::<i64>().ok() } else { None };
    *place = number.map_or_else(|| Value::from(text), Value::from);
}

/// Puts a certificate and its chain, in PEM, into the places of the sample's.
pub(super) fn put_certificate(value: &mut Value, chain: &str) {
    let first = chain.find(END).map_or(chain.len(), |at| at + END.len());
    let (own, issuers) = chain.split_at(first);
    put_certificates(value, [own, issuers.trim_start(), chain], false);
}

fn put_certificates(value: &mut Value, [own, issuers, chain]: [&str; 3], of_issuer: bool) {
    match value {
        Value::String(text) if of_issuer && text.contains(END) => issuers.clone_into(text),
        Value::String(text) => match text.matches(END).count() {
            0 => {}
            1 => own.clone_into(text),
            _ => chain.clone_into(text),
        },
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                put_certificates(item, [own, issuers, chain], of_issuer || index > 0);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.to_ascii_lowercase();
                let of_issuer =
                    ["chain", "issuer", "intermediate", "subca", "root"].iter().any(|word| name.contains(word));
                put_certificates(member, [own, issuers, chain], of_issuer);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn refusal(operation: &Operation, sample: Option<&SampleAnswer>, status: u16, code: &str, why: &str) -> Response {
    let mut body = sample.and_then(|sample| sample.body.clone()).unwrap_or(Value::Null);
    if let (None, Some(pointer)) = (sample, operation.code.first()) {
        put(&mut body, pointer, code);
    }
    let own = operation.message.iter().find(|pointer| pointer.text_of(&body).is_some());
    if let Some(pointer) = own.or(operation.message.first()) {
        put(&mut body, pointer, why);
    }
    let headers = sample.map(|sample| response(sample).headers).unwrap_or_default();
    let status = sample.map_or(status, |sample| sample.status);
    Response { headers, ..Response::json(status, (!body.is_null()).then_some(&body)) }
}

/// The first granting answer of the sample that fits best: first its switches must be as in the request (one that is absent is
/// off), then the most other values must be equal. Free text does not count. Of several that fit equally well the first wins.
fn best<'a>(operation: &'a Operation, parameters: &Map<String, Value>) -> Option<&'a SampleAnswer> {
    let fit = |sample: &Sample| {
        let (mut switches, mut equal) = (0_usize, 0_usize);
        for parameter in &operation.parameters {
            let (asked, shown) = (parameters.get(&parameter.name), sample.parameters.get(&parameter.name));
            if parameter.kind == ParameterType::Boolean {
                let is_on = |value: Option<&Value>| value.and_then(Value::as_bool).unwrap_or(false);
                switches += usize::from(is_on(asked) == is_on(shown));
            } else if parameter.kind != ParameterType::String || parameter.schema.get("enum").is_some() {
                equal += usize::from(asked.is_some() && asked == shown);
            }
        }
        (switches, equal)
    };
    let grants = |answer: &&SampleAnswer| {
        matches!(answer.expected.as_str(), "succeeded" | "pending-approval" | "pending" | "done")
    };
    let granting = |sample: &'a Sample| sample.answers.iter().find(grants).map(|answer| (fit(sample), answer));
    // `max_by_key` returns the last of equals, and the first sample shall win: so this goes backwards.
    operation.samples.iter().rev().filter_map(granting).max_by_key(|(fit, _)| *fit).map(|(_, answer)| answer)
}

/// A sample answer of the operation's own, or else of any of the provider's.
fn find<'a>(
    provider: &'a Provider,
    operation: &'a Operation,
    fits: impl Fn(&SampleAnswer) -> bool,
) -> Option<&'a SampleAnswer> {
    let all = std::iter::once(operation).chain(&provider.operations);
    all.flat_map(|operation| &operation.samples).flat_map(|sample| &sample.answers).find(|answer| fits(answer))
}

/// As [`find`], but of several the one that asks to wait least, and that the document does not explain: what it explains is
/// about something particular, such as a quota, or an object that there is not.
fn plainest<'a>(
    provider: &'a Provider,
    operation: &'a Operation,
    fits: impl Fn(&SampleAnswer) -> bool,
) -> Option<&'a SampleAnswer> {
    let own = operation.samples.iter().flat_map(|sample| &sample.answers).filter(|answer| fits(answer));
    let weight = |answer: &&SampleAnswer| {
        let read = verdict::read(operation, &answer.answer(), Timestamp::UNIX_EPOCH);
        (read.explanation.is_some(), read.retry_after)
    };
    own.min_by_key(weight).or_else(|| find(provider, operation, fits))
}

/// Where the simulator's own references begin, so that nobody takes one for a sample's.
const FIRST_REFERENCE: u64 = 7_000_000;
const END: &str = "-----END CERTIFICATE-----";
const SIMULATED: &str = "simulated-";
const SERVER_ERRORS: [u16; 4] = [500, 502, 503, 504];
/// Header fields that the server itself sets.
const HOPS: [&str; 5] = ["content-type", "content-length", "transfer-encoding", "connection", "date"];
/// No pointer of a document counts so far.
const MAX_ITEMS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_certificate_takes_the_places_of_the_samples() {
        let pem = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n{END}\n");
        let (own, ca, old) = (pem("own"), pem("ca"), pem("old"));
        let mut value =
            json!({"certificate": old, "caChain": [old], "list": [old, old], "all": old.repeat(2), "id": 1});
        put_certificate(&mut value, &format!("{own}{ca}"));
        let (own, chain) = (own.trim_end(), format!("{own}{ca}"));
        assert_eq!(value, json!({"certificate": own, "caChain": [ca], "list": [own, ca], "all": chain, "id": 1}));
    }

    #[test]
    fn texts_are_put_where_pointers_point() {
        for (before, pointer, text, after) in [
            (json!(null), "/errors/0/code", "x", json!({"errors": [{"code": "x"}]})),
            (json!({"id": 1}), "/id", "7", json!({"id": 7})),
            (json!({"id": "1"}), "/id", "7", json!({"id": "7"})),
            (json!({"id": 1}), "/id", "x", json!({"id": "x"})),
            (json!([1]), "/2", "x", json!([1, null, "x"])),
            (json!("text"), "/a~1b", "x", json!({"a/b": "x"})),
            (json!(1), "", "x", json!("x")),
            (json!({}), "/999999999", "x", json!({"999999999": "x"})),
        ] {
            let mut value = before.clone();
            put(&mut value, &Pointer::parse(pointer).unwrap(), text);
            assert_eq!(value, after, "{before} {pointer}");
        }
    }
}
