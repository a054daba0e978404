//! Certificate revocation lists (RFC 5280, section 5): who is on the list, whether the list may be believed, and until when. A value
//! of [`Crl`] has been signed by the issuer. Fetches nothing.

use super::RevocationReason;
use super::cert_id::{CertId, Own, SerialNumber};
use super::certificate::{Certificate, timestamp, urls};
use super::pem::{Piece, pieces};
use super::status::{Doubt, MOST_BYTES, Status, holds};
use jiff::Timestamp;
use std::collections::HashMap;
use x509_parser::asn1_rs::FromDer;
use x509_parser::extensions::{IssuingDistributionPoint, ParsedExtension};
use x509_parser::revocation_list::{CertificateRevocationList, RevokedCertificate};

/// A list that an issuer has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl {
    issuer: Certificate,
    from: Timestamp,
    until: Option<Timestamp>,
    covers: Covers,
    /// By serial number.
    revoked: HashMap<SerialNumber, Entry>,
}

/// What the list says of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    at: Timestamp,
    reason: Option<RevocationReason>,
}

/// Which of the issuer's certificates a list speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Covers {
    /// Only those that name one of these places, where it says so: a part of a list that was cut up.
    places: Option<Vec<String>>,
    /// Only those of CAs (true), only the others (false).
    cas: Option<bool>,
    /// It is no list of all revocations at all: some reasons only, changes only, or something that is not understood.
    partly: bool,
}

impl Crl {
    /// Reads a list in DER or PEM and verifies that this issuer has signed it.
    ///
    /// # Errors
    /// It is none, or somebody else's.
    pub fn parse(bytes: &[u8], issuer: &Certificate) -> Result<Self, Doubt> {
        if bytes.len() > MOST_BYTES {
            return Err(Doubt::TooLong);
        }
        let block = std::str::from_utf8(bytes).ok().map(pieces).into_iter().flatten().find_map(|piece| match piece {
            Piece::Block(block) if block.label == "X509 CRL" => Some(block),
            _ => None,
        });
        let der = block.as_ref().map_or(bytes, |block| &block.der);
        let (rest, list) = CertificateRevocationList::from_der(der).map_err(|_| Doubt::Unreadable)?;
        if !rest.is_empty() {
            return Err(Doubt::Unreadable);
        }
        if list.issuer().as_raw() != issuer.subject {
            return Err(Doubt::OtherIssuer);
        }
        let data = list.tbs_cert_list.as_ref();
        if !issuer.signs_crls || !issuer.has_signed(&list.signature_algorithm, &list.signature_value, data) {
            return Err(Doubt::NotSigned);
        }
        let until = list.next_update().map(|time| timestamp(time).ok_or(Doubt::Unreadable)).transpose()?;
        Ok(Self {
            issuer: issuer.clone(),
            from: timestamp(list.last_update()).ok_or(Doubt::Unreadable)?,
            until,
            covers: covers(&list)?,
            revoked: list.iter_revoked_certificates().filter_map(entry).collect(),
        })
    }

    /// Until when the list holds.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// What the list tells of a certificate now.
    pub fn status(&self, id: &CertId, now: Timestamp) -> Status {
        // Names are not enough: serial numbers are one key's own.
        if id.issuer.subject != self.issuer.subject || id.issuer.spki != self.issuer.spki {
            return Status::Unknown(Doubt::OtherIssuer);
        }
        if let Err(doubt) = holds(self.from, self.until, now) {
            return Status::Unknown(doubt);
        }
        match self.revoked.get(&id.serial) {
            // A word for lists of changes only: it was on hold and is no more, or the list is wrong.
            Some(Entry { reason: Some(RevocationReason::RemoveFromCrl), .. }) => Status::Unknown(Doubt::NotCovered),
            Some(entry) => Status::Revoked { at: entry.at, reason: entry.reason },
            None if self.covers.covers(id.own.as_ref()) => Status::Good,
            None => Status::Unknown(Doubt::NotCovered),
        }
    }
}

impl Covers {
    /// Whether a certificate that is not on the list would have to be. Of one that is not known, only a list of everything tells.
    fn covers(&self, own: Option<&Own>) -> bool {
        let is_named = |places: &Vec<String>, own: &Own| places.iter().any(|place| own.crl_urls.contains(place));
        let kind = self.cas.is_none_or(|cas| own.is_some_and(|own| own.is_ca == cas));
        let place = self.places.as_ref().is_none_or(|places| own.is_some_and(|own| is_named(places, own)));
        !self.partly && kind && place
    }
}

/// What the list's extensions say about its reach.
fn covers(list: &CertificateRevocationList<'_>) -> Result<Covers, Doubt> {
    let mut covers = Covers { places: None, cas: None, partly: false };
    for extension in list.extensions() {
        match extension.parsed_extension() {
            // Other issuers' certificates stand there under their own serial numbers.
            ParsedExtension::IssuingDistributionPoint(point) if point.indirect_crl => return Err(Doubt::NotCovered),
            ParsedExtension::IssuingDistributionPoint(point) => covers.limit(point),
            // A list of changes among them, and whatever else must be understood and is not.
            ParsedExtension::CRLNumber(_) | ParsedExtension::AuthorityKeyIdentifier(_) => {}
            _ => covers.partly |= extension.critical,
        }
    }
    Ok(covers)
}

impl Covers {
    fn limit(&mut self, point: &IssuingDistributionPoint<'_>) {
        self.places = point.distribution_point.as_ref().map(urls);
        self.partly |= point.only_some_reasons.is_some() || point.only_contains_attribute_certs;
        self.partly |= point.only_contains_user_certs && point.only_contains_ca_certs;
        if point.only_contains_user_certs || point.only_contains_ca_certs {
            self.cas = Some(point.only_contains_ca_certs);
        }
    }
}

fn entry(entry: &RevokedCertificate<'_>) -> Option<(SerialNumber, Entry)> {
    let code = entry.reason_code().map(|(_, code)| code.0);
    let reason = RevocationReason::ALL.into_iter().find(|reason| Some(reason.code()) == code);
    Some((SerialNumber::from_der(entry.raw_serial()), Entry { at: timestamp(entry.revocation_date)?, reason }))
}
