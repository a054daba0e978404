//! How far a run is, as a fold of its events, and what that shows on standard error: bars on a terminal, plain lines elsewhere, nothing
//! with `-q`; and how far the reading of a long plan is. Observers receive every event in order; they decide nothing and cannot fail.

use super::printer::Printer;
use super::table::{grouped, plural, width};
use crate::run::{Event, Outcome, StopReason, WaitReason};
use crate::text::safe;
use crate::time::{human, rfc3339};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Shows a run while it is carried out. Receives every event in order, and must neither block nor fail.
pub trait Observer: Send {
    /// Shows what this event changes.
    fn event(&mut self, event: &Event);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &Event) {}
}

/// The observer that fits a printer: bars on a terminal, lines elsewhere, nothing with `-q`.
pub fn fitting(printer: &Printer, deadline: Option<RunDeadline>) -> Box<dyn Observer> {
    if printer.options().quiet {
        Box::new(Silent)
    } else if printer.shows_bars() {
        Box::new(Progress::new(printer.stderr_colors(), deadline))
    } else {
        Box::new(ProgressLines::new(printer.clone(), deadline))
    }
}

/// Shows a run as lines.
#[derive(Debug)]
pub struct ProgressLines {
    printer: Printer,
    tally: Tally,
    /// The time, and the twentieth of the whole, of the newest progress line.
    last: (Duration, u64),
}

impl ProgressLines {
    /// Lines through this printer.
    pub fn new(printer: Printer, deadline: Option<RunDeadline>) -> Self {
        Self { printer, tally: Tally { deadline, ..Tally::default() }, last: (Duration::ZERO, 0) }
    }

    fn twentieth(&self) -> u64 {
        (self.tally.done() * PARTS_WITH_A_LINE).checked_div(self.tally.total()).unwrap_or(0)
    }

    /// Every 5 %, and at least every half minute; never twice for one state of a small run.
    fn progress_line(&mut self) {
        let (done, total) = (self.tally.done(), self.tally.total());
        let left = self.tally.left().filter(|left| !left.is_zero());
        let left = left.map(|left| format!("; {} left", human(left))).unwrap_or_default();
        let outcomes = self.tally.outcomes_text();
        let deadline = self.tally.deadline_text().map(|text| format!("; {text}")).unwrap_or_default();
        let bounds = self.tally.bounds_text().map(|text| format!("; {text}")).unwrap_or_default();
        self.printer.note(&format!("{} of {} done: {outcomes}{left}{bounds}{deadline}", grouped(done), grouped(total)));
        self.last = (self.tally.now, self.twentieth());
    }
}

impl Observer for ProgressLines {
    fn event(&mut self, event: &Event) {
        self.tally.event(event);
        if let Some(line) = event_line(event).filter(|_| self.tally.is_news(event)) {
            self.printer.note(&line);
        } else {
            self.printer.detail(|| detail_line(event));
        }
        match event {
            Event::ActionEnded { .. } if self.twentieth() > self.last.1 && self.tally.done() < self.tally.total() => {
                self.progress_line();
            }
            Event::Tick(now)
                if now.saturating_sub(self.last.0) >= LINE_AT_LEAST_EVERY && self.tally.done() < self.tally.total() =>
            {
                self.progress_line();
            }
            Event::RunEnded => {
                let (done, total) = (grouped(self.tally.done()), plural(self.tally.total(), "action"));
                let (time, outcomes) = (human(self.tally.now), self.tally.outcomes_text());
                self.printer.note(&format!("ended: {done} of {total} in {time}: {outcomes}"));
            }
            _ => {}
        }
    }
}

/// The line that an event is worth on any display; `None` where it only moves counts.
fn event_line(event: &Event) -> Option<String> {
    match event {
        Event::RunBegan { accounts } => {
            let parts: Vec<String> =
                accounts.iter().map(|(name, total)| format!("{} {}", safe::terminal(name), grouped(*total))).collect();
            let total = accounts.iter().map(|(_, total)| total).sum();
            Some(format!("began: {} ({})", plural(total, "action"), parts.join(", ")))
        }
        Event::ActionEnded { .. } => ending_line(event),
        Event::HeldBack { account, until, why } => {
            Some(format!("held back  {} until {}: {}", safe::terminal(account), rfc3339(*until), safe::terminal(why)))
        }
        Event::AccountStopped { account, why } => {
            Some(format!("stopped  {}: {}", safe::terminal(account), safe::terminal(why)))
        }
        Event::Bounded {
            account,
            by: by @ (WaitReason::Closed { .. } | WaitReason::Unreachable { .. } | WaitReason::Wave { .. }),
        } => Some(format!("waiting  {}: {}", safe::terminal(account), by.describe())),
        Event::Paused => Some("paused: nothing new is sent; `certsweep unpause` goes on".to_owned()),
        Event::Unpaused => Some("going on".to_owned()),
        Event::Limited { account, windows } => {
            Some(format!("limits  {}: {} from now on", safe::terminal(account), windows.join(", ")))
        }
        Event::Warning(words) => Some(format!("warning: {}", safe::terminal(words))),
        Event::Stopping(reason) => Some(match reason {
            StopReason::Rule(why) | StopReason::Environment(why) => {
                format!("stopping: {}; requests in flight are awaited", safe::terminal(why))
            }
            StopReason::Signal(number) => {
                format!("stopping: signal {number}; requests in flight are awaited, a second signal leaves at once")
            }
        }),
        Event::ActionReopened { .. }
        | Event::AttemptFailed { .. }
        | Event::Bounded { .. }
        | Event::Tick(_)
        | Event::RunEnded => None,
    }
}

/// The line of an event with `-v`.
fn detail_line(event: &Event) -> Option<String> {
    match event {
        Event::ActionEnded { account, id, outcome, .. } => {
            Some(format!("{outcome}  {} ({})", safe::terminal(id), safe::terminal(account)))
        }
        Event::ActionReopened { account, id, outcome, .. } => Some(format!(
            "taken up again  {} ({}): it had ended {outcome}",
            safe::terminal(id),
            safe::terminal(account)
        )),
        Event::Bounded { account, by } => Some(format!("bounded  {}: {}", safe::terminal(account), by.describe())),
        Event::AttemptFailed { ordinal, account, attempt, why } => Some(format!(
            "attempt {attempt} of action {} ({}) failed: {}",
            grouped(ordinal.saturating_add(1)),
            safe::terminal(account),
            safe::terminal(why)
        )),
        _ => None,
    }
}

/// A progress line for each such part of the whole: every 5 %.
const PARTS_WITH_A_LINE: u64 = 20;
/// A progress line at least this often.
const LINE_AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// Shows a run as bars.
#[derive(Debug)]
pub struct Progress {
    screen: MultiProgress,
    bars: Vec<ProgressBar>,
    tally: Tally,
    color: bool,
}

impl Progress {
    /// Bars on standard error.
    pub fn new(color: bool, deadline: Option<RunDeadline>) -> Self {
        Self::on(ProgressDrawTarget::stderr(), color, deadline)
    }

    /// Bars on any target.
    pub fn on(target: ProgressDrawTarget, color: bool, deadline: Option<RunDeadline>) -> Self {
        let screen = MultiProgress::with_draw_target(target);
        Self { screen, bars: Vec::new(), tally: Tally { deadline, ..Tally::default() }, color }
    }

    /// One bar for each account of the tally, in its order.
    fn draw(&mut self) {
        let widest = self.tally.accounts.iter().map(|account| width(&account.name)).max().unwrap_or(0);
        for (index, account) in self.tally.accounts.iter().enumerate() {
            if index == self.bars.len() {
                let bar = ProgressBar::new(account.total)
                    .with_style(bar_style(self.color))
                    .with_prefix(padded_name(account, widest));
                self.bars.push(self.screen.add(bar));
            }
            let bar = &self.bars[index];
            bar.set_position(account.done);
            // The deadline is the whole run's, so only the last bar shows it.
            let last = index + 1 == self.tally.accounts.len();
            bar.set_message(bar_message(account, self.tally.deadline_text().filter(|_| last)));
        }
    }
}

impl Observer for Progress {
    fn event(&mut self, event: &Event) {
        self.tally.event(event);
        // No line about the beginning: the bars themselves show it.
        if let Some(line) = event_line(event).filter(|_| !matches!(event, Event::RunBegan { .. }))
            && self.tally.is_news(event)
        {
            // A closed terminal must not end the run.
            let _ = self.screen.println(line);
        }
        match event {
            Event::RunBegan { .. } => {
                for bar in self.bars.drain(..) {
                    bar.finish_and_clear();
                }
                self.draw();
            }
            // The summary follows, with all of this in it.
            Event::RunEnded => self.bars.iter().for_each(ProgressBar::finish_and_clear),
            Event::AttemptFailed { .. } => {}
            _ => self.draw(),
        }
    }
}

/// The account's name, padded so that all bars begin in one column.
fn padded_name(account: &AccountTally, widest: usize) -> String {
    let name = safe::terminal(&account.name);
    let padding = widest.saturating_sub(width(&name));
    format!("{name}{}", " ".repeat(padding))
}

/// The text behind a bar: done of total, pace, time left; or what holds the account back.
fn bar_message(account: &AccountTally, deadline: Option<String>) -> String {
    let counts = format!("{}/{}", grouped(account.done), grouped(account.total));
    let pace = account.pace_text();
    [Some(counts), Some(pace).filter(|pace| !pace.is_empty()), deadline]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("  ")
}

fn bar_style(color: bool) -> ProgressStyle {
    let template = if color { "{prefix} [{bar:30.green}] {wide_msg}" } else { "{prefix} [{bar:30}] {wide_msg}" };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

/// Shows that a plan is being read.
#[derive(Debug)]
pub struct ReadingProgress {
    bar: ProgressBar,
    began: Duration,
    actions: u64,
}

impl ReadingProgress {
    /// Begins at this time of a steady clock, on standard error, or nowhere where nothing is to be shown.
    pub fn begin(shows: bool, color: bool, now: Duration) -> Self {
        let target = if shows { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self::on(target, color, now)
    }

    fn on(target: ProgressDrawTarget, color: bool, now: Duration) -> Self {
        let template = if color { "{spinner:.green} {msg}" } else { "{spinner} {msg}" };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        let style =
            style.tick_strings(&["[=     ]", "[ =    ]", "[  =   ]", "[   =  ]", "[    = ]", "[     =]", "[======]"]);
        Self { bar: ProgressBar::with_draw_target(None, target).with_style(style), began: now, actions: 0 }
    }

    /// One action more; now and then the time is asked for.
    pub fn action(&mut self, now: impl FnOnce() -> Duration) {
        self.actions += 1;
        if !self.actions.is_multiple_of(ASKED_EVERY) {
            return;
        }
        let elapsed = now().saturating_sub(self.began);
        if elapsed >= SHOWN_AFTER {
            self.bar.set_message(reading_message(self.actions, elapsed));
            self.bar.tick();
        }
    }

    /// Takes the line away.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}

fn reading_message(actions: u64, elapsed: Duration) -> String {
    let pace = actions as f64 / elapsed.as_secs_f64();
    format!("reading the plan: {} actions, {}/s", grouped(actions), grouped(pace as u64))
}

/// The time is asked for once in so many actions: a plan is read at hundreds of thousands a second, and each look at the clock is a system call at worst.
const ASKED_EVERY: u64 = 1024;
/// Shorter readings show nothing: a line that appears for a moment only distracts.
const SHOWN_AFTER: Duration = Duration::from_millis(500);

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
    /// The text about a hold: until when, and why.
    pub(crate) held: Option<String>,
    pub(crate) stopped: bool,
    /// What bounds its pace, by the newest `Bounded` event.
    pub(crate) bound: Option<WaitReason>,
    /// The wait that was last shown in a line of its own.
    shown_wait: Option<WaitReason>,
    /// How many were done at which time, for the rate of the last while.
    samples: VecDeque<(Duration, u64)>,
}

impl Tally {
    /// Folds an event into the tally.
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
            Event::ActionReopened { account, outcome, .. } => {
                let account = self.account(account);
                account.done = account.done.saturating_sub(1);
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

    /// Whether an event deserves a line. An account that waits enters the same wait again with each attempt; one line is enough.
    pub(crate) fn is_news(&mut self, event: &Event) -> bool {
        let Event::Bounded { account, by: by @ (WaitReason::Closed { .. } | WaitReason::Unreachable { .. }) } = event
        else {
            return true;
        };
        let previous = self.account(account).shown_wait.replace(by.clone());
        !previous.is_some_and(|wait| wait.is_same_wait(by))
    }

    /// Advances the time since the run's start, and samples each account for its rate.
    fn tick(&mut self, now: Duration) {
        self.now = now;
        for account in &mut self.accounts {
            account.samples.push_back((now, account.done));
            // A rate needs two samples, so two stay, however old.
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
        let parts: Vec<String> = counts.map(|(outcome, count)| format!("{} {outcome}", grouped(count))).collect();
        if parts.is_empty() { "nothing ended".to_owned() } else { parts.join(", ") }
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
            stopped: false,
            bound: None,
            shown_wait: None,
            samples,
        }
    }

    /// Actions a second, over the last while; `None` before any ended.
    pub(crate) fn rate(&self) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let seconds = last.0.saturating_sub(first.0).as_secs_f64();
        // Below where it began while what had ended is taken up again.
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

    /// `20.0/s, 3m 20s left`, or why nothing is sent.
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
    use super::super::printer::{PrinterOptions, Surroundings, testing::printer};
    use super::testing::{began, ended, held};
    use super::*;

    #[test]
    fn without_a_terminal_lines_are_written_unless_quiet() {
        for (quiet, expected) in [(false, "began: 2 actions (a 2)\n"), (true, "")] {
            let (printer, out, err) =
                printer(PrinterOptions { quiet, ..PrinterOptions::default() }, Surroundings::default(), "");
            fitting(&printer, None).event(&began(&[("a", 2)]));
            assert_eq!((out.text().as_str(), err.text().as_str()), ("", expected));
        }
    }

    #[test]
    fn a_run_reads_as_lines() {
        let (printer, out, err) = printer(PrinterOptions::default(), Surroundings::default(), "");
        let mut lines = ProgressLines::new(printer, None);
        lines.event(&began(&[("digicert", 2), ("naver", 1)]));
        lines.event(&Event::Tick(Duration::from_secs(1)));
        lines.event(&ended("digicert", "shop", Outcome::Succeeded, ""));
        lines.event(&held("naver"));
        lines.event(&Event::Tick(Duration::from_secs(10)));
        lines.event(&Event::Tick(Duration::from_secs(32)));
        lines.event(&Event::Tick(Duration::from_secs(33)));
        lines.event(&ended("naver", "b\u{1b}", Outcome::Rejected, "no such certificate"));
        lines.event(&Event::AccountStopped { account: "digicert".into(), why: "credentials refused".into() });
        lines.event(&Event::Warning("the clock differs".into()));
        lines.event(&Event::Stopping(StopReason::Signal(2)));
        lines.event(&Event::RunEnded);
        assert_eq!(out.text(), "");
        let expected = "\
began: 3 actions (digicert 2, naver 1)
1 of 3 done: 1 succeeded
held back  naver until 2023-11-14T22:13:20.000Z: 429
1 of 3 done: 1 succeeded
rejected  b\\u{1b} (naver): no such certificate
2 of 3 done: 1 succeeded, 1 rejected
stopped  digicert: credentials refused
warning: the clock differs
stopping: signal 2; requests in flight are awaited, a second signal leaves at once
ended: 2 of 3 actions in 33s: 1 succeeded, 1 rejected
";
        assert_eq!(err.text(), expected, "{}", err.text());
    }

    #[test]
    fn who_asks_for_more_hears_of_good_ends_and_failed_attempts() {
        let (printer, _, err) =
            printer(PrinterOptions { verbose: 1, ..PrinterOptions::default() }, Surroundings::default(), "");
        let mut lines = ProgressLines::new(printer, None);
        lines.event(&began(&[("a", 100)]));
        let why = "HTTP 500 \u{1b}".to_owned();
        lines.event(&Event::AttemptFailed { ordinal: 6, account: "a".into(), attempt: 2, why });
        lines.event(&ended("a", "x", Outcome::Succeeded, ""));
        let expected =
            "began: 100 actions (a 100)\nattempt 2 of action 7 (a) failed: HTTP 500 \\u{1b}\nsucceeded  x (a)\n";
        assert_eq!(err.text(), expected, "{}", err.text());
    }

    #[test]
    fn a_long_run_of_successes_writes_a_line_every_twentieth() {
        let (printer, _, err) = printer(PrinterOptions::default(), Surroundings::default(), "");
        let mut lines = ProgressLines::new(printer, None);
        lines.event(&began(&[("a", 10_000)]));
        for _ in 0..10_000 {
            lines.event(&ended("a", "x", Outcome::Succeeded, ""));
        }
        lines.event(&Event::RunEnded);
        assert_eq!(err.text().lines().count(), 1 + 19 + 1, "{}", err.text());
    }

    #[test]
    fn bars_follow_the_events() {
        let mut progress = Progress::on(ProgressDrawTarget::hidden(), false, None);
        progress.event(&began(&[("digicert", 2000), ("네이버", 3)]));
        assert_eq!(progress.bars.len(), 2);
        assert_eq!(progress.bars[1].prefix(), "네이버  ");
        for _ in 0..1000 {
            progress.event(&ended("digicert", "x", Outcome::Succeeded, ""));
        }
        progress.event(&Event::Tick(Duration::from_secs(10)));
        assert_eq!(progress.bars[0].position(), 1000);
        assert_eq!(progress.bars[0].message(), "1,000/2,000  100.0/s, 10s left");
        progress.event(&held("네이버"));
        assert_eq!(progress.bars[1].message(), "0/3  held back until 2023-11-14T22:13:20.000Z (429)");
        progress.event(&Event::RunEnded);
        assert!(progress.bars.iter().all(ProgressBar::is_finished));
    }

    #[test]
    fn a_long_reading_tells_its_pace() {
        let mut reading = ReadingProgress::on(ProgressDrawTarget::hidden(), false, Duration::from_secs(100));
        for _ in 0..ASKED_EVERY {
            reading.action(|| Duration::from_millis(100_499));
        }
        assert_eq!(reading.bar.message(), "");
        for _ in 0..ASKED_EVERY * 999 {
            reading.action(|| Duration::from_secs(104));
        }
        assert_eq!(reading.bar.message(), "reading the plan: 1,024,000 actions, 256,000/s");
        reading.end();
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
            texts.push(tally.accounts[0].pace_text());
            tally.tick(Duration::from_secs(second));
        }
        assert_eq!(texts, ["(limit 1/1s)", "paused", "1.0/s, 47s left (4 in flight)"]);
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
