//! Rules that can never match, since an earlier one matches whenever they would. A mistake in a document, always.

use crate::provider::model::{AnswerRule, Condition, StandingRule, Test};
use crate::text::Span;

/// The rules that are never reached, each with the earlier rule that wins.
pub(super) fn unreachable(rules: &[(AnswerRule, Span)]) -> Vec<(Span, Span)> {
    let mut found = Vec::new();
    for (index, (rule, span)) in rules.iter().enumerate() {
        let earlier = &rules[..index];
        let winner =
            |status: Option<u16>| earlier.iter().find(|(first, _)| wins(first, rule, status)).map(|(_, span)| *span);
        let winners: Option<Vec<Span>> = if rule.status.is_empty() {
            winner(None).map(|span| vec![span])
        } else {
            rule.status.iter().map(|status| winner(Some(*status))).collect()
        };
        if let Some(by) = winners.and_then(|spans| spans.first().copied()) {
            found.push((*span, by));
        }
    }
    found
}

/// As [`unreachable()`], for what rows tell.
pub(super) fn unreachable_standings(rules: &[(StandingRule, Span)]) -> Vec<(Span, Span)> {
    let mut found = Vec::new();
    for (index, (rule, span)) in rules.iter().enumerate() {
        let earlier = rules[..index].iter().find(|(first, _)| all_implied(&first.when, &rule.when));
        found.extend(earlier.map(|(_, by)| (*span, *by)));
    }
    found
}

/// Whether `first` matches every answer of this status that `rule` matches.
fn wins(first: &AnswerRule, rule: &AnswerRule, status: Option<u16>) -> bool {
    let by_status = first.status.is_empty() || status.is_some_and(|status| first.status.contains(&status));
    // A condition that looks for something holds for no empty body.
    let not_empty =
        rule.empty == Some(false) || rule.when.iter().any(|condition| condition.test != Test::Present(false));
    let by_emptiness = match first.empty {
        None => true,
        Some(true) => rule.empty == Some(true),
        Some(false) => not_empty,
    };
    by_status && by_emptiness && all_implied(&first.when, &rule.when)
}

fn all_implied(wanted: &[Condition], given: &[Condition]) -> bool {
    wanted
        .iter()
        .all(|wanted| given.iter().any(|given| given.pointer == wanted.pointer && implies(&given.test, &wanted.test)))
}

/// Whether a value that meets `given` surely meets `wanted`.
fn implies(given: &Test, wanted: &Test) -> bool {
    if given == wanted {
        return true;
    }
    match (given, wanted) {
        (Test::OneOf(words), wanted) => words.iter().all(|word| meets(word, wanted)),
        (Test::Present(false), _) => false,
        (_, Test::Present(true)) => true,
        (Test::NoneOf(more), Test::NoneOf(fewer)) => fewer.iter().all(|word| more.contains(word)),
        (Test::Prefix(longer), Test::Prefix(shorter)) => {
            longer.iter().all(|word| shorter.iter().any(|prefix| word.starts_with(prefix.as_str())))
        }
        (Test::Prefix(words), Test::Contains(part)) => words.iter().all(|word| word.contains(part.as_str())),
        (Test::Contains(longer), Test::Contains(shorter)) => longer.contains(shorter.as_str()),
        _ => false,
    }
}

fn meets(word: &String, test: &Test) -> bool {
    match test {
        Test::OneOf(words) => words.contains(word),
        Test::NoneOf(words) => !words.contains(word),
        Test::Prefix(words) => words.iter().any(|prefix| word.starts_with(prefix.as_str())),
        Test::Contains(part) => word.contains(part.as_str()),
        Test::Present(present) => *present,
    }
}
