//! `certsweep verify`: whether a run's certificates are really revoked, as the provider, CRLs and OCSP responders say. Selects the actions to
//! verify and reads the files of their certificates; `engine::verify` asks.

use super::context::{Context, Exit, WithoutCopy, build_senders, build_simulated_senders, run_catalog};
use super::options::VerifyArgs;
use super::process::with_signals;
use super::simulate::{register_targets, rehearsal_of, simulator_for};
use super::status::quoted;
use crate::engine::Sender;
use crate::engine::verify::{
    Cases, FetchedLooks, FindTarget, KnownCertificate, OPEN_CASES, PublicationUrls, PublishedLooks, ReadCertificate,
    RequestedReason, Verification, VerificationEnd, VerificationProgress, VerifyTarget, has_state_call, verify as ask,
};
use crate::journal::dir::{Inputs, OpenRun};
use crate::journal::{History, JournalError, Phase, Reader, RunDir, RunFacts};
use crate::pki::ocsp::Nonce;
use crate::pki::{CertId, Certificate, Meant, SerialNumber, Undecided, meant};
use crate::plan::checked::{CertificateFacts, NamedFile, entry_and_step};
use crate::plan::{Action, MAX_BUNDLE, Wait, WaitFor};
use crate::provider::{Catalog, Provider, target_state};
use crate::run::{Ordinal, Outcome, Seen, StatusSource, StatusSources};
use crate::simulator::{CA_CERTIFICATE, KnownTarget, Simulator};
use crate::text::{file, safe};
use crate::time::{Clock, human};
use crate::view::progress::AskingProgress;
use crate::view::report::run_files::write_reports;
use crate::view::report::verified_cells;
use crate::view::terminal::grouped;
use crate::view::verification::{
    EachVerified, EarlierRevoked, VerificationJson, VerificationSummary, VerifiedAction, render,
};
use crate::wire::{HttpOptions, HttpStatusFetcher, HttpTransport};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// Verifies a run's revocations.
pub fn verify(context: &Context, args: &VerifyArgs) -> Exit {
    match verify_run(context, args) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn verify_run(context: &Context, args: &VerifyArgs) -> Result<Exit, Exit> {
    context.check_place("-o", args.output.as_deref())?;
    let run = RunDir::existing(&args.run_dir).and_then(RunDir::open).map_err(|error| context.no_run(&error))?;
    let exit = verify_open_run(context, args, &run);
    // Whatever went wrong: the journal's writer must end before the process does.
    run.close();
    exit
}

fn verify_open_run(context: &Context, args: &VerifyArgs, run: &OpenRun) -> Result<Exit, Exit> {
    let reader = Rc::new(run.dir.read().map_err(|error| context.failed(&error))?);
    let facts = reader.facts().map_err(|error| context.failed(&error))?;
    let rehearsal = rehearsal_of(context, &reader, &facts)?;
    let context = rehearsal.as_ref().unwrap_or(context);
    let catalog = run_catalog(context, &run.dir, &facts, WithoutCopy::TakePresent)?;
    let rehearsed = facts.simulated.then(|| RehearsedCa::begin(context, &reader, &facts, &catalog)).transpose()?;
    let rehearsed = rehearsed.map(Rc::new);
    let targets = select_targets(context, args, (&run.dir, &reader), (&facts, rehearsed.clone()), &catalog)?;
    let senders = status_query_senders(context, args, (&facts, rehearsed.as_deref()), &catalog, &targets)?;
    // No provider document declares a rate for CRL and OCSP servers; eight at a time burden none of them.
    let options =
        HttpOptions { timeout: facts.settings.timeout, concurrency: 8, ca_file: args.ca_file.clone(), identity: None };
    let fetcher = HttpStatusFetcher::new(&options).map_err(|error| context.failed(&error))?;
    let ended = ask_in_rounds(context, args, &facts, (run, &reader), senders, fetcher, &targets)?;
    let refused = !ended.refused.is_empty();
    for (account, why) in &ended.refused {
        context.printer.error(&format!("{account}: {why}"));
    }
    write_reports(&reader, run.dir.path(), args.output.as_deref()).map_err(|error| context.failed(&error))?;
    // A function instead of a list: the summary and the JSON each read the actions once, and there may be a million.
    let verified: EachVerified<'_> = &|each| for_each_verified(&reader, &facts, &targets.cases, each);
    let path = run.dir.path().display().to_string();
    let mut shown = VerificationSummary::new(
        facts.settings.name.clone(),
        path,
        facts.simulated,
        targets.earlier,
        targets.not_ended_well,
    );
    verified(&mut |action| shown.add(action)).map_err(|error| context.failed(&error))?;
    let exit = match ended.stopped {
        Some(number) => Exit::Signal(number),
        None if refused => Exit::Environment,
        None if shown.is_all_seen() => Exit::Well,
        None => Exit::NotAllWell,
    };
    shown.exit_code = exit.code();
    if context.global.json {
        context
            .printer
            .result_pieces(&VerificationJson { verification: &shown, asked: verified })
            .map_err(|error| context.failed(&error))?;
    } else {
        context.printer.result(render(&shown).trim_end());
        // One thing comes next: what is not seen yet goes before what can be read of it.
        if !shown.is_to_be_asked_again() {
            let run = quoted(run.dir.path());
            context.printer.hint(&format!(
                "the report as a page: certsweep report {} --format html -o report.html",
                safe::terminal(&run)
            ));
        }
    }
    Ok(exit)
}

/// Senders for the accounts that answer status queries here, `None` for the others, which need no credentials.
fn status_query_senders(
    context: &Context,
    args: &VerifyArgs,
    (facts, rehearsed): (&RunFacts, Option<&RehearsedCa>),
    catalog: &Catalog,
    targets: &VerifyTargets,
) -> Result<Vec<Option<Rc<Sender<HttpTransport>>>>, Exit> {
    let is_asked = |index: usize| targets.asked.contains(&index);
    let mut settings = facts.settings.clone();
    let mut index = 0;
    settings.accounts.retain(|_| {
        index += 1;
        is_asked(index - 1)
    });
    let made = match rehearsed {
        Some(rehearsed) => build_simulated_senders(context, &settings, catalog, &rehearsed.simulator)?,
        None => build_senders(context, &settings, catalog, args.ca_file.as_deref())?,
    };
    let mut made = made.into_iter();
    let sender = |index: usize| if is_asked(index) { made.next() } else { None };
    Ok((0..facts.settings.accounts.len()).map(sender).collect())
}

fn ask_in_rounds(
    context: &Context,
    args: &VerifyArgs,
    facts: &RunFacts,
    (run, reader): (&OpenRun, &Rc<Reader>),
    senders: Vec<Option<Rc<Sender<HttpTransport>>>>,
    fetcher: HttpStatusFetcher,
    targets: &VerifyTargets,
) -> Result<VerificationEnd, Exit> {
    if targets.cases.is_empty() {
        return Ok(VerificationEnd::default());
    }
    with_signals(context, async |stop| {
        let verification = Verification {
            settings: &facts.settings,
            reader: Rc::clone(reader),
            journal: run.journal.clone(),
            senders,
            fetcher,
            clock: Rc::new(context.clock.clone()),
            cases: Rc::clone(&targets.cases),
            target: Rc::clone(&targets.target),
            certificate: Rc::clone(&targets.certificate),
            open: OPEN_CASES,
            nonce_use: args.nonce,
            nonce: Nonce::random,
            wait: args.wait,
            shown: None,
            stop,
        };
        let mut progress = AskingProgress::begin(&context.printer, context.clock.elapsed());
        let mut observe = |VerificationProgress { revoked, cases, answered, again }| {
            let before = targets.earlier.revoked;
            let seen = || {
                let (revoked, cases) = (grouped(revoked as u64 + before), grouped(cases as u64 + before));
                format!("{revoked} of {cases} seen revoked")
            };
            progress.answered(answered as u64, seen, || context.clock.elapsed());
            if let Some(again) = again {
                progress.end();
                let (again, seen) = (human(again), seen());
                let at_once = if facts.simulated { ", which pass at once in a rehearsal" } else { "" };
                context.printer.note(&format!("{seen}; asking again in {again}{at_once}"));
            }
        };
        let ended = ask(verification, &mut observe).await;
        progress.end();
        ended.map_err(|error| context.failed(&error))
    })
}

/// Reads what the journal holds about each target, and hands it to `each`, in plan order.
fn for_each_verified(
    reader: &Reader,
    facts: &RunFacts,
    cases: &Cases,
    each: &mut dyn FnMut(VerifiedAction),
) -> Result<(), String> {
    for found in reader.histories() {
        let (action, history) = found.map_err(|error| error.to_string())?;
        let Some(case) = cases.get(action.ordinal) else { continue };
        let Some(verified) = history.verified else { continue };
        let cells = verified_cells(verified, action.reason);
        let account = facts.settings.accounts.get(action.account);
        each(VerifiedAction {
            action_id: action.id,
            provider: account.map(|account| account.name.clone()).unwrap_or_default(),
            target: action.target,
            seconds_to_revoke: cells.after(history.finished_at).map(|after| after.as_secs_f64()),
            cells,
            was_asked: !case.sources.is_empty(),
            wants_hold: case.wants_hold,
        });
    }
    Ok(())
}

/// What there is to verify of a run.
struct VerifyTargets {
    cases: Rc<Cases>,
    /// Tells what there is to ask about one.
    target: FindTarget,
    /// Reads its certificate.
    certificate: ReadCertificate,
    /// The accounts whose state calls are asked.
    asked: BTreeSet<usize>,
    /// What an earlier verification has seen of the others.
    earlier: EarlierRevoked,
    /// How many revocations have not ended well: no certificate can be expected to be revoked.
    not_ended_well: u64,
}

/// The CA of a rehearsal: a simulator that knows what the run's own has done, so that it says what that one would say now.
struct RehearsedCa {
    simulator: Simulator,
    issuer: Rc<Certificate>,
    accounts: Vec<String>,
}

impl RehearsedCa {
    fn begin(context: &Context, reader: &Reader, facts: &RunFacts, catalog: &Catalog) -> Result<Self, Exit> {
        let simulator = simulator_for(context, &facts.settings, catalog, &[], None, facts.simulator_port)?;
        register_targets(&simulator, reader, facts).map_err(|error| context.failed(&error))?;
        let issuer = Certificate::parse(CA_CERTIFICATE.as_bytes()).map_err(|error| context.failed(&error))?;
        let accounts = facts.settings.accounts.iter().map(|account| account.name.clone()).collect();
        Ok(Self { simulator, issuer: Rc::new(issuer), accounts })
    }

    /// The certificate of an action as one of the simulated CA's, which publishes what the real one does: so the same sources are asked, and
    /// none outside this machine.
    fn issue(&self, action: &Action, serial: SerialNumber, known: &KnownCertificate) -> Option<KnownCertificate> {
        let account = self.accounts.get(action.account)?;
        self.simulator.learn(&KnownTarget {
            account: account.clone(),
            operation: action.operation.clone(),
            parameters: (*action.parameters).clone(),
            serial_number: Some(serial.clone()),
            ..KnownTarget::default()
        });
        let crl: Vec<String> = known.urls.crl.first().map(|_| self.simulator.crl_url(account)).into_iter().collect();
        let ocsp = known.urls.ocsp.as_ref().map(|_| self.simulator.ocsp_url(account));
        let urls = PublicationUrls { crl: crl.into(), ocsp, issuers: Vec::new() };
        let id = OnceCell::from(CertId::bare(serial, Rc::clone(&self.issuer)));
        Some(KnownCertificate { id, urls: Rc::new(urls) })
    }
}

type Issuers = Vec<Rc<Certificate>>;

/// Selects the actions that revoked something and ended well, with whom to ask about each.
///
/// # Errors
/// The exit code; why was printed.
fn select_targets(
    context: &Context,
    args: &VerifyArgs,
    (dir, reader): (&RunDir, &Rc<Reader>),
    (facts, rehearsed): (&RunFacts, Option<Rc<RehearsedCa>>),
    catalog: &Catalog,
) -> Result<VerifyTargets, Exit> {
    let mut files = CertificateFiles { rehearsed, ..CertificateFiles::new(context, args, dir, facts)? };
    let (mut cases, mut earlier, mut not_ended_well) = (Cases::default(), EarlierRevoked::default(), 0);
    let mut asked = BTreeSet::new();
    let wanted = |source: &StatusSource| args.only.is_empty() || args.only.contains(source);
    let wanted: StatusSources = StatusSource::ALL.into_iter().filter(wanted).collect();
    let mut unknown: HashSet<String> = files.given.keys().cloned().collect();
    let mut has_waits = false;
    for found in reader.histories() {
        let (action, history) = found.map_err(|error| context.failed(&error))?;
        has_waits |= action.operation == WaitFor::Revoked.operation();
        let account = facts.settings.accounts.get(action.account);
        let provider = account.and_then(|account| catalog.get(&account.provider));
        let Some(provider) = provider.filter(|provider| revokes(provider, &action.operation)) else { continue };
        if !has_ended_well(&history) {
            not_ended_well += u64::from(action.never_sent.is_none());
            continue;
        }
        unknown.remove(&action.id);
        match &history.verified {
            // For good. A hold may have been lifted since.
            Some(verified) if verified.seen == Seen::Revoked => {
                earlier.revoked += 1;
                earlier.other_reason += u64::from(verified.reason_differs);
            }
            _ => {
                // Only whom to ask is kept of it.
                let case = files.target(provider, &action, history.reply.reference.as_deref(), wanted);
                if case.sources.contains(StatusSource::Provider) {
                    asked.insert(case.account);
                }
                cases.push(case.ordinal, case.account, case.sources, case.reason.is_hold());
            }
        }
    }
    if let Some(id) = unknown.iter().min() {
        context.printer.error(&format!("--certificate: no action `{id}` of this run has revoked anything"));
        return Err(Exit::Usage);
    }
    let (target, certificate) = find_targets(files, Rc::clone(reader), facts, catalog, has_waits);
    Ok(VerifyTargets { cases: Rc::new(cases), target, certificate, asked, earlier, not_ended_well })
}

/// What tells of an action what there is to ask, and what reads its certificate. Both read anew each time: a million parsed certificates would not
/// fit into memory. `has_waits`: whether steps of the run have waited for revocations, and may have seen this one.
fn find_targets(
    files: CertificateFiles,
    reader: Rc<Reader>,
    facts: &RunFacts,
    catalog: &Catalog,
    has_waits: bool,
) -> (FindTarget, ReadCertificate) {
    let actions = facts.actions;
    let files = Rc::new(RefCell::new(files));
    let providers: Vec<Option<Arc<Provider>>> =
        facts.settings.accounts.iter().map(|account| catalog.get(&account.provider).cloned()).collect();
    let target: FindTarget = {
        let (files, reader) = (Rc::clone(&files), Rc::clone(&reader));
        Rc::new(move |ordinal, wanted| {
            let (action, history) = reader.history(ordinal)?;
            let Some(provider) = providers.get(action.account).and_then(Option::as_ref) else {
                return Ok(VerifyTarget { ordinal, account: action.account, ..VerifyTarget::default() });
            };
            let target = files.borrow_mut().target(provider, &action, history.reply.reference.as_deref(), wanted);
            let seen_at = if has_waits { first_sight(&reader, ordinal, &action, actions)? } else { None };
            Ok(VerifyTarget { seen_at, ..target })
        })
    };
    let certificate: ReadCertificate = Rc::new(move |ordinal| {
        let action = reader.action(ordinal).ok()?;
        files.borrow_mut().certificates(&action).ok()??.into_iter().next()
    });
    (target, certificate)
}

/// When a step that waited for it (`wait: revoked`) has seen revoked what this action of the run has revoked.
fn first_sight(
    reader: &Reader,
    ordinal: Ordinal,
    action: &Action,
    actions: u64,
) -> Result<Option<Timestamp>, JournalError> {
    // An entry's steps follow each other.
    let Some((entry, _)) = entry_and_step(&action.id) else { return Ok(None) };
    for later in ordinal + 1..actions {
        let (step, history) = reader.history(later)?;
        if entry_and_step(&step.id).is_none_or(|(other, _)| other != entry) {
            break;
        }
        let wait = Wait::of_action(&step.operation, &step.parameters);
        let is_meant = wait.is_some_and(|wait| wait.until == WaitFor::Revoked && wait.of == action.id);
        // What a person has settled was not seen here.
        if is_meant && history.state.phase == Phase::Ended(Outcome::Succeeded) && history.settled.is_none() {
            return Ok(history.finished_at);
        }
    }
    Ok(None)
}

/// Asks what CAs publish about a run's revocations while it goes on, for the steps that wait for that. `None` where none does, or in a rehearsal.
///
/// # Errors
/// The exit code; why was printed.
pub(super) fn published_looks(
    context: &Context,
    run: &OpenRun,
    facts: &RunFacts,
    catalog: &Catalog,
    ca_file: Option<&Path>,
) -> Result<Option<Rc<dyn PublishedLooks>>, Exit> {
    let reader = run.dir.read().map_err(|error| context.failed(&error))?;
    let has_waits = reader.queue().map_err(|error| context.failed(&error))?.waits().next().is_some();
    if facts.simulated || !has_waits {
        return Ok(None);
    }
    let options = HttpOptions {
        timeout: facts.settings.timeout,
        concurrency: 8,
        ca_file: ca_file.map(Path::to_owned),
        identity: None,
    };
    let fetcher = HttpStatusFetcher::new(&options).map_err(|error| context.failed(&error))?;
    let files = CertificateFiles::of_run(&run.dir, facts);
    let (target, certificate) = find_targets(files, Rc::new(reader), facts, catalog, false);
    Ok(Some(Rc::new(FetchedLooks::new(fetcher, Rc::new(context.clock.clone()), certificate, target))))
}

/// Whether an operation revokes.
pub(super) fn revokes(provider: &Provider, operation: &str) -> bool {
    provider.operation(operation).is_some_and(target_state::revokes)
}

/// Why an action revokes. What was sent is read back by the provider document; where several reasons have one spelling there, the plan's
/// comes first.
fn requested_reason(provider: &Provider, action: &Action) -> RequestedReason {
    let sent = action.reason_sent.as_deref().and_then(|sent| {
        let (_, rules) = provider.actions().find(|(operation, _)| operation.name == action.operation)?;
        let same = rules.reason.iter().flat_map(|rule| &rule.values).filter(|(_, spelling)| spelling == sent);
        same.map(|(reason, _)| *reason).max_by_key(|reason| Some(*reason) == action.reason)
    });
    RequestedReason { asked: action.reason, sent }
}

fn has_ended_well(history: &History) -> bool {
    let well = [Outcome::Succeeded, Outcome::AlreadyDone, Outcome::PendingApproval, Outcome::Pending];
    matches!(history.state.phase, Phase::Ended(outcome) if well.contains(&outcome))
}

/// The files of certificates, each read once where many actions name the same.
struct CertificateFiles {
    /// Those of the command line, by action id.
    given: HashMap<String, Vec<Certificate>>,
    /// Certificates of issuers, for all actions: those of the command line, and those that the check stored with the run.
    issuers: Issuers,
    /// Those that the plan names, by path.
    named: HashMap<String, Result<Issuers, String>>,
    /// Issuers that have issued something, by their DER: many files hold the same.
    found: HashMap<Vec<u8>, Rc<Certificate>>,
    /// CRL and OCSP URLs, one copy of each combination: a CA's certificates mostly share theirs.
    places: HashSet<Rc<PublicationUrls>>,
    inputs: Inputs,
    /// The CA whose certificates all are taken for, in a rehearsal.
    rehearsed: Option<Rc<RehearsedCa>>,
}

impl CertificateFiles {
    fn new(context: &Context, args: &VerifyArgs, dir: &RunDir, facts: &RunFacts) -> Result<Self, Exit> {
        let mut files = Self::of_run(dir, facts);
        let named = |path: &PathBuf| {
            read_file(path).and_then(|bytes| parse_certificates(path, &bytes)).map(meant_first).map_err(|why| {
                context.printer.error(&why);
                Exit::Usage
            })
        };
        for path in &args.issuers {
            files.issuers.extend(named(path)?.into_iter().map(Rc::new));
        }
        let given = args.certificates.iter().map(|(id, path)| {
            let all = named(path)?;
            let several = match meant(&all) {
                Ok(_) => return Ok((id.clone(), all)),
                Err(Undecided::EndEntities(several)) => format!("{} end-entity certificates", several.len()),
                Err(Undecided::Cas(several)) => format!("{} certificates of CAs", several.len()),
            };
            let what = format!("--certificate {id}={}: the file holds {several}", path.display());
            context.printer.error(&format!(
                "{what}; name one that holds the certificate of this action alone, or with its issuers"
            ));
            Err(Exit::Usage)
        });
        files.given = given.collect::<Result<_, _>>()?;
        Ok(files)
    }

    /// Those of the run itself.
    fn of_run(dir: &RunDir, facts: &RunFacts) -> Self {
        let stored = facts.issuers.iter().filter_map(|der| URL_SAFE_NO_PAD.decode(der).ok());
        let stored = stored.filter_map(|der| Certificate::parse(&der).ok());
        Self {
            given: HashMap::new(),
            issuers: stored.map(Rc::new).collect(),
            named: HashMap::new(),
            found: HashMap::new(),
            places: HashSet::new(),
            inputs: dir.inputs(),
            rehearsed: None,
        }
    }

    fn target(
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
        let (certificate, note) = match self.known_certificate(provider, action) {
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
        // Each action that nobody is asked about carries the reason, or its row would be an empty line in the report.
        let note = match note {
            note if sources.is_empty() || !asked.is_empty() => note,
            Some(note) => Some(format!("{note}; {LEFT_OUT}")),
            None => Some(if certificate.is_some() { LEFT_OUT } else { ONLY_THE_PROVIDER }.to_owned()),
        };
        let certificate = certificate.and_then(|known| match self.rehearsed.clone() {
            None => Some(known),
            Some(rehearsed) => {
                let serial = known.id.get().map(|id| id.serial.clone());
                // Of a certificate whose issuer no file gives: the simulated CA has issued it too.
                let own = || Some(self.certificates(action).ok()??.into_iter().next()?.serial);
                rehearsed.issue(action, serial.or_else(own)?, &known)
            }
        });
        VerifyTarget {
            ordinal: action.ordinal,
            account: action.account,
            certificate,
            sources: asked,
            reason: requested_reason(provider, action),
            note: note.map(Rc::from),
            seen_at: None,
        }
    }

    /// The certificate of an action, where a file, the command line or a serial number with its issuer says which it is.
    fn known_certificate(&mut self, provider: &Provider, action: &Action) -> Result<Option<KnownCertificate>, String> {
        let facts = action.certificate.as_deref();
        let issuer = facts.and_then(|facts| facts.issuer.as_ref());
        let named = |facts: &CertificateFacts| PublicationUrls {
            crl: facts.crl.clone().into(),
            ocsp: facts.ocsp.clone(),
            issuers: Vec::new(),
        };
        let named = facts.map(named).unwrap_or_default();
        let Some(all) = self.certificates(action)? else {
            // The operation may name the certificate by its serial number.
            let own = || provider.operation(&action.operation)?.serial_number(&action.parameters);
            let serial = facts.and_then(|facts| facts.serial_number.clone()).or_else(own);
            let Some((serial, issuer)) = serial.zip(issuer) else { return Ok(None) };
            let issuers = self.issuers_of(issuer)?;
            // OCSP hashes the issuer's name and key (RFC 6960, 4.1.1) and a CRL is verified by that key: with two CAs in the file there is
            // no telling which one issued this serial number.
            let mut cas = issuers.iter().filter(|issuer| issuer.is_ca);
            let (Some(issuer), None) = (cas.next(), cas.next()) else { return Err(NO_CA.to_owned()) };
            let id = OnceCell::from(CertId::bare(serial, Rc::clone(issuer)));
            return Ok(Some(KnownCertificate { id, urls: self.shared_urls(named) }));
        };
        let mut all = all.into_iter();
        let Some(mut certificate) = all.next() else { return Ok(None) };
        let of_plan = issuer.map(|file| self.issuers_of(file)).transpose()?.unwrap_or_default();
        // The certificate's own extensions (CRL distribution points, authority information access) are signed; the plan's URLs are not.
        let places = self.shared_urls(PublicationUrls {
            crl: if certificate.crl_urls.is_empty() { named.crl } else { Arc::clone(&certificate.crl_urls) },
            ocsp: certificate.ocsp_urls.first().cloned().or(named.ocsp),
            issuers: certificate.issuer_urls.clone(),
        });
        if !certificate.crl_urls.is_empty() {
            certificate.crl_urls = Arc::clone(&places.crl);
        }
        let following = all.map(Rc::new);
        let mut issuers = following.chain(self.issuers.iter().cloned()).chain(of_plan);
        // By signature, not by name: a CA that was re-keyed has two certificates of one name.
        let id = issuers.find_map(|issuer| CertId::of(&certificate, &issuer));
        let id = id.map(|mut id| {
            // One copy of each issuer, though a million files hold it.
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
            return self.read_unchanged(file).map(Some);
        }
        let Some(own) = own else { return Ok(None) };
        match own.strip_prefix("file:").map(|path| PathBuf::from(path.trim())) {
            Some(path) => {
                read_file(&path).and_then(|bytes| parse_certificates(&path, &bytes)).map(meant_first).map(Some)
            }
            None => {
                // As text in PEM, or as it is sent to ACME's servers.
                let der = URL_SAFE_NO_PAD.decode(own);
                let bytes = der.as_deref().unwrap_or(own.as_bytes());
                parse_certificates(Path::new("the action's certificate"), bytes).map(meant_first).map(Some)
            }
        }
    }

    fn issuers_of(&mut self, file: &NamedFile) -> Result<Issuers, String> {
        if let Some(known) = self.named.get(&file.path) {
            return known.clone();
        }
        let read = self.read_unchanged(file).map(|all| all.into_iter().map(Rc::new).collect());
        self.named.insert(file.path.clone(), read.clone());
        read
    }

    fn shared_urls(&mut self, places: PublicationUrls) -> Rc<PublicationUrls> {
        if let Some(known) = self.places.get(&places) {
            return Rc::clone(known);
        }
        let places = Rc::new(places);
        self.places.insert(Rc::clone(&places));
        places
    }

    /// The certificates of a file that the plan named, as it was when it was checked: the file itself, or its copy in the run directory.
    fn read_unchanged(&mut self, file: &NamedFile) -> Result<Vec<Certificate>, String> {
        let path = Path::new(&file.path);
        let read = |from: &Path| -> Result<Option<Vec<Certificate>>, String> {
            let bytes = read_file(from)?;
            let all = parse_certificates(from, &bytes)?;
            Ok(file.is_of(&bytes, &all).then(|| meant_first(all)))
        };
        if let Some(Ok(Some(all))) = self.inputs.copy_of(path).map(|copy| read(&copy)) {
            return Ok(all);
        }
        // Former versions made no copy where a private key stands beside the certificate.
        read(path)?.ok_or_else(|| format!("{} has changed since the run began", path.display()))
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    file::read(path, MAX_BUNDLE).map_err(|error| format!("{} cannot be read: {}", path.display(), file::reason(&error)))
}

fn parse_certificates(path: &Path, bytes: &[u8]) -> Result<Vec<Certificate>, String> {
    Certificate::parse_all(bytes).map_err(|why| format!("{} is no certificate: {why}", path.display()))
}

/// Puts the certificate that is meant before the others, as the check chose it.
fn meant_first(mut all: Vec<Certificate>) -> Vec<Certificate> {
    if let Ok(Meant::EndEntity(index) | Meant::Ca(index)) = meant(&all) {
        all.swap(0, index);
    }
    all
}

const SILENT: &str = "the certificate names neither a CRL nor an OCSP responder; the plan may, by `crl` and `ocsp`";
const NO_CA: &str = "the issuer's file does not hold the certificate of one CA";

/// The note of an action whose sources `--only` excludes.
const LEFT_OUT: &str = "`--only` leaves out everybody who could be asked";
const ONLY_THE_PROVIDER: &str = "there is nobody to ask but the provider, whom `--only` leaves out: no certificate is known; --certificate ID=FILE names it, or `serial_number` in the plan";
