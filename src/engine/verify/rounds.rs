//! When cases are asked about again, and what the answers mean together: rounds with growing pauses until all is seen revoked or the time is
//! over. A state machine on a given `now`; asks nobody, and keeps of a case only whether it is settled, since what was seen stands in the journal.

use super::cases::{Case, Cases, VerifyTarget};
use crate::engine::timing::Moment;
use crate::pki::RevocationReason;
use crate::run::{Ordinal, Seen, StatusSource, StatusSources};
use jiff::Timestamp;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;

/// An answer, by whom, and when it came.
pub(super) type SourceTold = (StatusSource, SourceAnswer, Timestamp);

/// A case that is being asked about. It is over when nobody holds it any more: who is asked holds it until the answer is there, and whoever
/// panics or is stopped lets it go as well.
#[derive(Debug)]
pub(super) struct OpenCase {
    pub(super) target: VerifyTarget,
    answers: RefCell<Vec<SourceTold>>,
    over: Option<mpsc::UnboundedSender<AnsweredCase>>,
}

/// A case about which nobody is asked any more.
#[derive(Debug)]
pub(super) struct AnsweredCase {
    pub(super) target: VerifyTarget,
    pub(super) answers: Vec<SourceTold>,
}

/// What one source says of one action's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceAnswer {
    /// It is revoked; since when and why, where the source says that.
    Revoked(Option<Timestamp>, Option<RevocationReason>),
    /// It is on hold, by a list or an answer of this time.
    OnHold {
        /// Since when.
        since: Timestamp,
        /// Of when the list or the answer is.
        as_of: Timestamp,
    },
    /// A hold was lifted before the time of this list of changes.
    Lifted(Timestamp),
    /// It is not revoked; with what of the answer shows it, where there is anything.
    Good(Option<Rc<str>>),
    /// Nothing that counts, for this reason.
    Nothing(Rc<str>),
}

/// What all sources together say of one action's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What is seen.
    pub seen: Seen,
    /// When it was seen.
    pub at: Timestamp,
    /// Who says so.
    pub by: StatusSources,
    /// Since when it is revoked or on hold, as its issuer says.
    pub revoked_at: Option<Timestamp>,
    /// Why it is, as its issuer says.
    pub reason: Option<RevocationReason>,
    /// Why it is not seen revoked.
    pub why: Option<Rc<str>>,
}

/// What follows a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Another one, at this moment.
    Again(Moment),
    /// Everything is seen revoked, or the time is over, or no source is left to be asked.
    Over,
}

/// The rounds of a verification.
#[derive(Debug)]
pub struct Rounds {
    /// By ordinal: whether it was seen revoked, or on hold as was asked.
    settled: Vec<bool>,
    revoked: usize,
    /// How many are not settled and can be asked about.
    left: usize,
    /// Rounds that have begun.
    begun: u64,
    until: Moment,
    pause: Duration,
}

/// What is to be written of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseSight {
    /// What is seen.
    pub observation: Observation,
    /// Whether only where the journal's last record says something else.
    pub if_new: bool,
}

impl OpenCase {
    /// Whoever listens at `over` gets it in the end.
    pub(super) fn new(target: VerifyTarget, over: Option<mpsc::UnboundedSender<AnsweredCase>>) -> Self {
        Self { target, answers: RefCell::default(), over }
    }

    /// Takes what a source says.
    pub(super) fn take(&self, source: StatusSource, answer: SourceAnswer, at: Timestamp) {
        self.answers.borrow_mut().push((source, answer, at));
    }

    /// What was answered, for one to whom nobody listens.
    pub(super) fn into_answers(self) -> Vec<SourceTold> {
        self.answers.take()
    }
}

impl Drop for OpenCase {
    fn drop(&mut self) {
        if let Some(over) = self.over.take() {
            let (target, answers) = (std::mem::take(&mut self.target), self.answers.take());
            drop(over.send(AnsweredCase { target, answers }));
        }
    }
}

impl Rounds {
    /// Rounds for these cases, until so long after `now`.
    pub fn new(cases: &Cases, now: Moment, wait: Duration) -> Self {
        Self {
            settled: vec![false; cases.actions()],
            revoked: 0,
            left: cases.iter().filter(|case| !case.sources.is_empty()).count(),
            begun: 0,
            until: now + wait,
            pause: FIRST_PAUSE,
        }
    }

    /// Begins a round.
    pub const fn begin(&mut self) {
        self.begun += 1;
    }

    /// Whether a case belongs to the round that has begun: in the first one all do, so that something is written of each.
    pub fn is_due(&self, ordinal: Ordinal, case: Case) -> bool {
        self.is_first() || (!case.sources.is_empty() && !self.is_settled(ordinal))
    }

    /// Whether the first round has begun and no other.
    pub const fn is_first(&self) -> bool {
        self.begun <= 1
    }

    fn is_settled(&self, ordinal: Ordinal) -> bool {
        usize::try_from(ordinal).is_ok_and(|place| self.settled.get(place).is_some_and(|settled| *settled))
    }

    /// Nobody is asked about a case any more in this round: what is to be written of it. Nothing, where nobody answered in a later round than the
    /// first: what was seen before is all that is known.
    pub fn close(
        &mut self,
        target: &VerifyTarget,
        answers: &[SourceTold],
        now: Moment,
        at: Timestamp,
    ) -> Option<CaseSight> {
        let mut observation = combine(answers, at);
        if answers.is_empty() && !target.sources.is_empty() {
            if !self.is_first() {
                return None;
            }
            observation.why = Some(NOT_ANSWERED.into());
        }
        let settled = match observation.seen {
            Seen::Revoked => true,
            Seen::OnHold => target.reason.is_hold(),
            Seen::Good | Seen::Unknown => false,
        };
        let place = usize::try_from(target.ordinal).ok().and_then(|place| self.settled.get_mut(place));
        if let Some(place) = place.filter(|place| settled && !**place) {
            *place = true;
            self.revoked += 1;
            self.left = self.left.saturating_sub(1);
        }
        // Most of a million may stay as they were for hours. At the end each has the time of the last look.
        let if_new = !settled && !self.is_first() && now < self.until;
        Some(CaseSight { observation: with_note(observation, target), if_new })
    }

    /// Ends a round: what follows.
    pub fn end(&mut self, now: Moment) -> After {
        if now >= self.until || self.left == 0 {
            After::Over
        } else {
            let next = (now + self.pause).min(self.until);
            self.pause = self.pause.saturating_mul(2).min(MAX_PAUSE);
            After::Again(next)
        }
    }

    /// How many are seen revoked, or on hold as was asked.
    pub fn settled(&self) -> usize {
        self.revoked
    }
}

/// What stood in the way of asking others belongs to why something is not seen revoked.
fn with_note(observation: Observation, target: &VerifyTarget) -> Observation {
    let why = match (&target.note, observation.why) {
        (Some(note), Some(_)) if target.sources.is_empty() => Some(Rc::clone(note)),
        (Some(note), Some(why)) => Some(format!("{why}; {note}").into()),
        (_, why) => why,
    };
    Observation { why, ..observation }
}

/// What sources say together: revoked where one of them says so; on hold where the newest of the issuer's own words is a hold; good where
/// those who say something all say so; otherwise unknown.
pub fn combine(answers: &[SourceTold], now: Timestamp) -> Observation {
    let mut answers: Vec<&SourceTold> = answers.iter().collect();
    answers.sort_by_key(|(source, ..)| *source);
    let lifted = |answer: &SourceAnswer| if let SourceAnswer::Lifted(as_of) = answer { Some(*as_of) } else { None };
    let lifted = answers.iter().filter_map(|(_, answer, _)| lifted(answer)).max();
    let held = |answer: &SourceAnswer| match answer {
        SourceAnswer::OnHold { since, as_of } if lifted.is_none_or(|lifted| lifted < *as_of) => Some(*since),
        _ => None,
    };
    let is_held = answers.iter().any(|(_, answer, _)| held(answer).is_some());
    // A provider's own state mostly does not tell a hold from a revocation; a list or an answer of its issuer does.
    let is_revoked = |source: StatusSource, answer: &SourceAnswer| {
        matches!(answer, SourceAnswer::Revoked(..)) && !(is_held && source == StatusSource::Provider)
    };
    let revoked = || answers.iter().copied().filter(|(source, answer, _)| is_revoked(*source, answer));
    if let Some(at) = revoked().map(|(_, _, at)| *at).min() {
        let said = || {
            revoked().filter_map(|(_, answer, _)| match answer {
                SourceAnswer::Revoked(since, reason) => Some((*since, *reason)),
                _ => None,
            })
        };
        let reasons = || said().filter_map(|(_, reason)| reason);
        return Observation {
            seen: Seen::Revoked,
            at,
            by: revoked().map(|(source, ..)| *source).collect(),
            revoked_at: said().filter_map(|(since, _)| since).min(),
            // Many responders leave out the reason that the list has.
            reason: reasons().find(|reason| *reason != RevocationReason::Unspecified).or_else(|| reasons().next()),
            why: None,
        };
    }
    let reasons = answers.iter().map(|(source, answer, _)| match answer {
        SourceAnswer::Revoked(..) => {
            format!("{}: revoked, or only on hold: it does not tell these apart", source.as_str())
        }
        SourceAnswer::OnHold { since, .. } if held(answer).is_some() => {
            format!("{}: on hold since {since}, which its CA may lift", source.as_str())
        }
        SourceAnswer::OnHold { .. } => format!("{}: on hold, by an older list", source.as_str()),
        SourceAnswer::Lifted(_) => format!("{}: taken off the list (removeFromCRL)", source.as_str()),
        SourceAnswer::Good(None) => format!("{}: not revoked", source.as_str()),
        SourceAnswer::Good(Some(shown)) => format!("{}: not revoked ({shown})", source.as_str()),
        SourceAnswer::Nothing(why) => format!("{}: {why}", source.as_str()),
    });
    let mut reasons: Vec<String> = reasons.collect();
    reasons.dedup();
    let why = Some(if reasons.is_empty() { NOBODY.into() } else { reasons.join("; ").into() });
    let who = |says: &dyn Fn(&SourceAnswer) -> bool| -> StatusSources {
        answers.iter().filter(|(_, answer, _)| says(answer)).map(|(source, ..)| *source).collect()
    };
    if is_held {
        return Observation {
            seen: Seen::OnHold,
            at: now,
            by: who(&|answer| held(answer).is_some()),
            revoked_at: answers.iter().filter_map(|(_, answer, _)| held(answer)).min(),
            reason: Some(RevocationReason::CertificateHold),
            why,
        };
    }
    let good = who(&|answer| matches!(answer, SourceAnswer::Good(_) | SourceAnswer::Lifted(_)));
    let seen = if good.is_empty() { Seen::Unknown } else { Seen::Good };
    Observation { seen, at: now, by: good, revoked_at: None, reason: None, why }
}

/// The reason for an action that no source can be asked about.
pub const NOBODY: &str = "there is nobody to ask: no state call fits, and no certificate is known; --certificate ID=FILE names it, or `serial_number` in the plan";
const NOT_ANSWERED: &str = "nobody had answered when it was stopped";
/// CAs publish after seconds to hours, so asking more often shows nothing sooner.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const MAX_PAUSE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::super::cases::{Feed, RequestedReason};
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn crl() -> StatusSources {
        [StatusSource::Crl].into_iter().collect()
    }

    #[test]
    fn one_revocation_is_enough_and_a_doubt_is_never_good() {
        use StatusSource::{Crl, Ocsp, Provider};
        let revoked = |since: Option<i64>| SourceAnswer::Revoked(since.map(at), None);
        let good = || SourceAnswer::Good(None);
        let nothing = || SourceAnswer::Nothing("timed out".into());
        for (answers, seen, by, since, why) in [
            (vec![], Seen::Unknown, vec![], None, Some(NOBODY)),
            (vec![(Crl, nothing())], Seen::Unknown, vec![], None, Some("crl: timed out")),
            (
                vec![(Crl, nothing()), (Ocsp, nothing())],
                Seen::Unknown,
                vec![],
                None,
                Some("crl: timed out; ocsp: timed out"),
            ),
            (
                vec![(Ocsp, good()), (Crl, nothing())],
                Seen::Good,
                vec![Ocsp],
                None,
                Some("crl: timed out; ocsp: not revoked"),
            ),
            (
                vec![(Provider, SourceAnswer::Good(Some("status issued".into()))), (Crl, good())],
                Seen::Good,
                vec![Provider, Crl],
                None,
                Some("state: not revoked (status issued); crl: not revoked"),
            ),
            (vec![(Provider, good()), (Crl, revoked(Some(7)))], Seen::Revoked, vec![Crl], Some(7), None),
            (vec![(Ocsp, revoked(Some(9))), (Crl, revoked(Some(8)))], Seen::Revoked, vec![Crl, Ocsp], Some(8), None),
            (vec![(Provider, revoked(None)), (Crl, nothing())], Seen::Revoked, vec![Provider], None, None),
            (vec![(Crl, good()), (Crl, revoked(Some(3)))], Seen::Revoked, vec![Crl], Some(3), None),
        ] {
            let answers: Vec<_> = answers.into_iter().map(|(source, answer)| (source, answer, at(100))).collect();
            let observation = combine(&answers, at(200));
            let when = if seen == Seen::Revoked { at(100) } else { at(200) };
            let expected = Observation {
                seen,
                at: when,
                by: by.into_iter().collect(),
                revoked_at: since.map(at),
                reason: None,
                why: why.map(Rc::from),
            };
            assert_eq!(observation, expected, "{answers:?}");
        }
    }

    #[test]
    fn a_hold_is_no_revocation_and_the_newest_word_about_it_counts() {
        use StatusSource::{Crl, Ocsp, Provider};
        let held = |as_of| SourceAnswer::OnHold { since: at(1), as_of: at(as_of) };
        let revoked = || SourceAnswer::Revoked(Some(at(5)), Some(RevocationReason::KeyCompromise));
        let state = || SourceAnswer::Revoked(None, None);
        let lifted = |as_of| SourceAnswer::Lifted(at(as_of));
        let hold = "on hold since 1970-01-01T00:00:01Z, which its CA may lift";
        for (answers, seen, by, why) in [
            (vec![(Crl, held(9))], Seen::OnHold, vec![Crl], format!("crl: {hold}")),
            (
                vec![(Crl, held(9)), (Ocsp, held(9))],
                Seen::OnHold,
                vec![Crl, Ocsp],
                format!("crl: {hold}; ocsp: {hold}"),
            ),
            (
                vec![(Ocsp, SourceAnswer::Good(None)), (Crl, held(9))],
                Seen::OnHold,
                vec![Crl],
                format!("crl: {hold}; ocsp: not revoked"),
            ),
            (vec![(Crl, held(9)), (Ocsp, revoked())], Seen::Revoked, vec![Ocsp], String::new()),
            // The provider's own state does not tell a hold from a revocation.
            (
                vec![(Provider, state()), (Crl, held(9))],
                Seen::OnHold,
                vec![Crl],
                format!("state: revoked, or only on hold: it does not tell these apart; crl: {hold}"),
            ),
            (vec![(Provider, state()), (Crl, lifted(9))], Seen::Revoked, vec![Provider], String::new()),
            // A list and the list of changes to it.
            (
                vec![(Crl, held(9)), (Crl, lifted(9))],
                Seen::Good,
                vec![Crl],
                "crl: on hold, by an older list; crl: taken off the list (removeFromCRL)".to_owned(),
            ),
            (
                vec![(Crl, lifted(9)), (Crl, held(10))],
                Seen::OnHold,
                vec![Crl],
                format!("crl: taken off the list (removeFromCRL); crl: {hold}"),
            ),
            (vec![(Crl, lifted(9))], Seen::Good, vec![Crl], "crl: taken off the list (removeFromCRL)".to_owned()),
        ] {
            let answers: Vec<_> = answers.into_iter().map(|(source, answer)| (source, answer, at(100))).collect();
            let observation = combine(&answers, at(200));
            let expected: StatusSources = by.into_iter().collect();
            assert_eq!((observation.seen, observation.by), (seen, expected), "{answers:?}");
            assert_eq!(observation.why.as_deref().unwrap_or_default(), why, "{answers:?}");
            let reason = (seen == Seen::OnHold).then_some(RevocationReason::CertificateHold);
            assert!(seen == Seen::Revoked || observation.reason == reason, "{observation:?}");
        }
    }

    #[test]
    fn the_published_reason_is_the_lists_where_it_says_one() {
        use RevocationReason::{KeyCompromise, Superseded, Unspecified};
        use StatusSource::{Crl, Ocsp, Provider};
        for (answers, expected) in [
            (vec![(Crl, Some(KeyCompromise))], Some(KeyCompromise)),
            (vec![(Ocsp, Some(Unspecified)), (Crl, Some(KeyCompromise))], Some(KeyCompromise)),
            (vec![(Ocsp, Some(KeyCompromise)), (Crl, Some(Unspecified))], Some(KeyCompromise)),
            (vec![(Ocsp, Some(KeyCompromise)), (Crl, Some(Superseded))], Some(Superseded)),
            (vec![(Ocsp, Some(Unspecified)), (Provider, None)], Some(Unspecified)),
            (vec![(Provider, None)], None),
        ] {
            let answers: Vec<_> = answers
                .into_iter()
                .map(|(source, reason)| (source, SourceAnswer::Revoked(None, reason), at(1)))
                .collect();
            assert_eq!(combine(&answers, at(2)).reason, expected, "{answers:?}");
        }
        // Asked, sent in its place, published; whether that is told.
        for (asked, sent, published, expected) in [
            (None, None, Superseded, false),
            (Some(KeyCompromise), Some(KeyCompromise), KeyCompromise, false),
            (Some(KeyCompromise), Some(KeyCompromise), Unspecified, true),
            (Some(KeyCompromise), Some(KeyCompromise), Superseded, true),
            (Some(Superseded), Some(Superseded), KeyCompromise, true),
            // The plan sends another one on purpose.
            (Some(KeyCompromise), Some(Unspecified), Unspecified, false),
            (Some(KeyCompromise), Some(Unspecified), KeyCompromise, false),
            (Some(KeyCompromise), Some(Unspecified), Superseded, true),
            (Some(KeyCompromise), None, Superseded, true),
        ] {
            let reason = RequestedReason { asked, sent };
            assert_eq!(reason.differs(published), expected, "{reason:?} {published}");
        }
    }

    /// So many cases that a list may tell of.
    fn by_list(number: u64) -> Cases {
        let mut cases = Cases::default();
        (0..number).for_each(|ordinal| cases.push(ordinal, 0, crl(), false));
        cases
    }

    fn target(ordinal: Ordinal, reason: RequestedReason) -> VerifyTarget {
        VerifyTarget { ordinal, sources: crl(), reason, ..VerifyTarget::default() }
    }

    /// The cases of a round, one after another.
    fn round(rounds: &mut Rounds, cases: &Cases) -> Vec<Ordinal> {
        rounds.begin();
        let (mut feed, mut due) = (Feed::new(cases, 1), Vec::new());
        while let Some((ordinal, case)) = feed.next(cases, |ordinal, case| rounds.is_due(ordinal, case)) {
            due.push(ordinal);
            feed.close(Some(case));
        }
        assert!(feed.is_over());
        due
    }

    /// What a list says of a case.
    fn told(rounds: &mut Rounds, target: &VerifyTarget, answer: SourceAnswer, now: Moment) -> Option<CaseSight> {
        rounds.close(target, &[(StatusSource::Crl, answer, at(3))], now, at(3))
    }

    #[test]
    fn rounds_go_on_with_growing_pauses_until_all_is_seen_revoked_or_the_time_is_over() {
        // For each case the round in which it is seen revoked, 0 for never; how long to wait; when the rounds are.
        for (seen_in, wait, expected) in [
            (vec![1], 0, vec![0]),
            (vec![0], 0, vec![0]),
            (vec![1, 2], 100, vec![0, 2]),
            (vec![3, 1], 100, vec![0, 2, 6]),
            (vec![0], 10, vec![0, 2, 6, 10]),
            (vec![0], 700, vec![0, 2, 6, 14, 30, 62, 126, 254, 510, 700]),
            (vec![], 10, vec![0]),
        ] {
            let start = Duration::from_secs(1000);
            let mut now = start;
            let cases = by_list(seen_in.len() as u64);
            let mut rounds = Rounds::new(&cases, now, Duration::from_secs(wait));
            let mut moments = Vec::new();
            loop {
                moments.push((now - start).as_secs());
                for ordinal in round(&mut rounds, &cases) {
                    let wanted = seen_in[usize::try_from(ordinal).unwrap()];
                    assert!(wanted == 0 || moments.len() <= wanted, "what is revoked is asked again");
                    let revoked = moments.len() == wanted;
                    let answer = if revoked { SourceAnswer::Revoked(None, None) } else { SourceAnswer::Good(None) };
                    told(&mut rounds, &target(ordinal, RequestedReason::default()), answer, now);
                }
                match rounds.end(now) {
                    After::Again(next) => now = next,
                    After::Over => break,
                }
            }
            assert_eq!(moments, expected, "{seen_in:?} {wait}");
            assert_eq!(rounds.settled(), seen_in.iter().filter(|round| **round > 0).count());
        }
    }

    #[test]
    fn what_nobody_can_be_asked_about_is_told_once_and_not_waited_for() {
        let mut cases = Cases::default();
        cases.push(0, 0, StatusSources::default(), false);
        cases.push(1, 0, crl(), false);
        let mut rounds = Rounds::new(&cases, Duration::ZERO, Duration::from_secs(60));
        assert_eq!(round(&mut rounds, &cases), [0, 1]);
        for (note, why) in [(None, NOBODY), (Some("no file"), "no file")] {
            let alone = VerifyTarget { note: note.map(Rc::from), ..VerifyTarget::default() };
            let CaseSight { observation, if_new } = rounds.close(&alone, &[], Duration::ZERO, at(9)).unwrap();
            let expected = (Seen::Unknown, at(9), Some(why), false);
            assert_eq!((observation.seen, observation.at, observation.why.as_deref(), if_new), expected);
        }
        told(&mut rounds, &target(1, RequestedReason::default()), SourceAnswer::Good(None), Duration::ZERO);
        assert_eq!(rounds.end(Duration::ZERO), After::Again(FIRST_PAUSE));
        assert_eq!(round(&mut rounds, &cases), [1]);
        let revoked = SourceAnswer::Revoked(None, None);
        told(&mut rounds, &target(1, RequestedReason::default()), revoked, FIRST_PAUSE);
        assert_eq!((rounds.end(FIRST_PAUSE), rounds.settled()), (After::Over, 1));
    }

    #[test]
    fn a_hold_is_asked_about_again_unless_it_is_what_was_asked_for() {
        let hold = || SourceAnswer::OnHold { since: at(1), as_of: at(2) };
        let asked = RequestedReason { asked: Some(RevocationReason::CertificateHold), sent: None };
        let cases = by_list(1);
        for (reason, after) in [(RequestedReason::default(), After::Again(FIRST_PAUSE)), (asked, After::Over)] {
            let mut rounds = Rounds::new(&cases, Duration::ZERO, Duration::from_secs(60));
            assert_eq!(round(&mut rounds, &cases), [0]);
            let sight = told(&mut rounds, &target(0, reason), hold(), Duration::ZERO);
            assert_eq!(sight.map(|sight| sight.observation.seen), Some(Seen::OnHold));
            assert_eq!(rounds.end(Duration::ZERO), after);
        }
        // What is on hold may be revoked by the next list, or good again.
        for (answer, seen) in
            [(SourceAnswer::Revoked(None, None), Seen::Revoked), (SourceAnswer::Good(None), Seen::Good)]
        {
            let mut rounds = Rounds::new(&cases, Duration::ZERO, Duration::from_secs(60));
            let mut last = None;
            for answer in [hold(), answer] {
                assert_eq!(round(&mut rounds, &cases), [0]);
                last = told(&mut rounds, &target(0, RequestedReason::default()), answer, Duration::ZERO);
                rounds.end(Duration::ZERO);
            }
            assert_eq!(last.map(|sight| sight.observation.seen), Some(seen));
        }
    }

    #[test]
    fn something_is_written_of_each_in_the_first_round_then_what_is_new_and_all_that_is_left_at_the_end() {
        let good = || Some(SourceAnswer::Good(None));
        let revoked = || Some(SourceAnswer::Revoked(None, None));
        let cases = by_list(1);
        let mut rounds = Rounds::new(&cases, Duration::ZERO, Duration::from_secs(10));
        // At which second, what is answered, and what is written then: of what state, why, and whether only where it is new.
        for (second, answer, expected) in [
            (0, None, Some((Seen::Unknown, Some(NOT_ANSWERED), false))),
            (2, good(), Some((Seen::Good, Some("crl: not revoked"), true))),
            (4, None, None),
            (10, good(), Some((Seen::Good, Some("crl: not revoked"), false))),
            (10, None, None),
            (6, revoked(), Some((Seen::Revoked, None, false))),
        ] {
            rounds.begin();
            let answers: Vec<_> = answer.into_iter().map(|answer| (StatusSource::Crl, answer, at(1))).collect();
            let one = target(0, RequestedReason::default());
            let sight = rounds.close(&one, &answers, Duration::from_secs(second), at(2));
            let said = sight
                .as_ref()
                .map(|CaseSight { observation, if_new }| (observation.seen, observation.why.as_deref(), *if_new));
            assert_eq!(said, expected, "{second}");
        }
    }

    #[test]
    fn a_case_ends_when_nobody_holds_it() {
        let (over, mut answered) = mpsc::unbounded_channel();
        let case = Rc::new(OpenCase::new(target(7, RequestedReason::default()), Some(over)));
        case.take(StatusSource::Crl, SourceAnswer::Good(None), at(1));
        let other = Rc::clone(&case);
        drop(case);
        assert!(answered.try_recv().is_err());
        drop(other);
        let AnsweredCase { target, answers } = answered.try_recv().unwrap();
        assert_eq!((target.ordinal, answers.len()), (7, 1));
    }
}
