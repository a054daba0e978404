//! From a run's actions to what is to be seen of them: which revoke something and ended well, which state call fits, which certificate
//! is theirs. Reads the files of certificates; asks nobody.

use super::args;
use super::context::Context;
use super::exit::Exit;
use crate::engine::verify::{KnownCertificate, PublicationUrls, ReadCertificate, VerifyTarget, has_state_call};
use crate::journal::inputs::Inputs;
use crate::journal::{History, Phase, Reader, RunDir, RunFacts};
use crate::pki::{CertId, Certificate, SerialNumber};
use crate::plan::Action;
use crate::plan::checked::{CertificateFacts, NamedFile};
use crate::provider::pointer::scalar_text;
use crate::provider::{Catalog, Idempotency, Provider};
use crate::run::{Outcome, Seen, StatusSource, StatusSources};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// What is to be seen of a run.
pub(super) struct ToSee {
    /// In plan order.
    pub(super) cases: Rc<Vec<VerifyTarget>>,
    /// The way to their certificates.
    pub(super) certificate: ReadCertificate,
    /// How many were seen revoked by an earlier verification.
    pub(super) seen_before: u64,
    /// How many revocations have not ended well: there is nothing to see of them.
    pub(super) not_well: u64,
}

type Issuers = Vec<Rc<Certificate>>;

/// Gathers what is to be seen.
///
/// # Errors
/// The exit code; why was printed.
pub(super) fn gather(
    context: &Context,
    args: &args::VerifyArgs,
    (dir, reader): (&RunDir, &Rc<Reader>),
    facts: &RunFacts,
    catalog: &Catalog,
) -> Result<ToSee, Exit> {
    let mut files = Files::new(context, args, dir, facts)?;
    let (mut cases, mut seen_before, mut not_well) = (Vec::new(), 0, 0);
    let wanted = |source: &StatusSource| args.only.is_empty() || args.only.contains(source);
    let wanted: StatusSources = StatusSource::ALL.into_iter().filter(wanted).collect();
    let mut unknown: HashSet<String> = files.given.keys().cloned().collect();
    for found in reader.histories() {
        let (action, history) = found.map_err(|error| context.failed(&error))?;
        let account = facts.settings.accounts.get(action.account);
        let provider = account.and_then(|account| catalog.get(&account.provider));
        let Some(provider) = provider.filter(|provider| revokes(provider, &action.operation)) else { continue };
        if !has_ended_well(&history) {
            not_well += u64::from(action.duplicate_of.is_none());
            continue;
        }
        unknown.remove(&action.id);
        if history.verified.as_ref().is_some_and(|verified| verified.seen == Seen::Revoked) {
            seen_before += 1;
        } else {
            cases.push(files.case(provider, &action, history.reply.reference.as_deref(), wanted));
        }
    }
    if let Some(id) = unknown.iter().min() {
        context.printer.error(&format!("--certificate: no action `{id}` of this run has revoked anything"));
        return Err(Exit::Usage);
    }
    let (files, reader) = (RefCell::new(files), Rc::clone(reader));
    let certificate = move |ordinal| {
        let action = reader.action(ordinal).ok()?;
        let read = files.borrow_mut().certificates(&action).ok()??;
        read.into_iter().next()
    };
    Ok(ToSee { cases: Rc::new(cases), certificate: Rc::new(certificate), seen_before, not_well })
}

/// Whether an operation takes something back: what makes a new certificate, or costs each time, does not.
pub(super) fn revokes(provider: &Provider, operation: &str) -> bool {
    let rules = provider.actions().find(|(known, _)| known.name == operation);
    rules.is_some_and(|(_, rules)| rules.csr.is_none() && rules.idempotency == Idempotency::Idempotent)
}

fn has_ended_well(history: &History) -> bool {
    let well = [Outcome::Succeeded, Outcome::AlreadyDone, Outcome::PendingApproval];
    matches!(history.state.phase, Phase::Ended(outcome) if well.contains(&outcome))
}

/// The files of certificates, and what was read of them.
struct Files {
    /// Those of the command line, by action id.
    given: HashMap<String, Vec<Certificate>>,
    /// Certificates of issuers: those of the command line, and those that were kept when the plan was checked, for all actions.
    issuers: Issuers,
    /// Those that the plan names, by path.
    named: HashMap<String, Result<Issuers, String>>,
    /// Issuers that have issued something, by their DER: many files hold the same.
    found: HashMap<Vec<u8>, Rc<Certificate>>,
    /// Places that certificates name: many name the same.
    places: HashSet<Rc<PublicationUrls>>,
    inputs: Inputs,
}

impl Files {
    fn new(context: &Context, args: &args::VerifyArgs, dir: &RunDir, facts: &RunFacts) -> Result<Self, Exit> {
        let kept = facts.issuers.iter().filter_map(|der| URL_SAFE_NO_PAD.decode(der).ok());
        let kept = kept.filter_map(|der| Certificate::parse(&der).ok());
        let mut issuers: Issuers = kept.map(Rc::new).collect();
        let named = |path: &PathBuf| {
            read(path).and_then(|bytes| certificates(path, &bytes)).map_err(|why| {
                context.printer.error(&why);
                Exit::Usage
            })
        };
        for path in &args.issuers {
            issuers.extend(named(path)?.into_iter().map(Rc::new));
        }
        let given = args.certificates.iter().map(|(id, path)| Ok((id.clone(), named(path)?)));
        Ok(Self {
            given: given.collect::<Result<_, _>>()?,
            issuers,
            named: HashMap::new(),
            found: HashMap::new(),
            places: HashSet::new(),
            inputs: dir.inputs(),
        })
    }

    fn case(
        &mut self,
        provider: &Provider,
        action: &Action,
        reference: Option<&str>,
        wanted: StatusSources,
    ) -> VerifyTarget {
        let mut sources = StatusSources::default();
        if has_state_call(provider, action, reference) {
            sources.add(StatusSource::Provider);
        }
        let (certificate, note) = match self.known(action) {
            Ok(Some(known)) => {
                if !known.urls.crl.is_empty() {
                    sources.add(StatusSource::Crl);
                }
                if known.urls.ocsp.is_some() {
                    sources.add(StatusSource::Ocsp);
                }
                let silent = known.urls.crl.is_empty() && known.urls.ocsp.is_none();
                (Some(known), silent.then(|| SILENT.to_owned()))
            }
            Ok(None) => (None, None),
            Err(why) => (None, Some(why)),
        };
        let asked = sources.among(wanted);
        let note = match note {
            note if sources.is_empty() || !asked.is_empty() => note,
            Some(note) => Some(format!("{note}; {LEFT_OUT}")),
            None => Some(if certificate.is_some() { LEFT_OUT } else { ONLY_THE_PROVIDER }.to_owned()),
        };
        let (ordinal, account) = (action.ordinal, action.account);
        VerifyTarget { ordinal, account, certificate, sources: asked, note: note.map(Rc::from) }
    }

    /// The certificate of an action, where something tells which it is.
    fn known(&mut self, action: &Action) -> Result<Option<KnownCertificate>, String> {
        let facts = action.certificate.as_deref();
        let issuer = facts.and_then(|facts| facts.issuer.as_ref());
        let named = |facts: &CertificateFacts| PublicationUrls {
            crl: facts.crl.clone().into(),
            ocsp: facts.ocsp.clone(),
            issuers: Vec::new(),
        };
        let named = facts.map(named).unwrap_or_default();
        let Some(all) = self.certificates(action)? else {
            // An operation's own field of that name is one of its parameters.
            let own = action.parameters.get("serial_number").and_then(scalar_text);
            let own = own.and_then(|text| SerialNumber::parse(&text).ok());
            let serial = facts.and_then(|facts| facts.serial_number.clone()).or(own);
            let Some((serial, issuer)) = serial.zip(issuer) else { return Ok(None) };
            let issuers = self.issuers_of(issuer)?;
            let mut cas = issuers.iter().filter(|issuer| issuer.is_ca);
            let (Some(issuer), None) = (cas.next(), cas.next()) else { return Err(NO_CA.to_owned()) };
            let id = OnceCell::from(CertId::bare(serial, Rc::clone(issuer)));
            return Ok(Some(KnownCertificate { id, urls: self.places(named) }));
        };
        let mut all = all.into_iter();
        let Some(mut certificate) = all.next() else { return Ok(None) };
        let of_plan = issuer.map(|file| self.issuers_of(file)).transpose()?.unwrap_or_default();
        // What the certificate says of itself comes first.
        let places = self.places(PublicationUrls {
            crl: if certificate.crl_urls.is_empty() { named.crl } else { Arc::clone(&certificate.crl_urls) },
            ocsp: certificate.ocsp_urls.first().cloned().or(named.ocsp),
            issuers: certificate.issuer_urls.clone(),
        });
        if !certificate.crl_urls.is_empty() {
            certificate.crl_urls = Arc::clone(&places.crl);
        }
        let following = all.map(Rc::new);
        let mut issuers = following.chain(self.issuers.iter().cloned()).chain(of_plan);
        let id = issuers.find_map(|issuer| CertId::of(&certificate, &issuer));
        let id = id.map(|mut id| {
            let found = self.found.entry(id.issuer.der.clone()).or_insert_with(|| Rc::clone(&id.issuer));
            id.issuer = Rc::clone(found);
            id
        });
        Ok(Some(KnownCertificate { id: id.map(OnceCell::from).unwrap_or_default(), urls: places }))
    }

    /// The certificate of an action, with those that follow it in its file.
    fn certificates(&mut self, action: &Action) -> Result<Option<Vec<Certificate>>, String> {
        let own = action.parameters.get("certificate").and_then(serde_json::Value::as_str);
        let file = action.certificate.as_ref().and_then(|facts| facts.certificate.as_ref());
        if let Some(given) = self.given.get(&action.id) {
            return Ok(Some(given.clone()));
        }
        if let Some(file) = file {
            return self.unchanged(file).map(Some);
        }
        let Some(own) = own else { return Ok(None) };
        match own.strip_prefix("file:").map(|path| PathBuf::from(path.trim())) {
            Some(path) => read(&path).and_then(|bytes| certificates(&path, &bytes)).map(Some),
            None => {
                // As text in PEM, or as it is sent to ACME's servers.
                let der = URL_SAFE_NO_PAD.decode(own);
                let bytes = der.as_deref().unwrap_or(own.as_bytes());
                certificates(Path::new("the action's certificate"), bytes).map(Some)
            }
        }
    }

    fn issuers_of(&mut self, file: &NamedFile) -> Result<Issuers, String> {
        if let Some(known) = self.named.get(&file.path) {
            return known.clone();
        }
        let read = self.unchanged(file).map(|all| all.into_iter().map(Rc::new).collect());
        self.named.insert(file.path.clone(), read.clone());
        read
    }

    fn places(&mut self, places: PublicationUrls) -> Rc<PublicationUrls> {
        if let Some(known) = self.places.get(&places) {
            return Rc::clone(known);
        }
        let places = Rc::new(places);
        self.places.insert(Rc::clone(&places));
        places
    }

    /// The certificates of a file that the plan named, as it was when it was checked: the file itself, or its copy in the run directory.
    fn unchanged(&mut self, file: &NamedFile) -> Result<Vec<Certificate>, String> {
        let path = Path::new(&file.path);
        let is_it = |bytes: &Vec<u8>| hex::encode(Sha256::digest(bytes)) == file.sha256;
        let there = read(path);
        let bytes = match there.as_ref().ok().filter(|bytes| is_it(bytes)) {
            Some(_) => there?,
            None => match self.inputs.copy_of(path).and_then(|copy| read(&copy).ok()).filter(is_it) {
                Some(copy) => copy,
                None => {
                    there?;
                    return Err(format!("{} has changed since the run began", path.display()));
                }
            },
        };
        certificates(path, &bytes)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<Certificate>, String> {
    Certificate::parse_all(bytes).map_err(|why| format!("{} is no certificate: {why}", path.display()))
}

const SILENT: &str = "the certificate names neither a CRL nor an OCSP responder; the plan may, by `crl` and `ocsp`";
const NO_CA: &str = "the issuer's file does not hold the certificate of one CA";

/// Said of an action whose sources the command line has left out.
const LEFT_OUT: &str = "`--only` leaves out everybody who could be asked";
const ONLY_THE_PROVIDER: &str = "there is nobody to ask but the provider, whom `--only` leaves out: no certificate is known; --certificate ID=FILE names it, or `serial_number` in the plan";
