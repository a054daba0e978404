//! What an answer means: the document's rules first, then what HTTP itself says. Pure and total: any answer gets a reading,
//! and what nothing declares is never a success.

use super::answer::{Answer, Meaning, Verdict};
use super::model::{AnswerRule, Condition, Operation, Place, Test};
use super::pointer::Pointer;
use super::retry_after;
use jiff::Timestamp;
use serde_json::Value;

/// Reads an answer to an operation.
pub fn read(operation: &Operation, answer: &Answer, now: Timestamp) -> Verdict {
    let body = json(answer);
    let asked = answer.header("retry-after").and_then(|value| retry_after::read(value, now));
    let rule = operation.answers.iter().find(|rule| applies(rule, answer, &body));
    let meaning = rule.map_or_else(|| by_status(answer.status, asked.is_some()), |rule| rule.means);
    let hint = operation.throttle_hint.as_ref().filter(|_| meaning == Meaning::Throttled);
    Verdict {
        meaning,
        declared: rule.is_some(),
        code: first_text(&operation.code, &body),
        message: first_text(&operation.message, &body),
        reference: operation.reference.iter().find_map(|place| match place {
            Place::Body(pointer) => pointer.text_of(&body),
            Place::Header(name) => answer.header(name).map(str::to_owned),
        }),
        explanation: rule.and_then(|rule| rule.explanation.clone()),
        retry_after: asked.or_else(|| retry_after::hint(hint?, &body)),
    }
}

/// The answer's body as JSON; null where it is none.
pub fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

/// Whether all conditions hold for a value.
pub fn all_hold(conditions: &[Condition], value: &Value) -> bool {
    conditions.iter().all(|condition| holds(condition, value))
}

fn applies(rule: &AnswerRule, answer: &Answer, body: &Value) -> bool {
    (rule.status.is_empty() || rule.status.contains(&answer.status))
        && rule.empty.is_none_or(|empty| empty == answer.body.trim_ascii().is_empty())
        && all_hold(&rule.when, body)
}

fn holds(condition: &Condition, value: &Value) -> bool {
    if let Test::Present(present) = condition.test {
        return condition.pointer.of(value).is_some_and(|found| !found.is_null()) == present;
    }
    let Some(text) = condition.pointer.text_of(value) else { return false };
    match &condition.test {
        Test::OneOf(words) => words.contains(&text),
        Test::NoneOf(words) => !words.contains(&text),
        Test::Prefix(words) => words.iter().any(|word| text.starts_with(word.as_str())),
        Test::Contains(word) => text.contains(word.as_str()),
        Test::Present(_) => true,
    }
}

/// What HTTP says where the document does not. A refusal is believed, a success is not.
const fn by_status(status: u16, asks_to_wait: bool) -> Meaning {
    match status {
        429 => Meaning::Throttled,
        503 if asks_to_wait => Meaning::Throttled,
        401 => Meaning::RefusedCredentials,
        408 => Meaning::Unknown,
        400..500 => Meaning::Rejected,
        _ => Meaning::Unknown,
    }
}

fn first_text(pointers: &[Pointer], body: &Value) -> Option<String> {
    pointers.iter().find_map(|pointer| pointer.text_of(body))
}
