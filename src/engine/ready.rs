//! Which action goes next: one lane an account, so that no provider waits behind another; the canary first; what others need
//! before them; pauses between attempts. A state machine on a given `now`: the dispatcher runs it in real time, the forecast and
//! the fault tests in virtual time.

mod fresh;
mod places;
#[cfg(test)]
pub(super) mod testing;
mod why;

use super::concurrency::Slots;
use super::pace::{Full, Pace};
use super::timing::Moment;
use super::waves::Waves;
use crate::provider::model::Window;
use crate::run::Ordinal;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

/// The queue of a run.
#[derive(Debug)]
pub struct Ready {
    lanes: Vec<Lane>,
    /// The lanes' paces; accounts that share a credential share one.
    paces: Vec<Pace>,
    /// The lane that is asked first, so that all are served in turn.
    turn: usize,
    /// How many canaries have still to end well.
    canaries: u64,
    /// The canary that is under way.
    canary: Option<Ordinal>,
    /// For each action that others need: those others.
    dependents: HashMap<Ordinal, Vec<(Ordinal, usize)>>,
    /// For each action that needs others: how many of them are still to end well, and when it may start.
    blocked: HashMap<Ordinal, (usize, Option<Moment>)>,
    waves: Waves,
    /// Actions of later waves that nothing else keeps back, in plan order.
    held: Vec<(Ordinal, usize, Option<Moment>)>,
}

/// One account's lane.
#[derive(Debug)]
struct Lane {
    /// Its pace, by index.
    pace: usize,
    /// Its own windows; its pace's are those of all that share it.
    windows: Vec<Window>,
    slots: Slots,
    running: u32,
    /// Whether it was the places that kept the last action back.
    crowded: bool,
    /// Nothing more is sent in this process.
    stopped: bool,
    /// Nothing is sent until a token has come.
    paused: bool,
    /// The provider cannot be reached: one request at a time, and none before this moment.
    probing: Option<Moment>,
    /// Begun actions whose next step is due, before new ones.
    urgent: VecDeque<Ordinal>,
    fresh: fresh::Fresh,
    later: BinaryHeap<Reverse<(Moment, Ordinal)>>,
    /// How many wait for other actions.
    blocked: usize,
    /// How many wait for their wave.
    held: usize,
    /// Steps that gather until one of them is due or there is nothing else to do: then all go.
    gathered: VecDeque<(Moment, Ordinal)>,
}

/// What can be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// This action's next step; its slot and its place under the limits are taken.
    Start {
        /// The action.
        ordinal: Ordinal,
        /// Its account.
        account: usize,
    },
    /// Nothing before this moment, unless an answer comes before.
    Wait(Moment),
    /// Nothing before an answer comes.
    WaitForAnswer,
    /// Nothing is queued in any lane that goes on, and nothing is under way.
    Idle,
}

impl Ready {
    /// A queue with a lane for each account (its pace, its slots), and so many canaries still to come.
    pub fn new(accounts: Vec<(Pace, u32)>, canaries: u64) -> Self {
        let (paces, slots): (Vec<Pace>, Vec<u32>) = accounts.into_iter().unzip();
        let lane = |(pace, slots): (usize, u32)| Lane {
            pace,
            windows: paces[pace].windows().to_vec(),
            slots: Slots::fixed(slots),
            running: 0,
            crowded: false,
            stopped: false,
            paused: false,
            probing: None,
            urgent: VecDeque::new(),
            fresh: fresh::Fresh::default(),
            later: BinaryHeap::new(),
            blocked: 0,
            held: 0,
            gathered: VecDeque::new(),
        };
        Self {
            lanes: slots.into_iter().enumerate().map(lane).collect(),
            paces,
            turn: 0,
            canaries,
            canary: None,
            dependents: HashMap::new(),
            blocked: HashMap::new(),
            waves: Waves::default(),
            held: Vec::new(),
        }
    }

    /// The same queue with the run's actions in waves. To be said before any action is added.
    #[must_use]
    pub fn in_waves(mut self, waves: Waves) -> Self {
        self.waves = waves;
        self
    }

    /// Queues an action; actions come in plan order. `needs` are those of its needed actions that have not yet ended well.
    pub fn add(&mut self, ordinal: Ordinal, account: usize, needs: &[Ordinal], not_before: Option<Moment>) {
        self.waves.expect(ordinal);
        if needs.is_empty() {
            self.release(ordinal, account, not_before);
        } else {
            self.blocked.insert(ordinal, (needs.len(), not_before));
            self.lanes[account].blocked += 1;
            for need in needs {
                self.dependents.entry(*need).or_default().push((ordinal, account));
            }
        }
    }

    /// What can be done now.
    pub fn next(&mut self, now: Moment) -> Turn {
        for lane in &mut self.lanes {
            while lane.later.peek().is_some_and(|Reverse((due, _))| *due <= now) {
                if let Some(Reverse((_, ordinal))) = lane.later.pop() {
                    lane.urgent.push_back(ordinal);
                }
            }
            let due = lane.gathered.front().is_some_and(|(due, _)| *due <= now);
            if due || (lane.front().is_none() && lane.running == 0) || self.canary.is_some() {
                lane.urgent.extend(lane.gathered.drain(..).map(|(_, ordinal)| ordinal));
            }
        }
        if self.canaries > 0 {
            return self.next_canary(now);
        }
        let lanes = self.lanes.len();
        let mut wait = Turn::Idle;
        for offset in 0..lanes {
            let account = (self.turn + offset) % lanes;
            match self.start(account, now) {
                Turn::Start { ordinal, account } => {
                    self.turn = (account + 1) % lanes;
                    return Turn::Start { ordinal, account };
                }
                other => wait = sooner(wait, other),
            }
        }
        wait
    }

    /// One action at a time, the first in plan order that can go.
    fn next_canary(&mut self, now: Moment) -> Turn {
        let running = self.lanes.iter().any(|lane| lane.running > 0);
        if running {
            return Turn::WaitForAnswer;
        }
        let wanted = match self.canary {
            Some(canary) => {
                self.lanes.iter().position(|lane| lane.urgent.contains(&canary)).map(|account| (canary, account))
            }
            None => {
                let going = self.lanes.iter().enumerate().filter(|(_, lane)| !lane.stopped);
                going.filter_map(|(account, lane)| lane.front().map(|ordinal| (ordinal, account))).min()
            }
        };
        let Some((ordinal, account)) = wanted else {
            let due = self.lanes.iter().filter(|lane| !lane.stopped).filter_map(Lane::next_due).min();
            return due.map_or(Turn::Idle, Turn::Wait);
        };
        let lane = &mut self.lanes[account];
        if let Some(index) = lane.urgent.iter().position(|queued| *queued == ordinal) {
            lane.urgent.swap(0, index);
        }
        let turn = self.start(account, now);
        if let Turn::Start { ordinal, .. } = turn {
            self.canary = Some(ordinal);
        }
        turn
    }

    fn start(&mut self, account: usize, now: Moment) -> Turn {
        let lane = &mut self.lanes[account];
        if lane.stopped {
            return if lane.running > 0 { Turn::WaitForAnswer } else { Turn::Idle };
        }
        if lane.front().is_none() {
            lane.crowded = false;
            let idle = if lane.running > 0 { Turn::WaitForAnswer } else { Turn::Idle };
            return lane.next_due().map_or(idle, Turn::Wait);
        }
        lane.crowded = lane.running >= lane.slots.now();
        if lane.paused || lane.crowded {
            return Turn::WaitForAnswer;
        }
        match lane.probing {
            Some(_) if lane.running > 0 => return Turn::WaitForAnswer,
            Some(next) if now < next => return Turn::Wait(next),
            _ => {}
        }
        match self.paces[lane.pace].take(now) {
            Ok(()) => match lane.urgent.pop_front().or_else(|| lane.fresh.pop_front()) {
                Some(ordinal) => {
                    lane.running += 1;
                    Turn::Start { ordinal, account }
                }
                None => Turn::Idle,
            },
            Err(full) => {
                if self.paces[lane.pace].window_was_full() {
                    lane.slots.window_was_full();
                }
                match full {
                    Full::Until(moment) => Turn::Wait(moment),
                    Full::UntilAnswer => Turn::WaitForAnswer,
                }
            }
        }
    }

    /// A step that was started is over: its slot is free again.
    pub fn stepped(&mut self, account: usize) {
        let lane = &mut self.lanes[account];
        lane.running = lane.running.saturating_sub(1);
    }

    /// The account's pace, to tell it of answers and throttles.
    pub fn pace(&mut self, account: usize) -> &mut Pace {
        &mut self.paces[self.lanes[account].pace]
    }

    /// An action has another step, due at a moment, or as soon as there is a place.
    pub fn again(&mut self, ordinal: Ordinal, account: usize, due: Option<Moment>) {
        let lane = &mut self.lanes[account];
        match due {
            Some(due) => lane.later.push(Reverse((due, ordinal))),
            None => lane.urgent.push_back(ordinal),
        }
    }

    /// An action has another step that serves others too: it waits for them until it is due, or there is nothing else to do.
    pub fn gather(&mut self, ordinal: Ordinal, account: usize, due: Moment) {
        self.lanes[account].gathered.push_back((due, ordinal));
    }

    /// An action ended. Returns those that needed it and can now never be sent, transitively; the caller ends them as skipped.
    pub fn ended(&mut self, ordinal: Ordinal, well: bool) -> Vec<Ordinal> {
        if self.canary == Some(ordinal) {
            self.canary = None;
            self.canaries = self.canaries.saturating_sub(u64::from(well));
        }
        self.waves.ended(ordinal);
        let mut lost = Vec::new();
        for (dependent, account) in self.dependents.remove(&ordinal).unwrap_or_default() {
            if !well {
                if self.blocked.remove(&dependent).is_some() {
                    self.lanes[account].blocked -= 1;
                    lost.push(dependent);
                    lost.extend(self.ended(dependent, false));
                }
                continue;
            }
            let Some((open, not_before)) = self.blocked.get_mut(&dependent) else { continue };
            *open -= 1;
            if *open == 0 {
                let not_before = *not_before;
                self.blocked.remove(&dependent);
                self.lanes[account].blocked -= 1;
                self.release(dependent, account, not_before);
            }
        }
        lost
    }

    /// Whether this action is the canary that is under way.
    pub fn is_canary(&self, ordinal: Ordinal) -> bool {
        self.canary == Some(ordinal)
    }

    /// The account sends nothing more in this process.
    pub fn stop(&mut self, account: usize) {
        self.lanes[account].stopped = true;
    }

    /// Whether the account sends nothing more in this process.
    pub fn is_stopped(&self, account: usize) -> bool {
        self.lanes[account].stopped
    }

    /// The account sends nothing until it is set going again (it waits for a token).
    pub fn pause(&mut self, account: usize, paused: bool) {
        self.lanes[account].paused = paused;
    }

    /// A provider cannot be reached: one request at a time, and none before this moment; or it can again.
    pub fn probe(&mut self, account: usize, next: Option<Moment>) {
        self.lanes[account].probing = next;
    }

    /// Whether nothing is queued in any lane that goes on, nothing is under way, and no wave waits for a word.
    pub fn is_idle(&self) -> bool {
        let idle =
            |lane: &Lane| lane.running == 0 && (lane.stopped || (lane.front().is_none() && lane.next_due().is_none()));
        self.lanes.iter().all(idle) && !self.waves.has_ended()
    }

    /// The run's waves: whether the one that may go has ended, and which that is.
    pub fn waves(&self) -> &Waves {
        &self.waves
    }

    /// Lets the next wave go.
    pub fn next_wave(&mut self) {
        self.waves.go_on();
        for (ordinal, account, not_before) in std::mem::take(&mut self.held) {
            self.lanes[account].held -= 1;
            self.release(ordinal, account, not_before);
        }
    }

    fn release(&mut self, ordinal: Ordinal, account: usize, not_before: Option<Moment>) {
        if !self.waves.may_go(ordinal) {
            self.held.push((ordinal, account, not_before));
            self.lanes[account].held += 1;
            return;
        }
        let lane = &mut self.lanes[account];
        match not_before {
            Some(due) => lane.later.push(Reverse((due, ordinal))),
            None => lane.fresh.push_back(ordinal),
        }
    }
}

impl Lane {
    fn front(&self) -> Option<Ordinal> {
        self.urgent.front().copied().or_else(|| self.fresh.front())
    }

    fn next_due(&self) -> Option<Moment> {
        let later = self.later.peek().map(|Reverse((due, _))| *due);
        let gathered = self.gathered.front().map(|(due, _)| *due);
        later.into_iter().chain(gathered).min()
    }
}

fn sooner(one: Turn, other: Turn) -> Turn {
    match (one, other) {
        (Turn::Wait(one), Turn::Wait(other)) => Turn::Wait(one.min(other)),
        (Turn::Wait(moment), _) | (_, Turn::Wait(moment)) => Turn::Wait(moment),
        (Turn::Idle, other) => other,
        (one, _) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{at, ready, start};
    use super::*;

    #[test]
    fn accounts_take_turns_and_keep_to_their_slots() {
        let mut ready = ready(&[1, 2], 0);
        for ordinal in 0..6 {
            ready.add(ordinal, usize::from(ordinal >= 3), &[], None);
        }
        assert_eq!([(); 4].map(|()| ready.next(at(0))), [start(0, 0), start(3, 1), start(4, 1), Turn::WaitForAnswer]);
        ready.stepped(0);
        assert_eq!(ready.next(at(0)), start(1, 0));
        ready.again(0, 0, Some(at(5)));
        ready.stepped(0);
        assert_eq!(ready.next(at(5)), start(0, 0), "what is due goes before what is new");
    }

    #[test]
    fn needed_actions_go_first_and_lost_ones_take_their_dependents_along() {
        let mut ready = ready(&[4], 0);
        ready.add(0, 0, &[2], None);
        ready.add(1, 0, &[0], None);
        ready.add(2, 0, &[], None);
        ready.add(3, 0, &[4], None);
        ready.add(4, 0, &[], None);
        assert_eq!(
            [ready.next(at(0)), ready.next(at(0)), ready.next(at(0))],
            [start(2, 0), start(4, 0), Turn::WaitForAnswer]
        );
        assert_eq!(ready.ended(2, false), [0, 1]);
        assert!(ready.ended(4, true).is_empty());
        assert_eq!(ready.next(at(0)), start(3, 0));
    }

    #[test]
    fn canaries_go_one_at_a_time_in_plan_order() {
        let mut ready = ready(&[4, 4], 2);
        for (ordinal, account) in [(0, 1), (1, 0), (2, 1)] {
            ready.add(ordinal, account, &[], None);
        }
        assert_eq!([ready.next(at(0)), ready.next(at(0))], [start(0, 1), Turn::WaitForAnswer]);
        ready.stepped(1);
        ready.again(0, 1, Some(at(3)));
        assert_eq!(ready.next(at(0)), Turn::Wait(at(3)), "a canary's pause holds the others");
        assert_eq!(ready.next(at(3)), start(0, 1));
        ready.stepped(1);
        ready.ended(0, true);
        assert_eq!(ready.next(at(3)), start(1, 0));
        ready.stepped(0);
        ready.ended(1, true);
        assert_eq!([ready.next(at(3)), ready.next(at(3))], [start(2, 1), Turn::WaitForAnswer]);
        ready.stepped(1);
        assert_eq!(ready.next(at(3)), Turn::Idle);
    }

    #[test]
    fn gathered_steps_go_together_when_one_is_due_or_nothing_else_is_to_do() {
        let mut ready = ready(&[1], 0);
        for ordinal in 0..4 {
            ready.add(ordinal, 0, &[], None);
        }
        for ordinal in [0, 1] {
            assert_eq!(ready.next(at(0)), start(ordinal, 0));
            ready.stepped(0);
            ready.gather(ordinal, 0, at(10 + ordinal));
        }
        assert_eq!(ready.next(at(1)), start(2, 0), "what is new goes before what gathers");
        ready.stepped(0);
        assert_eq!(ready.next(at(10)), start(0, 0), "one is due: all go");
        ready.stepped(0);
        assert_eq!(ready.next(at(10)), start(1, 0));
        ready.stepped(0);
        ready.gather(1, 0, at(30));
        assert_eq!(ready.next(at(11)), start(3, 0));
        assert_eq!(ready.next(at(11)), Turn::Wait(at(30)), "what is under way may add to them");
        ready.stepped(0);
        assert_eq!(ready.next(at(11)), start(1, 0), "there is nothing else to do");
    }

    #[test]
    fn a_stopped_account_starts_nothing_and_holds_nobody() {
        let mut ready = ready(&[1, 1], 0);
        ready.add(0, 0, &[], None);
        ready.add(1, 1, &[], None);
        ready.stop(0);
        assert_eq!([ready.next(at(0)), ready.next(at(0))], [start(1, 1), Turn::WaitForAnswer]);
        ready.stepped(1);
        assert_eq!(ready.next(at(0)), Turn::Idle);
    }
}
