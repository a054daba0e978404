//! The rows of an answer, as lists, status queries and previews read them: the way to them, what their columns tell, and their state by the
//! first rule that holds; and which lists of a provider serve to name an action's targets. Pure: asking is others' affair, and so is what a
//! column or a state is for.

use super::answer::{Pointer, scalar_text};
use super::model::{ListRule, ListedPlace, Operation, Provider, RowMatch, RowRule, RowStep, SerialRule, StateRule};
use super::verdict;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What an answer tells of one certificate or order: column → text, a list's items separated by spaces. What it does not tell is not there.
pub type ListedRow = BTreeMap<String, String>;

/// A row, and the items in whose lists it was found.
pub(super) struct AnswerRow<'v> {
    /// The row itself.
    pub(super) item: &'v Value,
    /// The outermost first.
    around: Vec<&'v Value>,
}

impl AnswerRow<'_> {
    /// What the columns find in the row, or else in the items around it, the innermost first. The answer itself is none of them: what it says is of no
    /// one row.
    pub(super) fn cells(&self, columns: &[(String, ListedPlace)]) -> ListedRow {
        let items = || std::iter::once(self.item).chain(self.around.iter().rev().copied());
        let find = |place: &ListedPlace| items().find_map(|item| text(place, item));
        columns.iter().filter_map(|(name, place)| Some((name.clone(), find(place)?))).collect()
    }
}

impl RowMatch {
    /// Where the item must hold this value of the parameter.
    pub fn pointer_of(&self, value: &str) -> &Pointer {
        let is_serial = self.serial.is_some_and(|rule| rule.read(value).is_some());
        self.serial_pointer.as_ref().filter(|_| is_serial).unwrap_or(&self.pointer)
    }
}

/// The rows of one answer, as a list tells them.
pub fn rows(rule: &RowRule<&'static str>, page: &Value) -> Vec<ListedRow> {
    // A list takes all its rows: its steps match by no parameter.
    let rows = rows_by_steps(&rule.steps, &Map::new(), page);
    rows.iter().map(|row| listed(rule, row)).collect()
}

/// The outermost list of an answer.
pub fn outermost<'v>(rule: &RowRule<&'static str>, page: &'v Value) -> Option<&'v Value> {
    rule.steps.first()?.list.of(page)
}

/// The rows that the steps lead to from an answer; without steps it is the one row. `parameters` are those that the steps match by.
pub(super) fn rows_by_steps<'v>(
    steps: &[RowStep],
    parameters: &Map<String, Value>,
    answer: &'v Value,
) -> Vec<AnswerRow<'v>> {
    let Some((first, inner)) = steps.split_first() else {
        return vec![AnswerRow { item: answer, around: Vec::new() }];
    };
    let outer = kept(first, parameters, answer).map(|item| AnswerRow { item, around: Vec::new() }).collect();
    inner.iter().fold(outer, |rows: Vec<AnswerRow<'v>>, step| {
        let within = |row: AnswerRow<'v>| {
            let around = [row.around.as_slice(), &[row.item]].concat();
            kept(step, parameters, row.item).map(move |item| AnswerRow { item, around: around.clone() })
        };
        rows.into_iter().flat_map(within).collect()
    })
}

/// The items of a list in a value. A single object counts as a list of one: providers show one item where there can be only one (an order's
/// `certificate` at DigiCert).
pub fn items<'v>(list: &Pointer, value: &'v Value) -> &'v [Value] {
    match list.of(value) {
        Some(Value::Array(items)) => items,
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    }
}

/// The state by an item: that of the first rule that holds for it.
pub(super) fn state<S: Copy>(rules: &[StateRule<S>], item: &Value) -> Option<S> {
    rules.iter().find(|rule| verdict::all_hold(&rule.when, item)).map(|rule| rule.state)
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

fn listed(rule: &RowRule<&'static str>, row: &AnswerRow<'_>) -> ListedRow {
    let mut told = row.cells(&rule.columns);
    if let Some(status) = state(&rule.states, row.item) {
        told.insert("status".to_owned(), status.to_owned());
    }
    told
}

fn kept<'v>(step: &RowStep, parameters: &Map<String, Value>, value: &'v Value) -> impl Iterator<Item = &'v Value> {
    items(&step.list, value).iter().filter(|item| matches(step, parameters, item))
}

fn matches(step: &RowStep, parameters: &Map<String, Value>, item: &Value) -> bool {
    step.matches.iter().all(|condition| {
        let wanted = parameters.get(&condition.parameter).and_then(scalar_text);
        let found = condition.pointer_of(wanted.as_deref().unwrap_or_default()).text_of(item);
        // Answers spell serial numbers in their own way.
        let is_same = |rule: SerialRule| {
            let read = |text: &Option<Cow<'_, str>>| rule.read(text.as_deref()?);
            read(&wanted).is_some_and(|serial| read(&found) == Some(serial))
        };
        wanted.is_some()
            && (wanted.as_deref() == condition.any.as_deref()
                || wanted == found
                || condition.is_request && is_same_request(wanted.as_deref(), found.as_deref())
                || condition.serial.is_some_and(is_same))
    })
}

/// Whether two texts are one certificate request in PEM: its lines may be broken elsewhere, and its frame may be missing.
fn is_same_request(wanted: Option<&str>, found: Option<&str>) -> bool {
    let bare = |text: &str| -> String {
        let lines = text.lines().filter(|line| !line.starts_with("-----"));
        lines.flat_map(str::chars).filter(|letter| !letter.is_whitespace()).collect()
    };
    wanted.zip(found).is_some_and(|(wanted, found)| !wanted.is_empty() && bare(wanted) == bare(found))
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

    #[test]
    fn rows_are_those_that_each_step_keeps() {
        let pointer = |text: &str| Pointer::parse(text).unwrap();
        let step = |list: &str, matched: Option<(&str, &str)>| {
            let of = |(place, parameter): (&str, &str)| RowMatch {
                pointer: pointer(place),
                is_request: false,
                serial_pointer: None,
                parameter: parameter.to_owned(),
                serial: None,
                any: Some("0".to_owned()),
            };
            RowStep { list: pointer(list), matches: matched.map(of).into_iter().collect() }
        };
        let columns: Vec<_> = [("no", "/no"), ("order", "/order"), ("total", "/total")]
            .map(|(name, place)| {
                (name.to_owned(), ListedPlace { pointer: pointer(place), behind: None, is_unix_time: false })
            })
            .into();
        let answer = json!({"total": 3, "orders": [
            {"order": "1", "certificates": [{"no": 1}, {"no": 2}]},
            {"order": "2", "certificates": {"no": 1, "order": "own"}},
            {"order": "3"},
        ]});
        let orders = |matched| step("/orders", matched);
        let certificates = |matched| step("/certificates", matched);
        for (steps, given, expected) in [
            // The answer itself is around no row.
            (vec![orders(None)], json!({}), json!([{"order": "1"}, {"order": "2"}, {"order": "3"}])),
            (
                vec![orders(None), certificates(None)],
                json!({}),
                json!([{"no": "1", "order": "1"}, {"no": "2", "order": "1"}, {"no": "1", "order": "own"}]),
            ),
            (
                vec![orders(Some(("/order", "of"))), certificates(Some(("/no", "number")))],
                json!({"of": "1", "number": 2}),
                json!([{"no": "2", "order": "1"}]),
            ),
            (
                vec![orders(Some(("/order", "of"))), certificates(Some(("/no", "number")))],
                json!({"of": "2", "number": 0}),
                json!([{"no": "1", "order": "own"}]),
            ),
            (vec![orders(Some(("/order", "of")))], json!({}), json!([])),
            (vec![step("/nothing", None)], json!({}), json!([])),
            (vec![], json!({}), json!([{"total": "3"}])),
        ] {
            let found: Value = rows_by_steps(&steps, given.as_object().unwrap(), &answer)
                .iter()
                .map(|row| Value::from_iter(row.cells(&columns)))
                .collect();
            assert_eq!(found, expected, "{given}");
        }
    }

    #[test]
    fn a_row_is_found_by_its_serial_number_however_it_is_spelled() {
        let step = |serial| RowStep {
            list: Pointer::parse("/list").unwrap(),
            matches: vec![RowMatch {
                pointer: Pointer::parse("/serial").unwrap(),
                is_request: false,
                serial_pointer: None,
                parameter: "id".to_owned(),
                serial,
                any: None,
            }],
        };
        let either = Some(SerialRule { id_digits: Some(18), ..SerialRule::default() });
        for (serial, wanted, found, expected) in [
            (either, json!("0a1b2c"), json!("0A:1B:2C"), true),
            (either, json!("0a1b2c"), json!("A1B2C"), true),
            (either, json!("0a1b2c"), json!("0a1b2d"), false),
            (either, json!("112358"), json!(112_358), true),
            // An id, and a number that only looks like it.
            (either, json!("112358"), json!("0112358"), false),
            (either, json!("112358"), json!("11:23:58"), false),
            (None, json!("0a1b2c"), json!("0A:1B:2C"), false),
        ] {
            let answer = json!({"list": [{"serial": found}]});
            let steps = [step(serial)];
            let parameters = Map::from_iter([("id".to_owned(), wanted.clone())]);
            assert_eq!(rows_by_steps(&steps, &parameters, &answer).len(), usize::from(expected), "{wanted} {found}");
        }
    }

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
