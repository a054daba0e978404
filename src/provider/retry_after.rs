//! How long a provider asks to wait: both forms of `Retry-After` (RFC 9110, section 10.2.3), and the hints that documents
//! declare. Pure: the present comes in from outside.

use super::model::{ThrottleForm, ThrottleHint, Window};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;
use std::time::Duration;

/// Reads the value of a `Retry-After` field: seconds, or an HTTP date. A date that has passed asks for no wait; longer waits
/// than [`LONGEST`] are cut to it. `None` where the text is neither.
pub fn read(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds are a wish for ever, and cut like one.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)).min(LONGEST));
    }
    let wait = http_date(value)?.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO).min(LONGEST))
}

/// Reads the hint that a document declares from an answer's body.
pub fn hint(hint: &ThrottleHint, body: &Value) -> Option<Duration> {
    let text = hint.pointer.text_of(body)?;
    match hint.form {
        ThrottleForm::Seconds => text.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST)),
        ThrottleForm::LimitTime => window_in(&text).map(|(_, length)| length.min(LONGEST)),
    }
}

/// Reads the limit itself, where the hint that a document declares tells it.
pub fn limit(hint: &ThrottleHint, body: &Value) -> Option<Window> {
    let text = hint.pointer.text_of(body)?;
    match hint.form {
        ThrottleForm::Seconds => None,
        ThrottleForm::LimitTime => {
            let (count, length) = window_in(&text)?;
            (count > 0 && !length.is_zero() && length <= LONGEST).then_some(Window { count, length })
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
        (second, third, format!("20{fourth}"), fifth)
    } else {
        // asctime: `Sun Nov  6 08:49:37 1994`
        (third, second, fifth.to_owned(), fourth)
    };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let day: u8 = day.parse().ok()?;
    format!("{year}-{month:02}-{day:02}T{clock}Z").parse().ok()
}

/// A provider that asks for longer is asked again after this long: it may have meant another unit, or another year.
pub const LONGEST: Duration = Duration::from_secs(3600);

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::pointer::Pointer;
    use serde_json::json;

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("3600", Some(3600)),
            ("86400", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Sun, 22 Nov 2026 10:00:30 GMT", Some(30)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", Some(0)),
            ("Tue, 22 Nov 2095 09:00:00 GMT", Some(3600)),
            ("Sunday, 22-Nov-26 10:02:00 GMT", Some(120)),
            ("Sun Nov 22 10:00:05 2026", Some(5)),
            ("Tue Dec  1 10:00:05 2026", Some(3600)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 99 Nov 2026 10:00:30 GMT", None),
            ("Sunday, 22-Nov-é6 10:02:00 GMT", None),
            ("a b c d e", None),
        ] {
            assert_eq!(read(text, now).map(|wait| wait.as_secs()), expected, "{text}");
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
            assert_eq!(hint(&at(form), &body).map(|wait| wait.as_secs()), expected, "{body}");
        }
        for (text, expected) in [
            ("policy user over ratelimit,limit:30,time:1 minute", Some("30/60s")),
            ("limit:99999999999,time:5 second", Some("4294967295/5s")),
            ("limit:0,time:1 minute", None),
            ("limit:5,time:0 second", None),
            ("limit:1,time:99999999999999 minute", None),
        ] {
            let told = limit(&at(ThrottleForm::LimitTime), &json!({ "m": text }));
            assert_eq!(told.map(|window| window.to_string()).as_deref(), expected, "{text}");
        }
        assert_eq!(limit(&at(ThrottleForm::Seconds), &json!({"m": "limit:30,time:1 minute"})), None);
    }
}
