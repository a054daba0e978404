//! The certificate requests and certificates that actions name by file: read and parsed, and little of them stored, for there may be
//! very many. Compares none with its action.

use super::action_index::hash_of;
use crate::pki::{Certificate, Csr};
use crate::plan::checked::NamedFile;
use crate::plan::load;
use crate::text::{Span, safe};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::hash::DefaultHasher;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Certificate requests that were read last, by path: many actions may name one.
#[derive(Default)]
pub(super) struct CsrFiles {
    by_path: HashMap<PathBuf, CsrResult>,
}

/// A certificate request, or why it cannot be used.
pub(super) type CsrResult = Rc<Result<ReadCsr, String>>;

/// A certificate request that can be used.
pub(super) struct ReadCsr {
    pub(super) text: String,
    pub(super) csr: Csr,
}

/// What is stored of the certificates that are sent, all together: a plan may have a million of them.
#[derive(Default)]
pub(super) struct SentCertificates {
    /// Serial number → issuer of the first certificate with it.
    issuers: HashMap<u64, u64>,
    /// The certificates behind the first ones, as hashes, so that each is parsed once.
    following: HashSet<u64>,
    /// Those of `following` that may have issued one, in DER, at most [`MAX_ISSUERS`].
    issuer_ders: Vec<Vec<u8>>,
}

/// A certificate that is sent, and the place that gives it.
pub(super) struct SentCertificate {
    pub(super) certificate: Certificate,
    pub(super) place: Span,
}

/// A certificate with the DER of those that follow it in its file; or what is wrong, and what to do about it (may be empty).
pub(super) type CertificateResult = Result<(Certificate, Vec<Vec<u8>>), (String, String)>;

/// The files of issuers that were read, by path: many actions name one.
#[derive(Default)]
pub(super) struct IssuerFiles {
    by_path: HashMap<PathBuf, IssuerResult>,
}

/// Certificates of issuers, or why there are none.
pub(super) type IssuerResult = Rc<Result<ReadCertificates, UnusableFile>>;

/// A file with certificates.
pub(super) struct ReadCertificates {
    pub(super) file: NamedFile,
    /// At least one.
    pub(super) all: Vec<Certificate>,
    /// Whether the run directory may get a copy: it never holds a private key.
    pub(super) may_be_copied: bool,
}

/// Why a file cannot be used, and what to do about it.
#[derive(Clone)]
pub(super) struct UnusableFile {
    pub(super) what: String,
    pub(super) help: Option<&'static str>,
}

impl CsrFiles {
    /// Reads a certificate request.
    pub(super) fn read(&mut self, path: &Path) -> CsrResult {
        if let Some(known) = self.by_path.get(path) {
            return known.clone();
        }
        let result = match load::read_small(path, MAX_FILE) {
            Err(why) => Err(format!("the file {} cannot be read: {why}", path.display())),
            Ok(text) => parse_csr(text).map_err(|why| format!("the certificate request {}: {why}", path.display())),
        };
        // A list of reissues names a file in each row, and none a second time.
        if self.by_path.len() == MAX_CSRS {
            self.by_path.clear();
        }
        let result = Rc::new(result);
        self.by_path.insert(path.to_owned(), result.clone());
        result
    }
}

/// Parses a certificate request in PEM.
pub(super) fn parse_csr(text: String) -> Result<ReadCsr, String> {
    let csr = Csr::parse_pem(&text)?;
    Ok(ReadCsr { text, csr })
}

impl SentCertificates {
    /// The issuers that files had behind their certificates, in base64url, for `verify`.
    pub(super) fn into_issuers(self) -> Vec<String> {
        self.issuer_ders.iter().map(|der| URL_SAFE_NO_PAD.encode(der)).collect()
    }

    /// Stores what may have issued a certificate, by its name alone: `verify` checks the signature, for far fewer.
    pub(super) fn keep_issuers(&mut self, certificate: &Certificate, following: Vec<Vec<u8>>) {
        for der in following {
            let is_new = self.following.insert(hash_of(DefaultHasher::new(), &der));
            if is_new
                && self.issuer_ders.len() < MAX_ISSUERS
                && Certificate::parse(&der).is_ok_and(|next| next.is_ca && next.subject == certificate.issuer)
            {
                self.issuer_ders.push(der);
            }
        }
    }

    /// The serial number as reports show it; with the issuer's fingerprint where another issuer's certificate has the same.
    pub(super) fn serial(&mut self, certificate: &Certificate) -> String {
        let digits = certificate.serial.to_string();
        let issuer = hash_of(DefaultHasher::new(), &certificate.issuer);
        // A serial number is unique for its issuer only (RFC 5280, section 4.1.2.2).
        if *self.issuers.entry(hash_of(DefaultHasher::new(), &digits)).or_insert(issuer) == issuer {
            return digits;
        }
        let fingerprint = crate::pki::SpkiFingerprint::of(&certificate.issuer).to_string();
        format!("{digits} (issuer {})", &fingerprint[..16])
    }
}

impl SentCertificate {
    /// As it is sent: DER in base64url.
    pub(super) fn value(&self) -> Value {
        Value::String(URL_SAFE_NO_PAD.encode(&self.certificate.der))
    }
}

/// Reads the certificate that is to be sent from its file; where that holds a chain, it is the one at its end.
pub(super) fn read_sent(path: &Path) -> CertificateResult {
    let shown = safe::terminal(&path.display().to_string()).into_owned();
    let bytes = load::read_small_bytes(path, MAX_FILE)
        .map_err(|why| (format!("the file {shown} cannot be read: {why}"), String::new()))?;
    parse_pem(&bytes).map_err(|(why, help)| (format!("the file {shown}: {why}"), help))
}

/// The first certificate of a PEM text.
pub(super) fn parse_pem(bytes: &[u8]) -> CertificateResult {
    let read = Certificate::parse_first(bytes).map_err(|why| {
        let help = "a certificate in PEM begins with `-----BEGIN CERTIFICATE-----`";
        (why.to_string(), help.to_owned())
    })?;
    // HAProxy, among others, wants the key and the certificate in one file, so this is common.
    if holds_private_key(bytes) {
        let what = "there is a private key beside the certificate, and the run directory keeps a copy of what it reads";
        return Err((
            what.to_owned(),
            "give a file with the certificate alone (`openssl x509 -in FILE -out FILE.pem`)".to_owned(),
        ));
    }
    Ok(read)
}

/// A certificate as it is sent.
pub(super) fn parse_sent(text: &str) -> CertificateResult {
    // Undecodable text becomes empty DER, which has the same finding.
    let der = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    Certificate::parse_first(&der).map_err(|_| ("this is no certificate in base64url".to_owned(), String::new()))
}

impl IssuerFiles {
    /// Reads certificates of issuers.
    pub(super) fn read(&mut self, path: &Path) -> IssuerResult {
        if let Some(known) = self.by_path.get(path) {
            return known.clone();
        }
        let result = Rc::new(read_certificates(path));
        self.by_path.insert(path.to_owned(), result.clone());
        result
    }
}

/// Reads all certificates of a file.
pub(super) fn read_certificates(path: &Path) -> Result<ReadCertificates, UnusableFile> {
    let named = safe::terminal(&path.display().to_string()).into_owned();
    let bytes = load::read_small_bytes(path, MAX_FILE)
        .map_err(|why| UnusableFile { what: format!("the file {named} cannot be read: {why}"), help: None })?;
    let all = Certificate::parse_all(&bytes).map_err(|why| UnusableFile {
        what: format!("the file {named} is no certificate: {why}"),
        help: Some("give a file with `-----BEGIN CERTIFICATE-----`; its issuer may follow in the same file"),
    })?;
    // `verify` may be started elsewhere.
    let path = std::path::absolute(path).ok().and_then(|path| path.into_os_string().into_string().ok());
    let path = path.ok_or_else(|| UnusableFile {
        what: format!("the path {named} is not UTF-8 text"),
        help: Some("give the file another name"),
    })?;
    let file = NamedFile { path, sha256: hex::encode(Sha256::digest(&bytes)) };
    Ok(ReadCertificates { file, all, may_be_copied: !holds_private_key(&bytes) })
}

fn holds_private_key(bytes: &[u8]) -> bool {
    bytes.windows(PRIVATE_KEY.len()).any(|window| window == PRIVATE_KEY)
}

/// How a private key in PEM begins, whatever its kind.
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY-----";
/// A larger file is no certificate, no request and no key.
pub(super) const MAX_FILE: u64 = 1 << 20;
/// So many certificate requests are in memory at once.
const MAX_CSRS: usize = 256;
/// CAs are few; whoever names more gives the others to `verify` by hand.
const MAX_ISSUERS: usize = 1000;
