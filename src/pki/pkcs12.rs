//! Certificates, and keys beside them, in stores under a password (PKCS #12, RFC 7292). Reads no files.
//!
//! `der` reads the structures; a password becomes keys here, and the ciphers are RustCrypto's. Triple-DES and RC2 with 40 bits, which Windows and
//! OpenSSL before 3 write, protect little, and are read alone.

use super::certificate::Certificate;
use aws_lc_rs::digest::{self, Context, digest};
use aws_lc_rs::{hmac, pbkdf2};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::oid::db::rfc5911::{ID_AES_128_CBC, ID_AES_192_CBC, ID_AES_256_CBC, ID_DATA, ID_ENCRYPTED_DATA, ID_PBKDF_2};
use der::oid::db::rfc5912::{ID_SHA_1, ID_SHA_224, ID_SHA_256, ID_SHA_384, ID_SHA_512};
use der::{Decode, Encode, Sequence};
use std::num::NonZeroU32;
use x509_cert::spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

/// Why a store gives no certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No password opens it.
    #[error("none of the passwords opens it")]
    WrongPassword,
    /// It is none, or is made in a way that is not read: the cause.
    #[error("the PKCS#12 store cannot be read: {0}")]
    Unreadable(String),
}

/// What a store holds.
#[derive(Default)]
pub struct Store {
    /// Its certificates.
    pub certificates: Vec<Certificate>,
    /// Its private keys, as PKCS #8 in DER.
    pub keys: Vec<Zeroizing<Vec<u8>>>,
}

/// `PFX` (RFC 7292, section 4).
#[derive(Sequence)]
struct Pfx<'a> {
    version: u8,
    auth_safe: ContentInfo<'a>,
    mac_data: Option<MacData<'a>>,
}

/// RFC 5652, section 3.
#[derive(Sequence)]
struct ContentInfo<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: AnyRef<'a>,
}

#[derive(Sequence)]
struct MacData<'a> {
    mac: DigestInfo<'a>,
    salt: OctetStringRef<'a>,
    #[asn1(default = "one")]
    iterations: u32,
}

#[derive(Sequence)]
struct DigestInfo<'a> {
    algorithm: AlgorithmIdentifierRef<'a>,
    digest: OctetStringRef<'a>,
}

/// RFC 5652, section 8. Its attributes are not protected, and are not read.
#[derive(Sequence)]
struct EncryptedData<'a> {
    version: u8,
    content: EncryptedContentInfo<'a>,
    attributes: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
struct EncryptedContentInfo<'a> {
    content_type: ObjectIdentifier,
    algorithm: AlgorithmIdentifierRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    encrypted: Option<OctetStringRef<'a>>,
}

/// RFC 7292, section 4.2.
#[derive(Sequence)]
struct SafeBag<'a> {
    id: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    value: AnyRef<'a>,
    attributes: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
struct CertBag<'a> {
    id: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    value: OctetStringRef<'a>,
}

/// RFC 5958, section 3.
#[derive(Sequence)]
struct EncryptedPrivateKeyInfo<'a> {
    algorithm: AlgorithmIdentifierRef<'a>,
    encrypted: OctetStringRef<'a>,
}

/// RFC 7292, appendix C.
#[derive(Sequence)]
struct PbeParameters<'a> {
    salt: OctetStringRef<'a>,
    iterations: u32,
}

/// RFC 8018, appendix A.4.
#[derive(Sequence)]
struct Pbes2Parameters<'a> {
    derivation: AlgorithmIdentifierRef<'a>,
    encryption: AlgorithmIdentifierRef<'a>,
}

/// RFC 8018, appendix A.2.
#[derive(Sequence)]
struct Pbkdf2Parameters<'a> {
    salt: OctetStringRef<'a>,
    iterations: u32,
    key_length: Option<u16>,
    prf: Option<AlgorithmIdentifierRef<'a>>,
}

/// The certificates of a store, opened with the first password that fits.
///
/// # Errors
/// None fits, or it cannot be read.
pub fn certificates<'p>(
    bytes: &[u8],
    passwords: impl IntoIterator<Item = &'p str>,
) -> Result<Vec<Certificate>, StoreError> {
    open(bytes, passwords).map(|store| store.certificates)
}

/// What a store holds, opened with the first password that fits.
///
/// # Errors
/// None fits, or it cannot be read.
pub fn open<'p>(bytes: &[u8], passwords: impl IntoIterator<Item = &'p str>) -> Result<Store, StoreError> {
    let mut failed = StoreError::WrongPassword;
    for password in passwords {
        match open_with(bytes, password) {
            Err(StoreError::WrongPassword) => {}
            Err(error) => failed = error,
            Ok(store) => return Ok(store),
        }
    }
    Err(failed)
}

fn open_with(bytes: &[u8], password: &str) -> Result<Store, StoreError> {
    let pfx = Pfx::from_der(bytes)?;
    if pfx.version != VERSION || pfx.auth_safe.content_type != ID_DATA {
        return Err(StoreError::Unreadable("it is signed, or of an unknown version".to_owned()));
    }
    let contents = pfx.auth_safe.content.decode_as::<OctetStringRef<'_>>()?.as_bytes();
    if let Some(mac) = &pfx.mac_data {
        check_mac(mac, password, contents)?;
    }
    let mut store = Store::default();
    for content in Vec::<ContentInfo<'_>>::from_der(contents)? {
        match content.content_type {
            ID_DATA => {
                read_bags(content.content.decode_as::<OctetStringRef<'_>>()?.as_bytes(), password, &mut store)?;
            }
            ID_ENCRYPTED_DATA => {
                let data = content.content.decode_as::<EncryptedData<'_>>()?.content;
                let Some(encrypted) = data.encrypted else { continue };
                let bags = decrypt(&data.algorithm, encrypted.as_bytes(), password)?;
                read_bags(&bags, password, &mut store).map_err(|error| match error {
                    // One of 256 wrong passwords leaves a padding that seems right.
                    StoreError::Unreadable(_) if pfx.mac_data.is_none() => StoreError::WrongPassword,
                    _ => error,
                })?;
            }
            other => return Err(StoreError::Unreadable(format!("a part of it is of the kind {other}"))),
        }
    }
    Ok(store)
}

fn read_bags(contents: &[u8], password: &str, store: &mut Store) -> Result<(), StoreError> {
    for bag in Vec::<SafeBag<'_>>::from_der(contents)? {
        match bag.id {
            CERTIFICATE_BAG => {
                let bag = bag.value.decode_as::<CertBag<'_>>()?;
                store.certificates.extend(Certificate::from_der(bag.value.as_bytes()).ok());
            }
            KEY_BAG => store.keys.push(Zeroizing::new(bag.value.to_der()?)),
            ENCRYPTED_KEY_BAG => {
                let key = bag.value.decode_as::<EncryptedPrivateKeyInfo<'_>>()?;
                store.keys.push(decrypt(&key.algorithm, key.encrypted.as_bytes(), password)?);
            }
            // CRLs and secrets.
            _ => {}
        }
    }
    Ok(())
}

fn check_mac(mac: &MacData<'_>, password: &str, contents: &[u8]) -> Result<(), StoreError> {
    let algorithm = mac.mac.algorithm.oid;
    let known = MACS.iter().find(|(oid, ..)| *oid == algorithm);
    let (_, hash, by) = known.ok_or_else(|| unread("its check value is made by", algorithm))?;
    let key =
        derive(hash, password, mac.salt.as_bytes(), Diversifier::Mac, bounded(mac.iterations)?, hash.output_len());
    hmac::verify(&hmac::Key::new(*by, &key), contents, mac.mac.digest.as_bytes()).map_err(|_| StoreError::WrongPassword)
}

fn decrypt(
    algorithm: &AlgorithmIdentifierRef<'_>,
    data: &[u8],
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let parameters = algorithm.parameters.unwrap_or(AnyRef::NULL);
    if algorithm.oid == PBES2 {
        return decrypt_pbes2(&parameters.decode_as()?, data, password);
    }
    let (key_length, decrypt): (_, Decrypt) = match algorithm.oid {
        PBE_TRIPLE_DES => (24, decrypt_cbc::<des::TdesEde3>),
        PBE_RC2_40 => (5, decrypt_cbc::<rc2::Rc2>),
        other => return Err(unread("it is encrypted by", other)),
    };
    let PbeParameters { salt, iterations } = parameters.decode_as()?;
    let iterations = bounded(iterations)?;
    let derive = |diversifier, length| {
        derive(&digest::SHA1_FOR_LEGACY_USE_ONLY, password, salt.as_bytes(), diversifier, iterations, length)
    };
    decrypt(&derive(Diversifier::Key, key_length), &derive(Diversifier::Iv, DES_BLOCK), data)
}

fn decrypt_pbes2(
    parameters: &Pbes2Parameters<'_>,
    data: &[u8],
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let Pbes2Parameters { derivation, encryption } = parameters;
    if derivation.oid != ID_PBKDF_2 {
        return Err(unread("its key is derived by", derivation.oid));
    }
    let derivation: Pbkdf2Parameters<'_> = derivation.parameters.unwrap_or(AnyRef::NULL).decode_as()?;
    let prf = derivation.prf.map_or(HMAC_SHA_1, |prf| prf.oid);
    let prf = PRFS.iter().find(|(oid, _)| *oid == prf).ok_or_else(|| unread("its key is derived by", prf))?.1;
    let (key_length, decrypt): (_, Decrypt) = match encryption.oid {
        ID_AES_128_CBC => (16, decrypt_cbc::<aes::Aes128>),
        ID_AES_192_CBC => (24, decrypt_cbc::<aes::Aes192>),
        ID_AES_256_CBC => (32, decrypt_cbc::<aes::Aes256>),
        TRIPLE_DES_CBC => (24, decrypt_cbc::<des::TdesEde3>),
        other => return Err(unread("it is encrypted by", other)),
    };
    let iv: OctetStringRef<'_> = encryption.parameters.unwrap_or(AnyRef::NULL).decode_as()?;
    let mut key = Zeroizing::new(vec![0; key_length]);
    let iterations = bounded(derivation.iterations)?;
    pbkdf2::derive(prf, iterations, derivation.salt.as_bytes(), password.as_bytes(), &mut key);
    decrypt(&key, iv.as_bytes(), data)
}

/// Decrypts with a key and an initialization vector.
type Decrypt = fn(&[u8], &[u8], &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError>;

fn decrypt_cbc<C: BlockCipherDecrypt + KeyInit>(
    key: &[u8],
    iv: &[u8],
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let wrong_iv = |_| StoreError::Unreadable("its initialization vector has a wrong length".to_owned());
    let cipher = cbc::Decryptor::<C>::new_from_slices(key, iv).map_err(wrong_iv)?;
    // Without a check value a wrong password shows by the padding alone.
    cipher.decrypt_padded_vec::<Pkcs7>(data).map(Zeroizing::new).map_err(|_| StoreError::WrongPassword)
}

/// What is derived from a password, by its number in RFC 7292, appendix B.3.
#[derive(Clone, Copy)]
enum Diversifier {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// RFC 7292, appendix B.2: the first octets of it.
fn derive(
    algorithm: &'static digest::Algorithm,
    password: &str,
    salt: &[u8],
    diversifier: Diversifier,
    iterations: NonZeroU32,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let block = algorithm.block_len();
    // In UTF-16, with a zero at its end (appendix B.1).
    let password = password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    let password = Zeroizing::new(password);
    // Each of them again and again, up to whole blocks.
    let parts = [salt, password.as_slice()].into_iter();
    let input = parts.flat_map(|part| part.iter().copied().cycle().take(part.len().next_multiple_of(block)));
    let mut input: Zeroizing<Vec<u8>> = Zeroizing::new(input.collect());
    let mut derived = Zeroizing::new(Vec::new());
    loop {
        let mut first = Context::new(algorithm);
        first.update(&vec![diversifier as u8; block]);
        first.update(&input);
        let hash = (1..iterations.get()).fold(first.finish(), |hash, _| digest(algorithm, hash.as_ref()));
        derived.extend_from_slice(hash.as_ref());
        if derived.len() >= length {
            derived.truncate(length);
            return derived;
        }
        // Each block of the input, as a number, plus the hash, repeated to a block's length, plus one.
        for number in input.chunks_mut(block) {
            let more = hash.as_ref();
            let mut carry = 1;
            for (place, octet) in number.iter_mut().enumerate().rev() {
                let sum = u16::from(*octet) + u16::from(more[place % more.len()]) + carry;
                let [low, high] = sum.to_le_bytes();
                (*octet, carry) = (low, u16::from(high));
            }
        }
    }
}

/// How often a password is hashed; a file must not make it endless.
fn bounded(iterations: u32) -> Result<NonZeroU32, StoreError> {
    let iterations = NonZeroU32::new(iterations).filter(|iterations| iterations.get() <= MAX_ITERATIONS);
    iterations.ok_or_else(|| {
        StoreError::Unreadable(format!("it hashes the password more than {MAX_ITERATIONS} times, or never"))
    })
}

fn unread(what: &str, algorithm: ObjectIdentifier) -> StoreError {
    StoreError::Unreadable(format!("{what} the algorithm {algorithm}, which is not read"))
}

fn one() -> u32 {
    1
}

impl From<der::Error> for StoreError {
    fn from(error: der::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

const VERSION: u8 = 3;
const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
const ENCRYPTED_KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const PBE_TRIPLE_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const PBE_RC2_40: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");
const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const TRIPLE_DES_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.3.7");
/// What PBKDF2 takes where nothing is said.
const HMAC_SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.7");
const PRFS: [(ObjectIdentifier, pbkdf2::Algorithm); 4] = [
    (HMAC_SHA_1, pbkdf2::PBKDF2_HMAC_SHA1),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.2.9"), pbkdf2::PBKDF2_HMAC_SHA256),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.2.10"), pbkdf2::PBKDF2_HMAC_SHA384),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.2.11"), pbkdf2::PBKDF2_HMAC_SHA512),
];
static MACS: [(ObjectIdentifier, &digest::Algorithm, hmac::Algorithm); 5] = [
    (ID_SHA_1, &digest::SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
    (ID_SHA_224, &digest::SHA224, hmac::HMAC_SHA224),
    (ID_SHA_256, &digest::SHA256, hmac::HMAC_SHA256),
    (ID_SHA_384, &digest::SHA384, hmac::HMAC_SHA384),
    (ID_SHA_512, &digest::SHA512, hmac::HMAC_SHA512),
];
/// Of DES and RC2, in octets.
const DES_BLOCK: usize = 8;
const MAX_ITERATIONS: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_opens_with_its_password_alone() {
        let modern = include_bytes!("testdata/stores/modern.p12");
        let legacy = include_bytes!("testdata/stores/legacy.p12");
        let unprotected = include_bytes!("testdata/stores/no-password.p12");
        let common_names = |bytes: &[u8], passwords: &[&str]| {
            certificates(bytes, passwords.iter().copied())
                .map(|all| all.iter().filter_map(Certificate::common_name).collect::<Vec<_>>())
        };
        for (store, passwords) in
            [(&modern[..], &["", "secret"][..]), (&legacy[..], &["wrong", "secret"]), (&unprotected[..], &[""])]
        {
            assert_eq!(common_names(store, passwords), Ok(vec!["shop.example.com".to_owned()]));
        }
        assert_eq!(common_names(modern, &["", "wrong"]), Err(StoreError::WrongPassword));
        assert_eq!(common_names(legacy, &["wrong"]), Err(StoreError::WrongPassword));
        for end in [0, 1, 30, 400, modern.len() - 1] {
            assert!(common_names(&modern[..end], &["secret"]).is_err(), "{end}");
        }
    }

    #[test]
    fn no_file_makes_it_panic_or_hash_for_ever() {
        let modern = include_bytes!("testdata/stores/modern.p12");
        for place in (0..modern.len()).step_by(17) {
            let mut broken = modern.to_vec();
            broken[place] ^= 0x55;
            assert!(open(&broken, ["wrong"]).is_err(), "{place}");
        }
        for (iterations, is_good) in [(0, false), (1, true), (MAX_ITERATIONS, true), (MAX_ITERATIONS + 1, false)] {
            assert_eq!(bounded(iterations).is_ok(), is_good, "{iterations}");
        }
    }
}
