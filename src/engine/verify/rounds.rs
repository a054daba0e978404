//! What is to be seen, and what is asked next, and when: rounds with growing pauses until all is seen revoked or the time is over. A state
//! machine on a given `now`; asks nobody.

use crate::engine::timing::Moment;
use crate::pki::{CertId, Certificate, RevocationReason};
use crate::run::{Ordinal, Seen, StatusSource, StatusSources};
use jiff::Timestamp;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// An action whose effect is to be seen.
#[derive(Debug)]
pub struct VerifyTarget {
    /// The action.
    pub ordinal: Ordinal,
    /// Its account's index.
    pub account: usize,
    /// The certificate, where it is known.
    pub certificate: Option<KnownCertificate>,
    /// Who is asked.
    pub sources: StatusSources,
    /// Why it was to be revoked.
    pub reason: RequestedReason,
    /// Why other sources cannot be asked.
    pub note: Option<Rc<str>>,
}

/// The reason of a revocation: the plan's, and what was sent in its place, which a plan may change on purpose (`reasons`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestedReason {
    /// The plan's.
    pub asked: Option<RevocationReason>,
    /// What the provider was told, where that is one of RFC 5280.
    pub sent: Option<RevocationReason>,
}

/// A certificate that can be asked about.
#[derive(Debug)]
pub struct KnownCertificate {
    /// Which it is; empty until its issuer was fetched from the URL in it.
    pub id: OnceCell<CertId>,
    /// Where to ask.
    pub urls: Rc<PublicationUrls>,
}

/// Where a CA publishes what it says of a certificate. Many certificates have the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PublicationUrls {
    /// Its lists.
    pub crl: Arc<[String]>,
    /// Its responder.
    pub ocsp: Option<String>,
    /// Its own certificate.
    pub issuers: Vec<String>,
}

/// Reads the certificate of an action whose issuer is still to be found.
pub type ReadCertificate = Rc<dyn Fn(Ordinal) -> Option<Certificate>>;

/// Where answers go. Bounded: one list may answer about a million cases at once.
pub(super) type SourceReports = mpsc::Sender<SourceReport>;

/// What a source answered about a case.
#[derive(Debug)]
pub(super) struct SourceReport {
    pub(super) case: usize,
    pub(super) source: StatusSource,
    pub(super) answer: SourceAnswer,
    pub(super) at: Timestamp,
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

/// The rounds of a verification. Of a million cases it holds some 80 bytes each, and each text of a reason once.
#[derive(Debug)]
pub struct Rounds {
    cases: Vec<TargetRounds>,
    settled: usize,
    until: Moment,
    pause: Duration,
    /// Why cases are not seen revoked: many for the same reason.
    reasons: HashSet<Rc<str>>,
}

#[derive(Debug)]
struct TargetRounds {
    /// Whom it can be asked of.
    sources: StatusSources,
    /// Whether a hold is all that was asked for.
    wants_hold: bool,
    /// Whether it was seen revoked, or on hold as was asked.
    settled: bool,
    /// The answers of this round, and when they were received.
    answers: Vec<(StatusSource, SourceAnswer, Timestamp)>,
    observation: Option<Observation>,
}

impl Rounds {
    /// Rounds for cases that can be asked of these sources and were revoked for these reasons, until so long after `now`.
    pub fn new(cases: impl Iterator<Item = (StatusSources, RequestedReason)>, now: Moment, wait: Duration) -> Self {
        let case = |(sources, reason): (StatusSources, RequestedReason)| TargetRounds {
            sources,
            wants_hold: reason.is_hold(),
            settled: false,
            answers: Vec::new(),
            observation: None,
        };
        let cases = cases.map(case).collect();
        Self { cases, settled: 0, until: now + wait, pause: FIRST_PAUSE, reasons: HashSet::new() }
    }

    /// Begins a round: the cases that are asked in it.
    pub fn begin(&mut self) -> Vec<usize> {
        self.reasons.clear();
        (0..self.cases.len()).filter(|index| self.cases[*index].is_due()).collect()
    }

    /// Adds what a source says of a case.
    pub fn record_answer(&mut self, case: usize, source: StatusSource, answer: SourceAnswer, at: Timestamp) {
        if let Some(case) = self.cases.get_mut(case) {
            // A million cases, and one or two sources each: growth by doubling would waste half of the memory.
            case.answers.reserve_exact(1);
            case.answers.push((source, answer, at));
        }
    }

    /// Ends a round in which these were asked: what follows.
    pub fn end(&mut self, asked: &[usize], now: Moment, at: Timestamp) -> After {
        for index in asked {
            let case = &mut self.cases[*index];
            let answers = std::mem::take(&mut case.answers);
            let mut observation = combine(&answers, at);
            if answers.is_empty() {
                // Stopped before anybody answered: what was seen before is all that is known.
                observation = case
                    .observation
                    .take()
                    .unwrap_or_else(|| Observation { why: Some(NOT_ANSWERED.into()), ..observation });
            }
            observation.why = observation.why.map(|why| match self.reasons.get(&why) {
                Some(known) => Rc::clone(known),
                None => {
                    self.reasons.insert(Rc::clone(&why));
                    why
                }
            });
            case.settled = match observation.seen {
                Seen::Revoked => true,
                Seen::OnHold => case.wants_hold,
                Seen::Good | Seen::Unknown => false,
            };
            self.settled += usize::from(case.settled);
            case.observation = Some(observation);
        }
        if now >= self.until || !self.cases.iter().any(TargetRounds::is_due) {
            After::Over
        } else {
            let next = (now + self.pause).min(self.until);
            self.pause = self.pause.saturating_mul(2).min(MAX_PAUSE);
            After::Again(next)
        }
    }

    /// What was seen of a case that is settled, once: it is moved out, since the journal has it from then on.
    pub fn take_settled(&mut self, case: usize) -> Option<Observation> {
        let case = self.cases.get_mut(case).filter(|case| case.settled)?;
        case.observation.take()
    }

    /// What was last seen of a case that is not settled; `None` of another.
    pub fn unseen(&self, case: usize, now: Timestamp) -> Option<Observation> {
        let case = self.cases.get(case).filter(|case| !case.settled)?;
        Some(case.observation.clone().unwrap_or_else(|| combine(&[], now)))
    }

    /// How many are seen revoked, or on hold as was asked.
    pub fn settled(&self) -> usize {
        self.settled
    }
}

impl RequestedReason {
    /// Whether a hold is what was asked for.
    pub fn is_hold(self) -> bool {
        self.asked == Some(RevocationReason::CertificateHold)
    }

    /// Whether what its issuer publishes is neither what the plan asked for nor what was sent for it.
    pub fn differs(self, published: RevocationReason) -> bool {
        self.asked.is_some_and(|asked| asked != published) && self.sent != Some(published)
    }
}

impl TargetRounds {
    fn is_due(&self) -> bool {
        !self.sources.is_empty() && !self.settled
    }
}

/// What sources say together: revoked where one of them says so; on hold where the newest of the issuer's own words is a hold; good where
/// those who say something all say so; otherwise unknown.
pub fn combine(answers: &[(StatusSource, SourceAnswer, Timestamp)], now: Timestamp) -> Observation {
    let mut answers: Vec<&(StatusSource, SourceAnswer, Timestamp)> = answers.iter().collect();
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
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A case that a list may tell of.
    fn crl() -> (StatusSources, RequestedReason) {
        ([StatusSource::Crl].into_iter().collect(), RequestedReason::default())
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

    #[test]
    fn rounds_go_on_with_growing_pauses_until_all_is_seen_revoked_or_the_time_is_over() {
        // For each case the round in which it is seen revoked, 0 for never; how long to wait; when the rounds are.
        for (cases, wait, expected) in [
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
            let mut rounds = Rounds::new(cases.iter().map(|_| crl()), now, Duration::from_secs(wait));
            let mut moments = Vec::new();
            loop {
                moments.push((now - start).as_secs());
                let due = rounds.begin();
                for index in &due {
                    assert!(cases[*index] == 0 || moments.len() <= cases[*index], "what is revoked is asked again");
                    let revoked = moments.len() == cases[*index];
                    let answer = if revoked { SourceAnswer::Revoked(None, None) } else { SourceAnswer::Good(None) };
                    rounds.record_answer(*index, StatusSource::Crl, answer, at(0));
                }
                match rounds.end(&due, now, at(0)) {
                    After::Again(next) => now = next,
                    After::Over => break,
                }
            }
            assert_eq!(moments, expected, "{cases:?} {wait}");
            assert_eq!(rounds.settled(), cases.iter().filter(|round| **round > 0).count());
        }
    }

    #[test]
    fn what_nobody_can_be_asked_about_is_not_waited_for() {
        let cases = [(StatusSources::default(), RequestedReason::default()), crl()];
        let mut rounds = Rounds::new(cases.into_iter(), Duration::ZERO, Duration::from_secs(60));
        assert_eq!(rounds.begin(), [1]);
        rounds.record_answer(1, StatusSource::Crl, SourceAnswer::Revoked(None, None), at(0));
        assert_eq!(rounds.end(&[1], Duration::ZERO, at(0)), After::Over);
        let unseen = rounds.unseen(0, at(9)).unwrap();
        assert_eq!((unseen.seen, unseen.at, unseen.why.as_deref()), (Seen::Unknown, at(9), Some(NOBODY)));
        assert_eq!((rounds.take_settled(0), rounds.unseen(1, at(9))), (None, None));
        assert_eq!(rounds.take_settled(1).map(|observation| observation.seen), Some(Seen::Revoked));
        assert_eq!(rounds.take_settled(1), None);
    }

    #[test]
    fn a_hold_is_asked_about_again_unless_it_is_what_was_asked_for() {
        let hold = || SourceAnswer::OnHold { since: at(1), as_of: at(2) };
        let asked = RequestedReason { asked: Some(RevocationReason::CertificateHold), sent: None };
        for (reason, after) in
            [(RequestedReason::default(), After::Again(Duration::from_secs(2))), (asked, After::Over)]
        {
            let mut rounds = Rounds::new([(crl().0, reason)].into_iter(), Duration::ZERO, Duration::from_secs(60));
            assert_eq!(rounds.begin(), [0]);
            rounds.record_answer(0, StatusSource::Crl, hold(), at(3));
            assert_eq!(rounds.end(&[0], Duration::ZERO, at(3)), after);
            let seen = if after == After::Over { rounds.take_settled(0) } else { rounds.unseen(0, at(3)) };
            assert_eq!(seen.map(|observation| observation.seen), Some(Seen::OnHold));
        }
        // What is on hold may be revoked by the next list, or good again.
        for (answer, seen) in
            [(SourceAnswer::Revoked(None, None), Seen::Revoked), (SourceAnswer::Good(None), Seen::Good)]
        {
            let mut rounds = Rounds::new([crl()].into_iter(), Duration::ZERO, Duration::from_secs(60));
            for answer in [hold(), answer] {
                let due = rounds.begin();
                rounds.record_answer(0, StatusSource::Crl, answer, at(3));
                rounds.end(&due, Duration::ZERO, at(3));
            }
            let observation = rounds.take_settled(0).or_else(|| rounds.unseen(0, at(4)));
            assert_eq!(observation.map(|observation| observation.seen), Some(seen));
        }
    }

    #[test]
    fn a_case_costs_little() {
        assert!(size_of::<TargetRounds>() <= 96, "{} bytes", size_of::<TargetRounds>());
    }

    #[test]
    fn what_was_seen_before_is_kept_where_nobody_answers() {
        let mut rounds = Rounds::new([crl()].into_iter(), Duration::ZERO, Duration::MAX / 2);
        for (answers, seen, why) in [
            (None, Seen::Unknown, NOT_ANSWERED),
            (Some(SourceAnswer::Good(None)), Seen::Good, "crl: not revoked"),
            (None, Seen::Good, "crl: not revoked"),
            (Some(SourceAnswer::Nothing("gone".into())), Seen::Unknown, "crl: gone"),
        ] {
            let due = rounds.begin();
            answers.into_iter().for_each(|answer| rounds.record_answer(0, StatusSource::Crl, answer, at(1)));
            rounds.end(&due, Duration::ZERO, at(2));
            let observation = rounds.unseen(0, at(3)).unwrap();
            assert_eq!((observation.seen, observation.why.as_deref()), (seen, Some(why)));
        }
    }
}
