//! OCSP responders from outside: those that refuse POST, or nonces, or both, those that demand them, and what an answer with another
//! question's nonce is worth. The answers are signed here, as RFC 6960 has them.

use super::mock::{Act, Seen, empty};
use super::verify::{Authority, Scene, bytes, der, page, three};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use x509_ocsp::OcspRequest;

/// A question as it came.
struct Question {
    certificate: Vec<u8>,
    /// The value of the nonce's extension.
    nonce: Option<Vec<u8>>,
}

impl Question {
    fn of(seen: &Seen) -> Self {
        use der::{Decode, Encode};
        let body = match seen.method.as_str() {
            "POST" => {
                assert_eq!(seen.header("content-type"), Some("application/ocsp-request"));
                seen.body.clone()
            }
            _ => {
                // RFC 6960, appendix A.1: one segment of the path.
                let question = seen.target.strip_prefix("/ocsp/").unwrap();
                assert!(!question.contains(['/', '+', '=']), "{question}");
                STANDARD.decode(percent_decode_str(question).collect::<Vec<u8>>()).unwrap()
            }
        };
        assert_eq!(seen.header("accept"), Some("application/ocsp-response"));
        let request = OcspRequest::from_der(&body).unwrap().tbs_request;
        let nonce = request.request_extensions.iter().flatten().find(|one| one.extn_id.to_string() == NONCE);
        let nonce = nonce.map(|nonce| nonce.extn_value.as_bytes().to_vec());
        assert!(nonce.as_ref().is_none_or(|nonce| nonce.len() == 34), "32 octets (RFC 9654), in an OCTET STRING");
        Self { certificate: request.request_list[0].req_cert.to_der().unwrap(), nonce }
    }
}

/// What an answer says.
#[derive(Clone, Copy)]
struct Said {
    /// GeneralizedTime.
    since: &'static [u8],
    reason: u8,
}

const COMPROMISED: Said = Said { since: b"20260102000000Z", reason: 1 };
const NONCE: &str = "1.3.6.1.5.5.7.48.1.2";
const NONCE_DER: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02];
const BASIC_DER: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];

/// Revoked, signed by the CA itself, with this nonce.
fn revoked(authority: &Authority, question: &Question, said: Said, nonce: Option<&[u8]>) -> Act {
    let (begin, end) = (der(0x18, b"20250101000000Z"), der(0xA0, &der(0x18, b"21000101000000Z")));
    let status = der(0xA1, &[der(0x18, said.since), der(0xA0, &der(0x0A, &[said.reason]))].concat());
    let single = der(0x30, &[question.certificate.clone(), status, begin.clone(), end].concat());
    let extension =
        |nonce: &[u8]| der(0xA1, &der(0x30, &der(0x30, &[der(0x06, NONCE_DER), der(0x04, nonce)].concat())));
    let extensions = nonce.map(extension).unwrap_or_default();
    let content = [der(0xA1, &authority.name()), begin, der(0x30, &single), extensions].concat();
    let basic = authority.signed(&der(0x30, &content), &[]);
    let whole = der(0xA0, &der(0x30, &[der(0x06, BASIC_DER), der(0x04, &basic)].concat()));
    bytes(der(0x30, &[der(0x0A, &[0]), whole].concat()))
}

/// An OCSP error.
fn error(code: u8) -> Act {
    bytes(der(0x30, &der(0x0A, &[code])))
}

/// Verifies one certificate that has this responder, and returns what is seen of it and why.
fn seen(scene: &Scene, args: &[&str]) -> (String, String) {
    scene.certificate("a.pem", 1, "ca.crl", true);
    scene.run("", &[("a", ", certificate: \"file:a.pem\"")]);
    let mut all = vec!["--only", "ocsp", "--json"];
    all.extend(args);
    let shown = scene.verify(&all).json();
    let verified = &shown["asked"][0]["verified"];
    let text = |name: &str| verified[name].as_str().unwrap_or_default().to_owned();
    (text("seen"), text("why"))
}

/// How it was asked.
fn asked(scene: &Scene) -> Vec<(String, bool)> {
    let questions = scene.mock.seen().into_iter().filter(|seen| seen.target.starts_with("/ocsp"));
    questions.map(|seen| (seen.method.clone(), Question::of(&seen).nonce.is_some())).collect()
}

fn ways(ways: &[(&str, bool)]) -> Vec<(String, bool)> {
    ways.iter().map(|(method, nonce)| ((*method).to_owned(), *nonce)).collect()
}

#[test]
fn where_post_is_refused_get_is_asked() {
    // The other statuses are a table beside the decision (`engine::verify::published`).
    for refusal in [page(405), page(400), empty(501), page(200), empty(302)] {
        let name = format!("{refusal:?}");
        let scene = Scene::answering(move |authority, seen| {
            let question = Question::of(seen);
            let refused = seen.method == "POST";
            if refused { refusal.clone() } else { revoked(authority, &question, COMPROMISED, None) }
        });
        assert_eq!(seen(&scene, &[]).0, "revoked", "{name}");
        assert_eq!(asked(&scene), ways(&[("POST", true), ("GET", true)]), "{name}");
        assert_eq!(scene.verified(), [three("a", "revoked", "ocsp")]);
        assert_eq!(scene.place.row()["verified_reason"], "keyCompromise");
    }
}

#[test]
fn where_nothing_helps_it_is_said_what_came() {
    for (refusal, expected, count) in [
        (page(403), "ocsp: it was answered with HTTP 403 (text/html: “Log in, please”) (http://", 4),
        (page(200), "ocsp: it cannot be read: text/html: “Log in, please” (http://", 4),
        (error(6), "ocsp: the responder refuses to answer: unauthorized (http://", 2),
        (error(3), "ocsp: the responder refuses to answer: tryLater (http://", 1),
        (empty(503), "ocsp: it was answered with HTTP 503 (http://", 1),
    ] {
        let name = format!("{refusal:?}");
        let scene = Scene::new(refusal);
        let (what, why) = seen(&scene, &[]);
        assert_eq!((what.as_str(), asked(&scene).len()), ("unknown", count), "{name}: {why}");
        assert!(why.contains(expected), "{name}: {why}");
    }
}

#[test]
fn a_nonce_is_sent_and_what_does_not_fit_it_is_no_answer() {
    let foreign = || der(0x04, &[9; 32]);
    for (name, given, expected) in [
        ("repeated", None, [("auto", "revoked", ""), ("require", "revoked", "")]),
        ("signed ahead", Some(None), [("auto", "revoked", ""), ("require", "unknown", "does not hold the nonce")]),
        (
            "of another question",
            Some(Some(foreign())),
            [("auto", "unknown", "it is an answer to another question"), ("require", "unknown", "another question")],
        ),
    ] {
        for (nonce, what, words) in expected {
            let given = given.clone();
            let scene = Scene::answering(move |authority, seen| {
                let question = Question::of(seen);
                let nonce = given.clone().unwrap_or_else(|| question.nonce.clone());
                revoked(authority, &question, COMPROMISED, nonce.as_deref())
            });
            let (found, why) = seen(&scene, &["--nonce", nonce]);
            assert_eq!(found, what, "{name}, {nonce}: {why}");
            assert!(why.contains(words), "{name}, {nonce}: {why}");
            assert_eq!(asked(&scene), ways(&[("POST", true)]), "{name}, {nonce}");
        }
    }
}

#[test]
fn who_refuses_nonces_is_asked_without_and_who_demands_them_gets_them() {
    for refusal in [error(1), page(400)] {
        let name = format!("{refusal:?}");
        let scene = Scene::answering(move |authority, seen| {
            let question = Question::of(seen);
            match question.nonce {
                Some(_) => refusal.clone(),
                None => revoked(authority, &question, COMPROMISED, None),
            }
        });
        assert_eq!(seen(&scene, &[]).0, "revoked", "{name}");
        assert_eq!(asked(&scene).last().unwrap(), &("POST".to_owned(), false), "{name}");
    }
    for (nonce, found, expected) in [
        ("auto", "revoked", vec![("POST", true)]),
        ("require", "revoked", vec![("POST", true)]),
        ("never", "unknown", vec![("POST", false)]),
    ] {
        let scene = Scene::answering(|authority, seen| {
            let question = Question::of(seen);
            let nonce = question.nonce.clone();
            nonce.map_or_else(|| error(6), |nonce| revoked(authority, &question, COMPROMISED, Some(&nonce)))
        });
        assert_eq!(seen(&scene, &["--nonce", nonce]).0, found, "{nonce}");
        assert_eq!(asked(&scene), ways(&expected), "{nonce}");
    }
    let scene = Scene::new(empty(500));
    scene.run("", &[("a", "")]);
    scene.verify(&["--nonce", "sometimes"]).exits(2).says(&["write `auto`, `require` or `never`"]);
}

#[test]
fn a_hold_by_a_responder_is_one_too_and_what_was_never_issued_is_not_on_hold() {
    for (said, found, words) in [
        (Said { reason: 6, ..COMPROMISED }, "on-hold", "ocsp: on hold since 2026-01-02T00:00:00Z"),
        // RFC 6960, section 2.2: the answer about a certificate that nobody has issued.
        (Said { since: b"19700101000000Z", reason: 6 }, "unknown", "the responder does not know the certificate"),
        (Said { reason: 8, ..COMPROMISED }, "unknown", "removeFromCRL"),
    ] {
        let scene = Scene::answering(move |authority, seen| revoked(authority, &Question::of(seen), said, None));
        let (what, why) = seen(&scene, &[]);
        assert_eq!(what, found, "{why}");
        assert!(why.contains(words), "{why}");
    }
}
