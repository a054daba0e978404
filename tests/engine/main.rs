//! The engine as a model: a simulated world that counts effects, a virtual clock, a seeded source of faults; the run is cut off at
//! any moment and resumed. Thousands of seconds of virtual time pass in a moment; nothing real is waited for.
//!
//! A seed that fails prints itself; `CERTSWEEP_SEED=n cargo test --test engine` runs that one alone, and
//! `CERTSWEEP_TEST_SCALE=20` as many seeds as the gate does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests damage files from outside the program")]

mod damaged;
mod forecast;
mod reissues;
mod safety;
#[path = "../support/scale.rs"]
mod scale;
mod slow_disk;
mod stages;
mod steps;
mod token;
mod verify;
mod world;

use certsweep::engine::{self, Ending, Question, Run, Sender};
use certsweep::journal::{JournalError, Phase, Reader, RunDir, RunFacts, RunMaker};
use certsweep::plan::checked::Parameters;
use certsweep::plan::settings::{BetweenWaves, Retry, Safety, Schedule, WaveSize};
use certsweep::plan::{Account, Action, Settings};
use certsweep::provider::Catalog;
use certsweep::provider::model::Window;
use certsweep::run::{Event, Outcome};
use certsweep::text::{Secret, SourceMap};
use certsweep::wire::credentials::Credentials;
use certsweep::wire::signer::Signer;
use scale::{scaled, stride};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;
use world::{Faults, VirtualClock, World, WorldTransport};

/// One run in a temporary directory, against a world of its own.
struct Bench {
    directory: tempfile::TempDir,
    catalog: &'static Catalog,
    world: Rc<World>,
    settings: Settings,
    actions: Vec<Action>,
    /// Whether closed windows are waited for.
    wait: bool,
    /// How long the disk takes to write, where that is longer than no time.
    disk: Option<Duration>,
    /// What is answered to questions, where somebody is there to be asked.
    answers: Option<Vec<bool>>,
    /// The questions that were asked.
    questions: Rc<RefCell<Vec<String>>>,
    /// Where the run directory is copied to as a killed process leaves it: a process that ends closes its files.
    killed: Option<PathBuf>,
}

impl Bench {
    fn new(seed: u64, faults: Faults, actions: &[(&str, &str, Value)]) -> Self {
        let catalog = catalog();
        let account = |name: &str, windows: &[&str]| Account {
            name: name.to_owned(),
            provider: name.to_owned(),
            auth_url: None,
            base_url: format!("https://{name}.invalid"),
            variables: BTreeMap::new(),
            credentials: BTreeMap::new(),
            windows: windows.iter().map(|text| Window::parse(text).unwrap()).collect(),
            concurrency: 4,
            concurrency_follows: false,
            own_keys: false,
            reasons: BTreeMap::new(),
            challenge_hook: None,
        };
        let settings = Settings {
            name: "model".to_owned(),
            deadline: None,
            accounts: match actions.first() {
                Some(("huawei", ..)) => vec![account("huawei", &["10/1s"])],
                Some((name @ ("staged" | "keyed" | "listed"), ..)) => vec![account(name, &["10/1s"])],
                Some(("chained", ..)) => vec![account("chained", &["10/1s"])],
                _ => vec![account("digicert", &["5/1s", "20/10s"]), account("naver", &["4/1s"])],
            },
            retry: Retry { attempts: 4, max_delay: Duration::from_secs(10) },
            timeout: Duration::from_secs(30),
            schedule: Schedule::default(),
            safety: Safety::default(),
            keep_columns: vec![],
            hooks: vec![],
        };
        let made = actions.iter().enumerate().map(|(index, (account, operation, parameters))| {
            let index_of = settings.accounts.iter().position(|known| known.name == *account).unwrap();
            let parameters: Map<String, Value> = parameters.as_object().unwrap().clone();
            let provider = catalog.get(account).unwrap();
            let (_, rules) = provider.actions().find(|(found, _)| found.name == *operation).unwrap();
            let text = |name: &String| parameters[name].to_string().trim_matches('"').to_owned();
            Action {
                ordinal: index as u64,
                id: format!("a{index}"),
                account: index_of,
                operation: (*operation).to_owned(),
                target: rules.target.parameters.iter().map(text).collect::<Vec<_>>().join("/"),
                parameters: Parameters::from(parameters),
                source: format!("model.yaml:{index}"),
                ..Action::default()
            }
        });
        let actions = made.collect();
        Self {
            directory: in_memory(),
            catalog,
            world: Rc::new(World::new(seed, faults)),
            settings,
            actions,
            wait: false,
            disk: None,
            answers: None,
            questions: Rc::default(),
            killed: None,
        }
    }

    fn make(&self) {
        let mut maker = RunMaker::begin(self.directory.path()).unwrap();
        for action in &self.actions {
            maker.add(action.clone()).unwrap();
        }
        let facts = RunFacts {
            settings: self.settings.clone(),
            digest: String::new(),
            actions: self.actions.len() as u64,
            documents: BTreeMap::new(),
            made_at: jiff::Timestamp::UNIX_EPOCH,
            provider_directories: vec![],
            simulated: false,
            simulator_port: None,
            issuers: Vec::new(),
            part: None,
            origin: certsweep::run::RunOrigin::default(),
        };
        maker.finish(&self.path(), &facts, &[], &[]).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    /// Carries the run out in one process, until the power is cut: after so many records, or after so much virtual time. What was
    /// in flight then is without an end record, and no observer was notified.
    async fn process(&self, cut: Cut, reopen: &[Outcome]) -> (Option<Ending>, Vec<Event>) {
        self.try_process(cut, reopen).await.unwrap()
    }

    /// The same with a run directory that may be refused.
    async fn try_process(&self, cut: Cut, reopen: &[Outcome]) -> Result<(Option<Ending>, Vec<Event>), JournalError> {
        let (power, time) = match cut {
            Cut::Never => (u64::MAX, LONGEST_RUN),
            Cut::AfterRecords(records) => (records, LONGEST_RUN),
            Cut::AfterTime(time) => (u64::MAX, time),
        };
        let open = RunDir::existing(&self.path())?.open_for_fault_tests(power)?;
        let reader = open.dir.read()?;
        let senders = self.settings.accounts.iter().map(|account| {
            let provider = self.catalog.get(&account.provider).unwrap();
            let credentials = ["api_key", "access_key", "secret_key", "token"]
                .map(|name| (name.to_owned(), Secret::new("k".repeat(20))));
            let signer = Signer::new(&provider.auth[0], &account.variables, Credentials::new(credentials));
            let transport = WorldTransport { world: Rc::clone(&self.world) };
            Rc::new(Sender::new(account, provider.clone(), signer, transport))
        });
        let (_say, commands) = tokio::sync::mpsc::unbounded_channel();
        let (asked, mut questions) = tokio::sync::mpsc::unbounded_channel::<Question>();
        let (questions_asked, answers) = (Rc::clone(&self.questions), self.answers.clone());
        let questions_out = answers.is_some().then_some(asked);
        let run = Run {
            settings: &self.settings,
            reader: &reader,
            journal: open.journal.clone(),
            senders: senders.collect(),
            clock: Rc::new(VirtualClock { world: Rc::clone(&self.world) }),
            reopen: reopen.iter().copied().collect::<BTreeSet<_>>(),
            commands,
            seed: self.world.next_random(),
            wait: self.wait,
            published: None,
            questions: questions_out,
        };
        let mut events = Vec::new();
        let ending = {
            let local = tokio::task::LocalSet::new();
            let mut observe = |event: Event| events.push(event);
            local.spawn_local(async move {
                for answer in answers.unwrap_or_default() {
                    let Some(question) = questions.recv().await else { return };
                    questions_asked.borrow_mut().push(question.text);
                    let _ = question.answer.send(answer);
                }
            });
            if let Some(disk) = self.disk {
                world::slow_disk(&local, &open.journal, disk);
            }
            let going = local.run_until(engine::run(run, &mut observe));
            let journal = open.journal.clone();
            let power_cut = async {
                // Nothing looks where nothing is cut: ten looks a second would be most of what a virtual day costs.
                if power == u64::MAX {
                    std::future::pending::<()>().await;
                }
                let mut look = tokio::time::interval(Duration::from_millis(100));
                while !journal.power_was_cut() {
                    look.tick().await;
                }
            };
            tokio::select! {
                ending = going => Some(ending),
                () = power_cut => None,
                () = tokio::time::sleep(time) => None,
            }
        };
        let ending = ending.transpose()?;
        self.check_in_flight(&reader);
        if let Some(to) = &self.killed {
            damaged::copy(&self.path(), to);
        }
        drop(reader);
        open.close();
        Ok((ending, events))
    }

    /// Wherever a process stops, it leaves at most as many actions without an end as an account has slots.
    fn check_in_flight(&self, reader: &Reader) {
        let states = reader.states().unwrap();
        for (index, account) in self.settings.accounts.iter().enumerate() {
            let of_account = self.actions.iter().filter(|action| action.account == index);
            let open = of_account.filter(|action| states.of(action.ordinal).phase == Phase::InFlight).count();
            assert!(open <= account.concurrency as usize, "{open} actions of {} are in flight", account.name);
        }
    }

    /// Resumes the run to its end, and checks what it must have kept.
    async fn check_promises(&self, seed: u64) -> Vec<Outcome> {
        let (ending, _) = self.process(Cut::Never, &[]).await;
        assert!(ending.as_ref().is_some_and(|ending| ending.complete), "seed {seed}: {ending:?}");
        self.world.check_windows(&self.settings);
        let effects = self.world.effects();
        let outcomes = self.outcomes();
        for (action, outcome) in self.actions.iter().zip(&outcomes) {
            let effect = effects.get(&World::key(&action.operation, &action.target)).copied().unwrap_or_default();
            let described =
                format!("seed {seed}: {} {} ended {outcome} with {effect} effects", action.operation, action.target);
            match outcome {
                Outcome::Succeeded | Outcome::AlreadyDone => assert_eq!(effect, 1, "{described}"),
                Outcome::Failed | Outcome::Rejected => assert_eq!(effect, 0, "{described}"),
                Outcome::InDoubt => assert!(effect <= 1, "{described}"),
                Outcome::PendingApproval | Outcome::Pending | Outcome::Skipped | Outcome::Planned => {
                    panic!("{described}")
                }
            }
        }
        outcomes
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let reader = RunDir::existing(&self.path()).unwrap().read().unwrap();
        let ended = |state: certsweep::journal::ActionState| match state.phase {
            Phase::Ended(outcome) => outcome,
            other => panic!("an action is {other:?}"),
        };
        reader.states().unwrap().iter().map(ended).collect()
    }
}

/// A directory that no disk has to keep, where the system has such a place: a run's files are synced, which these tests ask of
/// thousands of runs and prove nothing about.
fn in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

/// The built-in provider documents, and one of an operation of several stages; read once for all worlds.
fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    let load = || {
        let directory = in_memory();
        std::fs::write(directory.path().join("staged.yaml"), stages::DOCUMENT).unwrap();
        std::fs::write(directory.path().join("keyed.yaml"), stages::keyed_document()).unwrap();
        std::fs::write(directory.path().join("listed.yaml"), stages::listed_document()).unwrap();
        std::fs::write(directory.path().join("chained.yaml"), steps::DOCUMENT).unwrap();
        let directories = [directory.path().to_path_buf()];
        Catalog::load(&directories, &mut SourceMap::default(), &mut certsweep::diag::Diagnostics::default())
    };
    CATALOG.get_or_init(load)
}

/// When a process loses its power.
#[derive(Clone, Copy)]
enum Cut {
    Never,
    AfterRecords(u64),
    AfterTime(Duration),
}

/// The seeds of a test, or the one that is to be replayed.
fn seeds(all: std::ops::Range<u64>) -> std::ops::Range<u64> {
    match std::env::var("CERTSWEEP_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => all,
    }
}

/// Says how to replay a seed that fails.
fn replayable<T>(seed: u64, check: impl FnOnce() -> T) -> T {
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
    checked
        .unwrap_or_else(|_| panic!("seed {seed} fails; CERTSWEEP_SEED={seed} cargo test --test engine shows it alone"))
}

/// A runtime whose clock stands still unless everybody sleeps.
fn virtual_time<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(future)
}

fn mixed(count: usize) -> Vec<(&'static str, &'static str, Value)> {
    let one = |index: usize| match index % 4 {
        0 => ("digicert", "revoke", json!({"certificate_id": format!("{index}"), "skip_approval": true})),
        1 => ("naver", "revoke", json!({"orderId": "7", "certificateNo": index, "revokeType": "superseded"})),
        2 => (
            "naver",
            "reissue",
            json!({"certificateNo": format!("{index}"), "csr": "x", "certificateName": "n", "commonName": "c", "validationMethod": "D"}),
        ),
        _ => ("digicert", "revoke-order", json!({"order_id": index, "skip_approval": true})),
    };
    (0..count).map(one).collect()
}

#[test]
fn without_faults_every_action_succeeds_once_within_the_limits() {
    virtual_time(async {
        let bench = Bench::new(1, Faults::none(), &mixed(60));
        bench.make();
        let (ending, events) = bench.process(Cut::Never, &[]).await;
        assert_eq!(
            ending,
            Some(Ending {
                stopped: None,
                accounts_stopped: vec![],
                complete: true,
                well: true,
                left: vec![],
                reopens: None,
            })
        );
        assert!(bench.outcomes().iter().all(|outcome| *outcome == Outcome::Succeeded));
        assert!(bench.world.effects().values().all(|effects| *effects == 1));
        assert_eq!(bench.world.effects().len(), 60);
        assert_eq!(events.iter().filter(|event| matches!(event, Event::ActionEnded { .. })).count(), 60);
        bench.world.check_windows(&bench.settings);
    });
}

#[test]
fn whatever_happens_every_action_ends_once_and_nothing_is_doubled() {
    let mut ended: BTreeMap<Outcome, u64> = BTreeMap::new();
    for seed in seeds(0..scaled(SEEDS)) {
        let outcomes = replayable(seed, || virtual_time(survive_cuts_in_time(seed)));
        outcomes.into_iter().for_each(|outcome| *ended.entry(outcome).or_default() += 1);
    }
    // The faults reach every end that there is, or this test would prove little.
    for outcome in [Outcome::Succeeded, Outcome::Rejected, Outcome::Failed, Outcome::InDoubt] {
        assert!(
            ended.contains_key(&outcome) || seeds(0..scaled(SEEDS)).count() == 1,
            "no action ended {outcome}: {ended:?}"
        );
    }
}

#[test]
fn a_run_that_is_cut_off_after_any_record_is_resumed_to_the_same_promises() {
    for seed in seeds(1000..1000 + scaled(CUT_SEEDS)) {
        let mut records = 0;
        // Each is cut off later than the one before: in the gate by one record, so that there are as many runs as it has records.
        while replayable(seed, || virtual_time(survive_a_cut_after(seed, records))) {
            records += stride(3);
        }
        assert!(records > 16, "seed {seed}: a run of sixteen actions has more records than {records}");
    }
}

/// One world full of faults, cut off again and again until the run has ended; then the promises are checked.
async fn survive_cuts_in_time(seed: u64) -> Vec<Outcome> {
    let jump = if seed.is_multiple_of(4) { 5 } else { 0 };
    let mut bench = Bench::new(seed, Faults { jump, ..Faults::many() }, &mixed(16));
    if seed.is_multiple_of(3) {
        let waves = vec![WaveSize::Count(3), WaveSize::Share(0.5), WaveSize::Share(1.0)];
        let between_waves = BetweenWaves::Pause(Duration::from_millis(700));
        bench.settings.safety = Safety { waves, between_waves, ..Safety::default() };
    }
    bench.make();
    for _ in 0..CUTS {
        let time = Duration::from_millis(1 + bench.world.next_random() % 9000);
        if bench.process(Cut::AfterTime(time), &[]).await.0.is_some() {
            break;
        }
    }
    bench.check_promises(seed).await
}

/// The same world cut off once, after so many records; whether there were more.
async fn survive_a_cut_after(seed: u64, records: u64) -> bool {
    let bench = Bench::new(seed, Faults::many(), &mixed(16));
    bench.make();
    let (ending, _) = bench.process(Cut::AfterRecords(records), &[]).await;
    bench.check_promises(seed).await;
    ending.is_none_or(|ending| !ending.complete)
}

#[test]
fn refused_credentials_stop_the_provider_and_not_the_others() {
    virtual_time(async {
        let bench = Bench::new(3, Faults { refuse_credentials_of: Some("naver"), ..Faults::none() }, &mixed(40));
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        let ending = ending.unwrap();
        assert!(!ending.complete && ending.stopped.is_none());
        assert_eq!(ending.accounts_stopped[0].0, "naver");
        let overview = RunDir::existing(&bench.path()).unwrap().read().unwrap().overview().unwrap();
        assert_eq!((overview.outcomes[&Outcome::Succeeded], overview.waiting), (20, 20));
        bench.world.forgive();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.unwrap().well);
    });
}

#[test]
fn a_reissue_whose_answer_was_lost_is_not_sent_again() {
    virtual_time(async {
        let reissue = mixed(3).split_off(2);
        let bench = Bench::new(4, Faults { lost_after: 100, ..Faults::none() }, &reissue);
        bench.make();
        bench.process(Cut::Never, &[]).await;
        assert_eq!(bench.outcomes(), [Outcome::InDoubt]);
        assert_eq!(bench.world.effects()["reissue 2"], 1);
        let (ending, _) = bench.process(Cut::Never, &[Outcome::InDoubt]).await;
        assert!(!ending.unwrap().well);
        assert_eq!((bench.outcomes(), bench.world.effects()["reissue 2"]), (vec![Outcome::InDoubt], 1));
    });
}

#[test]
fn a_second_revoke_is_found_to_be_done_already_by_a_look_up() {
    virtual_time(async {
        let revoke = mixed(2).split_off(1);
        let bench = Bench::new(5, Faults::none(), &revoke);
        bench.world.effect("revoke", "7/1");
        bench.make();
        bench.process(Cut::Never, &[]).await;
        assert_eq!(bench.outcomes(), [Outcome::AlreadyDone]);
    });
}

#[test]
fn a_panic_costs_one_action_and_not_the_run() {
    virtual_time(async {
        let bench = Bench::new(9, Faults { panic: 20, ..Faults::none() }, &mixed(40));
        bench.make();
        let (ending, _) = bench.process(Cut::Never, &[]).await;
        assert!(ending.is_some_and(|ending| ending.complete && !ending.well));
        let outcomes = bench.outcomes();
        let in_doubt = outcomes.iter().filter(|outcome| **outcome == Outcome::InDoubt).count();
        let succeeded = outcomes.iter().filter(|outcome| **outcome == Outcome::Succeeded).count();
        assert!(in_doubt > 0 && in_doubt + succeeded == 40, "{outcomes:?}");
    });
}

#[test]
fn one_reading_of_a_list_settles_many_actions() {
    virtual_time(async {
        let revokes: Vec<_> = mixed(80).into_iter().filter(|(_, operation, _)| *operation == "revoke").collect();
        let naver: Vec<_> = revokes.into_iter().filter(|(account, ..)| *account == "naver").collect();
        let bench = Bench::new(8, Faults::none(), &naver[..5]);
        for (_, _, parameters) in &naver[..5] {
            bench.world.effect("revoke", &format!("7/{}", parameters["certificateNo"]));
        }
        bench.make();
        bench.process(Cut::Never, &[]).await;
        assert_eq!(bench.outcomes(), [Outcome::AlreadyDone; 5]);
        assert_eq!(bench.world.lists.get(), 1, "the list is read once for all of them");
    });
}

#[test]
fn a_run_directory_is_private_locked_and_whole() {
    let bench = Bench::new(7, Faults::none(), &mixed(2));
    let half_made = RunMaker::begin(bench.directory.path()).unwrap();
    assert!(!bench.path().exists(), "nothing is at the place before it is whole");
    drop(half_made);
    bench.make();
    let first = RunDir::existing(&bench.path()).unwrap().open().unwrap();
    let second = RunDir::existing(&bench.path()).unwrap().open();
    assert!(second.unwrap_err().to_string().contains("another certsweep process"));
    drop(first);
    assert!(RunDir::existing(Path::new("/")).is_err());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&bench.path()), 0o700);
    }
}

/// Worlds in which the promises are checked under cuts at any time, at the smallest scale.
const SEEDS: u64 = 100;
/// How often a run is cut off before it is let go to its end.
const CUTS: u32 = 3;
/// Worlds in which they are checked under a cut after each record, at the smallest scale.
const CUT_SEEDS: u64 = 1;
/// No run takes so long, even in virtual time; a process without power is given up after it.
const LONGEST_RUN: Duration = Duration::from_secs(3000);
