//! Certificate requests (PKCS #10, RFC 2986): read, and checked for what every CA refuses. Reads no files.

use super::pem::{Piece, pieces};
use super::x509::{Extension, SignatureError, Signed, SpkiFingerprint, curve, sequence_bytes};
use der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier, UintRef};
use der::oid::db::rfc4519::COMMON_NAME;
use der::oid::db::rfc5280::{ID_CE_BASIC_CONSTRAINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE, ID_CE_SUBJECT_ALT_NAME};
use der::oid::db::rfc5912::{
    DSA_WITH_SHA_1, ID_EC_PUBLIC_KEY, ID_EXTENSION_REQ, ID_RSASSA_PSS, MD_2_WITH_RSA_ENCRYPTION,
    MD_5_WITH_RSA_ENCRYPTION, RSA_ENCRYPTION, SECP_256_R_1, SECP_384_R_1, SECP_521_R_1, SHA_1_WITH_RSA_ENCRYPTION,
};
use der::oid::db::rfc8410::ID_ED_25519;
use der::{Decode, DecodeValue, FixedTag, Header, Reader, SliceReader, Tag, TagNumber, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// A certificate request whose own signature is right and whose key is strong enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    common_name: Option<String>,
    dns_names: Vec<String>,
    spki: SpkiFingerprint,
}

/// The fields of what is signed (RFC 2986, section 4.1).
struct CertificationRequestInfo<'a> {
    subject: Name,
    spki: &'a [u8],
    key: SubjectPublicKeyInfoRef<'a>,
    /// Those of the first `extensionRequest` (RFC 2985, section 5.4.2).
    extensions: Vec<Extension<'a>>,
}

impl Csr {
    /// Reads a text that holds one PEM block with a certificate request, and nothing else.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right. It never repeats the text, which may be a private key.
    pub fn parse_pem(text: &str) -> Result<Self, String> {
        let mut found = None;
        for piece in pieces(text) {
            match piece {
                Piece::Broken(line, why) => return Err(format!("line {line}: {why}")),
                Piece::Line(line, _) => {
                    return Err(format!(
                        "line {line}: there is text outside of the PEM block; keep only the lines from \
                         `-----BEGIN CERTIFICATE REQUEST-----` to `-----END CERTIFICATE REQUEST-----`"
                    ));
                }
                Piece::Block(block) if LABELS.contains(&block.label) => {
                    if found.replace(block).is_some() {
                        return Err("there is more than one certificate request; give one".to_owned());
                    }
                }
                Piece::Block(block) => return Err(wrong_block(block.label)),
            }
        }
        let block = found.ok_or("there is no PEM block `CERTIFICATE REQUEST`")?;
        Self::parse_der(&block.der)
    }

    /// Reads a certificate request in DER.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right.
    pub fn parse_der(der: &[u8]) -> Result<Self, String> {
        let unreadable = |_| "the content is not a certificate request (PKCS #10)".to_owned();
        let mut reader = SliceReader::new(der).map_err(unreadable)?;
        let signed: Signed<'_> = reader.decode().map_err(unreadable)?;
        let fields = CertificationRequestInfo::from_der(signed.content).map_err(unreadable)?;
        if !reader.is_finished() {
            return Err("there are bytes after the certificate request".to_owned());
        }
        check_digest(signed.algorithm.oid)?;
        check_key(&fields.key)?;
        check_signature(&signed, &fields.key)?;
        Ok(Self {
            common_name: common_name(&fields.subject)?,
            dns_names: dns_names(&fields.extensions)?,
            spki: SpkiFingerprint::of(fields.spki),
        })
    }

    /// The fingerprint of the key that a request in DER is about, whatever else is wrong with it.
    pub(super) fn spki_of(der: &[u8]) -> der::Result<SpkiFingerprint> {
        let fields = CertificationRequestInfo::from_der(Signed::from_der(der)?.content)?;
        Ok(SpkiFingerprint::of(fields.spki))
    }

    /// The subject's common name.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The DNS names of the requested subject alternative name, as they are written.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// The fingerprint of the public key.
    pub fn spki(&self) -> SpkiFingerprint {
        self.spki
    }
}

impl FixedTag for CertificationRequestInfo<'_> {
    const TAG: Tag = Tag::Sequence;
}

impl<'a> DecodeValue<'a> for CertificationRequestInfo<'a> {
    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        reader.read_nested(header.length, |reader| {
            u8::decode(reader)?;
            let subject = reader.decode()?;
            let spki = sequence_bytes(reader)?;
            let attributes = ContextSpecific::<Attributes<'a>>::decode_implicit(reader, TagNumber::N0)?;
            let attributes = attributes.ok_or_else(|| Tag::Set.value_error())?.value;
            Ok(Self { subject, spki, key: SubjectPublicKeyInfoRef::from_der(spki)?, extensions: attributes.0 })
        })
    }
}

/// The requested extensions among the attributes. Others, such as a challenge password, are the CA's business.
struct Attributes<'a>(Vec<Extension<'a>>);

impl FixedTag for Attributes<'_> {
    const TAG: Tag = Tag::Set;
}

impl<'a> DecodeValue<'a> for Attributes<'a> {
    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let mut found = None;
        reader.read_nested(header.length, |reader| {
            while !reader.is_finished() {
                let (kind, values) = reader.sequence(|attribute| {
                    let kind = AnyRef::decode(attribute)?;
                    let values = AnyRef::decode(attribute)?;
                    values.tag().assert_eq(Tag::Set)?;
                    Ok((kind, values))
                })?;
                if kind.value() == ID_EXTENSION_REQ.as_bytes() && found.is_none() {
                    found = Some(SliceReader::new(values.value())?.decode()?);
                }
            }
            Ok(Self(found.unwrap_or_default()))
        })
    }
}

fn wrong_block(label: &str) -> String {
    let what = match label {
        _ if label.ends_with("PRIVATE KEY") => {
            "this is a private key, which must never be sent to anybody; give the certificate request made from it"
        }
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
            "this is a certificate; give the certificate request"
        }
        "PUBLIC KEY" | "RSA PUBLIC KEY" => "this is a public key; give the certificate request",
        _ => "this PEM block is of another kind; give a PEM block `CERTIFICATE REQUEST`",
    };
    what.to_owned()
}

fn check_digest(algorithm: ObjectIdentifier) -> Result<(), String> {
    match BROKEN_SIGNATURES.iter().find(|(oid, _)| *oid == algorithm) {
        Some((_, name)) => Err(format!("the request is signed with {name}, which CAs refuse; sign it with SHA-256")),
        None => Ok(()),
    }
}

/// CAs refuse other keys (CA/Browser Forum's Baseline Requirements, section 6.1.5); Ed25519 is for CAs of one's own.
fn check_key(key: &SubjectPublicKeyInfoRef<'_>) -> Result<(), String> {
    const RIGHT: &str = "use RSA with 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519";
    match key.algorithm.oid {
        RSA_ENCRYPTION => match modulus_bits(key) {
            None => Err("the request's RSA key cannot be read".to_owned()),
            Some(2048..=8192) => Ok(()),
            Some(bits) => Err(format!("the request's RSA key has {bits} bits; {RIGHT}")),
        },
        ID_EC_PUBLIC_KEY => match curve(key) {
            Some(SECP_256_R_1 | SECP_384_R_1 | SECP_521_R_1) => Ok(()),
            Some(other) => Err(format!("the request's EC key is on the curve {other}; {RIGHT}")),
            None => Err(format!("the request's EC key does not name its curve; {RIGHT}")),
        },
        ID_ED_25519 => Ok(()),
        other => Err(format!("the request's key is of the kind {other}; {RIGHT}")),
    }
}

/// The length of an RSA key's modulus (RFC 8017, appendix A.1.1).
fn modulus_bits(key: &SubjectPublicKeyInfoRef<'_>) -> Option<usize> {
    let mut reader = SliceReader::new(key.subject_public_key.raw_bytes()).ok()?;
    let modulus = reader.sequence(|fields| {
        let modulus: UintRef<'_> = fields.decode()?;
        UintRef::decode(fields)?;
        Ok(modulus.as_bytes())
    });
    modulus.ok().map(|modulus| modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize))
}

fn check_signature(signed: &Signed<'_>, key: &SubjectPublicKeyInfoRef<'_>) -> Result<(), String> {
    let algorithm = signed.algorithm.oid;
    match signed.verify(key) {
        Ok(()) => Ok(()),
        Err(SignatureError::UnknownAlgorithm) => Err(format!(
            "the request is signed with the algorithm {algorithm}, which does not fit its \
             key or is not known here; sign it with SHA-256, SHA-384 or SHA-512"
        )),
        Err(SignatureError::Wrong) if algorithm == ID_RSASSA_PSS => {
            Err("the request's own RSA-PSS signature is wrong, or its salt is not as long as its digest \
             (openssl: `-sigopt rsa_pss_saltlen:digest`)"
                .to_owned())
        }
        Err(SignatureError::Wrong) => {
            Err("the request's own signature is wrong: it was changed after it was made".to_owned())
        }
    }
}

fn common_name(subject: &Name) -> Result<Option<String>, String> {
    let attributes = subject.0.iter().flat_map(|names| names.0.iter());
    let mut names = attributes.filter(|attribute| attribute.oid == COMMON_NAME).map(|attribute| &attribute.value);
    let Some(name) = names.next() else { return Ok(None) };
    if names.next().is_some() {
        return Err("the request has more than one common name".to_owned());
    }
    // The letters are not looked at: `*` is none of a PrintableString's, and tools write it there.
    let is_text = matches!(name.tag(), Tag::NumericString | Tag::PrintableString | Tag::Utf8String | Tag::Ia5String);
    let text = is_text.then(|| std::str::from_utf8(name.value()).ok()).flatten();
    Ok(Some(text.ok_or("the request's common name is not in UTF-8 or ASCII")?.to_owned()))
}

fn dns_names(extensions: &[Extension<'_>]) -> Result<Vec<String>, String> {
    let mut dns_names = Vec::new();
    for extension in extensions {
        let readable = match extension.id {
            Some(ID_CE_SUBJECT_ALT_NAME) => SubjectAltName::from_der(extension.value).map(|names| {
                dns_names.extend(names.0.into_iter().filter_map(|name| match name {
                    GeneralName::DnsName(name) => Some(name.to_string()),
                    _ => None,
                }));
            }),
            Some(ID_CE_BASIC_CONSTRAINTS) => BasicConstraints::from_der(extension.value).map(drop),
            Some(ID_CE_KEY_USAGE) => KeyUsage::from_der(extension.value).map(drop),
            Some(ID_CE_EXT_KEY_USAGE) => ExtendedKeyUsage::from_der(extension.value).map(drop),
            _ => Ok(()),
        };
        readable.map_err(|_| "one of the request's extensions cannot be read")?;
    }
    Ok(dns_names)
}

const ECDSA_WITH_SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
const BROKEN_SIGNATURES: [(ObjectIdentifier, &str); 7] = [
    (MD_2_WITH_RSA_ENCRYPTION, "MD2"),
    (MD_5_WITH_RSA_ENCRYPTION, "MD5"),
    (SHA_1_WITH_RSA_ENCRYPTION, "SHA-1"),
    (ECDSA_WITH_SHA_1, "SHA-1"),
    (DSA_WITH_SHA_1, "SHA-1"),
    // OIW's names for SHA-1 with RSA and with DSA, which old tools write.
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.29"), "SHA-1"),
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.27"), "SHA-1"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RSA_CSR: &str = include_str!("testdata/rsa.csr");
    const P521_CSR: &str = include_str!("testdata/p521.csr");

    fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> String {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let mut parameters =
            rcgen::CertificateParams::new(vec!["a.example".to_owned(), "b.example".to_owned()]).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "a.example");
        parameters.serialize_request(&key).unwrap().pem().unwrap()
    }

    #[test]
    fn good_requests_are_read() {
        for algorithm in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ECDSA_P521_SHA512,
            &rcgen::PKCS_ED25519,
        ] {
            let csr = Csr::parse_pem(&made(algorithm)).unwrap();
            assert_eq!(csr.common_name(), Some("a.example"));
            assert_eq!(csr.dns_names(), ["a.example", "b.example"]);
        }
        for text in [
            RSA_CSR,
            P521_CSR,
            include_str!("testdata/rsa-pss.csr"),
            include_str!("testdata/p256-sha512.csr"),
            &RSA_CSR.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
            &format!("\u{feff}\r\n{}\r\n\r\n", RSA_CSR.replace('\n', "\r\n")),
        ] {
            let csr = Csr::parse_pem(text).unwrap();
            assert_eq!(csr.common_name(), Some("shop.example.com"));
            assert_eq!(csr.dns_names(), ["shop.example.com", "www.shop.example.com"]);
        }
        // As openssl computes it from the key.
        let expected = "e61971289dcf5a683a97c32802120b88f6c411e520ccf25963c05d079badac0e";
        assert_eq!(Csr::parse_pem(RSA_CSR).unwrap().spki().to_string(), expected);
    }

    #[test]
    fn requests_without_names_are_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        let csr = Csr::parse_pem(&parameters.serialize_request(&key).unwrap().pem().unwrap()).unwrap();
        assert_eq!((csr.common_name(), csr.dns_names().len()), (None, 0));
    }

    #[test]
    fn bad_requests_are_refused_with_a_reason() {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        for (text, expected) in [
            (String::new(), "no PEM block `CERTIFICATE REQUEST`"),
            (key.clone(), "this is a private key"),
            (format!("{RSA_CSR}{key}"), "this is a private key"),
            (RSA_CSR.replace("CERTIFICATE REQUEST", "CERTIFICATE"), "this is a certificate"),
            (RSA_CSR.replace("CERTIFICATE REQUEST", "PUBLIC KEY"), "this is a public key"),
            (RSA_CSR.replace("CERTIFICATE REQUEST", "PKCS7"), "of another kind"),
            (format!("{RSA_CSR}{RSA_CSR}"), "more than one"),
            (format!("Certificate Request:\n{RSA_CSR}"), "line 1: there is text outside"),
            (RSA_CSR.replace("-----END", "-----ENDE"), "line 1: the PEM block has no END line"),
            ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----".to_owned(), "PKCS #10"),
            (include_str!("testdata/rsa1024.csr").to_owned(), "has 1024 bits"),
            (include_str!("testdata/sha1.csr").to_owned(), "SHA-1"),
            (include_str!("testdata/rsa-pss-long-salt.csr").to_owned(), "rsa_pss_saltlen:digest"),
            (include_str!("testdata/md5.csr").to_owned(), "MD5"),
            (include_str!("testdata/secp256k1.csr").to_owned(), "curve 1.3.132.0.10"),
        ] {
            let error = Csr::parse_pem(&text).unwrap_err();
            assert!(error.contains(expected), "{error}");
            for line in key.lines() {
                assert!(!error.contains(line), "the error repeats a private key");
            }
        }
    }

    #[test]
    fn no_changed_byte_is_accepted_and_none_panics() {
        for text in [RSA_CSR, P521_CSR] {
            let Some(Piece::Block(block)) = pieces(text).into_iter().next() else { panic!("a block") };
            for at in 0..block.der.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut der = block.der.to_vec();
                    der[at] ^= flip;
                    let original = Csr::parse_der(&block.der);
                    // A change outside of what is signed may leave the request as it was, never make it another.
                    assert!(Csr::parse_der(&der).is_err() || Csr::parse_der(&der) == original, "byte {at}");
                }
                assert!(Csr::parse_der(&block.der[..at]).is_err(), "cut at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(at in 0..RSA_CSR.len(), with in any::<char>(), bytes in any::<Vec<u8>>()) {
            let mut text = RSA_CSR.to_owned();
            text.replace_range(at..=at, &with.to_string());
            let _ = Csr::parse_pem(&text);
            let _ = Csr::parse_pem(&String::from_utf8_lossy(&bytes));
            let _ = Csr::parse_der(&bytes);
        }
    }
}
