//! Answers to what only reads: to status queries, which show targets in the state that they have, and to operations that list what there is, a row
//! for each certificate, order or CA that is known (those of the document's samples while nothing is), page by page. All of it is made from the
//! document and its samples. Changes no state.

use super::answers;
use super::authority::Authority;
use super::message::Response;
use super::targets::{Found, SimulatedTarget, TargetStore};
use crate::pki::SerialNumber;
use crate::provider::answer::{Condition, Pointer, Test, scalar_text};
use crate::provider::model::{
    LIST_COLUMNS, ListRule, ListedPlace, ParameterSource, RowRule, RowStep, Sample, StateRule, StatusQueryRule,
    TargetKind,
};
use crate::provider::paging::{ListEnd, PageForm, Pages};
use crate::provider::{Idempotency, Operation, Provider, TargetState, listing, target_state};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A target with the action and the rule by which a status query shows it.
type ShownTarget<'a> = (&'a SimulatedTarget, &'a Operation, &'a StatusQueryRule);

/// What is known of one row.
#[derive(Debug, Default)]
struct KnownRow {
    columns: BTreeMap<String, String>,
    serial: Option<SerialNumber>,
    revoked: bool,
}

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

/// Answers a list.
pub(super) fn answer_list<'t>(
    provider: &Provider,
    operation: &Operation,
    rule: &ListRule,
    asked: &Map<String, Value>,
    targets: impl Iterator<Item = &'t SimulatedTarget>,
) -> Response {
    let samples = || operation.samples.iter().filter(|sample| sample.for_action.is_none());
    let good = samples().flat_map(|sample| &sample.answers).filter(|answer| answer.expected == "succeeded");
    let mut bodies = good.filter(|answer| answer.status == 200).filter_map(|answer| answer.body.as_ref());
    let Some(sample) = bodies.find(|body| !listing::rows(&rule.rows, body).is_empty()) else {
        return answers::granted(operation, asked, answers::Reference::Fresh(0)).response;
    };
    let known = known_rows(provider, rule, targets);
    let (Some(first), false) = (rule.rows.steps.first(), known.is_empty()) else {
        // The sample's page may lead to others, of which there are none here.
        let mut body = sample.clone();
        put_page(&mut body, rule.pages.as_ref(), 0, usize::MAX, listing::rows(&rule.rows, sample).len());
        return Response::json(200, Some(&body));
    };
    let total = known.len();
    let (skip, take) = bounds(rule.pages.as_ref(), asked);
    let items = known.iter().skip(skip).take(take).filter_map(|row| listed_item(&rule.rows, sample, row));
    let items = Value::Array(items.collect());
    let mut body = sample.clone();
    if let Some(place) = body.pointer_mut(&first.list.to_string()) {
        *place = items;
    }
    put_page(&mut body, rule.pages.as_ref(), skip, take, total);
    Response::json(200, Some(&body))
}

/// Puts a certificate with the serial number that is asked for into the answer to what a list's document asks about a row, where that is to
/// bring the certificate: so a search by key or date finds as many as there are.
pub(super) fn with_certificate(
    provider: &Provider,
    operation: usize,
    asked: &Map<String, Value>,
    response: &mut Response,
    (authority, now): (Option<&Authority>, Timestamp),
) {
    let lists = provider.operations.iter().filter_map(|other| other.list.as_ref());
    let mut details = lists.flat_map(|list| &list.details).filter(|detail| detail.operation == operation);
    let place = details.find_map(|detail| detail.rows.columns.iter().find(|(name, _)| name == "certificate"));
    let serial = provider.operations[operation].serial_number(asked);
    let (Some((_, place)), Some(serial), Some(authority), 200) = (place, serial, authority, response.status) else {
        return;
    };
    let Ok(mut body) = serde_json::from_slice::<Value>(&response.body) else { return };
    if let Some(pem) = authority.certify(&serial, now) {
        answers::put(&mut body, &place.pointer, &pem);
        response.body = body.to_string().into_bytes();
    }
}

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
fn bounds(pages: Option<&Pages>, asked: &Map<String, Value>) -> (usize, usize) {
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
fn put_page(body: &mut Value, pages: Option<&Pages>, skip: usize, take: usize, total: usize) {
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

/// The rows that the known targets give: one for each certificate, order or CA, whatever was done to it.
fn known_rows<'t>(
    provider: &Provider,
    rule: &ListRule,
    targets: impl Iterator<Item = &'t SimulatedTarget>,
) -> Vec<KnownRow> {
    let tells = |name: &str| rule.rows.columns.iter().any(|(column, _)| column == name);
    let mut rows: Vec<KnownRow> = Vec::new();
    for target in targets {
        let operation = &provider.operations[target.operation];
        let Some(action) = operation.action.as_ref().filter(|action| action.target.kind != TargetKind::Request) else {
            continue;
        };
        let named = action.target.parameters.iter().filter(|name| tells(name)).filter_map(|name| {
            let text = target.parameters.get(name).and_then(scalar_text)?;
            Some((name.clone(), text.into_owned()))
        });
        let named: BTreeMap<String, String> = named.collect();
        let serial = operation.serial_number(&target.parameters).or_else(|| target.serial.clone());
        let serial = serial.filter(|_| tells("serial_number"));
        if named.is_empty() && serial.is_none() {
            continue;
        }
        let revokes = action.csr.is_none() && action.idempotency == Idempotency::Idempotent;
        let revoked = revokes && target.state == TargetState::Done;
        let same = |row: &&mut KnownRow| {
            let agrees = |(name, value): (&String, &String)| row.columns.get(name).is_some_and(|known| known == value);
            (serial.is_some() && row.serial == serial) || (!named.is_empty() && named.iter().all(agrees))
        };
        match rows.iter_mut().find(same) {
            Some(row) => {
                row.columns.extend(named);
                row.revoked |= revoked;
            }
            None => rows.push(KnownRow { columns: named, serial, revoked }),
        }
    }
    rows
}

/// An item of the outermost list that holds this row and no other.
fn listed_item(rule: &RowRule<&'static str>, sample: &Value, row: &KnownRow) -> Option<Value> {
    let (first, inner) = rule.steps.split_first()?;
    let is_wanted = |item: &&Value| is_revoked(rule, item) == row.revoked;
    let all = listing::items(&first.list, sample);
    let leaf = |item: &Value| -> Option<Value> {
        inner.iter().try_fold(item.clone(), |item, step| listing::items(&step.list, &item).first().cloned())
    };
    let outer = all.iter().find(|item| leaf(item).as_ref().is_some_and(|leaf| is_wanted(&leaf)));
    let mut outer = outer.or_else(|| all.iter().find(|item| leaf(item).is_some()))?.clone();
    fill_item(rule, &mut outer, inner, row)?;
    Some(outer)
}

/// Writes a row into an item, and keeps of each list in it the first item alone.
fn fill_item(rule: &RowRule<&'static str>, item: &mut Value, inner: &[RowStep], row: &KnownRow) -> Option<()> {
    for (name, place) in &rule.columns {
        let serial = || row.serial.as_ref().map(|serial| spelled(place.pointer.of(item), serial));
        let value = if name == "serial_number" { serial() } else { row.columns.get(name).cloned() };
        if let Some(value) = value.filter(|_| inner.is_empty() || place.pointer.of(item).is_some()) {
            // What an item around it has told already is not told once more.
            let is_new =
                place.pointer.of(item).is_some() || !LIST_COLUMNS.contains(&name.as_str()) && rule.steps.len() == 1;
            if is_new {
                put_cell(item, place, &value);
            }
        }
    }
    if let Some((step, rest)) = inner.split_first() {
        let inside = match item.pointer_mut(&step.list.to_string())? {
            Value::Array(items) => {
                items.truncate(1);
                items.first_mut()?
            }
            one => one,
        };
        return fill_item(rule, inside, rest, row);
    }
    if row.revoked != is_revoked(rule, item) {
        set_status(rule, item, if row.revoked { "revoked" } else { "valid" });
    }
    Some(())
}

/// Writes what a column tells; in a name that is made of several, the part that is its own.
fn put_cell(item: &mut Value, place: &ListedPlace, value: &str) {
    let whole = place.pointer.of(item).and_then(Value::as_str).unwrap_or_default();
    let part = place.behind.as_ref().and_then(|behind| {
        let (before, rest) = whole.split_once(behind.as_str())?;
        let after = rest.find('/').map_or("", |end| &rest[end..]);
        Some(format!("{before}{behind}{value}{after}"))
    });
    answers::put(item, &place.pointer, part.as_deref().unwrap_or(value));
}

/// A serial number as the sample spells its own: with colons or without.
fn spelled(sample: Option<&Value>, serial: &SerialNumber) -> String {
    let digits = serial.to_string();
    let text = sample.and_then(Value::as_str).unwrap_or_default();
    let pairs: Vec<String> = hex::encode(serial.octets())
        .as_bytes()
        .chunks(2)
        .map(|pair| String::from_utf8_lossy(pair).into_owned())
        .collect();
    if text.contains(':') { pairs.join(":") } else { digits }
}

fn is_revoked(rule: &RowRule<&'static str>, item: &Value) -> bool {
    let alone = RowRule { steps: Vec::new(), ..rule.clone() };
    let row = listing::rows(&alone, item).into_iter().next().unwrap_or_default();
    row.get("status").is_some_and(|status| status.to_lowercase().contains("revoked"))
}

fn set_status(rule: &RowRule<&'static str>, item: &mut Value, status: &str) {
    let declared = rule.states.iter().find(|declared| declared.state == status);
    for condition in declared.into_iter().flat_map(|declared| &declared.when) {
        match &condition.test {
            Test::OneOf(words) | Test::Prefix(words) | Test::Contains(words) => {
                if let Some(word) = words.first() {
                    answers::put(item, &condition.pointer, word);
                }
            }
            Test::NoneOf(_) | Test::Present(true) => answers::put(item, &condition.pointer, "1"),
            Test::Present(false) => {}
        }
    }
    if declared.is_none()
        && let Some((_, place)) = rule.columns.iter().find(|(name, _)| name == "status")
    {
        let is_capital = place
            .pointer
            .of(item)
            .and_then(Value::as_str)
            .is_some_and(|text| text.chars().all(|letter| !letter.is_lowercase()));
        let word = if status == "valid" { "issued" } else { status };
        put_cell(item, place, &if is_capital { word.to_uppercase() } else { word.to_owned() });
    }
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
