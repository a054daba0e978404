//! The result of `verify`, as text and JSON: which revocations the provider, CRLs and OCSP confirm. Actions are added one by one, and only
//! those that the text lists are stored. Decides nothing.

use super::report::{VerifiedCells, file_name};
use super::terminal::{grouped, plural, table};
use crate::run::Seen;
use crate::text::safe;
use crate::time::human;
use serde::ser::{Error, SerializeSeq};
use serde::{Serialize, Serializer};
use std::time::Duration;

/// What `verify --json` prints, except the list of actions.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct VerificationSummary {
    /// The plan's name.
    pub plan: String,
    /// The run directory.
    pub run_dir: String,
    /// Whether the run was a rehearsal: then the simulator was asked.
    pub simulated: bool,
    /// Where the report is.
    pub report: String,
    /// Revocations that ended well.
    pub actions: u64,
    /// How many of them are seen revoked, by this verification or an earlier one.
    pub revoked: u64,
    /// How many of these by an earlier one.
    pub revoked_before: u64,
    /// How many are seen on hold.
    pub on_hold: u64,
    /// How many are seen not revoked.
    pub good: u64,
    /// Of how many nothing is known.
    pub unknown: u64,
    /// How many of the revoked are published with a reason that was neither asked nor sent.
    pub other_reason: u64,
    /// Revocations that have not ended well, of which there is nothing to see.
    pub not_ended_well: u64,
    /// The exit code.
    pub exit_code: u8,
    /// The action that was seen revoked last after its end, and after how many seconds.
    #[serde(skip)]
    slowest: Option<(String, f64)>,
    /// The first that are not seen revoked.
    #[serde(skip)]
    unseen: Vec<VerifiedAction>,
    /// The first that are published with another reason.
    #[serde(skip)]
    differing: Vec<VerifiedAction>,
    /// How many are on hold as was asked.
    #[serde(skip)]
    held_as_asked: u64,
    /// Whether somebody was asked about what is not seen revoked, and whether of something of which nothing is known.
    #[serde(skip)]
    again: (bool, bool),
}

/// What an earlier verification has seen revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EarlierRevoked {
    /// How many actions.
    pub revoked: u64,
    /// How many of them are published with a reason that was neither asked nor sent.
    pub other_reason: u64,
}

/// One action and its revocation status.
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
    /// Whether a source was asked: then asking again may help.
    #[serde(skip)]
    pub was_asked: bool,
    /// Whether a hold is what was asked for.
    #[serde(skip)]
    pub wants_hold: bool,
}

/// Calls back for each action that was asked about; `Err` says why no more could be read.
pub type EachVerified<'a> = &'a dyn Fn(&mut dyn FnMut(VerifiedAction)) -> Result<(), String>;

/// What `verify --json` prints. Actions are read while they are written: there may be a million.
#[derive(Serialize)]
pub struct VerificationJson<'a> {
    /// All but the list.
    #[serde(flatten)]
    pub verification: &'a VerificationSummary,
    /// What was asked about.
    #[serde(serialize_with = "serialize_each")]
    pub asked: EachVerified<'a>,
}

fn serialize_each<S: Serializer>(each: &EachVerified<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(None)?;
    let mut failed = None;
    each(&mut |action| {
        // The callback cannot end the reading early, so after a failed write the other actions are only skipped.
        if failed.is_none() {
            failed = list.serialize_element(&action).err();
        }
    })
    .map_err(S::Error::custom)?;
    failed.map_or_else(|| list.end(), Err)
}

impl VerificationSummary {
    /// Without any action yet but those of an earlier verification.
    pub fn new(plan: String, run_dir: String, simulated: bool, earlier: EarlierRevoked, not_ended_well: u64) -> Self {
        Self {
            report: std::path::Path::new(&run_dir).join(file_name(simulated)).display().to_string(),
            simulated,
            plan,
            run_dir,
            actions: earlier.revoked,
            revoked: earlier.revoked,
            revoked_before: earlier.revoked,
            other_reason: earlier.other_reason,
            not_ended_well,
            ..Self::default()
        }
    }

    /// Whether everything is seen as it was asked for.
    pub fn is_all_seen(&self) -> bool {
        self.revoked + self.held_as_asked == self.actions
    }

    /// Whether to ask again is what is to be done next.
    pub const fn is_to_be_asked_again(&self) -> bool {
        self.again.0
    }

    /// Adds an action that was asked about.
    pub fn add(&mut self, action: VerifiedAction) {
        let seen = action.cells.seen;
        let held_as_asked = seen == Seen::OnHold && action.wants_hold;
        self.actions += 1;
        self.held_as_asked += u64::from(held_as_asked);
        match seen {
            Seen::Revoked => self.revoked += 1,
            Seen::OnHold => self.on_hold += 1,
            Seen::Good => self.good += 1,
            Seen::Unknown => self.unknown += 1,
        }
        let slowest = self.slowest.as_ref().map(|(_, seconds)| *seconds);
        if let Some(seconds) =
            action.seconds_to_revoke.filter(|seconds| slowest.is_none_or(|slowest| slowest < *seconds))
        {
            self.slowest = Some((action.action_id.clone(), seconds));
        }
        if action.cells.note.is_some() {
            self.other_reason += 1;
            if self.differing.len() < MAX_SHOWN {
                self.differing.push(action.clone());
            }
        }
        if seen != Seen::Revoked && !held_as_asked {
            self.again.0 |= action.was_asked;
            self.again.1 |= action.was_asked && seen == Seen::Unknown;
            // The text lists a few; all are in the report.
            if self.unseen.len() < MAX_SHOWN {
                self.unseen.push(action);
            }
        }
    }
}

/// As text.
pub fn render(shown: &VerificationSummary) -> String {
    let mut lines = Vec::new();
    if shown.simulated {
        lines.push("REHEARSAL (simulated): the simulator was asked, and no CA".to_owned());
    }
    if shown.actions == 0 {
        lines
            .push(format!("{}: no revocation has ended well, so there is nothing to see", safe::terminal(&shown.plan)));
    } else {
        let (revoked, actions) = (grouped(shown.revoked), plural(shown.actions, "revocation"));
        lines.push(format!("{}: {revoked} of {actions} seen revoked", safe::terminal(&shown.plan)));
        let mut counts = Vec::new();
        for (count, words) in [
            (shown.revoked_before, "seen revoked by an earlier verification"),
            (shown.on_hold, "on hold"),
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
        let have = if shown.not_ended_well == 1 { "has" } else { "have" };
        let revocations = plural(shown.not_ended_well, "revocation");
        lines.push(format!("{revocations} {have} not ended well, and nobody was asked about that"));
    }
    if let Some((id, seconds)) = &shown.slowest {
        let after = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
        lines.push(format!("slowest: {}, seen revoked {} after its end", safe::terminal(id), human(after)));
    }
    if !shown.unseen.is_empty() {
        let row = |action: &VerifiedAction| {
            let why = action.cells.why.clone().unwrap_or_default();
            vec![action.action_id.clone(), action.target.clone(), action.cells.seen.as_str().to_owned(), why]
        };
        let rows: Vec<Vec<String>> = shown.unseen.iter().map(row).collect();
        lines.push(format!(
            "\nnot seen revoked:\n{}",
            table(&["action", "target", "seen", "why"], &[], &rows).trim_end()
        ));
        let unseen = shown.actions.saturating_sub(shown.revoked + shown.held_as_asked);
        lines.extend(and_more(unseen, shown.unseen.len()));
    }
    if shown.other_reason > 0 {
        lines.push(format!(
            "\n{} published with a reason that was neither asked nor sent; ask the CA to correct it:",
            plural(shown.other_reason, "revocation")
        ));
        let row = |action: &VerifiedAction| {
            vec![action.action_id.clone(), action.target.clone(), action.cells.note.clone().unwrap_or_default()]
        };
        let rows: Vec<Vec<String>> = shown.differing.iter().map(row).collect();
        if !rows.is_empty() {
            lines.push(table(&["action", "target", "reason"], &[], &rows).trim_end().to_owned());
        }
        lines.extend(and_more(shown.other_reason, rows.len()));
    }
    lines.push(format!("\nReport: {}", safe::terminal(&shown.report)));
    let (_, tell) = shown.again;
    if shown.is_to_be_asked_again() {
        let quoted = shlex::try_quote(&shown.run_dir).unwrap_or_default();
        let again = format!("certsweep verify {} --wait 24h", safe::terminal(&quoted));
        lines
            .push(format!("Next:   {again}, which asks about the rest until all are seen revoked; CAs may take hours"));
        if tell {
            lines.push(
                "        tell the CA of lists and answers that are not valid: until they are, they warn nobody"
                    .to_owned(),
            );
        }
    }
    lines.join("\n") + "\n"
}

/// Of so many, so many are listed.
fn and_more(all: u64, listed: usize) -> Option<String> {
    let more = all.saturating_sub(listed as u64);
    (more > 0).then(|| format!("  and {} more; the report has them all", grouped(more)))
}

/// Actions that the text lists.
const MAX_SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::StatusSource;
    use jiff::Timestamp;

    fn action(id: &str, seen: Seen, seconds: Option<f64>, why: Option<&str>) -> VerifiedAction {
        let cells = VerifiedCells {
            seen,
            at: Timestamp::UNIX_EPOCH,
            by: vec![StatusSource::Crl],
            revoked_at: None,
            reason: None,
            note: None,
            why: why.map(str::to_owned),
        };
        VerifiedAction {
            action_id: id.to_owned(),
            provider: "digicert".to_owned(),
            target: "7".to_owned(),
            seconds_to_revoke: seconds,
            cells,
            was_asked: true,
            wants_hold: false,
        }
    }

    fn verification(asked: Vec<VerifiedAction>, before: u64, not_well: u64) -> VerificationSummary {
        let earlier = EarlierRevoked { revoked: before, other_reason: 0 };
        let mut shown = VerificationSummary::new("leak".to_owned(), "runs/x".to_owned(), false, earlier, not_well);
        asked.into_iter().for_each(|action| shown.add(action));
        shown
    }

    #[test]
    fn of_many_that_are_not_seen_the_first_are_listed_and_the_rest_counted() {
        let asked = (0..100).map(|number| action(&format!("a{number}"), Seen::Good, None, Some("crl: not revoked")));
        let text = render(&verification(asked.collect(), 0, 0));
        assert!(text.contains("  a39 ") && !text.contains("a40") && text.contains("and 60 more"), "{text}");
    }

    #[test]
    fn holds_and_other_reasons_are_told_apart() {
        let held = action("a", Seen::OnHold, None, Some("crl: on hold since then, which its CA may lift"));
        let mut as_asked = action("b", Seen::OnHold, None, Some("crl: on hold"));
        as_asked.wants_hold = true;
        let mut other = action("c", Seen::Revoked, Some(1.0), None);
        other.cells.note = Some("published as superseded, and keyCompromise was asked".to_owned());
        let shown = verification(vec![held.clone(), as_asked.clone(), other.clone()], 0, 0);
        let text = render(&shown);
        for expected in [
            "leak: 1 of 3 revocations seen revoked\n2 on hold\n",
            "a       7       on-hold  crl: on hold since then, which its CA may lift",
            "1 revocation published with a reason that was neither asked nor sent; ask the CA to correct it:",
            "c       7       published as superseded, and keyCompromise was asked",
            "Next:   certsweep verify runs/x --wait 24h,",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert!(!text.contains("crl: on hold\n") && !shown.is_all_seen(), "{text}");
        let shown = verification(vec![as_asked, other], 0, 0);
        assert!(shown.is_all_seen() && !render(&shown).contains("Next:"));
        let earlier = EarlierRevoked { revoked: 3, other_reason: 2 };
        let shown = VerificationSummary::new("leak".to_owned(), "runs/x".to_owned(), false, earlier, 0);
        let text = render(&shown);
        assert!(text.contains("2 revocations published") && text.contains("and 2 more; the report has"), "{text}");
    }

    #[test]
    fn what_is_not_seen_revoked_is_listed_with_its_reason() {
        let asked = vec![
            action("a", Seen::Revoked, Some(3.0), None),
            action("b", Seen::Revoked, Some(200.0), None),
            action("c\u{1b}", Seen::Good, None, Some("crl: not revoked")),
            action("d", Seen::Unknown, None, Some("ocsp: it is out of date\nreally")),
        ];
        let shown = verification(asked.clone(), 2, 1);
        assert_eq!((shown.actions, shown.revoked, shown.good, shown.unknown), (6, 4, 1, 1));
        let text = render(&shown);
        for expected in [
            "leak: 4 of 6 revocations seen revoked",
            "2 seen revoked by an earlier verification, 1 not revoked, as far as is seen, 1 unknown",
            "1 revocation has not ended well, and nobody was asked about that",
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
        let walk: EachVerified<'_> = &|each| {
            asked.iter().cloned().for_each(each);
            Ok(())
        };
        let json = serde_json::to_value(VerificationJson { verification: &shown, asked: walk }).unwrap();
        assert_eq!((&json["actions"], &json["asked"][2]["verified"]["seen"]), (&6.into(), &"good".into()));
        let torn: EachVerified<'_> = &|_| Err("the disk is gone".to_owned());
        let error = serde_json::to_value(VerificationJson { verification: &shown, asked: torn }).unwrap_err();
        assert!(error.to_string().contains("the disk is gone"));
        let mut unasked = action("e", Seen::Unknown, None, Some("there is nobody to ask"));
        unasked.was_asked = false;
        let unasked = verification(vec![unasked], 0, 0);
        assert!(!render(&unasked).contains("Next:"));
        let nothing = verification(vec![], 0, 0);
        let nothing = render(&nothing);
        assert!(nothing.contains("nothing to see") && !nothing.contains("Next:"), "{nothing}");
    }
}
