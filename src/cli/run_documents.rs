//! The provider documents that a run goes on with: the copies in its run directory, and the present ones where it has none. Says what is
//! different; sends nothing.

use super::context::Context;
use super::exit::Exit;
use crate::diag::Diagnostics;
use crate::journal::{Phase, RunDir, RunFacts};
use crate::plan::{Action, Wait};
use crate::provider::{Catalog, Provider, params, stages};
use crate::text::SourceMap;

/// What follows where a run directory has no copy of a document, and the present one is another: former versions made no copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutCopy {
    /// The command ends: another document may read the same answer otherwise, and what the journal holds would get another meaning.
    Refuse,
    /// The present document is taken, with a warning, where every action that is left fits it.
    TakeWhatFits,
    /// The present document is taken, with a warning: nothing that takes effect is sent.
    TakePresent,
}

/// Which document a run goes on with.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    /// The present one, which is the one that the run began with.
    Present,
    /// The copy; the line from which on the present one differs, `None` where there is no present one.
    Copy(Option<usize>),
    /// There is no copy, and the present one is another.
    Changed,
    /// There is neither.
    Missing,
}

/// The provider documents of a run.
///
/// # Errors
/// The exit code; why was printed.
pub fn run_catalog(context: &Context, dir: &RunDir, facts: &RunFacts, without: WithoutCopy) -> Result<Catalog, Exit> {
    let mut directories = context.provider_directories();
    directories.extend(facts.provider_directories.iter().filter(|path| path.is_dir()).cloned());
    directories.dedup();
    let mut sources = SourceMap::default();
    // What is wrong with a present document is of no matter where a copy is taken; where it is needed, it is missing.
    let mut present_findings = Diagnostics::default();
    let mut catalog = Catalog::load(&directories, &mut sources, &mut present_findings);
    let mut findings = Diagnostics::default();
    let (mut changed, mut refused, mut missing) = (Vec::new(), false, false);
    for (id, digest) in &facts.documents {
        let copy = dir.document(id, digest);
        match choose(copy.as_deref(), catalog.get(id).map(AsRef::as_ref), digest) {
            Choice::Present => {}
            Choice::Copy(line) => {
                let differs = line.map_or_else(
                    || "is not there any more".to_owned(),
                    |line| format!("has changed since this run began (from its line {line} on)"),
                );
                context.printer.note(&format!(
                    "{id}: the provider document {differs}; the run goes on with its own copy, providers/{id}.yaml"
                ));
                let name = dir.path().join(format!("providers/{id}.yaml")).display().to_string();
                if let Some(text) = copy {
                    catalog.put(name, &text, &mut sources, &mut findings);
                }
            }
            Choice::Changed if without == WithoutCopy::Refuse => {
                refused = true;
                context.printer.error(&format!(
                    "the provider document `{id}` has changed since this run began, and the run directory has no copy of it; \
                     `--use-original-inputs` goes on with the present one"
                ));
            }
            Choice::Changed => {
                context.printer.warning(&format!(
                    "the provider document `{id}` has changed since this run began, and the run directory has no copy of it: \
                     the present one is used"
                ));
                changed.push(id.as_str());
            }
            Choice::Missing => {
                missing = true;
                context.printer.error(&format!(
                    "the provider document `{id}` is not there, and the run directory has no copy of it; name its directory \
                     with --provider-dir"
                ));
            }
        }
    }
    if missing {
        context.findings(&present_findings, &sources);
    }
    context.findings(&findings, &sources);
    if refused || missing || findings.has_errors() {
        return Err(Exit::Usage);
    }
    if without == WithoutCopy::TakeWhatFits && !changed.is_empty() {
        require_fit(context, dir, facts, &catalog, &changed)?;
    }
    Ok(catalog)
}

fn choose(copy: Option<&str>, present: Option<&Provider>, digest: &str) -> Choice {
    match (copy, present) {
        (_, Some(present)) if hex::encode(present.digest) == digest => Choice::Present,
        (Some(copy), present) => Choice::Copy(present.map(|present| first_difference(copy, &present.text))),
        (None, Some(_)) => Choice::Changed,
        (None, None) => Choice::Missing,
    }
}

/// The first line in which two texts differ, from 1.
fn first_difference(one: &str, other: &str) -> usize {
    one.lines().zip(other.lines()).take_while(|(one, other)| one == other).count() + 1
}

/// Refuses actions that are left and that the changed documents would not accept.
fn require_fit(
    context: &Context,
    dir: &RunDir,
    facts: &RunFacts,
    catalog: &Catalog,
    changed: &[&str],
) -> Result<(), Exit> {
    let reader = dir.read().map_err(|error| context.failed(&error))?;
    for found in reader.histories() {
        let (action, history) = found.map_err(|error| context.failed(&error))?;
        let provider = facts.settings.accounts.get(action.account).map(|account| account.provider.as_str());
        let Some(provider) = provider.filter(|id| changed.contains(id)).and_then(|id| catalog.get(id)) else {
            continue;
        };
        if matches!(history.state.phase, Phase::Ended(_)) || fits(&action, provider) {
            continue;
        }
        context.printer.error(&format!(
            "the present provider document `{}` does not accept the action {} ({}); finish this run with the certsweep that \
             began it, or begin a new one",
            provider.id, action.id, action.operation
        ));
        return Err(Exit::Usage);
    }
    Ok(())
}

fn fits(action: &Action, provider: &Provider) -> bool {
    if Wait::of_action(&action.operation, &action.parameters).is_some() {
        return true;
    }
    let operation = provider.operation(&action.operation).filter(|operation| operation.action.is_some());
    // What earlier steps bring is held against the document when it is there.
    let is_brought = |name: &String| stages::references(&action.parameters).any(|(brought, _)| brought == name);
    operation.is_some_and(|known| {
        let wrong = params::check(known, &action.parameters);
        wrong.iter().all(|wrong| wrong.parameter.as_ref().is_some_and(is_brought))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_taken_where_the_present_document_is_another() {
        let catalog = Catalog::built_in();
        let present = catalog.get("naver").unwrap();
        let (same, other) = (hex::encode(present.digest), "0".repeat(64));
        let copy = format!("{}# more\n", present.text);
        let after = present.text.lines().count() + 1;
        for (copy, present, digest, expected) in [
            (None, Some(present), &same, Choice::Present),
            (Some(copy.as_str()), Some(present), &same, Choice::Present),
            (Some(copy.as_str()), Some(present), &other, Choice::Copy(Some(after))),
            (Some("openapi: 3.1.1\n"), Some(present), &other, Choice::Copy(Some(1))),
            (Some(copy.as_str()), None, &other, Choice::Copy(None)),
            (None, Some(present), &other, Choice::Changed),
            (None, None, &other, Choice::Missing),
        ] {
            assert_eq!(choose(copy, present.map(AsRef::as_ref), digest), expected);
        }
    }
}
