//! The certificates, certificate requests and keys that an action names: compared with what the action asks for. Those that are
//! sent, and those that only `verify` needs, which change nothing of what is sent. A private key is compared and dropped; the plan
//! has its path alone.

use super::context::Checker;
use super::fields::{Layers, Row, has_value};
use super::pem_files::{
    self, CsrResult, IssuerResult, MAX_FILE, NamedKey, ReadCertificates, ReadCsr, ReadTarget, SentCertificate,
    TargetResult, UnusableFile, described, parse_csr,
};
use crate::diag::{Diagnostic, Diagnostics};
use crate::pki::csr::split_reference;
use crate::pki::names::{NameRule, check_name, comparable};
use crate::pki::{Certificate, Csr, PrivateKey, SentKey, SerialNotation, SerialNumber, SpkiFingerprint, pem};
use crate::plan::checked::{CertificateFacts, CertificateNames};
use crate::plan::load;
use crate::plan::read::{UnusableUrl, check_published, texts};
use crate::provider::answer::scalar_text;
use crate::provider::model::{CertificateRule, CsrRule, Operation, Parameter, TargetKind};
use crate::text::{Span, safe};
use crate::tree::Field;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;
use zeroize::Zeroizing;

/// The fields of a row that describe its certificate, its own or those of its defaults.
struct CertificateFields<'a> {
    certificate: Option<&'a Field>,
    serial_number: Option<&'a Field>,
    issuer: Option<&'a Field>,
    crl: Option<&'a Field>,
    ocsp: Option<&'a Field>,
}

impl Checker<'_> {
    /// What a row gives of its certificate for `verify`, where it gives anything; and the certificate itself, where a file has it.
    pub(super) fn read_certificate_facts(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        operation: &Operation,
        sent: Option<&SentCertificate>,
    ) -> (Option<Box<CertificateFacts>>, Option<Box<Certificate>>) {
        let mut certificate = None;
        let facts = self.read_facts(row, layers, operation, sent, &mut certificate);
        // A report that is a plan again must say it again.
        let is_ca = sent.is_some_and(|sent| sent.is_ca) || facts.as_ref().is_some_and(|facts| facts.is_ca);
        let facts = if is_ca { Some(CertificateFacts { is_ca, ..facts.unwrap_or_default() }) } else { facts };
        (facts.map(Box::new), certificate)
    }

    fn read_facts(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        operation: &Operation,
        sent: Option<&SentCertificate>,
        read_certificate: &mut Option<Box<Certificate>>,
    ) -> Option<CertificateFacts> {
        // An operation's own field of that name is one of its parameters, and `verify` finds a certificate there.
        let ours = |field: &&Field| has_value(field) && operation.parameter(&field.name).is_none();
        let own = |name: &str| row.own_field(layers, name).filter(ours);
        let any = |name: &str| row.field_or_default(layers, name).filter(ours);
        // A list of find's tells the number of each certificate; where it cannot be asked about, that is no mistake.
        let can_be_asked = any("issuer").is_some() && (any("crl").is_some() || any("ocsp").is_some());
        let is_of_find = row.header.is_some_and(|header| header.is_of_find);
        // Nor where a row's steps share it: the one that revokes may take it as its own field.
        let is_of_row = self.chain.is_some() && row.field("serial_number").is_none();
        let is_for_people = (is_of_find || is_of_row) && own("certificate").is_none() && !can_be_asked;
        let given = CertificateFields {
            certificate: own("certificate"),
            serial_number: own("serial_number").filter(|_| !is_for_people),
            issuer: any("issuer"),
            crl: any("crl"),
            ocsp: any("ocsp"),
        };
        let CertificateFields { certificate, serial_number, issuer, crl, ocsp } = given;
        if [certificate, serial_number, issuer, crl, ocsp].iter().all(Option::is_none) {
            return None;
        }
        let mut is_ca = false;
        let mut read = certificate.and_then(|field| self.read_certificate_file(field, &mut is_ca));
        if let (Some(there), Some(field)) = (&read, certificate) {
            let asked = self.asks_for_ca(row, layers, operation);
            let kind = operation.action.as_ref().map(|rules| rules.target.kind);
            // The certificate of what such an operation acts on is a CA's.
            if kind != Some(TargetKind::Ca) && !self.is_of_kind(&there.all[0], is_ca, asked, field.value.span) {
                read = None;
            }
            is_ca &= asked;
        }
        *read_certificate = read.as_ref().map(|read| Box::new(read.all[0].clone()));
        let issuers = issuer.and_then(|field| self.read_issuer_file(field));
        let leaf = read.as_ref().zip(certificate).map(|(read, field)| (&read.all[0], field.value.span));
        if let Some((leaf, place)) = leaf.filter(|(leaf, _)| leaf.ends < self.now) {
            let what = format!("this certificate has expired on {}: {}", leaf.ends, described(leaf));
            let warning = Diagnostic::warning("expired", place, what);
            self.report(warning.help("its CA may have taken it off its CRL; `certsweep verify` can say little of it"));
        }
        // A certificate that is sent need not be named a second time for `verify`.
        let leaf = leaf.or_else(|| sent.map(|sent| (&sent.certificate, sent.place)));
        if let (Some((leaf, place)), Some(issuer), Some(Ok(issuers))) = (leaf, issuer, issuers.as_deref()) {
            self.check_issuer(leaf, place, issuer, issuers);
        }
        let file = |read: &ReadCertificates| read.file.clone();
        if let Some((leaf, _)) = leaf.filter(|_| !self.exceptions.active.is_empty()) {
            self.exceptions.note_certificate(leaf);
        }
        let mut facts = CertificateFacts {
            certificate: read.as_ref().map(file),
            is_ca,
            serial_number: None,
            issuer: issuers.as_ref().and_then(|read| read.as_ref().as_ref().ok().map(file)),
            crl: crl.map(|field| self.read_urls(field)).unwrap_or_default(),
            ocsp: ocsp.and_then(|field| self.read_url(field)),
            drop_names: Vec::new(),
        };
        if let Some(field) = serial_number {
            let serial = self.read_serial_number(row, layers, field)?;
            match leaf {
                // The certificate has the number in it, and more.
                Some((leaf, place)) => self.compare_serial_number(field, &serial, leaf, place),
                // Its file cannot be read, which was reported; that the number lacks an issuer is then no finding.
                None if certificate.is_some() => {}
                None => {
                    self.check_serial_number_alone(row, field, &given, issuers.as_deref());
                    facts.serial_number = Some(serial);
                }
            }
        } else if leaf.is_none()
            && certificate.is_none()
            && let Some(field) = [own("crl"), own("ocsp")].into_iter().flatten().next()
        {
            // Only for a URL of the row itself: as a default it may be meant for other rows.
            let what = format!("`{}` says where to ask, and nothing says about which certificate", field.name);
            let warning = Diagnostic::warning("no-certificate", field.span, what);
            self.report(warning.help("add `serial_number` and `issuer`, or `certificate: \"file:PATH\"`"));
        }
        Some(facts)
    }

    /// Whether a row says that its certificate is a CA's on purpose.
    pub(super) fn asks_for_ca(&mut self, row: &Row<'_>, layers: Layers<'_>, operation: &Operation) -> bool {
        let name = "ca_certificate";
        let own = row.own_field(layers, name);
        let field = own.filter(|field| has_value(field) && operation.parameter(name).is_none());
        let Some(field) = field else { return false };
        match self.single_value(field) {
            // Excel writes its own letters.
            Some(text) if text.eq_ignore_ascii_case("true") => return true,
            None => {}
            Some(text) if text.eq_ignore_ascii_case("false") => {}
            Some(text) => {
                let what = format!("`{name}` must be true or false, not `{}`", safe::terminal(text));
                self.report(Diagnostic::error("wrong-type", field.value.span, what));
            }
        }
        false
    }

    /// Whether a certificate is of the kind that its row asks for: an end entity's, unless it says that it is a CA's. `false` is reported.
    fn is_of_kind(&mut self, certificate: &Certificate, is_ca: bool, asked: bool, place: Span) -> bool {
        if is_ca == asked {
            return true;
        }
        let (what, help) = if is_ca {
            (
                format!("there is no end-entity certificate in it, but a CA's: {}", described(certificate)),
                "give the certificate that is meant; to name a CA's own on purpose, write `ca_certificate: true` beside it",
            )
        } else {
            (
                format!(
                    "`ca_certificate` says that it is a CA's, and it is an end entity's: {}",
                    described(certificate)
                ),
                "leave `ca_certificate` out, or give a file with the certificate of the CA alone",
            )
        };
        self.report(Diagnostic::error("ca-certificate", place, what).help(help));
        false
    }

    fn compare_serial_number(&mut self, field: &Field, serial: &SerialNumber, leaf: &Certificate, place: Span) {
        if leaf.serial != *serial {
            let what = format!("the certificate's serial number is {}, not {serial}", leaf.serial);
            let error = Diagnostic::error("serial-number", field.value.span, what);
            self.report(error.related(place, "the certificate").help("is it the right file?"));
        }
    }

    /// Holds the certificate of a row against the serial number that is sent: `verify` would ask about another one.
    pub(super) fn compare_named(
        &mut self,
        row: &Row<'_>,
        layers: Layers<'_>,
        operation: &Operation,
        (given, parameters): (&[Option<&Field>], &Map<String, Value>),
        named: &Certificate,
    ) {
        let Some(serial) = operation.serial_number(parameters) else { return };
        let is_it = |parameter: &Parameter| parameter.serial().is_some() || parameter.name == "serial_number";
        let field = operation.parameters.iter().position(is_it).and_then(|index| given[index]);
        let certificate = row.own_field(layers, "certificate");
        if let (Some(field), Some(certificate)) = (field, certificate) {
            self.compare_serial_number(field, &serial, named, certificate.value.span);
        }
    }

    /// Checks what must be beside a serial number that comes without its certificate, which would name its CRL, responder and issuer.
    fn check_serial_number_alone(
        &mut self,
        row: &Row<'_>,
        field: &Field,
        given: &CertificateFields<'_>,
        issuers: Option<&Result<ReadCertificates, UnusableFile>>,
    ) {
        let place = field.value.span;
        // For a list that lacks the column one finding at its header is enough.
        let missing = |names: &[&str]| if row.header.is_some() { row.place_of_missing(names) } else { place };
        if given.issuer.is_none() {
            let what = "`serial_number` needs an `issuer`: a CRL is believed for the issuer's signature, and an OCSP question names the issuer";
            let help = "name the CA's certificate, here or in `defaults`: `issuer: \"file:ca.pem\"`";
            self.report(Diagnostic::error("no-issuer", missing(&["issuer"]), what).help(help));
        }
        if given.crl.is_none() && given.ocsp.is_none() {
            let what = "`serial_number` needs a `crl` or an `ocsp`: a number does not say where to ask about it";
            let help = "give the CA's URLs, here or in `defaults`: `crl: http://…`, `ocsp: http://…`";
            self.report(Diagnostic::error("nowhere-to-ask", missing(&["crl", "ocsp"]), what).help(help));
        }
        // An OCSP request identifies the issuer by its name and key (RFC 6960, section 4.1.1), so there must be exactly one.
        let cas = |read: &ReadCertificates| read.all.iter().filter(|certificate| certificate.is_ca).count();
        if let (Some(issuer), Some(Ok(read))) = (given.issuer, issuers)
            && cas(read) != 1
        {
            let named = issuer.value.text().unwrap_or_default().trim_start_matches("file:").trim();
            let named = safe::terminal(named);
            let what = match cas(read) {
                0 => format!("no certificate in {named} is a CA's"),
                more => format!("{named} holds {more} certificates of CAs, and a serial number is one CA's"),
            };
            let error = Diagnostic::error("issuer", issuer.value.span, what);
            self.report(
                error
                    .related(place, "the serial number")
                    .help("name a file with the certificate of the CA that has issued it"),
            );
        }
    }

    /// One URL, or several.
    fn read_urls(&mut self, field: &Field) -> Vec<String> {
        let mut wrong = Diagnostics::default();
        let urls = texts(&field.value, &mut wrong).unwrap_or_default();
        self.report_all(&wrong);
        urls.into_iter().filter_map(|(url, place)| self.published_url(&field.name, url, place)).collect()
    }

    fn read_url(&mut self, field: &Field) -> Option<String> {
        let text = self.single_value(field)?;
        self.published_url(&field.name, text.to_owned(), field.value.span)
    }

    fn published_url(&mut self, name: &str, url: String, place: Span) -> Option<String> {
        match check_published(&url) {
            Ok(()) => return Some(url),
            Err(UnusableUrl::Secret) => {
                let what = format!("`{name}` holds a user name or password");
                let error = Diagnostic::error("literal-secret", place, what);
                self.report(error.help("take it out of the URL: what a CA publishes is for everybody"));
            }
            Err(UnusableUrl::Wrong(what, help)) => {
                let mut error = Diagnostic::error("url", place, format!("`{name}`: {what}"));
                error.help = help;
                self.report(error);
            }
        }
        None
    }

    fn check_issuer(&mut self, leaf: &Certificate, place: Span, issuer: &Field, issuers: &ReadCertificates) {
        if !issuers.all.iter().any(|issuer| leaf.is_issued_by(issuer)) {
            let what = format!(
                "no certificate in {} has issued the action's certificate",
                safe::terminal(issuer.value.text().unwrap_or_default().trim_start_matches("file:").trim())
            );
            let error = Diagnostic::error("issuer", issuer.value.span, what);
            let help =
                "name the file of the CA that has issued it, or drop `issuer` where the certificate names its place";
            self.report(error.related(place, "the certificate").help(help));
        }
    }

    /// The certificates of a field's file, first the one that is meant; `is_ca` is set where that is a CA's.
    fn read_certificate_file(&mut self, field: &Field, is_ca: &mut bool) -> Option<ReadCertificates> {
        let path = self.named_path(field)?;
        let read = pem_files::read_certificates(&path).and_then(|mut read| {
            *is_ca = pem_files::put_meant_first(&mut read.all).map_err(|wrong| pem_files::in_file(&path, wrong))?;
            Ok(read)
        });
        match read {
            Ok(read) => {
                self.copy_once(&path.display().to_string(), &path, true);
                self.certificates.keep_issuers(&read.all[0], &read.all[1..]);
                Some(read)
            }
            Err(unusable) => {
                self.report_unusable_file("certificate", field, unusable);
                None
            }
        }
    }

    fn read_issuer_file(&mut self, field: &Field) -> Option<IssuerResult> {
        let path = self.named_path(field)?;
        let result = self.issuers.read(&path);
        match &*result {
            Ok(_) => self.copy_once(&path.display().to_string(), &path, true),
            Err(unusable) => self.report_unusable_file("issuer", field, unusable.clone()),
        }
        Some(result)
    }

    fn report_unusable_file(&mut self, code: &'static str, field: &Field, UnusableFile { what, help }: UnusableFile) {
        let mut error = Diagnostic::error(code, field.value.span, what);
        error.help = help.map(str::to_owned);
        self.report(error);
    }

    fn named_path(&mut self, field: &Field) -> Option<PathBuf> {
        let text = self.single_value(field)?;
        let Some(named) = text.strip_prefix("file:").map(str::trim).filter(|path| !path.is_empty()) else {
            let what = format!("`{}` must name a PEM file", field.name);
            let help = format!("write `{}: \"file:PATH\"`", field.name);
            self.report(Diagnostic::error("no-file", field.value.span, what).help(help));
            return None;
        };
        Some(load::resolve(self.sources, field.value.span, named))
    }
}

impl Checker<'_> {
    /// Reads the certificate of a field: `file:PATH`, or the PEM text itself.
    pub(super) fn read_sent_certificate(&mut self, field: &Field, ca_asked: bool) -> Option<SentCertificate> {
        let text = self.single_value(field)?;
        let place = field.value.span;
        let read = match text.strip_prefix("file:") {
            Some(named) => self.read_sent_certificate_file(named.trim(), place),
            None if pem::holds_private_key(text.as_bytes()) => {
                let what = format!("`{}` holds a private key; a plan never holds a key", field.name);
                let error = Diagnostic::error("literal-secret", field.span, what);
                self.report(error.help("take the key out, or write `file:PATH`"));
                return None;
            }
            None if text.contains("-----BEGIN") => pem_files::parse_target(text.as_bytes()),
            // As reports write it that are plans by themselves.
            None if is_sent(text) => pem_files::parse_sent(text),
            None => {
                let what = format!("`{}` is neither a file nor a certificate", field.name);
                let help = format!("write `{}: \"file:PATH\"`, or the PEM text", field.name);
                self.report(Diagnostic::error("certificate", place, what).help(help));
                return None;
            }
        };
        let ReadTarget { certificate, is_ca, others, .. } = match read {
            Ok(read) => read,
            Err(unusable) => {
                self.report_unusable_file("certificate", field, unusable);
                return None;
            }
        };
        if !self.is_of_kind(&certificate, is_ca, ca_asked, place) {
            return None;
        }
        if certificate.is_precertificate {
            let what = format!("this is a precertificate, {}: no server shows it", described(&certificate));
            let warning = Diagnostic::warning("precertificate", place, what);
            self.report(warning.help("its certificate has the same serial number; give that, where you have it"));
        }
        // With these `verify` needs no `issuer` in the plan.
        self.certificates.keep_issuers(&certificate, &others);
        Some(SentCertificate { certificate, is_ca, place })
    }

    /// The reference to a key: a file, and nothing else.
    pub(super) fn read_key_reference(&mut self, field: &Field) -> Option<Value> {
        let text = self.single_value(field)?;
        if text.strip_prefix("file:").is_some_and(|path| !path.trim().is_empty() && !path.contains('\0')) {
            return Some(Value::String(text.to_owned()));
        }
        // The value may be the key itself, so only the field's name is shown.
        let what = format!("`{}` is not a reference to a file; a plan never holds a key", field.name);
        self.report(Diagnostic::error("literal-secret", field.span, what).help("write `file:PATH`"));
        None
    }

    /// Fills in what the certificate contains, and compares it with the action's other fields. `false` where the action cannot be
    /// carried out as written, which is reported. `given` has the field that gave each parameter.
    pub(super) fn apply_certificate(
        &mut self,
        read: &SentCertificate,
        rule: &CertificateRule,
        operation: &Operation,
        given: &[Option<&Field>],
        map: &mut Map<String, Value>,
    ) -> bool {
        let field = |name: &Option<String>| {
            let name = name.as_ref()?;
            given[operation.parameters.iter().position(|parameter| parameter.name == *name)?]
        };
        let mut good = !(rule.refuses_expired && self.now > read.certificate.ends);
        if !good {
            let what =
                format!("the certificate has expired, at {}: {}", read.certificate.ends, described(&read.certificate));
            let help = "the provider refuses to revoke it, and nobody accepts it any more: drop this action";
            self.report(Diagnostic::error("expired", read.place, what).help(help));
        } else if self.now > read.certificate.ends {
            let what =
                format!("the certificate has expired, at {}: {}", read.certificate.ends, described(&read.certificate));
            let help = "nobody accepts it any more: drop this action unless its revocation is asked for";
            self.report(Diagnostic::warning("expired", read.place, what).help(help));
        }
        if let Some(name) = &rule.serial {
            let serial = self.certificates.serial(&read.certificate);
            let asked = |text: &Value| SerialNumber::parse_in(text.as_str()?, SerialNotation::Hexadecimal).ok();
            if let (Some(field), Some(asked)) = (field(&rule.serial), map.get(name).and_then(asked))
                && asked != read.certificate.serial
            {
                let written = field.value.text().unwrap_or_default();
                let what = format!("the certificate's serial number is {serial}, not `{}`", safe::terminal(written));
                let error = Diagnostic::error("certificate", field.value.span, what);
                self.report(error.related(read.place, "the certificate").help("is it the right file?"));
                good = false;
            }
            map.insert(name.clone(), serial.into());
        }
        if let (Some(name), Some(field)) = (&rule.key, field(&rule.key)) {
            match self.check_own_key(field, read) {
                Some(path) => drop(map.insert(name.clone(), format!("file:{}", path.display()).into())),
                None => good = false,
            }
        }
        good
    }

    /// The file of the key that is to sign in the certificate's name.
    fn check_own_key(&mut self, field: &Field, read: &SentCertificate) -> Option<PathBuf> {
        let place = field.value.span;
        let named = field.value.text()?.strip_prefix("file:")?.trim();
        let path = load::resolve(self.sources, place, named);
        // `resume` may run in another directory.
        let path = std::path::absolute(&path).unwrap_or(path);
        let bytes = load::read_small_bytes(&path, MAX_FILE).map(Zeroizing::new);
        let key = bytes.and_then(|bytes| PrivateKey::parse_file(&bytes));
        match key {
            Ok(key) if key.is_of(&read.certificate) => Some(path),
            Ok(_) => {
                let what = format!(
                    "the key in {} is not the certificate's, {}",
                    safe::terminal(named),
                    described(&read.certificate)
                );
                let error = Diagnostic::error("certificate-key", place, what).related(read.place, "the certificate");
                self.report(error.help("give the certificate's own key, or leave it out to sign with the account's"));
                None
            }
            Err(why) => {
                let what = format!("the key in {} cannot be used: {why}", safe::terminal(named));
                self.report(Diagnostic::error("certificate-key", place, what));
                None
            }
        }
    }

    /// A private key that is sent, and what stands for it until then.
    pub(super) fn read_sent_key(&mut self, field: &Field) -> Option<(NamedKey, String)> {
        self.read_key_reference(field)?;
        let place = field.value.span;
        let (named, digest) = split_reference(field.value.text()?.strip_prefix("file:")?.trim());
        let path = load::resolve(self.sources, place, named);
        // `resume` may run in another directory.
        let path = std::path::absolute(&path).unwrap_or(path);
        let bytes = load::read_small_bytes(&path, MAX_FILE).map(Zeroizing::new);
        let named = safe::terminal(named);
        match bytes.and_then(|bytes| SentKey::parse(&bytes)) {
            Ok(key) if digest.is_some_and(|digest| digest != key.spki().to_string()) => {
                let what = format!("the key in {named} is another one than that of this digest");
                let error = Diagnostic::error("private-key", place, what);
                self.report(error.help("leave `#sha256=…` out to take it as it is now"));
                None
            }
            Ok(key) => {
                let reference = key.reference(&path.display().to_string());
                Some((NamedKey { spki: key.spki(), named: named.into_owned(), place }, reference))
            }
            Err(why) => {
                let what = format!("the key in {named} cannot be used: {why}");
                self.report(Diagnostic::error("private-key", place, what));
                None
            }
        }
    }

    /// Certificates that are sent: the text of a file of them, or PEM in the plan, and the first of them.
    pub(super) fn read_certificates_sent(&mut self, field: &Field, issuers: bool) -> Option<(String, Certificate)> {
        let (name, place) = (safe::terminal(&field.name).into_owned(), field.value.span);
        let text = field.value.text()?;
        let bytes = match text.strip_prefix("file:").map(str::trim) {
            Some(named) => load::read_small_bytes(&load::resolve(self.sources, place, named), MAX_FILE),
            None => Ok(text.as_bytes().to_vec()),
        };
        let all = bytes.and_then(|bytes| Certificate::parse_all(&bytes).map_err(|why| why.to_string()));
        let all = match all {
            Ok(all) => all,
            Err(why) => {
                let error = Diagnostic::error("certificate", place, format!("`{name}` holds no certificate: {why}"));
                self.report(
                    error.help("give `file:PATH` of certificates in PEM or DER, or `$steps.NAME.outputs.certificate`"),
                );
                return None;
            }
        };
        if issuers && all.len() < 2 {
            let what = format!("`{name}` takes the issuers that stand behind a certificate, and none does here");
            let error = Diagnostic::error("certificate", place, what);
            self.report(error.help("give a file with the certificate and its issuers behind it, or leave it out"));
            return None;
        }
        let text = all.iter().map(|one| pem::encode("CERTIFICATE", &one.der)).collect();
        Some((text, all.into_iter().next()?))
    }

    /// Holds the keys that are sent against the action's certificate.
    pub(super) fn compare_keys(&mut self, keys: &[NamedKey], certificate: &Certificate) {
        for key in keys.iter().filter(|key| key.spki != SpkiFingerprint::of(&certificate.spki)) {
            let what = format!("the key in {} is not the certificate's, {}", key.named, described(certificate));
            self.report(Diagnostic::error("private-key", key.place, what).help("give the certificate's own key"));
        }
    }

    fn read_sent_certificate_file(&mut self, named: &str, place: Span) -> TargetResult {
        let path = load::resolve(self.sources, place, named);
        let read = pem_files::read_target(&path)?;
        self.copy_once(named, &path, true);
        Ok(read)
    }
}

/// Whether a text looks as certificates are sent.
fn is_sent(text: &str) -> bool {
    text.starts_with("MI") && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl Checker<'_> {
    /// Reads the certificate request of a field: `file:PATH`, or the PEM text itself.
    pub(super) fn read_csr(&mut self, field: &Field) -> Option<CsrResult> {
        let text = self.single_value(field)?;
        let read = match text.strip_prefix("file:") {
            Some(named) => self.read_csr_file(split_reference(named.trim()).0, field.value.span),
            None if text.contains("-----BEGIN") => Rc::new(parse_csr(text.as_bytes())),
            None => {
                let what = format!("`{}` is neither a file nor a certificate request", field.name);
                let help = format!("write `{}: \"file:PATH\"`, or the PEM text", field.name);
                self.report(Diagnostic::error("csr", field.value.span, what).help(help));
                return None;
            }
        };
        if let Err(why) = &*read {
            self.report(Diagnostic::error("csr", field.value.span, why.clone()));
            return None;
        }
        Some(read)
    }

    /// Of a request with a password in it, which a run directory must not keep: what stands for it there. `Err` where the plan itself holds
    /// it, or another one is there now; it is reported.
    pub(super) fn withhold_csr(&mut self, field: &Field, csr: &Csr) -> Result<Option<String>, ()> {
        let place = field.value.span;
        let named =
            field.value.text().unwrap_or_default().strip_prefix("file:").map(|named| split_reference(named.trim()));
        if let Some((_, Some(digest))) = named
            && digest != csr.digest()
        {
            let what = "the certificate request is another one than that of this digest";
            self.report(Diagnostic::error("csr", place, what).help("leave `#sha256=…` out to take it as it is now"));
            return Err(());
        }
        if !csr.has_challenge_password() {
            return Ok(None);
        }
        let what =
            "the certificate request carries a password (challengePassword): all who see the request can read it";
        let Some((path, _)) = named else {
            let help =
                "give it as `file:PATH`, for the plan is copied into the run directory; or make a request without it";
            self.report(Diagnostic::error("challenge-password", place, what).help(help));
            return Err(());
        };
        let help =
            "make a request without it; the run directory does not keep this one, and reads the file when it is sent";
        self.report(Diagnostic::warning("challenge-password", place, what).help(help));
        // `resume` may run in another directory.
        let path = load::resolve(self.sources, place, path);
        let path = std::path::absolute(&path).unwrap_or(path);
        Ok(Some(csr.reference(&path.display().to_string())))
    }

    /// The name of a certificate request, or the list of all its DNS names.
    pub(super) fn names_of_csr(read: &ReadCsr, is_list: bool) -> Option<Value> {
        let csr = &read.csr;
        let mut names: Vec<String> = csr.names().dns.iter().map(|name| name.to_ascii_lowercase()).collect();
        if names.is_empty() {
            names.extend(csr.common_name().map(str::to_owned));
        }
        if is_list {
            let mut known = BTreeSet::new();
            names.retain(|name| known.insert(name.clone()));
            return (!names.is_empty()).then(|| names.into());
        }
        // One that is no name of a host says nothing to a CA.
        let common = csr.common_name().map(str::to_owned).filter(|name| check_name(name, A_HOST).is_ok());
        common.or_else(|| names.into_iter().next()).map(Value::from)
    }

    /// Compares a certificate request with the action's names and the compromised keys; returns its key's fingerprint.
    pub(super) fn compare_csr(
        &mut self,
        read: &ReadCsr,
        rule: &CsrRule,
        parameters: &Map<String, Value>,
        place_of: &dyn Fn(&str) -> Option<Span>,
        csr_place: Span,
    ) -> SpkiFingerprint {
        let csr = &read.csr;
        let asked_name = rule.common_name.as_ref().and_then(|name| parameters.get(name)).and_then(scalar_text);
        let place = |parameter: &Option<String>| parameter.as_deref().and_then(place_of).unwrap_or(csr_place);
        if let Some(asked) = &asked_name {
            let name_place = place(&rule.common_name);
            match csr.common_name() {
                Some(found) if same_name(found, asked) => {}
                Some(found) => {
                    let what = format!(
                        "the certificate request is for `{}`, the action for `{}`",
                        safe::terminal(found),
                        safe::terminal(asked)
                    );
                    let error =
                        Diagnostic::error("csr-name", name_place, what).related(csr_place, "the certificate request");
                    self.report(error.help("is it the right file?"));
                }
                // The common name is optional: CAs read the alternative names (RFC 9525).
                None if alternative_names(csr).contains(&comparable(asked)) => {}
                None => {
                    let what = format!("the certificate request does not name `{}`", safe::terminal(asked));
                    let error = Diagnostic::error("csr-name", name_place, what);
                    self.report(error.related(csr_place, "the certificate request").help("is it the right file?"));
                }
            }
        }
        if let Some(parameter) = &rule.dns_names {
            let listed = parameters.get(parameter).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let asked = listed.iter().filter_map(Value::as_str).chain(asked_name.as_deref());
            let asked: BTreeSet<String> = asked.map(comparable).collect();
            let mut names = alternative_names(csr);
            names.extend(csr.common_name().map(comparable));
            self.compare_names(csr, parameter, &asked, &names, place_of(parameter).unwrap_or(csr_place), csr_place);
        }
        let key = csr.spki();
        if self.draft.safety.compromised.as_ref().is_some_and(|compromised| compromised.contains(&key)) {
            let what = "the key of this certificate request is in the list of compromised keys";
            self.report(Diagnostic::error("compromised-key", csr_place, what).help("make a new key and a new request"));
        }
        key
    }

    fn compare_names(
        &mut self,
        csr: &Csr,
        parameter: &str,
        asked: &BTreeSet<String>,
        names: &BTreeSet<String>,
        place: Span,
        csr_place: Span,
    ) {
        let shown = |names: Vec<&String>| {
            names.iter().map(|name| format!("`{}`", safe::terminal(name))).collect::<Vec<_>>().join(", ")
        };
        let lacking: Vec<&String> = asked.difference(names).collect();
        if !lacking.is_empty() {
            let what = format!("the certificate request lacks {}, which the action asks for", shown(lacking));
            // Without any alternative name in the request the CA uses those of its order form; with some it uses the request's.
            let finding = if alternative_names(csr).is_empty() {
                Diagnostic::warning("csr-names", place, what)
            } else {
                Diagnostic::error("csr-names", place, what)
            };
            self.report(
                finding.related(csr_place, "the certificate request").help("make a request with the same names"),
            );
        }
        // A wrong common name has a finding of its own.
        let alternative = alternative_names(csr);
        let extra: Vec<&String> = names.difference(asked).filter(|name| alternative.contains(*name)).collect();
        if !extra.is_empty() {
            let what = format!("the certificate request names {}, which the action does not", shown(extra));
            let error = Diagnostic::error("csr-names", place, what).related(csr_place, "the certificate request");
            self.report(error.help(format!("add what is missing to `{parameter}`, or make a request without it")));
        }
        if !csr.names().others.is_empty() {
            let others = csr.names().others.iter().map(|name| safe::terminal(name)).collect::<Vec<_>>().join(", ");
            let what = format!("the certificate request also asks for {others}, for which the action has no field");
            let warning = Diagnostic::warning("csr-names", csr_place, what);
            self.report(warning.help("the CA may refuse it or leave that out; make a request without it"));
        }
    }

    fn read_csr_file(&mut self, named: &str, place: Span) -> CsrResult {
        let path = load::resolve(self.sources, place, named);
        let result = self.csrs.read(&path);
        if result.as_ref().as_ref().is_ok_and(|read| !read.csr.has_challenge_password()) {
            self.copy_once(named, &path, false);
        }
        result
    }
}

/// What CAs sign as the name of a host.
const A_HOST: NameRule = NameRule { wildcards: true, addresses: false, unicode: false };

fn same_name(left: &str, right: &str) -> bool {
    comparable(left) == comparable(right)
}

/// The DNS names and IP addresses that a request asks for beside its common name, as they are compared.
fn alternative_names(csr: &Csr) -> BTreeSet<String> {
    let addresses = csr.names().ip.iter().map(ToString::to_string);
    csr.names().dns.iter().map(|name| comparable(name)).chain(addresses).collect()
}

impl CertificateNames {
    /// What a certificate says of itself.
    pub(super) fn of(certificate: &Certificate) -> Self {
        Self {
            common_name: certificate.common_name(),
            serial_number: certificate.serial.to_string(),
            issuer: certificate.issuer_name(),
            not_before: certificate.begins,
            not_after: certificate.ends,
        }
    }
}
