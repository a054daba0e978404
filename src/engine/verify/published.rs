//! What CAs publish, asked once: each list for all certificates that it may hold, and each certificate's OCSP responder, in a way that it takes.
//! Nobody waits behind a responder that does not answer, since it is given up for the round after a few silences. For the rounds of `verify`, and for
//! a step of a plan that waits until a list or a responder says that something is revoked. Says when to ask again to nobody.

use super::cases::{FindTarget, KnownCertificate, ReadCertificate, VerifyTarget};
use super::rounds::{OpenCase, SourceAnswer};
use crate::pki::ocsp::{self, Nonce, NonceCheck, TRY_LATER};
use crate::pki::revocation::{MAX_STATUS_BYTES, published_der};
use crate::pki::{CertId, Certificate, Crl, RevocationStatus, UnknownReason};
use crate::run::{Ordinal, StatusSource, StatusSources};
use crate::text::excerpt;
use crate::time::Clock;
use crate::wire::{FetchError, StatusBody, StatusFetcher, StatusRequest};
use futures_util::future::{FutureExt as _, LocalBoxFuture, OptionFuture, join, join_all};
use jiff::Timestamp;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use tokio::sync::{OnceCell, Semaphore};

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

/// Asks by a fetcher.
pub struct FetchedLooks<W, C> {
    published: Rc<Published<W, C>>,
    target: FindTarget,
}

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

/// What all rounds share: the fetcher, and what need not be fetched twice.
pub(super) struct Published<W, C> {
    fetcher: Rc<W>,
    clock: Rc<C>,
    certificate: ReadCertificate,
    /// Issuers that were found where certificates say, by URL.
    issuers: RefCell<HashMap<String, Vec<Rc<Certificate>>>>,
    /// How responders were understood in an earlier round, by URL.
    ways: RefCell<HashMap<String, AskingWay>>,
    nonces: (NonceUse, fn() -> Option<Nonce>),
    lists: Semaphore,
    questions: Semaphore,
}

/// What was asked in one round: each list is fetched once, each issuer too, and a responder that was given up stays so.
#[derive(Debug, Default)]
pub(super) struct PublishedRound {
    lists: RefCell<HashMap<String, Vec<HeldList>>>,
    responders: RefCell<HashMap<String, Rc<Responder>>>,
    /// Where issuers' certificates were fetched, and why some URLs gave none.
    issuers: RefCell<HashMap<String, Rc<OnceCell<Option<String>>>>>,
    /// Counts how often lists were used.
    uses: Cell<u64>,
}

/// A list, or why there is none; empty while it is being fetched.
type FetchedList = OnceCell<Result<Crl, Rc<str>>>;

/// A list of one issuer, for the rest of the round.
#[derive(Debug, Clone)]
struct HeldList {
    issuer: Rc<Certificate>,
    list: Rc<FetchedList>,
    last_use: u64,
}

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AskingWay {
    /// By GET (RFC 6960, appendix A.1), not by POST.
    by_get: bool,
    /// With a nonce.
    with_nonce: bool,
}

/// How a question was refused, where another way of asking may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QuestionRefusal {
    /// What answered is no responder: a refused method, a firewall's page, a cache's error.
    ByServer,
    /// The responder does not take such a question.
    ByResponder,
}

/// A responder, in one round.
#[derive(Debug)]
struct Responder {
    /// A few questions to one at once, so that the rest of all permits is left for the others.
    turns: Semaphore,
    known: RefCell<ResponderState>,
}

/// What is known of a responder.
#[derive(Debug)]
struct ResponderState {
    /// How it is asked.
    way: AskingWay,
    /// Whether the way is settled: it was answered, or no way was.
    settled: bool,
    understood: bool,
    /// Whether it has answered anything in this round.
    answers: bool,
    /// Silences in a row.
    silences: u32,
    last: String,
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
                let Ok(case) = target(ordinal, sources) else { continue };
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
                    states[place].words = no_issuer(&[], None);
                    continue;
                }
                states[place].can_be_asked = true;
                states[place].words.clear();
                cases.push(case);
                places.push(place);
            }
            let round = PublishedRound::default();
            let asked = join_all(cases.into_iter().map(|case| async {
                let case = OpenCase::new(case, None);
                published.ask(&round, &case).await;
                case.into_answers()
            }));
            for (place, answers) in places.into_iter().zip(asked.await) {
                let state = &mut states[place];
                for (source, answer, _) in answers {
                    let (is_revoked, words) = told(&answer);
                    let words = format!("{}: {words}", source.as_str());
                    if is_revoked && !state.is_revoked {
                        *state = PublishedState { is_revoked, can_be_asked: true, words };
                    } else if !state.is_revoked {
                        let between = if state.words.is_empty() { "" } else { "; " };
                        state.words.push_str(between);
                        state.words.push_str(&words);
                    }
                }
            }
            states
        }
        .boxed_local()
    }
}

impl<W: StatusFetcher + 'static, C: Clock + 'static> Published<W, C> {
    pub(super) fn new(
        fetcher: Rc<W>,
        clock: Rc<C>,
        certificate: ReadCertificate,
        nonces: (NonceUse, fn() -> Option<Nonce>),
    ) -> Self {
        Self {
            fetcher,
            clock,
            certificate,
            issuers: RefCell::default(),
            ways: RefCell::default(),
            nonces,
            lists: Semaphore::new(LISTS_AT_ONCE),
            questions: Semaphore::new(QUESTIONS_AT_ONCE),
        }
    }

    /// Asks about the certificate of a case, each of the sources that it wants.
    pub(super) async fn ask(&self, round: &PublishedRound, case: &OpenCase) {
        let VerifyTarget { ordinal, certificate: Some(known), sources, .. } = &case.target else { return };
        let wanted = [StatusSource::Crl, StatusSource::Ocsp].into_iter().filter(|source| sources.contains(*source));
        if wanted.clone().next().is_none() {
            return;
        }
        let id = match self.identified(round, *ordinal, known).await {
            Ok(id) => id,
            Err(why) => {
                return wanted.for_each(|source| {
                    case.take(source, SourceAnswer::Nothing(Rc::clone(&why)), self.clock.now());
                });
            }
        };
        let lists = known.urls.crl.iter().filter(|_| sources.contains(StatusSource::Crl));
        let lists = join_all(lists.map(|url| self.ask_list(round, url, id, case)));
        let responder = known.urls.ocsp.as_ref().filter(|_| sources.contains(StatusSource::Ocsp));
        let responder = OptionFuture::from(responder.map(|url| self.ask_responder(round, url, id, case)));
        join(lists, responder).await;
    }

    async fn ask_list(&self, round: &PublishedRound, url: &str, id: &CertId, case: &OpenCase) {
        let held = round.list(url, &id.issuer);
        let mut fetched = false;
        let list = held.get_or_init(|| {
            fetched = true;
            // Thousands wait for one list: what only one of them needs takes no place in the others.
            self.fetch_list(url, &id.issuer).boxed_local()
        });
        let list = list.await;
        let now = self.clock.now();
        let answer = match list {
            Ok(list) => answer_of(&list.status(id, now), id, url, now),
            Err(why) => SourceAnswer::Nothing(Rc::clone(why)),
        };
        case.take(StatusSource::Crl, answer, now);
        if fetched {
            round.make_room(MAX_HELD_LISTS);
        }
    }

    async fn fetch_list(&self, url: &str, issuer: &Certificate) -> Result<Crl, Rc<str>> {
        let in_words = |why: String| Rc::<str>::from(format!("{why} ({url})"));
        let Ok(_place) = self.lists.acquire().await else { return Err(in_words("stopped".to_owned())) };
        let fetched = self.fetcher.fetch(StatusRequest::Get(url.to_owned()), MAX_STATUS_BYTES).await;
        let StatusBody { media_type, bytes } = fetched.map_err(|why| in_words(why.to_string()))?;
        let excerpt = excerpt(media_type.as_deref(), &bytes);
        parsed(bytes, issuer).await.map_err(|doubt| {
            in_words(match doubt {
                UnknownReason::Unreadable => format!("{doubt}: {excerpt}"),
                doubt => doubt.to_string(),
            })
        })
    }

    async fn ask_responder(&self, round: &PublishedRound, url: &str, id: &CertId, case: &OpenCase) {
        let responder = round.responder(url, || {
            let known = self.ways.borrow().get(url).copied();
            ResponderState::new(known, self.nonces.0)
        });
        let Ok(_turn) = responder.turns.acquire().await else { return };
        let given_up = responder.known.borrow().given_up();
        let answer = match given_up {
            Some(last) => {
                SourceAnswer::Nothing(format!("{last}; it did not answer about others either ({url})").into())
            }
            // Thousands wait for their turn.
            None => match self.question(url, id, &responder.known).boxed_local().await {
                Some(answer) => answer,
                None => return,
            },
        };
        case.take(StatusSource::Ocsp, answer, self.clock.now());
        if let Some(way) = responder.known.borrow().known_way() {
            let mut ways = self.ways.borrow_mut();
            if ways.get(url) != Some(&way) {
                ways.insert(url.to_owned(), way);
            }
        }
    }

    /// Which certificate it is; its issuer is fetched where no file gives it.
    async fn identified<'k>(
        &self,
        round: &PublishedRound,
        ordinal: Ordinal,
        known: &'k KnownCertificate,
    ) -> Result<&'k CertId, Rc<str>> {
        if let Some(id) = known.id.get() {
            return Ok(id);
        }
        let certificate = (self.certificate)(ordinal);
        let identify = || certificate.as_ref().and_then(|certificate| self.identify(certificate));
        let mut found = identify();
        let mut missing = None;
        if found.is_none() {
            let fetched = join_all(known.urls.issuers.iter().map(|url| self.fetch_issuer(round, url))).await;
            missing = known.urls.issuers.iter().zip(fetched).find_map(|(url, why)| Some((url.as_str(), why?)));
            found = identify();
        }
        match found {
            Some(id) => Ok(known.id.get_or_init(|| id)),
            None => Err(no_issuer(&known.urls.issuers, missing).into()),
        }
    }

    /// Fetches issuers' certificates from a URL, once in a round; returns why it gave none.
    async fn fetch_issuer(&self, round: &PublishedRound, url: &str) -> Option<String> {
        let fetched = Rc::clone(round.issuers.borrow_mut().entry(url.to_owned()).or_default());
        let fetch = || {
            async {
                let Ok(_place) = self.questions.acquire().await else { return Some("stopped".to_owned()) };
                let found = self.fetcher.fetch(StatusRequest::Get(url.to_owned()), MAX_CERTIFICATE).await;
                let parsed = found.map_err(|why| why.to_string()).and_then(|StatusBody { media_type, bytes }| {
                    let parsed = Certificate::parse_published(&published_der(&bytes, "CERTIFICATE"));
                    parsed.map_err(|why| format!("{why} ({})", excerpt(media_type.as_deref(), &bytes)))
                });
                match parsed {
                    Ok(issuers) => {
                        let issuers = issuers.into_iter().map(Rc::new).collect();
                        self.issuers.borrow_mut().insert(url.to_owned(), issuers);
                        None
                    }
                    Err(why) => Some(why),
                }
            }
            .boxed_local()
        };
        fetched.get_or_init(fetch).await.clone()
    }

    /// Which certificate it is, where its issuer was found.
    fn identify(&self, certificate: &Certificate) -> Option<CertId> {
        let fetched = self.issuers.borrow();
        let mut found = certificate.issuer_urls.iter().filter_map(|url| fetched.get(url)).flatten();
        found.find_map(|issuer| CertId::of(certificate, issuer))
    }

    /// Puts one question, in one way after another where it is refused. `None` where nothing is asked any more.
    async fn question(&self, url: &str, id: &CertId, responder: &RefCell<ResponderState>) -> Option<SourceAnswer> {
        let (nonce_use, make_nonce) = self.nonces;
        let mut way = responder.borrow().way;
        let mut refused: Option<String> = None;
        loop {
            let nonce = if way.with_nonce { make_nonce() } else { None };
            if nonce.is_none() && nonce_use == NonceUse::Require {
                return Some(SourceAnswer::Nothing("this system gives no random bytes for a nonce".into()));
            }
            let Some(question) = ocsp::request(id, nonce.as_ref()) else {
                return Some(SourceAnswer::Nothing("no OCSP question can carry its serial number".into()));
            };
            let ask = match way.by_get {
                true => StatusRequest::OcspGet(ocsp::request_url(url, &question)),
                false => StatusRequest::Ocsp(url.to_owned(), question),
            };
            let fetched = {
                let _place = self.questions.acquire().await.ok()?;
                self.fetcher.fetch(ask, MAX_ANSWER).await
            };
            let now = self.clock.now();
            let check = match (&nonce, nonce_use) {
                (Some(nonce), NonceUse::Require) => NonceCheck::Required(nonce),
                (Some(nonce), _) => NonceCheck::Repeated(nonce),
                (None, _) => NonceCheck::Unsent,
            };
            let silence = fetched.as_ref().err().filter(|why| matches!(why, FetchError::Silent(_)));
            responder.borrow_mut().note_answer(silence.map(ToString::to_string));
            let came = fetched.as_ref().ok().map(|body| excerpt(body.media_type.as_deref(), &body.bytes));
            let status = fetched.map(|body| ocsp::status(&body.bytes, id, check, now));
            let other = responder.borrow_mut().other_way(way, QuestionRefusal::of(&status), nonce_use);
            let answer = match status {
                Ok(RevocationStatus::Unknown(UnknownReason::Unreadable)) => {
                    let came = came.unwrap_or_default();
                    SourceAnswer::Nothing(format!("{}: {came} ({url})", UnknownReason::Unreadable).into())
                }
                Ok(status) => answer_of(&status, id, url, now),
                Err(why) => SourceAnswer::Nothing(format!("{why} ({url})").into()),
            };
            match (other, answer, refused.take()) {
                (Some(other), SourceAnswer::Nothing(why), earlier) => {
                    way = other;
                    refused = Some(earlier.unwrap_or_else(|| why.to_string()));
                }
                (_, SourceAnswer::Nothing(why), Some(earlier)) if earlier != *why => {
                    let both = format!("{earlier}; asked otherwise ({}): {why}", way.words());
                    return Some(SourceAnswer::Nothing(both.into()));
                }
                (_, answer, _) => return Some(answer),
            }
        }
    }
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
    fn first(nonce_use: NonceUse) -> Self {
        Self { by_get: false, with_nonce: nonce_use != NonceUse::Never }
    }

    /// In words.
    const fn words(self) -> &'static str {
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
    fn of(answer: &Result<RevocationStatus, FetchError>) -> Option<Self> {
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

impl PublishedRound {
    /// The list at a URL, for one issuer: a list is believed for its issuer's signature, and what stands there may be signed by several.
    fn list(&self, url: &str, issuer: &Rc<Certificate>) -> Rc<FetchedList> {
        self.uses.set(self.uses.get() + 1);
        let mut lists = self.lists.borrow_mut();
        let of_url = match lists.get_mut(url) {
            Some(of_url) => of_url,
            None => lists.entry(url.to_owned()).or_default(),
        };
        let is_its = |held: &HeldList| Rc::ptr_eq(&held.issuer, issuer) || held.issuer.der == issuer.der;
        let place = of_url.iter().position(is_its).unwrap_or_else(|| {
            of_url.push(HeldList { issuer: Rc::clone(issuer), list: Rc::default(), last_use: 0 });
            of_url.len() - 1
        });
        of_url[place].last_use = self.uses.get();
        Rc::clone(&of_url[place].list)
    }

    /// Lets lists go that were not used for the longest time, until those that are held are so many bytes together. The newest one stays, however
    /// long it is; of those that let go something is fetched again where it is wanted again.
    fn make_room(&self, most: usize) {
        let size = |held: &HeldList| held.list.get().and_then(|list| list.as_ref().ok()).map_or(0, Crl::bytes);
        let mut lists = self.lists.borrow_mut();
        let mut held: Vec<(u64, usize)> =
            lists.values().flatten().map(|held| (held.last_use, size(held))).filter(|(_, size)| *size > 0).collect();
        held.sort_unstable_by(|one, other| other.cmp(one));
        let mut together = 0;
        let older = held.iter().enumerate().find(|(place, (_, size))| {
            together += size;
            *place > 0 && together > most
        });
        let Some((_, (last_use, _))) = older else { return };
        for of_url in lists.values_mut() {
            of_url.retain(|held| size(held) == 0 || held.last_use > *last_use);
        }
    }

    /// The responder at a URL.
    fn responder(&self, url: &str, state: impl FnOnce() -> ResponderState) -> Rc<Responder> {
        let mut responders = self.responders.borrow_mut();
        if let Some(known) = responders.get(url) {
            return Rc::clone(known);
        }
        let responder = Rc::new(Responder { turns: Semaphore::new(QUESTIONS_TO_ONE), known: RefCell::new(state()) });
        responders.insert(url.to_owned(), Rc::clone(&responder));
        responder
    }
}

impl ResponderState {
    /// A responder that has not been asked in this round, but in an earlier one that way.
    fn new(known: Option<AskingWay>, nonce_use: NonceUse) -> Self {
        Self {
            way: known.unwrap_or_else(|| AskingWay::first(nonce_use)),
            settled: known.is_some(),
            understood: known.is_some(),
            answers: false,
            silences: 0,
            last: String::new(),
        }
    }

    /// Takes in that it was silent, or was not.
    fn note_answer(&mut self, silence: Option<String>) {
        self.answers |= silence.is_none();
        self.silences = if silence.is_some() { self.silences + 1 } else { 0 };
        self.last = silence.unwrap_or_default();
    }

    /// Takes in how a question came off that was put in a way: the way to put it again, where there is one. Only until one way is known:
    /// what is refused afterwards is refused for another reason.
    fn other_way(
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
    fn known_way(&self) -> Option<AskingWay> {
        self.understood.then_some(self.way)
    }

    /// Why it is not asked any more in this round. One that has never answered is given up after a single one: each further
    /// silence costs a whole timeout.
    fn given_up(&self) -> Option<String> {
        let most = if self.answers { MAX_SILENCES } else { 1 };
        (self.silences >= most).then(|| self.last.clone())
    }
}

/// What a status from a URL says. A CRL need not list certificates that have expired (RFC 5280, section 3.3), nor does every responder know them,
/// so `good` then proves nothing.
fn answer_of(status: &RevocationStatus, id: &CertId, url: &str, now: Timestamp) -> SourceAnswer {
    match status {
        RevocationStatus::Revoked { at, reason } => SourceAnswer::Revoked(Some(*at), *reason),
        RevocationStatus::OnHold { at, as_of } => SourceAnswer::OnHold { since: *at, as_of: *as_of },
        RevocationStatus::Good | RevocationStatus::Lifted { .. }
            if id.coverage.as_ref().is_some_and(|coverage| coverage.ends < now) =>
        {
            SourceAnswer::Nothing(EXPIRED.into())
        }
        RevocationStatus::Lifted { as_of } => SourceAnswer::Lifted(*as_of),
        RevocationStatus::Good => SourceAnswer::Good(None),
        RevocationStatus::Unknown(doubt) => SourceAnswer::Nothing(format!("{doubt} ({url})").into()),
    }
}

/// A list may be 64 MiB long: parsing it on this thread would hold up everything else.
async fn parsed(bytes: Vec<u8>, issuer: &Certificate) -> Result<Crl, UnknownReason> {
    let issuer = issuer.clone();
    let parsed = tokio::task::spawn_blocking(move || Crl::parse(bytes, &issuer)).await;
    parsed.unwrap_or(Err(UnknownReason::Unreadable))
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

/// Why the issuer of a certificate is not known that names these URLs, of which one gave none for this reason.
fn no_issuer(urls: &[String], missing: Option<(&str, String)>) -> String {
    let why = match (missing, urls.first()) {
        (Some((url, why)), _) => format!("there is no issuer's certificate at {url}: {why}"),
        (None, Some(url)) => format!("what stands at {url} has not issued it"),
        (None, None) => "its issuer's certificate is not known".to_owned(),
    };
    format!("{why}; name it by `issuer` in the plan, or by --issuer")
}

const EXPIRED: &str = "the certificate has expired, and expired ones need not be listed";
/// Each may be 64 MiB long.
const LISTS_AT_ONCE: usize = 3;
const QUESTIONS_AT_ONCE: usize = 64;
const QUESTIONS_TO_ONE: usize = 8;
/// Longer answers about one certificate are not read.
const MAX_ANSWER: usize = 1 << 20;
/// CAs publish one certificate, or a few.
const MAX_CERTIFICATE: usize = 1 << 20;
/// After so many silences in a row a responder is not asked any more in a round.
const MAX_SILENCES: u32 = 3;
/// Lists are held for the rest of a round, so that each is fetched once; but not without a bound: two of the longest, or hundreds of usual ones.
const MAX_HELD_LISTS: usize = 128 << 20;

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
        let mut responder = ResponderState::new(None, NonceUse::Auto);
        let get = responder.other_way(first, Some(ByServer), NonceUse::Auto).unwrap();
        assert_eq!((responder.other_way(get, None, NonceUse::Auto), responder.known_way()), (None, Some(get)));
        assert_eq!((responder.way, responder.other_way(get, Some(ByServer), NonceUse::Auto)), (get, None));
        // A responder that takes none of them costs these questions once in a round.
        let mut responder = ResponderState::new(None, NonceUse::Auto);
        let mut ways = vec![first];
        while let Some(way) = responder.other_way(ways[ways.len() - 1], Some(ByServer), NonceUse::Auto) {
            ways.push(way);
        }
        assert_eq!((ways.len(), responder.known_way(), responder.way), (4, None, first));
        assert_eq!(responder.other_way(first, Some(ByServer), NonceUse::Auto), None);
    }

    #[test]
    fn lists_that_were_not_used_for_the_longest_time_make_room() {
        let issuer = Certificate::parse(include_bytes!("../../pki/testdata/world/ca.der")).unwrap();
        let crl = Crl::parse(include_bytes!("../../pki/testdata/world/ca.crl").to_vec(), &issuer).unwrap();
        let (round, issuer) = (PublishedRound::default(), Rc::new(issuer));
        ["a", "b", "c"].iter().for_each(|url| round.list(url, &issuer).set(Ok(crl.clone())).unwrap());
        round.list("d", &issuer).set(Err("HTTP 404".into())).unwrap();
        let held = || -> String {
            let is_held = |url: &&str| round.lists.borrow().get(*url).is_some_and(|lists| !lists.is_empty());
            ["a", "b", "c", "d"].into_iter().filter(is_held).collect()
        };
        for (used, most, expected) in [("a", 3, "abcd"), ("a", 2, "acd"), ("c", 1, "cd"), ("c", 0, "cd")] {
            round.list(used, &issuer);
            round.make_room(most * crl.bytes());
            assert_eq!(held(), expected, "{used} {most}");
        }
    }

    #[test]
    fn a_silent_one_is_given_up() {
        let silence = || Some("timed out".to_owned());
        let mut responder = ResponderState::new(None, NonceUse::Auto);
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
