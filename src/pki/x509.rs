//! The parts that X.509's structures share: the fingerprints of keys, extensions, times, and what "signed" means.
//! Values are read where they stand and never encoded anew: signatures and digests are over the bytes as they came, and not every
//! CA writes the one form that DER allows. Reads no files.

use super::serial_number::SerialNumber;
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use der::asn1::{AnyRef, BitStringRef, ContextSpecific, ObjectIdentifier, OctetStringRef, UintRef};
use der::oid::db::{rfc5912 as algorithm, rfc8410::ID_ED_25519};
use der::{Decode, DecodeValue, FixedTag, Header, Reader, SliceReader, Tag, TagNumber, Tagged};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt;
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use x509_cert::time::Time;

/// SHA-256 of a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpkiFingerprint(pub [u8; 32]);

/// What certificates, CRLs, certificate requests and OCSP answers are alike: some content, and a signature over it (X.509's `SIGNED`;
/// RFC 5280, section 4.1).
pub(super) struct Signed<'a> {
    /// What is signed, whole: an element in DER as it came.
    pub(super) content: &'a [u8],
    /// By which algorithm.
    pub(super) algorithm: AlgorithmIdentifierRef<'a>,
    /// The signature.
    pub(super) signature: &'a [u8],
}

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignatureError {
    /// The algorithm is not known here, or not one for that key.
    UnknownAlgorithm,
    /// It was not made with that key over that content.
    Wrong,
}

/// An extension of a certificate, a request, a CRL or a CRL's entry (RFC 5280, section 4.1).
pub(super) struct Extension<'a> {
    /// What it is; `None` where the identifier is one that no standard has.
    pub(super) id: Option<ObjectIdentifier>,
    /// Whether who does not know it must not believe the rest.
    pub(super) critical: bool,
    /// Its value in DER.
    pub(super) value: &'a [u8],
}

impl SpkiFingerprint {
    /// The fingerprint of a SubjectPublicKeyInfo in DER.
    pub fn of(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }

    /// Reads 64 hexadecimal digits, with or without colons, or base64; `sha256:` or `SHA256:` may stand before it, or `sha256//`, as curl
    /// writes pins.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let bare = ["sha256:", "SHA256:", "sha256//"].iter().find_map(|prefix| text.strip_prefix(prefix));
        let text = bare.unwrap_or(text).trim_start();
        from_hex(text).or_else(|| from_base64(text)).map(Self)
    }
}

impl fmt::Display for SpkiFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&hex::encode(self.0))
    }
}

impl Signed<'_> {
    /// Whether a key has made the signature.
    ///
    /// # Errors
    /// It has not, or nobody here can tell.
    pub(super) fn verify(&self, key: &SubjectPublicKeyInfoRef<'_>) -> Result<(), SignatureError> {
        let verification = verification(&self.algorithm, key).ok_or(SignatureError::UnknownAlgorithm)?;
        let bits = key.subject_public_key.as_bytes().ok_or(SignatureError::Wrong)?;
        let verified = UnparsedPublicKey::new(verification, bits).verify(self.content, self.signature);
        verified.map_err(|_| SignatureError::Wrong)
    }
}

impl FixedTag for Signed<'_> {
    const TAG: Tag = Tag::Sequence;
}

impl<'a> DecodeValue<'a> for Signed<'a> {
    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        reader.read_nested(header.length, |reader| {
            let content = sequence_bytes(reader)?;
            let algorithm = reader.decode()?;
            let signature: BitStringRef<'a> = reader.decode()?;
            let signature = signature.as_bytes().ok_or_else(|| Tag::BitString.value_error())?;
            Ok(Self { content, algorithm, signature })
        })
    }
}

impl FixedTag for Extension<'_> {
    const TAG: Tag = Tag::Sequence;
}

impl<'a> DecodeValue<'a> for Extension<'a> {
    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        reader.read_nested(header.length, |reader| {
            let id = AnyRef::decode(reader)?;
            id.tag().assert_eq(Tag::ObjectIdentifier)?;
            // DER has TRUE as 0xFF alone, and some CAs write 0x01: BER, where all but 0x00 is true.
            let critical = reader.peek_tag()? == Tag::Boolean && AnyRef::decode(reader)?.value() != [0];
            let value = reader.decode::<OctetStringRef<'a>>()?.as_bytes();
            Ok(Self { id: ObjectIdentifier::from_bytes(id.value()).ok(), critical, value })
        })
    }
}

/// The modulus of an RSA key (RFC 8017, appendix A.1.1), without zeros in front.
pub(super) fn modulus<'a>(key: &SubjectPublicKeyInfoRef<'a>) -> Option<&'a [u8]> {
    let mut reader = SliceReader::new(key.subject_public_key.raw_bytes()).ok()?;
    let modulus = reader.sequence(|fields| {
        let modulus: UintRef<'_> = fields.decode()?;
        UintRef::decode(fields)?;
        Ok(modulus.as_bytes())
    });
    modulus.ok()
}

/// The length of a number in bits.
pub(super) fn bit_length(number: &[u8]) -> usize {
    number.len() * 8 - number.first().map_or(0, |first| first.leading_zeros() as usize)
}

/// A whole SEQUENCE as it came.
pub(super) fn sequence_bytes<'a>(reader: &mut impl Reader<'a>) -> der::Result<&'a [u8]> {
    reader.peek_tag()?.assert_eq(Tag::Sequence)?;
    reader.tlv_bytes()
}

/// The serial number that comes next. Any INTEGER will do: CAs have given negative ones, and longer ones than they should (RFC 5280,
/// section 4.1.2.2, asks readers to bear with them).
pub(super) fn serial_number<'a>(reader: &mut impl Reader<'a>) -> der::Result<SerialNumber> {
    let number = AnyRef::decode(reader)?;
    number.tag().assert_eq(Tag::Integer)?;
    Ok(SerialNumber::from_der(number.value()))
}

/// A time as a timestamp. "99991231235959Z" says that there is no end (RFC 5280, section 4.1.2.5), and is later than the latest one.
pub(super) fn timestamp(time: Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
    seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::MAX)
}

/// The curve that a key of the kind EC names.
pub(super) fn curve(key: &SubjectPublicKeyInfoRef<'_>) -> Option<ObjectIdentifier> {
    key.algorithm.parameters?.decode_as().ok()
}

/// How a signature by an algorithm is verified with a key. SHA-1 counts for RSA alone, since it is found on what old CAs publish;
/// requests that are signed so are refused before (`csr`).
fn verification(
    algorithm: &AlgorithmIdentifierRef<'_>,
    key: &SubjectPublicKeyInfoRef<'_>,
) -> Option<&'static dyn VerificationAlgorithm> {
    use algorithm::{
        ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ECDSA_WITH_SHA_512, ID_RSASSA_PSS, ID_SHA_256, ID_SHA_384, ID_SHA_512,
        SECP_256_R_1, SECP_384_R_1, SECP_521_R_1, SHA_1_WITH_RSA_ENCRYPTION, SHA_256_WITH_RSA_ENCRYPTION,
        SHA_384_WITH_RSA_ENCRYPTION, SHA_512_WITH_RSA_ENCRYPTION,
    };
    Some(match algorithm.oid {
        SHA_1_WITH_RSA_ENCRYPTION | SHA_1_WITH_RSA => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        SHA_256_WITH_RSA_ENCRYPTION => &signature::RSA_PKCS1_2048_8192_SHA256,
        SHA_384_WITH_RSA_ENCRYPTION => &signature::RSA_PKCS1_2048_8192_SHA384,
        SHA_512_WITH_RSA_ENCRYPTION => &signature::RSA_PKCS1_2048_8192_SHA512,
        ID_RSASSA_PSS => match pss_digest(algorithm)? {
            ID_SHA_256 => &signature::RSA_PSS_2048_8192_SHA256,
            ID_SHA_384 => &signature::RSA_PSS_2048_8192_SHA384,
            ID_SHA_512 => &signature::RSA_PSS_2048_8192_SHA512,
            _ => return None,
        },
        ID_ED_25519 => &signature::ED25519,
        digest => match (curve(key)?, digest) {
            (SECP_256_R_1, ECDSA_WITH_SHA_256) => &signature::ECDSA_P256_SHA256_ASN1,
            (SECP_256_R_1, ECDSA_WITH_SHA_384) => &signature::ECDSA_P256_SHA384_ASN1,
            (SECP_256_R_1, ECDSA_WITH_SHA_512) => &signature::ECDSA_P256_SHA512_ASN1,
            (SECP_384_R_1, ECDSA_WITH_SHA_256) => &signature::ECDSA_P384_SHA256_ASN1,
            (SECP_384_R_1, ECDSA_WITH_SHA_384) => &signature::ECDSA_P384_SHA384_ASN1,
            (SECP_384_R_1, ECDSA_WITH_SHA_512) => &signature::ECDSA_P384_SHA512_ASN1,
            (SECP_521_R_1, ECDSA_WITH_SHA_256) => &signature::ECDSA_P521_SHA256_ASN1,
            (SECP_521_R_1, ECDSA_WITH_SHA_384) => &signature::ECDSA_P521_SHA384_ASN1,
            (SECP_521_R_1, ECDSA_WITH_SHA_512) => &signature::ECDSA_P521_SHA512_ASN1,
            _ => return None,
        },
    })
}

/// The digest that an algorithm signs over, where collisions are made for it: CAs refuse requests over one, and certificates over one are weak.
pub(super) fn broken_digest(algorithm: &AlgorithmIdentifierRef<'_>) -> Option<&'static str> {
    let digest = if algorithm.oid == algorithm::ID_RSASSA_PSS { pss_digest(algorithm)? } else { algorithm.oid };
    BROKEN_DIGESTS.iter().find(|(oid, _)| *oid == digest).map(|(_, name)| *name)
}

/// The digest of RSASSA-PSS parameters (RFC 4055, section 3.1), which is SHA-1 where they name none. Mask and length of the salt are not read: the library verifies those that
/// belong to the digest, and no others.
fn pss_digest(algorithm: &AlgorithmIdentifierRef<'_>) -> Option<ObjectIdentifier> {
    let parameters = algorithm.parameters.filter(|parameters| parameters.tag() == Tag::Sequence)?;
    let mut reader = SliceReader::new(parameters.value()).ok()?;
    let digest = ContextSpecific::<AlgorithmIdentifierRef<'_>>::decode_explicit(&mut reader, TagNumber::N0).ok()?;
    Some(digest.map_or(algorithm::ID_SHA_1, |digest| digest.value.oid))
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let digits = if text.contains(':') {
        let pairs: Vec<&str> = text.split(':').collect();
        pairs.iter().all(|pair| pair.len() == 2).then(|| pairs.concat())?
    } else {
        text.to_owned()
    };
    hex::decode_to_slice(digits, &mut digest).ok().map(|()| digest)
}

fn from_base64(text: &str) -> Option<[u8; 32]> {
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [&alphabet::STANDARD, &alphabet::URL_SAFE]
        .into_iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, padding).decode(text).ok())
        .and_then(|bytes| bytes.try_into().ok())
}

/// OIW's name of SHA-1 with RSA, which old tools write in the place of PKCS #1's.
const SHA_1_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.29");
/// Signatures, and the digests of RSASSA-PSS.
const BROKEN_DIGESTS: [(ObjectIdentifier, &str); 17] = [
    (algorithm::MD_2_WITH_RSA_ENCRYPTION, "MD2"),
    (algorithm::ID_MD_2, "MD2"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.3"), "MD4"),
    (algorithm::MD_5_WITH_RSA_ENCRYPTION, "MD5"),
    (algorithm::ID_MD_5, "MD5"),
    (algorithm::SHA_1_WITH_RSA_ENCRYPTION, "SHA-1"),
    // `ecdsa-with-SHA1` (RFC 3279, section 2.2.3).
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"), "SHA-1"),
    (algorithm::DSA_WITH_SHA_1, "SHA-1"),
    (algorithm::ID_SHA_1, "SHA-1"),
    // OIW's names (Stable Implementation Agreements, part 12), with RSA and with DSA, which old tools write.
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.2"), "MD4"),
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.4"), "MD4"),
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.3"), "MD5"),
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.13"), "SHA-0"),
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.15"), "SHA-0"),
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.27"), "SHA-1"),
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.28"), "SHA-1"),
    (SHA_1_WITH_RSA, "SHA-1"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use der::{Encode as _, TagMode};

    const HEX: &str = "e61971289dcf5a683a97c32802120b88f6c411e520ccf25963c05d079badac0e";

    fn colons() -> String {
        HEX.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect::<Vec<_>>().join(":")
    }

    #[test]
    fn fingerprints_are_read_in_every_notation() {
        let base64 = base64::engine::general_purpose::STANDARD.encode(hex::decode(HEX).unwrap());
        for text in [
            HEX.to_owned(),
            HEX.to_uppercase(),
            colons(),
            format!(" sha256:{HEX}"),
            format!("SHA256:{}", base64.trim_end_matches('=')),
            base64.clone(),
            base64.replace('+', "-").replace('/', "_"),
        ] {
            assert_eq!(SpkiFingerprint::parse(&text).map(|key| key.to_string()).as_deref(), Some(HEX), "{text}");
        }
        for text in
            ["", "sha256:", &HEX[2..], &format!("{HEX}00"), &colons().replacen(':', "", 1), &base64[4..], "철회"]
        {
            assert_eq!(SpkiFingerprint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_signature_over_a_broken_digest_is_known_by_all_its_names() {
        let pss = |of: Option<ObjectIdentifier>| {
            let digest = of.map(|oid| {
                let name = AlgorithmIdentifierRef { oid, parameters: None };
                ContextSpecific { tag_number: TagNumber::N0, tag_mode: TagMode::Explicit, value: name }
                    .to_der()
                    .unwrap()
            });
            digest.unwrap_or_default()
        };
        let named = |oid: &str| (ObjectIdentifier::new(oid).unwrap(), None);
        let pss = |of| (algorithm::ID_RSASSA_PSS, Some(pss(of)));
        for ((oid, parameters), expected) in [
            (named("1.2.840.113549.1.1.4"), Some("MD5")),
            (named("1.2.840.113549.1.1.5"), Some("SHA-1")),
            (named("1.2.840.10045.4.1"), Some("SHA-1")),
            (named("1.3.14.3.2.29"), Some("SHA-1")),
            (named("1.3.14.3.2.27"), Some("SHA-1")),
            (named("1.3.14.3.2.3"), Some("MD5")),
            (named("1.2.840.113549.1.1.11"), None),
            (named("1.2.840.10045.4.3.2"), None),
            (pss(None), Some("SHA-1")),
            (pss(Some(algorithm::ID_SHA_1)), Some("SHA-1")),
            (pss(Some(algorithm::ID_SHA_256)), None),
        ] {
            let parameters = parameters.as_deref().map(|content| AnyRef::new(Tag::Sequence, content).unwrap());
            assert_eq!(broken_digest(&AlgorithmIdentifierRef { oid, parameters }), expected, "{oid}");
        }
    }
}
