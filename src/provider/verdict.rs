//! What an answer means: the document's rules first, then what HTTP itself says; with it the words of problem documents (RFC 9457) and
//! how long the provider asks to wait. Pure and total: any answer gets a verdict, and what nothing declares is never a success.

use super::answer::{
    Answer, AnswerClass, AnswerLocation, AnswerRule, Condition, Content, Pointer, ResponseContent, Test, ThrottleForm,
    ThrottleHint, is_json,
};
use super::model::{Operation, Window};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

/// A reading of an answer: what it means, and the provider's own words, verbatim (make them safe before showing them).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The class of the answer: what it means for the action.
    pub class: AnswerClass,
    /// Whether a rule of the document decided it; `false` for the defaults of HTTP.
    pub declared: bool,
    /// Whether the body is of a media type that the document declares for the status, and can be read.
    pub is_the_providers: bool,
    /// The provider's own code.
    pub code: Option<String>,
    /// The provider's own message.
    pub message: Option<String>,
    /// The provider's own request or order id.
    pub reference: Option<String>,
    /// What the document adds for people, such as what to do about it.
    pub explanation: Option<String>,
    /// How long the provider asked to wait, from `Retry-After` or from the place that the document declares.
    pub retry_after: Option<Duration>,
    /// The limit that the provider named, where the document says how to find it.
    pub limit: Option<Window>,
}

/// Reads an answer to an operation.
pub fn read(operation: &Operation, answer: &Answer, now: Timestamp) -> Verdict {
    read_by(operation, &operation.answers, answer, now)
}

/// As [`read`], by other rules than the operation's own.
pub fn read_by(operation: &Operation, rules: &[AnswerRule], answer: &Answer, now: Timestamp) -> Verdict {
    let body = answer.json();
    // Of several the longest: a gateway on the way may have added its own.
    let waits = answer.headers.iter().filter(|(name, _)| *name == "retry-after");
    let asked = waits.filter_map(|(_, value)| retry_after(value, answer, now)).max();
    let origin = origin(operation, answer);
    let rule =
        rules.iter().find(|rule| applies(rule, answer, origin)).filter(|rule| !contradicts(rule, operation, body));
    let class = match rule.map_or_else(|| by_status(answer.status, asked.is_some(), origin), |rule| rule.class) {
        // Without effect, and with a time to wait: that holds the provider back and costs no attempt, whatever it is called.
        AnswerClass::TryLater if asked.is_some() && matches!(answer.status, 429 | 503) => AnswerClass::Throttled,
        class => class,
    };
    let hint = operation.throttle_hint.as_ref().filter(|_| class == AnswerClass::Throttled);
    let problem = problem(answer).unwrap_or_default();
    let words = first_text(&operation.message, body).or(problem.detail);
    Verdict {
        class,
        declared: rule.is_some(),
        is_the_providers: origin == Origin::Provider,
        code: first_text(&operation.code, body).or(problem.kind),
        message: match (words, problem.more) {
            (Some(words), Some(more)) => Some(format!("{words}; {more}")),
            (words, more) => words.or(more),
        },
        reference: operation.reference.iter().find_map(|place| match place {
            AnswerLocation::Body(pointer) => pointer.text_of(body).map(Cow::into_owned),
            AnswerLocation::Header(name) => answer.header(name).map(str::to_owned),
        }),
        explanation: rule.and_then(|rule| explained(rule, body)),
        retry_after: asked.or_else(|| hinted_wait(hint?, body)),
        limit: hint.and_then(|hint| hinted_limit(hint, body)),
    }
}

/// Whether all conditions hold for a value.
pub fn all_hold(conditions: &[Condition], value: &Value) -> bool {
    conditions.iter().all(|condition| holds(condition, value))
}

/// Who sent an answer, as far as its body tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The provider: it can be read, and is of a media type that the document declares for the status.
    Provider,
    /// It is empty, and the document declares the status to be without a body.
    EmptyAsDeclared,
    /// It is empty.
    Empty,
    /// Anything else: a firewall, a login portal, a gateway.
    Unknown,
}

fn origin(operation: &Operation, answer: &Answer) -> Origin {
    let response = response(&operation.responses, answer.status);
    let media_types = response.map_or(&[][..], |response| &response.media_types);
    let holds_json = match answer.content() {
        // `default` stands for statuses that the document's author did not think of, and says nothing about a body that is missing.
        Content::Empty if response.is_some_and(|found| found.media_types.is_empty() && found.status != "default") => {
            return Origin::EmptyAsDeclared;
        }
        Content::Empty => return Origin::Empty,
        Content::Unreadable(_) => return Origin::Unknown,
        Content::Json(_) => true,
        Content::Other => false,
    };
    let is_declared = match answer.media_type() {
        // RFC 9110, section 8.3: without a `Content-Type` the body itself may be looked at.
        None => matches!(answer.json(), Value::Object(_) | Value::Array(_)),
        // Where nothing is declared, JSON is meant: that is what rules read.
        Some(found) if media_types.is_empty() => is_json(&found),
        Some(found) => media_types.iter().any(|declared| is_of(&found, declared)) && (holds_json || !is_json(&found)),
    };
    if is_declared { Origin::Provider } else { Origin::Unknown }
}

/// Whether a media type is in a declared one or a declared range. One JSON is as good as another: many providers declare `application/json` and
/// send their errors as `application/problem+json`.
fn is_of(found: &str, declared: &str) -> bool {
    let in_range = |range: &str| found.strip_prefix(range).is_some_and(|rest| rest.starts_with('/'));
    found == declared
        || declared == "*/*"
        || (is_json(found) && is_json(declared))
        || declared.strip_suffix("/*").is_some_and(in_range)
}

/// What is declared for a status: for itself, for its hundred, or for all others (OpenAPI 3.1, "Responses Object").
pub(super) fn response(responses: &[ResponseContent], status: u16) -> Option<&ResponseContent> {
    let keys = [status.to_string(), format!("{}XX", status / 100), "default".to_owned()];
    keys.iter().find_map(|key| responses.iter().find(|response| response.status == *key))
}

fn applies(rule: &AnswerRule, answer: &Answer, origin: Origin) -> bool {
    let is_empty = *answer.content() == Content::Empty;
    // Success may be told by the status alone, as by a 204; it always has one, and a rule that names it.
    let says_empty = rule.empty == Some(true)
        || !matches!(rule.class, AnswerClass::Rejected | AnswerClass::AlreadyDone | AnswerClass::Unauthorized);
    let may_say_so = match origin {
        Origin::Provider | Origin::EmptyAsDeclared => true,
        Origin::Empty => says_empty,
        Origin::Unknown => false,
    };
    (rule.status.is_empty() || rule.status.contains(&answer.status))
        && (may_say_so || !rule.class.is_the_providers())
        && rule.empty.is_none_or(|empty| empty == is_empty)
        && all_hold(&rule.when, answer.json())
}

/// Whether an answer says two things: by one place for codes that all is well, and by another what went wrong. Nobody can tell which is true.
fn contradicts(rule: &AnswerRule, operation: &Operation, body: &Value) -> bool {
    let is_asked = |pointer: &Pointer| rule.when.iter().any(|condition| condition.pointer == *pointer);
    let has_code = |pointer: &Pointer| pointer.text_of(body).is_some_and(|code| !code.is_empty());
    matches!(rule.class, AnswerClass::Succeeded | AnswerClass::Pending | AnswerClass::PendingApproval)
        && operation.code.iter().any(is_asked)
        && operation.code.iter().any(|pointer| !is_asked(pointer) && has_code(pointer))
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
        Test::Contains(words) => words.iter().any(|word| text.contains(word.as_str())),
        Test::Present(_) => true,
    }
}

/// The class by the HTTP status alone, where no rule of the document applies. A refusal is believed where it is the provider's; a success
/// is not, for an action wrongly reported as done is never looked at again.
const fn by_status(status: u16, asks_to_wait: bool, origin: Origin) -> AnswerClass {
    match status {
        // RFC 6585, 4.
        429 => AnswerClass::Throttled,
        // RFC 9110, 15.6.4: with Retry-After the server itself did nothing. Without, it may come from a proxy before a server that did.
        503 if asks_to_wait => AnswerClass::Throttled,
        // RFC 9110, 15.5.9: the server stopped waiting; whether it has acted on what it had is unknown.
        408 => AnswerClass::Unknown,
        _ if matches!(origin, Origin::Empty | Origin::Unknown) => AnswerClass::Unknown,
        401 => AnswerClass::Unauthorized,
        400..500 => AnswerClass::Rejected,
        _ => AnswerClass::Unknown,
    }
}

/// What a rule says of an answer, and what of the answer it shows: `put this record into DNS: name _dcv, value abc`.
fn explained(rule: &AnswerRule, body: &Value) -> Option<String> {
    let shown: Vec<String> =
        rule.shows.iter().filter_map(|(word, place)| Some(format!("{word} {}", place.text_of(body)?))).collect();
    match (&rule.explanation, shown.is_empty()) {
        (explanation, true) => explanation.clone(),
        (None, false) => Some(shown.join(", ")),
        (Some(explanation), false) => Some(format!("{explanation}: {}", shown.join(", "))),
    }
}

fn first_text(pointers: &[Pointer], body: &Value) -> Option<String> {
    pointers.iter().find_map(|pointer| pointer.text_of(body)).map(Cow::into_owned)
}

/// The words of a problem document (RFC 9457, and RFC 7807 before it), verbatim. They are kept beside what the document's places hold, and
/// give an answer no meaning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problem {
    /// Its type, a URI.
    pub kind: Option<String>,
    /// What happened, in the provider's words.
    pub detail: Option<String>,
    /// Its instance, and the texts of its subproblems, each with the identifier that it is about.
    pub more: Option<String>,
}

/// The problem document that an answer is by its `Content-Type`.
pub fn problem(answer: &Answer) -> Option<Problem> {
    (answer.media_type()? == PROBLEM_MEDIA_TYPE).then(|| problem_words(answer.json()))
}

/// Reads a body as a problem document, whatever its media type; with its subproblems (RFC 8555, section 6.7.1).
pub fn problem_words(body: &Value) -> Problem {
    let instance = member(body, "instance").map(|instance| format!("instance: {instance}"));
    let subproblems = body.get("subproblems").and_then(Value::as_array).into_iter().flatten().filter_map(subproblem);
    let more: Vec<String> = instance.into_iter().chain(subproblems).collect();
    Problem {
        kind: member(body, "type").filter(|kind| *kind != NO_PROBLEM_TYPE).map(str::to_owned),
        detail: member(body, "detail").or_else(|| member(body, "title")).map(str::to_owned),
        more: (!more.is_empty()).then(|| more.join("; ")),
    }
}

/// `example.org: Invalid underscore in the name (urn:…:malformed)`, as much of it as there is.
fn subproblem(problem: &Value) -> Option<String> {
    let Problem { kind, detail, more } = problem_words(problem);
    let identifier = problem.get("identifier").and_then(|identifier| member(identifier, "value")).map(str::to_owned);
    let text = match (detail, kind) {
        (Some(detail), Some(kind)) => Some(format!("{detail} ({kind})")),
        (detail, kind) => detail.or(kind),
    };
    let all: Vec<String> = [identifier, text, more].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(": "))
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";
/// RFC 9457, section 4.2.1: a problem without a type of its own.
const NO_PROBLEM_TYPE: &str = "about:blank";

/// Reads the value of a `Retry-After` field (RFC 9110, section 10.2.3): seconds, or an HTTP date. A date that has passed asks for no wait; one that
/// no clock reaches is the last that there is. Our clock may be wrong, and so may the answer's own `Date`: of the waits by both the shorter counts, a
/// date that has passed by one alone aside. `None` where the text is neither. How long a wait is believed is the engine's to say.
pub fn retry_after(value: &str, answer: &Answer, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds are a wish for ever, and cut like one.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)).min(MAX_WAIT));
    }
    let until = http_date(value)?;
    let clocks = answer.header("date").and_then(http_date).into_iter().chain([now]);
    let waits = clocks.filter_map(|clock| Duration::try_from(until.duration_since(clock)).ok());
    Some(waits.filter(|wait| !wait.is_zero()).min().unwrap_or_default())
}

/// Reads the hint that a document declares from an answer's body.
fn hinted_wait(hint: &ThrottleHint, body: &Value) -> Option<Duration> {
    let text = hint.pointer.text_of(body)?;
    match hint.form {
        ThrottleForm::Seconds => text.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(MAX_WAIT)),
        // Huawei's gateway sends no Retry-After; its words hold the limit: https://support.huaweicloud.com/intl/en-us/ocr_faq/ocr_01_0041.html
        ThrottleForm::LimitTime => window_in(&text).map(|(_, length)| length.min(MAX_WINDOW)),
    }
}

/// Reads the limit itself, where the hint that a document declares holds it.
fn hinted_limit(hint: &ThrottleHint, body: &Value) -> Option<Window> {
    let text = hint.pointer.text_of(body)?;
    match hint.form {
        ThrottleForm::Seconds => None,
        ThrottleForm::LimitTime => {
            let (count, length) = window_in(&text)?;
            (count > 0 && !length.is_zero() && length <= MAX_WINDOW).then_some(Window { count, length })
        }
    }
}

/// `…limit:30,time:1 minute…` → 30 in one minute.
fn window_in(text: &str) -> Option<(u32, Duration)> {
    let (limit, rest) = text.split_once("limit:")?.1.split_once(",time:")?;
    if limit.is_empty() || !limit.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (number, rest) = rest.split_once(' ')?;
    let number: u64 = number.parse().ok()?;
    let unit = [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86_400)];
    let (_, seconds) = unit.into_iter().find(|(word, _)| rest.starts_with(word))?;
    Some((limit.parse().unwrap_or(u32::MAX), Duration::from_secs(number.saturating_mul(seconds))))
}

/// The three forms of an HTTP date: `Sun, 06 Nov 1994 08:49:37 GMT`, and the obsolete ones of RFC 850 and asctime.
fn http_date(text: &str) -> Option<Timestamp> {
    if let Ok(at) = DateTimeParser::new().parse_timestamp(text) {
        return Some(at);
    }
    let mut words = text.split([' ', '-']).filter(|word| !word.is_empty());
    let (_day, second, third) = (words.next()?, words.next()?, words.next()?);
    let (fourth, fifth) = (words.next()?, words.next()?);
    let (day, month, year, clock) = if second.bytes().all(|byte| byte.is_ascii_digit()) {
        // RFC 850: `Sunday, 06-Nov-94 08:49:37 GMT`. Two digits mean this century: a wait never lies in the past one.
        let year = if fourth.len() == 2 { format!("20{fourth}") } else { fourth.to_owned() };
        (second, third, year, fifth)
    } else {
        // asctime: `Sun Nov  6 08:49:37 1994`
        (third, second, fifth.to_owned(), fourth)
    };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let day: u8 = day.parse().ok()?;
    let at: civil::DateTime = format!("{year}-{month:02}-{day:02}T{clock}").parse().ok()?;
    // The last day of 9999, by which some say "never", is beyond what an instant can be.
    Some(TimeZone::UTC.to_timestamp(at).unwrap_or(Timestamp::MAX))
}

/// The longest wait that a number of seconds can ask for: ten thousand years, so that sums with it stay in range.
const MAX_WAIT: Duration = Duration::from_secs(10_000 * 366 * 24 * 3600);
/// No limit that a gateway tells has a longer window: it may have meant another unit.
const MAX_WINDOW: Duration = Duration::from_secs(3600);

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::HeaderFields;
    use crate::provider::openapi::testing;
    use serde_json::json;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer::new(status, headers, body.as_bytes().to_vec())
    }

    #[test]
    fn what_a_person_must_do_is_told_with_what_the_answer_says_of_it() {
        let catalog = crate::provider::Catalog::built_in();
        let operation = catalog.get("naver").unwrap().operation("fetch-certificate").unwrap();
        let told = |state: &str, record: &str| {
            let list = format!(r#"[{{"validStatusCode":"VALID_STATUS_{state}"{record}}}]"#);
            let body = format!(r#"{{"returnCode":"0","dnsVerificationCount":1,"dnsVerificationList":{list}}}"#);
            read(operation, &answer(200, &[], &body), Timestamp::UNIX_EPOCH).explanation
        };
        let words = |text: &str| Some(format!("the domain is validated; put this record into its DNS{text}"));
        assert_eq!(told("REG", r#","txtName":"_a.example","txtValue":"1""#), words(": name _a.example, value 1"));
        assert_eq!(told("REG", r#","txtName":"_a.example""#), words(": name _a.example"));
        assert_eq!(told("REG", ""), words(""));
        assert_eq!(told("SUCCESS", r#","txtName":"_a.example""#), None);
    }

    #[test]
    fn answers_are_read_by_the_document_and_then_by_http() {
        use AnswerClass::{
            AlreadyDone, PendingApproval, Rejected, Succeeded, Throttled, TryLater, Unauthorized, Unknown,
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
            (410, &[], "x", (Unknown, false)),
            (418, &[], "", (Throttled, true)),
            // The rules of the whole provider come last.
            (403, &[], "{}", (Unauthorized, true)),
            // What HTTP says. Nothing good comes of silence.
            (200, &[], "", (Unknown, false)),
            (200, &[], "revoked", (Unknown, false)),
            (200, &[], r#"{"state":["revoked"]}"#, (Unknown, false)),
            (200, &[], r#"{"state":"revoked""#, (Unknown, false)),
            (201, &[], r#"{"state":"revoked"}"#, (Unknown, false)),
            (204, &[], "", (Unknown, false)),
            (301, &[("location", "https://example.com")], "", (Unknown, false)),
            (304, &[], "", (Unknown, false)),
            (400, &[], "{}", (Rejected, false)),
            (400, &[], "", (Unknown, false)),
            (401, &[], "[]", (Unauthorized, false)),
            (401, &[], "", (Unknown, false)),
            (401, &[], "\"no\"", (Unknown, false)),
            (404, &[], "<html>", (Unknown, false)),
            (404, &[], r#"{"a":1,"a":2}"#, (Unknown, false)),
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
            assert_eq!((verdict.class, verdict.declared), expected, "{status} {headers:?} {body}");
            let waits = headers.iter().any(|(name, value)| *name == "retry-after" && *value != "soon");
            assert_eq!(verdict.retry_after.is_some(), waits, "{status} {headers:?}");
        }
    }

    /// A provider with these rules and these `responses` of its `revoke`.
    fn declaring(rules: &str, responses: &str) -> crate::provider::Provider {
        let text = include_str!("../../tests/data/documents/good/small.yaml");
        let own = "          - {status: 200, when: {/state: revoked}, means: succeeded}";
        assert!(text.contains(own) && text.contains("        4XX: {description: Refused}"));
        let text = text.replacen(own, &format!("{own}\n{rules}"), 1);
        testing::read(&text.replacen("        4XX: {description: Refused}", responses, 1))
    }

    #[test]
    fn what_is_not_of_the_declared_media_type_is_not_the_providers() {
        use AnswerClass::{AlreadyDone, Rejected, Succeeded, Throttled, TryLater, Unauthorized, Unknown};
        let rules = "          - {status: [401, 404], empty: true, means: unauthorized}
          - {status: 404, means: rejected}
          - {status: 409, when: {/code: was}, means: already-done}
          - {status: 418, means: unauthorized}
          - {status: 201, means: succeeded}
          - {status: 502, means: try-later}
          - {status: 404, means: unknown, explanation: a page}";
        let json = "content: {application/json: {}}";
        let responses = format!(
            "        4XX: {{description: Refused, {json}}}
        '201': {{description: a, {json}}}
        '410': {{description: b}}
        '411': {{description: c, content: {{text/plain: {{}}, 'Application/Problem+JSON; charset=utf-8': {{}}}}}}
        '412': {{description: d, content: {{'text/*': {{}}}}}}
        '413': {{description: e, content: {{'*/*': {{}}}}}}
        default: {{description: f}}"
        );
        let provider = declaring(rules, &responses);
        let (was, html, plain) = (r#"{"code":"was"}"#, Some("text/html; charset=utf-8"), Some("text/plain"));
        let (as_json, problem) = (Some("application/json"), Some("application/problem+json;charset=utf-8"));
        for (status, media_type, body, expected) in [
            // Refusals, by a rule and by HTTP.
            (404, as_json, "{}", (Rejected, true)),
            (404, problem, "{}", (Rejected, true)),
            (404, Some("APPLICATION/JSON"), "7", (Rejected, true)),
            (404, None, "{}", (Rejected, true)),
            (404, html, "<h1>Not found</h1>", (Unknown, true)),
            (404, html, "{}", (Unknown, true)),
            (404, plain, "404 page not found", (Unknown, true)),
            (404, as_json, "<h1>Not found</h1>", (Unknown, true)),
            (404, as_json, r#"{"code":"a","code":"b"}"#, (Unknown, true)),
            (404, as_json, "{\"code\":\"é", (Unknown, true)),
            (404, as_json, "", (Unauthorized, true)),
            (401, None, "  \r\n", (Unauthorized, true)),
            (401, html, "<form>", (Unknown, false)),
            (418, as_json, "{}", (Unauthorized, true)),
            (418, None, "", (Unknown, false)),
            (403, html, "<title>Access Denied</title>", (Unknown, false)),
            (403, as_json, "{}", (Unauthorized, true)),
            (403, None, "", (Unknown, false)),
            (400, problem, "{}", (Rejected, false)),
            (400, html, "<p>", (Unknown, false)),
            (400, None, "", (Unknown, false)),
            (407, html, "<html>", (Unknown, false)),
            // What was so before.
            (409, as_json, was, (AlreadyDone, true)),
            (409, None, was, (AlreadyDone, true)),
            (409, html, was, (Unknown, false)),
            (409, plain, was, (Unknown, false)),
            // Success, whose status may say it alone, but no page.
            (201, as_json, "{}", (Succeeded, true)),
            (201, None, "", (Succeeded, true)),
            (201, html, "<form>Sign in</form>", (Unknown, false)),
            (201, None, "OK", (Unknown, false)),
            (201, as_json, "{", (Unknown, false)),
            // What the document declares.
            (410, None, "", (Rejected, false)),
            (410, as_json, "{}", (Rejected, false)),
            (410, html, "<p>", (Unknown, false)),
            (411, plain, "no length", (Rejected, false)),
            (411, problem, "{}", (Rejected, false)),
            (411, as_json, "{}", (Rejected, false)),
            (411, html, "<p>", (Unknown, false)),
            (411, None, "", (Unknown, false)),
            (412, html, "<p>", (Rejected, false)),
            (412, as_json, "{}", (Unknown, false)),
            (412, Some("textile/x"), "x", (Unknown, false)),
            (413, html, "<p>", (Rejected, false)),
            (413, as_json, "<p>", (Unknown, false)),
            // What anything between may say.
            (429, html, "<p>slow down", (Throttled, false)),
            (502, html, "<p>", (TryLater, true)),
            // Those that no response names: nothing is said about a body.
            (599, None, "", (Unknown, false)),
        ] {
            let headers: Vec<(&str, &str)> = media_type.map(|found| ("content-type", found)).into_iter().collect();
            let verdict = read(&provider.operations[0], &answer(status, &headers, body), Timestamp::UNIX_EPOCH);
            assert_eq!((verdict.class, verdict.declared), expected, "{status} {media_type:?} {body}");
        }
    }

    #[test]
    fn an_answer_that_says_two_things_is_not_understood() {
        let provider = testing::provider(
            "          - {status: 200, when: {/code: ok}, means: succeeded}
          - {status: 201, when: {/state: revoked}, means: succeeded}
        code: [/error/code, /code]",
        );
        for (status, body, expected) in [
            (200, r#"{"code":"ok"}"#, AnswerClass::Succeeded),
            (200, r#"{"code":"ok","error":null}"#, AnswerClass::Succeeded),
            (200, r#"{"code":"ok","error":{"code":null}}"#, AnswerClass::Succeeded),
            (200, r#"{"code":"ok","error":{"code":""}}"#, AnswerClass::Succeeded),
            (200, r#"{"code":"ok","error":{"code":"210"}}"#, AnswerClass::Unknown),
            // Where no code tells success, one beside it is none of an error: it may be the name of what came.
            (201, r#"{"state":"revoked","code":"7"}"#, AnswerClass::Succeeded),
        ] {
            let verdict = read(&provider.operations[0], &answer(status, &[], body), Timestamp::UNIX_EPOCH);
            assert_eq!(verdict.class, expected, "{body}");
        }
    }

    #[test]
    fn of_several_waits_the_longest_is_taken() {
        let provider = testing::provider("          - {status: 201, means: succeeded}");
        for (waits, expected) in
            [(&["1", "9"][..], Some(9)), (&["9", "1"], Some(9)), (&["soon", "2"], Some(2)), (&["soon"], None)]
        {
            let fields: Vec<(&str, &str)> = waits.iter().map(|wait| ("retry-after", *wait)).collect();
            let verdict = read(&provider.operations[0], &answer(429, &fields, "{}"), Timestamp::UNIX_EPOCH);
            assert_eq!(verdict.retry_after.map(|wait| wait.as_secs()), expected, "{waits:?}");
        }
    }

    #[test]
    fn json_of_any_charset_decides() {
        let provider = declaring(
            "          - {status: 409, when: {/code: was}, means: already-done}",
            "        default: {description: f}",
        );
        let body = b"{\"code\":\"was\",\"text\":\"d\xe9j\xe0\"}";
        let headers = [("content-type", "application/json; charset=ISO-8859-1")];
        let answer = Answer::new(409, headers.into_iter().collect(), body.to_vec());
        assert_eq!(read(&provider.operations[0], &answer, Timestamp::UNIX_EPOCH).class, AnswerClass::AlreadyDone);
        let marked = Answer::new(200, HeaderFields::default(), b"\xef\xbb\xbf{\"state\":\"revoked\"}".to_vec());
        assert_eq!(read(&provider.operations[0], &marked, Timestamp::UNIX_EPOCH).class, AnswerClass::Succeeded);
    }

    #[test]
    fn what_cannot_be_read_says_nothing_but_that_there_were_too_many() {
        let provider = testing::provider("          - {status: 201, means: succeeded}");
        for (status, wait, expected) in [
            (201, None, AnswerClass::Unknown),
            (400, None, AnswerClass::Unknown),
            (401, None, AnswerClass::Unknown),
            (429, None, AnswerClass::Throttled),
            (503, Some("5"), AnswerClass::Throttled),
        ] {
            let headers = wait.iter().map(|wait| ("retry-after", *wait)).collect();
            let answer = Answer::unreadable(status, headers, "it is in another coding".to_owned());
            let verdict = read(&provider.operations[0], &answer, Timestamp::UNIX_EPOCH);
            assert_eq!((verdict.class, verdict.declared), (expected, false), "{status}");
            let came =
                format!("HTTP {status} without a media type, whose body cannot be read: it is in another coding");
            assert_eq!(answer.describe(), came);
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
            assert_eq!(problem_words(&body), expected, "{body}");
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
            assert_eq!(problem(&answer).is_some(), expected, "{media_type:?}");
        }
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("604800", Some(604_800)),
            ("99999999999", Some(99_999_999_999)),
            ("99999999999999999999999", Some(MAX_WAIT.as_secs())),
            ("Sun, 22 Nov 2026 10:00:30 GMT", Some(30)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", Some(0)),
            ("Sun, 29 Nov 2026 10:00:00 GMT", Some(604_800)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(Timestamp::MAX.duration_since(now).as_secs() as u64)),
            ("Sunday, 22-Nov-26 10:02:00 GMT", Some(120)),
            ("Sun Nov 22 10:00:05 2026", Some(5)),
            ("Tue Dec  1 10:00:05 2026", Some(777_605)),
            ("Fri, 31 Dec 99999 23:59:59 GMT", None),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 99 Nov 2026 10:00:30 GMT", None),
            ("Sunday, 22-Nov-é6 10:02:00 GMT", None),
            ("a b c d e", None),
        ] {
            let answer = Answer::new(429, HeaderFields::default(), Vec::new());
            assert_eq!(retry_after(text, &answer, now).map(|wait| wait.as_secs()), expected, "{text}");
        }
    }

    #[test]
    fn a_date_to_wait_for_is_held_against_the_answers_own_clock() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        for (until, date, expected) in [
            // Our clock is an hour ahead, then an hour behind, then a lifetime.
            ("Sun, 22 Nov 2026 09:00:30 GMT", "Sun, 22 Nov 2026 09:00:00 GMT", 30),
            ("Sun, 22 Nov 2026 11:00:30 GMT", "Sun, 22 Nov 2026 11:00:00 GMT", 30),
            ("Sun, 22 Nov 2076 11:00:30 GMT", "Sun, 22 Nov 2076 11:00:00 GMT", 30),
            // The provider's is out of order.
            ("Sun, 22 Nov 2026 10:00:30 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", 30),
            ("Sun, 22 Nov 2026 10:00:30 GMT", "Fri, 31 Dec 9999 00:00:00 GMT", 30),
            ("Sun, 22 Nov 2026 10:00:30 GMT", "today", 30),
            ("Sun, 22 Nov 2026 09:00:00 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", 0),
        ] {
            let answer = Answer::new(429, HeaderFields::from_iter([("date", date)]), Vec::new());
            assert_eq!(retry_after(until, &answer, now), Some(Duration::from_secs(expected)), "{until} {date}");
        }
    }

    #[test]
    fn hints_are_read_as_declared() {
        let at = |form| ThrottleHint { pointer: Pointer::parse("/m").unwrap(), form };
        for (form, value, expected) in [
            (ThrottleForm::LimitTime, json!("policy user over ratelimit,limit:30,time:1 minute"), Some(60)),
            (ThrottleForm::LimitTime, json!("over ratelimit,limit:600,time:5 second."), Some(5)),
            (ThrottleForm::LimitTime, json!("limit:1,time:99999999999999 minute"), Some(3600)),
            (ThrottleForm::LimitTime, json!("limit:,time:1 minute"), None),
            (ThrottleForm::LimitTime, json!("limit:x,time:1 minute"), None),
            (ThrottleForm::LimitTime, json!("limit:1,time:1 fortnight"), None),
            (ThrottleForm::LimitTime, json!(null), None),
            (ThrottleForm::Seconds, json!(30), Some(30)),
            (ThrottleForm::Seconds, json!("30"), Some(30)),
            (ThrottleForm::Seconds, json!("x"), None),
        ] {
            let body = json!({ "m": value });
            assert_eq!(hinted_wait(&at(form), &body).map(|wait| wait.as_secs()), expected, "{body}");
        }
        for (text, expected) in [
            ("policy user over ratelimit,limit:30,time:1 minute", Some("30/60s")),
            ("limit:99999999999,time:5 second", Some("4294967295/5s")),
            ("limit:0,time:1 minute", None),
            ("limit:5,time:0 second", None),
            ("limit:1,time:99999999999999 minute", None),
        ] {
            let found = hinted_limit(&at(ThrottleForm::LimitTime), &json!({ "m": text }));
            assert_eq!(found.map(|window| window.to_string()).as_deref(), expected, "{text}");
        }
        assert_eq!(hinted_limit(&at(ThrottleForm::Seconds), &json!({"m": "limit:30,time:1 minute"})), None);
    }
}
