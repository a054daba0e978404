//! Certificate revocation lists (RFC 5280, section 5): who is on the list, whether the list may be believed, and until when. A value
//! of [`Crl`] has been signed by the issuer. Fetches nothing.

use super::certificate::{Certificate, urls};
use super::revocation::{
    CertId, CrlCoverage, MAX_STATUS_BYTES, RevocationReason, RevocationStatus, UnknownReason, holds, published_der,
};
use super::serial_number::SerialNumber;
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

    /// How many bytes are held of it.
    pub fn bytes(&self) -> usize {
        self.revoked.list.len() + size_of_val(self.revoked.places.as_slice())
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
    use crate::pki::revocation::tests::{at, bare, certificate, der, extension, id, said, world};
    use std::rc::Rc;

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
            der(
                0x30,
                &[content, ECDSA_WITH_SHA256.to_vec(), der(0x03, &[&[0], signature.as_slice()].concat())].concat(),
            )
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
            (
                "a hold, with what to do",
                [reason(6), extension(HOLD_INSTRUCTION, true, &[])].concat(),
                Ok(Some("on hold")),
            ),
            ("removed, in a list of everything", reason(8), Err(UnknownReason::NoListOfChanges)),
            ("since when it is invalid", extension(INVALIDITY_DATE, true, &date), Ok(Some("unspecified"))),
            ("its own issuer", extension(CERTIFICATE_ISSUER, true, &own), Ok(Some("unspecified"))),
            ("another issuer", extension(CERTIFICATE_ISSUER, true, &other), foreign),
            (
                "another issuer, and a reason",
                [reason(1), extension(CERTIFICATE_ISSUER, true, &other)].concat(),
                foreign,
            ),
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
    }

    #[test]
    fn no_changed_byte_of_a_list_makes_a_revoked_certificate_good() {
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
}
