//! Who watches a run: told every event in order. Observers show; they decide nothing and cannot fail.

use super::printer::Printer;
use super::tally::Deadline;
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
pub fn fitting(printer: &Printer, deadline: Option<Deadline>) -> Box<dyn Observer> {
    if printer.options().quiet {
        Box::new(Silent)
    } else if printer.shows_bars() {
        Box::new(Progress::new(printer.stderr_colors(), deadline))
    } else {
        Box::new(Lines::new(printer.clone(), deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::super::printer::{Options, Surroundings, testing::printer};
    use super::super::tally::testing::began;
    use super::*;

    #[test]
    fn without_a_terminal_lines_are_written_unless_quiet() {
        for (quiet, expected) in [(false, "began: 2 actions (a 2)\n"), (true, "")] {
            let (printer, out, err) = printer(Options { quiet, ..Options::default() }, Surroundings::default(), "");
            fitting(&printer, None).event(&began(&[("a", 2)]));
            assert_eq!((out.text().as_str(), err.text().as_str()), ("", expected));
        }
    }
}
