//! Moments by the clock that never jumps: those of one request, for the limits; how long an account waited for what; and what the wall
//! clock shows at a moment. Counts no requests, decides nothing.

use crate::run::WaitReason;
use crate::time::{Clock, human};
use jiff::{SignedDuration, Timestamp};
use std::cell::Cell;
use std::time::Duration;

/// Time since an arbitrary start that never jumps.
pub type Moment = Duration;

/// The moments of one request that is under way: when its step took its place, when it went out, and when it was answered. Whoever
/// sends notes them; the dispatcher reads them even where the step has panicked.
#[derive(Debug)]
pub struct RequestTiming {
    began: Moment,
    sent: Cell<Option<Moment>>,
    answered: Cell<Option<Moment>>,
}

/// The moments of a request that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTimes {
    /// When its step took its place.
    pub began: Moment,
    /// When it went out, or at the earliest may have.
    pub sent: Moment,
    /// When it was answered or given up, at the latest.
    pub answered: Moment,
    /// When the dispatcher processed the answer: it may have been busy, which is no latency of the provider.
    pub processed: Moment,
}

impl RequestTiming {
    /// Of a step that takes its place now.
    pub const fn new(began: Moment) -> Self {
        Self { began, sent: Cell::new(None), answered: Cell::new(None) }
    }

    /// The request goes out now.
    pub fn note_sent<C: Clock>(&self, clock: &C) {
        self.sent.set(Some(clock.elapsed()));
    }

    /// The request was answered, or given up.
    pub fn note_answered<C: Clock>(&self, clock: &C) {
        self.answered.set(Some(clock.elapsed()));
    }

    /// Its moments, when the step is over.
    pub fn times(&self, now: Moment) -> RequestTimes {
        RequestTimes {
            began: self.began,
            sent: self.sent.get().unwrap_or(self.began),
            answered: self.answered.get().unwrap_or(now),
            processed: now,
        }
    }
}

/// What the wall clock shows at moments. Both clocks are read once, since the wall clock may be set between two readings of them.
#[derive(Debug, Clone, Copy)]
pub struct WallTime {
    /// The moment of the readings.
    pub now: Moment,
    /// What the wall clock showed then.
    pub wall: Timestamp,
}

impl WallTime {
    /// By the wall clock that shows this at that moment.
    pub const fn new(now: Moment, wall: Timestamp) -> Self {
        Self { now, wall }
    }

    /// By the clock's present readings.
    pub fn read<C: Clock>(clock: &C) -> Self {
        loop {
            let (now, wall) = (clock.elapsed(), clock.now());
            // A process that was stopped between the two readings would take that for a jump of the wall clock.
            if clock.elapsed().saturating_sub(now) < ONE_READING {
                return Self::new(now, wall);
            }
        }
    }

    /// What it shows at a moment to come; now, where the moment is past.
    pub fn at(&self, moment: Moment) -> Timestamp {
        let ahead = SignedDuration::try_from(moment.saturating_sub(self.now)).unwrap_or(SignedDuration::MAX);
        self.wall.checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// The moment at which it will show this; now, where it is past.
    pub fn moment(&self, at: Timestamp) -> Moment {
        self.now.saturating_add(self.until(at))
    }

    /// By how much the wall clock was set forward since those readings; negative: back.
    fn set_since(&self, before: &Self) -> SignedDuration {
        let went_by = SignedDuration::try_from(self.now.saturating_sub(before.now)).unwrap_or(SignedDuration::MAX);
        self.wall.duration_since(before.wall).saturating_sub(went_by)
    }

    /// How long until it shows this; no time, where it is past.
    pub fn until(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.wall)).unwrap_or_default()
    }
}

/// What happened to the clocks between two looks at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChange {
    /// The wall clock was set forward by so much, or back (negative): dates have other moments now.
    Set(SignedDuration),
    /// Nothing went on for so long: the machine slept, or the process was stopped.
    StoodStill(Duration),
}

/// Notices what happens to the clocks.
#[derive(Debug, Clone, Copy)]
pub struct ClockWatch {
    last: WallTime,
    /// The readings by which dates have their moments.
    dated: WallTime,
}

impl ClockWatch {
    /// From these readings on.
    pub const fn new(readings: WallTime) -> Self {
        Self { last: readings, dated: readings }
    }

    /// Looks at the present readings. Where the wall clock was set, and nothing went on either, the former is told.
    pub fn look(&mut self, readings: WallTime) -> Option<ClockChange> {
        let gap = readings.now.saturating_sub(self.last.now);
        let set = readings.set_since(&self.dated);
        self.last = readings;
        if set.abs() >= SAME_DATE {
            self.dated = readings;
            return Some(ClockChange::Set(set));
        }
        (gap >= STANDS_STILL).then_some(ClockChange::StoodStill(gap))
    }
}

impl ClockChange {
    /// What people are told, who see that clock `now`; none where it is not worth a word.
    pub fn told(&self, now: Timestamp) -> Option<String> {
        let now = now.strftime("%Y-%m-%d %H:%M:%S UTC");
        match self {
            Self::Set(by) if by.abs() < WORTH_A_WORD => None,
            Self::Set(by) => Some(format!(
                "this computer's clock was set {} by {}: it is {now} now. Dates (`schedule`, `deadline`, `not_before`) and signatures go by it; \
                 rate limits and pauses do not",
                if by.is_negative() { "back" } else { "forward" },
                human(by.unsigned_abs())
            )),
            Self::StoodStill(gap) => Some(format!(
                "nothing went on here for {}: this computer slept, or the process was stopped. It is {now} now, and the run goes on",
                human(*gap)
            )),
        }
    }
}

/// How long one account waited for what.
#[derive(Debug, Clone, Default)]
pub struct WaitTimes {
    current: Option<WaitReason>,
    since: Moment,
    spent: Vec<(WaitReason, Duration)>,
}

impl WaitTimes {
    /// From now on this is the reason. What went by since the last is counted under the last.
    pub fn turn_to(&mut self, reason: WaitReason, now: Moment) {
        self.count(now);
        self.current = Some(reason);
    }

    /// Counts the time until now under the present reason.
    pub fn count(&mut self, now: Moment) {
        let went_by = now.saturating_sub(self.since);
        self.since = now;
        let Some(reason) = self.current.as_ref().filter(|_| !went_by.is_zero()) else { return };
        match self.spent.iter_mut().find(|(known, _)| known.is_same_kind(reason)) {
            Some((known, spent)) => {
                known.clone_from(reason);
                *spent += went_by;
            }
            None => self.spent.push((reason.clone(), went_by)),
        }
    }

    /// What was waited for, the longest first.
    pub fn spent(&self) -> Vec<(WaitReason, Duration)> {
        let mut spent = self.spent.clone();
        spent.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
        spent
    }

    /// The one thing that bounds the account now. A lasting reason counts at once; of reasons that alternate (a burst, then a full window)
    /// the one that took most of the last seconds, since bars that flicker between two cannot be read. Called about once a second.
    pub fn bound(&mut self, now: Moment) -> Option<WaitReason> {
        self.count(now);
        let longest = self.spent.iter().max_by_key(|(_, time)| *time).map(|(reason, _)| reason.clone());
        // What was long ago counts for less each time.
        for (_, time) in &mut self.spent {
            *time /= 2;
        }
        self.spent.retain(|(_, time)| !time.is_zero());
        let current = self.current.clone();
        match &current {
            // A learnt pace spaces requests evenly: it does not alternate, though a burst may hide it.
            Some(reason) if reason.alternates() && !matches!(reason, WaitReason::Learnt { .. }) => {
                longest.filter(WaitReason::alternates).or(current)
            }
            _ => current,
        }
    }
}

/// Clocks that are read one after the other within this time are read at once.
const ONE_READING: Duration = Duration::from_millis(100);
/// A clock that runs a little too fast or too slowly, or is corrected by less, moves no date.
const SAME_DATE: SignedDuration = SignedDuration::from_secs(1);
/// Such corrections are everyday, and nobody need hear of them.
const WORTH_A_WORD: SignedDuration = SignedDuration::from_secs(30);
/// Looks are a second apart, or some where the machine has much to do.
const STANDS_STILL: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_told_from_a_machine_that_slept() {
        let readings = |steady: i64, ahead: i64| {
            let wall = Timestamp::from_second(1_000_000 + steady + ahead).unwrap();
            WallTime::new(Duration::from_secs(steady.unsigned_abs()), wall)
        };
        let mut watch = ClockWatch::new(readings(0, 0));
        let set = |seconds| Some(ClockChange::Set(SignedDuration::from_secs(seconds)));
        for (steady, ahead, expected) in [
            (1, 0, None),
            (2, 3600, set(3600)),
            (3, 3600, None),
            // Both: the date counts.
            (100, 0, set(-3600)),
            (190, 0, Some(ClockChange::StoodStill(Duration::from_secs(90)))),
            (191, -900_000, set(-900_000)),
            (192, 2_000_000_000, set(2_000_900_000)),
        ] {
            assert_eq!(watch.look(readings(steady, ahead)), expected, "{steady} {ahead}");
        }
        // A clock that is slewed by half a millisecond a second moves the dates once in a while, without a word.
        let mut watch = ClockWatch::new(readings(0, 0));
        let wall = |second: i64| Timestamp::from_microsecond(1_000_000_000_000 + second * 1_000_500).unwrap();
        let slewed =
            (1..=4000).filter_map(|second| watch.look(WallTime::new(Duration::from_secs(second as u64), wall(second))));
        let slewed: Vec<ClockChange> = slewed.collect();
        assert_eq!(slewed.len(), 2);
        assert!(slewed.iter().all(|change| change.told(Timestamp::UNIX_EPOCH).is_none()), "{slewed:?}");
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const CONCURRENCY: WaitReason = WaitReason::Concurrency { slots: 4 };

    #[test]
    fn time_is_counted_under_what_was_waited_for() {
        let mut waits = WaitTimes::default();
        for (reason, at) in [
            (CONCURRENCY, 100),
            (WaitReason::Answers, 300),
            (WaitReason::Concurrency { slots: 5 }, 350),
            (WaitReason::Done, 450),
        ] {
            waits.turn_to(reason, ms(at));
        }
        waits.count(ms(460));
        let expected = [
            (WaitReason::Concurrency { slots: 5 }, ms(300)),
            (WaitReason::Answers, ms(50)),
            (WaitReason::Done, ms(10)),
        ];
        assert_eq!(waits.spent(), expected);
    }

    #[test]
    fn a_burst_does_not_hide_the_window_and_a_pause_counts_at_once() {
        use WaitReason::{Done, Paused};
        let window = || WaitReason::Window { window: "100/5s".to_owned() };
        let mut waits = WaitTimes::default();
        let mut now = 0;
        let mut bounds = Vec::new();
        for (reason, lasts) in [
            (CONCURRENCY, 400),
            (window(), 600),
            (window(), 1000),
            (CONCURRENCY, 500),
            (window(), 500),
            (Paused, 10),
            (CONCURRENCY, 1000),
            (Done, 10),
        ] {
            waits.turn_to(reason, ms(now));
            now += lasts;
            bounds.push(waits.bound(ms(now)).unwrap());
        }
        assert_eq!(bounds, [CONCURRENCY, window(), window(), window(), window(), Paused, CONCURRENCY, Done]);
    }
}
