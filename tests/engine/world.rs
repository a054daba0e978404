//! The simulated world: providers that count effects, and everything that can go wrong on the way, from one seed.

use certsweep::journal::Journal;
use certsweep::pki::TlsServer;
use certsweep::plan::Settings;
use certsweep::provider::{Answer, HeaderFields};
use certsweep::time::Clock;
use certsweep::wire::{ConnectionUse, Delivery, Transport, WireRequest};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::LocalSet;
use tokio::time::Instant;

/// How often each fault strikes, in per cent of the requests.
#[derive(Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) not_sent: u64,
    pub(crate) lost_before: u64,
    pub(crate) lost_after: u64,
    pub(crate) error_before: u64,
    pub(crate) error_after: u64,
    pub(crate) throttle: u64,
    pub(crate) garbage: u64,
    pub(crate) redirect: u64,
    pub(crate) hang: u64,
    pub(crate) refuse: u64,
    /// The program itself fails while a request is under way.
    pub(crate) panic: u64,
    /// The machine's wall clock jumps by up to an hour, forwards or backwards.
    pub(crate) jump: u64,
    pub(crate) refuse_credentials_of: Option<&'static str>,
    /// This provider cannot be reached for so many seconds, from so many after the world's beginning.
    pub(crate) down: Option<(&'static str, u64, u64)>,
    /// This provider answers with a page for so many seconds, likewise; by this status.
    pub(crate) maintenance: Option<(&'static str, u64, u64, u16)>,
    /// What revokes says so, and does nothing.
    pub(crate) liar: bool,
}

impl Faults {
    pub(crate) const fn none() -> Self {
        Self {
            not_sent: 0,
            lost_before: 0,
            lost_after: 0,
            error_before: 0,
            error_after: 0,
            throttle: 0,
            garbage: 0,
            redirect: 0,
            hang: 0,
            refuse: 0,
            panic: 0,
            jump: 0,
            refuse_credentials_of: None,
            down: None,
            maintenance: None,
            liar: false,
        }
    }

    pub(crate) const fn many() -> Self {
        Self {
            not_sent: 6,
            lost_before: 6,
            lost_after: 6,
            error_before: 5,
            error_after: 5,
            throttle: 5,
            garbage: 3,
            redirect: 2,
            hang: 3,
            refuse: 3,
            ..Self::none()
        }
    }
}

pub(crate) struct World {
    random: Cell<u64>,
    faults: Cell<Faults>,
    effects: RefCell<BTreeMap<String, u32>>,
    /// When each request reached which provider: at some moment between its sending and its answer.
    counted: RefCell<Vec<(String, Instant)>>,
    began: Cell<Option<Instant>>,
    /// Requests that are under way, by provider, and the most that ever were.
    under_way: RefCell<BTreeMap<String, u32>>,
    pub(crate) most_under_way: RefCell<BTreeMap<String, u32>>,
    /// How far the wall clock has jumped, in seconds.
    jumped: Cell<i64>,
    /// How often a request of the CA of several stages was looked at.
    pub(crate) looked_at: RefCell<BTreeMap<String, u32>>,
    /// Handshakes, by server.
    pub(crate) handshakes: RefCell<BTreeMap<String, u32>>,
    /// The keys by which requests say that they are one and the same, by path.
    pub(crate) keys: RefCell<BTreeMap<String, Vec<String>>>,
    /// When each key reached its provider first.
    key_seen: RefCell<BTreeMap<String, Instant>>,
    /// How often a list was asked for.
    pub(crate) lists: Cell<u32>,
    /// When requests to a provider that was down were tried.
    pub(crate) tried: RefCell<Vec<Duration>>,
    /// When each request that was answered reached its provider.
    pub(crate) reached: RefCell<Vec<(Duration, String)>>,
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        Self {
            random: Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            faults: Cell::new(faults),
            effects: RefCell::default(),
            counted: RefCell::default(),
            began: Cell::new(None),
            under_way: RefCell::default(),
            most_under_way: RefCell::default(),
            jumped: Cell::new(0),
            looked_at: RefCell::default(),
            handshakes: RefCell::default(),
            keys: RefCell::default(),
            key_seen: RefCell::default(),
            lists: Cell::new(0),
            tried: RefCell::default(),
            reached: RefCell::default(),
        }
    }

    pub(crate) fn next_random(&self) -> u64 {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.set(random);
        random >> 11
    }

    pub(crate) fn key(operation: &str, target: &str) -> String {
        format!("{operation} {target}")
    }

    pub(crate) fn effects(&self) -> BTreeMap<String, u32> {
        self.effects.borrow().clone()
    }

    /// Lets an operation take effect.
    pub(crate) fn effect(&self, operation: &str, target: &str) {
        *self.effects.borrow_mut().entry(Self::key(operation, target)).or_default() += 1;
    }

    /// Sets the wall clock so many seconds ahead of the world's time, or behind it.
    pub(crate) fn set_wall_clock(&self, ahead: i64) {
        self.jumped.set(ahead);
    }

    /// A wall clock that is set back each second, and so goes at a quarter of the pace.
    pub(crate) async fn slow_wall_clock(&self) {
        for second in 1.. {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.set_wall_clock(-second * 3 / 4);
        }
    }

    pub(crate) fn forgive(&self) {
        self.faults.set(Faults {
            refuse_credentials_of: None,
            down: None,
            maintenance: None,
            refuse: 0,
            ..self.faults.get()
        });
    }

    /// Over the whole life of the run, all its processes included, no window held too many requests.
    pub(crate) fn check_windows(&self, settings: &Settings) {
        for account in &settings.accounts {
            let mut times: Vec<Instant> =
                self.counted.borrow().iter().filter(|(name, _)| *name == account.name).map(|(_, at)| *at).collect();
            times.sort();
            for window in &account.windows {
                for run in times.windows(window.count as usize + 1) {
                    let span = *run.last().unwrap() - run[0];
                    assert!(span > window.length, "{}: {} requests within {span:?}", account.name, run.len());
                }
            }
        }
    }

    fn began(&self) -> Instant {
        let began = self.began.get().unwrap_or_else(Instant::now);
        self.began.set(Some(began));
        began
    }

    /// What the provider does with a request that reached it, and what it answers.
    fn answer(&self, provider: &str, request: &WireRequest) -> Answer {
        let path = request.url.split(".invalid").nth(1).unwrap();
        let body: Value = request.body.as_deref().map_or(Value::Null, |body| serde_json::from_slice(body).unwrap());
        let parts: Vec<&str> = path.trim_matches('/').split(['/', '?']).collect();
        match (provider, parts.as_slice()) {
            ("digicert", ["certificate", id, "revoke"]) => {
                self.once("revoke", id, digicert_refusal, || (204, Value::Null))
            }
            ("digicert", ["order", "certificate", id, "revoke"]) => {
                self.once("revoke-order", id, digicert_refusal, || (204, Value::Null))
            }
            ("digicert", parts) => super::reissues::answer(self, &request.method, parts),
            ("naver", ["certificate", "revoke"]) => {
                let target = format!("{}/{}", body["orderId"].as_str().unwrap(), body["certificateNo"]);
                self.once("revoke", &target, naver_refusal, || (200, naver_success()))
            }
            ("naver", ["certificate", number, "reissue"]) => {
                self.effect("reissue", number);
                json_answer(200, &naver_success())
            }
            ("naver", ["certificate", "getPaidCertificates", ..]) => {
                self.lists.set(self.lists.get() + 1);
                let revoked =
                    |index: u64| self.effects.borrow().contains_key(&Self::key("revoke", &format!("7/{index}")));
                let row =
                    |index: u64| json!({"certificateNo": index, "statusCode": if revoked(index) { "-5" } else { "1" }});
                let certificates: Vec<Value> = (0..20).map(row).collect();
                let orders = json!([{"orderID": "7", "certificates": certificates}]);
                json_answer(
                    200,
                    &json!({"returnCode": "0", "returnMessage": "Success", "totalCount": 1, "orders": orders}),
                )
            }
            ("keyed", [_, order, "reissue"]) => {
                let key = body["key"].as_str().unwrap().to_owned();
                let mut keys = self.keys.borrow_mut();
                let keys = keys.entry((*order).to_owned()).or_default();
                // The same request again is no other one, for as long as the provider knows its key.
                let seen = *self.key_seen.borrow_mut().entry(key.clone()).or_insert_with(Instant::now);
                if !keys.contains(&key) || seen.elapsed() >= super::stages::KEY_LIFE {
                    self.effect("reissue", order);
                }
                keys.push(key);
                json_answer(201, &json!({"request": format!("r-{order}")}))
            }
            ("staged" | "keyed" | "listed", parts) => super::stages::answer(self, &request.method, parts),
            ("chained", parts) => super::steps::answer(self, &request.method, parts),
            _ => panic!("nobody answers {} {}", request.method, request.url),
        }
    }

    fn once(&self, operation: &str, target: &str, refusal: fn() -> Value, success: fn() -> (u16, Value)) -> Answer {
        if self.faults.get().liar {
            let (status, body) = success();
            return json_answer(status, &body);
        }
        if self.effects.borrow().contains_key(&Self::key(operation, target)) {
            return json_answer(400, &refusal());
        }
        self.effect(operation, target);
        let (status, body) = success();
        json_answer(status, &body)
    }
}

fn digicert_refusal() -> Value {
    json!({"errors": [{"code": "bad_request_format", "message": "no"}]})
}

fn naver_refusal() -> Value {
    json!({"returnCode": "2100", "returnMessage": "no"})
}

fn naver_success() -> Value {
    json!({"returnCode": "0", "returnMessage": "Success", "totalRows": 1})
}

pub(crate) fn json_answer(status: u16, body: &Value) -> Answer {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Answer::new(status, HeaderFields::from_iter([("content-type", "application/json")]), body)
}

/// Counts one request, also where its process is gone before it is answered.
struct UnderWay {
    world: Rc<World>,
    provider: String,
}

impl UnderWay {
    fn new(world: Rc<World>, provider: &str) -> Self {
        let now = *world.under_way.borrow_mut().entry(provider.to_owned()).and_modify(|now| *now += 1).or_insert(1);
        world
            .most_under_way
            .borrow_mut()
            .entry(provider.to_owned())
            .and_modify(|most| *most = now.max(*most))
            .or_insert(now);
        Self { world, provider: provider.to_owned() }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.world.under_way.borrow_mut().entry(self.provider.clone()).and_modify(|now| *now -= 1);
    }
}

pub(crate) struct WorldTransport {
    pub(crate) world: Rc<World>,
}

impl Transport for WorldTransport {
    async fn send(&self, request: WireRequest, _: ConnectionUse<'_>) -> Delivery {
        let world = &self.world;
        let provider = request.url.trim_start_matches("https://").split('.').next().unwrap().to_owned();
        let faults = world.faults.get();
        if let Some((name, from, seconds)) = faults.down {
            let now = Instant::now() - world.began();
            let (from, until) = (Duration::from_secs(from), Duration::from_secs(from.saturating_add(seconds)));
            if name == provider && (from..until).contains(&now) {
                world.tried.borrow_mut().push(now);
                return Delivery::NotSent("connection refused".to_owned());
            }
        }
        if let Some((name, from, seconds, status)) = faults.maintenance {
            let now = Instant::now() - world.began();
            let (from, until) = (Duration::from_secs(from), Duration::from_secs(from.saturating_add(seconds)));
            if name == provider && (from..until).contains(&now) {
                tokio::time::sleep(Duration::from_millis(100)).await;
                world.tried.borrow_mut().push(Instant::now() - world.began());
                let headers = HeaderFields::from_iter([("content-type", "text/html")]);
                return Delivery::Answered(Answer::new(status, headers, b"<title>Maintenance</title>".to_vec()));
            }
        }
        let _under_way = UnderWay::new(Rc::clone(world), &provider);
        world.reached.borrow_mut().push((Instant::now() - world.began(), request.url.clone()));
        if world.next_random() % 100 < faults.jump {
            world.jumped.set(world.jumped.get() + (world.next_random() % 7200) as i64 - 3600);
        }
        let mut dice = world.next_random() % 100;
        let mut strikes = |share: u64| {
            let hit = dice < share;
            dice = if hit { u64::MAX } else { dice.saturating_sub(share) };
            hit
        };
        if strikes(faults.not_sent) {
            return Delivery::NotSent("connection refused".to_owned());
        }
        assert!(!strikes(faults.panic), "a panic that the world has ordered");
        let before = Duration::from_millis(world.next_random() % 150);
        let after = Duration::from_millis(world.next_random() % 150);
        tokio::time::sleep(before).await;
        world.counted.borrow_mut().push((provider.clone(), Instant::now()));
        let refused = json_answer(400, &if provider == "naver" { naver_refusal() } else { digicert_refusal() });
        let mut throttled = json_answer(429, &Value::Null);
        throttled.headers.push("retry-after", "2");
        let delivery = if faults.refuse_credentials_of == Some(provider.as_str()) {
            Delivery::Answered(json_answer(401, &Value::Null))
        } else if strikes(faults.lost_before) {
            Delivery::Lost("reset".to_owned())
        } else if strikes(faults.lost_after) {
            world.answer(&provider, &request);
            Delivery::Lost("reset".to_owned())
        } else if strikes(faults.error_before) {
            Delivery::Answered(json_answer(502, &Value::Null))
        } else if strikes(faults.error_after) {
            world.answer(&provider, &request);
            Delivery::Answered(json_answer(504, &Value::Null))
        } else if strikes(faults.throttle) {
            Delivery::Answered(throttled)
        } else if strikes(faults.garbage) {
            if world.next_random().is_multiple_of(2) {
                world.answer(&provider, &request);
            }
            Delivery::Answered(Answer::new(200, HeaderFields::default(), b"<html>proxy</html>".to_vec()))
        } else if strikes(faults.redirect) {
            Delivery::Answered(json_answer(302, &Value::Null))
        } else if strikes(faults.hang) {
            if world.next_random().is_multiple_of(2) {
                world.answer(&provider, &request);
            }
            tokio::time::sleep(Duration::from_secs(30)).await;
            Delivery::Lost("time-out".to_owned())
        } else if request.method != "GET" && strikes(faults.refuse) {
            Delivery::Answered(refused)
        } else {
            Delivery::Answered(world.answer(&provider, &request))
        };
        tokio::time::sleep(after).await;
        delivery
    }

    async fn shown_certificate(&self, server: &TlsServer) -> Result<Vec<u8>, String> {
        let world = &self.world;
        tokio::time::sleep(Duration::from_millis(world.next_random() % 300)).await;
        *world.handshakes.borrow_mut().entry(server.to_string()).or_default() += 1;
        super::steps::shown(world, server)
    }
}

/// From now on the journal acknowledges records only once the disk, which takes this long, has written them.
pub(crate) fn slow_disk(local: &LocalSet, journal: &Journal, takes: Duration) {
    let journal = journal.clone();
    journal.delay_reports();
    local.spawn_local(async move {
        loop {
            tokio::time::sleep(takes).await;
            journal.report_durable();
        }
    });
}

/// Virtual time that goes on over all processes of a run.
pub(crate) struct VirtualClock {
    pub(crate) world: Rc<World>,
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let since = Instant::now() - self.world.began();
        Timestamp::from_second(1_800_000_000 + self.world.jumped.get()).unwrap() + since
    }

    fn elapsed(&self) -> Duration {
        // As the program's own clock, it does not begin at zero.
        Duration::from_secs(86_400) + (Instant::now() - self.world.began())
    }

    fn boot(&self) -> Option<String> {
        Some("the world's".to_owned())
    }
}
