//! The short way for rows like one before: what such a row led to is kept, and only what differs is done anew. Whatever the short way
//! cannot say yes to at once goes the long way, which alone knows how to explain.
//!
//! A row is like another where it has the same fields and, in those that decide (provider, action, reason, time), the same texts. What
//! is left are parameters, and each has its own type and rules: they are read and held against the schema as the long way does it.

use super::action::{COMMON, OWN, is_usable_id, join_target};
use super::digest::FingerprintBase;
use super::parameters::{Parameters, names_of};
use super::pending::{Kind, Write};
use super::{Checker, Layers};
use crate::plan::checked::Action;
use crate::plan::row::Row;
use crate::provider::model::{ActionRules, Operation, Parameter};
use crate::provider::params;
use crate::provider::pointer::scalar_text;
use crate::tree::{Field, Node, Shape};
use jsonschema::Validator;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::rc::Rc;

/// The kinds of row that were met in one list, or in a plan itself.
#[derive(Default)]
pub(super) struct Routes {
    routes: Vec<Route>,
    /// The one that was taken last.
    last: usize,
    /// Whether it was taken by the row before.
    fresh: bool,
}

/// The rules of an operation's parameters, one by one, by provider and operation; built once each.
pub(super) type Rules = HashMap<(String, String), Rc<[Option<Validator>]>>;

/// What rows of one kind lead to.
struct Route {
    cells: Vec<Cell>,
    id: Option<usize>,
    kind: Rc<Kind>,
    slots: Vec<Slot>,
    /// Into `slots`.
    target: Vec<usize>,
    rules: Rc<[Option<Validator>]>,
}

/// A field of a row, by its name, and what makes it alike.
struct Cell {
    name: String,
    is: Is,
}

enum Is {
    Absent,
    Exactly(String),
    Something,
}

/// A parameter that rows of one kind give.
struct Slot {
    /// The field that gives it, and the parameter's place in the operation; none where it is the same in every row.
    given: Option<(usize, usize)>,
    parameter: Parameter,
    /// The text that was read last.
    read: Option<String>,
    /// What came of it: its member of the JSON object, behind what comes before it there, and its text in a target.
    member: String,
    begin: usize,
    text: Option<String>,
}

/// An action that went the long way, and what was found out about it.
pub(super) struct Learnt<'a> {
    pub(super) account: usize,
    pub(super) operation: &'a Operation,
    pub(super) rules: &'a ActionRules,
    pub(super) parameters: Parameters<'a>,
    pub(super) action: Action,
    pub(super) base: FingerprintBase,
    pub(super) targets: DefaultHasher,
}

impl Checker<'_> {
    /// Takes a row the short way. `false` where there is none for it; then nothing was done.
    pub(super) fn short_way(&mut self, row: &Row<'_>, name: &str) -> bool {
        let mut routes = std::mem::take(&mut self.routes);
        let changed = row.changed.filter(|_| routes.fresh);
        routes.fresh = routes.find(row, changed).is_some_and(|route| self.take(route, row, changed, name));
        self.routes = routes;
        self.routes.fresh
    }

    fn take(&mut self, route: &mut Route, row: &Row<'_>, changed: Option<&[bool]>, name: &str) -> bool {
        if !route.slots.iter_mut().all(|slot| slot.fill(row.fields, changed, &route.rules)) {
            return false;
        }
        let given_id = route.id.and_then(|index| row.fields[index].value.text());
        if given_id.is_some_and(|id| !is_usable_id(id) || self.index.has_id(id)) {
            return false;
        }
        // From here on the row is an action, whatever it is to others.
        let Self { index, pending, .. } = self;
        let ordinal = match given_id {
            Some(id) => index.add(id, row.span).0,
            None => index.add_unnamed(name, row.span),
        };
        let route = &*route;
        let id: Write<'_> = &|to| index.write_id(ordinal, to);
        let target: Write<'_> = &|to| {
            let begin = to.len();
            let texts = route.target.iter().filter_map(|slot| route.slots[*slot].text.as_deref());
            texts.for_each(|text| join_target(to, begin, text));
        };
        let parameters: Write<'_> = &|to| {
            route.slots.iter().for_each(|slot| to.push_str(&slot.member));
            to.push_str(if route.slots.is_empty() { "{}" } else { "}" });
        };
        pending.add(&route.kind, row.span, ordinal, [id, target, parameters], row.kept);
        self.settle_many();
        true
    }

    /// Keeps the way of an action that led to no finding, where the short way can go it.
    pub(super) fn learn(&mut self, row: &Row<'_>, layers: Layers<'_>, learnt: Learnt<'_>) {
        let Learnt { account, operation, rules, parameters, action, base, targets } = learnt;
        let all = || row.present().chain(layers.entry).chain(layers.plan);
        // A shared key, a wide reach and a need concern other actions; a certificate is read and judged for each.
        let is_alone = rules.csr.is_none()
            && rules.certificate.is_none()
            && rules.wide.is_empty()
            && all().all(|field| field.name != "needs" && !OWN.contains(&field.name.as_str()));
        if !is_alone || !self.takes_short_ways || self.routes.routes.len() >= MOST_ROUTES {
            return;
        }
        let reason = rules.reason.as_ref().map(|rule| rule.field.as_str());
        let own = operation.parameters.iter().filter(|parameter| Some(parameter.name.as_str()) == reason);
        let decides: Vec<&str> =
            own.flat_map(|own| std::iter::once(&own.name).chain(&own.aliases)).map(String::as_str).collect();
        let cell = |field: &Field| {
            let name = field.name.as_str();
            let is = match &field.value.shape {
                Shape::Null => Is::Absent,
                _ if name == "id" => Is::Something,
                shape if decides.contains(&name) || COMMON.contains(&name) => {
                    let Shape::Scalar { text, .. } = shape else { return None };
                    Is::Exactly(text.clone())
                }
                _ if names_of(operation).any(|known| known == name) => Is::Something,
                _ => return None,
            };
            Some(Cell { name: name.to_owned(), is })
        };
        let Some(cells) = row.fields.iter().map(cell).collect::<Option<Vec<Cell>>>() else { return };
        let all_rules = self.rules(account, operation);
        let mut slots: Vec<Slot> = Vec::new();
        for (index, parameter) in operation.parameters.iter().enumerate() {
            let Some(value) = action.parameters.get(&parameter.name) else { continue };
            let same = |field: &Field| parameters.given[index].is_some_and(|given| std::ptr::eq(given, field));
            let field = row.fields.iter().position(same).filter(|field| matches!(cells[*field].is, Is::Something));
            let mut slot = Slot {
                given: field.map(|field| (field, index)),
                parameter: parameter.clone(),
                read: None,
                member: format!(
                    "{}{}:",
                    if slots.is_empty() { '{' } else { ',' },
                    Value::from(parameter.name.as_str())
                ),
                begin: 0,
                text: None,
            };
            slot.begin = slot.member.len();
            if field.is_some() && all_rules[index].is_none() {
                return;
            }
            slot.write(value);
            slots.push(slot);
        }
        let slot = |name: &String| slots.iter().position(|slot| slot.parameter.name == *name);
        let target = rules.target.parameters.iter().filter_map(slot).collect();
        let id = row.fields.iter().position(|field| field.name == "id" && !matches!(field.value.shape, Shape::Null));
        let kind = self.pending.kind(action, base, targets);
        self.routes.routes.push(Route { cells, id, kind, slots, target, rules: all_rules });
    }

    fn rules(&mut self, account: usize, operation: &Operation) -> Rc<[Option<Validator>]> {
        let provider = &self.draft.accounts.drafts[account].provider.id;
        let key = (provider.clone(), operation.name.clone());
        self.rules.entry(key).or_insert_with(|| params::rules_of_each(operation).into()).clone()
    }
}

impl Routes {
    /// The way that a row can go. Where it is told what has changed since the row before, only that is looked at.
    fn find(&mut self, row: &Row<'_>, changed: Option<&[bool]>) -> Option<&mut Route> {
        if let (Some(changed), Some(route)) = (changed, self.routes.get(self.last)) {
            let mut cells = route.cells.iter().zip(row.fields).zip(changed);
            if cells.all(|((cell, field), changed)| !changed || cell.fits(&field.value)) {
                return self.routes.get_mut(self.last);
            }
        }
        let fits = |route: &Route| {
            let cells = &route.cells;
            cells.len() == row.fields.len()
                && cells.iter().zip(row.fields).all(|(cell, field)| cell.fits(&field.value) && cell.name == field.name)
        };
        if !self.routes.get(self.last).is_some_and(fits) {
            self.last = self.routes.iter().position(fits)?;
        }
        self.routes.get_mut(self.last)
    }
}

impl Cell {
    fn fits(&self, value: &Node) -> bool {
        match (&self.is, &value.shape) {
            (Is::Absent, shape) => matches!(shape, Shape::Null),
            (Is::Exactly(wanted), Shape::Scalar { text, .. }) => text == wanted,
            (Is::Something, shape) => !matches!(shape, Shape::Null),
            (Is::Exactly(_), _) => false,
        }
    }
}

impl Slot {
    /// Reads the parameter from its field. `false` where the long way must say what is wrong with it.
    fn fill(&mut self, fields: &[Field], changed: Option<&[bool]>, rules: &[Option<Validator>]) -> bool {
        let Some((field, index)) = self.given else { return true };
        if changed.is_some_and(|changed| !changed[field]) && self.read.is_some() {
            return true;
        }
        let node: &Node = &fields[field].value;
        let text = node.text();
        // Many columns say the same in row after row.
        if text.is_some() && self.read.as_deref() == text {
            return true;
        }
        let mut read = self.read.take().unwrap_or_default();
        let Some(value) = params::value(&self.parameter, node).ok() else { return false };
        if !rules[index].as_ref().is_some_and(|rules| rules.is_valid(&value)) {
            return false;
        }
        self.write(&value);
        self.read = text.map(|text| {
            read.clear();
            read.push_str(text);
            read
        });
        true
    }

    fn write(&mut self, value: &Value) {
        self.member.truncate(self.begin);
        match value {
            Value::String(text) => {
                // Most texts need no escapes.
                if text.bytes().all(|byte| byte >= b' ' && !matches!(byte, b'"' | b'\\')) {
                    self.member.push('"');
                    self.member.push_str(text);
                    self.member.push('"');
                } else {
                    self.member.push_str(&value.to_string());
                }
                let old = self.text.get_or_insert_default();
                old.clear();
                old.push_str(text);
            }
            _ => {
                self.member.push_str(&value.to_string());
                self.text = scalar_text(value).map(Cow::into_owned);
            }
        }
    }
}

/// More kinds than this are no kinds.
const MOST_ROUTES: usize = 64;
