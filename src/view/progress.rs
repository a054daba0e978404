//! A run as progress bars on a terminal, one an account, with a line above them for each action that did not end well. Decides
//! nothing; all its numbers are those of the tally.

use super::lines::event_line;
use super::observer::Observer;
use super::table::{grouped, width};
use super::tally::{AccountTally, Deadline, Tally};
use crate::run::Event;
use crate::text::safe;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

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
    pub fn new(color: bool, deadline: Option<Deadline>) -> Self {
        Self::on(ProgressDrawTarget::stderr(), color, deadline)
    }

    /// Bars on any target.
    pub fn on(target: ProgressDrawTarget, color: bool, deadline: Option<Deadline>) -> Self {
        let screen = MultiProgress::with_draw_target(target);
        Self { screen, bars: Vec::new(), tally: Tally { deadline, ..Tally::default() }, color }
    }

    /// One bar for each account of the tally, in its order.
    fn draw(&mut self) {
        let widest = self.tally.accounts.iter().map(|account| width(&account.name)).max().unwrap_or(0);
        for (index, account) in self.tally.accounts.iter().enumerate() {
            if index == self.bars.len() {
                let bar =
                    ProgressBar::new(account.total).with_style(style(self.color)).with_prefix(name(account, widest));
                self.bars.push(self.screen.add(bar));
            }
            let bar = &self.bars[index];
            bar.set_position(account.done);
            // The deadline is the whole run's: it stands behind the last bar.
            let last = index + 1 == self.tally.accounts.len();
            bar.set_message(message(account, self.tally.deadline_text().filter(|_| last)));
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
fn name(account: &AccountTally, widest: usize) -> String {
    let name = safe::terminal(&account.name);
    let padding = widest.saturating_sub(width(&name));
    format!("{name}{}", " ".repeat(padding))
}

/// What stands behind a bar: done of total, pace, rest; or what holds it.
fn message(account: &AccountTally, deadline: Option<String>) -> String {
    let counts = format!("{}/{}", grouped(account.done), grouped(account.total));
    let pace = account.pace_text();
    [Some(counts), Some(pace).filter(|pace| !pace.is_empty()), deadline]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("  ")
}

fn style(color: bool) -> ProgressStyle {
    let template = if color { "{prefix} [{bar:30.green}] {wide_msg}" } else { "{prefix} [{bar:30}] {wide_msg}" };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::super::tally::testing::{began, ended, held};
    use super::*;
    use crate::run::Outcome;
    use std::time::Duration;

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
}
