//! Private keys that sign by JSON Web Signatures (RFC 7515, RFC 7518): read from PEM or as JWKs, their public half as a JWK, and signatures. Reads
//! no files, keeps no text, and never repeats what it read.

use super::certificate::Certificate;
use super::jwk;
use super::pem::{Piece, pieces};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use std::fmt;
use x509_parser::asn1_rs::{FromDer, Integer, Sequence};

/// A private key. Its debug form shows the algorithm alone.
pub struct PrivateKey(Pair);

enum Pair {
    /// P-256 or P-384.
    Ecdsa(EcdsaKeyPair, Curve),
    Rsa(RsaKeyPair),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
}

/// A public key, as a JWK (RFC 7517) shows it: big-endian numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicNumbers {
    /// A point on a curve, by the curve's name in JWKs.
    Ec {
        /// `P-256` or `P-384`.
        curve: &'static str,
        /// As long as the curve's field.
        x: Vec<u8>,
        /// As long as the curve's field.
        y: Vec<u8>,
    },
    /// Without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
}

impl PrivateKey {
    /// Reads the one private key in a text: PEM with PKCS #8, PKCS #1 or SEC 1, where other blocks, such as the key's certificates, may
    /// stand beside; or a JSON Web Key.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right. It never repeats the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('{') {
            return Self::from_der(&jwk::to_der(text)?).ok_or_else(|| UNKNOWN.to_owned());
        }
        let mut found = None;
        let mut others = Vec::new();
        for piece in pieces(text) {
            match piece {
                // Key files may begin with a heading; anything else here is for the one who finds no key.
                Piece::Line(..) => {}
                Piece::Broken(line, why) => return Err(format!("line {line}: {why}")),
                Piece::Block(block) if block.label.ends_with("PRIVATE KEY") => {
                    if block.has_headers || block.label.starts_with("ENCRYPTED") {
                        return Err(ENCRYPTED.to_owned());
                    }
                    if found.replace(block).is_some() {
                        return Err("there is more than one private key in it; give one".to_owned());
                    }
                }
                Piece::Block(block) => others.push(block.label),
            }
        }
        let Some(block) = found else {
            return Err(match others.first() {
                Some(label) if label.ends_with("PUBLIC KEY") => {
                    "this is a public key; the private key that belongs to it is needed to sign".to_owned()
                }
                Some(label) if label.ends_with("CERTIFICATE") => {
                    "this is a certificate; the private key that belongs to it is needed to sign".to_owned()
                }
                _ => "there is no private key in it, in PEM (`-----BEGIN PRIVATE KEY-----`) or as a JSON Web Key"
                    .to_owned(),
            });
        };
        Self::from_der(&block.der).ok_or_else(|| UNKNOWN.to_owned())
    }

    /// The algorithm of its signatures, in the words of RFC 7518.
    pub fn algorithm(&self) -> &'static str {
        match &self.0 {
            Pair::Ecdsa(_, Curve::P256) => "ES256",
            Pair::Ecdsa(_, Curve::P384) => "ES384",
            Pair::Rsa(_) => "RS256",
        }
    }

    /// The public half.
    pub fn public(&self) -> PublicNumbers {
        match &self.0 {
            Pair::Ecdsa(pair, curve) => {
                // An uncompressed point: a mark, then both numbers in full length.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if *curve == Curve::P256 { "P-256" } else { "P-384" };
                PublicNumbers::Ec { curve, x: x.to_owned(), y: y.to_owned() }
            }
            Pair::Rsa(pair) => {
                let (n, e) = rsa_numbers(pair.public_key().as_ref()).unwrap_or_default();
                PublicNumbers::Rsa { n, e }
            }
        }
    }

    /// Whether a certificate certifies this key.
    pub fn is_of(&self, certificate: &Certificate) -> bool {
        let public = match &self.0 {
            Pair::Ecdsa(pair, _) => pair.public_key().as_ref(),
            Pair::Rsa(pair) => pair.public_key().as_ref(),
        };
        certificate.key_bits == public
    }

    /// Signs a text.
    ///
    /// # Errors
    /// The machine has no randomness, or the key is not able to sign.
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, CannotSign> {
        let random = SystemRandom::new();
        match &self.0 {
            Pair::Ecdsa(pair, _) => pair.sign(&random, text).map(|made| made.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut made).map(|()| made)
            }
        }
        .map_err(|_| CannotSign)
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)) {
            return Some(Self(Pair::Rsa(pair)));
        }
        let curves = [(&ECDSA_P256_SHA256_FIXED_SIGNING, Curve::P256), (&ECDSA_P384_SHA384_FIXED_SIGNING, Curve::P384)];
        curves.into_iter().find_map(|(signing, curve)| {
            let pair = EcdsaKeyPair::from_pkcs8(signing, der);
            let pair = pair.or_else(|_| EcdsaKeyPair::from_private_key_der(signing, der)).ok()?;
            Some(Self(Pair::Ecdsa(pair, curve)))
        })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({})", self.algorithm())
    }
}

/// A key could not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the private key cannot sign")]
pub struct CannotSign;

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017, appendix A.1.1).
fn rsa_numbers(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, sequence) = Sequence::from_der(der).ok()?;
    let (rest, n) = Integer::from_der(&sequence.content).ok()?;
    let (_, e) = Integer::from_der(rest).ok()?;
    let plain = |number: &Integer<'_>| number.as_ref().iter().copied().skip_while(|byte| *byte == 0).collect();
    Some((plain(&n), plain(&e)))
}

const ENCRYPTED: &str = "the private key has a passphrase, which nobody could type during a run; give it without one \
                         (`openssl pkey -in key.pem -out plain.pem`), or by a command that takes it off";
const UNKNOWN: &str = "the private key in it cannot be used: keys of RSA (2048 bits and more), P-256 and P-384 can";

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    };

    const P256: &str = include_str!("testdata/keys/p256.pem");
    const P384_SEC1: &str = include_str!("testdata/keys/p384-sec1.pem");
    const RSA: &str = include_str!("testdata/keys/rsa.pem");
    const RSA_PKCS1: &str = include_str!("testdata/keys/rsa-pkcs1.pem");
    /// The same keys again, as a JWK library writes them.
    const RSA_JWK: &str = include_str!("testdata/keys/rsa.jwk");
    const P256_JWK: &str = include_str!("testdata/keys/p256.jwk");
    const P384_JWK: &str = include_str!("testdata/keys/p384.jwk");

    #[test]
    fn every_kind_of_key_is_read_and_signs() {
        let algorithms: [(&str, &str, &'static dyn VerificationAlgorithm); 7] = [
            (P256, "ES256", &ECDSA_P256_SHA256_FIXED),
            (P384_SEC1, "ES384", &ECDSA_P384_SHA384_FIXED),
            (RSA, "RS256", &RSA_PKCS1_2048_8192_SHA256),
            (RSA_PKCS1, "RS256", &RSA_PKCS1_2048_8192_SHA256),
            (RSA_JWK, "RS256", &RSA_PKCS1_2048_8192_SHA256),
            (P256_JWK, "ES256", &ECDSA_P256_SHA256_FIXED),
            (P384_JWK, "ES384", &ECDSA_P384_SHA384_FIXED),
        ];
        for (pem, algorithm, verifies) in algorithms {
            let key = PrivateKey::parse(pem).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            let made = key.sign(b"text").unwrap();
            let public = match &key.0 {
                Pair::Ecdsa(pair, _) => pair.public_key().as_ref(),
                Pair::Rsa(pair) => pair.public_key().as_ref(),
            };
            assert!(UnparsedPublicKey::new(verifies, public).verify(b"text", &made).is_ok(), "{algorithm}");
            assert!(UnparsedPublicKey::new(verifies, public).verify(b"texts", &made).is_err(), "{algorithm}");
            assert_eq!(format!("{key:?}"), format!("PrivateKey({algorithm})"));
        }
        let PublicNumbers::Rsa { n, e } = PrivateKey::parse(RSA).unwrap().public() else { panic!() };
        assert_eq!((n.len(), e), (256, vec![1, 0, 1]));
        for (jwk, pem) in [(RSA_JWK, RSA), (P256_JWK, P256), (P384_JWK, P384_SEC1)] {
            assert_eq!(PrivateKey::parse(jwk).unwrap().public(), PrivateKey::parse(pem).unwrap().public());
        }
    }

    #[test]
    fn a_key_knows_its_certificate() {
        let certificate = |text: &str| Certificate::parse(text.as_bytes()).unwrap();
        let p256 = certificate(include_str!("testdata/keys/p256-certificate.pem"));
        let rsa = certificate(include_str!("testdata/keys/rsa-certificate.pem"));
        for (key, certificate, expected) in [
            (P256, &p256, true),
            (P256, &rsa, false),
            (RSA, &rsa, true),
            (RSA_PKCS1, &rsa, true),
            (P384_SEC1, &p256, false),
        ] {
            assert_eq!(PrivateKey::parse(key).unwrap().is_of(certificate), expected);
        }
    }

    #[test]
    fn what_is_no_usable_key_is_told_and_never_repeated() {
        let twice = format!("{P256}{P256}");
        let broken = P256.replace("-----END PRIVATE KEY-----", "-----END KEY-----");
        for (text, expected) in [
            ("", "no private key in it"),
            ("secret words", "no private key in it"),
            (include_str!("testdata/keys/public.pem"), "this is a public key"),
            (include_str!("testdata/keys/p256-certificate.pem"), "this is a certificate"),
            (include_str!("testdata/keys/encrypted.pem"), "has a passphrase"),
            (include_str!("testdata/keys/encrypted-rsa.pem"), "has a passphrase"),
            (include_str!("testdata/keys/ed25519.pem"), "RSA (2048 bits and more), P-256 and P-384"),
            (&twice, "more than one"),
            ("{\"secret words", "this is no JSON Web Key"),
            ("{}", "this is no JSON Web Key"),
            (r#"{"kty":"RSA","n":"AQ","e":"AQAB"}"#, "no private half (`d`)"),
            (r#"{"kty":"oct","d":"AQ","k":"secret words"}"#, "whole keys of RSA, P-256 and P-384"),
            (r#"{"kty":"EC","crv":"P-521","x":"AQ","y":"AQ","d":"AQ"}"#, "whole keys of RSA, P-256 and P-384"),
            (r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ","d":"secret words"}"#, "whole keys of RSA"),
            (r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ","d":"AQ"}"#, "RSA (2048 bits and more)"),
            (&broken, "END line"),
        ] {
            let said = PrivateKey::parse(text).unwrap_err();
            assert!(said.contains(expected) && !said.contains("secret words"), "{expected}: {said}");
        }
    }
}
