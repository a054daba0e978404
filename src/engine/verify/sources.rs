//! One round of what CAs publish: each list once for all certificates that it may hold, and each certificate's OCSP responder; nobody
//! waits behind a responder that does not answer, since it is given up for the round after a few silences.

use super::responder::{AskingWay, NonceUse, QuestionRefusal, Responder};
use super::rounds::{KnownCertificate, ReadCertificate, SourceAnswer, SourceReport, SourceReports, VerifyTarget};
use crate::pki::ocsp::{self, Nonce, NonceCheck};
use crate::pki::status::{MAX_STATUS_BYTES, published_der};
use crate::pki::{CertId, Certificate, Crl, RevocationStatus, UnknownReason};
use crate::run::StatusSource;
use crate::text::excerpt;
use crate::time::Clock;
use crate::wire::{FetchError, StatusBody, StatusFetcher, StatusRequest};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

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

/// Why a certificate's issuer could not be had, and what helps.
/// Why the issuer of a certificate is not known that names these URLs, of which some gave none.
pub(super) fn no_issuer(urls: &[String], missing: &HashMap<String, String>) -> String {
    let failed = urls.iter().find_map(|url| missing.get(url).map(|why| (url, why)));
    let why = match (failed, urls.first()) {
        (Some((url, why)), _) => format!("there is no issuer's certificate at {url}: {why}"),
        (None, Some(url)) => format!("what stands at {url} has not issued it"),
        (None, None) => "its issuer's certificate is not known".to_owned(),
    };
    format!("{why}; name it by `issuer` in the plan, or by --issuer")
}

/// The reasons in the statuses from one URL: many share one text.
struct SharedReasons<'a> {
    url: &'a str,
    last: Option<(UnknownReason, Rc<str>)>,
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

const EXPIRED: &str = "the certificate has expired, and expired ones need not be listed";
/// Each may be 64 MiB long.
const LISTS_AT_ONCE: usize = 3;
const QUESTIONS_AT_ONCE: usize = 64;
const QUESTIONS_TO_ONE: usize = 8;
/// Longer answers about one certificate are not read.
const MAX_ANSWER: usize = 1 << 20;
/// CAs publish one certificate, or a few.
const MAX_CERTIFICATE: usize = 1 << 20;
