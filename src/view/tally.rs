//! How far a run is: the fold of its events that bars, lines and the live status share, so that they never contradict each other. Decides
//! nothing, prints nothing.

use super::terminal::grouped;
use crate::run::{DoubtMessage, Event, Outcome, WaitReason, WaveQuestion};
use crate::text::safe;
use crate::time::human;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How far a run is: the fold of its events that bars, lines and the live status share.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// In the order of `RunBegan`.
    pub(crate) accounts: Vec<AccountTally>,
    pub(crate) outcomes: BTreeMap<Outcome, u64>,
    /// The time since the run's start.
    pub(crate) now: Duration,
    /// By when all must have ended.
    pub(crate) deadline: Option<RunDeadline>,
    /// Since when `certsweep pause` holds, and who gave it.
    pub(crate) paused: Option<(Timestamp, Option<String>)>,
    /// The question between two waves that nobody has answered yet.
    pub(crate) question: Option<WaveQuestion>,
    /// What a person can do about actions in doubt: by account, how many ask for it.
    advice: BTreeMap<(String, String), u64>,
}

/// The instant by which every action must have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunDeadline {
    /// The instant.
    pub at: Timestamp,
    /// The time from this process's start to the deadline; below zero where it had passed.
    pub ahead: SignedDuration,
}

/// How far one account is.
#[derive(Debug)]
pub(crate) struct AccountTally {
    pub(crate) name: String,
    pub(crate) total: u64,
    pub(crate) done: u64,
    /// Until when the provider asked to wait, and how it said so.
    pub(crate) held: Option<(Timestamp, String)>,
    /// The end of the hold that was last shown in a line of its own.
    shown_hold: Option<Timestamp>,
    pub(crate) stopped: bool,
    /// Requests sent, whatever they were for, and how many of them were too many.
    pub(crate) requests: u64,
    pub(crate) throttled: u64,
    /// How its actions ended.
    pub(crate) outcomes: BTreeMap<Outcome, u64>,
    /// What bounds its pace, by the newest `Bounded` event.
    pub(crate) bound: Option<WaitReason>,
    /// Whether its rate tells when the rest is done: not while something is waited for of which nobody knows how long it takes.
    has_known_end: bool,
    /// The wait that was last shown in a line of its own.
    shown_wait: Option<WaitReason>,
    /// How many were done at which time, for the rate of the last while.
    samples: VecDeque<(Duration, u64)>,
}

/// What an account's line shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccountFigures {
    pub(super) name: String,
    pub(super) done: u64,
    pub(super) total: u64,
    /// `20.0/s`.
    pub(super) rate: Option<String>,
    /// `3m 20s left`.
    pub(super) left: Option<String>,
    /// What bounds it, or why it sends nothing.
    pub(super) cause: Option<String>,
    /// Whether it sends nothing because of that.
    pub(super) stands_still: bool,
}

/// What the line of the whole run shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct TotalFigures {
    pub(super) elapsed: Duration,
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) left: Option<Duration>,
    /// Time left over before the deadline; below zero, by how much it is missed.
    pub(super) slack: Option<SignedDuration>,
    pub(super) outcomes: BTreeMap<Outcome, u64>,
    /// How long it is until the deadline, below zero where that has passed, for as long as nobody knows how much is left over.
    pub(super) until_deadline: Option<SignedDuration>,
    /// `paused for 2m 10s`: why the whole run sends nothing.
    pub(super) halt: Option<String>,
}

impl Tally {
    /// Before the first event.
    pub(crate) fn new(deadline: Option<RunDeadline>) -> Self {
        Self { deadline, ..Self::default() }
    }

    /// Folds an event into the tally.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::RunBegan { accounts } => {
                self.accounts =
                    accounts.iter().map(|(name, total)| AccountTally::new(name, *total, self.now)).collect();
            }
            Event::HeldBack { account, until, why } => {
                self.account(account).held = Some((*until, why.clone()));
            }
            Event::ActionEnded { account, outcome, message, .. } => {
                if let Some(DoubtMessage { advice, .. }) = DoubtMessage::read(message)
                    && self.advice.len() < MAX_ADVICE
                {
                    *self.advice.entry((account.clone(), advice.to_owned())).or_default() += 1;
                }
                let account = self.account(account);
                account.done += 1;
                account.held = None;
                *account.outcomes.entry(*outcome).or_default() += 1;
                *self.outcomes.entry(*outcome).or_default() += 1;
            }
            Event::ActionReopened { account, outcome, .. } => {
                let account = self.account(account);
                account.done = account.done.saturating_sub(1);
                if let Some(count) = account.outcomes.get_mut(outcome) {
                    *count = count.saturating_sub(1);
                }
                if let Some(count) = self.outcomes.get_mut(outcome) {
                    *count = count.saturating_sub(1);
                }
                self.outcomes.retain(|_, count| *count > 0);
            }
            Event::AccountStopped { account, .. } => self.account(account).stopped = true,
            // An attempt was sent, so the hold is over.
            Event::AttemptFailed { account, .. } => self.account(account).held = None,
            Event::Tick(now) => self.tick(*now),
            Event::Bounded { account, by } => {
                let account = self.account(account);
                if !matches!(by, WaitReason::HeldBack { .. }) {
                    account.held = None;
                }
                account.has_known_end = by.has_known_end().unwrap_or(account.has_known_end);
                account.bound = Some(by.clone());
            }
            Event::Paused { at, by } => self.paused = Some((*at, by.clone())),
            Event::Unpaused => self.paused = None,
            Event::Asking(question) => self.question = Some(question.clone()),
            Event::Answered => self.question = None,
            Event::Requested { account, requests, throttled } => {
                let account = self.account(account);
                (account.requests, account.throttled) = (*requests, *throttled);
            }
            Event::CertificateIssued { .. }
            | Event::WaveBegan { .. }
            | Event::Limited { .. }
            | Event::Warning(_)
            | Event::Note(_)
            | Event::Stopping(_)
            | Event::RunEnded => {}
        }
    }

    /// Whether an event deserves a line. An account that waits enters the same wait again with each attempt, and a provider that refuses
    /// asks for a wait with each refusal; one line is enough.
    pub(crate) fn is_news(&mut self, event: &Event) -> bool {
        match event {
            Event::Bounded { account, by: by @ (WaitReason::Closed { .. } | WaitReason::Unreachable { .. }) } => {
                let account = self.account(account);
                let previous = account.shown_wait.replace(by.clone());
                // A provider that cannot be reached is held back by ourselves, and the line of that has said until when.
                let same = |until| by.is_same_wait(&WaitReason::Unreachable { until });
                let is_told = account.shown_hold.is_some_and(same);
                !is_told && !previous.is_some_and(|wait| wait.is_same_wait(by))
            }
            Event::HeldBack { account, until, .. } => {
                let account = self.account(account);
                let is_news = account.shown_hold.is_none_or(|shown| until.duration_since(shown) >= HOLD_AGAIN_AFTER);
                if is_news {
                    account.shown_hold = Some(*until);
                }
                is_news
            }
            _ => true,
        }
    }

    /// Advances the time since the run's start, and samples each account for its rate.
    fn tick(&mut self, now: Duration) {
        self.now = now;
        for account in &mut self.accounts {
            // Where time has leapt (a rehearsal's clock, a machine that slept), what went before is no rate.
            if account.samples.back().is_some_and(|last| now.saturating_sub(last.0) > RATE_WINDOW) {
                account.samples.clear();
            }
            account.samples.push_back((now, account.done));
            // A rate needs two samples, so two stay, however old.
            while account.samples.len() > 2 && now.saturating_sub(account.samples[0].0) > RATE_WINDOW {
                account.samples.pop_front();
            }
        }
    }

    /// What the line of the whole run shows at this moment of the wall clock.
    pub(super) fn figures(&self, wall: Timestamp) -> TotalFigures {
        let (done, total) = (self.done(), self.total());
        TotalFigures {
            elapsed: self.now,
            done,
            total,
            left: self.left(),
            slack: self.slack().filter(|_| done < total),
            until_deadline: self.deadline.filter(|_| done < total).map(|deadline| deadline.at.duration_since(wall)),
            outcomes: self.outcomes.clone(),
            halt: self.halt_text(wall),
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
        // A person decides when it goes on.
        if self.paused.is_some() || self.question.is_some() {
            return None;
        }
        // Accounts run side by side, so the slowest decides; one without a rate yet makes the whole unknown.
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

    /// `digicert limit 100/5s, naver 4 at once`: what bounds each account that is not done.
    pub(crate) fn bounds_text(&self, wall: Timestamp) -> Option<String> {
        let working = self.accounts.iter().filter(|account| account.done < account.total);
        let parts: Vec<String> = working
            .filter_map(|account| {
                Some(format!("{} {}", safe::terminal(&account.name), account.bound.as_ref()?.describe(wall)))
            })
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// `1,200 succeeded, 3 rejected`, in the contract's order.
    pub(crate) fn outcomes_text(&self) -> String {
        let counts = Outcome::ALL.iter().filter_map(|outcome| Some((outcome, *self.outcomes.get(outcome)?)));
        let parts: Vec<String> = counts.map(|(outcome, count)| format!("{} {outcome}", grouped(count))).collect();
        if parts.is_empty() { "nothing ended".to_owned() } else { parts.join(", ") }
    }

    /// `paused for 2m 10s by alice`, `waits for an answer: may wave 2 of 3 go?`: why the whole run sends nothing until a person says so.
    pub(crate) fn halt_text(&self, wall: Timestamp) -> Option<String> {
        if let Some((since, by)) = &self.paused {
            let by = by.as_ref().map(|by| format!(" by {}", safe::terminal(by))).unwrap_or_default();
            return Some(format!("paused for {}{by}", human(wall.duration_since(*since).unsigned_abs())));
        }
        self.question
            .as_ref()
            .map(|WaveQuestion { wave, of, .. }| format!("waits for an answer: may wave {wave} of {of} go?"))
    }

    /// `216 in-doubt at digicert: open the order in CertCentral`: what a person can do, once for all actions that ask for it.
    pub(crate) fn advice_lines(&self) -> impl Iterator<Item = String> {
        self.advice.iter().map(|((account, advice), count)| {
            format!("{} in-doubt at {}: {}", grouped(*count), safe::terminal(account), safe::terminal(advice))
        })
    }

    /// An account that `RunBegan` did not name is added: a view must not panic, whatever the engine sends.
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
        Self {
            name: name.to_owned(),
            total,
            done: 0,
            held: None,
            shown_hold: None,
            stopped: false,
            requests: 0,
            throttled: 0,
            outcomes: BTreeMap::new(),
            bound: None,
            has_known_end: true,
            shown_wait: None,
            samples,
        }
    }

    /// Actions a second, over the last while; `None` before any ended.
    pub(crate) fn rate(&self) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let seconds = last.0.saturating_sub(first.0).as_secs_f64();
        let ended = last.1.saturating_sub(first.1);
        (seconds > 0.0 && ended > 0).then(|| ended as f64 / seconds)
    }

    /// How long the rest takes at that rate; `None` where that does not say.
    pub(crate) fn left(&self) -> Option<Duration> {
        let left = self.total.saturating_sub(self.done);
        if left == 0 {
            return Some(Duration::ZERO);
        }
        // The rest does not go one at a time, as canaries do.
        if !self.has_known_end || matches!(self.bound, Some(WaitReason::Canary { .. })) {
            return None;
        }
        Duration::try_from_secs_f64(left as f64 / self.rate()?).ok()
    }

    /// What its line shows at this moment of the wall clock.
    pub(super) fn figures(&self, wall: Timestamp) -> AccountFigures {
        let bound = self.bound.as_ref().filter(|bound| !matches!(bound, WaitReason::Done));
        let still = |cause: String| (None, None, Some(cause), true);
        let (rate, left, cause, stands_still) = if self.stopped {
            still("stopped".to_owned())
        } else if let Some((until, why)) = &self.held {
            still(format!("{} ({})", WaitReason::HeldBack { until: *until }.describe(wall), safe::terminal(why)))
        } else if let Some(bound) = bound.filter(|bound| bound.sends_nothing()) {
            still(bound.describe(wall))
        } else if self.done >= self.total {
            (None, None, Some("done".to_owned()), false)
        } else {
            // Without an end to foretell, a rate only takes the place of what is waited for.
            let rate = self.rate().filter(|_| self.has_known_end).map(|rate| format!("{rate:.1}/s"));
            let left = self.left().map(|left| format!("{} left", human(left)));
            (rate, left, bound.map(|bound| bound.describe(wall)), false)
        };
        let name = safe::terminal(&self.name).into_owned();
        AccountFigures { name, done: self.done, total: self.total, rate, left, cause, stands_still }
    }
}

/// The rate is that of so long a while: several windows of the common limits (per second, per 5 s) fit in, so that it does not jump
/// with each; and a provider that slows down is seen within half a minute.
const RATE_WINDOW: Duration = Duration::from_secs(30);
/// A provider that goes on asking for waits is told of again after so much more of them.
const HOLD_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// Pieces of advice that are kept apart. A document has one for each operation.
const MAX_ADVICE: usize = 50;

#[cfg(test)]
pub(crate) mod testing {
    //! Events in short.

    use super::*;

    pub(crate) fn began(accounts: &[(&str, u64)]) -> Event {
        Event::RunBegan { accounts: accounts.iter().map(|(name, total)| ((*name).to_owned(), *total)).collect() }
    }

    pub(crate) fn ended(account: &str, id: &str, outcome: Outcome, message: &str) -> Event {
        let (account, id, message) = (account.to_owned(), id.to_owned(), message.to_owned());
        Event::ActionEnded {
            ordinal: 0,
            account,
            id,
            outcome,
            message,
            http_status: None,
            reference: None,
            attempts: 1,
        }
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
    use crate::run::Awaited;

    /// What the first account's line says twenty seconds before the holds of these tests end.
    fn pace(tally: &Tally) -> String {
        let figures = tally.accounts[0].figures(Timestamp::from_second(1_700_000_000 - 20).unwrap());
        let pace = [figures.rate, figures.left].into_iter().flatten().collect::<Vec<_>>().join(", ");
        match figures.cause {
            Some(cause) if figures.stands_still => cause,
            Some(cause) if pace.is_empty() => format!("({cause})"),
            Some(cause) => format!("{pace} ({cause})"),
            None => pace,
        }
    }

    #[test]
    fn what_is_taken_up_again_has_not_ended() {
        let mut tally = Tally::default();
        let (account, id) = ("digicert".to_owned(), "a".to_owned());
        let reopened = Event::ActionReopened { ordinal: 0, account, id, outcome: Outcome::Succeeded };
        let tick = |seconds| Event::Tick(Duration::from_secs(seconds));
        let well = || ended("digicert", "a", Outcome::Succeeded, "");
        for (event, done, outcomes) in [
            (began(&[("digicert", 2)]), 0, "nothing ended"),
            (well(), 1, "1 succeeded"),
            (tick(1), 1, "1 succeeded"),
            (reopened.clone(), 0, "nothing ended"),
            (tick(2), 0, "nothing ended"),
            (ended("digicert", "a", Outcome::Rejected, "no"), 1, "1 rejected"),
            (well(), 2, "1 succeeded, 1 rejected"),
            // An end that this process has not seen.
            (reopened.clone(), 1, "1 rejected"),
            (reopened, 0, "1 rejected"),
        ] {
            tally.event(&event);
            assert_eq!((tally.done(), tally.outcomes_text().as_str()), (done, outcomes), "{event:?}");
        }
        assert_eq!(tally.accounts[0].rate(), None);
    }

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
        assert_eq!(pace(&tally), "4.0/s, 20s left");
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
            let mut tally = Tally::new(Some(deadline));
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
    fn what_bounds_an_account_is_shown_beside_its_rate_or_instead_of_it() {
        let mut tally = Tally::default();
        tally.event(&began(&[("a", 50)]));
        let mut texts = Vec::new();
        for (second, by) in [
            (1, WaitReason::Window { window: "1/1s".into() }),
            (2, WaitReason::Paused),
            (3, WaitReason::Concurrency { slots: 4 }),
        ] {
            tally.event(&ended("a", "x", Outcome::Succeeded, ""));
            tally.event(&Event::Bounded { account: "a".into(), by });
            texts.push(pace(&tally));
            tally.tick(Duration::from_secs(second));
        }
        assert_eq!(texts, ["(limit 1/1s)", "paused", "1.0/s, 47s left (4 at once)"]);
    }

    #[test]
    fn nobody_foretells_the_end_of_what_is_waited_for() {
        let mut tally = Tally::default();
        tally.event(&began(&[("a", 50)]));
        let mut texts = Vec::new();
        for (second, by) in [
            (1, WaitReason::Window { window: "1/1s".into() }),
            (2, WaitReason::AtWork { on: Awaited::Servers }),
            // The answer to a look is under way: still nobody knows.
            (3, WaitReason::Answers),
            (4, WaitReason::Others),
            (5, WaitReason::Canary { number: 1, of: 2 }),
            (6, WaitReason::Concurrency { slots: 4 }),
            (7, WaitReason::Answers),
            (100, WaitReason::Window { window: "1/1s".into() }),
        ] {
            tally.event(&ended("a", "x", Outcome::Succeeded, ""));
            tally.event(&Event::Bounded { account: "a".into(), by });
            tally.tick(Duration::from_secs(second));
            texts.push((pace(&tally), tally.left().is_some()));
        }
        let expected = [
            ("1.0/s, 49s left (limit 1/1s)", true),
            ("(waits for servers to show the new certificate)", false),
            ("(waits for the last answers)", false),
            ("(waits for other actions)", false),
            ("(waits for canary 1 of 2)", false),
            ("1.0/s, 44s left (4 at once)", true),
            ("1.0/s, 43s left (waits for the last answers)", true),
            // The clock has leapt.
            ("(limit 1/1s)", false),
        ];
        assert_eq!(texts, expected.map(|(text, has_end)| (text.to_owned(), has_end)));
    }

    #[test]
    fn one_wait_is_news_once() {
        let mut tally = Tally::default();
        tally.event(&began(&[("a", 50)]));
        let until = |milliseconds: i64| Timestamp::from_millisecond(1_700_000_000_000 + milliseconds).unwrap();
        let news: Vec<bool> = [
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
        assert_eq!(news, [true, false, true, false, true, true, false]);
        let why = "it cannot be reached".to_owned();
        let held = Event::HeldBack { account: "a".into(), until: until(9000), why };
        assert!(tally.is_news(&held));
        for (ends, is_news) in [(9003, false), (9006, false), (12_000, true)] {
            let by = WaitReason::Unreachable { until: until(ends) };
            let event = Event::Bounded { account: "a".into(), by };
            assert_eq!(tally.is_news(&event), is_news, "{ends}");
        }
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
        assert_eq!(pace(&tally), "paused by the provider for 20s (429)");
        let (account, id, why) = ("a".into(), "x".into(), "503".into());
        tally.event(&Event::AttemptFailed { ordinal: 0, account, id, attempt: 1, why });
        assert_eq!(pace(&tally), "");
        tally.event(&Event::AccountStopped { account: "a".into(), why: "401".into() });
        assert_eq!((pace(&tally), tally.left()), ("stopped".into(), Some(Duration::ZERO)));
    }
}
