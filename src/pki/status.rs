//! Which certificate a CRL or an OCSP responder is asked about (the CertID of RFC 6960), and what a signed word about it is worth: revoked,
//! good, or unknown with the doubt. Unknown is never taken for good. Asks nobody.

use super::certificate::Certificate;
use super::reason::RevocationReason;
use super::x509::SerialNumber;
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
    pub own: Option<Own>,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Whether it is a CA's.
    pub is_ca: bool,
    /// Until when it is valid.
    pub ends: Timestamp,
    /// Where its CRL is.
    pub crl_urls: Arc<[String]>,
}

/// What the world can see of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
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
    Unknown(Doubt),
}

/// Why a list or an answer tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
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

impl Status {
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
        let own =
            || Own { is_ca: certificate.is_ca, ends: certificate.ends, crl_urls: Arc::clone(&certificate.crl_urls) };
        let id = |own| Self { issuer: Rc::clone(issuer), serial: certificate.serial.clone(), own: Some(own) };
        certificate.is_issued_by(issuer).then(own).map(id)
    }

    /// Of a certificate of which no more is known.
    pub fn bare(serial: SerialNumber, issuer: Rc<Certificate>) -> Self {
        Self { issuer, serial, own: None }
    }
}

/// Whether a word holds now: it must have an end, and the provider's clock may be a little ahead of ours.
pub(super) fn holds(from: Timestamp, until: Option<Timestamp>, now: Timestamp) -> Result<(), Doubt> {
    if from.as_second() > now.as_second().saturating_add(CLOCKS_DIFFER_SECONDS) {
        return Err(Doubt::NotYet);
    }
    match until {
        Some(until) if until >= now => Ok(()),
        _ => Err(Doubt::OutOfDate),
    }
}

/// Longer lists and answers are not read.
pub const MOST_BYTES: usize = 32 * 1024 * 1024;
const CLOCKS_DIFFER_SECONDS: i64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_never_good() {
        let revoked = |at| Status::Revoked { at: Timestamp::from_second(at).unwrap(), reason: None };
        let unknown = Status::Unknown;
        for (one, other, expected) in [
            (unknown(Doubt::NotKnown), unknown(Doubt::Refused), unknown(Doubt::NotKnown)),
            (unknown(Doubt::NotKnown), Status::Good, Status::Good),
            (Status::Good, unknown(Doubt::NotKnown), Status::Good),
            (Status::Good, revoked(1), revoked(1)),
            (revoked(1), Status::Good, revoked(1)),
            (revoked(1), unknown(Doubt::OutOfDate), revoked(1)),
            (unknown(Doubt::OutOfDate), revoked(1), revoked(1)),
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
            (1301, Some(2000), Err(Doubt::NotYet)),
            (900, Some(999), Err(Doubt::OutOfDate)),
            (900, None, Err(Doubt::OutOfDate)),
        ] {
            assert_eq!(holds(at(from), until.map(at), at(1000)), expected, "{from} {until:?}");
        }
    }
}
