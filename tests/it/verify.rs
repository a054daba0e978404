//! `certsweep verify` from outside: what is fetched from where, what it prints, what is in the report and in the run directory
//! afterwards. The CA is made here with rcgen; OCSP answers that count are openssl's part (`tests/judges`).

use super::mock::{Act, Mock, Seen, empty, json, naver_done};
use super::place::{BINARY, CommandOutput, Place, Row, finish, plan, rows, signal, wait_until_it_says};
use super::terminal::typing;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint, CustomExtension,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A CA with its list.
pub(crate) struct Authority {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Example CA");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        Self { pem: own.pem(), der: own.der().to_vec(), issuer: Issuer::new(params, key) }
    }

    /// A certificate that names a list and, perhaps, a responder.
    pub(crate) fn issue(&self, serial: u64, list: &str, responder: Option<&str>) -> String {
        self.issue_with(serial, list, responder.map(|url| (OCSP, url)))
    }

    /// A certificate that names a list and, perhaps, a place of another kind.
    pub(crate) fn issue_with(&self, serial: u64, list: &str, place: Option<(u8, &str)>) -> String {
        let mut params = CertificateParams::new(vec!["shop.example.com".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![list.to_owned()] }];
        if let Some((method, url)) = place {
            // AuthorityInfoAccessSyntax with one AccessDescription, id-ad-ocsp or id-ad-caIssuers.
            let oid = der(0x06, &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, method]);
            let description = der(0x30, &[oid, der(0x86, url.as_bytes())].concat());
            let access = der(0x30, &description);
            params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access)];
        }
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().pem()
    }

    /// The list with these on it, until a year.
    pub(crate) fn list(&self, serials: &[u64], until: i32) -> Vec<u8> {
        let entries: Vec<_> = serials.iter().map(|serial| (*serial, Some(RevocationReason::KeyCompromise))).collect();
        self.list_with(&entries, until)
    }

    /// The same, each with a reason.
    pub(crate) fn list_with(&self, entries: &[(u64, Option<RevocationReason>)], until: i32) -> Vec<u8> {
        let revoked = |(serial, reason): &(u64, Option<RevocationReason>)| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 2),
            reason_code: *reason,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: entries.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    /// What the CA has signed, as X.509 has it: the content, the algorithm, the signature, and what follows in the same sequence.
    pub(crate) fn signed(&self, content: &[u8], after: &[u8]) -> Vec<u8> {
        let signature = rcgen::SigningKey::sign(self.issuer.key(), content).unwrap();
        let signature = der(0x03, &[&[0], signature.as_slice()].concat());
        der(0x30, &[content, ECDSA_WITH_SHA256, &signature, after].concat())
    }

    /// A list that rcgen does not write: its one entry has these extensions.
    fn list_of_entry(&self, serial: u8, extensions: &[u8]) -> Vec<u8> {
        let (begin, end) = (der(0x18, b"20250101000000Z"), der(0x18, b"21000101000000Z"));
        let entry = der(0x30, &[der(0x02, &[serial]), begin.clone(), der(0x30, extensions)].concat());
        let version = der(0x02, &[1]);
        let content = [&version, ECDSA_WITH_SHA256, &self.name(), &begin, &end, &der(0x30, &entry)].concat();
        self.signed(&der(0x30, &content), &[])
    }

    /// Its name in DER.
    pub(crate) fn name(&self) -> Vec<u8> {
        certsweep::pki::Certificate::parse(&self.der).unwrap().subject
    }
}

/// The AlgorithmIdentifier.
pub(crate) const ECDSA_WITH_SHA256: &[u8] = &[0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];

/// The last number of id-ad-ocsp and of id-ad-caIssuers.
const OCSP: u8 = 1;
pub(crate) const ISSUERS: u8 = 2;

/// One element of DER.
pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match u8::try_from(length) {
        Ok(short) if short < 0x80 => vec![tag, short],
        Ok(long) => vec![tag, 0x81, long],
        Err(_) => [&[tag, 0x82], u16::try_from(length).unwrap().to_be_bytes().as_slice()].concat(),
    };
    [&head, content].concat()
}

pub(crate) fn bytes(body: Vec<u8>) -> Act {
    Act::Answer { status: 200, headers: vec![("Content-Type".to_owned(), "application/pkix-crl".to_owned())], body }
}

/// What a world answers: the provider's revocations, a list that can be changed, nothing from the responder.
pub(crate) struct Scene {
    pub(crate) place: Place,
    pub(crate) mock: Mock,
    pub(crate) authority: Arc<Authority>,
    list: Arc<Mutex<Act>>,
}

impl Scene {
    /// The responder does this.
    pub(crate) fn new(responder: Act) -> Self {
        Self::answering(move |_, _| responder.clone())
    }

    /// The responder answers so.
    pub(crate) fn answering(responder: impl Fn(&Authority, &Seen) -> Act + Send + Sync + 'static) -> Self {
        let list = Arc::new(Mutex::new(empty(404)));
        let authority = Arc::new(Authority::new());
        let (given, signs) = (Arc::clone(&list), Arc::clone(&authority));
        let mock = Mock::start(move |seen, _| match seen.target.as_str() {
            "/ca.crl" => given.lock().unwrap().clone(),
            "/moved.crl" => empty(302).with("Location", "/ca.crl"),
            "/round.crl" => empty(302).with("Location", "/round.crl"),
            target if target.starts_with("/ocsp") => responder(&signs, seen),
            target if target.contains("/certificate/revoke") => naver_done(),
            target if target.starts_with("/certificates/") => json(200, r#"{"state":"revoked"}"#),
            line => panic!("{line}"),
        });
        Self { place: Place::new(), mock, authority, list }
    }

    pub(crate) fn publish(&self, act: Act) {
        *self.list.lock().unwrap() = act;
    }

    pub(crate) fn certificate(&self, name: &str, serial: u64, list: &str, responder: bool) {
        let responder = responder.then(|| format!("{}/ocsp", self.mock.url()));
        let list = format!("{}/{list}", self.mock.url());
        self.place.file(name, self.authority.issue(serial, &list, responder.as_deref()));
    }

    /// Runs a plan that revokes these, each with a file `ID.pem` unless it is told otherwise.
    pub(crate) fn run(&self, head: &str, actions: &[(&str, &str)]) {
        self.run_as("", head, actions);
    }

    /// The same, with more settings of the provider.
    fn run_as(&self, settings: &str, head: &str, actions: &[(&str, &str)]) {
        let lines = actions.iter().enumerate().map(|(number, (id, more))| {
            format!("  - {{id: {id}, provider: naver, action: revoke, orderId: \"1\", certificateNo: {}, reason: superseded{more}}}\n", number + 1)
        });
        self.place.file("ca.pem", &self.authority.pem);
        let head = format!("{head}\ndefaults: {{issuer: \"file:ca.pem\"}}");
        let plan = plan(&self.mock, &["naver"], &head, &lines.collect::<String>());
        let done = self.place.run(&plan.replace("base_url:", &format!("{settings}base_url:"))).exits(0);
        assert!(
            done.out.ends_with("\nNext:   to check that the certificates are really revoked: certsweep verify run\n"),
            "{}",
            done.out
        );
    }

    /// Without the providers, and so without their credentials.
    pub(crate) fn verify(&self, args: &[&str]) -> CommandOutput {
        let args = [&["verify", "run", "--only", "crl,ocsp"], args].concat();
        let mut command = self.place.command(BINARY, &args);
        command.env_remove("NCP_ACCESS_KEY").env_remove("NCP_SECRET_KEY");
        finish(command.spawn().unwrap())
    }

    pub(crate) fn verified(&self) -> Vec<[String; 3]> {
        let cells = |row: &Row| [row["action_id"].clone(), row["verified"].clone(), row["verified_by"].clone()];
        self.place.rows().iter().map(cells).collect()
    }
}

pub(crate) fn three(id: &str, seen: &str, by: &str) -> [String; 3] {
    [id, seen, by].map(str::to_owned)
}

#[test]
fn what_is_on_the_list_is_reported_as_revoked() {
    let scene = Scene::new(empty(500));
    scene.certificate("a.pem", 1, "ca.crl", false);
    scene.certificate("b.pem", 2, "moved.crl", false);
    scene.run("", &[("a", ", certificate: \"file:a.pem\""), ("b", ", certificate: \"file:b.pem\""), ("c", "")]);
    assert!(!scene.place.rows()[0].contains_key("verified"));
    scene.publish(bytes(scene.authority.list(&[1], 2100)));
    let done = scene.verify(&[]).exits(1);
    assert!(done.out.contains("1 of 3 revocations seen revoked"), "{}", done.out);
    assert!(done.out.contains("there is nobody to ask"), "{}", done.out);
    assert!(done.out.contains("\nNext:   certsweep verify run --wait 24h, which asks about the rest"), "{}", done.out);
    assert_eq!(scene.verified(), [three("a", "revoked", "crl"), three("b", "good", "crl"), three("c", "unknown", "")]);
    let header = scene.place.read("run/report.csv").lines().next().unwrap().to_owned();
    assert!(header.ends_with(",source,verified,verified_at,verified_by,verified_reason"), "{header}");
    let only = scene.place.certsweep(&["verify", "run", "--only", "ocsp"]).exits(1);
    assert!(only.out.contains("`--only` leaves out everybody who could be asked"), "{}", only.out);
    let first = scene.place.rows()[0].clone();
    assert!(first["verified_at"] > first["finished_at"]);

    let left = scene.place.certsweep(&["report", "run", "--format", "plan", "-o", "left.csv"]).exits(0);
    assert_eq!(left.out, "");
    let left: Vec<Row> = rows(&scene.place.read("left.csv"));
    assert!(left[0]["certificate"].ends_with("a.pem") && left[2]["certificate"].is_empty(), "{left:?}");
    scene.place.certsweep(&["check", "left.csv"]).exits(0);

    // What was seen is not asked about again; the rest is, until it is seen.
    scene.publish(bytes(scene.authority.list(&[1, 2], 2100)));
    let asked = scene.mock.count("crl");
    let shown = scene.verify(&["--json", "-o", "copy.csv"]).exits(1).json();
    assert_eq!(scene.mock.count("crl") - asked, 2, "moved.crl and what it moved to");
    assert_eq!((shown["revoked"].as_u64(), shown["revoked_before"].as_u64()), (Some(2), Some(1)));
    let asked = shown["asked"].as_array().unwrap();
    assert_eq!((asked[0]["action_id"].as_str(), asked[0]["verified"]["seen"].as_str()), (Some("b"), Some("revoked")));
    assert_eq!(asked[0]["verified"]["revoked_at"], "2026-01-02T00:00:00Z");
    assert!(asked[0]["seconds_to_revoke"].as_f64().is_some_and(|seconds| seconds > 0.0));
    assert_eq!(asked[1]["verified"]["seen"], "unknown");
    let row = scene.place.rows()[0].clone();
    assert_eq!(row["verified_at"], first["verified_at"]);
    assert_eq!(scene.place.read("copy.csv"), scene.place.read("run/report.csv"));
    let again = scene.place.certsweep(&["report", "run", "--format", "json"]).exits(0).json();
    assert_eq!((again[1]["verified"].as_str(), again[1]["verified_by"][0].as_str()), (Some("revoked"), Some("crl")));
    assert!(again[1]["time_to_revoke_ms"].as_u64().is_some());
    assert_eq!(scene.place.certsweep(&["status", "run", "--json"]).exits(0).json()["state"], "finished");
}

#[test]
fn on_a_terminal_one_thing_comes_next() {
    let scene = Scene::new(empty(500));
    scene.certificate("a.pem", 1, "ca.crl", false);
    scene.certificate("b.pem", 2, "ca.crl", false);
    scene.run("", &[("a", ", certificate: \"file:a.pem\""), ("b", ", certificate: \"file:b.pem\"")]);
    for (revoked, next) in [
        (&[1][..], "Next:   certsweep verify run --wait 24h, which asks about the rest"),
        (&[1, 2], "Next:   the report as a page: certsweep report run --format html"),
    ] {
        scene.publish(bytes(scene.authority.list(revoked, 2100)));
        let shown = typing(&scene.place, "verify run --only crl", "").out;
        assert!(shown.contains(next) && shown.matches("Next:").count() == 1, "{shown}");
    }
}

#[test]
fn invalid_lists_and_answers_say_nothing() {
    let other = Authority::new();
    let long = format!("HTTP/1.1 200 x\r\nContent-Length: {}\r\n\r\n", 80 * 1024 * 1024).into_bytes();
    let mut endless = b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n4100000\r\n".to_vec();
    endless.resize(endless.len() + 0x0410_0000, b'0');
    let extension =
        |id: &[u8], value: &[u8]| der(0x30, &[der(0x06, id), der(0x01, &[0xFF]), der(0x04, value)].concat());
    let elsewhere = [0x30, 0x12, 0x31, 0x10, 0x30, 0x0E, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0C, 0x07];
    let elsewhere = [&elsewhere, b"Another".as_slice()].concat();
    let foreign = extension(&[0x55, 0x1D, 29], &der(0x30, &der(0xA4, &elsewhere)));
    let critical = extension(&[0x2A, 0x03, 0x04], &[0x05, 0x00]);
    let scene = Scene::new(empty(500));
    scene.certificate("a.pem", 1, "ca.crl", false);
    scene.certificate("b.pem", 2, "round.crl", false);
    scene.run("", &[("a", ", certificate: \"file:a.pem\""), ("b", ", certificate: \"file:b.pem\"")]);
    for (name, list, why) in [
        ("expired", bytes(scene.authority.list(&[1], 2026)), "out of date"),
        ("by somebody else of that name", bytes(other.list(&[1], 2100)), "not signed"),
        ("no list", empty(404), "HTTP 404"),
        ("a page", json(200, "{}"), "it cannot be read: application/json: “{}” (http://"),
        ("a page of a login", page(200), "it cannot be read: text/html: “Log in, please” (http://"),
        ("a page of an error", page(403), "HTTP 403 (text/html: “Log in, please”) (http://"),
        ("nothing in it", empty(200), "it cannot be read: an empty body (http://"),
        (
            "another issuer's entry",
            bytes(scene.authority.list_of_entry(1, &foreign)),
            "is another issuer's (certificateIssuer)",
        ),
        (
            "a critical entry",
            bytes(scene.authority.list_of_entry(1, &critical)),
            "a critical extension that is not known here",
        ),
        ("80 MiB", Act::Raw(long), "longer than 64 MiB"),
        ("without an end", Act::Raw(endless), "longer than 64 MiB"),
        ("broken off", Act::Truncate { status: 200, body: scene.authority.list(&[1], 2100) }, "broke off"),
    ] {
        scene.publish(list);
        let shown = scene.verify(&["--json"]).exits(1).json();
        let seen = &shown["asked"][0]["verified"];
        assert_eq!(seen["seen"], "unknown", "{name}");
        assert!(seen["why"].as_str().unwrap().contains(why), "{name}: {seen}");
        assert_eq!(shown["asked"][1]["verified"]["seen"], "unknown");
    }
}

/// A page in place of what was wanted.
pub(crate) fn page(status: u16) -> Act {
    let body = b"<!doctype html><html><head><title>Log in,\n please</title></head>".to_vec();
    Act::Answer { status, headers: vec![("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned())], body }
}

#[test]
fn a_list_is_read_with_a_line_end_behind_it_and_in_base64() {
    let scene = Scene::new(empty(500));
    scene.certificate("a.pem", 1, "ca.crl", false);
    let list = scene.authority.list(&[1], 2100);
    let base64 = STANDARD.encode(&list);
    let wrapped: Vec<u8> = base64.as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect();
    for (number, body) in [[&list, b"\n".as_slice()].concat(), base64.clone().into(), wrapped].into_iter().enumerate() {
        scene.run("", &[("a", ", certificate: \"file:a.pem\"")]);
        scene.publish(bytes(body));
        scene.verify(&[]).exits(0);
        assert_eq!(scene.verified(), [three("a", "revoked", "crl")], "{number}");
        std::fs::remove_dir_all(scene.place.path("run")).unwrap();
    }
}

#[test]
fn a_hold_is_no_revocation_and_is_asked_about_again() {
    let scene = Scene::new(empty(500));
    let names = ["a", "b", "c"];
    for (serial, name) in (1..).zip(names) {
        scene.certificate(&format!("{name}.pem"), serial, "ca.crl", false);
    }
    let fields = names.map(|name| format!(", certificate: \"file:{name}.pem\""));
    let actions: Vec<(&str, &str)> = names.into_iter().zip(fields.iter().map(String::as_str)).collect();
    scene.run("", &actions);
    let (hold, superseded) = (Some(RevocationReason::CertificateHold), Some(RevocationReason::Superseded));
    scene.publish(bytes(scene.authority.list_with(&[(1, hold), (2, hold), (3, superseded)], 2100)));
    let done = scene.verify(&[]).exits(1);
    for expected in [
        "1 of 3 revocations seen revoked\n2 on hold",
        "crl: on hold since 2026-01-02T00:00:00Z, which its CA may lift",
        "Next:   certsweep verify run --wait 24h",
    ] {
        assert!(done.out.contains(expected), "{expected} is not in\n{}", done.out);
    }
    let held = [three("a", "on-hold", "crl"), three("b", "on-hold", "crl"), three("c", "revoked", "crl")];
    assert_eq!(scene.verified(), held);
    let reasons = || scene.place.rows().iter().map(|row| row["verified_reason"].clone()).collect::<Vec<_>>();
    assert_eq!(reasons(), ["certificateHold", "certificateHold", "superseded"]);
    // With `--wait` it asks on, and what is revoked or good after a hold is that.
    let mut child = scene.place.spawn(&["verify", "run", "--only", "crl", "--wait", "1h"]);
    wait_until_it_says(&mut child, "1 of 3 seen revoked; asking again in 2.0s");
    scene.publish(bytes(scene.authority.list_with(&[(1, superseded)], 2100)));
    wait_until_it_says(&mut child, "2 of 3 seen revoked");
    signal(&child, "INT");
    finish(child).exits(130);
    let lifted = [three("a", "revoked", "crl"), three("b", "good", "crl"), three("c", "revoked", "crl")];
    assert_eq!(
        (scene.verified(), reasons()),
        (lifted.into(), vec!["superseded".to_owned(), String::new(), "superseded".to_owned()])
    );
    // What was revoked stays so.
    scene.publish(bytes(scene.authority.list_with(&[(1, hold), (2, hold)], 2100)));
    let shown = scene.verify(&["--json"]).exits(1).json();
    assert_eq!((shown["revoked"].as_u64(), shown["on_hold"].as_u64()), (Some(2), Some(1)), "{shown}");
    let asked = shown["asked"][0]["verified"].clone();
    assert_eq!((asked["seen"].as_str(), asked["reason"].as_str()), (Some("on-hold"), Some("certificateHold")));
}

#[test]
fn a_published_reason_that_is_not_the_one_asked_is_told() {
    for (settings, published, note) in [
        ("", Some(RevocationReason::KeyCompromise), Some("published as keyCompromise, and superseded was asked")),
        ("", None, Some("published as unspecified, and superseded was asked")),
        ("", Some(RevocationReason::Superseded), None),
        // Another one was sent on purpose.
        ("reasons: {superseded: cessationOfOperation}, ", Some(RevocationReason::CessationOfOperation), None),
        ("reasons: {superseded: cessationOfOperation}, ", Some(RevocationReason::Superseded), None),
        (
            "reasons: {superseded: cessationOfOperation}, ",
            Some(RevocationReason::PrivilegeWithdrawn),
            Some("published as privilegeWithdrawn, and superseded was asked"),
        ),
    ] {
        let scene = Scene::new(empty(500));
        scene.certificate("a.pem", 1, "ca.crl", false);
        scene.run_as(settings, "", &[("a", ", certificate: \"file:a.pem\"")]);
        scene.publish(bytes(scene.authority.list_with(&[(1, published)], 2100)));
        let place = format!("{settings}{published:?}");
        let done = scene.verify(&[]).exits(0);
        let told = "1 revocation published with a reason that was neither asked nor sent; ask the CA to correct it:";
        assert_eq!(done.out.contains(told), note.is_some(), "{place}: {}", done.out);
        assert!(note.is_none_or(|note| done.out.contains(note)), "{place}: {}", done.out);
        // A later verification does not ask again, and still counts it.
        let shown = scene.verify(&["--json"]).exits(0).json();
        assert_eq!(shown["other_reason"].as_u64(), Some(u64::from(note.is_some())), "{place}: {shown}");
        let report = scene.place.certsweep(&["report", "run", "--format", "json"]).exits(0).json();
        assert_eq!(report[0]["verified_note"].as_str(), note, "{place}: {report}");
        assert_eq!(report[0]["verified_reason"].as_str(), Some(scene.place.row()["verified_reason"].as_str()));
        let page = scene.place.certsweep(&["report", "run", "--format", "html"]).exits(0).out;
        let told = note.is_none_or(|note| page.contains(&format!("1 revocation {note}; ask the CA to correct it.")));
        assert!(told && page.contains("ask the CA to correct it") == note.is_some(), "{place}: {page}");
    }
}

#[test]
fn a_responder_that_never_answers_costs_its_time_out_only() {
    let scene = Scene::new(empty(200).held());
    let names: Vec<String> = (1..=20).map(|number| format!("a{number}")).collect();
    for (serial, name) in (1..).zip(&names) {
        scene.certificate(&format!("{name}.pem"), serial, "ca.crl", true);
    }
    let fields: Vec<String> = names.iter().map(|name| format!(", certificate: \"file:{name}.pem\"")).collect();
    let actions: Vec<(&str, &str)> =
        names.iter().zip(&fields).map(|(name, field)| (name.as_str(), field.as_str())).collect();
    scene.run("timeout: 1s", &actions);
    scene.publish(bytes(scene.authority.list(&(1..=20).collect::<Vec<_>>(), 2100)));
    let began = Instant::now();
    scene.verify(&[]).exits(0);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(scene.mock.count("/ocsp") <= 8);
    assert_eq!(scene.mock.count("/ca.crl"), 1);
    let asked = scene.mock.seen();
    let question = asked.iter().find(|seen| seen.target == "/ocsp").unwrap();
    assert_eq!((question.method.as_str(), question.header("content-type")), ("POST", Some("application/ocsp-request")));
    assert!(scene.verified().iter().all(|row| row[1..] == ["revoked", "crl"]));
}

#[test]
fn a_revocation_is_asked_for_until_it_is_seen_or_somebody_stops_it() {
    let scene = Scene::new(empty(500));
    scene.certificate("a.pem", 1, "ca.crl", false);
    scene.run("", &[("a", ", certificate: \"file:a.pem\"")]);
    scene.publish(bytes(scene.authority.list(&[], 2100)));
    let mut child = scene.place.spawn(&["verify", "run", "--only", "crl", "--wait", "1h"]);
    wait_until_it_says(&mut child, "0 of 1 seen revoked; asking again in 2.0s");
    signal(&child, "INT");
    finish(child).exits(130);
    assert_eq!(scene.verified(), [three("a", "good", "crl")]);
    let mut child = scene.place.spawn(&["verify", "run", "--only", "crl", "--wait", "1h"]);
    wait_until_it_says(&mut child, "asking again");
    scene.publish(bytes(scene.authority.list(&[1], 2100)));
    finish(child).exits(0);
    assert_eq!(scene.verified(), [three("a", "revoked", "crl")]);
}

#[test]
fn the_provider_is_asked_by_the_id_that_its_answer_had() {
    let place = Place::new();
    let mock = Mock::start(|seen, nth| match (seen.line().as_str(), nth) {
        ("PUT /services/v2/certificate/1/revoke", _) => json(201, r#"{"id":99,"type":"revoke","status":"submitted"}"#),
        ("GET /services/v2/request/99", 0) => json(200, r#"{"id":99,"type":"revoke","status":"submitted"}"#),
        ("GET /services/v2/request/99", 1) => empty(429).with("Retry-After", "0"),
        ("GET /services/v2/request/99", _) => json(200, r#"{"id":99,"type":"revoke","status":"approved"}"#),
        (line, _) => panic!("{line}"),
    });
    let action = "  - {id: a, provider: digicert, action: revoke, certificate_id: 1}\n";
    place.run(&plan(&mock, &["digicert"], "", action)).exits(0);
    assert_eq!(place.row()["outcome"], "pending-approval");
    let shown = place.certsweep(&["verify", "run", "--json"]).exits(1).json();
    assert_eq!(shown["asked"][0]["verified"]["seen"], "good", "{shown}");
    assert!(shown["asked"][0]["verified"]["why"].as_str().unwrap().contains("submitted"), "{shown}");
    place.certsweep(&["verify", "run"]).exits(0);
    assert_eq!((place.row()["verified"].as_str(), place.row()["verified_by"].as_str()), ("revoked", "state"));
    let bare = place.command(BINARY, &["verify", "run"]).env_remove("DIGICERT_API_KEY").spawn().unwrap();
    finish(bare).exits(0);
}

#[test]
fn only_state_calls_need_credentials_and_refused_ones_are_the_environments() {
    let place = Place::new();
    let mock = Mock::start(|seen, _| match seen.method.as_str() {
        "PUT" => json(201, r#"{"id":99,"type":"revoke","status":"approved"}"#),
        _ => json(401, r#"{"errors":[{"code":"access_denied","message":"no"}]}"#),
    });
    let action = "  - {id: a, provider: digicert, action: revoke, certificate_id: 1}\n";
    place.run(&plan(&mock, &["digicert"], "", action)).exits(0);
    place.certsweep(&["verify", "run"]).exits(4).says(&["digicert: the credentials were refused"]);
    assert_eq!(place.row()["verified"], "unknown");
    let bare = |args: &[&str]| finish(place.command(BINARY, args).env_remove("DIGICERT_API_KEY").spawn().unwrap());
    bare(&["verify", "run"]).exits(4).says(&["DIGICERT_API_KEY"]);
    bare(&["verify", "run", "--only", "crl,ocsp"]).exits(1);
}

#[test]
fn certificates_can_be_given_afterwards_and_changed_ones_are_errors() {
    let scene = Scene::new(empty(500));
    scene.certificate("a.pem", 1, "ca.crl", false);
    scene.certificate("b.pem", 2, "ca.crl", false);
    scene.certificate("c.pem", 2, "ca.crl", false);
    // Runs of former versions have no copy of a file with a private key.
    let key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    scene.place.file("a.pem", scene.place.read("a.pem") + key);
    let certificate = |name: &str| format!(", certificate: \"file:{name}\"");
    scene.run("", &[("a", &certificate("a.pem")), ("b", ""), ("c", &certificate("c.pem"))]);
    let inputs = std::fs::read_dir(scene.place.path("run/inputs")).unwrap().map(|entry| entry.unwrap().path());
    let copies: Vec<_> = inputs.filter(|path| path.to_string_lossy().ends_with("-a.pem")).collect();
    assert_eq!(copies.len(), 1);
    std::fs::remove_file(&copies[0]).unwrap();
    scene.publish(bytes(scene.authority.list(&[1, 2], 2100)));
    scene.certificate("a.pem", 2, "ca.crl", false);
    scene.certificate("c.pem", 3, "ca.crl", false);
    let shown = scene.verify(&["--json", "--certificate", "b=b.pem", "--issuer", "ca.pem"]).exits(1).json();
    let why = shown["asked"][0]["verified"]["why"].as_str().unwrap();
    assert!(why.contains("a.pem has changed since the run began"), "{why}");
    assert_eq!(shown["asked"][1]["verified"]["seen"], "revoked");
    assert_eq!(shown["asked"][2]["verified"]["seen"], "revoked", "by the copy of what was checked");
    // Another CA's certificate is not mentioned.
    let other = Authority::new();
    scene.place.file("other.pem", other.issue(1, &format!("{}/ca.crl", scene.mock.url()), None));
    let shown = scene.verify(&["--json", "--certificate", "a=other.pem"]).exits(1).json();
    let seen = &shown["asked"][0]["verified"];
    assert_eq!(seen["seen"], "unknown");
    assert!(seen["why"].as_str().unwrap().contains("its issuer's certificate is not known"), "{seen}");
    scene.place.file("several.pem", scene.place.read("b.pem") + &scene.place.read("other.pem"));
    for (args, words) in [
        (["--certificate", "nobody=b.pem"], "no action `nobody`"),
        (["--certificate", "b"], "write ID=FILE"),
        (["--issuer", "run/report.csv"], "is no certificate"),
        (["--certificate", "b=nowhere.pem"], "nowhere.pem cannot be read"),
        (["--certificate", "b=run/report.csv"], "is no certificate"),
        (["--certificate", "b=several.pem"], "the file holds 2 end-entity certificates"),
        (["--only", "ldap"], "write `state`, `crl` or `ocsp`"),
    ] {
        scene.verify(&args).exits(2).says(&[words]);
    }
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let place = Place::new();
    place.certsweep(&["verify", "nowhere"]).exits(2).says(&["no run directory"]);
}
