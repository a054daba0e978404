//! `certsweep verify` against openssl: a run revokes at `openssl ca`, and what `openssl ocsp` answers and a CRL on loopback says is seen,
//! or is not, for the right reason.

use super::installed;
use super::openssl::{Authority, KEYS, version};
use crate::support::mock::{Act, Mock, empty, naver_done};
use crate::support::place::{Place, finish, plan, wait_until_it_says};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `openssl ocsp`, answering on loopback.
struct Responder {
    child: Child,
}

impl Responder {
    /// Starts it for a CA on a port.
    fn start(authority: &Authority, port: u16) -> Self {
        let mut child = Command::new("openssl")
            .args(["ocsp", "-port", &port.to_string(), "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem"])
            .args(["-rkey", "ca.key", "-ndays", "1"])
            .current_dir(authority.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("waiting for OCSP client"));
        assert!(ready, "openssl ocsp did not begin");
        // It goes on to write there.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A provider whose revocations `openssl ca` carries out, and which publishes files of that CA.
fn provider(authority: &Arc<Authority>, other: Vec<u8>) -> Mock {
    let authority = Arc::clone(authority);
    let revoking = std::sync::Mutex::new(());
    Mock::start(move |seen, _| match seen.target.as_str() {
        target if target.contains("/certificate/revoke") => {
            let asked: Value = serde_json::from_slice(&seen.body).unwrap();
            let _one_by_one = revoking.lock().unwrap();
            let file = format!("c{}.pem", asked["certificateNo"]);
            authority.openssl(&["ca", "-config", "ca.cnf", "-revoke", &file, "-crl_reason", "superseded"]);
            naver_done()
        }
        "/silent" => empty(200).held(),
        "/other" => Act::Answer { status: 200, headers: Vec::new(), body: other.clone() },
        "/long.crl" => Act::Answer { status: 200, headers: Vec::new(), body: vec![b'0'; 80 * 1024 * 1024] },
        target => {
            let body = authority.read(target.trim_start_matches('/'));
            Act::Answer { status: 200, headers: Vec::new(), body }
        }
    })
}

/// Issues certificates with these places, `c1.pem` and on.
fn issue(authority: &Authority, places: &[String]) {
    for (number, places) in (1..).zip(places) {
        authority.issue_with(&format!("c{number}"), places);
    }
}

/// A run that revokes so many of them, with these defaults.
fn revoke(place: &Place, mock: &Mock, authority: &Authority, count: usize, defaults: &str) {
    let directory = authority.path("");
    let action = |number| {
        format!(
            "  - {{id: c{number}, provider: naver, action: revoke, orderId: \"1\", certificateNo: {number}, reason: superseded, certificate: \"file:{}\"}}\n",
            directory.join(format!("c{number}.pem")).display()
        )
    };
    place
        .run(&plan(mock, &["naver"], &format!("timeout: 3s\n{defaults}"), &(1..=count).map(action).collect::<String>()))
        .exits(0);
}

fn crl(authority: &Authority, file: &str, more: &[&str]) {
    authority.openssl(&[&["ca", "-gencrl", "-config", "ca.cnf", "-out", file], more].concat());
}

fn list_at(mock: &Mock, file: &str) -> String {
    format!("crlDistributionPoints = URI:{}/{file}", mock.url())
}

/// When openssl's own index says that each was revoked, by serial number's order.
fn revoked_in_the_index(authority: &Authority) -> Vec<String> {
    let index = String::from_utf8(authority.read("index.txt")).unwrap();
    let at = |line: &str| {
        let at = line.split('\t').nth(2).unwrap().split(',').next().unwrap().to_owned();
        let part = |from: usize| at[from..from + 2].to_owned();
        format!("20{}-{}-{}T{}:{}:{}Z", part(0), part(2), part(4), part(6), part(8), part(10))
    };
    index.lines().filter(|line| line.starts_with('R')).map(at).collect()
}

#[test]
#[ignore = "asks openssl; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn a_run_is_verified_by_what_openssl_publishes() {
    let place = Place::new();
    let authority = Arc::new(Authority::new(KEYS[0].0, KEYS[0].1));
    let mock = provider(&authority, Vec::new());
    let port = installed::free_port();
    let list = list_at(&mock, "ca.crl");
    let places = |number: usize| {
        let (has_responder, has_list) = (number % 3 != 1, !number.is_multiple_of(3));
        let responder = has_responder.then(|| format!("OCSP;URI:http://127.0.0.1:{port}/"));
        // The issuer follows in the file of every second, and stands where the others say.
        let issuer = number.is_multiple_of(2).then(|| format!("caIssuers;URI:{}/ca.p7c", mock.url()));
        let access: Vec<String> = responder.into_iter().chain(issuer).collect();
        let access =
            if access.is_empty() { access } else { vec![format!("authorityInfoAccess = {}", access.join(","))] };
        [access, has_list.then(|| list.clone()).into_iter().collect()].concat().join("\n")
    };
    let places: Vec<String> = (0..SEEN).map(places).collect();
    crl(&authority, "ca.crl", &["-crldays", "1"]);
    authority.openssl(&["crl2pkcs7", "-nocrl", "-certfile", "ca.pem", "-outform", "DER", "-out", "ca.p7c"]);
    issue(&authority, &places);
    for number in (1..SEEN).step_by(2) {
        let file = format!("c{}.pem", number + 1);
        std::fs::write(authority.path(&file), [authority.read(&file), authority.read("ca.pem")].concat()).unwrap();
    }
    // It reads its index when it begins, and again only after it has answered: its first answer after the revocations is stale.
    let _responder = Responder::start(&authority, port);
    // It tells a new index by whole seconds of its time: one of the second in which it began would never be read.
    std::thread::sleep(Duration::from_millis(1100));
    revoke(&place, &mock, &authority, places.len(), "");
    let shown = place.certsweep(&["verify", "run", "--only", "ocsp", "--json"]).exits(1).json();
    let count = |seen: &str| {
        let all = shown["asked"].as_array().unwrap().iter();
        all.filter(|one| one["verified"]["seen"] == seen).count()
    };
    let (good, revoked, unknown) = (count("good"), count("revoked"), count("unknown"));
    assert!(good >= 1, "the stale answer was not seen: {shown}");
    // A third of them has no responder.
    assert_eq!((good + revoked, unknown), (SEEN - SEEN / 3, SEEN / 3), "{shown}");
    let mut child = place.spawn(&["verify", "run", "--only", "crl,ocsp", "--wait", "5m", "--json"]);
    wait_until_it_says(&mut child, "seen revoked; asking again");
    crl(&authority, "ca.crl", &["-crldays", "1"]);
    let shown = finish(child).exits(0).json();
    assert_eq!(shown["revoked_before"].as_u64(), Some(revoked as u64));
    let report = place.certsweep(&["report", "run", "--format", "json"]).exits(0).json();
    let mut expected = revoked_in_the_index(&authority);
    let second = |one: &Value| one["revoked_at"].as_str().unwrap().replace(".000Z", "Z");
    let mut said: Vec<String> = report.as_array().unwrap().iter().map(second).collect();
    expected.sort();
    said.sort();
    assert_eq!(said, expected, "when they were revoked, by openssl's own index");
    for (number, row) in place.rows().iter().enumerate() {
        assert_eq!(row["verified"], "revoked", "{row:?}");
        let by = match number % 3 {
            0 => ["ocsp"].as_slice(),
            1 => &["crl"],
            // Seen in the round in which the responder knew it, with or without the new list.
            _ => &["ocsp", "crl ocsp", "crl"],
        };
        assert!(by.contains(&row["verified_by"].as_str()), "{row:?}");
    }
    let judged = format!(
        "{SEEN} revocations of a run, seen at its responder and on its list when they were there, the issuer read from chains and PKCS#7"
    );
    installed::log("openssl", &version(), &judged);
}

#[test]
#[ignore = "asks openssl; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn what_is_known_by_its_serial_number_is_seen() {
    let place = Place::new();
    let authority = Arc::new(Authority::new(KEYS[0].0, KEYS[0].1));
    let mock = provider(&authority, Vec::new());
    let port = installed::free_port();
    issue(&authority, &vec![String::new(); NUMBERED]);
    // Every second one as `openssl x509 -serial` prints it, and on the list; the others as `-text` does, and at the responder.
    let list = format!("{}/ca.crl", mock.url());
    let row = |number: usize| {
        let printed = authority.printed_serial(&format!("c{number}.pem"));
        if number.is_multiple_of(2) {
            return format!("c{number},{number},{printed},{list},\n");
        }
        let pairs: Vec<&str> = printed.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
        format!("c{number},{number},{},,http://127.0.0.1:{port}/\n", pairs.join(":").to_lowercase())
    };
    let rows: String = (1..=NUMBERED).map(row).collect();
    place.file("list.csv", format!("id,certificateNo,serial_number,crl,ocsp\n{rows}"));
    place.file("ca.pem", authority.read("ca.pem"));
    let _responder = Responder::start(&authority, port);
    std::thread::sleep(Duration::from_millis(1100));
    let action = "  - {from: list.csv, provider: naver, action: revoke, orderId: \"1\", reason: superseded, issuer: \"file:ca.pem\"}\n";
    place.run(&plan(&mock, &["naver"], "", action)).exits(0);
    crl(&authority, "ca.crl", &["-crldays", "1"]);
    let shown = place.certsweep(&["verify", "run", "--only", "crl,ocsp", "--wait", "5m", "--json"]).exits(0).json();
    let at = |one: &Value| one["verified"]["revoked_at"].as_str().unwrap().to_owned();
    let mut said: Vec<String> = shown["asked"].as_array().unwrap().iter().map(at).collect();
    let mut expected = revoked_in_the_index(&authority);
    said.sort();
    expected.sort();
    assert_eq!(said, expected, "when they were revoked, by openssl's own index");
    for (row, by) in place.rows().iter().zip(["ocsp", "crl"].iter().cycle()) {
        assert_eq!((row["verified"].as_str(), row["verified_by"].as_str()), ("revoked", *by), "{row:?}");
    }
    let judged = format!(
        "{NUMBERED} revocations of a run that knows serial numbers alone, seen on its list and at its responder"
    );
    installed::log("openssl", &version(), &judged);
}

#[test]
#[ignore = "asks openssl; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn what_openssl_publishes_wrongly_is_taken_for_nothing() {
    let place = Place::new();
    let authority = Arc::new(Authority::new(KEYS[0].0, KEYS[0].1));
    let stranger = Authority::new(KEYS[0].0, KEYS[0].1);
    authority.issue_with("elsewhere", "");
    // An answer that openssl gives about another certificate.
    let ask = ["ocsp", "-issuer", "ca.pem", "-cert", "elsewhere.pem", "-no_nonce", "-reqout", "asked"];
    authority.openssl(&ask);
    let answer =
        ["ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-ndays", "1"];
    authority.openssl(&[&answer[..], &["-reqin", "asked", "-respout", "other"]].concat());
    let mock = provider(&authority, authority.read("other"));
    let port = installed::free_port();
    let silent = format!("authorityInfoAccess = OCSP;URI:{}/silent", mock.url());
    let other = format!("authorityInfoAccess = OCSP;URI:{}/other", mock.url());
    let nobody = format!("authorityInfoAccess = OCSP;URI:http://127.0.0.1:{port}/");
    let cases: [(String, &str, &str); WRONG] = [
        (list_at(&mock, "expired.crl"), "unknown", "out of date"),
        (list_at(&mock, "stranger.crl"), "unknown", "not signed"),
        (list_at(&mock, "long.crl"), "unknown", "longer than 64 MiB"),
        (silent.clone(), "unknown", "time"),
        (other, "unknown", "nothing of this certificate"),
        (nobody, "unknown", "onnect"),
        // Beside them, what holds is seen all the same.
        (list_at(&mock, "ca.crl"), "revoked", ""),
        (format!("{}\n{silent}", list_at(&mock, "ca.crl")), "revoked", ""),
    ];
    let places: Vec<String> = cases.iter().map(|(places, ..)| places.clone()).collect();
    issue(&authority, &places);
    let issuer = format!("defaults: {{issuer: \"file:{}\"}}", authority.path("ca.pem").display());
    revoke(&place, &mock, &authority, places.len(), &issuer);
    crl(&authority, "ca.crl", &["-crldays", "1"]);
    crl(&authority, "expired.crl", &["-crl_lastupdate", "20250101000000Z", "-crl_nextupdate", "20250102000000Z"]);
    // The same name, another key.
    crl(&stranger, "ca.crl", &["-crldays", "1"]);
    std::fs::write(authority.path("stranger.crl"), stranger.read("ca.crl")).unwrap();
    let began = Instant::now();
    let shown = place.certsweep(&["verify", "run", "--only", "crl,ocsp", "--json"]).exits(1).json();
    assert!(began.elapsed() < Duration::from_secs(20), "one time-out of 3 s, not one a certificate");
    let asked: BTreeMap<&str, &Value> = shown["asked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["action_id"].as_str().unwrap(), &one["verified"]))
        .collect();
    for (number, (places, seen, why)) in (1..).zip(&cases) {
        let verified = asked[format!("c{number}").as_str()];
        assert_eq!(verified["seen"], *seen, "{places}: {verified}");
        assert!(verified["why"].as_str().unwrap_or_default().contains(why), "{places}: {verified}");
    }
    let judged = format!("{WRONG} certificates: by lists and answers that do not hold none is good, and none revoked");
    installed::log("openssl", &version(), &judged);
}

/// How many revocations are seen.
const SEEN: usize = 12;
/// How many of them are known by their serial numbers alone.
const NUMBERED: usize = 6;
/// How many certificates have wrong lists and answers, those beside them that have right ones among them.
const WRONG: usize = 8;
