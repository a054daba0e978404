//! Which action goes next: one queue an account, so that no provider waits behind another; the canary first; what others need
//! before them; pauses between attempts. A state machine on a given `now`: the dispatcher runs it in real time, the forecast and
//! the fault tests in virtual time.

use super::circuit_breaker::{CircuitBreaker, Transition};
use super::concurrency::Slots;
use super::pace::{Full, Pace};
use super::safety::Waves;
use super::sender::LimitSignal;
use super::timing::{Moment, RequestTimes, WallTime};
use crate::provider::model::Window;
use crate::run::{Awaited, Ordinal, WaitReason};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::ops::Range;

/// The actions of a run that are still to be carried out, and what may go when.
#[derive(Debug)]
pub struct Scheduler {
    accounts: Vec<AccountQueue>,
    /// The accounts' paces; accounts that share a credential share one.
    paces: Vec<Pace>,
    /// The account that is asked first, so that all are served in turn.
    first_served: usize,
    /// How many canaries have still to end well, of how many.
    canaries: u64,
    all_canaries: u64,
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

/// One account's queue.
#[derive(Debug)]
struct AccountQueue {
    /// Its pace, by index.
    pace: usize,
    /// Its own windows; its pace's are those of all that share it.
    windows: Vec<Window>,
    slots: Slots,
    running: u32,
    /// Whether it was the slots that kept the last action back.
    slots_full: bool,
    /// Nothing more is sent in this process.
    stopped: bool,
    /// Nothing is sent until a token was received.
    paused: bool,
    /// Nothing has shown yet that the provider is in order.
    unproved: bool,
    /// The provider is down: one request at a time, and none before this moment; zero where it only seems to be.
    probing: Option<Moment>,
    /// Polls that are to be made, and when.
    polls: BinaryHeap<Reverse<(Moment, Ordinal, Awaited)>>,
    /// Other requests since the last of them.
    since_poll: u32,
    /// Begun actions whose next step is due, before new ones.
    urgent: VecDeque<Ordinal>,
    new: OrdinalRanges,
    later: BinaryHeap<Reverse<(Moment, Ordinal)>>,
    /// How many wait for other actions.
    blocked: usize,
    /// How many wait for their wave.
    held: usize,
    /// Steps that gather until one of them is due or there is nothing else to do: then all go.
    batched: VecDeque<(Moment, Ordinal)>,
}

/// What can be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
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
    /// Nothing is queued for any account that goes on, and nothing is under way.
    Idle,
}

/// New actions of one account that may go, in the order in which they were let go: as ranges of ordinals, since a plan has a million of
/// them one behind the other.
#[derive(Debug, Default)]
struct OrdinalRanges(VecDeque<Range<Ordinal>>);

impl Scheduler {
    /// A scheduler for these accounts (each its pace and its slots), and so many canaries.
    pub fn new(accounts: Vec<(Pace, u32)>, canaries: u64) -> Self {
        let (paces, slots): (Vec<Pace>, Vec<u32>) = accounts.into_iter().unzip();
        let queue = |(pace, slots): (usize, u32)| AccountQueue {
            pace,
            windows: paces[pace].windows().to_vec(),
            slots: Slots::fixed(slots),
            running: 0,
            slots_full: false,
            stopped: false,
            paused: false,
            unproved: false,
            probing: None,
            polls: BinaryHeap::new(),
            since_poll: 0,
            urgent: VecDeque::new(),
            new: OrdinalRanges::default(),
            later: BinaryHeap::new(),
            blocked: 0,
            held: 0,
            batched: VecDeque::new(),
        };
        Self {
            accounts: slots.into_iter().enumerate().map(queue).collect(),
            paces,
            first_served: 0,
            canaries,
            all_canaries: canaries,
            canary: None,
            dependents: HashMap::new(),
            blocked: HashMap::new(),
            waves: Waves::default(),
            held: Vec::new(),
        }
    }

    /// The same with the run's actions in waves. To be called before any action is added.
    #[must_use]
    pub fn in_waves(mut self, waves: Waves) -> Self {
        self.waves = waves;
        self
    }

    /// The same where so many canaries ended well before.
    #[must_use]
    pub fn after_canaries(mut self, well: u64) -> Self {
        self.canaries = self.all_canaries.saturating_sub(well);
        self
    }

    /// Queues an action; actions come in plan order. `needs` are those of its needed actions that have not yet ended well.
    pub fn add(&mut self, ordinal: Ordinal, account: usize, needs: &[Ordinal], not_before: Option<Moment>) {
        self.waves.expect(ordinal);
        if needs.is_empty() {
            self.release(ordinal, account, not_before);
        } else {
            self.block(ordinal, account, needs, not_before);
        }
    }

    /// An action that is not queued waits for these others to end well.
    pub fn block(&mut self, ordinal: Ordinal, account: usize, needs: &[Ordinal], not_before: Option<Moment>) {
        self.canary = self.canary.filter(|canary| *canary != ordinal);
        self.blocked.insert(ordinal, (needs.len(), not_before));
        self.accounts[account].blocked += 1;
        for need in needs {
            self.dependents.entry(*need).or_default().push((ordinal, account));
        }
    }

    /// An action that had ended is to end once more. It is queued by [`Self::requeue`].
    pub fn reopen(&mut self, ordinal: Ordinal) {
        self.waves.expect(ordinal);
    }

    /// What can be done now.
    pub fn next(&mut self, now: Moment) -> Decision {
        for queue in &mut self.accounts {
            while queue.later.peek().is_some_and(|Reverse((due, _))| *due <= now) {
                if let Some(Reverse((_, ordinal))) = queue.later.pop() {
                    queue.urgent.push_back(ordinal);
                }
            }
            // One that tries a provider that is down is a status query rather than a new action, which may be left in doubt.
            let due = queue.batched.front().is_some_and(|(due, _)| *due <= now) || queue.probing.is_some();
            // While a canary is under way no other action can join the batch, so waiting gains nothing.
            if due || (queue.front().is_none() && queue.running == 0) || self.canary.is_some() {
                queue.urgent.extend(queue.batched.drain(..).map(|(_, ordinal)| ordinal));
            }
        }
        // A canary's own polls are what the others wait for.
        if self.canaries > 0 {
            for queue in &mut self.accounts {
                while queue.poll_is_due(now) {
                    queue.urgent.extend(queue.polls.pop().map(|Reverse((_, ordinal, _))| ordinal));
                }
            }
        }
        // While canaries are to come nobody else sends: that is what they are for.
        if self.canaries > 0 {
            return self.next_canary(now);
        }
        let accounts = self.accounts.len();
        let mut wait = Decision::Idle;
        for offset in 0..accounts {
            let account = (self.first_served + offset) % accounts;
            match self.start(account, now) {
                Decision::Start { ordinal, account } => {
                    // The next call begins behind this account, so that one with much to do does not starve the others.
                    self.first_served = (account + 1) % accounts;
                    return Decision::Start { ordinal, account };
                }
                other => wait = sooner(wait, other),
            }
        }
        wait
    }

    /// One action at a time, the first in plan order that can go.
    fn next_canary(&mut self, now: Moment) -> Decision {
        let running = self.accounts.iter().any(|queue| queue.running > 0);
        if running {
            return Decision::WaitForAnswer;
        }
        let wanted = match self.canary {
            Some(canary) => {
                self.accounts.iter().position(|queue| queue.urgent.contains(&canary)).map(|account| (canary, account))
            }
            None => {
                let going = self.accounts.iter().enumerate().filter(|(_, queue)| !queue.stopped);
                going.filter_map(|(account, queue)| queue.front().map(|ordinal| (ordinal, account))).min()
            }
        };
        let Some((ordinal, account)) = wanted else {
            let due = self.accounts.iter().filter(|queue| !queue.stopped).filter_map(AccountQueue::next_due).min();
            return due.map_or(Decision::Idle, Decision::Wait);
        };
        let queue = &mut self.accounts[account];
        // `start` takes the front.
        if let Some(index) = queue.urgent.iter().position(|queued| *queued == ordinal) {
            queue.urgent.swap(0, index);
        }
        let turn = self.start(account, now);
        if let Decision::Start { ordinal, .. } = turn {
            self.canary = Some(ordinal);
        }
        turn
    }

    fn start(&mut self, account: usize, now: Moment) -> Decision {
        let queue = &mut self.accounts[account];
        if queue.stopped {
            return if queue.running > 0 { Decision::WaitForAnswer } else { Decision::Idle };
        }
        // Limits are for actions. But where they leave no room for hours, what they bring must still be seen.
        let polls = queue.poll_is_due(now) && (queue.front().is_none() || queue.since_poll >= ACTIONS_FOR_A_POLL);
        if queue.front().is_none() && !polls {
            queue.slots_full = false;
            let idle = if queue.running > 0 { Decision::WaitForAnswer } else { Decision::Idle };
            return queue.next_due().map_or(idle, Decision::Wait);
        }
        // All that can keep the step back is checked before a place is reserved: one that is reserved and not used would keep others back.
        queue.slots_full = queue.running >= queue.slots.now();
        if queue.paused || queue.slots_full || (queue.unproved && queue.running >= UNPROVED_SLOTS) {
            return Decision::WaitForAnswer;
        }
        match queue.probing {
            Some(_) if queue.running > 0 => return Decision::WaitForAnswer,
            Some(next) if now < next => return Decision::Wait(next),
            _ => {}
        }
        match self.paces[queue.pace].reserve(now) {
            Ok(()) => match queue.take(polls) {
                Some(ordinal) => {
                    queue.running += 1;
                    Decision::Start { ordinal, account }
                }
                None => Decision::Idle,
            },
            Err(full) => {
                // A full window ends the slots' slow start: more requests at once would only wait.
                if self.paces[queue.pace].window_was_full() {
                    queue.slots.window_was_full();
                }
                match full {
                    Full::Until(moment) => Decision::Wait(moment),
                    Full::UntilAnswer => Decision::WaitForAnswer,
                }
            }
        }
    }

    /// A step that was started is over: its slot is free again.
    pub fn step_ended(&mut self, account: usize) {
        let queue = &mut self.accounts[account];
        queue.running = queue.running.saturating_sub(1);
    }

    /// The account's pace.
    pub fn pace(&mut self, account: usize) -> &mut Pace {
        &mut self.paces[self.accounts[account].pace]
    }

    /// An action has another step, due at a moment, or as soon as there is a place.
    pub fn requeue(&mut self, ordinal: Ordinal, account: usize, due: Option<Moment>) {
        let queue = &mut self.accounts[account];
        match due {
            Some(due) => queue.later.push(Reverse((due, ordinal))),
            None => queue.urgent.push_back(ordinal),
        }
    }

    /// An action has another step that serves others too: it waits for them until it is due, or there is nothing else to do.
    pub fn batch(&mut self, ordinal: Ordinal, account: usize, due: Moment) {
        self.accounts[account].batched.push_back((due, ordinal));
    }

    /// An action's provider is at work, and is asked again at this moment: after everything else that is due.
    pub fn poll(&mut self, ordinal: Ordinal, account: usize, due: Moment, on: Awaited) {
        self.accounts[account].polls.push(Reverse((due, ordinal, on)));
    }

    /// The provider has accepted an action and is at work on it. What needs it goes on waiting.
    pub fn action_accepted(&mut self, ordinal: Ordinal) {
        if self.canary == Some(ordinal) {
            self.canary = None;
            self.canaries = self.canaries.saturating_sub(1);
        }
        self.waves.ended(ordinal);
    }

    /// The provider has accepted an action: those that need no more of it have that need met. Returns whether there are any.
    pub fn release_accepting(&mut self, ordinal: Ordinal, accepts: impl Fn(Ordinal) -> bool) -> bool {
        let Some(dependents) = self.dependents.get_mut(&ordinal) else { return false };
        let (enough, others) = std::mem::take(dependents).into_iter().partition(|(dependent, _)| accepts(*dependent));
        *dependents = others;
        let enough: Vec<(Ordinal, usize)> = enough;
        let any = !enough.is_empty();
        enough.into_iter().for_each(|(dependent, account)| self.need_is_met(dependent, account));
        any
    }

    /// An action that waits for others ends badly without them. Returns those that needed it, as [`Self::action_ended`].
    pub fn give_up(&mut self, ordinal: Ordinal, account: usize, needs: &[Ordinal]) -> Vec<Ordinal> {
        if self.blocked.remove(&ordinal).is_some() {
            self.accounts[account].blocked -= 1;
        }
        for need in needs {
            if let Some(dependents) = self.dependents.get_mut(need) {
                dependents.retain(|(dependent, _)| *dependent != ordinal);
            }
        }
        self.action_ended(ordinal, false)
    }

    /// These actions of an account have ended elsewhere: nothing of them is due any more, so that nobody waits for it.
    pub fn forget(&mut self, account: usize, ended: &HashSet<Ordinal>) {
        let queue = &mut self.accounts[account];
        queue.polls.retain(|Reverse((_, ordinal, _))| !ended.contains(ordinal));
        queue.later.retain(|Reverse((_, ordinal))| !ended.contains(ordinal));
    }

    /// Dates have other moments now: `moment` gives those of actions that wait for one, and nothing for all others.
    pub fn move_dates(&mut self, moment: impl Fn(Ordinal) -> Option<Moment>) {
        for (ordinal, (_, not_before)) in &mut self.blocked {
            *not_before = moment(*ordinal).or(*not_before);
        }
        for (ordinal, _, not_before) in &mut self.held {
            *not_before = moment(*ordinal).or(*not_before);
        }
        for queue in &mut self.accounts {
            let later = std::mem::take(&mut queue.later).into_iter();
            queue.later =
                later.map(|Reverse((due, ordinal))| Reverse((moment(ordinal).unwrap_or(due), ordinal))).collect();
        }
    }

    fn need_is_met(&mut self, dependent: Ordinal, account: usize) {
        let Some((open, not_before)) = self.blocked.get_mut(&dependent) else { return };
        *open -= 1;
        if *open == 0 {
            let not_before = *not_before;
            self.blocked.remove(&dependent);
            self.accounts[account].blocked -= 1;
            self.release(dependent, account, not_before);
        }
    }

    /// Whether others wait for this action.
    pub fn is_needed(&self, ordinal: Ordinal) -> bool {
        self.dependents.get(&ordinal).is_some_and(|dependents| !dependents.is_empty())
    }

    /// An action ended. Returns those that needed it and can now never be sent, transitively; the caller ends them as skipped.
    pub fn action_ended(&mut self, ordinal: Ordinal, well: bool) -> Vec<Ordinal> {
        if self.canary == Some(ordinal) {
            self.canary = None;
            self.canaries = self.canaries.saturating_sub(u64::from(well));
        }
        self.waves.ended(ordinal);
        let mut lost = Vec::new();
        for (dependent, account) in self.dependents.remove(&ordinal).unwrap_or_default() {
            if !well {
                if self.blocked.remove(&dependent).is_some() {
                    self.accounts[account].blocked -= 1;
                    lost.push(dependent);
                    lost.extend(self.action_ended(dependent, false));
                }
                continue;
            }
            self.need_is_met(dependent, account);
        }
        lost
    }

    /// Whether this action is the canary that is under way.
    pub fn is_canary(&self, ordinal: Ordinal) -> bool {
        self.canary == Some(ordinal)
    }

    /// The account sends nothing more in this process.
    pub fn stop(&mut self, account: usize) {
        self.accounts[account].stopped = true;
    }

    /// Whether the account sends nothing more in this process.
    pub fn is_stopped(&self, account: usize) -> bool {
        self.accounts[account].stopped
    }

    /// The account sends nothing until it is set going again (it waits for a token).
    pub fn pause(&mut self, account: usize, paused: bool) {
        self.accounts[account].paused = paused;
    }

    /// Whether the account's provider has still to show that it is in order: until then few requests are under way, each of which may
    /// be left in doubt.
    pub fn set_unproved(&mut self, account: usize, unproved: bool) {
        self.accounts[account].unproved = unproved;
    }

    /// A provider is down: one request at a time, and none before this moment (zero: it only seems to be); or it is in order again.
    pub fn probe(&mut self, account: usize, next: Option<Moment>) {
        self.accounts[account].probing = next;
    }

    /// Whether nothing is queued for any account that goes on, nothing is under way, and no wave waits for permission.
    pub fn is_idle(&self) -> bool {
        let idle = |queue: &AccountQueue| {
            queue.running == 0 && (queue.stopped || (queue.front().is_none() && queue.next_due().is_none()))
        };
        self.accounts.iter().all(idle) && !self.waves.has_ended()
    }

    /// Whether nothing is under way or due at any account that goes on: what there is waits for its date.
    pub fn has_nothing_due(&self) -> bool {
        self.accounts.iter().all(|queue| queue.stopped || (queue.running == 0 && queue.front().is_none()))
    }

    /// Whether all that waits for its moment is to be asked about again: nothing is to be sent later.
    pub fn has_only_polls(&self) -> bool {
        self.accounts.iter().all(|queue| queue.stopped || queue.later.is_empty())
    }

    /// The run's waves: whether the one that may go has ended, and which that is.
    pub fn waves(&self) -> &Waves {
        &self.waves
    }

    /// Lets the next wave go.
    pub fn next_wave(&mut self) {
        self.waves.go_on();
        for (ordinal, account, not_before) in std::mem::take(&mut self.held) {
            self.accounts[account].held -= 1;
            self.release(ordinal, account, not_before);
        }
    }

    /// The account's requests in flight follow from rate and latency, up to this bound.
    pub fn follow_latency(&mut self, account: usize, bound: u32) {
        self.accounts[account].slots = Slots::following(bound);
    }

    /// Accounts of one credential have one pace, under the windows of all of them: their provider counts their requests together.
    pub fn share_paces(&mut self, are_of_one: impl Fn(usize, usize) -> bool) {
        for account in 0..self.accounts.len() {
            if let Some(first) = (0..account).find(|first| are_of_one(*first, account)) {
                self.share_pace(account, first);
            }
        }
    }

    fn share_pace(&mut self, account: usize, with: usize) {
        self.accounts[account].pace = self.accounts[with].pace;
        self.set_shared_windows(with);
    }

    /// Other windows hold for an account from now on. Those of accounts that share its credential stay.
    pub fn set_windows(&mut self, account: usize, windows: &[Window]) {
        self.accounts[account].windows = windows.to_vec();
        self.set_shared_windows(account);
    }

    fn set_shared_windows(&mut self, account: usize) {
        let pace = self.accounts[account].pace;
        let mut all: Vec<Window> = Vec::new();
        for window in self.accounts.iter().filter(|queue| queue.pace == pace).flat_map(|queue| &queue.windows) {
            if !all.contains(window) {
                all.push(*window);
            }
        }
        self.paces[pace].set_windows(&all);
    }

    /// A step of this account is over, whatever it was for: its request counts in the windows, and its answer tells of the pace and the latency.
    /// Returns until when the account is held back, where the provider asked for that.
    pub fn note_request(&mut self, account: usize, limits: LimitSignal, times: RequestTimes) -> Option<Moment> {
        let now = times.processed;
        let pace = self.pace(account);
        if limits == LimitSignal::Unsent {
            pace.release_unsent();
            return None;
        }
        pace.answered(times.sent, times.answered);
        let mut held = None;
        match limits {
            LimitSignal::Unsent | LimitSignal::Lost => {}
            LimitSignal::Answered => pace.note_admitted(now),
            LimitSignal::Throttled { retry_after, limit } => {
                held = Some(pace.throttled(now, retry_after, limit));
                self.note_refusal(account);
            }
        }
        self.note_answer(account, times.began, now);
        held
    }

    /// What a provider's circuit breaker says holds for its account.
    pub fn follow(&mut self, account: usize, breaker: &CircuitBreaker, transition: Transition) {
        match transition {
            // The first doubtful answers of a row: what is under way is awaited, before any more is put at risk.
            Transition::Same if !breaker.is_down() => {
                let careful = breaker.is_careful().then_some(Moment::ZERO);
                self.probe(account, careful);
            }
            Transition::Down(next) => self.probe(account, Some(next)),
            Transition::Up => self.probe(account, None),
            Transition::Same | Transition::Barred | Transition::GivenUp(_) => {}
        }
    }

    /// Nothing of this account is queued any more.
    pub fn clear(&mut self, account: usize) {
        let queue = &mut self.accounts[account];
        queue.urgent.clear();
        queue.new = OrdinalRanges::default();
        queue.later.clear();
        queue.polls.clear();
        queue.batched.clear();
    }

    /// A request of this account that was started at `began` was answered: by the latency its slots are reckoned.
    pub fn note_answer(&mut self, account: usize, began: Moment, now: Moment) {
        let queue = &mut self.accounts[account];
        let pace = &self.paces[queue.pace];
        queue.slots.answered(now, now.saturating_sub(began), pace.allowed(), queue.slots_full);
    }

    /// A request of this account was refused because there were too many.
    fn note_refusal(&mut self, account: usize) {
        self.accounts[account].slots.window_was_full();
    }

    /// Why the account starts nothing more now: asked after [`Self::next`] has nothing more to start.
    pub fn wait_reason(&self, account: usize, now: Moment, wall: &WallTime) -> WaitReason {
        let queue = &self.accounts[account];
        let queued = queue.front().is_some();
        if queue.stopped {
            return WaitReason::Stopped;
        }
        if let Some(next) = queue.probing.filter(|next| !next.is_zero()) {
            return WaitReason::Unreachable { until: wall.at(next) };
        }
        if !queued && queue.next_due().is_none() && queue.blocked == 0 {
            return match queue.held {
                _ if queue.running > 0 => WaitReason::Answers,
                0 => WaitReason::Done,
                _ => self.next_wave_reason(),
            };
        }
        if self.canaries > 0 {
            return WaitReason::Canary { number: self.all_canaries - self.canaries + 1, of: self.all_canaries };
        }
        if !queued {
            return match (queue.running, queue.polls.peek()) {
                (0, None) => WaitReason::Others,
                (0, Some(Reverse((_, _, on)))) => WaitReason::AtWork { on: *on },
                _ => WaitReason::Answers,
            };
        }
        if queue.paused {
            return WaitReason::Answers;
        }
        match self.paces[queue.pace].wait_reason(now, wall) {
            // While all slots are taken they are the bound: a learnt pace only spaces requests.
            Some(WaitReason::Learnt { .. }) | None if queue.running >= queue.slots.now() => {
                WaitReason::Concurrency { slots: queue.slots.now() }
            }
            reason => reason.unwrap_or(WaitReason::Nothing),
        }
    }

    /// The wave that waits.
    pub fn next_wave_reason(&self) -> WaitReason {
        let number = u32::try_from(self.waves.next().unwrap_or_default() + 1).unwrap_or(u32::MAX);
        let of = u32::try_from(self.waves.count()).unwrap_or(u32::MAX);
        WaitReason::Wave { number, of }
    }

    /// How many requests the account may have in flight at once.
    pub fn slots(&self, account: usize) -> u32 {
        self.accounts[account].slots.now()
    }

    fn release(&mut self, ordinal: Ordinal, account: usize, not_before: Option<Moment>) {
        if !self.waves.may_go(ordinal) {
            self.held.push((ordinal, account, not_before));
            self.accounts[account].held += 1;
            return;
        }
        let queue = &mut self.accounts[account];
        match not_before {
            Some(due) => queue.later.push(Reverse((due, ordinal))),
            None => queue.new.push_back(ordinal),
        }
    }
}

impl AccountQueue {
    fn front(&self) -> Option<Ordinal> {
        self.urgent.front().copied().or_else(|| self.new.front())
    }

    fn next_due(&self) -> Option<Moment> {
        let later = self.later.peek().map(|Reverse((due, _))| *due);
        let batched = self.batched.front().map(|(due, _)| *due);
        let poll = self.polls.peek().map(|Reverse((due, ..))| *due);
        later.into_iter().chain(batched).chain(poll).min()
    }

    fn poll_is_due(&self, now: Moment) -> bool {
        self.polls.peek().is_some_and(|Reverse((due, ..))| *due <= now)
    }

    /// The action that goes next.
    fn take(&mut self, polls: bool) -> Option<Ordinal> {
        if polls {
            self.since_poll = 0;
            return self.polls.pop().map(|Reverse((_, ordinal, _))| ordinal);
        }
        self.since_poll = self.since_poll.saturating_add(1);
        self.urgent.pop_front().or_else(|| self.new.pop_front())
    }
}

impl OrdinalRanges {
    fn push_back(&mut self, ordinal: Ordinal) {
        match self.0.back_mut() {
            Some(last) if last.end == ordinal => last.end += 1,
            _ => self.0.push_back(ordinal..ordinal + 1),
        }
    }

    fn front(&self) -> Option<Ordinal> {
        self.0.front().map(|first| first.start)
    }

    fn pop_front(&mut self) -> Option<Ordinal> {
        let first = self.0.front_mut()?;
        let ordinal = first.next();
        if first.is_empty() {
            self.0.pop_front();
        }
        ordinal
    }
}

fn sooner(one: Decision, other: Decision) -> Decision {
    match (one, other) {
        (Decision::Wait(one), Decision::Wait(other)) => Decision::Wait(one.min(other)),
        (Decision::Wait(moment), _) | (_, Decision::Wait(moment)) => Decision::Wait(moment),
        (Decision::Idle, other) => other,
        (one, _) => one,
    }
}

/// While actions are due, so many requests go before a poll may.
const ACTIONS_FOR_A_POLL: u32 = 9;
/// Requests under way before the first answer that is in order; as many as [`Slots::following`] begins with.
const UNPROVED_SLOTS: u32 = 4;

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
