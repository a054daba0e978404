//! Lists of certificates at a provider: the rows of a page, under the names of what is known of each. Pure: asking is others' affair.

use super::answer::scalar_text;
use super::model::{ListRule, ListedPlace};
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a list tells of one certificate or order: column → text, a list's items separated by spaces. What it does not tell is not there.
pub type ListedRow = BTreeMap<String, String>;

/// The rows of one page.
pub fn rows(rule: &ListRule, page: &Value) -> Vec<ListedRow> {
    let items = rule.rows.of(page).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let row = |item: &Value| {
        let cells = rule.columns.iter().filter_map(|(name, place)| Some((name.clone(), text(place, item)?)));
        cells.collect()
    };
    items.iter().map(row).collect()
}

fn text(place: &ListedPlace, item: &Value) -> Option<String> {
    let found = place.pointer.of(item)?;
    if place.is_unix_time {
        return unix_time(found);
    }
    if let Some(before) = &place.behind {
        let text = scalar_text(found)?;
        let (_, rest) = text.split_once(before.as_str())?;
        return rest.split('/').next().filter(|part| !part.is_empty()).map(ToOwned::to_owned);
    }
    match found {
        Value::Array(items) => Some(items.iter().filter_map(scalar_text).collect::<Vec<_>>().join(" ")),
        scalar => scalar_text(scalar).map(Cow::into_owned),
    }
}

/// Seconds since 1970, whole or with a fraction, as RFC 3339; what is none is not told.
fn unix_time(found: &Value) -> Option<String> {
    let text = scalar_text(found)?;
    // Fractions say nothing about a certificate, whose times are whole seconds (RFC 5280, section 4.1.2.5).
    let whole = text.split_once('.').map_or(&*text, |(whole, _)| whole);
    // A number of that size may be written with an exponent: 1.7959392E9.
    let seconds = whole.parse::<i64>().ok().filter(|_| !text.contains(['e', 'E']));
    let seconds = seconds.or_else(|| found.as_f64().map(|seconds| format!("{seconds:.0}"))?.parse().ok())?;
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::answer::Pointer;
    use serde_json::json;

    #[test]
    fn rows_tell_what_their_columns_say() {
        let place = |behind: Option<&str>, is_unix_time| ListedPlace {
            pointer: Pointer::parse("/x").unwrap(),
            behind: behind.map(ToOwned::to_owned),
            is_unix_time,
        };
        for (behind, is_unix_time, value, expected) in [
            (None, false, json!("a"), Some("a")),
            (None, false, json!(["a", "b"]), Some("a b")),
            (None, false, json!({"y": 1}), None),
            (Some("/pools/"), false, json!("projects/p/pools/a/certificates/b"), Some("a")),
            (Some("/certificates/"), false, json!("projects/p/pools/a/certificates/b"), Some("b")),
            (Some("/certificates/"), false, json!("projects/p"), None),
            (Some("/certificates/"), false, json!("p/certificates/"), None),
            (None, true, json!(1_795_939_200), Some("2026-11-29T08:00:00Z")),
            (None, true, json!(1_795_939_200.75), Some("2026-11-29T08:00:00Z")),
            (None, true, json!(1.795_939_2e9), Some("2026-11-29T08:00:00Z")),
            (None, true, json!("1795939200"), Some("2026-11-29T08:00:00Z")),
            (None, true, json!("soon"), None),
        ] {
            assert_eq!(text(&place(behind, is_unix_time), &json!({"x": value})).as_deref(), expected, "{value}");
        }
    }
}
