//! OCSP (RFC 6960): the question about one certificate, and what an answer tells. An answer counts only with the signature of the
//! issuer, or of a responder that the issuer has certified for it, and never with another question's nonce. Sends nothing.

use super::certificate::Certificate;
use super::revocation::{
    CertId, MAX_STATUS_BYTES, RevocationReason, RevocationStatus, UnknownReason, holds, published_der,
};
use super::serial_number::SerialNumber;
use super::x509::{Signed, timestamp};
use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{Null, OctetString};
use der::oid::db::rfc5912::{ID_SHA_1, ID_SHA_256};
use der::oid::db::rfc6960::{ID_PKIX_OCSP_BASIC, ID_PKIX_OCSP_NONCE};
use der::referenced::OwnedToRef;
use der::{Any, Decode, Encode, Header, Reader, SliceReader};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;
use x509_ocsp::{
    BasicOcspResponse, CertId as AskedId, CertStatus, OcspRequest, OcspResponse, OcspResponseStatus, Request,
    SingleResponse, TbsRequest, Version,
};

/// What ties an answer to its question, so that nobody can give an old one again (RFC 9654).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub [u8; NONCE_OCTETS]);

/// What is asked of the nonce in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceCheck<'a> {
    /// None was sent.
    Unsent,
    /// Another is refused; without one the answer counts, since who signs answers ahead cannot repeat it (section 2.1 of RFC 5019).
    Repeated(&'a Nonce),
    /// It must be there.
    Required(&'a Nonce),
}

impl Nonce {
    /// One that nobody can guess; `None` where the system gives no random bytes.
    pub fn random() -> Option<Self> {
        let mut octets = [0; NONCE_OCTETS];
        SystemRandom::new().fill(&mut octets).ok()?;
        Some(Self(octets))
    }
}

/// The body of a request about one certificate, by POST. `None` where it has a serial number that no request can carry.
pub fn request(id: &CertId, nonce: Option<&Nonce>) -> Option<Vec<u8>> {
    let hash = |data: &[u8]| OctetString::new(digest(&SHA1_FOR_LEGACY_USE_ONLY, data).as_ref()).ok();
    let asked = AskedId {
        // What every responder understands (RFC 5019, section 2.1.1, asks for it); it names the issuer, and nothing hangs on its
        // strength.
        hash_algorithm: AlgorithmIdentifierOwned { oid: ID_SHA_1, parameters: Some(Any::from(Null)) },
        issuer_name_hash: hash(&id.issuer.subject)?,
        issuer_key_hash: hash(&id.issuer.key_bits)?,
        serial_number: x509_cert::serial_number::SerialNumber::new(id.serial.octets()).ok()?,
    };
    let request = OcspRequest {
        tbs_request: TbsRequest {
            version: Version::V1,
            requestor_name: None,
            request_list: vec![Request { req_cert: asked, single_request_extensions: None }],
            request_extensions: match nonce {
                Some(nonce) => Some(nonce_extension(nonce)?),
                None => None,
            },
        },
        optional_signature: None,
    };
    request.to_der().ok()
}

/// The URL of the same request by GET (RFC 6960, appendix A.1). Base64's `+`, `/` and `=` are escaped: many servers take `+` for a space,
/// and `//` for `/`.
pub fn request_url(responder: &str, request: &[u8]) -> String {
    let request = STANDARD.encode(request);
    format!("{}/{}", responder.trim_end_matches('/'), utf8_percent_encode(&request, NON_ALPHANUMERIC))
}

/// What an answer's body tells of a certificate now.
pub fn status(answer: &[u8], id: &CertId, nonce: NonceCheck<'_>, now: Timestamp) -> RevocationStatus {
    match read(answer, id, nonce, now) {
        Ok(status) => status,
        Err(doubt) => RevocationStatus::Unknown(doubt),
    }
}

fn read(answer: &[u8], id: &CertId, nonce: NonceCheck<'_>, now: Timestamp) -> Result<RevocationStatus, UnknownReason> {
    if answer.len() > MAX_STATUS_BYTES {
        return Err(UnknownReason::TooLong);
    }
    let answer = published_der(answer, "OCSP RESPONSE");
    let response = OcspResponse::from_der(&answer).map_err(|_| UnknownReason::Unreadable)?;
    if let Some(refusal) = refusal(response.response_status) {
        return Err(UnknownReason::Refused(refusal));
    }
    let bytes = response
        .response_bytes
        .filter(|bytes| bytes.response_type == ID_PKIX_OCSP_BASIC)
        .ok_or(UnknownReason::Unreadable)?;
    let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(|_| UnknownReason::Unreadable)?;
    if has_critical(basic.tbs_response_data.response_extensions.as_ref()) {
        return Err(UnknownReason::Unreadable);
    }
    if !is_signed(&basic, bytes.response.as_bytes(), &id.issuer, now).ok_or(UnknownReason::Unreadable)? {
        return Err(UnknownReason::NotSigned);
    }
    check_nonce(basic.tbs_response_data.response_extensions.as_ref(), nonce)?;
    let about = basic.tbs_response_data.responses.iter();
    let about = about.filter(|single| is_about(&single.cert_id, id));
    about
        .map(|single| single_status(single, now).unwrap_or_else(RevocationStatus::Unknown))
        .reduce(RevocationStatus::or)
        .ok_or(UnknownReason::OtherCertificate)
}

/// Whether the issuer has signed the answer, or a responder of its own with a certificate that comes along.
fn is_signed(basic: &BasicOcspResponse, bytes: &[u8], issuer: &Certificate, now: Timestamp) -> Option<bool> {
    let signed = Signed {
        // What is signed are these bytes, not another form of them.
        content: first_element(bytes).ok()?,
        algorithm: basic.signature_algorithm.owned_to_ref(),
        signature: basic.signature.as_bytes()?,
    };
    if issuer.verify(&signed).is_ok() {
        return Some(true);
    }
    // An issuer certifies its responders itself; a longer chain counts nothing.
    let others = basic.certs.iter().flatten().take(MAX_CERTIFICATES);
    let mut others = others.filter_map(|other| Certificate::from_der(&other.to_der().ok()?).ok());
    Some(others.any(|other| {
        other.signs_ocsp && other.is_valid(now) && other.verify(&signed).is_ok() && other.is_issued_by(issuer)
    }))
}

/// The first element of a sequence, as it came.
fn first_element(sequence: &[u8]) -> der::Result<&[u8]> {
    let mut reader = SliceReader::new(sequence)?;
    Header::decode(&mut reader)?;
    reader.tlv_bytes()
}

fn is_about(asked: &AskedId, id: &CertId) -> bool {
    let algorithm: &'static Algorithm = match asked.hash_algorithm.oid {
        ID_SHA_1 => &SHA1_FOR_LEGACY_USE_ONLY,
        ID_SHA_256 => &SHA256,
        _ => return false,
    };
    let same = |hash: &OctetString, data: &[u8]| digest(algorithm, data).as_ref() == hash.as_bytes();
    SerialNumber::from_der(asked.serial_number.as_bytes()) == id.serial
        && same(&asked.issuer_name_hash, &id.issuer.subject)
        && same(&asked.issuer_key_hash, &id.issuer.key_bits)
}

fn single_status(single: &SingleResponse, now: Timestamp) -> Result<RevocationStatus, UnknownReason> {
    if has_critical(single.single_extensions.as_ref()) {
        return Err(UnknownReason::Unreadable);
    }
    let from = timestamp(Time::GeneralTime(single.this_update.0));
    // Without an end "newer revocation information is available all the time" (section 4.2.2.1): good for now only.
    let until = match single.next_update {
        Some(until) => timestamp(Time::GeneralTime(until.0)),
        None => from.checked_add(FRESH).map_err(|_| UnknownReason::Unreadable)?,
    };
    holds(from, Some(until), now)?;
    match &single.cert_status {
        CertStatus::Good(_) => Ok(RevocationStatus::Good),
        CertStatus::Revoked(info) => {
            let at = timestamp(Time::GeneralTime(info.revocation_time.0));
            let code = info.revocation_reason.map_or(0, |reason| reason as u8);
            let reason = RevocationReason::from_code(code);
            // What was never issued is answered so (section 2.2): on hold since the beginning of 1970.
            if reason == Some(RevocationReason::CertificateHold) && at == Timestamp::UNIX_EPOCH {
                return Err(UnknownReason::NotKnown);
            }
            Ok(RevocationStatus::of_reason(at, reason, from))
        }
        CertStatus::Unknown(_) => Err(UnknownReason::NotKnown),
    }
}

/// The extension of a question. Its value is an OCTET STRING within the extension's own (RFC 9654, section 2.1).
fn nonce_extension(nonce: &Nonce) -> Option<Extensions> {
    let value = OctetString::new(nonce.0).ok()?.to_der().ok()?;
    let extn_value = OctetString::new(value).ok()?;
    Some(vec![Extension { extn_id: ID_PKIX_OCSP_NONCE, critical: false, extn_value }])
}

fn check_nonce(extensions: Option<&Extensions>, nonce: NonceCheck<'_>) -> Result<(), UnknownReason> {
    let mut all = extensions.into_iter().flatten();
    let found = all.find(|extension| extension.extn_id == ID_PKIX_OCSP_NONCE);
    let found = found.map(|extension| extension.extn_value.as_bytes());
    match (nonce, found) {
        (NonceCheck::Unsent, _) | (NonceCheck::Repeated(_), None) => Ok(()),
        (NonceCheck::Required(_), None) => Err(UnknownReason::NoNonce),
        (NonceCheck::Repeated(nonce) | NonceCheck::Required(nonce), Some(value)) if nonces_agree(value, nonce) => {
            Ok(())
        }
        (NonceCheck::Repeated(_) | NonceCheck::Required(_), Some(_)) => Err(UnknownReason::OtherNonce),
    }
}

/// Whether the extension of an answer holds this nonce. Old responders leave the inner OCTET STRING out.
fn nonces_agree(value: &[u8], nonce: &Nonce) -> bool {
    value == nonce.0 || OctetString::from_der(value).is_ok_and(|inner| inner.as_bytes() == nonce.0)
}

/// The word of RFC 6960, section 4.2.1, for an answer that is an error.
fn refusal(status: OcspResponseStatus) -> Option<&'static str> {
    Some(match status {
        OcspResponseStatus::Successful => return None,
        OcspResponseStatus::MalformedRequest => "malformedRequest",
        OcspResponseStatus::InternalError => "internalError",
        OcspResponseStatus::TryLater => TRY_LATER,
        OcspResponseStatus::SigRequired => "sigRequired",
        OcspResponseStatus::Unauthorized => "unauthorized",
    })
}

/// An extension that must be understood and is not (RFC 6960, section 4.4): the answer must not be used.
fn has_critical(extensions: Option<&Extensions>) -> bool {
    let unknown = |extension: &Extension| extension.critical && extension.extn_id != ID_PKIX_OCSP_NONCE;
    extensions.is_some_and(|extensions| extensions.iter().any(unknown))
}

/// The one error of a responder that passes by itself.
pub const TRY_LATER: &str = "tryLater";
/// What clients should send (RFC 9654, section 2.1).
pub const NONCE_OCTETS: usize = 32;

/// How long an answer is fresh that does not say when the next one comes.
const FRESH: SignedDuration = SignedDuration::from_mins(15);
/// So many of the certificates in an answer are tried: a responder sends its own, and perhaps the issuer's.
const MAX_CERTIFICATES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::revocation::tests::{at, bare, certificate, der, extension, id, said, world};

    #[test]
    fn questions_are_those_of_openssl() {
        let (ca, good) = (certificate(world!("ca.der")), certificate(world!("good.der")));
        for id in [id(&good, &ca), bare(&good, &ca)] {
            assert_eq!(request(&id, None).as_deref(), Some(world!("good.asked")));
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
            assert_eq!(request_url(responder, question), expected);
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
            (
                "about another that is revoked",
                world!("revoked.ocsp"),
                &good,
                &ca,
                0,
                Err(UnknownReason::OtherCertificate),
            ),
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
                assert_eq!(said(&status(answer, &id, NonceCheck::Unsent, at(later))), expected, "{name}");
            }
        }
        let long = vec![0x30; 65 * 1024 * 1024];
        assert_eq!(said(&status(&long, &id(&good, &ca), NonceCheck::Unsent, at(0))), Err(UnknownReason::TooLong));
        // A number that the other CA of that name has given too.
        let answered = status(world!("good.ocsp"), &bare(&good, &other), NonceCheck::Unsent, at(0));
        assert_eq!(said(&answered), Err(UnknownReason::NotSigned));
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
            assert_eq!(said(&status(world!("good.ocsp"), &id, check, at(0))), expected, "{check:?}");
        }
        // The question differs from the one without a nonce by the extension alone (RFC 9654, section 2.1).
        let bare = request(&id, None).unwrap();
        let asked = request(&id, Some(&nonce)).unwrap();
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
            let answered = nonces_agree(value, nonce);
            assert_eq!(answered, expected.is_ok(), "{value:?}");
        }
    }

    #[test]
    fn an_answer_is_read_however_it_is_published() {
        let ca = certificate(world!("ca.der"));
        let (good, answer) = (id(&certificate(world!("good.der")), &ca), world!("good.ocsp"));
        let base64 = STANDARD.encode(answer);
        for bytes in [[answer, b"\n"].concat(), base64.into_bytes()] {
            assert_eq!(status(&bytes, &good, NonceCheck::Unsent, at(0)), RevocationStatus::Good);
        }
    }

    #[test]
    fn no_changed_byte_of_an_answer_makes_a_revoked_certificate_good() {
        let ca = certificate(world!("ca.der"));
        let revoked = id(&certificate(world!("revoked.der")), &ca);
        for answer in [world!("revoked.ocsp"), world!("direct.ocsp")] {
            for index in 0..answer.len() {
                for flip in [0x01, 0x80, 0xFF] {
                    let mut changed = answer.to_owned();
                    changed[index] ^= flip;
                    assert_ne!(
                        status(&changed, &revoked, NonceCheck::Unsent, at(0)),
                        RevocationStatus::Good,
                        "byte {index}"
                    );
                }
                let status = status(&answer[..index], &revoked, NonceCheck::Unsent, at(0));
                assert!(matches!(status, RevocationStatus::Unknown(_)), "{index}: {status:?}");
            }
        }
    }
}
