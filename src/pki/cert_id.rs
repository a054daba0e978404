//! Which certificate a CRL or an OCSP responder is asked about: one of an issuer's, by its serial number (the CertID of RFC 6960). Made
//! from a certificate that the issuer has signed, or from its serial number alone. Asks nobody.

use super::Certificate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// A serial number, without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SerialNumber(Box<[u8]>);

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

/// Why a text is no serial number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotASerialNumber {
    /// Another letter than a hexadecimal digit.
    #[error("it is not in hexadecimal digits")]
    NotHexadecimal,
    /// Colons elsewhere than between pairs of digits.
    #[error("its colons do not stand between pairs of digits")]
    Colons,
    /// No digit, or none but 0.
    #[error("it must be greater than 0")]
    NotPositive,
    /// Longer than any.
    #[error("it has {0} octets, and none has more than {MOST_OCTETS}")]
    TooLong(usize),
}

impl SerialNumber {
    /// Reads one as people write it: in hexadecimal digits, with a colon between each two or without.
    ///
    /// # Errors
    /// It is none (RFC 5280, section 4.1.2.2).
    pub fn parse(text: &str) -> Result<Self, NotASerialNumber> {
        let text = text.trim();
        if !text.bytes().all(|letter| letter.is_ascii_hexdigit() || letter == b':') {
            return Err(NotASerialNumber::NotHexadecimal);
        }
        if text.contains(':') && text.split(':').any(|pair| pair.len() != 2) {
            return Err(NotASerialNumber::Colons);
        }
        let digits = text.replace(':', "");
        let digits = digits.trim_start_matches('0');
        let even = if digits.len().is_multiple_of(2) { digits.to_owned() } else { format!("0{digits}") };
        let octets = hex::decode(even).map_err(|_| NotASerialNumber::NotHexadecimal)?;
        match octets.len() {
            0 => Err(NotASerialNumber::NotPositive),
            1..=MOST_OCTETS => Ok(Self(octets.into())),
            more => Err(NotASerialNumber::TooLong(more)),
        }
    }

    /// Of a number in DER.
    pub(super) fn from_der(content: &[u8]) -> Self {
        Self(content.iter().copied().skip_while(|octet| *octet == 0).collect())
    }

    /// Its octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "00" } else { "" })?;
        formatter.write_str(&hex::encode(&self.0))
    }
}

impl From<SerialNumber> for String {
    fn from(serial: SerialNumber) -> Self {
        serial.to_string()
    }
}

impl TryFrom<String> for SerialNumber {
    type Error = NotASerialNumber;

    fn try_from(text: String) -> Result<Self, NotASerialNumber> {
        Self::parse(&text)
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

/// RFC 5280, section 4.1.2.2.
const MOST_OCTETS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_read_as_people_write_them() {
        use NotASerialNumber::{Colons, NotHexadecimal, NotPositive, TooLong};
        let longest = "f".repeat(40);
        for (text, expected) in [
            ("04C0FF", Ok("04c0ff")),
            ("04:c0:FF", Ok("04c0ff")),
            (" c0ff ", Ok("c0ff")),
            ("a1b", Ok("0a1b")),
            ("00:00:C0:FF", Ok("c0ff")),
            ("4096", Ok("4096")),
            ("00e5", Ok("e5")),
            (&longest, Ok(longest.as_str())),
            (&format!("00{longest}"), Ok(&longest)),
            (&format!("1{longest}"), Err(TooLong(21))),
            ("", Err(NotPositive)),
            ("00:00", Err(NotPositive)),
            ("0x1000", Err(NotHexadecimal)),
            ("-1", Err(NotHexadecimal)),
            ("c0 ff", Err(NotHexadecimal)),
            ("c0ff\u{e9}", Err(NotHexadecimal)),
            ("c:0f", Err(Colons)),
            ("c0ff:", Err(Colons)),
            (":", Err(Colons)),
            ("c0ff:01", Err(Colons)),
        ] {
            assert_eq!(
                SerialNumber::parse(text).map(|serial| serial.to_string()),
                expected.map(str::to_owned),
                "{text}"
            );
        }
        assert_eq!(SerialNumber::from_der(&[0, 0x80]), SerialNumber::parse("80").unwrap());
        assert_eq!(SerialNumber::from_der(&[0]).to_string(), "00");
    }
}
