//! From a run's actions to what is to be seen of them: which revoke something and ended well, which state call fits, which certificate
//! is theirs. Reads the files of certificates; asks nobody.

use super::args;
use super::context::Context;
use super::exit::Exit;
use crate::engine::verify::{Case, Known, has_state_call};
use crate::journal::{History, JournalError, Phase, Reader, RunFacts};
use crate::pki::Certificate;
use crate::plan::Action;
use crate::plan::checked::NamedFile;
use crate::provider::{Catalog, Provider, Repeat};
use crate::run::{Outcome, Seen, Witness};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What is to be seen of a run.
#[derive(Debug, Default)]
pub(super) struct ToSee {
    /// Each with when its action ended.
    pub(super) cases: Vec<(Case, Option<Timestamp>)>,
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
    args: &args::Verify,
    reader: &Reader,
    facts: &RunFacts,
    catalog: &Catalog,
) -> Result<ToSee, Exit> {
    let mut files = Files::new(context, args, facts)?;
    let mut to_see = ToSee::default();
    let wanted = |witness: Witness| args.only.is_empty() || args.only.contains(&witness);
    let walked: Result<(), JournalError> = reader.histories(|action, history| {
        let account = facts.settings.accounts.get(action.account);
        let provider = account.and_then(|account| catalog.get(&account.provider));
        let Some(provider) = provider.filter(|provider| revokes(provider, &action.operation)) else { return Ok(()) };
        if !has_ended_well(&history) {
            to_see.not_well += u64::from(action.duplicate_of.is_none());
        } else if history.verified.as_ref().is_some_and(|verified| verified.seen == Seen::Revoked) {
            to_see.seen_before += 1;
            files.given.remove(&action.id);
        } else {
            let case = case(&mut files, provider, action, history.reply.reference, &wanted);
            to_see.cases.push((case, history.finished_at));
        }
        Ok(())
    });
    walked.map_err(|error| context.failed(&error))?;
    if let Some(id) = files.given.keys().next() {
        context.printer.error(&format!("--certificate: no action `{id}` of this run has revoked anything"));
        return Err(Exit::Usage);
    }
    Ok(to_see)
}

/// Whether an operation takes something back: what makes a new certificate, or costs each time, does not.
pub(super) fn revokes(provider: &Provider, operation: &str) -> bool {
    let rules = provider.actions().find(|(known, _)| known.name == operation);
    rules.is_some_and(|(_, rules)| rules.csr.is_none() && rules.repeat == Repeat::Safe)
}

fn has_ended_well(history: &History) -> bool {
    let well = [Outcome::Succeeded, Outcome::AlreadyDone, Outcome::PendingApproval];
    matches!(history.state.phase, Phase::Ended(outcome) if well.contains(&outcome))
}

fn case(
    files: &mut Files,
    provider: &Provider,
    action: Action,
    reference: Option<String>,
    wanted: &dyn Fn(Witness) -> bool,
) -> Case {
    let mut witnesses = Vec::new();
    if has_state_call(provider, &action, reference.as_deref()) {
        witnesses.push(Witness::State);
    }
    let (certificate, note) = match files.known(&action) {
        Ok(Some(known)) => {
            if !known.certificate.crl_urls.is_empty() {
                witnesses.push(Witness::Crl);
            }
            if !known.certificate.ocsp_urls.is_empty() {
                witnesses.push(Witness::Ocsp);
            }
            let silent = known.certificate.crl_urls.is_empty() && known.certificate.ocsp_urls.is_empty();
            (Some(known), silent.then(|| "the certificate names neither a CRL nor an OCSP responder".to_owned()))
        }
        Ok(None) => (None, None),
        Err(why) => (None, Some(why)),
    };
    let all = witnesses.len();
    witnesses.retain(|witness| wanted(*witness));
    let note = match note {
        note if all == 0 || !witnesses.is_empty() => note,
        Some(note) => Some(format!("{note}; {LEFT_OUT}")),
        None => Some(if certificate.is_some() { LEFT_OUT } else { ONLY_THE_PROVIDER }.to_owned()),
    };
    Case { action: Rc::new(action), reference, certificate, witnesses, note }
}

/// The files of certificates, and what was read of them.
struct Files {
    /// Those of the command line, by action id.
    given: HashMap<String, Issuers>,
    /// Those of the command line, and those that were kept when the plan was checked, for all actions.
    issuers: Issuers,
    /// Those that the plan names, by path.
    named: HashMap<String, Result<Issuers, String>>,
}

impl Files {
    fn new(context: &Context, args: &args::Verify, facts: &RunFacts) -> Result<Self, Exit> {
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
            issuers.extend(named(path)?);
        }
        let given = args.certificates.iter().map(|(id, path)| Ok((id.clone(), named(path)?)));
        Ok(Self { given: given.collect::<Result<_, _>>()?, issuers, named: HashMap::new() })
    }

    /// The certificate of an action, where one is known.
    fn known(&mut self, action: &Action) -> Result<Option<Known>, String> {
        let files = action.certificate.as_deref();
        let own = action.parameters.get("certificate").and_then(serde_json::Value::as_str);
        let given = self.given.remove(&action.id);
        let all = match (files.and_then(|files| files.certificate.as_ref()), given, own) {
            (_, Some(given), _) => given,
            (Some(file), None, _) => unchanged(file)?,
            (None, None, Some(own)) => match own.strip_prefix("file:").map(|path| PathBuf::from(path.trim())) {
                Some(path) => read(&path).and_then(|bytes| certificates(&path, &bytes))?,
                None => {
                    // As text in PEM, or as it is sent to ACME's servers.
                    let der = URL_SAFE_NO_PAD.decode(own);
                    let bytes = der.as_deref().unwrap_or(own.as_bytes());
                    certificates(Path::new("the action's certificate"), bytes)?
                }
            },
            (None, None, None) => return Ok(None),
        };
        let mut all = all.into_iter();
        let Some(certificate) = all.next() else { return Ok(None) };
        let mut issuers: Issuers = all.chain(self.issuers.iter().cloned()).collect();
        if let Some(file) = files.and_then(|files| files.issuer.as_ref()) {
            let named = self.named.entry(file.path.clone()).or_insert_with(|| unchanged(file));
            issuers.extend(named.clone()?);
        }
        Ok(Some(Known { certificate, issuers }))
    }
}

/// The certificates of a file that the plan named, where it is still the one that was checked.
fn unchanged(file: &NamedFile) -> Result<Issuers, String> {
    let path = Path::new(&file.path);
    let bytes = read(path)?;
    if hex::encode(Sha256::digest(&bytes)) != file.sha256 {
        return Err(format!("{} has changed since the run began", path.display()));
    }
    certificates(path, &bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Issuers, String> {
    let all = Certificate::parse_all(bytes).map_err(|why| format!("{} is no certificate: {why}", path.display()))?;
    Ok(all.into_iter().map(Rc::new).collect())
}

/// Said of an action whose witnesses the command line has left out.
const LEFT_OUT: &str = "`--only` leaves out everybody who could be asked";
const ONLY_THE_PROVIDER: &str = "there is nobody to ask but the provider, whom `--only` leaves out: no certificate is known; --certificate ID=FILE names it";
