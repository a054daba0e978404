//! What the runs in `runs/` say about a plan that is about to be carried out: the same plan, begun or done before; and, in another
//! plan's run, the same actions (told by their fingerprints), which a new run would send a second time.

use super::context::{Context, ReadPlan};
use super::exit::Exit;
use crate::journal::dir::runs_in;
use crate::journal::{JournalError, Phase, RunDir};
use crate::plan::Action;
use crate::plan::checked::Fingerprint;
use crate::provider::{Catalog, Repeat};
use crate::run::Outcome;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What earlier runs know.
#[derive(Debug, Default)]
pub struct PreviousRuns {
    runs: Vec<PreviousRun>,
    /// Actions that a new run should not send without a word, by what they do, in that order; of several that do the same, the last
    /// counts.
    known: Vec<(Fingerprint, u32, Overlap)>,
    /// Those of them that the plan has: how many, and the first one's id.
    overlaps: BTreeMap<(usize, Overlap), (u64, String)>,
}

#[derive(Debug)]
struct PreviousRun {
    path: PathBuf,
    digest: String,
    unfinished: bool,
}

/// How an action stands in an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Overlap {
    /// It waits there, or may have taken effect; it costs each time.
    OpenAndUnsafe,
    /// It took effect there; it costs each time.
    DoneAndUnsafe,
    /// It waits there, or may have taken effect; asking again does no harm.
    Open,
}

impl PreviousRuns {
    /// Reads the runs in a directory. One that cannot be read is passed over: it has nothing to say here.
    pub fn read(directory: &Path, catalog: &Catalog) -> Self {
        let mut previous = Self::default();
        for path in runs_in(directory) {
            // A run that fails half-way through keeps what was found in it so far.
            drop(previous.read_run(path, catalog));
        }
        previous.known.sort_by_key(|(fingerprint, ..)| fingerprint.0);
        previous
    }

    fn read_run(&mut self, path: PathBuf, catalog: &Catalog) -> Result<(), JournalError> {
        let reader = RunDir::existing(&path)?.read()?;
        let facts = reader.facts()?;
        if facts.simulated {
            return Ok(());
        }
        let repeats = |account: usize, operation: &str| {
            let provider = facts.settings.accounts.get(account).and_then(|account| catalog.get(&account.provider));
            let rules = provider
                .and_then(|provider| provider.actions().find(|(known, _)| known.name == operation))
                .map(|(_, rules)| rules.repeat);
            rules.unwrap_or(Repeat::Unsafe)
        };
        let run = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        // A run that says that it is finished need not be folded, unless something in it may be worth a word.
        if reader.overview_without_actions()?.finished_at.is_some() {
            let harmless =
                |(account, operation): &(usize, String)| repeats(*account, operation.as_str()) == Repeat::Safe;
            if reader.operations()?.iter().all(harmless) && !reader.was_in_doubt()? {
                self.runs.push(PreviousRun { path, digest: facts.digest, unfinished: false });
                return Ok(());
            }
        }
        let states = reader.states()?;
        let ended = |state: crate::journal::ActionState| matches!(state.phase, Phase::Ended(_));
        let unfinished = !states.iter().all(ended);
        self.runs.push(PreviousRun { path, digest: facts.digest.clone(), unfinished });
        reader.fingerprints(|ordinal, account, operation, fingerprint| {
            if let Some(overlap) = overlap(states.of(ordinal).phase, || repeats(account, operation)) {
                self.known.push((fingerprint, run, overlap));
            }
        })
    }

    /// Takes in the next action of the plan.
    pub fn compare(&mut self, action: &Action) {
        let end = self.known.partition_point(|(fingerprint, ..)| fingerprint.0 <= action.fingerprint.0);
        let last = end.checked_sub(1).map(|index| self.known[index]);
        if let Some((fingerprint, run, overlap)) = last
            && fingerprint == action.fingerprint
            && action.duplicate_of.is_none()
        {
            self.overlaps.entry((run as usize, overlap)).or_insert_with(|| (0, action.id.clone())).0 += 1;
        }
    }

    /// Whether something was warned of.
    ///
    /// # Errors
    /// The exit code, where the plan must not be carried out; why was printed. `new` overrides that.
    pub fn warn(&self, context: &Context, read: &ReadPlan, new: bool) -> Result<bool, Exit> {
        let mut warned = false;
        let mut refused = false;
        for (index, run) in self.runs.iter().enumerate() {
            let path = run.path.display();
            if run.digest == read.plan.digest() {
                if run.unfinished && !new {
                    context.printer.error(&format!(
                        "an unfinished run of this plan is there; go on with `certsweep resume {path}`, or begin anew with --new"
                    ));
                    return Err(Exit::Usage);
                }
                if !run.unfinished {
                    warned = true;
                    context.printer.warning(&format!("this plan was carried out before: {path}"));
                }
                continue;
            }
            for ((_, overlap), (count, first)) in
                self.overlaps.range((index, Overlap::OpenAndUnsafe)..=(index, Overlap::Open))
            {
                let which = match count {
                    1 => format!("the action `{first}`"),
                    more => format!("{more} actions, `{first}` the first of them,"),
                };
                let words = match overlap {
                    Overlap::Open => {
                        format!("{which} waits in an earlier run too, or may have taken effect there: {path}")
                    }
                    Overlap::DoneAndUnsafe => {
                        format!("{which} took effect in an earlier run, and costs each time: {path}")
                    }
                    Overlap::OpenAndUnsafe if new => {
                        format!(
                            "{which} waits in an earlier run too, or may have taken effect there, and costs each time: {path}"
                        )
                    }
                    Overlap::OpenAndUnsafe => {
                        refused = true;
                        context.printer.error(&format!(
                            "{which} waits in an earlier run, or may have taken effect there, and costs each time; settle it \
                             with `certsweep resume {path} --retry in-doubt`, or begin all the same with --new"
                        ));
                        continue;
                    }
                };
                warned = true;
                context.printer.warning(&words);
            }
        }
        if refused { Err(Exit::Usage) } else { Ok(warned) }
    }
}

/// How an action stands that a new run would send again; `None` where there is nothing to say about it.
fn overlap(phase: Phase, repeat: impl Fn() -> Repeat) -> Option<Overlap> {
    let costly = || repeat() == Repeat::Unsafe;
    match phase {
        Phase::Waiting | Phase::InFlight | Phase::Ended(Outcome::InDoubt) => {
            Some(if costly() { Overlap::OpenAndUnsafe } else { Overlap::Open })
        }
        Phase::Ended(outcome) if outcome.is_well() && costly() => Some(Overlap::DoneAndUnsafe),
        Phase::Ended(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_sent_a_second_time_is_told() {
        for (phase, repeat, expected) in [
            (Phase::Waiting, Repeat::Safe, Some(Overlap::Open)),
            (Phase::InFlight, Repeat::Safe, Some(Overlap::Open)),
            (Phase::InFlight, Repeat::Unsafe, Some(Overlap::OpenAndUnsafe)),
            (Phase::Ended(Outcome::InDoubt), Repeat::Unsafe, Some(Overlap::OpenAndUnsafe)),
            (Phase::Ended(Outcome::InDoubt), Repeat::Safe, Some(Overlap::Open)),
            (Phase::Ended(Outcome::Succeeded), Repeat::Unsafe, Some(Overlap::DoneAndUnsafe)),
            (Phase::Ended(Outcome::PendingApproval), Repeat::Unsafe, Some(Overlap::DoneAndUnsafe)),
            (Phase::Ended(Outcome::Succeeded), Repeat::Safe, None),
            (Phase::Ended(Outcome::Failed), Repeat::Unsafe, None),
            (Phase::Ended(Outcome::Rejected), Repeat::Unsafe, None),
            (Phase::Ended(Outcome::Skipped), Repeat::Unsafe, None),
        ] {
            assert_eq!(overlap(phase, || repeat), expected, "{phase:?} {repeat:?}");
        }
    }
}
