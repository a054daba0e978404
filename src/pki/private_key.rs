//! Private keys: those that sign by JSON Web Signatures (RFC 7515, RFC 7518), and those that a CA wants to see, as proof that they are known.
//! Read from PEM, or from a JSON Web Key (RFC 7517), which is how certbot keeps its account's. What stands for a key in a run directory is its
//! file and the fingerprint of its public half. Reads no files, and never repeats what it read; debug forms show no key.

use super::certificate::Certificate;
use super::csr;
use super::pem::{self, Piece, is_der, pieces};
use super::public_keys::{RsaPublicKey, of_private_key};
use super::x509::SpkiFingerprint;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::oid::db::rfc5912::{SECP_256_R_1, SECP_384_R_1};
use der::{Decode, Encode, Sequence};
use serde::Deserialize;
use std::fmt;
use zeroize::Zeroizing;

/// A private key. Its debug form shows the algorithm alone.
pub struct PrivateKey(SigningKey);

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

/// A private key that is sent.
pub struct SentKey {
    pem: Zeroizing<String>,
    spki: SpkiFingerprint,
}

/// A key could not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the private key cannot sign")]
pub struct CannotSign;

enum SigningKey {
    /// P-256 or P-384.
    Ecdsa(EcdsaKeyPair, Curve),
    Rsa(RsaKeyPair),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
}

/// `RSAPrivateKey` (RFC 8017, appendix A.1.2).
#[derive(Sequence)]
struct RsaPrivateKey<'a> {
    version: u8,
    n: UintRef<'a>,
    e: UintRef<'a>,
    d: UintRef<'a>,
    p: UintRef<'a>,
    q: UintRef<'a>,
    dp: UintRef<'a>,
    dq: UintRef<'a>,
    qi: UintRef<'a>,
}

/// `ECPrivateKey` (RFC 5915).
#[derive(Sequence)]
struct EcPrivateKey<'a> {
    version: u8,
    private_key: OctetStringRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    parameters: ObjectIdentifier,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT")]
    public_key: BitStringRef<'a>,
}

/// The members of a JSON Web Key that matter. They are borrowed: a copy would stay in memory.
#[derive(Deserialize)]
struct Jwk<'a> {
    kty: &'a str,
    crv: Option<&'a str>,
    x: Option<&'a str>,
    y: Option<&'a str>,
    n: Option<&'a str>,
    e: Option<&'a str>,
    d: Option<&'a str>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    dp: Option<&'a str>,
    dq: Option<&'a str>,
    qi: Option<&'a str>,
}

impl PrivateKey {
    /// Reads the one private key in a file, as [`Self::parse`] does.
    ///
    /// # Errors
    /// It is no text, for which there is a command that makes one; or as for [`Self::parse`].
    pub fn parse_file(bytes: &[u8]) -> Result<Self, String> {
        Self::parse(text_of(bytes)?)
    }

    /// Reads the one private key in a text: PEM with PKCS #8, PKCS #1 or SEC 1, where other blocks, such as the key's certificates, may
    /// stand beside; or a JSON Web Key.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right. It never repeats the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::from_der(&one_key(text)?.1).ok_or_else(|| UNKNOWN.to_owned())
    }

    /// The algorithm of its signatures, in the words of RFC 7518.
    pub fn algorithm(&self) -> &'static str {
        match &self.0 {
            SigningKey::Ecdsa(_, Curve::P256) => "ES256",
            SigningKey::Ecdsa(_, Curve::P384) => "ES384",
            SigningKey::Rsa(_) => "RS256",
        }
    }

    /// The public half.
    pub fn public(&self) -> PublicNumbers {
        match &self.0 {
            SigningKey::Ecdsa(pair, curve) => {
                // An uncompressed point: a mark, then both numbers in full length.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if *curve == Curve::P256 { "P-256" } else { "P-384" };
                PublicNumbers::Ec { curve, x: x.to_owned(), y: y.to_owned() }
            }
            SigningKey::Rsa(pair) => {
                let key = RsaPublicKey::from_der(pair.public_key().as_ref());
                let numbers = key.map(|key| (key.n.as_bytes().to_owned(), key.e.as_bytes().to_owned()));
                let (n, e) = numbers.unwrap_or_default();
                PublicNumbers::Rsa { n, e }
            }
        }
    }

    /// Whether a certificate certifies this key.
    pub fn is_of(&self, certificate: &Certificate) -> bool {
        let public = match &self.0 {
            SigningKey::Ecdsa(pair, _) => pair.public_key().as_ref(),
            SigningKey::Rsa(pair) => pair.public_key().as_ref(),
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
            SigningKey::Ecdsa(pair, _) => pair.sign(&random, text).map(|made| made.as_ref().to_vec()),
            SigningKey::Rsa(pair) => {
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut made).map(|()| made)
            }
        }
        .map_err(|_| CannotSign)
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)) {
            return Some(Self(SigningKey::Rsa(pair)));
        }
        let curves = [(&ECDSA_P256_SHA256_FIXED_SIGNING, Curve::P256), (&ECDSA_P384_SHA384_FIXED_SIGNING, Curve::P384)];
        curves.into_iter().find_map(|(signing, curve)| {
            let pair = EcdsaKeyPair::from_pkcs8(signing, der);
            let pair = pair.or_else(|_| EcdsaKeyPair::from_private_key_der(signing, der)).ok()?;
            Some(Self(SigningKey::Ecdsa(pair, curve)))
        })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({})", self.algorithm())
    }
}

impl SentKey {
    /// The one private key in a file: PEM with PKCS #8, PKCS #1 or SEC 1, where other blocks may stand beside; or a JSON Web Key.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right. It never repeats what it read.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (label, der) = one_key(text_of(bytes)?)?;
        let spki = of_private_key(&der).map_err(|_| UNSENDABLE.to_owned())?;
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

/// The text of a file with a key.
fn text_of(bytes: &[u8]) -> Result<&str, String> {
    match std::str::from_utf8(bytes) {
        _ if is_der(bytes) || PrivateKey::from_der(bytes).is_some() => Err(DER.to_owned()),
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err("it is not UTF-8 text".to_owned()),
    }
}

/// The one private key in a text: the label of its PEM block, and what is in it.
fn one_key(text: &str) -> Result<(&str, Zeroizing<Vec<u8>>), String> {
    if text.trim_start().starts_with('{') {
        return jwk_to_der(text);
    }
    let mut found = None;
    let mut others = Vec::new();
    for piece in pieces(text) {
        match piece {
            // Key files may begin with a heading; anything else here is for the one who finds no key.
            Piece::Line(..) => {}
            Piece::Broken(line, why) => return Err(format!("line {line}: {why}")),
            Piece::Block(block) if block.label.ends_with("PRIVATE KEY") => {
                if block.label == "OPENSSH PRIVATE KEY" {
                    return Err(OPENSSH.to_owned());
                }
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
        if text.starts_with("PuTTY-User-Key-File") {
            return Err(PUTTY.to_owned());
        }
        return Err(match others.first() {
            Some(label) if label.ends_with("PUBLIC KEY") => {
                "this is a public key; the private key that belongs to it is needed to sign".to_owned()
            }
            Some(label) if label.ends_with("CERTIFICATE") => {
                "this is a certificate; the private key that belongs to it is needed to sign".to_owned()
            }
            _ => {
                "there is no private key in it, in PEM (`-----BEGIN PRIVATE KEY-----`) or as a JSON Web Key".to_owned()
            }
        });
    };
    Ok((block.label, block.der))
}

/// The key of a JSON Web Key in the DER that all other keys come in, PKCS #1 or SEC 1, and the label of that in PEM.
fn jwk_to_der(text: &str) -> Result<(&'static str, Zeroizing<Vec<u8>>), String> {
    let key: Jwk<'_> = serde_json::from_str(text).map_err(|_| "this is no JSON Web Key".to_owned())?;
    if key.d.is_none() {
        return Err("this JSON Web Key has no private half (`d`), which is needed to sign".to_owned());
    }
    let der = match key.kty {
        "RSA" => rsa_jwk_to_der(&key).map(|der| ("RSA PRIVATE KEY", der)),
        "EC" => ec_jwk_to_der(&key).map(|der| ("EC PRIVATE KEY", der)),
        _ => None,
    };
    der.ok_or_else(|| "this JSON Web Key cannot be used: whole keys of RSA, P-256 and P-384 can".to_owned())
}

fn rsa_jwk_to_der(key: &Jwk<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let mut numbers = Vec::new();
    for number in [key.n, key.e, key.d, key.p, key.q, key.dp, key.dq, key.qi] {
        numbers.push(decoded(number)?);
    }
    let number = |index: usize| UintRef::new(&numbers[index]).ok();
    to_der(&RsaPrivateKey {
        version: 0,
        n: number(0)?,
        e: number(1)?,
        d: number(2)?,
        p: number(3)?,
        q: number(4)?,
        dp: number(5)?,
        dq: number(6)?,
        qi: number(7)?,
    })
}

fn ec_jwk_to_der(key: &Jwk<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let curve = match key.crv? {
        "P-256" => SECP_256_R_1,
        "P-384" => SECP_384_R_1,
        _ => return None,
    };
    let (d, x, y) = (decoded(key.d)?, decoded(key.x)?, decoded(key.y)?);
    // An uncompressed point (SEC 1, section 2.3.3).
    let point = [&[0x04], x.as_slice(), y.as_slice()].concat();
    to_der(&EcPrivateKey {
        version: 1,
        private_key: OctetStringRef::new(&d).ok()?,
        parameters: curve,
        public_key: BitStringRef::from_bytes(&point).ok()?,
    })
}

fn decoded(number: Option<&str>) -> Option<Zeroizing<Vec<u8>>> {
    URL_SAFE_NO_PAD.decode(number?).ok().map(Zeroizing::new)
}

/// Written at once into memory of the right size: a buffer that grows would leave copies behind.
fn to_der(key: &impl Encode) -> Option<Zeroizing<Vec<u8>>> {
    let mut der = Zeroizing::new(Vec::with_capacity(usize::try_from(key.encoded_len().ok()?).ok()?));
    key.encode_to_vec(&mut der).ok()?;
    Some(der)
}

const ENCRYPTED: &str = "the private key has a passphrase, which nobody could type during a run; give it without one \
                         (`openssl pkey -in key.pem -out plain.pem`), or by a command that takes it off";
const OPENSSH: &str = "the private key is in OpenSSH's own form; `ssh-keygen -p -m PEM -N '' -f FILE` writes it as PEM, into the same file: give \
                       it a copy";
const PUTTY: &str = "the private key is in PuTTY's own form; `puttygen FILE -O private-openssh -o FILE.key`, then `ssh-keygen -p -m PEM -N '' -f \
                     FILE.key` makes PEM of it";
const DER: &str = "the private key is in DER or PKCS#12, and must be PEM (`openssl pkey -inform DER -in FILE -out FILE.pem`, `openssl pkcs12 \
                   -in FILE -nocerts -nodes -out FILE.pem`)";
const UNKNOWN: &str = "the private key in it cannot be used: keys of RSA (2048 bits and more), P-256 and P-384 can";
const UNSENDABLE: &str = "the private key in it cannot be used: keys of RSA, P-256, P-384, P-521 and Ed25519 can";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::public_keys;
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
                SigningKey::Ecdsa(pair, _) => pair.public_key().as_ref(),
                SigningKey::Rsa(pair) => pair.public_key().as_ref(),
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
        let Some(Piece::Block(block)) = pieces(P384_SEC1).into_iter().next() else { panic!("a block") };
        for (bytes, expected) in
            [(&block.der[..], "openssl pkey -inform DER"), (b"\xff\xfe-\0-\0", "not UTF-8"), (b"-\0", "not UTF-8")]
        {
            let said = PrivateKey::parse_file(bytes).unwrap_err();
            assert!(said.contains(expected), "{expected}: {said}");
        }
        assert!(PrivateKey::parse_file(P256.as_bytes()).is_ok());
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
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAA==\n-----END OPENSSH PRIVATE KEY-----", "ssh-keygen -p -m PEM"),
            ("PuTTY-User-Key-File-3: ecdsa-sha2-nistp256\nsecret words", "puttygen"),
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
            assert_eq!(public_keys::of_file(key.to_pem().as_bytes()), Ok(vec![key.spki()]));
            assert_eq!(public_keys::of_file(text.as_bytes()), Ok(vec![key.spki()]));
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
