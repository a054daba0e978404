//! The simulator's own CA: the certificates that it issues, and what it signs of those that were revoked, as CRLs (RFC 5280, section 5) and OCSP
//! answers (RFC 6960). Its key
//! is checked in, and the same in every process: a later `verify` believes what the CA of an earlier run would have said. Nobody else does.

use crate::pki::names::comparable;
use crate::pki::pem::{self, Piece};
use crate::pki::{Csr, RevocationReason, SerialNumber};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use der::asn1::{BitString, GeneralizedTime, Ia5String, OctetString, UtcTime};
use der::oid::db::rfc5280::{ID_CE_CRL_REASONS, ID_CE_SUBJECT_ALT_NAME};
use der::oid::db::rfc5912::ECDSA_WITH_SHA_256;
use der::oid::db::rfc6960::{ID_PKIX_OCSP_BASIC, ID_PKIX_OCSP_NONCE};
use der::{DateTime, Decode, Encode};
use jiff::Timestamp;
use std::net::IpAddr;
use std::str::FromStr as _;
use std::time::Duration;
use x509_cert::certificate::TbsCertificate;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{CrlReason, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::request::CertReq;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};
use x509_cert::{Certificate, Version};
use x509_ocsp::{
    BasicOcspResponse, CertStatus, OcspRequest, OcspResponse, OcspResponseStatus, ResponderId, ResponseBytes,
    ResponseData, RevokedInfo, SingleResponse,
};
use zeroize::Zeroizing;

/// The CA.
pub(super) struct Authority {
    certificate: Certificate,
    key: EcdsaKeyPair,
}

/// A certificate that was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revocation {
    pub(super) serial: SerialNumber,
    pub(super) at: Timestamp,
    pub(super) reason: RevocationReason,
}

/// What the CA says of one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CertificateStatus {
    Good,
    Revoked(Timestamp, RevocationReason),
    /// It was never heard of.
    Unknown,
}

impl Authority {
    /// The CA of every simulator; `None` cannot happen, since both files are checked in, and a test reads them.
    pub(super) fn new() -> Option<Self> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &block(KEY)?).ok()?;
        Some(Self { certificate: Certificate::from_der(&block(CERTIFICATE)?).ok()?, key })
    }

    /// A certificate for a request in PEM, with the names that the request and the parameters ask for; in PEM, the CA's own behind it. `None`
    /// where the request cannot be read.
    pub(super) fn issue(&self, request: &str, dns_names: &[String], number: u64, now: Timestamp) -> Option<String> {
        let csr = Csr::parse(request.as_bytes()).ok()?;
        let info = CertReq::from_der(&block(&csr.to_pem())?).ok()?.info;
        let mut names: Vec<GeneralName> = Vec::new();
        for name in csr.names().dns.iter().chain(dns_names).map(String::as_str).chain(csr.common_name()) {
            let name = GeneralName::DnsName(Ia5String::new(&comparable(name)).ok()?);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for address in &csr.names().ip {
            let octets = match address {
                IpAddr::V4(address) => OctetString::new(address.octets()),
                IpAddr::V6(address) => OctetString::new(address.octets()),
            };
            names.push(GeneralName::IpAddress(octets.ok()?));
        }
        let serial = (FIRST_SERIAL + number).to_be_bytes();
        Some(self.signed(&serial, (info.subject, info.public_key), names, now)? + CERTIFICATE)
    }

    /// A certificate of a serial number that somebody names, with no key but the CA's own: nobody serves it.
    pub(super) fn certify(&self, serial: &SerialNumber, now: Timestamp) -> Option<String> {
        let name = format!("{}.simulated.example", serial.to_string().to_lowercase());
        let subject = Name::from_str(&format!("CN={name}")).ok()?;
        let names = vec![GeneralName::DnsName(Ia5String::new(&name).ok()?)];
        let key = self.certificate.tbs_certificate.subject_public_key_info.clone();
        self.signed(serial.octets(), (subject, key), names, now)
    }

    fn signed(
        &self,
        serial: &[u8],
        (subject, key): (Name, SubjectPublicKeyInfoOwned),
        names: Vec<GeneralName>,
        now: Timestamp,
    ) -> Option<String> {
        let names = extension(ID_CE_SUBJECT_ALT_NAME, &SubjectAltName(names).to_der().ok()?)?;
        let content = TbsCertificate {
            version: Version::V3,
            serial_number: x509_cert::serial_number::SerialNumber::new(serial).ok()?,
            signature: ALGORITHM,
            issuer: self.certificate.tbs_certificate.subject.clone(),
            validity: Validity {
                not_before: time(now.checked_sub(BACKDATED).ok()?)?,
                not_after: time(now.checked_add(VALID).ok()?)?,
            },
            subject,
            subject_public_key_info: key,
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(vec![names]),
        };
        let signature = self.sign(&content.to_der().ok()?)?;
        let certificate = Certificate { tbs_certificate: content, signature_algorithm: ALGORITHM, signature };
        Some(pem::encode("CERTIFICATE", &certificate.to_der().ok()?))
    }

    /// The list of what was revoked, as of now.
    pub(super) fn crl(&self, revocations: Vec<Revocation>, now: Timestamp) -> Option<Vec<u8>> {
        let entry = |revocation: Revocation| {
            // `unspecified` is said by silence (RFC 5280, section 5.3.1).
            let reason = Some(revocation.reason).filter(|reason| *reason != RevocationReason::Unspecified);
            Some(RevokedCert {
                serial_number: x509_cert::serial_number::SerialNumber::new(revocation.serial.octets()).ok()?,
                revocation_date: time(revocation.at)?,
                crl_entry_extensions: match reason {
                    Some(reason) => Some(vec![extension(ID_CE_CRL_REASONS, &crl_reason(reason).to_der().ok()?)?]),
                    None => None,
                },
            })
        };
        let entries = revocations.into_iter().map(entry).collect::<Option<Vec<_>>>()?;
        let list = TbsCertList {
            version: Version::V2,
            signature: ALGORITHM,
            issuer: self.certificate.tbs_certificate.subject.clone(),
            this_update: time(now)?,
            next_update: Some(time(now.checked_add(HOLDS).ok()?)?),
            // An empty SEQUENCE is not allowed here (RFC 5280, section 5.1.2.6).
            revoked_certificates: Some(entries).filter(|entries| !entries.is_empty()),
            crl_extensions: None,
        };
        let signature = self.sign(&list.to_der().ok()?)?;
        CertificateList { tbs_cert_list: list, signature_algorithm: ALGORITHM, signature }.to_der().ok()
    }

    /// The answer to an OCSP question, its nonce repeated.
    pub(super) fn ocsp(
        &self,
        question: &[u8],
        find: impl Fn(&SerialNumber) -> CertificateStatus,
        now: Timestamp,
    ) -> Option<Vec<u8>> {
        let Ok(OcspRequest { tbs_request, .. }) = OcspRequest::from_der(question) else {
            let response_status = OcspResponseStatus::MalformedRequest;
            return OcspResponse { response_status, response_bytes: None }.to_der().ok();
        };
        let single = |asked: x509_ocsp::Request| {
            let serial = hex::encode(asked.req_cert.serial_number.as_bytes());
            let status =
                SerialNumber::parse(&format!("0x{serial}")).map_or(CertificateStatus::Unknown, |serial| find(&serial));
            Some(SingleResponse {
                cert_status: match status {
                    CertificateStatus::Good => CertStatus::good(),
                    CertificateStatus::Unknown => CertStatus::unknown(),
                    CertificateStatus::Revoked(at, reason) => CertStatus::revoked(RevokedInfo {
                        revocation_time: date(at)?.into(),
                        revocation_reason: Some(crl_reason(reason)),
                    }),
                },
                cert_id: asked.req_cert,
                this_update: date(now)?.into(),
                next_update: Some(date(now.checked_add(HOLDS).ok()?)?.into()),
                single_extensions: None,
            })
        };
        let nonce = tbs_request.request_extensions.unwrap_or_default();
        let nonce: Vec<Extension> = nonce.into_iter().filter(|one| one.extn_id == ID_PKIX_OCSP_NONCE).collect();
        let data = ResponseData {
            version: x509_ocsp::Version::V1,
            responder_id: ResponderId::ByName(self.certificate.tbs_certificate.subject.clone()),
            produced_at: date(now)?.into(),
            responses: tbs_request.request_list.into_iter().map(single).collect::<Option<Vec<_>>>()?,
            response_extensions: Some(nonce).filter(|nonce| !nonce.is_empty()),
        };
        let signature = self.sign(&data.to_der().ok()?)?;
        let basic =
            BasicOcspResponse { tbs_response_data: data, signature_algorithm: ALGORITHM, signature, certs: None };
        let response = OctetString::new(basic.to_der().ok()?).ok()?;
        let bytes = ResponseBytes { response_type: ID_PKIX_OCSP_BASIC, response };
        OcspResponse { response_status: OcspResponseStatus::Successful, response_bytes: Some(bytes) }.to_der().ok()
    }

    fn sign(&self, bytes: &[u8]) -> Option<BitString> {
        let signature = self.key.sign(&SystemRandom::new(), bytes).ok()?;
        BitString::from_bytes(signature.as_ref()).ok()
    }
}

/// The first block of a text.
fn block(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    match pem::pieces(text).into_iter().next() {
        Some(Piece::Block(block)) => Some(block.der),
        _ => None,
    }
}

fn extension(oid: der::oid::ObjectIdentifier, value: &[u8]) -> Option<Extension> {
    Some(Extension { extn_id: oid, critical: false, extn_value: OctetString::new(value).ok()? })
}

const fn crl_reason(reason: RevocationReason) -> CrlReason {
    match reason {
        RevocationReason::Unspecified => CrlReason::Unspecified,
        RevocationReason::KeyCompromise => CrlReason::KeyCompromise,
        RevocationReason::CaCompromise => CrlReason::CaCompromise,
        RevocationReason::AffiliationChanged => CrlReason::AffiliationChanged,
        RevocationReason::Superseded => CrlReason::Superseded,
        RevocationReason::CessationOfOperation => CrlReason::CessationOfOperation,
        RevocationReason::CertificateHold => CrlReason::CertificateHold,
        RevocationReason::RemoveFromCrl => CrlReason::RemoveFromCRL,
        RevocationReason::PrivilegeWithdrawn => CrlReason::PrivilegeWithdrawn,
        RevocationReason::AaCompromise => CrlReason::AaCompromise,
    }
}

/// A time before 1970, which `der` cannot write, is taken for its beginning.
fn date(at: Timestamp) -> Option<DateTime> {
    DateTime::from_unix_duration(Duration::from_secs(u64::try_from(at.as_second()).unwrap_or_default())).ok()
}

/// UTCTime until 2049, GeneralizedTime from then on (RFC 5280, section 4.1.2.5).
fn time(at: Timestamp) -> Option<Time> {
    let date = date(at)?;
    Some(UtcTime::from_date_time(date).map_or_else(|_| GeneralizedTime::from_date_time(date).into(), Time::from))
}

/// The CA's certificate, in PEM.
pub const CERTIFICATE: &str = include_str!("ca.pem");
/// It protects nothing.
const KEY: &str = include_str!("ca-key.pem");
const ALGORITHM: AlgorithmIdentifierOwned = AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA_256, parameters: None };
/// Eight octets that nobody takes for a real CA's, and that stay positive.
const FIRST_SERIAL: u64 = 0x5155_0000_0000_0000;
/// A certificate is valid somewhat before it is there: clocks differ.
const BACKDATED: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
/// As long as certificates of public CAs may be valid.
const VALID: jiff::SignedDuration = jiff::SignedDuration::from_hours(47 * 24);
/// How long a list and an answer hold.
const HOLDS: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::ocsp::{Nonce, NonceCheck};
    use crate::pki::{CertId, Crl, RevocationStatus, UnknownReason, ocsp};
    use std::rc::Rc;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn a_certificate_has_the_requests_key_and_all_names() {
        let authority = Authority::new().unwrap();
        let issuer = crate::pki::Certificate::parse(CERTIFICATE.as_bytes()).unwrap();
        let request = include_str!("../../examples/shop.csr");
        let more = ["shop.example.com".to_owned(), "more.example.com".to_owned()];
        let pem = authority.issue(request, &more, 7, at(0)).unwrap();
        let all = crate::pki::Certificate::parse_all(pem.as_bytes()).unwrap();
        assert_eq!((all.len(), &all[1]), (2, &issuer));
        assert!(
            all[0].is_issued_by(&issuer)
                && !all[0].is_ca
                && all[0].is_valid(at(0))
                && !all[0].is_valid(at(48 * 86_400))
        );
        assert_eq!(crate::pki::SpkiFingerprint::of(&all[0].spki), Csr::parse(request.as_bytes()).unwrap().spki());
        let der = block(&pem).unwrap();
        for name in ["shop.example.com", "www.shop.example.com", "more.example.com"] {
            assert!(der.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
        }
        assert_eq!(authority.issue("no request", &[], 7, at(0)), None);
    }

    #[test]
    fn what_it_signs_is_believed_by_who_knows_its_certificate() {
        let authority = Authority::new().unwrap();
        let issuer = Rc::new(crate::pki::Certificate::parse(CERTIFICATE.as_bytes()).unwrap());
        assert!(issuer.is_ca && issuer.signs_crls && issuer.is_issued_by(&issuer));
        let id = |serial: &str| CertId::bare(SerialNumber::parse(serial).unwrap(), Rc::clone(&issuer));
        let revoked = |serial: &str, reason| Revocation { serial: id(serial).serial, at: at(-60), reason };
        let revocations = || {
            let one = revoked("0A1B", RevocationReason::KeyCompromise);
            vec![one, revoked("0xFFFFFFFFFFFFFFFF01", RevocationReason::Unspecified)]
        };
        let crl = |revocations| Crl::parse(authority.crl(revocations, at(0)).unwrap(), &issuer).unwrap();
        let find = |serial: &SerialNumber| match revocations().into_iter().find(|one| one.serial == *serial) {
            Some(one) => CertificateStatus::Revoked(one.at, one.reason),
            None if *serial == id("07").serial => CertificateStatus::Good,
            None => CertificateStatus::Unknown,
        };
        let nonce = Nonce::random().unwrap();
        let ask = |id: &CertId| {
            let question = ocsp::request(id, Some(&nonce)).unwrap();
            let answer = authority.ocsp(&question, find, at(0)).unwrap();
            ocsp::status(&answer, id, NonceCheck::Required(&nonce), at(10))
        };
        for (serial, reason) in
            [("0A1B", RevocationReason::KeyCompromise), ("0xFFFFFFFFFFFFFFFF01", RevocationReason::Unspecified)]
        {
            let expected = RevocationStatus::Revoked { at: at(-60), reason: Some(reason) };
            assert_eq!(crl(revocations()).status(&id(serial), at(10)), expected);
            assert_eq!(ask(&id(serial)), expected);
        }
        assert_eq!(crl(revocations()).status(&id("07"), at(10)), RevocationStatus::Good);
        assert_eq!(crl(Vec::new()).status(&id("07"), at(10)), RevocationStatus::Good);
        assert_eq!(ask(&id("07")), RevocationStatus::Good);
        assert_eq!(ask(&id("08")), RevocationStatus::Unknown(UnknownReason::NotKnown));
        let none = authority.ocsp(b"nonsense", find, at(0)).unwrap();
        assert!(matches!(
            ocsp::status(&none, &id("07"), NonceCheck::Unsent, at(0)),
            RevocationStatus::Unknown(UnknownReason::Refused(_))
        ));
    }
}
