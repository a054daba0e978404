//! A certificate (RFC 5280), read for what can be asked about it: its serial number, its issuer, where its CRL and OCSP responder are,
//! and what its key may sign. Verifies signatures; fetches nothing, and builds no chains.

use super::bundle;
use super::cert_id::SerialNumber;
use super::pem::{Piece, pieces};
use jiff::Timestamp;
use std::sync::Arc;
use x509_parser::asn1_rs::{BitString, FromDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS, OID_PKIX_ACCESS_DESCRIPTOR_OCSP};
use x509_parser::time::ASN1Time;
use x509_parser::verify::verify_signature;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The whole of it.
    pub der: Vec<u8>,
    /// The serial number.
    pub serial: SerialNumber,
    /// The issuer's name in DER.
    pub issuer: Vec<u8>,
    /// Its own name in DER.
    pub subject: Vec<u8>,
    /// Its SubjectPublicKeyInfo in DER.
    pub spki: Vec<u8>,
    /// The bits of its key, as OCSP digests them.
    pub key_bits: Vec<u8>,
    /// From when it is valid.
    pub begins: Timestamp,
    /// Until when.
    pub ends: Timestamp,
    /// Whether it is a CA's.
    pub is_ca: bool,
    /// Whether its key may sign CRLs.
    pub signs_crls: bool,
    /// Whether its key may sign OCSP answers in its issuer's place.
    pub signs_ocsp: bool,
    /// Where its CRL is.
    pub crl_urls: Arc<[String]>,
    /// Where its OCSP responder is.
    pub ocsp_urls: Vec<String>,
    /// Where its issuer's certificate is.
    pub issuer_urls: Vec<String>,
}

/// Why something is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACertificate {
    /// No block of that kind.
    #[error("it holds no PEM block `CERTIFICATE`, and is none in DER")]
    NoBlock,
    /// A block of another kind.
    #[error("it holds no PEM block `CERTIFICATE`, but a `{0}`")]
    Other(String),
    /// A PEM block is broken.
    #[error("{1} (line {0} of it)")]
    Broken(u32, String),
    /// Broken inside.
    #[error("the certificate in it cannot be read")]
    Unreadable,
}

impl Certificate {
    /// Reads one certificate, in DER or as the first PEM block of its kind.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotACertificate> {
        Self::parse_first(bytes).map(|(first, _)| first)
    }

    /// Reads the first certificate of a file; of those that follow it gives the DER, unread.
    ///
    /// # Errors
    /// The first is none.
    pub fn parse_first(bytes: &[u8]) -> Result<(Self, Vec<Vec<u8>>), NotACertificate> {
        let mut all = blocks(bytes)?;
        let following = all.split_off(1);
        Ok((Self::from_der(&all[0]).ok_or(NotACertificate::Unreadable)?, following))
    }

    /// Reads the certificates of a file: one in DER, or all PEM blocks of their kind, at least one.
    ///
    /// # Errors
    /// There is none, or one of them is broken.
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, NotACertificate> {
        blocks(bytes)?.iter().map(|der| Self::from_der(der).ok_or(NotACertificate::Unreadable)).collect()
    }

    /// Reads what a CA publishes for those who look for an issuer: a certificate, or a message with certificates alone (`.p7c`).
    ///
    /// # Errors
    /// There is no certificate.
    pub fn parse_published(bytes: &[u8]) -> Result<Vec<Self>, NotACertificate> {
        let Some(message) = bundle::certificates(bytes) else { return Self::parse_all(bytes) };
        // Of an odd one among them nothing follows for the others.
        let all: Vec<Self> = message.into_iter().filter_map(Self::from_der).collect();
        if all.is_empty() { Err(NotACertificate::Unreadable) } else { Ok(all) }
    }

    /// Whether another certificate's name and key have issued this one.
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        let signed = || X509Certificate::from_der(&self.der).ok().map(|(_, read)| read);
        issuer.is_ca
            && self.issuer == issuer.subject
            && signed().is_some_and(|read| {
                issuer.has_signed(&read.signature_algorithm, &read.signature_value, read.tbs_certificate.as_ref())
            })
    }

    /// Whether it is valid at a time.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.begins <= now && now <= self.ends
    }

    /// Whether its key has made a signature.
    pub(super) fn has_signed(&self, algorithm: &AlgorithmIdentifier<'_>, value: &BitString<'_>, data: &[u8]) -> bool {
        SubjectPublicKeyInfo::from_der(&self.spki)
            .is_ok_and(|(_, key)| verify_signature(&key, algorithm, value, data).is_ok())
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, read) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let mut certificate = Self {
            der: der.to_owned(),
            serial: SerialNumber::from_der(read.raw_serial()),
            issuer: read.issuer().as_raw().to_owned(),
            subject: read.subject().as_raw().to_owned(),
            spki: read.public_key().raw.to_owned(),
            key_bits: read.public_key().subject_public_key.data.to_vec(),
            begins: timestamp(read.validity().not_before)?,
            ends: timestamp(read.validity().not_after)?,
            is_ca: false,
            // RFC 5280, section 4.2.1.3: a key without the extension may do anything.
            signs_crls: true,
            signs_ocsp: false,
            crl_urls: Arc::default(),
            ocsp_urls: Vec::new(),
            issuer_urls: Vec::new(),
        };
        for extension in read.extensions() {
            certificate.take(extension.parsed_extension());
        }
        Some(certificate)
    }

    fn take(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::BasicConstraints(constraints) => self.is_ca = constraints.ca,
            ParsedExtension::KeyUsage(usage) => self.signs_crls = usage.crl_sign(),
            ParsedExtension::ExtendedKeyUsage(usage) => self.signs_ocsp = usage.ocsp_signing,
            ParsedExtension::CRLDistributionPoints(points) => {
                // A point for some reasons only, or with an issuer of its own, does not tell whether the certificate is good.
                let whole = points.points.iter().filter(|point| point.reasons.is_none() && point.crl_issuer.is_none());
                self.crl_urls = whole.filter_map(|point| point.distribution_point.as_ref()).flat_map(urls).collect();
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                for description in access.iter() {
                    let GeneralName::URI(url) = description.access_location else { continue };
                    if description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP {
                        self.ocsp_urls.push(url.to_owned());
                    } else if description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS {
                        self.issuer_urls.push(url.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
}

/// The certificates of a file in DER, at least one: the file itself, or its PEM blocks of that kind.
fn blocks(bytes: &[u8]) -> Result<Vec<Vec<u8>>, NotACertificate> {
    if bytes.first() == Some(&SEQUENCE) {
        return Ok(vec![bytes.to_owned()]);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| NotACertificate::NoBlock)?;
    let (mut all, mut instead) = (Vec::new(), None);
    for piece in pieces(text) {
        match piece {
            Piece::Block(block) if block.label == LABEL => all.push(block.der.to_vec()),
            Piece::Block(block) => {
                let label = block.label.chars().take(LONGEST_LABEL).collect();
                instead.get_or_insert(NotACertificate::Other(label));
            }
            Piece::Broken(line, why) => {
                instead.get_or_insert(NotACertificate::Broken(line, why));
            }
            Piece::Line(..) => {}
        }
    }
    if all.is_empty() { Err(instead.unwrap_or(NotACertificate::NoBlock)) } else { Ok(all) }
}

/// The URLs of a distribution point.
pub(super) fn urls(name: &DistributionPointName<'_>) -> Vec<String> {
    let DistributionPointName::FullName(names) = name else { return Vec::new() };
    let url = |name: &GeneralName<'_>| match name {
        GeneralName::URI(url) => Some((*url).to_owned()),
        _ => None,
    };
    names.iter().filter_map(url).collect()
}

pub(super) fn timestamp(time: ASN1Time) -> Option<Timestamp> {
    Timestamp::from_second(time.timestamp()).ok()
}

const SEQUENCE: u8 = 0x30;
const LABEL: &str = "CERTIFICATE";
/// So much of another label is told.
const LONGEST_LABEL: usize = 40;
