//! Compares a plan that is about to be carried out with the runs in `runs/`: the same plan, begun or done before; and, in another plan's
//! run, the same actions (by their fingerprints), which a new run would send a second time.

use super::context::{Context, ReadPlan};
use super::exit::Exit;
use crate::journal::dir::runs_in;
use crate::journal::{JournalError, Phase, RunDir};
use crate::plan::Action;
use crate::plan::checked::Fingerprint;
use crate::provider::{Catalog, Idempotency};
use crate::run::Outcome;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The earlier runs, and what the plan has in common with them.
#[derive(Debug, Default)]
pub struct PreviousRuns {
    runs: Vec<PreviousRun>,
    /// Actions that a new run should not send without a warning, sorted by fingerprint; of several with one fingerprint the last, from
    /// the newest run, counts.
    known: Vec<(Fingerprint, u32, Overlap)>,
    /// Those of them that the plan has, by run (its index) and overlap: how many, and the first one's id.
    overlaps: BTreeMap<(usize, Overlap), (u64, String)>,
}

#[derive(Debug)]
struct PreviousRun {
    path: PathBuf,
    digest: String,
    unfinished: bool,
}

/// What an earlier run did with an action, and whether a second time does harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Overlap {
    /// It waits there, or may have taken effect; not idempotent, so a second one is a second certificate or charge.
    OpenAndUnsafe,
    /// It took effect there; not idempotent.
    DoneAndUnsafe,
    /// It waits there, or may have taken effect; idempotent, so only the requests are wasted.
    Open,
}

impl PreviousRuns {
    /// Reads the runs in a directory. One that cannot be read is skipped: a damaged old run must not block a new one.
    pub fn read(directory: &Path, catalog: &Catalog) -> Self {
        let mut previous = Self::default();
        for path in runs_in(directory) {
            // Of a run that fails half-way through, what was found so far still counts.
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
        // An operation that its document no longer declares is treated as not idempotent, the safe side.
        let idempotency_of = |account: usize, operation: &str| {
            let provider = facts.settings.accounts.get(account).and_then(|account| catalog.get(&account.provider));
            let rules = provider
                .and_then(|provider| provider.actions().find(|(known, _)| known.name == operation))
                .map(|(_, rules)| rules.idempotency);
            rules.unwrap_or(Idempotency::NotIdempotent)
        };
        let run = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        // Folding a million records takes a second. A finished run of idempotent actions with none in doubt has nothing to warn of.
        if reader.overview_without_actions()?.finished_at.is_some() {
            let harmless = |(account, operation): &(usize, String)| {
                idempotency_of(*account, operation.as_str()) == Idempotency::Idempotent
            };
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
            if let Some(overlap) = overlap(states.of(ordinal).phase, || idempotency_of(account, operation)) {
                self.known.push((fingerprint, run, overlap));
            }
        })
    }

    /// Compares the plan's next action with the earlier runs' actions.
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

    /// Prints the warnings; returns whether there were any.
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
                let warning = match overlap {
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
                context.printer.warning(&warning);
            }
        }
        if refused { Err(Exit::Usage) } else { Ok(warned) }
    }
}

/// The overlap of an action in this phase; `None` where a new run may send it: it had no effect, or repeating a done one does no harm.
fn overlap(phase: Phase, idempotency: impl Fn() -> Idempotency) -> Option<Overlap> {
    let costly = || idempotency() == Idempotency::NotIdempotent;
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
    fn an_overlap_is_what_a_new_run_would_send_a_second_time() {
        for (phase, idempotency, expected) in [
            (Phase::Waiting, Idempotency::Idempotent, Some(Overlap::Open)),
            (Phase::InFlight, Idempotency::Idempotent, Some(Overlap::Open)),
            (Phase::InFlight, Idempotency::NotIdempotent, Some(Overlap::OpenAndUnsafe)),
            (Phase::Ended(Outcome::InDoubt), Idempotency::NotIdempotent, Some(Overlap::OpenAndUnsafe)),
            (Phase::Ended(Outcome::InDoubt), Idempotency::Idempotent, Some(Overlap::Open)),
            (Phase::Ended(Outcome::Succeeded), Idempotency::NotIdempotent, Some(Overlap::DoneAndUnsafe)),
            (Phase::Ended(Outcome::PendingApproval), Idempotency::NotIdempotent, Some(Overlap::DoneAndUnsafe)),
            (Phase::Ended(Outcome::Succeeded), Idempotency::Idempotent, None),
            (Phase::Ended(Outcome::Failed), Idempotency::NotIdempotent, None),
            (Phase::Ended(Outcome::Rejected), Idempotency::NotIdempotent, None),
            (Phase::Ended(Outcome::Skipped), Idempotency::NotIdempotent, None),
        ] {
            assert_eq!(overlap(phase, || idempotency), expected, "{phase:?} {idempotency:?}");
        }
    }
}
