//! What a page is made of beside its rows: the run's constants, its state, its timeline. Decides nothing.

use super::several::PageRun;
use super::timeline::Timeline;
use crate::journal::RunFacts;
use crate::journal::state::Overview;
use crate::run::Outcome;
use crate::view::status::RunState;
use jiff::Timestamp;

/// What a page is made of beside its rows.
#[derive(Debug)]
pub struct PageSource<'a> {
    /// The run's constants.
    pub facts: &'a RunFacts,
    /// The run as a whole; its actions need not be counted.
    pub run: &'a Overview,
    /// What happened when; `None` where the records cannot be read.
    pub timeline: Option<&'a Timeline>,
    /// Whether it goes on, has ended, or waits to be resumed.
    pub state: RunState,
    /// Where the page is of several runs: each of them; the rest says what they are together.
    pub several: &'a [PageRun<'a>],
    /// The run directory as a shell takes it; of several runs, one after the other.
    pub run_dir: &'a str,
    /// Rows of these outcomes alone, where there are some.
    pub only: &'a [Outcome],
    /// What is wrong with a damaged run.
    pub damage: Option<&'a str>,
}

impl PageSource<'_> {
    /// The last thing that is known of the run.
    pub(super) fn last_moment(&self) -> Option<Timestamp> {
        let last_end = self.timeline.and_then(|timeline| timeline.ends.last());
        let last_end = last_end.and_then(|(at, _)| Timestamp::from_microsecond(*at).ok());
        last_end.max(self.run.last_at)
    }
}
