//! What an action is to those before it: new, a repetition, a conflict; a shared key; a part of what another reaches.

use super::Checker;
use super::index::{self, Standing};
use super::parameters::{Parameters, index_of};
use crate::diag::Diagnostic;
use crate::plan::row::Row;
use crate::provider::model::{ActionRules, Location, Operation};
use crate::provider::pointer::scalar_text;
use crate::text::safe;
use serde_json::{Map, Value};

impl Checker<'_> {
    /// What the action is to those before it: its target as shown, and the id of the one that it repeats.
    pub(super) fn stand(
        &mut self,
        row: &Row<'_>,
        ordinal: u32,
        account: usize,
        operation: &Operation,
        rules: &ActionRules,
        parameters: &Parameters<'_>,
    ) -> Option<(String, Option<String>)> {
        let mut target = String::new();
        for text in rules.target.parameters.iter().filter_map(|name| parameters.map.get(name)).filter_map(scalar_text) {
            if !target.is_empty() {
                target.push('/');
            }
            target.push_str(&text);
        }
        self.canonical.clear();
        match operation.own_key(&parameters.map).is_some() {
            false => serde_json::to_writer(&mut self.canonical, &parameters.map).ok()?,
            // It is the certificate's key, wherever it lies.
            true => {
                serde_json::to_writer(&mut self.canonical, &without_place_of_key(operation, &parameters.map)).ok()?
            }
        }
        let key = index::hash(&(account, operation.name.as_str(), target.as_str()));
        self.reach(account, operation, rules, parameters);
        let id_of = |this: &Self, ordinal| this.index.id(ordinal).to_owned();
        match self.index.target(ordinal, key, &self.canonical) {
            Standing::New => {
                self.key_once(ordinal, parameters);
                Some((target, None))
            }
            Standing::Repeats(first) => {
                let first_id = id_of(self, first);
                let what = format!("this repeats the action `{}` and will be skipped", safe::terminal(&first_id));
                self.say(Diagnostic::warning("duplicate", row.span, what).related(self.index.span(first), "the first"));
                Some((target, Some(first_id)))
            }
            Standing::Conflicts(first) => {
                let what = format!(
                    "the action `{}` asks for a `{}` of the same target ({}) with other parameters",
                    safe::terminal(&id_of(self, first)),
                    operation.name,
                    safe::terminal(&target)
                );
                let error = Diagnostic::error("conflict", row.span, what);
                self.say(error.related(self.index.span(first), "the other").help("keep the one that is meant"));
                None
            }
        }
    }

    fn key_once(&mut self, ordinal: u32, parameters: &Parameters<'_>) {
        let Some((key, place)) = parameters.key else { return };
        let Some(first) = self.index.key(key, ordinal) else { return };
        let first_id = self.index.id(first).to_owned();
        let what = format!("this certificate request has the same key as that of `{}`", safe::terminal(&first_id));
        let finding = if self.draft.safety.unique_keys {
            Diagnostic::error("shared-key", place, what)
        } else {
            Diagnostic::warning("shared-key", place, what)
        };
        let help = "certificates that share a key fall together; make a key for each";
        self.say(finding.related(self.index.span(first), "the other").help(help));
    }

    /// Warns of parameters that reach further than one target, and of parts that are asked for beside their whole.
    fn reach(&mut self, account: usize, operation: &Operation, rules: &ActionRules, parameters: &Parameters<'_>) {
        for wide in &rules.wide {
            let Some(index) = index_of(operation, &wide.parameter) else { continue };
            let Some(field) = parameters.given[index] else { continue };
            let Some(text) = parameters.map.get(&wide.parameter).and_then(scalar_text) else { continue };
            let is_wide = text == wide.value;
            let place = field.value.span;
            if is_wide {
                let what = format!("`{}: {}` reaches {}", wide.parameter, wide.value, wide.reaches);
                self.say(Diagnostic::warning("wide", place, what));
            }
            let others = rules.target.parameters.iter().filter(|name| **name != wide.parameter);
            let group: Vec<String> =
                others.filter_map(|name| parameters.map.get(name)).filter_map(scalar_text).collect();
            if group.is_empty() {
                continue;
            }
            let reach = self.index.reach(index::hash(&(account, operation.name.as_str(), group)));
            let slot = if is_wide { &mut reach.whole } else { &mut reach.part };
            slot.get_or_insert(place);
            if let (Some(whole), Some(part), false) = (reach.whole, reach.part, reach.said) {
                reach.said = true;
                let what = format!("another action reaches {}, this one among them", wide.reaches);
                self.say(Diagnostic::warning("reached-twice", part, what).related(whole, "it"));
            }
        }
    }
}

/// The parameters without the path of the key that signs, which depends on the working directory.
fn without_place_of_key(operation: &Operation, parameters: &Map<String, Value>) -> Map<String, Value> {
    let mut parameters = parameters.clone();
    for parameter in operation.parameters.iter().filter(|parameter| parameter.location == Location::Signer) {
        if let Some(value) = parameters.get_mut(&parameter.name) {
            *value = Value::Bool(true);
        }
    }
    parameters
}
