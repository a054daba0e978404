//! `safety.canary`: whether a canary that was answered with success did take effect. Pure; the answer alone proves little.

use crate::provider::Standing;
use crate::run::Outcome;
use std::time::Duration;

/// What follows from reading a canary's target back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterLook {
    /// The next may go.
    GoOn,
    /// The next may go, and the user is told that nothing was proved.
    GoOnUnproved(String),
    /// It is read back once more after this pause: a provider may be slow to show what it has done.
    LookAgain(Duration),
    /// It did not take effect: the run stops, for this reason.
    Stop(String),
}

/// Whether a canary that ended so is read back. One that waits for a person has no effect to show yet, and a bad end stops the run
/// anyway.
pub const fn is_looked_at(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Succeeded | Outcome::AlreadyDone)
}

/// What follows from the `looks`-th look at the target of a canary that was said to have ended well.
pub fn after_look(standing: Standing, seen: &str, looks: u32) -> AfterLook {
    match standing {
        Standing::Done | Standing::Pending => AfterLook::GoOn,
        Standing::Unknown if seen.is_empty() => AfterLook::GoOnUnproved("the status query does not tell".to_owned()),
        Standing::Unknown => AfterLook::GoOnUnproved(format!("the status query does not tell: {seen}")),
        Standing::NotDone if looks < LOOKS => AfterLook::LookAgain(BETWEEN_LOOKS.saturating_mul(looks.max(1))),
        Standing::NotDone => AfterLook::Stop(format!(
            "was answered with success, and the status query shows that it did not take effect: {seen}"
        )),
    }
}

/// So often a target is read back before a canary counts as without effect.
const LOOKS: u32 = 3;
/// The pause before the second look; the third comes after twice as long.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_look_that_shows_no_effect_stops_the_run() {
        let again = |seconds| AfterLook::LookAgain(Duration::from_secs(seconds));
        for (standing, looks, expected) in [
            (Standing::Done, 1, AfterLook::GoOn),
            (Standing::Done, 3, AfterLook::GoOn),
            (Standing::Pending, 1, AfterLook::GoOn),
            (Standing::Unknown, 1, AfterLook::GoOnUnproved("the status query does not tell: x".to_owned())),
            (Standing::Unknown, 3, AfterLook::GoOnUnproved("the status query does not tell: x".to_owned())),
            (Standing::NotDone, 1, again(2)),
            (Standing::NotDone, 2, again(4)),
            (
                Standing::NotDone,
                3,
                AfterLook::Stop(
                    "was answered with success, and the status query shows that it did not take effect: x".to_owned(),
                ),
            ),
        ] {
            assert_eq!(after_look(standing, "x", looks), expected, "{standing:?} {looks}");
        }
    }

    #[test]
    fn what_was_said_to_have_taken_effect_is_looked_at() {
        for outcome in Outcome::ALL {
            let expected = matches!(outcome, Outcome::Succeeded | Outcome::AlreadyDone);
            assert_eq!(is_looked_at(outcome), expected, "{outcome}");
        }
    }
}
