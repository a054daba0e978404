//! One round of what CAs publish: each list once for all certificates that it may hold, and each certificate's OCSP responder. Nobody
//! waits behind a responder that does not answer: it is given up for the round after a few silences.

use super::rounds::Said;
use super::{Heard, Known};
use crate::pki::{Certificate, Crl, Status, ocsp, status::MOST_BYTES};
use crate::run::Witness;
use crate::time::Clock;
use crate::wire::{Ask, Unheard, World};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

/// What all rounds share: the way to the world, and what need not be asked twice.
#[derive(Debug)]
pub(super) struct Published<W, C> {
    world: Rc<W>,
    clock: Rc<C>,
    /// Issuers that were found where certificates say, by URL.
    issuers: RefCell<HashMap<String, Vec<Rc<Certificate>>>>,
    lists: Rc<Semaphore>,
    questions: Rc<Semaphore>,
}

/// A certificate of a case with the issuer that was found for it.
#[derive(Debug, Clone)]
struct Pair {
    case: usize,
    certificate: Rc<Certificate>,
    issuer: Rc<Certificate>,
}

/// The questions to one responder.
#[derive(Debug, Default)]
struct Responder {
    waiting: VecDeque<Pair>,
    /// Whether it has answered anything in this round.
    answers: bool,
    /// Silences in a row.
    silences: u32,
    last: String,
}

impl<W: World + 'static, C: Clock + 'static> Published<W, C> {
    pub(super) fn new(world: Rc<W>, clock: Rc<C>) -> Self {
        Self {
            world,
            clock,
            issuers: RefCell::default(),
            lists: Rc::new(Semaphore::new(LISTS_AT_ONCE)),
            questions: Rc::new(Semaphore::new(QUESTIONS_AT_ONCE)),
        }
    }

    /// Asks about the certificates of cases, each of the witnesses that it wants.
    pub(super) async fn round(&self, cases: &[(usize, Known, Vec<Witness>)], heard: &UnboundedSender<Heard>) {
        let missing = self.fetch_issuers(cases).await;
        let mut lists: BTreeMap<(String, Vec<u8>), Vec<Pair>> = BTreeMap::new();
        let mut responders: BTreeMap<String, Responder> = BTreeMap::new();
        for (case, known, witnesses) in cases {
            let certificate = &known.certificate;
            let Some(issuer) = self.issuer(known) else {
                let why = no_issuer(certificate, &missing);
                for witness in witnesses {
                    self.tell(heard, *case, *witness, Said::Nothing(why.clone()));
                }
                continue;
            };
            let pair = || Pair { case: *case, certificate: Rc::clone(certificate), issuer: Rc::clone(&issuer) };
            if witnesses.contains(&Witness::Crl) {
                for url in &certificate.crl_urls {
                    lists.entry((url.clone(), issuer.der.clone())).or_default().push(pair());
                }
            }
            if let Some(url) = certificate.ocsp_urls.first().filter(|_| witnesses.contains(&Witness::Ocsp)) {
                responders.entry(url.clone()).or_default().waiting.push_back(pair());
            }
        }
        let mut tasks = JoinSet::new();
        self.begin_lists(lists, heard, &mut tasks);
        for (url, responder) in responders {
            let workers = responder.waiting.len().min(QUESTIONS_TO_ONE);
            let responder = Rc::new(RefCell::new(responder));
            for _ in 0..workers {
                let (world, clock) = (Rc::clone(&self.world), Rc::clone(&self.clock));
                let questions = Rc::clone(&self.questions);
                let (url, responder, heard) = (url.clone(), Rc::clone(&responder), heard.clone());
                tasks.spawn_local(ask_responder(world, clock, questions, url, responder, heard));
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Lists by URL and issuer; a URL is fetched once, whoever signs what is there.
    fn begin_lists(
        &self,
        lists: BTreeMap<(String, Vec<u8>), Vec<Pair>>,
        heard: &UnboundedSender<Heard>,
        tasks: &mut JoinSet<()>,
    ) {
        let mut by_url: BTreeMap<String, Vec<Vec<Pair>>> = BTreeMap::new();
        for ((url, _), pairs) in lists {
            by_url.entry(url).or_default().push(pairs);
        }
        for (url, groups) in by_url {
            let (world, clock, lists) = (Rc::clone(&self.world), Rc::clone(&self.clock), Rc::clone(&self.lists));
            let heard = heard.clone();
            tasks.spawn_local(async move {
                // Long lists are held one by one.
                let Ok(_place) = lists.acquire().await else { return };
                let bytes = world.ask(Ask::Get(url.clone()), MOST_BYTES).await.map(Arc::<[u8]>::from);
                for pairs in groups {
                    let list = match &bytes {
                        Ok(bytes) => parsed(bytes, &pairs[0].issuer).await,
                        Err(why) => Err(why.to_string()),
                    };
                    let now = clock.now();
                    for Pair { case, certificate, .. } in pairs {
                        let said = match &list {
                            Ok(list) => said(&list.status(&certificate, now), &certificate, now, &url),
                            Err(why) => Said::Nothing(format!("{why} ({url})")),
                        };
                        // Whoever listened may have been stopped.
                        drop(heard.send(Heard { case, witness: Witness::Crl, said, at: now }));
                    }
                }
            });
        }
    }

    /// Fetches the issuers that no file gives; why those are missing that could not be had.
    async fn fetch_issuers(&self, cases: &[(usize, Known, Vec<Witness>)]) -> HashMap<String, String> {
        let lacking = cases.iter().filter(|(_, known, _)| self.issuer(known).is_none());
        let mut urls: Vec<&String> = lacking.flat_map(|(_, known, _)| &known.certificate.issuer_urls).collect();
        urls.sort_unstable();
        urls.dedup();
        let mut tasks = JoinSet::new();
        for url in urls {
            let (world, questions, url) = (Rc::clone(&self.world), Rc::clone(&self.questions), url.clone());
            tasks.spawn_local(async move {
                let found = match questions.acquire().await {
                    Ok(_place) => world.ask(Ask::Get(url.clone()), LONGEST_CERTIFICATE).await,
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

    fn issuer(&self, known: &Known) -> Option<Rc<Certificate>> {
        let fetched = self.issuers.borrow();
        let found = known.certificate.issuer_urls.iter().filter_map(|url| fetched.get(url)).flatten();
        known.issuers.iter().chain(found).find(|issuer| known.certificate.is_issued_by(issuer)).cloned()
    }

    fn tell(&self, heard: &UnboundedSender<Heard>, case: usize, witness: Witness, said: Said) {
        drop(heard.send(Heard { case, witness, said, at: self.clock.now() }));
    }
}

impl Responder {
    fn heard(&mut self, silence: bool) {
        self.answers |= !silence;
        self.silences = if silence { self.silences + 1 } else { 0 };
    }

    /// Why it is not asked any more in this round: one that has never answered is not waited for a second time.
    fn given_up(&self) -> Option<String> {
        let most = if self.answers { MOST_SILENCES } else { 1 };
        (self.silences >= most).then(|| self.last.clone())
    }
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
    heard: UnboundedSender<Heard>,
) {
    loop {
        let Some(Pair { case, certificate, issuer }) = responder.borrow_mut().waiting.pop_front() else { return };
        let given_up = responder.borrow().given_up();
        let answer = match given_up {
            Some(last) => Err(format!("{last}; it did not answer about others either")),
            None => match ocsp::request(&certificate, &issuer) {
                None => Err("no OCSP question can carry its serial number".to_owned()),
                Some(question) => {
                    let Ok(_place) = questions.acquire().await else { return };
                    let answer = world.ask(Ask::Ocsp(url.clone(), question), LONGEST_ANSWER).await;
                    let mut responder = responder.borrow_mut();
                    responder.heard(matches!(answer, Err(Unheard::Silent(_))));
                    answer.map_err(|why| {
                        responder.last = why.to_string();
                        responder.last.clone()
                    })
                }
            },
        };
        let now = clock.now();
        let said = match answer {
            Ok(answer) => said(&ocsp::status(&answer, &certificate, &issuer, now), &certificate, now, &url),
            Err(why) => Said::Nothing(format!("{why} ({url})")),
        };
        drop(heard.send(Heard { case, witness: Witness::Ocsp, said, at: now }));
    }
}

/// Why a certificate's issuer could not be had, and what helps.
fn no_issuer(certificate: &Certificate, missing: &HashMap<String, String>) -> String {
    let failed = certificate.issuer_urls.iter().find_map(|url| missing.get(url).map(|why| (url, why)));
    let why = match (failed, certificate.issuer_urls.first()) {
        (Some((url, why)), _) => format!("there is no issuer's certificate at {url}: {why}"),
        (None, Some(url)) => format!("what stands at {url} has not issued it"),
        (None, None) => "its issuer's certificate is not known".to_owned(),
    };
    format!("{why}; name it by `issuer` in the plan, or by --issuer")
}

/// What a status says. CAs need not tell of certificates that have expired, so their silence then proves nothing.
fn said(status: &Status, certificate: &Certificate, now: Timestamp, url: &str) -> Said {
    match status {
        Status::Revoked { at, .. } => Said::Revoked(Some(*at)),
        Status::Good if certificate.ends < now => Said::Nothing(EXPIRED.to_owned()),
        Status::Good => Said::Good(None),
        Status::Unknown(doubt) => Said::Nothing(format!("{doubt} ({url})")),
    }
}

const EXPIRED: &str = "the certificate has expired, and expired ones need not be listed";
/// Each may be 32 MiB long.
const LISTS_AT_ONCE: usize = 3;
const QUESTIONS_AT_ONCE: usize = 64;
const QUESTIONS_TO_ONE: usize = 8;
/// After so many silences in a row a responder is not asked any more in a round.
const MOST_SILENCES: u32 = 3;
/// Longer answers about one certificate are not read.
const LONGEST_ANSWER: usize = 1 << 20;
/// CAs publish one certificate, or a few.
const LONGEST_CERTIFICATE: usize = 1 << 20;
