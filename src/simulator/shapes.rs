//! Bodies of look-ups' answers after the like of samples: made to tell of one target how it stands. Knows no state.

use super::answers;
use crate::provider::model::{Condition, LookupRule, RowStep, Sample, StandingRule, Test};
use crate::provider::pointer::scalar_text;
use crate::provider::{Operation, Standing, verdict};
use serde_json::{Map, Value};

/// A look-up that is asked for a target: its rule, the action's name and parameters, and how the target stands.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) lookup: &'a Operation,
    pub(super) rule: &'a LookupRule,
    pub(super) action: &'a str,
    pub(super) parameters: &'a Map<String, Value>,
    pub(super) standing: Standing,
}

/// From a sample's row to a row that tells what it must, where it can be one.
type Way<'a> = dyn Fn(&Value) -> Option<Value> + 'a;

impl View<'_> {
    /// Bodies that show the target and nothing else, the truest first. What is done shows as accepted where it cannot show as
    /// done, a request that waits as one that was not made; silence is left for the rest.
    pub(super) fn bodies(&self, asked: &Map<String, Value>) -> Vec<Value> {
        let samples: Vec<Value> =
            bodies(self.lookup, self.action).map(|(sample, body)| addressed(sample, body, asked)).collect();
        let mut shown = Vec::new();
        for standing in ladder(self.standing) {
            let fits = |row: &Value| (tells(self.rule, row) == *standing).then(|| row.clone());
            let made = |row: &Value| forced(self.rule, *standing, row);
            let ways: [&Way<'_>; 2] = [&fits, &made];
            for way in ways {
                shown.extend(samples.iter().filter_map(|body| showing(&self.rule.rows, body, self.parameters, way)));
            }
        }
        shown
    }

    /// The first of [`Self::bodies`], for lists, where each target has a row of its own.
    pub(super) fn first(&self) -> Option<Value> {
        ladder(self.standing).iter().find_map(|standing| {
            let fits = |row: &Value| (tells(self.rule, row) == *standing).then(|| row.clone());
            let made = |row: &Value| forced(self.rule, *standing, row);
            let ways: [&Way<'_>; 2] = [&fits, &made];
            ways.iter().find_map(|way| {
                let mut samples = bodies(self.lookup, self.action);
                samples.find_map(|(_, body)| showing(&self.rule.rows, body, self.parameters, *way))
            })
        })
    }
}

/// The bodies of all good answers among the look-up's samples, those first that are read for this action.
pub(super) fn bodies<'a>(lookup: &'a Operation, action: &'a str) -> impl Iterator<Item = (&'a Sample, &'a Value)> {
    let is_own = move |sample: &&Sample| sample.reading.as_ref().is_some_and(|reading| reading.action == action);
    let own = lookup.samples.iter().filter(move |sample| is_own(sample));
    let others = lookup.samples.iter().filter(move |sample| !is_own(sample));
    let all = own.chain(others).flat_map(|sample| sample.answers.iter().map(move |answer| (sample, answer)));
    let good = all.filter(|(_, answer)| answer.status == 200);
    good.filter_map(|(sample, answer)| Some((sample, answer.body.as_ref()?)))
}

const fn ladder(standing: Standing) -> &'static [Standing] {
    match standing {
        Standing::Done => &[Standing::Done, Standing::Pending, Standing::Unknown],
        Standing::Pending => &[Standing::Pending, Standing::NotDone, Standing::Unknown],
        Standing::NotDone => &[Standing::NotDone, Standing::Unknown],
        Standing::Unknown => &[Standing::Unknown],
    }
}

/// A body in which the lists of all steps hold one item, that of the target; `way` has the last word on it. A single object is
/// a list of one.
fn showing(steps: &[RowStep], body: &Value, parameters: &Map<String, Value>, way: &Way<'_>) -> Option<Value> {
    let Some((step, rest)) = steps.split_first() else { return way(body) };
    let list = step.list.of(body)?;
    let mut item = match list {
        Value::Array(items) => items.iter().find_map(|item| showing(rest, item, parameters, way))?,
        Value::Object(_) => showing(rest, list, parameters, way)?,
        _ => return None,
    };
    for condition in &step.matches {
        let value = parameters.get(&condition.parameter).and_then(scalar_text);
        if let Some(text) = value.filter(|text| Some(&**text) != condition.any.as_deref()) {
            answers::put(&mut item, &condition.pointer, &text);
        }
    }
    let item = if list.is_array() { Value::Array(vec![item]) } else { item };
    let mut shown = body.clone();
    *shown.pointer_mut(&step.list.to_string())? = item;
    Some(shown)
}

/// A sample's row changed so that it tells a standing; `None` where no rule tells it, or its conditions cannot be made true.
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
