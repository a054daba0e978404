//! One file of a half-done run is changed at random, and the run is resumed: it is refused, or it goes on and keeps its promises. What is
//! refused is read as far as it can be, and what is told of it is true.

use super::scale::scaled;
use super::world::{Faults, World};
use super::{Bench, Cut, mixed, replayable, seeds, virtual_time};
use certsweep::journal::RunDir;
use certsweep::run::Outcome;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[test]
fn whatever_is_changed_in_one_file_no_reissue_is_bought_twice() {
    // By file: how often the run was refused, and how often it went on.
    let mut ended: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for seed in seeds(5000..5000 + scaled(CHANGES)) {
        let (file, refused) = replayable(seed, || virtual_time(survive_a_change(seed)));
        let (refusals, others) = ended.entry(file).or_default();
        *(if refused { refusals } else { others }) += 1;
    }
    let refused = |file: &str| ended.get(file).map_or(0, |(refused, _)| *refused);
    if seeds(0..2).count() == 2 {
        assert!(refused("run.sqlite-wal") > 0 && refused("run.sqlite") > 0 && refused("marks") > 0, "{ended:?}");
        // What says nothing of the run is made anew.
        assert!(refused("lock") == 0 && refused("run.sqlite-shm") == 0, "{ended:?}");
    }
}

/// A run is cut off twice, as by `kill -9`; then one file is changed. Which one it was, and whether the run was refused.
async fn survive_a_change(seed: u64) -> (String, bool) {
    let faults = Faults { lost_before: 5, lost_after: 8, error_after: 4, refuse: 4, ..Faults::none() };
    let mut bench = Bench::new(seed, faults, &mixed(ACTIONS));
    bench.make();
    let copies = ["older", "newer"].map(|name| bench.directory.path().join(name));
    for to in &copies {
        bench.killed = Some(to.clone());
        let time = Duration::from_millis(100 + bench.world.next_random() % 2500);
        bench.process(Cut::AfterTime(time), &[]).await;
        copy(to, &bench.path());
    }
    bench.killed = None;
    let mut random = |below: u64| bench.world.next_random() % below.max(1);
    let file = change(&bench.path(), &copies[0], &mut random);

    let ended = bench.try_process(Cut::Never, &[]).await;
    let effects = bench.world.effects();
    for (key, effects) in &effects {
        assert!(*effects <= 1 || !key.starts_with("reissue"), "seed {seed}, {file}: {key} took effect {effects} times");
    }
    match ended {
        Ok((Some(ending), _)) if ending.complete => {
            let reader = RunDir::existing(&bench.path()).unwrap().read().unwrap();
            let outcomes: Vec<Outcome> = reader.states().unwrap().iter().map(|state| state.outcome()).collect();
            tells_the_truth(&bench, &outcomes, seed, &file);
            (file, false)
        }
        _ => {
            if let Ok(reader) = RunDir::existing(&bench.path()).and_then(|dir| dir.read_damaged()) {
                let told =
                    reader.histories_without_parameters().map(|found| found.map(|(_, told)| told.state.outcome()));
                let outcomes: Vec<Outcome> = told.collect::<Result<_, _>>().unwrap();
                tells_the_truth(&bench, &outcomes, seed, &file);
            }
            (file, true)
        }
    }
}

fn tells_the_truth(bench: &Bench, outcomes: &[Outcome], seed: u64, file: &str) {
    assert_eq!(outcomes.len(), ACTIONS, "seed {seed}, {file}: one row an action");
    let effects = bench.world.effects();
    for (action, outcome) in bench.actions.iter().zip(outcomes) {
        let effect = effects.get(&World::key(&action.operation, &action.target)).copied().unwrap_or_default();
        let is_true = match outcome {
            Outcome::Succeeded | Outcome::AlreadyDone => effect == 1,
            Outcome::Failed | Outcome::Rejected | Outcome::Skipped => effect == 0,
            _ => true,
        };
        assert!(
            is_true,
            "seed {seed}, {file}: {} {} is told {outcome}, {effect} effects",
            action.operation, action.target
        );
    }
}

/// Changes one file of a run directory; its name.
fn change(run: &Path, older: &Path, random: &mut impl FnMut(u64) -> u64) -> String {
    let file = FILES[random(FILES.len() as u64) as usize];
    let path = run.join(file);
    let mut bytes = fs::read(&path).unwrap_or_default();
    let at = random(bytes.len() as u64) as usize;
    let length = (1 + random(9000) as usize).min(bytes.len() - at.min(bytes.len()));
    match random(9) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random(8),
        1 => {
            for _ in 0..20 {
                let at = random(bytes.len() as u64) as usize;
                bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << random(8));
            }
        }
        2 => bytes[at..at + length].iter_mut().for_each(|byte| *byte = random(256) as u8),
        3 => bytes[at..at + length].fill(0),
        4 => bytes.fill(0),
        5 => bytes.truncate(at),
        6 => swap_pages(&mut bytes, file, random),
        7 => {
            // Removed, as `rm` does.
            drop(fs::remove_file(&path));
            return file.to_owned();
        }
        _ => bytes = fs::read(older.join(file)).unwrap_or_default(),
    }
    fs::write(&path, bytes).unwrap();
    file.to_owned()
}

/// Two pages change places: those of the database, or of the log with their heads, or the slots of marks.
fn swap_pages(bytes: &mut [u8], file: &str, random: &mut impl FnMut(u64) -> u64) {
    let (head, size) = match file {
        "run.sqlite-wal" => (32, 4096 + 24),
        "marks" => (0, 512),
        _ => (0, 4096),
    };
    let pages = bytes.len().saturating_sub(head) / size;
    let (one, other) = (random(pages as u64) as usize, random(pages as u64) as usize);
    if pages > 1 && one != other {
        let (low, high) = (head + one.min(other) * size, head + one.max(other) * size);
        let (left, right) = bytes.split_at_mut(high);
        left[low..low + size].swap_with_slice(&mut right[..size]);
    }
}

/// A directory becomes another's copy.
pub(crate) fn copy(from: &Path, to: &Path) {
    drop(fs::remove_dir_all(to));
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, to).unwrap();
        }
    }
}

/// The log more often than others: it is what holds the newest.
const FILES: [&str; 8] = [
    "run.sqlite-wal",
    "run.sqlite-wal",
    "run.sqlite-wal",
    "run.sqlite",
    "run.sqlite",
    "marks",
    "run.sqlite-shm",
    "lock",
];
/// Actions of a run, a quarter of them reissues.
const ACTIONS: usize = 24;
/// Runs of which a file is changed, at the smallest scale.
const CHANGES: u64 = 50;
