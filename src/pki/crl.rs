//! Certificate revocation lists (RFC 5280, section 5): who is on the list, whether the list may be believed, and until when. A value
//! of [`Crl`] has been signed by the issuer. Fetches nothing.

use super::certificate::{Certificate, urls};
use super::reason::RevocationReason;
use super::serial_number::SerialNumber;
use super::status::{CertId, CrlCoverage, MAX_STATUS_BYTES, RevocationStatus, UnknownReason, holds, published_der};
use super::x509::{Extension, Signed, sequence_bytes, serial_number, timestamp};
use der::asn1::{AnyRef, ContextSpecific};
use der::oid::db::rfc5280::{
    ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CERTIFICATE_ISSUER, ID_CE_CRL_NUMBER, ID_CE_CRL_REASONS,
    ID_CE_DELTA_CRL_INDICATOR, ID_CE_HOLD_INSTRUCTION_CODE, ID_CE_INVALIDITY_DATE, ID_CE_ISSUING_DISTRIBUTION_POINT,
};
use der::{Decode, DecodeValue, Encode, FixedTag, Header, Length, Reader, SliceReader, Tag, TagNumber};
use jiff::Timestamp;
use std::borrow::Cow;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::ext::pkix::{CrlReason, IssuingDistributionPoint};
use x509_cert::time::Time;

/// A list that an issuer has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl {
    issuer: Certificate,
    from: Timestamp,
    until: Option<Timestamp>,
    covers: Covers,
    revoked: Entries,
}

/// The entries as they came, and where each begins: of a million, 4 bytes each beside the list itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entries {
    /// A SEQUENCE of entries; empty where the list has none.
    list: Vec<u8>,
    /// Where entries begin in it, in the order of their serial numbers.
    places: Vec<u32>,
}

/// The fields of what is signed (RFC 5280, section 5.1.2). The entries stay as they came: `x509_cert` would make every one of a
/// million an object first.
struct TbsCertList<'a> {
    issuer: &'a [u8],
    this_update: Time,
    next_update: Option<Time>,
    /// A SEQUENCE of entries, where there are any.
    entries: Option<&'a [u8]>,
    extensions: Vec<Extension<'a>>,
}

/// What the list says of one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    at: Timestamp,
    /// `unspecified` where the list does not say (section 5.3.1); `None` where it cannot be read.
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
    /// It is a list of changes (a delta CRL, section 5.2.4).
    changes: bool,
}

impl Crl {
    /// Reads a list in DER, PEM or base64 and verifies that this issuer has signed it.
    ///
    /// # Errors
    /// It is none, or somebody else's, or it must not be used.
    pub fn parse(mut bytes: Vec<u8>, issuer: &Certificate) -> Result<Self, UnknownReason> {
        if bytes.len() > MAX_STATUS_BYTES {
            return Err(UnknownReason::TooLong);
        }
        // Taken over where it is DER: it may be as long as all that the program needs otherwise.
        match published_der(&bytes, "X509 CRL") {
            Cow::Owned(der) => bytes = der,
            Cow::Borrowed(der) => bytes.truncate(der.len()),
        }
        let signed = Signed::from_der(&bytes).map_err(|_| UnknownReason::Unreadable)?;
        let fields = TbsCertList::from_der(signed.content).map_err(|_| UnknownReason::Unreadable)?;
        if fields.issuer != issuer.subject {
            return Err(UnknownReason::OtherIssuer);
        }
        if !issuer.signs_crls || issuer.verify(&signed).is_err() {
            return Err(UnknownReason::NotSigned);
        }
        let (from, until) = (timestamp(fields.this_update), fields.next_update.map(timestamp));
        let covers = covers(&fields.extensions)?;
        let place = fields.entries.map(|list| (list.as_ptr().addr() - bytes.as_ptr().addr(), list.len()));
        if let Some((begin, length)) = place {
            bytes.truncate(begin + length);
            bytes.drain(..begin);
        } else {
            bytes.clear();
        }
        let revoked = Entries::read(bytes, &issuer.subject)?;
        Ok(Self { issuer: issuer.clone(), from, until, covers, revoked })
    }

    /// Until when the list holds.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// What the list tells of a certificate now.
    pub fn status(&self, id: &CertId, now: Timestamp) -> RevocationStatus {
        // Names are not enough: serial numbers are one key's own.
        if id.issuer.subject != self.issuer.subject || id.issuer.spki != self.issuer.spki {
            return RevocationStatus::Unknown(UnknownReason::OtherIssuer);
        }
        if let Err(doubt) = holds(self.from, self.until, now) {
            return RevocationStatus::Unknown(doubt);
        }
        match self.revoked.of(&id.serial, &self.issuer.subject) {
            // Only a list of changes says so: its certificate was on hold and is no more.
            Some(Entry { reason: Some(RevocationReason::RemoveFromCrl), .. }) if self.covers.changes => {
                RevocationStatus::Lifted { as_of: self.from }
            }
            Some(entry) => RevocationStatus::of_reason(entry.at, entry.reason, self.from),
            None if self.covers.covers(id.coverage.as_ref()) => RevocationStatus::Good,
            None => RevocationStatus::Unknown(UnknownReason::NotCovered),
        }
    }
}

impl Covers {
    /// Whether a certificate that is not on the list would have to be. Of one that is not known, only a list of everything tells.
    fn covers(&self, own: Option<&CrlCoverage>) -> bool {
        let is_named =
            |places: &Vec<String>, own: &CrlCoverage| places.iter().any(|place| own.crl_urls.contains(place));
        let kind = self.cas.is_none_or(|cas| own.is_some_and(|own| own.is_ca == cas));
        let place = self.places.as_ref().is_none_or(|places| own.is_some_and(|own| is_named(places, own)));
        !self.partly && kind && place
    }
}

impl FixedTag for TbsCertList<'_> {
    const TAG: Tag = Tag::Sequence;
}

impl<'a> DecodeValue<'a> for TbsCertList<'a> {
    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        reader.read_nested(header.length, |reader| {
            // Lists of the first version have no version. The algorithm stands outside of what is signed once more.
            Option::<u8>::decode(reader)?;
            sequence_bytes(reader)?;
            let issuer = sequence_bytes(reader)?;
            let this_update = reader.decode()?;
            let next_update = reader.decode()?;
            let has_entries = !reader.is_finished() && reader.peek_tag()? == Tag::Sequence;
            let entries = has_entries.then(|| reader.tlv_bytes()).transpose()?;
            let extensions = ContextSpecific::<Vec<Extension<'a>>>::decode_explicit(reader, TagNumber::N0)?;
            let extensions = extensions.map(|extensions| extensions.value).unwrap_or_default();
            Ok(Self { issuer, this_update, next_update, entries, extensions })
        })
    }
}

impl Entries {
    /// Reads all of them once, so that none of them can be found unreadable later.
    ///
    /// # Errors
    /// One of them cannot be read, or says something that makes the whole list one that must not be used.
    fn read(list: Vec<u8>, issuer: &[u8]) -> Result<Self, UnknownReason> {
        if list.is_empty() {
            return Ok(Self::default());
        }
        let (mut places, mut forbidden) = (Vec::new(), Ok(()));
        let read = SliceReader::new(&list).and_then(|mut reader| {
            reader.sequence(|entries| {
                let mut place = list.len() - length(entries.remaining_len());
                while !entries.is_finished() {
                    let one = entries.tlv_bytes()?;
                    let (_, reason) = entry(one, issuer)?;
                    forbidden = forbidden.and(reason.map(drop));
                    places.push(u32::try_from(place).map_err(|_| der::ErrorKind::Overflow)?);
                    place += one.len();
                }
                Ok(())
            })
        });
        read.map_err(|_| UnknownReason::Unreadable)?;
        forbidden?;
        places.shrink_to_fit();
        places.sort_unstable_by(|one, other| serial_at(&list, *one).cmp(serial_at(&list, *other)));
        Ok(Self { list, places })
    }

    /// The entry of a serial number. A list with two entries for one certificate contradicts itself; the end outweighs a hold.
    fn of(&self, serial: &SerialNumber, issuer: &[u8]) -> Option<Entry> {
        let first = self.places.partition_point(|place| serial_at(&self.list, *place) < serial.octets());
        let same = self.places[first..].iter().take_while(|place| serial_at(&self.list, **place) == serial.octets());
        let entries = same.filter_map(|place| {
            let (at, reason) = entry(&self.list[*place as usize..], issuer).ok()?;
            Some(Entry { at, reason: reason.ok()? })
        });
        entries.reduce(|known, next| if is_final(&known) { known } else { next })
    }
}

/// The date of the entry at the beginning and, where the list may be used at all, its reason.
fn entry(der: &[u8], issuer: &[u8]) -> der::Result<(Timestamp, Result<Option<RevocationReason>, UnknownReason>)> {
    SliceReader::new(der)?.sequence(|fields| {
        serial_number(fields)?;
        let at = timestamp(fields.decode()?);
        let extensions: Option<Vec<Extension<'_>>> = (!fields.is_finished()).then(|| fields.decode()).transpose()?;
        Ok((at, entry_reason(&extensions.unwrap_or_default(), issuer)))
    })
}

/// The octets of an entry's serial number, without leading zeros.
fn serial_at(list: &[u8], place: u32) -> &[u8] {
    let read = || -> der::Result<&[u8]> {
        let mut reader = SliceReader::new(&list[place as usize..])?;
        Header::decode(&mut reader)?;
        let octets = AnyRef::decode(&mut reader)?.value();
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        Ok(&octets[zeros..])
    };
    read().unwrap_or_default()
}

fn length(length: Length) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn is_final(entry: &Entry) -> bool {
    !matches!(entry.reason, Some(RevocationReason::CertificateHold | RevocationReason::RemoveFromCrl))
}

/// The reason of an entry.
///
/// # Errors
/// The list must not be used, whatever certificate is asked about (section 5.3): an extension must be understood and is not, or the
/// entry is another issuer's (section 5.3.3), whose serial numbers are its own.
fn entry_reason(extensions: &[Extension<'_>], issuer: &[u8]) -> Result<Option<RevocationReason>, UnknownReason> {
    let mut reason = Some(RevocationReason::Unspecified);
    for extension in extensions {
        match extension.id {
            // Revoked it is for whatever reason.
            Some(ID_CE_CRL_REASONS) => {
                let code = CrlReason::from_der(extension.value).ok();
                reason = code.and_then(|code| RevocationReason::from_code(code as u8));
            }
            Some(ID_CE_CERTIFICATE_ISSUER) if !is_name(extension.value, issuer) => {
                return Err(UnknownReason::OtherIssuersEntry);
            }
            Some(ID_CE_CERTIFICATE_ISSUER | ID_CE_INVALIDITY_DATE | ID_CE_HOLD_INSTRUCTION_CODE) => {}
            _ if extension.critical => return Err(UnknownReason::CriticalExtension),
            _ => {}
        }
    }
    Ok(reason)
}

/// Whether these general names are this name (in DER) alone.
fn is_name(names: &[u8], name: &[u8]) -> bool {
    let names = GeneralNames::from_der(names).unwrap_or_default();
    let is_it =
        |one: &GeneralName| matches!(one, GeneralName::DirectoryName(own) if own.to_der().is_ok_and(|own| own == name));
    !names.is_empty() && names.iter().all(is_it)
}

/// What the list's extensions say about its reach.
///
/// # Errors
/// It holds other issuers' certificates, or an extension that must be understood and is not (section 5.2).
fn covers(extensions: &[Extension<'_>]) -> Result<Covers, UnknownReason> {
    let mut covers = Covers { places: None, cas: None, partly: false, changes: false };
    for extension in extensions {
        match extension.id {
            Some(ID_CE_ISSUING_DISTRIBUTION_POINT) => match IssuingDistributionPoint::from_der(extension.value) {
                // Other issuers' certificates stand there under their own serial numbers.
                Ok(point) if point.indirect_crl => return Err(UnknownReason::NotCovered),
                Ok(point) => covers.limit(point),
                Err(_) => covers.partly = true,
            },
            Some(ID_CE_CRL_NUMBER | ID_CE_AUTHORITY_KEY_IDENTIFIER) => {}
            Some(ID_CE_DELTA_CRL_INDICATOR) => (covers.changes, covers.partly) = (true, true),
            _ if extension.critical => return Err(UnknownReason::CriticalExtension),
            _ => {}
        }
    }
    Ok(covers)
}

impl Covers {
    fn limit(&mut self, point: IssuingDistributionPoint) {
        self.places = point.distribution_point.map(urls);
        self.partly |= point.only_some_reasons.is_some() || point.only_contains_attribute_certs;
        self.partly |= point.only_contains_user_certs && point.only_contains_ca_certs;
        if point.only_contains_user_certs || point.only_contains_ca_certs {
            self.cas = Some(point.only_contains_ca_certs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reach_that_cannot_be_read_covers_nothing() {
        let whole = Covers { places: None, cas: None, partly: false, changes: false };
        for (value, expected) in [
            ([0x30, 0x00].as_slice(), Ok(whole.clone())),
            (&[0x30, 0x03, 0x82, 0x01, 0xFF], Ok(Covers { cas: Some(true), ..whole.clone() })),
            (&[0x30, 0x03, 0x84, 0x01, 0xFF], Err(UnknownReason::NotCovered)),
            // TRUE, but not as DER has it.
            (&[0x30, 0x03, 0x82, 0x01, 0x01], Ok(Covers { partly: true, ..whole.clone() })),
            (&[], Ok(Covers { partly: true, ..whole.clone() })),
        ] {
            let extension = Extension { id: Some(ID_CE_ISSUING_DISTRIBUTION_POINT), critical: true, value };
            assert_eq!(covers(&[extension]), expected, "{value:?}");
        }
    }
}
