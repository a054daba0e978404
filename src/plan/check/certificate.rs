//! The files that a plan names for an action's certificate and its issuer, for `verify`: read, and held against each other. They change
//! nothing of what is sent.

use super::action::common;
use super::sent_certificate::ReadCertificate;
use super::{Checker, Layers};
use crate::diag::Diagnostic;
use crate::pki::Certificate;
use crate::plan::checked::{CertificateFiles, NamedFile};
use crate::plan::load;
use crate::plan::row::Row;
use crate::provider::model::Operation;
use crate::text::{Span, safe};
use crate::tree::{Field, Shape};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The files of issuers that were read, by path: many actions name one.
#[derive(Default)]
pub(super) struct IssuerFiles {
    by_path: HashMap<PathBuf, Rc<Result<ReadCertificates, Unusable>>>,
}

/// A file with certificates.
struct ReadCertificates {
    file: NamedFile,
    /// At least one.
    all: Vec<Certificate>,
    /// Whether the run directory may get a copy: it never holds a private key.
    may_be_copied: bool,
}

/// Why a file will not do, and what would.
#[derive(Clone)]
struct Unusable {
    what: String,
    help: Option<&'static str>,
}

impl Checker<'_> {
    /// The files of a row's certificate, where it names any. What is wrong with them is said.
    pub(super) fn certificate_files(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        operation: &Operation,
        sent: Option<&ReadCertificate>,
    ) -> Option<Box<CertificateFiles>> {
        let given = |field: &&Field| !matches!(field.value.shape, Shape::Null);
        // An operation's own field of that name is one of its parameters, and `verify` finds it there.
        let is_ours = |name: &str| operation.parameter(name).is_none();
        let certificate = row.field("certificate").filter(given).filter(|_| is_ours("certificate"));
        let issuer = common(row, layers, "issuer").filter(given).filter(|_| is_ours("issuer"));
        if certificate.is_none() && issuer.is_none() {
            return None;
        }
        let read = certificate.and_then(|field| self.certificate_file(field));
        let issuers = issuer.and_then(|field| self.issuer_file(field));
        let leaf = read.as_ref().zip(certificate).map(|(read, field)| (&read.all[0], field.value.span));
        if let Some((leaf, place)) = leaf.filter(|(leaf, _)| leaf.ends < self.now) {
            let what = format!("this certificate has expired on {}", leaf.ends);
            let warning = Diagnostic::warning("expired", place, what);
            self.say(warning.help("its CA may have taken it off its CRL; `certsweep verify` can say little of it"));
        }
        let leaf = leaf.or_else(|| sent.map(|sent| (&sent.certificate, sent.place)));
        if let (Some((leaf, place)), Some(issuer), Some(Ok(issuers))) = (leaf, issuer, issuers.as_deref()) {
            self.judge(leaf, place, issuer, issuers);
        }
        let file = |read: &ReadCertificates| read.file.clone();
        let issuer = issuers.and_then(|read| read.as_ref().as_ref().ok().map(file));
        Some(Box::new(CertificateFiles { certificate: read.as_ref().map(file), issuer }))
    }

    fn judge(&mut self, leaf: &Certificate, place: Span, issuer: &Field, issuers: &ReadCertificates) {
        if !issuers.all.iter().any(|issuer| leaf.is_issued_by(issuer)) {
            let what = format!(
                "no certificate in {} has issued the action's certificate",
                safe::terminal(issuer.value.text().unwrap_or_default().trim_start_matches("file:").trim())
            );
            let error = Diagnostic::error("issuer", issuer.value.span, what);
            let help =
                "name the file of the CA that has issued it, or drop `issuer` where the certificate names its place";
            self.say(error.related(place, "the certificate").help(help));
        }
    }

    fn certificate_file(&mut self, field: &Field) -> Option<ReadCertificates> {
        let path = self.named_path(field)?;
        match read(&path) {
            Ok(read) => {
                self.copy(&read, &path);
                Some(read)
            }
            Err(unusable) => {
                self.unusable("certificate", field, unusable);
                None
            }
        }
    }

    fn issuer_file(&mut self, field: &Field) -> Option<Rc<Result<ReadCertificates, Unusable>>> {
        let path = self.named_path(field)?;
        let result = match self.issuers.by_path.get(&path) {
            Some(known) => known.clone(),
            None => {
                let result = Rc::new(read(&path));
                if let Ok(read) = &*result {
                    self.copy(read, &path);
                }
                self.issuers.by_path.insert(path, result.clone());
                result
            }
        };
        if let Err(unusable) = &*result {
            self.unusable("issuer", field, unusable.clone());
        }
        Some(result)
    }

    fn copy(&mut self, read: &ReadCertificates, path: &Path) {
        if read.may_be_copied {
            self.copy_once(&path.display().to_string(), path);
        }
    }

    fn unusable(&mut self, code: &'static str, field: &Field, Unusable { what, help }: Unusable) {
        let mut error = Diagnostic::error(code, field.value.span, what);
        error.help = help.map(str::to_owned);
        self.say(error);
    }

    fn named_path(&mut self, field: &Field) -> Option<PathBuf> {
        let text = self.single(field)?;
        let Some(named) = text.strip_prefix("file:").map(str::trim).filter(|path| !path.is_empty()) else {
            let what = format!("`{}` must name a PEM file", field.name);
            let help = format!("write `{}: \"file:PATH\"`", field.name);
            self.say(Diagnostic::error("no-file", field.value.span, what).help(help));
            return None;
        };
        Some(load::resolve(self.sources, field.value.span, named))
    }
}

fn read(path: &Path) -> Result<ReadCertificates, Unusable> {
    let named = safe::terminal(&path.display().to_string()).into_owned();
    let bytes = load::read_small_bytes(path, LARGEST)
        .map_err(|why| Unusable { what: format!("the file {named} cannot be read: {why}"), help: None })?;
    let all = Certificate::parse_all(&bytes)
        .map_err(|why| Unusable { what: format!("the file {named} is no certificate: {why}"), help: Some(RIGHT) })?;
    // `verify` may be started elsewhere.
    let path = std::path::absolute(path).ok().and_then(|path| path.into_os_string().into_string().ok());
    let path = path.ok_or_else(|| Unusable {
        what: format!("the path {named} is not UTF-8 text"),
        help: Some("give the file another name"),
    })?;
    let may_be_copied = memchr::memmem::find(&bytes, b"PRIVATE KEY-----").is_none();
    Ok(ReadCertificates { file: NamedFile { path, sha256: hex::encode(Sha256::digest(&bytes)) }, all, may_be_copied })
}

const RIGHT: &str = "give a file with `-----BEGIN CERTIFICATE-----`; its issuer may follow in the same file";
/// A larger file is no certificate with its issuers.
const LARGEST: u64 = 1 << 20;
