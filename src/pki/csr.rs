//! Certificate requests (PKCS #10, RFC 2986): read, and checked for what every CA refuses; and made, with new keys that sign them. Reads and
//! writes no files; a new key leaves only as the text that is to be kept.

use super::names::{GeneralNames, letters};
use super::pem::{self, Piece, is_der, pieces};
use super::x509::{
    Extension, SignatureError, Signed, SpkiFingerprint, bit_length, broken_digest, curve, modulus, sequence_bytes,
};
use der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier};
use der::oid::db::rfc4519::COMMON_NAME;
use der::oid::db::rfc5280::{ID_CE_BASIC_CONSTRAINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE, ID_CE_SUBJECT_ALT_NAME};
use der::oid::db::rfc5912::{
    ID_EC_PUBLIC_KEY, ID_EXTENSION_REQ, ID_RSASSA_PSS, RSA_ENCRYPTION, SECP_256_R_1, SECP_384_R_1, SECP_521_R_1,
};
use der::oid::db::rfc8410::ID_ED_25519;
use der::{Decode, DecodeValue, FixedTag, Header, Reader, SliceReader, Tag, TagNumber, Tagged};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_RSA_SHA256, RsaKeySize, SanType,
};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::name::Name;
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

/// A certificate request whose own signature is right and whose key is strong enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    der: Vec<u8>,
    common_name: Option<String>,
    names: GeneralNames,
    spki: SpkiFingerprint,
    has_challenge_password: bool,
}

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

/// The fields of what is signed (RFC 2986, section 4.1).
struct CertificationRequestInfo<'a> {
    subject: Name,
    spki: &'a [u8],
    key: SubjectPublicKeyInfoRef<'a>,
    attributes: Attributes<'a>,
}

/// What matters among the attributes.
struct Attributes<'a> {
    /// Those of the first `extensionRequest` (RFC 2985, section 5.4.2), or of what Windows wrote before there was one.
    extensions: Vec<Extension<'a>>,
    has_challenge_password: bool,
}

impl Csr {
    /// Reads the one certificate request of a file: in PEM, whatever stands around the block, in UTF-8 or UTF-16; or in DER.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what would be right. It never repeats the text, which may be a private key.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if is_der(bytes) {
            // What made the file a text may have put a line end behind it.
            let first = SliceReader::new(bytes).and_then(|mut reader| sequence_bytes(&mut reader)).unwrap_or(bytes);
            return Self::parse_der(if bytes[first.len()..].trim_ascii().is_empty() { first } else { bytes });
        }
        let text = pem::text(bytes);
        let mut found: Option<pem::Block<'_>> = None;
        for piece in pieces(&text) {
            match piece {
                Piece::Broken(line, why) => return Err(format!("line {line}: {why}")),
                // `openssl req -text` prints the request in words, too. Only the block is read, and only what was read is sent.
                Piece::Line(..) => {}
                Piece::Block(block) if LABELS.contains(&block.label) => match &found {
                    Some(first) if first.der != block.der => {
                        return Err("there is more than one certificate request; give one".to_owned());
                    }
                    _ => found = Some(block),
                },
                Piece::Block(block) => return Err(wrong_block(block.label)),
            }
        }
        match found {
            Some(block) => Self::parse_der(&block.der),
            None => Self::parse_der(
                &pem::bare(&text).ok_or("there is no PEM block `CERTIFICATE REQUEST`, and it is none in DER")?,
            ),
        }
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
        check_digest(&signed.algorithm)?;
        check_key(&fields.key)?;
        check_signature(&signed, &fields.key)?;
        Ok(Self {
            der: der.to_owned(),
            common_name: common_name(&fields.subject)?,
            names: alternative_names(&fields.attributes.extensions)?,
            spki: SpkiFingerprint::of(fields.spki),
            has_challenge_password: fields.attributes.has_challenge_password,
        })
    }

    /// As it is sent, whatever form it came in: PEM with the label of RFC 7468, LF and 64 columns.
    pub fn to_pem(&self) -> String {
        pem::encode(LABELS[0], &self.der)
    }

    /// The fingerprint of the key that a request in DER is about, whatever else is wrong with it.
    pub(super) fn spki_of(der: &[u8]) -> der::Result<SpkiFingerprint> {
        let fields = CertificationRequestInfo::from_der(Signed::from_der(der)?.content)?;
        Ok(SpkiFingerprint::of(fields.spki))
    }

    /// SHA-256 of it in DER, in hexadecimal digits.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.der))
    }

    /// What stands for it where it must not be kept itself: the file that it is in, and its digest.
    pub fn reference(&self, path: &str) -> String {
        reference(path, &self.digest())
    }

    /// The subject's common name.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The requested alternative names.
    pub fn names(&self) -> &GeneralNames {
        &self.names
    }

    /// Whether it carries a password by which its certificate may be revoked (`challengePassword`; RFC 2985, section 5.4.1), for all to
    /// read who see the request.
    pub fn has_challenge_password(&self) -> bool {
        self.has_challenge_password
    }

    /// The fingerprint of the public key.
    pub fn spki(&self) -> SpkiFingerprint {
        self.spki
    }
}

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

/// The DER of a request in PEM as [`Csr::to_pem`] writes it; `None` of any other text. It is not judged again.
pub fn der_of_pem(text: &str) -> Option<Vec<u8>> {
    let mut blocks = pieces(text).into_iter();
    match blocks.next()? {
        Piece::Block(block) if LABELS.contains(&block.label) => Some(block.der.to_vec()),
        _ => None,
    }
}

/// Takes what follows `file:` apart: the path, and the digest where there is one ([`Csr::reference`]).
pub fn split_reference(named: &str) -> (&str, Option<&str>) {
    let is_digest = |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match named.rsplit_once(DIGEST) {
        Some((path, digest)) if is_digest(&digest) => (path, Some(digest)),
        _ => (named, None),
    }
}

/// A reference to a file whose content is told by a digest: of a request, or of a key ([`super::SentKey`]).
pub(super) fn reference(path: &str, digest: &str) -> String {
    format!("file:{path}{DIGEST}{digest}")
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
            Ok(Self { subject, spki, key: SubjectPublicKeyInfoRef::from_der(spki)?, attributes })
        })
    }
}

impl FixedTag for Attributes<'_> {
    const TAG: Tag = Tag::Set;
}

impl<'a> DecodeValue<'a> for Attributes<'a> {
    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let (mut found, mut has_challenge_password) = (None, false);
        reader.read_nested(header.length, |reader| {
            while !reader.is_finished() {
                let (kind, values) = reader.sequence(|attribute| {
                    let kind = AnyRef::decode(attribute)?;
                    let values = AnyRef::decode(attribute)?;
                    values.tag().assert_eq(Tag::Set)?;
                    Ok((kind, values))
                })?;
                has_challenge_password |= kind.value() == CHALLENGE_PASSWORD.as_bytes();
                let holds_extensions =
                    [ID_EXTENSION_REQ, MICROSOFT_EXTENSIONS].map(|known| kind.value() == known.as_bytes());
                if holds_extensions.contains(&true) && found.is_none() {
                    found = Some(SliceReader::new(values.value())?.decode()?);
                }
            }
            Ok(Self { extensions: found.unwrap_or_default(), has_challenge_password })
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

fn check_digest(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<(), String> {
    match broken_digest(algorithm) {
        Some(name) => Err(format!("the request is signed with {name}, which CAs refuse; sign it with SHA-256")),
        None => Ok(()),
    }
}

/// CAs refuse other keys (CA/Browser Forum's Baseline Requirements, section 6.1.5); Ed25519 is for CAs of one's own.
fn check_key(key: &SubjectPublicKeyInfoRef<'_>) -> Result<(), String> {
    const RIGHT: &str = "use RSA with 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519";
    match key.algorithm.oid {
        RSA_ENCRYPTION => match modulus(key).map(bit_length) {
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
    let text = letters(name.tag(), name.value());
    Ok(Some(text.ok_or("the request's common name is no text")?))
}

fn alternative_names(extensions: &[Extension<'_>]) -> Result<GeneralNames, String> {
    let mut names = GeneralNames::default();
    for extension in extensions {
        let is_readable = match extension.id {
            Some(ID_CE_SUBJECT_ALT_NAME) => GeneralNames::parse(extension.value).map(|found| names = found).is_some(),
            Some(ID_CE_BASIC_CONSTRAINTS) => BasicConstraints::from_der(extension.value).is_ok(),
            Some(ID_CE_KEY_USAGE) => KeyUsage::from_der(extension.value).is_ok(),
            Some(ID_CE_EXT_KEY_USAGE) => ExtendedKeyUsage::from_der(extension.value).is_ok(),
            _ => true,
        };
        if !is_readable {
            return Err("one of the request's extensions cannot be read".to_owned());
        }
    }
    // RFC 5280, section 4.1.2.4: only A-labels stand in certificates, and CAs refuse others.
    if names.dns.iter().any(|name| !name.is_ascii()) {
        return Err(
            "the request has a DNS name with letters beyond ASCII; write it there in A-labels (`xn--…`)".to_owned()
        );
    }
    Ok(names)
}

/// The standard's label (RFC 7468, section 7), and the older one that Windows writes.
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
/// Between a path and a digest.
const DIGEST: &str = "#sha256=";
/// RFC 2985, section 5.4.1.
const CHALLENGE_PASSWORD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.7");
/// `szOID_CERT_EXTENSIONS`, in the place of `extensionRequest`.
const MICROSOFT_EXTENSIONS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.14");
/// RFC 5280, appendix A.1.
const MAX_COMMON_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::public_keys;
    use proptest::prelude::*;

    const RSA_CSR: &str = include_str!("testdata/rsa.csr");
    const P521_CSR: &str = include_str!("testdata/p521.csr");

    fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> String {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut parameters = CertificateParams::new(vec!["a.example".to_owned(), "b.example".to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, "a.example");
        parameters.serialize_request(&key).unwrap().pem().unwrap()
    }

    #[test]
    fn good_requests_are_read() {
        for algorithm in
            [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ECDSA_P521_SHA512, &rcgen::PKCS_ED25519]
        {
            let csr = Csr::parse(made(algorithm).as_bytes()).unwrap();
            assert_eq!(csr.common_name(), Some("a.example"));
            assert_eq!(csr.names().dns, ["a.example", "b.example"]);
        }
        for text in [
            RSA_CSR,
            P521_CSR,
            include_str!("testdata/rsa-pss.csr"),
            include_str!("testdata/p256-sha512.csr"),
            &RSA_CSR.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
            &format!("\u{feff}\r\n{}\r\n\r\n", RSA_CSR.replace('\n', "\r\n")),
        ] {
            let csr = Csr::parse(text.as_bytes()).unwrap();
            assert_eq!(csr.common_name(), Some("shop.example.com"));
            assert_eq!(csr.names().dns, ["shop.example.com", "www.shop.example.com"]);
        }
        // As openssl computes it from the key.
        let expected = "e61971289dcf5a683a97c32802120b88f6c411e520ccf25963c05d079badac0e";
        assert_eq!(Csr::parse(RSA_CSR.as_bytes()).unwrap().spki().to_string(), expected);
    }

    #[test]
    fn whatever_form_a_request_comes_in_one_is_sent() {
        let Some(Piece::Block(block)) = pieces(RSA_CSR).into_iter().next() else { panic!("a block") };
        let wide =
            |text: &str| [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let base64: String = RSA_CSR.lines().filter(|line| !line.starts_with('-')).collect();
        let forms: [Vec<u8>; 13] = [
            base64.clone().into(),
            RSA_CSR.into(),
            RSA_CSR.replace('\n', "\r\n").into(),
            RSA_CSR.replace('\n', "\r").into(),
            format!("\u{feff}{RSA_CSR}").into(),
            RSA_CSR.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST").into(),
            format!("Certificate Request:\n    Data: M\u{fc}ller\n{RSA_CSR}\nthanks\n").into(),
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{base64}\n-----END CERTIFICATE REQUEST-----").into(),
            format!("-----BEGIN CERTIFICATE REQUEST----- {base64} -----END CERTIFICATE REQUEST-----").into(),
            format!("{RSA_CSR}{RSA_CSR}").into(),
            wide(RSA_CSR),
            block.der.to_vec(),
            [block.der.as_slice(), b"\r\n"].concat(),
        ];
        for form in forms {
            let sent = Csr::parse(&form).unwrap().to_pem();
            assert_eq!(sent, RSA_CSR, "{}", String::from_utf8_lossy(&form));
        }
    }

    #[test]
    fn names_of_every_kind_and_passwords_are_told() {
        let csr = Csr::parse(include_bytes!("testdata/kinds.csr")).unwrap();
        assert_eq!(csr.names().dns, ["xn--bcher-kva.example"]);
        let ip: Vec<String> = csr.names().ip.iter().map(ToString::to_string).collect();
        assert_eq!(ip, ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(csr.names().others, ["e-mail a@b.example", "URI https://b.example/"]);
        assert!(csr.has_challenge_password());
        assert!(!Csr::parse(RSA_CSR.as_bytes()).unwrap().has_challenge_password());
        // As the old tools of Windows wrote the extensions.
        let windows = Csr::parse(include_bytes!("testdata/windows.csr")).unwrap();
        assert_eq!(windows.names().dns, ["shop.example.com"]);
    }

    #[test]
    fn a_reference_names_path_and_digest() {
        let csr = Csr::parse(RSA_CSR.as_bytes()).unwrap();
        for path in ["/a", "/a#b", "/a#sha256=12"] {
            let reference = csr.reference(path);
            assert_eq!(split_reference(&reference["file:".len()..]), (path, Some(csr.digest().as_str())));
            assert_eq!(split_reference(path), (path, None));
        }
    }

    #[test]
    fn requests_without_names_are_read() {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        let csr = Csr::parse(parameters.serialize_request(&key).unwrap().der()).unwrap();
        assert_eq!((csr.common_name(), csr.names()), (None, &GeneralNames::default()));
    }

    #[test]
    fn bad_requests_are_refused_with_a_reason() {
        let key = KeyPair::generate().unwrap().serialize_pem();
        for (text, expected) in [
            (String::new(), "no PEM block `CERTIFICATE REQUEST`"),
            (key.clone(), "this is a private key"),
            (format!("{RSA_CSR}{key}"), "this is a private key"),
            (RSA_CSR.replace("CERTIFICATE REQUEST", "CERTIFICATE"), "this is a certificate"),
            (RSA_CSR.replace("CERTIFICATE REQUEST", "PUBLIC KEY"), "this is a public key"),
            (RSA_CSR.replace("CERTIFICATE REQUEST", "PKCS7"), "of another kind"),
            (format!("{RSA_CSR}{P521_CSR}"), "more than one"),
            (RSA_CSR.replace("-----END", "-----ENDE"), "line 1: the PEM block has no END line"),
            ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----".to_owned(), "PKCS #10"),
            (include_str!("testdata/rsa1024.csr").to_owned(), "has 1024 bits"),
            (include_str!("testdata/sha1.csr").to_owned(), "SHA-1"),
            (include_str!("testdata/rsa-pss-long-salt.csr").to_owned(), "rsa_pss_saltlen:digest"),
            (include_str!("testdata/md5.csr").to_owned(), "MD5"),
            (include_str!("testdata/secp256k1.csr").to_owned(), "curve 1.3.132.0.10"),
        ] {
            let error = Csr::parse(text.as_bytes()).unwrap_err();
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
                    let original = Csr { der: der.clone(), ..Csr::parse_der(&block.der).unwrap() };
                    // A change outside of what is signed may leave the request as it was, never make it another.
                    assert!(Csr::parse_der(&der).is_err() || Csr::parse_der(&der) == Ok(original), "byte {at}");
                }
                assert!(Csr::parse_der(&block.der[..at]).is_err(), "cut at {at}");
            }
        }
    }

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
                assert_eq!(public_keys::of_file(key.to_pem().as_bytes()), Ok(vec![request.spki()]), "{word}");
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

    proptest! {
        #[test]
        fn no_text_panics(at in 0..RSA_CSR.len(), with in any::<char>(), bytes in any::<Vec<u8>>()) {
            let mut text = RSA_CSR.to_owned();
            text.replace_range(at..=at, &with.to_string());
            let _ = Csr::parse(text.as_bytes());
            let _ = Csr::parse(&bytes);
            let _ = Csr::parse_der(&bytes);
        }
    }
}
