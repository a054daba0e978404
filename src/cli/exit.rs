//! The exit codes: a closed list that scripts rely on, each with its number in one place. Never exits the process.

use crate::journal::JournalError;
use crate::run::{Outcome, StopReason};
use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every action ended well, or the command did what it was asked.
    Well,
    /// The run ended, and some actions did not end well.
    NotAllWell,
    /// The command line or the plan is wrong; nothing was sent.
    Usage,
    /// Stopped by a safety rule, a closed window or the deadline; resumable.
    Stopped,
    /// The environment failed: credentials, disk, a locked run directory; resumable where a run had begun.
    Environment,
    /// Interrupted by the signal of this number; resumable.
    Signal(i32),
}

impl Exit {
    /// The code of a run directory that cannot be used: a path that is none is a mistake of the command line.
    pub const fn of_journal(error: &JournalError) -> Self {
        match error {
            JournalError::NotARun { .. } => Self::Usage,
            _ => Self::Environment,
        }
    }

    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::NotAllWell => 1,
            Self::Usage => 2,
            Self::Stopped => 3,
            Self::Environment => 4,
            // Signals are 1 to 64; a number outside would be no signal, and still must not look like success.
            Self::Signal(number @ 1..=127) => 128 + number as u8,
            Self::Signal(_) => 255,
        }
    }

    /// The end of a run that stopped before its last action.
    pub const fn of_stop(reason: &StopReason) -> Self {
        match reason {
            StopReason::Rule(_) => Self::Stopped,
            StopReason::Signal(number) => Self::Signal(*number),
            StopReason::Environment(_) => Self::Environment,
        }
    }

    /// The end of a run whose actions ended like this; `duplicate` tells a skipped action that only repeats another, which is well.
    pub fn of_outcomes(ended: impl IntoIterator<Item = (Outcome, bool)>) -> Self {
        let well =
            |(outcome, duplicate): (Outcome, bool)| outcome.is_well() || (outcome == Outcome::Skipped && duplicate);
        if ended.into_iter().all(well) { Self::Well } else { Self::NotAllWell }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_contract() {
        for (exit, code) in [
            (Exit::Well, 0),
            (Exit::NotAllWell, 1),
            (Exit::Usage, 2),
            (Exit::Stopped, 3),
            (Exit::Environment, 4),
            (Exit::Signal(2), 130),
            (Exit::Signal(15), 143),
            (Exit::Signal(-1), 255),
            (Exit::Signal(1000), 255),
        ] {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }

    #[test]
    fn a_stop_has_its_code() {
        for (reason, code) in [
            (StopReason::Rule("deadline".into()), 3),
            (StopReason::Signal(15), 143),
            (StopReason::Environment("disk full".into()), 4),
        ] {
            assert_eq!(Exit::of_stop(&reason).code(), code, "{reason:?}");
        }
    }

    #[test]
    fn only_a_duplicate_may_be_skipped_and_be_well() {
        for (outcome, duplicate, code) in [
            (Outcome::Succeeded, false, 0),
            (Outcome::AlreadyDone, false, 0),
            (Outcome::PendingApproval, false, 0),
            (Outcome::Pending, false, 0),
            (Outcome::Skipped, true, 0),
            (Outcome::Skipped, false, 1),
            (Outcome::Rejected, false, 1),
            (Outcome::Failed, false, 1),
            (Outcome::InDoubt, false, 1),
        ] {
            assert_eq!(
                Exit::of_outcomes([(Outcome::Succeeded, false), (outcome, duplicate)]).code(),
                code,
                "{outcome}"
            );
        }
    }
}
