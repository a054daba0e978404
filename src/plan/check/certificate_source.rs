//! Actions from files of certificates: an entry with `certificates` names files, globs or directories, as certbot, lego and acme.sh keep
//! them, and each end-entity certificate in them is an action. What is passed over is counted. Judges no action.
//!
//! Of the certificates little is stored, for there may be very many: the files are read twice, once to see what there is (the same
//! certificate in several files, who has issued whom), then file by file for the actions.

use super::action::is_usable_id;
use super::action_index::hash_of;
use super::context::Checker;
use super::fields::{Layers, NameSet, Row};
use super::pem_files::{self, UnusableFile};
use super::steps::{EntrySteps, STEPS};
use crate::diag::{Diagnostic, Diagnostics};
use crate::pki::bundle::says_to_be_ca;
use crate::pki::certificate::CertificateError;
use crate::pki::{Certificate, Meant, SerialNumber, meant};
use crate::plan::load;
use crate::plan::read::texts;
use crate::provider::model::ValueFormat;
use crate::text::{Span, file, line_place, safe};
use crate::tree::{Field, Node, Shape};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use glob::Pattern;
use std::collections::{HashMap, HashSet};
use std::hash::DefaultHasher;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The field of an entry whose actions come from files of certificates.
pub(super) const CERTIFICATES: &str = "certificates";

/// One certificate of all that the files hold.
#[derive(Clone, Copy)]
struct FoundCertificate {
    file: usize,
    /// Which of its file's certificates.
    index: usize,
    subject: u64,
    issuer: u64,
    /// Of issuer and serial number, which a precertificate shares with its certificate.
    identity: u64,
    is_ca: bool,
    is_precertificate: bool,
}

/// How an operation is told which certificate is meant: by the parameter of this name.
enum HowSent {
    /// The certificate itself.
    Whole(String),
    /// Its serial number.
    Serial(String),
}

/// What is in the files, and what was passed over.
#[derive(Default)]
struct Survey {
    seen: Vec<FoundCertificate>,
    /// All certificates, as hashes of their DER.
    known: HashSet<u64>,
    cas: u64,
    repeated: u64,
    precertificates: u64,
    others: u64,
    stores: u64,
}

impl Checker<'_> {
    /// Whether an entry's actions come from files of certificates. An operation's own field of that name wins.
    pub(super) fn certificates_of<'a>(&self, fields: &'a [Field]) -> Option<&'a Field> {
        let mut operations = self.catalog.iter().flat_map(|provider| provider.actions());
        let named = fields.iter().find(|field| field.name == CERTIFICATES)?;
        (!operations.any(|(operation, _)| operation.parameter(CERTIFICATES).is_some())).then_some(named)
    }

    /// Reads the certificates of an entry, an action each, but for those that its `except` names.
    pub(super) fn read_certificates(&mut self, item: &Node, named: &Field, defaults: &[Field]) {
        let of_plan = self.exceptions.active.len();
        self.read_entry_exceptions(item, &[]);
        self.read_files(item, named, defaults);
        self.exceptions.active.truncate(of_plan);
    }

    fn read_files(&mut self, item: &Node, named: &Field, defaults: &[Field]) {
        let listed = item.fields().iter().find(|field| field.name == STEPS);
        let steps = match listed.map(|listed| self.read_steps(item.fields(), listed)) {
            Some(None) => return,
            steps => steps.flatten(),
        };
        let is_default = |field: &&Field| ![CERTIFICATES, "except", STEPS].contains(&field.name.as_str());
        let others = item.fields().iter().filter(is_default);
        let others = others.filter(|field| steps.is_none() || field.name != "action");
        let others: Vec<Field> = others.cloned().collect();
        let entry = self.usable_defaults(&others, "an entry with `certificates`");
        let layers = Layers { row: &[], entry: &entry, plan: defaults };
        let Some(sent) = self.how_all_are_sent(named, item.span, layers, steps.as_ref()) else { return };
        let mut wrong = Diagnostics::default();
        // One text is one path, which may have blanks in it.
        let patterns = match named.value.text() {
            Some(text) => vec![(text.to_owned(), named.value.span)],
            None => texts(&named.value, &mut wrong).unwrap_or_default(),
        };
        self.report_all(&wrong);
        let mut files = Vec::new();
        for (pattern, place) in &patterns {
            match find_files(&self.sources.directory(place.source), pattern) {
                Ok(found) => files.extend(found.into_iter().map(|path| (self.sources.read_at(path), *place))),
                Err(unusable) => self.report_unusable_certificates(*place, unusable),
            }
        }
        let mut survey = Survey::default();
        let mut good = true;
        for (number, (path, place)) in files.iter().enumerate() {
            // Where several patterns match one file, it is read twice, and its certificates are known already.
            match read_file(path) {
                Ok(found) => {
                    for (index, (_, certificate)) in found.iter().enumerate() {
                        survey.add(number, index, certificate);
                        self.certificates.keep_issuer(certificate);
                    }
                }
                Err(None) => survey.others += 1,
                Err(Some(Passed::Store)) => survey.stores += 1,
                Err(Some(Passed::Wrong(unusable))) => {
                    self.report_unusable_certificates(*place, unusable);
                    good = false;
                }
            }
        }
        let paths: Vec<&Path> = files.iter().map(|(path, _)| path.as_path()).collect();
        let targets = survey.targets(&paths);
        if !good || files.is_empty() {
            return;
        }
        self.report_passed_over(named, &survey, targets.len());
        let base = self.sources.directory(named.span.source);
        let mut targets = targets.into_iter().peekable();
        while let Some(first) = targets.next() {
            let path = paths[first.file];
            let Ok(found) = read_file(path) else { continue };
            // The path as a row's own field has it, so that the run directory gets one copy.
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            self.copy_once(&path.display().to_string(), &absolute, true);
            let shown = path.strip_prefix(&base).unwrap_or(path).display().to_string();
            let source = self.sources.add_file(path.display().to_string(), path.to_owned());
            let mut next = Some(first);
            while let Some(target) = next {
                if let Some((line, certificate)) = found.get(target.index) {
                    let span = Span { source, line: *line, column: 1, length: 1 };
                    let mut fields: Vec<Field> = Vec::new();
                    for field in sent.iter().flat_map(|how| how.fields(&found, target.index, certificate, path, span)) {
                        if !fields.iter().any(|known| known.name == field.name) {
                            fields.push(field);
                        }
                    }
                    if steps.is_some() {
                        fields.extend(names_of_certificate(certificate, span));
                    }
                    // Not made from the place, as for rows of lists: each file would be a list of its own, and looked up one by one.
                    let id = self.free_id(&line_place(&shown, *line));
                    fields.extend(is_usable_id(&id).then(|| text_field("id", id, span)));
                    let row = Row { span, fields: &fields, header: None, kept: &[], names: NameSet::of(&fields) };
                    self.exceptions.of_row.clear();
                    match &steps {
                        Some(steps) => self.check_chain(&row, &shown, layers, steps),
                        None => self.check_action(&row, &shown, layers),
                    }
                }
                next = targets.next_if(|next| next.file == target.file);
            }
        }
    }

    /// How the entry's operation, or those of its steps, are told of a certificate. Where none can be, that is reported, once.
    fn how_all_are_sent(
        &mut self,
        named: &Field,
        place: Span,
        layers: Layers<'_>,
        steps: Option<&EntrySteps>,
    ) -> Option<Vec<HowSent>> {
        let acting: Vec<&[Field]> = match steps {
            Some(steps) => steps.acting().collect(),
            None => vec![&[]],
        };
        let (mut all, mut without) = (Vec::new(), None);
        for fields in acting {
            match self.how_sent(place, fields, layers)? {
                Ok(how) => all.push(how),
                Err(finding) => without = without.or(Some(finding)),
            }
        }
        match (all.is_empty(), without) {
            (true, Some((what, help))) => {
                self.report(Diagnostic::error("certificates", named.span, what).help(help));
                None
            }
            _ => Some(all),
        }
    }

    /// How an operation is told of a certificate; `Err` where it is not, with the words for that. `None` where there is no such operation, which is
    /// reported.
    fn how_sent(
        &mut self,
        place: Span,
        fields: &[Field],
        layers: Layers<'_>,
    ) -> Option<Result<HowSent, (String, String)>> {
        let row = Row { span: place, fields, header: None, kept: &[], names: NameSet::of(fields) };
        let account = self.find_account(&row, layers);
        let action = self.action_field(&row, layers, account.as_ref().ok().copied())?;
        let provider = self.draft.accounts.drafts[account.ok()?].provider.clone();
        let (operation, rules) = self.find_operation(action, &provider)?;
        if let Some(rule) = &rules.certificate {
            return Some(Ok(HowSent::Whole(rule.field.clone())));
        }
        let is_serial = |name: &&String| {
            operation.parameter(name).is_some_and(|parameter| matches!(parameter.format, ValueFormat::Serial(_)))
        };
        if let Some(name) = rules.target.parameters.iter().find(is_serial) {
            return Some(Ok(HowSent::Serial(name.clone())));
        }
        let what = format!("the action `{}` of `{}` is not sent a certificate", operation.name, provider.id);
        let targets = rules.target.parameters.join(", ");
        Some(Err((what, format!("name its targets ({targets}), each in an entry or a row of its own"))))
    }

    fn report_unusable_certificates(&mut self, place: Span, UnusableFile { what, help }: UnusableFile) {
        let mut error = Diagnostic::error("certificates", place, what);
        error.help = help.map(str::to_owned);
        self.report(error);
    }

    fn report_passed_over(&mut self, named: &Field, survey: &Survey, targets: usize) {
        let place = named.value.span;
        let counts = [
            (survey.cas, "certificate of a CA", "certificates of CAs"),
            (survey.repeated, "certificate that another file has, too", "certificates that other files have, too"),
            (
                survey.precertificates,
                "precertificate whose certificate is there",
                "precertificates whose certificates are there",
            ),
            (survey.stores, "store with a password (PKCS#12, Java)", "stores with a password (PKCS#12, Java)"),
            (survey.others, "file without a certificate", "files without a certificate"),
        ];
        let counts = counts.iter().filter(|(count, ..)| *count > 0);
        let passed: Vec<String> =
            counts.map(|(count, one, more)| format!("{count} {}", if *count == 1 { one } else { more })).collect();
        let passed = passed.join(", ");
        if targets == 0 {
            let what = format!("there is no end-entity certificate in these files: {passed}");
            self.report(Diagnostic::error("no-certificates", place, what).help(WHAT_IS_NAMED));
        } else if !passed.is_empty() {
            let actions = if targets == 1 { "1 certificate".to_owned() } else { format!("{targets} certificates") };
            let what = format!("{actions} taken; passed over: {passed}");
            self.report(Diagnostic::warning("passed-over", place, what));
        }
    }

    /// An id that no action has; empty where it could be none.
    fn free_id(&self, wanted: &str) -> String {
        let mut more = (2_u64..).map(|count| format!("{wanted}#{count}"));
        let taken = |id: &str| self.index.find(id).or_else(|| self.index.find_chain(id)).is_some();
        if taken(wanted) { more.find(|id| !taken(id)).unwrap_or_default() } else { wanted.to_owned() }
    }
}

/// What steps beside the one that is sent the certificate take of it: a new one has its names, and servers are looked at by them.
fn names_of_certificate(certificate: &Certificate, span: Span) -> Vec<Field> {
    let common_name = certificate.common_name().map(|name| text_field("common_name", name, span));
    let hosts = certificate.host_names();
    let hosts = (!hosts.is_empty()).then(|| text_field("dns_names", hosts.join(" "), span));
    common_name.into_iter().chain(hosts).collect()
}

impl HowSent {
    /// The fields of a certificate's row. Where its number alone is sent, `verify` reads it from its file, if it is what that is about.
    fn fields(
        &self,
        found: &[(u32, Certificate)],
        index: usize,
        certificate: &Certificate,
        path: &Path,
        span: Span,
    ) -> Vec<Field> {
        match self {
            Self::Whole(name) => vec![text_field(name, URL_SAFE_NO_PAD.encode(&certificate.der), span)],
            Self::Serial(name) => {
                // So that digits alone are not taken for decimal ones.
                let mut fields = vec![text_field(name, format!("0x{}", certificate.serial), span)];
                let all: Vec<Certificate> = found.iter().map(|(_, certificate)| certificate.clone()).collect();
                if meant(&all) == Ok(Meant::EndEntity(index)) {
                    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                    fields.push(text_field("certificate", format!("file:{}", path.display()), span));
                }
                fields
            }
        }
    }
}

impl Survey {
    fn add(&mut self, file: usize, index: usize, certificate: &Certificate) {
        let hash = |bytes: &[u8]| hash_of(DefaultHasher::new(), bytes);
        let is_ca = says_to_be_ca(certificate);
        if !self.known.insert(hash(&certificate.der)) {
            // A CA's certificate stands in every chain.
            self.repeated += u64::from(!is_ca);
            return;
        }
        self.cas += u64::from(is_ca);
        let serial: &SerialNumber = &certificate.serial;
        self.seen.push(FoundCertificate {
            file,
            index,
            subject: hash(&certificate.subject),
            issuer: hash(&certificate.issuer),
            identity: hash_of(DefaultHasher::new(), &(&certificate.issuer, serial)),
            is_ca,
            is_precertificate: certificate.is_precertificate,
        });
    }

    /// The end-entity certificates, in the order of the files. Counts what is left out.
    fn targets(&mut self, paths: &[&Path]) -> Vec<FoundCertificate> {
        let mut issued: HashMap<u64, Vec<FoundCertificate>> = HashMap::new();
        for seen in self.seen.iter().filter(|seen| seen.issuer != seen.subject) {
            issued.entry(seen.issuer).or_default().push(*seen);
        }
        let certificates = self.seen.iter().filter(|seen| !seen.is_precertificate);
        let identities: HashSet<u64> = certificates.map(|seen| seen.identity).collect();
        let mut targets = Vec::new();
        for seen in self.seen.iter().filter(|seen| !seen.is_ca) {
            if seen.is_precertificate && identities.contains(&seen.identity) {
                self.precertificates += 1;
            } else if issued.get(&seen.subject).is_some_and(|others| has_issued_one(*seen, others, paths)) {
                self.cas += 1;
            } else {
                targets.push(*seen);
            }
        }
        targets
    }
}

/// Whether a certificate that does not say to be a CA's has signed another one. Seldom asked, so the files are read again.
fn has_issued_one(one: FoundCertificate, others: &[FoundCertificate], paths: &[&Path]) -> bool {
    let read = |seen: FoundCertificate| Some(read_file(paths[seen.file]).ok()?.into_iter().nth(seen.index)?.1);
    let Some(issuer) = read(one) else { return false };
    others.iter().any(|other| read(*other).is_some_and(|other| other.is_signed_by(&issuer)))
}

/// Why a file gives no certificate, and is no error by that.
enum Passed {
    /// It may hold some, under a password.
    Store,
    /// It should hold some, and cannot be used.
    Wrong(UnusableFile),
}

/// The certificates of a file with their lines; `None` as error where it is something else.
fn read_file(path: &Path) -> Result<Vec<(u32, Certificate)>, Option<Passed>> {
    // A pipe would wait for ever, and a directory was searched.
    if !path.is_file() {
        return Err(None);
    }
    let bytes = load::read_small_bytes(path, MAX_BUNDLE);
    let bytes = bytes.map_err(|why| Some(Passed::Wrong(pem_files::unreadable(path, &why))))?;
    Certificate::parse_placed(&bytes).map_err(|why| match why {
        CertificateError::Pkcs12 | CertificateError::JavaKeyStore => Some(Passed::Store),
        CertificateError::NoBlock | CertificateError::Other(_) | CertificateError::EmptyMessage => None,
        // Keys and requests are DER, too.
        CertificateError::Unreadable if crate::pki::pem::is_der(&bytes) => None,
        CertificateError::Unreadable | CertificateError::Broken(..) => {
            let wrong = UnusableFile { what: why.to_string(), help: Some(why.help()) };
            Some(Passed::Wrong(pem_files::in_file(path, wrong)))
        }
    })
}

fn without_prefix(pattern: &str) -> &str {
    pattern.strip_prefix("file:").unwrap_or_default().trim()
}

/// The files that a path, a glob or a directory means, in the order of their names.
fn find_files(base: &Path, written: &str) -> Result<Vec<PathBuf>, UnusableFile> {
    let named = without_prefix(written);
    let path = base.join(named);
    let wrong = |what: String, help: &'static str| UnusableFile { what, help: Some(help) };
    let shown = safe::terminal(written);
    if named.is_empty() {
        return Err(wrong(format!("`{shown}` names no file"), WHAT_IS_NAMED));
    }
    if path.is_dir() {
        return below(&path);
    }
    // A file that is there is meant by its name, whatever letters that has.
    if path.exists() {
        return Ok(vec![path]);
    }
    if !named.contains(['*', '?', '[']) {
        let why = load::read_small_bytes(&path, 0).err().unwrap_or_default();
        return Err(pem_files::unreadable(&path, &why));
    }
    // The plan's own directory is no pattern.
    let is_beside = !base.as_os_str().is_empty() && !Path::new(named).is_absolute();
    let base = if is_beside { Pattern::escape(&base.to_string_lossy()) + "/" } else { String::new() };
    let matches =
        glob::glob(&(base + named)).map_err(|why| wrong(format!("`{shown}` is no pattern: {why}"), WHAT_IS_NAMED))?;
    let mut files = Vec::new();
    for found in matches {
        let found = found.map_err(|why| pem_files::unreadable(why.path(), &why.error().to_string()))?;
        if found.is_dir() { files.extend(below(&found)?) } else { files.push(found) }
    }
    if files.is_empty() {
        return Err(wrong(format!("`{shown}` matches no file"), WHAT_IS_NAMED));
    }
    Ok(files)
}

/// The files in a directory and in those below it. Links are followed: certbot's `live` is made of them.
fn below(directory: &Path) -> Result<Vec<PathBuf>, UnusableFile> {
    let mut files = Vec::new();
    for entry in WalkDir::new(directory).follow_links(true).sort_by_file_name() {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => files.push(entry.into_path()),
            // What a circle leads to is read all the same.
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => {
                let path = error.path().unwrap_or(directory).to_owned();
                let why = error.io_error().map_or_else(|| error.to_string(), file::reason);
                return Err(pem_files::unreadable(&path, &why));
            }
        }
    }
    Ok(files)
}

fn text_field(name: &str, text: String, span: Span) -> Field {
    Field { name: name.to_owned(), span, value: Node { span, shape: Shape::Scalar { text, plain: false } } }
}

const WHAT_IS_NAMED: &str =
    "write `certificates: \"file:PATH\"`; PATH is a file, a directory, or a pattern such as `live/*/cert.pem`";
/// Bytes: a larger file is no bundle of certificates.
pub const MAX_BUNDLE: u64 = 64 << 20;
