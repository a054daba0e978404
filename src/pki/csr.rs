//! Certificate requests (PKCS #10, RFC 2986): read, and checked for what every CA refuses. Reads no files.

use super::keys::SpkiFingerprint;
use super::pem::{Piece, pieces};
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A certificate request whose own signature is right and whose key is strong enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    common_name: Option<String>,
    dns_names: Vec<String>,
    spki: SpkiFingerprint,
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
        let (rest, request) = X509CertificationRequest::from_der(der)
            .map_err(|_| "the content is not a certificate request (PKCS #10)".to_owned())?;
        if !rest.is_empty() {
            return Err("there are bytes after the certificate request".to_owned());
        }
        check_digest(&request)?;
        check_key(&request.certification_request_info.subject_pki)?;
        check_signature(&request)?;
        Ok(Self {
            common_name: common_name(&request)?,
            dns_names: dns_names(&request)?,
            spki: SpkiFingerprint::of(request.certification_request_info.subject_pki.raw),
        })
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

fn check_digest(request: &X509CertificationRequest<'_>) -> Result<(), String> {
    let algorithm = request.signature_algorithm.algorithm.to_id_string();
    match BROKEN_SIGNATURES.iter().find(|(oid, _)| *oid == algorithm) {
        Some((_, name)) => Err(format!("the request is signed with {name}, which CAs refuse; sign it with SHA-256")),
        None => Ok(()),
    }
}

fn check_key(key: &SubjectPublicKeyInfo<'_>) -> Result<(), String> {
    const RIGHT: &str = "use RSA with 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519";
    match key.algorithm.algorithm.to_id_string().as_str() {
        RSA => {
            let Ok(PublicKey::RSA(rsa)) = key.parsed() else {
                return Err("the request's RSA key cannot be read".to_owned());
            };
            match bits(rsa.modulus) {
                2048..=8192 => Ok(()),
                bits => Err(format!("the request's RSA key has {bits} bits; {RIGHT}")),
            }
        }
        EC => match curve(key).as_deref() {
            Some(P256 | P384 | P521) => Ok(()),
            Some(other) => Err(format!("the request's EC key is on the curve {other}; {RIGHT}")),
            None => Err(format!("the request's EC key does not name its curve; {RIGHT}")),
        },
        ED25519 => Ok(()),
        other => Err(format!("the request's key is of the kind {other}; {RIGHT}")),
    }
}

fn check_signature(request: &X509CertificationRequest<'_>) -> Result<(), String> {
    let key = &request.certification_request_info.subject_pki;
    let algorithm = request.signature_algorithm.algorithm.to_id_string();
    let verified = match ecdsa(curve(key).as_deref(), &algorithm) {
        Some(verification) => UnparsedPublicKey::new(verification, &key.subject_public_key.data)
            .verify(request.certification_request_info.raw, &request.signature_value.data)
            .map_err(|_| X509Error::SignatureVerificationError),
        None => request.verify_signature(),
    };
    match verified {
        Ok(()) => Ok(()),
        Err(X509Error::SignatureUnsupportedAlgorithm) => Err(format!(
            "the request is signed with the algorithm {algorithm}, which does not fit its \
             key or is not known here; sign it with SHA-256, SHA-384 or SHA-512"
        )),
        Err(_) if algorithm == RSA_PSS => {
            Err("the request's own RSA-PSS signature is wrong, or its salt is not as long as its digest \
             (openssl: `-sigopt rsa_pss_saltlen:digest`)"
                .to_owned())
        }
        Err(_) => Err("the request's own signature is wrong: it was changed after it was made".to_owned()),
    }
}

/// The ECDSA pairs that x509-parser leaves out.
fn ecdsa(curve: Option<&str>, algorithm: &str) -> Option<&'static dyn VerificationAlgorithm> {
    match (curve?, algorithm) {
        (P256, ECDSA_SHA512) => Some(&signature::ECDSA_P256_SHA512_ASN1),
        (P384, ECDSA_SHA512) => Some(&signature::ECDSA_P384_SHA512_ASN1),
        (P521, ECDSA_SHA256) => Some(&signature::ECDSA_P521_SHA256_ASN1),
        (P521, ECDSA_SHA384) => Some(&signature::ECDSA_P521_SHA384_ASN1),
        (P521, ECDSA_SHA512) => Some(&signature::ECDSA_P521_SHA512_ASN1),
        _ => None,
    }
}

fn curve(key: &SubjectPublicKeyInfo<'_>) -> Option<String> {
    Some(key.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string())
}

fn common_name(request: &X509CertificationRequest<'_>) -> Result<Option<String>, String> {
    let mut names = request.certification_request_info.subject.iter_common_name();
    let Some(name) = names.next() else { return Ok(None) };
    if names.next().is_some() {
        return Err("the request has more than one common name".to_owned());
    }
    let text = name.as_str().map_err(|_| "the request's common name is not in UTF-8 or ASCII".to_owned())?;
    Ok(Some(text.to_owned()))
}

fn dns_names(request: &X509CertificationRequest<'_>) -> Result<Vec<String>, String> {
    let mut dns_names = Vec::new();
    for extension in request.requested_extensions().into_iter().flatten() {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    if let GeneralName::DNSName(name) = name {
                        dns_names.push((*name).to_owned());
                    }
                }
            }
            ParsedExtension::ParseError { .. } => {
                return Err("one of the request's extensions cannot be read".to_owned());
            }
            _ => {}
        }
    }
    Ok(dns_names)
}

/// The length of a big-endian number without its leading zeros.
fn bits(number: &[u8]) -> usize {
    let number = &number[number.iter().take_while(|byte| **byte == 0).count()..];
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
const RSA: &str = "1.2.840.113549.1.1.1";
const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const EC: &str = "1.2.840.10045.2.1";
const ED25519: &str = "1.3.101.112";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const P521: &str = "1.3.132.0.35";
const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
const ECDSA_SHA512: &str = "1.2.840.10045.4.3.4";
const BROKEN_SIGNATURES: [(&str, &str); 7] = [
    ("1.2.840.113549.1.1.2", "MD2"),
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.3.14.3.2.29", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
    ("1.3.14.3.2.27", "SHA-1"),
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
