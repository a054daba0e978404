//! A run as plain lines on standard error, where no terminal draws bars: its start, every action that did not end well, what holds
//! it back, how far it is now and then, its end. Decides nothing.

use super::bounds;
use super::observer::Observer;
use super::printer::Printer;
use super::table::{grouped, plural};
use super::tally::{Deadline, Tally, ending_line};
use crate::run::{Bound, Event, StopReason};
use crate::text::safe;
use crate::time::{human, rfc3339};
use std::time::Duration;

/// Shows a run as lines.
#[derive(Debug)]
pub struct Lines {
    printer: Printer,
    tally: Tally,
    /// When, and at which twentieth of the whole, a progress line was last written.
    last: (Duration, u64),
}

impl Lines {
    /// Lines through this printer.
    pub fn new(printer: Printer, deadline: Option<Deadline>) -> Self {
        Self { printer, tally: Tally { deadline, ..Tally::default() }, last: (Duration::ZERO, 0) }
    }

    fn twentieth(&self) -> u64 {
        (self.tally.done() * TWENTIETHS).checked_div(self.tally.total()).unwrap_or(0)
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

impl Observer for Lines {
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
            Event::Tick(now) if now.saturating_sub(self.last.0) >= EVERY && self.tally.done() < self.tally.total() => {
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
pub(super) fn event_line(event: &Event) -> Option<String> {
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
            by: by @ (Bound::Closed { .. } | Bound::Unreachable { .. } | Bound::Wave { .. }),
        } => Some(format!("waiting  {}: {}", safe::terminal(account), bounds::words(by))),
        Event::Paused => Some("paused: nothing new is sent; `certsweep unpause` goes on".to_owned()),
        Event::WentOn => Some("going on".to_owned()),
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
        Event::Bounded { account, by } => Some(format!("bounded  {}: {}", safe::terminal(account), bounds::words(by))),
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
const TWENTIETHS: u64 = 20;
/// And at least so often.
const EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::super::printer::{Options, Surroundings, testing::printer};
    use super::super::tally::testing::{began, ended, held};
    use super::*;
    use crate::run::Outcome;

    #[test]
    fn a_run_reads_as_lines() {
        let (printer, out, err) = printer(Options::default(), Surroundings::default(), "");
        let mut lines = Lines::new(printer, None);
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
        let (printer, _, err) = printer(Options { verbose: 1, ..Options::default() }, Surroundings::default(), "");
        let mut lines = Lines::new(printer, None);
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
        let (printer, _, err) = printer(Options::default(), Surroundings::default(), "");
        let mut lines = Lines::new(printer, None);
        lines.event(&began(&[("a", 10_000)]));
        for _ in 0..10_000 {
            lines.event(&ended("a", "x", Outcome::Succeeded, ""));
        }
        lines.event(&Event::RunEnded);
        assert_eq!(err.text().lines().count(), 1 + 19 + 1, "{}", err.text());
    }
}
