//! Public keys that are looked for: those that a person names by whatever they have of them (a private key, a public key, a request, a
//! certificate, a JSON Web Key, or the fingerprint itself), those on lists of compromised keys, and weak ones: RSA below 2048 bits, keys of
//! the ROCA generator and of Debian's broken OpenSSL, and certificates over SHA-1 or older digests. Keeps fingerprints alone, reads no
//! files, and never repeats what it read.

use super::certificate::Certificate;
use super::csr::Csr;
use super::pem::{self, Block, Piece, is_der, pieces};
use super::x509::{Signed, SpkiFingerprint, bit_length, broken_digest, modulus};
use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::oid::db::rfc5912::{
    ID_EC_PUBLIC_KEY, ID_RSASSA_PSS, RSA_ENCRYPTION, SECP_256_R_1, SECP_384_R_1, SECP_521_R_1,
};
use der::oid::db::rfc8410::ID_ED_25519;
use der::{Decode, Encode, Reader, Sequence, SliceReader, Tag};
use serde::Deserialize;
use std::collections::HashSet;
use std::fmt;
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

/// Keys that must not be used again, by their fingerprints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompromisedKeys(HashSet<SpkiFingerprint>);

/// Why a certificate is weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// An RSA key of so many bits, below 2048.
    ShortRsa(usize),
    /// The modulus has the form that Infineon's generator gave (CVE-2017-15361).
    Roca,
    /// The key is one of those that Debian's OpenSSL of 2006 to 2008 could make (CVE-2008-0166).
    Debian,
    /// The signature is over a digest for which collisions are made: SHA-1 and those before it.
    Digest(&'static str),
}

/// Debian's weak RSA keys: the last ten octets of the SHA-1 of `Modulus=…`, as the lists of `openssl-blacklist` hold them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct DebianKeys(HashSet<[u8; 10]>);

/// RSAPublicKey (RFC 8017, appendix A.1.1).
#[derive(Sequence)]
pub(super) struct RsaPublicKey<'a> {
    pub(super) n: UintRef<'a>,
    pub(super) e: UintRef<'a>,
}

/// What of a JSON Web Key (RFC 7517, RFC 7518) makes its public half, and a set of them. The private half is not even taken from the text.
#[derive(Deserialize)]
struct PublicJwk {
    kty: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    keys: Option<Vec<Self>>,
}

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

impl DebianKeys {
    /// Adds a list: twenty hexadecimal digits a line, `#` begins a comment.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn read(&mut self, text: &str) -> Result<(), u32> {
        for (line, number) in text.lines().zip(1_u32..) {
            let digits = line.split('#').next().unwrap_or_default().trim();
            if digits.is_empty() {
                continue;
            }
            // Lists of whole digests are as good: the end counts.
            let end = digits.len().checked_sub(20).and_then(|begin| digits.get(begin..)).unwrap_or_default();
            let mut octets = [0; 10];
            hex::decode_to_slice(end, &mut octets).map_err(|_| number)?;
            self.0.insert(octets);
        }
        Ok(())
    }

    fn has(&self, modulus: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let shown = format!("Modulus={}\n", hex::encode_upper(modulus));
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, shown.as_bytes());
        digest.as_ref().last_chunk().is_some_and(|end| self.0.contains(end))
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShortRsa(bits) => write!(formatter, "RSA {bits}"),
            Self::Roca => formatter.write_str("ROCA"),
            Self::Debian => formatter.write_str("Debian weak key"),
            Self::Digest(name) => formatter.write_str(name),
        }
    }
}

/// The fingerprints of the keys in a file, at least one.
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub fn of_file(bytes: &[u8]) -> Result<Vec<SpkiFingerprint>, String> {
    // A key on a curve is shorter than what DER is told by, and a text may begin with the same letter.
    match of_der(bytes) {
        Ok(key) => return Ok(vec![key]),
        Err(why) if is_der(bytes) => return Err(why),
        Err(_) => {}
    }
    let text = pem::text(bytes);
    if text.trim_start().starts_with('{') {
        return of_jwks(&text);
    }
    let mut keys = Vec::new();
    for piece in pieces(&text) {
        match piece {
            // What `openssl ecparam -genkey` writes before a key names a curve, and no key.
            Piece::Block(block) if block.label.ends_with(" PARAMETERS") => {}
            Piece::Block(block) if block.label == "RSA PUBLIC KEY" => {
                let spki = of_rsa_public_key(&block.der).ok_or("the public key cannot be read")?;
                keys.push(SpkiFingerprint::of(&spki));
            }
            Piece::Block(block) => {
                keys.push(of_block(&block).map_err(|why| format!("line {}: {why}", block.line))?);
            }
            Piece::Broken(line, why) => return Err(format!("line {line}: {why}")),
            // Beside a block, a line is a remark: `openssl x509 -text`, bag attributes.
            Piece::Line(_, line) => keys.extend(of_line(line.split('#').next().unwrap_or_default())),
        }
    }
    if keys.is_empty() {
        keys.extend(pem::bare(&text).and_then(|der| of_der(&der).ok()));
    }
    if keys.is_empty() { Err(WHAT_IS_A_KEY.to_owned()) } else { Ok(keys) }
}

/// All that is weak about a certificate.
pub fn weaknesses(certificate: &Certificate, debian: &DebianKeys) -> Vec<Weakness> {
    let mut found = Vec::new();
    if let Some(modulus) = rsa_modulus(&certificate.spki) {
        let bits = bit_length(modulus);
        if bits < MIN_RSA_BITS {
            found.push(Weakness::ShortRsa(bits));
        }
        if is_roca(modulus) {
            found.push(Weakness::Roca);
        }
        if debian.has(modulus) {
            found.push(Weakness::Debian);
        }
    }
    if let Ok(signed) = Signed::from_der(&certificate.der)
        && let Some(name) = broken_digest(&signed.algorithm)
    {
        found.push(Weakness::Digest(name));
    }
    found
}

/// The public half of a private key in PKCS #8, PKCS #1 or SEC 1.
pub(super) fn of_private_key(der: &[u8]) -> Result<SpkiFingerprint, String> {
    rsa(der)
        .or_else(|| ecdsa(der))
        .or_else(|| ed25519(der))
        .ok_or_else(|| format!("no public key could be taken from the private key; {GIVE_PUBLIC}"))
}

/// A fingerprint by itself, or as the tools print it that make one: `SHA2-256(stdin)= 0a1b…`, `0a1b…  -`.
fn of_line(line: &str) -> Option<SpkiFingerprint> {
    let named = || SpkiFingerprint::parse(line.rsplit_once("= ")?.1);
    let first = || SpkiFingerprint::parse(line.split_whitespace().next()?);
    SpkiFingerprint::parse(line).or_else(named).or_else(first)
}

fn of_der(der: &[u8]) -> Result<SpkiFingerprint, String> {
    if der.first() != Some(&0x30) {
        return Err(WHAT_IS_A_KEY.to_owned());
    }
    if SubjectPublicKeyInfoRef::from_der(der).is_ok() {
        return Ok(SpkiFingerprint::of(der));
    }
    let certificate = Certificate::parse(der).ok().map(|certificate| SpkiFingerprint::of(&certificate.spki));
    certificate
        .or_else(|| Csr::spki_of(der).ok())
        .or_else(|| of_private_key(der).ok())
        .or_else(|| of_rsa_public_key(der).map(|spki| SpkiFingerprint::of(&spki)))
        .ok_or_else(|| WHAT_IS_A_KEY.to_owned())
}

/// The fingerprint of the key that a PEM block is about.
fn of_block(block: &Block<'_>) -> Result<SpkiFingerprint, String> {
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
fn rsa_spki(n: &[u8], e: &[u8]) -> Option<Vec<u8>> {
    let key = RsaPublicKey { n: UintRef::new(n).ok()?, e: UintRef::new(e).ok()? };
    of_rsa_public_key(&key.to_der().ok()?)
}

/// The SubjectPublicKeyInfo of an RSAPublicKey in PKCS #1.
fn of_rsa_public_key(key: &[u8]) -> Option<Vec<u8>> {
    RsaPublicKey::from_der(key).ok()?;
    let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) };
    let subject_public_key = BitStringRef::from_bytes(key).ok()?;
    SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().ok()
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

fn of_jwks(text: &str) -> Result<Vec<SpkiFingerprint>, String> {
    // serde's words would repeat a part of the text.
    let read: PublicJwk = serde_json::from_str(text).map_err(|_| "this is no JSON Web Key")?;
    let all = match read.keys {
        Some(keys) => keys,
        None => vec![read],
    };
    let keys: Option<Vec<SpkiFingerprint>> =
        all.iter().map(|key| of_jwk(key).map(|spki| SpkiFingerprint::of(&spki))).collect();
    match keys {
        Some(keys) if !keys.is_empty() => Ok(keys),
        _ => Err("this is no JSON Web Key of RSA, P-256, P-384, P-521 or Ed25519".to_owned()),
    }
}

fn of_jwk(key: &PublicJwk) -> Option<Vec<u8>> {
    let number = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok();
    let spki = |oid, curve: Option<&ObjectIdentifier>, bits: &[u8]| {
        let parameters = curve.map(AnyRef::from);
        let algorithm = AlgorithmIdentifierRef { oid, parameters };
        SubjectPublicKeyInfoRef { algorithm, subject_public_key: BitStringRef::from_bytes(bits).ok()? }.to_der().ok()
    };
    match (key.kty.as_deref()?, key.crv.as_deref()) {
        ("RSA", _) => rsa_spki(&number(&key.n)?, &number(&key.e)?),
        ("OKP", Some("Ed25519")) => spki(ID_ED_25519, None, &number(&key.x)?),
        ("EC", Some(curve)) => {
            let (curve, length) = match curve {
                "P-256" => (SECP_256_R_1, 32),
                "P-384" => (SECP_384_R_1, 48),
                "P-521" => (SECP_521_R_1, 66),
                _ => return None,
            };
            let (x, y) = (number(&key.x)?, number(&key.y)?);
            // RFC 5480, section 2.2: 4 says that both coordinates follow, whole.
            let point = [&[4][..], &x, &y].concat();
            (x.len() == length && y.len() == length).then(|| spki(ID_EC_PUBLIC_KEY, Some(&curve), &point))?
        }
        _ => None,
    }
}

/// The modulus of an RSA key, whatever its signatures are like (RFC 4055, section 1.2).
fn rsa_modulus(spki: &[u8]) -> Option<&[u8]> {
    let key = SubjectPublicKeyInfoRef::from_der(spki).ok()?;
    [RSA_ENCRYPTION, ID_RSASSA_PSS].contains(&key.algorithm.oid).then(|| modulus(&key))?
}

/// Whether a modulus is in the group that 65537 generates, modulo each of the first primes: ROCA's primes are `k * M + (65537^a mod M)`
/// (Nemec and others, CCS 2017, section 3). By chance one modulus in some 2^27 is.
fn is_roca(modulus: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|prime| {
        let residue = modulus.iter().fold(0, |rest, octet| (rest * 256 + u32::from(*octet)) % prime);
        let (generator, mut power) = (65537 % prime, 1);
        loop {
            if power == residue {
                return true;
            }
            power = power * generator % prime;
            if power == 1 {
                return false;
            }
        }
    })
}

const WHAT_IS_A_KEY: &str = "there is no key in it; give a private key without a passphrase, a public key, a request or a certificate \
    (PEM or DER), a JSON Web Key, or the SHA-256 of the SubjectPublicKeyInfo in hexadecimal digits";
const NOT_A_FINGERPRINT: &str = "this is no fingerprint; write the SHA-256 of a SubjectPublicKeyInfo as 64 hexadecimal digits or in base64, or put a PEM block";
const GIVE_PUBLIC: &str = "give the public key instead (openssl pkey -in key.pem -pubout)";
/// CA/Browser Forum, Baseline Requirements, section 6.1.5.
const MIN_RSA_BITS: usize = 2048;
/// The primes whose product is the smallest M of the generator (512-bit keys); all larger ones are multiples of it.
const ROCA_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::pem::encode;
    use proptest::prelude::*;
    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512,
        PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData,
    };

    const HEX: &str = "e61971289dcf5a683a97c32802120b88f6c411e520ccf25963c05d079badac0e";

    #[test]
    fn all_forms_of_a_key_have_one_fingerprint() {
        for algorithm in
            [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P521_SHA512, &PKCS_ED25519, &PKCS_RSA_SHA256]
        {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let parameters = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            let text = [
                key.serialize_pem(),
                key.public_key_pem(),
                parameters.serialize_request(&key).unwrap().pem().unwrap(),
                parameters.self_signed(&key).unwrap().pem(),
            ];
            let keys = CompromisedKeys::parse(&text.join("\n")).unwrap();
            assert_eq!(keys.len(), 1);
            assert!(keys.contains(&SpkiFingerprint::of(&key.subject_public_key_info())));
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

    #[test]
    fn every_form_of_a_key_has_one_fingerprint() {
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let spki = key.subject_public_key_info();
            let expected = SpkiFingerprint::of(&spki);
            let certificate = CertificateParams::new(vec!["a.example".into()]).unwrap().self_signed(&key).unwrap();
            let request = CertificateParams::new(vec!["a.example".into()]).unwrap().serialize_request(&key).unwrap();
            let forms: Vec<(&str, Vec<u8>)> = vec![
                ("private key", key.serialize_pem().into_bytes()),
                ("private key in DER", key.serialize_der()),
                ("public key in DER", spki.clone()),
                ("public key", encode("PUBLIC KEY", &spki).into_bytes()),
                ("certificate", certificate.pem().into_bytes()),
                ("certificate in DER", certificate.der().to_vec()),
                ("request", request.pem().unwrap().into_bytes()),
                ("request in DER", request.der().to_vec()),
                ("fingerprint", expected.to_string().into_bytes()),
                ("fingerprint with a remark", format!("# leaked\nsha256:{expected} # on Monday\n").into_bytes()),
                ("key below parameters", {
                    let parameters = encode("EC PARAMETERS", &[6, 1, 1]);
                    (parameters + &key.serialize_pem()).into_bytes()
                }),
            ];
            for (what, bytes) in forms {
                assert_eq!(of_file(&bytes), Ok(vec![expected]), "{what}");
            }
        }
    }

    #[test]
    fn json_web_keys_and_pkcs1_have_the_fingerprints_of_their_keys() {
        let keys = |text: &str| of_file(text.as_bytes());
        for (jwk, pem) in [
            (include_str!("testdata/keys/p256.jwk"), include_str!("testdata/keys/p256.pem")),
            (include_str!("testdata/keys/p384.jwk"), include_str!("testdata/keys/p384-sec1.pem")),
            (include_str!("testdata/keys/rsa.jwk"), include_str!("testdata/keys/rsa.pem")),
            (include_str!("testdata/keys/rsa-pkcs1.pem"), include_str!("testdata/keys/rsa-certificate.pem")),
        ] {
            assert_eq!(keys(jwk), keys(pem));
            assert!(keys(pem).is_ok());
            if jwk.starts_with('{') {
                assert_eq!(keys(&format!("{{\"keys\": [{jwk}]}}")), keys(pem));
            }
        }
        // Too short to sign with, and the more to be looked for.
        let (private, public) =
            (include_str!("testdata/keys/rsa1024.pem"), include_str!("testdata/keys/rsa1024-public.pem"));
        assert_eq!(keys(private), keys(public));
        assert!(keys(public).is_ok());
        for (text, expected) in [
            ("", "there is no key in it"),
            ("{\"secret\": 1}", "no JSON Web Key"),
            ("{secret", "no JSON Web Key"),
            (include_str!("testdata/keys/encrypted.pem"), "passphrase"),
        ] {
            let said = keys(text).unwrap_err();
            assert!(said.contains(expected) && !said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn the_form_of_roca_is_told() {
        // The product of two primes of that form would be 1 modulo all small primes where both exponents are 0; so is any number that is.
        let mut product = vec![1_u8];
        for prime in ROCA_PRIMES {
            let mut carry = 0_u32;
            for octet in product.iter_mut().rev() {
                carry += u32::from(*octet) * prime;
                *octet = u8::try_from(carry % 256).unwrap();
                carry /= 256;
            }
            while carry > 0 {
                product.insert(0, u8::try_from(carry % 256).unwrap());
                carry /= 256;
            }
        }
        assert!(product.len() > 20);
        let last = product.len() - 1;
        product[last] += 1;
        assert!(is_roca(&product));
        product[last] += 1;
        // 2 is no power of 65537 modulo 7, where that is 3 and gives all; but modulo 11, where it is 10, it is none.
        assert!(!is_roca(&product));
    }

    #[test]
    fn short_keys_old_digests_and_debians_keys_are_told() {
        let read = |pem: &str| Certificate::parse(pem.as_bytes()).unwrap();
        let short = read(include_str!("testdata/keys/rsa1024-certificate.pem"));
        let strong = read(include_str!("testdata/keys/rsa-certificate.pem"));
        let mut debian = DebianKeys::default();
        assert_eq!(debian.read("# a list\n\nzz"), Err(3));
        debian.read("# RSA\n00112233445566778899\n").unwrap();
        let shown = |certificate: &Certificate, debian: &DebianKeys| {
            weaknesses(certificate, debian).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(shown(&short, &debian), "RSA 1024, SHA-1");
        assert_eq!(shown(&strong, &debian), "");
        assert_eq!(shown(&read(include_str!("testdata/keys/p256-certificate.pem")), &debian), "");
        let modulus = rsa_modulus(&strong.spki).unwrap();
        let digest = digest::digest(
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            format!("Modulus={}\n", hex::encode_upper(modulus)).as_bytes(),
        );
        debian.read(&hex::encode(&digest.as_ref()[10..])).unwrap();
        assert_eq!(shown(&strong, &debian), "Debian weak key");
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
