//! Verification on a virtual clock: what is asked when, what silence costs, and that nothing but a valid word counts. What the world
//! publishes are the lists and answers of `src/pki/testdata/world`, made by openssl.

use super::world::{Faults, VirtualClock, WorldTransport};
use super::{Bench, Cut, virtual_time};
use certsweep::engine::Sender;
use certsweep::engine::verify::{
    Cases, KnownCertificate, NonceUse, OPEN_CASES, PublicationUrls, RequestedReason, Verification, VerifyTarget,
    has_state_call, verify,
};
use certsweep::journal::{Reader, Record, RunDir, Verified};
use certsweep::pki::ocsp::{NONCE_OCTETS, Nonce};
use certsweep::pki::{CertId, Certificate, RevocationReason};
use certsweep::run::{Ordinal, Seen, StatusSource, StatusSources};
use certsweep::text::Secret;
use certsweep::time::Clock;
use certsweep::wire::credentials::Credentials;
use certsweep::wire::signer::Signer;
use certsweep::wire::{FetchError, StatusBody, StatusFetcher, StatusRequest};
use jiff::Timestamp;
use serde_json::json;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../src/pki/testdata/world/", $name)).as_slice()
    };
}

/// What is published: by question and how many of that kind came before it, how long the answer takes, and the answer.
type Script = Box<dyn Fn(&StatusRequest, usize) -> (u64, Result<&'static [u8], FetchError>)>;

struct Publisher {
    script: Script,
    asked: Rc<RefCell<Vec<(StatusRequest, Instant)>>>,
}

impl StatusFetcher for Publisher {
    async fn fetch(&self, ask: StatusRequest, most: usize) -> Result<StatusBody, FetchError> {
        let before = self.asked.borrow().iter().filter(|(other, _)| url(other) == url(&ask)).count();
        let (seconds, answer) = (self.script)(&ask, before);
        self.asked.borrow_mut().push((ask, Instant::now()));
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        match answer? {
            long if long.len() > most => Err(FetchError::TooLong(most)),
            answer => Ok(StatusBody { media_type: None, bytes: answer.to_vec() }),
        }
    }
}

/// Begins when the fixtures were made.
struct FixtureClock(Instant);

impl Clock for FixtureClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(NOW).unwrap() + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Instant::now() - self.0
    }

    fn boot(&self) -> Option<String> {
        None
    }
}

fn url(ask: &StatusRequest) -> &str {
    match ask {
        StatusRequest::Get(url) | StatusRequest::Ocsp(url, _) | StatusRequest::OcspGet(url) => url,
    }
}

/// A certificate's case, whose issuer is known where `issuer` says so.
fn target(ordinal: Ordinal, certificate: &Certificate, issuer: Option<&[u8]>) -> VerifyTarget {
    let id = issuer.and_then(|issuer| CertId::of(certificate, &Rc::new(Certificate::parse(issuer).unwrap())));
    let places = PublicationUrls {
        crl: certificate.crl_urls.clone(),
        ocsp: certificate.ocsp_urls.first().cloned(),
        issuers: certificate.issuer_urls.clone(),
    };
    VerifyTarget {
        ordinal,
        account: 0,
        certificate: Some(KnownCertificate { id: id.map(OnceCell::from).unwrap_or_default(), urls: Rc::new(places) }),
        sources: by_ca(),
        reason: RequestedReason { asked: Some(RevocationReason::KeyCompromise), sent: None },
        ..VerifyTarget::default()
    }
}

fn by_ca() -> StatusSources {
    [StatusSource::Crl, StatusSource::Ocsp].into_iter().collect()
}

/// When it was asked, and what was kept.
struct Came {
    /// Seconds from the beginning.
    asked: Vec<(String, u64)>,
    took: u64,
    /// The last record of each.
    kept: Vec<Verified>,
    /// How many records there are.
    records: usize,
    stopped: Option<i32>,
}

impl Came {
    fn asked(&self, what: &str) -> usize {
        self.asked.iter().filter(|(url, _)| url.contains(what)).count()
    }
}

/// How long it is asked again, how many cases are open at once, and after how many seconds a signal comes.
#[derive(Clone, Copy)]
struct Way {
    wait: u64,
    open: usize,
    stop: Option<u64>,
}

/// Verifies these certificates, each an action's, whose issuer is known where `issuer` says so.
async fn verified(certificates: &[&[u8]], issuer: Option<&'static [u8]>, wait: u64, script: Script) -> Came {
    verified_in(Way { wait, open: OPEN_CASES, stop: None }, certificates, issuer, script).await
}

async fn verified_in(way: Way, certificates: &[&[u8]], issuer: Option<&'static [u8]>, script: Script) -> Came {
    let actions: Vec<_> = certificates
        .iter()
        .enumerate()
        .map(|(index, _)| ("digicert", "revoke", json!({"certificate_id": index})))
        .collect();
    let bench = Bench::new(1, Faults::none(), &actions);
    bench.make();
    bench.process(Cut::Never, &[]).await;
    let open = RunDir::existing(&bench.path()).unwrap().open_for_fault_tests(u64::MAX).unwrap();
    let reader = Rc::new(open.dir.read().unwrap());
    let asked: Rc<RefCell<Vec<(StatusRequest, Instant)>>> = Rc::default();
    let certificates: Rc<Vec<Certificate>> =
        Rc::new(certificates.iter().map(|der| Certificate::parse(der).unwrap()).collect());
    let mut cases = Cases::default();
    (0..certificates.len() as u64).for_each(|ordinal| cases.push(ordinal, 0, by_ca(), false));
    let certificate = move |ordinal| certificates.get(usize::try_from(ordinal).unwrap()).cloned();
    let read = certificate.clone();
    let (say, stop) = tokio::sync::mpsc::unbounded_channel();
    let began = Instant::now();
    let verification = Verification {
        settings: &bench.settings,
        reader: Rc::clone(&reader),
        journal: open.journal.clone(),
        senders: vec![None::<Rc<Sender<WorldTransport>>>, None],
        fetcher: Publisher { script, asked: Rc::clone(&asked) },
        clock: Rc::new(FixtureClock(began)),
        cases: Rc::new(cases),
        target: Rc::new(move |ordinal, _| Ok(target(ordinal, &read(ordinal).unwrap(), issuer))),
        certificate: Rc::new(certificate),
        open: way.open,
        wait: Duration::from_secs(way.wait),
        nonce_use: NonceUse::Auto,
        nonce,
        shown: None,
        stop,
    };
    let local = tokio::task::LocalSet::new();
    local.spawn_local(async move {
        tokio::time::sleep(Duration::from_secs(way.stop.unwrap_or(1_000_000))).await;
        let _gone = say.send(15);
    });
    let ended = local.run_until(verify(verification, &mut |_| {})).await.unwrap();
    let second = |at: Instant| (at - began).as_secs();
    let asked = asked.borrow().iter().map(|(ask, at)| (url(ask).to_owned(), second(*at))).collect();
    let mut records = 0;
    reader.records(|stored| records += usize::from(matches!(stored.record, Record::Verified { .. }))).unwrap();
    Came { asked, took: second(Instant::now()), kept: kept(&reader), records, stopped: ended.stopped }
}

fn nonce() -> Option<Nonce> {
    Some(Nonce([7; NONCE_OCTETS]))
}

/// What was kept of each action.
fn kept(reader: &Reader) -> Vec<Verified> {
    reader.histories().map(|found| found.unwrap().1.verified.unwrap()).collect()
}

fn silent(seconds: u64) -> (u64, Result<&'static [u8], FetchError>) {
    (seconds, Err(FetchError::Silent("operation timed out".to_owned())))
}

/// One certificate, what its list and its responder give, and what is then reported of it.
struct Published {
    name: &'static str,
    certificate: &'static [u8],
    list: (u64, Result<&'static [u8], FetchError>),
    responder: (u64, Result<&'static [u8], FetchError>),
    seen: Seen,
    by: &'static [StatusSource],
    why: &'static str,
}

impl Published {
    /// A certificate of which nothing is published within a second.
    fn nothing(name: &'static str, certificate: &'static [u8]) -> Self {
        Self { name, certificate, list: silent(1), responder: silent(1), seen: Seen::Unknown, by: &[], why: "" }
    }
}

#[test]
fn only_valid_lists_and_answers_count() {
    let (good, revoked) = (file!("good.der"), file!("revoked.der"));
    let found = |file: &'static [u8]| (0, Ok(file));
    let missing = || (0, Err(FetchError::Status(404, String::new())));
    let long: &'static [u8] = Box::leak(vec![0x30; 80 * 1024 * 1024].into_boxed_slice());
    for case in [
        Published {
            list: found(file!("ca.crl")),
            responder: found(file!("revoked.ocsp")),
            seen: Seen::Revoked,
            by: &[StatusSource::Crl, StatusSource::Ocsp],
            ..Published::nothing("revoked by both", revoked)
        },
        Published {
            list: found(file!("ca.crl.pem")),
            seen: Seen::Revoked,
            by: &[StatusSource::Crl],
            ..Published::nothing("revoked by the list", revoked)
        },
        Published {
            list: missing(),
            responder: found(file!("revoked.ocsp")),
            seen: Seen::Revoked,
            by: &[StatusSource::Ocsp],
            ..Published::nothing("revoked by the responder", revoked)
        },
        Published {
            list: found(file!("ca.crl")),
            responder: found(file!("good.ocsp")),
            seen: Seen::Good,
            by: &[StatusSource::Crl, StatusSource::Ocsp],
            why: "crl: not revoked; ocsp: not revoked",
            ..Published::nothing("good by both", good)
        },
        Published {
            responder: found(file!("good.ocsp")),
            seen: Seen::Good,
            by: &[StatusSource::Ocsp],
            why: "timed out",
            ..Published::nothing("good by the responder", good)
        },
        Published {
            list: found(file!("expired.crl")),
            why: "out of date",
            ..Published::nothing("an expired list", revoked)
        },
        Published {
            list: found(file!("forged.crl")),
            why: "not signed",
            ..Published::nothing("a list by somebody else", revoked)
        },
        Published { list: found(long), why: "longer than 64 MiB", ..Published::nothing("a list of 80 MiB", revoked) },
        Published { list: missing(), why: "HTTP 404", ..Published::nothing("no list", good) },
        Published {
            responder: found(file!("good.ocsp")),
            why: "nothing of this certificate",
            ..Published::nothing("an answer for another serial", revoked)
        },
        Published {
            responder: found(file!("revoked.ocsp")),
            why: "nothing of this certificate",
            ..Published::nothing("another's revocation", good)
        },
        Published {
            responder: found(file!("stranger.ocsp")),
            why: "not signed",
            ..Published::nothing("a stranger's answer", good)
        },
        Published {
            list: found(b"<html>"),
            responder: found(b"<html>"),
            why: "it cannot be read: without a media type, 6 bytes (http://ocsp.example/)",
            ..Published::nothing("a page", good)
        },
    ] {
        let Published { name, certificate, list, responder, seen, by, why } = case;
        let script: Script = Box::new(move |ask, _| match ask {
            StatusRequest::Get(_) => list.clone(),
            StatusRequest::Ocsp(..) | StatusRequest::OcspGet(_) => responder.clone(),
        });
        let came = virtual_time(verified(&[certificate], Some(file!("ca.der")), 0, script));
        let sight = &came.kept[0];
        assert_eq!((sight.seen, sight.by.as_slice()), (seen, by), "{name}: {sight:?}");
        assert!(sight.why.as_deref().unwrap_or_default().contains(why), "{name}: {sight:?}");
        assert_eq!(sight.why.is_none(), seen == Seen::Revoked, "{name}");
        assert_eq!(sight.revoked_at.is_some(), seen == Seen::Revoked, "{name}");
    }
}

#[test]
fn a_revocation_is_asked_for_until_it_is_seen_and_no_longer() {
    let later = |ask: &StatusRequest, before: usize| match ask {
        StatusRequest::Get(_) => (0, Err(FetchError::Status(404, String::new()))),
        StatusRequest::Ocsp(..) if before < 3 => (0, Ok(file!("try-later.ocsp"))),
        StatusRequest::Ocsp(..) | StatusRequest::OcspGet(_) => (0, Ok(file!("revoked.ocsp"))),
    };
    let came = virtual_time(verified(&[file!("revoked.der")], Some(file!("ca.der")), 60, Box::new(later)));
    let moments: Vec<u64> = came.asked.iter().filter(|(url, _)| url.contains("ocsp")).map(|(_, at)| *at).collect();
    assert_eq!(moments, [0, 2, 6, 14]);
    assert_eq!(came.kept[0].at, Timestamp::from_second(NOW + 14).unwrap());
    let came = virtual_time(verified(&[file!("revoked.der")], Some(file!("ca.der")), 5, Box::new(later)));
    assert_eq!((came.kept[0].seen, came.took), (Seen::Unknown, 5));
}

#[test]
fn a_list_is_fetched_once_for_all_whom_it_tells_of() {
    let certificates = vec![file!("revoked.der"); 40];
    let script: Script = Box::new(|ask, _| match ask {
        StatusRequest::Get(_) => (1, Ok(file!("ca.crl"))),
        StatusRequest::Ocsp(..) | StatusRequest::OcspGet(_) => (0, Ok(file!("revoked.ocsp"))),
    });
    let came = virtual_time(verified(&certificates, Some(file!("ca.der")), 0, script));
    assert!(came.kept.iter().all(|sight| sight.by == [StatusSource::Crl, StatusSource::Ocsp]));
    assert_eq!(came.asked.iter().filter(|(url, _)| url.ends_with("ca.crl")).count(), 1);
    assert_eq!(came.asked.len(), 41);
}

#[test]
fn a_responder_that_never_answers_costs_its_time_out_and_keeps_nobody_waiting() {
    let certificates = vec![file!("revoked.der"); 200];
    let script: Script = Box::new(|ask, _| match ask {
        StatusRequest::Get(_) => (0, Ok(file!("ca.crl"))),
        StatusRequest::Ocsp(..) | StatusRequest::OcspGet(_) => silent(30),
    });
    let came = virtual_time(verified(&certificates, Some(file!("ca.der")), 0, script));
    assert!(came.took <= 31, "{} seconds", came.took);
    let asked = came.asked.iter().filter(|(url, _)| url.contains("ocsp")).count();
    assert!(asked <= 8, "{asked} questions to a responder that is not there");
    for sight in &came.kept {
        assert_eq!((sight.seen, sight.at), (Seen::Revoked, Timestamp::from_second(NOW).unwrap()));
    }
}

#[test]
fn an_issuer_is_fetched_once_from_where_the_certificate_says_and_believed_for_its_signature() {
    for (issuer, seen, why) in [
        (Ok(file!("ca.der")), Seen::Revoked, ""),
        (Ok(file!("other.der")), Seen::Unknown, "ca.crt has not issued it"),
        (Ok(b"<html>".as_slice()), Seen::Unknown, "no issuer's certificate at http://ca.example/ca.crt"),
        (Err(FetchError::Status(404, String::new())), Seen::Unknown, "HTTP 404"),
    ] {
        let script: Script = Box::new(move |ask, _| match ask {
            StatusRequest::Get(url) if url.ends_with("ca.crt") => (0, issuer.clone()),
            StatusRequest::Get(_) => (0, Ok(file!("ca.crl"))),
            StatusRequest::Ocsp(..) | StatusRequest::OcspGet(_) => silent(1),
        });
        let came = virtual_time(verified(&[file!("revoked.der"), file!("revoked.der")], None, 3, script));
        for sight in &came.kept {
            assert_eq!(sight.seen, seen, "{sight:?}");
            assert!(sight.why.as_deref().unwrap_or_default().contains(why), "{sight:?}");
        }
        let fetched = came.asked.iter().filter(|(url, _)| url.ends_with("ca.crt")).count();
        assert_eq!(fetched, if seen == Seen::Revoked { 1 } else { 3 });
    }
}

/// Certificates that are not revoked, as the list says at once, and the responder to so many questions; later ones take it very long.
fn answered_so_often(times: usize) -> Script {
    Box::new(move |ask, before| match ask {
        StatusRequest::Get(_) => (0, Ok(file!("ca.crl"))),
        StatusRequest::Ocsp(..) | StatusRequest::OcspGet(_) if before < times => (0, Ok(file!("good.ocsp"))),
        StatusRequest::Ocsp(..) | StatusRequest::OcspGet(_) => silent(1000),
    })
}

#[test]
fn where_few_cases_are_open_at_once_a_list_is_still_fetched_once_a_round_and_nothing_is_written_twice() {
    let certificates = vec![file!("revoked.der"); 40];
    let script: Script = Box::new(|ask, _| match ask {
        StatusRequest::Get(_) => (1, Ok(file!("ca.crl"))),
        StatusRequest::Ocsp(..) | StatusRequest::OcspGet(_) => (1, Ok(file!("revoked.ocsp"))),
    });
    let way = Way { wait: 0, open: 3, stop: None };
    let came = virtual_time(verified_in(way, &certificates, Some(file!("ca.der")), script));
    assert!(came.kept.iter().all(|sight| sight.by == [StatusSource::Crl, StatusSource::Ocsp]));
    assert_eq!((came.asked("ca.crl"), came.asked("ocsp"), came.records), (1, 40, 40));
    // Three questions are answered in a second.
    assert!(came.took >= 13, "{} seconds", came.took);
    // What stays as it was is written in the first round, and at the end with the time of the last look.
    let certificates = vec![file!("good.der"); 7];
    for open in [1, 2, 3, 7, 8] {
        let way = Way { wait: 10, open, stop: None };
        let came = virtual_time(verified_in(way, &certificates, Some(file!("ca.der")), answered_so_often(99)));
        assert_eq!((came.asked("ca.crl"), came.asked("ocsp"), came.records, came.took), (4, 28, 14, 10), "{open}");
        for sight in &came.kept {
            assert_eq!((sight.seen, sight.at), (Seen::Good, Timestamp::from_second(NOW + 10).unwrap()));
        }
    }
}

#[test]
fn a_responder_that_was_given_up_costs_those_that_come_later_nothing() {
    let certificates = vec![file!("revoked.der"); 40];
    let script: Script = Box::new(|ask, _| match ask {
        StatusRequest::Get(_) => (0, Ok(file!("ca.crl"))),
        StatusRequest::Ocsp(..) | StatusRequest::OcspGet(_) => silent(30),
    });
    let way = Way { wait: 0, open: 2, stop: None };
    let came = virtual_time(verified_in(way, &certificates, Some(file!("ca.der")), script));
    assert_eq!((came.asked("ocsp"), came.took, came.records), (2, 30, 40));
    assert!(came.kept.iter().all(|sight| sight.seen == Seen::Revoked));
}

#[test]
fn a_stop_among_many_cases_keeps_what_was_answered_and_tells_of_each_once() {
    let certificates = vec![file!("good.der"); 7];
    let both = vec![StatusSource::Crl, StatusSource::Ocsp];
    let way = Way { wait: 3600, open: 2, stop: Some(5) };
    let came = virtual_time(verified_in(way, &certificates, Some(file!("ca.der")), answered_so_often(3)));
    assert_eq!((came.took, came.stopped, came.records), (5, Some(15), 7));
    let seen: Vec<(Seen, &[StatusSource])> = came.kept.iter().map(|sight| (sight.seen, sight.by.as_slice())).collect();
    let (good, by_list) = ((Seen::Good, both.as_slice()), (Seen::Good, [StatusSource::Crl].as_slice()));
    let unknown = (Seen::Unknown, [].as_slice());
    assert_eq!(seen, [good, good, good, by_list, by_list, unknown, unknown]);
    assert_eq!(came.kept[6].why.as_deref(), Some("nobody had answered when it was stopped"));
    // In a later round only what is new is written; what nobody answered stays as it was.
    let came = virtual_time(verified_in(way, &certificates, Some(file!("ca.der")), answered_so_often(7)));
    assert_eq!((came.took, came.stopped, came.records), (5, Some(15), 9));
    let seen: Vec<(Seen, &[StatusSource])> = came.kept.iter().map(|sight| (sight.seen, sight.by.as_slice())).collect();
    assert_eq!(seen, [by_list, by_list, good, good, good, good, good]);
    // Between two rounds nothing is written at all.
    let way = Way { stop: Some(1), ..way };
    let came = virtual_time(verified_in(way, &certificates, Some(file!("ca.der")), answered_so_often(99)));
    assert_eq!((came.took, came.stopped, came.records), (1, Some(15), 7));
}

/// A run of so many actions of each of two providers, and what their state calls then say of it.
async fn verified_by_state_calls(bench: &Bench) -> Vec<Verified> {
    let open = RunDir::existing(&bench.path()).unwrap().open_for_fault_tests(u64::MAX).unwrap();
    let reader = Rc::new(open.dir.read().unwrap());
    let senders = bench.settings.accounts.iter().map(|account| {
        let provider = bench.catalog.get(&account.provider).unwrap();
        let credentials =
            ["api_key", "access_key", "secret_key"].map(|name| (name.to_owned(), Secret::new("k".repeat(20))));
        let signer = Signer::new(&provider.auth[0], &account.variables, Credentials::new(credentials));
        let transport = WorldTransport { world: Rc::clone(&bench.world) };
        Some(Rc::new(Sender::new(account, provider.clone(), signer, transport)))
    });
    let mut cases = Cases::default();
    for action in &bench.actions {
        let provider = bench.catalog.get(&bench.settings.accounts[action.account].provider).unwrap();
        assert!(has_state_call(provider, action, None), "{action:?}");
        cases.push(action.ordinal, action.account, [StatusSource::Provider].into_iter().collect(), false);
    }
    let accounts: Vec<usize> = bench.actions.iter().map(|action| action.account).collect();
    let (_stop, stop) = tokio::sync::mpsc::unbounded_channel();
    let verification = Verification {
        settings: &bench.settings,
        reader: Rc::clone(&reader),
        journal: open.journal.clone(),
        senders: senders.collect(),
        fetcher: Publisher { script: Box::new(|_, _| silent(1)), asked: Rc::default() },
        clock: Rc::new(VirtualClock { world: Rc::clone(&bench.world) }),
        cases: Rc::new(cases),
        target: Rc::new(move |ordinal, sources| {
            let account = accounts[usize::try_from(ordinal).unwrap()];
            Ok(VerifyTarget { ordinal, account, sources, ..VerifyTarget::default() })
        }),
        certificate: Rc::new(|_| None),
        open: 4,
        wait: Duration::ZERO,
        nonce_use: NonceUse::Auto,
        nonce,
        shown: None,
        stop,
    };
    tokio::task::LocalSet::new().run_until(verify(verification, &mut |_| {})).await.unwrap();
    kept(&reader)
}

fn of_both_providers() -> Vec<(&'static str, &'static str, serde_json::Value)> {
    (1..20)
        .map(|index| match index % 2 {
            0 => ("digicert", "revoke-order", json!({"order_id": index, "skip_approval": true})),
            _ => ("naver", "revoke", json!({"orderId": "7", "certificateNo": index, "revokeType": "superseded"})),
        })
        .collect()
}

#[test]
fn state_calls_keep_to_the_limits_that_the_run_used() {
    virtual_time(async {
        let bench = Bench::new(1, Faults::none(), &of_both_providers());
        bench.make();
        bench.process(Cut::Never, &[]).await;
        for sight in verified_by_state_calls(&bench).await {
            assert_eq!(
                (sight.seen, sight.by.as_slice()),
                (Seen::Revoked, [StatusSource::Provider].as_slice()),
                "{sight:?}"
            );
        }
        bench.world.check_windows(&bench.settings);
    });
}

#[test]
fn a_provider_that_is_down_is_asked_for_states_by_one_request_at_a_time_and_given_up_for_the_round() {
    virtual_time(async {
        let faults = Faults { down: Some(("digicert", 100, 1_000_000)), ..Faults::none() };
        let bench = Bench::new(1, faults, &of_both_providers());
        bench.make();
        bench.process(Cut::Never, &[]).await;
        tokio::time::sleep(Duration::from_secs(200)).await;
        let began = Instant::now();
        let seen = verified_by_state_calls(&bench).await;
        for (sight, action) in seen.iter().zip(&bench.actions) {
            let expected = if action.account == 0 { Seen::Unknown } else { Seen::Revoked };
            assert_eq!(sight.seen, expected, "{sight:?}");
            let why = sight.why.as_deref().unwrap_or_default();
            assert_eq!(why.contains("connection refused"), action.account == 0, "{why}");
        }
        // Nine actions with four attempts each would be 36.
        let tried = bench.world.tried.borrow().len();
        assert!(tried <= 12, "{tried} requests to a provider that is not there");
        assert!(Instant::now() - began < Duration::from_secs(180), "{:?}", Instant::now() - began);
    });
}

/// When the fixtures were made.
const NOW: i64 = 1_795_337_433;
