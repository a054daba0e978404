//! Problem documents (RFC 9457, and RFC 7807 before it): what an answer that calls itself one says, its subproblems (RFC 8555, section
//! 6.7.1) and its instance among that. Knows no provider, and gives nothing a meaning.

use super::answer::Answer;
use serde_json::Value;

/// The words of a problem document, verbatim.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problem {
    /// Its type, a URI.
    pub kind: Option<String>,
    /// What happened, in the provider's words.
    pub detail: Option<String>,
    /// Its instance, and what its subproblems say, each with the identifier that it is about.
    pub more: Option<String>,
}

/// The problem document that an answer is by its `Content-Type`.
pub fn read(answer: &Answer) -> Option<Problem> {
    let media_type = answer.header("content-type")?.split(';').next()?.trim();
    media_type.eq_ignore_ascii_case(MEDIA_TYPE).then(|| words(answer.json()))
}

/// What a body says as a problem document, whatever it calls itself.
pub fn words(body: &Value) -> Problem {
    let instance = text(body, "instance").map(|instance| format!("instance: {instance}"));
    let subproblems = body.get("subproblems").and_then(Value::as_array).into_iter().flatten().filter_map(subproblem);
    let more: Vec<String> = instance.into_iter().chain(subproblems).collect();
    Problem {
        kind: text(body, "type").filter(|kind| *kind != NO_KIND).map(str::to_owned),
        detail: text(body, "detail").or_else(|| text(body, "title")).map(str::to_owned),
        more: (!more.is_empty()).then(|| more.join("; ")),
    }
}

/// `example.org: Invalid underscore in the name (urn:…:malformed)`, as much of it as there is.
fn subproblem(problem: &Value) -> Option<String> {
    let Problem { kind, detail, more } = words(problem);
    let identifier = problem.get("identifier").and_then(|identifier| text(identifier, "value")).map(str::to_owned);
    let said = match (detail, kind) {
        (Some(detail), Some(kind)) => Some(format!("{detail} ({kind})")),
        (detail, kind) => detail.or(kind),
    };
    let all: Vec<String> = [identifier, said, more].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(": "))
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

const MEDIA_TYPE: &str = "application/problem+json";
/// RFC 9457, section 4.2.1: a problem without a type of its own.
const NO_KIND: &str = "about:blank";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_that_a_problem_document_says_is_kept() {
        // The example of RFC 8555, section 6.7.1.
        let compound = json!({
            "type": "urn:ietf:params:acme:error:malformed",
            "detail": "Some of the identifiers requested were rejected",
            "subproblems": [
                {"type": "urn:ietf:params:acme:error:malformed", "detail": "Invalid underscore in DNS name \"_example.org\"",
                 "identifier": {"type": "dns", "value": "_example.org"}},
                {"type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "This CA will not issue for \"example.net\"",
                 "identifier": {"type": "dns", "value": "example.net"}}
            ]
        });
        let both = "_example.org: Invalid underscore in DNS name \"_example.org\" (urn:ietf:params:acme:error:malformed); \
             example.net: This CA will not issue for \"example.net\" (urn:ietf:params:acme:error:rejectedIdentifier)";
        for (body, kind, detail, more) in [
            (
                compound,
                Some("urn:ietf:params:acme:error:malformed"),
                Some("Some of the identifiers requested were rejected"),
                Some(both),
            ),
            (
                json!({"type": "about:blank", "title": "Forbidden", "instance": "https://ca.example/terms/7"}),
                None,
                Some("Forbidden"),
                Some("instance: https://ca.example/terms/7"),
            ),
            (
                json!({"detail": "no", "instance": "/7", "subproblems": [{"detail": "a"}, {"type": "b"}, {"identifier": {"value": "c"}}, {}, 1]}),
                None,
                Some("no"),
                Some("instance: /7; a; b; c"),
            ),
            (json!({"subproblems": [{"detail": "a", "subproblems": [{"detail": "b"}]}]}), None, None, Some("a: b")),
            (json!({"type": 7, "detail": ["x"], "instance": null, "subproblems": {"a": 1}}), None, None, None),
            (json!("text"), None, None, None),
            (Value::Null, None, None, None),
        ] {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let expected = Problem { kind: text(kind), detail: text(detail), more: text(more) };
            assert_eq!(words(&body), expected, "{body}");
        }
    }

    #[test]
    fn a_problem_document_is_told_by_its_media_type() {
        for (media_type, expected) in [
            (Some("application/problem+json"), true),
            (Some("Application/Problem+JSON; charset=utf-8"), true),
            (Some("application/json"), false),
            (Some("application/problem+xml"), false),
            (None, false),
        ] {
            let headers = media_type.iter().map(|value| ("content-type".to_owned(), (*value).to_owned())).collect();
            let answer = Answer::new(400, headers, br#"{"detail":"no"}"#.to_vec());
            assert_eq!(read(&answer).is_some(), expected, "{media_type:?}");
        }
    }
}
