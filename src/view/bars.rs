//! The lines that stand below a run on a terminal: one an account, with a bar, and one for the whole run. Pure: figures and a width in,
//! lines out. On a narrow terminal what matters least goes first, in a fixed order; how many failed, and a deadline that will be missed,
//! are never left out.

use super::styled::{Paint, StyledLine, sign};
use super::table::{grouped, width};
use crate::run::Outcome;
use crate::time::human;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::time::Duration;

/// What an account's line shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccountFigures {
    pub(super) name: String,
    pub(super) done: u64,
    pub(super) total: u64,
    /// `20.0/s`.
    pub(super) rate: Option<String>,
    /// `3m 20s left`.
    pub(super) left: Option<String>,
    /// What bounds it, or why it sends nothing.
    pub(super) cause: Option<String>,
    /// Whether it sends nothing because of that.
    pub(super) stands_still: bool,
}

/// What the line of the whole run shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct TotalFigures {
    pub(super) elapsed: Duration,
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) left: Option<Duration>,
    /// Time left over before the deadline; below zero, by how much it is missed.
    pub(super) slack: Option<SignedDuration>,
    pub(super) outcomes: BTreeMap<Outcome, u64>,
    /// How long it is until the deadline, below zero where that has passed, for as long as nobody knows how much is left over.
    pub(super) until_deadline: Option<SignedDuration>,
    /// `paused for 2m 10s`: why the whole run sends nothing.
    pub(super) halt: Option<String>,
}

/// An account's line. Bars of all accounts begin and end in the same columns: behind `names` cells of names, before `texts` cells of text.
pub(super) fn account_line(account: &AccountFigures, columns: usize, names: usize, texts: usize) -> StyledLine {
    let name = format!("{}{}", account.name, " ".repeat(names.saturating_sub(width(&account.name))));
    let text = account_text(account, columns.saturating_sub(names + 1));
    let cells = columns.saturating_sub(names + 1 + 3 + texts.max(text.cells()));
    let line = StyledLine::plain(&format!("{name} "));
    let line = if cells < MIN_BAR { line } else { line.and(bar(account, cells)) };
    line.and(text).cut(columns)
}

/// The text behind an account's bar, in at most so many cells where that can be: first the rate is left out, then the cause.
pub(super) fn account_text(account: &AccountFigures, cells: usize) -> StyledLine {
    let text = |rate: bool, cause: bool| {
        let line = StyledLine::plain(&format!("{}/{}", grouped(account.done), grouped(account.total)));
        let pace: Vec<&str> =
            account.rate.as_deref().filter(|_| rate).into_iter().chain(account.left.as_deref()).collect();
        let line = if pace.is_empty() { line } else { line.with(Paint::Plain, &format!("  {}", pace.join(", "))) };
        match &account.cause {
            Some(words) if account.stands_still && cause => line.with(Paint::Open, &format!("  {words}")),
            Some(words) if cause => line.with(Paint::Plain, &format!(" ({words})")),
            _ => line,
        }
    };
    let forms = [text(true, true), text(false, true), text(false, false)];
    let fitting = forms.iter().find(|form| form.cells() <= cells);
    fitting.unwrap_or(&forms[2]).clone()
}

fn bar(account: &AccountFigures, cells: usize) -> StyledLine {
    let done = (account.done as u128 * cells as u128).checked_div(u128::from(account.total)).unwrap_or(cells as u128);
    let done = usize::try_from(done).unwrap_or(cells).min(cells);
    let head = if done < cells { ">" } else { "" };
    let rest = " ".repeat(cells - done - head.len());
    StyledLine::plain("[")
        .with(Paint::Good, &format!("{}{head}", "=".repeat(done)))
        .with(Paint::Plain, &format!("{rest}] "))
}

/// The line of the whole run: `total  3m 20s  4,999/5,002  2m 27s left  deadline MISSED by about 1m 30s  ✓ 4,782 ok · ✗ 2 failed`.
pub(super) fn total_line(total: &TotalFigures, columns: usize) -> StyledLine {
    // Each part with its weight: the lightest is left out first, the heaviest never.
    let part = |weight: u8, paint: Paint, text: String| (weight, StyledLine::default().with(paint, &text));
    let mut parts = vec![
        part(1, Paint::Bold, "total".to_owned()),
        part(2, Paint::Plain, human(total.elapsed)),
        part(6, Paint::Bold, format!("{}/{}", grouped(total.done), grouped(total.total))),
    ];
    parts.extend(total.halt.iter().map(|why| part(7, Paint::Open, why.clone())));
    let left = total.left.filter(|left| !left.is_zero() && total.halt.is_none());
    parts.extend(left.map(|left| part(3, Paint::Plain, format!("{} left", human(left)))));
    if let (None, Some(ahead)) = (total.slack, total.until_deadline.filter(SignedDuration::is_positive)) {
        parts.push(part(5, Paint::Plain, format!("deadline in {}", human(ahead.unsigned_abs()))));
    }
    parts.extend(total.slack.map(|slack| {
        let by = human(slack.unsigned_abs());
        if slack.is_negative() {
            part(NEVER, Paint::Bad, format!("deadline MISSED by about {by}"))
        } else {
            part(5, Paint::Plain, format!("deadline met, {by} to spare"))
        }
    }));
    let counts = OUTCOME_WORDS.iter().filter_map(|(outcomes, word, weight)| {
        let count: u64 = outcomes.iter().filter_map(|outcome| total.outcomes.get(outcome)).sum();
        let outcome = *outcomes.first()?;
        (count > 0).then(|| part(*weight, Paint::of(outcome), format!("{} {} {word}", sign(outcome), grouped(count))))
    });
    let counts: Vec<(u8, StyledLine)> = counts.collect();
    let first_count = parts.len();
    parts.extend(counts);
    let mut there = vec![true; parts.len()];
    loop {
        let mut line = StyledLine::default();
        let mut last = None;
        for (index, (_, part)) in parts.iter().enumerate().filter(|(index, _)| there[*index]) {
            let between = match last {
                None => "",
                Some(last) if last >= first_count => " · ",
                Some(_) => "  ",
            };
            line = line.with(Paint::Plain, between).and(part.clone());
            last = Some(index);
        }
        let lightest = (0..parts.len())
            .filter(|index| there[*index] && parts[*index].0 < NEVER)
            .min_by_key(|index| parts[*index].0);
        match lightest {
            Some(lightest) if line.cells() > columns => there[lightest] = false,
            _ => return line.cut(columns),
        }
    }
}

/// How a line of the whole run counts, with the weight of each count.
const OUTCOME_WORDS: [(&[Outcome], &str, u8); 6] = [
    (&[Outcome::Succeeded, Outcome::AlreadyDone], "ok", 4),
    (&[Outcome::PendingApproval], "waits", 8),
    (&[Outcome::Rejected], "rejected", NEVER),
    (&[Outcome::Failed], "failed", NEVER),
    (&[Outcome::InDoubt], "unknown", NEVER),
    (&[Outcome::Skipped], "skipped", 9),
];
/// The weight of what is never left out.
const NEVER: u8 = 10;
/// A shorter bar says nothing.
const MIN_BAR: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_narrow_terminal_the_bar_goes_first_then_the_rate_then_the_cause() {
        let account = AccountFigures {
            name: "digicert".into(),
            done: 1203,
            total: 2000,
            rate: Some("5.5/s".into()),
            left: Some("2m 24s left".into()),
            cause: Some("limit 50/5s".into()),
            stands_still: false,
        };
        for (columns, expected) in [
            (80, "digicert [=============>         ] 1,203/2,000  5.5/s, 2m 24s left (limit 50/5s)"),
            (64, "digicert [====>  ] 1,203/2,000  5.5/s, 2m 24s left (limit 50/5s)"),
            (60, "digicert 1,203/2,000  5.5/s, 2m 24s left (limit 50/5s)"),
            (50, "digicert 1,203/2,000  2m 24s left (limit 50/5s)"),
            (40, "digicert 1,203/2,000  2m 24s left"),
            (20, "digicert 1,203/2,00…"),
        ] {
            let line = account_line(&account, columns, 8, 0);
            assert_eq!(line.text(false), expected);
            assert!(line.cells() <= columns);
        }
        let wide = account_line(&account, 160, 8, 0);
        assert_eq!(wide.cells(), 160);
    }

    #[test]
    fn a_missed_deadline_and_failures_are_never_left_out() {
        let total = TotalFigures {
            elapsed: Duration::from_secs(200),
            done: 4999,
            total: 5002,
            left: Some(Duration::from_secs(147)),
            slack: Some(SignedDuration::from_secs(-90)),
            outcomes: [
                (Outcome::Succeeded, 4700),
                (Outcome::AlreadyDone, 82),
                (Outcome::PendingApproval, 1),
                (Outcome::Failed, 2),
                (Outcome::InDoubt, 216),
            ]
            .into(),
            until_deadline: Some(SignedDuration::from_secs(57)),
            halt: None,
        };
        for (columns, expected) in [
            (
                160,
                "total  3m 20s  4,999/5,002  2m 27s left  deadline MISSED by about 1m 30s  ✓ 4,782 ok · … 1 waits · ✗ 2 failed · ? 216 unknown",
            ),
            (100, "4,999/5,002  deadline MISSED by about 1m 30s  ✓ 4,782 ok · … 1 waits · ✗ 2 failed · ? 216 unknown"),
            (80, "deadline MISSED by about 1m 30s  … 1 waits · ✗ 2 failed · ? 216 unknown"),
            (60, "deadline MISSED by about 1m 30s  ✗ 2 failed · ? 216 unknown"),
            (40, "deadline MISSED by about 1m 30s  ✗ 2 fa…"),
        ] {
            let line = total_line(&total, columns);
            assert_eq!(line.text(false), expected);
            assert!(line.cells() <= columns);
        }
        let unknown = TotalFigures { slack: None, left: None, ..total.clone() };
        assert!(total_line(&unknown, 160).text(false).contains("  deadline in 57s  "));
        let met = TotalFigures {
            slack: Some(SignedDuration::from_secs(3600)),
            halt: Some("paused for 5.0s".into()),
            ..total
        };
        assert_eq!(
            total_line(&met, 160).text(false),
            "total  3m 20s  4,999/5,002  paused for 5.0s  deadline met, 1h 00m to spare  ✓ 4,782 ok · … 1 waits · ✗ 2 failed · ? 216 unknown"
        );
    }

    #[test]
    fn a_bar_is_full_when_all_is_done_and_not_before() {
        let account = |done| AccountFigures {
            name: "a".into(),
            done,
            total: 1000,
            rate: None,
            left: None,
            cause: None,
            stands_still: false,
        };
        for (done, expected) in
            [(0, "[>         ]"), (999, "[=========>]"), (1000, "[==========]"), (2000, "[==========]")]
        {
            assert_eq!(bar(&account(done), 10).text(false).trim_end(), expected);
        }
    }
}
