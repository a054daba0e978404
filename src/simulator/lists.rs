//! Answers of operations that list what there is: a row for each certificate, order or CA that is known, page by page; those of the document's
//! samples while nothing is. Generic: all of it is made from the document. Changes no state.

use super::answers;
use super::authority::Authority;
use super::message::Response;
use super::status_queries::{bounds, put_page};
use super::targets::SimulatedTarget;
use crate::pki::SerialNumber;
use crate::provider::answer::{Test, scalar_text};
use crate::provider::listing;
use crate::provider::model::{LIST_COLUMNS, ListRule, ListedPlace, Operation, Provider, RowRule, RowStep, TargetKind};
use crate::provider::{Idempotency, TargetState};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is known of one row.
#[derive(Debug, Default)]
struct KnownRow {
    columns: BTreeMap<String, String>,
    serial: Option<SerialNumber>,
    revoked: bool,
}

/// Answers a list.
pub(super) fn answer<'t>(
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
    let items = known.iter().skip(skip).take(take).filter_map(|row| item(&rule.rows, sample, row));
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
fn item(rule: &RowRule<&'static str>, sample: &Value, row: &KnownRow) -> Option<Value> {
    let (first, inner) = rule.steps.split_first()?;
    let is_wanted = |item: &&Value| is_revoked(rule, item) == row.revoked;
    let all = listing::items(&first.list, sample);
    let leaf = |item: &Value| -> Option<Value> {
        inner.iter().try_fold(item.clone(), |item, step| listing::items(&step.list, &item).first().cloned())
    };
    let outer = all.iter().find(|item| leaf(item).as_ref().is_some_and(|leaf| is_wanted(&leaf)));
    let mut outer = outer.or_else(|| all.iter().find(|item| leaf(item).is_some()))?.clone();
    fill(rule, &mut outer, inner, row)?;
    Some(outer)
}

/// Writes a row into an item, and keeps of each list in it the first item alone.
fn fill(rule: &RowRule<&'static str>, item: &mut Value, inner: &[RowStep], row: &KnownRow) -> Option<()> {
    for (name, place) in &rule.columns {
        let serial = || row.serial.as_ref().map(|serial| spelled(place.pointer.of(item), serial));
        let value = if name == "serial_number" { serial() } else { row.columns.get(name).cloned() };
        if let Some(value) = value.filter(|_| inner.is_empty() || place.pointer.of(item).is_some()) {
            // What an item around it has told already is not told once more.
            let is_new =
                place.pointer.of(item).is_some() || !LIST_COLUMNS.contains(&name.as_str()) && rule.steps.len() == 1;
            if is_new {
                put(item, place, &value);
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
        return fill(rule, inside, rest, row);
    }
    if row.revoked != is_revoked(rule, item) {
        set_status(rule, item, if row.revoked { "revoked" } else { "valid" });
    }
    Some(())
}

/// Writes what a column tells; in a name that is made of several, the part that is its own.
fn put(item: &mut Value, place: &ListedPlace, value: &str) {
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
        put(item, place, &if is_capital { word.to_uppercase() } else { word.to_owned() });
    }
}
