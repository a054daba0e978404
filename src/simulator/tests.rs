//! The simulator's decisions under a virtual clock, with a small provider of their own: no socket, no real time.

use super::request::{Deed, Received, Response};
use super::world::World;
use super::{Faults, KnownTarget, Options, SimulatedAccount, credential};
use crate::diag::Diagnostics;
use crate::provider::model::Window;
use crate::provider::openapi;
use crate::text::SourceMap;
use crate::time::Clock;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

struct Unused;

impl Clock for Unused {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn boot(&self) -> Option<String> {
        None
    }
}

struct Played {
    world: World,
    seconds: u64,
}

impl Played {
    fn new(faults: &str, windows: &[&str]) -> Self {
        let mut diagnostics = Diagnostics::default();
        let source = SourceMap::default().add_text("test.yaml", None, DOCUMENT.into());
        let provider = openapi::read(&DOCUMENT.into(), source, &mut diagnostics);
        assert!(!diagnostics.has_errors(), "{diagnostics:?}");
        let account = SimulatedAccount {
            name: "test".to_owned(),
            provider: Arc::new(provider.unwrap()),
            windows: windows.iter().map(|text| Window::parse(text).unwrap()).collect(),
        };
        let options = Options {
            port: 0,
            accounts: vec![account],
            faults: if faults.is_empty() { Faults::default() } else { Faults::parse(faults).unwrap() },
            seed: 3,
            verify: true,
            known: Vec::new(),
            clock: Arc::new(Unused),
        };
        Self { world: World::new(options), seconds: 0 }
    }

    fn deed(&mut self, method: &str, target: &str, body: Option<&Value>) -> Deed {
        let key = credential("test", "key").reveal().to_owned();
        let headers = [("x-key", key), ("content-type", "application/json".to_owned())];
        let request = Received {
            method: method.to_owned(),
            target: format!("/test/api{target}"),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
            body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
        };
        self.world.receive(&request, Timestamp::UNIX_EPOCH, Duration::from_secs(self.seconds)).deed
    }

    fn send(&mut self, method: &str, target: &str, body: Option<&Value>) -> (u16, Value) {
        let deed = self.deed(method, target, body);
        let Deed::Answer(Response { status, body, .. }) = deed else { panic!("{deed:?}") };
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    fn revoke(&mut self, order: &str, number: i64) -> u16 {
        self.send("POST", "/revoke", Some(&json!({"order": order, "number": number}))).0
    }

    fn know(&mut self, order: &str, number: i64) {
        let parameters = json!({"order": order, "number": number}).as_object().unwrap().clone();
        let known = KnownTarget { account: "test".into(), operation: "revoke".into(), parameters };
        assert!(self.world.learn(&known));
    }

    /// The rows of a page as `order/number status`, and how many rows there are in all.
    fn page(&mut self, page: u32) -> (Vec<String>, u64) {
        let (status, body) = self.send("GET", &format!("/list?page={page}"), None);
        assert_eq!(status, 200);
        let row = |order: &Value| {
            let row = &order["rows"][0];
            let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            format!("{}/{} {}", word(&order["id"]), word(&row["no"]), word(&row["state"]))
        };
        (body["orders"].as_array().unwrap().iter().map(row).collect(), body["total"].as_u64().unwrap())
    }
}

#[test]
fn lists_show_what_is_known_page_by_page() {
    let mut played = Played::new("", &[]);
    assert_eq!(played.page(1), (vec![], 0));
    played.know("a", 1);
    played.know("a", 2);
    assert_eq!(played.revoke("b", 7), 200);
    assert_eq!(played.revoke("a", 2), 200);
    assert_eq!(played.page(1), (vec!["a/1 GOOD".to_owned(), "a/2 REVOKED".to_owned()], 3));
    assert_eq!(played.page(2), (vec!["b/7 REVOKED".to_owned()], 3));
    assert_eq!(played.page(3), (vec![], 3));
}

#[test]
fn what_is_done_for_all_is_done_for_each() {
    let mut played = Played::new("", &[]);
    played.know("a", 1);
    played.know("b", 1);
    assert_eq!(played.revoke("a", 0), 200);
    assert_eq!(played.revoke("a", 1), 400);
    let (rows, _) = played.page(1);
    assert_eq!(rows, ["a/1 REVOKED", "b/1 GOOD"]);
    let counters = played.world.effects().of("test", "revoke");
    assert_eq!((counters.effects, counters.refused, counters.targets), (1, 1, 1));
}

#[test]
fn an_unsafe_operation_takes_effect_each_time() {
    let mut played = Played::new("", &[]);
    let first = played.send("POST", "/certificates/9/reissue", Some(&json!({})));
    let second = played.send("POST", "/certificates/9/reissue", Some(&json!({})));
    assert_eq!((first.0, second.0), (201, 201));
    assert_ne!(first.1["id"], second.1["id"]);
    let counters = played.world.effects().of("test", "reissue");
    assert_eq!((counters.effects, counters.targets, counters.max_effects_per_target), (2, 1, 2));
    let found = played.send("GET", &format!("/requests/{}", second.1["id"]), None);
    assert_eq!(found, (200, json!({"id": second.1["id"], "state": "open"})));
    // A request that nobody made is not found to be anything.
    assert_eq!(played.send("GET", "/requests/12", None).1["state"], json!("closed"));
}

#[test]
fn the_sample_with_the_same_switches_answers() {
    let mut played = Played::new("", &[]);
    let now = played.send("POST", "/certificates/1/reissue", Some(&json!({"now": true, "note": "n"})));
    let later = played.send("POST", "/certificates/2/reissue", Some(&json!({"now": false, "note": "n"})));
    assert_eq!((now.0, now.1, later.0), (204, Value::Null, 201));
}

#[test]
fn limits_slide_with_the_clock_and_only_the_granted_count() {
    let mut played = Played::new("", &["1/10s"]);
    for (seconds, expected) in [(0, 200), (0, 429), (9, 429), (10, 200), (19, 429), (20, 200)] {
        played.seconds = seconds;
        assert_eq!(played.revoke("a", i64::try_from(seconds).unwrap() + 1), expected, "{seconds}");
    }
    let counters = played.world.effects().of("test", "revoke");
    assert_eq!((counters.requests, counters.accepted, counters.limited), (6, 3, 3));
}

#[test]
fn refusals_say_why_in_the_providers_own_shape() {
    let mut played = Played::new("", &[]);
    let (status, body) = played.send("POST", "/revoke", Some(&json!({"order": "a", "number": -1})));
    assert_eq!((status, &body["error"]["code"]), (400, &json!("E400")));
    assert!(body["error"]["message"].as_str().unwrap().contains("-1"), "{body}");
    assert_eq!(played.send("GET", "/list?page=1&page=2", None).0, 400);
    assert_eq!(played.send("GET", "/nothing", None).0, 404);
}

#[test]
fn an_accident_leaves_an_effect_only_where_it_may() {
    for (fault, may) in [("reset", false), ("html", false), ("429", false), ("5xx", true), ("hang", true)] {
        let mut played = Played::new(&format!("{fault}=1/1"), &[]);
        for number in 1..=40 {
            played.deed("POST", "/revoke", Some(&json!({"order": "a", "number": number})));
        }
        let counters = played.world.effects().of("test", "revoke");
        assert_eq!(counters.faults[fault], 40);
        let (some, all) = (counters.effects > 0, counters.effects == 40);
        assert!(some == may && !all, "{fault}: {} effects", counters.effects);
        // What was asked for is known, whether or not it was done.
        let asked = json!({"order": "a", "number": 41});
        assert!(played.world.learn(&KnownTarget {
            account: "test".into(),
            operation: "revoke".into(),
            parameters: asked.as_object().unwrap().clone(),
        }));
    }
}

#[test]
fn what_a_document_declares_harmless_does_no_harm() {
    let mut played = Played::new("5xx=1/1", &[]);
    for number in 1..=60 {
        let (status, _) = played.send("POST", "/revoke", Some(&json!({"order": "a", "number": number})));
        let effects = played.world.effects_on("test", "revoke", &format!("a/{number}"));
        assert!(effects == 0 || status != 502, "the document says that a 502 is without effect");
    }
}

const DOCUMENT: &str = include_str!("tests/provider.yaml");
