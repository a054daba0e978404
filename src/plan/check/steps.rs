//! The steps of an entry: read once for all its rows, then each row is one action a step, in a line. What a step needs of those before it, and what
//! it can take of what they bring (`$steps.NAME.outputs.FIELD`), is checked here; everything else of an action, as for any.

use super::action::is_usable_id;
use super::action_index::{Duplicate, hash_of};
use super::context::{Chain, CheckedStep, Checker, EarlierStep};
use super::fields::{COMMON_FIELDS, Layers, NameSet, Row, has_value, names_of, no_value, right_name};
use crate::diag::{Diagnostic, Diagnostics};
use crate::pki::{SerialNumber, TlsServer};
use crate::plan::checked::{Action, NeverSent, Parameters, Wait, WaitFor};
use crate::plan::read::{positive_duration, texts};
use crate::provider::model::{Operation, TargetKind};
use crate::provider::stages::{self, Expression, is_name};
use crate::provider::target_state;
use crate::run::{Ordinal, StatusSource, StatusSources};
use crate::text::damage::{did_you_mean, unseen};
use crate::text::{Span, line_place, nearest, safe};
use crate::tree::{Field, Node, Shape};
use serde_json::{Map, Value};
use std::time::Duration;

/// The field of an entry that has steps.
pub(super) const STEPS: &str = "steps";

/// The steps of an entry, at least one.
pub(super) struct EntrySteps(Vec<EntryStep>);

/// A step of an entry, as read.
struct EntryStep {
    name: String,
    place: Span,
    /// Its fields, but for those that make it a step.
    fields: Vec<Field>,
    names: NameSet,
    does: Does,
}

/// What a step does.
enum Does {
    Act,
    Wait(ReadWait),
    /// Nothing that can be read, which was reported; it has its place in the line all the same.
    Wrong,
}

/// A wait, as read.
struct ReadWait {
    until: WaitFor,
    within: Option<Duration>,
    /// Where the new certificate must be seen: hosts, and fields of the row that name some.
    at: Vec<(String, Span)>,
    /// Who must say that a certificate is revoked, where not everybody may.
    by: StatusSources,
}

impl EntrySteps {
    /// The fields of rows that waits take their hosts from.
    pub(super) fn host_fields(&self) -> impl Iterator<Item = &str> {
        let waits = self.0.iter().filter_map(|step| if let Does::Wait(wait) = &step.does { Some(wait) } else { None });
        let names = waits.flat_map(|wait| &wait.at).map(|(text, _)| text.as_str());
        names.filter(|text| !TlsServer::is_meant(text))
    }

    /// The fields of each step that sends something.
    pub(super) fn acting(&self) -> impl Iterator<Item = &[Field]> {
        self.0.iter().filter(|step| matches!(step.does, Does::Act)).map(|step| step.fields.as_slice())
    }

    /// Provider and action of each step that sends something, where the step says them.
    pub(super) fn asked(&self) -> impl Iterator<Item = (Option<&str>, Option<&str>)> {
        self.0.iter().filter(|step| matches!(step.does, Does::Act)).map(|step| {
            let of = |name: &str| step.fields.iter().find(|field| field.name == name)?.value.text();
            (of("provider"), of("action"))
        })
    }
}

impl Checker<'_> {
    /// Reads the steps of an entry. `None` where there are none, which is reported.
    pub(super) fn read_steps(&mut self, entry: &[Field], listed: &Field) -> Option<EntrySteps> {
        if let Some(action) = entry.iter().find(|field| field.name == "action") {
            let what = "an entry has `steps` or an `action`, not both";
            let error = Diagnostic::error("steps", action.span, what).related(listed.span, "the steps");
            self.report(error.help("make the action a step of its own: `steps: [{action: …}, …]`"));
        }
        let items = match &listed.value.shape {
            Shape::List(items) if !items.is_empty() => items,
            Shape::List(_) | Shape::Null => {
                self.report(Diagnostic::error("steps", listed.span, "there are no steps").help(STEPS_EXAMPLE));
                return None;
            }
            _ => {
                let what = format!("`steps` must be a list, not {}", listed.value.kind());
                self.report(Diagnostic::error("steps", listed.value.span, what).help(STEPS_EXAMPLE));
                return None;
            }
        };
        let mut steps: Vec<EntryStep> = Vec::new();
        for item in items {
            let mut step = self.read_step(item, steps.len());
            if let Some(first) = steps.iter().find(|known| known.name == step.name) {
                let what = format!("two steps have the name `{}`", safe::terminal(&step.name));
                let error = Diagnostic::error("step-name", step.place, what).related(first.place, "the first");
                self.report(error.help("give one of them another: `name: again`"));
                step.name = format!("{}-{}", step.name, steps.len() + 1);
            }
            steps.push(step);
        }
        Some(EntrySteps(steps))
    }

    fn read_step(&mut self, item: &Node, place: usize) -> EntryStep {
        let mut step = EntryStep {
            name: format!("step-{}", place + 1),
            place: item.span,
            fields: Vec::new(),
            names: NameSet::default(),
            does: Does::Wrong,
        };
        let Shape::Map(fields) = &item.shape else {
            let what = format!("a step must be a map, not {}", item.kind());
            self.report(Diagnostic::error("steps", item.span, what).help(STEPS_EXAMPLE));
            return step;
        };
        for field in fields.iter().filter(|field| !has_value(field)) {
            self.report(no_value(field));
        }
        let find = |name: &str| fields.iter().find(|field| field.name == name && has_value(field));
        let mut word = None;
        match (find("action"), find("wait")) {
            (Some(action), None) => {
                word = action.value.text().map(str::to_owned);
                step.does = Does::Act;
                if let Some(id) = find("id") {
                    let what = "a step has no `id`: it is made of the entry's and the step's name";
                    self.report(Diagnostic::error("steps", id.span, what).help("write `name` in its place"));
                }
            }
            (None, Some(wait)) => {
                if let Some(until) = self.read_wait_word(wait) {
                    word = Some(until.word().to_owned());
                    let mut wrong = Diagnostics::default();
                    let within = find("within").and_then(|field| positive_duration(field, &mut wrong));
                    let at = find("at").and_then(|field| texts(&field.value, &mut wrong)).unwrap_or_default();
                    self.report_all(&wrong);
                    match (until, find("at")) {
                        (WaitFor::Served, None) => {
                            let what = "`wait: served` does not say where the certificate must be seen";
                            self.report(Diagnostic::error("steps", wait.span, what).help(AT_EXAMPLE));
                        }
                        (WaitFor::Served, _) | (_, None) => {}
                        (_, Some(at)) => {
                            let what = format!("`wait: {}` looks at no host", until.word());
                            self.report(Diagnostic::error("steps", at.span, what).help("drop `at`"));
                        }
                    }
                    let by = find("by").map(|field| self.read_sources(field, until)).unwrap_or_default();
                    step.does = Does::Wait(ReadWait { until, within, at, by });
                }
                for field in fields.iter().filter(|field| !WAIT_FIELDS.contains(&field.name.as_str())) {
                    let what = format!("a wait has no field `{}`", safe::terminal(&field.name));
                    let right = nearest(&field.name, WAIT_FIELDS);
                    let help = right.map_or_else(
                        || format!("it has {}", WAIT_FIELDS.join(", ")),
                        |right| did_you_mean(&field.name, right),
                    );
                    self.report(Diagnostic::error("unknown-field", field.span, what).help(help));
                }
            }
            (Some(_), Some(wait)) => {
                let what = "a step is an action or a wait, not both";
                self.report(Diagnostic::error("steps", wait.span, what).help("make two steps of it"));
            }
            (None, None) => {
                let what = "this step is neither an action nor a wait";
                let mut error = Diagnostic::error("steps", item.span, what);
                let near = |field: &&Field| nearest(&field.name, ["action", "wait"]).is_some();
                error = match fields.iter().find(near) {
                    Some(field) => {
                        let right = nearest(&field.name, ["action", "wait"]).unwrap_or_default();
                        error.help(format!("`{}`: {}", safe::terminal(&field.name), did_you_mean(&field.name, right)))
                    }
                    None => error.help(STEPS_EXAMPLE),
                };
                self.report(error);
            }
        }
        if let Some(named) = find("name") {
            word = self.single_value(named).map(str::to_owned);
        }
        if let Some(name) = word {
            if is_name(&name) {
                step.name = name;
            } else if let Some(named) = find("name") {
                let what = format!("`{}` cannot be the name of a step", safe::terminal(&name));
                let help = "a name has letters, digits, `-` and `_`";
                self.report(Diagnostic::error("step-name", named.value.span, what).help(help));
            }
        }
        let makes_a_step = |field: &&Field| !["name", "id"].contains(&field.name.as_str());
        step.fields = fields.iter().filter(makes_a_step).cloned().collect();
        step.names = NameSet::of(&step.fields);
        step
    }

    fn read_wait_word(&mut self, field: &Field) -> Option<WaitFor> {
        let word = self.single_value(field)?;
        let found = WaitFor::parse(word);
        if found.is_none() {
            let words = WaitFor::ALL.map(WaitFor::word);
            let what = format!("nothing waits for `{}`", safe::terminal(word));
            let help = match nearest(word, words) {
                Some(right) => did_you_mean(word, right),
                None => format!("there are {}", words.join(", ")),
            };
            self.report(Diagnostic::error("steps", field.value.span, what).help(help));
        }
        found
    }

    /// Reports fields of an entry without `from` that none of its steps has.
    pub(super) fn report_fields_of_no_step(&mut self, fields: &[Field], steps: &EntrySteps, layers: Layers<'_>) {
        let given = |name: &str| {
            let mut all = fields.iter().chain(layers.iter());
            all.find(|field| field.name == name).and_then(|field| field.value.text())
        };
        if steps.0.iter().any(|step| matches!(step.does, Does::Wrong)) {
            return;
        }
        let of_entry = given("provider");
        let mut known: Vec<&str> = COMMON_FIELDS.to_vec();
        known.extend(steps.host_fields());
        for (provider, action) in steps.asked() {
            let provider = provider.or(of_entry);
            let index = provider.and_then(|name| self.draft.accounts.find(name, self.catalog).ok());
            let id = index.map(|index| self.draft.accounts.drafts[index].provider.id.clone());
            let found = id.and_then(|id| self.catalog.get(&id)?.operation(action?));
            // What is wrong with the step is told there.
            let Some(operation) = found else { return };
            known.extend(names_of(operation));
        }
        for field in fields.iter().filter(|field| field.name != "<<") {
            if !has_value(field) {
                self.report(no_value(field));
            } else if !known.contains(&field.name.as_str()) {
                let what = format!("no step of this entry has a field `{}`", safe::terminal(&field.name));
                let mut error = Diagnostic::error("unknown-field", field.span, what);
                let right = right_name(&field.name, known.iter().copied());
                error.help = right.map(|right| did_you_mean(&field.name, right));
                self.report(error);
            }
        }
    }

    /// Checks one row of an entry with steps: one action a step. `name` begins the ids that are made.
    pub(super) fn check_chain(&mut self, row: &Row<'_>, name: &str, layers: Layers<'_>, steps: &EntrySteps) {
        let id = self.chain_id(row, name, steps);
        let first = self.index.count();
        let later = steps.0.iter().map(|step| step.name.clone()).collect();
        self.chain = Some(Chain { later, ..Chain::default() });
        let of_row = Layers { row: row.fields, ..layers };
        for (place, step) in steps.0.iter().enumerate() {
            // The rows of a list have their own lines, an entry's steps theirs.
            let span = if row.header.is_some() { row.span } else { step.place };
            let id = format!("{id}/{}", step.name);
            let (ordinal, taken) = self.index.add(&id, span);
            if let Some(taken) = taken {
                self.report_id_twice(&id, span, taken);
            }
            let step_row = Row { span, fields: &step.fields, header: row.header, kept: row.kept, names: step.names };
            // What the row needs its first step waits for, and so all.
            let needs = self.read_needs(&step_row, if place == 0 { of_row } else { Layers::NONE }, ordinal);
            let checked = match step.does {
                Does::Act => self.check_assigned(&step_row, of_row, (ordinal, id.clone(), needs)),
                Does::Wait(ref wait) => {
                    self.check_wait(&step_row, of_row, (ordinal, id.clone(), needs), (wait, step.place))
                }
                Does::Wrong => None,
            };
            let acts_on_request = checked.as_ref().is_some_and(|done| self.acts_on_request(done));
            if let Some(approving) = checked.as_ref().filter(|_| acts_on_request) {
                self.report_one_credential(step.place, approving.account);
            }
            if let Some(revoking) = &checked {
                self.report_meeting_the_new(step.place, revoking);
            }
            // What it repeats ends in its place.
            let ends = self.index.duplicates.get(&ordinal).copied().unwrap_or(ordinal);
            let id = if ends == ordinal { id } else { self.index.id(ends) };
            let Some(chain) = &mut self.chain else { return };
            chain.later.remove(0);
            if let Some(excepted) = checked.as_ref().and_then(|done| done.excepted.clone()) {
                chain.excepted.get_or_insert(excepted);
            }
            chain.earlier.push(EarlierStep {
                name: step.name.clone(),
                ordinal: ends,
                id,
                waits: matches!(step.does, Does::Wait(..)),
                acts_on_request,
                action: checked,
            });
        }
        self.chain = None;
        if let Some(last) = steps.0.last() {
            self.index.add_chain(first, &last.name);
        }
    }

    /// The id of the entry, or of its row.
    fn chain_id(&mut self, row: &Row<'_>, name: &str, steps: &EntrySteps) -> String {
        let given = row.fields.iter().find(|field| field.name == "id" && has_value(field));
        if let Some(field) = given
            && let Some(text) = self.single_value(field)
        {
            let place = field.value.span;
            if !is_usable_id(text) {
                self.report_unusable_id(place);
            }
            if let Some(first) = self.index.find(text).or_else(|| self.index.find_chain(text)) {
                self.report_id_twice(text, place, first);
            }
            return text.to_owned();
        }
        let place = line_place(name, row.span.line);
        let is_free = |this: &Self, id: &str| {
            let step = steps.0.first().map(|step| format!("{id}/{}", step.name));
            step.is_none_or(|id| this.index.find(&id).is_none())
        };
        if is_free(self, &place) {
            return place;
        }
        // Entries can share a line, and two entries a list.
        let from = self.shared_lines.get(&place).copied().unwrap_or(2);
        let mut more = (from..).map(|count| (count, format!("{place}#{count}")));
        let (count, id) = more.find(|(_, id)| is_free(self, id)).unwrap_or((from, place.clone()));
        self.shared_lines.insert(place, count + 1);
        id
    }

    fn acts_on_request(&self, step: &CheckedStep) -> bool {
        let provider = &self.draft.accounts.drafts[step.account].provider;
        let rules = provider.operation(&step.operation).and_then(|operation| operation.action.as_ref());
        rules.is_some_and(|rules| rules.target.kind == TargetKind::Request)
    }

    /// Warns of a request that is approved with the credential that made it. By the references: what they hold is known only when a run begins.
    fn report_one_credential(&mut self, place: Span, approving: usize) {
        let Some(chain) = &self.chain else { return };
        let asks = chain.earlier.iter().rev().find(|step| !step.waits && !step.acts_on_request);
        let Some((name, asking)) = asks.and_then(|step| Some((step.name.clone(), step.action.as_ref()?.account)))
        else {
            return;
        };
        let drafts = &self.draft.accounts.drafts;
        let (one, other) = (&drafts[asking], &drafts[approving]);
        let is_same = one.provider.id == other.provider.id && one.account.credentials == other.account.credentials;
        if asking != approving && !is_same {
            return;
        }
        let what = format!("the step `{name}` and this one, which settles it, go with the same credential");
        let help = format!(
            "approve with a second person's: `providers: {{second: {{uses: {}, credentials: {{…}}}}}}`, and `provider: second` here",
            one.provider.id
        );
        self.report(Diagnostic::warning("one-credential", place, what).help(help));
    }

    /// Warns of a revocation behind a reissue that both name their target by one id.
    fn report_meeting_the_new(&mut self, place: Span, revoking: &CheckedStep) {
        let Some(chain) = &self.chain else { return };
        let provider = &self.draft.accounts.drafts[revoking.account].provider;
        let Some(revoke) = provider.operation(&revoking.operation) else { return };
        let before = chain.earlier.iter().filter(|step| !step.waits);
        let of_account = before.filter_map(|step| Some((&step.name, step.action.as_ref()?)));
        let mut asked = of_account.filter(|(_, action)| action.account == revoking.account);
        let Some((name, _)) = asked.find(|(_, action)| {
            let is_same = |id: &str| revoking.target.split('/').any(|own| own == id);
            action.target.split('/').all(is_same)
                && provider.operation(&action.operation).is_some_and(|new| target_state::meets_the_new(new, revoke))
        }) else {
            return;
        };
        let what = format!(
            "`{}` names its target by the same id as the step `{name}` before it: that may stand for the new certificate then, and this would revoke it",
            revoke.name
        );
        let by_serial = |other: &&Operation| {
            let names = other.action.iter().flat_map(|rules| &rules.target.parameters);
            let mut parameters = names.filter_map(|name| other.parameter(name));
            target_state::revokes(other) && parameters.any(|parameter| parameter.serial().is_some())
        };
        let help = match provider.actions().map(|(operation, _)| operation).find(by_serial) {
            Some(other) => format!("`{}` names the old one by its serial number", other.name),
            None => "see at the provider which certificate has the id after a reissue, and whether the old one is revoked by it".to_owned(),
        };
        self.report(Diagnostic::warning("revokes-new", place, what).help(help));
    }

    /// What a step needs of those before it: the ids that must have ended well, and those that need only have been accepted.
    pub(super) fn link(&mut self, ordinal: u32, acts_on_request: bool) -> (Vec<String>, Vec<String>) {
        let Some(chain) = &self.chain else { return Default::default() };
        let (mut settled, mut accepted) = (Vec::new(), Vec::new());
        for (place, step) in chain.earlier.iter().enumerate().rev() {
            self.index.links.push((ordinal, step.ordinal));
            if place + 1 == chain.earlier.len() && acts_on_request && !step.waits {
                accepted.push(step.id.clone());
            } else {
                settled.push(step.id.clone());
            }
            // One that acts on what waits at the CA does not wait for its end, so that this one must.
            if !step.acts_on_request || acts_on_request {
                break;
            }
        }
        (settled, accepted)
    }

    /// Why a step is never sent, where that is for an exception of an earlier step's.
    pub(super) fn excepted_before(&mut self, ordinal: u32) -> Option<NeverSent> {
        let place = self.chain.as_ref()?.excepted.clone()?;
        self.index.excepted.insert(ordinal);
        Some(NeverSent::Excepted(place))
    }

    /// Checks a wait, and hands it out as the action that it is.
    fn check_wait(
        &mut self,
        row: &Row<'_>,
        of_row: Layers<'_>,
        (ordinal, id, mut needs): (u32, String, Vec<String>),
        (wait, place): (&ReadWait, Span),
    ) -> Option<CheckedStep> {
        let errors_before = self.errors;
        let ReadWait { until, within, by, .. } = *wait;
        let at = self.read_hosts(&wait.at, of_row);
        let earlier: Vec<(usize, Option<&CheckedStep>)> = {
            let chain = self.chain.as_ref()?;
            let acts = chain.earlier.iter().enumerate().filter(|(_, step)| !step.waits);
            acts.map(|(index, step)| (index, step.action.as_ref())).collect()
        };
        // What could not be read may be what is waited for.
        let is_meant = |step: &Option<&CheckedStep>| match step {
            None => true,
            Some(step) => {
                let provider = &self.draft.accounts.drafts[step.account].provider;
                let found = provider.operation(&step.operation);
                let revokes = found.is_some_and(target_state::revokes);
                found.and_then(|found| found.action.as_ref()).is_some_and(|rules| match until {
                    WaitFor::Issued => rules.csr.is_some() || !rules.new_certificate.is_empty(),
                    WaitFor::Served => !rules.new_certificate.is_empty(),
                    WaitFor::Approved => rules.target.kind != TargetKind::Request,
                    WaitFor::Revoked => revokes,
                })
            }
        };
        let Some((about, step)) = earlier.iter().rev().find(|(_, step)| is_meant(step)).copied() else {
            let (what, help) = match until {
                WaitFor::Issued => ("no step before it asks for a certificate", "put it behind a `reissue`"),
                WaitFor::Served => (
                    "no step before it brings a new certificate that could be compared",
                    "put it behind an action whose document says where the new certificate is read (`certificate`)",
                ),
                WaitFor::Approved => ("no step before it is an action that can wait", "put it behind that action"),
                WaitFor::Revoked => ("no step before it revokes a certificate", "put it behind a `revoke`"),
            };
            let what = format!("`wait: {}`: {what}", until.word());
            self.report(Diagnostic::error("steps", place, what).help(help));
            return None;
        };
        let step = step?;
        let CheckedStep { account, fingerprint, .. } = *step;
        let publication = step.publication.clone();
        // For words alone: a list of find's has it as a column.
        let of_list = || of_row.row.iter().find(|field| field.name == "serial_number")?.value.text();
        let old = step.serial_number.clone().or_else(|| SerialNumber::parse(of_list()?).ok());
        let old = old.filter(|_| until == WaitFor::Served);
        let (operation, mut target) = (step.operation.clone(), step.target.clone());
        let chain = self.chain.as_ref()?;
        let wait = Wait { until, of: chain.earlier[about].id.clone(), within, at, old, by };
        if until == WaitFor::Revoked {
            let provider = self.draft.accounts.drafts[account].provider.clone();
            let rules = provider.operation(&operation).and_then(|operation| operation.action.as_ref());
            let asks = |source| by.is_empty() || by.contains(source);
            let has_status_query = rules.is_some_and(|rules| !rules.status_queries.is_empty());
            let of_provider = asks(StatusSource::Provider) && has_status_query;
            let of_world = [StatusSource::Crl, StatusSource::Ocsp]
                .into_iter()
                .any(|source| asks(source) && publication.sources.contains(source));
            let is_known = publication.is_known;
            if let Some(issuer) = publication.lacks_issuer.as_ref().filter(|_| !of_provider && of_world) {
                // A later row may have its certificate.
                self.certificates.await_issuer(issuer, place);
            }
            if !of_provider && !of_world {
                let what = format!(
                    "nobody can be asked whether this certificate is revoked: `{operation}` of `{}`",
                    provider.id
                );
                let what = match has_status_query {
                    true => format!("{what} can be asked for its state, which `by` leaves out"),
                    false => format!("{what} has no status query"),
                };
                let named = match (asks(StatusSource::Crl), asks(StatusSource::Ocsp)) {
                    (true, false) => "no CRL",
                    (false, true) => "no OCSP responder",
                    _ => "neither a CRL nor an OCSP responder",
                };
                let (what, help) = if is_known {
                    (
                        format!("{what}, and the certificate names {named}"),
                        "say where to ask: `crl: http://…` or `ocsp: http://…` beside the certificate; or wait `by` somebody else",
                    )
                } else {
                    (
                        format!("{what}, and no certificate is named"),
                        "name it, so that its CRL or OCSP responder is asked: `certificate: file:…`, or a column `certificate`",
                    )
                };
                self.report(Diagnostic::error("steps", place, what).help(help));
                return None;
            }
        }
        let (settled, needs_accepted) = self.link(ordinal, false);
        // The step before it comes first: `within` counts from its end.
        needs.splice(0..0, settled);
        let parameters = wait.parameters();
        let operation = until.operation();
        let mut parts =
            format!("{operation} {} {}", hex::encode(fingerprint.0), within.unwrap_or_default().as_millis());
        if !wait.at.is_empty() {
            target = wait.at.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            parts = format!("{parts} {target}");
        }
        if !by.is_empty() {
            parts = format!("{parts} {}", by.iter().map(StatusSource::as_str).collect::<Vec<_>>().join(" "));
        }
        let hashes = self.shared_by(account, &operation);
        let digest = hashes.fingerprint.with(parts.as_bytes());
        let hash = hash_of(hashes.target.clone(), &parts);
        let account = self.draft.accounts.mark_used(account);
        let mut action = Action {
            ordinal: Ordinal::from(ordinal),
            id,
            account,
            operation,
            target,
            parameters,
            needs,
            needs_accepted,
            source: self.sources.line_place(row.span),
            kept: if row.kept.is_empty() { vec![String::new(); self.keep.len()] } else { row.kept.to_vec() },
            fingerprint: digest.fingerprint(),
            ..Action::default()
        };
        // That of a chain which repeats another has the other's as its own.
        if let Duplicate::Repeats(first) = self.index.targets.add(ordinal, hash, digest.fingerprint()) {
            self.index.duplicates.insert(ordinal, first);
            action.never_sent = Some(NeverSent::Repeats(self.index.id(first)));
        } else {
            action.never_sent = self.excepted_before(ordinal);
        }
        if self.errors == errors_before {
            self.digest.action(account, None, None, action.never_sent.as_ref(), &digest);
            (self.each)(action);
        }
        None
    }

    /// Who must say that a certificate is revoked.
    fn read_sources(&mut self, field: &Field, until: WaitFor) -> StatusSources {
        if until != WaitFor::Revoked {
            let what = format!("`wait: {}` asks nobody about revocation", until.word());
            self.report(Diagnostic::error("steps", field.span, what).help("drop `by`"));
            return StatusSources::default();
        }
        let mut wrong = Diagnostics::default();
        let words = texts(&field.value, &mut wrong).unwrap_or_default();
        self.report_all(&wrong);
        let mut sources = StatusSources::default();
        for (word, place) in words {
            match StatusSource::parse(&word) {
                Some(source) => sources.add(source),
                None => {
                    let what = format!("`{}` is nobody who could be asked", safe::terminal(&word));
                    let help = "write `state` (the provider), `crl` or `ocsp`, or several of them";
                    self.report(Diagnostic::error("steps", place, what).help(help));
                }
            }
        }
        sources
    }

    /// The servers that a wait looks at: each text is the name of a field of the row that has some, or a server itself. What is neither is reported.
    fn read_hosts(&mut self, at: &[(String, Span)], of_row: Layers<'_>) -> Vec<TlsServer> {
        let mut servers = Vec::new();
        for (text, place) in at {
            let named = of_row.row.iter().find(|field| field.name == *text);
            let mut wrong = Diagnostics::default();
            let found = match named {
                Some(field) if !has_value(field) => {
                    let what =
                        format!("`wait: served` looks at `{}`, which this row does not have", safe::terminal(text));
                    let help = "name the host that has the certificate, or give such rows an entry without the wait";
                    self.report(Diagnostic::error("steps", field.value.span, what).help(help));
                    continue;
                }
                Some(field) => texts(&field.value, &mut wrong).unwrap_or_default(),
                None if TlsServer::is_meant(text) => vec![(text.clone(), *place)],
                None => {
                    let what = format!(
                        "there is no host `{0}`, nor a column or a field `{0}` of the entry",
                        safe::terminal(text)
                    );
                    let names = of_row.row.iter().map(|field| field.name.as_str());
                    let help = match nearest(text, names) {
                        Some(right) => did_you_mean(text, right),
                        None => format!(
                            "name the column with HOST[:PORT], or write the host with its port: `{}:443`",
                            safe::terminal(text)
                        ),
                    };
                    self.report(Diagnostic::error("steps", *place, what).help(help));
                    continue;
                }
            };
            self.report_all(&wrong);
            for (text, place) in found {
                match TlsServer::parse(&text) {
                    Ok(server) if servers.contains(&server) => {}
                    Ok(server) => servers.push(server),
                    Err(why) => {
                        let what = format!("`{}` is no server that can be looked at: {why}", safe::terminal(&text));
                        self.report(Diagnostic::error("steps", place, what).help(why.help()));
                    }
                }
            }
        }
        servers
    }

    /// Reads a value that an earlier step brings. `None` where the value is none, `Some(false)` where it cannot be there, which is reported.
    pub(super) fn read_step_reference(&mut self, field: &Field) -> Option<bool> {
        let text = field.value.text().filter(|text| stages::is_reference(text))?;
        let place = field.value.span;
        let Ok(Expression::Output(wanted)) = Expression::parse(text) else {
            let what = format!("`{}` does not say what of which step is meant", safe::terminal(text));
            let help =
                format!("write `$steps.NAME.outputs.FIELD`, such as `$steps.revoke.outputs.reference`{}", unseen(text));
            self.report(Diagnostic::error("steps", place, what).help(help));
            return Some(false);
        };
        let Some(chain) = &self.chain else {
            let what = "this is no step, and only a step can take what an earlier one of its entry brought";
            let help = "put both into the `steps` of one entry";
            self.report(Diagnostic::error("steps", place, what).help(help));
            return Some(false);
        };
        let names = || chain.earlier.iter().map(|step| step.name.as_str());
        let Some(step) = chain.earlier.iter().find(|step| step.name == wanted.step) else {
            let is_later = chain.later.contains(&wanted.step);
            let what = match chain.later.first() {
                Some(own) if *own == wanted.step => {
                    format!("the step `{}` cannot take what it brings itself", wanted.step)
                }
                _ if is_later => format!("the step `{}` comes later, and has brought nothing yet", wanted.step),
                _ => format!("this entry has no step `{}`", wanted.step),
            };
            let mut error = Diagnostic::error("steps", place, what);
            let right = nearest(&wanted.step, names()).filter(|_| !is_later);
            error.help = Some(match right {
                Some(right) => did_you_mean(&wanted.step, right),
                None if chain.earlier.is_empty() => "no step goes before this one".to_owned(),
                None => format!("before it there are {}", names().collect::<Vec<_>>().join(", ")),
            });
            self.report(error);
            return Some(false);
        };
        if step.waits {
            let what = format!("the step `{}` is a wait, and brings nothing", wanted.step);
            self.report(Diagnostic::error("steps", place, what).help("name the step that it waits for"));
            return Some(false);
        }
        // What could not be read was reported; what it would bring is not known.
        let Some(action) = &step.action else { return Some(true) };
        let provider = self.draft.accounts.drafts[action.account].provider.clone();
        let Some(operation) = provider.operation(&action.operation) else { return Some(true) };
        let brings = stages::brings(&provider, operation);
        if brings.contains(&wanted.output.as_str()) {
            return Some(true);
        }
        let what = format!("the step `{}` does not bring `{}`", wanted.step, wanted.output);
        let help = match nearest(&wanted.output, brings.iter().copied()) {
            Some(right) => did_you_mean(&wanted.output, right),
            None if brings.is_empty() => {
                format!("the document of `{}` declares no output of `{}`", provider.id, operation.name)
            }
            None => format!("it brings {}", brings.join(", ")),
        };
        self.report(Diagnostic::error("steps", place, what).help(help));
        Some(false)
    }

    /// The parameters as fingerprints are of them: a value that an earlier step brings is told by what that step does.
    pub(super) fn told_by_steps(
        &self,
        mut map: Map<String, Value>,
        operation: &Operation,
        references: &[usize],
    ) -> Parameters {
        for index in references {
            let Some(value) = map.get_mut(&operation.parameters[*index].name) else { continue };
            let Some(Ok(Expression::Output(wanted))) = value.as_str().map(Expression::parse) else { continue };
            let mut earlier = self.chain.iter().flat_map(|chain| &chain.earlier);
            let step = earlier.find(|step| step.name == wanted.step).and_then(|step| step.action.as_ref());
            let told = step.map(|step| hex::encode(step.fingerprint.0)).unwrap_or_default();
            *value = Value::String(format!("$steps.{told}.outputs.{}", wanted.output));
        }
        Parameters::from(map)
    }
}

const STEPS_EXAMPLE: &str = "write `steps:` and below it, for each, `- {action: …}` or `- {wait: …, within: 24h}`";
/// The fields of a wait.
const WAIT_FIELDS: [&str; 6] = ["wait", "within", "at", "by", "name", "needs"];
const AT_EXAMPLE: &str = "write `at: host`, where the column `host` has HOST or HOST:PORT, or `at: www.example.com`";
