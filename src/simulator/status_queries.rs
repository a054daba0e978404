//! Answers to status queries from the state: which targets they show, and in which state. Their bodies are made from the document's samples. Changes no state.

use super::answers;
use super::message::Response;
use super::targets::{Found, SimulatedTarget, TargetStore};
use crate::provider::answer::{Condition, Pointer, Test, scalar_text};
use crate::provider::model::{ParameterSource, RowStep, Sample, StateRule, StatusQueryRule, TargetKind};
use crate::provider::paging::{ListEnd, PageForm, Pages};
use crate::provider::{Operation, Provider, TargetState, target_state};
use serde_json::{Map, Value};

/// Answers a status query whose parameters are `asked` from the targets that it shows.
pub(super) fn answer(
    provider: &Provider,
    query: &Operation,
    asked: &Map<String, Value>,
    state: &TargetStore,
    found: &[&[Found]],
) -> Response {
    let each =
        provider.actions().flat_map(|(action, rules)| rules.status_queries.iter().map(move |rule| (action, rule)));
    let rules: Vec<(&Operation, &StatusQueryRule)> = each.filter(|(_, rule)| rule.operation == query.name).collect();
    let is_list = |list: &Pointer| bodies(query, "").any(|(_, body)| list.of(body).is_some_and(Value::is_array));
    let lister = rules.iter().find_map(|(_, rule)| {
        let list = &rule.rows.steps.first()?.list;
        is_list(list).then_some((rule, list))
    });
    let shown = |found: Found| resolve(provider, state, found);
    let body = if let Some((rule, list)) = lister {
        Some(page(query, list, rule.pages.as_ref(), asked, found, &shown))
    } else {
        let targets: Vec<ShownTarget<'_>> = found.iter().copied().flatten().filter_map(|found| shown(*found)).collect();
        object(query, &rules, asked, &targets)
    };
    let Some(body) = body else { return answers::not_found(query, "there is no such object") };
    Response::json(200, Some(&body))
}

/// A target with the action and the rule by which a status query shows it.
type ShownTarget<'a> = (&'a SimulatedTarget, &'a Operation, &'a StatusQueryRule);

/// One object. Where several targets share it (an order and its certificates), it is told as of the one to which something was done
/// last, but only by a body in which no other target reads as done that is not; and its certificates are all there, each in its own state.
fn object(
    query: &Operation,
    rules: &[(&Operation, &StatusQueryRule)],
    asked: &Map<String, Value>,
    targets: &[ShownTarget<'_>],
) -> Option<Value> {
    let is_whole =
        |action: &Operation| action.action.as_ref().is_some_and(|rules| rules.target.kind != TargetKind::Certificate);
    let done = || targets.iter().filter(|(target, ..)| target.state == TargetState::Done);
    let is_true = |body: &Value| {
        let reads_as_done = |rule: &StatusQueryRule, parameters: &Map<String, Value>| {
            target_state::read_state(rule, parameters, std::slice::from_ref(body)).0 == TargetState::Done
        };
        let of_known = |(target, _, rule): &ShownTarget<'_>| {
            target.state == TargetState::Done || !reads_as_done(rule, &target.parameters)
        };
        // A target that is not known yet must not read as done either: a run may ask for it later.
        let of_any = |(action, rule): &(&Operation, &StatusQueryRule)| {
            let revokes = |one: &Operation| {
                one.action
                    .as_ref()
                    .is_some_and(|rules| rules.target.kind == TargetKind::Certificate && rules.csr.is_none())
            };
            // Two ways to revoke one certificate come to the same.
            let same = |by: &Operation| by.name == action.name || revokes(by) && revokes(action);
            done().any(|(_, by, _)| same(by)) || !reads_as_done(rule, &Map::new())
        };
        // A request that an answer has named is nobody else's.
        let by_answer = |(_, _, rule): &ShownTarget<'_>| {
            rule.parameters.iter().any(|(_, from)| matches!(from, ParameterSource::Answer(_)))
        };
        let is_of_any = || targets.iter().any(by_answer) || rules.iter().all(of_any);
        done().any(|(_, action, _)| is_whole(action)) || targets.iter().all(of_known) && is_of_any()
    };
    let mut targets = targets.to_vec();
    targets.sort_by_key(|(target, action, _)| {
        std::cmp::Reverse((target.state == TargetState::Done, is_whole(action), target.latest))
    });
    let none = Map::new();
    let nobody = rules.iter().map(|(_, rule)| View {
        query,
        rule,
        action: "",
        parameters: &none,
        state: TargetState::NotDone,
        issued: None,
    });
    let views = targets.iter().take(MAX_TRIED).map(|(target, action, rule)| View {
        query,
        rule,
        action: &action.name,
        parameters: &target.parameters,
        state: target.state,
        issued: target.issued.as_deref(),
    });
    let together = |body: Value| with_all(query, body, &targets, done().any(|(_, action, _)| is_whole(action)));
    views.chain(nobody).find_map(|view| view.bodies(asked).into_iter().map(together).find(is_true))
}

/// What a decision about a request makes of what waits for that request: what its status query then shows is read by the other's rules.
pub(super) fn decided(
    provider: &Provider,
    targets: &TargetStore,
    accounts: &[usize],
    decision: usize,
) -> Vec<(usize, TargetState)> {
    let made = targets.target(decision);
    let Some(action) = provider.operations.get(made.operation) else { return Vec::new() };
    let Some(rules) = action.action.as_ref() else { return Vec::new() };
    let read = |(query, found): (usize, Found)| {
        let query = provider.operations.get(query)?;
        let rule = rules.status_queries.iter().find(|rule| rule.operation == query.name)?;
        let (action, parameters) = (action.name.as_str(), &made.parameters);
        let body = View { query, rule, action, parameters, state: TargetState::Done, issued: None }.first()?;
        let (waiting, _, rule) = resolve(provider, targets, found)?;
        let (state, _) = target_state::read_state(rule, &waiting.parameters, &[body]);
        matches!(state, TargetState::Done | TargetState::NotDone).then_some((found.target, state))
    };
    targets.beside(accounts, decision).into_iter().filter_map(read).collect()
}

/// The body with a row for each target that stands in one of its lists. A single object there becomes a list where there are several: a
/// document reads either, and a status query that names the order alone must find each certificate.
fn with_all(query: &Operation, mut body: Value, targets: &[ShownTarget<'_>], whole: bool) -> Value {
    let mut lists: Vec<(&Pointer, Vec<Value>)> = Vec::new();
    for (target, action, rule) in targets {
        let Some(list) = rule.rows.steps.first().map(|step| &step.list) else { continue };
        // What was done to an order was done to each of its certificates.
        let state = if whole { TargetState::Done } else { target.state };
        let (action, issued) = (&action.name, target.issued.as_deref());
        let view = View { query, rule, action, parameters: &target.parameters, state, issued };
        let Some(row) = view.first().and_then(|body| match list.of(&body)? {
            Value::Array(rows) => rows.first().cloned(),
            row => Some(row.clone()),
        }) else {
            continue;
        };
        match lists.iter_mut().find(|(known, _)| *known == list) {
            Some((_, rows)) => rows.push(row),
            None => lists.push((list, vec![row])),
        }
    }
    for (list, rows) in lists.into_iter().filter(|(_, rows)| rows.len() > 1) {
        if let Some(place) = body.pointer_mut(&list.to_string()) {
            *place = Value::Array(rows);
        }
    }
    body
}

/// A list: an item for each target on the page that is asked for.
fn page<'a>(
    query: &Operation,
    list: &Pointer,
    pages: Option<&Pages>,
    asked: &Map<String, Value>,
    found: &[&[Found]],
    shown: &dyn Fn(Found) -> Option<ShownTarget<'a>>,
) -> Value {
    let total: usize = found.iter().map(|found| found.len()).sum();
    let (skip, take) = bounds(pages, asked);
    let items = slice(found, skip, take).filter_map(|found| {
        let (target, action, rule) = shown(found)?;
        let (action, parameters, state) = (action.name.as_str(), &target.parameters, target.state);
        let body = View { query, rule, action, parameters, state, issued: target.issued.as_deref() }.first()?;
        list.of(&body)?.as_array()?.first().cloned()
    });
    let items = Value::Array(items.collect());
    let good = bodies(query, "").map(|(_, body)| body).find(|body| list.of(body).is_some());
    let mut body = good.cloned().unwrap_or(Value::Null);
    if let Some(place) = body.pointer_mut(&list.to_string()) {
        *place = items;
    }
    put_page(&mut body, pages, skip, take, total);
    body
}

/// The rows that a request for a page asks for: how many come before, and how many at most.
pub(super) fn bounds(pages: Option<&Pages>, asked: &Map<String, Value>) -> (usize, usize) {
    let number = |pages: &Pages| {
        let text = asked.get(&pages.parameter).and_then(scalar_text)?;
        text.strip_prefix(TOKEN).unwrap_or(&text).parse::<u32>().ok()
    };
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    pages.map_or((0, usize::MAX), |pages| match &pages.form {
        PageForm::Numbered { first, size, .. } => {
            (count(number(pages).unwrap_or(*first).saturating_sub(*first)).saturating_mul(count(*size)), count(*size))
        }
        PageForm::Offset { size, .. } => (count(number(pages).unwrap_or(0)), count(*size)),
        PageForm::Token(_) => (count(number(pages).unwrap_or(0)), TOKEN_PAGE),
    })
}

/// Says in the body of a page how many rows there are in all, or what the next page is asked by.
pub(super) fn put_page(body: &mut Value, pages: Option<&Pages>, skip: usize, take: usize, total: usize) {
    match pages.map(|pages| &pages.form) {
        Some(PageForm::Token(place)) if skip.saturating_add(take) < total => {
            answers::put(body, place, &format!("{TOKEN}{}", skip + take));
        }
        Some(PageForm::Token(place)) => answers::put(body, place, ""),
        Some(
            PageForm::Numbered { end: ListEnd::Total(place), .. } | PageForm::Offset { end: ListEnd::Total(place), .. },
        ) => {
            if place.of(body).is_none() {
                answers::put(body, place, "0");
            }
            if let Some(place) = body.pointer_mut(&place.to_string()) {
                *place = if place.is_string() { Value::from(total.to_string()) } else { Value::from(total) };
            }
        }
        Some(PageForm::Numbered { .. } | PageForm::Offset { .. }) | None => {}
    }
}

fn resolve<'a>(provider: &'a Provider, state: &'a TargetStore, found: Found) -> Option<ShownTarget<'a>> {
    let target = state.target(found.target);
    let action = provider.operations.get(target.operation)?;
    Some((target, action, action.action.as_ref()?.status_queries.get(found.rule)?))
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

/// A status query that is asked for a target: its rule, the action's name and parameters, the target's state, and the certificate that was
/// issued for it.
#[derive(Clone, Copy)]
struct View<'a> {
    query: &'a Operation,
    rule: &'a StatusQueryRule,
    action: &'a str,
    parameters: &'a Map<String, Value>,
    state: TargetState,
    issued: Option<&'a str>,
}

/// From a sample's row to a row with the wanted state, where one can be made.
type RowMaker<'a> = dyn Fn(&Value) -> Option<Value> + 'a;

impl View<'_> {
    /// Bodies that show the target and nothing else, the truest first. What is done shows as accepted where it cannot show as
    /// done, a request that waits as one that was not made; silence is left for the rest.
    fn bodies(&self, asked: &Map<String, Value>) -> Vec<Value> {
        let samples: Vec<Value> =
            bodies(self.query, self.action).map(|(sample, body)| addressed(sample, body, asked)).collect();
        let mut shown = Vec::new();
        for state in ladder(self.state) {
            let fits = |row: &Value| (target_state::row_state(self.rule, row) == *state).then(|| row.clone());
            let made = |row: &Value| forced(self.rule, *state, row);
            let makers: [&RowMaker<'_>; 2] = [&fits, &made];
            for make in makers {
                shown.extend(
                    samples.iter().filter_map(|body| showing(&self.rule.rows.steps, body, self.parameters, make)),
                );
            }
        }
        shown.into_iter().map(|body| self.with_certificate(body)).collect()
    }

    fn with_certificate(&self, mut body: Value) -> Value {
        if let Some(chain) = self.issued {
            answers::put_certificate(&mut body, chain);
        }
        body
    }

    /// The first of [`Self::bodies`], for lists, where each target has a row of its own.
    fn first(&self) -> Option<Value> {
        ladder(self.state)
            .iter()
            .find_map(|state| {
                let fits = |row: &Value| (target_state::row_state(self.rule, row) == *state).then(|| row.clone());
                let made = |row: &Value| forced(self.rule, *state, row);
                let makers: [&RowMaker<'_>; 2] = [&fits, &made];
                makers.iter().find_map(|make| {
                    let mut samples = bodies(self.query, self.action);
                    samples.find_map(|(_, body)| showing(&self.rule.rows.steps, body, self.parameters, *make))
                })
            })
            .map(|body| self.with_certificate(body))
    }
}

/// The bodies of all good answers among the status query's samples, those first that are read for this action.
fn bodies<'a>(query: &'a Operation, action: &'a str) -> impl Iterator<Item = (&'a Sample, &'a Value)> {
    let is_own = move |sample: &&Sample| sample.for_action.as_ref().is_some_and(|of| of.action == action);
    let own = query.samples.iter().filter(move |sample| is_own(sample));
    let others = query.samples.iter().filter(move |sample| !is_own(sample));
    let all = own.chain(others).flat_map(|sample| sample.answers.iter().map(move |answer| (sample, answer)));
    let good = all.filter(|(_, answer)| answer.status == 200);
    good.filter_map(|(sample, answer)| Some((sample, answer.body.as_ref()?)))
}

/// The states that may be shown for a state, best first: each weaker one claims less, none claims more than is true.
const fn ladder(state: TargetState) -> &'static [TargetState] {
    match state {
        TargetState::Done => &[TargetState::Done, TargetState::Pending, TargetState::Unknown],
        TargetState::Pending => &[TargetState::Pending, TargetState::NotDone, TargetState::Unknown],
        TargetState::NotDone => &[TargetState::NotDone, TargetState::Unknown],
        TargetState::Unknown => &[TargetState::Unknown],
    }
}

/// A body in which the lists of all steps hold one item, that of the target; `make` has the last word on it. A single object is
/// a list of one.
fn showing(steps: &[RowStep], body: &Value, parameters: &Map<String, Value>, make: &RowMaker<'_>) -> Option<Value> {
    let Some((step, rest)) = steps.split_first() else { return make(body) };
    let list = step.list.of(body)?;
    let mut item = match list {
        Value::Array(items) => items.iter().find_map(|item| showing(rest, item, parameters, make))?,
        Value::Object(_) => showing(rest, list, parameters, make)?,
        _ => return None,
    };
    for condition in &step.matches {
        let value = parameters.get(&condition.parameter).and_then(scalar_text);
        if let Some(text) = value.filter(|text| Some(&**text) != condition.any.as_deref()) {
            answers::put(&mut item, condition.pointer_of(&text), &text);
        }
    }
    let item = if list.is_array() { Value::Array(vec![item]) } else { item };
    let mut shown = body.clone();
    *shown.pointer_mut(&step.list.to_string())? = item;
    Some(shown)
}

/// A sample's row changed so that it reads as a state; `None` where no rule has that state, or its conditions cannot be made true.
fn forced(rule: &StatusQueryRule, state: TargetState, sample: &Value) -> Option<Value> {
    let make = |declared: &StateRule<TargetState>| {
        let mut value = sample.clone();
        for Condition { pointer, test } in &declared.when {
            match test {
                Test::OneOf(words) | Test::Prefix(words) | Test::Contains(words) => {
                    answers::put(&mut value, pointer, words.first()?);
                }
                Test::NoneOf(_) | Test::Present(true) => answers::put(&mut value, pointer, "simulated"),
                Test::Present(false) => {
                    if let Some(place) = value.pointer_mut(&pointer.to_string()) {
                        *place = Value::Null;
                    }
                }
            }
        }
        (target_state::row_state(rule, &value) == state).then_some(value)
    };
    rule.rows.states.iter().filter(|declared| declared.state == state).find_map(make)
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

/// What a token of the simulator's begins with; the rows before its page follow.
const TOKEN: &str = "page-";
/// Rows of a page that is asked for by a token.
const TOKEN_PAGE: usize = 100;
/// Of more targets that share an object, the simulator tries no more.
const MAX_TRIED: usize = 100;

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
