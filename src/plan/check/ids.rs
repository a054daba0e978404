//! The ids of a plan's actions: those that the plan gives, as texts, and those that are made from positions (`leaked.csv:12`),
//! which take no room: a position says them, and they say a position.

use super::places::Places;
use crate::text::push_number;
use hashbrown::HashTable;
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

/// All ids so far.
#[derive(Default)]
pub(super) struct Ids {
    /// The ids that are kept as texts, one behind the other.
    texts: String,
    /// Whose they are, and where each ends, by ordinal.
    kept: Vec<(u32, usize)>,
    /// Into `kept`, by text; of ids that stand twice, the first.
    by_text: HashTable<u32>,
    hasher: RandomState,
    /// What made ids begin with.
    names: Vec<Name>,
    runs: Vec<Run>,
}

struct Name {
    text: String,
    /// Its runs.
    runs: Vec<usize>,
    /// The last line that a made id of this name has.
    highest: u32,
}

/// Actions one behind the other whose ids are made from one name, but for those that have an id of their own. Their lines do not
/// decrease.
struct Run {
    name: usize,
    first: u32,
    end: u32,
}

impl Ids {
    /// The action that has an id.
    pub(super) fn find(&self, id: &str, places: &Places) -> Option<u32> {
        if !self.kept.is_empty() {
            let hash = self.hasher.hash_one(id);
            let found = self.by_text.find(hash, |index| kept_text(&self.texts, &self.kept, *index) == id);
            if let Some(index) = found {
                return Some(self.kept[*index as usize].0);
            }
        }
        let (name, digits) = id.rsplit_once(':')?;
        let line: u32 = digits.parse().ok().filter(|_| !digits.starts_with(['0', '+']))?;
        let name = self.names.iter().find(|known| known.text == name)?;
        self.made(name, line, places)
    }

    fn made(&self, name: &Name, line: u32, places: &Places) -> Option<u32> {
        if line > name.highest {
            return None;
        }
        let on_line = name.runs.iter().flat_map(|run| places.on_line(self.runs[*run].first, self.runs[*run].end, line));
        on_line.into_iter().find(|ordinal| self.index_of(*ordinal).is_none())
    }

    /// Keeps the id of an action that has its own. `Err` with the action that has it already.
    pub(super) fn give(&mut self, ordinal: u32, id: &str, places: &Places) -> Result<(), u32> {
        let known = self.find(id, places);
        let index = u32::try_from(self.kept.len()).unwrap_or(u32::MAX);
        self.texts.push_str(id);
        self.kept.push((ordinal, self.texts.len()));
        if let Some(first) = known {
            return Err(first);
        }
        let Self { texts, kept, by_text, hasher, .. } = self;
        by_text.insert_unique(hasher.hash_one(id), index, |index| hasher.hash_one(kept_text(texts, kept, *index)));
        Ok(())
    }

    /// Makes the id of an action that has none; its place is known already.
    pub(super) fn make(&mut self, ordinal: u32, name: &str, places: &Places) {
        let line = places.line(ordinal);
        let last = self.runs.last().map(|run| run.name);
        let known = last.filter(|last| self.names[*last].text == name);
        let index = known.or_else(|| self.names.iter().position(|known| known.text == name)).unwrap_or_else(|| {
            self.names.push(Name { text: name.to_owned(), runs: Vec::new(), highest: 0 });
            self.names.len() - 1
        });
        let mut taken = self.made(&self.names[index], line, places).is_some();
        if !taken && !self.kept.is_empty() {
            taken = self.find(&made_id(name, line), places).is_some();
        }
        if taken {
            // Actions can share a line, and two entries a list.
            let free = (2_u64..).map(|count| format!("{name}:{line}#{count}"));
            if let Some(free) = free.into_iter().find(|id| self.find(id, places).is_none()) {
                // It was looked for just now and is not there.
                let _ = self.give(ordinal, &free, places);
            }
            return;
        }
        let highest = self.names[index].highest;
        self.names[index].highest = highest.max(line);
        match self.runs.last_mut().filter(|run| run.name == index && places.line(run.end - 1) <= line) {
            Some(run) if between_do_not_decrease(places, run.end, ordinal) => run.end = ordinal + 1,
            _ => {
                self.names[index].runs.push(self.runs.len());
                self.runs.push(Run { name: index, first: ordinal, end: ordinal + 1 });
            }
        }
    }

    /// The id of an action.
    pub(super) fn of(&self, ordinal: u32, places: &Places) -> Cow<'_, str> {
        if let Some(index) = self.index_of(ordinal) {
            return kept_text(&self.texts, &self.kept, u32::try_from(index).unwrap_or(u32::MAX)).into();
        }
        made_id(self.name_of(ordinal), places.line(ordinal)).into()
    }

    /// Writes the id of an action behind another text.
    pub(super) fn write(&self, ordinal: u32, places: &Places, to: &mut String) {
        match self.index_of(ordinal) {
            Some(_) => to.push_str(&self.of(ordinal, places)),
            None => {
                to.push_str(self.name_of(ordinal));
                to.push(':');
                push_number(to, places.line(ordinal));
            }
        }
    }

    /// What the made id of an action begins with.
    fn name_of(&self, ordinal: u32) -> &str {
        let run = match self.runs.last() {
            Some(last) if last.first <= ordinal => self.runs.len() - 1,
            _ => self.runs.partition_point(|run| run.first <= ordinal).saturating_sub(1),
        };
        self.runs.get(run).map_or("", |run| self.names[run.name].text.as_str())
    }

    /// Where the text of an action's id stands, where it is kept.
    fn index_of(&self, ordinal: u32) -> Option<usize> {
        // The one asked for is nearly always the last.
        match self.kept.last() {
            None => None,
            Some((last, _)) if *last < ordinal => None,
            Some((last, _)) if *last == ordinal => Some(self.kept.len() - 1),
            Some(_) => self.kept.binary_search_by_key(&ordinal, |(ordinal, _)| *ordinal).ok(),
        }
    }
}

fn kept_text<'a>(texts: &'a str, kept: &[(u32, usize)], index: u32) -> &'a str {
    let index = index as usize;
    let begin = if index == 0 { 0 } else { kept[index - 1].1 };
    &texts[begin..kept[index].1]
}

/// Whether a run may go on over the actions that have ids of their own.
fn between_do_not_decrease(places: &Places, from: u32, to: u32) -> bool {
    (from..=to).all(|ordinal| places.line(ordinal - 1) <= places.line(ordinal))
}

fn made_id(name: &str, line: u32) -> String {
    format!("{name}:{line}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{SourceMap, Span};

    #[test]
    fn ids_are_found_and_told() {
        let source = SourceMap::default().add_text("p", None, "".into());
        let (mut ids, mut places) = (Ids::default(), Places::default());
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
            places.push(Span { source, line, column: 1, length: 1 });
            match given {
                Some(id) => assert_eq!(ids.give(ordinal, id, &places), Ok(())),
                None => ids.make(ordinal, name, &places),
            }
            assert_eq!(ids.of(ordinal, &places), expected);
            assert_eq!(ids.find(expected, &places), Some(ordinal), "{expected}");
        }
        for id in ["l.csv:8", "l.csv:02", "l.csv:+2", "l.csv", "p.yaml:2", "z", "l.csv:2#3", "q.csv:2"] {
            assert_eq!(ids.find(id, &places), None, "{id}");
        }
        for (id, first) in [("x", 3), ("l.csv:6", 4), ("l.csv:2#2", 7)] {
            places.push(Span { source, line: 9, column: 1, length: 1 });
            let ordinal = u32::try_from(places.len() - 1).unwrap();
            assert_eq!(ids.give(ordinal, id, &places), Err(first));
            assert_eq!(ids.of(ordinal, &places), id);
            assert_eq!(ids.find(id, &places), Some(first));
        }
    }
}
