//! What an action is to the others: it repeats one, conflicts with one, has the same key, is a part of what another reaches, or needs
//! them (`needs`: ids that do not exist, and circles). And whether a list of exceptions names it (`except`), so that it is not touched; an
//! entry of such a list that is no action of the plan is told of, since a slip in it would let go what was to stay. Reads no file.

use super::action_index::{Duplicate, hash_of};
use super::context::Checker;
use super::exception_list::{Named, identifies};
use super::fields::index_of;
use super::parameters::ReadParameters;
use super::pem_files::SentCertificate;
use crate::diag::Diagnostic;
use crate::pki::{RevocationReason, SpkiFingerprint};
use crate::plan::checked::{Action, NeverSent, SharedKey};
use crate::provider::answer::{naming_text, scalar_text};
use crate::provider::model::{ActionRules, Location, Operation, Parameter};
use crate::run::Ordinal;
use crate::text::damage::did_you_mean;
use crate::text::{Span, nearest, safe};
use crate::tree::Field;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

impl Checker<'_> {
    /// Reports that an action repeats an earlier one, whose id is written into it, or conflicts with one: then `false`.
    pub(super) fn report_duplicate(
        &mut self,
        span: Span,
        ordinal: u32,
        duplicate: Duplicate,
        action: &mut Action,
    ) -> bool {
        let id_of = |this: &Self, ordinal| this.index.id(ordinal);
        match duplicate {
            Duplicate::None => {}
            Duplicate::Repeats(first) => {
                self.index.duplicates.insert(ordinal, first);
                let first_id = id_of(self, first);
                let what = format!("this repeats the action `{}` and will be skipped", safe::terminal(&first_id));
                self.report(Diagnostic::warning("duplicate", span, what).related(self.index.span(first), "the first"));
                action.never_sent = Some(NeverSent::Repeats(first_id));
            }
            Duplicate::Conflicts(first) => {
                let what = format!(
                    "the action `{}` asks for a `{}` of the same target ({}) with other parameters",
                    safe::terminal(&id_of(self, first)),
                    action.operation,
                    safe::terminal(&action.target)
                );
                let error = Diagnostic::error("conflict", span, what);
                self.report(error.related(self.index.span(first), "the other").help("keep the one that is meant"));
                return false;
            }
        }
        true
    }

    /// Reports a certificate request whose key an earlier one has.
    pub(super) fn report_shared_key(&mut self, ordinal: u32, key: Option<(SpkiFingerprint, Span)>) {
        let Some((key, place)) = key else { return };
        let Some(first) = self.index.first_with_key(key, ordinal) else { return };
        let first_id = self.index.id(first);
        let what = format!("this certificate request has the same key as that of `{}`", safe::terminal(&first_id));
        // Only a warning by default: one key for several certificates is bad practice, and allowed.
        let finding = if self.draft.safety.unique_keys {
            Diagnostic::error("shared-key", place, what)
        } else {
            Diagnostic::warning("shared-key", place, what)
        };
        let help = "certificates that share a key fall together; make a key for each";
        self.report(finding.related(self.index.span(first), "the other").help(help));
    }

    /// Warns of a revocation that the certificate's own key signs, once for each account: the CA takes that for more than the plan says.
    pub(super) fn report_own_key(&mut self, account: usize, operation: &Operation, parameters: &ReadParameters<'_>) {
        let signs = |parameter: &Parameter| parameter.location == Location::Signer;
        let index = operation.parameters.iter().position(signs);
        let Some(field) = index.and_then(|index| parameters.given[index]) else { return };
        let is_said =
            parameters.reason.as_ref().is_some_and(|reason| reason.asked == Some(RevocationReason::KeyCompromise));
        if !is_said && self.own_keys_told.insert(account) {
            let what = "signed by the certificate's own key, this proves to the CA that the key is compromised, whatever `reason` says: \
                        Let's Encrypt blocks the key and revokes every certificate with it";
            let help = format!(
                "leave `{}` out to sign with the account's key, or write `reason: keyCompromise` if that is meant",
                field.name
            );
            self.report(Diagnostic::warning("key-blocked", field.value.span, what).help(help));
        }
    }

    /// Reports that an account lacks what one operation alone is signed with; once for each of them.
    pub(super) fn report_own_security(&mut self, account: usize, operation: &Operation, action: &Field) {
        let Some(own) = &operation.security else { return };
        let draft = &self.draft.accounts.drafts[account].account;
        let has = |name: &&str| draft.credentials.contains_key(*name);
        let name = draft.name.clone();
        if own.iter().any(|one| one.required().iter().all(has))
            || !self.own_security_told.insert((account, operation.name.clone()))
        {
            return;
        }
        let ways: Vec<String> = own.iter().map(|one| one.required().join(" and ")).collect();
        let what = format!("`{}` signs in by a way of its own, for which `{name}` has no credentials", operation.name);
        let help = format!("give {} under `credentials`, beside the account's others", ways.join(", or "));
        self.report(Diagnostic::error("missing-credential", action.value.span, what).help(help));
    }

    /// Warns of compromises that reach certificates or requests of other actions.
    pub(super) fn report_shared_compromises(&mut self) -> Vec<SharedKey> {
        let mut shared = Vec::new();
        for (told, untold, tells) in self.keys.reaching_further() {
            let (action_id, other) = (self.index.id(told), self.index.id(untold));
            let other = safe::terminal(&other);
            let (place, related) = (self.index.span(told), self.index.span(untold));
            let what = format!(
                "this tells the CA that a key is compromised which `{other}` has, too: CAs revoke every certificate with it"
            );
            let help = "a key that is compromised for one certificate is so for all: revoke the others for the same reason, and make new keys";
            self.report(
                Diagnostic::warning("compromise-of-others", place, what).related(related, "the other").help(help),
            );
            if tells > 0 {
                let reaches = format!("every certificate with its key, `{other}` among them");
                let source = self.sources.line_place(place);
                shared.push(SharedKey { actions: u64::from(tells), action_id, source, reaches });
            }
        }
        shared
    }

    /// Warns of parameters that reach further than one target, and notes what they reach.
    pub(super) fn report_reach(
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
                self.report(Diagnostic::warning("wide", place, what));
            }
            let others = rules.target.parameters.iter().filter(|name| **name != wide.parameter);
            let group: Vec<Cow<'_, str>> =
                others.filter_map(|name| parameters.map.get(name)).filter_map(scalar_text).collect();
            // Without another parameter of the target there is nothing that parts could share.
            if group.is_empty() {
                continue;
            }
            let group = hash_of(self.shared_by(account, &operation.name).target.clone(), &group);
            self.index.groups.add(&wide.reaches, group, is_wide, place);
        }
    }

    /// Reports, once all is read, steps that wait for what nobody would believe.
    pub(super) fn report_unknown_issuers(&mut self) {
        let places: Vec<Span> = self.certificates.without_issuer().collect();
        for place in places {
            let what = "the issuer of this certificate is not known, and a CRL or an OCSP answer is believed for its signature alone";
            let help = "name the CA's certificate beside it: `issuer: \"file:ca.pem\"`; or have it behind the certificate in its file";
            self.report(Diagnostic::error("no-issuer", place, what).help(help));
        }
    }

    /// Warns, once all is read, of parts whose whole another action asks for.
    pub(super) fn report_reached_twice(&mut self) {
        let groups = std::mem::take(&mut self.index.groups);
        for (reaches, part, whole) in groups.reached_twice() {
            let what = format!("another action reaches {reaches}, this one among them");
            self.report(Diagnostic::warning("reached-twice", part, what).related(whole, "it"));
        }
    }
}

impl Checker<'_> {
    /// Checks `needs` once all ids are known: an action may need one that comes later. The result counts where nothing is reported.
    pub(super) fn check_needs(&mut self) -> Vec<(Ordinal, Vec<Ordinal>)> {
        let all = std::mem::take(&mut self.index.needs);
        let mut edges: HashMap<u32, Vec<(u32, Span)>> = HashMap::new();
        let mut compared = 0;
        for (ordinal, needs) in &all {
            let mut met = HashSet::with_capacity(needs.len());
            for (id, place) in needs {
                let needed = self.index.find(id).or_else(|| {
                    // An entry with steps that came earlier was found when the action was read.
                    let last = self.index.find_chain(id)?;
                    self.last_steps.insert(id.clone(), self.index.id(last));
                    Some(last)
                });
                let Some(needed) = needed else {
                    self.report_unknown_need(id, *place, &mut compared);
                    continue;
                };
                // An entry with steps and its last step are one need; two would count twice in the digest.
                if !met.insert(needed) {
                    continue;
                }
                if needed == *ordinal {
                    let what = format!("`{}` needs itself", safe::terminal(id));
                    self.report(Diagnostic::error("needs-itself", *place, what).help("drop it from `needs`"));
                } else if let Some(first) = self.index.duplicates.get(&needed).copied() {
                    // A repetition never ends, so what needs it would wait for ever.
                    let first_id = self.index.id(first);
                    let what =
                        format!("`{}` repeats `{}` and is never sent", safe::terminal(id), safe::terminal(&first_id));
                    let error =
                        Diagnostic::error("needs-duplicate", *place, what).related(self.index.span(needed), "it");
                    self.report(error.help(format!("write `needs: [{}]`", safe::terminal(&first_id))));
                } else {
                    if self.index.excepted.contains(&needed) && !self.index.excepted.contains(ordinal) {
                        let what = format!(
                            "`{}` is on the exception list, so what needs it will be skipped",
                            safe::terminal(id)
                        );
                        let warning = Diagnostic::warning("needs-excepted", *place, what);
                        self.report(warning.related(self.index.span(needed), "it"));
                    }
                    edges.entry(*ordinal).or_default().push((needed, *place));
                    self.digest.need(Ordinal::from(*ordinal), Ordinal::from(needed));
                }
            }
        }
        for (ordinal, needed) in std::mem::take(&mut self.index.links) {
            edges.entry(ordinal).or_default().push((needed, self.index.span(ordinal)));
            self.digest.need(Ordinal::from(ordinal), Ordinal::from(needed));
        }
        let mut starts: Vec<u32> = edges.keys().copied().collect();
        // A hash map has no order, and findings and the plan's needs must have one.
        starts.sort_unstable();
        for circle in circles(&starts, &edges) {
            let id = |(ordinal, _): &(u32, Span)| safe::terminal(&self.index.id(*ordinal)).into_owned();
            let mut chain = circle.told.iter().map(id).collect::<Vec<_>>().join("` needs `");
            let mut what = "dependency cycle".to_owned();
            if let Some(last) = &circle.last {
                what = format!("{what} of {} actions", circle.length);
                chain = format!("{chain}` … `{}", id(last));
            }
            let what = format!("{what}: `{chain}` needs `{}`", id(&circle.told[0]));
            let mut error = Diagnostic::error("needs-circle", circle.told[0].1, what);
            for (_, place) in &circle.told[1..] {
                error = error.related(*place, "and here");
            }
            self.report(error.help("one of them must go first"));
        }
        let needed = |ordinal: &u32| edges[ordinal].iter().map(|(needed, _)| Ordinal::from(*needed)).collect();
        starts.iter().map(|ordinal| (Ordinal::from(*ordinal), needed(ordinal))).collect()
    }

    /// `compared` counts the ids that were held against unknown ones so far.
    fn report_unknown_need(&mut self, id: &str, place: Span, compared: &mut u32) {
        let what = format!("no action has the id `{}`", safe::terminal(id));
        let mut error = Diagnostic::error("unknown-id", place, what);
        // In a long list the nearest id is rarely the one meant; and where many are unknown, they have one cause.
        if self.index.count() <= NEAREST_WITHIN && *compared < MAX_COMPARED {
            *compared += self.index.count();
            let ids: Vec<String> = (0..self.index.count()).map(|ordinal| self.index.id(ordinal)).collect();
            if let Some(right) = nearest(id, ids.iter().map(AsRef::as_ref)) {
                error = error.help(did_you_mean(id, &safe::terminal(right)));
            }
        }
        self.report(error);
    }
}

impl Checker<'_> {
    /// Notes that an action is on a list of exceptions, where it is.
    pub(super) fn except(
        &mut self,
        ordinal: u32,
        operation: &Operation,
        rules: &ActionRules,
        sent: Option<&SentCertificate>,
        action: &mut Action,
    ) {
        if self.exceptions.active.is_empty() {
            return;
        }
        if let Some(sent) = sent {
            self.exceptions.note_certificate(&sent.certificate);
        }
        let targets = operation.parameters.iter().filter(|parameter| rules.target.parameters.contains(&parameter.name));
        let value = |parameter: &Parameter| action.parameters.get(&parameter.name).and_then(naming_text);
        let parameters = targets.filter_map(|parameter| Some((parameter, value(parameter)?.into_owned())));
        // Names that are sent, as those of a reissue.
        let names =
            action.parameters.iter().filter(|(name, _)| identifies(name)).flat_map(|(_, value)| texts_of(value));
        let serial = action.certificate.as_ref().and_then(|facts| facts.serial_number.as_ref());
        let named = Named {
            id: &action.id,
            target: &action.target,
            parameters: parameters.collect(),
            certificate: names.chain(serial.map(ToString::to_string)).collect(),
        };
        let whole: Vec<(&Parameter, String)> = rules.wide.first().map_or_else(Vec::new, |wide| {
            let of_whole = |(parameter, _): &&(&Parameter, String)| parameter.name != wide.parameter;
            named.parameters.iter().filter(of_whole).cloned().collect()
        });
        let found = self.exceptions.find(&named);
        let part = found.is_none() && action.reaches.is_some();
        let part = if part { self.exceptions.find_part(&whole) } else { None };
        let values: Vec<&str> = whole.iter().map(|(_, value)| value.as_str()).collect();
        let whole = format!("{}/{}/{}", action.account, action.operation, values.join("/"));
        let span = self.index.span(ordinal);
        match (found, part, &action.never_sent) {
            (Some(place), _, None) => {
                action.never_sent = Some(NeverSent::Excepted(self.sources.line_place(place)));
                self.index.excepted.insert(ordinal);
                if action.reaches.is_none() && !values.is_empty() {
                    self.exceptions.parts.insert(whole, span);
                }
            }
            // The first of the two has been handed out already.
            (Some(place), _, Some(NeverSent::Repeats(first))) if !self.is_excepted(ordinal) => {
                let what = format!(
                    "`{}` is on the exception list, and `{}`, which does the same, is not",
                    safe::terminal(&action.id),
                    safe::terminal(first)
                );
                let error = Diagnostic::error("except", span, what).related(place, "the exception");
                self.report(error.help("name the other on the list too, or drop one of the two from the plan"));
            }
            (None, Some(place), None) => self.report_excepted_part(span, action.reaches.as_deref(), place),
            (None, None, None) if action.reaches.is_some() => self.exceptions.wholes.push((whole, span)),
            _ => {}
        }
    }

    /// Whether the action that one repeats is on the list.
    fn is_excepted(&self, ordinal: u32) -> bool {
        self.index.duplicates.get(&ordinal).is_some_and(|first| self.index.excepted.contains(first))
    }

    fn report_excepted_part(&mut self, whole: Span, reaches: Option<&str>, part: Span) {
        let what =
            format!("this reaches {}, and one of them is on the exception list", reaches.unwrap_or("more than one"));
        let error = Diagnostic::error("except", whole, what).related(part, "it");
        self.report(error.help("name the others one by one in its place, or put it on the exception list"));
    }

    /// Reports actions that reach what another action of the plan is excepted for, and the entries for which no action was found.
    pub(super) fn report_unmet_exceptions(&mut self) {
        let parts = std::mem::take(&mut self.exceptions.parts);
        for (whole, span) in std::mem::take(&mut self.exceptions.wholes) {
            if let Some(part) = parts.get(&whole) {
                self.report_excepted_part(span, None, *part);
            }
        }
        let lists = std::mem::take(&mut self.exceptions.lists);
        // Rows that could not be read may be what an entry means.
        if self.diagnostics.has_errors() {
            return;
        }
        for list in &lists {
            let mut unmet = list.entries.iter().filter(|entry| !entry.is_met);
            for entry in unmet.by_ref().take(MAX_UNMET) {
                let what = format!("`{}` on the exception list is no action of this plan", safe::terminal(&entry.text));
                let warning = Diagnostic::warning("except", entry.place, what);
                self.report(warning.help("is it spelled right? what it means to keep may be among the other actions"));
            }
            let more = unmet.clone().count();
            if let Some(entry) = unmet.next() {
                let what = format!("{more} more entries on the exception list are no actions of this plan");
                self.report(Diagnostic::warning("except", entry.place, what));
            }
        }
    }
}

/// A circle in what actions need, as far as it is told: it may be as long as the plan, and there may be as many.
struct NeedsCircle {
    /// How many actions it has.
    length: usize,
    /// The ordinals along it, each with the place that names the next one: all, or the first few.
    told: Vec<(u32, Span)>,
    /// The last one, where it is not among these.
    last: Option<(u32, Span)>,
}

/// The circles in a graph. Walks with a stack of its own: a chain may be as long as the plan.
fn circles(starts: &[u32], edges: &HashMap<u32, Vec<(u32, Span)>>) -> Vec<NeedsCircle> {
    // Of each action that was met: its place on the path, and none once all that it needs was walked.
    let mut met: HashMap<u32, Option<usize>> = HashMap::new();
    let mut found = Vec::new();
    for start in starts {
        if met.contains_key(start) {
            continue;
        }
        // Each step: the action, and which of its needs is next.
        let mut path: Vec<(u32, usize)> = vec![(*start, 0)];
        met.insert(*start, Some(0));
        while let Some((here, next)) = path.last_mut() {
            let needs = edges.get(here).map_or(&[][..], Vec::as_slice);
            let Some((needed, _)) = needs.get(*next) else {
                met.insert(*here, None);
                path.pop();
                continue;
            };
            *next += 1;
            match met.get(needed) {
                Some(None) => {}
                // Still on the path, so the path from there on is a circle.
                Some(Some(begin)) => {
                    let circle = &path[*begin..];
                    let place = |(ordinal, next): &(u32, usize)| (*ordinal, edges[ordinal][next - 1].1);
                    let is_long = circle.len() > MAX_TOLD;
                    let told = if is_long { &circle[..MAX_TOLD - 1] } else { circle };
                    found.push(NeedsCircle {
                        length: circle.len(),
                        told: told.iter().map(place).collect(),
                        last: circle.last().filter(|_| is_long).map(place),
                    });
                }
                None => {
                    met.insert(*needed, Some(path.len()));
                    path.push((*needed, 0));
                }
            }
        }
    }
    found
}

/// The texts of a value: one, or several.
fn texts_of(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(scalar_text).map(Cow::into_owned).collect(),
        one => scalar_text(one).map(Cow::into_owned).into_iter().collect(),
    }
}

/// Up to so many actions the nearest id is looked for.
const NEAREST_WITHIN: u32 = 10_000;
/// So many ids in all are held against unknown ones.
const MAX_COMPARED: u32 = 200_000;
/// Actions of a circle that are told by their ids.
const MAX_TOLD: usize = 5;
/// So many entries without an action are named; the others are counted.
const MAX_UNMET: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::SourceMap;

    #[test]
    fn circles_are_found_once_each() {
        let source = SourceMap::default().add_text("p", None, "".into());
        let span = Span { source, line: 1, column: 1, length: 0 };
        for (pairs, expected) in [
            (vec![(0, 1), (1, 2)], vec![]),
            (vec![(0, 1), (1, 0)], vec![vec![0, 1]]),
            (vec![(0, 1), (0, 2), (1, 3), (2, 3)], vec![]),
            (vec![(0, 1), (1, 2), (2, 1), (5, 6), (6, 5)], vec![vec![1, 2], vec![5, 6]]),
        ] {
            let mut edges: HashMap<u32, Vec<(u32, Span)>> = HashMap::new();
            for (from, to) in &pairs {
                edges.entry(*from).or_default().push((*to, span));
            }
            let mut starts: Vec<u32> = edges.keys().copied().collect();
            starts.sort_unstable();
            let found: Vec<Vec<u32>> = circles(&starts, &edges)
                .iter()
                .map(|circle| circle.told.iter().map(|(ordinal, _)| *ordinal).collect())
                .collect();
            assert_eq!(found, expected, "{pairs:?}");
        }
        let chain: HashMap<u32, Vec<(u32, Span)>> = (0..200_000).map(|one| (one, vec![(one + 1, span)])).collect();
        assert!(circles(&[0], &chain).is_empty());
        // As many circles as actions, each longer than the one before.
        let back: HashMap<u32, Vec<(u32, Span)>> =
            (0..100_000).map(|one| (one, vec![(0, span), (one + 1, span)])).collect();
        let found = circles(&[0], &back);
        assert_eq!((found.len(), found[99_999].length, found[99_999].told.len()), (100_000, 100_000, MAX_TOLD - 1));
        assert_eq!(found[99_999].last, Some((99_999, span)));
    }
}
