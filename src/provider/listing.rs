//! Lists of certificates at a provider: the rows of a page, under the names of what is known of each. Pure: asking is others' affair.

use super::answer::{Pointer, scalar_text};
use super::model::ListRule;
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

fn text(place: &Pointer, item: &Value) -> Option<String> {
    match place.of(item)? {
        Value::Array(items) => Some(items.iter().filter_map(scalar_text).collect::<Vec<_>>().join(" ")),
        scalar => scalar_text(scalar).map(Cow::into_owned),
    }
}
