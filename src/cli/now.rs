//! Tells other processes how a run goes: about once a second a small file in the run directory, beside what the observer shows.

use crate::journal::words;
use crate::run::Event;
use crate::time::Clock;
use crate::view::Deadline;
use crate::view::now::Recorder;
use crate::view::observer::Observer;
use std::path::{Path, PathBuf};

/// An observer that also tells other processes.
pub struct Telling<C> {
    shown: Box<dyn Observer>,
    recorder: Recorder,
    run: PathBuf,
    clock: C,
}

impl<C: Clock> Telling<C> {
    /// Tells beside what `shown` shows.
    pub fn new(shown: Box<dyn Observer>, run: &Path, clock: C, deadline: Option<Deadline>) -> Self {
        Self { shown, recorder: Recorder::new(deadline), run: run.to_path_buf(), clock }
    }
}

impl<C: Clock + Send> Observer for Telling<C> {
    fn event(&mut self, event: &Event) {
        self.shown.event(event);
        self.recorder.event(event);
        // A bound comes after the tick; a pause is to be seen by who asks right after it.
        if matches!(event, Event::Tick(_) | Event::Bounded { .. } | Event::RunBegan { .. }) {
            let now = self.recorder.now(self.clock.now());
            // A full disk is no reason to stop telling the user: the journal sees to that.
            drop(serde_json::to_string(&now).map(|text| words::write_now(&self.run, &text)));
        }
    }
}

impl<C> std::fmt::Debug for Telling<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Telling").field("run", &self.run).finish_non_exhaustive()
    }
}
