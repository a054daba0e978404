//! What a plan says of an action's certificate for `verify`: its file or its serial number, its issuer's file, where to ask. Read, and
//! held against each other. It changes nothing of what is sent.

use super::context::Checker;
use super::fields::{Layers, Row, has_value};
use super::files::{self, IssuerResult, ReadCertificates, SentCertificate, UnusableFile};
use crate::diag::{Diagnostic, Diagnostics};
use crate::pki::{Certificate, SerialNumber};
use crate::plan::checked::CertificateFacts;
use crate::plan::load;
use crate::plan::read::{UnusableUrl, published, texts};
use crate::provider::model::Operation;
use crate::text::{Span, safe};
use crate::tree::Field;
use std::path::{Path, PathBuf};

/// What a row says of its certificate, itself or by its defaults.
struct CertificateFields<'a> {
    certificate: Option<&'a Field>,
    serial_number: Option<&'a Field>,
    issuer: Option<&'a Field>,
    crl: Option<&'a Field>,
    ocsp: Option<&'a Field>,
}

impl Checker<'_> {
    /// What a row says of its certificate, where it says anything. What is wrong with that is said.
    pub(super) fn certificate_facts(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        operation: &Operation,
        sent: Option<&SentCertificate>,
    ) -> Option<Box<CertificateFacts>> {
        // An operation's own field of that name is one of its parameters, and `verify` finds a certificate there.
        let ours = |field: &&Field| has_value(field) && operation.parameter(&field.name).is_none();
        let own = |name: &str| row.field(name).filter(ours);
        let any = |name: &str| row.field_or_default(layers, name).filter(ours);
        let said = CertificateFields {
            certificate: own("certificate"),
            serial_number: own("serial_number"),
            issuer: any("issuer"),
            crl: any("crl"),
            ocsp: any("ocsp"),
        };
        let CertificateFields { certificate, serial_number, issuer, crl, ocsp } = said;
        if [certificate, serial_number, issuer, crl, ocsp].iter().all(Option::is_none) {
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
        let mut facts = CertificateFacts {
            certificate: read.as_ref().map(file),
            serial_number: None,
            issuer: issuers.as_ref().and_then(|read| read.as_ref().as_ref().ok().map(file)),
            crl: crl.map(|field| self.urls(field)).unwrap_or_default(),
            ocsp: ocsp.and_then(|field| self.url(field)),
        };
        if let Some(field) = serial_number {
            let serial = self.serial_number(field)?;
            match leaf {
                Some((leaf, place)) if leaf.serial != serial => {
                    let what = format!("the certificate's serial number is {}, not {serial}", leaf.serial);
                    let error = Diagnostic::error("serial-number", field.value.span, what);
                    self.say(error.related(place, "the certificate").help("is it the right file?"));
                }
                // The certificate tells more.
                Some(_) => {}
                None if certificate.is_some() => {}
                None => {
                    self.judge_bare(row, field, &said, issuers.as_deref());
                    facts.serial_number = Some(serial);
                }
            }
        } else if leaf.is_none()
            && certificate.is_none()
            && let Some(field) = [own("crl"), own("ocsp")].into_iter().flatten().next()
        {
            let what = format!("`{}` says where to ask, and nothing says about which certificate", field.name);
            let warning = Diagnostic::warning("no-certificate", field.span, what);
            self.say(warning.help("add `serial_number` and `issuer`, or `certificate: \"file:PATH\"`"));
        }
        Some(Box::new(facts))
    }

    /// What a serial number needs beside it, since nothing else says where to ask and whom to believe.
    fn judge_bare(
        &mut self,
        row: &Row<'_>,
        field: &Field,
        said: &CertificateFields<'_>,
        issuers: Option<&Result<ReadCertificates, UnusableFile>>,
    ) {
        let place = field.value.span;
        // A list that lacks the column is told of once.
        let missing = |names: &[&str]| if row.header.is_some() { row.place_of_missing(names) } else { place };
        if said.issuer.is_none() {
            let what = "`serial_number` needs an `issuer`: a CRL is believed for the issuer's signature, and an OCSP question names the issuer";
            let help = "name the CA's certificate, here or in `defaults`: `issuer: \"file:ca.pem\"`";
            self.say(Diagnostic::error("no-issuer", missing(&["issuer"]), what).help(help));
        }
        if said.crl.is_none() && said.ocsp.is_none() {
            let what = "`serial_number` needs a `crl` or an `ocsp`: a number does not say where to ask about it";
            let help = "give the CA's URLs, here or in `defaults`: `crl: http://…`, `ocsp: http://…`";
            self.say(Diagnostic::error("nowhere-to-ask", missing(&["crl", "ocsp"]), what).help(help));
        }
        let cas = |read: &ReadCertificates| read.all.iter().filter(|certificate| certificate.is_ca).count();
        if let (Some(issuer), Some(Ok(read))) = (said.issuer, issuers)
            && cas(read) != 1
        {
            let named = issuer.value.text().unwrap_or_default().trim_start_matches("file:").trim();
            let named = safe::terminal(named);
            let what = match cas(read) {
                0 => format!("no certificate in {named} is a CA's"),
                more => format!("{named} holds {more} certificates of CAs, and a serial number is one CA's"),
            };
            let error = Diagnostic::error("issuer", issuer.value.span, what);
            self.say(
                error
                    .related(place, "the serial number")
                    .help("name a file with the certificate of the CA that has issued it"),
            );
        }
    }

    fn serial_number(&mut self, field: &Field) -> Option<SerialNumber> {
        let text = self.single(field)?;
        match SerialNumber::parse(text) {
            Ok(serial) => Some(serial),
            Err(why) => {
                let what = format!("`{}` is no serial number: {why}", safe::terminal(text));
                let help = "write it as `openssl x509 -noout -serial` prints it, with colons or without: 04:C0:FF";
                self.say(Diagnostic::error("serial-number", field.value.span, what).help(help));
                None
            }
        }
    }

    /// One URL, or several.
    fn urls(&mut self, field: &Field) -> Vec<String> {
        let mut wrong = Diagnostics::default();
        let urls = texts(&field.value, &mut wrong).unwrap_or_default();
        self.say_all(&wrong);
        urls.into_iter().filter_map(|(url, place)| self.published(&field.name, url, place)).collect()
    }

    fn url(&mut self, field: &Field) -> Option<String> {
        let text = self.single(field)?;
        self.published(&field.name, text.to_owned(), field.value.span)
    }

    fn published(&mut self, name: &str, url: String, place: Span) -> Option<String> {
        match published(&url) {
            Ok(()) => return Some(url),
            Err(UnusableUrl::Secret) => {
                let what = format!("`{name}` holds a user name or password");
                let error = Diagnostic::error("literal-secret", place, what);
                self.say(error.help("take it out of the URL: what a CA publishes is for everybody"));
            }
            Err(UnusableUrl::Wrong(what, help)) => {
                let mut error = Diagnostic::error("url", place, format!("`{name}`: {what}"));
                error.help = help;
                self.say(error);
            }
        }
        None
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
        match files::read_certificates(&path) {
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

    fn issuer_file(&mut self, field: &Field) -> Option<IssuerResult> {
        let path = self.named_path(field)?;
        let result = self.issuers.read(&path);
        if let Ok(read) = &*result {
            self.copy(read, &path);
        }
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

    fn unusable(&mut self, code: &'static str, field: &Field, UnusableFile { what, help }: UnusableFile) {
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
