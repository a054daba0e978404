//! `certsweep preview --online`: what the providers say now of the targets of a plan. Asks as `verify` asks, by status queries and nothing else, under
//! the limits, with the run's credentials; what it notes stands in a directory that is gone when it ends. Sends nothing that takes effect.

use super::context::{Context, ReadPlan, build_senders};
use super::exit::Exit;
use super::process::with_signals;
use crate::engine::verify::{
    NonceUse, RequestedReason, Verification, VerificationEnd, VerifyTarget, has_preview, verify as ask,
};
use crate::find::exports::listed;
use crate::journal::dir::OpenRun;
use crate::journal::{JournalError, Reader, RunDir, RunFacts, RunMaker};
use crate::pki::ocsp::Nonce;
use crate::plan::{Action, wait};
use crate::provider::listing::ListedRow;
use crate::provider::{Catalog, stages};
use crate::run::{Ordinal, RunOrigin, Seen, StatusSource, StatusSources};
use crate::time::Clock;
use crate::view::preview::{PresentState, PresentTarget, PresentTargets, SuggestedRenewal};
use crate::wire::{HttpOptions, HttpStatusFetcher};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

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
        let Some(mut maker) = self.maker.take() else { return Err(Exit::Environment) };
        maker.keep_order(&read.plan);
        let facts = RunFacts {
            settings: read.plan.settings().clone(),
            digest: read.plan.digest().to_owned(),
            actions: read.plan.actions(),
            documents: read.plan.documents().clone(),
            made_at: context.clock.now(),
            provider_directories: context.provider_directories(),
            simulated: false,
            simulator_port: None,
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
    let facts_shown: Rc<RefCell<HashMap<Ordinal, ShownFacts>>> = Rc::default();
    let (into, now) = (Rc::clone(&facts_shown), context.clock.now());
    let take = Box::new(move |ordinal, row| drop(into.borrow_mut().insert(ordinal, ShownFacts::read(&row, now))));
    if !cases.is_empty() {
        let senders = build_senders(context, &facts.settings, catalog, ca_file)?;
        let options = HttpOptions {
            timeout: facts.settings.timeout,
            concurrency: 1,
            ca_file: ca_file.map(Path::to_owned),
            identity: None,
        };
        ended = with_signals(context, async |stop| {
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
                shown: Some(take),
                stop,
            };
            ask(verification, &mut |_| {}).await.map_err(|error| context.failed(&error))
        })?;
    }
    for (account, why) in &ended.refused {
        context.printer.error(&format!("{account}: {why}"));
    }
    let exit = if ended.refused.is_empty() && ended.stopped.is_none() { Exit::Well } else { Exit::Environment };
    let mut present = PresentTargets { is_whole: ended.stopped.is_none(), ..PresentTargets::default() };
    let mut asked = cases.iter().peekable();
    for found in reader.histories() {
        let (action, history) = found.map_err(|error| context.failed(&error))?;
        if asked.next_if(|case| case.ordinal == action.ordinal).is_none() {
            // A wait has no target of its own.
            present.not_asked += u64::from(action.never_sent.is_none() && !action.operation.starts_with(wait::PREFIX));
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
        let told = facts_shown.borrow_mut().remove(&action.ordinal).unwrap_or_default();
        // Nobody but the provider was asked.
        let shows = shows.map(|words| words.trim_start_matches("state: ").to_owned());
        let shows: Vec<String> = shows.into_iter().chain(told.damage).filter(|words| !words.is_empty()).collect();
        present.add(PresentTarget {
            action_id: action.id,
            provider: account.map(|account| account.name.clone()).unwrap_or_default(),
            target: action.target,
            common_name: told.common_name.or(common_name.flatten()),
            names: told.names,
            serial_number: told.serial_number,
            not_after: told.not_after.or(not_after),
            renewal: told.renewal,
            state,
            status: told.status,
            shows: shows.join("; "),
        });
    }
    Ok((present, exit))
}

/// What a provider shows of a target beside its state.
#[derive(Debug, Default, PartialEq)]
struct ShownFacts {
    common_name: Option<String>,
    names: Vec<String>,
    serial_number: Option<String>,
    not_after: Option<Timestamp>,
    renewal: Option<SuggestedRenewal>,
    status: Option<String>,
    /// Why its certificate cannot be read.
    damage: Option<String>,
}

impl ShownFacts {
    /// Reads what was shown, as lists are read; a certificate tells more than the rest.
    fn read(row: &ListedRow, now: Timestamp) -> Self {
        let mut row = row.clone();
        let time = |text: Option<String>| text.and_then(|text| text.parse::<Timestamp>().ok());
        let window = time(row.remove("renewal_begins")).zip(time(row.remove("renewal_ends")));
        let (told, damage) = match listed(&row, "") {
            Ok(told) => (Some(told), None),
            Err(_) => {
                row.remove("certificate");
                (listed(&row, "").ok(), Some("what the provider shows as its certificate is none".to_owned()))
            }
        };
        let told = told.unwrap_or_default();
        Self {
            common_name: Some(told.common_name).filter(|name| !name.is_empty()),
            names: told.names,
            serial_number: told.serial.map(|serial| serial.to_string()),
            not_after: told.ends,
            renewal: window.map(|(begins, ends)| SuggestedRenewal::at(begins, ends, now)),
            status: row.remove("status").filter(|status| !status.is_empty()),
            damage,
        }
    }
}

/// The actions of whose target something can be asked for by what the plan has.
fn targets(reader: &Reader, facts: &RunFacts, catalog: &Catalog) -> Result<Vec<VerifyTarget>, JournalError> {
    let mut cases = Vec::new();
    for found in reader.histories() {
        let (action, _) = found?;
        let account = facts.settings.accounts.get(action.account);
        let Some(provider) = account.and_then(|account| catalog.get(&account.provider)) else { continue };
        // What an earlier step brings is not there yet.
        let is_known = stages::references(&action.parameters).next().is_none();
        if action.never_sent.is_none() && is_known && has_preview(provider, &action) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_shows_is_read_as_lists_are() {
        let now = "2026-11-29T00:00:00Z".parse::<Timestamp>().unwrap();
        let row = |cells: &[(&str, &str)]| -> ListedRow {
            cells.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let read = |cells: &[(&str, &str)]| ShownFacts::read(&row(cells), now);
        assert_eq!(read(&[]), ShownFacts::default());
        let told = read(&[("common_name", "a.example"), ("not_after", "2080000000000"), ("status", "ISSUED")]);
        assert_eq!((told.common_name.as_deref(), told.status.as_deref()), (Some("a.example"), Some("ISSUED")));
        assert_eq!(told.not_after, Timestamp::from_second(2_080_000_000).ok());
        // What cannot be read is not told; a certificate that is none is.
        let told = read(&[("not_after", "soon"), ("certificate", "MIIB"), ("serial_number", "0A:1B"), ("status", "")]);
        assert_eq!((told.not_after, told.serial_number.as_deref(), told.status), (None, Some("0a1b"), None));
        assert_eq!(told.damage.as_deref(), Some("what the provider shows as its certificate is none"));
        for (begins, ends, expected) in [
            ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", Some(true)),
            ("2026-11-29T00:00:01Z", "2026-12-21T00:00:00Z", Some(false)),
            ("tomorrow", "2026-12-21T00:00:00Z", None),
        ] {
            let told = read(&[("renewal_begins", begins), ("renewal_ends", ends)]);
            assert_eq!(told.renewal.map(|window| window.is_now), expected, "{begins}");
        }
    }
}
