//! One row to one checked action: its provider and operation, its parameters, and what it is to the actions before it.

use super::digest::{Does, FingerprintBase};
use super::index;
use super::routes::Learnt;
use super::stand::without_place_of_key;
use super::{Checker, Layers};
use crate::diag::Diagnostic;
use crate::plan::calendar;
use crate::plan::checked::{Action, Parameters};
use crate::plan::read::{fixed, instant, texts};
use crate::plan::row::Row;
use crate::provider::model::{ActionRules, Operation, Provider};
use crate::provider::pointer::scalar_text;
use crate::run::Ordinal;
use crate::text::nearest::nearest;
use crate::text::safe;
use crate::tree::{Field, Shape};
use jiff::Timestamp;

impl Checker<'_> {
    /// Checks one row and hands the action out, if it is one. `name` begins the ids that are made.
    pub(super) fn action(&mut self, row: &Row<'_>, name: &str, layers: Layers<'_>) {
        self.settle();
        let (errors_before, said_before) = (self.errors, self.said.len());
        let (ordinal, id) = self.id(row, name);
        for field in row.present().filter(|field| matches!(field.value.shape, Shape::Null)) {
            self.say(no_value(field));
        }
        let needs = self.needs(row, layers, ordinal);
        let not_before = self.not_before(row, layers);
        let account = self.account(row, layers);
        let Some(action) = self.operation_name(row, layers, account.as_ref().ok().copied()) else { return };
        let Ok(account) = account else { return };
        let provider = self.draft.accounts.drafts[account].provider.clone();
        let Some((operation, rules)) = self.operation(action, &provider) else { return };
        let account_in_settings = self.draft.accounts.used(account);
        let Some(mut parameters) = self.parameters(row, layers, account, operation, rules) else { return };
        self.reach(account, operation, rules, &parameters);
        let mut target = String::new();
        let named = rules.target.parameters.iter().filter_map(|name| parameters.map.get(name));
        for text in named.filter_map(scalar_text) {
            join_target(&mut target, 0, &text);
        }
        let own_key = operation.own_key(&parameters.map).is_some();
        // The key that signs is the certificate's, wherever it lies.
        let elsewhere = own_key.then(|| Parameters::from(without_place_of_key(operation, &parameters.map)));
        let made = Parameters::from(std::mem::take(&mut parameters.map));
        let draft = &mut self.draft.accounts.drafts[account];
        draft.account.own_keys &= own_key;
        let base = FingerprintBase::new(draft, &operation.name);
        let does = base.with(elsewhere.as_ref().unwrap_or(&made).to_json(operation).as_bytes());
        let targets = index::targets_of(account, &operation.name);
        let mut action = Action {
            fingerprint: does.fingerprint(),
            ordinal: Ordinal::from(ordinal),
            id,
            account: account_in_settings,
            operation: operation.name.clone(),
            target,
            reason: parameters.reason.as_ref().and_then(|reason| reason.asked),
            reason_sent: parameters.reason.as_ref().map(|reason| reason.spelling.clone()),
            reaches: rules.reaches(&made),
            parameters: made,
            needs,
            not_before,
            source: self.sources.line_place(row.span),
            kept: if row.kept.is_empty() { vec![String::new(); self.keep.len()] } else { row.kept.to_vec() },
            duplicate_of: None,
            certificate: None,
        };
        let target = index::end_hash(targets.clone(), action.target.as_str());
        let standing = self.index.target(ordinal, target, action.fingerprint);
        if !self.stand(row.span, ordinal, standing, &mut action) {
            return;
        }
        if action.duplicate_of.is_none() {
            self.key_once(ordinal, &parameters);
        }
        action.certificate = self.certificate_facts(row, layers, operation, parameters.certificate.as_ref());
        if self.errors > errors_before {
            return;
        }
        self.hand_out(&action, &does);
        if self.said.len() == said_before {
            let learnt = Learnt { account, operation, rules, parameters, action, base, targets };
            self.learn(row, layers, learnt);
        }
    }

    /// Puts an action into the digest, and lends it to the caller.
    pub(super) fn hand_out(&mut self, action: &Action, does: &Does) {
        let repeats = action.duplicate_of.is_some();
        self.digest.action(action.account, action.reason, action.not_before, repeats, does);
        (self.each)(action);
    }

    /// The text of a field that takes a single value.
    pub(super) fn single<'a>(&mut self, field: &'a Field) -> Option<&'a str> {
        let text = field.value.text();
        match field.value.shape {
            Shape::Null => self.say(no_value(field)),
            _ if text.is_none() => self.say(no_single_value(field)),
            _ => {}
        }
        text
    }

    fn id(&mut self, row: &Row<'_>, name: &str) -> (u32, String) {
        let mut id = None;
        if let Some(field) = row.field("id").filter(|field| !matches!(field.value.shape, Shape::Null))
            && let Some(text) = self.single(field)
        {
            if !is_usable_id(text) {
                let what = "this cannot be an id";
                let help =
                    format!("an id has 1 to {LONGEST_ID} characters, no control characters, no blanks around it");
                self.say(Diagnostic::error("id", field.value.span, what).help(help));
            }
            id = Some((text, field.value.span));
        }
        if let Some((text, place)) = id {
            let (ordinal, first) = self.index.add(text, row.span);
            if let Some(first) = first {
                let what = format!("duplicate id `{}`", safe::terminal(text));
                let error = Diagnostic::error("duplicate-id", place, what);
                self.say(error.related(self.index.span(first), "the first").help("give one of them another id"));
            }
            return (ordinal, text.to_owned());
        }
        let ordinal = self.index.add_unnamed(name, row.span);
        (ordinal, self.index.id(ordinal).into_owned())
    }

    fn needs(&mut self, row: &Row<'_>, layers: Layers<'_>, ordinal: u32) -> Vec<String> {
        let Some(field) = common(row, layers, "needs") else { return Vec::new() };
        if matches!(field.value.shape, Shape::Null) {
            return Vec::new();
        }
        let mut said = crate::diag::Diagnostics::default();
        let mut needs = texts(&field.value, &mut said).unwrap_or_default();
        for diagnostic in said.sorted() {
            self.say(diagnostic.clone());
        }
        let mut ids: Vec<String> = Vec::with_capacity(needs.len());
        needs.retain(|(id, _)| {
            let is_new = !ids.contains(id);
            if is_new {
                ids.push(id.clone());
            }
            is_new
        });
        if !needs.is_empty() {
            self.index.needs(ordinal, needs);
        }
        ids
    }

    fn not_before(&mut self, row: &Row<'_>, layers: Layers<'_>) -> Option<Timestamp> {
        let field = common(row, layers, "not_before").filter(|field| !matches!(field.value.shape, Shape::Null))?;
        let mut said = crate::diag::Diagnostics::default();
        let at = instant("not_before", &field.value, &mut said);
        for diagnostic in said.sorted() {
            self.say(diagnostic.clone());
        }
        let at = at?;
        let draft = &self.draft;
        let end = calendar::deadline_at(draft.deadline, &draft.schedule, self.now);
        let begin = draft.schedule.start.map_or(self.now, |start| start.max(self.now)).max(at);
        let never = if end.is_some_and(|end| at >= end) {
            Some("`not_before` is not before the plan's deadline")
        } else if calendar::next_start(&draft.schedule, begin, draft.timeout, end).is_none() {
            Some("`schedule.window` does not open between `not_before` and the plan's deadline")
        } else {
            None
        };
        if let (Some(what), Some(deadline)) = (never, draft.deadline) {
            self.say(if fixed(deadline, &draft.schedule, self.now) {
                Diagnostic::error("not-before", field.value.span, what).help("the action could never be sent")
            } else {
                let help = "the action will not be sent, unless the run begins later";
                Diagnostic::warning("not-before", field.value.span, what).help(help)
            });
        } else if at <= self.now {
            self.say(Diagnostic::warning("past", field.value.span, "`not_before` has passed and changes nothing"));
        }
        Some(at)
    }

    /// The account that the row names. `Err` where there is none, which was said.
    fn account(&mut self, row: &Row<'_>, layers: Layers<'_>) -> Result<usize, ()> {
        let Some(field) = common(row, layers, "provider") else {
            let place = row.place_of_missing(&["provider"]);
            let error = Diagnostic::error("missing-provider", place, "`provider` is missing");
            let help = format!("name one of {}, here or in `defaults`", self.provider_names().join(", "));
            self.say(error.help(help));
            return Err(());
        };
        let text = self.single(field).ok_or(())?;
        match self.draft.accounts.find(text, self.catalog) {
            Ok(index) => Ok(index),
            // What is wrong with its configuration was said there.
            Err(true) => Err(()),
            Err(false) => {
                let names = self.provider_names();
                let what = format!("there is no provider `{}`", safe::terminal(text));
                let help = match nearest(text, names.iter().map(String::as_str)) {
                    Some(right) => format!("did you mean `{right}`?"),
                    None => format!("there are {}", names.join(", ")),
                };
                self.say(Diagnostic::error("unknown-provider", field.value.span, what).help(help));
                Err(())
            }
        }
    }

    fn provider_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.draft.accounts.by_name.keys().cloned().collect();
        names.extend(self.catalog.iter().map(|provider| provider.id.clone()));
        names.sort_unstable();
        names.dedup();
        names
    }

    fn operation_name<'a>(&mut self, row: &Row<'a>, layers: Layers<'a>, account: Option<usize>) -> Option<&'a Field> {
        let field = common(row, layers, "action");
        if field.is_none() {
            let place = row.place_of_missing(&["action"]);
            let mut error = Diagnostic::error("missing-action", place, "`action` is missing");
            if let Some(account) = account {
                let draft = &self.draft.accounts.drafts[account];
                let names: Vec<&str> = draft.provider.actions().map(|(operation, _)| operation.name.as_str()).collect();
                error = error.help(format!("the provider `{}` has {}", draft.account.name, names.join(", ")));
            }
            self.say(error);
        }
        field
    }

    fn operation<'p>(&mut self, field: &Field, provider: &'p Provider) -> Option<(&'p Operation, &'p ActionRules)> {
        let text = self.single(field)?;
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
            Some(right) => format!("did you mean `{right}`? it has {all}"),
            None => format!("it has {all}"),
        };
        self.say(Diagnostic::error("unknown-action", field.value.span, what).help(help));
        None
    }
}

/// The finding for a field without a value.
pub(super) fn no_value(field: &Field) -> Diagnostic {
    let what = format!("`{}` has no value", safe::terminal(&field.name));
    Diagnostic::error("no-value", field.span, what).help("leave the field out, or write `\"\"` for an empty text")
}

/// The finding for a field that takes a single value and has something else.
pub(super) fn no_single_value(field: &Field) -> Diagnostic {
    let what = format!("`{}` must be a single value, not {}", safe::terminal(&field.name), field.value.kind());
    Diagnostic::error("wrong-kind", field.value.span, what)
}

pub(super) fn common<'a>(row: &Row<'a>, layers: Layers<'a>, name: &str) -> Option<&'a Field> {
    row.field(name).or_else(|| layers.entry.iter().chain(layers.plan).find(|field| field.name == name))
}

/// Whether a field has a value.
pub(super) fn is_given(field: &Field) -> bool {
    !matches!(field.value.shape, Shape::Null)
}

/// Whether a text can be an id.
pub(super) fn is_usable_id(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.chars().count()) && !text.chars().any(char::is_control) && text.trim() == text
}

/// Adds a parameter's text to a target's, which begins there in a longer text.
pub(super) fn join_target(to: &mut String, begin: usize, text: &str) {
    if to.len() > begin {
        to.push('/');
    }
    to.push_str(text);
}

/// The fields that every action can have.
pub(in crate::plan) const COMMON: [&str; 11] = [
    "id",
    "provider",
    "action",
    "reason",
    "needs",
    "not_before",
    "certificate",
    "serial_number",
    "issuer",
    "crl",
    "ocsp",
];
/// Those among them that say which certificate it is, for `verify`. An operation's own field of such a name wins.
pub const OF_CERTIFICATE: [&str; 5] = ["certificate", "serial_number", "issuer", "crl", "ocsp"];
/// Those of them that are every action's own, and so no defaults.
pub(in crate::plan) const OWN: [&str; 2] = ["certificate", "serial_number"];
/// Ids are for people.
const LONGEST_ID: usize = 200;
