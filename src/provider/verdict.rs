//! What an answer means: the document's rules first, then what HTTP itself says. Pure and total: any answer gets a reading,
//! and what nothing declares is never a success. What a problem document says beside the document's places is kept, and means nothing.

use super::answer::{Answer, Meaning, Verdict};
use super::model::{AnswerRule, Condition, Operation, Place, Test};
use super::pointer::Pointer;
use super::{problem, retry_after};
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// Reads an answer to an operation.
pub fn read(operation: &Operation, answer: &Answer, now: Timestamp) -> Verdict {
    let body = answer.json();
    let asked = answer.header("retry-after").and_then(|value| retry_after::read(value, now));
    let rule = operation.answers.iter().find(|rule| applies(rule, answer));
    let meaning = match rule.map_or_else(|| by_status(answer.status, asked.is_some()), |rule| rule.means) {
        // Without effect, and with a time to wait: that holds the provider back and costs no attempt, whatever it is called.
        Meaning::TryLater if asked.is_some() && matches!(answer.status, 429 | 503) => Meaning::Throttled,
        meaning => meaning,
    };
    let hint = operation.throttle_hint.as_ref().filter(|_| meaning == Meaning::Throttled);
    let problem = problem::read(answer).unwrap_or_default();
    let words = first_text(&operation.message, body).or(problem.detail);
    Verdict {
        meaning,
        declared: rule.is_some(),
        code: first_text(&operation.code, body).or(problem.kind),
        message: match (words, problem.more) {
            (Some(words), Some(more)) => Some(format!("{words}; {more}")),
            (words, more) => words.or(more),
        },
        reference: operation.reference.iter().find_map(|place| match place {
            Place::Body(pointer) => pointer.text_of(body).map(Cow::into_owned),
            Place::Header(name) => answer.header(name).map(str::to_owned),
        }),
        explanation: rule.and_then(|rule| rule.explanation.clone()),
        retry_after: asked.or_else(|| retry_after::hint(hint?, body)),
        limit: hint.and_then(|hint| retry_after::limit(hint, body)),
    }
}

/// Whether all conditions hold for a value.
pub fn all_hold(conditions: &[Condition], value: &Value) -> bool {
    conditions.iter().all(|condition| holds(condition, value))
}

fn applies(rule: &AnswerRule, answer: &Answer) -> bool {
    (rule.status.is_empty() || rule.status.contains(&answer.status))
        && rule.empty.is_none_or(|empty| empty == answer.body.trim_ascii().is_empty())
        && all_hold(&rule.when, answer.json())
}

fn holds(condition: &Condition, value: &Value) -> bool {
    if let Test::Present(present) = condition.test {
        return condition.pointer.of(value).is_some_and(|found| !found.is_null()) == present;
    }
    let Some(text) = condition.pointer.text_of(value) else { return false };
    match &condition.test {
        Test::OneOf(words) => words.iter().any(|word| *word == text),
        Test::NoneOf(words) => !words.iter().any(|word| *word == text),
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
    pointers.iter().find_map(|pointer| pointer.text_of(body)).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer::new(status, headers, body.as_bytes().to_vec())
    }

    #[test]
    fn answers_are_read_by_the_document_and_then_by_http() {
        use Meaning::{
            AlreadyDone, PendingApproval, RefusedCredentials, Rejected, Succeeded, Throttled, TryLater, Unknown,
        };
        let provider = testing::provider(
            "          - {status: 200, when: {/state: [revoked, '7']}, means: succeeded}
          - {status: 200, when: {/state: {prefix: [wait, hold]}, /by: {present: true}}, means: pending-approval}
          - {status: 200, when: {/state: {contains: gone}, /by: {present: false}}, means: already-done}
          - {status: 200, when: {/list/0/state: {none_of: [a, b]}}, means: rejected, explanation: neither}
          - {status: [409, 410], empty: true, means: already-done}
          - {status: 409, empty: false, means: try-later}
          - {status: 418, means: throttled}",
        );
        for (status, headers, body, expected) in [
            // The document's rules, in order.
            (200, &[][..], r#"{"state":"revoked"}"#, (Succeeded, true)),
            (200, &[], r#"{"state":7}"#, (Succeeded, true)),
            (200, &[], r#"{"state":"waiting","by":1}"#, (PendingApproval, true)),
            (200, &[], r#"{"state":"hold","by":false}"#, (PendingApproval, true)),
            (200, &[], r#"{"state":"waiting","by":null}"#, (Unknown, false)),
            (200, &[], r#"{"state":"long gone"}"#, (AlreadyDone, true)),
            (200, &[], r#"{"state":"long gone","by":2}"#, (Unknown, false)),
            (200, &[], r#"{"list":[{"state":"c"}]}"#, (Rejected, true)),
            (200, &[], r#"{"list":[{"state":"b"}]}"#, (Unknown, false)),
            (200, &[], r#"{"list":[]}"#, (Unknown, false)),
            (409, &[], "", (AlreadyDone, true)),
            (410, &[], " \n", (AlreadyDone, true)),
            (409, &[], "x", (TryLater, true)),
            (410, &[], "x", (Rejected, false)),
            (418, &[], "", (Throttled, true)),
            // The rules of the whole provider come last.
            (403, &[], "{}", (RefusedCredentials, true)),
            // What HTTP says. Nothing good comes of silence.
            (200, &[], "", (Unknown, false)),
            (200, &[], "revoked", (Unknown, false)),
            (200, &[], r#"{"state":["revoked"]}"#, (Unknown, false)),
            (200, &[], r#"{"state":"revoked""#, (Unknown, false)),
            (201, &[], r#"{"state":"revoked"}"#, (Unknown, false)),
            (204, &[], "", (Unknown, false)),
            (301, &[("location", "https://example.com")], "", (Unknown, false)),
            (304, &[], "", (Unknown, false)),
            (400, &[], "", (Rejected, false)),
            (401, &[], "", (RefusedCredentials, false)),
            (404, &[], "<html>", (Rejected, false)),
            (408, &[], "", (Unknown, false)),
            (429, &[], "", (Throttled, false)),
            (429, &[("retry-after", "soon")], "", (Throttled, false)),
            (500, &[], "", (Unknown, false)),
            (500, &[("retry-after", "5")], "", (Unknown, false)),
            (502, &[], "<html>Bad Gateway</html>", (Unknown, false)),
            (503, &[], "", (Unknown, false)),
            (503, &[("retry-after", "5")], "", (Throttled, false)),
            (503, &[("retry-after", "Thu, 01 Jan 1970 00:00:09 GMT")], "", (Throttled, false)),
            (503, &[("retry-after", "soon")], "", (Unknown, false)),
            (504, &[], "", (Unknown, false)),
            (0, &[], "\u{0}", (Unknown, false)),
            (999, &[], "", (Unknown, false)),
        ] {
            let verdict = read(&provider.operations[0], &answer(status, headers, body), Timestamp::UNIX_EPOCH);
            assert_eq!((verdict.meaning, verdict.declared), expected, "{status} {headers:?} {body}");
            let waits = headers.iter().any(|(name, value)| *name == "retry-after" && *value != "soon");
            assert_eq!(verdict.retry_after.is_some(), waits, "{status} {headers:?}");
        }
    }

    #[test]
    fn the_providers_own_words_are_kept() {
        let provider = testing::provider(
            "          - {status: 200, when: {/state: revoked}, means: succeeded, explanation: done}
        message: [/error/text, /text]
        reference: [/id, {header: X-Id}]
        throttle_hint: {pointer: /text, form: limit-time}",
        );
        let read = |answer: &Answer| read(&provider.operations[0], answer, Timestamp::UNIX_EPOCH);
        let first = read(&answer(200, &[("x-id", "h")], r#"{"state":"revoked","code":12,"text":"\u001b[31m"}"#));
        assert_eq!((first.code.as_deref(), first.message.as_deref()), (Some("12"), Some("\u{1b}[31m")));
        assert_eq!((first.reference.as_deref(), first.explanation.as_deref()), (Some("h"), Some("done")));
        let second = read(&answer(429, &[("x-id", "h")], r#"{"id":7,"text":"over,limit:30,time:1 minute"}"#));
        assert_eq!((second.reference.as_deref(), second.retry_after.map(|wait| wait.as_secs())), (Some("7"), Some(60)));
        assert_eq!(second.limit.map(|limit| limit.to_string()).as_deref(), Some("30/60s"));
        let third =
            read(&answer(429, &[("retry-after", "3")], r#"{"error":{"text":"a"},"text":"limit:30,time:1 minute"}"#));
        assert_eq!((third.message.as_deref(), third.retry_after.map(|wait| wait.as_secs())), (Some("a"), Some(3)));
        let problem = r#"{"type":"urn:x","detail":"no","instance":"/7","text":"own","code":1}"#;
        let as_json = read(&answer(400, &[("content-type", "application/json")], problem));
        let as_problem = read(&answer(400, &[("content-type", "application/problem+json")], problem));
        let without =
            read(&answer(400, &[("content-type", "application/problem+json")], r#"{"type":"urn:x","detail":"no"}"#));
        assert_eq!(as_json.message.as_deref(), Some("own"));
        assert_eq!((as_problem.code.as_deref(), as_problem.message.as_deref()), (Some("1"), Some("own; instance: /7")));
        assert_eq!((without.code.as_deref(), without.message.as_deref()), (Some("urn:x"), Some("no")));
        let fourth = read(&answer(400, &[], r#"{"text":"limit:30,time:1 minute"}"#));
        assert_eq!((fourth.retry_after, fourth.reference), (None, None));
    }
}
