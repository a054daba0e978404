//! What CAs publish about single revocations while their run goes on, asked as `verify` asks: for a step of a plan that waits until a list or a
//! responder says so. Says when to ask again to nobody.

use super::responder::NonceUse;
use super::rounds::{ReadCertificate, SourceAnswer, VerifyTarget};
use super::sources::{Published, no_issuer};
use crate::pki::ocsp::Nonce;
use crate::run::{Ordinal, StatusSources};
use crate::time::Clock;
use crate::wire::StatusFetcher;
use futures_util::future::{FutureExt as _, LocalBoxFuture, join};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use tokio::sync::mpsc;

/// What was seen of one revocation: whether it shows, and in words what shows it, or what stands there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedState {
    /// Whether somebody says that it is revoked.
    pub is_revoked: bool,
    /// Whether anybody can be asked at all: where not, no later look says more.
    pub can_be_asked: bool,
    /// Who says what.
    pub words: String,
}

/// Asks what CAs publish about the targets of actions.
pub trait PublishedLooks: fmt::Debug {
    /// Asks once about each of these actions, only the sources that are given for it; one answer for each, in their order.
    fn look(&self, due: Vec<(Ordinal, StatusSources)>) -> LocalBoxFuture<'static, Vec<PublishedState>>;
}

/// What there is to ask about an action, and whom.
pub type FindTarget = Rc<dyn Fn(Ordinal, StatusSources) -> Option<VerifyTarget>>;

/// Asks by a fetcher.
pub struct FetchedLooks<W, C> {
    published: Rc<Published<W, C>>,
    target: FindTarget,
}

impl<W: StatusFetcher + 'static, C: Clock + 'static> FetchedLooks<W, C> {
    /// Asks about what `target` finds; `certificate` reads that of an action whose issuer is still to be found.
    pub fn new(fetcher: W, clock: Rc<C>, certificate: ReadCertificate, target: FindTarget) -> Self {
        let nonces: (NonceUse, fn() -> Option<Nonce>) = (NonceUse::default(), Nonce::random);
        Self { published: Rc::new(Published::new(Rc::new(fetcher), clock, certificate, nonces)), target }
    }
}

impl<W, C> fmt::Debug for FetchedLooks<W, C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FetchedLooks").finish_non_exhaustive()
    }
}

impl<W: StatusFetcher + 'static, C: Clock + 'static> PublishedLooks for FetchedLooks<W, C> {
    fn look(&self, due: Vec<(Ordinal, StatusSources)>) -> LocalBoxFuture<'static, Vec<PublishedState>> {
        let (published, target) = (Rc::clone(&self.published), Rc::clone(&self.target));
        async move {
            let nobody = || {
                let words = "nobody can be asked about it".to_owned();
                PublishedState { is_revoked: false, can_be_asked: false, words }
            };
            let mut states: Vec<PublishedState> = due.iter().map(|_| nobody()).collect();
            let (mut cases, mut places) = (Vec::new(), Vec::new());
            for (place, (ordinal, sources)) in due.into_iter().enumerate() {
                let Some(case) = target(ordinal, sources) else { continue };
                if case.sources.is_empty() {
                    let why = case
                        .note
                        .as_deref()
                        .unwrap_or("no certificate of it is known; `certificate` in the plan names it");
                    states[place].words = why.to_owned();
                    continue;
                }
                let lacks_issuer = case.certificate.as_ref().is_some_and(|known| known.id.get().is_none());
                let urls = case.certificate.as_ref().map(|known| Rc::clone(&known.urls)).unwrap_or_default();
                if lacks_issuer && urls.issuers.is_empty() {
                    states[place].words = no_issuer(&[], &HashMap::new());
                    continue;
                }
                states[place].can_be_asked = true;
                states[place].words.clear();
                cases.push(case);
                places.push(place);
            }
            let cases = Rc::new(cases);
            let all: Vec<usize> = (0..cases.len()).collect();
            let (reports, mut answers) = mpsc::channel(MAX_QUEUED_REPORTS);
            let asking = async {
                published.round(&cases, &all, &reports).await;
                drop(reports);
            };
            let listening = async {
                while let Some(report) = answers.recv().await {
                    let (is_revoked, words) = told(&report.answer);
                    let state = &mut states[places[report.case]];
                    let words = format!("{}: {words}", report.source.as_str());
                    if is_revoked && !state.is_revoked {
                        *state = PublishedState { is_revoked, can_be_asked: true, words };
                    } else if !state.is_revoked {
                        let between = if state.words.is_empty() { "" } else { "; " };
                        state.words.push_str(between);
                        state.words.push_str(&words);
                    }
                }
            };
            join(asking, listening).await;
            states
        }
        .boxed_local()
    }
}

/// Whether an answer says that it is revoked, and the answer in words.
fn told(answer: &SourceAnswer) -> (bool, String) {
    match answer {
        SourceAnswer::Revoked(Some(at), _) => (true, format!("revoked since {at}")),
        SourceAnswer::Revoked(None, _) => (true, "revoked".to_owned()),
        SourceAnswer::OnHold { since, .. } => (false, format!("on hold since {since}")),
        SourceAnswer::Lifted(_) => (false, "a hold was lifted".to_owned()),
        SourceAnswer::Good(seen) => (false, seen.as_deref().unwrap_or("not revoked").to_owned()),
        SourceAnswer::Nothing(why) => (false, why.to_string()),
    }
}

/// Answers on their way.
const MAX_QUEUED_REPORTS: usize = 64;
