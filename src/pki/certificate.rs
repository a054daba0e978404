//! A certificate (RFC 5280), read for what can be asked about it: its serial number, its issuer, where its CRL and OCSP responder are,
//! and what its key may sign. Also takes apart the messages in which CAs publish their own certificates (PKCS #7, `.p7c`). Verifies
//! signatures; fetches nothing, and builds no chains.

use super::names::{GeneralNames, is_host, letters};
use super::pem::{Piece, bare, is_der, pieces, text};
use super::serial_number::SerialNumber;
use super::x509::{Extension, SignatureError, Signed, sequence_bytes, serial_number, timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::{AnyRef, BitStringRef, ContextSpecific, ObjectIdentifier};
use der::oid::db::rfc4519::COMMON_NAME;
use der::oid::db::rfc5280::{
    ID_AD_CA_ISSUERS, ID_AD_OCSP, ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_BASIC_CONSTRAINTS,
    ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE, ID_CE_SUBJECT_ALT_NAME, ID_KP_OCSP_SIGNING,
    ID_PE_AUTHORITY_INFO_ACCESS,
};
use der::oid::db::rfc5911::ID_SIGNED_DATA;
use der::{Decode, Encode, ErrorKind, IndefiniteLength, Length, Reader, SliceReader, Tag, TagNumber, Tagged};
use jiff::Timestamp;
use std::sync::Arc;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints, ExtendedKeyUsage,
    KeyUsage,
};
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoRef;
use x509_cert::time::Validity;

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The whole of it.
    pub der: Vec<u8>,
    /// The serial number.
    pub serial: SerialNumber,
    /// The issuer's name in DER.
    pub issuer: Vec<u8>,
    /// Its own name in DER.
    pub subject: Vec<u8>,
    /// Its SubjectPublicKeyInfo in DER.
    pub spki: Vec<u8>,
    /// The bits of its key, as OCSP digests them.
    pub key_bits: Vec<u8>,
    /// From when it is valid.
    pub begins: Timestamp,
    /// Until when.
    pub ends: Timestamp,
    /// Whether it is a CA's.
    pub is_ca: bool,
    /// Whether it is a precertificate (RFC 6962, section 3.1): no server shows it, and the certificate made of it has its serial number.
    pub is_precertificate: bool,
    /// Its subject alternative names.
    names: GeneralNames,
    /// Which of its issuer's keys has signed it.
    authority_key: Option<Vec<u8>>,
    /// Whether it says what its key may do at all.
    pub has_key_usage: bool,
    /// Whether its key may sign CRLs.
    pub signs_crls: bool,
    /// Whether its key may sign OCSP answers in its issuer's place.
    pub signs_ocsp: bool,
    /// Where its CRL is.
    pub crl_urls: Arc<[String]>,
    /// Where its OCSP responder is.
    pub ocsp_urls: Vec<String>,
    /// Where its issuer's certificate is.
    pub issuer_urls: Vec<String>,
}

/// Why something is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No block of that kind.
    #[error("it holds no PEM block `CERTIFICATE`, and is none in DER")]
    NoBlock,
    /// A block of another kind.
    #[error("it holds no PEM block `CERTIFICATE`, but a `{0}`")]
    Other(String),
    /// A message in PKCS #7 without certificates.
    #[error("it is a PKCS#7 message without certificates")]
    EmptyMessage,
    /// A store with a password.
    #[error("it is PKCS#12 (`.pfx`, `.p12`), which may hold private keys and is not read")]
    Pkcs12,
    /// A store of Java's.
    #[error("it is a Java key store, which may hold private keys and is not read")]
    JavaKeyStore,
    /// A PEM block is broken.
    #[error("{1} (line {0} of it)")]
    Broken(u32, String),
    /// Broken inside.
    #[error("the certificate in it cannot be read")]
    Unreadable,
}

/// Something of a file, or why it cannot be read, with the line where it begins.
pub type OnLine<T> = (u32, Result<T, CertificateError>);

impl CertificateError {
    /// What to do about it.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NoBlock | Self::Other(_) | Self::Broken(..) | Self::Unreadable => {
                "a certificate in PEM begins with `-----BEGIN CERTIFICATE-----`"
            }
            Self::EmptyMessage => "`openssl pkcs7 -print_certs -in FILE -out FILE.pem` shows what is in such a message",
            Self::Pkcs12 => "make PEM of its certificate: `openssl pkcs12 -in FILE -clcerts -nokeys -out FILE.pem`",
            Self::JavaKeyStore => "make PEM of its certificate: `keytool -exportcert -rfc -keystore FILE -alias NAME`",
        }
    }
}

impl Certificate {
    /// Reads one certificate, in DER or as the first PEM block of its kind.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
        // There is at least one.
        let (_, first) = blocks(bytes)?.swap_remove(0);
        Self::from_der(&first).map_err(|_| CertificateError::Unreadable)
    }

    /// Reads the certificates of a file, at least one: in DER, in a PKCS#7 message, or in all PEM blocks of their kind.
    ///
    /// # Errors
    /// There is none, or one of them is broken.
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        Ok(Self::parse_placed(bytes)?.into_iter().map(|(_, certificate)| certificate).collect())
    }

    /// As [`Self::parse_all`], each with the line where it begins.
    ///
    /// # Errors
    /// There is none, or one of them is broken.
    pub fn parse_placed(bytes: &[u8]) -> Result<Vec<(u32, Self)>, CertificateError> {
        let read = |(line, der): (u32, Vec<u8>)| Some((line, Self::from_der(&der).ok()?));
        blocks(bytes)?.into_iter().map(|block| read(block).ok_or(CertificateError::Unreadable)).collect()
    }

    /// As [`Self::parse_placed`], but of a file with several certificates each one is good or bad by itself.
    ///
    /// # Errors
    /// There is none.
    pub fn parse_each(bytes: &[u8]) -> Result<Vec<OnLine<Self>>, CertificateError> {
        let read = |der: Vec<u8>| Self::from_der(&der).map_err(|_| CertificateError::Unreadable);
        Ok(each_block(bytes)?.into_iter().map(|(line, block)| (line, block.and_then(read))).collect())
    }

    /// Reads what a CA publishes for those who look for an issuer: a certificate, or a message with certificates alone (`.p7c`).
    ///
    /// # Errors
    /// There is no certificate.
    pub fn parse_published(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let Some(message) = published(bytes) else { return Self::parse_all(bytes) };
        // Of an odd one among them nothing follows for the others.
        let all: Vec<Self> = message.into_iter().filter_map(|der| Self::from_der(der).ok()).collect();
        if all.is_empty() { Err(CertificateError::Unreadable) } else { Ok(all) }
    }

    /// Whether another certificate's name and key have issued this one.
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        issuer.is_ca && self.is_signed_by(issuer)
    }

    /// Whether another certificate has this one's issuer's name and the key that signed it, whatever it may do.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        self.issuer == issuer.subject && Signed::from_der(&self.der).is_ok_and(|signed| issuer.verify(&signed).is_ok())
    }

    /// The subject's common name, else its first DNS name or address.
    pub fn common_name(&self) -> Option<String> {
        self.common_names().next().or_else(|| self.hosts().next())
    }

    /// The subject's common names, and the DNS names and addresses, as they are written.
    pub fn host_names(&self) -> Vec<String> {
        self.common_names().chain(self.hosts()).collect()
    }

    /// Its alternative names, each as it is written.
    pub fn alternative_names(&self) -> &GeneralNames {
        &self.names
    }

    /// Whether it names a host: as an alternative name, or by a common name that can be a host's.
    pub fn names_host(&self) -> bool {
        self.hosts().next().is_some() || self.common_names().next().is_some_and(|name| is_host(&name))
    }

    fn common_names(&self) -> impl Iterator<Item = String> {
        let subject = Name::from_der(&self.subject).unwrap_or_default();
        let attributes = subject.0.into_iter().flat_map(|names| names.0.into_vec());
        let named = attributes.filter(|attribute| attribute.oid == COMMON_NAME);
        named.filter_map(|name| letters(name.value.tag(), name.value.value()))
    }

    fn hosts(&self) -> impl Iterator<Item = String> {
        self.names.dns.iter().cloned().chain(self.names.ip.iter().map(ToString::to_string))
    }

    /// The issuer's name as text (RFC 4514): `CN=R11,O=Let's Encrypt,C=US`.
    pub fn issuer_name(&self) -> String {
        Name::from_der(&self.issuer).map(|name| name.to_string()).unwrap_or_default()
    }

    /// Whether it is valid at a time.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.begins <= now && now <= self.ends
    }

    /// Its identifier for renewal information (RFC 9773, section 4.1): which key has signed it, and its serial number as it stands in DER.
    /// `None` where it does not say which key.
    pub fn renewal_id(&self) -> Option<String> {
        let octets = self.serial.octets();
        // A number of DER has a sign: an octet of zeros keeps it positive.
        let sign: &[u8] = if octets.first().is_none_or(|first| first & 0x80 != 0) { &[0] } else { &[] };
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Some(format!("{}.{}", encode(self.authority_key.as_ref()?), encode(&[sign, octets].concat())))
    }

    /// Whether its key has made a signature.
    pub(super) fn verify(&self, signed: &Signed<'_>) -> Result<(), SignatureError> {
        let key = SubjectPublicKeyInfoRef::from_der(&self.spki).map_err(|_| SignatureError::Wrong)?;
        signed.verify(&key)
    }

    /// Reads one in DER, with nothing behind it.
    pub(super) fn from_der(der: &[u8]) -> der::Result<Self> {
        let signed = Signed::from_der(der)?;
        let mut reader = SliceReader::new(signed.content)?;
        let mut extensions = Vec::new();
        let mut certificate = reader.sequence(|fields| {
            // The version tells nothing that is needed, and the algorithm stands outside of what is signed once more.
            ContextSpecific::<AnyRef<'_>>::decode_explicit(fields, TagNumber::N0)?;
            let serial = serial_number(fields)?;
            sequence_bytes(fields)?;
            let issuer = sequence_bytes(fields)?.to_owned();
            let validity: Validity = fields.decode()?;
            let subject = sequence_bytes(fields)?.to_owned();
            let spki = sequence_bytes(fields)?.to_owned();
            // Unique identifiers, which nobody gives any more.
            ContextSpecific::<BitStringRef<'_>>::decode_implicit(fields, TagNumber::N1)?;
            ContextSpecific::<BitStringRef<'_>>::decode_implicit(fields, TagNumber::N2)?;
            let list = ContextSpecific::<Vec<Extension<'_>>>::decode_explicit(fields, TagNumber::N3)?;
            extensions.extend(list.into_iter().flat_map(|list| list.value));
            Ok(Self {
                der: der.to_owned(),
                serial,
                issuer,
                subject,
                spki,
                key_bits: Vec::new(),
                begins: timestamp(validity.not_before),
                ends: timestamp(validity.not_after),
                is_ca: false,
                is_precertificate: false,
                has_key_usage: false,
                names: GeneralNames::default(),
                authority_key: None,
                // RFC 5280, section 4.2.1.3: a key without the extension may do anything.
                signs_crls: true,
                signs_ocsp: false,
                crl_urls: Arc::default(),
                ocsp_urls: Vec::new(),
                issuer_urls: Vec::new(),
            })
        })?;
        let key = SubjectPublicKeyInfoRef::from_der(&certificate.spki)?;
        certificate.key_bits = key.subject_public_key.raw_bytes().to_owned();
        extensions.iter().for_each(|extension| certificate.read_extension(extension));
        Ok(certificate)
    }

    /// Takes what an extension says. One that cannot be read allows nothing and names no place.
    fn read_extension(&mut self, extension: &Extension<'_>) {
        match extension.id {
            Some(ID_CE_BASIC_CONSTRAINTS) => {
                self.is_ca = BasicConstraints::from_der(extension.value).is_ok_and(|constraints| constraints.ca);
            }
            Some(PRECERTIFICATE) => self.is_precertificate = true,
            Some(ID_CE_SUBJECT_ALT_NAME) => {
                self.names = GeneralNames::parse(extension.value).unwrap_or_default();
            }
            Some(ID_CE_AUTHORITY_KEY_IDENTIFIER) => {
                let identifier = AuthorityKeyIdentifier::from_der(extension.value).ok();
                self.authority_key = identifier.and_then(|said| Some(said.key_identifier?.as_bytes().to_vec()));
            }
            Some(ID_CE_KEY_USAGE) => {
                self.has_key_usage = true;
                self.signs_crls = KeyUsage::from_der(extension.value).is_ok_and(|usage| usage.crl_sign());
            }
            Some(ID_CE_EXT_KEY_USAGE) => {
                let usage = ExtendedKeyUsage::from_der(extension.value);
                self.signs_ocsp = usage.is_ok_and(|usage| usage.0.contains(&ID_KP_OCSP_SIGNING));
            }
            Some(ID_CE_CRL_DISTRIBUTION_POINTS) => {
                let points = CrlDistributionPoints::from_der(extension.value).map(|points| points.0);
                // A point for some reasons only, or with an issuer of its own, does not show whether the certificate is good.
                let points = points.unwrap_or_default().into_iter();
                let whole = points.filter(|point| point.reasons.is_none() && point.crl_issuer.is_none());
                self.crl_urls = whole.filter_map(|point| point.distribution_point).flat_map(urls).collect();
            }
            Some(ID_PE_AUTHORITY_INFO_ACCESS) => {
                let access = AuthorityInfoAccessSyntax::from_der(extension.value).map(|access| access.0);
                for description in access.unwrap_or_default() {
                    let GeneralName::UniformResourceIdentifier(url) = description.access_location else { continue };
                    match description.access_method {
                        ID_AD_OCSP => self.ocsp_urls.push(url.to_string()),
                        ID_AD_CA_ISSUERS => self.issuer_urls.push(url.to_string()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// The certificates of a file in DER, at least one, each with its line: the file itself, a message's, or its PEM blocks of that kind.
fn blocks(bytes: &[u8]) -> Result<Vec<(u32, Vec<u8>)>, CertificateError> {
    // A broken one may have been the one that is meant.
    each_block(bytes)?.into_iter().map(|(line, block)| Ok((line, block?))).collect()
}

/// What a line of a file holds: a certificate in DER, or a broken block.
type PlacedBlock = OnLine<Vec<u8>>;

/// As [`blocks`], the broken ones among them.
fn each_block(bytes: &[u8]) -> Result<Vec<PlacedBlock>, CertificateError> {
    if is_der(bytes) {
        return of_binary(bytes).map(|all| all.into_iter().map(|der| (1, Ok(der.to_owned()))).collect());
    }
    if bytes.starts_with(JAVA_KEY_STORE) {
        return Err(CertificateError::JavaKeyStore);
    }
    let text = text(bytes);
    let (mut all, mut instead) = (Vec::new(), None);
    for piece in pieces(&text) {
        match piece {
            Piece::Block(block) if LABELS.contains(&block.label) => {
                // OpenSSL's "trusted" ones have their uses behind the certificate.
                let certificate = elements(&block.der).next().unwrap_or(&block.der);
                all.push((block.line, Ok(certificate.to_vec())));
            }
            Piece::Block(block) if MESSAGES.contains(&block.label) => match published(&block.der) {
                Some(inside) if !inside.is_empty() => {
                    all.extend(inside.iter().map(|der| (block.line, Ok(der.to_vec()))));
                }
                _ => instead = Some(CertificateError::EmptyMessage),
            },
            Piece::Block(block) if block.label == "PKCS12" => instead = Some(CertificateError::Pkcs12),
            Piece::Block(block) => {
                let label = block.label.chars().take(MAX_LABEL).collect();
                instead.get_or_insert(CertificateError::Other(label));
            }
            Piece::Broken(line, why) => all.push((line, Err(CertificateError::Broken(line, why)))),
            Piece::Line(..) => {}
        }
    }
    if all.is_empty() {
        // A key may stand so, too.
        all.extend(bare(&text).filter(|der| Certificate::from_der(der).is_ok()).map(|der| (1, Ok(der))));
    }
    if all.is_empty() { Err(instead.unwrap_or(CertificateError::NoBlock)) } else { Ok(all) }
}

/// The certificates of a file in DER.
fn of_binary(bytes: &[u8]) -> Result<Vec<&[u8]>, CertificateError> {
    if let Some(inside) = published(bytes) {
        return if inside.is_empty() { Err(CertificateError::EmptyMessage) } else { Ok(inside) };
    }
    // PFX (RFC 7292, section 4): its version, which is 3, and a message.
    let mut fields = inner(bytes, Tag::Sequence).into_iter().flat_map(elements);
    if fields.next() == Some(&[0x02, 0x01, 0x03]) && fields.next().and_then(|next| inner(next, Tag::Sequence)).is_some()
    {
        return Err(CertificateError::Pkcs12);
    }
    // What made the file a text may have put a line end behind it.
    let first = elements(bytes).next().unwrap_or(bytes);
    Ok(vec![if bytes[first.len()..].trim_ascii().is_empty() { first } else { bytes }])
}

/// The URLs of a distribution point.
pub(super) fn urls(name: DistributionPointName) -> Vec<String> {
    let DistributionPointName::FullName(names) = name else { return Vec::new() };
    let url = |name| match name {
        GeneralName::UniformResourceIdentifier(url) => Some(url.to_string()),
        _ => None,
    };
    names.into_iter().filter_map(url).collect()
}

/// The certificates in a "certs-only" message (RFC 5652), as CAs publish them where certificates say that their issuers are (RFC 5280,
/// section 4.2.2.1); `None` where it is none. What is in it is believed for its own signature, so none of the message's is read.
fn published(message: &[u8]) -> Option<Vec<&[u8]>> {
    let mut content_info = elements(inner(message, Tag::Sequence)?);
    let kind = content_info.next()?;
    if kind != ID_SIGNED_DATA.to_der().ok()? {
        return None;
    }
    let signed_data = inner(inner(content_info.next()?, CERTIFICATES)?, Tag::Sequence)?;
    let set = elements(signed_data).find_map(|element| inner(element, CERTIFICATES));
    // What is no plain certificate there (an attribute certificate) has a tag of its own.
    let plain = |element: &&[u8]| inner(element, Tag::Sequence).is_some();
    Some(set.map(|set| elements(set).filter(plain).collect()).unwrap_or_default())
}

/// The content of an element with this tag.
fn inner(element: &[u8], tag: Tag) -> Option<&[u8]> {
    let mut reader = SliceReader::new(element).ok()?;
    let (found, content) = split(element, &mut reader, 0).ok()?;
    (found == tag).then_some(content)
}

/// The elements of a content, one after another, up to the first that is broken.
fn elements(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut reader = SliceReader::new(content).ok();
    std::iter::from_fn(move || {
        let reader = reader.as_mut()?;
        let begin = usize::try_from(reader.position()).ok()?;
        split(content, reader, 0).ok()?;
        content.get(begin..usize::try_from(reader.position()).ok()?)
    })
}

/// Reads the next element, whose length may be left open (BER): streaming writers make such messages, and `der` and `cms` refuse them.
fn split<'a>(all: &'a [u8], reader: &mut SliceReader<'a>, depth: usize) -> der::Result<(Tag, &'a [u8])> {
    let tag = Tag::decode(reader)?;
    if let Some(length) = Option::<Length>::from(IndefiniteLength::decode(reader)?) {
        return Ok((tag, reader.read_slice(length)?));
    }
    if depth == MAX_OPEN_LENGTHS {
        return Err(ErrorKind::Overlength.into());
    }
    let begin = usize::try_from(reader.position())?;
    loop {
        let end = usize::try_from(reader.position())?;
        // Two zeros end what was left open.
        if reader.peek_byte() == Some(0) {
            return match reader.read_slice(Length::new(2))? {
                [0, 0] => Ok((tag, &all[begin..end])),
                _ => Err(ErrorKind::Overlength.into()),
            };
        }
        split(all, reader, depth + 1)?;
    }
}

/// The standard's label (RFC 7468, section 5), an older one, and OpenSSL's for a certificate with its uses.
const LABELS: [&str; 3] = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];
/// The labels of messages with certificates (RFC 7468, sections 8 and 9).
const MESSAGES: [&str; 3] = ["PKCS7", "CMS", "PKCS #7 SIGNED DATA"];
const JAVA_KEY_STORE: &[u8] = b"\xfe\xed\xfe\xed";
/// RFC 6962, section 3.1.
const PRECERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.3");
/// Of another label so many characters are shown.
const MAX_LABEL: usize = 40;
/// The tag of a message's content, and in it of its certificates.
const CERTIFICATES: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };
/// Open lengths within each other; a message has four.
const MAX_OPEN_LENGTHS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::CertId;
    use crate::pki::revocation::tests::{at, certificate, world};
    use std::rc::Rc;

    #[test]
    fn certificates_tell_where_to_ask() {
        let (ca, good) = (certificate(world!("ca.der")), certificate(world!("good.der")));
        assert_eq!(Certificate::parse(world!("good.pem")).unwrap(), good);
        assert_eq!(good.serial, SerialNumber::parse("1000").unwrap());
        assert_eq!((good.is_ca, ca.is_ca, ca.signs_crls, good.signs_ocsp), (false, true, true, false));
        assert_eq!(*good.crl_urls, ["http://crl.example/ca.crl".to_owned()]);
        assert_eq!(
            (good.ocsp_urls.as_slice(), good.issuer_urls.as_slice()),
            (["http://ocsp.example/".to_owned()].as_slice(), ["http://ca.example/ca.crt".to_owned()].as_slice())
        );
        assert!(certificate(world!("responder.der")).signs_ocsp && !certificate(world!("no-crls.der")).signs_crls);
        assert!(good.is_valid(at(0)) && !good.is_valid(at(-86_400)) && !good.is_valid(at(4000 * 86_400)));
        let chain = [world!("good.pem"), world!("good.pem")].concat();
        for (bytes, expected) in
            [(chain.as_slice(), Ok(2)), (world!("ca.der"), Ok(1)), (b"x", Err(CertificateError::NoBlock))]
        {
            assert_eq!(Certificate::parse_all(bytes).map(|all| all.len()), expected);
        }
        for (issuer, expected) in [("ca", true), ("other", false), ("good", false)] {
            let issuer = match issuer {
                "ca" => certificate(world!("ca.der")),
                "other" => certificate(world!("other.der")),
                _ => good.clone(),
            };
            assert_eq!(good.is_issued_by(&issuer), expected);
            assert_eq!(CertId::of(&good, &Rc::new(issuer)).is_some(), expected);
        }
    }

    #[test]
    fn a_certificate_may_be_written_less_strictly_than_der_wants_it() {
        // `critical` of the basic constraints as BER has it: TRUE is anything but 0.
        let mut ca = world!("ca.der").to_vec();
        let constraints = [0x06, 0x03, 0x55, 0x1D, 0x13, 0x01, 0x01, 0xFF];
        let place = ca.windows(constraints.len()).position(|window| window == constraints).unwrap();
        ca[place + constraints.len() - 1] = 0x01;
        assert!(certificate(&ca).is_ca);
        // A negative serial number, as some CAs have given: its octets are taken as they are.
        let mut good = world!("good.der").to_vec();
        let serial = [0x02, 0x02, 0x10, 0x00];
        let place = good.windows(serial.len()).position(|window| window == serial).unwrap();
        good[place + 2] = 0x90;
        assert_eq!(certificate(&good).serial, SerialNumber::parse("9000").unwrap());
    }

    #[test]
    fn signatures_on_every_curve_and_by_ed25519_are_verified() {
        for algorithm in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ECDSA_P521_SHA512,
            &rcgen::PKCS_ED25519,
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let mut parameters = rcgen::CertificateParams::default();
            parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            // RFC 5280, section 4.1.2.5: "no end".
            parameters.not_after = rcgen::date_time_ymd(9999, 12, 31);
            let root = certificate(parameters.self_signed(&key).unwrap().der());
            assert!(root.is_issued_by(&root) && root.is_valid(at(0)), "{algorithm:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let good = world!("good.der");
        for (bytes, expected) in [
            (b"".as_slice(), CertificateError::NoBlock),
            (b"hello", CertificateError::NoBlock),
            (&[0xFF, 0xFE], CertificateError::NoBlock),
            (&[0x30, 0x80], CertificateError::Unreadable),
            (b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", CertificateError::Unreadable),
            (
                b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
                CertificateError::Other("PRIVATE KEY".to_owned()),
            ),
            (
                b"\n-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
                CertificateError::Broken(2, "the PEM block's content is not valid base64".to_owned()),
            ),
            (&good[..good.len() - 1], CertificateError::Unreadable),
            (&[good, &[0]].concat(), CertificateError::Unreadable),
            (world!("ca.crl"), CertificateError::Unreadable),
        ] {
            assert_eq!(Certificate::parse(bytes), Err(expected));
        }
    }

    #[test]
    fn a_file_with_a_certificate_that_cannot_be_read_is_not_used_in_part() {
        let broken = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".as_slice();
        let file = [world!("good.pem"), broken, world!("good.pem")].concat();
        assert_eq!(Certificate::parse_all(&file), Err(CertificateError::Unreadable));
        let cut = [world!("good.pem"), &world!("good.pem")[..200]].concat();
        assert!(matches!(Certificate::parse_all(&cut), Err(CertificateError::Broken(..))));
        let placed = Certificate::parse_placed(&[b"text\n", world!("good.pem"), world!("good.pem")].concat()).unwrap();
        assert_eq!((placed.len(), placed[0].0, placed[0].1.serial.octets()), (2, 2, [0x10, 0x00].as_slice()));
    }

    #[test]
    fn certificates_are_read_in_every_shape_that_tools_write() {
        let pem = String::from_utf8(world!("good.pem").to_vec()).unwrap();
        let wide =
            |text: &str| [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let label = |label: &str, der: &[u8]| crate::pki::pem::encode(label, der).into_bytes();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let shapes: [Vec<u8>; 10] = [
            base64.into(),
            pem.replace('\n', "\r\n").into(),
            format!("\u{feff}{pem}").into(),
            format!("Bag Attributes\n    friendlyName: Laden\n{pem}").into(),
            [b"0 s:CN = M\xfcller\n", pem.as_bytes()].concat(),
            wide(&pem),
            label("X509 CERTIFICATE", world!("good.der")),
            // OpenSSL's, with a list of uses behind the certificate.
            label("TRUSTED CERTIFICATE", &[world!("good.der"), b"\x30\x02\x30\x00"].concat()),
            world!("good.der").to_vec(),
            [world!("good.der"), b"\n"].concat(),
        ];
        for shape in shapes {
            let read =
                Certificate::parse(&shape).unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&shape)));
            assert_eq!(read.der, world!("good.der"));
        }
        for message in [world!("cas.p7c").to_vec(), label("PKCS7", world!("cas.p7c"))] {
            assert_eq!(Certificate::parse_all(&message).unwrap().len(), 2);
        }
        let pfx = [b"\x30\x81\x83\x02\x01\x03\x30\x7e".as_slice(), &[0; 126]].concat();
        for (bytes, expected) in [
            (pfx.as_slice(), CertificateError::Pkcs12),
            (&label("PKCS12", &pfx), CertificateError::Pkcs12),
            (b"\xfe\xed\xfe\xed\x00", CertificateError::JavaKeyStore),
        ] {
            assert_eq!(Certificate::parse(bytes), Err(expected));
        }
    }

    #[test]
    fn what_a_ca_publishes_of_itself_is_one_certificate_or_several() {
        let broken = [&world!("cas.p7c")[..200], &[0; 653]].concat();
        for (bytes, expected) in [
            (world!("ca.der"), Ok(1)),
            (world!("good.pem"), Ok(1)),
            (world!("cas.p7c"), Ok(2)),
            (&broken, Err(CertificateError::Unreadable)),
            (world!("ca.crl"), Err(CertificateError::Unreadable)),
            (b"<html>", Err(CertificateError::NoBlock)),
        ] {
            assert_eq!(Certificate::parse_published(bytes).map(|all| all.len()), expected);
        }
    }

    const MESSAGE: &[u8] = include_bytes!("testdata/world/cas.p7c");
    const CA: &[u8] = include_bytes!("testdata/world/ca.der");
    const OTHER: &[u8] = include_bytes!("testdata/world/other.der");

    /// The same message with its outer lengths left open, as streaming writers do.
    fn with_open_lengths() -> Vec<u8> {
        let mut message = vec![0x30, 0x80];
        message.extend(elements(inner(MESSAGE, Tag::Sequence).unwrap()).next().unwrap());
        message.extend([0xA0, 0x80, 0x30, 0x80]);
        let signed_data =
            inner(elements(inner(MESSAGE, Tag::Sequence).unwrap()).nth(1).unwrap(), CERTIFICATES).unwrap();
        message.extend(inner(signed_data, Tag::Sequence).unwrap());
        message.extend([0; 6]);
        message
    }

    #[test]
    fn a_message_gives_its_certificates() {
        assert_eq!(published(MESSAGE), Some(vec![CA, OTHER]));
        assert_eq!(published(&with_open_lengths()), Some(vec![CA, OTHER]));
    }

    #[test]
    fn what_is_no_message_and_what_is_cut_off_gives_none_and_no_panic() {
        for bytes in [b"".as_slice(), b"\x30\x00", b"\x30\x80", b"<html>", CA] {
            assert_eq!(published(bytes), None, "{bytes:?}");
        }
        for end in 0..MESSAGE.len() {
            assert!(published(&MESSAGE[..end]).is_none(), "{end}");
        }
        for place in 0..MESSAGE.len() {
            let mut broken = MESSAGE.to_vec();
            broken[place] ^= 0x55;
            published(&broken);
        }
    }
}
