//! Text as a terminal shows it: counts, tables whose columns are aligned by cells, and lines whose parts have colours; how wide a line is, and what
//! of it is left on a narrow terminal. All text is made safe to show. Where a colour says something, a word or a sign beside it says it too.

pub(crate) use crate::text::{grouped, plural};

use crate::run::Outcome;
use crate::text::safe;
use unicode_width::UnicodeWidthStr;

/// A colour, by what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Bold,
    /// All is well.
    Good,
    /// Not known, or waits.
    Open,
    /// A failure.
    Bad,
}

/// One line, in parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StyledLine(Vec<(Paint, String)>);

impl StyledLine {
    /// A line of one plain text.
    pub(crate) fn plain(text: &str) -> Self {
        Self::default().with(Paint::Plain, text)
    }

    /// The line, with this behind it.
    pub(crate) fn with(mut self, paint: Paint, text: &str) -> Self {
        self.0.push((paint, safe::terminal(text).into_owned()));
        self
    }

    /// The line, with another behind it.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// How many cells of a terminal it takes.
    pub(crate) fn cells(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// What of it fits into so many cells, an ellipsis at its end where that is not all.
    pub(crate) fn cut(mut self, cells: usize) -> Self {
        if self.cells() <= cells {
            return self;
        }
        let mut left = cells.saturating_sub(1);
        for index in 0..self.0.len() {
            let text = &mut self.0[index].1;
            if width(text) <= left {
                left -= width(text);
                continue;
            }
            let mut kept = String::new();
            for letter in text.chars() {
                kept.push(letter);
                if width(&kept) > left {
                    kept.pop();
                    break;
                }
            }
            kept.push('…');
            *text = kept;
            self.0.truncate(index + 1);
            break;
        }
        self
    }

    /// As it is written.
    pub(crate) fn text(&self, colors: bool) -> String {
        self.0.iter().map(|(paint, text)| paint.on_if(colors, text)).collect()
    }
}

impl Paint {
    /// The text in this colour.
    pub(crate) fn on(self, text: &str) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Bold => "1",
            Self::Good => "32",
            Self::Open => "33",
            Self::Bad => "1;31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// The text, in this colour where there are colours.
    pub(crate) fn on_if(self, colors: bool, text: &str) -> String {
        if colors { self.on(text) } else { text.to_owned() }
    }

    /// An outcome's colour.
    pub(crate) const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded | Outcome::AlreadyDone => Self::Good,
            Outcome::PendingApproval | Outcome::Pending | Outcome::InDoubt => Self::Open,
            Outcome::Rejected | Outcome::Failed => Self::Bad,
            Outcome::Skipped | Outcome::Planned => Self::Plain,
        }
    }
}

/// The sign of an outcome, for those who see no colours.
pub(crate) const fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded | Outcome::AlreadyDone => "✓",
        Outcome::PendingApproval | Outcome::Pending => "…",
        Outcome::Rejected | Outcome::Failed => "✗",
        Outcome::InDoubt => "?",
        Outcome::Skipped | Outcome::Planned => "-",
    }
}

/// Rows of cells as aligned lines, indented by two; the columns of `right` are aligned right.
pub(crate) fn table(header: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    table_in(None, header, right, rows)
}

/// The same for a terminal of so many columns. What does not fit there stands on a line below, further in; a last column of words is folded at its
/// blanks where that is enough. Nothing is left out.
pub(crate) fn table_in(columns: Option<usize>, header: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&header)
        .chain(rows)
        .map(|row| row.iter().map(|cell| safe::terminal(cell).into_owned()).collect())
        .collect();
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let mut widths: Vec<usize> =
        (0..header.len()).map(|column| cells(column).map(|cell| width(cell)).max().unwrap_or(0)).collect();
    // With which column each line of a row begins, and how many cells of the last one are taken.
    let (mut begins, mut used) = (vec![0], 0);
    for column in 0..widths.len() {
        let room = columns.map_or(usize::MAX, |columns| columns.saturating_sub(used + 2));
        if widths[column] > room && used > 0 {
            let has_words = column + 1 == widths.len() && !right.contains(&column) && room >= LEAST_FOLDED;
            if has_words && cells(column).flat_map(|cell| cell.split(' ')).all(|word| width(word) <= room) {
                widths[column] = room;
            } else {
                begins.push(column);
                used = FURTHER_IN;
            }
        }
        used += widths[column] + 2;
    }
    let mut text = String::new();
    for row in &rows {
        for (number, begin) in begins.iter().enumerate() {
            let end = begins.get(number + 1).copied().unwrap_or(row.len()).min(row.len());
            let mut line = " ".repeat(if number == 0 { 1 } else { 1 + FURTHER_IN });
            let mut folded = Vec::new();
            for column in *begin..end {
                let mut pieces = folded_at(&row[column], widths[column]).into_iter();
                let piece = pieces.next().unwrap_or_default();
                let padding = " ".repeat(widths[column] - width(&piece));
                folded.extend(pieces.map(|piece| " ".repeat(width(&line) + 1) + &piece));
                line.push(' ');
                if right.contains(&column) {
                    line.push_str(&padding);
                    line.push_str(&piece);
                } else {
                    line.push_str(&piece);
                    line.push_str(&padding);
                }
                line.push(' ');
            }
            for line in std::iter::once(line).chain(folded) {
                if number == 0 || !line.trim().is_empty() {
                    text.push_str(line.trim_end());
                    text.push('\n');
                }
            }
        }
    }
    text
}

/// A text as lines of so many cells at most, where it has blanks to be folded at.
fn folded_at(text: &str, cells: usize) -> Vec<String> {
    if width(text) <= cells {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= cells => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// How many cells of a terminal a text takes, as Unicode declares them (UAX 11): wide letters and emoji two, combining marks none.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// How much further in the lines stand that go on with a row.
const FURTHER_IN: usize = 4;
/// A narrower column of words is no text any more.
const LEAST_FOLDED: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_its_cells_and_keeps_its_colours() {
        let line = StyledLine::plain("철회 ").with(Paint::Bad, "failed\u{1b}").with(Paint::Plain, " at once");
        assert_eq!(line.cells(), 5 + 12 + 8);
        for (cells, expected) in [
            (25, "철회 failed\\u{1b} at once"),
            (24, "철회 failed\\u{1b} at on…"),
            (8, "철회 fa…"),
            (4, "철…"),
            (1, "…"),
        ] {
            let cut = line.clone().cut(cells);
            assert_eq!(cut.text(false), expected);
            assert!(cut.cells() <= cells);
        }
        assert_eq!(line.cut(8).text(true), "철회 \u{1b}[1;31mfa…\u{1b}[0m");
    }

    #[test]
    fn columns_are_aligned_whatever_the_letters() {
        let row = |name: &str, count: &str| vec![name.to_owned(), count.to_owned(), "x".to_owned()];
        assert_eq!(
            table(&["name", "count", ""], &[1], &[row("철회", "5"), row("revoke", "1,200"), row("\u{1b}", "10")]),
            "  name    count\n  철회        5  x\n  revoke  1,200  x\n  \\u{1b}     10  x\n"
        );
    }

    #[test]
    fn a_table_fits_the_terminal_and_leaves_nothing_out() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let header = ["made", "actions", "run directory", "because of"];
        let rows = [
            row(["2026-11-30", "302", "runs/a-drill", "needs and not_before of it"]),
            row(["2026-11-29", "5", "", ""]),
        ];
        let wide = "  made        actions  run directory  because of
  2026-11-30      302  runs/a-drill   needs and not_before of it
  2026-11-29        5
";
        for (columns, expected) in [
            (None, wide),
            (Some(64), wide),
            (
                Some(52),
                "  made        actions  run directory  because of
  2026-11-30      302  runs/a-drill   needs and
                                      not_before of
                                      it
  2026-11-29        5
",
            ),
            (
                Some(34),
                "  made        actions
      run directory  because of
  2026-11-30      302
      runs/a-drill   needs and
                     not_before of
                     it
  2026-11-29        5
",
            ),
        ] {
            let text = table_in(columns, &header, &[1], &rows);
            assert_eq!(text, expected, "{columns:?}");
            assert!(text.lines().all(|line| columns.is_none_or(|columns| width(line) <= columns)));
        }
        let path = table_in(Some(20), &["a", "b"], &[], &[vec!["1".into(), "a/path/that/has/no/blank".into()]]);
        assert_eq!(path, "  a\n      b\n  1\n      a/path/that/has/no/blank\n");
    }

    #[test]
    fn counts_are_grouped() {
        for (number, expected) in
            [(0, "0 rows"), (1, "1 row"), (999, "999 rows"), (1000, "1,000 rows"), (1_234_567, "1,234,567 rows")]
        {
            assert_eq!(plural(number, "row"), expected);
        }
    }
}
