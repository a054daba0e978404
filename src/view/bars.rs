//! The lines that stand below a run on a terminal: one an account, with a bar, and one for the whole run; and how they stay below all others. On a
//! narrow terminal what matters least goes first, in a fixed order; how many failed, and a deadline that will be missed, are never left out. Figures
//! and sizes in, text out: indicatif keeps how many rows there are, erases them and draws them anew, and the printer writes what it drew in one go.

use super::tally::{AccountFigures, TotalFigures};
use super::terminal::{Paint, StyledLine, grouped, sign, width};
use crate::run::Outcome;
use crate::time::human;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use jiff::SignedDuration;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The lines that stand below all others. Each change gives the text that makes it on the terminal.
#[derive(Debug, Default)]
pub(super) struct LinesBelow {
    canvas: Canvas,
    /// One bar whose message is all the lines: bars of their own would each draw all of them. `None` where nothing stands there.
    bar: Option<ProgressBar>,
    /// How many cells each line takes.
    cells: Vec<usize>,
}

/// What indicatif takes for the terminal. Clones share it.
#[derive(Debug, Clone, Default)]
struct Canvas(Arc<Mutex<Drawn>>);

#[derive(Debug, Default)]
struct Drawn {
    rows: usize,
    text: String,
    /// How many pieces of text came since the last flush: a line, its filling, a line, its filling.
    pieces: usize,
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

impl LinesBelow {
    pub(super) fn is_empty(&self) -> bool {
        self.bar.is_none()
    }

    /// These lines stand below from now on; with none, nothing does. The size is that of the terminal, in columns and rows.
    pub(super) fn show(&mut self, lines: Vec<StyledLine>, size: (usize, usize), colors: bool) -> String {
        // A line that fills the last column would wrap on some terminals.
        let columns = size.0.min(MAX_COLUMNS.into()).saturating_sub(1);
        let lines: Vec<StyledLine> = lines.into_iter().map(|line| line.cut(columns)).collect();
        let text = lines.iter().map(|line| line.text(colors)).collect::<Vec<_>>().join("\n");
        if self.bar.as_ref().is_some_and(|bar| bar.message() == text) || lines.is_empty() && self.is_empty() {
            return String::new();
        }
        self.begin(size);
        if lines.is_empty() {
            self.bar.take().iter().for_each(ProgressBar::finish_and_clear);
        } else {
            self.bar.get_or_insert_with(|| self.canvas.bar()).set_message(text);
        }
        self.cells = lines.iter().map(StyledLine::cells).collect();
        self.canvas.take()
    }

    /// A line that comes above them.
    pub(super) fn above(&mut self, line: &str, size: (usize, usize)) -> String {
        self.begin(size);
        let canvas = self.canvas.clone();
        let write = || canvas.drawn().text.extend([line, "\r\n"]);
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
        self.canvas.take()
    }

    /// A terminal that became narrower has wrapped the lines. indicatif takes each for one row; the others are erased before it begins.
    fn begin(&self, (columns, rows): (usize, usize)) {
        let wrapped: usize = self.cells.iter().map(|cells| cells.div_ceil(columns.max(1)).saturating_sub(1)).sum();
        let mut drawn = self.canvas.drawn();
        drawn.text = "\r\u{1b}[2K\u{1b}[A".repeat(wrapped);
        drawn.rows = rows;
    }
}

impl Canvas {
    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        // A panic leaves text that is at worst drawn over.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar(&self) -> ProgressBar {
        // No rate: who shows lines knows when, by a clock that tests can turn.
        let target = ProgressDrawTarget::term_like(Box::new(self.clone()));
        let style = ProgressStyle::with_template("{msg}").expect("one key, and no more");
        ProgressBar::with_draw_target(None, target).with_style(style)
    }

    /// What was drawn, between marks: a terminal that knows these shows it in one go; the others ignore them.
    fn take(&self) -> String {
        let text = std::mem::take(&mut self.drawn().text);
        if text.is_empty() { text } else { format!("\u{1b}[?2026h{text}\u{1b}[?2026l") }
    }

    fn push(&self, text: &str) -> io::Result<()> {
        self.drawn().text.push_str(text);
        Ok(())
    }

    fn move_cursor(&self, n: usize, direction: char) -> io::Result<()> {
        // A terminal reads 0 as 1.
        if n > 0 { self.push(&format!("\u{1b}[{n}{direction}")) } else { Ok(()) }
    }
}

impl TermLike for Canvas {
    /// So wide that nothing ever wraps. What does wrap, once the terminal has changed, is known at the next drawing only.
    fn width(&self) -> u16 {
        MAX_COLUMNS
    }

    fn height(&self) -> u16 {
        u16::try_from(self.drawn().rows).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.push(text)?;
        self.push("\r\n")
    }

    /// indicatif fills each line with blanks, so that the terminal wraps into the next. A terminal that changes its width would take all lines for
    /// one long one, and lay it out anew; so each line gets its end instead.
    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut drawn = self.drawn();
        let is_line = drawn.pieces.is_multiple_of(2);
        if is_line && drawn.pieces > 0 {
            drawn.text.push_str("\r\n");
        }
        drawn.text.push_str(if is_line { text } else { "" });
        drawn.pieces += 1;
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.push("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        self.drawn().pieces = 0;
        Ok(())
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
/// Wider lines are cut, however wide the terminal is.
const MAX_COLUMNS: u16 = 1024;

#[cfg(test)]
pub(crate) mod testing {
    //! A terminal, as far as what is written to it goes.

    /// What a terminal shows after this was written: its rows without those that are empty at the end, and where the cursor is. One of so many
    /// columns wraps what is longer.
    pub(crate) fn rows(written: &str, columns: usize) -> Vec<String> {
        let (mut rows, mut row, mut column) = (vec![Vec::new()], 0, 0);
        let mut letters = written.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\r' => column = 0,
                '\n' => (row, column) = (row + 1, 0),
                '\u{1b}' => {
                    let code: String = letters.by_ref().skip(1).take_while(|letter| !letter.is_alphabetic()).collect();
                    // `take_while` has eaten the letter that ends the sequence.
                    let end = written[..written.len() - letters.as_str().len()].chars().last().unwrap();
                    match end {
                        'A' => row -= code.parse().unwrap_or(1),
                        'B' => row += code.parse().unwrap_or(1),
                        'K' => rows[row].clear(),
                        _ => {}
                    }
                }
                letter => {
                    if column == columns {
                        (row, column) = (row + 1, 0);
                    }
                    if rows.len() <= row {
                        rows.resize(row + 1, Vec::new());
                    }
                    let width = rows[row].len().max(column + 1);
                    rows[row].resize(width, ' ');
                    rows[row][column] = letter;
                    column += 1;
                }
            }
            if rows.len() <= row {
                rows.resize(row + 1, Vec::new());
            }
        }
        let mut rows: Vec<String> = rows.into_iter().map(|row| row.into_iter().collect()).collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::testing::rows;
    use super::*;
    use std::time::Duration;

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

    fn lines(texts: &[&str]) -> Vec<StyledLine> {
        texts.iter().map(|text| StyledLine::plain(text)).collect()
    }

    #[test]
    fn lines_come_above_and_what_stands_below_is_drawn_over_itself() {
        let (mut below, mut written) = (LinesBelow::default(), String::new());
        let size = (80, 24);
        written += &below.show(lines(&["ca [>  ]", "total"]), size, false);
        assert_eq!(rows(&written, 80), ["ca [>  ]", "total"]);
        assert_eq!(below.show(lines(&["ca [>  ]", "total"]), size, false), "", "nothing has changed");
        written += &below.above("a line", size);
        written += &below.show(lines(&["ca [=> ]"]), size, false);
        assert_eq!(rows(&written, 80), ["a line", "ca [=> ]"]);
        written += &below.above("another", size);
        written += &below.show(lines(&["ca [==>]", "ca-2", "total"]), size, false);
        assert_eq!(rows(&written, 80), ["a line", "another", "ca [==>]", "ca-2", "total"]);
        written += &below.show(Vec::new(), size, false);
        assert_eq!(rows(&written, 80), ["a line", "another"]);
        assert_eq!(below.show(Vec::new(), size, false), "");
        written += &below.above("a third", size);
        assert_eq!(rows(&written, 80), ["a line", "another", "a third"]);
    }

    #[test]
    fn what_is_too_wide_is_cut_and_what_a_narrower_terminal_has_wrapped_leaves_nothing() {
        let (mut below, wide) = (LinesBelow::default(), "=".repeat(200));
        let first = below.above("a line", (160, 24)) + &below.show(lines(&[&wide, "total"]), (160, 24), true);
        assert_eq!(rows(&first, 160)[1].chars().count(), 159);
        // As a terminal of 60 columns lays it out that was wider before: the same text, wrapped.
        let wrapped = first.replace("\u{1b}[?2026h", "");
        assert_eq!(rows(&wrapped, 60).len(), 1 + 3 + 1);
        // A line that comes meanwhile draws them as they are.
        let written = wrapped + &below.above("another", (60, 24));
        assert_eq!(rows(&written, 60).len(), 2 + 3 + 1);
        let written = written + &below.show(lines(&["ca", "total"]), (60, 24), true);
        assert_eq!(rows(&written, 60), ["a line", "another", "ca", "total"]);
        assert!(!written.contains("   "), "lines end where their text ends");
    }
}
