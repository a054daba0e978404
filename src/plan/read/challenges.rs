//! `challenge_hook`, `challenge_type` and `challenge_timeout` of a provider: how an account meets an ACME CA's challenges. Runs nothing.

use super::scalar::{self, field, positive_duration};
use crate::diag::{Diagnostic, Diagnostics};
use crate::plan::load;
use crate::provider::Provider;
use crate::provider::challenge::{ChallengeHook, ChallengeSolver, ChallengeType};
use crate::text::{SourceMap, safe};
use crate::tree::{Field, Node};
use std::time::Duration;

/// The key of the hook itself.
pub(super) const HOOK: &str = "challenge_hook";
/// Which challenges a program meets.
pub(super) const TYPE: &str = "challenge_type";
/// How long it may take.
pub(super) const LIMIT: &str = "challenge_timeout";

/// Reads the hook of an account.
pub(super) fn read_hook(
    map: &Node,
    provider: &Provider,
    sources: &SourceMap,
    diagnostics: &mut Diagnostics,
) -> Option<ChallengeHook> {
    let limit = field(map, LIMIT).map(|field| positive_duration(field, diagnostics));
    let kind = field(map, TYPE).map(|field| read_type(field, diagnostics));
    let Some(hook) = field(map, HOOK) else {
        for lonely in [TYPE, LIMIT].into_iter().filter_map(|key| field(map, key)) {
            let what = format!("`{}` says nothing without `{HOOK}`", lonely.name);
            diagnostics.push(Diagnostic::error("challenge-hook", lonely.span, what).help(EXAMPLE));
        }
        return None;
    };
    let stages = provider.actions().flat_map(|(_, action)| &action.stages);
    if !stages.into_iter().any(|stage| stage.challenge.is_some()) {
        let what = format!("the provider `{}` has no challenges to meet", provider.id);
        diagnostics.push(Diagnostic::error("challenge-hook", hook.span, what).help("drop it"));
        return None;
    }
    let by = read_responder(hook, sources, diagnostics)?;
    let kind = match (kind, &by) {
        (Some(kind), ChallengeSolver::Command(_)) => kind?,
        // A record is what most can change; a file needs the very host.
        (None, ChallengeSolver::Command(_)) => ChallengeType::Dns01,
        (None | Some(Some(ChallengeType::Http01)), ChallengeSolver::Directory(_)) => ChallengeType::Http01,
        (Some(_), ChallengeSolver::Directory(_)) => {
            let what = format!("a directory meets http-01, and `{TYPE}` says another");
            diagnostics.push(Diagnostic::error("challenge-hook", hook.span, what).help(EXAMPLE));
            return None;
        }
    };
    let limit = match limit {
        Some(limit) => limit?,
        None => DEFAULT_LIMIT,
    };
    Some(ChallengeHook { kind, by, limit })
}

fn read_type(field: &Field, diagnostics: &mut Diagnostics) -> Option<ChallengeType> {
    let text = scalar::text(field, diagnostics)?;
    let found = ChallengeType::ALL.iter().find(|(_, word)| *word == text);
    if found.is_none() {
        let what = format!("`{}` is no type of challenge that can be met here", safe::terminal(text));
        diagnostics
            .push(Diagnostic::error("challenge-hook", field.value.span, what).help("it is `dns-01` or `http-01`"));
    }
    found.map(|(kind, _)| *kind)
}

fn read_responder(hook: &Field, sources: &SourceMap, diagnostics: &mut Diagnostics) -> Option<ChallengeSolver> {
    let text = scalar::text(hook, diagnostics)?;
    let found = match text.split_once(':') {
        Some(("command", command)) => shlex::split(command)
            .filter(|words| words.first().is_some_and(|program| !program.is_empty()) && !command.contains('\0'))
            .map(ChallengeSolver::Command),
        Some(("directory", path)) if !path.trim().is_empty() && !path.contains('\0') => {
            // `resume` may run in another directory.
            let path = load::resolve(sources, hook.value.span, path.trim());
            Some(ChallengeSolver::Directory(std::path::absolute(&path).unwrap_or(path)))
        }
        _ => None,
    };
    if found.is_none() {
        let what = "this is neither a program nor a directory";
        diagnostics.push(Diagnostic::error("challenge-hook", hook.value.span, what).help(EXAMPLE));
    }
    found
}

const EXAMPLE: &str = "write `challenge_hook: \"command:dns-hook.sh\"` or `challenge_hook: \"directory:/var/www/.well-known/acme-challenge\"`";
/// Records take their time until all servers have them.
const DEFAULT_LIMIT: Duration = Duration::from_secs(300);
