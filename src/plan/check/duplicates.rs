//! What an action is to those before it: a repetition, a conflict; one with the same key; a part of what another reaches.

use super::context::Checker;
use super::fields::index_of;
use super::parameters::ReadParameters;
use super::targets::{Duplicate, hash_of};
use crate::diag::Diagnostic;
use crate::pki::SpkiFingerprint;
use crate::plan::checked::Action;
use crate::provider::answer::scalar_text;
use crate::provider::model::{ActionRules, Operation};
use crate::text::{Span, safe};
use std::borrow::Cow;

impl Checker<'_> {
    /// Tells where an action repeats an earlier one, whose id is written into it. `false` where it conflicts with one, which was said.
    pub(super) fn duplicate(&mut self, span: Span, ordinal: u32, duplicate: Duplicate, action: &mut Action) -> bool {
        let id_of = |this: &Self, ordinal| this.index.id(ordinal).into_owned();
        match duplicate {
            Duplicate::None => {}
            Duplicate::Repeats(first) => {
                self.index.duplicates.insert(ordinal, first);
                let first_id = id_of(self, first);
                let what = format!("this repeats the action `{}` and will be skipped", safe::terminal(&first_id));
                self.say(Diagnostic::warning("duplicate", span, what).related(self.index.span(first), "the first"));
                action.duplicate_of = Some(first_id);
            }
            Duplicate::Conflicts(first) => {
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
    pub(super) fn key_once(&mut self, ordinal: u32, key: Option<(SpkiFingerprint, Span)>) {
        let Some((key, place)) = key else { return };
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
        parameters: &ReadParameters<'_>,
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
            let group: Vec<Cow<'_, str>> =
                others.filter_map(|name| parameters.map.get(name)).filter_map(scalar_text).collect();
            if group.is_empty() {
                continue;
            }
            let group = hash_of(self.hashes(account, operation).target.clone(), &group);
            if let Some((part, whole)) = self.index.groups.add(group, is_wide, place) {
                let what = format!("another action reaches {}, this one among them", wide.reaches);
                self.say(Diagnostic::warning("reached-twice", part, what).related(whole, "it"));
            }
        }
    }
}
