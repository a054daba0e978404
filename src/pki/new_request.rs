//! New private keys, and the certificate requests that they sign (RFC 2986). Writes no files; a key leaves only as the text that is to be kept.

use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_RSA_SHA256, RsaKeySize, SanType,
};
use std::fmt;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// What kind of key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
}

/// A private key that signs a request. Its debug form shows nothing.
pub struct RequestKey(KeyPair);

impl KeyAlgorithm {
    /// The words of the command line.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::P256, "p256"),
        (Self::P384, "p384"),
        (Self::Rsa2048, "rsa2048"),
        (Self::Rsa3072, "rsa3072"),
        (Self::Rsa4096, "rsa4096"),
    ];

    /// Reads a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(algorithm, _)| *algorithm)
    }
}

impl RequestKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, String> {
        let made = match algorithm {
            KeyAlgorithm::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            KeyAlgorithm::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            KeyAlgorithm::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
            KeyAlgorithm::Rsa3072 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072),
            KeyAlgorithm::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
        };
        made.map(Self).map_err(|error| format!("no key could be made: {error}"))
    }

    /// Reads a key that was made before.
    ///
    /// # Errors
    /// It is none. The text is not repeated.
    pub fn parse(pem: &str) -> Result<Self, String> {
        KeyPair::from_pem(pem).map(Self).map_err(|_| "it is no private key in PKCS#8 that signs here".to_owned())
    }

    /// PKCS #8 in PEM.
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.serialize_pem())
    }

    /// A request of it in PEM, for these names; the common name where it fits (RFC 5280, appendix A.1: 64 characters).
    ///
    /// # Errors
    /// A name cannot stand in a request.
    pub fn request(&self, common_name: Option<&str>, names: &[String]) -> Result<String, String> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        if let Some(name) = common_name.filter(|name| !name.is_empty() && name.chars().count() <= MAX_COMMON_NAME) {
            parameters.distinguished_name.push(DnType::CommonName, name);
        }
        for name in names {
            let kind = match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => {
                    // In certificates names are ASCII (RFC 5280, section 7.2).
                    let ascii =
                        if name.is_ascii() { Ok(name.clone()) } else { idna::domain_to_ascii(name).map_err(|_| ()) };
                    let ascii = ascii.ok().and_then(|name| name.try_into().ok());
                    SanType::DnsName(ascii.ok_or_else(|| format!("`{name}` is no DNS name"))?)
                }
            };
            parameters.subject_alt_names.push(kind);
        }
        let request = parameters.serialize_request(&self.0).and_then(|request| request.pem());
        request.map_err(|error| format!("no request could be made: {error}"))
    }
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RequestKey")
    }
}

const MAX_COMMON_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Csr, named_keys};

    #[test]
    fn requests_are_of_their_keys_and_names() {
        let names = ["shop.example.com".to_owned(), "*.b\u{fc}cher.example".to_owned(), "192.0.2.1".to_owned()];
        for (algorithm, word) in KeyAlgorithm::ALL.into_iter().filter(|(_, word)| *word != "rsa4096") {
            assert_eq!(KeyAlgorithm::parse(word), Some(algorithm));
            let key = RequestKey::generate(algorithm).unwrap();
            let again = RequestKey::parse(&key.to_pem()).unwrap();
            for key in [&key, &again] {
                let pem = key.request(Some("shop.example.com"), &names).unwrap();
                let request = Csr::parse(pem.as_bytes()).unwrap();
                assert_eq!(named_keys::of_file(key.to_pem().as_bytes()), Ok(vec![request.spki()]), "{word}");
                assert_eq!(request.common_name(), Some("shop.example.com"));
                assert_eq!(request.names().dns, ["shop.example.com", "*.xn--bcher-kva.example"]);
                assert_eq!(request.names().ip, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
            }
        }
        let key = RequestKey::generate(KeyAlgorithm::P256).unwrap();
        let long = "a".repeat(65);
        assert_eq!(Csr::parse(key.request(Some(&long), &names).unwrap().as_bytes()).unwrap().common_name(), None);
        assert!(key.request(None, &["\u{2028}".to_owned()]).is_err());
        assert!(RequestKey::parse("secret").is_err_and(|why| !why.contains("secret")));
    }
}
