//! What an action is to those before it: new, a repetition, a conflict; a shared key; a part of what another reaches.

use super::Checker;
use super::index;
use super::parameters::{Parameters, index_of};
use super::targets::Standing;
use crate::diag::Diagnostic;
use crate::plan::checked::Action;
use crate::provider::model::{ActionRules, Location, Operation};
use crate::provider::pointer::scalar_text;
use crate::text::{Span, safe};
use serde_json::{Map, Value};
use std::borrow::Cow;

impl Checker<'_> {
    /// Says what an action that is whole but for its duplicate is to those before it: the one that it repeats is written into it.
    /// `false` where it conflicts with one.
    pub(super) fn stand(&mut self, span: Span, ordinal: u32, standing: Standing, action: &mut Action) -> bool {
        let id_of = |this: &Self, ordinal| this.index.id(ordinal).into_owned();
        match standing {
            Standing::New => action.duplicate_of = None,
            Standing::Repeats(first) => {
                self.index.repeats(ordinal, first);
                let first_id = id_of(self, first);
                let what = format!("this repeats the action `{}` and will be skipped", safe::terminal(&first_id));
                self.say(Diagnostic::warning("duplicate", span, what).related(self.index.span(first), "the first"));
                action.duplicate_of = Some(first_id);
            }
            Standing::Conflicts(first) => {
                let what = format!(
                    "the action `{}` asks for a `{}` of the same target ({}) with other parameters",
                    safe::terminal(&id_of(self, first)),
                    action.operation,
                    safe::terminal(&action.target)
                );
                let error = Diagnostic::error("conflict", span, what);
                self.say(error.related(self.index.span(first), "the other").help("keep the one that is meant"));
                return false;
            }
        }
        true
    }

    /// Tells of a certificate request whose key an earlier one has.
    pub(super) fn key_once(&mut self, ordinal: u32, parameters: &Parameters<'_>) {
        let Some((key, place)) = parameters.key else { return };
        let Some(first) = self.index.key(key, ordinal) else { return };
        let first_id = self.index.id(first).into_owned();
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
    pub(super) fn reach(
        &mut self,
        account: usize,
        operation: &Operation,
        rules: &ActionRules,
        parameters: &Parameters<'_>,
    ) {
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
            let group: Vec<String> = others
                .filter_map(|name| parameters.map.get(name))
                .filter_map(scalar_text)
                .map(Cow::into_owned)
                .collect();
            if group.is_empty() {
                continue;
            }
            let reach = self.index.reach(index::end_hash(index::targets_of(account, &operation.name), &group));
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
pub(super) fn without_place_of_key(operation: &Operation, parameters: &Map<String, Value>) -> Map<String, Value> {
    let mut parameters = parameters.clone();
    for parameter in operation.parameters.iter().filter(|parameter| parameter.location == Location::Signer) {
        if let Some(value) = parameters.get_mut(&parameter.name) {
            *value = Value::Bool(true);
        }
    }
    parameters
}
