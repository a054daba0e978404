//! Revocations: their reasons (CRLReason; RFC 5280, section 5.3.1); which certificate a CRL or an OCSP responder is asked about (the CertID of
//! RFC 6960); and what a signed word about it is worth: revoked, good, or unknown with the doubt. Unknown is never taken for good. Asks nobody.

use super::certificate::Certificate;
use super::pem::{Piece, pieces};
use super::serial_number::SerialNumber;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use der::{Decode, Header, Reader, SliceReader};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// CRLReason, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RevocationReason {
    /// 0
    Unspecified,
    /// 1
    KeyCompromise,
    /// 2, spelled `cACompromise`
    #[serde(rename = "cACompromise")]
    CaCompromise,
    /// 3
    AffiliationChanged,
    /// 4
    Superseded,
    /// 5
    CessationOfOperation,
    /// 6
    CertificateHold,
    /// 8, spelled `removeFromCRL`
    #[serde(rename = "removeFromCRL")]
    RemoveFromCrl,
    /// 9
    PrivilegeWithdrawn,
    /// 10, spelled `aACompromise`
    #[serde(rename = "aACompromise")]
    AaCompromise,
}

/// A certificate as its issuer knows it. Small: a verification holds one for each of a million actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertId {
    /// Whose it is.
    pub issuer: Rc<Certificate>,
    /// Its serial number.
    pub serial: SerialNumber,
    /// What it says of itself, where it is known.
    pub coverage: Option<CrlCoverage>,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlCoverage {
    /// Whether it is a CA's.
    pub is_ca: bool,
    /// Until when it is valid.
    pub ends: Timestamp,
    /// Where its CRL is.
    pub crl_urls: Arc<[String]>,
}

/// What the world can see of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevocationStatus {
    /// Its issuer says that it is revoked, and that is for good.
    Revoked {
        /// When it was, as the issuer says.
        at: Timestamp,
        /// Why. An issuer that says nothing says `unspecified` (RFC 5280, section 5.3.1); `None` where what it says cannot be read.
        reason: Option<RevocationReason>,
    },
    /// Its issuer says that it is on hold (`certificateHold`): not to be relied upon now, but the hold may be lifted.
    OnHold {
        /// Since when, as the issuer says.
        at: Timestamp,
        /// Of when the list or the answer is.
        as_of: Timestamp,
    },
    /// A list of changes says that it was taken off the list (`removeFromCRL`): a hold was lifted, and it is good again.
    Lifted {
        /// Of when the list is.
        as_of: Timestamp,
    },
    /// Its issuer says that it is not revoked, now.
    Good,
    /// Nobody who may say so has said either.
    Unknown(UnknownReason),
}

/// Why a list or an answer tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnknownReason {
    /// Not the form that it should have.
    #[error("it cannot be read")]
    Unreadable,
    /// Longer than anything that is read.
    #[error("it is longer than 64 MiB")]
    TooLong,
    /// Another issuer than the certificate's.
    #[error("it is not from the certificate's issuer")]
    OtherIssuer,
    /// No signature by somebody who may.
    #[error("it is not signed by the certificate's issuer, or by somebody whom the issuer allows to")]
    NotSigned,
    /// Its time has not come.
    #[error("it is dated in the future")]
    NotYet,
    /// Its time is over, or it does not say when it will be.
    #[error("it is out of date, or does not say until when it holds")]
    OutOfDate,
    /// A list of some certificates, and this one may not be among them.
    #[error("it does not cover this certificate, or does not tell that it does")]
    NotCovered,
    /// A critical extension, of the list or of one of its entries, that is not known here (RFC 5280, sections 5.2 and 5.3).
    #[error("it holds a critical extension that is not known here, so it must not be used")]
    CriticalExtension,
    /// The entry of another issuer's certificate in a list that does not say that it holds such (RFC 5280, section 5.3.3).
    #[error(
        "an entry in it is another issuer's (certificateIssuer), though it is no indirect list, so it must not be used"
    )]
    OtherIssuersEntry,
    /// `removeFromCRL` where only a list of changes may say so (RFC 5280, section 5.3.1).
    #[error("it says removeFromCRL of this certificate, which only a list of changes may say")]
    NoListOfChanges,
    /// The responder answers with an error, in the words of RFC 6960.
    #[error("the responder refuses to answer: {0}")]
    Refused(&'static str),
    /// An answer to somebody else's question (RFC 9654).
    #[error("it is an answer to another question: its nonce is not the one that was sent")]
    OtherNonce,
    /// An answer without the nonce, which must be there.
    #[error("it does not hold the nonce that was sent, and `--nonce require` wants it")]
    NoNonce,
    /// An answer about other certificates.
    #[error("it tells nothing of this certificate")]
    OtherCertificate,
    /// The responder does not know the certificate.
    #[error("the responder does not know the certificate")]
    NotKnown,
}

impl RevocationReason {
    /// All reasons in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::RemoveFromCrl,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The name in RFC 5280.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::RemoveFromCrl => "removeFromCRL",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }

    /// The code in RFC 5280; 7 is not used.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::RemoveFromCrl => 8,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }

    /// The reason of a code in RFC 5280.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// The reason of a name in RFC 5280; the case of letters counts, as it does there.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl RevocationStatus {
    /// Two words about one certificate: a revocation that one of them shows is shown, then a hold, and a doubt gives way to a word.
    pub fn or(self, other: Self) -> Self {
        let weight = |status: &Self| match status {
            Self::Revoked { .. } => 3,
            Self::OnHold { .. } => 2,
            Self::Lifted { .. } | Self::Good => 1,
            Self::Unknown(_) => 0,
        };
        if weight(&other) > weight(&self) { other } else { self }
    }

    /// What an entry, or an answer, of this reason says.
    pub(super) fn of_reason(at: Timestamp, reason: Option<RevocationReason>, as_of: Timestamp) -> Self {
        match reason {
            Some(RevocationReason::CertificateHold) => Self::OnHold { at, as_of },
            Some(RevocationReason::RemoveFromCrl) => Self::Unknown(UnknownReason::NoListOfChanges),
            reason => Self::Revoked { at, reason },
        }
    }
}

impl CertId {
    /// A certificate's. `None` where this issuer has not signed it: names are not enough, since serial numbers are one key's own.
    pub fn of(certificate: &Certificate, issuer: &Rc<Certificate>) -> Option<Self> {
        let own = || CrlCoverage {
            is_ca: certificate.is_ca,
            ends: certificate.ends,
            crl_urls: Arc::clone(&certificate.crl_urls),
        };
        let id = |own| Self { issuer: Rc::clone(issuer), serial: certificate.serial.clone(), coverage: Some(own) };
        certificate.is_issued_by(issuer).then(own).map(id)
    }

    /// Of a certificate of which no more is known.
    pub fn bare(serial: SerialNumber, issuer: Rc<Certificate>) -> Self {
        Self { issuer, serial, coverage: None }
    }
}

/// The DER in what a server publishes. Besides DER itself: PEM with this label, base64 without any, and either with white space or
/// zeros behind it, as scripts and file systems leave them. What is none of these comes back as it is.
pub fn published_der<'a>(bytes: &'a [u8], label: &str) -> Cow<'a, [u8]> {
    if bytes.first() == Some(&SEQUENCE) {
        return Cow::Borrowed(first_element(bytes).unwrap_or(bytes));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Cow::Borrowed(bytes) };
    let block = pieces(text).into_iter().find_map(|piece| match piece {
        Piece::Block(block) if block.label == label => Some(block.der.to_vec()),
        _ => None,
    });
    let bare = || {
        let letters: String = text.trim_start_matches('\u{feff}').split_ascii_whitespace().collect();
        let der = [&alphabet::STANDARD, &alphabet::URL_SAFE]
            .into_iter()
            .find_map(|alphabet| GeneralPurpose::new(alphabet, ANY_PADDING).decode(&letters).ok());
        der.filter(|der| der.first() == Some(&SEQUENCE))
    };
    match block.or_else(bare) {
        Some(der) => Cow::Owned(first_element(&der).map(<[u8]>::to_vec).unwrap_or(der)),
        None => Cow::Borrowed(bytes),
    }
}

/// Whether a word holds now: it must have an end, and the provider's clock may be a little ahead of ours.
pub(super) fn holds(from: Timestamp, until: Option<Timestamp>, now: Timestamp) -> Result<(), UnknownReason> {
    if from.as_second() > now.as_second().saturating_add(CLOCKS_DIFFER_SECONDS) {
        return Err(UnknownReason::NotYet);
    }
    match until {
        Some(until) if until >= now => Ok(()),
        _ => Err(UnknownReason::OutOfDate),
    }
}

/// The element at the beginning, where nothing but white space and zeros follows it.
fn first_element(bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(bytes).ok()?;
    let header = Header::decode(&mut reader).ok()?;
    let end = usize::try_from((reader.position() + header.length).ok()?).ok()?;
    let (element, rest) = bytes.split_at_checked(end)?;
    rest.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace()).then_some(element)
}

const SEQUENCE: u8 = 0x30;
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// Longer lists and answers are not read. A list of a million entries with 16 octets of serial number each has 49 MB in DER, and 66 MB in PEM.
pub const MAX_STATUS_BYTES: usize = 64 * 1024 * 1024;
const CLOCKS_DIFFER_SECONDS: i64 = 300;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    // What the tests of certificates, lists and answers share: `testdata/world`, made by openssl (`make.sh` there).
    pub(in crate::pki) fn certificate(der: &[u8]) -> Certificate {
        Certificate::parse(der).unwrap()
    }

    macro_rules! world {
        ($name:literal) => {
            include_bytes!(concat!("testdata/world/", $name)).as_slice()
        };
    }

    pub(in crate::pki) use world;

    pub(in crate::pki) fn id(certificate: &Certificate, issuer: &Certificate) -> CertId {
        CertId::of(certificate, &Rc::new(issuer.clone())).unwrap()
    }

    /// The same, told by its serial number alone.
    pub(in crate::pki) fn bare(certificate: &Certificate, issuer: &Certificate) -> CertId {
        CertId::bare(certificate.serial.clone(), Rc::new(issuer.clone()))
    }

    pub(in crate::pki) fn at(seconds_later: i64) -> Timestamp {
        Timestamp::from_second(NOW + seconds_later).unwrap()
    }

    /// The status, with whether there is a reason instead of when it was.
    pub(in crate::pki) fn said(status: &RevocationStatus) -> Result<Option<&'static str>, UnknownReason> {
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

    /// One element of DER.
    pub(in crate::pki) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let head = match u8::try_from(length) {
            Ok(short) if short < 0x80 => vec![tag, short],
            Ok(long) => vec![tag, 0x81, long],
            Err(_) => [&[tag, 0x82], u16::try_from(length).unwrap().to_be_bytes().as_slice()].concat(),
        };
        [&head, content].concat()
    }

    pub(in crate::pki) fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
        let critical = if critical { der(0x01, &[0xFF]) } else { Vec::new() };
        der(0x30, &[der(0x06, id), critical, der(0x04, value)].concat())
    }

    #[test]
    fn names_go_there_and_back() {
        for (reason, name) in RevocationReason::ALL.into_iter().zip([
            "unspecified",
            "keyCompromise",
            "cACompromise",
            "affiliationChanged",
            "superseded",
            "cessationOfOperation",
            "certificateHold",
            "removeFromCRL",
            "privilegeWithdrawn",
            "aACompromise",
        ]) {
            assert_eq!(reason.to_string(), name);
            assert_eq!(RevocationReason::parse(name), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), name);
            assert_eq!(serde_json::from_value::<RevocationReason>(name.into()).unwrap(), reason);
        }
        for name in ["", "KeyCompromise", "key_compromise", "caCompromise", "superseded "] {
            assert_eq!(RevocationReason::parse(name), None);
        }
    }

    #[test]
    fn codes_are_those_of_rfc_5280() {
        assert_eq!(RevocationReason::ALL.map(RevocationReason::code), [0, 1, 2, 3, 4, 5, 6, 8, 9, 10]);
    }

    #[test]
    fn a_doubt_is_never_good() {
        let time = |second| Timestamp::from_second(second).unwrap();
        let revoked = |at| RevocationStatus::Revoked { at: time(at), reason: None };
        let held = RevocationStatus::OnHold { at: time(1), as_of: time(2) };
        let unknown = RevocationStatus::Unknown;
        for (one, other, expected) in [
            (unknown(UnknownReason::NotKnown), unknown(UnknownReason::OtherNonce), unknown(UnknownReason::NotKnown)),
            (RevocationStatus::Good, held.clone(), held.clone()),
            (held.clone(), RevocationStatus::Good, held.clone()),
            (held.clone(), revoked(1), revoked(1)),
            (revoked(1), held.clone(), revoked(1)),
            (held.clone(), unknown(UnknownReason::OutOfDate), held),
            (unknown(UnknownReason::NotKnown), RevocationStatus::Good, RevocationStatus::Good),
            (RevocationStatus::Good, unknown(UnknownReason::NotKnown), RevocationStatus::Good),
            (RevocationStatus::Good, revoked(1), revoked(1)),
            (revoked(1), RevocationStatus::Good, revoked(1)),
            (revoked(1), unknown(UnknownReason::OutOfDate), revoked(1)),
            (unknown(UnknownReason::OutOfDate), revoked(1), revoked(1)),
            (revoked(1), revoked(2), revoked(1)),
        ] {
            assert_eq!(one.or(other), expected);
        }
    }

    #[test]
    fn der_is_read_however_it_is_published() {
        let der = [0x30, 0x03, 0x02, 0x01, 0x05];
        let pem = "-----BEGIN X509 CRL-----\nMAMCAQU=\n-----END X509 CRL-----\n";
        for (bytes, whole) in [
            (der.to_vec(), true),
            ([&der, b"\r\n".as_slice()].concat(), true),
            ([&der, b"\0\0\0".as_slice()].concat(), true),
            (pem.into(), true),
            (format!("\u{feff}{pem}").into(), true),
            (format!("crl number 5\r\n{}", pem.replace('\n', "\r\n")).into(), true),
            (b"MAMCAQU=".to_vec(), true),
            (b"MAMC\r\nAQU=\r\n".to_vec(), true),
            (b"MAMCAQU".to_vec(), true),
            (pem.replace("X509 CRL", "CERTIFICATE").into(), false),
            ([&der, b"x".as_slice()].concat(), false),
            (der[..4].to_vec(), false),
            (b"<html>".to_vec(), false),
            (b"AQID".to_vec(), false),
            (Vec::new(), false),
        ] {
            let expected = if whole { der.as_slice() } else { &bytes };
            assert_eq!(&*published_der(&bytes, "X509 CRL"), expected, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_word_holds_for_its_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (from, until, expected) in [
            (1000, Some(1000), Ok(())),
            (900, Some(2000), Ok(())),
            (1300, Some(2000), Ok(())),
            (1301, Some(2000), Err(UnknownReason::NotYet)),
            (900, Some(999), Err(UnknownReason::OutOfDate)),
            (900, None, Err(UnknownReason::OutOfDate)),
        ] {
            assert_eq!(holds(at(from), until.map(at), at(1000)), expected, "{from} {until:?}");
        }
    }

    /// When the fixtures were made.
    const NOW: i64 = 1_795_337_433;
}
