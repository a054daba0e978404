//! The targets of all accounts: what is known of each, what took effect, and under which status queries each is found; what waits for a
//! person, who approves it after a moment; and the counters of a whole run ([`Effects`]), for tests and for the summary of a drill. Answers
//! nothing.

use super::authority::{CertificateStatus, Revocation};
use super::options::SimulatedAccount;
use crate::pki::{RevocationReason, SerialNumber};
use crate::provider::answer::{naming_text, scalar_text};
use crate::provider::model::{Operation, ParameterSource, RowMatch, StatusQueryRule};
use crate::provider::{Provider, TargetState};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Sets of parameters by which a status query is asked; of each whether it may be left out.
type ParameterSets = BTreeSet<Vec<(String, bool)>>;

/// All targets.
#[derive(Debug, Default)]
pub(super) struct TargetStore {
    targets: Vec<SimulatedTarget>,
    by_name: HashMap<(usize, usize, String), usize>,
    /// Account, status query and the values that it asks by → the targets that it then shows.
    by_query: HashMap<(usize, usize, String), Vec<Found>>,
    /// Account and status query → the sets of parameters by which it is asked.
    asked_by: HashMap<(usize, usize), ParameterSets>,
    /// Account and serial number → the target that is this certificate.
    by_serial: HashMap<(usize, SerialNumber), usize>,
    /// What waits for a person, by when it was asked for. All wait equally long, so whatever is due stands in front.
    pending: VecDeque<(Timestamp, usize)>,
}

/// One thing that an operation acts on.
#[derive(Debug)]
pub(super) struct SimulatedTarget {
    /// Index of the account.
    account: usize,
    /// Index of the operation.
    pub(super) operation: usize,
    /// The serial number of the certificate that it is, where that is known.
    pub(super) serial: Option<SerialNumber>,
    /// The latest parameters, with those that only status queries use.
    pub(super) parameters: Map<String, Value>,
    /// How often something took effect.
    pub(super) effects: u64,
    /// What status queries report of it.
    pub(super) state: TargetState,
    /// Since when.
    pub(super) since: Timestamp,
    /// Which of all effects was its latest; 0 before the first.
    pub(super) latest: u64,
    /// The certificate that was issued for it last, in PEM, with its chain.
    pub(super) issued: Option<String>,
    /// The body of the latest answer that granted something.
    answer: Value,
    indexed: Vec<(usize, String)>,
}

/// A target as a status query finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Index into the targets.
    pub(super) target: usize,
    /// Index into the status queries of the target's action.
    pub(super) rule: usize,
}

impl TargetStore {
    /// Prepares the status queries of all accounts.
    pub(super) fn new(accounts: &[SimulatedAccount]) -> Self {
        let mut asked_by: HashMap<_, ParameterSets> = HashMap::new();
        for (account, simulated) in accounts.iter().enumerate() {
            for rule in simulated.provider.actions().flat_map(|(_, action)| &action.status_queries) {
                if let Some(query) = index(&simulated.provider, &rule.operation) {
                    asked_by
                        .entry((account, query))
                        .or_default()
                        .insert(names(&simulated.provider.operations[query], rule));
                }
            }
        }
        Self { asked_by, ..Self::default() }
    }

    /// Learns that a target exists, or more about one that is known. `None` where the operation is no action, or the
    /// parameters that name its target are not there.
    pub(super) fn learn(
        &mut self,
        account: usize,
        provider: &Provider,
        operation: usize,
        parameters: &Map<String, Value>,
    ) -> Option<usize> {
        // Nobody tells the simulator beforehand what there is: a target is there once somebody names it, as if it had always been.
        let action = provider.operations.get(operation)?.action.as_ref()?;
        let named = action.target.parameters.iter().filter(|name| {
            // What the request itself does not carry tells nothing apart here.
            let is_filled = action.certificate.as_ref().is_some_and(|rule| rule.serial.as_ref() == Some(name));
            !is_filled || parameters.contains_key(*name) || action.target.parameters.len() == 1
        });
        let named = named.map(|name| parameters.get(name).and_then(naming_text));
        let name = named.collect::<Option<Vec<_>>>()?.join("/");
        let target = *self.by_name.entry((account, operation, name)).or_insert_with(|| {
            self.targets.push(SimulatedTarget {
                account,
                operation,
                serial: None,
                parameters: Map::new(),
                effects: 0,
                state: TargetState::NotDone,
                since: Timestamp::UNIX_EPOCH,
                latest: 0,
                issued: None,
                answer: Value::Null,
                indexed: Vec::new(),
            });
            self.targets.len() - 1
        });
        let known = &mut self.targets[target].parameters;
        for (name, value) in parameters {
            known.insert(name.clone(), value.clone());
        }
        self.file(account, provider, target);
        if let Some(serial) = provider.operations[operation].serial_number(parameters) {
            self.set_serial_number(account, target, serial);
        }
        Some(target)
    }

    /// A target is the certificate of this serial number.
    pub(super) fn set_serial_number(&mut self, account: usize, target: usize, serial: SerialNumber) {
        // A certificate keeps the target that named it first: what is published of it must not change because another operation names it too.
        self.targets[target].serial.get_or_insert_with(|| serial.clone());
        self.by_serial.entry((account, serial)).or_insert(target);
    }

    /// The certificate that was issued last for a target of this name.
    pub(super) fn issued(&self, account: usize, operation: usize, name: &str) -> Option<&str> {
        let target = self.by_name.get(&(account, operation, name.to_owned()))?;
        self.targets[*target].issued.as_deref()
    }

    /// The certificate that another operation has issued last for what a target names.
    pub(super) fn issued_by_any(&self, account: usize, provider: &Provider, target: usize) -> Option<&str> {
        let known = &self.targets[target];
        let rules = provider.operations[known.operation].action.as_ref()?;
        let named = rules.target.parameters.iter().map(|name| known.parameters.get(name).and_then(naming_text));
        let own = named.collect::<Option<Vec<_>>>()?.join("/");
        let others = (0..provider.operations.len()).filter(|other| *other != known.operation);
        let found = others.filter_map(|other| self.by_name.get(&(account, other, own.clone())));
        let issued = found.map(|found| &self.targets[*found]).filter(|found| found.issued.is_some());
        issued.max_by_key(|found| found.latest)?.issued.as_deref()
    }

    /// A certificate was issued for a target.
    pub(super) fn set_issued(&mut self, target: usize, pem: Option<String>) {
        self.targets[target].issued = pem;
    }

    /// Approves what has waited for a person long enough.
    pub(super) fn approve(&mut self, now: Timestamp) {
        while let Some((asked, target)) = self.pending.front().copied() {
            let approved = asked.saturating_add(APPROVED_AFTER).unwrap_or(Timestamp::MAX);
            if approved > now {
                return;
            }
            self.pending.pop_front();
            let target = &mut self.targets[target];
            if target.state == TargetState::Pending {
                // Not now: time may have been skipped, and a CRL must not tell another date each time that it is asked for.
                (target.state, target.since) = (TargetState::Done, approved);
            }
        }
    }

    /// What waits for a person was decided.
    pub(super) fn settle(&mut self, target: usize, state: TargetState, now: Timestamp) {
        let target = &mut self.targets[target];
        if target.state == TargetState::Pending {
            (target.state, target.since) = (state, now);
        }
    }

    /// What the status queries of a target show beside it, at these accounts: another's request under the same id.
    pub(super) fn beside(&self, accounts: &[usize], target: usize) -> Vec<(usize, Found)> {
        let places = self.targets[target].indexed.iter();
        let found = places.flat_map(|(query, key)| {
            let lists = accounts.iter().filter_map(move |account| self.by_query.get(&(*account, *query, key.clone())));
            lists.flatten().map(move |found| (*query, *found))
        });
        found.filter(|(_, found)| found.target != target).collect()
    }

    /// All targets of an account, in the order in which they became known.
    pub(super) fn of_account(&self, account: usize) -> impl Iterator<Item = &SimulatedTarget> {
        self.targets.iter().filter(move |target| target.account == account)
    }

    /// The certificates of an account that are revoked.
    pub(super) fn revocations(&self, account: usize, provider: &Provider) -> Vec<Revocation> {
        let all = self.by_serial.iter().filter(|((of, _), _)| *of == account);
        let mut all: Vec<Revocation> = all
            .filter_map(|((_, serial), target)| match self.certificate_status(provider, *target) {
                CertificateStatus::Revoked(at, reason) => Some(Revocation { serial: serial.clone(), at, reason }),
                CertificateStatus::Good | CertificateStatus::Unknown => None,
            })
            .collect();
        // As CAs list them; the map has no order of its own.
        all.sort_by_key(|revocation| revocation.at);
        all
    }

    /// What the CA says of the certificate of this serial number.
    pub(super) fn status(&self, account: usize, provider: &Provider, serial: &SerialNumber) -> CertificateStatus {
        let known = self.by_serial.get(&(account, serial.clone()));
        known.map_or(CertificateStatus::Unknown, |target| self.certificate_status(provider, *target))
    }

    fn certificate_status(&self, provider: &Provider, target: usize) -> CertificateStatus {
        let target = &self.targets[target];
        // What waits for approval is not revoked yet, whatever the operation's answer was called.
        if target.state != TargetState::Done {
            return CertificateStatus::Good;
        }
        let rule = provider.operations[target.operation].action.as_ref().and_then(|action| action.reason.as_ref());
        // Where several reasons have one spelling, the first is published.
        let reason = rule.and_then(|rule| {
            let sent = text(&target.parameters, &rule.field)?;
            rule.values.iter().find(|(_, spelling)| **spelling == sent).map(|(reason, _)| *reason)
        });
        CertificateStatus::Revoked(target.since, reason.unwrap_or(RevocationReason::Unspecified))
    }

    /// A target of a known index.
    pub(super) fn target(&self, target: usize) -> &SimulatedTarget {
        &self.targets[target]
    }

    /// How often something took effect upon a target, by the operation's index and the target's name as reports show it.
    pub(super) fn effects_on(&self, account: usize, operation: usize, name: &str) -> u64 {
        let key = (account, operation, name.to_owned());
        self.by_name.get(&key).map_or(0, |target| self.targets[*target].effects)
    }

    /// Something took effect upon a target, and was answered so.
    pub(super) fn take_effect(
        &mut self,
        account: usize,
        provider: &Provider,
        target: usize,
        (state, since): (TargetState, Timestamp),
        answer: Value,
        count: u64,
    ) {
        let changed = &mut self.targets[target];
        changed.effects += 1;
        (changed.state, changed.since) = (state, since);
        changed.latest = count;
        changed.answer = answer;
        if state == TargetState::Pending {
            self.pending.push_back((since, target));
        }
        // Once more: a status query may ask by what only this answer has told, such as a request's id.
        self.file(account, provider, target);
        self.spread(account, provider, target);
    }

    /// The targets that a status query with these parameters shows, in the order in which they became known.
    pub(super) fn found(&self, account: usize, query: usize, parameters: &Map<String, Value>) -> Vec<&[Found]> {
        // Two actions may ask one operation by other parameters, and a request has more than either (a page's number): each set is tried.
        let sets = self.asked_by.get(&(account, query)).into_iter().flatten();
        let keys = sets.filter_map(|names| {
            key(names.iter().map(|(name, optional)| (name.as_str(), parameters.get(name), *optional)))
        });
        keys.filter_map(|key| self.by_query.get(&(account, query, key))).map(Vec::as_slice).collect()
    }

    /// Whether an operation is the status query of some action.
    pub(super) fn is_status_query(&self, account: usize, operation: usize) -> bool {
        self.asked_by.contains_key(&(account, operation))
    }

    /// Files a target under every status query whose values are all known.
    fn file(&mut self, account: usize, provider: &Provider, target: usize) {
        let known = &mut self.targets[target];
        let action = provider.operations.get(known.operation).and_then(|operation| operation.action.as_ref());
        for (rule, declared) in action.into_iter().flat_map(|action| &action.status_queries).enumerate() {
            let Some(query) = index(provider, &declared.operation) else { continue };
            let asked = &provider.operations[query];
            let values = declared.parameters.iter().filter_map(|(name, from)| {
                let value = match from {
                    ParameterSource::Parameter(own) => known.parameters.get(own),
                    ParameterSource::Answer(pointer) => pointer.of(&known.answer),
                    ParameterSource::Fixed(_) => return None,
                };
                Some((name.as_str(), value, is_optional(asked, name)))
            });
            let Some(key) = key(values) else { continue };
            let place = (query, key);
            // A target is named again with each attempt, and must not become two rows of a list.
            if !known.indexed.contains(&place) {
                self.by_query.entry((account, query, place.1.clone())).or_default().push(Found { target, rule });
                known.indexed.push(place);
            }
        }
    }

    /// A wide request acts on targets that it does not name one by one, and status queries must show them so too: what was done for all (NAVER's `certificateNo: 0`) was done for each that is known.
    fn spread(&mut self, account: usize, provider: &Provider, target: usize) {
        let done = &self.targets[target];
        let (operation, state, since) = (done.operation, done.state, done.since);
        let action = provider.operations.get(operation).and_then(|operation| operation.action.as_ref());
        let rules = action.into_iter().flat_map(|action| &action.status_queries);
        let matches: Vec<&RowMatch> = rules.flat_map(|rule| &rule.rows.steps).flat_map(|step| &step.matches).collect();
        let parameters = done.parameters.clone();
        let is_wide = |one: &&&RowMatch| one.any.is_some() && text(&parameters, &one.parameter) == one.any;
        if !matches.iter().any(|one| is_wide(&one)) {
            return;
        }
        let same = |other: &SimulatedTarget, one: &&RowMatch| {
            is_wide(&one) || text(&other.parameters, &one.parameter) == text(&parameters, &one.parameter)
        };
        for ((_, _, _), other) in self.by_name.iter().filter(|((of, by, _), _)| *of == account && *by == operation) {
            let other = &mut self.targets[*other];
            if matches.iter().all(|one| same(other, one)) {
                (other.state, other.since) = (state, since);
            }
        }
    }
}

/// How long a person takes to approve what waits for one.
const APPROVED_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// The index of an operation.
pub(super) fn index(provider: &Provider, name: &str) -> Option<usize> {
    provider.operations.iter().position(|operation: &Operation| operation.name == name)
}

/// What a status query is asked by, and whether it may be left out.
fn names(query: &Operation, rule: &StatusQueryRule) -> Vec<(String, bool)> {
    let asked = rule.parameters.iter().filter(|(_, from)| !matches!(from, ParameterSource::Fixed(_)));
    let mut names: Vec<(String, bool)> = asked.map(|(name, _)| (name.clone(), is_optional(query, name))).collect();
    names.sort();
    names
}

fn is_optional(query: &Operation, name: &str) -> bool {
    query.parameter(name).is_some_and(|parameter| !parameter.required)
}

/// The values as one text, without those that are not there and may be left out (a namespace); `None` where another is not there.
fn key<'a>(values: impl Iterator<Item = (&'a str, Option<&'a Value>, bool)>) -> Option<String> {
    let values = values.filter(|(_, value, optional)| !(*optional && value.is_none_or(Value::is_null)));
    let words = values.map(|(name, value, _)| value.and_then(naming_text).map(|value| format!("{name}={value}")));
    let mut words = words.collect::<Option<Vec<_>>>()?;
    // A document names them in its order, a request's query in another.
    words.sort();
    Some(words.join("\n"))
}

fn text(parameters: &Map<String, Value>, name: &str) -> Option<String> {
    parameters.get(name).and_then(scalar_text).map(Cow::into_owned)
}

/// What was asked of the simulator, and what took effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// By account.
    pub accounts: BTreeMap<String, AccountEffects>,
}

/// What was asked of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AccountEffects {
    /// By operation, status queries among them; those that were never asked are absent.
    pub operations: BTreeMap<String, Counters>,
    /// Tokens issued.
    pub tokens: u64,
    /// Requests for what the provider does not have.
    pub not_found: u64,
}

/// What was asked of one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Requests received, whatever was answered.
    pub requests: u64,
    /// Requests that were granted, whether or not their answers got through.
    pub accepted: u64,
    /// Times that something took effect.
    pub effects: u64,
    /// Requests refused because a window was full. Injected ones are among `faults`.
    pub limited: u64,
    /// Requests whose key or signature was wrong.
    pub bad_signatures: u64,
    /// Requests refused for their content, or because it was done before.
    pub refused: u64,
    /// Targets upon which something took effect.
    pub targets: u64,
    /// The most times that something took effect upon one target.
    pub max_effects_per_target: u64,
    /// Requests that each kind of fault has struck.
    pub faults: BTreeMap<String, u64>,
}

impl Effects {
    /// The counters of one operation; zeros where it was never asked.
    pub fn of(&self, account: &str, operation: &str) -> Counters {
        let account = self.accounts.get(account);
        account.and_then(|account| account.operations.get(operation)).cloned().unwrap_or_default()
    }

    /// The counters of all operations of all accounts together.
    pub fn total(&self) -> Counters {
        let mut total = Counters::default();
        for counters in self.accounts.values().flat_map(|account| account.operations.values()) {
            total.add(counters);
        }
        total
    }
}

impl Counters {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.accepted += other.accepted;
        self.effects += other.effects;
        self.limited += other.limited;
        self.bad_signatures += other.bad_signatures;
        self.refused += other.refused;
        self.targets += other.targets;
        self.max_effects_per_target = self.max_effects_per_target.max(other.max_effects_per_target);
        for (fault, times) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += times;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed() {
        let one = Counters {
            requests: 3,
            max_effects_per_target: 2,
            faults: [("html".to_owned(), 1)].into(),
            ..Counters::default()
        };
        let account = AccountEffects {
            operations: [("a".to_owned(), one.clone()), ("b".to_owned(), one)].into(),
            ..AccountEffects::default()
        };
        let effects = Effects { accounts: [("x".to_owned(), account)].into() };
        let total = effects.total();
        assert_eq!((total.requests, total.max_effects_per_target, total.faults["html"]), (6, 2, 2));
        assert_eq!(effects.of("x", "a").requests, 3);
        assert_eq!(effects.of("x", "c"), Counters::default());
    }
}
