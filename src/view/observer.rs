//! Who watches a run: told every event in order. Observers show; they decide nothing and cannot fail.

use super::printer::Printer;
use super::{lines::Lines, progress::Progress};
use crate::run::Event;

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
pub fn fitting(printer: &Printer) -> Box<dyn Observer> {
    if printer.options().quiet {
        Box::new(Silent)
    } else if printer.shows_bars() {
        Box::new(Progress::new(printer.stderr_colors()))
    } else {
        Box::new(Lines::new(printer.clone()))
    }
}
