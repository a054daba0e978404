//! One row to one checked action: its provider and operation, its id, when it may go, its reason (given in RFC 5280's names or the provider's,
//! sent in the provider's), and what it is to the actions before it and to the certificate that it replaces.

use super::action_index::hash_of;
use super::context::{CheckedStep, Checker, NotedTiming, Publication, Timing};
use super::fields::{Layers, Row, has_value, no_value};
use super::pem_files::{CsrResult, KeyBearer};
use crate::diag::{Diagnostic, Diagnostics};
use crate::pki::csr::split_reference;
use crate::pki::names::{comparable, is_host};
use crate::pki::{Certificate, RequestedCertificate, RevocationReason, SpkiFingerprint};
use crate::plan::calendar;
use crate::plan::checked::{Action, CertificateNames, NeverSent, Parameters};
use crate::plan::read::{NoAccount, has_fixed_deadline, instant, texts};
use crate::provider::answer::naming_text;
use crate::provider::model::{ActionRules, Idempotency, Operation, Provider, ReasonRule, TargetKind};
use crate::provider::params::{self, ReasonError};
use crate::provider::target_state;
use crate::run::Ordinal;
use crate::text::damage::did_you_mean;
use crate::text::{Span, nearest, safe};
use crate::tree::Field;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// A reason that can be sent.
pub(super) struct ReadReason<'a> {
    /// The reason of RFC 5280, where the provider's spelling has one.
    pub(super) asked: Option<RevocationReason>,
    /// What is sent.
    pub(super) spelling: String,
    /// Whether the CA learns by it that the key is compromised.
    pub(super) tells_compromise: bool,
    /// The field that gives it.
    pub(super) field: &'a Field,
}

/// The reason of an action.
pub(super) enum ReasonFound<'a> {
    /// The action has none.
    Absent,
    /// One that cannot be sent, which was reported.
    Unusable,
    /// One that can be sent.
    Usable(ReadReason<'a>),
}

/// What an action asks for in the place of an old certificate. The certificate is the one that the entry names; what only the provider's record tells
/// is held against it before the request is sent.
struct Replacement<'a> {
    operation: &'a Operation,
    rules: &'a ActionRules,
    parameters: &'a Map<String, Value>,
    /// For each parameter of the operation the field that gave it.
    given: &'a [Option<&'a Field>],
    /// Parameters whose values earlier steps bring.
    references: &'a [usize],
    /// The certificate request, and where it stands.
    csr: Option<&'a (CsrResult, Span)>,
}

impl Checker<'_> {
    /// Checks one row and hands the action out, if it is one. `name` begins the ids that are made.
    pub(super) fn check_action(&mut self, row: &Row<'_>, name: &str, layers: Layers<'_>) {
        // First, and for wrong rows too: ids that are made must not depend on which rows are wrong, and `needs` may name any row.
        let (ordinal, id) = self.assign_id(row, name);
        for (_, field) in row.present().filter(|(_, field)| !has_value(field)) {
            self.report(no_value(field));
        }
        let needs = self.read_needs(row, layers, ordinal);
        self.check_assigned(row, layers, (ordinal, id, needs));
    }

    /// Checks an action that has its place and its id. Returns what steps behind it must know; `None` where it is none, which is reported.
    pub(super) fn check_assigned(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        (ordinal, id, mut needs): (u32, String, Vec<String>),
    ) -> Option<CheckedStep> {
        let errors_before = self.errors;
        let not_before = self.read_not_before(row, layers);
        let account = self.find_account(row, layers);
        // A missing action is reported although the provider is wrong; what the action is depends on the provider.
        let action = self.action_field(row, layers, account.as_ref().ok().copied())?;
        let account = account.ok()?;
        let provider = self.draft.accounts.drafts[account].provider.clone();
        let (operation, rules) = self.find_operation(action, &provider)?;
        self.report_own_security(account, operation, action);
        // Accounts are numbered in order of use, so the digest does not depend on the order of `providers`.
        let account_in_settings = self.draft.accounts.mark_used(account);
        let mut read = self.read_parameters(row, layers, account, operation, rules)?;
        self.report_reach(account, operation, rules, &read);
        let target = target_of(rules, &read.map);
        let own_key = operation.own_key(&read.map).is_some();
        if own_key {
            self.report_own_key(account, operation, &read);
        }
        let is_compromise = own_key || read.reason.as_ref().is_some_and(|reason| reason.tells_compromise);
        let csr = read.csr_text(rules);
        // One action without a key of its own is enough for the account to need its credentials.
        self.draft.accounts.drafts[account].account.own_keys &= own_key;
        // A key is the same wherever its file is: a plan that moves must have the same fingerprints.
        let has_key = own_key || !read.sent_keys.is_empty();
        let elsewhere = has_key.then(|| Parameters::from(without_place_of_key(operation, &read.map)));
        let withheld = read.withheld_csr.take().zip(rules.csr.as_ref());
        // Fingerprints are of what is sent, wherever it is read from then.
        let elsewhere = elsewhere.or_else(|| withheld.is_some().then(|| Parameters::from(read.map.clone())));
        if let Some((reference, rule)) = withheld {
            read.map.insert(rule.field.clone(), Value::String(reference));
        }
        let parameters = Parameters::from(std::mem::take(&mut read.map));
        let elsewhere = match read.references.as_slice() {
            [] => elsewhere,
            references => {
                let map = elsewhere.unwrap_or_else(|| parameters.clone());
                Some(self.told_by_steps((*map).clone(), operation, references))
            }
        };
        let told_target = match &elsewhere {
            Some(elsewhere) if !read.references.is_empty() => target_of(rules, elsewhere),
            _ => target.clone(),
        };
        let (settled, needs_accepted) = self.link(ordinal, rules.target.kind == TargetKind::Request);
        needs.splice(0..0, settled);
        let hashes = self.shared_by(account, &operation.name);
        let digest = hashes.fingerprint.with(elsewhere.as_ref().unwrap_or(&parameters).to_json(operation).as_bytes());
        let fingerprint = match rules.idempotency_of_all() {
            // A second certificate is bought whatever else the second request says: another name, another comment, another key.
            Idempotency::NotIdempotent if !target.is_empty() => hashes.fingerprint.of_target(&told_target),
            _ => digest.fingerprint(),
        };
        let target_hash = hash_of(hashes.target.clone(), &told_target);
        let source = self.sources.line_place(row.span);
        let mut action = Action {
            ordinal: Ordinal::from(ordinal),
            id,
            account: account_in_settings,
            operation: operation.name.clone(),
            target,
            reason: read.reason.as_ref().and_then(|reason| reason.asked),
            reason_sent: read.reason.map(|reason| reason.spelling),
            reaches: rules.reaches(&parameters),
            order: rules.order(&parameters),
            waits_for_approval: rules.waits_for_approval(&parameters),
            parameters,
            needs,
            needs_accepted,
            not_before,
            source,
            // A YAML entry has no columns, but every report row has all that any list keeps.
            kept: if row.kept.is_empty() { vec![String::new(); self.keep.len()] } else { row.kept.to_vec() },
            never_sent: None,
            fingerprint,
            certificate: None,
            names: None,
        };
        // For a row with errors too: a later row that repeats it is a repetition all the same.
        let duplicate = self.index.targets.add(ordinal, target_hash, digest.fingerprint());
        if !self.report_duplicate(row.span, ordinal, duplicate, &mut action) {
            return None;
        }
        // A repetition is never sent, so it does not use the key a second time; nor does what only reads.
        if action.never_sent.is_none() && !operation.is_safe {
            self.report_shared_key(ordinal, read.key);
        }
        let sent = read.certificate.as_deref();
        let (facts, named) = self.read_certificate_facts(row, layers, operation, sent);
        action.certificate = facts;
        let certificate = sent.map(|sent| &sent.certificate).or(named.as_deref());
        // Beside a certificate that is sent the key is that one's; the named one is what it replaces.
        if let Some(certificate) = certificate.filter(|_| read.sent_first.is_none()) {
            self.compare_keys(&read.sent_keys, certificate);
        }
        if let Some(named) = &named {
            self.compare_named(row, layers, operation, (&read.given, &action.parameters), named);
        }
        let request = Replacement {
            operation,
            rules,
            parameters: &action.parameters,
            given: &read.given,
            references: &read.references,
            csr: read.csr.as_ref(),
        };
        let drop_names = self.check_dropped_names(row, layers, &request, certificate);
        if !drop_names.is_empty() {
            action.certificate.get_or_insert_default().drop_names.clone_from(&drop_names);
        }
        action.names = certificate.map(|certificate| Box::new(CertificateNames::of(certificate)));
        self.except(ordinal, operation, rules, sent, &mut action);
        if action.never_sent.is_none() {
            action.never_sent = self.excepted_before(ordinal);
        }
        if self.errors > errors_before {
            return None;
        }
        // Not before: what exceptions are held against is the target alone.
        let is_ca = action.certificate.as_ref().is_some_and(|facts| facts.is_ca);
        let further = if is_ca { Some(CA_REACHES) } else { own_key.then_some(OWN_KEY_REACHES) };
        action.reaches = action.reaches.or_else(|| further.map(str::to_owned));
        if !matches!(action.never_sent, Some(NeverSent::Repeats(_))) {
            // An exception stays, and a compromise of its key reaches it all the same.
            let tells = is_compromise && action.never_sent.is_none();
            let bears = |bearer: &[u8]| KeyBearer::new(ordinal, bearer, tells, own_key);
            if let Some(certificate) = certificate {
                self.keys.add(SpkiFingerprint::of(&certificate.spki), bears(&certificate.der));
            }
            if let (Some((key, _)), Some(csr)) = (read.key, &csr) {
                self.keys.add(key, bears(csr.as_bytes()));
            }
        }
        self.digest.action(action.account, action.reason, action.not_before, action.never_sent.as_ref(), &digest);
        self.digest.drop_names(&drop_names);
        let step = self.chain.is_some().then(|| CheckedStep {
            account,
            operation: action.operation.clone(),
            target: action.target.clone(),
            fingerprint: action.fingerprint,
            publication: {
                let facts = action.certificate.as_deref();
                let alone = facts.and_then(|facts| facts.serial_number.clone());
                let alone = alone.or_else(|| operation.serial_number(&action.parameters));
                Publication::of(certificate, alone.as_ref(), facts)
            },
            serial_number: certificate.map(|certificate| certificate.serial.clone()),
            excepted: match &action.never_sent {
                Some(NeverSent::Excepted(place)) => Some(place.clone()),
                _ => None,
            },
        });
        (self.each)(action);
        step
    }

    fn assign_id(&mut self, row: &Row<'_>, name: &str) -> (u32, String) {
        let mut id = None;
        if let Some(field) = row.field("id").filter(|field| has_value(field))
            && let Some(text) = self.single_value(field)
        {
            if !is_usable_id(text) {
                self.report_unusable_id(field.value.span);
            }
            id = Some((text, field.value.span));
        }
        if let Some((text, place)) = id {
            let (ordinal, first) = self.index.add(text, row.span);
            if let Some(first) = first.or_else(|| self.index.find_chain(text)) {
                self.report_id_twice(text, place, first);
            }
            return (ordinal, text.to_owned());
        }
        let ordinal = self.index.add_unnamed(name, row.span);
        (ordinal, self.index.id(ordinal))
    }

    pub(super) fn report_unusable_id(&mut self, place: Span) {
        let help = format!("an id has 1 to {MAX_ID} characters, no control characters, no blanks around it");
        self.report(Diagnostic::error("id", place, "this cannot be an id").help(help));
    }

    pub(super) fn report_id_twice(&mut self, id: &str, place: Span, first: u32) {
        let what = format!("duplicate id `{}`", safe::terminal(id));
        let error = Diagnostic::error("duplicate-id", place, what);
        self.report(error.related(self.index.span(first), "the first").help("give one of them another id"));
    }

    pub(super) fn read_needs(&mut self, row: &Row<'_>, layers: Layers<'_>, ordinal: u32) -> Vec<String> {
        let Some(field) = row.field_or_default(layers, "needs").filter(|field| has_value(field)) else {
            return Vec::new();
        };
        let mut wrong = Diagnostics::default();
        let mut needs = texts(&field.value, &mut wrong).unwrap_or_default();
        self.report_all(&wrong);
        // That of an entry with steps means its last; of one that comes later it is known at the end.
        for (id, _) in &mut needs {
            if let Some(last) = self.index.find_chain(id).filter(|_| self.index.find(id).is_none()) {
                *id = self.index.id(last);
            }
        }
        // An id that is written twice is one need.
        let mut known = HashSet::with_capacity(needs.len());
        needs.retain(|(id, _)| known.insert(id.clone()));
        let ids = needs.iter().map(|(id, _)| id.clone()).collect();
        if !needs.is_empty() {
            self.index.needs.push((ordinal, needs));
        }
        ids
    }

    fn read_not_before(&mut self, row: &Row<'_>, layers: Layers<'_>) -> Option<Timestamp> {
        let field = row.field_or_default(layers, "not_before").filter(|field| has_value(field))?;
        let mut wrong = Diagnostics::default();
        let at = instant("not_before", &field.value, &mut wrong);
        self.report_all(&wrong);
        let at = at?;
        let draft = &self.draft;
        let end = calendar::deadline_at(draft.deadline, &draft.schedule, self.now);
        // Nothing is sent before any of the three: now, the schedule's start, and `not_before`.
        let begin_at_all = draft.schedule.start.map_or(self.now, |start| start.max(self.now));
        let begin = begin_at_all.max(at);
        let never = if end.is_some_and(|end| at >= end) {
            Some("`not_before` is not before the plan's deadline")
        } else if calendar::next_start(&draft.schedule, begin, draft.timeout, end).is_none() {
            Some("`schedule.window` does not open between `not_before` and the plan's deadline")
        } else {
            None
        };
        let place = field.value.span;
        if let (Some(what), Some(deadline)) = (never, draft.deadline) {
            // A deadline that counts from the start of the run comes later where the run begins later.
            let is_fixed = has_fixed_deadline(deadline, &draft.schedule, self.now);
            self.errors += u64::from(is_fixed);
            self.note_timing(if is_fixed { Timing::Never(what) } else { Timing::NotNow(what) }, place, at);
        } else if at <= self.now {
            self.note_timing(Timing::Past, place, at);
        } else if at.duration_since(begin_at_all).as_hours() >= FAR_HOURS {
            self.note_timing(Timing::Far, place, at);
        }
        Some(at)
    }

    /// Counts a `not_before` that is to be warned of: once for a list, for all its rows have one cause.
    fn note_timing(&mut self, timing: Timing, place: Span, at: Timestamp) {
        let known = self.timings.iter_mut().find(|known| known.timing == timing && known.first.source == place.source);
        match known {
            Some(known) => {
                known.count += 1;
                known.last = known.last.max(at);
            }
            None => self.timings.push(NotedTiming { timing, first: place, count: 1, last: at }),
        }
    }

    /// Warns of what was noted of `not_before`.
    pub(super) fn report_timings(&mut self) {
        for NotedTiming { timing, first, count, last } in std::mem::take(&mut self.timings) {
            let more = match count {
                1 => String::new(),
                _ => format!("; so it is for {count} actions of this file"),
            };
            let warning = match timing {
                Timing::Past => {
                    Diagnostic::warning("past", first, format!("`not_before` has passed and changes nothing{more}"))
                }
                Timing::Never(what) => Diagnostic::error("not-before", first, format!("{what}{more}"))
                    .help("the action could never be sent"),
                Timing::NotNow(what) => Diagnostic::warning("not-before", first, format!("{what}{more}"))
                    .help("the action will not be sent, unless the run begins later"),
                Timing::Far => {
                    let until = if count == 1 { "until" } else { "the last until" };
                    let what = format!("`not_before` puts the action off by more than a day, {until} {last}{more}");
                    Diagnostic::warning("far-off", first, what).help(
                        "it says when an action may be sent; if this is the beginning of a certificate's validity, leave the field out",
                    )
                }
            };
            self.report(warning);
        }
    }

    /// The account that the row names. `Err` where there is none, which is reported then.
    pub(super) fn find_account(&mut self, row: &Row<'_>, layers: Layers<'_>) -> Result<usize, ()> {
        let Some(field) = row.field_or_default(layers, "provider") else {
            let place = row.place_of_missing(&["provider"]);
            let error = Diagnostic::error("missing-provider", place, "`provider` is missing");
            let names = self.provider_names().join(", ");
            let help = match row.header {
                None => format!("name one of {names}, here or in `defaults`"),
                Some(header) if header.is_bare => {
                    format!("{}; there are the providers {names}", in_a_list_by_itself("provider"))
                }
                Some(_) => format!("name one of {names}, beside `from`, in a column or in `defaults`"),
            };
            self.report(error.help(help));
            return Err(());
        };
        let text = self.single_value(field).ok_or(())?;
        match self.draft.accounts.find(text, self.catalog) {
            Ok(index) => Ok(index),
            Err(NoAccount::Misconfigured) => Err(()),
            Err(NoAccount::Unknown) => {
                let names = self.provider_names();
                let what = format!("there is no provider `{}`", safe::terminal(text));
                let help = match nearest(text, names.iter().map(String::as_str)) {
                    Some(right) => did_you_mean(text, right),
                    None => format!("there are {}", names.join(", ")),
                };
                self.report(Diagnostic::error("unknown-provider", field.value.span, what).help(help));
                Err(())
            }
        }
    }

    fn provider_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.draft.accounts.by_name.keys().cloned().collect();
        names.extend(self.catalog.ids().map(str::to_owned));
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(super) fn action_field<'a>(
        &mut self,
        row: &Row<'a>,
        layers: Layers<'a>,
        account: Option<usize>,
    ) -> Option<&'a Field> {
        let field = row.field_or_default(layers, "action");
        if field.is_none() {
            let place = row.place_of_missing(&["action"]);
            let mut error = Diagnostic::error("missing-action", place, "`action` is missing");
            if let Some(account) = account {
                let draft = &self.draft.accounts.drafts[account];
                let names: Vec<&str> = draft.provider.actions().map(|(operation, _)| operation.name.as_str()).collect();
                error = error.help(format!("the provider `{}` has {}", draft.account.name, names.join(", ")));
            } else if row.header.is_some_and(|header| header.is_bare) {
                error = error.help(in_a_list_by_itself("action"));
            }
            self.report(error);
        }
        field
    }

    pub(super) fn find_operation<'p>(
        &mut self,
        field: &Field,
        provider: &'p Provider,
    ) -> Option<(&'p Operation, &'p ActionRules)> {
        let text = self.single_value(field)?;
        if let Some(found) = provider.actions().find(|(operation, _)| operation.name == text) {
            return Some(found);
        }
        let names = || provider.actions().map(|(operation, _)| operation.name.as_str());
        let what = match provider.operation(text) {
            Some(_) => format!("`{text}` is a status query of the provider `{}`, not an action", provider.id),
            None => format!("the provider `{}` has no action `{}`", provider.id, safe::terminal(text)),
        };
        let all = names().collect::<Vec<_>>().join(", ");
        let help = match nearest(text, names()) {
            Some(right) => format!("{} it has {all}", did_you_mean(text, right)),
            None => format!("it has {all}"),
        };
        self.report(Diagnostic::error("unknown-action", field.value.span, what).help(help));
        None
    }
}

impl Checker<'_> {
    /// The reason of an action: the nearest layer that names one, under `reason` or the provider's own field.
    pub(super) fn find_reason<'a>(
        &mut self,
        row: &Row<'a>,
        layers: Layers<'a>,
        account: usize,
        operation: &Operation,
        rule: &ReasonRule,
    ) -> ReasonFound<'a> {
        let parameter = operation.parameters.iter().find(|parameter| parameter.name == rule.field);
        let own = || {
            let names = parameter.into_iter().flat_map(|own| std::iter::once(&own.name).chain(&own.aliases));
            names.map(String::as_str).filter(|name| *name != "reason")
        };
        let of_row = || (row.field("reason"), own().find_map(|name| row.field(name)));
        let of_layer = |fields: &'a [Field]| {
            let find = |name: &str| fields.iter().find(|field| field.name == name && has_value(field));
            (find("reason"), own().find_map(find))
        };
        let is_there = |(portable, own): &(Option<&Field>, Option<&Field>)| portable.is_some() || own.is_some();
        // `reason` and the provider's own field mean the same: a layer that has either of them hides both of the layers behind
        // it.
        let nearest = Some(of_row()).filter(is_there);
        let nearest = nearest.or_else(|| Some(of_layer(layers.row)).filter(is_there));
        let nearest = nearest.or_else(|| Some(of_layer(layers.entry)).filter(is_there));
        let Some((portable, own)) = nearest.or_else(|| Some(of_layer(layers.plan)).filter(is_there)) else {
            return ReasonFound::Absent;
        };
        // Both are read even where one is wrong, so that findings about both come together.
        let portable = portable.map(|field| self.read_reason(field, account, rule));
        let own = own.map(|field| self.read_own_reason(field, rule));
        match (portable, own) {
            (Some(Some(portable)), Some(Some(own))) if portable.spelling != own.spelling => {
                let what =
                    format!("`reason` asks for {}, and `{}` for {}", portable.spelling, own.field.name, own.spelling);
                let error = Diagnostic::error("reason-conflict", own.field.value.span, what);
                self.report(error.related(portable.field.value.span, "`reason` is here").help("keep one of them"));
                ReasonFound::Unusable
            }
            (Some(Some(reason)), None | Some(Some(_))) | (None, Some(Some(reason))) => ReasonFound::Usable(reason),
            _ => ReasonFound::Unusable,
        }
    }

    /// Reads `reason`: a name of RFC 5280, or the provider's spelling.
    fn read_reason<'a>(&mut self, field: &'a Field, account: usize, rule: &ReasonRule) -> Option<ReadReason<'a>> {
        let text = self.single_value(field)?;
        let Some(asked) = RevocationReason::parse(text) else {
            if let Some(spelling) = rule.values.iter().map(|(_, spelling)| spelling).find(|spelling| *spelling == text)
            {
                return Some(own_reason(rule, spelling, field));
            }
            let has = reason_names(rule);
            let what = format!("`{}` is no revocation reason", safe::terminal(text));
            let all = RevocationReason::ALL.iter().map(|reason| reason.name());
            let help = match nearest(text, all.chain(rule.values.iter().map(|(_, spelling)| spelling.as_str()))) {
                Some(right) => format!("{} this operation has {has}", did_you_mean(text, right)),
                None => format!("this operation has {has}"),
            };
            self.report(Diagnostic::error("unknown-reason", field.value.span, what).help(help));
            return None;
        };
        let draft = &self.draft.accounts.drafts[account];
        match params::spelling_to_send(rule, &draft.account.reasons, asked) {
            Ok(spelling) => {
                let sent = params::reason_of(rule, &spelling);
                // Once for each account: a list of a million such rows has one cause. It matters, because CAs block compromised
                // keys.
                if asked == RevocationReason::KeyCompromise && sent != Some(asked) && self.mapped_away.insert(account) {
                    let name = &draft.account.name;
                    let what = format!("reason keyCompromise will be sent to `{name}` as `{spelling}`");
                    let warning = Diagnostic::warning("compromise-not-told", field.value.span, what);
                    self.report(warning.help(REPORT_BY_OTHER_MEANS));
                }
                let tells_compromise = sent == Some(RevocationReason::KeyCompromise);
                Some(ReadReason { asked: Some(asked), spelling, tells_compromise, field })
            }
            Err(error) => {
                let name = draft.account.name.clone();
                let (ReasonError::NotThere { has } | ReasonError::NoSuchSpelling { has, .. }) = &error;
                let instead = has.iter().map(|(reason, _)| *reason);
                let example = instead.clone().find(|reason| *reason == RevocationReason::Unspecified);
                let example = example.or_else(|| instead.clone().next()).map_or("unspecified", RevocationReason::name);
                let what =
                    format!("the provider `{name}` does not have the reason `{asked}`; it has {}", reason_names(rule));
                let mut help =
                    format!("to send another on purpose: `providers: {{{name}: {{reasons: {{{asked}: {example}}}}}}}`");
                // The CA blocks a key that it knows to be compromised (CA/Browser Forum BR, section 6.1.1.3); with another reason
                // it does not.
                if asked == RevocationReason::KeyCompromise {
                    help.push_str("; ");
                    help.push_str(REPORT_BY_OTHER_MEANS);
                }
                self.report(Diagnostic::error("no-such-reason", field.value.span, what).help(help));
                None
            }
        }
    }

    /// Reads the provider's own field: the provider's spelling, or a name of RFC 5280 that the provider has.
    fn read_own_reason<'a>(&mut self, field: &'a Field, rule: &ReasonRule) -> Option<ReadReason<'a>> {
        let text = self.single_value(field)?;
        if let Some(spelling) = params::spelling_for(rule, text) {
            return Some(own_reason(rule, spelling, field));
        }
        let spellings: Vec<&str> = rule.values.iter().map(|(_, spelling)| spelling.as_str()).collect();
        let what = format!("`{}` must be one of {}, not `{}`", field.name, spellings.join(", "), safe::terminal(text));
        let mut error = Diagnostic::error("no-such-reason", field.value.span, what);
        if let Some(right) = nearest(text, spellings) {
            error = error.help(did_you_mean(text, right));
        }
        self.report(error);
        None
    }
}

impl Checker<'_> {
    /// Holds the names that an action asks for against those of the certificate whose place the new one takes, where that is known. Returns those that
    /// the entry says are to go.
    fn check_dropped_names(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        new: &Replacement<'_>,
        old: Option<&Certificate>,
    ) -> Vec<String> {
        let field = row.field_or_default(layers, DROP_NAMES).filter(|field| has_value(field));
        let field = field.filter(|_| new.operation.parameter(DROP_NAMES).is_none());
        let Some(rule) = new.rules.csr.as_ref().filter(|rule| rule.replaces) else {
            // In a chain it is for the step that asks for a certificate.
            if let Some(field) = row.field(DROP_NAMES).filter(|own| field == Some(*own) && self.chain.is_none()) {
                let what = format!("`{}` replaces no certificate, so it drops no name", new.operation.name);
                let error = Diagnostic::error("drop-names", field.span, what);
                self.report(error.help(format!("leave `{DROP_NAMES}` out; it is for a reissue")));
            }
            return Vec::new();
        };
        let mut wrong = Diagnostics::default();
        let meant = field.and_then(|field| texts(&field.value, &mut wrong)).unwrap_or_default();
        self.report_all(&wrong);
        let of = |name: &Option<String>| {
            let name = name.as_ref()?;
            new.operation.parameters.iter().position(|parameter| parameter.name == *name)
        };
        let named = [of(&rule.dns_names), of(&rule.common_name), of(&Some(rule.field.clone()))];
        // What an earlier step brings is not known yet.
        if named.iter().flatten().any(|index| new.references.contains(index)) {
            return meant.into_iter().map(|(name, _)| name).collect();
        }
        let request = new.csr.and_then(|(csr, _)| Some(RequestedCertificate::of(&csr.as_ref().as_ref().ok()?.csr)));
        let asked = target_state::asked_names(rule, new.parameters, request.as_ref());
        for (name, place) in meant.iter().filter(|(name, _)| asked.contains(&comparable(name))) {
            let what = format!("`{}` is asked for, and `{DROP_NAMES}` says that it is to go", safe::terminal(name));
            self.report(Diagnostic::error("drop-names", *place, what).help("take it out of one of the two"));
        }
        let meant: Vec<String> = meant.into_iter().map(|(name, _)| name).collect();
        let Some(old) = old else { return meant };
        // A common name need not be a host's.
        let common = old.common_name().filter(|name| is_host(name));
        let addresses = old.alternative_names().ip.iter().map(ToString::to_string);
        let names: Vec<String> =
            common.into_iter().chain(old.alternative_names().dns.iter().cloned()).chain(addresses).collect();
        let dropped = target_state::dropped_names(&names, &asked, &meant);
        if !dropped.is_empty() {
            let place =
                named.iter().flatten().find_map(|index| new.given[*index]).map_or(row.span, |field| field.value.span);
            let shown: Vec<_> = dropped.iter().map(|name| safe::terminal(name)).collect();
            let what = format!("the old certificate also names `{}`, which the new one would lack", shown.join("`, `"));
            let mut error = Diagnostic::error("dropped-names", place, what);
            if let Some(certificate) = row.own_field(layers, "certificate") {
                error = error.related(certificate.value.span, "the old certificate");
            }
            self.report(
                error.help(format!(
                    "ask for it, too; or write `{DROP_NAMES}: [{}]` where it is to go",
                    shown.join(", ")
                )),
            );
        }
        meant
    }
}

/// How a list without a plan gives what its columns lack.
fn in_a_list_by_itself(column: &str) -> String {
    format!(
        "add a column `{column}`, or write a plan that names the list: `certsweep init --provider PROVIDER --action ACTION --from FILE`"
    )
}

/// A reason in the provider's spelling.
fn own_reason<'a>(rule: &ReasonRule, spelling: &str, field: &'a Field) -> ReadReason<'a> {
    let asked = params::reason_of(rule, spelling);
    let tells_compromise = asked == Some(RevocationReason::KeyCompromise);
    ReadReason { asked, spelling: spelling.to_owned(), tells_compromise, field }
}

/// A rule's reasons by their names in RFC 5280, with the provider's spelling where it differs.
fn reason_names(rule: &ReasonRule) -> String {
    let one = |(reason, spelling): &(RevocationReason, String)| {
        if reason.name() == spelling { spelling.clone() } else { format!("{reason} ({spelling})") }
    };
    rule.values.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What an action acts on, as reports show it.
fn target_of(rules: &ActionRules, parameters: &Map<String, Value>) -> String {
    let mut target = String::with_capacity(MAX_USUAL_TEXT);
    let named = rules.target.parameters.iter().filter_map(|name| parameters.get(name));
    for text in named.filter_map(naming_text) {
        if !target.is_empty() {
            target.push('/');
        }
        target.push_str(&text);
    }
    target
}

/// The parameters without the paths of keys, which depend on the working directory: the key that signs is the certificate's, and one that is
/// sent is told by its fingerprint.
fn without_place_of_key(operation: &Operation, parameters: &Map<String, Value>) -> Map<String, Value> {
    let mut parameters = parameters.clone();
    for parameter in operation.parameters.iter().filter(|parameter| parameter.names_key()) {
        if let Some(value) = parameters.get_mut(&parameter.name) {
            let digest = value.as_str().and_then(|text| split_reference(text).1);
            *value = digest.map_or(Value::Bool(true), Value::from);
        }
    }
    parameters
}

/// Whether a text can be an id.
pub(super) fn is_usable_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.chars().count()) && !text.chars().any(char::is_control) && text.trim() == text
}

/// A `not_before` so far off is warned of.
const FAR_HOURS: i64 = 24;
/// What a revocation reaches that the certificate's own key signs.
const OWN_KEY_REACHES: &str = "every certificate with its key, which is blocked";
/// What the revocation of a CA's certificate reaches.
const CA_REACHES: &str = "the CA and everything below it";
/// Ids are for people.
const MAX_ID: usize = 200;
/// Room for what nearly every target and source takes: growing step by step costs more, a million times.
const MAX_USUAL_TEXT: usize = 64;
const REPORT_BY_OTHER_MEANS: &str =
    "this request does not tell the CA that the key leaked: report it to the CA by other means";
const DROP_NAMES: &str = "drop_names";
