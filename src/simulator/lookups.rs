//! Answers to look-ups, made from samples so that they tell how the targets stand. Reads state and changes none.

use super::answers;
use super::request::Response;
use super::state::{Found, State, Target};
use crate::provider::model::{Condition, LookupRule, RowStep, Sample, StandingRule, TargetKind, Test};
use crate::provider::pointer::scalar_text;
use crate::provider::{Operation, Provider, Standing, verdict};
use serde_json::{Map, Value};

/// From a sample's row to a row that tells what it must, where it can be one.
type Way<'a> = dyn Fn(&Value) -> Option<Value> + 'a;

/// Answers a look-up whose parameters are `asked` from the targets that it shows.
pub(super) fn answer(
    provider: &Provider,
    lookup: &Operation,
    asked: &Map<String, Value>,
    state: &State,
    found: &[&[Found]],
) -> Response {
    let declared = provider.actions().flat_map(|(_, action)| &action.lookups);
    let Some(first) = declared.into_iter().find(|rule| rule.operation == lookup.name) else {
        return answers::granted(lookup, asked, 0).response;
    };
    let body = if first.rows.is_empty() {
        object(provider, lookup, first, asked, state, found)
    } else {
        Some(list(provider, lookup, first, asked, state, found))
    };
    let Some(body) = body else { return answers::not_found(lookup, "there is no such object") };
    Response::json(200, Some(&body))
}

/// One object. Where several targets share it (the certificates of an order), what was done to the whole decides; it is never
/// said to be done for a target to which nothing was done.
fn object(
    provider: &Provider,
    lookup: &Operation,
    first: &LookupRule,
    asked: &Map<String, Value>,
    state: &State,
    found: &[&[Found]],
) -> Option<Value> {
    let targets: Vec<(&Target, &Operation, &LookupRule)> =
        found.iter().copied().flatten().filter_map(|found| resolve(provider, state, *found)).collect();
    let is_whole =
        |action: &Operation| action.action.as_ref().is_some_and(|rules| rules.target.kind != TargetKind::Certificate);
    let whole = targets.iter().filter(|(target, action, _)| target.standing != Standing::NotDone && is_whole(action));
    let decisive = whole
        .max_by_key(|(target, ..)| target.latest)
        .or_else(|| targets.iter().find(|(target, ..)| target.standing == Standing::NotDone))
        .or_else(|| targets.iter().find(|(target, ..)| target.standing == Standing::Pending))
        .or_else(|| targets.iter().max_by_key(|(target, ..)| target.latest));
    let (standing, name, rule) = decisive.map_or((Standing::NotDone, "", first), |(target, operation, rule)| {
        (target.standing, operation.name.as_str(), *rule)
    });
    let bodies: Vec<Value> = bodies(lookup, name).map(|(sample, body)| addressed(sample, body, asked)).collect();
    ladder(standing).iter().find_map(|standing| {
        let telling = || bodies.iter().find(|body| tells(rule, body) == *standing).cloned();
        telling().or_else(|| forced(rule, *standing, bodies.first()?))
    })
}

/// The standings that are shown in place of one that a look-up cannot tell: what is done shows as accepted, a request that
/// waits as one that was not made, and silence is left for the rest.
const fn ladder(standing: Standing) -> &'static [Standing] {
    match standing {
        Standing::Done => &[Standing::Done, Standing::Pending, Standing::Unknown],
        Standing::Pending => &[Standing::Pending, Standing::NotDone, Standing::Unknown],
        Standing::NotDone => &[Standing::NotDone, Standing::Unknown],
        Standing::Unknown => &[Standing::Unknown],
    }
}

/// A sample's body with the ids that were asked for in place of the sample's own.
fn addressed(sample: &Sample, body: &Value, asked: &Map<String, Value>) -> Value {
    let mut body = body.clone();
    for member in body.as_object_mut().into_iter().flat_map(Map::values_mut) {
        let own = sample.parameters.iter().find(|(_, own)| *own == member).map(|(name, _)| name);
        if let Some(value) = own.and_then(|name| asked.get(name)) {
            *member = value.clone();
        }
    }
    body
}

/// A list: a row for each target on the page that is asked for.
fn list(
    provider: &Provider,
    lookup: &Operation,
    first: &LookupRule,
    asked: &Map<String, Value>,
    state: &State,
    found: &[&[Found]],
) -> Value {
    let total: usize = found.iter().map(|found| found.len()).sum();
    let (skip, take) = first.pages.as_ref().map_or((0, usize::MAX), |pages| {
        let number = asked.get(&pages.parameter).and_then(scalar_text).and_then(|text| text.parse::<u32>().ok());
        let before = number.unwrap_or(pages.first).saturating_sub(pages.first);
        let size = usize::try_from(pages.size).unwrap_or(usize::MAX);
        (usize::try_from(before).unwrap_or(usize::MAX).saturating_mul(size), size)
    });
    let page = slice(found, skip, take);
    let rows = page.filter_map(|found| {
        let (target, action, rule) = resolve(provider, state, found)?;
        row(lookup, action, rule, target)
    });
    let rows = Value::Array(rows.collect());
    let Some(step) = first.rows.first() else { return Value::Null };
    let mut body = bodies(lookup, "")
        .map(|(_, body)| body)
        .find(|body| step.list.of(body).is_some())
        .cloned()
        .unwrap_or(Value::Null);
    answers::put(&mut body, &step.list, "");
    if let Some(place) = body.pointer_mut(&step.list.to_string()) {
        *place = rows;
    }
    if let Some(pages) = &first.pages {
        if pages.total.of(&body).is_none() {
            answers::put(&mut body, &pages.total, "0");
        }
        if let Some(place) = body.pointer_mut(&pages.total.to_string()) {
            *place = if place.is_string() { Value::from(total.to_string()) } else { Value::from(total) };
        }
    }
    body
}

/// The item of the outermost list that shows a target as it stands, after the like of a sample.
fn row(lookup: &Operation, action: &Operation, rule: &LookupRule, target: &Target) -> Option<Value> {
    let (step, rest) = rule.rows.split_first()?;
    let made = |way: &Way<'_>| {
        bodies(lookup, &action.name).find_map(|(_, body)| item(step, rest, body, &target.parameters, way))
    };
    ladder(target.standing).iter().find_map(|standing| {
        let fits = |row: &Value| (tells(rule, row) == *standing).then(|| row.clone());
        made(&fits).or_else(|| made(&|row| forced(rule, *standing, row)))
    })
}

/// The first item of a step's list that has, below all further steps, a row to which `way` agrees; its lists hold that alone.
fn item(
    step: &RowStep,
    rest: &[RowStep],
    value: &Value,
    parameters: &Map<String, Value>,
    way: &Way<'_>,
) -> Option<Value> {
    let items = step.list.of(value)?.as_array()?;
    let mut found = items.iter().find_map(|candidate| match rest.split_first() {
        None => way(candidate),
        Some((next, rest)) => {
            let inner = item(next, rest, candidate, parameters, way)?;
            let mut outer = candidate.clone();
            *outer.pointer_mut(&next.list.to_string())? = Value::Array(vec![inner]);
            Some(outer)
        }
    })?;
    for condition in &step.matches {
        let value = parameters.get(&condition.parameter).and_then(scalar_text);
        if let Some(text) = value.filter(|text| Some(text) != condition.any.as_ref()) {
            answers::put(&mut found, &condition.pointer, &text);
        }
    }
    Some(found)
}

/// A sample changed so that it tells a standing; `None` where no rule tells it, or its conditions cannot be made true.
fn forced(rule: &LookupRule, standing: Standing, sample: &Value) -> Option<Value> {
    let make = |declared: &StandingRule| {
        let mut value = sample.clone();
        for Condition { pointer, test } in &declared.when {
            match test {
                Test::OneOf(words) | Test::Prefix(words) => answers::put(&mut value, pointer, words.first()?),
                Test::Contains(word) => answers::put(&mut value, pointer, word),
                Test::NoneOf(_) | Test::Present(true) => answers::put(&mut value, pointer, "simulated"),
                Test::Present(false) => {
                    if let Some(place) = value.pointer_mut(&pointer.to_string()) {
                        *place = Value::Null;
                    }
                }
            }
        }
        (tells(rule, &value) == standing).then_some(value)
    };
    rule.standings.iter().filter(|declared| declared.tells == standing).find_map(make)
}

fn tells(rule: &LookupRule, row: &Value) -> Standing {
    let first = rule.standings.iter().find(|declared| verdict::all_hold(&declared.when, row));
    first.map_or(Standing::Unknown, |declared| declared.tells)
}

/// The bodies of all good answers among the look-up's samples, those first that are read for this action.
fn bodies<'a>(lookup: &'a Operation, action: &'a str) -> impl Iterator<Item = (&'a Sample, &'a Value)> {
    let is_own = move |sample: &&Sample| sample.reading.as_ref().is_some_and(|reading| reading.action == action);
    let own = lookup.samples.iter().filter(move |sample| is_own(sample));
    let others = lookup.samples.iter().filter(move |sample| !is_own(sample));
    let all = own.chain(others).flat_map(|sample| sample.answers.iter().map(move |answer| (sample, answer)));
    let good = all.filter(|(_, answer)| answer.status == 200);
    good.filter_map(|(sample, answer)| Some((sample, answer.body.as_ref()?)))
}

fn resolve<'a>(
    provider: &'a Provider,
    state: &'a State,
    found: Found,
) -> Option<(&'a Target, &'a Operation, &'a LookupRule)> {
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
