//! Tables for a million actions that grow a little at a time: a `Vec` or a hash table in one piece takes three times its room while it
//! copies itself. Know nothing of what they hold.

use hashbrown::HashTable;

/// A list in blocks.
pub(super) struct BlockList<T> {
    blocks: Vec<Vec<T>>,
}

/// Ordinals by a hash of something that each stands for, in many small tables.
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
        self.blocks.last().map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.len())
    }

    pub(super) fn push(&mut self, item: T) {
        match self.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(item),
            _ => self.blocks.push(vec![item]),
        }
    }

    pub(super) fn get(&self, index: u32) -> &T {
        &self.blocks[index as usize / BLOCK][index as usize % BLOCK]
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut T {
        &mut self.blocks[index as usize / BLOCK][index as usize % BLOCK]
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

    /// Adds an ordinal that is not there; `hash_of` says the hash of any.
    pub(super) fn insert(&mut self, hash: u64, ordinal: u32, hash_of: impl Fn(u32) -> u64) {
        self.shards[shard(hash)].insert_unique(hash, ordinal, |ordinal| hash_of(*ordinal));
    }
}

/// By bits that a table itself looks at last: it takes the lowest for the place, and the highest seven to tell neighbours apart.
fn shard(hash: u64) -> usize {
    usize::try_from(((hash >> 20 & 0xffff_ffff) * SHARDS as u64) >> 32).unwrap_or_default()
}

/// Items of a block.
const BLOCK: usize = 1 << 12;
/// A table doubles when it is seven eighths full. All shards do so at nearly the same number of actions; with so many of them a million
/// comes well before that.
const SHARDS: usize = 192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_is_found_over_all_blocks_and_shards() {
        let (mut list, mut table) = (BlockList::default(), OrdinalTable::default());
        let hash = |number: u32| u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for number in 0..20_000_u32 {
            assert_eq!(list.len(), number as usize);
            list.push(number * 3);
            table.insert(hash(number), number, hash);
        }
        *list.get_mut(7) = 1;
        assert_eq!((*list.get(7), *list.get(19_999)), (1, 59_997));
        for number in 0..20_000 {
            assert_eq!(table.find(hash(number), |found| found == number), Some(number));
        }
        assert_eq!(table.find(hash(20_000), |_| true), None);
        assert!(table.shards.iter().all(|shard| !shard.is_empty()));
    }
}
