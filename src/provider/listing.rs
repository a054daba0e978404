//! Lists of certificates at a provider: the rows of a page, under the names of what is known of each, and which lists serve to name an action's
//! targets. Pure: asking is others' affair.

use super::answer::{Pointer, scalar_text};
use super::model::{ListRule, ListedPlace, Operation, Provider, RowRule};
use super::verdict;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What a list tells of one certificate or order: column → text, a list's items separated by spaces. What it does not tell is not there.
pub type ListedRow = BTreeMap<String, String>;

/// The rows of one answer.
pub fn rows(rule: &RowRule, page: &Value) -> Vec<ListedRow> {
    let Some((first, inner)) = rule.lists.split_first() else { return vec![row(rule, &[page])] };
    let mut chains: Vec<Vec<&Value>> = items(first, page).map(|item| vec![item]).collect();
    for list in inner {
        let mut next = Vec::new();
        for chain in chains {
            let found: Vec<&Value> = chain.last().into_iter().flat_map(|item| items(list, item)).collect();
            next.extend(found.into_iter().map(|item| chain.iter().copied().chain([item]).collect::<Vec<_>>()));
        }
        chains = next;
    }
    chains.iter().map(|chain| row(rule, chain)).collect()
}

fn items<'v>(list: &Pointer, value: &'v Value) -> impl Iterator<Item = &'v Value> {
    list.of(value).and_then(Value::as_array).into_iter().flatten()
}

/// The outermost list of an answer.
pub fn outermost<'v>(rule: &RowRule, page: &'v Value) -> Option<&'v Value> {
    rule.lists.first()?.of(page)
}

fn row(rule: &RowRule, chain: &[&Value]) -> ListedRow {
    let mut row = cells(&rule.columns, chain);
    let said = |item: &Value| rule.statuses.iter().find(|(when, _)| verdict::all_hold(when, item));
    if let Some((_, status)) = chain.last().and_then(|item| said(item)) {
        row.insert("status".to_owned(), (*status).to_owned());
    }
    row
}

/// What the columns find in an item, or else in those around it, the outermost first.
pub(super) fn cells(columns: &[(String, ListedPlace)], chain: &[&Value]) -> ListedRow {
    let find = |place: &ListedPlace| chain.iter().rev().find_map(|item| text(place, item));
    columns.iter().filter_map(|(name, place)| Some((name.clone(), find(place)?))).collect()
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

/// The lists of a provider that can be read with these parameters alone, and that tell of their rows what names an action's target; each is
/// the index of an operation.
///
/// # Errors
/// None can; what is missing, as a sentence.
pub fn lists_for(provider: &Provider, action: &Operation, given: &Map<String, Value>) -> Result<Vec<usize>, String> {
    let lists =
        || provider.operations.iter().enumerate().filter_map(|(index, one)| Some((index, one, one.list.as_ref()?)));
    if lists().next().is_none() {
        return Err(format!("`{}` has no list of what there is", provider.id));
    }
    let telling: Vec<_> = lists().filter(|(_, _, list)| names_target(action, list, given)).collect();
    if telling.is_empty() {
        let lacking = |list: &ListRule| -> Vec<String> {
            let targets = action.action.iter().flat_map(|rules| &rules.target.parameters);
            targets.filter(|name| !tells(action, list, given, name)).cloned().collect()
        };
        let fewest = lists().map(|(_, _, list)| lacking(list)).min_by_key(Vec::len).unwrap_or_default();
        let example: Vec<String> = fewest.iter().map(|name| format!(",{name}=…")).collect();
        return Err(format!(
            "no list of `{}` tells `{}`, by which `{}` names its targets; where it is the same for all, write `--at {}{}`",
            provider.id,
            fewest.join("`, `"),
            action.name,
            provider.id,
            example.concat()
        ));
    }
    let takes = |one: &Operation, name: &String| {
        let names_target = action.action.as_ref().is_some_and(|rules| rules.target.parameters.contains(name));
        names_target || one.parameters.iter().any(|parameter| parameter.name == *name)
    };
    let all = telling.clone();
    let telling: Vec<_> = telling.into_iter().filter(|(_, one, _)| given.keys().all(|name| takes(one, name))).collect();
    if let (Some(name), true) = (given.keys().next(), telling.is_empty()) {
        let known = all.iter().flat_map(|(_, one, _)| &one.parameters).map(|parameter| parameter.name.as_str());
        let known: BTreeSet<&str> = known.collect();
        let known: Vec<&str> = known.into_iter().collect();
        return Err(format!(
            "no list is asked with `{name}` and what stands beside it; they take {}",
            known.join(", ")
        ));
    }
    let lacking = |asked: &Operation, list: &ListRule| -> Vec<String> {
        let is_there = |name: &str| {
            given.contains_key(name)
                || list.parameters.iter().any(|(known, _)| known == name)
                || list.pages.as_ref().is_some_and(|pages| pages.parameter == name)
        };
        let needed = asked.parameters.iter().filter(|parameter| parameter.required && parameter.fixed.is_none());
        needed.map(|parameter| parameter.name.clone()).filter(|name| !is_there(name)).collect()
    };
    let usable: Vec<usize> =
        telling.iter().filter(|(_, one, list)| lacking(one, list).is_empty()).map(|(index, ..)| *index).collect();
    match telling.first() {
        Some((_, one, list)) if usable.is_empty() => {
            let names = lacking(one, list);
            let example: Vec<String> = names.iter().map(|name| format!(",{name}=…")).collect();
            Err(format!(
                "`{}` of `{}` needs `{}`; write `--at {}{}`",
                one.name,
                provider.id,
                names.join("`, `"),
                provider.id,
                example.concat()
            ))
        }
        _ => Ok(usable),
    }
}

/// Whether a list's rows, with what is asked about them, tell what names an action's target.
fn names_target(action: &Operation, list: &ListRule, given: &Map<String, Value>) -> bool {
    let Some(rules) = &action.action else { return false };
    match &rules.certificate {
        Some(_) => has_column(list, "certificate"),
        None => rules.target.parameters.iter().all(|name| tells(action, list, given, name)),
    }
}

/// Whether a list tells a parameter that names a target.
fn tells(action: &Operation, list: &ListRule, given: &Map<String, Value>, name: &str) -> bool {
    let is_serial = action.parameter(name).is_some_and(|parameter| parameter.serial().is_some());
    given.contains_key(name)
        || has_column(list, name)
        || is_serial && (has_column(list, "serial_number") || has_column(list, "certificate"))
}

fn has_column(list: &ListRule, name: &str) -> bool {
    let rows = list.details.iter().map(|detail| &detail.rows).chain([&list.rows]);
    rows.flat_map(|rows| &rows.columns).any(|(column, _)| column == name)
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn rule(lists: &[&str], columns: &[(&str, &str)]) -> RowRule {
        let pointer = |text: &str| Pointer::parse(text).unwrap();
        let place_of = |pointer| ListedPlace { pointer, behind: None, is_unix_time: false };
        RowRule {
            lists: lists.iter().map(|list| pointer(list)).collect(),
            columns: columns.iter().map(|(name, place)| ((*name).to_owned(), place_of(pointer(place)))).collect(),
            statuses: Vec::new(),
        }
    }

    #[test]
    fn rows_take_what_the_items_around_them_tell() {
        let page = json!({"total": 3, "orders": [
            {"orderID": "1", "certificates": [{"no": 1, "names": ["a", "b"]}, {"no": 2}]},
            {"orderID": "2", "certificates": [{"no": 3, "orderID": "own"}]},
            {"orderID": "3"},
        ]});
        let nested = rule(
            &["/orders", "/certificates"],
            &[("no", "/no"), ("order", "/orderID"), ("names", "/names"), ("total", "/total")],
        );
        let found: Vec<Value> = rows(&nested, &page).into_iter().map(Value::from_iter).collect();
        assert_eq!(
            found,
            [
                json!({"no": "1", "order": "1", "names": "a b"}),
                json!({"no": "2", "order": "1"}),
                json!({"no": "3", "order": "own"})
            ]
        );
        let alone = rule(&[], &[("total", "/total")]);
        assert_eq!(rows(&alone, &page).len(), 1);
        assert_eq!(rows(&rule(&["/nothing"], &[]), &page).len(), 0);
    }
}
