//! CRLs and OCSP answers made by openssl (`testdata/world/make.sh`), read back: what they tell, and what they must not be taken to tell.

use super::certificate::CertificateError;
use super::ocsp::{NONCE_OCTETS, Nonce, NonceCheck};
use super::{CertId, Certificate, Crl, RevocationReason, RevocationStatus, SerialNumber, UnknownReason, ocsp};
use jiff::Timestamp;
use std::rc::Rc;

fn certificate(der: &[u8]) -> Certificate {
    Certificate::parse(der).unwrap()
}

macro_rules! world {
    ($name:literal) => {
        include_bytes!(concat!("testdata/world/", $name)).as_slice()
    };
}

fn id(certificate: &Certificate, issuer: &Certificate) -> CertId {
    CertId::of(certificate, &Rc::new(issuer.clone())).unwrap()
}

/// The same, told by its serial number alone.
fn bare(certificate: &Certificate, issuer: &Certificate) -> CertId {
    CertId::bare(certificate.serial.clone(), Rc::new(issuer.clone()))
}

fn at(seconds_later: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds_later).unwrap()
}

/// The status, with whether there is a reason instead of when it was.
fn said(status: &RevocationStatus) -> Result<Option<&'static str>, UnknownReason> {
    match status {
        RevocationStatus::Revoked { at: when, reason } => {
            assert!(when.as_second() <= NOW && NOW - when.as_second() < 60, "{when}");
            Ok(Some(reason.map_or("", RevocationReason::name)))
        }
        RevocationStatus::OnHold { at: since, as_of } => {
            assert!(since <= as_of && NOW - since.as_second() < 60, "{since} {as_of}");
            Ok(Some("on hold"))
        }
        RevocationStatus::Lifted { .. } => Ok(Some("lifted")),
        RevocationStatus::Good => Ok(None),
        RevocationStatus::Unknown(doubt) => Err(*doubt),
    }
}

#[test]
fn certificates_tell_where_to_ask() {
    let (ca, good) = (certificate(world!("ca.der")), certificate(world!("good.der")));
    assert_eq!(Certificate::parse(world!("good.pem")).unwrap(), good);
    assert_eq!(good.serial, SerialNumber::parse("1000").unwrap());
    assert_eq!((good.is_ca, ca.is_ca, ca.signs_crls, good.signs_ocsp), (false, true, true, false));
    assert_eq!(*good.crl_urls, ["http://crl.example/ca.crl".to_owned()]);
    assert_eq!(
        (good.ocsp_urls.as_slice(), good.issuer_urls.as_slice()),
        (["http://ocsp.example/".to_owned()].as_slice(), ["http://ca.example/ca.crt".to_owned()].as_slice())
    );
    assert!(certificate(world!("responder.der")).signs_ocsp && !certificate(world!("no-crls.der")).signs_crls);
    assert!(good.is_valid(at(0)) && !good.is_valid(at(-86_400)) && !good.is_valid(at(4000 * 86_400)));
    let chain = [world!("good.pem"), world!("good.pem")].concat();
    for (bytes, expected) in
        [(chain.as_slice(), Ok(2)), (world!("ca.der"), Ok(1)), (b"x", Err(CertificateError::NoBlock))]
    {
        assert_eq!(Certificate::parse_all(bytes).map(|all| all.len()), expected);
    }
    for (issuer, expected) in [("ca", true), ("other", false), ("good", false)] {
        let issuer = match issuer {
            "ca" => certificate(world!("ca.der")),
            "other" => certificate(world!("other.der")),
            _ => good.clone(),
        };
        assert_eq!(good.is_issued_by(&issuer), expected);
        assert_eq!(CertId::of(&good, &Rc::new(issuer)).is_some(), expected);
    }
}

#[test]
fn a_certificate_may_be_written_less_strictly_than_der_wants_it() {
    // `critical` of the basic constraints as BER has it: TRUE is anything but 0.
    let mut ca = world!("ca.der").to_vec();
    let constraints = [0x06, 0x03, 0x55, 0x1D, 0x13, 0x01, 0x01, 0xFF];
    let place = ca.windows(constraints.len()).position(|window| window == constraints).unwrap();
    ca[place + constraints.len() - 1] = 0x01;
    assert!(certificate(&ca).is_ca);
    // A negative serial number, as some CAs have given: its octets are taken as they are.
    let mut good = world!("good.der").to_vec();
    let serial = [0x02, 0x02, 0x10, 0x00];
    let place = good.windows(serial.len()).position(|window| window == serial).unwrap();
    good[place + 2] = 0x90;
    assert_eq!(certificate(&good).serial, SerialNumber::parse("9000").unwrap());
}

#[test]
fn signatures_on_every_curve_and_by_ed25519_are_verified() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_ED25519,
    ] {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        // RFC 5280, section 4.1.2.5: "no end".
        parameters.not_after = rcgen::date_time_ymd(9999, 12, 31);
        let root = certificate(parameters.self_signed(&key).unwrap().der());
        assert!(root.is_issued_by(&root) && root.is_valid(at(0)), "{algorithm:?}");
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let good = world!("good.der");
    for (bytes, expected) in [
        (b"".as_slice(), CertificateError::NoBlock),
        (b"hello", CertificateError::NoBlock),
        (&[0xFF, 0xFE], CertificateError::NoBlock),
        (&[0x30, 0x80], CertificateError::Unreadable),
        (b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", CertificateError::Unreadable),
        (
            b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
            CertificateError::Other("PRIVATE KEY".to_owned()),
        ),
        (
            b"\n-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            CertificateError::Broken(2, "the PEM block's content is not valid base64".to_owned()),
        ),
        (&good[..good.len() - 1], CertificateError::Unreadable),
        (&[good, &[0]].concat(), CertificateError::Unreadable),
        (world!("ca.crl"), CertificateError::Unreadable),
    ] {
        assert_eq!(Certificate::parse(bytes), Err(expected));
    }
}

#[test]
fn a_file_with_a_certificate_that_cannot_be_read_is_not_used_in_part() {
    let broken = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".as_slice();
    let file = [world!("good.pem"), broken, world!("good.pem")].concat();
    assert_eq!(Certificate::parse_all(&file), Err(CertificateError::Unreadable));
    let cut = [world!("good.pem"), &world!("good.pem")[..200]].concat();
    assert!(matches!(Certificate::parse_all(&cut), Err(CertificateError::Broken(..))));
    let placed = Certificate::parse_placed(&[b"text\n", world!("good.pem"), world!("good.pem")].concat()).unwrap();
    assert_eq!((placed.len(), placed[0].0, placed[0].1.serial.octets()), (2, 2, [0x10, 0x00].as_slice()));
}

#[test]
fn certificates_are_read_in_every_shape_that_tools_write() {
    let pem = String::from_utf8(world!("good.pem").to_vec()).unwrap();
    let wide = |text: &str| [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let label = |label: &str, der: &[u8]| crate::pki::pem::encode(label, der).into_bytes();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let shapes: [Vec<u8>; 10] = [
        base64.into(),
        pem.replace('\n', "\r\n").into(),
        format!("\u{feff}{pem}").into(),
        format!("Bag Attributes\n    friendlyName: Laden\n{pem}").into(),
        [b"0 s:CN = M\xfcller\n", pem.as_bytes()].concat(),
        wide(&pem),
        label("X509 CERTIFICATE", world!("good.der")),
        // OpenSSL's, with a list of uses behind the certificate.
        label("TRUSTED CERTIFICATE", &[world!("good.der"), b"\x30\x02\x30\x00"].concat()),
        world!("good.der").to_vec(),
        [world!("good.der"), b"\n"].concat(),
    ];
    for shape in shapes {
        let read =
            Certificate::parse(&shape).unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&shape)));
        assert_eq!(read.der, world!("good.der"));
    }
    for message in [world!("cas.p7c").to_vec(), label("PKCS7", world!("cas.p7c"))] {
        assert_eq!(Certificate::parse_all(&message).unwrap().len(), 2);
    }
    let pfx = [b"\x30\x81\x83\x02\x01\x03\x30\x7e".as_slice(), &[0; 126]].concat();
    for (bytes, expected) in [
        (pfx.as_slice(), CertificateError::Pkcs12),
        (&label("PKCS12", &pfx), CertificateError::Pkcs12),
        (b"\xfe\xed\xfe\xed\x00", CertificateError::JavaKeyStore),
    ] {
        assert_eq!(Certificate::parse(bytes), Err(expected));
    }
}

#[test]
fn what_a_ca_publishes_of_itself_is_one_certificate_or_several() {
    let broken = [&world!("cas.p7c")[..200], &[0; 653]].concat();
    for (bytes, expected) in [
        (world!("ca.der"), Ok(1)),
        (world!("good.pem"), Ok(1)),
        (world!("cas.p7c"), Ok(2)),
        (&broken, Err(CertificateError::Unreadable)),
        (world!("ca.crl"), Err(CertificateError::Unreadable)),
        (b"<html>", Err(CertificateError::NoBlock)),
    ] {
        assert_eq!(Certificate::parse_published(bytes).map(|all| all.len()), expected);
    }
}

#[test]
fn a_crl_tells_of_its_issuers_certificates_in_its_time() {
    let ca = certificate(world!("ca.der"));
    let list = Crl::parse(world!("ca.crl").to_vec(), &ca).unwrap();
    for (bytes, expected) in [
        (world!("good.der"), Ok(None)),
        (world!("revoked.der"), Ok(Some("keyCompromise"))),
        (world!("held.der"), Ok(Some("on hold"))),
        // RFC 5280, section 5.3.1: who says nothing says `unspecified`.
        (world!("bare.der"), Ok(Some("unspecified"))),
    ] {
        let certificate = certificate(bytes);
        for id in [id(&certificate, &ca), bare(&certificate, &ca)] {
            assert_eq!(said(&list.status(&id, at(0))), expected);
            assert_eq!(said(&list.status(&id, at(31 * 86_400))), Err(UnknownReason::OutOfDate));
            assert_eq!(said(&list.status(&id, at(-86_400))), Err(UnknownReason::NotYet));
        }
    }
    // The same name of the issuer and the same serial number, but another key has issued it.
    let (twin, other) = (certificate(world!("twin.der")), certificate(world!("other.der")));
    assert_eq!((&twin.issuer, &twin.serial), (&ca.subject, &certificate(world!("good.der")).serial));
    assert_eq!(CertId::of(&twin, &Rc::new(ca)), None);
    assert_eq!(said(&list.status(&id(&twin, &other), at(0))), Err(UnknownReason::OtherIssuer));
}

#[test]
fn a_crl_that_proves_nothing_says_nothing() {
    let (ca, other, revoked, good) = (
        certificate(world!("ca.der")),
        certificate(world!("other.der")),
        certificate(world!("revoked.der")),
        certificate(world!("good.der")),
    );
    let parsed = |bytes: &[u8], issuer: &Certificate| Crl::parse(bytes.to_vec(), issuer).err();
    assert_eq!(parsed(world!("forged.crl"), &ca), Some(UnknownReason::NotSigned));
    assert_eq!(parsed(world!("forged.crl"), &other), None);
    assert_eq!(parsed(world!("ca.crl"), &other), Some(UnknownReason::NotSigned));
    assert_eq!(parsed(world!("ca.crl"), &certificate(world!("no-crls.der"))), Some(UnknownReason::NotSigned));
    assert_eq!(parsed(world!("ca.crl"), &good), Some(UnknownReason::OtherIssuer));
    assert_eq!(parsed(&vec![0x30; 65 * 1024 * 1024], &ca), Some(UnknownReason::TooLong));
    for (bytes, doubt) in
        [(world!("expired.crl"), UnknownReason::OutOfDate), (world!("future.crl"), UnknownReason::NotYet)]
    {
        let list = Crl::parse(bytes.to_vec(), &ca).unwrap();
        for certificate in [&good, &revoked] {
            assert_eq!(said(&list.status(&id(certificate, &ca), at(0))), Err(doubt));
        }
    }
    // Lists of some certificates: who stands on one is revoked, and of others it tells nothing, unless they say where they stand.
    // Of a serial number alone it is not known where it would stand.
    for (bytes, unlisted, unlisted_number) in [
        (world!("ca.crl.pem"), Ok(None), Ok(None)),
        (world!("here.crl"), Ok(None), Err(UnknownReason::NotCovered)),
        (world!("elsewhere.crl"), Err(UnknownReason::NotCovered), Err(UnknownReason::NotCovered)),
        (world!("partial.crl"), Err(UnknownReason::NotCovered), Err(UnknownReason::NotCovered)),
        (world!("cas.crl"), Err(UnknownReason::NotCovered), Err(UnknownReason::NotCovered)),
        (world!("delta.crl"), Err(UnknownReason::NotCovered), Err(UnknownReason::NotCovered)),
    ] {
        let list = Crl::parse(bytes.to_vec(), &ca).unwrap();
        for (id, unlisted) in [(id(&good, &ca), unlisted), (bare(&good, &ca), unlisted_number)] {
            assert_eq!(said(&list.status(&id, at(0))), unlisted);
        }
        for id in [id(&revoked, &ca), bare(&revoked, &ca)] {
            assert_eq!(said(&list.status(&id, at(0))), Ok(Some("keyCompromise")));
        }
    }
    assert_eq!(parsed(world!("indirect.crl"), &ca), Some(UnknownReason::NotCovered));
}

/// One element of DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head = match u8::try_from(length) {
        Ok(short) if short < 0x80 => vec![tag, short],
        Ok(long) => vec![tag, 0x81, long],
        Err(_) => [&[tag, 0x82], u16::try_from(length).unwrap().to_be_bytes().as_slice()].concat(),
    };
    [&head, content].concat()
}

fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { der(0x01, &[0xFF]) } else { Vec::new() };
    der(0x30, &[der(0x06, id), critical, der(0x04, value)].concat())
}

/// What a CA signs, however odd it is.
struct OddAuthority {
    key: rcgen::KeyPair,
    certificate: Certificate,
}

impl OddAuthority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = certificate(parameters.self_signed(&key).unwrap().der());
        Self { key, certificate }
    }

    fn signed(&self, content: &[u8]) -> Vec<u8> {
        let content = der(0x30, content);
        let signature = rcgen::SigningKey::sign(&self.key, &content).unwrap();
        der(0x30, &[content, ECDSA_WITH_SHA256.to_vec(), der(0x03, &[&[0], signature.as_slice()].concat())].concat())
    }

    /// A list with these serial numbers, each with these extensions, and with these of its own.
    fn list(&self, entries: &[(u8, Vec<u8>)], extensions: &[Vec<u8>]) -> Vec<u8> {
        let entry = |(serial, extensions): &(u8, Vec<u8>)| {
            let extensions = if extensions.is_empty() { Vec::new() } else { der(0x30, extensions) };
            der(0x30, &[der(0x02, &[*serial]), der(0x17, b"261101000000Z"), extensions].concat())
        };
        let entries: Vec<u8> = entries.iter().flat_map(entry).collect();
        let extensions = der(0xA0, &der(0x30, &extensions.concat()));
        let times = [der(0x17, b"261101000000Z"), der(0x17, b"271101000000Z")].concat();
        let issuer = self.certificate.subject.clone();
        let version = der(0x02, &[1]);
        self.signed(&[version, ECDSA_WITH_SHA256.to_vec(), issuer, times, der(0x30, &entries), extensions].concat())
    }

    fn said(&self, list: &[u8], serial: u8) -> Result<Option<&'static str>, UnknownReason> {
        let id = CertId::bare(SerialNumber::from_der(&[serial]), Rc::new(self.certificate.clone()));
        Ok(match Crl::parse(list.to_vec(), &self.certificate)?.status(&id, at(0)) {
            RevocationStatus::Revoked { reason, .. } => Some(reason.map_or("", RevocationReason::name)),
            RevocationStatus::OnHold { .. } => Some("on hold"),
            RevocationStatus::Lifted { .. } => Some("lifted"),
            RevocationStatus::Good => None,
            RevocationStatus::Unknown(doubt) => return Err(doubt),
        })
    }
}

/// The AlgorithmIdentifier.
const ECDSA_WITH_SHA256: &[u8] = &[0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
/// The ends of the identifiers in 2.5.29, and one that nobody knows.
const REASON: &[u8] = &[0x55, 0x1D, 21];
const HOLD_INSTRUCTION: &[u8] = &[0x55, 0x1D, 23];
const INVALIDITY_DATE: &[u8] = &[0x55, 0x1D, 24];
const DELTA: &[u8] = &[0x55, 0x1D, 27];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1D, 29];
const NOBODYS: &[u8] = &[0x2A, 0x03, 0x04];

#[test]
fn what_entries_say_is_read_and_what_must_be_understood_and_is_not_spoils_the_whole_list() {
    let ca = OddAuthority::new();
    let other = der(0x30, &der(0xA4, &certificate(world!("ca.der")).subject));
    let own = der(0x30, &der(0xA4, &ca.certificate.subject));
    let reason = |code| extension(REASON, false, &[0x0A, 0x01, code]);
    let date = der(0x18, b"20261001000000Z");
    let (foreign, critical) = (Err(UnknownReason::OtherIssuersEntry), Err(UnknownReason::CriticalExtension));
    for (name, extensions, expected) in [
        ("no reason", vec![], Ok(Some("unspecified"))),
        ("a reason", reason(1), Ok(Some("keyCompromise"))),
        ("a critical reason", extension(REASON, true, &[0x0A, 0x01, 4]), Ok(Some("superseded"))),
        ("a reason that there is not", reason(7), Ok(Some(""))),
        ("a hold", reason(6), Ok(Some("on hold"))),
        ("a hold, with what to do", [reason(6), extension(HOLD_INSTRUCTION, true, &[])].concat(), Ok(Some("on hold"))),
        ("removed, in a list of everything", reason(8), Err(UnknownReason::NoListOfChanges)),
        ("since when it is invalid", extension(INVALIDITY_DATE, true, &date), Ok(Some("unspecified"))),
        ("its own issuer", extension(CERTIFICATE_ISSUER, true, &own), Ok(Some("unspecified"))),
        ("another issuer", extension(CERTIFICATE_ISSUER, true, &other), foreign),
        ("another issuer, and a reason", [reason(1), extension(CERTIFICATE_ISSUER, true, &other)].concat(), foreign),
        ("another issuer, but not critical", extension(CERTIFICATE_ISSUER, false, &other), foreign),
        ("an issuer that cannot be read", extension(CERTIFICATE_ISSUER, true, &[0x30, 0x05]), foreign),
        ("an unknown one", extension(NOBODYS, false, &[1]), Ok(Some("unspecified"))),
        ("an unknown critical one", extension(NOBODYS, true, &[1]), critical),
    ] {
        let list = ca.list(&[(7, extensions), (8, reason(4))], &[]);
        assert_eq!(ca.said(&list, 7), expected, "{name}");
        let spoilt = [foreign, critical].contains(&expected);
        assert_eq!(ca.said(&list, 8), if spoilt { expected } else { Ok(Some("superseded")) }, "{name}");
        assert_eq!(ca.said(&list, 9), if spoilt { expected } else { Ok(None) }, "{name}");
    }
    let list = ca.list(&[(7, vec![])], &[extension(NOBODYS, true, &[1])]);
    assert_eq!((ca.said(&list, 7), ca.said(&list, 9)), (critical, critical));
    // Twice in one list: the end outweighs the hold, wherever it stands.
    for entries in [[(7, reason(6)), (7, reason(1))], [(7, reason(1)), (7, reason(6))]] {
        assert_eq!(ca.said(&ca.list(&entries, &[]), 7), Ok(Some("keyCompromise")));
    }
}

#[test]
fn a_list_of_changes_lifts_a_hold() {
    let ca = OddAuthority::new();
    let reason = |code| extension(REASON, false, &[0x0A, 0x01, code]);
    let list =
        ca.list(&[(7, reason(8)), (8, reason(6)), (9, reason(1))], &[extension(DELTA, true, &[0x02, 0x01, 0x03])]);
    for (serial, expected) in [
        (7, Ok(Some("lifted"))),
        (8, Ok(Some("on hold"))),
        (9, Ok(Some("keyCompromise"))),
        (10, Err(UnknownReason::NotCovered)),
    ] {
        assert_eq!(ca.said(&list, serial), expected, "{serial}");
    }
}

#[test]
fn a_list_is_read_however_it_is_published() {
    let ca = certificate(world!("ca.der"));
    let der = world!("ca.crl");
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    let text = std::str::from_utf8(world!("ca.crl.pem")).unwrap();
    for bytes in [
        [der, b"\n"].concat(),
        [der, b"\r\n\0\0"].concat(),
        base64.clone().into_bytes(),
        base64.as_bytes().chunks(64).flat_map(|line| [line, b"\r\n"].concat()).collect(),
        text.replace('\n', "\r\n").into_bytes(),
        format!("\u{feff}\n{text}").into_bytes(),
    ] {
        assert!(Crl::parse(bytes.clone(), &ca).is_ok());
    }
    for bytes in [[der, b"x"].concat(), b"".to_vec(), base64.as_bytes()[4..].to_vec()] {
        assert_eq!(Crl::parse(bytes.clone(), &ca).err(), Some(UnknownReason::Unreadable));
    }
    let (good, answer) = (id(&certificate(world!("good.der")), &ca), world!("good.ocsp"));
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, answer);
    for bytes in [[answer, b"\n"].concat(), base64.into_bytes()] {
        assert_eq!(ocsp::status(&bytes, &good, NonceCheck::Unsent, at(0)), RevocationStatus::Good);
    }
}

#[test]
fn an_answer_with_another_nonce_is_refused_and_one_without_counts_unless_it_must_have_it() {
    let (ca, good) = (certificate(world!("ca.der")), certificate(world!("good.der")));
    let id = id(&good, &ca);
    let (nonce, other) = (Nonce([7; NONCE_OCTETS]), Nonce([8; NONCE_OCTETS]));
    // This answer was signed without a question of ours.
    for (check, expected) in [
        (NonceCheck::Unsent, Ok(None)),
        (NonceCheck::Repeated(&nonce), Ok(None)),
        (NonceCheck::Required(&nonce), Err(UnknownReason::NoNonce)),
    ] {
        assert_eq!(said(&ocsp::status(world!("good.ocsp"), &id, check, at(0))), expected, "{check:?}");
    }
    // The question differs from the one without a nonce by the extension alone (RFC 9654, section 2.1).
    let bare = ocsp::request(&id, None).unwrap();
    let asked = ocsp::request(&id, Some(&nonce)).unwrap();
    let value = der(0x04, &nonce.0);
    let own = extension(&[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02], false, &value);
    assert!(asked.ends_with(&der(0xA2, &der(0x30, &own))), "{asked:02x?}");
    assert_eq!(asked.len(), bare.len() + der(0xA2, &der(0x30, &own)).len());
    for (value, nonce, expected) in [
        (value.as_slice(), &nonce, Ok(())),
        // Without the inner octet string, as responders of old do it.
        (&nonce.0, &nonce, Ok(())),
        (&value, &other, Err(UnknownReason::OtherNonce)),
        (&[], &nonce, Err(UnknownReason::OtherNonce)),
    ] {
        let answered = ocsp::nonces_agree(value, nonce);
        assert_eq!(answered, expected.is_ok(), "{value:?}");
    }
}

#[test]
fn a_question_by_get_is_escaped() {
    // RFC 6960, appendix A.1: base64, and then escaped for a URL, `+`, `/` and `=` too.
    for (responder, question, expected) in [
        ("http://ocsp.example", [0xFB, 0xEF, 0xFF].as_slice(), "http://ocsp.example/%2B%2B%2F%2F"),
        ("http://ocsp.example/", &[0x30], "http://ocsp.example/MA%3D%3D"),
        ("http://ca.example/ocsp/", &[0x30, 0x03], "http://ca.example/ocsp/MAM%3D"),
    ] {
        assert_eq!(ocsp::request_url(responder, question), expected);
    }
}

#[test]
fn questions_are_those_of_openssl() {
    let (ca, good) = (certificate(world!("ca.der")), certificate(world!("good.der")));
    for id in [id(&good, &ca), bare(&good, &ca)] {
        assert_eq!(ocsp::request(&id, None).as_deref(), Some(world!("good.asked")));
    }
}

#[test]
fn an_answer_tells_of_its_certificate_in_its_time() {
    let (ca, good, revoked) =
        (certificate(world!("ca.der")), certificate(world!("good.der")), certificate(world!("revoked.der")));
    let (day, other, twin) = (86_400, certificate(world!("other.der")), certificate(world!("twin.der")));
    for (name, answer, of, issuer, later, expected) in [
        ("good", world!("good.ocsp"), &good, &ca, 0, Ok(None)),
        ("revoked", world!("revoked.ocsp"), &revoked, &ca, 0, Ok(Some("keyCompromise"))),
        ("signed by the CA", world!("direct.ocsp"), &revoked, &ca, 0, Ok(Some("keyCompromise"))),
        ("a responder named by its key", world!("by-key.ocsp"), &good, &ca, 0, Ok(None)),
        ("no end, fresh", world!("endless.ocsp"), &good, &ca, 60, Ok(None)),
        ("no end, old", world!("endless.ocsp"), &good, &ca, 3600, Err(UnknownReason::OutOfDate)),
        ("old", world!("good.ocsp"), &good, &ca, 31 * day, Err(UnknownReason::OutOfDate)),
        ("old and revoked", world!("revoked.ocsp"), &revoked, &ca, 31 * day, Err(UnknownReason::OutOfDate)),
        // The responder's certificate is not valid yet either, and that is found first.
        ("dated ahead", world!("good.ocsp"), &good, &ca, -day, Err(UnknownReason::NotSigned)),
        ("dated ahead, by the CA", world!("direct.ocsp"), &revoked, &ca, -day, Err(UnknownReason::NotYet)),
        ("about another", world!("good.ocsp"), &revoked, &ca, 0, Err(UnknownReason::OtherCertificate)),
        ("about another that is revoked", world!("revoked.ocsp"), &good, &ca, 0, Err(UnknownReason::OtherCertificate)),
        ("unknown there", world!("unknown.ocsp"), &good, &ca, 0, Err(UnknownReason::NotKnown)),
        ("by a responder of another CA", world!("stranger.ocsp"), &good, &ca, 0, Err(UnknownReason::NotSigned)),
        ("by no responder", world!("no-responder.ocsp"), &good, &ca, 0, Err(UnknownReason::NotSigned)),
        ("by nobody", world!("without-certificate.ocsp"), &good, &ca, 0, Err(UnknownReason::NotSigned)),
        ("about its twin, for the other CA", world!("good.ocsp"), &twin, &other, 0, Err(UnknownReason::NotSigned)),
        ("refused", world!("try-later.ocsp"), &good, &ca, 0, Err(UnknownReason::Refused("tryLater"))),
        ("nothing", b"", &good, &ca, 0, Err(UnknownReason::Unreadable)),
        ("a page", b"<html>".as_slice(), &good, &ca, 0, Err(UnknownReason::Unreadable)),
        ("a list", world!("ca.crl"), &good, &ca, 0, Err(UnknownReason::Unreadable)),
    ] {
        for id in [id(of, issuer), bare(of, issuer)] {
            assert_eq!(said(&ocsp::status(answer, &id, NonceCheck::Unsent, at(later))), expected, "{name}");
        }
    }
    let long = vec![0x30; 65 * 1024 * 1024];
    assert_eq!(said(&ocsp::status(&long, &id(&good, &ca), NonceCheck::Unsent, at(0))), Err(UnknownReason::TooLong));
    // A number that the other CA of that name has given too.
    let answered = ocsp::status(world!("good.ocsp"), &bare(&good, &other), NonceCheck::Unsent, at(0));
    assert_eq!(said(&answered), Err(UnknownReason::NotSigned));
}

#[test]
fn no_changed_byte_makes_a_revoked_certificate_good() {
    let ca = certificate(world!("ca.der"));
    let revoked = id(&certificate(world!("revoked.der")), &ca);
    let list = world!("ca.crl");
    for index in 0..list.len() {
        for flip in [0x01, 0x80, 0xFF] {
            let mut changed = list.to_owned();
            changed[index] ^= flip;
            let status = Crl::parse(changed.clone(), &ca).map(|list| list.status(&revoked, at(0)));
            assert_ne!(status, Ok(RevocationStatus::Good), "byte {index}");
        }
        assert!(Crl::parse(list[..index].to_vec(), &ca).is_err());
    }
    for answer in [world!("revoked.ocsp"), world!("direct.ocsp")] {
        for index in 0..answer.len() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut changed = answer.to_owned();
                changed[index] ^= flip;
                assert_ne!(
                    ocsp::status(&changed, &revoked, NonceCheck::Unsent, at(0)),
                    RevocationStatus::Good,
                    "byte {index}"
                );
            }
            let status = ocsp::status(&answer[..index], &revoked, NonceCheck::Unsent, at(0));
            assert!(matches!(status, RevocationStatus::Unknown(_)), "{index}: {status:?}");
        }
    }
}

/// When the fixtures were made.
const NOW: i64 = 1_795_337_433;
