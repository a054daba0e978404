//! Lists of keys that are known to be compromised. Reads no files.

use super::certificate::Certificate;
use super::csr::Csr;
use super::pem::{Block, Piece, pieces};
use super::x509::SpkiFingerprint;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use der::asn1::{AnyRef, BitStringRef, OctetStringRef, UintRef};
use der::oid::db::rfc5912::RSA_ENCRYPTION;
use der::{Decode, Encode, Reader, Sequence, SliceReader, Tag};
use std::collections::HashSet;
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

/// Keys that must not be used again, by their fingerprints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompromisedKeys(HashSet<SpkiFingerprint>);

impl CompromisedKeys {
    /// Reads a list: fingerprints, one a line (`#` begins a comment), and PEM blocks with public keys, certificates,
    /// certificate requests, or private keys without a passphrase, of which only the public half is kept.
    ///
    /// # Errors
    /// All lines that cannot be read, each with a sentence that does not repeat the line.
    pub fn parse(text: &str) -> Result<Self, Vec<(u32, String)>> {
        let mut keys = HashSet::new();
        let mut errors = Vec::new();
        for piece in pieces(text) {
            let (line, read) = match piece {
                Piece::Line(line, text) => match text.split('#').next().map(str::trim) {
                    None | Some("") => continue,
                    Some(text) => (line, SpkiFingerprint::parse(text).ok_or_else(|| NOT_A_FINGERPRINT.to_owned())),
                },
                Piece::Block(block) => (block.line, of_block(&block)),
                Piece::Broken(line, why) => (line, Err(why)),
            };
            match read {
                Ok(fingerprint) => {
                    keys.insert(fingerprint);
                }
                Err(why) => errors.push((line, why)),
            }
        }
        if errors.is_empty() { Ok(Self(keys)) } else { Err(errors) }
    }

    /// Whether a key is in the list.
    pub fn contains(&self, fingerprint: &SpkiFingerprint) -> bool {
        self.0.contains(fingerprint)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The fingerprint of the key that a PEM block is about.
pub(super) fn of_block(block: &Block<'_>) -> Result<SpkiFingerprint, String> {
    match block.label {
        "PUBLIC KEY" => match SubjectPublicKeyInfoRef::from_der(&block.der) {
            Ok(_) => Ok(SpkiFingerprint::of(&block.der)),
            Err(_) => Err("the public key cannot be read".to_owned()),
        },
        "CERTIFICATE" => match Certificate::from_der(&block.der) {
            Ok(certificate) => Ok(SpkiFingerprint::of(&certificate.spki)),
            Err(_) => Err("the certificate cannot be read".to_owned()),
        },
        // A weak or badly signed request is no reason to overlook its key here.
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            Csr::spki_of(&block.der).map_err(|_| "the certificate request cannot be read".to_owned())
        }
        "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" if !block.has_headers => of_private_key(&block.der),
        "ENCRYPTED PRIVATE KEY" | "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {
            Err(format!("the private key has a passphrase; {GIVE_PUBLIC}"))
        }
        _ => Err(format!("PEM blocks of this kind are not read here; {GIVE_PUBLIC}")),
    }
}

/// The public half of a private key in PKCS #8, PKCS #1 or SEC 1.
pub(super) fn of_private_key(der: &[u8]) -> Result<SpkiFingerprint, String> {
    rsa(der)
        .or_else(|| ecdsa(der))
        .or_else(|| ed25519(der))
        .ok_or_else(|| format!("no public key could be taken from the private key; {GIVE_PUBLIC}"))
}

fn rsa(der: &[u8]) -> Option<SpkiFingerprint> {
    let pair = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
    // A key that is too short to sign here may be what is looked for all the same.
    pair.ok().and_then(|pair| of_public(pair.public_key())).or_else(|| rsa_of_numbers(der))
}

/// Of the numbers alone in PKCS #1 (RFC 8017, appendix A.1.2), or of these in PKCS #8 (RFC 5958).
fn rsa_of_numbers(der: &[u8]) -> Option<SpkiFingerprint> {
    let mut reader = SliceReader::new(der).ok()?;
    let numbers = |fields: &mut der::NestedReader<'_, SliceReader<'_>>| {
        u8::decode(fields)?;
        if fields.peek_tag()? == Tag::Sequence {
            AlgorithmIdentifierRef::decode(fields)?;
            let inner = OctetStringRef::decode(fields)?.as_bytes().to_vec();
            read_to_end(fields)?;
            return Ok((inner, None));
        }
        let (n, e) = (UintRef::decode(fields)?.as_bytes().to_vec(), UintRef::decode(fields)?.as_bytes().to_vec());
        read_to_end(fields)?;
        Ok((Vec::new(), Some((n, e))))
    };
    match reader.sequence(numbers).ok()? {
        (inner, None) => rsa_of_numbers(&inner),
        (_, Some((n, e))) => rsa_spki(&n, &e).map(|spki| SpkiFingerprint::of(&spki)),
    }
}

fn read_to_end<'a>(fields: &mut impl Reader<'a>) -> der::Result<()> {
    while !fields.is_finished() {
        AnyRef::decode(fields)?;
    }
    Ok(())
}

/// The SubjectPublicKeyInfo of an RSA key (RFC 3279, section 2.3.1), in DER.
pub(super) fn rsa_spki(n: &[u8], e: &[u8]) -> Option<Vec<u8>> {
    let key = PublicRsaNumbers { modulus: UintRef::new(n).ok()?, public_exponent: UintRef::new(e).ok()? };
    of_rsa_public_key(&key.to_der().ok()?)
}

/// The SubjectPublicKeyInfo of an RSAPublicKey in PKCS #1.
pub(super) fn of_rsa_public_key(key: &[u8]) -> Option<Vec<u8>> {
    PublicRsaNumbers::from_der(key).ok()?;
    let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) };
    let subject_public_key = BitStringRef::from_bytes(key).ok()?;
    SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().ok()
}

/// RSAPublicKey (RFC 8017, appendix A.1.1).
#[derive(Sequence)]
struct PublicRsaNumbers<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

fn ecdsa(der: &[u8]) -> Option<SpkiFingerprint> {
    [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING, &ECDSA_P521_SHA512_ASN1_SIGNING]
        .into_iter()
        .find_map(|curve| {
            EcdsaKeyPair::from_pkcs8(curve, der).or_else(|_| EcdsaKeyPair::from_private_key_der(curve, der)).ok()
        })
        .and_then(|pair| of_public(pair.public_key()))
}

fn ed25519(der: &[u8]) -> Option<SpkiFingerprint> {
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
    of_public(pair.public_key())
}

fn of_public(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Option<SpkiFingerprint> {
    Some(SpkiFingerprint::of(key.as_der().ok()?.as_ref()))
}

const NOT_A_FINGERPRINT: &str = "this is no fingerprint; write the SHA-256 of a SubjectPublicKeyInfo as 64 hexadecimal digits or in base64, or put a PEM block";
const GIVE_PUBLIC: &str = "give the public key instead (openssl pkey -in key.pem -pubout)";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "e61971289dcf5a683a97c32802120b88f6c411e520ccf25963c05d079badac0e";

    #[test]
    fn all_forms_of_a_key_have_one_fingerprint() {
        for algorithm in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ECDSA_P521_SHA512,
            &rcgen::PKCS_ED25519,
            &rcgen::PKCS_RSA_SHA256,
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let parameters = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            let text = [
                key.serialize_pem(),
                key.public_key_pem(),
                parameters.serialize_request(&key).unwrap().pem().unwrap(),
                parameters.self_signed(&key).unwrap().pem(),
            ];
            let keys = CompromisedKeys::parse(&text.join("\n")).unwrap();
            assert_eq!(keys.len(), 1);
            assert!(keys.contains(&SpkiFingerprint::of(&rcgen::PublicKeyData::subject_public_key_info(&key))));
        }
    }

    #[test]
    fn lists_are_read_and_all_errors_reported() {
        let list = format!("# leaked 2026-11\n\n{HEX}  # build key\nsha256:{}\n", "00".repeat(32));
        let keys = CompromisedKeys::parse(&list).unwrap();
        assert_eq!((keys.len(), keys.is_empty()), (2, false));
        assert!(!keys.contains(&SpkiFingerprint([1; 32])));
        assert_eq!(CompromisedKeys::parse(include_str!("testdata/rsa1024.csr")).unwrap().len(), 1);
        assert_eq!(CompromisedKeys::parse("# none\n"), Ok(CompromisedKeys::default()));

        let block = |label: &str, content: &str| format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n");
        let bad = [
            "nonsense\n".to_owned(),
            format!("{HEX}\n"),
            block("ENCRYPTED PRIVATE KEY", "AAAA"),
            block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\n\nAAAA"),
            block("PRIVATE KEY", "AAAA"),
            block("DH PARAMETERS", "AAAA"),
            block("CERTIFICATE", "AAAA"),
            block("PUBLIC KEY", "AAAA"),
            block("CERTIFICATE REQUEST", "AAAA"),
            block("PUBLIC KEY", "*"),
        ];
        let errors = CompromisedKeys::parse(&bad.concat()).unwrap_err();
        let expected = [
            (1, "no fingerprint"),
            (3, "passphrase"),
            (6, "passphrase"),
            (11, "no public key"),
            (14, "not read here"),
            (17, "certificate cannot"),
            (20, "public key cannot"),
            (23, "request cannot"),
            (26, "base64"),
        ];
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for ((line, why), (expected_line, word)) in errors.iter().zip(expected) {
            assert!(*line == expected_line && why.contains(word), "{line}: {why}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), der in any::<Vec<u8>>(), label in 0..6_usize) {
            let labels = ["PUBLIC KEY", "CERTIFICATE", "CERTIFICATE REQUEST", "PRIVATE KEY", "RSA PRIVATE KEY", "X"];
            let _ = CompromisedKeys::parse(&text);
            let block = Block { line: 1, label: labels[label], has_headers: false, der: der.into() };
            let _ = of_block(&block);
        }
    }
}
