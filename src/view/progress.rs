//! Who watches a run, and what they show on standard error: bars on a terminal, plain lines elsewhere, nothing with `-q`; and how far
//! the reading of a long plan is. Observers are told every event in order; they decide nothing and cannot fail.

use super::printer::Printer;
use super::table::{grouped, plural, width};
use super::tally::{AccountTally, RunDeadline, Tally, ending_line};
use crate::run::{Event, StopReason, WaitReason};
use crate::text::safe;
use crate::time::{human, rfc3339};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Something that shows a run while it goes on.
pub trait Observer: Send {
    /// Something happened.
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
    /// When, and at which twentieth of the whole, a progress line was last written.
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
        Event::AttemptFailed { .. } | Event::Bounded { .. } | Event::Tick(_) | Event::RunEnded => None,
    }
}

/// The line that an event is worth only to those who want to hear more.
fn detail_line(event: &Event) -> Option<String> {
    match event {
        Event::ActionEnded { account, id, outcome, .. } => {
            Some(format!("{outcome}  {} ({})", safe::terminal(id), safe::terminal(account)))
        }
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

/// Progress lines come at every so-manieth part of the whole.
const PARTS_WITH_A_LINE: u64 = 20;
/// And at least so often.
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
            // The deadline is the whole run's: it stands behind the last bar.
            let last = index + 1 == self.tally.accounts.len();
            bar.set_message(bar_message(account, self.tally.deadline_text().filter(|_| last)));
        }
    }
}

impl Observer for Progress {
    fn event(&mut self, event: &Event) {
        self.tally.event(event);
        // The beginning shows itself: the bars stand there.
        if let Some(line) = event_line(event).filter(|_| !matches!(event, Event::RunBegan { .. }))
            && self.tally.is_news(event)
        {
            // A screen that is gone is no trouble of the run's.
            let _ = self.screen.println(line);
        }
        match event {
            Event::RunBegan { .. } => {
                for bar in self.bars.drain(..) {
                    bar.finish_and_clear();
                }
                self.draw();
            }
            // The summary that follows says all of it; half-erased bars above it would only be in the way.
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

/// What stands behind a bar: done of total, pace, rest; or what holds it.
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
        let took = now().saturating_sub(self.began);
        if took >= SHOWN_AFTER {
            self.bar.set_message(reading_message(self.actions, took));
            self.bar.tick();
        }
    }

    /// Takes the line away.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}

fn reading_message(actions: u64, took: Duration) -> String {
    let pace = actions as f64 / took.as_secs_f64();
    format!("reading the plan: {} actions, {}/s", grouped(actions), grouped(pace as u64))
}

/// The time is asked for once in so many actions: a plan is read at hundreds of thousands a second, and each look at the clock is a system call at worst.
const ASKED_EVERY: u64 = 1024;
/// Shorter readings show nothing: a line that flashes up and is gone only disturbs.
const SHOWN_AFTER: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::super::printer::{PrinterOptions, Surroundings, testing::printer};
    use super::super::tally::testing::{began, ended, held};
    use super::*;
    use crate::run::Outcome;

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
}
