//! What each account waits for, and for how long: measured, for the forecast's bottleneck and for the one thing that a running
//! account is bounded by. Decides nothing, reads no clock.

use super::pace::Moment;
use crate::provider::model::Window;
use std::time::Duration;

/// Why an account starts nothing more at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing is left to be sent.
    Done,
    /// This window is full.
    Window(Window),
    /// The provider said that there were too many, or something else holds it back until a moment.
    HeldBack,
    /// A slower pace than the windows allow, learnt from refusals.
    Learnt,
    /// All places in flight are taken.
    Concurrency,
    /// A canary is under way.
    Canary,
    /// The next wave waits.
    Wave,
    /// The schedule's window is closed.
    Closed,
    /// Somebody said `certsweep pause`.
    Paused,
    /// The provider cannot be reached.
    Unreachable,
    /// What is left waits for other actions, or for its `not_before`.
    Others,
    /// All that is left is in flight.
    Answers,
    /// Nothing: it could start more, if the run as a whole would.
    Nothing,
    /// It sends nothing more in this process.
    Stopped,
}

/// How long one account waited for what.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    now: Option<Why>,
    since: Moment,
    spent: Vec<(Why, Duration)>,
}

impl Waits {
    /// From now on this is why. What went by since the last word is counted under the last.
    pub fn turn_to(&mut self, why: Why, now: Moment) {
        self.count(now);
        self.now = Some(why);
    }

    /// Counts the time until now under the last word.
    pub fn count(&mut self, now: Moment) {
        let went_by = now.saturating_sub(self.since);
        self.since = now;
        let Some(why) = self.now.filter(|_| !went_by.is_zero()) else { return };
        match self.spent.iter_mut().find(|(known, _)| *known == why) {
            Some((_, spent)) => *spent += went_by,
            None => self.spent.push((why, went_by)),
        }
    }

    /// What was waited for, the longest first.
    pub fn spent(&self) -> Vec<(Why, Duration)> {
        let mut spent = self.spent.clone();
        spent.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
        spent
    }

    /// The one thing that bounds the account now: what stands still is told at once, what alternates (a burst, then a full
    /// window) by what took most of the last while. Called about once a second.
    pub fn bound(&mut self, now: Moment) -> Option<Why> {
        self.count(now);
        let longest = self.spent.iter().max_by_key(|(_, time)| *time).map(|(why, _)| *why);
        for (_, time) in &mut self.spent {
            *time /= 2;
        }
        self.spent.retain(|(_, time)| !time.is_zero());
        match self.now {
            Some(Why::Window(_) | Why::Concurrency | Why::Answers | Why::Others | Why::Nothing) => {
                longest.filter(alternates)
            }
            now => now,
        }
        .or(self.now)
    }
}

/// Whether it comes and goes many times a second.
const fn alternates(why: &Why) -> bool {
    matches!(why, Why::Window(_) | Why::Concurrency | Why::Answers | Why::Others | Why::Nothing | Why::Learnt)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn time_is_counted_under_what_was_waited_for() {
        let mut waits = Waits::default();
        for (why, at) in [(Why::Concurrency, 100), (Why::Answers, 300), (Why::Concurrency, 350), (Why::Done, 450)] {
            waits.turn_to(why, ms(at));
        }
        waits.count(ms(460));
        let expected = [(Why::Concurrency, ms(300)), (Why::Answers, ms(50)), (Why::Done, ms(10))];
        assert_eq!(waits.spent(), expected);
    }

    #[test]
    fn a_burst_does_not_hide_the_window_and_a_pause_is_told_at_once() {
        use Why::{Concurrency, Done, Paused};
        let window = Why::Window(Window { count: 100, length: ms(5000) });
        let mut waits = Waits::default();
        let mut now = 0;
        let mut told = Vec::new();
        for (why, lasts) in [
            (Concurrency, 400),
            (window, 600),
            (window, 1000),
            (Concurrency, 500),
            (window, 500),
            (Paused, 10),
            (Concurrency, 1000),
            (Done, 10),
        ] {
            waits.turn_to(why, ms(now));
            now += lasts;
            told.push(waits.bound(ms(now)).unwrap());
        }
        assert_eq!(told, [Concurrency, window, window, window, window, Paused, Concurrency, Done]);
    }
}
