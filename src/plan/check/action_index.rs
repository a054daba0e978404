//! What the check stores of every action until the last is read, a few bytes each: its id, its place and its target, so that
//! repetitions, conflicts and circles are found. Reports nothing.
//!
//! A plan may have a million actions, and the check must not hold them. So places take four bytes, ids that are made from positions
//! none, those of the plan four (a hash) and what each does not share with the one before, targets twelve (hashes), and every table grows
//! by small blocks.

use crate::pki::SpkiFingerprint;
use crate::plan::checked::Fingerprint;
use crate::text::{SourceId, Span, line_place};
use hashbrown::HashTable;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::ops::Range;

/// What is stored of every action.
#[derive(Default)]
pub(super) struct Index {
    spans: SpanList,
    ids: ActionIds,
    pub(super) targets: Targets,
    pub(super) groups: TargetGroups,
    /// Duplicate → the action that it repeats.
    pub(super) duplicates: HashMap<u32, u32>,
    /// Actions on an exception list.
    pub(super) excepted: HashSet<u32>,
    /// Of the actions that need others, the ids of these.
    pub(super) needs: Vec<(u32, Vec<(String, Span)>)>,
    /// Steps, each with one that goes before it.
    pub(super) links: Vec<(u32, u32)>,
    /// The chains of steps, in plan order: where the first begins, where the last ends, and how many steps each has.
    chains: Vec<(Range<u32>, u32)>,
    /// The names that last steps have, each once.
    last_steps: Vec<String>,
    keys: HashMap<SpkiFingerprint, u32>,
}

impl Index {
    pub(super) fn count(&self) -> u32 {
        self.spans.len()
    }

    pub(super) fn span(&self, ordinal: u32) -> Span {
        self.spans.get(ordinal)
    }

    pub(super) fn id(&self, ordinal: u32) -> String {
        self.ids.id(ordinal, &self.spans)
    }

    /// The action that has this id.
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.ids.find(id, &self.spans)
    }

    /// The last step of the entry that has this id.
    pub(super) fn find_chain(&self, id: &str) -> Option<u32> {
        let is_last = |ordinal: &u32| {
            let after = self.chains.partition_point(|(ordinals, _)| ordinals.end <= *ordinal);
            self.chains.get(after).is_some_and(|(ordinals, steps)| {
                ordinals.contains(ordinal) && (ordinal - ordinals.start) % steps == steps - 1
            })
        };
        self.last_steps.iter().find_map(|last| self.find(&format!("{id}/{last}")).filter(is_last))
    }

    /// The actions from this one on are the steps of an entry, the last of them of this name.
    pub(super) fn add_chain(&mut self, first: u32, last_step: &str) {
        let (end, steps) = (self.count(), self.count() - first);
        match self.chains.last_mut() {
            Some((ordinals, known)) if ordinals.end == first && *known == steps => ordinals.end = end,
            _ => self.chains.push((first..end, steps)),
        }
        if !self.last_steps.iter().any(|known| known == last_step) {
            self.last_steps.push(last_step.to_owned());
        }
    }

    /// Adds the next action, which has an id of its own; returns its ordinal, and the earlier action that has this id already.
    pub(super) fn add(&mut self, id: &str, span: Span) -> (u32, Option<u32>) {
        let ordinal = self.push_span(span);
        (ordinal, self.ids.insert(ordinal, id, &self.spans).err())
    }

    /// Adds the next action, whose id is made from this prefix and its line; returns its ordinal.
    pub(super) fn add_unnamed(&mut self, prefix: &str, span: Span) -> u32 {
        let ordinal = self.push_span(span);
        self.ids.generate(ordinal, prefix, &self.spans);
        ordinal
    }

    fn push_span(&mut self, span: Span) -> u32 {
        let ordinal = self.spans.len();
        self.spans.push(span);
        ordinal
    }

    /// The earlier action whose certificate request has the same key.
    pub(super) fn first_with_key(&mut self, key: SpkiFingerprint, ordinal: u32) -> Option<u32> {
        let first = *self.keys.entry(key).or_insert(ordinal);
        (first != ordinal).then_some(first)
    }
}

/// All ids so far.
#[derive(Default)]
pub(super) struct ActionIds {
    /// The ids that the plan gives, by ordinal.
    given: Vec<IdBlock>,
    /// The ordinals of those ids; of an id that is given twice, the first.
    by_text: OrdinalTable,
    hasher: RandomState,
    /// What made ids begin with.
    prefixes: Vec<IdPrefix>,
    runs: Vec<IdRun>,
    /// Prefixes with lines that many actions share, and the number from which on one may be free: a whole plan may stand in one line.
    shared_lines: HashMap<(usize, u32), u64>,
}

/// The ids that the plan gives to [`IDS_PER_TEXT`] actions.
#[derive(Default)]
struct IdBlock {
    /// One a line, an empty one where an action has none: a character whose number says how many bytes are as in the line before, and
    /// those that follow. Most lists count their ids, or write one name before them all.
    texts: String,
    /// The last of them, whole.
    last: String,
    /// The hash of each, so that a text is read for an id that is known alone, and not where a table grows: it would wait for memory each time.
    hashes: Vec<u32>,
    /// How many lines these are; the actions behind them have none.
    count: usize,
    /// Where each [`IDS_PER_PLACE`]th line begins, which shares nothing: a place for every line would take as much as a short id.
    places: Vec<u32>,
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
            // `parse` accepts `02` and `+2`, which no made id has.
            let line: u32 = digits.parse().ok().filter(|_| !digits.starts_with(['0', '+']))?;
            let prefix = self.prefixes.iter().find(|known| known.text == prefix)?;
            self.find_generated(prefix, line, spans)
        })
    }

    fn find_given(&self, id: &str) -> Option<u32> {
        let hash = self.hash(id);
        let is_right = |ordinal| {
            hash_of_given(&self.given, ordinal) == hash && given_id(&self.given, ordinal).as_deref() == Some(id)
        };
        self.by_text.find(spread(hash), is_right)
    }

    fn hash(&self, id: &str) -> u32 {
        halves(self.hasher.hash_one(id))[0]
    }

    fn find_generated(&self, prefix: &IdPrefix, line: u32, spans: &SpanList) -> Option<u32> {
        // Nearly every id that is looked up while a list is read is new: no search for those.
        if line > prefix.highest {
            return None;
        }
        let mut on_line = prefix.runs.iter().flat_map(|run| spans.on_line(self.runs[*run].ordinals.clone(), line));
        on_line.find(|ordinal| given_id(&self.given, *ordinal).is_none())
    }

    /// Adds the id that the plan gives an action. `Err` with the action that has it already.
    pub(super) fn insert(&mut self, ordinal: u32, id: &str, spans: &SpanList) -> Result<(), u32> {
        // Before it is stored, or it would find itself.
        let hash = self.hash(id);
        let known = self.find(id, spans);
        self.store(ordinal, id, hash);
        if let Some(first) = known {
            return Err(first);
        }
        let Self { given, by_text, .. } = self;
        by_text.insert(spread(hash), ordinal, |other| spread(hash_of_given(given, other)));
        Ok(())
    }

    fn store(&mut self, ordinal: u32, id: &str, hash: u32) {
        let (block, index) = (ordinal as usize / IDS_PER_TEXT, ordinal as usize % IDS_PER_TEXT);
        if block >= self.given.len() {
            if let Some(full) = self.given.last_mut() {
                // Ordinals only rise, so a full block never grows again.
                full.texts.shrink_to_fit();
                full.last = String::new();
            }
            self.given.resize_with(block + 1, IdBlock::default);
        }
        let block = &mut self.given[block];
        // Those in between have no id of their own.
        while block.count < index {
            block.push("", 0);
        }
        block.push(id, hash);
    }

    /// Makes the id of an action that has none; its place is known already.
    pub(super) fn generate(&mut self, ordinal: u32, prefix: &str, spans: &SpanList) {
        let line = spans.line(ordinal);
        let last = self.runs.last().map(|run| run.prefix);
        let known = last.filter(|last| self.prefixes[*last].text == prefix);
        let index =
            known.or_else(|| self.prefixes.iter().position(|known| known.text == prefix)).unwrap_or_else(|| {
                self.prefixes.push(IdPrefix { text: prefix.to_owned(), runs: Vec::new(), highest: 0 });
                self.prefixes.len() - 1
            });
        let shared = self.shared_lines.get(&(index, line)).copied();
        let is_taken = shared.is_some()
            || self.find_generated(&self.prefixes[index], line, spans).is_some()
            || !self.given.is_empty() && self.find_given(&line_place(prefix, line)).is_some();
        if is_taken {
            // Actions can share a line, and two entries a list.
            let mut more = (shared.unwrap_or(2)..).map(|count| (count, format!("{prefix}:{line}#{count}")));
            if let Some((count, free)) = more.find(|(_, id)| self.find(id, spans).is_none()) {
                // It cannot be a duplicate: `find` has just not found it.
                let _ = self.insert(ordinal, &free, spans);
                // A list that a few entries name takes no memory for that.
                if count > FEW_ON_A_LINE {
                    self.shared_lines.insert((index, line), count + 1);
                }
            }
            return;
        }
        let highest = self.prefixes[index].highest;
        self.prefixes[index].highest = highest.max(line);
        match self.runs.last_mut().filter(|run| run.prefix == index) {
            // A run continues over actions that have ids of their own where their lines do not decrease either.
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
    pub(super) fn id(&self, ordinal: u32, spans: &SpanList) -> String {
        if let Some(given) = given_id(&self.given, ordinal) {
            return given;
        }
        let run = match self.runs.last() {
            Some(last) if last.ordinals.start <= ordinal => self.runs.len() - 1,
            _ => self.runs.partition_point(|run| run.ordinals.start <= ordinal).saturating_sub(1),
        };
        let prefix = self.runs.get(run).map_or("", |run| self.prefixes[run.prefix].text.as_str());
        line_place(prefix, spans.line(ordinal))
    }
}

impl IdBlock {
    fn push(&mut self, id: &str, hash: u32) {
        if self.count.is_multiple_of(IDS_PER_PLACE) {
            self.places.push(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
            self.last.clear();
        }
        let shared = shared_bytes(&self.last, id);
        self.texts.push(char::from(shared));
        // One with a line end in it is reported as no id.
        self.texts.extend(id[usize::from(shared)..].split('\n'));
        self.texts.push('\n');
        self.last.clear();
        self.last.extend(id.split('\n'));
        self.hashes.push(hash);
        self.count += 1;
    }

    fn get(&self, index: usize) -> Option<String> {
        let begin = *self.places.get(index / IDS_PER_PLACE).filter(|_| index < self.count)? as usize;
        let mut lines = self.texts.get(begin..)?;
        let mut id = String::new();
        for _ in 0..=index % IDS_PER_PLACE {
            let mut letters = lines.chars();
            let shared = u32::from(letters.next()?) as usize;
            let (own, further) = letters.as_str().split_once('\n')?;
            id.truncate(shared);
            id.push_str(own);
            lines = further;
        }
        Some(id).filter(|id| !id.is_empty())
    }
}

/// How many bytes two texts begin with alike: those of whole characters, and only so many that one byte can count them.
fn shared_bytes(one: &str, other: &str) -> u8 {
    let letters = one.chars().zip(other.chars()).take_while(|(one, other)| one == other);
    letters.map(|(letter, _)| letter.len_utf8()).take(usize::from(u8::MAX) / 4).sum::<usize>().try_into().unwrap_or(0)
}

fn given_id(given: &[IdBlock], ordinal: u32) -> Option<String> {
    given.get(ordinal as usize / IDS_PER_TEXT)?.get(ordinal as usize % IDS_PER_TEXT)
}

fn hash_of_given(given: &[IdBlock], ordinal: u32) -> u32 {
    let block = given.get(ordinal as usize / IDS_PER_TEXT);
    block.and_then(|block| block.hashes.get(ordinal as usize % IDS_PER_TEXT)).copied().unwrap_or_default()
}

/// A hash of the size that tables take.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// So many actions of one line are counted each time anew.
const FEW_ON_A_LINE: u64 = 8;
/// Actions whose ids are in one text.
const IDS_PER_TEXT: usize = 1 << 12;
const IDS_PER_PLACE: usize = 32;

/// The targets so far.
#[derive(Default)]
pub(super) struct Targets {
    /// By ordinal; all zero where an action has none.
    records: BlockList<TargetRecord>,
    /// Of several actions with the same target, the first.
    by_target: OrdinalTable,
}

/// 64 bits of the target's hash, and 32 of the fingerprint. That two targets of a plan share theirs happens in one of thirty million
/// plans of a million actions, and is then reported as a conflict; an action counts as a repetition only where all 96 bits agree.
/// Three numbers of 32 bits each, so that there is no padding.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct TargetRecord {
    target: [u32; 2],
    parameters: u32,
}

/// What an action's target is to the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duplicate {
    /// No earlier action has this target.
    None,
    /// An earlier action has the same target and parameters.
    Repeats(u32),
    /// An earlier action has the same target and other parameters.
    Conflicts(u32),
}

/// The groups of targets (an order's certificates): which actions ask for a part of one, and which for the whole. Nearly all plans ask for
/// the one only, so nothing is looked up before the end.
#[derive(Default)]
pub(super) struct TargetGroups(Vec<GroupKind>);

/// The groups that are told of in the same words.
struct GroupKind {
    /// What an action that asks for the whole reaches.
    reaches: String,
    parts: GroupList,
    wholes: GroupList,
}

/// Groups by their hashes, in the order of the actions, each with the place that asks for it.
#[derive(Default)]
struct GroupList {
    hashes: BlockList<u64>,
    places: SpanList,
}

impl Targets {
    /// Adds the target of an action: its hash, and the fingerprint, in which actions of one target differ.
    pub(super) fn add(&mut self, ordinal: u32, target: u64, fingerprint: Fingerprint) -> Duplicate {
        let [one, two, three, four, ..] = fingerprint.0;
        let this = TargetRecord { target: halves(target), parameters: u32::from_le_bytes([one, two, three, four]) };
        let Self { records, by_target } = self;
        if let Some(first) = by_target.find(target, |other| records.get(other).target == this.target) {
            let is_same = *records.get(first) == this;
            return if is_same { Duplicate::Repeats(first) } else { Duplicate::Conflicts(first) };
        }
        // Repetitions and conflicts in between have no record, but records are found by ordinal.
        while records.len() < ordinal as usize {
            records.push(TargetRecord::default());
        }
        records.push(this);
        by_target.insert(target, ordinal, |other| whole(records.get(other).target));
        Duplicate::None
    }
}

impl TargetGroups {
    /// Adds an action that asks for a group, as a whole or in part.
    pub(super) fn add(&mut self, reaches: &str, group: u64, is_whole: bool, place: Span) {
        let known = self.0.iter().position(|kind| kind.reaches == reaches).unwrap_or_else(|| {
            let (parts, wholes) = Default::default();
            self.0.push(GroupKind { reaches: reaches.to_owned(), parts, wholes });
            self.0.len() - 1
        });
        let kind = &mut self.0[known];
        let list = if is_whole { &mut kind.wholes } else { &mut kind.parts };
        list.hashes.push(group);
        list.places.push(place);
    }

    /// What is reached twice, each group once: in which words, the places of the first part and of the first whole.
    pub(super) fn reached_twice(&self) -> Vec<(&str, Span, Span)> {
        let mut found = Vec::new();
        for GroupKind { reaches, parts, wholes } in &self.0 {
            let mut asked: Vec<(u64, u32)> =
                (0..wholes.places.len()).map(|index| (*wholes.hashes.get(index), index)).collect();
            asked.sort_unstable();
            // Of a group that several ask for, the first.
            asked.dedup_by_key(|(group, _)| *group);
            let mut told = vec![false; asked.len()];
            for index in (0..parts.places.len()).filter(|_| !asked.is_empty()) {
                let group = *parts.hashes.get(index);
                let Ok(at) = asked.binary_search_by_key(&group, |(group, _)| *group) else { continue };
                if !std::mem::replace(&mut told[at], true) {
                    found.push((reaches.as_str(), parts.places.get(index), wholes.places.get(asked[at].1)));
                }
            }
        }
        found
    }
}

/// Begins the hash of a target: that of an account and an operation.
pub(super) fn targets_of(account: usize, operation: &str) -> DefaultHasher {
    let mut hasher = DefaultHasher::new();
    (account, operation).hash(&mut hasher);
    hasher
}

/// Ends a hash that was begun.
pub(super) fn hash_of(mut hasher: DefaultHasher, value: &(impl Hash + ?Sized)) -> u64 {
    value.hash(&mut hasher);
    hasher.finish()
}

fn halves(hash: u64) -> [u32; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "words are cut out of a hash")]
    [hash as u32, (hash >> 32) as u32]
}

fn whole([low, high]: [u32; 2]) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// Places, in the order in which they were added.
#[derive(Default)]
pub(super) struct SpanList {
    packed: BlockList<PackedSpan>,
    runs: Vec<SpanRun>,
    /// Those that do not fit.
    large: HashMap<u32, Span>,
}

/// A place, but for what its run holds. Column 0 marks one that does not fit; lines and columns count from 1.
struct PackedSpan {
    line: u16,
    column: u8,
    length: u8,
}

/// Places one behind the other in one source, on lines not too far apart.
struct SpanRun {
    first: u32,
    source: SourceId,
    /// Lines count from this one.
    line: u32,
}

impl SpanList {
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.packed.len()).unwrap_or(u32::MAX)
    }

    /// Adds the next place.
    pub(super) fn push(&mut self, span: Span) {
        let index = self.len();
        let offset = |run: &SpanRun| u16::try_from(span.line.checked_sub(run.line)?).ok();
        let known = self.runs.last().filter(|run| run.source == span.source).and_then(offset);
        let line = known.unwrap_or_else(|| {
            self.runs.push(SpanRun { first: index, source: span.source, line: span.line });
            0
        });
        match (u8::try_from(span.column), u8::try_from(span.length)) {
            (Ok(column @ 1..), Ok(length)) => self.packed.push(PackedSpan { line, column, length }),
            _ => {
                self.large.insert(index, span);
                self.packed.push(PackedSpan { line, column: 0, length: 0 });
            }
        }
    }

    pub(super) fn get(&self, index: u32) -> Span {
        let PackedSpan { line, column, length } = *self.packed.get(index);
        if column == 0
            && let Some(span) = self.large.get(&index)
        {
            return *span;
        }
        let run = self.run_of(index);
        Span { source: run.source, line: run.line + u32::from(line), column: column.into(), length: length.into() }
    }

    pub(super) fn line(&self, index: u32) -> u32 {
        self.run_of(index).line + u32::from(self.packed.get(index).line)
    }

    /// Among these places, whose lines do not decrease, those on this line.
    pub(super) fn on_line(&self, among: Range<u32>, line: u32) -> Range<u32> {
        let begin = first_where(among.clone(), |index| self.line(index) >= line);
        begin..first_where(begin..among.end, |index| self.line(index) > line)
    }

    fn run_of(&self, index: u32) -> &SpanRun {
        // It is nearly always in the last run.
        match self.runs.last() {
            Some(last) if last.first <= index => last,
            _ => &self.runs[self.runs.partition_point(|run| run.first <= index) - 1],
        }
    }
}

/// The first of these numbers for which something holds that then holds for all that follow; their end where there is none.
fn first_where(mut among: Range<u32>, holds: impl Fn(u32) -> bool) -> u32 {
    while among.start < among.end {
        let middle = among.start + (among.end - among.start) / 2;
        if holds(middle) { among.end = middle } else { among.start = middle + 1 }
    }
    among.end
}

/// A list in blocks.
pub(super) struct BlockList<T> {
    blocks: Vec<Vec<T>>,
}

/// Ordinals by a hash of what each identifies, in many small tables.
pub(super) struct OrdinalTable {
    shards: Vec<HashTable<u32>>,
}

impl<T> Default for BlockList<T> {
    fn default() -> Self {
        Self { blocks: Vec::new() }
    }
}

impl<T> BlockList<T> {
    pub(super) fn len(&self) -> usize {
        self.blocks.last().map_or(0, |last| (self.blocks.len() - 1) * ITEMS_PER_BLOCK + last.len())
    }

    pub(super) fn push(&mut self, item: T) {
        match self.blocks.last_mut() {
            Some(last) if last.len() < ITEMS_PER_BLOCK => last.push(item),
            _ => self.blocks.push(vec![item]),
        }
    }

    pub(super) fn get(&self, index: u32) -> &T {
        &self.blocks[index as usize / ITEMS_PER_BLOCK][index as usize % ITEMS_PER_BLOCK]
    }
}

impl Default for OrdinalTable {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| HashTable::new()).collect() }
    }
}

impl OrdinalTable {
    /// The ordinal with this hash that is the right one.
    pub(super) fn find(&self, hash: u64, is_right: impl Fn(u32) -> bool) -> Option<u32> {
        self.shards[shard(hash)].find(hash, |ordinal| is_right(*ordinal)).copied()
    }

    /// Adds an ordinal that is not there; `hash_of` gives the hash of any that is, for when a table grows.
    pub(super) fn insert(&mut self, hash: u64, ordinal: u32, hash_of: impl Fn(u32) -> u64) {
        self.shards[shard(hash)].insert_unique(hash, ordinal, |ordinal| hash_of(*ordinal));
    }
}

/// By bits that hashbrown looks at last: it uses the lowest for the bucket, and the highest seven to distinguish neighbours.
fn shard(hash: u64) -> usize {
    usize::try_from(((hash >> 20 & 0xffff_ffff) * SHARDS as u64) >> 32).unwrap_or_default()
}

/// Items of a block.
const ITEMS_PER_BLOCK: usize = 1 << 12;
/// A table doubles when it is seven eighths full. All shards do so at nearly the same number of actions; with so many of them a million
/// comes shortly before that, when they are fullest: 6,579 of 7,168 in each, where one in a million has 400 more.
const SHARDS: usize = 152;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{SourceMap, Span};

    #[test]
    fn ids_are_found_and_given_back() {
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
                Some(id) => assert_eq!(ids.insert(ordinal, id, &spans), Ok(())),
                None => ids.generate(ordinal, name, &spans),
            }
            assert_eq!(ids.id(ordinal, &spans), expected);
            assert_eq!(ids.find(expected, &spans), Some(ordinal), "{expected}");
        }
        for id in ["l.csv:8", "l.csv:02", "l.csv:+2", "l.csv", "p.yaml:2", "z", "l.csv:2#3", "q.csv:2"] {
            assert_eq!(ids.find(id, &spans), None, "{id}");
        }
        for (id, first) in [("x", 3), ("l.csv:6", 4), ("l.csv:2#2", 7)] {
            spans.push(Span { source, line: 9, column: 1, length: 1 });
            let ordinal = spans.len() - 1;
            assert_eq!(ids.insert(ordinal, id, &spans), Err(first));
            assert_eq!(ids.id(ordinal, &spans), id);
            assert_eq!(ids.find(id, &spans), Some(first));
        }
    }

    #[test]
    fn given_ids_are_found_among_actions_without_any() {
        let source = SourceMap::default().add_text("p", None, "".into());
        let (mut ids, mut spans) = (ActionIds::default(), SpanList::default());
        let given =
            |ordinal: u32| (ordinal.is_multiple_of(3) || ordinal > 9_000).then(|| format!("äb-{}", ordinal * 7));
        for ordinal in 0..10_000 {
            spans.push(Span { source, line: ordinal + 2, column: 1, length: 1 });
            match given(ordinal) {
                Some(id) => assert_eq!(ids.insert(ordinal, &id, &spans), Ok(())),
                None => ids.generate(ordinal, "l.csv", &spans),
            }
        }
        for ordinal in 0..10_000 {
            let expected = given(ordinal).unwrap_or_else(|| format!("l.csv:{}", ordinal + 2));
            assert_eq!(ids.id(ordinal, &spans), expected);
            assert_eq!(ids.find(&expected, &spans), Some(ordinal), "{expected}");
        }
        // Neither can be an id, which is reported; they must not hide others.
        for (ordinal, id) in [(10_000, ""), (10_001, "a\nb"), (10_002, "c")] {
            spans.push(Span { source, line: ordinal + 2, column: 1, length: 1 });
            assert_eq!(ids.insert(ordinal, id, &spans), Ok(()));
        }
        assert_eq!((ids.id(10_001, &spans), ids.find("c", &spans)), ("ab".to_owned(), Some(10_002)));
    }

    #[test]
    fn ids_that_share_any_beginning_with_the_one_before_are_given_back() {
        let source = SourceMap::default().add_text("p", None, "".into());
        let (mut ids, mut spans) = (ActionIds::default(), SpanList::default());
        let long = "é€𝄞".repeat(70);
        let given = ["abcdefghijkl", "abcdefghij", "abcdefghijk", "a", "ä", "å", "b"].map(str::to_owned);
        // Ten bytes are a line end's number.
        let given = given.into_iter().chain([long.clone(), format!("{long}x"), format!("{long}y"), "é€".to_owned()]);
        let given: Vec<String> =
            (0..20).flat_map(|round| given.clone().map(move |id| format!("{id}{round}"))).collect();
        for (ordinal, id) in (0..).zip(&given) {
            spans.push(Span { source, line: ordinal + 1, column: 1, length: 1 });
            assert_eq!(ids.insert(ordinal, id, &spans), Ok(()));
        }
        for (ordinal, id) in (0..).zip(&given) {
            assert_eq!((ids.id(ordinal, &spans), ids.find(id, &spans)), (id.clone(), Some(ordinal)));
        }
    }

    #[test]
    fn any_number_of_actions_may_stand_in_one_line() {
        let source = SourceMap::default().add_text("p", None, "".into());
        let (mut ids, mut spans) = (ActionIds::default(), SpanList::default());
        spans.push(Span { source, line: 1, column: 1, length: 1 });
        assert_eq!(ids.insert(0, "p.json:1#12", &spans), Ok(()));
        for ordinal in 1..20_000 {
            spans.push(Span { source, line: 1, column: ordinal, length: 1 });
            ids.generate(ordinal, "p.json", &spans);
        }
        for (ordinal, expected) in
            [(1, "p.json:1"), (11, "p.json:1#11"), (12, "p.json:1#13"), (19_999, "p.json:1#20000")]
        {
            assert_eq!(ids.id(ordinal, &spans), expected);
            assert_eq!(ids.find(expected, &spans), Some(ordinal));
        }
    }

    #[test]
    fn those_that_follow_the_first_of_a_target_repeat_it_or_conflict_with_it() {
        let mut targets = Targets::default();
        let one = Fingerprint([1; 16]);
        let other = Fingerprint([2; 16]);
        for (ordinal, target, fingerprint, expected) in [
            (0, 7, one, Duplicate::None),
            (2, 8, other, Duplicate::None),
            (3, 7, one, Duplicate::Repeats(0)),
            (4, 7, other, Duplicate::Conflicts(0)),
            (5, 8, other, Duplicate::Repeats(2)),
            (9, 9, one, Duplicate::None),
            (10, 9, one, Duplicate::Repeats(9)),
            (11, 7 << 32, one, Duplicate::None),
        ] {
            assert_eq!(targets.add(ordinal, target, fingerprint), expected, "{ordinal}");
        }
    }

    #[test]
    fn a_group_asked_for_in_part_and_as_a_whole_is_reported_once() {
        let source = SourceMap::default().add_text("p", None, "".into());
        let at = |line| Span { source, line, column: 1, length: 1 };
        let mut groups = TargetGroups::default();
        for (reaches, group, is_whole, line) in [
            ("a", 1, false, 1),
            ("a", 1, false, 2),
            ("a", 2, true, 3),
            ("a", 2, true, 4),
            ("b", 1, true, 5),
            ("a", 1, true, 6),
            ("a", 1, false, 7),
            ("a", 1, true, 8),
            ("a", 2, false, 9),
            ("a", 3, false, 10),
            ("b", 1, false, 11),
        ] {
            groups.add(reaches, group, is_whole, at(line));
        }
        let found = groups.reached_twice();
        let found: Vec<_> = found.iter().map(|(reaches, part, whole)| (*reaches, part.line, whole.line)).collect();
        assert_eq!(found, [("a", 1, 6), ("a", 9, 3), ("b", 11, 5)]);
    }

    #[test]
    fn spans_are_returned_as_they_were_stored() {
        let mut sources = SourceMap::default();
        let (one, two) = (sources.add_text("a", None, "".into()), sources.add_text("b", None, "".into()));
        let mut places = SpanList::default();
        let spans = [
            (one, 1, 1, 3),
            (one, 2, 70_000, 4),
            (two, 2, 9, 80_000),
            (two, 2, 9, 0),
            (two, 65_537, 255, 255),
            (two, 65_538, 255, 256),
            (one, u32::MAX, 256, 1),
            (one, 1, 1, 1),
        ]
        .map(|(source, line, column, length)| Span { source, line, column, length });
        spans.iter().for_each(|span| places.push(*span));
        for (index, span) in (0..).zip(spans) {
            assert_eq!((places.get(index), places.line(index)), (span, span.line));
        }
        assert_eq!(places.on_line(0..7, 2), 1..4);
        assert_eq!(places.on_line(1..3, 2), 1..3);
        assert_eq!(places.on_line(0..7, 3), 4..4);
        assert_eq!(places.on_line(0..7, u32::MAX), 6..7);
    }

    #[test]
    fn what_goes_in_is_found_over_all_blocks_and_shards() {
        let (mut list, mut table) = (BlockList::default(), OrdinalTable::default());
        let hash = |number: u32| u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for number in 0..20_000_u32 {
            assert_eq!(list.len(), number as usize);
            list.push(number * 3);
            table.insert(hash(number), number, hash);
        }
        assert_eq!((*list.get(7), *list.get(19_999)), (21, 59_997));
        for number in 0..20_000 {
            assert_eq!(table.find(hash(number), |found| found == number), Some(number));
        }
        assert_eq!(table.find(hash(20_000), |_| true), None);
        assert!(table.shards.iter().all(|shard| !shard.is_empty()));
    }
}
