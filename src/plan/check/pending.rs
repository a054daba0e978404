//! Rows that went the short way: all of an action is known but what it does and what it is to those before it. They wait for each
//! other: many at once are hashed on a thread beside the check and looked up together. Nothing is said of an action, and none is handed
//! out, before its turn.

use super::Checker;
use super::beside::{Beside, MOST_WAITING};
use super::digest::{Does, FingerprintBase};
use super::index::end_hash;
use crate::plan::checked::Action;
use crate::text::Span;
use std::collections::VecDeque;
use std::hash::DefaultHasher;

/// The rows that wait.
#[derive(Default)]
pub(super) struct Pending {
    /// Those that came last.
    filling: Batch,
    /// Those that are hashed, the first first.
    beside: VecDeque<Batch>,
    emptied: Vec<Batch>,
    thread: Option<Beside<Hashing>>,
    kinds: u64,
}

/// What the rows of one kind have in common.
pub(super) struct Kind {
    /// Tells it from all others of a check.
    number: u64,
    /// An action with all that they have in common.
    action: Action,
    base: FingerprintBase,
    targets: DefaultHasher,
}

/// A row that waits.
pub(super) struct Waiting {
    kind: u64,
    pub(super) span: Span,
    pub(super) ordinal: u32,
    pub(super) action: Action,
}

#[derive(Default)]
struct Batch {
    rows: Vec<Waiting>,
    /// Those behind are of former batches, and are written over.
    used: usize,
    hashing: Hashing,
}

/// What is hashed of the rows of a batch. It crosses to the thread by itself, since it is small.
#[derive(Default)]
struct Hashing {
    /// Of each row the target and the parameters.
    texts: String,
    rows: Vec<Hashed>,
    kinds: Vec<(u64, FingerprintBase, DefaultHasher)>,
}

struct Hashed {
    /// Into the kinds.
    kind: usize,
    end_of_target: usize,
    end: usize,
    does: Does,
    target: u128,
}

impl Pending {
    /// A kind of rows.
    pub(super) fn kind(&mut self, action: Action, base: FingerprintBase, targets: DefaultHasher) -> Kind {
        self.kinds += 1;
        Kind { number: self.kinds, action, base, targets }
    }

    /// Adds a row of a kind; `write` is given the action with what they have in common.
    pub(super) fn add(&mut self, kind: &Kind, span: Span, ordinal: u32, write: impl FnOnce(&mut Action)) {
        let Batch { rows, used, hashing } = &mut self.filling;
        if rows.get(*used).is_none_or(|row| row.kind != kind.number) {
            let row = Waiting { kind: kind.number, span, ordinal, action: kind.action.clone() };
            match rows.get_mut(*used) {
                Some(old) => *old = row,
                None => rows.push(row),
            }
        }
        let row = &mut rows[*used];
        (row.span, row.ordinal) = (span, ordinal);
        write(&mut row.action);
        hashing.add(kind, &row.action);
        *used += 1;
    }
}

impl Hashing {
    fn add(&mut self, kind: &Kind, action: &Action) {
        if self.kinds.last().is_none_or(|(number, ..)| *number != kind.number) {
            self.kinds.push((kind.number, kind.base.clone(), kind.targets.clone()));
        }
        self.texts.push_str(&action.target);
        let end_of_target = self.texts.len();
        self.texts.push_str(action.parameters.text());
        let end = self.texts.len();
        self.rows.push(Hashed { kind: self.kinds.len() - 1, end_of_target, end, does: Does::default(), target: 0 });
    }

    fn work(&mut self) {
        let mut begin = 0;
        for row in &mut self.rows {
            let (_, base, targets) = &self.kinds[row.kind];
            row.target = end_hash(targets.clone(), &self.texts[begin..row.end_of_target]);
            row.does = base.with(&self.texts.as_bytes()[row.end_of_target..row.end]);
            begin = row.end;
        }
    }

    fn clear(&mut self) {
        self.texts.clear();
        self.rows.clear();
        self.kinds.clear();
    }
}

impl Checker<'_> {
    /// Gives the rows that wait away where there are many, and goes on with those that are done.
    pub(super) fn settle_many(&mut self) {
        let pending = &mut self.pending;
        if pending.filling.used < MANY {
            return;
        }
        if pending.thread.is_none() {
            pending.thread = Beside::begin("fingerprints", Hashing::work);
        }
        let Some(thread) = &pending.thread else { return self.settle() };
        let done = (pending.beside.len() == MOST_WAITING).then(|| thread.take());
        let oldest = done.and_then(|hashing| Some(Batch { hashing, ..pending.beside.pop_front()? }));
        let next = pending.emptied.pop().unwrap_or_default();
        let mut full = std::mem::replace(&mut pending.filling, next);
        thread.give(std::mem::take(&mut full.hashing));
        pending.beside.push_back(full);
        if let Some(oldest) = oldest {
            self.settle_batch(oldest);
        }
    }

    /// Goes on with all rows that wait: what follows must know of them.
    pub(super) fn settle(&mut self) {
        while let Some(batch) = self.pending.beside.pop_front() {
            let hashing = self.pending.thread.as_ref().map(Beside::take).unwrap_or_default();
            self.settle_batch(Batch { hashing, ..batch });
        }
        if self.pending.filling.used > 0 {
            let mut last = std::mem::take(&mut self.pending.filling);
            last.hashing.work();
            self.settle_batch(last);
        }
    }

    fn settle_batch(&mut self, mut batch: Batch) {
        // Each place in a large table is far from the last; asked for together, they come together.
        batch.hashing.rows.iter().for_each(|hashed| self.index.touch(hashed.target));
        for (row, hashed) in batch.rows.iter_mut().zip(&batch.hashing.rows) {
            row.action.fingerprint = hashed.does.fingerprint();
            if self.stand(row.span, row.ordinal, hashed.target, &mut row.action) {
                self.hand_out(&row.action, &hashed.does);
            }
        }
        batch.used = 0;
        batch.hashing.clear();
        self.pending.emptied.push(batch);
    }
}

/// So many rows are hashed at once; few in tests, so that they meet a batch's end.
const MANY: usize = if cfg!(test) { 3 } else { 256 };
