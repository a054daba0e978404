//! Which certificate a CRL or an OCSP responder is asked about (the CertID of RFC 6960), and what a signed word about it is worth: revoked,
//! good, or unknown with the doubt. Unknown is never taken for good. Asks nobody.

use super::certificate::Certificate;
use super::reason::RevocationReason;
use super::serial_number::SerialNumber;
use jiff::Timestamp;
use std::rc::Rc;
use std::sync::Arc;

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
    /// Its issuer says that it is revoked. A hold counts too: it is not to be relied upon.
    Revoked {
        /// When it was, as the issuer says.
        at: Timestamp,
        /// Why, where the issuer says.
        reason: Option<RevocationReason>,
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
    #[error("it is longer than 32 MiB")]
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
    /// The responder answers with an error.
    #[error("the responder refuses to answer")]
    Refused,
    /// An answer about other certificates.
    #[error("it tells nothing of this certificate")]
    OtherCertificate,
    /// The responder does not know the certificate.
    #[error("the responder does not know the certificate")]
    NotKnown,
}

impl RevocationStatus {
    /// Two words about one certificate: a revocation that one of them shows is shown, and a doubt gives way to a word.
    pub fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Revoked { .. }, _) => self,
            (_, Self::Revoked { .. }) => other,
            (Self::Unknown(_), Self::Good) => other,
            _ => self,
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

/// Longer lists and answers are not read.
pub const MAX_STATUS_BYTES: usize = 32 * 1024 * 1024;
const CLOCKS_DIFFER_SECONDS: i64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_never_good() {
        let revoked = |at| RevocationStatus::Revoked { at: Timestamp::from_second(at).unwrap(), reason: None };
        let unknown = RevocationStatus::Unknown;
        for (one, other, expected) in [
            (unknown(UnknownReason::NotKnown), unknown(UnknownReason::Refused), unknown(UnknownReason::NotKnown)),
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
}
