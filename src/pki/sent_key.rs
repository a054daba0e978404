//! Private keys that a CA wants to see, as proof that they are known: the one key of a file, in the one form in which it is sent, and its
//! fingerprint. What stands for it in a run directory is the file and the fingerprint. Reads no files; its debug form shows the fingerprint alone.

use super::compromised_keys::of_private_key;
use super::private_key::{one_key, text_of};
use super::{SpkiFingerprint, csr, pem};
use std::fmt;
use zeroize::Zeroizing;

/// A private key that is sent.
pub struct SentKey {
    pem: Zeroizing<String>,
    spki: SpkiFingerprint,
}

impl SentKey {
    /// The one private key in a file: PEM with PKCS #8, PKCS #1 or SEC 1, where other blocks may stand beside; or a JSON Web Key.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right. It never repeats what it read.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (label, der) = one_key(text_of(bytes)?)?;
        let spki = of_private_key(&der).map_err(|_| UNKNOWN.to_owned())?;
        Ok(Self { pem: Zeroizing::new(pem::encode(label, &der)), spki })
    }

    /// As it is sent: the key alone, in PEM. Never for a message.
    pub fn to_pem(&self) -> &str {
        &self.pem
    }

    /// The fingerprint of its public half.
    pub fn spki(&self) -> SpkiFingerprint {
        self.spki
    }

    /// What stands for it where it must not be kept itself: the file that it is in, and the fingerprint.
    pub fn reference(&self, path: &str) -> String {
        csr::reference(path, &self.spki.to_string())
    }
}

impl fmt::Debug for SentKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SentKey({})", self.spki)
    }
}

const UNKNOWN: &str = "the private key in it cannot be used: keys of RSA, P-256, P-384, P-521 and Ed25519 can";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::named_keys;

    #[test]
    fn the_key_alone_is_sent_and_never_shown() {
        for (text, label) in [
            (include_str!("testdata/keys/p256.pem"), "PRIVATE KEY"),
            (include_str!("testdata/keys/p384-sec1.pem"), "EC PRIVATE KEY"),
            (include_str!("testdata/keys/rsa-pkcs1.pem"), "RSA PRIVATE KEY"),
            (include_str!("testdata/keys/p256.jwk"), "EC PRIVATE KEY"),
            (include_str!("testdata/keys/rsa.jwk"), "RSA PRIVATE KEY"),
        ] {
            let beside = match text.starts_with('{') {
                true => text.to_owned(),
                false => format!("{}# a remark\n{text}", include_str!("testdata/keys/rsa-certificate.pem")),
            };
            let key = SentKey::parse(beside.as_bytes()).unwrap();
            assert!(key.to_pem().starts_with(&format!("-----BEGIN {label}-----\n")), "{label}");
            assert_eq!(key.to_pem().matches("BEGIN").count(), 1);
            assert_eq!(named_keys::of_file(key.to_pem().as_bytes()), Ok(vec![key.spki()]));
            assert_eq!(named_keys::of_file(text.as_bytes()), Ok(vec![key.spki()]));
            assert_eq!(format!("{key:?}"), format!("SentKey({})", key.spki()));
            assert_eq!(
                csr::split_reference(&key.reference("a b")),
                ("file:a b", Some(key.spki().to_string().as_str()))
            );
        }
        for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P521_SHA512] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let read = SentKey::parse(key.serialize_pem().as_bytes()).unwrap();
            assert_eq!(read.spki(), SpkiFingerprint::of(&rcgen::PublicKeyData::subject_public_key_info(&key)));
        }
    }

    #[test]
    fn what_is_no_usable_key_is_told_without_it() {
        for (bytes, expected) in [
            (&b""[..], "there is no private key in it"),
            (b"{\"kty\": \"EC\", \"d\": \"AAAA\"}", "JSON Web Key"),
            (include_bytes!("testdata/keys/encrypted.pem"), "passphrase"),
            (include_bytes!("testdata/keys/rsa-certificate.pem"), "this is a certificate"),
            (include_bytes!("testdata/keys/rsa1024-public.pem"), "this is a public key"),
            (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "keys of RSA, P-256"),
            (b"\xff\xfe\0", "not UTF-8"),
        ] {
            let why = SentKey::parse(bytes).unwrap_err();
            assert!(why.contains(expected) && !why.contains("AAAA"), "{why}");
        }
    }
}
