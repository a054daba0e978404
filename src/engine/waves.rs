//! `safety.waves`: which of a run's actions belong to which wave, and whether a wave has ended. Pure; what lies between two waves is
//! the dispatcher's.
//!
//! The waves go through the plan in its order, over all providers. An action that needs one of a later wave goes with that one: a
//! wave that waited for a later wave would never end.

use crate::journal::Queue;
use crate::plan::settings::WaveSize;
use crate::run::Ordinal;

/// The waves of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waves {
    /// The wave of each action, from 0; empty where there is only one.
    of: Vec<u16>,
    /// How many actions of each wave have not ended.
    open: Vec<u64>,
    /// The wave that may go.
    now: usize,
}

impl Waves {
    /// The waves of these actions (in plan order). Duplicates are never sent and do not count.
    pub fn new(sizes: &[WaveSize], queue: &Queue) -> Self {
        if sizes.len() < 2 {
            return Self::default();
        }
        let sent = queue.iter().filter(|action| action.duplicate_of.is_none()).count() as u64;
        let bounds = bounds(sizes, sent);
        let mut of = vec![0_u16; queue.len()];
        let mut place = 0;
        for (index, action) in queue.iter().enumerate() {
            if action.duplicate_of.is_none() {
                let wave = bounds.iter().position(|bound| place < *bound).unwrap_or(bounds.len() - 1);
                of[index] = u16::try_from(wave).unwrap_or(u16::MAX);
                place += 1;
            }
        }
        // Needs may stand in any order, so until nothing changes; they have no circles.
        loop {
            let mut moved = false;
            for (ordinal, needs) in queue.needing() {
                let latest = needs.iter().filter_map(|need| of.get(usize::try_from(*need).ok()?).copied()).max();
                let wave = usize::try_from(ordinal).ok().and_then(|index| of.get_mut(index));
                if let (Some(latest), Some(wave)) = (latest, wave)
                    && latest > *wave
                {
                    *wave = latest;
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        Self { open: vec![0; bounds.len()], of, now: 0 }
    }

    /// Whether there is more than one.
    pub fn are_there(&self) -> bool {
        !self.open.is_empty()
    }

    /// The number of waves.
    pub fn count(&self) -> usize {
        self.open.len().max(1)
    }

    /// The wave that may go, from 0.
    pub fn now(&self) -> usize {
        self.now
    }

    /// The wave of an action, from 0.
    pub fn of(&self, ordinal: Ordinal) -> usize {
        usize::try_from(ordinal).ok().and_then(|index| self.of.get(index)).map_or(0, |wave| usize::from(*wave))
    }

    /// An action is still to be carried out in this process.
    pub fn expect(&mut self, ordinal: Ordinal) {
        let wave = self.of(ordinal);
        if let Some(open) = self.open.get_mut(wave) {
            *open += 1;
        }
    }

    /// An earlier process has begun an action: its wave, and all before it, may go.
    pub fn begun(&mut self, ordinal: Ordinal) {
        if !self.open.is_empty() {
            self.now = self.now.max(self.of(ordinal));
        }
    }

    /// How many actions of a wave have not ended.
    pub fn left(&self, wave: usize) -> u64 {
        self.open.get(wave).copied().unwrap_or_default()
    }

    /// The next wave that has something to do.
    pub fn next(&self) -> Option<usize> {
        (self.now + 1..self.open.len()).find(|wave| self.open[*wave] > 0)
    }

    /// An action that was expected has ended.
    pub fn ended(&mut self, ordinal: Ordinal) {
        let wave = self.of(ordinal);
        if let Some(open) = self.open.get_mut(wave) {
            *open = open.saturating_sub(1);
        }
    }

    /// Whether an action may go now.
    pub fn may_go(&self, ordinal: Ordinal) -> bool {
        self.of(ordinal) <= self.now
    }

    /// Whether the wave that may go has ended, and another one waits.
    pub fn has_ended(&self) -> bool {
        self.open.iter().take(self.now + 1).all(|open| *open == 0) && self.next().is_some()
    }

    /// Lets the next wave go that has something to do.
    pub fn go_on(&mut self) {
        self.now = self.next().unwrap_or(self.now);
    }
}

/// How many of so many actions are let go by the end of each wave: rising or level, the last is all of them.
pub fn bounds(sizes: &[WaveSize], actions: u64) -> Vec<u64> {
    let mut before = 0;
    let bound = |size: &WaveSize| {
        let bound = match size {
            WaveSize::Count(count) => *count,
            // A share of a small plan is one action at least.
            WaveSize::Share(share) => (share * actions as f64).ceil() as u64,
        };
        before = bound.min(actions).max(before);
        before
    };
    let mut bounds: Vec<u64> = sizes.iter().map(bound).collect();
    if let Some(last) = bounds.last_mut() {
        *last = actions;
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    use WaveSize::{Count, Share};

    fn queue(needs: &[&[u64]]) -> Queue {
        let mut queue = Queue::default();
        for (index, needs) in needs.iter().enumerate() {
            let ordinal = queue.push(index % 2);
            queue.need(ordinal, needs.to_vec());
        }
        queue
    }

    #[test]
    fn shares_and_counts_become_bounds() {
        for (sizes, actions, expected) in [
            (vec![Share(0.01), Share(0.1), Share(1.0)], 1000, vec![10, 100, 1000]),
            (vec![Share(0.01), Share(0.1), Share(1.0)], 7, vec![1, 1, 7]),
            (vec![Count(5), Count(500), Share(1.0)], 1000, vec![5, 500, 1000]),
            (vec![Count(5), Count(500), Share(1.0)], 20, vec![5, 20, 20]),
            (vec![Count(50), Share(0.01), Share(1.0)], 1000, vec![50, 50, 1000]),
            (vec![Share(0.333), Share(1.0)], 3, vec![1, 3]),
            (vec![Share(0.01), Share(1.0)], 0, vec![0, 0]),
        ] {
            assert_eq!(bounds(&sizes, actions), expected, "{sizes:?} {actions}");
        }
    }

    #[test]
    fn actions_go_in_plan_order_and_with_what_they_need() {
        let sizes = [Count(2), Count(4), Share(1.0)];
        for (needs, expected, why) in [
            (vec![&[] as &[u64]; 6], vec![0, 0, 1, 1, 2, 2], "in plan order"),
            (vec![&[5], &[], &[], &[], &[], &[]], vec![2, 0, 1, 1, 2, 2], "with a later one"),
            (vec![&[1], &[2], &[4], &[], &[], &[]], vec![2, 2, 2, 1, 2, 2], "over a row of needs"),
            (vec![&[], &[], &[], &[], &[], &[0]], vec![0, 0, 1, 1, 2, 2], "what it needs goes before anyway"),
        ] {
            let waves = Waves::new(&sizes, &queue(&needs));
            let of: Vec<usize> = (0..6).map(|ordinal| waves.of(ordinal)).collect();
            assert_eq!(of, expected, "{why}");
        }
        let mut with_duplicate = queue(&[&[], &[], &[], &[]]);
        with_duplicate.repeat(1, "a0".to_owned());
        let waves = Waves::new(&[Count(2), Share(1.0)], &with_duplicate);
        assert_eq!([0, 2, 3].map(|ordinal| waves.of(ordinal)), [0, 0, 1], "a duplicate takes no place");
    }

    #[test]
    fn a_wave_ends_with_its_last_action_and_empty_ones_are_passed_over() {
        let mut waves = Waves::new(&[Count(1), Count(2), Count(3), Share(1.0)], &queue(&[&[] as &[u64]; 5]));
        // The second wave's only action ended in an earlier process.
        for ordinal in [0, 2, 3, 4] {
            waves.expect(ordinal);
        }
        assert!(waves.may_go(0) && !waves.may_go(2) && !waves.has_ended());
        waves.ended(0);
        assert!(waves.has_ended());
        waves.go_on();
        assert_eq!((waves.now(), waves.count()), (2, 4));
        assert!(waves.may_go(2) && !waves.may_go(3) && !waves.has_ended());
        waves.ended(2);
        waves.go_on();
        waves.ended(3);
        waves.ended(4);
        assert!(!waves.has_ended(), "after the last there is nothing to go on with");
        let one = Waves::new(&[], &queue(&[&[] as &[u64]; 2]));
        assert!(!one.are_there() && one.may_go(1) && !one.has_ended());
    }
}
