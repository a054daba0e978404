//! What is to be seen, and what is asked next, and when: rounds with growing pauses until all is seen revoked or the time is over. A state
//! machine on a given `now`; asks nobody.

use crate::engine::timing::Moment;
use crate::pki::{CertId, Certificate};
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
    /// Why other sources cannot be asked.
    pub note: Option<Rc<str>>,
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
    /// It is revoked; since when, where the source says that.
    Revoked(Option<Timestamp>),
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
    /// Since when it is revoked, as its issuer says.
    pub revoked_at: Option<Timestamp>,
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
    revoked: usize,
    until: Moment,
    pause: Duration,
    /// Why cases are not seen revoked: many for the same reason.
    reasons: HashSet<Rc<str>>,
}

#[derive(Debug)]
struct TargetRounds {
    /// Whom it can be asked of.
    sources: StatusSources,
    /// Whether it was seen revoked.
    revoked: bool,
    /// The answers of this round, and when they were received.
    answers: Vec<(StatusSource, SourceAnswer, Timestamp)>,
    observation: Option<Observation>,
}

impl Rounds {
    /// Rounds for cases that can be asked of these sources, until so long after `now`.
    pub fn new(sources: impl Iterator<Item = StatusSources>, now: Moment, wait: Duration) -> Self {
        let case = |sources| TargetRounds { sources, revoked: false, answers: Vec::new(), observation: None };
        let cases = sources.map(case).collect();
        Self { cases, revoked: 0, until: now + wait, pause: FIRST_PAUSE, reasons: HashSet::new() }
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
            case.revoked = observation.seen == Seen::Revoked;
            self.revoked += usize::from(case.revoked);
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

    /// What was seen of a case that is seen revoked, once: it is moved out, since the journal has it from then on.
    pub fn take_revoked(&mut self, case: usize) -> Option<Observation> {
        let case = self.cases.get_mut(case).filter(|case| case.revoked)?;
        case.observation.take()
    }

    /// What was last seen of a case that is not seen revoked; `None` of another.
    pub fn unseen(&self, case: usize, now: Timestamp) -> Option<Observation> {
        let case = self.cases.get(case).filter(|case| !case.revoked)?;
        Some(case.observation.clone().unwrap_or_else(|| combine(&[], now)))
    }

    /// How many are seen revoked.
    pub fn revoked(&self) -> usize {
        self.revoked
    }
}

impl TargetRounds {
    fn is_due(&self) -> bool {
        !self.sources.is_empty() && !self.revoked
    }
}

/// What sources say together: revoked where one of them says so; good where those who say something all say so; otherwise unknown.
pub fn combine(answers: &[(StatusSource, SourceAnswer, Timestamp)], now: Timestamp) -> Observation {
    let mut answers: Vec<&(StatusSource, SourceAnswer, Timestamp)> = answers.iter().collect();
    answers.sort_by_key(|(source, ..)| *source);
    let who = |says: fn(&SourceAnswer) -> bool| answers.iter().copied().filter(move |(_, answer, _)| says(answer));
    let revoked = || who(|answer| matches!(answer, SourceAnswer::Revoked(_)));
    let good: StatusSources =
        who(|answer| matches!(answer, SourceAnswer::Good(_))).map(|(source, ..)| *source).collect();
    if let Some(at) = revoked().map(|(_, _, at)| *at).min() {
        let since = |answer: &SourceAnswer| if let SourceAnswer::Revoked(since) = answer { *since } else { None };
        return Observation {
            seen: Seen::Revoked,
            at,
            by: revoked().map(|(source, ..)| *source).collect(),
            revoked_at: revoked().filter_map(|(_, answer, _)| since(answer)).min(),
            why: None,
        };
    }
    let reasons = answers.iter().map(|(source, answer, _)| match answer {
        SourceAnswer::Good(None) | SourceAnswer::Revoked(_) => format!("{}: not revoked", source.as_str()),
        SourceAnswer::Good(Some(shown)) => format!("{}: not revoked ({shown})", source.as_str()),
        SourceAnswer::Nothing(why) => format!("{}: {why}", source.as_str()),
    });
    let mut reasons: Vec<String> = reasons.collect();
    reasons.dedup();
    let seen = if good.is_empty() { Seen::Unknown } else { Seen::Good };
    let why = if reasons.is_empty() { NOBODY.into() } else { reasons.join("; ").into() };
    Observation { seen, at: now, by: good, revoked_at: None, why: Some(why) }
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

    #[test]
    fn one_revocation_is_enough_and_a_doubt_is_never_good() {
        use StatusSource::{Crl, Ocsp, Provider};
        let revoked = |since: Option<i64>| SourceAnswer::Revoked(since.map(at));
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
                why: why.map(Rc::from),
            };
            assert_eq!(observation, expected, "{answers:?}");
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
            let sources = cases.iter().map(|_| [StatusSource::Crl].into_iter().collect());
            let mut rounds = Rounds::new(sources, now, Duration::from_secs(wait));
            let mut moments = Vec::new();
            loop {
                moments.push((now - start).as_secs());
                let due = rounds.begin();
                for index in &due {
                    assert!(cases[*index] == 0 || moments.len() <= cases[*index], "what is revoked is asked again");
                    let revoked = moments.len() == cases[*index];
                    let answer = if revoked { SourceAnswer::Revoked(None) } else { SourceAnswer::Good(None) };
                    rounds.record_answer(*index, StatusSource::Crl, answer, at(0));
                }
                match rounds.end(&due, now, at(0)) {
                    After::Again(next) => now = next,
                    After::Over => break,
                }
            }
            assert_eq!(moments, expected, "{cases:?} {wait}");
            assert_eq!(rounds.revoked(), cases.iter().filter(|round| **round > 0).count());
        }
    }

    #[test]
    fn what_nobody_can_be_asked_about_is_not_waited_for() {
        let sources = [StatusSources::default(), [StatusSource::Crl].into_iter().collect()];
        let mut rounds = Rounds::new(sources.into_iter(), Duration::ZERO, Duration::from_secs(60));
        assert_eq!(rounds.begin(), [1]);
        rounds.record_answer(1, StatusSource::Crl, SourceAnswer::Revoked(None), at(0));
        assert_eq!(rounds.end(&[1], Duration::ZERO, at(0)), After::Over);
        let unseen = rounds.unseen(0, at(9)).unwrap();
        assert_eq!((unseen.seen, unseen.at, unseen.why.as_deref()), (Seen::Unknown, at(9), Some(NOBODY)));
        assert_eq!((rounds.take_revoked(0), rounds.unseen(1, at(9))), (None, None));
        assert_eq!(rounds.take_revoked(1).map(|observation| observation.seen), Some(Seen::Revoked));
        assert_eq!(rounds.take_revoked(1), None);
    }

    #[test]
    fn a_case_costs_little() {
        assert!(size_of::<TargetRounds>() <= 96, "{} bytes", size_of::<TargetRounds>());
    }

    #[test]
    fn what_was_seen_before_is_kept_where_nobody_answers() {
        let mut rounds =
            Rounds::new([[StatusSource::Crl].into_iter().collect()].into_iter(), Duration::ZERO, Duration::MAX / 2);
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
