//! A certificate authority that counts what takes effect, target by target, refuses some, loses some answers, and can kill the
//! process that asks it at a chosen request. Played by the mock of the other tests from outside.

use super::mock::{Act, Mock, Seen, empty, json, naver_done};
use super::place::{CommandOutput, Place, finish, plan, reissue};
use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The authority, at both providers' addresses.
pub(crate) struct Authority {
    pub(crate) mock: Mock,
    ledger: Arc<Mutex<Ledger>>,
}

/// When, within a request, the process that sent it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It had come, and had not taken effect; it takes effect all the same.
    Before,
    /// It had taken effect, and was not answered.
    Between,
    /// It was being answered.
    After,
}

/// The operations of the plan, by what stands before the number in an action's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Digicert,
    Revoke,
    Reissue,
}

/// One action as the authority knows it.
pub(crate) type Target = (Kind, u64);

#[derive(Default)]
struct Ledger {
    effects: BTreeMap<Target, usize>,
    writes: BTreeMap<Target, usize>,
    arrived: usize,
    answered: usize,
    doomed: Option<Doomed>,
}

struct Doomed {
    process: u32,
    at: usize,
    moment: Moment,
}

impl Authority {
    /// Begins; every answer takes so long, and up to four milliseconds more.
    pub(crate) fn start(slow: Duration) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let theirs = Arc::clone(&ledger);
        let mock = Mock::start(move |seen, nth| {
            let moment = arrive(&theirs);
            if moment == Some((Moment::Before, true)) {
                kill(&theirs);
            }
            let act = decide(&theirs, seen, nth);
            if moment == Some((Moment::Between, true)) {
                kill(&theirs);
            }
            std::thread::sleep(slow + Duration::from_millis(seen.body.len() as u64 % 5));
            if moment == Some((Moment::After, true)) {
                let theirs = Arc::clone(&theirs);
                std::thread::spawn(move || kill(&theirs));
            }
            theirs.lock().unwrap().answered += 1;
            act
        });
        Self { mock, ledger }
    }

    /// Runs certsweep; it is killed at its request of this number, where there is one.
    pub(crate) fn run_killed(&self, place: &Place, args: &[&str], at: usize, moment: Moment) -> CommandOutput {
        let mut ledger = self.ledger.lock().unwrap();
        let at = ledger.arrived + at;
        // The ledger is held until it is known whom to kill: no request is counted before.
        let child: Child = place.spawn(args);
        ledger.doomed = Some(Doomed { process: child.id(), at, moment });
        drop(ledger);
        let done = finish(child);
        self.ledger.lock().unwrap().doomed = None;
        done
    }

    /// How often the target's request took effect.
    pub(crate) fn effects(&self, target: Target) -> usize {
        self.ledger.lock().unwrap().effects.get(&target).copied().unwrap_or(0)
    }

    /// How often the target's request came.
    pub(crate) fn writes(&self, target: Target) -> usize {
        self.ledger.lock().unwrap().writes.get(&target).copied().unwrap_or(0)
    }

    /// Requests that came, and requests that were answered.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let ledger = self.ledger.lock().unwrap();
        (ledger.arrived, ledger.answered)
    }

    /// A plan for so many actions, of the three kinds in turn, under this limit.
    pub(crate) fn plan(&self, actions: u64, rate: &str) -> String {
        let actions: String = targets(actions).into_iter().map(entry).collect();
        plan(&self.mock, &["digicert", "naver"], "", &actions)
            .replace("rate: [1000/1s], concurrency: 4", &format!("rate: [{rate}], concurrency: {CONCURRENCY}"))
    }
}

/// What a plan of so many actions is about, in plan order.
pub(crate) fn targets(actions: u64) -> Vec<Target> {
    let kinds = [Kind::Digicert, Kind::Revoke, Kind::Reissue];
    (0..actions).map(|number| (kinds[(number % 3) as usize], number / 3 + 1)).collect()
}

/// The id of a target's action.
pub(crate) fn id((kind, number): Target) -> String {
    match kind {
        Kind::Digicert => format!("d{number}"),
        Kind::Revoke => format!("r{number}"),
        Kind::Reissue => format!("n{number}"),
    }
}

fn entry(target: Target) -> String {
    let (id, number) = (id(target), target.1);
    match target.0 {
        Kind::Digicert => format!(
            "  - {{id: {id}, provider: digicert, action: revoke, certificate_id: {number}, order_id: {}}}\n",
            ORDERS + number
        ),
        Kind::Revoke => format!(
            "  - {{id: {id}, provider: naver, action: revoke, orderId: \"1\", certificateNo: {number}, reason: superseded}}\n"
        ),
        Kind::Reissue => reissue(&id, REISSUED + number),
    }
}

fn arrive(ledger: &Mutex<Ledger>) -> Option<(Moment, bool)> {
    let mut ledger = ledger.lock().unwrap();
    ledger.arrived += 1;
    let arrived = ledger.arrived;
    ledger.doomed.as_ref().map(|doomed| (doomed.moment, doomed.at == arrived))
}

fn kill(ledger: &Mutex<Ledger>) {
    let process = ledger.lock().unwrap().doomed.take().map(|doomed| doomed.process);
    if let Some(process) = process {
        // It may have ended by itself, where the last answer was on its way.
        drop(Command::new("kill").args(["-9", &process.to_string()]).output());
    }
}

/// Refuses every tenth target, answers one in ten with a 503 at first, and loses the first answer of one in ten.
fn decide(ledger: &Mutex<Ledger>, seen: &Seen, nth: usize) -> Act {
    if let Some(order) = seen.target.strip_prefix("/services/v2/order/certificate/") {
        let order: u64 = order.parse().unwrap();
        let number = order - ORDERS;
        let revoked = ledger.lock().unwrap().effects.contains_key(&(Kind::Digicert, number));
        let status = if revoked { "revoked" } else { "issued" };
        return json(
            200,
            &format!(r#"{{"id":{order},"status":"issued","certificate":{{"id":{number},"status":"{status}"}}}}"#),
        );
    }
    if seen.method == "GET" {
        let page = seen.target.split(['?', '&']).find_map(|part| part.strip_prefix("page=")?.parse().ok());
        return list(&ledger.lock().unwrap(), page.unwrap());
    }
    let number = |text: &str| text.split('/').find_map(|part| part.parse::<u64>().ok()).unwrap();
    let target = if seen.target.starts_with("/services/") {
        (Kind::Digicert, number(seen.target.trim_start_matches("/services/v2")))
    } else if seen.target.ends_with("/reissue") {
        (Kind::Reissue, number(seen.target.trim_start_matches("/api/v2")) - REISSUED)
    } else {
        let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        (Kind::Revoke, body["certificateNo"].as_u64().unwrap())
    };
    let mut ledger = ledger.lock().unwrap();
    *ledger.writes.entry(target).or_default() += 1;
    let first = if target.0 == Kind::Revoke { ledger.writes[&target] == 1 } else { nth == 0 };
    let refused = match target.0 {
        Kind::Digicert => json(400, r#"{"errors":[{"code":"bad_request_format","message":"no"}]}"#),
        _ => json(400, r#"{"returnCode":"2000","returnMessage":"no"}"#),
    };
    match target {
        (_, number) if number % 10 == 3 => return refused,
        (Kind::Digicert | Kind::Revoke, number) if number % 10 == 5 && first => return empty(503),
        (Kind::Digicert | Kind::Revoke, _) if ledger.effects.contains_key(&target) => return refused,
        _ => {}
    }
    *ledger.effects.entry(target).or_default() += 1;
    match target {
        // A reissue whose answer is lost is looked up: those of even numbers are listed as under way.
        (_, number) if number % 10 == 6 && first => Act::Close,
        (Kind::Digicert, _) => empty(204),
        _ => naver_done(),
    }
}

/// A page of NAVER's list of all that the plans name.
fn list(ledger: &Ledger, page: usize) -> Act {
    let known = |target: Target| ledger.effects.contains_key(&target);
    let certificates: Vec<serde_json::Value> = (1..=LISTED)
        .flat_map(|number| {
            let revoke = if known((Kind::Revoke, number)) { "-5" } else { "1" };
            let reissue = if known((Kind::Reissue, number)) && number % 2 == 0 { "0" } else { "1" };
            [(number, revoke), (REISSUED + number, reissue)]
        })
        .skip((page - 1) * PAGE)
        .take(PAGE)
        .map(|(number, status)| serde_json::json!({"certificateNo": number, "statusCode": status}))
        .collect();
    let answer = serde_json::json!({"returnCode": "0", "returnMessage": "Success", "totalCount": 2 * LISTED,
        "orders": [{"orderID": "1", "certificates": certificates}]});
    json(200, &answer.to_string())
}

/// Requests in flight at each of the two providers.
const CONCURRENCY: usize = 4;
/// Requests in flight at once, in all: what one crash can leave in doubt.
pub(crate) const SLOTS: usize = 2 * CONCURRENCY;
/// DigiCert's orders have other numbers than its certificates.
const ORDERS: u64 = 5000;
/// The certificates that are reissued have other numbers than those that are revoked.
const REISSUED: u64 = 100;
/// Certificates of each kind in NAVER's list.
const LISTED: u64 = 100;
/// Certificates on a page of it.
const PAGE: usize = 100;
