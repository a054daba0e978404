//! Lists of certificates at a provider: the rows of a page, under the names of what is known of each, and which lists serve to name an action's
//! targets. Pure: asking is others' affair.

use super::model::{ListRule, Operation, Provider, RowRule};
use super::rows::{self, AnswerRow, ListedRow};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The rows of one answer.
pub fn rows(rule: &RowRule<&'static str>, page: &Value) -> Vec<ListedRow> {
    // A list takes all its rows: its steps match by no parameter.
    let rows = rows::rows(&rule.steps, &Map::new(), page);
    rows.iter().map(|row| listed(rule, row)).collect()
}

/// The outermost list of an answer.
pub fn outermost<'v>(rule: &RowRule<&'static str>, page: &'v Value) -> Option<&'v Value> {
    rule.steps.first()?.list.of(page)
}

fn listed(rule: &RowRule<&'static str>, row: &AnswerRow<'_>) -> ListedRow {
    let mut told = row.cells(&rule.columns);
    if let Some(status) = rows::state(&rule.states, row.item) {
        told.insert("status".to_owned(), status.to_owned());
    }
    told
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
    use crate::provider::answer::Pointer;
    use crate::provider::model::{ListedPlace, RowStep};
    use serde_json::json;

    fn rule(lists: &[&str], columns: &[(&str, &str)]) -> RowRule<&'static str> {
        let pointer = |text: &str| Pointer::parse(text).unwrap();
        let place_of = |pointer| ListedPlace { pointer, behind: None, is_unix_time: false };
        RowRule {
            steps: lists.iter().map(|list| RowStep { list: pointer(list), matches: Vec::new() }).collect(),
            columns: columns.iter().map(|(name, place)| ((*name).to_owned(), place_of(pointer(place)))).collect(),
            states: Vec::new(),
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
        // One object in the place of a list is its only item.
        let order = json!({"certificate": {"no": 1}});
        assert_eq!(rows(&rule(&["/certificate"], &[("no", "/no")]), &order).len(), 1);
        let alone = rule(&[], &[("total", "/total")]);
        assert_eq!(rows(&alone, &page).len(), 1);
        assert_eq!(rows(&rule(&["/nothing"], &[]), &page).len(), 0);
    }
}
