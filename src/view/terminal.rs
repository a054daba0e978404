//! Text as a terminal shows it: counts, tables whose columns are aligned by cells, and lines whose parts have colours; how wide a line is, and what
//! of it is left on a narrow terminal. All text is made safe to show. Where a colour says something, a word or a sign beside it says it too.

pub(crate) use crate::text::grouped;

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
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&header)
        .chain(rows)
        .map(|row| row.iter().map(|cell| safe::terminal(cell).into_owned()).collect())
        .collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::from(" ");
        for (column, (cell, widest)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(widest - width(cell));
            line.push(' ');
            if right.contains(&column) {
                line.push_str(&padding);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&padding);
            }
            line.push(' ');
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// How many cells of a terminal a text takes, as Unicode declares them (UAX 11): wide letters and emoji two, combining marks none.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `1 action`, `2,000 actions`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(number)) }
}

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
    fn counts_are_grouped() {
        for (number, expected) in
            [(0, "0 rows"), (1, "1 row"), (999, "999 rows"), (1000, "1,000 rows"), (1_234_567, "1,234,567 rows")]
        {
            assert_eq!(plural(number, "row"), expected);
        }
    }
}
