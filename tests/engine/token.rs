//! Tokens that are fetched: once for a run, anew when a worked one is refused, and never in a circle.

use super::world::{Faults, VirtualClock, World, slow_disk};
use super::{Bench, virtual_time};
use certsweep::engine::{self, Run, Sender};
use certsweep::journal::RunDir;
use certsweep::pki::TlsServer;
use certsweep::provider::Answer;
use certsweep::provider::model::Window;
use certsweep::run::Event;
use certsweep::text::Secret;
use certsweep::wire::credentials::Credentials;
use certsweep::wire::signer::Signer;
use certsweep::wire::{ConnectionUse, Delivery, Transport, WireRequest};
use jiff::Timestamp;
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// Huawei's IAM and Private CA: each token is good for so many requests.
#[derive(Default)]
struct Cloud {
    issued: Cell<u32>,
    good_for: u32,
    used: Cell<u32>,
    revoked: RefCell<Vec<String>>,
    /// Requests whose token was refused.
    refused: Cell<u32>,
    refuse_tokens: bool,
    /// How long a token is good, and since when the last one is.
    lives: Option<Duration>,
    since: Cell<Option<tokio::time::Instant>>,
}

struct Through(Rc<Cloud>);

impl Transport for Through {
    async fn send(&self, request: WireRequest, _: ConnectionUse<'_>) -> Delivery {
        let cloud = &self.0;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let answer = |status: u16, headers: &[(&str, String)], body: serde_json::Value| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let body = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
            Delivery::Answered(Answer::new(status, headers, body))
        };
        if request.url.ends_with("/v3/auth/tokens") {
            if cloud.refuse_tokens {
                return answer(401, &[], json!({"error": {"code": 401, "message": "wrong password"}}));
            }
            cloud.issued.set(cloud.issued.get() + 1);
            cloud.used.set(0);
            cloud.since.set(Some(tokio::time::Instant::now()));
            let token = format!("token-{}", cloud.issued.get());
            let issued: Timestamp = "2027-01-15T08:00:00Z".parse().unwrap();
            let expires = issued + cloud.lives.unwrap_or(Duration::from_secs(86_400));
            let body = json!({"token": {"issued_at": issued.to_string(), "expires_at": expires.to_string()}});
            return answer(201, &[("x-subject-token", token)], body);
        }
        let is_over = cloud.lives.zip(cloud.since.get()).is_some_and(|(lives, since)| since.elapsed() >= lives);
        let token = request.headers.iter().find(|(name, _)| name == "x-auth-token").map(|(_, value)| value.clone());
        let latest = format!("token-{}", cloud.issued.get());
        if token.as_deref() != Some(&*latest) || cloud.used.get() >= cloud.good_for || is_over {
            cloud.refused.set(cloud.refused.get() + 1);
            return answer(401, &[], json!({"error_code": "PCA.00030001", "error_msg": "token expired"}));
        }
        cloud.used.set(cloud.used.get() + 1);
        cloud.revoked.borrow_mut().push(request.url);
        answer(204, &[], json!(null))
    }

    async fn shown_certificate(&self, server: &TlsServer) -> Result<Vec<u8>, String> {
        Err(format!("nobody looks at {server} here"))
    }
}

/// Revokes so many CAs against a cloud; gives the ending's completeness and its stopped accounts.
fn revoke_cas(cloud: &Rc<Cloud>, count: usize) -> (bool, usize) {
    revoke_cas_with(cloud, count, None, None)
}

/// The same, with a disk that takes so long to write, and at a rate.
fn revoke_cas_with(cloud: &Rc<Cloud>, count: usize, disk: Option<Duration>, rate: Option<&str>) -> (bool, usize) {
    virtual_time(async {
        let revoke = |index: usize| {
            (
                "huawei",
                "revoke-ca",
                json!({"ca_id": format!("6434f74f-2d13-4e6a-89eb-{index:012x}"), "reason": "SUPERSEDED"}),
            )
        };
        let actions: Vec<_> = (0..count).map(revoke).collect();
        let mut bench = Bench::new(1, Faults::none(), &actions);
        if let Some(rate) = rate {
            bench.settings.accounts[0].windows = vec![Window::parse(rate).unwrap()];
        }
        bench.make();
        let open = RunDir::existing(&bench.path()).unwrap().open_for_fault_tests(u64::MAX).unwrap();
        let reader = open.dir.read().unwrap();
        let account = &bench.settings.accounts[0];
        let provider = bench.catalog.get("huawei").unwrap();
        let requirement = provider.auth_for(|name| name.starts_with("iam_")).unwrap();
        let credentials = ["iam_user", "iam_password", "iam_domain"].map(|name| (name.to_owned(), Secret::new(name)));
        let signer = Signer::new(requirement, &account.variables, Credentials::new(credentials));
        let (_say, commands) = tokio::sync::mpsc::unbounded_channel();
        let world = Rc::new(World::new(1, Faults::none()));
        let run = Run {
            settings: &bench.settings,
            reader: &reader,
            journal: open.journal.clone(),
            senders: vec![Rc::new(Sender::new(account, provider.clone(), signer, Through(Rc::clone(cloud))))],
            clock: Rc::new(VirtualClock { world }),
            reopen: BTreeSet::new(),
            commands,
            seed: 1,
            wait: false,
            published: None,
            questions: None,
        };
        let local = tokio::task::LocalSet::new();
        if let Some(disk) = disk {
            slow_disk(&local, &open.journal, disk);
        }
        let ending = local.run_until(engine::run(run, &mut |_: Event| {})).await.unwrap();
        (ending.complete && ending.well, ending.accounts_stopped.len())
    })
}

#[test]
fn a_token_is_fetched_once_and_renewed_when_it_runs_out() {
    for (good_for, tokens) in [(1000, 1), (10, 3)] {
        let cloud = Rc::new(Cloud { good_for, ..Cloud::default() });
        assert_eq!(revoke_cas(&cloud, 30), (true, 0));
        assert_eq!((cloud.issued.get(), cloud.revoked.borrow().len()), (tokens, 30));
    }
}

#[test]
fn on_a_slow_disk_no_more_than_what_has_a_slot_meets_a_withdrawn_token() {
    let cloud = Rc::new(Cloud { good_for: 50, ..Cloud::default() });
    let (well, stopped) = revoke_cas_with(&cloud, 200, Some(Duration::from_millis(30)), Some("900/1s"));
    assert_eq!((well, stopped, cloud.issued.get()), (true, 0, 4));
    // At most a request for each slot, three times.
    assert!(
        cloud.refused.get() <= 3 * SLOTS,
        "{} requests went out with a token that was withdrawn",
        cloud.refused.get()
    );
}

#[test]
fn a_token_is_renewed_before_it_ends_and_no_request_meets_an_old_one() {
    let cloud = Rc::new(Cloud { good_for: 1000, lives: Some(Duration::from_secs(100)), ..Cloud::default() });
    assert_eq!(revoke_cas_with(&cloud, 30, None, Some("1/10s")), (true, 0));
    assert_eq!((cloud.refused.get(), cloud.revoked.borrow().len()), (0, 30));
    // Each takes a place of its own: 300 s of revokes, a token each 90 s.
    assert_eq!(cloud.issued.get(), 4);
}

#[test]
fn a_token_that_ends_before_the_limits_let_it_be_used_stops_the_provider() {
    let cloud = Rc::new(Cloud { good_for: 1000, lives: Some(Duration::from_secs(5)), ..Cloud::default() });
    assert_eq!(revoke_cas_with(&cloud, 30, None, Some("1/10s")), (false, 1));
    assert_eq!((cloud.issued.get(), cloud.refused.get(), cloud.revoked.borrow().len()), (4, 1, 0));
}

#[test]
fn a_token_that_never_works_stops_the_provider() {
    let cloud = Rc::new(Cloud { good_for: 0, ..Cloud::default() });
    assert_eq!(revoke_cas(&cloud, 30), (false, 1));
    assert_eq!((cloud.issued.get(), cloud.revoked.borrow().len()), (1, 0));
}

#[test]
fn a_refused_password_stops_the_provider_before_anything_is_asked() {
    let cloud = Rc::new(Cloud { good_for: 9, refuse_tokens: true, ..Cloud::default() });
    assert_eq!(revoke_cas(&cloud, 5), (false, 1));
    assert!(cloud.revoked.borrow().is_empty());
}

/// Requests of an account at once.
const SLOTS: u32 = 4;
