//! Answers to look-ups from the state: which targets they show, and what may be said of them. Changes no state.

use super::answers;
use super::request::Response;
use super::shapes::{self, View};
use super::state::{Found, State, Target};
use crate::provider::model::{LookupRule, Pages, TargetKind};
use crate::provider::pointer::{Pointer, scalar_text};
use crate::provider::{Operation, Provider, Standing, lookup};
use serde_json::{Map, Value};

/// Answers a look-up whose parameters are `asked` from the targets that it shows.
pub(super) fn answer(
    provider: &Provider,
    lookup: &Operation,
    asked: &Map<String, Value>,
    state: &State,
    found: &[&[Found]],
) -> Response {
    let each = provider.actions().flat_map(|(action, rules)| rules.lookups.iter().map(move |rule| (action, rule)));
    let rules: Vec<(&Operation, &LookupRule)> = each.filter(|(_, rule)| rule.operation == lookup.name).collect();
    let is_list =
        |list: &Pointer| shapes::bodies(lookup, "").any(|(_, body)| list.of(body).is_some_and(Value::is_array));
    let lister = rules.iter().find_map(|(_, rule)| {
        let list = &rule.rows.first()?.list;
        is_list(list).then_some((rule, list))
    });
    let shown = |found: Found| resolve(provider, state, found);
    let body = if let Some((rule, list)) = lister {
        Some(page(lookup, list, rule.pages.as_ref(), asked, found, &shown))
    } else {
        let targets: Vec<Shown<'_>> = found.iter().copied().flatten().filter_map(|found| shown(*found)).collect();
        object(lookup, &rules, asked, &targets)
    };
    let Some(body) = body else { return answers::not_found(lookup, "there is no such object") };
    Response::json(200, Some(&body))
}

/// A target with the action and the rule by which a look-up shows it.
type Shown<'a> = (&'a Target, &'a Operation, &'a LookupRule);

/// One object. Where several targets share it (an order and its certificates), it shows the one to which something was done
/// last, but only in a way that tells of no other that it was done when it was not.
fn object(
    lookup: &Operation,
    rules: &[(&Operation, &LookupRule)],
    asked: &Map<String, Value>,
    targets: &[Shown<'_>],
) -> Option<Value> {
    let is_whole =
        |action: &Operation| action.action.as_ref().is_some_and(|rules| rules.target.kind != TargetKind::Certificate);
    let done = || targets.iter().filter(|(target, ..)| target.standing == Standing::Done);
    let is_true = |body: &Value| {
        let tells_done = |rule: &LookupRule, parameters: &Map<String, Value>| {
            lookup::standing(rule, parameters, std::slice::from_ref(body)).0 == Standing::Done
        };
        let of_known =
            |(target, _, rule): &Shown<'_>| target.standing == Standing::Done || !tells_done(rule, &target.parameters);
        // Also of what nobody has asked for yet nothing is told.
        let of_any = |(action, rule): &(&Operation, &LookupRule)| {
            done().any(|(_, by, _)| by.name == action.name) || !tells_done(rule, &Map::new())
        };
        done().any(|(_, action, _)| is_whole(action)) || targets.iter().all(of_known) && rules.iter().all(of_any)
    };
    let mut targets = targets.to_vec();
    targets.sort_by_key(|(target, action, _)| {
        std::cmp::Reverse((target.standing == Standing::Done, is_whole(action), target.latest))
    });
    let none = Map::new();
    let nobody =
        rules.iter().map(|(_, rule)| View { lookup, rule, action: "", parameters: &none, standing: Standing::NotDone });
    let views = targets.iter().take(MOST_TRIED).map(|(target, action, rule)| View {
        lookup,
        rule,
        action: &action.name,
        parameters: &target.parameters,
        standing: target.standing,
    });
    views.chain(nobody).find_map(|view| view.bodies(asked).into_iter().find(is_true))
}

/// A list: an item for each target on the page that is asked for.
fn page<'a>(
    lookup: &Operation,
    list: &Pointer,
    pages: Option<&Pages>,
    asked: &Map<String, Value>,
    found: &[&[Found]],
    shown: &dyn Fn(Found) -> Option<Shown<'a>>,
) -> Value {
    let total: usize = found.iter().map(|found| found.len()).sum();
    let (skip, take) = pages.map_or((0, usize::MAX), |pages| {
        let number = asked.get(&pages.parameter).and_then(scalar_text).and_then(|text| text.parse::<u32>().ok());
        let before = number.unwrap_or(pages.first).saturating_sub(pages.first);
        let size = usize::try_from(pages.size).unwrap_or(usize::MAX);
        (usize::try_from(before).unwrap_or(usize::MAX).saturating_mul(size), size)
    });
    let items = slice(found, skip, take).filter_map(|found| {
        let (target, action, rule) = shown(found)?;
        let (action, parameters, standing) = (action.name.as_str(), &target.parameters, target.standing);
        let body = View { lookup, rule, action, parameters, standing }.first()?;
        list.of(&body)?.as_array()?.first().cloned()
    });
    let items = Value::Array(items.collect());
    let good = shapes::bodies(lookup, "").map(|(_, body)| body).find(|body| list.of(*body).is_some());
    let mut body = good.cloned().unwrap_or(Value::Null);
    if let Some(place) = body.pointer_mut(&list.to_string()) {
        *place = items;
    }
    if let Some(pages) = pages {
        if pages.total.of(&body).is_none() {
            answers::put(&mut body, &pages.total, "0");
        }
        if let Some(place) = body.pointer_mut(&pages.total.to_string()) {
            *place = if place.is_string() { Value::from(total.to_string()) } else { Value::from(total) };
        }
    }
    body
}

fn resolve<'a>(provider: &'a Provider, state: &'a State, found: Found) -> Option<Shown<'a>> {
    let target = state.target(found.target);
    let action = provider.operations.get(target.operation)?;
    Some((target, action, action.action.as_ref()?.lookups.get(found.rule)?))
}

/// Some of several lists as if they were one, without walking what is skipped.
fn slice<'a>(lists: &'a [&'a [Found]], mut skip: usize, mut take: usize) -> impl Iterator<Item = Found> + 'a {
    lists.iter().copied().flat_map(move |list| {
        let from = skip.min(list.len());
        let to = from.saturating_add(take).min(list.len());
        skip -= from;
        take -= to - from;
        list[from..to].iter().copied()
    })
}

/// Of more targets that share an object, the simulator tries no more.
const MOST_TRIED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lists_are_sliced_as_one() {
        let list = |range: std::ops::Range<usize>| range.map(|target| Found { target, rule: 0 }).collect::<Vec<_>>();
        let (one, two, three) = (list(0..3), list(3..4), list(4..8));
        let lists = [one.as_slice(), &two, &three];
        for (skip, take, expected) in [(0, 2, 0..2), (2, 3, 2..5), (3, 9, 3..8), (8, 2, 0..0), (0, usize::MAX, 0..8)] {
            let sliced: Vec<usize> = slice(&lists, skip, take).map(|found| found.target).collect();
            assert_eq!(sliced, expected.collect::<Vec<_>>(), "{skip} {take}");
        }
    }
}
