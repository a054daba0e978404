//! OCSP (RFC 6960): the question about one certificate, and what an answer tells. An answer counts only with the signature of the
//! issuer, or of a responder that the issuer has certified for it. Sends nothing; no nonce is sent, as most responders want it (RFC 5019).

use super::RevocationReason;
use super::cert_id::{CertId, SerialNumber};
use super::certificate::Certificate;
use super::status::{Doubt, MOST_BYTES, Status, holds};
use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use jiff::{SignedDuration, Timestamp};
use x509_cert::der::asn1::{Null, ObjectIdentifier, OctetString};
use x509_cert::der::{Any, Decode, Encode};
use x509_cert::ext::Extensions;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertId as AskedId, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse,
    OcspResponseStatus, Request, SingleResponse, TbsRequest, Version,
};
use x509_parser::asn1_rs::{self, BitString, FromDer};
use x509_parser::x509::AlgorithmIdentifier;

/// The body of a request about one certificate. `None` where it has a serial number that no request can carry.
pub fn request(id: &CertId) -> Option<Vec<u8>> {
    let hash = |data: &[u8]| OctetString::new(digest(&SHA1_FOR_LEGACY_USE_ONLY, data).as_ref()).ok();
    let asked = AskedId {
        // What every responder understands; it names the issuer, and nothing hangs on its strength.
        hash_algorithm: AlgorithmIdentifierOwned { oid: SHA_1, parameters: Some(Any::from(Null)) },
        issuer_name_hash: hash(&id.issuer.subject)?,
        issuer_key_hash: hash(&id.issuer.key_bits)?,
        serial_number: x509_cert::serial_number::SerialNumber::new(id.serial.octets()).ok()?,
    };
    let request = OcspRequest {
        tbs_request: TbsRequest {
            version: Version::V1,
            requestor_name: None,
            request_list: vec![Request { req_cert: asked, single_request_extensions: None }],
            request_extensions: None,
        },
        optional_signature: None,
    };
    request.to_der().ok()
}

/// What an answer's body tells of a certificate now.
pub fn status(answer: &[u8], id: &CertId, now: Timestamp) -> Status {
    match read(answer, id, now) {
        Ok(status) => status,
        Err(doubt) => Status::Unknown(doubt),
    }
}

fn read(answer: &[u8], id: &CertId, now: Timestamp) -> Result<Status, Doubt> {
    if answer.len() > MOST_BYTES {
        return Err(Doubt::TooLong);
    }
    let response = OcspResponse::from_der(answer).map_err(|_| Doubt::Unreadable)?;
    if response.response_status != OcspResponseStatus::Successful {
        return Err(Doubt::Refused);
    }
    let bytes = response.response_bytes.filter(|bytes| bytes.response_type == BASIC).ok_or(Doubt::Unreadable)?;
    let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(|_| Doubt::Unreadable)?;
    if has_critical(basic.tbs_response_data.response_extensions.as_ref()) {
        return Err(Doubt::Unreadable);
    }
    if !is_signed(&basic, bytes.response.as_bytes(), &id.issuer, now).ok_or(Doubt::Unreadable)? {
        return Err(Doubt::NotSigned);
    }
    let told = basic.tbs_response_data.responses.iter();
    let told = told.filter(|single| is_about(&single.cert_id, id));
    told.map(|single| tells(single, now).unwrap_or_else(Status::Unknown))
        .reduce(Status::or)
        .ok_or(Doubt::OtherCertificate)
}

/// Whether the issuer has signed the answer, or a responder of its own with a certificate that comes along.
fn is_signed(basic: &BasicOcspResponse, bytes: &[u8], issuer: &Certificate, now: Timestamp) -> Option<bool> {
    let algorithm = basic.signature_algorithm.to_der().ok()?;
    let (_, algorithm) = AlgorithmIdentifier::from_der(&algorithm).ok()?;
    let value = BitString::new(0, basic.signature.as_bytes()?);
    let data = first_element(bytes)?;
    if issuer.has_signed(&algorithm, &value, data) {
        return Some(true);
    }
    // An issuer certifies its responders itself; a longer chain counts nothing.
    let others = basic.certs.iter().flatten().take(MOST_CERTIFICATES);
    let mut others = others.filter_map(|other| Certificate::parse(&other.to_der().ok()?).ok());
    Some(others.any(|other| {
        other.signs_ocsp
            && other.is_valid(now)
            && other.has_signed(&algorithm, &value, data)
            && other.is_issued_by(issuer)
    }))
}

/// The first element of a sequence, as it came: what is signed are these bytes, not another form of them.
fn first_element(sequence: &[u8]) -> Option<&[u8]> {
    let (_, outer) = asn1_rs::Any::from_der(sequence).ok()?;
    let (rest, _) = asn1_rs::Any::from_der(outer.data).ok()?;
    outer.data.get(..outer.data.len() - rest.len())
}

fn is_about(asked: &AskedId, id: &CertId) -> bool {
    let algorithm: &'static Algorithm = match asked.hash_algorithm.oid {
        SHA_1 => &SHA1_FOR_LEGACY_USE_ONLY,
        SHA_256 => &SHA256,
        _ => return false,
    };
    let same = |hash: &OctetString, data: &[u8]| digest(algorithm, data).as_ref() == hash.as_bytes();
    SerialNumber::from_der(asked.serial_number.as_bytes()) == id.serial
        && same(&asked.issuer_name_hash, &id.issuer.subject)
        && same(&asked.issuer_key_hash, &id.issuer.key_bits)
}

fn tells(single: &SingleResponse, now: Timestamp) -> Result<Status, Doubt> {
    if has_critical(single.single_extensions.as_ref()) {
        return Err(Doubt::Unreadable);
    }
    let from = timestamp(single.this_update)?;
    // Without an end "newer revocation information is available all the time" (section 4.2.2.1): good for now only.
    let until = match single.next_update {
        Some(until) => timestamp(until)?,
        None => from.checked_add(FRESH).map_err(|_| Doubt::Unreadable)?,
    };
    holds(from, Some(until), now)?;
    match &single.cert_status {
        CertStatus::Good(_) => Ok(Status::Good),
        CertStatus::Revoked(info) => {
            let code = info.revocation_reason.map(|reason| reason as u8);
            let reason = RevocationReason::ALL.into_iter().find(|reason| Some(reason.code()) == code);
            Ok(Status::Revoked { at: timestamp(info.revocation_time)?, reason })
        }
        CertStatus::Unknown(_) => Err(Doubt::NotKnown),
    }
}

fn has_critical(extensions: Option<&Extensions>) -> bool {
    extensions.is_some_and(|extensions| extensions.iter().any(|extension| extension.critical))
}

fn timestamp(time: OcspGeneralizedTime) -> Result<Timestamp, Doubt> {
    let seconds = i64::try_from(time.0.to_unix_duration().as_secs()).map_err(|_| Doubt::Unreadable)?;
    Timestamp::from_second(seconds).map_err(|_| Doubt::Unreadable)
}

const SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// id-pkix-ocsp-basic
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
const FRESH: SignedDuration = SignedDuration::from_mins(15);
const MOST_CERTIFICATES: usize = 8;
