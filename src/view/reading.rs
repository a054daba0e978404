//! The reading of a long plan on a terminal: how many actions so far, and how many a second. A short one shows nothing, and no line
//! stays behind. Knows no plan; what time it is, it is told.

use super::table::grouped;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Shows that a plan is being read.
#[derive(Debug)]
pub struct Reading {
    bar: ProgressBar,
    began: Duration,
    actions: u64,
}

impl Reading {
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
        if !self.actions.is_multiple_of(ASKED_EVERY) || self.bar.is_hidden() && !cfg!(test) {
            return;
        }
        let took = now().saturating_sub(self.began);
        if took >= SHOWN_AFTER {
            self.bar.set_message(message(self.actions, took));
            self.bar.tick();
        }
    }

    /// Takes the line away.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}

fn message(actions: u64, took: Duration) -> String {
    let pace = actions as f64 / took.as_secs_f64();
    format!("reading the plan: {} actions, {}/s", grouped(actions), grouped(pace as u64))
}

/// The time is asked for once in so many actions.
const ASKED_EVERY: u64 = 1024;
/// Shorter readings show nothing.
const SHOWN_AFTER: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reading_tells_its_pace() {
        let mut reading = Reading::on(ProgressDrawTarget::hidden(), false, Duration::from_secs(100));
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
