//! Orders at an ACME CA from outside: what is asked one after the other, what a lost or refused answer comes to at each stage, challenges and
//! their hooks, and what is never done twice.

use super::acme::opened;
use super::mock::{Act, Mock, Seen, empty, json};
use super::place::{CommandOutput, Place};
use crate::support::side_by_side;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A CA that makes one order. What is to go otherwise is said by its fields.
#[derive(Clone)]
struct Ca {
    /// The certificate that comes, in PEM.
    certificate: String,
    /// The statuses of the authorizations.
    authorizations: &'static [&'static str],
    /// What comes instead of the answer to the nth request of a kind; whether it took effect all the same.
    instead: Vec<(&'static str, usize, bool, Act)>,
    /// Whether its directory has renewal information.
    renewal_info: bool,
    /// Where the order is said to be.
    order: &'static str,
}

#[derive(Default)]
struct State {
    finalized: usize,
    answered: usize,
    /// Looks at the order since something was done about it.
    looks: usize,
}

impl Ca {
    fn start(self) -> Mock {
        let (nonces, state) = (AtomicUsize::new(0), Mutex::new(State::default()));
        let counts = Mutex::new(std::collections::HashMap::<String, usize>::new());
        Mock::start(move |seen, _| {
            let act = self.answer(seen, &mut state.lock().unwrap(), &mut counts.lock().unwrap());
            act.with("Replay-Nonce", &format!("n{}", nonces.fetch_add(1, Ordering::SeqCst)))
        })
    }

    fn answer(&self, seen: &Seen, state: &mut State, counts: &mut std::collections::HashMap<String, usize>) -> Act {
        let url = |path: &str| format!("http://{}/{path}", seen.header("host").unwrap());
        let kind = seen.target.trim_start_matches('/').split('/').next().unwrap().to_owned();
        let nth = *counts.entry(kind.clone()).and_modify(|count| *count += 1).or_insert(0);
        let instead = self.instead.iter().find(|(of, at, ..)| *of == kind && *at == nth);
        if let Some((_, _, false, act)) = instead {
            return act.clone();
        }
        let act = match kind.as_str() {
            "dir" => {
                let mut urls = json!({"newNonce": url("n"), "newAccount": url("a"), "newOrder": url("new"), "revokeCert": url("r")});
                if self.renewal_info {
                    urls["renewalInfo"] = json!(url("ari"));
                }
                json(200, &urls.to_string())
            }
            "ari" => {
                assert!(seen.method == "GET" && seen.body.is_empty() && seen.header("content-type").is_none());
                json(200, r#"{"suggestedWindow":{"start":"2026-11-20T00:00:00Z","end":"2026-11-21T00:00:00Z"}}"#)
            }
            "n" => empty(200),
            "a" => json(200, r#"{"status":"valid"}"#).with("Location", &url("a/7")),
            "new" => {
                let order = if self.order.contains("://") { self.order.to_owned() } else { url(self.order) };
                json(201, &self.order(state, &url).to_string()).with("Location", &order)
            }
            "order" => {
                let act = json(200, &self.order(state, &url).to_string());
                state.looks += 1;
                act
            }
            "authz" => {
                let number: usize = seen.target.rsplit('/').next().unwrap().parse().unwrap();
                let token = format!("token-{number}");
                let challenges = json!([
                    {"type": "http-01", "status": "pending", "url": url(&format!("chall/{number}")), "token": token},
                    {"type": "dns-01", "status": "pending", "url": url(&format!("chall/{number}")), "token": token},
                ]);
                let name = format!("host{number}.example.com");
                json(
                    200,
                    &json!({"status": self.authorizations[number], "identifier": {"type": "dns", "value": name}, "challenges": challenges})
                        .to_string(),
                )
            }
            "chall" => {
                state.answered += 1;
                json(200, r#"{"type":"dns-01","status":"processing"}"#)
            }
            "finalize" => {
                if state.finalized > 0 {
                    return problem(403, "orderNotReady");
                }
                state.finalized += 1;
                state.looks = 0;
                json(200, &self.order(state, &url).to_string())
            }
            "cert" => {
                let headers = vec![("Content-Type".to_owned(), "application/pem-certificate-chain".to_owned())];
                Act::Answer { status: 200, headers, body: self.certificate.clone().into_bytes() }
            }
            _ => empty(404),
        };
        instead.map_or(act, |(_, _, _, instead)| instead.clone())
    }

    fn order(&self, state: &State, url: &dyn Fn(&str) -> String) -> Value {
        let open = self.authorizations.iter().filter(|status| **status != "valid").count();
        let status = match (state.finalized, state.looks) {
            (0, _) if state.answered < open => "pending",
            // The CA takes its time to validate.
            (0, 0) if open > 0 => "pending",
            (0, _) => "ready",
            (_, 0) => "processing",
            (_, _) => "valid",
        };
        let authorizations: Vec<String> =
            (0..self.authorizations.len()).map(|number| url(&format!("authz/{number}"))).collect();
        let mut order = json!({"status": status, "authorizations": authorizations, "finalize": url("finalize/1")});
        if status == "valid" {
            order["certificate"] = json!(url("cert/1"));
        }
        order
    }
}

fn problem(status: u16, kind: &str) -> Act {
    let kind = format!("urn:ietf:params:acme:error:{kind}");
    json(status, &json!({"type": kind, "detail": format!("about {kind}")}).to_string())
}

const NAMES: [&str; 2] = ["host0.example.com", "host1.example.com"];

/// A request for two names, and the certificate for it; `names` are those of the certificate.
fn place(names: &[&str]) -> (Place, String) {
    let place = Place::bare();
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = |names: &[&str]| {
        rcgen::CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
    };
    place.file("new.csr", parameters(&NAMES).serialize_request(&key).unwrap().pem().unwrap());
    place.file("account.key", rcgen::KeyPair::generate().unwrap().serialize_pem());
    (place, parameters(names).self_signed(&key).unwrap().pem())
}

fn ca(certificate: &str) -> Ca {
    Ca {
        certificate: certificate.to_owned(),
        authorizations: &["valid", "valid"],
        instead: Vec::new(),
        renewal_info: false,
        order: "order/1",
    }
}

fn order(place: &Place, mock: &Mock, account: &str, fields: &str) -> CommandOutput {
    place.run(&format!(
        "version: 1\nretry: {{attempts: 3, max_delay: 10ms}}\nproviders:\n  acme: {{base_url: \"{}/dir\", rate: [1000/1s], \
         credentials: {{account_key: \"file:account.key\"}}{account}}}\nactions:\n  \
         - {{id: shop, provider: acme, action: reissue, csr: \"file:new.csr\"{fields}}}\n",
        mock.url()
    ))
}

fn count(mock: &Mock, kind: &str) -> usize {
    mock.lines().iter().filter(|line| line.split('/').nth(1) == Some(kind)).count()
}

#[test]
fn an_order_whose_names_are_valid_is_finalized_at_once() {
    let (place, certificate) = place(&NAMES);
    let mock = ca(&certificate).start();
    order(&place, &mock, "", ", profile: shortlived").exits(0);
    let row = place.row();
    assert_eq!((row["outcome"].as_str(), row["new_certificate"].as_str()), ("succeeded", "certificates/shop.pem"));
    assert_eq!(row["provider_ref"], format!("{}/order/1", mock.url()), "where the order is stays in the report");
    let asked: Vec<String> =
        mock.lines().iter().skip(2).map(|line| line.split('/').nth(1).unwrap().to_owned()).collect();
    assert_eq!(asked, ["new", "finalize", "order", "order", "cert"]);
    let seen = mock.seen();
    let (_, payload) = opened(&seen[2]);
    assert_eq!(
        payload,
        json!({"identifiers": NAMES.map(|name| json!({"type": "dns", "value": name})), "profile": "shortlived"})
    );
    let (head, payload) = opened(&seen[3]);
    assert_eq!(head["url"], format!("{}/finalize/1", mock.url()));
    let der = URL_SAFE_NO_PAD.decode(payload["csr"].as_str().unwrap()).unwrap();
    let pem = place.read("new.csr");
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(base64::engine::general_purpose::STANDARD.encode(der), lines);
    // A request that only reads has an empty payload.
    let body: Value = serde_json::from_slice(&seen[4].body).unwrap();
    assert_eq!(body["payload"], "");
}

#[test]
fn what_is_lost_at_a_stage_never_makes_a_second_certificate() {
    let page = || Act::Answer { status: 502, headers: vec![], body: b"<html>".to_vec() };
    let cases = [
        ("a lost order is made again, and costs nothing", ("new", 0, true, Act::Close), 2, 1),
        ("a 5xx to an order", ("new", 0, false, problem(500, "serverInternal")), 2, 1),
        ("a lost finalize that took effect is found by the order", ("finalize", 0, true, Act::Close), 1, 1),
        (
            "a finalize that did not arrive is sent again, since the order says so",
            ("finalize", 0, false, Act::Close),
            1,
            2,
        ),
        ("a 5xx that took effect", ("finalize", 0, true, problem(500, "serverInternal")), 1, 1),
        ("a page of something between", ("finalize", 0, true, page()), 1, 1),
        ("a refused nonce", ("finalize", 0, false, problem(400, "badNonce")), 1, 2),
        ("a poll that is lost", ("order", 0, false, Act::Close), 1, 1),
        ("a poll with a 5xx", ("order", 1, false, problem(500, "serverInternal")), 1, 1),
        ("a download that is lost", ("cert", 0, false, Act::Close), 1, 1),
        ("too many at once", ("new", 0, false, problem(429, "rateLimited").with("Retry-After", "1")), 2, 1),
    ];
    side_by_side(cases, |(name, instead, orders, finalized)| {
        let (place, certificate) = place(&NAMES);
        let mock = Ca { instead: vec![instead], ..ca(&certificate) }.start();
        order(&place, &mock, "", "").exits(0);
        assert_eq!(place.row()["outcome"], "succeeded", "{name}: {:?}", place.row());
        assert_eq!((count(&mock, "new"), count(&mock, "finalize")), (orders, finalized), "{name}");
        assert_eq!(place.row()["new_certificate"], "certificates/shop.pem", "{name}");
    });
}

#[test]
fn what_a_ca_refuses_has_its_words_and_is_not_repeated() {
    let invalid = || {
        let error = json!({"type": "urn:ietf:params:acme:error:caa", "detail": "CAA record prevents issuance"});
        json(200, &json!({"status": "invalid", "finalize": "x", "error": error}).to_string())
    };
    let cases = [
        ("new", ("new", 0, false, problem(409, "alreadyReplaced")), "rejected", "leave `certificate` out"),
        ("new", ("new", 0, false, problem(400, "rejectedIdentifier")), "rejected", "about"),
        ("new", ("new", 0, false, problem(400, "invalidProfile")), "rejected", "about"),
        ("finalize", ("finalize", 0, false, problem(400, "badCSR")), "rejected", "step `finalized`: about"),
        ("finalize", ("finalize", 0, false, invalid()), "rejected", "the order has become invalid"),
        (
            "order",
            ("order", 0, false, invalid()),
            "rejected",
            "CAA record prevents issuance; the order has become invalid",
        ),
    ];
    side_by_side(cases, |(name, instead, outcome, words)| {
        let (place, certificate) = place(&NAMES);
        let mock = Ca { instead: vec![instead], ..ca(&certificate) }.start();
        order(&place, &mock, "", "").exits(1);
        let row = place.row();
        assert_eq!(row["outcome"], outcome, "{row:?}");
        assert!(row["provider_message"].contains(words), "{row:?}");
        assert_eq!(count(&mock, name), 1, "{:?}", mock.lines());
    });
}

#[test]
fn a_certificate_that_does_not_fit_is_in_doubt() {
    let (place, fewer) = place(&NAMES[..1]);
    let mock = ca(&fewer).start();
    order(&place, &mock, "", "").exits(1);
    let row = place.row();
    assert_eq!(row["outcome"], "in-doubt");
    assert!(row["provider_message"].contains("lacks host1.example.com"), "{row:?}");

    let (place, _) = self::place(&NAMES);
    let (_, another) = self::place(&NAMES);
    let mock = ca(&another).start();
    order(&place, &mock, "", "").exits(1);
    let row = place.row();
    assert_eq!(row["outcome"], "in-doubt");
    assert!(row["provider_message"].contains("for another key"), "{row:?}");
}

#[test]
fn nothing_is_sent_where_an_answer_leads_elsewhere() {
    let (place, certificate) = place(&NAMES);
    let elsewhere = Mock::start(|_, _| empty(200));
    let url: &'static str = format!("{}/order/1", elsewhere.url()).leak();
    let authorizations: &[&str] = &["pending", "valid"];
    let mock = Ca { order: url, authorizations, ..ca(&certificate) }.start();
    // The order was made: it can be read later, where that is repaired.
    order(&place, &mock, ", challenge_hook: \"command:true\"", "").exits(0);
    let row = place.row();
    assert_eq!(row["outcome"], "pending");
    assert!(row["provider_message"].contains("nothing is sent there"), "{row:?}");
    assert_eq!(elsewhere.seen().len(), 0);
    assert_eq!(count(&mock, "finalize"), 0);
}

#[test]
fn what_it_replaces_is_told_where_the_ca_has_renewal_information() {
    side_by_side([true, false], |renewal_info| {
        let (place, certificate) = place(&NAMES);
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let mut issuer = rcgen::CertificateParams::new(vec![]).unwrap();
        issuer.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = rcgen::Issuer::new(issuer, ca_key);
        let mut old = rcgen::CertificateParams::new(vec![NAMES[0].to_owned()]).unwrap();
        old.use_authority_key_identifier_extension = true;
        old.serial_number = Some(rcgen::SerialNumber::from(vec![0x87, 0x65, 0x43, 0x21]));
        let old = old.signed_by(&rcgen::KeyPair::generate().unwrap(), &issuer).unwrap();
        place.file("old.pem", old.pem());
        let mock = Ca { renewal_info, ..ca(&certificate) }.start();
        order(&place, &mock, "", ", certificate: \"file:old.pem\"").exits(0);
        assert_eq!(place.row()["target"], "host0.example.com/87654321");
        if renewal_info {
            let plan = place.read("plan.yaml");
            let head = plan.split("actions:").next().unwrap();
            let asked = "actions:\n  - {id: when, provider: acme, action: renewal-info, certificate: \"file:old.pem\"}\n  - {certificates: \"file:old.p*m\", provider: acme, action: renewal-info}\n";
            place.file("when.yaml", format!("{head}{asked}"));
            place.certsweep(&["run", "when.yaml", "--yes", "--run-dir", "when"]).exits(0);
            let row = super::place::rows(&place.read("when/report.csv")).remove(0);
            let seen = mock.lines().into_iter().filter(|line| line.starts_with("GET /ari/")).collect::<Vec<_>>();
            assert!(seen.len() == 1 && seen[0].ends_with(".AIdlQyE"), "the same is asked once: {seen:?}");
            assert_eq!(
                (row["outcome"].as_str(), row["provider_message"].as_str()),
                ("succeeded", "2026-11-20T00:00:00Z")
            );
            assert_eq!(count(&mock, "n"), 0, "a nonce that was not used serves the next: {:?}", mock.lines());
        }
        // Before anything is sent it shows, too; where the CA has none, that is told.
        let plan = place.read("plan.yaml");
        let head = plan.split("actions:").next().unwrap();
        let revoke = "actions:\n  - {id: old, provider: acme, action: revoke, certificate: \"file:old.pem\", reason: superseded}\n";
        place.file("revoke.yaml", format!("{head}{revoke}"));
        for (plan, id) in [("revoke.yaml", "old"), ("plan.yaml", "shop")] {
            let online = place.certsweep(&["preview", plan, "--online", "--json"]).exits(0).json();
            let target = &online["online"]["targets"][0];
            assert_eq!((&target["state"], &target["action_id"]), (&"unknown".into(), &id.into()), "{online}");
            let now = json!({"begins": "2026-11-20T00:00:00.000Z", "ends": "2026-11-21T00:00:00.000Z", "is_now": true});
            assert_eq!(target["renewal"], if renewal_info { now } else { Value::Null }, "{online}");
            let shows = target["shows"].as_str().unwrap();
            assert_eq!(shows.contains("renewalInfo"), !renewal_info, "{shows}");
            let shown = place.certsweep(&["preview", plan, "--online"]).exits(0).out;
            let words = "replace it now (the CA suggests 2026-11-20 to 2026-11-21)";
            assert_eq!(shown.contains(words), renewal_info, "{shown}");
        }
        let sent = mock.seen().into_iter().find(|seen| seen.target == "/new").unwrap();
        let (_, payload) = opened(&sent);
        let replaces = payload["replaces"].as_str().map(|text| text.split_once('.').unwrap().1.to_owned());
        // RFC 9773, section 4.1: with the sign octet of DER.
        assert_eq!(replaces.as_deref(), renewal_info.then_some("AIdlQyE"), "{payload}");
    });
}

#[cfg(unix)]
#[test]
fn a_hook_meets_the_challenges_of_what_is_not_validated_and_takes_them_away() {
    let (place, certificate) = place(&NAMES);
    let script = "#!/bin/sh\necho \"$1 $2 $3 $4 $CERTBOT_DOMAIN\" >> calls\n";
    executable(&place, "hook.sh", script);
    let mock = Ca { authorizations: &["valid", "pending"], ..ca(&certificate) }.start();
    order(&place, &mock, ", challenge_hook: \"command:./hook.sh\"", "").exits(0);
    let asked: Vec<String> =
        mock.lines().iter().skip(2).map(|line| line.split('/').nth(1).unwrap().to_owned()).collect();
    assert_eq!(asked[..4], ["new", "authz", "authz", "chall"], "{asked:?}");
    assert_eq!(count(&mock, "finalize"), 1);
    let calls = place.read("calls");
    let lines: Vec<Vec<&str>> = calls.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines.len(), 2, "{calls}");
    for (line, word) in lines.iter().zip(["deploy_challenge", "clean_challenge"]) {
        assert_eq!(line[..3], [word, "host1.example.com", "token-1"], "{calls}");
        // The digest of what stands in a TXT record.
        assert_eq!((line[3].len(), line[4]), (43, "host1.example.com"), "{calls}");
    }

    // Files of a web server.
    let (place, certificate) = self::place(&NAMES);
    std::fs::create_dir(place.path("web")).unwrap();
    let mock = Ca { authorizations: &["pending", "pending"], ..ca(&certificate) }.start();
    order(&place, &mock, ", challenge_hook: \"directory:web\"", "").exits(0);
    assert_eq!(count(&mock, "chall"), 2);
    assert_eq!(std::fs::read_dir(place.path("web")).unwrap().count(), 0, "they are taken away");
}

#[cfg(unix)]
#[test]
fn names_that_nobody_validates_are_told_and_nothing_is_finalized() {
    let cases = [
        ("", "the CA has not validated host0.example.com for this account, and `acme` has no `challenge_hook`"),
        (
            ", challenge_hook: \"command:./bad.sh\"",
            "the challenge hook (deploy_challenge) for host0.example.com: it ended with exit status: 3: no \\u{1b}[2Jdns",
        ),
        (
            ", challenge_timeout: 200ms, challenge_hook: \"command:./hang.sh\"",
            "it did not end within 0.2s, and was killed",
        ),
        (", challenge_hook: \"directory:/no/such/place\"", "/no/such/place/token-0: there is no such file"),
    ];
    side_by_side(cases, |(account, words)| {
        let (place, certificate) = place(&NAMES);
        executable(&place, "bad.sh", "#!/bin/sh\nprintf 'no \\033[2Jdns' >&2\nexit 3\n");
        executable(&place, "hang.sh", "#!/bin/sh\nsleep 600\n");
        let mock = Ca { authorizations: &["pending", "valid"], ..ca(&certificate) }.start();
        order(&place, &mock, account, "").exits(1);
        let row = place.row();
        assert_eq!(row["outcome"], "failed", "{row:?}");
        assert!(row["provider_message"].contains(words), "{row:?}");
        assert_eq!((count(&mock, "chall"), count(&mock, "finalize")), (0, 0), "{account}");
    });
}

#[cfg(unix)]
fn executable(place: &Place, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = place.file(name, text);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
