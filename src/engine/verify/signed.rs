//! One round of what CAs publish: each list once for all certificates that it may hold, and each certificate's OCSP responder. Nobody
//! waits behind a responder that does not answer: it is given up for the round after a few silences.

use super::cases::{Case, Known, Read, SourceReport, SourceReports};
use super::rounds::Said;
use crate::pki::{CertId, Certificate, Crl, Doubt, Status, ocsp, status::MOST_BYTES};
use crate::run::Witness;
use crate::time::Clock;
use crate::wire::{Ask, Unheard, World};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What all rounds share: the way to the world, and what need not be asked twice.
pub(super) struct Published<W, C> {
    world: Rc<W>,
    clock: Rc<C>,
    certificate: Read,
    /// Issuers that were found where certificates say, by URL.
    issuers: RefCell<HashMap<String, Vec<Rc<Certificate>>>>,
    lists: Rc<Semaphore>,
    questions: Rc<Semaphore>,
}

/// Cases that one list is to tell of, with their issuer.
type Group = (Rc<Certificate>, Vec<usize>);

/// The questions to one responder.
#[derive(Debug, Default)]
struct Responder {
    waiting: VecDeque<usize>,
    /// Whether it has answered anything in this round.
    answers: bool,
    /// Silences in a row.
    silences: u32,
    last: String,
}

impl<W: World + 'static, C: Clock + 'static> Published<W, C> {
    pub(super) fn new(world: Rc<W>, clock: Rc<C>, certificate: Read) -> Self {
        Self {
            world,
            clock,
            certificate,
            issuers: RefCell::default(),
            lists: Rc::new(Semaphore::new(LISTS_AT_ONCE)),
            questions: Rc::new(Semaphore::new(QUESTIONS_AT_ONCE)),
        }
    }

    /// Asks about the certificates of the cases that are due, each of the witnesses that it wants.
    pub(super) async fn round(&self, cases: &Rc<Vec<Case>>, due: &[usize], reports: &SourceReports) {
        self.find_issuers(cases, due, reports).await;
        let mut lists: BTreeMap<&str, BTreeMap<&[u8], Group>> = BTreeMap::new();
        let mut responders: BTreeMap<&str, Responder> = BTreeMap::new();
        for index in due {
            let Case { certificate: Some(Known { id, places }), witnesses, .. } = &cases[*index] else { continue };
            let Some(id) = id.get() else { continue };
            for url in places.crl.iter().filter(|_| witnesses.contains(Witness::Crl)) {
                let groups = lists.entry(url).or_default();
                let group = groups.entry(&id.issuer.der).or_insert_with(|| (Rc::clone(&id.issuer), Vec::new()));
                group.1.push(*index);
            }
            if let Some(url) = places.ocsp.as_ref().filter(|_| witnesses.contains(Witness::Ocsp)) {
                responders.entry(url).or_default().waiting.push_back(*index);
            }
        }
        let mut tasks = JoinSet::new();
        for (url, groups) in lists {
            let (world, clock, places) = (Rc::clone(&self.world), Rc::clone(&self.clock), Rc::clone(&self.lists));
            let groups = groups.into_values().collect();
            let (cases, reports) = (Rc::clone(cases), reports.clone());
            tasks.spawn_local(fetch_list(world, clock, places, url.to_owned(), groups, cases, reports));
        }
        for (url, responder) in responders {
            let workers = responder.waiting.len().min(QUESTIONS_TO_ONE);
            let responder = Rc::new(RefCell::new(responder));
            for _ in 0..workers {
                let (world, clock) = (Rc::clone(&self.world), Rc::clone(&self.clock));
                let (questions, cases) = (Rc::clone(&self.questions), Rc::clone(cases));
                let (url, responder, reports) = (url.to_owned(), Rc::clone(&responder), reports.clone());
                tasks.spawn_local(ask_responder(world, clock, questions, url, responder, cases, reports));
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Finds the issuers that no file gives; tells of certificates whose issuer cannot be had.
    async fn find_issuers(&self, cases: &[Case], due: &[usize], reports: &SourceReports) {
        let lacks = |index: &&usize| cases[**index].certificate.as_ref().is_some_and(|known| known.id.get().is_none());
        let lacking: Vec<usize> = due.iter().filter(lacks).copied().collect();
        let urls = lacking.iter().filter_map(|index| cases[*index].certificate.as_ref());
        let missing = self.fetch_issuers(urls.flat_map(|known| known.places.issuers.iter()).collect()).await;
        for index in lacking {
            let Case { ordinal, certificate: Some(Known { id, places }), witnesses, .. } = &cases[index] else {
                continue;
            };
            // Read again and again, since there may be a million of them.
            if let Some(found) = (self.certificate)(*ordinal).and_then(|certificate| self.identify(&certificate)) {
                drop(id.set(found));
                tokio::task::yield_now().await;
                continue;
            }
            let why: Rc<str> = no_issuer(&places.issuers, &missing).into();
            for witness in [Witness::Crl, Witness::Ocsp].into_iter().filter(|witness| witnesses.contains(*witness)) {
                let (said, at) = (Said::Nothing(Rc::clone(&why)), self.clock.now());
                drop(reports.send(SourceReport { case: index, witness, said, at }).await);
            }
        }
    }

    /// Fetches what stands at these places; why nothing could be had from some.
    async fn fetch_issuers(&self, urls: BTreeSet<&String>) -> HashMap<String, String> {
        let mut tasks = JoinSet::new();
        for url in urls {
            let (world, questions, url) = (Rc::clone(&self.world), Rc::clone(&self.questions), url.clone());
            tasks.spawn_local(async move {
                let found = match questions.acquire().await {
                    Ok(_place) => world.ask(Ask::Get(url.clone()), MAX_CERTIFICATE).await,
                    Err(_) => Err(Unheard::Silent("stopped".to_owned())),
                };
                let found = found.map_err(|why| why.to_string());
                (url, found.and_then(|bytes| Certificate::parse_published(&bytes).map_err(|why| why.to_string())))
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

impl Responder {
    fn note_answer(&mut self, silence: bool) {
        self.answers |= !silence;
        self.silences = if silence { self.silences + 1 } else { 0 };
    }

    /// Why it is not asked any more in this round: one that has never answered is not waited for a second time.
    fn given_up(&self) -> Option<String> {
        let most = if self.answers { MAX_SILENCES } else { 1 };
        (self.silences >= most).then(|| self.last.clone())
    }
}

/// A URL is fetched once, whoever signs what is there.
async fn fetch_list<W: World, C: Clock>(
    world: Rc<W>,
    clock: Rc<C>,
    places: Rc<Semaphore>,
    url: String,
    groups: Vec<Group>,
    cases: Rc<Vec<Case>>,
    reports: SourceReports,
) {
    // Long lists are held one by one.
    let Ok(_place) = places.acquire().await else { return };
    let bytes = world.ask(Ask::Get(url.clone()), MOST_BYTES).await.map(Arc::<[u8]>::from);
    for (issuer, group) in groups {
        let list = match &bytes {
            Ok(bytes) => parsed(bytes, &issuer).await,
            Err(why) => Err(why.to_string()),
        };
        let list = list.map_err(|why| Rc::<str>::from(format!("{why} ({url})")));
        let now = clock.now();
        let mut words = Words::new(&url);
        for case in group {
            let Some(id) = id_of(&cases[case]) else { continue };
            let said = match &list {
                Ok(list) => words.answer_of(&list.status(id, now), id, now),
                Err(why) => Said::Nothing(Rc::clone(why)),
            };
            // Whoever listened may have been stopped.
            drop(reports.send(SourceReport { case, witness: Witness::Crl, said, at: now }).await);
        }
    }
}

fn id_of(case: &Case) -> Option<&CertId> {
    case.certificate.as_ref().and_then(|known| known.id.get())
}

/// A list may be long: reading it must not keep others from being heard.
async fn parsed(bytes: &Arc<[u8]>, issuer: &Certificate) -> Result<Crl, String> {
    let (bytes, issuer) = (Arc::clone(bytes), issuer.clone());
    let parsed = tokio::task::spawn_blocking(move || Crl::parse(&bytes, &issuer)).await;
    parsed.map_err(|_| "it cannot be read".to_owned())?.map_err(|doubt| doubt.to_string())
}

/// Puts questions to one responder, one after another, until none waits.
async fn ask_responder<W: World, C: Clock>(
    world: Rc<W>,
    clock: Rc<C>,
    questions: Rc<Semaphore>,
    url: String,
    responder: Rc<RefCell<Responder>>,
    cases: Rc<Vec<Case>>,
    reports: SourceReports,
) {
    let mut words = Words::new(&url);
    loop {
        let Some(case) = responder.borrow_mut().waiting.pop_front() else { return };
        let Some(id) = id_of(&cases[case]) else { continue };
        let given_up = responder.borrow().given_up();
        let answer = match given_up {
            Some(last) => Err(format!("{last}; it did not answer about others either")),
            None => match ocsp::request(id) {
                None => Err("no OCSP question can carry its serial number".to_owned()),
                Some(question) => {
                    let Ok(_place) = questions.acquire().await else { return };
                    let answer = world.ask(Ask::Ocsp(url.clone(), question), MAX_ANSWER).await;
                    let mut responder = responder.borrow_mut();
                    responder.note_answer(matches!(answer, Err(Unheard::Silent(_))));
                    answer.map_err(|why| {
                        responder.last = why.to_string();
                        responder.last.clone()
                    })
                }
            },
        };
        let now = clock.now();
        let said = match answer {
            Ok(answer) => words.answer_of(&ocsp::status(&answer, id, now), id, now),
            Err(why) => Said::Nothing(format!("{why} ({url})").into()),
        };
        drop(reports.send(SourceReport { case, witness: Witness::Ocsp, said, at: now }).await);
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

/// What statuses from one place say, in words that many of them share.
struct Words<'a> {
    url: &'a str,
    last: Option<(Doubt, Rc<str>)>,
}

impl<'a> Words<'a> {
    fn new(url: &'a str) -> Self {
        Self { url, last: None }
    }

    /// What a status says. CAs need not tell of certificates that have expired, so their silence then proves nothing.
    fn answer_of(&mut self, status: &Status, id: &CertId, now: Timestamp) -> Said {
        match status {
            Status::Revoked { at, .. } => Said::Revoked(Some(*at)),
            Status::Good if id.own.as_ref().is_some_and(|own| own.ends < now) => Said::Nothing(EXPIRED.into()),
            Status::Good => Said::Good(None),
            Status::Unknown(doubt) => match &self.last {
                Some((last, words)) if last == doubt => Said::Nothing(Rc::clone(words)),
                _ => {
                    let words: Rc<str> = format!("{doubt} ({})", self.url).into();
                    self.last = Some((*doubt, Rc::clone(&words)));
                    Said::Nothing(words)
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
/// After so many silences in a row a responder is not asked any more in a round.
const MAX_SILENCES: u32 = 3;
/// Longer answers about one certificate are not read.
const MAX_ANSWER: usize = 1 << 20;
/// CAs publish one certificate, or a few.
const MAX_CERTIFICATE: usize = 1 << 20;
