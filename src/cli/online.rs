//! `certsweep preview --online`: what the providers say now of the targets of a plan. Asks as `verify` asks, by status queries and nothing else, under
//! the limits, with the run's credentials; what it notes stands in a directory that is gone when it ends. Sends nothing that takes effect.

use super::context::{Context, ReadPlan, build_senders};
use super::exit::Exit;
use super::process::listen_for_signals;
use super::verify::revokes;
use crate::engine::RunCommand;
use crate::engine::verify::{
    NonceUse, RequestedReason, Verification, VerificationEnd, VerifyTarget, has_state_call, verify as ask,
};
use crate::journal::dir::OpenRun;
use crate::journal::{JournalError, Reader, RunDir, RunFacts, RunMaker};
use crate::pki::ocsp::Nonce;
use crate::plan::Action;
use crate::provider::{Catalog, stages};
use crate::run::{Ordinal, RunOrigin, Seen, StatusSource, StatusSources};
use crate::time::Clock;
use crate::view::preview::{PresentState, PresentTarget, PresentTargets};
use crate::wire::{HttpOptions, HttpStatusFetcher};
use jiff::Timestamp;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;

/// The actions of a plan whose targets are to be looked at, on their way.
pub(super) struct OnlineTargets {
    maker: Option<RunMaker>,
    failed: Option<JournalError>,
    directory: PathBuf,
    /// Name and end of the certificates that the plan has; a run directory does not keep these.
    names: HashMap<Ordinal, (Option<String>, Timestamp)>,
}

impl OnlineTargets {
    /// A place for them.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn begin() -> Result<Self, JournalError> {
        let directory = std::env::temp_dir().join(format!("certsweep-online-{}", std::process::id()));
        let maker = RunMaker::begin(&directory)?;
        Ok(Self { maker: Some(maker), failed: None, directory, names: HashMap::new() })
    }

    /// Adds the plan's next action.
    pub(super) fn add(&mut self, action: Action) {
        if let Some(maker) = &mut self.maker
            && self.failed.is_none()
        {
            if let Some(names) = &action.names {
                self.names.insert(action.ordinal, (names.common_name.clone(), names.not_after));
            }
            self.failed = maker.add(action).err();
        }
    }

    /// Asks for the present state of all of them.
    ///
    /// # Errors
    /// The exit code; why was printed.
    pub(super) fn ask(
        mut self,
        context: &Context,
        read: &ReadPlan,
        catalog: &Catalog,
        ca_file: Option<&Path>,
    ) -> Result<(PresentTargets, Exit), Exit> {
        let failed = |error: &JournalError| context.failed(error);
        if let Some(error) = &self.failed {
            return Err(failed(error));
        }
        let Some(maker) = self.maker.take() else { return Err(Exit::Environment) };
        let facts = RunFacts {
            settings: read.plan.settings().clone(),
            digest: read.plan.digest().to_owned(),
            actions: read.plan.actions(),
            documents: read.plan.documents().clone(),
            made_at: context.clock.now(),
            provider_directories: context.provider_directories(),
            simulated: false,
            issuers: Vec::new(),
            origin: RunOrigin::default(),
            part: read.plan.part(),
        };
        let dir = maker.finish(&self.directory.join("run"), &facts, &[], &[]).map_err(|error| failed(&error))?;
        let run = RunDir::open(dir).map_err(|error| failed(&error))?;
        let asked = ask_open_run(context, &facts, (&run, &mut self.names), catalog, ca_file);
        run.close();
        asked
    }
}

impl Drop for OnlineTargets {
    fn drop(&mut self) {
        if let Some(maker) = self.maker.take() {
            maker.abandon();
        }
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

fn ask_open_run(
    context: &Context,
    facts: &RunFacts,
    (run, names): (&OpenRun, &mut HashMap<Ordinal, (Option<String>, Timestamp)>),
    catalog: &Catalog,
    ca_file: Option<&Path>,
) -> Result<(PresentTargets, Exit), Exit> {
    let reader = Rc::new(run.dir.read().map_err(|error| context.failed(&error))?);
    let cases = Rc::new(targets(&reader, facts, catalog).map_err(|error| context.failed(&error))?);
    let mut ended = VerificationEnd::default();
    if !cases.is_empty() {
        let senders = build_senders(context, &facts.settings, catalog, ca_file)?;
        let options = HttpOptions {
            timeout: facts.settings.timeout,
            concurrency: 1,
            ca_file: ca_file.map(Path::to_owned),
            identity: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| context.failed(&format!("the runtime could not be made: {error}")))?;
        let local = tokio::task::LocalSet::new();
        ended = local.block_on(&runtime, async {
            let (sender, mut commands) = unbounded_channel();
            listen_for_signals(&sender)
                .map_err(|error| context.failed(&format!("cannot listen for signals: {error}")))?;
            let (stop, stopped) = unbounded_channel();
            tokio::task::spawn_local(async move {
                while let Some(command) = commands.recv().await {
                    if let RunCommand::Stop(_) = command {
                        let _ = stop.send(());
                    }
                }
            });
            let verification = Verification {
                settings: &facts.settings,
                reader: Rc::clone(&reader),
                journal: run.journal.clone(),
                senders: senders.into_iter().map(Some).collect(),
                // Nobody but the providers is asked.
                fetcher: HttpStatusFetcher::new(&options).map_err(|error| context.failed(&error))?,
                clock: Rc::new(context.clock.clone()),
                cases: Rc::clone(&cases),
                certificate: Rc::new(|_| None),
                nonce_use: NonceUse::default(),
                nonce: Nonce::random,
                wait: Duration::ZERO,
                stop: stopped,
            };
            ask(verification, &mut |_| {}).await.map_err(|error| context.failed(&error))
        })?;
        runtime.shutdown_background();
    }
    for (account, why) in &ended.refused {
        context.printer.error(&format!("{account}: {why}"));
    }
    let exit = if ended.refused.is_empty() && !ended.stopped { Exit::Well } else { Exit::Environment };
    let mut present = PresentTargets { is_whole: !ended.stopped, ..PresentTargets::default() };
    let mut asked = cases.iter().peekable();
    for found in reader.histories() {
        let (action, history) = found.map_err(|error| context.failed(&error))?;
        if asked.next_if(|case| case.ordinal == action.ordinal).is_none() {
            present.not_asked += u64::from(action.never_sent.is_none());
            continue;
        }
        let (state, shows) = match history.verified {
            Some(verified) if matches!(verified.seen, Seen::Revoked) => (PresentState::Revoked, None),
            Some(verified) if verified.seen == Seen::Good => (PresentState::NotRevoked, verified.why),
            Some(verified) => (PresentState::Unknown, verified.why),
            None => (PresentState::Unknown, Some("it was not asked any more".to_owned())),
        };
        let account = facts.settings.accounts.get(action.account);
        let (common_name, not_after) = names.remove(&action.ordinal).unzip();
        present.add(PresentTarget {
            action_id: action.id,
            provider: account.map(|account| account.name.clone()).unwrap_or_default(),
            target: action.target,
            common_name: common_name.flatten(),
            not_after,
            state,
            // Nobody but the provider was asked.
            shows: shows.map(|words| words.trim_start_matches("state: ").to_owned()).unwrap_or_default(),
        });
    }
    Ok((present, exit))
}

/// The actions that revoke something whose state can be asked for by what the plan has.
fn targets(reader: &Reader, facts: &RunFacts, catalog: &Catalog) -> Result<Vec<VerifyTarget>, JournalError> {
    let mut cases = Vec::new();
    for found in reader.histories() {
        let (action, _) = found?;
        let account = facts.settings.accounts.get(action.account);
        let Some(provider) = account.and_then(|account| catalog.get(&account.provider)) else { continue };
        // What an earlier step brings is not there yet.
        let is_known = stages::references(&action.parameters).next().is_none();
        if action.never_sent.is_none()
            && is_known
            && revokes(provider, &action.operation)
            && has_state_call(provider, &action, None)
        {
            let mut sources = StatusSources::default();
            sources.add(StatusSource::Provider);
            cases.push(VerifyTarget {
                ordinal: action.ordinal,
                account: action.account,
                certificate: None,
                sources,
                reason: RequestedReason::default(),
                note: None,
            });
        }
    }
    Ok(cases)
}
