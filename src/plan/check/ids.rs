//! The ids of a plan's actions: those that the plan gives, as texts, and those that are made from positions (`leaked.csv:12`),
//! which take no room: a position says them, and they say a position.

use super::spans::SpanList;
use super::tables::OrdinalTable;
use crate::text::push_number;
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// All ids so far.
#[derive(Default)]
pub(super) struct ActionIds {
    /// The ids that the plan gives, by ordinal.
    given: Vec<IdBlock>,
    /// Whose they are; of ids that stand twice, the first.
    by_text: OrdinalTable,
    hasher: RandomState,
    /// What made ids begin with.
    prefixes: Vec<IdPrefix>,
    runs: Vec<IdRun>,
}

/// The ids that the plan gives to [`BLOCK`] actions, one behind the other in one text.
#[derive(Default)]
struct IdBlock {
    /// Each with a line end behind it, so that an empty one differs from none.
    texts: String,
    /// Where the text of each action ends; those behind the last have none.
    ends: Vec<u32>,
}

struct IdPrefix {
    text: String,
    /// Its runs.
    runs: Vec<usize>,
    /// The last line that a made id with it has.
    highest: u32,
}

/// Actions one behind the other whose ids are made from one prefix, but for those that have an id of their own. Their lines do not
/// decrease.
struct IdRun {
    prefix: usize,
    ordinals: Range<u32>,
}

impl ActionIds {
    /// The action that has an id.
    pub(super) fn find(&self, id: &str, spans: &SpanList) -> Option<u32> {
        self.find_given(id).or_else(|| {
            let (prefix, digits) = id.rsplit_once(':')?;
            let line: u32 = digits.parse().ok().filter(|_| !digits.starts_with(['0', '+']))?;
            let prefix = self.prefixes.iter().find(|known| known.text == prefix)?;
            self.made(prefix, line, spans)
        })
    }

    fn find_given(&self, id: &str) -> Option<u32> {
        if self.given.is_empty() {
            return None;
        }
        self.by_text.find(self.hasher.hash_one(id), |ordinal| given_id(&self.given, ordinal) == Some(id))
    }

    fn made(&self, prefix: &IdPrefix, line: u32, spans: &SpanList) -> Option<u32> {
        if line > prefix.highest {
            return None;
        }
        let mut on_line = prefix.runs.iter().flat_map(|run| spans.on_line(self.runs[*run].ordinals.clone(), line));
        on_line.find(|ordinal| given_id(&self.given, *ordinal).is_none())
    }

    /// Keeps the id that the plan gives an action. `Err` with the action that has it already.
    pub(super) fn give(&mut self, ordinal: u32, id: &str, spans: &SpanList) -> Result<(), u32> {
        let known = self.find(id, spans);
        self.keep(ordinal, id);
        if let Some(first) = known {
            return Err(first);
        }
        let Self { given, by_text, hasher, .. } = self;
        by_text
            .insert(hasher.hash_one(id), ordinal, |other| hasher.hash_one(given_id(given, other).unwrap_or_default()));
        Ok(())
    }

    fn keep(&mut self, ordinal: u32, id: &str) {
        let (block, index) = (ordinal as usize / BLOCK, ordinal as usize % BLOCK);
        if block >= self.given.len() {
            if let Some(full) = self.given.last_mut() {
                full.texts.shrink_to_fit();
            }
            self.given.resize_with(block + 1, IdBlock::default);
        }
        let IdBlock { texts, ends } = &mut self.given[block];
        // Those in between have no id of their own.
        ends.resize(index, ends.last().copied().unwrap_or_default());
        texts.push_str(id);
        texts.push('\n');
        ends.push(u32::try_from(texts.len()).unwrap_or(u32::MAX));
    }

    /// Makes the id of an action that has none; its place is known already.
    pub(super) fn make(&mut self, ordinal: u32, prefix: &str, spans: &SpanList) {
        let line = spans.line(ordinal);
        let last = self.runs.last().map(|run| run.prefix);
        let known = last.filter(|last| self.prefixes[*last].text == prefix);
        let index =
            known.or_else(|| self.prefixes.iter().position(|known| known.text == prefix)).unwrap_or_else(|| {
                self.prefixes.push(IdPrefix { text: prefix.to_owned(), runs: Vec::new(), highest: 0 });
                self.prefixes.len() - 1
            });
        let is_taken = self.made(&self.prefixes[index], line, spans).is_some()
            || !self.given.is_empty() && self.find_given(&made_id(prefix, line)).is_some();
        if is_taken {
            // Actions can share a line, and two entries a list.
            let mut more = (2_u64..).map(|count| format!("{prefix}:{line}#{count}"));
            if let Some(free) = more.find(|id| self.find(id, spans).is_none()) {
                // It was looked for just now and is not there.
                let _ = self.give(ordinal, &free, spans);
            }
            return;
        }
        let highest = self.prefixes[index].highest;
        self.prefixes[index].highest = highest.max(line);
        match self.runs.last_mut().filter(|run| run.prefix == index) {
            // A run goes on over actions that have ids of their own where their lines do not decrease either.
            Some(run) if (run.ordinals.end..=ordinal).all(|next| spans.line(next - 1) <= spans.line(next)) => {
                run.ordinals.end = ordinal + 1;
            }
            _ => {
                self.prefixes[index].runs.push(self.runs.len());
                self.runs.push(IdRun { prefix: index, ordinals: ordinal..ordinal + 1 });
            }
        }
    }

    /// The id of an action.
    pub(super) fn of(&self, ordinal: u32, spans: &SpanList) -> Cow<'_, str> {
        if let Some(given) = given_id(&self.given, ordinal) {
            return given.into();
        }
        let run = match self.runs.last() {
            Some(last) if last.ordinals.start <= ordinal => self.runs.len() - 1,
            _ => self.runs.partition_point(|run| run.ordinals.start <= ordinal).saturating_sub(1),
        };
        let prefix = self.runs.get(run).map_or("", |run| self.prefixes[run.prefix].text.as_str());
        made_id(prefix, spans.line(ordinal)).into()
    }
}

fn given_id(given: &[IdBlock], ordinal: u32) -> Option<&str> {
    let IdBlock { texts, ends } = given.get(ordinal as usize / BLOCK)?;
    let index = ordinal as usize % BLOCK;
    let end = *ends.get(index)? as usize;
    let begin = index.checked_sub(1).map_or(0, |before| ends[before] as usize);
    texts[begin..end].strip_suffix('\n')
}

fn made_id(prefix: &str, line: u32) -> String {
    let mut id = String::with_capacity(prefix.len() + 11);
    id.push_str(prefix);
    id.push(':');
    push_number(&mut id, line);
    id
}

/// Actions whose ids stand in one text.
const BLOCK: usize = 1 << 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{SourceMap, Span};

    #[test]
    fn ids_are_found_and_told() {
        let source = SourceMap::default().add_text("p", None, "".into());
        let (mut ids, mut spans) = (ActionIds::default(), SpanList::default());
        // The id given, or what a made one begins with; the line; the id that comes of it.
        for (ordinal, (given, name, line, expected)) in (0..).zip([
            (None, "l.csv", 2, "l.csv:2"),
            (Some("l.csv:4"), "", 3, "l.csv:4"),
            (None, "l.csv", 4, "l.csv:4#2"),
            (Some("x"), "", 5, "x"),
            (None, "l.csv", 6, "l.csv:6"),
            (None, "p.yaml", 1, "p.yaml:1"),
            (None, "p.yaml", 1, "p.yaml:1#2"),
            (None, "l.csv", 2, "l.csv:2#2"),
            (None, "l.csv", 3, "l.csv:3"),
            (None, "l.csv", 5, "l.csv:5"),
            (Some("y"), "", 1, "y"),
            (None, "l.csv", 7, "l.csv:7"),
        ]) {
            spans.push(Span { source, line, column: 1, length: 1 });
            match given {
                Some(id) => assert_eq!(ids.give(ordinal, id, &spans), Ok(())),
                None => ids.make(ordinal, name, &spans),
            }
            assert_eq!(ids.of(ordinal, &spans), expected);
            assert_eq!(ids.find(expected, &spans), Some(ordinal), "{expected}");
        }
        for id in ["l.csv:8", "l.csv:02", "l.csv:+2", "l.csv", "p.yaml:2", "z", "l.csv:2#3", "q.csv:2"] {
            assert_eq!(ids.find(id, &spans), None, "{id}");
        }
        for (id, first) in [("x", 3), ("l.csv:6", 4), ("l.csv:2#2", 7)] {
            spans.push(Span { source, line: 9, column: 1, length: 1 });
            let ordinal = spans.len() - 1;
            assert_eq!(ids.give(ordinal, id, &spans), Err(first));
            assert_eq!(ids.of(ordinal, &spans), id);
            assert_eq!(ids.find(id, &spans), Some(first));
        }
    }
}
