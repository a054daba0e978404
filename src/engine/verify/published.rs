//! What CAs publish, asked once: each list for all certificates that it may hold, and each certificate's OCSP responder, in a way that it takes.
//! Nobody waits behind a responder that does not answer, since it is given up for the round after a few silences. For the rounds of `verify`, and for
//! a step of a plan that waits until a list or a responder says that something is revoked. Says when to ask again to nobody.

use super::rounds::{KnownCertificate, ReadCertificate, SourceAnswer, SourceReport, SourceReports, VerifyTarget};
use crate::pki::ocsp::{self, Nonce, NonceCheck, TRY_LATER};
use crate::pki::revocation::{MAX_STATUS_BYTES, published_der};
use crate::pki::{CertId, Certificate, Crl, RevocationStatus, UnknownReason};
use crate::run::{Ordinal, StatusSource, StatusSources};
use crate::text::excerpt;
use crate::time::Clock;
use crate::wire::{FetchError, StatusBody, StatusFetcher, StatusRequest};
use futures_util::future::{FutureExt as _, LocalBoxFuture, join};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

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
    lists: Rc<Semaphore>,
    questions: Rc<Semaphore>,
}

/// Cases that one list may hold, with their issuer.
type Group = (Rc<Certificate>, Vec<usize>);

/// What all questions to responders share.
struct Asking<W, C> {
    fetcher: Rc<W>,
    clock: Rc<C>,
    permits: Rc<Semaphore>,
    nonce_use: NonceUse,
    nonce: fn() -> Option<Nonce>,
    cases: Rc<Vec<VerifyTarget>>,
    reports: SourceReports,
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

/// The questions to one responder.
#[derive(Debug)]
struct Responder {
    /// What is still to be asked about.
    waiting: VecDeque<usize>,
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

/// The reasons in the statuses from one URL: many share one text.
struct SharedReasons<'a> {
    url: &'a str,
    last: Option<(UnknownReason, Rc<str>)>,
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
            lists: Rc::new(Semaphore::new(LISTS_AT_ONCE)),
            questions: Rc::new(Semaphore::new(QUESTIONS_AT_ONCE)),
        }
    }

    /// Asks about the certificates of the cases that are due, each of the sources that it wants.
    pub(super) async fn round(&self, cases: &Rc<Vec<VerifyTarget>>, due: &[usize], reports: &SourceReports) {
        self.find_issuers(cases, due, reports).await;
        let mut lists: BTreeMap<&str, BTreeMap<&[u8], Group>> = BTreeMap::new();
        let mut responders: BTreeMap<&str, Responder> = BTreeMap::new();
        for index in due {
            let VerifyTarget { certificate: Some(KnownCertificate { id, urls }), sources, .. } = &cases[*index] else {
                continue;
            };
            let Some(id) = id.get() else { continue };
            for url in urls.crl.iter().filter(|_| sources.contains(StatusSource::Crl)) {
                let groups = lists.entry(url).or_default();
                let group = groups.entry(&id.issuer.der).or_insert_with(|| (Rc::clone(&id.issuer), Vec::new()));
                group.1.push(*index);
            }
            if let Some(url) = urls.ocsp.as_ref().filter(|_| sources.contains(StatusSource::Ocsp)) {
                let known = || self.ways.borrow().get(url).copied();
                let responder = responders.entry(url).or_insert_with(|| Responder::new(known(), self.nonces.0));
                responder.waiting.push_back(*index);
            }
        }
        let mut tasks = JoinSet::new();
        for (url, groups) in lists {
            let (fetcher, clock, permits) = (Rc::clone(&self.fetcher), Rc::clone(&self.clock), Rc::clone(&self.lists));
            let groups = groups.into_values().collect();
            let (cases, reports) = (Rc::clone(cases), reports.clone());
            tasks.spawn_local(fetch_list(fetcher, clock, permits, url.to_owned(), groups, cases, reports));
        }
        let asking = Rc::new(Asking {
            fetcher: Rc::clone(&self.fetcher),
            clock: Rc::clone(&self.clock),
            permits: Rc::clone(&self.questions),
            nonce_use: self.nonces.0,
            nonce: self.nonces.1,
            cases: Rc::clone(cases),
            reports: reports.clone(),
        });
        let mut asked = Vec::new();
        for (url, responder) in responders {
            // A few requests to one responder at once, so that the rest of all permits is left for the others.
            let workers = responder.waiting.len().min(QUESTIONS_TO_ONE);
            let responder = Rc::new(RefCell::new(responder));
            for _ in 0..workers {
                tasks.spawn_local(ask_responder(Rc::clone(&asking), url.to_owned(), Rc::clone(&responder)));
            }
            asked.push((url, responder));
        }
        while tasks.join_next().await.is_some() {}
        let known =
            asked.into_iter().filter_map(|(url, responder)| Some((url.to_owned(), responder.borrow().known_way()?)));
        self.ways.borrow_mut().extend(known);
    }

    /// Finds the issuers that no file gives; reports certificates whose issuer cannot be found.
    async fn find_issuers(&self, cases: &[VerifyTarget], due: &[usize], reports: &SourceReports) {
        let lacks = |index: &&usize| cases[**index].certificate.as_ref().is_some_and(|known| known.id.get().is_none());
        let lacking: Vec<usize> = due.iter().filter(lacks).copied().collect();
        let urls = lacking.iter().filter_map(|index| cases[*index].certificate.as_ref());
        let missing = self.fetch_issuers(urls.flat_map(|known| known.urls.issuers.iter()).collect()).await;
        for index in lacking {
            let VerifyTarget { ordinal, certificate: Some(KnownCertificate { id, urls }), sources, .. } = &cases[index]
            else {
                continue;
            };
            // Read in each round and not kept, since there may be a million of them.
            if let Some(found) = (self.certificate)(*ordinal).and_then(|certificate| self.identify(&certificate)) {
                drop(id.set(found));
                tokio::task::yield_now().await;
                continue;
            }
            let why: Rc<str> = no_issuer(&urls.issuers, &missing).into();
            for source in [StatusSource::Crl, StatusSource::Ocsp].into_iter().filter(|source| sources.contains(*source))
            {
                let (answer, at) = (SourceAnswer::Nothing(Rc::clone(&why)), self.clock.now());
                drop(reports.send(SourceReport { case: index, source, answer, at }).await);
            }
        }
    }

    /// Fetches issuers' certificates from these URLs; returns why some gave none.
    async fn fetch_issuers(&self, urls: BTreeSet<&String>) -> HashMap<String, String> {
        let mut tasks = JoinSet::new();
        for url in urls {
            let (fetcher, questions, url) = (Rc::clone(&self.fetcher), Rc::clone(&self.questions), url.clone());
            tasks.spawn_local(async move {
                let found = match questions.acquire().await {
                    Ok(_place) => fetcher.fetch(StatusRequest::Get(url.clone()), MAX_CERTIFICATE).await,
                    Err(_) => Err(FetchError::Silent("stopped".to_owned())),
                };
                let found = found.map_err(|why| why.to_string());
                let parsed = |StatusBody { media_type, bytes }| {
                    let parsed = Certificate::parse_published(&published_der(&bytes, "CERTIFICATE"));
                    parsed.map_err(|why| format!("{why} ({})", excerpt(media_type.as_deref(), &bytes)))
                };
                (url, found.and_then(parsed))
            });
        }
        let mut missing = HashMap::new();
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok((url, Ok(issuers))) => {
                    self.issuers.borrow_mut().insert(url, issuers.into_iter().map(Rc::new).collect());
                }
                Ok((url, Err(why))) => drop(missing.insert(url, why)),
                Err(_) => {}
            }
        }
        missing
    }

    /// Which certificate it is, where its issuer was found.
    fn identify(&self, certificate: &Certificate) -> Option<CertId> {
        let fetched = self.issuers.borrow();
        let mut found = certificate.issuer_urls.iter().filter_map(|url| fetched.get(url)).flatten();
        found.find_map(|issuer| CertId::of(certificate, issuer))
    }
}

impl<W: StatusFetcher, C: Clock> Asking<W, C> {
    /// Puts one question, in one way after another where it is refused. `None` where nothing is asked any more.
    async fn ask(
        &self,
        url: &str,
        id: &CertId,
        responder: &RefCell<Responder>,
        reasons: &mut SharedReasons<'_>,
    ) -> Option<SourceAnswer> {
        let mut way = responder.borrow().way;
        let mut refused: Option<String> = None;
        loop {
            let nonce = if way.with_nonce { (self.nonce)() } else { None };
            if nonce.is_none() && self.nonce_use == NonceUse::Require {
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
                let _place = self.permits.acquire().await.ok()?;
                self.fetcher.fetch(ask, MAX_ANSWER).await
            };
            let now = self.clock.now();
            let check = match (&nonce, self.nonce_use) {
                (Some(nonce), NonceUse::Require) => NonceCheck::Required(nonce),
                (Some(nonce), _) => NonceCheck::Repeated(nonce),
                (None, _) => NonceCheck::Unsent,
            };
            let silence = fetched.as_ref().err().filter(|why| matches!(why, FetchError::Silent(_)));
            responder.borrow_mut().note_answer(silence.map(ToString::to_string));
            let came = fetched.as_ref().ok().map(|body| excerpt(body.media_type.as_deref(), &body.bytes));
            let status = fetched.map(|body| ocsp::status(&body.bytes, id, check, now));
            let other = responder.borrow_mut().other_way(way, QuestionRefusal::of(&status), self.nonce_use);
            let answer = match status {
                Ok(RevocationStatus::Unknown(UnknownReason::Unreadable)) => {
                    let came = came.unwrap_or_default();
                    SourceAnswer::Nothing(format!("{}: {came} ({url})", UnknownReason::Unreadable).into())
                }
                Ok(status) => reasons.answer_of(&status, id, now),
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

impl Responder {
    /// A responder that has not been asked in this round, but in an earlier one that way.
    fn new(known: Option<AskingWay>, nonce_use: NonceUse) -> Self {
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

impl<'a> SharedReasons<'a> {
    fn new(url: &'a str) -> Self {
        Self { url, last: None }
    }

    /// What a status says. A CRL need not list certificates that have expired (RFC 5280, section 3.3), nor does every responder
    /// know them, so `good` then proves nothing.
    fn answer_of(&mut self, status: &RevocationStatus, id: &CertId, now: Timestamp) -> SourceAnswer {
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
            RevocationStatus::Unknown(doubt) => match &self.last {
                Some((last, reasons)) if last == doubt => SourceAnswer::Nothing(Rc::clone(reasons)),
                _ => {
                    let reasons: Rc<str> = format!("{doubt} ({})", self.url).into();
                    self.last = Some((*doubt, Rc::clone(&reasons)));
                    SourceAnswer::Nothing(reasons)
                }
            },
        }
    }
}

/// A URL is fetched once, whoever signs what is there.
async fn fetch_list<W: StatusFetcher, C: Clock>(
    fetcher: Rc<W>,
    clock: Rc<C>,
    permits: Rc<Semaphore>,
    url: String,
    groups: Vec<Group>,
    cases: Rc<Vec<VerifyTarget>>,
    reports: SourceReports,
) {
    // Long lists are held one by one.
    let Ok(_place) = permits.acquire().await else { return };
    let body = fetcher.fetch(StatusRequest::Get(url.clone()), MAX_STATUS_BYTES).await;
    let body = body.map(|StatusBody { media_type, bytes }| (excerpt(media_type.as_deref(), &bytes), bytes));
    let mut body = body.map_err(|why| why.to_string());
    let mut groups = groups.into_iter().peekable();
    while let Some((issuer, group)) = groups.next() {
        let list = match &mut body {
            Ok((excerpt, bytes)) => {
                // The last one takes it over, which mostly is the first one, too: there may be 64 MiB of it.
                let bytes = if groups.peek().is_some() { bytes.clone() } else { std::mem::take(bytes) };
                parsed(bytes, &issuer).await.map_err(|doubt| match doubt {
                    UnknownReason::Unreadable => format!("{doubt}: {excerpt}"),
                    doubt => doubt.to_string(),
                })
            }
            Err(why) => Err(why.clone()),
        };
        let list = list.map_err(|why| Rc::<str>::from(format!("{why} ({url})")));
        let now = clock.now();
        let mut reasons = SharedReasons::new(&url);
        for case in group {
            let Some(id) = id_of(&cases[case]) else { continue };
            let answer = match &list {
                Ok(list) => reasons.answer_of(&list.status(id, now), id, now),
                Err(why) => SourceAnswer::Nothing(Rc::clone(why)),
            };
            // The receiver is gone where the verification was stopped.
            drop(reports.send(SourceReport { case, source: StatusSource::Crl, answer, at: now }).await);
        }
    }
}

fn id_of(case: &VerifyTarget) -> Option<&CertId> {
    case.certificate.as_ref().and_then(|known| known.id.get())
}

/// A list may be 64 MiB long: parsing it on this thread would hold up everything else.
async fn parsed(bytes: Vec<u8>, issuer: &Certificate) -> Result<Crl, UnknownReason> {
    let issuer = issuer.clone();
    let parsed = tokio::task::spawn_blocking(move || Crl::parse(bytes, &issuer)).await;
    parsed.unwrap_or(Err(UnknownReason::Unreadable))
}

/// Puts questions to one responder, one after another, until none waits.
async fn ask_responder<W: StatusFetcher, C: Clock>(
    asking: Rc<Asking<W, C>>,
    url: String,
    responder: Rc<RefCell<Responder>>,
) {
    let mut reasons = SharedReasons::new(&url);
    loop {
        let Some(case) = responder.borrow_mut().waiting.pop_front() else { return };
        let Some(id) = id_of(&asking.cases[case]) else { continue };
        let given_up = responder.borrow().given_up();
        let answer = match given_up {
            Some(last) => {
                SourceAnswer::Nothing(format!("{last}; it did not answer about others either ({url})").into())
            }
            None => match asking.ask(&url, id, &responder, &mut reasons).await {
                Some(answer) => answer,
                None => return,
            },
        };
        let at = asking.clock.now();
        drop(asking.reports.send(SourceReport { case, source: StatusSource::Ocsp, answer, at }).await);
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

/// Why the issuer of a certificate is not known that names these URLs, of which some gave none.
fn no_issuer(urls: &[String], missing: &HashMap<String, String>) -> String {
    let failed = urls.iter().find_map(|url| missing.get(url).map(|why| (url, why)));
    let why = match (failed, urls.first()) {
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
/// Answers on their way.
const MAX_QUEUED_REPORTS: usize = 64;

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
