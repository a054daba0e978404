//! What the world sees of a run's revocations, as text and JSON. Decides nothing.

use super::report::VerifiedCells;
use super::table::{grouped, plural, table};
use crate::run::Seen;
use crate::text::safe;
use crate::time::human;
use serde::Serialize;
use std::time::Duration;

/// What `verify --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// The plan's name.
    pub plan: String,
    /// The run directory.
    pub run_dir: String,
    /// Where the report is.
    pub report: String,
    /// Revocations that ended well.
    pub actions: u64,
    /// How many of them are seen revoked, by this verification or an earlier one.
    pub revoked: u64,
    /// How many of these by an earlier one.
    pub revoked_before: u64,
    /// How many are seen not revoked.
    pub good: u64,
    /// Of how many nothing is known.
    pub unknown: u64,
    /// Revocations that have not ended well, of which there is nothing to see.
    pub not_ended_well: u64,
    /// The exit code.
    pub exit_code: u8,
    /// What was asked about.
    pub asked: Vec<VerifiedAction>,
}

/// One action, and what the world sees of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifiedAction {
    /// The action's id.
    pub action_id: String,
    /// The configured provider's name.
    pub provider: String,
    /// What it acted on.
    pub target: String,
    /// From the action's end until it was seen revoked.
    pub seconds_to_revoke: Option<f64>,
    /// What is seen.
    #[serde(rename = "verified")]
    pub cells: VerifiedCells,
    /// Whether somebody was asked, who may say more another time.
    #[serde(skip)]
    pub was_asked: bool,
}

impl Verification {
    /// From what was asked about; `before` were seen revoked by an earlier verification.
    pub fn new(plan: String, run_dir: String, asked: Vec<VerifiedAction>, before: u64, not_ended_well: u64) -> Self {
        let count = |seen: Seen| asked.iter().filter(|action| action.cells.seen == seen).count() as u64;
        Self {
            report: std::path::Path::new(&run_dir).join("report.csv").display().to_string(),
            plan,
            run_dir,
            actions: asked.len() as u64 + before,
            revoked: count(Seen::Revoked) + before,
            revoked_before: before,
            good: count(Seen::Good),
            unknown: count(Seen::Unknown),
            not_ended_well,
            exit_code: 0,
            asked,
        }
    }

    /// The one that took longest to be seen revoked.
    fn slowest(&self) -> Option<(&VerifiedAction, f64)> {
        let timed = self.asked.iter().filter_map(|action| Some((action, action.seconds_to_revoke?)));
        timed.max_by(|(_, one), (_, other)| one.total_cmp(other))
    }
}

/// As text.
pub fn render(shown: &Verification) -> String {
    let mut lines = Vec::new();
    if shown.actions == 0 {
        lines
            .push(format!("{}: no revocation has ended well, so there is nothing to see", safe::terminal(&shown.plan)));
    } else {
        let (revoked, actions) = (grouped(shown.revoked), plural(shown.actions, "revocation"));
        lines.push(format!("{}: {revoked} of {actions} seen revoked", safe::terminal(&shown.plan)));
        let mut counts = Vec::new();
        for (count, words) in [
            (shown.revoked_before, "seen revoked by an earlier verification"),
            (shown.good, "not revoked, as far as is seen"),
            (shown.unknown, "unknown"),
        ] {
            if count > 0 {
                counts.push(format!("{} {words}", grouped(count)));
            }
        }
        if !counts.is_empty() {
            lines.push(counts.join(", "));
        }
    }
    if shown.not_ended_well > 0 {
        lines.push(format!("{} not ended well, and not asked about", plural(shown.not_ended_well, "revocation")));
    }
    if let Some((action, seconds)) = shown.slowest() {
        let after = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        lines.push(format!(
            "slowest: {}, seen revoked {} after its end",
            safe::terminal(&action.action_id),
            human(after)
        ));
    }
    let unseen: Vec<&VerifiedAction> = shown.asked.iter().filter(|action| action.cells.seen != Seen::Revoked).collect();
    if !unseen.is_empty() {
        let row = |action: &&VerifiedAction| {
            let why = action.cells.why.clone().unwrap_or_default();
            vec![action.action_id.clone(), action.target.clone(), action.cells.seen.word().to_owned(), why]
        };
        let rows: Vec<Vec<String>> = unseen.iter().take(MOST_SHOWN).map(row).collect();
        lines.push(format!(
            "\nnot seen revoked:\n{}",
            table(&["action", "target", "seen", "why"], &[], &rows).trim_end()
        ));
        if unseen.len() > MOST_SHOWN {
            lines.push(format!("  and {} more; the report has them all", grouped((unseen.len() - MOST_SHOWN) as u64)));
        }
    }
    lines.push(format!("\nReport: {}", safe::terminal(&shown.report)));
    if unseen.iter().any(|action| action.was_asked) {
        let quoted = shlex::try_quote(&shown.run_dir).unwrap_or_default();
        let again = format!("certsweep verify {} --wait 24h", safe::terminal(&quoted));
        lines
            .push(format!("Next:   {again}, which asks about the rest until all are seen revoked; CAs may take hours"));
        if unseen.iter().any(|action| action.was_asked && action.cells.seen == Seen::Unknown) {
            lines.push(
                "        tell the CA of lists and answers that do not hold; until then nobody is warned by them"
                    .to_owned(),
            );
        }
    }
    lines.join("\n") + "\n"
}

/// Actions that the text lists.
const MOST_SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Witness;
    use jiff::Timestamp;

    fn action(id: &str, seen: Seen, seconds: Option<f64>, why: Option<&str>) -> VerifiedAction {
        let cells = VerifiedCells {
            seen,
            at: Timestamp::UNIX_EPOCH,
            by: vec![Witness::Crl],
            revoked_at: None,
            why: why.map(str::to_owned),
        };
        VerifiedAction {
            action_id: id.to_owned(),
            provider: "digicert".to_owned(),
            target: "7".to_owned(),
            seconds_to_revoke: seconds,
            cells,
            was_asked: true,
        }
    }

    #[test]
    fn what_is_not_seen_revoked_is_listed_with_its_reason() {
        let asked = vec![
            action("a", Seen::Revoked, Some(3.0), None),
            action("b", Seen::Revoked, Some(200.0), None),
            action("c\u{1b}", Seen::Good, None, Some("crl: not revoked")),
            action("d", Seen::Unknown, None, Some("ocsp: it is out of date\nreally")),
        ];
        let shown = Verification::new("leak".to_owned(), "runs/x".to_owned(), asked, 2, 1);
        assert_eq!((shown.actions, shown.revoked, shown.good, shown.unknown), (6, 4, 1, 1));
        let text = render(&shown);
        for expected in [
            "leak: 4 of 6 revocations seen revoked",
            "2 seen revoked by an earlier verification, 1 not revoked, as far as is seen, 1 unknown",
            "1 revocation not ended well",
            "slowest: b, seen revoked 3m 20s after its end",
            "c\\u{1b}",
            "crl: not revoked",
            "really",
            "Report: runs/x/report.csv",
            "Next:   certsweep verify runs/x --wait 24h,",
            "        tell the CA of lists",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        let mut unasked = action("e", Seen::Unknown, None, Some("there is nobody to ask"));
        unasked.was_asked = false;
        let unasked = Verification::new("leak".to_owned(), "runs/x".to_owned(), vec![unasked], 0, 0);
        assert!(!render(&unasked).contains("Next:"));
        let nothing = Verification::new("leak".to_owned(), "runs/x".to_owned(), vec![], 0, 0);
        let nothing = render(&nothing);
        assert!(nothing.contains("nothing to see") && !nothing.contains("Next:"), "{nothing}");
    }
}
