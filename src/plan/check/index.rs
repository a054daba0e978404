//! What is kept of every action until the last is read: ids, targets and needs, so that repetitions, conflicts and circles show.

use super::Checker;
use super::ids::Ids;
use super::places::Places;
use super::targets::{self, Standing, Targets};
pub(super) use super::targets::{end_hash, targets_of};
use crate::diag::Diagnostic;
use crate::pki::SpkiFingerprint;
use crate::plan::checked::Fingerprint;
use crate::run::Ordinal;
use crate::text::nearest::nearest;
use crate::text::{Span, safe};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// What is kept of every action.
#[derive(Default)]
pub(super) struct Index {
    places: Places,
    ids: Ids,
    /// Shared with the thread beside the check, which has them alone while it looks rows up.
    targets: Arc<Mutex<Targets>>,
    /// Duplicate → the action that it repeats.
    duplicates: HashMap<u32, u32>,
    needs: Vec<(u32, Vec<(String, Span)>)>,
    keys: HashMap<SpkiFingerprint, u32>,
    reach: HashMap<u128, Reach>,
}

/// What was asked of a group of targets, such as an order and its certificates.
#[derive(Default)]
pub(super) struct Reach {
    pub(super) whole: Option<Span>,
    pub(super) part: Option<Span>,
    pub(super) said: bool,
}

impl Index {
    pub(super) fn count(&self) -> u64 {
        self.places.len() as u64
    }

    pub(super) fn span(&self, ordinal: u32) -> Span {
        self.places.get(ordinal)
    }

    pub(super) fn id(&self, ordinal: u32) -> Cow<'_, str> {
        self.ids.of(ordinal, &self.places)
    }

    /// Makes room for so many actions more, at a guess.
    pub(super) fn expect(&mut self, actions: usize) {
        let room = actions.min(MOST_EXPECTED);
        self.places.expect(room);
        targets::lock(&self.targets).expect(room);
    }

    /// Writes the id of an action behind another text.
    pub(super) fn write_id(&self, ordinal: u32, to: &mut String) {
        self.ids.write(ordinal, &self.places, to);
    }

    /// Whether an earlier action has this id.
    pub(super) fn has_id(&self, id: &str) -> bool {
        self.ids.find(id, &self.places).is_some()
    }

    /// Takes the next action in, which has an id of its own: its ordinal, and the earlier action that has this id already.
    pub(super) fn add(&mut self, id: &str, span: Span) -> (u32, Option<u32>) {
        let ordinal = self.next(span);
        (ordinal, self.ids.give(ordinal, id, &self.places).err())
    }

    /// Takes the next action in, whose id is made from this name and its line.
    pub(super) fn add_unnamed(&mut self, name: &str, span: Span) -> u32 {
        let ordinal = self.next(span);
        self.ids.make(ordinal, name, &self.places);
        ordinal
    }

    fn next(&mut self, span: Span) -> u32 {
        let ordinal = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(span);
        ordinal
    }

    /// The targets of all actions, for whoever looks rows up.
    pub(super) fn targets(&self) -> Arc<Mutex<Targets>> {
        self.targets.clone()
    }

    /// What an action's target is to the plan: the target's hash, and the fingerprint, which tells actions of one target apart.
    pub(super) fn target(&self, ordinal: u32, target: u128, fingerprint: Fingerprint) -> Standing {
        targets::lock(&self.targets).take(ordinal, target, fingerprint)
    }

    /// An action repeats an earlier one.
    pub(super) fn repeats(&mut self, ordinal: u32, first: u32) {
        self.duplicates.insert(ordinal, first);
    }

    pub(super) fn needs(&mut self, ordinal: u32, needs: Vec<(String, Span)>) {
        self.needs.push((ordinal, needs));
    }

    /// The earlier action whose certificate request has the same key.
    pub(super) fn key(&mut self, key: SpkiFingerprint, ordinal: u32) -> Option<u32> {
        match self.keys.entry(key) {
            std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(ordinal);
                None
            }
        }
    }

    pub(super) fn reach(&mut self, group: u128) -> &mut Reach {
        self.reach.entry(group).or_default()
    }
}

impl Checker<'_> {
    /// Looks at `needs` once all ids are known. Who needs what counts where nothing is said.
    pub(super) fn check_needs(&mut self) -> Vec<(Ordinal, Vec<Ordinal>)> {
        let all = std::mem::take(&mut self.index.needs);
        let mut edges: HashMap<u32, Vec<(u32, Span)>> = HashMap::new();
        for (ordinal, needs) in &all {
            for (id, place) in needs {
                let Some(needed) = self.index.ids.find(id, &self.index.places) else {
                    self.unknown_need(id, *place);
                    continue;
                };
                if needed == *ordinal {
                    let what = format!("`{}` needs itself", safe::terminal(id));
                    self.say(Diagnostic::error("needs-itself", *place, what).help("drop it from `needs`"));
                } else if let Some(first) = self.index.duplicates.get(&needed).copied() {
                    let first_id = self.index.id(first).into_owned();
                    let what =
                        format!("`{}` repeats `{}` and is never sent", safe::terminal(id), safe::terminal(&first_id));
                    let error =
                        Diagnostic::error("needs-duplicate", *place, what).related(self.index.span(needed), "it");
                    self.say(error.help(format!("write `needs: [{}]`", safe::terminal(&first_id))));
                } else {
                    edges.entry(*ordinal).or_default().push((needed, *place));
                    self.digest.need(Ordinal::from(*ordinal), Ordinal::from(needed));
                }
            }
        }
        let mut starts: Vec<u32> = edges.keys().copied().collect();
        starts.sort_unstable();
        for circle in circles(&starts, &edges) {
            let ids: Vec<_> =
                circle.iter().map(|(ordinal, _)| safe::terminal(&self.index.id(*ordinal)).into_owned()).collect();
            let mut way = ids.join("` needs `");
            way.push_str("` needs `");
            way.push_str(&ids[0]);
            let mut error = Diagnostic::error("needs-circle", circle[0].1, format!("dependency cycle: `{way}`"));
            for (_, place) in &circle[1..] {
                error = error.related(*place, "and here");
            }
            self.say(error.help("one of them must go first"));
        }
        let needed = |ordinal: &u32| edges[ordinal].iter().map(|(needed, _)| Ordinal::from(*needed)).collect();
        starts.iter().map(|ordinal| (Ordinal::from(*ordinal), needed(ordinal))).collect()
    }

    fn unknown_need(&mut self, id: &str, place: Span) {
        let what = format!("no action has the id `{}`", safe::terminal(id));
        let mut error = Diagnostic::error("unknown-id", place, what);
        // In a long list the nearest id is rarely the one meant, and takes long to find.
        if self.index.places.len() <= NEAREST_WITHIN {
            let ids = (0..self.index.places.len()).map(|ordinal| self.index.id(u32::try_from(ordinal).unwrap_or(0)));
            let ids: Vec<Cow<'_, str>> = ids.collect();
            if let Some(right) = nearest(id, ids.iter().map(AsRef::as_ref)) {
                error = error.help(format!("did you mean `{}`?", safe::terminal(right)));
            }
        }
        self.say(error);
    }
}

/// The circles in a graph, each as the ordinals along it with the place that names the next one. Walks with a stack of its own: a
/// chain may be as long as the plan.
fn circles(starts: &[u32], edges: &HashMap<u32, Vec<(u32, Span)>>) -> Vec<Vec<(u32, Span)>> {
    let mut done: HashMap<u32, bool> = HashMap::new();
    let mut found = Vec::new();
    for start in starts {
        if done.contains_key(start) {
            continue;
        }
        // Each step: the action, and which of its needs is next.
        let mut path: Vec<(u32, usize)> = vec![(*start, 0)];
        done.insert(*start, false);
        while let Some((here, next)) = path.last_mut() {
            let needs = edges.get(here).map_or(&[][..], Vec::as_slice);
            let Some((needed, _)) = needs.get(*next) else {
                done.insert(*here, true);
                path.pop();
                continue;
            };
            *next += 1;
            match done.get(needed) {
                Some(true) => {}
                Some(false) => {
                    let begin = path.iter().position(|(ordinal, _)| ordinal == needed).unwrap_or_default();
                    let place = |(ordinal, next): &(u32, usize)| (*ordinal, edges[ordinal][next - 1].1);
                    found.push(path[begin..].iter().map(place).collect());
                }
                None => {
                    done.insert(*needed, false);
                    path.push((*needed, 0));
                }
            }
        }
    }
    found
}

/// Room is made for so many at once; for more when they come.
const MOST_EXPECTED: usize = 2_000_000;
/// Up to so many actions the nearest id is looked for.
const NEAREST_WITHIN: usize = 10_000;

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
                .map(|circle| circle.iter().map(|(ordinal, _)| *ordinal).collect())
                .collect();
            assert_eq!(found, expected, "{pairs:?}");
        }
        let chain: HashMap<u32, Vec<(u32, Span)>> = (0..200_000).map(|one| (one, vec![(one + 1, span)])).collect();
        assert!(circles(&[0], &chain).is_empty());
    }
}
