//! One round of the sources. What CAs publish: each list once for all certificates that it may hold, and each certificate's OCSP responder;
//! nobody waits behind a responder that does not answer, since it is given up for the round after a few silences. And the providers' state
//! calls, account by account, under their limits; each of these requests has its record before it is sent, as in a run.

use super::responder::{AskingWay, NonceUse, QuestionRefusal, Responder};
use super::rounds::{KnownCertificate, ReadCertificate, SourceAnswer, SourceReport, SourceReports, VerifyTarget};
use crate::engine::pace::{Full, Pace};
use crate::engine::retry;
use crate::engine::sender::Sender;
use crate::engine::status_query::{self, DoubtfulAction, ReadLists, StatusAnswer, StatusQuery, StatusQueryResult};
use crate::engine::step::{JournalFailed, LimitSignal, StepContext, append};
use crate::engine::timing::RequestTiming;
use crate::journal::{ActionState, Journal, Reader, Record};
use crate::pki::ocsp::{self, Nonce, NonceCheck};
use crate::pki::status::{MAX_STATUS_BYTES, published_der};
use crate::pki::{CertId, Certificate, Crl, RevocationStatus, UnknownReason};
use crate::plan::Action;
use crate::provider::{Provider, TargetState, target_state};
use crate::run::{Ordinal, StatusSource};
use crate::text::excerpt;
use crate::time::Clock;
use crate::wire::{FetchError, StatusBody, StatusFetcher, StatusRequest, Transport};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
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
    let body = body.map(|StatusBody { media_type, bytes }| (media_type, Arc::<[u8]>::from(bytes)));
    for (issuer, group) in groups {
        let list = match &body {
            Ok((media_type, bytes)) => parsed(bytes, &issuer).await.map_err(|doubt| match doubt {
                UnknownReason::Unreadable => format!("{doubt}: {}", excerpt(media_type.as_deref(), bytes)),
                doubt => doubt.to_string(),
            }),
            Err(why) => Err(why.to_string()),
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

/// A list may be 32 MiB long: parsing it on this thread would hold up everything else.
async fn parsed(bytes: &Arc<[u8]>, issuer: &Certificate) -> Result<Crl, UnknownReason> {
    let (bytes, issuer) = (Arc::clone(bytes), issuer.clone());
    let parsed = tokio::task::spawn_blocking(move || Crl::parse(&bytes, &issuer)).await;
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
fn no_issuer(urls: &[String], missing: &HashMap<String, String>) -> String {
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
/// Each may be 32 MiB long.
const LISTS_AT_ONCE: usize = 3;
const QUESTIONS_AT_ONCE: usize = 64;
const QUESTIONS_TO_ONE: usize = 8;
/// Longer answers about one certificate are not read.
const MAX_ANSWER: usize = 1 << 20;
/// CAs publish one certificate, or a few.
const MAX_CERTIFICATE: usize = 1 << 20;

/// An account whose state calls are asked.
#[derive(Debug)]
pub(super) struct QueriedAccount<T, C> {
    pub(super) index: usize,
    pub(super) sender: Rc<Sender<T>>,
    pub(super) journal: Journal,
    pub(super) reader: Rc<Reader>,
    pub(super) clock: Rc<C>,
    pub(super) concurrency: usize,
    pub(super) retry: crate::plan::Retry,
    /// Accounts of one credential have one.
    pub(super) pace: Rc<RefCell<Pace>>,
    /// Notified when a place may have become free there.
    pub(super) answered: Rc<Notify>,
    /// The lists that were read here.
    pub(super) lists: Rc<ReadLists>,
    pub(super) token: tokio::sync::Mutex<()>,
    /// Why it is not asked any more.
    pub(super) refused: RefCell<Option<String>>,
}

/// Whether an action's target can be looked up, by its parameters or by the provider's id in its recorded answer.
pub fn has_state_call(provider: &Provider, action: &Action, reference: Option<&str>) -> bool {
    let Some(operation) = provider.operation(&action.operation) else { return false };
    let Some(rules) = &operation.action else { return false };
    let answer = reference.and_then(|reference| target_state::answer_with_reference(operation, reference));
    !target_state::choose_queries(provider, rules, &action.parameters, answer.as_ref()).is_empty()
}

impl<T: Transport + 'static, C: Clock + 'static> QueriedAccount<T, C> {
    /// Looks up those of the cases that are due.
    pub(super) async fn round(
        self: Rc<Self>,
        cases: Rc<Vec<VerifyTarget>>,
        due: VecDeque<usize>,
        reports: SourceReports,
    ) -> Result<(), JournalFailed> {
        let since = self.clock.elapsed();
        let workers = self.concurrency.clamp(1, due.len().max(1));
        let waiting = Rc::new(RefCell::new(due));
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            let (this, cases) = (Rc::clone(&self), Rc::clone(&cases));
            let (waiting, reports) = (Rc::clone(&waiting), reports.clone());
            tasks.spawn_local(async move {
                loop {
                    let next = waiting.borrow_mut().pop_front();
                    let Some(case) = next else { return Ok(()) };
                    let answer = this.ask(cases[case].ordinal, since).await?;
                    let at = this.clock.now();
                    drop(reports.send(SourceReport { case, source: StatusSource::Provider, answer, at }).await);
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            // A panic of one worker leaves its case without an answer, which is unknown.
            done.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    async fn ask(&self, ordinal: Ordinal, since: Duration) -> Result<SourceAnswer, JournalFailed> {
        let (action, history) = self.reader.history(ordinal).map_err(|error| JournalFailed(error.to_string()))?;
        let unknown = || JournalFailed(format!("the provider document has no operation {}", action.operation));
        let operation = self.sender.find_action(&action.operation).ok_or_else(unknown)?;
        let reference = history.reply.reference;
        let answer = reference.and_then(|reference| {
            target_state::answer_with_reference(&self.sender.provider.operations[operation], &reference)
        });
        let doubtful = DoubtfulAction { answer, since, ..DoubtfulAction::default() };
        let (state, attempts) = (ActionState::default(), self.retry.attempts);
        let lists = Rc::clone(&self.lists);
        let asked = StatusQuery { action: action.into(), state, doubtful, attempts, lists };
        let (mut tries, mut throttles) = (0, 0);
        loop {
            let refused = self.refused.borrow().clone();
            if let Some(why) = refused {
                return Ok(SourceAnswer::Nothing(why.into()));
            }
            let timing = self.reserve_place().await;
            let Some(ticket) = self.sender.ticket(self.clock.now()) else {
                self.note_limits(LimitSignal::Unsent, &timing);
                self.fetch_token(&mut tries).await?;
                continue;
            };
            let context = StepContext {
                sender: Rc::clone(&self.sender),
                account: self.index,
                operation,
                journal: self.journal.clone(),
                clock: Rc::clone(&self.clock),
                ticket,
                down: Rc::default(),
                timing: Rc::clone(&timing),
            };
            match status_query::ask(&context, &asked).await? {
                StatusAnswer::TargetState { target_state, seen, limits } => {
                    self.note_limits(limits, &timing);
                    let seen = self.sender.mask(&seen);
                    return Ok(match target_state {
                        TargetState::Done => SourceAnswer::Revoked(None, None),
                        TargetState::NotDone => SourceAnswer::Good(Some(seen.into())),
                        TargetState::Pending => SourceAnswer::Good(Some(format!("it waits: {seen}").into())),
                        TargetState::Unknown => SourceAnswer::Nothing(seen.into()),
                    });
                }
                StatusAnswer::Nothing(StatusQueryResult::Failed { cause, limits, refused_token, .. }) => {
                    self.note_limits(limits, &timing);
                    if let Some(number) = refused_token {
                        if !self.sender.renew(number) {
                            *self.refused.borrow_mut() = Some(format!("the credentials were refused: {cause}"));
                        }
                        continue;
                    }
                    // Throttling costs no try, but a verification must end: what it cannot see is reported as unknown.
                    throttles += u32::from(matches!(limits, LimitSignal::Throttled { .. }));
                    if matches!(limits, LimitSignal::Throttled { .. }) && throttles < MAX_THROTTLES {
                        continue;
                    }
                    tries += 1;
                    if tries >= self.retry.attempts {
                        return Ok(SourceAnswer::Nothing(cause.into()));
                    }
                    self.pause(tries).await;
                }
                StatusAnswer::Nothing(StatusQueryResult::More | StatusQueryResult::Resolved(_)) => {
                    self.note_limits(LimitSignal::Answered, &timing)
                }
            }
        }
    }

    /// The first worker that needs a token fetches it; the others wait for that, or each would fetch its own.
    async fn fetch_token(&self, tries: &mut u32) -> Result<(), JournalFailed> {
        let _fetching = self.token.lock().await;
        if !self.sender.needs_token(self.clock.now()) || self.refused.borrow().is_some() {
            return Ok(());
        }
        let timing = self.reserve_place().await;
        let asked = Record::Asked { account: self.index, ordinal: None, at: self.clock.now() };
        append(&self.journal, self.clock.elapsed(), vec![asked]).await?;
        timing.note_sent(&*self.clock);
        let fetched = self.sender.fetch_token(self.clock.now()).await;
        timing.note_answered(&*self.clock);
        self.note_limits(LimitSignal::Answered, &timing);
        if let Err(error) = fetched {
            *tries += 1;
            if error.refused || *tries >= self.retry.attempts {
                *self.refused.borrow_mut() = Some(error.cause);
            } else {
                self.pause(*tries).await;
            }
        }
        Ok(())
    }

    /// Waits for a place under the limits.
    async fn reserve_place(&self) -> Rc<RequestTiming> {
        loop {
            let now = self.clock.elapsed();
            let taken = self.pace.borrow_mut().reserve(now);
            match taken {
                Ok(()) => return Rc::new(RequestTiming::new(now)),
                Err(Full::Until(moment)) => tokio::time::sleep(moment.saturating_sub(now)).await,
                Err(Full::UntilAnswer) => self.answered.notified().await,
            }
        }
    }

    fn note_limits(&self, limits: LimitSignal, timing: &RequestTiming) {
        let now = self.clock.elapsed();
        let times = timing.times(now);
        let mut pace = self.pace.borrow_mut();
        match limits {
            LimitSignal::Unsent => pace.release_unsent(),
            _ => pace.answered(times.sent, times.answered),
        }
        match limits {
            LimitSignal::Unsent | LimitSignal::Lost => {}
            LimitSignal::Answered => pace.note_admitted(now),
            // Whoever waits here can be answered by a list in the meantime: an hour, and it is asked again.
            LimitSignal::Throttled { retry_after, limit } => {
                pace.throttled(now, retry_after.map(|wait| wait.min(MAX_HOLD)), limit);
            }
        }
        drop(pace);
        self.answered.notify_waiters();
    }

    async fn pause(&self, tries: u32) {
        tokio::time::sleep(retry::pause(tries, self.retry.max_delay, EVEN)).await;
    }
}

/// In place of a random number: one process that only reads needs no jitter.
const EVEN: f64 = 0.5;
const MAX_THROTTLES: u32 = 20;
const MAX_HOLD: Duration = Duration::from_secs(3600);
