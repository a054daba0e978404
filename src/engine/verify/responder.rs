//! One OCSP responder in one round: what waits to be asked, in which way it is asked, and when it is given up. Asks nobody.

use crate::pki::ocsp::TRY_LATER;
use crate::pki::{RevocationStatus, UnknownReason};
use crate::wire::FetchError;
use std::collections::VecDeque;

/// Whether OCSP questions hold a nonce (RFC 9654).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NonceUse {
    /// They do, unless the responder refuses such questions. An answer with another nonce is refused; one without counts, since many
    /// responders sign their answers ahead.
    #[default]
    Auto,
    /// They do, and the answer must too.
    Require,
    /// They do not.
    Never,
}

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AskingWay {
    /// By GET (RFC 6960, appendix A.1), not by POST.
    pub(super) by_get: bool,
    /// With a nonce.
    pub(super) with_nonce: bool,
}

/// How a question was refused, where another way of asking may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuestionRefusal {
    /// What answered is no responder: a refused method, a firewall's page, a cache's error.
    ByServer,
    /// The responder does not take such a question.
    ByResponder,
}

/// The questions to one responder.
#[derive(Debug)]
pub(super) struct Responder {
    /// What is still to be asked about.
    pub(super) waiting: VecDeque<usize>,
    /// How it is asked.
    pub(super) way: AskingWay,
    /// Whether the way is settled: it was answered, or no way was.
    settled: bool,
    understood: bool,
    /// Whether it has answered anything in this round.
    answers: bool,
    /// Silences in a row.
    silences: u32,
    last: String,
}

impl NonceUse {
    /// All.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Require, Self::Never];

    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Require => "require",
            Self::Never => "never",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

impl AskingWay {
    /// How a responder is asked first: every one must take POST.
    pub(super) fn first(nonce_use: NonceUse) -> Self {
        Self { by_get: false, with_nonce: nonce_use != NonceUse::Never }
    }

    /// In words.
    pub(super) const fn words(self) -> &'static str {
        match (self.by_get, self.with_nonce) {
            (false, true) => "by POST",
            (true, true) => "by GET",
            (false, false) => "by POST, without a nonce",
            (true, false) => "by GET, without a nonce",
        }
    }

    /// The way to try after this one was refused.
    fn after(self, refusal: QuestionRefusal, nonce_use: NonceUse) -> Option<Self> {
        let may_drop_nonce = self.with_nonce && nonce_use == NonceUse::Auto;
        let without_nonce = |by_get| may_drop_nonce.then_some(Self { by_get, with_nonce: false });
        match refusal {
            QuestionRefusal::ByServer if !self.by_get => Some(Self { by_get: true, ..self }),
            QuestionRefusal::ByServer => without_nonce(false),
            QuestionRefusal::ByResponder => without_nonce(self.by_get),
        }
    }
}

impl QuestionRefusal {
    /// How a question was refused by what came; `None` where it was answered, or where asking otherwise would not help.
    pub(super) fn of(answer: &Result<RevocationStatus, FetchError>) -> Option<Self> {
        match answer {
            // Too many requests, and a time-out: the question was not even looked at.
            Err(FetchError::Status(408 | 429, _)) => None,
            Err(FetchError::Status(300..=499 | 501, _)) | Ok(RevocationStatus::Unknown(UnknownReason::Unreadable)) => {
                Some(Self::ByServer)
            }
            Ok(RevocationStatus::Unknown(UnknownReason::Refused(error))) if *error != TRY_LATER => {
                Some(Self::ByResponder)
            }
            _ => None,
        }
    }
}

impl Responder {
    /// A responder that has not been asked in this round, but in an earlier one that way.
    pub(super) fn new(known: Option<AskingWay>, nonce_use: NonceUse) -> Self {
        Self {
            waiting: VecDeque::new(),
            way: known.unwrap_or_else(|| AskingWay::first(nonce_use)),
            settled: known.is_some(),
            understood: known.is_some(),
            answers: false,
            silences: 0,
            last: String::new(),
        }
    }

    /// Takes in that it was silent, or was not.
    pub(super) fn note_answer(&mut self, silence: Option<String>) {
        self.answers |= silence.is_none();
        self.silences = if silence.is_some() { self.silences + 1 } else { 0 };
        self.last = silence.unwrap_or_default();
    }

    /// Takes in how a question came off that was put in a way: the way to put it again, where there is one. Only until one way is known:
    /// what is refused afterwards is refused for another reason.
    pub(super) fn other_way(
        &mut self,
        asked: AskingWay,
        refusal: Option<QuestionRefusal>,
        nonce_use: NonceUse,
    ) -> Option<AskingWay> {
        let other = refusal.filter(|_| !self.settled).and_then(|refusal| asked.after(refusal, nonce_use));
        if refusal.is_none() && !self.settled {
            (self.way, self.understood) = (asked, true);
        }
        self.settled |= other.is_none();
        other
    }

    /// The way that it was understood in.
    pub(super) fn known_way(&self) -> Option<AskingWay> {
        self.understood.then_some(self.way)
    }

    /// Why it is not asked any more in this round. One that has never answered is given up after a single one: each further
    /// silence costs a whole timeout.
    pub(super) fn given_up(&self) -> Option<String> {
        let most = if self.answers { MAX_SILENCES } else { 1 };
        (self.silences >= most).then(|| self.last.clone())
    }
}

/// After so many silences in a row a responder is not asked any more in a round.
const MAX_SILENCES: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use QuestionRefusal::{ByResponder, ByServer};

    #[test]
    fn what_is_refused_is_asked_otherwise() {
        let post = AskingWay { by_get: false, with_nonce: true };
        let get = AskingWay { by_get: true, with_nonce: true };
        let bare = |by_get| AskingWay { by_get, with_nonce: false };
        for (way, refusal, nonce_use, expected) in [
            (post, ByServer, NonceUse::Auto, Some(get)),
            (get, ByServer, NonceUse::Auto, Some(bare(false))),
            (bare(false), ByServer, NonceUse::Auto, Some(bare(true))),
            (bare(true), ByServer, NonceUse::Auto, None),
            (post, ByResponder, NonceUse::Auto, Some(bare(false))),
            (get, ByResponder, NonceUse::Auto, Some(bare(true))),
            (bare(false), ByResponder, NonceUse::Auto, None),
            (post, ByServer, NonceUse::Require, Some(get)),
            (get, ByServer, NonceUse::Require, None),
            (post, ByResponder, NonceUse::Require, None),
            (bare(false), ByServer, NonceUse::Never, Some(bare(true))),
            (bare(true), ByServer, NonceUse::Never, None),
        ] {
            assert_eq!(way.after(refusal, nonce_use), expected, "{way:?} {refusal:?} {nonce_use:?}");
        }
        assert_eq!(AskingWay::first(NonceUse::Never), bare(false));
        assert!(NonceUse::ALL.into_iter().all(|one| NonceUse::parse(one.as_str()) == Some(one)));
    }

    #[test]
    fn only_what_another_way_may_help_is_a_refusal() {
        let status = |status| Err(FetchError::Status(status, String::new()));
        let doubt = |doubt| Ok(RevocationStatus::Unknown(doubt));
        for (answer, expected) in [
            (status(405), Some(ByServer)),
            (status(400), Some(ByServer)),
            (status(403), Some(ByServer)),
            (status(302), Some(ByServer)),
            (status(501), Some(ByServer)),
            (status(429), None),
            (status(503), None),
            (doubt(UnknownReason::Unreadable), Some(ByServer)),
            (doubt(UnknownReason::Refused("malformedRequest")), Some(ByResponder)),
            (doubt(UnknownReason::Refused(TRY_LATER)), None),
            (doubt(UnknownReason::NotSigned), None),
            (Ok(RevocationStatus::Good), None),
            (Err(FetchError::Silent("timed out".to_owned())), None),
        ] {
            assert_eq!(QuestionRefusal::of(&answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn one_way_is_kept_once_it_is_known_and_none_is_tried_twice() {
        let first = AskingWay::first(NonceUse::Auto);
        let mut responder = Responder::new(None, NonceUse::Auto);
        let get = responder.other_way(first, Some(ByServer), NonceUse::Auto).unwrap();
        assert_eq!((responder.other_way(get, None, NonceUse::Auto), responder.known_way()), (None, Some(get)));
        assert_eq!((responder.way, responder.other_way(get, Some(ByServer), NonceUse::Auto)), (get, None));
        // A responder that takes none of them costs these questions once in a round.
        let mut responder = Responder::new(None, NonceUse::Auto);
        let mut ways = vec![first];
        while let Some(way) = responder.other_way(ways[ways.len() - 1], Some(ByServer), NonceUse::Auto) {
            ways.push(way);
        }
        assert_eq!((ways.len(), responder.known_way(), responder.way), (4, None, first));
        assert_eq!(responder.other_way(first, Some(ByServer), NonceUse::Auto), None);
    }

    #[test]
    fn a_silent_one_is_given_up() {
        let silence = || Some("timed out".to_owned());
        let mut responder = Responder::new(None, NonceUse::Auto);
        assert_eq!(responder.given_up(), None);
        responder.note_answer(silence());
        assert_eq!(responder.given_up(), silence());
        responder.note_answer(None);
        for _ in 0..2 {
            responder.note_answer(silence());
            assert_eq!(responder.given_up(), None);
        }
        responder.note_answer(silence());
        assert_eq!(responder.given_up(), silence());
    }
}
