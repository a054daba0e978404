//! How far a run is, as a fold of its events and of the time: what bars and lines have in common. Draws nothing.

use crate::run::{Event, Outcome, WaitReason};
use crate::text::safe;
use crate::time::{human, rfc3339};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How far a run is.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The accounts in the order in which the run named them.
    pub(crate) accounts: Vec<AccountTally>,
    /// How many actions ended how.
    pub(crate) outcomes: BTreeMap<Outcome, u64>,
    /// The time since the run's start.
    pub(crate) now: Duration,
    /// By when all must have ended.
    pub(crate) deadline: Option<RunDeadline>,
}

/// By when all must have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunDeadline {
    /// The instant.
    pub at: Timestamp,
    /// How far it was ahead when this process began; below zero where it was over.
    pub ahead: SignedDuration,
}

/// How far one account is.
#[derive(Debug)]
pub(crate) struct AccountTally {
    pub(crate) name: String,
    pub(crate) total: u64,
    pub(crate) done: u64,
    /// Until when it is held back, and why.
    pub(crate) held: Option<String>,
    pub(crate) stopped: bool,
    /// What bounds its pace now, as the run told last.
    pub(crate) bound: Option<WaitReason>,
    /// What was last told of in a line of its own.
    told: Option<WaitReason>,
    /// How many were done at which time, for the rate of the last while.
    samples: VecDeque<(Duration, u64)>,
}

impl Tally {
    /// Takes an event in.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::RunBegan { accounts } => {
                self.accounts =
                    accounts.iter().map(|(name, total)| AccountTally::new(name, *total, self.now)).collect();
            }
            Event::HeldBack { account, until, why } => {
                let held = format!("held back until {} ({})", rfc3339(*until), safe::terminal(why));
                self.account(account).held = Some(held);
            }
            Event::ActionEnded { account, outcome, .. } => {
                let account = self.account(account);
                account.done += 1;
                account.held = None;
                *self.outcomes.entry(*outcome).or_default() += 1;
            }
            Event::AccountStopped { account, .. } => self.account(account).stopped = true,
            Event::AttemptFailed { account, .. } => self.account(account).held = None,
            Event::Tick(now) => self.tick(*now),
            Event::Bounded { account, by } => {
                let account = self.account(account);
                if !matches!(by, WaitReason::HeldBack { .. }) {
                    account.held = None;
                }
                account.bound = Some(by.clone());
            }
            Event::Paused
            | Event::Unpaused
            | Event::Limited { .. }
            | Event::Warning(_)
            | Event::Stopping(_)
            | Event::RunEnded => {}
        }
    }

    /// Whether an event says something new: the same wait is told of in one line, however often it was gone into again meanwhile.
    pub(crate) fn is_news(&mut self, event: &Event) -> bool {
        let Event::Bounded { account, by: by @ (WaitReason::Closed { .. } | WaitReason::Unreachable { .. }) } = event
        else {
            return true;
        };
        let told = self.account(account).told.replace(by.clone());
        !told.is_some_and(|told| told.is_same_wait(by))
    }

    /// Takes the time in.
    fn tick(&mut self, now: Duration) {
        self.now = now;
        for account in &mut self.accounts {
            account.samples.push_back((now, account.done));
            // Two stay, whatever their age: one tells no rate.
            while account.samples.len() > 2 && now.saturating_sub(account.samples[0].0) > RATE_WINDOW {
                account.samples.pop_front();
            }
        }
    }

    pub(crate) fn done(&self) -> u64 {
        self.accounts.iter().map(|account| account.done).sum()
    }

    pub(crate) fn total(&self) -> u64 {
        self.accounts.iter().map(|account| account.total).sum()
    }

    /// When the slowest account is through, at the pace of the last while.
    pub(crate) fn left(&self) -> Option<Duration> {
        let working = self.accounts.iter().filter(|account| !account.stopped && account.done < account.total);
        working.map(AccountTally::left).try_fold(Duration::ZERO, |longest, left| Some(longest.max(left?)))
    }

    /// How much time is left over before the deadline at the pace of the last while; below zero, by how much it is missed. `None`
    /// where there is no deadline, or no pace yet.
    pub(crate) fn slack(&self) -> Option<SignedDuration> {
        let left = self.deadline?.ahead.checked_sub(SignedDuration::try_from(self.now).ok()?)?;
        if left.is_negative() {
            return Some(left);
        }
        left.checked_sub(SignedDuration::try_from(self.left()?).ok()?)
    }

    /// `the deadline will be MISSED by about 3m 20s`, where it will.
    pub(crate) fn deadline_text(&self) -> Option<String> {
        let slack = self.slack().filter(|_| self.done() < self.total())?;
        Some(if slack.is_negative() {
            let late = human(slack.unsigned_abs());
            format!("the deadline will be MISSED by about {late}")
        } else {
            "the deadline will be met".to_owned()
        })
    }

    /// `digicert limit 100/5s, naver 4 in flight`: what bounds each account that is not done.
    pub(crate) fn bounds_text(&self) -> Option<String> {
        let working = self.accounts.iter().filter(|account| account.done < account.total);
        let parts: Vec<String> = working
            .filter_map(|account| {
                Some(format!("{} {}", safe::terminal(&account.name), account.bound.as_ref()?.describe()))
            })
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// `1,200 succeeded, 3 rejected`, in the contract's order.
    pub(crate) fn outcomes_text(&self) -> String {
        let counts = Outcome::ALL.iter().filter_map(|outcome| Some((outcome, *self.outcomes.get(outcome)?)));
        let parts: Vec<String> =
            counts.map(|(outcome, count)| format!("{} {outcome}", super::table::grouped(count))).collect();
        if parts.is_empty() { "nothing ended".to_owned() } else { parts.join(", ") }
    }

    /// An account that the run did not name at its start is added: views do not fail.
    fn account(&mut self, name: &str) -> &mut AccountTally {
        let index = self.accounts.iter().position(|account| account.name == name).unwrap_or_else(|| {
            self.accounts.push(AccountTally::new(name, 0, self.now));
            self.accounts.len() - 1
        });
        &mut self.accounts[index]
    }
}

impl AccountTally {
    fn new(name: &str, total: u64, now: Duration) -> Self {
        let samples = VecDeque::from([(now, 0)]);
        Self { name: name.to_owned(), total, done: 0, held: None, stopped: false, bound: None, told: None, samples }
    }

    /// Actions a second, over the last while; `None` before any ended.
    pub(crate) fn rate(&self) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let seconds = last.0.saturating_sub(first.0).as_secs_f64();
        let ended = last.1.saturating_sub(first.1);
        (seconds > 0.0 && ended > 0).then(|| ended as f64 / seconds)
    }

    /// How long the rest takes at that rate.
    pub(crate) fn left(&self) -> Option<Duration> {
        let left = self.total.saturating_sub(self.done);
        if left == 0 {
            return Some(Duration::ZERO);
        }
        Duration::try_from_secs_f64(left as f64 / self.rate()?).ok()
    }

    /// `20.0/s, 3m 20s left`, or why it stands still.
    pub(crate) fn pace_text(&self) -> String {
        if self.stopped {
            return "stopped".to_owned();
        }
        if let Some(held) = &self.held {
            return held.clone();
        }
        let bound = self.bound.as_ref().filter(|bound| !matches!(bound, WaitReason::Done));
        let words = bound.map(WaitReason::describe);
        if let Some(words) = words.as_ref().filter(|_| bound.is_some_and(WaitReason::sends_nothing)) {
            return words.clone();
        }
        match (self.rate(), self.left(), words) {
            _ if self.done >= self.total => "done".to_owned(),
            (Some(rate), Some(left), None) => format!("{rate:.1}/s, {} left", human(left)),
            (Some(rate), Some(left), Some(words)) => format!("{rate:.1}/s, {} left ({words})", human(left)),
            (_, _, words) => words.map(|words| format!("({words})")).unwrap_or_default(),
        }
    }
}

/// The line of an action that did not end well; `None` for one that did.
pub(crate) fn ending_line(event: &Event) -> Option<String> {
    let Event::ActionEnded { account, id, outcome, message, .. } = event else { return None };
    if outcome.is_well() {
        return None;
    }
    let separator = if message.is_empty() { "" } else { ": " };
    let (id, account, message) = (safe::terminal(id), safe::terminal(account), safe::terminal(message));
    Some(format!("{outcome}  {id} ({account}){separator}{message}"))
}

/// The rate is that of so long a while: several windows of the common limits (per second, per 5 s) fit in, so that it does not jump
/// with each; and a provider that slows down is seen within half a minute.
const RATE_WINDOW: Duration = Duration::from_secs(30);

#[cfg(test)]
pub(crate) mod testing {
    //! Events in short.

    use super::*;

    pub(crate) fn began(accounts: &[(&str, u64)]) -> Event {
        Event::RunBegan { accounts: accounts.iter().map(|(name, total)| ((*name).to_owned(), *total)).collect() }
    }

    pub(crate) fn ended(account: &str, id: &str, outcome: Outcome, message: &str) -> Event {
        let (account, id, message) = (account.to_owned(), id.to_owned(), message.to_owned());
        Event::ActionEnded { ordinal: 0, account, id, outcome, message }
    }

    pub(crate) fn held(account: &str) -> Event {
        let until = Timestamp::from_second(1_700_000_000).unwrap();
        Event::HeldBack { account: account.to_owned(), until, why: "429".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{began, ended, held};
    use super::*;

    #[test]
    fn rate_and_rest_follow_the_events() {
        let mut tally = Tally::default();
        tally.event(&began(&[("a", 100), ("b", 10)]));
        assert_eq!(tally.left(), None);
        for second in 1..=5 {
            for _ in 0..4 {
                tally.event(&ended("a", "x", Outcome::Succeeded, ""));
            }
            tally.event(&ended("b", "x", Outcome::Rejected, "no"));
            tally.tick(Duration::from_secs(second));
        }
        assert_eq!(tally.accounts[0].rate(), Some(4.0));
        assert_eq!(tally.accounts[0].pace_text(), "4.0/s, 20s left");
        assert_eq!((tally.done(), tally.total(), tally.left()), (25, 110, Some(Duration::from_secs(20))));
        assert_eq!(tally.outcomes_text(), "20 succeeded, 5 rejected");
    }

    #[test]
    fn a_deadline_is_met_or_missed_at_the_present_rate() {
        for (ahead, expected) in [
            (100, Some("the deadline will be met")),
            (30, Some("the deadline will be MISSED by about 20s")),
            (5, Some("the deadline will be MISSED by about 5.0s")),
        ] {
            let at = Timestamp::from_second(1_700_000_000).unwrap();
            let deadline = RunDeadline { at, ahead: SignedDuration::from_secs(ahead) };
            let mut tally = Tally { deadline: Some(deadline), ..Tally::default() };
            tally.event(&began(&[("a", 50)]));
            assert_eq!(tally.deadline_text(), None, "there is no rate yet");
            for second in 1..=10 {
                tally.event(&ended("a", "x", Outcome::Succeeded, ""));
                tally.tick(Duration::from_secs(second));
            }
            assert_eq!(tally.deadline_text().as_deref(), expected);
        }
    }

    #[test]
    fn what_bounds_an_account_stands_beside_its_rate_or_in_its_place() {
        let mut tally = Tally::default();
        tally.event(&began(&[("a", 50)]));
        let mut told = Vec::new();
        for (second, by) in [
            (1, WaitReason::Window { window: "1/1s".into() }),
            (2, WaitReason::Paused),
            (3, WaitReason::Concurrency { slots: 4 }),
        ] {
            tally.event(&ended("a", "x", Outcome::Succeeded, ""));
            tally.event(&Event::Bounded { account: "a".into(), by });
            told.push(tally.accounts[0].pace_text());
            tally.tick(Duration::from_secs(second));
        }
        assert_eq!(told, ["(limit 1/1s)", "paused", "1.0/s, 47s left (4 in flight)"]);
    }

    #[test]
    fn one_wait_is_told_of_once() {
        let mut tally = Tally::default();
        tally.event(&began(&[("a", 50)]));
        let until = |milliseconds: i64| Timestamp::from_millisecond(1_700_000_000_000 + milliseconds).unwrap();
        let told: Vec<bool> = [
            WaitReason::Unreachable { until: until(0) },
            WaitReason::Unreachable { until: until(3) },
            WaitReason::Answers,
            WaitReason::Unreachable { until: until(1) },
            WaitReason::Unreachable { until: until(5000) },
            WaitReason::Closed { until: until(5000) },
            WaitReason::Closed { until: until(5000) },
        ]
        .into_iter()
        .map(|by| tally.is_news(&Event::Bounded { account: "a".into(), by }))
        .collect();
        assert_eq!(told, [true, false, true, false, true, true, false]);
    }

    #[test]
    fn the_rate_forgets_what_is_long_past() {
        let mut tally = Tally::default();
        tally.event(&began(&[("a", 1000)]));
        for second in 1..=200 {
            for _ in 0..(if second <= 100 { 5 } else { 1 }) {
                tally.event(&ended("a", "x", Outcome::Succeeded, ""));
            }
            tally.tick(Duration::from_secs(second));
        }
        assert_eq!(tally.accounts[0].rate(), Some(1.0));
    }

    #[test]
    fn a_held_account_says_so_until_it_goes_on() {
        let mut tally = Tally::default();
        tally.event(&began(&[("a", 2)]));
        tally.event(&held("a"));
        assert_eq!(tally.accounts[0].pace_text(), "held back until 2023-11-14T22:13:20.000Z (429)");
        tally.event(&Event::AttemptFailed { ordinal: 0, account: "a".into(), attempt: 1, why: "503".into() });
        assert_eq!(tally.accounts[0].pace_text(), "");
        tally.event(&Event::AccountStopped { account: "a".into(), why: "401".into() });
        assert_eq!((tally.accounts[0].pace_text(), tally.left()), ("stopped".into(), Some(Duration::ZERO)));
    }
}
