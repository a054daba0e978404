//! Rows that went the short way: all of an action is known but what it does and what it is to those before it. They wait for each
//! other: many at once are hashed and looked up on a thread beside the check. Nothing is said of an action, and none is handed
//! out, before its turn.

use super::Checker;
use super::beside::{Beside, MOST_WAITING};
use super::digest::{Does, FingerprintBase};
use super::targets::{self, Standing, Targets, end_hash};
use crate::plan::checked::{Action, Parameters};
use crate::run::Ordinal;
use crate::text::Span;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::hash::DefaultHasher;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Mutex;

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
    /// An action with all that they have in common; what each has of its own is written into it when its turn comes.
    action: RefCell<Action>,
    base: FingerprintBase,
    targets: DefaultHasher,
}

#[derive(Default)]
struct Batch {
    /// Where each row begins.
    spans: Vec<Span>,
    /// In the order of [`Hashing::kinds`].
    kinds: Vec<Rc<Kind>>,
    hashing: Hashing,
}

/// What the rows of a batch have of their own, and what is hashed and looked up of them. It crosses to the thread by itself, since it is small.
#[derive(Default)]
struct Hashing {
    /// Of each row the id, the target, the parameters, and the values of the kept columns.
    texts: String,
    rows: Vec<Hashed>,
    /// Where each of the kept columns' values ends.
    kept: Vec<usize>,
    kinds: Vec<(u64, FingerprintBase, DefaultHasher)>,
}

/// A row that waits: a few words each, so that many stay near the processor.
struct Hashed {
    ordinal: u32,
    /// Into the kinds.
    kind: usize,
    begin: usize,
    end_of_id: usize,
    end_of_target: usize,
    end_of_parameters: usize,
    /// Into the ends of the kept columns' values.
    kept: Range<usize>,
    does: Does,
    target: u128,
    standing: Standing,
}

/// Writes a text behind another.
pub(super) type Write<'w> = &'w dyn Fn(&mut String);

impl Pending {
    /// A kind of rows.
    pub(super) fn kind(&mut self, action: Action, base: FingerprintBase, targets: DefaultHasher) -> Rc<Kind> {
        self.kinds += 1;
        Rc::new(Kind { number: self.kinds, action: RefCell::new(action), base, targets })
    }

    /// Adds a row of a kind, with its id, its target, its parameters, and the values of the kept columns.
    pub(super) fn add(&mut self, kind: &Rc<Kind>, span: Span, ordinal: u32, own: [Write<'_>; 3], kept: &[String]) {
        let Batch { spans, kinds, hashing } = &mut self.filling;
        if kinds.last().is_none_or(|last| last.number != kind.number) {
            kinds.push(kind.clone());
            hashing.kinds.push((kind.number, kind.base.clone(), kind.targets.clone()));
        }
        spans.push(span);
        hashing.add(ordinal, own, kept);
    }
}

impl Hashing {
    fn add(&mut self, ordinal: u32, own: [Write<'_>; 3], kept: &[String]) {
        let texts = &mut self.texts;
        let begin = texts.len();
        let [end_of_id, end_of_target, end_of_parameters] = own.map(|write| {
            write(texts);
            texts.len()
        });
        let first = self.kept.len();
        for value in kept {
            texts.push_str(value);
            self.kept.push(texts.len());
        }
        let (kind, kept, does) = (self.kinds.len() - 1, first..self.kept.len(), Does::default());
        self.rows.push(Hashed {
            ordinal,
            kind,
            begin,
            end_of_id,
            end_of_target,
            end_of_parameters,
            kept,
            does,
            target: 0,
            standing: Standing::default(),
        });
    }

    fn work(&mut self, targets: &Mutex<Targets>) {
        for row in &mut self.rows {
            let (_, base, targets) = &self.kinds[row.kind];
            row.target = end_hash(targets.clone(), &self.texts[row.end_of_id..row.end_of_target]);
            row.does = base.with(&self.texts.as_bytes()[row.end_of_target..row.end_of_parameters]);
        }
        // Each place in a large table is far from the last; asked for together, they come together.
        let mut targets = targets::lock(targets);
        self.rows.iter().for_each(|row| targets.touch(row.target));
        for row in &mut self.rows {
            row.standing = targets.take(row.ordinal, row.target, row.does.fingerprint());
        }
    }

    /// Writes what a row has of its own into an action of its kind.
    fn write(&self, row: &Hashed, action: &mut Action) {
        let put = |to: &mut String, begin: usize, end: usize| {
            to.clear();
            to.push_str(&self.texts[begin..end]);
        };
        put(&mut action.id, row.begin, row.end_of_id);
        put(&mut action.target, row.end_of_id, row.end_of_target);
        // The short way has just written this text, as an object.
        action.parameters =
            Parameters::parse(&self.texts[row.end_of_target..row.end_of_parameters]).unwrap_or_default();
        let mut begin = row.end_of_parameters;
        for (value, end) in action.kept.iter_mut().zip(&self.kept[row.kept.clone()]) {
            put(value, begin, *end);
            begin = *end;
        }
        action.fingerprint = row.does.fingerprint();
    }

    fn clear(&mut self) {
        self.texts.clear();
        self.rows.clear();
        self.kept.clear();
        self.kinds.clear();
    }
}

impl Checker<'_> {
    /// Gives the rows that wait away where there are many, and goes on with those that are done.
    pub(super) fn settle_many(&mut self) {
        let pending = &mut self.pending;
        if pending.filling.spans.len() < MANY {
            return;
        }
        if pending.thread.is_none() {
            let targets = self.index.targets();
            pending.thread = Beside::begin("fingerprints", move |hashing: &mut Hashing| hashing.work(&targets));
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
        if !self.pending.filling.spans.is_empty() {
            let mut last = std::mem::take(&mut self.pending.filling);
            last.hashing.work(&self.index.targets());
            self.settle_batch(last);
        }
    }

    fn settle_batch(&mut self, mut batch: Batch) {
        for (span, hashed) in batch.spans.iter().zip(&batch.hashing.rows) {
            let mut action = batch.kinds[hashed.kind].action.borrow_mut();
            batch.hashing.write(hashed, &mut action);
            action.ordinal = Ordinal::from(hashed.ordinal);
            self.sources.write_line_place(*span, &mut action.source);
            if self.stand(*span, hashed.ordinal, hashed.standing, &mut action) {
                self.hand_out(&action, &hashed.does);
            }
        }
        batch.spans.clear();
        batch.kinds.clear();
        batch.hashing.clear();
        self.pending.emptied.push(batch);
    }
}

/// So many rows are hashed at once; few in tests, so that they meet a batch's end.
const MANY: usize = if cfg!(test) { 3 } else { 512 };
