//! The targets of all accounts: what is known of each, what took effect, and under which look-ups each is found. Answers nothing.

use super::options::SimulatedAccount;
use crate::provider::model::{Operation, ParameterSource, RowMatch, StatusQueryRule};
use crate::provider::pointer::scalar_text;
use crate::provider::{Provider, TargetState};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

/// All targets.
#[derive(Debug, Default)]
pub(super) struct TargetStore {
    targets: Vec<SimulatedTarget>,
    by_name: HashMap<(usize, usize, String), usize>,
    /// Account, look-up and the values that it asks by → the targets that it then shows.
    by_query: HashMap<(usize, usize, String), Vec<Found>>,
    /// Account and look-up → the sets of parameters by which it is asked.
    asked_by: HashMap<(usize, usize), BTreeSet<Vec<String>>>,
}

/// One thing that an operation acts on.
#[derive(Debug)]
pub(super) struct SimulatedTarget {
    /// Index of the operation.
    pub(super) operation: usize,
    /// The latest parameters, with those that only look-ups use.
    pub(super) parameters: Map<String, Value>,
    /// How often something took effect.
    pub(super) effects: u64,
    /// How it stands.
    pub(super) state: TargetState,
    /// Which of all effects was its latest; 0 before the first.
    pub(super) latest: u64,
    /// The body of the latest answer that granted something.
    answer: Value,
    indexed: Vec<(usize, String)>,
}

/// A target as a look-up finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Index into the targets.
    pub(super) target: usize,
    /// Index into the look-ups of the target's action.
    pub(super) rule: usize,
}

impl TargetStore {
    /// Prepares the look-ups of all accounts.
    pub(super) fn new(accounts: &[SimulatedAccount]) -> Self {
        let mut asked_by: HashMap<_, BTreeSet<_>> = HashMap::new();
        for (account, simulated) in accounts.iter().enumerate() {
            for rule in simulated.provider.actions().flat_map(|(_, action)| &action.status_queries) {
                if let Some(lookup) = index(&simulated.provider, &rule.operation) {
                    asked_by.entry((account, lookup)).or_default().insert(names(rule));
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
        let action = provider.operations.get(operation)?.action.as_ref()?;
        let named = action.target.parameters.iter().map(|name| parameters.get(name).and_then(scalar_text));
        let name = named.collect::<Option<Vec<_>>>()?.join("/");
        let target = *self.by_name.entry((account, operation, name)).or_insert_with(|| {
            self.targets.push(SimulatedTarget {
                operation,
                parameters: Map::new(),
                effects: 0,
                state: TargetState::NotDone,
                latest: 0,
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
        Some(target)
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
        state: TargetState,
        answer: Value,
        count: u64,
    ) {
        let changed = &mut self.targets[target];
        changed.effects += 1;
        changed.state = state;
        changed.latest = count;
        changed.answer = answer;
        self.file(account, provider, target);
        self.spread(account, provider, target);
    }

    /// The targets that a look-up with these parameters shows, in the order in which they became known.
    pub(super) fn found(&self, account: usize, lookup: usize, parameters: &Map<String, Value>) -> Vec<&[Found]> {
        let sets = self.asked_by.get(&(account, lookup)).into_iter().flatten();
        let keys = sets.filter_map(|names| key(names.iter().map(|name| (name.as_str(), parameters.get(name)))));
        keys.filter_map(|key| self.by_query.get(&(account, lookup, key))).map(Vec::as_slice).collect()
    }

    /// Whether an operation is the look-up of some action.
    pub(super) fn is_status_query(&self, account: usize, operation: usize) -> bool {
        self.asked_by.contains_key(&(account, operation))
    }

    /// Files a target under every look-up whose values are all known.
    fn file(&mut self, account: usize, provider: &Provider, target: usize) {
        let known = &mut self.targets[target];
        let action = provider.operations.get(known.operation).and_then(|operation| operation.action.as_ref());
        for (rule, declared) in action.into_iter().flat_map(|action| &action.status_queries).enumerate() {
            let Some(lookup) = index(provider, &declared.operation) else { continue };
            let values = declared.parameters.iter().filter_map(|(name, from)| match from {
                ParameterSource::Parameter(own) => Some((name.as_str(), known.parameters.get(own))),
                ParameterSource::Answer(pointer) => Some((name.as_str(), pointer.of(&known.answer))),
                ParameterSource::Fixed(_) => None,
            });
            let Some(key) = key(values) else { continue };
            let place = (lookup, key);
            if !known.indexed.contains(&place) {
                self.by_query.entry((account, lookup, place.1.clone())).or_default().push(Found { target, rule });
                known.indexed.push(place);
            }
        }
    }

    /// What was done for all (NAVER's `certificateNo: 0`) was done for each that is known.
    fn spread(&mut self, account: usize, provider: &Provider, target: usize) {
        let done = &self.targets[target];
        let (operation, state) = (done.operation, done.state);
        let action = provider.operations.get(operation).and_then(|operation| operation.action.as_ref());
        let rules = action.into_iter().flat_map(|action| &action.status_queries);
        let matches: Vec<&RowMatch> = rules.flat_map(|rule| &rule.rows).flat_map(|step| &step.matches).collect();
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
                other.state = state;
            }
        }
    }
}

/// The index of an operation.
pub(super) fn index(provider: &Provider, name: &str) -> Option<usize> {
    provider.operations.iter().position(|operation: &Operation| operation.name == name)
}

fn names(rule: &StatusQueryRule) -> Vec<String> {
    let asked = rule.parameters.iter().filter(|(_, from)| !matches!(from, ParameterSource::Fixed(_)));
    let mut names: Vec<String> = asked.map(|(name, _)| name.clone()).collect();
    names.sort();
    names
}

/// The values as one text; `None` where one is not there.
fn key<'a>(values: impl Iterator<Item = (&'a str, Option<&'a Value>)>) -> Option<String> {
    let words = values.map(|(name, value)| value.and_then(scalar_text).map(|value| format!("{name}={value}")));
    let mut words = words.collect::<Option<Vec<_>>>()?;
    words.sort();
    Some(words.join("\n"))
}

fn text(parameters: &Map<String, Value>, name: &str) -> Option<String> {
    parameters.get(name).and_then(scalar_text).map(Cow::into_owned)
}
