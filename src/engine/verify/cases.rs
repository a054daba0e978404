//! What there is to be seen: of a whole run so little that a million cases fit into a few MB, and of a case that is being asked about all that is
//! needed to ask. And which case comes next: so few are open at once that memory stays flat. Asks nobody.

use crate::journal::JournalError;
use crate::pki::{CertId, Certificate, RevocationReason};
use crate::run::{Ordinal, StatusSources};
use jiff::Timestamp;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

/// An action whose effect is to be seen, with all that is needed to ask.
#[derive(Debug, Default)]
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
    /// When the run itself has seen it revoked, where a step of it waited for that.
    pub seen_at: Option<Timestamp>,
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

/// What there is to ask about an action, and whom of these sources.
pub type FindTarget = Rc<dyn Fn(Ordinal, StatusSources) -> Result<VerifyTarget, JournalError>>;

/// What is to be seen, as one pass over the run tells it: by ordinal, four bytes for each action of the run.
#[derive(Debug, Default)]
pub struct Cases {
    of_actions: Vec<Option<Case>>,
    number: usize,
}

/// An action whose effect is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Its account's index, as far as 16 bits hold it: accounts that share one take turns.
    lane: u16,
    /// Who is asked.
    pub sources: StatusSources,
    /// Whether a hold is all that was asked for.
    pub wants_hold: bool,
}

/// The cases of a round that are still to be asked about: of each account in plan order, and so many of each at once that none waits behind another.
#[derive(Debug)]
pub struct Feed {
    lanes: Vec<Lane>,
    /// The lane that is asked first, so that all are served in turn.
    first: usize,
    /// How many cases of a lane are open at once.
    share: usize,
    open: usize,
}

#[derive(Debug)]
struct Lane {
    lane: u16,
    next: Ordinal,
    open: usize,
    /// Whether it has no case any more.
    over: bool,
}

impl Cases {
    /// Adds an action; they come in plan order.
    pub fn push(&mut self, ordinal: Ordinal, account: usize, sources: StatusSources, wants_hold: bool) {
        let Ok(place) = usize::try_from(ordinal) else { return };
        #[expect(clippy::cast_possible_truncation, reason = "a lane is only whose turn it is")]
        let lane = account as u16;
        self.of_actions.resize(self.of_actions.len().max(place + 1), None);
        self.of_actions[place] = Some(Case { lane, sources, wants_hold });
        self.number += 1;
    }

    /// An action's case, where it is one.
    pub fn get(&self, ordinal: Ordinal) -> Option<Case> {
        *self.of_actions.get(usize::try_from(ordinal).ok()?)?
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Case> {
        self.of_actions.iter().flatten().copied()
    }

    /// How many actions the run has, as far as there are cases among them.
    pub const fn actions(&self) -> usize {
        self.of_actions.len()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.number
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.number == 0
    }
}

impl Feed {
    /// The cases, of which so many are open at once.
    pub fn new(cases: &Cases, open: usize) -> Self {
        let lanes: BTreeSet<u16> = cases.iter().map(|case| case.lane).collect();
        let share = (open / lanes.len().max(1)).max(1);
        let lanes = lanes.into_iter().map(|lane| Lane { lane, next: 0, open: 0, over: false }).collect();
        Self { lanes, first: 0, share, open: 0 }
    }

    /// The next of the due cases to be asked about, where there is room for one. It is open from now on.
    pub fn next(&mut self, cases: &Cases, is_due: impl Fn(Ordinal, Case) -> bool) -> Option<(Ordinal, Case)> {
        let lanes = self.lanes.len();
        for offset in 0..lanes {
            let place = (self.first + offset) % lanes;
            let lane = &mut self.lanes[place];
            if lane.over || lane.open >= self.share {
                continue;
            }
            let (own, from) = (lane.lane, lane.next);
            let rest = usize::try_from(from).ok().and_then(|from| cases.of_actions.get(from..)).unwrap_or_default();
            let mut rest = (from..).zip(rest).filter_map(|(ordinal, case)| Some((ordinal, (*case)?)));
            let found = rest.find(|(ordinal, case)| case.lane == own && is_due(*ordinal, *case));
            if let Some((ordinal, case)) = found {
                lane.next = ordinal + 1;
                lane.open += 1;
                self.open += 1;
                self.first = (place + 1) % lanes;
                return Some((ordinal, case));
            }
            lane.over = true;
        }
        None
    }

    /// A case is open no more.
    pub fn close(&mut self, case: Option<Case>) {
        self.open = self.open.saturating_sub(1);
        let lane = case.and_then(|case| self.lanes.iter_mut().find(|lane| lane.lane == case.lane));
        if let Some(lane) = lane {
            lane.open = lane.open.saturating_sub(1);
        }
    }

    /// Nothing further is asked in this round.
    pub fn stop(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.over = true);
    }

    /// Whether there is nothing more to be asked about.
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.over)
    }

    /// Whether that is so, and nothing is open.
    pub fn is_over(&self) -> bool {
        self.is_empty() && self.open == 0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_account_waits_behind_another() {
        let mut cases = Cases::default();
        // All of the first account come before those of the second one, and actions that are none between them.
        (0..5).for_each(|ordinal| cases.push(ordinal, 0, StatusSources::default(), false));
        (7..9).for_each(|ordinal| cases.push(ordinal, 1, StatusSources::default(), false));
        assert_eq!((cases.len(), cases.get(5), cases.get(99)), (7, None, None));
        let mut feed = Feed::new(&cases, 4);
        let open = |feed: &mut Feed| -> Vec<(Ordinal, Case)> {
            std::iter::from_fn(|| feed.next(&cases, |_, _| true)).collect()
        };
        let first = open(&mut feed);
        assert_eq!(first.iter().map(|(ordinal, _)| *ordinal).collect::<Vec<_>>(), [0, 7, 1, 8]);
        assert!(!feed.is_empty() && !feed.is_over());
        feed.close(Some(first[0].1));
        let second = open(&mut feed);
        assert_eq!(second.iter().map(|(ordinal, _)| *ordinal).collect::<Vec<_>>(), [2]);
        feed.stop();
        assert!(feed.is_empty() && !feed.is_over());
        first[1..].iter().chain(&second).for_each(|(_, case)| feed.close(Some(*case)));
        assert!(feed.is_over() && open(&mut feed).is_empty());
        assert_eq!(size_of::<Option<Case>>(), 4);
    }
}
