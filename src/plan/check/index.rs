//! What is kept of every action until the last is read, a few bytes each: its id, its place and its target, so that repetitions,
//! conflicts and circles show. Says nothing of them.

use super::ids::ActionIds;
use super::spans::SpanList;
use super::targets::{TargetGroups, Targets};
use crate::pki::SpkiFingerprint;
use crate::text::Span;
use std::borrow::Cow;
use std::collections::HashMap;

/// What is kept of every action.
#[derive(Default)]
pub(super) struct Index {
    spans: SpanList,
    ids: ActionIds,
    pub(super) targets: Targets,
    pub(super) groups: TargetGroups,
    /// Duplicate → the action that it repeats.
    pub(super) duplicates: HashMap<u32, u32>,
    /// Of the actions that need others, the ids of these.
    pub(super) needs: Vec<(u32, Vec<(String, Span)>)>,
    keys: HashMap<SpkiFingerprint, u32>,
}

impl Index {
    pub(super) fn count(&self) -> u32 {
        self.spans.len()
    }

    pub(super) fn span(&self, ordinal: u32) -> Span {
        self.spans.get(ordinal)
    }

    pub(super) fn id(&self, ordinal: u32) -> Cow<'_, str> {
        self.ids.of(ordinal, &self.spans)
    }

    /// The action that has this id.
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.ids.find(id, &self.spans)
    }

    /// Takes the next action in, which has an id of its own: its ordinal, and the earlier action that has this id already.
    pub(super) fn add(&mut self, id: &str, span: Span) -> (u32, Option<u32>) {
        let ordinal = self.next(span);
        (ordinal, self.ids.give(ordinal, id, &self.spans).err())
    }

    /// Takes the next action in, whose id is made from this prefix and its line.
    pub(super) fn add_unnamed(&mut self, prefix: &str, span: Span) -> u32 {
        let ordinal = self.next(span);
        self.ids.make(ordinal, prefix, &self.spans);
        ordinal
    }

    fn next(&mut self, span: Span) -> u32 {
        let ordinal = self.spans.len();
        self.spans.push(span);
        ordinal
    }

    /// The earlier action whose certificate request has the same key.
    pub(super) fn key(&mut self, key: SpkiFingerprint, ordinal: u32) -> Option<u32> {
        let first = *self.keys.entry(key).or_insert(ordinal);
        (first != ordinal).then_some(first)
    }
}
