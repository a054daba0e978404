//! One certificate as one place shows it: whole, or as a row of a list tells of it. Joins nothing, decides nothing.

use crate::pki::{Certificate, SerialNumber, SpkiFingerprint};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// A certificate as one place shows it. What the place does not tell is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sighting {
    /// Where: a path, with the line or what is inside of it.
    pub place: String,
    /// The serial number.
    pub serial: Option<SerialNumber>,
    /// SHA-256 of the certificate in DER.
    pub fingerprint: Option<[u8; 32]>,
    /// The issuer: of a certificate its whole name (RFC 4514), of a row the list's words.
    pub issuer: String,
    /// The common name.
    pub common_name: String,
    /// DNS names and addresses.
    pub names: Vec<String>,
    /// From when it is valid.
    pub begins: Option<Timestamp>,
    /// Until when.
    pub ends: Option<Timestamp>,
    /// The key.
    pub key: Option<SpkiFingerprint>,
    /// What is weak about it, where that was asked.
    pub weakness: String,
    /// The status, in the list's words.
    pub status: String,
    /// The provider that the list names, or whose export it is.
    pub provider: String,
    /// Parameters of the provider's that the list has columns of.
    pub target: Vec<(String, String)>,
    /// The certificate itself, where this is no row.
    pub whole: Option<WholeCertificate>,
}

/// What only the certificate itself tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WholeCertificate {
    /// Whether it is a CA's.
    pub is_ca: bool,
    /// Whether it is a precertificate.
    pub is_precertificate: bool,
    /// It and its issuers of the same file, in DER, where they are to be kept.
    pub chain: Vec<Vec<u8>>,
    /// The file that is about it alone, as a plan's `certificate` may name it.
    pub file: Option<String>,
}

impl Sighting {
    /// Of a certificate.
    pub fn of_certificate(certificate: &Certificate, place: String) -> Self {
        let names = certificate.alternative_names();
        let addresses = names.ip.iter().map(ToString::to_string);
        Self {
            place,
            serial: Some(certificate.serial.clone()),
            fingerprint: Some(Sha256::digest(&certificate.der).into()),
            issuer: certificate.issuer_name(),
            common_name: certificate.common_name().unwrap_or_default(),
            names: names.dns.iter().cloned().chain(addresses).collect(),
            begins: Some(certificate.begins),
            ends: Some(certificate.ends),
            key: Some(SpkiFingerprint::of(&certificate.spki)),
            whole: Some(WholeCertificate {
                is_ca: crate::pki::bundle::says_to_be_ca(certificate),
                is_precertificate: certificate.is_precertificate,
                ..WholeCertificate::default()
            }),
            ..Self::default()
        }
    }
}

/// Whether two texts name one issuer. Lists write a whole name in any order, the common name alone, or nothing.
pub fn issuers_agree(one: &str, other: &str) -> bool {
    if one.is_empty() || other.is_empty() || one == other {
        return true;
    }
    match (common_name_of(one), common_name_of(other)) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (Some(name), None) => contains(other, name) || contains(one, other),
        (None, Some(name)) => contains(one, name) || contains(other, one),
        (None, None) => contains(one, other) || contains(other, one),
    }
}

/// Whether a text holds another, letters in either case.
pub fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

/// The value of `CN=` in a name as text.
fn common_name_of(name: &str) -> Option<&str> {
    let begin = name.match_indices("CN").find(|(index, _)| {
        let before = name[..*index].trim_end();
        let is_first = before.is_empty() || before.ends_with([',', '/', '+', ';']);
        is_first && name[index + 2..].trim_start().starts_with('=')
    });
    let value = begin.map(|(index, _)| name[index + 2..].trim_start().trim_start_matches('=').trim_start())?;
    if let Some(quoted) = value.strip_prefix('"') {
        return quoted.split('"').next();
    }
    // RFC 4514, section 2.4: what divides is escaped within a value.
    let mut escaped = false;
    let end = value.find(|letter| {
        let divides = matches!(letter, ',' | '/' | '+' | ';') && !escaped;
        escaped = letter == '\\' && !escaped;
        divides
    });
    Some(value[..end.unwrap_or(value.len())].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_compared_as_lists_write_them() {
        let whole = "CN=DigiCert TLS RSA SHA256 2020 CA1,O=DigiCert Inc,C=US";
        for (one, other, same) in [
            (whole, "", true),
            (whole, "DigiCert TLS RSA SHA256 2020 CA1", true),
            (whole, "digicert inc", true),
            (whole, "C=US, O=DigiCert Inc, CN=DigiCert TLS RSA SHA256 2020 CA1", true),
            (whole, "/C=US/O=DigiCert Inc/CN=DigiCert TLS RSA SHA256 2020 CA1", true),
            (whole, "C=US, O=\"DigiCert Inc\", CN=\"DigiCert TLS RSA SHA256 2020 CA1\"", true),
            (whole, "CN=R11,O=Let's Encrypt,C=US", false),
            (whole, "GeoTrust", false),
            ("CN=a\\,b,O=c", "CN=\"a\\,b\"", true),
        ] {
            assert_eq!(issuers_agree(one, other), same, "{other}");
            assert_eq!(issuers_agree(other, one), same, "{other}");
        }
    }
}
